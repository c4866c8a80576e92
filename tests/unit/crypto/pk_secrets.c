/* pk_secrets.c -- no branch and no address in the premaster path depends on what was decrypted. The
 * engine here marks its answer as undefined for valgrind's memcheck, which then reports every jump
 * and every index made from it; so must nothing but the 48 bytes of the result be undefined after.
 * That memcheck sees such things at all is shown by a planted leak, which must be reported.
 * Called without arguments the program runs itself under valgrind in both ways. */
#include "lib/crypto/pk.h"
#include "tests/support/memcheck.h"

#define K 256u

static uint8_t modulus[K], em[K];
static bool leak;

static bool takes(void *ctx, const struct hf_pk_key *key)
{
	(void)ctx;
	return key->n.len == K;
}

static void rsa(void *ctx, struct hf_rsa_op *ops, uint32_t cnt)
{
	(void)ctx;
	HF_ASSERT(cnt == 1);
	memcpy(ops->out, em, K);
	VALGRIND_MAKE_MEM_UNDEFINED(ops->out, K);
	if (leak && ops->out[1] == 2) /* what a padding check must not do */
		__asm__ volatile("");
	ops->status = HF_RSA_OK;
}

static const struct hf_pk_engine engine = {
	.name = "marking", .cost = HF_PK_WHOLE, .quantum = 1, .takes = takes, .rsa = rsa};

static void good_em(void)
{
	memset(em, 0x77, K);
	em[0] = 0;
	em[1] = 2;
	em[K - 49] = 0;
	em[K - 48] = 3;
	em[K - 47] = 3;
}

/* One job; in_len other than K: a ciphertext that is none. */
static void premaster(struct hf_pk *pk, uint32_t in_len, bool good)
{
	static const struct hf_pk_key key = {
		.id = 1, .type = HF_PK_RSA, .prime_cnt = 2, .bits = 8 * K, .n = {modulus, K}};
	struct hf_pk_job *job = hf_pk_take(pk);
	uint8_t want[HF_PREMASTER_LEN];

	HF_ASSERT(job);
	job->key = &key;
	job->op = HF_PK_RSA_PREMASTER;
	job->client_version = 0x0303;
	job->in_len = in_len;
	memset(job->fallback, 0xfb, sizeof(job->fallback));
	memcpy(want, good ? em + K - HF_PREMASTER_LEN : job->fallback, sizeof(want));
	VALGRIND_MAKE_MEM_UNDEFINED(job->fallback, sizeof(job->fallback));
	hf_pk_submit(pk, job, 0);
	HF_ASSERT(!hf_pk_work(pk, HF_PK_IDLE, 0));
	HF_ASSERT(hf_pk_done(pk) == job);
	HF_ASSERT(job->status == HF_PK_OK && job->out_len == HF_PREMASTER_LEN);
	HF_ASSERT(memcheck_all_undefined(job->out, HF_PREMASTER_LEN)); /* marked to the end */
	VALGRIND_CHECK_MEM_IS_DEFINED(
		job->out + HF_PREMASTER_LEN, sizeof(job->out) - HF_PREMASTER_LEN);
	VALGRIND_CHECK_MEM_IS_DEFINED(hf_pk_stats(pk), sizeof(struct hf_pk_stats));
	VALGRIND_MAKE_MEM_DEFINED(job->out, sizeof(job->out));
	VALGRIND_MAKE_MEM_DEFINED(job->fallback, sizeof(job->fallback));
	HF_ASSERT(memcmp(job->out, want, sizeof(want)) == 0);
	hf_pk_give(pk, job);
}

static int under_valgrind(void)
{
	static const struct hf_pk_cfg cfg = {.job_cnt = 2};
	const struct hf_pk_engine_ref ref = {.engine = &engine};
	void *mem = aligned_alloc(HF_CACHE_LINE, HF_ROUND_UP(hf_pk_footprint(&cfg), 64u));
	struct hf_pk *pk = hf_pk_init(mem, &cfg, &ref, 1);

	memset(modulus, 0xff, K);
	good_em();
	premaster(pk, K, true);
	premaster(pk, K - 1, false);
	for (uint32_t i = 0; i < K - 46; i++) {
		good_em();
		em[i] = i == 0 || i == K - 49; /* 0 where it must not be, 1 where 0 must be */
		premaster(pk, K, false);
	}
	free(mem);
	return 0;
}

/* ---- this program under valgrind ---- */

static char *self;

static void nothing_depends_on_what_was_decrypted(void **state)
{
	(void)state;
#ifdef __SANITIZE_ADDRESS__ /* valgrind cannot run us: the results alone are checked */
	assert_int_equal(under_valgrind(), 0);
#else
	assert_int_equal(memcheck_run(self, "honest", NULL), 0);
#endif
}

static void a_planted_leak_is_reported(void **state)
{
	(void)state;
#ifdef __SANITIZE_ADDRESS__
	skip();
#endif
	assert_int_equal(memcheck_run(self, "leaky", NULL), MEMCHECK_REPORTED);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_depends_on_what_was_decrypted),
		cmocka_unit_test(a_planted_leak_is_reported),
	};

	self = argv[0];
	if (argc == 2) {
		leak = argv[1][0] == 'l';
		return under_valgrind();
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
