/* rsa_ifma.c -- arithmetic in eight lanes for rsa_batch.c, on AVX-512 IFMA.
 *
 * Digits have 52 bits, and a product of two digits is two instructions: its low half into column
 * i + j, its high half into column i + j + 1. Columns are 64 bits wide, room enough to carry them
 * once at the end only. A number is cut into blocks of 10 digits (20, 30, 40 for the primes of
 * RSA-2048, 3072, 4096) or of 7 (14 for the 683 bits of RSA-2048 with three primes), and all is made
 * of products of blocks, tiles, whose columns stay in registers. The tiles of one diagonal (blocks
 * i + j = d) are summed there, with those of the reduction, q times m; so each diagonal leaves the
 * quotient digits of its block, or digits of the result, and hands its upper columns to the next.
 *
 * Montgomery form with R = 2^(52 N) > 2^12 m: a product of two values below 8 m comes back below 2 m,
 * so nothing is subtracted until the end. Measured where two such products issue per cycle: 90 % of
 * that bound at 20 digits, 97 % at 40.
 * Specs: Montgomery 1985; Intel SDM, VPMADD52. */
#include <immintrin.h>
#include "drivers/drivers.h"
#include "drivers/pk/rsa_batch.h"
#include "lib/os/os.h"

typedef __m512i vec;

#define INLINE static inline __attribute__((always_inline))
#define DIGIT_BITS 52u
#define DIGIT_MASK ((1ull << DIGIT_BITS) - 1)
#define SPARE_BITS 12u /* R / m */
#define TILE_MAX 10    /* digits on a side: 20 columns and one side fill the registers */
#define TILE_SHORT 7
#define STEP_PRODUCTS 40000u /* 16 us at 3.7 GHz */

#define MADD_LO(acc, a, b) _mm512_madd52lo_epu64(acc, a, b)
#define MADD_HI(acc, a, b) _mm512_madd52hi_epu64(acc, a, b)

/* ---- tiles: loops of constant length, unrolled once they are inlined ---- */

INLINE vec load(const struct hf_rsa_vec *v)
{
	return _mm512_load_si512(v);
}

INLINE void store(struct hf_rsa_vec *to, vec v)
{
	_mm512_store_si512(to, v);
}

/* acc[0 .. 2 side) += a b. A column holds at most 4 * 80 products of 2^52 before it is carried. */
INLINE void tile(vec *acc, const struct hf_rsa_vec *a, const struct hf_rsa_vec *b, int side)
{
	vec x[TILE_MAX];

#pragma GCC unroll 10
	for (int j = 0; j < side; j++)
		x[j] = load(a + j);
#pragma GCC unroll 10
	for (int i = 0; i < side; i++) {
		vec bi = load(b + i);
#pragma GCC unroll 10
		for (int j = 0; j < side; j++)
			acc[i + j] = MADD_LO(acc[i + j], x[j], bi);
#pragma GCC unroll 10
		for (int j = 0; j < side; j++)
			acc[i + j + 1] = MADD_HI(acc[i + j + 1], x[j], bi);
	}
}

/* The products above the diagonal of a square: acc += sum of a[i] a[j] over i < j. */
INLINE void tile_triangle(vec *acc, const struct hf_rsa_vec *a, int side)
{
	vec x[TILE_MAX];

#pragma GCC unroll 10
	for (int j = 0; j < side; j++)
		x[j] = load(a + j);
#pragma GCC unroll 10
	for (int i = 0; i < side; i++) {
#pragma GCC unroll 10
		for (int j = i + 1; j < side; j++)
			acc[i + j] = MADD_LO(acc[i + j], x[j], x[i]);
#pragma GCC unroll 10
		for (int j = i + 1; j < side; j++)
			acc[i + j + 1] = MADD_HI(acc[i + j + 1], x[j], x[i]);
	}
}

/* And those on it. */
INLINE void tile_diagonal(vec *acc, const struct hf_rsa_vec *a, int side)
{
#pragma GCC unroll 10
	for (int i = 0; i < side; i++) {
		vec x = load(a + i);

		acc[2 * i] = MADD_LO(acc[2 * i], x, x);
		acc[2 * i + 1] = MADD_HI(acc[2 * i + 1], x, x);
	}
}

/* Montgomery's steps for the columns below side: q[i] makes column i a multiple of 2^52, which is
 * carried on. The low product of m[0] is not computed: it cancels the column's low bits, so it
 * carries one exactly when they are not all zero. Column i + 1 and its q come before the rest of row
 * i: the chain of them is as long as the rows take (worth 15 ns of 200). */
INLINE void tile_reduce(
	vec *acc, const struct hf_rsa_vec *m, vec k0, struct hf_rsa_vec *q, int side)
{
	const vec zero = _mm512_setzero_si512(), round = _mm512_set1_epi64((long long)DIGIT_MASK);
	vec column = acc[0], qi = MADD_LO(zero, column, k0);

#pragma GCC unroll 10
	for (int i = 0; i < side; i++) {
		vec carry = _mm512_srli_epi64(_mm512_add_epi64(column, round), DIGIT_BITS);
		vec next = zero;

		store(q + i, qi);
		carry = MADD_HI(carry, load(m), qi);
		column = _mm512_add_epi64(MADD_LO(acc[i + 1], load(m + 1), qi), carry);
		acc[i + 1] = column;
		if (i + 1 < side)
			next = MADD_LO(zero, column, k0);
#pragma GCC unroll 10
		for (int j = 2; j < side; j++)
			acc[i + j] = MADD_LO(acc[i + j], load(m + j), qi);
#pragma GCC unroll 10
		for (int j = 1; j < side; j++)
			acc[i + j + 1] = MADD_HI(acc[i + j + 1], load(m + j), qi);
		qi = next;
	}
}

/* ---- numbers ---- */

/* Columns to digits; returns what is carried out of them. */
INLINE vec carry_out(struct hf_rsa_vec *out, const vec *acc, vec c, int side)
{
	const vec mask = _mm512_set1_epi64((long long)DIGIT_MASK);

#pragma GCC unroll 10
	for (int i = 0; i < side; i++) {
		c = _mm512_add_epi64(acc[i], c);
		store(out + i, _mm512_and_si512(c, mask));
		c = _mm512_srli_epi64(c, DIGIT_BITS);
	}
	return c;
}

/* acc += the tiles of a b whose blocks are i and d - i, i from first to last. */
INLINE void tiles(vec *acc, const struct hf_rsa_vec *a, const struct hf_rsa_vec *b, uint32_t d,
	uint32_t first, uint32_t last, int side)
{
	const struct hf_rsa_vec *x = a + first * (uint32_t)side;
	const struct hf_rsa_vec *y = b + (d - first) * (uint32_t)side;

	for (uint32_t i = first; i <= last; i++, x += side, y -= side)
		tile(acc, x, y, side);
}

/* acc = the columns of diagonal d of a square; in: what the diagonal before has left. */
INLINE void square_diagonal(
	vec *acc, const vec *in, const struct hf_rsa_vec *a, uint32_t d, uint32_t first, int side)
{
#pragma GCC unroll 20
	for (int i = 0; i < 2 * side; i++)
		acc[i] = _mm512_setzero_si512();
	if (d > 2 * first)
		tiles(acc, a, a, d, first, (d - 1) / 2, side);
	if (d % 2 == 0)
		tile_triangle(acc, a + d / 2 * (uint32_t)side, side);
#pragma GCC unroll 20
	for (int i = 0; i < 2 * side; i++)
		acc[i] = _mm512_add_epi64(acc[i], acc[i]);
#pragma GCC unroll 10
	for (int i = 0; i < side; i++)
		acc[i] = _mm512_add_epi64(acc[i], in[i]);
	if (d % 2 == 0)
		tile_diagonal(acc, a + d / 2 * (uint32_t)side, side);
}

/* out = a b / R mod m; b NULL: a squared. Diagonal by diagonal, as said above. A block of out is
 * written when the factors' blocks up to it have been read for the last time. */
INLINE void montgomery(struct hf_rsa_lanes *l, struct hf_rsa_vec *out, const struct hf_rsa_vec *a,
	const struct hf_rsa_vec *b, int side)
{
	const struct hf_rsa_vec *m = l->m;
	struct hf_rsa_vec *q = l->work;
	uint32_t n = (uint32_t)side, blocks = l->digits / n;
	vec acc[2 * TILE_MAX], in[TILE_MAX], k0 = load(l->aid), carry = _mm512_setzero_si512();

#pragma GCC unroll 10
	for (int i = 0; i < side; i++)
		in[i] = _mm512_setzero_si512();
	for (uint32_t d = 0; d < 2 * blocks - 1; d++) {
		uint32_t first = d < blocks ? 0 : d - blocks + 1;

		if (b) {
#pragma GCC unroll 10
			for (int i = 0; i < side; i++) {
				acc[i] = in[i];
				acc[side + i] = _mm512_setzero_si512();
			}
			tiles(acc, a, b, d, first, d - first, side);
		} else {
			square_diagonal(acc, in, a, d, first, side);
		}
		if (d < blocks) {
			if (d > 0)
				tiles(acc, q, m, d, 0, d - 1, side);
			tile_reduce(acc, m, k0, q + d * n, side);
		} else {
			tiles(acc, q, m, d, first, blocks - 1, side);
			carry = carry_out(out + (d - blocks) * n, acc, carry, side);
		}
#pragma GCC unroll 10
		for (int i = 0; i < side; i++)
			in[i] = acc[side + i];
	}
	carry_out(out + (blocks - 1) * n, in, carry, side);
}

static HF_NOINLINE void multiply_long(struct hf_rsa_lanes *l, struct hf_rsa_vec *out,
	const struct hf_rsa_vec *a, const struct hf_rsa_vec *b)
{
	montgomery(l, out, a, b, TILE_MAX);
}

static HF_NOINLINE void multiply_short(struct hf_rsa_lanes *l, struct hf_rsa_vec *out,
	const struct hf_rsa_vec *a, const struct hf_rsa_vec *b)
{
	montgomery(l, out, a, b, TILE_SHORT);
}

static HF_NOINLINE void square_long(struct hf_rsa_lanes *l, struct hf_rsa_vec *x)
{
	montgomery(l, x, x, NULL, TILE_MAX);
}

static HF_NOINLINE void square_short(struct hf_rsa_lanes *l, struct hf_rsa_vec *x)
{
	montgomery(l, x, x, NULL, TILE_SHORT);
}

/* ---- the core ---- */

static void multiply(struct hf_rsa_lanes *l, struct hf_rsa_vec *out, const struct hf_rsa_vec *a,
	const struct hf_rsa_vec *b)
{
	(l->digits % TILE_MAX ? multiply_short : multiply_long)(l, out, a, b);
}

static void square(struct hf_rsa_lanes *l, struct hf_rsa_vec *x)
{
	(l->digits % TILE_MAX ? square_short : square_long)(l, x);
}

static void add(const struct hf_rsa_lanes *l, struct hf_rsa_vec *x, const struct hf_rsa_vec *y)
{
	vec c = _mm512_setzero_si512();

	for (uint32_t i = 0; i < l->digits; i++) {
		vec sum = _mm512_add_epi64(load(x + i), load(y + i));

		c = carry_out(x + i, &sum, c, 1);
	}
}

static void shape(struct hf_rsa_lanes *l, uint32_t bits)
{
	uint32_t least = HF_ROUND_UP(bits + SPARE_BITS, DIGIT_BITS) / DIGIT_BITS;

	l->digit_bits = DIGIT_BITS;
	l->digits = least <= 2 * TILE_SHORT ? 2 * TILE_SHORT : HF_ROUND_UP(least, TILE_MAX);
	l->aid_cnt = 1;
	l->entry_vecs = l->digits;
}

/* -1/m mod 2^52. */
static void aid(const struct hf_rsa_lanes *l, uint64_t *k0, const uint64_t *m)
{
	uint64_t inverse = 1;
	(void)l;

	for (uint32_t i = 0; i < 6; i++) /* Newton: 1, 2, 4 .. 64 bits are right */
		inverse *= 2 - m[0] * inverse;
	*k0 = (0 - inverse) & DIGIT_MASK;
}

/* Digits are plain. */
static void encode(const struct hf_rsa_lanes *l, uint64_t *digits, uint32_t cnt)
{
	(void)l;
	(void)digits;
	(void)cnt;
}

static void decode(uint64_t *digits, uint32_t cnt)
{
	(void)digits;
	(void)cnt;
}

const struct hf_rsa_core hf_rsa_core_ifma = {
	.shape = shape,
	.aid = aid,
	.encode = encode,
	.decode = decode,
	.multiply = multiply,
	.square = square,
	.add = add,
	.step_products = STEP_PRODUCTS,
};

static bool probe(void)
{
	return hf_os_cpu_has(HF_TIER_IFMA);
}

static int init(void *ctx)
{
	hf_rsa_batch_init(ctx, &hf_rsa_core_ifma);
	return 0;
}

const struct hf_pk_engine hf_pk_rsa_ifma = {
	.name = "rsa_ifma",
	.cost = HF_PK_SLICEABLE,
	.quantum = HF_RSA_LANES / 2,
	.ops_max = HF_RSA_OPS,
	.probe = probe,
	.size = hf_rsa_batch_size,
	.init = init,
	.fini = hf_rsa_batch_fini,
	.takes = hf_rsa_batch_takes,
	.forget = hf_rsa_batch_forget,
	.prepare = hf_rsa_batch_prepare,
	.begin = hf_rsa_batch_begin,
	.step = hf_rsa_batch_step,
	.end = hf_rsa_batch_end,
};
