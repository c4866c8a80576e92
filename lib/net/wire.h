/* wire.h -- the headers as they are on the wire: sizes, numbers, and the builders that reply.c and
 * tcp_emit.c share. Readers of these headers are in parse.c. All multi-byte fields are big endian.
 * Specs: IEEE 802.3, 802.1Q, RFC 826 (ARP), 791 (IPv4), 792 (ICMP), 8200 (IPv6), 4443 (ICMPv6),
 * 3810 (multicast listeners), 4861 (neighbour discovery), 9293 (TCP). */
#ifndef HF_NET_WIRE_H
#define HF_NET_WIRE_H

#include "lib/base/span.h"

#define HF_ETH_ADDR_LEN 6u
#define HF_ETH_HDR_LEN 14u
#define HF_VLAN_TAG_LEN 4u
#define HF_VLAN_ID_MAX 4094u
#define HF_ETH_LEN_MIN 60u /* IEEE 802.3 3.2.8: 64 octets with the FCS, which the device adds */
#define HF_IP4_HDR_LEN 20u
#define HF_IP6_HDR_LEN 40u
#define HF_IP6_MTU_MIN 1280u /* RFC 8200 5: every link carries it */
#define HF_TCP_HDR_LEN 20u

enum hf_ethertype {
	HF_ETHERTYPE_IP4 = 0x0800,
	HF_ETHERTYPE_ARP = 0x0806,
	HF_ETHERTYPE_VLAN = 0x8100, /* 802.1Q */
	HF_ETHERTYPE_QINQ = 0x88a8, /* 802.1ad */
	HF_ETHERTYPE_IP6 = 0x86dd,
};

enum hf_ip_proto {
	HF_IP_HOP_OPTIONS = 0, /* RFC 8200 4: of IPv6, headers between the first and the payload */
	HF_IP_ICMP = 1,
	HF_IP_TCP = 6,
	HF_IP_ROUTING = 43,
	HF_IP_FRAGMENT = 44,
	HF_IP_ICMP6 = 58,
	HF_IP_OPTIONS = 60,
};

enum hf_nd_type { HF_ND_SOLICIT = 135, HF_ND_ADVERTISE = 136 }; /* RFC 4861 4.3, 4.4 */
#define HF_ND_SOLICITED 0x40000000u
#define HF_ND_OVERRIDE 0x20000000u

/* 64 crosses the Internet (RFC 1122 3.2.1.7); 255 shows that no router was crossed (RFC 4861 6.1); 1 will
 * cross none (RFC 3810 5). */
enum hf_hop_limit { HF_HOPS_NONE = 1, HF_HOPS_FAR = 64, HF_HOPS_NEXT = 255 };

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

/* RFC 4291 2.7 */
static inline bool hf_addr_is_multicast6(const struct hf_addr *a)
{
	return a->b[0] == 0xff;
}

/* RFC 4291 2.5.6 */
static inline bool hf_addr_is_link_local(const struct hf_addr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

/* The group that is asked for an address, ff02::1:ff and its last three bytes (RFC 4291 2.7.1). */
static inline struct hf_addr hf_addr_solicited(const struct hf_addr *a)
{
	return (struct hf_addr){
		{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a->b[13], a->b[14], a->b[15]}};
}

static inline bool hf_addr_is_solicited(const struct hf_addr *a)
{
	struct hf_addr group = hf_addr_solicited(a);
	return hf_addr_eq(&group, a);
}

/* The length of the IP header that hf_wire_eth_ip writes. */
static inline uint32_t hf_wire_ip_len(const struct hf_addr *dst)
{
	return hf_addr_is_v4(dst) ? HF_IP4_HDR_LEN : HF_IP6_HDR_LEN;
}

/* What stands before an IP header: from whom to whom on the wire. */
struct hf_wire_link {
	const uint8_t *dst, *src; /* [HF_ETH_ADDR_LEN] */
	uint16_t vlan;            /* 0: no tag */
};

static inline uint32_t hf_wire_eth_len(uint16_t vlan)
{
	return HF_ETH_HDR_LEN + (vlan ? HF_VLAN_TAG_LEN : 0);
}

struct hf_wire_ip {
	const struct hf_addr *src, *dst; /* of one family */
	enum hf_ip_proto proto;
	enum hf_hop_limit hops;
};

void hf_wire_eth(struct hf_writer *w, const struct hf_wire_link *link, enum hf_ethertype type);
/* Ethernet and IP headers of a packet whose IP payload is payload_len bytes; IPv4's header checksum is
 * set. */
void hf_wire_eth_ip(struct hf_writer *w, const struct hf_wire_link *link,
	const struct hf_wire_ip *ip, size_t payload_len);

#endif
