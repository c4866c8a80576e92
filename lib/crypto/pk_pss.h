/* pk_pss.h -- EMSA-PSS (RFC 8017 9.1.1) in place of the digest in a job; for lib/crypto alone. The salt
 * is as long as the digest, the mask MGF1 of the same hash (RFC 8446 4.2.3). Threads, memory: as
 * pk.h. */
#ifndef HF_CRYPTO_PK_PSS_H
#define HF_CRYPTO_PK_PSS_H

#include "lib/crypto/pk.h"

/* job->in becomes what is to be signed; -1: sym has failed to hash. */
HF_MUST_CHECK int hf_pk_pss_prepare(struct hf_pk_job *job, struct hf_sym *sym);

#endif
