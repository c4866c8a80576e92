/* sym_double.c -- see sym_double.h. */
#include "tests/doubles/sym_double.h"

enum hf_sym_kind sym_double_breaks = HF_SYM_KIND_CNT;
uint64_t sym_double_forgotten;

static bool probe(void)
{
	return true;
}

static size_t size(uint32_t schedule_cnt)
{
	(void)schedule_cnt;
	return HF_CACHE_LINE;
}

static int init(void *ctx, uint32_t schedule_cnt)
{
	(void)ctx;
	(void)schedule_cnt;
	return 0;
}

static void fini(void *ctx)
{
	(void)ctx;
}

static void forget(void *ctx, uint64_t keys_id)
{
	(void)ctx;
	HF_ASSERT(keys_id != 0);
	sym_double_forgotten++;
}

static bool begins(const struct hf_sym_job *job, const char *mark)
{
	return job->len >= 4 && memcmp(job->data, mark, 4) == 0;
}

/* Tickets: the one use of encrypt-then-MAC, whose layout is kept because its length is looked at. */
static uint8_t open_etm(struct hf_sym_job *job)
{
	const struct hf_cipher_info *info = &hf_cipher_info[job->keys->cipher];
	uint32_t body_len = job->len - info->tag_len;

	job->out_off = info->prefix_len;
	job->out_len = body_len - info->prefix_len - job->data[body_len - 1] - 1u;
	for (uint32_t i = body_len; i < job->len; i++)
		if (job->data[i] != (SYM_DOUBLE_TAG ^ job->keys->mac[0]))
			return HF_SYM_BAD_RECORD;
	return HF_SYM_OK;
}

static uint8_t seal_etm(struct hf_sym_job *job)
{
	const struct hf_cipher_info *info = &hf_cipher_info[job->keys->cipher];
	uint32_t len = HF_ROUND_UP(job->len + 1, 16u);

	memcpy(job->data, job->iv, info->prefix_len);
	memset(job->data + info->prefix_len + job->len, (int)(len - job->len - 1), len - job->len);
	job->out_len = info->prefix_len + len;
	memset(job->data + job->out_len, SYM_DOUBLE_TAG ^ job->keys->mac[0], info->tag_len);
	job->out_len += info->tag_len;
	return HF_SYM_OK;
}

static uint8_t open_record(struct hf_sym_job *job)
{
	if (job->keys->etm)
		return open_etm(job);
	job->out_off = 0;
	job->out_len = job->len;
	if (begins(job, SYM_DOUBLE_ERROR))
		return HF_SYM_ERROR;
	return begins(job, SYM_DOUBLE_BAD) ? HF_SYM_BAD_RECORD : HF_SYM_OK;
}

static uint8_t seal_record(struct hf_sym_job *job)
{
	const struct hf_cipher_info *info = &hf_cipher_info[job->keys->cipher];

	if (job->keys->etm)
		return seal_etm(job);
	for (uint32_t i = 0; i < info->prefix_len; i++) {
		uint64_t nonce = job->seq >> (8 * (7 - i % 8));
		job->data[i] = info->aead ? (uint8_t)nonce : job->iv[i];
	}
	memset(job->data + info->prefix_len + job->len, SYM_DOUBLE_TAG, info->tag_len);
	job->out_len = info->prefix_len + job->len + info->tag_len;
	return HF_SYM_OK;
}

static uint8_t hash(struct hf_sym_job *job)
{
	uint64_t h = 0xcbf29ce484222325ull; /* FNV-1a */

	job->out_len = job->hash == HF_SHA384 ? 48 : 32;
	for (uint32_t i = 0; i < job->v_cnt; i++)
		for (size_t j = 0; j < job->v[i].len; j++)
			h = (h ^ job->v[i].p[j]) * 0x100000001b3ull;
	for (uint32_t i = 0; i < job->out_len; i++)
		job->out[i] = (uint8_t)(h >> (8 * (i % 8)));
	return HF_SYM_OK;
}

static uint8_t prf(struct hf_sym_job *job)
{
	for (uint32_t i = 0; i < job->out_len; i++)
		job->out[i] = job->v[1].p[i % job->v[1].len];
	return HF_SYM_OK;
}

void sym_double_prf(const char *label, uint8_t *out, uint32_t out_len)
{
	size_t len = strlen(label);

	for (uint32_t i = 0; i < out_len; i++)
		out[i] = (uint8_t)label[i % len];
}

static void burst(void *ctx, struct hf_sym_job *const *jobs, uint32_t cnt)
{
	static uint8_t (*const compute[HF_SYM_KIND_CNT])(struct hf_sym_job * job) = {
		[HF_SYM_SEAL] = seal_record,
		[HF_SYM_OPEN] = open_record,
		[HF_SYM_HASH] = hash,
		[HF_SYM_PRF] = prf};

	(void)ctx;
	for (uint32_t i = 0; i < cnt; i++)
		jobs[i]->status = jobs[i]->kind == sym_double_breaks
					  ? HF_SYM_ERROR
					  : compute[jobs[i]->kind](jobs[i]);
}

const struct hf_sym_driver sym_double = {.name = "double",
	.probe = probe,
	.size = size,
	.init = init,
	.fini = fini,
	.burst = burst,
	.forget = forget};
