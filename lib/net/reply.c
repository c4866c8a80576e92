/* reply.c -- a good neighbour in a few lines: it answers who asks for one of its addresses, sends a
 * ping's bytes back as they came, and remembers a gateway's MAC whenever the gateway says it.
 * Only requests are answered, so two of us can never talk each other into a storm. ARP and neighbour
 * discovery ask the same questions: one function thinks for both, two write. */
#include "lib/net/reply.h"
#include "lib/net/checksum.h"

#define ARP_REQUEST 1u
#define ARP_REPLY 2u
#define ICMP_HDR_LEN 4u /* type, code, checksum; what follows is echoed */
#define ICMP4_ECHO_REPLY 0u
#define ICMP6_ECHO_REPLY 129u
#define ND_OPTION_SOURCE 1u /* RFC 4861 4.6.1 */
#define ND_OPTION_TARGET 2u
#define ND_BODY_LEN 20u /* flags, target */
#define ND_OPTION_LEN 8u
#define ICMP6_LISTENER_REPORT 143u  /* RFC 3810 5.2 */
#define ICMP6_LISTENER_REPORT1 131u /* RFC 2710 3 */
#define MLD_ALERT_LEN 8u
#define MLD_BODY_LEN 4u
#define MLD_RECORD_LEN 20u

static const uint8_t broadcast[HF_ETH_ADDR_LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const struct hf_addr all_nodes = {{0xff, 2, [15] = 1}}, unnamed;
static const struct hf_addr all_mld_routers = {{0xff, 2, [15] = 0x16}};

/* RFC 3810 5.2.12: all sources are wanted, from now on or as before. */
enum mld_record { MLD_IS_EXCLUDE = 2, MLD_TO_EXCLUDE = 4 };

/* RFC 2464 7 */
struct group_mac {
	uint8_t b[HF_ETH_ADDR_LEN];
};

static struct group_mac group_mac(const struct hf_addr *group)
{
	return (struct group_mac){
		{0x33, 0x33, group->b[12], group->b[13], group->b[14], group->b[15]}};
}

static bool mac_eq(const uint8_t *x, const uint8_t *y)
{
	return memcmp(x, y, HF_ETH_ADDR_LEN) == 0;
}

/* ---- what is ours ---- */
static bool is_ours(const struct hf_net_host *h, uint16_t vlan, const struct hf_addr *a)
{
	for (uint32_t i = 0; i < h->addr_cnt; i++)
		if (h->addr[i].vlan == vlan && hf_addr_eq(&h->addr[i].ip, a))
			return true;
	return false;
}

static bool in_vlan(const struct hf_net_host *h, uint16_t vlan)
{
	for (uint32_t i = 0; i < h->addr_cnt; i++)
		if (h->addr[i].vlan == vlan)
			return true;
	return false;
}

uint16_t hf_net_vlan(const struct hf_net_host *h, const struct hf_addr *ours)
{
	for (uint32_t i = 0; i < h->addr_cnt; i++)
		if (hf_addr_eq(&h->addr[i].ip, ours))
			return h->addr[i].vlan;
	return 0;
}

/* Groups of neighbour discovery that we are in: all nodes, and the one of each address. */
static bool is_our_group(const struct hf_net_host *h, const uint8_t *mac)
{
	struct group_mac m = group_mac(&all_nodes);
	bool ours = mac_eq(m.b, mac);
	for (uint32_t i = 0; i < h->addr_cnt && !ours; i++) {
		struct hf_addr group = hf_addr_solicited(&h->addr[i].ip);
		m = group_mac(&group);
		ours = !hf_addr_is_v4(&h->addr[i].ip) && mac_eq(m.b, mac);
	}
	return ours;
}

enum hf_net_verdict hf_net_accept(const struct hf_net_host *h, const struct hf_packet *p)
{
	bool nd = p->kind == HF_PACKET_ND || p->kind == HF_PACKET_GROUPS;
	bool to_all = (p->kind == HF_PACKET_ARP && mac_eq(p->eth_dst, broadcast)) ||
		      (nd && is_our_group(h, p->eth_dst));
	if (!in_vlan(h, p->vlan))
		return HF_NET_VLAN;
	if (!to_all && !mac_eq(p->eth_dst, h->mac))
		return HF_NET_NOT_OUR_MAC;
	if (p->kind != HF_PACKET_ARP && !nd && !is_ours(h, p->vlan, &p->dst))
		return HF_NET_NOT_OUR_ADDR;
	return HF_NET_OK;
}

/* ---- building ---- */
static void build_arp(const struct hf_net_host *h, uint16_t vlan, unsigned op,
	const struct hf_addr *from, const uint8_t to_mac[HF_ETH_ADDR_LEN], const struct hf_addr *to,
	struct hf_frame *out)
{
	static const uint8_t unknown[HF_ETH_ADDR_LEN];
	struct hf_writer w = hf_writer(out->data, out->cap);
	hf_wire_eth(&w, &(struct hf_wire_link){to_mac, h->mac, vlan}, HF_ETHERTYPE_ARP);
	hf_writer_u16(&w, 1); /* hardware: Ethernet */
	hf_writer_u16(&w, HF_ETHERTYPE_IP4);
	hf_writer_u8(&w, HF_ETH_ADDR_LEN);
	hf_writer_u8(&w, 4);
	hf_writer_u16(&w, op);
	hf_writer_bytes(&w, h->mac, HF_ETH_ADDR_LEN);
	hf_writer_bytes(&w, from->b + 12, 4);
	hf_writer_bytes(&w, op == ARP_REPLY ? to_mac : unknown, HF_ETH_ADDR_LEN);
	hf_writer_bytes(&w, to->b + 12, 4);
	HF_ASSERT(!w.overflow); /* a port's frames hold any packet of its MTU, which is more */
	out->len = (uint32_t)w.len;
}

/* Headers of an ICMP message of either family whose body of len bytes follows. */
static void begin_icmp(struct hf_writer *w, const struct hf_wire_link *link,
	const struct hf_wire_ip *ip, unsigned type, size_t len)
{
	hf_wire_eth_ip(w, link, ip, ICMP_HDR_LEN + len);
	hf_writer_u8(w, type);
	hf_writer_u8(w, 0);
	hf_writer_u16(w, 0); /* checksum, below */
}

static void end_icmp(
	struct hf_writer *w, const struct hf_wire_ip *ip, size_t len, struct hf_frame *out)
{
	size_t all = ICMP_HDR_LEN + len;
	uint8_t *message = w->p + w->len - all;
	uint32_t sum =
		ip->proto == HF_IP_ICMP6 ? hf_csum_pseudo(ip->src, ip->dst, ip->proto, all) : 0;
	HF_ASSERT(!w->overflow);
	sum = hf_csum_finish(sum + hf_csum(message, all));
	message[2] = (uint8_t)(sum >> 8);
	message[3] = (uint8_t)sum;
	out->len = (uint32_t)w->len;
}

struct nd {
	enum hf_nd_type type;
	uint32_t flags;
	const struct hf_addr *src, *dst, *target;
	const uint8_t *to_mac; /* NULL: dst is a group */
	uint16_t vlan;
};

/* RFC 4861 4.3, 4.4. With our own address, unless we have none yet (4.3). */
static void build_nd(const struct hf_net_host *h, const struct nd *nd, struct hf_frame *out)
{
	bool named = !hf_addr_is_none(nd->src);
	size_t len = ND_BODY_LEN + (named ? ND_OPTION_LEN : 0);
	struct group_mac group = group_mac(nd->dst);
	struct hf_wire_link link = {nd->to_mac ? nd->to_mac : group.b, h->mac, nd->vlan};
	struct hf_wire_ip ip = {nd->src, nd->dst, HF_IP_ICMP6, HF_HOPS_NEXT};
	struct hf_writer w = hf_writer(out->data, out->cap);
	begin_icmp(&w, &link, &ip, nd->type, len);
	hf_writer_u32(&w, nd->flags);
	hf_writer_bytes(&w, nd->target->b, sizeof(nd->target->b));
	if (named) {
		hf_writer_u8(&w, nd->type == HF_ND_SOLICIT ? ND_OPTION_SOURCE : ND_OPTION_TARGET);
		hf_writer_u8(&w, 1);
		hf_writer_bytes(&w, h->mac, HF_ETH_ADDR_LEN);
	}
	end_icmp(&w, &ip, len, out);
}

/* Of a VLAN's addresses one that is link-local may be the source of reports (RFC 3810 5.2.13), else none is
 * (RFC 3590): switches read them, too. */
static const struct hf_addr *report_source(const struct hf_net_host *h, uint16_t vlan)
{
	for (uint32_t i = 0; i < h->addr_cnt; i++)
		if (h->addr[i].vlan == vlan && hf_addr_is_link_local(&h->addr[i].ip))
			return &h->addr[i].ip;
	return &unnamed;
}

/* All up to the type: behind a router alert (RFC 3810 5, 2710 3, 2711). len: behind the checksum. */
static void begin_report(struct hf_writer *w, const struct hf_net_host *h, uint16_t vlan,
	struct hf_wire_ip *ip, unsigned type, size_t len)
{
	static const uint8_t alert[MLD_ALERT_LEN] = {HF_IP_ICMP6, 0, 5, 2, 0, 0, 1, 0};
	struct group_mac mac = group_mac(ip->dst);
	ip->src = report_source(h, vlan);
	ip->proto = HF_IP_HOP_OPTIONS;
	ip->hops = HF_HOPS_NONE;
	hf_wire_eth_ip(w, &(struct hf_wire_link){mac.b, h->mac, vlan}, ip,
		MLD_ALERT_LEN + ICMP_HDR_LEN + len);
	hf_writer_bytes(w, alert, sizeof(alert));
	hf_writer_u32(w, type << 24);
	ip->proto = HF_IP_ICMP6;
}

static bool has_group(const struct hf_net_host *h, uint32_t i, uint16_t vlan)
{
	return h->addr[i].vlan == vlan && !hf_addr_is_v4(&h->addr[i].ip);
}

/* RFC 3810 5.2: a record for each address in the VLAN; two of one group are said twice. */
static void build_groups(
	const struct hf_net_host *h, uint16_t vlan, enum mld_record kind, struct hf_frame *out)
{
	struct hf_wire_ip ip = {.dst = &all_mld_routers};
	struct hf_writer w = hf_writer(out->data, out->cap);
	uint32_t cnt = 0;
	size_t len;
	for (uint32_t i = 0; i < h->addr_cnt; i++)
		cnt += has_group(h, i, vlan);
	len = MLD_BODY_LEN + cnt * MLD_RECORD_LEN;
	begin_report(&w, h, vlan, &ip, ICMP6_LISTENER_REPORT, len);
	hf_writer_u32(&w, cnt);
	for (uint32_t i = 0; i < h->addr_cnt; i++) {
		struct hf_addr group = hf_addr_solicited(&h->addr[i].ip);
		if (!has_group(h, i, vlan))
			continue;
		hf_writer_u32(&w, (uint32_t)kind << 24);
		hf_writer_bytes(&w, group.b, sizeof(group.b));
	}
	end_icmp(&w, &ip, len, out);
}

/* ---- answers ---- */
/* RFC 4861 7.2.4: who has no address himself, because he first asks whether it is free, is answered
 * by way of all nodes. */
static void tell(const struct hf_net_host *h, const struct hf_packet *p, struct hf_frame *out)
{
	bool to_all = hf_addr_is_none(&p->src);
	struct nd nd = {HF_ND_ADVERTISE, HF_ND_OVERRIDE | (to_all ? 0 : HF_ND_SOLICITED), &p->dst,
		to_all ? &all_nodes : &p->src, &p->dst, to_all ? NULL : p->eth_src, p->vlan};
	if (p->kind == HF_PACKET_ARP)
		build_arp(h, p->vlan, ARP_REPLY, &p->dst, p->eth_src, &p->src, out);
	else
		build_nd(h, &nd, out);
}

static bool is_gateway(
	const struct hf_net_host *h, const struct hf_net_gateway *g, const struct hf_packet *p)
{
	return !hf_addr_is_none(&g->ip) && hf_addr_eq(&g->ip, &p->src) &&
	       h->addr[g->from].vlan == p->vlan && !(p->neigh_weak && g->known);
}

static enum hf_net_verdict reply_neighbour(
	struct hf_net_host *h, const struct hf_packet *p, struct hf_frame *out)
{
	struct hf_net_gateway *g = &h->gateway[p->kind == HF_PACKET_ND];
	bool nd = p->kind == HF_PACKET_ND, asks = p->neigh_op == HF_NEIGH_ASKS;
	if (mac_eq(p->eth_src, h->mac)) /* the wire shows us what we said */
		return nd ? HF_NET_ND_IGNORED : HF_NET_ARP_IGNORED;
	if (is_ours(h, p->vlan, &p->src))
		return nd ? HF_NET_ND_CONFLICT : HF_NET_ARP_CONFLICT;
	if (is_gateway(h, g, p)) {
		memcpy(g->mac, p->eth_src, sizeof(g->mac));
		g->known = true;
		if (!asks)
			return nd ? HF_NET_ND_LEARNED : HF_NET_ARP_LEARNED;
	}
	if (!asks || !is_ours(h, p->vlan, &p->dst))
		return nd ? HF_NET_ND_IGNORED : HF_NET_ARP_IGNORED;
	if (!out)
		return HF_NET_NO_TX_FRAME;
	tell(h, p, out);
	return nd ? HF_NET_ND_REPLIED : HF_NET_ARP_REPLIED;
}

/* RFC 1122 3.2.2.6, 4443 4.2: all data of the request comes back, from the address that was asked. */
static enum hf_net_verdict reply_echo(
	const struct hf_net_host *h, const struct hf_packet *p, struct hf_frame *out)
{
	bool v4 = hf_addr_is_v4(&p->src);
	struct hf_wire_ip ip = {&p->dst, &p->src, v4 ? HF_IP_ICMP : HF_IP_ICMP6, HF_HOPS_FAR};
	size_t ip_len = hf_wire_ip_len(&p->src) + ICMP_HDR_LEN + p->payload.len;
	struct hf_writer w;
	if (!out)
		return HF_NET_NO_TX_FRAME;
	if (ip_len > h->mtu || hf_wire_eth_len(p->vlan) + ip_len > out->cap)
		return HF_NET_ECHO_TOO_LONG;
	w = hf_writer(out->data, out->cap);
	begin_icmp(&w, &(struct hf_wire_link){p->eth_src, h->mac, p->vlan}, &ip,
		v4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY, p->payload.len);
	hf_writer_span(&w, p->payload);
	end_icmp(&w, &ip, p->payload.len, out);
	return HF_NET_ECHO_REPLIED;
}

/* At once: of many listeners each should wait a moment (RFC 3810 6.2), but we are one. */
static enum hf_net_verdict reply_groups(
	struct hf_net_host *h, const struct hf_packet *p, struct hf_frame *out)
{
	uint32_t any = 0;
	for (uint32_t i = 0; i < HF_MIN(h->addr_cnt, 32u); i++)
		any |= (uint32_t)has_group(h, i, p->vlan) << i;
	if (!any)
		return HF_NET_ICMP_IGNORED;
	if (p->groups_1) {
		h->report |= any;
		return HF_NET_MLD_REPLIED;
	}
	if (!out)
		return HF_NET_NO_TX_FRAME;
	build_groups(h, p->vlan, MLD_IS_EXCLUDE, out);
	return HF_NET_MLD_REPLIED;
}

enum hf_net_verdict hf_net_reply(
	struct hf_net_host *h, const struct hf_packet *p, struct hf_frame *out)
{
	if (out)
		out->len = 0;
	if (p->kind == HF_PACKET_ECHO)
		return reply_echo(h, p, out);
	if (p->kind == HF_PACKET_GROUPS)
		return reply_groups(h, p, out);
	HF_ASSERT(p->kind == HF_PACKET_ARP || p->kind == HF_PACKET_ND);
	return reply_neighbour(h, p, out);
}

/* ---- questions and announcements ---- */
void hf_net_ask(const struct hf_net_host *h, const struct hf_net_gateway *g, struct hf_frame *out)
{
	const struct hf_net_addr *from = &h->addr[g->from];
	struct hf_addr group = hf_addr_solicited(&g->ip);
	HF_ASSERT(h->addr_cnt > g->from);
	if (hf_addr_is_v4(&g->ip))
		build_arp(h, from->vlan, ARP_REQUEST, &from->ip, broadcast, &g->ip, out);
	else
		build_nd(h,
			&(struct nd){HF_ND_SOLICIT, 0, &from->ip, &group, &g->ip, NULL, from->vlan},
			out);
}

void hf_net_announce(const struct hf_net_host *h, uint32_t i, struct hf_frame *out)
{
	const struct hf_net_addr *a = &h->addr[i];
	if (hf_addr_is_v4(&a->ip))
		build_arp(h, a->vlan, ARP_REQUEST, &a->ip, broadcast, &a->ip, out);
	else
		build_nd(h,
			&(struct nd){HF_ND_ADVERTISE, HF_ND_OVERRIDE, &a->ip, &all_nodes, &a->ip,
				NULL, a->vlan},
			out);
}

void hf_net_join(const struct hf_net_host *h, uint32_t i, struct hf_frame *out)
{
	build_groups(h, h->addr[i].vlan, MLD_TO_EXCLUDE, out);
}

void hf_net_report(const struct hf_net_host *h, uint32_t i, struct hf_frame *out)
{
	struct hf_addr group = hf_addr_solicited(&h->addr[i].ip);
	struct hf_wire_ip ip = {.dst = &group};
	struct hf_writer w = hf_writer(out->data, out->cap);
	size_t len = MLD_BODY_LEN + sizeof(group.b);
	begin_report(&w, h, h->addr[i].vlan, &ip, ICMP6_LISTENER_REPORT1, len);
	hf_writer_u32(&w, 0);
	hf_writer_bytes(&w, group.b, sizeof(group.b));
	end_icmp(&w, &ip, len, out);
}

void hf_net_probe(const struct hf_net_host *h, uint32_t i, struct hf_frame *out)
{
	const struct hf_net_addr *a = &h->addr[i];
	struct hf_addr group = hf_addr_solicited(&a->ip);
	build_nd(h, &(struct nd){HF_ND_SOLICIT, 0, &unnamed, &group, &a->ip, NULL, a->vlan}, out);
}
