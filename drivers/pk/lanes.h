/* lanes.h -- numbers of 256 bits in eight lanes: vector i holds word i of eight numbers, the least
 * significant word first, so no lane can influence another. What curve kernels take and give.
 * Threads: plain values. */
#ifndef HF_DRIVERS_PK_LANES_H
#define HF_DRIVERS_PK_LANES_H

#include "lib/base/base.h"

#define HF_LANES 8u
#define HF_LANE_WORDS 4u

struct hf_lanes {
	_Alignas(64) uint64_t word[HF_LANE_WORDS][HF_LANES];
};

/* One lane from and to 32 bytes, big endian. */
static inline void hf_lane_put(struct hf_lanes *x, uint32_t lane, const uint8_t *p)
{
	for (uint32_t i = 0; i < HF_LANE_WORDS; i++) {
		uint64_t w;

		memcpy(&w, p + 8 * (HF_LANE_WORDS - 1 - i), sizeof(w));
		x->word[i][lane] = __builtin_bswap64(w);
	}
}

static inline void hf_lane_get(uint8_t *p, const struct hf_lanes *x, uint32_t lane)
{
	for (uint32_t i = 0; i < HF_LANE_WORDS; i++) {
		uint64_t w = __builtin_bswap64(x->word[i][lane]);

		memcpy(p + 8 * (HF_LANE_WORDS - 1 - i), &w, sizeof(w));
	}
}

#endif
