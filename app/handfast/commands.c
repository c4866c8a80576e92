/* commands.c -- what the daemon shows and does on its command socket (control.h has the words). All
 * of it is read from structures that the main thread owns, or racily from counters of the workers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "app/handfast/control.h"
#include "app/handfast/serve.h"
#include "app/handfast/site_load.h"

static uint32_t sources(void *arg, struct hf_stats_source *v, uint32_t max)
{
	return hf_app_sources(arg, v, max);
}

/* The gauges that say where connections are, worker by worker. */
static void conns(void *arg, FILE *out)
{
	struct hf_app *app = arg;
	static const char *const rows[] = {"conns", "handshakes", "streams", "endpoints", "chunks",
		"records", "link_chunks", "link_reserved"};
	static struct hf_stats_source v[HF_APP_SOURCES_MAX];
	uint32_t cnt = hf_app_sources(app, v, HF_APP_SOURCES_MAX);

	fprintf(out, "%-8s", "worker");
	for (size_t r = 0; r < HF_ARRAY_LEN(rows); r++)
		fprintf(out, " %14s", rows[r]);
	fputc('\n', out);
	for (uint32_t i = 0; i < cnt; i++) {
		if (strcmp(v[i].table->module, "worker") != 0)
			continue;
		fprintf(out, "%-8s", v[i].label[0].value);
		for (size_t r = 0; r < HF_ARRAY_LEN(rows); r++)
			fprintf(out, " %14llu",
				(unsigned long long)hf_stats_sum(&v[i], 1, "worker", rows[r]));
		fputc('\n', out);
	}
}

static void trace(void *arg, FILE *out, int only)
{
	const struct hf_app *app = arg;

	for (uint32_t i = 0; i < app->worker_cnt; i++) {
		const struct hf_trace *t = hf_worker_trace(app->worker[i].w);
		uint64_t seq = t->seq, first = seq > t->mask ? seq - t->mask : 0;

		if (only >= 0 && (uint32_t)only != i)
			continue;
		for (; first < seq; first++) {
			const struct hf_trace_ev *e = &t->ev[first & t->mask];

			fprintf(out, "%u %12llu.%09llu %6d a=%u b=%llu c=%llu %s\n", i,
				(unsigned long long)(e->at / HF_NS_S),
				(unsigned long long)(e->at % HF_NS_S), (int)e->conn, e->a,
				(unsigned long long)e->b, (unsigned long long)e->c,
				hf_trace_name(e->what));
		}
	}
}

static void plan(void *arg, FILE *out)
{
	const struct hf_app *app = arg;

	hf_plan_print(&app->plan, out);
	hf_capacity_print(&app->capacity, &app->plan, app->serve->sites, &app->cfg, out);
}

static void drain(void *arg, FILE *out, bool on)
{
	hf_serve_drain(arg, on);
	fputs(on ? "draining: new connections are refused; `drain off` accepts them again\n"
		 : "accepting new connections\n",
		out);
}

static void reload(void *arg, FILE *out)
{
	if (hf_serve_reload(arg, out))
		fputs("error: the old site serves on\n", out);
}

static const struct hf_control_ops ops = {
	.version = "handfast " HF_VERSION,
	.sources = sources,
	.conns = conns,
	.failures = hf_hellos_failures,
	.offenders = hf_offenders_write,
	.explain = hf_hellos_explain,
	.trace = trace,
	.plan = plan,
	.drain = drain,
	.reload = reload,
};

int hf_commands_open(struct hf_app *app)
{
	const struct hf_config_stats *c = &app->cfg.stats;

	app->serve->commands = hf_control_open(c->socket, (mode_t)c->mode, &ops, app);
	if (app->serve->commands)
		return 0;
	hf_log(HF_LOG_ERROR, "control", "cannot listen on %s (stats.socket): %s; %s", c->socket,
		strerror(errno), hf_os_unix_listen_remedy(errno));
	return -1;
}

int hf_commands_fd(const struct hf_app *app)
{
	return hf_control_fd(app->serve->commands);
}

void hf_commands_run(struct hf_app *app)
{
	hf_control_run(app->serve->commands);
}

void hf_commands_close(struct hf_app *app)
{
	hf_control_close(app->serve->commands);
}
