/* control.h -- the command socket: a Unix stream socket that takes one request line, answers and
 * closes. `echo stats json | socat - UNIX:/run/handfast/control.sock` is a client, hfctl another.
 *   stats [text|full|json|prometheus]   conns   failures   trace [WORKER]   plan   version
 *   explain HELLO [LISTENER]   drain [on|off]   reload   help
 * An answer with a line that begins with "error: " is one. What the commands show and do is the
 * caller's, by hf_control_ops; this file knows sockets and words.
 * Threads: one, the main one. It never blocks: at most HF_CONTROL_CLIENTS are served at a time, each
 * has a few seconds to ask and a minute to read, then it is hung up on; more clients wait in the
 * socket's backlog. Memory: heap; an answer is built whole before it is sent. */
#ifndef HF_APP_HANDFAST_CONTROL_H
#define HF_APP_HANDFAST_CONTROL_H

#include <stdio.h>
#include "lib/os/os.h"
#include "lib/stats/stats.h"

#define HF_CONTROL_CLIENTS 8u
#define HF_CONTROL_LINE_MAX (33u * 1024u) /* a ClientHello of 16 KB in hexadecimal */
#define HF_CONTROL_ASK_NS (5 * HF_NS_S)
#define HF_CONTROL_READ_NS (60 * HF_NS_S)
#define HF_CONTROL_SOURCES_MAX 8192u

/* What the program lends. Each writes its answer to out, "error: ..." included. A command whose
 * operation is NULL does not exist; sources must be there. */
struct hf_control_ops {
	const char *version; /* the whole answer to it: "handfast 0.1" */
	/* Fills v with the row tables to render; returns how many. */
	uint32_t (*sources)(void *app, struct hf_stats_source *v, uint32_t max);
	void (*conns)(void *app, FILE *out);
	void (*failures)(void *app, FILE *out);
	void (*offenders)(void *app, FILE *out);
	void (*trace)(void *app, FILE *out, int worker); /* -1: of all */
	void (*explain)(
		void *app, FILE *out, const char *hello, const char *listener); /* "": of all */
	void (*plan)(void *app, FILE *out);
	void (*drain)(void *app, FILE *out, bool on);
	void (*reload)(void *app, FILE *out);
};

struct hf_control;

/* Creates the socket. ops and app must outlive it. NULL: with errno, as of hf_os_unix_listen. */
HF_MUST_CHECK struct hf_control *hf_control_open(
	const char *path, mode_t mode, const struct hf_control_ops *ops, void *app);
/* Readable (poll, epoll) when hf_control_run has work to do. */
int hf_control_fd(const struct hf_control *c);
/* Serves whoever is ready and hangs up on whoever is late; never blocks. */
void hf_control_run(struct hf_control *c);
/* Hangs up on all and unlinks the socket. NULL is fine. */
void hf_control_close(struct hf_control *c);

#endif
