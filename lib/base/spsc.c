/* spsc.c -- head and tail run freely and are masked at use, so full and empty differ without a
 * wasted slot. Each side keeps the last value it saw of the other's index and looks again only when
 * that one says full or empty: most bursts touch one shared line, not two. */
#include "lib/base/spsc.h"

size_t hf_spsc_footprint(size_t elem_size, uint32_t cnt)
{
	return HF_ROUND_UP(sizeof(struct hf_spsc) + elem_size * cnt, (size_t)HF_CACHE_LINE);
}

struct hf_spsc *hf_spsc_init(void *mem, size_t elem_size, uint32_t cnt)
{
	struct hf_spsc *r = mem;
	HF_ASSERT((uintptr_t)mem % HF_CACHE_LINE == 0);
	HF_ASSERT(cnt > 0 && (cnt & (cnt - 1)) == 0 && elem_size > 0 && elem_size <= UINT32_MAX);
	memset(r, 0, sizeof(*r));
	r->elem_size = (uint32_t)elem_size;
	r->mask = cnt - 1;
	return r;
}

/* The elements from index `at` on up to the ring's end; the rest of a burst starts at data[0]. */
static uint32_t before_wrap(const struct hf_spsc *r, uint32_t at, uint32_t cnt)
{
	return HF_MIN(cnt, r->mask + 1 - (at & r->mask));
}

uint32_t hf_spsc_push(struct hf_spsc *r, const void *elems, uint32_t cnt)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	size_t size = r->elem_size, first;
	if (r->mask + 1 - (head - r->tail_seen) < cnt)
		r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
	cnt = HF_MIN(cnt, r->mask + 1 - (head - r->tail_seen));
	if (cnt == 0)
		return 0;
	first = before_wrap(r, head, cnt);
	memcpy(r->data + (head & r->mask) * size, elems, first * size);
	memcpy(r->data, (const uint8_t *)elems + first * size, (cnt - first) * size);
	atomic_store_explicit(&r->head, head + cnt, memory_order_release);
	return cnt;
}

uint32_t hf_spsc_pop(struct hf_spsc *r, void *elems, uint32_t cnt)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	size_t size = r->elem_size, first;
	if (r->head_seen - tail < cnt)
		r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
	cnt = HF_MIN(cnt, r->head_seen - tail);
	if (cnt == 0)
		return 0;
	first = before_wrap(r, tail, cnt);
	memcpy(elems, r->data + (tail & r->mask) * size, first * size);
	memcpy((uint8_t *)elems + first * size, r->data, (cnt - first) * size);
	atomic_store_explicit(&r->tail, tail + cnt, memory_order_release);
	return cnt;
}

uint32_t hf_spsc_used(const struct hf_spsc *r)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	return atomic_load_explicit(&r->head, memory_order_acquire) - tail;
}
