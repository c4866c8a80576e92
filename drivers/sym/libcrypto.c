/* libcrypto.c -- records, hashes and key derivation by OpenSSL, one job after the other. All
 * objects are fetched once from a library context of this worker; what changes per job is a nonce.
 *
 * A key schedule costs more than a short record, so the last schedule_cnt of them stay ready,
 * found by the key's id, and the one used longest ago makes room; libcrypto clears it then.
 *
 * CBC is MAC-then-encrypt, and a MAC whose time or memory trace tells how long the padding was
 * gives plaintext away (Vaudenay 2002, Lucky Thirteen 2013). Both directions therefore use
 * OpenSSL's AES-CBC-HMAC ciphers in TLS mode: opening decrypts, clamps the padding length with a
 * mask, runs the hash over the longest message the record could hold, block by block, picks the
 * right state by masks, and compares MAC and every possible padding byte in one fixed loop
 * (cipher_aes_cbc_hmac_sha{1,256}_hw.c, read for 3.0). What varies is an index that moves inside
 * one aligned 32-byte array, that is one cache line. The other way libcrypto offers, the plain CBC
 * cipher with TLS parameters and an HMAC with "tls-data-size", is constant in the same sense and
 * needs no AES-NI, but hashes byte by byte in C; every processor we name has AES-NI. */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include "drivers/drivers.h"
#include "lib/base/secret.h"
#include "lib/crypto/sym.h"

#define AAD_LEN 13u /* seq_num, type, version, length: RFC 5246 6.2.3.1 and 6.2.3.3 */
#define GCM_TAG_LEN 16
#define NONE UINT32_MAX

struct schedule {
	EVP_CIPHER_CTX *cipher;
	uint64_t id;
	uint32_t chain;        /* next of the same bucket */
	uint32_t older, newer; /* the order of use; places without a key are oldest */
	uint8_t kind;          /* HF_SYM_SEAL or HF_SYM_OPEN */
	bool live;
};

struct libcrypto {
	OSSL_LIB_CTX *lib;
	OSSL_PROVIDER *provider;
	EVP_CIPHER *cipher[HF_CIPHER_CNT];
	EVP_MD_CTX *hash[HF_SHA512 + 1];
	EVP_MAC_CTX *hmac[HF_SHA512 + 1];
	uint32_t schedule_cnt, bucket_mask, oldest, newest;
	uint32_t *bucket;
	struct schedule schedule[];
};

static const char *const cipher_name[HF_CIPHER_CNT] = {
	[HF_CIPHER_AES128_CBC_SHA1] = "AES-128-CBC-HMAC-SHA1",
	[HF_CIPHER_AES256_CBC_SHA1] = "AES-256-CBC-HMAC-SHA1",
	[HF_CIPHER_AES128_CBC_SHA256] = "AES-128-CBC-HMAC-SHA256",
	[HF_CIPHER_AES128_GCM] = "AES-128-GCM",
	[HF_CIPHER_AES256_GCM] = "AES-256-GCM",
};

static const char *const hash_name[HF_SHA512 + 1] = {
	[HF_SHA1] = "SHA1",
	[HF_SHA256] = "SHA2-256",
	[HF_SHA384] = "SHA2-384",
	[HF_SHA512] = "SHA2-512",
};

/* ---- life ---- */

static uint32_t bucket_cnt(uint32_t schedule_cnt)
{
	uint32_t cnt = 1;

	while (cnt < schedule_cnt)
		cnt *= 2;
	return cnt;
}

static size_t size(uint32_t schedule_cnt)
{
	return sizeof(struct libcrypto) + schedule_cnt * sizeof(struct schedule) +
	       bucket_cnt(schedule_cnt) * sizeof(uint32_t);
}

static void fini(void *ctx)
{
	struct libcrypto *c = ctx;

	for (uint32_t i = 0; i < c->schedule_cnt; i++)
		EVP_CIPHER_CTX_free(c->schedule[i].cipher);
	for (uint32_t i = 0; i < HF_CIPHER_CNT; i++)
		EVP_CIPHER_free(c->cipher[i]);
	for (uint32_t i = 0; i <= HF_SHA512; i++) {
		EVP_MD_CTX_free(c->hash[i]);
		EVP_MAC_CTX_free(c->hmac[i]);
	}
	if (c->provider)
		OSSL_PROVIDER_unload(c->provider);
	OSSL_LIB_CTX_free(c->lib);
	hf_wipe(c, size(c->schedule_cnt));
}

static bool fetch_ciphers(struct libcrypto *c)
{
	for (uint32_t i = HF_CIPHER_NONE + 1; i < HF_CIPHER_CNT; i++) {
		c->cipher[i] = EVP_CIPHER_fetch(c->lib, cipher_name[i], NULL);
		if (!c->cipher[i])
			return false;
	}
	return true;
}

static bool fetch_hashes(struct libcrypto *c)
{
	EVP_MAC *hmac = EVP_MAC_fetch(c->lib, "HMAC", NULL);
	bool ok = hmac != NULL;

	for (uint32_t i = HF_SHA1; ok && i <= HF_SHA512; i++) {
		EVP_MD *md = EVP_MD_fetch(c->lib, hash_name[i], NULL);
		OSSL_PARAM digest[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
					       (char *)(uintptr_t)hash_name[i], 0),
			OSSL_PARAM_construct_end()};

		c->hash[i] = EVP_MD_CTX_new();
		c->hmac[i] = EVP_MAC_CTX_new(hmac);
		ok = md && c->hash[i] && c->hmac[i] &&
		     EVP_DigestInit_ex2(c->hash[i], md, NULL) == 1 &&
		     EVP_MAC_CTX_set_params(c->hmac[i], digest) == 1;
		EVP_MD_free(md);
	}
	EVP_MAC_free(hmac);
	return ok;
}

static bool make_schedules(struct libcrypto *c)
{
	uint32_t cnt = c->schedule_cnt;

	for (uint32_t i = 0; i <= c->bucket_mask; i++)
		c->bucket[i] = NONE;
	for (uint32_t i = 0; i < cnt; i++)
		c->schedule[i] = (struct schedule){.cipher = EVP_CIPHER_CTX_new(),
			.older = i ? i - 1 : NONE,
			.newer = i + 1 < cnt ? i + 1 : NONE};
	c->oldest = 0;
	c->newest = cnt - 1;
	for (uint32_t i = 0; i < cnt; i++)
		if (!c->schedule[i].cipher)
			return false;
	return true;
}

static int init(void *ctx, uint32_t schedule_cnt)
{
	struct libcrypto *c = ctx;

	HF_ASSERT(schedule_cnt > 0);
	memset(c, 0, size(schedule_cnt));
	c->schedule_cnt = schedule_cnt;
	c->bucket = (uint32_t *)(void *)&c->schedule[schedule_cnt];
	c->bucket_mask = bucket_cnt(schedule_cnt) - 1;
	c->lib = OSSL_LIB_CTX_new();
	if (c->lib)
		c->provider = OSSL_PROVIDER_load(c->lib, "default");
	if (c->provider && fetch_ciphers(c) && fetch_hashes(c) && make_schedules(c))
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
		EVP_CIPHER *cipher = EVP_CIPHER_fetch(lib, cipher_name[i], NULL);
		all = cipher != NULL;
		EVP_CIPHER_free(cipher);
	}
	ERR_clear_error();
	OSSL_LIB_CTX_free(lib);
	return all;
}

/* ---- key schedules ---- */

static uint32_t *bucket_of(struct libcrypto *c, uint64_t id)
{
	return &c->bucket[(uint32_t)((id * 0x9e3779b97f4a7c15ull) >> 32) & c->bucket_mask];
}

static void unlink_age(struct libcrypto *c, struct schedule *s)
{
	*(s->older != NONE ? &c->schedule[s->older].newer : &c->oldest) = s->newer;
	*(s->newer != NONE ? &c->schedule[s->newer].older : &c->newest) = s->older;
}

static void make_newest(struct libcrypto *c, struct schedule *s)
{
	uint32_t i = (uint32_t)(s - c->schedule);

	unlink_age(c, s);
	s->older = c->newest;
	s->newer = NONE;
	*(s->older != NONE ? &c->schedule[s->older].newer : &c->oldest) = i;
	c->newest = i;
}

static void make_oldest(struct libcrypto *c, struct schedule *s)
{
	uint32_t i = (uint32_t)(s - c->schedule);

	unlink_age(c, s);
	s->newer = c->oldest;
	s->older = NONE;
	*(s->newer != NONE ? &c->schedule[s->newer].older : &c->newest) = i;
	c->oldest = i;
}

static struct schedule *find(struct libcrypto *c, uint64_t id)
{
	for (uint32_t i = *bucket_of(c, id); i != NONE; i = c->schedule[i].chain)
		if (c->schedule[i].id == id)
			return &c->schedule[i];
	return NULL;
}

/* Takes the key out of its place; libcrypto clears the expanded key. */
static void drop(struct libcrypto *c, struct schedule *s)
{
	uint32_t *link = bucket_of(c, s->id);

	while (&c->schedule[*link] != s)
		link = &c->schedule[*link].chain;
	*link = s->chain;
	EVP_CIPHER_CTX_reset(s->cipher);
	s->live = false;
	make_oldest(c, s);
}

static void forget(void *ctx, uint64_t keys_id)
{
	struct libcrypto *c = ctx;
	struct schedule *s = find(c, keys_id);

	if (s)
		drop(c, s);
}

static bool expand(struct libcrypto *c, struct schedule *s, const struct hf_sym_keys *keys)
{
	const struct hf_cipher_info *info = &hf_cipher_info[keys->cipher];

	if (EVP_CipherInit_ex2(s->cipher, c->cipher[keys->cipher], keys->key, NULL,
		    s->kind == HF_SYM_SEAL, NULL) != 1)
		return false;
	return info->aead || EVP_CIPHER_CTX_ctrl(s->cipher, EVP_CTRL_AEAD_SET_MAC_KEY,
				     info->mac_key_len, (void *)(uintptr_t)keys->mac) > 0;
}

/* The expanded key of a record job, made if it is not there; NULL if libcrypto cannot. */
static EVP_CIPHER_CTX *schedule_of(struct libcrypto *c, const struct hf_sym_job *job)
{
	struct schedule *s = find(c, job->keys->id);
	uint32_t *bucket = bucket_of(c, job->keys->id);

	if (s) {
		HF_ASSERT(s->kind == job->kind); /* a key belongs to one direction */
		make_newest(c, s);
		return s->cipher;
	}
	s = &c->schedule[c->oldest];
	if (s->live)
		drop(c, s);
	s->kind = job->kind;
	if (!expand(c, s, job->keys)) {
		EVP_CIPHER_CTX_reset(s->cipher);
		return NULL;
	}
	s->id = job->keys->id;
	s->live = true;
	s->chain = *bucket;
	*bucket = (uint32_t)(s - c->schedule);
	make_newest(c, s);
	return s->cipher;
}

/* ---- records ---- */

static void put_u64(uint8_t p[8], uint64_t v)
{
	for (uint32_t i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (56 - 8 * i));
}

static void put_aad(uint8_t aad[AAD_LEN], const struct hf_sym_job *job, uint32_t len)
{
	put_u64(aad, job->seq);
	aad[8] = job->type;
	aad[9] = (uint8_t)(job->version >> 8);
	aad[10] = (uint8_t)job->version;
	aad[11] = (uint8_t)(len >> 8);
	aad[12] = (uint8_t)len;
}

static bool gcm_begin(EVP_CIPHER_CTX *x, const struct hf_sym_job *job, uint32_t len)
{
	uint8_t nonce[12], aad[AAD_LEN];
	int n;

	memcpy(nonce, job->keys->iv, 4);
	memcpy(nonce + 4, job->data, 8);
	put_aad(aad, job, len);
	return EVP_CipherInit_ex2(x, NULL, NULL, nonce, -1, NULL) == 1 &&
	       EVP_CipherUpdate(x, NULL, &n, aad, AAD_LEN) == 1;
}

static enum hf_sym_status seal_gcm(EVP_CIPHER_CTX *x, struct hf_sym_job *job)
{
	uint8_t *text = job->data + 8;
	int n;

	put_u64(job->data, job->seq);
	if (!gcm_begin(x, job, job->len) ||
		EVP_CipherUpdate(x, text, &n, text, (int)job->len) != 1 ||
		EVP_CipherFinal_ex(x, text + job->len, &n) != 1 ||
		EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_GET_TAG, GCM_TAG_LEN, text + job->len) != 1)
		return HF_SYM_ERROR;
	job->out_len = 8 + job->len + GCM_TAG_LEN;
	return HF_SYM_OK;
}

static enum hf_sym_status open_gcm(EVP_CIPHER_CTX *x, struct hf_sym_job *job)
{
	uint8_t *text = job->data + 8;
	uint32_t len = job->len - 8 - GCM_TAG_LEN;
	int n;

	if (job->len < 8 + GCM_TAG_LEN)
		return HF_SYM_BAD_RECORD;
	if (!gcm_begin(x, job, len) ||
		EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_TAG, GCM_TAG_LEN, text + len) != 1 ||
		EVP_CipherUpdate(x, text, &n, text, (int)len) != 1)
		return HF_SYM_ERROR;
	if (EVP_CipherFinal_ex(x, text + len, &n) != 1)
		return HF_SYM_BAD_RECORD;
	job->out_off = 8;
	job->out_len = len;
	return HF_SYM_OK;
}

/* libcrypto counts the explicit IV into the length while sealing and takes it off again, and wants
 * the length of the result, not of the plaintext, from the call. The explicit IV is the first
 * block enciphered under a zero IV: what an observer sees is the caller's unpredictable iv after
 * one AES under a key he does not have. */
static enum hf_sym_status seal_cbc(EVP_CIPHER_CTX *x, struct hf_sym_job *job)
{
	static const uint8_t zero_iv[16];
	uint32_t mac_len = hf_cipher_info[job->keys->cipher].tag_len;
	uint32_t len = 16 + HF_ROUND_UP(job->len + mac_len + 1, 16u);
	uint8_t aad[AAD_LEN];

	memcpy(job->data, job->iv, 16);
	put_aad(aad, job, 16 + job->len);
	if (EVP_CipherInit_ex2(x, NULL, NULL, zero_iv, -1, NULL) != 1 ||
		EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_TLS1_AAD, AAD_LEN, aad) <= 0 ||
		EVP_Cipher(x, job->data, job->data, len) <= 0)
		return HF_SYM_ERROR;
	job->out_len = len;
	return HF_SYM_OK;
}

static enum hf_sym_status open_cbc(EVP_CIPHER_CTX *x, struct hf_sym_job *job)
{
	uint32_t mac_len = hf_cipher_info[job->keys->cipher].tag_len;
	uint8_t aad[AAD_LEN];

	if (job->len % 16 || job->len < 16 + HF_ROUND_UP(mac_len + 1, 16u))
		return HF_SYM_BAD_RECORD;
	put_aad(aad, job, 0); /* libcrypto fills in the length it finds */
	if (EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_TLS1_AAD, AAD_LEN, aad) <= 0)
		return HF_SYM_ERROR;
	if (EVP_Cipher(x, job->data, job->data, job->len) <= 0)
		return HF_SYM_BAD_RECORD;
	/* authentic from here on, so its padding length is no secret any more */
	job->out_off = 16;
	job->out_len = job->len - 16 - mac_len - 1 - job->data[job->len - 1];
	return HF_SYM_OK;
}

static enum hf_sym_status record(struct libcrypto *c, struct hf_sym_job *job)
{
	EVP_CIPHER_CTX *x;
	bool aead = hf_cipher_info[job->keys->cipher].aead;
	enum hf_sym_status status;

	HF_ASSERT(job->keys->cipher > HF_CIPHER_NONE && job->keys->cipher < HF_CIPHER_CNT);
	HF_ASSERT(job->len <= UINT16_MAX - HF_SYM_PREFIX_MAX);
	x = schedule_of(c, job);
	if (!x)
		return HF_SYM_ERROR;
	if (job->kind == HF_SYM_SEAL)
		return aead ? seal_gcm(x, job) : seal_cbc(x, job);
	status = aead ? open_gcm(x, job) : open_cbc(x, job);
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

/* HMAC over A (if a_len) and the job's label and seed (if with_seed), under the key set last. */
static bool hmac(EVP_MAC_CTX *x, const struct hf_sym_job *job, const uint8_t *a, size_t a_len,
	bool with_seed, uint8_t out[HF_HASH_MAX], size_t *out_len)
{
	if (EVP_MAC_init(x, NULL, 0, NULL) != 1 || (a_len && EVP_MAC_update(x, a, a_len) != 1))
		return false;
	for (uint32_t i = 1; with_seed && i < job->v_cnt; i++)
		if (EVP_MAC_update(x, job->v[i].p, job->v[i].len) != 1)
			return false;
	return EVP_MAC_final(x, out, out_len, HF_HASH_MAX) == 1;
}

/* P_hash, RFC 5246 5: A(0) = seed, A(i) = HMAC(secret, A(i-1)), out = HMAC(secret, A(i) || seed)
 * ... */
static bool p_hash(EVP_MAC_CTX *x, const struct hf_sym_job *job, uint8_t a[HF_HASH_MAX],
	uint8_t block[HF_HASH_MAX])
{
	size_t len, done = 0;

	if (!hmac(x, job, NULL, 0, true, a, &len))
		return false;
	while (done < job->out_len) {
		size_t take = HF_MIN(len, job->out_len - done);

		if (!hmac(x, job, a, len, true, block, &len) ||
			!hmac(x, job, a, len, false, a, &len))
			return false;
		memcpy(job->out + done, block, take);
		done += take;
	}
	return true;
}

static enum hf_sym_status prf(struct libcrypto *c, struct hf_sym_job *job)
{
	static const uint8_t no_key[1];
	EVP_MAC_CTX *x = c->hmac[job->hash];
	uint8_t a[HF_HASH_MAX], block[HF_HASH_MAX];
	bool ok;

	HF_ASSERT(job->v_cnt >= 2 && job->v[0].len > 0);
	ok = EVP_MAC_init(x, job->v[0].p, job->v[0].len, NULL) == 1 && p_hash(x, job, a, block);
	ok = EVP_MAC_init(x, no_key, sizeof(no_key), NULL) == 1 && ok; /* the secret goes */
	hf_wipe(a, sizeof(a));
	hf_wipe(block, sizeof(block));
	if (ok)
		return HF_SYM_OK;
	hf_wipe(job->out, job->out_len);
	return HF_SYM_ERROR;
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
			status = job->kind == HF_SYM_HASH ? hash(c, job) : prf(c, job);
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
