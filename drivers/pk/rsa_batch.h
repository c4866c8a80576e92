/* rsa_batch.h -- RSA private operations, eight exponentiations at a time: what the engines with lanes
 * share, and what each of them brings.
 *
 * rsa_batch.c knows RSA: keys and the place they are kept, blinding, Chinese remainders for two to
 * four primes, the check of every result with e, and how all of it is cut into steps. It works on
 * ordinary numbers and calls a core for everything that is done for eight of them side by side. A
 * core knows arithmetic modulo a number, and nothing else: rsa_ifma.c, rsa_avx512f.c.
 *
 * A number in lanes is an array of vectors: vector i holds digit i of eight numbers, so no lane can
 * influence another. What a digit is, is the core's own: 64 bits that nobody else looks into.
 *
 * Constant time in all but the sizes. Threads: a context belongs to one worker. */
#ifndef HF_DRIVERS_PK_RSA_BATCH_H
#define HF_DRIVERS_PK_RSA_BATCH_H

#include "lib/base/base.h"
#include "lib/crypto/pk_engine.h"

#define HF_RSA_LANES 8u
#define HF_RSA_OPS 8u               /* operations of a batch; their primes fill one pass or more */
#define HF_RSA_DIGITS_MAX 180u      /* RSA-4096 in digits of 23 bits */
#define HF_RSA_PRIME_DIGITS_MAX 90u /* a prime of 2048 bits in such digits */
#define HF_RSA_AID_MAX (HF_RSA_DIGITS_MAX + 16u)
#define HF_RSA_WINDOW_BITS 4u
#define HF_RSA_TABLE (1u << HF_RSA_WINDOW_BITS)

struct hf_rsa_vec {
	_Alignas(64) uint64_t lane[HF_RSA_LANES];
};

/* Eight moduli of one size, odd, and what a core wants of each: R^2 mod m, R being 2^(digits *
 * digit_bits), and constants of its own. */
struct hf_rsa_lanes {
	uint32_t digits, digit_bits, aid_cnt;
	uint32_t entry_vecs; /* vectors in which a number lies in the table */
	struct hf_rsa_vec m[HF_RSA_DIGITS_MAX], r2[HF_RSA_DIGITS_MAX], aid[HF_RSA_AID_MAX];
	struct hf_rsa_vec work[2 * HF_RSA_DIGITS_MAX]; /* a core's, while it multiplies */
};

struct hf_rsa_core {
	/* Digits for moduli of so many bits: sets the counts. R is above 2^5 times the modulus. */
	void (*shape)(struct hf_rsa_lanes *l, uint32_t bits);
	/* The constants of one modulus, given in plain digits. */
	void (*aid)(const struct hf_rsa_lanes *l, uint64_t *aid, const uint64_t *m);
	/* Plain digits into the core's, in place; and back, into signed integers. */
	void (*encode)(const struct hf_rsa_lanes *l, uint64_t *digits, uint32_t cnt);
	void (*decode)(uint64_t *digits, uint32_t cnt);
	/* out = a b / R, within |a b| / R + 1.01 m of zero; |a| and |b| up to 2^3 m, or one of them
	 * up to R. out may be a or b. */
	void (*multiply)(struct hf_rsa_lanes *l, struct hf_rsa_vec *out, const struct hf_rsa_vec *a,
		const struct hf_rsa_vec *b);
	void (*square)(struct hf_rsa_lanes *l, struct hf_rsa_vec *x);
	/* x += y, no reduction. */
	void (*add)(const struct hf_rsa_lanes *l, struct hf_rsa_vec *x, const struct hf_rsa_vec *y);
	/* A number into the form it has in the table, and back; NULL if that is no other. */
	void (*pack)(
		const struct hf_rsa_lanes *l, struct hf_rsa_vec *out, const struct hf_rsa_vec *x);
	void (*unpack)(
		const struct hf_rsa_lanes *l, struct hf_rsa_vec *x, const struct hf_rsa_vec *in);
	uint32_t step_products; /* of digits: what a step of 10 to 20 us computes */
};

extern const struct hf_rsa_core hf_rsa_core_ifma, hf_rsa_core_avx512f;

/* out = entry window[lane] of the table in each lane; vector i of entry e is table[i * HF_RSA_TABLE + e]. */
void hf_rsa_select(struct hf_rsa_vec *out, const struct hf_rsa_vec *table,
	const struct hf_rsa_vec *window, uint32_t vec_cnt);

size_t hf_rsa_batch_size(void);
void hf_rsa_batch_init(void *ctx, const struct hf_rsa_core *core);

/* For struct hf_pk_engine. */
void hf_rsa_batch_fini(void *ctx);
bool hf_rsa_batch_takes(void *ctx, const struct hf_pk_key *key);
void hf_rsa_batch_forget(void *ctx, uint64_t key_id);
bool hf_rsa_batch_prepare(void *ctx, const struct hf_pk_key *key, const uint8_t *seed);
uint32_t hf_rsa_batch_begin(void *ctx, struct hf_rsa_op *ops, uint32_t cnt);
bool hf_rsa_batch_step(void *ctx);
void hf_rsa_batch_end(void *ctx);

#endif
