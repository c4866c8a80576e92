/* rsa.c -- Wycheproof's RSA vectors (README.md here) through every engine of this machine and
 * through jobs. Decryption: the raw operation is checked by its inverse and by what the vector says
 * of the message; the verdict on the padding is spelled out here once more, from RFC 8017 7.2.2, as
 * TLS has a stricter one of its own. As premaster secrets none of the vectors is acceptable, so each
 * must give the fallback. Signing is deterministic, and must give the vector's signature to the
 * byte. Keys with e = 3, which kernels refuse, go through libcrypto behind them. */
#include "drivers/drivers.h"
#include "lib/base/rand.h"
#include "lib/crypto/pk.h"
#include "lib/crypto/sym.h"
#include "tests/support/json.h"
#include "tests/support/rsa_key.h"
#include "tests/support/test.h"

/* The engine under test, and jobs over it; libcrypto stands behind it, as in the appliance. */
static const struct hf_pk_engine *engine;
static void *engine_ctx, *last_ctx;
static struct hf_pk *pk;
static uint32_t suited; /* jobs whose key the engine takes */

static void start(const struct hf_pk_engine *e)
{
	static const struct hf_pk_cfg cfg = {.job_cnt = 1};
	struct hf_pk_engine_ref ref[2] = {{.engine = e}, {.engine = &hf_pk_libcrypto}};

	engine = e;
	suited = 0;
	engine_ctx = test_alloc(e->size());
	last_ctx = test_alloc(hf_pk_libcrypto.size());
	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++) {
		ref[0].ctx[i] = engine_ctx; /* one job at a time: one context serves all classes */
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

static void with_engines(void (*vectors)(void))
{
	for (uint32_t e = 0; hf_pk_engines[e]; e++) {
		if (!hf_pk_engines[e]->takes || !hf_pk_engines[e]->probe())
			continue;
		start(hf_pk_engines[e]);
		vectors();
		assert_true(suited > 0); /* and nobody else has answered for it */
		if (engine->cost == HF_PK_SLICEABLE)
			assert_int_equal(hf_pk_stats(pk)->batch_ops, suited);
		stop();
	}
}

static void read_key(const struct json *group, struct rsa_key *k)
{
	uint8_t der[4096];
	const uint8_t *p = der;
	size_t len = json_hex(group, "privateKeyPkcs8", der, sizeof(der));
	EVP_PKEY *pkey = d2i_AutoPrivateKey(NULL, &p, (long)len);

	assert_non_null(pkey);
	rsa_key_from(k, pkey, 2);
}

static void run(struct hf_pk_job *job, const struct rsa_key *k, uint8_t op)
{
	job->key = &k->key;
	job->op = op;
	suited += engine->takes(engine_ctx, job->key);
	hf_pk_submit(pk, job, 0);
	while (hf_pk_work(pk, HF_PK_CALM, 0)) {
	}
	assert_ptr_equal(hf_pk_done(pk), job);
	assert_int_equal(job->status, HF_PK_OK);
}

/* ---- decryption ---- */

/* RFC 8017 7.2.2: 00 02, at least eight non-zero bytes, 00, message. Returns its start or 0. */
static size_t message_at(const uint8_t *em, size_t k)
{
	size_t i = 2;

	if (em[0] != 0 || em[1] != 2)
		return 0;
	while (i < k && em[i] != 0)
		i++;
	return i < k && i >= 10 ? i + 1 : 0;
}

static void compute(struct hf_rsa_op *op)
{
	if (engine->cost == HF_PK_WHOLE) {
		engine->rsa(engine_ctx, op, 1);
		return;
	}
	assert_int_equal(engine->begin(engine_ctx, op, 1), 1);
	while (engine->step(engine_ctx)) {
	}
	engine->end(engine_ctx);
}

static void decrypt(const struct rsa_key *k, const struct json *test)
{
	uint8_t c[HF_PK_IN_MAX] = {0}, msg[HF_PK_OUT_MAX], em[HF_PK_OUT_MAX], again[HF_PK_OUT_MAX];
	uint8_t seed[64] = {0};
	size_t c_len = json_hex(test, "ct", c, sizeof(c));
	size_t msg_len = json_hex(test, "msg", msg, sizeof(msg)), at = 0, len = k->key.n.len;
	bool valid = strcmp(json_text(test, "result"), "valid") == 0;
	struct hf_rsa_op op = {&k->key, c, em, seed, HF_RSA_UNANSWERED};

	if (c_len == len && memcmp(c, k->key.n.p, len) < 0) {
		compute(&op);
		assert_int_equal(op.status, HF_RSA_OK);
		rsa_key_public(k, em, again);
		assert_memory_equal(again, c, len);
		at = message_at(em, len);
	}
	assert_int_equal(at != 0, valid);
	if (valid) {
		assert_int_equal(len - at, msg_len);
		assert_memory_equal(em + at, msg, msg_len);
	}
}

static void as_premaster(const struct rsa_key *k, const struct json *test)
{
	struct hf_pk_job *job = hf_pk_take(pk);
	uint8_t fallback[HF_PREMASTER_LEN];

	assert_non_null(job);
	job->in_len = (uint32_t)json_hex(test, "ct", job->in, sizeof(job->in));
	job->client_version = 0x0303;
	memset(fallback, 0xfb, sizeof(fallback));
	memcpy(job->fallback, fallback, sizeof(fallback));
	run(job, k, HF_PK_RSA_PREMASTER);
	assert_memory_equal(job->out, fallback, sizeof(fallback));
	hf_pk_give(pk, job);
}

static void pkcs1_decryption(void)
{
	struct json *doc = json_load("tests/vectors/wycheproof_rsa_pkcs1_2048_test.json");
	uint32_t cnt = 0;

	json_each(group, json_get(doc, "testGroups"))
	{
		struct rsa_key k;

		read_key(group, &k);
		json_each(test, json_get(group, "tests"))
		{
			decrypt(&k, test);
			as_premaster(&k, test);
			cnt++;
		}
		rsa_key_free(&k);
	}
	assert_int_equal(cnt, 67);
	json_free(doc);
}

/* ---- signing ---- */

static void sign(
	const struct rsa_key *k, enum hf_hash hash, const char *name, const struct json *test)
{
	struct hf_pk_job *job = hf_pk_take(pk);
	uint8_t msg[1024], sig[HF_PK_OUT_MAX];
	size_t msg_len = json_hex(test, "msg", msg, sizeof(msg)), digest_len;
	size_t sig_len = json_hex(test, "sig", sig, sizeof(sig));

	assert_non_null(job);
	assert_int_equal(EVP_Q_digest(NULL, name, NULL, msg, msg_len, job->in, &digest_len), 1);
	job->in_len = (uint32_t)digest_len;
	job->hash = (uint8_t)hash;
	run(job, k, HF_PK_RSA_SIGN_PKCS1);
	assert_int_equal(job->out_len, sig_len);
	assert_memory_equal(job->out, sig, sig_len);
	hf_pk_give(pk, job);
}

/* Returns how many vectors there were for hashes that TLS signs with. */
static uint32_t sign_all(const char *path)
{
	static const char *const name[] = {[HF_SHA1] = "SHA-1",
		[HF_SHA256] = "SHA-256",
		[HF_SHA384] = "SHA-384",
		[HF_SHA512] = "SHA-512"};
	struct json *doc = json_load(path);
	uint32_t cnt = 0;

	json_each(group, json_get(doc, "testGroups"))
	{
		struct rsa_key k;
		enum hf_hash hash = HF_SHA1;

		while (hash <= HF_SHA512 && strcmp(json_text(group, "sha"), name[hash]) != 0)
			hash++;
		if (hash > HF_SHA512)
			continue;
		read_key(group, &k);
		json_each(test, json_get(group, "tests"))
		{
			sign(&k, hash, name[hash], test);
			cnt++;
		}
		rsa_key_free(&k);
	}
	json_free(doc);
	return cnt;
}

static void pkcs1_signing(void)
{
	assert_int_equal(sign_all("tests/vectors/wycheproof_rsa_pkcs1_2048_sig_gen_test.json"), 35);
	assert_int_equal(sign_all("tests/vectors/wycheproof_rsa_pkcs1_3072_sig_gen_test.json"), 26);
	assert_int_equal(sign_all("tests/vectors/wycheproof_rsa_pkcs1_4096_sig_gen_test.json"), 24);
}

static void decryption_by_every_engine(void **state)
{
	(void)state;
	with_engines(pkcs1_decryption);
}

static void signing_by_every_engine(void **state)
{
	(void)state;
	with_engines(pkcs1_signing);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decryption_by_every_engine),
		cmocka_unit_test(signing_by_every_engine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
