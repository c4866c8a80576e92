/* pk_engines.c -- every batch engine this processor has against libcrypto where it is hard: inputs and
 * keys at the edges, lanes in any order or poisoned, keys coming and going (pk_random.c: everything
 * at random). An engine is right when each answer is libcrypto's to the byte, when a lane whose key
 * is broken says so and no other lane notices, and when what it keeps of keys never outlives them.
 * Buffers are as long as the numbers and no longer, so that the sanitizers' build sees a byte too
 * far. */
#include <openssl/param_build.h>
#include "drivers/drivers.h"
#include "lib/base/rand.h"
#include "lib/crypto/pk.h"
#include "lib/crypto/sym.h"
#include "lib/os/os.h"
#include "tests/support/rsa_key.h"
#include "tests/support/test.h"

#define LANES_MAX HF_PK_QUANTUM_MAX
#define KEYS 3u

/* Sizes, and numbers of primes as openssl genrsa allows them. */
static const struct shape {
	uint32_t bits, primes;
} shapes[] = {{2048, 2}, {3072, 2}, {4096, 2}, {2048, 3}, {3072, 3}, {4096, 3}, {4096, 4}};

static struct hf_rand rnd;
static void *reference;
static struct rsa_key keys[HF_ARRAY_LEN(shapes)][KEYS];

/* The engine under test. */
static const struct hf_pk_engine *engine;
static void *ctx;
static uint32_t tested;

static int setup(void **state)
{
	uint8_t seed[HF_RAND_SEED_LEN] = {3};

	(void)state;
	hf_rand_seed(&rnd, seed);
	for (uint32_t i = 0; i < HF_ARRAY_LEN(shapes); i++)
		for (uint32_t j = 0; j < KEYS; j++)
			rsa_key_make(&keys[i][j], shapes[i].bits, shapes[i].primes);
	reference = test_alloc(hf_pk_libcrypto.size());
	return hf_pk_libcrypto.init(reference);
}

static int teardown(void **state)
{
	(void)state;
	hf_pk_libcrypto.fini(reference);
	free(reference);
	for (uint32_t i = 0; i < HF_ARRAY_LEN(shapes); i++)
		for (uint32_t j = 0; j < KEYS; j++)
			rsa_key_free(&keys[i][j]);
	return 0;
}

/* ---- one operation: buffers of exactly its length, and libcrypto's answer ---- */

struct one {
	const struct hf_pk_key *key;
	uint8_t *in, *out, *want, seed[64];
};

static void answer_by_libcrypto(struct one *o)
{
	struct hf_rsa_op op = {o->key, o->in, o->want, o->seed, HF_RSA_UNANSWERED};

	hf_pk_libcrypto.rsa(reference, &op, 1);
	assert_int_equal(op.status, HF_RSA_OK);
}

/* Input: a number below n. Takes the key of another one to compute what is wanted, if that is broken. */
static void one_make(struct one *o, const struct hf_pk_key *key, const uint8_t *in)
{
	size_t len = key->n.len;

	*o = (struct one){.key = key, .in = malloc(len), .out = malloc(len), .want = malloc(len)};
	memcpy(o->in, in, len);
	memset(o->out, 0xa5, len);
	hf_rand_bytes(&rnd, o->seed, sizeof(o->seed));
	answer_by_libcrypto(o);
}

static void one_free(struct one *o)
{
	free(o->in);
	free(o->out);
	free(o->want);
}

/* All of them through the engine, in as few batches as it takes; statuses in *status. */
static void compute(struct one *o, uint32_t cnt, int *status)
{
	struct hf_rsa_op op[LANES_MAX];

	for (uint32_t done = 0, took; done < cnt; done += took) {
		for (uint32_t i = done; i < cnt; i++)
			op[i] = (struct hf_rsa_op){
				o[i].key, o[i].in, o[i].out, o[i].seed, HF_RSA_UNANSWERED};
		took = engine->begin(ctx, op + done, cnt - done);
		assert_in_range(took, 1, cnt - done);
		while (engine->step(ctx)) {
		}
		engine->end(ctx);
		for (uint32_t i = done; i < done + took; i++)
			status[i] = op[i].status;
	}
}

static void expect_right(struct one *o, uint32_t cnt)
{
	int status[LANES_MAX];

	compute(o, cnt, status);
	for (uint32_t i = 0; i < cnt; i++) {
		assert_int_equal(status[i], HF_RSA_OK);
		assert_memory_equal(o[i].out, o[i].want, o[i].key->n.len);
	}
}

static void random_below(const struct hf_span n, uint8_t *in)
{
	do
		hf_rand_bytes(&rnd, in, n.len);
	while (memcmp(in, n.p, n.len) >= 0);
}

static void one_random(struct one *o, const struct hf_pk_key *key)
{
	uint8_t in[HF_PK_OUT_MAX];

	random_below(key->n, in);
	one_make(o, key, in);
}

/* ---- each engine, each size ---- */

/* What begin takes at the most: more than a batch has room for, with some shapes. */
static uint32_t most(void)
{
	return HF_MAX(engine->quantum, engine->ops_max);
}

typedef void check(struct rsa_key *key, uint32_t cnt);

static void with_engines(check *c)
{
	tested = 0;
	for (uint32_t e = 0; hf_pk_engines[e]; e++) {
		engine = hf_pk_engines[e];
		if (engine->cost != HF_PK_SLICEABLE || !engine->probe())
			continue;
		ctx = test_alloc(engine->size());
		assert_int_equal(engine->init(ctx), 0);
		for (uint32_t i = 0; i < HF_ARRAY_LEN(shapes); i++)
			if (engine->takes(ctx, &keys[i][0].key)) {
				c(keys[i], KEYS);
				tested++;
			}
		engine->fini(ctx);
		free(ctx);
	}
	if (tested == 0)
		skip(); /* a processor with no kernel of ours */
}

/* ---- extreme inputs ---- */

#define EDGES 12u

/* The n-th edge: 0, 1, n - 1; multiples of p and of q, small and large; bits all equal. */
static void edge(const struct hf_pk_key *key, uint32_t nth, uint8_t *in)
{
	size_t len = key->n.len, half = key->prime[0].len;

	memset(in, 0, len);
	switch (nth) {
	case 0:
		return;
	case 1:
		in[len - 1] = 1;
		return;
	case 2:
		memcpy(in, key->n.p, len);
		in[len - 1]--;
		return;
	case 3:
	case 4: /* a prime itself */
		memcpy(in + len - half, key->prime[nth - 3].p, half);
		return;
	case 5:
	case 6: { /* n minus it */
		uint32_t borrow = 0;

		memcpy(in, key->n.p, len);
		for (size_t i = 0; i < half; i++) {
			uint32_t v = (uint32_t)in[len - 1 - i] -
				     key->prime[nth - 5].p[half - 1 - i] - borrow;

			in[len - 1 - i] = (uint8_t)v;
			borrow = v >> 31;
		}
		for (size_t i = half; borrow; i++)
			borrow = in[len - 1 - i]-- == 0;
		return;
	}
	case 7:
		memset(in + 1, 0xff, len - 1);
		return;
	case 8: /* the lower half only: a number below both primes, or nearly */
		memset(in + len - half, 0xff, half);
		return;
	case 9:
		memset(in + 1, 0xff, half);
		return;
	case 10: /* one bit, at the top */
		in[0] = 0x40;
		return;
	default: /* one bit at the seam of the halves */
		in[len - half - 1] = 1;
	}
}

/* Each edge in each lane, its neighbours being other edges. */
static void edge_inputs(struct rsa_key *key, uint32_t cnt)
{
	struct one o[LANES_MAX];
	uint8_t in[HF_PK_OUT_MAX];

	for (uint32_t first = 0; first < EDGES; first++) {
		for (uint32_t i = 0; i < most(); i++) {
			edge(&key[i % cnt].key, (first + i) % EDGES, in);
			one_make(&o[i], &key[i % cnt].key, in);
		}
		expect_right(o, most());
		for (uint32_t i = 0; i < most(); i++)
			one_free(&o[i]);
	}
}

static void inputs_at_the_edges(void **state)
{
	(void)state;
	with_engines(edge_inputs);
}

/* ---- keys with extreme digits ---- */

/* The first prime r from `from` on in steps of 2 * direction, with e coprime to r - 1. */
static BIGNUM *prime_near(BIGNUM *from, int direction, BN_CTX *x)
{
	while (BN_mod_word(from, 65537) == 1 || BN_check_prime(from, x, NULL) != 1)
		assert_int_equal(direction > 0 ? BN_add_word(from, 2) : BN_sub_word(from, 2), 1);
	return from;
}

static EVP_PKEY *key_of(const BIGNUM *p, const BIGNUM *q, BN_CTX *x)
{
	BIGNUM *n = BN_new(), *e = BN_new(), *d = BN_new(), *p1 = BN_dup(p), *q1 = BN_dup(q);
	BIGNUM *phi = BN_new(), *dp = BN_new(), *dq = BN_new(), *qi = BN_new();
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *make = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
	EVP_PKEY *pkey = NULL;
	OSSL_PARAM *params;

	assert_true(BN_set_word(e, 65537) && BN_mul(n, p, q, x) && BN_sub_word(p1, 1) &&
		    BN_sub_word(q1, 1) && BN_mul(phi, p1, q1, x) && BN_mod_inverse(d, e, phi, x) &&
		    BN_mod(dp, d, p1, x) && BN_mod(dq, d, q1, x) && BN_mod_inverse(qi, q, p, x));
	assert_true(OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, n) &&
		    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, e) &&
		    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_D, d) &&
		    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_FACTOR1, p) &&
		    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_FACTOR2, q) &&
		    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_EXPONENT1, dp) &&
		    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_EXPONENT2, dq) &&
		    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, qi));
	params = OSSL_PARAM_BLD_to_param(b);
	assert_true(EVP_PKEY_fromdata_init(make) == 1 &&
		    EVP_PKEY_fromdata(make, &pkey, EVP_PKEY_KEYPAIR, params) == 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	EVP_PKEY_CTX_free(make);
	BN_free(n);
	BN_free(e);
	BN_free(d);
	BN_free(dp);
	BN_free(dq);
	BN_free(qi);
	BN_free(p1);
	BN_free(q1);
	BN_free(phi);
	return pkey;
}

/* p and q of the form top * 2^shift +- a little. */
static void key_near(
	struct rsa_key *k, uint32_t half, uint64_t top, uint32_t top_bits, int direction)
{
	BN_CTX *x = BN_CTX_new();
	BIGNUM *p = BN_new(), *q = BN_new();

	assert_true(BN_set_word(p, top) && BN_lshift(p, p, (int)(half - top_bits)));
	assert_true(direction > 0 ? BN_add_word(p, 1) : BN_sub_word(p, 1));
	prime_near(p, direction, x);
	assert_true(BN_copy(q, p) && (direction > 0 ? BN_add_word(q, 2) : BN_sub_word(q, 2)));
	prime_near(q, direction, x);
	rsa_key_from(k, key_of(p, q, x), 2);
	BN_free(p);
	BN_free(q);
	BN_CTX_free(x);
}

/* Primes of ones from top to almost the end; primes of zeros but for their ends. */
static void extreme_keys(struct rsa_key *unused, uint32_t cnt)
{
	struct rsa_key key[2];
	uint32_t half = unused[0].key.bits / 2;

	(void)cnt;
	if (unused[0].key.prime_cnt != 2)
		return; /* the same arithmetic */
	key_near(&key[0], half, 1ull << 32, 32, -1);
	key_near(&key[1], half, 0xc0000000u, 32, 1);
	assert_int_equal(key[0].key.bits, unused[0].key.bits);
	assert_int_equal(key[1].key.bits, unused[0].key.bits);
	edge_inputs(key, 2);
	for (uint32_t i = 0; i < 2; i++) {
		engine->forget(ctx, key[i].key.id);
		hf_pk_libcrypto.forget(reference, key[i].key.id);
		rsa_key_free(&key[i]);
	}
}

static void moduli_with_extreme_digits(void **state)
{
	(void)state;
	with_engines(extreme_keys);
}

/* ---- lanes ---- */

/* The same operations in another order give the same answers, each with its own. */
static void permuted(struct rsa_key *key, uint32_t cnt)
{
	struct one o[LANES_MAX], moved[LANES_MAX];
	uint32_t lanes = most(), order[LANES_MAX];

	for (uint32_t i = 0; i < lanes; i++) {
		one_random(&o[i], &key[i % cnt].key);
		order[i] = i;
	}
	for (uint32_t round = 0; round < 12; round++) {
		for (uint32_t i = 0; i < lanes; i++) {
			uint32_t j = i + hf_rand_below(&rnd, lanes - i), t = order[i];

			order[i] = order[j];
			order[j] = t;
		}
		for (uint32_t i = 0; i < lanes; i++)
			moved[i] = o[order[i]];
		expect_right(moved, lanes);
		for (uint32_t i = 0; i < lanes; i++)
			memset(o[i].out, 0xa5, o[i].key->n.len);
	}
	for (uint32_t i = 0; i < lanes; i++)
		one_free(&o[i]);
}

static void lanes_in_any_order(void **state)
{
	(void)state;
	with_engines(permuted);
}

/* A copy of the key with one bit of one of its secret numbers changed; libcrypto, which reads the
 * PKCS#8 form, does not see it. */
struct broken {
	struct hf_pk_key key;
	uint8_t number[HF_PK_OUT_MAX];
};

enum { PRIME, EXPONENT, COEFFICIENT, BROKEN_KINDS };

static void break_key(struct broken *b, const struct rsa_key *k, uint32_t kind, uint32_t which)
{
	static uint64_t id = 1u << 20;
	struct hf_span *s;

	b->key = k->key;
	b->key.id = ++id;
	s = kind == PRIME      ? &b->key.prime[which]
	    : kind == EXPONENT ? &b->key.exponent[which]
			       : &b->key.coefficient[which + 1];
	memcpy(b->number, s->p, s->len);
	b->number[s->len / 2] ^= 0x10;
	*s = hf_span(b->number, s->len);
}

/* One lane is broken: it says so and keeps its answer, which would factor n; the others are right. */
static void one_lane_broken(
	struct rsa_key *key, uint32_t cnt, const struct broken *b, uint32_t lane)
{
	struct one o[LANES_MAX];
	uint8_t untouched[HF_PK_OUT_MAX];
	int status[LANES_MAX];
	uint32_t lanes = most();

	memset(untouched, 0xa5, sizeof(untouched));
	for (uint32_t i = 0; i < lanes; i++)
		one_random(&o[i], i == lane ? &b->key : &key[i % cnt].key);
	compute(o, lanes, status);
	for (uint32_t i = 0; i < lanes; i++) {
		assert_int_equal(status[i], i == lane ? HF_RSA_FAULT : HF_RSA_OK);
		assert_memory_equal(o[i].out, i == lane ? untouched : o[i].want, o[i].key->n.len);
		one_free(&o[i]);
	}
	engine->forget(ctx, b->key.id);
	hf_pk_libcrypto.forget(reference, b->key.id);
}

static void poisoned(struct rsa_key *key, uint32_t cnt)
{
	struct broken b;
	uint32_t primes = key[0].key.prime_cnt;
	uint32_t stride = key[0].key.bits / 1024 - 1; /* not every lane with the costly sizes */

	for (uint32_t kind = 0; kind < BROKEN_KINDS; kind++)
		for (uint32_t which = 0; which < primes - (kind == COEFFICIENT); which++)
			for (uint32_t lane = 0; lane < most(); lane += stride) {
				break_key(&b, &key[lane % cnt], kind, which);
				one_lane_broken(key, cnt, &b, lane);
			}
}

static void a_broken_key_spoils_its_own_lane_only(void **state)
{
	(void)state;
	with_engines(poisoned);
}

/* ---- the caller's rounding mode ---- */

/* An engine that computes in floating point computes rightly in any mode, and leaves it as it was. */
static void rounded(struct rsa_key *key, uint32_t cnt)
{
	uint32_t was = __builtin_ia32_stmxcsr();
	struct one o;

	for (uint32_t mode = 1; mode < 4; mode++) { /* MXCSR bits 13 and 14: down, up, to zero */
		one_random(&o, &key[mode % cnt].key);
		__builtin_ia32_ldmxcsr(was | mode << 13);
		expect_right(&o, 1);
		assert_int_equal(__builtin_ia32_stmxcsr() >> 13 & 3, mode);
		__builtin_ia32_ldmxcsr(was);
		one_free(&o);
	}
}

static void any_rounding_mode_will_do(void **state)
{
	(void)state;
	with_engines(rounded);
}

/* ---- what an engine keeps of keys ---- */

/* After forget the same id names another key. */
static void forgotten(struct rsa_key *key, uint32_t cnt)
{
	struct hf_pk_key other = key[1].key;
	struct one o;

	(void)cnt;
	one_random(&o, &key[0].key);
	expect_right(&o, 1);
	one_free(&o);
	engine->forget(ctx, key[0].key.id);
	hf_pk_libcrypto.forget(reference, key[0].key.id);
	other.id = key[0].key.id;
	one_random(&o, &other);
	expect_right(&o, 1);
	one_free(&o);
	engine->forget(ctx, other.id);
	hf_pk_libcrypto.forget(reference, other.id);
	one_random(&o, &key[0].key);
	expect_right(&o, 1);
	one_free(&o);
}

static void a_forgotten_key_is_made_anew(void **state)
{
	(void)state;
	with_engines(forgotten);
}

/* More ids than places, two keys behind them in turn: a stale place would answer with the wrong one. */
static void crowded(struct rsa_key *key, uint32_t cnt)
{
	enum { IDS = 150, OPS = 200 };
	struct hf_pk_key k;
	struct one o[2];

	if (key[0].key.bits > 2048 || key[0].key.prime_cnt > 2)
		return; /* the same places, at five times the price */
	cnt = 2;
	for (uint32_t i = 0; i < OPS; i++) {
		k = key[i % cnt].key;
		k.id = (1u << 24) + i % IDS;
		one_random(&o[0], &key[i % cnt].key); /* libcrypto's cache is not under test */
		one_random(&o[1], &key[(i + 1) % cnt].key);
		o[0].key = &k;
		expect_right(o, 2);
		one_free(&o[0]);
		one_free(&o[1]);
	}
	for (uint32_t i = 0; i < IDS; i++)
		engine->forget(ctx, (1u << 24) + i);
}

static void more_keys_than_places(void **state)
{
	(void)state;
	with_engines(crowded);
}

/* Making a key ready in steps: nothing of it counts before the last, whatever comes in between. */
static void prepared(struct rsa_key *key, uint32_t cnt)
{
	struct one o[2];
	struct hf_rsa_op op[2];
	uint32_t steps = 0;

	(void)cnt;
	if (!engine->prepare)
		return;
	for (uint32_t i = 0; i < 2; i++) {
		one_random(&o[i], &key[i].key);
		op[i] = (struct hf_rsa_op){
			o[i].key, o[i].in, o[i].out, o[i].seed, HF_RSA_UNANSWERED};
	}
	while (engine->prepare(ctx, &key[0].key, o[0].seed))
		steps++;
	assert_true(steps > 10);
	assert_false(engine->prepare(ctx, &key[0].key, o[0].seed));
	for (uint32_t stop = 0; stop <= steps; stop += 1 + steps / 8) {
		engine->forget(ctx, key[1].key.id);
		for (uint32_t i = 0; i < stop; i++) /* the other key is left half made */
			assert_true(engine->prepare(ctx, &key[1].key, o[1].seed));
		assert_int_equal(engine->begin(ctx, op, 2), 1); /* and is not ready */
		while (engine->step(ctx)) {
		}
		engine->end(ctx);
		assert_int_equal(op[0].status, HF_RSA_OK);
		assert_memory_equal(o[0].out, o[0].want, o[0].key->n.len);
	}
	engine->prepare(ctx, &key[1].key, o[1].seed);
	engine->forget(ctx, key[1].key.id); /* in the middle */
	expect_right(o, 2);
	one_free(&o[0]);
	one_free(&o[1]);
}

static void keys_are_made_ready_in_steps(void **state)
{
	(void)state;
	with_engines(prepared);
}

/* ---- through jobs ---- */

static struct hf_pk *pk;
static struct hf_sym *sym;

/* The engine under test has one context for all: tests here use one size at a time. */
static void jobs_start(void)
{
	const struct hf_pk_cfg cfg = {.job_cnt = 2 * LANES_MAX, .sym = sym};
	struct hf_pk_engine_ref ref[2] = {{.engine = engine}, {.engine = &hf_pk_libcrypto}};

	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++) {
		ref[0].ctx[i] = ctx;
		ref[1].ctx[i] = reference;
	}
	pk = hf_pk_init(test_alloc(hf_pk_footprint(&cfg)), &cfg, ref, 2);
}

static struct hf_pk_job *sign_digest(const struct hf_pk_key *key, uint64_t owner)
{
	struct hf_pk_job *job = hf_pk_take(pk);

	assert_non_null(job);
	job->key = key;
	job->owner = owner;
	job->op = HF_PK_RSA_SIGN_PKCS1;
	job->hash = HF_SHA256;
	job->in_len = 32;
	memset(job->in, (int)owner + 1, 32);
	hf_rand_bytes(&rnd, job->seed, sizeof(job->seed));
	hf_pk_submit(pk, job, 0);
	return job;
}

/* The signature is the one of this owner's digest, under this key. */
static void expect_signature(const struct rsa_key *key, const struct hf_pk_job *job)
{
	size_t len = key->key.n.len;
	uint8_t em[HF_PK_OUT_MAX], digest[32];

	assert_int_equal(job->status, HF_PK_OK);
	assert_int_equal(job->out_len, len);
	rsa_key_public(key, job->out, em);
	memset(digest, (int)job->owner + 1, 32);
	assert_memory_equal(em + len - 32, digest, 32);
	assert_int_equal(em[1], 1);
}

/* PSS, a hash for each lane in turn: libcrypto finds every signature right, and a wrong bit wrong. */
static void signed_by_pss(struct rsa_key *key, uint32_t cnt)
{
	const EVP_MD *md[] = {EVP_sha256(), EVP_sha384(), EVP_sha512()};
	uint32_t lanes = engine->quantum;
	uint8_t digest[HF_HASH_MAX];
	struct hf_pk_job *job;

	jobs_start();
	for (uint32_t i = 0; i < lanes; i++) {
		assert_non_null(job = hf_pk_take(pk));
		job->key = &key[i % cnt].key;
		job->owner = i;
		job->op = HF_PK_RSA_SIGN_PSS;
		job->hash = (uint8_t)(HF_SHA256 + i % 3);
		job->in_len = hf_hash_info[job->hash].len;
		memset(job->in, (int)i + 1, job->in_len);
		hf_rand_bytes(&rnd, job->seed, sizeof(job->seed));
		hf_pk_submit(pk, job, 0);
	}
	while (hf_pk_work(pk, HF_PK_CALM, 0)) {
	}
	for (uint32_t i = 0; i < lanes; i++) {
		const struct rsa_key *k;

		assert_non_null(job = hf_pk_done(pk));
		assert_int_equal(job->status, HF_PK_OK);
		k = &key[job->owner % cnt];
		memset(digest, (int)job->owner + 1, sizeof(digest));
		assert_true(rsa_key_verifies(k, true, md[job->owner % 3], digest, job->out));
		job->out[job->out_len - 1] ^= 1;
		assert_false(rsa_key_verifies(k, true, md[job->owner % 3], digest, job->out));
		hf_pk_give(pk, job);
	}
	assert_int_equal(hf_pk_stats(pk)->scalar_ops, 0); /* the kernel did it all */
	assert_int_equal(hf_pk_stats(pk)->batch_ops, lanes);
	free(pk);
}

static void signatures_by_pss(void **state)
{
	void *driver = test_alloc(hf_sym_libcrypto.size(1)), *mem = test_alloc(hf_sym_footprint(1));

	(void)state;
	assert_int_equal(hf_sym_libcrypto.init(driver, 1), 0);
	sym = hf_sym_init(mem, 1, &hf_sym_libcrypto, driver);
	with_engines(signed_by_pss);
	sym = NULL;
	hf_sym_libcrypto.fini(driver);
	free(driver);
	free(mem);
}

static void make_ready(const struct hf_pk_key *key)
{
	uint8_t seed[64];

	hf_rand_bytes(&rnd, seed, sizeof(seed));
	while (engine->prepare && engine->prepare(ctx, key, seed)) {
	}
}

static bool gone(uint32_t owner, uint32_t victim)
{
	return owner == victim || owner == victim + 1; /* two neighbours, or the last one alone */
}

/* One batch, in which some are cancelled after `turns` slices. Returns false when it was over by
 * then. */
static bool cancelled_after(struct rsa_key *key, uint32_t cnt, uint32_t turns, uint32_t victim)
{
	struct hf_pk_job *job[LANES_MAX], *out;
	uint8_t zeros[HF_PK_OUT_MAX] = {0};
	uint32_t lanes = engine->quantum;
	bool more = true;

	for (uint32_t i = 0; i < lanes; i++)
		job[i] = sign_digest(&key[i % cnt].key, i);
	for (uint32_t i = 0; i < turns && more; i++)
		more = hf_pk_work(pk, HF_PK_CALM, 0);
	for (uint32_t i = 0; i < lanes; i++)
		if (gone(i, victim))
			hf_pk_cancel(pk, job[i]);
	while (hf_pk_work(pk, HF_PK_CALM, 0)) {
	}
	for (uint32_t i = 0; i < lanes; i++) {
		assert_non_null(out = hf_pk_done(pk));
		assert_ptr_equal(out, job[out->owner]);
		if (gone((uint32_t)out->owner, victim)) {
			assert_int_equal(out->status, HF_PK_CANCELLED);
			assert_memory_equal(out->out, zeros, sizeof(zeros));
		} else {
			expect_signature(&key[out->owner % cnt], out);
		}
		hf_pk_give(pk, out);
	}
	assert_null(hf_pk_done(pk));
	return more;
}

static void cancelled(struct rsa_key *key, uint32_t cnt)
{
	uint32_t turns = 0;

	if (key[0].key.bits > 2048 || key[0].key.prime_cnt > 2)
		return; /* the same points of a life, further apart */
	jobs_start();
	while (cancelled_after(key, cnt, turns, turns % engine->quantum))
		turns++;
	assert_true(turns > 10);
	assert_int_equal(hf_pk_stats(pk)->faults, 0);
	assert_int_equal(hf_pk_stats(pk)->scalar_ops, 0); /* the kernel did it all */
	assert_int_equal(hf_pk_engine_stats(pk, 0, 0)->ops, hf_pk_stats(pk)->batch_ops);
	free(pk);
}

static void jobs_cancelled_at_every_point(void **state)
{
	(void)state;
	with_engines(cancelled);
}

/* A fault in one lane: counted, the engine is off, and libcrypto answers, now and from now on. */
static void faulty(struct rsa_key *key, uint32_t cnt)
{
	struct broken b;
	struct hf_pk_job *job;
	uint32_t cls = hf_pk_class(&key[0].key);

	jobs_start();
	break_key(&b, &key[0], PRIME, 1);
	make_ready(&b.key); /* so that they are one batch */
	for (uint32_t i = 0; i < cnt; i++)
		make_ready(&key[i].key);
	for (uint32_t i = 0; i < engine->quantum; i++)
		sign_digest(i == 1 ? &b.key : &key[i % cnt].key, i);
	for (uint32_t round = 0; round < 2; round++) {
		while (hf_pk_work(pk, HF_PK_IDLE, 0)) {
		}
		for (uint32_t i = 0; i < engine->quantum; i++) {
			assert_non_null(job = hf_pk_done(pk));
			expect_signature(&key[job->owner == 1 ? 0 : job->owner % cnt], job);
			hf_pk_give(pk, job);
		}
		assert_int_equal(hf_pk_stats(pk)->faults, 1);
		assert_int_equal(hf_pk_stats(pk)->engines_off, 1);
		assert_int_equal(hf_pk_engine_stats(pk, 0, cls)->faults, 1);
		assert_int_equal(hf_pk_stats(pk)->scalar_ops, 1 + round * engine->quantum);
		for (uint32_t i = 0; i < engine->quantum && round == 0; i++)
			sign_digest(&key[i == 1 ? 0 : i % cnt].key, i);
	}
	engine->forget(ctx, b.key.id);
	hf_pk_libcrypto.forget(reference, b.key.id);
	free(pk);
}

static void a_fault_is_answered_by_libcrypto(void **state)
{
	(void)state;
	with_engines(faulty);
}

/* ---- which engine this machine takes ---- */

static const char *best_engine(const char *tier)
{
	uint32_t e = 0;

	assert_int_equal(tier ? setenv("HF_CPU", tier, 1) : unsetenv("HF_CPU"), 0);
	while (!hf_pk_engines[e]->probe())
		e++;
	return hf_pk_engines[e]->name;
}

static void the_tier_chooses_the_kernel(void **state)
{
	const char *was = getenv("HF_CPU");
	bool ifma, avx512f;

	(void)state;
	if (was)
		was = strdup(was);
	assert_string_equal(best_engine("libcrypto"), "libcrypto");
	assert_string_equal(best_engine("avx2"), "libcrypto");
	(void)best_engine(NULL);
	ifma = hf_os_cpu_has(HF_TIER_IFMA);
	avx512f = hf_os_cpu_has(HF_TIER_AVX512F);
	if (ifma)
		assert_string_equal(best_engine("ifma"), "rsa_ifma");
	assert_string_equal(best_engine("avx512f"), avx512f ? "rsa_avx512f" : "libcrypto");
	(void)best_engine(was);
	free((void *)(uintptr_t)was);
	if (!ifma)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inputs_at_the_edges),
		cmocka_unit_test(moduli_with_extreme_digits),
		cmocka_unit_test(lanes_in_any_order),
		cmocka_unit_test(a_broken_key_spoils_its_own_lane_only),
		cmocka_unit_test(any_rounding_mode_will_do),
		cmocka_unit_test(a_forgotten_key_is_made_anew),
		cmocka_unit_test(more_keys_than_places),
		cmocka_unit_test(keys_are_made_ready_in_steps),
		cmocka_unit_test(signatures_by_pss),
		cmocka_unit_test(jobs_cancelled_at_every_point),
		cmocka_unit_test(a_fault_is_answered_by_libcrypto),
		cmocka_unit_test(the_tier_chooses_the_kernel),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
