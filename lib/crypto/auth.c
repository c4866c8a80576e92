/* auth.c -- a queue, and one place in which a client's chain and signature are put together: they lie
 * in pieces over the buffers of its handshake, X.509 wants them whole, and since one is checked at a
 * time one place is enough. */
#include "lib/crypto/auth.h"

enum job_state {
	FREE,
	TAKEN, /* with the caller: before submit, or after hf_auth_done */
	QUEUED,
	DONE, /* in the list that hf_auth_done empties */
};

struct list {
	struct hf_auth_job *head, *tail;
};

struct hf_auth {
	struct hf_pool jobs;
	const struct hf_auth_driver *driver;
	struct list queue, done;
	struct hf_auth_stats stats;
	uint8_t chain[HF_AUTH_LIST_MAX], signature[HF_AUTH_SIGNATURE_MAX];
};

static const struct hf_stat_row rows[] = {
#define HF_COUNTER(name, help) {#name, help, HF_STAT_COUNTER, offsetof(struct hf_auth_stats, name)},
#define HF_GAUGE(name, help) {#name, help, HF_STAT_GAUGE, offsetof(struct hf_auth_stats, name)},
#define HF_HIST(name, help) {#name, help, HF_STAT_HIST, offsetof(struct hf_auth_stats, name)},
#include "lib/crypto/auth_stats.def"
#undef HF_COUNTER
#undef HF_GAUGE
#undef HF_HIST
};
const struct hf_stat_table hf_auth_stat_table = {"auth", rows, HF_ARRAY_LEN(rows)};

static void list_append(struct list *l, struct hf_auth_job *job)
{
	job->next = NULL;
	job->prev = l->tail;
	*(l->tail ? &l->tail->next : &l->head) = job;
	l->tail = job;
}

static void list_remove(struct list *l, struct hf_auth_job *job)
{
	*(job->prev ? &job->prev->next : &l->head) = job->next;
	*(job->next ? &job->next->prev : &l->tail) = job->prev;
}

size_t hf_auth_footprint(uint32_t job_cnt)
{
	return HF_ROUND_UP(sizeof(struct hf_auth), (size_t)HF_CACHE_LINE) +
	       hf_pool_footprint(sizeof(struct hf_auth_job), job_cnt);
}

struct hf_auth *hf_auth_init(void *mem, uint32_t job_cnt, const struct hf_auth_driver *driver)
{
	struct hf_auth *a = mem;

	memset(mem, 0, hf_auth_footprint(job_cnt));
	a->driver = driver;
	hf_pool_init(&a->jobs, (uint8_t *)mem + HF_ROUND_UP(sizeof(*a), (size_t)HF_CACHE_LINE),
		sizeof(struct hf_auth_job), job_cnt);
	return a;
}

struct hf_auth_job *hf_auth_take(struct hf_auth *a)
{
	struct hf_auth_job *job = hf_pool_take(&a->jobs);

	if (!job) {
		a->stats.refused++;
		return NULL;
	}
	a->stats.jobs++;
	memset(job, 0, sizeof(*job));
	job->state = TAKEN;
	return job;
}

void hf_auth_give(struct hf_auth *a, struct hf_auth_job *job)
{
	HF_ASSERT(job->state == TAKEN);
	job->state = FREE;
	hf_pool_give(&a->jobs, job);
	a->stats.jobs--;
}

void hf_auth_submit(struct hf_auth *a, struct hf_auth_job *job, hf_ns now)
{
	HF_ASSERT(job->state == TAKEN && job->client);
	job->state = QUEUED;
	job->submitted_at = now;
	list_append(&a->queue, job);
	a->stats.submitted++;
	a->stats.queued++;
	a->stats.queued_max = HF_MAX(a->stats.queued_max, a->stats.queued);
}

static void complete(struct hf_auth *a, struct hf_auth_job *job, enum hf_auth_verdict verdict)
{
	list_remove(&a->queue, job);
	a->stats.queued--;
	job->verdict = (uint8_t)verdict;
	job->state = DONE;
	list_append(&a->done, job);
}

void hf_auth_cancel(struct hf_auth *a, struct hf_auth_job *job)
{
	HF_ASSERT(job->state == QUEUED || job->state == DONE);
	if (job->state == DONE)
		return; /* answered, and counted as what it was */
	a->stats.cancelled++;
	complete(a, job, HF_AUTH_CANCELLED);
}

bool hf_auth_waits(const struct hf_auth *a)
{
	return a->queue.head;
}

/* The pieces behind each other. Empty when there is no room. */
static struct hf_span gather(uint8_t *to, size_t cap, const struct hf_span *v, uint32_t cnt)
{
	struct hf_writer w = hf_writer(to, cap);

	for (uint32_t i = 0; i < cnt; i++)
		hf_writer_span(&w, v[i]);
	return hf_span(to, w.overflow ? 0 : w.len);
}

static enum hf_auth_verdict check(struct hf_auth *a, const struct hf_auth_job *job)
{
	struct hf_auth_question q = {.ca = job->ca,
		.list = gather(a->chain, sizeof(a->chain), job->list, job->list_cnt),
		.signature = gather(
			a->signature, sizeof(a->signature), job->signature, job->signature_cnt),
		.digest = job->digest,
		.kind = job->kind,
		.hash = job->hash,
		.now_s = job->now_s};

	return a->driver ? a->driver->check(&q, job->client) : HF_AUTH_FAILED;
}

bool hf_auth_work(struct hf_auth *a, hf_ns now)
{
	struct hf_auth_job *job = a->queue.head;
	enum hf_auth_verdict verdict;

	if (!job)
		return false;
	hf_hist_add(&a->stats.wait_ns, now - job->submitted_at);
	verdict = check(a, job);
	a->stats.verified += verdict == HF_AUTH_OK;
	a->stats.failed += verdict == HF_AUTH_FAILED;
	a->stats.refused_clients += verdict != HF_AUTH_OK && verdict != HF_AUTH_FAILED;
	complete(a, job, verdict);
	return a->queue.head;
}

struct hf_auth_job *hf_auth_done(struct hf_auth *a)
{
	struct hf_auth_job *job = a->done.head;

	if (job) {
		list_remove(&a->done, job);
		job->state = TAKEN;
	}
	return job;
}

const struct hf_auth_stats *hf_auth_stats(const struct hf_auth *a)
{
	return &a->stats;
}
