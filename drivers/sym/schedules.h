/* schedules.h -- which expanded keys a driver has ready: an index from a key's id to one of a fixed
 * number of places. To expand a key costs more than a short record, so the keys used last stay, and
 * the one used longest ago makes room. What lies at a place is the driver's: it fills a place that it
 * was given, and wipes one that was dropped. Threads: one worker. Memory: caller's. */
#ifndef HF_SYM_SCHEDULES_H
#define HF_SYM_SCHEDULES_H

#include "lib/base/base.h"

#define HF_SCHEDULE_NONE UINT32_MAX

struct hf_schedule_place {
	uint64_t id;
	uint32_t chain;        /* next of the same bucket */
	uint32_t older, newer; /* the order of use; places without a key are oldest */
	uint8_t kind;          /* HF_SYM_SEAL or HF_SYM_OPEN */
	bool live;
};

struct hf_schedules {
	uint32_t bucket_mask, oldest, newest;
	uint32_t *bucket;
	struct hf_schedule_place *place;
};

size_t hf_schedules_size(uint32_t cnt);
/* mem: hf_schedules_size(cnt) bytes, aligned as a uint64_t. */
void hf_schedules_init(struct hf_schedules *s, void *mem, uint32_t cnt);
/* The key's place, now the newest; a key belongs to one direction. NONE: it is not there. */
uint32_t hf_schedules_find(struct hf_schedules *s, uint64_t id, uint8_t kind);
/* A place for a key that is not there: whatever lay in it is the driver's to overwrite. */
uint32_t hf_schedules_add(struct hf_schedules *s, uint64_t id, uint8_t kind);
/* The place that the key had, to be wiped, or NONE. */
uint32_t hf_schedules_drop(struct hf_schedules *s, uint64_t id);

#endif
