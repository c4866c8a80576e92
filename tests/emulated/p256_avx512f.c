/* p256_avx512f.c -- the kernel for P-256 in double precision, in emulated vectors: see p256.h. */
#include <immintrin.h>
#include "tests/emulated/curve.h"

static __m512d leaking_fmadd(__m512d a, __m512d b, __m512d c)
{
	leak(((__m512i)a)[0]);
	return _mm512_fmadd_pd(a, b, c);
}

#define _mm512_fmadd_pd leaking_fmadd
#define hf_pk_p256_avx512f kernel
#include "drivers/pk/p256_avx512f.c"

/* A digit of a product is balanced, but for what was carried into it at last. A factor may be such a
 * sum as p256_point.h makes; modulo n, of a product and a number that enters. */
#define HALF (1ll << (LIMB_BITS - 1))
#define DIGIT (HALF + 32)
#define FACTORS_BELOW 0
#define NUMBERS_BELOW 0
static const int64_t least[LIMBS] = {-DIGIT, -DIGIT, -DIGIT, -DIGIT, -DIGIT, -(1 << 17)};
static const int64_t most[LIMBS] = {DIGIT, DIGIT, DIGIT, DIGIT, DIGIT, 1 << 17};
static const int64_t settled_least[LIMBS] = {-DIGIT, -DIGIT, -DIGIT, -DIGIT, -DIGIT, -(1 << 20)};
static const int64_t settled_most[LIMBS] = {DIGIT, DIGIT, DIGIT, DIGIT, DIGIT, 1 << 20};
static const int multiples[][2] = {{1, 1}, {2, 2}, {3, 1}, {4, 1}},
		 multiples_n[][2] = {{1, 1}, {2, 1}};

#include "tests/emulated/p256.h"
