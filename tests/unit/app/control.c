/* The command socket with clients that are polite, slow, silent, loud and gone. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "app/handfast/control.h"
#include "tests/support/test.h"

static char dir[] = "/tmp/hf_control_XXXXXX";
static char path[64];
static struct hf_control *c;

/* ---- the program behind it ---- */

struct counters {
	uint64_t frames;
};
static const struct hf_stat_row rows[] = {
	{"frames", "frames in", HF_STAT_COUNTER, offsetof(struct counters, frames)}};
static const struct hf_stat_table table = {"net", rows, 1};

static struct daemon {
	struct counters net;
	int drained, reloads, traced;
	size_t big_len;
} d;

static uint32_t sources(void *app, struct hf_stats_source *v, uint32_t max)
{
	struct daemon *self = app;
	assert_true(max > 0);
	v[0] = (struct hf_stats_source){&table, &self->net, {{"worker", "0"}}};
	return 1;
}

static void conns(void *app, FILE *out)
{
	size_t i;
	for (i = 0; i < ((struct daemon *)app)->big_len; i++)
		fputc('a' + (int)(i % 26), out);
}

static void offenders(void *app, FILE *out)
{
	(void)app;
	fputs("no offenders\n", out);
}

static void failures(void *app, FILE *out)
{
	(void)app;
	fputs("no failures\n", out);
}

static void trace(void *app, FILE *out, int worker)
{
	((struct daemon *)app)->traced = worker;
	fprintf(out, "worker %d\n", worker);
}

static void plan(void *app, FILE *out)
{
	(void)app;
	fputs("a plan\n", out);
}

static void drain(void *app, FILE *out, bool on)
{
	((struct daemon *)app)->drained = on;
	fputs(on ? "draining\n" : "serving\n", out);
}

static void reload(void *app, FILE *out)
{
	((struct daemon *)app)->reloads++;
	fputs("error: x.yaml:1:1: no\n", out);
}

static void explain(void *app, FILE *out, const char *hello, const char *listener)
{
	(void)app;
	fprintf(out, "hello %.20s of \"%s\"\n", hello, listener);
}

static const struct hf_control_ops ops = {
	"handfast 1.2", sources, conns, failures, offenders, trace, explain, plan, drain, reload};

static int open_control(void **state)
{
	(void)state;
	d = (struct daemon){.net = {42}, .traced = -2};
	c = hf_control_open(path, 0660, &ops, &d);
	return c ? 0 : -1;
}

static int close_control(void **state)
{
	(void)state;
	hf_control_close(c);
	return access(path, F_OK) == 0 ? -1 : 0; /* the socket file is gone */
}

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/s", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

/* ---- clients ---- */

static int connect_client(void)
{
	int fd = hf_os_unix_connect(path, SOCK_STREAM);
	assert_true(fd >= 0);
	return fd;
}

static bool is_ready(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};
	return poll(&p, 1, 0) == 1;
}

static void run_while_ready(void)
{
	int turns = 0;
	while (is_ready(hf_control_fd(c))) {
		hf_control_run(c);
		assert_true(++turns < 1000);
	}
}

/* Takes turns with the socket until it hangs up; the answer is valid until the next call. */
static const char *read_answer(int fd)
{
	static char *answer;
	size_t len = 0, room = 1 << 20;
	ssize_t got;
	answer = realloc(answer, room);
	do {
		run_while_ready();
		got = recv(fd, answer + len, room - len - 1, 0);
		assert_true(got >= 0 || errno == EAGAIN);
		if (got > 0)
			len += (size_t)got;
	} while (got != 0);
	answer[len] = '\0';
	close(fd);
	return answer;
}

static const char *ask(const char *request)
{
	int fd = connect_client();
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	return read_answer(fd);
}

/* ---- tests ---- */

static void commands_are_answered(void **state)
{
	(void)state;
	assert_string_equal(ask("version\n"), "handfast 1.2\n");
	assert_string_equal(ask("failures\n"), "no failures\n");
	assert_string_equal(ask("offenders\n"), "no offenders\n");
	assert_string_equal(ask("plan\r\n"), "a plan\n");
	assert_string_equal(ask("stats\n"), "net\n  frames                       "
					    "          42  frames in\n");
	assert_non_null(strstr(ask("stats json\n"), "{\"frames\":42}"));
	assert_non_null(
		strstr(ask("stats prometheus\n"), "handfast_net_frames_total{worker=\"0\"} 42\n"));
	d.net.frames = 0;
	assert_string_equal(ask("stats text\n"), "");
	assert_non_null(strstr(ask("stats full\n"), "  0  frames in\n"));
	assert_string_equal(ask("trace\n"), "worker -1\n");
	assert_string_equal(ask("trace 3\n"), "worker 3\n");
	assert_int_equal(d.traced, 3);
	assert_string_equal(ask("drain\n"), "draining\n");
	assert_int_equal(d.drained, 1);
	assert_string_equal(ask("drain off\n"), "serving\n");
	assert_int_equal(d.drained, 0);
	assert_string_equal(ask("reload\n"), "error: x.yaml:1:1: no\n");
	assert_int_equal(d.reloads, 1);
}

static void help_names_every_command(void **state)
{
	static const char *const names[] = {"stats", "conns", "failures", "offenders", "trace",
		"explain", "plan", "version", "drain", "reload", "help"};
	const char *help = ask("help\n");
	size_t i, lines = 0;
	(void)state;
	for (i = 0; i < HF_ARRAY_LEN(names); i++)
		assert_non_null(strstr(help, names[i]));
	for (i = 0; help[i]; i += strcspn(help + i, "\n") + 1, lines++)
		assert_true(strcspn(help + i, "\n") <= 80); /* a terminal's width */
	assert_int_equal(lines, HF_ARRAY_LEN(names));
}

static void what_is_not_lent_does_not_exist(void **state)
{
	static const struct hf_control_ops few = {.version = "hfrelay 1.2", .sources = sources};
	(void)state;
	hf_control_close(c);
	c = hf_control_open(path, 0660, &few, &d);
	assert_non_null(c);
	assert_string_equal(ask("version\n"), "hfrelay 1.2\n");
	assert_non_null(strstr(ask("stats\n"), "frames in\n"));
	assert_string_equal(ask("reload\n"),
		"error: unknown command \"reload\"; commands are stats, version, help\n");
	assert_null(strstr(ask("help\n"), "reload"));
}

static void nonsense_gets_an_error(void **state)
{
	static char big[HF_CONTROL_LINE_MAX + 100];
	(void)state;
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	assert_string_equal(ask("stat\n"), "error: unknown command \"stat\"; commands are stats, "
					   "conns, failures, offenders, trace, "
					   "explain, plan, version, drain, reload, help\n");
	assert_non_null(strstr(ask("\n"), "error: unknown command \"\""));
	assert_non_null(strstr(ask("  \t \n"), "error: unknown command \"\""));
	assert_string_equal(ask("stats xml\n"),
		"error: stats does not take \"xml\"; write text, full, json or prometheus\n");
	assert_string_equal(ask("stats json json\n"),
		"error: too many words; write stats [text|full|json|prometheus]\n");
	assert_string_equal(ask("conns now\n"), "error: too many words; write conns\n");
	assert_string_equal(ask("trace -1\n"),
		"error: trace does not take \"-1\"; write a worker's number, or nothing for all\n");
	assert_non_null(strstr(ask("trace 1x\n"), "error: trace does not take \"1x\""));
	assert_non_null(strstr(ask("explain\n"), "error: explain does not take \"\""));
	assert_string_equal(ask("explain 00 www  \n"), "hello 00 of \"www\"\n");
	assert_string_equal(ask("explain  \t#3\n"), "hello #3 of \"\"\n");
	assert_non_null(strstr(ask("explain 00 a b\n"), "error: too many words"));
	assert_non_null(strstr(ask("drain maybe\n"), "error: drain does not take \"maybe\""));
	assert_int_equal(d.drained, 0);
	assert_string_equal(ask(big), "error: the request is longer than 33791 bytes\n");
}

static void request_in_pieces_and_without_newline(void **state)
{
	int fd = connect_client();
	const char *p;
	(void)state;
	for (p = "version\n"; *p; p++) {
		assert_int_equal(send(fd, p, 1, MSG_NOSIGNAL), 1);
		run_while_ready();
	}
	assert_string_equal(read_answer(fd), "handfast 1.2\n");
	/* the way `printf version | socat` ends a request */
	fd = connect_client();
	assert_int_equal(send(fd, "version", 7, MSG_NOSIGNAL), 7);
	run_while_ready();
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_string_equal(read_answer(fd), "handfast 1.2\n");
}

static void long_answers_arrive_whole(void **state)
{
	const char *answer;
	size_t i;
	(void)state;
	d.big_len = 1000000;
	answer = ask("conns\n");
	assert_int_equal(strlen(answer), d.big_len);
	for (i = 0; i < d.big_len; i++)
		assert_int_equal(answer[i], 'a' + (int)(i % 26));
}

static void clients_that_vanish_cost_nothing(void **state)
{
	int fd, i;
	(void)state;
	d.big_len = 1000000;
	for (i = 0; i < 3 * (int)HF_CONTROL_CLIENTS; i++) {
		fd = connect_client();
		if (i % 3 == 1)
			assert_int_equal(send(fd, "vers", 4, MSG_NOSIGNAL), 4);
		if (i % 3 == 2)
			assert_int_equal(send(fd, "conns\n", 6, MSG_NOSIGNAL), 6);
		run_while_ready();
		close(fd);
		run_while_ready();
	}
	assert_string_equal(ask("version\n"), "handfast 1.2\n");
}

/* Whoever says nothing, and whoever does not read, takes a seat but no time of ours; the client
 * beyond the last seat is served when one of them leaves. */
static void full_house_makes_newcomers_wait(void **state)
{
	int idle[HF_CONTROL_CLIENTS], late, i;
	(void)state;
	d.big_len = 1000000;
	for (i = 0; i < (int)HF_CONTROL_CLIENTS; i++) {
		idle[i] = connect_client();
		if (i % 2)
			assert_int_equal(send(idle[i], "conns\n", 6, MSG_NOSIGNAL), 6);
	}
	run_while_ready();
	late = connect_client();
	assert_int_equal(send(late, "version\n", 8, MSG_NOSIGNAL), 8);
	run_while_ready();
	assert_false(is_ready(hf_control_fd(c))); /* nothing to spin on */
	assert_false(is_ready(late));
	close(idle[0]);
	assert_string_equal(read_answer(late), "handfast 1.2\n");
	for (i = 1; i < (int)HF_CONTROL_CLIENTS; i++)
		close(idle[i]);
	run_while_ready();
}

static void the_silent_are_hung_up_on(void **state)
{
	int fd = connect_client();
	struct pollfd p = {hf_control_fd(c), POLLIN, 0};
	char byte;
	(void)state;
	run_while_ready();
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
	/* the socket's own timer wakes us; a minute is for machines that are asleep themselves */
	assert_int_equal(poll(&p, 1, 60000), 1);
	run_while_ready();
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	close(fd);
}

static void without_descriptors_it_rests(void **state)
{
	struct rlimit old, low;
	int fd = connect_client();
	struct pollfd p = {hf_control_fd(c), POLLIN, 0};
	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = (struct rlimit){(rlim_t)fd + 1, old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	hf_control_run(c);
	assert_false(is_ready(hf_control_fd(c))); /* the client waits, and nothing spins */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(poll(&p, 1, 60000), 1);
	assert_int_equal(send(fd, "version\n", 8, MSG_NOSIGNAL), 8);
	assert_string_equal(read_answer(fd), "handfast 1.2\n");
}

static void socket_file(void **state)
{
	struct stat st;
	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_null(hf_control_open(path, 0660, &ops, &d));
	assert_int_equal(errno, EADDRINUSE);
	assert_int_equal(access(path, F_OK), 0); /* the loser has not unlinked it */
	assert_string_equal(ask("version\n"), "handfast 1.2\n");
}

#define CONTROL_TEST(f) cmocka_unit_test_setup_teardown(f, open_control, close_control)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONTROL_TEST(commands_are_answered),
		CONTROL_TEST(help_names_every_command),
		CONTROL_TEST(what_is_not_lent_does_not_exist),
		CONTROL_TEST(nonsense_gets_an_error),
		CONTROL_TEST(request_in_pieces_and_without_newline),
		CONTROL_TEST(long_answers_arrive_whole),
		CONTROL_TEST(clients_that_vanish_cost_nothing),
		CONTROL_TEST(full_house_makes_newcomers_wait),
		CONTROL_TEST(the_silent_are_hung_up_on),
		CONTROL_TEST(without_descriptors_it_rests),
		CONTROL_TEST(socket_file),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
