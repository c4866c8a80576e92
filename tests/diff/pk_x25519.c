/* pk_x25519.c -- every engine with lanes for X25519 against libcrypto: each fill, random and extreme
 * inputs, points of small order and beside p, lanes in any order, the caller's rounding mode. An
 * engine is right when each answer is libcrypto's to the byte, and each refusal. Buffers are as long
 * as the numbers and no longer, so that the sanitizers' build sees a byte too far.
 * HF_DIFF_OPS (4000) random operations of each kind; `make diff-x25519` takes 100000. */
#include "drivers/drivers.h"
#include "lib/base/rand.h"
#include "lib/crypto/pk.h"
#include "lib/os/os.h"
#include "tests/support/test.h"

#define LANES_MAX HF_PK_QUANTUM_MAX
#define LEN 32u

static struct hf_rand rnd;
static void *reference;

/* The engine under test, and the contexts of all, made once: their tables take longer than tests do. */
static const struct hf_pk_engine *engine;
static void *ctx, *contexts[HF_PK_ENGINE_MAX];

static int setup(void **state)
{
	uint8_t seed[HF_RAND_SEED_LEN] = {5};

	(void)state;
	hf_rand_seed(&rnd, seed);
	reference = test_alloc(hf_pk_libcrypto.size());
	return hf_pk_libcrypto.init(reference);
}

static int teardown(void **state)
{
	(void)state;
	hf_pk_libcrypto.fini(reference);
	free(reference);
	for (uint32_t e = 0; hf_pk_engines[e]; e++) {
		if (contexts[e])
			hf_pk_engines[e]->fini(contexts[e]);
		free(contexts[e]);
	}
	return 0;
}

static void with_engines(void (*check)(void))
{
	uint32_t tested = 0;

	for (uint32_t e = 0; hf_pk_engines[e]; e++) {
		engine = hf_pk_engines[e];
		if (!engine->ec || engine->ec_quantum == 1 || !engine->probe())
			continue;
		if (!contexts[e]) {
			contexts[e] = test_alloc(engine->size());
			assert_int_equal(engine->init(contexts[e]), 0);
		}
		ctx = contexts[e];
		if (engine->takes_ec(ctx, HF_EC_MULTIPLY, HF_GROUP_X25519)) {
			check();
			tested++;
		}
	}
	if (tested == 0)
		skip(); /* a processor with no kernel of ours */
}

/* ---- operations ---- */

struct one {
	uint8_t *scalar, *u, *out;
};

static void one_make(struct one *o)
{
	*o = (struct one){malloc(LEN), malloc(LEN), malloc(LEN)};
	hf_rand_bytes(&rnd, o->scalar, LEN);
	hf_rand_bytes(&rnd, o->u, LEN);
}

static void one_free(struct one *o)
{
	free(o->scalar);
	free(o->u);
	free(o->out);
}

static struct hf_ec_op op_of(const struct one *o, uint8_t kind)
{
	memset(o->out, 0xa5, LEN);
	return (struct hf_ec_op){.kind = kind,
		.group = HF_GROUP_X25519,
		.scalar = o->scalar,
		.in = o->u,
		.in_len = LEN,
		.out = o->out,
		.status = HF_EC_UNANSWERED};
}

/* All in one batch; what the engine says of each is what libcrypto says. Returns how many are refused. */
static uint32_t expect_right(struct one *o, uint32_t cnt, uint8_t kind)
{
	struct hf_ec_op op[LANES_MAX], want;
	uint8_t out[LEN];
	uint32_t refused = 0;

	for (uint32_t i = 0; i < cnt; i++)
		op[i] = op_of(&o[i], kind);
	engine->ec(ctx, op, cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		want = op[i];
		want.out = out;
		want.status = HF_EC_UNANSWERED;
		hf_pk_libcrypto.ec(reference, &want, 1);
		assert_int_not_equal(want.status, HF_EC_UNANSWERED);
		assert_int_equal(op[i].status, want.status);
		if (want.status == HF_EC_OK) {
			assert_int_equal(op[i].out_len, LEN);
			assert_memory_equal(o[i].out, out, LEN);
		}
		refused += want.status == HF_EC_REFUSED;
	}
	return refused;
}

/* ---- random ---- */

static void random_inputs(void)
{
	const char *text = getenv("HF_DIFF_OPS");
	uint32_t ops = text ? (uint32_t)strtoul(text, NULL, 10) : 4000, fill = 1;
	struct one o[LANES_MAX];

	for (uint32_t i = 0; i < engine->ec_quantum; i++)
		one_make(&o[i]);
	for (uint32_t done = 0; done < ops; done += fill) {
		for (uint32_t i = 0; i < engine->ec_quantum; i++) {
			hf_rand_bytes(&rnd, o[i].scalar, LEN);
			hf_rand_bytes(&rnd, o[i].u, LEN);
		}
		fill = 1 + fill % engine->ec_quantum;
		assert_int_equal(expect_right(o, fill, HF_EC_BASE), 0);
		assert_int_equal(expect_right(o, fill, HF_EC_MULTIPLY), 0);
	}
	for (uint32_t i = 0; i < engine->ec_quantum; i++)
		one_free(&o[i]);
}

static void every_fill_with_random_inputs(void **state)
{
	(void)state;
	with_engines(random_inputs);
}

/* ---- edges ---- */

/* The u of points of small order, on the curve and on its twist; 0, 1 and p - 1 are three more. */
static const uint8_t order_8[2][LEN] = {
	{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
		0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f,
		0x49, 0xb8, 0x00},
	{0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
		0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0,
		0x9f, 0x11, 0x57},
};

/* u = 2^255 - 1 - below, and with the bit that does not count. */
static void near_the_top(uint8_t *u, uint8_t below, bool top_bit)
{
	memset(u, 0xff, LEN);
	u[0] = (uint8_t)(0xff - below);
	u[LEN - 1] = top_bit ? 0xff : 0x7f;
}

#define EDGE_CNT (100 + 2 * 255)
#define EDGE_REFUSED (2 + 6 + 4 + 1) /* 0, 1; p - 1, p, p + 1, twice; of order 8; 1 once more */

static void edge_u(uint8_t *u, uint32_t nr)
{
	memset(u, 0, LEN);
	if (nr < 32) {
		u[0] = (uint8_t)nr;
	} else if (nr < 96) { /* p - 13 .. p + 18 */
		near_the_top(u, (uint8_t)((nr - 32) / 2), nr % 2);
	} else if (nr < 100) {
		memcpy(u, order_8[nr % 2], LEN);
		u[LEN - 1] |= nr < 98 ? 0 : 0x80;
	} else if (nr < 100 + 255) { /* a single one, or all but one, at each place */
		u[(nr - 100) / 8] = (uint8_t)(1 << (nr - 100) % 8);
	} else {
		memset(u, 0xff, LEN);
		u[(nr - 355) / 8] ^= (uint8_t)(1 << (nr - 355) % 8);
	}
}

static void edge_scalar(uint8_t *scalar, uint32_t nr)
{
	if (nr % 4 == 0)
		memset(scalar, nr % 8 ? 0xff : 0, LEN);
	else if (nr % 4 == 1)
		scalar[nr % LEN] ^= 0xff;
	else
		hf_rand_bytes(&rnd, scalar, LEN);
}

static void edges(void)
{
	struct one o[LANES_MAX];
	uint32_t cnt = engine->ec_quantum, refused = 0, fill;

	for (uint32_t i = 0; i < cnt; i++)
		one_make(&o[i]);
	for (uint32_t first = 0; first < EDGE_CNT; first += fill) {
		fill = HF_MIN(cnt, EDGE_CNT - first);
		for (uint32_t i = 0; i < fill; i++) {
			edge_scalar(o[i].scalar, first + i);
			edge_u(o[i].u, first + i);
		}
		refused += expect_right(o, fill, HF_EC_MULTIPLY);
		assert_int_equal(expect_right(o, fill, HF_EC_BASE), 0);
	}
	assert_int_equal(refused, EDGE_REFUSED);
	for (uint32_t i = 0; i < cnt; i++)
		one_free(&o[i]);
}

static void inputs_at_the_edges(void **state)
{
	(void)state;
	with_engines(edges);
}

/* ---- lanes ---- */

/* One point of small order among others, in each place: it alone is refused. */
static void one_invalid(void)
{
	struct one o[LANES_MAX];
	uint32_t cnt = engine->ec_quantum;

	for (uint32_t i = 0; i < cnt; i++)
		one_make(&o[i]);
	for (uint32_t fill = 1; fill <= cnt; fill++)
		for (uint32_t place = 0; place < fill; place++) {
			memcpy(o[place].u, order_8[place % 2], LEN);
			assert_int_equal(expect_right(o, fill, HF_EC_MULTIPLY), 1);
			hf_rand_bytes(&rnd, o[place].u, LEN);
		}
	for (uint32_t i = 0; i < cnt; i++)
		one_free(&o[i]);
}

static void an_invalid_point_spoils_its_own_lane_only(void **state)
{
	(void)state;
	with_engines(one_invalid);
}

/* The same operations in every rotation: an answer does not depend on its lane or its neighbours. */
static void rotated(void)
{
	struct one o[2 * LANES_MAX];
	uint8_t first[LANES_MAX][LEN];
	uint32_t cnt = engine->ec_quantum;

	for (uint32_t i = 0; i < cnt; i++) {
		one_make(&o[i]);
		o[cnt + i] = o[i];
	}
	for (uint8_t kind = HF_EC_BASE; kind <= HF_EC_MULTIPLY; kind++)
		for (uint32_t turn = 0; turn < cnt; turn++) {
			expect_right(o + turn, cnt, kind);
			for (uint32_t i = 0; i < cnt; i++) {
				if (turn == 0)
					memcpy(first[i], o[i].out, LEN);
				assert_memory_equal(o[i].out, first[i], LEN);
			}
		}
	for (uint32_t i = 0; i < cnt; i++)
		one_free(&o[i]);
}

static void lanes_in_any_order(void **state)
{
	(void)state;
	with_engines(rotated);
}

/* ---- the caller's rounding mode ---- */

/* An engine that computes in floating point computes rightly in any mode, and leaves it as it was. */
static void rounded(void)
{
	uint32_t was = __builtin_ia32_stmxcsr();
	struct one o;
	struct hf_ec_op op;
	uint8_t want[2][LEN];

	one_make(&o);
	for (uint32_t mode = 0; mode < 4; mode++) /* MXCSR bits 13 and 14: down, up, to zero */
		for (uint8_t kind = HF_EC_BASE; kind <= HF_EC_MULTIPLY; kind++) {
			op = op_of(&o, kind);
			__builtin_ia32_ldmxcsr(was | mode << 13);
			engine->ec(ctx, &op, 1);
			assert_int_equal(__builtin_ia32_stmxcsr() >> 13 & 3, mode);
			__builtin_ia32_ldmxcsr(was);
			if (mode == 0)
				memcpy(want[kind], o.out, LEN);
			assert_int_equal(op.status, HF_EC_OK);
			assert_memory_equal(o.out, want[kind], LEN);
		}
	one_free(&o);
}

static void any_rounding_mode_will_do(void **state)
{
	(void)state;
	with_engines(rounded);
}

/* ---- which engine this machine takes ---- */

static const char *best_engine(const char *tier)
{
	uint32_t e = 0;

	assert_int_equal(tier ? setenv("HF_CPU", tier, 1) : unsetenv("HF_CPU"), 0);
	while (!hf_pk_engines[e]->ec || !hf_pk_engines[e]->probe())
		e++;
	return hf_pk_engines[e]->name;
}

static void the_tier_chooses_the_kernel(void **state)
{
	const char *was = getenv("HF_CPU");
	bool avx512f;

	(void)state;
	if (was)
		was = strdup(was);
	assert_string_equal(best_engine("libcrypto"), "libcrypto");
	assert_string_equal(best_engine("avx2"), "libcrypto");
	(void)best_engine(NULL);
	avx512f = hf_os_cpu_has(HF_TIER_AVX512F);
	assert_string_equal(best_engine("avx512f"), avx512f ? "x25519_avx512f" : "libcrypto");
	(void)best_engine(was);
	free((void *)(uintptr_t)was);
	if (!avx512f)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_fill_with_random_inputs),
		cmocka_unit_test(inputs_at_the_edges),
		cmocka_unit_test(an_invalid_point_spoils_its_own_lane_only),
		cmocka_unit_test(lanes_in_any_order),
		cmocka_unit_test(any_rounding_mode_will_do),
		cmocka_unit_test(the_tier_chooses_the_kernel),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
