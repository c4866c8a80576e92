/* pk_p256.c -- every engine with lanes for P-256 against libcrypto: each fill, random and extreme
 * scalars, points that are none, lanes in any order, signatures verified by libcrypto, and nonces
 * computed again by another way. An engine is right when each answer is libcrypto's to the byte, and
 * each refusal; what it leaves to libcrypto are a few known scalars and nothing else.
 * HF_DIFF_OPS (800) random operations of each kind; `make diff-p256` takes 100000, and 10000
 * signatures. */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include "drivers/drivers.h"
#include "lib/base/rand.h"
#include "lib/crypto/pk.h"
#include "lib/os/os.h"
#include "tests/support/test.h"

#define LANES_MAX HF_PK_QUANTUM_MAX
#define LEN 32u
#define POINT 65u
#define KEY_CNT 9u /* no batch has one key in all lanes twice */

static struct hf_rand rnd;
static void *reference;
static BIGNUM *n, *p, *x, *y;
static BN_CTX *bn;
static EC_GROUP *curve;
static EC_POINT *point;

/* The engine under test, and the contexts of all, made once: their tables take longer than tests do. */
static const struct hf_pk_engine *engine;
static void *ctx, *contexts[HF_PK_ENGINE_MAX];

static struct key {
	struct hf_pk_key key;
	EVP_PKEY *pkey;
	uint8_t d[LEN];
} keys[KEY_CNT];

static void key_make(struct key *k, uint64_t id)
{
	BIGNUM *d = NULL;

	k->pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	assert_int_equal(EVP_PKEY_get_bn_param(k->pkey, OSSL_PKEY_PARAM_PRIV_KEY, &d), 1);
	BN_bn2binpad(d, k->d, LEN);
	k->key = (struct hf_pk_key){
		.id = id, .type = HF_PK_EC_P256, .bits = 256, .d = hf_span(k->d, LEN)};
	BN_free(d);
}

static int setup(void **state)
{
	uint8_t seed[HF_RAND_SEED_LEN] = {6};

	(void)state;
	hf_rand_seed(&rnd, seed);
	bn = BN_CTX_new();
	x = BN_new();
	y = BN_new();
	p = BN_new();
	curve = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	point = EC_POINT_new(curve);
	n = BN_dup(EC_GROUP_get0_order(curve));
	EC_GROUP_get_curve(curve, p, NULL, NULL, bn);
	for (uint32_t i = 0; i < KEY_CNT; i++)
		key_make(&keys[i], i + 1);
	reference = test_alloc(hf_pk_libcrypto.size());
	return hf_pk_libcrypto.init(reference);
}

static int teardown(void **state)
{
	(void)state;
	hf_pk_libcrypto.fini(reference);
	free(reference);
	for (uint32_t e = 0; hf_pk_engines[e]; e++) {
		if (contexts[e])
			hf_pk_engines[e]->fini(contexts[e]);
		free(contexts[e]);
	}
	for (uint32_t i = 0; i < KEY_CNT; i++)
		EVP_PKEY_free(keys[i].pkey);
	EC_POINT_free(point);
	EC_GROUP_free(curve);
	BN_free(n);
	BN_free(p);
	BN_free(x);
	BN_free(y);
	BN_CTX_free(bn);
	return 0;
}

static void with_engines(void (*check)(void))
{
	uint32_t tested = 0;

	for (uint32_t e = 0; hf_pk_engines[e]; e++) {
		engine = hf_pk_engines[e];
		if (!engine->ec || engine->ec_quantum == 1 || !engine->probe())
			continue;
		if (!contexts[e]) {
			contexts[e] = test_alloc(engine->size());
			assert_int_equal(engine->init(contexts[e]), 0);
		}
		ctx = contexts[e];
		if (engine->takes_ec(ctx, HF_EC_MULTIPLY, HF_GROUP_P256)) {
			check();
			tested++;
		}
	}
	if (tested == 0)
		skip(); /* a processor with no kernel of ours */
}

static uint32_t op_cnt(uint32_t otherwise, const char *name)
{
	const char *text = getenv(name);

	return text ? (uint32_t)strtoul(text, NULL, 10) : otherwise;
}

/* ---- operations, in buffers as long as they must be ---- */

struct one {
	uint8_t *scalar, *in, *out;
};

static void random_scalar(uint8_t *scalar)
{
	do {
		hf_rand_bytes(&rnd, scalar, LEN);
		BN_bin2bn(scalar, LEN, x);
	} while (BN_is_zero(x) || BN_cmp(x, n) >= 0);
}

static void base_by_libcrypto(uint8_t *out, const uint8_t *scalar)
{
	struct hf_ec_op op = {
		.kind = HF_EC_BASE, .group = HF_GROUP_P256, .scalar = scalar, .out = out};

	hf_pk_libcrypto.ec(reference, &op, 1);
	assert_int_equal(op.status, HF_EC_OK);
}

static void one_make(struct one *o)
{
	uint8_t other[LEN];

	*o = (struct one){malloc(LEN), malloc(POINT), malloc(POINT)};
	random_scalar(o->scalar);
	random_scalar(other);
	base_by_libcrypto(o->in, other);
}

static void one_free(struct one *o)
{
	free(o->scalar);
	free(o->in);
	free(o->out);
}

static struct hf_ec_op op_of(const struct one *o, uint8_t kind)
{
	memset(o->out, 0xa5, POINT);
	return (struct hf_ec_op){.kind = kind,
		.group = HF_GROUP_P256,
		.scalar = o->scalar,
		.in = o->in,
		.in_len = POINT,
		.out = o->out,
		.status = HF_EC_UNANSWERED};
}

struct tally {
	uint32_t right, refused, left; /* left: to libcrypto */
};

/* All in one batch; what the engine says of each is what libcrypto says. */
static struct tally compute(struct one *o, uint32_t cnt, uint8_t kind)
{
	struct hf_ec_op op[LANES_MAX], want;
	struct tally t = {0};
	uint8_t out[POINT];

	for (uint32_t i = 0; i < cnt; i++)
		op[i] = op_of(&o[i], kind);
	engine->ec(ctx, op, cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		want = op[i];
		want.out = out;
		want.status = HF_EC_UNANSWERED;
		hf_pk_libcrypto.ec(reference, &want, 1);
		assert_int_not_equal(want.status, HF_EC_UNANSWERED);
		if (op[i].status == HF_EC_UNANSWERED) {
			t.left++;
			continue;
		}
		assert_int_equal(op[i].status, want.status);
		if (want.status == HF_EC_OK) {
			assert_int_equal(op[i].out_len, want.out_len);
			assert_memory_equal(o[i].out, out, want.out_len);
		}
		t.right += want.status == HF_EC_OK;
		t.refused += want.status == HF_EC_REFUSED;
	}
	return t;
}

static void expect_all_right(struct one *o, uint32_t cnt, uint8_t kind)
{
	assert_int_equal(compute(o, cnt, kind).right, cnt);
}

/* ---- random ---- */

static void random_inputs(void)
{
	uint32_t ops = op_cnt(800, "HF_DIFF_OPS"), fill = 1;
	struct one o[LANES_MAX];

	for (uint32_t i = 0; i < engine->ec_quantum; i++)
		one_make(&o[i]);
	for (uint32_t done = 0; done < ops; done += fill) {
		fill = 1 + fill % engine->ec_quantum;
		for (uint32_t i = 0; i < fill; i++)
			random_scalar(o[i].scalar);
		expect_all_right(o, fill, HF_EC_MULTIPLY);
		expect_all_right(o, fill, HF_EC_BASE);
		for (uint32_t i = 0; i < fill; i++) /* the next peer's */
			memcpy(o[i].in, o[i].out, POINT);
	}
	for (uint32_t i = 0; i < engine->ec_quantum; i++)
		one_free(&o[i]);
}

static void every_fill_with_random_inputs(void **state)
{
	(void)state;
	with_engines(random_inputs);
}

/* ---- scalars at the edges ---- */

/* 1 .. 70 and n - 70 .. n - 1, 2^i and their neighbours, and the comb's own. */
#define NEAR 70u
#define EDGE_CNT (2 * NEAR + 3 * 255 + 2)

static void edge_scalar(uint8_t *scalar, uint32_t nr)
{
	if (nr < NEAR) {
		BN_set_word(x, nr + 1);
	} else if (nr < 2 * NEAR) {
		BN_copy(x, n);
		BN_sub_word(x, nr - NEAR + 1);
	} else if (nr >= EDGE_CNT - 2) { /* 30 2^252 - n, and n less that */
		BN_set_word(x, 30);
		BN_lshift(x, x, 252);
		BN_sub(x, x, n);
		if (nr % 2)
			BN_sub(x, n, x);
	} else {
		BN_one(x);
		BN_lshift(x, x, (int)(1 + (nr - 2 * NEAR) / 3));
		if (nr % 3 == 0)
			BN_add_word(x, 1);
		if (nr % 3 == 1)
			BN_sub_word(x, 1);
	}
	BN_bn2binpad(x, scalar, LEN);
}

static struct tally edges(uint8_t kind)
{
	struct tally all = {0};
	struct one o[LANES_MAX];
	uint32_t cnt = engine->ec_quantum, fill;

	for (uint32_t i = 0; i < cnt; i++)
		one_make(&o[i]);
	for (uint32_t first = 0; first < EDGE_CNT; first += fill) {
		struct tally t;

		fill = HF_MIN(cnt, EDGE_CNT - first);
		for (uint32_t i = 0; i < fill; i++)
			edge_scalar(o[i].scalar, first + i);
		t = compute(o, fill, kind);
		all.right += t.right;
		all.left += t.left;
		assert_int_equal(t.right + t.left, fill);
	}
	for (uint32_t i = 0; i < cnt; i++)
		one_free(&o[i]);
	return all;
}

/* A sum meets its exceptional case if what is added is what is there already: at the last digit d, for
 * k = 2 d modulo n. With a peer's point d is k modulo 64 less 32, and no k fits both. In the comb the
 * last digit is the uppermost, d = 15 2^252, and one k does. */
static void scalars(void)
{
	struct tally t = edges(HF_EC_BASE);

	assert_int_equal(t.left, 2);
	assert_int_equal(t.right, EDGE_CNT - 2);
	t = edges(HF_EC_MULTIPLY);
	assert_int_equal(t.right, EDGE_CNT);
}

static void scalars_at_the_edges(void **state)
{
	(void)state;
	with_engines(scalars);
}

/* ---- points that are none ---- */

/* Ways to spoil a point; each must be refused. */
static void spoil(uint8_t *in, uint32_t way)
{
	static const uint8_t all[LEN] = {[0 ... 31] = 0xff};

	switch (way) {
	case 0: /* off the curve */
		in[POINT - 1] ^= 1;
		break;
	case 1:
		in[1 + LEN / 2] ^= 0x10;
		break;
	case 2: /* forms of other lengths, and none */
		in[0] = 2;
		break;
	case 3:
		in[0] = 0;
		break;
	case 4: /* (0, 0) */
		memset(in + 1, 0, 2 * LEN);
		break;
	case 5: /* beyond p */
		memcpy(in + 1, all, LEN);
		break;
	case 6:
		memcpy(in + 1 + LEN, all, LEN);
		break;
	default: /* the same point, but with x + p: x = 5 lies on the curve */
		BN_copy(x, p);
		BN_add_word(x, 5);
		BN_bn2binpad(x, in + 1, LEN);
		break;
	}
}
#define WAYS 8u

static void point_with_x_5(uint8_t *in)
{
	BN_set_word(x, 5);
	assert_int_equal(EC_POINT_set_compressed_coordinates(curve, point, x, 0, bn), 1);
	EC_POINT_point2oct(curve, point, POINT_CONVERSION_UNCOMPRESSED, in, POINT, bn);
}

/* One among others, in each place and at each fill: it alone is refused. */
static void spoilt(void)
{
	struct one o[LANES_MAX];
	uint8_t good[POINT];
	uint32_t cnt = engine->ec_quantum;

	for (uint32_t i = 0; i < cnt; i++)
		one_make(&o[i]);
	for (uint32_t i = 0; i < cnt * WAYS; i++) {
		uint32_t place = i % cnt,
			 fill = 1 + place + test_below(&(uint64_t){i}, cnt - place);
		struct tally t;

		point_with_x_5(o[place].in);
		memcpy(good, o[place].in, POINT);
		expect_all_right(o, fill, HF_EC_MULTIPLY);
		spoil(o[place].in, i / cnt);
		t = compute(o, fill, HF_EC_MULTIPLY);
		assert_int_equal(t.refused, 1);
		assert_int_equal(t.right, fill - 1);
		memcpy(o[place].in, good, POINT);
	}
	for (uint32_t i = 0; i < cnt; i++)
		one_free(&o[i]);
}

static void what_is_no_point_is_refused(void **state)
{
	(void)state;
	with_engines(spoilt);
}

/* ---- lanes ---- */

/* The same operations in every rotation: an answer does not depend on its lane or its neighbours. */
static void rotated(void)
{
	struct one o[2 * LANES_MAX];
	uint32_t cnt = engine->ec_quantum;

	for (uint32_t i = 0; i < cnt; i++) {
		one_make(&o[i]);
		o[cnt + i] = o[i];
	}
	for (uint8_t kind = HF_EC_BASE; kind <= HF_EC_MULTIPLY; kind++)
		for (uint32_t turn = 0; turn < cnt; turn++)
			expect_all_right(o + turn, cnt, kind);
	for (uint32_t i = 0; i < cnt; i++)
		one_free(&o[i]);
}

static void lanes_in_any_order(void **state)
{
	(void)state;
	with_engines(rotated);
}

/* An engine that computes in floating point computes rightly in any mode, and leaves it as it was. */
static void rounded(void)
{
	uint32_t was = __builtin_ia32_stmxcsr();
	struct one o;

	one_make(&o);
	for (uint32_t mode = 0; mode < 4; mode++) { /* MXCSR bits 13 and 14: down, up, to zero */
		struct hf_ec_op op = op_of(&o, HF_EC_MULTIPLY);
		uint8_t want[LEN];

		__builtin_ia32_ldmxcsr(was | mode << 13);
		engine->ec(ctx, &op, 1);
		assert_int_equal(__builtin_ia32_stmxcsr() >> 13 & 3, mode);
		__builtin_ia32_ldmxcsr(was);
		assert_int_equal(op.status, HF_EC_OK);
		if (mode == 0)
			memcpy(want, o.out, LEN);
		assert_memory_equal(o.out, want, LEN);
	}
	one_free(&o);
}

static void any_rounding_mode_will_do(void **state)
{
	(void)state;
	with_engines(rounded);
}

/* ---- signatures ---- */

struct request {
	uint8_t digest[64], seed[64], out[HF_EC_SIGNATURE_MAX];
	uint32_t len;
	const struct key *key;
};

static void request_make(struct request *r, uint32_t nr)
{
	static const uint32_t len[] = {32, 20, 48, 64};

	hf_rand_bytes(&rnd, r->digest, sizeof(r->digest));
	hf_rand_bytes(&rnd, r->seed, sizeof(r->seed));
	r->len = len[nr % 4];
	r->key = &keys[nr % KEY_CNT];
}

static struct hf_ec_op op_of_request(struct request *r)
{
	return (struct hf_ec_op){.kind = HF_EC_SIGN,
		.group = HF_GROUP_P256,
		.key = &r->key->key,
		.in = r->digest,
		.in_len = r->len,
		.seed = r->seed,
		.out = r->out,
		.status = HF_EC_UNANSWERED};
}

static bool verifies(const struct request *r, uint32_t out_len)
{
	EVP_PKEY_CTX *v = EVP_PKEY_CTX_new(r->key->pkey, NULL);
	bool good = EVP_PKEY_verify_init(v) == 1 &&
		    EVP_PKEY_verify(v, r->out, out_len, r->digest, r->len) == 1;

	EVP_PKEY_CTX_free(v);
	return good;
}

static void sign_all(struct request *r, struct hf_ec_op *op, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++)
		op[i] = op_of_request(&r[i]);
	engine->ec(ctx, op, cnt);
}

static void signatures(void)
{
	uint32_t ops = op_cnt(400, "HF_DIFF_SIGNATURES"), fill = 1;
	struct request r[LANES_MAX];
	struct hf_ec_op op[LANES_MAX];

	for (uint32_t done = 0; done < ops; done += fill) {
		fill = 1 + fill % engine->ec_quantum;
		for (uint32_t i = 0; i < fill; i++)
			request_make(&r[i], done + i);
		sign_all(r, op, fill);
		for (uint32_t i = 0; i < fill; i++) {
			assert_int_equal(op[i].status, HF_EC_OK);
			assert_true(verifies(&r[i], op[i].out_len));
			r[i].digest[0] ^= 1;
			assert_false(verifies(&r[i], op[i].out_len));
		}
	}
}

static void signatures_verify(void **state)
{
	(void)state;
	with_engines(signatures);
}

/* r of the nonce that the engine ought to have drawn. */
static void expected_r(uint8_t out[LEN], const struct request *r)
{
	uint8_t text[8 + 3 * LEN] = "hf ecdsa", hash[64];
	uint32_t len = HF_MIN(r->len, LEN);

	memcpy(text + 8, r->key->d, LEN);
	memcpy(text + 8 + 2 * LEN - len, r->digest, len);
	memcpy(text + 8 + 2 * LEN, r->seed, LEN);
	SHA512(text, sizeof(text), hash);
	BN_bin2bn(hash, sizeof(hash), x);
	BN_nnmod(x, x, n, bn);
	EC_POINT_mul(curve, point, x, NULL, NULL, bn);
	EC_POINT_get_affine_coordinates(curve, point, x, y, bn);
	BN_nnmod(x, x, n, bn);
	BN_bn2binpad(x, out, LEN);
}

static void r_of_der(uint8_t out[LEN], const struct request *r, uint32_t out_len)
{
	const uint8_t *der = r->out;
	ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &der, (long)out_len);

	assert_non_null(s);
	assert_ptr_equal(der, r->out + out_len);
	BN_bn2binpad(ECDSA_SIG_get0_r(s), out, LEN);
	ECDSA_SIG_free(s);
}

static void hedged(void)
{
	struct request r[LANES_MAX];
	struct hf_ec_op op[LANES_MAX];
	uint8_t want[LEN], got[LEN];

	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < engine->ec_quantum; i++)
			request_make(&r[i], round + i);
		sign_all(r, op, engine->ec_quantum);
		for (uint32_t i = 0; i < engine->ec_quantum; i++) {
			expected_r(want, &r[i]);
			r_of_der(got, &r[i], op[i].out_len);
			assert_memory_equal(got, want, LEN);
		}
	}
}

static void nonces_are_hash_of_key_digest_and_seed(void **state)
{
	(void)state;
	with_engines(hedged);
}

/* A key whose number it has not been given, and one of another curve, beside others. */
static void without_key(void)
{
	static const struct key none = {.key = {.id = 100, .type = HF_PK_EC_P256}};
	static const struct key other = {
		.key = {.id = 101, .type = HF_PK_EC_P384, .d = {(const uint8_t *)"", 0}}};
	struct request r[LANES_MAX];
	struct hf_ec_op op[LANES_MAX];

	for (uint32_t i = 0; i < 4; i++)
		request_make(&r[i], i);
	r[1].key = &none;
	r[2].key = &other;
	sign_all(r, op, 4);
	assert_int_equal(op[0].status, HF_EC_OK);
	assert_int_equal(op[1].status, HF_EC_UNANSWERED);
	assert_int_equal(op[2].status, HF_EC_UNANSWERED);
	assert_int_equal(op[3].status, HF_EC_OK);
	assert_true(verifies(&r[0], op[0].out_len) && verifies(&r[3], op[3].out_len));
}

static void keys_it_cannot_use_are_left_to_others(void **state)
{
	(void)state;
	with_engines(without_key);
}

/* ---- which engine this machine takes ---- */

/* ---- before it serves ---- */

static enum hf_ec_kind lying_kind;

/* The last lane, in the last byte. */
static void ec_that_lies(void *c, struct hf_ec_op *ops, uint32_t cnt)
{
	struct hf_ec_op *op = &ops[cnt - 1];

	engine->ec(c, ops, cnt);
	if (op->kind == lying_kind)
		op->out[op->out_len - 1] ^= 1;
}

static void selftest_of_this(void)
{
	struct hf_pk_engine liar = *engine;

	liar.ec = ec_that_lies;
	assert_int_equal(hf_pk_selftest(engine, ctx, 0), 0);
	for (lying_kind = HF_EC_BASE; lying_kind < HF_EC_KIND_CNT; lying_kind++)
		assert_int_equal(hf_pk_selftest(&liar, ctx, 0), -1);
}

static void one_wrong_bit_fails_the_selftest(void **state)
{
	(void)state;
	with_engines(selftest_of_this);
}

static const char *best_engine(const char *tier)
{
	uint32_t e = 0;

	assert_int_equal(tier ? setenv("HF_CPU", tier, 1) : unsetenv("HF_CPU"), 0);
	while (!hf_pk_engines[e]->ec || !hf_pk_engines[e]->probe() ||
		!hf_pk_engines[e]->takes_ec(NULL, HF_EC_SIGN, HF_GROUP_P256))
		e++;
	return hf_pk_engines[e]->name;
}

static void the_tier_chooses_the_kernel(void **state)
{
	const char *was = getenv("HF_CPU");
	bool avx512f, ifma;

	(void)state;
	if (was)
		was = strdup(was);
	assert_string_equal(best_engine("libcrypto"), "libcrypto");
	assert_string_equal(best_engine("avx2"), "libcrypto");
	(void)best_engine(NULL);
	avx512f = hf_os_cpu_has(HF_TIER_AVX512F);
	ifma = hf_os_cpu_has(HF_TIER_IFMA);
	assert_string_equal(best_engine("avx512f"), avx512f ? "p256_avx512f" : "libcrypto");
	if (ifma)
		assert_string_equal(best_engine(NULL), "p256_ifma");
	(void)best_engine(was);
	free((void *)(uintptr_t)was);
	if (!avx512f)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_fill_with_random_inputs),
		cmocka_unit_test(scalars_at_the_edges),
		cmocka_unit_test(what_is_no_point_is_refused),
		cmocka_unit_test(lanes_in_any_order),
		cmocka_unit_test(any_rounding_mode_will_do),
		cmocka_unit_test(signatures_verify),
		cmocka_unit_test(nonces_are_hash_of_key_digest_and_seed),
		cmocka_unit_test(keys_it_cannot_use_are_left_to_others),
		cmocka_unit_test(one_wrong_bit_fails_the_selftest),
		cmocka_unit_test(the_tier_chooses_the_kernel),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
