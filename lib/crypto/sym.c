/* sym.c -- jobs gather during a turn and are computed at one point of it, so that a driver sees
 * many connections' records and key derivations side by side and may fill its lanes with them. Jobs
 * do not depend on each other, hence their order means nothing: a cancelled one leaves its place to
 * the last. Records, hashes and key derivations have a queue each: none of them shares lanes with another,
 * and so each can be told apart by the time it takes. What a job points to is the caller's and is touched only inside hf_sym_flush. */
#include "lib/crypto/sym.h"
#include "lib/base/secret.h"

enum job_state {
	FREE,
	TAKEN, /* with the caller: before submit, or after hf_sym_done */
	QUEUED,
	DONE, /* in the list that hf_sym_done empties */
};

struct queue {
	struct hf_sym_job **v;
	uint32_t cnt;
};

static const uint8_t group_of[HF_SYM_KIND_CNT] = {[HF_SYM_SEAL] = HF_SYM_RECORDS,
	[HF_SYM_OPEN] = HF_SYM_RECORDS,
	[HF_SYM_HASH] = HF_SYM_HASHES,
	[HF_SYM_PRF] = HF_SYM_PRFS};

struct hf_sym {
	struct hf_pool jobs;
	const struct hf_sym_driver *driver;
	void *driver_ctx;
	struct queue queue[HF_SYM_GROUP_CNT];
	struct hf_sym_job *done_head, *done_tail;
	struct hf_sym_stats stats;
};

const struct hf_hash_info hf_hash_info[HF_HASH_CNT] = {[HF_SHA1] = {20, 64},
	[HF_SHA256] = {32, 64},
	[HF_SHA384] = {48, 128},
	[HF_SHA512] = {64, 128}};

/* RFC 5246 appendix C; the CBC prefix is the explicit IV (6.2.3.2), the GCM prefix the explicit
 * nonce (RFC 5288 3). GCM keeps its four salt bytes as the fixed IV, ChaCha20-Poly1305 all twelve
 * (RFC 7905 2). */
const struct hf_cipher_info hf_cipher_info[HF_CIPHER_CNT] = {
	/* clang-format off */
	/*                               key mac iv prefix tag block aead   hash */
	[HF_CIPHER_NONE]              = { 0,  0,  0,  0,   0,   1, false, 0},
	[HF_CIPHER_AES128_CBC_SHA1]   = {16, 20,  0, 16,  20,  16, false, HF_SHA1},
	[HF_CIPHER_AES256_CBC_SHA1]   = {32, 20,  0, 16,  20,  16, false, HF_SHA1},
	[HF_CIPHER_AES128_CBC_SHA256] = {16, 32,  0, 16,  32,  16, false, HF_SHA256},
	[HF_CIPHER_AES128_GCM]        = {16,  0,  4,  8,  16,   1, true,  0},
	[HF_CIPHER_AES256_GCM]        = {32,  0,  4,  8,  16,   1, true,  0},
	[HF_CIPHER_AES256_CBC_SHA256] = {32, 32,  0, 16,  32,  16, false, HF_SHA256},
	[HF_CIPHER_AES256_CBC_SHA384] = {32, 48,  0, 16,  48,  16, false, HF_SHA384},
	[HF_CIPHER_CHACHA20_POLY1305] = {32,  0, 12,  0,  16,   1, true,  0},
	/* clang-format on */
};

static const struct hf_stat_row rows[] = {
#define HF_COUNTER(name, help) {#name, help, HF_STAT_COUNTER, offsetof(struct hf_sym_stats, name)},
#define HF_GAUGE(name, help) {#name, help, HF_STAT_GAUGE, offsetof(struct hf_sym_stats, name)},
#include "lib/crypto/sym_stats.def"
#undef HF_COUNTER
#undef HF_GAUGE
};
const struct hf_stat_table hf_sym_stat_table = {"sym", rows, HF_ARRAY_LEN(rows)};

static size_t queue_len(uint32_t job_cnt)
{
	return HF_ROUND_UP(sizeof(struct hf_sym_job *) * job_cnt, (size_t)HF_CACHE_LINE);
}

static size_t head_len(uint32_t job_cnt)
{
	return HF_ROUND_UP(sizeof(struct hf_sym), (size_t)HF_CACHE_LINE) +
	       HF_SYM_GROUP_CNT * queue_len(job_cnt);
}

size_t hf_sym_footprint(uint32_t job_cnt)
{
	return head_len(job_cnt) + hf_pool_footprint(sizeof(struct hf_sym_job), job_cnt);
}

struct hf_sym *hf_sym_init(
	void *mem, uint32_t job_cnt, const struct hf_sym_driver *driver, void *driver_ctx)
{
	struct hf_sym *s = mem;
	uint8_t *at = mem;

	memset(mem, 0, hf_sym_footprint(job_cnt)); /* a free job is all zeros, always */
	s->driver = driver;
	s->driver_ctx = driver_ctx;
	for (uint32_t g = 0; g < HF_SYM_GROUP_CNT; g++)
		s->queue[g].v = (void *)(at + HF_ROUND_UP(sizeof(*s), (size_t)HF_CACHE_LINE) +
					 g * queue_len(job_cnt));
	hf_pool_init(&s->jobs, at + head_len(job_cnt), sizeof(struct hf_sym_job), job_cnt);
	return s;
}

struct hf_sym_job *hf_sym_take(struct hf_sym *s)
{
	struct hf_sym_job *job = hf_pool_take(&s->jobs);

	if (!job) {
		s->stats.refused++;
		return NULL;
	}
	s->stats.jobs++;
	job->state = TAKEN;
	return job;
}

void hf_sym_give(struct hf_sym *s, struct hf_sym_job *job)
{
	HF_ASSERT(job->state == TAKEN);
	hf_wipe(job, sizeof(*job));
	hf_pool_give(&s->jobs, job);
	s->stats.jobs--;
}

void hf_sym_submit(struct hf_sym *s, struct hf_sym_job *job)
{
	struct queue *q;

	HF_ASSERT(job->state == TAKEN && job->kind < HF_SYM_KIND_CNT);
	q = &s->queue[group_of[job->kind]];
	job->state = QUEUED;
	job->at = q->cnt;
	q->v[q->cnt++] = job;
}

static void complete(struct hf_sym *s, struct hf_sym_job *job)
{
	job->state = DONE;
	job->next = NULL;
	*(s->done_tail ? &s->done_tail->next : &s->done_head) = job;
	s->done_tail = job;
}

void hf_sym_cancel(struct hf_sym *s, struct hf_sym_job *job)
{
	HF_ASSERT(job->state == QUEUED || job->state == DONE);
	if (job->status == HF_SYM_CANCELLED)
		return;
	job->status = HF_SYM_CANCELLED;
	s->stats.cancelled++;
	if (job->state == QUEUED) {
		struct queue *q = &s->queue[group_of[job->kind]];
		struct hf_sym_job *last = q->v[--q->cnt];
		last->at = job->at;
		q->v[job->at] = last;
		complete(s, job);
	}
}

static void count(struct hf_sym_stats *st, const struct hf_sym_job *job)
{
	if (job->status == HF_SYM_ERROR) {
		st->errors++;
		return;
	}
	if (job->status == HF_SYM_BAD_RECORD) {
		st->bad_records++;
		return;
	}
	switch ((enum hf_sym_kind)job->kind) {
	case HF_SYM_SEAL:
		st->seals++;
		st->sealed_bytes += job->len;
		break;
	case HF_SYM_OPEN:
		st->opens++;
		st->opened_bytes += job->out_len;
		break;
	case HF_SYM_HASH:
		st->hashes++;
		break;
	case HF_SYM_PRF:
		st->prfs++;
		break;
	case HF_SYM_KIND_CNT:
		break;
	}
}

uint32_t hf_sym_flush_group(struct hf_sym *s, enum hf_sym_group group)
{
	struct queue *q = &s->queue[group];
	uint32_t cnt = q->cnt;

	if (cnt == 0)
		return 0;
	s->driver->burst(s->driver_ctx, q->v, cnt);
	s->stats.bursts++;
	s->stats.burst_max = HF_MAX(s->stats.burst_max, cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		count(&s->stats, q->v[i]);
		complete(s, q->v[i]);
	}
	q->cnt = 0;
	return cnt;
}

uint32_t hf_sym_flush(struct hf_sym *s)
{
	uint32_t cnt = 0;

	for (uint32_t g = 0; g < HF_SYM_GROUP_CNT; g++)
		cnt += hf_sym_flush_group(s, (enum hf_sym_group)g);
	return cnt;
}

enum hf_sym_status hf_sym_direct(struct hf_sym *s, struct hf_sym_job *job)
{
	HF_ASSERT(job->state == FREE && job->kind < HF_SYM_KIND_CNT);
	s->driver->burst(s->driver_ctx, &job, 1);
	count(&s->stats, job);
	return (enum hf_sym_status)job->status;
}

struct hf_sym_job *hf_sym_done(struct hf_sym *s)
{
	struct hf_sym_job *job = s->done_head;

	if (job) {
		s->done_head = job->next;
		if (!s->done_head)
			s->done_tail = NULL;
		job->state = TAKEN;
	}
	return job;
}

void hf_sym_forget(struct hf_sym *s, uint64_t keys_id)
{
	s->driver->forget(s->driver_ctx, keys_id);
}

const struct hf_sym_stats *hf_sym_stats(const struct hf_sym *s)
{
	return &s->stats;
}
