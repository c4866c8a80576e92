/* x25519_lanes.h -- X25519 (RFC 7748) for eight connections side by side: what is the same for every
 * arithmetic. A core (x25519_avx512f.c) says what a number modulo p = 2^255 - 19 is in its lanes, then
 * includes this, and has an engine.
 *
 * A number in lanes is an array of vectors, limb i of eight numbers each, so no lane can influence
 * another. There are two types of it: struct fe is a factor, struct product what a multiplication
 * leaves. A sum or difference of two products is a factor again, and so is a product once it is
 * settled: no formula here adds more than that between two multiplications, which is what the bounds
 * of the cores rest on. A core defines, with both structs,
 *
 *   multiply, square               factor times factor -> product
 *   sum, difference                product and product -> factor
 *   settled                        the product itself, as a factor
 *   add_a24                        product + 121665 factor -> factor
 *   choose, negate                 one of two factors, or the negative, by a mask of lanes
 *   from_words, to_words           256 bits -> factor; product -> its residue, 0 <= x < p
 *   limb_bits, bits_limb           a limb as it lies in the table
 *
 * Agreements: the ladder of RFC 7748 5. With A, B, C, D of both points, swapped or not, D A and C B
 * change roles under a swap, and their sum and the square of their difference do not: only the two
 * squares A^2 and B^2 must choose, so 2 numbers are chosen where RFC 7748 has 4 swapped.
 *
 * Key pairs: a comb on the birationally equivalent curve -x^2 + y^2 = 1 + d x^2 y^2 (RFC 7748 4.1),
 * whose addition has no exceptions. The scalar k is even, so k - 3 L (L: the order) is odd, and an odd
 * number has digits -31, -29 .. 31, never zero, that are read off its bits: with u the bits of a window
 * of (k - 3 L) >> 1, the digit is 2 u - 31. The table has 1, 3 .. 31 times 2^(5 i) times the base
 * point, for every window i: 50 additions, no doubling. Windows of 7 bits are 10 % faster in a loop
 * (Zen 5), and 8 % slower with other work in between, as their table has 341 KB for 118. It is the same for all lanes, so each
 * lane picks its entry by a permutation of registers: all of the table is read, in order, whatever
 * the scalars are.
 *
 * No branch and no address depends on a secret. Threads: a context belongs to one worker. Secrets lie
 * in the context and are wiped after each batch.
 * Specs: RFC 7748 5, 6.1; RFC 8032 5.1; Hisil, Wong, Carter, Dawson 2008 (additions). */
#ifndef HF_DRIVERS_PK_X25519_LANES_H
#define HF_DRIVERS_PK_X25519_LANES_H

#include "drivers/drivers.h"
#include "lib/base/secret.h"
#include "lib/crypto/pk_engine.h"
#include "lib/os/os.h"

#define LANES 8u
#define WORDS 4u
#define BYTES 32u
#define WINDOW_BITS 5u
#define WINDOWS (254u / WINDOW_BITS + 1)
#define ENTRIES (1u << (WINDOW_BITS - 1)) /* of a window: two registers, one permutation picks */
#define BASE_U 9u                         /* RFC 7748 4.1 */

/* On the other curve, in extended coordinates: x = X / Z, y = Y / Z, T = X Y / Z. */
struct point {
	struct product x, y, z, t;
};

/* A point to add: (y + x) / 2, (y - x) / 2, d x y. The halves save a doubling of Z. */
struct addend {
	struct fe plus, minus, dxy;
};

/* Everything secret. */
struct scratch {
	__m512i scalar[WORDS], out[WORDS];
	struct fe x1, a, b, c, d;
	struct product x2, z2, x3, z3, p, q, r, s;
	struct point sum;
	struct addend addend;
};

struct x25519 {
	_Alignas(64) uint64_t table[WINDOWS][3 * LIMBS][ENTRIES];
	struct scratch scratch;
};

static_assert(ENTRIES == 2 * LANES, "a permutation of two registers");
static_assert(sizeof(struct addend) == 3 * LIMBS * sizeof(__m512i), "as it lies in the table");

static void constant(struct fe *out, const uint64_t v[WORDS])
{
	__m512i w[WORDS];

	for (uint32_t i = 0; i < WORDS; i++)
		w[i] = _mm512_set1_epi64((int64_t)v[i]);
	from_words(out, w);
}

static const uint64_t one[WORDS] = {1}, base_u[WORDS] = {BASE_U};

/* ---- 1 / x = x^(p - 2): 254 squares and 11 products ---- */

/* x^(2^squares) y */
static void raise(struct product *x, uint32_t squares, const struct fe *y)
{
	for (uint32_t i = 0; i < squares; i++)
		square(x, settled(x));
	multiply(x, settled(x), y);
}

/* An exponent of n ones becomes one of 2 n. */
static void raise_twice(struct product *x, uint32_t n, struct fe *kept)
{
	*kept = *settled(x);
	raise(x, n, kept);
}

/* s->p = 1 / s->a. Uses b, c, d. */
static void invert(struct scratch *s)
{
	struct product *x = &s->p;

	square(&s->q, &s->a);
	*x = s->q;
	raise(x, 2, &s->a);
	s->d = *settled(x); /* 9 */
	multiply(x, settled(&s->q), &s->d);
	s->c = *settled(x); /* 11 */
	raise(x, 1, &s->d); /* 31: five ones */
	raise_twice(x, 5, &s->b);
	s->d = *settled(x);
	raise_twice(x, 10, &s->b);
	raise_twice(x, 20, &s->b);
	raise(x, 10, &s->d); /* fifty */
	s->d = *settled(x);
	raise_twice(x, 50, &s->b);
	raise_twice(x, 100, &s->b);
	raise(x, 50, &s->d);
	raise(x, 5, &s->c); /* 250 ones, 01011 */
}

/* ---- agreements ---- */

/* RFC 7748 5, the names are its own. swap: lanes whose points have changed places. Neighbours among
 * the products do not depend on each other, as far as possible. */
static HF_NOINLINE void ladder_step(struct scratch *s, __mmask8 swap)
{
	struct product *aa = &s->r, *bb = &s->s;

	sum(&s->a, &s->x2, &s->z2);
	difference(&s->b, &s->x2, &s->z2);
	sum(&s->c, &s->x3, &s->z3);
	difference(&s->d, &s->x3, &s->z3);
	multiply(&s->p, &s->d, &s->a);
	multiply(&s->q, &s->c, &s->b);
	choose(&s->a, swap, &s->a, &s->c);
	choose(&s->b, swap, &s->b, &s->d);
	square(aa, &s->a);
	square(bb, &s->b);
	difference(&s->a, &s->p, &s->q);
	square(&s->z3, &s->a);
	difference(&s->c, aa, bb);
	add_a24(&s->d, aa, &s->c);
	multiply(&s->z2, &s->c, &s->d);
	sum(&s->b, &s->p, &s->q);
	square(&s->x3, &s->b);
	multiply(&s->z3, &s->x1, settled(&s->z3));
	multiply(&s->x2, settled(aa), settled(bb));
}

/* s->x2 / s->z2 = s->scalar times the point whose u is s->x1. */
static void ladder(struct scratch *s)
{
	__mmask8 was = 0;

	constant(&s->x2.v, one);
	s->z3 = s->x2;
	difference(&s->z2.v, &s->x2, &s->x2);
	s->x3.v = s->x1;
	for (uint32_t bit = 255; bit-- > 0;) {
		__mmask8 is = _mm512_test_epi64_mask(
			s->scalar[bit / 64], _mm512_set1_epi64((int64_t)(1ull << bit % 64)));

		ladder_step(s, (__mmask8)(is ^ was));
		was = is;
	}
	choose(&s->a, was, settled(&s->z2), settled(&s->z3));
	choose(&s->x1, was, settled(&s->x2), settled(&s->x3));
	invert(s);
	multiply(&s->q, &s->x1, settled(&s->p));
	to_words(s->out, &s->q);
}

/* ---- key pairs ---- */

/* p += q. last: T is not wanted. */
static HF_NOINLINE void add(struct scratch *s, const struct addend *q, bool last)
{
	struct point *p = &s->sum;

	difference(&s->a, &p->y, &p->x);
	sum(&s->b, &p->y, &p->x);
	multiply(&s->p, &s->a, &q->minus);
	multiply(&s->q, &s->b, &q->plus);
	multiply(&s->r, settled(&p->t), &q->dxy);
	difference(&s->a, &s->q, &s->p);
	sum(&s->b, &s->q, &s->p);
	difference(&s->c, &p->z, &s->r);
	sum(&s->d, &p->z, &s->r);
	multiply(&p->x, &s->a, &s->c);
	multiply(&p->y, &s->b, &s->d);
	multiply(&p->z, &s->c, &s->d);
	if (!last)
		multiply(&p->t, &s->a, &s->b);
}

/* p = q, to begin with. */
static void start(struct scratch *s, const struct addend *q)
{
	struct point *p = &s->sum;

	s->p.v = q->plus;
	s->q.v = q->minus;
	difference(&s->a, &s->p, &s->q);
	sum(&s->b, &s->p, &s->q);
	constant(&s->c, one);
	multiply(&p->x, &s->a, &s->c);
	multiply(&p->y, &s->b, &s->c);
	multiply(&p->t, &s->a, &s->b);
	p->z.v = s->c;
}

/* Bits from..from + WINDOW_BITS of the scalar. */
INLINE __m512i window(const struct scratch *s, uint32_t from)
{
	uint32_t word = from / 64, shift = from % 64;
	__m512i v = _mm512_srl_epi64(s->scalar[word], _mm_cvtsi32_si128((int)shift));

	if (shift > 64 - WINDOW_BITS && word + 1 < WORDS)
		v = _mm512_or_si512(v, _mm512_sll_epi64(s->scalar[word + 1],
					       _mm_cvtsi32_si128((int)(64 - shift))));
	return _mm512_and_si512(v, _mm512_set1_epi64((1 << WINDOW_BITS) - 1));
}

/* s->addend = digit 2 u - 31 of window i, u in 0 .. 31. */
static HF_NOINLINE void look_up(struct x25519 *c, uint32_t i, __m512i u)
{
	const __m512i half = _mm512_set1_epi64(ENTRIES);
	__mmask8 minus = _mm512_cmplt_epi64_mask(u, half);
	__m512i index = _mm512_mask_sub_epi64(
		_mm512_sub_epi64(u, half), minus, _mm512_set1_epi64(ENTRIES - 1), u);
	struct addend *q = &c->scratch.addend;
	struct fe picked[3];

#pragma GCC unroll 18
	for (uint32_t l = 0; l < 3 * LIMBS; l++)
		picked[l / LIMBS].limb[l % LIMBS] =
			bits_limb(_mm512_permutex2var_epi64(_mm512_load_si512(c->table[i][l]),
				index, _mm512_load_si512(c->table[i][l] + LANES)));
	choose(&q->plus, minus, &picked[0], &picked[1]);
	choose(&q->minus, minus, &picked[1], &picked[0]);
	negate(&q->dxy, minus, &picked[2]);
}

/* s->out = the u of 2 s->scalar + 1 times the base point. In the top window the digit is 2 u + 1. */
static void comb(struct x25519 *c)
{
	struct scratch *s = &c->scratch;
	const uint32_t top = WINDOWS - 1;

	look_up(c, 0, window(s, 0));
	start(s, &s->addend);
	for (uint32_t i = 1; i < top; i++) {
		look_up(c, i, window(s, i * WINDOW_BITS));
		add(s, &s->addend, false);
	}
	look_up(c, top, _mm512_add_epi64(window(s, top * WINDOW_BITS), _mm512_set1_epi64(ENTRIES)));
	add(s, &s->addend, true);
	sum(&s->x1, &s->sum.z, &s->sum.y); /* u = (1 + y) / (1 - y) */
	difference(&s->a, &s->sum.z, &s->sum.y);
	invert(s);
	multiply(&s->q, &s->x1, settled(&s->p));
	to_words(s->out, &s->q);
}

/* ---- the table, made at start ---- */

/* RFC 7748 4.1: d, the base point. */
static const uint64_t curve_d[WORDS] = {
	0x75eb4dca135978a3, 0x00700a4d4141d8ab, 0x8cc740797779e898, 0x52036cee2b6ffe73};
static const uint64_t half[WORDS] = {/* 1 / 2 mod p */
	0xfffffffffffffff7, 0xffffffffffffffff, 0xffffffffffffffff, 0x3fffffffffffffff};
static const uint64_t base_x[WORDS] = {
	0xc9562d608f25d51a, 0x692cc7609525a7b2, 0xc0a4e231fdd6dc5c, 0x216936d3cd6e53fe};
static const uint64_t base_y[WORDS] = {
	0x6666666666666658, 0x6666666666666666, 0x6666666666666666, 0x6666666666666666};

/* q = p, of which s->sum has T, too. */
static void addend_of(struct scratch *s, struct addend *q)
{
	const struct point *p = &s->sum;
	struct fe k;

	s->p = p->z;
	s->a = *settled(&s->p);
	invert(s);
	s->c = *settled(&s->p);
	s->p = p->x;
	multiply(&s->r, settled(&s->p), &s->c);
	s->p = p->y;
	multiply(&s->s, settled(&s->p), &s->c);
	constant(&k, half);
	sum(&s->a, &s->s, &s->r);
	multiply(&s->p, &s->a, &k);
	q->plus = *settled(&s->p);
	difference(&s->a, &s->s, &s->r);
	multiply(&s->p, &s->a, &k);
	q->minus = *settled(&s->p);
	constant(&k, curve_d);
	multiply(&s->p, settled(&s->r), settled(&s->s));
	multiply(&s->q, settled(&s->p), &k);
	q->dxy = *settled(&s->q);
}

static void entry_put(
	struct x25519 *c, uint32_t first_window, uint32_t entry, const struct addend *q)
{
	const struct fe *coordinate = &q->plus;

	for (uint32_t l = 0; l < 3 * LIMBS; l++) {
		_Alignas(64) uint64_t lane[LANES];

		_mm512_store_si512(lane, limb_bits(coordinate[l / LIMBS].limb[l % LIMBS]));
		for (uint32_t i = 0; i < LANES && first_window + i < WINDOWS; i++)
			c->table[first_window + i][l][entry] = lane[i];
	}
}

/* The points 2^(5 i) B, each in the lane of its window. All lanes compute the same. */
static void windows_make(struct scratch *s, struct addend *base)
{
	struct addend q;

	constant(&s->a, base_x);
	constant(&s->b, base_y);
	constant(&s->sum.z.v, one);
	multiply(&s->sum.t, &s->a, &s->b);
	s->sum.x.v = s->a;
	s->sum.y.v = s->b;
	for (uint32_t w = 0; w < WINDOWS; w++) {
		struct addend *b = &base[w / LANES];
		__mmask8 from_here = (__mmask8)(0xff << w % LANES);

		addend_of(s, &q);
		choose(&b->plus, from_here, &b->plus, &q.plus);
		choose(&b->minus, from_here, &b->minus, &q.minus);
		choose(&b->dxy, from_here, &b->dxy, &q.dxy);
		for (uint32_t i = 0; i < WINDOW_BITS; i++) {
			add(s, &q, false);
			addend_of(s, &q);
		}
	}
}

/* Their odd multiples, for as many windows as there are lanes. */
static void table_make(struct x25519 *c)
{
	struct scratch *s = &c->scratch;
	struct addend base[WINDOWS / LANES + 1], twice, q;

	memset(base, 0, sizeof(base));
	windows_make(s, base);
	for (uint32_t w = 0; w < WINDOWS; w += LANES) {
		q = base[w / LANES];
		start(s, &q);
		add(s, &q, false);
		addend_of(s, &twice);
		start(s, &q);
		for (uint32_t entry = 0; entry < ENTRIES; entry++) {
			entry_put(c, w, entry, &q);
			add(s, &twice, false);
			addend_of(s, &q);
		}
	}
}

/* The number whose windows are all u; of the uppermost, 4 bits are in use. */
static void scalar_of_windows(uint64_t k[WORDS], uint32_t u)
{
	memset(k, 0, WORDS * sizeof(*k));
	for (uint32_t bit = 0; bit < 254; bit++)
		k[bit / 64] |= (uint64_t)(u >> bit % WINDOW_BITS & 1) << bit % 64;
}

/* Every entry, with either sign, against the ladder, which has no table. */
static bool table_is_right(struct x25519 *c)
{
	struct scratch *s = &c->scratch;
	_Alignas(64) uint64_t scalar[2][WORDS][LANES], got[2][WORDS][LANES];

	for (uint32_t u = 0; u < 2 * ENTRIES; u += LANES) {
		for (uint32_t lane = 0; lane < LANES; lane++) {
			uint64_t k[WORDS];

			scalar_of_windows(k, u + lane);
			for (uint32_t i = 0; i < WORDS; i++) {
				scalar[0][i][lane] = k[i];
				scalar[1][i][lane] = k[i] << 1 | (i ? k[i - 1] >> 63 : 1);
			}
		}
		memcpy(s->scalar, scalar[0], sizeof(scalar[0]));
		comb(c);
		memcpy(got[0], s->out, sizeof(got[0]));
		memcpy(s->scalar, scalar[1], sizeof(scalar[1]));
		constant(&s->x1, base_u);
		ladder(s);
		memcpy(got[1], s->out, sizeof(got[1]));
		if (memcmp(got[0], got[1], sizeof(got[0])) != 0)
			return false;
	}
	return true;
}

/* ---- the engine ---- */

static size_t size(void)
{
	return sizeof(struct x25519);
}

static int lanes_init(struct x25519 *c)
{
	table_make(c);
	return table_is_right(c) ? 0 : -1;
}

static void fini(void *ctx)
{
	struct x25519 *c = ctx;

	hf_wipe(&c->scratch, sizeof(c->scratch));
}

static bool takes_ec(void *ctx, enum hf_ec_kind kind, enum hf_group group)
{
	(void)ctx;
	return group == HF_GROUP_X25519 && kind != HF_EC_SIGN;
}

/* 32 bytes of each operation, little endian; of lanes without one, whatever is given instead. */
static void words_in(__m512i w[WORDS], const uint8_t *const byte[LANES])
{
	_Alignas(64) uint64_t lane[WORDS][LANES];

	for (uint32_t i = 0; i < WORDS; i++)
		for (uint32_t l = 0; l < LANES; l++)
			memcpy(&lane[i][l], byte[l] + i * sizeof(uint64_t), sizeof(uint64_t));
	memcpy(w, lane, sizeof(lane));
	hf_wipe(lane, sizeof(lane));
}

/* The results, and which of them are zero (RFC 7748 6.1). */
static void words_out(const __m512i w[WORDS], struct hf_ec_op *ops, uint32_t cnt)
{
	_Alignas(64) uint64_t lane[WORDS][LANES];

	memcpy(lane, w, sizeof(lane));
	for (uint32_t l = 0; l < cnt; l++) {
		uint64_t any = 0;

		for (uint32_t i = 0; i < WORDS; i++) {
			memcpy(ops[l].out + i * sizeof(uint64_t), &lane[i][l], sizeof(uint64_t));
			any |= lane[i][l];
		}
		ops[l].out_len = BYTES;
		ops[l].status =
			(int)(hf_ct_is_zero((uint32_t)(any | any >> 32)) & (uint32_t)HF_EC_REFUSED);
		hf_ct_reveal(&ops[l].status, sizeof(ops[l].status));
	}
	hf_wipe(lane, sizeof(lane));
}

/* RFC 7748 5, decodeScalar25519. */
static void clamp(__m512i k[WORDS])
{
	const __m512i low = _mm512_set1_epi64(7), high = _mm512_set1_epi64(INT64_MIN);

	k[0] = _mm512_andnot_si512(low, k[0]);
	k[3] = _mm512_andnot_si512(high, k[3]);
	k[3] = _mm512_or_si512(k[3], _mm512_set1_epi64(1ll << 62));
}

/* k becomes (k - 3 L) >> 1: 3 L is below 2^254, which is the least k. */
static void recode(__m512i k[WORDS])
{
	static const uint64_t order_3[WORDS] = {
		0x0837294f16e17bc7, 0x3e9ced9be8e6d683, 0, 0x3000000000000000};
	__m512i borrow = _mm512_setzero_si512();

	for (uint32_t i = 0; i < WORDS; i++) {
		__m512i v = _mm512_set1_epi64((int64_t)order_3[i]), was = k[i];
		__mmask8 less = _mm512_cmplt_epu64_mask(was, v);
		__m512i t = _mm512_sub_epi64(was, v);

		less |= _mm512_cmplt_epu64_mask(t, borrow);
		k[i] = _mm512_sub_epi64(t, borrow);
		borrow = _mm512_maskz_set1_epi64(less, 1);
	}
	for (uint32_t i = 0; i < WORDS; i++) {
		__m512i v = _mm512_srli_epi64(k[i], 1);

		if (i + 1 < WORDS)
			v = _mm512_or_si512(v, _mm512_slli_epi64(k[i + 1], 63));
		k[i] = v;
	}
}

/* Idle lanes multiply the base point by 2^254. */
static void lanes_ec(struct x25519 *c, struct hf_ec_op *ops, uint32_t cnt)
{
	static const uint8_t idle_scalar[BYTES], idle_u[BYTES] = {BASE_U};
	const uint8_t *scalar[LANES], *u[LANES];
	struct scratch *s = &c->scratch;

	for (uint32_t l = 0; l < LANES; l++) {
		scalar[l] = l < cnt ? ops[l].scalar : idle_scalar;
		u[l] = l < cnt && ops[l].kind == HF_EC_MULTIPLY ? ops[l].in : idle_u;
	}
	words_in(s->scalar, scalar);
	clamp(s->scalar);
	if (ops[0].kind == HF_EC_BASE) {
		recode(s->scalar);
		comb(c);
	} else {
		words_in(s->out, u);
		s->out[3] = _mm512_and_si512(s->out[3], _mm512_set1_epi64(INT64_MAX));
		from_words(&s->x1, s->out);
		ladder(s);
	}
	words_out(s->out, ops, cnt);
	hf_wipe(s, sizeof(*s));
}

#endif
