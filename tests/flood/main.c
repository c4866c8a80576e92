/* bench-flood -- what each segment of a flood costs a whole worker: frames go in by the port in memory,
 * 32 to a turn, and only the turn is timed: taking, parsing with checksums, TCP, and building and
 * sending what answers. The figure is the median of a round's turns, of the best of five rounds: what
 * else the machine does disturbs some. Segments come from as many addresses
 * as there are segments, as spoofed ones do. Prints a table. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "tests/flood/flood.h"
#include "tests/support/worker_rig.h"

#define BURST 32u
#define FRAMES 64u /* the port's: few, so that they stay in the cache, as a card's would */
#define TURNS 2000u
#define ROUNDS 5u
#define WARM 200u

static struct rig rig;
static uint64_t seed = 1;

uint64_t flood_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- segments ---- */
static const uint8_t linux_options[] = {
	2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 1, 2, 3, 0, 0, 0, 0, 1, 3, 3, 7};

static struct packet_spec from_anywhere(uint8_t flags)
{
	return (struct packet_spec){.src = 0x0b000000u + test_below(&seed, 1u << 24),
		.sport = (uint16_t)(1024 + test_below(&seed, 60000)),
		.seq = (uint32_t)test_rand(&seed),
		.ack = flags & HF_TCP_ACK ? (uint32_t)test_rand(&seed) : 0,
		.tcp_flags = flags,
		.window = 64240};
}

static struct packet_spec syn(void)
{
	struct packet_spec s = from_anywhere(HF_TCP_SYN);
	s.tcp_options = linux_options;
	s.tcp_options_len = sizeof(linux_options);
	return s;
}

static struct packet_spec ack(void)
{
	return from_anywhere(HF_TCP_ACK);
}

static struct packet_spec rst(void)
{
	return from_anywhere(HF_TCP_RST);
}

/* At a connection that there is, somewhere in the whole of its numbers. */
static struct packet_spec at_known(uint8_t flags)
{
	struct packet_spec s = from_anywhere(flags);
	s.src = 0;
	s.sport = rig.sport;
	return s;
}

static struct packet_spec rst_known(void)
{
	return at_known(HF_TCP_RST);
}

static struct packet_spec data_known(void)
{
	static const uint8_t bytes[512];
	struct packet_spec s = at_known(HF_TCP_ACK | HF_TCP_PSH);
	s.seq = rig.snd_nxt + (1u << 20) + test_below(&seed, 1u << 30);
	s.payload = bytes;
	s.payload_len = sizeof(bytes);
	return s;
}

/* ---- turns ---- */
static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static uint64_t turn(struct packet_spec (*make)(void))
{
	static uint8_t out[PACKET_CAP];
	struct packet p;
	uint64_t begin;
	for (uint32_t i = 0; i < BURST; i++) {
		struct packet_spec s = make();
		packet_tcp(&p, &s);
		HF_ASSERT(hf_port_mem_give(rig.port, 0, p.bytes, p.frame.len));
	}
	rig.now += 100 * HF_NS_US; /* 320,000 a second */
	begin = flood_now_ns();
	hf_worker_poll(rig.w, rig.now);
	begin = flood_now_ns() - begin;
	while (hf_port_mem_take(rig.port, 0, out, sizeof(out)) > 0)
		;
	return begin;
}

static const char *only; /* rows that begin with it; NULL: all */

static double row(const char *name, struct packet_spec (*make)(void), enum hf_tcp_outcome want)
{
	static uint64_t ns[TURNS];
	const struct hf_tcp_stats *t = hf_tcp_stats(rig.w->tcp);
	double best = 1e9;
	uint64_t before;
	if (only && strncmp(name, only, strlen(only)) != 0)
		return 0;
	for (uint32_t i = 0; i < WARM; i++)
		turn(make);
	before = t->outcome[want];
	for (uint32_t round = 0; round < ROUNDS; round++) {
		for (uint32_t i = 0; i < TURNS; i++)
			ns[i] = turn(make);
		qsort(ns, TURNS, sizeof(ns[0]), by_size);
		best = HF_MIN(best, (double)ns[TURNS / 2] / BURST);
	}
	if (t->outcome[want] - before < ROUNDS * TURNS * BURST * 9 / 10) {
		fprintf(stderr, "%s: too few were %s\n", name, hf_tcp_outcome_name(want));
		exit(1);
	}
	printf("%-44s %6.0f ns\n", name, best);
	return best;
}

static uint64_t slow_clock(void)
{
	static uint64_t looks;
	return looks += 1000;
}

int main(int argc, char **argv)
{
	double cookie;
	only = argc > 1 ? argv[1] : NULL;
	rig = (struct rig){.alpn = "http/1.1", .frame_cnt = FRAMES, .half_open_cnt = 1u << 20};
	rig_init(&rig);
	rig_settle(&rig);
	rig_connect(&rig);
	row("SYN, an entry is made", syn, HF_TCP_O_SYN_NEW);
	rig_fini(&rig);

	rig = (struct rig){.alpn = "http/1.1", .frame_cnt = FRAMES, .half_open_cnt = 4096};
	rig_init(&rig);
	rig_settle(&rig);
	rig_connect(&rig);
	row("RST of nobody", rst, HF_TCP_O_UNKNOWN_RST);
	row("ACK of nobody, told or not", ack, HF_TCP_O_UNKNOWN);
	for (uint32_t i = 0; i < 200; i++)
		turn(syn);
	cookie = row("SYN, answered by a cookie", syn, HF_TCP_O_SYN_COOKIE);
	row("ACK without a cookie while some are out", ack, HF_TCP_O_COOKIE_WRONG);
	row("RST anywhere in a connection", rst_known, HF_TCP_O_RST_OUTSIDE);
	row("512 bytes beyond a connection's window", data_known, HF_TCP_O_OUTSIDE);
	rig_fini(&rig);

	/* answers are dear, so nearly none is sent */
	rig = (struct rig){.alpn = "http/1.1",
		.frame_cnt = FRAMES,
		.half_open_cnt = 4096,
		.prefix_cnt = 16384,
		.cycles = slow_clock,
		.cycles_per_us = 1,
		.guard = {.strangers_percent = 1}};
	rig_init(&rig);
	rig_settle(&rig);
	rig_connect(&rig);
	row("SYN of a stranger, not answered", syn, HF_TCP_O_SYN_STRANGER);
	rig_fini(&rig);
	if (only && strncmp("held", only, strlen(only)) != 0)
		return cookie > 400;
	return !flood_held() || cookie > 400;
}
