/* pk_ec.h -- what pk.c does with jobs on curves; for lib/crypto alone. Once for all engines: a private
 * key from the caller's random bytes, the form of a peer's public value, the refusal of an all-zero
 * secret. Threads, memory: as pk.h. */
#ifndef HF_CRYPTO_PK_EC_H
#define HF_CRYPTO_PK_EC_H

#include "lib/crypto/pk.h"

static inline bool hf_pk_is_ec(const struct hf_pk_job *job)
{
	return job->op >= HF_PK_ECDH_KEYGEN;
}

/* A private key of 64 random bytes; false once in 2^64. */
HF_MUST_CHECK bool hf_pk_ec_draw(enum hf_group group, const uint8_t *seed, uint8_t *scalar);
/* True if there is something to compute; if not, job->status says why. */
HF_MUST_CHECK bool hf_pk_ec_prepare(struct hf_pk_job *job);
void hf_pk_ec_op(struct hf_pk_job *job, struct hf_ec_op *op);
void hf_pk_ec_answer(struct hf_pk_job *job, const struct hf_ec_op *op);
/* What hf_pk_selftest asks of an engine that takes curves: 0 or -1. */
HF_MUST_CHECK int hf_pk_ec_selftest(const struct hf_pk_engine *engine, void *ctx);

#endif
