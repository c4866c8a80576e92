/* main.c -- bench-pk: what the batch kernels are worth beside libcrypto, on one core, through the whole
 * job path (queues, padding, blinding, fault check, wiping).
 *
 * A shared machine changes its speed from second to second, so only pairs are compared: the same
 * operations by a kernel and by libcrypto, one right after the other, many times. The paired median
 * of their ratio and the ratio of the two best times are reported. What ran before a sample still
 * slows it down (512-bit code lowers the clock of some processors for most of a millisecond), so
 * each sample is led in by operations of its own kind that are not counted. Time is the thread's
 * own, so that being preempted costs no more than cold caches. A pair whose libcrypto
 * time is well above the best one seen was taken while others used the machine: it counts, and the
 * median without such pairs is given too. */
#include <getopt.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "drivers/drivers.h"
#include "lib/crypto/pk.h"
#include "lib/os/os.h"
#include "tests/support/rsa_key.h"

#define FILL_MAX 16u
#define KEY_CNT 4u     /* keys of one shape, in turn */
#define CIPHER_CNT 16u /* ciphertexts of each */
#define LEAD_OPS 2u /* not counted, before operations one by one; before batches it is one batch */
#define QUIET 1.15  /* libcrypto's time over its best up to which a pair is quiet */
#define FOREIGN (32u << 10) /* bytes that a poll turn touches between two slices */

static const struct shape {
	uint32_t bits, primes;
} shapes[] = {{2048, 2}, {3072, 2}, {4096, 2}, {2048, 3}, {3072, 3}, {4096, 4}};

static struct {
	uint32_t pairs, fill_max, core;
	const char *out, *kernel;
} opt = {.pairs = 300, .fill_max = FILL_MAX, .core = UINT32_MAX};

static FILE *out;
static char brand[49], kernels[128];

static void die(const char *what)
{
	fprintf(stderr, "bench-pk: %s\n", what);
	exit(1);
}

_Noreturn void hf_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, what);
	abort();
}

/* ---- what is computed ---- */

struct work {
	struct rsa_key key[KEY_CNT];
	uint8_t cipher[KEY_CNT][CIPHER_CNT][HF_PK_OUT_MAX];
	uint8_t premaster[KEY_CNT][CIPHER_CNT][HF_PREMASTER_LEN];
	uint32_t next; /* operation */
};

static void random_bytes(void *p, size_t len)
{
	if (RAND_bytes(p, (int)len) != 1)
		die("no random bytes");
}

static void encrypt(struct work *w, uint32_t k, uint32_t c)
{
	size_t len = w->key[k].key.n.len;
	uint8_t em[HF_PK_OUT_MAX], *pm = w->premaster[k][c];

	random_bytes(pm, HF_PREMASTER_LEN);
	pm[0] = 3;
	pm[1] = 3;
	memset(em, 0x5a, len); /* RFC 8017 7.2.1, with padding that need not be random */
	em[0] = 0;
	em[1] = 2;
	em[len - HF_PREMASTER_LEN - 1] = 0;
	memcpy(em + len - HF_PREMASTER_LEN, pm, HF_PREMASTER_LEN);
	rsa_key_public(&w->key[k], em, w->cipher[k][c]);
}

static struct work *work_make(const struct shape *s)
{
	struct work *w = calloc(1, sizeof(*w));

	if (!w)
		die("no memory");
	for (uint32_t k = 0; k < KEY_CNT; k++) {
		rsa_key_make(&w->key[k], s->bits, s->primes);
		for (uint32_t c = 0; c < CIPHER_CNT; c++)
			encrypt(w, k, c);
	}
	return w;
}

static void work_free(struct work *w)
{
	for (uint32_t k = 0; k < KEY_CNT; k++)
		rsa_key_free(&w->key[k]);
	free(w);
}

/* ---- who computes it ---- */

static void *aligned(size_t len)
{
	void *p = aligned_alloc(HF_CACHE_LINE, HF_ROUND_UP(len, (size_t)HF_CACHE_LINE));

	if (!p)
		die("no memory");
	memset(p, 0, len);
	return p;
}

static struct hf_pk_engine_ref engine_start(const struct hf_pk_engine *e)
{
	struct hf_pk_engine_ref ref = {.engine = e};

	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++) {
		ref.ctx[i] = aligned(e->size());
		if (e->init(ref.ctx[i]) || hf_pk_selftest(e, ref.ctx[i], i))
			die("an engine does not start or gives a wrong answer");
	}
	return ref;
}

static void engine_stop(struct hf_pk_engine_ref *ref)
{
	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++) {
		ref->engine->fini(ref->ctx[i]);
		free(ref->ctx[i]);
	}
}

static struct hf_pk *jobs_start(const struct hf_pk_engine_ref *ref, uint32_t cnt)
{
	static const struct hf_pk_cfg cfg = {FILL_MAX};

	return hf_pk_init(aligned(hf_pk_footprint(&cfg)), &cfg, ref, cnt);
}

static void submit(struct hf_pk *pk, struct work *w)
{
	uint32_t k = w->next % KEY_CNT, c = w->next / KEY_CNT % CIPHER_CNT;
	struct hf_pk_job *job = hf_pk_take(pk);

	if (!job)
		die("no job");
	job->key = &w->key[k].key;
	job->op = HF_PK_RSA_PREMASTER;
	job->client_version = 0x0303;
	job->in_len = (uint32_t)job->key->n.len;
	memcpy(job->in, w->cipher[k][c], job->in_len);
	memset(job->seed, (int)w->next, sizeof(job->seed));
	job->user = w->premaster[k][c];
	w->next++;
	hf_pk_submit(pk, job, 0);
}

static void collect(struct hf_pk *pk)
{
	struct hf_pk_job *job;

	while ((job = hf_pk_done(pk))) {
		if (job->status != HF_PK_OK || memcmp(job->out, job->user, HF_PREMASTER_LEN) != 0)
			die("a wrong answer");
		hf_pk_give(pk, job);
	}
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t))
		die("no clock of the thread's time");
	return (uint64_t)t.tv_sec * HF_NS_S + (uint64_t)t.tv_nsec;
}

/* fill operations that were waiting at once, in ns. */
static double sample(struct hf_pk *pk, struct work *w, uint32_t fill)
{
	uint64_t began = cpu_ns();

	for (uint32_t i = 0; i < fill; i++)
		submit(pk, w);
	while (hf_pk_work(pk, true, 0))
		;
	collect(pk);
	return (double)(cpu_ns() - began);
}

/* ---- pairs ---- */

struct row {
	const char *kernel;
	struct shape shape;
	uint32_t fill, pairs, quiet;
	double ratio, ratio_quiet, min_min, policy,
		two_prime;       /* over libcrypto: 2 is twice as fast */
	double us, libcrypto_us; /* of fill operations; of one */
};

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

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

/* One kernel on one shape. forced: batches at any fill; policy: as the appliance decides on an idle
 * port; two: libcrypto with two primes, NULL when the shape has two. */
struct contest {
	struct hf_pk *forced, *policy, *scalar;
	struct work *work, *two;
	uint32_t quantum;
};

static void measure(struct contest *c, uint32_t fill, struct row *r)
{
	double *kernel = aligned(6 * opt.pairs * sizeof(double)), *scalar = kernel + opt.pairs;
	double *policy = scalar + opt.pairs, *two = policy + opt.pairs;
	double *ratio = two + opt.pairs, *other = ratio + opt.pairs, best;

	for (uint32_t i = 0; i < opt.pairs; i++) {
		sample(c->scalar, c->work, LEAD_OPS);
		scalar[i] = sample(c->scalar, c->work, fill);
		sample(c->forced, c->work, c->quantum);
		kernel[i] = sample(c->forced, c->work, fill);
		policy[i] = sample(c->policy, c->work, fill);
		if (c->two)
			two[i] = sample(c->scalar, c->two, fill);
		if (isatty(STDERR_FILENO) && i % 20 == 0)
			fprintf(stderr, "\r%3u/%u ", i, opt.pairs);
	}
	best = least(scalar, opt.pairs);
	r->fill = fill;
	r->pairs = opt.pairs;
	r->min_min = best / least(kernel, opt.pairs);
	for (uint32_t i = 0; i < opt.pairs; i++)
		if (scalar[i] <= QUIET * best)
			other[r->quiet++] = scalar[i] / kernel[i];
	r->ratio_quiet = median(other, r->quiet);
	for (uint32_t i = 0; i < opt.pairs; i++) {
		ratio[i] = scalar[i] / kernel[i];
		other[i] = scalar[i] / policy[i];
	}
	r->ratio = median(ratio, opt.pairs);
	r->policy = median(other, opt.pairs);
	for (uint32_t i = 0; c->two && i < opt.pairs; i++)
		other[i] = two[i] / kernel[i];
	r->two_prime = c->two ? median(other, opt.pairs) : r->ratio;
	r->us = median(kernel, opt.pairs) / 1e3;
	r->libcrypto_us = median(scalar, opt.pairs) / fill / 1e3;
	free(kernel);
}

static void print_row(const struct row *r)
{
	printf("\r%-12s %4u/%u %4u  %9.1f %9.1f  %6.2f %6.2f %6.2f  %6.2f  %6.2f  %4u\n", r->kernel,
		r->shape.bits, r->shape.primes, r->fill, r->us, r->libcrypto_us, r->ratio,
		r->ratio_quiet, r->min_min, r->policy, r->two_prime, r->quiet);
	fflush(stdout);
	if (!out)
		return;
	fprintf(out,
		"{\"kernel\":\"%s\",\"bits\":%u,\"primes\":%u,\"fill\":%u,\"ops_per_s\":%.0f,"
		"\"ratio_median\":%.3f,\"ratio_min_min\":%.3f,\"ratio_vs_two_prime_median\":%.3f,"
		"\"us_per_batch\":%.1f,\"ratio_median_quiet\":%.3f,\"pairs\":%u,\"quiet_pairs\":%u,"
		"\"policy_ratio_median\":%.3f,\"libcrypto_us_per_op\":%.1f,\"host\":\"%s\","
		"\"kernels\":\"%s\"}\n",
		r->kernel, r->shape.bits, r->shape.primes, r->fill, r->fill * 1e6 / r->us, r->ratio,
		r->min_min, r->two_prime, r->us, r->ratio_quiet, r->pairs, r->quiet, r->policy,
		r->libcrypto_us, brand, kernels);
	fflush(out);
}

/* ---- slices ---- */

#define SLICES_MAX 4096u

/* One batch, slice by slice, with foreign data touched between them. Returns how many slices it had;
 * what each took in ns goes to slice[0], slice[stride], ... */
static uint32_t sliced(struct hf_pk *pk, struct work *w, uint32_t fill, uint8_t *foreign,
	double *slice, uint32_t stride)
{
	uint32_t cnt = 0;
	bool more = true;

	for (uint32_t i = 0; i < fill; i++)
		submit(pk, w);
	while (more) {
		uint64_t began = hf_os_now_ns();

		more = hf_pk_work(pk, false, 0);
		if (cnt == SLICES_MAX)
			die("too many slices");
		slice[cnt++ * stride] = (double)(hf_os_now_ns() - began);
		for (uint32_t i = 0; i < FOREIGN; i += HF_CACHE_LINE)
			foreign[i]++;
	}
	collect(pk);
	return cnt;
}

/* What slicing costs, and how long slices are. Each slice is taken at the median of all batches:
 * what interrupts one batch hits another slice in the next. */
static void slices(struct contest *c, const struct row *r)
{
	double *once = aligned(opt.pairs * sizeof(double)), sum = 0, longest = 0, one;
	double *slice = aligned(SLICES_MAX * opt.pairs * sizeof(double));
	uint8_t *foreign = aligned(FOREIGN);
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < opt.pairs; i++) {
		once[i] = sample(c->forced, c->work, c->quantum);
		cnt = sliced(c->forced, c->work, c->quantum, foreign, slice + i, opt.pairs);
	}
	for (uint32_t i = 0; i < cnt; i++) {
		one = median(slice + i * opt.pairs, opt.pairs);
		sum += one;
		longest = HF_MAX(longest, one);
	}
	sum /= median(once, opt.pairs);
	printf("%-12s %4u/%u  %u slices a batch, the longest %.1f us; in slices a batch takes %.3f "
	       "of "
	       "at once\n",
		r->kernel, r->shape.bits, r->shape.primes, cnt, longest / 1e3, sum);
	if (out)
		fprintf(out,
			"{\"kernel\":\"%s\",\"bits\":%u,\"primes\":%u,\"slices\":%u,"
			"\"slice_longest_us\":%.1f,\"sliced_over_unsliced\":%.4f,\"host\":\"%s\"}"
			"\n",
			r->kernel, r->shape.bits, r->shape.primes, cnt, longest / 1e3, sum, brand);
	free(once);
	free(slice);
	free(foreign);
}

/* ---- all of it ---- */

static void contest_run(
	struct hf_pk_engine_ref *kernel, struct hf_pk_engine_ref *scalar, const struct shape *s)
{
	struct hf_pk_engine_ref ref[2] = {*kernel, *scalar};
	struct contest c = {.work = work_make(s), .quantum = kernel->engine->quantum};
	const struct shape two = {s->bits, 2};
	uint32_t cls = hf_pk_class(&c.work->key[0].key);
	struct hf_pk_pace pace = hf_pk_measure(kernel, scalar, cls, cpu_ns);

	if (kernel->engine->takes(kernel->ctx[cls], &c.work->key[0].key)) {
		struct row r = {.kernel = kernel->engine->name, .shape = *s};

		c.forced = jobs_start(ref, 2);
		ref[0].min_fill[cls] = hf_pk_crossover(&pace, c.quantum);
		c.policy = jobs_start(ref, 2);
		c.scalar = jobs_start(scalar, 1);
		c.two = s->primes > 2 ? work_make(&two) : NULL;
		for (uint32_t fill = 1; fill <= opt.fill_max; fill++) {
			r.quiet = 0;
			measure(&c, fill, &r);
			print_row(&r);
		}
		slices(&c, &r);
		if (c.two)
			work_free(c.two);
		free(c.forced);
		free(c.policy);
		free(c.scalar);
	}
	work_free(c.work);
}

static void list_kernels(void)
{
	for (uint32_t e = 0; hf_pk_engines[e]; e++)
		if (hf_pk_engines[e]->probe()) {
			if (kernels[0])
				strncat(kernels, " ", sizeof(kernels) - strlen(kernels) - 1);
			strncat(kernels, hf_pk_engines[e]->name,
				sizeof(kernels) - strlen(kernels) - 1);
		}
}

static const char help[] =
	"usage: bench-pk [--pairs N] [--fill N] [--core N] [--kernel NAME] [--out FILE]\n"
	"  --pairs N      pairs of each row (300)\n"
	"  --fill N       fills 1 to N (16)\n"
	"  --core N       core to run on (the last one allowed)\n"
	"  --kernel NAME  this one alone\n"
	"  --out FILE     JSON lines as well\n";

static void options(int argc, char **argv)
{
	static const struct option all[] = {{"pairs", required_argument, NULL, 'p'},
		{"fill", required_argument, NULL, 'f'}, {"core", required_argument, NULL, 'c'},
		{"kernel", required_argument, NULL, 'k'}, {"out", required_argument, NULL, 'o'},
		{NULL, 0, NULL, 0}};
	int o;

	while ((o = getopt_long(argc, argv, "", all, NULL)) != -1) {
		uint32_t n = optarg ? (uint32_t)strtoul(optarg, NULL, 10) : 0;

		if (o == 'p')
			opt.pairs = n;
		else if (o == 'f')
			opt.fill_max = n;
		else if (o == 'c')
			opt.core = n;
		else if (o == 'k')
			opt.kernel = optarg;
		else if (o == 'o')
			opt.out = optarg;
		else
			opt.pairs = 0;
	}
	if (optind != argc || opt.pairs == 0 || opt.fill_max == 0 || opt.fill_max > FILL_MAX) {
		fputs(help, stderr);
		exit(2);
	}
}

static void pin(void)
{
	if (opt.core == UINT32_MAX)
		for (opt.core = 1023; !hf_os_core_usable(opt.core); opt.core--)
			;
	if (hf_os_pin_self(opt.core))
		die("that core is not ours");
}

int main(int argc, char **argv)
{
	struct hf_pk_engine_ref scalar;
	uint32_t ran = 0;

	options(argc, argv);
	pin();
	hf_os_cpu_brand(brand);
	brand[strcspn(brand, "\"\\")] = '\0';
	list_kernels();
	out = opt.out ? fopen(opt.out, "w") : NULL;
	if (opt.out && !out)
		die("cannot write the file of --out");
	printf("%s, core %u, kernels: %s; %u pairs a row\n"
	       "kernel       bits/primes fill   us, all  libcrypto  ratio  quiet min/min policy  "
	       "vs two  quiet\n"
	       "                               of them    us each                                "
	       "primes  pairs\n",
		brand, opt.core, kernels, opt.pairs);
	scalar = engine_start(&hf_pk_libcrypto);
	for (uint32_t e = 0; hf_pk_engines[e]; e++) {
		const struct hf_pk_engine *k = hf_pk_engines[e];
		struct hf_pk_engine_ref kernel;

		if (k->cost != HF_PK_SLICEABLE || !k->probe() ||
			(opt.kernel && strcmp(opt.kernel, k->name) != 0))
			continue;
		kernel = engine_start(k);
		for (uint32_t i = 0; i < HF_ARRAY_LEN(shapes); i++)
			contest_run(&kernel, &scalar, &shapes[i]);
		engine_stop(&kernel);
		ran++;
	}
	engine_stop(&scalar);
	if (out && fclose(out))
		die("the file of --out is not whole");
	if (ran == 0)
		die("no such kernel runs on this machine");
	return 0;
}
