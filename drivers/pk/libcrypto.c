/* libcrypto.c -- the engine that answers everything: OpenSSL's scalar arithmetic, one operation per
 * call. Each worker has a library context of its own, so nothing is shared, and per key an
 * EVP_PKEY_CTX that is set up for the raw operation once and kept. The private RSA operation is
 * blinded, runs in fixed windows, and its CRT result is verified with e inside
 * (crypto/rsa/rsa_ossl.c); a mismatch is recomputed there without CRT, so HF_RSA_FAULT is never ours
 * to report. The blinding factor is libcrypto's own: it takes none from outside, and it does not
 * show in the result. So is the nonce of ECDSA, drawn from its generator, the private key and the
 * digest together (crypto/bn/bn_rand.c, BN_generate_dsa_nonce).
 *
 * Points of P-256 and P-384 are computed with EC_POINT objects that are made once. By EVP_PKEY a key
 * pair of P-256 takes 12.8 us for 8.2 and an agreement 77.8 for 35.5: EVP checks the peer's point by
 * another scalar multiplication, where decoding it has already checked range and curve equation and
 * the cofactor is 1. X25519 is to be had through EVP alone (26 and 31 us; P-384 takes 580 and 669;
 * all on one machine, an AMD EPYC). */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include "drivers/drivers.h"
#include "lib/base/secret.h"
#include "lib/crypto/pk.h"

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
	EVP_PKEY_CTX *x25519; /* set up to make keys from bytes */
	EC_GROUP *curve[HF_GROUP_CNT];
	EC_POINT *point[HF_GROUP_CNT], *product[HF_GROUP_CNT];
	BN_CTX *bn;
	BIGNUM *scalar, *x;
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
	for (uint32_t i = 0; i < HF_GROUP_CNT; i++) {
		EC_POINT_clear_free(c->point[i]);
		EC_POINT_clear_free(c->product[i]);
		EC_GROUP_free(c->curve[i]);
	}
	BN_clear_free(c->scalar);
	BN_clear_free(c->x);
	BN_CTX_free(c->bn);
	EVP_PKEY_CTX_free(c->x25519);
	if (c->provider)
		OSSL_PROVIDER_unload(c->provider);
	OSSL_LIB_CTX_free(c->lib);
	hf_wipe(c, sizeof(*c));
}

static bool init_curve(struct libcrypto *c, enum hf_group group, int nid)
{
	c->curve[group] = EC_GROUP_new_by_curve_name_ex(c->lib, NULL, nid);
	if (!c->curve[group])
		return false;
	c->point[group] = EC_POINT_new(c->curve[group]);
	c->product[group] = EC_POINT_new(c->curve[group]);
	return c->point[group] && c->product[group];
}

static bool init_curves(struct libcrypto *c)
{
	c->x25519 = EVP_PKEY_CTX_new_from_name(c->lib, "X25519", NULL);
	c->bn = BN_CTX_new_ex(c->lib);
	c->scalar = BN_new();
	c->x = BN_new();
	return c->x25519 && EVP_PKEY_fromdata_init(c->x25519) == 1 && c->bn && c->scalar && c->x &&
	       init_curve(c, HF_GROUP_P256, NID_X9_62_prime256v1) &&
	       init_curve(c, HF_GROUP_P384, NID_secp384r1);
}

static int init(void *ctx)
{
	struct libcrypto *c = ctx;

	*c = (struct libcrypto){.lib = OSSL_LIB_CTX_new()};
	if (c->lib)
		c->provider = OSSL_PROVIDER_load(c->lib, "default");
	if (c->provider && init_curves(c))
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

static bool set_up(EVP_PKEY_CTX *op, const struct hf_pk_key *key)
{
	if (key->type != HF_PK_RSA)
		return EVP_PKEY_sign_init(op) == 1;
	return EVP_PKEY_decrypt_init(op) == 1 &&
	       EVP_PKEY_CTX_set_rsa_padding(op, RSA_NO_PADDING) == 1;
}

static EVP_PKEY_CTX *make_op(struct libcrypto *c, const struct hf_pk_key *key)
{
	const uint8_t *der = key->pkcs8.p;
	EVP_PKEY *pkey = d2i_AutoPrivateKey_ex(NULL, &der, (long)key->pkcs8.len, c->lib, NULL);
	EVP_PKEY_CTX *op = pkey ? EVP_PKEY_CTX_new_from_pkey(c->lib, pkey, NULL) : NULL;

	EVP_PKEY_free(pkey); /* op keeps its own reference */
	if (op && set_up(op, key))
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

/* ---- curves ---- */

static bool takes_ec(void *ctx, enum hf_ec_kind kind, enum hf_group group)
{
	(void)ctx;
	return kind != HF_EC_SIGN || group != HF_GROUP_X25519;
}

/* out = scalar * in, or scalar * base point, in c->product. */
static int multiply(struct libcrypto *c, const struct hf_ec_op *op)
{
	const EC_GROUP *g = c->curve[op->group];
	EC_POINT *in = op->kind == HF_EC_MULTIPLY ? c->point[op->group] : NULL;
	EC_POINT *out = c->product[op->group];
	int scalar_len = hf_group_info[op->group].scalar_len;

	if (in && EC_POINT_oct2point(g, in, op->in, op->in_len, c->bn) != 1)
		return HF_EC_REFUSED;
	if (!BN_bin2bn(op->scalar, scalar_len, c->scalar))
		return HF_EC_UNANSWERED;
	BN_set_flags(c->scalar, BN_FLG_CONSTTIME);
	if (EC_POINT_mul(g, out, in ? NULL : c->scalar, in, in ? c->scalar : NULL, c->bn) != 1)
		return HF_EC_UNANSWERED;
	return HF_EC_OK;
}

static int nist(struct libcrypto *c, struct hf_ec_op *op)
{
	const EC_GROUP *g = c->curve[op->group];
	const EC_POINT *product = c->product[op->group];
	const struct hf_group_info *info = &hf_group_info[op->group];
	int status = multiply(c, op);
	bool ok;

	if (status == HF_EC_OK) {
		if (op->kind == HF_EC_BASE)
			ok = EC_POINT_point2oct(g, product, POINT_CONVERSION_UNCOMPRESSED, op->out,
				     info->point_len, c->bn) == info->point_len;
		else
			ok = EC_POINT_get_affine_coordinates(g, product, c->x, NULL, c->bn) == 1 &&
			     BN_bn2binpad(c->x, op->out, info->secret_len) == info->secret_len;
		status = ok ? HF_EC_OK : HF_EC_UNANSWERED;
		op->out_len = op->kind == HF_EC_BASE ? info->point_len : info->secret_len;
	}
	BN_clear(c->scalar);
	BN_clear(c->x);
	return status;
}

static EVP_PKEY *x25519_key(
	struct libcrypto *c, const char *param, const uint8_t *bytes, const uint8_t *public)
{
	EVP_PKEY *key = NULL;
	OSSL_PARAM p[] = {OSSL_PARAM_construct_octet_string(param, (void *)(uintptr_t)bytes, 32),
		OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end()};

	if (public)
		p[1] = OSSL_PARAM_construct_octet_string(
			OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t) public, 32);
	return EVP_PKEY_fromdata(c->x25519, &key, EVP_PKEY_KEYPAIR, p) == 1 ? key : NULL;
}

static int x25519_base(struct libcrypto *c, struct hf_ec_op *op)
{
	EVP_PKEY *key = x25519_key(c, OSSL_PKEY_PARAM_PRIV_KEY, op->scalar, NULL);
	size_t len = 32;
	bool ok = key && EVP_PKEY_get_raw_public_key(key, op->out, &len) == 1;

	EVP_PKEY_free(key);
	op->out_len = 32;
	return ok ? HF_EC_OK : HF_EC_UNANSWERED;
}

/* Our own public value is not needed, and any bytes in its place keep EVP from computing it. Once
 * both keys are there, a derivation that fails has met a point of small order. */
static int x25519_multiply(struct libcrypto *c, struct hf_ec_op *op)
{
	EVP_PKEY *own = x25519_key(c, OSSL_PKEY_PARAM_PRIV_KEY, op->scalar, op->in);
	EVP_PKEY *peer = x25519_key(c, OSSL_PKEY_PARAM_PUB_KEY, op->in, NULL);
	EVP_PKEY_CTX *x = own && peer ? EVP_PKEY_CTX_new_from_pkey(c->lib, own, NULL) : NULL;
	int status = HF_EC_UNANSWERED;
	size_t len = 32;

	if (x && EVP_PKEY_derive_init(x) == 1 && EVP_PKEY_derive_set_peer_ex(x, peer, 0) == 1)
		status = EVP_PKEY_derive(x, op->out, &len) == 1 ? HF_EC_OK : HF_EC_REFUSED;
	op->out_len = 32;
	EVP_PKEY_CTX_free(x);
	EVP_PKEY_free(peer);
	EVP_PKEY_free(own);
	return status;
}

static int sign(struct libcrypto *c, struct hf_ec_op *op)
{
	EVP_PKEY_CTX *x = ready(c, op->key);
	size_t len = HF_EC_SIGNATURE_MAX;

	if (!x || EVP_PKEY_sign(x, op->out, &len, op->in, op->in_len) != 1)
		return HF_EC_UNANSWERED;
	op->out_len = (uint32_t)len;
	return HF_EC_OK;
}

static void ec(void *ctx, struct hf_ec_op *ops, uint32_t cnt)
{
	struct libcrypto *c = ctx;

	for (uint32_t i = 0; i < cnt; i++) {
		struct hf_ec_op *op = &ops[i];

		if (op->kind == HF_EC_SIGN)
			op->status = sign(c, op);
		else if (op->group != HF_GROUP_X25519)
			op->status = nist(c, op);
		else
			op->status = op->kind == HF_EC_BASE ? x25519_base(c, op)
							    : x25519_multiply(c, op);
		if (op->status != HF_EC_OK)
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
	.ec_quantum = 1,
	.takes_ec = takes_ec,
	.ec = ec,
};
