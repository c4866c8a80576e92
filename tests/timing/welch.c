/* welch.c -- Welch's t of two arms (Welch 1947). Times have a long tail of interrupts and busy
 * neighbours, so the slowest share of both arms together is cut off, at one threshold for both; which
 * share serves best is not known beforehand, so several are tried and the largest |t| counts. */
#include <math.h>
#include <stdlib.h>
#include "tests/timing/timing.h"

static const double keeps[] = {1.0, 0.99, 0.95, 0.9, 0.75, 0.5, 0.25, 0.1, 0.05, 0.02};

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
		double t;

		for (uint32_t i = 0; i < (uint32_t)(keeps[k] * n); i++)
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
