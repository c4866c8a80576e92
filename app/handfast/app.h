/* app.h -- the daemon's own types: what main.c boots and serve.c then looks after.
 *   main.c       options -> plan -> memory -> drivers -> workers -> control, and back
 *   plan.c       from the options: cores, queues, bytes of every pool
 *   engines.c    public-key engines: started, proved, their crossover measured
 *   selfrun.c    what our own code costs here
 *   capacity.c   what operations cost here, and how many handshakes that will bear
 *   serve.c      the main thread: reloads, admission of backends, events -> logs, drain
 *   site_load.c  from the options to one generation of the site: certificates, keys, names
 *   tickets.c    ticket keys: random, from a fleet's secret, or from a file; when they turn
 *   commands.c   what the daemon shows and does on its command socket
 *   hosts.c      handshakes by host and kind, certificates and their ends
 *   hellos.c     the last failures and what a ClientHello would get
 *   control.c    the command socket: one request line, text or JSON
 *   telemetry.c  which row table lies where, DPDK telemetry, the last words of a panic
 * Threads: one per worker (DPDK lcores 1 .. n, pinned) and the main thread, which is control.
 * Between the two: worker.h's order and event rings, and the few fields below that say so.
 * Memory: one hf_app, for ever. Errors: boot functions log what is wrong and return -1. */
#ifndef HF_APP_HANDFAST_APP_H
#define HF_APP_HANDFAST_APP_H

#include <stdatomic.h>
#include <stdio.h>
#include "app/handfast/hosts.h"
#include "drivers/port/dpdk.h"
#include "lib/config/config.h"
#include "lib/os/os.h"
#include "lib/stats/stats.h"
#include "lib/worker/worker.h"

/* ---- plan.c ---- */

struct hf_plan {
	uint32_t worker_cnt, core[HF_WORKER_MAX];
	struct hf_dpdk_port_cfg port[HF_TCP_PORT_MAX];
	uint32_t port_cnt;
	struct hf_worker_cfg worker; /* of worker 0; ports are not open yet */
	const struct hf_pk_engine *pk[HF_PK_ENGINE_MAX];
	const struct hf_sym_driver *sym;
	uint32_t pk_cnt, schedule_cnt;
	size_t worker_bytes, engine_bytes;  /* of one worker: its block; its engines' contexts */
	size_t bytes;                       /* of all workers */
	size_t idle_bytes, handshake_bytes; /* of one connection */
	size_t dpdk_bytes;                  /* packet buffers, and what DPDK needs around them */
};

/* Adds errors about what the options ask for and this program or machine cannot give. The plan
 * points into cfg. */
HF_MUST_CHECK int hf_plan_make(
	struct hf_plan *p, const struct hf_config *cfg, struct hf_config_errors *errs);
void hf_plan_print(const struct hf_plan *p, FILE *out);
/* What worker `index` is made from, once the ports are open. */
struct hf_worker_cfg hf_plan_worker(const struct hf_plan *p, const struct hf_config *cfg,
	struct hf_port *const *ports, uint32_t index);

/* ---- capacity.c ---- */

/* Of half a handshake, keys apart: see selfrun.h. */
#define HF_SELFRUN_BURSTS 3u
struct hf_selfrun {
	uint64_t cold_ns; /* one by itself, its code and memory out of the near caches */
	uint64_t warm_ns[HF_SELFRUN_BURSTS]; /* each of hf_selfrun_burst[] side by side */
};

/* An operation with keys, by the engine that is best at it. */
struct hf_capacity_op {
	uint64_t ns;       /* each, lanes full */
	uint64_t lanes;    /* 1: it is computed by itself */
	uint64_t alone_ns; /* by the engine without lanes */
};

/* What operations cost on this processor, by the engines that will compute them. Figures of 64 bits
 * throughout: hf_capacity_measure takes them as one array. */
struct hf_capacity {
	struct hf_capacity_op rsa[HF_PK_CLASS_CNT]; /* of two primes */
	struct hf_capacity_op ec[HF_EC_KIND_CNT][HF_GROUP_CNT];
	struct {
		uint64_t cold_ns, warm_ns; /* by itself; each of a burst */
	} prf, hash;                       /* of 3 KB */
	struct hf_selfrun half;            /* our own code, by a run of it */
	uint64_t datagram_ns;              /* one sent and taken through the kernel; 0: not known */
};

/* A virtual processor's speed comes and goes: how often all is measured, and the mean of the middle half taken,
 * when nobody waits for the boot. */
#define HF_CAPACITY_ROUNDS 8u

enum hf_capacity_kind { HF_CAPACITY_RSA, HF_CAPACITY_ECDHE, HF_CAPACITY_RESUMED };

struct hf_loaded_site;
struct hf_app;
void hf_capacity_measure(struct hf_capacity *c, const struct hf_pk_engine_ref *pk, uint32_t pk_cnt,
	const struct hf_sym_driver *sym, void *sym_ctx,
	uint32_t rounds); /* <= HF_CAPACITY_ROUNDS */
/* For --plan: starts engines in memory of their own, measures, stops them. 0, or -1: they do not start. */
HF_MUST_CHECK int hf_capacity_try(struct hf_app *app);
/* Handshakes in a CPU second of one worker; 0: not known. */
double hf_capacity_rate(const struct hf_capacity *c, const struct hf_plan *p,
	const struct hf_pk_key *key, enum hf_group group, enum hf_capacity_kind kind);
void hf_capacity_print(const struct hf_capacity *c, const struct hf_plan *p,
	const struct hf_loaded_site *s, const struct hf_config *cfg, FILE *out);

/* A batch kernel has a context for each size class. */
static inline uint32_t hf_engine_ctx_cnt(const struct hf_pk_engine *e)
{
	return e->cost == HF_PK_SLICEABLE ? HF_PK_CLASS_CNT : 1;
}

/* ---- the daemon ---- */

/* With `idle: adaptive` a worker sleeps at most this long, so orders and frames need no bell. */
#define HF_APP_SLEEP_NS (200 * HF_NS_US)

struct hf_app_worker {
	struct hf_app *app;
	struct hf_worker *w;
	uint32_t index;
	/* The worker sleeps on it. Control adds each endpoint's wake descriptor, edge-triggered. */
	int epoll_fd;
	char label[12];            /* its index as text */
	uint64_t sleeps, slept_us; /* the worker's, read racily */
	struct hf_pk_engine_ref pk[HF_PK_ENGINE_MAX];
	uint32_t pk_cnt;
	void *sym_ctx;
};

struct hf_app {
	const char *config_path;
	struct hf_config cfg; /* as of start; control replaces it at a reload */
	struct hf_plan plan;  /* points into the cfg of start */
	struct hf_capacity capacity;
	struct hf_os_mem mem;
	uint64_t origin_ns; /* hf_os_now_ns() from which every worker's `now` counts */
	struct hf_port *port[HF_TCP_PORT_MAX];
	uint32_t port_cnt;
	struct hf_app_worker worker[HF_WORKER_MAX];
	struct hf_worker *all[HF_WORKER_MAX];
	uint32_t worker_cnt;
	/* Eventfds of the attached endpoints. Control sets [e] before it orders ENDPOINT_UP for e
	 * and closes it once every worker has said ENDPOINT_FREE; workers ring them in between. */
	int bell_fd[HF_ENDPOINT_MAX];
	int signal_fd;     /* signalfd: SIGTERM, SIGINT, SIGHUP */
	_Atomic bool stop; /* main -> workers: leave the loop */
	struct hf_serve *serve;
};

/* What the wall clock said when the workers' `now` was 0. */
static inline uint64_t hf_app_wall_ns(const struct hf_app *app)
{
	return hf_os_wall_ns() - (hf_os_now_ns() - app->origin_ns);
}

/* ---- engines.c ---- */

/* The public-key engines of one worker, in aw->pk: started and proved. One that does not start is
 * left out, one that answers wrongly is off. -1: not even the last one serves. */
HF_MUST_CHECK int hf_engines_start(struct hf_app *app, struct hf_app_worker *aw);
void hf_engines_stop(struct hf_app_worker *aw);

/* ---- serve.c ---- */

/* Loads the site of these options without serving it: certificates, keys, whether they match. For
 * `--check`, and the first thing at boot and at a reload. */
HF_MUST_CHECK int hf_serve_check(const struct hf_config *cfg, struct hf_config_errors *errs);
/* While still root, before the workers run: loads the first site and orders it, opens the sockets
 * and the key log. */
HF_MUST_CHECK int hf_serve_open(struct hf_app *app);
/* The main thread's life: serves its sockets, the workers' events and app->signal_fd. SIGHUP
 * reloads. SIGTERM and SIGINT drain: the function returns when no connection is left or the time
 * for it is over, at once at the second signal. The workers still run then. */
void hf_serve_run(struct hf_app *app);
/* After the workers have left: unlinks sockets, wipes keys. Also after a failed open. */
void hf_serve_close(struct hf_app *app);
/* Its own row tables: links, endpoints, sockets. Returns how many were written to v. */
uint32_t hf_serve_sources(const struct hf_app *app, struct hf_stats_source *v, uint32_t max);

/* ---- telemetry.c ---- */

#define HF_APP_SOURCES_MAX \
	(HF_WORKER_MAX * (HF_WORKER_TABLES_MAX + 20u) + HF_HOSTS_KIND_MAX + HF_HOSTS_CERT_MAX)

/* Every row table of the daemon, labelled; the devices' counters are brought up to date. */
uint32_t hf_app_sources(struct hf_app *app, struct hf_stats_source *v, uint32_t max);
/* Registers /handfast/MODULE with DPDK telemetry, one command for each module. */
HF_MUST_CHECK int hf_telemetry_init(struct hf_app *app);
/* From here on its commands answer with nothing. Before what they look at goes. */
void hf_telemetry_fini(void);
/* For hf_os_panic_hook: writes the last events of every worker to standard error. */
void hf_app_last_words(void *app);

#endif
