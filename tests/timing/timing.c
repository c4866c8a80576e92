/* timing.c -- `make timing`: measures the rows of timing.h and says which arms differ. Samples are kept
 * in build/timing-samples, so a long measurement may be made in pieces.
 *   timing [-n SAMPLES] [-s SECONDS] [-c] [-o FILE] [ROW...]
 *   -n  samples of arms 0 and 1 together (1000000); other arms in proportion
 *   -s  stop after so many seconds, wherever that is
 *   -c  continue with the samples that are there
 *   -o  the figures into FILE, too, as JSON lines
 * Exit status: 1 if an honest arm differs, or a planted leak of 200 ns was not seen. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <x86intrin.h>
#include "lib/os/os.h"
#include "tests/timing/timing.h"

#define DIR "build/timing-samples"
#define WARM_UP 200u
#define SETTLE_BRANCHES 4000u
#define MUST_SEE_NS 200u

static uint32_t want = 1000000;
static uint64_t deadline_ns = UINT64_MAX;
static bool keep;
static FILE *json;
static double ticks_per_ns, wastes_per_ns;
static uint64_t rng;
static int failed;

uint64_t timing_random(void) /* splitmix64 (Steele, Lea, Flood 2014) */
{
	uint64_t z = rng += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static uint64_t ticks(void)
{
	uint64_t t;

	_mm_lfence();
	t = __rdtsc();
	_mm_lfence();
	return t;
}

static void waste(uint64_t rounds)
{
	uint64_t x = 3;

	for (uint64_t i = 0; i < rounds; i++) {
		x *= 5;
		__asm__ volatile("" : "+r"(x));
	}
}

void timing_waste(uint32_t ns)
{
	_mm_lfence(); /* not beside what is computed around it */
	waste((uint64_t)(ns * wastes_per_ns));
	_mm_lfence();
}

static void calibrate(void)
{
	uint64_t began = hf_os_now_ns(), t = ticks(), best = UINT64_MAX;

	while (hf_os_now_ns() - began < 100 * HF_NS_MS) {
	}
	ticks_per_ns = (double)(ticks() - t) / (double)(hf_os_now_ns() - began);
	for (uint32_t i = 0; i < 1000; i++) {
		uint64_t now = ticks(), took;

		waste(2000);
		took = ticks() - now;
		best = took < best ? took : best;
	}
	wastes_per_ns = 2000 * ticks_per_ns / (double)best;
}

/* ---- measuring ---- */

static uint32_t draw(const struct timing_row *r)
{
	uint32_t sum = 0, arm = 0, at;

	for (uint32_t i = 0; i < r->arm_cnt; i++)
		sum += r->arm[i].weight;
	at = (uint32_t)(timing_random() % sum);
	while (at >= r->arm[arm].weight)
		at -= r->arm[arm++].weight;
	return arm;
}

/* What an arm's preparation leaves behind in the branch predictor's history is not what is to be timed:
 * without this, arms of the same data differ by 5 ns. Stores come to rest, too. */
static void settle(void)
{
	for (uint32_t i = 0; i < SETTLE_BRANCHES; i++)
		__asm__ volatile("");
}

static uint64_t once(const struct timing_row *r, uint32_t arm)
{
	uint64_t began, took;

	r->prepare(arm);
	settle();
	began = ticks();
	r->run();
	took = ticks() - began;
	r->finish();
	return took;
}

struct samples {
	uint32_t *v, cnt, max;
	char path[128];
};

static void samples_open(struct samples *s, const struct timing_row *r)
{
	uint32_t sum = 0;
	FILE *f;

	snprintf(s->path, sizeof(s->path), DIR "/%s", r->name);
	for (char *c = s->path + sizeof(DIR); *c; c++)
		*c = *c == '/' || *c == ' ' ? '-' : *c;
	for (uint32_t i = 0; i < r->arm_cnt; i++)
		sum += r->arm[i].weight;
	s->cnt = 0;
	s->max = (uint32_t)((uint64_t)want * sum / (r->arm[0].weight + r->arm[1].weight));
	s->v = malloc((size_t)s->max * sizeof(*s->v));
	f = keep ? fopen(s->path, "rb") : NULL;
	if (!f)
		return;
	s->cnt = (uint32_t)fread(s->v, sizeof(*s->v), s->max, f);
	fclose(f);
}

static void samples_close(struct samples *s)
{
	FILE *f = fopen(s->path, "wb");

	if (!f || fwrite(s->v, sizeof(*s->v), s->cnt, f) != s->cnt || fclose(f) != 0)
		perror(s->path);
	free(s->v);
}

static bool measure(const struct timing_row *r, struct samples *s)
{
	if (s->cnt == s->max || hf_os_now_ns() >= deadline_ns)
		return s->cnt > 0;
	if (!r->start(r->self))
		return false;
	for (uint32_t i = 0; i < WARM_UP; i++)
		once(r, i % r->arm_cnt);
	while (s->cnt < s->max && hf_os_now_ns() < deadline_ns) {
		uint32_t arm = draw(r);

		s->v[s->cnt++] = timing_sample(arm, once(r, arm));
	}
	r->stop();
	return true;
}

/* ---- what came of it ---- */

static uint32_t *copy_of(const uint32_t *sample, uint32_t cnt)
{
	uint32_t *copy = malloc(cnt * sizeof(*copy));

	memcpy(copy, sample, cnt * sizeof(*copy));
	return copy;
}

static void report(const struct timing_row *r, const uint32_t *sample, uint32_t cnt, uint32_t arm)
{
	const struct timing_arm *a = &r->arm[arm];
	uint32_t *copy = copy_of(sample, cnt);
	struct timing_welch w = timing_compare(copy, cnt, 0, arm);
	bool differs;

	free(copy);
	differs = fabs(w.t) >= TIMING_T_MAX && fabs(w.difference) / ticks_per_ns >= r->floor_ns;
	printf("%-22s %-18s %8u %8u %11.1f %+9.2f %+8.2f %5.0f%%  %s\n", r->name, a->name, w.cnt[0],
		w.cnt[1], w.median[0] / ticks_per_ns, w.difference / ticks_per_ns, w.t,
		100 * w.keep,
		a->planted_ns               ? differs ? "seen" : "not seen"
		: differs                   ? "DIFFERS"
		: fabs(w.t) >= TIMING_T_MAX ? "below the floor"
					    : "alike");
	if (json)
		fprintf(json,
			"{\"row\":\"%s\",\"arm\":\"%s\",\"against\":\"%s\",\"planted_ns\":%u,"
			"\"samples\":[%u,%u],\"median_ns\":%.1f,\"difference_ns\":%.2f,\"t\":%.2f,"
			"\"kept\":%.2f}\n",
			r->name, a->name, r->arm[0].name, a->planted_ns, w.cnt[0], w.cnt[1],
			w.median[0] / ticks_per_ns, w.difference / ticks_per_ns, w.t, w.keep);
	if (differs ? a->planted_ns == 0 : a->planted_ns == MUST_SEE_NS)
		failed = 1;
}

static void report_all(const struct timing_row *r, const struct samples *s)
{
	uint32_t *level = copy_of(s->v, s->cnt);

	timing_level(level, s->cnt);
	for (uint32_t arm = 1; arm < r->arm_cnt; arm++)
		report(r, level, s->cnt, arm);
	free(level);
}

static bool wanted(const struct timing_row *r, int argc, char **argv)
{
	if (optind == argc)
		return true;
	for (int i = optind; i < argc; i++)
		if (strncmp(r->name, argv[i], strlen(argv[i])) == 0)
			return true;
	return false;
}

static void rows(const struct timing_row *r, uint32_t cnt, int argc, char **argv)
{
	for (uint32_t i = 0; i < cnt; i++) {
		struct samples s;

		if (!wanted(&r[i], argc, argv))
			continue;
		samples_open(&s, &r[i]);
		if (measure(&r[i], &s))
			report_all(&r[i], &s);
		else
			printf("%-22s not measured\n", r[i].name);
		fflush(stdout);
		samples_close(&s);
	}
}

int main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "n:s:co:")) >= 0)
		switch (c) {
		case 'n':
			want = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 's':
			deadline_ns = hf_os_now_ns() + strtoul(optarg, NULL, 10) * HF_NS_S;
			break;
		case 'c':
			keep = true;
			break;
		case 'o':
			json = fopen(optarg, "w");
			break;
		default:
			return 2;
		}
	mkdir("build", 0777);
	mkdir(DIR, 0777);
	hf_os_random(&rng, sizeof(rng));
	calibrate();
	printf("%-22s %-18s %17s %11s %9s %8s %6s\n", "", "", "samples of both", "median ns",
		"differ ns", "t", "kept");
	rows(timing_job_rows, timing_job_row_cnt, argc, argv);
	rows(timing_core_rows, timing_core_row_cnt, argc, argv);
	rows(timing_curve_rows, timing_curve_row_cnt, argc, argv);
	return failed;
}
