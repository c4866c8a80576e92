/* p256_lanes_avx512f.h -- multiples of points and signatures in eight lanes, over a field that the
 * including kernel brings along (see p256_point.h), with besides
 *   fe_integers, fe_of_integers  its limbs as signed integers and back
 *   fe_bits, fe_of_bits          a limb as the 64 bits it lies in memory as, and back
 *   fe_choose(r, where, a)       r = a in some lanes
 *   fn_mul                       products modulo the order n, with the same factor R
 *   LIMBS of LIMB_BITS; BELOW_ZERO: how many times its modulus a product may be below 0
 *   and the constants named field_ and order_, those that depend on R.
 *
 * A multiplier is made odd, k or n - k, and cut into digits that are odd as well, between -127 and
 * 127 (-31 and 31): 2 u - 127, u being bits of k/2. So no digit is zero, and nothing depends on where
 * zeros are. For the base point there is a table for each digit, and no doubling. It is the same for
 * all lanes, so it stands still: each lane picks its entry by permuting registers that all of them
 * have loaded, seven instructions for one of 64 numbers. A peer's point has a table for each lane,
 * which is read as a whole. */
#ifndef HF_DRIVERS_PK_P256_LANES_AVX512F_H
#define HF_DRIVERS_PK_P256_LANES_AVX512F_H

#include <immintrin.h>
#include "drivers/pk/invert.h"
#include "drivers/pk/p256.h"
#include "drivers/pk/p256_point.h"

#define WINDOWS ((int)HF_P256_WINDOWS)
#define WINDOW_BITS ((int)HF_P256_WINDOW_BITS)
#define ENTRIES ((int)HF_P256_ENTRIES)
#define PEER_WINDOWS 51 /* of 5 bits */
#define PEER_BITS 5
#define PEER_ENTRIES 16

/* SEC 2, 2.4.2. */
static const uint64_t field_p[4] = {
	0xffffffffffffffff, 0x00000000ffffffff, 0x0000000000000000, 0xffffffff00000001};
static const uint64_t order_n[4] = {
	0xf3b9cac2fc632551, 0xbce6faada7179e84, 0xffffffffffffffff, 0xffffffff00000000};
static const uint64_t base_x[4] = {
	0xf4a13945d898c296, 0x77037d812deb33a0, 0xf8bce6e563a440f2, 0x6b17d1f2e12c4247};
static const uint64_t base_y[4] = {
	0xcbb6406837bf51f5, 0x2bce33576b315ece, 0x8ee7eb4a7c0f9e16, 0x4fe342e2fe1a7f9b};

static_assert(WINDOW_BITS * (HF_P256_WINDOWS - 1) == 252, "the last window has three bits of k/2");
static_assert(PEER_BITS * PEER_WINDOWS == 255, "k/2 fits the windows");

/* ---- numbers of 256 bits, as they are ---- */

INLINE void words_load(struct words *w, const struct hf_lanes *x)
{
	for (int i = 0; i < 4; i++)
		w->v[i] = _mm512_load_si512(x->word[i]);
}

INLINE void words_store(struct hf_lanes *x, const struct words *w)
{
	for (int i = 0; i < 4; i++)
		_mm512_store_si512(x->word[i], w->v[i]);
}

INLINE void words_all(struct words *w, const uint64_t x[4])
{
	for (int i = 0; i < 4; i++)
		w->v[i] = _mm512_set1_epi64((long long)x[i]);
}

/* a - b; the lanes where that is negative. */
INLINE lanes words_minus(struct words *r, const struct words *a, const struct words *b)
{
	const __m512i one = _mm512_set1_epi64(1);
	lanes borrow = 0;

	for (int i = 0; i < 4; i++) {
		__m512i d = _mm512_sub_epi64(a->v[i], b->v[i]);
		lanes below = _mm512_cmplt_epu64_mask(a->v[i], b->v[i]);

		below |= _mm512_mask_cmpeq_epi64_mask(borrow, d, _mm512_setzero_si512());
		r->v[i] = _mm512_mask_sub_epi64(d, borrow, d, one);
		borrow = below;
	}
	return borrow;
}

INLINE void words_choose(
	struct words *r, lanes where, const struct words *yes, const struct words *no)
{
	for (int i = 0; i < 4; i++)
		r->v[i] = _mm512_mask_mov_epi64(no->v[i], where, yes->v[i]);
}

/* x < 2 m becomes x mod m. */
INLINE void words_reduce(struct words *x, const uint64_t m[4])
{
	struct words d;

	words_all(&d, m);
	words_choose(x, words_minus(&d, x, &d), x, &d);
}

INLINE lanes words_equal(const struct words *a, const struct words *b)
{
	__m512i diff = _mm512_setzero_si512();

	for (int i = 0; i < 4; i++)
		diff = _mm512_or_si512(diff, _mm512_xor_si512(a->v[i], b->v[i]));
	return _mm512_cmpeq_epi64_mask(diff, _mm512_setzero_si512());
}

INLINE lanes words_zero(const struct words *a)
{
	const struct words zero = {{_mm512_setzero_si512(), _mm512_setzero_si512(),
		_mm512_setzero_si512(), _mm512_setzero_si512()}};

	return words_equal(a, &zero);
}

/* ---- elements of the field, or numbers modulo n ---- */

INLINE uint64_t limb(const uint64_t x[4], int i)
{
	int word = i * LIMB_BITS / 64, shift = i * LIMB_BITS % 64;
	uint64_t v = x[word] >> shift;

	if (shift + LIMB_BITS > 64 && word < 3)
		v |= x[word + 1] << (64 - shift);
	return v & ((1ull << LIMB_BITS) - 1);
}

INLINE void carry(__m512i d[LIMBS])
{
	for (int i = 0; i + 1 < LIMBS; i++) {
		d[i + 1] = _mm512_add_epi64(d[i + 1], _mm512_srai_epi64(d[i], LIMB_BITS));
		d[i] = _mm512_and_si512(d[i], _mm512_set1_epi64((1ll << LIMB_BITS) - 1));
	}
}

INLINE void add_times(__m512i r[LIMBS], const __m512i d[LIMBS], int times, const uint64_t m[4])
{
	for (int i = 0; i < LIMBS; i++)
		r[i] = _mm512_add_epi64(d[i], _mm512_set1_epi64(times * (long long)limb(m, i)));
	carry(r);
}

static void fe_from(fe *r, const struct words *x)
{
	const __m512i mask = _mm512_set1_epi64((1ll << LIMB_BITS) - 1);
	__m512i d[LIMBS];

	for (int i = 0; i < LIMBS; i++) {
		int word = i * LIMB_BITS / 64, shift = i * LIMB_BITS % 64;

		d[i] = _mm512_srli_epi64(x->v[word], (unsigned)shift);
		if (shift + LIMB_BITS > 64 && word < 3)
			d[i] = _mm512_or_si512(
				d[i], _mm512_slli_epi64(x->v[word + 1], (unsigned)(64 - shift)));
		d[i] = _mm512_and_si512(d[i], mask);
	}
	fe_of_integers(r, d);
}

/* a, anything within 4 m from -BELOW_ZERO m on, to 0 .. m - 1. */
static void fe_to(struct words *x, const fe *a, const uint64_t m[4])
{
	__m512i d[LIMBS], less[LIMBS];

	fe_integers(d, a);
	add_times(d, d, BELOW_ZERO, m);
	for (int times = 2; times > 0; times--) {
		lanes below;

		add_times(less, d, -times, m);
		below = _mm512_cmplt_epi64_mask(less[LIMBS - 1], _mm512_setzero_si512());
		for (int i = 0; i < LIMBS; i++)
			d[i] = _mm512_mask_mov_epi64(less[i], below, d[i]);
	}
	for (int i = 0; i < 4; i++)
		x->v[i] = _mm512_setzero_si512();
	for (int i = 0; i < LIMBS; i++) {
		int word = i * LIMB_BITS / 64, shift = i * LIMB_BITS % 64;

		x->v[word] = _mm512_or_si512(x->v[word], _mm512_slli_epi64(d[i], (unsigned)shift));
		if (shift + LIMB_BITS > 64 && word < 3)
			x->v[word + 1] = _mm512_or_si512(
				x->v[word + 1], _mm512_srli_epi64(d[i], (unsigned)(64 - shift)));
	}
}

static void fe_constant(fe *r, const uint64_t x[4])
{
	struct words w;

	words_all(&w, x);
	fe_from(r, &w);
}

static void fe_enter(fe *r, const struct words *x)
{
	fe r2;

	fe_constant(&r2, field_r2);
	fe_from(r, x);
	fe_mul(r, r, &r2);
}

static void fe_leave(struct words *x, const fe *a)
{
	static const uint64_t one[4] = {1};
	fe r;

	fe_constant(&r, one);
	fe_mul(&r, a, &r);
	fe_to(x, &r, field_p);
}

/* The same number modulo p. */
static lanes fe_same(const fe *a, const fe *b)
{
	struct words x, y;

	fe_to(&x, a, field_p);
	fe_to(&y, b, field_p);
	return words_equal(&x, &y);
}

/* ---- points ---- */

/* Where p is a point of the curve, or at infinity. */
static lanes point_on_curve(const struct point *p)
{
	fe left, right, b;

	fe_constant(&b, field_b);
	point_equation(&left, &right, p, &b);
	return fe_same(&left, &right);
}

/* The lanes where p is not the point at infinity. */
static lanes point_finite(const struct point *p)
{
	struct words z;

	fe_to(&z, &p->z, field_p);
	return (lanes)~words_zero(&z);
}

static void inverse_begin(struct hf_lanes *z, const struct point *p)
{
	struct words w;

	fe_to(&w, &p->z, field_p);
	words_store(z, &w);
}

/* x and y (NULL: not wanted) from a point and the inverse of its z as it is stored: 1/(z R). The lanes
 * where that was the inverse. */
static lanes affine(
	struct words *x, struct words *y, const struct point *p, const struct hf_lanes *inverse)
{
	struct words w;
	fe i, r3, t, one;

	words_load(&w, inverse);
	fe_from(&i, &w);
	fe_constant(&r3, field_r3);
	fe_mul(&i, &i, &r3);
	fe_square(&t, &i);
	fe_mul(&r3, &p->x, &t);
	fe_leave(x, &r3);
	if (y) {
		fe_mul(&t, &t, &i);
		fe_mul(&t, &t, &p->y);
		fe_leave(y, &t);
	}
	fe_mul(&t, &i, &p->z);
	fe_constant(&one, field_one);
	return fe_same(&t, &one);
}

static lanes point_affine(struct words *x, struct words *y, const struct point *p)
{
	struct hf_lanes z;

	inverse_begin(&z, p);
	hf_invert_avx512f(&z, &hf_invert_p256);
	return affine(x, y, p, &z);
}

static void point_set(struct point *p, const struct words *x, const struct words *y)
{
	fe_enter(&p->x, x);
	fe_enter(&p->y, y);
	fe_constant(&p->z, field_one);
}

/* ---- digits ---- */

/* half = k/2, or (n - k)/2 where k is even: those lanes are returned. */
static lanes make_odd(struct words *half, const struct words *k)
{
	struct words n;
	lanes even = _mm512_testn_epi64_mask(k->v[0], _mm512_set1_epi64(1));

	words_all(&n, order_n);
	(void)words_minus(&n, &n, k);
	words_choose(&n, even, &n, k);
	for (int i = 0; i < 4; i++) {
		half->v[i] = _mm512_srli_epi64(n.v[i], 1);
		if (i < 3)
			half->v[i] = _mm512_or_si512(half->v[i], _mm512_slli_epi64(n.v[i + 1], 63));
	}
	return even;
}

INLINE __m512i bits(const struct words *x, int from, int cnt)
{
	int word = from / 64, shift = from % 64;
	__m512i v = _mm512_srl_epi64(x->v[word], _mm_cvtsi32_si128(shift));

	if (shift + cnt > 64 && word < 3)
		v = _mm512_or_si512(
			v, _mm512_sll_epi64(x->v[word + 1], _mm_cvtsi32_si128(64 - shift)));
	return _mm512_and_si512(v, _mm512_set1_epi64((1ll << cnt) - 1));
}

/* Of the digit 2 u - 2^cnt + 1: where it is negative, and (|digit| - 1) / 2. */
INLINE lanes digit(__m512i *at, __m512i u, int cnt)
{
	const __m512i upper = _mm512_set1_epi64(1ll << (cnt - 1));
	const __m512i lower = _mm512_set1_epi64((1ll << (cnt - 1)) - 1);
	lanes negative = _mm512_testn_epi64_mask(u, upper);

	*at = _mm512_and_si512(_mm512_mask_xor_epi64(u, negative, u, _mm512_set1_epi64(-1)), lower);
	return negative;
}

/* ---- the base point ---- */

/* One of 64 numbers in each lane. */
INLINE __m512i pick(const uint64_t *t, __m512i at, lanes bit4, lanes bit5)
{
	__m512i q[4];

	for (int i = 0; i < 4; i++)
		q[i] = _mm512_permutex2var_epi64(
			_mm512_load_si512(t + 16 * i), at, _mm512_load_si512(t + 16 * i + 8));
	return _mm512_mask_mov_epi64(_mm512_mask_mov_epi64(q[0], bit4, q[1]), bit5,
		_mm512_mask_mov_epi64(q[2], bit4, q[3]));
}

static HF_NOINLINE void base_entry(
	fe *x, fe *y, const struct hf_p256_table *table, int window, __m512i at)
{
	lanes bit4 = _mm512_test_epi64_mask(at, _mm512_set1_epi64(16));
	lanes bit5 = _mm512_test_epi64_mask(at, _mm512_set1_epi64(32));

	for (int i = 0; i < LIMBS; i++) {
		x->v[i] = fe_of_bits(pick(table->limb[window][i], at, bit4, bit5));
		y->v[i] = fe_of_bits(pick(table->limb[window][LIMBS + i], at, bit4, bit5));
	}
}

static void base_multiply(struct point *p, const struct hf_p256_table *table, const struct words *k)
{
	struct words half;
	lanes even = make_odd(&half, k), negative;
	__m512i at;
	fe x, y;

	negative = digit(&at, bits(&half, 0, WINDOW_BITS), WINDOW_BITS);
	base_entry(&p->x, &p->y, table, 0, at);
	fe_constant(&p->z, field_one);
	fe_negate(&p->y, &p->y, negative);
	fe_tidy(&p->y, 2);
	for (int i = 1; i < WINDOWS - 1; i++) {
		negative = digit(&at, bits(&half, WINDOW_BITS * i, WINDOW_BITS), WINDOW_BITS);
		base_entry(&x, &y, table, i, at);
		point_add_affine(p, &x, &y, negative);
	}
	base_entry(&x, &y, table, WINDOWS - 1, bits(&half, 252, 3));
	point_add_affine(p, &x, &y, 0);
	fe_negate(&p->y, &p->y, even);
	fe_tidy(&p->y, 2);
}

/* Windows first .. first + 7 of the table, one in each lane: all odd multiples one after the other. */
static void table_windows(struct hf_p256_table *t, const struct point *from, int first)
{
	struct point p = *from, twice = *from;
	struct words x, y;
	fe c[2];
	_Alignas(64) uint64_t limb[HF_LANES];

	point_double(&twice);
	for (int e = 0; e < ENTRIES; e++) {
		(void)point_affine(&x, &y, &p);
		fe_enter(&c[0], &x);
		fe_enter(&c[1], &y);
		for (int i = 0; i < 2 * LIMBS; i++) {
			_mm512_store_si512(limb, fe_bits(c[i / LIMBS].v[i % LIMBS]));
			for (int lane = 0; lane < 8 && first + lane < WINDOWS; lane++)
				t->limb[first + lane][i][e] = limb[lane];
		}
		point_add(&p, &twice, 0);
	}
}

static void make_table(struct hf_p256_table *t)
{
	struct point p, start;
	struct words x, y;

	words_all(&x, base_x);
	words_all(&y, base_y);
	point_set(&p, &x, &y);
	for (int window = 0; window < HF_ROUND_UP(WINDOWS, 8); window++) {
		lanes lane = (lanes)(window % 8 ? 1 << window % 8 : 0xff);

		fe_choose(&start.x, lane, &p.x);
		fe_choose(&start.y, lane, &p.y);
		fe_choose(&start.z, lane, &p.z);
		if (window % 8 == 7)
			table_windows(t, &start, window - 7);
		for (int i = 0; i < WINDOW_BITS; i++)
			point_double(&p);
	}
}

static struct hf_p256_verdict base(const struct hf_p256_table *t, struct hf_lanes *x,
	struct hf_lanes *y, const struct hf_lanes *k)
{
	struct words kw, xw, yw;
	struct point p;
	lanes right;

	words_load(&kw, k);
	base_multiply(&p, t, &kw);
	right = point_on_curve(&p) & point_affine(&xw, &yw, &p);
	words_store(x, &xw);
	words_store(y, &yw);
	return (struct hf_p256_verdict){.valid = 0xff, .there = point_finite(&p), .right = right};
}

/* ---- any other point ---- */

/* All entries are read, and the one is kept whose turn it is. */
static HF_NOINLINE void peer_entry(struct point *q, const struct point *table, __m512i at)
{
	for (int i = 0; i < 3 * LIMBS; i++)
		((vec *)q)[i] = ((const vec *)table)[i];
	for (int e = 1; e < PEER_ENTRIES; e++) {
		lanes is = _mm512_cmpeq_epi64_mask(at, _mm512_set1_epi64(e));

		fe_choose(&q->x, is, &table[e].x);
		fe_choose(&q->y, is, &table[e].y);
		fe_choose(&q->z, is, &table[e].z);
	}
}

static void peer_multiply(struct point *p, const struct words *k)
{
	struct point table[PEER_ENTRIES], q, twice = *p;
	struct words half;
	lanes even = make_odd(&half, k), negative;
	__m512i at;

	point_double(&twice);
	table[0] = *p;
	for (int e = 1; e < PEER_ENTRIES; e++) {
		table[e] = table[e - 1];
		point_add(&table[e], &twice, 0);
	}
	*p = table[0]; /* 2^255, which the digits fall short of */
	for (int i = PEER_WINDOWS - 1; i >= 0; i--) {
		for (int j = 0; j < PEER_BITS; j++)
			point_double(p);
		negative = digit(&at, bits(&half, PEER_BITS * i, PEER_BITS), PEER_BITS);
		peer_entry(&q, table, at);
		point_add(p, &q, negative);
	}
	fe_negate(&p->y, &p->y, even);
	fe_tidy(&p->y, 2);
	hf_wipe(table, sizeof(table));
}

static struct hf_p256_verdict multiply(
	struct hf_lanes *x, struct hf_lanes *y, const struct hf_lanes *k)
{
	struct hf_p256_verdict verdict;
	struct words kw, xw, yw, p_words, ignored;
	struct point p;
	lanes right;

	words_load(&kw, k);
	words_load(&xw, x);
	words_load(&yw, y);
	words_all(&p_words, field_p);
	verdict.valid = words_minus(&ignored, &xw, &p_words) & words_minus(&ignored, &yw, &p_words);
	point_set(&p, &xw, &yw);
	verdict.valid &= point_on_curve(&p);
	peer_multiply(&p, &kw);
	verdict.there = point_finite(&p);
	right = point_on_curve(&p);
	verdict.right = right & point_affine(&xw, &yw, &p);
	words_store(x, &xw);
	words_store(y, &yw);
	return verdict;
}

/* ---- signatures: modulo n ---- */

/* k = hash mod n. */
static void nonce(struct words *k, const struct hf_lanes hash[2])
{
	struct words w;
	fe low, high, c;

	words_load(&w, &hash[0]);
	fe_from(&low, &w);
	fe_constant(&c, order_one);
	fn_mul(&low, &low, &c);
	words_load(&w, &hash[1]);
	fe_from(&high, &w);
	fe_constant(&c, order_2_256);
	fn_mul(&high, &high, &c);
	fe_plus(&low, &low, 1, &high);
	fe_to(k, &low, order_n);
}

/* s k = z + r d, computed anew from the numbers that go out. */
static lanes signature_right(const struct words *r, const struct words *s, const struct words *k,
	const struct words *z, const struct words *d)
{
	struct words left, right;
	fe a, b, c;

	fe_constant(&c, order_r2);
	fe_from(&a, s);
	fe_from(&b, k);
	fn_mul(&b, &b, &c);
	fn_mul(&a, &a, &b);
	fe_to(&left, &a, order_n);
	fe_from(&a, r);
	fe_from(&b, d);
	fn_mul(&b, &b, &c);
	fn_mul(&a, &a, &b);
	fe_from(&b, z);
	fe_plus(&a, &a, 1, &b);
	fe_to(&right, &a, order_n);
	return words_equal(&left, &right);
}

static struct hf_p256_verdict sign(const struct hf_p256_table *t, struct hf_lanes *r,
	struct hf_lanes *s, const struct hf_lanes hash[2], const struct hf_lanes *z,
	const struct hf_lanes *d)
{
	struct hf_p256_verdict verdict = {.valid = 0xff};
	struct words k, zw, dw, rw, sw;
	struct hf_lanes z_inverse, k_inverse;
	struct point p;
	fe a, b, c;

	nonce(&k, hash);
	words_load(&zw, z);
	words_load(&dw, d);
	base_multiply(&p, t, &k);
	inverse_begin(&z_inverse, &p);
	words_store(&k_inverse, &k);
	hf_invert_two_avx512f((struct hf_lanes *const[]){&z_inverse, &k_inverse},
		(const struct hf_invert_modulus *const[]){&hf_invert_p256, &hf_invert_p256_order});
	verdict.right = point_on_curve(&p) & affine(&rw, NULL, &p, &z_inverse);
	words_reduce(&rw, order_n);
	/* (z + r d) / k */
	fe_constant(&c, order_r2);
	fe_from(&a, &dw);
	fn_mul(&a, &a, &c);
	fe_from(&b, &rw);
	fn_mul(&a, &a, &b);
	fe_from(&b, &zw);
	fe_plus(&a, &a, 1, &b);
	fe_settle(&a, 0);
	words_load(&sw, &k_inverse);
	fe_from(&b, &sw);
	fn_mul(&b, &b, &c);
	fn_mul(&a, &a, &b);
	fe_to(&sw, &a, order_n);
	verdict.there = point_finite(&p) & (lanes)~words_zero(&rw) & (lanes)~words_zero(&sw);
	verdict.right &= signature_right(&rw, &sw, &k, &zw, &dw);
	words_store(r, &rw);
	words_store(s, &sw);
	return verdict;
}

#endif
