/* auth_libcrypto.c -- a client's chain by OpenSSL's rules (RFC 5280), for the purpose of a TLS client, up
 * to any certificate of the operator's file: a root, an intermediate, or the client's own. What a stranger
 * sends costs nothing dear before it leads to one of them: OpenSSL looks for issuers by name, then
 * checks signatures from the authority's down, so the first forged one ends it, and the client's key
 * is used only when all above it is good.
 * Authorities have a library context of their own, shared by all workers and freed with them;
 * OpenSSL's locks around it are held for a look-up. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "drivers/drivers.h"
#include "drivers/pki/auth.h"
#include "drivers/pki/report.h"
#include "lib/crypto/sym.h"

#define DEPTH_MAX (int)HF_AUTH_CHAIN_MAX
/* 112 bits: RSA and DH from 2048 bits on, no SHA-1 below the authority (SP 800-131A, and what Debian's
 * OpenSSL asks of peers). */
#define SECURITY_LEVEL 2
#define FILE_MAX (1 << 20)

struct ca {
	struct hf_auth_ca base;
	OSSL_LIB_CTX *lib;
	OSSL_PROVIDER *provider;
	X509_STORE *store;
	EVP_MD_CTX *sum; /* while it is loaded */
	uint8_t names[HF_AUTH_NAMES_MAX];
};

/* ---- the operator's file ---- */

struct load {
	struct ca *ca;
	const char *file;
	int64_t now_s;
	struct hf_pki_report *report;
	struct hf_writer names;
};

/* Clients with several certificates choose by these names. One that is there already tells nothing. */
static void name_add(struct load *l, X509 *x)
{
	const uint8_t *der = NULL;
	size_t len = 0;
	struct hf_reader r = hf_reader(l->names.p, l->names.len);
	struct hf_span name;

	if (X509_NAME_get0_der(X509_get_subject_name(x), &der, &len) != 1)
		return;
	while (!hf_reader_vec16(&r, &name))
		if (hf_span_eq(name, hf_span(der, len)))
			return;
	hf_writer_u16(&l->names, (unsigned)len);
	hf_writer_bytes(&l->names, der, len);
	if (len > UINT16_MAX)
		l->names.overflow = true;
}

static int cert_add(struct load *l, X509 *x)
{
	ASN1_TIME *now = ASN1_TIME_set(NULL, (time_t)l->now_s);
	uint32_t nr = ++l->ca->base.cert_cnt;
	uint8_t sum[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (nr > HF_AUTH_CA_MAX) {
		ASN1_TIME_free(now);
		return hf_pki_fail(l->report, "%s: has more than %u certificates; leave out some",
			l->file, HF_AUTH_CA_MAX);
	}
	if (now && ASN1_TIME_compare(X509_get0_notAfter(x), now) < 0)
		hf_pki_warn(l->report,
			"%s: certificate %u is expired: no client's is good by it; take it out",
			l->file, nr);
	if (now && ASN1_TIME_compare(X509_get0_notBefore(x), now) > 0)
		hf_pki_warn(l->report, "%s: certificate %u is not valid yet; check the clock",
			l->file, nr);
	ASN1_TIME_free(now);
	name_add(l, x);
	if (X509_STORE_add_cert(l->ca->store, x) != 1 ||
		X509_digest(x, EVP_sha256(), sum, &len) != 1 ||
		EVP_DigestUpdate(l->ca->sum, sum, len) != 1)
		return hf_pki_fail(l->report, "%s: certificate %u cannot be used: %s", l->file, nr,
			hf_pki_reason());
	return 0;
}

static int next_cert(struct load *l, BIO *bio)
{
	X509 *x = X509_new_ex(l->ca->lib, NULL);
	uint32_t cnt = l->ca->base.cert_cnt;
	int error;

	ERR_clear_error();
	if (x && PEM_read_bio_X509(bio, &x, NULL, NULL)) {
		error = cert_add(l, x);
		X509_free(x);
		return error ? -1 : 1;
	}
	X509_free(x);
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return hf_pki_fail(l->report,
			"%s: certificate %u is damaged: %s; put a whole copy there", l->file,
			cnt + 1, hf_pki_damage().s);
	if (cnt == 0)
		return hf_pki_fail(l->report,
			"%s: no certificate (-----BEGIN CERTIFICATE-----) in it: expected PEM text",
			l->file);
	return 0;
}

static int open_file(struct load *l)
{
	int fd = open(l->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return hf_pki_fail(l->report, "%s: cannot be opened: %s", l->file, strerror(errno));
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= FILE_MAX)
		return fd;
	close(fd);
	return hf_pki_fail(
		l->report, "%s: is not a regular file of at most %d bytes", l->file, FILE_MAX);
}

static int read_certs(struct load *l)
{
	int more = 1, fd = open_file(l);
	BIO *bio;

	if (fd < 0)
		return -1;
	bio = BIO_new_fd(fd, BIO_NOCLOSE);
	while (bio && more > 0)
		more = next_cert(l, bio);
	BIO_free(bio);
	close(fd);
	return bio ? more : hf_pki_fail(l->report, "out of memory");
}

static bool prepare(struct ca *ca)
{
	X509_VERIFY_PARAM *param;

	ca->lib = OSSL_LIB_CTX_new();
	ca->provider = ca->lib ? OSSL_PROVIDER_load(ca->lib, "default") : NULL;
	ca->store = X509_STORE_new();
	ca->sum = EVP_MD_CTX_new();
	if (!ca->provider || !ca->store || !ca->sum ||
		EVP_DigestInit_ex(ca->sum, EVP_sha256(), NULL) != 1)
		return false;
	param = X509_STORE_get0_param(ca->store);
	X509_VERIFY_PARAM_set_depth(param, DEPTH_MAX);
	X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
	return X509_STORE_set_purpose(ca->store, X509_PURPOSE_SSL_CLIENT) == 1 &&
	       X509_STORE_set_flags(ca->store, X509_V_FLAG_PARTIAL_CHAIN) == 1;
}

static int load_all(struct load *l)
{
	struct ca *ca = l->ca;

	if (!prepare(ca))
		return hf_pki_fail(l->report, "%s: no memory for it", l->file);
	if (read_certs(l))
		return -1;
	if (EVP_DigestFinal_ex(ca->sum, ca->base.fingerprint, NULL) != 1)
		return hf_pki_fail(l->report, "%s: no memory for it", l->file);
	ca->base.names = hf_span(ca->names, l->names.len);
	if (l->names.overflow) {
		hf_pki_warn(l->report,
			"%s: its names have more than the %u bytes that there are for them, so "
			"none is told: a client with several certificates may show a wrong one",
			l->file, HF_AUTH_NAMES_MAX);
		ca->base.names = hf_span(NULL, 0);
	}
	return 0;
}

void hf_auth_ca_free(struct hf_auth_ca *base)
{
	struct ca *ca = (struct ca *)base;

	if (!ca)
		return;
	EVP_MD_CTX_free(ca->sum);
	X509_STORE_free(ca->store);
	if (ca->provider)
		OSSL_PROVIDER_unload(ca->provider);
	OSSL_LIB_CTX_free(ca->lib);
	free(ca);
}

struct hf_auth_ca *hf_auth_ca_load(const char *file, int64_t now_s, struct hf_pki_report *report)
{
	struct load l = {calloc(1, sizeof(struct ca)), file, now_s, report, {0}};
	int error;

	report->error[0] = 0;
	report->warning_cnt = 0;
	if (l.ca)
		l.names = hf_writer(l.ca->names, sizeof(l.ca->names));
	error = l.ca ? load_all(&l) : hf_pki_fail(l.report, "%s: no memory for it", file);
	ERR_clear_error();
	if (!error)
		return &l.ca->base;
	hf_auth_ca_free(l.ca ? &l.ca->base : NULL);
	return NULL;
}

/* ---- a client ---- */

struct chain {
	X509 *leaf;
	STACK_OF(X509) * rest;
};

static void chain_free(struct chain *c)
{
	X509_free(c->leaf);
	sk_X509_pop_free(c->rest, X509_free);
}

static enum hf_auth_verdict cert_next(const struct ca *ca, struct hf_span der, struct chain *c)
{
	X509 *x = X509_new_ex(ca->lib, NULL);
	const uint8_t *p = der.p;

	if (!x)
		return HF_AUTH_FAILED;
	if (!d2i_X509(&x, &p, (long)der.len)) /* frees x */
		return HF_AUTH_SYNTAX;
	if (p != der.p + der.len) {
		X509_free(x);
		return HF_AUTH_SYNTAX;
	}
	if (!c->leaf) {
		c->leaf = x;
	} else if (sk_X509_push(c->rest, x) <= 0) {
		X509_free(x);
		return HF_AUTH_FAILED;
	}
	return HF_AUTH_OK;
}

static enum hf_auth_verdict chain_read(const struct ca *ca, struct hf_span list, struct chain *c)
{
	struct hf_reader r = hf_reader_of(list);
	enum hf_auth_verdict verdict = HF_AUTH_OK;
	struct hf_span der;

	c->rest = sk_X509_new_null();
	if (!c->rest)
		return HF_AUTH_FAILED;
	for (uint32_t n = 0; verdict == HF_AUTH_OK && hf_reader_left(&r) > 0; n++) {
		if (n == HF_AUTH_CHAIN_MAX)
			return HF_AUTH_TOO_LONG;
		if (hf_reader_vec24(&r, &der))
			return HF_AUTH_SYNTAX;
		verdict = cert_next(ca, der, c);
	}
	return verdict == HF_AUTH_OK && !c->leaf ? HF_AUTH_SYNTAX : verdict;
}

/* What OpenSSL found, in the words of RFC 5246 7.2.2. */
static enum hf_auth_verdict verdict_of(int error)
{
	static const struct {
		int error;
		enum hf_auth_verdict verdict;
	} rows[] = {
		{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, HF_AUTH_UNKNOWN_CA},
		{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, HF_AUTH_UNKNOWN_CA},
		{X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, HF_AUTH_UNKNOWN_CA},
		{X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, HF_AUTH_UNKNOWN_CA},
		{X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, HF_AUTH_UNKNOWN_CA},
		{X509_V_ERR_CERT_UNTRUSTED, HF_AUTH_UNKNOWN_CA},
		{X509_V_ERR_CERT_CHAIN_TOO_LONG, HF_AUTH_TOO_LONG},
		{X509_V_ERR_CERT_HAS_EXPIRED, HF_AUTH_EXPIRED},
		{X509_V_ERR_CERT_NOT_YET_VALID, HF_AUTH_EARLY},
		{X509_V_ERR_INVALID_PURPOSE, HF_AUTH_PURPOSE},
		{X509_V_ERR_CERT_REJECTED, HF_AUTH_PURPOSE},
		{X509_V_ERR_INVALID_CA, HF_AUTH_PURPOSE},
		{X509_V_ERR_INVALID_NON_CA, HF_AUTH_PURPOSE},
		{X509_V_ERR_PATH_LENGTH_EXCEEDED, HF_AUTH_PURPOSE},
		{X509_V_ERR_KEYUSAGE_NO_CERTSIGN, HF_AUTH_PURPOSE},
		{X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, HF_AUTH_PURPOSE},
		{X509_V_ERR_PERMITTED_VIOLATION, HF_AUTH_PURPOSE},
		{X509_V_ERR_EXCLUDED_VIOLATION, HF_AUTH_PURPOSE},
		{X509_V_ERR_EE_KEY_TOO_SMALL, HF_AUTH_WEAK},
		{X509_V_ERR_CA_KEY_TOO_SMALL, HF_AUTH_WEAK},
		{X509_V_ERR_CA_MD_TOO_WEAK, HF_AUTH_WEAK},
		{X509_V_ERR_OUT_OF_MEM, HF_AUTH_FAILED},
	};

	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++)
		if (rows[i].error == error)
			return rows[i].verdict;
	return HF_AUTH_BAD;
}

static enum hf_auth_verdict chain_check(const struct ca *ca, const struct chain *c, int64_t now_s)
{
	X509_STORE_CTX *x = X509_STORE_CTX_new_ex(ca->lib, NULL);
	enum hf_auth_verdict verdict = HF_AUTH_FAILED;

	if (x && X509_STORE_CTX_init(x, ca->store, c->leaf, c->rest) == 1) {
		X509_STORE_CTX_set_time(x, 0, (time_t)now_s);
		verdict = X509_verify_cert(x) == 1 ? HF_AUTH_OK
						   : verdict_of(X509_STORE_CTX_get_error(x));
	}
	X509_STORE_CTX_free(x);
	return verdict;
}

/* Is it the kind of key that makes such signatures? Curves by name alone. */
static bool key_fits(EVP_PKEY *key, uint8_t kind)
{
	char curve[64];

	switch ((enum hf_auth_kind)kind) {
	case HF_AUTH_RSA_PKCS1:
	case HF_AUTH_RSA_PSS:
		return EVP_PKEY_is_a(key, "RSA");
	case HF_AUTH_RSA_PSS_PSS:
		return EVP_PKEY_is_a(key, "RSA-PSS");
	case HF_AUTH_ECDSA:
		return EVP_PKEY_is_a(key, "EC") &&
		       EVP_PKEY_get_group_name(key, curve, sizeof(curve), NULL) == 1 &&
		       (!strcmp(curve, SN_X9_62_prime256v1) || !strcmp(curve, SN_secp384r1) ||
			       !strcmp(curve, SN_secp521r1));
	}
	return false;
}

static const char *hash_name(uint8_t hash)
{
	static const char *const name[HF_HASH_CNT] = {[HF_SHA1] = "SHA1",
		[HF_SHA256] = "SHA256",
		[HF_SHA384] = "SHA384",
		[HF_SHA512] = "SHA512"};

	return name[hash];
}

/* RFC 8446 4.2.3: the salt is as long as the digest, and MGF1 has the same hash. */
static bool set_scheme(EVP_PKEY_CTX *x, const struct hf_auth_question *q)
{
	bool pss = q->kind == HF_AUTH_RSA_PSS || q->kind == HF_AUTH_RSA_PSS_PSS;
	OSSL_PARAM params[4], *p = params;

	*p++ = OSSL_PARAM_construct_utf8_string(
		OSSL_SIGNATURE_PARAM_DIGEST, (char *)(uintptr_t)hash_name(q->hash), 0);
	if (q->kind != HF_AUTH_ECDSA)
		*p++ = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE,
			(char *)(uintptr_t)(pss ? OSSL_PKEY_RSA_PAD_MODE_PSS
						: OSSL_PKEY_RSA_PAD_MODE_PKCSV15),
			0);
	if (pss)
		*p++ = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN,
			(char *)(uintptr_t)OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST, 0);
	*p = OSSL_PARAM_construct_end();
	return EVP_PKEY_CTX_set_params(x, params) == 1;
}

static enum hf_auth_verdict signature_check(
	const struct ca *ca, X509 *leaf, const struct hf_auth_question *q)
{
	EVP_PKEY *key = X509_get0_pubkey(leaf);
	enum hf_auth_verdict verdict = HF_AUTH_FAILED;
	EVP_PKEY_CTX *x;

	if (!key || !key_fits(key, q->kind))
		return HF_AUTH_KEY;
	x = EVP_PKEY_CTX_new_from_pkey(ca->lib, key, NULL);
	if (x && EVP_PKEY_verify_init(x) == 1) {
		/* a key for PSS alone may be for other parameters than these */
		verdict = !set_scheme(x, q) ? HF_AUTH_KEY
			  : EVP_PKEY_verify(x, q->signature.p, q->signature.len, q->digest.p,
				    q->digest.len) == 1
				  ? HF_AUTH_OK
				  : HF_AUTH_SIGNATURE;
	}
	EVP_PKEY_CTX_free(x);
	return verdict;
}

/* ---- who it is ---- */

static enum hf_auth_verdict dn_text(const X509_NAME *dn, char *to, uint16_t *to_len)
{
	BIO *bio = BIO_new(BIO_s_mem());
	enum hf_auth_verdict verdict = HF_AUTH_FAILED;
	char *text;
	long len;

	if (bio && X509_NAME_print_ex(bio, dn, 0, XN_FLAG_RFC2253) >= 0) {
		len = BIO_get_mem_data(bio, &text);
		verdict = len > (long)HF_AUTH_DN_MAX ? HF_AUTH_TOO_LONG : HF_AUTH_OK;
	}
	if (verdict == HF_AUTH_OK) {
		memcpy(to, text, (size_t)len);
		*to_len = (uint16_t)len;
	}
	BIO_free(bio);
	return verdict;
}

/* Backends put it into headers and logs: no control characters. */
static void cn_text(const X509_NAME *dn, struct hf_auth_client *out)
{
	int at = -1, next = -1, len;
	uint8_t *text = NULL;
	bool plain;

	while ((next = X509_NAME_get_index_by_NID(dn, NID_commonName, next)) >= 0)
		at = next;
	if (at < 0)
		return;
	len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(dn, at)));
	plain = len > 0 && len <= (int)HF_AUTH_CN_MAX;
	for (int i = 0; plain && i < len; i++)
		plain = text[i] >= ' ' && text[i] != 127;
	if (plain) {
		memcpy(out->cn, text, (size_t)len);
		out->cn_len = (uint16_t)len;
	}
	OPENSSL_free(text);
}

static enum hf_auth_verdict describe(X509 *leaf, struct hf_auth_client *out)
{
	enum hf_auth_verdict verdict;

	memset(out, 0, sizeof(*out));
	if (X509_digest(leaf, EVP_sha256(), out->fingerprint, NULL) != 1)
		return HF_AUTH_FAILED;
	verdict = dn_text(X509_get_subject_name(leaf), out->subject, &out->subject_len);
	if (verdict == HF_AUTH_OK)
		verdict = dn_text(X509_get_issuer_name(leaf), out->issuer, &out->issuer_len);
	cn_text(X509_get_subject_name(leaf), out);
	return verdict;
}

static enum hf_auth_verdict check(const struct hf_auth_question *q, struct hf_auth_client *out)
{
	const struct ca *ca = (const struct ca *)q->ca;
	struct chain c = {NULL, NULL};
	enum hf_auth_verdict verdict = chain_read(ca, q->list, &c);

	if (verdict == HF_AUTH_OK)
		verdict = chain_check(ca, &c, q->now_s);
	if (verdict == HF_AUTH_OK)
		verdict = signature_check(ca, c.leaf, q);
	if (verdict == HF_AUTH_OK)
		verdict = describe(c.leaf, out);
	chain_free(&c);
	ERR_clear_error();
	return verdict;
}

const struct hf_auth_driver hf_auth_libcrypto = {.name = "libcrypto", .check = check};
