/* rows_jobs.c -- premaster secrets through the whole path of a job: submit, slices, the engine's last
 * one, padding, done; a full batch whose ciphertexts are all of one arm. Arm 0: what an honest client
 * sends. Then what an attacker sends who looks for a Bleichenbacher oracle (RFC 8017 7.2.2): any
 * number; and one that begins like a message but whose padding ends early. Inputs come from a pool,
 * and are copied into the job before the clock starts. "no engine" hands its input through: what
 * is left is the path itself, and the noise is least. */
#include "drivers/drivers.h"
#include "lib/base/rand.h"
#include "lib/crypto/pk.h"
#include "tests/support/rsa_key.h"
#include "tests/timing/timing.h"

#define BITS 2048u
#define K (BITS / 8)
#define POOL 64u
#define VERSION 0x0303u

enum kind { VALID, ANY_NUMBER, SHORT_PADDING, KINDS };

/* Arms are kinds; the planted leaks, further on, are in what ANY_NUMBER does. */
static const struct timing_arm arms[] = {
	[VALID] = {"valid", 8, 0},
	[ANY_NUMBER] = {"any number", 8, 0},
	[SHORT_PADDING] = {"short padding", 2, 0},
	{"planted 200 ns", 8,
		200}, /* which must be seen, beside a batch of half a millisecond, too */
	{"planted 1000 ns", 1, 1000},
	{"planted 50 ns", 1, 50},
	{"planted 10 ns", 1, 10},
};

static struct hf_rand rnd;
static struct rsa_key key;
static const struct hf_pk_engine *honest;
static struct hf_pk_engine leaky; /* the same, and wastes leak_ns at its end */
static uint32_t leak_ns;
static void *ctx, *last_ctx;
static struct hf_pk *pk;
static struct hf_pk_job *job[HF_PK_QUANTUM_MAX];
static uint32_t job_cnt, kind, drawn[HF_PK_QUANTUM_MAX];
static uint8_t in[KINDS][POOL][K], premaster[POOL][HF_PREMASTER_LEN], fallback[HF_PREMASTER_LEN];

/* ---- the engine that does nothing ---- */

static bool always(void)
{
	return true;
}

static size_t no_size(void)
{
	return HF_CACHE_LINE;
}

static int no_init(void *c)
{
	(void)c;
	return 0;
}

static void no_fini(void *c)
{
	(void)c;
}

static bool takes_all(void *c, const struct hf_pk_key *k)
{
	(void)c;
	(void)k;
	return true;
}

static void hand_through(void *c, struct hf_rsa_op *op, uint32_t cnt)
{
	(void)c;
	HF_ASSERT(cnt == 1);
	memcpy(op->out, op->in, op->key->n.len);
	op->status = HF_RSA_OK;
}

static const struct hf_pk_engine no_engine = {.name = "no engine",
	.cost = HF_PK_WHOLE,
	.quantum = 1,
	.probe = always,
	.size = no_size,
	.init = no_init,
	.fini = no_fini,
	.takes = takes_all,
	.rsa = hand_through};

/* ---- the leak ---- */

static void leaky_rsa(void *c, struct hf_rsa_op *ops, uint32_t cnt)
{
	honest->rsa(c, ops, cnt);
	timing_waste(leak_ns);
}

static void leaky_end(void *c)
{
	honest->end(c);
	timing_waste(leak_ns);
}

/* ---- a row ---- */

/* EME-PKCS1-v1_5 of a premaster secret (RFC 8017 7.2.1, RFC 5246 7.4.7.1), or what is none. */
static void message(uint32_t k, uint32_t i, uint8_t em[K])
{
	hf_rand_bytes(&rnd, em, K);
	if (k == ANY_NUMBER) {
		em[0] = (uint8_t)(em[0] % key.key.n.p[0]); /* below n */
		em[1] |= 4;                                /* and not 02 */
		return;
	}
	em[0] = 0;
	em[1] = 2;
	for (uint32_t j = 2; j < K - HF_PREMASTER_LEN - 1; j++)
		em[j] = (uint8_t)(em[j] % 255 + 1);
	em[K - HF_PREMASTER_LEN - 1] = 0;
	em[K - HF_PREMASTER_LEN] = VERSION >> 8;
	em[K - HF_PREMASTER_LEN + 1] = VERSION & 0xff;
	if (k == VALID)
		memcpy(premaster[i], em + K - HF_PREMASTER_LEN, HF_PREMASTER_LEN);
	else
		em[2 + hf_rand_below(&rnd, K - HF_PREMASTER_LEN - 4)] = 0;
}

static void inputs_make(void)
{
	uint8_t em[K];

	for (uint32_t k = 0; k < KINDS; k++)
		for (uint32_t i = 0; i < POOL; i++) {
			message(k, i, em);
			if (honest == &no_engine)
				memcpy(in[k][i], em, K);
			else
				rsa_key_public(&key, em, in[k][i]);
		}
}

static void *block(size_t len)
{
	void *p = aligned_alloc(HF_CACHE_LINE, HF_ROUND_UP(len, (size_t)HF_CACHE_LINE));

	HF_ASSERT(p);
	memset(p, 0, len);
	return p;
}

static bool start(const void *self)
{
	static const struct hf_pk_cfg cfg = {.job_cnt = HF_PK_QUANTUM_MAX};
	struct hf_pk_engine_ref ref[2] = {{.engine = &leaky}, {.engine = &hf_pk_libcrypto}};
	uint8_t seed[HF_RAND_SEED_LEN] = {1};

	honest = self;
	if (!honest->probe())
		return false;
	leaky = *honest;
	leaky.rsa = leaky_rsa;
	leaky.end = leaky_end;
	job_cnt = honest->quantum;
	hf_rand_seed(&rnd, seed);
	rsa_key_make(&key, BITS, 2);
	inputs_make();
	hf_rand_bytes(&rnd, fallback, sizeof(fallback));
	ctx = block(honest->size());
	last_ctx = block(hf_pk_libcrypto.size());
	HF_ASSERT(honest->init(ctx) == 0 && hf_pk_libcrypto.init(last_ctx) == 0);
	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++) {
		ref[0].ctx[i] = ctx;
		ref[1].ctx[i] = last_ctx;
	}
	pk = hf_pk_init(block(hf_pk_footprint(&cfg)), &cfg, ref, 2);
	return true;
}

static void prepare(uint32_t arm)
{
	leak_ns = arms[arm].planted_ns;
	kind = leak_ns ? (uint32_t)ANY_NUMBER : arm;
	for (uint32_t i = 0; i < job_cnt; i++) {
		struct hf_pk_job *j = job[i] = hf_pk_take(pk);

		HF_ASSERT(j);
		drawn[i] = hf_rand_below(&rnd, POOL);
		j->key = &key.key;
		j->op = HF_PK_RSA_PREMASTER;
		j->client_version = VERSION;
		j->in_len = K;
		memcpy(j->in, in[kind][drawn[i]], K);
		memcpy(j->fallback, fallback, sizeof(fallback));
		hf_rand_bytes(&rnd, j->seed, sizeof(j->seed));
	}
}

static void run(void)
{
	for (uint32_t i = 0; i < job_cnt; i++)
		hf_pk_submit(pk, job[i], 0);
	while (hf_pk_work(pk, HF_PK_CALM, 0)) {
	}
	for (uint32_t i = 0; i < job_cnt; i++)
		job[i] = hf_pk_done(pk);
}

static void finish(void)
{
	for (uint32_t i = 0; i < job_cnt; i++) { /* a batch comes out in its order */
		const uint8_t *right = kind == VALID ? premaster[drawn[i]] : fallback;

		HF_ASSERT(memcmp(job[i]->out, right, HF_PREMASTER_LEN) == 0);
		hf_pk_give(pk, job[i]);
	}
}

static void stop(void)
{
	HF_ASSERT(hf_pk_stats(pk)->faults == 0 && hf_pk_stats(pk)->unanswered == 0);
	honest->fini(ctx);
	hf_pk_libcrypto.fini(last_ctx);
	free(ctx);
	free(last_ctx);
	free(pk);
	rsa_key_free(&key);
}

#define ROW(label, e)                                                                          \
	{                                                                                      \
		.name = label, .arm = arms, .arm_cnt = HF_ARRAY_LEN(arms), .self = e,          \
		.start = start, .prepare = prepare, .run = run, .finish = finish, .stop = stop \
	}
const struct timing_row timing_job_rows[] = {
	ROW("job, no engine", &no_engine),
	ROW("job, rsa_ifma", &hf_pk_rsa_ifma),
	ROW("job, rsa_avx512f", &hf_pk_rsa_avx512f),
	ROW("job, libcrypto", &hf_pk_libcrypto),
};
const uint32_t timing_job_row_cnt = HF_ARRAY_LEN(timing_job_rows);
