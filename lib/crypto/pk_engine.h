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
 * site generation ends. All numbers big endian. ECDSA: d is the private key, as long as the order;
 * the rest of the numbers are empty. RSA: primes r_1..r_k with exponents d_i and
 * coefficients t_i as in RFC 8017 3.2 (t_2 = qInv for two primes).
 *
 * Three or four primes (RFC 8017 version 1; openssl genrsa -primes 3) are shorter primes, and the
 * private operation costs half of that with two, or less, while the certificate is like any other.
 * What that means for who runs such a key stands at certificates.key in lib/config/options.def. */
struct hf_pk_key {
	uint64_t id;  /* from 1, unique in the process, never reused: names it in engines' caches */
	uint8_t type; /* enum hf_pk_type */
	uint8_t prime_cnt;
	uint16_t bits; /* of the modulus or the order */
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

/* ---- curves ---- */

enum hf_group { HF_GROUP_X25519 = 1, HF_GROUP_P256, HF_GROUP_P384, HF_GROUP_CNT };

#define HF_EC_SCALAR_MAX 48u
#define HF_EC_POINT_MAX 97u
#define HF_EC_SIGNATURE_MAX 104u /* P-384: a DER sequence of two integers of 49 bytes */

enum hf_ec_kind {
	HF_EC_BASE,     /* out = scalar * base point, encoded as on the wire */
	HF_EC_MULTIPLY, /* out = x of scalar * in, a point as on the wire */
	HF_EC_SIGN,     /* out = ECDSA signature of the digest in, DER (RFC 8422 5.4) */
	HF_EC_KIND_CNT
};

/* One raw operation. Scalars are big endian and in 1 .. order - 1; those of X25519 are any 32 bytes,
 * little endian (RFC 7748 5). Points are uncompressed (RFC 8422 5.4.1), 32 bytes for X25519. */
struct hf_ec_op {
	uint8_t kind;                /* enum hf_ec_kind */
	uint8_t group;               /* enum hf_group */
	const struct hf_pk_key *key; /* SIGN */
	const uint8_t *scalar;       /* BASE, MULTIPLY */
	const uint8_t *in;
	uint32_t in_len;
	const uint8_t *seed; /* 64 random bytes, for the nonce of SIGN */
	uint8_t *out;
	uint32_t out_len;
	int status; /* enum hf_ec_status */
};

enum hf_ec_status {
	HF_EC_OK = 0,
	HF_EC_UNANSWERED = -1, /* out is void; another engine may try */
	HF_EC_REFUSED = -2,    /* in is not a point of the curve, or one of small order */
	HF_EC_FAULT = -3,      /* out is void: this engine computes wrongly, use it no more */
};

enum hf_pk_cost {
	HF_PK_WHOLE, /* rsa() computes everything before it returns: at most one op a poll turn */
	HF_PK_SLICEABLE, /* begin / step / end: a batch in bounded steps */
};

#define HF_PK_QUANTUM_MAX 32u

/* Secrets in floating point. A multiply-add in double precision is the widest exact multiplier that
 * AVX-512F has, so kernels compute with it; but it is not on every vendor's list of instructions whose
 * time is independent of their operands. What is known to make its time vary are subnormals,
 * infinities and NaNs, which take a microcode assist. The rule for an engine with floating_point set:
 *   - No operation meets or makes one of those. Its source states the bounds of every value, zero or
 *     well inside the normal range, and why they hold for any input.
 *   - Every entry sets MXCSR to one fixed value (round to nearest, all exceptions masked, nothing
 *     flushed) and restores the caller's, so no mode set elsewhere changes a result or a time.
 *   - `make timing` measures it on the processor at hand for operands of every class: zero, one, ones,
 *     the ends of a digit, random.
 * Whoever will not rely on that writes `crypto: {float: off}`, and such engines are not used.
 *
 * An engine computes RSA (takes is set), curves (ec is set), or both. */
struct hf_pk_engine {
	const char *name;
	enum hf_pk_cost cost; /* of RSA; WHOLE in an engine for curves alone: it has one context */
	bool floating_point;
	uint32_t quantum; /* operations of two primes that fill the lanes; 1 if scalar */
	uint32_t ops_max; /* that begin takes of any shape, <= HF_PK_QUANTUM_MAX; 0: the quantum */
	bool (*probe)(void);
	size_t (*size)(void);
	int (*init)(void *ctx);
	void (*fini)(void *ctx); /* wipes */
	bool (*takes)(void *ctx, const struct hf_pk_key *key);
	/* Its site is gone: drop and wipe caches. NULL: keeps nothing of keys. */
	void (*forget)(void *ctx, uint64_t key_id);
	/* HF_PK_WHOLE */
	void (*rsa)(void *ctx, struct hf_rsa_op *ops, uint32_t cnt);
	/* HF_PK_SLICEABLE: begin takes up to ops_max ops of one shape (bits, prime_cnt), the first
	 * of them at least, and returns how many it took; step returns true while more steps
	 * remain; end writes outputs and statuses. ops stay in place until end. */
	uint32_t (*begin)(void *ctx, struct hf_rsa_op *ops, uint32_t cnt);
	bool (*step)(void *ctx);
	void (*end)(void *ctx);
	/* HF_PK_SLICEABLE, NULL for engines that keep nothing of keys: one bounded step, between
	 * batches, towards having the key ready, with 64 random bytes for its blinding; true while
	 * more remain. begin takes operations up to the first whose key is not ready, and makes
	 * the first one's ready at once if nobody has: that can last as long as a batch. */
	bool (*prepare)(void *ctx, const struct hf_pk_key *key, const uint8_t *seed);
	/* Curves. ec computes up to ec_quantum ops of one kind and group before it returns: the
	 * slowest batch is shorter than one RSA operation. */
	uint32_t ec_quantum;
	/* A signature depends on key, digest and seed alone, as those of drivers/pk/p256.c do: its
	 * selftest knows it. Others add random bytes of their own. */
	bool ec_nonce_of_seed;
	bool (*takes_ec)(void *ctx, enum hf_ec_kind kind, enum hf_group group);
	void (*ec)(void *ctx, struct hf_ec_op *ops, uint32_t cnt);
};

#endif
