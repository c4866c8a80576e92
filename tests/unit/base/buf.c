/* Chains of chunks against a flat array of the same bytes, with random operations. */
#include "lib/base/buf.h"
#include "tests/support/test.h"

enum { CHUNK_CNT = 12, RECORD_CNT = 2, MAX_LEN = CHUNK_CNT * HF_CHUNK_DATA };

struct fixture {
	void *mem;
	struct hf_bufs bufs;
	struct hf_chain chain;
};

static int setup(void **state)
{
	static struct fixture f;
	f = (struct fixture){.mem = test_alloc(hf_bufs_footprint(CHUNK_CNT, RECORD_CNT))};
	hf_bufs_init(&f.bufs, f.mem, CHUNK_CNT, RECORD_CNT);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	free(f->mem);
	return 0;
}

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

static void fill(uint8_t *p, size_t from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = pattern(from + i);
}

static void append_takes_what_there_is(void **state)
{
	struct fixture *f = *state;
	static uint8_t bytes[MAX_LEN + 100], back[MAX_LEN];
	fill(bytes, 0, sizeof(bytes));
	assert_int_equal(hf_chain_room(&f->bufs, &f->chain, SIZE_MAX), MAX_LEN);
	assert_int_equal(hf_chain_append(&f->bufs, &f->chain, bytes, 0), 0);
	assert_int_equal(f->bufs.chunk.used, 0);
	assert_int_equal(hf_chain_append(&f->bufs, &f->chain, bytes, sizeof(bytes)), MAX_LEN);
	assert_int_equal(f->chain.len, MAX_LEN);
	assert_int_equal(hf_chain_room(&f->bufs, &f->chain, 1), 0);
	assert_int_equal(hf_chain_append(&f->bufs, &f->chain, bytes, 1), 0);
	hf_chain_copy(&f->chain, 0, back, MAX_LEN, NULL);
	assert_memory_equal(back, bytes, MAX_LEN);
	hf_chain_clear(&f->bufs, &f->chain);
	assert_int_equal(f->bufs.chunk.used, 0);
	assert_null(f->chain.head);
	assert_null(f->chain.tail);
}

/* Bytes may be written where they are to lie. */
static void extend_by_what_was_written(void **state)
{
	struct fixture *f = *state;
	static uint8_t bytes[MAX_LEN], back[MAX_LEN];
	size_t room, done = 0, n = 0;
	uint8_t *to;
	fill(bytes, 0, sizeof(bytes));
	while ((to = hf_chain_extend(&f->bufs, &f->chain, &room)) != NULL) {
		n = HF_MIN(room, 3 * n + 1);
		memcpy(to, bytes + done, n);
		hf_chain_extended(&f->chain, n);
		done += n;
		assert_int_equal(f->chain.len, done);
	}
	assert_int_equal(done, MAX_LEN);
	hf_chain_copy(&f->chain, 0, back, MAX_LEN, NULL);
	assert_memory_equal(back, bytes, MAX_LEN);
	hf_chain_clear(&f->bufs, &f->chain);
}

static void room_counts_tail_and_pool(void **state)
{
	struct fixture *f = *state;
	static uint8_t bytes[HF_CHUNK_DATA];
	assert_int_equal(hf_chain_append(&f->bufs, &f->chain, bytes, 10), 10);
	assert_int_equal(hf_chain_room(&f->bufs, &f->chain, SIZE_MAX), MAX_LEN - 10);
	assert_int_equal(hf_chain_room(&f->bufs, &f->chain, 77), 77);
	hf_chain_consume(&f->bufs, &f->chain, 4); /* the front of a chunk is not room */
	assert_int_equal(hf_chain_room(&f->bufs, &f->chain, SIZE_MAX), MAX_LEN - 10);
	hf_chain_clear(&f->bufs, &f->chain);
}

static void consume_at_every_distance_from_a_border(void **state)
{
	struct fixture *f = *state;
	static uint8_t bytes[3 * HF_CHUNK_DATA];
	fill(bytes, 0, sizeof(bytes));
	for (size_t n = HF_CHUNK_DATA - 3; n <= HF_CHUNK_DATA + 3; n++) {
		struct hf_span first;
		size_t got = hf_chain_append(&f->bufs, &f->chain, bytes, sizeof(bytes));
		assert_int_equal(got, sizeof(bytes));
		hf_chain_consume(&f->bufs, &f->chain, n);
		first = hf_chain_first(&f->chain);
		assert_memory_equal(first.p, bytes + n, first.len);
		assert_int_equal(f->bufs.chunk.used, n < HF_CHUNK_DATA ? 3 : 2);
		hf_chain_consume(&f->bufs, &f->chain, sizeof(bytes) - n);
		assert_int_equal(f->bufs.chunk.used, 0);
		assert_int_equal(hf_chain_first(&f->chain).len, 0);
	}
	assert_panics(hf_chain_consume(&f->bufs, &f->chain, 1));
}

/* A cursor whose chunk goes away must let go of it, at the byte and not one later. */
static void cursor_survives_consuming_its_chunk(void **state)
{
	struct fixture *f = *state;
	static uint8_t bytes[3 * HF_CHUNK_DATA];
	fill(bytes, 0, sizeof(bytes));
	for (size_t n = HF_CHUNK_DATA - 1; n <= HF_CHUNK_DATA + 1; n++) {
		struct hf_cursor cur = {0};
		uint8_t got[100];
		size_t len = hf_chain_append(&f->bufs, &f->chain, bytes, sizeof(bytes));
		hf_chain_copy(&f->chain, 5, got, 1, &cur); /* now in the first chunk */
		hf_chain_drop_sent(&f->bufs, &f->chain, &cur, n);
		len += hf_chain_append(&f->bufs, &f->chain, bytes, 1); /* takes a freed chunk */
		hf_chain_copy(&f->chain, 0, got, sizeof(got), &cur);
		assert_memory_equal(got, bytes + n, sizeof(got));
		hf_chain_consume(&f->bufs, &f->chain, len - n);
	}
}

static void emptied_chunks_are_wiped(void **state)
{
	struct fixture *f = *state;
	static uint8_t bytes[HF_CHUNK_DATA];
	struct hf_chunk *k;
	memset(bytes, 0x5a, sizeof(bytes));
	assert_int_equal(hf_chain_append(&f->bufs, &f->chain, bytes, 1000), 1000);
	k = f->chain.head;
	hf_chain_consume(&f->bufs, &f->chain, 300);
	assert_int_equal(hf_chain_append(&f->bufs, &f->chain, bytes, 500), 500);
	hf_chain_consume(&f->bufs, &f->chain, 1200);
	for (size_t i = 0; i < 1500; i++)
		assert_int_equal(k->data[i], 0);
}

/* What the wire has seen needs no wiping, and comes out of the pool as it went in. */
static void sent_chunks_are_left_as_they_are(void **state)
{
	struct fixture *f = *state;
	static uint8_t bytes[HF_CHUNK_DATA];
	struct hf_cursor cur = {0};
	struct hf_chunk *k;
	memset(bytes, 0x5a, sizeof(bytes));
	assert_int_equal(hf_chain_append(&f->bufs, &f->chain, bytes, 1000), 1000);
	k = f->chain.head;
	hf_chain_drop_sent(&f->bufs, &f->chain, &cur, 1000);
	assert_int_equal(f->bufs.chunk.used, 0);
	assert_memory_equal(k->data + 100, bytes + 100, 900);
}

static void records_are_wiped_and_counted(void **state)
{
	struct fixture *f = *state;
	uint8_t *a = hf_record_take(&f->bufs), *b = hf_record_take(&f->bufs);
	assert_non_null(a);
	assert_non_null(b);
	assert_null(hf_record_take(&f->bufs));
	assert_int_equal(f->bufs.record.refused, 1);
	memset(a, 0x5a, HF_RECORD_BUF_SIZE);
	hf_record_give(&f->bufs, a, HF_RECORD_BUF_SIZE - 1);
	for (size_t i = 0; i < HF_RECORD_BUF_SIZE - 1; i++)
		assert_int_equal(a[i], 0);
	assert_int_equal(a[HF_RECORD_BUF_SIZE - 1], 0x5a);
	hf_record_give(&f->bufs, b, 0);
	assert_panics(hf_record_give(&f->bufs, b, HF_RECORD_BUF_SIZE + 1));
	assert_int_equal(f->bufs.record.used, 0);
}

static void joined_chains_read_as_one(void **state)
{
	struct fixture *f = *state;
	struct hf_chain other = {0}, nothing = {0};
	uint8_t bytes[3000], back[3000];
	fill(bytes, 0, sizeof(bytes));
	hf_chain_join(&f->chain, &nothing);
	assert_null(f->chain.head);
	assert_int_equal(hf_chain_append(&f->bufs, &other, bytes, 1000), 1000);
	hf_chain_join(&f->chain, &other); /* onto an empty one */
	assert_int_equal(other.len, 0);
	assert_null(other.head);
	assert_int_equal(hf_chain_append(&f->bufs, &other, bytes + 1000, 1500), 1500);
	hf_chain_join(&f->chain, &other); /* behind a half full chunk */
	assert_int_equal(hf_chain_append(&f->bufs, &f->chain, bytes + 2500, 500), 500);
	hf_chain_copy(&f->chain, 0, back, sizeof(back), NULL);
	assert_memory_equal(back, bytes, sizeof(back));
	hf_chain_clear(&f->bufs, &f->chain);
}

/* The reference: bytes [head, tail) of an endless pattern stream. */
struct model {
	size_t head, tail;
	struct hf_cursor cur;
};

static void check_copy(struct fixture *f, struct model *m, uint64_t *rng)
{
	static uint8_t got[MAX_LEN], want[MAX_LEN];
	size_t total = m->tail - m->head, off = test_below(rng, (uint32_t)total + 1);
	size_t len = test_below(rng, (uint32_t)(total - off) + 1);
	bool with_cursor = test_rand(rng) & 1;
	fill(want, m->head + off, len);
	hf_chain_copy(&f->chain, off, got, len, with_cursor ? &m->cur : NULL);
	assert_memory_equal(got, want, len);
	if (off < total) {
		struct hf_span at = hf_chain_at(&f->chain, off, with_cursor ? &m->cur : NULL);
		assert_true(at.len > 0 && at.len <= total - off);
		fill(want, m->head + off, at.len);
		assert_memory_equal(at.p, want, at.len);
	}
}

static void random_step(struct fixture *f, struct model *m, uint64_t *rng)
{
	static uint8_t bytes[5000];
	size_t total = m->tail - m->head, n;
	switch (test_below(rng, 5)) {
	case 0:
	case 1:
		n = test_below(rng, test_rand(rng) & 1 ? 40 : sizeof(bytes));
		fill(bytes, m->tail, n);
		{
			size_t room = hf_chain_room(&f->bufs, &f->chain, n);
			assert_int_equal(hf_chain_append(&f->bufs, &f->chain, bytes, n), room);
			m->tail += room;
		}
		break;
	case 2:
		n = test_below(rng, (uint32_t)HF_MIN(total, 4100u) + 1);
		hf_chain_drop_sent(&f->bufs, &f->chain, &m->cur, n);
		m->head += n;
		break;
	default:
		check_copy(f, m, rng);
	}
}

static void random_operations_match_reference(void **state)
{
	struct fixture *f = *state;
	struct model m = {0};
	uint64_t rng = 2;
	for (unsigned step = 0; step < 60000; step++) {
		struct hf_span first;
		random_step(f, &m, &rng);
		assert_int_equal(f->chain.len, m.tail - m.head);
		first = hf_chain_first(&f->chain);
		assert_int_equal(first.len == 0, f->chain.len == 0);
		if (first.len)
			assert_int_equal(first.p[0], pattern(m.head));
	}
	hf_chain_clear(&f->bufs, &f->chain);
	assert_int_equal(f->bufs.chunk.used, 0);
	assert_true(f->bufs.chunk.refused > 0); /* the pool did run dry on the way */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(append_takes_what_there_is),
		TEST(extend_by_what_was_written),
		TEST(room_counts_tail_and_pool),
		TEST(consume_at_every_distance_from_a_border),
		TEST(cursor_survives_consuming_its_chunk),
		TEST(emptied_chunks_are_wiped),
		TEST(sent_chunks_are_left_as_they_are),
		TEST(records_are_wiped_and_counted),
		TEST(joined_chains_read_as_one),
		TEST(random_operations_match_reference),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
