/* pk_ec.c -- jobs on curves over engines that only pretend: what becomes of a seed, which public values
 * never reach an engine, who shares a batch, whose turn it is beside RSA, and what happens when an
 * engine does not answer. The arithmetic has tests/vectors/ec.c. */
#include "lib/crypto/pk.h"
#include "lib/crypto/sym.h"
#include "tests/support/test.h"

#define JOB_CNT 24u
#define GATHER (100 * HF_NS_US)
#define QUANTUM 8u

/* ---- engines: out is made of the operation's first input byte ---- */

struct fake {
	uint8_t group; /* takes this one alone; 0: all */
	int status;
	bool zero; /* says a secret of zeros */
	uint32_t calls, op_cnt, rsa_calls;
	struct hf_ec_op op[QUANTUM];
};

static bool fake_takes(void *ctx, const struct hf_pk_key *key)
{
	(void)ctx;
	(void)key;
	return true;
}

static bool fake_takes_ec(void *ctx, enum hf_ec_kind kind, enum hf_group group)
{
	const struct fake *f = ctx;

	(void)kind;
	return f->group == 0 || f->group == group;
}

static void fake_rsa(void *ctx, struct hf_rsa_op *ops, uint32_t cnt)
{
	((struct fake *)ctx)->rsa_calls++;
	assert_int_equal(cnt, 1);
	memcpy(ops->out, ops->in, ops->key->n.len);
	ops->status = HF_RSA_OK;
}

static void fake_ec(void *ctx, struct hf_ec_op *ops, uint32_t cnt)
{
	struct fake *f = ctx;

	assert_in_range(cnt, 1, QUANTUM);
	f->calls++;
	f->op_cnt = cnt;
	memcpy(f->op, ops, cnt * sizeof(*ops));
	for (uint32_t i = 0; i < cnt; i++) {
		assert_true(ops[i].kind == ops[0].kind && ops[i].group == ops[0].group);
		ops[i].out_len = 32;
		memset(ops[i].out, f->zero ? 0 : 0x77, 32);
		ops[i].status = f->status;
	}
}

static void fake_forget(void *ctx, uint64_t key_id)
{
	(void)ctx;
	(void)key_id;
}

static const struct hf_pk_engine lanes_class = {.name = "lanes",
	.cost = HF_PK_WHOLE,
	.quantum = 1,
	.takes = fake_takes,
	.rsa = fake_rsa,
	.forget = fake_forget,
	.ec_quantum = QUANTUM,
	.takes_ec = fake_takes_ec,
	.ec = fake_ec};
static const struct hf_pk_engine last_class = {.name = "last",
	.cost = HF_PK_WHOLE,
	.quantum = 1,
	.takes = fake_takes,
	.rsa = fake_rsa,
	.forget = fake_forget,
	.ec_quantum = 1,
	.takes_ec = fake_takes_ec,
	.ec = fake_ec};
static const struct hf_pk_engine rsa_class = {.name = "rsa alone",
	.cost = HF_PK_WHOLE,
	.quantum = 1,
	.takes = fake_takes,
	.rsa = fake_rsa,
	.forget = fake_forget};

static const struct hf_pk_engine curves_class = {.name = "curves alone",
	.cost = HF_PK_WHOLE,
	.ec_quantum = QUANTUM,
	.takes_ec = fake_takes_ec,
	.ec = fake_ec};

static struct fake lanes, last;
static struct hf_pk *pk;

/* min_fill: of key pairs in lanes. */
static void start(uint32_t min_fill)
{
	static const struct hf_pk_cfg cfg = {.job_cnt = JOB_CNT, .gather_ns = GATHER};
	struct hf_pk_engine_ref ref[] = {{.engine = &lanes_class, .ctx = {&lanes, &lanes, &lanes}},
		{.engine = &last_class, .ctx = {&last, &last, &last}}};

	lanes = last = (struct fake){0};
	for (enum hf_group g = HF_GROUP_X25519; g < HF_GROUP_CNT; g++)
		ref[0].ec_min_fill[HF_EC_BASE][g] = min_fill;
	pk = hf_pk_init(test_alloc(hf_pk_footprint(&cfg)), &cfg, ref, 2);
}

static int begin(void **state)
{
	(void)state;
	start(0);
	return 0;
}

/* From three on. */
static int begin_choosy(void **state)
{
	(void)state;
	start(3);
	return 0;
}

static int end(void **state)
{
	(void)state;
	assert_int_equal(hf_pk_stats(pk)->jobs, 0);
	free(pk);
	return 0;
}

/* ---- jobs ---- */

static struct hf_pk_job *take(uint8_t op, uint8_t group)
{
	struct hf_pk_job *job = hf_pk_take(pk);

	assert_non_null(job);
	job->op = op;
	job->group = group;
	memset(job->seed, 0x11, sizeof(job->seed));
	if (op == HF_PK_ECDH_DERIVE) {
		job->in_len = hf_group_info[group].point_len;
		job->in[0] = 4;
	}
	return job;
}

static struct hf_pk_job *submit(uint8_t op, uint8_t group)
{
	struct hf_pk_job *job = take(op, group);

	hf_pk_submit(pk, job, 0);
	return job;
}

static void is_done(struct hf_pk_job *want, uint8_t status)
{
	struct hf_pk_job *job = hf_pk_done(pk);

	assert_ptr_equal(job, want);
	assert_int_equal(job->status, status);
	hf_pk_give(pk, job);
}

static void work_all(void)
{
	while (hf_pk_work(pk, HF_PK_IDLE, 0)) {
	}
}

/* ---- private keys ---- */

static const uint8_t order_p256[32] = {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca,
	0xc2, 0xfc, 0x63, 0x25, 0x51};

/* The scalar is that part of the seed which is in range, or there is none. */
static void draws(uint8_t group, const uint8_t seed[64], const uint8_t *want)
{
	struct hf_pk_job *job = take(HF_PK_ECDH_KEYGEN, group);

	memcpy(job->seed, seed, 64);
	hf_pk_submit(pk, job, 0);
	work_all();
	if (want)
		assert_memory_equal(job->scalar, want, hf_group_info[group].scalar_len);
	is_done(job, want ? HF_PK_OK : HF_PK_FAILED);
}

static void a_private_key_is_below_the_order(void **state)
{
	uint8_t seed[64];

	(void)state;
	memcpy(seed, order_p256, 32);
	memset(seed + 32, 0x22, 32);
	draws(HF_GROUP_P256, seed, seed + 32); /* the order itself: the second half serves */
	seed[31]--;
	draws(HF_GROUP_P256, seed, seed);
	seed[31] += 2;
	draws(HF_GROUP_P256, seed, seed + 32);
	memset(seed, 0, 32);
	draws(HF_GROUP_P256, seed, seed + 32); /* zero */
	seed[31] = 1;
	draws(HF_GROUP_P256, seed, seed);
	memset(seed, 0xff, 64);
	draws(HF_GROUP_P256, seed, NULL);
	draws(HF_GROUP_P384, seed, NULL);
	draws(HF_GROUP_X25519, seed, seed); /* every 32 bytes are a key */
	seed[0] = 0xfe;
	draws(HF_GROUP_P384, seed, seed);
	memset(seed, 0, 64);
	draws(HF_GROUP_P384, seed, NULL);
}

/* ---- public values ---- */

static void derive_in_form(uint8_t group, uint32_t len, uint8_t first, uint8_t status)
{
	struct hf_pk_job *job = take(HF_PK_ECDH_DERIVE, group);
	uint32_t calls = lanes.calls;

	job->in_len = len;
	job->in[0] = first;
	hf_pk_submit(pk, job, 0);
	work_all();
	assert_int_equal(lanes.calls - calls, status == HF_PK_OK); /* no engine was troubled */
	is_done(job, status);
}

static void wrong_forms_are_refused_unseen(void **state)
{
	(void)state;
	derive_in_form(HF_GROUP_X25519, 32, 0xff, HF_PK_OK);
	derive_in_form(HF_GROUP_X25519, 31, 0, HF_PK_REFUSED);
	derive_in_form(HF_GROUP_X25519, 33, 0, HF_PK_REFUSED);
	derive_in_form(HF_GROUP_P256, 65, 4, HF_PK_OK);
	derive_in_form(HF_GROUP_P256, 33, 2, HF_PK_REFUSED); /* compressed */
	derive_in_form(HF_GROUP_P256, 65, 6, HF_PK_REFUSED); /* hybrid */
	derive_in_form(HF_GROUP_P256, 1, 0, HF_PK_REFUSED);  /* infinity */
	derive_in_form(HF_GROUP_P256, 0, 4, HF_PK_REFUSED);
	derive_in_form(HF_GROUP_P384, 65, 4, HF_PK_REFUSED);
	derive_in_form(HF_GROUP_P384, 97, 4, HF_PK_OK);
	assert_int_equal(hf_pk_stats(pk)->refused_points, 7);
}

static void what_the_engine_refuses_is_refused(void **state)
{
	struct hf_pk_job *job;

	(void)state;
	lanes.status = HF_EC_REFUSED;
	job = submit(HF_PK_ECDH_DERIVE, HF_GROUP_P256);
	work_all();
	assert_int_equal(job->out[0], 0); /* nothing of it is left */
	is_done(job, HF_PK_REFUSED);
	assert_int_equal(last.calls, 0);
}

static void a_secret_of_zeros_is_refused(void **state)
{
	(void)state;
	lanes.zero = true;
	for (uint8_t g = HF_GROUP_X25519; g < HF_GROUP_CNT; g++) {
		struct hf_pk_job *job = submit(HF_PK_ECDH_DERIVE, g);

		work_all(); /* an x of zero is a point like others on P-256 */
		is_done(job, g == HF_GROUP_X25519 ? HF_PK_REFUSED : HF_PK_OK);
	}
}

/* ---- batches and turns ---- */

static void like_waits_for_like(void **state)
{
	struct hf_pk_job *job[12];

	(void)state;
	for (uint32_t i = 0; i < 12; i++)
		job[i] = submit(i % 3 ? HF_PK_ECDH_KEYGEN : HF_PK_ECDH_DERIVE,
			i % 2 ? HF_GROUP_X25519 : HF_GROUP_P256);
	assert_true(hf_pk_work(pk, HF_PK_IDLE, 0)); /* 0 and 6: derive on P-256 */
	assert_int_equal(lanes.op_cnt, 2);
	is_done(job[0], HF_PK_OK);
	is_done(job[6], HF_PK_OK);
	assert_true(hf_pk_work(pk, HF_PK_IDLE, 0)); /* 3 and 9: derive on X25519 */
	assert_int_equal(lanes.op_cnt, 2);
	is_done(job[3], HF_PK_OK);
	is_done(job[9], HF_PK_OK);
	assert_true(hf_pk_work(pk, HF_PK_IDLE, 0)); /* 1, 5, 7, 11: X25519 pairs */
	assert_int_equal(lanes.op_cnt, 4);
	for (uint32_t i = 1; i < 12; i += i % 6 == 1 ? 4 : 2)
		is_done(job[i], HF_PK_OK);
	assert_false(hf_pk_work(pk, HF_PK_IDLE, 0));
	assert_int_equal(lanes.calls, 4);
	for (uint32_t i = 0; i < 4; i++)
		hf_pk_give(pk, hf_pk_done(pk));
	assert_int_equal(hf_pk_stats(pk)->curve_ops, 12);
	assert_int_equal(hf_pk_stats(pk)->curve_batches, 4);
}

static uint8_t ones[256];

static struct hf_pk_job *submit_rsa(void)
{
	static const struct hf_pk_key key = {.id = 9,
		.type = HF_PK_RSA,
		.prime_cnt = 2,
		.bits = 2048,
		.n = {ones, sizeof(ones)}};
	struct hf_pk_job *job = take(HF_PK_RSA_SIGN_PKCS1, 0);

	memset(ones, 0xff, sizeof(ones));
	job->key = &key;
	job->hash = HF_SHA256;
	job->in_len = 32;
	hf_pk_submit(pk, job, 0);
	return job;
}

/* While there is other work an operation waits until the lanes are full, or for so long. */
static void under_pressure_they_gather(void **state)
{
	struct hf_pk_job *job[QUANTUM];

	(void)state;
	job[0] = submit(HF_PK_ECDH_DERIVE, HF_GROUP_X25519);
	assert_true(hf_pk_work(pk, HF_PK_PRESSED, 0));
	assert_int_equal(lanes.calls, 0);
	assert_false(hf_pk_work(pk, HF_PK_CALM, 0));
	assert_int_equal(lanes.op_cnt, 1);
	is_done(job[0], HF_PK_OK);
	for (uint32_t i = 0; i < QUANTUM; i++) {
		assert_int_equal(lanes.calls, 1);
		job[i] = submit(HF_PK_ECDH_DERIVE, HF_GROUP_X25519);
		(void)hf_pk_work(pk, HF_PK_PRESSED, i);
	}
	assert_int_equal(lanes.op_cnt, QUANTUM);
	for (uint32_t i = 0; i < QUANTUM; i++)
		is_done(job[i], HF_PK_OK);
	job[0] = submit(HF_PK_ECDH_DERIVE, HF_GROUP_X25519);
	assert_true(hf_pk_work(pk, HF_PK_PRESSED, GATHER - 1));
	assert_false(hf_pk_work(pk, HF_PK_PRESSED, GATHER));
	is_done(job[0], HF_PK_OK);
}

/* RSA that waits is such work; it does not starve them. */
static void curves_gather_beside_rsa(void **state)
{
	struct hf_pk_job *rsa[2], *derive;

	(void)state;
	rsa[0] = submit_rsa();
	rsa[1] = submit_rsa();
	derive = submit(HF_PK_ECDH_DERIVE, HF_GROUP_X25519);
	assert_true(hf_pk_work(pk, HF_PK_CALM, 0));
	is_done(rsa[0], HF_PK_OK);
	assert_true(hf_pk_work(pk, HF_PK_CALM, GATHER));
	is_done(derive, HF_PK_OK);
	assert_false(hf_pk_work(pk, HF_PK_CALM, GATHER));
	is_done(rsa[1], HF_PK_OK);
}

/* Who comes later does not wait, if it is the last that his handshake needs. */
static void what_ends_a_handshake_goes_first(void **state)
{
	static const struct hf_pk_key key = {.id = 8, .type = HF_PK_EC_P256};
	struct hf_pk_job *pair = submit(HF_PK_ECDH_KEYGEN, HF_GROUP_P256), *derive,
			 *sign = take(HF_PK_ECDSA_SIGN, 0);

	(void)state;
	sign->key = &key;
	sign->hash = HF_SHA256;
	sign->in_len = 32;
	hf_pk_submit(pk, sign, 0);
	derive = submit(HF_PK_ECDH_DERIVE, HF_GROUP_P256);
	assert_true(hf_pk_work(pk, HF_PK_IDLE, 0));
	is_done(derive, HF_PK_OK);
	assert_true(hf_pk_work(pk, HF_PK_IDLE, 0));
	is_done(sign, HF_PK_OK);
	assert_false(hf_pk_work(pk, HF_PK_IDLE, 0));
	is_done(pair, HF_PK_OK);
}

static void a_batch_is_no_more_than_the_lanes(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 20; i++)
		(void)submit(HF_PK_ECDH_KEYGEN, HF_GROUP_X25519);
	work_all();
	assert_int_equal(lanes.calls, 3);
	assert_int_equal(lanes.op_cnt, 4);
	for (uint32_t i = 0; i < 20; i++)
		hf_pk_give(pk, hf_pk_done(pk));
}

static void pairs(uint32_t cnt, uint8_t group)
{
	while (cnt-- > 0)
		(void)submit(HF_PK_ECDH_KEYGEN, group);
}

static void give_all(uint32_t cnt)
{
	for (struct hf_pk_job *job; (job = hf_pk_done(pk)); cnt--) {
		assert_int_equal(job->status, HF_PK_OK);
		hf_pk_give(pk, job);
	}
	assert_int_equal(cnt, 0);
}

/* Each kind and group for itself. */
static void few_are_computed_one_by_one(void **state)
{
	const struct hf_pk_engine_stats *st;

	(void)state;
	pairs(2, HF_GROUP_X25519);
	pairs(2, HF_GROUP_P256);
	work_all();
	assert_int_equal(lanes.calls, 0);
	assert_int_equal(last.calls, 4);
	give_all(4);
	pairs(11, HF_GROUP_X25519); /* 8 and 3 */
	pairs(10, HF_GROUP_P256);   /* 8, and 2 by themselves */
	work_all();
	assert_int_equal(lanes.calls, 3);
	assert_int_equal(last.calls, 6);
	give_all(21);
	st = hf_pk_ec_engine_stats(pk, 0, HF_EC_BASE, HF_GROUP_X25519);
	assert_int_equal(st->ops, 11);
	assert_int_equal(st->batches, 2);
	assert_int_equal(st->fill.sum, 11);
	assert_int_equal(st->wait_ns.cnt, 11);
	assert_int_equal(st->crossover.sum, 3);
	st = hf_pk_ec_engine_stats(pk, 1, HF_EC_BASE, HF_GROUP_P256);
	assert_int_equal(st->ops, 4);
	assert_int_equal(st->batches, 0);
	assert_int_equal(hf_pk_stats(pk)->curve_ops, 25);
}

/* Where nobody else computes it, a batch is made of any number. */
static void few_are_a_batch_where_they_must(void **state)
{
	(void)state;
	last.group = HF_GROUP_P256;
	pairs(2, HF_GROUP_X25519);
	work_all();
	assert_int_equal(lanes.calls, 1);
	give_all(2);
}

static void rsa_has_every_other_turn(void **state)
{
	struct hf_pk_job *rsa[3], *curve[3];
	uint8_t group[] = {HF_GROUP_X25519, HF_GROUP_P256, HF_GROUP_P384};

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		rsa[i] = submit_rsa();
	for (uint32_t i = 0; i < 3; i++)
		curve[i] = submit(HF_PK_ECDH_KEYGEN, group[i]);
	for (uint32_t i = 0; i < 3; i++) {
		assert_true(hf_pk_work(pk, HF_PK_IDLE, 0));
		is_done(curve[i], HF_PK_OK);
		assert_int_equal(hf_pk_work(pk, HF_PK_IDLE, 0), i < 2);
		is_done(rsa[i], HF_PK_OK);
	}
}

/* ---- key pairs made beforehand ---- */

#define SECOND HF_NS_S

static struct hf_rand rnd;

static void keep_pairs(void)
{
	uint8_t seed[HF_RAND_SEED_LEN] = {4};

	hf_rand_seed(&rnd, seed);
	hf_pk_keep_pairs(pk, &rnd);
}

/* Works until nothing is urgent; returns how many pairs were made. */
static uint64_t made_at(enum hf_pk_load load, hf_ns now)
{
	uint64_t before = hf_pk_stats(pk)->pairs_made;

	while (hf_pk_work(pk, load, now)) {
	}
	return hf_pk_stats(pk)->pairs_made - before;
}

static void pairs_wait_for_those_who_come(void **state)
{
	struct hf_pk_pair pair[40] = {{{0}, {0}}};
	const struct hf_pk_stats *st = hf_pk_stats(pk);
	uint8_t public[32];

	(void)state;
	assert_false(hf_pk_pair(pk, HF_GROUP_X25519, &pair[0], 0)); /* no generator yet */
	keep_pairs();
	assert_int_equal(made_at(HF_PK_IDLE, 0), 0); /* nobody has asked */
	assert_false(hf_pk_pair(pk, HF_GROUP_X25519, &pair[0], 0));
	assert_int_equal(st->pairs_missing, 1);
	assert_int_equal(made_at(HF_PK_CALM, 0), 8);
	assert_int_equal(made_at(HF_PK_CALM, 0), 0); /* enough for a busy port */
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(made_at(HF_PK_IDLE, 0), 8);
	assert_int_equal(made_at(HF_PK_IDLE, 0), 0); /* 32 at the most */
	assert_int_equal(lanes.calls, 4);
	assert_int_equal(lanes.op_cnt, 8);
	memset(public, 0x77, sizeof(public));
	for (uint32_t i = 0; i < 32; i++) {
		assert_true(hf_pk_pair(pk, HF_GROUP_X25519, &pair[i], 0));
		assert_memory_equal(pair[i].point, public, sizeof(public));
		for (uint32_t j = 0; j < i; j++)
			assert_memory_not_equal(pair[i].scalar, pair[j].scalar, 32);
	}
	assert_false(hf_pk_pair(pk, HF_GROUP_X25519, &pair[32], 0));
	assert_int_equal(st->pairs_given, 32);
	assert_int_equal(st->pairs_missing, 2);
	assert_int_equal(hf_pk_ec_engine_stats(pk, 0, HF_EC_BASE, HF_GROUP_X25519)->fill.cnt, 4);
	assert_int_equal(st->submitted, 0);
}

/* Below eight they are made before RSA's next slice, between eight and 32 after all of it. */
static void few_pairs_are_urgent(void **state)
{
	struct hf_pk_pair pair;
	struct hf_pk_job *rsa;

	(void)state;
	keep_pairs();
	assert_false(hf_pk_pair(pk, HF_GROUP_P256, &pair, 0));
	rsa = submit_rsa();
	assert_true(hf_pk_work(pk, HF_PK_CALM, 0));
	assert_int_equal(hf_pk_stats(pk)->pairs_made, 8);
	assert_false(hf_pk_work(pk, HF_PK_CALM, 0));
	is_done(rsa, HF_PK_OK);
	assert_true(hf_pk_pair(pk, HF_GROUP_P256, &pair, 0));
	rsa = submit_rsa();
	assert_true(hf_pk_work(pk, HF_PK_IDLE, 0)); /* seven */
	assert_false(hf_pk_work(pk, HF_PK_IDLE, 0));
	is_done(rsa, HF_PK_OK);
	rsa = submit_rsa();
	assert_false(hf_pk_work(pk, HF_PK_IDLE, 0)); /* fifteen */
	is_done(rsa, HF_PK_OK);
	assert_int_equal(hf_pk_stats(pk)->pairs_made, 16);
}

static void pairs_grow_old(void **state)
{
	const struct hf_pk_stats *st = hf_pk_stats(pk);
	struct hf_pk_pair pair;

	(void)state;
	keep_pairs();
	assert_false(hf_pk_pair(pk, HF_GROUP_X25519, &pair, 0));
	assert_int_equal(made_at(HF_PK_CALM, 0), 8);
	assert_int_equal(made_at(HF_PK_IDLE, 3 * SECOND), 8);
	assert_int_equal(made_at(HF_PK_IDLE, 5 * SECOND), 0); /* nobody asks any more */
	assert_int_equal(st->pairs_aged, 8);
	assert_true(hf_pk_pair(pk, HF_GROUP_X25519, &pair, 7 * SECOND));
	assert_false(hf_pk_pair(pk, HF_GROUP_X25519, &pair, 8 * SECOND));
	assert_int_equal(st->pairs_aged, 15);
	assert_int_equal(st->pairs_made, 16);
	assert_int_equal(made_at(HF_PK_CALM, 8 * SECOND), 8);
}

/* Made of an engine that fails: none is given, and others answer. */
static void pairs_of_an_engine_that_is_out(void **state)
{
	struct hf_pk_pair pair;

	(void)state;
	keep_pairs();
	lanes.status = HF_EC_FAULT;
	assert_false(hf_pk_pair(pk, HF_GROUP_X25519, &pair, 0));
	assert_int_equal(made_at(HF_PK_IDLE, 0), 0);
	assert_int_equal(hf_pk_stats(pk)->faults, 8);
	assert_int_equal(hf_pk_stats(pk)->engines_off, 1);
	assert_false(hf_pk_pair(pk, HF_GROUP_X25519, &pair, 0));
	assert_int_equal(made_at(HF_PK_IDLE, 0), 0);
	assert_int_equal(last.calls, 0); /* one by one is no business of a ring */
}

/* ---- engines that do not answer ---- */

static void the_next_engine_answers(void **state)
{
	struct hf_pk_job *job;

	(void)state;
	lanes.status = HF_EC_UNANSWERED;
	job = submit(HF_PK_ECDH_KEYGEN, HF_GROUP_P256);
	work_all();
	assert_int_equal(lanes.calls, 1);
	assert_int_equal(last.calls, 1);
	is_done(job, HF_PK_OK);
	last.status = HF_EC_UNANSWERED;
	job = submit(HF_PK_ECDH_KEYGEN, HF_GROUP_P256);
	work_all();
	assert_int_equal(job->out[0], 0);
	is_done(job, HF_PK_FAILED);
	assert_int_equal(hf_pk_stats(pk)->unanswered, 3);
	assert_int_equal(hf_pk_stats(pk)->failed, 1);
}

/* Counted, and never asked again. */
static void an_engine_that_computes_wrongly_is_out(void **state)
{
	(void)state;
	lanes.status = HF_EC_FAULT;
	pairs(2, HF_GROUP_X25519);
	work_all();
	assert_int_equal(lanes.calls, 1);
	assert_int_equal(last.calls, 2);
	give_all(2);
	assert_int_equal(hf_pk_stats(pk)->faults, 2);
	assert_int_equal(hf_pk_stats(pk)->engines_off, 1);
	assert_int_equal(hf_pk_ec_engine_stats(pk, 0, HF_EC_BASE, HF_GROUP_X25519)->faults, 2);
	lanes.status = HF_EC_OK;
	pairs(8, HF_GROUP_X25519);
	work_all();
	assert_int_equal(lanes.calls, 1);
	give_all(8);
	last.status = HF_EC_FAULT; /* there is no one else: it is never off */
	pairs(1, HF_GROUP_X25519);
	work_all();
	hf_pk_give(pk, hf_pk_done(pk));
	assert_int_equal(hf_pk_stats(pk)->engines_off, 1);
	assert_int_equal(hf_pk_stats(pk)->failed, 1);
}

static void engines_without_the_group_are_passed_by(void **state)
{
	struct hf_pk_job *job;

	(void)state;
	lanes.group = HF_GROUP_X25519;
	job = submit(HF_PK_ECDH_KEYGEN, HF_GROUP_P384);
	work_all();
	assert_int_equal(lanes.calls, 0);
	is_done(job, HF_PK_OK);
	last.group = HF_GROUP_P256;
	job = submit(HF_PK_ECDH_KEYGEN, HF_GROUP_P384);
	work_all();
	is_done(job, HF_PK_FAILED);
}

/* An engine in lanes has no arithmetic for RSA, and keeps nothing of keys. */
static void engines_for_curves_alone_are_passed_by(void **state)
{
	static const struct hf_pk_cfg cfg = {.job_cnt = 2};
	struct hf_pk_engine_ref ref[] = {{.engine = &curves_class, .ctx = {&lanes, &lanes, &lanes}},
		{.engine = &last_class, .ctx = {&last, &last, &last}}};
	struct hf_pk_job *job;

	(void)state;
	free(pk);
	pk = hf_pk_init(test_alloc(hf_pk_footprint(&cfg)), &cfg, ref, 2);
	job = submit_rsa();
	work_all();
	assert_int_equal(last.rsa_calls, 1);
	is_done(job, HF_PK_OK);
	job = submit(HF_PK_ECDH_DERIVE, HF_GROUP_P256);
	work_all();
	assert_int_equal(lanes.calls, 1);
	is_done(job, HF_PK_OK);
	hf_pk_forget(pk, 9);
}

static void engines_for_rsa_alone_are_passed_by(void **state)
{
	static const struct hf_pk_cfg cfg = {.job_cnt = 2};
	struct hf_pk_engine_ref ref[] = {{.engine = &rsa_class, .ctx = {&lanes, &lanes, &lanes}}};
	struct hf_pk_job *job;

	(void)state;
	free(pk);
	pk = hf_pk_init(test_alloc(hf_pk_footprint(&cfg)), &cfg, ref, 1);
	job = submit(HF_PK_ECDH_DERIVE, HF_GROUP_P256);
	work_all();
	is_done(job, HF_PK_FAILED);
}

static void another_key_type_fails(void **state)
{
	static const struct hf_pk_key key = {.id = 9, .type = HF_PK_RSA};
	struct hf_pk_job *job = take(HF_PK_ECDSA_SIGN, 0);

	(void)state;
	job->key = &key;
	job->hash = HF_SHA256;
	job->in_len = 32;
	hf_pk_submit(pk, job, 0);
	is_done(job, HF_PK_FAILED);
}

static void the_key_names_the_group_of_a_signature(void **state)
{
	static const struct hf_pk_key key = {.id = 9, .type = HF_PK_EC_P384};
	struct hf_pk_job *job = take(HF_PK_ECDSA_SIGN, 0);

	(void)state;
	job->key = &key;
	job->hash = HF_SHA384;
	job->in_len = 48;
	hf_pk_submit(pk, job, 0);
	work_all();
	assert_int_equal(lanes.op[0].group, HF_GROUP_P384);
	assert_int_equal(lanes.op[0].kind, HF_EC_SIGN);
	assert_int_equal(lanes.op[0].in_len, 48);
	assert_ptr_equal(lanes.op[0].key, &key);
	is_done(job, HF_PK_OK);
}

static void a_cancelled_job_leaves_nothing(void **state)
{
	struct hf_pk_job *a = submit(HF_PK_ECDH_KEYGEN, HF_GROUP_X25519);
	struct hf_pk_job *b = submit(HF_PK_ECDH_KEYGEN, HF_GROUP_X25519);

	(void)state;
	hf_pk_cancel(pk, a); /* still queued */
	assert_int_equal(a->scalar[0], 0);
	is_done(a, HF_PK_CANCELLED);
	work_all();
	assert_int_equal(lanes.op_cnt, 1);
	hf_pk_cancel(pk, b); /* computed */
	assert_int_equal(b->scalar[0], 0);
	assert_int_equal(b->out[0], 0);
	is_done(b, HF_PK_CANCELLED);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_private_key_is_below_the_order),
		TEST(wrong_forms_are_refused_unseen),
		TEST(what_the_engine_refuses_is_refused),
		TEST(a_secret_of_zeros_is_refused),
		TEST(like_waits_for_like),
		TEST(under_pressure_they_gather),
		TEST(curves_gather_beside_rsa),
		TEST(what_ends_a_handshake_goes_first),
		TEST(a_batch_is_no_more_than_the_lanes),
		cmocka_unit_test_setup_teardown(few_are_computed_one_by_one, begin_choosy, end),
		cmocka_unit_test_setup_teardown(few_are_a_batch_where_they_must, begin_choosy, end),
		TEST(rsa_has_every_other_turn),
		TEST(pairs_wait_for_those_who_come),
		TEST(few_pairs_are_urgent),
		TEST(pairs_grow_old),
		TEST(pairs_of_an_engine_that_is_out),
		TEST(the_next_engine_answers),
		TEST(an_engine_that_computes_wrongly_is_out),
		TEST(engines_without_the_group_are_passed_by),
		TEST(engines_for_curves_alone_are_passed_by),
		TEST(engines_for_rsa_alone_are_passed_by),
		TEST(another_key_type_fails),
		TEST(the_key_names_the_group_of_a_signature),
		TEST(a_cancelled_job_leaves_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
