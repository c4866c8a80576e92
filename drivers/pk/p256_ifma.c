/* p256_ifma.c -- the field of P-256 in eight lanes, on AVX-512 IFMA: five limbs of 52 bits, none
 * negative, Montgomery form with R = 2^260.
 *
 * A product of two limbs is two instructions, its low half for column i + j, its high half for
 * i + j + 1. p is -1 modulo 2^96, so the quotient digit of Montgomery's reduction is the column
 * itself, its multiple of p clears the column but for the carry, and 2^96 + 2^192 + 2^208 (2^48 -
 * 2^16) of it are six more instructions. R is 16 p: what is below 16 p in limbs of 52 bits is a
 * factor, a b / R + p comes out, and sums are carried at once, since no limb may exceed its bits.
 * Specs: Montgomery 1985; Intel SDM, VPMADD52. */
#include <immintrin.h>
#include "drivers/drivers.h"
#include "lib/base/secret.h"
#include "lib/os/os.h"

#define INLINE static inline __attribute__((always_inline))
#define LIMBS 5
#define LIMB_BITS 52
#define BELOW_ZERO 0
#define LOW(acc, a, b) _mm512_madd52lo_epu64(acc, a, b)
#define HIGH(acc, a, b) _mm512_madd52hi_epu64(acc, a, b)
#define ADD(a, b) _mm512_add_epi64(a, b)
#define SUB(a, b) _mm512_sub_epi64(a, b)
#define ALL(x) _mm512_set1_epi64((long long)(x))

typedef __m512i vec;
typedef __mmask8 lanes;
typedef struct {
	vec v[LIMBS];
} fe;
struct words {
	__m512i v[4];
};

/* R mod p, R^2, R^3, and the curve's b times R; R mod n, R^2, and 2^256 R. */
static const uint64_t field_one[4] = {
	0x0000000000000010, 0xfffffff000000000, 0xffffffffffffffff, 0x0000000fffffffef};
static const uint64_t field_r2[4] = {
	0x0000000000000300, 0xfffffbffffffff00, 0xfffffffffffffeff, 0x000004fffffffdff};
static const uint64_t field_r3[4] = {
	0xffffd0000000a000, 0xfffedfffffff7fff, 0x00005fffffffcfff, 0x0001800000001000};
static const uint64_t field_b[4] = {
	0x89cdf6229c4bddfd, 0xcf005cca8843090d, 0x5a220abf7212ed6a, 0xc30061dd48748341};
static const uint64_t order_one[4] = {
	0xc46353d039cdaaf0, 0x319055258e8617b0, 0x0000000000000004, 0x0000000ffffffff0};
static const uint64_t order_r2[4] = {
	0x0845cc0dea6dc3ba, 0x5571bb192a067d8a, 0x45b2392b6bec5961, 0xe12d9559d9561fc2};
static const uint64_t order_2_256[4] = {
	0x7bea08c9fd4c0a3a, 0xfc2db9b2b149434a, 0x845b2392b6bec595, 0x6e12d9553d9561fc};

/* p and n in limbs, and -1/n mod 2^52. */
static const uint64_t p_limb[LIMBS] = {
	0xfffffffffffff, 0x00fffffffffff, 0x0000000000000, 0x0001000000000, 0x0ffffffff0000};
static const uint64_t n_limb[LIMBS] = {
	0x9cac2fc632551, 0xada7179e84f3b, 0xfffffffbce6fa, 0x0000fffffffff, 0x0ffffffff0000};
#define N_INVERSE 0x1c8aaee00bc4f

/* ---- sums ---- */

INLINE void carry_out(fe *r, const vec *column)
{
	const vec mask = ALL((1ull << LIMB_BITS) - 1);
	vec c = column[0];

#pragma GCC unroll 5
	for (int i = 0; i + 1 < LIMBS; i++) {
		r->v[i] = _mm512_and_si512(c, mask);
		c = ADD(column[i + 1], _mm512_srai_epi64(c, LIMB_BITS));
	}
	r->v[LIMBS - 1] = c;
}

INLINE vec times(vec a, int m)
{
	return m == 1 ? a : m == 3 ? ADD(a, ADD(a, a)) : _mm512_slli_epi64(a, m == 2 ? 1 : 2);
}

INLINE void fe_plus(fe *r, const fe *a, int m, const fe *b)
{
	for (int i = 0; i < LIMBS; i++)
		r->v[i] = ADD(a->v[i], times(b->v[i], m));
}

INLINE void fe_minus(fe *r, const fe *a, int m, const fe *b)
{
	for (int i = 0; i < LIMBS; i++)
		r->v[i] = SUB(a->v[i], times(b->v[i], m));
}

INLINE void fe_negate(fe *r, const fe *a, lanes where)
{
	for (int i = 0; i < LIMBS; i++)
		r->v[i] = _mm512_mask_sub_epi64(a->v[i], where, _mm512_setzero_si512(), a->v[i]);
}

INLINE void add_p(fe *r, unsigned k)
{
	for (int i = 0; i < LIMBS && k > 0; i++)
		if (p_limb[i])
			r->v[i] = ADD(r->v[i], ALL(k * p_limb[i]));
}

INLINE void fe_settle(fe *r, unsigned k)
{
	add_p(r, k);
	carry_out(r, r->v);
}

/* Takes the multiple of p away that the bits from 256 on tell, one less if they are close to it:
 * what is left is below p + 2^229. */
INLINE void fe_tidy(fe *r, unsigned k)
{
	vec h;

	add_p(r, k);
	h = _mm512_srai_epi64(SUB(r->v[4], ALL(16)), 48);
	r->v[0] = ADD(r->v[0], h);
	r->v[1] = SUB(r->v[1], _mm512_slli_epi64(h, 44));
	r->v[3] = SUB(r->v[3], _mm512_slli_epi64(h, 36));
	r->v[4] = SUB(ADD(r->v[4], _mm512_slli_epi64(h, 16)), _mm512_slli_epi64(h, 48));
	carry_out(r, r->v);
}

INLINE void fe_choose(fe *r, lanes where, const fe *a)
{
	for (int i = 0; i < LIMBS; i++)
		r->v[i] = _mm512_mask_mov_epi64(r->v[i], where, a->v[i]);
}

INLINE void fe_integers(__m512i *d, const fe *a)
{
	memcpy(d, a, sizeof(*a));
}

INLINE void fe_of_integers(fe *r, const __m512i *d)
{
	memcpy(r, d, sizeof(*r));
}

INLINE __m512i fe_bits(vec limb)
{
	return limb;
}

INLINE vec fe_of_bits(__m512i bits)
{
	return bits;
}

/* ---- products: columns of at most 26 halves of 52 bits ---- */

INLINE void clear(vec *c)
{
#pragma GCC unroll 10
	for (int i = 0; i < 2 * LIMBS; i++)
		c[i] = _mm512_setzero_si512();
}

INLINE void product_row(vec *c, const fe *a, const fe *b, int i)
{
#pragma GCC unroll 5
	for (int j = 0; j < LIMBS; j++)
		c[i + j] = LOW(c[i + j], a->v[i], b->v[j]);
#pragma GCC unroll 5
	for (int j = 0; j < LIMBS; j++)
		c[i + j + 1] = HIGH(c[i + j + 1], a->v[i], b->v[j]);
}

/* The products on one side of the diagonal. */
INLINE void square_row(vec *c, const fe *a, int i)
{
#pragma GCC unroll 5
	for (int j = i + 1; j < LIMBS; j++)
		c[i + j] = LOW(c[i + j], a->v[i], a->v[j]);
#pragma GCC unroll 5
	for (int j = i + 1; j < LIMBS; j++)
		c[i + j + 1] = HIGH(c[i + j + 1], a->v[i], a->v[j]);
}

INLINE void square_diagonal(vec *c, const fe *a)
{
#pragma GCC unroll 10
	for (int i = 1; i < 2 * LIMBS - 1; i++)
		c[i] = ADD(c[i], c[i]);
#pragma GCC unroll 5
	for (int i = 0; i < LIMBS; i++) {
		c[2 * i] = LOW(c[2 * i], a->v[i], a->v[i]);
		c[2 * i + 1] = HIGH(c[2 * i + 1], a->v[i], a->v[i]);
	}
}

/* Column i becomes a multiple of 2^52, which is carried on. */
INLINE void reduce_column(vec *c, int i)
{
	const vec p1 = ALL(1ull << 44), p3 = ALL(1ull << 36), p4 = ALL(p_limb[4]);
	vec q = c[i];

	c[i + 1] = ADD(LOW(c[i + 1], q, p1), _mm512_srli_epi64(q, LIMB_BITS));
	c[i + 2] = HIGH(c[i + 2], q, p1);
	c[i + 3] = LOW(c[i + 3], q, p3);
	c[i + 4] = HIGH(LOW(c[i + 4], q, p4), q, p3);
	c[i + 5] = HIGH(c[i + 5], q, p4);
}

/* One product waits for itself: each quotient digit for the one before. Two side by side take little
 * more time than one. */
INLINE void reduce_two(fe *r, vec *c, fe *s, vec *d)
{
#pragma GCC unroll 5
	for (int i = 0; i < LIMBS; i++) {
		reduce_column(c, i);
		reduce_column(d, i);
	}
	carry_out(r, c + LIMBS);
	carry_out(s, d + LIMBS);
}

INLINE void fe_mul_two(fe *r, const fe *a, const fe *b, fe *s, const fe *e, const fe *f)
{
	vec c[2 * LIMBS], d[2 * LIMBS];

	clear(c);
	clear(d);
#pragma GCC unroll 5
	for (int i = 0; i < LIMBS; i++) {
		product_row(c, a, b, i);
		product_row(d, e, f, i);
	}
	reduce_two(r, c, s, d);
}

INLINE void fe_square_two(fe *r, const fe *a, fe *s, const fe *b)
{
	vec c[2 * LIMBS], d[2 * LIMBS];

	clear(c);
	clear(d);
#pragma GCC unroll 5
	for (int i = 0; i < LIMBS; i++) {
		square_row(c, a, i);
		square_row(d, b, i);
	}
	square_diagonal(c, a);
	square_diagonal(d, b);
	reduce_two(r, c, s, d);
}

INLINE void reduce(fe *r, vec *c)
{
#pragma GCC unroll 5
	for (int i = 0; i < LIMBS; i++)
		reduce_column(c, i);
	carry_out(r, c + LIMBS);
}

INLINE void fe_mul(fe *r, const fe *a, const fe *b)
{
	vec c[2 * LIMBS];

	clear(c);
#pragma GCC unroll 5
	for (int i = 0; i < LIMBS; i++)
		product_row(c, a, b, i);
	reduce(r, c);
}

INLINE void fe_square(fe *r, const fe *a)
{
	vec c[2 * LIMBS];

	clear(c);
#pragma GCC unroll 5
	for (int i = 0; i < LIMBS; i++)
		square_row(c, a, i);
	square_diagonal(c, a);
	reduce(r, c);
}

/* Modulo n, whose limbs have no pattern. Column i becomes a multiple of 2^52. */
static HF_NOINLINE void fn_mul(fe *r, const fe *a, const fe *b)
{
	const vec zero = _mm512_setzero_si512();
	vec c[2 * LIMBS];

	clear(c);
	for (int i = 0; i < LIMBS; i++)
		product_row(c, a, b, i);
	for (int i = 0; i < LIMBS; i++) {
		vec q = LOW(zero, c[i], ALL(N_INVERSE));

		for (int j = 0; j < LIMBS; j++) {
			c[i + j] = LOW(c[i + j], q, ALL(n_limb[j]));
			c[i + j + 1] = HIGH(c[i + j + 1], q, ALL(n_limb[j]));
		}
		c[i + 1] = ADD(c[i + 1], _mm512_srli_epi64(c[i], LIMB_BITS));
	}
	carry_out(r, c + LIMBS);
}

#include "drivers/pk/p256_lanes_avx512f.h"

static const struct hf_p256_core core = {make_table, base, multiply, sign};

static bool probe(void)
{
	return hf_os_cpu_has(HF_TIER_IFMA);
}

static int init(void *ctx)
{
	return hf_p256_init(ctx, &core);
}

const struct hf_pk_engine hf_pk_p256_ifma = {
	.name = "p256_ifma",
	.cost = HF_PK_WHOLE,
	.probe = probe,
	.size = hf_p256_size,
	.init = init,
	.fini = hf_p256_fini,
	.ec_quantum = HF_LANES,
	.ec_nonce_of_seed = true,
	.takes_ec = hf_p256_takes,
	.ec = hf_p256_ec,
};
