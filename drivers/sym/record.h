/* record.h -- how a record's job becomes what ciphers want: the bytes that are authenticated with it, the
 * nonce, and lengths. Shared by the drivers in this folder. RFC 5246 6.2.3, 5288 3, 7905 2, 7366 3. */
#ifndef HF_SYM_RECORD_H
#define HF_SYM_RECORD_H

#include "lib/crypto/sym.h"

#define HF_RECORD_AAD_LEN 13u
#define HF_RECORD_NONCE_LEN 12u
#define HF_RECORD_TAG_LEN 16u /* of every AEAD */
#define HF_RECORD_IV_LEN 16u  /* explicit, CBC */

/* What every record job must be. */
static inline void hf_record_check(const struct hf_sym_job *job)
{
	HF_ASSERT(job->keys->cipher > HF_CIPHER_NONE && job->keys->cipher < HF_CIPHER_CNT);
	HF_ASSERT(job->len <= UINT16_MAX - HF_SYM_PREFIX_MAX);
	HF_ASSERT(!job->keys->etm || !hf_cipher_info[job->keys->cipher].aead);
}

static inline void hf_record_put_u64(uint8_t p[8], uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(p, &v, 8);
}

/* seq_num, type, version, length. */
static inline void hf_record_aad(
	uint8_t aad[HF_RECORD_AAD_LEN], const struct hf_sym_job *job, uint32_t len)
{
	hf_record_put_u64(aad, job->seq);
	aad[8] = job->type;
	aad[9] = (uint8_t)(job->version >> 8);
	aad[10] = (uint8_t)job->version;
	aad[11] = (uint8_t)(len >> 8);
	aad[12] = (uint8_t)len;
}

/* SEAL with GCM: the explicit nonce is in place. */
static inline void hf_record_nonce(uint8_t nonce[HF_RECORD_NONCE_LEN], const struct hf_sym_job *job)
{
	uint8_t seq[8];

	if (job->keys->cipher != HF_CIPHER_CHACHA20_POLY1305) {
		memcpy(nonce, job->keys->iv, 4);
		memcpy(nonce + 4, job->data, 8);
		return;
	}
	hf_record_put_u64(seq, job->seq);
	memcpy(nonce, job->keys->iv, HF_RECORD_NONCE_LEN);
	for (uint32_t i = 0; i < 8; i++)
		nonce[4 + i] ^= seq[i];
}

/* What is enciphered behind the explicit IV of a CBC record of len bytes: text and padding, and the
 * MAC unless it comes after. */
static inline uint32_t hf_record_cbc_len(const struct hf_sym_job *job)
{
	uint32_t mac_len = hf_cipher_info[job->keys->cipher].tag_len;

	return HF_ROUND_UP(job->len + (job->keys->etm ? 0 : mac_len) + 1, 16u);
}

/* Writes the padding of a record whose text (and MAC) ends at `at` and whose content is len long. */
static inline void hf_record_pad(uint8_t *content, uint32_t at, uint32_t len)
{
	memset(content + at, (int)(len - at - 1), len - at);
}

#endif
