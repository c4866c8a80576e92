/* sym.h -- symmetric jobs: records, hashes and key derivation, computed in bursts across
 * connections. TLS takes a job, fills it, submits it; once per turn the worker flushes:
 * hf_sym_flush hands the queued jobs of a group to the driver in one burst, synchronously; each comes
 * out of hf_sym_done once.
 *
 * Record layouts (RFC 5246 6.2.3), data in place:
 *
 *   SEAL  data -> [prefix][plaintext, len bytes][room for HF_SYM_TAIL_MAX]
 *         prefix = room for the explicit IV (CBC, 16 bytes) or nonce (GCM, 8 bytes);
 *         afterwards data[0 .. out_len) is the record's fragment.
 *   OPEN  data -> the record's fragment, len bytes;
 *         afterwards the plaintext is at data + out_off, out_len bytes. BAD_RECORD: data is wiped.
 *
 * CBC is MAC-then-encrypt, the explicit IV a secret permutation of `iv`, and opened in constant
 * time (one status for padding and MAC faults); with keys->etm it is encrypt-then-MAC. GCM: explicit
 * nonce = sequence number; nonce = iv(4) || explicit(8) (RFC 5288 3). ChaCha20-Poly1305: no prefix,
 * nonce = iv(12) XOR sequence number (RFC 7905 2).
 *
 * Threads: one worker. Memory: caller's; jobs point into memory that must live until completion.
 * Secrets: raw keys stay with the connection (hf_sym_keys); drivers cache expanded schedules by
 * keys->id and wipe them on eviction; hf_sym_forget drops one. Errors: status per job. */
#ifndef HF_CRYPTO_SYM_H
#define HF_CRYPTO_SYM_H

#include "lib/base/base.h"
#include "lib/base/pool.h"
#include "lib/base/span.h"
#include "lib/base/stat.h"

enum hf_hash { HF_SHA1 = 1, HF_SHA256, HF_SHA384, HF_SHA512, HF_HASH_CNT };
#define HF_HASH_MAX 64u
#define HF_HASH_BLOCK_MAX 128u
struct hf_hash_info {
	uint8_t len, block_len;
};
extern const struct hf_hash_info hf_hash_info[HF_HASH_CNT];

enum hf_cipher {
	HF_CIPHER_NONE,
	HF_CIPHER_AES128_CBC_SHA1,
	HF_CIPHER_AES256_CBC_SHA1,
	HF_CIPHER_AES128_CBC_SHA256,
	HF_CIPHER_AES128_GCM,
	HF_CIPHER_AES256_GCM,
	HF_CIPHER_AES256_CBC_SHA256,
	HF_CIPHER_AES256_CBC_SHA384,
	HF_CIPHER_CHACHA20_POLY1305,
	HF_CIPHER_CNT
};

#define HF_SYM_PREFIX_MAX 16u
#define HF_SYM_TAIL_MAX (48u + 16u + 16u) /* MAC + padding + slack */

/* Sizes that follow from the cipher; row 0 (NONE) is the null cipher. */
struct hf_cipher_info {
	uint8_t key_len, mac_key_len, iv_len, prefix_len, tag_len, block_len;
	bool aead;
	uint8_t hash; /* enum hf_hash, of the MAC; 0 if aead */
};
extern const struct hf_cipher_info hf_cipher_info[HF_CIPHER_CNT];

/* Raw keys of one direction of one connection. */
struct hf_sym_keys {
	uint64_t id;    /* unique per key installed in this worker, never reused */
	uint8_t cipher; /* enum hf_cipher */
	bool etm;       /* CBC: encrypt-then-MAC was agreed (RFC 7366) */
	uint8_t key[32], mac[48], iv[16];
};

enum hf_sym_kind {
	HF_SYM_SEAL,
	HF_SYM_OPEN,
	HF_SYM_HASH, /* out = H(v[0] || v[1] || ...) */
	HF_SYM_PRF,  /* TLS 1.2 PRF (RFC 5246 5): P_hash(secret, label || seed), out_len bytes */
	HF_SYM_KIND_CNT
};

/* Kinds that may share lanes: what is flushed together. */
enum hf_sym_group { HF_SYM_RECORDS, HF_SYM_HASHES, HF_SYM_PRFS, HF_SYM_GROUP_CNT };
enum hf_sym_status { HF_SYM_OK, HF_SYM_BAD_RECORD, HF_SYM_CANCELLED, HF_SYM_ERROR };

struct hf_sym_job {
	struct hf_sym_job *next;
	hf_ref owner;
	uint8_t kind, hash, status;
	uint8_t tag;   /* the caller's, to know which of its jobs this is */
	uint8_t state; /* private */
	uint32_t at;   /* private: its place in the queue */
	/* SEAL, OPEN */
	const struct hf_sym_keys *keys;
	uint64_t seq;
	uint8_t type; /* ContentType */
	uint16_t version;
	uint8_t *data;
	uint32_t len, out_off;
	uint8_t iv[16]; /* SEAL CBC: unpredictable explicit IV, drawn by the caller */
	/* HASH: v[0 .. v_cnt); PRF: v[0] secret, v[1] label, v[2 .. v_cnt) seed. The array and what
	 * it points to live until completion. */
	const struct hf_span *v;
	uint32_t v_cnt;
	uint8_t *out;
	uint32_t out_len; /* HASH: set by the driver; PRF: wanted; records: result length */
};

/* A driver in drivers/sym. burst computes all jobs before it returns and sets each status. describe
 * says for the log how the driver will compute; NULL: there is nothing to say. */
struct hf_sym_driver {
	const char *name;
	bool (*probe)(void);
	size_t (*size)(uint32_t schedule_cnt);
	int (*init)(void *ctx, uint32_t schedule_cnt);
	void (*fini)(void *ctx);
	void (*burst)(void *ctx, struct hf_sym_job *const *jobs, uint32_t cnt);
	void (*forget)(void *ctx, uint64_t keys_id);
	void (*describe)(const void *ctx, char *text, size_t len);
};

/* Known-answer test of a driver, sixteen jobs of every kind at once: 0, or -1 for one that must not be
 * used. */
HF_MUST_CHECK int hf_sym_selftest(const struct hf_sym_driver *driver, void *ctx);

struct hf_sym_stats {
#define HF_COUNTER(name, help) uint64_t name;
#define HF_GAUGE(name, help) uint64_t name;
#include "lib/crypto/sym_stats.def"
#undef HF_COUNTER
#undef HF_GAUGE
};

struct hf_sym;
size_t hf_sym_footprint(uint32_t job_cnt);
struct hf_sym *hf_sym_init(
	void *mem, uint32_t job_cnt, const struct hf_sym_driver *driver, void *driver_ctx);

HF_MUST_CHECK struct hf_sym_job *hf_sym_take(struct hf_sym *s); /* cleared; NULL: none, counted */
void hf_sym_submit(struct hf_sym *s, struct hf_sym_job *job);
/* What the job points to is not touched any more; it comes out of hf_sym_done as CANCELLED. */
void hf_sym_cancel(struct hf_sym *s, struct hf_sym_job *job);
/* Computes one job of the caller's own at once, outside the queue; returns its status. */
HF_MUST_CHECK enum hf_sym_status hf_sym_direct(struct hf_sym *s, struct hf_sym_job *job);
/* Computes what is queued of one group, or of all; returns how many. */
uint32_t hf_sym_flush_group(struct hf_sym *s, enum hf_sym_group group);
uint32_t hf_sym_flush(struct hf_sym *s);
HF_MUST_CHECK struct hf_sym_job *hf_sym_done(struct hf_sym *s);
void hf_sym_give(struct hf_sym *s, struct hf_sym_job *job);
void hf_sym_forget(struct hf_sym *s, uint64_t keys_id);

const struct hf_sym_stats *hf_sym_stats(const struct hf_sym *s);
extern const struct hf_stat_table hf_sym_stat_table;

#endif
