/* wire.c -- headers written field by field in the order in which they stand on the wire. Our
 * packets carry no IP options or extension headers, are never fragmented and hence need no
 * identification (RFC 6864 4.1). A VLAN tag has priority 0 (IEEE 802.1Q 6.9). */
#include "lib/net/wire.h"
#include "lib/net/checksum.h"

#define IP4_DONT_FRAGMENT 0x4000u

void hf_wire_eth(struct hf_writer *w, const struct hf_wire_link *link, enum hf_ethertype type)
{
	hf_writer_bytes(w, link->dst, HF_ETH_ADDR_LEN);
	hf_writer_bytes(w, link->src, HF_ETH_ADDR_LEN);
	if (link->vlan) {
		hf_writer_u16(w, HF_ETHERTYPE_VLAN);
		hf_writer_u16(w, link->vlan);
	}
	hf_writer_u16(w, type);
}

/* RFC 791 3.1 */
static void write_ip4(struct hf_writer *w, const struct hf_wire_ip *ip, size_t payload_len)
{
	size_t at = w->len, total_len = HF_IP4_HDR_LEN + payload_len, end;
	HF_ASSERT(total_len <= UINT16_MAX);
	hf_writer_u8(w, 4 << 4 | HF_IP4_HDR_LEN / 4);
	hf_writer_u8(w, 0); /* type of service */
	hf_writer_u16(w, (unsigned)total_len);
	hf_writer_u16(w, 0); /* identification */
	hf_writer_u16(w, IP4_DONT_FRAGMENT);
	hf_writer_u8(w, ip->hops);
	hf_writer_u8(w, ip->proto);
	hf_writer_u16(w, 0); /* checksum, below */
	hf_writer_bytes(w, ip->src->b + 12, 4);
	hf_writer_bytes(w, ip->dst->b + 12, 4);
	if (w->overflow)
		return;
	end = w->len;
	w->len = at + 10;
	hf_writer_u16(w, hf_csum_finish(hf_csum(w->p + at, HF_IP4_HDR_LEN)));
	w->len = end;
}

/* RFC 8200 3, without a flow label (RFC 6437 3 allows it) */
static void write_ip6(struct hf_writer *w, const struct hf_wire_ip *ip, size_t payload_len)
{
	HF_ASSERT(payload_len <= UINT16_MAX);
	hf_writer_u32(w, 6u << 28);
	hf_writer_u16(w, (unsigned)payload_len);
	hf_writer_u8(w, ip->proto);
	hf_writer_u8(w, ip->hops);
	hf_writer_bytes(w, ip->src->b, sizeof(ip->src->b));
	hf_writer_bytes(w, ip->dst->b, sizeof(ip->dst->b));
}

void hf_wire_eth_ip(struct hf_writer *w, const struct hf_wire_link *link,
	const struct hf_wire_ip *ip, size_t payload_len)
{
	bool v4 = hf_addr_is_v4(ip->dst);
	HF_ASSERT(hf_addr_is_v4(ip->src) == v4);
	hf_wire_eth(w, link, v4 ? HF_ETHERTYPE_IP4 : HF_ETHERTYPE_IP6);
	if (v4)
		write_ip4(w, ip, payload_len);
	else
		write_ip6(w, ip, payload_len);
}
