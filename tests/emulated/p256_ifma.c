/* p256_ifma.c -- the kernel for P-256 in limbs of 52 bits, in emulated vectors: see p256.h. */
#include <immintrin.h>
#include "tests/emulated/curve.h"

static __m512i leaking_multiply(__m512i sum, __m512i a, __m512i b)
{
	leak(a[0]);
	return _mm512_madd52lo_epu64(sum, a, b);
}

#define _mm512_madd52lo_epu64 leaking_multiply
#define hf_pk_p256_ifma kernel
#include "drivers/pk/p256_ifma.c"

/* A factor is below 16 p, and no digit above its bits; sums are carried before they are factors. */
#define DIGIT ((1ll << LIMB_BITS) - 1)
#define FACTORS_BELOW 128
#define NUMBERS_BELOW 9
static const int64_t least[LIMBS], most[LIMBS] = {DIGIT, DIGIT, DIGIT, DIGIT, 0xfffffffefffff};
static const int64_t settled_least[LIMBS],
	settled_most[LIMBS] = {DIGIT, DIGIT, DIGIT, DIGIT, 1ll << 53};
static const int multiples[][2] = {{1, 1}}, multiples_n[][2] = {{1, 1}};

#include "tests/emulated/p256.h"
