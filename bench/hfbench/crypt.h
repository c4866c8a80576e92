/* crypt.h -- what a TLS 1.2 client computes, as cheaply as it can be had: hashes, HMAC, PRF, records.
 * libcrypto's old interface to hashes is used on purpose: it costs no look-up and no allocation per
 * handshake, and the client must cost less than the servers it measures. Nothing here is meant to keep
 * a secret: keys are not wiped, nonces come from a counter.
 * Threads: a crypt belongs to one thread. Errors: bool or -1; whoever forged a record is the server.
 * Specs: RFC 5246 5, 6.2.3; RFC 5288, 7905; RFC 2104. */
#ifndef HF_BENCH_CRYPT_H
#define HF_BENCH_CRYPT_H

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/evp.h>
#include <openssl/sha.h>
#include "lib/base/span.h"

#define BENCH_RECORD_MAX (16384u + 2048u)
#define BENCH_RECORD_ROOM 128u /* header, nonce, MAC, padding and tag of a sealed record, at most */
#define BENCH_HASH_MAX 48u

enum bench_hash_kind { BENCH_SHA1, BENCH_SHA256, BENCH_SHA384 };

struct bench_hash {
	enum bench_hash_kind kind;
	union {
		SHA_CTX sha1;
		SHA256_CTX sha256;
		SHA512_CTX sha512;
	};
};

void bench_hash_begin(struct bench_hash *h, enum bench_hash_kind kind);
void bench_hash_add(struct bench_hash *h, const void *p, size_t len);
size_t bench_hash_at(
	struct bench_hash h, uint8_t out[BENCH_HASH_MAX]); /* of what was added so far */

/* A key's two first blocks, hashed once. */
struct bench_hmac {
	struct bench_hash inner, outer;
};
void bench_hmac_key(struct bench_hmac *h, enum bench_hash_kind kind, const void *key, size_t len);
size_t bench_hmac(const struct bench_hmac *h, const struct hf_span *v, uint32_t cnt,
	uint8_t out[BENCH_HASH_MAX]);

void bench_prf(const struct bench_hmac *secret, const char *label, struct hf_span seed1,
	struct hf_span seed2, uint8_t *out, size_t len);

enum bench_cipher {
	BENCH_AES128_GCM,
	BENCH_AES256_GCM,
	BENCH_CHACHA,
	BENCH_AES128_CBC,
	BENCH_AES256_CBC,
	BENCH_CIPHER_CNT
};

struct bench_suite {
	const char *name; /* as OpenSSL calls it */
	uint16_t id;
	bool rsa_kx;
	enum bench_cipher cipher;
	enum bench_hash_kind mac, prf; /* mac: of CBC */
};

/* One direction of a connection. */
struct bench_way {
	uint64_t seq;
	uint8_t key[32], salt[12];
	struct bench_hmac mac;
};

struct bench_crypt {
	EVP_CIPHER_CTX *ctx[BENCH_CIPHER_CNT][2]; /* [1]: sealing */
	uint64_t random;                          /* splitmix64: unique, and no more than that */
};

bool bench_crypt_make(struct bench_crypt *c, uint64_t seed);
void bench_crypt_free(struct bench_crypt *c);
void bench_random(struct bench_crypt *c, void *out, size_t len);

/* Both directions' keys out of the master secret. */
void bench_keys(const struct bench_suite *s, const struct bench_hmac *master,
	const uint8_t client_random[32], const uint8_t server_random[32], struct bench_way *client,
	struct bench_way *server);
/* A whole record to `out`, which has len + BENCH_RECORD_ROOM bytes; returns its length. */
size_t bench_seal(struct bench_crypt *c, const struct bench_suite *s, struct bench_way *w,
	uint8_t type, const void *p, size_t len, uint8_t *out);
/* Opens the payload of a record in place; 0 and *plain, or -1. */
HF_MUST_CHECK int bench_open(struct bench_crypt *c, const struct bench_suite *s,
	struct bench_way *w, uint8_t type, uint8_t *p, size_t len, struct hf_span *plain);

#endif
