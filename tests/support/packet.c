/* packet.c -- literal headers with the fields put in by offset. */
#include <string.h>
#include "tests/support/packet.h"

const uint8_t packet_our_mac[6] = {2, 0, 0, 0, 0, 1}, packet_peer_mac[6] = {2, 0, 0, 0, 0, 2};
const uint8_t packet_our_ip6[16] = {0xfd, [15] = 1}, packet_peer_ip6[16] = {0xfd, [15] = 2};

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

/* With a tag if the packet is in a VLAN; returns where the next header begins. */
static uint8_t *begin(struct packet *p, const struct packet_spec *s, unsigned type)
{
	uint8_t *at = p->bytes + 12;
	memset(p, 0, sizeof(*p));
	memcpy(p->bytes, s->eth_dst ? s->eth_dst : packet_our_mac, 6);
	memcpy(p->bytes + 6, s->eth_src ? s->eth_src : packet_peer_mac, 6);
	if (s->vlan) {
		put16(at, 0x8100);
		put16(at + 2, s->vlan);
		at += 4;
	}
	put16(at, type);
	at += 2;
	p->frame = (struct hf_frame){
		.data = p->bytes, .len = (uint32_t)(at - p->bytes), .cap = PACKET_CAP};
	return at;
}

void packet_fix_ip(struct packet *p)
{
	uint8_t *ip = p->bytes + 14;
	put16(ip + 10, 0);
	put16(ip + 10, 0xffffu & ~packet_csum(0, ip, (ip[0] & 15u) * 4));
}

static uint8_t *ip4(struct packet *p, const struct packet_spec *s, uint8_t proto, size_t len)
{
	size_t hdr_len = 20 + s->ip_options_len;
	uint8_t *ip = begin(p, s, 0x0800);
	ip[0] = (uint8_t)(0x40 | hdr_len / 4);
	put16(ip + 2, (uint32_t)(hdr_len + len));
	put16(ip + 6, 0x4000);
	ip[8] = s->hops ? s->hops : 64;
	ip[9] = proto;
	put32(ip + 12, s->src ? s->src : PACKET_PEER_IP);
	put32(ip + 16, s->dst ? s->dst : PACKET_OUR_IP);
	if (s->ip_options_len)
		memcpy(ip + 20, s->ip_options, s->ip_options_len);
	put16(ip + 10, 0xffffu & ~packet_csum(0, ip, hdr_len));
	p->frame.len += (uint32_t)(hdr_len + len);
	return ip + hdr_len;
}

/* The options are whole extension headers; the last of them names proto itself. */
static uint8_t *ip6(struct packet *p, const struct packet_spec *s, uint8_t proto, size_t len)
{
	uint8_t *ip = begin(p, s, 0x86dd);
	ip[0] = 0x60;
	put16(ip + 4, (uint32_t)(s->ip_options_len + len));
	ip[6] = s->ip_options_len ? s->ip_next : proto;
	ip[7] = s->hops ? s->hops : 64;
	memcpy(ip + 8, s->src6 ? s->src6 : packet_peer_ip6, 16);
	memcpy(ip + 24, s->dst6 ? s->dst6 : packet_our_ip6, 16);
	if (s->ip_options_len)
		memcpy(ip + 40, s->ip_options, s->ip_options_len);
	p->frame.len += (uint32_t)(40 + s->ip_options_len + len);
	return ip + 40 + s->ip_options_len;
}

/* Headers of either family; returns where the IP payload of the given length begins. */
static uint8_t *ip(struct packet *p, const struct packet_spec *s, uint8_t proto, size_t len)
{
	if (!s->v6)
		return ip4(p, s, proto, len);
	return ip6(p, s, proto == 1 ? 58 : proto, len);
}

/* Pseudo header: both addresses, protocol, length. */
static uint32_t pseudo(
	const uint8_t *payload, const struct packet_spec *s, uint32_t proto, size_t len)
{
	const uint8_t *hdr = payload - s->ip_options_len - (s->v6 ? 40 : 20);
	return packet_csum(proto + (uint32_t)len, hdr + (s->v6 ? 8 : 12), s->v6 ? 32 : 8);
}

static void icmp_sum(uint8_t *icmp, const struct packet_spec *s, size_t len)
{
	uint32_t start = s->v6 ? pseudo(icmp, s, 58, len) : 0;
	put16(icmp + 2, 0);
	put16(icmp + 2, 0xffffu & ~packet_csum(start, icmp, len));
}

void packet_tcp(struct packet *p, const struct packet_spec *s)
{
	size_t hdr_len = 20 + s->tcp_options_len, len = hdr_len + s->payload_len;
	uint8_t *tcp = ip(p, s, 6, len);
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
	put16(tcp + 16, 0xffffu & ~packet_csum(pseudo(tcp, s, 6, len), tcp, len));
}

void packet_icmp(struct packet *p, unsigned type, unsigned code, const struct packet_spec *s)
{
	size_t len = 4 + s->payload_len;
	uint8_t *icmp = ip(p, s, 1, len);
	icmp[0] = (uint8_t)type;
	icmp[1] = (uint8_t)code;
	if (s->payload_len)
		memcpy(icmp + 4, s->payload, s->payload_len);
	icmp_sum(icmp, s, len);
}

void packet_echo(struct packet *p, const struct packet_spec *s)
{
	packet_icmp(p, s->v6 ? 128 : 8, 0, s);
}

void packet_quote(
	struct packet *p, unsigned type, unsigned code, uint32_t word, const struct packet_spec *s)
{
	static const uint8_t router6[16] = {0xfd, [15] = 0xfe};
	struct packet_spec outer = {.v6 = s->v6, .vlan = s->vlan};
	uint8_t body[4 + 48] = {0}, *quote = body + 4;
	size_t hdr_len = s->v6 ? 40 : 20;
	outer.src = PACKET_ROUTER_IP;
	outer.dst = s->src ? s->src : PACKET_OUR_IP;
	outer.src6 = router6;
	outer.dst6 = s->src6 ? s->src6 : packet_our_ip6;
	put32(body, word);
	if (s->v6) {
		quote[0] = 0x60;
		put16(quote + 4, 1460);
		quote[6] = 6;
		quote[7] = 63;
		memcpy(quote + 8, outer.dst6, 16);
		memcpy(quote + 24, s->dst6 ? s->dst6 : packet_peer_ip6, 16);
	} else {
		quote[0] = 0x45;
		put16(quote + 2, 1500);
		put16(quote + 6, 0x4000);
		quote[8] = 63;
		quote[9] = 6;
		put32(quote + 12, outer.dst);
		put32(quote + 16, s->dst ? s->dst : PACKET_PEER_IP);
	}
	put16(quote + hdr_len, s->sport ? s->sport : 443);
	put16(quote + hdr_len + 2, s->dport ? s->dport : 40000);
	put32(quote + hdr_len + 4, s->seq);
	outer.payload = body;
	outer.payload_len = 4 + hdr_len + 8;
	packet_icmp(p, type, code, &outer);
}

void packet_too_big(struct packet *p, uint32_t mtu, const struct packet_spec *s)
{
	packet_quote(p, s->v6 ? 2 : 3, s->v6 ? 0 : 4, mtu, s);
}

void packet_nd(struct packet *p, const struct packet_nd *nd)
{
	uint8_t body[20 + 64];
	struct packet_spec s = {.v6 = true,
		.eth_dst = nd->eth_dst,
		.src6 = nd->src,
		.dst6 = nd->dst,
		.vlan = nd->vlan,
		.hops = nd->hops ? nd->hops : 255,
		.payload = body,
		.payload_len = 20 + nd->options_len};
	put32(body, nd->flags);
	memcpy(body + 4, nd->target, 16);
	if (nd->options_len)
		memcpy(body + 20, nd->options, nd->options_len);
	packet_icmp(p, nd->type, 0, &s);
}

void packet_fix_icmp6(struct packet *p)
{
	size_t len = p->frame.len - 54;
	icmp_sum(p->bytes + 54, &(struct packet_spec){.v6 = true}, len);
}

void packet_arp(struct packet *p, unsigned op, const uint8_t eth_dst[6], uint32_t sender_ip,
	uint32_t target_ip)
{
	uint8_t *arp = begin(p, &(struct packet_spec){.eth_dst = eth_dst}, 0x0806);
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
