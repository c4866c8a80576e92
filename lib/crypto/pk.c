/* pk.c -- private keys cost a thousand times more than anything else a handshake does, so who waits
 * for one is parked, and what has gathered when a size class is free is its next batch: load itself
 * fills the lanes. Where operations come fast enough to fill them soon, a batch waits a little for that.
 * Classes take turns slice by slice, so that large keys cost small ones their share and no more. Around
 * the arithmetic stand the parts that must be right once: a job's bytes become an integer below n at
 * submit, the integer that comes back becomes an answer here, and no branch, status, counter or queue
 * knows what a ciphertext held. An engine that cannot answer hands its operation down the list; one that
 * computes wrongly is out. */
#include "lib/crypto/pk_ec.h"
#include "lib/crypto/pk_gather.h"
#include "lib/crypto/pk_pairs.h"
#include "lib/crypto/pk_pss.h"
#include "lib/base/secret.h"
#include "lib/crypto/sym.h"

enum job_state {
	FREE,
	TAKEN, /* with the caller: before submit, or after hf_pk_done */
	QUEUED,
	RUNNING,
	DONE, /* in the list that hf_pk_done empties */
};

struct list {
	struct hf_pk_job *head, *tail;
};

struct engine {
	struct hf_pk_engine_ref ref; /* .off: also when it computed wrongly once */
	struct hf_pk_engine_stats stats[HF_PK_CLASS_CNT];
	struct hf_pk_engine_stats ec_stats[HF_EC_KIND_CNT][HF_GROUP_CNT];
};

/* Operations on curves, the one that is nearest to its handshake's end first: a secret before a signature
 * before a new key pair. In the order of their coming, those who come to a busy port would be begun while those
 * for whom RSA was computed already wait behind them: half-done work would pile up, and few be served. */
#define CURVE_STEPS 3u
static const uint8_t curve_step[HF_PK_OP_CNT] = {
	[HF_PK_ECDH_DERIVE] = 0, [HF_PK_ECDSA_SIGN] = 1, [HF_PK_ECDH_KEYGEN] = 2};

/* Keys of about one size: their queue, and what of it is being computed. */
struct class
{
	uint32_t nr;
	struct list queue;
	struct hf_pk_gather gather;
	bool waits; /* in this turn, for its batch to fill; no longer than until due */
	hf_ns due;
	int32_t credit; /* slices it may still take in this round; below 0 after a dear one */
	uint32_t run_engine, run_cnt; /* job[i] owns op[i] */
	struct hf_pk_job *job[HF_PK_QUANTUM_MAX];
	struct hf_rsa_op op[HF_PK_QUANTUM_MAX];
};

struct hf_pk {
	struct hf_pool jobs;
	struct list curve[CURVE_STEPS], done;
	bool curves_last; /* whose turn it was: with both waiting they alternate */
	struct hf_pk_pairs pairs[HF_GROUP_CNT];
	struct hf_rand *rand; /* they are made of it; NULL: none are made */
	struct hf_sym *sym;   /* NULL: no hashes, so no PSS */
	hf_ns gather_ns;      /* of operations on curves */
	struct class class[HF_PK_CLASS_CNT];
	uint32_t turn; /* the class that is asked first */
	enum hf_pk_slice last;
	struct engine engine[HF_PK_ENGINE_MAX];
	uint32_t engine_cnt;
	struct hf_pk_stats stats;
};

static_assert(HF_PK_OUT_MAX * 8 >= HF_RSA_BITS_MAX, "the largest modulus fits the job");

static const struct hf_stat_row rows[] = {
#define HF_COUNTER(name, help) {#name, help, HF_STAT_COUNTER, offsetof(struct hf_pk_stats, name)},
#define HF_GAUGE(name, help) {#name, help, HF_STAT_GAUGE, offsetof(struct hf_pk_stats, name)},
#define HF_HIST(name, help) {#name, help, HF_STAT_HIST, offsetof(struct hf_pk_stats, name)},
#include "lib/crypto/pk_stats.def"
#undef HF_COUNTER
#undef HF_GAUGE
#undef HF_HIST
};
const struct hf_stat_table hf_pk_stat_table = {"pk", rows, HF_ARRAY_LEN(rows)};

static const struct hf_stat_row engine_rows[] = {
#define ROW(name, help, kind) {#name, help, kind, offsetof(struct hf_pk_engine_stats, name)},
#define HF_COUNTER(name, help) ROW(name, help, HF_STAT_COUNTER)
#define HF_GAUGE(name, help) ROW(name, help, HF_STAT_GAUGE)
#define HF_HIST(name, help) ROW(name, help, HF_STAT_HIST)
#include "lib/crypto/pk_engine_stats.def"
#undef ROW
#undef HF_COUNTER
#undef HF_GAUGE
#undef HF_HIST
};
const struct hf_stat_table hf_pk_engine_stat_table = {
	"pk_engine", engine_rows, HF_ARRAY_LEN(engine_rows)};

static void list_append(struct list *l, struct hf_pk_job *job)
{
	job->next = NULL;
	job->prev = l->tail;
	*(l->tail ? &l->tail->next : &l->head) = job;
	l->tail = job;
}

static void list_prepend(struct list *l, struct hf_pk_job *job)
{
	job->prev = NULL;
	job->next = l->head;
	*(l->head ? &l->head->prev : &l->tail) = job;
	l->head = job;
}

static void list_remove(struct list *l, struct hf_pk_job *job)
{
	*(job->prev ? &job->prev->next : &l->head) = job->next;
	*(job->next ? &job->next->prev : &l->tail) = job->prev;
}

size_t hf_pk_footprint(const struct hf_pk_cfg *cfg)
{
	return HF_ROUND_UP(sizeof(struct hf_pk), (size_t)HF_CACHE_LINE) +
	       hf_pool_footprint(sizeof(struct hf_pk_job), cfg->job_cnt);
}

static void engine_add(struct hf_pk *pk, const struct hf_pk_engine_ref *ref)
{
	struct engine *e = &pk->engine[pk->engine_cnt++];

	HF_ASSERT(HF_MAX(ref->engine->quantum, ref->engine->ops_max) <= HF_PK_QUANTUM_MAX);
	HF_ASSERT(ref->engine->ec_quantum <= HF_PK_QUANTUM_MAX);
	e->ref = *ref;
	pk->stats.engines_off += ref->off;
	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++) {
		e->ref.min_fill[i] = HF_MAX(e->ref.min_fill[i], 1u);
		e->ref.cost[i] = HF_MAX(e->ref.cost[i], 1u);
		if (ref->engine->cost == HF_PK_SLICEABLE)
			hf_hist_add(&e->stats[i].crossover, e->ref.min_fill[i]);
	}
	if (ref->engine->ec_quantum <= 1)
		return;
	for (enum hf_ec_kind k = 0; k < HF_EC_KIND_CNT; k++)
		for (enum hf_group g = HF_GROUP_X25519; g < HF_GROUP_CNT; g++)
			if (ref->engine->takes_ec(ref->ctx[0], k, g))
				hf_hist_add(&e->ec_stats[k][g].crossover,
					HF_MAX(ref->ec_min_fill[k][g], 1u));
}

struct hf_pk *hf_pk_init(void *mem, const struct hf_pk_cfg *cfg,
	const struct hf_pk_engine_ref *engines, uint32_t engine_cnt)
{
	struct hf_pk *pk = mem;

	HF_ASSERT(engine_cnt > 0 && engine_cnt <= HF_PK_ENGINE_MAX);
	HF_ASSERT(engines[engine_cnt - 1].engine->cost == HF_PK_WHOLE &&
		  !engines[engine_cnt - 1].off);
	memset(mem, 0, hf_pk_footprint(cfg)); /* a free job is all zeros, always */
	pk->sym = cfg->sym;
	pk->gather_ns = cfg->gather_ns;
	for (uint32_t i = 0; i < engine_cnt; i++)
		engine_add(pk, &engines[i]);
	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++)
		pk->class[i].nr = i;
	hf_pool_init(&pk->jobs, (uint8_t *)mem + HF_ROUND_UP(sizeof(*pk), (size_t)HF_CACHE_LINE),
		sizeof(struct hf_pk_job), cfg->job_cnt);
	return pk;
}

struct hf_pk_job *hf_pk_take(struct hf_pk *pk)
{
	struct hf_pk_job *job = hf_pool_take(&pk->jobs);

	if (!job) {
		pk->stats.refused++;
		return NULL;
	}
	pk->stats.jobs++;
	job->state = TAKEN;
	return job;
}

void hf_pk_give(struct hf_pk *pk, struct hf_pk_job *job)
{
	HF_ASSERT(job->state == TAKEN);
	hf_wipe(job, sizeof(*job));
	hf_pool_give(&pk->jobs, job);
	pk->stats.jobs--;
}

/* ---- from a job's bytes to an integer below n ---- */

/* A ciphertext that is none (wrong length, or not below n) is replaced by some other number below
 * n, so that an operation is computed for it like for all others, and its answer will be the
 * fallback. Length and n are public, the branch tells nobody anything. */
static void prepare_premaster(struct hf_pk_job *job)
{
	const struct hf_span n = job->key->n;

	job->in_valid = UINT32_MAX;
	if (job->in_len == n.len && memcmp(job->in, n.p, n.len) < 0)
		return;
	job->in_valid = 0;
	for (size_t i = 0; i < n.len; i++)
		job->in[i] = i ? job->seed[i % sizeof(job->seed)] : 0;
}

/* DigestInfo headers of RFC 8017 9.2 note 1. */
static const struct digest_info {
	uint8_t digest_len, head_len, head[19];
} digest_info[] = {
	/* clang-format off */
	[HF_SHA1] = {20, 15, {0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05,
		0x00, 0x04, 0x14}},
	[HF_SHA256] = {32, 19, {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
		0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}},
	[HF_SHA384] = {48, 19, {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
		0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30}},
	[HF_SHA512] = {64, 19, {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
		0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40}},
	/* clang-format on */
};

/* EMSA-PKCS1-v1_5, RFC 8017 9.2: 00 01 FF .. FF 00 DigestInfo. */
static void prepare_pkcs1(struct hf_pk_job *job)
{
	const struct digest_info *info = &digest_info[job->hash];
	size_t k = job->key->n.len, tail_len = (size_t)info->head_len + info->digest_len;
	uint8_t digest[HF_HASH_MAX];

	HF_ASSERT(job->in_len == info->digest_len && k >= tail_len + 11);
	memcpy(digest, job->in, info->digest_len);
	job->in[0] = 0;
	job->in[1] = 1;
	memset(job->in + 2, 0xff, k - tail_len - 3);
	job->in[k - tail_len - 1] = 0;
	memcpy(job->in + k - tail_len, info->head, info->head_len);
	memcpy(job->in + k - info->digest_len, digest, info->digest_len);
}

/* False for what no engine is asked: keys of another type, and PSS where nobody hashes. */
static bool prepare(struct hf_pk *pk, struct hf_pk_job *job)
{
	const struct hf_pk_key *key = job->key;

	HF_ASSERT(job->in_len <= sizeof(job->in));
	if (hf_pk_is_ec(job))
		return hf_pk_ec_prepare(job);
	job->status = HF_PK_FAILED;
	if (key->type != HF_PK_RSA)
		return false;
	HF_ASSERT(key->n.len <= HF_PK_OUT_MAX && key->n.len > HF_PREMASTER_LEN + 11);
	HF_ASSERT(key->n.p[0] != 0);
	switch (job->op) {
	case HF_PK_RSA_PREMASTER:
		prepare_premaster(job);
		return true;
	case HF_PK_RSA_SIGN_PKCS1:
		HF_ASSERT(job->hash >= HF_SHA1 && job->hash <= HF_SHA512);
		prepare_pkcs1(job);
		return true;
	case HF_PK_RSA_SIGN_PSS:
		HF_ASSERT(job->hash >= HF_SHA1 && job->hash <= HF_SHA512);
		return pk->sym && hf_pk_pss_prepare(job, pk->sym) == 0;
	default:
		return false;
	}
}

/* ---- from the integer that came back to an answer ---- */

/* All ones if em is 00 02 (205 non-zero bytes for RSA-2048) 00 version premaster: with a premaster
 * secret of 48 bytes every position is known, so nothing is searched for. A wrong version counts as
 * wrong padding, the second of the two treatments RFC 5246 7.4.7.1 allows. */
static uint32_t premaster_mask(const uint8_t *em, size_t k, uint16_t version)
{
	size_t zero_at = k - HF_PREMASTER_LEN - 1;
	uint32_t good = hf_ct_is_zero(em[0]) & hf_ct_eq(em[1], 2);

	for (size_t i = 2; i < zero_at; i++)
		good &= ~hf_ct_is_zero(em[i]);
	good &= hf_ct_is_zero(em[zero_at]);
	good &= hf_ct_eq(em[zero_at + 1], version >> 8);
	good &= hf_ct_eq(em[zero_at + 2], version & 0xff);
	return good;
}

static void answer_premaster(struct hf_pk_job *job, bool answered)
{
	size_t k = job->key->n.len;
	uint8_t premaster[HF_PREMASTER_LEN];
	uint32_t good = job->in_valid & (answered ? UINT32_MAX : 0);

	good &= premaster_mask(job->out, k, job->client_version);
	hf_ct_select_bytes(
		premaster, good, job->out + k - HF_PREMASTER_LEN, job->fallback, HF_PREMASTER_LEN);
	hf_wipe(job->out, sizeof(job->out));
	memcpy(job->out, premaster, HF_PREMASTER_LEN);
	hf_wipe(premaster, sizeof(premaster));
	job->out_len = HF_PREMASTER_LEN;
	job->status = HF_PK_OK;
}

static void answer_signature(struct hf_pk_job *job, bool answered)
{
	job->out_len = answered ? (uint32_t)job->key->n.len : 0;
	job->status = answered ? HF_PK_OK : HF_PK_FAILED;
}

static void complete(struct hf_pk *pk, struct hf_pk_job *job)
{
	if (job->cancelled) {
		hf_wipe(job->out, sizeof(job->out));
		hf_wipe(job->scalar, sizeof(job->scalar));
		job->out_len = 0;
		job->status = HF_PK_CANCELLED;
	}
	job->state = DONE;
	list_append(&pk->done, job);
}

static struct list *queue_of(struct hf_pk *pk, const struct hf_pk_job *job)
{
	return hf_pk_is_ec(job) ? &pk->curve[curve_step[job->op]]
				: &pk->class[hf_pk_class(job->key)].queue;
}

static void enqueue(struct hf_pk *pk, struct hf_pk_job *job, bool first)
{
	job->state = QUEUED;
	if (first)
		list_prepend(queue_of(pk, job), job);
	else
		list_append(queue_of(pk, job), job);
	pk->stats.queued++;
	pk->stats.queued_max = HF_MAX(pk->stats.queued_max, pk->stats.queued);
}

static void dequeue(struct hf_pk *pk, struct hf_pk_job *job)
{
	list_remove(queue_of(pk, job), job);
	pk->stats.queued--;
}

static void count_failure(
	struct hf_pk *pk, struct engine *e, struct hf_pk_engine_stats *st, bool fault)
{
	if (!fault) {
		pk->stats.unanswered++;
		st->unanswered++;
		return;
	}
	pk->stats.faults++;
	st->faults++;
	if (!e->ref.off && e != &pk->engine[pk->engine_cnt - 1]) {
		e->ref.off = true;
		pk->stats.engines_off++;
	}
}

/* One operation of class c has come back from engine i. */
static void answer(
	struct hf_pk *pk, const struct class *c, uint32_t i, struct hf_pk_job *job, int status)
{
	struct engine *e = &pk->engine[i];
	bool last = i + 1 == pk->engine_cnt;

	if (status != HF_RSA_OK) {
		count_failure(pk, e, &e->stats[c->nr], status == HF_RSA_FAULT);
		hf_wipe(job->out, sizeof(job->out));
	}
	if (status != HF_RSA_OK && !last && !job->cancelled) {
		job->engine = (uint8_t)(i + 1);
		enqueue(pk, job, true);
		return;
	}
	if (job->op == HF_PK_RSA_PREMASTER)
		answer_premaster(job, status == HF_RSA_OK);
	else
		answer_signature(job, status == HF_RSA_OK);
	complete(pk, job);
}

/* ---- the queues ---- */

void hf_pk_submit(struct hf_pk *pk, struct hf_pk_job *job, hf_ns now)
{
	HF_ASSERT(job->state == TAKEN);
	pk->stats.submitted++;
	job->submitted_at = now;
	if (!prepare(pk, job)) {
		complete(pk, job);
		return;
	}
	if (!hf_pk_is_ec(job))
		hf_pk_gather_came(&pk->class[hf_pk_class(job->key)].gather, now);
	enqueue(pk, job, false);
}

void hf_pk_cancel(struct hf_pk *pk, struct hf_pk_job *job)
{
	HF_ASSERT(job->state == QUEUED || job->state == RUNNING || job->state == DONE);
	if (job->cancelled)
		return;
	job->cancelled = true;
	if (job->state == QUEUED) {
		dequeue(pk, job);
		complete(pk, job);
	} else if (job->state == DONE) {
		list_remove(&pk->done, job);
		complete(pk, job);
	}
}

struct hf_pk_job *hf_pk_done(struct hf_pk *pk)
{
	struct hf_pk_job *job = pk->done.head;

	if (!job)
		return NULL;
	list_remove(&pk->done, job);
	job->state = TAKEN;
	if (job->status == HF_PK_CANCELLED)
		pk->stats.cancelled++;
	else if (job->status == HF_PK_FAILED)
		pk->stats.failed++;
	else if (job->status == HF_PK_REFUSED)
		pk->stats.refused_points++;
	else
		pk->stats.done++;
	return job;
}

/* ---- a class and its engines ---- */

/* May engine i compute this job? */
static bool suits(const struct hf_pk *pk, uint32_t i, const struct hf_pk_job *job)
{
	const struct engine *e = &pk->engine[i];

	return !e->ref.off && job->engine <= i && e->ref.engine->takes &&
	       e->ref.engine->takes(e->ref.ctx[hf_pk_class(job->key)], job->key);
}

static bool same_shape(const struct hf_pk_key *a, const struct hf_pk_key *b)
{
	return a->bits == b->bits && a->prime_cnt == b->prime_cnt;
}

/* Lists in c->job waiting jobs of the first one's shape, in order, as many as begin may take. */
static uint32_t gather(const struct hf_pk *pk, struct class *c, uint32_t i)
{
	const struct hf_pk_job *first = c->queue.head;
	const struct hf_pk_engine *e = pk->engine[i].ref.engine;
	uint32_t cnt = 0, most = HF_MAX(e->quantum, e->ops_max);

	for (struct hf_pk_job *job = c->queue.head; job && cnt < most; job = job->next)
		if (same_shape(job->key, first->key) && suits(pk, i, job))
			c->job[cnt++] = job;
	return cnt;
}

static void fill_ops(struct class *c, uint32_t cnt)
{
	for (uint32_t j = 0; j < cnt; j++) {
		struct hf_pk_job *job = c->job[j];
		c->op[j] = (struct hf_rsa_op){
			job->key, job->in, job->out, job->seed, HF_RSA_UNANSWERED};
	}
}

/* From here on a cancel waits for the engine. */
static hf_ns leave_queue(struct hf_pk *pk, struct hf_pk_job *job, hf_ns now)
{
	hf_ns wait = now - job->submitted_at;

	dequeue(pk, job);
	job->state = RUNNING;
	hf_hist_add(&pk->stats.wait_ns, wait);
	return wait;
}

/* The first cnt gathered jobs. */
static void set_running(struct hf_pk *pk, struct class *c, uint32_t i, uint32_t cnt, hf_ns now)
{
	struct hf_pk_engine_stats *st = &pk->engine[i].stats[c->nr];

	for (uint32_t j = 0; j < cnt; j++)
		hf_hist_add(&st->wait_ns, leave_queue(pk, c->job[j], now));
	st->ops += cnt;
	c->run_engine = i;
	c->run_cnt = cnt;
}

static void finish(struct hf_pk *pk, struct class *c)
{
	uint32_t cnt = c->run_cnt;

	c->run_cnt = 0;
	for (uint32_t j = 0; j < cnt; j++)
		answer(pk, c, c->run_engine, c->job[j], c->op[j].status);
}

static void run_whole(struct hf_pk *pk, struct class *c, uint32_t i, hf_ns now)
{
	const struct hf_pk_engine_ref *e = &pk->engine[i].ref;

	hf_pk_gather_begun(&c->gather, 1);
	c->job[0] = c->queue.head;
	fill_ops(c, 1);
	set_running(pk, c, i, 1, now);
	e->engine->rsa(e->ctx[c->nr], c->op, 1);
	pk->stats.scalar_ops++;
	pk->last = HF_PK_SLICE_WHOLE;
	finish(pk, c);
}

/* A step towards having the first job's key ready; false when it is. */
static bool key_step(struct hf_pk *pk, struct class *c, uint32_t i)
{
	const struct hf_pk_engine_ref *e = &pk->engine[i].ref;
	const struct hf_pk_job *job = c->queue.head;

	if (!e->engine->prepare || !e->engine->prepare(e->ctx[c->nr], job->key, job->seed))
		return false;
	pk->last = HF_PK_SLICE_KEY;
	pk->stats.key_steps++;
	pk->engine[i].stats[c->nr].key_steps++;
	return true;
}

static void begin_batch(struct hf_pk *pk, struct class *c, uint32_t i, uint32_t cnt, hf_ns now)
{
	const struct hf_pk_engine_ref *e = &pk->engine[i].ref;
	struct hf_pk_engine_stats *st = &pk->engine[i].stats[c->nr];
	uint32_t taken;

	hf_pk_gather_begun(&c->gather, cnt);
	fill_ops(c, cnt);
	taken = e->engine->begin(e->ctx[c->nr], c->op, cnt);
	HF_ASSERT(taken > 0 && taken <= cnt);
	set_running(pk, c, i, taken, now);
	pk->last = HF_PK_SLICE_STEP;
	pk->stats.batches++;
	pk->stats.batch_ops += taken;
	st->batches++;
	hf_hist_add(&st->fill, taken);
}

static void step_batch(struct hf_pk *pk, struct class *c)
{
	struct engine *e = &pk->engine[c->run_engine];
	void *ctx = e->ref.ctx[c->nr];

	pk->last = HF_PK_SLICE_STEP;
	pk->stats.steps++;
	e->stats[c->nr].steps++;
	if (e->ref.engine->step(ctx))
		return;
	e->ref.engine->end(ctx);
	finish(pk, c);
}

/* Does a batch that could begin wait for more? */
static bool gathers(const struct hf_pk *pk, struct class *c, hf_ns now)
{
	const struct hf_pk_job *first = c->queue.head;
	const struct hf_pk_engine_ref *e;
	uint32_t i = 0, cnt;

	if (c->run_cnt || !first)
		return false;
	while (!suits(pk, i, first))
		i++; /* the last engine answers every key */
	e = &pk->engine[i].ref;
	if (!e->gather_ns[c->nr] ||
		!hf_pk_gather_waits(&c->gather, now - first->submitted_at, e->gather_ns[c->nr]))
		return false;
	cnt = gather(pk, c, i);
	if (cnt >= e->engine->quantum)
		return false;
	hf_pk_gather_hold(&c->gather, cnt);
	c->due = first->submitted_at + e->gather_ns[c->nr];
	return true;
}

/* The job that waits longest decides: the best engine that is worth its while takes it, and a batch
 * takes others of its shape along. Below min_fill a batch is slower than computing one by one, but
 * it lets the port be polled between its steps, so a busy port prefers it at any fill. Returns what
 * the slice cost. */
static uint32_t start(struct hf_pk *pk, struct class *c, bool port_idle, hf_ns now)
{
	uint32_t i, cnt;

	for (i = 0; i < pk->engine_cnt; i++) {
		const struct hf_pk_engine_ref *e = &pk->engine[i].ref;

		if (!suits(pk, i, c->queue.head))
			continue;
		if (e->engine->cost == HF_PK_WHOLE) {
			run_whole(pk, c, i, now);
			return e->cost[c->nr];
		}
		cnt = gather(pk, c, i);
		if (cnt >= e->min_fill[c->nr] || !port_idle) {
			if (!key_step(pk, c, i))
				begin_batch(pk, c, i, cnt, now);
			return 1;
		}
	}
	HF_ASSERT(!"the last engine answers every key");
}

/* ---- curves ---- */

static bool takes_ec(const struct engine *e, const struct hf_ec_op *op)
{
	const struct hf_pk_engine *class = e->ref.engine;

	return !e->ref.off && class->ec && class->takes_ec(e->ref.ctx[0], op->kind, op->group);
}

/* Lists what waits behind job, the first of its queue, and is like it: its operation is want. In order;
 * fills ops. */
static uint32_t gather_curves(struct hf_pk_job *job, const struct hf_ec_op *want,
	struct hf_pk_job **jobs, struct hf_ec_op *ops)
{
	const uint8_t engine = job->engine;
	uint32_t cnt = 0;

	for (; job && cnt < HF_PK_QUANTUM_MAX; job = job->next) {
		hf_pk_ec_op(job, &ops[cnt]);
		if (ops[cnt].group == want->group && job->engine == engine)
			jobs[cnt++] = job;
	}
	return cnt;
}

/* The best engine, from the i-th on, to which cnt operations are worth a batch; where there is none,
 * the last one that takes them at all; engine_cnt if none does. */
static uint32_t ec_engine(
	const struct hf_pk *pk, uint32_t i, const struct hf_ec_op *op, uint32_t cnt)
{
	uint32_t found = pk->engine_cnt;

	for (; i < pk->engine_cnt; i++) {
		if (!takes_ec(&pk->engine[i], op))
			continue;
		found = i;
		if (cnt >= pk->engine[i].ref.ec_min_fill[op->kind][op->group])
			break;
	}
	return found;
}

/* Is first worth a batch with others, of whom fewer than fill it are there? */
static bool curves_gather(const struct hf_pk *pk, struct hf_pk_job *first)
{
	struct hf_pk_job *jobs[HF_PK_QUANTUM_MAX];
	struct hf_ec_op ops[HF_PK_QUANTUM_MAX], want;
	uint32_t i;

	hf_pk_ec_op(first, &want);
	i = ec_engine(pk, first->engine, &want, HF_PK_QUANTUM_MAX);
	return i < pk->engine_cnt &&
	       gather_curves(first, &want, jobs, ops) < pk->engine[i].ref.engine->ec_quantum;
}

/* Whose turn it is; NULL: none waits, or under pressure none that could not have more with it soon. */
static struct hf_pk_job *first_curve(const struct hf_pk *pk, bool pressed, hf_ns now)
{
	for (uint32_t step = 0; step < CURVE_STEPS; step++) {
		struct hf_pk_job *job = pk->curve[step].head;

		if (job && !(pressed && now - job->submitted_at < pk->gather_ns &&
				   curves_gather(pk, job)))
			return job;
	}
	return NULL;
}

static void answer_curve(
	struct hf_pk *pk, uint32_t i, struct hf_pk_job *job, const struct hf_ec_op *op)
{
	struct engine *e = &pk->engine[i];

	if (op->status == HF_EC_UNANSWERED || op->status == HF_EC_FAULT) {
		count_failure(pk, e, &e->ec_stats[op->kind][op->group], op->status == HF_EC_FAULT);
		hf_wipe(job->out, sizeof(job->out));
		if (ec_engine(pk, i + 1, op, 1) < pk->engine_cnt && !job->cancelled) {
			job->engine = (uint8_t)(i + 1);
			enqueue(pk, job, true);
			return;
		}
	}
	hf_pk_ec_answer(job, op);
	complete(pk, job);
}

static void count_batch(
	struct hf_pk *pk, const struct engine *e, struct hf_pk_engine_stats *st, uint32_t cnt)
{
	pk->stats.curve_batches++;
	pk->stats.curve_ops += cnt;
	st->ops += cnt;
	if (e->ref.engine->ec_quantum > 1) {
		st->batches++;
		hf_hist_add(&st->fill, cnt);
	}
}

/* One batch, computed before this returns: it is shorter than a single RSA operation. */
static void compute_curves(struct hf_pk *pk, uint32_t i, struct hf_pk_job **jobs,
	struct hf_ec_op *ops, uint32_t cnt, hf_ns now)
{
	struct engine *e = &pk->engine[i];
	struct hf_pk_engine_stats *st = &e->ec_stats[ops[0].kind][ops[0].group];

	for (uint32_t j = 0; j < cnt; j++)
		hf_hist_add(&st->wait_ns, leave_queue(pk, jobs[j], now));
	e->ref.engine->ec(e->ref.ctx[0], ops, cnt);
	count_batch(pk, e, st, cnt);
	for (uint32_t j = 0; j < cnt; j++)
		answer_curve(pk, i, jobs[j], &ops[j]);
}

static void run_curves(struct hf_pk *pk, struct hf_pk_job *first, hf_ns now)
{
	struct hf_pk_job *jobs[HF_PK_QUANTUM_MAX];
	struct hf_ec_op ops[HF_PK_QUANTUM_MAX], want;
	uint32_t cnt, i;

	pk->last = HF_PK_SLICE_CURVES;
	hf_pk_ec_op(first, &want);
	cnt = gather_curves(first, &want, jobs, ops);
	i = ec_engine(pk, first->engine, &want, cnt);
	if (i < pk->engine_cnt) {
		cnt = HF_MIN(cnt, pk->engine[i].ref.engine->ec_quantum);
		compute_curves(pk, i, jobs, ops, cnt, now);
		return;
	}
	(void)leave_queue(pk, first, now);
	hf_pk_ec_answer(first, &want);
	complete(pk, first);
}

/* ---- key pairs made beforehand ---- */

void hf_pk_keep_pairs(struct hf_pk *pk, struct hf_rand *rand)
{
	pk->rand = rand;
}

/* The engine that makes pairs of this group in batches, as long as a full one is worth it; engine_cnt
 * where there is none: one by one they had better be made when they are asked for. */
static uint32_t pairs_engine(const struct hf_pk *pk, enum hf_group group)
{
	const struct hf_ec_op op = {.kind = HF_EC_BASE, .group = (uint8_t)group};
	uint32_t i = ec_engine(pk, 0, &op, HF_PK_QUANTUM_MAX);

	return i < pk->engine_cnt && pk->engine[i].ref.engine->ec_quantum > 1 ? i : pk->engine_cnt;
}

bool hf_pk_pair(struct hf_pk *pk, enum hf_group group, struct hf_pk_pair *out, hf_ns now)
{
	bool there;

	if (!pk->rand || pairs_engine(pk, group) == pk->engine_cnt)
		return false;
	pk->stats.pairs_aged += hf_pk_pairs_age(&pk->pairs[group], now);
	there = hf_pk_pairs_take(&pk->pairs[group], out, now);
	*(there ? &pk->stats.pairs_given : &pk->stats.pairs_missing) += 1;
	return there;
}

/* The group whose pairs are wanted and fewer than enough; HF_GROUP_CNT: none. */
static enum hf_group pairs_wanted(struct hf_pk *pk, uint32_t enough, hf_ns now)
{
	enum hf_group g = HF_GROUP_X25519;

	for (; g < HF_GROUP_CNT && pk->rand; g++)
		if (now < pk->pairs[g].wanted_until && pk->pairs[g].cnt < enough &&
			pairs_engine(pk, g) < pk->engine_cnt)
			return g;
	return HF_GROUP_CNT;
}

/* A batch of them. One that fails is not missed: it is tried again, by whom the engine's failures
 * have left. */
static void make_pairs(struct hf_pk *pk, enum hf_group group, hf_ns now)
{
	uint32_t i = pairs_engine(pk, group), cnt = 0, most;
	struct engine *e = &pk->engine[i];
	struct hf_pk_engine_stats *st = &e->ec_stats[HF_EC_BASE][group];
	struct hf_pk_pair pair[HF_PK_QUANTUM_MAX], *place;
	struct hf_ec_op op[HF_PK_QUANTUM_MAX];
	uint8_t seed[64];

	pk->last = HF_PK_SLICE_CURVES;
	most = HF_MIN(e->ref.engine->ec_quantum, HF_PK_PAIRS - pk->pairs[group].cnt);
	while (cnt < most) {
		hf_rand_bytes(pk->rand, seed, sizeof(seed));
		op[cnt] = (struct hf_ec_op){.kind = HF_EC_BASE,
			.group = (uint8_t)group,
			.scalar = pair[cnt].scalar,
			.out = pair[cnt].point,
			.status = HF_EC_UNANSWERED};
		cnt += hf_pk_ec_draw(group, seed, pair[cnt].scalar);
	}
	e->ref.engine->ec(e->ref.ctx[0], op, cnt);
	count_batch(pk, e, st, cnt);
	for (uint32_t j = 0; j < cnt; j++) {
		if (op[j].status != HF_EC_OK) {
			count_failure(pk, e, st, op[j].status == HF_EC_FAULT);
			continue;
		}
		place = hf_pk_pairs_place(&pk->pairs[group]);
		*place = pair[j];
		hf_pk_pairs_put(&pk->pairs[group], now);
		pk->stats.pairs_made++;
	}
	hf_wipe(pair, sizeof(pair));
	hf_wipe(seed, sizeof(seed));
}

static void age_pairs(struct hf_pk *pk, hf_ns now)
{
	for (enum hf_group g = HF_GROUP_X25519; g < HF_GROUP_CNT && pk->rand; g++)
		pk->stats.pairs_aged += hf_pk_pairs_age(&pk->pairs[g], now);
}

/* ---- whose slice is next: deficit round robin (Shreedhar, Varghese 1995) ---- */

static bool has_work(const struct class *c)
{
	return c->run_cnt > 0 || (c->queue.head && !c->waits);
}

/* A round gives every class one slice; who took a dear one sits out as many rounds as it was worth.
 * Rounds in which nobody could have gone are given at once. Debts of those without work run off
 * too, but they save nothing up. */
static void next_round(struct hf_pk *pk)
{
	int32_t rounds = INT32_MAX;

	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++)
		if (has_work(&pk->class[i]))
			rounds = HF_MIN(rounds, 1 - pk->class[i].credit);
	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++) {
		struct class *c = &pk->class[i];
		c->credit = HF_MIN(c->credit + rounds, has_work(c) ? 1 : 0);
	}
}

static struct class *next_class(struct hf_pk *pk)
{
	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++) {
		struct class *c = &pk->class[(pk->turn + i) % HF_PK_CLASS_CNT];

		if (has_work(c) && c->credit > 0) {
			pk->turn = c->nr + 1;
			return c;
		}
	}
	return NULL;
}

static bool any_work(const struct hf_pk *pk)
{
	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++)
		if (has_work(&pk->class[i]))
			return true;
	return false;
}

static void work_rsa(struct hf_pk *pk, bool port_idle, hf_ns now)
{
	struct class *c = next_class(pk);
	uint32_t cost = 1;

	if (!c) {
		next_round(pk);
		c = next_class(pk);
	}
	if (c->run_cnt > 0)
		step_batch(pk, c);
	else
		cost = start(pk, c, port_idle, now);
	c->credit -= (int32_t)cost;
}

/* A batch of what waits on curves, or of key pairs that are about to be missed; false: neither. */
static bool work_curves(struct hf_pk *pk, bool pressed, hf_ns now)
{
	enum hf_group low = pairs_wanted(pk, HF_PK_PAIRS_LOW, now);
	struct hf_pk_job *first = first_curve(pk, pressed, now);

	if (first)
		run_curves(pk, first, now);
	else if (low < HF_GROUP_CNT)
		make_pairs(pk, low, now);
	else
		return false;
	return true;
}

/* Who has nothing else to do makes pairs. */
static void work_ahead(struct hf_pk *pk, hf_ns now)
{
	enum hf_group g = pairs_wanted(pk, HF_PK_PAIRS, now);

	if (g < HF_GROUP_CNT)
		make_pairs(pk, g, now);
}

/* Curve batches are short, so they go first; while RSA waits, too, they alternate, so neither
 * starves. */
bool hf_pk_work(struct hf_pk *pk, enum hf_pk_load load, hf_ns now)
{
	bool rsa;

	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++)
		pk->class[i].waits = gathers(pk, &pk->class[i], now);
	rsa = any_work(pk);
	pk->last = HF_PK_SLICE_NONE;
	age_pairs(pk, now);
	pk->curves_last =
		!(rsa && pk->curves_last) &&
		work_curves(pk, load == HF_PK_PRESSED || (rsa && load != HF_PK_IDLE), now);
	if (!pk->curves_last && rsa)
		work_rsa(pk, load == HF_PK_IDLE, now);
	else if (!pk->curves_last && load == HF_PK_IDLE)
		work_ahead(pk, now);
	return first_curve(pk, false, now) || any_work(pk) ||
	       pairs_wanted(pk, HF_PK_PAIRS_LOW, now) < HF_GROUP_CNT;
}

hf_ns hf_pk_due(const struct hf_pk *pk)
{
	hf_ns due = HF_NS_NEVER;

	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++)
		if (pk->class[i].waits)
			due = HF_MIN(due, pk->class[i].due);
	return due;
}

enum hf_pk_slice hf_pk_last_slice(const struct hf_pk *pk)
{
	return pk->last;
}

void hf_pk_forget(struct hf_pk *pk, uint64_t key_id)
{
	for (uint32_t i = 0; i < pk->engine_cnt; i++) {
		const struct hf_pk_engine_ref *e = &pk->engine[i].ref;

		for (uint32_t j = 0; j < HF_PK_CLASS_CNT && e->engine->forget; j++)
			e->engine->forget(e->ctx[j], key_id);
	}
}

const struct hf_pk_stats *hf_pk_stats(const struct hf_pk *pk)
{
	return &pk->stats;
}

const struct hf_pk_engine_stats *hf_pk_engine_stats(
	const struct hf_pk *pk, uint32_t engine, uint32_t cls)
{
	return &pk->engine[engine].stats[cls];
}

const struct hf_pk_engine_stats *hf_pk_ec_engine_stats(
	const struct hf_pk *pk, uint32_t engine, enum hf_ec_kind kind, enum hf_group group)
{
	return &pk->engine[engine].ec_stats[kind][group];
}
