/* main.c -- handfast boots on one page: options -> plan -> memory -> drivers -> workers -> control,
 * and the same way back. Each step either stands or has said what is wrong and how to mend it.
 * Root is needed up to and including the ports and sockets, and given up then, before the first
 * frame is read. After boot this thread is control; each worker is an lcore of its own. */
#include <errno.h>
#include <getopt.h>
#include <rte_launch.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "app/handfast/app.h"
#include "app/handfast/site_load.h"
#include "drivers/drivers.h"

/* `idle: adaptive`: after so many turns without news the worker sleeps, first this long. While frames
 * keep coming it sleeps no longer than that, but sooner: what comes meanwhile is served in one turn, with
 * one system call, one burst and one doorbell for all, as a card gathers frames before it interrupts. */
#define IDLE_TURNS 100u
#define IDLE_TURNS_LOADED 8u
#define IDLE_FIRST_NS (50 * HF_NS_US)
/* And while it has much to do it lets others have the core so often, if they want it: a kernel's thread that brings
 * frames (AF_XDP), or a backend beside it. The kernel would by itself, but after milliseconds, in which clients wait. */
#define BUSY_NS (400 * HF_NS_US)

static const char help[] =
	"usage: handfast FILE             serve what the options file says\n"
	"       handfast --check FILE     validate it; 0 when it could be served\n"
	"       handfast --plan FILE      cores, queues, memory, and what it would bear\n"
	"       handfast --print-config   an options file with every option in it\n"
	"       handfast --print-reference  the options, in Markdown\n"
	"       handfast --version | --help\n";

/* ---- a worker's thread ---- */

static void slept(struct hf_app_worker *aw, uint64_t began)
{
	aw->sleeps++;
	aw->slept_us += (hf_os_now_ns() - began) / HF_NS_US;
}

static void sleep_a_while(struct hf_app_worker *aw, hf_ns ns)
{
	struct timespec t = {.tv_nsec = (long)ns};
	struct epoll_event ev;
	uint64_t began;
	if (!hf_worker_sleep(aw->w))
		return;
	began = hf_os_now_ns();
	(void)epoll_pwait2(aw->epoll_fd, &ev, 1, &t, NULL);
	hf_worker_wake(aw->w);
	slept(aw, began);
}

/* Unasked for, backends do not ring: it is over before their bell would be heard. */
static void sleep_unannounced(struct hf_app_worker *aw, hf_ns ns)
{
	uint64_t began = hf_os_now_ns();
	hf_os_sleep_ns(ns);
	slept(aw, began);
}

static int worker_run(void *arg)
{
	struct hf_app_worker *aw = arg;
	struct hf_app *app = aw->app;
	bool adaptive = app->cfg.workers.idle == HF_IDLE_ADAPTIVE;
	hf_ns nap = IDLE_FIRST_NS, offered = 0; /* the core, to others */
	uint32_t idle = 0;
	char name[16];
	(void)snprintf(name, sizeof(name), "worker-%u", aw->index);
	hf_os_thread_name(name);
	/* Else the kernel adds 50 us to each sleep. */
	(void)prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
	while (!atomic_load_explicit(&app->stop, memory_order_relaxed)) {
		hf_ns now = hf_os_now_ns() - app->origin_ns;
		struct hf_poll p = hf_worker_poll(aw->w, now);
		hf_ns left = p.next_due > now ? p.next_due - now : 0;
		for (; p.bells; p.bells &= p.bells - 1)
			hf_os_event_ring(app->bell_fd[__builtin_ctzll(p.bells)]);
		if (p.busy) {
			idle = 0;
			nap = IDLE_FIRST_NS;
			if (!adaptive || now - offered < BUSY_NS)
				continue;
			(void)sched_yield();
		} else if (!adaptive) {
			continue;
		} else if (left && ++idle > IDLE_TURNS_LOADED && p.loaded) {
			sleep_unannounced(aw, HF_MIN(IDLE_FIRST_NS, left));
		} else if (left && idle > IDLE_TURNS) {
			sleep_a_while(aw, HF_MIN(nap, left));
			nap = HF_MIN(2 * nap, HF_APP_SLEEP_NS);
		} else if (!p.loaded) {
			(void)sched_yield();
		} else {
			continue;
		}
		offered = now;
	}
	return 0;
}

/* ---- boot, step by step ---- */

static int options(struct hf_app *app, struct hf_config_errors *errs)
{
	*errs = (struct hf_config_errors){.cnt = 0};
	if (hf_os_cpu_env_check()) {
		hf_log(HF_LOG_ERROR, "main", "HF_CPU names no tier; unset it");
		return -1;
	}
	return hf_config_load(app->config_path, &app->cfg, errs) ||
			       hf_serve_check(&app->cfg, errs) ||
			       hf_plan_make(&app->plan, &app->cfg, errs)
		       ? -1
		       : 0;
}

static int memory(struct hf_app *app)
{
	static const enum hf_os_huge huge[] = {[HF_HUGEPAGES_AUTO] = HF_OS_HUGE_AUTO,
		[HF_HUGEPAGES_REQUIRE] = HF_OS_HUGE_REQUIRE,
		[HF_HUGEPAGES_OFF] = HF_OS_HUGE_OFF};
	if (hf_os_no_core_dumps()) {
		hf_log(HF_LOG_ERROR, "main", "cannot switch core dumps off: %s", strerror(errno));
		return -1;
	}
	if (hf_os_mem_take(&app->mem, app->plan.bytes, huge[app->cfg.memory.hugepages])) {
		hf_log(HF_LOG_ERROR, "main", "no memory: %s", app->mem.note);
		return -1;
	}
	if (app->mem.note[0])
		hf_log(HF_LOG_WARN, "main", "%s", app->mem.note);
	return 0;
}

static uint64_t huge_pages_free(void)
{
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");
	unsigned long long cnt = 0;
	if (f) {
		if (fscanf(f, "%llu", &cnt) != 1)
			cnt = 0;
		(void)fclose(f);
	}
	return cnt;
}

/* DPDK gets huge pages under the same rule as the workers' memory. */
static int dpdk(struct hf_app *app)
{
	uint64_t need = (app->plan.dpdk_bytes >> 21) + 1;
	bool huge = app->cfg.memory.hugepages != HF_HUGEPAGES_OFF && huge_pages_free() >= need;
	struct hf_dpdk_why why;
	struct hf_dpdk_cfg cfg = {.core = app->plan.core,
		.worker_cnt = app->plan.worker_cnt,
		.port = app->plan.port,
		.port_cnt = app->plan.port_cnt,
		.huge = huge,
		.mem_len = app->plan.dpdk_bytes,
		.verbose = app->cfg.process.log_level == HF_LEVEL_DEBUG,
		.args = app->cfg.dpdk.args.v,
		.arg_cnt = app->cfg.dpdk.args.cnt};
	if (!huge && app->cfg.memory.hugepages == HF_HUGEPAGES_REQUIRE) {
		hf_log(HF_LOG_ERROR, "main",
			"packet buffers need %llu free pages of 2 MB; hugeadm --pool-pages-min "
			"2MB:+%llu",
			(unsigned long long)need, (unsigned long long)need);
		return -1;
	}
	if (!huge && app->cfg.memory.hugepages == HF_HUGEPAGES_AUTO)
		hf_log(HF_LOG_WARN, "main", "packet buffers lie in plain pages: more TLB misses");
	if (hf_dpdk_init(&cfg, &why)) {
		hf_log(HF_LOG_ERROR, "main", "%s; %s", why.reason, why.remedy);
		return -1;
	}
	return 0;
}

static int ports(struct hf_app *app, struct hf_config_errors *errs)
{
	struct hf_dpdk_why why;
	uint32_t i;
	for (i = 0; i < app->plan.port_cnt; i++) {
		struct hf_port *p = hf_dpdk_port_open(&app->plan.port[i], &why);
		if (!p) {
			hf_config_error_at(&app->cfg, errs, &app->cfg.ports[i].device, why.remedy,
				"%s", why.reason);
			return -1;
		}
		app->port[app->port_cnt++] = p;
		hf_log(HF_LOG_INFO, "main",
			"port %s: %02x:%02x:%02x:%02x:%02x:%02x, %u queues, flows spread by %s",
			app->plan.port[i].name, p->info.mac[0], p->info.mac[1], p->info.mac[2],
			p->info.mac[3], p->info.mac[4], p->info.mac[5], p->info.queue_cnt,
			p->info.rss ? "the device" : "software");
	}
	return 0;
}

static uint64_t cycles(void)
{
	return hf_os_cycles();
}

/* Which driver serves records, and how it will compute them where it has measured that. */
static void log_sym(const struct hf_sym_driver *sym, const void *ctx)
{
	char text[512] = "";
	if (sym->describe)
		sym->describe(ctx, text, sizeof(text));
	hf_log(HF_LOG_INFO, "main", "records by %s%s%s", sym->name, *text ? ": " : "", text);
}

/* The engines of one worker, each in memory of its own. */
static int engines(struct hf_app *app, struct hf_app_worker *aw, struct hf_worker_env *env)
{
	const struct hf_plan *p = &app->plan;
	env->sym = p->sym;
	env->sym_ctx = hf_os_mem_carve(&app->mem, p->sym->size(p->schedule_cnt), HF_CACHE_LINE);
	if (hf_engines_start(app, aw) || p->sym->init(env->sym_ctx, p->schedule_cnt)) {
		hf_log(HF_LOG_ERROR, "main",
			"libcrypto does not start; is its installation whole?");
		return -1;
	}
	aw->sym_ctx = env->sym_ctx;
	log_sym(p->sym, aw->sym_ctx);
	env->pk_cnt = aw->pk_cnt;
	memcpy(env->pk, aw->pk, sizeof(env->pk));
	return 0;
}

static int workers(struct hf_app *app)
{
	struct hf_worker_env env = {.cycles = cycles,
		.cycles_per_us = hf_os_cycles_per_s() / 1000000,
		.now = HF_NS_S,
		.auth = hf_site_pki()->auth};
	uint32_t i;
	app->origin_ns = hf_os_now_ns() - env.now; /* 0 means "never" in places */
	env.wall_ns = hf_app_wall_ns(app);
	hf_os_random(env.steer_key, sizeof(env.steer_key));
	hf_os_random(env.session_key, sizeof(env.session_key));
	for (i = 0; i < app->plan.worker_cnt; i++) {
		struct hf_app_worker *aw = &app->worker[i];
		struct hf_worker_cfg cfg = hf_plan_worker(&app->plan, &app->cfg, app->port, i);
		*aw = (struct hf_app_worker){.app = app, .index = i};
		(void)snprintf(aw->label, sizeof(aw->label), "%u", i);
		if (engines(app, aw, &env))
			return -1;
		if (i == 0)
			hf_capacity_measure(
				&app->capacity, aw->pk, aw->pk_cnt, env.sym, env.sym_ctx, 1);
		hf_os_random(env.seed, sizeof(env.seed));
		aw->w = hf_worker_init(
			hf_os_mem_carve(&app->mem, app->plan.worker_bytes, HF_CACHE_LINE), &cfg,
			&env);
		aw->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
		if (aw->epoll_fd < 0)
			return -1;
		app->all[i] = aw->w;
		app->worker_cnt++;
	}
	for (i = 0; i < app->worker_cnt; i++)
		hf_worker_join(app->worker[i].w, app->all);
	hf_os_panic_hook(hf_app_last_words, app);
	return 0;
}

/* Blocked before any thread starts, so that only control ever takes them. */
static int signals(struct hf_app *app)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	(void)signal(SIGPIPE, SIG_IGN);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL))
		return -1;
	app->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return app->signal_fd < 0 ? -1 : 0;
}

static int drop_root(struct hf_app *app)
{
	const struct hf_config_user *u = &app->cfg.process.run_as;
	if (!u->name)
		return 0;
	if (hf_os_become(u->uid, u->gid)) {
		hf_log(HF_LOG_ERROR, "main", "cannot become %s: %s; start as root", u->name,
			strerror(errno));
		return -1;
	}
	return 0;
}

/* A reload reads as this user what root has read at the start: better told now than when it is needed. */
static void rehearse_reload(struct hf_app *app)
{
	struct hf_config_errors errs;
	struct hf_config next;
	if (!app->cfg.process.run_as.name)
		return;
	if (hf_config_load(app->config_path, &next, &errs) == 0) {
		hf_config_free(&next);
		return;
	}
	hf_log(HF_LOG_WARN, "main",
		"as user %s a reload would be refused, for:", app->cfg.process.run_as.name);
	hf_config_errors_print(&errs, stderr);
}

static int launch(struct hf_app *app)
{
	uint32_t i;
	for (i = 0; i < app->worker_cnt; i++)
		if (rte_eal_remote_launch(worker_run, &app->worker[i], i + 1))
			return -1;
	hf_log(HF_LOG_INFO, "main", "handfast %s serves: %u workers, %u ports", HF_VERSION,
		app->worker_cnt, app->port_cnt);
	return 0;
}

static void shut_down(struct hf_app *app)
{
	uint32_t i;
	atomic_store(&app->stop, true);
	rte_eal_mp_wait_lcore();
	hf_telemetry_fini();
	hf_serve_close(app);
	for (i = 0; i < app->port_cnt; i++)
		app->port[i]->cls->fini(app->port[i]);
	for (i = 0; i < app->worker_cnt; i++) {
		struct hf_app_worker *aw = &app->worker[i];
		hf_engines_stop(aw);
		app->plan.sym->fini(aw->sym_ctx);
		(void)close(aw->epoll_fd);
	}
	hf_os_mem_give(&app->mem);
	hf_dpdk_fini();
}

static int serve(struct hf_app *app)
{
	struct hf_config_errors errs;
	int failed;
	if (options(app, &errs)) {
		hf_config_errors_print(&errs, stderr);
		return 1;
	}
	hf_log_set_level((enum hf_log_level)app->cfg.process.log_level);
	if (signals(app) || memory(app) || dpdk(app))
		return 1;
	failed = ports(app, &errs);
	hf_config_errors_print(&errs, stderr);
	failed = failed || workers(app) || hf_serve_open(app) || hf_telemetry_init(app) ||
		 drop_root(app) || launch(app);
	if (!failed) {
		rehearse_reload(app);
		hf_serve_run(app);
	}
	shut_down(app);
	return failed;
}

/* ---- the command line ---- */

static void print_plan(struct hf_app *app)
{
	struct hf_config_errors errs = {.cnt = 0};
	struct hf_loaded_site *s;
	uint64_t key_id = 0;
	hf_plan_print(&app->plan, stdout);
	hf_log_set_level(HF_LOG_WARN);
	s = hf_site_load(&app->cfg, 1, 1, &key_id, &errs);
	if (s && hf_capacity_try(app) == 0)
		hf_capacity_print(&app->capacity, &app->plan, s, &app->cfg, stdout);
	else
		puts("predicted   nothing: the engines do not start");
	hf_site_unload(s);
}

static int check(struct hf_app *app, bool plan)
{
	struct hf_config_errors errs;
	if (options(app, &errs)) {
		hf_config_errors_print(&errs, stderr);
		return 1;
	}
	if (plan)
		print_plan(app);
	else
		printf("%s: ok: %u ports, %u listeners, %u certificates, %u backends\n",
			app->config_path, app->cfg.ports_cnt, app->cfg.listeners_cnt,
			app->cfg.certificates_cnt, app->cfg.backends_cnt);
	return 0;
}

int main(int argc, char **argv)
{
	enum { SERVE, CHECK, PLAN } mode = SERVE;
	static const struct option long_options[] = {
		{"check", no_argument, NULL, 'c'},
		{"plan", no_argument, NULL, 'p'},
		{"print-config", no_argument, NULL, 'd'},
		{"print-reference", no_argument, NULL, 'r'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	static struct hf_app app;
	int opt;
	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		switch (opt) {
		case 'c':
			mode = CHECK;
			break;
		case 'p':
			mode = PLAN;
			break;
		case 'd':
			hf_config_write_default(stdout);
			return 0;
		case 'r':
			hf_config_write_reference(stdout);
			return 0;
		case 'v':
			puts("handfast " HF_VERSION);
			return 0;
		case 'h':
			fputs(help, stdout);
			return 0;
		default:
			fputs(help, stderr);
			return 2;
		}
	if (optind != argc - 1) {
		fputs(help, stderr);
		return 2;
	}
	app.config_path = argv[optind];
	return mode == SERVE ? serve(&app) : check(&app, mode == PLAN);
}
