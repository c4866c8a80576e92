/* main.c -- bench-pk: what the batch kernels are worth beside libcrypto, on one core, through the whole
 * job path (queues, padding, blinding, fault check, wiping). Every engine of the table that the
 * machine has meets every case that it takes, and all of them together a handshake's operations,
 * unless --kernel chooses some; --kernel libcrypto sets libcrypto against itself, which
 * shows what the method errs by. */
#include <getopt.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "bench/pk/bench_pk.h"
#include "drivers/drivers.h"
#include "lib/os/os.h"

#define JOB_CNT 256u

static struct {
	uint32_t pairs, fill_min, fill_max, core;
	const char *out, *samples, *kernel, *cases;
	bool append, slices, gaps;
} opt = {.pairs = 300, .fill_min = 1, .fill_max = BENCH_FILL_MAX, .core = UINT32_MAX};

static FILE *out, *samples;
static char host[256];
static bool on_terminal;

void bench_die(const char *what)
{
	fprintf(stderr, "bench-pk: %s\n", what);
	exit(1);
}

_Noreturn void hf_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, what);
	abort();
}

void *bench_alloc(size_t len)
{
	void *p = aligned_alloc(HF_CACHE_LINE, HF_ROUND_UP(len, (size_t)HF_CACHE_LINE));

	if (!p)
		bench_die("no memory");
	memset(p, 0, len);
	return p;
}

/* ---- who computes ---- */

static struct hf_pk_engine_ref engine_start(const struct hf_pk_engine *e)
{
	struct hf_pk_engine_ref ref = {.engine = e};

	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++) {
		ref.ctx[i] = bench_alloc(e->size());
		if (e->init(ref.ctx[i]) || hf_pk_selftest(e, ref.ctx[i], i))
			bench_die("an engine does not start or gives a wrong answer");
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
	static const struct hf_pk_cfg cfg = {.job_cnt = JOB_CNT};

	return hf_pk_init(bench_alloc(hf_pk_footprint(&cfg)), &cfg, ref, cnt);
}

/* The two ways in one list, as the daemon has them; at any fill. */
static struct hf_pk *jobs_of_both(
	const struct hf_pk_engine_ref *kernel, const struct hf_pk_engine_ref *scalar)
{
	const struct hf_pk_engine_ref ref[2] = {*kernel, *scalar};

	return jobs_start(ref, 2);
}

/* And from the crossover on; work is of case c. */
static struct hf_pk *jobs_by_policy(struct hf_pk_engine_ref kernel,
	const struct hf_pk_engine_ref *scalar, const struct bench_case *c,
	const struct bench_work *work)
{
	const struct hf_pk_engine *e = kernel.engine;
	struct hf_pk_pace pace;

	if (c->primes && e->cost == HF_PK_SLICEABLE) {
		uint32_t cls = hf_pk_class(work->question[0].ask.key);

		pace = hf_pk_measure(&kernel, scalar, cls, bench_cpu_ns);
		kernel.min_fill[cls] = hf_pk_crossover(&pace, e->quantum);
	} else if (!c->primes) {
		enum hf_ec_kind kind = bench_case_kind(c);

		pace = hf_pk_ec_measure(&kernel, scalar, kind, c->group, bench_cpu_ns);
		kernel.ec_min_fill[kind][c->group] = hf_pk_crossover(&pace, e->ec_quantum);
	}
	return jobs_of_both(&kernel, scalar);
}

/* ---- results ---- */

/* Results of a curve name what was asked of it; RSA has bits and primes for that. */
static void row_begin(FILE *f, const char *kernel, const struct bench_case *c)
{
	fprintf(f, "{\"kernel\":\"%s%s%s\",\"bits\":%u,\"primes\":%u,", kernel,
		c->primes ? "" : " ", c->primes ? "" : c->name, c->bits, c->primes);
}

static void report(const char *kernel, const struct bench_case *c, const struct bench_duel *d)
{
	struct bench_result r;

	bench_duel_judge(d, &r);
	printf("%s%-12s %-13s %4u  %9.1f %9.1f  %6.2f %6.2f %6.2f  %6.2f  %6.2f  %4u\n",
		on_terminal ? "\r" : "", kernel, c->name, d->fill, r.us, r.libcrypto_us, r.ratio,
		r.ratio_quiet, r.min_min, r.policy, r.beside, r.quiet);
	fflush(stdout);
	if (out) {
		row_begin(out, kernel, c);
		fprintf(out,
			"\"fill\":%u,\"ops_per_s\":%.0f,\"ratio_median\":%.3f,"
			"\"ratio_min_min\":%.3f,\"ratio_vs_two_prime_median\":%.3f,"
			"\"us_per_batch\":%.1f,\"host\":\"%s\"}\n",
			d->fill, d->fill * 1e6 / r.us, r.ratio, r.min_min, r.beside, r.us, host);
		fflush(out);
	}
	for (uint32_t i = 0; samples && i < d->pairs; i++)
		fprintf(samples, "%s,%s,%u,%u,%.1f,%.1f,%s\n", kernel, c->name, d->fill, i,
			d->ns[LIBCRYPTO][i] / 1e3, d->ns[KERNEL][i] / 1e3,
			bench_duel_quiet(d, i) ? "quiet" : "contended");
}

static void slices(const char *kernel, const struct bench_case *c, struct bench_side *s)
{
	struct bench_slices r;

	bench_slices_run(s, s->lead, opt.pairs, &r);
	printf("%-12s %-13s %4u slices a batch of %u, the longest %.1f us; with a poll's memory "
	       "touched in between they take %.3f of the batch at once\n",
		kernel, c->name, r.cnt, s->lead, r.longest_us, r.over_at_once);
	fflush(stdout);
	if (!out)
		return;
	row_begin(out, kernel, c);
	fprintf(out,
		"\"slices\":%u,\"longest_us\":%.1f,\"sliced_over_at_once\":%.4f,\"host\":\"%s\"}\n",
		r.cnt, r.longest_us, r.over_at_once, host);
	fflush(out);
}

/* Is name in the list "a,b,c"? */
static bool listed(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		if (strncmp(at, name, len) == 0 && (at[len] == ',' || at[len] == '\0'))
			return true;
	return false;
}

/* ---- contests ---- */

static void progress(uint32_t pair)
{
	if (on_terminal && pair % 10 == 0)
		fprintf(stderr, "\r%3u/%u ", pair, opt.pairs);
}

static void contest(struct bench_duel *d, const char *kernel, const struct bench_case *c)
{
	if (opt.slices) {
		if (c->primes)
			slices(kernel, c, &d->side[KERNEL]);
		return;
	}
	for (uint32_t fill = opt.fill_min; fill <= HF_MIN(opt.fill_max, c->fill_max); fill++) {
		bench_duel_run(d, fill, progress);
		report(kernel, c, d);
	}
}

static uint32_t quantum(const struct bench_case *c, const struct hf_pk_engine *e)
{
	return c->primes ? e->quantum : e->ec_quantum;
}

static void meet(struct hf_pk_engine_ref *kernel, struct hf_pk_engine_ref *scalar,
	const struct bench_case *c)
{
	const struct bench_case *beside = c->beside ? bench_case_named(c->beside) : NULL;
	struct bench_work *work = bench_work_make(c), *other = NULL;
	struct bench_duel d = {0};

	if (bench_case_suits(c, work, kernel)) {
		uint32_t all = HF_MIN(quantum(c, kernel->engine), BENCH_FILL_MAX);

		other = beside && !opt.slices ? bench_work_make(beside) : NULL;
		d.side[LIBCRYPTO] =
			(struct bench_side){jobs_start(scalar, 1), work, JOB_CNT, 1, 1, NULL};
		d.side[KERNEL] = (struct bench_side){
			jobs_of_both(kernel, scalar), work, JOB_CNT, all, 1, NULL};
		d.side[POLICY] = (struct bench_side){
			jobs_by_policy(*kernel, scalar, c, work), work, JOB_CNT, 1, 1, NULL};
		if (other)
			d.side[BESIDE] = (struct bench_side){
				jobs_start(scalar, 1), other, JOB_CNT, 1, 1, NULL};
		bench_duel_begin(&d, opt.pairs);
		contest(&d, kernel->engine->name, c);
		bench_duel_end(&d);
		for (uint32_t i = 0; i < SIDE_CNT; i++)
			free(d.side[i].pk);
	}
	if (other)
		bench_work_free(beside, other);
	bench_work_free(c, work);
}

/* Every kernel for curves that runs here, best first, and libcrypto, which this returns the number of. */
static uint32_t all_for_curves(struct hf_pk_engine_ref *ref, const struct hf_pk_engine_ref *scalar)
{
	uint32_t cnt = 0;

	for (uint32_t e = 0; hf_pk_engines[e]; e++)
		if (hf_pk_engines[e] != scalar->engine && hf_pk_engines[e]->ec &&
			hf_pk_engines[e]->probe())
			ref[cnt++] = engine_start(hf_pk_engines[e]);
	ref[cnt] = *scalar;
	return cnt;
}

/* The crossovers of every part. */
static void set_crossovers(struct hf_pk_engine_ref *ref, const struct hf_pk_engine_ref *scalar,
	const struct bench_case *c)
{
	for (uint32_t i = 0; i < BENCH_PARTS; i++) {
		const struct bench_case *part = bench_case_named(c->part[i]);
		enum hf_ec_kind kind = bench_case_kind(part);
		struct hf_pk_pace pace;

		if (!ref->engine->takes_ec(ref->ctx[0], kind, part->group))
			continue;
		pace = hf_pk_ec_measure(ref, scalar, kind, part->group, bench_cpu_ns);
		ref->ec_min_fill[kind][part->group] =
			hf_pk_crossover(&pace, ref->engine->ec_quantum);
	}
}

/* A case of several operations: all kernels together against libcrypto called directly. */
static void meet_together(const struct hf_pk_engine_ref *scalar, const struct bench_case *c)
{
	struct hf_pk_engine_ref ref[HF_PK_ENGINE_MAX];
	uint32_t cnt = all_for_curves(ref, scalar);
	struct bench_work *work = bench_work_make(c);
	struct bench_duel d = {0};

	d.side[LIBCRYPTO] = (struct bench_side){.work = work, .lead = 1, .direct = c->direct};
	d.side[KERNEL] = (struct bench_side){
		jobs_start(ref, cnt + 1), work, JOB_CNT, c->fill_max, BENCH_PARTS, NULL};
	for (uint32_t i = 0; i < cnt; i++)
		set_crossovers(&ref[i], scalar, c);
	d.side[POLICY] =
		(struct bench_side){jobs_start(ref, cnt + 1), work, JOB_CNT, 1, BENCH_PARTS, NULL};
	bench_duel_begin(&d, opt.pairs);
	contest(&d, "together", c);
	bench_duel_end(&d);
	free(d.side[KERNEL].pk);
	free(d.side[POLICY].pk);
	bench_work_free(c, work);
	while (cnt-- > 0)
		engine_stop(&ref[cnt]);
}

static bool asked_for(const struct bench_case *c)
{
	return !opt.cases || listed(opt.cases, c->name);
}

/* ---- gaps ---- */

/* Percent of what the kernel can do. */
static const struct load {
	const char *name;
	uint32_t small, large; /* 100: always more waiting than a batch takes */
	bool bulk;
} loads[] = {
	{"saturated with 2048", 100, 0, false},
	{"10% of 2048, bulk", 10, 0, true},
	{"40% of 2048, 40% of 4096", 40, 40, false},
	{"40% of 2048, 40% of 4096, bulk", 40, 40, true},
};

static double interval_ns(const struct hf_pk_engine_ref *kernel,
	const struct hf_pk_engine_ref *scalar, const struct hf_pk_key *key, uint32_t percent)
{
	struct hf_pk_pace pace = hf_pk_measure(kernel, scalar, hf_pk_class(key), bench_cpu_ns);

	return percent == 100 ? 0 : (double)pace.batch / kernel->engine->quantum * 100 / percent;
}

static double us(const struct hf_hist *h, uint32_t per_mille)
{
	return (double)hf_hist_percentile(h, per_mille) / 1e3;
}

static void gaps_report(const char *kernel, const struct load *l, const struct bench_gaps *r,
	double longest_us, const double wait_us[2])
{
	double computed = longest_us + us(&r->burst, 500);

	printf("%-12s %-31s gap p50 %6.1f p99 %6.1f p99.9 %6.1f us, null p99.9 %5.1f, more "
	       "%6.1f; longest slice %5.1f + burst %5.1f = %5.1f; key step p99 %5.1f; wait p99 of "
	       "2048 %.0f us",
		kernel, l->name, us(&r->gap, 500), us(&r->gap, 990), us(&r->gap, 999),
		us(&r->null, 999), us(&r->gap, 999) - us(&r->null, 999), longest_us,
		us(&r->burst, 500), computed, us(&r->slice[HF_PK_SLICE_KEY], 990), wait_us[0]);
	printf(l->large ? ", of 4096 %.0f us\n" : "\n", wait_us[1]);
	fflush(stdout);
	if (!out)
		return;
	fprintf(out,
		"{\"kernel\":\"%s\",\"load\":\"%s\",\"gap_p50_us\":%.1f,\"gap_p99_us\":%.1f,"
		"\"gap_p999_us\":%.1f,\"null_p999_us\":%.1f,\"longest_slice_us\":%.1f,"
		"\"burst_us\":%.1f,\"wait_2048_p99_us\":%.0f,\"wait_4096_p99_us\":%.0f,"
		"\"host\":\"%s\"}\n",
		kernel, l->name, us(&r->gap, 500), us(&r->gap, 990), us(&r->gap, 999),
		us(&r->null, 999), longest_us, us(&r->burst, 500), wait_us[0], wait_us[1], host);
	fflush(out);
}

static void gaps_of(struct hf_pk_engine_ref *kernel, struct hf_pk_engine_ref *scalar,
	const struct load *l, struct bench_work *work[2])
{
	struct hf_pk *pk = jobs_of_both(kernel, scalar);
	struct hf_pk *alone = jobs_of_both(kernel, scalar);
	struct bench_gaps *r = bench_alloc(sizeof(*r));
	struct bench_stream s[2];
	double longest_us = 0, wait_us[2] = {0};
	uint32_t cnt = l->large ? 2 : 1;

	for (uint32_t i = 0; i < cnt; i++) {
		const struct hf_pk_key *key = work[i]->question[0].ask.key;
		struct bench_side side = {alone, work[i], JOB_CNT, 1, 1, NULL};
		struct bench_slices slice;

		bench_slices_run(&side, kernel->engine->quantum, 50, &slice);
		longest_us = HF_MAX(longest_us, slice.longest_us);
		s[i] = (struct bench_stream){{pk, work[i], JOB_CNT, 1, 1, NULL},
			interval_ns(kernel, scalar, key, i ? l->large : l->small), 0};
	}
	for (uint32_t i = 0; i < cnt * BENCH_QUESTIONS; i++) /* their keys are to be made ready */
		hf_pk_forget(pk, work[i % cnt]->question[i / cnt].ask.key->id);
	bench_gaps_run(pk, s, cnt, l->bulk, opt.pairs, r);
	for (uint32_t i = 0; i < cnt; i++)
		wait_us[i] =
			us(&hf_pk_engine_stats(pk, 0, hf_pk_class(work[i]->question[0].ask.key))
					->wait_ns,
				990);
	gaps_report(kernel->engine->name, l, r, longest_us, wait_us);
	free(r);
	free(alone);
	free(pk);
}

static void gaps(struct hf_pk_engine_ref *kernel, struct hf_pk_engine_ref *scalar)
{
	const struct bench_case *small = bench_case_named("2048"),
				*large = bench_case_named("4096");
	struct bench_work *work[2] = {bench_work_make(small), bench_work_make(large)};

	if (kernel->engine->cost == HF_PK_SLICEABLE && bench_case_suits(small, work[0], kernel))
		for (uint32_t i = 0; i < HF_ARRAY_LEN(loads); i++)
			gaps_of(kernel, scalar, &loads[i], work);
	bench_work_free(small, work[0]);
	bench_work_free(large, work[1]);
}

/* ---- all of it ---- */

static const char help[] =
	"usage: bench-pk [OPTION...]\n"
	"  --pairs N       pairs of each row (300)\n"
	"  --fill N or A-B fills up to N, or from A to B (1-16)\n"
	"  --core N        core to run on (the last one allowed)\n"
	"  --kernel NAMES  only these, divided by commas; libcrypto: against itself\n"
	"  --case NAMES    only these, divided by commas\n"
	"  --slices        what slicing a batch costs, instead of what batches gain\n"
	"  --gaps          how long a port waits meanwhile; --pairs N: periods of 20 ms\n"
	"  --out FILE      JSON lines as well\n"
	"  --samples FILE  every pair, with its label: quiet or contended\n"
	"  --append        to these files, instead of writing them anew\n";

static _Noreturn void usage(void)
{
	fputs(help, stderr);
	fputs("cases:", stderr);
	for (uint32_t i = 0; i < bench_case_cnt; i++)
		fprintf(stderr, " %s", bench_cases[i].name);
	fputs("\n", stderr);
	exit(2);
}

static void parse_fills(const char *text)
{
	char *end;

	opt.fill_max = (uint32_t)strtoul(text, &end, 10);
	if (*end == '-') {
		opt.fill_min = opt.fill_max;
		opt.fill_max = (uint32_t)strtoul(end + 1, &end, 10);
	}
	if (*end || opt.fill_min == 0 || opt.fill_min > opt.fill_max ||
		opt.fill_max > BENCH_FILL_MAX)
		usage();
}

static void options(int argc, char **argv)
{
	static const struct option all[] = {{"pairs", required_argument, NULL, 'p'},
		{"fill", required_argument, NULL, 'f'}, {"core", required_argument, NULL, 'c'},
		{"kernel", required_argument, NULL, 'k'}, {"case", required_argument, NULL, 'w'},
		{"out", required_argument, NULL, 'o'}, {"samples", required_argument, NULL, 's'},
		{"append", no_argument, NULL, 'a'}, {"slices", no_argument, NULL, 'l'},
		{"gaps", no_argument, NULL, 'g'}, {NULL, 0, NULL, 0}};
	int o;

	while ((o = getopt_long(argc, argv, "", all, NULL)) != -1) {
		switch (o) {
		case 'p':
			opt.pairs = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'f':
			parse_fills(optarg);
			break;
		case 'c':
			opt.core = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'k':
			opt.kernel = optarg;
			break;
		case 'w':
			opt.cases = optarg;
			break;
		case 'o':
			opt.out = optarg;
			break;
		case 's':
			opt.samples = optarg;
			break;
		case 'a':
			opt.append = true;
			break;
		case 'l':
			opt.slices = true;
			break;
		case 'g':
			opt.gaps = true;
			break;
		default:
			usage();
		}
	}
	if (optind != argc || opt.pairs == 0)
		usage();
}

static void pin(void)
{
	if (opt.core == UINT32_MAX)
		for (opt.core = 1023; !hf_os_core_usable(opt.core); opt.core--)
			;
	if (hf_os_pin_self(opt.core))
		bench_die("that core is not ours");
}

/* The processor, and the other side: its version, and what was hidden from it. */
static void name_host(void)
{
	const char *mask = getenv("OPENSSL_ia32cap");
	char brand[49];

	hf_os_cpu_brand(brand);
	for (size_t len = strlen(brand); len > 0 && brand[len - 1] == ' ';)
		brand[--len] = '\0';
	(void)snprintf(host, sizeof(host), "%s, %s%s%s", brand, OpenSSL_version(OPENSSL_VERSION),
		mask ? ", OPENSSL_ia32cap=" : "", mask ? mask : "");
	for (char *c = host; *c; c++)
		if (*c == '"' || *c == '\\')
			*c = ' ';
}

static FILE *open_out(const char *path)
{
	FILE *f = path ? fopen(path, opt.append ? "a" : "w") : NULL;

	if (path && !f)
		bench_die("cannot write to the file named");
	return f;
}

static void close_out(FILE *f)
{
	if (f && fclose(f))
		bench_die("the file named is not whole");
}

static void heading(void)
{
	printf("%s, core %u, %u pairs a row\n", host, opt.core, opt.pairs);
	if (!opt.slices && !opt.gaps)
		puts("kernel       case          fill   us, all  libcrypto  ratio  quiet min/min "
		     "policy  vs two  quiet\n"
		     "                                  of them    us each                       "
		     "         primes  pairs");
}

static bool wanted(const struct hf_pk_engine *k)
{
	return k->probe() && (opt.kernel ? listed(opt.kernel, k->name) : k != &hf_pk_libcrypto);
}

int main(int argc, char **argv)
{
	struct hf_pk_engine_ref scalar, kernel;
	uint32_t ran = 0;

	options(argc, argv);
	pin();
	name_host();
	on_terminal = isatty(STDERR_FILENO);
	out = open_out(opt.out);
	samples = open_out(opt.samples);
	heading();
	scalar = engine_start(&hf_pk_libcrypto);
	for (uint32_t e = 0; hf_pk_engines[e]; e++) {
		if (!wanted(hf_pk_engines[e]))
			continue;
		kernel = engine_start(hf_pk_engines[e]);
		if (opt.gaps)
			gaps(&kernel, &scalar);
		for (uint32_t i = 0; i < bench_case_cnt && !opt.gaps; i++)
			if (!bench_cases[i].part[0] && asked_for(&bench_cases[i]))
				meet(&kernel, &scalar, &bench_cases[i]);
		engine_stop(&kernel);
		ran++;
	}
	for (uint32_t i = 0; i < bench_case_cnt && !opt.gaps && !opt.slices && !opt.kernel; i++)
		if (bench_cases[i].part[0] && asked_for(&bench_cases[i]))
			meet_together(&scalar, &bench_cases[i]);
	engine_stop(&scalar);
	close_out(out);
	close_out(samples);
	if (ran == 0)
		bench_die("no such kernel runs on this machine");
	return 0;
}
