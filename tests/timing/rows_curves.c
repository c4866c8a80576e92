/* rows_curves.c -- batches on curves by each kernel, for private keys of several classes in all lanes: a ladder must
 * not be quicker for leading zeros, a comb not for digits of zero, a carry not slower when it runs on. Points are
 * public: those of peers are some valid ones, the same for all arms. Of signatures the private key is of
 * the arm, nonces are always random. */
#include <stdlib.h>
#include "drivers/drivers.h"
#include "lib/crypto/pk_engine.h"
#include "lib/os/os.h"
#include "tests/timing/timing.h"

#define LANES 8u
#define LEN 32u
#define FLOOR_NS 10.0 /* as in rows_cores.c */

enum arm { RANDOM, RANDOM_AGAIN, LEAST, GREATEST, ONE_BIT, PLANTED };

static const struct timing_arm arms[] = {
	[RANDOM] = {"random", 1, 0},
	[RANDOM_AGAIN] = {"random again", 1, 0},
	[LEAST] = {"least", 1, 0},
	[GREATEST] = {"greatest", 1, 0},
	[ONE_BIT] = {"one bit", 1, 0},
	[PLANTED] = {"planted 200 ns", 1, 200},
};

struct curve_row {
	const struct hf_pk_engine *engine;
	enum hf_os_tier tier;
	enum hf_ec_kind kind;
	enum hf_group group;
};

/* The order of P-256 less one (FIPS 186-5; SP 800-186 3.2.1.3). */
static const uint8_t greatest_p256[LEN] = {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9,
	0xca, 0xc2, 0xfc, 0x63, 0x25, 0x50};

static const struct curve_row *self;
static void *ctx;
static struct hf_ec_op op[LANES];
static struct hf_pk_key key[LANES];
static uint8_t scalar[LANES][LEN], digest[LANES][LEN], seed[LANES][64];
static uint8_t peer[LANES][HF_EC_POINT_MAX], out[LANES][HF_EC_SIGNATURE_MAX];
static uint32_t leak_ns;

static void fill_random(void *to, size_t len)
{
	uint8_t *p = to;

	for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
		uint64_t r = timing_random();
		memcpy(p + i, &r, sizeof(r));
	}
}

/* X25519's are little endian and may be anything, P-256's big endian and from 1 to the order less one. */
static void draw(uint8_t to[LEN], uint32_t arm)
{
	bool p256 = self->group == HF_GROUP_P256;

	fill_random(to, LEN); /* for every arm, so that preparing is the same */
	if (arm != RANDOM && arm != RANDOM_AGAIN && arm != PLANTED)
		memset(to, 0, LEN);
	if (arm == LEAST)
		to[LEN - 1] = p256;
	else if (arm == GREATEST && p256)
		memcpy(to, greatest_p256, LEN);
	else if (arm == GREATEST)
		memset(to, 0xff, LEN);
	else if (arm == ONE_BIT)
		to[LEN / 2] = 1;
	if (p256 && to[0] == 0xff && arm != GREATEST)
		to[0] = 0x7f; /* below the order */
}

static void compute(void)
{
	self->engine->ec(ctx, op, LANES);
}

static void set_ops(enum hf_ec_kind kind)
{
	for (uint32_t i = 0; i < LANES; i++) {
		key[i] = (struct hf_pk_key){.id = i + 1, .type = HF_PK_EC_P256, .bits = 256};
		key[i].d = hf_span(scalar[i], LEN);
		op[i] = (struct hf_ec_op){.kind = (uint8_t)kind,
			.group = (uint8_t)self->group,
			.scalar = scalar[i],
			.seed = seed[i],
			.out = out[i]};
		if (kind == HF_EC_SIGN)
			op[i].key = &key[i];
		if (kind == HF_EC_BASE)
			continue;
		op[i].in = kind == HF_EC_SIGN ? digest[i] : peer[i];
		op[i].in_len =
			kind == HF_EC_SIGN || self->group == HF_GROUP_X25519 ? LEN : 2 * LEN + 1;
	}
}

static bool start(const void *row)
{
	self = row;
	if (!hf_os_cpu_has(self->tier))
		return false;
	ctx = aligned_alloc(
		HF_CACHE_LINE, HF_ROUND_UP(self->engine->size(), (size_t)HF_CACHE_LINE));
	if (!ctx || self->engine->init(ctx))
		return false;
	set_ops(HF_EC_BASE);
	for (uint32_t i = 0; i < LANES; i++)
		draw(scalar[i], RANDOM);
	compute();
	for (uint32_t i = 0; i < LANES; i++) {
		HF_ASSERT(op[i].status == HF_EC_OK);
		memcpy(peer[i], out[i], sizeof(peer[i]));
	}
	set_ops(self->kind);
	return true;
}

static void prepare(uint32_t arm)
{
	for (uint32_t i = 0; i < LANES; i++)
		draw(scalar[i], arm);
	fill_random(digest, sizeof(digest));
	fill_random(seed, sizeof(seed));
	leak_ns = arms[arm].planted_ns;
}

static void run(void)
{
	compute();
	if (leak_ns)
		timing_waste(leak_ns);
}

static void finish(void)
{
	for (uint32_t i = 0; i < LANES; i++)
		HF_ASSERT(op[i].status != HF_EC_FAULT);
}

static void stop(void)
{
	self->engine->fini(ctx);
	free(ctx);
}

#define ROW(label, of, least, what, on)                                                           \
	{                                                                                         \
		.name = label, .arm = arms, .arm_cnt = HF_ARRAY_LEN(arms), .floor_ns = FLOOR_NS,  \
		.self = &(                                                                        \
			const struct curve_row){&hf_pk_##of, least, HF_EC_##what, HF_GROUP_##on}, \
		.start = start, .prepare = prepare, .run = run, .finish = finish, .stop = stop    \
	}
const struct timing_row timing_curve_rows[] = {
	ROW("x25519_avx512f pair", x25519_avx512f, HF_TIER_AVX512F, BASE, X25519),
	ROW("x25519_avx512f derive", x25519_avx512f, HF_TIER_AVX512F, MULTIPLY, X25519),
	ROW("p256_ifma pair", p256_ifma, HF_TIER_IFMA, BASE, P256),
	ROW("p256_ifma derive", p256_ifma, HF_TIER_IFMA, MULTIPLY, P256),
	ROW("p256_ifma sign", p256_ifma, HF_TIER_IFMA, SIGN, P256),
	ROW("p256_avx512f pair", p256_avx512f, HF_TIER_AVX512F, BASE, P256),
	ROW("p256_avx512f derive", p256_avx512f, HF_TIER_AVX512F, MULTIPLY, P256),
	ROW("p256_avx512f sign", p256_avx512f, HF_TIER_AVX512F, SIGN, P256),
};
const uint32_t timing_curve_row_cnt = HF_ARRAY_LEN(timing_curve_rows);
