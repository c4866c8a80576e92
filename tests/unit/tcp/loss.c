/* loss.c -- what is sent again, when, and for how long; how the congestion window moves; probes of
 * closed windows and of silent peers. */
#include "tests/unit/tcp/rig.h"

/* Nothing is sent for a while, then the timer fires: the RTO lies between the two. */
static void rto_in(struct rig *r, hf_ns from, hf_ns to)
{
	rig_wait(r, from);
	SILENT();
	rig_wait(r, to - from);
}

/* ---- the retransmission timer (RFC 6298) ------------------------------------------------------- */
RIG_TEST(retransmits_backs_off_and_gives_up)
{
	hf_ns rto = 200 * MS, sum = 0;
	rig_open(r);
	rig_write(r, 100);
	OUT("PA", .seq = 1, .ack = 1, .len = 100);
	for (uint32_t i = 0; i < HF_TCP_REXMIT_MAX; i++) {
		rto_in(r, rto - 2 * MS, rto + 2 * MS);
		OUT("PA", .seq = 1, .ack = 1, .len = 100);
		SILENT();
		sum += rto;
		rto *= 2;
	}
	assert_int_equal(rig_stat(r, timeouts), HF_TCP_REXMIT_MAX);
	assert_int_equal(rig_stat(r, retransmits), HF_TCP_REXMIT_MAX);
	rto_in(r, rto - 3 * MS, rto + 3 * MS);
	assert_in_range(sum + rto, 100 * SEC, 110 * SEC); /* RFC 9293 3.8.3 R2 */
	SILENT();
	assert_int_equal(rig_events(r), HF_TCP_EV_CLOSED);
	assert_int_equal(hf_tcp_info(r->t, r->conn)->end, HF_TCP_END_RTO);
	IN(UNKNOWN, "A", .seq = 1, .ack = 101);
}

RIG_TEST(rto_follows_the_round_trip)
{
	rig_open(r);
	for (uint32_t i = 0; i < 60; i++) {
		rig_write(r, 10);
		OUT("PA", .seq = 1 + 10 * i, .ack = 1, .len = 10);
		rig_wait(r, 100 * MS);
		IN(ACK, "A", .seq = 1, .ack = 11 + 10 * i);
	}
	assert_in_range(rig_conn(r)->info.srtt_ns, 99 * MS, 101 * MS);
	assert_int_equal(rig_conn(r)->info.rto_ns, 200 * MS);
	for (uint32_t i = 60; i < 62; i++) { /* a sudden delay: half of it is variation at once */
		rig_write(r, 10);
		OUT("PA", .seq = 1 + 10 * i, .ack = 1, .len = 10);
		rig_wait(r, 180 * MS);
		IN(ACK, "A", .seq = 1, .ack = 11 + 10 * i);
	}
	assert_in_range(rig_conn(r)->info.srtt_ns, 110 * MS, 120 * MS);
	assert_in_range(rig_conn(r)->info.rto_ns, 220 * MS, 300 * MS);
}

RIG_TEST(karn_takes_no_sample_from_what_was_sent_twice)
{
	rig_open(r);
	rig_write(r, 100);
	OUT("PA", .seq = 1, .ack = 1, .len = 100);
	rig_wait(r, 210 * MS);
	OUT("PA", .seq = 1, .ack = 1, .len = 100);
	rig_wait(r, 50 * MS);
	IN(ACK, "A", .seq = 1, .ack = 101);
	assert_in_range(rig_conn(r)->info.srtt_ns, 0, 1);
	assert_int_equal(rig_conn(r)->info.rto_ns, 400 * MS); /* stays backed off */
	rig_write(r, 100);
	OUT("PA", .seq = 101, .ack = 1, .len = 100);
	rig_wait(r, 50 * MS);
	IN(ACK, "A", .seq = 1, .ack = 201);
	assert_int_equal(rig_conn(r)->info.rto_ns, 200 * MS); /* until a fresh sample */
	assert_in_range(rig_conn(r)->info.srtt_ns, 6 * MS, 7 * MS);
}

RIG_TEST(karn_holds_for_fast_retransmits_too)
{
	rig_open(r);
	rig_write(r, 5 * MSS);
	while (rig_emit(r))
		;
	rig_wait(r, 100 * MS);
	for (int i = 0; i < 3; i++)
		IN(ACK, "A", .seq = 1, .ack = 1);
	OUT("A", .seq = 1, .ack = 1, .len = MSS);
	rig_wait(r, 50 * MS);
	IN(ACK, "A", .seq = 1, .ack = 1 + 5 * MSS);
	assert_in_range(rig_conn(r)->info.srtt_ns, 0, 1);
}

/* New data that left after the retransmission does measure: or a bad path never leaves its backoff. */
RIG_TEST(karn_believes_what_was_sent_last)
{
	rig_open(r);
	rig_write(r, 100);
	OUT("PA", .seq = 1, .ack = 1, .len = 100);
	rig_wait(r, 210 * MS);
	OUT("PA", .seq = 1, .ack = 1, .len = 100);
	rig_wait(r, 410 * MS);
	OUT("PA", .seq = 1, .ack = 1, .len = 100);
	assert_int_equal(rig_conn(r)->info.rto_ns, 800 * MS);
	rig_wait(r, 5 * MS);
	rig_write(r, 100);
	OUT("PA", .seq = 101, .ack = 1, .len = 100);
	rig_wait(r, 60 * MS);
	IN(ACK, "A", .seq = 1, .ack = 201);
	assert_in_range(rig_conn(r)->info.srtt_ns, 7 * MS, 8 * MS); /* 60 / 8, after none at all */
	assert_int_equal(rig_conn(r)->info.rto_ns, 200 * MS);
}

/* At the end of a stream nothing new is sent any more. An answer that comes no sooner than one can, as the
 * shortest round trip tells, is that of the last transmission. */
RIG_TEST(backoff_ends_with_progress)
{
	hf_ns rto;
	rig_open(r);
	for (uint32_t i = 0; i < 20; i++) {
		rig_write(r, 10);
		OUT("PA", .seq = 1 + 10 * i, .ack = 1, .len = 10);
		rig_wait(r, 100 * MS);
		IN(ACK, "A", .seq = 1, .ack = 11 + 10 * i);
	}
	assert_int_equal(rig_conn(r)->min_rtt_us, 100000);
	rto = rig_conn(r)->info.rto_ns;
	for (uint32_t soon = 0; soon < 2; soon++) {
		uint32_t seq = 201 + 10 * soon;
		rig_write(r, 10);
		OUT("PA", .seq = seq, .ack = 1, .len = 10);
		rto_in(r, rto - 2 * MS, rto + 2 * MS);
		OUT("PA", .seq = seq, .ack = 1, .len = 10);
		rto_in(r, 2 * rto - 2 * MS, 2 * rto + 2 * MS);
		OUT("PA", .seq = seq, .ack = 1, .len = 10);
		rig_wait(r, soon ? 90 * MS : 100 * MS);
		IN(ACK, "A", .seq = 1, .ack = seq + 10);
		assert_int_equal(rig_conn(r)->info.rto_ns, soon ? 4 * rto : rto);
	}
}

RIG_TEST(an_ack_of_new_data_restarts_the_timer)
{
	rig_open(r);
	rig_write(r, 2 * MSS);
	OUT("A", .seq = 1, .ack = 1, .len = MSS);
	OUT("PA", .seq = 1 + MSS, .ack = 1, .len = MSS);
	rig_wait(r, 150 * MS);
	IN(ACK, "A", .seq = 1, .ack = 1 + MSS);
	hf_ns rto = rig_conn(r)->info.rto_ns;
	rto_in(r, rto - 2 * MS, rto + 2 * MS);
	OUT("PA", .seq = 1 + MSS, .ack = 1, .len = MSS);
	IN(ACK, "A", .seq = 1, .ack = 1 + 2 * MSS);
	rig_wait(r, 10 * SEC);
	SILENT();
}

#define LESS 1360u /* after two timeouts segments become shorter (pmtu.c) */

RIG_TEST(after_a_timeout_everything_is_sent_again_slowly)
{
	rig_open(r);
	rig_write(r, 20 * MSS);
	for (uint32_t i = 0; i < 10; i++) /* RFC 6928 */
		OUT("A", .seq = 1 + MSS * i, .ack = 1, .len = MSS);
	SILENT();
	rig_wait(r, 210 * MS);
	OUT("A", .seq = 1, .ack = 1, .len = MSS);
	SILENT();
	assert_int_equal(rig_conn(r)->cwnd, MSS);
	assert_int_equal(rig_conn(r)->ssthresh, 7 * MSS);
	rig_wait(r, 410 * MS); /* the same segment again: ssthresh stays (RFC 5681 3.1) */
	OUT("A", .seq = 1, .ack = 1, .len = LESS);
	SILENT();
	assert_int_equal(rig_conn(r)->ssthresh, 7 * MSS);
	IN(ACK, "A", .seq = 1, .ack = 1 + LESS);
	OUT("A", .seq = 1 + LESS, .ack = 1, .len = LESS);
	OUT("A", .seq = 1 + 2 * LESS, .ack = 1, .len = LESS);
	SILENT();
	IN(ACK, "A", .seq = 1, .ack = 1 + 3 * LESS); /* for two, opens by one (RFC 3465 2.3) */
	for (uint32_t i = 3; i < 6; i++)
		OUT("A", .seq = 1 + LESS * i, .ack = 1, .len = LESS);
	SILENT();
	IN(ACK, "A", .seq = 1, .ack = 1 + 10 * MSS); /* the rest had arrived: as far as ssthresh */
	for (uint32_t i = 0; i < 7 * MSS / LESS; i++)
		OUT("A", .seq = 1 + 10 * MSS + LESS * i, .ack = 1, .len = LESS);
	SILENT();
}

/* ---- fast retransmit and recovery (RFC 5681, 6582, 3042) --------------------------------------- */
/* n segments in flight of 30 written. */
static void in_flight(struct rig *r, uint32_t n)
{
	rig_open(r);
	rig_write(r, 30 * MSS);
	for (uint32_t i = 0; i < n; i++)
		OUT("A", .seq = 1 + MSS * i, .ack = 1, .len = MSS);
	SILENT();
}

RIG_TEST(third_duplicate_ack_sends_the_hole)
{
	in_flight(r, 10);
	IN(ACK, "A", .seq = 1, .ack = 1);
	OUT("A", .seq = 1 + 10 * MSS, .ack = 1, .len = MSS); /* limited transmit */
	IN(ACK, "A", .seq = 1, .ack = 1);
	OUT("A", .seq = 1 + 11 * MSS, .ack = 1, .len = MSS);
	IN(ACK, "A", .seq = 1, .ack = 1);
	OUT("A", .seq = 1, .ack = 1, .len = MSS);
	SILENT();
	assert_int_equal(rig_conn(r)->ssthresh, 7 * MSS);
	assert_int_equal(rig_stat(r, fast_retransmits), 1);
	for (uint32_t i = 4; i <= 9; i++) { /* 12 are out, less than 7 of them on their way */
		IN(ACK, "A", .seq = 1, .ack = 1);
		if (i >= 6)
			OUT("A", .seq = 1 + (12 + i - 6) * MSS, .ack = 1, .len = MSS);
		SILENT();
	}
	IN(ACK, "A", .seq = 1, .ack = 1 + 12 * MSS); /* full: deflate */
	assert_false(rig_conn(r)->recovering);
	assert_int_equal(rig_conn(r)->cwnd, 5 * MSS); /* what is in flight and one more */
	OUT("A", .seq = 1 + 16 * MSS, .ack = 1, .len = MSS);
	SILENT();
	assert_int_equal(rig_stat(r, timeouts), 0);
}

RIG_TEST(partial_ack_sends_the_next_hole)
{
	in_flight(r, 10);
	for (int i = 0; i < 3; i++)
		IN(ACK, "A", .seq = 1, .ack = 1);
	OUT("A", .seq = 1, .ack = 1, .len = MSS);
	SILENT();
	assert_int_equal(rig_conn(r)->cwnd, 7 * MSS);
	assert_int_equal(hf_tcp_cong_room(rig_conn(r)), 0);
	IN(ACK, "A", .seq = 1, .ack = 1 + 3 * MSS); /* the fourth is missing, too */
	OUT("A", .seq = 1 + 3 * MSS, .ack = 1, .len = MSS);
	OUT("A", .seq = 1 + 10 * MSS, .ack = 1, .len = MSS); /* 7 are out, one of them has come */
	SILENT();
	assert_true(rig_conn(r)->recovering);
	IN(ACK, "A", .seq = 1, .ack = 1 + 10 * MSS);
	assert_false(rig_conn(r)->recovering);
	assert_int_equal(rig_stat(r, fast_retransmits), 1);
	assert_int_equal(rig_stat(r, retransmits), 2);
}

/* Only the first partial ACK restarts the timer (RFC 6582 4). */
RIG_TEST(many_holes_end_in_a_timeout)
{
	in_flight(r, 10);
	for (int i = 0; i < 3; i++)
		IN(ACK, "A", .seq = 1, .ack = 1);
	assert_true(rig_emit(r));
	for (uint32_t i = 1; i <= 2; i++) {
		rig_wait(r, 120 * MS);
		IN(ACK, "A", .seq = 1, .ack = 1 + i * MSS);
		assert_true(rig_emit(r));
	}
	assert_int_equal(rig_stat(r, timeouts), 0);
	rig_wait(r, 120 * MS); /* 240 ms after the first partial ACK */
	assert_int_equal(rig_stat(r, timeouts), 1);
}

RIG_TEST(what_is_no_duplicate_ack)
{
	in_flight(r, 10);
	for (uint32_t i = 0; i < 3; i++)
		IN(DATA, "A", .seq = 1 + 10 * i, .ack = 1, .len = 10);
	for (uint16_t i = 1; i <= 3; i++)
		IN(ACK, "A", .seq = 31, .ack = 1, .wnd = 60000 + i);
	while (rig_emit(r))
		assert_true(r->out.payload.len == 0);
	assert_int_equal(rig_conn(r)->dup_cnt, 0);
	assert_int_equal(rig_stat(r, fast_retransmits), 0);
}

/* After a timeout, duplicate ACKs of what is sent again tell of no loss (RFC 6582 3.2). */
RIG_TEST(no_fast_retransmit_below_recover)
{
	in_flight(r, 10);
	rig_wait(r, 210 * MS);
	OUT("A", .seq = 1, .ack = 1, .len = MSS);
	IN(ACK, "A", .seq = 1, .ack = 1 + 5 * MSS);
	while (rig_emit(r))
		;
	for (int i = 0; i < 5; i++)
		IN(ACK, "A", .seq = 1, .ack = 1 + 5 * MSS);
	assert_int_equal(rig_stat(r, fast_retransmits), 0);
}

RIG_TEST(window_opens_by_what_is_acknowledged)
{
	in_flight(r, 10);
	for (uint32_t i = 1; i <= 5; i++) { /* two segments each: slow start counts both */
		IN(ACK, "A", .seq = 1, .ack = 1 + 2 * i * MSS);
		for (uint32_t k = 0; k < 4; k++)
			OUT("A", .seq = 1 + (10 + 4 * i - 4 + k) * MSS, .ack = 1, .len = MSS);
		SILENT();
	}
	assert_int_equal(rig_conn(r)->cwnd, 20 * MSS);
}

RIG_TEST(congestion_avoidance_adds_a_segment_per_round_trip)
{
	in_flight(r, 10);
	struct hf_tcp_conn *c = hf_pool_at(&r->t->conns, r->conn);
	c->ssthresh = 10 * MSS;
	for (uint32_t i = 1; i <= 10; i++) {
		IN(ACK, "A", .seq = 1, .ack = 1 + i * MSS);
		while (rig_emit(r))
			;
	}
	assert_in_range(c->cwnd, 10 * MSS + MSS * 9 / 10, 11 * MSS);
}

RIG_TEST(unused_window_does_not_grow)
{
	rig_open(r);
	for (uint32_t i = 0; i < 50; i++) {
		rig_write(r, 100);
		OUT("PA", .seq = 1 + 100 * i, .ack = 1, .len = 100);
		IN(ACK, "A", .seq = 1, .ack = 101 + 100 * i);
	}
	assert_int_equal(rig_conn(r)->cwnd, 10 * MSS);
}

RIG_TEST(window_restarts_after_idle)
{
	struct hf_tcp_conn *c;
	rig_open(r);
	c = hf_pool_at(&r->t->conns, r->conn);
	rig_write(r, 100);
	OUT("PA", .seq = 1, .ack = 1, .len = 100);
	c->cwnd = 100 * MSS;
	IN(ACK, "A", .seq = 1, .ack = 101);
	rig_wait(r, 150 * MS);
	hf_tcp_push(r->t, r->conn, r->now);
	assert_int_equal(c->cwnd, 100 * MSS);
	rig_wait(r, 100 * MS); /* more than an RTO */
	hf_tcp_push(r->t, r->conn, r->now);
	assert_int_equal(c->cwnd, 10 * MSS);
}

/* ---- closed windows (RFC 9293 3.8.6.1) --------------------------------------------------------- */
static void open_closed(struct rig *r)
{
	rig_open(r);
	IN(ACK, "A", .seq = 1, .ack = 1, .wnd = -1);
}

RIG_TEST(closed_window_is_probed_for_as_long_as_the_peer_answers)
{
	hf_ns gap = 200 * MS;
	open_closed(r);
	rig_write(r, 100);
	for (uint32_t i = 0; i < 30; i++) {
		rto_in(r, gap - 2 * MS, gap + 2 * MS);
		OUT("A", .seq = 1, .ack = 1, .len = 1);
		SILENT();
		IN(ACK, "A", .seq = 1, .ack = 1, .wnd = -1);
		SILENT();
		gap = HF_MIN(2 * gap, HF_TCP_RTO_MAX);
	}
	assert_int_equal(rig_stat(r, timeouts), 0);
	assert_int_equal(rig_stat(r, probes), 30);
	IN(ACK, "A", .seq = 1, .ack = 1, .wnd = 65535);
	OUT("PA", .seq = 1, .ack = 1, .len = 100);
	IN(ACK, "A", .seq = 1, .ack = 101);
	rig_wait(r, 1000 * SEC);
	SILENT();
}

RIG_TEST(unanswered_probes_end_the_connection)
{
	open_closed(r);
	rig_write(r, 100);
	for (uint32_t i = 0; i < HF_TCP_PROBE_MAX; i++) {
		rig_wait(r, 60 * SEC);
		OUT("A", .seq = 1, .ack = 1, .len = 1);
		SILENT();
	}
	assert_int_equal(rig_events(r), 0);
	rig_wait(r, 61 * SEC);
	assert_int_equal(rig_events(r), HF_TCP_EV_CLOSED);
	assert_int_equal(hf_tcp_info(r->t, r->conn)->end, HF_TCP_END_PROBE);
}

RIG_TEST(a_probe_may_be_taken)
{
	open_closed(r);
	rig_write(r, 100);
	rig_wait(r, 210 * MS);
	OUT("A", .seq = 1, .ack = 1, .len = 1);
	IN(ACK, "A", .seq = 1, .ack = 2, .wnd = -1);
	assert_int_equal(rig_events(r), HF_TCP_EV_WRITABLE);
	rto_in(r, 198 * MS, 202 * MS); /* progress: patience begins anew */
	OUT("A", .seq = 2, .ack = 1, .len = 1);
	IN(ACK, "A", .seq = 1, .ack = 3, .wnd = 4000);
	OUT("PA", .seq = 3, .ack = 1, .len = 98);
}

RIG_TEST(no_probe_when_the_window_opened_before_it_left)
{
	open_closed(r);
	rig_write(r, 100);
	rig_wait(r, 210 * MS);
	IN(ACK, "A", .seq = 1, .ack = 1);
	OUT("PA", .seq = 1, .ack = 1, .len = 100);
	SILENT();
	assert_int_equal(rig_stat(r, probes), 0);
}

/* While we probe, our ACKs keep a number that the peer lets in. */
RIG_TEST(acks_stay_inside_a_closed_window)
{
	open_closed(r);
	rig_write(r, 100);
	rig_wait(r, 210 * MS);
	OUT("A", .seq = 1, .ack = 1, .len = 1);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 500, .wnd = -1);
	OUT("A", .seq = 1, .ack = 501);
}

RIG_TEST(window_that_closes_on_data_in_flight)
{
	rig_open(r);
	rig_write(r, 3 * MSS);
	for (uint32_t i = 0; i < 3; i++)
		OUT("A", .seq = 1 + MSS * i, .ack = 1, .len = MSS);
	IN(ACK, "A", .seq = 1, .ack = 1 + MSS, .wnd = -1); /* the other two it threw away */
	rig_wait(r, 210 * MS);
	SILENT(); /* a timeout, and then the window is closed */
	assert_int_equal(rig_stat(r, timeouts), 1);
	rig_wait(r, 410 * MS);
	OUT("A", .seq = 1 + MSS, .ack = 1, .len = 1);
	IN(ACK, "A", .seq = 1, .ack = 1 + MSS, .wnd = 65535);
	OUT("A", .seq = 1 + MSS, .ack = 1, .len = MSS);
}

RIG_TEST(silly_window_is_used_after_a_while)
{
	rig_open(r);
	rig_write(r, 4000);
	OUT("A", .seq = 1, .ack = 1, .len = MSS);
	OUT("A", .seq = 1 + MSS, .ack = 1, .len = MSS);
	OUT("A", .seq = 1 + 2 * MSS, .ack = 1, .len = 4000 - 2 * MSS);
	IN(ACK, "A", .seq = 1, .ack = 4001, .wnd = 300);
	rig_write(r, 1000);
	SILENT();
	rig_wait(r, 210 * MS);
	OUT("A", .seq = 4001, .ack = 1, .len = 300);
}

RIG_TEST(fin_waits_for_the_window_and_probes)
{
	open_closed(r);
	hf_tcp_shutdown(r->t, r->conn, r->now);
	SILENT();
	rig_wait(r, 210 * MS);
	OUT("FA", .seq = 1, .ack = 1);
	IN(ACK, "A", .seq = 1, .ack = 2, .wnd = -1);
	assert_int_equal(rig_conn(r)->state, HF_TCP_S_FIN_WAIT_2);
}

/* ---- keep-alive -------------------------------------------------------------------------------- */
static void keepalive(void **state)
{
	struct hf_tcp_cfg cfg = rig_cfg_default;
	static struct rig rig;
	struct rig *r = &rig;
	(void)state;
	cfg.keepalive_ns = 60 * SEC;
	rig_init_with(r, &cfg, 64);
	rig_open(r);
	rig_wait(r, 50 * SEC);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 10);
	OUT("A", .seq = 1, .ack = 11);
	for (uint32_t i = 0; i < 12; i++) {
		rto_in(r, 59 * SEC, 61 * SEC);
		OUT("A", .seq = 0, .ack = 11);
		SILENT();
		IN(ACK, "A", .seq = 11, .ack = 1);
	}
	rig_wait(r, 61 * SEC);
	OUT("A", .seq = 0, .ack = 11);
	for (uint32_t i = 1; i < HF_TCP_PROBE_MAX; i++) {
		rto_in(r, 9 * SEC, 11 * SEC);
		OUT("A", .seq = 0, .ack = 11);
	}
	rig_wait(r, 11 * SEC);
	assert_int_equal(rig_events(r), HF_TCP_EV_READABLE | HF_TCP_EV_CLOSED);
	assert_int_equal(hf_tcp_info(r->t, r->conn)->end, HF_TCP_END_PROBE);
	rig_fini(r);
}

RIG_TEST(silence_is_no_error)
{
	rig_open(r);
	rig_wait(r, 100000 * SEC);
	SILENT();
	assert_int_equal(rig_events(r), 0);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(retransmits_backs_off_and_gives_up),
		cmocka_unit_test(rto_follows_the_round_trip),
		cmocka_unit_test(karn_takes_no_sample_from_what_was_sent_twice),
		cmocka_unit_test(karn_holds_for_fast_retransmits_too),
		cmocka_unit_test(karn_believes_what_was_sent_last),
		cmocka_unit_test(backoff_ends_with_progress),
		cmocka_unit_test(an_ack_of_new_data_restarts_the_timer),
		cmocka_unit_test(after_a_timeout_everything_is_sent_again_slowly),
		cmocka_unit_test(third_duplicate_ack_sends_the_hole),
		cmocka_unit_test(partial_ack_sends_the_next_hole),
		cmocka_unit_test(many_holes_end_in_a_timeout),
		cmocka_unit_test(what_is_no_duplicate_ack),
		cmocka_unit_test(no_fast_retransmit_below_recover),
		cmocka_unit_test(window_opens_by_what_is_acknowledged),
		cmocka_unit_test(congestion_avoidance_adds_a_segment_per_round_trip),
		cmocka_unit_test(unused_window_does_not_grow),
		cmocka_unit_test(window_restarts_after_idle),
		cmocka_unit_test(closed_window_is_probed_for_as_long_as_the_peer_answers),
		cmocka_unit_test(unanswered_probes_end_the_connection),
		cmocka_unit_test(a_probe_may_be_taken),
		cmocka_unit_test(no_probe_when_the_window_opened_before_it_left),
		cmocka_unit_test(acks_stay_inside_a_closed_window),
		cmocka_unit_test(window_that_closes_on_data_in_flight),
		cmocka_unit_test(silly_window_is_used_after_a_while),
		cmocka_unit_test(fin_waits_for_the_window_and_probes),
		cmocka_unit_test(keepalive),
		cmocka_unit_test(silence_is_no_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
