/* sym_drivers.c -- the drivers for symmetric jobs, side by side on the same random bursts: every kind,
 * cipher, hash, length and fill, records that are spoilt among records that are not, and with more
 * keys than either driver has places for. The statuses, lengths and bytes must be the same, and
 * nothing is written where a job has no business. Lanes are used from fill one on, from a fill in
 * between, and as measured. */
#include "drivers/drivers.h"
#include "drivers/sym/ipsecmb.h"
#include "lib/base/rand.h"
#include "lib/crypto/sym.h"
#include "tests/support/test.h"

#define SCHEDULE_CNT 8u
#define JOB_MAX 50u
#define KEY_CNT 40u
#define TEXT_MAX 16384u
#define DATA_MAX (TEXT_MAX + HF_SYM_PREFIX_MAX + 256u + HF_SYM_TAIL_MAX)
#define OUT_MAX 300u

static void *lanes_ctx, *scalar_ctx;
static struct hf_rand rnd;

static int setup(void **state)
{
	uint8_t seed[HF_RAND_SEED_LEN] = {4};

	(void)state;
	hf_rand_seed(&rnd, seed);
	assert_true(hf_sym_ipsecmb.probe());
	lanes_ctx = test_alloc(hf_sym_ipsecmb.size(SCHEDULE_CNT));
	scalar_ctx = test_alloc(hf_sym_libcrypto.size(SCHEDULE_CNT));
	return hf_sym_ipsecmb.init(lanes_ctx, SCHEDULE_CNT) ||
	       hf_sym_libcrypto.init(scalar_ctx, SCHEDULE_CNT);
}

static int teardown(void **state)
{
	(void)state;
	hf_sym_ipsecmb.fini(lanes_ctx);
	hf_sym_libcrypto.fini(scalar_ctx);
	free(lanes_ctx);
	free(scalar_ctx);
	return 0;
}

/* ---- random bursts ---- */

struct one {
	struct hf_sym_job job;
	struct hf_span v[5];
	uint8_t text[TEXT_MAX], data[DATA_MAX], out[OUT_MAX + 16];
};

/* Two sides with the same jobs, each in memory of its own. */
struct side {
	struct one one[JOB_MAX];
	struct hf_sym_job *queue[JOB_MAX];
};
static struct side a, b;

/* Keys 0 .. KEY_CNT - 1 seal, each with a twin that opens. */
static struct hf_sym_keys out_keys[KEY_CNT], in_keys[KEY_CNT];

/* only: a cipher that all of them have, or NONE for every cipher in turn. */
static void new_keys(uint8_t only)
{
	static uint64_t next_id;

	for (uint32_t i = 0; i < KEY_CNT; i++) {
		struct hf_sym_keys *k = &out_keys[i];

		hf_rand_bytes(&rnd, k, sizeof(*k));
		k->cipher = only ? only : (uint8_t)(HF_CIPHER_NONE + 1 + i % (HF_CIPHER_CNT - 1));
		k->etm = !hf_cipher_info[k->cipher].aead && hf_rand_below(&rnd, 4) == 0;
		k->id = ++next_id;
		in_keys[i] = *k;
		in_keys[i].id = ++next_id;
	}
}

/* Mostly short, some long, a few at the limits. */
static uint32_t any_len(uint32_t max)
{
	switch (hf_rand_below(&rnd, 8)) {
	case 0:
		return hf_rand_below(&rnd, max + 1);
	case 1:
		return hf_rand_below(&rnd, 4) ? hf_rand_below(&rnd, 2) : max;
	default:
		return hf_rand_below(&rnd, HF_MIN(max, 1500u));
	}
}

static void random_spans(struct one *o, uint32_t len)
{
	const uint8_t *at = o->text;

	for (uint32_t i = 0; i < o->job.v_cnt; i++) {
		uint32_t take = i + 1 == o->job.v_cnt ? len : hf_rand_below(&rnd, len + 1);

		o->v[i] = hf_span(at, take);
		at += take;
		len -= take;
	}
	o->job.v = o->v;
}

static void random_hash(struct one *o, uint8_t kind)
{
	o->job.kind = kind;
	o->job.hash = (uint8_t)(HF_SHA1 + hf_rand_below(&rnd, 4));
	o->job.out = o->out;
	if (kind == HF_SYM_HASH) {
		o->job.v_cnt = hf_rand_below(&rnd, 5);
		random_spans(o, o->job.v_cnt ? any_len(TEXT_MAX) : 0);
		return;
	}
	o->job.v_cnt = 2 + hf_rand_below(&rnd, 3);
	random_spans(o, any_len(400));
	o->v[0] = hf_span(o->text, 1 + hf_rand_below(&rnd, 200));
	o->job.out_len = hf_rand_below(&rnd, OUT_MAX + 1);
}

static void random_seal(struct one *o, uint32_t key)
{
	const struct hf_sym_keys *k = &out_keys[key];

	o->job.kind = HF_SYM_SEAL;
	o->job.keys = k;
	o->job.seq = hf_rand_u64(&rnd);
	o->job.type = (uint8_t)hf_rand_below(&rnd, 256);
	o->job.version = 0x0303;
	o->job.len = any_len(TEXT_MAX);
	o->job.data = o->data;
	hf_rand_bytes(&rnd, o->job.iv, sizeof(o->job.iv));
	memcpy(o->data + hf_cipher_info[k->cipher].prefix_len, o->text, o->job.len);
}

/* A record that libcrypto sealed, spoilt once in four times, or bytes that are none. */
static void random_open(struct one *o, uint32_t key)
{
	struct hf_sym_job *job = &o->job;

	random_seal(o, key);
	hf_sym_libcrypto.burst(scalar_ctx, &job, 1);
	assert_int_equal(job->status, HF_SYM_OK);
	job->kind = HF_SYM_OPEN;
	job->keys = &in_keys[key];
	job->len = job->out_len;
	job->out_len = 0;
	if (hf_rand_below(&rnd, 4) == 0)
		job->data[hf_rand_below(&rnd, job->len)] ^= (uint8_t)(1 << hf_rand_below(&rnd, 8));
	else if (hf_rand_below(&rnd, 16) == 0)
		job->len = hf_rand_below(&rnd, job->len);
}

/* The same job on other memory. */
static void twin(struct one *to, const struct one *from)
{
	memcpy(to, from, sizeof(*to));
	to->job.data = to->data;
	to->job.out = to->out;
	to->job.v = to->v; /* the spans read the first side's text, which nobody writes */
}

/* kind: HF_SYM_KIND_CNT for any. */
static void random_burst(uint32_t cnt, uint32_t kind)
{
	for (uint32_t i = 0; i < cnt; i++) {
		struct one *o = &a.one[i];
		uint32_t k = kind < HF_SYM_KIND_CNT ? kind : hf_rand_below(&rnd, HF_SYM_KIND_CNT);

		memset(&o->job, 0, sizeof(o->job));
		memset(o->data, 0x5c, sizeof(o->data));
		memset(o->out, 0x5c, sizeof(o->out));
		hf_rand_bytes(&rnd, o->text, sizeof(o->text));
		if (k == HF_SYM_SEAL)
			random_seal(o, hf_rand_below(&rnd, KEY_CNT));
		else if (k == HF_SYM_OPEN)
			random_open(o, hf_rand_below(&rnd, KEY_CNT));
		else
			random_hash(o, (uint8_t)k);
		o->job.status = 0xff;
		twin(&b.one[i], o);
		a.queue[i] = &a.one[i].job;
		b.queue[i] = &b.one[i].job;
	}
}

static void same(const struct one *x, const struct one *y)
{
	assert_int_equal(x->job.status, y->job.status);
	assert_in_range(x->job.status, HF_SYM_OK, HF_SYM_BAD_RECORD);
	if (x->job.status == HF_SYM_OK) {
		assert_int_equal(x->job.out_len, y->job.out_len);
		assert_int_equal(x->job.out_off, y->job.out_off);
	}
	if (x->job.kind == HF_SYM_OPEN && x->job.status == HF_SYM_OK) {
		/* what surrounds the plaintext is nobody's concern */
		assert_memory_equal(
			x->job.data + x->job.out_off, y->job.data + y->job.out_off, x->job.out_len);
		assert_memory_equal(x->data + x->job.len, y->data + y->job.len, 64);
	} else if (x->job.kind == HF_SYM_SEAL) {
		uint32_t room = hf_cipher_info[x->job.keys->cipher].prefix_len + x->job.len +
				HF_SYM_TAIL_MAX;

		assert_memory_equal(x->data, y->data, x->job.out_len);
		assert_memory_equal(x->data + room, y->data + room, 64);
	} else {
		assert_memory_equal(x->data, y->data, sizeof(x->data));
	}
	assert_memory_equal(x->out, y->out, sizeof(x->out));
}

static void agree(uint32_t cnt, uint32_t kind)
{
	random_burst(cnt, kind);
	hf_sym_ipsecmb.burst(lanes_ctx, a.queue, cnt);
	hf_sym_libcrypto.burst(scalar_ctx, b.queue, cnt);
	for (uint32_t i = 0; i < cnt; i++)
		same(&a.one[i], &b.one[i]);
}

static void agree_on_many(void)
{
	for (uint32_t kind = 0; kind <= HF_SYM_KIND_CNT; kind++) {
		new_keys(HF_CIPHER_NONE);
		for (uint32_t cnt = 1; cnt <= JOB_MAX; cnt += cnt < 20 ? 1 : 6)
			agree(cnt, kind);
	}
	for (uint32_t turn = 0; turn < 100; turn++) {
		if (turn % 5 == 0)
			new_keys((uint8_t)(turn / 5 % HF_CIPHER_CNT));
		agree(1 + hf_rand_below(&rnd, JOB_MAX), HF_SYM_KIND_CNT);
	}
}

static void agree_as_measured(void **state)
{
	(void)state;
	agree_on_many();
}

static void agree_with_lanes_always(void **state)
{
	(void)state;
	hf_sym_ipsecmb_set_fill(lanes_ctx, 1);
	agree_on_many();
}

static void agree_with_lanes_from_three(void **state)
{
	(void)state;
	hf_sym_ipsecmb_set_fill(lanes_ctx, 3);
	agree_on_many();
}

static void agree_with_lanes_never(void **state)
{
	(void)state;
	hf_sym_ipsecmb_set_fill(lanes_ctx, UINT32_MAX);
	agree_on_many();
}

/* ---- one cipher, every length ---- */

static void each_length_of(uint8_t cipher)
{
	struct hf_sym_keys *k = &out_keys[0];

	k->cipher = cipher;
	k->etm = false;
	for (uint32_t len = 0; len <= 300;) {
		for (uint32_t i = 0; i < 16; i++, len++) {
			struct one *o = &a.one[i];

			memset(&o->job, 0, sizeof(o->job));
			memset(o->data, 0x5c, sizeof(o->data));
			random_seal(o, 0);
			o->job.len = len;
			memcpy(o->data + hf_cipher_info[cipher].prefix_len, o->text, len);
			twin(&b.one[i], o);
			a.queue[i] = &a.one[i].job;
			b.queue[i] = &b.one[i].job;
		}
		hf_sym_ipsecmb.burst(lanes_ctx, a.queue, 16);
		hf_sym_libcrypto.burst(scalar_ctx, b.queue, 16);
		for (uint32_t i = 0; i < 16; i++)
			same(&a.one[i], &b.one[i]);
	}
	hf_sym_ipsecmb.forget(lanes_ctx, k->id);
	hf_sym_libcrypto.forget(scalar_ctx, k->id);
}

static void each_length(void **state)
{
	(void)state;
	hf_sym_ipsecmb_set_fill(lanes_ctx, 1);
	new_keys(HF_CIPHER_NONE);
	for (uint8_t c = HF_CIPHER_NONE + 1; c < HF_CIPHER_CNT; c++)
		each_length_of(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agree_as_measured),
		cmocka_unit_test(agree_with_lanes_always),
		cmocka_unit_test(agree_with_lanes_from_three),
		cmocka_unit_test(agree_with_lanes_never),
		cmocka_unit_test(each_length),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
