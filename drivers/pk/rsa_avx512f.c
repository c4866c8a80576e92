/* rsa_avx512f.c -- arithmetic in eight lanes for rsa_batch.c, in double precision, for processors
 * with AVX-512F but without IFMA.
 *
 * A digit is a small signed integer in a double (w = 24 bits for primes up to 1024 bits, 23 above),
 * and a product of two digits is one fused multiply-add: as long as no column exceeds 2^53, it is
 * exact. A carry is taken by adding a constant so large that the low bits are rounded away, and
 * subtracting it again. Digits are balanced, |d| <= 2^(w-1) + 2^7, so the columns of a product and of
 * its reduction together stay below 2 N (2^(w-1) + 2^7)^2: 2^52.5 at 44 digits of 24 bits.
 *
 * Numbers are cut into blocks of 11 digits (44: 1024 bits) or 10, and tiles of blocks are summed
 * diagonal by diagonal, as in rsa_ifma.c. Quotient digits come by the block: with B = 2^(w * side),
 * k = -1/m mod B and M = (k m + 1) / B, a block t of columns is cleared by adding t M from the next
 * block on, because t + t k m = t M B ("Montgomery-friendly multiple"): no product is needed to find
 * t. The last block takes (t k mod B) m instead, so that the result is within m of zero and not B m.
 *
 * Secrets in floating point: every value is zero or, in magnitude, between 2^-80 and 2^80, so no
 * operation meets or makes a subnormal, an infinity or a NaN, which are what its time depends on;
 * MXCSR is set for each call (round to nearest) and restored. Nothing is rounded that is not meant
 * to be; if it were, the check of each result would say so.
 * Specs: Montgomery 1985; IEEE 754-2019; Intel SDM volume 1, 11.6.4 (MXCSR). */
#include <immintrin.h>
#include "drivers/drivers.h"
#include "drivers/pk/mxcsr_avx512f.h"
#include "drivers/pk/rsa_batch.h"
#include "lib/base/secret.h"
#include "lib/os/os.h"

typedef __m512d vec;

#define INLINE static inline __attribute__((always_inline))
#define SPARE_BITS 8u /* R / m, at least */
#define TILE_MAX 11   /* 21 columns and most of one side fill the registers */
#define TILE_ROUND 10
#define CHAIN 3              /* columns carried one after the other */
#define DIGIT_BITS_SHORT 24u /* up to 44 digits: 88 products of 2^46 */
#define DIGIT_BITS_LONG 23u  /* up to 180: 360 of 2^44 */
#define STEP_PRODUCTS 40000u /* 12 us at 3.7 GHz */

#define FMA(a, b, acc) _mm512_fmadd_pd(a, b, acc)

/* 1.5 * 2^(52 + w): adding it leaves multiples of 2^w. And 2^-w. */
struct carrier {
	vec round, scale;
};

INLINE vec load(const struct hf_rsa_vec *v)
{
	return _mm512_load_pd(v);
}

INLINE void store_block(struct hf_rsa_vec *to, const vec *v, int side)
{
#pragma GCC unroll 11
	for (int i = 0; i < side; i++)
		_mm512_store_pd(to + i, v[i]);
}

INLINE struct carrier carrier(uint32_t digit_bits)
{
	return (struct carrier){_mm512_set1_pd(1.5 * (double)(1ull << 52) * (1u << digit_bits)),
		_mm512_set1_pd(1.0 / (1u << digit_bits))};
}

/* The multiple of 2^w next to x. */
INLINE vec upper(struct carrier k, vec x)
{
	return _mm512_sub_pd(_mm512_add_pd(x, k.round), k.round);
}

/* A block of columns becomes digits; returns what it carries into the column above it. Chains of a few
 * columns side by side; what each carries into the next one's first column is carried once more,
 * from there to the second, and adds little to it. */
INLINE vec carry_block(struct carrier k, vec *col, int side)
{
	vec up[TILE_MAX];

#pragma GCC unroll 11
	for (int i = 0; i < side; i++) {
		if (i % CHAIN)
			col[i] = FMA(up[i - 1], k.scale, col[i]);
		up[i] = upper(k, col[i]);
		col[i] = _mm512_sub_pd(col[i], up[i]);
	}
#pragma GCC unroll 11
	for (int i = CHAIN; i < side; i += CHAIN) {
		vec over;

		col[i] = FMA(up[i - 1], k.scale, col[i]);
		over = upper(k, col[i]);
		col[i] = _mm512_sub_pd(col[i], over);
		if (i + 1 < side)
			col[i + 1] = FMA(over, k.scale, col[i + 1]);
		else
			up[i] = _mm512_add_pd(up[i], over);
	}
	return _mm512_mul_pd(up[side - 1], k.scale);
}

/* acc[0 .. 2 side - 1) += a b, but for the columns below `from`. */
INLINE void tile_from(
	vec *acc, const struct hf_rsa_vec *a, const struct hf_rsa_vec *b, int side, int from)
{
#pragma GCC unroll 11
	for (int i = 0; i < side; i++) {
		vec bi = load(b + i);
#pragma GCC unroll 11
		for (int j = HF_MAX(0, from - i); j < side; j++)
			acc[i + j] = FMA(load(a + j), bi, acc[i + j]);
	}
}

INLINE void tile(vec *acc, const struct hf_rsa_vec *a, const struct hf_rsa_vec *b, int side)
{
	tile_from(acc, a, b, side, 0);
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

/* acc += the columns of diagonal d of a square, twice being a + a. */
INLINE void square_diagonal(vec *acc, const struct hf_rsa_vec *a, const struct hf_rsa_vec *twice,
	uint32_t d, uint32_t first, int side)
{
	const struct hf_rsa_vec *x = a + d / 2 * (uint32_t)side;
	const struct hf_rsa_vec *x2 = twice + d / 2 * (uint32_t)side;

	if (d > 2 * first)
		tiles(acc, twice, a, d, first, (d - 1) / 2, side);
	if (d % 2)
		return;
#pragma GCC unroll 11
	for (int i = 0; i < side; i++) {
		vec xi = load(x + i);

		acc[2 * i] = FMA(xi, xi, acc[2 * i]);
#pragma GCC unroll 11
		for (int j = i + 1; j < side; j++)
			acc[i + j] = FMA(load(x2 + j), xi, acc[i + j]);
	}
}

/* The last block of the reduction: q = t k mod B, and q m clears the block. What that carries is an
 * integer, and the block's three uppermost columns are within 2^-20 of it, so no others are made. */
INLINE void tile_reduce(vec *acc, struct carrier k, const struct hf_rsa_vec *m,
	const struct hf_rsa_vec *inverse, struct hf_rsa_vec *q, int side)
{
	const vec unit = _mm512_set1_pd(1.5 * (double)(1ull << 52));
	vec col[TILE_MAX], c;

#pragma GCC unroll 11
	for (int i = 0; i < side; i++) {
		col[i] = _mm512_setzero_pd();
#pragma GCC unroll 11
		for (int j = 0; j <= i; j++)
			col[i] = FMA(acc[j], load(inverse + i - j), col[i]);
	}
	carry_block(k, col, side);
	store_block(q, col, side);
	tile_from(acc, m, q, side, side - 3);
	c = FMA(acc[side - 3], k.scale, acc[side - 2]);
	c = _mm512_mul_pd(FMA(c, k.scale, acc[side - 1]), k.scale);
	c = _mm512_sub_pd(_mm512_add_pd(c, unit), unit);
	acc[side] = _mm512_add_pd(acc[side], c);
}

/* out = a b / R mod m; b NULL: a squared. A block of out is written when the factors' blocks up to it
 * have been read for the last time. */
INLINE void montgomery(struct hf_rsa_lanes *l, struct hf_rsa_vec *out, const struct hf_rsa_vec *a,
	const struct hf_rsa_vec *b, int side)
{
	const struct hf_rsa_vec *friendly = l->aid, *inverse = l->aid + l->digits;
	struct hf_rsa_vec *q = l->work, *twice = l->work + l->digits;
	uint32_t n = (uint32_t)side, blocks = l->digits / n;
	struct carrier k = carrier(l->digit_bits);
	vec acc[2 * TILE_MAX], in[TILE_MAX];

#pragma GCC unroll 11
	for (int i = 0; i < side; i++)
		in[i] = _mm512_setzero_pd();
	for (uint32_t i = 0; !b && i < l->digits; i++)
		_mm512_store_pd(twice + i, _mm512_add_pd(load(a + i), load(a + i)));
	for (uint32_t d = 0; d < 2 * blocks - 1; d++) {
		uint32_t first = d < blocks ? 0 : d - blocks + 1;

#pragma GCC unroll 11
		for (int i = 0; i < side; i++) {
			acc[i] = in[i];
			acc[side + i] = _mm512_setzero_pd();
		}
		if (b)
			tiles(acc, a, b, d, first, d - first, side);
		else
			square_diagonal(acc, a, twice, d, first, side);
		if (d > 0) /* q of block i times block d - 1 - i, q of the last one apart */
			tiles(acc, q, friendly, d - 1, d < blocks ? 0 : d - blocks,
				HF_MIN(d - 1, blocks - 2), side);
		if (d >= blocks)
			tile(acc, q + (blocks - 1) * n, l->m + (d - blocks + 1) * n, side);
		acc[side] = _mm512_add_pd(acc[side], carry_block(k, acc, side));
		if (d == blocks - 1)
			tile_reduce(acc, k, l->m, inverse, q + d * n, side);
		else
			store_block(d < blocks ? q + d * n : out + (d - blocks) * n, acc, side);
#pragma GCC unroll 11
		for (int i = 0; i < side; i++)
			in[i] = acc[side + i];
	}
	in[side - 1] = _mm512_add_pd(in[side - 1], carry_block(k, in, side - 1));
	store_block(out + (blocks - 1) * n, in, side);
}

static HF_NOINLINE void multiply_11(struct hf_rsa_lanes *l, struct hf_rsa_vec *out,
	const struct hf_rsa_vec *a, const struct hf_rsa_vec *b)
{
	montgomery(l, out, a, b, TILE_MAX);
}

static HF_NOINLINE void multiply_10(struct hf_rsa_lanes *l, struct hf_rsa_vec *out,
	const struct hf_rsa_vec *a, const struct hf_rsa_vec *b)
{
	montgomery(l, out, a, b, TILE_ROUND);
}

static HF_NOINLINE void square_11(struct hf_rsa_lanes *l, struct hf_rsa_vec *x)
{
	montgomery(l, x, x, NULL, TILE_MAX);
}

static HF_NOINLINE void square_10(struct hf_rsa_lanes *l, struct hf_rsa_vec *x)
{
	montgomery(l, x, x, NULL, TILE_ROUND);
}

/* ---- the core ---- */

static uint32_t side_of(uint32_t digits)
{
	return digits % TILE_MAX == 0 ? TILE_MAX : TILE_ROUND;
}

static void multiply(struct hf_rsa_lanes *l, struct hf_rsa_vec *out, const struct hf_rsa_vec *a,
	const struct hf_rsa_vec *b)
{
	(side_of(l->digits) == TILE_MAX ? multiply_11 : multiply_10)(l, out, a, b);
}

static void square(struct hf_rsa_lanes *l, struct hf_rsa_vec *x)
{
	(side_of(l->digits) == TILE_MAX ? square_11 : square_10)(l, x);
}

static void add(const struct hf_rsa_lanes *l, struct hf_rsa_vec *x, const struct hf_rsa_vec *y)
{
	struct carrier k = carrier(l->digit_bits);
	vec below = _mm512_setzero_pd();

	for (uint32_t i = 0; i < l->digits; i++) {
		vec sum = _mm512_add_pd(load(x + i), load(y + i));
		vec up = i + 1 < l->digits ? upper(k, sum) : _mm512_setzero_pd();

		sum = FMA(below, k.scale, _mm512_sub_pd(sum, up));
		store_block(x + i, &sum, 1);
		below = up;
	}
}

static void shape(struct hf_rsa_lanes *l, uint32_t bits)
{
	uint32_t least;

	l->digit_bits = bits <= 1024 ? DIGIT_BITS_SHORT : DIGIT_BITS_LONG;
	least = HF_ROUND_UP(bits + SPARE_BITS, l->digit_bits) / l->digit_bits;
	l->digits = HF_MIN(HF_ROUND_UP(least, 2 * TILE_MAX), HF_ROUND_UP(least, TILE_ROUND));
	l->aid_cnt = l->digits + side_of(l->digits);
	l->entry_vecs = l->digits / 2; /* they are even */
}

/* A digit fits a float: two digits of a lane, half the number apart, make one in the table. */
static void pack(const struct hf_rsa_lanes *l, struct hf_rsa_vec *out, const struct hf_rsa_vec *x)
{
	for (uint32_t i = 0; i < l->entry_vecs; i++) {
		__m256 low = _mm512_cvtpd_ps(load(x + i));
		__m256 high = _mm512_cvtpd_ps(load(x + l->entry_vecs + i));

		_mm512_store_si512(out + i,
			_mm512_or_si512(_mm512_cvtepu32_epi64(_mm256_castps_si256(low)),
				_mm512_slli_epi64(
					_mm512_cvtepu32_epi64(_mm256_castps_si256(high)), 32)));
	}
}

static void unpack(const struct hf_rsa_lanes *l, struct hf_rsa_vec *x, const struct hf_rsa_vec *in)
{
	for (uint32_t i = 0; i < l->entry_vecs; i++) {
		__m512i v = _mm512_load_si512(in + i);
		__m256i low = _mm512_cvtepi64_epi32(v);
		__m256i high = _mm512_cvtepi64_epi32(_mm512_srli_epi64(v, 32));

		_mm512_store_pd(x + i, _mm512_cvtps_pd(_mm256_castsi256_ps(low)));
		_mm512_store_pd(x + l->entry_vecs + i, _mm512_cvtps_pd(_mm256_castsi256_ps(high)));
	}
}

/* Plain digits become balanced ones; the uppermost takes what is left. */
static void encode(const struct hf_rsa_lanes *l, uint64_t *digits, uint32_t cnt)
{
	uint64_t carry = 0;

	for (uint32_t i = 0; i < cnt; i++) {
		uint64_t v = digits[i] + carry;
		double d;

		carry = i + 1 < cnt ? (v + (1ull << (l->digit_bits - 1))) >> l->digit_bits : 0;
		d = (double)((int64_t)v - (int64_t)(carry << l->digit_bits));
		memcpy(&digits[i], &d, sizeof(d));
	}
}

static void decode(uint64_t *digits, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++) {
		double d;

		memcpy(&d, &digits[i], sizeof(d));
		digits[i] = (uint64_t)(int64_t)d;
	}
}

/* (k m + 1) / B, and behind it k: digit by digit of k, the sum 1 + k m loses its lowest digits. */
static void aid(const struct hf_rsa_lanes *l, uint64_t *out, const uint64_t *m)
{
	uint32_t n = l->digits, side = side_of(n);
	uint64_t sum[HF_RSA_AID_MAX] = {1}, mask = (1ull << l->digit_bits) - 1, inverse = 1;

	for (uint32_t i = 0; i < 6; i++) /* Newton: 1, 2, 4 .. 64 bits are right */
		inverse *= 2 - m[0] * inverse;
	for (uint32_t i = 0; i < side; i++) {
		uint64_t k = sum[i] * (0 - inverse) & mask, carry = 0;

		for (uint32_t j = 0; j < n; j++, carry >>= l->digit_bits) {
			carry += sum[i + j] + k * m[j];
			sum[i + j] = carry & mask;
		}
		sum[i + n] = carry;
		out[n + i] = k;
	}
	memcpy(out, sum + side, n * sizeof(*out));
	encode(l, out, n);
	encode(l, out + n, side);
	hf_wipe(sum, sizeof(sum));
}

const struct hf_rsa_core hf_rsa_core_avx512f = {
	.shape = shape,
	.aid = aid,
	.encode = encode,
	.decode = decode,
	.multiply = multiply,
	.square = square,
	.add = add,
	.pack = pack,
	.unpack = unpack,
	.step_products = STEP_PRODUCTS,
};

/* ---- the engine ---- */

static bool probe(void)
{
	return hf_os_cpu_has(HF_TIER_AVX512F);
}

static int init(void *ctx)
{
	hf_rsa_batch_init(ctx, &hf_rsa_core_avx512f);
	return 0;
}

static bool prepare(void *ctx, const struct hf_pk_key *key, const uint8_t *seed)
{
	uint32_t mxcsr = hf_mxcsr_plain();
	bool more = hf_rsa_batch_prepare(ctx, key, seed);

	_mm_setcsr(mxcsr);
	return more;
}

static uint32_t begin(void *ctx, struct hf_rsa_op *ops, uint32_t cnt)
{
	uint32_t mxcsr = hf_mxcsr_plain();

	cnt = hf_rsa_batch_begin(ctx, ops, cnt);
	_mm_setcsr(mxcsr);
	return cnt;
}

static bool step(void *ctx)
{
	uint32_t mxcsr = hf_mxcsr_plain();
	bool more = hf_rsa_batch_step(ctx);

	_mm_setcsr(mxcsr);
	return more;
}

static void end(void *ctx)
{
	uint32_t mxcsr = hf_mxcsr_plain();

	hf_rsa_batch_end(ctx);
	_mm_setcsr(mxcsr);
}

const struct hf_pk_engine hf_pk_rsa_avx512f = {
	.name = "rsa_avx512f",
	.cost = HF_PK_SLICEABLE,
	.floating_point = true,
	.quantum = HF_RSA_LANES / 2,
	.ops_max = HF_RSA_OPS,
	.probe = probe,
	.size = hf_rsa_batch_size,
	.init = init,
	.fini = hf_rsa_batch_fini,
	.takes = hf_rsa_batch_takes,
	.forget = hf_rsa_batch_forget,
	.prepare = prepare,
	.begin = begin,
	.step = step,
	.end = end,
};
