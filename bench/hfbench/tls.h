/* tls.h -- a TLS 1.2 client for measuring servers: it makes a server do all of its work and does as
 * little as it can itself, so that one core of client loads more than one core of server.
 * What it leaves out, and what it does in place of it:
 * - Its key in ECDHE is the group's base point (its private key is 1), so the shared secret is the
 *   server's own public point. The server cannot know, and computes as for any client.
 * - With RSA key exchange the premaster secret is the same for all connections, and is encrypted once
 *   for a certificate. Both randoms differ, so all that comes of it differs.
 * - The chain is verified when its bytes are first seen, and compared with those afterwards; the
 *   signature of a key exchange is verified at first and on 1 connection in HFBENCH_VERIFY_EVERY.
 * The server's Finished and every MAC and tag are checked always. It keeps no secret: never use it for
 * anything but measuring.
 * Threads: a btls_shared and the connections on it belong to one thread. Memory: the caller's; a message
 * that comes in pieces is kept on the heap until it is whole. Errors: an event, and `why`.
 * Specs: RFC 5246, 5077, 7627, 8422, 5746, 8446 4.2.7/4.2.8 (what browsers send beside). */
#ifndef HF_BENCH_TLS_H
#define HF_BENCH_TLS_H

#include <openssl/x509.h>
#include "bench/hfbench/crypt.h"

#define BTLS_TICKET_MAX 1024u
#define BTLS_FLIGHT_MAX 4096u
#define BTLS_SUITES_MAX 16u
#define BTLS_CERTS 8u

/* What a hello says. */
struct btls_cfg {
	const struct bench_suite *suite[BTLS_SUITES_MAX];
	uint32_t suite_cnt;
	const uint16_t *group; /* ends with 0 */
	const char *sni, *alpn;
	bool ems, tickets, pss;
	bool browser; /* what a browser of 2026 sends for TLS 1.3, hybrid key share included */
	uint32_t record_len; /* of the hello, by the padding extension; 0: none */
	X509_STORE *trust;   /* NULL: nothing is verified */
};

/* A certificate that was seen, and what is known about it. */
struct btls_cert {
	uint8_t *list; /* NULL: free */
	size_t len;
	EVP_PKEY *key;
	uint8_t rsa_secret[512]; /* premaster, encrypted for it */
	size_t rsa_len;
};

struct btls_shared {
	const struct btls_cfg *cfg;
	struct bench_crypt crypt;
	struct btls_cert cert[BTLS_CERTS];
	uint32_t cert_next, since_verify;
	uint64_t verified; /* signatures and chains */
};

struct btls_session {
	const struct bench_suite *suite; /* NULL: none */
	bool ems;
	uint8_t id_len;
	uint16_t ticket_len;
	uint8_t master[48], id[32], ticket[BTLS_TICKET_MAX];
};

enum btls_state {
	BTLS_HELLO,
	BTLS_CERT,
	BTLS_KEY,
	BTLS_HELLO_DONE,
	BTLS_CCS,
	BTLS_FINISHED,
	BTLS_OPEN
};

struct btls {
	struct btls_shared *shared;
	const struct bench_suite *suite;
	const struct btls_cert *cert;
	const char *why; /* of BTLS_BAD */
	enum btls_state state;
	uint8_t alert;
	bool ems, resumed, sealed_in, sealed_out;
	uint8_t client_random[32], server_random[32], master[48], premaster[48];
	size_t premaster_len;
	struct bench_hash transcript;
	struct bench_hmac prf; /* of the master secret */
	struct bench_way out, in;
	struct btls_session *session; /* in: what to offer; out: what the server gave */
	uint8_t id[32];
	uint8_t id_len;
	uint8_t *part; /* a message of which the end is missing */
	size_t part_len;
	/* what is to be sent; the hello stays until the server's has named the hash */
	uint16_t hello_len, flight_len, flight_at;
	uint8_t flight[BTLS_FLIGHT_MAX];
};

enum btls_got {
	BTLS_MORE, /* the record is not whole yet */
	BTLS_QUIET,
	BTLS_DONE, /* the handshake is done */
	BTLS_DATA, /* *plain */
	BTLS_END,  /* close_notify */
	BTLS_ALERT,
	BTLS_UNTRUSTED,
	BTLS_BAD, /* the server broke a rule: `why` */
};

const struct bench_suite *btls_suite(const char *name, size_t len);
const char *btls_suite_names(char *text, size_t len);

bool btls_shared_make(struct btls_shared *s, const struct btls_cfg *cfg, uint64_t seed);
void btls_shared_free(struct btls_shared *s);

/* A new connection: its hello is in flight. session must outlive it. */
void btls_begin(struct btls *t, struct btls_shared *s, struct btls_session *session);
void btls_end(struct btls *t); /* frees what it holds; may be called twice */
/* One record at p; *used is its length, 0 with BTLS_MORE. *plain lies in p. */
enum btls_got btls_record(
	struct btls *t, uint8_t *p, size_t len, size_t *used, struct hf_span *plain);
/* Application data, or the end; false when the flight has no room for it. */
bool btls_send(struct btls *t, const void *p, size_t len);
bool btls_close(struct btls *t);

#endif
