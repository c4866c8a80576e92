/* hfbench.h -- a TLS client, as a rule each connection a new one. Closed loop: so many at a time, each opened
 * when its predecessor has ended; a slow server is asked less. Open loop (--rate): so many a second,
 * at random like those of clients that know nothing of each other, whatever the server does; a
 * connection that finds no place waits for one, and its latencies count from the moment it was meant
 * to start. What it measures is what a client of a farm sees: connect() to the server's Finished, and
 * connect() to the last byte of the answer.
 * Connections are the kernel's, or with --port its own over a DPDK device (wire.h).
 * Near the peak (--near-peak): both by turns (pace.h).
 * What it offers comes from a mix (mix.c) and from options; how little it computes itself, tls.h says.
 * Threads: each runs its own epoll loop, TLS state and tally; main adds the tallies up at the end.
 * Memory: bounded by --concurrent; latencies go into histograms of 0.8 % resolution.
 * Bounded in time (--seconds or --total, and --timeout for each connection).
 * Errors: of the command line -> message and exit 2; of connections -> counted by phase and cause.
 */
#ifndef HF_BENCH_HFBENCH_H
#define HF_BENCH_HFBENCH_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>
#include "bench/hfbench/pace.h"
#include "bench/hfbench/tls.h"
#include "bench/hfbench/wire.h"

#define HFBENCH_PIDS_MAX 16u
#define HFBENCH_TASKS_MAX 64u
#define HFBENCH_THREADS_MAX 64u
#define HFBENCH_VERIFY_EVERY 100u    /* with --ca: of the signatures, see tls.h */
#define HFBENCH_ASK_NS (5 * HF_NS_S) /* for who the server is, over a device */
#define HFBENCH_PLACES 4000u         /* of the open loop with --near-peak */
#define BENCH_UNLIMITED UINT32_MAX

/* How a connection ends. ANSWERED: with close_notify, and RST once the server has answered it. */
enum bench_close { CLOSE_FIN, CLOSE_RST, CLOSE_ANSWERED, CLOSE_CNT };
extern const char *const bench_close_name[CLOSE_CNT];

enum bench_resume { RESUME_NONE, RESUME_TICKET, RESUME_ID };

/* One kind of client. */
struct bench_mix {
	const char *name, *help, *cipher, *alpn, *request;
	const uint16_t *group;
	enum bench_resume resume;
	uint32_t resume_percent, requests, concurrent, record_len;
	bool ems, pss, browser;
	bool stale; /* offers tickets that the server cannot open */
	bool once;  /* each client comes one time */
};

struct bench_opt {
	struct sockaddr_storage to;
	socklen_t to_len;
	const char *target, *cipher, *ca, *request, *json;
	const char *device;  /* of DPDK; NULL: the kernel's sockets */
	struct hf_addr from; /* over a device: the client's own address */
	uint32_t
		from_bits; /* of the kernel: connections come from anywhere in this network; 0: no */
	const struct bench_mix *mix;
	struct btls_cfg tls;
	uint32_t concurrent, threads, seconds, timeout_ms;
	uint32_t warmup_ms; /* before `seconds`; of what ends in them only failures count */
	uint32_t rate;      /* connections a second, of all threads; 0: closed loop */
	uint32_t near_peak; /* per cent of the peak, in turns with finding that; 0: no */
	uint64_t total;     /* 0: as many as fit into `seconds` */
	uint32_t requests;  /* on each connection */
	enum bench_resume resume;
	uint32_t resume_percent; /* of the connections */
	bool resume_given, stale, hold, quiet;
	enum bench_close close;
	pid_t pid[HFBENCH_PIDS_MAX];
	uint32_t pid_cnt;
};

enum bench_phase {
	PHASE_CONNECT,
	PHASE_HANDSHAKE,
	PHASE_REPLY,
	PHASE_HOLD,
	PHASE_CLOSE,
	PHASE_CNT
};

#define HFBENCH_CAUSES(X)                                                \
	X(NO_PORT, "no free local port: --close rst frees them at once") \
	X(REFUSED, "refused")                                            \
	X(UNREACHABLE, "unreachable")                                    \
	X(TIMEOUT, "timed out")                                          \
	X(RESET, "reset by the server")                                  \
	X(EOF, "closed without close_notify")                            \
	X(CLOSED, "closed before the end")                               \
	X(ALERT, "alert from the server")                                \
	X(CERTIFICATE, "certificate not accepted")                       \
	X(PROTOCOL, "TLS error found by this client")                    \
	X(STATUS, "HTTP status not 2xx")                                 \
	X(GARBLED, "not an HTTP reply")                                  \
	X(LOCAL, "out of local resources")

enum bench_cause {
#define X(name, text) CAUSE_##name,
	HFBENCH_CAUSES(X)
#undef X
		CAUSE_CNT
};

/* Log-linear histogram of nanoseconds: 128 steps per power of two. */
#define HFBENCH_HIST_BITS 7u
#define HFBENCH_HIST_CNT ((65u - HFBENCH_HIST_BITS) << HFBENCH_HIST_BITS)

struct bench_hist {
	uint64_t cnt, max_ns, bucket[HFBENCH_HIST_CNT];
};

void bench_hist_add(struct bench_hist *h, uint64_t ns);
void bench_hist_merge(struct bench_hist *to, const struct bench_hist *from);
uint64_t bench_hist_at(const struct bench_hist *h, double quantile);
struct bench_percentiles bench_hist_percentiles(const struct bench_hist *h);

struct bench_tally {
	/* The first four are read by main while the thread runs, for the progress line. */
	_Atomic uint64_t started, handshakes, replies, failed;
	uint64_t resumed, verified, reply_bytes, closed_by_rst, unfinished;
	uint64_t held;   /* open at the end, as --hold wants it */
	uint64_t missed; /* open loop: never started, as there was no place until the end */
	uint64_t fail[PHASE_CNT][CAUSE_CNT];
	uint64_t alert[256];
	char cipher[64];   /* of the last handshake */
	char example[160]; /* text of the first local TLS error */
	struct bench_hist handshake, reply;
	struct bench_hist delay; /* open loop: from when it was meant to start until it did */
	struct {
		uint64_t handshakes, replies; /* before the rest was counted */
	} warmup;
	struct bench_pace pace; /* with near_peak: its turns */
};

struct bench_thread {
	const struct bench_opt *opt;
	struct bench_tally *tally;
	_Atomic uint64_t *tickets; /* connections that may still be started, of all threads */
	_Atomic bool *stop, *warm; /* warm: the warm-up is over; NULL: there is none */
	struct bench_wire *wire;   /* with slot_cnt connections */
	uint32_t slot_cnt;
	double interval_ns; /* mean time between two starts; 0: closed loop */
	uint64_t seed;      /* of those times */
};

const struct bench_mix *bench_mix_find(const char *name); /* NULL: there is none */
void bench_mix_list(FILE *f);
void bench_mix_apply(struct bench_opt *o);
/* Names with colons between; NULL, or what is wrong. */
const char *bench_suites_parse(struct btls_cfg *cfg, const char *names);

void *bench_client_run(void *thread); /* a struct bench_thread; returns NULL */

/* CPU seconds of a process and of its threads, from /proc. */
struct bench_task {
	pid_t tid;
	char name[32];
	double seconds;
};
struct bench_cpu {
	pid_t pid;
	bool gone;
	double seconds;
	uint32_t task_cnt;
	struct bench_task task[HFBENCH_TASKS_MAX];
};

struct bench_window {
	double seconds, client_cpu, warmup_seconds;
	struct bench_cpu cpu[HFBENCH_PIDS_MAX]; /* spent in the window */
	struct bench_port_stats port;           /* over a device */
};

void bench_cpu_read(struct bench_cpu *c, pid_t pid);
void bench_cpu_since(struct bench_cpu *now, const struct bench_cpu *before); /* now -= before */
double bench_cpu_self(void);

void bench_report_table(FILE *f, const struct bench_opt *o, const struct bench_tally *t,
	const struct bench_window *w);
void bench_report_json(FILE *f, const struct bench_opt *o, const struct bench_tally *t,
	const struct bench_window *w);

#endif
