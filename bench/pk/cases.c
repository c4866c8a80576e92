/* cases.c -- what bench-pk has computed: RSA keys as certificates have them, of two primes and of more,
 * the curves of a key exchange, and signatures on one. */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include "bench/pk/bench_pk.h"
#include "lib/crypto/sym.h"
#include "tests/support/rsa_key.h"

#define KEY_CNT 4u /* keys of a case, in turn */

static void random_bytes(void *p, size_t len)
{
	if (RAND_bytes(p, (int)len) != 1)
		bench_die("no random bytes");
}

/* ---- RSA: premaster secrets to decrypt ---- */

static void encrypt(const struct rsa_key *k, struct bench_question *q)
{
	size_t len = k->key.n.len;
	uint8_t em[HF_PK_OUT_MAX];

	q->want_len = HF_PREMASTER_LEN;
	random_bytes(q->want, q->want_len);
	q->want[0] = 3;
	q->want[1] = 3;
	memset(em, 0x5a, len); /* RFC 8017 7.2.1, with padding that need not be random */
	em[0] = 0;
	em[1] = 2;
	em[len - HF_PREMASTER_LEN - 1] = 0;
	memcpy(em + len - HF_PREMASTER_LEN, q->want, HF_PREMASTER_LEN);
	q->ask.key = &k->key;
	q->ask.client_version = 0x0303;
	q->ask.in_len = (uint32_t)len;
	rsa_key_public(k, em, q->ask.in);
}

static void make_rsa(const struct bench_case *c, struct bench_work *w)
{
	struct rsa_key *key = w->keys = bench_alloc(KEY_CNT * sizeof(*key));

	for (uint32_t i = 0; i < KEY_CNT; i++)
		rsa_key_make(&key[i], c->bits, c->primes);
	for (uint32_t i = 0; i < BENCH_QUESTIONS; i++)
		encrypt(&key[i % KEY_CNT], &w->question[i]);
}

static void clear_rsa(struct bench_work *w)
{
	for (uint32_t i = 0; i < KEY_CNT; i++)
		rsa_key_free((struct rsa_key *)w->keys + i);
	free(w->keys);
}

/* ---- curves: key pairs to make, secrets to agree on ---- */

static void public_value(EVP_PKEY *key, uint8_t *out, size_t len)
{
	size_t got = 0;

	if (EVP_PKEY_get_octet_string_param(key, "encoded-pub-key", out, len, &got) != 1 ||
		got != len)
		bench_die("no public value of a curve");
}

/* Random scalars, which are below the groups' orders but once in 2^32 (then the job fails, and
 * bench-pk says so), and for an agreement a peer. */
static void make_curve(const struct bench_case *c, struct bench_work *w)
{
	static const char *const name[HF_GROUP_CNT] = {
		[HF_GROUP_X25519] = "X25519", [HF_GROUP_P256] = "P-256", [HF_GROUP_P384] = "P-384"};
	uint32_t point_len = hf_group_info[c->group].point_len;

	for (uint32_t i = 0; i < BENCH_QUESTIONS; i++) {
		struct hf_pk_job *ask = &w->question[i].ask;
		EVP_PKEY *peer;

		random_bytes(ask->seed, sizeof(ask->seed));
		random_bytes(ask->scalar, sizeof(ask->scalar));
		ask->scalar[0] &= 0x7f;
		if (c->op != HF_PK_ECDH_DERIVE)
			continue;
		peer = c->group == HF_GROUP_X25519
			       ? EVP_PKEY_Q_keygen(NULL, NULL, "X25519")
			       : EVP_PKEY_Q_keygen(NULL, NULL, "EC", name[c->group]);
		ask->in_len = point_len;
		public_value(peer, ask->in, point_len);
		EVP_PKEY_free(peer);
	}
}

/* ---- ECDSA: digests to sign ---- */

struct ec_key {
	struct hf_pk_key key;
	uint8_t d[32], *der;
};

static void ec_key_make(struct ec_key *k)
{
	/* beyond those of rsa_key_make(): engines know keys by it */
	static uint64_t id = UINT64_C(1) << 32;
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	BIGNUM *d = NULL;
	int len = pkey ? i2d_PrivateKey(pkey, &k->der) : 0;

	if (len <= 0 || EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_PRIV_KEY, &d) != 1 ||
		BN_bn2binpad(d, k->d, sizeof(k->d)) != sizeof(k->d))
		bench_die("no key of P-256");
	k->key = (struct hf_pk_key){.id = ++id,
		.type = HF_PK_EC_P256,
		.bits = 256,
		.d = hf_span(k->d, sizeof(k->d)),
		.pkcs8 = hf_span(k->der, (size_t)len)};
	BN_free(d);
	EVP_PKEY_free(pkey);
}

static void make_ecdsa(const struct bench_case *c, struct bench_work *w)
{
	struct ec_key *key = w->keys = bench_alloc(KEY_CNT * sizeof(*key));
	(void)c;

	for (uint32_t i = 0; i < KEY_CNT; i++)
		ec_key_make(&key[i]);
	for (uint32_t i = 0; i < BENCH_QUESTIONS; i++) {
		struct hf_pk_job *ask = &w->question[i].ask;

		ask->key = &key[i % KEY_CNT].key;
		ask->hash = HF_SHA256;
		ask->in_len = 32;
		random_bytes(ask->in, ask->in_len);
		random_bytes(ask->seed, sizeof(ask->seed));
	}
}

static void clear_ecdsa(struct bench_work *w)
{
	for (uint32_t i = 0; i < KEY_CNT; i++)
		OPENSSL_free(((struct ec_key *)w->keys)[i].der);
	free(w->keys);
}

static void clear_nothing(struct bench_work *w)
{
	(void)w;
}

/* ---- all that a handshake wants ---- */

struct direct {
	struct bench_work *part[BENCH_PARTS];
	EVP_PKEY *key[BENCH_QUESTIONS];
};

static void make_parts(const struct bench_case *c, struct bench_work *w)
{
	struct direct *d = w->keys = bench_alloc(sizeof(*d));

	for (uint32_t i = 0; i < BENCH_PARTS; i++)
		d->part[i] = bench_work_make(bench_case_named(c->part[i]));
	for (uint32_t i = 0; i < BENCH_QUESTIONS; i++) {
		const struct hf_pk_key *key;
		const uint8_t *der;

		w->question[i] = d->part[i % BENCH_PARTS]->question[i];
		key = w->question[i].ask.key;
		der = key ? key->pkcs8.p : NULL;
		if (key && !(d->key[i] = d2i_AutoPrivateKey(NULL, &der, (long)key->pkcs8.len)))
			bench_die("no key of P-256");
	}
}

static void clear_parts(struct bench_work *w)
{
	struct direct *d = w->keys;

	for (uint32_t i = 0; i < BENCH_QUESTIONS; i++)
		EVP_PKEY_free(d->key[i]);
	clear_ecdsa(d->part[BENCH_PARTS - 1]);
	for (uint32_t i = 0; i < BENCH_PARTS; i++)
		free(d->part[i]);
	free(d);
}

static bool agree(EVP_PKEY *own, const struct hf_pk_job *ask)
{
	EVP_PKEY *peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, ask->in, ask->in_len);
	EVP_PKEY_CTX *x = EVP_PKEY_CTX_new(own, NULL);
	uint8_t secret[32];
	size_t len = sizeof(secret);
	bool ok = peer && x && EVP_PKEY_derive_init(x) == 1 &&
		  EVP_PKEY_derive_set_peer(x, peer) == 1 && EVP_PKEY_derive(x, secret, &len) == 1;

	EVP_PKEY_CTX_free(x);
	EVP_PKEY_free(peer);
	return ok;
}

static bool sign(EVP_PKEY *key, const struct hf_pk_job *ask)
{
	EVP_PKEY_CTX *x = EVP_PKEY_CTX_new(key, NULL);
	uint8_t out[HF_EC_SIGNATURE_MAX];
	size_t len = sizeof(out);
	bool ok = x && EVP_PKEY_sign_init(x) == 1 &&
		  EVP_PKEY_sign(x, out, &len, ask->in, ask->in_len) == 1;

	EVP_PKEY_CTX_free(x);
	return ok;
}

/* With the keys parsed, as an application has them, and one pair for its public value and secret. */
static void handshake(struct bench_work *w)
{
	uint32_t at = w->next % BENCH_QUESTIONS;
	EVP_PKEY *own = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	uint8_t point[32];
	size_t len = sizeof(point);

	w->next += BENCH_PARTS;
	if (!own || EVP_PKEY_get_raw_public_key(own, point, &len) != 1 ||
		!agree(own, &w->question[at + 1].ask) ||
		!sign(((struct direct *)w->keys)->key[at + 2], &w->question[at + 2].ask))
		bench_die("libcrypto fails");
	EVP_PKEY_free(own);
}

/* ---- the table ---- */

#define RSA(name, bits, primes, beside)                                                       \
	{                                                                                     \
		name, bits, primes, BENCH_FILL_MAX, HF_PK_RSA_PREMASTER, 0, beside, make_rsa, \
			clear_rsa, {NULL}, NULL                                               \
	}
#define CURVE(name, bits, op, group)                                                       \
	{                                                                                  \
		name, bits, 0, 8, op, group, NULL, make_curve, clear_nothing, {NULL}, NULL \
	}

const struct bench_case bench_cases[] = {
	RSA("2048", 2048, 2, NULL),
	RSA("3072", 3072, 2, NULL),
	RSA("4096", 4096, 2, NULL),
	RSA("2048/3", 2048, 3, "2048"),
	RSA("3072/3", 3072, 3, "3072"),
	RSA("4096/4", 4096, 4, "4096"),
	CURVE("x25519-pair", 255, HF_PK_ECDH_KEYGEN, HF_GROUP_X25519),
	CURVE("x25519-derive", 255, HF_PK_ECDH_DERIVE, HF_GROUP_X25519),
	CURVE("p256-pair", 256, HF_PK_ECDH_KEYGEN, HF_GROUP_P256),
	CURVE("p256-derive", 256, HF_PK_ECDH_DERIVE, HF_GROUP_P256),
	{"p256-sign", 256, 0, 8, HF_PK_ECDSA_SIGN, HF_GROUP_P256, NULL, make_ecdsa, clear_ecdsa,
		{NULL}, NULL},
	{"handshake", 256, 0, 8, 0, 0, NULL, make_parts, clear_parts,
		{"x25519-pair", "x25519-derive", "p256-sign"}, handshake},
};
const uint32_t bench_case_cnt = HF_ARRAY_LEN(bench_cases);

const struct bench_case *bench_case_named(const char *name)
{
	for (uint32_t i = 0; i < bench_case_cnt; i++)
		if (strcmp(bench_cases[i].name, name) == 0)
			return &bench_cases[i];
	return NULL;
}

struct bench_work *bench_work_make(const struct bench_case *c)
{
	struct bench_work *w = bench_alloc(sizeof(*w));

	c->make(c, w);
	for (uint32_t i = 0; i < BENCH_QUESTIONS && !c->part[0]; i++) {
		w->question[i].ask.op = c->op;
		w->question[i].ask.group = c->group;
	}
	return w;
}

void bench_work_free(const struct bench_case *c, struct bench_work *w)
{
	if (!w)
		return;
	c->clear(w);
	free(w);
}

enum hf_ec_kind bench_case_kind(const struct bench_case *c)
{
	static const uint8_t kind[HF_PK_OP_CNT] = {[HF_PK_ECDH_KEYGEN] = HF_EC_BASE,
		[HF_PK_ECDH_DERIVE] = HF_EC_MULTIPLY,
		[HF_PK_ECDSA_SIGN] = HF_EC_SIGN};

	return kind[c->op];
}

/* Is there something for this engine to do? */
bool bench_case_suits(
	const struct bench_case *c, const struct bench_work *w, const struct hf_pk_engine_ref *ref)
{
	const struct hf_pk_key *key = w->question[0].ask.key;

	if (c->op < HF_PK_ECDH_KEYGEN)
		return ref->engine->takes && ref->engine->takes(ref->ctx[hf_pk_class(key)], key);
	return ref->engine->ec && ref->engine->takes_ec(ref->ctx[0], bench_case_kind(c), c->group);
}
