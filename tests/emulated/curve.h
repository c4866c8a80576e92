/* curve.h -- what the tests of the curves' kernels in emulated vectors share. Such a test has the
 * kernel's source in itself, compiled with LEAK in one of its instructions, and describes it by a
 * struct curve; a batch of jobs then takes the whole way from lib/crypto/pk.c to the lanes and back.
 *
 * Marked as undefined are private keys, scalars and seeds, and so is all that is computed from them.
 * Revealed, where the sources say so: of a job its status, and whether a seed is a scalar; r and s of
 * a signature that goes out; the lanes whose point is valid, whose result is there and right. What
 * goes out and what the peer sent is public, but a public value that was computed is marked to the
 * end all the same.
 *
 * The table for the base point is public and takes longer to make than anything else, so valgrind is
 * spared it: this program makes it and hands it down. */
#ifndef TESTS_EMULATED_CURVE_H
#define TESTS_EMULATED_CURVE_H

#include <sys/mman.h>
#include "drivers/drivers.h"
#include "lib/base/rand.h"
#include "lib/base/secret.h"
#include "lib/crypto/pk.h"
#include "lib/crypto/sym.h"
#include "tests/emulated/processor.h"
#include "tests/support/ec_key.h"
#include "tests/support/memcheck.h"

#define FILL_MAX 8u
#define NUMBER 32u /* bytes of a scalar, of a secret */

/* ---- leaks ---- */

static enum { NOTHING, BRANCH, INDEX } planted;
static volatile uint8_t leak_sink;
static volatile uint8_t leak_bytes[256]; /* volatile, or an index into zeros is no load */

static HF_NOINLINE void leak(uint64_t lane)
{
	if (planted == BRANCH && (lane & 2))
		leak_sink = 1;
	if (planted == INDEX)
		leak_sink = leak_bytes[lane & 0xff];
}

/* ---- the kernel under test ---- */

struct curve {
	const struct hf_pk_engine *engine;
	int (*init_with)(void *ctx, const void *table); /* engine->init, but for making the table */
	void (*table_of)(void *table, const void *ctx);
	size_t table_len;
	enum hf_group group;
};

static const struct curve *curve;
static const char *self;
static void *context, *reference;
static struct hf_rand rnd;
static struct ec_key signer;

/* Last in the list there must be one that answers every key; here it is never asked. */
static bool takes_all(void *ctx, const struct hf_pk_key *key)
{
	(void)ctx;
	(void)key;
	return true;
}

static const struct hf_pk_engine nobody = {.name = "nobody", .quantum = 1, .takes = takes_all};

static void libcrypto_starts(void)
{
	uint8_t seed[HF_RAND_SEED_LEN] = {9};

	hf_rand_seed(&rnd, seed);
	ec_key_make(&signer, HF_PK_EC_P256);
	reference = test_alloc(hf_pk_libcrypto.size());
	HF_ASSERT(hf_pk_libcrypto.init(reference) == 0);
}

static void libcrypto_ends(void)
{
	hf_pk_libcrypto.fini(reference);
	free(reference);
	ec_key_free(&signer);
}

static uint32_t by_libcrypto(
	uint8_t *out, enum hf_ec_kind kind, const uint8_t *scalar, const uint8_t *in)
{
	struct hf_ec_op op = {.kind = (uint8_t)kind,
		.group = (uint8_t)curve->group,
		.scalar = scalar,
		.in = in,
		.in_len = hf_group_info[curve->group].point_len,
		.out = out,
		.status = HF_EC_UNANSWERED};

	hf_pk_libcrypto.ec(reference, &op, 1);
	HF_ASSERT(op.status == HF_EC_OK);
	return op.out_len;
}

/* ---- one job ---- */

/* What was asked, before it was marked. */
struct asked {
	struct hf_pk_job *job;
	uint8_t scalar[NUMBER], in[HF_EC_POINT_MAX];
	bool bad;
};

static void random_scalar(uint8_t scalar[NUMBER])
{
	hf_rand_bytes(&rnd, scalar, NUMBER);
	scalar[0] &= 0x7f; /* of P-256: below the order */
}

static void ask_derive(struct asked *a)
{
	struct hf_pk_job *job = a->job;
	uint8_t other[NUMBER];

	random_scalar(other);
	job->in_len = by_libcrypto(a->in, HF_EC_BASE, other, NULL);
	random_scalar(a->scalar);
	memcpy(job->scalar, a->scalar, NUMBER);
	memcpy(job->in, a->in, job->in_len);
	if (a->bad && curve->group == HF_GROUP_X25519)
		memset(job->in, 0, job->in_len); /* of small order */
	else if (a->bad)
		job->in[job->in_len - 1] ^= 1; /* off the curve */
}

static void ask(struct asked *a, uint8_t op, const struct hf_pk_key *key)
{
	struct hf_pk_job *job = a->job;

	job->op = op;
	job->group = (uint8_t)curve->group;
	hf_rand_bytes(&rnd, job->seed, sizeof(job->seed));
	if (op == HF_PK_ECDH_KEYGEN && a->bad)
		memset(job->seed, 0xff, NUMBER); /* no scalar of P-256: its other half is one */
	if (op == HF_PK_ECDH_DERIVE)
		ask_derive(a);
	if (op == HF_PK_ECDSA_SIGN) {
		job->key = key;
		job->hash = HF_SHA256;
		job->in_len = NUMBER;
		hf_rand_bytes(&rnd, job->in, NUMBER);
		memcpy(a->in, job->in, NUMBER);
	}
	VALGRIND_MAKE_MEM_UNDEFINED(job->seed, sizeof(job->seed));
	VALGRIND_MAKE_MEM_UNDEFINED(job->scalar, sizeof(job->scalar));
}

static bool verifies(const struct hf_pk_job *job, const uint8_t digest[NUMBER])
{
	EVP_PKEY_CTX *x = EVP_PKEY_CTX_new(signer.pkey, NULL);
	bool good = EVP_PKEY_verify_init(x) == 1 &&
		    EVP_PKEY_verify(x, job->out, job->out_len, digest, NUMBER) == 1;

	EVP_PKEY_CTX_free(x);
	return good;
}

/* The first byte of a point says its form, and the uppermost bit of a number modulo 2^255 - 19 is 0. */
static bool marked_to_the_end(const struct hf_pk_job *job)
{
	if (curve->group == HF_GROUP_X25519)
		return memcheck_all_undefined(job->out, NUMBER - 1);
	return job->op == HF_PK_ECDH_KEYGEN ? memcheck_all_undefined(job->out + 1, 2 * NUMBER)
					    : memcheck_all_undefined(job->out, NUMBER);
}

static void receive(struct asked *a)
{
	struct hf_pk_job *job = a->job;
	uint8_t want[HF_EC_SIGNATURE_MAX];
	bool keygen = job->op == HF_PK_ECDH_KEYGEN;
	uint32_t len;

	if (a->bad && job->op == HF_PK_ECDH_DERIVE) {
		HF_ASSERT(job->status == HF_PK_REFUSED && job->out_len == 0);
		return;
	}
	HF_ASSERT(job->status == HF_PK_OK);
	if (job->op == HF_PK_ECDSA_SIGN) {
		HF_ASSERT(verifies(job, a->in));
		return;
	}
	HF_ASSERT(marked_to_the_end(job));
	VALGRIND_MAKE_MEM_DEFINED(job->out, sizeof(job->out));
	VALGRIND_MAKE_MEM_DEFINED(job->scalar, sizeof(job->scalar));
	len = keygen ? by_libcrypto(want, HF_EC_BASE, job->scalar, NULL)
		     : by_libcrypto(want, HF_EC_MULTIPLY, a->scalar, a->in);
	HF_ASSERT(job->out_len == len && memcmp(job->out, want, len) == 0);
}

/* ---- a batch of them ---- */

static enum hf_ec_kind kind_of(uint8_t op)
{
	return op == HF_PK_ECDH_KEYGEN   ? HF_EC_BASE
	       : op == HF_PK_ECDH_DERIVE ? HF_EC_MULTIPLY
					 : HF_EC_SIGN;
}

/* The last of several is a bad one. */
static void batch_of(struct hf_pk *pk, uint8_t op, uint32_t fill)
{
	const struct hf_pk_engine_stats *st =
		hf_pk_ec_engine_stats(pk, 0, kind_of(op), curve->group);
	uint64_t ops = st->ops, batches = st->batches;
	struct hf_pk_key key = signer.key;
	struct asked a[FILL_MAX];
	uint8_t d[NUMBER];
	uint32_t revealed;

	memcpy(d, signer.d, NUMBER);
	VALGRIND_MAKE_MEM_UNDEFINED(d, NUMBER);
	key.d = hf_span(d, NUMBER);
	key.pkcs8 = hf_span(NULL, 0); /* nobody reads it */
	for (uint32_t i = 0; i < fill; i++) {
		a[i] = (struct asked){.job = hf_pk_take(pk), .bad = i > 0 && i == fill - 1};
		HF_ASSERT(a[i].job);
		ask(&a[i], op, &key);
		hf_pk_submit(pk, a[i].job, 0);
	}
	revealed = emulated_revealed;
	while (hf_pk_work(pk, HF_PK_CALM, 0)) {
	}
	if (op == HF_PK_ECDSA_SIGN && RUNNING_ON_VALGRIND) /* r and s were marked until then */
		HF_ASSERT(emulated_revealed - revealed >= 2 * NUMBER * fill);
	HF_ASSERT(st->batches == batches + 1 && st->ops == ops + fill && st->unanswered == 0);
	for (uint32_t i = 0; i < fill; i++) {
		HF_ASSERT(hf_pk_done(pk) == a[i].job);
		receive(&a[i]);
		hf_pk_give(pk, a[i].job);
	}
}

/* A pair that was made beforehand, of a generator's secret bytes. */
static void pair_of(struct hf_pk *pk)
{
	struct hf_pk_pair pair;
	uint8_t want[HF_EC_POINT_MAX];
	hf_ns now = 1;

	VALGRIND_MAKE_MEM_UNDEFINED(rnd.key, sizeof(rnd.key));
	VALGRIND_MAKE_MEM_UNDEFINED(rnd.buf, sizeof(rnd.buf));
	hf_pk_keep_pairs(pk, &rnd);
	HF_ASSERT(!hf_pk_pair(pk, curve->group, &pair, now)); /* now they are wanted */
	while (hf_pk_work(pk, HF_PK_IDLE, now)) {
	}
	HF_ASSERT(hf_pk_pair(pk, curve->group, &pair, now));
	HF_ASSERT(memcheck_all_undefined(pair.scalar, NUMBER));
	hf_pk_keep_pairs(pk, NULL);
	VALGRIND_MAKE_MEM_DEFINED(&rnd, sizeof(rnd));
	VALGRIND_MAKE_MEM_DEFINED(&pair, sizeof(pair));
	HF_ASSERT(memcmp(pair.point, want, by_libcrypto(want, HF_EC_BASE, pair.scalar, NULL)) == 0);
}

static void batches(uint32_t fill_min, uint32_t fill_max)
{
	static const struct hf_pk_cfg cfg = {.job_cnt = FILL_MAX};
	struct hf_pk_engine_ref ref[2] = {{.engine = curve->engine}, {.engine = &nobody}};
	struct hf_pk *pk;

	ref[0].ctx[0] = context;
	pk = hf_pk_init(test_alloc(hf_pk_footprint(&cfg)), &cfg, ref, 2);
	for (uint32_t fill = fill_min; fill <= fill_max; fill++) {
		batch_of(pk, HF_PK_ECDH_KEYGEN, fill);
		batch_of(pk, HF_PK_ECDH_DERIVE, fill);
		if (curve->engine->takes_ec(context, HF_EC_SIGN, curve->group))
			batch_of(pk, HF_PK_ECDSA_SIGN, fill);
	}
	pair_of(pk);
	VALGRIND_CHECK_MEM_IS_DEFINED(hf_pk_stats(pk), sizeof(struct hf_pk_stats));
	free(pk);
}

/* ---- the tests ---- */

static int starts(void **state)
{
	(void)state;
	libcrypto_starts();
	context = test_alloc(curve->engine->size());
	assert_int_equal(curve->engine->init(context), 0);
	return 0;
}

static int ends(void **state)
{
	(void)state;
	curve->engine->fini(context);
	free(context);
	libcrypto_ends();
	return 0;
}

/* RFC 7748 6.1, RFC 5903 8.1, and a signature whose nonce is known. */
static void known_answers(void **state)
{
	(void)state;
	assert_int_equal(hf_pk_selftest(curve->engine, context, 0), 0);
}

static void right_at_every_fill(void **state)
{
	(void)state;
	batches(1, FILL_MAX);
}

static void under_memcheck(const char *leaks, int status)
{
	char fd_text[16];
	void *table;
	int fd;

#ifdef __SANITIZE_ADDRESS__
	skip(); /* valgrind cannot run us */
#endif
	fd = memfd_create("table", 0);
	table = test_alloc(curve->table_len);
	curve->table_of(table, context);
	assert_int_equal(write(fd, table, curve->table_len), curve->table_len);
	snprintf(fd_text, sizeof(fd_text), "%d", fd);
	assert_int_equal(memcheck_run(self, leaks, fd_text), status);
	close(fd);
	free(table);
}

static void nothing_depends_on_secrets(void **state)
{
	(void)state;
	under_memcheck("nothing", 0);
}

static void a_planted_branch_is_reported(void **state)
{
	(void)state;
	under_memcheck("branch", MEMCHECK_REPORTED);
}

static void a_planted_index_is_reported(void **state)
{
	(void)state;
	under_memcheck("index", MEMCHECK_REPORTED);
}

/* What runs under memcheck: full batches of every kind. */
static int with_table(const char *leaks, int fd)
{
	void *table = test_alloc(curve->table_len);

	HF_ASSERT(pread(fd, table, curve->table_len, 0) == (ssize_t)curve->table_len);
	libcrypto_starts();
	context = test_alloc(curve->engine->size());
	HF_ASSERT(curve->init_with(context, table) == 0);
	planted = strcmp(leaks, "branch") == 0  ? BRANCH
		  : strcmp(leaks, "index") == 0 ? INDEX
						: NOTHING;
	batches(FILL_MAX, FILL_MAX);
	planted = NOTHING;
	free(table);
	return ends(NULL);
}

#define CURVE_TESTS                                                             \
	cmocka_unit_test(known_answers), cmocka_unit_test(right_at_every_fill), \
		cmocka_unit_test(nothing_depends_on_secrets),                   \
		cmocka_unit_test(a_planted_branch_is_reported),                 \
		cmocka_unit_test(a_planted_index_is_reported)

#endif
