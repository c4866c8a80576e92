/* sock.c -- Unix sockets, descriptors sent over them, shared memory and doorbells.
 * Two things are easily wrong here and are done once: a listening socket's file must never be open
 * to more people than asked, not even between bind and chmod; and whoever receives descriptors owns
 * all of them, also the ones in a message it refuses. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "lib/os/os.h"

#define BACKLOG 16

/* Closes fd, keeps errno. */
static int fail(int fd)
{
	int keep = errno;
	close(fd);
	errno = keep;
	return -1;
}

static int address(struct sockaddr_un *sa, const char *path)
{
	size_t len = strlen(path);
	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (len == 0 || len >= sizeof(sa->sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sa->sun_path, path, len);
	return 0;
}

static int open_socket(int type)
{
	return socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int hf_os_unix_connect(const char *path, int type)
{
	struct sockaddr_un sa;
	int fd;
	if (address(&sa, path) < 0)
		return -1;
	fd = open_socket(type);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return fail(fd);
	return fd;
}

/* Makes room at path: a socket file that nobody answers is what an earlier process left. */
static int clear_path(const char *path, int type)
{
	struct stat st;
	int fd;
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	fd = hf_os_unix_connect(path, type);
	if (fd >= 0 || errno != ECONNREFUSED) {
		if (fd >= 0)
			close(fd);
		errno = EADDRINUSE;
		return -1;
	}
	return unlink(path);
}

/* /run is empty after each boot: what is directly in it is for its programs to make. */
static void make_run_folder(const char *path)
{
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *end = strrchr(path, '/');
	if (strncmp(path, "/run/", 5) != 0 || end != strchr(path + 5, '/'))
		return;
	(void)snprintf(folder, sizeof(folder), "%.*s", (int)(end - path), path);
	if (mkdir(folder, 0755) == 0)
		(void)chmod(folder, 0755); /* whatever the umask: backends are other users */
}

int hf_os_unix_listen(const char *path, int type, mode_t mode)
{
	struct sockaddr_un sa;
	int fd;
	if (address(&sa, path) < 0)
		return -1;
	make_run_folder(path);
	if (clear_path(path, type) < 0)
		return -1;
	fd = open_socket(type);
	if (fd < 0)
		return -1;
	/* bind gives the file the socket's own mode, less the umask; chmod adds what that took. */
	if (fchmod(fd, mode) < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return fail(fd);
	if (chmod(path, mode) < 0 || listen(fd, BACKLOG) < 0) {
		(void)unlink(path);
		return fail(fd);
	}
	return fd;
}

const char *hf_os_unix_listen_remedy(int error)
{
	switch (error) {
	case EADDRINUSE:
		return "another process listens there: end it, or choose another path";
	case EEXIST:
		return "no socket but another file is there: choose another path";
	case ENOENT:
		return "make its folder, or choose another path";
	case EACCES:
	case EPERM:
		return "start as a user that may write to its folder";
	case ENAMETOOLONG:
		return "choose a path of 1 to 107 bytes";
	default:
		return "choose another path";
	}
}

int hf_os_unix_accept(int listen_fd)
{
	return accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

int hf_os_unix_peer(int fd, struct hf_os_peer *peer)
{
	struct ucred c;
	socklen_t len = sizeof(c);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len) < 0)
		return -1;
	*peer = (struct hf_os_peer){c.pid, c.uid, c.gid};
	return 0;
}

ssize_t hf_os_send_fds(int fd, const void *p, size_t len, const int *fds, uint32_t fd_cnt)
{
	HF_ALIGNED(8) uint8_t control[CMSG_SPACE(sizeof(int) * HF_OS_FDS_MAX)] = {0};
	struct iovec iov = {(void *)(uintptr_t)p, len};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;
	HF_ASSERT(fd_cnt <= HF_OS_FDS_MAX && len > 0);
	if (fd_cnt > 0) {
		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * fd_cnt);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * fd_cnt);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_cnt);
	}
	return sendmsg(fd, &m, MSG_NOSIGNAL);
}

/* Moves the descriptors of m into fds; what has no room there is closed and makes it false. */
static bool collect_fds(struct msghdr *m, int *fds, uint32_t room, uint32_t *cnt)
{
	struct cmsghdr *c;
	bool fits = true;
	*cnt = 0;
	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t i, n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (i = 0; i < n; i++) {
			int got;
			memcpy(&got, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (*cnt < room) {
				fds[(*cnt)++] = got;
			} else {
				close(got);
				fits = false;
			}
		}
	}
	return fits;
}

ssize_t hf_os_recv_fds(int fd, void *p, size_t len, int *fds, uint32_t *fd_cnt)
{
	HF_ALIGNED(8) uint8_t control[CMSG_SPACE(sizeof(int) * HF_OS_FDS_MAX)];
	struct iovec iov = {p, len};
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	uint32_t room = *fd_cnt;
	ssize_t got;
	*fd_cnt = 0;
	got = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	if (got < 0)
		return -1;
	if (collect_fds(&m, fds, room, fd_cnt) && !(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return got;
	while (*fd_cnt > 0)
		close(fds[--*fd_cnt]);
	errno = EMSGSIZE;
	return -1;
}

int hf_os_memfd(const char *name, size_t len)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)len) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return fail(fd);
	return fd;
}

int hf_os_memfd_seal(int fd, bool writable)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | (writable ? 0 : F_SEAL_FUTURE_WRITE));
}

int hf_os_eventfd(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void hf_os_event_ring(int fd)
{
	uint64_t one = 1;
	(void)!write(fd, &one, sizeof(one));
}

uint64_t hf_os_event_take(int fd)
{
	uint64_t cnt;
	return read(fd, &cnt, sizeof(cnt)) == (ssize_t)sizeof(cnt) ? cnt : 0;
}
