/* mem.h -- a port that is a piece of memory: the worker's end is struct hf_port, the other end two
 * functions that give it frames and take those it sent. For simulation, fuzzing and unit tests.
 * It is strict where hardware is not: a frame given back twice, sent without being allocated or
 * taken from another queue ends in HF_ASSERT, and frames are overwritten when they go back, so
 * that whoever still looks at one sees garbage.
 * Threads: both ends of a queue belong to one thread. Memory: hf_port_mem_footprint bytes, 64-byte
 * aligned; per queue rx_cnt and tx_cnt frames, so that a flood of either does not starve the other.
 * Errors: no free frame -> give returns false and counts rx_missed. */
#ifndef HF_DRIVERS_PORT_MEM_H
#define HF_DRIVERS_PORT_MEM_H

#include "lib/net/port.h"

#define HF_PORT_MEM_FRAME_MAX 2040u

struct hf_port_mem_cfg {
	uint8_t mac[6];
	uint16_t mtu; /* <= HF_PORT_MEM_FRAME_MAX - 14 */
	uint32_t queue_cnt;
	uint32_t rx_cnt, tx_cnt; /* frames per queue */
};

size_t hf_port_mem_footprint(const struct hf_port_mem_cfg *cfg);
struct hf_port *hf_port_mem_init(void *mem, const struct hf_port_mem_cfg *cfg);

/* The other end: hands a frame to the worker; takes the oldest frame it sent, returning its length
 * (the frame is cut off at cap) or 0 when there is none. */
HF_MUST_CHECK bool hf_port_mem_give(
	struct hf_port *port, uint32_t queue, const void *frame, size_t len);
HF_MUST_CHECK size_t hf_port_mem_take(struct hf_port *port, uint32_t queue, void *out, size_t cap);

/* Frames the worker holds now: received and not given back, or allocated and not sent. */
uint32_t hf_port_mem_lent(const struct hf_port *port, uint32_t queue);

#endif
