/* timing.h -- does the time of a computation tell what it computed with? The method of Reparaz, Balasch
 * and Verbauwhede ("Dude, is my code constant time?", 2017): the same thing is timed over and over
 * with inputs of several classes, here called arms, in random order; Welch's t says whether two arms'
 * means differ. That the harness would see a leak is shown in the same run: planted arms do what arm 1
 * does and then waste a known time.
 *
 * rows_jobs.c: public-key jobs from submit to done. rows_cores.c: the arithmetic of RSA below them.
 * rows_curves.c: batches on curves. */
#ifndef TESTS_TIMING_H
#define TESTS_TIMING_H

#include <stdbool.h>
#include <stdint.h>

#define TIMING_T_MAX 4.5 /* beyond it, in either direction, arms differ */

struct timing_arm {
	const char *name;
	uint32_t weight;     /* how often it is drawn, against the others */
	uint32_t planted_ns; /* 0: an honest arm, which must not differ from arm 0 */
};

struct timing_row {
	const char *name;
	const struct timing_arm *arm; /* arm 0 is the one that others are compared with */
	uint32_t arm_cnt;
	/* Differences below it are shown and do not count: what two arms of the same data differ by,
	 * just for lying in other places. 0: every difference counts. */
	double floor_ns;
	const void *self;
	bool (*start)(const void *self); /* false: this processor cannot */
	void (*prepare)(uint32_t arm);   /* untimed, before each sample */
	void (*run)(void);               /* what is timed */
	void (*finish)(void);            /* untimed, after it */
	void (*stop)(void);
};

extern const struct timing_row timing_job_rows[], timing_core_rows[], timing_curve_rows[];
extern const uint32_t timing_job_row_cnt, timing_core_row_cnt, timing_curve_row_cnt;

/* Wastes so much time, in a chain of multiplications. */
void timing_waste(uint32_t ns);
uint64_t timing_random(void);

/* ---- welch.c ---- */

/* A sample: arm in the upper four bits, time below. */
#define TIMING_TIME_BITS 28u
static inline uint32_t timing_sample(uint32_t arm, uint64_t time)
{
	const uint32_t most = (1u << TIMING_TIME_BITS) - 1;

	return arm << TIMING_TIME_BITS | (time < most ? (uint32_t)time : most);
}

struct timing_welch {
	double t, difference; /* arm b less arm a; in the samples' unit */
	double keep;          /* the share of middle samples that showed the largest |t| */
	double median[2];
	uint32_t cnt[2];
};
/* A neighbour of this core, or its clock, changes all times for a while, by more than any leak: replaces each
 * of cnt samples, in the order of measuring, by its distance from the median of those around it, which are of
 * all arms by lot; the median of all is added, so that they are times again. */
void timing_level(uint32_t *sample, uint32_t cnt);
/* Of arms a and b, at several crops; what lies outside is noise. Reorders the samples. */
struct timing_welch timing_compare(uint32_t *sample, uint32_t cnt, uint32_t a, uint32_t b);

#endif
