/* Unix sockets, descriptors over them, sealed memory, doorbells. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "lib/os/os.h"

static char dir[] = "/tmp/hf_sock_XXXXXX";
static char path[64];

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/s", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

static void listen_accept_peer(void **state)
{
	int l = hf_os_unix_listen(path, SOCK_STREAM, 0660), c, s;
	struct hf_os_peer peer;
	struct stat st;
	(void)state;
	assert_true(l >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_int_equal(hf_os_unix_accept(l), -1);
	assert_int_equal(errno, EAGAIN);
	c = hf_os_unix_connect(path, SOCK_STREAM);
	assert_true(c >= 0);
	s = hf_os_unix_accept(l);
	assert_true(s >= 0);
	assert_true(fcntl(s, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(s, F_GETFL) & O_NONBLOCK);
	assert_int_equal(hf_os_unix_peer(s, &peer), 0);
	assert_int_equal(peer.pid, getpid());
	assert_int_equal(peer.uid, geteuid());
	assert_int_equal(peer.gid, getegid());
	close(s);
	close(c);
	close(l);
	unlink(path);
}

static void socket_file_is_never_wider_than_asked(void **state)
{
	mode_t old = umask(0);
	struct stat st;
	int l = hf_os_unix_listen(path, SOCK_SEQPACKET, 0600);
	(void)state;
	assert_true(l >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	umask(old);
	close(l);
	unlink(path);
}

static void dead_socket_is_replaced_living_is_not(void **state)
{
	int a = hf_os_unix_listen(path, SOCK_STREAM, 0660), b;
	(void)state;
	assert_true(a >= 0);
	assert_int_equal(hf_os_unix_listen(path, SOCK_STREAM, 0660), -1);
	assert_int_equal(errno, EADDRINUSE);
	assert_non_null(strstr(hf_os_unix_listen_remedy(errno), "another process listens there"));
	/* of another type: alive as well */
	assert_int_equal(hf_os_unix_listen(path, SOCK_SEQPACKET, 0660), -1);
	assert_int_equal(errno, EADDRINUSE);
	close(a);
	b = hf_os_unix_listen(path, SOCK_SEQPACKET, 0660);
	assert_true(b >= 0);
	close(b);
	unlink(path);
}

/* Other users are to reach what lies in it, whatever the umask. Only root may write to /run. */
static void folder_in_run_is_made(void **state)
{
	char folder[64], s[80], deeper[96];
	mode_t old = umask(077);
	struct stat st;
	int l;
	(void)state;
	snprintf(folder, sizeof(folder), "/run/hf_sock_%d", (int)getpid());
	snprintf(s, sizeof(s), "%s/s", folder);
	snprintf(deeper, sizeof(deeper), "%s/not/s", folder);
	assert_int_equal(hf_os_unix_listen(deeper, SOCK_STREAM, 0660), -1);
	assert_int_equal(errno, ENOENT);
	assert_non_null(strstr(hf_os_unix_listen_remedy(errno), "make its folder"));
	assert_int_equal(access(folder, F_OK), -1);
	l = hf_os_unix_listen(s, SOCK_STREAM, 0660);
	umask(old);
	if (geteuid() != 0) {
		assert_int_equal(l, -1);
		return;
	}
	assert_true(l >= 0);
	assert_int_equal(stat(folder, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0755);
	close(l);
	assert_int_equal(unlink(s), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void other_files_are_left_alone(void **state)
{
	int f = open(path, O_CREAT | O_WRONLY, 0600);
	(void)state;
	assert_true(f >= 0);
	close(f);
	assert_int_equal(hf_os_unix_listen(path, SOCK_STREAM, 0660), -1);
	assert_int_equal(errno, EEXIST);
	assert_non_null(strstr(hf_os_unix_listen_remedy(errno), "another file is there"));
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
}

static void long_path_is_refused(void **state)
{
	char p[200];
	(void)state;
	memset(p, 'a', sizeof(p) - 1);
	p[sizeof(p) - 1] = '\0';
	assert_int_equal(hf_os_unix_listen(p, SOCK_STREAM, 0660), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_non_null(strstr(hf_os_unix_listen_remedy(errno), "1 to 107 bytes"));
	assert_int_equal(hf_os_unix_connect("", SOCK_STREAM), -1);
}

static int open_fds(void)
{
	int n = 0, fd;
	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void descriptors_travel(void **state)
{
	int sv[2], fds[4], e[2], before = open_fds();
	uint32_t cnt = 4;
	char text[8] = "";
	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	e[0] = hf_os_eventfd();
	e[1] = hf_os_eventfd();
	assert_int_equal(hf_os_send_fds(sv[0], "hi", 2, e, 2), 2);
	assert_int_equal(hf_os_recv_fds(sv[1], text, sizeof(text), fds, &cnt), 2);
	assert_string_equal(text, "hi");
	assert_int_equal(cnt, 2);
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	hf_os_event_ring(fds[1]);
	hf_os_event_ring(fds[1]);
	assert_int_equal(hf_os_event_take(e[1]), 2);
	assert_int_equal(hf_os_event_take(e[1]), 0);
	close(fds[0]);
	close(fds[1]);
	close(e[0]);
	close(e[1]);
	close(sv[0]);
	close(sv[1]);
	assert_int_equal(open_fds(), before);
}

static void too_many_descriptors_are_refused_and_closed(void **state)
{
	int sv[2], fds[2], e[HF_OS_FDS_MAX], i, before;
	uint32_t cnt = 2;
	char text[4];
	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	for (i = 0; i < (int)HF_OS_FDS_MAX; i++)
		e[i] = hf_os_eventfd();
	before = open_fds();
	assert_int_equal(hf_os_send_fds(sv[0], "x", 1, e, HF_OS_FDS_MAX), 1);
	assert_int_equal(hf_os_recv_fds(sv[1], text, sizeof(text), fds, &cnt), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(cnt, 0);
	assert_int_equal(open_fds(), before);
	/* data cut off: its descriptor goes too */
	cnt = 2;
	assert_int_equal(hf_os_send_fds(sv[0], "longer", 6, e, 1), 6);
	assert_int_equal(hf_os_recv_fds(sv[1], text, sizeof(text), fds, &cnt), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(open_fds(), before);
	/* the socket still serves */
	cnt = 0;
	assert_int_equal(hf_os_send_fds(sv[0], "ok", 2, NULL, 0), 2);
	assert_int_equal(hf_os_recv_fds(sv[1], text, sizeof(text), fds, &cnt), 2);
	for (i = 0; i < (int)HF_OS_FDS_MAX; i++)
		close(e[i]);
	close(sv[0]);
	close(sv[1]);
}

static void memory_is_sealed(void **state)
{
	int fd = hf_os_memfd("test", 8192);
	char *w, *r;
	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4096), -1);
	assert_int_equal(ftruncate(fd, 16384), -1);
	w = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(w != MAP_FAILED);
	assert_int_equal(hf_os_memfd_seal(fd, false), 0);
	assert_true(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	r = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(r != MAP_FAILED);
	w[5000] = 'x';
	assert_int_equal(r[5000], 'x');
	assert_int_equal(hf_os_memfd_seal(fd, true), -1);
	munmap(w, 8192);
	munmap(r, 8192);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listen_accept_peer),
		cmocka_unit_test(socket_file_is_never_wider_than_asked),
		cmocka_unit_test(dead_socket_is_replaced_living_is_not),
		cmocka_unit_test(folder_in_run_is_made),
		cmocka_unit_test(other_files_are_left_alone),
		cmocka_unit_test(long_path_is_refused),
		cmocka_unit_test(descriptors_travel),
		cmocka_unit_test(too_many_descriptors_are_refused_and_closed),
		cmocka_unit_test(memory_is_sealed),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
