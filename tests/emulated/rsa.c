/* rsa.c -- the RSA kernels' sources in emulated vectors: right on any processor, and under valgrind's
 * memcheck with all that is secret marked as undefined: the key's primes, exponents and coefficients,
 * blinding, fallback, and so everything computed from the ciphertext. Through the whole path of a
 * job: depadding (lib/crypto/pk.c), conversions, blinding, reduction, powers, Chinese remainders
 * and check (rsa_batch.c), and the arithmetic of each core. Making a key ready is covered as well.
 * What it cannot see is what the processor does: `make timing` is for that.
 *
 * Revealed, with the bits that say a prime has its full length: whether a result was right. */
#include "drivers/drivers.h"
#include "drivers/pk/rsa_batch.h"
#include "lib/base/rand.h"
#include "lib/base/secret.h"
#include "lib/crypto/pk.h"
#include "tests/support/memcheck.h"
#include "tests/support/rsa_key.h"

#define BITS 2048u
#define K (BITS / 8)
#define OPS 2u

/* ---- engines: the two, and two that leak ---- */

static volatile uint8_t sink;
static volatile uint8_t bytes[256]; /* volatile, or an index into zeros is no load */

static void branching_multiply(struct hf_rsa_lanes *l, struct hf_rsa_vec *out,
	const struct hf_rsa_vec *a, const struct hf_rsa_vec *b)
{
	if (a[0].lane[0] & 2)
		sink = 1;
	hf_rsa_core_ifma.multiply(l, out, a, b);
}

static void indexing_multiply(struct hf_rsa_lanes *l, struct hf_rsa_vec *out,
	const struct hf_rsa_vec *a, const struct hf_rsa_vec *b)
{
	sink = bytes[a[0].lane[0] & 0xff];
	hf_rsa_core_ifma.multiply(l, out, a, b);
}

static int leaky_init(void *ctx, void (*multiply)(struct hf_rsa_lanes *, struct hf_rsa_vec *,
					 const struct hf_rsa_vec *, const struct hf_rsa_vec *))
{
	static struct hf_rsa_core core;

	core = hf_rsa_core_ifma;
	core.multiply = multiply;
	hf_rsa_batch_init(ctx, &core);
	return 0;
}

static int branching_init(void *ctx)
{
	return leaky_init(ctx, branching_multiply);
}

static int indexing_init(void *ctx)
{
	return leaky_init(ctx, indexing_multiply);
}

static struct hf_pk_engine engine_named(const char *name)
{
	struct hf_pk_engine e =
		strcmp(name, "rsa_avx512f") == 0 ? hf_pk_rsa_avx512f : hf_pk_rsa_ifma;

	if (strcmp(name, "branching") == 0)
		e.init = branching_init;
	if (strcmp(name, "indexing") == 0)
		e.init = indexing_init;
	return e;
}

/* Last in the list there must be one that answers every key; here it is never asked. */
static bool takes_all(void *ctx, const struct hf_pk_key *key)
{
	(void)ctx;
	(void)key;
	return true;
}

static const struct hf_pk_engine nobody = {.name = "nobody", .quantum = 1, .takes = takes_all};

/* ---- marks ---- */

/* A copy whose bits are undefined, but for those from the top to the first one that is set. */
static struct hf_span secret(struct hf_span number)
{
	uint8_t *p = malloc(number.len), *bits = malloc(number.len);

	memcpy(p, number.p, number.len);
	memset(bits, 0xff, number.len);
	if (p[0])
		bits[0] = (uint8_t)((1u << (31 - __builtin_clz(p[0]))) - 1);
	(void)VALGRIND_SET_VBITS(p, bits, number.len);
	free(bits);
	return hf_span(p, number.len);
}

static struct hf_pk_key secret_key(const struct hf_pk_key *k)
{
	struct hf_pk_key s = *k;

	s.d = s.pkcs8 = hf_span(NULL, 0); /* nobody reads them */
	for (uint32_t i = 0; i < k->prime_cnt; i++) {
		s.prime[i] = secret(k->prime[i]);
		s.exponent[i] = secret(k->exponent[i]);
		VALGRIND_MAKE_MEM_UNDEFINED(s.exponent[i].p, s.exponent[i].len);
		if (i == 0)
			continue;
		s.coefficient[i] = secret(k->coefficient[i]);
		VALGRIND_MAKE_MEM_UNDEFINED(s.coefficient[i].p, s.coefficient[i].len);
	}
	return s;
}

static void secret_key_free(const struct hf_pk_key *s)
{
	for (uint32_t i = 0; i < s->prime_cnt; i++) {
		free((void *)(uintptr_t)s->prime[i].p);
		free((void *)(uintptr_t)s->exponent[i].p);
		if (i)
			free((void *)(uintptr_t)s->coefficient[i].p);
	}
}

/* ---- one batch of jobs, one ciphertext good and one that is none ---- */

static struct hf_rand rnd;
static uint8_t em[OPS][K];

static void message(uint8_t *m, bool good)
{
	for (uint32_t i = 0; i < K; i++)
		m[i] = (uint8_t)(hf_rand_below(&rnd, 255) + 1);
	m[0] = 0;
	m[1] = good ? 2 : 3;
	m[K - HF_PREMASTER_LEN - 1] = 0;
	m[K - HF_PREMASTER_LEN] = m[K - HF_PREMASTER_LEN + 1] = 3;
}

static struct hf_pk_job *send(
	struct hf_pk *pk, const struct hf_pk_key *key, const struct rsa_key *public, uint32_t i)
{
	struct hf_pk_job *job = hf_pk_take(pk);

	HF_ASSERT(job);
	message(em[i], i == 0);
	rsa_key_public(public, em[i], job->in);
	memset(job->fallback, 0xfb, sizeof(job->fallback));
	hf_rand_bytes(&rnd, job->seed, sizeof(job->seed));
	VALGRIND_MAKE_MEM_UNDEFINED(job->fallback, sizeof(job->fallback));
	VALGRIND_MAKE_MEM_UNDEFINED(job->seed, sizeof(job->seed));
	job->key = key;
	job->op = HF_PK_RSA_PREMASTER;
	job->client_version = 0x0303;
	job->in_len = K;
	hf_pk_submit(pk, job, 0);
	return job;
}

static void receive(struct hf_pk *pk, struct hf_pk_job *job, uint32_t i)
{
	uint8_t fallback[HF_PREMASTER_LEN];

	HF_ASSERT(job->status == HF_PK_OK && job->out_len == HF_PREMASTER_LEN);
	HF_ASSERT(memcheck_all_undefined(job->out, HF_PREMASTER_LEN)); /* marked to the end */
	hf_ct_reveal(job->out, sizeof(job->out));
	memset(fallback, 0xfb, sizeof(fallback));
	HF_ASSERT(memcmp(job->out, i == 0 ? em[i] + K - HF_PREMASTER_LEN : fallback,
			  HF_PREMASTER_LEN) == 0);
	hf_pk_give(pk, job);
}

static int batch(const char *name, uint32_t primes)
{
	static const struct hf_pk_cfg cfg = {.job_cnt = OPS};
	const struct hf_pk_engine engine = engine_named(name);
	struct hf_pk_engine_ref ref[2] = {{.engine = &engine}, {.engine = &nobody}};
	void *ctx = test_alloc(engine.size());
	uint8_t seed[HF_RAND_SEED_LEN] = {9};
	struct hf_pk_job *job[OPS];
	struct rsa_key k;
	struct hf_pk_key key;
	struct hf_pk *pk;

	hf_rand_seed(&rnd, seed);
	rsa_key_make(&k, BITS, primes);
	key = secret_key(&k.key);
	HF_ASSERT(engine.init(ctx) == 0);
	ref[0].ctx[0] = ctx;
	pk = hf_pk_init(test_alloc(hf_pk_footprint(&cfg)), &cfg, ref, 2);
	for (uint32_t i = 0; i < OPS; i++)
		job[i] = send(pk, &key, &k, i);
	while (hf_pk_work(pk, HF_PK_CALM, 0)) {
	}
	VALGRIND_CHECK_MEM_IS_DEFINED(hf_pk_stats(pk), sizeof(struct hf_pk_stats));
	HF_ASSERT(hf_pk_stats(pk)->batch_ops == OPS && hf_pk_stats(pk)->faults == 0);
	for (uint32_t i = 0; i < OPS; i++) {
		HF_ASSERT(hf_pk_done(pk) == job[i]);
		receive(pk, job[i], i);
	}
	engine.fini(ctx);
	free(ctx);
	free(pk);
	secret_key_free(&key);
	rsa_key_free(&k);
	return 0;
}

/* ---- the tests ---- */

static const char *self;

static void right_on_any_processor(void **state)
{
	(void)state;
	for (uint32_t primes = 2; primes <= 3; primes++) {
		assert_int_equal(batch("rsa_ifma", primes), 0);
		assert_int_equal(batch("rsa_avx512f", primes), 0);
	}
}

static void under_memcheck(const char *name, const char *primes, int status)
{
#ifdef __SANITIZE_ADDRESS__
	skip(); /* valgrind cannot run us */
#endif
	assert_int_equal(memcheck_run(self, name, primes), status);
}

/* Three primes take every path that two do, and are the shorter way: a minute of processor time less. */
static void nothing_depends_on_secrets_ifma(void **state)
{
	(void)state;
	under_memcheck("rsa_ifma", "3", 0);
}

static void nothing_depends_on_secrets_avx512f(void **state)
{
	(void)state;
	under_memcheck("rsa_avx512f", "3", 0);
}

static void a_planted_branch_is_reported(void **state)
{
	(void)state;
	under_memcheck("branching", "3", MEMCHECK_REPORTED);
}

static void a_planted_index_is_reported(void **state)
{
	(void)state;
	under_memcheck("indexing", "3", MEMCHECK_REPORTED);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_on_any_processor),
		cmocka_unit_test(nothing_depends_on_secrets_ifma),
		cmocka_unit_test(nothing_depends_on_secrets_avx512f),
		cmocka_unit_test(a_planted_branch_is_reported),
		cmocka_unit_test(a_planted_index_is_reported),
	};

	self = argv[0];
	if (argc == 3)
		return batch(argv[1], (uint32_t)strtoul(argv[2], NULL, 10));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
