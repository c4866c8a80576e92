/* pk_pss.c -- the encoding of a PSS signature, hashed by the worker's driver. Nothing in it is secret
 * once the signature is out: whoever verifies it finds the salt. The seed must stay secret, because
 * it blinds the operation, so the salt is a hash of the seed. */
#include "lib/crypto/pk_pss.h"
#include "lib/crypto/sym.h"

static int hash(
	struct hf_sym *sym, uint8_t alg, const struct hf_span *v, uint32_t cnt, uint8_t *out)
{
	struct hf_sym_job job = {
		.kind = HF_SYM_HASH, .hash = alg, .v = v, .v_cnt = cnt, .out = out};

	return hf_sym_direct(sym, &job) == HF_SYM_OK ? 0 : -1;
}

/* XORs MGF1(h) over data, RFC 8017 B.2.1; no mask here is longer than 255 hashes. */
static int mask(struct hf_sym *sym, uint8_t alg, struct hf_span h, uint8_t *data, size_t len)
{
	uint8_t counter[4] = {0}, block[HF_HASH_MAX];
	const struct hf_span v[] = {h, hf_span(counter, sizeof(counter))};

	for (size_t at = 0; at < len; at += h.len, counter[3]++) {
		if (hash(sym, alg, v, 2, block))
			return -1;
		for (size_t i = 0; i < h.len && at + i < len; i++)
			data[at + i] ^= block[i];
	}
	return 0;
}

/* With a modulus of whole bytes EM is as long as it, and its first bit is 0:
 * (00 .. 00 01 salt) XOR MGF1(H), H, BC; H is the hash of eight zeros, digest, salt. */
int hf_pk_pss_prepare(struct hf_pk_job *job, struct hf_sym *sym)
{
	static const uint8_t zeros[8];
	size_t len = hf_hash_info[job->hash].len, db_len = job->key->n.len - len - 1;
	uint8_t digest[HF_HASH_MAX], *em = job->in, *salt = em + db_len - len, *h = em + db_len;
	const struct hf_span seed = hf_span(job->seed, sizeof(job->seed));
	const struct hf_span m[] = {
		hf_span(zeros, sizeof(zeros)), hf_span(digest, len), hf_span(salt, len)};

	HF_ASSERT(job->in_len == len && job->key->bits % 8 == 0 && db_len >= len + 1);
	memcpy(digest, job->in, len);
	memset(em, 0, db_len - len - 1);
	salt[-1] = 1;
	h[len] = 0xbc;
	if (hash(sym, job->hash, &seed, 1, salt) || hash(sym, job->hash, m, 3, h) ||
		mask(sym, job->hash, hf_span(h, len), em, db_len))
		return -1;
	em[0] &= 0x7f;
	return 0;
}
