/* pk_random.c -- every batch engine this processor has on random keys and random ciphertexts, at every
 * fill from one operation to as many as it takes. A ciphertext is a random number raised to e by
 * libcrypto, so the answer is known beforehand; for one in DIRECT libcrypto computes the private
 * operation as well, and must agree. Keys stand in lanes at random, a group of them at a time.
 *
 *   pk_random                        a few keys of each shape, for `make unit`
 *   pk_random long [SHAPE [GROUP]]   KEYS keys of each shape, OPS ciphertexts for each of them, a
 *                                    line for every group; SHAPE: 2048/3, GROUP: 0, 1, .. */
#include <stdio.h>
#include "drivers/drivers.h"
#include "lib/base/rand.h"
#include "lib/crypto/pk.h"
#include "lib/os/os.h"
#include "tests/support/rsa_key.h"
#include "tests/support/test.h"

#define KEYS 100u
#define OPS 1000u
#define GROUP 10u
#define DIRECT 16u
#define LANES_MAX HF_PK_QUANTUM_MAX

/* Sizes, and numbers of primes as openssl genrsa allows them. */
static const struct shape {
	const char *name;
	uint32_t bits, primes;
} shapes[] = {{"2048/2", 2048, 2}, {"3072/2", 3072, 2}, {"4096/2", 4096, 2}, {"2048/3", 2048, 3},
	{"3072/3", 3072, 3}, {"4096/4", 4096, 4}};

static struct hf_rand rnd;
static void *reference;

/* ---- one ciphertext ---- */

struct one {
	const struct rsa_key *key;
	uint8_t in[HF_PK_OUT_MAX], want[HF_PK_OUT_MAX], out[HF_PK_OUT_MAX], seed[64];
};

static void one_make(struct one *o, const struct rsa_key *k)
{
	const struct hf_span n = k->key.n;

	o->key = k;
	do
		hf_rand_bytes(&rnd, o->want, n.len);
	while (memcmp(o->want, n.p, n.len) >= 0);
	hf_rand_bytes(&rnd, o->seed, sizeof(o->seed));
	rsa_key_public(k, o->want, o->in);
}

static bool libcrypto_agrees(struct one *o)
{
	struct hf_rsa_op op = {&o->key->key, o->in, o->out, o->seed, HF_RSA_UNANSWERED};

	hf_pk_libcrypto.rsa(reference, &op, 1);
	return op.status == HF_RSA_OK && memcmp(o->out, o->want, o->key->key.n.len) == 0;
}

/* All of them through an engine, in as few batches as it takes. */
static bool engine_agrees(const struct hf_pk_engine *e, void *ctx, struct one *o, uint32_t cnt)
{
	struct hf_rsa_op op[LANES_MAX];
	bool good = true;

	for (uint32_t i = 0; i < cnt; i++) {
		op[i] = (struct hf_rsa_op){
			&o[i].key->key, o[i].in, o[i].out, o[i].seed, HF_RSA_UNANSWERED};
		memset(o[i].out, 0xa5, sizeof(o[i].out));
	}
	for (uint32_t done = 0; done < cnt;) {
		done += e->begin(ctx, op + done, cnt - done);
		while (e->step(ctx)) {
		}
		e->end(ctx);
	}
	for (uint32_t i = 0; i < cnt; i++)
		good &= op[i].status == HF_RSA_OK &&
			memcmp(o[i].out, o[i].want, o[i].key->key.n.len) == 0;
	return good;
}

/* ---- the engines, started ---- */

static struct {
	const struct hf_pk_engine *engine;
	void *ctx;
} engines[HF_PK_ENGINE_MAX];
static uint32_t engine_cnt, fill_max;

static int start(void **state)
{
	(void)state;
	reference = test_alloc(hf_pk_libcrypto.size());
	if (hf_pk_libcrypto.init(reference))
		return -1;
	for (uint32_t i = 0; hf_pk_engines[i]; i++) {
		const struct hf_pk_engine *e = hf_pk_engines[i];

		if (e->cost != HF_PK_SLICEABLE || !e->probe())
			continue;
		fill_max = HF_MAX(fill_max, HF_MAX(e->quantum, e->ops_max));
		engines[engine_cnt].engine = e;
		engines[engine_cnt].ctx = test_alloc(e->size());
		if (e->init(engines[engine_cnt++].ctx))
			return -1;
	}
	return 0;
}

static int stop(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < engine_cnt; i++) {
		engines[i].engine->fini(engines[i].ctx);
		free(engines[i].ctx);
	}
	hf_pk_libcrypto.fini(reference);
	free(reference);
	return 0;
}

/* ---- a group of keys ---- */

/* op_cnt ciphertexts through every engine that takes the key, fill after fill. Counts them in *ran;
 * false: somebody disagreed. */
static bool try_keys(const struct rsa_key *key, uint32_t key_cnt, uint32_t op_cnt, uint32_t *ran)
{
	struct one o[LANES_MAX];
	uint32_t fill = 0;
	bool good = true;

	for (uint32_t done = 0; good && done < op_cnt; done += fill) {
		fill = HF_MIN(fill % fill_max + 1, op_cnt - done);
		for (uint32_t i = 0; i < fill; i++)
			one_make(&o[i], &key[hf_rand_below(&rnd, key_cnt)]);
		for (uint32_t i = 0; i < fill; i++)
			if ((done + i) % DIRECT == 0)
				good &= libcrypto_agrees(&o[i]);
		for (uint32_t e = 0; e < engine_cnt; e++)
			if (engines[e].engine->takes(engines[e].ctx, &key->key)) {
				good &= engine_agrees(engines[e].engine, engines[e].ctx, o, fill);
				*ran += fill;
			}
	}
	return good;
}

static bool try_group(const struct shape *s, uint32_t key_cnt, uint32_t op_cnt, uint32_t *ran)
{
	struct rsa_key key[GROUP];
	bool good;

	HF_ASSERT(key_cnt <= GROUP);
	for (uint32_t i = 0; i < key_cnt; i++)
		rsa_key_make(&key[i], s->bits, s->primes);
	good = try_keys(key, key_cnt, op_cnt, ran);
	for (uint32_t i = 0; i < key_cnt; i++) {
		for (uint32_t e = 0; e < engine_cnt; e++)
			engines[e].engine->forget(engines[e].ctx, key[i].key.id);
		hf_pk_libcrypto.forget(reference, key[i].key.id);
		rsa_key_free(&key[i]);
	}
	return good;
}

static void every_fill_with_random_keys(void **state)
{
	uint8_t seed[HF_RAND_SEED_LEN] = {3};
	uint32_t ran = 0;

	(void)state;
	hf_rand_seed(&rnd, seed);
	if (engine_cnt == 0)
		skip(); /* a processor with no kernel of ours */
	for (uint32_t i = 0; i < HF_ARRAY_LEN(shapes); i++)
		assert_true(try_group(&shapes[i], 3, 48, &ran));
	assert_true(ran >= 48 * HF_ARRAY_LEN(shapes));
}

/* ---- the long way ---- */

static int long_group(const struct shape *s, uint32_t group)
{
	uint8_t seed[HF_RAND_SEED_LEN];
	uint64_t began = hf_os_now_ns();
	uint32_t ran = 0;
	bool good;

	hf_os_random(seed, sizeof(seed));
	hf_rand_seed(&rnd, seed);
	good = try_group(s, GROUP, GROUP * OPS, &ran);
	printf("%-7s keys %3u to %3u: %u ciphertexts, %u answers of %u engines, %s, %llu s\n",
		s->name, group * GROUP + 1, (group + 1) * GROUP, GROUP * OPS, ran, engine_cnt,
		good ? "all right" : "WRONG", (hf_os_now_ns() - began) / HF_NS_S);
	fflush(stdout);
	return good ? 0 : 1;
}

static int long_way(int argc, char **argv)
{
	int failed = start(NULL);

	for (uint32_t i = 0; i < HF_ARRAY_LEN(shapes) && !failed; i++)
		for (uint32_t g = 0; g < KEYS / GROUP && !failed; g++)
			if ((argc < 3 || strcmp(argv[2], shapes[i].name) == 0) &&
				(argc < 4 || strtoul(argv[3], NULL, 10) == g))
				failed = long_group(&shapes[i], g);
	return failed | stop(NULL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_fill_with_random_keys)};

	if (argc > 1 && strcmp(argv[1], "long") == 0)
		return long_way(argc, argv);
	return cmocka_run_group_tests(tests, start, stop);
}
