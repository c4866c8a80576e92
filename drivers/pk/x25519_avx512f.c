/* x25519_avx512f.c -- arithmetic modulo 2^255 - 19 in eight lanes for x25519_lanes.h, in double
 * precision, for processors with AVX-512F but without IFMA.
 *
 * A number has six limbs of 42.5 bits, that is of 43 and 42 in turn, and each carries its own weight:
 * limb i is a double that is a multiple of 2^at(i), at = 0, 43, 85, 128, 170, 213, and balanced, so
 * that it lies within 2^(at(i + 1) - 1) of zero, or a hair more. The weights need no arithmetic then,
 * and 2^255 = 19 becomes one constant, 19 2^-255.
 *
 * A column of a product has two doubles. The first, high, starts from 1.5 2^(52 + at(s + 1)), where
 * one unit of the last place is the weight of the next limb, and takes the products one by one, each
 * rounded to that; the second, low, takes what the rounding left, which another fused multiply-add
 * finds exactly. So the high parts are carries as they stand.
 *
 * Secrets in floating point: every value is zero or, in magnitude, between 2^-255 and 2^311, so no
 * operation meets or makes a subnormal, an infinity or a NaN, which are what its time depends on;
 * MXCSR is set for each call (round to nearest) and restored. A factor may be the sum of two settled
 * products; then a column's high part stays within 2^51 units of where it started, and its low part
 * within 2^53: nothing is rounded that is not meant to be.
 * tests/emulated/x25519_bounds.c proves it, with intervals in place of numbers.
 * Specs: IEEE 754-2019; Intel SDM volume 1, 11.6.4 (MXCSR). */
#include <immintrin.h>
#include "drivers/pk/mxcsr_avx512f.h"
#include "lib/base/base.h"

typedef __m512d vec;

#define INLINE static inline __attribute__((always_inline))
#define LIMBS 6
#define FOLD (19 * 0x1p-255)
#define A24 121665.0 /* RFC 7748 5 */

#define FMA(a, b, acc) _mm512_fmadd_pd(a, b, acc)
#define ADD(a, b) _mm512_add_pd(a, b)
#define SUB(a, b) _mm512_sub_pd(a, b)
#define EACH(x) _mm512_set1_pd(x)

struct fe {
	vec limb[LIMBS];
};

struct product {
	struct fe v;
};

static const uint8_t limb_at[LIMBS] = {0, 43, 85, 128, 170, 213};
static const uint8_t limb_len[LIMBS] = {43, 42, 43, 42, 43, 42};

/* Adding it leaves multiples of the next limb's weight. */
static const double rounder[LIMBS] = {
	0x1.8p95, 0x1.8p137, 0x1.8p180, 0x1.8p222, 0x1.8p265, 0x1.8p307};

/* ---- products ---- */

struct columns {
	vec high[LIMBS], low[LIMBS];
};

/* Columns to balanced limbs: what is above a limb's weight goes to the next one. */
INLINE void carry(struct fe *out, const vec *v)
{
	vec above[LIMBS];

#pragma GCC unroll 6
	for (int i = 0; i < LIMBS; i++)
		above[i] = SUB(ADD(v[i], EACH(rounder[i])), EACH(rounder[i]));
	out->limb[0] = FMA(above[LIMBS - 1], EACH(FOLD), SUB(v[0], above[0]));
#pragma GCC unroll 6
	for (int i = 1; i < LIMBS; i++)
		out->limb[i] = ADD(SUB(v[i], above[i]), above[i - 1]);
}

INLINE void column_first(struct columns *c, int s, vec a, vec b)
{
	c->high[s] = FMA(a, b, EACH(rounder[s]));
	c->low[s] = FMA(a, b, SUB(EACH(rounder[s]), c->high[s]));
}

INLINE void column_add(struct columns *c, int s, vec a, vec b)
{
	vec high = FMA(a, b, c->high[s]);

	c->low[s] = ADD(c->low[s], FMA(a, b, SUB(c->high[s], high)));
	c->high[s] = high;
}

INLINE void columns_close(struct product *out, const struct columns *c)
{
	vec v[LIMBS], top = SUB(c->high[LIMBS - 1], EACH(rounder[LIMBS - 1]));

	v[0] = FMA(top, EACH(FOLD), c->low[0]);
#pragma GCC unroll 6
	for (int i = 1; i < LIMBS; i++)
		v[i] = ADD(c->low[i], SUB(c->high[i - 1], EACH(rounder[i - 1])));
	carry(&out->v, v);
}

static HF_NOINLINE void multiply(struct product *out, const struct fe *a, const struct fe *b)
{
	struct columns c;
	vec y[LIMBS];

#pragma GCC unroll 6
	for (int j = 0; j < LIMBS; j++)
		y[j] = b->limb[j];
#pragma GCC unroll 6
	for (int j = 0; j < LIMBS; j++)
		column_first(&c, j, a->limb[0], y[j]);
#pragma GCC unroll 6
	for (int i = 1; i < LIMBS; i++) {
		y[LIMBS - i] = _mm512_mul_pd(y[LIMBS - i], EACH(FOLD));
#pragma GCC unroll 6
		for (int j = 0; j < LIMBS; j++)
			column_add(&c, (i + j) % LIMBS, a->limb[i], y[j]);
	}
	columns_close(out, &c);
}

static HF_NOINLINE void square(struct product *out, const struct fe *a)
{
	struct columns c;
	vec x[LIMBS], twice[LIMBS], folded[LIMBS];

#pragma GCC unroll 6
	for (int i = 0; i < LIMBS; i++) {
		x[i] = a->limb[i];
		twice[i] = ADD(x[i], x[i]);
		folded[i] = _mm512_mul_pd(x[i], EACH(FOLD));
	}
	column_first(&c, 0, x[0], x[0]);
#pragma GCC unroll 6
	for (int j = 1; j < LIMBS; j++)
		column_first(&c, j, twice[0], x[j]);
#pragma GCC unroll 6
	for (int i = 1; i < LIMBS; i++) {
		column_add(&c, 2 * i % LIMBS, x[i], 2 * i < LIMBS ? x[i] : folded[i]);
#pragma GCC unroll 6
		for (int j = i + 1; j < LIMBS; j++)
			column_add(&c, (i + j) % LIMBS, twice[i], i + j < LIMBS ? x[j] : folded[j]);
	}
	columns_close(out, &c);
}

/* ---- the rest of a core ---- */

INLINE void sum(struct fe *out, const struct product *a, const struct product *b)
{
#pragma GCC unroll 6
	for (int i = 0; i < LIMBS; i++)
		out->limb[i] = ADD(a->v.limb[i], b->v.limb[i]);
}

INLINE void difference(struct fe *out, const struct product *a, const struct product *b)
{
#pragma GCC unroll 6
	for (int i = 0; i < LIMBS; i++)
		out->limb[i] = SUB(a->v.limb[i], b->v.limb[i]);
}

/* It is when it is computed. */
INLINE const struct fe *settled(struct product *p)
{
	return &p->v;
}

INLINE void add_a24(struct fe *out, const struct product *a, const struct fe *b)
{
	vec above[LIMBS], low[LIMBS];

#pragma GCC unroll 6
	for (int i = 0; i < LIMBS; i++) {
		vec high = FMA(b->limb[i], EACH(A24), EACH(rounder[i]));

		above[i] = SUB(high, EACH(rounder[i]));
		low[i] = ADD(a->v.limb[i], _mm512_fmsub_pd(b->limb[i], EACH(A24), above[i]));
	}
	out->limb[0] = FMA(above[LIMBS - 1], EACH(FOLD), low[0]);
#pragma GCC unroll 6
	for (int i = 1; i < LIMBS; i++)
		out->limb[i] = ADD(low[i], above[i - 1]);
}

INLINE void choose(struct fe *out, __mmask8 second, const struct fe *first, const struct fe *other)
{
#pragma GCC unroll 6
	for (int i = 0; i < LIMBS; i++)
		out->limb[i] = _mm512_mask_blend_pd(second, first->limb[i], other->limb[i]);
}

INLINE void negate(struct fe *out, __mmask8 which, const struct fe *a)
{
#pragma GCC unroll 6
	for (int i = 0; i < LIMBS; i++)
		out->limb[i] =
			_mm512_mask_sub_pd(a->limb[i], which, _mm512_setzero_pd(), a->limb[i]);
}

INLINE __m512i limb_bits(vec v)
{
	return _mm512_castpd_si512(v);
}

INLINE vec bits_limb(__m512i v)
{
	return _mm512_castsi512_pd(v);
}

/* ---- words ---- */

#define WORD_BITS 64

/* An integer below 2^52 is the fraction of a double from 2^52 on. */
static void from_words(struct fe *out, const __m512i *w)
{
	vec v[LIMBS];

	for (int i = 0; i < LIMBS; i++) {
		int word = limb_at[i] / WORD_BITS, shift = limb_at[i] % WORD_BITS;
		__m512i bits = _mm512_srl_epi64(w[word], _mm_cvtsi32_si128(shift));

		if (shift + limb_len[i] > WORD_BITS)
			bits = _mm512_or_si512(bits, _mm512_sll_epi64(w[word + 1],
							     _mm_cvtsi32_si128(WORD_BITS - shift)));
		bits = _mm512_and_si512(bits, _mm512_set1_epi64((1ll << limb_len[i]) - 1));
		bits = _mm512_or_si512(bits, _mm512_castpd_si512(EACH(0x1p52)));
		v[i] = _mm512_mul_pd(SUB(_mm512_castsi512_pd(bits), EACH(0x1p52)),
			EACH(__builtin_ldexp(1, limb_at[i])));
	}
	carry(out, v);
}

/* Carries upwards through signed integer limbs; returns what comes out on top. */
static __m512i carry_up(__m512i d[LIMBS], __m512i c)
{
	for (int i = 0; i < LIMBS; i++) {
		d[i] = _mm512_add_epi64(d[i], c);
		c = _mm512_sra_epi64(d[i], _mm_cvtsi32_si128(limb_len[i]));
		d[i] = _mm512_and_si512(d[i], _mm512_set1_epi64((1ll << limb_len[i]) - 1));
	}
	return c;
}

/* The residue, in integers. What is carried out on top comes back as 19 times as much; the first time
 * it is -1, 0 or 1, and after the second the number is within 0 .. 2^255 - 1. It is p or more if
 * adding 19 to it carries. */
static void to_words(__m512i *w, struct product *p)
{
	const __m512i nineteen = _mm512_set1_epi64(19), zero = _mm512_setzero_si512();
	const vec magic = EACH(0x1.8p52);
	__m512i d[LIMBS], t[LIMBS], c = zero;

	for (int i = 0; i < LIMBS; i++) {
		vec v = _mm512_mul_pd(p->v.limb[i], EACH(__builtin_ldexp(1, -(int)limb_at[i])));

		d[i] = _mm512_sub_epi64(
			_mm512_castpd_si512(ADD(v, magic)), _mm512_castpd_si512(magic));
	}
	for (int pass = 0; pass < 3; pass++)
		c = _mm512_mul_epi32(carry_up(d, c), nineteen);
	memcpy(t, d, sizeof(t));
	c = carry_up(t, nineteen);
	(void)carry_up(d, _mm512_mul_epi32(c, nineteen));
	w[0] = _mm512_or_si512(d[0], _mm512_slli_epi64(d[1], 43));
	w[1] = _mm512_or_si512(_mm512_srli_epi64(d[1], 21), _mm512_slli_epi64(d[2], 21));
	w[2] = _mm512_or_si512(d[3], _mm512_slli_epi64(d[4], 42));
	w[3] = _mm512_or_si512(_mm512_srli_epi64(d[4], 22), _mm512_slli_epi64(d[5], 21));
}

#include "drivers/pk/x25519_lanes.h"

static bool probe(void)
{
	return hf_os_cpu_has(HF_TIER_AVX512F);
}

static int init(void *ctx)
{
	uint32_t mxcsr = hf_mxcsr_plain();
	int err = lanes_init(ctx);

	_mm_setcsr(mxcsr);
	return err;
}

static void ec(void *ctx, struct hf_ec_op *ops, uint32_t cnt)
{
	uint32_t mxcsr = hf_mxcsr_plain();

	lanes_ec(ctx, ops, cnt);
	_mm_setcsr(mxcsr);
}

const struct hf_pk_engine hf_pk_x25519_avx512f = {
	.name = "x25519_avx512f",
	.cost = HF_PK_WHOLE,
	.floating_point = true,
	.probe = probe,
	.size = size,
	.init = init,
	.fini = fini,
	.ec_quantum = LANES,
	.takes_ec = takes_ec,
	.ec = ec,
};
