/* pk_engine.h -- what a driver in drivers/pk must be: raw batched public-key arithmetic, no
 * padding, no policy, no randomness of its own. And the key as engines see it.
 *
 * Constant time in everything but the key's size and number of primes. An engine releases no result
 * it has not checked: one faulty CRT half gives the factors away (Boneh, DeMillo, Lipton 1997), so
 * out^e mod n = in is verified inside, for a batch in its lanes.
 *
 * Threads: one context per worker. Memory: size() bytes, 64-byte aligned, given by the caller. */
#ifndef HF_CRYPTO_PK_ENGINE_H
#define HF_CRYPTO_PK_ENGINE_H

#include "lib/base/base.h"
#include "lib/base/span.h"

#define HF_RSA_PRIME_MAX 4u
#define HF_RSA_BITS_MAX 4096u

enum hf_pk_type { HF_PK_RSA = 1, HF_PK_EC_P256, HF_PK_EC_P384 };

/* A private key, checked at load (drivers/pki), immutable, in locked memory that is wiped when its
 * site generation ends. All numbers big endian. RSA: primes r_1..r_k with exponents d_i and
 * coefficients t_i as in RFC 8017 3.2 (t_2 = qInv for two primes). */
struct hf_pk_key {
	uint64_t id;  /* from 1, unique in the process, never reused: names it in engines' caches */
	uint8_t type; /* enum hf_pk_type */
	uint8_t prime_cnt;
	uint16_t bits; /* modulus bits */
	struct hf_span n, e, d;
	struct hf_span prime[HF_RSA_PRIME_MAX], exponent[HF_RSA_PRIME_MAX],
		coefficient[HF_RSA_PRIME_MAX];
	struct hf_span pkcs8; /* DER, for engines that parse it themselves (libcrypto) */
};

/* One raw operation: out = in^d mod n. in and out are n.len bytes, in < n. */
struct hf_rsa_op {
	const struct hf_pk_key *key;
	const uint8_t *in;
	uint8_t *out;
	const uint8_t *seed; /* 64 random bytes for blinding */
	int status;          /* enum hf_rsa_status */
};

enum hf_rsa_status {
	HF_RSA_OK = 0,
	HF_RSA_UNANSWERED = -1, /* out is void; another engine may try */
	HF_RSA_FAULT = -2,      /* out^e was not in: this engine computes wrongly, use it no more */
};

enum hf_pk_cost {
	HF_PK_WHOLE, /* rsa() computes everything before it returns: at most one op a poll turn */
	HF_PK_SLICEABLE, /* begin / step / end: a batch in bounded steps */
};

#define HF_PK_QUANTUM_MAX 32u

struct hf_pk_engine {
	const char *name;
	enum hf_pk_cost cost;
	uint32_t quantum; /* operations that fill the lanes, <= HF_PK_QUANTUM_MAX; 1 if scalar */
	bool (*probe)(void);
	size_t (*size)(void);
	int (*init)(void *ctx);
	void (*fini)(void *ctx); /* wipes */
	bool (*takes)(void *ctx, const struct hf_pk_key *key);
	void (*forget)(void *ctx, uint64_t key_id); /* its site is gone: drop and wipe caches */
	/* HF_PK_WHOLE */
	void (*rsa)(void *ctx, struct hf_rsa_op *ops, uint32_t cnt);
	/* HF_PK_SLICEABLE: begin takes up to quantum ops of one size class (bits, prime_cnt), at
	 * least one, and returns how many it took; step returns true while more steps remain; end
	 * writes outputs and statuses. ops stay in place until end. */
	uint32_t (*begin)(void *ctx, struct hf_rsa_op *ops, uint32_t cnt);
	bool (*step)(void *ctx);
	void (*end)(void *ctx);
};

#endif
