/* Who is let in: each limit at its edge, strangers in a flood, and a table that nobody can push others
 * out of. */
#include "lib/net/guard.h"
#include "tests/support/test.h"

#define SEC HF_NS_S
#define MS HF_NS_MS

static hf_ns now = 1000 * SEC;
static uint64_t next_id = 1;

static struct hf_addr v4(uint32_t a)
{
	return hf_addr_v4(a);
}

static struct hf_guard *make(uint32_t prefix_cnt, uint32_t worker_cnt, struct hf_guard_rules rules)
{
	static struct hf_rand rand;
	static const uint8_t seed[HF_RAND_SEED_LEN] = {9};
	struct hf_guard *g;
	hf_rand_seed(&rand, seed);
	g = hf_guard_init(
		test_alloc(hf_guard_footprint(prefix_cnt)), prefix_cnt, worker_cnt, &rand);
	hf_guard_rule(g, &rules);
	return g;
}

#define MAKE(...) make(1024, 1, (struct hf_guard_rules){__VA_ARGS__})
#define STAT(g, name) (hf_guard_stats(g)->name)

static enum hf_guard_verdict syn(struct hf_guard *g, uint32_t a)
{
	struct hf_addr src = v4(a);
	return hf_guard_syn(g, &src, test_rand(&next_id), now);
}

static bool opened(struct hf_guard *g, uint32_t a)
{
	struct hf_addr src = v4(a);
	return hf_guard_opened(g, &src, now);
}

static void done(struct hf_guard *g, uint32_t a)
{
	struct hf_addr src = v4(a);
	hf_guard_done(g, &src, now);
}

static void without_rules_all_come_in(void **state)
{
	struct hf_guard *g = MAKE(.prefix4 = 0);
	struct hf_addr a = v4(0x0a000001);
	(void)state;
	for (uint32_t i = 0; i < 100000; i++)
		assert_int_equal(syn(g, i), HF_GUARD_GO);
	assert_false(hf_guard_denies(g, &a));
	assert_true(hf_guard_syn_again(g, &a, now));
	assert_false(hf_guard_counts_cost(g));
	hf_guard_charge(g, &a, SEC, now);
	assert_true(hf_guard_hello(g, &a, now));
	assert_int_equal(STAT(g, prefixes), 0);
	free(g);
}

static void half_more(struct hf_guard *g, const struct hf_addr *a)
{
	(void)!hf_guard_half_more(g, a, now);
}

static void half_open_is_counted_by_prefix(void **state)
{
	struct hf_guard *g = MAKE(.half_open = 3);
	struct hf_addr a = v4(0x0a000001), same = v4(0x0a0000fe);
	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(syn(g, 0x0a000001 + i), HF_GUARD_GO);
		half_more(g, &a);
	}
	assert_int_equal(syn(g, 0x0a0000ff), HF_GUARD_HALF_OPEN);
	assert_int_equal(syn(g, 0x0a000100), HF_GUARD_GO);
	assert_int_equal(STAT(g, refused_half_open), 1);
	hf_guard_half_less(g, &same);
	assert_int_equal(syn(g, 0x0a0000ff), HF_GUARD_GO);
	for (uint32_t i = 0; i < 9; i++) /* more than were told of: it was forgotten in between */
		hf_guard_half_less(g, &a);
	assert_int_equal(syn(g, 0x0a0000ff), HF_GUARD_GO);
	free(g);
}

static void half_open_counts_end_also_without_a_limit(void **state)
{
	struct hf_guard *g = MAKE(.half_open = 1);
	struct hf_addr a = v4(0x0a000001);
	(void)state;
	half_more(g, &a);
	hf_guard_rule(g, &(struct hf_guard_rules){.prefix4 = 0});
	assert_false(hf_guard_half_more(g, &a, now));
	hf_guard_half_less(g, &a);
	hf_guard_rule(g, &(struct hf_guard_rules){.half_open = 1});
	assert_int_equal(syn(g, 0x0a000001), HF_GUARD_GO);
	free(g);
}

static void handshakes_are_a_rate_with_a_second_at_once(void **state)
{
	struct hf_guard *g = MAKE(.handshakes_per_s = 10);
	uint32_t in = 0;
	(void)state;
	for (uint32_t i = 0; i < 50; i++)
		if (syn(g, 0x0a000001) == HF_GUARD_GO)
			in += opened(g, 0x0a000001);
	assert_int_equal(in, 10);
	assert_int_equal(syn(g, 0x0a000001), HF_GUARD_HANDSHAKES);
	assert_int_equal(syn(g, 0x0b000001), HF_GUARD_GO);
	for (uint32_t i = 0; i < 100; i++, now += 20 * MS) /* 50 a second, two seconds long */
		if (syn(g, 0x0a000001) == HF_GUARD_GO)
			in += opened(g, 0x0a000001);
	assert_in_range(in, 28, 32);
	/* SYNs alone take nothing: somebody may send them in another's name */
	now += 10 * SEC;
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(syn(g, 0x0a000001), HF_GUARD_GO);
	free(g);
}

/* SYNs that were let in before any of them was completed. */
static void who_comes_too_late_to_open_is_refused_then(void **state)
{
	struct hf_guard *g = MAKE(.handshakes_per_s = 10);
	uint32_t in = 0;
	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(syn(g, 0x0a000001), HF_GUARD_GO);
	for (uint32_t i = 0; i < 100; i++)
		in += opened(g, 0x0a000001);
	assert_int_equal(in, 10);
	assert_int_equal(STAT(g, refused_handshakes), 90);
	now += SEC / 5;
	assert_true(opened(g, 0x0a000001) && opened(g, 0x0a000001) && !opened(g, 0x0a000001));
	free(g);
}

static void cost_is_a_part_of_the_time(void **state)
{
	struct hf_guard *g = MAKE(.cost_ns_per_s = 100 * MS);
	struct hf_addr a = v4(0x0a000001), other = v4(0x0c000001);
	uint32_t in = 0;
	(void)state;
	assert_true(hf_guard_counts_cost(g));
	for (uint32_t i = 0; i < 1000;
		i++, now += 10 * MS) /* 100 a second, 2 ms each: twice too many */
		if (syn(g, 0x0a000001) == HF_GUARD_GO) {
			hf_guard_charge(g, &a, 2 * MS, now);
			in++;
		}
	assert_in_range(in, 545, 555); /* ten seconds, and what may come at once */
	assert_true(STAT(g, refused_cost) == 1000 - in);
	hf_guard_charge(g, &a, 200 * MS, now);
	assert_false(hf_guard_hello(g, &a, now));
	assert_int_equal(STAT(g, hellos_refused), 1);
	assert_true(hf_guard_hello(g, &other, now));
	now += 4 * SEC;
	assert_true(hf_guard_hello(g, &a, now));
	free(g);
}

static void each_worker_has_its_part(void **state)
{
	struct hf_guard *g = make(64, 3, (struct hf_guard_rules){.half_open = 10});
	struct hf_addr a = v4(1);
	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(syn(g, 1), HF_GUARD_GO);
		half_more(g, &a);
	}
	assert_int_equal(syn(g, 1), HF_GUARD_HALF_OPEN);
	free(g);
}

static void prefixes_are_as_long_as_the_rules_say(void **state)
{
	struct hf_guard *g = MAKE(.prefix4 = 30, .prefix6 = 48, .half_open = 1);
	struct hf_addr a = v4(0xc0000204), six = {{0x20, 1, 0xd, 0xb8, 0, 1, 0, 2}}, near = six,
		       far = six;
	struct hf_guard_row row[4];
	(void)state;
	half_more(g, &a);
	assert_int_equal(syn(g, 0xc0000207), HF_GUARD_HALF_OPEN);
	assert_int_equal(syn(g, 0xc0000208), HF_GUARD_GO);
	half_more(g, &six);
	near.b[6] = near.b[15] = 0xff;
	far.b[5] = 2;
	assert_int_equal(hf_guard_syn(g, &near, 1, now), HF_GUARD_HALF_OPEN);
	assert_int_equal(hf_guard_syn(g, &far, 1, now), HF_GUARD_GO);
	assert_int_equal(hf_guard_top(g, row, 4, now), 2);
	for (uint32_t i = 0; i < 2; i++) {
		bool is6 = !hf_addr_is_v4(&row[i].prefix.addr);
		assert_int_equal(row[i].prefix.len, is6 ? 48 : 96 + 30);
		assert_true(hf_prefix_holds(&row[i].prefix, is6 ? &near : &a));
		assert_int_equal(row[i].half_open, 1);
		assert_int_equal(row[i].refused[HF_GUARD_HALF_OPEN], 1);
	}
	free(g);
}

static void lists_come_before_limits(void **state)
{
	struct hf_addr ten = v4(0x0a000000), inner = v4(0x0a010000), other = v4(0x0b000000),
		       in = v4(0x0a010203), out = v4(0x0a020304);
	struct hf_prefix_row v[] = {{hf_prefix_of(&ten, 96 + 8), HF_GUARD_DENY, 0},
		{hf_prefix_of(&inner, 96 + 16), HF_GUARD_ALLOW, 0},
		{hf_prefix_of(&other, 96 + 8), HF_GUARD_ALLOW, 0}};
	struct hf_guard *g;
	(void)state;
	hf_prefix_sort(v, HF_ARRAY_LEN(v));
	g = MAKE(.half_open = 1, .cost_ns_per_s = 1 * MS, .strangers_percent = 1,
		.list = {v, HF_ARRAY_LEN(v)});
	assert_true(hf_guard_denies(g, &out));
	assert_false(hf_guard_denies(g, &in));
	for (uint32_t i = 0; i < 100000; i++)
		assert_int_equal(syn(g, 0x0a010000 + i % 0x10000), HF_GUARD_GO);
	half_more(g, &in);
	hf_guard_charge(g, &in, SEC, now);
	assert_true(hf_guard_hello(g, &in, now));
	assert_int_equal(syn(g, 0x0a010203), HF_GUARD_GO);
	assert_int_equal(STAT(g, syn_listed), 100001);
	assert_int_equal(STAT(g, syn_stranger), 0);
	hf_guard_rule(g, &(struct hf_guard_rules){.half_open = 1}); /* a reload takes them away */
	assert_false(hf_guard_denies(g, &out));
	assert_int_equal(syn(g, 0x0a010203), HF_GUARD_HALF_OPEN);
	free(g);
}

/* ---- strangers ---- */

/* 10 us an answer and 2 %: 500 a second for first ones, and 1,500 for returned ones */
static struct hf_guard *strangers(void)
{
	struct hf_guard *g = make(16384, 1, (struct hf_guard_rules){.strangers_percent = 2});
	hf_guard_price(g, 10 * HF_NS_US);
	assert_int_equal(STAT(g, strangers_rate), 2000);
	return g;
}

/* Whether who is refused and comes again after a second, three seconds ... is let in, n times at most. */
static bool comes_again(struct hf_guard *g, uint32_t a, uint32_t n)
{
	uint64_t id = test_rand(&next_id);
	struct hf_addr src = v4(a);
	for (hf_ns wait = SEC; n > 0; n--, now += wait, wait *= 2)
		if (hf_guard_syn(g, &src, id, now) == HF_GUARD_GO)
			return true;
	return false;
}

static void flood(struct hf_guard *g, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++)
		(void)syn(g, 0xc6120000 + (uint32_t)(test_rand(&next_id) & 0x1ffff));
}

static void a_flood_gets_its_share(void **state)
{
	struct hf_guard *g = strangers();
	(void)state;
	for (uint32_t i = 0; i < 500; i++, now += 20 * MS)
		flood(g, 800); /* 40,000 a second, ten seconds long */
	assert_in_range(STAT(g, syn_stranger), 6900, 7100);
	/* some of which look as if they came again: one in 256 of those that find their place taken */
	assert_true(STAT(g, syn_returned) < 2000);
	assert_int_equal(
		STAT(g, syn_stranger) + STAT(g, syn_returned) + STAT(g, refused_stranger), 400000);
	free(g);
}

static void known_ones_do_not_notice_a_flood(void **state)
{
	struct hf_guard *g = strangers();
	(void)state;
	done(g, 0x0a000001);
	for (uint32_t i = 0; i < 500; i++, now += 20 * MS) {
		flood(g, 800);
		for (uint32_t k = 0; k < 20; k++) {
			assert_int_equal(syn(g, 0x0a000000 + k), HF_GUARD_GO);
			assert_true(opened(g, 0x0a000000 + k));
		}
	}
	assert_int_equal(STAT(g, syn_known), 10000);
	now += 601 * SEC;
	flood(g, 5000);
	assert_int_equal(syn(g, 0x0a000001), HF_GUARD_STRANGER);
	free(g);
}

static void a_known_name_is_good_for_some_hundred_syns(void **state)
{
	struct hf_guard *g = strangers();
	uint32_t in = 0;
	(void)state;
	done(g, 0x0a000001);
	flood(g, 5000);
	for (uint32_t i = 0; i < 5000; i++) /* somebody sends them in its name */
		in += syn(g, 0x0a000001) == HF_GUARD_GO;
	assert_int_equal(in, 256);
	assert_true(opened(g, 0x0a000001));
	assert_int_equal(syn(g, 0x0a000001), HF_GUARD_GO);
	assert_int_equal(syn(g, 0x0a000001), HF_GUARD_GO);
	assert_int_equal(syn(g, 0x0a000001), HF_GUARD_STRANGER);
	free(g);
}

static void who_means_it_says_it_again(void **state)
{
	struct hf_guard *g = strangers();
	uint32_t refused = 0, in = 0, soon = 0;
	(void)state;
	flood(g, 3000);
	for (uint32_t i = 0; i < 200; i++) {
		uint64_t id = test_rand(&next_id);
		struct hf_addr src = v4(0x0b000000 + (i << 8));
		refused += hf_guard_syn(g, &src, id, now) == HF_GUARD_STRANGER;
		now += 300 * MS; /* too soon for a client, and the budget is spent again */
		flood(g, 1000);
		soon += hf_guard_syn(g, &src, id, now) == HF_GUARD_GO;
		now += 700 * MS;
		flood(g, 1500);
		in += hf_guard_syn(g, &src, id, now) == HF_GUARD_GO;
	}
	assert_true(refused > 195); /* one in 256 looks as if it had come before */
	assert_true(soon < 5);
	assert_true(in > 190);
	free(g);
}

static void in_a_flood_new_clients_get_in(void **state)
{
	struct hf_guard *g = strangers();
	uint32_t in = 0;
	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		flood(g, 40000);
		in += comes_again(g, 0x0b000000 + (i << 8), 3);
	}
	assert_true(in > 95);
	free(g);
}

static void without_a_flood_nobody_is_refused(void **state)
{
	struct hf_guard *g = strangers();
	(void)state;
	for (uint32_t i = 0; i < 100000;
		i++) { /* all at once, from everywhere, and each completes */
		assert_int_equal(syn(g, i << 8), HF_GUARD_GO);
		assert_true(opened(g, i << 8));
	}
	free(g);
}

static void a_syn_that_is_repeated_is_bounded_too(void **state)
{
	struct hf_guard *g = strangers();
	struct hf_addr a = v4(0x0b000001), known = v4(0x0a000001);
	uint32_t in = 0;
	(void)state;
	for (uint32_t i = 0; i < 50000; i++)
		in += hf_guard_syn_again(g, &a, now);
	assert_int_equal(in, 1500);
	done(g, 0x0a000001);
	assert_true(hf_guard_syn_again(g, &known, now));
	free(g);
}

/* ---- the table ---- */

static void nobody_is_pushed_out_by_a_flood(void **state)
{
	struct hf_guard *g = make(1024, 1, (struct hf_guard_rules){.half_open = 100});
	uint32_t still = 0, before = 0;
	(void)state;
	for (uint32_t i = 0; i < 300; i++)
		done(g, 0x0a000000 + (i << 8));
	assert_int_equal(STAT(g, prefixes), 300);
	for (uint32_t i = 0; i < 100000; i++) { /* each of them worth less than one that is known */
		struct hf_addr a = v4(0xc0000000 + (i << 8));
		half_more(g, &a);
	}
	hf_guard_rule(g, &(struct hf_guard_rules){.half_open = 1, .strangers_percent = 1});
	hf_guard_price(g, HF_NS_S); /* no stranger comes in */
	(void)syn(g, 1), (void)syn(g, 1);
	before = (uint32_t)STAT(g, syn_known);
	for (uint32_t i = 0; i < 300; i++)
		still += syn(g, 0x0a000000 + (i << 8)) == HF_GUARD_GO;
	assert_int_equal(still, 300);
	assert_int_equal(STAT(g, syn_known) - before, 300);
	assert_true(STAT(g, prefixes) <= 1024);
	assert_true(STAT(g, prefixes_evicted) > 90000);
	free(g);
}

/* Even if all keys fell into one set: a table of one. */
static void a_set_full_of_better_ones_takes_nobody_worse(void **state)
{
	struct hf_guard *g = make(8, 1, (struct hf_guard_rules){.half_open = 1});
	struct hf_addr a = v4(0xc0000000);
	(void)state;
	for (uint32_t i = 0; i < 8; i++)
		done(g, 0x0a000000 + (i << 8));
	half_more(g, &a);
	assert_int_equal(STAT(g, prefixes_unseen), 1);
	assert_int_equal(
		syn(g, 0xc0000000), HF_GUARD_GO); /* not remembered: no limits of its own */
	now += 5 * SEC;
	done(g, 0x0b000000); /* as good as they, and later: the oldest goes */
	assert_int_equal(STAT(g, prefixes_evicted), 1);
	now += 700 * SEC;
	half_more(g, &a); /* they are worth nothing any more */
	assert_int_equal(syn(g, 0xc0000000), HF_GUARD_HALF_OPEN);
	free(g);
}

static void the_worst_come_first(void **state)
{
	struct hf_guard *g = MAKE(.handshakes_per_s = 5, .cost_ns_per_s = 500 * MS);
	struct hf_addr dear = v4(0x0b000001);
	struct hf_guard_row row[3];
	(void)state;
	now = HF_ROUND_UP(now, SEC);
	for (uint32_t i = 0; i < 20; i++) {
		(void)opened(g, 0x0a000001);
		(void)syn(g, 0x0a000001);
	}
	hf_guard_charge(g, &dear, 30 * MS, now);
	done(g, 0x0c000001);
	now += SEC;
	assert_int_equal(hf_guard_top(g, row, 2, now), 2);
	assert_int_equal(hf_guard_top(g, row, 3, now), 3);
	assert_int_equal(row[0].prefix.addr.b[12], 0x0a);
	assert_int_equal(row[0].handshakes_per_s, 5);
	assert_int_equal(row[0].refused[HF_GUARD_HANDSHAKES], 15 + 16);
	assert_false(row[0].known);
	assert_int_equal(row[1].prefix.addr.b[12], 0x0b);
	assert_int_equal(row[1].cost_per_s, 30 * MS);
	assert_int_equal(row[2].prefix.addr.b[12], 0x0c);
	assert_true(row[2].known);
	free(g);
}

/* A flood from one place is seen, though most of its SYNs are not looked up. */
static void who_floods_from_one_place_is_seen(void **state)
{
	struct hf_guard *g = strangers();
	struct hf_guard_row row[1];
	(void)state;
	now = HF_ROUND_UP(now, SEC);
	for (uint32_t i = 0; i < 20000; i++) {
		(void)syn(g, 0x0b000000 + (i & 0xff));
		(void)syn(g, (uint32_t)test_rand(&next_id));
	}
	now += SEC;
	assert_int_equal(hf_guard_top(g, row, 1, now), 1);
	assert_int_equal(row[0].prefix.addr.b[12], 0x0b);
	assert_in_range(row[0].refused[HF_GUARD_STRANGER], 18000, 20000);
	free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_rules_all_come_in),
		cmocka_unit_test(half_open_is_counted_by_prefix),
		cmocka_unit_test(half_open_counts_end_also_without_a_limit),
		cmocka_unit_test(handshakes_are_a_rate_with_a_second_at_once),
		cmocka_unit_test(who_comes_too_late_to_open_is_refused_then),
		cmocka_unit_test(cost_is_a_part_of_the_time),
		cmocka_unit_test(each_worker_has_its_part),
		cmocka_unit_test(prefixes_are_as_long_as_the_rules_say),
		cmocka_unit_test(lists_come_before_limits),
		cmocka_unit_test(a_flood_gets_its_share),
		cmocka_unit_test(known_ones_do_not_notice_a_flood),
		cmocka_unit_test(a_known_name_is_good_for_some_hundred_syns),
		cmocka_unit_test(who_means_it_says_it_again),
		cmocka_unit_test(in_a_flood_new_clients_get_in),
		cmocka_unit_test(without_a_flood_nobody_is_refused),
		cmocka_unit_test(a_syn_that_is_repeated_is_bounded_too),
		cmocka_unit_test(nobody_is_pushed_out_by_a_flood),
		cmocka_unit_test(a_set_full_of_better_ones_takes_nobody_worse),
		cmocka_unit_test(the_worst_come_first),
		cmocka_unit_test(who_floods_from_one_place_is_seen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
