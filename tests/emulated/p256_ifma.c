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

#include "tests/emulated/p256.h"
