/* capacity.c -- what is made of figures: which of them count, and at which of its two prices each part of a
 * handshake enters a rate. The clock is this test's: only engines and runs move it. */
#include "app/handfast/selfrun.h"
#include "app/handfast/site_load.h"
#include "tests/support/test.h"

static uint64_t clock_ns;
static const uint64_t *half_ns; /* of the rounds to come */

uint64_t hf_os_now_ns(void)
{
	return clock_ns;
}

void hf_log(enum hf_log_level level, const char *area, const char *format, ...)
{
	(void)level;
	(void)area;
	(void)format;
}

int hf_selfrun(struct hf_selfrun *out, const struct hf_pk_engine_ref *pk, uint32_t pk_cnt,
	const struct hf_sym_driver *sym, void *sym_ctx)
{
	(void)pk;
	(void)pk_cnt;
	(void)sym;
	(void)sym_ctx;
	*out = (struct hf_selfrun){.cold_ns = *half_ns, .warm_ns = {*half_ns / 2}};
	half_ns++;
	return 0;
}

int hf_engines_start(struct hf_app *app, struct hf_app_worker *aw)
{
	(void)app;
	(void)aw;
	return -1;
}

void hf_engines_stop(struct hf_app_worker *aw)
{
	(void)aw;
}

/* ---- engines: X25519 alone, eight lanes in 400 ns, or one by one in 100 ns ---- */

static bool takes_x25519(void *ctx, enum hf_ec_kind kind, enum hf_group group)
{
	(void)ctx;
	(void)kind;
	return group == HF_GROUP_X25519;
}

static void batch(void *ctx, struct hf_ec_op *ops, uint32_t cnt)
{
	(void)ctx;
	(void)ops;
	(void)cnt;
	clock_ns += 400;
}

static void each(void *ctx, struct hf_ec_op *ops, uint32_t cnt)
{
	(void)ctx;
	(void)ops;
	clock_ns += 100ull * cnt;
}

static const struct hf_pk_engine
	lanes = {.name = "lanes", .ec_quantum = 8, .takes_ec = takes_x25519, .ec = batch},
	whole = {.name = "whole", .ec_quantum = 1, .takes_ec = takes_x25519, .ec = each};

/* A burst costs 70 ns and 10 ns for each job. */
static void burst(void *ctx, struct hf_sym_job *const *jobs, uint32_t cnt)
{
	(void)ctx;
	(void)jobs;
	clock_ns += 70 + 10ull * cnt;
}

static const struct hf_sym_driver sym = {.name = "sym", .burst = burst};

static void measure(struct hf_capacity *c, const struct hf_pk_engine *const *engine, uint32_t cnt,
	uint32_t rounds)
{
	struct hf_pk_engine_ref ref[2] = {{.engine = engine[0]}, {.engine = engine[cnt - 1]}};
	hf_capacity_measure(c, ref, cnt, &sym, NULL, rounds);
}

static const struct hf_pk_engine *const both[] = {&lanes, &whole}, *const one_by_one[] = {&whole};

static void the_best_engine_has_the_price(void **state)
{
	static const uint64_t half[] = {10, 10};
	struct hf_capacity c;
	const struct hf_capacity_op *op = &c.ec[HF_EC_MULTIPLY][HF_GROUP_X25519];
	(void)state;
	half_ns = half;
	measure(&c, both, 2, 1);
	assert_int_equal(op->ns, 50);
	assert_int_equal(op->lanes, 8);
	assert_int_equal(op->alone_ns, 100);
	measure(&c, one_by_one, 1, 1);
	assert_int_equal(op->ns, 100);
	assert_int_equal(op->lanes, 1);
	assert_int_equal(op->alone_ns, 100);
	assert_int_equal(c.rsa[0].ns, 0);
}

static void bursts_have_a_price_of_their_own(void **state)
{
	static const uint64_t half[] = {10};
	struct hf_capacity c;
	(void)state;
	half_ns = half;
	measure(&c, one_by_one, 1, 1);
	assert_int_equal(c.prf.cold_ns, 80);
	assert_int_equal(c.prf.warm_ns, 150 / 8);
	assert_int_equal(c.hash.cold_ns, 80);
	assert_int_equal(c.hash.warm_ns, 150 / 8);
}

/* Two rounds of eight that were disturbed, and two that were lucky, change nothing. */
static void odd_rounds_do_not_count(void **state)
{
	static const uint64_t half[] = {1000, 2, 1040, 90000, 1020, 4, 70000, 1060};
	struct hf_capacity c;
	(void)state;
	half_ns = half;
	measure(&c, one_by_one, 1, HF_CAPACITY_ROUNDS);
	assert_int_equal(c.half.cold_ns, 1030);
	assert_int_equal(c.half.warm_ns[0], 515);
}

/* ---- rates ---- */

static struct hf_plan plan = {.port = {{.device = "net_af_xdp0,iface=x"}}, .port_cnt = 1};
static const struct hf_pk_key rsa = {.type = HF_PK_RSA, .bits = 2048};

/* RSA in four lanes, X25519 in eight. */
static const struct hf_capacity side_by_side = {.rsa = {{100000, 4, 500000}},
	.ec = {[HF_EC_BASE] = {[HF_GROUP_X25519] = {3000, 8, 30000}},
		[HF_EC_MULTIPLY] = {[HF_GROUP_X25519] = {10000, 8, 40000}}},
	.prf = {2000, 1000},
	.hash = {4000, 2000},
	.half = {.cold_ns = 30000, .warm_ns = {8000, 6000, 5000}}};

static double ns(const struct hf_capacity *c, enum hf_capacity_kind kind)
{
	return 1e9 / hf_capacity_rate(c, &plan, &rsa, HF_GROUP_X25519, kind);
}

static bool about(double a, double b)
{
	return a > b - 1 && a < b + 1;
}

/* Keys in lanes: everything at the price of bursts, save the code of the first in each. Keys one at a time: nothing. */
static void keys_in_lanes_make_bursts(void **state)
{
	struct hf_capacity c = side_by_side, colder = c, warmer = c;
	(void)state;
	colder.prf.cold_ns = colder.hash.cold_ns = 900000;
	warmer.prf.warm_ns = warmer.hash.warm_ns = warmer.half.warm_ns[0] = 1;
	assert_true(about(ns(&colder, HF_CAPACITY_RSA), ns(&c, HF_CAPACITY_RSA)));
	assert_true(ns(&warmer, HF_CAPACITY_RSA) < ns(&c, HF_CAPACITY_RSA) - 1000);
	assert_true(about(ns(&colder, HF_CAPACITY_RESUMED), ns(&c, HF_CAPACITY_RESUMED)));
	colder.half.cold_ns += 3200;
	assert_true(about(ns(&colder, HF_CAPACITY_RSA), ns(&c, HF_CAPACITY_RSA) + 1.95 * 3200 / 4));
	assert_true(about(
		ns(&colder, HF_CAPACITY_RESUMED), ns(&c, HF_CAPACITY_RESUMED) + 1.95 * 3200 / 32));
	c.rsa[0].lanes = colder.rsa[0].lanes = warmer.rsa[0].lanes = 1;
	assert_true(ns(&c, HF_CAPACITY_RSA) > ns(&side_by_side, HF_CAPACITY_RSA) + 1000);
	assert_true(ns(&colder, HF_CAPACITY_RSA) > ns(&c, HF_CAPACITY_RSA) + 1000);
	assert_true(about(ns(&warmer, HF_CAPACITY_RSA), ns(&c, HF_CAPACITY_RSA)));
	assert_true(about(
		ns(&colder, HF_CAPACITY_RESUMED), ns(&c, HF_CAPACITY_RESUMED) + 1.95 * 3200 / 32));
}

/* As many connections share turns as there are lanes; resumptions, as many as come. */
static void more_lanes_make_longer_bursts(void **state)
{
	struct hf_capacity c = side_by_side;
	double four, eight, all = ns(&c, HF_CAPACITY_RESUMED);
	(void)state;
	four = ns(&c, HF_CAPACITY_RSA);
	c.rsa[0].lanes = 8;
	eight = ns(&c, HF_CAPACITY_RSA);
	assert_true(eight < four - 1000);
	c.half.warm_ns[0] = 900000;
	assert_true(about(ns(&c, HF_CAPACITY_RSA), eight));
	c.half.warm_ns[1] = 900000;
	assert_true(ns(&c, HF_CAPACITY_RSA) > four);
	assert_true(about(ns(&c, HF_CAPACITY_RESUMED), all));
}

/* Four signatures bring two and a half answers at a time, which fill no eight lanes. */
static void answers_come_as_they_were_signed(void **state)
{
	static const struct {
		uint64_t signed_together, alone_ns;
		double each_ns;
	} rows[] = {{4, 40000, 10000 * 8 / 2.5}, {4, 20000, 20000}, {8, 40000, 10000},
		{1, 40000, 40000}};
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		struct hf_capacity c = side_by_side;
		struct hf_capacity_op *derive = &c.ec[HF_EC_MULTIPLY][HF_GROUP_X25519];
		double charged;
		c.rsa[0].lanes = rows[i].signed_together;
		derive->alone_ns = rows[i].alone_ns;
		charged = ns(&c, HF_CAPACITY_ECDHE);
		derive->ns = 0;
		assert_true(about(charged - ns(&c, HF_CAPACITY_ECDHE), rows[i].each_ns));
	}
}

/* Where they wait for each other more meet, in as long as handshakes take, up to all lanes. */
static void answers_that_wait_share_a_batch(void **state)
{
	static const struct {
		hf_ns gather_ns;
		double each_ns;
	} rows[] = {{1, 10000 * 8 / 2.5}, {HF_NS_S, 10000}};
	struct hf_capacity none = side_by_side;
	double besides, three;
	(void)state;
	none.ec[HF_EC_MULTIPLY][HF_GROUP_X25519].ns = 0;
	besides = ns(&none, HF_CAPACITY_ECDHE);
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		plan.worker.curve_gather_ns = rows[i].gather_ns;
		assert_true(about(ns(&side_by_side, HF_CAPACITY_ECDHE) - besides, rows[i].each_ns));
	}
	plan.worker.curve_gather_ns = (hf_ns)(3 * besides); /* itself and three */
	three = ns(&side_by_side, HF_CAPACITY_ECDHE) - besides;
	plan.worker.curve_gather_ns = 0;
	assert_true(about(three, 10000 * 8 / 4.0));
}

/* What the kernel asks for a datagram is paid for frames where it drives the device, and there alone. */
static void frames_cost_where_the_kernel_drives(void **state)
{
	static const struct {
		const char *device;
		double percent; /* of a datagram, by a resumption's six frames in and four out */
	} rows[] = {{"net_af_xdp0,iface=x", 6 * 12 + 4 * 74},
		{"net_af_packet0,iface=x", 6 * 45 + 4 * 150}, {"0000:01:00.0", 0},
		{"net_memif0", 0}};
	struct hf_plan one = plan;
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		struct hf_capacity c = side_by_side;
		double without, with;
		one.port[0].device = rows[i].device;
		without = 1e9 /
			  hf_capacity_rate(&c, &one, &rsa, HF_GROUP_X25519, HF_CAPACITY_RESUMED);
		c.datagram_ns = 2000;
		with = 1e9 / hf_capacity_rate(&c, &one, &rsa, HF_GROUP_X25519, HF_CAPACITY_RESUMED);
		assert_true(about(with - without, 20 * rows[i].percent));
	}
}

static void without_a_run_there_is_no_rate(void **state)
{
	struct hf_capacity c = side_by_side;
	(void)state;
	c.half = (struct hf_selfrun){.cold_ns = 0};
	assert_true(hf_capacity_rate(&c, &plan, &rsa, HF_GROUP_X25519, HF_CAPACITY_RSA) <= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_best_engine_has_the_price),
		cmocka_unit_test(bursts_have_a_price_of_their_own),
		cmocka_unit_test(odd_rounds_do_not_count),
		cmocka_unit_test(keys_in_lanes_make_bursts),
		cmocka_unit_test(more_lanes_make_longer_bursts),
		cmocka_unit_test(answers_come_as_they_were_signed),
		cmocka_unit_test(answers_that_wait_share_a_batch),
		cmocka_unit_test(frames_cost_where_the_kernel_drives),
		cmocka_unit_test(without_a_run_there_is_no_rate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
