/* tls_ja4.c -- the client's fingerprint for the backend. Its texts are hashed beside whatever the
 * handshake computes next, in the same bursts, and nobody waits for them: when a buffer or a job is
 * short the connection goes without, which is counted. The texts lie in a chunk until then. */
#include "lib/tls/tls_hs.h"

static_assert(sizeof(struct hf_ja4) <= HF_CHUNK_DATA, "the texts fit a chunk");

static void give_texts(struct hf_tls_ctx *x, struct hf_tls_hs *hs)
{
	hf_pool_give(&x->bufs->chunk, HF_CONTAINER_OF((uint8_t *)hs->ja4, struct hf_chunk, data));
	hs->ja4 = NULL;
}

void hf_tls_ja4_cancel(struct hf_tls_ctx *x, struct hf_tls_hs *hs)
{
	for (uint32_t i = 0; i < HF_ARRAY_LEN(hs->ja4_job); i++)
		if (hs->ja4_job[i])
			hf_sym_cancel(x->sym, hs->ja4_job[i]);
	hs->ja4_job[0] = hs->ja4_job[1] = NULL;
	if (hs->ja4)
		give_texts(x, hs);
}

/* A text that is empty has no hash, but its job is like others: something must be in it. */
static void submit(struct hf_tls_call *c, uint32_t i, const char *text, uint32_t len)
{
	struct hf_tls_hs *hs = c->t->hs;
	struct hf_sym_job *job = hs->ja4_job[i];

	hs->ja4_v[i] = hf_span(text, HF_MAX(len, 1u));
	job->owner = c->t->owner;
	job->kind = HF_SYM_HASH;
	job->hash = HF_SHA256;
	job->v = &hs->ja4_v[i];
	job->v_cnt = 1;
	job->out = hs->ja4_hash[i];
	hf_sym_submit(c->x->sym, job);
}

void hf_tls_ja4_begin(struct hf_tls_call *c, struct hf_span hello)
{
	struct hf_tls_hs *hs = c->t->hs;
	struct hf_chunk *k = hf_pool_take(&c->x->bufs->chunk);
	struct hf_sym_job *job[2] = {hf_sym_take(c->x->sym), hf_sym_take(c->x->sym)};

	if (k && job[0] && job[1] && hf_ja4_read(hello, (struct hf_ja4 *)k->data) == 0) {
		hs->ja4 = (struct hf_ja4 *)k->data;
		memcpy(hs->ja4_job, job, sizeof(job));
		submit(c, 0, hs->ja4->suites, hs->ja4->suites_len);
		submit(c, 1, hs->ja4->rest, hs->ja4->rest_len);
		return;
	}
	c->x->stats.ja4_missed++;
	for (uint32_t i = 0; i < HF_ARRAY_LEN(job); i++)
		if (job[i])
			hf_sym_give(c->x->sym, job[i]);
	if (k)
		hf_pool_give(&c->x->bufs->chunk, k);
}

bool hf_tls_ja4_done(struct hf_tls_ctx *x, struct hf_tls_hs *hs, const struct hf_sym_job *job)
{
	uint32_t i = job == hs->ja4_job[0] ? 0 : 1;

	if (hs->ja4_job[i] != job)
		return false;
	hs->ja4_job[i] = NULL;
	hs->ja4_failed |= job->status != HF_SYM_OK;
	if (hs->ja4_job[1 - i])
		return true;
	if (hs->ja4_failed) {
		x->stats.ja4_missed++;
	} else {
		hf_ja4_write(hs->ja4, hs->ja4_hash[0], hs->ja4_hash[1], hs->ja4_name);
		hs->ja4_len = HF_JA4_LEN;
	}
	give_texts(x, hs);
	return true;
}
