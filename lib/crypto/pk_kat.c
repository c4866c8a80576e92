/* pk_kat.c -- what an engine must show before it serves: that it computes rightly, and how fast.
 * The numbers of a key are read where they lie in its PKCS#8 form, so the engines that parse DER and
 * those that take numbers meet the same key. Two answers come from a table's pattern x: x^d, and n
 * minus it for n - x, since d is odd; for the same reason 0, 1 and n - 1 are their own answers. The
 * inputs go round the lanes. */
#include "lib/base/secret.h"
#include "lib/crypto/pk_ec.h"
#include "lib/crypto/pk_kat_keys.h"

#define CASE_CNT 5u
#define MEASURES 5u /* tries of each way, after one that warms up */

/* y = n - x */
static void minus(const struct hf_span n, const uint8_t *x, uint8_t *y)
{
	uint32_t borrow = 0;

	for (size_t i = n.len; i-- > 0;) {
		uint32_t v = (uint32_t)n.p[i] - x[i] - borrow;

		y[i] = (uint8_t)v;
		borrow = v >> 31;
	}
}

/* Case i: its input in x, what must come out in y. */
static void kat_case(const struct kat *k, uint32_t i, uint8_t *x, uint8_t *y)
{
	size_t len = k->key.n.len;

	memset(x, 0, len);
	x[len - 1] = i == 2 || i == 3;
	if (i < 2) {
		for (size_t j = 0; j < len; j++)
			x[j] = (uint8_t)j;
		memcpy(y, k->answer, len);
	} else {
		memcpy(y, x, len);
	}
	if (i == 1 || i == 2) {
		minus(k->key.n, x, x);
		minus(k->key.n, y, y);
	}
}

/* Returns the steps it had. */
static uint32_t run(
	const struct hf_pk_engine *engine, void *ctx, struct hf_rsa_op *ops, uint32_t cnt)
{
	uint32_t steps = 1;

	if (engine->cost == HF_PK_WHOLE) {
		engine->rsa(ctx, ops, cnt);
		return steps;
	}
	if (engine->begin(ctx, ops, cnt) != cnt)
		return steps; /* the statuses stay UNANSWERED */
	while (engine->step(ctx))
		steps++;
	engine->end(ctx);
	return steps;
}

/* Every case in lane 0 once, the other lanes following in turn. */
int hf_pk_selftest(const struct hf_pk_engine *engine, void *ctx, uint32_t cls)
{
	const struct kat *k = &kats[cls];
	struct hf_rsa_op op[HF_PK_QUANTUM_MAX];
	uint8_t in[CASE_CNT][HF_PK_OUT_MAX], want[CASE_CNT][HF_PK_OUT_MAX];
	uint8_t out[HF_PK_QUANTUM_MAX][HF_PK_OUT_MAX], seed[64] = {1, 2, 3, 4, 5, 6, 7, 8};
	uint32_t good = UINT32_MAX;

	if (engine->ec && cls == 0 && hf_pk_ec_selftest(engine, ctx))
		return -1;
	if (!engine->takes || !engine->takes(ctx, &k->key))
		return engine->ec ? 0 : -1;
	for (uint32_t i = 0; i < CASE_CNT; i++)
		kat_case(k, i, in[i], want[i]);
	for (uint32_t round = 0; round < CASE_CNT; round++) {
		for (uint32_t i = 0; i < engine->quantum; i++)
			op[i] = (struct hf_rsa_op){&k->key, in[(round + i) % CASE_CNT], out[i],
				seed, HF_RSA_UNANSWERED};
		memset(out, 0xa5, sizeof(out));
		run(engine, ctx, op, engine->quantum);
		for (uint32_t i = 0; i < engine->quantum; i++)
			good &= hf_ct_eq((uint32_t)op[i].status, HF_RSA_OK) &
				hf_ct_bytes_eq(out[i], want[(round + i) % CASE_CNT], k->key.n.len);
	}
	engine->forget(ctx, k->key.id);
	return good ? 0 : -1;
}

/* One try of one engine, all lanes with the same input. */
static uint64_t measure_one(
	const struct hf_pk_engine_ref *e, uint32_t cls, uint64_t (*cycles)(void), uint32_t *steps)
{
	const struct kat *k = &kats[cls];
	struct hf_rsa_op op[HF_PK_QUANTUM_MAX];
	uint8_t out[HF_PK_QUANTUM_MAX][HF_PK_OUT_MAX], seed[64] = {1};
	uint64_t began;

	for (uint32_t i = 0; i < e->engine->quantum; i++)
		op[i] = (struct hf_rsa_op){&k->key, k->answer, out[i], seed, HF_RSA_UNANSWERED};
	began = cycles();
	*steps = run(e->engine, e->ctx[cls], op, e->engine->quantum);
	return cycles() - began;
}

struct hf_pk_pace hf_pk_measure(const struct hf_pk_engine_ref *sliced,
	const struct hf_pk_engine_ref *whole, uint32_t cls, uint64_t (*cycles)(void))
{
	struct hf_pk_pace pace = {0};
	uint32_t ignored;

	for (uint32_t i = 0; i <= MEASURES; i++) {
		uint64_t batch = measure_one(sliced, cls, cycles, &pace.steps);
		uint64_t one = measure_one(whole, cls, cycles, &ignored);

		pace.batch = i > 1 ? HF_MIN(pace.batch, batch) : batch;
		pace.whole = i > 1 ? HF_MIN(pace.whole, one) : one;
	}
	sliced->engine->forget(sliced->ctx[cls], kats[cls].key.id);
	whole->engine->forget(whole->ctx[cls], kats[cls].key.id);
	return pace;
}

uint32_t hf_pk_crossover(const struct hf_pk_pace *pace, uint32_t quantum)
{
	for (uint32_t fill = 1; fill <= quantum; fill++)
		if (pace->batch <= fill * pace->whole)
			return fill;
	return quantum + 1;
}
