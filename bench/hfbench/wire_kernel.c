/* wire_kernel.c -- connections of the kernel: sockets and edge-triggered epoll. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "bench/hfbench/wire.h"

#define EVENTS_MAX 256u

struct kernel {
	struct bench_wire base;
	struct sockaddr_storage to;
	socklen_t to_len;
	uint32_t from, from_mask; /* host order; mask of what varies, 0: nothing */
	uint64_t seed;
	int epoll;
	int fd[]; /* of a connection */
};

static struct kernel *kernel_of(struct bench_wire *w)
{
	return HF_CONTAINER_OF(w, struct kernel, base);
}

/* Some address of the network; the port is chosen when it is known where to. */
static int bind_somewhere(struct kernel *k, int fd)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	int one = 1;
	k->seed = k->seed * 6364136223846793005u + 1442695040888963407u; /* Knuth 3.3.4 */
	a.sin_addr.s_addr = htonl(k->from | ((uint32_t)(k->seed >> 32) & k->from_mask));
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	return bind(fd, (const struct sockaddr *)&a, sizeof(a));
}

static int kernel_open(struct bench_wire *w, uint32_t conn)
{
	struct kernel *k = kernel_of(w);
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.u32 = conn};
	int one = 1;
	k->fd[conn] = socket(k->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (k->fd[conn] < 0)
		return -1;
	(void)setsockopt(k->fd[conn], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (k->from_mask && bind_somewhere(k, k->fd[conn]))
		return -1;
	if (connect(k->fd[conn], (const struct sockaddr *)&k->to, k->to_len) &&
		errno != EINPROGRESS)
		return -1;
	/* now: before it, it would hang up */
	return epoll_ctl(k->epoll, EPOLL_CTL_ADD, k->fd[conn], &ev);
}

static ssize_t kernel_read(struct bench_wire *w, uint32_t conn, void *p, size_t len)
{
	return recv(kernel_of(w)->fd[conn], p, len, 0);
}

static ssize_t kernel_write(struct bench_wire *w, uint32_t conn, const void *p, size_t len)
{
	return send(kernel_of(w)->fd[conn], p, len, MSG_NOSIGNAL);
}

static void kernel_end(struct bench_wire *w, uint32_t conn)
{
	(void)shutdown(kernel_of(w)->fd[conn], SHUT_WR);
}

static void kernel_close(struct bench_wire *w, uint32_t conn, bool reset)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};
	int *fd = &kernel_of(w)->fd[conn];
	if (*fd < 0)
		return;
	if (reset)
		(void)setsockopt(*fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	(void)close(*fd);
	*fd = -1;
}

static uint32_t kernel_wait(
	struct bench_wire *w, struct bench_event *v, uint32_t max, hf_ns at_most)
{
	struct epoll_event ev[EVENTS_MAX];
	struct timespec t = {.tv_nsec = (long)at_most};
	int cnt = epoll_pwait2(kernel_of(w)->epoll, ev, (int)HF_MIN(max, EVENTS_MAX), &t, NULL);
	for (int i = 0; i < cnt; i++) {
		bool ends = ev[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
		v[i] = (struct bench_event){ev[i].data.u32, ends || ev[i].events & EPOLLIN, ends};
	}
	return cnt < 0 ? 0 : (uint32_t)cnt;
}

static void kernel_fini(struct bench_wire *w)
{
	(void)close(kernel_of(w)->epoll);
	free(w);
}

static const struct bench_wire_class kernel_class = {
	kernel_open, kernel_read, kernel_write, kernel_end, kernel_close, kernel_wait, kernel_fini};

struct bench_wire *bench_wire_kernel(const struct sockaddr_storage *to, socklen_t to_len,
	const struct hf_addr *from, uint32_t from_bits, uint32_t conn_cnt)
{
	struct kernel *k = malloc(sizeof(*k) + conn_cnt * sizeof(k->fd[0]));
	if (!k)
		return NULL;
	k->base.cls = &kernel_class;
	k->to = *to;
	k->to_len = to_len;
	k->from_mask = from_bits ? (uint32_t)(UINT32_MAX >> from_bits) : 0;
	k->from = from_bits ? (uint32_t)from->b[12] << 24 | (uint32_t)from->b[13] << 16 |
				      (uint32_t)from->b[14] << 8 | from->b[15]
			    : 0;
	k->from &= ~k->from_mask;
	k->seed = bench_now_ns();
	k->epoll = epoll_create1(EPOLL_CLOEXEC);
	for (uint32_t i = 0; i < conn_cnt; i++)
		k->fd[i] = -1;
	if (k->epoll >= 0)
		return &k->base;
	free(k);
	return NULL;
}
