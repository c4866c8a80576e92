/* schedules.c -- a hash table of chains for finding, a list by age for making room. Both are threaded
 * through the places by their numbers; ids are given out in sequence, so the multiplier spreads
 * them. */
#include "drivers/sym/schedules.h"

#define NONE HF_SCHEDULE_NONE

static uint32_t bucket_cnt(uint32_t cnt)
{
	uint32_t buckets = 1;

	while (buckets < cnt)
		buckets *= 2;
	return buckets;
}

size_t hf_schedules_size(uint32_t cnt)
{
	return cnt * sizeof(struct hf_schedule_place) + bucket_cnt(cnt) * sizeof(uint32_t);
}

void hf_schedules_init(struct hf_schedules *s, void *mem, uint32_t cnt)
{
	HF_ASSERT(cnt > 0);
	s->place = mem;
	s->bucket = (uint32_t *)(void *)&s->place[cnt];
	s->bucket_mask = bucket_cnt(cnt) - 1;
	for (uint32_t i = 0; i <= s->bucket_mask; i++)
		s->bucket[i] = NONE;
	for (uint32_t i = 0; i < cnt; i++)
		s->place[i] = (struct hf_schedule_place){
			.older = i ? i - 1 : NONE, .newer = i + 1 < cnt ? i + 1 : NONE};
	s->oldest = 0;
	s->newest = cnt - 1;
}

static uint32_t *bucket_of(struct hf_schedules *s, uint64_t id)
{
	return &s->bucket[(uint32_t)((id * 0x9e3779b97f4a7c15ull) >> 32) & s->bucket_mask];
}

static void unlink_age(struct hf_schedules *s, const struct hf_schedule_place *p)
{
	*(p->older != NONE ? &s->place[p->older].newer : &s->oldest) = p->newer;
	*(p->newer != NONE ? &s->place[p->newer].older : &s->newest) = p->older;
}

static void make_newest(struct hf_schedules *s, uint32_t i)
{
	struct hf_schedule_place *p = &s->place[i];

	unlink_age(s, p);
	p->older = s->newest;
	p->newer = NONE;
	*(p->older != NONE ? &s->place[p->older].newer : &s->oldest) = i;
	s->newest = i;
}

static void make_oldest(struct hf_schedules *s, uint32_t i)
{
	struct hf_schedule_place *p = &s->place[i];

	unlink_age(s, p);
	p->newer = s->oldest;
	p->older = NONE;
	*(p->newer != NONE ? &s->place[p->newer].older : &s->newest) = i;
	s->oldest = i;
}

static uint32_t lookup(struct hf_schedules *s, uint64_t id)
{
	uint32_t i = *bucket_of(s, id);

	while (i != NONE && s->place[i].id != id)
		i = s->place[i].chain;
	return i;
}

uint32_t hf_schedules_find(struct hf_schedules *s, uint64_t id, uint8_t kind)
{
	uint32_t i = lookup(s, id);

	if (i != NONE) {
		HF_ASSERT(s->place[i].kind == kind);
		make_newest(s, i);
	}
	return i;
}

uint32_t hf_schedules_drop(struct hf_schedules *s, uint64_t id)
{
	uint32_t i = lookup(s, id), *link = bucket_of(s, id);

	if (i == NONE)
		return NONE;
	while (*link != i)
		link = &s->place[*link].chain;
	*link = s->place[i].chain;
	s->place[i].live = false;
	make_oldest(s, i);
	return i;
}

uint32_t hf_schedules_add(struct hf_schedules *s, uint64_t id, uint8_t kind)
{
	uint32_t i = s->oldest, *bucket = bucket_of(s, id);
	struct hf_schedule_place *p = &s->place[i];

	if (p->live)
		(void)hf_schedules_drop(s, p->id);
	p->id = id;
	p->kind = kind;
	p->live = true;
	p->chain = *bucket;
	*bucket = i;
	make_newest(s, i);
	return i;
}
