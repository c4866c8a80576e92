/* close.c -- the ways in which a connection ends: FINs in every order, resets believed and not,
 * aborts, and what is remembered afterwards. */
#include "tests/unit/tcp/rig.h"

static void shut(struct rig *r)
{
	hf_tcp_shutdown(r->t, r->conn, r->now);
	rig_check(r);
}

static enum hf_tcp_end end_of(const struct rig *r)
{
	return hf_tcp_info(r->t, r->conn)->end;
}

static enum hf_tcp_state state_of(const struct rig *r)
{
	return rig_conn(r)->state;
}

/* ---- FINs -------------------------------------------------------------------------------------- */
RIG_TEST(we_close_first)
{
	rig_open(r);
	rig_write(r, 100);
	shut(r);
	OUT("FPA", .seq = 1, .ack = 1, .len = 100);
	SILENT();
	assert_int_equal(state_of(r), HF_TCP_S_FIN_WAIT_1);
	IN(ACK, "A", .seq = 1, .ack = 101);
	assert_int_equal(state_of(r), HF_TCP_S_FIN_WAIT_1);
	IN(ACK, "A", .seq = 1, .ack = 102);
	assert_int_equal(state_of(r), HF_TCP_S_FIN_WAIT_2);
	IN(DATA, "A", .seq = 1, .ack = 102, .len = 50);
	OUT("A", .seq = 102, .ack = 51);
	assert_int_equal(rig_events(r), HF_TCP_EV_READABLE | HF_TCP_EV_WRITABLE);
	IN(FIN, "FA", .seq = 51, .ack = 102);
	OUT("A", .seq = 102, .ack = 52);
	assert_int_equal(rig_events(r), HF_TCP_EV_EOF | HF_TCP_EV_CLOSED);
	assert_int_equal(end_of(r), HF_TCP_END_FIN);
	assert_int_equal(rig_stat(r, time_wait), 1);
	assert_int_equal(rig_read(r, 999), 50); /* what came stays until the slot is freed */
	hf_tcp_free(r->t, r->conn);
	assert_false(hf_tcp_alive(r->t, r->conn));
	rig_wait(r, 61 * SEC);
	assert_int_equal(rig_stat(r, time_wait), 0);
	SILENT();
}

RIG_TEST(the_peer_closes_first)
{
	rig_open(r);
	IN(FIN, "FPA", .seq = 1, .ack = 1, .len = 10);
	OUT("A", .seq = 1, .ack = 12);
	assert_int_equal(rig_events(r), HF_TCP_EV_READABLE | HF_TCP_EV_EOF);
	assert_int_equal(state_of(r), HF_TCP_S_CLOSE_WAIT);
	IN(OLD, "FPA", .seq = 1, .ack = 1, .len = 10); /* our ACK was lost */
	OUT("A", .seq = 1, .ack = 12);
	rig_write(r, 2000); /* half open still */
	OUT("A", .seq = 1, .ack = 12, .len = MSS);
	OUT("PA", .seq = 1 + MSS, .ack = 12, .len = 2000 - MSS);
	shut(r);
	OUT("FA", .seq = 2001, .ack = 12);
	assert_int_equal(state_of(r), HF_TCP_S_LAST_ACK);
	IN(ACK, "A", .seq = 12, .ack = 2002);
	assert_int_equal(rig_events(r), HF_TCP_EV_WRITABLE | HF_TCP_EV_CLOSED);
	assert_int_equal(end_of(r), HF_TCP_END_FIN);
	assert_int_equal(rig_stat(r, time_wait), 0); /* waiting is the peer's part */
	SILENT();
	IN(UNKNOWN, "A", .seq = 12, .ack = 2002);
}

RIG_TEST(both_close_at_once)
{
	rig_open(r);
	shut(r);
	OUT("FA", .seq = 1, .ack = 1);
	IN(FIN, "FA", .seq = 1, .ack = 1);
	OUT("A", .seq = 2, .ack = 2);
	assert_int_equal(state_of(r), HF_TCP_S_CLOSING);
	IN(ACK, "A", .seq = 2, .ack = 2);
	assert_int_equal(rig_events(r), HF_TCP_EV_EOF | HF_TCP_EV_CLOSED);
	assert_int_equal(end_of(r), HF_TCP_END_FIN);
	assert_int_equal(rig_stat(r, time_wait), 1);
	SILENT();
}

RIG_TEST(fin_and_ack_of_ours_in_one)
{
	rig_open(r);
	shut(r);
	OUT("FA", .seq = 1, .ack = 1);
	IN(FIN, "FPA", .seq = 1, .ack = 2, .len = 7);
	OUT("A", .seq = 2, .ack = 9);
	assert_int_equal(rig_events(r), HF_TCP_EV_READABLE | HF_TCP_EV_EOF | HF_TCP_EV_CLOSED);
	assert_int_equal(rig_stat(r, time_wait), 1);
	assert_int_equal(rig_read(r, 999), 7);
}

RIG_TEST(fin_ahead_of_its_time)
{
	rig_open(r);
	IN(OUT_OF_ORDER, "FA", .seq = 201, .ack = 1, .len = 100);
	OUT("A", .seq = 1, .ack = 1);
	IN(OUT_OF_ORDER, "FA", .seq = 301, .ack = 1);
	OUT("A", .seq = 1, .ack = 1);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 100);
	assert_int_equal(rig_events(r), HF_TCP_EV_READABLE);
	OUT("A", .seq = 1, .ack = 101);
	IN(FIN, "A", .seq = 101, .ack = 1, .len = 100);
	OUT("A", .seq = 1, .ack = 302);
	assert_int_equal(rig_events(r), HF_TCP_EV_READABLE | HF_TCP_EV_EOF);
	assert_int_equal(rig_read(r, 999), 300);
	/* text beyond a FIN is nothing */
	IN(ACK, "A", .seq = 302, .ack = 1, .len = 10);
	SILENT();
	assert_int_equal(hf_tcp_rcv(r->t, r->conn)->len, 0);
}

RIG_TEST(fin_before_bytes_that_came_is_not_believed)
{
	rig_open(r);
	IN(OUT_OF_ORDER, "A", .seq = 201, .ack = 1, .len = 100);
	OUT("A", .seq = 1, .ack = 1);
	IN(OUT_OF_ORDER, "FA", .seq = 101, .ack = 1, .len = 50);
	OUT("A", .seq = 1, .ack = 1);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 250);
	OUT("A", .seq = 1, .ack = 301);
	assert_int_equal(rig_events(r), HF_TCP_EV_READABLE);
	assert_int_equal(rig_read(r, 999), 300);
}

RIG_TEST(our_fin_is_sent_again)
{
	rig_open(r);
	rig_write(r, 100);
	shut(r);
	OUT("FPA", .seq = 1, .ack = 1, .len = 100);
	rig_wait(r, 210 * MS);
	OUT("FPA", .seq = 1, .ack = 1, .len = 100);
	IN(ACK, "A", .seq = 1, .ack = 101);
	rig_wait(r, 410 * MS);
	OUT("FA", .seq = 101, .ack = 1);
	IN(ACK, "A", .seq = 1, .ack = 102);
	rig_wait(r, 10 * SEC);
	SILENT();
	assert_int_equal(state_of(r), HF_TCP_S_FIN_WAIT_2);
}

RIG_TEST(half_close_and_a_long_answer)
{
	uint32_t got = 0;
	rig_open(r);
	IN(FIN, "FA", .seq = 1, .ack = 1);
	OUT("A", .seq = 1, .ack = 2);
	rig_write(r, 100000);
	shut(r);
	while (rig_emit(r)) {
		assert_int_equal(r->out.seq - r->iss, 1 + got);
		got += (uint32_t)r->out.payload.len;
		IN(ACK, "A", .seq = 2, .ack = 1 + got);
	}
	assert_int_equal(got, 100000);
	assert_true(r->out.tcp_flags & HF_TCP_FIN);
	IN(ACK, "A", .seq = 2, .ack = 100002);
	assert_int_equal(end_of(r), HF_TCP_END_FIN);
}

RIG_TEST(fin_that_never_comes)
{
	rig_open(r);
	shut(r);
	OUT("FA", .seq = 1, .ack = 1);
	IN(ACK, "A", .seq = 1, .ack = 2);
	rig_wait(r, 29 * SEC);
	IN(DATA, "A", .seq = 1, .ack = 2, .len = 10); /* it is still at it */
	OUT("A", .seq = 2, .ack = 11);
	rig_wait(r, 29 * SEC);
	assert_int_equal(rig_events(r), HF_TCP_EV_READABLE);
	rig_wait(r, 2 * SEC);
	assert_int_equal(rig_events(r), HF_TCP_EV_CLOSED);
	assert_int_equal(end_of(r), HF_TCP_END_CLOSE_TIME);
	IN(UNKNOWN, "A", .seq = 11, .ack = 2, .len = 10);
	OUT("R", .seq = 2);
}

/* Keep-alive does not stretch that patience. */
static void fin_that_never_comes_from_a_living_peer(void **state)
{
	struct hf_tcp_cfg cfg = rig_cfg_default;
	static struct rig rig;
	struct rig *r = &rig;
	(void)state;
	cfg.keepalive_ns = 60 * SEC;
	rig_init_with(r, &cfg, 64);
	rig_open(r);
	shut(r);
	OUT("FA", .seq = 1, .ack = 1);
	IN(ACK, "A", .seq = 1, .ack = 2);
	rig_wait(r, 29 * SEC);
	IN(ACK, "A", .seq = 1, .ack = 2);
	rig_wait(r, 2 * SEC);
	assert_int_equal(end_of(r), HF_TCP_END_CLOSE_TIME);
	SILENT();
	rig_fini(r);
}

/* ---- resets and other blind attacks (RFC 5961) ------------------------------------------------- */
RIG_TEST(only_the_exact_reset_is_believed)
{
	rig_open(r);
	IN(RST_OUTSIDE, "R", .seq = 0);
	IN(RST_OUTSIDE, "R", .seq = 65537);
	SILENT();
	IN(RST_INEXACT, "R", .seq = 2);
	OUT("A", .seq = 1, .ack = 1);
	rig_wait(r, SEC);
	IN(RST_INEXACT, "R", .seq = 65536);
	OUT("A", .seq = 1, .ack = 1);
	IN(RST, "R", .seq = 1);
	SILENT();
	assert_int_equal(rig_events(r), HF_TCP_EV_CLOSED);
	assert_int_equal(end_of(r), HF_TCP_END_PEER_RST);
	IN(UNKNOWN, "A", .seq = 1, .ack = 1);
}

RIG_TEST(challenges_are_rare)
{
	rig_open(r);
	for (uint32_t i = 0; i < 50; i++)
		IN(RST_INEXACT, "R", .seq = 100 + i);
	OUT("A", .seq = 1, .ack = 1);
	SILENT();
	assert_int_equal(rig_stat(r, challenges), 1);
	assert_int_equal(rig_stat(r, challenges_held), 49);
	rig_wait(r, 499 * MS);
	IN(SYN_INSIDE, "S", .seq = 100);
	SILENT();
	rig_wait(r, 2 * MS);
	IN(SYN_INSIDE, "S", .seq = 100);
	OUT("A", .seq = 1, .ack = 1);
}

RIG_TEST(a_peer_that_restarted)
{
	rig_open(r);
	IN(OUTSIDE, "S", .seq = 0x12345678, OPTS(OPT_MSS));
	OUT("A", .seq = 1, .ack = 1);
	IN(RST, "R", .seq = 1); /* what a SYN-SENT peer says to that ACK */
	assert_int_equal(rig_events(r), HF_TCP_EV_CLOSED);
	hf_tcp_free(r->t, r->conn);
	r->irs = 0x12345678 + 0x10000000;
	rig_open(r);
}

RIG_TEST(acks_of_what_was_never_sent)
{
	rig_open(r);
	rig_write(r, 100);
	OUT("PA", .seq = 1, .ack = 1, .len = 100);
	IN(ACK_OUTSIDE, "A", .seq = 1, .ack = 102, .len = 10);
	OUT("A", .seq = 101, .ack = 1);
	rig_wait(r, 150 * MS);
	IN(ACK_OUTSIDE, "A", .seq = 1, .ack = 1 - 65536u, .len = 10);
	SILENT();
	IN(DATA, "A", .seq = 1, .ack = 1 - 65535u, .len = 10); /* old, but could be */
	OUT("A", .seq = 101, .ack = 11);
	IN(ACK_MISSING, "P", .seq = 11, .len = 10);
	IN(ACK_MISSING, "", .seq = 11);
	SILENT();
	assert_int_equal(rig_read(r, 999), 10);
	IN(ACK, "A", .seq = 11, .ack = 101);
}

/* ---- TIME_WAIT --------------------------------------------------------------------------------- */
/* The pair is in TIME_WAIT, its slot free; rcv_nxt is 2, snd_nxt 2. */
static void to_time_wait(struct rig *r)
{
	rig_open(r);
	shut(r);
	OUT("FA", .seq = 1, .ack = 1);
	IN(FIN, "FA", .seq = 1, .ack = 2);
	OUT("A", .seq = 2, .ack = 2);
	rig_events(r);
	hf_tcp_free(r->t, r->conn);
}

RIG_TEST(time_wait_answers)
{
	to_time_wait(r);
	rig_wait(r, 50 * SEC);
	IN(WAIT_ACKED, "FA", .seq = 1, .ack = 2); /* our last ACK was lost: wait again from now */
	OUT("A", .seq = 2, .ack = 2);
	IN(WAIT_ACKED, "A", .seq = 1, .ack = 2, .len = 1);
	OUT("A", .seq = 2, .ack = 2);
	IN(WAIT_ACKED, "S", .seq = 0, OPTS(OPT_MSS)); /* an old SYN */
	OUT("A", .seq = 2, .ack = 2);
	IN(WAIT_IGNORED, "A", .seq = 2, .ack = 2);
	IN(WAIT_IGNORED, "R", .seq = 2); /* RFC 1337 */
	IN(WAIT_IGNORED, "", .seq = 2);
	SILENT();
	rig_wait(r, 50 * SEC);
	assert_int_equal(rig_stat(r, time_wait), 1);
	rig_wait(r, 11 * SEC);
	assert_int_equal(rig_stat(r, time_wait), 0);
	IN(UNKNOWN, "FA", .seq = 1, .ack = 2);
	OUT("R", .seq = 2);
}

RIG_TEST(time_wait_gives_way_to_a_newer_syn)
{
	uint32_t before;
	to_time_wait(r);
	before = r->iss;
	r->irs += 3; /* beyond rcv_nxt */
	r->iss = 0;
	IN(WAIT_REUSED, "S", OPTS(OPT_MSS, OPT_SACK));
	OUT("SA", .ack = 1);
	assert_int_equal(r->iss - before, 2 + 65536); /* beyond all that the old one used */
	IN(OPENED, "A", .seq = 1, .ack = 1);
	assert_int_equal(rig_stat(r, time_wait), 0);
	assert_int_equal(rig_events(r), HF_TCP_EV_OPENED);
}

/* RFC 6191 2, row by row. The old connection's last timestamp was 1000, its rcv_nxt is 2. */
static void whose_syn_is_newer(void **state)
{
	static const struct {
		bool old_ts, new_ts, number_newer;
		uint16_t ts;
		bool opens;
	} row[] = {
		{true, true, false, 1001, true},
		{true, true, true, 1001, true},
		{true, true, true, 1000, true},
		{true, true, false, 1000, false},
		{true, true, true, 999, false},
		{true, true, false, 999, false},
		{true, false, true, 0, true},
		{true, false, false, 0, false},
		{false, true, true, 5, true},
		{false, true, false, 5, true},
		{false, false, true, 0, true},
		{false, false, false, 0, false},
	};
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(row); i++) {
		static struct rig rig;
		struct rig *r = &rig;
		uint32_t seq = row[i].number_newer ? 3 : 2, before;
		const uint8_t ts_old[] = {1, 1, 8, 10, 0, 0, 3, 0xe8, 0, 0, 0, 0};
		const uint8_t ts_new[] = {1, 1, 8, 10, 0, 0, (uint8_t)(row[i].ts >> 8),
			(uint8_t)row[i].ts, 0, 0, 0, 0};
		size_t old_len = row[i].old_ts ? sizeof(ts_old) : 0;
		print_message("  row %zu\n", i);
		rig_init(r);
		IN(SYN_NEW, "S", .opt = ts_old, .opt_len = old_len);
		OUT("SA", .ack = 1);
		IN(OPENED, "A", .seq = 1, .ack = 1, .opt = ts_old, .opt_len = old_len);
		rig_events(r);
		shut(r);
		OUT("FA", .seq = 1, .ack = 1);
		IN(FIN, "FA", .seq = 1, .ack = 2, .opt = ts_old, .opt_len = old_len);
		OUT("A", .seq = 2, .ack = 2);
		rig_events(r);
		hf_tcp_free(r->t, r->conn);
		before = r->iss;
		assert_int_equal(rig_in(r, (struct rig_seg){.flags = "S",
						   .seq = seq,
						   .opt = ts_new,
						   .opt_len = row[i].new_ts ? sizeof(ts_new) : 0}),
			row[i].opens ? HF_TCP_O_WAIT_REUSED : HF_TCP_O_WAIT_ACKED);
		assert_true(rig_emit(r));
		if (row[i].opens)
			assert_int_equal(r->out.seq, before + 2 + 65536);
		else
			assert_int_equal(r->out.tcp_flags, HF_TCP_ACK);
		rig_fini(r);
	}
}

/* The FIN that comes again may bring a newer timestamp, which counts from then on. */
RIG_TEST(time_wait_keeps_the_latest_timestamp)
{
#define STAMP(v) 1, 1, 8, 10, 0, 0, (uint8_t)((v) >> 8), (uint8_t)(v), 0, 0, 0, 0
	IN(SYN_NEW, "S", OPTS(STAMP(1000)));
	OUT("SA", .ack = 1);
	IN(OPENED, "A", .seq = 1, .ack = 1, OPTS(STAMP(1000)));
	rig_events(r);
	shut(r);
	OUT("FA", .seq = 1, .ack = 1);
	IN(FIN, "FA", .seq = 1, .ack = 2, OPTS(STAMP(1000)));
	OUT("A", .seq = 2, .ack = 2);
	rig_events(r);
	hf_tcp_free(r->t, r->conn);
	IN(WAIT_ACKED, "FA", .seq = 1, .ack = 2, OPTS(STAMP(2000)));
	OUT("A", .seq = 2, .ack = 2);
	IN(WAIT_ACKED, "S", .seq = 2, OPTS(STAMP(2000)));
	OUT("A", .seq = 2, .ack = 2);
	IN(WAIT_REUSED, "S", .seq = 2, OPTS(STAMP(2001)));
}

RIG_TEST(time_wait_is_bounded)
{
	for (uint16_t i = 0; i < 12; i++) {
		r->sport = (uint16_t)(100 + i);
		to_time_wait(r);
		rig_wait(r, SEC);
	}
	assert_int_equal(rig_stat(r, time_wait), 8);
	assert_int_equal(rig_stat(r, wait_evicted), 4);
	IN(UNKNOWN, "FA", .seq = 1, .ack = 2, .sport = 103);
	OUT("R", .seq = 2);
	for (uint16_t i = 4; i < 12; i++)
		IN(WAIT_IGNORED, "R", .seq = 2, .sport = (uint16_t)(100 + i));
	/* one in the middle leaves; its place is free when those before it are */
	IN(WAIT_REUSED, "S", .seq = 3, .sport = 107);
	assert_int_equal(rig_stat(r, time_wait), 7);
	rig_wait(r, 52 * SEC + 500 * MS);
	assert_int_equal(rig_stat(r, time_wait), 6);
	assert_int_equal(r->t->waits.cnt, 7);
	rig_wait(r, 2 * SEC);
	assert_int_equal(rig_stat(r, time_wait), 4);
	assert_int_equal(r->t->waits.cnt, 4);
}

/* Entries kept for those who come back are bounded, too: the oldest of all goes, first those that were
 * answered most often. */
RIG_TEST(who_comes_back_takes_the_place_of_the_oldest)
{
	for (uint16_t i = 1; i <= 3; i++) {
		r->sport = (uint16_t)(100 + i);
		to_time_wait(r);
	}
	IN(SYN_NEW, "S", .sport = 1);
	rig_wait(r, 3100 * MS); /* answered three times */
	IN(SYN_NEW, "S", .sport = 2);
	rig_wait(r, 1100 * MS); /* twice */
	for (uint16_t i = 3; i <= 7; i++)
		IN(SYN_NEW, "S", .sport = i);
	for (uint16_t i = 1; i <= 3; i++)
		IN(WAIT_REUSED, "S", .seq = 5, .sport = (uint16_t)(100 + i));
	assert_int_equal(rig_stat(r, half_evicted), 2);
	assert_int_equal(rig_stat(r, half_open), 8);
	IN(SYN_COOKIE, "S", .sport = 1); /* forgotten */
	IN(SYN_COOKIE, "S", .sport = 2); /* as was this */
	IN(SYN_AGAIN, "S", .sport = 3);
}

static void without_time_wait(void **state)
{
	struct hf_tcp_cfg cfg = rig_cfg_default;
	static struct rig rig;
	struct rig *r = &rig;
	(void)state;
	cfg.time_wait_cnt = 0;
	rig_init_with(r, &cfg, 64);
	to_time_wait(r);
	IN(UNKNOWN, "FA", .seq = 1, .ack = 2);
	OUT("R", .seq = 2);
	rig_fini(r);
}

/* ---- the user ends it -------------------------------------------------------------------------- */
RIG_TEST(abort_resets_and_is_over_at_once)
{
	rig_open(r);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 10);
	rig_write(r, 20 * MSS);
	OUT("A", .seq = 1, .ack = 11, .len = MSS);
	IN(OUT_OF_ORDER, "A", .seq = 21, .ack = 1, .len = 10);
	hf_tcp_abort(r->t, r->conn, r->now);
	assert_int_equal(rig_events(r), 0); /* not even READABLE any more */
	assert_int_equal(end_of(r), HF_TCP_END_ABORTED);
	hf_tcp_abort(r->t, r->conn, r->now); /* harmless */
	hf_tcp_free(r->t, r->conn);
	OUT("RA", .seq = 1 + MSS, .ack = 11);
	SILENT();
	assert_int_equal(r->bufs.chunk.used, 0);
	assert_int_equal(rig_stat(r, resets_out), 1);
	assert_int_equal(rig_stat(r, end[HF_TCP_END_ABORTED]), 1);
	IN(UNKNOWN, "A", .seq = 11, .ack = 1 + MSS);
	OUT("R", .seq = 1 + MSS);
}

RIG_TEST(abort_of_what_the_peer_has_ended)
{
	rig_open(r);
	IN(RST, "R", .seq = 1);
	hf_tcp_abort(r->t, r->conn, r->now); /* before CLOSED was popped */
	assert_int_equal(rig_events(r), 0);
	assert_int_equal(end_of(r), HF_TCP_END_PEER_RST);
	SILENT();
	hf_tcp_free(r->t, r->conn);
	rig_open(r);
	IN(RST, "R", .seq = 1);
	hf_tcp_free(r->t, r->conn); /* nor must a freed slot show up */
	assert_int_equal(rig_events(r), 0);
}

RIG_TEST(calls_on_what_is_over_do_nothing)
{
	rig_open(r);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 10);
	IN(RST, "R", .seq = 11);
	assert_int_equal(hf_tcp_snd_room(r->t, r->conn), 0);
	hf_tcp_push(r->t, r->conn, r->now);
	shut(r);
	shut(r);
	assert_int_equal(rig_read(r, 99), 10);
	while (rig_emit(r))
		fail();
	assert_panics(hf_tcp_rcv_credit(r->t, r->conn, 1, r->now)); /* more than it was given */
	hf_tcp_free(r->t, r->conn);
	assert_panics(hf_tcp_info(r->t, r->conn));
	assert_panics(hf_tcp_free(r->t, r->conn));
	rig_open(r);
	assert_panics(hf_tcp_free(r->t, r->conn)); /* alive */
}

static void state_table(void **state)
{
	struct hf_tcp_conn c;
	static const uint8_t path[][4] = {
		{HF_TCP_M_USER_CLOSES, HF_TCP_M_FIN_ACKED, HF_TCP_M_FIN_CAME, HF_TCP_S_TIME_WAIT},
		{HF_TCP_M_USER_CLOSES, HF_TCP_M_FIN_CAME, HF_TCP_M_FIN_ACKED, HF_TCP_S_TIME_WAIT},
		{HF_TCP_M_FIN_CAME, HF_TCP_M_USER_CLOSES, HF_TCP_M_FIN_ACKED, HF_TCP_S_CLOSED},
	};
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(path); i++) {
		hf_tcp_state_open(&c);
		for (size_t k = 0; k < 3; k++) {
			for (uint8_t m = 0; m < HF_TCP_M_ENDS; m++)
				for (size_t j = 0; j < k; j++) /* nothing happens twice */
					if (m == path[i][j])
						assert_false(hf_tcp_state_allows(&c, m));
			assert_true(hf_tcp_state_allows(&c, HF_TCP_M_ENDS));
			hf_tcp_state_move(&c, path[i][k]);
		}
		assert_int_equal(c.state, path[i][3]);
	}
	hf_tcp_state_open(&c);
	assert_panics(hf_tcp_state_move(&c, HF_TCP_M_FIN_ACKED));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(we_close_first),
		cmocka_unit_test(the_peer_closes_first),
		cmocka_unit_test(both_close_at_once),
		cmocka_unit_test(fin_and_ack_of_ours_in_one),
		cmocka_unit_test(fin_ahead_of_its_time),
		cmocka_unit_test(fin_before_bytes_that_came_is_not_believed),
		cmocka_unit_test(our_fin_is_sent_again),
		cmocka_unit_test(half_close_and_a_long_answer),
		cmocka_unit_test(fin_that_never_comes),
		cmocka_unit_test(fin_that_never_comes_from_a_living_peer),
		cmocka_unit_test(only_the_exact_reset_is_believed),
		cmocka_unit_test(challenges_are_rare),
		cmocka_unit_test(a_peer_that_restarted),
		cmocka_unit_test(acks_of_what_was_never_sent),
		cmocka_unit_test(time_wait_answers),
		cmocka_unit_test(time_wait_gives_way_to_a_newer_syn),
		cmocka_unit_test(whose_syn_is_newer),
		cmocka_unit_test(time_wait_keeps_the_latest_timestamp),
		cmocka_unit_test(time_wait_is_bounded),
		cmocka_unit_test(who_comes_back_takes_the_place_of_the_oldest),
		cmocka_unit_test(without_time_wait),
		cmocka_unit_test(abort_resets_and_is_over_at_once),
		cmocka_unit_test(abort_of_what_the_peer_has_ended),
		cmocka_unit_test(calls_on_what_is_over_do_nothing),
		cmocka_unit_test(state_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
