/* auth.h -- who a client is, by certificate: does its chain lead to an authority that the host trusts,
 * and does it hold the key (RFC 5246 7.4.6, 7.4.8)? One question of each client, asked once its
 * CertificateVerify is here, answered as a whole: some hundred microseconds of X.509 that cannot be
 * cut, so hf_auth_work answers one and no more. Jobs wait in the order in which they came.
 *
 *   job = hf_auth_take -> fill -> hf_auth_submit ... hf_auth_work ... hf_auth_done -> hf_auth_give
 *
 * Nothing here is secret: certificates and signatures went over the wire in the clear.
 *
 * Threads: an hf_auth belongs to one worker; authorities are immutable and shared (a site has them).
 * Memory: caller's, hf_auth_footprint bytes; a driver takes from the heap for the time of a check.
 * What a job points to stays until it is back or cancelled; a cancelled job is not touched again.
 * Errors: no job free -> NULL, counted, the handshake must wait. */
#ifndef HF_CRYPTO_AUTH_H
#define HF_CRYPTO_AUTH_H

#include "lib/base/base.h"
#include "lib/base/hist.h"
#include "lib/base/pool.h"
#include "lib/base/span.h"
#include "lib/base/stat.h"

/* Bounds of what a client may show; the longest chain in use has some 6 KB. */
#define HF_AUTH_LIST_MAX 16377u /* certificate_list as on the wire, without its length */
#define HF_AUTH_CHAIN_MAX 8u
#define HF_AUTH_SIGNATURE_MAX 1024u /* of RSA with 8192 bits */
#define HF_AUTH_LIST_SPANS 12u
#define HF_AUTH_SIGNATURE_SPANS 2u

enum hf_auth_verdict {
	HF_AUTH_OK,
	HF_AUTH_CANCELLED,
	HF_AUTH_SYNTAX,     /* a certificate does not parse */
	HF_AUTH_TOO_LONG,   /* more certificates, or longer names, than are taken */
	HF_AUTH_UNKNOWN_CA, /* leads to no authority that is trusted */
	HF_AUTH_EXPIRED,
	HF_AUTH_EARLY,     /* not valid yet */
	HF_AUTH_PURPOSE,   /* not for clients, or a link of the chain is not for that */
	HF_AUTH_WEAK,      /* a key or hash below 112 bits (SP 800-131A) */
	HF_AUTH_KEY,       /* its key cannot have made such a signature */
	HF_AUTH_BAD,       /* the chain is wrong in another way: a signature of it, say */
	HF_AUTH_SIGNATURE, /* it does not hold the key: the signature is not that of this handshake */
	HF_AUTH_FAILED,    /* we could not tell: out of memory */
};

/* How the client has signed. */
enum hf_auth_kind {
	HF_AUTH_RSA_PKCS1,
	HF_AUTH_RSA_PSS,     /* by a key for anything (rsaEncryption) */
	HF_AUTH_RSA_PSS_PSS, /* by one for PSS alone (id-RSASSA-PSS) */
	HF_AUTH_ECDSA,       /* P-256, P-384, P-521 */
};

/* What is known of a client that was found good: its certificate's SHA-256, and names for people and
 * backends, in RFC 2253 form and pure ASCII; the last common name alone in UTF-8, empty if it has
 * none, one with control characters, or one too long. */
#define HF_AUTH_DN_MAX 800u
#define HF_AUTH_CN_MAX 256u
struct hf_auth_client {
	uint8_t fingerprint[32];
	uint16_t subject_len, issuer_len, cn_len;
	char subject[HF_AUTH_DN_MAX], issuer[HF_AUTH_DN_MAX], cn[HF_AUTH_CN_MAX];
};

/* Authorities, as a driver has loaded them: the begin of what it keeps of them. */
struct hf_auth_ca {
	/* certificate_authorities of RFC 5246 7.4.4 without its length; empty: too many to tell */
	struct hf_span names;
	uint32_t cert_cnt;
	uint8_t fingerprint[32]; /* of all of them together, for who asks what has changed */
};
#define HF_AUTH_NAMES_MAX 4096u /* beside a chain they fit a first flight of ten segments */
#define HF_AUTH_CA_MAX 256u

/* One question, all in one piece. */
struct hf_auth_question {
	const struct hf_auth_ca *ca;
	struct hf_span list;      /* certificate_list, the client's own first: (u24 length, DER)* */
	struct hf_span digest;    /* of the handshake's messages, by the signature's hash */
	struct hf_span signature; /* of CertificateVerify */
	uint8_t kind, hash;       /* enum hf_auth_kind, enum hf_hash */
	int64_t now_s;            /* since 1970 */
};

/* A driver in drivers/pki. check fills *out if the verdict is OK; any thread may ask, several at
 * once. */
struct hf_auth_driver {
	const char *name;
	enum hf_auth_verdict (*check)(const struct hf_auth_question *q, struct hf_auth_client *out);
};

struct hf_auth_job {
	/* caller fills */
	hf_ref owner;
	void *user; /* the caller's, untouched: for when the owner is gone */
	const struct hf_auth_ca *ca;
	struct hf_span list[HF_AUTH_LIST_SPANS]; /* in pieces */
	struct hf_span signature[HF_AUTH_SIGNATURE_SPANS];
	uint32_t list_cnt, signature_cnt;
	struct hf_span digest;
	uint8_t kind, hash;
	int64_t now_s;
	struct hf_auth_client *client; /* where to say who it is */
	/* auth fills */
	uint8_t verdict; /* enum hf_auth_verdict */
	/* private */
	uint8_t state;
	struct hf_auth_job *next, *prev;
	hf_ns submitted_at;
};

struct hf_auth_stats {
#define HF_COUNTER(name, help) uint64_t name;
#define HF_GAUGE(name, help) uint64_t name;
#define HF_HIST(name, help) struct hf_hist name;
#include "lib/crypto/auth_stats.def"
#undef HF_COUNTER
#undef HF_GAUGE
#undef HF_HIST
};

struct hf_auth;
size_t hf_auth_footprint(uint32_t job_cnt);
/* driver NULL: every client is answered FAILED. */
struct hf_auth *hf_auth_init(void *mem, uint32_t job_cnt, const struct hf_auth_driver *driver);

HF_MUST_CHECK struct hf_auth_job *hf_auth_take(
	struct hf_auth *a); /* cleared; NULL: none, counted */
void hf_auth_submit(struct hf_auth *a, struct hf_auth_job *job, hf_ns now);
void hf_auth_cancel(struct hf_auth *a, struct hf_auth_job *job);
bool hf_auth_waits(const struct hf_auth *a); /* is there one to be answered? */
/* Answers the first that waits. Returns true while more do. */
bool hf_auth_work(struct hf_auth *a, hf_ns now);
HF_MUST_CHECK struct hf_auth_job *hf_auth_done(struct hf_auth *a);
void hf_auth_give(struct hf_auth *a, struct hf_auth_job *job);

const struct hf_auth_stats *hf_auth_stats(const struct hf_auth *a);
extern const struct hf_stat_table hf_auth_stat_table;

#endif
