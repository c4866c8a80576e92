/* libcrypto.c -- the engine that answers everything: OpenSSL's scalar RSA, one operation per call.
 * Each worker has a library context of its own, so nothing is shared, and per key an EVP_PKEY_CTX
 * that is set up for the raw operation once and kept. The private operation is blinded, runs in
 * fixed windows, and its CRT result is verified with e inside (crypto/rsa/rsa_ossl.c); a mismatch
 * is recomputed there without CRT, so HF_RSA_FAULT is never ours to report. The blinding factor is
 * libcrypto's own: it takes none from outside, and it does not show in the result. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include "drivers/drivers.h"
#include "lib/base/secret.h"
#include "lib/crypto/pk_engine.h"

/* Keys kept ready: more than a site has certificates. Beyond it the one used longest ago is parsed
 * again at its next use. A key's first use costs 0.5 ms of parsing and as much again for what
 * libcrypto prepares (measured with RSA-2048, whose operation takes 0.25 ms on that machine). */
#define KEY_CNT 128u

struct ready_key {
	uint64_t id, used_at;
	EVP_PKEY_CTX *op; /* NULL: the place is free */
};

struct libcrypto {
	OSSL_LIB_CTX *lib;
	OSSL_PROVIDER *provider;
	uint64_t uses;
	struct ready_key key[KEY_CNT];
};

static bool probe(void)
{
	return true;
}

static size_t size(void)
{
	return sizeof(struct libcrypto);
}

static void drop(struct ready_key *k)
{
	EVP_PKEY_CTX_free(k->op); /* holds the only reference; libcrypto clears the numbers */
	*k = (struct ready_key){0};
}

static void fini(void *ctx)
{
	struct libcrypto *c = ctx;

	for (uint32_t i = 0; i < KEY_CNT; i++)
		drop(&c->key[i]);
	if (c->provider)
		OSSL_PROVIDER_unload(c->provider);
	OSSL_LIB_CTX_free(c->lib);
	hf_wipe(c, sizeof(*c));
}

static int init(void *ctx)
{
	struct libcrypto *c = ctx;

	*c = (struct libcrypto){.lib = OSSL_LIB_CTX_new()};
	if (c->lib)
		c->provider = OSSL_PROVIDER_load(c->lib, "default");
	if (c->provider)
		return 0;
	ERR_clear_error();
	fini(c);
	return -1;
}

static bool takes(void *ctx, const struct hf_pk_key *key)
{
	(void)ctx;
	return key->type == HF_PK_RSA && key->bits <= HF_RSA_BITS_MAX && key->pkcs8.len > 0;
}

static void forget(void *ctx, uint64_t key_id)
{
	struct libcrypto *c = ctx;

	for (uint32_t i = 0; i < KEY_CNT; i++)
		if (c->key[i].op && c->key[i].id == key_id)
			drop(&c->key[i]);
}

static EVP_PKEY_CTX *make_op(struct libcrypto *c, const struct hf_pk_key *key)
{
	const uint8_t *der = key->pkcs8.p;
	EVP_PKEY *pkey = d2i_AutoPrivateKey_ex(NULL, &der, (long)key->pkcs8.len, c->lib, NULL);
	EVP_PKEY_CTX *op = pkey ? EVP_PKEY_CTX_new_from_pkey(c->lib, pkey, NULL) : NULL;

	EVP_PKEY_free(pkey); /* op keeps its own reference */
	if (op && EVP_PKEY_decrypt_init(op) == 1 &&
		EVP_PKEY_CTX_set_rsa_padding(op, RSA_NO_PADDING) == 1)
		return op;
	EVP_PKEY_CTX_free(op);
	return NULL;
}

/* The key, made ready if it is not; the place for it is a free one or that of the key used longest
 * ago (a free place has used_at 0). */
static EVP_PKEY_CTX *ready(struct libcrypto *c, const struct hf_pk_key *key)
{
	struct ready_key *oldest = &c->key[0];

	for (uint32_t i = 0; i < KEY_CNT; i++) {
		struct ready_key *k = &c->key[i];
		if (k->op && k->id == key->id) {
			k->used_at = ++c->uses;
			return k->op;
		}
		if (k->used_at < oldest->used_at)
			oldest = k;
	}
	drop(oldest);
	*oldest = (struct ready_key){key->id, ++c->uses, make_op(c, key)};
	if (!oldest->op)
		oldest->used_at = 0;
	return oldest->op;
}

static void rsa(void *ctx, struct hf_rsa_op *ops, uint32_t cnt)
{
	struct libcrypto *c = ctx;

	for (uint32_t i = 0; i < cnt; i++) {
		size_t len = ops[i].key->n.len;
		EVP_PKEY_CTX *op = ready(c, ops[i].key);

		ops[i].status = HF_RSA_UNANSWERED;
		if (op && EVP_PKEY_decrypt(op, ops[i].out, &len, ops[i].in, len) == 1 &&
			len == ops[i].key->n.len)
			ops[i].status = HF_RSA_OK;
		else
			ERR_clear_error();
	}
}

const struct hf_pk_engine hf_pk_libcrypto = {
	.name = "libcrypto",
	.cost = HF_PK_WHOLE,
	.quantum = 1,
	.probe = probe,
	.size = size,
	.init = init,
	.fini = fini,
	.takes = takes,
	.forget = forget,
	.rsa = rsa,
};
