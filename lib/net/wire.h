/* wire.h -- the headers as they are on the wire: sizes, numbers, and the builders that reply.c and
 * tcp_emit.c share. Readers of these headers are in parse.c. All multi-byte fields are big endian.
 * Specs: IEEE 802.3, RFC 826 (ARP), 791 (IPv4), 792 (ICMP), 9293 (TCP). */
#ifndef HF_NET_WIRE_H
#define HF_NET_WIRE_H

#include "lib/base/span.h"

#define HF_ETH_ADDR_LEN 6u
#define HF_ETH_HDR_LEN 14u
#define HF_ETH_LEN_MIN 60u /* IEEE 802.3 3.2.8: 64 octets with the FCS, which the device adds */
#define HF_IP4_HDR_LEN 20u
#define HF_TCP_HDR_LEN 20u

enum hf_ethertype {
	HF_ETHERTYPE_IP4 = 0x0800,
	HF_ETHERTYPE_ARP = 0x0806,
	HF_ETHERTYPE_VLAN = 0x8100, /* 802.1Q */
	HF_ETHERTYPE_QINQ = 0x88a8, /* 802.1ad */
	HF_ETHERTYPE_IP6 = 0x86dd,
};

enum hf_ip_proto { HF_IP_ICMP = 1, HF_IP_TCP = 6 };

enum hf_tcp_flag { /* RFC 9293 3.1 */
	HF_TCP_FIN = 0x01,
	HF_TCP_SYN = 0x02,
	HF_TCP_RST = 0x04,
	HF_TCP_PSH = 0x08,
	HF_TCP_ACK = 0x10,
	HF_TCP_URG = 0x20,
	HF_TCP_ECE = 0x40,
	HF_TCP_CWR = 0x80,
};

enum hf_tcpopt_kind { /* RFC 9293 3.2, 7323, 2018 */
	HF_TCPOPT_END = 0,
	HF_TCPOPT_NOP = 1,
	HF_TCPOPT_MSS = 2,
	HF_TCPOPT_WSCALE = 3,
	HF_TCPOPT_SACK_PERMITTED = 4,
	HF_TCPOPT_SACK = 5,
	HF_TCPOPT_TIMESTAMPS = 8,
};

/* An address that one station can have: neither a group's nor all zero (IEEE 802 8.2). */
static inline bool hf_wire_mac_is_host(const uint8_t mac[HF_ETH_ADDR_LEN])
{
	static const uint8_t zero[HF_ETH_ADDR_LEN];
	return !(mac[0] & 1) && memcmp(mac, zero, HF_ETH_ADDR_LEN) != 0;
}

/* The length of the IP header that hf_wire_eth_ip writes. */
static inline uint32_t hf_wire_ip_len(const struct hf_addr *dst)
{
	(void)dst; /* IPv6 answers otherwise once it is spoken */
	return HF_IP4_HDR_LEN;
}

void hf_wire_eth(struct hf_writer *w, const uint8_t dst[HF_ETH_ADDR_LEN],
	const uint8_t src[HF_ETH_ADDR_LEN], enum hf_ethertype type);
/* Ethernet and IP headers of a packet whose IP payload is payload_len bytes; the header checksum is
 * set. Both addresses are v4-mapped. */
void hf_wire_eth_ip(struct hf_writer *w, const uint8_t dst_mac[HF_ETH_ADDR_LEN],
	const uint8_t src_mac[HF_ETH_ADDR_LEN], const struct hf_addr *src,
	const struct hf_addr *dst, enum hf_ip_proto proto, size_t payload_len);

#endif
