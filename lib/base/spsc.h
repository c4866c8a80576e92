/* spsc.h -- a single-producer single-consumer ring of fixed-size elements between two threads of
 * this process (control <-> worker, worker <-> worker). The shared-memory ring towards backends is
 * lib/link, which trusts nobody; this one trusts both ends.
 * Threads: one producer, one consumer. head is written by the producer with release and read by
 * the consumer with acquire; tail the other way round. Memory: hf_spsc_footprint bytes, 64-aligned.
 * Errors: full -> push returns the number taken. */
#ifndef HF_BASE_SPSC_H
#define HF_BASE_SPSC_H

#include <stdatomic.h>
#include "lib/base/base.h"

struct hf_spsc {
	HF_ALIGNED(64) _Atomic uint32_t head; /* producer */
	uint32_t tail_seen;                   /* producer's copy of tail */
	HF_ALIGNED(64) _Atomic uint32_t tail; /* consumer */
	uint32_t head_seen;                   /* consumer's copy of head */
	HF_ALIGNED(64) uint32_t elem_size, mask;
	HF_ALIGNED(64) uint8_t data[];
};

/* cnt must be a power of two. */
size_t hf_spsc_footprint(size_t elem_size, uint32_t cnt);
struct hf_spsc *hf_spsc_init(void *mem, size_t elem_size, uint32_t cnt);
HF_MUST_CHECK uint32_t hf_spsc_push(struct hf_spsc *r, const void *elems, uint32_t cnt);
HF_MUST_CHECK uint32_t hf_spsc_pop(struct hf_spsc *r, void *elems, uint32_t cnt);
uint32_t hf_spsc_used(const struct hf_spsc *r);

#endif
