/* Frames in, verdicts out: good ones field by field, then every header broken in every way it has. */
#include "lib/net/parse.h"
#include "tests/support/packet.h"
#include "tests/support/test.h"

enum { ETH = 0, IP = 14, L4 = 34 }; /* offsets without IP options */

static enum hf_net_verdict verdict_of(const struct packet *p)
{
	struct hf_packet out;
	return hf_net_parse(&p->frame, false, &out);
}

static void good(struct packet *p)
{
	packet_tcp(p, &(struct packet_spec){.payload = "hello", .payload_len = 5});
}

/* A SYN as Linux sends it, its checksums confirmed by tshark, so that the tests' own builder is not
 * the only witness. */
static void literal_syn(void **state)
{
	static uint8_t syn[] = {0x02, 0, 0, 0, 0, 0x01, 0x02, 0, 0, 0, 0, 0x02, 0x08, 0x00, /* */
		0x45, 0x00, 0x00, 0x3c, 0x1c, 0x46, 0x40, 0x00, 0x40, 0x06, 0x0a, 0x62, 0x0a, 0x09,
		0x00, 0x02, 0x0a, 0x09, 0x00, 0x01, /* */
		0xb2, 0x6e, 0x01, 0xbb, 0x11, 0x22, 0x33, 0x44, 0x00, 0x00, 0x00, 0x00, 0xa0, 0x02,
		0xfa, 0xf0, 0x3c, 0x65, 0x00, 0x00, 0x02, 0x04, 0x05, 0xb4, 0x04, 0x02, 0x08, 0x0a,
		0x01, 0x02, 0x03, 0x04, 0x00, 0x00, 0x00, 0x00, 0x01, 0x03, 0x03, 0x07};
	struct hf_frame f = {.data = syn, .len = sizeof(syn), .cap = sizeof(syn)};
	struct hf_packet p;
	struct hf_tcpopt opt;
	struct hf_addr src = hf_addr_v4(0x0a090002), dst = hf_addr_v4(0x0a090001);
	(void)state;
	assert_int_equal(hf_net_parse(&f, false, &p), HF_NET_OK);
	assert_int_equal(p.kind, HF_PACKET_TCP);
	assert_true(hf_addr_eq(&p.src, &src));
	assert_true(hf_addr_eq(&p.dst, &dst));
	assert_int_equal(p.sport, 45678);
	assert_int_equal(p.dport, 443);
	assert_int_equal(p.seq, 0x11223344);
	assert_int_equal(p.ack, 0);
	assert_int_equal(p.tcp_flags, HF_TCP_SYN);
	assert_int_equal(p.window, 64240);
	assert_int_equal(p.payload.len, 0);
	hf_tcpopt_parse(p.options, &opt);
	assert_false(opt.malformed);
	assert_int_equal(opt.mss, 1460);
	assert_true(opt.sack_permitted && opt.has_timestamps && opt.has_wscale);
	assert_int_equal(opt.ts_val, 0x01020304);
	assert_int_equal(opt.wscale, 7);
}

static void tcp_fields_and_payload(void **state)
{
	static const uint8_t ip_options[8] = {7, 7, 4, 1, 2, 3, 4, 0}; /* record route */
	static const uint8_t tcp_options[4] = {1, 1, 1, 0};
	struct packet p;
	struct hf_packet out;
	struct hf_flow_key k;
	(void)state;
	packet_tcp(&p, &(struct packet_spec){.src = 0xc0000201,
			       .dst = 0xc6336401,
			       .sport = 1,
			       .dport = 65535,
			       .seq = 0xfffffffe,
			       .ack = 0x80000001,
			       .tcp_flags = HF_TCP_ACK | HF_TCP_PSH | HF_TCP_ECE,
			       .window = 65535,
			       .ip_options = ip_options,
			       .ip_options_len = sizeof(ip_options),
			       .tcp_options = tcp_options,
			       .tcp_options_len = sizeof(tcp_options),
			       .payload = "odd",
			       .payload_len = 3});
	assert_int_equal(hf_net_parse(&p.frame, false, &out), HF_NET_OK);
	k = hf_packet_flow(&out);
	assert_memory_equal(k.src.b + 12, ((uint8_t[]){192, 0, 2, 1}), 4);
	assert_memory_equal(k.dst.b + 12, ((uint8_t[]){198, 51, 100, 1}), 4);
	assert_true(hf_addr_is_v4(&k.src) && hf_addr_is_v4(&k.dst));
	assert_int_equal(k.sport, 1);
	assert_int_equal(k.dport, 65535);
	assert_int_equal(out.seq, 0xfffffffe);
	assert_int_equal(out.ack, 0x80000001);
	assert_int_equal(out.tcp_flags, HF_TCP_ACK | HF_TCP_PSH | HF_TCP_ECE);
	assert_int_equal(out.window, 65535);
	assert_true(hf_span_eq(out.options, hf_span(tcp_options, 4)));
	assert_true(hf_span_eq(out.payload, hf_span("odd", 3)));
	assert_memory_equal(out.eth_src, packet_peer_mac, 6);
	assert_memory_equal(out.eth_dst, packet_our_mac, 6);
}

/* Ethernet fills short packets up: what lies behind the total length is not payload. */
static void padding_is_not_payload(void **state)
{
	struct packet p;
	struct hf_packet out;
	good(&p);
	(void)state;
	memset(p.bytes + p.frame.len, 0xee, 40);
	p.frame.len += 40;
	assert_int_equal(hf_net_parse(&p.frame, false, &out), HF_NET_OK);
	assert_true(hf_span_eq(out.payload, hf_span("hello", 5)));
}

/* A segment cut off at any byte: each header says so in its own words, none reads beyond. The bytes
 * are copied to the end of an allocation of exactly their length, where a sanitizer watches. */
static void truncated_at_every_length(void **state)
{
	struct packet p;
	good(&p);
	(void)state;
	for (uint32_t len = 0; len < p.frame.len; len++) {
		enum hf_net_verdict want = len < IP        ? HF_NET_ETH_SHORT
					   : len < IP + 20 ? HF_NET_IP_HEADER
							   : HF_NET_IP_LENGTH;
		uint8_t *copy = malloc(len ? len : 1);
		struct hf_frame f = {.data = copy, .len = len, .cap = len};
		struct hf_packet out;
		memcpy(copy, p.bytes, len);
		assert_int_equal(hf_net_parse(&f, false, &out), want);
		free(copy);
	}
}

/* The same when the IP header knows: total length shortened byte by byte. */
static void short_ip_payload_at_every_length(void **state)
{
	(void)state;
	for (unsigned tcp_len = 0; tcp_len < 20; tcp_len++) {
		struct packet p;
		good(&p);
		p.bytes[IP + 3] = (uint8_t)(20 + tcp_len);
		packet_fix_ip(&p);
		assert_int_equal(verdict_of(&p), HF_NET_TCP_HEADER);
	}
}

static void every_bit_flip_is_noticed(void **state)
{
	(void)state;
	for (unsigned bit = IP * 8; bit < (L4 + 25) * 8; bit++) {
		struct packet p;
		struct hf_packet out;
		enum hf_net_verdict v;
		good(&p);
		p.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		v = verdict_of(&p);
		assert_int_not_equal(v, HF_NET_OK);
		if (bit >= L4 * 8 && bit / 8 != L4 + 12)
			assert_int_equal(v, HF_NET_TCP_BAD_SUM);
		/* Believed when the device or the configuration says so, except in structure. */
		if (bit >= L4 * 8 && bit / 8 != L4 + 12) {
			assert_int_equal(hf_net_parse(&p.frame, true, &out), HF_NET_OK);
			p.frame.flags = HF_FRAME_CSUM_GOOD;
			assert_int_equal(hf_net_parse(&p.frame, false, &out), HF_NET_OK);
			p.frame.flags = HF_FRAME_CSUM_BAD;
			assert_int_equal(hf_net_parse(&p.frame, true, &out), HF_NET_TCP_BAD_SUM);
		}
	}
}

static void ip_checksum_by_flags(void **state)
{
	struct packet p;
	struct hf_packet out;
	good(&p);
	(void)state;
	p.bytes[IP + 8]--; /* TTL */
	assert_int_equal(verdict_of(&p), HF_NET_IP_BAD_SUM);
	assert_int_equal(hf_net_parse(&p.frame, true, &out), HF_NET_OK);
	p.frame.flags = HF_FRAME_CSUM_BAD;
	assert_int_equal(hf_net_parse(&p.frame, true, &out), HF_NET_IP_BAD_SUM);
}

/* One byte of a good frame changed; the IP checksum put right again. */
static void one_wrong_byte(void **state)
{
	static const struct {
		unsigned at;
		uint8_t value;
		enum hf_net_verdict want;
	} row[] = {
		{IP + 0, 0x55, HF_NET_IP_HEADER}, /* version 5 */
		{IP + 0, 0x65, HF_NET_IP_HEADER}, /* version 6 */
		{IP + 0, 0x44, HF_NET_IP_HEADER}, /* header of 16 bytes */
		{IP + 0, 0x40, HF_NET_IP_HEADER}, /* of none */
		{IP + 0, 0x4f, HF_NET_IP_HEADER}, /* of 60, beyond the frame */
		{IP + 2, 0x01, HF_NET_IP_LENGTH}, /* total length beyond the frame */
		{IP + 3, 46, HF_NET_IP_LENGTH},   /* by one byte */
		{IP + 3, 19, HF_NET_IP_LENGTH},   /* below the header */
		{IP + 3, 0, HF_NET_IP_LENGTH},
		{IP + 6, 0x20, HF_NET_IP_FRAGMENT}, /* more fragments */
		{IP + 6, 0x01, HF_NET_IP_FRAGMENT}, /* offset, high bits */
		{IP + 7, 0x01, HF_NET_IP_FRAGMENT}, /* offset, low bits */
		{IP + 6, 0x80, HF_NET_OK},          /* the reserved bit is not ours to judge */
		{IP + 9, 17, HF_NET_IP_PROTOCOL},   /* UDP */
		{IP + 9, 58, HF_NET_IP_PROTOCOL},
		{IP + 12, 0, HF_NET_IP_SOURCE}, /* 0.0.0.2 */
		{IP + 12, 127, HF_NET_IP_SOURCE},
		{IP + 12, 224, HF_NET_IP_SOURCE},
		{IP + 12, 255, HF_NET_IP_SOURCE},
		{L4 + 12, 0x40, HF_NET_TCP_HEADER}, /* data offset below 20 bytes */
		{L4 + 12, 0x00, HF_NET_TCP_HEADER},
		{L4 + 12, 0x70, HF_NET_TCP_HEADER}, /* beyond the segment */
		{L4 + 12, 0xf0, HF_NET_TCP_HEADER},
		{ETH + 6, 0x03, HF_NET_ETH_SOURCE}, /* a group as sender */
		{ETH + 12, 0x86, HF_NET_ETHERTYPE},
		{ETH + 13, 0x01, HF_NET_ETHERTYPE},
	};
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(row); i++) {
		struct packet p;
		good(&p);
		p.bytes[row[i].at] = row[i].value;
		if (row[i].at > IP && row[i].at < L4)
			packet_fix_ip(&p);
		assert_int_equal(verdict_of(&p), row[i].want);
	}
}

static void ethernet_types(void **state)
{
	static const struct {
		uint8_t type[2];
		enum hf_net_verdict want;
	} row[] = {
		{{0x86, 0xdd}, HF_NET_IP_HEADER}, {{0x88, 0xa8}, HF_NET_VLAN},
		{{0x00, 0x26}, HF_NET_ETHERTYPE}, /* an 802.3 length */
		{{0x88, 0xcc}, HF_NET_ETHERTYPE}, /* LLDP */
	};
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(row); i++) {
		struct packet p;
		good(&p);
		memcpy(p.bytes + 12, row[i].type, 2);
		assert_int_equal(verdict_of(&p), row[i].want);
	}
	struct packet p;
	good(&p);
	memset(p.bytes + 6, 0, 6);
	assert_int_equal(verdict_of(&p), HF_NET_ETH_SOURCE);
}

/* RFC 1191: what is quoted counts, whoever sent the message. */
static void too_big_messages(void **state)
{
	struct packet p;
	struct hf_packet out;
	struct packet_spec s = {.sport = 443, .dport = 555, .seq = 0x12345678};
	struct hf_addr us = hf_addr_v4(PACKET_OUR_IP), peer = hf_addr_v4(PACKET_PEER_IP);
	(void)state;
	packet_too_big(&p, 1280, &s);
	assert_int_equal(hf_net_parse(&p.frame, false, &out), HF_NET_OK);
	assert_int_equal(out.kind, HF_PACKET_TOO_BIG);
	assert_true(hf_addr_eq(&out.src, &peer) && hf_addr_eq(&out.dst, &us));
	assert_int_equal(out.sport, 555);
	assert_int_equal(out.dport, 443);
	assert_int_equal(out.seq, 0x12345678);
	assert_int_equal(out.mtu, 1280);
	p.bytes[L4 + 20] ^= 1; /* a bit of the quote: the sum is of all */
	assert_int_equal(hf_net_parse(&p.frame, true, &out), HF_NET_ICMP_BAD_SUM);
}

/* Bytes of the quote that make it something else; the checksum is put right. */
static void quotes_that_are_not_ours(void **state)
{
	static const struct {
		uint32_t at;
		uint8_t byte;
	} cases[] = {
		{8, 0x65},  /* another version */
		{8, 0x44},  /* a header too short */
		{8, 0x46},  /* a header that leaves no room for what is behind */
		{15, 1},    /* a fragment that is not the first */
		{17, 17},   /* UDP */
		{23, 0x99}, /* sent from elsewhere */
	};
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(cases); i++) {
		struct packet p;
		struct hf_packet out;
		uint16_t sum;
		packet_too_big(&p, 1280, &(struct packet_spec){.seq = 1});
		p.bytes[L4 + cases[i].at] = cases[i].byte;
		p.bytes[L4 + 2] = p.bytes[L4 + 3] = 0;
		sum = (uint16_t)~packet_csum(0, p.bytes + L4, 36);
		p.bytes[L4 + 2] = (uint8_t)(sum >> 8);
		p.bytes[L4 + 3] = (uint8_t)sum;
		assert_int_equal(hf_net_parse(&p.frame, false, &out), HF_NET_ICMP_QUOTE);
	}
}

static void echo_requests(void **state)
{
	struct packet p;
	struct hf_packet out;
	struct packet_spec s = {.payload = "\x12\x34\x00\x01ping!", .payload_len = 9};
	(void)state;
	packet_echo(&p, &s);
	assert_int_equal(hf_net_parse(&p.frame, false, &out), HF_NET_OK);
	assert_int_equal(out.kind, HF_PACKET_ECHO);
	assert_true(hf_span_eq(out.payload, hf_span(s.payload, s.payload_len)));
	/* No device verifies ICMP: trust does not reach it. */
	p.bytes[L4 + 6] ^= 1;
	p.frame.flags = HF_FRAME_CSUM_GOOD;
	assert_int_equal(hf_net_parse(&p.frame, true, &out), HF_NET_ICMP_BAD_SUM);
	/* Types and codes that are none of our business; checksum adjusted by hand. */
	packet_echo(&p, &s);
	p.bytes[L4] = 0; /* reply: 0x0800 less, so the checksum grows by 0x0800 */
	p.bytes[L4 + 2] = (uint8_t)(p.bytes[L4 + 2] + 8);
	assert_int_equal(verdict_of(&p), HF_NET_ICMP_IGNORED);
	packet_echo(&p, &s);
	p.bytes[L4 + 1] = 1; /* code 1 */
	p.bytes[L4 + 3]--;
	assert_int_equal(verdict_of(&p), HF_NET_ICMP_IGNORED);
	/* Without identifier and sequence number it is no echo. */
	for (size_t len = 0; len < 4; len++) {
		packet_echo(&p, &(struct packet_spec){.payload = "abc", .payload_len = len});
		assert_int_equal(verdict_of(&p), HF_NET_ICMP_BAD_SUM);
	}
}

static void arp_fields(void **state)
{
	struct packet p;
	struct hf_packet out;
	struct hf_addr sender = hf_addr_v4(PACKET_PEER_IP), target = hf_addr_v4(PACKET_OUR_IP);
	(void)state;
	packet_arp(
		&p, 1, (const uint8_t *)"\xff\xff\xff\xff\xff\xff", PACKET_PEER_IP, PACKET_OUR_IP);
	p.bytes[IP + 13] = 9; /* the body's sender is not the frame's */
	assert_int_equal(hf_net_parse(&p.frame, false, &out), HF_NET_OK);
	assert_int_equal(out.kind, HF_PACKET_ARP);
	assert_int_equal(out.neigh_op, HF_NEIGH_ASKS);
	assert_int_equal(out.eth_src[5], 9);
	assert_int_equal(out.eth_dst[0], 0xff);
	assert_true(hf_addr_eq(&out.src, &sender));
	assert_true(hf_addr_eq(&out.dst, &target));
	for (uint32_t len = IP; len < IP + 28; len++) {
		p.frame.len = len;
		assert_int_equal(verdict_of(&p), HF_NET_ARP_MALFORMED);
	}
	for (unsigned at = 0; at < 6; at++) { /* hardware, protocol and their lengths */
		packet_arp(&p, 1, packet_our_mac, PACKET_PEER_IP, PACKET_OUR_IP);
		p.bytes[IP + at] ^= 0x10;
		assert_int_equal(verdict_of(&p), HF_NET_ARP_MALFORMED);
	}
	packet_arp(&p, 1, packet_our_mac, PACKET_PEER_IP, PACKET_OUR_IP);
	p.bytes[IP + 8] = 0xff; /* a group as sender */
	assert_int_equal(verdict_of(&p), HF_NET_ARP_MALFORMED);
}

static void names_and_rows_cover_all_outcomes(void **state)
{
	(void)state;
	assert_string_equal(hf_net_verdict_name(HF_NET_OK), "ok");
	assert_string_equal(hf_net_verdict_name(HF_NET_TCP_BAD_SUM), "tcp_bad_sum");
	assert_string_equal(hf_net_verdict_name(HF_NET_VERDICT_CNT), "?");
	for (unsigned v = 1; v < HF_NET_VERDICT_CNT; v++) {
		const char *name = hf_net_verdict_name((enum hf_net_verdict)v);
		size_t off = offsetof(struct hf_net_stats, outcome) + v * sizeof(uint64_t);
		unsigned found = 0;
		for (uint32_t i = 0; i < hf_net_stat_table.row_cnt; i++)
			if (hf_net_stat_table.row[i].off == off) {
				assert_string_equal(hf_net_stat_table.row[i].name, name);
				found++;
			}
		assert_int_equal(found, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literal_syn),
		cmocka_unit_test(tcp_fields_and_payload),
		cmocka_unit_test(padding_is_not_payload),
		cmocka_unit_test(truncated_at_every_length),
		cmocka_unit_test(short_ip_payload_at_every_length),
		cmocka_unit_test(every_bit_flip_is_noticed),
		cmocka_unit_test(ip_checksum_by_flags),
		cmocka_unit_test(one_wrong_byte),
		cmocka_unit_test(ethernet_types),
		cmocka_unit_test(too_big_messages),
		cmocka_unit_test(quotes_that_are_not_ours),
		cmocka_unit_test(echo_requests),
		cmocka_unit_test(arp_fields),
		cmocka_unit_test(names_and_rows_cover_all_outcomes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
