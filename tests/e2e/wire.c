/* wire.c -- a bad cable between two network interfaces, because not every kernel has sch_netem. Frames of one
 * are sent out of the other, but by the dice of a seed some are lost, doubled, damaged, late or overtaken.
 *
 *   wire IF IF [seed=N] [loss=P] [dup=P] [corrupt=P] [reorder=P] [delay=MS] [jitter=MS] [rate=MBIT] [queue=FRAMES]
 *              [mtu=BYTES] [vlan=N]
 *
 * P in per mille, in each direction. What is reordered arrives after frames sent up to 4 ms later. Jitter moves the
 * delay smoothly and keeps the order: that is for reorder alone to break. rate is a bottleneck with a queue that
 * drops its tail. A frame whose IP packet is longer than mtu is lost without a word, as in a black hole. SIGUSR1
 * and SIGUSR2 set mtu to 1280 and back. With vlan the second interface is at a switch's trunk, the first at its port
 * in that VLAN: frames get the tag one way and lose it the other, and what comes without it, or with another, is not
 * passed on (this kernel has no VLAN devices). Corruption spares Ethernet headers, so that a damaged frame arrives.
 * Says "up" when it carries; at SIGTERM or SIGINT prints what it did, a line for each direction. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "tests/sim/rng.h"

#define FRAME_MAX 9216u
#define SLOT_CNT 16384u
#define BURST 64
#define NS_MS 1000000ull
#define OVERTAKEN_NS (4 * NS_MS)
#define JITTER_STEP_NS (NS_MS / 4) /* the delay moves by so much at the most from frame to frame */
#define MTU_LOW 1280u

static struct {
	uint64_t seed, loss, dup, corrupt, reorder, delay, jitter, rate, queue, mtu, vlan;
} opt = {.seed = 1, .queue = 1000, .mtu = FRAME_MAX};

static const struct {
	const char *name;
	uint64_t *value, max;
} options[] = {
	{"seed", &opt.seed, UINT64_MAX},
	{"loss", &opt.loss, 1000},
	{"dup", &opt.dup, 1000},
	{"corrupt", &opt.corrupt, 1000},
	{"reorder", &opt.reorder, 1000},
	{"delay", &opt.delay, 10000},
	{"jitter", &opt.jitter, 10000},
	{"rate", &opt.rate, 100000},
	{"queue", &opt.queue, SLOT_CNT},
	{"mtu", &opt.mtu, FRAME_MAX},
	{"vlan", &opt.vlan, 4094},
};

struct slot {
	uint64_t due, order;
	uint32_t len, to;
	uint8_t data[FRAME_MAX];
};

/* One way: frames of fd[from] for fd[!from]. */
struct way {
	struct rng dice;
	uint64_t last_due, busy_until; /* in order behind these */
	int64_t drift;                 /* of the delay, within jitter */
	uint32_t queued;
	uint64_t in, out, lost, doubled, damaged, late, dropped, too_long, foreign;
};

static struct slot *slots;
static uint32_t heap[SLOT_CNT], heap_len, idle[SLOT_CNT], idle_len;
static uint64_t next_order;
static struct way way[2];
static int fd[2];
static volatile sig_atomic_t stop, low_mtu;

_Noreturn static void die(const char *what, const char *of)
{
	fprintf(stderr, "wire: %s%s%s: %s\n", what, of[0] ? " " : "", of, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* ---- frames under way: a heap by time, then by age ---- */

static bool before(uint32_t a, uint32_t b)
{
	return slots[a].due != slots[b].due ? slots[a].due < slots[b].due
					    : slots[a].order < slots[b].order;
}

static void heap_swap(uint32_t i, uint32_t j)
{
	uint32_t h = heap[i];

	heap[i] = heap[j];
	heap[j] = h;
}

static void heap_push(uint32_t slot)
{
	uint32_t i = heap_len++;

	for (heap[i] = slot; i > 0 && before(heap[i], heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap_swap(i, (i - 1) / 2);
}

static uint32_t heap_pop(void)
{
	uint32_t top = heap[0], i = 0, child;

	heap[0] = heap[--heap_len];
	while ((child = 2 * i + 1) < heap_len) {
		if (child + 1 < heap_len && before(heap[child + 1], heap[child]))
			child++;
		if (!before(heap[child], heap[i]))
			break;
		heap_swap(i, child);
		i = child;
	}
	return top;
}

/* ---- what happens to a frame ---- */

static uint32_t ip_len(const uint8_t *f, uint32_t len)
{
	uint32_t type = (uint32_t)f[12] << 8 | f[13];

	return type == ETH_P_IP || type == ETH_P_IPV6 ? len - ETH_HLEN : 0;
}

static uint64_t smooth_delay(struct way *w)
{
	int64_t most = (int64_t)(opt.jitter * NS_MS);
	int64_t step =
		(int64_t)rng_below(&w->dice, 2 * JITTER_STEP_NS + 1) - (int64_t)JITTER_STEP_NS;

	w->drift += opt.jitter ? step : 0;
	w->drift = w->drift > most ? most : w->drift < -most ? -most : w->drift;
	return (uint64_t)((int64_t)(opt.delay * NS_MS) + w->drift);
}

/* When it arrives, or 0: the bottleneck's queue is full. */
static uint64_t due_of(struct way *w, uint32_t len, uint64_t now)
{
	uint64_t leaves = now, due;

	if (opt.rate) {
		if (w->queued >= opt.queue)
			return 0;
		leaves = (w->busy_until > now ? w->busy_until : now) + len * 8000ull / opt.rate;
		w->busy_until = leaves;
	}
	due = leaves + smooth_delay(w);
	due = due < w->last_due ? w->last_due : due;
	w->last_due = due;
	if (rng_permille(&w->dice, (uint32_t)opt.reorder)) {
		w->late++;
		due += rng_below(&w->dice, OVERTAKEN_NS);
	}
	return due;
}

static void enter(uint32_t from, const uint8_t *frame, uint32_t len, uint64_t now)
{
	struct way *w = &way[from];
	uint64_t due = due_of(w, len, now);
	struct slot *s;

	if (!due || idle_len == 0) {
		w->dropped++;
		return;
	}
	s = &slots[idle[--idle_len]];
	s->due = due;
	s->order = next_order++;
	s->len = len;
	s->to = !from;
	memcpy(s->data, frame, len);
	if (len > ETH_HLEN && rng_permille(&w->dice, (uint32_t)opt.corrupt)) {
		w->damaged++;
		s->data[rng_range(&w->dice, ETH_HLEN, len - 1)] ^=
			(uint8_t)(1u << rng_below(&w->dice, 8));
	}
	w->queued++;
	heap_push((uint32_t)(s - slots));
}

/* ---- tags ---- */

static void tag_insert(uint8_t *frame, ssize_t *len, uint16_t tci)
{
	memmove(frame + 16, frame + 12, (size_t)*len - 12);
	frame[12] = 0x81;
	frame[13] = 0;
	frame[14] = (uint8_t)(tci >> 8);
	frame[15] = (uint8_t)tci;
	*len += 4;
}

/* A frame as it was on the wire: the kernel has put its tag aside. */
static ssize_t receive(int from, uint8_t *frame)
{
	struct iovec io = {frame, FRAME_MAX};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	} control;
	struct msghdr m = {.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t len = recvmsg(from, &m, MSG_DONTWAIT | MSG_TRUNC);

	for (struct cmsghdr *c = len < ETH_HLEN ? NULL : CMSG_FIRSTHDR(&m); c;
		c = CMSG_NXTHDR(&m, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (aux.tp_status & TP_STATUS_VLAN_VALID && len + 4 <= FRAME_MAX)
			tag_insert(frame, &len, aux.tp_vlan_tci);
	}
	return len;
}

/* What the switch does; false: it is not passed on. */
static bool through_switch(uint32_t from, uint8_t *frame, ssize_t *len)
{
	bool tagged = *len >= ETH_HLEN + 4 && frame[12] == 0x81 && frame[13] == 0;

	if (!opt.vlan)
		return true;
	if (from == 0 && !tagged && *len + 4 <= FRAME_MAX) {
		tag_insert(frame, len, (uint16_t)opt.vlan);
		return true;
	}
	if (from == 0 || !tagged || ((frame[14] & 15u) << 8 | frame[15]) != opt.vlan)
		return false;
	memmove(frame + 12, frame + 16, (size_t)*len - 16);
	*len -= 4;
	return true;
}

static void take(uint32_t from)
{
	static uint8_t frame[FRAME_MAX];
	struct way *w = &way[from];
	uint64_t now = now_ns();

	for (int i = 0; i < BURST; i++) {
		ssize_t len = receive(fd[from], frame);

		if (len < ETH_HLEN)
			return;
		w->in++;
		if (len > FRAME_MAX ||
			ip_len(frame, (uint32_t)len) > (low_mtu ? MTU_LOW : opt.mtu)) {
			w->too_long++;
			continue;
		}
		if (!through_switch(from, frame, &len)) {
			w->foreign++;
			continue;
		}
		if (rng_permille(&w->dice, (uint32_t)opt.loss)) {
			w->lost++;
			continue;
		}
		enter(from, frame, (uint32_t)len, now);
		if (rng_permille(&w->dice, (uint32_t)opt.dup)) {
			w->doubled++;
			enter(from, frame, (uint32_t)len, now);
		}
	}
}

static void give(uint64_t now)
{
	while (heap_len > 0 && slots[heap[0]].due <= now) {
		uint32_t i = heap_pop();
		struct slot *s = &slots[i];

		way[!s->to].queued--;
		if (send(fd[s->to], s->data, s->len, 0) == (ssize_t)s->len)
			way[!s->to].out++;
		else
			way[!s->to].dropped++;
		idle[idle_len++] = i;
	}
}

/* ---- beginning and end ---- */

static int open_if(const char *name)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(name)};
	int one = 1, size = 8 << 20, f = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));

	if (f < 0 || at.sll_ifindex == 0 || bind(f, (struct sockaddr *)&at, sizeof(at)) ||
		setsockopt(f, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
		setsockopt(f, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)))
		die("cannot open interface", name);
	setsockopt(f, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(f, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	return f;
}

static void on_signal(int nr)
{
	if (nr == SIGUSR1 || nr == SIGUSR2)
		low_mtu = nr == SIGUSR1;
	else
		stop = 1;
}

static void set_option(const char *arg)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		size_t n = strlen(options[i].name);
		char *end;

		if (strncmp(arg, options[i].name, n) || arg[n] != '=')
			continue;
		*options[i].value = strtoull(arg + n + 1, &end, 10);
		if (end == arg + n + 1 || *end || *options[i].value > options[i].max)
			break;
		return;
	}
	errno = EINVAL;
	die("option", arg);
}

static void report(const char *const name[2])
{
	for (int i = 0; i < 2; i++)
		printf("%s -> %s: %llu in, %llu out, %llu lost, %llu doubled, %llu damaged, %llu "
		       "late, "
		       "%llu dropped, %llu too long, %llu foreign\n",
			name[i], name[!i], (unsigned long long)way[i].in,
			(unsigned long long)way[i].out, (unsigned long long)way[i].lost,
			(unsigned long long)way[i].doubled, (unsigned long long)way[i].damaged,
			(unsigned long long)way[i].late, (unsigned long long)way[i].dropped,
			(unsigned long long)way[i].too_long, (unsigned long long)way[i].foreign);
}

int main(int argc, char **argv)
{
	struct sigaction act = {.sa_handler = on_signal};
	sigset_t all, none;

	if (argc < 3) {
		fprintf(stderr, "usage: wire IF IF [OPTION=NUMBER...]; see tests/e2e/wire.c\n");
		return 2;
	}
	for (int i = 3; i < argc; i++)
		set_option(argv[i]);
	slots = calloc(SLOT_CNT, sizeof(*slots));
	if (!slots)
		die("no memory", "");
	while (idle_len < SLOT_CNT) {
		idle[idle_len] = SLOT_CNT - 1 - idle_len;
		idle_len++;
	}
	for (uint32_t i = 0; i < 2; i++) {
		fd[i] = open_if(argv[1 + i]);
		way[i].dice = rng_split(&(struct rng){opt.seed}, i);
	}
	sigfillset(&all);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (const int *nr = (const int[]){SIGTERM, SIGINT, SIGUSR1, SIGUSR2, 0}; *nr; nr++)
		sigaction(*nr, &act, NULL);
	puts("up");
	fflush(stdout);
	while (!stop) {
		struct pollfd p[2] = {
			{.fd = fd[0], .events = POLLIN}, {.fd = fd[1], .events = POLLIN}};
		uint64_t now = now_ns(), wait = 100 * NS_MS;
		struct timespec t;

		if (heap_len > 0)
			wait = slots[heap[0]].due > now ? slots[heap[0]].due - now : 0;
		t = (struct timespec){(time_t)(wait / 1000000000ull), (long)(wait % 1000000000ull)};
		if (ppoll(p, 2, &t, &none) > 0) {
			take(0);
			take(1);
		}
		give(now_ns());
	}
	report((const char *const[2]){argv[1], argv[2]});
	return 0;
}
