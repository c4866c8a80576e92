/* dpdk.h -- the port driver over DPDK's ethdev (22.11): any poll-mode driver, named by a PCI
 * address or by a virtual device string. Embedded default: net_af_packet over a veth. Frames are
 * views of mbufs; every queue has a pool of its own, large enough for both its rings and all that a
 * worker can hold, so neither direction can starve the other.
 *
 * Two steps: hf_dpdk_init starts the environment layer once, with one lcore per worker (1 .. n,
 * each on its core) and lcore 0, the calling thread, free to float over all cores;
 * hf_dpdk_port_open then opens ports one by one. A device string of net_af_packet is completed with
 * what it does not say: qpairs, framesz, blocksz, framecnt, qdisc_bypass.
 *
 * Steering: with several queues on a device that hashes, Toeplitz with the key 6d5a 6d5a ... (the
 * same for both directions of a flow), read back as the device keeps it; owner() is then exact. On
 * others (af_packet spreads by a seed of the kernel's) owner says -1 and workers steer themselves.
 * Checksums: what the device verified becomes a frame flag. Nothing is offloaded on transmit.
 * Threads: init, open, fini, refresh: the main thread. Errors: -1 or NULL and a text with a remedy.
 */
#ifndef HF_DRIVERS_PORT_DPDK_H
#define HF_DRIVERS_PORT_DPDK_H

#include "lib/net/port.h"

struct hf_dpdk_why {
	char reason[256], remedy[192];
};

struct hf_dpdk_port_cfg {
	const char *name, *device;
	uint32_t queue_cnt, mtu;
	bool groups;       /* let in what is sent to groups, as IPv6 needs it */
	uint32_t held_cnt; /* frames of a queue that workers may hold at a time, crossings included
			    */
};

/* Buffers of one queue, and the bytes that all queues' buffers need. */
uint32_t hf_dpdk_frame_cnt(const struct hf_dpdk_port_cfg *cfg);
size_t hf_dpdk_frame_bytes(const struct hf_dpdk_port_cfg *cfg);

struct hf_dpdk_cfg {
	const uint32_t *core; /* of worker 0, 1, ... */
	uint32_t worker_cnt;
	const struct hf_dpdk_port_cfg *port; /* PCI devices among them are let in */
	uint32_t port_cnt;
	bool huge; /* 2 MB pages; else plain memory of mem_len bytes */
	size_t mem_len;
	bool verbose;            /* let the environment layer talk */
	const char *const *args; /* extra, as they are */
	uint32_t arg_cnt;
};

HF_MUST_CHECK int hf_dpdk_init(const struct hf_dpdk_cfg *cfg, struct hf_dpdk_why *why);
void hf_dpdk_fini(void);

HF_MUST_CHECK struct hf_port *hf_dpdk_port_open(
	const struct hf_dpdk_port_cfg *cfg, struct hf_dpdk_why *why);

/* What the device itself counts, beside the port's own counters per queue. */
struct hf_dpdk_stats {
#define HF_COUNTER(name, help) uint64_t name;
#define HF_GAUGE(name, help) uint64_t name;
#include "drivers/port/dpdk_stats.def"
#undef HF_COUNTER
#undef HF_GAUGE
};
extern const struct hf_stat_table hf_dpdk_stat_table;
/* Reads the device's counters and its link; the result is the port's. */
const struct hf_dpdk_stats *hf_dpdk_port_refresh(struct hf_port *p);

/* The symmetric Toeplitz hash of a flow under the key 6d5a repeated. */
uint32_t hf_dpdk_flow_hash(const struct hf_flow_key *k);

/* What a device said of a frame's checksums (ol: its mbuf's flags), as enum hf_frame_flags. */
uint32_t hf_dpdk_checksum_flags(uint64_t ol, const uint8_t *frame, uint32_t len);

#endif
