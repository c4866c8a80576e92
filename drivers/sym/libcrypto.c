/* libcrypto.c -- records, hashes and key derivation by OpenSSL, one job after the other. All
 * objects are fetched once from a library context of this worker; what changes per job is a nonce.
 *
 * CBC is MAC-then-encrypt, and a MAC whose time or memory trace tells how long the padding was
 * gives plaintext away (Vaudenay 2002, Lucky Thirteen 2013). With SHA-1 and SHA-256 both directions
 * use OpenSSL's AES-CBC-HMAC ciphers in TLS mode: opening decrypts, clamps the padding length with a
 * mask, runs the hash over the longest message the record could hold, block by block, picks the
 * right state by masks, and compares MAC and every possible padding byte in one fixed loop
 * (cipher_aes_cbc_hmac_sha{1,256}_hw.c, read for 3.0). What varies is an index that moves inside
 * one aligned 32-byte array, that is one cache line. There is no such cipher with SHA-384, so it is
 * opened by the other way that libcrypto offers, which is constant in the same sense: the plain CBC
 * cipher with TLS parameters takes padding and MAC off by masks (tls_pad.c), and an HMAC with
 * "tls-data-size" hashes what the record could hold at most (ssl3_cbc.c). To seal hides nothing.
 * Encrypt-then-MAC needs none of this: a record is authentic before it is deciphered. */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include "drivers/drivers.h"
#include "drivers/sym/hmac_libcrypto.h"
#include "drivers/sym/record.h"
#include "drivers/sym/schedules.h"
#include "lib/base/secret.h"

struct libcrypto {
	OSSL_LIB_CTX *lib;
	OSSL_PROVIDER *provider;
	EVP_CIPHER *cipher[HF_CIPHER_CNT], *cbc[HF_CIPHER_CNT];
	EVP_MD_CTX *hash[HF_HASH_CNT];
	EVP_MAC_CTX *tls_hmac; /* SHA-384, to be copied */
	struct hf_schedules index;
	uint32_t schedule_cnt;
	EVP_CIPHER_CTX *schedule[];
};

static const struct {
	const char *whole; /* computes the record alone */
	const char *cbc;   /* for what it does not: to be composed with an HMAC */
} cipher_name[HF_CIPHER_CNT] = {
	[HF_CIPHER_AES128_CBC_SHA1] = {"AES-128-CBC-HMAC-SHA1", "AES-128-CBC"},
	[HF_CIPHER_AES256_CBC_SHA1] = {"AES-256-CBC-HMAC-SHA1", "AES-256-CBC"},
	[HF_CIPHER_AES128_CBC_SHA256] = {"AES-128-CBC-HMAC-SHA256", "AES-128-CBC"},
	[HF_CIPHER_AES128_GCM] = {"AES-128-GCM", NULL},
	[HF_CIPHER_AES256_GCM] = {"AES-256-GCM", NULL},
	[HF_CIPHER_AES256_CBC_SHA256] = {"AES-256-CBC-HMAC-SHA256", "AES-256-CBC"},
	[HF_CIPHER_AES256_CBC_SHA384] = {NULL, "AES-256-CBC"},
	[HF_CIPHER_CHACHA20_POLY1305] = {"ChaCha20-Poly1305", NULL},
};

static const char *const hash_name[HF_HASH_CNT] = {
	[HF_SHA1] = "SHA1",
	[HF_SHA256] = "SHA2-256",
	[HF_SHA384] = "SHA2-384",
	[HF_SHA512] = "SHA2-512",
};

/* ---- life ---- */

static size_t size(uint32_t schedule_cnt)
{
	return sizeof(struct libcrypto) + schedule_cnt * sizeof(EVP_CIPHER_CTX *) +
	       hf_schedules_size(schedule_cnt);
}

static void fini(void *ctx)
{
	struct libcrypto *c = ctx;

	for (uint32_t i = 0; i < c->schedule_cnt; i++)
		EVP_CIPHER_CTX_free(c->schedule[i]);
	for (uint32_t i = 0; i < HF_CIPHER_CNT; i++) {
		EVP_CIPHER_free(c->cipher[i]);
		EVP_CIPHER_free(c->cbc[i]);
	}
	for (uint32_t i = 0; i < HF_HASH_CNT; i++)
		EVP_MD_CTX_free(c->hash[i]);
	EVP_MAC_CTX_free(c->tls_hmac);
	if (c->provider)
		OSSL_PROVIDER_unload(c->provider);
	OSSL_LIB_CTX_free(c->lib);
	hf_wipe(c, size(c->schedule_cnt));
}

/* False if there is a name but no such cipher. */
static bool fetch_cipher(OSSL_LIB_CTX *lib, const char *name, EVP_CIPHER **cipher)
{
	*cipher = name ? EVP_CIPHER_fetch(lib, name, NULL) : NULL;
	return *cipher || !name;
}

static bool fetch_ciphers(struct libcrypto *c)
{
	for (uint32_t i = HF_CIPHER_NONE + 1; i < HF_CIPHER_CNT; i++)
		if (!fetch_cipher(c->lib, cipher_name[i].whole, &c->cipher[i]) ||
			!fetch_cipher(c->lib, cipher_name[i].cbc, &c->cbc[i]))
			return false;
	return true;
}

static bool fetch_hashes(struct libcrypto *c)
{
	bool ok = true;

	for (uint32_t i = HF_SHA1; ok && i < HF_HASH_CNT; i++) {
		EVP_MD *md = EVP_MD_fetch(c->lib, hash_name[i], NULL);

		c->hash[i] = EVP_MD_CTX_new();
		ok = md && c->hash[i] && EVP_DigestInit_ex2(c->hash[i], md, NULL) == 1;
		EVP_MD_free(md);
	}
	return ok;
}

static bool fetch_tls_hmac(struct libcrypto *c)
{
	EVP_MAC *hmac = EVP_MAC_fetch(c->lib, "HMAC", NULL);
	OSSL_PARAM digest[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
				       (char *)(uintptr_t)hash_name[HF_SHA384], 0),
		OSSL_PARAM_construct_end()};

	c->tls_hmac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
	EVP_MAC_free(hmac);
	return c->tls_hmac && EVP_MAC_CTX_set_params(c->tls_hmac, digest) == 1;
}

static bool make_schedules(struct libcrypto *c)
{
	for (uint32_t i = 0; i < c->schedule_cnt; i++) {
		c->schedule[i] = EVP_CIPHER_CTX_new();
		if (!c->schedule[i])
			return false;
	}
	return true;
}

static int init(void *ctx, uint32_t schedule_cnt)
{
	struct libcrypto *c = ctx;

	memset(c, 0, size(schedule_cnt));
	c->schedule_cnt = schedule_cnt;
	hf_schedules_init(&c->index, &c->schedule[schedule_cnt], schedule_cnt);
	c->lib = OSSL_LIB_CTX_new();
	if (c->lib)
		c->provider = OSSL_PROVIDER_load(c->lib, "default");
	if (c->provider && fetch_ciphers(c) && fetch_hashes(c) && fetch_tls_hmac(c) &&
		make_schedules(c))
		return 0;
	ERR_clear_error();
	fini(c);
	return -1;
}

/* The AES-CBC-HMAC ciphers exist only where OpenSSL finds AES-NI. */
static bool probe(void)
{
	OSSL_LIB_CTX *lib = OSSL_LIB_CTX_new();
	bool all = lib != NULL;

	for (uint32_t i = HF_CIPHER_NONE + 1; all && i < HF_CIPHER_CNT; i++) {
		EVP_CIPHER *cipher;

		all = fetch_cipher(lib, cipher_name[i].whole, &cipher);
		EVP_CIPHER_free(cipher);
	}
	ERR_clear_error();
	OSSL_LIB_CTX_free(lib);
	return all;
}

/* ---- key schedules ---- */

static void forget(void *ctx, uint64_t keys_id)
{
	struct libcrypto *c = ctx;
	uint32_t i = hf_schedules_drop(&c->index, keys_id);

	if (i != HF_SCHEDULE_NONE)
		EVP_CIPHER_CTX_reset(c->schedule[i]); /* clears the expanded key */
}

/* Is a record of these keys composed of the plain CBC cipher and an HMAC? */
static bool composed(const struct hf_sym_keys *keys)
{
	return keys->etm || !cipher_name[keys->cipher].whole;
}

static bool expand_composed(
	struct libcrypto *c, EVP_CIPHER_CTX *x, const struct hf_sym_keys *keys, bool seal)
{
	unsigned version = 0x0303;
	size_t mac_len = hf_cipher_info[keys->cipher].tag_len;
	OSSL_PARAM tls[] = {OSSL_PARAM_construct_uint(OSSL_CIPHER_PARAM_TLS_VERSION, &version),
		OSSL_PARAM_construct_size_t(OSSL_CIPHER_PARAM_TLS_MAC_SIZE, &mac_len),
		OSSL_PARAM_construct_end()};
	bool tls_mode = !seal && !keys->etm;

	return EVP_CipherInit_ex2(x, c->cbc[keys->cipher], keys->key, NULL, seal,
		       tls_mode ? tls : NULL) == 1 &&
	       (tls_mode || EVP_CIPHER_CTX_set_padding(x, 0) == 1);
}

static bool expand(
	struct libcrypto *c, EVP_CIPHER_CTX *x, const struct hf_sym_keys *keys, bool seal)
{
	const struct hf_cipher_info *info = &hf_cipher_info[keys->cipher];

	if (composed(keys))
		return expand_composed(c, x, keys, seal);
	return EVP_CipherInit_ex2(x, c->cipher[keys->cipher], keys->key, NULL, seal, NULL) == 1 &&
	       (info->aead || EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_MAC_KEY, info->mac_key_len,
				      (void *)(uintptr_t)keys->mac) > 0);
}

/* The expanded key of a record job, made if it is not there; NULL if libcrypto cannot. */
static EVP_CIPHER_CTX *schedule_of(struct libcrypto *c, const struct hf_sym_job *job)
{
	uint32_t i = hf_schedules_find(&c->index, job->keys->id, job->kind);

	if (i != HF_SCHEDULE_NONE)
		return c->schedule[i];
	i = hf_schedules_add(&c->index, job->keys->id, job->kind);
	EVP_CIPHER_CTX_reset(c->schedule[i]);
	if (expand(c, c->schedule[i], job->keys, job->kind == HF_SYM_SEAL))
		return c->schedule[i];
	forget(c, job->keys->id);
	return NULL;
}

/* ---- records ---- */

static bool aead_begin(EVP_CIPHER_CTX *x, const struct hf_sym_job *job, uint32_t len)
{
	uint8_t nonce[HF_RECORD_NONCE_LEN], aad[HF_RECORD_AAD_LEN];
	int n;

	hf_record_nonce(nonce, job);
	hf_record_aad(aad, job, len);
	return EVP_CipherInit_ex2(x, NULL, NULL, nonce, -1, NULL) == 1 &&
	       EVP_CipherUpdate(x, NULL, &n, aad, sizeof(aad)) == 1;
}

static enum hf_sym_status seal_aead(EVP_CIPHER_CTX *x, struct hf_sym_job *job)
{
	uint32_t prefix_len = hf_cipher_info[job->keys->cipher].prefix_len;
	uint8_t *text = job->data + prefix_len;
	int n;

	if (prefix_len > 0)
		hf_record_put_u64(job->data, job->seq);
	if (!aead_begin(x, job, job->len) ||
		EVP_CipherUpdate(x, text, &n, text, (int)job->len) != 1 ||
		EVP_CipherFinal_ex(x, text + job->len, &n) != 1 ||
		EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_GET_TAG, HF_RECORD_TAG_LEN, text + job->len) !=
			1)
		return HF_SYM_ERROR;
	job->out_len = prefix_len + job->len + HF_RECORD_TAG_LEN;
	return HF_SYM_OK;
}

static enum hf_sym_status open_aead(EVP_CIPHER_CTX *x, struct hf_sym_job *job)
{
	uint32_t prefix_len = hf_cipher_info[job->keys->cipher].prefix_len;
	uint8_t *text = job->data + prefix_len;
	uint32_t len = job->len - prefix_len - HF_RECORD_TAG_LEN;
	int n;

	if (job->len < prefix_len + HF_RECORD_TAG_LEN)
		return HF_SYM_BAD_RECORD;
	if (!aead_begin(x, job, len) ||
		EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_TAG, HF_RECORD_TAG_LEN, text + len) != 1 ||
		EVP_CipherUpdate(x, text, &n, text, (int)len) != 1)
		return HF_SYM_ERROR;
	if (EVP_CipherFinal_ex(x, text + len, &n) != 1)
		return HF_SYM_BAD_RECORD;
	job->out_off = prefix_len;
	job->out_len = len;
	return HF_SYM_OK;
}

static const uint8_t zero_iv[HF_RECORD_IV_LEN];

/* libcrypto counts the explicit IV into the length while sealing and takes it off again, and wants
 * the length of the result, not of the plaintext, from the call. The explicit IV is the first
 * block enciphered under a zero IV: what an observer sees is the caller's unpredictable iv after
 * one AES under a key he does not have. */
static enum hf_sym_status seal_cbc(EVP_CIPHER_CTX *x, struct hf_sym_job *job)
{
	uint32_t len = HF_RECORD_IV_LEN + hf_record_cbc_len(job);
	uint8_t aad[HF_RECORD_AAD_LEN];

	memcpy(job->data, job->iv, HF_RECORD_IV_LEN);
	hf_record_aad(aad, job, HF_RECORD_IV_LEN + job->len);
	if (EVP_CipherInit_ex2(x, NULL, NULL, zero_iv, -1, NULL) != 1 ||
		EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_TLS1_AAD, sizeof(aad), aad) <= 0 ||
		EVP_Cipher(x, job->data, job->data, len) <= 0)
		return HF_SYM_ERROR;
	job->out_len = len;
	return HF_SYM_OK;
}

/* A whole number of blocks: explicit IV, and what holds at least a MAC and a byte of padding. */
static bool cbc_len_possible(const struct hf_sym_job *job)
{
	uint32_t mac_len = hf_cipher_info[job->keys->cipher].tag_len;

	return job->len % 16 == 0 && job->len >= HF_RECORD_IV_LEN + HF_ROUND_UP(mac_len + 1, 16u);
}

static enum hf_sym_status open_cbc(EVP_CIPHER_CTX *x, struct hf_sym_job *job)
{
	uint32_t mac_len = hf_cipher_info[job->keys->cipher].tag_len;
	uint8_t aad[HF_RECORD_AAD_LEN];

	if (!cbc_len_possible(job))
		return HF_SYM_BAD_RECORD;
	hf_record_aad(aad, job, 0); /* libcrypto fills in the length it finds */
	if (EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_TLS1_AAD, sizeof(aad), aad) <= 0)
		return HF_SYM_ERROR;
	if (EVP_Cipher(x, job->data, job->data, job->len) <= 0)
		return HF_SYM_BAD_RECORD;
	/* authentic from here on, so its padding length is no secret any more */
	job->out_off = HF_RECORD_IV_LEN;
	job->out_len = job->len - HF_RECORD_IV_LEN - mac_len - 1 - job->data[job->len - 1];
	return HF_SYM_OK;
}

/* ---- records composed of CBC and HMAC ---- */

static void mac_of(const struct hf_sym_job *job, uint32_t len, const uint8_t *p, uint8_t *out)
{
	const struct hf_cipher_info *info = &hf_cipher_info[job->keys->cipher];
	struct hf_span content = hf_span(p, len);
	uint8_t aad[HF_RECORD_AAD_LEN];
	struct hf_hmac h;

	hf_record_aad(aad, job, len);
	hf_hmac_key(&h, info->hash, job->keys->mac, info->mac_key_len);
	hf_hmac(&h, hf_span(aad, sizeof(aad)), &content, 1, out);
	hf_wipe(&h, sizeof(h));
}

static bool cbc(EVP_CIPHER_CTX *x, const uint8_t *iv, uint8_t *data, uint32_t len)
{
	int n;

	return EVP_CipherInit_ex2(x, NULL, NULL, iv, -1, NULL) == 1 &&
	       EVP_CipherUpdate(x, data, &n, data, (int)len) == 1 && n == (int)len;
}

/* The explicit IV as in seal_cbc. */
static enum hf_sym_status seal_composed(EVP_CIPHER_CTX *x, struct hf_sym_job *job)
{
	uint32_t mac_len = hf_cipher_info[job->keys->cipher].tag_len;
	uint32_t len = hf_record_cbc_len(job), at = job->len;
	uint8_t *content = job->data + HF_RECORD_IV_LEN;

	memcpy(job->data, job->iv, HF_RECORD_IV_LEN);
	if (!job->keys->etm) {
		mac_of(job, at, content, content + at);
		at += mac_len;
	}
	hf_record_pad(content, at, len);
	job->out_len = HF_RECORD_IV_LEN + len;
	if (!cbc(x, zero_iv, job->data, job->out_len))
		return HF_SYM_ERROR;
	if (job->keys->etm) {
		mac_of(job, job->out_len, job->data, job->data + job->out_len);
		job->out_len += mac_len;
	}
	return HF_SYM_OK;
}

/* RFC 7366 3: the MAC first, over what was received; what it vouches for has no secrets in its
 * padding. */
static enum hf_sym_status open_etm(EVP_CIPHER_CTX *x, struct hf_sym_job *job)
{
	uint32_t mac_len = hf_cipher_info[job->keys->cipher].tag_len;
	uint32_t len = job->len - mac_len, pad_len, wrong = 0;
	uint8_t mac[HF_HASH_MAX];

	if (job->len < mac_len + HF_RECORD_IV_LEN + 16 || len % 16)
		return HF_SYM_BAD_RECORD;
	mac_of(job, len, job->data, mac);
	if (!hf_ct_bytes_eq(mac, job->data + len, mac_len))
		return HF_SYM_BAD_RECORD;
	if (!cbc(x, job->data, job->data + HF_RECORD_IV_LEN, len - HF_RECORD_IV_LEN))
		return HF_SYM_ERROR;
	pad_len = job->data[len - 1];
	if (pad_len + 1 > len - HF_RECORD_IV_LEN)
		return HF_SYM_BAD_RECORD;
	for (uint32_t i = 0; i < pad_len; i++)
		wrong |= job->data[len - 2 - i] ^ pad_len;
	job->out_off = HF_RECORD_IV_LEN;
	job->out_len = len - HF_RECORD_IV_LEN - pad_len - 1;
	return wrong ? HF_SYM_BAD_RECORD : HF_SYM_OK;
}

/* The MAC of the len bytes at p, a secret length inside the public size, in the time of size. The
 * context takes one record (hmac_prov.c), so each has a copy. */
static bool tls_mac(
	struct libcrypto *c, const struct hf_sym_job *job, uint32_t len, size_t size, uint8_t *out)
{
	uint32_t mac_len = hf_cipher_info[job->keys->cipher].tag_len;
	EVP_MAC_CTX *x = EVP_MAC_CTX_dup(c->tls_hmac);
	OSSL_PARAM tls[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_TLS_DATA_SIZE, &size),
		OSSL_PARAM_construct_end()};
	uint8_t aad[HF_RECORD_AAD_LEN];
	size_t n;
	bool ok;

	hf_record_aad(aad, job, len);
	ok = x && EVP_MAC_init(x, job->keys->mac, mac_len, tls) == 1 &&
	     EVP_MAC_update(x, aad, sizeof(aad)) == 1 &&
	     EVP_MAC_update(x, job->data + HF_RECORD_IV_LEN, len) == 1 &&
	     EVP_MAC_final(x, out, &n, HF_HASH_MAX) == 1;
	EVP_MAC_CTX_free(x);
	return ok;
}

/* libcrypto takes padding and MAC off and hands the MAC over; after bad padding it is a random one,
 * so that the comparison is the only verdict. */
static enum hf_sym_status open_composed(
	struct libcrypto *c, EVP_CIPHER_CTX *x, struct hf_sym_job *job)
{
	uint32_t mac_len = hf_cipher_info[job->keys->cipher].tag_len;
	uint8_t mac[HF_HASH_MAX], *theirs = NULL;
	OSSL_PARAM get[] = {OSSL_PARAM_construct_octet_ptr(
				    OSSL_CIPHER_PARAM_TLS_MAC, (void **)(void *)&theirs, mac_len),
		OSSL_PARAM_construct_end()};
	int len;

	if (!cbc_len_possible(job))
		return HF_SYM_BAD_RECORD;
	if (EVP_CipherInit_ex2(x, NULL, NULL, zero_iv, -1, NULL) != 1 ||
		EVP_CipherUpdate(x, job->data, &len, job->data, (int)job->len) != 1 ||
		EVP_CIPHER_CTX_get_params(x, get) != 1 || !theirs ||
		!tls_mac(c, job, (uint32_t)len, job->len - HF_RECORD_IV_LEN, mac))
		return HF_SYM_ERROR;
	if (!hf_ct_bytes_eq(mac, theirs, mac_len))
		return HF_SYM_BAD_RECORD;
	job->out_off = HF_RECORD_IV_LEN;
	job->out_len = (uint32_t)len;
	return HF_SYM_OK;
}

/* ---- one record ---- */

static enum hf_sym_status seal_record(EVP_CIPHER_CTX *x, struct hf_sym_job *job)
{
	if (composed(job->keys))
		return seal_composed(x, job);
	return hf_cipher_info[job->keys->cipher].aead ? seal_aead(x, job) : seal_cbc(x, job);
}

static enum hf_sym_status open_record(
	struct libcrypto *c, EVP_CIPHER_CTX *x, struct hf_sym_job *job)
{
	if (hf_cipher_info[job->keys->cipher].aead)
		return open_aead(x, job);
	if (job->keys->etm)
		return open_etm(x, job);
	return composed(job->keys) ? open_composed(c, x, job) : open_cbc(x, job);
}

static enum hf_sym_status record(struct libcrypto *c, struct hf_sym_job *job)
{
	EVP_CIPHER_CTX *x;
	enum hf_sym_status status;

	hf_record_check(job);
	x = schedule_of(c, job);
	if (!x)
		return HF_SYM_ERROR;
	if (job->kind == HF_SYM_SEAL)
		return seal_record(x, job);
	status = open_record(c, x, job);
	if (status != HF_SYM_OK)
		hf_wipe(job->data, job->len); /* unauthenticated plaintext is nobody's */
	return status;
}

/* ---- hashes and key derivation ---- */

static enum hf_sym_status hash(struct libcrypto *c, struct hf_sym_job *job)
{
	EVP_MD_CTX *x = c->hash[job->hash];
	unsigned len = 0;

	if (EVP_DigestInit_ex2(x, NULL, NULL) != 1)
		return HF_SYM_ERROR;
	for (uint32_t i = 0; i < job->v_cnt; i++)
		if (EVP_DigestUpdate(x, job->v[i].p, job->v[i].len) != 1)
			return HF_SYM_ERROR;
	if (EVP_DigestFinal_ex(x, job->out, &len) != 1)
		return HF_SYM_ERROR;
	job->out_len = len;
	return HF_SYM_OK;
}

/* P_hash, RFC 5246 5: A(0) = seed, A(i) = HMAC(secret, A(i-1)), out = HMAC(secret, A(i) || seed)
 * ... */
static enum hf_sym_status prf(struct hf_sym_job *job)
{
	const struct hf_span *seed = &job->v[1]; /* label and seed */
	uint32_t seed_cnt = job->v_cnt - 1, len = hf_hash_info[job->hash].len, done = 0;
	uint8_t a[HF_HASH_MAX], block[HF_HASH_MAX];
	struct hf_hmac h;

	HF_ASSERT(job->v_cnt >= 2 && job->v[0].len > 0);
	hf_hmac_key(&h, job->hash, job->v[0].p, job->v[0].len);
	hf_hmac(&h, hf_span(NULL, 0), seed, seed_cnt, a);
	while (done < job->out_len) {
		uint32_t take = HF_MIN(len, job->out_len - done);

		hf_hmac(&h, hf_span(a, len), seed, seed_cnt, block);
		memcpy(job->out + done, block, take);
		done += take;
		if (done < job->out_len)
			hf_hmac(&h, hf_span(a, len), NULL, 0, a);
	}
	hf_wipe(&h, sizeof(h));
	hf_wipe(a, sizeof(a));
	hf_wipe(block, sizeof(block));
	return HF_SYM_OK;
}

static void burst(void *ctx, struct hf_sym_job *const *jobs, uint32_t cnt)
{
	struct libcrypto *c = ctx;

	for (uint32_t i = 0; i < cnt; i++) {
		struct hf_sym_job *job = jobs[i];
		enum hf_sym_status status;

		if (job->kind == HF_SYM_SEAL || job->kind == HF_SYM_OPEN) {
			status = record(c, job);
		} else {
			HF_ASSERT(job->hash >= HF_SHA1 && job->hash <= HF_SHA512);
			status = job->kind == HF_SYM_HASH ? hash(c, job) : prf(job);
		}
		if (status != HF_SYM_OK)
			ERR_clear_error();
		job->status = (uint8_t)status;
	}
}

const struct hf_sym_driver hf_sym_libcrypto = {
	.name = "libcrypto",
	.probe = probe,
	.size = size,
	.init = init,
	.fini = fini,
	.burst = burst,
	.forget = forget,
};
