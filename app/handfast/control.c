/* control.c -- the command socket: accept, read a line, build the answer, write it, hang up.
 * Everything hangs on one epoll descriptor, so the main loop watches a single number: the listening
 * socket, the clients and a timer for the earliest deadline. A full house simply stops listening:
 * clients then wait in the backlog, and deadlines see to it that a seat becomes free. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "app/handfast/control.h"

#define HELP_COL 36 /* of 80 */

struct client {
	int fd; /* -1: the seat is free */
	uint64_t deadline_ns;
	size_t line_len, answer_len, sent;
	char *answer; /* NULL while the request is read */
	char line[HF_CONTROL_LINE_MAX];
};

struct hf_control {
	int epoll_fd, listen_fd, timer_fd;
	const struct hf_control_ops *ops;
	void *app;
	char *path;
	uint32_t client_cnt;
	uint64_t deaf_until_ns; /* accept failed: no use to try again before */
	struct client client[HF_CONTROL_CLIENTS];
};

/* ---- commands ---- */

struct command {
	const char *name, *args, *help;
	void (*run)(struct hf_control *c, const char *arg, FILE *out); /* arg: "" for none */
	size_t op; /* offset in hf_control_ops of what it needs; 0: nothing */
};

static void bad_argument(FILE *out, const char *name, const char *arg, const char *want)
{
	fprintf(out, "error: %s does not take \"%s\"; write %s\n", name, arg, want);
}

static void run_stats(struct hf_control *c, const char *arg, FILE *out)
{
	static const char *const words[] = {[HF_STATS_TEXT] = "text",
		[HF_STATS_TEXT_FULL] = "full",
		[HF_STATS_JSON] = "json",
		[HF_STATS_PROMETHEUS] = "prometheus"};
	struct hf_stats_source *v;
	size_t f = HF_STATS_TEXT;
	if (*arg)
		for (f = 0; f < HF_ARRAY_LEN(words) && strcmp(arg, words[f]) != 0; f++)
			;
	if (f == HF_ARRAY_LEN(words)) {
		bad_argument(out, "stats", arg, "text, full, json or prometheus");
		return;
	}
	v = calloc(HF_CONTROL_SOURCES_MAX, sizeof(*v));
	HF_ASSERT(v);
	hf_stats_write(out, (enum hf_stats_format)f, v,
		c->ops->sources(c->app, v, HF_CONTROL_SOURCES_MAX));
	free(v);
}

static void run_conns(struct hf_control *c, const char *arg, FILE *out)
{
	(void)arg;
	c->ops->conns(c->app, out);
}

static void run_failures(struct hf_control *c, const char *arg, FILE *out)
{
	(void)arg;
	c->ops->failures(c->app, out);
}

static void run_offenders(struct hf_control *c, const char *arg, FILE *out)
{
	(void)arg;
	c->ops->offenders(c->app, out);
}

static void run_trace(struct hf_control *c, const char *arg, FILE *out)
{
	char *end;
	long worker = *arg ? strtol(arg, &end, 10) : -1;
	if (*arg && (*end || worker < 0 || worker > INT16_MAX))
		bad_argument(out, "trace", arg, "a worker's number, or nothing for all");
	else
		c->ops->trace(c->app, out, (int)worker);
}

static void run_explain(struct hf_control *c, const char *arg, FILE *out)
{
	const char *blank = strchr(arg, ' ');
	char *hello = strndup(arg, blank ? (size_t)(blank - arg) : strlen(arg));
	HF_ASSERT(hello);
	if (*arg)
		c->ops->explain(c->app, out, hello, blank ? blank + strspn(blank, " ") : "");
	else
		bad_argument(out, "explain", arg,
			"a ClientHello in hexadecimal, or # and the number of a failure");
	free(hello);
}

static void run_plan(struct hf_control *c, const char *arg, FILE *out)
{
	(void)arg;
	c->ops->plan(c->app, out);
}

static void run_version(struct hf_control *c, const char *arg, FILE *out)
{
	(void)arg;
	fprintf(out, "%s\n", c->ops->version);
}

static void run_drain(struct hf_control *c, const char *arg, FILE *out)
{
	if (*arg && strcmp(arg, "on") != 0 && strcmp(arg, "off") != 0)
		bad_argument(out, "drain", arg, "on or off");
	else
		c->ops->drain(c->app, out, strcmp(arg, "off") != 0);
}

static void run_reload(struct hf_control *c, const char *arg, FILE *out)
{
	(void)arg;
	c->ops->reload(c->app, out);
}

static void run_help(struct hf_control *c, const char *arg, FILE *out);

/* clang-format off */
#define OP(name) offsetof(struct hf_control_ops, name)
static const struct command commands[] = {
	{"stats",     "[text|full|json|prometheus]", "counters; text adds the workers up",         run_stats, 0},
	{"conns",     "",                            "open connections",                           run_conns, OP(conns)},
	{"failures",  "",                            "the last handshakes that failed, and why",   run_failures, OP(failures)},
	{"offenders", "",                            "prefixes that take most, or meet a limit",   run_offenders, OP(offenders)},
	{"trace",     "[WORKER]",                    "the flight recorder's last events",          run_trace, OP(trace)},
	{"explain",   "HELLO|#FAILURE [LISTENER]",   "what a ClientHello (hexadecimal) would get", run_explain, OP(explain)},
	{"plan",      "",                            "cores, queues and memory in use",            run_plan, OP(plan)},
	{"version",   "",                            "the running program's version",              run_version, 0},
	{"drain",     "[on|off]",                    "take no new connections; off: take them",    run_drain, OP(drain)},
	{"reload",    "",                            "read the options file again",                run_reload, OP(reload)},
	{"help",      "",                            "this list",                                  run_help, 0},
};
/* clang-format on */

/* Whether the program lends what the command shows or does. */
static bool lent(const struct hf_control *c, const struct command *cmd)
{
	void (*op)(void);
	memcpy(&op, (const uint8_t *)c->ops + cmd->op, sizeof(op));
	return cmd->op == 0 || op;
}

static void run_help(struct hf_control *c, const char *arg, FILE *out)
{
	size_t i;
	(void)arg;
	for (i = 0; i < HF_ARRAY_LEN(commands); i++)
		if (lent(c, &commands[i])) {
			int len = fprintf(out, "%s %s", commands[i].name, commands[i].args);
			fprintf(out, "%*s%s\n", HELP_COL - len, "", commands[i].help);
		}
}

static const struct command *find_command(struct hf_control *c, const char *name, FILE *out)
{
	const char *comma = "";
	size_t i;
	for (i = 0; i < HF_ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, name) == 0 && lent(c, &commands[i]))
			return &commands[i];
	fprintf(out, "error: unknown command \"%s\"; commands are", name);
	for (i = 0; i < HF_ARRAY_LEN(commands); i++)
		if (lent(c, &commands[i])) {
			fprintf(out, "%s %s", comma, commands[i].name);
			comma = ",";
		}
	fputc('\n', out);
	return NULL;
}

/* line: the request without its end; taken apart. */
static void run_line(struct hf_control *c, char *line, FILE *out)
{
	static const char blank[] = " \t\r";
	char *save, *name = strtok_r(line, blank, &save), *arg = strtok_r(NULL, "", &save), *end;
	const struct command *cmd = find_command(c, name ? name : "", out);
	uint32_t words = 0, max = 0;
	if (!cmd)
		return;
	for (arg += arg ? strspn(arg, blank) : 0, end = arg; end && *end; words++)
		end += strcspn(end, blank), end += strspn(end, blank);
	while (end > arg && strchr(blank, end[-1]))
		*--end = '\0';
	for (const char *a = cmd->args; *a; a++)
		max += a == cmd->args || a[-1] == ' ';
	if (words > max)
		fprintf(out, "error: too many words; write %s%s%s\n", cmd->name,
			cmd->args[0] ? " " : "", cmd->args);
	else
		cmd->run(c, arg ? arg : "", out);
}

/* ---- clients ---- */

static int watch(struct hf_control *c, int op, int fd, uint32_t events, void *tag)
{
	struct epoll_event ev = {.events = events, .data.ptr = tag};
	return epoll_ctl(c->epoll_fd, op, fd, &ev);
}

static void listen_while_useful(struct hf_control *c)
{
	bool deaf = c->client_cnt == HF_CONTROL_CLIENTS || c->deaf_until_ns;
	uint32_t events = deaf ? 0 : EPOLLIN;
	HF_ASSERT(watch(c, EPOLL_CTL_MOD, c->listen_fd, events, &c->listen_fd) == 0);
}

static void hang_up(struct hf_control *c, struct client *cl)
{
	char rest[4096];
	int i;
	/* What was not read would turn our close into a reset that swallows the answer. Who sends
	 * more than the socket holds has earned it. */
	for (i = 0; i < 64 && recv(cl->fd, rest, sizeof(rest), 0) > 0; i++)
		;
	close(cl->fd);
	free(cl->answer);
	cl->fd = -1;
	cl->answer = NULL;
	c->client_cnt--;
}

static void seat(struct hf_control *c, int fd)
{
	struct client *cl = c->client;
	while (cl->fd >= 0)
		cl++;
	*cl = (struct client){.fd = fd, .deadline_ns = hf_os_now_ns() + HF_CONTROL_ASK_NS};
	c->client_cnt++;
	if (watch(c, EPOLL_CTL_ADD, fd, EPOLLIN, cl) < 0)
		hang_up(c, cl);
}

static void accept_clients(struct hf_control *c)
{
	while (c->client_cnt < HF_CONTROL_CLIENTS) {
		int fd = hf_os_unix_accept(c->listen_fd);
		if (fd < 0) {
			/* Out of descriptors, say: the client still waits, so the socket would stay
			 * readable and keep the main loop turning. */
			if (errno != EAGAIN)
				c->deaf_until_ns = hf_os_now_ns() + HF_NS_S;
			return;
		}
		seat(c, fd);
	}
}

/* cl->line holds the request, or NULL when it was too long. */
static void build_answer(struct hf_control *c, struct client *cl, char *line)
{
	FILE *out = open_memstream(&cl->answer, &cl->answer_len);
	HF_ASSERT(out);
	if (line)
		run_line(c, line, out);
	else
		fprintf(out, "error: the request is longer than %u bytes\n",
			HF_CONTROL_LINE_MAX - 1);
	HF_ASSERT(fclose(out) == 0);
	cl->deadline_ns = hf_os_now_ns() + HF_CONTROL_READ_NS;
}

/* False: wait for more, or the client is gone. A request ends at a newline or at the end of what
 * the client sends. */
static bool read_request(struct hf_control *c, struct client *cl)
{
	size_t room = sizeof(cl->line) - 1 - cl->line_len;
	ssize_t got = recv(cl->fd, cl->line + cl->line_len, room, 0);
	char *end;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got < 0 || (got == 0 && cl->line_len == 0)) {
		hang_up(c, cl);
		return false;
	}
	cl->line_len += (size_t)got;
	cl->line[cl->line_len] = '\0';
	end = strpbrk(cl->line, "\n");
	if (!end && got > 0 && (size_t)got < room)
		return false;
	if (end)
		*end = '\0';
	build_answer(c, cl, end || got == 0 ? cl->line : NULL);
	return true;
}

static void write_answer(struct hf_control *c, struct client *cl)
{
	while (cl->sent < cl->answer_len) {
		ssize_t put = send(
			cl->fd, cl->answer + cl->sent, cl->answer_len - cl->sent, MSG_NOSIGNAL);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0 && errno == EAGAIN) {
			HF_ASSERT(watch(c, EPOLL_CTL_MOD, cl->fd, EPOLLOUT, cl) == 0);
			return;
		}
		if (put < 0)
			break;
		cl->sent += (size_t)put;
	}
	hang_up(c, cl);
}

static void serve(struct hf_control *c, struct client *cl)
{
	if (cl->fd < 0)
		return;
	if (cl->answer || read_request(c, cl))
		write_answer(c, cl);
}

/* ---- time ---- */

/* Hangs up on the late and sets the timer for the next of the others. */
static void keep_deadlines(struct hf_control *c)
{
	uint64_t now = hf_os_now_ns(), next = UINT64_MAX;
	struct itimerspec at = {0};
	uint32_t i;
	for (i = 0; i < HF_CONTROL_CLIENTS; i++) {
		struct client *cl = &c->client[i];
		if (cl->fd >= 0 && cl->deadline_ns <= now)
			hang_up(c, cl);
		else if (cl->fd >= 0)
			next = HF_MIN(next, cl->deadline_ns);
	}
	if (c->deaf_until_ns <= now)
		c->deaf_until_ns = 0;
	else
		next = HF_MIN(next, c->deaf_until_ns);
	if (next != UINT64_MAX) {
		at.it_value.tv_sec = (time_t)(next / HF_NS_S);
		at.it_value.tv_nsec = (long)(next % HF_NS_S);
	}
	HF_ASSERT(timerfd_settime(c->timer_fd, TFD_TIMER_ABSTIME, &at, NULL) == 0);
}

/* ---- life ---- */

void hf_control_close(struct hf_control *c)
{
	uint32_t i;
	if (!c)
		return;
	for (i = 0; i < HF_CONTROL_CLIENTS; i++)
		if (c->client[i].fd >= 0)
			hang_up(c, &c->client[i]);
	if (c->listen_fd >= 0) {
		close(c->listen_fd);
		(void)unlink(c->path);
	}
	if (c->timer_fd >= 0)
		close(c->timer_fd);
	if (c->epoll_fd >= 0)
		close(c->epoll_fd);
	free(c->path);
	free(c);
}

struct hf_control *hf_control_open(
	const char *path, mode_t mode, const struct hf_control_ops *ops, void *app)
{
	struct hf_control *c = calloc(1, sizeof(*c));
	uint32_t i;
	int keep;
	HF_ASSERT(c);
	c->ops = ops;
	c->app = app;
	for (i = 0; i < HF_CONTROL_CLIENTS; i++)
		c->client[i].fd = -1;
	c->path = strdup(path);
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	c->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	c->listen_fd = hf_os_unix_listen(path, SOCK_STREAM, mode);
	if (c->path && c->epoll_fd >= 0 && c->timer_fd >= 0 && c->listen_fd >= 0 &&
		watch(c, EPOLL_CTL_ADD, c->timer_fd, EPOLLIN, &c->timer_fd) == 0 &&
		watch(c, EPOLL_CTL_ADD, c->listen_fd, EPOLLIN, &c->listen_fd) == 0)
		return c;
	keep = errno;
	hf_control_close(c);
	errno = keep;
	return NULL;
}

int hf_control_fd(const struct hf_control *c)
{
	return c->epoll_fd;
}

void hf_control_run(struct hf_control *c)
{
	struct epoll_event ev[HF_CONTROL_CLIENTS + 2];
	int i, n = epoll_wait(c->epoll_fd, ev, HF_ARRAY_LEN(ev), 0);
	for (i = 0; i < n; i++) {
		if (ev[i].data.ptr == &c->listen_fd)
			accept_clients(c);
		else if (ev[i].data.ptr != &c->timer_fd)
			serve(c, ev[i].data.ptr);
	}
	keep_deadlines(c);
	listen_while_useful(c);
}
