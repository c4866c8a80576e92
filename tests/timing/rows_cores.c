/* rows_cores.c -- the arithmetic in lanes alone, for operands of each class: a multiplier could be fast
 * for zeros, a carry slow when it runs on, floating point slow at the ends of its range. All lanes
 * hold the same class; the modulus is random, but for one arm in which it is all ones. Random operands
 * have a second arm: what it differs by is the harness's own doing. A sample is some products and a
 * square. And reading the table, for entries near, far, and differing by lane. */
#include <stdlib.h>
#include <immintrin.h>
#include "drivers/drivers.h"
#include "drivers/pk/rsa_batch.h"
#include "lib/os/os.h"
#include "tests/timing/timing.h"

#define PRODUCTS 4u
#define POOL 4u
#define FLOOR_NS 10.0 /* "random again" is not seen beyond it; the clock ticks so */

enum arm { RANDOM, RANDOM_AGAIN, ZERO, ONE, ONES, LARGEST, SMALLEST, MODULUS_ONES, PLANTED, ARMS };

static const struct timing_arm arms[] = {
	[RANDOM] = {"random", 1, 0},
	[RANDOM_AGAIN] = {"random again", 1, 0},
	[ZERO] = {"zero", 1, 0},
	[ONE] = {"one", 1, 0},
	[ONES] = {"bits all ones", 1, 0},
	[LARGEST] = {"digits largest", 1, 0},
	[SMALLEST] = {"digits smallest", 1, 0},
	[MODULUS_ONES] = {"modulus all ones", 1, 0},
	[PLANTED] = {"planted 20 ns", 1, 20},
};

struct core_row {
	const struct hf_rsa_core *core;
	enum hf_os_tier tier;
	uint32_t bits;
};

static const struct core_row *self;
static struct hf_rsa_lanes *lanes, *random_modulus, *ones_modulus;
static struct hf_rsa_vec a[HF_RSA_PRIME_DIGITS_MAX], b[HF_RSA_PRIME_DIGITS_MAX],
	x[HF_RSA_PRIME_DIGITS_MAX];
static uint32_t leak_ns;
/* Operands of each arm, made beforehand, so that preparing is the same for all of them. */
static struct operands {
	struct hf_rsa_vec a[HF_RSA_PRIME_DIGITS_MAX], b[HF_RSA_PRIME_DIGITS_MAX];
} pool[ARMS][POOL];

/* Plain digits of a number of so many bits, by class. In digits that are balanced around zero the
 * patterns become the largest, 2^(w-1) - 1, and the smallest, -2^(w-1). */
static void pattern(const struct hf_rsa_lanes *l, uint64_t *d, uint32_t arm)
{
	uint64_t mask = (1ull << l->digit_bits) - 1, half = 1ull << (l->digit_bits - 1);
	uint32_t i;

	for (i = 0; i < l->digits; i++)
		d[i] = arm == ONES       ? mask
		       : arm == LARGEST  ? half - 1
		       : arm == SMALLEST ? half - (i > 0)
		       : arm == ZERO     ? 0
		       : arm == ONE      ? i == 0
					 : timing_random() & mask;
	for (i = 0; i < l->digits; i++) { /* none beyond the bits */
		uint32_t at = i * l->digit_bits;

		d[i] &= at + l->digit_bits <= self->bits ? mask
			: at < self->bits                ? mask >> (at + l->digit_bits - self->bits)
							 : 0;
	}
}

static void fill(const struct hf_rsa_lanes *l, struct hf_rsa_vec *v, uint32_t arm)
{
	uint64_t d[HF_RSA_DIGITS_MAX];

	for (uint32_t lane = 0; lane < HF_RSA_LANES; lane++) {
		pattern(l, d, arm);
		self->core->encode(l, d, l->digits);
		for (uint32_t i = 0; i < l->digits; i++)
			v[i].lane[lane] = d[i];
	}
}

static struct hf_rsa_lanes *lanes_make(uint32_t arm)
{
	struct hf_rsa_lanes *l = aligned_alloc(64, HF_ROUND_UP(sizeof(*l), (size_t)64));
	uint64_t m[HF_RSA_DIGITS_MAX], aid[HF_RSA_AID_MAX];

	HF_ASSERT(l);
	memset(l, 0, sizeof(*l));
	self->core->shape(l, self->bits);
	for (uint32_t lane = 0; lane < HF_RSA_LANES; lane++) {
		uint32_t top = self->bits - 1;

		pattern(l, m, arm);
		m[0] |= 1;
		m[top / l->digit_bits] |= 1ull << (top % l->digit_bits);
		self->core->aid(l, aid, m);
		self->core->encode(l, m, l->digits);
		for (uint32_t i = 0; i < l->digits; i++)
			l->m[i].lane[lane] = m[i];
		for (uint32_t i = 0; i < l->aid_cnt; i++)
			l->aid[i].lane[lane] = aid[i];
	}
	return l;
}

static bool start(const void *row)
{
	self = row;
	if (!hf_os_cpu_has(self->tier))
		return false;
	lanes = lanes_make(RANDOM);
	random_modulus = lanes_make(RANDOM);
	ones_modulus = lanes_make(ONES);
	for (uint32_t arm = 0; arm < ARMS; arm++)
		for (uint32_t i = 0; i < POOL; i++) {
			fill(lanes, pool[arm][i].a, arm);
			fill(lanes, pool[arm][i].b, arm);
		}
	return true;
}

/* What is drawn, in a place that is the same for all arms, and no trace of where it came from in the
 * cache: which lines it had pushed out would be seen (4 ns). */
static struct operands operands;
static struct hf_rsa_vec m[HF_RSA_PRIME_DIGITS_MAX], aid[HF_RSA_AID_MAX];

static void fetch(struct hf_rsa_vec *to, const struct hf_rsa_vec *from, uint32_t cnt)
{
	memcpy(to, from, cnt * sizeof(*to));
	for (uint32_t i = 0; i < cnt; i++)
		_mm_clflush(from + i);
}

static void load(void)
{
	size_t len = lanes->digits * sizeof(*m);

	memcpy(lanes->m, m, len);
	memcpy(lanes->aid, aid, lanes->aid_cnt * sizeof(*aid));
	memcpy(a, operands.a, len);
	memcpy(b, operands.b, len);
}

static void run(void)
{
	for (uint32_t i = 0; i < PRODUCTS; i++)
		self->core->multiply(lanes, x, a, b);
	self->core->square(lanes, a);
	self->core->add(lanes, x, b);
	if (leak_ns)
		timing_waste(leak_ns);
}

/* Everything in the same places for every arm, and run once before it is timed. */
static void prepare(uint32_t arm)
{
	const struct operands *o = &pool[arm][timing_random() % POOL];
	const struct hf_rsa_lanes *l = arm == MODULUS_ONES ? ones_modulus : random_modulus;

	fetch(operands.a, o->a, l->digits);
	fetch(operands.b, o->b, l->digits);
	fetch(m, l->m, l->digits);
	fetch(aid, l->aid, l->aid_cnt);
	leak_ns = 0;
	load();
	run();
	load();
	leak_ns = arms[arm].planted_ns;
}

static void nothing(void)
{
}

static void stop(void)
{
	free(random_modulus);
	free(ones_modulus);
	free(lanes);
}

/* ---- the table ---- */

enum select_arm { MIXED, FIRST, LAST, SELECT_PLANTED };

static const struct timing_arm select_arms[] = {
	[MIXED] = {"differing", 1, 0},
	[FIRST] = {"first entry", 1, 0},
	[LAST] = {"last entry", 1, 0},
	[SELECT_PLANTED] = {"planted 20 ns", 1, 20},
};

static struct hf_rsa_vec table[HF_RSA_TABLE * HF_RSA_PRIME_DIGITS_MAX], window;

static bool select_start(const void *row)
{
	(void)row;
	for (uint32_t i = 0; i < HF_ARRAY_LEN(table); i++)
		for (uint32_t lane = 0; lane < HF_RSA_LANES; lane++)
			table[i].lane[lane] = timing_random();
	return hf_os_cpu_has(HF_TIER_AVX512F);
}

static void select_prepare(uint32_t arm)
{
	for (uint32_t lane = 0; lane < HF_RSA_LANES; lane++)
		window.lane[lane] = arm == FIRST  ? 0
				    : arm == LAST ? HF_RSA_TABLE - 1
						  : timing_random() % HF_RSA_TABLE;
	leak_ns = select_arms[arm].planted_ns;
}

static void select_run(void)
{
	hf_rsa_select(x, table, &window, HF_RSA_PRIME_DIGITS_MAX / 2);
	if (leak_ns)
		timing_waste(leak_ns);
}

#define CORE(label, of, least, size)                                                              \
	{                                                                                         \
		.name = label, .arm = arms, .arm_cnt = HF_ARRAY_LEN(arms), .floor_ns = FLOOR_NS,  \
		.self = &(const struct core_row){&hf_rsa_core_##of, least, size}, .start = start, \
		.prepare = prepare, .run = run, .finish = nothing, .stop = stop                   \
	}
const struct timing_row timing_core_rows[] = {
	CORE("rsa_ifma 683 bits", ifma, HF_TIER_IFMA, 683),
	CORE("rsa_ifma 1024 bits", ifma, HF_TIER_IFMA, 1024),
	CORE("rsa_ifma 1536 bits", ifma, HF_TIER_IFMA, 1536),
	CORE("rsa_ifma 2048 bits", ifma, HF_TIER_IFMA, 2048),
	CORE("rsa_avx512f 683 bits", avx512f, HF_TIER_AVX512F, 683),
	CORE("rsa_avx512f 1024 bits", avx512f, HF_TIER_AVX512F, 1024),
	CORE("rsa_avx512f 1536 bits", avx512f, HF_TIER_AVX512F, 1536),
	CORE("rsa_avx512f 2048 bits", avx512f, HF_TIER_AVX512F, 2048),
	{.name = "table",
		.arm = select_arms,
		.arm_cnt = HF_ARRAY_LEN(select_arms),
		.floor_ns = FLOOR_NS,
		.start = select_start,
		.prepare = select_prepare,
		.run = select_run,
		.finish = nothing,
		.stop = nothing},
};
const uint32_t timing_core_row_cnt = HF_ARRAY_LEN(timing_core_rows);
