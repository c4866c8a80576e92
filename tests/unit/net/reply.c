/* What we answer, byte by byte, and what we leave unanswered. */
#include "lib/net/reply.h"
#include "tests/support/packet.h"
#include "tests/support/test.h"

static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

struct fixture {
	struct hf_net_addr addr[2];
	struct hf_net_host host;
	struct packet in;
	uint8_t out_bytes[1600];
	struct hf_frame out;
};

static int setup(void **state)
{
	static struct fixture f;
	f = (struct fixture){
		.addr = {{.ip = hf_addr_v4(PACKET_OUR_IP)}, {.ip = hf_addr_v4(0x0a000009)}}};
	f.host = (struct hf_net_host){.mtu = 1500, .addr = f.addr, .addr_cnt = 2};
	memcpy(f.host.mac, packet_our_mac, 6);
	memset(f.out_bytes, 0xee, sizeof(f.out_bytes));
	f.out = (struct hf_frame){.data = f.out_bytes, .cap = sizeof(f.out_bytes)};
	*state = &f;
	return 0;
}

/* The three doors, as a worker goes through them. */
static enum hf_net_verdict through(struct fixture *f, struct hf_frame *out)
{
	struct hf_packet p;
	enum hf_net_verdict v = hf_net_parse(&f->in.frame, false, &p);
	if (v == HF_NET_OK)
		v = hf_net_accept(&f->host, &p);
	if (v == HF_NET_OK)
		v = p.kind == HF_PACKET_TCP ? HF_NET_TCP : hf_net_reply(&f->host, &p, out);
	return v;
}

static void arp_request_is_answered(void **state)
{
	struct fixture *f = *state;
	static const uint8_t want[42] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4,
		0, 2, 2, 0, 0, 0, 0, 1, 10, 0, 0, 9, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2};
	packet_arp(&f->in, 1, everybody, PACKET_PEER_IP, 0x0a000009);
	assert_int_equal(through(f, &f->out), HF_NET_ARP_REPLIED);
	assert_int_equal(f->out.len, sizeof(want));
	assert_memory_equal(f->out.data, want, sizeof(want));
	packet_arp(&f->in, 1, packet_our_mac, PACKET_PEER_IP, PACKET_OUR_IP); /* unicast refresh */
	assert_int_equal(through(f, &f->out), HF_NET_ARP_REPLIED);
	packet_arp(&f->in, 1, everybody, 0, PACKET_OUR_IP); /* a probe, RFC 5227 2.1.1 */
	assert_int_equal(through(f, &f->out), HF_NET_ARP_REPLIED);
}

static void arp_that_asks_nothing_of_us(void **state)
{
	struct fixture *f = *state;
	f->out.len = 99;
	packet_arp(&f->in, 1, everybody, PACKET_PEER_IP, 0x0a000003); /* for somebody else */
	assert_int_equal(through(f, &f->out), HF_NET_ARP_IGNORED);
	assert_int_equal(f->out.len, 0);
	packet_arp(&f->in, 2, packet_our_mac, PACKET_PEER_IP, PACKET_OUR_IP); /* a reply */
	assert_int_equal(through(f, &f->out), HF_NET_ARP_IGNORED);
	packet_arp(&f->in, 7, packet_our_mac, PACKET_PEER_IP, PACKET_OUR_IP);
	assert_int_equal(through(f, &f->out), HF_NET_ARP_IGNORED);
	packet_arp(&f->in, 1, everybody, PACKET_OUR_IP, PACKET_OUR_IP); /* somebody is us, too */
	assert_int_equal(through(f, &f->out), HF_NET_ARP_CONFLICT);
	packet_arp(&f->in, 1, packet_peer_mac, PACKET_PEER_IP, PACKET_OUR_IP);
	assert_int_equal(through(f, &f->out), HF_NET_NOT_OUR_MAC);
	packet_arp(&f->in, 1, everybody, PACKET_PEER_IP, PACKET_OUR_IP);
	assert_int_equal(through(f, NULL), HF_NET_NO_TX_FRAME);
	assert_int_equal(f->out.len, 0);
}

static void gateway_is_learned(void **state)
{
	struct fixture *f = *state;
	f->host.gateway[0].ip = hf_addr_v4(PACKET_PEER_IP);
	packet_arp(&f->in, 2, packet_our_mac, 0x0a000003, PACKET_OUR_IP); /* another host */
	assert_int_equal(through(f, &f->out), HF_NET_ARP_IGNORED);
	assert_false(f->host.gateway[0].known);
	packet_arp(&f->in, 2, packet_our_mac, PACKET_PEER_IP, PACKET_OUR_IP);
	assert_int_equal(through(f, &f->out), HF_NET_ARP_LEARNED);
	assert_true(f->host.gateway[0].known);
	assert_memory_equal(f->host.gateway[0].mac, packet_peer_mac, 6);
	f->host.gateway[0].known = false; /* it also tells when it asks (RFC 826) */
	packet_arp(&f->in, 1, everybody, PACKET_PEER_IP, PACKET_OUR_IP);
	assert_int_equal(through(f, &f->out), HF_NET_ARP_REPLIED);
	assert_true(f->host.gateway[0].known);
}

static void echo_comes_back_with_its_data(void **state)
{
	struct fixture *f = *state;
	for (size_t len = 4; len < 80; len++) {
		uint8_t data[80];
		struct packet want;
		for (size_t i = 0; i < len; i++)
			data[i] = (uint8_t)(i * 5 + 1);
		struct packet_spec there = {.payload = data, .payload_len = len};
		struct packet_spec back = {.payload = data,
			.payload_len = len,
			.src = PACKET_OUR_IP,
			.dst = PACKET_PEER_IP,
			.eth_src = packet_our_mac,
			.eth_dst = packet_peer_mac};
		packet_echo(&f->in, &there);
		packet_echo(&want, &back); /* a reply is a request of type 0 */
		want.bytes[34] = 0;
		assert_int_equal(through(f, &f->out), HF_NET_ECHO_REPLIED);
		/* intact: the whole message sums to all ones */
		assert_int_equal(packet_csum(0, f->out.data + 34, 4 + len), 0xffff);
		memcpy(want.bytes + 36, f->out.data + 36, 2);
		assert_int_equal(f->out.len, want.frame.len);
		assert_memory_equal(f->out.data, want.bytes, f->out.len);
	}
}

static void echo_is_bounded(void **state)
{
	struct fixture *f = *state;
	static uint8_t data[1600];
	struct packet_spec s = {.payload = data, .payload_len = 1500 - 24};
	packet_echo(&f->in, &s);
	assert_int_equal(through(f, &f->out), HF_NET_ECHO_REPLIED);
	assert_int_equal(f->out.len, 1514);
	f->out.cap = 1513; /* a frame that is too small */
	assert_int_equal(through(f, &f->out), HF_NET_ECHO_TOO_LONG);
	assert_int_equal(f->out.len, 0);
	f->out.cap = sizeof(f->out_bytes);
	s.payload_len++; /* came from where the MTU is larger than ours */
	packet_echo(&f->in, &s);
	assert_int_equal(through(f, &f->out), HF_NET_ECHO_TOO_LONG);
	assert_int_equal(through(f, NULL), HF_NET_NO_TX_FRAME);
}

/* RFC 1122 3.3.6, 4.2.3.10: nothing above ARP is answered that came by broadcast. */
static void only_what_is_ours_is_accepted(void **state)
{
	struct fixture *f = *state;
	struct packet_spec s = {.payload = "abcd", .payload_len = 4};
	packet_tcp(&f->in, &s);
	assert_int_equal(through(f, &f->out), HF_NET_TCP);
	s.eth_dst = everybody;
	packet_tcp(&f->in, &s);
	assert_int_equal(through(f, &f->out), HF_NET_NOT_OUR_MAC);
	packet_echo(&f->in, &s);
	assert_int_equal(through(f, &f->out), HF_NET_NOT_OUR_MAC);
	s.eth_dst = packet_peer_mac; /* promiscuous ports see these */
	packet_tcp(&f->in, &s);
	assert_int_equal(through(f, &f->out), HF_NET_NOT_OUR_MAC);
	s.eth_dst = NULL;
	s.dst = 0x0a0000ff;
	packet_tcp(&f->in, &s);
	assert_int_equal(through(f, &f->out), HF_NET_NOT_OUR_ADDR);
	packet_echo(&f->in, &s);
	assert_int_equal(through(f, &f->out), HF_NET_NOT_OUR_ADDR);
}

static void questions_and_announcements(void **state)
{
	struct fixture *f = *state;
	struct hf_net_gateway gateway = {.ip = hf_addr_v4(0x0a0000fe)};
	static const uint8_t request[42] = {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6, 0,
		1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0,
		254};
	static const uint8_t announce[42] = {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6,
		0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 9, 0, 0, 0, 0, 0, 0, 10, 0, 0,
		9};
	hf_net_ask(&f->host, &gateway, &f->out);
	assert_int_equal(f->out.len, 42);
	assert_memory_equal(f->out.data, request, 42);
	hf_net_announce(&f->host, 1, &f->out);
	assert_int_equal(f->out.len, 42);
	assert_memory_equal(f->out.data, announce, 42);
}

/* ---- IPv6 ---- */
static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1}, nobody[16];
static const uint8_t our_group_mac[6] = {0x33, 0x33, 0xff, 0, 0, 1};
static const uint8_t our_group[16] = {0xff, 2, [11] = 1, 0xff, 0, 0, 1};

static void speak_ipv6(struct fixture *f)
{
	memcpy(f->addr[1].ip.b, packet_our_ip6, 16);
}

/* Byte by byte as RFC 4861 4.4 has it; the sum is held against the tests' own. */
static void expect_advertisement(
	struct fixture *f, const uint8_t eth_dst[6], const uint8_t dst[16], uint8_t flags)
{
	struct packet want = {.frame.len = f->out.len};
	uint8_t *p = want.bytes;
	const uint8_t tail[8] = {2, 1, 2, 0, 0, 0, 0, 1};
	assert_int_equal(f->out.len, 14 + 40 + 32);
	memcpy(p, eth_dst, 6);
	memcpy(p + 6, packet_our_mac, 6);
	memcpy(p + 12, (uint8_t[]){0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255}, 10);
	memcpy(p + 22, packet_our_ip6, 16);
	memcpy(p + 38, dst, 16);
	p[54] = 136;
	p[58] = flags;
	memcpy(p + 62, packet_our_ip6, 16);
	memcpy(p + 78, tail, 8);
	packet_fix_icmp6(&want);
	assert_memory_equal(f->out.data, want.bytes, f->out.len);
}

static void solicitation_is_answered(void **state)
{
	struct fixture *f = *state;
	static const uint8_t source[8] = {1, 1, 2, 0, 0, 0, 0, 9}, other[6] = {2, 0, 0, 0, 0, 9};
	struct packet_nd nd = {.type = 135,
		.eth_dst = our_group_mac,
		.dst = our_group,
		.target = packet_our_ip6,
		.options = source,
		.options_len = 8};
	speak_ipv6(f);
	packet_nd(&f->in, &nd);
	assert_int_equal(through(f, &f->out), HF_NET_ND_REPLIED);
	expect_advertisement(f, other, packet_peer_ip6, 0x60);
	nd.options_len = 0; /* to whom it came from */
	packet_nd(&f->in, &nd);
	assert_int_equal(through(f, &f->out), HF_NET_ND_REPLIED);
	expect_advertisement(f, packet_peer_mac, packet_peer_ip6, 0x60);
	nd.eth_dst = NULL; /* is it still there? (RFC 4861 7.3.1) */
	nd.dst = NULL;
	packet_nd(&f->in, &nd);
	assert_int_equal(through(f, &f->out), HF_NET_ND_REPLIED);
	expect_advertisement(f, packet_peer_mac, packet_peer_ip6, 0x60);
	nd = (struct packet_nd){.type = 135, /* may another take it? (RFC 4862 5.4.3) */
		.eth_dst = our_group_mac,
		.src = nobody,
		.dst = our_group,
		.target = packet_our_ip6};
	packet_nd(&f->in, &nd);
	assert_int_equal(through(f, &f->out), HF_NET_ND_REPLIED);
	expect_advertisement(f, all_nodes_mac, all_nodes, 0x20);
	assert_int_equal(through(f, NULL), HF_NET_NO_TX_FRAME);
}

static void neighbours_that_ask_nothing_of_us(void **state)
{
	struct fixture *f = *state;
	static const uint8_t alike[16] = {0xfd, [1] = 1, [15] = 1}; /* the same group */
	static const uint8_t ours[8] = {1, 1, 2, 0, 0, 0, 0, 1};
	struct packet_nd nd = {
		.type = 135, .eth_dst = our_group_mac, .dst = our_group, .target = alike};
	speak_ipv6(f);
	packet_nd(&f->in, &nd);
	assert_int_equal(through(f, &f->out), HF_NET_ND_IGNORED);
	assert_int_equal(f->out.len, 0);
	nd.eth_dst = (const uint8_t *)"\x33\x33\xff\x00\x00\x02";
	packet_nd(&f->in, &nd);
	assert_int_equal(through(f, &f->out), HF_NET_NOT_OUR_MAC);
	nd = (struct packet_nd){.type = 136, .target = packet_peer_ip6};
	packet_nd(&f->in, &nd);
	assert_int_equal(through(f, &f->out), HF_NET_ND_IGNORED);
	nd.eth_dst = all_nodes_mac; /* somebody is us, too */
	nd.dst = all_nodes;
	nd.target = packet_our_ip6;
	packet_nd(&f->in, &nd);
	assert_int_equal(through(f, &f->out), HF_NET_ND_CONFLICT);
	nd = (struct packet_nd){.type = 135, .src = packet_our_ip6, .target = packet_peer_ip6};
	packet_nd(&f->in, &nd);
	assert_int_equal(through(f, &f->out), HF_NET_ND_CONFLICT);
	nd.options = ours; /* what we said, come back */
	nd.options_len = 8;
	packet_nd(&f->in, &nd);
	assert_int_equal(through(f, &f->out), HF_NET_ND_IGNORED);
}

static void gateway_of_ipv6_is_learned(void **state)
{
	struct fixture *f = *state;
	static const uint8_t router[16] = {0xfe, 0x80, [15] = 1};
	static const uint8_t first[8] = {2, 1, 2, 0, 0, 0, 0, 8},
			     second[8] = {2, 1, 2, 0, 0, 0, 0, 9};
	struct packet_nd nd = {.type = 136, .target = router, .options = first, .options_len = 8};
	struct hf_net_gateway *g = &f->host.gateway[1];
	speak_ipv6(f);
	packet_nd(&f->in, &nd);
	assert_int_equal(through(f, &f->out), HF_NET_ND_IGNORED);
	memcpy(g->ip.b, router, 16);
	g->from = 1;
	assert_int_equal(through(f, &f->out), HF_NET_ND_LEARNED);
	assert_true(g->known);
	assert_memory_equal(g->mac, first + 2, 6);
	nd.options = second; /* without the flag that says so it overrides nothing (7.2.5) */
	packet_nd(&f->in, &nd);
	assert_int_equal(through(f, &f->out), HF_NET_ND_IGNORED);
	assert_memory_equal(g->mac, first + 2, 6);
	nd.flags = HF_ND_OVERRIDE;
	packet_nd(&f->in, &nd);
	assert_int_equal(through(f, &f->out), HF_NET_ND_LEARNED);
	assert_memory_equal(g->mac, second + 2, 6);
	assert_false(f->host.gateway[0].known);
}

static void echo6_comes_back_with_its_data(void **state)
{
	struct fixture *f = *state;
	static uint8_t data[1600];
	speak_ipv6(f);
	for (size_t len = 4; len <= 1500 - 44; len += len < 80 ? 1 : 97) {
		struct packet want;
		struct packet_spec there = {.v6 = true, .payload = data, .payload_len = len};
		struct packet_spec back = {.v6 = true,
			.payload = data,
			.payload_len = len,
			.src6 = packet_our_ip6,
			.dst6 = packet_peer_ip6,
			.eth_src = packet_our_mac,
			.eth_dst = packet_peer_mac};
		for (size_t i = 0; i < len; i++)
			data[i] = (uint8_t)(i * 5 + 1);
		packet_echo(&f->in, &there);
		packet_icmp(&want, 129, 0, &back);
		assert_int_equal(through(f, &f->out), HF_NET_ECHO_REPLIED);
		assert_int_equal(f->out.len, want.frame.len);
		assert_memory_equal(f->out.data, want.bytes, f->out.len);
	}
	packet_echo(&f->in,
		&(struct packet_spec){.v6 = true, .payload = data, .payload_len = 1500 - 43});
	assert_int_equal(through(f, &f->out), HF_NET_ECHO_TOO_LONG);
	packet_echo(&f->in, &(struct packet_spec){.v6 = true, /* RFC 4443 4.2 allows silence */
				    .eth_dst = all_nodes_mac,
				    .dst6 = all_nodes,
				    .payload = data,
				    .payload_len = 4});
	assert_int_equal(through(f, &f->out), HF_NET_NOT_OUR_MAC);
}

/* RFC 3810 5.2, byte by byte. */
static void listeners_are_told(void **state)
{
	struct fixture *f = *state;
	static const uint8_t router[16] = {0xfe, 0x80, [15] = 1}, global[16] = {0xfd, [15] = 0xfe};
	static const uint8_t query[24] = {0, 1}; /* behind type, code, sum */
	struct packet_spec s = {.v6 = true,
		.eth_dst = all_nodes_mac,
		.src6 = router,
		.dst6 = all_nodes,
		.hops = 1,
		.payload = query,
		.payload_len = 24};
	struct packet want = {.frame.len = 90};
	uint8_t *p = want.bytes;
	speak_ipv6(f);
	packet_icmp(&f->in, 130, 0, &s);
	assert_int_equal(through(f, &f->out), HF_NET_MLD_REPLIED);
	memcpy(p,
		(uint8_t[]){0x33, 0x33, 0, 0, 0, 0x16, 2, 0, 0, 0, 0, 1, 0x86, 0xdd, 0x60, 0, 0, 0,
			0, 36, 0, 1},
		22);
	p[38] = 0xff;
	p[39] = 2;
	p[53] = 0x16;
	memcpy(p + 54, (uint8_t[]){58, 0, 5, 2, 0, 0, 1, 0, 143, 0}, 10);
	memcpy(p + 66, (uint8_t[]){0, 0, 0, 1, 2, 0, 0, 0}, 8);
	memcpy(p + 74, our_group, 16);
	memcpy(p + 64, f->out.data + 64, 2);
	assert_int_equal(f->out.len, 90);
	assert_memory_equal(f->out.data, p, 90);
	assert_int_equal(packet_csum(packet_csum(58 + 28, p + 22, 32), p + 62, 28), 0xffff);
	hf_net_join(&f->host, 1, &f->out);
	assert_int_equal(f->out.data[70], 4);
	assert_int_equal(through(f, NULL), HF_NET_NO_TX_FRAME);
	f->addr[0].ip = (struct hf_addr){{0xfe, 0x80, [15] = 7}}; /* then that is who says it */
	hf_net_join(&f->host, 1, &f->out);
	assert_int_equal(f->out.len, 110);
	assert_memory_equal(f->out.data + 22, f->addr[0].ip.b, 16);
	assert_int_equal(f->out.data[69], 2);
	s.hops = 2; /* from afar, or by nobody on this link, or of no version */
	packet_icmp(&f->in, 130, 0, &s);
	assert_int_equal(through(f, &f->out), HF_NET_ICMP_IGNORED);
	s.hops = 1;
	s.src6 = global;
	packet_icmp(&f->in, 130, 0, &s);
	assert_int_equal(through(f, &f->out), HF_NET_ICMP_IGNORED);
	s.src6 = router;
	s.payload_len = 16;
	packet_icmp(&f->in, 130, 0, &s);
	assert_int_equal(through(f, &f->out), HF_NET_ICMP_IGNORED);
	s.payload_len = 22;
	packet_icmp(&f->in, 130, 0, &s);
	assert_int_equal(through(f, &f->out), HF_NET_ICMP_IGNORED);
	assert_int_equal(f->host.report, 0);
	s.payload_len = 24;
	f->addr[0].ip = f->addr[1].ip =
		hf_addr_v4(PACKET_OUR_IP); /* who has no IPv6 has no groups */
	packet_icmp(&f->in, 130, 0, &s);
	assert_int_equal(through(f, &f->out), HF_NET_ICMP_IGNORED);
}

/* A query of the first version is owed a report of each address, in a frame of its own: RFC 2710 3, byte by
 * byte. */
static void listeners_are_told_in_the_first_version(void **state)
{
	struct fixture *f = *state;
	static const uint8_t router[16] = {0xfe, 0x80, [15] = 1}, query[20];
	struct packet_spec s = {.v6 = true,
		.eth_dst = all_nodes_mac,
		.src6 = router,
		.dst6 = all_nodes,
		.hops = 1,
		.payload = query,
		.payload_len = sizeof(query)};
	uint8_t want[86] = {0x33, 0x33, 0xff, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0x86, 0xdd, 0x60, 0, 0, 0,
		0, 32, 0, 1};
	speak_ipv6(f);
	packet_icmp(&f->in, 130, 0, &s);
	assert_int_equal(through(f, NULL), HF_NET_MLD_REPLIED); /* it needs no frame yet */
	assert_int_equal(through(f, &f->out), HF_NET_MLD_REPLIED);
	assert_int_equal(f->out.len, 0);
	assert_int_equal(f->host.report, 2); /* of address number 1 */
	memcpy(want,
		(uint8_t[]){0x33, 0x33, our_group[12], our_group[13], our_group[14], our_group[15]},
		6);
	memcpy(want + 38, our_group, 16);
	memcpy(want + 54, (uint8_t[]){58, 0, 5, 2, 0, 0, 1, 0, 131, 0}, 10);
	memcpy(want + 70, our_group, 16);
	hf_net_report(&f->host, 1, &f->out);
	assert_int_equal(f->out.len, sizeof(want));
	memcpy(want + 64, f->out.data + 64, 2);
	assert_memory_equal(f->out.data, want, sizeof(want));
	assert_int_equal(packet_csum(packet_csum(58 + 24, want + 22, 32), want + 62, 24), 0xffff);
}

/* What we say is what we would understand. */
static void questions_of_ipv6(void **state)
{
	struct fixture *f = *state;
	struct hf_net_gateway gateway = {.ip = {{0xfd, [15] = 9}}, .from = 1};
	struct hf_packet p;
	speak_ipv6(f);
	hf_net_announce(&f->host, 1, &f->out);
	expect_advertisement(f, all_nodes_mac, all_nodes, 0x20);
	hf_net_ask(&f->host, &gateway, &f->out);
	assert_int_equal(f->out.len, 86);
	assert_memory_equal(f->out.data, "\x33\x33\xff\x00\x00\x09", 6);
	assert_int_equal(hf_net_parse(&f->out, false, &p), HF_NET_OK);
	assert_int_equal(p.neigh_op, HF_NEIGH_ASKS);
	assert_memory_equal(p.src.b, packet_our_ip6, 16);
	assert_true(hf_addr_eq(&p.dst, &gateway.ip));
	assert_memory_equal(f->out.data + 78, ((uint8_t[]){1, 1, 2, 0, 0, 0, 0, 1}), 8);
	hf_net_probe(&f->host, 1, &f->out);
	assert_int_equal(f->out.len, 78); /* no address, hence no option (4.3) */
	assert_memory_equal(f->out.data, our_group_mac, 6);
	assert_int_equal(hf_net_parse(&f->out, false, &p), HF_NET_OK);
	assert_memory_equal(p.src.b, nobody, 16);
	assert_memory_equal(p.dst.b, packet_our_ip6, 16);
}

/* ---- VLANs ---- */
static void each_address_is_in_its_vlan(void **state)
{
	struct fixture *f = *state;
	static const uint16_t vlan[] = {0, 12, 13};
	struct packet_spec s = {.payload = "abcd", .payload_len = 4};
	struct packet_nd nd = {.type = 135, .target = packet_our_ip6};
	struct hf_packet back;
	speak_ipv6(f);
	f->addr[0].vlan = 12;
	f->addr[1].vlan = 13;
	for (size_t i = 0; i < HF_ARRAY_LEN(vlan); i++) {
		const enum hf_net_verdict none[] = {HF_NET_VLAN, HF_NET_NOT_OUR_ADDR};
		s.vlan = nd.vlan = vlan[i];
		s.v6 = false;
		packet_echo(&f->in, &s);
		assert_int_equal(through(f, &f->out),
			vlan[i] == 12 ? HF_NET_ECHO_REPLIED : none[vlan[i] == 13]);
		if (vlan[i] == 12) {
			assert_int_equal(hf_net_parse(&f->out, false, &back), HF_NET_ICMP_IGNORED);
			assert_int_equal(back.vlan, 12);
		}
		s.v6 = true;
		packet_tcp(&f->in, &s);
		assert_int_equal(
			through(f, &f->out), vlan[i] == 13 ? HF_NET_TCP : none[vlan[i] == 12]);
		packet_nd(&f->in, &nd);
		assert_int_equal(through(f, &f->out), vlan[i] == 13   ? HF_NET_ND_REPLIED
						      : vlan[i] == 12 ? HF_NET_ND_IGNORED
								      : HF_NET_VLAN);
		if (vlan[i] == 13) {
			assert_int_equal(hf_net_parse(&f->out, false, &back), HF_NET_OK);
			assert_int_equal(back.vlan, 13);
		}
	}
	hf_net_announce(&f->host, 0, &f->out);
	assert_int_equal(f->out.len, 46);
	assert_memory_equal(f->out.data + 12, ((uint8_t[]){0x81, 0, 0, 12, 8, 6}), 6);
	assert_int_equal(hf_net_vlan(&f->host, &f->addr[1].ip), 13);
	assert_int_equal(hf_net_vlan(&f->host, &f->addr[0].ip), 12);
}

/* The header writer that replies and TCP share, against the tests' own. */
static void headers_as_the_tests_write_them(void **state)
{
	struct fixture *f = *state;
	struct packet want;
	struct hf_writer w = hf_writer(f->out.data, f->out.cap);
	struct hf_addr src = hf_addr_v4(0xc0000201), dst = hf_addr_v4(0xc0000202), v6 = {{0x20}};
	struct hf_wire_link link = {packet_our_mac, packet_peer_mac, 0};
	struct hf_wire_ip ip = {&src, &dst, HF_IP_TCP, HF_HOPS_FAR};
	packet_tcp(&want, &(struct packet_spec){.src = 0xc0000201, .dst = 0xc0000202});
	hf_wire_eth_ip(&w, &link, &ip, 20);
	assert_false(w.overflow);
	assert_int_equal(w.len, HF_ETH_HDR_LEN + hf_wire_ip_len(&dst));
	assert_memory_equal(f->out.data, want.bytes, w.len);
	w = hf_writer(f->out.data, 33);
	hf_wire_eth_ip(&w, &link, &ip, 20);
	assert_true(w.overflow);
	ip.src = &v6; /* of two families */
	assert_panics(hf_wire_eth_ip(&w, &link, &ip, 20));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		TEST(arp_request_is_answered),
		TEST(arp_that_asks_nothing_of_us),
		TEST(gateway_is_learned),
		TEST(echo_comes_back_with_its_data),
		TEST(echo_is_bounded),
		TEST(only_what_is_ours_is_accepted),
		TEST(questions_and_announcements),
		TEST(solicitation_is_answered),
		TEST(neighbours_that_ask_nothing_of_us),
		TEST(gateway_of_ipv6_is_learned),
		TEST(echo6_comes_back_with_its_data),
		TEST(listeners_are_told),
		TEST(listeners_are_told_in_the_first_version),
		TEST(questions_of_ipv6),
		TEST(each_address_is_in_its_vlan),
		TEST(headers_as_the_tests_write_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
