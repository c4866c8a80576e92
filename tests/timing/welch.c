/* welch.c -- Welch's t of two arms (Welch 1947). Times have long tails of interrupts and busy neighbours, and
 * what stands beside such a one looks fast, so the outer shares of both arms together are cut off, at the same
 * thresholds for both; how much of the middle serves best is not known beforehand, so several are tried and
 * the largest |t| counts. */
#include <math.h>
#include <stdlib.h>
#include "lib/base/base.h"
#include "tests/timing/timing.h"

static const double keeps[] = {1.0, 0.99, 0.95, 0.9, 0.8, 0.65, 0.5, 0.3};

struct moments {
	double cnt, mean, m2; /* m2: sum of squared distances from the mean (Welford 1962) */
};

static void moments_add(struct moments *m, double x)
{
	double d = x - m->mean;

	m->cnt += 1;
	m->mean += d / m->cnt;
	m->m2 += d * (x - m->mean);
}

static double welch(const struct moments *a, const struct moments *b)
{
	double va = a->m2 / (a->cnt - 1) / a->cnt, vb = b->m2 / (b->cnt - 1) / b->cnt;

	return a->cnt > 1 && b->cnt > 1 && va + vb > 0 ? (b->mean - a->mean) / sqrt(va + vb) : 0;
}

static uint32_t time_of(uint32_t sample)
{
	return sample & ((1u << TIMING_TIME_BITS) - 1);
}

static int by_time(const void *x, const void *y)
{
	uint32_t a = time_of(*(const uint32_t *)x), b = time_of(*(const uint32_t *)y);

	return (a > b) - (a < b);
}

/* Samples of the two arms to the front; how many. */
static uint32_t gather(uint32_t *sample, uint32_t cnt, uint32_t a, uint32_t b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t arm = sample[i] >> TIMING_TIME_BITS, t = sample[n];

		if (arm != a && arm != b)
			continue;
		sample[n++] = sample[i];
		sample[i] = t;
	}
	return n;
}

#define AROUND 8u /* samples before, and as many after */

static uint32_t median_of(uint32_t *time, uint32_t cnt)
{
	qsort(time, cnt, sizeof(*time), by_time);
	return time[cnt / 2];
}

void timing_level(uint32_t *sample, uint32_t cnt)
{
	uint32_t *was = malloc(cnt * sizeof(*was)), *all = malloc(cnt * sizeof(*all));
	uint32_t middle, around[2 * AROUND + 1];

	for (uint32_t i = 0; i < cnt; i++)
		was[i] = all[i] = time_of(sample[i]);
	middle = cnt ? median_of(all, cnt) : 0;
	for (uint32_t i = 0; cnt > 2 * AROUND && i < cnt; i++) {
		uint32_t from = i < AROUND ? 0 : HF_MIN(i - AROUND, cnt - 2 * AROUND - 1), n = 0;
		uint64_t level;

		for (uint32_t j = from; j <= from + 2 * AROUND; j++)
			if (j != i)
				around[n++] = was[j];
		level = (uint64_t)was[i] + middle;
		sample[i] = timing_sample(
			sample[i] >> TIMING_TIME_BITS, level - HF_MIN(level, median_of(around, n)));
	}
	free(was);
	free(all);
}

struct timing_welch timing_compare(uint32_t *sample, uint32_t cnt, uint32_t a, uint32_t b)
{
	struct timing_welch w = {0};
	uint32_t n = gather(sample, cnt, a, b), seen[2] = {0};

	qsort(sample, n, sizeof(*sample), by_time);
	for (uint32_t i = 0; i < n; i++)
		w.cnt[sample[i] >> TIMING_TIME_BITS == b]++;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t which = sample[i] >> TIMING_TIME_BITS == b;

		if (seen[which]++ == w.cnt[which] / 2)
			w.median[which] = time_of(sample[i]);
	}
	for (uint32_t k = 0; k < sizeof(keeps) / sizeof(*keeps); k++) {
		struct moments m[2] = {{0, 0, 0}, {0, 0, 0}};
		uint32_t cut = (uint32_t)((1 - keeps[k]) / 2 * n);
		double t;

		for (uint32_t i = cut; i < n - cut; i++)
			moments_add(&m[sample[i] >> TIMING_TIME_BITS == b], time_of(sample[i]));
		t = welch(&m[0], &m[1]);
		if (k && fabs(t) <= fabs(w.t))
			continue;
		w.t = t;
		w.difference = m[1].mean - m[0].mean;
		w.keep = keeps[k];
	}
	return w;
}
