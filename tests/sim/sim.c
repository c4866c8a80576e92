/* sim.c -- runs seeds, twice each, and tells which did not come out as they must.
 * Seeds run in child processes, so that an assertion that ends one run is one failed seed: its
 * child is replaced and the next seed goes on. Children report through shared memory. On failure
 * the run is recorded once more, which costs nothing because it is the same again. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/sim/world.h"

#define JOBS_MAX 16u

static const struct subject_class *const subjects[] = {&subject_appliance, &subject_reference};

struct options {
	struct world_cfg world;
	uint64_t from;
	uint32_t seeds, jobs;
	uint32_t complete; /* per mille of the clients that must get through */
	bool once;         /* do not repeat each seed to compare */
};

struct seed {
	bool over, failed;
	struct world_result result;
};

static struct options opt = {
	.world = {.subject = &subject_appliance},
	.from = 1,
	.seeds = 100,
	.jobs = 1,
	.complete = 1000,
};

/* ---- options: one row each ------------------------------------------------------------------- */

static const char *const sins[PLANT_CNT] = {"none", "byte", "leak", "frame", "trace"};

struct row {
	const char *name, *help;
	void (*take)(const struct row *row, const char *text);
	void *at;
	uint64_t max; /* numbers */
};

static _Noreturn void refuse(const struct row *row, const char *text)
{
	fprintf(stderr, "sim: --%s %s: should be: %s", row->name, text, row->help);
	if (row->max != 0)
		fprintf(stderr, " (0 to %llu)", (unsigned long long)row->max);
	fputs("; sim --help lists all\n", stderr);
	exit(2);
}

static uint64_t number(const struct row *row, const char *text)
{
	char *end;
	uint64_t v = strtoull(text, &end, 0);
	if (*text < '0' || *text > '9' || *end != '\0' || v > row->max)
		refuse(row, text);
	return v;
}

static void take_u16(const struct row *row, const char *text)
{
	*(uint16_t *)row->at = (uint16_t)number(row, text);
}

static void take_u32(const struct row *row, const char *text)
{
	*(uint32_t *)row->at = (uint32_t)number(row, text);
}

static void take_u64(const struct row *row, const char *text)
{
	*(uint64_t *)row->at = number(row, text);
}

static void take_subject(const struct row *row, const char *text)
{
	for (size_t i = 0; i < HF_ARRAY_LEN(subjects); i++) {
		if (strcmp(subjects[i]->name, text) == 0) {
			opt.world.subject = subjects[i];
			return;
		}
	}
	refuse(row, text);
}

static void take_sin(const struct row *row, const char *text)
{
	for (unsigned i = 0; i < PLANT_CNT; i++) {
		if (strcmp(sins[i], text) == 0) {
			opt.world.plant = i;
			return;
		}
	}
	refuse(row, text);
}

static void take_text(const struct row *row, const char *text)
{
	*(const char **)row->at = text;
}

/* clang-format off */
static const struct row rows[] = {
	{"seeds",    "how many runs",                                take_u32, &opt.seeds, 10000000},
	{"from",     "the first seed",                               take_u64, &opt.from, UINT64_MAX},
	{"loss",     "per mille of frames dropped, each direction",  take_u16, &opt.world.drop, 1000},
	{"dup",      "per mille of frames doubled",                  take_u16, &opt.world.dup, 1000},
	{"reorder",  "per mille of frames delayed past others",      take_u16, &opt.world.reorder, 1000},
	{"corrupt",  "per mille of frames with one bit flipped",     take_u16, &opt.world.corrupt, 1000},
	{"mtu",      "bytes that the path narrows to; 0: it stays",  take_u16, &opt.world.mtu, 1500},
	{"stall",    "ms that the path stalls for, at most",         take_u16, &opt.world.stall_ms, 60000},
	{"len",      "bytes every client fetches; 0: by seed",       take_u32, &opt.world.len, 100000000},
	{"up",       "with --len: bytes it sends meanwhile",         take_u32, &opt.world.up_len, 100000000},
	{"clients",  "clients per run; 0: 1 to 8, by seed",          take_u32, &opt.world.client_cnt, WORLD_CLIENT_MAX},
	{"ignoring", "of them that never read their answer",         take_u32, &opt.world.ignoring_cnt, WORLD_CLIENT_MAX},
	{"complete", "per mille of clients that must get through",   take_u32, &opt.complete, 1000},
	{"jobs",     "processes to use",                             take_u32, &opt.jobs, JOBS_MAX},
	{"subject",  "what serves the clients: appliance, reference",          take_subject, NULL, 0},
	{"plant",    "a sin to see caught: byte, leak, frame, trace", take_sin, NULL, 0},
	{"pcap",     "a file to record to; for one seed",            take_text, &opt.world.pcap, 0},
	{"trace",    "to see what the subject did; for one seed",    NULL, &opt.world.trace, 0},
	{"once",     "to skip the second run of each seed",          NULL, &opt.once, 0},
	{"help",     "this list",                                    NULL, NULL, 0},
};
/* clang-format on */

static void help(void)
{
	puts("usage: sim [options]     (see tests/sim/world.h for what a run is)");
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++)
		printf("  --%-9s %s\n", rows[i].name, rows[i].help);
	exit(0);
}

static void parse(int argc, char **argv)
{
	struct option longs[HF_ARRAY_LEN(rows) + 1] = {0};
	int at;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++)
		longs[i] = (struct option){rows[i].name, rows[i].take != NULL, NULL, 1};
	while (optind < argc) {
		int c = getopt_long(argc, argv, "", longs, &at);
		if (c != 1) {
			fputs("sim: --help lists the options\n", stderr);
			exit(2);
		}
		if (rows[at].take != NULL)
			rows[at].take(&rows[at], optarg);
		else if (rows[at].at != NULL)
			*(bool *)rows[at].at = true;
		else
			help();
	}
	opt.jobs = HF_MAX(opt.jobs, 1u);
	opt.world.resets = opt.complete < 1000;
}

/* ---- one seed ----------------------------------------------------------------------------------- */

/* The command that does it again. */
static void say_how_to_repeat(uint64_t seed)
{
	const struct world_cfg *w = &opt.world;
	fprintf(stderr,
		"  again: build/sim --subject %s --from %llu --seeds 1 --loss %u --dup %u "
		"--reorder %u --corrupt %u --mtu %u --stall %u --len %u --up %u --clients %u "
		"--ignoring %u "
		"--complete %u --pcap sim-%llu.pcap\n",
		w->subject->name, (unsigned long long)seed, w->drop, w->dup, w->reorder, w->corrupt,
		w->mtu, w->stall_ms, w->len, w->up_len, w->client_cnt, w->ignoring_cnt,
		opt.complete, (unsigned long long)seed);
}

static void say_failed(uint64_t seed, const char *why)
{
	fprintf(stderr, "seed %llu FAILED: %s\n", (unsigned long long)seed, why);
	say_how_to_repeat(seed);
}

static void run_seed(uint64_t seed, struct seed *s)
{
	struct world_cfg cfg = opt.world;
	struct world_result again;
	cfg.seed = seed;
	world_run(&cfg, &s->result);
	s->failed = s->result.failed;
	if (s->failed)
		say_failed(seed, s->result.why);
	if (!opt.once && !s->failed) {
		cfg.pcap = NULL;
		cfg.trace = false;
		world_run(&cfg, &again);
		s->failed = again.digest != s->result.digest;
		if (s->failed)
			say_failed(seed, "the same seed gave another trace");
	}
	s->over = true;
}

/* ---- processes ---------------------------------------------------------------------------------- */

static void on_abort(int sig HF_UNUSED)
{
	world_trace(stderr); /* nothing is lost by what this call may not do in a handler */
}

/* Job j has the seeds j, j + jobs, ...; a child that starts late skips what is over. */
static void run_job(uint32_t job, struct seed *all)
{
	for (uint32_t i = job; i < opt.seeds; i += opt.jobs)
		if (!all[i].over)
			run_seed(opt.from + i, &all[i]);
}

static pid_t start_job(uint32_t job, struct seed *all)
{
	pid_t pid;
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		perror("sim: fork");
		exit(2);
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (opt.world.trace)
			signal(SIGABRT, on_abort);
		run_job(job, all);
		exit(0);
	}
	return pid;
}

/* The seed at which a job died is the first of its own that is not over. */
static void bury(uint32_t job, int status, struct seed *all)
{
	char why[64];
	uint32_t i = job;
	while (i < opt.seeds && all[i].over)
		i += opt.jobs;
	if (i >= opt.seeds)
		return;
	if (WIFSIGNALED(status))
		snprintf(why, sizeof(why), "ended by signal %d", WTERMSIG(status));
	else
		snprintf(why, sizeof(why), "ended with exit code %d", WEXITSTATUS(status));
	all[i].over = all[i].failed = true;
	say_failed(opt.from + i, why);
}

static void run_all(struct seed *all)
{
	pid_t pid[JOBS_MAX];
	uint32_t alive = opt.jobs;
	for (uint32_t j = 0; j < opt.jobs; j++)
		pid[j] = start_job(j, all);
	while (alive > 0) {
		int status;
		pid_t died = wait(&status);
		for (uint32_t j = 0; j < opt.jobs; j++) {
			if (pid[j] != died)
				continue;
			alive--;
			if (status != 0) {
				bury(j, status, all);
				pid[j] = start_job(j, all);
				alive++;
			}
		}
	}
}

/* ---- the sum ------------------------------------------------------------------------------------ */

static int report(const struct seed *all)
{
	struct world_result sum = {0};
	uint32_t failed = 0, done;
	bool enough;
	for (uint32_t i = 0; i < opt.seeds; i++) {
		const struct world_result *r = &all[i].result;
		failed += all[i].failed;
		sum.session_cnt += r->session_cnt;
		for (int k = 0; k < SESSION_RESULT_CNT; k++)
			sum.result[k] += r->result[k];
		sum.resumed += r->resumed;
		sum.ip6_cnt += r->ip6_cnt;
		sum.lost_cnt += r->lost_cnt;
		for (uint32_t k = 0; k < r->reason_cnt; k++) {
			sum.reason[k].name = r->reason[k].name;
			sum.reason[k].cnt += r->reason[k].cnt;
			sum.reason_cnt = HF_MAX(sum.reason_cnt, k + 1);
		}
		sum.frames += r->frames;
		sum.bytes += r->bytes;
		sum.time += r->time;
		sum.digest = (sum.digest ^ r->digest) * 0x9e3779b97f4a7c15ull;
	}
	done = sum.result[SESSION_DONE] + sum.lost_cnt;
	printf("%s: %u clients, %u of them over IPv6, %u resumed", opt.world.subject->name,
		sum.session_cnt, sum.ip6_cnt, sum.resumed);
	for (int k = 0; k < SESSION_RESULT_CNT; k++)
		if (sum.result[k] != 0)
			printf(", %u %s", sum.result[k],
				session_result_name((enum session_result)k));
	printf("; %llu bytes, %llu frames, %llu virtual s; digest %016llx\n",
		(unsigned long long)sum.bytes, (unsigned long long)sum.frames,
		(unsigned long long)(sum.time / HF_NS_S), (unsigned long long)sum.digest);
	if (sum.lost_cnt != 0)
		printf("%u of them lost their server by plan\n", sum.lost_cnt);
	for (uint32_t k = 0; k < sum.reason_cnt; k++)
		if (sum.reason[k].cnt != 0)
			printf("reason %s: %llu\n", sum.reason[k].name,
				(unsigned long long)sum.reason[k].cnt);
	enough = (uint64_t)done * 1000 >= (uint64_t)sum.session_cnt * opt.complete;
	if (!enough)
		printf("too few clients got through: %u of %u, %u per mille were asked for\n", done,
			sum.session_cnt, opt.complete);
	printf("sim: %u passed, %u failed\n", opt.seeds - failed, failed);
	return failed != 0 || !enough;
}

int main(int argc, char **argv)
{
	struct seed *all;
	size_t len;
	parse(argc, argv);
	len = HF_MAX(opt.seeds, 1u) * sizeof(*all);
	all = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED) {
		perror("sim: mmap");
		return 2;
	}
	run_all(all);
	return report(all);
}
