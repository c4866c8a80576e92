/* held.c -- what thousands of clients cost the others that open a connection, say half a hello and then
 * nothing: whole handshakes with RSA go through a worker before they came and while they are there, each from
 * SYN to RST. What is told is the worker's own time for one (the median, which a busy machine disturbs
 * little), and what the pools hold. Once with slots for all who hold, and once with those of the default
 * options, where the oldest makes room. */
#include <stdio.h>
#include "tests/flood/flood.h"
#include "tests/support/worker_peers.h"

#define HANDSHAKES 200u
#define WARM 20u
#define HOLD_IP 0x0b000000u

static uint64_t clock_ns(void)
{
	return flood_now_ns();
}

static void start(uint32_t slots, uint32_t chunks)
{
	rig = (struct rig){.cert = {.list = {chain, sizeof(chain)}, .key = &key.key},
		.alpn = "http/1.1",
		.suite = suites,
		.suite_cnt = 1,
		.conn_cnt = slots,
		.hs_cnt = 2048,
		.half_open_cnt = 4096,
		.chunk_cnt = chunks,
		.prefix_cnt = 16384,
		.guard = {.strangers_percent = 5},
		.pk_job_cnt = 64,
		.sym_job_cnt = 1024,
		.frame_cnt = 64,
		.cycles = clock_ns,
		.cycles_per_us = 1000,
		.limits = {600 * SEC, 600 * SEC, 600 * SEC, 600 * SEC, 600 * SEC, 0},
		.segment = hear};
	memset(peer, 0, sizeof(peer));
	peer_ip = 0;
	rig_init(&rig);
	rig_settle(&rig);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

struct measured {
	double us;
	uint32_t done;
};

/* From 60,000 prefixes in turn: strangers all. */
static struct measured handshakes(void)
{
	static uint64_t ns[HANDSHAKES];
	static uint32_t next;
	struct measured m = {0, 0};
	for (uint32_t i = 0; i < WARM + HANDSHAKES; i++) {
		uint64_t before = rig.w->cycles_busy;
		uint16_t port = (uint16_t)(1024 + next % 60000);
		peer_ip = 0x0c000000u + (next++ << 8);
		m.done += served(port);
		say(port, HF_TCP_RST | HF_TCP_ACK, NULL, 0);
		rig_settle(&rig);
		if (i >= WARM)
			ns[i - WARM] = rig.w->cycles_busy - before;
	}
	qsort(ns, HANDSHAKES, sizeof(ns[0]), by_size);
	m.us = (double)ns[HANDSHAKES / 2] / 1000;
	return m;
}

/* Clients of 256 prefixes, each of which is there before the next one comes. */
static void hold(uint32_t cnt)
{
	uint8_t buf[1000];
	size_t len = hello_of(buf, sizeof(buf));
	for (uint32_t i = 0; i < cnt; i++) {
		uint16_t port = (uint16_t)(1024 + i % 60000);
		peer_ip = HOLD_IP + (i / 60000 << 24) + (i % 256 << 8) + 1;
		if (connect_from(port))
			say(port, HF_TCP_ACK | HF_TCP_PSH, buf, len / 2);
		rig.now += 100 * HF_NS_US; /* 10,000 a second */
	}
}

static bool row(uint32_t cnt, uint32_t slots, uint32_t chunks)
{
	struct measured calm, under;
	uint64_t held;
	bool good;
	start(slots, chunks);
	calm = handshakes();
	hold(cnt);
	held = rig.w->stats.conns;
	under = handshakes();
	good = calm.done == WARM + HANDSHAKES && under.done == calm.done &&
	       under.us < 1.5 * calm.us;
	printf("%6u half hellos held, %6u slots: %3u of %3u handshakes, %5.0f us each, %5.0f "
	       "without%s\n"
	       "        %llu connections, %llu buffers of %u; %llu made room\n",
		cnt, slots, under.done, WARM + HANDSHAKES, under.us, calm.us,
		good ? "" : "  <-- WORSE", (unsigned long long)held,
		(unsigned long long)rig.w->bufs.chunk.used, chunks,
		(unsigned long long)rig.w->stats.evicted);
	rig_fini(&rig);
	return good;
}

bool flood_held(void)
{
	bool good = true;
	rsa_key_make(&key, 2048, 2);
	good &= row(20000, 131072, 262144);
	good &= row(100000, 131072, 262144);
	good &= row(20000, 8192, 32768);
	good &= row(100000, 8192, 32768);
	return good;
}
