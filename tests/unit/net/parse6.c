/* IPv6, neighbour discovery, ICMPv6 and VLAN tags: good frames field by field, then each broken in every
 * way it has. */
#include "lib/net/parse.h"
#include "tests/support/packet.h"
#include "tests/support/test.h"

enum { IP = 14, L4 = 54 }; /* offsets without tag and extension headers */

static const uint8_t group_of_us[16] = {0xff, 2, [11] = 1, 0xff, 0, 0, 1};
static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
static const uint8_t nobody[16];
static const uint8_t source_mac[8] = {1, 1, 2, 0, 0, 0, 0, 9},
		     target_mac[8] = {2, 1, 2, 0, 0, 0, 0, 9};

static enum hf_net_verdict verdict_of(const struct packet *p)
{
	struct hf_packet out;
	return hf_net_parse(&p->frame, false, &out);
}

static void good(struct packet *p)
{
	packet_tcp(p, &(struct packet_spec){.v6 = true, .payload = "hello", .payload_len = 5});
}

/* A solicitation as Linux sends it, its checksum confirmed by tshark: the tests' own builder is not
 * the only witness. */
static void literal_solicitation(void **state)
{
	static uint8_t bytes[] = {0x33, 0x33, 0xff, 0x00, 0x00, 0x01, 0x02, 0, 0, 0, 0, 0x02, 0x86,
		0xdd, /* */
		0x60, 0, 0, 0, 0, 0x20, 0x3a, 0xff, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0x02, 0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff, 0, 0, 0x01, /* */
		0x87, 0, 0x7d, 0x97, 0, 0, 0, 0, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0x01, 0x01, 0x01, 0x02, 0, 0, 0, 0, 0x02};
	struct hf_frame f = {.data = bytes, .len = sizeof(bytes), .cap = sizeof(bytes)};
	struct hf_packet p;
	(void)state;
	assert_int_equal(hf_net_parse(&f, true, &p), HF_NET_OK);
	assert_int_equal(p.kind, HF_PACKET_ND);
	assert_int_equal(p.neigh_op, HF_NEIGH_ASKS);
	assert_memory_equal(p.src.b, packet_peer_ip6, 16);
	assert_memory_equal(p.dst.b, packet_our_ip6, 16);
	assert_memory_equal(p.eth_src, packet_peer_mac, 6);
}

static void tcp_fields_and_payload(void **state)
{
	struct packet p;
	struct hf_packet out;
	struct packet_spec s = {
		.v6 = true, .sport = 1, .dport = 65535, .seq = 0xfffffffe, .ack = 7};
	(void)state;
	s.payload = "odd";
	s.payload_len = 3;
	packet_tcp(&p, &s);
	memset(p.bytes + p.frame.len, 0xee, 9); /* Ethernet's padding is not payload */
	p.frame.len += 9;
	assert_int_equal(hf_net_parse(&p.frame, false, &out), HF_NET_OK);
	assert_int_equal(out.kind, HF_PACKET_TCP);
	assert_memory_equal(out.src.b, packet_peer_ip6, 16);
	assert_memory_equal(out.dst.b, packet_our_ip6, 16);
	assert_int_equal(out.sport, 1);
	assert_int_equal(out.dport, 65535);
	assert_int_equal(out.seq, 0xfffffffe);
	assert_true(hf_span_eq(out.payload, hf_span("odd", 3)));
	assert_int_equal(out.vlan, 0);
}

/* Copied to the end of an allocation of exactly their length, where a sanitizer watches. */
static void truncated_at_every_length(void **state)
{
	static const uint8_t headers[24] = {60, 0, 1, 4, 0, 0, 0, 0, 44, 0, 5, 2, 0, 0, 1, 0, 6};
	struct packet_spec s = {.v6 = true, .ip_options = headers, .ip_options_len = 24, .vlan = 7};
	struct packet p;
	(void)state;
	packet_tcp(&p, &s);
	assert_int_equal(verdict_of(&p), HF_NET_OK);
	for (uint32_t len = 0; len < p.frame.len; len++) {
		enum hf_net_verdict want = len < 18        ? HF_NET_ETH_SHORT
					   : len < 18 + 40 ? HF_NET_IP_HEADER
							   : HF_NET_IP_LENGTH;
		uint8_t *copy = malloc(len ? len : 1);
		struct hf_frame f = {.data = copy, .len = len, .cap = len};
		struct hf_packet out;
		memcpy(copy, p.bytes, len);
		assert_int_equal(hf_net_parse(&f, false, &out), want);
		if (len >= 18 + 40) { /* the same when the IP header knows */
			copy[18 + 5] = (uint8_t)(len - 58);
			want = len < 18 + 64 ? HF_NET_IP_HEADER : HF_NET_TCP_HEADER;
			assert_int_equal(hf_net_parse(&f, false, &out), want);
		}
		free(copy);
	}
}

/* No checksum covers version, class, label, length, next header and hop limit. */
static void every_bit_flip_of_addresses_and_tcp_is_noticed(void **state)
{
	(void)state;
	for (unsigned bit = (IP + 8) * 8; bit < (L4 + 25) * 8; bit++) {
		struct packet p;
		struct hf_packet out;
		good(&p);
		p.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_not_equal(verdict_of(&p), HF_NET_OK);
		if (bit < L4 * 8 || bit / 8 == L4 + 12)
			continue;
		assert_int_equal(verdict_of(&p), HF_NET_TCP_BAD_SUM);
		p.frame.flags = HF_FRAME_CSUM_GOOD;
		assert_int_equal(hf_net_parse(&p.frame, false, &out), HF_NET_OK);
		p.frame.flags = HF_FRAME_CSUM_BAD;
		assert_int_equal(hf_net_parse(&p.frame, true, &out), HF_NET_TCP_BAD_SUM);
	}
}

static void one_wrong_byte(void **state)
{
	static const struct {
		unsigned at;
		uint8_t value;
		enum hf_net_verdict want;
	} row[] = {
		{IP + 0, 0x45, HF_NET_IP_HEADER}, {IP + 0, 0x70, HF_NET_IP_HEADER},
		{IP + 4, 0x01, HF_NET_IP_LENGTH}, {IP + 5, 26, HF_NET_IP_LENGTH}, /* by one byte */
		{IP + 5, 0, HF_NET_TCP_HEADER}, {IP + 6, 17, HF_NET_IP_PROTOCOL},
		{IP + 6, 1, HF_NET_IP_PROTOCOL},  /* IPv4's ICMP */
		{IP + 6, 50, HF_NET_IP_PROTOCOL}, /* ESP */
		{IP + 6, 51, HF_NET_IP_PROTOCOL}, /* AH */
		{IP + 6, 59, HF_NET_IP_PROTOCOL}, /* no next header */
		{IP + 8, 0xff, HF_NET_IP_SOURCE}, /* a group */
	};
	struct packet p;
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(row); i++) {
		good(&p);
		p.bytes[row[i].at] = row[i].value;
		assert_int_equal(verdict_of(&p), row[i].want);
	}
}

/* Addresses are kept as IPv6's, with IPv4's mapped: nobody may come over IPv6 in IPv4's name. */
static void sources_that_nobody_has(void **state)
{
	static const uint8_t loopback[16] = {[15] = 1};
	static const uint8_t mapped[16] = {[10] = 0xff, 0xff, 10, 0, 0, 2};
	static const uint8_t mapped_us[16] = {[10] = 0xff, 0xff, 10, 0, 0, 1};
	const uint8_t *const bad[] = {nobody, loopback, mapped, all_nodes};
	struct packet p;
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(bad); i++) {
		packet_tcp(&p, &(struct packet_spec){.v6 = true, .src6 = bad[i]});
		assert_int_equal(verdict_of(&p), HF_NET_IP_SOURCE);
		packet_echo(&p,
			&(struct packet_spec){
				.v6 = true, .src6 = bad[i], .payload = "abcd", .payload_len = 4});
		assert_int_equal(verdict_of(&p), HF_NET_IP_SOURCE);
	}
	packet_tcp(&p, &(struct packet_spec){.v6 = true, .dst6 = mapped_us});
	assert_int_equal(verdict_of(&p), HF_NET_NOT_OUR_ADDR);
}

/* RFC 8200 4: what may be stepped over, and what not. */
static void extension_headers(void **state)
{
	static const struct {
		const char *name;
		uint8_t first, len, bytes[80];
		enum hf_net_verdict want;
	} row[] = {
		{"hop-by-hop, padded", 0, 8, {6, 0, 1, 4}, HF_NET_OK},
		{"hop-by-hop, router alert", 0, 8, {6, 0, 5, 2, 0, 0, 1, 0}, HF_NET_OK},
		{"option to be skipped", 60, 8, {6, 0, 0x1e, 4, 1, 2, 3, 4}, HF_NET_OK},
		{"option that may change", 60, 8, {6, 0, 0x3e, 4, 1, 2, 3, 4}, HF_NET_OK},
		{"option to drop for, 01", 60, 8, {6, 0, 0x5e, 4}, HF_NET_IP_EXTENSION},
		{"option to drop for, 10", 60, 8, {6, 0, 0x9e, 4}, HF_NET_IP_EXTENSION},
		{"jumbogram, 11", 0, 8, {6, 0, 0xc2, 4, 0, 1, 0, 0}, HF_NET_IP_EXTENSION},
		{"option beyond its header", 60, 8, {6, 0, 0x1e, 5}, HF_NET_IP_EXTENSION},
		{"option without length", 60, 8, {6, 0, 0, 0, 0, 0, 0, 1}, HF_NET_IP_EXTENSION},
		{"all one-byte padding", 60, 8, {6}, HF_NET_OK},
		{"header of two units", 60, 16, {6, 1, 1, 12}, HF_NET_OK},
		{"header beyond the packet", 60, 8, {6, 200, 1, 4}, HF_NET_IP_HEADER},
		{"routing, at its end", 43, 8, {6, 0, 4, 0}, HF_NET_OK},
		{"routing, to go on", 43, 8, {6, 0, 0, 1}, HF_NET_IP_EXTENSION},
		{"hop-by-hop, options, routing", 0, 24,
			{60, 0, 1, 4, 0, 0, 0, 0, 43, 0, 1, 4, 0, 0, 0, 0, 6, 0, 4, 0}, HF_NET_OK},
		{"hop-by-hop not first", 60, 16, {0, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4},
			HF_NET_IP_EXTENSION},
		{"hop-by-hop twice", 0, 16, {0, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4},
			HF_NET_IP_EXTENSION},
		{"fragment, first", 44, 8, {6, 0, 0, 1}, HF_NET_IP_FRAGMENT},
		{"fragment, last", 44, 8, {6, 0, 1, 0}, HF_NET_IP_FRAGMENT},
		{"fragment, at 8", 44, 8, {6, 0, 0, 8}, HF_NET_IP_FRAGMENT},
		{"whole, with the header (RFC 6946)", 44, 8, {6, 0xff, 0, 6, 1, 2, 3, 4},
			HF_NET_OK},
		{"mobility", 135, 8, {6}, HF_NET_IP_PROTOCOL},
		{"eight of them", 60, 64,
			{60, 0, 1, 4, 0, 0, 0, 0, 60, 0, 1, 4, 0, 0, 0, 0, 60, 0, 1, 4, 0, 0, 0, 0,
				60, 0, 1, 4, 0, 0, 0, 0, 60, 0, 1, 4, 0, 0, 0, 0, 60, 0, 1, 4, 0, 0,
				0, 0, 60, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4},
			HF_NET_OK},
		{"nine", 60, 72,
			{60, 0, 1, 4, 0, 0, 0, 0, 60, 0, 1, 4, 0, 0, 0, 0, 60, 0, 1, 4, 0, 0, 0, 0,
				60, 0, 1, 4, 0, 0, 0, 0, 60, 0, 1, 4, 0, 0, 0, 0, 60, 0, 1, 4, 0, 0,
				0, 0, 60, 0, 1, 4, 0, 0, 0, 0, 60, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4},
			HF_NET_IP_EXTENSION},
	};
	struct packet p;
	struct hf_packet out;
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(row); i++) {
		struct packet_spec s = {.v6 = true,
			.ip_next = row[i].first,
			.ip_options = row[i].bytes,
			.ip_options_len = row[i].len,
			.payload = "hello",
			.payload_len = 5};
		enum hf_net_verdict v;
		packet_tcp(&p, &s);
		v = hf_net_parse(&p.frame, false, &out);
		if (v != row[i].want)
			fail_msg("%s: %s", row[i].name, hf_net_verdict_name(v));
		if (v == HF_NET_OK)
			assert_true(hf_span_eq(out.payload, hf_span("hello", 5)));
	}
}

static void echo_requests(void **state)
{
	struct packet p;
	struct hf_packet out;
	struct packet_spec s = {.v6 = true, .payload = "\x12\x34\x00\x01ping!", .payload_len = 9};
	(void)state;
	packet_echo(&p, &s);
	assert_int_equal(hf_net_parse(&p.frame, false, &out), HF_NET_OK);
	assert_int_equal(out.kind, HF_PACKET_ECHO);
	assert_true(hf_span_eq(out.payload, hf_span(s.payload, s.payload_len)));
	p.bytes[L4 + 6] ^= 1; /* no device verifies ICMP: trust does not reach it */
	p.frame.flags = HF_FRAME_CSUM_GOOD;
	assert_int_equal(hf_net_parse(&p.frame, true, &out), HF_NET_ICMP_BAD_SUM);
	packet_echo(&p, &s);
	p.bytes[IP + 23] ^= 1; /* the pseudo header counts */
	assert_int_equal(verdict_of(&p), HF_NET_ICMP_BAD_SUM);
	for (unsigned type = 0; type < 256; type++) {
		packet_icmp(&p, type, 0, &s);
		if (type < 1 || type > 4)
			assert_int_equal(verdict_of(&p), type == 128   ? HF_NET_OK
							 : type == 135 ? HF_NET_ND_MALFORMED
							 : type == 136 ? HF_NET_ND_MALFORMED
								       : HF_NET_ICMP_IGNORED);
	}
	packet_icmp(&p, 128, 1, &s);
	assert_int_equal(verdict_of(&p), HF_NET_ICMP_IGNORED);
	for (size_t len = 0; len < 4; len++) {
		s.payload_len = len;
		packet_echo(&p, &s);
		assert_int_equal(verdict_of(&p), HF_NET_ICMP_BAD_SUM);
	}
}

/* ---- errors about segments of ours ---- */
static void quotes(void **state)
{
	static const struct {
		bool v6;
		uint8_t type, code;
		enum hf_packet_kind kind;
	} row[] = {
		{false, 3, 4, HF_PACKET_TOO_BIG},
		{true, 2, 0, HF_PACKET_TOO_BIG},
		{true, 2, 9, HF_PACKET_TOO_BIG}, /* RFC 4443 3.2: the code is ignored */
		{false, 3, 3, HF_PACKET_ICMP_ERROR},
		{false, 11, 0, HF_PACKET_ICMP_ERROR},
		{false, 12, 0, HF_PACKET_ICMP_ERROR},
		{true, 1, 4, HF_PACKET_ICMP_ERROR},
		{true, 3, 0, HF_PACKET_ICMP_ERROR},
		{true, 4, 2, HF_PACKET_ICMP_ERROR},
	};
	struct packet p;
	struct hf_packet out;
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(row); i++) {
		struct packet_spec s = {.v6 = row[i].v6, .dport = 555, .seq = 0x12345678};
		uint32_t whole;
		packet_quote(&p, row[i].type, row[i].code, 1300, &s);
		assert_int_equal(hf_net_parse(&p.frame, false, &out), HF_NET_OK);
		assert_int_equal(out.kind, row[i].kind);
		assert_int_equal(hf_addr_is_v4(&out.src), !row[i].v6);
		assert_int_equal(out.sport, 555);
		assert_int_equal(out.dport, 443);
		assert_int_equal(out.seq, 0x12345678);
		assert_int_equal(out.mtu, row[i].kind == HF_PACKET_TOO_BIG ? 1300 : 0);
		if (!row[i].v6)
			continue;
		assert_memory_equal(out.src.b, packet_peer_ip6, 16);
		assert_memory_equal(out.dst.b, packet_our_ip6, 16);
		whole = p.frame.len; /* cut off at each length, with a good sum */
		for (p.frame.len = L4 + 8; p.frame.len < whole; p.frame.len++) {
			p.bytes[IP + 5] = (uint8_t)(p.frame.len - L4);
			packet_fix_icmp6(&p);
			assert_int_equal(verdict_of(&p), HF_NET_ICMP_QUOTE);
		}
	}
	packet_too_big(&p, 0x10500, &(struct packet_spec){.v6 = true}); /* beyond what is 16 bits */
	assert_int_equal(hf_net_parse(&p.frame, false, &out), HF_NET_OK);
	assert_int_equal(out.mtu, 65535);
}

static void quotes_that_are_not_ours(void **state)
{
	static const struct {
		uint32_t at;
		uint8_t byte;
	} cases[] = {
		{8, 0x45},  /* another version */
		{14, 17},   /* UDP */
		{14, 44},   /* a fragment */
		{31, 0x99}, /* sent from elsewhere */
	};
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(cases); i++) {
		struct packet p;
		packet_too_big(&p, 1280, &(struct packet_spec){.v6 = true, .seq = 1});
		p.bytes[L4 + cases[i].at] = cases[i].byte;
		packet_fix_icmp6(&p);
		assert_int_equal(verdict_of(&p), HF_NET_ICMP_QUOTE);
	}
}

/* ---- neighbour discovery (RFC 4861 7.1) ---- */
static void neighbours(void **state)
{
	static const uint8_t other_options[16] = {14, 1, 1, 2, 3, 4, 5, 6, 1, 1, 2, 0, 0, 0, 0, 9};
	static const uint8_t zero_len[8] = {1, 0, 2, 0, 0, 0, 0, 9}, too_long[8] = {1, 2};
	static const uint8_t group_mac[8] = {1, 1, 3, 0, 0, 0, 0, 9};
	static const uint8_t two_units[16] = {1, 2, 2, 0, 0, 0, 0, 9};
	const enum hf_net_verdict bad = HF_NET_ND_MALFORMED;
	const uint8_t *us = packet_our_ip6;
	const struct {
		const char *name;
		struct packet_nd nd;
		enum hf_net_verdict want;
		uint8_t mac; /* its last byte */
	} row[] = {
		{"asks", {.type = 135, .target = us, .options = source_mac, .options_len = 8},
			HF_NET_OK, 9},
		{"asks, other options",
			{.type = 135, .target = us, .options = other_options, .options_len = 16},
			HF_NET_OK, 9},
		{"asks, without options", {.type = 135, .target = us}, HF_NET_OK, 2},
		{"asks the group", {.type = 135, .target = us, .dst = group_of_us}, HF_NET_OK, 2},
		{"is it free?", {.type = 135, .target = us, .src = nobody, .dst = group_of_us},
			HF_NET_OK, 2},
		{"tells",
			{.type = 136,
				.flags = 0x60000000,
				.target = packet_peer_ip6,
				.options = target_mac,
				.options_len = 8},
			HF_NET_OK, 9},
		{"tells all",
			{.type = 136,
				.flags = 0x20000000,
				.target = packet_peer_ip6,
				.dst = all_nodes},
			HF_NET_OK, 2},
		{"from afar", {.type = 135, .target = us, .hops = 254}, bad, 0},
		{"tells from afar", {.type = 136, .target = us, .hops = 254}, bad, 0},
		{"asks for a group", {.type = 135, .target = group_of_us}, bad, 0},
		{"tells of a group", {.type = 136, .target = group_of_us}, bad, 0},
		{"free, to one", {.type = 135, .target = us, .src = nobody}, bad, 0},
		{"free, to all", {.type = 135, .target = us, .src = nobody, .dst = all_nodes}, bad,
			0},
		{"free, with an address",
			{.type = 135,
				.target = us,
				.src = nobody,
				.dst = group_of_us,
				.options = source_mac,
				.options_len = 8},
			bad, 0},
		{"told by nobody", {.type = 136, .target = us, .src = nobody}, bad, 0},
		{"all asked", {.type = 136, .flags = 0x40000000, .target = us, .dst = all_nodes},
			bad, 0},
		{"option of no length",
			{.type = 135, .target = us, .options = zero_len, .options_len = 8}, bad, 0},
		{"option too long",
			{.type = 135, .target = us, .options = too_long, .options_len = 8}, bad, 0},
		{"option cut off",
			{.type = 135, .target = us, .options = source_mac, .options_len = 7}, bad,
			0},
		{"option of one byte",
			{.type = 135, .target = us, .options = source_mac, .options_len = 1}, bad,
			0},
		{"a group's MAC",
			{.type = 135, .target = us, .options = group_mac, .options_len = 8}, bad,
			0},
		{"MAC of another size",
			{.type = 135, .target = us, .options = two_units, .options_len = 16}, bad,
			0},
	};
	struct packet p;
	struct hf_packet out;
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(row); i++) {
		enum hf_net_verdict v;
		packet_nd(&p, &row[i].nd);
		v = hf_net_parse(&p.frame, true, &out);
		if (v != row[i].want)
			fail_msg("%s: %s", row[i].name, hf_net_verdict_name(v));
		if (v != HF_NET_OK)
			continue;
		assert_int_equal(out.kind, HF_PACKET_ND);
		assert_int_equal(
			out.neigh_op, row[i].nd.type == 135 ? HF_NEIGH_ASKS : HF_NEIGH_TELLS);
		assert_memory_equal(
			row[i].nd.type == 135 ? out.dst.b : out.src.b, row[i].nd.target, 16);
		assert_int_equal(out.eth_src[5], row[i].mac);
		assert_int_equal(out.neigh_weak, row[i].nd.type == 136 && !(row[i].nd.flags >> 29));
	}
	packet_nd(&p, &row[0].nd);
	p.bytes[L4 + 1] = 1; /* the code */
	packet_fix_icmp6(&p);
	assert_int_equal(verdict_of(&p), bad);
	for (uint32_t len = 8; len < 24; len++) { /* cut off within the target */
		packet_nd(&p, &(struct packet_nd){.type = 135, .target = us});
		p.bytes[IP + 5] = (uint8_t)len;
		p.frame.len = L4 + len;
		packet_fix_icmp6(&p);
		assert_int_equal(verdict_of(&p), bad);
	}
}

/* RFC 6980: not even in a fragment that is all of it. */
static void neighbours_never_come_in_pieces(void **state)
{
	static const uint8_t atomic[8] = {58}, options[8] = {58, 0, 1, 4};
	uint8_t body[20] = {0};
	struct packet_spec s = {.v6 = true, .hops = 255, .ip_next = 44, .ip_options = atomic};
	struct packet p;
	(void)state;
	memcpy(body + 4, packet_our_ip6, 16);
	s.ip_options_len = 8;
	s.payload = body;
	s.payload_len = 20;
	packet_icmp(&p, 135, 0, &s);
	assert_int_equal(verdict_of(&p), HF_NET_ND_MALFORMED);
	s.ip_next = 60;
	s.ip_options = options;
	packet_icmp(&p, 135, 0, &s);
	assert_int_equal(verdict_of(&p), HF_NET_OK);
}

/* ---- VLAN tags (IEEE 802.1Q) ---- */
static void vlan_tags(void **state)
{
	struct packet p;
	struct hf_packet out;
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct packet_spec s = {
			.v6 = v6, .vlan = 0xafff, .payload = "hello", .payload_len = 5};
		packet_tcp(&p, &s); /* priority 5 */
		assert_int_equal(hf_net_parse(&p.frame, false, &out), HF_NET_OK);
		assert_int_equal(out.vlan, 0xfff);
		assert_true(hf_span_eq(out.payload, hf_span("hello", 5)));
		s.vlan = 0xe000; /* priority alone */
		packet_tcp(&p, &s);
		assert_int_equal(hf_net_parse(&p.frame, false, &out), HF_NET_OK);
		assert_int_equal(out.vlan, 0);
	}
	p.bytes[16] = 0x81; /* a tag within the tag */
	p.bytes[17] = 0x00;
	assert_int_equal(verdict_of(&p), HF_NET_VLAN);
	p.bytes[16] = 0x88;
	p.bytes[17] = 0xa8;
	assert_int_equal(verdict_of(&p), HF_NET_VLAN);
	p.frame.len = 17;
	assert_int_equal(verdict_of(&p), HF_NET_ETH_SHORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literal_solicitation),
		cmocka_unit_test(tcp_fields_and_payload),
		cmocka_unit_test(truncated_at_every_length),
		cmocka_unit_test(every_bit_flip_of_addresses_and_tcp_is_noticed),
		cmocka_unit_test(one_wrong_byte),
		cmocka_unit_test(sources_that_nobody_has),
		cmocka_unit_test(extension_headers),
		cmocka_unit_test(echo_requests),
		cmocka_unit_test(quotes),
		cmocka_unit_test(quotes_that_are_not_ours),
		cmocka_unit_test(neighbours),
		cmocka_unit_test(neighbours_never_come_in_pieces),
		cmocka_unit_test(vlan_tags),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
