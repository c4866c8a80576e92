/* numbers.h -- libcrypto's numbers, for tests of arithmetic in limbs: a number is built of digits, each
 * with its own weight, as large as they get and of either sign, and what comes out is looked at in the
 * same way. */
#ifndef TESTS_EMULATED_NUMBERS_H
#define TESTS_EMULATED_NUMBERS_H

#include <openssl/bn.h>
#include "tests/support/test.h"

#define DIGITS_MAX 6

static BN_CTX *numbers;
static uint64_t numbers_seed = 7;

static int numbers_start(void **state)
{
	(void)state;
	numbers = BN_CTX_new();
	BN_CTX_start(numbers);
	return 0;
}

static int numbers_end(void **state)
{
	(void)state;
	BN_CTX_end(numbers);
	BN_CTX_free(numbers);
	return 0;
}

static BIGNUM *number(void)
{
	BIGNUM *x = BN_CTX_get(numbers);

	assert_non_null(x);
	BN_zero(x);
	return x;
}

static BIGNUM *number_of(const char *hex)
{
	BIGNUM *x = number();

	assert_int_not_equal(BN_hex2bn(&x, hex), 0);
	return x;
}

/* x += digit 2^at */
static void number_add(BIGNUM *x, int64_t digit, int at)
{
	BIGNUM *part;

	BN_CTX_start(numbers);
	part = number();
	BN_set_word(part, (BN_ULONG)(digit < 0 ? -digit : digit));
	BN_set_negative(part, digit < 0);
	BN_lshift(part, part, at);
	BN_add(x, x, part);
	BN_CTX_end(numbers);
}

/* a = b modulo m */
static bool numbers_alike(const BIGNUM *a, const BIGNUM *b, const BIGNUM *m)
{
	BIGNUM *less;
	bool alike;

	BN_CTX_start(numbers);
	less = number();
	BN_sub(less, a, b);
	BN_nnmod(less, less, m, numbers);
	alike = BN_is_zero(less);
	BN_CTX_end(numbers);
	return alike;
}

/* x, in 32 bytes' words of a lane. */
static void number_words(uint64_t words[4], const BIGNUM *x)
{
	uint8_t bytes[32];

	assert_int_equal(BN_bn2lebinpad(x, bytes, sizeof(bytes)), sizeof(bytes));
	memcpy(words, bytes, sizeof(bytes));
}

/* ---- digits ---- */

/* Of a digit within highest of zero: what is worth trying, by number; random ones from PICKS on. */
#define PICKS 8u
static int64_t digit_pick(uint32_t nr, int64_t lowest, int64_t highest)
{
	switch (nr) {
	case 0:
		return highest;
	case 1:
		return lowest;
	case 2:
		return 0;
	case 3:
		return 1;
	case 4:
		return lowest < 0 ? -1 : 2;
	case 5:
		return highest - 1;
	case 6:
		return lowest + 1;
	case 7:
		return highest / 2;
	default:
		return lowest +
		       (int64_t)(test_rand(&numbers_seed) % (uint64_t)(highest - lowest + 1));
	}
}

/* The nr-th pattern: all digits alike; largest and lowest in turn; one alone; and picks at random. */
#define PATTERNS 64u
static void pattern(
	int64_t *d, uint32_t cnt, const int64_t *lowest, const int64_t *highest, uint32_t nr)
{
	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t pick = test_below(&numbers_seed, PICKS + 2);

		if (nr < PICKS)
			pick = nr;
		else if (nr < PICKS + 2)
			pick = (nr + i) % 2;
		else if (nr < PICKS + 2 + 2 * cnt)
			pick = i == (nr - PICKS - 2) / 2 ? nr % 2 : 2;
		d[i] = digit_pick(pick, lowest[i], highest[i]);
	}
}

#endif
