/* immintrin.h -- the AVX-512 intrinsics that the kernels use, by their definition in Intel's SDM, lane by
 * lane, in code for any x86-64 with FMA. In front of the compiler's own header by the include path, it
 * makes the kernels' very sources run under valgrind, which knows no AVX-512, and on processors
 * without it. Nothing here branches on a lane or indexes by it. */
#ifndef TESTS_EMULATED_IMMINTRIN_H
#define TESTS_EMULATED_IMMINTRIN_H

#include <stdint.h>

#define EMULATED static inline __attribute__((always_inline))
/* What kernels do hundreds of in a row: as calls, or the compiler takes minutes. */
#define EMULATED_CALL static __attribute__((noinline, unused))

typedef uint64_t __m512i __attribute__((vector_size(64), may_alias));
typedef double __m512d __attribute__((vector_size(64), may_alias));
typedef uint32_t __m256i __attribute__((vector_size(32), may_alias));
typedef float __m256 __attribute__((vector_size(32), may_alias));
typedef uint64_t __m128i __attribute__((vector_size(16), may_alias));
typedef uint8_t __mmask8;
typedef int64_t emulated_signed __attribute__((vector_size(64)));

#define EACH_LANE for (int i = 0; i < 8; i++)

/* All ones in the lanes whose bit is set, and back. */
EMULATED __m512i emulated_lanes(__mmask8 k)
{
	const __m512i bit = {1, 2, 4, 8, 16, 32, 64, 128};

	return (__m512i)((((__m512i){0} + k) & bit) == bit);
}

EMULATED __mmask8 emulated_mask(__m512i lanes)
{
	uint32_t k = 0;

	EACH_LANE
	k |= (uint32_t)(lanes[i] & 1) << i;
	return (__mmask8)k;
}

EMULATED __m512i emulated_choose(__mmask8 k, __m512i yes, __m512i no)
{
	__m512i lanes = emulated_lanes(k);

	return (lanes & yes) | (~lanes & no);
}

/* ---- integers ---- */

EMULATED __m512i _mm512_load_si512(const void *p)
{
	return *(const __m512i *)p;
}

EMULATED void _mm512_store_si512(void *p, __m512i a)
{
	*(__m512i *)p = a;
}

EMULATED __m512i _mm512_loadu_si512(const void *p)
{
	__m512i a;

	__builtin_memcpy(&a, p, sizeof(a));
	return a;
}

EMULATED void _mm512_storeu_si512(void *p, __m512i a)
{
	__builtin_memcpy(p, &a, sizeof(a));
}

EMULATED __m512i _mm512_setzero_si512(void)
{
	return (__m512i){0};
}

EMULATED __m512i _mm512_set1_epi64(long long x)
{
	return (__m512i){0} + (uint64_t)x;
}

EMULATED __m512i _mm512_add_epi64(__m512i a, __m512i b)
{
	return a + b;
}

EMULATED __m512i _mm512_sub_epi64(__m512i a, __m512i b)
{
	return a - b;
}

EMULATED __m512i _mm512_mask_sub_epi64(__m512i other, __mmask8 k, __m512i a, __m512i b)
{
	return emulated_choose(k, a - b, other);
}

/* Of the low halves, signed. */
EMULATED __m512i _mm512_mul_epi32(__m512i a, __m512i b)
{
	__m512i r;

	EACH_LANE
	r[i] = (uint64_t)((int64_t)(int32_t)a[i] * (int32_t)b[i]);
	return r;
}

EMULATED __m512i _mm512_and_si512(__m512i a, __m512i b)
{
	return a & b;
}

EMULATED __m512i _mm512_or_si512(__m512i a, __m512i b)
{
	return a | b;
}

EMULATED __m512i _mm512_xor_si512(__m512i a, __m512i b)
{
	return a ^ b;
}

EMULATED __m512i _mm512_andnot_si512(__m512i a, __m512i b)
{
	return ~a & b;
}

EMULATED __m512i _mm512_mask_xor_epi64(__m512i other, __mmask8 k, __m512i a, __m512i b)
{
	return emulated_choose(k, a ^ b, other);
}

EMULATED __m512i _mm512_mask_mov_epi64(__m512i other, __mmask8 k, __m512i a)
{
	return emulated_choose(k, a, other);
}

EMULATED __m512i _mm512_maskz_set1_epi64(__mmask8 k, long long x)
{
	return emulated_lanes(k) & ((__m512i){0} + (uint64_t)x);
}

/* Shifts: by 64 or more there is nothing left but signs. How far is no lane. */
EMULATED __m512i _mm512_srli_epi64(__m512i a, unsigned n)
{
	return n < 64 ? a >> (uint64_t)n : (__m512i){0};
}

EMULATED __m512i _mm512_slli_epi64(__m512i a, unsigned n)
{
	return n < 64 ? a << (uint64_t)n : (__m512i){0};
}

EMULATED __m512i _mm512_srai_epi64(__m512i a, unsigned n)
{
	return (__m512i)((emulated_signed)a >> (int64_t)(n < 64 ? n : 63));
}

EMULATED __m128i _mm_cvtsi32_si128(int x)
{
	return (__m128i){(uint32_t)x};
}

EMULATED unsigned emulated_count(__m128i n)
{
	return n[0] < 64 ? (unsigned)n[0] : 64;
}

EMULATED __m512i _mm512_srl_epi64(__m512i a, __m128i n)
{
	return _mm512_srli_epi64(a, emulated_count(n));
}

EMULATED __m512i _mm512_sll_epi64(__m512i a, __m128i n)
{
	return _mm512_slli_epi64(a, emulated_count(n));
}

EMULATED __m512i _mm512_sra_epi64(__m512i a, __m128i n)
{
	return _mm512_srai_epi64(a, emulated_count(n));
}

EMULATED __m512i _mm512_ror_epi64(__m512i a, int n)
{
	return a >> (uint64_t)(n & 63) | a << (uint64_t)(-n & 63);
}

EMULATED __mmask8 _mm512_cmpeq_epi64_mask(__m512i a, __m512i b)
{
	return emulated_mask((__m512i)(a == b));
}

EMULATED __mmask8 _mm512_mask_cmpeq_epi64_mask(__mmask8 k, __m512i a, __m512i b)
{
	return k & emulated_mask((__m512i)(a == b));
}

EMULATED __mmask8 _mm512_cmplt_epu64_mask(__m512i a, __m512i b)
{
	return emulated_mask((__m512i)(a < b));
}

EMULATED __mmask8 _mm512_cmplt_epi64_mask(__m512i a, __m512i b)
{
	return emulated_mask((__m512i)((emulated_signed)a < (emulated_signed)b));
}

EMULATED __mmask8 _mm512_test_epi64_mask(__m512i a, __m512i b)
{
	return emulated_mask((__m512i)((a & b) != 0));
}

EMULATED __mmask8 _mm512_testn_epi64_mask(__m512i a, __m512i b)
{
	return emulated_mask((__m512i)((a & b) == 0));
}

/* One of 16 for each lane, the first eight from a: all are read, and the one is kept that is meant. */
EMULATED_CALL __m512i _mm512_permutex2var_epi64(__m512i a, __m512i at, __m512i b)
{
	__m512i r = {0};

	at &= 15;
	EACH_LANE
	{
		r |= (__m512i)(at == (uint64_t)i) & ((__m512i){0} + a[i]);
		r |= (__m512i)(at == (uint64_t)i + 8) & ((__m512i){0} + b[i]);
	}
	return r;
}

/* The result's bit is table bit (a, b, c). */
EMULATED __m512i _mm512_ternarylogic_epi64(__m512i a, __m512i b, __m512i c, int table)
{
	__m512i r = {0};

	for (int row = 0; row < 8; row++)
		if (table >> row & 1)
			r |= (row & 4 ? a : ~a) & (row & 2 ? b : ~b) & (row & 1 ? c : ~c);
	return r;
}

/* ---- IFMA ---- */

#define EMULATED_52 ((1ull << 52) - 1)

EMULATED_CALL __m512i _mm512_madd52lo_epu64(__m512i sum, __m512i a, __m512i b)
{
	EACH_LANE
	sum[i] += (a[i] & EMULATED_52) * (b[i] & EMULATED_52) & EMULATED_52;
	return sum;
}

EMULATED_CALL __m512i _mm512_madd52hi_epu64(__m512i sum, __m512i a, __m512i b)
{
	EACH_LANE
	{
		unsigned __int128 p =
			(unsigned __int128)(a[i] & EMULATED_52) * (b[i] & EMULATED_52);

		sum[i] += (uint64_t)(p >> 52);
	}
	return sum;
}

/* ---- double precision ---- */

EMULATED __m512d _mm512_load_pd(const void *p)
{
	return *(const __m512d *)p;
}

EMULATED void _mm512_store_pd(void *p, __m512d a)
{
	*(__m512d *)p = a;
}

EMULATED __m512d _mm512_setzero_pd(void)
{
	return (__m512d){0};
}

EMULATED __m512d _mm512_set1_pd(double x)
{
	return (__m512d){x, x, x, x, x, x, x, x};
}

EMULATED __m512d _mm512_add_pd(__m512d a, __m512d b)
{
	return a + b;
}

EMULATED __m512d _mm512_sub_pd(__m512d a, __m512d b)
{
	return a - b;
}

EMULATED __m512d _mm512_mul_pd(__m512d a, __m512d b)
{
	return a * b;
}

EMULATED_CALL __m512d _mm512_fmadd_pd(__m512d a, __m512d b, __m512d c)
{
	EACH_LANE
	c[i] = __builtin_fma(a[i], b[i], c[i]);
	return c;
}

EMULATED_CALL __m512d _mm512_fmsub_pd(__m512d a, __m512d b, __m512d c)
{
	EACH_LANE
	c[i] = __builtin_fma(a[i], b[i], -c[i]);
	return c;
}

EMULATED __m512i _mm512_castpd_si512(__m512d a)
{
	return (__m512i)a;
}

EMULATED __m512d _mm512_castsi512_pd(__m512i a)
{
	return (__m512d)a;
}

EMULATED __m512d _mm512_mask_mov_pd(__m512d other, __mmask8 k, __m512d a)
{
	return (__m512d)emulated_choose(k, (__m512i)a, (__m512i)other);
}

EMULATED __m512d _mm512_mask_blend_pd(__mmask8 k, __m512d other, __m512d a)
{
	return (__m512d)emulated_choose(k, (__m512i)a, (__m512i)other);
}

EMULATED __m512d _mm512_mask_sub_pd(__m512d other, __mmask8 k, __m512d a, __m512d b)
{
	return (__m512d)emulated_choose(k, (__m512i)(a - b), (__m512i)other);
}

/* ---- between widths ---- */

EMULATED __m256 _mm512_cvtpd_ps(__m512d a)
{
	__m256 r;

	EACH_LANE
	r[i] = (float)a[i];
	return r;
}

EMULATED __m512d _mm512_cvtps_pd(__m256 a)
{
	__m512d r;

	EACH_LANE
	r[i] = (double)a[i];
	return r;
}

EMULATED __m512i _mm512_cvtepu32_epi64(__m256i a)
{
	__m512i r;

	EACH_LANE
	r[i] = a[i];
	return r;
}

EMULATED __m256i _mm512_cvtepi64_epi32(__m512i a)
{
	__m256i r;

	EACH_LANE
	r[i] = (uint32_t)a[i];
	return r;
}

EMULATED __m256i _mm256_castps_si256(__m256 a)
{
	return (__m256i)a;
}

EMULATED __m256 _mm256_castsi256_ps(__m256i a)
{
	return (__m256)a;
}

/* ---- the control word of floating point, which is no AVX-512 ---- */

EMULATED unsigned _mm_getcsr(void)
{
	return __builtin_ia32_stmxcsr();
}

EMULATED void _mm_setcsr(unsigned csr)
{
	__builtin_ia32_ldmxcsr(csr);
}

#endif
