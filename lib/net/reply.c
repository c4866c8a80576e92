/* reply.c -- a good neighbour in a few lines: it answers who asks for one of its addresses, sends a
 * ping's bytes back as they came, and remembers the gateway's MAC whenever the gateway says it.
 * Only requests are answered, so two of us can never talk each other into a storm. */
#include "lib/net/reply.h"
#include "lib/net/checksum.h"

#define ICMP_HDR_LEN 4u /* type, code, checksum; what follows is echoed */
#define ICMP_ECHO_REPLY 0u

static const uint8_t broadcast[HF_ETH_ADDR_LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static bool mac_eq(const uint8_t *x, const uint8_t *y)
{
	return memcmp(x, y, HF_ETH_ADDR_LEN) == 0;
}

static bool is_ours(const struct hf_net_host *h, const struct hf_addr *a)
{
	for (uint32_t i = 0; i < h->addr_cnt; i++)
		if (hf_addr_eq(&h->addr[i], a))
			return true;
	return false;
}

enum hf_net_verdict hf_net_accept(const struct hf_net_host *h, const struct hf_packet *p)
{
	bool to_all = p->kind == HF_PACKET_ARP && mac_eq(p->eth_dst, broadcast);
	if (!to_all && !mac_eq(p->eth_dst, h->mac))
		return HF_NET_NOT_OUR_MAC;
	if (p->kind != HF_PACKET_ARP && !is_ours(h, &p->dst))
		return HF_NET_NOT_OUR_ADDR;
	return HF_NET_OK;
}

static void build_arp(const struct hf_net_host *h, enum hf_arp_op op, const struct hf_addr *from,
	const uint8_t to_mac[HF_ETH_ADDR_LEN], const struct hf_addr *to, struct hf_frame *out)
{
	static const uint8_t unknown[HF_ETH_ADDR_LEN];
	struct hf_writer w = hf_writer(out->data, out->cap);
	hf_wire_eth(&w, to_mac, h->mac, HF_ETHERTYPE_ARP);
	hf_writer_u16(&w, 1); /* hardware: Ethernet */
	hf_writer_u16(&w, HF_ETHERTYPE_IP4);
	hf_writer_u8(&w, HF_ETH_ADDR_LEN);
	hf_writer_u8(&w, 4);
	hf_writer_u16(&w, op);
	hf_writer_bytes(&w, h->mac, HF_ETH_ADDR_LEN);
	hf_writer_bytes(&w, from->b + 12, 4);
	hf_writer_bytes(&w, op == HF_ARP_REPLY ? to_mac : unknown, HF_ETH_ADDR_LEN);
	hf_writer_bytes(&w, to->b + 12, 4);
	HF_ASSERT(!w.overflow); /* a port's frames hold any packet of its MTU, which is more */
	out->len = (uint32_t)w.len;
}

static enum hf_net_verdict reply_arp(
	struct hf_net_host *h, const struct hf_packet *p, struct hf_frame *out)
{
	bool is_request = p->arp_op == HF_ARP_REQUEST;
	if (is_ours(h, &p->src))
		return HF_NET_ARP_CONFLICT;
	if (hf_addr_eq(&p->src, &h->gateway)) {
		memcpy(h->gateway_mac, p->eth_src, sizeof(h->gateway_mac));
		h->gateway_known = true;
		if (!is_request)
			return HF_NET_ARP_LEARNED;
	}
	if (!is_request || !is_ours(h, &p->dst))
		return HF_NET_ARP_IGNORED;
	if (!out)
		return HF_NET_NO_TX_FRAME;
	build_arp(h, HF_ARP_REPLY, &p->dst, p->eth_src, &p->src, out);
	return HF_NET_ARP_REPLIED;
}

/* RFC 1122 3.2.2.6: all data of the request comes back, from the address that was asked. */
static enum hf_net_verdict reply_echo(
	const struct hf_net_host *h, const struct hf_packet *p, struct hf_frame *out)
{
	size_t icmp_len = ICMP_HDR_LEN + p->payload.len;
	size_t ip_len = hf_wire_ip_len(&p->src) + icmp_len;
	struct hf_writer w;
	if (!out)
		return HF_NET_NO_TX_FRAME;
	if (ip_len > h->mtu || HF_ETH_HDR_LEN + ip_len > out->cap)
		return HF_NET_ECHO_TOO_LONG;
	w = hf_writer(out->data, out->cap);
	hf_wire_eth_ip(&w, p->eth_src, h->mac, &p->dst, &p->src, HF_IP_ICMP, icmp_len);
	hf_writer_u16(&w, ICMP_ECHO_REPLY << 8);
	/* Type and code are zero: the sum is that of the echoed bytes. */
	hf_writer_u16(&w, hf_csum_finish(hf_csum(p->payload.p, p->payload.len)));
	hf_writer_span(&w, p->payload);
	HF_ASSERT(!w.overflow);
	out->len = (uint32_t)w.len;
	return HF_NET_ECHO_REPLIED;
}

enum hf_net_verdict hf_net_reply(
	struct hf_net_host *h, const struct hf_packet *p, struct hf_frame *out)
{
	HF_ASSERT(p->kind == HF_PACKET_ARP || p->kind == HF_PACKET_ECHO);
	if (out)
		out->len = 0;
	return p->kind == HF_PACKET_ARP ? reply_arp(h, p, out) : reply_echo(h, p, out);
}

void hf_net_arp_request(
	const struct hf_net_host *h, const struct hf_addr *target, struct hf_frame *out)
{
	HF_ASSERT(h->addr_cnt > 0);
	build_arp(h, HF_ARP_REQUEST, &h->addr[0], broadcast, target, out);
}

void hf_net_arp_announce(
	const struct hf_net_host *h, const struct hf_addr *addr, struct hf_frame *out)
{
	build_arp(h, HF_ARP_REQUEST, addr, broadcast, addr, out);
}
