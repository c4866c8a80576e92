/* pk.c -- the job queues over engines that only pretend: their "private operation" flips bits, so every
 * integer an engine is asked for and every answer can be written down. What is tested is all that
 * stands above arithmetic: the verdict on a premaster secret, encodings, cancel in each state, the
 * choice between whole and sliced engines, and what happens when one fails. */
#include "lib/crypto/pk.h"
#include "lib/crypto/sym.h"
#include "tests/support/test.h"

#define JOB_CNT 12u
#define CLIENT_VERSION 0x0303

/* ---- keys: only n matters ---- */

static uint8_t ones[HF_PK_OUT_MAX];

static struct hf_pk_key make_key(uint64_t id, uint32_t bits)
{
	return (struct hf_pk_key){.id = id,
		.type = HF_PK_RSA,
		.prime_cnt = 2,
		.bits = (uint16_t)bits,
		.n = {ones, bits / 8}};
}

/* ---- engines ---- */

struct fake {
	/* set by the test */
	bool refuses;        /* takes nothing */
	uint32_t begin_max;  /* takes at most so many at once; 0: all */
	uint32_t steps;      /* a batch lasts so many steps */
	uint32_t key_steps;  /* so many before a key is ready */
	int status[8];       /* of the n-th operation of a call, HF_RSA_OK by default */
	const uint8_t *says; /* answers this instead of the flipped input */
	/* what was seen */
	uint32_t calls, step_calls, op_cnt, steps_left;
	struct hf_rsa_op *op;
	const struct hf_pk_key *key[8];
	uint8_t in[HF_PK_OUT_MAX]; /* of the last operation */
	uint64_t forgotten, prepared;
	uint32_t keys;
};

static bool fake_takes(void *ctx, const struct hf_pk_key *key)
{
	(void)key;
	return !((struct fake *)ctx)->refuses;
}

static void fake_forget(void *ctx, uint64_t key_id)
{
	((struct fake *)ctx)->forgotten = key_id;
}

static void fake_compute(struct fake *f, struct hf_rsa_op *ops, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++) {
		size_t k = ops[i].key->n.len;

		assert_true(memcmp(ops[i].in, ops[i].key->n.p, k) < 0);
		memcpy(f->in, ops[i].in, k);
		for (size_t j = 0; j < k; j++)
			ops[i].out[j] = f->says ? f->says[j] : ops[i].in[j] ^ 0x5a;
		ops[i].status = f->status[i];
	}
}

static void note_ops(struct fake *f, struct hf_rsa_op *ops, uint32_t cnt)
{
	f->calls++;
	f->op = ops;
	f->op_cnt = cnt;
	for (uint32_t i = 0; i < cnt; i++)
		f->key[i] = ops[i].key;
}

static void fake_rsa(void *ctx, struct hf_rsa_op *ops, uint32_t cnt)
{
	note_ops(ctx, ops, cnt);
	fake_compute(ctx, ops, cnt);
}

static uint32_t fake_begin(void *ctx, struct hf_rsa_op *ops, uint32_t cnt)
{
	struct fake *f = ctx;

	assert_true(cnt >= 1 && cnt <= 4);
	assert_int_equal(f->steps_left, 0);
	cnt = f->begin_max ? HF_MIN(cnt, f->begin_max) : cnt;
	note_ops(f, ops, cnt);
	f->steps_left = f->steps;
	return cnt;
}

static bool fake_step(void *ctx)
{
	struct fake *f = ctx;

	assert_true(f->steps_left > 0);
	f->step_calls++;
	return --f->steps_left > 0;
}

static bool fake_prepare(void *ctx, const struct hf_pk_key *key, const uint8_t *seed)
{
	struct fake *f = ctx;

	(void)seed;
	assert_int_equal(f->steps_left, 0);
	if (f->prepared == key->id)
		return false;
	if (f->keys == f->key_steps) {
		f->keys = 0;
		f->prepared = key->id;
		return false;
	}
	f->keys++;
	return true;
}

static void fake_end(void *ctx)
{
	struct fake *f = ctx;

	assert_int_equal(f->steps_left, 0);
	fake_compute(f, f->op, f->op_cnt);
}

static const struct hf_pk_engine whole_class = {.name = "whole",
	.cost = HF_PK_WHOLE,
	.quantum = 1,
	.takes = fake_takes,
	.forget = fake_forget,
	.rsa = fake_rsa};

static const struct hf_pk_engine sliced_class = {.name = "sliced",
	.cost = HF_PK_SLICEABLE,
	.quantum = 4,
	.takes = fake_takes,
	.forget = fake_forget,
	.begin = fake_begin,
	.step = fake_step,
	.end = fake_end,
	.prepare = fake_prepare};

/* ---- one pk, with or without the sliced engine ---- */

static struct fake whole, lanes[HF_PK_CLASS_CNT];
#define sliced lanes[0] /* of keys of 2048 bits, as most tests have */
static struct hf_pk *pk;

#define WHOLE                                                             \
	{                                                                 \
		.engine = &whole_class, .ctx = { &whole, &whole, &whole } \
	}
#define SLICED                                                                     \
	{                                                                          \
		.engine = &sliced_class, .ctx = {&lanes[0], &lanes[1], &lanes[2]}, \
		.min_fill = {3, 3, 3},                                             \
	}

static void start_with(const struct hf_pk_engine_ref *e, uint32_t cnt)
{
	static const struct hf_pk_cfg cfg = {.job_cnt = JOB_CNT};

	memset(ones, 0xff, sizeof(ones));
	memset(&whole, 0, sizeof(whole));
	memset(lanes, 0, sizeof(lanes));
	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++)
		lanes[i].steps = 3;
	pk = hf_pk_init(test_alloc(hf_pk_footprint(&cfg)), &cfg, e, cnt);
}

static int scalar_only(void **state)
{
	const struct hf_pk_engine_ref e[] = {WHOLE};

	(void)state;
	start_with(e, 1);
	return 0;
}

static int with_batches(void **state)
{
	const struct hf_pk_engine_ref e[] = {SLICED, WHOLE};

	(void)state;
	start_with(e, 2);
	return 0;
}

static int end(void **state)
{
	(void)state;
	assert_int_equal(hf_pk_stats(pk)->jobs, 0); /* each test gives all it took */
	assert_int_equal(hf_pk_stats(pk)->queued, 0);
	free(pk);
	return 0;
}

static struct hf_pk_job *take(const struct hf_pk_key *key, uint64_t owner)
{
	struct hf_pk_job *job = hf_pk_take(pk);

	assert_non_null(job);
	job->key = key;
	job->owner = owner;
	job->op = HF_PK_RSA_PREMASTER;
	job->client_version = CLIENT_VERSION;
	job->in_len = (uint32_t)key->n.len;
	memset(job->fallback, 0xfb, sizeof(job->fallback));
	return job;
}

static struct hf_pk_job *submit(const struct hf_pk_key *key, uint64_t owner)
{
	struct hf_pk_job *job = take(key, owner);

	hf_pk_submit(pk, job, 0);
	return job;
}

/* The next completion belongs to owner and has this status. */
static void done(uint64_t owner, enum hf_pk_status status)
{
	struct hf_pk_job *job = hf_pk_done(pk);

	assert_non_null(job);
	assert_int_equal(job->owner, owner);
	assert_int_equal(job->status, status);
	hf_pk_give(pk, job);
}

static void nothing_done(void)
{
	assert_null(hf_pk_done(pk));
}

/* ---- the pool ---- */

static void jobs_are_bounded_and_come_back_blank(void **state)
{
	struct hf_pk_key key = make_key(1, 2048);
	struct hf_pk_job *job[JOB_CNT], blank = {0};

	(void)state;
	for (uint32_t i = 0; i < JOB_CNT; i++)
		assert_non_null(job[i] = hf_pk_take(pk));
	assert_null(hf_pk_take(pk));
	assert_int_equal(hf_pk_stats(pk)->refused, 1);
	assert_int_equal(hf_pk_stats(pk)->jobs, JOB_CNT);
	blank.state = job[0]->state;
	for (uint32_t i = 0; i < JOB_CNT; i++) {
		memset(job[i]->in, 0x11, sizeof(job[i]->in));
		hf_pk_give(pk, job[i]); /* taken, never submitted: as well */
	}
	hf_pk_submit(pk, take(&key, 1), 0);
	assert_false(hf_pk_work(pk, HF_PK_IDLE, 0));
	done(1, HF_PK_OK);
	for (uint32_t i = 0; i < JOB_CNT; i++) {
		assert_non_null(job[i] = hf_pk_take(pk));
		assert_memory_equal(job[i], &blank, sizeof(blank));
	}
	for (uint32_t i = 0; i < JOB_CNT; i++)
		hf_pk_give(pk, job[i]);
}

static void one_whole_operation_a_turn_in_order(void **state)
{
	struct hf_pk_key key = make_key(1, 2048);

	(void)state;
	assert_false(hf_pk_work(pk, HF_PK_IDLE, 0));
	for (uint64_t i = 1; i <= 3; i++)
		submit(&key, i);
	assert_int_equal(hf_pk_stats(pk)->queued, 3);
	for (uint64_t i = 1; i <= 3; i++) {
		nothing_done();
		assert_int_equal(hf_pk_work(pk, i % 2 ? HF_PK_IDLE : HF_PK_CALM, 1000 * i), i < 3);
		assert_int_equal(whole.calls, i);
		assert_int_equal(whole.op_cnt, 1);
		done(i, HF_PK_OK);
	}
	assert_false(hf_pk_work(pk, HF_PK_IDLE, 4000));
	assert_int_equal(whole.calls, 3);
	assert_int_equal(hf_pk_stats(pk)->scalar_ops, 3);
	assert_int_equal(hf_pk_stats(pk)->done, 3);
	assert_int_equal(hf_pk_stats(pk)->queued_max, 3);
	assert_int_equal(hf_pk_stats(pk)->wait_ns.cnt, 3);
	assert_int_equal(hf_pk_stats(pk)->wait_ns.sum, 6000);
}

/* ---- premaster secrets ---- */

/* 00 02 nonzero... 00 version 46 bytes, zeros among the 46. */
static void good_em(uint8_t *em, size_t k)
{
	for (size_t i = 0; i < k; i++)
		em[i] = (uint8_t)(i % 255 + 1);
	em[0] = 0;
	em[1] = 2;
	em[k - 49] = 0;
	em[k - 48] = CLIENT_VERSION >> 8;
	em[k - 47] = CLIENT_VERSION & 0xff;
	em[k - 30] = 0;
	em[k - 1] = 0;
}

/* The verdict on em, which comes out of the engine for an innocent ciphertext. */
static void verdict(const struct hf_pk_key *key, const uint8_t *em, bool good)
{
	struct hf_pk_job *job = take(key, 1);
	uint8_t fallback[HF_PREMASTER_LEN], zeros[HF_PK_OUT_MAX] = {0};

	memset(fallback, 0xfb, sizeof(fallback));
	whole.says = em;
	hf_pk_submit(pk, job, 0);
	assert_false(hf_pk_work(pk, HF_PK_IDLE, 0));
	assert_ptr_equal(hf_pk_done(pk), job);
	assert_int_equal(job->status, HF_PK_OK);
	assert_int_equal(job->out_len, HF_PREMASTER_LEN);
	assert_memory_equal(
		job->out, good ? em + key->n.len - HF_PREMASTER_LEN : fallback, HF_PREMASTER_LEN);
	assert_memory_equal(job->out + HF_PREMASTER_LEN, zeros, HF_PK_OUT_MAX - HF_PREMASTER_LEN);
	hf_pk_give(pk, job);
}

static void premaster_of_size(uint32_t bits)
{
	struct hf_pk_key key = make_key(1, bits);
	size_t k = key.n.len;
	uint8_t em[HF_PK_OUT_MAX];

	good_em(em, k);
	verdict(&key, em, true);
	for (size_t i = 0; i < k; i++) { /* every byte that is checked, changed in three ways */
		static const uint8_t change[] = {0x01, 0x80, 0xff};
		bool checked = i < k - 46;

		for (size_t c = 0; c < 3; c++) {
			em[i] ^= change[c];
			verdict(&key, em, !checked || (i >= 2 && i < k - 49 && em[i]));
			em[i] ^= change[c];
		}
		if (i >= 2 && i < k - 49) { /* a zero that ends the padding early */
			uint8_t was = em[i];
			em[i] = 0;
			verdict(&key, em, false);
			em[i] = was;
		}
	}
	em[0] = 2; /* everything one byte to the left, as if the leading zero were lost */
	memmove(em + 1, em + 2, k - 2);
	verdict(&key, em, false);
	memset(em, 0, k);
	verdict(&key, em, false);
	memset(em, 0xff, k);
	verdict(&key, em, false);
}

static void premaster_verdicts(void **state)
{
	(void)state;
	premaster_of_size(2048);
	premaster_of_size(3072);
	premaster_of_size(4096);
	assert_int_equal(hf_pk_stats(pk)->done, hf_pk_stats(pk)->submitted);
}

static void only_the_client_version_of_the_hello_counts(void **state)
{
	struct hf_pk_key key = make_key(1, 2048);
	uint8_t em[HF_PK_OUT_MAX];

	(void)state;
	good_em(em, key.n.len);
	for (uint32_t v = 0; v <= 0xffff; v += v == 0x0302 ? 1 : 0x0101) {
		em[key.n.len - 48] = (uint8_t)(v >> 8);
		em[key.n.len - 47] = (uint8_t)v;
		verdict(&key, em, v == CLIENT_VERSION);
	}
}

/* Whatever the shape of the ciphertext, one operation below n is computed; and even if its result
 * looked like a premaster secret, it would not be taken for one. */
static void ciphertext_of_shape(uint32_t len, const uint8_t *c)
{
	struct hf_pk_key key = make_key(1, 2048);
	struct hf_pk_job *job = take(&key, 1);
	uint32_t calls = whole.calls;
	uint8_t fallback[HF_PREMASTER_LEN];

	memset(fallback, 0xfb, sizeof(fallback));
	memset(job->seed, 0xc7, sizeof(job->seed));
	memcpy(job->in, c, len);
	job->in_len = len;
	hf_pk_submit(pk, job, 0);
	assert_false(hf_pk_work(pk, HF_PK_IDLE, 0));
	assert_int_equal(whole.calls, calls + 1);
	assert_ptr_equal(hf_pk_done(pk), job);
	assert_int_equal(job->status, HF_PK_OK);
	assert_int_equal(job->out_len, HF_PREMASTER_LEN);
	assert_memory_equal(job->out, fallback, HF_PREMASTER_LEN);
	hf_pk_give(pk, job);
	/* the substitute came from the seed, nothing of the ciphertext went in */
	assert_int_equal(whole.in[0], 0);
	for (size_t i = 1; i < key.n.len; i++)
		assert_int_equal(whole.in[i], 0xc7);
}

static void shapeless_ciphertexts(void **state)
{
	static const uint32_t len[] = {0, 1, 47, 255, 257, 258, 512, 1024};
	uint8_t c[HF_PK_IN_MAX], em[HF_PK_OUT_MAX];

	(void)state;
	good_em(em, 256);
	whole.says = em;
	memset(c, 0x33, sizeof(c));
	for (size_t i = 0; i < HF_ARRAY_LEN(len); i++)
		ciphertext_of_shape(len[i], c);
	memset(c, 0xff, sizeof(c)); /* n itself */
	ciphertext_of_shape(256, c);
	ones[255] = 0xfe; /* n is one less now, c = n + 1 */
	ciphertext_of_shape(256, c);
}

/* ---- signatures ---- */

static void pkcs1_encoding(void **state)
{
	/* RFC 8017 9.2, the header of SHA-256; the others are met by the signature vectors */
	static const uint8_t head[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
		0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
	struct hf_pk_key key = make_key(1, 2048);
	struct hf_pk_job *job = take(&key, 1);
	uint8_t digest[32], want[256];

	(void)state;
	for (uint32_t i = 0; i < 32; i++)
		digest[i] = (uint8_t)(0xa0 + i);
	memset(want, 0xff, sizeof(want));
	want[0] = 0;
	want[1] = 1;
	want[256 - 32 - sizeof(head) - 1] = 0;
	memcpy(want + 256 - 32 - sizeof(head), head, sizeof(head));
	memcpy(want + 256 - 32, digest, 32);

	job->op = HF_PK_RSA_SIGN_PKCS1;
	job->hash = HF_SHA256;
	memcpy(job->in, digest, 32);
	job->in_len = 32;
	hf_pk_submit(pk, job, 0);
	assert_false(hf_pk_work(pk, HF_PK_IDLE, 0));
	assert_memory_equal(whole.in, want, 256);
	assert_ptr_equal(hf_pk_done(pk), job);
	assert_int_equal(job->status, HF_PK_OK);
	assert_int_equal(job->out_len, 256);
	for (uint32_t i = 0; i < 256; i++)
		assert_int_equal(job->out[i], want[i] ^ 0x5a);
	hf_pk_give(pk, job);
}

static void a_digest_of_the_wrong_length_is_our_error(void **state)
{
	struct hf_pk_key key = make_key(1, 2048);
	struct hf_pk_job *job = take(&key, 1);

	(void)state;
	job->op = HF_PK_RSA_SIGN_PKCS1;
	job->hash = HF_SHA384;
	job->in_len = 32;
	assert_panics(hf_pk_submit(pk, job, 0));
	hf_pk_give(pk, job);
}

static void what_is_not_served_fails_at_once(void **state)
{
	struct hf_pk_key rsa = make_key(1, 2048), ec = make_key(2, 2048);
	struct hf_pk_job *job;

	(void)state;
	ec.type = HF_PK_EC_P256;
	submit(&ec, 1);
	done(1, HF_PK_FAILED);
	job = take(&rsa, 2);
	job->op = HF_PK_RSA_SIGN_PSS; /* and nobody hashes here */
	job->hash = HF_SHA256;
	job->in_len = 32;
	hf_pk_submit(pk, job, 0);
	done(2, HF_PK_FAILED);
	assert_int_equal(whole.calls, 0);
	assert_int_equal(hf_pk_stats(pk)->failed, 2);
}

/* ---- cancel ---- */

static void cancel_in_the_queue(void **state)
{
	struct hf_pk_key key = make_key(1, 2048);
	struct hf_pk_job *job[4];

	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		job[i] = submit(&key, i);
	hf_pk_cancel(pk, job[1]); /* the middle, the end, the head */
	hf_pk_cancel(pk, job[3]);
	hf_pk_cancel(pk, job[0]);
	hf_pk_cancel(pk, job[0]); /* once more changes nothing */
	done(1, HF_PK_CANCELLED);
	done(3, HF_PK_CANCELLED);
	done(0, HF_PK_CANCELLED);
	nothing_done();
	assert_int_equal(whole.calls, 0);
	assert_false(hf_pk_work(pk, HF_PK_IDLE, 0));
	done(2, HF_PK_OK);
	assert_int_equal(hf_pk_stats(pk)->cancelled, 3);
	assert_int_equal(hf_pk_stats(pk)->done, 1);
}

static void cancel_when_done(void **state)
{
	struct hf_pk_key key = make_key(1, 2048);
	struct hf_pk_job *job = submit(&key, 1);
	uint8_t zeros[HF_PK_OUT_MAX] = {0};

	(void)state;
	assert_false(hf_pk_work(pk, HF_PK_IDLE, 0));
	hf_pk_cancel(pk, job);
	assert_ptr_equal(hf_pk_done(pk), job);
	nothing_done();
	assert_int_equal(job->status, HF_PK_CANCELLED);
	assert_int_equal(job->out_len, 0);
	assert_memory_equal(job->out, zeros, sizeof(zeros));
	assert_panics(hf_pk_cancel(pk, job)); /* it is with us: nothing to cancel */
	hf_pk_give(pk, job);
	assert_int_equal(hf_pk_stats(pk)->cancelled, 1);
	assert_int_equal(hf_pk_stats(pk)->done, 0);
}

static void cancel_in_a_batch(void **state)
{
	struct hf_pk_key key = make_key(1, 2048);
	struct hf_pk_job *job[3];
	uint8_t zeros[HF_PK_OUT_MAX] = {0};

	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		job[i] = submit(&key, i);
	assert_true(hf_pk_work(pk, HF_PK_IDLE, 0)); /* begun */
	hf_pk_cancel(pk, job[1]);
	nothing_done(); /* the engine still reads it */
	while (hf_pk_work(pk, HF_PK_IDLE, 0)) {
	}
	done(0, HF_PK_OK);
	assert_ptr_equal(hf_pk_done(pk), job[1]);
	assert_int_equal(job[1]->status, HF_PK_CANCELLED);
	assert_memory_equal(job[1]->out, zeros, sizeof(zeros));
	hf_pk_give(pk, job[1]);
	done(2, HF_PK_OK);
}

/* ---- whole or sliced ---- */

static void a_batch_from_min_fill_on(void **state)
{
	struct hf_pk_key key = make_key(1, 2048);

	(void)state;
	submit(&key, 0); /* two on an idle port: one by one */
	submit(&key, 1);
	assert_true(hf_pk_work(pk, HF_PK_IDLE, 0));
	assert_int_equal(hf_pk_last_slice(pk), HF_PK_SLICE_WHOLE);
	done(0, HF_PK_OK);
	assert_int_equal(whole.calls, 1);
	submit(&key, 2); /* three: a batch */
	submit(&key, 3);
	assert_true(hf_pk_work(pk, HF_PK_IDLE, 10));
	assert_int_equal(hf_pk_last_slice(pk), HF_PK_SLICE_STEP);
	assert_int_equal(sliced.calls, 1);
	assert_int_equal(sliced.op_cnt, 3);
	submit(&key, 4); /* comes too late for it */
	assert_true(hf_pk_work(pk, HF_PK_IDLE, 11));
	assert_true(hf_pk_work(pk, HF_PK_IDLE, 12));
	nothing_done();
	assert_true(hf_pk_work(pk, HF_PK_IDLE, 13)); /* the third step ends it; 4 still waits */
	assert_int_equal(sliced.step_calls, 3);
	for (uint64_t i = 1; i <= 3; i++)
		done(i, HF_PK_OK);
	assert_false(hf_pk_work(pk, HF_PK_IDLE, 14));
	assert_int_equal(hf_pk_last_slice(pk), HF_PK_SLICE_WHOLE);
	assert_false(hf_pk_work(pk, HF_PK_IDLE, 15));
	assert_int_equal(hf_pk_last_slice(pk), HF_PK_SLICE_NONE);
	done(4, HF_PK_OK);
	assert_int_equal(whole.calls, 2);
	assert_int_equal(hf_pk_stats(pk)->batches, 1);
	assert_int_equal(hf_pk_stats(pk)->batch_ops, 3);
	assert_int_equal(hf_pk_stats(pk)->steps, 3);
	assert_int_equal(hf_pk_stats(pk)->scalar_ops, 2);
}

static void a_busy_port_prefers_slices_at_any_fill(void **state)
{
	struct hf_pk_key key = make_key(1, 2048);

	(void)state;
	submit(&key, 0);
	assert_true(hf_pk_work(pk, HF_PK_CALM, 0));
	assert_int_equal(sliced.op_cnt, 1);
	assert_int_equal(whole.calls, 0);
	while (hf_pk_work(pk, HF_PK_IDLE, 0)) {
	}
	done(0, HF_PK_OK);
}

/* ---- batches that wait for their lanes ---- */

#define GATHER (100 * HF_NS_US)

static int with_gathering(void **state)
{
	struct hf_pk_engine_ref e[] = {SLICED, WHOLE};

	(void)state;
	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++)
		e[0].gather_ns[i] = GATHER;
	start_with(e, 2);
	return 0;
}

/* Operations as they come under load, one after each gap, until that is known; returns when it is. They are
 * cancelled, so nobody has waited for them. */
static hf_ns come_every(const struct hf_pk_key *key, hf_ns gap, hf_ns now)
{
	for (uint64_t i = 0; i < 80; i++, now += gap) {
		struct hf_pk_job *job = take(key, i);

		hf_pk_submit(pk, job, now);
		hf_pk_cancel(pk, job);
		done(i, HF_PK_CANCELLED);
	}
	return now;
}

static void finish_batch(uint64_t cnt, hf_ns now)
{
	while (hf_pk_work(pk, HF_PK_CALM, now)) {
	}
	for (uint64_t i = 0; i < cnt; i++)
		done(i, HF_PK_OK);
}

static void a_batch_waits_for_its_lanes(void **state)
{
	struct hf_pk_key key = make_key(1, 2048);
	hf_ns now = come_every(&key, 20 * HF_NS_US, HF_NS_S);

	(void)state;
	for (uint64_t i = 0; i < 4; i++) {
		hf_pk_submit(pk, take(&key, i), now + i * 20 * HF_NS_US);
		if (i == 3)
			break;
		assert_false(hf_pk_work(
			pk, i % 2 ? HF_PK_CALM : HF_PK_PRESSED, now + i * 20 * HF_NS_US));
		assert_int_equal(hf_pk_last_slice(pk), HF_PK_SLICE_NONE);
		assert_int_equal(hf_pk_due(pk), now + GATHER);
	}
	assert_int_equal(sliced.calls, 0);
	assert_true(hf_pk_work(pk, HF_PK_CALM, now + 60 * HF_NS_US));
	assert_int_equal(sliced.op_cnt, 4);
	assert_int_equal(hf_pk_due(pk), HF_NS_NEVER);
	finish_batch(4, now);
}

static void no_batch_waits_too_long(void **state)
{
	struct hf_pk_key key = make_key(1, 2048);
	hf_ns now = come_every(&key, 20 * HF_NS_US, HF_NS_S);

	(void)state;
	hf_pk_submit(pk, take(&key, 0), now);
	assert_false(hf_pk_work(pk, HF_PK_CALM, now));
	assert_false(hf_pk_work(pk, HF_PK_CALM, now + GATHER - 1));
	assert_true(hf_pk_work(pk, HF_PK_CALM, now + GATHER));
	assert_int_equal(sliced.op_cnt, 1);
	finish_batch(1, now);
}

static void nobody_waits_for_who_comes_seldom(void **state)
{
	struct hf_pk_key key = make_key(1, 2048);
	hf_ns now = come_every(&key, 60 * HF_NS_US, HF_NS_S);

	(void)state;
	hf_pk_submit(pk, take(&key, 0), now);
	assert_true(hf_pk_work(pk, HF_PK_CALM, now));
	finish_batch(1, now);
}

/* His operations are computed one by one. */
static void a_client_by_himself_stops_waiting(void **state)
{
	struct hf_pk_key key = make_key(1, 2048);
	hf_ns now = come_every(&key, 20 * HF_NS_US, HF_NS_S);
	uint32_t waits = 0;

	(void)state;
	for (uint32_t round = 0; round < 100; round++) {
		hf_pk_submit(pk, take(&key, 0), now);
		(void)hf_pk_work(pk, HF_PK_IDLE, now);
		if (hf_pk_due(pk) != HF_NS_NEVER) {
			now = hf_pk_due(pk);
			waits++;
			assert_false(hf_pk_work(pk, HF_PK_IDLE, now));
		}
		done(0, HF_PK_OK);
		now += HF_NS_US;
	}
	assert_int_equal(waits, 4);
	assert_int_equal(whole.calls, 100);
}

/* Three clients who each wait for their answer never fill four lanes: that is found out. */
static void who_waits_in_vain_stops_waiting(void **state)
{
	struct hf_pk_key key = make_key(1, 2048);
	hf_ns now = come_every(&key, 20 * HF_NS_US, HF_NS_S);
	uint32_t waits = 0;

	(void)state;
	for (uint32_t round = 0; round < 100; round++) {
		for (uint64_t i = 0; i < 3; i++)
			hf_pk_submit(pk, take(&key, i), now);
		for (; !hf_pk_work(pk, HF_PK_CALM, now); now = hf_pk_due(pk))
			waits++;
		assert_int_equal(sliced.op_cnt, 3);
		finish_batch(3, now);
		now += HF_NS_US;
	}
	assert_int_equal(waits, 4);
}

static void a_batch_has_one_size_and_at_most_a_quantum(void **state)
{
	struct hf_pk_key a = make_key(1, 2048), b = make_key(2, 1024), c = make_key(3, 2048);
	static const uint64_t first[] = {0, 2, 3, 5}, second[] = {1, 4, 7};

	(void)state;
	submit(&a, 0);
	submit(&b, 1); /* in the same queue, of another size */
	submit(&c, 2); /* another key of the same size rides along */
	submit(&a, 3);
	submit(&b, 4);
	submit(&a, 5);
	submit(&a, 6); /* a fifth: the lanes are full */
	submit(&b, 7);
	assert_true(hf_pk_work(pk, HF_PK_IDLE, 0));
	assert_int_equal(sliced.op_cnt, 4);
	assert_ptr_equal(sliced.key[0], &a);
	assert_ptr_equal(sliced.key[1], &c);
	while (sliced.steps_left)
		assert_true(hf_pk_work(pk, HF_PK_IDLE, 0));
	for (size_t i = 0; i < 4; i++)
		done(first[i], HF_PK_OK);
	assert_true(hf_pk_work(pk, HF_PK_IDLE, 0)); /* job 1 waits longest now: its size's turn */
	assert_int_equal(sliced.op_cnt, 3);
	assert_ptr_equal(sliced.key[0], &b);
	while (sliced.steps_left)
		assert_true(hf_pk_work(pk, HF_PK_IDLE, 0));
	for (size_t i = 0; i < 3; i++)
		done(second[i], HF_PK_OK);
	assert_false(hf_pk_work(pk, HF_PK_IDLE, 0));
	done(6, HF_PK_OK);
	assert_int_equal(whole.calls, 1);
}

static void multi_prime_is_a_size_of_its_own(void **state)
{
	struct hf_pk_key a = make_key(1, 2048), b = make_key(2, 2048);

	(void)state;
	b.prime_cnt = 3;
	submit(&a, 0);
	submit(&b, 1);
	submit(&a, 2);
	submit(&a, 3);
	assert_true(hf_pk_work(pk, HF_PK_IDLE, 0));
	assert_int_equal(sliced.op_cnt, 3);
	while (hf_pk_work(pk, HF_PK_IDLE, 0)) {
	}
	done(0, HF_PK_OK);
	done(2, HF_PK_OK);
	done(3, HF_PK_OK);
	done(1, HF_PK_OK);
}

static void what_begin_leaves_waits_in_order(void **state)
{
	struct hf_pk_key key = make_key(1, 2048);

	(void)state;
	sliced.begin_max = 2;
	for (uint64_t i = 0; i < 4; i++)
		submit(&key, i);
	assert_true(hf_pk_work(pk, HF_PK_IDLE, 0));
	assert_int_equal(hf_pk_stats(pk)->queued, 2);
	while (hf_pk_work(pk, HF_PK_CALM, 0)) {
	}
	for (uint64_t i = 0; i < 4; i++)
		done(i, HF_PK_OK);
	assert_int_equal(sliced.calls, 2);
}

static void keys_a_kernel_refuses_go_to_the_next(void **state)
{
	struct hf_pk_key key = make_key(1, 2048);

	(void)state;
	sliced.refuses = true;
	for (uint64_t i = 0; i < 4; i++)
		submit(&key, i);
	while (hf_pk_work(pk, HF_PK_CALM, 0)) {
	}
	for (uint64_t i = 0; i < 4; i++)
		done(i, HF_PK_OK);
	assert_int_equal(sliced.calls, 0);
	assert_int_equal(whole.calls, 4);
}

static void a_key_is_made_ready_in_steps(void **state)
{
	struct hf_pk_key a = make_key(1, 2048), b = make_key(2, 2048);
	struct hf_pk_job *job;

	(void)state;
	sliced.key_steps = 4;
	for (uint64_t i = 0; i < 3; i++)
		submit(&a, i);
	for (uint32_t i = 1; i <= 4; i++) {
		assert_true(hf_pk_work(pk, HF_PK_IDLE, 0));
		assert_int_equal(hf_pk_stats(pk)->key_steps, i);
		assert_int_equal(sliced.calls, 0);
		assert_int_equal(hf_pk_stats(pk)->queued, 3); /* still free to be cancelled */
	}
	while (hf_pk_work(pk, HF_PK_IDLE, 0)) {
	}
	for (uint64_t i = 0; i < 3; i++)
		done(i, HF_PK_OK);
	assert_int_equal(sliced.calls, 1);
	/* whom it was for has gone: nothing is owed to anybody */
	job = submit(&b, 4);
	assert_true(hf_pk_work(pk, HF_PK_CALM, 0));
	hf_pk_cancel(pk, job);
	done(4, HF_PK_CANCELLED);
	assert_false(hf_pk_work(pk, HF_PK_CALM, 0));
	assert_int_equal(sliced.calls, 1);
}

/* ---- whose slice is next ---- */

/* Two classes, each with batches enough: every other step is one's. */
static void classes_advance_side_by_side(void **state)
{
	struct hf_pk_key small = make_key(1, 2048), large = make_key(2, 4096);

	(void)state;
	lanes[0].steps = 4;
	lanes[2].steps = 100;
	for (uint64_t i = 0; i < 3; i++)
		submit(&large, i);
	assert_true(hf_pk_work(pk, HF_PK_IDLE, 0)); /* the large ones had come first */
	for (uint64_t i = 3; i < 11; i++)
		submit(&small, i);
	for (uint32_t turn = 0; turn < 2 * 10; turn++) /* twice: one to begin and four steps */
		assert_true(hf_pk_work(pk, HF_PK_IDLE, 0));
	for (uint64_t i = 3; i < 11; i++)
		done(i, HF_PK_OK);
	nothing_done();
	assert_int_equal(lanes[2].step_calls, 10);
	while (hf_pk_work(pk, HF_PK_IDLE, 0)) {
	}
	for (uint64_t i = 0; i < 3; i++)
		done(i, HF_PK_OK);
	assert_int_equal(hf_pk_engine_stats(pk, 0, 0)->batches, 2);
	assert_int_equal(hf_pk_engine_stats(pk, 0, 0)->ops, 8);
	assert_int_equal(hf_pk_engine_stats(pk, 0, 0)->fill.sum, 8);
	assert_int_equal(hf_pk_engine_stats(pk, 0, 1)->ops, 0);
	assert_int_equal(hf_pk_engine_stats(pk, 0, 2)->steps, 100);
	assert_int_equal(hf_pk_engine_stats(pk, 1, 2)->ops, 0);
}

/* A whole operation of the large class is worth ten steps: so many steps of the small class follow
 * it before its next, and none when nobody else wants them. */
static int dear_operations(void **state)
{
	struct hf_pk_engine_ref e[] = {SLICED, WHOLE};

	(void)state;
	e[0].min_fill[2] = 5;
	e[1].cost[2] = 10;
	start_with(e, 2);
	return 0;
}

static void a_dear_slice_is_paid_for(void **state)
{
	struct hf_pk_key small = make_key(1, 2048), large = make_key(2, 4096);

	(void)state;
	lanes[0].steps = 1000;
	for (uint64_t i = 0; i < 3; i++)
		submit(&small, i);
	for (uint64_t i = 3; i < 6; i++)
		submit(&large, i);
	for (uint32_t turn = 0; turn < 30; turn++)
		assert_true(hf_pk_work(pk, HF_PK_IDLE, 0));
	assert_in_range(whole.calls, 3, 3); /* turns 2, 13, 24 */
	assert_int_equal(lanes[0].step_calls, 30 - 3 - 1);
	for (uint64_t i = 3; i < 6; i++)
		done(i, HF_PK_OK);
	while (hf_pk_work(pk, HF_PK_IDLE, 0)) {
	}
	for (uint64_t i = 0; i < 3; i++)
		done(i, HF_PK_OK);
	for (uint64_t i = 6; i < 9; i++)
		submit(&large, i);
	for (uint32_t turn = 0; turn < 3; turn++) /* alone: no turn is wasted */
		hf_pk_work(pk, HF_PK_IDLE, 0);
	for (uint64_t i = 6; i < 9; i++)
		done(i, HF_PK_OK);
}

/* ---- engines that fail ---- */

static int one_is_off(void **state)
{
	struct hf_pk_engine_ref e[] = {SLICED, WHOLE};

	(void)state;
	e[0].off = true;
	start_with(e, 2);
	return 0;
}

static void an_engine_that_failed_its_selftest_is_never_asked(void **state)
{
	struct hf_pk_key key = make_key(1, 2048);

	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		submit(&key, i);
	while (hf_pk_work(pk, HF_PK_CALM, 0)) {
	}
	for (uint64_t i = 0; i < 4; i++)
		done(i, HF_PK_OK);
	assert_int_equal(sliced.calls, 0);
	assert_int_equal(whole.calls, 4);
	assert_int_equal(hf_pk_stats(pk)->engines_off, 1);
}

static void an_operation_without_answer_is_asked_again_elsewhere(void **state)
{
	struct hf_pk_key key = make_key(1, 2048);

	(void)state;
	sliced.status[1] = HF_RSA_UNANSWERED;
	for (uint64_t i = 0; i < 3; i++)
		submit(&key, i);
	while (hf_pk_work(pk, HF_PK_IDLE, 0)) {
	}
	done(0, HF_PK_OK);
	done(2, HF_PK_OK);
	done(1, HF_PK_OK);
	assert_int_equal(whole.calls, 1);
	assert_int_equal(hf_pk_stats(pk)->unanswered, 1);
	assert_int_equal(hf_pk_stats(pk)->engines_off, 0);
	memset(sliced.status, 0, sizeof(sliced.status)); /* it serves the next ones */
	for (uint64_t i = 0; i < 3; i++)
		submit(&key, i);
	while (hf_pk_work(pk, HF_PK_IDLE, 0)) {
	}
	for (uint64_t i = 0; i < 3; i++)
		done(i, HF_PK_OK);
	assert_int_equal(whole.calls, 1);
}

/* Nor does it come back to the engine that had no answer, however well that would suit it. */
static void nobody_is_asked_twice(void **state)
{
	struct hf_pk_key key = make_key(1, 2048);

	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		sliced.status[i] = HF_RSA_UNANSWERED;
	for (uint64_t i = 0; i < 4; i++)
		submit(&key, i);
	for (uint32_t turn = 0; turn < 4 + 4; turn++)
		hf_pk_work(pk, HF_PK_CALM, 0);
	assert_int_equal(sliced.calls, 1);
	assert_int_equal(whole.calls, 4);
	for (uint64_t i = 4; i-- > 0;)
		done(i, HF_PK_OK);
}

static void an_engine_that_computes_wrongly_is_out(void **state)
{
	struct hf_pk_key key = make_key(1, 2048);

	(void)state;
	sliced.status[0] = HF_RSA_FAULT;
	sliced.status[2] = HF_RSA_FAULT;
	for (uint64_t i = 0; i < 4; i++)
		submit(&key, i);
	while (hf_pk_work(pk, HF_PK_IDLE, 0)) {
	}
	done(1, HF_PK_OK);
	done(3, HF_PK_OK);
	done(2, HF_PK_OK); /* went back to the head, the last one first */
	done(0, HF_PK_OK);
	assert_int_equal(hf_pk_stats(pk)->faults, 2);
	assert_int_equal(hf_pk_stats(pk)->engines_off, 1);
	for (uint64_t i = 0; i < 4; i++)
		submit(&key, i);
	while (hf_pk_work(pk, HF_PK_CALM, 0)) {
	}
	for (uint64_t i = 0; i < 4; i++)
		done(i, HF_PK_OK);
	assert_int_equal(sliced.calls, 1);
	assert_int_equal(whole.calls, 6);
}

static void when_the_last_engine_fails(void **state)
{
	struct hf_pk_key key = make_key(1, 2048);
	uint8_t fallback[HF_PREMASTER_LEN], em[HF_PK_OUT_MAX];
	struct hf_pk_job *job = take(&key, 1);

	(void)state;
	memset(fallback, 0xfb, sizeof(fallback));
	good_em(em, key.n.len);
	whole.says = em; /* whatever it left in out */
	whole.status[0] = HF_RSA_UNANSWERED;
	hf_pk_submit(pk, job, 0);
	assert_false(hf_pk_work(pk, HF_PK_IDLE, 0));
	assert_ptr_equal(hf_pk_done(pk), job); /* a premaster secret has one outcome only */
	assert_int_equal(job->status, HF_PK_OK);
	assert_memory_equal(job->out, fallback, HF_PREMASTER_LEN);
	hf_pk_give(pk, job);

	job = take(&key, 2);
	job->op = HF_PK_RSA_SIGN_PKCS1;
	job->hash = HF_SHA1;
	job->in_len = 20;
	whole.status[0] = HF_RSA_FAULT;
	hf_pk_submit(pk, job, 0);
	assert_false(hf_pk_work(pk, HF_PK_IDLE, 0));
	assert_ptr_equal(hf_pk_done(pk), job);
	assert_int_equal(job->status, HF_PK_FAILED);
	assert_int_equal(job->out_len, 0);
	for (uint32_t i = 0; i < sizeof(job->out); i++)
		assert_int_equal(job->out[i], 0); /* a wrong signature gives the key away */
	hf_pk_give(pk, job);
	whole.status[0] = HF_RSA_OK; /* there is no one else: the last engine is never off */
	assert_int_equal(hf_pk_stats(pk)->engines_off, 0);
	submit(&key, 3);
	assert_false(hf_pk_work(pk, HF_PK_IDLE, 0));
	done(3, HF_PK_OK);
}

static void a_cancelled_operation_is_not_asked_again(void **state)
{
	struct hf_pk_key key = make_key(1, 2048);
	struct hf_pk_job *job[3];

	(void)state;
	sliced.status[1] = HF_RSA_UNANSWERED;
	for (uint64_t i = 0; i < 3; i++)
		job[i] = submit(&key, i);
	assert_true(hf_pk_work(pk, HF_PK_IDLE, 0));
	hf_pk_cancel(pk, job[1]);
	while (hf_pk_work(pk, HF_PK_IDLE, 0)) {
	}
	done(0, HF_PK_OK);
	done(1, HF_PK_CANCELLED);
	done(2, HF_PK_OK);
	assert_int_equal(whole.calls, 0);
}

static void forget_reaches_every_engine(void **state)
{
	(void)state;
	hf_pk_forget(pk, 9);
	assert_int_equal(whole.forgotten, 9);
	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++)
		assert_int_equal(lanes[i].forgotten, 9);
}

static void an_engine_that_answers_wrongly_fails_its_selftest(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++) {
		assert_int_equal(hf_pk_selftest(&whole_class, &whole, i), -1);
		assert_int_equal(hf_pk_selftest(&sliced_class, &lanes[i], i), -1);
	}
	whole.refuses = true;
	assert_int_equal(hf_pk_selftest(&whole_class, &whole, 0), -1);
}

/* A clock that only engines move: an operation takes 10, a batch as long as it has steps. */
static uint64_t fake_cycles(void)
{
	return 10ull * whole.op_cnt * whole.calls + lanes[0].step_calls;
}

static void crossover_of(uint32_t steps, uint32_t want)
{
	const struct hf_pk_engine_ref s = SLICED, w = WHOLE;
	struct hf_pk_pace pace;

	lanes[0].steps = steps;
	pace = hf_pk_measure(&s, &w, 0, fake_cycles);
	assert_int_equal(pace.whole, 10);
	assert_int_equal(pace.batch, steps);
	assert_int_equal(pace.steps, steps);
	assert_int_equal(hf_pk_crossover(&pace, 4), want);
}

static void the_crossover_is_where_a_batch_gets_faster(void **state)
{
	(void)state;
	crossover_of(1, 1);
	crossover_of(10, 1);
	crossover_of(11, 2);
	crossover_of(20, 2);
	crossover_of(39, 4);
	crossover_of(40, 4);
	crossover_of(41, 5); /* never */
}

/* ---- any order of events ---- */

/* Random calls for a long time: each job submitted comes out once, with the status its life asks
 * for, and the counters add up at every moment. */
static void any_order_of_events(void **state)
{
	struct hf_pk_key key[3] = {make_key(1, 2048), make_key(2, 4096), make_key(3, 3072)};
	struct hf_pk_job *live[JOB_CNT], *job;
	bool cancelled[JOB_CNT] = {false};
	uint32_t live_cnt = 0, out = 0, i;
	uint64_t seed = 7, now = 0;
	const struct hf_pk_stats *st = hf_pk_stats(pk);

	(void)state;
	for (uint32_t turn = 0; turn < 200000 || live_cnt > 0; turn++) {
		switch (turn < 200000 ? test_below(&seed, 5) : 3 + test_below(&seed, 2)) {
		case 0:
		case 1:
			if (live_cnt == JOB_CNT) {
				assert_null(hf_pk_take(pk));
				break;
			}
			job = take(&key[test_below(&seed, 3)], live_cnt);
			cancelled[live_cnt] = false;
			live[live_cnt++] = job;
			hf_pk_submit(pk, job, now);
			break;
		case 2:
			if (live_cnt == 0 || test_below(&seed, 4))
				break;
			i = test_below(&seed, live_cnt);
			hf_pk_cancel(pk, live[i]);
			cancelled[i] = true;
			break;
		case 3:
			for (uint32_t l = 0; l < HF_PK_CLASS_CNT; l++) {
				lanes[l].steps = 1 + test_below(&seed, 4);
				lanes[l].key_steps = test_below(&seed, 3);
				lanes[l].keys = 0;
				lanes[l].begin_max = test_below(&seed, 5);
				lanes[l].refuses = test_below(&seed, 8) == 0;
				lanes[l].status[test_below(&seed, 4)] = -(int)test_below(&seed, 2);
			}
			hf_pk_work(pk, (enum hf_pk_load)test_below(&seed, 3), now);
			break;
		default:
			job = hf_pk_done(pk);
			if (!job)
				break;
			for (i = 0; live[i] != job; i++)
				assert_true(i + 1 < live_cnt);
			assert_int_equal(job->status, cancelled[i] ? HF_PK_CANCELLED : HF_PK_OK);
			hf_pk_give(pk, job);
			live[i] = live[--live_cnt];
			cancelled[i] = cancelled[live_cnt];
			out++;
		}
		now += 5;
		assert_int_equal(st->jobs, live_cnt);
		assert_int_equal(st->submitted, out + live_cnt);
		assert_int_equal(st->done + st->cancelled + st->failed, out);
	}
	assert_true(st->batches > 1000 && st->scalar_ops > 1000 && st->cancelled > 1000);
	assert_true(st->unanswered > 1000 && st->refused > 0);
}

static void rows_cover(const struct hf_stat_table *t, const char *module, size_t size)
{
	size_t len = 0;

	assert_string_equal(t->module, module);
	for (uint32_t i = 0; i < t->row_cnt; i++) {
		assert_int_equal(t->row[i].off, len);
		len += t->row[i].kind == HF_STAT_HIST ? sizeof(struct hf_hist) : sizeof(uint64_t);
	}
	assert_int_equal(len, size);
}

static void every_row_points_at_a_counter(void **state)
{
	(void)state;
	rows_cover(&hf_pk_stat_table, "pk", sizeof(struct hf_pk_stats));
	rows_cover(&hf_pk_engine_stat_table, "pk_engine", sizeof(struct hf_pk_engine_stats));
}

#define SCALAR(test) cmocka_unit_test_setup_teardown(test, scalar_only, end)
#define GATHERS(test) cmocka_unit_test_setup_teardown(test, with_gathering, end)
#define BATCHES(test) cmocka_unit_test_setup_teardown(test, with_batches, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCALAR(jobs_are_bounded_and_come_back_blank),
		SCALAR(one_whole_operation_a_turn_in_order),
		SCALAR(premaster_verdicts),
		SCALAR(only_the_client_version_of_the_hello_counts),
		SCALAR(shapeless_ciphertexts),
		SCALAR(pkcs1_encoding),
		SCALAR(a_digest_of_the_wrong_length_is_our_error),
		SCALAR(what_is_not_served_fails_at_once),
		SCALAR(cancel_in_the_queue),
		SCALAR(cancel_when_done),
		BATCHES(cancel_in_a_batch),
		BATCHES(a_batch_from_min_fill_on),
		BATCHES(a_busy_port_prefers_slices_at_any_fill),
		GATHERS(a_batch_waits_for_its_lanes),
		GATHERS(no_batch_waits_too_long),
		GATHERS(nobody_waits_for_who_comes_seldom),
		GATHERS(a_client_by_himself_stops_waiting),
		GATHERS(who_waits_in_vain_stops_waiting),
		BATCHES(a_batch_has_one_size_and_at_most_a_quantum),
		BATCHES(multi_prime_is_a_size_of_its_own),
		BATCHES(what_begin_leaves_waits_in_order),
		BATCHES(keys_a_kernel_refuses_go_to_the_next),
		BATCHES(a_key_is_made_ready_in_steps),
		BATCHES(classes_advance_side_by_side),
		cmocka_unit_test_setup_teardown(a_dear_slice_is_paid_for, dear_operations, end),
		cmocka_unit_test_setup_teardown(
			an_engine_that_failed_its_selftest_is_never_asked, one_is_off, end),
		BATCHES(the_crossover_is_where_a_batch_gets_faster),
		BATCHES(an_operation_without_answer_is_asked_again_elsewhere),
		BATCHES(nobody_is_asked_twice),
		BATCHES(an_engine_that_computes_wrongly_is_out),
		SCALAR(when_the_last_engine_fails),
		BATCHES(a_cancelled_operation_is_not_asked_again),
		BATCHES(forget_reaches_every_engine),
		BATCHES(an_engine_that_answers_wrongly_fails_its_selftest),
		BATCHES(any_order_of_events),
		SCALAR(every_row_points_at_a_counter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
