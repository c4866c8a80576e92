/* duel.c -- the same operations by a kernel and by libcrypto, one right after the other, many times.
 *
 * A shared machine changes its speed from second to second, so only pairs are compared: the paired
 * median of their ratio, and the ratio of the two best times. What ran before a sample still slows it
 * down (512-bit code lowers the clock of some processors for most of a millisecond), so each sample
 * is led in by operations of its own kind that are not counted, and who goes first alternates. Time
 * is the thread's own, so that being preempted costs no more than cold caches. A pair whose libcrypto
 * time is well above the best one seen was taken while others used the machine: it counts, and the
 * median without such pairs is given too. */
#include <stdlib.h>
#include <time.h>
#include "bench/pk/bench_pk.h"
#include "lib/os/os.h"

#define LEAD_NS (700u * HF_NS_US)
#define QUIET 1.15          /* libcrypto's time over its best up to which a pair is quiet */
#define FOREIGN (32u << 10) /* bytes that a poll turn touches between two slices */
#define SLICES_MAX 4096u
#define ONE_BY_ONE_MAX 4u /* libcrypto's operations in a sample; more take as much longer */

uint64_t bench_cpu_ns(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t))
		bench_die("no clock of the thread's time");
	return (uint64_t)t.tv_sec * HF_NS_S + (uint64_t)t.tv_nsec;
}

void bench_submit(struct bench_side *s, uint64_t now)
{
	const struct bench_question *q = &s->work->question[s->work->next++ % BENCH_QUESTIONS];
	struct hf_pk_job *job = hf_pk_take(s->pk);

	if (!job)
		bench_die("no job");
	job->key = q->ask.key;
	job->op = q->ask.op;
	job->hash = q->ask.hash;
	job->group = q->ask.group;
	job->client_version = q->ask.client_version;
	job->in_len = q->ask.in_len;
	memcpy(job->in, q->ask.in, q->ask.in_len);
	memcpy(job->seed, q->ask.seed, sizeof(job->seed));
	memcpy(job->scalar, q->ask.scalar, sizeof(job->scalar));
	job->user = (void *)(uintptr_t)q;
	hf_pk_submit(s->pk, job, now);
}

void bench_collect(struct hf_pk *pk)
{
	struct hf_pk_job *job;

	while ((job = hf_pk_done(pk))) {
		const struct bench_question *q = job->user;

		if (job->status != HF_PK_OK || job->out_len == 0 ||
			(q->want_len && memcmp(job->out, q->want, q->want_len) != 0))
			bench_die("a wrong answer");
		hf_pk_give(pk, job);
	}
}

/* fill operations that were waiting at once, in ns. */
static double sample(struct bench_side *s, uint32_t fill)
{
	uint64_t began = bench_cpu_ns();

	for (uint32_t i = 0; i < fill && s->direct; i++)
		s->direct(s->work);
	for (uint32_t i = 0; i < fill * s->jobs && !s->direct; i++)
		bench_submit(s, 0);
	while (!s->direct && hf_pk_work(s->pk, HF_PK_IDLE, 0))
		;
	if (!s->direct)
		bench_collect(s->pk);
	return (double)(bench_cpu_ns() - began);
}

static void lead_in(struct bench_side *s)
{
	double ns = 0;

	while (ns < (double)LEAD_NS)
		ns += sample(s, s->lead);
}

/* ---- pairs ---- */

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Sorts v. */
static double median(double *v, uint32_t cnt)
{
	if (cnt == 0)
		return 0;
	qsort(v, cnt, sizeof(*v), by_size);
	return cnt % 2 ? v[cnt / 2] : (v[cnt / 2 - 1] + v[cnt / 2]) / 2;
}

static double least(const double *v, uint32_t cnt)
{
	double best = v[0];

	for (uint32_t i = 1; i < cnt; i++)
		best = HF_MIN(best, v[i]);
	return best;
}

static double median_of(const double *v, uint32_t cnt)
{
	double *copy = bench_alloc(cnt * sizeof(*copy)), m;

	memcpy(copy, v, cnt * sizeof(*copy));
	m = median(copy, cnt);
	free(copy);
	return m;
}

void bench_duel_begin(struct bench_duel *d, uint32_t pairs)
{
	d->pairs = pairs;
	for (uint32_t s = 0; s < SIDE_CNT; s++)
		d->ns[s] = bench_alloc(pairs * sizeof(double));
}

void bench_duel_end(struct bench_duel *d)
{
	for (uint32_t s = 0; s < SIDE_CNT; s++)
		free(d->ns[s]);
}

/* What comes one by one does not depend on how many wait, so beyond a few it is not computed but
 * multiplied: a row of 300 pairs would take minutes. */
static double sample_side(struct bench_duel *d, uint32_t s)
{
	uint32_t cnt = d->fill;

	if (s == LIBCRYPTO || s == BESIDE)
		cnt = HF_MIN(cnt, ONE_BY_ONE_MAX);
	lead_in(&d->side[s]);
	return sample(&d->side[s], cnt) * d->fill / cnt;
}

void bench_duel_run(struct bench_duel *d, uint32_t fill, void (*progress)(uint32_t pair))
{
	d->fill = fill;
	for (uint32_t i = 0; i < d->pairs; i++) {
		for (uint32_t n = 0; n < SIDE_CNT; n++) {
			uint32_t s = i % 2 ? SIDE_CNT - 1 - n : n;

			if (d->side[s].pk || d->side[s].direct)
				d->ns[s][i] = sample_side(d, s);
		}
		progress(i);
	}
}

bool bench_duel_quiet(const struct bench_duel *d, uint32_t pair)
{
	return d->ns[LIBCRYPTO][pair] <= QUIET * least(d->ns[LIBCRYPTO], d->pairs);
}

/* The median over pairs of one side's time over another's. */
static double paired(const struct bench_duel *d, uint32_t over, uint32_t under)
{
	double *ratio = bench_alloc(d->pairs * sizeof(*ratio)), m;

	for (uint32_t i = 0; i < d->pairs; i++)
		ratio[i] = d->ns[over][i] / d->ns[under][i];
	m = median(ratio, d->pairs);
	free(ratio);
	return m;
}

static double paired_quiet(const struct bench_duel *d, uint32_t *cnt)
{
	double *ratio = bench_alloc(d->pairs * sizeof(*ratio)), m;

	*cnt = 0;
	for (uint32_t i = 0; i < d->pairs; i++)
		if (bench_duel_quiet(d, i))
			ratio[(*cnt)++] = d->ns[LIBCRYPTO][i] / d->ns[KERNEL][i];
	m = median(ratio, *cnt);
	free(ratio);
	return m;
}

void bench_duel_judge(const struct bench_duel *d, struct bench_result *r)
{
	r->ratio = paired(d, LIBCRYPTO, KERNEL);
	r->ratio_quiet = paired_quiet(d, &r->quiet);
	r->min_min = least(d->ns[LIBCRYPTO], d->pairs) / least(d->ns[KERNEL], d->pairs);
	r->policy = paired(d, LIBCRYPTO, POLICY);
	r->beside = d->side[BESIDE].pk ? paired(d, BESIDE, KERNEL) : r->ratio;
	r->us = median_of(d->ns[KERNEL], d->pairs) / 1e3;
	r->libcrypto_us = median_of(d->ns[LIBCRYPTO], d->pairs) / d->fill / 1e3;
}

/* ---- slices ---- */

/* One batch, slice by slice, with foreign data touched between them. Returns how many slices it had;
 * what each took in ns goes to slice[0], slice[stride], ..., their sum to *sum. */
static uint32_t sliced(struct bench_side *s, uint32_t fill, uint8_t *foreign, double *slice,
	uint32_t stride, double *sum)
{
	uint32_t cnt = 0;
	bool more = true;

	for (uint32_t i = 0; i < fill; i++)
		bench_submit(s, 0);
	*sum = 0;
	while (more) {
		uint64_t began = hf_os_now_ns();
		double ns;

		more = hf_pk_work(s->pk, HF_PK_IDLE, 0);
		ns = (double)(hf_os_now_ns() - began);
		if (cnt == SLICES_MAX)
			bench_die("too many slices");
		slice[cnt++ * stride] = ns;
		*sum += ns;
		for (uint32_t i = 0; i < FOREIGN; i += HF_CACHE_LINE)
			foreign[i]++;
	}
	bench_collect(s->pk);
	return cnt;
}

static double at_once(struct bench_side *s, uint32_t fill)
{
	uint64_t began;

	for (uint32_t i = 0; i < fill; i++)
		bench_submit(s, 0);
	began = hf_os_now_ns();
	while (hf_pk_work(s->pk, HF_PK_IDLE, 0))
		;
	began = hf_os_now_ns() - began;
	bench_collect(s->pk);
	return (double)began;
}

/* What interrupts one batch hits another slice in the next, so each slice is taken at its median. */
void bench_slices_run(struct bench_side *s, uint32_t fill, uint32_t pairs, struct bench_slices *r)
{
	double *ratio = bench_alloc(pairs * sizeof(*ratio)), sum;
	double *slice = bench_alloc(SLICES_MAX * pairs * sizeof(*slice));
	uint8_t *foreign = bench_alloc(FOREIGN);

	lead_in(s);
	for (uint32_t i = 0; i < pairs; i++) {
		double once = i % 2 ? at_once(s, fill) : 0;

		r->cnt = sliced(s, fill, foreign, slice + i, pairs, &sum);
		ratio[i] = sum / (i % 2 ? once : at_once(s, fill));
	}
	r->over_at_once = median(ratio, pairs);
	r->longest_us = 0;
	for (uint32_t i = 0; i < r->cnt; i++)
		r->longest_us = HF_MAX(r->longest_us, median(slice + i * pairs, pairs) / 1e3);
	free(ratio);
	free(slice);
	free(foreign);
}
