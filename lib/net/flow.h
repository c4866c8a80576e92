/* flow.h -- who a segment belongs to: a hash table from the 4-tuple to a 32-bit value (a slot
 * index). Open addressing with linear probing, at most half full; deleting shifts later entries
 * back, so there are no tombstones and a table never ages. The hash is keyed: a stranger cannot aim
 * at a slot. Keys are as seen in received frames: src is the peer. The caller computes the hash
 * once and hands it to every call, so a burst can be hashed and prefetched first. Threads: one
 * worker. Memory: the caller's, hf_flow_footprint bytes, 64-byte aligned. Errors: full -> insert
 * returns false and counts it. */
#ifndef HF_NET_FLOW_H
#define HF_NET_FLOW_H

#include "lib/base/base.h"

struct hf_flow_key {
	struct hf_addr src, dst;
	uint16_t sport, dport; /* host order */
};
static_assert(
	sizeof(struct hf_flow_key) == 36, "no padding: keys are hashed and compared as bytes");

#define HF_FLOW_NONE UINT32_MAX /* never a value */

struct hf_flow_entry {
	struct hf_flow_key key;
	uint32_t hash;  /* low half: the home slot is hash & mask */
	uint32_t value; /* HF_FLOW_NONE: the slot is free */
};

struct hf_flow_table {
	struct hf_flow_entry *slot;
	uint32_t mask, cnt, cnt_max;
	uint64_t refused;
};

/* The keyed hash of tables and of software steering. key: 16 random bytes. */
uint64_t hf_flow_hash(const uint8_t key[16], const struct hf_flow_key *k);

size_t hf_flow_footprint(uint32_t cnt_max);
void hf_flow_init(struct hf_flow_table *t, void *mem, uint32_t cnt_max);
/* k must not be in the table. */
HF_MUST_CHECK bool hf_flow_insert(
	struct hf_flow_table *t, uint64_t hash, const struct hf_flow_key *k, uint32_t value);
/* The value, or HF_FLOW_NONE. */
uint32_t hf_flow_find(const struct hf_flow_table *t, uint64_t hash, const struct hf_flow_key *k);
/* Returns the value that was there, or HF_FLOW_NONE. */
uint32_t hf_flow_delete(struct hf_flow_table *t, uint64_t hash, const struct hf_flow_key *k);

static inline void hf_flow_prefetch(const struct hf_flow_table *t, uint64_t hash)
{
	const struct hf_flow_entry *e = &t->slot[(uint32_t)hash & t->mask];
	__builtin_prefetch(e);
	__builtin_prefetch(&e->value); /* it may lie on two lines */
}

#endif
