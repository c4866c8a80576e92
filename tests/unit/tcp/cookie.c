/* cookie.c -- a flood of SYNs: above the watermark nothing is kept of them, and who means it gets his
 * connection all the same, with what he offered. */
#include "tests/unit/tcp/rig.h"

#define WATERMARK 7u /* of the rig's 8 entries */
#define OPT_STAMP(v, e)                                                                        \
	1, 1, 8, 10, (uint8_t)((v) >> 24), (uint8_t)((v) >> 16), (uint8_t)((v) >> 8),          \
		(uint8_t)(v), (uint8_t)((e) >> 24), (uint8_t)((e) >> 16), (uint8_t)((e) >> 8), \
		(uint8_t)(e)

/* The pool is full to its watermark, with SYNs from ports 1 to 7. */
static void flood(struct rig *r)
{
	for (uint16_t i = 1; i <= WATERMARK; i++) {
		IN(SYN_NEW, "S", .sport = i);
		assert_true(rig_emit(r));
	}
	r->iss = 0;
}

static void give_up(struct rig *r)
{
	hf_tcp_abort(r->t, r->conn, r->now);
	hf_tcp_free(r->t, r->conn);
	while (rig_emit(r))
		;
	r->iss = 0;
}

RIG_TEST(nothing_is_kept_above_the_watermark)
{
	flood(r);
	for (uint32_t i = 0; i < 30000; i++) {
		IN(SYN_COOKIE, "S", .sport = (uint16_t)(100 + i), OPTS(OPT_MSS));
		assert_true(rig_emit(r));
		assert_int_equal(r->out.tcp_flags, HF_TCP_SYN | HF_TCP_ACK);
	}
	assert_int_equal(rig_stat(r, half_open), WATERMARK);
	assert_int_equal(rig_stat(r, half_evicted), 0);
	assert_int_equal(r->t->flows.cnt, WATERMARK);
	assert_int_equal(r->bufs.chunk.used, 0);
	assert_int_equal(rig_stat(r, outcome[HF_TCP_O_SYN_COOKIE]), 30000);
	for (int i = 0; i < 25; i++) { /* it is over: entries again */
		rig_wait(r, SEC);
		while (rig_emit(r))
			;
	}
	rig_open(r);
}

struct offer {
	const char *what;
	uint8_t opt[24];
	size_t opt_len;
	uint16_t mss;
	uint8_t scale;
	bool has_scale, sack;
};

static void offers_survive(void **state)
{
	static const struct offer offer[] = {
		{"nothing", {0}, 0, 536, 0, false, false},
		{"all of Windows", {OPT_MSS, OPT_WSCALE(8), OPT_SACK}, 12, 1460, 8, true, true},
		{"scale 0", {OPT_MSS, OPT_WSCALE(0)}, 8, 1460, 0, true, false},
		{"scale 14", {OPT_MSS, OPT_WSCALE(14)}, 8, 1460, 14, true, false},
		{"scale 15", {OPT_MSS, OPT_WSCALE(15)}, 8, 1460, 14, true, false},
		{"SACK", {OPT_MSS, OPT_SACK}, 8, 1460, 0, false, true},
		{"DSL", {2, 4, 0x05, 0xac}, 4, 1452, 0, false, false},
		{"IPv6 over DSL", {2, 4, 0x05, 0x98}, 4, 1400, 0, false, false},
		{"IPv6's least", {2, 4, 0x04, 0xc4}, 4, 1220, 0, false, false},
		{"a tunnel", {2, 4, 0x05, 0x77}, 4, 1360, 0, false, false},
		{"MSS 100", {2, 4, 0, 100}, 4, 64, 0, false, false},
		{"MSS 9000", {2, 4, 0x23, 0x28}, 4, 1460, 0, false, false},
	};
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(offer); i++) {
		const struct offer *o = &offer[i];
		static struct rig rig;
		struct rig *r = &rig;
		print_message("  %s\n", o->what);
		rig_init(r);
		flood(r);
		IN(SYN_COOKIE, "S", .opt = o->opt, .opt_len = o->opt_len);
		OUT("SA", .ack = 1, .wnd = 65535);
		assert_int_equal(r->out_opt.mss, MSS);
		assert_int_equal(r->out_opt.has_wscale, o->has_scale);
		assert_int_equal(r->out_opt.sack_permitted, o->sack);
		assert_false(r->out_opt.has_timestamps);
		IN(COOKIE_OPENED, "PA", .seq = 1, .ack = 1, .len = 20, .wnd = 100);
		assert_int_equal(rig_events(r), HF_TCP_EV_OPENED | HF_TCP_EV_READABLE);
		assert_int_equal(rig_conn(r)->info.mss, o->mss);
		assert_int_equal(rig_conn(r)->snd_wnd, 100u << o->scale);
		assert_int_equal(rig_conn(r)->sack_ok, o->sack);
		assert_int_equal(hf_tcp_info(r->t, r->conn)->listener, 7);
		OUT("A", .seq = 1, .ack = 21);
		assert_int_equal(rig_read(r, 99), 20);
		rig_write(r, 60);
		OUT("PA", .seq = 1, .ack = 21, .len = 60);
		IN(ACK, "A", .seq = 21, .ack = 61);
		rig_fini(r);
	}
}

RIG_TEST(timestamps_go_on)
{
	uint32_t ours;
	flood(r);
	IN(SYN_COOKIE, "S", OPTS(OPT_MSS, OPT_STAMP(5000u, 0u)));
	OUT("SA", .ack = 1);
	assert_true(r->out_opt.has_timestamps);
	assert_int_equal(r->out_opt.ts_ecr, 5000);
	ours = r->out_opt.ts_val;
	rig_wait(r, 80 * MS);
	IN(COOKIE_WRONG, "A", .seq = 1, .ack = 1, OPTS(OPT_STAMP(5080u, ours + 100000)));
	IN(COOKIE_WRONG, "A", .seq = 1, .ack = 1, OPTS(OPT_STAMP(5080u, ours - 61000)));
	SILENT();
	IN(COOKIE_OPENED, "A", .seq = 1, .ack = 1, OPTS(OPT_STAMP(5080u, ours)));
	rig_events(r);
	assert_true(rig_conn(r)->ts_ok);
	assert_int_equal(rig_conn(r)->info.mss, MSS - 12);
	assert_int_equal(rig_conn(r)->info.srtt_ns, 80 * MS); /* the echo measured it */
	give_up(r);
}

/* One bit of what comes back is another: not ours. */
RIG_TEST(what_is_not_ours_opens_nothing)
{
	flood(r);
	IN(SYN_COOKIE, "S", OPTS(OPT_MSS, OPT_WSCALE(7), OPT_SACK));
	OUT("SA", .ack = 1);
	for (uint32_t bit = 0; bit < 32; bit++) {
		uint32_t iss = r->iss ^ 1u << bit;
		IN(COOKIE_WRONG, "A", .absolute = true, .seq = r->irs + 1, .ack = iss + 1);
		IN(COOKIE_WRONG, "A", .seq = 1 ^ 1u << bit, .ack = 1);
	}
	for (uint16_t bit = 0; bit < 16; bit++)
		IN(COOKIE_WRONG, "A", .seq = 1, .ack = 1,
			.sport = (uint16_t)(r->sport ^ 1u << bit));
	IN(SYN_REFUSED, "S", .dport = 444);
	assert_true(rig_emit(r));
	IN(UNKNOWN, "A", .seq = 1, .ack = 1, .dport = 444); /* nobody listens there */
	assert_true(rig_emit(r));
	IN(UNKNOWN_RST, "R", .seq = 1);
	SILENT();
	assert_int_equal(rig_stat(r, conns), 0);
	IN(COOKIE_OPENED, "A", .seq = 1, .ack = 1);
	rig_events(r);
	IN(ACK, "A", .seq = 1, .ack = 1); /* and once only */
	assert_int_equal(rig_stat(r, conns), 1);
	give_up(r);
}

RIG_TEST(a_cookie_is_good_for_half_a_minute_and_not_for_a_whole_one)
{
	uint32_t first;
	rig_wait(r, 7 * SEC);
	flood(r);
	IN(SYN_COOKIE, "S");
	OUT("SA", .ack = 1);
	first = r->iss;
	r->iss = 0;
	IN(SYN_COOKIE, "S"); /* sent again: the same answer */
	OUT("SA", .ack = 1);
	assert_int_equal(r->iss, first);
	r->now += 31 * SEC; /* the entries' timers stand still: the flood goes on */
	r->iss = 0;
	IN(SYN_COOKIE, "S");
	OUT("SA", .ack = 1);
	assert_int_not_equal(r->iss, first); /* another key */
	r->iss = first;
	IN(COOKIE_OPENED, "A", .seq = 1, .ack = 1); /* the one before opens */
	rig_events(r);
	give_up(r);
	r->now += 30 * SEC;
	IN(SYN_COOKIE, "S", .sport = 999);
	while (rig_emit(r))
		;
	r->iss = first;
	IN(COOKIE_WRONG, "A", .seq = 1, .ack = 1);
	r->now += 61 * SEC; /* no cookie is out: strangers are told as before */
	IN(UNKNOWN, "A", .seq = 1, .ack = 1);
	OUT("R", .seq = 1);
}

/* After a long pause neither key is one that somebody has seen. */
RIG_TEST(old_cookies_are_dead_after_a_pause)
{
	uint32_t first;
	flood(r);
	IN(SYN_COOKIE, "S");
	OUT("SA", .ack = 1);
	first = r->iss;
	r->now += 3600 * SEC;
	IN(SYN_COOKIE, "S", .sport = 999);
	while (rig_emit(r))
		;
	r->iss = first;
	IN(COOKIE_WRONG, "A", .seq = 1, .ack = 1);
}

/* To repeat our answers to a flood would keep those of others waiting. */
RIG_TEST(in_a_flood_no_syn_ack_is_repeated)
{
	flood(r);
	IN(SYN_COOKIE, "S");
	OUT("SA", .ack = 1);
	rig_wait(r, 1100 * MS);
	SILENT();
	assert_int_equal(rig_stat(r, half_open), WATERMARK);
	IN(SYN_AGAIN, "S", .sport = 1);
	r->iss = 0;
	OUT("SA", .ack = 1);
	for (int i = 0; i < 9; i++) { /* cookies are out of date: as before */
		rig_wait(r, 30 * SEC);
		while (rig_emit(r))
			;
	}
	r->sport = 9;
	r->iss = 0;
	IN(SYN_NEW, "S");
	OUT("SA", .ack = 1);
	rig_wait(r, 1100 * MS);
	OUT("SA", .ack = 1);
}

/* The third ACK and the first segment are lost or late: the second must not get a reset. */
RIG_TEST(second_segment_first)
{
	flood(r);
	IN(SYN_COOKIE, "S", OPTS(OPT_MSS));
	OUT("SA", .ack = 1);
	IN(COOKIE_WRONG, "PA", .seq = 1 + MSS, .ack = 1, .len = 300);
	SILENT();
	IN(COOKIE_OPENED, "A", .seq = 1, .ack = 1, .len = MSS);
	IN(DATA, "PA", .seq = 1 + MSS, .ack = 1, .len = 300);
	rig_events(r);
	assert_int_equal(rig_read(r, 9999), MSS + 300);
	give_up(r);
}

RIG_TEST(cookies_need_a_slot_too)
{
	flood(r);
	IN(SYN_COOKIE, "S", OPTS(OPT_MSS));
	OUT("SA", .ack = 1);
	r->t->conns.cnt = 0; /* none free */
	assert_int_equal(
		rig_in(r, (struct rig_seg){.flags = "A", .seq = 1, .ack = 1}), HF_TCP_O_OPEN_FULL);
	r->t->conns.cnt = 16;
	SILENT();
	IN(COOKIE_OPENED, "PA", .seq = 1, .ack = 1, .len = 9);
	rig_events(r);
	give_up(r);
}

/* The number of a connection that comes back must be beyond the old one's: no cookie can promise that,
 * so some entries are kept for it. */
RIG_TEST(who_comes_back_gets_an_entry)
{
	uint32_t before;
	rig_open(r);
	hf_tcp_shutdown(r->t, r->conn, r->now);
	OUT("FA", .seq = 1, .ack = 1);
	IN(FIN, "FA", .seq = 1, .ack = 2);
	OUT("A", .seq = 2, .ack = 2);
	rig_events(r);
	hf_tcp_free(r->t, r->conn);
	before = r->iss;
	flood(r);
	IN(SYN_COOKIE, "S", .sport = 999);
	while (rig_emit(r))
		;
	r->irs += 10;
	IN(WAIT_REUSED, "S", OPTS(OPT_MSS));
	OUT("SA", .ack = 1);
	assert_true(hf_seq_lt(before + 2, r->iss));
	assert_int_equal(rig_stat(r, half_open), 8);
	IN(OPENED, "A", .seq = 1, .ack = 1);
	rig_events(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_kept_above_the_watermark),
		cmocka_unit_test(offers_survive),
		cmocka_unit_test(timestamps_go_on),
		cmocka_unit_test(what_is_not_ours_opens_nothing),
		cmocka_unit_test(a_cookie_is_good_for_half_a_minute_and_not_for_a_whole_one),
		cmocka_unit_test(old_cookies_are_dead_after_a_pause),
		cmocka_unit_test(in_a_flood_no_syn_ack_is_repeated),
		cmocka_unit_test(second_segment_first),
		cmocka_unit_test(cookies_need_a_slot_too),
		cmocka_unit_test(who_comes_back_gets_an_entry),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
