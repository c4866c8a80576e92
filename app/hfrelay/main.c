/* main.c -- hfrelay: a backend of handfast that passes streams on to a farm of TCP servers. Options
 * from the command line, one thread per endpoint, and a main thread that only waits: for a signal,
 * or for somebody to ask the command socket. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "app/handfast/control.h"
#include "app/hfrelay/relay.h"
#include "lib/os/os.h"

#define THREAD_MAX 64u
#define CONN_MAX 1000000u
#define SPARE_FILES 64u /* descriptors that are not connections to servers */

static const char usage[] =
	"usage: hfrelay --socket PATH --server HOST:PORT [--server ...] [options]\n"
	"Takes the decrypted streams of a handfast backend socket to TCP servers.\n"
	"  --socket PATH           the backend's socket of handfast\n"
	"  --server HOST:PORT      a server; give all of them, [ADDRESS]:PORT for IPv6\n"
	"  --threads N             endpoints, one thread each (1)\n"
	"  --send-proxy MODE       off, v2 or v2-crc32c: tell servers of the client (off)\n"
	"  --http                  streams are HTTP/1.x: X-Forwarded-For tells of the\n"
	"                          client, and connections to servers are kept for the\n"
	"                          next request, whoever asks it\n"
	"  --keep N                so many at most, over all threads (256)\n"
	"  --keep-seconds S        for so long; less than servers do (4)\n"
	"  --open WHEN             data: connect at the client's first byte;\n"
	"                          eager: at once (data)\n"
	"  --max-connections N     refuse streams beyond it, over all threads (10000)\n"
	"  --answer-timeout S      with --http: a server that says nothing for so long is\n"
	"                          given up, its client told (504); 0: never (60)\n"
	"  --connect-timeout MS    then the next server is tried (3000)\n"
	"  --eject-failures N      failures in a row that put a server out (3)\n"
	"  --eject-seconds S       for so long; then one connection tries it (10)\n"
	"  --stream-credit BYTES   of a client that may wait for its server (262144)\n"
	"  --stats PATH            Unix socket that answers `stats`, `stats json`, ...\n"
	"  --name NAME             shown to the operator of handfast (hfrelay)\n"
	"  --log LEVEL             error, warn, info or debug (info)\n"
	"  --version, --help\n";

struct options {
	struct hf_relay_cfg relay;
	uint32_t conn_max, keep_max; /* over all threads */
	const char *stats_path;
};

struct program {
	struct options opt;
	struct hf_relay *relay; /* thread_cnt of them */
	char thread_name[THREAD_MAX][12];
};

/* ---- options ---- */

_Noreturn static void bad_option(const char *option, const char *value, const char *want)
{
	fprintf(stderr, "hfrelay: --%s %s: %s\n", option, value, want);
	exit(2);
}

static uint32_t number(const char *option, const char *value, uint32_t min, uint32_t max)
{
	char *end, want[64];
	unsigned long v;
	errno = 0;
	v = strtoul(value, &end, 10);
	if (*value >= '0' && *value <= '9' && *end == 0 && errno == 0 && v >= min && v <= max)
		return (uint32_t)v;
	snprintf(want, sizeof(want), "write a number from %u to %u", min, max);
	bad_option(option, value, want);
}

/* The index of value among the words, which `want` lists for people. */
static uint32_t choice(
	const char *option, const char *value, const char *const *word, const char *want)
{
	for (uint32_t i = 0; word[i]; i++)
		if (strcmp(value, word[i]) == 0)
			return i;
	bad_option(option, value, want);
}

static void take_option(struct options *o, const char *name, const char *value)
{
	static const char *const proxy[] = {[HF_PROXY_OFF] = "off",
		[HF_PROXY_V2] = "v2",
		[HF_PROXY_V2_CRC32C] = "v2-crc32c",
		NULL};
	static const char *const when[] = {"data", "eager", NULL};
	static const char *const level[] = {[HF_LOG_ERROR] = "error",
		[HF_LOG_WARN] = "warn",
		[HF_LOG_INFO] = "info",
		[HF_LOG_DEBUG] = "debug",
		NULL};
	char why[200];
	if (strcmp(name, "socket") == 0)
		o->relay.socket = value;
	else if (strcmp(name, "server") == 0) {
		if (hf_farm_add(&o->relay.farm, value, why, sizeof(why)))
			bad_option(name, value, why);
	} else if (strcmp(name, "threads") == 0)
		o->relay.thread_cnt = number(name, value, 1, THREAD_MAX);
	else if (strcmp(name, "send-proxy") == 0)
		o->relay.proxy = choice(name, value, proxy, "write off, v2 or v2-crc32c");
	else if (strcmp(name, "open") == 0)
		o->relay.eager = choice(name, value, when, "write data or eager");
	else if (strcmp(name, "max-connections") == 0)
		o->conn_max = number(name, value, 1, CONN_MAX);
	else if (strcmp(name, "http") == 0)
		o->relay.http = true;
	else if (strcmp(name, "keep") == 0)
		o->keep_max = number(name, value, 0, CONN_MAX);
	else if (strcmp(name, "keep-seconds") == 0)
		o->relay.keep_ns = number(name, value, 1, 3600) * HF_NS_S;
	else if (strcmp(name, "answer-timeout") == 0)
		o->relay.answer_ns = number(name, value, 0, 86400) * HF_NS_S;
	else if (strcmp(name, "connect-timeout") == 0)
		o->relay.connect_ns = number(name, value, 1, 600000) * HF_NS_MS;
	else if (strcmp(name, "eject-failures") == 0)
		o->relay.farm.eject_failures = number(name, value, 1, 1000000);
	else if (strcmp(name, "eject-seconds") == 0)
		o->relay.farm.eject_ns = number(name, value, 1, 86400) * HF_NS_S;
	else if (strcmp(name, "stream-credit") == 0)
		o->relay.stream_credit = number(name, value, HF_LINK_CREDIT_MIN, 1u << 26);
	else if (strcmp(name, "stats") == 0)
		o->stats_path = value;
	else if (strcmp(name, "name") == 0)
		o->relay.name = value;
	else if (strcmp(name, "log") == 0)
		hf_log_set_level(choice(name, value, level, "write error, warn, info or debug"));
}

static struct options parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, 'o'},
		{"server", required_argument, NULL, 'o'},
		{"threads", required_argument, NULL, 'o'},
		{"send-proxy", required_argument, NULL, 'o'},
		{"http", no_argument, NULL, 'o'},
		{"keep", required_argument, NULL, 'o'},
		{"keep-seconds", required_argument, NULL, 'o'},
		{"open", required_argument, NULL, 'o'},
		{"max-connections", required_argument, NULL, 'o'},
		{"answer-timeout", required_argument, NULL, 'o'},
		{"connect-timeout", required_argument, NULL, 'o'},
		{"eject-failures", required_argument, NULL, 'o'},
		{"eject-seconds", required_argument, NULL, 'o'},
		{"stream-credit", required_argument, NULL, 'o'},
		{"stats", required_argument, NULL, 'o'},
		{"name", required_argument, NULL, 'o'},
		{"log", required_argument, NULL, 'o'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct options o = {
		.relay = {.name = "hfrelay",
			.thread_cnt = 1,
			.stream_credit = HF_CLIENT_CREDIT_DEFAULT,
			.connect_ns = 3 * HF_NS_S,
			.answer_ns = 60 * HF_NS_S,
			.keep_ns = 4 * HF_NS_S,
			.farm = {.eject_failures = 3, .eject_ns = 10 * HF_NS_S}},
		.conn_max = 10000,
		.keep_max = 256,
	};
	int index, got;
	while ((got = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (got == 'o') {
			take_option(&o, options[index].name, optarg);
		} else if (got == 'v') {
			puts("hfrelay " HF_VERSION);
			exit(0);
		} else {
			fputs(usage, got == 'h' ? stdout : stderr);
			exit(got == 'h' ? 0 : 2);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "hfrelay: %s: not an option; see --help\n", argv[optind]);
		exit(2);
	}
	if (!o.relay.socket || o.relay.farm.server_cnt == 0) {
		fprintf(stderr, "hfrelay: --%s is missing; see --help\n",
			o.relay.socket ? "server" : "socket");
		exit(2);
	}
	if (o.relay.http && (o.relay.proxy != HF_PROXY_OFF || o.relay.eager)) {
		fprintf(stderr,
			"hfrelay: --http and --%s exclude each other: connections are then shared "
			"by clients,\nwhom X-Forwarded-For tells apart\n",
			o.relay.eager ? "open eager" : "send-proxy");
		exit(2);
	}
	return o;
}

/* As many descriptors as connections may be; fewer connections when the system says no. */
static void fit_files(struct options *o)
{
	struct rlimit lim;
	rlim_t want = (rlim_t)o->conn_max + (o->relay.http ? o->keep_max : 0) + SPARE_FILES +
		      8 * o->relay.thread_cnt;
	rlim_t least;
	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return;
	lim.rlim_cur = HF_MIN(HF_MAX(want, lim.rlim_cur), lim.rlim_max);
	(void)setrlimit(RLIMIT_NOFILE, &lim);
	if (lim.rlim_cur >= want)
		return;
	least = o->relay.thread_cnt;
	o->conn_max = (uint32_t)HF_MAX(
		least, lim.rlim_cur > want - o->conn_max ? lim.rlim_cur - (want - o->conn_max) : 0);
	hf_log(HF_LOG_WARN, "hfrelay",
		"at most %u connections: the limit of open files is %lu; raise it (ulimit -Hn, "
		"LimitNOFILE=)",
		o->conn_max, (unsigned long)lim.rlim_max);
}

/* ---- what the command socket shows ---- */

static const struct hf_stat_row farm_rows[] = {
	{"out", "1 while the server is out, put there by failures", HF_STAT_GAUGE, 0},
	{"ejected", "times it was put out", HF_STAT_COUNTER, sizeof(uint64_t)},
};
static const struct hf_stat_table farm_table = {"farm", farm_rows, HF_ARRAY_LEN(farm_rows)};

static uint32_t sources(void *arg, struct hf_stats_source *v, uint32_t max)
{
	static uint64_t health[HF_FARM_SERVER_MAX][2]; /* read by the caller before the next call */
	struct program *p = arg;
	struct hf_farm *farm = &p->opt.relay.farm;
	uint32_t cnt = 0;
	HF_ASSERT(max >= (p->opt.relay.thread_cnt + 1) * (farm->server_cnt + 1));
	for (uint32_t t = 0; t < p->opt.relay.thread_cnt; t++)
		v[cnt++] = (struct hf_stats_source){
			&hf_relay_stat_table, &p->relay[t].stats, {{"worker", p->thread_name[t]}}};
	for (uint32_t s = 0; s < farm->server_cnt; s++) {
		struct hf_farm_server *server = &farm->server[s];
		health[s][0] = atomic_load(&server->out_until_ns) != 0;
		health[s][1] = atomic_load(&server->ejected_cnt);
		v[cnt++] = (struct hf_stats_source){
			&farm_table, health[s], {{"server", server->name}}};
		for (uint32_t t = 0; t < p->opt.relay.thread_cnt; t++)
			v[cnt++] = (struct hf_stats_source){&hf_relay_server_stat_table,
				&p->relay[t].server[s],
				{{"server", server->name}, {"worker", p->thread_name[t]}}};
	}
	return cnt;
}

static const struct hf_control_ops ops = {.version = "hfrelay " HF_VERSION, .sources = sources};

/* ---- life ---- */

static void start_threads(struct program *p)
{
	uint32_t cnt = p->opt.relay.thread_cnt;
	p->relay = calloc(cnt, sizeof(*p->relay));
	HF_ASSERT(p->relay);
	p->opt.relay.conn_max = HF_MAX(1, p->opt.conn_max / cnt);
	p->opt.relay.keep_max = (p->opt.keep_max + cnt - 1) / cnt;
	for (uint32_t t = 0; t < cnt; t++) {
		struct hf_relay *r = &p->relay[t];
		snprintf(p->thread_name[t], sizeof(p->thread_name[t]), "%u", t);
		r->cfg = &p->opt.relay;
		r->index = t;
		r->stop_fd = hf_os_eventfd();
		HF_ASSERT(r->stop_fd >= 0);
		HF_ASSERT(pthread_create(&r->thread, NULL, hf_relay_thread, r) == 0);
	}
}

static void stop_threads(struct program *p)
{
	for (uint32_t t = 0; t < p->opt.relay.thread_cnt; t++)
		hf_os_event_ring(p->relay[t].stop_fd);
	for (uint32_t t = 0; t < p->opt.relay.thread_cnt; t++) {
		pthread_join(p->relay[t].thread, NULL);
		close(p->relay[t].stop_fd);
	}
	free(p->relay);
}

int main(int argc, char **argv)
{
	static struct program p;
	struct hf_control *control = NULL;
	sigset_t stop;
	int signal_fd;
	p.opt = parse(argc, argv);
	fit_files(&p.opt);
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	pthread_sigmask(SIG_BLOCK, &stop, NULL); /* in all threads */
	signal_fd = signalfd(-1, &stop, SFD_CLOEXEC);
	HF_ASSERT(signal_fd >= 0);
	if (p.opt.stats_path) {
		control = hf_control_open(p.opt.stats_path, 0660, &ops, &p);
		if (!control) {
			hf_log(HF_LOG_ERROR, "hfrelay", "--stats %s: %s; %s", p.opt.stats_path,
				strerror(errno), hf_os_unix_listen_remedy(errno));
			return 1;
		}
	}
	start_threads(&p);
	for (;;) {
		struct pollfd fds[] = {{.fd = signal_fd, .events = POLLIN},
			{.fd = control ? hf_control_fd(control) : -1, .events = POLLIN}};
		(void)poll(fds, HF_ARRAY_LEN(fds), -1);
		if (fds[0].revents)
			break;
		if (fds[1].revents)
			hf_control_run(control);
	}
	stop_threads(&p);
	hf_control_close(control);
	close(signal_fd);
	return 0;
}
