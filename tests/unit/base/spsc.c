/* The ring alone, at its limits and across index wrap, then between two threads. */
#include <pthread.h>
#include "lib/base/spsc.h"
#include "tests/support/test.h"

static struct hf_spsc *make(size_t elem_size, uint32_t cnt)
{
	return hf_spsc_init(test_alloc(hf_spsc_footprint(elem_size, cnt)), elem_size, cnt);
}

static void full_and_empty(void **state)
{
	struct hf_spsc *r = make(sizeof(uint32_t), 4);
	uint32_t in[6] = {1, 2, 3, 4, 5, 6}, out[6] = {0};
	(void)state;
	assert_int_equal(hf_spsc_pop(r, out, 6), 0);
	assert_int_equal(hf_spsc_push(r, in, 6), 4);
	assert_int_equal(hf_spsc_used(r), 4);
	assert_int_equal(hf_spsc_push(r, in, 1), 0);
	assert_int_equal(hf_spsc_pop(r, out, 3), 3);
	assert_int_equal(hf_spsc_push(r, in + 4, 2), 2); /* wraps */
	assert_int_equal(hf_spsc_pop(r, out + 3, 6), 3);
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(hf_spsc_used(r), 0);
	free(r);
}

static void one_slot_ring(void **state)
{
	struct hf_spsc *r = make(3, 1);
	uint8_t out[3];
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(hf_spsc_push(r, "abcdef", 2), 1);
		assert_int_equal(hf_spsc_push(r, "abc", 1), 0);
		assert_int_equal(hf_spsc_pop(r, out, 1), 1);
		assert_memory_equal(out, "abc", 3);
	}
	free(r);
}

static void wrong_sizes_panic(void **state)
{
	void *mem = test_alloc(4096);
	(void)state;
	assert_panics(hf_spsc_init(mem, 4, 3));
	assert_panics(hf_spsc_init(mem, 4, 0));
	assert_panics(hf_spsc_init(mem, 0, 4));
	assert_panics(hf_spsc_init((uint8_t *)mem + 8, 4, 4));
	free(mem);
}

static void indices_wrap_at_32_bits(void **state)
{
	struct hf_spsc *r = make(sizeof(uint64_t), 8);
	uint64_t sent = 0, got = 0, rng = 3, v[8];
	(void)state;
	r->head = r->tail = r->head_seen = r->tail_seen = UINT32_MAX - 100;
	for (unsigned step = 0; step < 2000; step++) {
		uint32_t n = test_below(&rng, 9), done;
		for (uint32_t i = 0; i < n; i++)
			v[i] = sent + i;
		done = hf_spsc_push(r, v, n);
		assert_int_equal(done, HF_MIN(n, 8 - (sent - got)));
		sent += done;
		n = test_below(&rng, 9);
		done = hf_spsc_pop(r, v, n);
		assert_int_equal(done, HF_MIN(n, sent - got));
		for (uint32_t i = 0; i < done; i++)
			assert_int_equal(v[i], got++);
		assert_int_equal(hf_spsc_used(r), sent - got);
	}
	assert_true(sent > 1000);
	free(r);
}

/* 24-byte elements whose words must agree: a torn or early read shows. */
struct elem {
	uint64_t seq, times3, inverted;
};

enum { ELEM_CNT = 300000 };

static void *produce(void *arg)
{
	struct hf_spsc *r = arg;
	struct elem v[7];
	uint64_t seq = 0, rng = 4;
	while (seq < ELEM_CNT) {
		uint32_t n = (uint32_t)HF_MIN(1 + test_below(&rng, 7), ELEM_CNT - seq), done = 0;
		for (uint32_t i = 0; i < n; i++)
			v[i] = (struct elem){seq + i, 3 * (seq + i), ~(seq + i)};
		while (done < n) {
			uint32_t now = hf_spsc_push(r, v + done, n - done);
			done += now;
			if (now == 0)
				sched_yield();
		}
		seq += n;
	}
	return NULL;
}

static void two_threads(void **state)
{
	struct hf_spsc *r = make(sizeof(struct elem), 16);
	pthread_t producer;
	struct elem v[11];
	uint64_t want = 0, rng = 5;
	(void)state;
	assert_int_equal(pthread_create(&producer, NULL, produce, r), 0);
	while (want < ELEM_CNT) {
		uint32_t n = hf_spsc_pop(r, v, 1 + test_below(&rng, 11));
		for (uint32_t i = 0; i < n; i++, want++) {
			assert_int_equal(v[i].seq, want);
			assert_int_equal(v[i].times3, 3 * want);
			assert_int_equal(v[i].inverted, ~want);
		}
		if (n == 0)
			sched_yield();
	}
	assert_int_equal(pthread_join(producer, NULL), 0);
	assert_int_equal(hf_spsc_used(r), 0);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_and_empty),
		cmocka_unit_test(one_slot_ring),
		cmocka_unit_test(wrong_sizes_panic),
		cmocka_unit_test(indices_wrap_at_32_bits),
		cmocka_unit_test(two_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
