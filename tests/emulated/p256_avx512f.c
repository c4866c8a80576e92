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

#include "tests/emulated/p256.h"
