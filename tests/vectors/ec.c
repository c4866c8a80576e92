/* ec.c -- curves through jobs: Wycheproof's key agreements (README.md here), the iterated vector of
 * RFC 7748 5.2, key pairs whose two sides agree, and signatures that OpenSSL verifies by another
 * path than ours. What a vector calls invalid is refused, and so is an X25519 secret of zeros, which
 * Wycheproof calls acceptable and RFC 8422 5.11 does not. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include "drivers/drivers.h"
#include "lib/base/rand.h"
#include "lib/crypto/pk.h"
#include "lib/crypto/sym.h"
#include "tests/support/json.h"
#include "tests/support/test.h"

static void *engine_ctx;
static struct hf_pk *pk;
static struct hf_rand rnd;

static int setup(void **state)
{
	static const struct hf_pk_cfg cfg = {2};
	struct hf_pk_engine_ref engine = {.engine = &hf_pk_libcrypto};
	uint8_t seed[HF_RAND_SEED_LEN] = {17};

	(void)state;
	hf_rand_seed(&rnd, seed);
	engine_ctx = test_alloc(hf_pk_libcrypto.size());
	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++)
		engine.ctx[i] = engine_ctx;
	assert_int_equal(hf_pk_libcrypto.init(engine_ctx), 0);
	pk = hf_pk_init(test_alloc(hf_pk_footprint(&cfg)), &cfg, &engine, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	hf_pk_libcrypto.fini(engine_ctx);
	free(engine_ctx);
	free(pk);
	return 0;
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
	while (hf_pk_work(pk, true, 0)) {
	}
	assert_ptr_equal(hf_pk_done(pk), job);
	return job->status;
}

static uint8_t derive(
	uint8_t group, const uint8_t *scalar, const uint8_t *peer, size_t peer_len, uint8_t *secret)
{
	struct hf_pk_job *job = take(HF_PK_ECDH_DERIVE, group);
	uint8_t status;

	memcpy(job->scalar, scalar, hf_group_info[group].scalar_len);
	memcpy(job->in, peer, peer_len);
	job->in_len = (uint32_t)peer_len;
	status = run(job);
	assert_int_equal(job->out_len, status == HF_PK_OK ? hf_group_info[group].secret_len : 0);
	memcpy(secret, job->out, hf_group_info[group].secret_len);
	hf_pk_give(pk, job);
	return status;
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

static void agree(uint8_t group, const struct json *test, uint32_t *good, uint32_t *refused)
{
	static const uint8_t zero[HF_EC_SCALAR_MAX];
	uint8_t scalar[HF_EC_SCALAR_MAX], peer[1024], want[64], secret[64];
	uint32_t len = hf_group_info[group].secret_len;
	size_t peer_len = json_hex(test, "public", peer, sizeof(peer));
	size_t want_len = json_hex(test, "shared", want, sizeof(want));
	uint8_t status;
	bool zero_secret = group == HF_GROUP_X25519 && memcmp(want, zero, len) == 0;

	read_scalar(test, group, scalar);
	status = derive(group, scalar, peer, peer_len, secret);
	if (want_len == 0 || zero_secret || peer_len != hf_group_info[group].point_len) {
		assert_string_not_equal(json_text(test, "result"), "valid");
		assert_int_equal(status, HF_PK_REFUSED);
		assert_memory_equal(secret, zero, len);
		++*refused;
	} else {
		assert_string_not_equal(json_text(test, "result"), "invalid");
		assert_int_equal(status, HF_PK_OK);
		assert_int_equal(want_len, len);
		assert_memory_equal(secret, want, len);
		++*good;
	}
}

static void agree_as_in(const char *path, uint8_t group, uint32_t want_good, uint32_t want_refused)
{
	struct json *file = json_load(path);
	uint32_t good = 0, refused = 0;

	json_each(g, json_get(file, "testGroups")) json_each(test, json_get(g, "tests"))
		agree(group, test, &good, &refused);
	assert_int_equal(good, want_good);
	assert_int_equal(refused, want_refused);
	json_free(file);
}

static void x25519_as_in_wycheproof(void **state)
{
	(void)state;
	agree_as_in("tests/vectors/wycheproof_x25519_test.json", HF_GROUP_X25519, 487, 31);
}

static void p256_as_in_wycheproof(void **state)
{
	(void)state;
	agree_as_in("tests/vectors/wycheproof_ecdh_secp256r1_ecpoint_test.json", HF_GROUP_P256, 330,
		25);
}

/* RFC 7748 5.2: k = u = 9; then k, u = X25519(k, u), k, a thousand times. */
static void x25519_iterated(void **state)
{
	static const uint8_t want[32] = {0x68, 0x4c, 0xf5, 0x9b, 0xa8, 0x33, 0x09, 0x55, 0x28, 0x00,
		0xef, 0x56, 0x6f, 0x2f, 0x4d, 0x3c, 0x1c, 0x38, 0x87, 0xc4, 0x93, 0x60, 0xe3, 0x87,
		0x5f, 0x2e, 0xb9, 0x4d, 0x99, 0x53, 0x2c, 0x51};
	uint8_t k[32] = {9}, u[32] = {9}, out[32];

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(derive(HF_GROUP_X25519, k, u, 32, out), HF_PK_OK);
		memcpy(u, k, 32);
		memcpy(k, out, 32);
	}
	assert_memory_equal(k, want, 32);
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

static void both_sides_agree(void **state)
{
	(void)state;
	for (uint8_t group = HF_GROUP_X25519; group < HF_GROUP_CNT; group++) {
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
}

/* Every bit of a point of P-256 and P-384 flipped, and every length but the right one. */
static void points_off_the_curve_are_refused(void **state)
{
	(void)state;
	for (uint8_t group = HF_GROUP_P256; group <= HF_GROUP_P384; group++) {
		uint8_t secret[HF_EC_SCALAR_MAX];
		size_t len = hf_group_info[group].point_len;
		struct pair p;

		keygen(group, &p);
		for (size_t bit = 0; bit < 8 * len; bit++) {
			p.point[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(
				derive(group, p.scalar, p.point, len, secret), HF_PK_REFUSED);
			p.point[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (size_t cut = 0; cut < len; cut++)
			assert_int_equal(
				derive(group, p.scalar, p.point, cut, secret), HF_PK_REFUSED);
		assert_int_equal(derive(group, p.scalar, p.point, len, secret), HF_PK_OK);
	}
}

/* ---- signatures ---- */

struct ec_key {
	struct hf_pk_key key;
	EVP_PKEY *pkey;
	uint8_t *der;
};

static void ec_key_make(struct ec_key *k, uint64_t id, const char *curve, uint8_t type)
{
	int len;

	k->pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve);
	k->der = NULL;
	assert_non_null(k->pkey);
	len = i2d_PrivateKey(k->pkey, &k->der);
	assert_true(len > 0);
	k->key = (struct hf_pk_key){.id = id, .type = type, .pkcs8 = hf_span(k->der, (size_t)len)};
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

static void signatures_verify(void **state)
{
	struct ec_key a, b;

	(void)state;
	ec_key_make(&a, 1, "P-256", HF_PK_EC_P256);
	ec_key_make(&b, 2, "P-384", HF_PK_EC_P384);
	sign_with(&a);
	sign_with(&b);
	ec_key_free(&a);
	ec_key_free(&b);
}

static void a_key_it_cannot_parse_fails(void **state)
{
	static const struct hf_pk_key key = {
		.id = 3, .type = HF_PK_EC_P256, .pkcs8 = {(const uint8_t *)"x", 1}};
	struct hf_pk_job *job = take(HF_PK_ECDSA_SIGN, 0);

	(void)state;
	job->key = &key;
	job->hash = HF_SHA256;
	job->in_len = 32;
	assert_int_equal(run(job), HF_PK_FAILED);
	assert_int_equal(job->out_len, 0);
	hf_pk_give(pk, job);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(x25519_as_in_wycheproof),
		cmocka_unit_test(p256_as_in_wycheproof),
		cmocka_unit_test(x25519_iterated),
		cmocka_unit_test(both_sides_agree),
		cmocka_unit_test(points_off_the_curve_are_refused),
		cmocka_unit_test(signatures_verify),
		cmocka_unit_test(a_key_it_cannot_parse_fails),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
