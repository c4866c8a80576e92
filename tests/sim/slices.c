/* slices.c -- begin remembers the operations, steps count down, end computes. Which operations stay
 * unanswered goes by their number, so it is the same in every run. */
#include "drivers/drivers.h"
#include "tests/sim/slices.h"

#define QUANTUM 4u
#define READY_CNT 8u      /* keys kept ready */
#define PREPARE_STEPS 3u  /* to make one so */
#define UNANSWERED_EACH 7 /* every so many operations */

struct slices {
	struct hf_rsa_op *op;
	uint32_t op_cnt, step_cnt, left;
	uint64_t done_cnt;
	uint64_t ready[READY_CNT], preparing; /* key ids */
	uint32_t ready_next, prepared;
	_Alignas(HF_CACHE_LINE) uint8_t libcrypto[];
};

static bool probe(void)
{
	return true;
}

static size_t size(void)
{
	return sizeof(struct slices) + hf_pk_libcrypto.size();
}

static int init(void *ctx)
{
	struct slices *s = ctx;
	*s = (struct slices){.step_cnt = 1};
	return hf_pk_libcrypto.init(s->libcrypto);
}

static void fini(void *ctx)
{
	hf_pk_libcrypto.fini(((struct slices *)ctx)->libcrypto);
}

void slices_set(void *ctx, uint32_t step_cnt)
{
	((struct slices *)ctx)->step_cnt = step_cnt;
}

static bool takes(void *ctx HF_UNUSED, const struct hf_pk_key *key)
{
	return key->type == HF_PK_RSA;
}

static bool is_ready(const struct slices *s, uint64_t key_id)
{
	for (uint32_t i = 0; i < READY_CNT; i++)
		if (s->ready[i] == key_id)
			return true;
	return false;
}

static void make_ready(struct slices *s, uint64_t key_id)
{
	s->ready[s->ready_next++ % READY_CNT] = key_id;
}

static void forget(void *ctx, uint64_t key_id)
{
	struct slices *s = ctx;
	for (uint32_t i = 0; i < READY_CNT; i++)
		if (s->ready[i] == key_id)
			s->ready[i] = 0;
	hf_pk_libcrypto.forget(s->libcrypto, key_id);
}

static bool prepare(void *ctx, const struct hf_pk_key *key, const uint8_t *seed HF_UNUSED)
{
	struct slices *s = ctx;
	HF_ASSERT(s->op == NULL && key->id != 0);
	if (is_ready(s, key->id))
		return false;
	s->prepared = s->preparing == key->id ? s->prepared + 1 : 1;
	s->preparing = key->id;
	if (s->prepared == PREPARE_STEPS)
		make_ready(s, key->id);
	return true;
}

static uint32_t begin(void *ctx, struct hf_rsa_op *ops, uint32_t cnt)
{
	struct slices *s = ctx;
	HF_ASSERT(s->op == NULL && cnt > 0 && cnt <= QUANTUM);
	if (!is_ready(s, ops[0].key->id))
		make_ready(s, ops[0].key->id);
	s->op = ops;
	s->left = s->step_cnt;
	for (s->op_cnt = 1; s->op_cnt < cnt && is_ready(s, ops[s->op_cnt].key->id);)
		s->op_cnt++;
	return s->op_cnt;
}

static bool step(void *ctx)
{
	struct slices *s = ctx;
	HF_ASSERT(s->op != NULL && s->left > 0);
	return --s->left > 0;
}

static void end(void *ctx)
{
	struct slices *s = ctx;
	HF_ASSERT(s->op != NULL && s->left == 0);
	for (uint32_t i = 0; i < s->op_cnt; i++) {
		s->op[i].status = HF_RSA_UNANSWERED;
		if (++s->done_cnt % UNANSWERED_EACH != 0)
			hf_pk_libcrypto.rsa(s->libcrypto, &s->op[i], 1);
	}
	s->op = NULL;
}

const struct hf_pk_engine slices_engine = {
	.name = "slices",
	.cost = HF_PK_SLICEABLE,
	.quantum = QUANTUM,
	.probe = probe,
	.size = size,
	.init = init,
	.fini = fini,
	.takes = takes,
	.forget = forget,
	.begin = begin,
	.step = step,
	.end = end,
	.prepare = prepare,
};
