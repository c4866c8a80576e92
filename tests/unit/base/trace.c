/* The flight recorder keeps the last events, and its digest tells any two histories apart. */
#include "lib/base/trace.h"
#include "tests/support/test.h"

static void ring_keeps_the_last(void **state)
{
	struct hf_trace_ev ev[4];
	struct hf_trace t;
	(void)state;
	hf_trace_init(&t, ev, 4);
	for (unsigned i = 0; i < 6; i++)
		hf_trace(&t, i * 10, i, HF_TRACE_SEG_IN, i, i + 100, i + 200);
	assert_int_equal(t.seq, 6);
	for (unsigned i = 2; i < 6; i++) {
		assert_int_equal(ev[i % 4].at, i * 10);
		assert_int_equal(ev[i % 4].conn, i);
		assert_int_equal(ev[i % 4].what, HF_TRACE_SEG_IN);
		assert_int_equal(ev[i % 4].a, i);
		assert_int_equal(ev[i % 4].b, i + 100);
		assert_int_equal(ev[i % 4].c, i + 200);
	}
	assert_panics(hf_trace_init(&t, ev, 3));
}

static uint64_t digest_of(const struct hf_trace_ev *e)
{
	struct hf_trace_ev ev[2];
	struct hf_trace t;
	hf_trace_init(&t, ev, 2);
	hf_trace(&t, 1, 1, HF_TRACE_SYN, 1, 1, 1);
	hf_trace(&t, e->at, e->conn, (enum hf_trace_what)e->what, e->a, e->b, e->c);
	return t.digest;
}

static void digest_depends_on_every_field(void **state)
{
	const struct hf_trace_ev row[] = {
		{1000, 5, HF_TRACE_RTO, 7, 8, 9},
		{1001, 5, HF_TRACE_RTO, 7, 8, 9},
		{1000, 4, HF_TRACE_RTO, 7, 8, 9},
		{1000, 5, HF_TRACE_SYN, 7, 8, 9},
		{1000, 5, HF_TRACE_RTO, 6, 8, 9},
		{1000, 5, HF_TRACE_RTO, 7, 9, 9},
		{1000, 5, HF_TRACE_RTO, 7, 8, 8},
	};
	(void)state;
	assert_int_equal(digest_of(&row[0]), digest_of(&row[0]));
	for (size_t i = 0; i < HF_ARRAY_LEN(row); i++)
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(digest_of(&row[i]), digest_of(&row[j]));
}

static void every_event_has_a_name(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HF_TRACE_CNT; i++)
		assert_true(hf_trace_name((enum hf_trace_what)i)[0] >= 'A');
	assert_string_equal(hf_trace_name(HF_TRACE_CONN_NEW), "CONN_NEW");
	assert_string_equal(hf_trace_name(HF_TRACE_CNT), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ring_keeps_the_last),
		cmocka_unit_test(digest_depends_on_every_field),
		cmocka_unit_test(every_event_has_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
