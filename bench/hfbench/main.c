/* main.c -- hfbench: options, the window, progress once a second, the report.
 * The window opens when the threads start, or are warm, and closes when they have ended; connections still
 * open then are reset and counted as unfinished, not as failures. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "bench/hfbench/device.h"
#include "bench/hfbench/hfbench.h"
#include "lib/os/os.h"

static const char help[] =
	"usage: hfbench [options] ADDRESS:PORT\n"
	"A TLS 1.2 client: new connections, so many at a time or so many a second.\n"
	"  -m, --mix NAME       what kind of client it is: see below\n"
	"  -c, --concurrent N   connections at a time (32); with --rate: at most (1000)\n"
	"  -r, --rate N         open loop: connections a second, at random times; latencies count\n"
	"                       from the time that one was meant to start\n"
	"      --near-peak PCT  by turns: the peak of a closed loop, then an open loop at so many\n"
	"                       per cent of it, whose latencies are the report's; --threads 1\n"
	"  -t, --threads N      threads that share them (1)\n"
	"  -d, --seconds N      how long (5, unless --total is given)\n"
	"      --warmup MS      before that, and not counted, save failures (0)\n"
	"  -n, --total N        how many connections\n"
	"      --timeout MS     per connection (10000)\n"
	"      --cipher NAME    TLS 1.2 cipher by its OpenSSL name, or names with colons between\n"
	"      --sni NAME       server name to ask for, and to verify\n"
	"      --ca FILE        verify each new certificate, and 1 signature of key exchanges in "
	"100\n"
	"      --request PATH   send GET PATH and read the reply; without it, handshakes only\n"
	"      --requests N     so many on each connection (1); 0: until the end\n"
	"      --port DEVICE    over frames and a TCP of its own, with --threads 1: packet:IF, an\n"
	"                       interface of the kernel, or a device of DPDK, such as\n"
	"                       net_memif0,role=client,id=0,socket=FILE,socket-abstract=no\n"
	"      --from ADDRESS   with --port: this client's address, in the server's network\n"
	"      --from NET/BITS  each connection from another address of it, all of them local:\n"
	"                       ip route add local NET/BITS dev lo\n"
	"      --hold           keep each connection open, until the end\n"
	"      --resume HOW     none, ticket or id (none); or ticket:50 for half of the "
	"connections\n"
	"      --close HOW      fin; rst at once; or answered: close_notify, rst when it is\n"
	"                       answered (fin)\n"
	"      --cpu-of PID,..  CPU seconds of these processes, and handshakes per such second\n"
	"      --json FILE      the report as JSON too (- for standard output)\n"
	"  -q, --quiet          no progress\n"
	"Ends with 0, with 1 when connections failed, with 2 when it could not start.\nMixes:\n";

static _Atomic bool stop, warm;

void hf_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "hfbench: %s:%d: %s\n", file, line, what);
	abort();
}

static _Noreturn HF_PRINTF(1, 2) void die(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fputs("hfbench: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(2);
}

static void on_signal(int sig HF_UNUSED)
{
	atomic_store(&stop, true);
}

static uint64_t number(const char *name, const char *text, uint64_t min, uint64_t max)
{
	char *end;
	uint64_t v;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || *end || end == text || *text == '-' || v < min || v > max)
		die("--%s %s: want a number from %" PRIu64 " to %" PRIu64, name, text, min, max);
	return v;
}

static uint32_t choice(const char *name, const char *text, const char *const *words, uint32_t cnt)
{
	uint32_t i;
	for (i = 0; i < cnt; i++)
		if (!strcmp(text, words[i]))
			return i;
	die("--%s %s: want one of %s, %s%s%s", name, text, words[0], words[1], cnt > 2 ? ", " : "",
		cnt > 2 ? words[2] : "");
}

static void parse_target(struct bench_opt *o, const char *text)
{
	struct addrinfo hint = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	char host[64];
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	if (len > 1 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (!colon || !len || len >= sizeof(host))
		die("%s: want ADDRESS:PORT or [ADDRESS]:PORT", text);
	memcpy(host, text, len);
	host[len] = '\0';
	if (getaddrinfo(host, colon + 1, &hint, &found))
		die("%s: not a numeric address and port", text);
	memcpy(&o->to, found->ai_addr, found->ai_addrlen);
	o->to_len = found->ai_addrlen;
	freeaddrinfo(found);
}

static bool address(const char *text, struct hf_addr *a)
{
	uint8_t v4[4];
	if (inet_pton(AF_INET6, text, a->b) == 1)
		return true;
	if (inet_pton(AF_INET, text, v4) != 1)
		return false;
	*a = hf_addr_v4(
		(uint32_t)v4[0] << 24 | (uint32_t)v4[1] << 16 | (uint32_t)v4[2] << 8 | v4[3]);
	return true;
}

static void parse_from(struct bench_opt *o, char *text)
{
	char *slash = strchr(text, '/');
	if (slash) {
		*slash = 0;
		o->from_bits = (uint32_t)number("from", slash + 1, 1, 31);
	}
	if (!address(text, &o->from) || (slash && !hf_addr_is_v4(&o->from)))
		die("--from %s: want an address, or an IPv4 network", text);
}

static void parse_pids(struct bench_opt *o, char *text)
{
	char *word;
	while ((word = strsep(&text, ","))) {
		if (o->pid_cnt == HFBENCH_PIDS_MAX)
			die("--cpu-of: at most %u processes", HFBENCH_PIDS_MAX);
		o->pid[o->pid_cnt++] = (pid_t)number("cpu-of", word, 1, INT32_MAX);
	}
}

enum {
	OPT_TIMEOUT = 256,
	OPT_CIPHER,
	OPT_SNI,
	OPT_CA,
	OPT_REQUEST,
	OPT_RESUME,
	OPT_CLOSE,
	OPT_CPU,
	OPT_JSON,
	OPT_REQUESTS,
	OPT_HOLD,
	OPT_PORT,
	OPT_FROM,
	OPT_WARMUP,
	OPT_NEAR_PEAK
};

static const struct option options[] = {
	{"mix", required_argument, NULL, 'm'},
	{"requests", required_argument, NULL, OPT_REQUESTS},
	{"hold", no_argument, NULL, OPT_HOLD},
	{"port", required_argument, NULL, OPT_PORT},
	{"from", required_argument, NULL, OPT_FROM},
	{"concurrent", required_argument, NULL, 'c'},
	{"rate", required_argument, NULL, 'r'},
	{"near-peak", required_argument, NULL, OPT_NEAR_PEAK},
	{"threads", required_argument, NULL, 't'},
	{"seconds", required_argument, NULL, 'd'},
	{"warmup", required_argument, NULL, OPT_WARMUP},
	{"total", required_argument, NULL, 'n'},
	{"quiet", no_argument, NULL, 'q'},
	{"help", no_argument, NULL, 'h'},
	{"timeout", required_argument, NULL, OPT_TIMEOUT},
	{"cipher", required_argument, NULL, OPT_CIPHER},
	{"sni", required_argument, NULL, OPT_SNI},
	{"ca", required_argument, NULL, OPT_CA},
	{"request", required_argument, NULL, OPT_REQUEST},
	{"resume", required_argument, NULL, OPT_RESUME},
	{"close", required_argument, NULL, OPT_CLOSE},
	{"cpu-of", required_argument, NULL, OPT_CPU},
	{"json", required_argument, NULL, OPT_JSON},
	{NULL, 0, NULL, 0},
};

/* HOW or HOW:PERCENT */
static void parse_resume(struct bench_opt *o, char *text)
{
	static const char *const how[] = {"none", "ticket", "id"};
	char *share = strchr(text, ':');
	o->resume_given = true;
	o->resume_percent = 100;
	if (share) {
		*share++ = '\0';
		o->resume_percent = (uint32_t)number("resume", share, 1, 100);
	}
	o->resume = (enum bench_resume)choice("resume", text, how, 3);
}

static void take_option(struct bench_opt *o, int opt)
{
	uint64_t n;
	switch (opt) {
	case 'm':
		o->mix = bench_mix_find(optarg);
		if (!o->mix)
			die("--mix %s: there is none of this name; `hfbench --help` lists them",
				optarg);
		break;
	case 'c':
		o->concurrent = (uint32_t)number("concurrent", optarg, 1, 50000);
		break;
	case 'r':
		o->rate = (uint32_t)number("rate", optarg, 1, 10000000);
		break;
	case OPT_NEAR_PEAK:
		o->near_peak = (uint32_t)number("near-peak", optarg, 1, 400);
		break;
	case 't':
		o->threads = (uint32_t)number("threads", optarg, 1, HFBENCH_THREADS_MAX);
		break;
	case 'd':
		o->seconds = (uint32_t)number("seconds", optarg, 1, 86400);
		break;
	case OPT_WARMUP:
		o->warmup_ms = (uint32_t)number("warmup", optarg, 0, 60000);
		break;
	case 'n':
		o->total = number("total", optarg, 1, UINT64_MAX / 2);
		break;
	case 'q':
		o->quiet = true;
		break;
	case OPT_TIMEOUT:
		o->timeout_ms = (uint32_t)number("timeout", optarg, 1, 3600000);
		break;
	case OPT_CIPHER:
		o->cipher = optarg;
		break;
	case OPT_SNI:
		o->tls.sni = optarg;
		break;
	case OPT_CA:
		o->ca = optarg;
		break;
	case OPT_REQUEST:
		o->request = optarg;
		break;
	case OPT_RESUME:
		parse_resume(o, optarg);
		break;
	case OPT_CLOSE:
		o->close = (enum bench_close)choice("close", optarg, bench_close_name, CLOSE_CNT);
		break;
	case OPT_CPU:
		parse_pids(o, optarg);
		break;
	case OPT_REQUESTS:
		n = number("requests", optarg, 0, 1000000000);
		o->requests = n ? (uint32_t)n : BENCH_UNLIMITED;
		break;
	case OPT_HOLD:
		o->hold = true;
		break;
	case OPT_JSON:
		o->json = optarg;
		break;
	case OPT_PORT:
		o->device = optarg;
		break;
	case OPT_FROM:
		parse_from(o, optarg);
		break;
	case 'h':
		fputs(help, stdout);
		bench_mix_list(stdout);
		exit(0);
	default:
		die("`hfbench --help` lists the options");
	}
}

static void parse_device(const struct bench_opt *o)
{
	static const struct hf_addr none;
	if (!hf_addr_eq(&o->from, &none) && (o->device ? o->from_bits != 0 : o->from_bits == 0))
		die("--from wants an address with --port, a network without");
	if (!o->device)
		return;
	if (hf_addr_eq(&o->from, &none))
		die("--port wants --from ADDRESS, the client's own");
	if (hf_addr_is_v4(&o->from) != (o->to.ss_family == AF_INET))
		die("--from is of another family than the server's address");
	if (o->threads > 1)
		die("--port has one queue: --threads 1");
}

static void parse(struct bench_opt *o, int argc, char **argv)
{
	const char *wrong;
	int opt;
	*o = (struct bench_opt){.threads = 1, .timeout_ms = 10000, .mix = bench_mix_find("plain")};
	while ((opt = getopt_long(argc, argv, "m:c:r:t:d:n:qh", options, NULL)) != -1)
		take_option(o, opt);
	if (optind != argc - 1)
		die("want one ADDRESS:PORT; `hfbench --help` shows how");
	o->target = argv[optind];
	parse_target(o, o->target);
	if (o->request && (o->request[0] != '/' || strlen(o->request) > 512))
		die("--request %s: want a path that starts with /, of at most 512 bytes",
			o->request);
	bench_mix_apply(o);
	if (!o->total && !o->seconds)
		o->seconds = 5;
	if (o->warmup_ms && !o->seconds)
		die("--warmup wants a time to measure after it: --seconds");
	wrong = bench_suites_parse(&o->tls, o->cipher);
	if (wrong)
		die("%s", wrong);
	if (!o->concurrent)
		o->concurrent = o->rate ? 1000 : 32;
	o->threads = HF_MIN(o->threads, o->concurrent);
	if (o->near_peak && (o->rate || o->total || o->hold || o->threads > 1))
		die("--near-peak finds its own rate, with one thread and for --seconds: without "
		    "--rate, --total and "
		    "--hold");
	if (o->near_peak && o->seconds > BENCH_PACE_SECONDS_MAX)
		die("--near-peak takes its turns for at most %u --seconds", BENCH_PACE_SECONDS_MAX);
	parse_device(o);
	if (o->hold && !o->seconds)
		die("--hold wants an end: --seconds");
	if (!o->ca)
		return;
	o->tls.trust = X509_STORE_new();
	if (!o->tls.trust || !X509_STORE_load_locations(o->tls.trust, o->ca, NULL))
		die("--ca: cannot read certificates from this file");
}

static void merge(struct bench_tally *to, const struct bench_tally *from)
{
	uint32_t i, j;
	to->started += from->started;
	to->handshakes += from->handshakes;
	to->replies += from->replies;
	to->failed += from->failed;
	to->resumed += from->resumed;
	to->verified += from->verified;
	to->reply_bytes += from->reply_bytes;
	to->closed_by_rst += from->closed_by_rst;
	to->unfinished += from->unfinished;
	to->held += from->held;
	to->missed += from->missed;
	to->warmup.handshakes += from->warmup.handshakes;
	to->warmup.replies += from->warmup.replies;
	for (i = 0; i < PHASE_CNT; i++)
		for (j = 0; j < CAUSE_CNT; j++)
			to->fail[i][j] += from->fail[i][j];
	for (i = 0; i < HF_ARRAY_LEN(to->alert); i++)
		to->alert[i] += from->alert[i];
	if (from->cipher[0])
		memcpy(to->cipher, from->cipher, sizeof(to->cipher));
	if (from->example[0])
		memcpy(to->example, from->example, sizeof(to->example));
	bench_hist_merge(&to->handshake, &from->handshake);
	bench_hist_merge(&to->reply, &from->reply);
	bench_hist_merge(&to->delay, &from->delay);
	to->pace = from->pace; /* of one thread */
}

static double seconds_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct run {
	struct bench_opt opt;
	_Atomic uint64_t tickets;
	pthread_t id[HFBENCH_THREADS_MAX];
	struct bench_thread thread[HFBENCH_THREADS_MAX];
	struct bench_tally tally[HFBENCH_THREADS_MAX], sum;
	struct bench_window window;
	struct bench_port_stats port_before;
	struct hf_port *device;
};

static void progress(struct run *r, double elapsed, uint64_t *last)
{
	uint64_t done = 0, failed = 0, replies = 0;
	uint32_t i;
	for (i = 0; i < r->opt.threads; i++) {
		done += r->tally[i].handshakes;
		replies += r->tally[i].replies;
		failed += r->tally[i].failed;
	}
	fprintf(stderr,
		"%5.0f s  %8" PRIu64 " handshakes/s  %8" PRIu64 " in all  %8" PRIu64
		" replies  %" PRIu64 " failed\n",
		elapsed, done - *last, done, replies, failed);
	*last = done;
}

/* Waits for the threads, in slices, until the time is up, a signal came or all is done. */
static void watch(struct run *r, double began)
{
	double next = began + 1;
	uint64_t last = 0;
	uint32_t i;
	for (i = 0; i < r->opt.threads;) {
		struct timespec slice;
		double now = seconds_now();
		if (r->opt.seconds && now >= began + r->opt.seconds)
			atomic_store(&stop, true);
		if (now >= next && !r->opt.quiet)
			progress(r, now - began, &last);
		while (next <= now)
			next += 1;
		clock_gettime(CLOCK_REALTIME, &slice);
		slice.tv_nsec += 10 * (long)HF_NS_MS;
		slice.tv_sec += slice.tv_nsec / (long)HF_NS_S;
		slice.tv_nsec %= (long)HF_NS_S;
		if (!pthread_timedjoin_np(r->id[i], NULL, &slice))
			i++;
	}
}

/* The wire of a thread. */
static struct bench_wire *wire(struct run *r, uint32_t conn_cnt)
{
	struct bench_port_cfg cfg = {.from = r->opt.from, .conn_cnt = conn_cnt};
	struct bench_wire *w;
	char host[64], port[8], why[512];
	if (!r->opt.device) {
		w = bench_wire_kernel(
			&r->opt.to, r->opt.to_len, &r->opt.from, r->opt.from_bits, conn_cnt);
		if (!w)
			die("cannot make a thread's epoll");
		return w;
	}
	if (getnameinfo((const struct sockaddr *)&r->opt.to, r->opt.to_len, host, sizeof(host),
		    port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) ||
		!address(host, &cfg.to))
		die("%s: not an address for a device", r->opt.target);
	cfg.to_port = (uint16_t)strtoul(port, NULL, 10);
	cfg.port = r->device = bench_device_open(r->opt.device, why, sizeof(why));
	if (!r->device)
		die("--port %s: %s", r->opt.device, why);
	w = bench_wire_port(&cfg);
	if (!w || !bench_wire_port_up(w, HFBENCH_ASK_NS))
		die("--port %s: nobody there says that %s is his", r->opt.device, host);
	return w;
}

static void prepare(struct run *r)
{
	uint32_t i, share = r->opt.concurrent / r->opt.threads;
	uint32_t least = r->opt.near_peak ? HFBENCH_PLACES : 0;
	atomic_init(&r->tickets, r->opt.total ? r->opt.total : UINT64_MAX / 2);
	for (i = 0; i < r->opt.threads; i++) {
		r->thread[i] = (struct bench_thread){.opt = &r->opt,
			.tally = &r->tally[i],
			.tickets = &r->tickets,
			.stop = &stop,
			.warm = r->opt.warmup_ms ? &warm : NULL,
			.slot_cnt = HF_MAX(least, share + (i < r->opt.concurrent % r->opt.threads)),
			.interval_ns = r->opt.rate ? 1e9 * r->opt.threads / r->opt.rate : 0,
			.seed = i + 1};
		r->thread[i].wire = wire(r, r->thread[i].slot_cnt);
	}
}

/* In slices, so that a signal ends it. */
static void warm_up(struct run *r)
{
	double began = seconds_now(), left = r->opt.warmup_ms / 1e3;
	while (left > 0 && !atomic_load(&stop)) {
		hf_os_sleep_ns((hf_ns)(HF_MIN(left, 0.01) * 1e9));
		left = began + r->opt.warmup_ms / 1e3 - seconds_now();
	}
	if (r->device)
		r->port_before = *bench_wire_port_stats(r->thread[0].wire);
	atomic_store(&warm, true);
	r->window.warmup_seconds = seconds_now() - began;
}

static void measure(struct run *r)
{
	struct bench_cpu before[HFBENCH_PIDS_MAX];
	struct bench_window *w = &r->window;
	double began, cpu;
	uint32_t i;
	for (i = 0; i < r->opt.threads; i++)
		if (pthread_create(&r->id[i], NULL, bench_client_run, &r->thread[i]))
			die("cannot start thread %u", i);
	if (r->opt.warmup_ms)
		warm_up(r);
	for (i = 0; i < r->opt.pid_cnt; i++)
		bench_cpu_read(&before[i], r->opt.pid[i]);
	cpu = bench_cpu_self();
	began = seconds_now();
	watch(r, began);
	w->seconds = seconds_now() - began;
	w->client_cpu = bench_cpu_self() - cpu;
	for (i = 0; i < r->opt.pid_cnt; i++) {
		bench_cpu_read(&w->cpu[i], r->opt.pid[i]);
		bench_cpu_since(&w->cpu[i], &before[i]);
	}
	for (i = 0; i < r->opt.threads; i++)
		merge(&r->sum, &r->tally[i]);
}

static void port_since(struct bench_port_stats *out, const struct bench_port_stats *now,
	const struct bench_port_stats *before)
{
	*out = (struct bench_port_stats){
		.frames_in = now->frames_in - before->frames_in,
		.frames_out = now->frames_out - before->frames_out,
		.resent = now->resent - before->resent,
		.gaps = now->gaps - before->gaps,
		.no_frame = now->no_frame - before->no_frame,
		.lost = now->lost - before->lost,
	};
}

static void report(struct run *r)
{
	FILE *f;
	if (r->device)
		port_since(
			&r->window.port, bench_wire_port_stats(r->thread[0].wire), &r->port_before);
	bool to_stdout = r->opt.json && !strcmp(r->opt.json, "-");
	if (!to_stdout)
		bench_report_table(stdout, &r->opt, &r->sum, &r->window);
	if (!r->opt.json)
		return;
	f = to_stdout ? stdout : fopen(r->opt.json, "we");
	if (!f)
		die("--json %s: %s", r->opt.json, strerror(errno));
	bench_report_json(f, &r->opt, &r->sum, &r->window);
	if (fflush(f) || (f != stdout && fclose(f)))
		die("--json %s: %s", r->opt.json, strerror(errno));
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_signal};
	struct run *r = calloc(1, sizeof(*r));
	int failed;
	if (!r)
		die("no memory");
	parse(&r->opt, argc, argv);
	prepare(r);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigaction(SIGINT, &sa, NULL);
	(void)sigaction(SIGTERM, &sa, NULL);
	measure(r);
	report(r);
	failed = r->sum.failed || !r->sum.handshakes;
	for (uint32_t i = 0; i < r->opt.threads; i++)
		r->thread[i].wire->cls->fini(r->thread[i].wire);
	if (r->device)
		bench_device_close(r->device);
	X509_STORE_free(r->opt.tls.trust);
	free(r);
	return failed;
}
