/* Histograms: bucket bounds, percentiles against sorted samples, merging. */
#include "tests/support/test.h"
#include "lib/base/hist.h"

static struct hf_hist h;

static void buckets_tile_all_values(void **state)
{
	uint32_t i;
	(void)state;
	assert_int_equal(hf_hist_floor(0), 0);
	for (i = 0; i < HF_HIST_BUCKETS; i++) {
		assert_int_equal(hf_hist_index(hf_hist_floor(i)), i);
		assert_int_equal(hf_hist_index(hf_hist_ceil(i)), i);
		if (i + 1 < HF_HIST_BUCKETS)
			assert_true(hf_hist_ceil(i) + 1 == hf_hist_floor(i + 1));
	}
	assert_true(hf_hist_ceil(HF_HIST_BUCKETS - 1) == UINT64_MAX);
	assert_int_equal(hf_hist_index(UINT64_MAX), HF_HIST_BUCKETS - 1);
	/* from 4 on, a bucket is a quarter of its power of two wide */
	assert_int_equal(hf_hist_index(4), 4);
	assert_int_equal(hf_hist_index(7), 7);
	assert_int_equal(hf_hist_index(8), 8);
	assert_int_equal(hf_hist_index(9), 8);
	assert_int_equal(hf_hist_index(10), 9);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void percentiles_are_near(void **state)
{
	static uint64_t v[10007];
	static const uint32_t wanted[] = {0, 1, 10, 250, 500, 900, 990, 999, 1000};
	uint64_t seed = 1;
	size_t i, n = HF_ARRAY_LEN(v);
	(void)state;
	memset(&h, 0, sizeof(h));
	assert_int_equal(hf_hist_percentile(&h, 500), 0);
	for (i = 0; i < n; i++) {
		v[i] = test_rand(&seed) >> test_below(&seed, 64);
		hf_hist_add(&h, v[i]);
	}
	qsort(v, n, sizeof(v[0]), by_value);
	assert_int_equal(h.cnt, n);
	assert_true(h.max == v[n - 1]);
	for (i = 0; i < HF_ARRAY_LEN(wanted); i++) {
		uint64_t rank = n * wanted[i] / 1000, want = v[HF_MIN(rank, n - 1)];
		uint64_t got = hf_hist_percentile(&h, wanted[i]);
		uint64_t off = got > want ? got - want : want - got;
		assert_true(off <= want / 8 + 1);
		assert_true(got <= h.max);
	}
}

static void one_value_is_every_percentile(void **state)
{
	(void)state;
	memset(&h, 0, sizeof(h));
	hf_hist_add(&h, 3);
	assert_int_equal(hf_hist_percentile(&h, 0), 3);
	assert_int_equal(hf_hist_percentile(&h, 500), 3);
	assert_int_equal(hf_hist_percentile(&h, 1000), 3);
}

static void merging_is_adding_all(void **state)
{
	static struct hf_hist a, b, all;
	uint64_t seed = 2;
	int i;
	(void)state;
	for (i = 0; i < 1000; i++) {
		uint64_t v = test_below(&seed, 1u << 20);
		hf_hist_add(i % 3 ? &a : &b, v);
		hf_hist_add(&all, v);
	}
	hf_hist_merge(&a, &b);
	assert_memory_equal(&a, &all, sizeof(all));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_tile_all_values),
		cmocka_unit_test(percentiles_are_near),
		cmocka_unit_test(one_value_is_every_percentile),
		cmocka_unit_test(merging_is_adding_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
