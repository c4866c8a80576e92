/* sslkit.c -- the certificates are made, not stored: three RSA keys from a fixed seed cost a
 * quarter of a second once and spare the repository private keys and expiry dates.
 * The old RAND_METHOD hook is used because it alone catches every consumer in libcrypto and its
 * built-in provider; OpenSSL 3 still honours it before any DRBG. */
#define OPENSSL_API_COMPAT 0x10100000L
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include "lib/base/base.h"
#include "tests/sim/sslkit.h"

#define SIM_EPOCH 1750000000 /* the day on which certificates are judged; any within their life */

static struct rng *dice;

static int dice_bytes(unsigned char *out, int len)
{
	rng_fill(dice, out, (size_t)len);
	return 1;
}

static int dice_status(void)
{
	return 1;
}

void sslkit_dice(struct rng *r)
{
	static const RAND_METHOD method = {
		.bytes = dice_bytes, .pseudorand = dice_bytes, .status = dice_status};
	dice = r;
	HF_ASSERT(RAND_set_rand_method(&method) == 1);
}

static void add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	HF_ASSERT(ext != NULL && X509_add_ext(cert, ext, -1) == 1);
	X509_EXTENSION_free(ext);
}

static X509 *make_cert(int depth, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
	static const char *const name[SSLKIT_CHAIN_CNT] = {SSLKIT_NAME, "sim issuing", "sim root"};
	X509 *c = X509_new();
	X509_NAME *subject = X509_get_subject_name(c);
	HF_ASSERT(c != NULL && X509_set_version(c, X509_VERSION_3));
	HF_ASSERT(ASN1_INTEGER_set(X509_get_serialNumber(c), 1000 + depth));
	HF_ASSERT(ASN1_TIME_set_string(X509_getm_notBefore(c), "20200101000000Z"));
	HF_ASSERT(ASN1_TIME_set_string(X509_getm_notAfter(c), "20491231235959Z"));
	HF_ASSERT(X509_NAME_add_entry_by_txt(
		subject, "CN", MBSTRING_ASC, (const unsigned char *)name[depth], -1, -1, 0));
	HF_ASSERT(
		X509_set_issuer_name(c, issuer != NULL ? X509_get_subject_name(issuer) : subject));
	HF_ASSERT(X509_set_pubkey(c, key));
	add_ext(c, issuer != NULL ? issuer : c, NID_basic_constraints,
		depth != 0 ? "critical,CA:TRUE" : "critical,CA:FALSE");
	if (depth == 0)
		add_ext(c, issuer, NID_subject_alt_name, "DNS:" SSLKIT_NAME);
	HF_ASSERT(X509_sign(c, issuer_key, EVP_sha256()) > 0);
	return c;
}

/* Security level 0: the suites under test are the appliance's business, not OpenSSL's taste. */
static SSL_CTX *make_ctx(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);
	HF_ASSERT(ctx != NULL);
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(ctx), SIM_EPOCH);
	return ctx;
}

/* What an OpenSSL object remembers (the blinding of a key, the ticket keys of a context) must not
 * reach from one run into the next: each run decodes its own objects. */
static struct {
	uint8_t *der;
	int len;
} key_der[SSLKIT_CHAIN_CNT];

static void make_keys(void)
{
	struct rng fixed = {0x73736c6b6974ull};
	/* Not the machine's openssl.cnf: a run must not depend on where it happens. */
	HF_ASSERT(OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL));
	sslkit_dice(&fixed);
	for (int i = 0; i < SSLKIT_CHAIN_CNT; i++) {
		EVP_PKEY *key = EVP_RSA_gen(2048);
		HF_ASSERT(key != NULL);
		key_der[i].len = i2d_PrivateKey(key, &key_der[i].der);
		HF_ASSERT(key_der[i].len > 0);
		EVP_PKEY_free(key);
	}
}

void sslkit_init(struct sslkit *k, uint64_t seed)
{
	struct rng rng = {seed};
	if (key_der[0].der == NULL)
		make_keys();
	sslkit_dice(&rng);
	for (int i = SSLKIT_CHAIN_CNT - 1; i >= 0; i--) {
		int up = HF_MIN(i + 1, SSLKIT_CHAIN_CNT - 1);
		const uint8_t *der = key_der[i].der;
		k->key[i] = d2i_PrivateKey(EVP_PKEY_RSA, NULL, &der, key_der[i].len);
		HF_ASSERT(k->key[i] != NULL);
		k->cert[i] = make_cert(i, k->key[i], up != i ? k->cert[up] : NULL, k->key[up]);
	}
	k->client = make_ctx(TLS_client_method());
	SSL_CTX_set_verify(k->client, SSL_VERIFY_PEER, NULL);
	HF_ASSERT(X509_STORE_add_cert(SSL_CTX_get_cert_store(k->client), k->cert[2]));
	k->server = make_ctx(TLS_server_method());
	/* A ticket would carry the time of day. */
	SSL_CTX_set_options(k->server, SSL_OP_NO_TICKET);
	HF_ASSERT(SSL_CTX_use_certificate(k->server, k->cert[0]) == 1);
	HF_ASSERT(SSL_CTX_use_PrivateKey(k->server, k->key[0]) == 1);
	for (int i = 1; i < SSLKIT_CHAIN_CNT; i++)
		HF_ASSERT(SSL_CTX_add1_chain_cert(k->server, k->cert[i]) == 1);
	sslkit_dice(NULL);
}

void sslkit_fini(struct sslkit *k)
{
	SSL_CTX_free(k->client);
	SSL_CTX_free(k->server);
	for (int i = 0; i < SSLKIT_CHAIN_CNT; i++) {
		EVP_PKEY_free(k->key[i]);
		X509_free(k->cert[i]);
	}
}
