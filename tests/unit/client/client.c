/* The whole handover and both ends of it: the appliance's admission (app/handfast/links.c) and
 * libhandfast, over real sockets and real shared memory, the backend in a process of its own. */
#include "tests/support/test.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/client/handfast_client.h"
#include "tests/support/appliance.h"

static char dir[] = "/tmp/handfast-test-XXXXXX";
static char path[64];

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/web.sock", dir);
	hf_log_set_level(HF_LOG_ERROR);
	alarm(240); /* a lost wake-up hangs: then this ends it */
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir); /* fails if a socket was left behind */
}

/* ---- backends, each in its own process ---- */

enum { EXIT_GONE = 7, EXIT_REFUSED = 8 };

#define ECHO_CREDIT 32768u

struct echo {
	size_t len;
	bool eof;
	bool waits; /* a send was cut short since WRITABLE was told */
	uint8_t kept[ECHO_CREDIT];
};

static void echo_event(const struct hf_client_event *ev)
{
	struct echo *e = hf_client_user(ev->stream);
	size_t sent;
	switch (ev->type) {
	case HF_CLIENT_OPEN:
		HF_ASSERT(ev->info->client_port > 10000 && ev->info->sni.len == 15);
		hf_client_set_user(ev->stream, calloc(1, sizeof(struct echo)));
		return;
	case HF_CLIENT_DATA:
		HF_ASSERT(e->len + ev->len <= sizeof(e->kept)); /* or credit does not hold */
		memcpy(e->kept + e->len, ev->data, ev->len);
		e->len += ev->len;
		break;
	case HF_CLIENT_HALF_CLOSE:
		HF_ASSERT(!e->eof);
		e->eof = true;
		break;
	case HF_CLIENT_WRITABLE:
		HF_ASSERT(e->waits);
		e->waits = false;
		break;
	case HF_CLIENT_CLOSED:
	case HF_CLIENT_RESET:
		free(e);
		return;
	}
	sent = hf_client_send(ev->stream, e->kept, e->len);
	e->waits |= sent < e->len;
	memmove(e->kept, e->kept + sent, e->len - sent);
	e->len -= sent;
	hf_client_consumed(ev->stream, sent);
	if (e->eof && e->len == 0)
		hf_client_shutdown(ev->stream);
}

static bool patient;

/* Runs events through `on` until the appliance is gone. */
static void serve(void (*on)(const struct hf_client_event *))
{
	struct hf_client_options opt = {
		.name = "test", .stream_credit = ECHO_CREDIT, .patient = patient};
	struct hf_client_event ev;
	char why[200];
	int rc;
	struct hf_client *c = hf_client_connect(path, &opt, why, sizeof(why));
	if (!c)
		_exit(EXIT_REFUSED);
	for (;;) {
		struct pollfd p = {.fd = hf_client_fd(c), .events = POLLIN};
		while ((rc = hf_client_next(c, &ev)) > 0)
			on(&ev);
		if (rc < 0)
			break;
		poll(&p, 1, -1);
	}
	hf_client_close(c);
}

static pid_t fork_backend(void (*on)(const struct hf_client_event *))
{
	pid_t pid;
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		serve(on);
		exit(EXIT_GONE); /* with the sanitizer's look at what was leaked */
	}
	return pid;
}

static int exit_status(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void turn_until_up(struct appliance *a, uint32_t cnt)
{
	while (a->up_cnt < cnt)
		appliance_turn(a, 1000);
}

static void turn_until_over(struct appliance *a)
{
	while (appliance_over_cnt(a) < a->stream_cnt)
		appliance_turn(a, 1000);
}

static void end_backend(struct appliance *a, pid_t pid)
{
	appliance_close(a);
	assert_int_equal(exit_status(pid), EXIT_GONE);
}

/* ---- admission ---- */

static int raw_connect(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	memcpy(sa.sun_path, path, sizeof(path));
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static struct hf_link_ctl hello(void)
{
	return (struct hf_link_ctl){.magic = HF_LINK_MAGIC,
		.version = HF_LINK_VERSION,
		.type = HF_LINK_CTL_HELLO,
		.stream_credit = 65536,
		.name = "raw"};
}

static void socket_is_private(void **state)
{
	struct appliance *a = appliance_open(path, 12345, 1, HF_LINK_RING_MIN);
	struct stat st;
	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	if (geteuid() == 0)
		assert_int_equal(st.st_uid, 12345);
	appliance_close(a);
	assert_int_equal(stat(path, &st), -1);
}

static void no_directory_no_links(void **state)
{
	struct hf_links_backend b = {"web", "/nonexistent/dir/web.sock", 0};
	struct hf_links_cfg cfg = {&b, 1, 1, 8, HF_LINK_RING_MIN};
	(void)state;
	assert_null(hf_links_open(&cfg));
}

static void other_user_is_refused(void **state)
{
	struct appliance *a = appliance_open(path, getuid() + 1, 1, HF_LINK_RING_MIN);
	pid_t pid = fork();
	(void)state;
	if (pid == 0) {
		char why[200];
		if (hf_client_connect(path, NULL, why, sizeof(why)))
			_exit(1);
		_exit(strstr(why, "another user") ? EXIT_REFUSED : 2);
	}
	while (hf_links_stats(a->links)->refused_user == 0)
		appliance_turn(a, 1000);
	assert_int_equal(exit_status(pid), EXIT_REFUSED);
	assert_int_equal(a->up_cnt, 0);
	assert_int_equal(hf_links_stats(a->links)->endpoints, 0);
	appliance_close(a);
}

/* Sends a message and returns the reason in the answer, which must be a refusal. */
static uint32_t refusal_of(struct appliance *a, const void *msg, size_t len)
{
	struct hf_link_ctl answer = {0};
	int fd = raw_connect();
	assert_int_equal(send(fd, msg, len, 0), len);
	appliance_control(a);
	assert_int_equal(recv(fd, &answer, sizeof(answer), MSG_DONTWAIT), sizeof(answer));
	assert_int_equal(answer.type, HF_LINK_CTL_REFUSED);
	assert_int_equal(recv(fd, &answer, sizeof(answer), MSG_DONTWAIT), 0); /* hung up */
	close(fd);
	return answer.reason;
}

static void bad_hellos_are_refused(void **state)
{
	struct appliance *a = appliance_open(path, getuid(), 1, HF_LINK_RING_MIN);
	struct hf_link_ctl h = hello();
	uint8_t large[1000] = {0};
	int fd;
	(void)state;
	assert_int_equal(refusal_of(a, "x", 1), HF_LINK_REFUSED_HELLO);
	assert_int_equal(refusal_of(a, &h, sizeof(h) - 1), HF_LINK_REFUSED_HELLO);
	memcpy(large, &h, sizeof(h));
	assert_int_equal(refusal_of(a, large, sizeof(large)), HF_LINK_REFUSED_HELLO);
	h.magic++;
	assert_int_equal(refusal_of(a, &h, sizeof(h)), HF_LINK_REFUSED_HELLO);
	h = hello();
	h.version++;
	assert_int_equal(refusal_of(a, &h, sizeof(h)), HF_LINK_REFUSED_VERSION);
	h = hello();
	h.type = HF_LINK_CTL_WELCOME;
	assert_int_equal(refusal_of(a, &h, sizeof(h)), HF_LINK_REFUSED_HELLO);
	h = hello();
	h.stream_credit = HF_LINK_CREDIT_MIN - 1;
	assert_int_equal(refusal_of(a, &h, sizeof(h)), HF_LINK_REFUSED_HELLO);
	h.stream_credit = HF_LINK_CREDIT_MAX + 1;
	assert_int_equal(refusal_of(a, &h, sizeof(h)), HF_LINK_REFUSED_HELLO);
	/* One that comes and goes without a word. */
	fd = raw_connect();
	appliance_control(a);
	close(fd);
	appliance_control(a);
	assert_int_equal(hf_links_stats(a->links)->refused_hello, 7);
	assert_int_equal(hf_links_stats(a->links)->refused_version, 1);
	assert_int_equal(hf_links_stats(a->links)->endpoints, 0);
	assert_int_equal(a->up_cnt, 0);
	appliance_close(a);
}

static void numbers_are_shared_and_given_back(void **state)
{
	struct hf_links_backend b[2] = {{"web", path, getuid()}, {"api", NULL, getuid()}};
	char api[80];
	struct hf_links_cfg cfg = {b, 2, 2, 5, HF_LINK_RING_MIN}; /* two numbers each */
	struct hf_links_event ev;
	struct hf_link_ctl h = hello(), answer;
	struct hf_links *l;
	int fd[3];
	(void)state;
	snprintf(api, sizeof(api), "%s/api.sock", dir);
	b[1].socket = api;
	l = hf_links_open(&cfg);
	assert_non_null(l);
	for (int i = 0; i < 3; i++) {
		fd[i] = raw_connect();
		assert_int_equal(send(fd[i], &h, sizeof(h), MSG_NOSIGNAL), sizeof(h));
	}
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(hf_links_next(l, &ev));
		assert_int_equal(ev.kind, HF_LINKS_UP);
		assert_int_equal(ev.endpoint, i);
		assert_int_equal(ev.backend, 0);
	}
	assert_false(hf_links_next(l, &ev));
	assert_int_equal(hf_links_stats(l)->refused_full, 1);
	/* The number is not free before the last worker has let go. */
	close(fd[0]);
	assert_true(hf_links_next(l, &ev));
	assert_int_equal(ev.kind, HF_LINKS_DOWN);
	assert_int_equal(ev.endpoint, 0);
	assert_int_equal(hf_links_link(l, 0, 1)->violation, HF_LINK_FINE); /* memory is there */
	for (uint64_t released = 0; released < 2; released++) {
		int again = raw_connect();
		assert_false(hf_links_next(l, &ev));
		(void)recv(again, &answer, sizeof(answer), MSG_DONTWAIT);
		assert_int_equal(answer.reason, HF_LINK_REFUSED_FULL);
		close(again);
		assert_int_equal(hf_links_stats(l)->refused_full, 2 + released);
		hf_links_release(l, 0);
	}
	assert_panics(hf_links_release(l, 0));
	close(fd[2]);
	fd[0] = raw_connect();
	assert_int_equal(send(fd[0], &h, sizeof(h), 0), sizeof(h));
	assert_true(hf_links_next(l, &ev));
	assert_int_equal(ev.endpoint, 0);
	/* Cut by us: nothing is told; it sees the end. */
	while (recv(fd[0], &answer, sizeof(answer), MSG_DONTWAIT) > 0)
		;
	hf_links_cut(l, 0, HF_LINK_BAD_INDEX);
	assert_false(hf_links_next(l, &ev));
	assert_int_equal(recv(fd[0], &answer, sizeof(answer), MSG_DONTWAIT), 0);
	assert_int_equal(hf_links_stats(l)->cut, 1);
	/* A word after the hello is one too many. */
	assert_int_equal(send(fd[1], "x", 1, 0), 1);
	assert_true(hf_links_next(l, &ev));
	assert_int_equal(ev.kind, HF_LINKS_DOWN);
	assert_int_equal(ev.endpoint, 1);
	close(fd[0]);
	close(fd[1]);
	hf_links_close(l);
}

static void most_workers(void **state)
{
	struct appliance *a = appliance_open(path, getuid(), HF_LINK_WORKER_MAX, HF_LINK_RING_MIN);
	pid_t pid = fork_backend(echo_event);
	(void)state;
	turn_until_up(a, 1);
	for (uint32_t i = 0; i < 2 * HF_LINK_WORKER_MAX; i++)
		appliance_stream(a, 0, i % HF_LINK_WORKER_MAX, 1000);
	turn_until_over(a);
	for (uint32_t i = 0; i < a->stream_cnt; i++)
		assert_int_equal(a->s[i].received, 1000);
	end_backend(a, pid);
}

static void patience_is_told(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct appliance *a = appliance_open(path, getuid(), 2, HF_LINK_RING_MIN);
		pid_t pid;
		patient = i;
		pid = fork_backend(echo_event);
		turn_until_up(a, 1);
		assert_int_equal(hf_links_link(a->links, 0, 0)->patient, i);
		assert_int_equal(hf_links_link(a->links, 0, 1)->patient, i);
		appliance_stream(a, 0, 1, 1000);
		turn_until_over(a);
		assert_int_equal(a->s[0].received, 1000);
		end_backend(a, pid);
	}
	patient = false;
}

static uint32_t open_file_cnt(void)
{
	uint32_t cnt = 0;
	for (int fd = 0; fd < 1024; fd++)
		cnt += fcntl(fd, F_GETFD) >= 0;
	return cnt;
}

/* From now on exactly so many more can be opened. */
static void leave_descriptors(uint32_t cnt)
{
	struct rlimit lim;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &lim), 0);
	for (lim.rlim_cur = 0; cnt > 0 || fcntl((int)lim.rlim_cur, F_GETFD) >= 0; lim.rlim_cur++)
		cnt -= fcntl((int)lim.rlim_cur, F_GETFD) < 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &lim), 0);
}

static void without_descriptors_newcomers_are_told(void **state)
{
	struct appliance *a = appliance_open(path, getuid(), 2, HF_LINK_RING_MIN);
	struct hf_link_ctl h = hello(), answer = {0};
	struct rlimit before;
	int fd[2] = {raw_connect(), raw_connect()};
	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	/* Not even for accept: hung up on, and the listener does not stay readable for ever. */
	leave_descriptors(0);
	appliance_control(a);
	assert_int_equal(recv(fd[0], &answer, sizeof(answer), MSG_DONTWAIT), 0);
	assert_int_equal(recv(fd[1], &answer, sizeof(answer), MSG_DONTWAIT), 0);
	assert_int_equal(hf_links_stats(a->links)->refused_memory, 2);
	close(fd[0]);
	close(fd[1]);
	/* For accept, the bell and one ring, but not for more: told. */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	fd[0] = raw_connect();
	assert_int_equal(send(fd[0], &h, sizeof(h), 0), sizeof(h));
	leave_descriptors(3);
	appliance_control(a);
	assert_int_equal(recv(fd[0], &answer, sizeof(answer), MSG_DONTWAIT), sizeof(answer));
	assert_int_equal(answer.type, HF_LINK_CTL_WELCOME);
	assert_int_equal(recv(fd[0], &answer, sizeof(answer), MSG_DONTWAIT), sizeof(answer));
	assert_int_equal(answer.type, HF_LINK_CTL_REFUSED);
	assert_int_equal(answer.reason, HF_LINK_REFUSED_MEMORY);
	close(fd[0]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	/* Nothing of it is left, and there is room again. */
	uint32_t open_before = open_file_cnt();
	fd[0] = raw_connect();
	assert_int_equal(send(fd[0], &h, sizeof(h), 0), sizeof(h));
	turn_until_up(a, 1);
	close(fd[0]);
	while (a->down_cnt == 0)
		appliance_turn(a, 1000);
	assert_int_equal(open_file_cnt(), open_before);
	appliance_close(a);
}

/* ---- what a hostile backend may do to the memory it was given ---- */

static void memory_is_sealed(void **state)
{
	struct appliance *a = appliance_open(path, getuid(), 1, HF_LINK_RING_MIN);
	size_t size = hf_link_region_size(HF_LINK_RING_MIN);
	struct hf_link_ctl h = hello(), msg;
	int fd = raw_connect(), fds[3];
	uint32_t cnt = 3;
	char proc[64];
	uint8_t *p;
	(void)state;
	assert_int_equal(send(fd, &h, sizeof(h), 0), sizeof(h));
	turn_until_up(a, 1);
	assert_int_equal(hf_os_recv_fds(fd, &msg, sizeof(msg), fds, &cnt), sizeof(msg));
	assert_int_equal(msg.type, HF_LINK_CTL_WELCOME);
	assert_int_equal(msg.worker_cnt, 1);
	assert_int_equal(cnt, 1);
	close(fds[0]);
	cnt = 3;
	assert_int_equal(hf_os_recv_fds(fd, &msg, sizeof(msg), fds, &cnt), sizeof(msg));
	assert_int_equal(msg.type, HF_LINK_CTL_LINK);
	assert_int_equal(cnt, 3);
	/* The worker's region: readable, in no way writable, not even reopened. */
	p = mmap(NULL, size, PROT_READ, MAP_SHARED, fds[0], 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(((struct hf_link_region *)(void *)p)->magic, HF_LINK_MAGIC);
	assert_int_equal(mprotect(p, size, PROT_READ | PROT_WRITE), -1);
	assert_ptr_equal(
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0), MAP_FAILED);
	assert_int_equal(pwrite(fds[0], "x", 1, 0), -1);
	assert_int_equal(
		fallocate(fds[0], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fds[0]);
	int again = open(proc, O_RDWR);
	assert_true(again < 0 || pwrite(again, "x", 1, 0) == -1);
	close(again);
	/* Neither can be made shorter under the worker's feet, nor the seals be taken off. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ftruncate(fds[i], 4096), -1);
		assert_int_equal(ftruncate(fds[i], (off_t)size * 2), -1);
		assert_int_equal(fcntl(fds[i], F_ADD_SEALS, F_SEAL_WRITE), -1);
	}
	/* Its own region it may fill with anything: it is cut off, and that is all. */
	munmap(p, size);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fds[1], 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	memset(p, 0xff, size);
	while (a->down_cnt == 0)
		appliance_turn(a, 10);
	assert_int_equal(a->violation, HF_LINK_BAD_INDEX);
	assert_int_equal(hf_links_worker_stats(a->links, 0)->violation[HF_LINK_BAD_INDEX], 1);
	assert_int_equal(hf_links_stats(a->links)->endpoints, 0);
	munmap(p, size);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	close(fd);
	appliance_close(a);
}

/* ---- streams ---- */

static void echo_round_trip(void **state)
{
	uint64_t seed = 5;
	(void)state;
	/* Small rings and credits: everything blocks on everything all the time. */
	struct appliance *a = appliance_open(path, getuid(), 3, HF_LINK_RING_MIN);
	pid_t pid = fork_backend(echo_event);
	turn_until_up(a, 1);
	for (uint32_t i = 0; i < 120; i++)
		appliance_stream(a, 0, i % 3, i < 10 ? i : test_below(&seed, 400000));
	turn_until_over(a);
	for (uint32_t i = 0; i < a->stream_cnt; i++) {
		assert_int_equal(a->s[i].received, a->s[i].send_len);
		assert_int_equal(a->s[i].wrong, 0);
		assert_true(a->s[i].got_eof);
		assert_false(a->s[i].got_reset);
	}
	assert_true(hf_links_worker_stats(a->links, 0)->tx_full > 0);
	assert_int_equal(a->up_cnt, 1);
	assert_int_equal(a->down_cnt, 0);
	end_backend(a, pid);
}

/* As the appliance does it: credit when it is asked for, and taken back at any time. */
static void credit_on_demand(void **state)
{
	struct appliance *a = appliance_open(path, getuid(), 1, HF_LINK_RING_MIN);
	pid_t pid = fork_backend(echo_event);
	uint64_t returned = 0;
	(void)state;
	turn_until_up(a, 1);
	for (uint32_t i = 0; i < 40; i++)
		appliance_stream(a, 0, 0, 5000 * i)->on_demand = true;
	turn_until_over(a);
	for (uint32_t i = 0; i < 40; i++) {
		assert_int_equal(a->s[i].received, 5000 * i);
		assert_int_equal(a->s[i].wrong, 0);
		assert_int_equal(a->s[i].blocked_cnt > 0, i > 0);
		returned += a->s[i].returned;
	}
	assert_true(returned > 0);
	end_backend(a, pid);
}

static void who_does_not_read_blocks_only_itself(void **state)
{
	struct appliance *a = appliance_open(path, getuid(), 1, HF_LINK_RING_MIN);
	pid_t pid = fork_backend(echo_event);
	(void)state;
	turn_until_up(a, 1);
	for (uint32_t i = 0; i < 40; i++)
		appliance_stream(a, 0, 0, 1000000)->refuse_to_read = i % 2;
	for (uint32_t done = 0; done < 20;) {
		appliance_turn(a, 1000);
		done = appliance_over_cnt(a);
	}
	for (uint32_t i = 0; i < 40; i++) {
		/* What it may send beyond our credit: nothing. */
		if (i % 2)
			assert_int_equal(a->s[i].received, APPLIANCE_CREDIT);
		else
			assert_int_equal(a->s[i].received, 1000000);
		a->s[i].refuse_to_read = false;
	}
	turn_until_over(a);
	for (uint32_t i = 0; i < 40; i++)
		assert_int_equal(a->s[i].received, 1000000);
	end_backend(a, pid);
}

/* Both sides sleep between any two bytes; one lost wake-up and this never ends. */
static void every_wake_up_arrives(void **state)
{
	struct appliance *a = appliance_open(path, getuid(), 2, HF_LINK_RING_MIN);
	pid_t pid = fork_backend(echo_event);
	(void)state;
	turn_until_up(a, 1);
	for (uint32_t i = 0; i < 3000; i++) {
		struct appliance_stream *s = appliance_stream(a, 0, i % 2, 1);
		while (!(s->opened && hf_link_stream_over(&s->link)))
			appliance_turn(a, -1);
		assert_int_equal(s->received, 1);
	}
	assert_true(hf_links_worker_stats(a->links, 0)->bells > 0);
	end_backend(a, pid);
}

static void killed_backend_is_told(void **state)
{
	struct appliance *a = appliance_open(path, getuid(), 2, HF_LINK_RING_MIN);
	pid_t pid = fork_backend(echo_event), other = fork_backend(echo_event);
	(void)state;
	turn_until_up(a, 2);
	/* Which endpoint is whose does not matter: both get streams that cannot end by themselves. */
	for (uint32_t i = 0; i < 4; i++)
		appliance_stream(a, i % 2, i / 2, 1000000)->refuse_to_read = true;
	for (int i = 0; i < 50; i++)
		appliance_turn(a, 1);
	kill(pid, SIGKILL);
	assert_int_equal(exit_status(pid), -SIGKILL);
	while (a->down_cnt == 0)
		appliance_turn(a, 1000);
	assert_int_equal(appliance_over_cnt(a), 2);
	for (uint32_t i = 0; i < 4; i++)
		a->s[i].refuse_to_read = false;
	turn_until_over(a);
	uint32_t whole = 0, reset = 0;
	for (uint32_t i = 0; i < 4; i++) {
		whole += a->s[i].received == 1000000 && !a->s[i].got_reset;
		reset += a->s[i].got_reset;
	}
	assert_int_equal(whole, 2);
	assert_int_equal(reset, 2);
	/* Another one takes its place. */
	pid = fork_backend(echo_event);
	turn_until_up(a, 3);
	assert_int_equal(hf_links_stats(a->links)->endpoints, 2);
	assert_int_equal(hf_links_stats(a->links)->gone, 1);
	appliance_close(a);
	assert_int_equal(exit_status(pid), EXIT_GONE);
	assert_int_equal(exit_status(other), EXIT_GONE);
}

/* Resets every stream at its second DATA; sends on the others must not be disturbed. */
static void resetting_event(const struct hf_client_event *ev)
{
	switch (ev->type) {
	case HF_CLIENT_DATA:
		hf_client_consumed(ev->stream, ev->len);
		if (hf_client_user(ev->stream))
			hf_client_reset(ev->stream, HF_LINK_RESET_REFUSED);
		else
			hf_client_set_user(ev->stream, ev->stream);
		break;
	case HF_CLIENT_RESET:
	case HF_CLIENT_CLOSED:
		HF_ASSERT(!"no event follows hf_client_reset");
		break;
	default:
		break;
	}
}

static void resets_reach_the_worker(void **state)
{
	struct appliance *a = appliance_open(path, getuid(), 1, HF_LINK_RING_MIN);
	pid_t pid = fork_backend(resetting_event);
	(void)state;
	turn_until_up(a, 1);
	for (uint32_t i = 0; i < 300; i++)
		appliance_stream(a, 0, 0, 500000);
	turn_until_over(a);
	for (uint32_t i = 0; i < 300; i++) {
		assert_true(a->s[i].got_reset);
		assert_int_equal(a->s[i].reset_reason, HF_LINK_RESET_REFUSED);
	}
	assert_int_equal(a->down_cnt, 0);
	end_backend(a, pid);
}

/* Answers before it has read to the end, and notes what a reset looks like from this side. */
static void early_event(const struct hf_client_event *ev)
{
	if (ev->type == HF_CLIENT_OPEN) {
		HF_ASSERT(hf_client_send(ev->stream, "early", 5) == 5);
		hf_client_shutdown(ev->stream);
		hf_client_shutdown(ev->stream); /* once is enough, twice does not hurt */
	} else if (ev->type == HF_CLIENT_RESET) {
		HF_ASSERT(ev->reason == HF_LINK_RESET_TRUNCATED);
		hf_client_consumed(ev->stream, 3);
		hf_client_shutdown(ev->stream);
		_exit(EXIT_GONE);
	}
}

static void reset_reaches_the_backend(void **state)
{
	struct appliance *a = appliance_open(path, getuid(), 1, HF_LINK_RING_MIN);
	pid_t pid = fork_backend(early_event);
	struct appliance_stream *s;
	(void)state;
	turn_until_up(a, 1);
	s = appliance_stream(a, 0, 0, 1u << 30); /* more than credit: it cannot end */
	while (!s->got_eof)
		appliance_turn(a, 1000);
	assert_int_equal(s->received, 5);
	struct hf_link *l = hf_links_link(a->links, 0, 0);
	assert_int_equal(hf_link_reset(l, &s->link, HF_LINK_RESET_TRUNCATED), 0);
	while (a->down_cnt == 0)
		appliance_turn(a, 1000);
	end_backend(a, pid);
}

static void connect_says_why_not(void **state)
{
	char why[200], big[200];
	(void)state;
	assert_null(hf_client_connect("/nonexistent/web.sock", NULL, why, sizeof(why)));
	assert_string_equal(why, "/nonexistent/web.sock: No such file or directory");
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	assert_null(hf_client_connect(big, NULL, why, sizeof(why)));
	assert_non_null(strstr(why, "aaa"));
	/* Somebody listens and never answers. */
	struct appliance *a = appliance_open(path, getuid(), 1, HF_LINK_RING_MIN);
	struct hf_client_options opt = {.timeout_ms = 10};
	assert_null(hf_client_connect(path, &opt, why, sizeof(why)));
	assert_non_null(strstr(why, "did not answer in time"));
	appliance_close(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(socket_is_private),
		cmocka_unit_test(no_directory_no_links),
		cmocka_unit_test(other_user_is_refused),
		cmocka_unit_test(bad_hellos_are_refused),
		cmocka_unit_test(numbers_are_shared_and_given_back),
		cmocka_unit_test(most_workers),
		cmocka_unit_test(patience_is_told),
		cmocka_unit_test(without_descriptors_newcomers_are_told),
		cmocka_unit_test(memory_is_sealed),
		cmocka_unit_test(echo_round_trip),
		cmocka_unit_test(credit_on_demand),
		cmocka_unit_test(who_does_not_read_blocks_only_itself),
		cmocka_unit_test(every_wake_up_arrives),
		cmocka_unit_test(killed_backend_is_told),
		cmocka_unit_test(resets_reach_the_worker),
		cmocka_unit_test(reset_reaches_the_backend),
		cmocka_unit_test(connect_says_why_not),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
