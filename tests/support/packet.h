/* packet.h -- frames for tests, built here byte by byte and on purpose without lib/net/wire.c: what
 * the product writes and what the tests write must agree without sharing code. */
#ifndef TESTS_SUPPORT_PACKET_H
#define TESTS_SUPPORT_PACKET_H

#include "lib/net/frame.h"

#define PACKET_CAP 2048u

struct packet_spec {
	const uint8_t *eth_dst, *eth_src; /* NULL: 02:00:00:00:00:01 <- 02:00:00:00:00:02 */
	uint32_t src, dst;                /* IPv4, host order; 0: 10.0.0.2 -> 10.0.0.1 */
	uint16_t sport, dport;            /* 0: 40000 -> 443 */
	uint32_t seq, ack;
	uint8_t tcp_flags;
	uint16_t window;
	const void *ip_options, *tcp_options; /* lengths: multiples of four */
	size_t ip_options_len, tcp_options_len;
	const void *payload;
	size_t payload_len;
};

struct packet {
	struct hf_frame frame;
	uint8_t bytes[PACKET_CAP];
};

extern const uint8_t packet_our_mac[6], packet_peer_mac[6];
#define PACKET_OUR_IP 0x0a000001u
#define PACKET_PEER_IP 0x0a000002u

/* Complete frames with right lengths and checksums. */
void packet_tcp(struct packet *p, const struct packet_spec *s);
void packet_echo(struct packet *p, const struct packet_spec *s); /* payload behind type..checksum */
/* "Fragmentation needed" from a router, about a segment of ours: s->src, s->sport etc. as the segment
 * had them (0: 10.0.0.1:443 -> 10.0.0.2:40000), s->seq its number. */
void packet_too_big(struct packet *p, uint32_t router, uint16_t mtu, const struct packet_spec *s);
void packet_arp(struct packet *p, unsigned op, const uint8_t eth_dst[6], uint32_t sender_ip,
	uint32_t target_ip);
/* Recomputes the IPv4 header checksum after a test has changed the header. */
void packet_fix_ip(struct packet *p);
/* Sums 16-bit words the slow and obvious way, as RFC 1071 4.1 does; not complemented. */
uint16_t packet_csum(uint32_t start, const void *bytes, size_t len);

#endif
