/* pk_pairs.h -- key pairs made before anybody asks, a ring of them for each group; for lib/crypto
 * alone. A pair is given once and wiped as it goes; one that nobody wanted for PAIR_AGE_NS is wiped,
 * too. Rings are filled only while pairs are being asked for, so an idle worker holds no keys.
 * Threads, memory: as pk.h; never shared between workers, and no process of the appliance forks. */
#ifndef HF_CRYPTO_PK_PAIRS_H
#define HF_CRYPTO_PK_PAIRS_H

#include "lib/crypto/pk.h"

#define HF_PK_PAIRS 32u    /* kept of a group */
#define HF_PK_PAIRS_LOW 8u /* fewer are filled up before other work, more when there is none */
#define HF_PK_PAIR_AGE_NS (5 * HF_NS_S)

struct hf_pk_pairs {
	struct hf_pk_pair pair[HF_PK_PAIRS];
	hf_ns made_at[HF_PK_PAIRS];
	uint32_t first, cnt;
	hf_ns wanted_until; /* as long as they have been asked for lately */
};

/* The oldest pair, which is the caller's alone from here on; false: there is none. */
HF_MUST_CHECK bool hf_pk_pairs_take(struct hf_pk_pairs *r, struct hf_pk_pair *out, hf_ns now);
/* A place to make one in; it counts once hf_pk_pairs_put says so. There must be one free. */
struct hf_pk_pair *hf_pk_pairs_place(struct hf_pk_pairs *r);
void hf_pk_pairs_put(struct hf_pk_pairs *r, hf_ns now);
/* Wipes those that are too old, returns how many. */
uint32_t hf_pk_pairs_age(struct hf_pk_pairs *r, hf_ns now);

#endif
