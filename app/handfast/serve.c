/* serve.c -- the main thread's life after boot: one epoll loop over the backends' admission, the
 * command socket and the signals, and every few milliseconds the events of the workers. What a
 * worker must know goes to it as an order; what it no longer needs comes back as an event, and only
 * then is memory given back: sites when every worker has let go, endpoints likewise. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "app/handfast/app.h"
#include "app/handfast/links.h"
#include "app/handfast/serve.h"
#include "app/handfast/site_load.h"
#include "lib/base/secret.h"

#define EVENTS_EVERY_MS 5
#define LINK_RING_LEN (1u << 20) /* each direction, worker and endpoint: near the size of an L2 */
#define DRAIN_NS (30 * HF_NS_S)
#define WALL_OFF_NS HF_NS_S /* workers are told when the wall clock is off by so much */

/* ---- orders ---- */

/* A worker empties its inbox every turn, so a full one is a matter of microseconds. */
static void order(struct hf_app *app, uint32_t worker, const struct hf_order *o)
{
	while (hf_worker_order(app->worker[worker].w, o))
		hf_os_sleep_ns(100 * HF_NS_US);
}

static void order_all(struct hf_app *app, const struct hf_order *o)
{
	for (uint32_t i = 0; i < app->worker_cnt; i++)
		order(app, i, o);
}

/* ---- the site ---- */

int hf_serve_check(const struct hf_config *cfg, struct hf_config_errors *errs)
{
	uint64_t key_id = 0;
	struct hf_loaded_site *s = hf_site_load(cfg, 1, 1, &key_id, errs);
	struct hf_tickets_source *t = hf_tickets_source_load(cfg, errs);
	int err = s && t ? 0 : -1;

	hf_site_unload(s);
	hf_tickets_source_free(t);
	return err;
}

static int site_next(struct hf_app *app, const struct hf_config *cfg, struct hf_config_errors *errs)
{
	struct hf_serve *sv = app->serve;
	struct hf_loaded_site *s =
		hf_site_load(cfg, sv->generation + 1, app->worker_cnt, &sv->key_id, errs);
	struct hf_tickets_source *t = hf_tickets_source_load(cfg, errs);

	if (!s || !t) {
		hf_site_unload(s);
		hf_tickets_source_free(t);
		return -1;
	}
	sv->generation++;
	sv->stats.generations++;
	s->older = sv->sites;
	sv->sites = s;
	hf_hosts_take(&sv->hosts, cfg, s);
	order_all(app, &(struct hf_order){.kind = HF_ORDER_SITE, .site = s->site});
	hf_tickets_use(sv->tickets, t);
	return 0;
}

static bool tickets_taken(const struct hf_app *app)
{
	for (uint32_t i = 0; i < app->worker_cnt; i++)
		if (hf_worker_tickets(app->worker[i].w) != app->serve->tickets_generation)
			return false;
	return true;
}

/* Ticket keys turn by the clock or change by a reload; a set is wiped when all workers have it. */
static void tickets(struct hf_app *app)
{
	struct hf_serve *sv = app->serve;
	const struct hf_tls_tickets *set;

	if (sv->tickets_generation && !tickets_taken(app))
		return;
	if (sv->tickets_generation)
		hf_tickets_taken(sv->tickets);
	sv->tickets_generation = 0;
	set = hf_tickets_due(sv->tickets, hf_os_wall_ns());
	if (!set)
		return;
	sv->tickets_generation = sv->stats.ticket_generation = set->generation;
	sv->stats.ticket_epoch = hf_tickets_epoch(sv->tickets);
	order_all(app, &(struct hf_order){.kind = HF_ORDER_TICKETS, .tickets = set});
	hf_log(HF_LOG_DEBUG, "tickets", "set %llu: %u keys, epoch %llu",
		(unsigned long long)set->generation, set->key_cnt,
		(unsigned long long)sv->stats.ticket_epoch);
}

/* Sessions have an age, so workers know the wall clock: its start, and when it is set. */
static void wall_clock(struct hf_app *app)
{
	struct hf_serve *sv = app->serve;
	uint64_t wall = hf_app_wall_ns(app);

	if (sv->wall_ns && wall - sv->wall_ns + WALL_OFF_NS <= 2 * WALL_OFF_NS)
		return;
	sv->stats.clock_set += sv->wall_ns != 0;
	sv->wall_ns = wall;
	order_all(app, &(struct hf_order){.kind = HF_ORDER_WALL, .wall_ns = wall});
}

/* A worker has let go of a generation; after the last one it is wiped. */
static void site_free(struct hf_serve *sv, uint64_t generation)
{
	struct hf_loaded_site **at = &sv->sites, *s;

	while ((s = *at) != NULL && s->site->generation != generation)
		at = &s->older;
	if (!s || --s->worker_left)
		return;
	*at = s->older;
	hf_site_unload(s);
	sv->stats.generations--;
	hf_log(HF_LOG_DEBUG, "site", "generation %llu is gone", (unsigned long long)generation);
}

int hf_serve_reload(struct hf_app *app, FILE *out)
{
	struct hf_serve *sv = app->serve;
	struct hf_config_errors errs = {.cnt = 0};
	struct hf_config next;
	uint32_t changed;

	if (hf_config_load(app->config_path, &next, &errs)) {
		hf_config_errors_print(&errs, out);
		sv->stats.reloads_refused++;
		return -1;
	}
	if (hf_config_check_reload(&app->cfg, &next, &errs) || site_next(app, &next, &errs)) {
		hf_config_errors_print(&errs, out);
		hf_config_free(&next);
		sv->stats.reloads_refused++;
		return -1;
	}
	sv->stats.reloads++;
	fprintf(out, "generation %llu: %u listeners, %u certificates\n",
		(unsigned long long)sv->generation, next.listeners_cnt, next.certificates_cnt);
	changed = hf_config_write_changes(out, &app->cfg, &next);
	changed += hf_hosts_changes(out, &app->cfg, sv->sites->older, &next, sv->sites);
	if (changed == 0)
		fprintf(out, "  options and certificates are as they were: %s\n", app->config_path);
	if (sv->start_cfg.mem)
		hf_config_free(&app->cfg);
	else
		sv->start_cfg = app->cfg; /* stays: the plan points into it */
	app->cfg = next;
	hf_log_set_level((enum hf_log_level)app->cfg.process.log_level);
	return 0;
}

/* ---- endpoints ---- */

static void wake_watch(struct hf_app *app, uint32_t e, int op)
{
	for (uint32_t i = 0; i < app->worker_cnt; i++) {
		struct epoll_event ev = {.events = EPOLLIN | EPOLLET};

		if (epoll_ctl(app->worker[i].epoll_fd, op,
			    hf_links_wake_fd(app->serve->links, e, i), &ev))
			hf_log(HF_LOG_WARN, "links",
				"worker %u cannot watch endpoint %u (%s): it sleeps longer", i, e,
				strerror(errno));
	}
}

static void endpoint_up(struct hf_app *app, const struct hf_links_event *ev)
{
	struct hf_links *l = app->serve->links;

	app->bell_fd[ev->endpoint] = hf_links_bell_fd(l, ev->endpoint);
	wake_watch(app, ev->endpoint, EPOLL_CTL_ADD);
	for (uint32_t i = 0; i < app->worker_cnt; i++)
		order(app, i,
			&(struct hf_order){.kind = HF_ORDER_ENDPOINT_UP,
				.arg = ev->endpoint,
				.backend = ev->backend,
				.link = hf_links_link(l, ev->endpoint, i)});
}

static void endpoint_down(struct hf_app *app, uint32_t e)
{
	app->serve->closing[e] = true;
	wake_watch(app, e, EPOLL_CTL_DEL);
	order_all(app, &(struct hf_order){.kind = HF_ORDER_ENDPOINT_DOWN, .arg = e});
}

static void links_news(struct hf_app *app)
{
	struct hf_links_event ev;

	while (hf_links_next(app->serve->links, &ev))
		if (ev.kind == HF_LINKS_UP)
			endpoint_up(app, &ev);
		else
			endpoint_down(app, ev.endpoint);
}

/* Every worker sees the same backend; the first that cuts it speaks for all. */
static void endpoint_cut(struct hf_app *app, uint32_t e, enum hf_link_violation why)
{
	struct hf_serve *sv = app->serve;

	if (sv->closing[e])
		return;
	hf_links_cut(sv->links, e, why);
	endpoint_down(app, e);
}

static void endpoint_free(struct hf_app *app, uint32_t e)
{
	struct hf_serve *sv = app->serve;

	if (++sv->let_go[e] == app->worker_cnt) {
		sv->let_go[e] = 0;
		sv->closing[e] = false;
	}
	hf_links_release(sv->links, e);
}

/* ---- events of the workers ---- */

static void keylog_write(struct hf_serve *sv, const struct hf_event *e)
{
	char line[16 + 64 + 1 + 96 + 1];
	int at = snprintf(line, sizeof(line), "CLIENT_RANDOM ");

	if (sv->keylog_fd < 0)
		return;
	for (uint32_t i = 0; i < sizeof(e->client_random); i++)
		at += snprintf(line + at, sizeof(line) - (size_t)at, "%02x", e->client_random[i]);
	line[at++] = ' ';
	for (uint32_t i = 0; i < sizeof(e->master); i++)
		at += snprintf(line + at, sizeof(line) - (size_t)at, "%02x", e->master[i]);
	line[at++] = '\n';
	if (write(sv->keylog_fd, line, (size_t)at) == at)
		sv->stats.keylog_lines++;
	else
		HF_LOG_LIMITED(HF_LOG_WARN, "keylog", "cannot write: %s", strerror(errno));
	hf_wipe(line, sizeof(line));
}

static void failure(struct hf_serve *sv, uint32_t worker, const struct hf_event *e)
{
	struct hf_serve_failure *f = &sv->failure[sv->failure_cnt++ % HF_SERVE_FAILURES];

	*f = (struct hf_serve_failure){.wall_ns = hf_os_wall_ns(), .worker = worker, .event = *e};
}

static void event(struct hf_app *app, uint32_t worker, struct hf_event *e)
{
	struct hf_serve *sv = app->serve;

	switch (e->kind) {
	case HF_EVENT_SITE_FREE:
		site_free(sv, e->arg64);
		break;
	case HF_EVENT_ENDPOINT_CUT:
		endpoint_cut(app, e->arg, e->why);
		break;
	case HF_EVENT_ENDPOINT_FREE:
		endpoint_free(app, e->arg);
		break;
	case HF_EVENT_FAILURE:
		failure(sv, worker, e);
		break;
	case HF_EVENT_KEYLOG:
		keylog_write(sv, e);
		break;
	case HF_EVENT_ADDR_CONFLICT:
		HF_LOG_LIMITED(HF_LOG_WARN, "net",
			"another host claims an address of ours (%s); find it, or choose another "
			"address",
			hf_os_addr_text(&e->peer).s);
		break;
	default:
		break;
	}
	hf_wipe(e, sizeof(*e));
}

static void events(struct hf_app *app)
{
	struct hf_event e;

	for (uint32_t i = 0; i < app->worker_cnt; i++)
		while (hf_worker_event(app->worker[i].w, &e))
			event(app, i, &e);
}

/* ---- draining and signals ---- */

static uint64_t conns_now(struct hf_app *app)
{
	static struct hf_stats_source v[HF_APP_SOURCES_MAX];
	uint32_t cnt = hf_app_sources(app, v, HF_APP_SOURCES_MAX);

	return hf_stats_sum(v, cnt, "worker", "conns");
}

void hf_serve_drain(struct hf_app *app, bool on)
{
	app->serve->draining = on;
	app->serve->drain_until = hf_os_now_ns() + DRAIN_NS;
	order_all(app, &(struct hf_order){.kind = HF_ORDER_DRAIN, .arg = on});
}

/* Returns false when it is time to go at once. */
static bool signals(struct hf_app *app)
{
	struct signalfd_siginfo s;

	while (read(app->signal_fd, &s, sizeof(s)) == sizeof(s)) {
		if (s.ssi_signo == SIGHUP) {
			if (hf_serve_reload(app, stderr))
				hf_log(HF_LOG_ERROR, "site",
					"reload refused; the old site serves on");
			continue;
		}
		if (app->serve->stopping)
			return false;
		app->serve->stopping = true;
		hf_serve_drain(app, true);
		hf_log(HF_LOG_INFO, "main",
			"draining: %llu connections have %llu s to end; a second signal ends them "
			"now",
			(unsigned long long)conns_now(app), DRAIN_NS / HF_NS_S);
	}
	return true;
}

static bool drained(struct hf_app *app)
{
	return app->serve->stopping &&
	       (conns_now(app) == 0 || hf_os_now_ns() > app->serve->drain_until);
}

/* ---- opening, running, closing ---- */

static int keylog_open(struct hf_app *app)
{
	const char *path = app->cfg.tls.keylog;

	app->serve->keylog_fd = -1;
	if (!path)
		return 0;
	app->serve->keylog_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (app->serve->keylog_fd < 0) {
		hf_log(HF_LOG_ERROR, "keylog", "%s: %s; choose another tls.keylog or leave it out",
			path, strerror(errno));
		return -1;
	}
	hf_log(HF_LOG_WARN, "keylog",
		"the secrets of every connection go to %s: whoever reads it reads all traffic",
		path);
	return 0;
}

static int links_open(struct hf_app *app)
{
	struct hf_serve *sv = app->serve;
	struct hf_links_cfg cfg = {.backend = sv->backend,
		.backend_cnt = app->cfg.backends_cnt,
		.worker_cnt = app->worker_cnt,
		.endpoint_max = HF_LINKS_ENDPOINT_MAX,
		.ring_len = LINK_RING_LEN};

	for (uint32_t i = 0; i < app->cfg.backends_cnt; i++)
		sv->backend[i] = (struct hf_links_backend){app->cfg.backends[i].name,
			app->cfg.backends[i].socket, app->cfg.backends[i].user.uid};
	sv->links = hf_links_open(&cfg);
	return sv->links ? 0 : -1;
}

static int watch(struct hf_serve *sv, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(sv->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

int hf_serve_open(struct hf_app *app)
{
	struct hf_config_errors errs = {.cnt = 0};
	struct hf_serve *sv = calloc(1, sizeof(*sv));

	if (!sv)
		return -1;
	app->serve = sv;
	if (pthread_mutex_init(&sv->hosts.lock, NULL))
		return -1;
	sv->tickets = hf_tickets_open(app->plan.sym);
	if (!sv->tickets) {
		hf_log(HF_LOG_ERROR, "main", "no memory for ticket keys; free some");
		return -1;
	}
	if (site_next(app, &app->cfg, &errs)) {
		hf_config_errors_print(&errs, stderr);
		return -1;
	}
	wall_clock(app);
	tickets(app);
	sv->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (sv->epoll_fd < 0 || keylog_open(app) || links_open(app) || hf_commands_open(app))
		return -1;
	return watch(sv, app->signal_fd) || watch(sv, hf_links_fd(sv->links)) ||
			       watch(sv, hf_commands_fd(app))
		       ? -1
		       : 0;
}

static void hosts(struct hf_app *app)
{
	const struct hf_tls_kind *kind[HF_WORKER_MAX];
	uint64_t wall_s = hf_os_wall_ns() / HF_NS_S;

	for (uint32_t i = 0; i < app->worker_cnt; i++)
		kind[i] = hf_worker_kinds(app->worker[i].w);
	hf_hosts_watch(&app->serve->hosts, wall_s);
	hf_hosts_weak(&app->serve->hosts, kind, app->worker_cnt, wall_s);
}

void hf_serve_run(struct hf_app *app)
{
	struct hf_serve *sv = app->serve;
	struct epoll_event ev[8];

	while (!drained(app)) {
		int n = epoll_wait(sv->epoll_fd, ev, HF_ARRAY_LEN(ev), EVENTS_EVERY_MS);

		events(app);
		wall_clock(app);
		tickets(app);
		hosts(app);
		for (int i = 0; i < n; i++) {
			if (ev[i].data.fd == app->signal_fd && !signals(app))
				return;
			if (ev[i].data.fd == hf_links_fd(sv->links))
				links_news(app);
			if (ev[i].data.fd == hf_commands_fd(app))
				hf_commands_run(app);
		}
	}
}

static const struct hf_stat_row rows[] = {
#define HF_COUNTER(name, help) \
	{#name, help, HF_STAT_COUNTER, offsetof(struct hf_serve_stats, name)},
#define HF_GAUGE(name, help) {#name, help, HF_STAT_GAUGE, offsetof(struct hf_serve_stats, name)},
#include "app/handfast/serve.def"
#undef HF_COUNTER
#undef HF_GAUGE
};

static const struct hf_stat_table table = {"control", rows, HF_ARRAY_LEN(rows)};

uint32_t hf_serve_sources(const struct hf_app *app, struct hf_stats_source *v, uint32_t max)
{
	const struct hf_tls_kind *kind[HF_WORKER_MAX];
	struct hf_serve *sv = app->serve;
	uint32_t cnt = 0;

	if (!sv || !sv->links || max < 2 + app->worker_cnt)
		return 0;
	v[cnt++] = (struct hf_stats_source){&table, &sv->stats, {{0}}};
	v[cnt++] = (struct hf_stats_source){&hf_links_stat_table, hf_links_stats(sv->links), {{0}}};
	for (uint32_t i = 0; i < app->worker_cnt; i++) {
		v[cnt++] = (struct hf_stats_source){&hf_link_stat_table,
			hf_links_worker_stats(sv->links, i), {{"worker", app->worker[i].label}}};
		kind[i] = hf_worker_kinds(app->worker[i].w);
	}
	return cnt + hf_hosts_sources(&sv->hosts, kind, app->worker_cnt, v + cnt, max - cnt);
}

void hf_serve_close(struct hf_app *app)
{
	struct hf_serve *sv = app->serve;
	struct hf_loaded_site *s;

	if (!sv)
		return;
	hf_commands_close(app);
	hf_links_close(sv->links);
	while ((s = sv->sites) != NULL) {
		sv->sites = s->older;
		hf_site_unload(s);
	}
	hf_tickets_close(sv->tickets);
	if (sv->keylog_fd >= 0)
		(void)close(sv->keylog_fd);
	(void)close(sv->epoll_fd);
	hf_config_free(&sv->start_cfg);
	free(sv);
	app->serve = NULL;
}
