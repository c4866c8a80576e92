/* main.c -- hfctl: asks the running handfast over its control socket, and answers by itself what
 * needs no running one: check, doctor, and the generated files.
 * Exit status: 0 done, 1 refused or not reachable, 2 not understood. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "app/hfctl/hfctl.h"
#include "lib/config/config.h"

#define DEFAULT_SOCKET "/run/handfast/control.sock"
#define ANSWER_MS 30000
#define HELP_COL 40 /* of 80 */

/* ---- the socket ---- */

static int connect_to(const char *socket)
{
	int fd = hf_os_unix_connect(socket, SOCK_STREAM);
	if (fd < 0)
		fprintf(stderr, "hfctl: %s: %s; %s\n", socket, strerror(errno),
			errno == EACCES         ? "run as a user that may use it"
			: errno == ENAMETOOLONG ? "the path of a socket has 1 to 107 bytes"
						: "is handfast running? -s names another socket");
	return fd;
}

static int fail(const char *socket, const char *why)
{
	fprintf(stderr, "hfctl: %s: %s\n", socket, why);
	return -1;
}

/* Reads to the end. The descriptor does not block, so each wait has a limit. */
static int read_all(const char *socket, int fd, FILE *out)
{
	char buf[65536];
	for (;;) {
		struct pollfd p = {fd, POLLIN, 0};
		ssize_t got;
		if (poll(&p, 1, ANSWER_MS) == 0)
			return fail(socket, "no answer; handfast may be stuck");
		got = recv(fd, buf, sizeof(buf), 0);
		if (got == 0)
			return 0;
		if (got > 0)
			(void)fwrite(buf, 1, (size_t)got, out);
		else if (errno != EAGAIN && errno != EINTR)
			return fail(socket, strerror(errno));
	}
}

char *hfctl_ask(const char *socket, const char *request)
{
	char *answer = NULL, *line;
	size_t len;
	bool sent;
	FILE *out;
	int fd = connect_to(socket), failed;
	if (fd < 0)
		return NULL;
	HF_ASSERT(asprintf(&line, "%s\n", request) > 0);
	sent = send(fd, line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line);
	free(line);
	if (!sent) {
		(void)fail(socket, "the request could not be sent");
		close(fd);
		return NULL;
	}
	out = open_memstream(&answer, &len);
	HF_ASSERT(out);
	failed = read_all(socket, fd, out);
	HF_ASSERT(fclose(out) == 0);
	close(fd);
	if (!failed)
		return answer;
	free(answer);
	return NULL;
}

/* ---- commands of the socket ---- */

int hfctl_ask_and_print(const char *socket, const char *request)
{
	char *answer = hfctl_ask(socket, request);
	bool error;
	if (!answer)
		return 1;
	error = strncmp(answer, "error: ", 7) == 0 || strstr(answer, "\nerror: ");
	fputs(answer, error ? stderr : stdout);
	free(answer);
	return error;
}

static int usage(const char *text)
{
	fprintf(stderr, "hfctl: %s; see hfctl help\n", text);
	return 2;
}

/* The command and its argument are those of the socket, which knows best what they may be. */
static int run_remote(const char *socket, int argc, char **argv)
{
	char request[256];
	int len = snprintf(request, sizeof(request), "%s%s%s", argv[0], argc > 1 ? " " : "",
		argc > 1 ? argv[1] : "");
	if (argc > 2 || len >= (int)sizeof(request))
		return usage("too many words");
	return hfctl_ask_and_print(socket, request);
}

static int run_stats(const char *socket, int argc, char **argv)
{
	static const char *const words[][2] = {{"--json", "stats json"},
		{"--prometheus", "stats prometheus"}, {"--full", "stats full"}};
	size_t i;
	if (argc == 1)
		return hfctl_ask_and_print(socket, "stats");
	for (i = 0; argc == 2 && i < HF_ARRAY_LEN(words); i++)
		if (strcmp(argv[1], words[i][0]) == 0)
			return hfctl_ask_and_print(socket, words[i][1]);
	return usage("stats takes --json, --prometheus, --full or nothing");
}

/* -n SECONDS and, where cnt is given, -c COUNT, each 1 to 3600; else what is told stays. */
static int parse_times(int argc, char **argv, unsigned *seconds, unsigned *cnt)
{
	int opt;
	optind = 0; /* getopt begins anew */
	while ((opt = getopt(argc, argv, cnt ? "+n:c:" : "+n:")) != -1) {
		char *end = NULL;
		unsigned long v = optarg ? strtoul(optarg, &end, 10) : 0;
		if (opt == '?' || !end || *end || v < 1 || v > 3600)
			return -1;
		*(opt == 'n' ? seconds : cnt) = (unsigned)v;
	}
	return optind < argc ? -1 : 0;
}

static int run_top(const char *socket, int argc, char **argv)
{
	unsigned seconds = 1, cnt = 0;
	if (parse_times(argc, argv, &seconds, &cnt))
		return usage("top takes -n SECONDS and -c COUNT, each 1 to 3600");
	return hfctl_top(socket, seconds, cnt);
}

static int run_cycles(const char *socket, int argc, char **argv)
{
	unsigned seconds = 0;
	if (parse_times(argc, argv, &seconds, NULL))
		return usage("cycles takes -n SECONDS, 1 to 3600");
	return hfctl_cycles(socket, seconds);
}

/* ---- commands of our own ---- */

static int run_check(const char *socket, int argc, char **argv)
{
	static struct hf_config_errors errs;
	struct hf_config cfg;
	(void)socket;
	if (argc != 2)
		return usage("check takes one options file");
	if (hf_config_load(argv[1], &cfg, &errs)) {
		hf_config_errors_print(&errs, stderr);
		return 1;
	}
	printf("%s: ok: %u ports, %u listeners, %u certificates, %u backends\n", argv[1],
		cfg.ports_cnt, cfg.listeners_cnt, cfg.certificates_cnt, cfg.backends_cnt);
	hf_config_free(&cfg);
	return 0;
}

/* A plan of a file is made by handfast itself: the one beside us, else the one in the PATH. */
static int run_plan(const char *socket, int argc, char **argv)
{
	static const char name[] = "handfast";
	char path[PATH_MAX] = "";
	char *slash;
	if (argc == 1)
		return hfctl_ask_and_print(socket, "plan");
	if (argc != 2)
		return usage("plan takes one options file, or nothing");
	if (readlink("/proc/self/exe", path, sizeof(path) - sizeof(name)) > 0 &&
		(slash = strrchr(path, '/'))) {
		memcpy(slash + 1, name, sizeof(name));
		(void)execl(path, name, "--plan", argv[1], (char *)NULL);
	}
	(void)execlp(name, name, "--plan", argv[1], (char *)NULL);
	fprintf(stderr, "hfctl: handfast: %s; install it beside hfctl or in the PATH\n",
		strerror(errno));
	return 1;
}

static int run_doctor(const char *socket, int argc, char **argv)
{
	(void)socket;
	(void)argv;
	return argc == 1 ? hfctl_doctor() : usage("doctor takes no argument");
}

static int run_print_config(const char *socket, int argc, char **argv)
{
	(void)socket;
	(void)argv;
	if (argc != 1)
		return usage("print-config takes no argument");
	hf_config_write_default(stdout);
	return 0;
}

static int run_print_reference(const char *socket, int argc, char **argv)
{
	(void)socket;
	(void)argv;
	if (argc != 1)
		return usage("print-reference takes no argument");
	hf_config_write_reference(stdout);
	return 0;
}

/* ---- the command line ---- */

static int run_help(const char *socket, int argc, char **argv);

/* clang-format off */
static const struct command {
	const char *name, *args, *help;
	int (*run)(const char *socket, int argc, char **argv);
} commands[] = {
	{"stats",           "[--json|--prometheus|--full]", "counters",                                  run_stats},
	{"top",             "[-n SECONDS] [-c COUNT]",      "what moves, and how fast",                  run_top},
	{"cycles",          "[-n SECONDS]",                 "where a handshake's time goes, by cause",   run_cycles},
	{"conns",           "",                             "open connections",                          run_remote},
	{"failures",        "",                             "the last handshakes that failed, and why",  run_remote},
	{"offenders",       "",                             "prefixes that take most, or meet a limit",  run_remote},
	{"trace",           "[WORKER]",                     "the flight recorder's last events",         run_remote},
	{"explain",         "[OPTIONS] NAME|FILE|#FAILURE", "what a client would get, and why",          hfctl_explain},
	{"plan",            "[FILE]",                       "cores, queues, memory in use, or FILE's",   run_plan},
	{"drain",           "[on|off]",                     "take no new connections; off: take them",   run_remote},
	{"reload",          "",                             "read the options file again",               run_remote},
	{"version",         "",                             "the running program's version",             run_remote},
	{"check",           "FILE",                         "validate options; keys: handfast --check",  run_check},
	{"doctor",          "",                             "what this machine has and lacks",           run_doctor},
	{"print-config",    "",                             "an options file with every option in it",   run_print_config},
	{"print-reference", "",                             "the options, in Markdown",                  run_print_reference},
	{"help",            "",                             "this list",                                 run_help},
};
/* clang-format on */

static int run_help(const char *socket, int argc, char **argv)
{
	size_t i;
	(void)argc;
	(void)argv;
	printf("usage: hfctl [-s SOCKET] COMMAND   (socket: %s)\n", socket);
	for (i = 0; i < HF_ARRAY_LEN(commands); i++) {
		const struct command *c = &commands[i];
		int len = printf("  %s %s", c->name, c->args);
		printf("%*s%s\n", HELP_COL - len, "", c->help);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	const char *socket = DEFAULT_SOCKET;
	size_t i;
	int opt;
	opterr = 0; /* one message is enough, and ours says what to do */
	while ((opt = getopt_long(argc, argv, "+s:h", long_options, NULL)) != -1) {
		if (opt == 'h')
			return run_help(socket, 0, NULL);
		if (opt == '?')
			return usage("options before the command are -s SOCKET and -h");
		socket = optarg;
	}
	argc -= optind;
	argv += optind;
	if (argc == 0) {
		(void)run_help(socket, 0, NULL);
		return 2;
	}
	for (i = 0; i < HF_ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, argv[0]) == 0)
			return commands[i].run(socket, argc, argv);
	fprintf(stderr, "hfctl: unknown command \"%s\"; see hfctl help\n", argv[0]);
	return 2;
}
