/* What we answer, byte by byte, and what we leave unanswered. */
#include "lib/net/reply.h"
#include "tests/support/packet.h"
#include "tests/support/test.h"

static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

struct fixture {
	struct hf_addr addr[2];
	struct hf_net_host host;
	struct packet in;
	uint8_t out_bytes[1600];
	struct hf_frame out;
};

static int setup(void **state)
{
	static struct fixture f;
	f = (struct fixture){.addr = {hf_addr_v4(PACKET_OUR_IP), hf_addr_v4(0x0a000009)}};
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
	f->host.gateway = hf_addr_v4(PACKET_PEER_IP);
	packet_arp(&f->in, 2, packet_our_mac, 0x0a000003, PACKET_OUR_IP); /* another host */
	assert_int_equal(through(f, &f->out), HF_NET_ARP_IGNORED);
	assert_false(f->host.gateway_known);
	packet_arp(&f->in, 2, packet_our_mac, PACKET_PEER_IP, PACKET_OUR_IP);
	assert_int_equal(through(f, &f->out), HF_NET_ARP_LEARNED);
	assert_true(f->host.gateway_known);
	assert_memory_equal(f->host.gateway_mac, packet_peer_mac, 6);
	f->host.gateway_known = false; /* it also tells when it asks (RFC 826) */
	packet_arp(&f->in, 1, everybody, PACKET_PEER_IP, PACKET_OUR_IP);
	assert_int_equal(through(f, &f->out), HF_NET_ARP_REPLIED);
	assert_true(f->host.gateway_known);
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
	struct hf_addr gateway = hf_addr_v4(0x0a0000fe);
	static const uint8_t request[42] = {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6, 0,
		1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0,
		254};
	static const uint8_t announce[42] = {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6,
		0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 9, 0, 0, 0, 0, 0, 0, 10, 0, 0,
		9};
	hf_net_arp_request(&f->host, &gateway, &f->out);
	assert_int_equal(f->out.len, 42);
	assert_memory_equal(f->out.data, request, 42);
	hf_net_arp_announce(&f->host, &f->addr[1], &f->out);
	assert_int_equal(f->out.len, 42);
	assert_memory_equal(f->out.data, announce, 42);
}

/* The header writer that replies and TCP share, against the tests' own. */
static void headers_as_the_tests_write_them(void **state)
{
	struct fixture *f = *state;
	struct packet want;
	struct hf_writer w = hf_writer(f->out.data, f->out.cap);
	struct hf_addr src = hf_addr_v4(0xc0000201), dst = hf_addr_v4(0xc0000202), v6 = {{0x20}};
	packet_tcp(&want, &(struct packet_spec){.src = 0xc0000201, .dst = 0xc0000202});
	hf_wire_eth_ip(&w, packet_our_mac, packet_peer_mac, &src, &dst, HF_IP_TCP, 20);
	assert_false(w.overflow);
	assert_int_equal(w.len, HF_ETH_HDR_LEN + hf_wire_ip_len(&dst));
	assert_memory_equal(f->out.data, want.bytes, w.len);
	w = hf_writer(f->out.data, 33);
	hf_wire_eth_ip(&w, packet_our_mac, packet_peer_mac, &src, &dst, HF_IP_TCP, 20);
	assert_true(w.overflow);
	assert_panics(
		hf_wire_eth_ip(&w, packet_our_mac, packet_peer_mac, &v6, &dst, HF_IP_TCP, 20));
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
		TEST(headers_as_the_tests_write_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
