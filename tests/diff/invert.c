/* invert.c -- inverses in lanes against libcrypto's: modulo each prime, numbers at random, around
 * powers of two and at both ends, one at a time and two. Lanes that change places change nothing.
 * HF_DIFF_INVERSES (4000) random numbers for each prime. */
#include <openssl/bn.h>
#include "drivers/pk/invert.h"
#include "lib/os/os.h"
#include "tests/support/test.h"

static const struct prime {
	const struct hf_invert_modulus *m;
	const char *hex;
} primes[] = {
	{&hf_invert_p256, "FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF"},
	{&hf_invert_p256_order, "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551"},
	{&hf_invert_25519, "7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFED"},
};
#define PRIME_CNT HF_ARRAY_LEN(primes)

static BIGNUM *m[PRIME_CNT], *x, *want;
static BN_CTX *bn;
static uint64_t rnd = 5;

static int setup(void **state)
{
	(void)state;
	bn = BN_CTX_new();
	x = BN_new();
	want = BN_new();
	for (uint32_t i = 0; i < PRIME_CNT; i++)
		assert_int_equal(BN_hex2bn(&m[i], primes[i].hex), 64);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < PRIME_CNT; i++)
		BN_free(m[i]);
	BN_free(x);
	BN_free(want);
	BN_CTX_free(bn);
	return 0;
}

static void put(struct hf_lanes *v, uint32_t lane)
{
	uint8_t bytes[32];

	assert_int_equal(BN_bn2binpad(x, bytes, 32), 32);
	hf_lane_put(v, lane, bytes);
}

static void expect_inverse(
	const struct hf_lanes *in, const struct hf_lanes *out, uint32_t lane, uint32_t prime)
{
	uint8_t bytes[32], wanted[32] = {0};

	hf_lane_get(bytes, in, lane);
	BN_bin2bn(bytes, 32, x);
	if (!BN_is_zero(x)) {
		assert_non_null(BN_mod_inverse(want, x, m[prime], bn));
		BN_bn2binpad(want, wanted, 32);
	}
	hf_lane_get(bytes, out, lane);
	assert_memory_equal(bytes, wanted, 32);
}

/* Eight numbers alone, and beside eight others modulo another prime. */
static void check(
	const struct hf_lanes *in, uint32_t prime, const struct hf_lanes *in_two, uint32_t two)
{
	struct hf_lanes alone = *in, first = *in, second = *in_two;

	hf_invert_avx512f(&alone, primes[prime].m);
	hf_invert_two_avx512f((struct hf_lanes *const[]){&first, &second},
		(const struct hf_invert_modulus *const[]){primes[prime].m, primes[two].m});
	for (uint32_t lane = 0; lane < HF_LANES; lane++) {
		expect_inverse(in, &alone, lane, prime);
		expect_inverse(in_two, &second, lane, two);
	}
	assert_memory_equal(&alone, &first, sizeof(alone));
}

static void skip_without_avx512f(void)
{
	if (!hf_os_cpu_has(HF_TIER_AVX512F))
		skip();
}

static void random_numbers(void **state)
{
	const char *text = getenv("HF_DIFF_INVERSES");
	uint32_t cnt = text ? (uint32_t)strtoul(text, NULL, 10) : 4000;

	(void)state;
	skip_without_avx512f();
	for (uint32_t done = 0; done < cnt; done += HF_LANES)
		for (uint32_t p = 0; p < PRIME_CNT; p++) {
			uint32_t two = test_below(&rnd, PRIME_CNT);
			struct hf_lanes a, b;

			for (uint32_t lane = 0; lane < HF_LANES; lane++) {
				BN_rand_range(x, m[p]);
				put(&a, lane);
				BN_rand_range(x, m[two]);
				put(&b, lane);
			}
			check(&a, p, &b, two);
		}
}

/* 2^i and its neighbours, and m less each of them, as far as they are below m: the longest runs of
 * zeros and ones that there are. */
static void edges(void **state)
{
	(void)state;
	skip_without_avx512f();
	for (uint32_t p = 0; p < PRIME_CNT; p++)
		for (int i = 0; i < 255; i++) {
			struct hf_lanes v, zero = {0};

			for (uint32_t lane = 0; lane < HF_LANES; lane++) {
				BN_one(x);
				BN_lshift(x, x, i);
				if (lane % 4 == 1)
					BN_sub_word(x, 1);
				if (lane % 4 == 2)
					BN_add_word(x, 1);
				if (lane % 4 == 3)
					BN_mul_word(x, 3);
				if (lane >= 4)
					BN_sub(x, m[p], x);
				BN_nnmod(x, x, m[p], bn);
				put(&v, lane);
			}
			check(&v, p, &zero, (p + 1) % PRIME_CNT);
		}
}

static void lanes_do_not_know_of_each_other(void **state)
{
	struct hf_lanes v, turned, w, out, out_turned;

	(void)state;
	skip_without_avx512f();
	for (uint32_t by = 0; by < HF_LANES; by++) {
		for (uint32_t i = 0; i < HF_LANE_WORDS; i++)
			for (uint32_t lane = 0; lane < HF_LANES; lane++)
				v.word[i][lane] = test_rand(&rnd) >> 2;
		for (uint32_t i = 0; i < HF_LANE_WORDS; i++)
			for (uint32_t lane = 0; lane < HF_LANES; lane++)
				turned.word[i][lane] = v.word[i][(lane + by) % HF_LANES];
		out = v;
		out_turned = turned;
		hf_invert_avx512f(&out, &hf_invert_p256);
		hf_invert_avx512f(&out_turned, &hf_invert_p256);
		for (uint32_t i = 0; i < HF_LANE_WORDS; i++)
			for (uint32_t lane = 0; lane < HF_LANES; lane++)
				w.word[i][lane] = out.word[i][(lane + by) % HF_LANES];
		assert_memory_equal(&w, &out_turned, sizeof(w));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_numbers),
		cmocka_unit_test(edges),
		cmocka_unit_test(lanes_do_not_know_of_each_other),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
