/* ChaCha20 and SipHash by their published vectors; the generator by what it promises. */
#include "lib/base/rand.h"
#include "tests/support/test.h"

/* RFC 8439 2.3.2 */
static void chacha20_block_vector(void **state)
{
	static const uint8_t nonce[12] = {0, 0, 0, 9, 0, 0, 0, 0x4a, 0, 0, 0, 0};
	static const uint8_t want[64] = {0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f,
		0xdd, 0x1f, 0xa3, 0x20, 0x71, 0xc4, 0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03,
		0x04, 0x22, 0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e, 0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f,
		0xaa, 0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b, 0x02, 0xa2, 0xb5, 0x12, 0x9c, 0xd1,
		0xde, 0x16, 0x4e, 0xb9, 0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e};
	uint8_t key[32], out[64];
	(void)state;
	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	hf_chacha20_block(key, 1, nonce, out);
	assert_memory_equal(out, want, sizeof(want));
}

/* RFC 8439 A.1, vectors 1 and 2: zero key and nonce, counters 0 and 1 (their first bytes). */
static void chacha20_zero_vectors(void **state)
{
	static const uint8_t zero[32], nonce[12];
	static const uint8_t block0[8] = {0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90};
	static const uint8_t block1[8] = {0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a};
	uint8_t out[64];
	(void)state;
	hf_chacha20_block(zero, 0, nonce, out);
	assert_memory_equal(out, block0, sizeof(block0));
	hf_chacha20_block(zero, 1, nonce, out);
	assert_memory_equal(out, block1, sizeof(block1));
}

/* The reference values of the SipHash paper's authors: key 00..0f, message 00..len-1. */
static void siphash_vectors(void **state)
{
	static const struct {
		size_t len;
		uint64_t want;
	} row[] = {
		{0, 0x726fdb47dd0e0e31},
		{1, 0x74f839c593dc67fd},
		{7, 0xab0200f58b01d137},
		{8, 0x93f5f5799a932462},
		{15, 0xa129ca6149be45e5},
		{16, 0x3f2acc7f57c29bdb},
		{63, 0x958a324ceb064572},
	};
	uint8_t key[16], in[64];
	(void)state;
	for (unsigned i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)i;
	memcpy(key, in, sizeof(key));
	for (size_t i = 0; i < HF_ARRAY_LEN(row); i++)
		assert_int_equal(hf_siphash(key, in, row[i].len), row[i].want);
}

static const uint8_t seed_a[32] = {1}, seed_b[32] = {2};

/* What is given does not depend on the sizes it is asked in, and the first refill is key stream
 * behind the 32 bytes that became the next key. */
static void stream_is_chacha_behind_the_next_key(void **state)
{
	static const uint8_t nonce[12];
	struct hf_rand whole, parts;
	uint8_t want[2000], got[2000], block[64];
	size_t done = 0;
	uint64_t rng = 6;
	(void)state;
	hf_rand_seed(&whole, seed_a);
	hf_rand_seed(&parts, seed_a);
	hf_rand_bytes(&whole, want, sizeof(want));
	hf_chacha20_block(seed_a, 1, nonce, block);
	assert_memory_equal(want, block, sizeof(block));
	hf_chacha20_block(seed_a, 0, nonce, block);
	hf_chacha20_block(block, 1, nonce, block); /* the second key's first block */
	assert_memory_equal(want + sizeof(whole.buf), block, sizeof(block));
	while (done < sizeof(got)) {
		size_t n = HF_MIN(test_below(&rng, 50), sizeof(got) - done);
		hf_rand_bytes(&parts, got + done, n);
		done += n;
	}
	assert_memory_equal(got, want, sizeof(want));
}

static void given_bytes_are_gone(void **state)
{
	struct hf_rand r;
	uint8_t out[100];
	(void)state;
	hf_rand_seed(&r, seed_a);
	assert_int_equal(r.refills, 0);
	hf_rand_bytes(&r, out, sizeof(out));
	assert_int_equal(r.refills, 1);
	assert_memory_not_equal(r.key, seed_a, sizeof(r.key));
	for (unsigned i = 0; i < sizeof(out); i++)
		assert_int_equal(r.buf[i], 0);
}

static void reseed_mixes_and_forgets(void **state)
{
	struct hf_rand a, b, c;
	uint64_t plain, x, y;
	(void)state;
	hf_rand_seed(&a, seed_a);
	b = c = a;
	plain = hf_rand_u64(&a);
	hf_rand_reseed(&b, seed_b);
	hf_rand_reseed(&c, seed_a);
	for (unsigned i = 0; i < sizeof(b.buf); i++)
		assert_int_equal(b.buf[i], 0);
	x = hf_rand_u64(&b);
	y = hf_rand_u64(&c);
	assert_int_not_equal(x, plain);
	assert_int_not_equal(x, y); /* the fresh seed counts */
	hf_rand_seed(&a, seed_b);
	hf_rand_reseed(&a, seed_b);
	assert_int_not_equal(hf_rand_u64(&a), x); /* and so does what was there before */
	hf_rand_seed(&a, seed_a);
	hf_rand_reseed(&a, (const uint8_t[32]){0}); /* no news, but still a step */
	assert_int_not_equal(hf_rand_u64(&a), plain);
}

/* Scaling 2^32 values to 3 * 2^30 without rejection would favour multiples of three, two to one. */
static void below_is_bounded_and_even(void **state)
{
	const uint32_t bound = 3u << 30;
	struct hf_rand r;
	unsigned hits[3] = {0};
	(void)state;
	hf_rand_seed(&r, seed_a);
	for (unsigned i = 0; i < 30000; i++) {
		uint32_t v = hf_rand_below(&r, bound);
		assert_true(v < bound);
		hits[v % 3]++;
	}
	for (unsigned i = 0; i < 3; i++) /* within 5 standard deviations of 10,000 */
		assert_in_range(hits[i], 10000 - 410, 10000 + 410);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(hf_rand_below(&r, 1), 0);
		assert_true(hf_rand_below(&r, UINT32_MAX) < UINT32_MAX);
	}
	assert_panics(hf_rand_below(&r, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chacha20_block_vector),
		cmocka_unit_test(chacha20_zero_vectors),
		cmocka_unit_test(siphash_vectors),
		cmocka_unit_test(stream_is_chacha_behind_the_next_key),
		cmocka_unit_test(given_bytes_are_gone),
		cmocka_unit_test(reseed_mixes_and_forgets),
		cmocka_unit_test(below_is_bounded_and_even),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
