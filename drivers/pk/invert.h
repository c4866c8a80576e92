/* invert.h -- inverses modulo the primes of our curves, eight at a time, for kernels in lanes.
 * Constant time: the same instructions whatever the numbers are; no lane knows of another.
 * Threads: no state. Memory: works on the stack and wipes it.
 * Specs: Bernstein, Yang 2019 (safegcd); Wuille 2021 for the bound of 590 steps. */
#ifndef HF_DRIVERS_PK_INVERT_H
#define HF_DRIVERS_PK_INVERT_H

#include "drivers/pk/lanes.h"

#define HF_INVERT_LIMBS 9u

/* A prime below 2^256 in digits of 30 bits, and its inverse modulo 2^30. */
struct hf_invert_modulus {
	int32_t digit[HF_INVERT_LIMBS], inverse;
};
extern const struct hf_invert_modulus hf_invert_p256; /* the field of P-256, SEC 2 2.4.2 */
extern const struct hf_invert_modulus hf_invert_p256_order;
extern const struct hf_invert_modulus hf_invert_25519; /* 2^255 - 19 */

/* x becomes 1/x, below m; x is below m. 0 stays 0. */
void hf_invert_avx512f(struct hf_lanes *x, const struct hf_invert_modulus *m);
/* Two at once, x[i] modulo *m[i], in little more time than one. */
void hf_invert_two_avx512f(struct hf_lanes *const x[2], const struct hf_invert_modulus *const m[2]);

#endif
