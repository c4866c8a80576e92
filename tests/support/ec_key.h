/* ec_key.h -- ECDSA keys for tests: made by OpenSSL, in the form the engines take. */
#ifndef TESTS_EC_KEY_H
#define TESTS_EC_KEY_H

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include "lib/crypto/pk_engine.h"

struct ec_key {
	struct hf_pk_key key;
	EVP_PKEY *pkey;
	uint8_t *der, d[HF_EC_SCALAR_MAX];
};

static HF_UNUSED void ec_key_make(struct ec_key *k, enum hf_pk_type type)
{
	static uint64_t next_id = UINT64_C(1) << 32; /* apart from those of RSA keys */
	int bits = type == HF_PK_EC_P256 ? 256 : 384, der_len;
	PKCS8_PRIV_KEY_INFO *p8;
	BIGNUM *d = NULL;

	*k = (struct ec_key){.pkey = EVP_EC_gen(bits == 256 ? "P-256" : "P-384")};
	HF_ASSERT(k->pkey && EVP_PKEY_get_bn_param(k->pkey, OSSL_PKEY_PARAM_PRIV_KEY, &d) == 1);
	HF_ASSERT(BN_bn2binpad(d, k->d, bits / 8) == bits / 8);
	BN_clear_free(d);
	p8 = EVP_PKEY2PKCS8(k->pkey);
	der_len = i2d_PKCS8_PRIV_KEY_INFO(p8, &k->der);
	HF_ASSERT(der_len > 0);
	PKCS8_PRIV_KEY_INFO_free(p8);
	k->key = (struct hf_pk_key){.id = ++next_id,
		.type = (uint8_t)type,
		.bits = (uint16_t)bits,
		.d = hf_span(k->d, (size_t)bits / 8),
		.pkcs8 = hf_span(k->der, (size_t)der_len)};
}

static HF_UNUSED void ec_key_free(struct ec_key *k)
{
	OPENSSL_free(k->der);
	EVP_PKEY_free(k->pkey);
}

#endif
