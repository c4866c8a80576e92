/* What TCP does with a guard's word, and what it tells it. */
#include "tests/unit/tcp/rig.h"

static struct hf_guard *guard_for(struct rig *r, const struct hf_guard_rules *rules)
{
	struct hf_guard *g = hf_guard_init(test_alloc(hf_guard_footprint(64)), 64, 1, &r->rand);
	hf_guard_rule(g, rules);
	hf_tcp_guard_set(r->t, g);
	return g;
}

static void drain(struct rig *r)
{
	while (rig_emit(r))
		;
	r->iss = 0;
}

/* Four strangers at once, and one a second. */
static struct hf_guard *poor(struct rig *r)
{
	struct hf_guard *g = guard_for(r, &(struct hf_guard_rules){.strangers_percent = 100});
	hf_guard_price(g, SEC / 4);
	return g;
}

RIG_TEST(strangers_beyond_their_share_are_not_answered)
{
	struct hf_guard *g = poor(r);
	for (uint16_t i = 1; i <= 4; i++)
		IN(SYN_NEW, "S", .sport = i);
	drain(r);
	IN(SYN_STRANGER, "S", .sport = 5);
	SILENT();
	assert_int_equal(rig_stat(r, half_open), 4);
	rig_wait(r, SEC / 2); /* not yet one's time, and not a client's */
	drain(r);
	IN(SYN_STRANGER, "S", .sport = 5);
	rig_wait(r, SEC / 2);
	drain(r);
	IN(SYN_NEW, "S", .sport = 6);
	IN(SYN_NEW, "S", .sport = 5); /* it came before */
	IN(SYN_STRANGER, "S", .sport = 7);
	assert_int_equal(hf_guard_stats(g)->syn_returned, 1);
	hf_tcp_guard_set(r->t, NULL);
	free(g);
}

/* What is completed is given back, by an entry as by a cookie. */
RIG_TEST(who_completes_leaves_room_for_the_next)
{
	struct hf_guard *g = poor(r);
	for (uint16_t i = 0; i < 12; i++) {
		IN(SYN_NEW, "S", .sport = (uint16_t)(100 + i));
		OUT("SA", .ack = 1);
		IN(OPENED, "A", .seq = 1, .ack = 1, .sport = (uint16_t)(100 + i));
		rig_events(r);
		hf_tcp_abort(r->t, r->conn, r->now);
		hf_tcp_free(r->t, r->conn);
		drain(r);
	}
	assert_int_equal(hf_guard_stats(g)->refused_stranger, 0);
	hf_tcp_guard_set(r->t, NULL);
	free(g);
}

RIG_TEST(a_repeated_syn_is_not_answered_for_ever)
{
	struct hf_guard *g = poor(r);
	uint32_t answered = 0;
	IN(SYN_NEW, "S", OPTS(OPT_MSS));
	drain(r);
	for (uint32_t i = 0; i < 1000; i++) {
		enum hf_tcp_outcome o = rig_in(r, (struct rig_seg){.flags = "S"});
		assert_true(o == HF_TCP_O_SYN_AGAIN || o == HF_TCP_O_SYN_STRANGER);
		answered += rig_emit(r);
	}
	assert_int_equal(answered, 3);
	hf_tcp_guard_set(r->t, NULL);
	free(g);
}

RIG_TEST(half_open_entries_from_before_a_limit_do_not_take_others_away)
{
	struct hf_guard *g = guard_for(r, &(struct hf_guard_rules){.prefix4 = 0});
	IN(SYN_NEW, "S", .sport = 1);
	hf_guard_rule(g, &(struct hf_guard_rules){.half_open = 1});
	IN(SYN_NEW, "S", .sport = 2);
	IN(SYN_LIMITED, "S", .sport = 3);
	IN(HALF_RST, "R", .sport = 1, .seq = 1);
	IN(SYN_LIMITED, "S", .sport = 3);
	hf_guard_rule(g, &(struct hf_guard_rules){.prefix4 = 0});
	IN(HALF_RST, "R", .sport = 2, .seq = 1);
	hf_guard_rule(g, &(struct hf_guard_rules){.half_open = 1});
	IN(SYN_NEW, "S", .sport = 3);
	drain(r);
	hf_tcp_guard_set(r->t, NULL);
	free(g);
}

RIG_TEST(half_open_entries_count_until_they_are_gone)
{
	struct hf_guard *g = guard_for(r, &(struct hf_guard_rules){.half_open = 2});
	IN(SYN_NEW, "S", .sport = 1);
	IN(SYN_NEW, "S", .sport = 2, OPTS(OPT_MSS));
	IN(SYN_LIMITED, "S", .sport = 3);
	while (rig_emit(r))
		r->iss = r->out.seq;
	IN(OPENED, "A", .sport = 2, .seq = 1, .ack = 1); /* one is through */
	drain(r);
	IN(SYN_NEW, "S", .sport = 3);
	IN(SYN_LIMITED, "S", .sport = 4);
	IN(HALF_RST, "R", .sport = 3, .seq = 1); /* one is reset */
	IN(SYN_NEW, "S", .sport = 4);
	IN(SYN_LIMITED, "S", .sport = 5);
	for (uint32_t i = 0; i < 30; i++) { /* and the others age */
		rig_wait(r, SEC);
		drain(r);
	}
	assert_int_equal(rig_stat(r, half_open), 0);
	IN(SYN_NEW, "S", .sport = 6);
	IN(SYN_NEW, "S", .sport = 7);
	IN(SYN_LIMITED, "S", .sport = 8);
	hf_tcp_guard_set(r->t, NULL);
	free(g);
}

RIG_TEST(opened_connections_are_a_rate)
{
	struct hf_guard *g = guard_for(r, &(struct hf_guard_rules){.handshakes_per_s = 2});
	rig_open(r);
	r->sport++;
	rig_open(r);
	r->sport++;
	IN(SYN_LIMITED, "S");
	SILENT();
	assert_int_equal(hf_guard_stats(g)->refused_handshakes, 1);
	rig_wait(r, 600 * MS);
	rig_open(r);
	hf_tcp_guard_set(r->t, NULL);
	free(g);
}

/* His SYN was in time, his third ACK is not; when he says more a second later he is heard. */
RIG_TEST(a_third_ack_may_come_too_soon)
{
	struct hf_guard *g = guard_for(r, &(struct hf_guard_rules){.handshakes_per_s = 1});
	const struct hf_addr neighbour = hf_addr_v4(PACKET_PEER_IP + 1);
	IN(SYN_NEW, "S", .sport = 1);
	IN(SYN_NEW, "S", OPTS(OPT_MSS));
	OUT("SA", .ack = 1);
	r->iss = 0;
	OUT("SA", .ack = 1);
	assert_true(hf_guard_opened(g, &neighbour, r->now));
	IN(OPEN_LIMITED, "A", .seq = 1, .ack = 1);
	IN(OPEN_LIMITED, "PA", .seq = 1, .ack = 1, .len = 10);
	SILENT();
	assert_int_equal(rig_stat(r, half_open), 2);
	rig_wait(r, SEC + 100 * MS);
	while (rig_emit(r))
		;
	IN(OPENED, "PA", .seq = 1, .ack = 1, .len = 10);
	assert_int_equal(rig_events(r), HF_TCP_EV_OPENED | HF_TCP_EV_READABLE);
	assert_int_equal(rig_read(r, 99), 10);
	hf_tcp_guard_set(r->t, NULL);
	free(g);
}

/* Who was here a moment ago is not asked who he is. */
RIG_TEST(time_wait_is_reused_all_the_same)
{
	struct hf_guard *g;
	rig_open(r);
	hf_tcp_shutdown(r->t, r->conn, r->now);
	OUT("FA", .seq = 1, .ack = 1);
	IN(FIN, "FA", .seq = 1, .ack = 2);
	drain(r);
	rig_events(r);
	hf_tcp_free(r->t, r->conn);
	assert_int_equal(rig_stat(r, time_wait), 1);
	g = poor(r);
	hf_guard_price(g, 100 * SEC);
	r->irs += 1000;
	IN(SYN_STRANGER, "S", .sport = 77);
	IN(WAIT_REUSED, "S", OPTS(OPT_MSS));
	drain(r);
	hf_tcp_guard_set(r->t, NULL);
	free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strangers_beyond_their_share_are_not_answered),
		cmocka_unit_test(who_completes_leaves_room_for_the_next),
		cmocka_unit_test(a_repeated_syn_is_not_answered_for_ever),
		cmocka_unit_test(half_open_entries_count_until_they_are_gone),
		cmocka_unit_test(half_open_entries_from_before_a_limit_do_not_take_others_away),
		cmocka_unit_test(opened_connections_are_a_rate),
		cmocka_unit_test(a_third_ack_may_come_too_soon),
		cmocka_unit_test(time_wait_is_reused_all_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
