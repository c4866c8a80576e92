/* fuzz_frame -- any bytes as a received frame, through the three doors of net and back out as a reply.
 * The first byte chooses what a worker's configuration would: trust, the device's verdict, whether
 * the frame is addressed to us; and it may put the ICMP checksum right, which blind search cannot.
 * max_len: 1600 */
#include <stdlib.h>
#include "lib/net/checksum.h"
#include "lib/net/reply.h"

enum {
	TRUST = 1,
	CSUM_GOOD = 2,
	CSUM_BAD = 4,
	FIX_ICMP = 8,
	FOR_US = 16,
	FROM_GATEWAY = 32,
	NO_TX_FRAME = 64,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Makes the ICMP message behind an IPv4 header without options sum up, or the ICMPv6 one behind an IPv6
 * header without extension headers. */
static void fix_icmp(uint8_t *p, size_t len)
{
	bool tagged = len > 16 && p[12] == 0x81 && p[13] == 0, v6;
	size_t eth = tagged ? HF_ETH_HDR_LEN + HF_VLAN_TAG_LEN : HF_ETH_HDR_LEN, icmp, total, sum;
	struct hf_addr addr[2];
	if (len < eth + HF_IP4_HDR_LEN + 4)
		return;
	v6 = p[eth - 2] == 0x86;
	icmp = eth + (v6 ? HF_IP6_HDR_LEN : HF_IP4_HDR_LEN);
	total = v6 ? icmp + (size_t)(p[eth + 4] << 8 | p[eth + 5])
		   : eth + (size_t)(p[eth + 2] << 8 | p[eth + 3]);
	total = HF_MIN(total, len);
	if (total < icmp + 4)
		return;
	p[icmp + 2] = p[icmp + 3] = 0;
	sum = hf_csum(p + icmp, total - icmp);
	if (v6) {
		memcpy(addr, p + eth + 8, sizeof(addr));
		sum += hf_csum_pseudo(&addr[0], &addr[1], HF_IP_ICMP6, total - icmp);
	}
	sum = hf_csum_finish((uint32_t)sum);
	p[icmp + 2] = (uint8_t)(sum >> 8);
	p[icmp + 3] = (uint8_t)sum;
}

static bool is_within(struct hf_span s, const struct hf_frame *f)
{
	return s.p >= f->data && s.len <= f->len && s.p + s.len <= f->data + f->len;
}

static void check_packet(const struct hf_packet *p, const struct hf_frame *f)
{
	struct hf_tcpopt opt;
	HF_ASSERT(hf_addr_is_v4(&p->src) == hf_addr_is_v4(&p->dst));
	HF_ASSERT(p->vlan <= 0xfff);
	HF_ASSERT(hf_wire_mac_is_host(p->eth_src));
	if (p->kind != HF_PACKET_TCP && p->kind != HF_PACKET_ECHO)
		return;
	HF_ASSERT(is_within(p->payload, f));
	if (p->kind != HF_PACKET_TCP)
		return;
	HF_ASSERT(is_within(p->options, f) && p->options.len <= 40 && p->options.len % 4 == 0);
	HF_ASSERT(p->payload.p == p->options.p + p->options.len);
	hf_tcpopt_parse(p->options, &opt);
	HF_ASSERT(opt.sack_cnt <= HF_ARRAY_LEN(opt.sack));
	HF_ASSERT(opt.has_wscale || opt.wscale == 0);
}

/* What we send must be readable by us, and go back to where the question came from. */
static void check_reply(const struct hf_packet *p, const struct hf_frame *out)
{
	struct hf_packet back;
	enum hf_net_verdict v = hf_net_parse(out, false, &back);
	HF_ASSERT(out->len <= out->cap);
	bool all = p->kind == HF_PACKET_ND && hf_addr_is_none(&p->src);
	size_t data = hf_wire_eth_len(p->vlan) + hf_wire_ip_len(&p->src) + 4;
	if (p->kind == HF_PACKET_GROUPS) { /* a report, which is not for us to read */
		HF_ASSERT(v == HF_NET_IP_SOURCE || v == HF_NET_ICMP_IGNORED);
		return;
	}
	HF_ASSERT(all || memcmp(out->data, p->eth_src, HF_ETH_ADDR_LEN) == 0);
	HF_ASSERT(back.vlan == p->vlan);
	if (p->kind == HF_PACKET_ECHO) {
		/* An echo reply; or the address we were told to own cannot be a host's. */
		HF_ASSERT(v == HF_NET_ICMP_IGNORED || v == HF_NET_IP_SOURCE);
		HF_ASSERT(out->len >= data + p->payload.len);
		HF_ASSERT(memcmp(out->data + data, p->payload.p, p->payload.len) == 0);
	} else if (v == HF_NET_OK) {
		HF_ASSERT(back.kind == p->kind && back.neigh_op == HF_NEIGH_TELLS);
		HF_ASSERT(all || hf_addr_eq(&back.dst, &p->src));
	} else { /* neighbour discovery about an address that cannot be a host's */
		HF_ASSERT(p->kind == HF_PACKET_ND);
		HF_ASSERT(v == HF_NET_IP_SOURCE || v == HF_NET_ND_MALFORMED);
	}
}

static void answer(const struct hf_packet *p, unsigned choice)
{
	static uint8_t bytes[1514];
	struct hf_frame out = {.data = bytes, .cap = sizeof(bytes)};
	struct hf_net_host host = {.mac = {2, 0, 0, 0, 0, 1}, .mtu = 1500};
	struct hf_net_addr ours = {p->dst, p->vlan};
	enum hf_net_verdict v;
	if (choice & FOR_US) {
		host.addr = &ours;
		host.addr_cnt = 1;
		if (hf_wire_mac_is_host(p->eth_dst))
			memcpy(host.mac, p->eth_dst, sizeof(host.mac));
	}
	if (choice & FROM_GATEWAY)
		host.gateway[hf_net_family(&p->src)].ip = p->src;
	v = hf_net_accept(&host, p);
	if (v != HF_NET_OK || p->kind == HF_PACKET_TCP || p->kind == HF_PACKET_TOO_BIG ||
		p->kind == HF_PACKET_ICMP_ERROR)
		return;
	v = hf_net_reply(&host, p, choice & NO_TX_FRAME ? NULL : &out);
	HF_ASSERT(v != HF_NET_OK && v < HF_NET_VERDICT_CNT);
	HF_ASSERT((v == HF_NET_ARP_REPLIED || v == HF_NET_ND_REPLIED || v == HF_NET_MLD_REPLIED ||
			  v == HF_NET_ECHO_REPLIED) == (out.len > 0 || host.report != 0));
	if (out.len)
		check_reply(p, &out);
	if (host.report) {
		HF_ASSERT(
			p->kind == HF_PACKET_GROUPS && p->groups_1 && host.report == 1 && !out.len);
		hf_net_report(&host, 0, &out);
		HF_ASSERT(out.len == hf_wire_eth_len(p->vlan) + 40 + 8 + 24);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	unsigned choice = len ? data[0] : 0;
	struct hf_frame f = {.len = (uint32_t)(len ? len - 1 : 0)};
	struct hf_packet p;
	uint8_t *copy =
		malloc(f.len ? f.len : 1); /* of exactly its length: the sanitizer watches */
	HF_ASSERT(copy);
	if (f.len)
		memcpy(copy, data + 1, f.len);
	if (choice & FIX_ICMP)
		fix_icmp(copy, f.len);
	f.data = copy;
	f.cap = f.len;
	f.flags = (choice & CSUM_GOOD ? HF_FRAME_CSUM_GOOD : 0u) |
		  (choice & CSUM_BAD ? HF_FRAME_CSUM_BAD : 0u);
	if (hf_net_parse(&f, choice & TRUST, &p) == HF_NET_OK) {
		check_packet(&p, &f);
		answer(&p, choice);
	}
	free(copy);
	return 0;
}
