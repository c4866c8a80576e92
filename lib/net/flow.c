/* flow.c -- entries lie at their home slot or, when that is taken, in the next free one behind it.
 * The run from an entry's home to the entry never has a hole; deleting keeps that so by moving a
 * later entry of the run into the hole whenever the hole lies between that entry's home and its
 * place. At most half full, a run is short: 1.5 slots are looked at for a hit on average (Knuth 6.4
 * L). */
#include "lib/net/flow.h"
#include "lib/base/rand.h"

uint64_t hf_flow_hash(const uint8_t key[16], const struct hf_flow_key *k)
{
	return hf_siphash(key, k, sizeof(*k));
}

/* The smallest power of two that is at least twice as many. */
static uint32_t slot_cnt(uint32_t cnt_max)
{
	uint32_t n = 2;
	HF_ASSERT(cnt_max <= 1u << 30);
	while (n < 2 * cnt_max)
		n *= 2;
	return n;
}

size_t hf_flow_footprint(uint32_t cnt_max)
{
	return HF_ROUND_UP(slot_cnt(cnt_max) * sizeof(struct hf_flow_entry), (size_t)HF_CACHE_LINE);
}

void hf_flow_init(struct hf_flow_table *t, void *mem, uint32_t cnt_max)
{
	*t = (struct hf_flow_table){.slot = mem, .mask = slot_cnt(cnt_max) - 1, .cnt_max = cnt_max};
	for (uint32_t i = 0; i <= t->mask; i++)
		t->slot[i].value = HF_FLOW_NONE;
}

/* The slot of k, or the free one that ends its run. */
static uint32_t probe(const struct hf_flow_table *t, uint64_t hash, const struct hf_flow_key *k)
{
	uint32_t i = (uint32_t)hash & t->mask;
	for (; t->slot[i].value != HF_FLOW_NONE; i = (i + 1) & t->mask) {
		const struct hf_flow_entry *e = &t->slot[i];
		if (e->hash == (uint32_t)hash && memcmp(&e->key, k, sizeof(*k)) == 0)
			break;
	}
	return i;
}

bool hf_flow_insert(
	struct hf_flow_table *t, uint64_t hash, const struct hf_flow_key *k, uint32_t value)
{
	uint32_t i;
	HF_ASSERT(value != HF_FLOW_NONE);
	if (t->cnt == t->cnt_max) {
		t->refused++;
		return false;
	}
	i = probe(t, hash, k);
	HF_ASSERT(t->slot[i].value == HF_FLOW_NONE);
	t->slot[i] = (struct hf_flow_entry){*k, (uint32_t)hash, value};
	t->cnt++;
	return true;
}

uint32_t hf_flow_find(const struct hf_flow_table *t, uint64_t hash, const struct hf_flow_key *k)
{
	return t->slot[probe(t, hash, k)].value;
}

uint32_t hf_flow_delete(struct hf_flow_table *t, uint64_t hash, const struct hf_flow_key *k)
{
	uint32_t hole = probe(t, hash, k), value = t->slot[hole].value;
	if (value == HF_FLOW_NONE)
		return HF_FLOW_NONE;
	for (uint32_t i = (hole + 1) & t->mask; t->slot[i].value != HF_FLOW_NONE;
		i = (i + 1) & t->mask) {
		uint32_t from_home = (i - t->slot[i].hash) & t->mask;
		if (from_home >= ((i - hole) & t->mask)) { /* its home is not behind the hole */
			t->slot[hole] = t->slot[i];
			hole = i;
		}
	}
	t->slot[hole].value = HF_FLOW_NONE;
	t->cnt--;
	return value;
}
