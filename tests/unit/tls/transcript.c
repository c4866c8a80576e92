/* transcript.c -- whatever is put in, in whatever pieces and with the certificates wherever, comes
 * out the same through each of the three ways to look at it. */
#include "lib/tls/transcript.h"
#include "tests/support/test.h"

#define CHUNK_CNT 12u

static struct hf_bufs bufs;
static void *mem;

static int setup(void **state)
{
	(void)state;
	mem = test_alloc(hf_bufs_footprint(CHUNK_CNT, 0));
	hf_bufs_init(&bufs, mem, CHUNK_CNT, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(mem);
	return 0;
}

static void check(const struct hf_transcript *t, const uint8_t *want, size_t len)
{
	static uint8_t got[40000];
	struct hf_span v[16];
	uint32_t cnt = hf_transcript_spans(t, 0, len, v, HF_ARRAY_LEN(v));
	size_t at = 0;

	assert_int_equal(hf_transcript_len(t), len);
	for (uint32_t i = 0; i < cnt; at += v[i++].len)
		assert_memory_equal(v[i].p, want + at, v[i].len);
	assert_int_equal(at, len);
	for (size_t off = 0; off < len; off += 97) {
		size_t n = HF_MIN(len - off, 2500u);
		const uint8_t *p;

		cnt = hf_transcript_spans(t, off, n, v, HF_ARRAY_LEN(v));
		for (at = 0; cnt > 0 && at < n;
			at += v[0].len, memmove(v, v + 1, --cnt * sizeof(v[0])))
			assert_memory_equal(v[0].p, want + off + at, v[0].len);
		assert_int_equal(at, n);
		hf_transcript_copy(t, off, got, n);
		assert_memory_equal(got, want + off, n);
		n = HF_MIN(len - off, 300u);
		p = hf_transcript_view(t, off, n);
		if (p)
			assert_memory_equal(p, want + off, n);
	}
}

static void pieces_and_a_hole(void **state)
{
	static uint8_t want[40000], cert[4000];
	uint64_t seed = 1;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct hf_transcript t = {0};
		size_t len = 0, hole = test_below(&seed, 12000);
		bool holed = round % 5 == 0;
		while (len < 15000) {
			size_t n = 1 + test_below(&seed, 3000), taken;
			if (!holed && len >= hole) {
				for (size_t i = 0; i < sizeof(cert); i++)
					want[len + i] = cert[i] = (uint8_t)test_rand(&seed);
				hf_transcript_put_cert(&t, hf_span(cert, sizeof(cert)));
				len += sizeof(cert);
				holed = true;
			}
			for (size_t i = 0; i < n; i++)
				want[len + i] = (uint8_t)test_rand(&seed);
			taken = hf_transcript_add(&bufs, &t, want + len, n);
			assert_int_equal(taken, n);
			len += n;
		}
		check(&t, want, len);
		hf_transcript_clear(&bufs, &t);
		assert_int_equal(bufs.chunk.used, 0);
		assert_int_equal(hf_transcript_len(&t), 0);
	}
}

static void short_of_chunks(void **state)
{
	static uint8_t bytes[(CHUNK_CNT + 1) * HF_CHUNK_DATA];
	struct hf_transcript t = {0};
	size_t all = CHUNK_CNT * HF_CHUNK_DATA;

	(void)state;
	assert_true(hf_transcript_fits(&bufs, &t, all));
	assert_false(hf_transcript_fits(&bufs, &t, all + 1));
	assert_int_equal(hf_transcript_add(&bufs, &t, bytes, sizeof(bytes)), all);
	assert_false(hf_transcript_fits(&bufs, &t, 1));
	hf_transcript_clear(&bufs, &t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_and_a_hole),
		cmocka_unit_test(short_of_chunks),
	};

	return cmocka_run_group_tests_name("transcript", tests, setup, teardown);
}
