/* The flow table against a plain array, with hashes chosen to collide and to wrap. */
#include "lib/net/flow.h"
#include "tests/support/test.h"

enum { CNT_MAX = 50, KEY_CNT = 120 };

static const uint8_t secret[16] = {1, 2, 3};

static struct hf_flow_key key_of(uint32_t i)
{
	return (struct hf_flow_key){hf_addr_v4(0x0a000000 + i / 7), hf_addr_v4(0x0a0000fe),
		(uint16_t)(1000 + i % 7), 443};
}

static struct hf_flow_table *make(struct hf_flow_table *t, uint32_t cnt_max)
{
	hf_flow_init(t, test_alloc(hf_flow_footprint(cnt_max)), cnt_max);
	return t;
}

static void hash_depends_on_all_of_key_and_secret(void **state)
{
	struct hf_flow_key k = key_of(3);
	uint64_t base = hf_flow_hash(secret, &k);
	uint8_t other[16] = {1, 2, 4};
	(void)state;
	assert_int_equal(hf_flow_hash(secret, &k), base);
	assert_int_not_equal(hf_flow_hash(other, &k), base);
	for (size_t bit = 0; bit < 8 * sizeof(k); bit++) {
		struct hf_flow_key changed = k;
		((uint8_t *)&changed)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_not_equal(hf_flow_hash(secret, &changed), base);
	}
}

static void full_table_refuses_and_recovers(void **state)
{
	struct hf_flow_table t;
	(void)state;
	make(&t, 3);
	for (uint32_t i = 0; i < 4; i++) {
		struct hf_flow_key k = key_of(i);
		assert_int_equal(hf_flow_insert(&t, hf_flow_hash(secret, &k), &k, i), i < 3);
	}
	assert_int_equal(t.refused, 1);
	assert_int_equal(t.cnt, 3);
	struct hf_flow_key k = key_of(1), late = key_of(3);
	assert_int_equal(hf_flow_delete(&t, hf_flow_hash(secret, &k), &k), 1);
	assert_int_equal(hf_flow_delete(&t, hf_flow_hash(secret, &k), &k), HF_FLOW_NONE);
	assert_true(hf_flow_insert(&t, hf_flow_hash(secret, &late), &late, 3));
	assert_int_equal(hf_flow_find(&t, hf_flow_hash(secret, &late), &late), 3);
	free(t.slot);
}

static void misuse_panics(void **state)
{
	struct hf_flow_table t;
	struct hf_flow_key k = key_of(1);
	(void)state;
	make(&t, 3);
	assert_panics(assert_true(hf_flow_insert(&t, 1, &k, HF_FLOW_NONE)));
	assert_true(hf_flow_insert(&t, 1, &k, 1));
	assert_panics(assert_true(hf_flow_insert(&t, 1, &k, 2)));
	free(t.slot);
}

/* hash_bits: how many bits of hash the keys may differ in. With few, runs are long and overlap, and
 * with the homes at the table's end they wrap around. */
static void random_against_array(unsigned hash_bits, uint64_t hash_add, uint64_t seed)
{
	struct hf_flow_table t;
	uint32_t value[KEY_CNT], live = 0;
	uint64_t rng = seed;
	make(&t, CNT_MAX);
	memset(value, 0xff, sizeof(value));
	for (unsigned step = 0; step < 40000; step++) {
		uint32_t i = test_below(&rng, KEY_CNT);
		struct hf_flow_key k = key_of(i);
		uint64_t hash = (hf_flow_hash(secret, &k) & ((1ull << hash_bits) - 1)) + hash_add;
		hf_flow_prefetch(&t, hash);
		assert_int_equal(hf_flow_find(&t, hash, &k), value[i]);
		if (test_rand(&rng) & 1) {
			assert_int_equal(hf_flow_delete(&t, hash, &k), value[i]);
			live -= value[i] != HF_FLOW_NONE;
			value[i] = HF_FLOW_NONE;
		} else if (value[i] == HF_FLOW_NONE) {
			bool ok = hf_flow_insert(&t, hash, &k, step);
			assert_int_equal(ok, live < CNT_MAX);
			live += ok;
			value[i] = ok ? step : HF_FLOW_NONE;
		}
		assert_int_equal(t.cnt, live);
	}
	assert_true(t.refused > 0);
	free(t.slot);
}

static void random_operations_match_array(void **state)
{
	(void)state;
	random_against_array(32, 0, 1);
	random_against_array(3, 0, 2);
	random_against_array(3, 124, 3); /* homes 124..131 of 128 */
	random_against_array(0, 127, 4); /* one single run */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_depends_on_all_of_key_and_secret),
		cmocka_unit_test(full_table_refuses_and_recovers),
		cmocka_unit_test(misuse_panics),
		cmocka_unit_test(random_operations_match_array),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
