/* hist.h -- a log-linear histogram of uint64_t values: four buckets to each power of two, so that a
 * percentile read from it is off by at most one eighth of its value. Adding is a shift, a mask and
 * an increment. Threads: one writer, read racily by control. Memory: 2 KB, the caller's; zeroed is
 * empty. Never fails. */
#ifndef HF_BASE_HIST_H
#define HF_BASE_HIST_H

#include "lib/base/base.h"

#define HF_HIST_SUB_BITS 2u
#define HF_HIST_SUB (1u << HF_HIST_SUB_BITS)
/* 0..3 have a bucket each, then four for every leading bit from 2 to 63. */
#define HF_HIST_BUCKETS (HF_HIST_SUB * (64u - HF_HIST_SUB_BITS + 1u))

struct hf_hist {
	uint64_t cnt, sum, max;
	uint64_t bucket[HF_HIST_BUCKETS];
};
static_assert(offsetof(struct hf_hist, cnt) == 0, "read as one number, a histogram is its count");

static inline uint32_t hf_hist_index(uint64_t v)
{
	uint32_t lead;
	if (v < HF_HIST_SUB)
		return (uint32_t)v;
	lead = 63u - (uint32_t)__builtin_clzll(v);
	return HF_HIST_SUB * (lead - HF_HIST_SUB_BITS + 1) +
	       ((uint32_t)(v >> (lead - HF_HIST_SUB_BITS)) & (HF_HIST_SUB - 1));
}

/* The smallest value that falls into bucket i. */
static inline uint64_t hf_hist_floor(uint32_t i)
{
	uint32_t lead;
	if (i < HF_HIST_SUB)
		return i;
	lead = i / HF_HIST_SUB + HF_HIST_SUB_BITS - 1;
	return (uint64_t)(HF_HIST_SUB + i % HF_HIST_SUB) << (lead - HF_HIST_SUB_BITS);
}

/* The largest value that falls into bucket i. */
static inline uint64_t hf_hist_ceil(uint32_t i)
{
	return i + 1 < HF_HIST_BUCKETS ? hf_hist_floor(i + 1) - 1 : UINT64_MAX;
}

static inline void hf_hist_add(struct hf_hist *h, uint64_t v)
{
	h->bucket[hf_hist_index(v)]++;
	h->cnt++;
	h->sum += v;
	if (v > h->max)
		h->max = v;
}

/* The value that per_mille / 1000 of all values do not exceed: the middle of its bucket, never more
 * than the largest value seen; 0 when empty. per_mille 500 is the median. */
static inline uint64_t hf_hist_percentile(const struct hf_hist *h, uint32_t per_mille)
{
	uint64_t total = 0, seen = 0, rank, mid;
	uint32_t i;
	/* The buckets are added up, as cnt may be a moment apart from them for a racing reader. */
	for (i = 0; i < HF_HIST_BUCKETS; i++)
		total += h->bucket[i];
	if (total == 0)
		return 0;
	rank = total / 1000 * per_mille + total % 1000 * per_mille / 1000;
	rank = HF_MIN(rank, total - 1);
	for (i = 0; i < HF_HIST_BUCKETS - 1; i++) {
		seen += h->bucket[i];
		if (seen > rank)
			break;
	}
	mid = hf_hist_floor(i) + (hf_hist_ceil(i) - hf_hist_floor(i)) / 2;
	return HF_MIN(mid, h->max);
}

/* dst += src: how workers' histograms become one. */
static inline void hf_hist_merge(struct hf_hist *dst, const struct hf_hist *src)
{
	uint32_t i;
	for (i = 0; i < HF_HIST_BUCKETS; i++)
		dst->bucket[i] += src->bucket[i];
	dst->cnt += src->cnt;
	dst->sum += src->sum;
	dst->max = HF_MAX(dst->max, src->max);
}

#endif
