/* icmp.c -- what comes in ICMP and ICMPv6: echo requests, neighbours, queries for listeners, and errors about
 * segments of ours.
 * An error is worth what it quotes: tcp believes none whose segment is not in flight (RFC 5927), so
 * who sent it does not matter, but that it reaches the address the quoted segment came from does.
 * A neighbour's word counts only when no router can have carried it: its hop limit is still 255. */
#include "lib/net/parse_in.h"

#define ICMP4_ECHO_REQUEST 8u
#define ICMP4_UNREACHABLE 3u
#define ICMP4_TOO_BIG 4u /* code: fragmentation needed and DF set */
#define ICMP4_TIME 11u
#define ICMP4_PARAMETER 12u
#define IP4_OFFSET_MASK 0x1fffu

#define ICMP6_UNREACHABLE 1u
#define ICMP6_TOO_BIG 2u
#define ICMP6_TIME 3u
#define ICMP6_PARAMETER 4u
#define ICMP6_ECHO_REQUEST 128u
#define ICMP6_LISTENER_QUERY 130u
#define MLD_QUERY_LEN 28u  /* at least: RFC 3810 5.1 */
#define MLD_QUERY1_LEN 24u /* exactly: RFC 2710 3, 3810 8.1 */

#define ND_OPTION_SOURCE 1u /* link-layer address of who asks */
#define ND_OPTION_TARGET 2u /* of who tells */
#define ND_OPTION_UNIT 8u

/* ---- errors: the IP header of what was sent and at least 8 bytes of its payload (RFC 792, 4443) ---- */
static enum hf_net_verdict parse_quoted_tcp(
	struct hf_reader *r, struct hf_span src, struct hf_span dst, const struct hf_net_in *in)
{
	struct hf_packet *out = in->out;
	if (hf_reader_u16(r, &out->dport) || hf_reader_u16(r, &out->sport) ||
		hf_reader_u32(r, &out->seq))
		return HF_NET_ICMP_QUOTE;
	out->src = hf_net_addr_of(dst);
	out->dst = hf_net_addr_of(src);
	return hf_addr_eq(&out->dst, &in->arrived_at) ? HF_NET_OK : HF_NET_ICMP_QUOTE;
}

static enum hf_net_verdict parse_quote4(struct hf_reader *r, const struct hf_net_in *in)
{
	struct hf_span src, dst;
	uint8_t version_ihl, proto;
	uint16_t fragment;
	if (hf_reader_u8(r, &version_ihl) || hf_reader_skip(r, 5) || hf_reader_u16(r, &fragment) ||
		hf_reader_skip(r, 1) || hf_reader_u8(r, &proto) || hf_reader_skip(r, 2) ||
		hf_reader_bytes(r, 4, &src) || hf_reader_bytes(r, 4, &dst))
		return HF_NET_ICMP_QUOTE;
	if (version_ihl >> 4 != 4 || (version_ihl & 15) * 4u < HF_IP4_HDR_LEN ||
		hf_reader_skip(r, (version_ihl & 15) * 4u - HF_IP4_HDR_LEN) ||
		fragment & IP4_OFFSET_MASK || proto != HF_IP_TCP)
		return HF_NET_ICMP_QUOTE;
	return parse_quoted_tcp(r, src, dst, in);
}

/* Segments of ours have no extension headers. */
static enum hf_net_verdict parse_quote6(struct hf_reader *r, const struct hf_net_in *in)
{
	struct hf_span src, dst;
	uint32_t version;
	uint8_t next;
	if (hf_reader_u32(r, &version) || hf_reader_skip(r, 2) || hf_reader_u8(r, &next) ||
		hf_reader_skip(r, 1) || hf_reader_bytes(r, 16, &src) ||
		hf_reader_bytes(r, 16, &dst))
		return HF_NET_ICMP_QUOTE;
	if (version >> 28 != 6 || next != HF_IP_TCP)
		return HF_NET_ICMP_QUOTE;
	return parse_quoted_tcp(r, src, dst, in);
}

static enum hf_net_verdict about_ours(
	enum hf_packet_kind kind, enum hf_net_verdict v, const struct hf_net_in *in)
{
	in->out->kind = kind;
	return v;
}

/* ---- ICMP (RFC 792). Devices do not look into it, so its checksum is always ours to verify. ---- */
enum hf_net_verdict hf_net_parse_icmp4(struct hf_span message, const struct hf_net_in *in)
{
	struct hf_reader r = hf_reader_of(message);
	uint8_t type, code;
	if (hf_reader_u8(&r, &type) || hf_reader_u8(&r, &code) || hf_reader_skip(&r, 2) ||
		hf_reader_left(&r) < 4 || !hf_net_csum_is_good(hf_csum(message.p, message.len)))
		return HF_NET_ICMP_BAD_SUM;
	if (type == ICMP4_ECHO_REQUEST && code == 0) {
		in->out->payload = hf_span(r.p, hf_reader_left(&r));
		return about_ours(HF_PACKET_ECHO, HF_NET_OK, in);
	}
	if (type == ICMP4_UNREACHABLE && code == ICMP4_TOO_BIG) {
		if (hf_reader_skip(&r, 2) || hf_reader_u16(&r, &in->out->mtu)) /* RFC 1191 4 */
			return HF_NET_ICMP_QUOTE;
		return about_ours(HF_PACKET_TOO_BIG, parse_quote4(&r, in), in);
	}
	if (type != ICMP4_UNREACHABLE && type != ICMP4_TIME && type != ICMP4_PARAMETER)
		return HF_NET_ICMP_IGNORED;
	if (hf_reader_skip(&r, 4))
		return HF_NET_ICMP_QUOTE;
	return about_ours(HF_PACKET_ICMP_ERROR, parse_quote4(&r, in), in);
}

/* ---- neighbours (RFC 4861) ---- */
/* 4.6: every option says how long it is, none is of no length. Of the kind that is looked for, the
 * address; without it, who sent the frame is meant. Returns 1 when there is one, -1 when it is wrong. */
static int parse_nd_options(struct hf_reader *r, uint8_t kind, struct hf_packet *out)
{
	struct hf_span value;
	uint8_t type, units;
	int found = 0;
	while (hf_reader_left(r) > 0) {
		if (hf_reader_u8(r, &type) || hf_reader_u8(r, &units) || units == 0 ||
			hf_reader_bytes(r, units * ND_OPTION_UNIT - 2u, &value))
			return -1;
		if (type != kind)
			continue;
		if (units != 1 || !hf_wire_mac_is_host(value.p))
			return -1;
		memcpy(out->eth_src, value.p, sizeof(out->eth_src));
		found = 1;
	}
	return found;
}

/* 7.1.1, 7.1.2; RFC 6980: never in fragments, not even a single one. In a packet a solicitation is what
 * an ARP request is, an advertisement what a reply is. */
static enum hf_net_verdict parse_nd(
	uint8_t type, uint8_t code, struct hf_reader *r, const struct hf_net_in *in)
{
	struct hf_packet *out = in->out;
	bool asks = type == HF_ND_SOLICIT, unnamed = hf_addr_is_none(&out->src);
	struct hf_span span;
	struct hf_addr target;
	uint32_t flags;
	int named;
	if (in->hops != HF_HOPS_NEXT || in->pieced || code != 0)
		return HF_NET_ND_MALFORMED;
	if (hf_reader_u32(r, &flags) || hf_reader_bytes(r, sizeof(target.b), &span))
		return HF_NET_ND_MALFORMED;
	target = hf_net_addr_of(span);
	named = parse_nd_options(r, asks ? ND_OPTION_SOURCE : ND_OPTION_TARGET, out);
	if (hf_addr_is_multicast6(&target) || hf_addr_is_v4(&target) || named < 0)
		return HF_NET_ND_MALFORMED;
	if (asks && unnamed && (named || !hf_addr_is_solicited(&in->arrived_at)))
		return HF_NET_ND_MALFORMED;
	if (!asks &&
		(unnamed || (hf_addr_is_multicast6(&in->arrived_at) && flags & HF_ND_SOLICITED)))
		return HF_NET_ND_MALFORMED;
	out->kind = HF_PACKET_ND;
	out->neigh_op = asks ? HF_NEIGH_ASKS : HF_NEIGH_TELLS;
	out->neigh_weak = !asks && !(flags & HF_ND_OVERRIDE);
	if (asks)
		out->dst = target;
	else
		out->src = target;
	return HF_NET_OK;
}

/* RFC 3810 5.1, 5.1.14, 6.2, 2710 3: from a router on the link, of either version. */
static enum hf_net_verdict parse_query(size_t len, const struct hf_net_in *in)
{
	if (in->hops != HF_HOPS_NONE || !hf_addr_is_link_local(&in->out->src) ||
		(len < MLD_QUERY_LEN && len != MLD_QUERY1_LEN))
		return HF_NET_ICMP_IGNORED;
	in->out->groups_1 = len == MLD_QUERY1_LEN;
	return about_ours(HF_PACKET_GROUPS, HF_NET_OK, in);
}

/* RFC 4443 2.3: its sum covers the pseudo header, too. */
enum hf_net_verdict hf_net_parse_icmp6(struct hf_span message, const struct hf_net_in *in)
{
	struct hf_reader r = hf_reader_of(message);
	struct hf_packet *out = in->out;
	uint32_t mtu, sum = hf_csum_pseudo(&out->src, &out->dst, HF_IP_ICMP6, message.len);
	uint8_t type, code;
	if (hf_reader_u8(&r, &type) || hf_reader_u8(&r, &code) || hf_reader_skip(&r, 2) ||
		hf_reader_left(&r) < 4 ||
		!hf_net_csum_is_good(sum + hf_csum(message.p, message.len)))
		return HF_NET_ICMP_BAD_SUM;
	if (type == HF_ND_SOLICIT || type == HF_ND_ADVERTISE)
		return parse_nd(type, code, &r, in);
	if (hf_addr_is_none(&out->src))
		return HF_NET_IP_SOURCE;
	if (type == ICMP6_ECHO_REQUEST && code == 0) {
		out->payload = hf_span(r.p, hf_reader_left(&r));
		return about_ours(HF_PACKET_ECHO, HF_NET_OK, in);
	}
	if (type == ICMP6_LISTENER_QUERY)
		return parse_query(message.len, in);
	if (hf_reader_u32(&r, &mtu))
		return HF_NET_ICMP_BAD_SUM;
	if (type == ICMP6_TOO_BIG) {
		out->mtu = (uint16_t)HF_MIN(mtu, (uint32_t)UINT16_MAX);
		return about_ours(HF_PACKET_TOO_BIG, parse_quote6(&r, in), in);
	}
	if (type == ICMP6_UNREACHABLE || type == ICMP6_TIME || type == ICMP6_PARAMETER)
		return about_ours(HF_PACKET_ICMP_ERROR, parse_quote6(&r, in), in);
	return HF_NET_ICMP_IGNORED;
}
