/* The ports that need no hardware: memory, and the decorators around any port. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "drivers/port/fault.h"
#include "drivers/port/mem.h"
#include "drivers/port/pcap.h"

#define RX_CNT 8u
#define TX_CNT 4u
#define FRAME 100u

struct fixture {
	void *mem, *fault_mem;
	struct hf_port *port, *fault;
	hf_ns now;
};

static void *take_memory(size_t len)
{
	void *p = aligned_alloc(64, HF_ROUND_UP(len, 64u));
	assert_non_null(p);
	memset(p, 0x5a, len);
	return p;
}

static void set_up(struct fixture *f, uint32_t queue_cnt)
{
	struct hf_port_mem_cfg cfg = {{2, 0, 0, 0, 0, 9}, 1500, queue_cnt, RX_CNT, TX_CNT};
	f->mem = take_memory(hf_port_mem_footprint(&cfg));
	f->port = hf_port_mem_init(f->mem, &cfg);
	f->fault_mem = NULL;
	f->now = 0;
}

static void set_up_fault(struct fixture *f, uint64_t seed, struct hf_port_fault_rates rx,
	struct hf_port_fault_rates tx, uint32_t slot_cnt)
{
	struct hf_port_fault_cfg cfg = {seed, &f->now, rx, tx, slot_cnt};
	set_up(f, 1);
	f->fault_mem = take_memory(hf_port_fault_footprint(f->port, &cfg));
	f->fault = hf_port_fault_init(f->fault_mem, f->port, &cfg);
}

static void tear_down(struct fixture *f)
{
	free(f->mem);
	free(f->fault_mem);
}

static void give(struct fixture *f, uint32_t queue, uint8_t mark)
{
	uint8_t frame[FRAME];
	memset(frame, mark, sizeof(frame));
	frame[12] = 0x08; /* IPv4: what a fault may corrupt */
	frame[13] = 0x00;
	assert_true(hf_port_mem_give(f->port, queue, frame, sizeof(frame)));
}

/* Takes one frame as a worker does; its mark, or -1. */
static int rx_one(struct hf_port *p)
{
	struct hf_frame v;
	int mark;
	if (p->cls->rx(p, 0, &v, 1) == 0)
		return -1;
	assert_int_equal(v.len, FRAME);
	mark = v.data[0];
	p->cls->rx_give(p, 0, &v, 1);
	return mark;
}

static void tx_one(struct hf_port *p, uint8_t mark, uint32_t len)
{
	struct hf_frame v;
	assert_int_equal(p->cls->tx_alloc(p, 0, &v, 1), 1);
	assert_int_equal(v.len, 0);
	memset(v.data, mark, len);
	v.len = len;
	assert_int_equal(p->cls->tx(p, 0, &v, 1), 1);
}

/* True when fn ends in the panic hook. */
static bool panics(void (*fn)(struct fixture *f), struct fixture *f)
{
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		HF_ASSERT(freopen("/dev/null", "w", stderr) != NULL);
		signal(SIGABRT, SIG_DFL);
		fn(f);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status);
}

/* ---- mem ---- */

static void mem_carries_frames_in_order(void **state)
{
	struct fixture f;
	uint8_t out[2048];
	(void)state;
	set_up(&f, 1);
	for (uint8_t round = 0; round < 5; round++) {
		for (uint8_t i = 0; i < RX_CNT; i++)
			give(&f, 0, i);
		for (uint8_t i = 0; i < RX_CNT; i++)
			assert_int_equal(rx_one(f.port), i);
		assert_int_equal(rx_one(f.port), -1);
		for (uint8_t i = 0; i < TX_CNT; i++)
			tx_one(f.port, (uint8_t)(100 + i), 200);
		for (uint8_t i = 0; i < TX_CNT; i++) {
			assert_int_equal(hf_port_mem_take(f.port, 0, out, sizeof(out)), 200);
			assert_int_equal(out[0], 100 + i);
			assert_int_equal(out[199], 100 + i);
		}
		assert_int_equal(hf_port_mem_take(f.port, 0, out, sizeof(out)), 0);
	}
	assert_int_equal(f.port->stats[0].rx_frames, 5 * RX_CNT);
	assert_int_equal(f.port->stats[0].rx_bytes, 5 * RX_CNT * FRAME);
	assert_int_equal(f.port->stats[0].tx_frames, 5 * TX_CNT);
	assert_int_equal(f.port->stats[0].tx_bytes, 5 * TX_CNT * 200);
	tear_down(&f);
}

static void mem_pads_short_frames_with_zeros(void **state)
{
	struct fixture f;
	uint8_t out[2048];
	(void)state;
	set_up(&f, 1);
	tx_one(f.port, 0xff, 42);
	assert_int_equal(hf_port_mem_take(f.port, 0, out, sizeof(out)), 60);
	assert_int_equal(out[41], 0xff);
	for (int i = 42; i < 60; i++)
		assert_int_equal(out[i], 0);
	tear_down(&f);
}

static void mem_runs_short_and_says_so(void **state)
{
	struct fixture f;
	struct hf_frame v[TX_CNT + 1];
	uint8_t frame[FRAME] = {0};
	(void)state;
	set_up(&f, 1);
	for (uint8_t i = 0; i < RX_CNT; i++)
		give(&f, 0, i);
	assert_false(hf_port_mem_give(f.port, 0, frame, sizeof(frame)));
	assert_int_equal(f.port->stats[0].rx_missed, 1);
	/* a flood of received frames leaves those to send alone */
	assert_int_equal(f.port->cls->tx_alloc(f.port, 0, v, TX_CNT + 1), TX_CNT);
	assert_int_equal(f.port->stats[0].tx_empty, 1);
	assert_int_equal(hf_port_mem_lent(f.port, 0), TX_CNT);
	f.port->cls->rx_give(f.port, 0, v, TX_CNT);
	assert_int_equal(hf_port_mem_lent(f.port, 0), 0);
	assert_int_equal(f.port->cls->tx_alloc(f.port, 0, v, TX_CNT), TX_CNT);
	f.port->cls->rx_give(f.port, 0, v, TX_CNT);
	tear_down(&f);
}

static void mem_queues_are_apart(void **state)
{
	struct fixture f;
	struct hf_frame v;
	(void)state;
	set_up(&f, 3);
	give(&f, 1, 11);
	give(&f, 2, 22);
	assert_int_equal(f.port->cls->rx(f.port, 0, &v, 1), 0);
	assert_int_equal(f.port->cls->rx(f.port, 2, &v, 1), 1);
	assert_int_equal(v.data[0], 22);
	assert_int_equal(hf_port_mem_lent(f.port, 2), 1);
	assert_int_equal(hf_port_mem_lent(f.port, 1), 0);
	f.port->cls->rx_give(f.port, 2, &v, 1);
	assert_int_equal(f.port->stats[1].rx_frames, 0);
	assert_int_equal(f.port->stats[2].rx_frames, 1);
	tear_down(&f);
}

static void mem_spoils_what_was_given_back(void **state)
{
	struct fixture f;
	struct hf_frame v;
	(void)state;
	set_up(&f, 1);
	give(&f, 0, 1);
	assert_int_equal(f.port->cls->rx(f.port, 0, &v, 1), 1);
	f.port->cls->rx_give(f.port, 0, &v, 1);
	assert_int_not_equal(v.data[0], 1);
	assert_int_not_equal(v.data[FRAME - 1], 1);
	tear_down(&f);
}

static void give_twice(struct fixture *f)
{
	struct hf_frame v;
	f->port->cls->rx(f->port, 0, &v, 1);
	f->port->cls->rx_give(f->port, 0, &v, 1);
	f->port->cls->rx_give(f->port, 0, &v, 1);
}

static void send_received(struct fixture *f)
{
	struct hf_frame v;
	f->port->cls->rx(f->port, 0, &v, 1);
	f->port->cls->tx(f->port, 0, &v, 1);
}

static void give_to_wrong_queue(struct fixture *f)
{
	struct hf_frame v;
	f->port->cls->rx(f->port, 0, &v, 1);
	f->port->cls->rx_give(f->port, 1, &v, 1);
}

static void send_too_long(struct fixture *f)
{
	struct hf_frame v;
	f->port->cls->tx_alloc(f->port, 0, &v, 1);
	v.len = 1515;
	f->port->cls->tx(f->port, 0, &v, 1);
}

static void mem_catches_who_breaks_the_contract(void **state)
{
	struct fixture f;
	(void)state;
	set_up(&f, 2);
	give(&f, 0, 1);
	assert_true(panics(give_twice, &f));
	assert_true(panics(send_received, &f));
	assert_true(panics(give_to_wrong_queue, &f));
	assert_true(panics(send_too_long, &f));
	tear_down(&f);
}

/* ---- fault ---- */

static void fault_without_faults_is_transparent(void **state)
{
	struct fixture f;
	uint8_t out[2048];
	struct hf_port_fault_rates none = {0};
	(void)state;
	set_up_fault(&f, 1, none, none, 16);
	assert_int_equal(f.fault->info.mtu, 1500);
	for (uint8_t i = 0; i < RX_CNT; i++)
		give(&f, 0, i);
	for (uint8_t i = 0; i < RX_CNT; i++)
		assert_int_equal(rx_one(f.fault), i);
	assert_int_equal(rx_one(f.fault), -1);
	tx_one(f.fault, 77, FRAME);
	assert_int_equal(hf_port_mem_take(f.port, 0, out, sizeof(out)), FRAME);
	assert_int_equal(out[0], 77);
	assert_int_equal(hf_port_fault_next(f.fault), HF_NS_NEVER);
	assert_int_equal(hf_port_mem_lent(f.port, 0), 0);
	tear_down(&f);
}

static void fault_delays_both_ways(void **state)
{
	struct fixture f;
	uint8_t out[2048];
	struct hf_port_fault_rates in = {.delay_ns = 1000}, back = {.delay_ns = 500};
	(void)state;
	set_up_fault(&f, 1, in, back, 16);
	give(&f, 0, 5);
	assert_int_equal(rx_one(f.fault), -1);
	assert_int_equal(hf_port_fault_next(f.fault), 1000);
	f.now = 999;
	assert_int_equal(rx_one(f.fault), -1);
	f.now = 1000;
	assert_int_equal(rx_one(f.fault), 5);
	tx_one(f.fault, 6, FRAME);
	assert_int_equal(hf_port_fault_next(f.fault), 1500);
	assert_int_equal(hf_port_mem_take(f.port, 0, out, sizeof(out)), 0);
	f.now = 1500;
	assert_int_equal(rx_one(f.fault), -1); /* any poll carries it on */
	assert_int_equal(hf_port_mem_take(f.port, 0, out, sizeof(out)), FRAME);
	assert_int_equal(out[0], 6);
	tear_down(&f);
}

/* Sends `cnt` frames, one per microsecond, through the rx side; appends what arrives to `log`. */
static uint32_t pour(struct fixture *f, uint32_t cnt, uint8_t *log)
{
	uint32_t n = 0;
	int mark;
	for (uint32_t i = 0; i < cnt + 1000; i++) {
		if (i < cnt)
			give(f, 0, (uint8_t)i);
		while ((mark = rx_one(f->fault)) >= 0)
			log[n++] = (uint8_t)mark;
		f->now += HF_NS_US;
	}
	return n;
}

static void fault_rates_are_what_was_asked_for(void **state)
{
	enum { CNT = 20000 };
	static uint8_t log[2][2 * CNT];
	struct hf_port_fault_rates bad = {
		.drop = 100, .dup = 50, .reorder = 200, .corrupt = 20, .reorder_ns = 50 * HF_NS_US};
	struct hf_port_fault_stats rx, tx;
	uint32_t n[2], swaps = 0;
	(void)state;
	for (int run = 0; run < 2; run++) {
		struct fixture f;
		set_up_fault(&f, 42, bad, bad, 256);
		n[run] = pour(&f, CNT, log[run]);
		hf_port_fault_stats(f.fault, &rx, &tx);
		assert_int_equal(hf_port_fault_next(f.fault), HF_NS_NEVER);
		assert_int_equal(f.port->stats[0].rx_missed, 0);
		tear_down(&f);
	}
	assert_int_equal(rx.in, CNT);
	assert_int_equal(rx.out, n[0]);
	assert_int_equal(rx.out, rx.in - rx.dropped + rx.duplicated - rx.overflow);
	assert_int_equal(rx.overflow, 0);
	/* four standard deviations of the binomial distribution */
	assert_in_range(rx.dropped, 2000 - 170, 2000 + 170);
	assert_in_range(rx.duplicated, 900 - 120, 900 + 120);
	assert_in_range(rx.reordered, 3600 - 220, 3600 + 220);
	assert_in_range(rx.corrupted, 378 - 80, 378 + 80);
	assert_int_equal(tx.in, 0);
	for (uint32_t i = 1; i < n[0]; i++)
		swaps += (uint8_t)(log[0][i] - log[0][i - 1]) > 128;
	assert_in_range(swaps, 1000, 5000);
	/* the same seed, the same faults */
	assert_int_equal(n[0], n[1]);
	assert_memory_equal(log[0], log[1], n[0]);
}

static void fault_flips_one_bit_of_the_ip_packet(void **state)
{
	struct fixture f;
	struct hf_port_fault_rates bad = {.corrupt = 1000}, none = {0};
	struct hf_frame v;
	(void)state;
	set_up_fault(&f, 3, bad, none, 16);
	for (int n = 0; n < 500; n++) {
		int bits = 0;
		give(&f, 0, 0);
		assert_int_equal(f.fault->cls->rx(f.fault, 0, &v, 1), 1);
		for (uint32_t i = 14; i < v.len; i++)
			bits += __builtin_popcount(v.data[i]);
		for (uint32_t i = 0; i < 14; i++)
			assert_int_equal(v.data[i], i == 12 ? 0x08 : 0);
		assert_int_equal(bits, 1);
		assert_int_equal(hf_port_fault_lent(f.fault, 0), 1);
		f.fault->cls->rx_give(f.fault, 0, &v, 1);
		assert_int_equal(hf_port_fault_lent(f.fault, 0), 0);
	}
	tear_down(&f);
}

static void fault_drops_arp_instead_of_corrupting_it(void **state)
{
	struct fixture f;
	struct hf_port_fault_rates bad = {.corrupt = 1000}, none = {0};
	struct hf_port_fault_stats rx, tx;
	uint8_t arp[60] = {[12] = 0x08, [13] = 0x06};
	(void)state;
	set_up_fault(&f, 3, bad, none, 16);
	assert_true(hf_port_mem_give(f.port, 0, arp, sizeof(arp)));
	assert_int_equal(rx_one(f.fault), -1);
	hf_port_fault_stats(f.fault, &rx, &tx);
	assert_int_equal(rx.dropped, 1);
	assert_int_equal(rx.corrupted, 0);
	tear_down(&f);
}

static void fault_counts_what_it_cannot_carry(void **state)
{
	struct fixture f;
	struct hf_port_fault_rates slow = {.delay_ns = HF_NS_S};
	struct hf_port_fault_stats rx, tx;
	struct hf_frame v;
	(void)state;
	set_up_fault(&f, 3, slow, slow, 4);
	for (uint8_t i = 0; i < 6; i++)
		give(&f, 0, i);
	assert_int_equal(rx_one(f.fault), -1);
	assert_int_equal(f.port->stats[0].rx_missed, 2);
	for (uint8_t i = 0; i < 4; i++)
		tx_one(f.fault, i, FRAME);
	assert_int_equal(f.fault->cls->tx_alloc(f.fault, 0, &v, 1), 1);
	v.len = FRAME;
	assert_int_equal(f.fault->cls->tx(f.fault, 0, &v, 1), 0);
	assert_int_equal(f.port->stats[0].tx_dropped, 1);
	hf_port_fault_stats(f.fault, &rx, &tx);
	assert_int_equal(rx.overflow, 2);
	assert_int_equal(tx.overflow, 1);
	assert_int_equal(hf_port_mem_lent(f.port, 0), 0);
	tear_down(&f);
}

/* ---- pcap ---- */

static void pcap_writes_what_passes(void **state)
{
	char path[] = "/tmp/hf-port-XXXXXX";
	int fd = mkstemp(path);
	struct fixture f;
	struct hf_port *p;
	uint8_t file[1024];
	uint32_t word[4];
	(void)state;
	assert_true(fd >= 0);
	set_up(&f, 1);
	p = hf_port_pcap_open(f.port, path, &f.now, 1000000);
	assert_non_null(p);
	give(&f, 0, 7);
	f.now = 3 * HF_NS_S + 5;
	assert_int_equal(rx_one(p), 7);
	f.now = 4 * HF_NS_S + 6;
	tx_one(p, 8, 80);
	assert_int_equal(hf_port_pcap_lost(p), 0);
	p->cls->fini(p);
	assert_int_equal(read(fd, file, sizeof(file)), 24 + 16 + FRAME + 16 + 80);
	memcpy(word, file, 4);
	assert_int_equal(word[0], 0xa1b23c4d);
	memcpy(word, file + 20, 4);
	assert_int_equal(word[0], 1);
	memcpy(word, file + 24, 16);
	assert_int_equal(word[0], 1000003);
	assert_int_equal(word[1], 5);
	assert_int_equal(word[2], FRAME);
	assert_int_equal(word[3], FRAME);
	assert_int_equal(file[24 + 16], 7);
	memcpy(word, file + 24 + 16 + FRAME, 16);
	assert_int_equal(word[0], 1000004);
	assert_int_equal(word[1], 6);
	assert_int_equal(word[2], 80);
	assert_int_equal(file[24 + 16 + FRAME + 16], 8);
	close(fd);
	unlink(path);
	tear_down(&f);
}

static void pcap_counts_what_it_could_not_write(void **state)
{
	char path[] = "/tmp/hf-port-XXXXXX";
	int fd = mkstemp(path);
	struct rlimit before, tight;
	struct fixture f;
	struct hf_port *p;
	(void)state;
	assert_true(fd >= 0);
	set_up(&f, 1);
	p = hf_port_pcap_open(f.port, path, &f.now, 0);
	assert_non_null(p);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	tight = before;
	tight.rlim_cur = 24 + 16 + FRAME; /* room for one frame */
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	for (uint8_t i = 0; i < 3; i++) {
		give(&f, 0, i);
		assert_int_equal(rx_one(p), i);
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(hf_port_pcap_lost(p), 2);
	p->cls->fini(p);
	close(fd);
	unlink(path);
	tear_down(&f);
}

static void pcap_says_when_it_cannot_open(void **state)
{
	struct fixture f;
	(void)state;
	set_up(&f, 1);
	assert_null(hf_port_pcap_open(f.port, "/nonexistent/x.pcap", &f.now, 0));
	assert_int_equal(errno, ENOENT);
	assert_null(hf_port_pcap_open(f.port, "/dev/full", &f.now, 0));
	assert_int_equal(errno, ENOSPC);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mem_carries_frames_in_order),
		cmocka_unit_test(mem_pads_short_frames_with_zeros),
		cmocka_unit_test(mem_runs_short_and_says_so),
		cmocka_unit_test(mem_queues_are_apart),
		cmocka_unit_test(mem_spoils_what_was_given_back),
		cmocka_unit_test(mem_catches_who_breaks_the_contract),
		cmocka_unit_test(fault_without_faults_is_transparent),
		cmocka_unit_test(fault_delays_both_ways),
		cmocka_unit_test(fault_rates_are_what_was_asked_for),
		cmocka_unit_test(fault_flips_one_bit_of_the_ip_packet),
		cmocka_unit_test(fault_drops_arp_instead_of_corrupting_it),
		cmocka_unit_test(fault_counts_what_it_cannot_carry),
		cmocka_unit_test(pcap_writes_what_passes),
		cmocka_unit_test(pcap_counts_what_it_could_not_write),
		cmocka_unit_test(pcap_says_when_it_cannot_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
