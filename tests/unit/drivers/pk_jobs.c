/* pk_jobs.c -- whole jobs with real keys: what a client may send, encrypted by an independent public
 * operation, gives the premaster secret or the fallback and never anything else; signatures verify
 * with OpenSSL. A batch engine is stood in for by libcrypto behind begin, step and end. */
#include <openssl/err.h>
#include "drivers/drivers.h"
#include "lib/base/rand.h"
#include "lib/crypto/pk.h"
#include "lib/crypto/sym.h"
#include "tests/support/rsa_key.h"
#include "tests/support/test.h"

static void *engine_ctx, *sym_ctx, *sym_mem;
static struct hf_pk *pk;
static struct hf_rand rnd;
static struct rsa_key key[4]; /* 2048, 3072, 4096, and 2048 of three primes */

/* ---- libcrypto in slices ---- */

static struct sliced {
	void *libcrypto;
	struct hf_rsa_op *op;
	uint32_t cnt, at;
	bool lies; /* the last lane of a batch answers wrongly */
} sliced[HF_PK_CLASS_CNT];

static uint32_t sliced_begin(void *ctx, struct hf_rsa_op *ops, uint32_t cnt)
{
	struct sliced *c = ctx;

	c->op = ops;
	c->cnt = cnt;
	c->at = 0;
	return cnt;
}

static bool sliced_step(void *ctx)
{
	struct sliced *c = ctx;

	hf_pk_libcrypto.rsa(c->libcrypto, &c->op[c->at], 1);
	return ++c->at < c->cnt;
}

static void sliced_end(void *ctx)
{
	struct sliced *c = ctx;

	if (c->lies)
		c->op[c->cnt - 1].out[200] ^= 1;
}

static bool sliced_takes(void *ctx, const struct hf_pk_key *k)
{
	return hf_pk_libcrypto.takes(((struct sliced *)ctx)->libcrypto, k);
}

static void sliced_forget(void *ctx, uint64_t key_id)
{
	hf_pk_libcrypto.forget(((struct sliced *)ctx)->libcrypto, key_id);
}

static const struct hf_pk_engine sliced_class = {.name = "sliced",
	.cost = HF_PK_SLICEABLE,
	.quantum = 8,
	.takes = sliced_takes,
	.forget = sliced_forget,
	.begin = sliced_begin,
	.step = sliced_step,
	.end = sliced_end};

static int setup(void **state)
{
	struct hf_pk_cfg cfg = {.job_cnt = 16};
	uint8_t seed[HF_RAND_SEED_LEN] = {1};
	struct hf_pk_engine_ref engines[2] = {
		{.engine = &sliced_class}, {.engine = &hf_pk_libcrypto}};

	(void)state;
	hf_rand_seed(&rnd, seed);
	engine_ctx = test_alloc(hf_pk_libcrypto.size());
	assert_int_equal(hf_pk_libcrypto.init(engine_ctx), 0);
	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++) {
		sliced[i].libcrypto = engine_ctx;
		engines[0].ctx[i] = &sliced[i];
		engines[0].min_fill[i] = 4;
		engines[1].ctx[i] = engine_ctx;
	}
	sym_ctx = test_alloc(hf_sym_libcrypto.size(1));
	assert_int_equal(hf_sym_libcrypto.init(sym_ctx, 1), 0);
	sym_mem = test_alloc(hf_sym_footprint(1));
	cfg.sym = hf_sym_init(sym_mem, 1, &hf_sym_libcrypto, sym_ctx);
	pk = hf_pk_init(test_alloc(hf_pk_footprint(&cfg)), &cfg, engines, 2);
	rsa_key_make(&key[0], 2048, 2);
	rsa_key_make(&key[1], 3072, 2);
	rsa_key_make(&key[2], 4096, 2);
	rsa_key_make(&key[3], 2048, 3);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	hf_pk_libcrypto.fini(engine_ctx);
	hf_sym_libcrypto.fini(sym_ctx);
	free(engine_ctx);
	free(sym_ctx);
	free(sym_mem);
	free(pk);
	for (int i = 0; i < 4; i++)
		rsa_key_free(&key[i]);
	return 0;
}

/* ---- premaster secrets ---- */

/* What the job shall give: premaster, or NULL for the fallback, which is drawn here. */
struct expect {
	uint8_t out[HF_PREMASTER_LEN];
};

static struct hf_pk_job *send(const struct rsa_key *k, uint16_t version, const uint8_t *c,
	size_t len, const uint8_t *premaster, struct expect *x)
{
	struct hf_pk_job *job = hf_pk_take(pk);

	assert_non_null(job);
	job->key = &k->key;
	job->op = HF_PK_RSA_PREMASTER;
	job->client_version = version;
	memcpy(job->in, c, len);
	job->in_len = (uint32_t)len;
	hf_rand_bytes(&rnd, job->fallback, sizeof(job->fallback));
	hf_rand_bytes(&rnd, job->seed, sizeof(job->seed));
	memcpy(x->out, premaster ? premaster : job->fallback, HF_PREMASTER_LEN);
	hf_pk_submit(pk, job, 0);
	return job;
}

static void receive(struct hf_pk_job *job, const struct expect *x)
{
	assert_int_equal(job->status, HF_PK_OK);
	assert_int_equal(job->out_len, HF_PREMASTER_LEN);
	assert_memory_equal(job->out, x->out, HF_PREMASTER_LEN);
	hf_pk_give(pk, job);
}

static void one(const struct rsa_key *k, uint16_t version, const uint8_t *c, size_t len,
	const uint8_t *premaster)
{
	struct expect x;
	struct hf_pk_job *job = send(k, version, c, len, premaster, &x);

	assert_false(hf_pk_work(pk, HF_PK_IDLE, 0));
	assert_ptr_equal(hf_pk_done(pk), job);
	receive(job, &x);
}

/* EME-PKCS1-v1_5 of a fresh premaster secret (RFC 8017 7.2.1, RFC 5246 7.4.7.1). */
static void make_em(uint8_t *em, size_t k, uint16_t version)
{
	for (size_t i = 0; i < k; i++)
		do
			hf_rand_bytes(&rnd, &em[i], 1);
		while (em[i] == 0);
	em[0] = 0;
	em[1] = 2;
	em[k - 49] = 0;
	hf_rand_bytes(&rnd, em + k - 48, 48);
	em[k - 48] = (uint8_t)(version >> 8);
	em[k - 47] = (uint8_t)version;
}

static void encrypted(const struct rsa_key *k, uint16_t version, const uint8_t *em, bool good)
{
	uint8_t c[HF_PK_OUT_MAX];

	rsa_key_public(k, em, c);
	one(k, version, c, k->key.n.len, good ? em + k->key.n.len - 48 : NULL);
}

static void premaster_faults(const struct rsa_key *k)
{
	size_t len = k->key.n.len;
	uint8_t em[HF_PK_OUT_MAX], bad[HF_PK_OUT_MAX];

	for (int round = 0; round < 4; round++) {
		make_em(em, len, 0x0303);
		encrypted(k, 0x0303, em, true);
		encrypted(k, 0x0302, em, false); /* the hello said 1.1 */
		encrypted(k, 0x0304, em, false);

		memcpy(bad, em, len); /* not 02 */
		bad[1] = 1;
		encrypted(k, 0x0303, bad, false);
		memcpy(bad, em, len); /* not 00: any value below n's first byte */
		bad[0] = 1;
		encrypted(k, 0x0303, bad, false);
		memcpy(bad, em, len); /* no separator */
		bad[len - 49] = 7;
		encrypted(k, 0x0303, bad, false);
		memcpy(bad, em, len); /* one too early: 49 bytes of message */
		bad[len - 50] = 0;
		encrypted(k, 0x0303, bad, false);
		memcpy(bad, em,
			len); /* in the first eight bytes of the padding, and in its middle */
		bad[2 + round] = 0;
		encrypted(k, 0x0303, bad, false);
		memcpy(bad, em, len);
		bad[len / 2] = 0;
		encrypted(k, 0x0303, bad, false);
		memcpy(bad, em, len); /* one too late: 47 bytes of message */
		bad[len - 49] = 9;
		bad[len - 48] = 0;
		encrypted(k, 0x0303, bad, false);
		memcpy(bad, em, len); /* another version inside */
		bad[len - 47] = 0x01;
		encrypted(k, 0x0303, bad, false);
		encrypted(k, 0x0301, bad, true); /* which is right for a hello of TLS 1.0 */
	}
}

static void premaster_or_fallback(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		premaster_faults(&key[i]);
}

static void ciphertexts_of_any_shape(void **state)
{
	uint8_t em[HF_PK_OUT_MAX], c[HF_PK_IN_MAX + 8] = {0};

	(void)state;
	for (int i = 0; i < 4; i++) {
		const struct rsa_key *k = &key[i];
		size_t len = k->key.n.len;

		make_em(em, len, 0x0303);
		em[0] = 0;
		em[1] = 2;
		rsa_key_public(k, em, c + 1);
		one(k, 0x0303, c + 1, len, em + len - 48);
		one(k, 0x0303, c + 1, len - 1, NULL); /* short */
		one(k, 0x0303, c, len + 1, NULL);     /* long, by a zero in front */
		one(k, 0x0303, c + 1, len + 1, NULL); /* long, by a zero behind */
		one(k, 0x0303, c + 1, 0, NULL);
		one(k, 0x0303, c + 1, 48, NULL);
		one(k, 0x0303, c, HF_PK_IN_MAX, NULL);
		memset(c, 0, sizeof(c)); /* 0, 1, n - 1, n, n + 2, all ones */
		one(k, 0x0303, c, len, NULL);
		c[len - 1] = 1;
		one(k, 0x0303, c, len, NULL);
		memcpy(c, k->key.n.p, len);
		c[len - 1]--;
		one(k, 0x0303, c, len, NULL);
		c[len - 1]++;
		one(k, 0x0303, c, len, NULL);
		memset(c, 0xff, len);
		one(k, 0x0303, c, len, NULL);
		memset(c, 0, len); /* a prime: the CRT half is zero */
		memcpy(c + len - k->key.prime[0].len, k->key.prime[0].p, k->key.prime[0].len);
		one(k, 0x0303, c, len, NULL);
	}
	assert_int_equal(ERR_peek_error(), 0); /* nobody finds our clients' faults in the queue */
}

/* Jobs of all kinds and sizes at once, in batches and alone, in an order no one planned. */
static void many_at_once(void **state)
{
	struct hf_pk_job *job[16], *out;
	struct expect x[16];
	uint8_t em[HF_PK_OUT_MAX], c[HF_PK_OUT_MAX];

	(void)state;
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 16; i++) {
			const struct rsa_key *k = &key[i * i * (round + 1) % 4];
			size_t len = k->key.n.len;
			bool good = hf_rand_below(&rnd, 3) > 0;

			make_em(em, len, 0x0303);
			if (!good)
				em[5] = 0;
			rsa_key_public(k, em, c);
			job[i] = send(k, 0x0303, c, len, good ? em + len - 48 : NULL, &x[i]);
		}
		assert_null(hf_pk_take(pk));
		while (hf_pk_work(pk, HF_PK_IDLE, 0)) {
		}
		for (int n = 0; n < 16; n++) {
			int i = 0;

			out = hf_pk_done(pk);
			while (job[i] != out)
				i++;
			receive(out, &x[i]);
		}
	}
	assert_true(hf_pk_stats(pk)->batches > 0);
	assert_true(hf_pk_stats(pk)->scalar_ops > 0);
}

/* ---- signatures ---- */

static void signature(
	const struct rsa_key *k, enum hf_pk_op op, enum hf_hash hash, const EVP_MD *md)
{
	struct hf_pk_job *job = hf_pk_take(pk);
	bool pss = op == HF_PK_RSA_SIGN_PSS;
	uint8_t digest[HF_HASH_MAX];
	size_t digest_len = (size_t)EVP_MD_get_size(md);

	assert_non_null(job);
	hf_rand_bytes(&rnd, digest, digest_len);
	job->key = &k->key;
	job->op = (uint8_t)op;
	job->hash = (uint8_t)hash;
	memcpy(job->in, digest, digest_len);
	job->in_len = (uint32_t)digest_len;
	hf_rand_bytes(&rnd, job->seed, sizeof(job->seed));
	hf_pk_submit(pk, job, 0);
	assert_false(hf_pk_work(pk, HF_PK_IDLE, 0));
	assert_ptr_equal(hf_pk_done(pk), job);
	assert_int_equal(job->status, HF_PK_OK);
	assert_int_equal(job->out_len, k->key.n.len);
	assert_true(rsa_key_verifies(k, pss, md, digest, job->out));
	assert_false(rsa_key_verifies(k, !pss, md, digest, job->out));
	digest[0] ^= 1;
	assert_false(rsa_key_verifies(k, pss, md, digest, job->out));
	digest[0] ^= 1;
	job->out[job->out_len / 2] ^= 1;
	assert_false(rsa_key_verifies(k, pss, md, digest, job->out));
	hf_pk_give(pk, job);
}

static void signatures_verify(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		signature(&key[i], HF_PK_RSA_SIGN_PKCS1, HF_SHA1, EVP_sha1());
		signature(&key[i], HF_PK_RSA_SIGN_PKCS1, HF_SHA256, EVP_sha256());
		signature(&key[i], HF_PK_RSA_SIGN_PKCS1, HF_SHA384, EVP_sha384());
		signature(&key[i], HF_PK_RSA_SIGN_PKCS1, HF_SHA512, EVP_sha512());
		signature(&key[i], HF_PK_RSA_SIGN_PSS, HF_SHA256, EVP_sha256());
		signature(&key[i], HF_PK_RSA_SIGN_PSS, HF_SHA384, EVP_sha384());
		signature(&key[i], HF_PK_RSA_SIGN_PSS, HF_SHA512, EVP_sha512());
	}
}

/* ---- the known-answer test catches a lane that lies ---- */

static void selftest_looks_at_every_lane(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++) {
		assert_int_equal(hf_pk_selftest(&sliced_class, &sliced[i], i), 0);
		sliced[i].lies = true;
		assert_int_equal(hf_pk_selftest(&sliced_class, &sliced[i], i), -1);
		sliced[i].lies = false;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(premaster_or_fallback),
		cmocka_unit_test(ciphertexts_of_any_shape),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(signatures_verify),
		cmocka_unit_test(selftest_looks_at_every_lane),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
