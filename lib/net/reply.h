/* reply.h -- what any host owes its neighbours besides TCP: to know its own addresses, to answer
 * ARP and ping, to say at start where it is, and to learn where the gateway is. Threads: an
 * hf_net_host belongs to one worker (each has its copy). Memory: plain struct; frames are the
 * caller's. Errors: verdicts (outcome.def). Specs: RFC 826, 5227, 792, 1122 3.2.2.6. */
#ifndef HF_NET_REPLY_H
#define HF_NET_REPLY_H

#include "lib/net/parse.h"

/* Who we are on one Ethernet side. */
struct hf_net_host {
	uint8_t mac[HF_ETH_ADDR_LEN];
	uint16_t mtu; /* bytes of IP packet */
	const struct hf_addr *addr;
	uint32_t addr_cnt;
	struct hf_addr gateway; /* all zero: there is none to learn about */
	bool gateway_known;
	uint8_t gateway_mac[HF_ETH_ADDR_LEN]; /* from ARP, when gateway_known */
};

/* HF_NET_OK when the packet is addressed to us; ARP may come by broadcast, IP may not. */
HF_MUST_CHECK enum hf_net_verdict hf_net_accept(
	const struct hf_net_host *h, const struct hf_packet *p);

/* Deals with an accepted ARP or echo packet. out is an empty frame, or NULL when the port has none.
 * The reply, if one was owed, is in out with its length; else out->len is 0. */
HF_MUST_CHECK enum hf_net_verdict hf_net_reply(
	struct hf_net_host *h, const struct hf_packet *p, struct hf_frame *out);

/* "Who has target?" by broadcast, from our first address. */
void hf_net_arp_request(
	const struct hf_net_host *h, const struct hf_addr *target, struct hf_frame *out);
/* Gratuitous ARP: tells everybody that addr is here (RFC 5227 2.3). */
void hf_net_arp_announce(
	const struct hf_net_host *h, const struct hf_addr *addr, struct hf_frame *out);

#endif
