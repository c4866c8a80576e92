/* hmac_libcrypto.h -- HMAC (RFC 2104) with the key's two blocks hashed once, by libcrypto. Chaining
 * values are the words of the hash as the processor keeps them, which is also how lanes want them.
 * Threads: any. Memory: caller's; an hf_hmac is as secret as its key. Errors: none. */
#ifndef HF_SYM_HMAC_LIBCRYPTO_H
#define HF_SYM_HMAC_LIBCRYPTO_H

#include "lib/crypto/sym.h"

struct hf_hmac {
	uint64_t inner[8], outer[8];
	enum hf_hash hash;
};

void hf_hmac_key(struct hf_hmac *h, enum hf_hash hash, const uint8_t *key, size_t len);
/* out = HMAC(key, first || v[0] || v[1] || ...), hf_hash_info[hash].len bytes. */
void hf_hmac(const struct hf_hmac *h, struct hf_span first, const struct hf_span *v, uint32_t v_cnt,
	uint8_t *out);

#endif
