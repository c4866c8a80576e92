/* worker.h -- one core of the appliance: everything that lives there, and the turn it takes.
 * A worker is share-nothing: its connections, pools, timers and engines are its own. It meets
 * others only through single-producer rings: orders from control, events to control, frames that
 * arrived at the wrong worker, and the shared-memory links to backends.
 *
 * hf_worker_poll(w, now) is the whole life of a packet, in nine stages; it never blocks, and every
 * stage is bounded, so a turn is too. Read worker.c: it is one straight page.
 *
 * Threads: all calls by the worker's thread, except hf_worker_order, _event (control's ends of the
 * two rings), hf_worker_tickets (control), hf_worker_tables (racy reads) and the crossing rings (their producers). Memory:
 * hf_worker_footprint bytes, 64-byte aligned, given once at boot. Nothing is allocated later. Time,
 * cycles and randomness come in: now by argument, cycles by env, seeds by order. Errors: short of
 * anything -> counted, connections wait or strangers are refused; see stats.def. */
#ifndef HF_WORKER_WORKER_H
#define HF_WORKER_WORKER_H

#include "lib/base/hist.h"
#include "lib/base/spsc.h"
#include "lib/link/link.h"
#include "lib/net/port.h"
#include "lib/net/reply.h"
#include "lib/worker/site.h"

#define HF_WORKER_MAX 64u
#define HF_ENDPOINT_MAX 64u /* per worker: bits of the doorbell set */
#define HF_WORKER_ADDR_MAX 16u

struct hf_worker;

/* One port as this worker uses it. */
struct hf_worker_port_cfg {
	struct hf_port *port;
	uint32_t queue;
	struct hf_net_addr addr[HF_WORKER_ADDR_MAX];
	uint32_t addr_cnt;
	struct hf_net_gateway gateway[2]; /* as hf_net_host's; addresses all zero: none */
	bool trust_csum;                  /* rx_checksum: trust */
};

/* What is foreign to a worker and given to it: engines already made for it. */
struct hf_worker_env {
	/* a monotonic cycle counter, for histograms of where turns spend their time; a constant in
	 * simulation */
	uint64_t (*cycles)(void);
	uint64_t cycles_per_us;
	struct hf_pk_engine_ref pk[HF_PK_ENGINE_MAX];
	uint32_t pk_cnt;
	const struct hf_sym_driver *sym;
	void *sym_ctx;
	const struct hf_auth_driver *auth; /* that of the sites' authorities */
	uint8_t seed[HF_RAND_SEED_LEN];
	uint8_t steer_key[16]; /* the same for all workers: who owns a flow when the port cannot say
				*/
	uint8_t session_key[16]; /* the same for all workers: of session ids */
	hf_ns now;
	uint64_t wall_ns; /* since 1970, when `now` was 0 */
};

struct hf_worker_cfg {
	uint32_t index, worker_cnt;
	uint32_t conn_cnt, hs_cnt;      /* connections; of them in handshake */
	uint32_t session_cnt;           /* sessions kept for clients without tickets; may be 0 */
	uint32_t chunk_cnt, record_cnt; /* 2 KB and 20 KB buffers of TCP and TLS */
	uint32_t link_chunk_cnt;        /* 2 KB buffers behind the credit granted to backends */
	uint32_t half_open_cnt, time_wait_cnt;
	uint32_t prefix_cnt; /* of clients' addresses that are remembered (guard.h) */
	uint32_t pk_job_cnt, sym_job_cnt, auth_job_cnt;
	uint32_t order_cnt, event_cnt, cross_cnt, trace_cnt; /* powers of two */
	uint32_t rcv_wnd_max, snd_queue_max;
	hf_ns syn_life_ns, time_wait_ns;
	hf_ns curve_gather_ns; /* operations on curves wait no longer for others; 0: never */
	hf_ns keepalive_ns;    /* 0: off */
	hf_ns close_ns;        /* our FIN was acknowledged, the peer's must come within this */
	bool reflect;          /* l2: reflect | gateway */
	bool keylog;           /* HF_EVENT_KEYLOG events are made */
	struct hf_worker_port_cfg port[HF_TCP_PORT_MAX];
	uint32_t port_cnt;
};

/* ---- control -> worker ---- */
enum hf_order_kind {
	HF_ORDER_SITE,          /* serve this generation from now on */
	HF_ORDER_ENDPOINT_UP,   /* a backend thread attached */
	HF_ORDER_ENDPOINT_DOWN, /* it is gone: its streams are reset */
	HF_ORDER_DRAIN,         /* arg: 1 = no new connections, 0 = accept again */
	HF_ORDER_SEED,          /* reseed the generator */
	HF_ORDER_TICKETS,       /* seal and open with this set of ticket keys; it is copied */
	HF_ORDER_WALL,          /* the wall clock was set */
};

struct hf_order {
	uint32_t kind, arg; /* ENDPOINT_*: endpoint number */
	uint32_t backend;   /* ENDPOINT_UP: pool it serves */
	union {
		struct hf_site *site;
		struct hf_link *link; /* ENDPOINT_UP: lives until HF_EVENT_ENDPOINT_FREE */
		uint8_t seed[HF_RAND_SEED_LEN];
		const struct hf_tls_tickets *tickets; /* until hf_worker_tickets says that it was */
		uint64_t wall_ns;                     /* as hf_worker_env's */
	};
};

/* ---- worker -> control ---- */
enum hf_event_kind {
	HF_EVENT_SITE_FREE, /* arg64 = generation: nothing of this worker points into it any more */
	HF_EVENT_ENDPOINT_CUT,  /* the backend broke the link's rules: arg = endpoint, why =
				   violation */
	HF_EVENT_ENDPOINT_FREE, /* arg = endpoint: the worker no longer touches its memory */
	HF_EVENT_FAILURE,       /* a handshake or connection failed: why = enum hf_tls_reason */
	HF_EVENT_KEYLOG,        /* client_random and master, only when cfg.keylog */
	HF_EVENT_ADDR_CONFLICT, /* another host claims one of our addresses */
};

#define HF_EVENT_HELLO_MAX 2048u /* a hello with a post-quantum key share has 1.7 KB */

struct hf_event {
	uint8_t kind, why;
	uint8_t stage; /* FAILURE: hf_tls.state, see hf_tls_stage_name */
	uint8_t alert; /* FAILURE with reason PEER_ALERT: its description */
	uint32_t arg;
	uint64_t arg64;
	hf_ns at;
	struct hf_addr peer;
	uint16_t peer_port, suite, version;
	uint16_t hello_len;
	union {
		struct {
			uint8_t client_random[32], master[48]; /* KEYLOG */
		};
		uint8_t hello[HF_EVENT_HELLO_MAX]; /* FAILURE: hf_tls_hello_copy; only hello_len */
	};
};

struct hf_worker_stats {
#define HF_COUNTER(name, help) uint64_t name;
#define HF_GAUGE(name, help) uint64_t name;
#define HF_HIST(name, help) struct hf_hist name;
#include "lib/worker/stats.def"
#undef HF_COUNTER
#undef HF_GAUGE
#undef HF_HIST
};

/* Where the worker's time went: turns with work, by cause; and turns that found nothing to do. */
struct hf_worker_cycles {
#define HF_GAP(cause, help) uint64_t cause##_ns;
#include "lib/worker/gap.def"
#undef HF_GAP
	uint64_t idle_ns;
};

/* What the app must do after a turn. */
struct hf_poll {
	uint64_t bells; /* endpoints whose consumer sleeps and has news: write their eventfd */
	bool busy;      /* something was done: poll again at once */
	bool loaded; /* frames of several connections have kept coming in the last milliseconds */
	hf_ns next_due; /* otherwise nothing is due before this (frames, links and orders aside) */
};

size_t hf_worker_footprint(const struct hf_worker_cfg *cfg);
struct hf_worker *hf_worker_init(
	void *mem, const struct hf_worker_cfg *cfg, const struct hf_worker_env *env);
/* Workers that share ports hand strays to each other: all[i] is worker i. Before the first poll. */
void hf_worker_join(struct hf_worker *w, struct hf_worker *const *all);

struct hf_poll hf_worker_poll(struct hf_worker *w, hf_ns now);

/* Control's ends. order: 0, or -1 when the inbox is full (try again). event: true and *e, or false.
 */
HF_MUST_CHECK int hf_worker_order(struct hf_worker *w, const struct hf_order *o);
HF_MUST_CHECK bool hf_worker_event(struct hf_worker *w, struct hf_event *e);
/* Generation of the last set of ticket keys that the worker has copied. */
uint64_t hf_worker_tickets(const struct hf_worker *w);

/* Before sleeping with `idle: adaptive`: tells every backend that we sleep; false when news came in
 * between (do not sleep). hf_worker_wake after it. */
bool hf_worker_sleep(struct hf_worker *w);
void hf_worker_wake(struct hf_worker *w);

/* What telemetry and hfctl read: row tables and where their structs are. */
struct hf_worker_table {
	const struct hf_stat_table *table;
	const void *base;
	struct {
		const char *key, *value;
	} label[2]; /* beside the worker's; key NULL: none */
};
#define HF_WORKER_TABLES_MAX \
	(9u + HF_PK_ENGINE_MAX * (HF_PK_CLASS_CNT + HF_EC_KIND_CNT * HF_GROUP_CNT))
uint32_t hf_worker_tables(struct hf_worker *w, struct hf_worker_table v[HF_WORKER_TABLES_MAX]);
/* [HF_TLS_KIND_CNT], read racily */
const struct hf_tls_kind *hf_worker_kinds(const struct hf_worker *w);
/* Read racily: hf_guard_top */
const struct hf_guard *hf_worker_guard(const struct hf_worker *w);
const struct hf_trace *hf_worker_trace(const struct hf_worker *w);

/* Simulation and tests: asserts what must always hold (pool accounting, frames in = sum of
 * outcomes). */
void hf_worker_check(const struct hf_worker *w);
/* True when every pool and gauge is at its idle value. */
bool hf_worker_is_idle(const struct hf_worker *w);

#endif
