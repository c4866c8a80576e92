/* data.c -- bytes in: order, gaps and overlaps, when they are acknowledged, what window is offered
 * and what happens when memory is short; and bytes out, as far as the peer's window decides. */
#include "tests/unit/tcp/rig.h"

/* The peer sends [from, to) in full segments. */
static void in_range(struct rig *r, uint32_t from, uint32_t to)
{
	while (from < to) {
		uint32_t len = HF_MIN(MSS, to - from);
		IN(DATA, "A", .seq = from, .ack = 1, .len = len);
		from += len;
	}
}

/* The last of what is sent now, in r->out; how many there were. */
static uint32_t drain(struct rig *r)
{
	uint32_t cnt = 0;
	while (rig_emit(r))
		cnt++;
	return cnt;
}

/* ---- acknowledging ----------------------------------------------------------------------------- */
RIG_TEST(first_bytes_are_acknowledged_at_once)
{
	rig_open(r);
	for (uint32_t i = 0; i < 16; i++) {
		IN(DATA, "A", .seq = 1 + 1000 * i, .ack = 1, .len = 1000);
		OUT("A", .seq = 1, .ack = 1001 + 1000 * i);
		SILENT();
	}
}

/* One small segment waits for the answer that is being made, so long; two do not, nor what was asked for
 * otherwise. */
RIG_TEST(first_bytes_may_wait_for_their_answer)
{
	rig_open(r);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 1000);
	hf_tcp_ack_may_wait(r->t, r->conn, r->now + 5 * MS);
	SILENT();
	rig_write(r, 100);
	OUT("AP", .seq = 1, .ack = 1001, .len = 100);
	IN(DATA, "A", .seq = 1001, .ack = 101, .len = 1000);
	hf_tcp_ack_may_wait(r->t, r->conn, r->now + 5 * MS);
	rig_wait(r, 4 * MS);
	SILENT();
	rig_wait(r, 2 * MS);
	OUT("A", .seq = 101, .ack = 2001);
	IN(DATA, "A", .seq = 2001, .ack = 101, .len = 1000);
	hf_tcp_ack_may_wait(r->t, r->conn, r->now + 5 * MS);
	IN(DATA, "A", .seq = 3001, .ack = 101, .len = 1000);
	hf_tcp_ack_may_wait(r->t, r->conn, r->now + 5 * MS);
	OUT("A", .seq = 101, .ack = 4001);
	IN(OLD, "A", .seq = 3001, .ack = 101, .len = 1000);
	hf_tcp_ack_may_wait(r->t, r->conn, r->now + 5 * MS);
	OUT("A", .seq = 101, .ack = 4001);
	SILENT();
}

/* Past the handshake. */
static void settle_opened(struct rig *r)
{
	in_range(r, 1, 20001);
	drain(r);
	assert_int_equal(rig_read(r, 20000), 20000);
	drain(r);
	rig_events(r);
}

static void settle(struct rig *r)
{
	rig_open(r);
	settle_opened(r);
}

static void settle_sack(struct rig *r)
{
	rig_open_sack(r, 0);
	settle_opened(r);
}

RIG_TEST(later_every_second_segment_or_40_ms)
{
	settle(r);
	IN(DATA, "A", .seq = 20001, .ack = 1, .len = MSS);
	SILENT();
	rig_wait(r, 38 * MS);
	SILENT();
	rig_wait(r, 4 * MS);
	OUT("A", .seq = 1, .ack = 20001 + MSS);
	rig_wait(r, 100 * MS);
	SILENT();
	IN(DATA, "A", .seq = 20001 + MSS, .ack = 1, .len = MSS);
	SILENT();
	IN(DATA, "A", .seq = 20001 + 2 * MSS, .ack = 1, .len = MSS);
	OUT("A", .seq = 1, .ack = 20001 + 3 * MSS);
	rig_wait(r, 100 * MS);
	SILENT();
}

RIG_TEST(data_carries_the_acknowledgement)
{
	settle(r);
	IN(DATA, "A", .seq = 20001, .ack = 1, .len = 10);
	rig_write(r, 5);
	OUT("PA", .seq = 1, .ack = 20011, .len = 5);
	rig_wait(r, 100 * MS);
	SILENT();
}

RIG_TEST(old_bytes_are_acknowledged_again)
{
	settle(r);
	IN(OLD, "A", .seq = 1, .ack = 1, .len = MSS);
	OUT("A", .seq = 1, .ack = 20001);
	IN(OLD, "A", .seq = 20000, .ack = 1, .len = 1);
	OUT("A", .seq = 1, .ack = 20001);
	IN(OLD, "A", .seq = 20000, .ack = 1); /* keep-alive */
	OUT("A", .seq = 1, .ack = 20001);
	assert_int_equal(hf_tcp_rcv(r->t, r->conn)->len, 0);
}

/* ---- order ------------------------------------------------------------------------------------- */
RIG_TEST(each_early_segment_owes_a_duplicate_ack)
{
	settle_sack(r);
	for (uint32_t i = 1; i <= 5; i++)
		IN(OUT_OF_ORDER, "A", .seq = 20001 + 1000 * i, .ack = 1, .len = 1000);
	assert_int_equal(rig_events(r), 0);
	for (uint32_t i = 1; i <= 5; i++) {
		OUT("A", .seq = 1, .ack = 20001);
		assert_int_equal(r->out_opt.sack_cnt, 1);
		assert_int_equal(r->out_opt.sack[0].left - r->irs, 21001);
		assert_int_equal(r->out_opt.sack[0].right - r->irs, 26001);
	}
	SILENT();
	IN(DATA, "A", .seq = 20001, .ack = 1, .len = 1000);
	assert_int_equal(rig_events(r), HF_TCP_EV_READABLE);
	OUT("A", .seq = 1, .ack = 26001);
	assert_int_equal(r->out_opt.sack_cnt, 0);
	assert_int_equal(rig_read(r, 9999), 6000);
	assert_int_equal(rig_stat(r, ooo_chunks), 0);
}

RIG_TEST(sack_blocks_latest_first_at_most_four)
{
	static const uint32_t at[] = {10, 30, 50, 70, 90, 20};
	rig_open_sack(r, 0);
	for (size_t i = 0; i < HF_ARRAY_LEN(at); i++) {
		IN(OUT_OF_ORDER, "A", .seq = at[i], .ack = 1, .len = 5);
		OUT("A", .seq = 1, .ack = 1);
		assert_int_equal(r->out_opt.sack_cnt, HF_MIN(i + 1, 4));
		assert_int_equal(r->out_opt.sack[0].left - r->irs, at[i]);
		assert_int_equal(r->out_opt.sack[0].right - r->irs, at[i] + 5);
	}
	IN(OUT_OF_ORDER, "A", .seq = 15, .ack = 1, .len = 5); /* joins 10 and 20 */
	OUT("A", .seq = 1, .ack = 1);
	assert_int_equal(r->out_opt.sack[0].left - r->irs, 10);
	assert_int_equal(r->out_opt.sack[0].right - r->irs, 25);
	assert_int_equal(r->out_opt.sack[1].left - r->irs, 30);
}

RIG_TEST(no_sack_for_who_did_not_permit_it)
{
	IN(SYN_NEW, "S", OPTS(OPT_MSS));
	OUT("SA", .ack = 1);
	IN(OPENED, "A", .seq = 1, .ack = 1);
	rig_events(r);
	IN(OUT_OF_ORDER, "A", .seq = 10, .ack = 1, .len = 5);
	OUT("A", .seq = 1, .ack = 1);
	assert_int_equal(r->out.options.len, 0);
}

/* Any pieces in any order with any overlap: the stream comes out right. */
RIG_TEST(random_overlaps)
{
	uint64_t seed = 1;
	uint32_t total = 0;
	IN(SYN_NEW, "S", OPTS(OPT_MSS, OPT_SACK));
	OUT("SA", .ack = 1);
	IN(OPENED, "A", .seq = 1, .ack = 1);
	rig_events(r);
	for (int round = 0; round < 3000; round++) {
		uint32_t next = rig_conn(r)->rcv_nxt - r->irs;
		uint32_t from = next + test_below(&seed, 9000);
		uint32_t back = test_below(&seed, 3) ? 0 : test_below(&seed, 1000);
		struct rig_seg s = {.flags = "A", .ack = 1, .len = 1 + test_below(&seed, 1460)};
		s.seq = HF_MAX(from, 1 + back) - back;
		if (test_below(&seed, 8) == 0)
			s.seq = next;
		rig_in(r, s);
		drain(r);
		if (test_below(&seed, 4) == 0)
			total += rig_read(r, test_below(&seed, 20000));
	}
	assert_true(total > 500000);
	assert_int_equal(r->read + hf_tcp_rcv(r->t, r->conn)->len, rig_conn(r)->info.bytes_in);
}

/* One-byte pieces must not cost a chunk each for longer than they are early, nor without bound. */
RIG_TEST(dribbled_bytes_cost_bounded_memory)
{
	uint32_t kept = 0;
	rig_open(r);
	for (uint32_t i = 0; i < 300; i++)
		kept += rig_in(r,
				(struct rig_seg){
					.flags = "A", .seq = 3 + 2 * i, .ack = 1, .len = 1}) ==
			HF_TCP_O_OUT_OF_ORDER;
	assert_int_equal(kept, r->t->ooo_max);
	assert_int_equal(r->bufs.chunk.used, kept);
	assert_int_equal(rig_stat(r, outcome[HF_TCP_O_OUT_OF_ROOM]), 300 - kept);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 1400);
	assert_int_equal(r->bufs.chunk.used, 1);
	for (uint32_t round = 0; round < 20; round++) {
		uint32_t base = 1401 + 80 * round;
		for (uint32_t i = 0; i < 20; i++)
			IN(OUT_OF_ORDER, "A", .seq = base + 2 + 2 * i, .ack = 1, .len = 1);
		for (uint32_t i = 0; i < 20; i++)
			IN(DATA, "A", .seq = base + 2 * i, .ack = 1, .len = i == 19 ? 42 : 2);
	}
	assert_int_equal(r->bufs.chunk.used, 2); /* 3,000 bytes */
	assert_int_equal(rig_read(r, 99999), 3000);
}

/* ---- the window we offer ----------------------------------------------------------------------- */
RIG_TEST(window_closes_with_what_is_not_credited)
{
	rig_open(r);
	in_range(r, 1, 65536);
	drain(r);
	assert_int_equal(r->out.ack - r->irs, 65536);
	assert_int_equal(r->out.window, 0);
	assert_int_equal(rig_take(r, 99999), 65535);
	SILENT(); /* taken is not credited */
	hf_tcp_rcv_credit(r->t, r->conn, 2 * MSS - 1, r->now);
	SILENT(); /* silly */
	hf_tcp_rcv_credit(r->t, r->conn, 1, r->now);
	OUT("A", .seq = 1, .ack = 65536, .wnd = 2 * MSS);
	hf_tcp_rcv_credit(r->t, r->conn, 100, r->now);
	SILENT();
	in_range(r, 65536, 65536 + 2 * MSS);
	OUT("A", .seq = 1, .ack = 65536 + 2 * MSS, .wnd = -1);
	hf_tcp_rcv_credit(r->t, r->conn, 30000, r->now);
	OUT("A", .seq = 1, .ack = 65536 + 2 * MSS, .wnd = 30100);
	hf_tcp_rcv_credit(r->t, r->conn, 20000, r->now);
	OUT("A", .seq = 1, .ack = 65536 + 2 * MSS, .wnd = 50100);
	hf_tcp_rcv_credit(r->t, r->conn, 10000, r->now);
	SILENT(); /* more than half is open: told along with the next ACK */
	IN(DATA, "A", .seq = 65536 + 2 * MSS, .ack = 1, .len = 100);
	IN(DATA, "A", .seq = 65536 + 2 * MSS + 100, .ack = 1, .len = 100);
	OUT("A", .seq = 1, .ack = 65736 + 2 * MSS, .wnd = 59900);
}

RIG_TEST(beyond_the_window_is_cut_and_answered)
{
	rig_open(r);
	in_range(r, 1, 65001);
	drain(r);
	IN(DATA, "A", .seq = 65001, .ack = 1, .len = 1000);
	OUT("A", .seq = 1, .ack = 65536, .wnd = -1);
	rig_write(r, 10);
	OUT("PA", .seq = 1, .ack = 65536, .len = 10);
	/* probes of the closed window, their ACK counts */
	IN(ACK, "A", .seq = 65536, .ack = 6, .len = 1);
	OUT("A", .seq = 11, .ack = 65536, .wnd = -1);
	assert_int_equal(rig_conn(r)->info.bytes_out, 5);
	IN(OUTSIDE, "A", .seq = 65537, .ack = 11, .len = 1);
	OUT("A", .seq = 11, .ack = 65536, .wnd = -1);
	assert_int_equal(rig_conn(r)->info.bytes_out, 5);
	IN(ACK, "A", .seq = 65536, .ack = 11);
	assert_int_equal(rig_conn(r)->info.bytes_out, 10);
	SILENT();
	assert_int_equal(rig_take(r, 99999), 65535);
}

/* A FIN needs no room: it may end a stream that fills the window exactly. */
RIG_TEST(fin_at_the_edge_of_a_closed_window)
{
	rig_open(r);
	in_range(r, 1, 65536);
	drain(r);
	IN(FIN, "FA", .seq = 65536, .ack = 1);
	OUT("A", .seq = 1, .ack = 65537, .wnd = -1);
	assert_int_equal(rig_events(r), HF_TCP_EV_READABLE | HF_TCP_EV_EOF);
	assert_int_equal(rig_read(r, 99999), 65535);
	SILENT(); /* nobody waits for this window */
}

#define WIDE 200001u /* scale 2 */

static void open_wide(struct rig *r)
{
	struct hf_tcp_cfg cfg = rig_cfg_default;
	cfg.rcv_wnd_max = WIDE;
	rig_init_with(r, &cfg, 1024);
	IN(SYN_NEW, "S", OPTS(OPT_MSS, OPT_WSCALE(0)));
	OUT("SA", .ack = 1, .wnd = 65535);
	assert_int_equal(r->out_opt.wscale, 2);
	IN(OPENED, "A", .seq = 1, .ack = 1);
	rig_events(r);
}

static void scaled_window(void **state)
{
	static struct rig rig;
	struct rig *r = &rig;
	(void)state;
	open_wide(r);
	in_range(r, 1, 60001);
	drain(r);
	assert_int_equal(r->out.window, 140001 / 4); /* floor: 1 byte less than could be */
	in_range(r, 60001, 200001);
	drain(r);
	assert_int_equal(r->out.window, 0);
	IN(ACK, "A", .seq = 200001, .ack = 1, .len = 10); /* nothing fits any more */
	OUT("A", .seq = 1, .ack = 200001, .wnd = -1);
	assert_int_equal(rig_read(r, 999999), 200000);
	OUT("A", .seq = 1, .ack = 200001, .wnd = WIDE / 4);
	rig_fini(r);
}

/* A SYN-ACK's window is less than half of a wide one, and yet no reason to tell of the rest when a hello has been
 * read: its answer will. Later on it is told. */
static void wide_window_is_told_by_the_answer(void **state)
{
	static struct rig rig;
	struct rig *r = &rig;
	(void)state;
	open_wide(r);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 500);
	assert_int_equal(rig_read(r, 999999), 500);
	hf_tcp_ack_may_wait(r->t, r->conn, r->now + 5 * MS);
	SILENT();
	rig_write(r, 100);
	OUT("AP", .seq = 1, .ack = 501, .wnd = WIDE / 4, .len = 100);
	rig_fini(r);
}

/* ---- short of chunks --------------------------------------------------------------------------- */
/* The window follows a connection's share of the pool; what was promised beyond is dropped unsaid
 * when there is no room after all, and the window opens again by itself when there is. */
static void pool_runs_dry(void **state)
{
	static struct rig rig;
	struct rig *r = &rig;
	uint32_t first, other;
	(void)state;
	rig_init_with(r, &rig_cfg_default, 32);
	rig_open(r);
	first = r->conn;
	r->sport++;
	rig_open(r);
	other = r->conn;
	for (uint32_t i = 0; i < 64; i++) /* 65,024 bytes within what the SYN-ACK promised */
		IN(DATA, "A", .seq = 1 + 1016 * i, .ack = 1, .len = 1016);
	drain(r);
	assert_int_equal(r->out.window, 511); /* the rest of that promise */
	assert_int_equal(r->bufs.chunk.used, 32);
	r->sport--;
	r->conn = first;
	r->iss = rig_conn(r)->snd_una - 1;
	IN(NO_MEM, "A", .seq = 1, .ack = 1, .len = 1000);
	SILENT();
	IN(OUT_OF_ROOM, "A", .seq = 5000, .ack = 1, .len = 1000);
	OUT("A", .seq = 1, .ack = 1);
	assert_int_equal(r->out_opt.sack_cnt, 0);
	/* the other's reader wakes up and its window opens, cut to a quarter of what is free */
	r->conn = other;
	assert_int_equal(rig_take(r, 8 * 2032), 8 * 2032);
	r->conn = first;
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 1000);
	OUT("A", .seq = 1, .ack = 1001);
	rig_events(r);
	rig_fini(r);
}

static void starved_window_opens_by_itself(void **state)
{
	static struct rig rig;
	struct rig *r = &rig;
	struct hf_chain hog = {0};
	static uint8_t bytes[2032];
	uint32_t taken = 0, window;
	(void)state;
	rig_init_with(r, &rig_cfg_default, 64);
	rig_open(r);
	in_range(r, 1, 60001);
	drain(r);
	assert_int_equal(rig_take(r, 60000), 60000);
	while (hf_chain_append(&r->bufs, &hog, bytes, sizeof(bytes)) == sizeof(bytes))
		taken++;
	assert_int_equal(taken, 64);
	hf_tcp_rcv_credit(r->t, r->conn, 60000, r->now);
	assert_false(hf_tcp_pending(r->t, 0)); /* credited, but no chunk to stand for it */
	hf_chain_clear(&r->bufs, &hog);
	SILENT();
	rig_wait(r, 60 * MS);
	OUT("A", .seq = 1, .ack = 60001);
	window = r->out.window;
	assert_int_equal(window, 64 * 2032 / 4);
	rig_wait(r, 200 * MS);
	SILENT();
	rig_fini(r);
}

/* Early bytes give way to those in order, also when they were SACKed. */
static void early_bytes_give_way(void **state)
{
	static struct rig rig;
	struct rig *r = &rig;
	struct hf_chain hog = {0};
	static uint8_t bytes[2032];
	(void)state;
	rig_init_with(r, &rig_cfg_default, 32);
	rig_open_sack(r, 0);
	for (uint32_t i = 0; i < 3; i++)
		IN(OUT_OF_ORDER, "A", .seq = 3000 + 1000 * 2 * i, .ack = 1, .len = 1000);
	drain(r);
	assert_int_equal(r->out_opt.sack_cnt, 3);
	for (uint32_t i = 0; i < 29; i++)
		assert_int_equal(hf_chain_append(&r->bufs, &hog, bytes, 2032), 2032);
	struct hf_packet parsed;
	struct packet p;
	static uint8_t payload[1400];
	for (uint32_t i = 0; i < sizeof(payload); i++)
		payload[i] = rig_byte(i);
	packet_tcp(&p, &(struct packet_spec){.seq = r->irs + 1,
			       .ack = r->iss + 1,
			       .tcp_flags = HF_TCP_ACK,
			       .payload = payload,
			       .payload_len = 1400});
	assert_int_equal(hf_net_parse(&p.frame, false, &parsed), HF_NET_OK);
	assert_int_equal(hf_tcp_input(r->t, 0, &parsed, r->now), HF_TCP_O_DATA);
	tcp_check(r->t, &r->bufs, 29);
	assert_int_equal(rig_stat(r, ooo_reneged), 1);
	assert_int_equal(rig_conn(r)->ooo_cnt, 2);
	hf_chain_clear(&r->bufs, &hog);
	assert_int_equal(rig_read(r, 9999), 1400);
	drain(r);
	rig_fini(r);
}

static void early_bytes_leave_a_reserve(void **state)
{
	static struct rig rig;
	struct rig *r = &rig;
	(void)state;
	rig_init_with(r, &rig_cfg_default, 32);
	rig_open(r);
	for (uint32_t i = 0; i < 28; i++)
		IN(OUT_OF_ORDER, "A", .seq = 10 + 20 * i, .ack = 1, .len = 1);
	IN(OUT_OF_ROOM, "A", .seq = 10 + 20 * 28, .ack = 1, .len = 1);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 9);
	drain(r);
	rig_fini(r);
}

RIG_TEST(send_room_is_bounded)
{
	rig_open(r);
	assert_int_equal(hf_tcp_snd_room(r->t, r->conn), 256 << 10);
	rig_write(r, 200000);
	assert_int_equal(hf_tcp_snd_room(r->t, r->conn), (256 << 10) - 200000);
	hf_tcp_shutdown(r->t, r->conn, r->now);
	assert_int_equal(hf_tcp_snd_room(r->t, r->conn), 0);
}

/* Two windows of congestion, as far as the options let it, and out of the pool's first half. */
static void send_room_grows_with_the_window(void **state)
{
	static struct rig rig;
	struct rig *r = &rig;
	struct hf_chain others = {0};
	struct hf_tcp_conn *c;
	uint8_t bytes[1000] = {0};
	(void)state;
	rig_init_with(r, &rig_cfg_default, 8192);
	rig_open(r);
	c = hf_pool_at(&r->t->conns, r->conn);
	assert_int_equal(hf_tcp_snd_room(r->t, r->conn), 256 << 10);
	c->cwnd = 300000;
	assert_int_equal(hf_tcp_snd_room(r->t, r->conn), 600000);
	c->cwnd = 3000000;
	assert_int_equal(hf_tcp_snd_room(r->t, r->conn), rig_cfg_default.snd_queue_max);
	while (r->bufs.chunk.used < 8192 - 4096)
		assert_int_equal(
			hf_chain_append(&r->bufs, &others, bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(hf_tcp_snd_room(r->t, r->conn), 256 << 10);
	hf_chain_clear(&r->bufs, &others);
	rig_fini(r);
}

/* ---- the peer's window ------------------------------------------------------------------------- */
RIG_TEST(we_keep_within_the_peers_window)
{
	r->peer_wnd = 4000;
	rig_open(r);
	rig_write(r, 10000);
	OUT("A", .seq = 1, .ack = 1, .len = MSS);
	OUT("A", .seq = 1 + MSS, .ack = 1, .len = MSS);
	SILENT(); /* 1,080 more would fit, but are silly */
	IN(ACK, "A", .seq = 1, .ack = 1 + MSS, .wnd = 4000 - MSS);
	SILENT();
	IN(ACK, "A", .seq = 1, .ack = 1 + 2 * MSS, .wnd = 4000);
	OUT("A", .seq = 1 + 2 * MSS, .ack = 1, .len = MSS);
	OUT("A", .seq = 1 + 3 * MSS, .ack = 1, .len = MSS);
	SILENT();
	/* an old segment's window is no news (RFC 9293 3.10.7.4) */
	IN(ACK, "A", .seq = 1, .ack = 1 + MSS, .wnd = 60000);
	SILENT();
	/* nor is one that comes with an old acknowledgement */
	IN(OUT_OF_ORDER, "A", .seq = 2, .ack = 1 + MSS, .len = 9, .wnd = 60000);
	OUT("A", .seq = 1 + 4 * MSS, .ack = 1);
	SILENT();
	IN(ACK, "A", .seq = 1, .ack = 1 + 2 * MSS, .wnd = 60000);
	OUT("A", .seq = 1 + 4 * MSS, .ack = 1, .len = MSS);
}

/* The peer's retransmission acknowledges more than all it said before: its window is the newest, and
 * the right edge stays where the peer put it. */
RIG_TEST(window_of_a_segment_that_came_again)
{
	r->peer_wnd = 4000;
	rig_open(r);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 100);
	IN(DATA, "A", .seq = 101, .ack = 1, .len = 100);
	rig_write(r, 10000);
	OUT("A", .seq = 1, .ack = 201, .len = MSS);
	OUT("A", .seq = 1 + MSS, .ack = 201, .len = MSS);
	SILENT();
	IN(DATA, "A", .seq = 1, .ack = 1 + 2 * MSS, .len = 220, .wnd = 4000 - 2 * MSS);
	OUT("A", .seq = 1 + 2 * MSS, .ack = 221);
	SILENT(); /* 1,080 are left of 4,000: not worth a segment */
	IN(ACK, "A", .seq = 221, .ack = 1 + 2 * MSS, .wnd = 2 * MSS);
	OUT("A", .seq = 1 + 2 * MSS, .ack = 221, .len = MSS);
	OUT("A", .seq = 1 + 3 * MSS, .ack = 221, .len = MSS);
	SILENT();
}

RIG_TEST(half_of_a_small_window_is_worth_a_segment)
{
	r->peer_wnd = 1000;
	rig_open(r);
	rig_write(r, 5000);
	OUT("A", .seq = 1, .ack = 1, .len = 1000);
	SILENT();
	IN(ACK, "A", .seq = 1, .ack = 1001, .wnd = 400);
	SILENT();
	IN(ACK, "A", .seq = 1, .ack = 1001, .wnd = 500);
	OUT("A", .seq = 1001, .ack = 1, .len = 500);
}

/* They share headers; each is still what it would be alone. The FIN's segment has another length. */
RIG_TEST(segments_of_a_burst)
{
	struct hf_packet p[RIG_BURST_MAX];
	uint32_t cnt, at = 1;
	rig_open_sack(r, 0);
	rig_write(r, 6 * MSS);
	hf_tcp_shutdown(r->t, r->conn, r->now);
	cnt = rig_emit_burst(r, p, 2);
	assert_int_equal(cnt, 2);
	assert_true(hf_tcp_pending(r->t, 0));
	for (uint32_t i = 0; i < cnt; i++, at += MSS) {
		assert_int_equal(p[i].seq - r->iss, at);
		assert_int_equal(p[i].tcp_flags, HF_TCP_ACK);
	}
	/* of what came out of order a bare ACK tells, and no other segment */
	IN(OUT_OF_ORDER, "A", .seq = 101, .ack = 1, .len = 50);
	cnt = rig_emit_burst(r, p, RIG_BURST_MAX);
	assert_int_equal(cnt, 5);
	assert_int_equal(p[0].payload.len, 0);
	assert_int_equal(p[0].options.len, 12);
	for (uint32_t i = 1; i < cnt; i++, at += MSS) {
		assert_int_equal(p[i].seq - r->iss, at);
		assert_int_equal(p[i].ack - r->irs, 1);
		assert_int_equal(
			p[i].tcp_flags, i < 4 ? HF_TCP_ACK : HF_TCP_ACK | HF_TCP_PSH | HF_TCP_FIN);
		assert_int_equal(p[i].options.len, 0);
		assert_int_equal(p[i].payload.len, MSS);
		for (uint32_t k = 0; k < MSS; k++)
			assert_int_equal(p[i].payload.p[k], rig_byte(at + k - 1));
	}
	SILENT();
}

RIG_TEST(small_writes_go_at_once)
{
	rig_open(r);
	rig_write(r, 100);
	OUT("PA", .seq = 1, .ack = 1, .len = 100);
	rig_write(r, 50);
	rig_write(r, 51);
	OUT("PA", .seq = 101, .ack = 1, .len = 101); /* what a turn wrote goes together */
	SILENT();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_bytes_are_acknowledged_at_once),
		cmocka_unit_test(first_bytes_may_wait_for_their_answer),
		cmocka_unit_test(later_every_second_segment_or_40_ms),
		cmocka_unit_test(data_carries_the_acknowledgement),
		cmocka_unit_test(old_bytes_are_acknowledged_again),
		cmocka_unit_test(each_early_segment_owes_a_duplicate_ack),
		cmocka_unit_test(sack_blocks_latest_first_at_most_four),
		cmocka_unit_test(no_sack_for_who_did_not_permit_it),
		cmocka_unit_test(random_overlaps),
		cmocka_unit_test(dribbled_bytes_cost_bounded_memory),
		cmocka_unit_test(window_closes_with_what_is_not_credited),
		cmocka_unit_test(beyond_the_window_is_cut_and_answered),
		cmocka_unit_test(fin_at_the_edge_of_a_closed_window),
		cmocka_unit_test(scaled_window),
		cmocka_unit_test(wide_window_is_told_by_the_answer),
		cmocka_unit_test(pool_runs_dry),
		cmocka_unit_test(starved_window_opens_by_itself),
		cmocka_unit_test(early_bytes_give_way),
		cmocka_unit_test(early_bytes_leave_a_reserve),
		cmocka_unit_test(send_room_is_bounded),
		cmocka_unit_test(send_room_grows_with_the_window),
		cmocka_unit_test(we_keep_within_the_peers_window),
		cmocka_unit_test(window_of_a_segment_that_came_again),
		cmocka_unit_test(half_of_a_small_window_is_worth_a_segment),
		cmocka_unit_test(segments_of_a_burst),
		cmocka_unit_test(small_writes_go_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
