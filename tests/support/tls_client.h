/* tls_client.h -- a TLS 1.2 client whose every byte the test writes: OpenSSL computes, nobody else
 * decides. It keeps the transcript and the keys, reads flights into lists of records and messages,
 * and opens what the server seals. RSA and ECDHE on P-256; AES128-CBC-SHA and AES128-GCM-SHA256.
 * Errors: HF_ASSERT. */
#ifndef TESTS_TLS_CLIENT_H
#define TESTS_TLS_CLIENT_H

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/rsa.h>
#include "tests/support/tls_bytes.h"

#define TLS_CLIENT_ITEMS 64u

/* A record, or a message, of a flight. */
struct tls_item {
	uint8_t type;
	const uint8_t *p; /* behind its header */
	size_t len;       /* without it */
};

struct tls_client {
	bool gcm; /* else CBC */
	uint8_t client_random[32], server_random[32], master[48];
	uint8_t mac[2][20], key[2][16], iv[2][4]; /* [0] the client's */
	uint64_t seq[2];
	uint8_t log[16384]; /* handshake messages */
	size_t log_len;
	struct tls_item record[TLS_CLIENT_ITEMS], message[TLS_CLIENT_ITEMS];
	uint32_t record_cnt, message_cnt;
};

static inline void tls_client_log(struct tls_client *c, const void *p, size_t len)
{
	HF_ASSERT(c->log_len + len <= sizeof(c->log));
	memcpy(c->log + c->log_len, p, len);
	c->log_len += len;
}

/* The hello's record, whose message begins the transcript. */
static inline size_t tls_client_hello(
	struct tls_client *c, uint8_t *out, size_t cap, const struct hello *h)
{
	size_t len = put_hello_record(out, cap, h);

	*c = (struct tls_client){.gcm = c->gcm};
	memcpy(c->client_random, out + 5 + 4 + 2, 32);
	tls_client_log(c, out + 5, len - 5);
	return len;
}

/* ---- reading ---- */

/* Records in the clear and the messages in them; what lies behind ChangeCipherSpec is a record only.
 * The messages go into the transcript. */
static inline void tls_client_read(struct tls_client *c, const uint8_t *p, size_t len)
{
	bool sealed = false;

	c->record_cnt = c->message_cnt = 0;
	for (size_t at = 0, n; at < len; at += 5 + n) {
		HF_ASSERT(len - at >= 5 && p[at + 1] == 3 && p[at + 2] == 3);
		n = (size_t)p[at + 3] << 8 | p[at + 4];
		HF_ASSERT(len - at >= 5 + n && c->record_cnt < TLS_CLIENT_ITEMS);
		c->record[c->record_cnt++] = (struct tls_item){p[at], p + at + 5, n};
		sealed |= p[at] == HF_TLS_CT_CCS;
		if (p[at] != HF_TLS_CT_HANDSHAKE || sealed)
			continue;
		for (size_t m = at + 5, l; m < at + 5 + n; m += 4 + l) {
			l = (size_t)p[m + 1] << 16 | (size_t)p[m + 2] << 8 | p[m + 3];
			HF_ASSERT(m + 4 + l <= at + 5 + n && c->message_cnt < TLS_CLIENT_ITEMS);
			c->message[c->message_cnt++] = (struct tls_item){p[m], p + m + 4, l};
			tls_client_log(c, p + m, 4 + l);
			if (p[m] == HF_TLS_MSG_SERVER_HELLO)
				memcpy(c->server_random, p + m + 4 + 2, 32);
		}
	}
}

/* ---- keys: RFC 5246 5, 6.3, 8.1 ---- */

static inline void tls_client_prf(struct hf_span secret, const char *label, struct hf_span seed1,
	struct hf_span seed2, uint8_t *out, size_t out_len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
	EVP_KDF_CTX *x = EVP_KDF_CTX_new(kdf);
	uint8_t seed[200];
	struct hf_writer w = hf_writer(seed, sizeof(seed));
	char digest[] = "SHA256";
	OSSL_PARAM param[4] = {OSSL_PARAM_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 6),
		OSSL_PARAM_octet_string(
			OSSL_KDF_PARAM_SECRET, (void *)(uintptr_t)secret.p, secret.len)};

	hf_writer_bytes(&w, label, strlen(label));
	hf_writer_bytes(&w, seed1.p, seed1.len);
	hf_writer_bytes(&w, seed2.p, seed2.len);
	HF_ASSERT(!w.overflow);
	param[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed, w.len);
	param[3] = OSSL_PARAM_construct_end();
	HF_ASSERT(EVP_KDF_derive(x, out, out_len, param) == 1);
	EVP_KDF_CTX_free(x);
	EVP_KDF_free(kdf);
}

static inline void tls_client_keys(struct tls_client *c)
{
	uint8_t block[2 * (20 + 16 + 4)];
	struct hf_span server = hf_span(c->server_random, 32),
		       client = hf_span(c->client_random, 32);
	size_t mac_len = c->gcm ? 0 : 20, iv_len = c->gcm ? 4 : 0;
	const uint8_t *p = block;

	tls_client_prf(
		hf_span(c->master, 48), "key expansion", server, client, block, sizeof(block));
	for (uint32_t i = 0; i < 2; i++, p += mac_len)
		memcpy(c->mac[i], p, mac_len);
	for (uint32_t i = 0; i < 2; i++, p += 16)
		memcpy(c->key[i], p, 16);
	for (uint32_t i = 0; i < 2; i++, p += iv_len)
		memcpy(c->iv[i], p, iv_len);
	c->seq[0] = c->seq[1] = 0;
}

static inline void tls_client_master(struct tls_client *c, const uint8_t *premaster, size_t len)
{
	tls_client_prf(hf_span(premaster, len), "master secret", hf_span(c->client_random, 32),
		hf_span(c->server_random, 32), c->master, sizeof(c->master));
	tls_client_keys(c);
}

/* verify_data of the transcript so far, in its message. */
static inline void tls_client_verify(const struct tls_client *c, const char *label, uint8_t out[16])
{
	uint8_t hash[32];

	HF_ASSERT(EVP_Digest(c->log, c->log_len, hash, NULL, EVP_sha256(), NULL) == 1);
	memcpy(out, "\x14\0\0\x0c", 4);
	tls_client_prf(
		hf_span(c->master, 48), label, hf_span(hash, 32), hf_span(NULL, 0), out + 4, 12);
}

/* ---- records under keys ---- */

/* One pass of the cipher, no padding of OpenSSL's; tag NULL for CBC. */
static inline bool tls_client_crypt(const struct tls_client *c, uint32_t side, const uint8_t *iv,
	const uint8_t aad[13], uint8_t *p, size_t len, uint8_t *tag)
{
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	const EVP_CIPHER *cipher = c->gcm ? EVP_aes_128_gcm() : EVP_aes_128_cbc();
	int n, enc = side == 0;
	bool ok = EVP_CipherInit_ex(x, cipher, NULL, c->key[side], iv, enc) == 1 &&
		  EVP_CIPHER_CTX_set_padding(x, 0) == 1;

	if (tag && !enc)
		ok &= EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_GCM_SET_TAG, 16, tag) == 1;
	if (tag)
		ok &= EVP_CipherUpdate(x, NULL, &n, aad, 13) == 1;
	ok &= EVP_CipherUpdate(x, p, &n, p, (int)len) == 1;
	ok &= EVP_CipherFinal_ex(x, p + n, &n) == 1;
	if (tag && enc)
		ok &= EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_GCM_GET_TAG, 16, tag) == 1;
	EVP_CIPHER_CTX_free(x);
	return ok;
}

static inline void tls_client_aad(uint64_t seq, uint8_t type, size_t len, uint8_t aad[13])
{
	struct hf_writer w = hf_writer(aad, 13);

	hf_writer_u32(&w, (uint32_t)(seq >> 32));
	hf_writer_u32(&w, (uint32_t)seq);
	hf_writer_u8(&w, type);
	hf_writer_u16(&w, HF_TLS_12);
	hf_writer_u16(&w, (unsigned)len);
}

static inline void tls_client_mac(const struct tls_client *c, uint32_t side, const uint8_t aad[13],
	const uint8_t *p, size_t len, uint8_t out[20])
{
	uint8_t *all = malloc(13 + len);

	memcpy(all, aad, 13);
	memcpy(all + 13, p, len);
	HF_ASSERT(HMAC(EVP_sha1(), c->mac[side], 20, all, 13 + len, out, NULL) != NULL);
	free(all);
}

static inline void tls_client_seal(
	struct tls_client *c, struct hf_writer *w, uint8_t type, const void *p, size_t len)
{
	uint8_t buf[1000] = {0}, aad[13], iv[16] = {9};
	size_t n = len;

	HF_ASSERT(len + 100 <= sizeof(buf));
	tls_client_aad(c->seq[0]++, type, len, aad);
	if (c->gcm) {
		memcpy(iv, c->iv[0], 4);
		memcpy(iv + 4, aad, 8);
		memcpy(buf, aad, 8);
		memcpy(buf + 8, p, len);
		HF_ASSERT(tls_client_crypt(c, 0, iv, aad, buf + 8, len, buf + 8 + len));
		put_record(w, type, HF_TLS_12, buf, 8 + len + 16);
		return;
	}
	memcpy(buf, iv, 16);
	memcpy(buf + 16, p, len);
	tls_client_mac(c, 0, aad, p, len, buf + 16 + len);
	n = HF_ROUND_UP(len + 20 + 1, 16u);
	memset(buf + 16 + len + 20, (int)(n - len - 20 - 1), n - len - 20);
	HF_ASSERT(tls_client_crypt(c, 0, iv, aad, buf + 16, n, NULL));
	put_record(w, type, HF_TLS_12, buf, 16 + n);
}

/* Opens a record's fragment in place; *padding is of CBC. Returns the plaintext. */
static inline struct hf_span tls_client_open(
	struct tls_client *c, const struct tls_item *r, uint8_t *buf, size_t *padding)
{
	uint8_t aad[13], iv[16], mac[20];
	size_t len;

	memcpy(buf, r->p, r->len);
	*padding = 0;
	if (c->gcm) {
		len = r->len - 8 - 16;
		tls_client_aad(c->seq[1]++, r->type, len, aad);
		memcpy(iv, c->iv[1], 4);
		memcpy(iv + 4, buf, 8);
		HF_ASSERT(tls_client_crypt(c, 1, iv, aad, buf + 8, len, buf + 8 + len));
		return hf_span(buf + 8, len);
	}
	memcpy(iv, buf, 16);
	HF_ASSERT(tls_client_crypt(c, 1, iv, aad, buf + 16, r->len - 16, NULL));
	*padding = (size_t)buf[r->len - 1] + 1;
	len = r->len - 16 - 20 - *padding;
	tls_client_aad(c->seq[1]++, r->type, len, aad);
	tls_client_mac(c, 1, aad, buf + 16, len, mac);
	HF_ASSERT(memcmp(mac, buf + 16 + len, 20) == 0);
	return hf_span(buf + 16, len);
}

/* ---- key exchange, and the client's flights ---- */

static inline void tls_client_rsa(struct tls_client *c, struct hf_writer *message, EVP_PKEY *key)
{
	uint8_t premaster[48] = {3, 3, 1, 2, 3}, sealed[512];
	EVP_PKEY_CTX *x = EVP_PKEY_CTX_new(key, NULL);
	size_t len = sizeof(sealed);

	HF_ASSERT(EVP_PKEY_encrypt_init(x) == 1 &&
		  EVP_PKEY_CTX_set_rsa_padding(x, RSA_PKCS1_PADDING) == 1 &&
		  EVP_PKEY_encrypt(x, sealed, &len, premaster, sizeof(premaster)) == 1);
	EVP_PKEY_CTX_free(x);
	put_key_exchange(message, sealed, len);
	tls_client_master(c, premaster, sizeof(premaster));
}

/* theirs: the point of the ServerKeyExchange, on P-256. */
static inline void tls_client_ecdhe(
	struct tls_client *c, struct hf_writer *message, const uint8_t theirs[65])
{
	EVP_PKEY *own = EVP_EC_gen("P-256"), *peer = EVP_PKEY_new();
	uint8_t *point = NULL, premaster[32];
	size_t len = sizeof(premaster);
	EVP_PKEY_CTX *x;

	HF_ASSERT(own && EVP_PKEY_copy_parameters(peer, own) == 1 &&
		  EVP_PKEY_set1_encoded_public_key(peer, theirs, 65) == 1);
	x = EVP_PKEY_CTX_new(own, NULL);
	HF_ASSERT(EVP_PKEY_derive_init(x) == 1 && EVP_PKEY_derive_set_peer(x, peer) == 1 &&
		  EVP_PKEY_derive(x, premaster, &len) == 1);
	HF_ASSERT(EVP_PKEY_get1_encoded_public_key(own, &point) == 65);
	put_point_exchange(message, point, 65);
	OPENSSL_free(point);
	EVP_PKEY_CTX_free(x);
	EVP_PKEY_free(own);
	EVP_PKEY_free(peer);
	tls_client_master(c, premaster, sizeof(premaster));
}

/* ChangeCipherSpec and Finished. */
static inline void tls_client_finish(struct tls_client *c, struct hf_writer *w)
{
	uint8_t finished[16];

	tls_client_verify(c, "client finished", finished);
	tls_client_log(c, finished, sizeof(finished));
	put_record(w, HF_TLS_CT_CCS, HF_TLS_12, "\1", 1);
	tls_client_seal(c, w, HF_TLS_CT_HANDSHAKE, finished, sizeof(finished));
}

#endif
