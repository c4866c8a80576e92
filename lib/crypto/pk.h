/* pk.h -- public-key jobs: the one place where private keys are used, and why handfast is fast.
 * TLS fills a job and submits it; the worker calls hf_pk_work a slice at a time; every submitted
 * job comes out of hf_pk_done exactly once and is recycled there. A handshake is parked meanwhile.
 *
 * Jobs wait in a queue for each size class; a class has a context of each batch kernel for itself,
 * so that a batch of small keys and one of large keys advance side by side, slice by slice, and
 * deficit round robin says whose slice is next. Whatever has gathered when a class is free is its
 * next batch, if it is worth one: from min_fill on, or at any fill while the port is busy. It may wait for its
 * lanes to fill (pk_gather.h).
 * Operations on curves have queues of their own, one for each kind: what ends a handshake goes before what
 * begins one. Their batches last microseconds, so they go first, in one piece: from ec_min_fill waiting
 * operations of one kind and group on, fewer one by one. While there is other work, one that is not full
 * waits for more, bounded by gather_ns.
 *
 * This layer does once what every kernel needs: range checks, padding in constant time (RFC 5246
 * 7.4.7.1 for premaster secrets; PKCS#1 v1.5 and PSS encodings, RFC 8017), wiping. Engines
 * (pk_engine.h) are raw arithmetic; the job never knows which one answered.
 *
 * Secrets: a job of HF_PK_RSA_PREMASTER has one outcome for the caller whatever the ciphertext was:
 * status OK and 48 bytes, the premaster secret or the caller's fallback, chosen without a branch.
 * Wrong length and ciphertext >= n run a dummy operation and take the same path; so does an
 * engine's failure.
 *
 * Key exchange: KEYGEN makes a private key of the caller's seed and its public value; the handshake
 * keeps scalar (hf_group_info's scalar_len bytes, to be wiped) and gives it back with DERIVE. A pair
 * serves one DERIVE. Where an engine makes pairs in batches, and once hf_pk_keep_pairs has named a
 * generator, some are made beforehand and hf_pk_pair gives them without a job. The peer's value is validated here and in the engine: form, range, curve
 * equation (RFC 8422 5.11), and an all-zero X25519 secret is refused (RFC 7748 6.1).
 *
 * Cancel: a job whose connection died. Before its work began it completes at once as CANCELLED,
 * after that it runs out and completes as CANCELLED; either way through hf_pk_done.
 *
 * Threads: an hf_pk belongs to one worker; keys are immutable and shared (a site owns them).
 * Memory: caller's. Errors: no job or queue full -> NULL / -1, counted, the handshake must wait. */
#ifndef HF_CRYPTO_PK_H
#define HF_CRYPTO_PK_H

#include "lib/base/base.h"
#include "lib/base/hist.h"
#include "lib/base/pool.h"
#include "lib/base/rand.h"
#include "lib/base/span.h"
#include "lib/base/stat.h"
#include "lib/crypto/pk_engine.h"

#define HF_PREMASTER_LEN 48u
#define HF_PK_IN_MAX 1024u /* ciphertext as the wire had it, cut off here; digest to sign */
#define HF_PK_OUT_MAX 512u /* RSA-4096 signature */

/* Size classes: keys of up to 2048, 3072 and 4096 bits. */
#define HF_PK_CLASS_CNT 3u
static inline uint32_t hf_pk_class(const struct hf_pk_key *key)
{
	return key->bits <= 2048 ? 0 : key->bits <= 3072 ? 1 : 2;
}

enum hf_pk_op {
	HF_PK_RSA_PREMASTER,  /* in: EncryptedPreMasterSecret body; out: 48 bytes */
	HF_PK_RSA_SIGN_PKCS1, /* in: digest; hash says which; out: signature */
	HF_PK_RSA_SIGN_PSS,   /* the same; RFC 8017 8.1, the salt as long as the digest */
	HF_PK_ECDH_KEYGEN,    /* group, seed; scalar: the private key, out: what goes on the wire */
	HF_PK_ECDH_DERIVE,    /* group, scalar; in: the peer's public value; out: shared secret */
	HF_PK_ECDSA_SIGN,     /* in: digest; hash says which; out: signature, DER */
	HF_PK_OP_CNT
};

enum hf_pk_status {
	HF_PK_OK,
	HF_PK_CANCELLED,
	HF_PK_FAILED,  /* no engine answers this key and operation */
	HF_PK_REFUSED, /* DERIVE: what the peer sent is no public value of the group */
};

/* Lengths of a group; its TLS codepoint is for tls to know. */
struct hf_group_info {
	uint8_t scalar_len, point_len, secret_len;
};
extern const struct hf_group_info hf_group_info[HF_GROUP_CNT];

struct hf_pk_job {
	/* caller fills */
	const struct hf_pk_key *key;
	hf_ref owner;  /* connection that waits; stale refs are how late completions find nobody */
	uint8_t op;    /* enum hf_pk_op */
	uint8_t hash;  /* enum hf_hash, signatures */
	uint8_t group; /* enum hf_group, ECDH */
	uint16_t client_version; /* premaster: version of the ClientHello (RFC 5246 7.4.7.1) */
	uint32_t in_len;
	uint8_t in[HF_PK_IN_MAX];
	uint8_t fallback[HF_PREMASTER_LEN]; /* drawn before decryption, for every handshake */
	uint8_t seed[64]; /* PSS salt, blinding, private key, nonce: drawn by the caller */
	uint8_t scalar[HF_EC_SCALAR_MAX]; /* KEYGEN sets it, DERIVE wants it */
	void *user;                       /* the caller's, untouched: for when the owner is gone */
	/* pk fills */
	uint8_t status; /* enum hf_pk_status */
	uint32_t out_len;
	uint8_t out[HF_PK_OUT_MAX];
	/* private */
	uint8_t state;
	uint8_t engine; /* the engines before this one have failed on it */
	bool cancelled;
	uint32_t in_valid; /* premaster: all ones when the ciphertext was one, else 0 */
	struct hf_pk_job *next, *prev;
	hf_ns submitted_at;
};

struct hf_pk_stats {
#define HF_COUNTER(name, help) uint64_t name;
#define HF_GAUGE(name, help) uint64_t name;
#define HF_HIST(name, help) struct hf_hist name;
#include "lib/crypto/pk_stats.def"
#undef HF_COUNTER
#undef HF_GAUGE
#undef HF_HIST
};

/* What an engine did for one size class, or for one kind of operation on one group. */
struct hf_pk_engine_stats {
#define HF_COUNTER(name, help) uint64_t name;
#define HF_GAUGE(name, help) uint64_t name;
#define HF_HIST(name, help) struct hf_hist name;
#include "lib/crypto/pk_engine_stats.def"
#undef HF_COUNTER
#undef HF_GAUGE
#undef HF_HIST
};

struct hf_sym;
struct hf_pk_cfg {
	uint32_t job_cnt;   /* jobs alive at once: the bound of the queues */
	struct hf_sym *sym; /* hashes for PSS, at once; outlives pk. NULL: such jobs fail */
	/* An operation on a curve waits no longer than that for others to be computed with; 0: never */
	hf_ns gather_ns;
};

struct hf_pk;

#define HF_PK_ENGINE_MAX 8u

/* engines: best first, their contexts already initialised for this worker. The last one must be
 * HF_PK_WHOLE and answer every key and group. A sliceable engine has a context for each size class,
 * a whole one may have one and the same for all. */
struct hf_pk_engine_ref {
	const struct hf_pk_engine *engine;
	bool off; /* failed its selftest: never asked, but seen in the statistics */
	void *ctx[HF_PK_CLASS_CNT];
	/* sliceable: fewer waiting operations are better computed one by one (0 is 1) */
	uint32_t min_fill[HF_PK_CLASS_CNT];
	/* sliceable: an operation waits no longer than that for the lanes to fill; 0: never */
	hf_ns gather_ns[HF_PK_CLASS_CNT];
	/* whole: what an operation takes, in steps of a batch (0 is 1); round robin counts in them */
	uint32_t cost[HF_PK_CLASS_CNT];
	/* curves: fewer waiting operations are better given to the next engine (0 is 1) */
	uint32_t ec_min_fill[HF_EC_KIND_CNT][HF_GROUP_CNT];
};
size_t hf_pk_footprint(const struct hf_pk_cfg *cfg);
struct hf_pk *hf_pk_init(void *mem, const struct hf_pk_cfg *cfg,
	const struct hf_pk_engine_ref *engines, uint32_t engine_cnt);

/* Key pairs are made beforehand from here on. rand outlives pk. */
void hf_pk_keep_pairs(struct hf_pk *pk, struct hf_rand *rand);
struct hf_pk_pair {
	uint8_t scalar[HF_EC_SCALAR_MAX], point[HF_EC_POINT_MAX];
};
/* A pair for one key exchange, the caller's to wipe; false: there is none, KEYGEN makes one. */
HF_MUST_CHECK bool hf_pk_pair(
	struct hf_pk *pk, enum hf_group group, struct hf_pk_pair *out, hf_ns now);

HF_MUST_CHECK struct hf_pk_job *hf_pk_take(struct hf_pk *pk); /* NULL: none free, counted */
void hf_pk_submit(struct hf_pk *pk, struct hf_pk_job *job, hf_ns now);
void hf_pk_cancel(struct hf_pk *pk, struct hf_pk_job *job);
/* Runs at most one slice: a whole operation, or a step of a batch or of making a key ready. Returns true
 * while there is more to do at once. What only waits for a batch to fill is due at hf_pk_due
 * (HF_NS_NEVER: nothing). */
enum hf_pk_load {
	HF_PK_IDLE,    /* the port is: nobody would mind if this took long */
	HF_PK_CALM,    /* frames keep coming, but this turn has seen nothing new */
	HF_PK_PRESSED, /* there is other work, which may bring operations with it */
};
bool hf_pk_work(struct hf_pk *pk, enum hf_pk_load load, hf_ns now);
hf_ns hf_pk_due(const struct hf_pk *pk);
/* What the last hf_pk_work did, for who wants to know where time goes. */
enum hf_pk_slice {
	HF_PK_SLICE_NONE,
	HF_PK_SLICE_STEP,  /* of a batch */
	HF_PK_SLICE_KEY,   /* of making a key ready */
	HF_PK_SLICE_WHOLE, /* an operation by itself */
	HF_PK_SLICE_CURVES,
	HF_PK_SLICE_CNT
};
enum hf_pk_slice hf_pk_last_slice(const struct hf_pk *pk);
HF_MUST_CHECK struct hf_pk_job *hf_pk_done(struct hf_pk *pk); /* next completed job or NULL */
void hf_pk_give(struct hf_pk *pk, struct hf_pk_job *job);     /* wipes and recycles */
/* The key's site is gone: engines drop what they cached of it. No job may point to it any more. */
void hf_pk_forget(struct hf_pk *pk, uint64_t key_id);

const struct hf_pk_stats *hf_pk_stats(const struct hf_pk *pk);
extern const struct hf_stat_table hf_pk_stat_table;
const struct hf_pk_engine_stats *hf_pk_engine_stats(
	const struct hf_pk *pk, uint32_t engine, uint32_t cls);
const struct hf_pk_engine_stats *hf_pk_ec_engine_stats(
	const struct hf_pk *pk, uint32_t engine, enum hf_ec_kind kind, enum hf_group group);
/* "x25519 derive"; NULL: there is no such operation. */
extern const char *const hf_ec_name[HF_EC_KIND_CNT][HF_GROUP_CNT];
extern const struct hf_stat_table hf_pk_engine_stat_table;

/* ---- before an engine serves (pk_kat.c); keys with id 0, which is never a real key's ---- */

/* Known-answer test of an engine with a key of this class, every lane filled: 0, or -1 for an engine
 * that must not be used. */
HF_MUST_CHECK int hf_pk_selftest(const struct hf_pk_engine *engine, void *ctx, uint32_t cls);

/* The best of some tries in turn, in the unit of cycles(): a full batch of the sliceable engine and
 * the steps it had; an operation of the whole one. */
struct hf_pk_pace {
	uint64_t batch, whole;
	uint32_t steps;
};
struct hf_pk_pace hf_pk_measure(const struct hf_pk_engine_ref *sliced,
	const struct hf_pk_engine_ref *whole, uint32_t cls, uint64_t (*cycles)(void));
/* Signatures are by a key of this test. */
struct hf_pk_pace hf_pk_ec_measure(const struct hf_pk_engine_ref *lanes,
	const struct hf_pk_engine_ref *whole, enum hf_ec_kind kind, enum hf_group group,
	uint64_t (*cycles)(void));
/* The least fill at which a batch is the faster way; quantum + 1: at none. */
uint32_t hf_pk_crossover(const struct hf_pk_pace *pace, uint32_t quantum);

#endif
