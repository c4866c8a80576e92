/* open.c -- from nothing to a connection: what SYNs may say, how they are answered, what completes
 * the handshake and what does not. */
#include "tests/unit/tcp/rig.h"

RIG_TEST(handshake_and_first_bytes_both_ways)
{
	IN(SYN_NEW, "S", OPTS(OPT_MSS));
	OUT("SA", .seq = 0, .ack = 1, .wnd = 65535);
	SILENT();
	IN(OPENED, "A", .seq = 1, .ack = 1);
	assert_int_equal(rig_events(r), HF_TCP_EV_OPENED);
	SILENT();
	const struct hf_tcp_info *i = hf_tcp_info(r->t, r->conn);
	struct hf_addr peer = hf_addr_v4(PACKET_PEER_IP), local = hf_addr_v4(PACKET_OUR_IP);
	assert_true(hf_addr_eq(&i->peer, &peer) && hf_addr_eq(&i->local, &local));
	assert_int_equal(i->listener, 7);
	assert_int_equal(i->peer_port, 40000);
	assert_int_equal(i->local_port, 443);
	assert_int_equal(i->port, 0);
	assert_int_equal(i->mss, MSS);
	assert_int_equal(i->opened_at, r->now);
	IN(DATA, "PA", .seq = 1, .ack = 1, .len = 517);
	assert_int_equal(rig_events(r), HF_TCP_EV_READABLE);
	OUT("A", .seq = 1, .ack = 518);
	assert_int_equal(rig_read(r, 1000), 517);
	rig_write(r, 4000);
	OUT("A", .seq = 1, .ack = 518, .len = MSS);
	assert_false(r->out.tcp_flags & HF_TCP_PSH);
	OUT("A", .seq = 1 + MSS, .ack = 518, .len = MSS);
	OUT("PA", .seq = 1 + 2 * MSS, .ack = 518, .len = 1080);
	assert_true(r->out.tcp_flags & HF_TCP_PSH);
	SILENT();
	IN(ACK, "A", .seq = 518, .ack = 4001);
	assert_int_equal(rig_events(r), HF_TCP_EV_WRITABLE);
	assert_int_equal(i->bytes_in, 517);
	assert_int_equal(i->bytes_out, 4000);
	assert_int_equal(hf_tcp_snd(r->t, r->conn)->len, 0);
}

/* Each option is answered on its own, and only when it was offered. */
struct option_case {
	const char *what;
	uint8_t opt[12];
	size_t opt_len;
	uint16_t mss;  /* towards the peer */
	uint8_t scale; /* of the peer's window */
	bool has_scale, sack;
};

static void options_are_negotiated_one_by_one(void **state)
{
	static const struct option_case cases[] = {
		{"none", {0}, 0, 536, 0, false, false},
		{"MSS", {OPT_MSS}, 4, 1460, 0, false, false},
		{"scale", {OPT_WSCALE(3)}, 4, 536, 3, true, false},
		{"SACK", {OPT_SACK}, 4, 536, 0, false, true},
		{"MSS, SACK", {OPT_MSS, OPT_SACK}, 8, 1460, 0, false, true},
		{"all", {OPT_MSS, OPT_WSCALE(7), OPT_SACK}, 12, 1460, 7, true, true},
		{"scale 0", {OPT_WSCALE(0)}, 4, 536, 0, true, false},
		{"scale beyond RFC 7323 2.3", {OPT_WSCALE(200)}, 4, 536, 14, true, false},
		{"MSS 1", {2, 4, 0, 1}, 4, 64, 0, false, false},
		{"MSS 0", {2, 4, 0, 0}, 4, 536, 0, false, false},
		{"MSS of a jumbo frame", {2, 4, 0x23, 0x28}, 4, 1460, 0, false, false},
		{"option of length 0", {OPT_MSS, 254, 0, 1, 1}, 8, 1460, 0, false, false},
		{"option beyond the header", {OPT_SACK, 254, 9, 1, 1}, 8, 536, 0, false, true},
	};
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(cases); i++) {
		const struct option_case *k = &cases[i];
		static struct rig rig;
		struct rig *r = &rig;
		print_message("  %s\n", k->what);
		rig_init(r);
		IN(SYN_NEW, "S", .opt = k->opt, .opt_len = k->opt_len);
		OUT("SA", .ack = 1);
		assert_int_equal(r->out_opt.mss, MSS);
		assert_int_equal(r->out_opt.has_wscale, k->has_scale);
		assert_int_equal(r->out_opt.wscale, 0); /* 64 KB of ours need no scaling */
		assert_int_equal(r->out_opt.sack_permitted, k->sack);
		IN(OPENED, "A", .seq = 1, .ack = 1, .wnd = 100);
		rig_events(r);
		assert_int_equal(rig_conn(r)->info.mss, k->mss);
		assert_int_equal(rig_conn(r)->snd_wnd, 100u << k->scale);
		rig_fini(r);
	}
}

static void our_scale_is_what_our_buffer_needs(void **state)
{
	struct hf_tcp_cfg cfg = rig_cfg_default;
	static struct rig rig;
	struct rig *r = &rig;
	(void)state;
	cfg.rcv_wnd_max = 300000; /* / 8 does fit 16 bits */
	rig_init_with(r, &cfg, 1024);
	IN(SYN_NEW, "S", OPTS(OPT_MSS, OPT_WSCALE(2)));
	OUT("SA", .ack = 1, .wnd = 65535); /* never scaled in a SYN */
	assert_int_equal(r->out_opt.wscale, 3);
	IN(OPENED, "A", .seq = 1, .ack = 1);
	rig_events(r);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 1000);
	OUT("A", .seq = 1, .ack = 1001, .wnd = 299000 / 8);
	rig_fini(r);
}

RIG_TEST(data_may_come_with_the_third_ack)
{
	IN(SYN_NEW, "S", OPTS(OPT_MSS));
	OUT("SA", .ack = 1);
	IN(OPENED, "PA", .seq = 1, .ack = 1, .len = 300);
	assert_int_equal(rig_events(r), HF_TCP_EV_OPENED | HF_TCP_EV_READABLE);
	OUT("A", .seq = 1, .ack = 301);
	assert_int_equal(rig_read(r, 1000), 300);
}

RIG_TEST(third_ack_lost_later_data_completes)
{
	IN(SYN_NEW, "S", OPTS(OPT_MSS, OPT_SACK));
	OUT("SA", .ack = 1);
	IN(OPENED, "A", .seq = 1 + MSS, .ack = 1,
		.len = 100); /* the first data segment is lost, too */
	assert_int_equal(rig_events(r), HF_TCP_EV_OPENED);
	OUT("A", .seq = 1, .ack = 1);
	assert_int_equal(r->out_opt.sack_cnt, 1);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = MSS);
	OUT("A", .seq = 1, .ack = 1 + MSS + 100);
	assert_int_equal(rig_read(r, 10000), MSS + 100);
}

RIG_TEST(fin_may_come_with_the_third_ack)
{
	IN(SYN_NEW, "S", OPTS(OPT_MSS));
	OUT("SA", .ack = 1);
	IN(OPENED, "FA", .seq = 1, .ack = 1, .len = 5);
	assert_int_equal(rig_events(r), HF_TCP_EV_OPENED | HF_TCP_EV_READABLE | HF_TCP_EV_EOF);
	OUT("A", .seq = 1, .ack = 7);
	assert_true(hf_tcp_info(r->t, r->conn)->eof);
}

RIG_TEST(third_ack_of_something_else_is_reset)
{
	IN(SYN_NEW, "S", OPTS(OPT_MSS));
	OUT("SA", .ack = 1);
	IN(OPEN_FORGED, "A", .seq = 1, .ack = 2);
	OUT("R", .seq = 2);
	IN(OPEN_FORGED, "A", .seq = 1, .ack = 0);
	OUT("R", .seq = 0);
	IN(ACK_MISSING, "P", .seq = 1, .len = 10);
	SILENT();
	IN(OPENED, "A", .seq = 1, .ack = 1); /* the entry has outlived that */
}

RIG_TEST(syn_again_is_answered_alike)
{
	IN(SYN_NEW, "S", OPTS(OPT_MSS));
	OUT("SA", .ack = 1);
	IN(SYN_AGAIN, "S", OPTS(OPT_MSS));
	OUT("SA", .ack = 1);
	SILENT();
	assert_int_equal(rig_stat(r, half_open), 1);
}

/* RFC 9293 3.10.7.4, fourth: inside the window back to LISTEN, outside an ACK. */
RIG_TEST(another_syn_of_the_same_pair)
{
	IN(SYN_NEW, "S", OPTS(OPT_MSS));
	OUT("SA", .ack = 1);
	IN(OUTSIDE, "S", .seq = 0x40000000);
	OUT("A", .seq = 1, .ack = 1);
	IN(SYN_NEW, "S", .seq = 1000, OPTS(OPT_MSS, OPT_SACK));
	r->irs += 1000;
	r->iss = 0;
	OUT("SA", .ack = 1);
	assert_true(r->out_opt.sack_permitted);
	IN(OPENED, "A", .seq = 1, .ack = 1);
	assert_int_equal(rig_stat(r, half_open), 0);
}

RIG_TEST(half_open_reset)
{
	IN(SYN_NEW, "S", OPTS(OPT_MSS));
	OUT("SA", .ack = 1);
	IN(RST_OUTSIDE, "R", .seq = 70000);
	SILENT();
	IN(RST_INEXACT, "R", .seq = 2);
	OUT("A", .seq = 1, .ack = 1);
	IN(HALF_RST, "R", .seq = 1);
	SILENT();
	IN(UNKNOWN, "A", .seq = 1, .ack = 1);
	OUT("R", .seq = 1);
}

RIG_TEST(syn_ack_is_repeated_with_backoff_until_its_life_ends)
{
	static const uint32_t after_ms[] = {1000, 2000, 4000, 8000};
	IN(SYN_NEW, "S", OPTS(OPT_MSS, OPT_WSCALE(4), OPT_SACK));
	OUT("SA", .ack = 1);
	for (size_t i = 0; i < HF_ARRAY_LEN(after_ms); i++) {
		rig_wait(r, after_ms[i] * MS - 10 * MS);
		SILENT();
		rig_wait(r, 20 * MS);
		OUT("SA", .seq = 0, .ack = 1, .wnd = 65535);
		assert_true(r->out_opt.has_wscale && r->out_opt.sack_permitted);
		SILENT();
	}
	assert_int_equal(rig_stat(r, syn_ack_again), 4);
	rig_wait(r, 4900 * MS); /* 15 s + 4.9 s */
	assert_int_equal(rig_stat(r, half_open), 1);
	rig_wait(r, 200 * MS);
	assert_int_equal(rig_stat(r, half_open), 0);
	assert_int_equal(rig_stat(r, half_expired), 1);
	SILENT();
	IN(UNKNOWN, "A", .seq = 1, .ack = 1);
}

RIG_TEST(what_the_syn_ack_told_about_the_path)
{
	/* answered at once: a round trip is known */
	IN(SYN_NEW, "S", OPTS(OPT_MSS));
	OUT("SA", .ack = 1);
	rig_wait(r, 300 * MS);
	IN(OPENED, "A", .seq = 1, .ack = 1);
	rig_events(r);
	assert_in_range(rig_conn(r)->info.srtt_ns, 290 * MS, 310 * MS);
	assert_int_equal(rig_conn(r)->cwnd, 10 * MSS);
	/* one lost: nothing is known, and the first RTO is long (RFC 6298 5.7) */
	r->sport++;
	r->iss = 0;
	IN(SYN_NEW, "S", OPTS(OPT_MSS));
	OUT("SA", .ack = 1);
	rig_wait(r, 1100 * MS);
	OUT("SA", .ack = 1);
	IN(OPENED, "A", .seq = 1, .ack = 1);
	rig_events(r);
	assert_int_equal(rig_conn(r)->info.srtt_ns, 0);
	assert_int_equal(rig_conn(r)->info.rto_ns, 3 * SEC);
	assert_int_equal(rig_conn(r)->cwnd, 10 * MSS);
	/* two lost: congestion */
	r->sport++;
	r->iss = 0;
	IN(SYN_NEW, "S", OPTS(OPT_MSS));
	OUT("SA", .ack = 1);
	rig_wait(r, 1100 * MS);
	OUT("SA", .ack = 1);
	rig_wait(r, 2100 * MS);
	OUT("SA", .ack = 1);
	IN(OPENED, "A", .seq = 1, .ack = 1);
	rig_events(r);
	assert_int_equal(rig_conn(r)->cwnd, MSS);
}

/* No slot: the peer believes to be connected, tries again, and finds one later. */
RIG_TEST(no_free_slot)
{
	uint32_t first = 0, iss;
	r->sport = 3000;
	IN(SYN_NEW, "S", OPTS(OPT_MSS));
	OUT("SA", .ack = 1);
	iss = r->iss;
	for (uint16_t i = 0; i < 16; i++) {
		r->sport = (uint16_t)(2000 + i);
		rig_open(r);
		first = i == 0 ? r->conn : first;
	}
	IN(SYN_CROWDED, "S", .sport = 3001, OPTS(OPT_MSS));
	SILENT();
	r->sport = 3000;
	r->iss = iss;
	IN(OPEN_FULL, "A", .seq = 1, .ack = 1);
	SILENT();
	assert_int_equal(rig_stat(r, conns), 16);
	hf_tcp_abort(r->t, first, r->now);
	hf_tcp_free(r->t, first);
	IN(OPENED, "PA", .seq = 1, .ack = 1, .len = 10);
	assert_int_equal(rig_events(r), HF_TCP_EV_OPENED | HF_TCP_EV_READABLE);
}

/* With one connection open and one half open, `refuse` is on: a third is not answered, those go on. */
static void refuses_newcomers(
	struct rig *r, void (*refuse)(struct hf_tcp *t, bool on), enum hf_tcp_outcome outcome)
{
	uint32_t conn;
	rig_open(r);
	conn = r->conn;
	r->sport = 2;
	r->iss = 0;
	IN(SYN_NEW, "S", OPTS(OPT_MSS));
	OUT("SA", .ack = 1);
	refuse(r->t, true);
	rig_in_at(r, __LINE__, outcome, (struct rig_seg){.flags = "S", .sport = 3});
	SILENT();
	IN(SYN_AGAIN, "S", OPTS(OPT_MSS));
	OUT("SA", .ack = 1);
	IN(OPENED, "A", .seq = 1, .ack = 1);
	rig_events(r);
	r->conn = conn;
	rig_write(r, 10);
	assert_true(rig_emit(r));
	refuse(r->t, false);
	IN(SYN_NEW, "S", .sport = 3);
}

/* The user says that he has no room for more. */
RIG_TEST(a_crowded_user_gets_no_newcomers)
{
	refuses_newcomers(r, hf_tcp_crowd, HF_TCP_O_SYN_CROWDED);
}

RIG_TEST(draining_answers_no_syn_and_lets_the_rest_go_on)
{
	refuses_newcomers(r, hf_tcp_drain, HF_TCP_O_SYN_DRAINING);
}

RIG_TEST(listeners)
{
	const struct hf_tcp_listener v[] = {
		{.port = 443, .id = 1},
		{.addr = hf_addr_v4(PACKET_OUR_IP), .port = 443, .id = 2},
		{.addr = hf_addr_v4(PACKET_OUR_IP + 1), .port = 444, .id = 3},
		{.addr = hf_addr_v4(PACKET_OUR_IP), .port = 445, .id = 4},
	};
	hf_tcp_listen(r->t, v, HF_ARRAY_LEN(v));
	rig_open(r);
	assert_int_equal(hf_tcp_info(r->t, r->conn)->listener, 2); /* the exact one first */
	IN(SYN_REFUSED, "S", .dport = 444);                        /* another address */
	OUT("RA", .seq = 0 - r->iss, .ack = 1);
	IN(SYN_NEW, "S", .sport = 5, .dport = 445);
	r->iss = 0;
	OUT("SA", .ack = 1);
	hf_tcp_listen(r->t, v, 1); /* replaced while half open */
	IN(UNKNOWN, "A", .seq = 1, .ack = 1, .sport = 5, .dport = 445);
	OUT("R", .seq = 1);
	assert_int_equal(rig_stat(r, half_open), 0);
	IN(SYN_NEW, "S", .sport = 6, .dport = 443);
	hf_tcp_listen(r->t, NULL, 0);
	IN(SYN_REFUSED, "S", .sport = 7, .dport = 443);
}

/* RFC 9293 3.10.7.1 */
RIG_TEST(segments_of_nobody)
{
	r->iss = 5000;
	IN(UNKNOWN, "A", .seq = 10, .ack = 20);
	OUT("R", .seq = 20);
	IN(UNKNOWN, "PA", .seq = 10, .ack = 20, .len = 9);
	OUT("R", .seq = 20);
	IN(UNKNOWN, "FPU", .seq = 10, .len = 9, .dport = 444);
	OUT("RA", .seq = 0 - 5000u, .ack = 10 + 9 + 1);
	IN(UNKNOWN, "SA", .seq = 10, .ack = 20);
	OUT("R", .seq = 20);
	IN(UNKNOWN, "", .seq = 10, .dport = 444);
	OUT("RA", .seq = 0 - 5000u, .ack = 10);
	IN(UNKNOWN_RST, "R", .seq = 10);
	IN(UNKNOWN_RST, "RA", .seq = 10, .ack = 20);
	SILENT();
	assert_int_equal(rig_stat(r, resets_out), 5);
}

/* RFC 6528: a clock per flow, shifted by a secret. */
RIG_TEST(initial_sequence_numbers)
{
	uint32_t iss[3];
	for (int i = 0; i < 3; i++) {
		uint16_t sport = i < 2 ? 1 : 2;
		r->iss = 0;
		IN(SYN_NEW, "S", .sport = sport);
		OUT("SA", .ack = 1);
		iss[i] = r->iss;
		IN(HALF_RST, "R", .seq = 1, .sport = sport);
		rig_wait(r, SEC);
	}
	assert_int_equal(iss[1] - iss[0], 250000);
	assert_int_not_equal(iss[2] - iss[1], 250000);
}

/* Strangers are refused while chunks are short; who is known goes on. */
static void no_syn_when_chunks_are_short(void **state)
{
	static struct rig rig;
	struct rig *r = &rig;
	(void)state;
	rig_init_with(r, &rig_cfg_default, 32);
	rig_open(r);
	for (uint32_t i = 0; i < 30; i++)
		IN(DATA, "A", .seq = 1 + 1016 * i, .ack = 1, .len = 1016);
	for (uint32_t i = 30; i < 62; i++)
		rig_in(r,
			(struct rig_seg){.flags = "A", .seq = 1 + 1016 * i, .ack = 1, .len = 1016});
	assert_in_range(r->bufs.chunk.used, 30, 32);
	IN(SYN_NO_MEM, "S", .sport = 1);
	while (rig_emit(r))
		;
	rig_read(r, 60000);
	IN(SYN_NEW, "S", .sport = 1);
	rig_fini(r);
}

RIG_TEST(replies_wait_in_a_bounded_queue)
{
	for (uint16_t i = 0; i < 800; i++)
		IN(UNKNOWN, "A", .seq = 1, .ack = i, .sport = (uint16_t)(i + 1));
	assert_int_equal(rig_stat(r, replies_dropped), 800 - HF_TCP_REPLY_CNT);
	for (uint16_t i = 0; i < HF_TCP_REPLY_CNT; i++)
		OUT("R", .seq = i);
	SILENT();
}

/* Two connections, from ports 1 and 2, so many bytes each; and twenty replies, to port 9. */
static void many_want_to_speak(struct rig *r, uint32_t len)
{
	uint32_t conn[2];
	for (uint16_t i = 0; i < 2; i++) {
		r->sport = (uint16_t)(1 + i);
		rig_open(r);
		conn[i] = r->conn;
	}
	for (uint16_t i = 0; i < 2; i++) {
		r->conn = conn[i];
		r->written = 0;
		rig_write(r, len);
	}
	for (uint16_t i = 0; i < 20; i++)
		IN(UNKNOWN, "A", .seq = 1, .ack = 1, .sport = 9);
}

/* Neither replies nor one connection keep the others from speaking. */
RIG_TEST(everybody_takes_turns)
{
	uint32_t said[3] = {0};
	many_want_to_speak(r, 6 * MSS);
	for (uint32_t i = 0; i < 20; i++) {
		assert_true(rig_emit(r));
		said[r->out.dport == 9 ? 2 : r->out.dport - 1]++;
	}
	assert_int_equal(said[2], 10);
	assert_int_equal(said[0], 5);
	assert_int_equal(said[1], 5);
}

/* Not even in bursts. */
RIG_TEST(everybody_takes_turns_of_a_few_segments)
{
	struct hf_packet p[RIG_BURST_MAX];
	uint32_t said[3] = {0};
	many_want_to_speak(r, 10 * MSS);
	assert_int_equal(rig_emit_burst(r, p, 20), 20);
	for (uint32_t i = 0; i < 20; i++)
		said[p[i].dport == 9 ? 2 : p[i].dport - 1]++;
	assert_int_equal(said[2], 2);
	assert_int_equal(said[0], 10);
	assert_int_equal(said[1], 8);
}

/* Sequence numbers of both sides run over 2^32 within the first kilobytes. */
RIG_TEST(sequence_numbers_wrap)
{
	r->irs = 0u - 700;
	IN(SYN_NEW, "S");
	OUT("SA", .ack = 1);
	IN(HALF_RST, "R", .seq = 1);
	r->now += (hf_ns)(uint32_t)(0u - 900 - r->iss) * 4000;
	rig_open_sack(r, 0);
	assert_in_range(0u - r->iss, 800, 900);
	IN(OUT_OF_ORDER, "A", .seq = 1001, .ack = 1, .len = 1000);
	OUT("A", .seq = 1, .ack = 1);
	assert_int_equal(r->out_opt.sack[0].left, r->irs + 1001);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 1000);
	OUT("A", .seq = 1, .ack = 2001);
	assert_int_equal(rig_read(r, 9999), 2000);
	rig_write(r, 3000);
	OUT("A", .seq = 1, .ack = 2001, .len = MSS);
	OUT("A", .seq = 1 + MSS, .ack = 2001, .len = MSS);
	OUT("A", .seq = 1 + 2 * MSS, .ack = 2001, .len = 3000 - 2 * MSS);
	IN(ACK, "A", .seq = 2001, .ack = 1 + MSS);
	rig_wait(r, 100 * MS);
	OUT("PA", .seq = 3001 - MSS, .ack = 2001, .len = MSS);
	rig_wait(r, 5 * SEC);
	OUT("A", .seq = 1 + MSS, .ack = 2001, .len = MSS);
	IN(ACK, "A", .seq = 2001, .ack = 3001);
	hf_tcp_shutdown(r->t, r->conn, r->now);
	OUT("FA", .seq = 3001, .ack = 2001);
	IN(FIN, "FA", .seq = 2001, .ack = 3002);
	OUT("A", .seq = 3002, .ack = 2002);
	rig_events(r);
	assert_int_equal(hf_tcp_info(r->t, r->conn)->end, HF_TCP_END_FIN);
}

/* Frames go back to where the flow's last valid frame came from, or to the gateway. */
static void next_hop(void **state)
{
	static const uint8_t moved[6] = {2, 0, 0, 0, 0, 9}, gateway[6] = {2, 0, 0, 0, 0, 8};
	struct hf_tcp_cfg cfg = rig_cfg_default;
	struct packet p;
	struct hf_packet parsed;
	static struct rig rig;
	struct rig *r = &rig;
	(void)state;
	rig_init(r);
	rig_open(r);
	assert_memory_equal(r->out.eth_dst, packet_peer_mac, 6);
	assert_memory_equal(r->out.eth_src, packet_our_mac, 6);
	struct packet_spec s = {.eth_src = moved,
		.seq = r->irs + 70000,
		.ack = r->iss + 1,
		.tcp_flags = HF_TCP_ACK,
		.payload = "x",
		.payload_len = 1};
	packet_tcp(&p, &s); /* not valid: outside the window */
	assert_int_equal(hf_net_parse(&p.frame, false, &parsed), HF_NET_OK);
	assert_int_equal(hf_tcp_input(r->t, 0, &parsed, r->now), HF_TCP_O_OUTSIDE);
	OUT("A", .seq = 1, .ack = 1);
	assert_memory_equal(r->out.eth_dst, packet_peer_mac, 6);
	s.seq = r->irs + 1;
	packet_tcp(&p, &s);
	assert_int_equal(hf_net_parse(&p.frame, false, &parsed), HF_NET_OK);
	assert_int_equal(hf_tcp_input(r->t, 0, &parsed, r->now), HF_TCP_O_DATA);
	OUT("A", .seq = 1, .ack = 2);
	assert_memory_equal(r->out.eth_dst, moved, 6);
	rig_fini(r);

	cfg.reflect = false;
	rig_init_with(r, &cfg, 64);
	rig_open(r);
	assert_memory_equal(r->out.eth_dst, packet_peer_mac, 6); /* none known yet */
	r->host.gateway[0].known = true;
	memcpy(r->host.gateway[0].mac, gateway, 6);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 1);
	OUT("A", .seq = 1, .ack = 2);
	assert_memory_equal(r->out.eth_dst, gateway, 6);
	rig_fini(r);
}

static void counters_have_rows_and_names(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < hf_tcp_stat_table.row_cnt; i++) {
		const struct hf_stat_row *row = &hf_tcp_stat_table.row[i];
		assert_true(row->off < sizeof(struct hf_tcp_stats) && row->off % 8 == 0);
		for (uint32_t j = 0; j < i; j++) {
			assert_string_not_equal(row->name, hf_tcp_stat_table.row[j].name);
			assert_int_not_equal(row->off, hf_tcp_stat_table.row[j].off);
		}
	}
	assert_int_equal(hf_tcp_stat_table.row_cnt * 8, sizeof(struct hf_tcp_stats));
	assert_string_equal(hf_tcp_outcome_name(HF_TCP_O_SYN_NEW), "syn_new");
	assert_string_equal(hf_tcp_outcome_name(HF_TCP_OUTCOME_CNT), "?");
	assert_string_equal(hf_tcp_end_name(HF_TCP_END_PEER_RST), "peer_rst");
	assert_string_equal(hf_tcp_end_name(HF_TCP_END_CNT), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshake_and_first_bytes_both_ways),
		cmocka_unit_test(options_are_negotiated_one_by_one),
		cmocka_unit_test(our_scale_is_what_our_buffer_needs),
		cmocka_unit_test(data_may_come_with_the_third_ack),
		cmocka_unit_test(third_ack_lost_later_data_completes),
		cmocka_unit_test(fin_may_come_with_the_third_ack),
		cmocka_unit_test(third_ack_of_something_else_is_reset),
		cmocka_unit_test(syn_again_is_answered_alike),
		cmocka_unit_test(another_syn_of_the_same_pair),
		cmocka_unit_test(half_open_reset),
		cmocka_unit_test(syn_ack_is_repeated_with_backoff_until_its_life_ends),
		cmocka_unit_test(what_the_syn_ack_told_about_the_path),
		cmocka_unit_test(no_free_slot),
		cmocka_unit_test(a_crowded_user_gets_no_newcomers),
		cmocka_unit_test(draining_answers_no_syn_and_lets_the_rest_go_on),
		cmocka_unit_test(listeners),
		cmocka_unit_test(segments_of_nobody),
		cmocka_unit_test(initial_sequence_numbers),
		cmocka_unit_test(no_syn_when_chunks_are_short),
		cmocka_unit_test(replies_wait_in_a_bounded_queue),
		cmocka_unit_test(everybody_takes_turns),
		cmocka_unit_test(everybody_takes_turns_of_a_few_segments),
		cmocka_unit_test(sequence_numbers_wrap),
		cmocka_unit_test(next_hop),
		cmocka_unit_test(counters_have_rows_and_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
