/* Slots, generations and stale references; every operation against a naive reference. */
#include "lib/base/pool.h"
#include "tests/support/test.h"

#define SLOT_SIZE 40u

static void exhaustion_is_counted_and_recovers(void **state)
{
	enum { CNT = 5 };
	void *mem = test_alloc(hf_pool_footprint(SLOT_SIZE, CNT)), *slot[CNT];
	struct hf_pool p;
	(void)state;
	hf_pool_init(&p, mem, SLOT_SIZE, CNT);
	for (unsigned i = 0; i < CNT; i++) {
		slot[i] = hf_pool_take(&p);
		assert_ptr_equal(slot[i], hf_pool_at(&p, i));
		memset(slot[i], 0xff, SLOT_SIZE); /* a slot may be written whole */
	}
	assert_int_equal(p.used, CNT);
	assert_int_equal(p.refused, 0);
	assert_null(hf_pool_take(&p));
	assert_null(hf_pool_take(&p));
	assert_int_equal(p.refused, 2);
	hf_pool_give(&p, slot[3]);
	assert_int_equal(p.used, CNT - 1);
	assert_ptr_equal(hf_pool_take(&p), slot[3]);
	for (unsigned i = 0; i < CNT; i++)
		hf_pool_give(&p, slot[i]);
	assert_int_equal(p.used, 0);
	assert_int_equal(p.used_max, CNT);
	free(mem);
}

static void empty_pool_refuses(void **state)
{
	void *mem = test_alloc(HF_CACHE_LINE);
	struct hf_pool p;
	(void)state;
	hf_pool_init(&p, mem, SLOT_SIZE, 0);
	assert_null(hf_pool_take(&p));
	assert_int_equal(p.refused, 1);
	assert_null(hf_pool_deref(&p, 0));
	free(mem);
}

static void stale_reference_finds_nothing(void **state)
{
	void *mem = test_alloc(hf_pool_footprint(SLOT_SIZE, 2)), *slot;
	struct hf_pool p;
	hf_ref first, second;
	(void)state;
	hf_pool_init(&p, mem, SLOT_SIZE, 2);
	slot = hf_pool_take(&p);
	first = hf_pool_ref(&p, slot);
	assert_int_not_equal(first, 0);
	assert_ptr_equal(hf_pool_deref(&p, first), slot);
	hf_pool_give(&p, slot);
	assert_null(hf_pool_deref(&p, first));
	assert_ptr_equal(hf_pool_take(&p), slot);
	second = hf_pool_ref(&p, slot);
	assert_null(hf_pool_deref(&p, first));
	assert_ptr_equal(hf_pool_deref(&p, second), slot);
	/* A slot that nobody holds is found by no reference, not even by the one it will have. */
	assert_null(hf_pool_deref(&p, (hf_ref)1 << 32 | 1));
	assert_null(hf_pool_deref(&p, (hf_ref)1 << 32 | 2)); /* index beyond the pool */
	assert_null(hf_pool_deref(&p, UINT64_MAX));
	free(mem);
}

static void generation_wraps_past_zero(void **state)
{
	void *mem = test_alloc(hf_pool_footprint(SLOT_SIZE, 1)), *slot;
	struct hf_pool p;
	(void)state;
	hf_pool_init(&p, mem, SLOT_SIZE, 1);
	p.gen[0] = UINT32_MAX;
	slot = hf_pool_take(&p);
	hf_pool_give(&p, slot);
	slot = hf_pool_take(&p);
	assert_int_equal(hf_pool_ref(&p, slot), (hf_ref)1 << 32);
	assert_null(hf_pool_deref(&p, 0));
	free(mem);
}

static void misuse_panics(void **state)
{
	void *mem = test_alloc(hf_pool_footprint(SLOT_SIZE, 2) + HF_CACHE_LINE);
	uint8_t *slot;
	struct hf_pool p;
	(void)state;
	hf_pool_init(&p, mem, SLOT_SIZE, 2);
	slot = hf_pool_take(&p);
	assert_panics(hf_pool_give(&p, slot + 1));
	assert_panics(hf_pool_give(&p, hf_pool_at(&p, 2)));
	hf_pool_give(&p, slot);
	assert_panics(hf_pool_give(&p, slot)); /* twice */
	assert_panics(hf_pool_init(&p, (uint8_t *)mem + 8, SLOT_SIZE, 2));
	free(mem);
}

static void random_tenancies_match_reference(void **state)
{
	enum { CNT = 64, STEPS = 200000 };
	void *mem = test_alloc(hf_pool_footprint(SLOT_SIZE, CNT));
	hf_ref live[CNT], dead[CNT] = {0};
	uint32_t live_cnt = 0, dead_cnt = 0;
	uint64_t rng = 1;
	struct hf_pool p;
	(void)state;
	hf_pool_init(&p, mem, SLOT_SIZE, CNT);
	for (unsigned step = 0; step < STEPS; step++) {
		if (test_rand(&rng) & 1) {
			uint64_t *slot = hf_pool_take(&p);
			assert_int_equal(slot == NULL, live_cnt == CNT);
			if (!slot)
				continue;
			live[live_cnt] = hf_pool_ref(&p, slot);
			*slot = live[live_cnt++];
		} else if (live_cnt) {
			uint32_t i = test_below(&rng, live_cnt);
			uint64_t *slot = hf_pool_deref(&p, live[i]);
			assert_non_null(slot);
			assert_int_equal(*slot, live[i]); /* nobody else wrote here */
			hf_pool_give(&p, slot);
			dead[dead_cnt++ % CNT] = live[i];
			live[i] = live[--live_cnt];
		}
		assert_int_equal(p.used, live_cnt);
		assert_null(hf_pool_deref(&p, dead[test_below(&rng, CNT)]));
	}
	free(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exhaustion_is_counted_and_recovers),
		cmocka_unit_test(empty_pool_refuses),
		cmocka_unit_test(stale_reference_finds_nothing),
		cmocka_unit_test(generation_wraps_past_zero),
		cmocka_unit_test(misuse_panics),
		cmocka_unit_test(random_tenancies_match_reference),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
