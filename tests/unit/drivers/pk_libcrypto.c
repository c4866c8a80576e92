/* pk_libcrypto.c -- the engine by itself: it passes the known-answer test, undoes the public
 * operation for every size and number of primes we accept, keeps more keys than it has places for,
 * and a forgotten key comes back by itself. */
#include "drivers/drivers.h"
#include "lib/base/rand.h"
#include "lib/crypto/pk.h"
#include "tests/support/rsa_key.h"
#include "tests/support/test.h"

static void *engine_ctx;
static struct hf_rand rnd;

static int setup(void **state)
{
	uint8_t seed[HF_RAND_SEED_LEN] = {1};

	(void)state;
	hf_rand_seed(&rnd, seed);
	engine_ctx = test_alloc(hf_pk_libcrypto.size());
	assert_true(hf_pk_libcrypto.probe());
	return hf_pk_libcrypto.init(engine_ctx);
}

static int teardown(void **state)
{
	(void)state;
	hf_pk_libcrypto.fini(engine_ctx);
	free(engine_ctx);
	return 0;
}

static int private_op(const struct hf_pk_key *key, const uint8_t *in, uint8_t *out)
{
	uint8_t seed[64];
	struct hf_rsa_op op = {key, in, out, seed, 1};

	hf_rand_bytes(&rnd, seed, sizeof(seed));
	hf_pk_libcrypto.rsa(engine_ctx, &op, 1);
	return op.status;
}

static void round_trip(const struct rsa_key *k, const uint8_t *message)
{
	uint8_t c[HF_PK_OUT_MAX], m[HF_PK_OUT_MAX + 8];

	rsa_key_public(k, message, c);
	memset(m, 0x77, sizeof(m));
	assert_int_equal(private_op(&k->key, c, m), HF_RSA_OK);
	assert_memory_equal(m, message, k->key.n.len);
	assert_int_equal(m[k->key.n.len], 0x77);
}

static void passes_its_selftest(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++)
		assert_int_equal(hf_pk_selftest(&hf_pk_libcrypto, engine_ctx, i), 0);
}

static void round_trips(uint32_t bits, uint32_t prime_cnt)
{
	struct rsa_key k;
	uint8_t m[HF_PK_OUT_MAX];

	rsa_key_make(&k, bits, prime_cnt);
	assert_int_equal(k.key.bits, bits);
	assert_true(hf_pk_libcrypto.takes(engine_ctx, &k.key));
	for (int i = 0; i < 8; i++) {
		hf_rand_bytes(&rnd, m, sizeof(m));
		memset(m, 0, (size_t)i + 1); /* leading zeros must come back as such */
		round_trip(&k, m);
	}
	memset(m, 0, sizeof(m));
	round_trip(&k, m);
	m[k.key.n.len - 1] = 1;
	round_trip(&k, m);
	memcpy(m, k.key.n.p, k.key.n.len);
	m[k.key.n.len - 1]--;
	round_trip(&k, m);
	for (uint32_t i = 0; i < prime_cnt; i++) { /* a multiple of one prime */
		const struct hf_span p = k.key.prime[i];
		memset(m, 0, sizeof(m));
		memcpy(m + k.key.n.len - p.len, p.p, p.len);
		round_trip(&k, m);
	}
	hf_pk_libcrypto.forget(engine_ctx, k.key.id);
	rsa_key_free(&k);
}

static void every_size_and_prime_count(void **state)
{
	(void)state;
	round_trips(2048, 2);
	round_trips(3072, 2);
	round_trips(4096, 2);
	round_trips(2048, 3);
	round_trips(3072, 3);
	round_trips(4096, 4);
}

/* Many ids, one key: the cache sees different keys, the arithmetic is the same. */
static void more_keys_than_places(void **state)
{
	struct rsa_key k;
	uint8_t m[HF_PK_OUT_MAX] = {0, 5, 6, 7};
	uint64_t id;

	(void)state;
	rsa_key_make(&k, 2048, 2);
	id = k.key.id;
	for (uint32_t i = 0; i < 300; i++) {
		k.key.id = 1000 + i % 150;
		round_trip(&k, m);
	}
	for (uint32_t i = 0; i < 150; i++)
		hf_pk_libcrypto.forget(engine_ctx, 1000 + i);
	k.key.id = id;
	round_trip(&k, m);
	rsa_key_free(&k);
}

static void forgotten_keys_are_made_anew(void **state)
{
	struct rsa_key a, b;
	uint8_t m[HF_PK_OUT_MAX] = {0, 1, 2, 3};

	(void)state;
	rsa_key_make(&a, 2048, 2);
	rsa_key_make(&b, 2048, 2);
	round_trip(&a, m);
	hf_pk_libcrypto.forget(engine_ctx, a.key.id);
	b.key.id = a.key.id; /* the same id now names another key: the old one must be gone */
	round_trip(&b, m);
	rsa_key_free(&a);
	rsa_key_free(&b);
}

static void a_key_it_cannot_parse_is_unanswered(void **state)
{
	struct rsa_key k;
	struct hf_pk_key broken;
	uint8_t m[HF_PK_OUT_MAX] = {0}, out[HF_PK_OUT_MAX];

	(void)state;
	rsa_key_make(&k, 2048, 2);
	broken = k.key;
	broken.id = 777;
	broken.pkcs8.len -= 10;
	assert_int_equal(private_op(&broken, m, out), HF_RSA_UNANSWERED);
	round_trip(&k, m);
	rsa_key_free(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes_its_selftest),
		cmocka_unit_test(every_size_and_prime_count),
		cmocka_unit_test(more_keys_than_places),
		cmocka_unit_test(forgotten_keys_are_made_anew),
		cmocka_unit_test(a_key_it_cannot_parse_is_unanswered),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
