/* hmac_libcrypto.c -- HMAC from libcrypto's plain hash functions. A PRF sets a new key for four short
 * messages, and EVP_MAC spends more on its objects than on hashing: with the chaining values in our
 * own hands a PRF of 48 bytes with SHA-256 takes half the time (bench-sym). The functions are marked
 * deprecated since 3.0 in favour of EVP, which has no way to a chaining value; they are the same
 * assembly underneath. */
#define OPENSSL_API_COMPAT 0x10101000L
#include <openssl/sha.h>
#include "drivers/sym/hmac_libcrypto.h"
#include "lib/base/secret.h"

union state {
	SHA_CTX sha1;
	SHA256_CTX sha256;
	SHA512_CTX sha512; /* SHA-384 too */
};

static void begin(union state *s, enum hf_hash hash)
{
	switch (hash) {
	case HF_SHA1:
		SHA1_Init(&s->sha1);
		break;
	case HF_SHA256:
		SHA256_Init(&s->sha256);
		break;
	case HF_SHA384:
		SHA384_Init(&s->sha512);
		break;
	default:
		SHA512_Init(&s->sha512);
	}
}

static void add(union state *s, enum hf_hash hash, const void *p, size_t len)
{
	if (hash == HF_SHA1)
		SHA1_Update(&s->sha1, p, len);
	else if (hash == HF_SHA256)
		SHA256_Update(&s->sha256, p, len);
	else
		SHA512_Update(&s->sha512, p, len);
}

static void finish(union state *s, enum hf_hash hash, uint8_t *out)
{
	if (hash == HF_SHA1)
		SHA1_Final(out, &s->sha1);
	else if (hash == HF_SHA256)
		SHA256_Final(out, &s->sha256);
	else
		SHA512_Final(out, &s->sha512); /* writes what the state's md_len says */
}

/* The chaining value once a whole number of blocks is in. */
static void get_words(const union state *s, enum hf_hash hash, uint64_t words[8])
{
	const SHA_LONG sha1[5] = {s->sha1.h0, s->sha1.h1, s->sha1.h2, s->sha1.h3, s->sha1.h4};

	if (hash == HF_SHA1)
		memcpy(words, sha1, sizeof(sha1));
	else if (hash == HF_SHA256)
		memcpy(words, s->sha256.h, sizeof(s->sha256.h));
	else
		memcpy(words, s->sha512.h, sizeof(s->sha512.h));
}

/* The state after one block that led to these words. */
static void begin_after_block(union state *s, enum hf_hash hash, const uint64_t words[8])
{
	SHA_LONG sha1[5];

	begin(s, hash);
	if (hash == HF_SHA1) {
		memcpy(sha1, words, sizeof(sha1));
		s->sha1.h0 = sha1[0];
		s->sha1.h1 = sha1[1];
		s->sha1.h2 = sha1[2];
		s->sha1.h3 = sha1[3];
		s->sha1.h4 = sha1[4];
		s->sha1.Nl = 8 * 64;
	} else if (hash == HF_SHA256) {
		memcpy(s->sha256.h, words, sizeof(s->sha256.h));
		s->sha256.Nl = 8 * 64;
	} else {
		memcpy(s->sha512.h, words, sizeof(s->sha512.h));
		s->sha512.Nl = 8 * 128;
	}
}

static void absorb(enum hf_hash hash, const uint8_t *key, uint8_t pad, uint64_t words[8])
{
	uint8_t block[HF_HASH_BLOCK_MAX];
	uint32_t len = hf_hash_info[hash].block_len;
	union state s;

	for (uint32_t i = 0; i < len; i++)
		block[i] = key[i] ^ pad;
	begin(&s, hash);
	add(&s, hash, block, len);
	get_words(&s, hash, words);
	hf_wipe(block, sizeof(block));
	hf_wipe(&s, sizeof(s));
}

void hf_hmac_key(struct hf_hmac *h, enum hf_hash hash, const uint8_t *key, size_t len)
{
	uint8_t block[HF_HASH_BLOCK_MAX] = {0};
	union state s;

	h->hash = hash;
	if (len <= hf_hash_info[hash].block_len) {
		memcpy(block, key, len);
	} else {
		begin(&s, hash);
		add(&s, hash, key, len);
		finish(&s, hash, block);
	}
	absorb(hash, block, 0x36, h->inner);
	absorb(hash, block, 0x5c, h->outer);
	hf_wipe(block, sizeof(block));
}

void hf_hmac(const struct hf_hmac *h, struct hf_span first, const struct hf_span *v, uint32_t v_cnt,
	uint8_t *out)
{
	uint8_t digest[HF_HASH_MAX];
	union state s;

	begin_after_block(&s, h->hash, h->inner);
	add(&s, h->hash, first.p, first.len);
	for (uint32_t i = 0; i < v_cnt; i++)
		add(&s, h->hash, v[i].p, v[i].len);
	finish(&s, h->hash, digest);
	begin_after_block(&s, h->hash, h->outer);
	add(&s, h->hash, digest, hf_hash_info[h->hash].len);
	finish(&s, h->hash, out);
	hf_wipe(digest, sizeof(digest));
	hf_wipe(&s, sizeof(s));
}
