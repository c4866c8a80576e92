/* list.h -- first-in first-out lists of pool slots, linked by index through a field of the slot, so
 * that a link costs 8 bytes and any member leaves in O(1). Private to lib/tcp.
 * Threads: one worker. Memory: the slots'. A slot is in at most one list per link field. */
#ifndef HF_TCP_LIST_H
#define HF_TCP_LIST_H

#include "lib/base/pool.h"

struct hf_tcp_link {
	uint32_t next, prev; /* slot indices */
};

struct hf_tcp_list {
	const struct hf_pool *pool;
	uint32_t link_off; /* where in a slot its link is */
	uint32_t head, tail;
};

#define HF_TCP_LIST_END 0xffffffffu
#define HF_TCP_LIST_OUT 0xfffffffeu /* in `next`: the slot is in no list */

static inline void hf_tcp_list_init(
	struct hf_tcp_list *l, const struct hf_pool *pool, size_t link_off)
{
	*l = (struct hf_tcp_list){pool, (uint32_t)link_off, HF_TCP_LIST_END, HF_TCP_LIST_END};
}

static inline struct hf_tcp_link *hf_tcp_list_link(const struct hf_tcp_list *l, uint32_t i)
{
	return (struct hf_tcp_link *)(void *)((uint8_t *)hf_pool_at(l->pool, i) + l->link_off);
}

/* The oldest member, or NULL. */
static inline void *hf_tcp_list_first(const struct hf_tcp_list *l)
{
	return l->head == HF_TCP_LIST_END ? NULL : hf_pool_at(l->pool, l->head);
}

/* Appends, unless the slot is in the list already. */
static inline void hf_tcp_list_push(struct hf_tcp_list *l, const void *slot)
{
	uint32_t i = hf_pool_index(l->pool, slot);
	struct hf_tcp_link *k = hf_tcp_list_link(l, i);
	if (k->next != HF_TCP_LIST_OUT)
		return;
	*k = (struct hf_tcp_link){HF_TCP_LIST_END, l->tail};
	if (l->tail == HF_TCP_LIST_END)
		l->head = i;
	else
		hf_tcp_list_link(l, l->tail)->next = i;
	l->tail = i;
}

/* Takes out, if it is in. */
static inline void hf_tcp_list_remove(struct hf_tcp_list *l, const void *slot)
{
	struct hf_tcp_link *k = hf_tcp_list_link(l, hf_pool_index(l->pool, slot));
	if (k->next == HF_TCP_LIST_OUT)
		return;
	if (k->prev == HF_TCP_LIST_END)
		l->head = k->next;
	else
		hf_tcp_list_link(l, k->prev)->next = k->next;
	if (k->next == HF_TCP_LIST_END)
		l->tail = k->prev;
	else
		hf_tcp_list_link(l, k->next)->prev = k->prev;
	k->next = HF_TCP_LIST_OUT;
}

#endif
