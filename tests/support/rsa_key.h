/* rsa_key.h -- RSA keys for tests: made by OpenSSL, in the form the engines take. */
#ifndef TESTS_RSA_KEY_H
#define TESTS_RSA_KEY_H

#include <stdlib.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include "lib/crypto/pk_engine.h"

struct rsa_key {
	struct hf_pk_key key;
	EVP_PKEY *pkey;
	uint8_t *der;
};

static struct hf_span rsa_key_number(EVP_PKEY *pkey, const char *name, size_t len)
{
	BIGNUM *bn = NULL;
	uint8_t *p;

	HF_ASSERT(EVP_PKEY_get_bn_param(pkey, name, &bn) == 1);
	if (len == 0)
		len = (size_t)BN_num_bytes(bn);
	p = malloc(len);
	HF_ASSERT(BN_bn2binpad(bn, p, (int)len) == (int)len);
	BN_clear_free(bn);
	return hf_span(p, len);
}

/* Takes pkey over. */
static HF_UNUSED void rsa_key_from(struct rsa_key *k, EVP_PKEY *pkey, uint32_t prime_cnt)
{
	/* clang-format off */
	static const char *const prime[] = {OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2,
		OSSL_PKEY_PARAM_RSA_FACTOR3, OSSL_PKEY_PARAM_RSA_FACTOR4};
	static const char *const exponent[] = {OSSL_PKEY_PARAM_RSA_EXPONENT1,
		OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_EXPONENT3,
		OSSL_PKEY_PARAM_RSA_EXPONENT4};
	static const char *const coefficient[] = {NULL, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
		OSSL_PKEY_PARAM_RSA_COEFFICIENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT3};
	/* clang-format on */
	static uint64_t next_id;
	PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(pkey);
	int der_len;

	k->der = NULL;
	der_len = i2d_PKCS8_PRIV_KEY_INFO(p8, &k->der);
	HF_ASSERT(der_len > 0);
	PKCS8_PRIV_KEY_INFO_free(p8);
	k->pkey = pkey;
	k->key = (struct hf_pk_key){
		.id = ++next_id,
		.type = HF_PK_RSA,
		.prime_cnt = (uint8_t)prime_cnt,
		.bits = (uint16_t)EVP_PKEY_get_bits(pkey),
		.n = rsa_key_number(pkey, OSSL_PKEY_PARAM_RSA_N, 0),
		.e = rsa_key_number(pkey, OSSL_PKEY_PARAM_RSA_E, 0),
		.pkcs8 = hf_span(k->der, (size_t)der_len),
	};
	k->key.d = rsa_key_number(pkey, OSSL_PKEY_PARAM_RSA_D, k->key.n.len);
	for (uint32_t i = 0; i < prime_cnt; i++) {
		struct hf_span p = rsa_key_number(pkey, prime[i], 0);

		k->key.prime[i] = p;
		k->key.exponent[i] = rsa_key_number(pkey, exponent[i], p.len);
		if (i)
			k->key.coefficient[i] = rsa_key_number(
				pkey, coefficient[i], k->key.prime[i == 1 ? 0 : i].len);
	}
}

static HF_UNUSED void rsa_key_make(struct rsa_key *k, uint32_t bits, uint32_t prime_cnt)
{
	EVP_PKEY_CTX *x = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
	EVP_PKEY *pkey = NULL;

	HF_ASSERT(EVP_PKEY_keygen_init(x) == 1 &&
		  EVP_PKEY_CTX_set_rsa_keygen_bits(x, (int)bits) == 1 &&
		  EVP_PKEY_CTX_set_rsa_keygen_primes(x, (int)prime_cnt) == 1 &&
		  EVP_PKEY_keygen(x, &pkey) == 1);
	EVP_PKEY_CTX_free(x);
	rsa_key_from(k, pkey, prime_cnt);
}

static HF_UNUSED void rsa_key_free(struct rsa_key *k)
{
	const struct hf_pk_key *key = &k->key;

	free((void *)(uintptr_t)key->n.p);
	free((void *)(uintptr_t)key->e.p);
	free((void *)(uintptr_t)key->d.p);
	for (uint32_t i = 0; i < key->prime_cnt; i++) {
		free((void *)(uintptr_t)key->prime[i].p);
		free((void *)(uintptr_t)key->exponent[i].p);
		free((void *)(uintptr_t)key->coefficient[i].p);
	}
	OPENSSL_free(k->der);
	EVP_PKEY_free(k->pkey);
}

/* out = in^e mod n, by plain bignums; all n.len bytes. */
static HF_UNUSED void rsa_key_public(const struct rsa_key *k, const uint8_t *in, uint8_t *out)
{
	BN_CTX *x = BN_CTX_new();
	int len = (int)k->key.n.len;
	BIGNUM *v = BN_bin2bn(in, len, NULL), *n = BN_bin2bn(k->key.n.p, len, NULL);
	BIGNUM *e = BN_bin2bn(k->key.e.p, (int)k->key.e.len, NULL), *r = BN_new();

	HF_ASSERT(BN_mod_exp(r, v, e, n, x) == 1 && BN_bn2binpad(r, out, len) == len);
	BN_free(v);
	BN_free(n);
	BN_free(e);
	BN_free(r);
	BN_CTX_free(x);
}

/* Is this, as long as n, libcrypto's signature of the digest, by PKCS #1 v1.5 or by PSS with a salt of the
 * digest's length? */
static HF_UNUSED bool rsa_key_verifies(const struct rsa_key *k, bool pss, const EVP_MD *md,
	const uint8_t *digest, const uint8_t *signature)
{
	EVP_PKEY_CTX *x = EVP_PKEY_CTX_new(k->pkey, NULL);
	int padding = pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING;
	bool right;

	HF_ASSERT(EVP_PKEY_verify_init(x) == 1);
	HF_ASSERT(EVP_PKEY_CTX_set_rsa_padding(x, padding) == 1);
	HF_ASSERT(EVP_PKEY_CTX_set_signature_md(x, md) == 1);
	HF_ASSERT(!pss || EVP_PKEY_CTX_set_rsa_pss_saltlen(x, RSA_PSS_SALTLEN_DIGEST) == 1);
	right = EVP_PKEY_verify(x, signature, k->key.n.len, digest, (size_t)EVP_MD_get_size(md)) ==
		1;
	ERR_clear_error();
	EVP_PKEY_CTX_free(x);
	return right;
}

#endif
