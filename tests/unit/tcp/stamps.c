/* stamps.c -- timestamps (RFC 7323): when they are used, what is echoed, what PAWS refuses, and what
 * round trips they measure. */
#include "tests/unit/tcp/rig.h"

#define MSS_TS (MSS - 12)
#define B4(v) \
	(uint8_t)((uint32_t)(v) >> 24), (uint8_t)((v) >> 16), (uint8_t)((v) >> 8), (uint8_t)(v)
#define OPT_TS(val, ecr) 1, 1, 8, 10, B4(val), B4(ecr)
#define TS(val) OPTS(OPT_TS(val, r->out_opt.ts_val))

/* The next segment out carries our clock and echoes `ecr`. */
#define ECHOES(ecr)                                          \
	do {                                                 \
		assert_true(r->out_opt.has_timestamps);      \
		assert_int_equal(r->out_opt.ts_ecr, (ecr));  \
		assert_int_equal(r->out.options.len % 4, 0); \
	} while (0)

/* Opened with the peer's clock at 1000. */
static void open_ts(struct rig *r)
{
	r->iss = 0;
	IN(SYN_NEW, "S", OPTS(OPT_MSS, OPT_SACK, OPT_TS(1000u, 0u)));
	OUT("SA", .ack = 1);
	ECHOES(1000);
	IN(OPENED, "A", .seq = 1, .ack = 1, TS(1000u));
	assert_int_equal(rig_events(r), HF_TCP_EV_OPENED);
	SILENT();
}

/* ---- use --------------------------------------------------------------------------------------- */
RIG_TEST(all_segments_carry_them)
{
	open_ts(r);
	assert_int_equal(rig_conn(r)->info.mss, MSS_TS); /* they take from a segment's payload */
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 100, TS(1001u));
	OUT("A", .seq = 1, .ack = 101);
	ECHOES(1001);
	rig_write(r, 2 * MSS_TS);
	OUT("A", .seq = 1, .ack = 101, .len = MSS_TS);
	ECHOES(1001);
	OUT("PA", .seq = 1 + MSS_TS, .ack = 101, .len = MSS_TS);
	ECHOES(1001);
	IN(OUT_OF_ORDER, "A", .seq = 201, .ack = 1, .len = 10, TS(1002u));
	OUT("A", .seq = 1 + 2 * MSS_TS, .ack = 101);
	ECHOES(1001);
	assert_int_equal(r->out_opt.sack_cnt, 1);
	hf_tcp_shutdown(r->t, r->conn, r->now);
	OUT("FA", .seq = 1 + 2 * MSS_TS, .ack = 101);
	ECHOES(1001);
}

RIG_TEST(not_unless_the_syn_had_them)
{
	rig_open(r);
	assert_int_equal(rig_conn(r)->info.mss, MSS);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 100, TS(5u));
	OUT("A", .seq = 1, .ack = 101);
	assert_false(r->out_opt.has_timestamps);
}

/* The first SYN-ACK was lost: the one that the clock repeats is without, and so is the peer. */
RIG_TEST(a_repeated_syn_ack_goes_without)
{
	IN(SYN_NEW, "S", OPTS(OPT_MSS, OPT_TS(1000u, 0u)));
	OUT("SA", .ack = 1);
	ECHOES(1000);
	rig_wait(r, 1100 * MS);
	OUT("SA", .ack = 1);
	assert_false(r->out_opt.has_timestamps);
	IN(SYN_AGAIN, "S", OPTS(OPT_MSS, OPT_TS(2000u, 0u))); /* asked again, it is told again */
	OUT("SA", .ack = 1);
	ECHOES(2000);
	IN(OPENED, "A", .seq = 1, .ack = 1);
	rig_events(r);
	assert_false(rig_conn(r)->ts_ok);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 10);
	OUT("A", .seq = 1, .ack = 11);
	assert_false(r->out_opt.has_timestamps);
}

/* Only the third ACK was lost: the peer has seen our timestamps and uses them. */
RIG_TEST(the_third_ack_decides)
{
	IN(SYN_NEW, "S", OPTS(OPT_MSS, OPT_TS(1000u, 0u)));
	OUT("SA", .ack = 1);
	rig_wait(r, 1100 * MS);
	OUT("SA", .ack = 1);
	IN(OPENED, "A", .seq = 1, .ack = 1, .len = 10, TS(2100u));
	rig_events(r);
	assert_true(rig_conn(r)->ts_ok);
	OUT("A", .seq = 1, .ack = 11);
	ECHOES(2100);
}

RIG_TEST(three_sack_blocks_beside_them)
{
	open_ts(r);
	for (uint32_t i = 1; i <= 5; i++) {
		IN(OUT_OF_ORDER, "A", .seq = 1 + 100 * i, .ack = 1, .len = 10, TS(1001u));
		OUT("A", .seq = 1, .ack = 1);
		assert_int_equal(r->out_opt.sack_cnt, HF_MIN(i, 3));
	}
	assert_int_equal(r->out.options.len, 40);
}

/* The clock is ours alone and of this flow alone: milliseconds from a secret place. */
RIG_TEST(our_clock)
{
	uint32_t first;
	open_ts(r);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 1, TS(1001u));
	OUT("A", .seq = 1, .ack = 2);
	first = r->out_opt.ts_val;
	rig_wait(r, 250 * MS);
	IN(DATA, "A", .seq = 2, .ack = 1, .len = 1, TS(1002u));
	OUT("A", .seq = 1, .ack = 3);
	assert_int_equal(r->out_opt.ts_val - first, 250);
	rig_events(r);
	r->sport++;
	open_ts(r);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 1, TS(1001u));
	OUT("A", .seq = 1, .ack = 2);
	assert_true(r->out_opt.ts_val - first > 1000);
}

/* ---- what is echoed (RFC 7323 4.3) ------------------------------------------------------------- */
static void settle(struct rig *r)
{
	open_ts(r);
	for (uint32_t i = 0; i < 20; i++) {
		IN(DATA, "A", .seq = 1 + 1000 * i, .ack = 1, .len = 1000, TS(1000u + i));
		while (rig_emit(r))
			;
	}
	rig_read(r, 99999);
	while (rig_emit(r))
		;
}

/* (A) a delayed ACK echoes the earliest segment that it answers. */
RIG_TEST(delayed_ack_echoes_the_first)
{
	settle(r);
	IN(DATA, "A", .seq = 20001, .ack = 1, .len = 100, TS(2000u));
	SILENT();
	IN(DATA, "A", .seq = 20101, .ack = 1, .len = 100, TS(2050u));
	OUT("A", .seq = 1, .ack = 20201);
	ECHOES(2000);
}

/* (B) behind a hole the last in-order segment is echoed; (C) what fills the hole is. */
RIG_TEST(a_hole_keeps_the_echo_and_its_filling_moves_it)
{
	settle(r);
	IN(OUT_OF_ORDER, "A", .seq = 20101, .ack = 1, .len = 100, TS(2010u));
	OUT("A", .seq = 1, .ack = 20001);
	ECHOES(1018);
	IN(OUT_OF_ORDER, "A", .seq = 20201, .ack = 1, .len = 100, TS(2020u));
	OUT("A", .seq = 1, .ack = 20001);
	ECHOES(1018);
	IN(DATA, "A", .seq = 20001, .ack = 1, .len = 100, TS(2030u));
	OUT("A", .seq = 1, .ack = 20301);
	ECHOES(2030);
}

/* ---- PAWS (RFC 7323 5) ------------------------------------------------------------------------- */
RIG_TEST(old_timestamps_are_refused)
{
	open_ts(r);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 100, TS(5000u));
	OUT("A", .seq = 1, .ack = 101);
	IN(PAWS, "A", .seq = 101, .ack = 1, .len = 100, TS(4999u));
	OUT("A", .seq = 1, .ack = 101);
	ECHOES(5000);
	SILENT();
	IN(DATA, "A", .seq = 101, .ack = 1, .len = 100, TS(5000u)); /* as old is not older */
	OUT("A", .seq = 1, .ack = 201);
	assert_int_equal(rig_read(r, 999), 200);
	IN(RST, "R", .seq = 201, TS(1u)); /* resets are not held against it */
}

RIG_TEST(the_peers_clock_wraps)
{
	r->iss = 0;
	IN(SYN_NEW, "S", OPTS(OPT_MSS, OPT_TS(0xfffffff0u, 0u)));
	OUT("SA", .ack = 1);
	IN(OPENED, "A", .seq = 1, .ack = 1, TS(0xfffffff8u));
	rig_events(r);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 100, TS(5u));
	OUT("A", .seq = 1, .ack = 101);
	ECHOES(5);
	IN(PAWS, "A", .seq = 101, .ack = 1, .len = 100, TS(0xfffffff8u));
}

/* After 24 days the peer's clock may have turned half: what we remember is void (RFC 7323 5.5). */
RIG_TEST(an_idle_connection_forgets)
{
	open_ts(r);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 100, TS(5000u));
	OUT("A", .seq = 1, .ack = 101);
	rig_wait(r, 23ull * 24 * 3600 * SEC);
	IN(PAWS, "A", .seq = 101, .ack = 1, .len = 100, TS(4000u));
	OUT("A", .seq = 1, .ack = 101);
	rig_wait(r, 2ull * 24 * 3600 * SEC);
	IN(DATA, "A", .seq = 101, .ack = 1, .len = 100, TS(4000u));
	OUT("A", .seq = 1, .ack = 201);
	ECHOES(4000);
}

RIG_TEST(segments_without_are_dropped)
{
	open_ts(r);
	IN(TS_MISSING, "A", .seq = 1, .ack = 1, .len = 100);
	SILENT();
	IN(RST_INEXACT, "R", .seq = 2);
	IN(RST, "R", .seq = 1);
}

/* ---- round trips ------------------------------------------------------------------------------- */
/* The echo tells which of the two it was: no Karn, and the backed-off timer comes back (4.1). */
RIG_TEST(a_retransmission_measures_too)
{
	open_ts(r);
	rig_write(r, 100);
	OUT("PA", .seq = 1, .ack = 1, .len = 100);
	rig_wait(r, 60 * MS);
	OUT("PA", .seq = 1, .ack = 1, .len = 100); /* the tail's probe */
	rig_wait(r, 50 * MS);
	IN(ACK, "A", .seq = 1, .ack = 101, TS(1001u));              /* echoes the second */
	assert_in_range(rig_conn(r)->info.srtt_ns, 6 * MS, 7 * MS); /* 50 / 8, after none at all */
}

RIG_TEST(an_absurd_echo_measures_nothing)
{
	open_ts(r);
	rig_write(r, 100);
	OUT("PA", .seq = 1, .ack = 1, .len = 100);
	rig_wait(r, 60 * MS);
	OUT("PA", .seq = 1, .ack = 1, .len = 100);
	IN(ACK, "A", .seq = 1, .ack = 101, OPTS(OPT_TS(1001u, 77u)));
	assert_in_range(rig_conn(r)->info.srtt_ns, 0, 1);
}

/* ---- behind the end ---------------------------------------------------------------------------- */
RIG_TEST(time_wait_echoes)
{
	open_ts(r);
	hf_tcp_shutdown(r->t, r->conn, r->now);
	OUT("FA", .seq = 1, .ack = 1);
	IN(FIN, "FA", .seq = 1, .ack = 2, TS(1005u));
	OUT("A", .seq = 2, .ack = 2);
	ECHOES(1005);
	rig_events(r);
	IN(WAIT_ACKED, "FA", .seq = 1, .ack = 2, TS(1300u));
	OUT("A", .seq = 2, .ack = 2);
	ECHOES(1300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_segments_carry_them),
		cmocka_unit_test(not_unless_the_syn_had_them),
		cmocka_unit_test(a_repeated_syn_ack_goes_without),
		cmocka_unit_test(the_third_ack_decides),
		cmocka_unit_test(three_sack_blocks_beside_them),
		cmocka_unit_test(our_clock),
		cmocka_unit_test(delayed_ack_echoes_the_first),
		cmocka_unit_test(a_hole_keeps_the_echo_and_its_filling_moves_it),
		cmocka_unit_test(old_timestamps_are_refused),
		cmocka_unit_test(the_peers_clock_wraps),
		cmocka_unit_test(an_idle_connection_forgets),
		cmocka_unit_test(segments_without_are_dropped),
		cmocka_unit_test(a_retransmission_measures_too),
		cmocka_unit_test(an_absurd_echo_measures_nothing),
		cmocka_unit_test(time_wait_echoes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
