/* pmtu.c -- segments too long for the path: what routers say and when they are believed, and routers
 * that say nothing. RFC 1191, 8201, 5927, 4821. */
#include "tests/unit/tcp/rig.h"

#define AT(i) (1 + (i)*MSS)

static bool too_big_of(struct rig *r, uint16_t sport, uint32_t seq, uint16_t mtu)
{
	struct packet p;
	struct hf_packet parsed;
	bool believed;
	packet_too_big(
		&p, mtu, &(struct packet_spec){.v6 = r->v6, .dport = sport, .seq = r->iss + seq});
	assert_int_equal(hf_net_parse(&p.frame, true, &parsed), HF_NET_OK);
	believed = hf_tcp_too_big(r->t, &parsed, r->now);
	rig_check(r);
	return believed;
}

static bool too_big(struct rig *r, uint32_t seq, uint16_t mtu)
{
	return too_big_of(r, r->sport, seq, mtu);
}

/* Ten segments in flight. */
static void in_flight(struct rig *r)
{
	rig_open(r);
	rig_write(r, 20 * MSS);
	for (uint32_t i = 0; i < 10; i++)
		OUT("A", .seq = AT(i), .ack = 1, .len = MSS);
	SILENT();
}

/* ---- routers that speak (RFC 1191) ------------------------------------------------------------- */
/* Sent again at once, shorter, and not taken for congestion (6.4). */
RIG_TEST(what_was_too_big_goes_again_shorter)
{
	in_flight(r);
	assert_true(too_big(r, AT(0), 1300));
	assert_int_equal(rig_conn(r)->info.mss, 1260);
	assert_int_equal(rig_conn(r)->cwnd, 10 * MSS);
	for (uint32_t i = 0; i < 11; i++)
		OUT("A", .seq = 1 + 1260 * i, .ack = 1, .len = 1260);
	assert_int_equal(rig_stat(r, pmtu_shortened), 1);
	assert_int_equal(rig_stat(r, timeouts), 0);
	assert_false(too_big(r, AT(1), 1300)); /* the next one says nothing new */
	assert_int_equal(rig_stat(r, pmtu_ignored), 1);
	IN(ACK, "A", .seq = 1, .ack = AT(10));
	while (rig_emit(r))
		assert_true(r->out.payload.len <= 1260);
}

RIG_TEST(only_what_is_behind_it_goes_again)
{
	in_flight(r);
	assert_true(too_big(r, AT(0) + 3, 1400)); /* the burst is one stretch */
	while (rig_emit(r))
		;
	IN(ACK, "A", .seq = 1, .ack = AT(10));
	rig_wait(r, MS);
	while (rig_emit(r))
		;
	assert_true(rig_conn(r)->snd_nxt - r->iss > AT(10));
	assert_true(too_big(r, rig_conn(r)->snd_una - r->iss, 1200));
	OUT("A", .seq = AT(10), .ack = 1, .len = 1160);
}

RIG_TEST(timestamps_take_their_part)
{
	const uint8_t ts[] = {1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0};
	IN(SYN_NEW, "S", OPTS(OPT_MSS, 1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0));
	OUT("SA", .ack = 1);
	IN(OPENED, "A", .seq = 1, .ack = 1, .opt = ts, .opt_len = sizeof(ts));
	rig_events(r);
	rig_write(r, 5000);
	while (rig_emit(r))
		;
	assert_true(too_big(r, 1, 1300));
	OUT("A", .seq = 1, .ack = 1, .len = 1300 - 52);
}

/* Old routers do not say how long a segment may be (RFC 1191 5): down a step at a time. */
RIG_TEST(routers_that_do_not_say)
{
	in_flight(r);
	assert_true(too_big(r, AT(0), 0));
	assert_int_equal(rig_conn(r)->info.mss, 1400 - 40);
	assert_true(too_big(r, AT(0), 0));
	assert_int_equal(rig_conn(r)->info.mss, 1280 - 40);
	assert_true(too_big(r, AT(0), 0));
	assert_int_equal(rig_conn(r)->info.mss, 576 - 40);
	assert_false(too_big(r, AT(0), 0));
}

/* ---- attackers (RFC 5927 7) -------------------------------------------------------------------- */
RIG_TEST(who_does_not_know_what_is_in_flight_is_not_believed)
{
	in_flight(r);
	assert_false(too_big(r, 0, 600));           /* before */
	assert_false(too_big(r, AT(10), 600));      /* not sent yet */
	assert_false(too_big(r, 0x80000000u, 600)); /* anywhere */
	assert_false(too_big_of(r, 1, AT(0), 600)); /* another flow */
	assert_int_equal(rig_conn(r)->info.mss, MSS);
	assert_int_equal(rig_stat(r, pmtu_ignored), 4);
	IN(ACK, "A", .seq = 1, .ack = AT(10));
	assert_false(too_big(r, AT(9), 600)); /* arrived, hence not too big */
}

RIG_TEST(nobody_makes_us_send_crumbs)
{
	in_flight(r);
	assert_true(too_big(r, AT(0), 68));
	assert_int_equal(rig_conn(r)->info.mss, 576 - 40);
	assert_false(too_big(r, AT(0), 1));
}

RIG_TEST(half_open_and_time_wait_do_not_care)
{
	IN(SYN_NEW, "S", OPTS(OPT_MSS));
	r->iss = 0;
	OUT("SA", .ack = 1);
	assert_false(too_big(r, 0, 600));
	IN(OPENED, "A", .seq = 1, .ack = 1);
	rig_events(r);
	hf_tcp_shutdown(r->t, r->conn, r->now);
	OUT("FA", .seq = 1, .ack = 1);
	IN(FIN, "FA", .seq = 1, .ack = 2);
	OUT("A", .seq = 2, .ack = 2);
	rig_events(r);
	assert_false(too_big(r, 1, 600));
}

/* Neither hard nor soft errors end a connection or send anything (RFC 5927 4); which of them are about
 * what is in flight is counted. */
RIG_TEST(other_errors_end_nothing)
{
	static const struct {
		bool v6;
		uint8_t type, code;
	} error[] = {{false, 3, 0}, {false, 3, 1}, {false, 3, 2}, {false, 3, 3}, {false, 11, 0},
		{false, 12, 0}, {true, 1, 0}, {true, 1, 4}, {true, 3, 0}, {true, 4, 1}};
	struct packet p;
	struct hf_packet parsed;
	in_flight(r);
	for (size_t i = 0; i < HF_ARRAY_LEN(error); i++) {
		bool ours = !error[i].v6; /* the connection is one of IPv4 */
		struct packet_spec s = {
			.v6 = error[i].v6, .dport = r->sport, .seq = r->iss + AT(1)};
		packet_quote(&p, error[i].type, error[i].code, 0, &s);
		assert_int_equal(hf_net_parse(&p.frame, false, &parsed), HF_NET_OK);
		assert_int_equal(parsed.kind, HF_PACKET_ICMP_ERROR);
		assert_int_equal(hf_tcp_icmp_error(r->t, &parsed), ours);
		parsed.seq = r->iss; /* before what is in flight */
		assert_false(hf_tcp_icmp_error(r->t, &parsed));
	}
	assert_int_equal(rig_stat(r, icmp_soft), 6);
	assert_int_equal(rig_stat(r, icmp_ignored), 14);
	SILENT();
	IN(ACK, "A", .seq = 1, .ack = AT(10));
	assert_int_equal(rig_events(r), HF_TCP_EV_WRITABLE);
}

/* ---- IPv6 (RFC 8201) ---------------------------------------------------------------------------- */
#define MSS6 1440u
static void in_flight6(struct rig *r)
{
	r->v6 = true;
	rig_open(r);
	assert_int_equal(r->out_opt.mss, MSS6);
	rig_write(r, 20 * MSS);
	for (uint32_t i = 0; i < 10; i++)
		OUT("A", .seq = 1 + i * MSS6, .ack = 1, .len = MSS6);
}

RIG_TEST(ipv6_has_a_longer_header)
{
	in_flight6(r);
	assert_true(too_big(r, 1, 1400));
	OUT("A", .seq = 1, .ack = 1, .len = 1340);
	assert_true(too_big(r, 1, 1280));
	OUT("A", .seq = 1, .ack = 1, .len = 1220);
}

RIG_TEST(ipv6_without_an_option)
{
	r->v6 = true;
	IN(SYN_NEW, "S");
	OUT("SA", .ack = 1);
	IN(OPENED, "A", .seq = 1, .ack = 1);
	rig_events(r);
	assert_int_equal(rig_conn(r)->info.mss, 1220);
}

/* Less is asked by liars alone (RFC 8201 4). */
RIG_TEST(ipv6_is_never_below_1280)
{
	in_flight6(r);
	assert_false(too_big(r, 1, 1279));
	assert_false(too_big(r, 1, 68));
	assert_false(too_big(r, 1, 0));
	assert_int_equal(rig_conn(r)->info.mss, MSS6);
	while (rig_conn(r)->state != HF_TCP_S_CLOSED) {
		while (rig_emit(r))
			;
		rig_wait(r, SEC);
	}
	assert_int_equal(rig_conn(r)->info.mss, 1220); /* a black hole: the last resort is 1280 */
	rig_events(r);
}

/* ---- routers that are silent (RFC 4821 7.7) ---------------------------------------------------- */
/* Every segment above the MTU vanishes: two timeouts a step, and the stream goes on. */
RIG_TEST(a_black_hole_is_left)
{
	in_flight(r);
	for (uint32_t i = 0; i < 60 && rig_conn(r)->info.mss + 40u > 1280; i++) {
		rig_wait(r, 250 * MS);
		while (rig_emit(r))
			;
	}
	assert_int_equal(rig_conn(r)->info.mss, 1240);
	assert_int_equal(rig_stat(r, pmtu_black_holes), 2);
	assert_int_equal(rig_stat(r, timeouts), 4);
	IN(ACK, "A", .seq = 1, .ack = 1241);
	OUT("A", .seq = 1241, .ack = 1, .len = 1240);
	assert_int_equal(rig_events(r), HF_TCP_EV_WRITABLE);
}

/* Not a full segment, and yet too long for the path. */
RIG_TEST(a_long_segment_counts_too)
{
	rig_open(r);
	rig_write(r, 1249);
	OUT("PA", .seq = 1, .ack = 1, .len = 1249);
	rig_wait(r, 210 * MS);
	OUT("PA", .seq = 1, .ack = 1, .len = 1249);
	rig_wait(r, 410 * MS);
	OUT("A", .seq = 1, .ack = 1, .len = 1240);
	IN(ACK, "A", .seq = 1, .ack = 1241);
	OUT("PA", .seq = 1241, .ack = 1, .len = 9);
}

/* Short segments that are lost tell nothing of the path's MTU. */
static void loses_all(struct rig *r, uint32_t len)
{
	r->sport++;
	r->written = 0;
	rig_open(r);
	rig_write(r, len);
	if (len == 0)
		hf_tcp_shutdown(r->t, r->conn, r->now);
	while (rig_conn(r)->state != HF_TCP_S_CLOSED) {
		while (rig_emit(r))
			;
		rig_wait(r, SEC);
	}
	rig_events(r);
}

RIG_TEST(short_segments_stay)
{
	static const uint32_t len[] = {0, 1, 536};
	for (size_t i = 0; i < HF_ARRAY_LEN(len); i++) {
		loses_all(r, len[i]);
		assert_int_equal(hf_tcp_info(r->t, r->conn)->mss, MSS);
	}
	loses_all(r, 537); /* the last attempts try what every path takes */
	assert_int_equal(hf_tcp_info(r->t, r->conn)->mss, 536);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_too_big_goes_again_shorter),
		cmocka_unit_test(only_what_is_behind_it_goes_again),
		cmocka_unit_test(timestamps_take_their_part),
		cmocka_unit_test(routers_that_do_not_say),
		cmocka_unit_test(who_does_not_know_what_is_in_flight_is_not_believed),
		cmocka_unit_test(nobody_makes_us_send_crumbs),
		cmocka_unit_test(half_open_and_time_wait_do_not_care),
		cmocka_unit_test(other_errors_end_nothing),
		cmocka_unit_test(ipv6_has_a_longer_header),
		cmocka_unit_test(ipv6_without_an_option),
		cmocka_unit_test(ipv6_is_never_below_1280),
		cmocka_unit_test(a_black_hole_is_left),
		cmocka_unit_test(a_long_segment_counts_too),
		cmocka_unit_test(short_segments_stay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
