/* p256.h -- what is the same in the tests of both kernels for P-256 in emulated vectors: right on any
 * processor, at every fill, and under valgrind's memcheck with all that is secret marked as undefined
 * (curve.h says what is, and what is revealed). And their fields at the bounds of their digits, held
 * against libcrypto's numbers. A test includes this after the kernel's source, whose engine it has
 * called `kernel`. */
#ifndef TESTS_EMULATED_P256_H
#define TESTS_EMULATED_P256_H

#include "tests/emulated/curve.h"
#include "tests/emulated/numbers.h"

/* ---- the kernel, and one that is given its table ---- */

static const struct hf_p256_table *table_given;

static void take_table(struct hf_p256_table *t)
{
	*t = *table_given;
}

/* To look at the table is as long as to make it: both ways to look say the same. */
static struct hf_p256_verdict not_looked_at(struct hf_lanes *x, struct hf_lanes *y)
{
	memset(x, 0, sizeof(*x));
	memset(y, 0, sizeof(*y));
	return (struct hf_p256_verdict){.valid = 0xff, .there = 0xff, .right = 0xff};
}

static struct hf_p256_verdict base_not_looked_at(const struct hf_p256_table *t, struct hf_lanes *x,
	struct hf_lanes *y, const struct hf_lanes *k)
{
	(void)t;
	(void)k;
	return not_looked_at(x, y);
}

static struct hf_p256_verdict multiply_not_looked_at(
	struct hf_lanes *x, struct hf_lanes *y, const struct hf_lanes *k)
{
	(void)k;
	return not_looked_at(x, y);
}

static int init_with(void *ctx, const void *table)
{
	static struct hf_p256_core given;
	int error;

	table_given = table;
	given = (struct hf_p256_core){take_table, base_not_looked_at, multiply_not_looked_at, sign};
	error = hf_p256_init(ctx, &given);
	given = core;
	return error;
}

static void table_of(void *table, const void *ctx)
{
	(void)ctx;
	memset(table, 0, sizeof(struct hf_p256_table)); /* a kernel fills its own limbs only */
	make_table(table);
}

static const struct curve p256 = {
	.engine = &kernel,
	.init_with = init_with,
	.table_of = table_of,
	.table_len = sizeof(struct hf_p256_table),
	.group = HF_GROUP_P256,
};

/* ---- the field, at the bounds of its digits ----
 *
 * A kernel says before it includes this what a factor's digits may be, as least and most, and what
 * those of a product are; which multiples of two such numbers are multiplied (multiples, modulo n
 * multiples_n); and, in eighths of p, what a factor and a coordinate are below (0: digits say it all). */

static BIGNUM *p, *n, *r, *tidy_below;

static int field_starts(void **state)
{
	numbers_start(state);
	p = number_of("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
	n = number_of("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
	r = number();
	BN_set_bit(r, LIMBS * LIMB_BITS);
	tidy_below = number();
	BN_set_bit(tidy_below, 229);
	BN_add(tidy_below, tidy_below, p);
	return 0;
}

static void digit_put(fe *x, int i, uint32_t lane, int64_t digit)
{
	x->v[i][lane] = (__typeof__(x->v[i][lane]))digit;
}

static int64_t digit_get(const fe *x, int i, uint32_t lane)
{
	int64_t digit = (int64_t)x->v[i][lane];

	assert_true(x->v[i][lane] == (__typeof__(x->v[i][lane]))digit);
	return digit;
}

static BIGNUM *value_of(const fe *x, uint32_t lane)
{
	BIGNUM *v = number();

	for (int i = 0; i < LIMBS; i++)
		number_add(v, digit_get(x, i, lane), i * LIMB_BITS);
	return v;
}

/* Any number below 2^62 times the uppermost weight, in digits that are settled. */
static void value_put(fe *x, uint32_t lane, const BIGNUM *v)
{
	BIGNUM *left, *low;

	BN_CTX_start(numbers);
	left = BN_dup(v);
	low = number();
	for (int i = 0; i < LIMBS; i++) {
		int64_t digit;

		BN_copy(low, left);
		if (i < LIMBS - 1) {
			BIGNUM *weight = number();

			BN_set_bit(weight, LIMB_BITS);
			BN_nnmod(low, left, weight, numbers);
		}
		digit = (int64_t)BN_get_word(low) * (BN_is_negative(low) ? -1 : 1);
		if (i < LIMBS - 1 && digit > settled_most[i])
			digit -= 1ll << LIMB_BITS;
		digit_put(x, i, lane, digit);
		number_add(left, -digit, 0);
		if (i < LIMBS - 1)
			BN_rshift(left, left, LIMB_BITS);
	}
	BN_free(left);
	BN_CTX_end(numbers);
}

/* Below so many eighths of p. */
static bool below(const BIGNUM *v, uint32_t eighths)
{
	BIGNUM *bound;
	bool is;

	BN_CTX_start(numbers);
	bound = number();
	BN_copy(bound, p);
	BN_mul_word(bound, eighths);
	BN_rshift(bound, bound, 3);
	is = eighths == 0 || (!BN_is_negative(v) && BN_cmp(v, bound) < 0);
	BN_CTX_end(numbers);
	return is;
}

/* The nr-th pattern of digits, in a lane; one out of bounds gets a smaller uppermost digit. The last
 * patterns are numbers instead: around p, and the largest. */
static void extreme_put(fe *x, uint32_t lane, uint32_t nr, uint32_t eighths)
{
	int64_t d[LIMBS];
	BIGNUM *v;

	pattern(d, LIMBS, least, most, nr);
	for (int i = 0; i < LIMBS; i++)
		digit_put(x, i, lane, d[i]);
	v = value_of(x, lane);
	if (nr < PATTERNS - 16) {
		if (!below(v, eighths))
			digit_put(x, LIMBS - 1, lane, d[LIMBS - 1] >> 4);
		return;
	}
	BN_copy(v, p);
	BN_mul_word(v, nr % 2 && eighths ? eighths : 8);
	BN_rshift(v, v, 3);
	BN_sub_word(v, 1 + nr / 2 % 8);
	if (nr % 2 == 0)
		BN_add_word(v, 4);
	value_put(x, lane, v);
}

static void times_put(fe *x, int times)
{
	fe once = *x;

	if (times > 1)
		fe_plus(x, &once, times - 1, &once);
}

static void expect_settled(const fe *x, uint32_t lane)
{
	for (int i = 0; i < LIMBS; i++)
		assert_in_range(digit_get(x, i, lane) - settled_least[i], 0,
			settled_most[i] - settled_least[i]);
}

/* c R = a b, modulo m, and c is settled. */
static void expect_product(const fe *c, const fe *a, const fe *b, const BIGNUM *m)
{
	BIGNUM *x, *y;

	for (uint32_t lane = 0; lane < HF_LANES; lane++) {
		BN_CTX_start(numbers);
		x = number();
		y = number();
		BN_mul(x, value_of(a, lane), value_of(b, lane), numbers);
		BN_mul(y, value_of(c, lane), r, numbers);
		assert_true(numbers_alike(x, y, m));
		expect_settled(c, lane);
		BN_CTX_end(numbers);
	}
}

static void check_products(const fe *a, const fe *b)
{
	fe c, d;

	fe_mul(&c, a, b);
	expect_product(&c, a, b, p);
	fe_mul_two(&c, a, b, &d, b, a);
	expect_product(&c, a, b, p);
	expect_product(&d, b, a, p);
}

static void check_squares(const fe *a, const fe *b)
{
	fe c, d;

	fe_square(&c, a);
	expect_product(&c, a, a, p);
	fe_square_two(&c, b, &d, a);
	expect_product(&c, b, b, p);
	expect_product(&d, a, a, p);
}

static void extreme_pairs(fe *a, fe *b, uint32_t pair, uint32_t below_a, uint32_t below_b)
{
	BN_CTX_start(numbers);
	for (uint32_t lane = 0; lane < HF_LANES; lane++) {
		extreme_put(a, lane, pair / PATTERNS, below_a);
		extreme_put(b, lane, (pair + lane) % PATTERNS, below_b);
	}
	BN_CTX_end(numbers);
}

static void products_of_extreme_digits(void **state)
{
	fe a, b, c, d, e;

	(void)state;
	for (uint32_t pair = 0; pair < PATTERNS * PATTERNS; pair += HF_LANES) {
		extreme_pairs(&a, &b, pair, FACTORS_BELOW, FACTORS_BELOW);
		for (uint32_t i = 0; i < HF_ARRAY_LEN(multiples); i++) {
			c = a;
			d = b;
			times_put(&c, multiples[i][0]);
			times_put(&d, multiples[i][1]);
			check_products(&c, &d);
			if (multiples[i][0] == multiples[i][1])
				check_squares(&c, &d);
		}
		for (uint32_t i = 0; i < HF_ARRAY_LEN(multiples_n); i++) {
			c = a;
			d = b;
			times_put(&c, multiples_n[i][0]);
			times_put(&d, multiples_n[i][1]);
			fn_mul(&e, &c, &d);
			expect_product(&e, &c, &d, n);
		}
	}
}

/* The control: squares of four times such digits, or of digits above their bits, are wrong. */
static void digits_too_large_are_found(void **state)
{
	BIGNUM *x, *y;
	uint32_t wrong = 0;
	fe a, b, c;

	(void)state;
	for (uint32_t pair = 0; pair < PATTERNS * PATTERNS; pair += HF_LANES * HF_LANES) {
		extreme_pairs(&a, &b, pair, FACTORS_BELOW, FACTORS_BELOW);
		times_put(&b, 4);
		fe_square(&c, &b);
		for (uint32_t lane = 0; lane < HF_LANES; lane++) {
			BN_CTX_start(numbers);
			x = value_of(&b, lane);
			y = number();
			BN_sqr(x, x, numbers);
			BN_mul(y, value_of(&c, lane), r, numbers);
			wrong += !numbers_alike(x, y, p);
			BN_CTX_end(numbers);
		}
	}
	assert_true(wrong > 0);
}

/* c = a + m b, modulo p. */
static void expect_sum(const fe *c, const fe *a, int m, const fe *b, bool tidy)
{
	BIGNUM *x, *y;

	for (uint32_t lane = 0; lane < HF_LANES; lane++) {
		BN_CTX_start(numbers);
		x = value_of(a, lane);
		y = value_of(b, lane);
		BN_mul_word(y, (BN_ULONG)(m < 0 ? -m : m));
		BN_set_negative(y, BN_is_negative(y) != (m < 0));
		BN_add(x, x, y);
		y = value_of(c, lane);
		assert_true(numbers_alike(x, y, p));
		if (tidy) {
			expect_settled(c, lane);
			assert_true(NUMBERS_BELOW == 0 || !BN_is_negative(y));
			assert_true(NUMBERS_BELOW == 0 || BN_cmp(y, tidy_below) < 0);
		}
		BN_CTX_end(numbers);
	}
}

static void sums_of_extreme_digits(void **state)
{
	fe a, b, c, d;

	(void)state;
	for (uint32_t pair = 0; pair < PATTERNS * PATTERNS; pair += HF_LANES) {
		extreme_pairs(&a, &b, pair, FACTORS_BELOW, NUMBERS_BELOW);
		for (int m = 1; m <= 4; m++) {
			fe_plus(&c, &a, m, &b);
			d = c;
			fe_settle(&c, 0);
			expect_sum(&c, &a, m, &b, false);
			fe_tidy(&d, 0);
			expect_sum(&d, &a, m, &b, true);
			fe_minus(&c, &a, m, &b);
			d = c;
			fe_settle(&c, (unsigned)(2 * m));
			expect_sum(&c, &a, -m, &b, false);
			fe_tidy(&d, (unsigned)(2 * m));
			expect_sum(&d, &a, -m, &b, true);
		}
		fe_negate(&c, &b, 0xff);
		fe_tidy(&c, 2);
		fe_minus(&d, &b, 1, &b);
		expect_sum(&c, &d, -1, &b, true);
	}
}

/* Around every multiple of the modulus that may come, and as far from them as may be. */
static void check_residues(const uint64_t words[4], const BIGNUM *m)
{
	struct words w;
	fe a;

	for (int multiple = -BELOW_ZERO; multiple < 4 - BELOW_ZERO; multiple++) {
		BIGNUM *want[HF_LANES], *v[HF_LANES];

		BN_CTX_start(numbers);
		for (uint32_t lane = 0; lane < HF_LANES; lane++) {
			want[lane] = number();
			v[lane] = number();
			BN_set_word(want[lane], lane);
			if (lane >= 4)
				BN_sub(want[lane], m, want[lane]);
			for (int i = 0; i < (multiple < 0 ? -multiple : multiple); i++)
				BN_add(v[lane], v[lane], m);
			BN_set_negative(v[lane], multiple < 0);
			BN_add(v[lane], v[lane], want[lane]);
			value_put(&a, lane, v[lane]);
		}
		fe_to(&w, &a, words);
		for (uint32_t lane = 0; lane < HF_LANES; lane++) {
			uint64_t out[4];

			number_words(out, want[lane]);
			for (uint32_t i = 0; i < 4; i++)
				assert_int_equal(w.v[i][lane], out[i]);
		}
		BN_CTX_end(numbers);
	}
}

static void residues_of_extreme_numbers(void **state)
{
	(void)state;
	check_residues(field_p, p);
	check_residues(order_n, n);
}

/* 2^i and its neighbours, and p less them; and 2^256 - 1, which is no residue, but is taken. */
static void numbers_come_in_and_go_out(void **state)
{
	struct words w, back;
	BIGNUM *want;
	fe a;

	(void)state;
	for (int bit = 0; bit < 256; bit++) {
		uint64_t words[4];

		BN_CTX_start(numbers);
		want = number();
		for (uint32_t lane = 0; lane < HF_LANES; lane++) {
			BN_zero(want);
			BN_set_bit(want, bit);
			if (lane % 4 == 1)
				BN_sub_word(want, 1);
			if (lane % 4 == 2)
				BN_sub(want, p, want);
			if (lane % 4 == 3)
				BN_add_word(want, 1);
			if (lane >= 4) {
				BN_zero(want);
				BN_set_bit(want, 256);
				BN_sub_word(want, lane - 3);
			}
			if (BN_is_negative(want))
				BN_zero(want);
			number_words(words, want);
			for (uint32_t i = 0; i < 4; i++)
				w.v[i][lane] = words[i];
		}
		fe_enter(&a, &w);
		fe_leave(&back, &a);
		for (uint32_t lane = 0; lane < HF_LANES; lane++) {
			uint8_t bytes[32];

			for (uint32_t i = 0; i < 4; i++)
				memcpy(bytes + 8 * i, &(uint64_t){w.v[i][lane]}, 8);
			BN_lebin2bn(bytes, 32, want);
			BN_nnmod(want, want, p, numbers);
			number_words(words, want);
			for (uint32_t i = 0; i < 4; i++)
				assert_int_equal(back.v[i][lane], words[i]);
		}
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
		cmocka_unit_test_setup_teardown(sums_of_extreme_digits, field_starts, numbers_end),
		cmocka_unit_test_setup_teardown(
			residues_of_extreme_numbers, field_starts, numbers_end),
		cmocka_unit_test_setup_teardown(
			numbers_come_in_and_go_out, field_starts, numbers_end),
	};

	self = argv[0];
	curve = &p256;
	if (argc == 3)
		return with_table(argv[1], atoi(argv[2]));
	return cmocka_run_group_tests(tests, starts, ends);
}

#endif
