/* fault.h -- a bad wire in front of any port: drops, duplicates, reorders, corrupts and delays the
 * frames of each direction, by seed. A decorator: hand the result to the worker in place of `inner`.
 * The same seed, frames and times give the same faults. The random stream of a direction does not
 * depend on the other direction or on other queues.
 * A frame is corrupted by one flipped bit in its IP packet, where a checksum finds every single one.
 * What only the wire's own FCS guards, Ethernet headers and ARP, does not arrive wrong: an ARP frame
 * that would have been corrupted is dropped.
 * Threads: as for any port. Memory: hf_port_fault_footprint bytes, 64-byte aligned. Units: per mille
 * of frames, ns. Errors: no free slot -> the frame is lost and counted (`overflow`). */
#ifndef HF_DRIVERS_PORT_FAULT_H
#define HF_DRIVERS_PORT_FAULT_H

#include "lib/net/port.h"

struct hf_port_fault_rates {
	uint16_t drop, dup, reorder, corrupt;
	hf_ns delay_ns;   /* every frame takes this long */
	hf_ns reorder_ns; /* a reordered one, and the second of a pair, up to this much longer */
};

struct hf_port_fault_cfg {
	uint64_t seed;
	const hf_ns *now;                  /* the clock, kept by the caller */
	struct hf_port_fault_rates rx, tx; /* towards the worker, and from it */
	uint32_t slot_cnt;                 /* frames on the way, per queue and direction */
};

struct hf_port_fault_stats {
	uint64_t in;  /* frames that entered this direction */
	uint64_t out; /* and left it: in + duplicated - dropped - overflow - those on the way */
	uint64_t dropped, duplicated, reordered, corrupted, overflow;
};

size_t hf_port_fault_footprint(const struct hf_port *inner, const struct hf_port_fault_cfg *cfg);
struct hf_port *hf_port_fault_init(
	void *mem, struct hf_port *inner, const struct hf_port_fault_cfg *cfg);

/* When the next frame arrives somewhere: poll the worker then. HF_NS_NEVER: none is on the way. */
hf_ns hf_port_fault_next(const struct hf_port *port);
/* Received frames the worker holds now. Those it allocated are the inner port's to count. */
uint32_t hf_port_fault_lent(const struct hf_port *port, uint32_t queue);
/* Sums over the queues. */
void hf_port_fault_stats(
	const struct hf_port *port, struct hf_port_fault_stats *rx, struct hf_port_fault_stats *tx);

#endif
