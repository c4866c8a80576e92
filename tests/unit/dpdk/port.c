/* The DPDK port on DPDK's own virtual devices: no NIC, no root, no huge pages. net_ring sends
 * whatever is sent back to its receiver; memif joins two ports over shared memory, with copies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include <rte_byteorder.h>
#include <rte_mbuf.h>
#include <rte_thash.h>
#include "drivers/port/dpdk.h"
#include "lib/os/os.h"

static struct hf_dpdk_why why;

static struct hf_port *open_port(const char *device, uint32_t queue_cnt)
{
	struct hf_dpdk_port_cfg cfg = {
		.name = "t", .device = device, .queue_cnt = queue_cnt, .mtu = 1500, .held_cnt = 64};
	return hf_dpdk_port_open(&cfg, &why);
}

static int start(void **state)
{
	static const uint32_t core[] = {0};
	static char prefix[64];
	static const char *args[] = {prefix};
	struct hf_dpdk_cfg cfg = {
		.core = core, .worker_cnt = 0, .mem_len = 64u << 20, .args = args, .arg_cnt = 1};
	(void)state;
	(void)snprintf(prefix, sizeof(prefix), "--file-prefix=handfast-test-%d", getpid());
	if (hf_dpdk_init(&cfg, &why)) {
		print_error("%s\n", why.reason);
		return -1;
	}
	return 0;
}

static int stop(void **state)
{
	(void)state;
	hf_dpdk_fini();
	return 0;
}

static uint32_t random_u32(void)
{
	static uint64_t x = 0x9e3779b97f4a7c15ull;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 16);
}

static void random_bytes(uint8_t *p, size_t len)
{
	while (len--)
		*p++ = (uint8_t)random_u32();
}

/* What a NIC computes: Toeplitz over source, destination and ports as they stand on the wire. */
static uint32_t nic_hash(const struct hf_flow_key *k)
{
	uint8_t key[64];
	uint32_t tuple[9], words = 0, from = hf_addr_is_v4(&k->src) ? 12 : 0, i;
	const struct hf_addr *side[] = {&k->src, &k->dst};
	for (i = 0; i < sizeof(key); i++)
		key[i] = i & 1 ? 0x5a : 0x6d;
	for (i = 0; i < 2; i++) {
		uint32_t at;
		for (at = from; at < 16; at += 4, words++) {
			memcpy(&tuple[words], side[i]->b + at, 4);
			tuple[words] = rte_be_to_cpu_32(tuple[words]);
		}
	}
	tuple[words++] = (uint32_t)k->sport << 16 | k->dport;
	return rte_softrss(tuple, words, key);
}

static void flow_hash_is_the_nics(void **state)
{
	uint32_t i;
	(void)state;
	for (i = 0; i < 10000; i++) {
		struct hf_flow_key k, back;
		k.src = hf_addr_v4(random_u32());
		k.dst = hf_addr_v4(random_u32());
		if (i & 1) {
			random_bytes(k.src.b, 16);
			random_bytes(k.dst.b, 16);
		}
		k.sport = (uint16_t)random_u32();
		k.dport = (uint16_t)random_u32();
		back = (struct hf_flow_key){k.dst, k.src, k.dport, k.sport};
		assert_int_equal(hf_dpdk_flow_hash(&k), nic_hash(&k));
		assert_int_equal(hf_dpdk_flow_hash(&back), hf_dpdk_flow_hash(&k));
	}
}

static uint64_t buffers_free(struct hf_port *p)
{
	return hf_dpdk_port_refresh(p)->buffers_free;
}

static void frames_come_back_as_sent(void **state)
{
	static const uint32_t len[] = {14, 42, 59, 60, 61, 1514};
	enum { CNT = HF_ARRAY_LEN(len) };
	struct hf_port *p = open_port("net_ring0", 1);
	uint8_t sent[CNT][2048];
	struct hf_frame f[CNT], got[64];
	uint64_t idle;
	uint32_t i, bytes = 0;
	(void)state;
	assert_non_null(p);
	idle = buffers_free(p);
	assert_int_equal(p->cls->tx_alloc(p, 0, f, CNT), CNT);
	for (i = 0; i < CNT; i++) {
		assert_int_equal(f[i].len, 0);
		assert_true(f[i].cap >= 1514);
		memset(f[i].data, 0xee, f[i].cap);
		random_bytes(sent[i], len[i]);
		memcpy(f[i].data, sent[i], len[i]);
		memset(sent[i] + len[i], 0, 60); /* what padding must look like */
		f[i].len = len[i];
		bytes += HF_MAX(len[i], 60u);
	}
	assert_int_equal(p->cls->tx(p, 0, f, CNT), CNT);
	assert_int_equal(p->cls->rx(p, 0, got, 64), CNT);
	for (i = 0; i < CNT; i++) {
		assert_int_equal(got[i].len, HF_MAX(len[i], 60u));
		assert_memory_equal(got[i].data, sent[i], got[i].len);
		assert_int_equal(got[i].flags, 0);
	}
	p->cls->rx_give(p, 0, got, CNT);
	assert_int_equal(p->cls->rx(p, 0, got, 64), 0);
	assert_int_equal(buffers_free(p), idle);
	assert_int_equal(p->stats[0].tx_frames, CNT);
	assert_int_equal(p->stats[0].rx_frames, CNT);
	assert_int_equal(p->stats[0].tx_bytes, bytes);
	assert_int_equal(p->stats[0].rx_bytes, bytes);
	assert_int_equal(hf_port_owner(p, &(struct hf_flow_key){.sport = 1}), -1);
	p->cls->fini(p);
}

/* Frames numbered from *next on; returns how many there were. */
static uint32_t numbered(struct hf_port *p, struct hf_frame *f, uint32_t *next)
{
	uint32_t n = p->cls->tx_alloc(p, 0, f, 64);
	for (uint32_t i = 0; i < n; i++) {
		memcpy(f[i].data, next, sizeof(*next));
		f[i].len = 60;
		(*next)++;
	}
	return n;
}

/* Takes in what is there; it comes in order from *next on. */
static void in_order(struct hf_port *p, uint32_t *next, uint32_t most)
{
	struct hf_frame f[64];
	uint32_t n;
	while (most && (n = p->cls->rx(p, 0, f, HF_MIN(most, 64u)))) {
		for (uint32_t i = 0; i < n; i++, (*next)++)
			assert_memory_equal(f[i].data, next, sizeof(*next));
		p->cls->rx_give(p, 0, f, n);
		most -= n;
	}
}

static void a_full_device_makes_frames_wait(void **state)
{
	struct hf_port *p = open_port("net_ring1", 1);
	struct hf_frame f[64];
	uint32_t n, given = 0, came = 0;
	uint64_t idle;
	(void)state;
	assert_non_null(p);
	idle = buffers_free(p);
	while ((n = numbered(p, f, &given)))
		assert_int_equal(p->cls->tx(p, 0, f, n), n);
	assert_true(p->stats[0].tx_waits > 0);
	assert_true(p->stats[0].tx_frames < given);
	in_order(p, &came, 100); /* the first look makes room, the second sends */
	n = numbered(p, f, &given);
	assert_true(n > 0);
	assert_int_equal(p->cls->tx(p, 0, f, n), n);
	in_order(p, &came, UINT32_MAX);
	assert_int_equal(came, given);
	assert_int_equal(p->stats[0].tx_frames, given);
	assert_int_equal(p->stats[0].tx_bytes, given * 60);
	assert_int_equal(p->stats[0].tx_dropped, 0);
	assert_int_equal(buffers_free(p), idle);
	p->cls->fini(p);
}

/* Who took more frames than one burst before the device was full loses what cannot wait. */
static void what_cannot_wait_is_dropped_and_counted(void **state)
{
	struct hf_port *p = open_port("net_ring4", 1);
	struct hf_frame f[3][64];
	uint32_t n, given = 0, queued = 0;
	(void)state;
	assert_non_null(p);
	for (n = 0; n < 3; n++)
		assert_int_equal(numbered(p, f[n], &given), 64);
	while (!p->stats[0].tx_waits) {
		struct hf_frame more[64];
		uint32_t unused = 0;
		n = numbered(p, more, &unused);
		(void)p->cls->tx(p, 0, more, n);
	}
	for (n = 0; n < 3; n++)
		queued += p->cls->tx(p, 0, f[n], 64);
	assert_int_equal(queued + p->stats[0].tx_dropped, given);
	assert_true(p->stats[0].tx_dropped >= given - 64);
	p->cls->fini(p); /* what waits is given back */
}

static void nothing_waits_for_a_link(void **state)
{
	char device[160];
	struct hf_frame f[64];
	struct hf_port *p;
	uint32_t given = 0, n;
	uint64_t idle;
	(void)state;
	(void)snprintf(device, sizeof(device),
		"net_memif2,role=server,id=0,socket=handfast-test-%d-2", getpid());
	p = open_port(device, 1);
	assert_non_null(p);
	idle = buffers_free(p);
	n = numbered(p, f, &given);
	assert_int_equal(n, 64);
	assert_int_equal(p->cls->tx(p, 0, f, n), 0);
	assert_int_equal(p->stats[0].tx_dropped, n);
	assert_int_equal(buffers_free(p), idle);
	p->cls->fini(p);
}

static void an_empty_pool_gives_what_it_has(void **state)
{
	struct hf_port *p = open_port("net_ring2", 1);
	struct hf_frame *f = calloc(8192, sizeof(*f));
	uint64_t idle;
	uint32_t cnt = 0, n;
	(void)state;
	assert_non_null(p);
	assert_non_null(f);
	idle = buffers_free(p);
	while (cnt + 64 < 8192 && (n = p->cls->tx_alloc(p, 0, f + cnt, 64)))
		cnt += n;
	assert_int_equal(cnt, idle);
	assert_true(p->stats[0].tx_empty > 0);
	p->cls->rx_give(p, 0, f, cnt);
	assert_int_equal(buffers_free(p), idle);
	free(f);
	p->cls->fini(p);
}

/* net_null keeps a redirection table and a key as a NIC does, so owner must follow what it holds. */
static void the_device_says_who_owns_a_flow(void **state)
{
	struct hf_port *p = open_port("net_null0", 4);
	uint32_t i, seen[4] = {0};
	(void)state;
	assert_non_null(p);
	assert_true(p->info.rss);
	for (i = 0; i < 4000; i++) {
		struct hf_flow_key k = {hf_addr_v4(random_u32()), hf_addr_v4(random_u32()),
			(uint16_t)random_u32(), 443};
		int owner = hf_port_owner(p, &k);
		assert_int_equal(owner, (int)(nic_hash(&k) % 128 % 4));
		seen[owner]++;
	}
	for (i = 0; i < 4; i++)
		assert_true(seen[i] > 800);
	p->cls->fini(p);
}

static void what_is_wrong_is_said(void **state)
{
	(void)state;
	assert_null(open_port("net_ring3", 99));
	assert_non_null(strstr(why.reason, "99 queues are needed"));
	assert_null(open_port("net_nonesuch0", 1));
	assert_non_null(strstr(why.reason, "net_nonesuch0"));
	assert_null(open_port("net_af_packet0,iface=no-such-if", 1));
	/* completed, so that the user sees what DPDK was asked for */
	assert_non_null(strstr(why.reason, "iface=no-such-if,qpairs=1,framesz=2048"));
	assert_null(open_port("0000:ff:1f.7", 1));
	assert_non_null(strstr(why.reason, "no DPDK driver took"));
	assert_true(why.remedy[0]);
}

static uint32_t rx_until(struct hf_port *p, struct hf_frame *v, uint32_t want)
{
	uint32_t got = 0, tries;
	for (tries = 0; got < want && tries < 2000; tries++) {
		got += p->cls->rx(p, 0, v + got, want - got);
		if (got < want)
			hf_os_sleep_ns(HF_NS_MS);
	}
	return got;
}

static void memif_carries_frames_between_two_ports(void **state)
{
	char device[2][160];
	struct hf_port *a, *b;
	struct hf_frame f[32], got[32];
	uint32_t i, tries;
	(void)state;
	for (i = 0; i < 2; i++)
		(void)snprintf(device[i], sizeof(device[i]),
			"net_memif%u,role=%s,id=0,socket=handfast-test-%d,bsize=2048,rsize=9", i,
			i ? "client" : "server", getpid());
	a = open_port(device[0], 1);
	b = open_port(device[1], 1);
	assert_non_null(a);
	assert_non_null(b);
	for (tries = 0; tries < 5000 &&
			!(hf_dpdk_port_refresh(a)->link_up && hf_dpdk_port_refresh(b)->link_up);
		tries++)
		hf_os_sleep_ns(HF_NS_MS);
	assert_true(tries < 5000);
	assert_int_equal(b->cls->tx_alloc(b, 0, f, 32), 32);
	for (i = 0; i < 32; i++) {
		f[i].len = 100 + i * 40;
		memset(f[i].data, (int)i, f[i].len);
	}
	assert_int_equal(b->cls->tx(b, 0, f, 32), 32);
	assert_int_equal(rx_until(a, got, 32), 32);
	for (i = 0; i < 32; i++) {
		assert_int_equal(got[i].len, 100 + i * 40);
		assert_int_equal(got[i].data[got[i].len - 1], i);
	}
	a->cls->rx_give(a, 0, got, 32);
	b->cls->fini(b);
	a->cls->fini(a);
}

/* What the device has seen of IPv4's header counts; IPv6's has no sum. */
static void checksums_by_family(void **state)
{
	static const uint8_t ip4[18] = {[12] = 0x08}, ip6[18] = {[12] = 0x86, 0xdd};
	static const uint8_t tagged4[18] = {[12] = 0x81, [16] = 0x08};
	static const uint8_t tagged6[18] = {[12] = 0x81, [16] = 0x86, 0xdd};
	const uint8_t *const frame[] = {ip4, ip6, tagged4, tagged6};
	const uint64_t ip_good = RTE_MBUF_F_RX_IP_CKSUM_GOOD, l4_good = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	const uint64_t ip_bad = RTE_MBUF_F_RX_IP_CKSUM_BAD, l4_bad = RTE_MBUF_F_RX_L4_CKSUM_BAD;
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(frame); i++) {
		const uint8_t *f = frame[i];
		uint32_t only_l4 = i % 2 ? HF_FRAME_CSUM_GOOD : 0;
		assert_int_equal(hf_dpdk_checksum_flags(0, f, 18), 0);
		assert_int_equal(hf_dpdk_checksum_flags(ip_good, f, 18), 0);
		assert_int_equal(hf_dpdk_checksum_flags(l4_good, f, 18), only_l4);
		assert_int_equal(
			hf_dpdk_checksum_flags(l4_good | RTE_MBUF_F_RX_IP_CKSUM_NONE, f, 18),
			only_l4);
		assert_int_equal(
			hf_dpdk_checksum_flags(ip_good | l4_good, f, 18), HF_FRAME_CSUM_GOOD);
		assert_int_equal(
			hf_dpdk_checksum_flags(ip_good | l4_bad, f, 18), HF_FRAME_CSUM_BAD);
		assert_int_equal(
			hf_dpdk_checksum_flags(ip_bad | l4_good, f, 18), HF_FRAME_CSUM_BAD);
		assert_int_equal(hf_dpdk_checksum_flags(l4_good, f, 13), 0);
	}
	assert_int_equal(hf_dpdk_checksum_flags(l4_good, tagged6, 17), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flow_hash_is_the_nics),
		cmocka_unit_test(checksums_by_family),
		cmocka_unit_test(frames_come_back_as_sent),
		cmocka_unit_test(a_full_device_makes_frames_wait),
		cmocka_unit_test(what_cannot_wait_is_dropped_and_counted),
		cmocka_unit_test(nothing_waits_for_a_link),
		cmocka_unit_test(an_empty_pool_gives_what_it_has),
		cmocka_unit_test(the_device_says_who_owns_a_flow),
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(memif_carries_frames_between_two_ports),
	};
	return cmocka_run_group_tests_name("port/dpdk", tests, start, stop);
}
