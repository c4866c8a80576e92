/* session.h -- one TLS connection of a foreign host: lwIP's raw API below, libssl on memory BIOs,
 * an exchange on top. Either role: the client is what the simulation drives at the appliance, the
 * server is the reference that shows what two foreign ends reach over the same wire.
 * lwIP's callbacks only note what happened; session_run does the work, so nothing re-enters.
 * Threads: one. Memory: malloc. A session is over when result != SESSION_RUNNING. */
#ifndef TESTS_SIM_SESSION_H
#define TESTS_SIM_SESSION_H

#include "tests/sim/exchange.h"
#include "tests/sim/peer.h"
#include "tests/sim/sslkit.h"

/* Longer than a pause of lwIP's retransmission, which backs off to about two minutes; when it has much to
 * send over a bad wire, it comes to three and more. In a fifth of it, it asks whether the other side is there. */
#define SESSION_PATIENCE (300 * HF_NS_S)
#define SESSION_PATIENCE_LONG (3000 * HF_NS_S)

enum session_end {
	SESSION_TIDY,     /* all received: close_notify, FIN, and the same from the other side */
	SESSION_HALF,     /* all sent: close_notify and FIN, go on reading */
	SESSION_WAIT,     /* the other side closes first */
	SESSION_ABORT,    /* RST after end_at bytes */
	SESSION_TRUNCATE, /* FIN without close_notify after end_at bytes */
	SESSION_VANISH,   /* forget the connection after end_at bytes, without a word */
	SESSION_IGNORE,   /* never read an answer; leave by RST when dismissed */
	SESSION_END_CNT
};

enum session_result {
	SESSION_RUNNING,
	SESSION_DONE,      /* ended as the plan says, every byte as it should be */
	SESSION_RESET,     /* the other side sent RST */
	SESSION_GIVEN_UP,  /* lwIP gave up: nobody acknowledged */
	SESSION_TLS_ERROR, /* libssl refused something, or an alert came */
	SESSION_CORRUPT,   /* a wrong byte: never acceptable */
	SESSION_TRUNCATED, /* FIN without close_notify, or before all bytes came */
	SESSION_STALLED,   /* nothing happened for plan.patience */
	SESSION_RESULT_CNT
};

struct session_plan {
	struct exchange_plan exchange;
	uint64_t seed;
	hf_ns patience;      /* without news */
	struct hf_addr addr; /* of the server; clients only */
	uint16_t port;
	SSL_CTX *ctx;
	const char *cipher; /* TLS 1.2 suite in OpenSSL's words, NULL for the context's own */
	bool no_ticket, no_ems;
	X509 *cert; /* clients: what they show who ask; NULL: nothing */
	EVP_PKEY *key;
	/* Clients: an earlier one whose TLS session this one brings, if it has one by then. */
	struct session *const *comes_back;
	enum session_end end;
	uint32_t end_at;     /* pattern bytes received; ABORT, TRUNCATE, VANISH */
	uint32_t record_max; /* plaintext bytes per record, drawn from 1..record_max */
	uint32_t piece_max;  /* bytes per TCP write, drawn from 1..piece_max; 0: as they come */
	uint32_t read_max;   /* TCP bytes taken per read ... */
	hf_ns read_gap;      /* ... and the pause between reads; 0: eager */
	bool nodelay;
	bool lie; /* servers: see exchange_server */
};

struct session;

struct session *session_connect(struct peer *host, hf_ns now, const struct session_plan *plan);
/* Accepts on a port with the given plan until the host goes; each new session is handed to `born`
 * with its plan's seed made its own. */
void session_listen(struct peer *host, hf_ns now, uint16_t port, const struct session_plan *plan,
	void (*born)(void *ctx, struct session *s), void *ctx);

/* Does what can be done now. Call after every frame given to the host and when session_next says.
 */
void session_run(struct session *s, hf_ns now);
hf_ns session_next(const struct session *s);
/* Who ignored the answer may go now. */
void session_dismiss(struct session *s, hf_ns now);
void session_free(struct session *s, hf_ns now);

enum session_result session_result(const struct session *s);
const char *session_result_name(enum session_result r);
const char *session_why(const struct session *s); /* "" when nothing is wrong */
const struct exchange *session_exchange(const struct session *s);
uint16_t session_port(const struct session *s);      /* our own */
const char *session_cipher(const struct session *s); /* negotiated, NULL before */
bool session_resumed(const struct session *s);

#endif
