/* port.h -- what a port driver does for a worker: bursts of frames in and out, on numbered queues.
 * A driver makes an object whose first field is struct hf_port; drivers live in drivers/port.
 *
 * Ownership: rx lends frames until rx_give. tx_alloc gives empty frames, which end in tx or, when
 * there was nothing to say, in rx_give. Frames go back to the port and queue they came from; no
 * order is asked for. A frame that crossed to another worker is given back by the worker that took
 * it in. Threads: queue q is used by one thread at a time, the same for rx and tx; different queues
 * by different threads at once. owner and the info fields may be read by any thread. Memory: all of
 * the port's is taken when it is made. No call blocks or allocates. Errors: a call that is short of
 * something does less and says so by its return value; what is lost is counted by the port (stats
 * of that queue). */
#ifndef HF_NET_PORT_H
#define HF_NET_PORT_H

#include "lib/base/stat.h"
#include "lib/net/flow.h"
#include "lib/net/frame.h"

struct hf_port;

struct hf_port_class {
	const char *name; /* "dpdk", "mem" */

	/* Burst receive: at most cnt frames, lent to the caller. Returns how many. */
	uint32_t (*rx)(struct hf_port *p, uint32_t queue, struct hf_frame *v, uint32_t cnt);
	/* Gives frames back: received ones that are done with, or empty ones that stay unused. */
	void (*rx_give)(struct hf_port *p, uint32_t queue, struct hf_frame *v, uint32_t cnt);
	/* Empty frames to build into: data and cap set, len 0. Returns how many there were: none
	 * (tx_waits) while frames given to tx wait for room in the device. */
	uint32_t (*tx_alloc)(struct hf_port *p, uint32_t queue, struct hf_frame *v, uint32_t cnt);
	/* Sends. Takes all cnt frames, whatever happens; returns how many were queued, by the device or
	 * by the port, which keeps a burst for the next call of rx or tx_alloc where the device has a
	 * link but no room; the rest is freed and counted as tx_dropped. A frame shorter than the wire's
	 * minimum (HF_ETH_LEN_MIN) is the port's to fill up with zeros, where its device does not. */
	uint32_t (*tx)(struct hf_port *p, uint32_t queue, struct hf_frame *v, uint32_t cnt);
	/* The queue to which the device steers a flow (as seen in received frames), or -1 when it
	 * cannot say: then workers steer by hf_flow_hash. NULL means -1 for every flow. */
	int (*owner)(const struct hf_port *p, const struct hf_flow_key *k);
	/* Stops the device and gives its memory back; nothing may use the port any more. */
	void (*fini)(struct hf_port *p);
};

struct hf_port_info {
	uint8_t mac[6];
	uint16_t mtu; /* bytes of IP packet */
	uint32_t queue_cnt;
	bool rss; /* the device spreads flows over the queues by itself, owner says how */
};

/* Counters of one queue, written by the thread that uses it. */
struct hf_port_stats {
#define HF_COUNTER(name, help) uint64_t name;
#include "lib/net/port_stats.def"
#undef HF_COUNTER
} HF_ALIGNED(HF_CACHE_LINE); /* writers of neighbouring queues share no line */

struct hf_port {
	const struct hf_port_class *cls;
	struct hf_port_info info;
	struct hf_port_stats *stats; /* [info.queue_cnt] */
};

extern const struct hf_stat_table hf_port_stat_table;

static inline int hf_port_owner(const struct hf_port *p, const struct hf_flow_key *k)
{
	return p->cls->owner ? p->cls->owner(p, k) : -1;
}

#endif
