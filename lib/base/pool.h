/* pool.h -- slots of one size with a generation each: every table of live things in handfast.
 * A reference is index + generation; it goes stale when the slot is given back, so a late
 * completion or timer finds nothing instead of a stranger.
 * Threads: one owner. Memory: the caller's, hf_pool_footprint bytes, 64-byte aligned.
 * Errors: an empty pool returns NULL and counts it in `refused`. Slots are not cleared. */
#ifndef HF_BASE_POOL_H
#define HF_BASE_POOL_H

#include "lib/base/base.h"

typedef uint64_t hf_ref; /* generation << 32 | index; 0 is never a live reference */

struct hf_pool {
	uint8_t *slots;
	uint32_t *next; /* free list, and HF_POOL_TAKEN for a slot in use */
	uint32_t *gen;  /* starts at 1, moves on at give */
	uint32_t slot_size, cnt, free_head;
	uint32_t used, used_max;
	uint64_t refused;
};

#define HF_POOL_TAKEN 0xfffffffeu
#define HF_POOL_END 0xffffffffu

size_t hf_pool_footprint(size_t slot_size, uint32_t cnt);
void hf_pool_init(struct hf_pool *p, void *mem, size_t slot_size, uint32_t cnt);
HF_MUST_CHECK void *hf_pool_take(struct hf_pool *p);
void hf_pool_give(struct hf_pool *p, void *slot);

static inline void *hf_pool_at(const struct hf_pool *p, uint32_t index)
{
	return p->slots + (size_t)index * p->slot_size;
}

static inline uint32_t hf_pool_index(const struct hf_pool *p, const void *slot)
{
	return (uint32_t)((size_t)((const uint8_t *)slot - p->slots) / p->slot_size);
}

static inline hf_ref hf_pool_ref(const struct hf_pool *p, const void *slot)
{
	uint32_t i = hf_pool_index(p, slot);
	return (hf_ref)p->gen[i] << 32 | i;
}

/* The slot that ref names if it is still the same tenant, else NULL. */
static inline void *hf_pool_deref(const struct hf_pool *p, hf_ref ref)
{
	uint32_t i = (uint32_t)ref;
	if (i >= p->cnt || p->gen[i] != (uint32_t)(ref >> 32) || p->next[i] != HF_POOL_TAKEN)
		return NULL;
	return hf_pool_at(p, i);
}

#endif
