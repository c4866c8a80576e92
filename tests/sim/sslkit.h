/* sslkit.h -- OpenSSL for the foreign side of a simulation: its randomness comes from dice, its
 * clock is not asked, and it brings a small certification authority that is born anew, and the
 * same, in every process.
 * Threads: one. The dice are process-wide, as OpenSSL's RAND_METHOD is. */
#ifndef TESTS_SIM_SSLKIT_H
#define TESTS_SIM_SSLKIT_H

#include <openssl/ssl.h>
#include "tests/sim/rng.h"

#define SSLKIT_NAME "www.sim.test"
#define SSLKIT_CHAIN_CNT 3 /* leaf, intermediate, root */

struct sslkit {
	EVP_PKEY *key[SSLKIT_CHAIN_CNT]; /* [0] is the server's, RSA-2048 like the others */
	X509 *cert[SSLKIT_CHAIN_CNT];
	SSL_CTX *client, *server;
};

/* From here on all of OpenSSL's random bytes are drawn from r. */
void sslkit_dice(struct rng *r);

/* One per run: nothing of an earlier run is in it but the three private keys. */
void sslkit_init(struct sslkit *k, uint64_t seed);
void sslkit_fini(struct sslkit *k);

#endif
