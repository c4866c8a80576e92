/* bench-workers -- do workers disturb each other? Two in one process against one alone, each with hfbench's
 * client in its own thread, joined by the port in memory; and how many pthread locks a worker takes.
 *   bench-workers [ROUNDS [MS]]   rates: rounds (9) of windows of so many ms (1000), on cores 0 and 1
 *   bench-workers --locks         no timing: handshakes resumed by ticket take no lock, or it ends with 1
 *   bench-workers --lossy         no timing: hfbench's TCP bears a wire that loses, or it ends with 1
 * What counts are handshakes in a CPU second of the worker: the thread's CPU clock around each turn, so
 * neither the client nor what else runs here is in it. A round has three windows: one worker alone, on the
 * one core or the other; two workers in two processes; two in one process, joined, with one site. The first
 * against the last is the loss; what is lost to two processes too, the machine takes: caches and memory
 * that cores share, and the clock that it gives to both.
 * Each window is a process of its own, begun from nothing. Prints a table. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench/hfbench/hfbench.h"
#include "drivers/port/fault.h"
#include "tests/workers/far_end.h"
#include "tests/workers/locks.h"
#include "lib/os/os.h"
#include "tests/support/worker_rig.h"
#include "tests/support/x509_kit.h"

#define WORKERS 2u
#define CLIENTS 64u
#define WARM_NS (200 * HF_NS_MS)
#define ROUNDS_MAX 100u

/* What a worker did between the end of warming up and that of the window. */
struct result {
	uint64_t handshakes, resumed, failed, cpu_ns, locks;
	struct bench_port_stats wire; /* since the begin */
};

struct lane {
	struct rig rig;
	const struct hf_port_fault_rates *faults; /* of the wire, both ways; NULL: none */
	struct hf_port *faulty;
	hf_ns now;
	struct bench_opt opt;
	struct bench_tally tally;
	struct bench_thread thread;
	_Atomic uint64_t tickets;
	_Atomic bool stop;
	struct hf_port *far;
	pthread_t id;
	hf_ns made_at, measure_at, end_at, length;
	uint64_t warm_full, least; /* full handshakes until then; of handshakes in the window */
	uint32_t core;
	bool measuring;
	struct result begin, sum;
};

static struct rsa_key key;
static uint8_t chain[2048];
static size_t chain_len;

static hf_ns cpu_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (hf_ns)t.tv_sec * HF_NS_S + (hf_ns)t.tv_nsec;
}

static uint64_t cycles(void)
{
	return hf_os_cycles();
}

/* ---- a worker and its client, in one thread ---- */

/* The backend wants nothing and says nothing. */
static void drain(struct rig *r)
{
	struct hf_link_msg m;
	while (hf_link_next(&r->ours, &m) > 0)
		hf_link_skip(&r->ours);
	hf_link_release(&r->ours);
	hf_link_publish(&r->ours);
}

static void turn(void *ctx)
{
	struct lane *l = ctx;
	hf_ns now = l->now = bench_now_ns(), cpu = cpu_now_ns();
	locks_hot = true;
	(void)hf_worker_poll(l->rig.w, l->rig.now + (now - l->made_at));
	locks_hot = false;
	l->sum.locks = locks_taken;
	l->sum.cpu_ns += cpu_now_ns() - cpu;
	drain(&l->rig);
	if (!l->measuring && now >= l->measure_at &&
		l->tally.handshakes - l->tally.resumed >= l->warm_full) {
		l->measuring = true;
		l->end_at = now + l->length;
		l->begin = l->sum;
		l->begin.handshakes = l->tally.handshakes;
		l->begin.resumed = l->tally.resumed;
		l->begin.locks = locks_taken;
	}
	if (l->tally.failed || (l->measuring && now >= l->end_at &&
				       l->tally.handshakes - l->begin.handshakes >= l->least))
		atomic_store(&l->stop, true);
}

/* The same cable in front of the client's end. */
static struct hf_port *faulty_new(struct lane *l)
{
	struct hf_port_fault_cfg cfg = {
		.seed = 1, .now = &l->now, .rx = *l->faults, .tx = *l->faults, .slot_cnt = 1024};
	l->now = bench_now_ns();
	return hf_port_fault_init(test_alloc(hf_port_fault_footprint(l->far, &cfg)), l->far, &cfg);
}

static void client_make(struct lane *l, const char *mix, const char *cipher)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 2};
	struct bench_port_cfg cfg = {.from = hf_addr_v4(PACKET_PEER_IP),
		.to = hf_addr_v4(PACKET_OUR_IP),
		.to_port = 443,
		.conn_cnt = CLIENTS,
		.turn = turn,
		.ctx = l};
	l->opt = (struct bench_opt){.mix = bench_mix_find(mix),
		.cipher = cipher,
		.concurrent = CLIENTS,
		.threads = 1,
		.timeout_ms = 10000,
		.close = CLOSE_RST};
	bench_mix_apply(&l->opt);
	l->warm_full = l->opt.resume == RESUME_NONE ? 0 : CLIENTS; /* each has a ticket by then */
	HF_ASSERT(!bench_suites_parse(&l->opt.tls, l->opt.cipher));
	cfg.port = l->far = far_end_new(l->rig.port, mac);
	if (l->faults)
		cfg.port = l->faulty = faulty_new(l);
	atomic_init(&l->tickets, UINT64_MAX / 2);
	l->thread = (struct bench_thread){.opt = &l->opt,
		.tally = &l->tally,
		.tickets = &l->tickets,
		.stop = &l->stop,
		.slot_cnt = CLIENTS,
		.seed = l->core + 1,
		.wire = bench_wire_port(&cfg)};
	HF_ASSERT(l->thread.wire);
}

static void lane_make(struct lane *l, uint32_t index, uint32_t cnt, struct hf_site *site)
{
	static const uint16_t suites[] = {0xc02f, 0x009c};
	l->rig = (struct rig){.cert = {.list = {chain, chain_len}, .key = &key.key},
		.alpn = "http/1.1",
		.suite = suites,
		.suite_cnt = HF_ARRAY_LEN(suites),
		.conn_cnt = 1024,
		.hs_cnt = 256,
		.half_open_cnt = 1024,
		.pk_job_cnt = 256,
		.sym_job_cnt = 256,
		.cycles = cycles,
		.cycles_per_us = hf_os_cycles_per_s() / 1000000,
		.index = index,
		.worker_cnt = cnt,
		.site = site};
	rig_init(&l->rig);
	l->made_at = bench_now_ns();
	l->rig.port->info.rss = true; /* each port's flows are its worker's: nothing has to cross */
}

static void *lane_run(void *ctx)
{
	struct lane *l = ctx;
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(l->core, &set);
	(void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	HF_ASSERT(bench_wire_port_up(l->thread.wire, HF_NS_S));
	(void)bench_client_run(&l->thread);
	return NULL;
}

/* ---- a window ---- */

static struct result result_of(const struct lane *l)
{
	return (struct result){.handshakes = l->tally.handshakes - l->begin.handshakes,
		.resumed = l->tally.resumed - l->begin.resumed,
		.failed = l->tally.failed,
		.cpu_ns = l->sum.cpu_ns - l->begin.cpu_ns,
		.locks = l->sum.locks - l->begin.locks,
		.wire = *bench_wire_port_stats(l->thread.wire)};
}

/* cnt workers of one process, from this core on, for so long and so many handshakes at least. */
static void window(uint32_t cnt, uint32_t core, hf_ns length, uint64_t least, const char *mix,
	const char *cipher, const struct hf_port_fault_rates *faults, struct result *out)
{
	static struct lane lane[WORKERS];
	struct hf_worker *all[WORKERS];
	hf_ns now;
	for (uint32_t i = 0; i < cnt; i++) {
		lane[i].core = core + i;
		lane_make(&lane[i], i, cnt, i ? lane[0].rig.site : NULL);
		all[i] = lane[i].rig.w;
	}
	now = bench_now_ns();
	for (uint32_t i = 0; i < cnt; i++) {
		hf_worker_join(lane[i].rig.w, all);
		lane[i].measure_at = now + WARM_NS;
		lane[i].length = length;
		lane[i].least = least;
		lane[i].faults = faults;
		client_make(&lane[i], mix, cipher);
	}
	for (uint32_t i = 0; i < cnt; i++)
		HF_ASSERT(!pthread_create(&lane[i].id, NULL, lane_run, &lane[i]));
	for (uint32_t i = 0; i < cnt; i++)
		HF_ASSERT(!pthread_join(lane[i].id, NULL));
	for (uint32_t i = 0; i < cnt; i++)
		out[i] = result_of(&lane[i]);
}

static pid_t begin_window(uint32_t cnt, uint32_t core, hf_ns length, uint64_t least,
	const char *mix, const char *cipher, const struct hf_port_fault_rates *faults,
	struct result *out)
{
	pid_t pid = fork();
	HF_ASSERT(pid >= 0);
	if (pid)
		return pid;
	window(cnt, core, length, least, mix, cipher, faults, out);
	_exit(0);
}

static void end_window(pid_t pid)
{
	int status;
	HF_ASSERT(waitpid(pid, &status, 0) == pid);
	if (status) {
		fprintf(stderr, "bench-workers: a window's process has ended badly\n");
		exit(1);
	}
}

static double rate(const struct result *r)
{
	if (r->failed || !r->handshakes || !r->cpu_ns) {
		fprintf(stderr, "bench-workers: %llu handshakes, %llu failed\n",
			(unsigned long long)r->handshakes, (unsigned long long)r->failed);
		exit(1);
	}
	return (double)r->handshakes * 1e9 / (double)r->cpu_ns;
}

/* ---- what is asked for ---- */

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static void print_ratio(const char *what, double *v, uint32_t cnt)
{
	qsort(v, cnt, sizeof(v[0]), by_size);
	printf("%-44s %.3f (middle half %.3f to %.3f)\n", what, v[cnt / 2], v[cnt / 4],
		v[cnt - 1 - cnt / 4]);
}

static int rates(uint32_t rounds, hf_ns length, struct result *r)
{
	static double same[ROUNDS_MAX * WORKERS], apart[ROUNDS_MAX * WORKERS],
		shared[ROUNDS_MAX * WORKERS];
	const char *cipher = "ECDHE-RSA-AES128-GCM-SHA256";
	uint32_t n = 0;
	printf("handshakes resumed by ticket, in a CPU second of the worker\n");
	printf("%5s %5s %12s %14s %14s\n", "round", "core", "alone", "two processes",
		"one process");
	for (uint32_t round = 0; round < rounds; round++) {
		double one[WORKERS], two[WORKERS], both[WORKERS];
		pid_t pid[WORKERS];
		for (uint32_t i = 0; i < WORKERS; i++) {
			end_window(begin_window(1, i, length, 1, "resumed", cipher, NULL, &r[i]));
			one[i] = rate(&r[i]);
		}
		for (uint32_t i = 0; i < WORKERS; i++)
			pid[i] = begin_window(1, i, length, 1, "resumed", cipher, NULL, &r[i]);
		for (uint32_t i = 0; i < WORKERS; i++) {
			end_window(pid[i]);
			two[i] = rate(&r[i]);
		}
		end_window(begin_window(WORKERS, 0, length, 1, "resumed", cipher, NULL, r));
		for (uint32_t i = 0; i < WORKERS; i++, n++) {
			both[i] = rate(&r[i]);
			printf("%5u %5u %12.0f %14.0f %14.0f\n", round + 1, i, one[i], two[i],
				both[i]);
			same[n] = both[i] / one[i];
			apart[n] = two[i] / one[i];
			shared[n] = both[i] / two[i];
		}
		fflush(stdout);
	}
	print_ratio("two in one process, of one alone", same, n);
	print_ratio("two in two processes, of one alone", apart, n);
	print_ratio("two in one process, of two in two", shared, n);
	return 0;
}

/* libcrypto locks the blinding of an RSA key: that must be counted, or the counter counts nothing. */
static int locks(struct result *r)
{
	const struct result *full = &r[0];
	bool good;
	end_window(begin_window(1, 0, 0, 20, "capture-rsa", "AES128-GCM-SHA256", NULL, r));
	good = full->handshakes >= 20 && full->locks > 0 && !full->failed;
	printf("%s full handshakes, RSA by libcrypto: %llu, locks %llu\n", good ? "ok" : "not ok",
		(unsigned long long)full->handshakes, (unsigned long long)full->locks);
	for (uint32_t cnt = 1; cnt <= HF_MIN(WORKERS, hf_os_core_cnt()); cnt++) {
		end_window(begin_window(
			cnt, 0, 0, 2000, "resumed", "ECDHE-RSA-AES128-GCM-SHA256", NULL, r));
		for (uint32_t i = 0; i < cnt; i++) {
			bool clean = r[i].resumed >= 2000 && r[i].resumed == r[i].handshakes &&
				     !r[i].locks && !r[i].failed;
			printf("%s worker %u of %u, resumed handshakes: %llu of %llu, locks %llu\n",
				clean ? "ok" : "not ok", i, cnt, (unsigned long long)r[i].resumed,
				(unsigned long long)r[i].handshakes,
				(unsigned long long)r[i].locks);
			good &= clean;
		}
	}
	return !good;
}

/* One frame in a hundred is lost each way, one comes twice, one too late. */
static int lossy(struct result *r)
{
	static const struct hf_port_fault_rates rates = {
		.drop = 10, .dup = 10, .reorder = 10, .reorder_ns = HF_NS_MS};
	bool good;
	end_window(
		begin_window(1, 0, 0, 2000, "resumed", "ECDHE-RSA-AES128-GCM-SHA256", &rates, r));
	good = r->handshakes >= 2000 && !r->failed && r->wire.resent;
	printf("%s a wire that loses: %llu handshakes, %llu failed; said again %llu times, %llu "
	       "gaps\n",
		good ? "ok" : "not ok", (unsigned long long)r->handshakes,
		(unsigned long long)r->failed, (unsigned long long)r->wire.resent,
		(unsigned long long)r->wire.gaps);
	return !good;
}

int main(int argc, char **argv)
{
	struct result *r =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct hf_writer w = hf_writer(chain, sizeof(chain));
	uint32_t rounds = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 9;
	hf_ns length = (argc > 2 ? strtoul(argv[2], NULL, 10) : 1000) * HF_NS_MS;
	X509 *x;
	HF_ASSERT(r != MAP_FAILED);
	rsa_key_make(&key, 2048, 2);
	x = x509_make("handfast.test", key.pkey, NULL, key.pkey, (int64_t)time(NULL),
		(struct x509_wish){0});
	x509_put(&w, x);
	chain_len = w.len;
	if (argc > 1 && !strcmp(argv[1], "--locks"))
		return locks(r);
	if (argc > 1 && !strcmp(argv[1], "--lossy"))
		return lossy(r);
	if (!rounds || rounds > ROUNDS_MAX || !length || hf_os_core_cnt() < WORKERS) {
		fprintf(stderr, "usage: bench-workers [ROUNDS [MS]] | --locks | --lossy; needs two "
				"cores\n");
		return 2;
	}
	return rates(rounds, length, r);
}
