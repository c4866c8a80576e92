/* parse.c -- one function per header, outermost first; each checks all of its own fields before it
 * hands the bytes behind it to the next. What an IP header encloses is told apart by protocol in
 * parse_ip_payload, which sees 16-byte addresses only: IPv6 needs a parse_ip6 beside parse_ip4 and
 * a line in the table of Ethernet types, nothing else. */
#include "lib/net/parse.h"
#include "lib/net/checksum.h"

#define ARP_HTYPE_ETHERNET 1u
#define IP4_FRAGMENT_MASK 0x3fffu /* more-fragments flag and offset (RFC 791 3.1) */
#define IP4_OFFSET_MASK 0x1fffu
#define ICMP_ECHO_REQUEST 8u
#define ICMP_UNREACHABLE 3u
#define ICMP_TOO_BIG 4u /* code: fragmentation needed and DF set */

/* What the header parsers need to know beside the bytes. */
struct context {
	bool verify; /* checksums of IP header and TCP */
	struct hf_packet *out;
};

static bool csum_is_good(uint32_t sum)
{
	return hf_csum_finish(sum) == 0;
}

/* RFC 9293 3.1 */
static enum hf_net_verdict parse_tcp(struct hf_span segment, const struct context *c)
{
	struct hf_reader r = hf_reader_of(segment);
	struct hf_packet *out = c->out;
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
	if (c->verify &&
		!csum_is_good(hf_csum_pseudo(&out->src, &out->dst, HF_IP_TCP, segment.len) +
			      hf_csum(segment.p, segment.len)))
		return HF_NET_TCP_BAD_SUM;
	out->payload = hf_span(r.p, hf_reader_left(&r));
	return HF_NET_OK;
}

static struct hf_addr addr_of_ip4(struct hf_span s)
{
	return hf_addr_v4(
		(uint32_t)s.p[0] << 24 | (uint32_t)s.p[1] << 16 | (uint32_t)s.p[2] << 8 | s.p[3]);
}

/* RFC 792: behind the message's header the IP header of what was too big and 8 bytes of its payload;
 * RFC 1191 4: where the next hop's MTU is. It must be ours to be of interest, and it must have been
 * sent from where the message arrives. */
static enum hf_net_verdict parse_too_big(struct hf_reader *r, const struct context *c)
{
	struct hf_packet *out = c->out;
	struct hf_span src, dst;
	struct hf_addr arrived_at = out->dst;
	uint8_t version_ihl, proto;
	uint16_t fragment;
	if (hf_reader_skip(r, 2) || hf_reader_u16(r, &out->mtu) || hf_reader_u8(r, &version_ihl) ||
		hf_reader_skip(r, 5) || hf_reader_u16(r, &fragment) || hf_reader_skip(r, 1) ||
		hf_reader_u8(r, &proto) || hf_reader_skip(r, 2) || hf_reader_bytes(r, 4, &src) ||
		hf_reader_bytes(r, 4, &dst))
		return HF_NET_ICMP_QUOTE;
	if (version_ihl >> 4 != 4 || (version_ihl & 15) * 4u < HF_IP4_HDR_LEN ||
		hf_reader_skip(r, (version_ihl & 15) * 4u - HF_IP4_HDR_LEN) ||
		fragment & IP4_OFFSET_MASK || proto != HF_IP_TCP || hf_reader_u16(r, &out->dport) ||
		hf_reader_u16(r, &out->sport) || hf_reader_u32(r, &out->seq))
		return HF_NET_ICMP_QUOTE;
	out->kind = HF_PACKET_TOO_BIG;
	out->src = addr_of_ip4(dst);
	out->dst = addr_of_ip4(src);
	return hf_addr_eq(&out->dst, &arrived_at) ? HF_NET_OK : HF_NET_ICMP_QUOTE;
}

/* RFC 792. Devices do not look into ICMP, so its checksum is always ours to verify. */
static enum hf_net_verdict parse_icmp(struct hf_span message, const struct context *c)
{
	struct hf_reader r = hf_reader_of(message);
	uint8_t type, code;
	if (hf_reader_u8(&r, &type) || hf_reader_u8(&r, &code) || hf_reader_skip(&r, 2) ||
		hf_reader_left(&r) < 4 || !csum_is_good(hf_csum(message.p, message.len)))
		return HF_NET_ICMP_BAD_SUM;
	if (type == ICMP_UNREACHABLE && code == ICMP_TOO_BIG)
		return parse_too_big(&r, c);
	if (type != ICMP_ECHO_REQUEST || code != 0)
		return HF_NET_ICMP_IGNORED;
	c->out->kind = HF_PACKET_ECHO;
	c->out->payload = hf_span(r.p, hf_reader_left(&r));
	return HF_NET_OK;
}

static enum hf_net_verdict parse_ip_payload(
	uint8_t proto, struct hf_span payload, const struct context *c)
{
	switch (proto) {
	case HF_IP_TCP:
		return parse_tcp(payload, c);
	case HF_IP_ICMP:
		return parse_icmp(payload, c);
	default:
		return HF_NET_IP_PROTOCOL;
	}
}

/* RFC 1122 3.2.1.3: "this host", loopback, multicast, reserved, broadcast: nobody's source. */
static bool ip4_is_host(const uint8_t addr[4])
{
	return addr[0] != 0 && addr[0] != 127 && addr[0] < 224;
}

/* RFC 791 3.1. Options are skipped unread; bytes behind total_len are Ethernet's padding. */
static enum hf_net_verdict parse_ip4(struct hf_reader *r, const struct context *c)
{
	const uint8_t *hdr = r->p;
	size_t hdr_len;
	struct hf_span src, dst, payload;
	uint8_t version_ihl, proto;
	uint16_t total_len, fragment;
	if (hf_reader_u8(r, &version_ihl) || hf_reader_skip(r, 1) || hf_reader_u16(r, &total_len) ||
		hf_reader_skip(r, 2) || hf_reader_u16(r, &fragment) || hf_reader_skip(r, 1) ||
		hf_reader_u8(r, &proto) || hf_reader_skip(r, 2) || hf_reader_bytes(r, 4, &src) ||
		hf_reader_bytes(r, 4, &dst))
		return HF_NET_IP_HEADER;
	hdr_len = (size_t)(version_ihl & 15) * 4;
	if (version_ihl >> 4 != 4 || hdr_len < HF_IP4_HDR_LEN ||
		hf_reader_skip(r, hdr_len - HF_IP4_HDR_LEN))
		return HF_NET_IP_HEADER;
	if (c->verify && !csum_is_good(hf_csum(hdr, hdr_len)))
		return HF_NET_IP_BAD_SUM;
	if (total_len < hdr_len || hf_reader_bytes(r, total_len - hdr_len, &payload))
		return HF_NET_IP_LENGTH;
	if (fragment & IP4_FRAGMENT_MASK)
		return HF_NET_IP_FRAGMENT;
	if (!ip4_is_host(src.p))
		return HF_NET_IP_SOURCE;
	c->out->src = addr_of_ip4(src);
	c->out->dst = addr_of_ip4(dst);
	return parse_ip_payload(proto, payload, c);
}

/* RFC 826 with Ethernet and IPv4. Hosts read the sender from the body, not from the frame. */
static enum hf_net_verdict parse_arp(struct hf_reader *r, const struct context *c)
{
	struct hf_packet *out = c->out;
	uint16_t htype, ptype;
	uint8_t hlen, plen;
	struct hf_span sha, spa, tpa;
	if (hf_reader_u16(r, &htype) || hf_reader_u16(r, &ptype) || hf_reader_u8(r, &hlen) ||
		hf_reader_u8(r, &plen) || hf_reader_u16(r, &out->arp_op) ||
		hf_reader_bytes(r, HF_ETH_ADDR_LEN, &sha) || hf_reader_bytes(r, 4, &spa) ||
		hf_reader_skip(r, HF_ETH_ADDR_LEN) || hf_reader_bytes(r, 4, &tpa))
		return HF_NET_ARP_MALFORMED;
	if (htype != ARP_HTYPE_ETHERNET || ptype != HF_ETHERTYPE_IP4 || hlen != HF_ETH_ADDR_LEN ||
		plen != 4 || !hf_wire_mac_is_host(sha.p))
		return HF_NET_ARP_MALFORMED;
	out->kind = HF_PACKET_ARP;
	memcpy(out->eth_src, sha.p, sizeof(out->eth_src));
	out->src = addr_of_ip4(spa);
	out->dst = addr_of_ip4(tpa);
	return HF_NET_OK;
}

enum hf_net_verdict hf_net_parse(const struct hf_frame *f, bool trust, struct hf_packet *out)
{
	struct hf_reader r = hf_reader(f->data, f->len);
	bool good = f->flags & HF_FRAME_CSUM_GOOD || (trust && !(f->flags & HF_FRAME_CSUM_BAD));
	struct context c = {.verify = !good, .out = out};
	struct hf_span dst, src;
	uint16_t type;
	memset(out, 0, sizeof(*out));
	if (hf_reader_bytes(&r, HF_ETH_ADDR_LEN, &dst) ||
		hf_reader_bytes(&r, HF_ETH_ADDR_LEN, &src) || hf_reader_u16(&r, &type))
		return HF_NET_ETH_SHORT;
	if (!hf_wire_mac_is_host(src.p))
		return HF_NET_ETH_SOURCE;
	memcpy(out->eth_dst, dst.p, sizeof(out->eth_dst));
	memcpy(out->eth_src, src.p, sizeof(out->eth_src));
	switch (type) {
	case HF_ETHERTYPE_IP4:
		return parse_ip4(&r, &c);
	case HF_ETHERTYPE_ARP:
		return parse_arp(&r, &c);
	case HF_ETHERTYPE_IP6:
		return HF_NET_IP6;
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
