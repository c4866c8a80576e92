/* tls.h -- TLS server engine for one connection: bytes in, bytes out, jobs to compute.
 * Never allocates, blocks, reads a clock or talks to an engine: it moves bytes between four chains'
 * ends and fills jobs. hf_tls_run goes as far as it can and returns the set of what it waits for.
 *
 *   TCP rcv chain --> records --> handshake messages | plaintext --> hf_tls_plain
 *   TCP snd chain <-- records <-- flights, alerts     | plaintext <-- hf_tls_write_begin, _commit
 *
 * Threads: an hf_tls belongs to one worker. Memory: caller's slot (struct hf_tls, about 400 bytes);
 * the handshake part (transcript, names, secrets) from a pool of the context, held from the first
 * record until hf_tls_hs_release; a buffer per direction only while a record is in it: a chunk when
 * the record fits one, else a record buffer, taken when the whole record is in `in`. So `in` must
 * be able to hold HF_TLS_WIRE_MAX bytes, and a slow sender holds nothing but what it sent.
 * Read and write epochs are separate. At most one record per direction is with the sym driver.
 * Units: bytes, ns.
 * Errors: every connection that fails has one enum hf_tls_reason (reason.def, which also names the
 * alert); an alert is queued where the RFC wants one. Every handshake that ends, well or not, is
 * counted in exactly one stats.reason[]; a fault after it in stats.fault[]. After FAILED the handshake
 * part is kept, idle, until hf_tls_hs_release: the owner may want to tell what the hello was.
 * Specs: RFC 5246, 5746, 6066, 7301, 7366, 7627, 8422, 7905, 5077, 7507, 7685, 8701, 9155. Start reading
 * at tls_hs.c. */
#ifndef HF_TLS_TLS_H
#define HF_TLS_TLS_H

#include "lib/base/buf.h"
#include "lib/base/hist.h"
#include "lib/base/rand.h"
#include "lib/base/stat.h"
#include "lib/base/trace.h"
#include "lib/crypto/auth.h"
#include "lib/crypto/pk.h"
#include "lib/crypto/sym.h"

#define HF_TLS_RECORD_MAX 16384u                       /* RFC 5246 6.2.1: plaintext */
#define HF_TLS_FRAGMENT_MAX (16384u + 2048u)           /* RFC 5246 6.2.3: ciphertext */
#define HF_TLS_WIRE_MAX (5u + HF_TLS_FRAGMENT_MAX)     /* with the record header */
#define HF_TLS_AROUND_MAX (5u + 16u + HF_SYM_TAIL_MAX) /* beside the plaintext of one of ours */
#define HF_TLS_NAME_MAX 255u                           /* a DNS name, RFC 1035 2.3.4 */

enum hf_tls_reason {
#define HF_TLS_REASON(name, alert, help) HF_TLS_R_##name,
#include "lib/tls/reason.def"
#undef HF_TLS_REASON
	HF_TLS_REASON_CNT
};

/* What became of the session that a hello brought. */
enum hf_tls_resume {
#define HF_TLS_RESUME(name, help) HF_TLS_RESUME_##name,
#include "lib/tls/resume.def"
#undef HF_TLS_RESUME
	HF_TLS_RESUME_CNT
};

/* What hf_tls_run waits for, and the news that came up on the way. Bits of one set. */
enum hf_tls_wait {
	HF_TLS_WAIT_BYTES = 1,  /* more from the peer */
	HF_TLS_WAIT_PK = 2,     /* its public-key job */
	HF_TLS_WAIT_SYM = 4,    /* its symmetric jobs: after the flush, run again */
	HF_TLS_WAIT_TX = 8,     /* room in the send queue (or chunks) */
	HF_TLS_WAIT_PLAIN = 16, /* the bridge must take plaintext first */
	HF_TLS_WAIT_MEM = 32,   /* a record buffer, handshake slot or job: run again later */
	HF_TLS_WAIT_AUTH = 64,  /* the check of its client's certificate */
	HF_TLS_ESTABLISHED =
		256, /* news, once: peer info may be read, even if FAILED came as well */
	HF_TLS_PEER_CLOSED = 512, /* standing: close_notify was received; no more plaintext comes */
	HF_TLS_TRUNCATED = 1024,  /* standing: the peer's FIN came without close_notify */
	HF_TLS_FAILED = 2048, /* standing: over; read hf_tls.reason, send what is queued, close */
};

/* ---- the site as TLS sees it: immutable, one generation, shared by all workers ---- */
struct hf_tls_cert {
	struct hf_span list; /* certificate_list of RFC 5246 7.4.2 without its own length: (u24 len,
				DER)* */
	const struct hf_pk_key *key;
	uint32_t
		status_len; /* a CertificateStatus message follows `list` in memory; 0: none does */
};

struct hf_tls_protocol {
	struct hf_span name; /* of ALPN */
	uint16_t pool;       /* the site's: where its streams go */
};

/* Of a host that asks its clients for a certificate. */
struct hf_tls_client_auth {
	bool required; /* who has none is refused */
	const struct hf_auth_ca *ca;
	struct hf_span request; /* CertificateRequest, by hf_tls_request_write */
};
/* The message that asks, with the authorities' names as struct hf_auth_ca has them. */
void hf_tls_request_write(struct hf_writer *w, struct hf_span names);
#define HF_TLS_REQUEST_MAX (64u + HF_AUTH_NAMES_MAX)

struct hf_tls_vhost {
	struct hf_span name; /* "www.example.org", "*.example.org" or empty (default) */
	const struct hf_tls_cert *const *cert; /* the first that suits suite and client is shown */
	uint32_t cert_cnt;
	const struct hf_tls_protocol *alpn; /* in our order of preference; none = no ALPN */
	uint32_t alpn_cnt;
	const struct hf_tls_client_auth *auth; /* NULL: clients are not asked who they are */
	uint32_t id; /* control's number of this host, kept over reloads: for hf_tls_kind */
};

/* Handshakes and jobs of one worker that point into a site generation. */
struct hf_tls_use {
	HF_ALIGNED(64) uint64_t cnt;
};

struct hf_tls_site {
	uint64_t generation;
	uint64_t
		context; /* whose sessions these are: the same for the same listener in every box */
	const struct hf_tls_vhost *vhost; /* [0] is the default */
	uint32_t vhost_cnt;
	const uint16_t *suite; /* in our order of preference */
	const uint16_t *group; /* NamedCurves, likewise */
	uint32_t suite_cnt, group_cnt;
	bool strict;            /* who says no name of ours is refused, not served by the default */
	struct hf_tls_use *use; /* one per worker, each written by that worker alone */
};

/* Handshakes done, by what was agreed: a slot for each combination that came up. Written by the
 * worker; others may read: a key, once seen, stays. Full: counted in stats.kinds_full alone. */
#define HF_TLS_KIND_CNT 512u
struct hf_tls_kind {
	uint64_t key; /* 0: free; else hf_tls_kind_key */
	uint64_t cnt;
};
struct hf_tls_kind_key {
	uint32_t host; /* hf_tls_vhost.id */
	uint16_t version, suite;
	uint8_t key_type; /* enum hf_pk_type */
	bool resumed;
};
struct hf_tls_kind_key hf_tls_kind_read(uint64_t key);

/* ---- one worker's engine ---- */
struct hf_tls_stats {
#define HF_COUNTER(name, help) uint64_t name;
#define HF_GAUGE(name, help) uint64_t name;
#define HF_HIST(name, help) struct hf_hist name;
#include "lib/tls/stats.def"
#undef HF_COUNTER
#undef HF_GAUGE
#undef HF_HIST
	uint64_t reason[HF_TLS_REASON_CNT]; /* how handshakes ended: OK or why not */
	uint64_t fault[HF_TLS_REASON_CNT]; /* why connections ended after a handshake that was OK */
	uint64_t resume[HF_TLS_RESUME_CNT]; /* what became of sessions that hellos brought */
};

/* ---- resumption: keys that all workers share ---- */
#define HF_TLS_TICKET_KEYS_MAX 8u
#define HF_TLS_TICKET_NAME_LEN 16u
#define HF_TLS_TICKET_NAME_VERSION 1u /* first byte of every name: of the layout behind it */
struct hf_tls_ticket_key {
	uint8_t name[HF_TLS_TICKET_NAME_LEN]; /* in the clear in front of the ticket */
	uint8_t cipher[32], mac[32], bind[16];
};
/* One set of them, made by control. The first seals, all open. None: no tickets. */
struct hf_tls_tickets {
	uint64_t generation; /* counts sets */
	uint32_t key_cnt, lifetime_s;
	struct hf_tls_ticket_key key[HF_TLS_TICKET_KEYS_MAX];
};
/* As a worker has them. */
struct hf_tls_sealer {
	uint8_t name[HF_TLS_TICKET_NAME_LEN], bind[16];
	struct hf_sym_keys keys[2]; /* by enum hf_sym_kind: SEAL, OPEN; an id is for one of them */
};

struct hf_tls_kept;
struct hf_tls_ctx {
	/* set by the worker before hf_tls_ctx_init */
	struct hf_bufs *bufs;
	struct hf_pk *pk;
	struct hf_sym *sym;
	struct hf_auth *auth;
	struct hf_rand *rand;
	struct hf_trace *trace;
	uint32_t worker;    /* index into hf_tls_site.use */
	uint64_t wall_ns;   /* since 1970, when `now` was 0; may be corrected at any time */
	uint8_t id_key[16]; /* of session ids: the same in all workers */
	/* private */
	struct hf_tls_sealer sealer[HF_TLS_TICKET_KEYS_MAX];
	uint32_t sealer_cnt, lifetime_s;
	struct hf_tls_kept *kept; /* sessions, in places of some each */
	uint32_t kept_cnt;
	uint64_t kept_uses;
	struct hf_pool hs, large;
	uint64_t next_keys_id;
	hf_ns now; /* of the latest call that was told */
	struct hf_tls_stats stats;
	struct hf_tls_kind kind[HF_TLS_KIND_CNT];
};
size_t hf_tls_ctx_footprint(uint32_t hs_cnt, uint32_t session_cnt);
void hf_tls_ctx_init(struct hf_tls_ctx *x, void *mem, uint32_t hs_cnt, uint32_t session_cnt);
/* Copies the set; the keys of the one before are wiped. */
void hf_tls_tickets_take(struct hf_tls_ctx *x, const struct hf_tls_tickets *t);

/* One direction's keys and record count. Keys are written when they are derived; `cipher` alone
 * switches them on, at ChangeCipherSpec. */
struct hf_tls_epoch {
	struct hf_sym_keys keys; /* cipher NONE: records go in the clear */
	uint64_t seq;            /* of records under the keys */
};

struct hf_tls_hs;

/* Private but for state (by hf_tls_stage_name), reason, alert_in, version, suite, opened_at, done_at.
 */
struct hf_tls {
	/* every record */
	struct hf_tls_epoch rd, wr;
	uint8_t *rec, *out; /* buffers of the record that came, and of those that go */
	struct hf_sym_job *open_job, *seal_job;
	uint32_t rec_len, plain_off, plain_len; /* in rec: fragment; plaintext not yet taken */
	uint32_t out_size, out_off, out_len;    /* of out: size; bytes gone; bytes ready to go */
	uint32_t fill_len;                      /* plaintext of the record being filled or sealed */
	uint8_t rec_type, fill_type, out_state, alerts;
	uint8_t state, warn_cnt, empty_cnt, again_cnt;
	uint16_t standing; /* PEER_CLOSED, TRUNCATED, FAILED */
	bool spoke;        /* at least one byte came */
	bool unheard;      /* its hello is there, but no memory or job to answer it with */
	/* handshake messages */
	uint8_t msg_head[4];
	uint32_t msg_got, msg_len;      /* bytes of the current message so far, and in all */
	const struct hf_tls_site *site; /* until hf_tls_hs_release; counted in its use[] */
	struct hf_tls_hs *hs;
	hf_ref owner;
	uint8_t reason;   /* enum hf_tls_reason */
	uint8_t alert_in; /* description of the fatal alert received, with reason PEER_ALERT */
	uint16_t version, suite;
	uint16_t plain_max; /* of a record, either way; HF_TLS_RECORD_MAX or what was agreed */
	uint64_t kept;      /* its session, if that is kept: the begin of the id */
	hf_ns opened_at, done_at;
};
static_assert(sizeof(struct hf_tls) <= 450, "a hundred thousand of them are 45 MB");

/* The chains of one connection, as the worker lends them for a call. */
struct hf_tls_io {
	struct hf_chain *in;  /* from TCP */
	bool in_eof;          /* the peer's FIN follows what is in `in` */
	struct hf_chain *out; /* to TCP */
	size_t out_room;      /* bytes that may be appended to out; kept up to date */
	size_t credit; /* added to: bytes of `in` delivered for good; the TCP window may reopen by
			  it */
};

void hf_tls_open(struct hf_tls_ctx *x, struct hf_tls *tls, const struct hf_tls_site *site,
	hf_ref owner, hf_ns now);
HF_MUST_CHECK unsigned hf_tls_run(
	struct hf_tls_ctx *x, struct hf_tls *tls, struct hf_tls_io *io, hf_ns now);

/* Completions. tls is NULL when the owner has died: the job is only accounted and recycled. */
void hf_tls_pk_done(struct hf_tls_ctx *x, struct hf_tls *tls, struct hf_pk_job *job);
void hf_tls_sym_done(struct hf_tls_ctx *x, struct hf_tls *tls, struct hf_sym_job *job);
void hf_tls_auth_done(struct hf_tls_ctx *x, struct hf_tls *tls, struct hf_auth_job *job);

/* Received plaintext, in place; taking all of it lets the next record in (run again). */
struct hf_span hf_tls_plain(const struct hf_tls *tls);
void hf_tls_plain_take(struct hf_tls_ctx *x, struct hf_tls *tls, struct hf_tls_io *io, size_t len);

/* Sending: a place for *cap bytes of plaintext, at most `want` (> 0) and one record; NULL: no room or
 * memory now, the one before not gone yet, not established, or closing. Then commit with how many
 * were put there (0 gives the place back). The record leaves through run. Rather than a sliver, NULL:
 * *cap >= min(want, 1024). Who gets NULL while hf_tls_flushed and TCP has room is short of memory and
 * must try again by itself: no completion will remind him. */
HF_MUST_CHECK uint8_t *hf_tls_write_begin(struct hf_tls_ctx *x, struct hf_tls *tls,
	const struct hf_tls_io *io, size_t want, size_t *cap);
void hf_tls_write_commit(struct hf_tls_ctx *x, struct hf_tls *tls, size_t len);
/* Established connections: close_notify behind everything written; run until hf_tls_flushed, then
 * shut TCP down. What the peer still sends is received as before. */
void hf_tls_close(struct hf_tls_ctx *x, struct hf_tls *tls);
bool hf_tls_flushed(const struct hf_tls *tls); /* nothing left to hand to out */
/* Ends a connection that the worker gives up on (deadline, truncation, overload): counts `reason`,
 * queues its alert (by reason.def). */
void hf_tls_fail(struct hf_tls_ctx *x, struct hf_tls *tls, enum hf_tls_reason reason);
/* What a peer's going away, or its deadline, would be called now. */
enum hf_tls_reason hf_tls_reason_gone(const struct hf_tls *tls);
enum hf_tls_reason hf_tls_reason_late(const struct hf_tls *tls);
/* Gives everything back, cancels jobs, wipes keys. The slot may be reused at once. */
void hf_tls_free(struct hf_tls_ctx *x, struct hf_tls *tls);

/* ---- what is known of the peer, between ESTABLISHED and hf_tls_hs_release ---- */
struct hf_tls_peer {
	struct hf_span sni, ja4;                /* point into the handshake part; may be empty */
	const struct hf_tls_protocol *protocol; /* of ALPN; NULL: none */
	uint16_t version, suite, client_version;
	const uint8_t *client_random, *master; /* 32 and 48 bytes: for the NSS key log alone */
	const struct hf_tls_vhost *vhost;
	bool resumed;
	const struct hf_auth_client *client; /* NULL: it was not asked, or has no certificate */
};
void hf_tls_peer(const struct hf_tls *tls, struct hf_tls_peer *out);
/* The ClientHello, message header included, as far as it came; at most cap of it. 0: none. Until
 * hf_tls_hs_release, after a failure as well. */
size_t hf_tls_hello_copy(const struct hf_tls *tls, uint8_t *out, size_t cap);
/* The DER of a certificate that was found good; 0: there is none, or it is longer than cap. */
#define HF_TLS_CLIENT_LEAF_MAX 8192u
size_t hf_tls_client_cert_copy(const struct hf_tls *tls, uint8_t *out, size_t cap);
void hf_tls_hs_release(struct hf_tls_ctx *x, struct hf_tls *tls);

const char *hf_tls_reason_name(enum hf_tls_reason r);
uint8_t hf_tls_reason_alert(enum hf_tls_reason r); /* its description; 255: none is sent */
const char *hf_tls_stage_name(uint8_t state);      /* what was waited for */
const char *hf_tls_alert_name(uint8_t description);
const char *hf_tls_suite_name(uint16_t suite); /* IANA name or "unknown" */

/* Suites by what they promise, for who would not list them: all of the table that do, best first.
 * Returns how many; HF_TLS_SUITE_MAX is room for any. */
enum hf_tls_profile {
	HF_TLS_MODERN,     /* forward secrecy and AEAD */
	HF_TLS_COMPATIBLE, /* forward secrecy; CBC, too */
	HF_TLS_LEGACY,     /* RSA key exchange, too */
};
#define HF_TLS_SUITE_MAX 32u
#define HF_TLS_GROUP_MAX 8u
uint32_t hf_tls_profile(enum hf_tls_profile profile, uint16_t suite[HF_TLS_SUITE_MAX]);
enum hf_tls_profile hf_tls_suite_profile(uint16_t suite); /* the strictest that has it */
extern const struct hf_stat_table hf_tls_stat_table;

#endif
