/* p256.h -- P-256 and ECDSA in eight lanes: what the engines share, and what each of them brings.
 *
 * p256.c knows operations: bytes, keys, nonces, the encoding of a signature, and what is said of a
 * lane whose answer must not go out. A core knows points in eight lanes, and nothing else:
 * p256_ifma.c, p256_avx512f.c, over the formulas and tables of p256_point.h, p256_lanes_avx512f.h.
 *
 * Lanes are named by bits: bit i is lane i. Constant time in all but what is public: a peer's point,
 * a signature. Threads: a context belongs to one worker. */
#ifndef HF_DRIVERS_PK_P256_H
#define HF_DRIVERS_PK_P256_H

#include "drivers/pk/lanes.h"
#include "lib/crypto/pk_engine.h"

/* Multiples of the base point: d 2^(7i) for odd d below 128, in the digits of the core. */
#define HF_P256_WINDOWS 37u
#define HF_P256_WINDOW_BITS 7u
#define HF_P256_ENTRIES 64u /* of a window */
#define HF_P256_LIMBS_MAX 6u

struct hf_p256_table {
	/* [window][limb of x, then of y][entry] */
	_Alignas(64) uint64_t limb[HF_P256_WINDOWS][2 * HF_P256_LIMBS_MAX][HF_P256_ENTRIES];
};

/* Lanes. An answer that is there must be right, or the arithmetic is wrong. */
struct hf_p256_verdict {
	uint32_t valid; /* what was given is a point of the curve */
	uint32_t there; /* the result is no point at infinity, and no number of a signature is 0 */
	uint32_t right; /* it is on the curve; s k = z + r d */
};

struct hf_p256_core {
	void (*table)(struct hf_p256_table *t); /* makes it */
	/* x, y = k times the base point, k in 1 .. n - 1. Nothing is
	 * there for one k and n - k, where the comb doubles unawares. */
	struct hf_p256_verdict (*base)(const struct hf_p256_table *t, struct hf_lanes *x,
		struct hf_lanes *y, const struct hf_lanes *k);
	/* x, y = k times x, y. */
	struct hf_p256_verdict (*multiply)(
		struct hf_lanes *x, struct hf_lanes *y, const struct hf_lanes *k);
	/* The signature r, s of z by the key d with the nonce hash mod n, hash being 512 bits, its
	 * low half first. */
	struct hf_p256_verdict (*sign)(const struct hf_p256_table *t, struct hf_lanes *r,
		struct hf_lanes *s, const struct hf_lanes hash[2], const struct hf_lanes *z,
		const struct hf_lanes *d);
};

size_t hf_p256_size(void);
int hf_p256_init(void *ctx, const struct hf_p256_core *core);

/* For struct hf_pk_engine. */
void hf_p256_fini(void *ctx);
bool hf_p256_takes(void *ctx, enum hf_ec_kind kind, enum hf_group group);
void hf_p256_ec(void *ctx, struct hf_ec_op *ops, uint32_t cnt);

#endif
