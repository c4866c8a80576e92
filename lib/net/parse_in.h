/* parse_in.h -- what parse.c and icmp.c share: the private face of the parser. */
#ifndef HF_NET_PARSE_IN_H
#define HF_NET_PARSE_IN_H

#include "lib/net/checksum.h"
#include "lib/net/parse.h"

/* What the header parsers need to know beside the bytes. */
struct hf_net_in {
	bool verify; /* checksums of IPv4's header and TCP */
	bool pieced; /* IPv6: came with a fragment header, though whole */
	uint8_t hops;
	struct hf_addr
		arrived_at; /* IP destination: out->dst may be another (ARP, ND, ICMP errors) */
	struct hf_packet *out;
};

static inline bool hf_net_csum_is_good(uint32_t sum)
{
	return hf_csum_finish(sum) == 0;
}

static inline struct hf_addr hf_net_addr_of(struct hf_span s)
{
	struct hf_addr a;
	if (s.len == 4)
		return hf_addr_v4((uint32_t)s.p[0] << 24 | (uint32_t)s.p[1] << 16 |
				  (uint32_t)s.p[2] << 8 | s.p[3]);
	memcpy(a.b, s.p, sizeof(a.b));
	return a;
}

/* icmp.c; message: all of the IP payload */
enum hf_net_verdict hf_net_parse_icmp4(struct hf_span message, const struct hf_net_in *in);
enum hf_net_verdict hf_net_parse_icmp6(struct hf_span message, const struct hf_net_in *in);

#endif
