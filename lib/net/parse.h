/* parse.h -- from a received frame to a packet somebody understands, or to the reason why not.
 * A frame goes through three doors, and its first verdict other than HF_NET_OK is its outcome:
 *   v = hf_net_parse(frame, trust, &p)      is it well formed?                     (here)
 *   v = hf_net_accept(host, &p)             is it for us?                          (reply.h)
 *   v = p.kind == HF_PACKET_TCP ? HF_NET_TCP (now hf_tcp_input's), or TOO_BIG (hf_tcp_too_big's),
 *                                 or ICMP_ERROR (hf_tcp_icmp_error's)
 *                               : hf_net_reply(host, &p, tx_frame)                 (reply.h)
 * Threads: none involved. Memory: the packet's spans point into the frame and die with it.
 * Errors: the peer's only, as verdicts; outcome.def has a row for each, with its counter.
 * Specs: RFC 791, 792, 826, 1122, 1191, 3810, 4443, 4861, 6946, 6980, 8200, 8201, 9293 3.1, IEEE 802.1Q;
 * TCP options: RFC 7323, 2018. */
#ifndef HF_NET_PARSE_H
#define HF_NET_PARSE_H

#include "lib/base/stat.h"
#include "lib/net/flow.h"
#include "lib/net/frame.h"
#include "lib/net/wire.h"

enum hf_net_verdict {
	HF_NET_OK, /* not an outcome: go on */
#define HF_NET_OUTCOME(id, name, help) HF_NET_##id,
#include "lib/net/outcome.def"
#undef HF_NET_OUTCOME
	HF_NET_VERDICT_CNT
};

enum hf_packet_kind {
	HF_PACKET_TCP,
	HF_PACKET_ARP,
	HF_PACKET_ND,     /* neighbour solicitation or advertisement */
	HF_PACKET_GROUPS, /* a multicast listener query */
	HF_PACKET_ECHO,
	HF_PACKET_TOO_BIG,
	HF_PACKET_ICMP_ERROR,
};

/* Who has this address? / I have it. */
enum hf_neigh_op { HF_NEIGH_OTHER, HF_NEIGH_ASKS, HF_NEIGH_TELLS };

/* A message that a segment of ours was too big (RFC 1191 4, 8201 4), or some other ICMP error, shows that
 * segment's flow, as in received frames: src and sport are the peer's; and its seq. Who sent the message
 * does not matter. */
struct hf_packet {
	enum hf_packet_kind kind;
	uint8_t eth_src[HF_ETH_ADDR_LEN]; /* ARP, ND: the sender as its body says */
	uint8_t eth_dst[HF_ETH_ADDR_LEN];
	struct hf_addr src, dst; /* ARP, ND: who asks or tells, and whom he asks for or tells it */
	uint16_t vlan;           /* 0: no tag */
	uint16_t sport, dport;   /* TCP, host order */
	uint32_t seq, ack;
	uint16_t window;        /* unscaled, as in the header */
	uint8_t tcp_flags;      /* enum hf_tcp_flag */
	uint8_t neigh_op;       /* ARP, ND: enum hf_neigh_op */
	bool neigh_weak;        /* ND: not to override what is known (RFC 4861 4.4) */
	bool groups_1;          /* GROUPS: of the first version (RFC 2710) */
	uint16_t mtu;           /* too big: of the next hop, 0: it did not say */
	uint64_t flow_hash;     /* TCP's, once it has looked ahead (hf_tcp_ahead); 0: not yet */
	struct hf_span options; /* TCP options; parse them with hf_tcpopt_parse */
	struct hf_span payload; /* TCP: data; echo: identifier, sequence number and data */
};

struct hf_net_stats {
#define HF_COUNTER(name, help) uint64_t name;
#include "lib/net/stats.def"
#undef HF_COUNTER
	uint64_t outcome[HF_NET_VERDICT_CNT];
};

extern const struct hf_stat_table hf_net_stat_table; /* of struct hf_net_stats */
const char *hf_net_verdict_name(enum hf_net_verdict v);

/* trust: take a checksum for good unless the device says it is bad (a veth peer leaves it
 * unfilled). ICMP is always verified. out is complete only when the verdict is HF_NET_OK. */
HF_MUST_CHECK enum hf_net_verdict hf_net_parse(
	const struct hf_frame *f, bool trust, struct hf_packet *out);

static inline struct hf_flow_key hf_packet_flow(const struct hf_packet *p)
{
	return (struct hf_flow_key){p->src, p->dst, p->sport, p->dport};
}

struct hf_tcpopt {
	uint16_t mss;   /* 0: not given */
	uint8_t wscale; /* shift count as sent, up to 255: limiting it is tcp's (RFC 7323 2.3) */
	bool has_wscale, sack_permitted, has_timestamps;
	bool malformed; /* a length was impossible; options before it count, later ones do not */
	uint32_t ts_val, ts_ecr;
	uint32_t sack_cnt;
	struct {
		uint32_t left, right;
	} sack[4]; /* RFC 2018 3: 40 bytes of options hold at most four */
};

void hf_tcpopt_parse(struct hf_span options, struct hf_tcpopt *out);

#endif
