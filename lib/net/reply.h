/* reply.h -- what any host owes its neighbours besides TCP: to know its own addresses, to answer ARP,
 * neighbour solicitations, listener queries and ping, to say at start where it is, and to learn where the
 * gateways are.
 * Threads: an hf_net_host belongs to one worker (each has its copy). Memory: plain struct; frames are
 * the caller's. Errors: verdicts (outcome.def). Specs: RFC 826, 5227, 792, 1122 3.2.2.6, 2710, 3810, 4443 4,
 * 4861 7, 4862 5.4. */
#ifndef HF_NET_REPLY_H
#define HF_NET_REPLY_H

#include "lib/net/parse.h"

struct hf_net_addr {
	struct hf_addr ip;
	uint16_t vlan; /* 0: frames have no tag */
};

/* A router; of IPv4 its address is learnt by ARP, of IPv6 by neighbour discovery. */
struct hf_net_gateway {
	struct hf_addr ip; /* all zero: there is none to learn about */
	uint32_t from;     /* index of our address that is in its network */
	bool known;
	uint8_t mac[HF_ETH_ADDR_LEN]; /* when known */
};

/* Who we are on one Ethernet side. */
struct hf_net_host {
	uint8_t mac[HF_ETH_ADDR_LEN];
	uint16_t mtu; /* bytes of IP packet */
	const struct hf_net_addr *addr;
	uint32_t addr_cnt;
	struct hf_net_gateway gateway[2]; /* hf_net_gateway_of */
	uint32_t report; /* bit i: hf_net_report is owed for address number i, if it is below 32 */
};

static inline uint32_t hf_net_family(const struct hf_addr *a)
{
	return !hf_addr_is_v4(a);
}

/* HF_NET_OK when the packet is addressed to us; ARP may come by broadcast, neighbour discovery to a
 * group of ours, all else may not. */
HF_MUST_CHECK enum hf_net_verdict hf_net_accept(
	const struct hf_net_host *h, const struct hf_packet *p);

/* Deals with an accepted ARP, neighbour discovery, query or echo packet. out is an empty frame, or NULL when
 * the port has none. The reply, if one was owed, is in out with its length; else out->len is 0. A query of the
 * first version is owed a frame for each address: see h->report. */
HF_MUST_CHECK enum hf_net_verdict hf_net_reply(
	struct hf_net_host *h, const struct hf_packet *p, struct hf_frame *out);

/* "Who has the gateway's address?", to all who might. */
void hf_net_ask(const struct hf_net_host *h, const struct hf_net_gateway *g, struct hf_frame *out);
/* Tells everybody that our address number i is here: gratuitous ARP (RFC 5227 2.3), or an unsolicited
 * advertisement (RFC 4861 7.2.6). */
void hf_net_announce(const struct hf_net_host *h, uint32_t i, struct hf_frame *out);
/* Tells switches and routers which groups of neighbour discovery are listened to in the VLAN of address
 * number i (RFC 3810 5.2), or those would not let them through. */
void hf_net_join(const struct hf_net_host *h, uint32_t i, struct hf_frame *out);
/* The same in the first version: the group of address number i alone (RFC 2710 4). */
void hf_net_report(const struct hf_net_host *h, uint32_t i, struct hf_frame *out);
/* Asks whether another has our IPv6 address number i (RFC 4862 5.4.2); if so, his answer is a conflict. */
void hf_net_probe(const struct hf_net_host *h, uint32_t i, struct hf_frame *out);

/* The VLAN of one of our addresses. */
uint16_t hf_net_vlan(const struct hf_net_host *h, const struct hf_addr *ours);

#endif
