/* hfctl as an operator runs it: the program itself, against a control socket served here. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "app/handfast/control.h"
#include "lib/base/hist.h"
#include "tests/support/test.h"

static char dir[] = "/tmp/hf_hfctl_XXXXXX";
static char path[64], program[PATH_MAX];
static struct hf_control *c;

/* ---- the program behind the socket ---- */

struct counters {
	uint64_t frames, conns;
	struct hf_hist wait;
};
static struct counters net;
static const struct hf_stat_row rows[] = {
	{"frames", "frames in", HF_STAT_COUNTER, offsetof(struct counters, frames)},
	{"conns", "connections", HF_STAT_GAUGE, offsetof(struct counters, conns)},
	{"wait", "waiting", HF_STAT_HIST, offsetof(struct counters, wait)},
};
static const struct hf_stat_table table = {"net", rows, HF_ARRAY_LEN(rows)};

/* Two workers with the same numbers; every look finds more. */
static uint32_t sources(void *app, struct hf_stats_source *v, uint32_t max)
{
	(void)app;
	assert_true(max >= 2);
	net.frames += 500;
	net.conns = 3;
	hf_hist_add(&net.wait, 7);
	v[0] = (struct hf_stats_source){&table, &net, {{"worker", "0"}, {"port", "wan0"}}};
	v[1] = (struct hf_stats_source){&table, &net, {{"worker", "1"}, {"port", "wan0"}}};
	return 2;
}

static void conns(void *app, FILE *out)
{
	(void)app;
	fputs("no connections\n", out);
}

static void trace(void *app, FILE *out, int worker)
{
	(void)app;
	fprintf(out, "worker %d\n", worker);
}

static void drain(void *app, FILE *out, bool on)
{
	(void)app;
	fprintf(out, "drain %d\n", on);
}

static void reload(void *app, FILE *out)
{
	(void)app;
	fputs("x.yaml:1:1: no\nerror: the old site serves on\n", out);
}

static void explain(void *app, FILE *out, const char *hello, const char *listener)
{
	(void)app;
	fprintf(out, "hello %s of %s\n", hello, listener);
}

static const struct hf_control_ops ops = {
	"handfast 1.2", sources, conns, conns, conns, trace, explain, conns, drain, reload};

/* ---- running hfctl ---- */

struct run {
	int status;
	char out[16384], err[16384];
};

static bool drain_pipe(int fd, char *text, size_t room)
{
	size_t len = strlen(text);
	ssize_t got = read(fd, text + len, room - 1 - len);
	assert_true(got >= 0);
	text[len + (size_t)got] = '\0';
	return got > 0;
}

static struct run *hfctl(const char *const *args)
{
	static struct run r;
	const char *argv[16] = {program, "-s", path};
	int out[2], err[2], i;
	bool out_open = true, err_open = true;
	pid_t pid;
	memset(&r, 0, sizeof(r));
	for (i = 0; args[i]; i++)
		argv[3 + i] = args[i];
	assert_int_equal(pipe(out), 0);
	assert_int_equal(pipe(err), 0);
	pid = fork();
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		execv(program, (char **)(uintptr_t)argv);
		_exit(127);
	}
	close(out[1]);
	close(err[1]);
	while (out_open || err_open) {
		struct pollfd p[3] = {{out_open ? out[0] : -1, POLLIN, 0},
			{err_open ? err[0] : -1, POLLIN, 0}, {hf_control_fd(c), POLLIN, 0}};
		assert_true(poll(p, 3, 60000) > 0);
		if (p[0].revents)
			out_open = drain_pipe(out[0], r.out, sizeof(r.out));
		if (p[1].revents)
			err_open = drain_pipe(err[0], r.err, sizeof(r.err));
		if (p[2].revents)
			hf_control_run(c);
	}
	close(out[0]);
	close(err[0]);
	assert_int_equal(waitpid(pid, &r.status, 0), pid);
	assert_true(WIFEXITED(r.status));
	r.status = WEXITSTATUS(r.status);
	return &r;
}

#define HFCTL(...) hfctl((const char *const[]){__VA_ARGS__, NULL})

/* The program lies at the root of the build folder: build/tests/unit/hfctl/hfctl -> build/hfctl */
static int setup(void **state)
{
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 16);
	int up;
	(void)state;
	if (len <= 0 || !mkdtemp(dir))
		return -1;
	for (up = 0; up < 4; up++)
		*strrchr(program, '/') = '\0';
	strcat(program, "/hfctl");
	(void)snprintf(path, sizeof(path), "%s/s", dir);
	c = hf_control_open(path, 0660, &ops, NULL);
	return c ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	hf_control_close(c);
	return rmdir(dir);
}

/* ---- tests ---- */

static void answers_are_printed(void **state)
{
	struct run *r = HFCTL("stats");
	(void)state;
	assert_int_equal(r->status, 0);
	assert_non_null(strstr(r->out, "net port=wan0\n  frames "));
	assert_string_equal(r->err, "");
	assert_non_null(strstr(HFCTL("stats", "--json")->out, "\"rows\":{\"frames\":"));
	assert_non_null(strstr(HFCTL("stats", "--prometheus")->out, "# TYPE handfast_net_frames"));
	assert_string_equal(HFCTL("version")->out, "handfast 1.2\n");
	assert_string_equal(HFCTL("trace", "1")->out, "worker 1\n");
	assert_string_equal(HFCTL("drain")->out, "drain 1\n");
	assert_string_equal(HFCTL("drain", "off")->out, "drain 0\n");
	assert_string_equal(HFCTL("plan")->out, "no connections\n");
}

static void errors_are_status_1(void **state)
{
	char name[300] = "";
	struct run *r = HFCTL("reload");
	(void)state;
	assert_int_equal(r->status, 1);
	assert_string_equal(r->out, "");
	assert_string_equal(r->err, "x.yaml:1:1: no\nerror: the old site serves on\n");
	r = HFCTL("trace", "x");
	assert_int_equal(r->status, 1);
	assert_non_null(strstr(r->err, "error: trace does not take \"x\""));
	r = HFCTL("-s", "/nowhere", "stats");
	assert_int_equal(r->status, 1);
	assert_string_equal(r->err, "hfctl: /nowhere: No such file or directory; is handfast "
				    "running? -s names another socket\n");
	memset(name, 'x', sizeof(name) - 1);
	r = HFCTL("-s", name, "stats");
	assert_int_equal(r->status, 1);
	assert_non_null(
		strstr(r->err, "File name too long; the path of a socket has 1 to 107 bytes"));
}

static void nonsense_is_status_2(void **state)
{
	(void)state;
	assert_int_equal(HFCTL("stat")->status, 2);
	assert_int_equal(HFCTL("stats", "--xml")->status, 2);
	assert_int_equal(HFCTL("trace", "1", "2")->status, 2);
	assert_int_equal(HFCTL("top", "-n", "0")->status, 2);
	assert_int_equal(HFCTL("top", "-x")->status, 2);
	assert_int_equal(HFCTL("top", "now")->status, 2);
	assert_int_equal(HFCTL("check")->status, 2);
	assert_int_equal(HFCTL("print-config", "x.yaml")->status, 2);
	assert_int_equal(HFCTL("print-reference", "x.yaml")->status, 2);
	/* one message, ours, wherever the option stands */
	assert_string_equal(HFCTL("-x")->err,
		"hfctl: options before the command are -s SOCKET and -h; see hfctl help\n");
	assert_int_equal(HFCTL("--socket", "x")->status, 2);
	assert_string_equal(HFCTL("cycles", "-5")->err,
		"hfctl: cycles takes -n SECONDS, 1 to 3600; see hfctl help\n");
}

static void top_adds_workers_and_shows_rates(void **state)
{
	struct run *r = HFCTL("top", "-n", "1", "-c", "2");
	unsigned long long first, second;
	double rate, mean;
	char *at = r->out;
	(void)state;
	assert_int_equal(r->status, 0);
	assert_int_equal(sscanf(at, "net_frames{port=\"wan0\"} %llu %lf/s", &first, &rate), 2);
	assert_true(rate > 0);
	at = strstr(at, "net_conns{port=\"wan0\"}");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "net_conns{port=\"wan0\"} %llu\n", &second), 1);
	assert_int_equal(second, 6);
	at = strstr(at, "net_wait{port=\"wan0\"}");
	assert_non_null(at);
	assert_int_equal(
		sscanf(at, "net_wait{port=\"wan0\"} %llu %lf/s mean %lf", &second, &rate, &mean),
		3);
	assert_true(mean == 7.0);
	at = strstr(at, "net_frames");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "net_frames{port=\"wan0\"} %llu", &second), 1);
	assert_int_equal(second, first + 1000);
	assert_null(strstr(r->out, "_sum"));
	assert_null(strstr(r->out, "bucket"));
}

static void check_needs_no_socket(void **state)
{
	struct run *r = HFCTL("check", "tests/unit/config/bad/port_70000.yaml");
	(void)state;
	assert_int_equal(r->status, 1);
	assert_non_null(strstr(r->err, "port_70000.yaml:8:14: listeners[0].address: port 70000"));
	r = HFCTL("check", "tests/unit/config/good.yaml");
	assert_int_equal(r->status, 0);
	assert_string_equal(r->out, "tests/unit/config/good.yaml: ok: 1 ports, 1 listeners, 1 "
				    "certificates, 1 backends\n");
}

static void doctor_tells_state_and_remedy(void **state)
{
	struct run *r = HFCTL("doctor");
	(void)state;
	assert_int_equal(r->status, 0);
	assert_non_null(strstr(r->out, "processor"));
	assert_non_null(strstr(r->out, "huge pages"));
	assert_non_null(strstr(r->out, "vfio"));
	setenv("HF_CPU", "z80", 1);
	r = HFCTL("doctor");
	unsetenv("HF_CPU");
	assert_int_equal(r->status, 1);
	assert_non_null(strstr(r->out, "bad  processor   HF_CPU=z80 names no tier; unset it"));
}

/* The hello that a name becomes, and one from a file in records. */
static void explain_makes_hellos(void **state)
{
	static const uint8_t message[] = {1, 0, 0, 3, 'a', 'b', 'c'},
			     records[] = {
				     22, 3, 1, 0, 5, 1, 0, 0, 3, 'a', 22, 3, 1, 0, 2, 'b', 'c'};
	char file[80];
	struct run *r = HFCTL("explain", "-c", "c02f", "-v", "", "-l", "www", "example.org");
	FILE *f;
	(void)state;
	assert_int_equal(r->status, 0);
	assert_non_null(strstr(r->out, "hello 01"));
	assert_non_null(strstr(r->out, "0002c02f0100"));
	assert_non_null(strstr(r->out, "000b6578616d706c652e6f7267"));
	assert_null(strstr(r->out, "002b0005"));
	assert_non_null(strstr(r->out, " of www\n"));
	assert_string_equal(HFCTL("explain", "#17")->out, "hello #17 of \n");
	(void)snprintf(file, sizeof(file), "%s/hello", dir);
	for (int with_records = 0; with_records < 2; with_records++) {
		f = fopen(file, "w");
		assert_non_null(f);
		fwrite(with_records ? records : message, 1,
			with_records ? sizeof(records) : sizeof(message), f);
		fclose(f);
		assert_string_equal(HFCTL("explain", file)->out, "hello 01000003616263 of \n");
	}
	f = fopen(file, "w");
	assert_non_null(f);
	fputs("GET /", f);
	fclose(f);
	r = HFCTL("explain", file);
	assert_int_equal(r->status, 1);
	assert_non_null(strstr(r->err, "is no ClientHello; save"));
	assert_int_equal(unlink(file), 0);
	assert_int_equal(HFCTL("explain")->status, 2);
	assert_int_equal(HFCTL("explain", "-x", "a")->status, 2);
	assert_int_equal(HFCTL("explain", "-c", "0x", "a")->status, 2);
	assert_int_equal(HFCTL("explain", "-c", "1,", "a")->status, 2);
}

/* On a terminal of 80 columns, with a blank before each explanation. */
static void fits_a_terminal(const char *text)
{
	assert_int_equal(text[strlen(text) - 1], '\n');
	for (; *text; text += strcspn(text, "\n") + 1)
		if (strcspn(text, "\n") > 80)
			fail_msg("more than 80 columns: %.*s", (int)strcspn(text, "\n"), text);
}

static void help_is_given(void **state)
{
	struct run *r = HFCTL("help");
	(void)state;
	assert_int_equal(r->status, 0);
	assert_non_null(strstr(r->out, "usage: hfctl"));
	assert_non_null(strstr(r->out, "doctor"));
	assert_non_null(strstr(r->out, "#FAILURE  what a client would get"));
	fits_a_terminal(r->out);
	r = HFCTL("--help");
	assert_int_equal(r->status, 0);
	assert_non_null(strstr(r->out, "usage: hfctl"));
	fits_a_terminal(r->out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_printed),
		cmocka_unit_test(errors_are_status_1),
		cmocka_unit_test(nonsense_is_status_2),
		cmocka_unit_test(top_adds_workers_and_shows_rates),
		cmocka_unit_test(check_needs_no_socket),
		cmocka_unit_test(doctor_tells_state_and_remedy),
		cmocka_unit_test(explain_makes_hellos),
		cmocka_unit_test(help_is_given),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
