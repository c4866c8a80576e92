/* hmac.c -- Wycheproof's HMAC vectors (README.md here) through the HMAC that key derivation and composed
 * records are made of, the message in one piece and in three. */
#include "drivers/sym/hmac_libcrypto.h"
#include "tests/support/json.h"
#include "tests/support/test.h"

/* A tag may be cut off; a wrong one is called invalid. */
static void one(enum hf_hash hash, const struct json *test)
{
	uint8_t key[512], msg[1024], want[HF_HASH_MAX], out[HF_HASH_MAX], again[HF_HASH_MAX];
	size_t key_len = json_hex(test, "key", key, sizeof(key));
	size_t len = json_hex(test, "msg", msg, sizeof(msg));
	size_t want_len = json_hex(test, "tag", want, sizeof(want));
	struct hf_span v[] = {
		hf_span(msg + len / 3, len / 2 - len / 3), hf_span(msg + len / 2, len - len / 2)};
	struct hf_hmac h;

	assert_true(want_len <= hf_hash_info[hash].len);
	hf_hmac_key(&h, hash, key, key_len);
	hf_hmac(&h, hf_span(msg, len), NULL, 0, out);
	hf_hmac(&h, hf_span(msg, len / 3), v, 2, again);
	assert_memory_equal(out, again, hf_hash_info[hash].len);
	assert_int_equal(
		memcmp(out, want, want_len) == 0, strcmp(json_text(test, "result"), "valid") == 0);
}

static void as_in(const char *path, enum hf_hash hash, uint32_t want_cnt)
{
	struct json *file = json_load(path);
	uint32_t cnt = 0;

	json_each(g, json_get(file, "testGroups")) json_each(test, json_get(g, "tests"))
	{
		one(hash, test);
		cnt++;
	}
	assert_int_equal(cnt, want_cnt);
	json_free(file);
}

static void hmac_as_in_wycheproof(void **state)
{
	(void)state;
	as_in("tests/vectors/wycheproof_hmac_sha1_test.json", HF_SHA1, 170);
	as_in("tests/vectors/wycheproof_hmac_sha256_test.json", HF_SHA256, 174);
	as_in("tests/vectors/wycheproof_hmac_sha384_test.json", HF_SHA384, 174);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hmac_as_in_wycheproof),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
