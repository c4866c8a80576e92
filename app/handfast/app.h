/* app.h -- the daemon's own types: what main.c boots and control.c then looks after.
 *   main.c       options -> plan -> memory -> drivers -> workers -> control, and back
 *   plan.c       from the options: cores, queues, bytes of every pool
 *   control.c    sockets, first site and reloads, admission of backends, events -> logs, drain
 *   telemetry.c  which row table lies where; DPDK telemetry under /handfast
 * Threads: one per worker (DPDK lcores 1..n, pinned) and the main thread, which is control. Between
 * the two: worker.h's order and event rings, and the few fields below that say so.
 * Memory: one hf_app, for ever. Errors: boot functions log what is wrong and return -1. */
#ifndef HF_APP_HANDFAST_APP_H
#define HF_APP_HANDFAST_APP_H

#include <stdatomic.h>
#include <stdio.h>
#include "lib/config/config.h"
#include "lib/os/os.h"
#include "lib/stats/stats.h"
#include "lib/worker/worker.h"

/* ---- plan.c
 * -------------------------------------------------------------------------------------- */

#define HF_PLAN_POOL_MAX 24u

struct hf_plan_pool {
	const char *name;
	uint64_t cnt, bytes; /* per worker */
};

struct hf_plan {
	uint32_t worker_cnt;
	uint32_t core[HF_WORKER_MAX];
	uint32_t queue_cnt[HF_TCP_PORT_MAX], frame_cnt[HF_TCP_PORT_MAX],
		frame_room[HF_TCP_PORT_MAX];
	struct hf_worker_cfg worker; /* without index and ports */
	size_t worker_bytes;         /* one worker's block and its engines' contexts */
	size_t engine_bytes[5];      /* pk engines best first, then sym; part of worker_bytes */
	size_t bytes;                /* all workers */
	size_t frame_bytes;          /* DPDK's part: packet buffers of all ports */
};

/* Adds errors about what the options ask for and this machine or build cannot do. */
HF_MUST_CHECK int hf_plan_make(
	struct hf_plan *p, const struct hf_config *cfg, struct hf_config_errors *errs);
void hf_plan_print(const struct hf_plan *p, const struct hf_config *cfg, FILE *out);

/* ---- the daemon
 * ---------------------------------------------------------------------------------- */

struct hf_app_worker {
	struct hf_app *app;
	struct hf_worker *w;
	uint32_t index;
	/* With `idle: adaptive` the worker sleeps on this epoll descriptor, never longer than
	 * HF_APP_SLEEP_NS. Control adds each endpoint's wake descriptor, edge-triggered. */
	int epoll_fd;
	uint64_t sleeps, slept_ns; /* the worker's, read racily */
};

#define HF_APP_SLEEP_NS (200 * HF_NS_US)

struct hf_app {
	const char *config_path;
	struct hf_config cfg; /* as of start; control replaces it at a reload */
	struct hf_plan plan;
	struct hf_os_mem mem;
	uint64_t origin_ns; /* hf_os_now_ns() that every worker's `now` counts from */
	struct hf_port *port[HF_TCP_PORT_MAX];
	uint32_t port_cnt;
	struct hf_app_worker worker[HF_WORKER_MAX];
	uint32_t worker_cnt;
	/* Eventfds of the attached endpoints. Control sets [e] before it orders ENDPOINT_UP for e and
	 * closes it once every worker has said ENDPOINT_FREE; workers ring them in between. */
	int bell_fd[HF_ENDPOINT_MAX];
	_Atomic bool stop;     /* main -> workers: leave the loop */
	_Atomic int signal_no; /* last of SIGTERM, SIGINT, SIGHUP not yet acted upon; 0: none */
	int signal_fd;         /* eventfd rung with it */
	struct hf_control *control;
};

/* ---- control.c
 * ----------------------------------------------------------------------------------- */

/* Loads the site of these options without serving it: certificates, keys, whether they match. For
 * `--check`, and the first thing at boot and at a reload. */
HF_MUST_CHECK int hf_control_check(const struct hf_config *cfg, struct hf_config_errors *errs);
/* While still root, before the workers run: loads the first site and orders it, opens the sockets
 * and the key log. */
HF_MUST_CHECK int hf_control_open(struct hf_app *app);
/* The main thread's life: serves its sockets, the workers' events and app->signal_fd. SIGHUP
 * reloads. SIGTERM and SIGINT drain: the function returns when no connection is left or the time
 * for it is over, at once at the second signal. The workers still run then. */
void hf_control_run(struct hf_app *app);
/* After the workers have left: unlinks sockets, wipes keys. */
void hf_control_close(struct hf_app *app);

/* ---- telemetry.c
 * --------------------------------------------------------------------------------- */

#define HF_APP_SOURCES_MAX (HF_WORKER_MAX * 16u)

/* Every row table of the daemon, labelled; the devices' counters are brought up to date. */
uint32_t hf_app_sources(struct hf_app *app, struct hf_stats_source *v, uint32_t max);
/* Registers /handfast/... with DPDK telemetry. */
void hf_telemetry_init(struct hf_app *app);

#endif
