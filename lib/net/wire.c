/* wire.c -- headers written field by field in the order in which they stand on the wire. Our
 * packets carry no IP options, are never fragmented and hence need no identification (RFC
 * 6864 4.1). */
#include "lib/net/wire.h"
#include "lib/net/checksum.h"

#define IP4_DONT_FRAGMENT 0x4000u
#define IP_TTL 64u /* RFC 1700; RFC 1122 3.2.1.7 asks for a value that crosses the Internet */

void hf_wire_eth(struct hf_writer *w, const uint8_t dst[HF_ETH_ADDR_LEN],
	const uint8_t src[HF_ETH_ADDR_LEN], enum hf_ethertype type)
{
	hf_writer_bytes(w, dst, HF_ETH_ADDR_LEN);
	hf_writer_bytes(w, src, HF_ETH_ADDR_LEN);
	hf_writer_u16(w, type);
}

static void write_ip4(struct hf_writer *w, const struct hf_addr *src, const struct hf_addr *dst,
	enum hf_ip_proto proto, size_t payload_len)
{
	size_t at = w->len, total_len = HF_IP4_HDR_LEN + payload_len, end;
	HF_ASSERT(total_len <= UINT16_MAX);
	hf_writer_u8(w, 4 << 4 | HF_IP4_HDR_LEN / 4);
	hf_writer_u8(w, 0); /* type of service */
	hf_writer_u16(w, (unsigned)total_len);
	hf_writer_u16(w, 0); /* identification */
	hf_writer_u16(w, IP4_DONT_FRAGMENT);
	hf_writer_u8(w, IP_TTL);
	hf_writer_u8(w, proto);
	hf_writer_u16(w, 0); /* checksum, below */
	hf_writer_bytes(w, src->b + 12, 4);
	hf_writer_bytes(w, dst->b + 12, 4);
	if (w->overflow)
		return;
	end = w->len;
	w->len = at + 10;
	hf_writer_u16(w, hf_csum_finish(hf_csum(w->p + at, HF_IP4_HDR_LEN)));
	w->len = end;
}

void hf_wire_eth_ip(struct hf_writer *w, const uint8_t dst_mac[HF_ETH_ADDR_LEN],
	const uint8_t src_mac[HF_ETH_ADDR_LEN], const struct hf_addr *src,
	const struct hf_addr *dst, enum hf_ip_proto proto, size_t payload_len)
{
	HF_ASSERT(hf_addr_is_v4(src) && hf_addr_is_v4(dst));
	hf_wire_eth(w, dst_mac, src_mac, HF_ETHERTYPE_IP4);
	write_ip4(w, src, dst, proto, payload_len);
}
