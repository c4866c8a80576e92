/* x25519.c -- the kernel for X25519 in emulated vectors: right on any processor, at every fill, and under
 * valgrind's memcheck with all that is secret marked as undefined (curve.h says what is, and what is
 * revealed). And its field at the bounds of its digits, held against libcrypto's numbers. */
#include <immintrin.h>
#include "tests/emulated/curve.h"
#include "tests/emulated/numbers.h"

static __m512d leaking_fmadd(__m512d a, __m512d b, __m512d c)
{
	leak(((__m512i)a)[0]);
	return _mm512_fmadd_pd(a, b, c);
}

#define _mm512_fmadd_pd leaking_fmadd
#define hf_pk_x25519_avx512f kernel
#define raise raise_to /* libc has another one */
#include "drivers/pk/x25519_avx512f.c"

/* ---- the kernel ---- */

static void table_of(void *table, const void *ctx)
{
	memcpy(table, ((const struct x25519 *)ctx)->table, sizeof(((struct x25519 *)0)->table));
}

static int init_with(void *ctx, const void *table)
{
	memcpy(((struct x25519 *)ctx)->table, table, sizeof(((struct x25519 *)0)->table));
	return 0;
}

static const struct curve x25519 = {
	.engine = &kernel,
	.init_with = init_with,
	.table_of = table_of,
	.table_len = sizeof(((struct x25519 *)0)->table),
	.group = HF_GROUP_X25519,
};

/* ---- the field, at the bounds of its digits ---- */

/* A settled digit is within half its weight of zero, or a hair more (x25519_bounds.c). */
static int64_t most[LIMBS], least[LIMBS];
static BIGNUM *prime;

static int field_starts(void **state)
{
	numbers_start(state);
	prime = number_of("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed");
	for (int i = 0; i < LIMBS; i++) {
		most[i] = (1ll << (limb_len[i] - 1)) + (1ll << (limb_len[i] - 21));
		least[i] = -most[i];
	}
	return 0;
}

static void fe_put(struct fe *x, uint32_t lane, const int64_t *d)
{
	for (int i = 0; i < LIMBS; i++)
		x->limb[i][lane] = __builtin_ldexp((double)d[i], limb_at[i]);
}

static BIGNUM *value_of(const struct fe *x, uint32_t lane)
{
	BIGNUM *v = number();

	for (int i = 0; i < LIMBS; i++)
		number_add(v, (int64_t)__builtin_ldexp(x->limb[i][lane], -(int)limb_at[i]),
			limb_at[i]);
	return v;
}

static void expect_settled(const struct fe *x, uint32_t lane)
{
	for (int i = 0; i < LIMBS; i++) {
		double digit = __builtin_ldexp(x->limb[i][lane], -(int)limb_at[i]);

		assert_true(digit == (double)(int64_t)digit);
		assert_true(digit >= (double)least[i] && digit <= (double)most[i]);
	}
}

/* The residue of p is that of want, in every lane. */
static void expect_residues(struct product *p, BIGNUM *const want[LANES])
{
	__m512i w[WORDS];
	uint64_t words[WORDS];

	for (uint32_t lane = 0; lane < LANES; lane++)
		expect_settled(&p->v, lane);
	to_words(w, p);
	for (uint32_t lane = 0; lane < LANES; lane++) {
		BN_nnmod(want[lane], want[lane], prime, numbers);
		number_words(words, want[lane]);
		for (uint32_t i = 0; i < WORDS; i++)
			assert_int_equal(w[i][lane], words[i]);
	}
}

/* Sums of two settled products, or less: what the formulas multiply. */
static void check_products(const struct product *a, const struct product *b, bool twice)
{
	BIGNUM *x[LANES], *y[LANES], *z[LANES];
	struct fe f = a->v, g = b->v, h;
	struct product p;

	BN_CTX_start(numbers);
	if (twice) {
		sum(&f, a, a);
		sum(&g, b, b);
	}
	for (uint32_t lane = 0; lane < LANES; lane++) {
		x[lane] = value_of(&f, lane);
		y[lane] = value_of(&g, lane);
		z[lane] = number();
		BN_mul(z[lane], x[lane], y[lane], numbers);
	}
	multiply(&p, &f, &g);
	expect_residues(&p, z);
	for (uint32_t lane = 0; lane < LANES; lane++)
		BN_sqr(z[lane], x[lane], numbers);
	square(&p, &f);
	expect_residues(&p, z);
	/* (a + 121665 g) g */
	for (uint32_t lane = 0; lane < LANES; lane++) {
		BN_copy(z[lane], y[lane]);
		BN_mul_word(z[lane], 121665);
		BN_add(z[lane], z[lane], value_of(&a->v, lane));
		BN_mul(z[lane], z[lane], y[lane], numbers);
	}
	add_a24(&h, a, &g);
	multiply(&p, &h, &g);
	expect_residues(&p, z);
	/* (a - b) f, or (b - a) f */
	for (uint32_t lane = 0; lane < LANES; lane++) {
		BN_sub(z[lane], value_of(&a->v, lane), value_of(&b->v, lane));
		BN_mul(z[lane], z[lane], x[lane], numbers);
		BN_set_negative(z[lane], BN_is_negative(z[lane]) != (int)(lane % 2));
	}
	difference(&h, a, b);
	negate(&h, 0xaa, &h);
	multiply(&p, &h, &f);
	expect_residues(&p, z);
	BN_CTX_end(numbers);
}

static void products_of_extreme_digits(void **state)
{
	struct product a, b;
	int64_t d[LIMBS];

	(void)state;
	for (uint32_t pair = 0; pair < PATTERNS * PATTERNS; pair += LANES) {
		for (uint32_t lane = 0; lane < LANES; lane++) {
			pattern(d, LIMBS, least, most, pair / PATTERNS);
			fe_put(&a.v, lane, d);
			pattern(d, LIMBS, least, most, (pair + lane) % PATTERNS);
			fe_put(&b.v, lane, d);
		}
		check_products(&a, &b, false);
		check_products(&a, &b, true);
	}
}

/* The control: squares of 32 times such digits are wrong. */
static void digits_too_large_are_found(void **state)
{
	uint32_t wrong = 0;
	struct product a, q;
	int64_t d[LIMBS];
	BIGNUM *x;

	(void)state;
	for (uint32_t nr = 0; nr < PATTERNS; nr++) {
		pattern(d, LIMBS, least, most, nr);
		for (uint32_t lane = 0; lane < LANES; lane++)
			fe_put(&a.v, lane, d);
		for (uint32_t times = 1; times < 32; times *= 2)
			sum(&a.v, &a, &a);
		square(&q, &a.v);
		BN_CTX_start(numbers);
		x = value_of(&a.v, 0);
		BN_sqr(x, x, numbers);
		wrong += !numbers_alike(x, value_of(&q.v, 0), prime);
		BN_CTX_end(numbers);
	}
	assert_true(wrong > 0);
}

static void residues_of_extreme_digits(void **state)
{
	BIGNUM *want[LANES];
	struct product a;
	int64_t d[LIMBS];

	(void)state;
	for (uint32_t first = 0; first < 10 * PATTERNS; first += LANES) {
		BN_CTX_start(numbers);
		for (uint32_t lane = 0; lane < LANES; lane++) {
			pattern(d, LIMBS, least, most, first + lane);
			fe_put(&a.v, lane, d);
			want[lane] = value_of(&a.v, lane);
		}
		expect_residues(&a, want);
		BN_CTX_end(numbers);
	}
}

/* The nr-th number below 2^255: from both ends, around p, around powers of two. */
static BIGNUM *extreme_number(uint32_t nr)
{
	BIGNUM *x = number();

	if (nr < 20) {
		BN_set_word(x, nr);
	} else if (nr < 60) { /* p - 21 .. p + 18 = 2^255 - 1 */
		BN_copy(x, prime);
		BN_sub_word(x, 21);
		BN_add_word(x, nr - 20);
	} else {
		BN_one(x);
		BN_lshift(x, x, (int)(nr - 60) / 4 + 1);
		if (nr % 4 == 1)
			BN_sub_word(x, 1);
		if (nr % 4 == 2)
			BN_add_word(x, 1);
		if (nr % 4 == 3)
			BN_sub(x, prime, x);
	}
	return x;
}
#define EXTREME_CNT (60 + 4 * 253)

static void numbers_come_in_and_go_out(void **state)
{
	BIGNUM *want[LANES];
	uint64_t words[WORDS];
	struct product a;
	__m512i w[WORDS];

	(void)state;
	for (uint32_t first = 0; first < EXTREME_CNT; first += LANES) {
		BN_CTX_start(numbers);
		for (uint32_t lane = 0; lane < LANES; lane++) {
			want[lane] = extreme_number(first + lane);
			number_words(words, want[lane]);
			for (uint32_t i = 0; i < WORDS; i++)
				w[i][lane] = words[i];
		}
		from_words(&a.v, w);
		expect_residues(&a, want);
		BN_CTX_end(numbers);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CURVE_TESTS,
		cmocka_unit_test_setup_teardown(
			products_of_extreme_digits, field_starts, numbers_end),
		cmocka_unit_test_setup_teardown(
			digits_too_large_are_found, field_starts, numbers_end),
		cmocka_unit_test_setup_teardown(
			residues_of_extreme_digits, field_starts, numbers_end),
		cmocka_unit_test_setup_teardown(
			numbers_come_in_and_go_out, field_starts, numbers_end),
	};

	self = argv[0];
	curve = &x25519;
	if (argc == 3)
		return with_table(argv[1], atoi(argv[2]));
	return cmocka_run_group_tests(tests, starts, ends);
}
