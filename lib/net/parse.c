/* parse.c -- one function per header, outermost first; each checks all of its own fields before it
 * hands the bytes behind it to the next. What an IP header encloses is told apart by protocol in
 * parse_ip_payload, which sees 16-byte addresses only. ICMP of both families is in icmp.c.
 *
 * IPv6's extension headers: those that ask nothing of us are stepped over as RFC 8200 4 has it,
 * options that may be skipped (4.2: the two high bits of their type are zero), a routing header that
 * is at its end (4.4), a fragment header of a packet that is whole (RFC 6946). All else is dropped and
 * counted: fragments are never put together, for TCP needs none, and what we do not know we may not
 * skip. No errors are sent back: RFC 4443 2.4 allows that, and they would be a stranger's amplifier. */
#include "lib/net/parse_in.h"

#define ARP_HTYPE_ETHERNET 1u
#define ARP_REQUEST 1u
#define ARP_REPLY 2u
#define VLAN_ID_MASK 0x0fffu      /* IEEE 802.1Q 9.6: the rest is priority */
#define IP4_FRAGMENT_MASK 0x3fffu /* more-fragments flag and offset (RFC 791 3.1) */
#define IP6_FRAGMENT_MASK 0xfff9u /* offset and more-fragments flag (RFC 8200 4.5) */
#define IP6_EXTENSION_UNIT 8u
#define IP6_OPTION_MUST_KNOW 0xc0u
#define IP6_EXTENSION_MAX 8u /* RFC 8504 5.3: a host may bound the chain */

/* RFC 9293 3.1 */
static enum hf_net_verdict parse_tcp(struct hf_span segment, const struct hf_net_in *in)
{
	struct hf_reader r = hf_reader_of(segment);
	struct hf_packet *out = in->out;
	uint8_t offset;
	size_t hdr_len;
	out->kind = HF_PACKET_TCP;
	if (hf_reader_u16(&r, &out->sport) || hf_reader_u16(&r, &out->dport) ||
		hf_reader_u32(&r, &out->seq) || hf_reader_u32(&r, &out->ack) ||
		hf_reader_u8(&r, &offset) || hf_reader_u8(&r, &out->tcp_flags) ||
		hf_reader_u16(&r, &out->window) || hf_reader_skip(&r, 4)) /* checksum, urgent */
		return HF_NET_TCP_HEADER;
	hdr_len = (size_t)(offset >> 4) * 4;
	if (hdr_len < HF_TCP_HDR_LEN ||
		hf_reader_bytes(&r, hdr_len - HF_TCP_HDR_LEN, &out->options))
		return HF_NET_TCP_HEADER;
	if (in->verify &&
		!hf_net_csum_is_good(hf_csum_pseudo(&out->src, &out->dst, HF_IP_TCP, segment.len) +
				     hf_csum(segment.p, segment.len)))
		return HF_NET_TCP_BAD_SUM;
	out->payload = hf_span(r.p, hf_reader_left(&r));
	return HF_NET_OK;
}

static enum hf_net_verdict parse_ip_payload(
	uint8_t proto, struct hf_span payload, const struct hf_net_in *in)
{
	bool v4 = hf_addr_is_v4(&in->arrived_at);
	if (proto == HF_IP_TCP)
		return parse_tcp(payload, in);
	if (proto == HF_IP_ICMP && v4)
		return hf_net_parse_icmp4(payload, in);
	if (proto == HF_IP_ICMP6 && !v4)
		return hf_net_parse_icmp6(payload, in);
	return HF_NET_IP_PROTOCOL;
}

/* RFC 1122 3.2.1.3: "this host", loopback, multicast, reserved, broadcast: nobody's source. */
static bool ip4_is_host(const uint8_t addr[4])
{
	return addr[0] != 0 && addr[0] != 127 && addr[0] < 224;
}

/* RFC 791 3.1. Options are skipped unread; bytes behind total_len are Ethernet's padding. */
static enum hf_net_verdict parse_ip4(struct hf_reader *r, struct hf_net_in *in)
{
	const uint8_t *hdr = r->p;
	size_t hdr_len;
	struct hf_span src, dst, payload;
	uint8_t version_ihl, proto;
	uint16_t total_len, fragment;
	if (hf_reader_u8(r, &version_ihl) || hf_reader_skip(r, 1) || hf_reader_u16(r, &total_len) ||
		hf_reader_skip(r, 2) || hf_reader_u16(r, &fragment) || hf_reader_u8(r, &in->hops) ||
		hf_reader_u8(r, &proto) || hf_reader_skip(r, 2) || hf_reader_bytes(r, 4, &src) ||
		hf_reader_bytes(r, 4, &dst))
		return HF_NET_IP_HEADER;
	hdr_len = (size_t)(version_ihl & 15) * 4;
	if (version_ihl >> 4 != 4 || hdr_len < HF_IP4_HDR_LEN ||
		hf_reader_skip(r, hdr_len - HF_IP4_HDR_LEN))
		return HF_NET_IP_HEADER;
	if (in->verify && !hf_net_csum_is_good(hf_csum(hdr, hdr_len)))
		return HF_NET_IP_BAD_SUM;
	if (total_len < hdr_len || hf_reader_bytes(r, total_len - hdr_len, &payload))
		return HF_NET_IP_LENGTH;
	if (fragment & IP4_FRAGMENT_MASK)
		return HF_NET_IP_FRAGMENT;
	if (!ip4_is_host(src.p))
		return HF_NET_IP_SOURCE;
	in->out->src = hf_net_addr_of(src);
	in->out->dst = in->arrived_at = hf_net_addr_of(dst);
	return parse_ip_payload(proto, payload, in);
}

/* RFC 8200 4.2; options: all of the header behind its first two bytes */
static bool options_may_be_skipped(struct hf_span options)
{
	struct hf_reader r = hf_reader_of(options);
	uint8_t type, len;
	while (!hf_reader_u8(&r, &type)) {
		if (type == 0) /* one byte of padding */
			continue;
		if (type & IP6_OPTION_MUST_KNOW || hf_reader_u8(&r, &len) ||
			hf_reader_skip(&r, len))
			return false;
	}
	return true;
}

/* Steps over one extension header; *next becomes what is behind it. */
static enum hf_net_verdict skip_extension(struct hf_reader *r, uint8_t *next, struct hf_net_in *in)
{
	uint8_t kind = *next, units;
	struct hf_span body; /* behind the first two bytes */
	if (hf_reader_u8(r, next) || hf_reader_u8(r, &units))
		return HF_NET_IP_HEADER;
	if (kind == HF_IP_FRAGMENT)
		units = 0; /* the field is reserved there */
	if (hf_reader_bytes(r, (units + 1u) * IP6_EXTENSION_UNIT - 2, &body))
		return HF_NET_IP_HEADER;
	if (kind == HF_IP_FRAGMENT) {
		in->pieced = true;
		return (body.p[0] << 8 | body.p[1]) & (int)IP6_FRAGMENT_MASK ? HF_NET_IP_FRAGMENT
									     : HF_NET_OK;
	}
	if (kind == HF_IP_ROUTING) /* type, segments left */
		return body.p[1] == 0 ? HF_NET_OK : HF_NET_IP_EXTENSION;
	return options_may_be_skipped(body) ? HF_NET_OK : HF_NET_IP_EXTENSION;
}

/* Hop-by-hop options come first or not at all (RFC 8200 4.1). */
static enum hf_net_verdict skip_extensions(struct hf_reader *r, uint8_t *next, struct hf_net_in *in)
{
	enum hf_net_verdict v = HF_NET_OK;
	for (uint32_t i = 0; v == HF_NET_OK; i++) {
		bool known = *next == HF_IP_OPTIONS || *next == HF_IP_ROUTING ||
			     *next == HF_IP_FRAGMENT || (*next == HF_IP_HOP_OPTIONS && i == 0);
		if (!known)
			return *next == HF_IP_HOP_OPTIONS ? HF_NET_IP_EXTENSION : HF_NET_OK;
		v = i < IP6_EXTENSION_MAX ? skip_extension(r, next, in) : HF_NET_IP_EXTENSION;
	}
	return v;
}

/* RFC 4291 2.5.3, 2.7: loopback and groups are nobody's source. Nor is an address of the form that
 * IPv4 has here: who came with it would be taken for another (RFC 4291 2.5.5.2 knows it inside of
 * hosts only). The unspecified address is: of who does not know his own yet, see parse_ip6. */
static bool ip6_is_host(const struct hf_addr *a)
{
	static const struct hf_addr loopback = {{[15] = 1}};
	return !hf_addr_is_multicast6(a) && !hf_addr_eq(a, &loopback) && !hf_addr_is_v4(a);
}

/* RFC 8200 3. There is no sum of the header; bytes behind the payload are Ethernet's padding. */
static enum hf_net_verdict parse_ip6(struct hf_reader *r, struct hf_net_in *in)
{
	struct hf_packet *out = in->out;
	struct hf_span src, dst, payload;
	uint32_t version;
	uint16_t payload_len;
	uint8_t next;
	struct hf_reader p;
	enum hf_net_verdict v;
	if (hf_reader_u32(r, &version) || hf_reader_u16(r, &payload_len) ||
		hf_reader_u8(r, &next) || hf_reader_u8(r, &in->hops) ||
		hf_reader_bytes(r, 16, &src) || hf_reader_bytes(r, 16, &dst) || version >> 28 != 6)
		return HF_NET_IP_HEADER;
	if (hf_reader_bytes(r, payload_len, &payload))
		return HF_NET_IP_LENGTH;
	out->src = hf_net_addr_of(src);
	out->dst = in->arrived_at = hf_net_addr_of(dst);
	if (!ip6_is_host(&out->src))
		return HF_NET_IP_SOURCE;
	if (hf_addr_is_v4(&out->dst))
		return HF_NET_NOT_OUR_ADDR;
	p = hf_reader_of(payload);
	v = skip_extensions(&p, &next, in);
	if (v != HF_NET_OK)
		return v;
	if (next != HF_IP_ICMP6 && hf_addr_is_none(&out->src))
		return HF_NET_IP_SOURCE;
	return parse_ip_payload(next, hf_span(p.p, hf_reader_left(&p)), in);
}

/* RFC 826 with Ethernet and IPv4. Hosts read the sender from the body, not from the frame. */
static enum hf_net_verdict parse_arp(struct hf_reader *r, const struct hf_net_in *in)
{
	struct hf_packet *out = in->out;
	uint16_t htype, ptype, op;
	uint8_t hlen, plen;
	struct hf_span sha, spa, tpa;
	if (hf_reader_u16(r, &htype) || hf_reader_u16(r, &ptype) || hf_reader_u8(r, &hlen) ||
		hf_reader_u8(r, &plen) || hf_reader_u16(r, &op) ||
		hf_reader_bytes(r, HF_ETH_ADDR_LEN, &sha) || hf_reader_bytes(r, 4, &spa) ||
		hf_reader_skip(r, HF_ETH_ADDR_LEN) || hf_reader_bytes(r, 4, &tpa))
		return HF_NET_ARP_MALFORMED;
	if (htype != ARP_HTYPE_ETHERNET || ptype != HF_ETHERTYPE_IP4 || hlen != HF_ETH_ADDR_LEN ||
		plen != 4 || !hf_wire_mac_is_host(sha.p))
		return HF_NET_ARP_MALFORMED;
	out->kind = HF_PACKET_ARP;
	out->neigh_op = op == ARP_REQUEST ? HF_NEIGH_ASKS
			: op == ARP_REPLY ? HF_NEIGH_TELLS
					  : HF_NEIGH_OTHER;
	memcpy(out->eth_src, sha.p, sizeof(out->eth_src));
	out->src = hf_net_addr_of(spa);
	out->dst = hf_net_addr_of(tpa);
	return HF_NET_OK;
}

/* IEEE 802.1Q 9.6. Number 0 is a tag for its priority alone; a tag behind it is one too many. */
static int parse_vlan(struct hf_reader *r, uint16_t *type, struct hf_packet *out)
{
	uint16_t tag;
	if (*type != HF_ETHERTYPE_VLAN)
		return 0;
	if (hf_reader_u16(r, &tag) || hf_reader_u16(r, type))
		return -1;
	out->vlan = tag & VLAN_ID_MASK;
	return 0;
}

enum hf_net_verdict hf_net_parse(const struct hf_frame *f, bool trust, struct hf_packet *out)
{
	struct hf_reader r = hf_reader(f->data, f->len);
	bool good = f->flags & HF_FRAME_CSUM_GOOD || (trust && !(f->flags & HF_FRAME_CSUM_BAD));
	struct hf_net_in in = {.verify = !good, .out = out};
	struct hf_span dst, src;
	uint16_t type;
	memset(out, 0, sizeof(*out));
	if (hf_reader_bytes(&r, HF_ETH_ADDR_LEN, &dst) ||
		hf_reader_bytes(&r, HF_ETH_ADDR_LEN, &src) || hf_reader_u16(&r, &type) ||
		parse_vlan(&r, &type, out))
		return HF_NET_ETH_SHORT;
	if (!hf_wire_mac_is_host(src.p))
		return HF_NET_ETH_SOURCE;
	memcpy(out->eth_dst, dst.p, sizeof(out->eth_dst));
	memcpy(out->eth_src, src.p, sizeof(out->eth_src));
	switch (type) {
	case HF_ETHERTYPE_IP4:
		return parse_ip4(&r, &in);
	case HF_ETHERTYPE_ARP:
		return parse_arp(&r, &in);
	case HF_ETHERTYPE_IP6:
		return parse_ip6(&r, &in);
	case HF_ETHERTYPE_VLAN:
	case HF_ETHERTYPE_QINQ:
		return HF_NET_VLAN;
	default:
		return HF_NET_ETHERTYPE;
	}
}

static const char *const verdict_name[HF_NET_VERDICT_CNT] = {
	"ok",
#define HF_NET_OUTCOME(id, name, help) name,
#include "lib/net/outcome.def"
#undef HF_NET_OUTCOME
};

const char *hf_net_verdict_name(enum hf_net_verdict v)
{
	return (uint32_t)v < HF_NET_VERDICT_CNT ? verdict_name[v] : "?";
}

static const struct hf_stat_row net_row[] = {
#define HF_COUNTER(name, help) {#name, help, HF_STAT_COUNTER, offsetof(struct hf_net_stats, name)},
#include "lib/net/stats.def"
#undef HF_COUNTER
#define HF_NET_OUTCOME(id, name, help) \
	{name, help, HF_STAT_COUNTER, offsetof(struct hf_net_stats, outcome[HF_NET_##id])},
#include "lib/net/outcome.def"
#undef HF_NET_OUTCOME
};

const struct hf_stat_table hf_net_stat_table = {"net", net_row, HF_ARRAY_LEN(net_row)};
