/* frame.h -- hf_frame: a view over one packet buffer, which stays where it is (an mbuf under DPDK,
 * an array in tests). Everything above a port driver sees frames only. Threads: a frame belongs to
 * whoever holds it, one worker at a time. Memory: the port's; a frame is lent by rx or given by
 * tx_alloc (port.h) and goes back the same way. Units: bytes. */
#ifndef HF_NET_FRAME_H
#define HF_NET_FRAME_H

#include "lib/base/base.h"

enum hf_frame_flags {
	HF_FRAME_CSUM_GOOD = 1, /* the device verified the IPv4 header and the TCP checksum */
	HF_FRAME_CSUM_BAD = 2,  /* the device found one wrong; neither flag: it did not look */
	HF_FRAME_CROSSED = 4,   /* came from another worker by a crossing ring */
};

struct hf_frame {
	uint8_t *data;  /* the first byte of the Ethernet header */
	uint32_t len;   /* bytes of the frame, without FCS */
	uint32_t cap;   /* bytes that data may hold */
	uint32_t flags; /* enum hf_frame_flags */
	void *priv;     /* the port's */
};
static_assert(sizeof(struct hf_frame) == 32, "two views per cache line");

#endif
