/* Cursors at their ends: what is not there is not read, what does not fit is not written. */
#include "lib/base/span.h"
#include "tests/support/test.h"

static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8};

static void readers_are_big_endian(void **state)
{
	struct hf_reader r = hf_reader(bytes, sizeof(bytes));
	uint8_t a;
	uint16_t b;
	uint32_t c;
	(void)state;
	assert_int_equal(hf_reader_u8(&r, &a), 0);
	assert_int_equal(a, 1);
	assert_int_equal(hf_reader_u16(&r, &b), 0);
	assert_int_equal(b, 0x0203);
	assert_int_equal(hf_reader_u24(&r, &c), 0);
	assert_int_equal(c, 0x040506);
	assert_int_equal(hf_reader_left(&r), 2);
	r = hf_reader(bytes, sizeof(bytes));
	assert_int_equal(hf_reader_u32(&r, &c), 0);
	assert_int_equal(c, 0x01020304);
}

/* Every reader over every too short input: it fails and consumes nothing. */
static void short_reads_consume_nothing(void **state)
{
	uint8_t a;
	uint16_t b;
	uint32_t c;
	struct hf_span s;
	(void)state;
	for (size_t len = 0; len < 5; len++) {
		struct hf_reader r = hf_reader(bytes, len);
		assert_int_equal(hf_reader_u8(&r, &a), len < 1 ? -1 : 0);
		r = hf_reader(bytes, len);
		assert_int_equal(hf_reader_u16(&r, &b), len < 2 ? -1 : 0);
		assert_int_equal(hf_reader_left(&r), len < 2 ? len : len - 2);
		r = hf_reader(bytes, len);
		assert_int_equal(hf_reader_u24(&r, &c), len < 3 ? -1 : 0);
		assert_int_equal(hf_reader_left(&r), len < 3 ? len : len - 3);
		r = hf_reader(bytes, len);
		assert_int_equal(hf_reader_u32(&r, &c), len < 4 ? -1 : 0);
		assert_int_equal(hf_reader_left(&r), len < 4 ? len : len - 4);
		r = hf_reader(bytes, len);
		assert_int_equal(hf_reader_bytes(&r, len + 1, &s), -1);
		assert_int_equal(hf_reader_bytes(&r, SIZE_MAX, &s), -1);
		assert_int_equal(hf_reader_skip(&r, len), 0);
		assert_int_equal(hf_reader_left(&r), 0);
	}
}

static void empty_may_be_null(void **state)
{
	struct hf_reader r = hf_reader_of(hf_span(NULL, 0));
	struct hf_span s;
	uint8_t v;
	(void)state;
	assert_int_equal(hf_reader_left(&r), 0);
	assert_int_equal(hf_reader_u8(&r, &v), -1);
	assert_int_equal(hf_reader_bytes(&r, 0, &s), 0);
	assert_true(hf_span_eq(s, hf_span(bytes, 0)));
}

static void vectors_come_whole_or_not(void **state)
{
	const uint8_t v8[] = {3, 'a', 'b', 'c'}, v16[] = {0, 3, 'a', 'b', 'c'};
	const uint8_t v24[] = {0, 0, 3, 'a', 'b', 'c'};
	struct hf_span s;
	(void)state;
	for (size_t len = 0; len <= 6; len++) {
		struct hf_reader r = hf_reader(v8, HF_MIN(len, sizeof(v8)));
		size_t all = hf_reader_left(&r);
		assert_int_equal(hf_reader_vec8(&r, &s), all < 4 ? -1 : 0);
		assert_int_equal(hf_reader_left(&r), all < 4 ? all : 0);
		r = hf_reader(v16, HF_MIN(len, sizeof(v16)));
		all = hf_reader_left(&r);
		assert_int_equal(hf_reader_vec16(&r, &s), all < 5 ? -1 : 0);
		assert_int_equal(hf_reader_left(&r), all < 5 ? all : 0);
		r = hf_reader(v24, len);
		assert_int_equal(hf_reader_vec24(&r, &s), len < 6 ? -1 : 0);
		assert_int_equal(hf_reader_left(&r), len < 6 ? len : 0);
	}
	assert_true(hf_span_eq(s, hf_span("abc", 3)));
	assert_false(hf_span_eq(s, hf_span("abd", 3)));
	assert_false(hf_span_eq(s, hf_span("abc", 2)));
	assert_true(hf_span_eq_nocase(s, hf_span("aBC", 3)));
	assert_false(hf_span_eq_nocase(s, hf_span("aBD", 3)));
	assert_false(hf_span_eq_nocase(s, hf_span("AB", 2)));
	assert_false(
		hf_span_eq_nocase(hf_span("@[", 2), hf_span("`{", 2))); /* beside the letters */
}

static void writers_write_what_readers_read(void **state)
{
	uint8_t out[11];
	struct hf_writer w = hf_writer(out, 10);
	(void)state;
	out[10] = 0x5a;
	hf_writer_u8(&w, 0x101); /* the low byte counts */
	hf_writer_u16(&w, 0x0203);
	hf_writer_u24(&w, 0x040506);
	hf_writer_u32(&w, 0x0708090a);
	assert_false(w.overflow);
	assert_int_equal(w.len, 10);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(out[i], i + 1);
	hf_writer_bytes(&w, NULL, 0); /* nothing always fits */
	assert_false(w.overflow);
	hf_writer_u8(&w, 1);
	assert_true(w.overflow);
	assert_int_equal(out[10], 0x5a);
}

static void overflow_is_remembered(void **state)
{
	uint8_t out[4] = {0};
	struct hf_writer w = hf_writer(out, 3);
	(void)state;
	hf_writer_u16(&w, 0x0102);
	hf_writer_u16(&w, 0x0304); /* one byte too many: none is written */
	assert_true(w.overflow);
	assert_int_equal(w.len, 2);
	hf_writer_u8(&w, 5); /* would fit, but the message is broken already */
	assert_int_equal(w.len, 2);
	assert_int_equal(out[2], 0);
}

static void prefixes_are_filled_at_close(void **state)
{
	uint8_t out[300];
	struct hf_writer w = hf_writer(out, sizeof(out));
	size_t outer = hf_writer_open(&w, 3), inner = hf_writer_open(&w, 2);
	const uint8_t want[] = {0, 0, 5, 0, 3, 'a', 'b', 'c'};
	(void)state;
	hf_writer_bytes(&w, "abc", 3);
	hf_writer_close(&w, inner, 2);
	hf_writer_close(&w, outer, 3);
	assert_int_equal(w.len, sizeof(want));
	assert_memory_equal(out, want, sizeof(want));
}

/* A body longer than its prefix can say is an overflow, not a wrong length. */
static void too_long_for_the_prefix(void **state)
{
	uint8_t out[300], body[256] = {0};
	(void)state;
	for (size_t len = 254; len <= 256; len++) {
		struct hf_writer w = hf_writer(out, sizeof(out));
		size_t mark = hf_writer_open(&w, 1);
		hf_writer_bytes(&w, body, len);
		hf_writer_close(&w, mark, 1);
		assert_int_equal(w.overflow, len > 255);
		if (!w.overflow)
			assert_int_equal(out[0], len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_are_big_endian),
		cmocka_unit_test(short_reads_consume_nothing),
		cmocka_unit_test(empty_may_be_null),
		cmocka_unit_test(vectors_come_whole_or_not),
		cmocka_unit_test(writers_write_what_readers_read),
		cmocka_unit_test(overflow_is_remembered),
		cmocka_unit_test(prefixes_are_filled_at_close),
		cmocka_unit_test(too_long_for_the_prefix),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
