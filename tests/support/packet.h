/* packet.h -- frames for tests, built here byte by byte and on purpose without lib/net/wire.c: what
 * the product writes and what the tests write must agree without sharing code. */
#ifndef TESTS_SUPPORT_PACKET_H
#define TESTS_SUPPORT_PACKET_H

#include "lib/net/frame.h"

#define PACKET_CAP 2048u

struct packet_spec {
	const uint8_t *eth_dst, *eth_src; /* NULL: 02:00:00:00:00:01 <- 02:00:00:00:00:02 */
	uint32_t src, dst;                /* IPv4, host order; 0: 10.0.0.2 -> 10.0.0.1 */
	bool v6;                          /* IPv6, of these addresses; NULL: fd00::2 -> fd00::1 */
	const uint8_t *src6, *dst6;
	uint16_t vlan;         /* 0: no tag */
	uint8_t hops;          /* 0: 64 */
	uint16_t sport, dport; /* 0: 40000 -> 443 */
	uint32_t seq, ack;
	uint8_t tcp_flags;
	uint16_t window;
	uint8_t ip_next; /* IPv6: what the options, whole extension headers, begin with */
	const void *ip_options, *tcp_options; /* lengths: multiples of four, of IPv6's of eight */
	size_t ip_options_len, tcp_options_len;
	const void *payload;
	size_t payload_len;
};

struct packet {
	struct hf_frame frame;
	uint8_t bytes[PACKET_CAP];
};

extern const uint8_t packet_our_mac[6], packet_peer_mac[6];
extern const uint8_t packet_our_ip6[16], packet_peer_ip6[16];
#define PACKET_OUR_IP 0x0a000001u
#define PACKET_PEER_IP 0x0a000002u
#define PACKET_ROUTER_IP 0x0a0000feu

/* Complete frames with right lengths and checksums. */
void packet_tcp(struct packet *p, const struct packet_spec *s);
void packet_echo(struct packet *p, const struct packet_spec *s); /* payload behind type..checksum */
void packet_icmp(struct packet *p, unsigned type, unsigned code, const struct packet_spec *s);
/* An ICMP error from a router, about a segment of ours: s->src, s->sport etc. as the segment had them
 * (0: 10.0.0.1:443 -> 10.0.0.2:40000, or fd00::1, ::2), s->seq its number; word: what stands behind the
 * checksum. */
void packet_quote(
	struct packet *p, unsigned type, unsigned code, uint32_t word, const struct packet_spec *s);
/* "Fragmentation needed", or "packet too big". */
void packet_too_big(struct packet *p, uint32_t mtu, const struct packet_spec *s);

struct packet_nd {
	unsigned type;
	uint32_t flags;
	const uint8_t *eth_dst, *src, *dst, *target; /* the first three as in packet_spec */
	const void *options;
	size_t options_len;
	uint8_t hops; /* 0: 255 */
	uint16_t vlan;
};
void packet_nd(struct packet *p, const struct packet_nd *nd);
/* Recomputes the ICMPv6 checksum, without VLAN tag and extension headers. */
void packet_fix_icmp6(struct packet *p);
void packet_arp(struct packet *p, unsigned op, const uint8_t eth_dst[6], uint32_t sender_ip,
	uint32_t target_ip);
/* Recomputes the IPv4 header checksum after a test has changed the header. */
void packet_fix_ip(struct packet *p);
/* Sums 16-bit words the slow and obvious way, as RFC 1071 4.1 does; not complemented. */
uint16_t packet_csum(uint32_t start, const void *bytes, size_t len);

#endif
