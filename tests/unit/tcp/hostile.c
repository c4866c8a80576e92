/* hostile.c -- segments that no honest peer sends. Each has its counter, none its effect. */
#include "tests/unit/tcp/rig.h"

static enum hf_tcp_outcome raw(struct rig *r, const struct packet_spec *s)
{
	struct packet p;
	struct hf_packet parsed;
	enum hf_tcp_outcome o;
	packet_tcp(&p, s);
	assert_int_equal(hf_net_parse(&p.frame, false, &parsed), HF_NET_OK);
	o = hf_tcp_input(r->t, 0, &parsed, r->now);
	rig_check(r);
	return o;
}

RIG_TEST(land_and_port_0)
{
	struct packet_spec land = {.src = PACKET_OUR_IP, .sport = 443, .tcp_flags = HF_TCP_SYN};
	struct packet p;
	struct hf_packet parsed;
	assert_int_equal(raw(r, &land), HF_TCP_O_LAND);
	land.sport = 1234; /* our address is nobody else's, whatever the port */
	assert_int_equal(raw(r, &land), HF_TCP_O_LAND);
	land.tcp_flags = HF_TCP_ACK;
	assert_int_equal(raw(r, &land), HF_TCP_O_LAND);
	land = (struct packet_spec){.tcp_flags = HF_TCP_SYN};
	packet_tcp(&p, &land);
	assert_int_equal(hf_net_parse(&p.frame, false, &parsed), HF_NET_OK);
	parsed.sport = 0;
	assert_int_equal(hf_tcp_input(r->t, 0, &parsed, r->now), HF_TCP_O_PORT_ZERO);
	parsed.sport = 1;
	parsed.dport = 0;
	assert_int_equal(hf_tcp_input(r->t, 0, &parsed, r->now), HF_TCP_O_PORT_ZERO);
	SILENT();
	assert_int_equal(rig_stat(r, outcome[HF_TCP_O_LAND]), 3);
	assert_int_equal(rig_stat(r, outcome[HF_TCP_O_PORT_ZERO]), 2);
	assert_int_equal(rig_stat(r, half_open), 0);
}

/* Every set of flags, at a listener, at a half-open entry, at a connection and in TIME_WAIT: the sets
 * that make no sense do nothing anywhere. */
RIG_TEST(christmas_trees)
{
	uint8_t nonsense = 0;
	for (unsigned f = 0; f < 64; f++) {
		bool syn_ends = f & HF_TCP_SYN && f & (HF_TCP_FIN | HF_TCP_RST);
		bool of_nothing = !(f & (HF_TCP_SYN | HF_TCP_ACK | HF_TCP_RST));
		struct packet_spec s = {.sport = 7, .seq = 77, .ack = 99, .tcp_flags = (uint8_t)f};
		enum hf_tcp_outcome o = raw(r, &s);
		assert_int_equal(o == HF_TCP_O_FLAGS, syn_ends || of_nothing);
		nonsense = (uint8_t)(nonsense + (syn_ends || of_nothing));
		if (o == HF_TCP_O_SYN_NEW) {
			s.seq = 78;
			s.tcp_flags = HF_TCP_RST;
			assert_int_equal(raw(r, &s), HF_TCP_O_HALF_RST);
		}
		while (rig_emit(r))
			;
	}
	assert_int_equal(rig_stat(r, outcome[HF_TCP_O_FLAGS]), nonsense);
	rig_open(r);
	for (unsigned f = 0; f < 64; f++) {
		struct packet_spec s = {.seq = r->irs + 1,
			.ack = r->iss + 1,
			.window = 65535,
			.tcp_flags = (uint8_t)f};
		if (!(f & HF_TCP_SYN) || !(f & (HF_TCP_FIN | HF_TCP_RST)))
			continue;
		assert_int_equal(raw(r, &s), HF_TCP_O_FLAGS);
	}
	IN(ACK_MISSING, "FPU", .seq = 1); /* a Christmas tree within a connection */
	IN(ACK_MISSING, "", .seq = 1);
	SILENT();
	assert_int_equal(rig_events(r), 0);
	IN(DATA, "PA", .seq = 1, .ack = 1, .len = 5);
	OUT("A", .seq = 1, .ack = 6);
	assert_int_equal(rig_read(r, 9), 5);
}

/* The bytes of a SYN are the peer's to send again: nothing is kept before its address is proven. */
RIG_TEST(syn_with_data)
{
	IN(SYN_NEW, "S", .len = 300, OPTS(OPT_MSS));
	OUT("SA", .ack = 1);
	assert_int_equal(rig_stat(r, syn_data), 1);
	assert_int_equal(r->bufs.chunk.used, 0);
	IN(OPENED, "PA", .seq = 1, .ack = 1, .len = 300);
	rig_events(r);
	OUT("A", .seq = 1, .ack = 301);
	assert_int_equal(rig_read(r, 999), 300);
}

static void put(struct rig *r, enum hf_tcp_outcome want, uint32_t seq, const char *bytes)
{
	struct packet_spec s = {.sport = r->sport,
		.seq = r->irs + seq,
		.ack = r->iss + 1,
		.window = 65535,
		.tcp_flags = HF_TCP_ACK,
		.payload = bytes,
		.payload_len = strlen(bytes)};
	assert_int_equal(raw(r, &s), want);
}

/* Bytes that come twice and differ: of two that came early the first counts; what then comes in order
 * counts over both; what was acknowledged is never changed. */
RIG_TEST(overlapping_segments_that_differ)
{
	char got[64];
	uint64_t before;
	size_t len;
	rig_open(r);
	put(r, HF_TCP_O_OUT_OF_ORDER, 5, "eeff");
	put(r, HF_TCP_O_OUT_OF_ORDER, 3, "XcXXXXgg"); /* around what is there */
	assert_int_equal(rig_stat(r, overlaps), 1);
	put(r, HF_TCP_O_OUT_OF_ORDER, 7, "YYYYhh"); /* behind it */
	assert_int_equal(rig_stat(r, overlaps), 2);
	put(r, HF_TCP_O_DATA, 1, "abZZZZ");
	put(r, HF_TCP_O_OLD, 1, "QQQQ");
	before = rig_stat(r, overlaps);
	assert_true(before > 2);
	rig_events(r);
	len = hf_tcp_rcv(r->t, r->conn)->len;
	assert_int_equal(len, 12);
	hf_chain_copy(hf_tcp_rcv(r->t, r->conn), 0, got, len, NULL);
	assert_memory_equal(got, "abZZZZffgghh", 12);
	put(r, HF_TCP_O_DATA, 8, "WWWWWii"); /* beside what was acknowledged */
	assert_int_equal(rig_stat(r, overlaps), before + 1);
	hf_chain_copy(hf_tcp_rcv(r->t, r->conn), 12, got, 2, NULL);
	assert_memory_equal(got, "ii", 2);
	while (rig_emit(r))
		;
}

RIG_TEST(options_that_cannot_be)
{
	IN(SYN_NEW, "S", OPTS(OPT_MSS, 3, 0, 1, 1)); /* length 0 */
	OUT("SA", .ack = 1);
	assert_int_equal(rig_stat(r, bad_options), 1);
	IN(OPENED, "A", .seq = 1, .ack = 1,
		OPTS(5, 11, 0, 0, 0, 1, 0, 0, 0, 9, 0, 1)); /* 1 block and a bit */
	assert_int_equal(rig_stat(r, bad_options), 2);
	rig_events(r);
	IN(DATA, "A", .seq = 1, .ack = 1, .len = 7, OPTS(8, 3, 1, 1));
	assert_int_equal(rig_stat(r, bad_options), 3);
	while (rig_emit(r))
		;
	assert_int_equal(rig_read(r, 99), 7);
}

/* SACK of what was never sent, windows at their ends, numbers half a circle away. */
RIG_TEST(claims_that_cannot_be)
{
	rig_open_sack(r, 10 * MS);
	rig_write(r, 3000);
	while (rig_emit(r))
		;
	IN(ACK, "A", .seq = 1, .ack = 1,
		OPTS(1, 1, 5, 10, 0xff, 0, 0, 0, 0xff, 0, 0, 9));                    /* far off */
	IN(ACK, "A", .seq = 1, .ack = 1, OPTS(1, 1, 5, 10, 0, 0, 0, 9, 0, 0, 0, 1)); /* backwards */
	IN(ACK, "A", .seq = 1, .ack = 1, .wnd = -1);
	IN(ACK, "A", .seq = 1, .ack = 1, .wnd = 1);
	IN(OUTSIDE, "A", .seq = 0x7fffffff, .ack = 1, .len = 1);
	IN(OLD, "A", .seq = 0x80000002, .ack = 1, .len = 1);
	while (rig_emit(r))
		;
	IN(ACK, "A", .seq = 1, .ack = 3001);
	assert_int_equal(hf_tcp_snd(r->t, r->conn)->len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(land_and_port_0),
		cmocka_unit_test(christmas_trees),
		cmocka_unit_test(syn_with_data),
		cmocka_unit_test(overlapping_segments_that_differ),
		cmocka_unit_test(options_that_cannot_be),
		cmocka_unit_test(claims_that_cannot_be),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
