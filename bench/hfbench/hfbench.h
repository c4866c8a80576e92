/* hfbench.h -- a TLS client, each connection a new one. Closed loop: so many at a time, each opened
 * when its predecessor has ended; a slow server is asked less. Open loop (--rate): so many a second,
 * at random like those of clients that know nothing of each other, whatever the server does; a
 * connection that finds no place waits for one, and its latencies count from the moment it was meant
 * to start. What it measures is what a client of a farm sees: connect() to the server's Finished, and
 * connect() to the last byte of the answer.
 * Threads: each runs its own epoll loop, SSL_CTX and tally; main adds the tallies up at the end.
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
#include "lib/base/base.h"

#define HFBENCH_PIDS_MAX 16u
#define HFBENCH_TASKS_MAX 64u
#define HFBENCH_THREADS_MAX 64u
#define HFBENCH_VERIFY_EVERY \
	100u /* with --ca: the first of a thread and every so many after it \
	      */

enum bench_resume { RESUME_NONE, RESUME_TICKET, RESUME_ID };

struct bench_opt {
	struct sockaddr_storage to;
	socklen_t to_len;
	const char *target, *cipher, *sni, *ca, *request, *json;
	uint32_t concurrent, threads, seconds, timeout_ms;
	uint32_t rate;  /* connections a second, of all threads; 0: closed loop */
	uint64_t total; /* 0: as many as fit into `seconds` */
	enum bench_resume resume;
	bool close_rst, quiet;
	pid_t pid[HFBENCH_PIDS_MAX];
	uint32_t pid_cnt;
};

enum bench_phase { PHASE_CONNECT, PHASE_HANDSHAKE, PHASE_REPLY, PHASE_CLOSE, PHASE_CNT };

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

struct bench_tally {
	/* The first four are read by main while the thread runs, for the progress line. */
	_Atomic uint64_t started, handshakes, replies, failed;
	uint64_t resumed, verified, reply_bytes, closed_by_rst, unfinished;
	uint64_t missed; /* open loop: never started, as there was no place until the end */
	uint64_t fail[PHASE_CNT][CAUSE_CNT];
	uint64_t alert[256];
	char cipher[64];   /* of the last handshake */
	char example[160]; /* text of the first local TLS error */
	struct bench_hist handshake, reply;
	struct bench_hist delay; /* open loop: from when it was meant to start until it did */
};

struct ssl_ctx_st;

struct bench_thread {
	const struct bench_opt *opt;
	struct ssl_ctx_st *ctx; /* one per thread, freed by it: its locks are never contended */
	struct bench_tally *tally;
	_Atomic uint64_t *tickets; /* connections that may still be started, of all threads */
	_Atomic bool *stop;
	uint32_t slot_cnt;
	double interval_ns; /* mean time between two starts; 0: closed loop */
	uint64_t seed;      /* of those times */
};

/* NULL, and what is wrong with the options. */
struct ssl_ctx_st *bench_ctx_make(const struct bench_opt *o, const char **wrong);
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
	double seconds, client_cpu;
	struct bench_cpu cpu[HFBENCH_PIDS_MAX]; /* spent in the window */
};

void bench_cpu_read(struct bench_cpu *c, pid_t pid);
void bench_cpu_since(struct bench_cpu *now, const struct bench_cpu *before); /* now -= before */
double bench_cpu_self(void);

void bench_report_table(FILE *f, const struct bench_opt *o, const struct bench_tally *t,
	const struct bench_window *w);
void bench_report_json(FILE *f, const struct bench_opt *o, const struct bench_tally *t,
	const struct bench_window *w);

#endif
