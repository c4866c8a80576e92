/* The ring, both roles, in one process: what goes in comes out, in order and within its credit,
 * through any mix of batches, wraps and partial reads; and every lie of a peer is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "lib/link/link.h"

#define RING HF_LINK_RING_MIN
#define CREDIT 50000u

/* A worker and a backend joined by two regions. */
struct pair {
	struct hf_link w, b;
	struct hf_link_stats stats_w, stats_b;
	uint8_t *mem_w, *mem_b;
	size_t len;
};

static void pair_init(struct pair *p)
{
	memset(p, 0, sizeof(*p));
	p->len = hf_link_region_size(RING);
	p->mem_w = aligned_alloc(4096, p->len);
	p->mem_b = aligned_alloc(4096, p->len);
	assert_non_null(p->mem_w);
	assert_non_null(p->mem_b);
	memset(p->mem_w, 0, p->len);
	memset(p->mem_b, 0, p->len);
	hf_link_region_init(p->mem_w, RING);
	hf_link_region_init(p->mem_b, RING);
	hf_link_init(
		&p->w, HF_LINK_WORKER, CREDIT, p->mem_w, p->len, p->mem_b, p->len, &p->stats_w);
	hf_link_init(
		&p->b, HF_LINK_BACKEND, CREDIT, p->mem_b, p->len, p->mem_w, p->len, &p->stats_b);
}

static void pair_free(struct pair *p)
{
	free(p->mem_w);
	free(p->mem_b);
}

static uint64_t rnd_state;

static uint32_t rnd(uint32_t below)
{
	rnd_state = rnd_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((rnd_state >> 33) % below);
}

static struct hf_span text(const char *s)
{
	return hf_span(s, strlen(s));
}

/* Opens stream id from w to b; both views of it. */
static void open_stream(struct pair *p, struct hf_link_stream *sw, struct hf_link_stream *sb,
	uint64_t id, uint32_t rx_credit)
{
	struct hf_link_msg m;
	assert_int_equal(hf_link_open(&p->w, sw, id, rx_credit, hf_span(NULL, 0)), 0);
	hf_link_publish(&p->w);
	assert_int_equal(hf_link_next(&p->b, &m), 1);
	assert_int_equal(m.type, HF_LINK_OPEN);
	assert_int_equal(m.len, 0);
	assert_int_equal(hf_link_admit(&p->b, sb, &m), 0);
	hf_link_release(&p->b);
}

static void expect(struct hf_link *l, struct hf_link_msg *m, uint32_t type, uint32_t len)
{
	assert_int_equal(hf_link_next(l, m), 1);
	assert_int_equal(m->type, type);
	assert_int_equal(m->len, len);
}

/* ---- one stream's life ---- */

static void life_of_a_stream(void **state)
{
	struct pair p;
	struct hf_link_stream sw, sb;
	struct hf_link_msg m;
	char got[16];
	(void)state;
	pair_init(&p);
	assert_int_equal(hf_link_open(&p.w, &sw, 7, 100, text("tlvs")), 0);
	assert_int_equal(hf_link_data(&p.w, &sw, "hello", 5), 5);
	assert_int_equal(hf_link_next(&p.b, &m), 0); /* nothing before publish */
	hf_link_publish(&p.w);

	expect(&p.b, &m, HF_LINK_OPEN, 4);
	assert_int_equal(m.stream, 7);
	assert_int_equal(hf_link_admit(&p.b, &sb, &m), 0);
	assert_int_equal(sb.tx_credit, 100);
	assert_int_equal(sb.rx_credit, CREDIT);
	assert_int_equal(hf_link_read(&p.b, &sb, got, sizeof(got)), 4);
	assert_memory_equal(got, "tlvs", 4);
	expect(&p.b, &m, HF_LINK_DATA, 5);
	assert_int_equal(hf_link_admit(&p.b, &sb, &m), 0);
	assert_int_equal(hf_link_read(&p.b, &sb, got, sizeof(got)), 5);
	assert_memory_equal(got, "hello", 5);
	assert_int_equal(sb.rx_credit, CREDIT - 5);
	assert_int_equal(sw.tx_credit, CREDIT - 5);
	assert_int_equal(hf_link_next(&p.b, &m), 0);

	assert_int_equal(hf_link_credit(&p.b, &sb, 5), 0);
	assert_int_equal(hf_link_data(&p.b, &sb, "world", 5), 5);
	assert_int_equal(hf_link_half_close(&p.b, &sb), 0);
	hf_link_publish(&p.b);
	expect(&p.w, &m, HF_LINK_CREDIT, 0);
	assert_int_equal(m.value, 5);
	assert_int_equal(hf_link_admit(&p.w, &sw, &m), 0);
	assert_int_equal(sw.tx_credit, CREDIT);
	expect(&p.w, &m, HF_LINK_DATA, 5);
	assert_int_equal(hf_link_admit(&p.w, &sw, &m), 0);
	assert_int_equal(hf_link_read(&p.w, &sw, got, sizeof(got)), 5);
	assert_memory_equal(got, "world", 5);
	expect(&p.w, &m, HF_LINK_HALF_CLOSE, 0);
	assert_int_equal(hf_link_admit(&p.w, &sw, &m), 0);
	assert_true(sw.rx_closed);
	assert_false(hf_link_stream_over(&sw));
	/* Credit for a side that is closed goes nowhere. */
	assert_int_equal(hf_link_credit(&p.w, &sw, 5), 0);
	hf_link_publish(&p.w);
	assert_int_equal(hf_link_next(&p.b, &m), 0);

	assert_int_equal(hf_link_reset(&p.w, &sw, HF_LINK_RESET_TRUNCATED), 0);
	hf_link_publish(&p.w);
	expect(&p.b, &m, HF_LINK_RESET, 0);
	assert_int_equal(m.value, HF_LINK_RESET_TRUNCATED);
	assert_int_equal(hf_link_admit(&p.b, &sb, &m), 0);
	assert_true(hf_link_stream_over(&sb) && hf_link_stream_over(&sw));
	assert_int_equal(p.stats_w.records_out, p.stats_b.records_in);
	assert_int_equal(p.stats_b.bytes_in, 5);
	pair_free(&p);
}

/* ---- any sequence of operations, against a queue that cannot be wrong ---- */

enum { STREAMS = 5, QUEUE = 8192 };

struct sent {
	uint64_t stream;
	uint32_t type, len, value;
	uint32_t at; /* DATA: position in the stream, from which its bytes follow */
};

struct side {
	struct hf_link *l;
	struct hf_link_stream s[STREAMS];
	uint32_t sent_at[STREAMS], read_at[STREAMS];
	uint32_t owed[STREAMS]; /* read and not granted again */
	struct sent queue[QUEUE];
	uint32_t head, published, tail; /* what this side has sent and the other taken */
};

static uint8_t byte_of(uint64_t stream, uint32_t at)
{
	return (uint8_t)(stream * 31 + at * 7 + (at >> 8));
}

static void note(struct side *from, uint64_t stream, uint32_t type, uint32_t len, uint32_t value,
	uint32_t at)
{
	assert_true(from->head - from->tail < QUEUE);
	from->queue[from->head++ % QUEUE] = (struct sent){stream, type, len, value, at};
}

static void random_send(struct side *me)
{
	uint32_t i = rnd(STREAMS), n = rnd(4) ? rnd(300) : rnd(40000), k;
	struct hf_link_stream *s = &me->s[i];
	static uint8_t bytes[40000];
	if (s->id == 0)
		return;
	if (me->owed[i] && rnd(3) == 0) {
		if (hf_link_credit(me->l, s, me->owed[i]) == 0) {
			note(me, s->id, HF_LINK_CREDIT, 0, me->owed[i], 0);
			me->owed[i] = 0;
		}
		return;
	}
	if (me->l->role == HF_LINK_WORKER && rnd(16) == 0) {
		if (hf_link_reclaim(me->l, s) == 0)
			note(me, s->id, HF_LINK_RECLAIM, 0, 0, 0);
		return;
	}
	for (k = 0; k < n; k++)
		bytes[k] = byte_of(s->id, me->sent_at[i] + k);
	bool blocked = s->tx_blocked;
	uint32_t credit = s->tx_credit;
	size_t room = hf_link_tx_room(me->l), took = hf_link_data(me->l, s, bytes, n);
	assert_int_equal(took, HF_MIN(HF_MIN(n, credit), room));
	assert_int_equal(s->tx_credit, credit - took);
	if (took)
		note(me, s->id, HF_LINK_DATA, (uint32_t)took, 0, me->sent_at[i]);
	me->sent_at[i] += (uint32_t)took;
	if (s->tx_blocked && !blocked)
		note(me, s->id, HF_LINK_BLOCKED, 0, 0, 0);
}

static void random_receive(struct side *me, struct side *from)
{
	struct hf_link_msg m;
	struct sent *want = &from->queue[from->tail % QUEUE];
	uint8_t got[HF_LINK_PAYLOAD_MAX];
	int rc = hf_link_next(me->l, &m);
	if (from->tail == from->published) {
		assert_int_equal(rc, 0);
		return;
	}
	assert_int_equal(rc, 1);
	assert_int_equal(m.type, want->type);
	assert_int_equal(m.stream, want->stream);
	assert_int_equal(m.value, want->value);
	assert_int_equal(m.len, want->len);
	uint32_t i = (uint32_t)(m.stream - 1);
	uint32_t credit = me->s[i].tx_credit;
	uint64_t sent = me->l->tx_head;
	assert_int_equal(hf_link_admit(me->l, &me->s[i], &m), 0);
	if (me->l->tx_head != sent) { /* or there was no room to answer */
		assert_int_equal(m.type, HF_LINK_RECLAIM);
		assert_int_equal(me->s[i].tx_credit, 0);
		note(me, m.stream, HF_LINK_RETURNED, 0, credit, 0);
	}
	if (m.type == HF_LINK_RETURNED)
		me->owed[i] += m.value;
	if (m.type == HF_LINK_DATA) {
		size_t max = rnd(3) ? m.len : rnd(m.len + 1);
		size_t n = hf_link_read(me->l, &me->s[i], got, max);
		assert_int_equal(n, max);
		for (uint32_t k = 0; k < n; k++)
			assert_int_equal(got[k], byte_of(m.stream, want->at + k));
		assert_int_equal(want->at, me->read_at[i]);
		me->read_at[i] += (uint32_t)n;
		me->owed[i] += (uint32_t)n;
		want->at += (uint32_t)n;
		want->len -= (uint32_t)n;
		if (want->len)
			return; /* the rest is told again */
	}
	from->tail++;
}

static void publish(struct side *me)
{
	hf_link_publish(me->l);
	me->published = me->head;
}

static void deliver_all(struct side *from, struct side *to)
{
	publish(from);
	while (from->tail != from->published)
		random_receive(to, from);
	random_receive(to, from); /* and finds nothing more */
}

static void any_sequence(void **state)
{
	static struct side a, b;
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct pair p;
		pair_init(&p);
		rnd_state = seed;
		memset(&a, 0, sizeof(a));
		memset(&b, 0, sizeof(b));
		a.l = &p.w;
		b.l = &p.b;
		for (uint32_t i = 0; i < STREAMS; i++) {
			uint32_t credit = rnd(20000);
			assert_int_equal(
				hf_link_open(&p.w, &a.s[i], i + 1, credit, hf_span(NULL, 0)), 0);
			note(&a, i + 1, HF_LINK_OPEN, 0, credit, 0);
		}
		for (uint32_t step = 0; step < 20000; step++) {
			struct side *me = rnd(2) ? &a : &b, *other = me == &a ? &b : &a;
			switch (rnd(8)) {
			case 0:
				publish(me);
				break;
			case 1:
				hf_link_release(me->l);
				break;
			case 2:
			case 3:
			case 4:
				random_send(me);
				break;
			default:
				random_receive(me, other);
			}
		}
		assert_int_equal(p.w.violation, HF_LINK_FINE);
		assert_int_equal(p.b.violation, HF_LINK_FINE);
		/* It wrapped, so the test is about what it says. */
		assert_true(p.w.tx_head > 2 * RING && p.b.tx_head > 2 * RING);
		deliver_all(&a, &b);
		deliver_all(&b, &a);
		for (uint32_t i = 0; i < STREAMS; i++) {
			assert_int_equal(a.read_at[i], b.sent_at[i]);
			assert_int_equal(b.read_at[i], a.sent_at[i]);
			assert_int_equal(a.s[i].rx_credit, b.s[i].tx_credit);
			assert_int_equal(b.s[i].rx_credit, a.s[i].tx_credit);
		}
		pair_free(&p);
	}
}

/* ---- full, empty, wrap ---- */

static void wrap_at_every_place(void **state)
{
	struct pair p;
	struct hf_link_stream sw, sb;
	struct hf_link_msg m;
	uint8_t out[200], in[200];
	(void)state;
	pair_init(&p);
	open_stream(&p, &sw, &sb, 1, 0);
	for (uint32_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i + 1);
	/* Lengths 1 to 200 meet the end of the ring at each multiple of 16 many times. */
	for (uint32_t round = 0; p.w.tx_head < 40ull * RING; round++) {
		uint32_t n = 1 + round % 200;
		assert_int_equal(hf_link_data(&p.w, &sw, out, n), n);
		hf_link_publish(&p.w);
		expect(&p.b, &m, HF_LINK_DATA, n);
		assert_int_equal(hf_link_read(&p.b, &sb, in, sizeof(in)), n);
		assert_memory_equal(in, out, n);
		hf_link_release(&p.b);
		assert_int_equal(hf_link_credit(&p.b, &sb, n), 0);
		hf_link_publish(&p.b);
		expect(&p.w, &m, HF_LINK_CREDIT, 0);
		assert_int_equal(hf_link_admit(&p.w, &sw, &m), 0);
		hf_link_release(&p.w);
	}
	pair_free(&p);
}

static void peek_gives_what_read_copies(void **state)
{
	struct pair p;
	struct hf_link_stream sw, sb;
	struct hf_link_msg m;
	uint8_t out[3000], in[3000];
	bool split = false;
	(void)state;
	pair_init(&p);
	open_stream(&p, &sw, &sb, 1, 0);
	for (uint32_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 13);
	for (uint32_t round = 0; round < 100; round++) {
		uint32_t done = 0, pieces = 0;
		sw.tx_credit = sb.rx_credit = CREDIT;
		assert_int_equal(hf_link_data(&p.w, &sw, out, sizeof(out)), sizeof(out));
		hf_link_publish(&p.w);
		expect(&p.b, &m, HF_LINK_DATA, sizeof(out));
		while (done < sizeof(out)) {
			struct hf_span at = hf_link_peek(&p.b);
			memcpy(in + done, at.p, at.len);
			assert_int_equal(hf_link_read(&p.b, &sb, NULL, at.len), at.len);
			done += (uint32_t)at.len;
			pieces++;
		}
		split |= pieces == 2;
		assert_memory_equal(in, out, sizeof(out));
		assert_int_equal(hf_link_peek(&p.b).len, 0);
		hf_link_release(&p.b);
	}
	assert_true(split);
	pair_free(&p);
}

static void full_ring(void **state)
{
	struct pair p;
	struct hf_link_stream sw, sb;
	struct hf_link_msg m;
	static uint8_t out[HF_LINK_PAYLOAD_MAX];
	uint64_t data = 0, credits = 0;
	size_t n;
	(void)state;
	pair_init(&p);
	open_stream(&p, &sw, &sb, 1, 0);
	sw.tx_credit = sb.rx_credit = HF_LINK_CREDIT_MAX;
	while ((n = hf_link_data(&p.w, &sw, out, sizeof(out))) > 0)
		data += n;
	assert_int_equal(hf_link_tx_room(&p.w), 0);
	assert_true(data > RING * 3 / 4);
	struct hf_link_stream other = {0};
	assert_int_equal(hf_link_open(&p.w, &other, 2, 0, hf_span(NULL, 0)), -1);
	assert_int_equal(other.id, 0); /* not opened */
	/* The reserve still serves what must not starve, to the last byte. */
	while (hf_link_credit(&p.w, &sw, 1) == 0)
		credits++;
	assert_int_equal(credits, RING / 8 / 32);
	assert_int_equal(p.w.tx_head - p.w.tx_tail, RING);
	assert_int_equal(hf_link_half_close(&p.w, &sw), -1);
	assert_false(sw.tx_closed);
	assert_int_equal(hf_link_reset(&p.w, &sw, HF_LINK_RESET_LIMIT), -1);
	assert_false(hf_link_stream_over(&sw));
	assert_true(p.stats_w.tx_full >= 4);
	hf_link_publish(&p.w);

	while (hf_link_next(&p.b, &m) > 0) {
		assert_int_equal(hf_link_admit(&p.b, &sb, &m), 0);
		if (m.type == HF_LINK_DATA)
			data -= hf_link_read(&p.b, &sb, NULL, HF_LINK_PAYLOAD_MAX);
		else
			credits--;
	}
	assert_int_equal(p.b.violation, HF_LINK_FINE);
	assert_int_equal(data, 0);
	assert_int_equal(credits, 0);
	assert_int_equal(hf_link_tx_room(&p.w), 0); /* read but not released */
	hf_link_release(&p.b);
	assert_int_equal(hf_link_tx_room(&p.w), HF_LINK_PAYLOAD_MAX);
	pair_free(&p);
}

static void partial_record_is_kept_from_the_writer(void **state)
{
	struct pair p;
	struct hf_link_stream sw, sb;
	struct hf_link_msg m;
	uint8_t out[1000], in[1000];
	(void)state;
	pair_init(&p);
	open_stream(&p, &sw, &sb, 1, 0);
	memset(out, 'x', sizeof(out));
	assert_int_equal(hf_link_data(&p.w, &sw, out, 1000), 1000);
	assert_int_equal(hf_link_data(&p.w, &sw, out, 10), 10);
	hf_link_publish(&p.w);
	uint64_t before = p.b.rx_released;
	expect(&p.b, &m, HF_LINK_DATA, 1000);
	assert_int_equal(hf_link_read(&p.b, &sb, in, 300), 300);
	hf_link_release(&p.b);
	assert_int_equal(p.b.rx_released, before);
	expect(&p.b, &m, HF_LINK_DATA, 700);
	assert_int_equal(hf_link_read(&p.b, &sb, in, 699), 699);
	expect(&p.b, &m, HF_LINK_DATA, 1);
	hf_link_skip(&p.b);
	hf_link_release(&p.b);
	assert_int_equal(p.b.rx_released, before + 16 + 1008);
	expect(&p.b, &m, HF_LINK_DATA, 10);
	pair_free(&p);
}

/* ---- credit ---- */

static void credit_bounds_data(void **state)
{
	struct pair p;
	struct hf_link_stream sw, sb;
	struct hf_link_msg m;
	uint8_t out[100] = {0};
	(void)state;
	pair_init(&p);
	open_stream(&p, &sw, &sb, 1, 30);
	assert_int_equal(hf_link_data(&p.b, &sb, out, 100), 30);
	assert_int_equal(hf_link_data(&p.b, &sb, out, 100), 0);
	hf_link_publish(&p.b);
	assert_int_equal(p.stats_b.tx_full, 0); /* credit, not room */
	expect(&p.w, &m, HF_LINK_DATA, 30);
	assert_int_equal(hf_link_admit(&p.w, &sw, &m), 0);
	assert_int_equal(hf_link_read(&p.w, &sw, out, 30), 30);
	assert_int_equal(sw.rx_credit, 0);
	assert_int_equal(hf_link_credit(&p.w, &sw, 7), 0);
	assert_int_equal(sw.rx_credit, 7);
	hf_link_publish(&p.w);
	expect(&p.b, &m, HF_LINK_CREDIT, 0);
	assert_int_equal(hf_link_admit(&p.b, &sb, &m), 0);
	assert_int_equal(hf_link_data(&p.b, &sb, out, 100), 7);
	pair_free(&p);
}

/* Who has something to say and no credit says so, once until some comes. */
static void blocked_is_said_once(void **state)
{
	struct pair p;
	struct hf_link_stream sw, sb;
	struct hf_link_msg m;
	(void)state;
	pair_init(&p);
	open_stream(&p, &sw, &sb, 1, 0);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(hf_link_data(&p.b, &sb, "xy", 0), 0); /* nothing to say */
		assert_false(sb.tx_blocked);
		assert_int_equal(hf_link_data(&p.b, &sb, "xy", 2), 0);
		assert_int_equal(hf_link_data(&p.b, &sb, "xy", 2), 0);
		assert_int_equal(hf_link_blocked(&p.b, &sb), 0);
		hf_link_publish(&p.b);
		expect(&p.w, &m, HF_LINK_BLOCKED, 0);
		assert_int_equal(hf_link_admit(&p.w, &sw, &m), 0);
		assert_int_equal(hf_link_next(&p.w, &m), 0);
		assert_int_equal(hf_link_credit(&p.w, &sw, 2), 0);
		hf_link_publish(&p.w);
		expect(&p.b, &m, HF_LINK_CREDIT, 0);
		assert_int_equal(hf_link_admit(&p.b, &sb, &m), 0);
		assert_int_equal(hf_link_data(&p.b, &sb, "xy", 2), 2);
		hf_link_publish(&p.b);
		expect(&p.w, &m, HF_LINK_DATA, 2);
		assert_int_equal(hf_link_admit(&p.w, &sw, &m), 0);
		assert_int_equal(hf_link_read(&p.w, &sw, NULL, 2), 2);
	}
	/* A worker waits for credit in silence. */
	sw.tx_credit = 0;
	assert_int_equal(hf_link_data(&p.w, &sw, "x", 1), 0);
	hf_link_publish(&p.w);
	assert_int_equal(hf_link_next(&p.b, &m), 0);
	pair_free(&p);
}

static void credit_is_given_back(void **state)
{
	struct pair p;
	struct hf_link_stream sw, sb;
	struct hf_link_msg m;
	(void)state;
	pair_init(&p);
	open_stream(&p, &sw, &sb, 1, 50);
	assert_int_equal(hf_link_data(&p.b, &sb, "0123456789", 10), 10); /* crosses the question */
	assert_int_equal(hf_link_reclaim(&p.w, &sw), 0);
	assert_int_equal(sw.rx_credit, 50);
	hf_link_publish(&p.w);
	expect(&p.b, &m, HF_LINK_RECLAIM, 0);
	assert_int_equal(hf_link_admit(&p.b, &sb, &m), 0);
	assert_int_equal(sb.tx_credit, 0);
	hf_link_publish(&p.b);
	expect(&p.w, &m, HF_LINK_DATA, 10);
	assert_int_equal(hf_link_admit(&p.w, &sw, &m), 0);
	assert_int_equal(hf_link_read(&p.w, &sw, NULL, 10), 10);
	expect(&p.w, &m, HF_LINK_RETURNED, 0);
	assert_int_equal(m.value, 40);
	assert_int_equal(hf_link_admit(&p.w, &sw, &m), 0);
	assert_int_equal(sw.rx_credit, 0);
	/* With a ring that is full it keeps what it has. */
	sb.tx_credit = sw.rx_credit = 7;
	while (hf_link_credit(&p.b, &sb, 1) == 0)
		;
	assert_int_equal(hf_link_reclaim(&p.w, &sw), 0);
	hf_link_publish(&p.w);
	expect(&p.b, &m, HF_LINK_RECLAIM, 0);
	assert_int_equal(hf_link_admit(&p.b, &sb, &m), 0);
	assert_int_equal(sb.tx_credit, 7);
	pair_free(&p);
}

/* ---- lies: the backend writes its region by hand ---- */

static struct hf_link_region *region(uint8_t *mem)
{
	return (struct hf_link_region *)(void *)mem;
}

static void forge(
	struct pair *p, uint64_t at, uint32_t len, uint16_t type, uint16_t flags, uint64_t stream)
{
	struct hf_link_record rec = {len, type, flags, stream};
	memcpy(p->mem_b + HF_LINK_RING_OFF + (at & (RING - 1)), &rec, sizeof(rec));
}

static void set_head(struct pair *p, uint64_t head)
{
	atomic_store(&region(p->mem_b)->head, head);
}

/* Reads as a worker would; the first violation, or 0 when all was read in peace. */
static int drain(struct pair *p, struct hf_link_stream *s)
{
	struct hf_link_msg m;
	int rc;
	while ((rc = hf_link_next(&p->w, &m)) > 0) {
		if (m.stream != s->id)
			return hf_link_fail(&p->w, HF_LINK_BAD_STREAM);
		if ((rc = hf_link_admit(&p->w, s, &m)) < 0)
			return rc;
		hf_link_read(&p->w, s, NULL, HF_LINK_PAYLOAD_MAX);
	}
	return rc;
}

static void expect_cut(struct pair *p, enum hf_link_violation v)
{
	struct hf_link_stream s = {.id = 1, .tx_credit = 100, .rx_credit = 100};
	struct hf_link_msg m;
	assert_int_equal(drain(p, &s), -(int)v);
	assert_int_equal(p->w.violation, v);
	assert_int_equal(p->stats_w.violation[v], 1);
	/* It sticks, whatever the peer does now, and nothing more is sent. */
	set_head(p, 0);
	assert_int_equal(hf_link_next(&p->w, &m), -(int)v);
	assert_int_equal(hf_link_fail(&p->w, HF_LINK_BAD_STREAM), -(int)v);
	assert_int_equal(hf_link_data(&p->w, &s, "x", 1), 0);
	assert_int_equal(hf_link_reset(&p->w, &s, HF_LINK_RESET_LIMIT), -1);
	assert_false(hf_link_sleep(&p->w, false));
	assert_int_equal(p->stats_w.violation[v], 1);
	pair_free(p);
}

static void lies_about_records(void **state)
{
	static const struct {
		uint32_t len;
		uint16_t type, flags;
		uint64_t stream;
		uint32_t published;
		enum hf_link_violation want;
	} row[] = {
		{8, HF_LINK_OPEN, 0, 1, 32, HF_LINK_BAD_TYPE}, /* not for a backend to send */
		{4, 0, 0, 1, 32, HF_LINK_BAD_TYPE},
		{0, HF_LINK_RECLAIM, 0, 1, 16, HF_LINK_BAD_TYPE}, /* nor this */
		{4, 9, 0, 1, 32, HF_LINK_BAD_TYPE},
		{4, 0xffff, 0, 1, 32, HF_LINK_BAD_TYPE},
		{4, HF_LINK_DATA, 1, 1, 32, HF_LINK_BAD_FLAGS},
		{4, HF_LINK_DATA, 0x8000, 1, 32, HF_LINK_BAD_FLAGS},
		{4, HF_LINK_DATA, 0, 0, 32, HF_LINK_BAD_STREAM},
		{4, HF_LINK_DATA, 0, 2, 32, HF_LINK_BAD_STREAM},
		{0, HF_LINK_DATA, 0, 1, 16, HF_LINK_BAD_LENGTH},
		{HF_LINK_PAYLOAD_MAX + 1, HF_LINK_DATA, 0, 1, 32768, HF_LINK_BAD_LENGTH},
		{0xffffffff, HF_LINK_DATA, 0, 1, 32768, HF_LINK_BAD_LENGTH},
		{0xfffffff0, HF_LINK_DATA, 0, 1, 32768, HF_LINK_BAD_LENGTH},
		{17, HF_LINK_DATA, 0, 1, 32, HF_LINK_BAD_LENGTH}, /* its end is not published */
		{1, HF_LINK_DATA, 0, 1, 16, HF_LINK_BAD_LENGTH},
		{3, HF_LINK_CREDIT, 0, 1, 32, HF_LINK_BAD_LENGTH},
		{8, HF_LINK_CREDIT, 0, 1, 32, HF_LINK_BAD_LENGTH},
		{4, HF_LINK_HALF_CLOSE, 0, 1, 32, HF_LINK_BAD_LENGTH},
		{0, HF_LINK_RESET, 0, 1, 16, HF_LINK_BAD_LENGTH},
		{4, HF_LINK_BLOCKED, 0, 1, 32, HF_LINK_BAD_LENGTH},
		{0, HF_LINK_RETURNED, 0, 1, 16, HF_LINK_BAD_LENGTH},
		{4, HF_LINK_CREDIT, 0, 1, 32, HF_LINK_BAD_CREDIT}, /* of zero */
		{101, HF_LINK_DATA, 0, 1, 128, HF_LINK_CREDIT_EXCEEDED},
	};
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(row); i++) {
		struct pair p;
		pair_init(&p);
		forge(&p, 0, row[i].len, row[i].type, row[i].flags, row[i].stream);
		set_head(&p, row[i].published);
		expect_cut(&p, row[i].want);
	}
}

static void lies_about_head(void **state)
{
	static const uint64_t head[] = {1, 8, 15, RING + 16, RING * 2, 1ull << 63, UINT64_MAX,
		UINT64_MAX - 15, (uint64_t)-16 - RING};
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(head); i++) {
		struct pair p;
		pair_init(&p);
		set_head(&p, head[i]);
		expect_cut(&p, HF_LINK_BAD_INDEX);
	}
}

static void head_moves_back(void **state)
{
	struct pair p;
	struct hf_link_stream s = {.id = 1, .rx_credit = 100};
	(void)state;
	/* Behind what was already seen, though not behind what was released. */
	pair_init(&p);
	for (uint64_t at = 0; at < 96; at += 32)
		forge(&p, at, 10, HF_LINK_DATA, 0, 1);
	set_head(&p, 96);
	assert_int_equal(drain(&p, &s), 0);
	set_head(&p, 64);
	expect_cut(&p, HF_LINK_BAD_INDEX);
	/* Behind what was released. */
	pair_init(&p);
	s = (struct hf_link_stream){.id = 1, .rx_credit = 100};
	for (uint64_t at = 0; at < 96; at += 32)
		forge(&p, at, 10, HF_LINK_DATA, 0, 1);
	set_head(&p, 96);
	assert_int_equal(drain(&p, &s), 0);
	hf_link_release(&p.w);
	set_head(&p, 80);
	expect_cut(&p, HF_LINK_BAD_INDEX);
	/* Too far ahead of what was released, though not of what was read. */
	pair_init(&p);
	s = (struct hf_link_stream){.id = 1, .rx_credit = 100};
	forge(&p, 0, 10, HF_LINK_DATA, 0, 1);
	set_head(&p, 32);
	assert_int_equal(drain(&p, &s), 0);
	set_head(&p, RING + 16);
	expect_cut(&p, HF_LINK_BAD_INDEX);
}

static void full_to_the_last_byte_is_no_lie(void **state)
{
	struct pair p;
	struct hf_link_stream s = {.id = 1, .rx_credit = RING};
	(void)state;
	pair_init(&p);
	for (uint64_t at = 0; at < RING; at += 32)
		forge(&p, at, 16, HF_LINK_DATA, 0, 1);
	set_head(&p, RING);
	assert_int_equal(drain(&p, &s), 0);
	assert_int_equal(p.stats_w.bytes_in, RING / 2);
	pair_free(&p);
}

static void lies_about_tail(void **state)
{
	static const uint64_t tail[] = {
		8, 80 + 16 /* sent, not published */, RING, RING * 4, UINT64_MAX - 15, UINT64_MAX};
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(tail); i++) {
		struct pair p;
		struct hf_link_stream s;
		static uint8_t out[HF_LINK_PAYLOAD_MAX];
		pair_init(&p);
		assert_int_equal(hf_link_open(&p.w, &s, 1, 0, hf_span(NULL, 0)), 0);
		assert_int_equal(hf_link_data(&p.w, &s, out, 20), 20);
		hf_link_publish(&p.w);
		assert_int_equal(hf_link_data(&p.w, &s, out, 16000), 16000);
		atomic_store(&region(p.mem_b)->tail, tail[i]);
		while (hf_link_data(&p.w, &s, out, sizeof(out)) > 0)
			s.tx_credit = CREDIT;
		expect_cut(&p, HF_LINK_BAD_INDEX);
	}
}

static void tail_moves_back(void **state)
{
	struct pair p;
	struct hf_link_stream s;
	static uint8_t out[HF_LINK_PAYLOAD_MAX];
	(void)state;
	pair_init(&p);
	assert_int_equal(hf_link_open(&p.w, &s, 1, 0, hf_span(NULL, 0)), 0);
	for (int i = 0; i < 3; i++) {
		s.tx_credit = CREDIT;
		assert_int_equal(hf_link_data(&p.w, &s, out, 16000), 16000);
		hf_link_publish(&p.w);
	}
	atomic_store(&region(p.mem_b)->tail, 32 + 16016);
	s.tx_credit = CREDIT;
	assert_int_equal(hf_link_data(&p.w, &s, out, 16000), 16000);
	assert_int_equal(p.w.tx_tail, 32 + 16016);
	atomic_store(&region(p.mem_b)->tail, 32);
	s.tx_credit = CREDIT;
	while (hf_link_data(&p.w, &s, out, 16000) > 0)
		s.tx_credit = CREDIT;
	expect_cut(&p, HF_LINK_BAD_INDEX);
}

static void lies_about_credit(void **state)
{
	struct pair p;
	uint32_t value = HF_LINK_CREDIT_MAX;
	(void)state;
	/* expect_cut's stream has a credit of 100: the maximum on top of it is too much. */
	pair_init(&p);
	forge(&p, 0, 4, HF_LINK_CREDIT, 0, 1);
	memcpy(p.mem_b + HF_LINK_RING_OFF + 16, &value, 4);
	set_head(&p, 32);
	expect_cut(&p, HF_LINK_BAD_CREDIT);
	value = 101; /* gives back what it never had */
	pair_init(&p);
	forge(&p, 0, 4, HF_LINK_RETURNED, 0, 1);
	memcpy(p.mem_b + HF_LINK_RING_OFF + 16, &value, 4);
	set_head(&p, 32);
	expect_cut(&p, HF_LINK_BAD_CREDIT);
	value = 0xffffffff;
	pair_init(&p);
	forge(&p, 0, 4, HF_LINK_CREDIT, 0, 1);
	memcpy(p.mem_b + HF_LINK_RING_OFF + 16, &value, 4);
	set_head(&p, 32);
	expect_cut(&p, HF_LINK_BAD_CREDIT);
}

static void after_close(void **state)
{
	static const uint16_t type[] = {HF_LINK_DATA, HF_LINK_HALF_CLOSE};
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(type); i++) {
		struct pair p;
		pair_init(&p);
		forge(&p, 0, 0, HF_LINK_HALF_CLOSE, 0, 1);
		forge(&p, 16, type[i] == HF_LINK_DATA ? 5 : 0, type[i], 0, 1);
		set_head(&p, type[i] == HF_LINK_DATA ? 48 : 32);
		expect_cut(&p, HF_LINK_AFTER_CLOSE);
	}
}

/* What the peer rewrites behind our back after we looked changes nothing we decide. */
static void torn_record(void **state)
{
	struct pair p;
	struct hf_link_stream s = {.id = 1, .rx_credit = 100};
	struct hf_link_msg m;
	uint8_t got[64];
	(void)state;
	pair_init(&p);
	forge(&p, 0, 20, HF_LINK_DATA, 0, 1);
	memset(p.mem_b + HF_LINK_RING_OFF + 16, 'a', 20);
	set_head(&p, 48);
	expect(&p.w, &m, HF_LINK_DATA, 20);
	assert_int_equal(hf_link_admit(&p.w, &s, &m), 0);
	forge(&p, 0, 0xffffff, HF_LINK_RESET, 7, 99);
	assert_int_equal(hf_link_read(&p.w, &s, got, 5), 5);
	expect(&p.w, &m, HF_LINK_DATA, 15);
	assert_int_equal(m.stream, 1);
	memset(p.mem_b + HF_LINK_RING_OFF + 16, 'b', 20);
	assert_int_equal(hf_link_read(&p.w, &s, got + 5, sizeof(got) - 5), 15);
	assert_memory_equal(got, "aaaaabbbbbbbbbbbbbbb", 20);
	assert_int_equal(hf_link_next(&p.w, &m), 0);
	pair_free(&p);
}

/* ---- bells ---- */

static void bell_rings_once_per_sleep(void **state)
{
	struct pair p;
	struct hf_link_stream sw, sb;
	struct hf_link_msg m;
	(void)state;
	pair_init(&p);
	open_stream(&p, &sw, &sb, 1, 0);
	assert_false(hf_link_bell(&p.w)); /* b is awake */
	assert_true(hf_link_sleep(&p.b, false));
	assert_false(hf_link_bell(&p.w)); /* nothing new */
	assert_int_equal(hf_link_data(&p.w, &sw, "a", 1), 1);
	assert_false(hf_link_bell(&p.w)); /* not published */
	hf_link_publish(&p.w);
	assert_true(hf_link_bell(&p.w));
	assert_int_equal(hf_link_data(&p.w, &sw, "a", 1), 1);
	hf_link_publish(&p.w);
	assert_false(hf_link_bell(&p.w)); /* it has been rung */
	hf_link_wake(&p.b);
	while (hf_link_next(&p.b, &m) > 0)
		hf_link_read(&p.b, &sb, NULL, 1);
	hf_link_release(&p.b);
	assert_true(hf_link_sleep(&p.b, false));
	assert_int_equal(hf_link_data(&p.w, &sw, "a", 1), 1);
	hf_link_publish(&p.w);
	assert_true(hf_link_bell(&p.w)); /* a new sleep, a new bell */
	assert_int_equal(p.stats_w.bells, 2);
	pair_free(&p);
}

/* Who asked for patience is rung for bytes, for room that he waits for, when there is no room for more, and
 * in the end; not for a stream that opens or is reset. Awake he hears of all. */
static void patience_is_rung_for_what_matters(void **state)
{
	struct pair p;
	struct hf_link_stream sw, sb;
	struct hf_link_msg m;
	(void)state;
	pair_init(&p);
	p.w.patient = true;
	assert_true(hf_link_sleep(&p.b, false));
	assert_int_equal(hf_link_open(&p.w, &sw, 1, 0, hf_span(NULL, 0)), 0);
	hf_link_publish(&p.w);
	assert_false(hf_link_bell(&p.w));
	assert_true(hf_link_unheard(&p.w));
	assert_int_equal(hf_link_reset(&p.w, &sw, HF_LINK_RESET_CLIENT), 0);
	hf_link_publish(&p.w);
	assert_false(hf_link_bell(&p.w));
	assert_true(hf_link_unheard(&p.w));
	hf_link_hurry(&p.w);
	assert_true(hf_link_bell(&p.w));
	assert_false(hf_link_unheard(&p.w));
	hf_link_wake(&p.b);
	assert_int_equal(hf_link_next(&p.b, &m), 1);
	hf_link_skip(&p.b);
	assert_int_equal(hf_link_next(&p.b, &m), 1);
	hf_link_skip(&p.b);
	hf_link_release(&p.b);

	assert_int_equal(hf_link_open(&p.w, &sw, 2, 0, hf_span(NULL, 0)), 0);
	hf_link_publish(&p.w);
	assert_false(hf_link_bell(&p.w)); /* b is awake */
	assert_false(hf_link_unheard(&p.w));
	assert_int_equal(hf_link_next(&p.b, &m), 1);
	assert_int_equal(hf_link_admit(&p.b, &sb, &m), 0);
	hf_link_skip(&p.b);
	assert_true(hf_link_sleep(&p.b, false));
	assert_int_equal(hf_link_data(&p.w, &sw, "a", 1), 1);
	hf_link_publish(&p.w);
	assert_true(hf_link_bell(&p.w));
	assert_false(hf_link_unheard(&p.w));
	pair_free(&p);
}

/* And when the ring is full of streams that open. */
static void patience_ends_with_the_ring(void **state)
{
	struct pair p;
	struct hf_link_stream s;
	uint64_t id = 1;
	(void)state;
	pair_init(&p);
	p.w.patient = true;
	assert_true(hf_link_sleep(&p.b, false));
	while (hf_link_open(&p.w, &s, id++, 0, hf_span(NULL, 0)) == 0) {
		hf_link_publish(&p.w);
		assert_false(hf_link_bell(&p.w));
	}
	assert_true(id > 100);
	assert_true(hf_link_bell(&p.w));
	pair_free(&p);
}

static void no_sleep_over_news(void **state)
{
	struct pair p;
	struct hf_link_stream sw, sb;
	struct hf_link_msg m;
	(void)state;
	pair_init(&p);
	open_stream(&p, &sw, &sb, 1, 0);
	assert_int_equal(hf_link_data(&p.w, &sw, "a", 1), 1);
	assert_true(hf_link_sleep(&p.b, false));
	hf_link_wake(&p.b);
	hf_link_publish(&p.w);
	assert_false(hf_link_sleep(&p.b, false));
	hf_link_wake(&p.b);
	assert_int_equal(hf_link_next(&p.b, &m), 1);
	hf_link_skip(&p.b);
	assert_true(hf_link_sleep(&p.b, false));
	pair_free(&p);
}

static void room_rings_only_who_waits_for_it(void **state)
{
	struct pair p;
	struct hf_link_stream sw, sb;
	struct hf_link_msg m;
	static uint8_t out[HF_LINK_PAYLOAD_MAX];
	(void)state;
	for (int wants = 0; wants < 2; wants++) {
		pair_init(&p);
		open_stream(&p, &sw, &sb, 1, HF_LINK_CREDIT_MAX);
		while (hf_link_data(&p.b, &sb, out, sizeof(out)) > 0)
			;
		hf_link_publish(&p.b);
		assert_false(hf_link_bell(&p.w));
		assert_true(hf_link_sleep(&p.b, wants));
		assert_int_equal(hf_link_next(&p.w, &m), 1);
		hf_link_read(&p.w, &sw, NULL, sizeof(out));
		hf_link_release(&p.w);
		assert_int_equal(hf_link_bell(&p.w), wants);
		hf_link_wake(&p.b);
		/* Room made before the sleep is seen by the sleeper instead. */
		assert_int_equal(hf_link_sleep(&p.b, wants), !wants);
		hf_link_wake(&p.b);
		assert_true(hf_link_sleep(&p.b, wants)); /* seen once, it is news no more */
		pair_free(&p);
	}
}

/* ---- OPEN's TLVs ---- */

static struct hf_link_info sample(void)
{
	struct hf_link_info info = {
		.client = hf_addr_v4(0x0a000001),
		.local = hf_addr_v4(0x0a0000fe),
		.client_port = 50000,
		.local_port = 443,
		.tls_version = 0x0303,
		.cipher = 0x009c,
		.conn_id = "0123456789abcde",
		.sni = text("www.example.com"),
		.alpn = text("http/1.1"),
		.client_cert = text("DER"),
		.ja4 = text("t12d1516h1_8daaf6152771_e5627efa2ab1"),
		.client_verdict = HF_LINK_CLIENT_VERIFIED,
		.client_subject = text("CN=a,O=b"),
		.client_issuer = text("CN=c"),
		.client_cn = text("a"),
		.client_sha256 = text("0123456789abcdef0123456789abcdef"),
	};
	return info;
}

static void info_round_trip(void **state)
{
	struct hf_link_info in = sample(), out;
	uint8_t buf[512];
	struct hf_writer w = hf_writer(buf, sizeof(buf));
	(void)state;
	hf_link_info_write(&w, &in);
	assert_false(w.overflow);
	hf_writer_u16(&w, 999); /* a TLV of a later version */
	hf_writer_u16(&w, 3);
	hf_writer_bytes(&w, "new", 3);
	assert_int_equal(hf_link_info_read(hf_span(buf, w.len), &out), 0);
	assert_true(hf_addr_eq(&in.client, &out.client) && hf_addr_eq(&in.local, &out.local));
	assert_int_equal(out.client_port, 50000);
	assert_int_equal(out.local_port, 443);
	assert_int_equal(out.tls_version, 0x0303);
	assert_int_equal(out.cipher, 0x009c);
	assert_memory_equal(in.conn_id, out.conn_id, sizeof(in.conn_id));
	assert_true(hf_span_eq(in.sni, out.sni) && hf_span_eq(in.alpn, out.alpn));
	assert_true(hf_span_eq(in.client_cert, out.client_cert) && hf_span_eq(in.ja4, out.ja4));
	assert_int_equal(out.client_verdict, HF_LINK_CLIENT_VERIFIED);
	assert_true(hf_span_eq(in.client_subject, out.client_subject) &&
		    hf_span_eq(in.client_issuer, out.client_issuer));
	assert_true(hf_span_eq(in.client_cn, out.client_cn) &&
		    hf_span_eq(in.client_sha256, out.client_sha256));
	assert_int_equal(hf_link_info_read(hf_span(buf, 0), &out), 0);
	assert_int_equal(out.client_port, 0);
	assert_int_equal(out.client_verdict, HF_LINK_CLIENT_NOT_ASKED);
}

static void info_malformed(void **state)
{
	struct hf_link_info in = sample(), out;
	uint8_t buf[512];
	struct hf_writer w = hf_writer(buf, sizeof(buf));
	size_t whole = 0;
	(void)state;
	hf_link_info_write(&w, &in);
	/* Cut anywhere but between two TLVs it is refused; there it is merely shorter. */
	for (size_t len = 0; len <= w.len; len++)
		whole += hf_link_info_read(hf_span(buf, len), &out) == 0;
	assert_int_equal(whole, 15);
	/* A fixed length that is not the type's. */
	static const uint8_t type[] = {HF_LINK_TLV_CLIENT, HF_LINK_TLV_LOCAL, HF_LINK_TLV_CONN_ID,
		HF_LINK_TLV_TLS_VERSION, HF_LINK_TLV_CIPHER, HF_LINK_TLV_CLIENT_VERDICT,
		HF_LINK_TLV_CLIENT_SHA256};
	for (size_t i = 0; i < HF_ARRAY_LEN(type); i++) {
		uint8_t odd[] = {0, type[i], 0, 3, 1, 2, 3};
		assert_int_equal(hf_link_info_read(hf_span(odd, sizeof(odd)), &out), -1);
	}
}

static void rows_and_names(void **state)
{
	struct hf_link_stats stats = {0};
	(void)state;
	stats.violation[HF_LINK_AFTER_CLOSE] = 42;
	const struct hf_stat_row *last = &hf_link_stat_table.row[hf_link_stat_table.row_cnt - 1];
	assert_string_equal(last->name, "violation_after_close");
	assert_int_equal(*(uint64_t *)(void *)((uint8_t *)&stats + last->off), 42);
	assert_string_equal(hf_link_violation_name(HF_LINK_CREDIT_EXCEEDED), "credit_exceeded");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(life_of_a_stream),
		cmocka_unit_test(any_sequence),
		cmocka_unit_test(wrap_at_every_place),
		cmocka_unit_test(peek_gives_what_read_copies),
		cmocka_unit_test(full_ring),
		cmocka_unit_test(partial_record_is_kept_from_the_writer),
		cmocka_unit_test(credit_bounds_data),
		cmocka_unit_test(blocked_is_said_once),
		cmocka_unit_test(credit_is_given_back),
		cmocka_unit_test(lies_about_records),
		cmocka_unit_test(lies_about_head),
		cmocka_unit_test(head_moves_back),
		cmocka_unit_test(full_to_the_last_byte_is_no_lie),
		cmocka_unit_test(lies_about_tail),
		cmocka_unit_test(tail_moves_back),
		cmocka_unit_test(lies_about_credit),
		cmocka_unit_test(after_close),
		cmocka_unit_test(torn_record),
		cmocka_unit_test(bell_rings_once_per_sleep),
		cmocka_unit_test(patience_is_rung_for_what_matters),
		cmocka_unit_test(patience_ends_with_the_ring),
		cmocka_unit_test(no_sleep_over_news),
		cmocka_unit_test(room_rings_only_who_waits_for_it),
		cmocka_unit_test(info_round_trip),
		cmocka_unit_test(info_malformed),
		cmocka_unit_test(rows_and_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
