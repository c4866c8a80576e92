/* tls_hs.h -- what the files of lib/tls share and nobody else sees: numbers of the wire, the parsed
 * hello, the handshake part of a connection, and which file does what. Private to lib/tls.
 * Threads, memory, units: as tls.h. Errors: int functions of a handshake step return 0, -reason
 * (enum hf_tls_reason), or a positive set of waits with nothing done, to be called again. */
#ifndef HF_TLS_TLS_HS_H
#define HF_TLS_TLS_HS_H

#include "lib/tls/ja4.h"
#include "lib/tls/tls.h"
#include "lib/tls/transcript.h"

#define HF_TLS_12 0x0303u
#define HF_TLS_HEADER_LEN 5u /* of a record */
#define HF_TLS_MSG_HEAD_LEN 4u
#define HF_TLS_RANDOM_LEN 32u
#define HF_TLS_MASTER_LEN 48u
#define HF_TLS_VERIFY_LEN 12u
/* The longest that its syntax allows, RFC 5246 7.4.1.2: version, random, session id, suites,
 * compressions, extensions. Beyond CHUNKED_MAX it needs one of a few large buffers. */
#define HF_TLS_HELLO_MAX (2u + 32u + 33u + 2u + 65534u + 256u + 2u + 65535u)
#define HF_TLS_CHUNKED_MAX 16384u
#define HF_TLS_LARGE_CNT 4u       /* per worker: such hellos are tests and attacks */
#define HF_TLS_SESSION_ID_MAX 32u /* RFC 5246 7.4.1.2 */
#define HF_TLS_SLIVER \
	1024u /* smaller records than this are sent only when there is no more to say */
/* A ciphertext longer than any modulus served is not an error here: pk answers it like every other
 * bad one. Only what is longer than any RSA key in use is refused by its size. */
#define HF_TLS_KEY_EXCHANGE_MAX (2u + 2048u)
/* Of a client, without their headers; 16 KB with one. */
#define HF_TLS_CLIENT_CERTS_MAX (HF_TLS_CHUNKED_MAX - HF_TLS_MSG_HEAD_LEN)
#define HF_TLS_CLIENT_VERIFY_MAX (2u + 2u + HF_AUTH_SIGNATURE_MAX)
#define HF_TLS_POINT_MAX HF_EC_POINT_MAX
#define HF_TLS_PARAMS_MAX (4u + HF_TLS_POINT_MAX) /* ServerECDHParams, RFC 8422 5.4 */
#define HF_TLS_SERVER_KEY_MAX (HF_TLS_MSG_HEAD_LEN + HF_TLS_PARAMS_MAX + 4u + HF_PK_OUT_MAX)

enum { /* ContentType, RFC 5246 6.2.1 */
	HF_TLS_CT_CCS = 20,
	HF_TLS_CT_ALERT = 21,
	HF_TLS_CT_HANDSHAKE = 22,
	HF_TLS_CT_DATA = 23,
	HF_TLS_CT_V2 = 0x80, /* ours: a record of SSLv2 that holds a ClientHello, RFC 5246 E.2 */
};

enum { /* HandshakeType, RFC 5246 7.4 */
	HF_TLS_MSG_CLIENT_HELLO = 1,
	HF_TLS_MSG_SERVER_HELLO = 2,
	HF_TLS_MSG_NEW_SESSION_TICKET = 4, /* RFC 5077 3.3 */
	HF_TLS_MSG_CERTIFICATE = 11,
	HF_TLS_MSG_SERVER_KEY_EXCHANGE = 12,
	HF_TLS_MSG_CERTIFICATE_REQUEST = 13,
	HF_TLS_MSG_SERVER_HELLO_DONE = 14,
	HF_TLS_MSG_CERTIFICATE_VERIFY = 15,
	HF_TLS_MSG_CLIENT_KEY_EXCHANGE = 16,
	HF_TLS_MSG_FINISHED = 20,
	HF_TLS_MSG_CERTIFICATE_STATUS = 22, /* RFC 6066 8; the site has it ready made */
	HF_TLS_MSG_CCS = 0x100,             /* not a message: ChangeCipherSpec's row in the table */
	HF_TLS_MSG_V2_HELLO = 0x101,        /* nor is this: what CT_V2 holds */
};

enum { /* AlertDescription */
#define HF_TLS_ALERT(name, number) HF_TLS_ALERT_##name = number,
#include "lib/tls/alert.def"
#undef HF_TLS_ALERT
	HF_TLS_ALERT_NONE = 255, /* ours: say nothing */
};
enum { HF_TLS_LEVEL_WARNING = 1, HF_TLS_LEVEL_FATAL = 2 };

enum { /* hf_tls.state */
#define HF_TLS_STAGE(name, text) HF_TLS_ST_##name,
#include "lib/tls/stage.def"
#undef HF_TLS_STAGE
};

/* hf_tls.alerts: alerts to be sent, in this order. */
enum {
	HF_TLS_SAY_NO_RENEGOTIATION = 1,
	HF_TLS_SAY_FATAL = 2, /* which one: by hf_tls.reason */
	HF_TLS_SAY_CLOSE = 4,
	HF_TLS_SAID_LAST = 128, /* close_notify or a fatal alert is out: nothing may follow */
};

/* hf_tls.out_state */
enum {
	HF_TLS_OUT_IDLE,    /* no buffer, or one whose bytes are ready to go */
	HF_TLS_OUT_TAKEN,   /* between write_begin and write_commit; seal_job is taken, too */
	HF_TLS_OUT_FILLED,  /* a record waits for a seal job */
	HF_TLS_OUT_SEALING, /* the job is with sym */
};

enum hf_tls_kx {
	HF_TLS_KX_RSA, /* the client encrypts the premaster secret: no forward secrecy */
	HF_TLS_KX_ECDHE,
};

struct hf_tls_suite {
	uint16_t id;
	uint8_t kx;     /* enum hf_tls_kx */
	bool ecdsa;     /* the kind of certificate; else RSA */
	uint8_t cipher; /* enum hf_cipher */
	uint8_t hash;   /* of PRF and transcript */
	const char *name;
};
/* ---- tls_suite.c ---- */
const struct hf_tls_suite *hf_tls_suite(uint16_t id); /* NULL: not served */

/* What the wire calls curves and signatures, and what pk does. */
struct hf_tls_group {
	uint16_t id;   /* NamedCurve, RFC 8422 5.1.1 */
	uint8_t group; /* enum hf_group */
};
struct hf_tls_scheme {
	uint16_t id;  /* SignatureAndHashAlgorithm, RFC 5246 7.4.1.4.1; RFC 8446 4.2.3 */
	uint8_t key;  /* enum hf_pk_type */
	uint8_t op;   /* enum hf_pk_op */
	uint8_t hash; /* enum hf_hash */
};
struct hf_tls_proof { /* what a client may sign with */
	uint16_t id;  /* as above */
	uint8_t kind; /* enum hf_auth_kind */
	uint8_t hash;
};
const struct hf_tls_group *hf_tls_group(uint16_t id); /* NULL: not served */
/* The best for such a key of those offered; offered.p NULL: the client said nothing. */
const struct hf_tls_scheme *hf_tls_scheme(enum hf_pk_type key, struct hf_span offered);

/* ---- tls_hello.c ---- */
/* Is it in a list of 16-bit numbers as the wire has them? */
bool hf_tls_has_u16(struct hf_span list, uint16_t want);

/* A ClientHello as parsed: spans point into the message. */
struct hf_tls_hello {
	uint16_t version;
	struct hf_span random, session_id, suites, compressions;
	/* from extensions; a span with p NULL was not offered */
	struct hf_span name, alpn, versions, groups, signatures, ticket;
	uint16_t plain_max; /* by max_fragment_length; 0: not offered */
	bool point_formats, extended_master, session_ticket, secure_renegotiation;
	bool encrypt_then_mac, status_request, fallback;
};
/* body: the message without its header. 0 or -reason. */
HF_MUST_CHECK int hf_tls_hello_parse(struct hf_span body, struct hf_tls_hello *out);
/* A ClientHello in the form of SSLv2, from its type on (RFC 5246 E.2). What the other form has in one
 * piece and this one has not is put into `room`, which must live as long as `out`. */
#define HF_TLS_V2_HELLO_MAX 1024u
struct hf_tls_v2_room {
	uint8_t random[HF_TLS_RANDOM_LEN], suites[HF_TLS_V2_HELLO_MAX / 3 * 2];
};
HF_MUST_CHECK int hf_tls_hello_parse_v2(
	struct hf_span message, struct hf_tls_v2_room *room, struct hf_tls_hello *out);

enum hf_tls_name_match {
	HF_TLS_NAME_NONE, /* the client said none */
	HF_TLS_NAME_UNKNOWN,
	HF_TLS_NAME_EXACT,
	HF_TLS_NAME_WILDCARD,
};

/* What is agreed. */
struct hf_tls_choice {
	const struct hf_tls_vhost *vhost;
	const struct hf_tls_suite *suite;
	const struct hf_tls_cert *cert;
	const struct hf_tls_group *group; /* and scheme: for suites with ECDHE */
	const struct hf_tls_scheme *scheme;
	const struct hf_tls_protocol *protocol; /* NULL: none */
	enum hf_tls_name_match name;
	uint16_t plain_max; /* 0: nothing was agreed */
	/* session_ticket: one will be sent */
	bool point_formats, extended_master, session_ticket, secure_renegotiation;
	bool encrypt_then_mac, status;
	bool resumed;
	struct hf_span session_id; /* for the ServerHello */
};
HF_MUST_CHECK int hf_tls_hello_choose(
	const struct hf_tls_site *site, const struct hf_tls_hello *h, struct hf_tls_choice *out);
/* What hangs on the suite, and on whether a certificate is shown: part of the choice, and again when
 * a session that goes on has changed it. */
void hf_tls_hello_settle(const struct hf_tls_hello *h, struct hf_tls_choice *c);
/* Offered and served, whatever else is needed for a full handshake with it. */
bool hf_tls_hello_has_suite(
	const struct hf_tls_site *site, const struct hf_tls_hello *h, uint16_t suite);
/* Every extension at its largest: 4 + 2 + 32 + 1 + 32 + 2 + 1 + 2, and extensions of 5, 4, 5, 4, 6,
 * 4, 4, 4, 262. */
#define HF_TLS_SERVER_HELLO_MAX 374u
void hf_tls_hello_answer(struct hf_writer *w, const struct hf_tls_choice *c,
	const uint8_t random[HF_TLS_RANDOM_LEN]);

/* ---- sessions ---- */

/* All that a session is, in a ticket or kept. */
struct hf_tls_session {
	uint8_t master[HF_TLS_MASTER_LEN];
	uint64_t bind;    /* of listener, virtual host and server name */
	uint32_t began_s; /* its full handshake, in seconds since 1970: until 2106 */
	uint16_t version, suite;
	uint16_t plain_max; /* as in struct hf_tls_choice */
	bool extended_master;
};

/* name, IV, and 112 bytes padded to 128, sealed; 192 in all, as in the captures */
#define HF_TLS_TICKET_LEN 192u
#define HF_TLS_TICKET_MESSAGE_LEN (HF_TLS_MSG_HEAD_LEN + 4u + 2u + HF_TLS_TICKET_LEN)

/* A session that is kept. */
#define HF_TLS_KEPT_ID_LEN 16u /* of the id: the rest follows from it */
struct hf_tls_kept {
	uint8_t id[HF_TLS_KEPT_ID_LEN];
	struct hf_tls_session session;
	uint64_t used; /* number of its latest use; 0: none is here */
};
static_assert(sizeof(struct hf_tls_kept) <= 96, "memory.sessions of them");
#define HF_TLS_KEPT_WAYS 8u /* sessions that may lie in one place; the least used goes first */

/* ---- the handshake part ---- */

/* Hello, our flight, the client's certificates, key exchange, both Finished and a ticket over chunks;
 * two more for the hole, one for what stands in front. */
#define HF_TLS_TRANSCRIPT_MAX                                                       \
	(HF_TLS_CHUNKED_MAX + HF_TLS_SERVER_HELLO_MAX + HF_TLS_SERVER_KEY_MAX +     \
		HF_TLS_REQUEST_MAX + HF_TLS_CHUNKED_MAX + HF_TLS_KEY_EXCHANGE_MAX + \
		HF_TLS_CLIENT_VERIFY_MAX + HF_TLS_TICKET_MESSAGE_LEN + 128u)
#define HF_TLS_SPAN_MAX 26u
static_assert(HF_TLS_TRANSCRIPT_MAX / HF_CHUNK_DATA + 1 + 3 <= HF_TLS_SPAN_MAX, "a hash fits");

struct hf_tls_hs {
	struct hf_transcript log;
	uint8_t *large;                /* buffer of log.front; NULL: none */
	size_t msg_at;                 /* where in the log the current message begins */
	size_t sent, send_end, ccs_at; /* our flight: log[sent .. send_end), CCS before ccs_at */
	size_t message_end;            /* of the one that is partly sent, or of the last */
	bool ccs_due;
	struct hf_tls_choice choice;
	uint16_t client_version;
	/* jobs out, and what to do when all are back */
	struct hf_pk_job *pk_job;
	struct hf_pk_job *signature; /* came back; kept until what it signed is in the flight */
	struct hf_auth_job *auth_job;
	struct hf_sym_job *job[2];
	uint8_t step;
	hf_ns key_at; /* when the ClientKeyExchange was whole, or a hello that is resumed */
	struct hf_span hash_v[HF_TLS_SPAN_MAX], prf_v[2][4];
	/* secrets */
	uint8_t client_random[HF_TLS_RANDOM_LEN], server_random[HF_TLS_RANDOM_LEN];
	uint8_t scalar[HF_EC_SCALAR_MAX]; /* our private key, until the client's point is here */
	uint8_t premaster[HF_PREMASTER_LEN], master[HF_TLS_MASTER_LEN];
	uint8_t hash[HF_HASH_MAX]; /* of the transcript at the latest point that needed one */
	union {                    /* what is signed is out long before keys are cut */
		uint8_t params[HF_TLS_PARAMS_MAX];
		uint8_t digest[HF_HASH_MAX]; /* and what the client has signed is checked before */
		uint8_t block[160];          /* key block, RFC 5246 6.3 */
	};
	uint8_t params_len, premaster_len;
	uint8_t verify[HF_TLS_VERIFY_LEN];
	uint8_t name[HF_TLS_NAME_MAX];
	uint8_t name_len;
	uint8_t session_id[HF_TLS_SESSION_ID_MAX];
	uint32_t began_s; /* of the session that is resumed */
	/* the client's certificate */
	bool ask;        /* its next message about it is due: Certificate, CertificateVerify */
	bool proved;     /* `client` is who it is */
	size_t certs_at; /* in the log: certificate_list; the first one's DER is 3 behind */
	uint32_t certs_len, leaf_len, signature_len;
	const struct hf_tls_proof *proof;
	struct hf_auth_client *client; /* in a chunk */
	/* the client's fingerprint */
	struct hf_ja4 *ja4; /* in a chunk, while it is hashed */
	struct hf_sym_job *ja4_job[2];
	struct hf_span ja4_v[2];
	uint8_t ja4_hash[2][32];
	char ja4_name[HF_JA4_LEN];
	uint8_t ja4_len; /* 0: not known */
	bool ja4_failed;
};

/* One call of hf_tls_run and what it works on. */
struct hf_tls_call {
	struct hf_tls_ctx *x;
	struct hf_tls *t;
	struct hf_tls_io *io;
};

/* ---- tls_ja4.c ---- */
/* Begins the fingerprint of a hello that we take, the message without its header. */
void hf_tls_ja4_begin(struct hf_tls_call *c, struct hf_span hello);
/* True: the job was one of its. */
HF_MUST_CHECK bool hf_tls_ja4_done(
	struct hf_tls_ctx *x, struct hf_tls_hs *hs, const struct hf_sym_job *job);
void hf_tls_ja4_cancel(struct hf_tls_ctx *x, struct hf_tls_hs *hs);

/* ---- resume.c ---- */
/* Adds to the choice what the hello's session comes to: resumed or not, suite, session_id,
 * session_ticket. *what is for the count. 0 with *out filled if resumed, or -reason. */
HF_MUST_CHECK int hf_tls_resume_choose(struct hf_tls_call *c, const struct hf_tls_hello *h,
	struct hf_tls_choice *choice, struct hf_tls_session *out, enum hf_tls_resume *what);
/* NewSessionTicket (RFC 5077 3.3) for the connection's session. */
void hf_tls_resume_put_ticket(struct hf_tls_call *c, struct hf_writer *w);
/* A handshake is done: its session is kept if it was given an id. */
void hf_tls_resume_keep(struct hf_tls_ctx *x, struct hf_tls *t);
/* A fatal alert went or came: a kept session is not resumed again. */
void hf_tls_resume_forget(struct hf_tls_ctx *x, struct hf_tls *t);

/* ---- tls_auth.c ---- */
/* The client's Certificate and CertificateVerify. */
HF_MUST_CHECK int hf_tls_auth_certificates(struct hf_tls_call *c, struct hf_span body);
HF_MUST_CHECK int hf_tls_auth_verify(struct hf_tls_call *c, struct hf_span body);
/* hs->digest is what the client must have signed: the check begins. False: short of memory. */
HF_MUST_CHECK bool hf_tls_auth_begin(struct hf_tls_call *c);
void hf_tls_auth_cancel(struct hf_tls_ctx *x, struct hf_tls_hs *hs);
void hf_tls_auth_release(struct hf_tls_ctx *x, struct hf_tls_hs *hs);

/* ---- tls12.c: the protocol as a table ---- */
/* May such a message come now, this long? 0 or -reason. */
HF_MUST_CHECK int hf_tls12_check(const struct hf_tls *t, unsigned type, uint32_t len);
/* A checked message that is whole. */
HF_MUST_CHECK int hf_tls12_message(struct hf_tls_call *c, unsigned type, struct hf_span body);

/* ---- tls_keys.c: what is computed after a message, step by step ---- */
/* Our side of ECDHE: the rest of the flight that on_client_hello began. */
HF_MUST_CHECK int hf_tls_keys_offer(struct hf_tls_call *c, const struct hf_tls_group *group);
/* The client's side: its ciphertext or point. */
HF_MUST_CHECK int hf_tls_keys_exchange(struct hf_tls_call *c, struct hf_span sent);
/* The client's CertificateVerify, which is the current message, is to be checked. */
HF_MUST_CHECK int hf_tls_keys_prove(struct hf_tls_call *c);
HF_MUST_CHECK int hf_tls_keys_finish(struct hf_tls_call *c);
/* The ServerHello of a resumed session is in the log: the rest of its flight, and what the client's
 * Finished must say. */
void hf_tls_keys_resume(struct hf_tls_call *c, const struct hf_tls_session *s);
/* Takes the next step if all jobs are back: 0 went on, positive: waits, negative: -reason. */
HF_MUST_CHECK int hf_tls_keys_step(struct hf_tls_call *c);
void hf_tls_keys_sym_done(struct hf_tls_ctx *x, struct hf_tls *t, struct hf_sym_job *job);
void hf_tls_keys_cancel(struct hf_tls_ctx *x, struct hf_tls_hs *hs);

/* ---- tls_record.c ---- */
/* Takes the next whole record of io->in into t->rec, plain or on its way through an open job. */
HF_MUST_CHECK int hf_tls_record_next(struct hf_tls_call *c);
void hf_tls_record_opened(struct hf_tls_ctx *x, struct hf_tls *t, struct hf_sym_job *job);
void hf_tls_record_drop(struct hf_tls_ctx *x, struct hf_tls *t); /* gives t->rec back */
/* t->rec holds application data. */
HF_MUST_CHECK int hf_tls_record_data(struct hf_tls_call *c);
/* Sends flight, data and alerts as far as it can. Returns what it waits for; 0: all is out. */
HF_MUST_CHECK unsigned hf_tls_record_send(struct hf_tls_call *c);
void hf_tls_record_sealed(struct hf_tls_ctx *x, struct hf_tls *t, struct hf_sym_job *job);
void hf_tls_record_out_drop(struct hf_tls_ctx *x, struct hf_tls *t); /* gives t->out back */

/* ---- kind.c ---- */
/* Counts the handshake that has just succeeded. */
void hf_tls_kind_count(struct hf_tls_ctx *x, const struct hf_tls *t);

/* ---- tls_hs.c ---- */
HF_MUST_CHECK bool hf_tls_hs_take(struct hf_tls_ctx *x, struct hf_tls *t);
/* The whole of our last flight is on its way. */
void hf_tls_established(struct hf_tls_ctx *x, struct hf_tls *t);

/* Queues an alert, unless the last word was said. */
static inline void hf_tls_say(struct hf_tls *t, uint8_t what)
{
	if (!(t->alerts & HF_TLS_SAID_LAST))
		t->alerts |= what;
}

static inline bool hf_tls_flight_pending(const struct hf_tls *t)
{
	return t->hs && t->hs->sent < t->hs->send_end;
}

#endif
