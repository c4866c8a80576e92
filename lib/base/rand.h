/* rand.h -- hf_rand: a fast-key-erasure generator over ChaCha20 (RFC 8439 2.3), one per worker.
 * Draws nothing from the machine: os seeds it at boot, control reseeds it, simulation seeds it with
 * a number. Each refill replaces the key before any byte is given (backtracking resistance), and
 * bytes are wiped from the buffer as they are handed out.
 * Threads: one worker. Memory: a plain struct. Never fails once seeded. */
#ifndef HF_BASE_RAND_H
#define HF_BASE_RAND_H

#include "lib/base/base.h"

#define HF_RAND_SEED_LEN 32u

struct hf_rand {
	uint8_t key[32];
	uint8_t buf[512];
	uint32_t pos; /* first unused byte of buf */
	uint64_t refills;
};

void hf_rand_seed(struct hf_rand *r, const uint8_t seed[HF_RAND_SEED_LEN]);
/* Mixes a fresh seed into the state; never makes it worse. */
void hf_rand_reseed(struct hf_rand *r, const uint8_t seed[HF_RAND_SEED_LEN]);
void hf_rand_bytes(struct hf_rand *r, void *out, size_t len);
uint64_t hf_rand_u64(struct hf_rand *r);
/* Uniform in [0, bound), bound > 0; not for secrets (may loop). */
uint32_t hf_rand_below(struct hf_rand *r, uint32_t bound);

/* One block of ChaCha20 key stream (RFC 8439 2.3). */
void hf_chacha20_block(
	const uint8_t key[32], uint32_t counter, const uint8_t nonce[12], uint8_t out[64]);

/* SipHash-2-4 (Aumasson, Bernstein 2012): the keyed hash of flow tables and initial sequence
 * numbers (RFC 6528). */
uint64_t hf_siphash(const uint8_t key[16], const void *p, size_t len);

#endif
