/* sack.c -- losses told by SACK and by time: what is sent again and when, how much may be in flight
 * meanwhile, probes of the tail, peers that reorder, that take back what they SACKed, that lie, and
 * a scoreboard that is full. RFC 2018, 2883, 6675, 8985. */
#include "tests/unit/tcp/rig.h"

#define RTT (40 * MS)
#define SHORT_RTT (20 * MS)
#define AT(i) (1 + (i)*MSS)

/* An ACK with up to three SACK blocks, in segments from the first one on. */
struct blocks {
	uint32_t cnt, left[3], right[3];
};

static void ack_blocks(struct rig *r, uint32_t ack, struct blocks b)
{
	uint8_t opt[28] = {1, 1, 5, (uint8_t)(2 + 8 * b.cnt)};
	for (uint32_t i = 0; i < b.cnt; i++) {
		uint32_t edge[2] = {r->iss + b.left[i], r->iss + b.right[i]};
		for (uint32_t k = 0; k < 8; k++)
			opt[4 + 8 * i + k] = (uint8_t)(edge[k / 4] >> (24 - 8 * (k % 4)));
	}
	rig_in(r, (struct rig_seg){.flags = "A",
			  .seq = 1,
			  .ack = ack,
			  .opt = b.cnt ? opt : NULL,
			  .opt_len = b.cnt ? 4 + 8 * b.cnt : 0});
}

#define SACK(ack, ...) ack_blocks(r, ack, (struct blocks){__VA_ARGS__})
#define ACK(a) ack_blocks(r, a, (struct blocks){0})

/* A connection whose round trip is known, with n segments of `written` in flight. */
static void in_flight(struct rig *r, uint32_t n, uint32_t written)
{
	rig_open_sack(r, RTT);
	rig_write(r, written);
	for (uint32_t i = 0; i < n; i++)
		OUT("A", .seq = AT(i), .ack = 1, .len = MSS);
}

static void lone_segment(struct rig *r, uint32_t seq, hf_ns rtt)
{
	rig_write(r, 100);
	OUT("PA", .seq = seq, .ack = 1, .len = 100);
	rig_wait(r, rtt);
	ACK(seq + 100);
}

static uint32_t flight(const struct rig *r)
{
	return hf_tcp_sent_len(rig_conn(r), 0);
}

/* ---- losses ------------------------------------------------------------------------------------ */
/* Three segments above the hole: no waiting (RFC 8985 6.2 step 4, RFC 6675 IsLost). */
RIG_TEST(three_sacked_segments_tell_of_a_loss)
{
	in_flight(r, 10, 30 * MSS);
	SILENT();
	rig_wait(r, RTT);
	SACK(1, 1, {AT(1)}, {AT(2)});
	OUT("A", .seq = AT(10), .ack = 1, .len = MSS); /* limited transmit (RFC 3042) */
	SACK(1, 1, {AT(1)}, {AT(3)});
	OUT("A", .seq = AT(11), .ack = 1, .len = MSS);
	SACK(1, 1, {AT(1)}, {AT(4)});
	OUT("A", .seq = AT(0), .ack = 1, .len = MSS);
	SILENT();
	assert_int_equal(rig_stat(r, fast_retransmits), 1);
	assert_int_equal(rig_conn(r)->cwnd, rig_conn(r)->ssthresh);
	for (uint32_t i = 5; i <= 6; i++)
		SACK(1, 1, {AT(1)}, {AT(i)});
	SILENT(); /* seven tenths of ten in flight: AT(6) to (11), and (0) */
	assert_int_equal(flight(r), 7 * MSS);
	SACK(1, 1, {AT(1)}, {AT(7)});
	OUT("A", .seq = AT(12), .ack = 1, .len = MSS);
	SILENT();
	ACK(AT(12));
	assert_false(rig_conn(r)->recovering);
	assert_int_equal(rig_stat(r, timeouts), 0);
	assert_int_equal(rig_stat(r, retransmits), 1);
}

/* One segment above it: a quarter of a round trip is waited, then it is lost. */
RIG_TEST(a_lone_sack_waits_a_quarter_of_a_round_trip)
{
	in_flight(r, 2, 2 * MSS);
	rig_wait(r, RTT);
	SACK(1, 1, {AT(1)}, {AT(2)});
	SILENT();
	rig_wait(r, RTT / 4 - 2 * MS);
	SILENT();
	rig_wait(r, 3 * MS);
	OUT("A", .seq = AT(0), .ack = 1, .len = MSS);
	SILENT();
	ACK(AT(2));
	assert_int_equal(rig_stat(r, fast_retransmits), 1);
	assert_int_equal(rig_stat(r, timeouts), 0);
}

/* All holes of a flight are sent again within one round trip, as far as the window lets them. */
RIG_TEST(several_holes_in_one_round_trip)
{
	in_flight(r, 10, 10 * MSS);
	rig_wait(r, RTT);
	SACK(1, 3, {AT(1), AT(4), AT(7)}, {AT(3), AT(5), AT(8)});
	OUT("A", .seq = AT(0), .ack = 1, .len = MSS);
	OUT("A", .seq = AT(3), .ack = 1, .len = MSS);
	OUT("A", .seq = AT(5), .ack = 1, .len = MSS);
	OUT("A", .seq = AT(6), .ack = 1, .len = MSS);
	SILENT();
	assert_int_equal(flight(r), 6 * MSS);
	assert_int_equal(rig_stat(r, fast_retransmits), 1);
	assert_int_equal(rig_stat(r, retransmits), 4);
	rig_wait(r, RTT);
	ACK(AT(10));
	rig_wait(r, 10 * SEC);
	SILENT();
	assert_int_equal(rig_stat(r, timeouts), 0);
}

/* The segment sent again is lost as well: what was sent after it and arrived tells (RFC 8985 2). */
RIG_TEST(a_lost_retransmission_is_seen)
{
	in_flight(r, 10, 30 * MSS);
	rig_wait(r, RTT);
	SACK(1, 1, {AT(1)}, {AT(6)});
	OUT("A", .seq = AT(0), .ack = 1, .len = MSS);
	OUT("A", .seq = AT(10), .ack = 1, .len = MSS);
	OUT("A", .seq = AT(11), .ack = 1, .len = MSS);
	SILENT(); /* 7 in flight */
	rig_wait(r, RTT);
	SACK(1, 1, {AT(1)}, {AT(11)});
	OUT("A", .seq = AT(0), .ack = 1, .len = MSS);
	assert_int_equal(rig_stat(r, fast_retransmits), 1); /* the same round of congestion */
	assert_int_equal(rig_stat(r, timeouts), 0);
}

/* Karn and RACK: an ACK that comes at once is the original's, and tells nothing of the rest. */
RIG_TEST(an_early_ack_is_the_originals)
{
	in_flight(r, 4, 4 * MSS);
	rig_wait(r, RTT);
	SACK(1, 1, {AT(1)}, {AT(4)});
	OUT("A", .seq = AT(0), .ack = 1, .len = MSS);
	rig_wait(r, 5 * MS);
	uint32_t at_us = rig_conn(r)->rack_at_us;
	hf_ns srtt = rig_conn(r)->info.srtt_ns;
	ACK(AT(4));
	assert_int_equal(rig_conn(r)->rack_at_us, at_us);
	assert_int_equal(rig_conn(r)->info.srtt_ns, srtt);
}

/* ---- reordering -------------------------------------------------------------------------------- */
RIG_TEST(a_path_that_reorders_gets_time)
{
	in_flight(r, 10, 10 * MSS);
	rig_wait(r, RTT);
	SACK(1, 1, {AT(1)}, {AT(2)});
	SILENT();
	ACK(AT(2)); /* it was only late */
	assert_true(rig_conn(r)->reordering_seen);
	SACK(AT(2), 1, {AT(5)}, {AT(10)}); /* now three are no proof */
	SILENT();
	rig_wait(r, RTT / 4 - 2 * MS);
	SILENT();
	ACK(AT(10));
	SILENT();
	assert_int_equal(rig_stat(r, retransmits), 0);
	assert_int_equal(rig_stat(r, fast_retransmits), 0);
}

/* An ACK for a whole burst brings both blocks at once, the newer before the older (RFC 2018 4). */
RIG_TEST(two_blocks_in_one_ack_are_no_reordering)
{
	in_flight(r, 10, 10 * MSS);
	rig_wait(r, RTT);
	SACK(1, 2, {AT(5), AT(1)}, {AT(10), AT(4)});
	OUT("A", .seq = AT(0), .ack = 1, .len = MSS);
	OUT("A", .seq = AT(4), .ack = 1, .len = MSS);
	SILENT();
	assert_false(rig_conn(r)->reordering_seen);
}

/* What was sent again in vain makes us wait longer, up to a smoothed round trip (RFC 8985 6.2). */
RIG_TEST(dsack_widens_the_reordering_window)
{
	in_flight(r, 4, 8 * MSS);
	while (rig_emit(r))
		;
	rig_wait(r, RTT);
	SACK(1, 1, {AT(1)}, {AT(4)});
	OUT("A", .seq = AT(0), .ack = 1, .len = MSS);
	ACK(AT(4));
	SACK(AT(4), 1, {AT(0)}, {AT(1)});
	assert_int_equal(rig_stat(r, dsacks_in), 1);
	assert_int_equal(rig_conn(r)->reo_mult, 1);
	SACK(AT(4), 1, {AT(0)}, {AT(1)}); /* once per round trip */
	assert_int_equal(rig_conn(r)->reo_mult, 1);
	ACK(AT(8));
	rig_write(r, MSS);
	assert_true(rig_emit(r));
	SACK(AT(8), 1, {AT(0)}, {AT(1)});
	assert_int_equal(rig_conn(r)->reo_mult, 2);
}

/* ---- the tail ---------------------------------------------------------------------------------- */
RIG_TEST(lost_tail_is_probed_after_two_round_trips)
{
	in_flight(r, 3, 3 * MSS);
	rig_wait(r, RTT);
	ACK(AT(1));
	rig_wait(r,
		RTT - 10 * MS); /* since it was sent, two; the SYN's round trip is known to 4 ms only */
	SILENT();
	rig_wait(r, 13 * MS);
	OUT("PA", .seq = AT(2), .ack = 1, .len = MSS); /* the last one, not the first */
	SILENT();
	assert_int_equal(rig_stat(r, tail_probes), 1);
	rig_wait(r, RTT);
	SACK(AT(1), 1, {AT(2)}, {AT(3)});
	rig_wait(r, RTT / 4 + 2 * MS);
	OUT("A", .seq = AT(1), .ack = 1, .len = MSS);
	rig_wait(r, RTT);
	ACK(AT(3));
	rig_wait(r, 10 * SEC);
	SILENT();
	assert_int_equal(rig_stat(r, timeouts), 0);
}

RIG_TEST(a_probe_that_repairs_is_a_loss_for_congestion)
{
	in_flight(r, 2, 2 * MSS);
	rig_wait(r, RTT);
	ACK(AT(1));
	rig_wait(r, 2 * RTT + 45 * MS); /* a lone segment's ACK may be delayed by 40 ms */
	OUT("PA", .seq = AT(1), .ack = 1, .len = MSS);
	rig_write(r, MSS);
	OUT("PA", .seq = AT(2), .ack = 1, .len = MSS);
	rig_wait(r, RTT);
	ACK(AT(3));
	assert_int_equal(rig_conn(r)->cwnd, 7 * MSS);
	assert_int_equal(rig_conn(r)->ssthresh, 7 * MSS);
}

/* The probe was in vain: the peer says so, by a DSACK or by a bare duplicate (RFC 8985 7.4.2). */
RIG_TEST(a_probe_in_vain_costs_nothing)
{
	in_flight(r, 1, MSS);
	rig_wait(r, 2 * RTT + 45 * MS);
	OUT("PA", .seq = AT(0), .ack = 1, .len = MSS);
	ACK(AT(1));
	SACK(AT(1), 1, {AT(0)}, {AT(1)});
	assert_false(rig_conn(r)->tail_out);
	rig_write(r, MSS);
	OUT("PA", .seq = AT(1), .ack = 1, .len = MSS);
	rig_wait(r, RTT);
	ACK(AT(2));
	assert_int_equal(rig_conn(r)->cwnd, 10 * MSS);
}

/* A short path, where a delayed ACK takes longer than two round trips: the peer is known for sending each at
 * once by the ACK of one lone segment, and for waiting by an ACK that came late, or a probe in vain. */
RIG_TEST(a_peer_that_acks_at_once_is_probed_after_two_round_trips)
{
	rig_open_sack(r, SHORT_RTT);
	lone_segment(r, 1, SHORT_RTT);
	rig_write(r, 100);
	OUT("PA", .seq = 101, .ack = 1, .len = 100);
	rig_wait(r, 2 * SHORT_RTT - 8 * MS); /* the SYN's round trip is known to 4 ms only */
	SILENT();
	rig_wait(r, 11 * MS);
	OUT("PA", .seq = 101, .ack = 1, .len = 100);
}

RIG_TEST(a_peer_that_may_delay_its_acks_is_given_the_time)
{
	rig_open_sack(r, SHORT_RTT);
	rig_write(r, 100);
	OUT("PA", .seq = 1, .ack = 1, .len = 100);
	rig_wait(r, SHORT_RTT + 40 * MS - 4 * MS);
	SILENT();
	ACK(101);
	lone_segment(r, 101, SHORT_RTT); /* once late is enough */
	rig_write(r, 100);
	OUT("PA", .seq = 201, .ack = 1, .len = 100);
	rig_wait(r, SHORT_RTT + 40 * MS - 4 * MS);
	SILENT();
}

RIG_TEST(a_probe_in_vain_makes_the_next_one_wait_for_a_delayed_ack)
{
	rig_open_sack(r, SHORT_RTT);
	lone_segment(r, 1, SHORT_RTT);
	rig_write(r, 100);
	OUT("PA", .seq = 101, .ack = 1, .len = 100);
	rig_wait(r, 2 * SHORT_RTT + 3 * MS);
	OUT("PA", .seq = 101, .ack = 1, .len = 100);
	SACK(201, 1, {101}, {201});
	rig_write(r, 100);
	OUT("PA", .seq = 201, .ack = 1, .len = 100);
	rig_wait(r, SHORT_RTT + 40 * MS - 4 * MS);
	SILENT();
}

/* New data is the better probe, even beyond the congestion window (RFC 8985 7.3). */
RIG_TEST(new_data_probes)
{
	in_flight(r, 10, 30 * MSS);
	SILENT();
	rig_wait(r, 2 * RTT + 3 * MS);
	OUT("A", .seq = AT(10), .ack = 1, .len = MSS);
	SILENT();
	rig_wait(r, RTT);
	SACK(1, 1, {AT(10)}, {AT(11)});
	OUT("A", .seq = AT(0), .ack = 1, .len = MSS); /* overtaken by two round trips */
	assert_int_equal(rig_stat(r, timeouts), 0);
}

RIG_TEST(after_the_probe_the_timer)
{
	hf_ns rto;
	in_flight(r, 2, 2 * MSS);
	rto = rig_conn(r)->info.rto_ns;
	rig_wait(r, 2 * RTT + 3 * MS);
	OUT("PA", .seq = AT(1), .ack = 1, .len = MSS);
	rig_wait(r, rto - 3 * MS);
	SILENT();
	rig_wait(r, 6 * MS);
	OUT("A", .seq = AT(0), .ack = 1, .len = MSS);
	assert_int_equal(rig_stat(r, timeouts), 1);
	assert_int_equal(rig_stat(r, tail_probes), 1);
}

RIG_TEST(the_fin_is_probed_too)
{
	rig_open_sack(r, RTT);
	rig_write(r, 100);
	hf_tcp_shutdown(r->t, r->conn, r->now);
	OUT("FPA", .seq = 1, .ack = 1, .len = 100);
	rig_wait(r, 2 * RTT + 43 * MS);
	OUT("FPA", .seq = 1, .ack = 1, .len = 100);
	ACK(102);
	assert_int_equal(rig_conn(r)->state, HF_TCP_S_FIN_WAIT_2);
}

/* ---- timeouts ---------------------------------------------------------------------------------- */
/* What was SACKed is not sent again; a second timeout trusts nothing (RFC 2018 8, 6675 5.1). */
RIG_TEST(a_timeout_keeps_the_scoreboard_a_second_one_does_not)
{
	in_flight(r, 4, 4 * MSS);
	rig_wait(r, RTT);
	SACK(1, 1, {AT(1)}, {AT(4)});
	OUT("A", .seq = AT(0), .ack = 1, .len = MSS);
	rig_wait(r, 5 * SEC);
	OUT("A", .seq = AT(0), .ack = 1, .len = MSS);
	SILENT();
	assert_int_equal(rig_conn(r)->cwnd, MSS);
	rig_wait(r, 5 * SEC);
	OUT("A", .seq = AT(0), .ack = 1, .len = 1360); /* shorter than before (pmtu.c) */
	ACK(1361);                                     /* it had thrown the others away */
	OUT("A", .seq = 1361, .ack = 1, .len = 1360);
	OUT("A", .seq = 2721, .ack = 1, .len = 1360);
	assert_int_equal(rig_stat(r, timeouts), 2);
}

RIG_TEST(reneging_is_seen_in_an_ack)
{
	in_flight(r, 4, 4 * MSS);
	rig_wait(r, RTT);
	SACK(1, 1, {AT(1)}, {AT(4)});
	OUT("A", .seq = AT(0), .ack = 1, .len = MSS);
	rig_wait(r, RTT);
	ACK(AT(1)); /* and not 4: what it had SACKed is gone */
	assert_int_equal(rig_stat(r, sack_reneged), 1);
	OUT("A", .seq = AT(1), .ack = 1, .len = MSS);
	OUT("A", .seq = AT(2), .ack = 1, .len = MSS);
}

/* ---- peers that lie, boards that are full ------------------------------------------------------ */
RIG_TEST(blocks_that_cannot_be_are_ignored)
{
	in_flight(r, 4, 4 * MSS);
	SACK(1, 3, {AT(2), AT(0), AT(9)}, {AT(1), AT(2), AT(10)}); /* backwards, the head, unsent */
	SACK(1, 1, {AT(3)}, {AT(5)});                              /* ends beyond */
	SACK(1, 1, {AT(0) - 70000u}, {AT(3)});
	assert_int_equal(hf_tcp_sent_len(rig_conn(r), HF_TCP_RUN_SACKED), 0);
	assert_int_equal(flight(r), 4 * MSS);
	rig_wait(r, RTT);
	ACK(AT(4));
}

/* Every other byte SACKed: the board takes what it can and says so; nothing is lost by it. */
RIG_TEST(a_full_board_forgets_the_least)
{
	in_flight(r, 10, 10 * MSS);
	rig_wait(r, RTT);
	for (uint32_t i = 0; i < 200; i++)
		SACK(1, 1, {3 + 60 * i}, {4 + 60 * i});
	assert_true(rig_stat(r, runs_joined) > 100);
	assert_in_range(rig_conn(r)->run_cnt, 4, HF_TCP_RUN_MAX);
	while (rig_emit(r))
		;
	rig_wait(r, RTT);
	ACK(AT(10));
	assert_int_equal(flight(r), 0);
	rig_wait(r, 10 * SEC);
	SILENT();
}

/* While a hole is filled new data must follow, though nothing leaves the queue. */
static void what_is_sacked_makes_room(void **state)
{
	static struct rig rig;
	struct rig *r = &rig;
	struct hf_tcp_conn *c;
	(void)state;
	rig_init_with(r, &rig_cfg_default, 8192);
	in_flight(r, 10, 10 * MSS);
	c = hf_pool_at(&r->t->conns, r->conn);
	c->cwnd = 300000;
	rig_wait(r, RTT);
	assert_int_equal(rig_events(r), 0);
	SACK(1, 1, {AT(1)}, {AT(10)});
	assert_int_equal(rig_events(r), HF_TCP_EV_WRITABLE);
	assert_int_equal(c->cwnd, 210000);
	assert_int_equal(hf_tcp_snd_room(r->t, r->conn), 2 * 210000 + 9 * MSS - 10 * MSS);
	SACK(1, 1, {AT(1)}, {AT(10)}); /* no news */
	assert_int_equal(rig_events(r), 0);
	OUT("A", .seq = AT(0), .ack = 1, .len = MSS);
	SILENT();
	rig_fini(r);
}

/* Runs cost by turn, not by segment. */
RIG_TEST(a_burst_is_one_run)
{
	in_flight(r, 10, 30 * MSS);
	assert_int_equal(rig_conn(r)->run_cnt, 1);
	for (uint32_t i = 0; i < 80; i++) {
		rig_wait(r, MS);
		rig_write(r, 2 * MSS);
		ACK(1 + (rig_conn(r)->snd_nxt - r->iss - 1) / 2);
		while (rig_emit(r))
			;
	}
	assert_in_range(rig_conn(r)->run_cnt, 2, HF_TCP_RUN_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_sacked_segments_tell_of_a_loss),
		cmocka_unit_test(a_lone_sack_waits_a_quarter_of_a_round_trip),
		cmocka_unit_test(several_holes_in_one_round_trip),
		cmocka_unit_test(a_lost_retransmission_is_seen),
		cmocka_unit_test(an_early_ack_is_the_originals),
		cmocka_unit_test(a_path_that_reorders_gets_time),
		cmocka_unit_test(two_blocks_in_one_ack_are_no_reordering),
		cmocka_unit_test(dsack_widens_the_reordering_window),
		cmocka_unit_test(lost_tail_is_probed_after_two_round_trips),
		cmocka_unit_test(a_probe_that_repairs_is_a_loss_for_congestion),
		cmocka_unit_test(a_probe_in_vain_costs_nothing),
		cmocka_unit_test(a_peer_that_acks_at_once_is_probed_after_two_round_trips),
		cmocka_unit_test(a_peer_that_may_delay_its_acks_is_given_the_time),
		cmocka_unit_test(a_probe_in_vain_makes_the_next_one_wait_for_a_delayed_ack),
		cmocka_unit_test(new_data_probes),
		cmocka_unit_test(after_the_probe_the_timer),
		cmocka_unit_test(the_fin_is_probed_too),
		cmocka_unit_test(a_timeout_keeps_the_scoreboard_a_second_one_does_not),
		cmocka_unit_test(reneging_is_seen_in_an_ack),
		cmocka_unit_test(blocks_that_cannot_be_are_ignored),
		cmocka_unit_test(a_full_board_forgets_the_least),
		cmocka_unit_test(what_is_sacked_makes_room),
		cmocka_unit_test(a_burst_is_one_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
