/* ec.c -- curves through jobs, with every engine of this machine: Wycheproof's key agreements
 * (README.md here), the vectors of RFC 7748 5.2, iterated ones too, key pairs whose two sides agree,
 * and signatures that OpenSSL verifies by another path than ours. What a vector calls invalid is
 * refused, and so is an X25519 secret of zeros, which Wycheproof calls acceptable and RFC 8422 5.11
 * does not. */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include "drivers/drivers.h"
#include "lib/base/rand.h"
#include "lib/crypto/pk.h"
#include "lib/crypto/sym.h"
#include "tests/support/json.h"
#include "tests/support/test.h"

#define SIDE_BY_SIDE 8u /* jobs in one batch */

/* The engine under test, and jobs over it; libcrypto stands behind it, as in the appliance. */
static const struct hf_pk_engine *engine;
static void *engine_ctx, *last_ctx;
static struct hf_pk *pk;
static struct hf_rand rnd;

static int setup(void **state)
{
	uint8_t seed[HF_RAND_SEED_LEN] = {17};

	(void)state;
	hf_rand_seed(&rnd, seed);
	return 0;
}

static void start(const struct hf_pk_engine *e)
{
	static const struct hf_pk_cfg cfg = {.job_cnt = SIDE_BY_SIDE};
	struct hf_pk_engine_ref ref[2] = {{.engine = e}, {.engine = &hf_pk_libcrypto}};

	engine = e;
	engine_ctx = test_alloc(e->size());
	last_ctx = test_alloc(hf_pk_libcrypto.size());
	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++) {
		ref[0].ctx[i] = engine_ctx;
		ref[1].ctx[i] = last_ctx;
	}
	assert_int_equal(e->init(engine_ctx), 0);
	assert_int_equal(hf_pk_libcrypto.init(last_ctx), 0);
	pk = hf_pk_init(test_alloc(hf_pk_footprint(&cfg)), &cfg, ref, 2);
}

static void stop(void)
{
	engine->fini(engine_ctx);
	hf_pk_libcrypto.fini(last_ctx);
	free(engine_ctx);
	free(last_ctx);
	free(pk);
}

/* Every engine that takes this kind on this group, libcrypto for one, and nobody answers for it. */
static void with_engines(enum hf_ec_kind kind, enum hf_group group, void (*vectors)(uint8_t group))
{
	const struct hf_pk_engine_stats *st;
	bool any = false;

	for (uint32_t e = 0; hf_pk_engines[e]; e++) {
		if (!hf_pk_engines[e]->ec || !hf_pk_engines[e]->probe())
			continue;
		start(hf_pk_engines[e]);
		if (engine->takes_ec(engine_ctx, kind, group)) {
			vectors((uint8_t)group);
			st = hf_pk_ec_engine_stats(pk, 0, kind, group);
			assert_true(st->ops > 0 && st->unanswered == 0);
			any = true;
		}
		stop();
	}
	assert_true(any);
}

static struct hf_pk_job *take(uint8_t op, uint8_t group)
{
	struct hf_pk_job *job = hf_pk_take(pk);

	assert_non_null(job);
	job->op = op;
	job->group = group;
	return job;
}

static uint8_t run(struct hf_pk_job *job)
{
	hf_pk_submit(pk, job, 0);
	while (hf_pk_work(pk, HF_PK_IDLE, 0)) {
	}
	assert_ptr_equal(hf_pk_done(pk), job);
	return job->status;
}

/* One agreement: what goes in, and what comes out. */
struct agreement {
	uint8_t scalar[HF_EC_SCALAR_MAX], peer[HF_PK_IN_MAX], secret[64];
	size_t peer_len;
	struct hf_pk_job *job;
	uint8_t status;
};

static void derive_put(uint8_t group, struct agreement *a)
{
	a->job = take(HF_PK_ECDH_DERIVE, group);
	memcpy(a->job->scalar, a->scalar, hf_group_info[group].scalar_len);
	memcpy(a->job->in, a->peer, a->peer_len);
	a->job->in_len = (uint32_t)a->peer_len;
	hf_pk_submit(pk, a->job, 0);
}

static void derive_get(uint8_t group, struct agreement *a)
{
	uint32_t len = hf_group_info[group].secret_len;

	a->status = a->job->status;
	assert_int_equal(a->job->out_len, a->status == HF_PK_OK ? len : 0);
	memcpy(a->secret, a->job->out, len);
	hf_pk_give(pk, a->job);
}

/* As many as lanes have room for, side by side. */
static void derive_all(uint8_t group, struct agreement *a, uint32_t cnt)
{
	uint32_t done = 0;

	for (uint32_t i = 0; i < cnt; i++)
		derive_put(group, &a[i]);
	while (hf_pk_work(pk, HF_PK_IDLE, 0)) {
	}
	while (hf_pk_done(pk))
		done++;
	assert_int_equal(done, cnt);
	for (uint32_t i = 0; i < cnt; i++)
		derive_get(group, &a[i]);
}

static uint8_t derive(
	uint8_t group, const uint8_t *scalar, const uint8_t *peer, size_t peer_len, uint8_t *secret)
{
	struct agreement a = {.peer_len = peer_len};

	memcpy(a.scalar, scalar, hf_group_info[group].scalar_len);
	memcpy(a.peer, peer, peer_len);
	derive_all(group, &a, 1);
	memcpy(secret, a.secret, hf_group_info[group].secret_len);
	return a.status;
}

/* ---- Wycheproof ---- */

/* Its private keys are of any length, with zeros in front or without. */
static void read_scalar(const struct json *test, uint8_t group, uint8_t *scalar)
{
	uint8_t raw[128] = {0};
	size_t len = json_hex(test, "private", raw, sizeof(raw));
	size_t want = hf_group_info[group].scalar_len;

	memset(scalar, 0, want);
	for (size_t i = 0; i < len && i < want; i++)
		scalar[want - 1 - i] = raw[len - 1 - i];
}

static void check(uint8_t group, const struct json *test, const struct agreement *a, uint32_t *good,
	uint32_t *refused)
{
	static const uint8_t zero[HF_EC_SCALAR_MAX];
	uint8_t want[64];
	uint32_t len = hf_group_info[group].secret_len;
	size_t want_len = json_hex(test, "shared", want, sizeof(want));
	bool zero_secret = group == HF_GROUP_X25519 && memcmp(want, zero, len) == 0;

	if (want_len == 0 || zero_secret || a->peer_len != hf_group_info[group].point_len) {
		assert_string_not_equal(json_text(test, "result"), "valid");
		assert_int_equal(a->status, HF_PK_REFUSED);
		assert_memory_equal(a->secret, zero, len);
		++*refused;
	} else {
		assert_string_not_equal(json_text(test, "result"), "invalid");
		assert_int_equal(a->status, HF_PK_OK);
		assert_int_equal(want_len, len);
		assert_memory_equal(a->secret, want, len);
		++*good;
	}
}

static void agree_as_in(const char *path, uint8_t group, uint32_t want_good, uint32_t want_refused)
{
	struct json *file = json_load(path);
	const struct json *tests[SIDE_BY_SIDE];
	struct agreement a[SIDE_BY_SIDE];
	uint32_t good = 0, refused = 0, cnt = 0, done = 0;

	json_each(g, json_get(file, "testGroups")) json_each(test, json_get(g, "tests"))
	{
		read_scalar(test, group, a[cnt].scalar);
		a[cnt].peer_len = json_hex(test, "public", a[cnt].peer, sizeof(a[cnt].peer));
		tests[cnt++] = test;
		if (cnt < SIDE_BY_SIDE && done + cnt < want_good + want_refused)
			continue;
		derive_all(group, a, cnt);
		for (uint32_t i = 0; i < cnt; i++)
			check(group, tests[i], &a[i], &good, &refused);
		done += cnt;
		cnt = 0;
	}
	assert_int_equal(cnt, 0);
	assert_int_equal(good, want_good);
	assert_int_equal(refused, want_refused);
	json_free(file);
}

static void x25519_vectors(uint8_t group)
{
	agree_as_in("tests/vectors/wycheproof_x25519_test.json", group, 487, 31);
}

static void p256_vectors(uint8_t group)
{
	agree_as_in("tests/vectors/wycheproof_ecdh_secp256r1_ecpoint_test.json", group, 330, 25);
}

static void x25519_as_in_wycheproof(void **state)
{
	(void)state;
	with_engines(HF_EC_MULTIPLY, HF_GROUP_X25519, x25519_vectors);
}

static void p256_as_in_wycheproof(void **state)
{
	(void)state;
	with_engines(HF_EC_MULTIPLY, HF_GROUP_P256, p256_vectors);
}

/* RFC 7748 5.2, the two single vectors. */
static void x25519_single(uint8_t group)
{
	static const struct {
		uint8_t scalar[32], u[32], want[32];
	} v[] = {{{0xa5, 0x46, 0xe3, 0x6b, 0xf0, 0x52, 0x7c, 0x9d, 0x3b, 0x16, 0x15, 0x4b, 0x82,
			  0x46, 0x5e, 0xdd, 0x62, 0x14, 0x4c, 0x0a, 0xc1, 0xfc, 0x5a, 0x18, 0x50,
			  0x6a, 0x22, 0x44, 0xba, 0x44, 0x9a, 0xc4},
			 {0xe6, 0xdb, 0x68, 0x67, 0x58, 0x30, 0x30, 0xdb, 0x35, 0x94, 0xc1, 0xa4,
				 0x24, 0xb1, 0x5f, 0x7c, 0x72, 0x66, 0x24, 0xec, 0x26, 0xb3, 0x35,
				 0x3b, 0x10, 0xa9, 0x03, 0xa6, 0xd0, 0xab, 0x1c, 0x4c},
			 {0xc3, 0xda, 0x55, 0x37, 0x9d, 0xe9, 0xc6, 0x90, 0x8e, 0x94, 0xea, 0x4d,
				 0xf2, 0x8d, 0x08, 0x4f, 0x32, 0xec, 0xcf, 0x03, 0x49, 0x1c, 0x71,
				 0xf7, 0x54, 0xb4, 0x07, 0x55, 0x77, 0xa2, 0x85, 0x52}},
		{{0x4b, 0x66, 0xe9, 0xd4, 0xd1, 0xb4, 0x67, 0x3c, 0x5a, 0xd2, 0x26, 0x91, 0x95,
			 0x7d, 0x6a, 0xf5, 0xc1, 0x1b, 0x64, 0x21, 0xe0, 0xea, 0x01, 0xd4, 0x2c,
			 0xa4, 0x16, 0x9e, 0x79, 0x18, 0xba, 0x0d},
			{0xe5, 0x21, 0x0f, 0x12, 0x78, 0x68, 0x11, 0xd3, 0xf4, 0xb7, 0x95, 0x9d,
				0x05, 0x38, 0xae, 0x2c, 0x31, 0xdb, 0xe7, 0x10, 0x6f, 0xc0, 0x3c,
				0x3e, 0xfc, 0x4c, 0xd5, 0x49, 0xc7, 0x15, 0xa4, 0x93},
			{0x95, 0xcb, 0xde, 0x94, 0x76, 0xe8, 0x90, 0x7d, 0x7a, 0xad, 0xe4, 0x5c,
				0xb4, 0xb8, 0x73, 0xf8, 0x8b, 0x59, 0x5a, 0x68, 0x79, 0x9f, 0xa1,
				0x52, 0xe6, 0xf8, 0xf7, 0x64, 0x7a, 0xac, 0x79, 0x57}}};
	uint8_t out[32];

	for (uint32_t i = 0; i < HF_ARRAY_LEN(v); i++) {
		assert_int_equal(derive(group, v[i].scalar, v[i].u, 32, out), HF_PK_OK);
		assert_memory_equal(out, v[i].want, 32);
	}
}

/* RFC 7748 5.2: k = u = 9; then k, u = X25519(k, u), k, a thousand times. */
static void x25519_iterated(uint8_t group)
{
	static const uint8_t want[32] = {0x68, 0x4c, 0xf5, 0x9b, 0xa8, 0x33, 0x09, 0x55, 0x28, 0x00,
		0xef, 0x56, 0x6f, 0x2f, 0x4d, 0x3c, 0x1c, 0x38, 0x87, 0xc4, 0x93, 0x60, 0xe3, 0x87,
		0x5f, 0x2e, 0xb9, 0x4d, 0x99, 0x53, 0x2c, 0x51};
	uint8_t k[32] = {9}, u[32] = {9}, out[32];

	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(derive(group, k, u, 32, out), HF_PK_OK);
		memcpy(u, k, 32);
		memcpy(k, out, 32);
	}
	assert_memory_equal(k, want, 32);
}

static void x25519_as_in_its_rfc(void **state)
{
	(void)state;
	with_engines(HF_EC_MULTIPLY, HF_GROUP_X25519, x25519_single);
	with_engines(HF_EC_MULTIPLY, HF_GROUP_X25519, x25519_iterated);
}

/* ---- key pairs ---- */

struct pair {
	uint8_t scalar[HF_EC_SCALAR_MAX], point[HF_EC_POINT_MAX];
};

static void keygen(uint8_t group, struct pair *p)
{
	struct hf_pk_job *job = take(HF_PK_ECDH_KEYGEN, group);

	hf_rand_bytes(&rnd, job->seed, sizeof(job->seed));
	assert_int_equal(run(job), HF_PK_OK);
	assert_int_equal(job->out_len, hf_group_info[group].point_len);
	memcpy(p->scalar, job->scalar, sizeof(p->scalar));
	memcpy(p->point, job->out, sizeof(p->point));
	hf_pk_give(pk, job);
}

static void two_sides(uint8_t group)
{
	size_t len = hf_group_info[group].point_len;

	for (uint32_t i = 0; i < 20; i++) {
		struct pair a, b;
		uint8_t x[HF_EC_SCALAR_MAX] = {0}, y[HF_EC_SCALAR_MAX] = {1};

		keygen(group, &a);
		keygen(group, &b);
		assert_memory_not_equal(a.point, b.point, len);
		assert_int_equal(derive(group, a.scalar, b.point, len, x), HF_PK_OK);
		assert_int_equal(derive(group, b.scalar, a.point, len, y), HF_PK_OK);
		assert_memory_equal(x, y, hf_group_info[group].secret_len);
	}
}

static void both_sides_agree(void **state)
{
	(void)state;
	for (enum hf_group g = HF_GROUP_X25519; g < HF_GROUP_CNT; g++)
		with_engines(HF_EC_BASE, g, two_sides);
}

/* Every bit of a point of P-256 and P-384 flipped, and every length but the right one. */
static void points_off_the_curve(uint8_t group)
{
	struct agreement a[SIDE_BY_SIDE];
	uint8_t secret[HF_EC_SCALAR_MAX];
	size_t len = hf_group_info[group].point_len;
	struct pair p;

	keygen(group, &p);
	for (size_t byte = 0; byte < len; byte++) {
		for (uint32_t bit = 0; bit < 8; bit++) {
			memcpy(a[bit].scalar, p.scalar, sizeof(p.scalar));
			memcpy(a[bit].peer, p.point, len);
			a[bit].peer[byte] ^= (uint8_t)(1 << bit);
			a[bit].peer_len = len;
		}
		derive_all(group, a, 8);
		for (uint32_t bit = 0; bit < 8; bit++)
			assert_int_equal(a[bit].status, HF_PK_REFUSED);
	}
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(derive(group, p.scalar, p.point, cut, secret), HF_PK_REFUSED);
	assert_int_equal(derive(group, p.scalar, p.point, len, secret), HF_PK_OK);
}

static void points_off_the_curve_are_refused(void **state)
{
	(void)state;
	with_engines(HF_EC_MULTIPLY, HF_GROUP_P256, points_off_the_curve);
	with_engines(HF_EC_MULTIPLY, HF_GROUP_P384, points_off_the_curve);
}

/* ---- signatures ---- */

struct ec_key {
	struct hf_pk_key key;
	EVP_PKEY *pkey;
	uint8_t *der, d[HF_EC_SCALAR_MAX];
};

static void ec_key_make(struct ec_key *k, uint64_t id, const char *curve, uint8_t type)
{
	size_t d_len = type == HF_PK_EC_P256 ? 32 : 48;
	BIGNUM *d = NULL;
	int len;

	k->pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve);
	k->der = NULL;
	assert_non_null(k->pkey);
	len = i2d_PrivateKey(k->pkey, &k->der);
	assert_true(len > 0);
	assert_int_equal(EVP_PKEY_get_bn_param(k->pkey, OSSL_PKEY_PARAM_PRIV_KEY, &d), 1);
	assert_int_equal(BN_bn2binpad(d, k->d, (int)d_len), d_len);
	BN_free(d);
	k->key = (struct hf_pk_key){.id = id,
		.type = type,
		.d = hf_span(k->d, d_len),
		.pkcs8 = hf_span(k->der, (size_t)len)};
}

static void ec_key_free(struct ec_key *k)
{
	hf_pk_forget(pk, k->key.id);
	OPENSSL_free(k->der);
	EVP_PKEY_free(k->pkey);
}

static const struct {
	uint8_t hash, len;
} digest[] = {{HF_SHA1, 20}, {HF_SHA256, 32}, {HF_SHA384, 48}, {HF_SHA512, 64}};

static bool verifies(EVP_PKEY *pkey, const struct hf_pk_job *job, const uint8_t *hash, size_t len)
{
	EVP_PKEY_CTX *x = EVP_PKEY_CTX_new(pkey, NULL);
	bool good = EVP_PKEY_verify_init(x) == 1 &&
		    EVP_PKEY_verify(x, job->out, job->out_len, hash, len) == 1;

	EVP_PKEY_CTX_free(x);
	return good;
}

static void sign_with(const struct ec_key *k)
{
	uint8_t last[HF_EC_SIGNATURE_MAX] = {0};

	for (uint32_t i = 0; i < 40; i++) {
		uint8_t hash = digest[i % 4].hash, len = digest[i % 4].len, text[64];
		struct hf_pk_job *job = take(HF_PK_ECDSA_SIGN, 0);

		hf_rand_bytes(&rnd, text, sizeof(text));
		memcpy(job->in, text, len);
		job->in_len = len;
		job->hash = hash;
		job->key = &k->key;
		assert_int_equal(run(job), HF_PK_OK);
		assert_true(job->out_len <= HF_EC_SIGNATURE_MAX);
		assert_true(verifies(k->pkey, job, text, len));
		assert_memory_not_equal(job->out, last, 40); /* r is fresh each time */
		memcpy(last, job->out, sizeof(last));
		text[0] ^= 1;
		assert_false(verifies(k->pkey, job, text, len));
		hf_pk_give(pk, job);
	}
}

static void p256_signatures(uint8_t group)
{
	struct ec_key k;

	(void)group;
	ec_key_make(&k, 1, "P-256", HF_PK_EC_P256);
	sign_with(&k);
	ec_key_free(&k);
}

static void p384_signatures(uint8_t group)
{
	struct ec_key k;

	(void)group;
	ec_key_make(&k, 2, "P-384", HF_PK_EC_P384);
	sign_with(&k);
	ec_key_free(&k);
}

static void signatures_verify(void **state)
{
	(void)state;
	with_engines(HF_EC_SIGN, HF_GROUP_P256, p256_signatures);
	with_engines(HF_EC_SIGN, HF_GROUP_P384, p384_signatures);
}

static void a_key_it_cannot_parse_fails(void **state)
{
	static const struct hf_pk_key key = {
		.id = 3, .type = HF_PK_EC_P256, .pkcs8 = {(const uint8_t *)"x", 1}};
	struct hf_pk_job *job;

	(void)state;
	start(&hf_pk_libcrypto);
	job = take(HF_PK_ECDSA_SIGN, 0);
	job->key = &key;
	job->hash = HF_SHA256;
	job->in_len = 32;
	assert_int_equal(run(job), HF_PK_FAILED);
	assert_int_equal(job->out_len, 0);
	hf_pk_give(pk, job);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(x25519_as_in_wycheproof),
		cmocka_unit_test(p256_as_in_wycheproof),
		cmocka_unit_test(x25519_as_in_its_rfc),
		cmocka_unit_test(both_sides_agree),
		cmocka_unit_test(points_off_the_curve_are_refused),
		cmocka_unit_test(signatures_verify),
		cmocka_unit_test(a_key_it_cannot_parse_fails),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
