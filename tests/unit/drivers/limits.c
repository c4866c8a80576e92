/* limits.c -- a whole worker whose clients' prefixes have limits: who is over one is refused, and counted;
 * nobody else notices. The clock of costs is the test's. */
#include "tests/support/worker_peers.h"

#define OURS 0x0a000002u   /* 10.0.0.0/24 */
#define OTHERS 0x0a000102u /* 10.0.1.0/24 */

static uint64_t cycles, cycles_each; /* for each look at the clock */

static uint64_t counted(void)
{
	return cycles += cycles_each;
}

static void start(struct hf_guard_rules rules)
{
	rig = (struct rig){PEERS_RIG, .prefix_cnt = 64, .guard = rules,
		.limits = {10 * SEC, 20 * SEC, 10 * SEC, 120 * SEC, 5 * SEC, 0}};
	cycles_each = 0;
	peers_begin();
	rig.w->env.cycles = counted;
	rig_settle(&rig);
}

static uint64_t outcome(enum hf_tcp_outcome o)
{
	return hf_tcp_stats(rig.w->tcp)->outcome[o];
}

#define GUARD(name) (hf_guard_stats(rig.w->guard)->name)

static bool served_from(uint32_t ip, uint16_t port)
{
	peer_ip = ip;
	return served(port);
}

static void handshakes_by_prefix(void **state)
{
	uint16_t port = 2000;
	uint32_t in = 0;

	(void)state;
	start((struct hf_guard_rules){.handshakes_per_s = 5});
	for (uint32_t i = 0; i < 10; i++)
		in += served_from(OURS + i % 2, port++);
	assert_int_equal(in, 5);
	assert_int_equal(outcome(HF_TCP_O_SYN_LIMITED), 5);
	assert_int_equal(GUARD(refused_handshakes), 5);
	for (uint32_t i = 0; i < 5; i++)
		assert_true(served_from(OTHERS, port++));
	pass(SEC);
	assert_true(served_from(OURS, port++));
}

static void half_open_by_prefix(void **state)
{
	(void)state;
	start((struct hf_guard_rules){.half_open = 3});
	peer_ip = OURS;
	for (uint16_t i = 0; i < 6; i++) {
		peer[3000 + i] = (struct peer){.snd_nxt = 1};
		say((uint16_t)(3000 + i), HF_TCP_SYN, NULL, 0);
	}
	assert_int_equal(hf_tcp_stats(rig.w->tcp)->half_open, 3);
	assert_int_equal(outcome(HF_TCP_O_SYN_LIMITED), 3);
	assert_false(served_from(OURS, 4000));
	assert_true(served_from(OTHERS, 4001));
	pass(25 * SEC);
	assert_true(served_from(OURS, 4002));
}

/* A handshake costs what the worker's clock says; RSA more than what is only opened. */
static void cost_by_prefix(void **state)
{
	struct hf_guard_row row[2];
	uint16_t port = 2000;
	uint32_t in = 0;

	(void)state;
	start((struct hf_guard_rules){.cost_ns_per_s = 100 * HF_NS_MS});
	cycles_each = 1000000; /* 1 ms, at 1000 cycles a us */
	while (served_from(OURS, port++))
		assert_true(++in < 100);
	assert_in_range(in, 2, 30);
	assert_true(GUARD(refused_cost) > 0);
	assert_true(served_from(OTHERS, port++));
	assert_int_equal(hf_guard_top(rig.w->guard, row, 2, rig.now), 2);
	assert_int_equal(row[0].refused[HF_GUARD_COST], GUARD(refused_cost));
	cycles_each = 0;
	pass(11 * SEC);             /* what it owed is over */
	rig.w->prices.frame_ns = 0; /* of the last second that had enough of them */
	assert_true(served_from(OURS, port++));
	for (uint32_t i = 0; i < 30; i++) /* now they cost nothing */
		assert_true(served_from(OURS, port++));
}

/* Connections first, and then all hellos at once: whose prefix has had its time by then is reset. */
static void who_waits_with_his_hello_is_reset(void **state)
{
	uint8_t buf[1000];
	size_t len = hello_of(buf, sizeof(buf));
	uint32_t resets = 0;

	(void)state;
	start((struct hf_guard_rules){.cost_ns_per_s = 10 * HF_NS_MS});
	peer_ip = OURS;
	for (uint16_t i = 0; i < 30; i++)
		assert_true(connect_from((uint16_t)(3000 + i)));
	cycles_each = 1000000;
	for (uint16_t i = 0; i < 30; i++) {
		say((uint16_t)(3000 + i), HF_TCP_ACK, buf, len);
		rig_settle(&rig);
	}
	for (uint16_t i = 0; i < 30; i++)
		resets += peer[3000 + i].reset;
	assert_in_range(resets, 10, 29);
	assert_int_equal(GUARD(hellos_refused), resets);
	assert_int_equal(rig.w->tls.stats.reason[HF_TLS_R_LIMITED], resets);
	cycles_each = 0;
	assert_true(served_from(OTHERS, 5000));
	hf_worker_check(rig.w);
}

static struct hf_prefix_row listed(uint32_t net, uint32_t len, enum hf_guard_word word)
{
	struct hf_addr a = hf_addr_v4(net);

	return (struct hf_prefix_row){.prefix = hf_prefix_of(&a, 96 + len), .word = (uint8_t)word};
}

static void lists_hold(void **state)
{
	const struct hf_prefix_row v[] = {
		listed(0x0a000000, 8, HF_GUARD_DENY), listed(0x0a000100, 24, HF_GUARD_ALLOW)};
	uint64_t before;

	(void)state;
	start((struct hf_guard_rules){.handshakes_per_s = 1, .list = {v, HF_ARRAY_LEN(v)}});
	assert_false(served_from(OURS, 2000));
	assert_int_equal(peer[2000].rcv_nxt, 0);
	assert_int_equal(rig.w->net_stats.outcome[HF_NET_DENIED], 1);
	assert_int_equal(outcome(HF_TCP_O_SYN_LIMITED), 0);
	for (uint16_t i = 0; i < 5; i++) /* no limits for those */
		assert_true(served_from(OTHERS, (uint16_t)(3000 + i)));
	/* a reload lets them in, and has the limit instead; a second one shuts all out, also who is in */
	rig_reload(&rig, &(struct hf_guard_rules){.handshakes_per_s = 1});
	assert_true(served_from(OURS, 2001));
	assert_false(served_from(OURS, 2002));
	assert_int_equal(outcome(HF_TCP_O_SYN_LIMITED), 1);
	rig_reload(&rig, &(struct hf_guard_rules){.list = {v, 1}});
	before = outcome(HF_TCP_O_ACK);
	peer_ip = OURS;
	say(2001, HF_TCP_ACK, NULL, 0);
	assert_int_equal(outcome(HF_TCP_O_ACK), before);
	assert_int_equal(rig.w->net_stats.outcome[HF_NET_DENIED], 2);
}

/* 100 us an answer: 50 a second, and as many for who comes again */
static void syn_of_nobody(hf_ns then)
{
	static uint32_t n;

	hf_guard_price(rig.w->guard, 100 * HF_NS_US);
	peer_ip = 0xc6120000 + (++n * 977 & 0x1ffff);
	peer[6] = (struct peer){.snd_nxt = n};
	say(6, HF_TCP_SYN, NULL, 0);
	rig.now += then;
}

/* A flood from addresses that answer nothing: who was here before goes on, who is new comes in by saying
 * his SYN again. */
static void strangers_have_their_share(void **state)
{
	uint32_t in = 0;

	(void)state;
	start((struct hf_guard_rules){.strangers_percent = 1});
	assert_true(served_from(OURS, 2000));
	for (uint32_t s = 0; s < 10; s++) {
		for (uint32_t i = 0; i < 100; i++)
			syn_of_nobody(9 * HF_NS_MS);
		in += served_from(OURS, (uint16_t)(2001 + s));
	}
	assert_int_equal(in, 10);
	assert_true(outcome(HF_TCP_O_SYN_STRANGER) > 200);
	/* a newcomer, with the flood going on */
	for (uint32_t i = 0; i < 100; i++)
		syn_of_nobody(0);
	assert_false(served_from(OTHERS, 7000));
	rig.now += SEC;
	for (uint32_t i = 0; i < 100; i++)
		syn_of_nobody(0);
	assert_true(served_from(OTHERS, 7000));
	assert_true(GUARD(syn_returned) > 0); /* some of the flood look as if they did, too */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(handshakes_by_prefix, peers_end),
		cmocka_unit_test_teardown(half_open_by_prefix, peers_end),
		cmocka_unit_test_teardown(cost_by_prefix, peers_end),
		cmocka_unit_test_teardown(who_waits_with_his_hello_is_reset, peers_end),
		cmocka_unit_test_teardown(lists_hold, peers_end),
		cmocka_unit_test_teardown(strangers_have_their_share, peers_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
