/* packet.c -- literal headers with the fields put in by offset. */
#include <string.h>
#include "tests/support/packet.h"

const uint8_t packet_our_mac[6] = {2, 0, 0, 0, 0, 1}, packet_peer_mac[6] = {2, 0, 0, 0, 0, 2};

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

uint16_t packet_csum(uint32_t start, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint32_t sum = start;
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

static void begin(struct packet *p, const uint8_t *dst, const uint8_t *src, unsigned type)
{
	memset(p, 0, sizeof(*p));
	memcpy(p->bytes, dst ? dst : packet_our_mac, 6);
	memcpy(p->bytes + 6, src ? src : packet_peer_mac, 6);
	put16(p->bytes + 12, type);
	p->frame = (struct hf_frame){.data = p->bytes, .len = 14, .cap = PACKET_CAP};
}

void packet_fix_ip(struct packet *p)
{
	uint8_t *ip = p->bytes + 14;
	put16(ip + 10, 0);
	put16(ip + 10, 0xffffu & ~packet_csum(0, ip, (ip[0] & 15u) * 4));
}

/* Ethernet and IPv4 headers; returns where the IP payload of the given length begins. */
static uint8_t *ip4(struct packet *p, const struct packet_spec *s, uint8_t proto, size_t len)
{
	size_t hdr_len = 20 + s->ip_options_len;
	uint8_t *ip = p->bytes + 14;
	begin(p, s->eth_dst, s->eth_src, 0x0800);
	ip[0] = (uint8_t)(0x40 | hdr_len / 4);
	put16(ip + 2, (uint32_t)(hdr_len + len));
	put16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = proto;
	put32(ip + 12, s->src ? s->src : PACKET_PEER_IP);
	put32(ip + 16, s->dst ? s->dst : PACKET_OUR_IP);
	if (s->ip_options_len)
		memcpy(ip + 20, s->ip_options, s->ip_options_len);
	packet_fix_ip(p);
	p->frame.len = (uint32_t)(14 + hdr_len + len);
	return ip + hdr_len;
}

void packet_tcp(struct packet *p, const struct packet_spec *s)
{
	size_t hdr_len = 20 + s->tcp_options_len, len = hdr_len + s->payload_len;
	uint8_t *tcp = ip4(p, s, 6, len);
	put16(tcp, s->sport ? s->sport : 40000);
	put16(tcp + 2, s->dport ? s->dport : 443);
	put32(tcp + 4, s->seq);
	put32(tcp + 8, s->ack);
	tcp[12] = (uint8_t)(hdr_len / 4 << 4);
	tcp[13] = s->tcp_flags;
	put16(tcp + 14, s->window);
	if (s->tcp_options_len)
		memcpy(tcp + 20, s->tcp_options, s->tcp_options_len);
	if (s->payload_len)
		memcpy(tcp + hdr_len, s->payload, s->payload_len);
	/* Pseudo header: both addresses, protocol, length. */
	uint32_t pseudo = packet_csum(6 + (uint32_t)len, p->bytes + 26, 8);
	put16(tcp + 16, 0xffffu & ~packet_csum(pseudo, tcp, len));
}

void packet_echo(struct packet *p, const struct packet_spec *s)
{
	size_t len = 4 + s->payload_len;
	uint8_t *icmp = ip4(p, s, 1, len);
	icmp[0] = 8;
	if (s->payload_len)
		memcpy(icmp + 4, s->payload, s->payload_len);
	put16(icmp + 2, 0xffffu & ~packet_csum(0, icmp, len));
}

void packet_too_big(struct packet *p, uint32_t router, uint16_t mtu, const struct packet_spec *s)
{
	struct packet_spec outer = {.src = router, .dst = s->src ? s->src : PACKET_OUR_IP};
	uint8_t *icmp = ip4(p, &outer, 1, 36), *quote = icmp + 8;
	memset(icmp, 0, 36);
	icmp[0] = 3;
	icmp[1] = 4;
	put16(icmp + 6, mtu);
	quote[0] = 0x45;
	put16(quote + 2, 1500);
	put16(quote + 6, 0x4000);
	quote[8] = 63;
	quote[9] = 6;
	put32(quote + 12, outer.dst);
	put32(quote + 16, s->dst ? s->dst : PACKET_PEER_IP);
	put16(quote + 20, s->sport ? s->sport : 443);
	put16(quote + 22, s->dport ? s->dport : 40000);
	put32(quote + 24, s->seq);
	put16(icmp + 2, 0xffffu & ~packet_csum(0, icmp, 36));
}

void packet_arp(struct packet *p, unsigned op, const uint8_t eth_dst[6], uint32_t sender_ip,
	uint32_t target_ip)
{
	uint8_t *arp = p->bytes + 14;
	begin(p, eth_dst, NULL, 0x0806);
	put16(arp, 1);
	put16(arp + 2, 0x0800);
	arp[4] = 6;
	arp[5] = 4;
	put16(arp + 6, op);
	memcpy(arp + 8, packet_peer_mac, 6);
	put32(arp + 14, sender_ip);
	put32(arp + 24, target_ip);
	p->frame.len = 14 + 28;
}
