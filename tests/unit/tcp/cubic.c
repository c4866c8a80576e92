/* cubic.c -- the congestion window by itself: a path that takes whatever it is sent, an
 * acknowledgement per segment, losses when the test wants one. RFC 9438. */
#include <stdio.h>
#include "tests/unit/tcp/rig.h"

struct path {
	struct hf_tcp_conn c;
	hf_ns now, rtt;
};

static void open_path(struct path *p, hf_ns rtt)
{
	*p = (struct path){.now = SEC, .rtt = rtt};
	p->c.info.mss = MSS;
	p->c.info.srtt_ns = rtt;
	p->c.sack_ok = true;
	hf_tcp_cong_open(&p->c, 0);
}

/* A round trip in which the whole window was used. */
static void round_trip(struct path *p)
{
	struct hf_tcp_conn *c = &p->c;
	uint32_t flight = c->cwnd / MSS * MSS, start = c->cwnd;
	for (uint32_t acked = 0; acked + MSS <= start; acked += MSS) {
		c->snd_una += MSS;
		c->snd_nxt = c->full_at = c->snd_una + flight;
		assert_false(hf_tcp_cong_acked(c, MSS, p->now));
		p->now += p->rtt / (start / MSS + 1);
	}
}

/* A loss, and the recovery from it. */
static void loss(struct path *p)
{
	struct hf_tcp_conn *c = &p->c;
	assert_true(hf_tcp_cong_lost(c));
	assert_false(hf_tcp_cong_lost(c)); /* the same round */
	c->snd_una = c->recover;
	assert_false(hf_tcp_cong_acked(c, c->cwnd, p->now));
	assert_false(c->recovering);
}

static uint32_t segments(const struct path *p)
{
	return p->c.cwnd / MSS;
}

static void slow_start_doubles(void **state)
{
	struct path p;
	(void)state;
	open_path(&p, 50 * MS);
	for (uint32_t i = 0, want = 10; i < 5; i++, want *= 2) {
		assert_int_equal(segments(&p), want);
		round_trip(&p);
	}
}

/* 4.2: down to seven tenths, concave up to w_max at K, convex beyond. */
static void comes_back_to_where_it_lost(void **state)
{
	struct path p;
	hf_ns k = 0, began;
	uint32_t half, at_k;
	(void)state;
	open_path(&p, 100 * MS);
	p.c.cwnd = 1000 * MSS;
	p.c.snd_nxt = p.c.snd_una + p.c.cwnd;
	loss(&p);
	assert_int_equal(segments(&p), 700);
	began = p.now;
	round_trip(&p);
	k = p.c.k_ms * MS;
	assert_in_range(p.c.k_ms, 9080, 9090); /* third root of 300 / 0.4 */
	while (p.now - began < k / 2)
		round_trip(&p);
	half = segments(&p);
	while (p.now - began < k)
		round_trip(&p);
	at_k = segments(&p);
	assert_in_range(half, 950, 970); /* 1000 - 300 / 8 */
	assert_in_range(at_k, 995, 1005);
	while (p.now - began < 2 * k)
		round_trip(&p);
	assert_in_range(segments(&p), 1250, 1330); /* 1000 + 300 */
}

/* 4.3: on a short path Reno's line is above the curve, at 0.53 segments per round trip. */
static void reno_is_the_floor(void **state)
{
	struct path p;
	uint32_t rounds = 0;
	(void)state;
	open_path(&p, 5 * MS);
	p.c.cwnd = 40 * MSS;
	p.c.snd_nxt = p.c.snd_una + p.c.cwnd;
	loss(&p);
	assert_int_equal(segments(&p), 28);
	while (segments(&p) < 40 && rounds < 100) {
		round_trip(&p);
		rounds++;
	}
	assert_in_range(rounds, 18, 26); /* 12 / 0.53; the curve would take 3 s, 600 of them */
}

/* 4.7: who does not get as far as last time makes room. */
static void fast_convergence(void **state)
{
	struct path p;
	(void)state;
	open_path(&p, 100 * MS);
	p.c.cwnd = 100 * MSS;
	p.c.snd_nxt = p.c.snd_una + p.c.cwnd;
	loss(&p);
	assert_int_equal(p.c.w_max, 100 * MSS);
	p.c.snd_una++;
	loss(&p);
	assert_int_equal(p.c.w_max, 70 * MSS * 85 / 100);
	assert_int_equal(segments(&p), 49);
}

/* 4.8: a timeout takes the window to one segment and the threshold to seven tenths, once. */
static void timeouts(void **state)
{
	struct path p;
	(void)state;
	open_path(&p, 100 * MS);
	p.c.cwnd = 100 * MSS;
	hf_tcp_cong_timeout(&p.c);
	p.c.rexmit_cnt = 1;
	hf_tcp_cong_timeout(&p.c);
	assert_int_equal(segments(&p), 1);
	assert_int_equal(p.c.ssthresh, 70 * MSS);
}

/* 5.8: an hour of silence is no hour of climbing. */
static void silence_does_not_climb(void **state)
{
	struct path p;
	uint32_t before;
	(void)state;
	open_path(&p, 100 * MS);
	p.c.cwnd = 20 * MSS;
	p.c.snd_nxt = p.c.snd_una + p.c.cwnd;
	loss(&p);
	round_trip(&p);
	before = p.c.cwnd;
	p.now += 3600 * SEC;
	hf_tcp_cong_idle(&p.c);
	round_trip(&p);
	assert_in_range(p.c.cwnd, 1, before + MSS);
}

/* So much is on its way now. */
static void sent(struct path *p, uint32_t len)
{
	p->c.snd_nxt = p->c.snd_una + len;
	hf_tcp_cong_sent(&p->c);
}

static void acked(struct path *p, uint32_t len)
{
	p->c.snd_una += len;
	p->now += p->rtt / 2;
	assert_false(hf_tcp_cong_acked(&p->c, len, p->now));
}

/* What is not used does not grow, in slow start nor beyond (RFC 7661). */
static void unused_windows_stay(void **state)
{
	struct path p;
	(void)state;
	open_path(&p, 100 * MS);
	for (uint32_t i = 0; i < 100; i++) {
		sent(&p, 4 * MSS);
		acked(&p, MSS);
	}
	assert_int_equal(segments(&p), 10);
	p.c.ssthresh = 5 * MSS;
	for (uint32_t i = 0; i < 100; i++) {
		sent(&p, 4 * MSS);
		acked(&p, MSS);
	}
	assert_int_equal(segments(&p), 10);
}

/* A peer's window of reception may be behind ours for a round, and then far before it. All ACKs of the round come
 * before anything is sent. */
static void half_a_window_doubles(void **state)
{
	struct path p;
	(void)state;
	open_path(&p, 20 * MS);
	p.c.cwnd = 40 * MSS;
	sent(&p, 38 * MSS);
	for (uint32_t i = 0; i < 19; i++)
		acked(&p, 2 * MSS);
	assert_int_equal(segments(&p), 78);
	sent(&p, 38 * MSS); /* not half of it */
	for (uint32_t i = 0; i < 19; i++)
		acked(&p, 2 * MSS);
	assert_int_equal(segments(&p), 78);
}

/* A peer may answer a burst by few ACKs, and all at once: the window has been used for all of them, and
 * slow start doubles as if each segment had been acknowledged by itself. */
static void stretched_acks_open_as_much(void **state)
{
	struct path p;
	(void)state;
	open_path(&p, 20 * MS);
	p.c.full_at = p.c.snd_una + 10 * MSS;
	acked(&p, 8 * MSS);
	acked(&p, 2 * MSS);
	assert_int_equal(segments(&p), 20);
	p.c.full_at = p.c.snd_una + 20 * MSS;
	acked(&p, 2 * MSS);
	acked(&p, 18 * MSS);
	assert_int_equal(segments(&p), 40);
	p.c.cwnd = p.c.ssthresh = 20 * MSS;
	for (uint32_t i = 0; i < 20; i++) { /* two ACKs a round; nothing was lost yet, so as Reno */
		uint32_t cnt = segments(&p);
		p.c.full_at = p.c.snd_una + cnt * MSS;
		acked(&p, (cnt - 2) * MSS);
		acked(&p, 2 * MSS);
	}
	assert_in_range(segments(&p), 38, 40);
	p.c.ssthresh = 45 * MSS; /* and slow start ends where it has to */
	p.c.full_at = p.c.snd_una + 40 * MSS;
	acked(&p, 40 * MSS);
	assert_int_equal(segments(&p), 45);
}

/* Any window, any time: nothing overflows. */
static void extremes(void **state)
{
	static const hf_ns rtt[] = {1, MS, SEC, 60 * SEC};
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rtt); i++) {
		struct path p;
		open_path(&p, rtt[i]);
		p.c.cwnd = p.c.w_max = 1u << 30;
		p.c.ssthresh = 0;
		for (uint32_t k = 0; k < 100; k++) {
			p.now += (hf_ns)1 << (k % 60);
			assert_false(hf_tcp_cong_acked(&p.c, 1u << 20, p.now));
			assert_in_range(p.c.cwnd, MSS, 1u << 30);
			if (k % 10 == 9) {
				p.c.snd_una = p.c.recover + 1;
				p.c.snd_nxt = p.c.snd_una + 1;
				loss(&p);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slow_start_doubles),
		cmocka_unit_test(comes_back_to_where_it_lost),
		cmocka_unit_test(reno_is_the_floor),
		cmocka_unit_test(fast_convergence),
		cmocka_unit_test(timeouts),
		cmocka_unit_test(silence_does_not_climb),
		cmocka_unit_test(unused_windows_stay),
		cmocka_unit_test(half_a_window_doubles),
		cmocka_unit_test(stretched_acks_open_as_much),
		cmocka_unit_test(extremes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
