/* pool.c -- a free list of indices beside the slots, not inside them, so a slot's last tenant stays
 * readable in a post-mortem and a write after give cannot bend the list. The list is a stack: the
 * slot given back last is warm in the cache and goes out first. */
#include "lib/base/pool.h"

static size_t slots_len(size_t slot_size, uint32_t cnt)
{
	return HF_ROUND_UP(slot_size * cnt, (size_t)HF_CACHE_LINE);
}

size_t hf_pool_footprint(size_t slot_size, uint32_t cnt)
{
	size_t links_len = HF_ROUND_UP(2 * sizeof(uint32_t) * cnt, (size_t)HF_CACHE_LINE);
	return slots_len(slot_size, cnt) + links_len;
}

void hf_pool_init(struct hf_pool *p, void *mem, size_t slot_size, uint32_t cnt)
{
	HF_ASSERT((uintptr_t)mem % HF_CACHE_LINE == 0);
	HF_ASSERT(slot_size > 0 && slot_size <= UINT32_MAX && cnt < HF_POOL_TAKEN);
	*p = (struct hf_pool){.slots = mem, .slot_size = (uint32_t)slot_size, .cnt = cnt};
	p->next = (uint32_t *)(void *)(p->slots + slots_len(slot_size, cnt));
	p->gen = p->next + cnt;
	for (uint32_t i = 0; i < cnt; i++) {
		p->next[i] = i + 1 < cnt ? i + 1 : HF_POOL_END;
		p->gen[i] = 1;
	}
	p->free_head = cnt > 0 ? 0 : HF_POOL_END;
}

void *hf_pool_take(struct hf_pool *p)
{
	uint32_t i = p->free_head;
	if (i == HF_POOL_END) {
		p->refused++;
		return NULL;
	}
	p->free_head = p->next[i];
	p->next[i] = HF_POOL_TAKEN;
	p->used++;
	p->used_max = HF_MAX(p->used_max, p->used);
	return hf_pool_at(p, i);
}

void hf_pool_give(struct hf_pool *p, void *slot)
{
	uint32_t i = hf_pool_index(p, slot);
	HF_ASSERT(i < p->cnt && slot == hf_pool_at(p, i));
	HF_ASSERT(p->next[i] == HF_POOL_TAKEN);
	/* Generation 0 is nobody's, so that reference 0 is never live. */
	p->gen[i] = p->gen[i] == UINT32_MAX ? 1 : p->gen[i] + 1;
	p->next[i] = p->free_head;
	p->free_head = i;
	p->used--;
}
