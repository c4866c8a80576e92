/* x509_kit.h -- certificates for tests, good or wrong in one way, and what a client that shows them
 * would sign. Memory: OpenSSL's, the caller frees. Errors: HF_ASSERT. */
#ifndef TESTS_X509_KIT_H
#define TESTS_X509_KIT_H

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include "lib/base/span.h"

#define X509_KIT_DAY 86400

struct x509_wish { /* zeros give a client's certificate that is good today */
	const char *basic, *usage, *extended;
	long from, to; /* in seconds from the kit's today */
	const char *hash;
	const char *unit; /* another part of its name, in UTF-8 */
};

static const struct x509_wish x509_authority = {
	.basic = "critical,CA:TRUE", .usage = "keyCertSign,cRLSign"};

static HF_UNUSED void x509_extend(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e = value ? X509V3_EXT_conf_nid(NULL, NULL, nid, value) : NULL;

	HF_ASSERT(!value || (e && X509_add_ext(x, e, -1) == 1));
	X509_EXTENSION_free(e);
}

/* issuer NULL: by itself. */
static HF_UNUSED X509 *x509_make(const char *cn, EVP_PKEY *key, X509 *issuer, EVP_PKEY *signer,
	int64_t today, struct x509_wish w)
{
	static long serial;
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	EVP_MD *md = EVP_MD_fetch(NULL, w.hash ? w.hash : "SHA256", NULL);

	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
	if (w.unit)
		X509_NAME_add_entry_by_NID(name, NID_organizationalUnitName, MBSTRING_UTF8,
			(const unsigned char *)(uintptr_t)w.unit, -1, -1, 0);
	X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
		(const unsigned char *)(uintptr_t)cn, -1, -1, 0);
	X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer) : name);
	ASN1_TIME_set(X509_getm_notBefore(x), today + (w.from ? w.from : -X509_KIT_DAY));
	ASN1_TIME_set(X509_getm_notAfter(x), today + (w.to ? w.to : 90 * X509_KIT_DAY));
	X509_set_pubkey(x, key);
	x509_extend(x, NID_basic_constraints, w.basic);
	x509_extend(x, NID_key_usage, w.usage);
	x509_extend(x, NID_ext_key_usage, w.extended);
	HF_ASSERT(X509_sign(x, signer, md) > 0);
	EVP_MD_free(md);
	return x;
}

/* certificate_list of RFC 5246 7.4.2 without its length. */
static HF_UNUSED void x509_put(struct hf_writer *w, X509 *x)
{
	uint8_t *der = NULL;
	int len = i2d_X509(x, &der);

	HF_ASSERT(len > 0);
	hf_writer_u24(w, (uint32_t)len);
	hf_writer_bytes(w, der, (size_t)len);
	OPENSSL_free(der);
}

/* padding 0: not RSA. Returns the length. */
static HF_UNUSED size_t x509_sign_digest(EVP_PKEY *key, int padding, const char *hash,
	struct hf_span digest, uint8_t *out, size_t cap)
{
	EVP_PKEY_CTX *x = EVP_PKEY_CTX_new(key, NULL);
	EVP_MD *md = EVP_MD_fetch(NULL, hash, NULL);
	size_t len = cap;

	HF_ASSERT(x && md && EVP_PKEY_sign_init(x) == 1);
	HF_ASSERT(!padding || EVP_PKEY_CTX_set_rsa_padding(x, padding) == 1);
	HF_ASSERT(EVP_PKEY_CTX_set_signature_md(x, md) == 1);
	HF_ASSERT(padding != RSA_PKCS1_PSS_PADDING ||
		  EVP_PKEY_CTX_set_rsa_pss_saltlen(x, RSA_PSS_SALTLEN_DIGEST) == 1);
	HF_ASSERT(EVP_PKEY_sign(x, out, &len, digest.p, digest.len) == 1);
	EVP_PKEY_CTX_free(x);
	EVP_MD_free(md);
	return len;
}

/* Whose key serves PSS alone (id-RSASSA-PSS). */
static inline EVP_PKEY *x509_pss_key(void)
{
	EVP_PKEY_CTX *x = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
	EVP_PKEY *key = NULL;

	HF_ASSERT(EVP_PKEY_keygen_init(x) == 1);
	HF_ASSERT(EVP_PKEY_CTX_set_rsa_keygen_bits(x, 2048) == 1);
	HF_ASSERT(EVP_PKEY_keygen(x, &key) == 1);
	EVP_PKEY_CTX_free(x);
	return key;
}

#endif
