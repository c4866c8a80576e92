/* Masks against the plain operators: every pair of small and of border values. */
#include "lib/base/secret.h"
#include "tests/support/test.h"

static const uint32_t edge[] = {0, 1, 2, 3, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff,
	0x10000, 0x7ffffffe, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff};

static uint32_t mask_of(bool b)
{
	return b ? UINT32_MAX : 0;
}

static void check_pair(uint32_t a, uint32_t b)
{
	assert_int_equal(hf_ct_eq(a, b), mask_of(a == b));
	assert_int_equal(hf_ct_lt(a, b), mask_of(a < b));
	assert_int_equal(hf_ct_is_zero(a), mask_of(a == 0));
	assert_int_equal(hf_ct_select(UINT32_MAX, a, b), a);
	assert_int_equal(hf_ct_select(0, a, b), b);
}

static void masks_match_operators(void **state)
{
	uint64_t rng = 7;
	(void)state;
	for (uint32_t a = 0; a < 260; a++)
		for (uint32_t b = 0; b < 260; b++)
			check_pair(a, b);
	for (size_t i = 0; i < HF_ARRAY_LEN(edge); i++)
		for (size_t j = 0; j < HF_ARRAY_LEN(edge); j++)
			check_pair(edge[i], edge[j]);
	for (unsigned i = 0; i < 100000; i++)
		check_pair((uint32_t)test_rand(&rng), (uint32_t)test_rand(&rng));
}

static void bytes_equal_sees_every_bit(void **state)
{
	uint8_t a[33], b[33];
	(void)state;
	for (unsigned i = 0; i < sizeof(a); i++)
		a[i] = b[i] = (uint8_t)(i * 37);
	assert_int_equal(hf_ct_bytes_eq(a, b, 0), UINT32_MAX);
	assert_int_equal(hf_ct_bytes_eq(a, b, sizeof(a)), UINT32_MAX);
	for (unsigned bit = 0; bit < 8 * sizeof(a); bit++) {
		b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(hf_ct_bytes_eq(a, b, sizeof(a)), 0);
		assert_int_equal(hf_ct_bytes_eq(a, b, bit / 8), UINT32_MAX);
		b[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void select_bytes_takes_one_side(void **state)
{
	uint8_t yes[256], no[256], out[257];
	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		yes[i] = (uint8_t)i;
		no[i] = (uint8_t)(255 - i);
	}
	out[256] = 0x5a;
	hf_ct_select_bytes(out, UINT32_MAX, yes, no, 256);
	assert_memory_equal(out, yes, 256);
	hf_ct_select_bytes(out, 0, yes, no, 256);
	assert_memory_equal(out, no, 256);
	hf_ct_select_bytes(no, UINT32_MAX, yes, no, 256); /* in place */
	assert_memory_equal(no, yes, 256);
	assert_int_equal(out[256], 0x5a);
}

static void wipe_clears_exactly(void **state)
{
	uint8_t b[10];
	(void)state;
	memset(b, 0xff, sizeof(b));
	hf_wipe(b + 2, 5);
	for (unsigned i = 0; i < sizeof(b); i++)
		assert_int_equal(b[i], i >= 2 && i < 7 ? 0 : 0xff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(masks_match_operators),
		cmocka_unit_test(bytes_equal_sees_every_bit),
		cmocka_unit_test(select_bytes_takes_one_side),
		cmocka_unit_test(wipe_clears_exactly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
