/* pk_double.h -- a public-key engine without arithmetic: the private operation gives back what it
 * got, so whoever writes an encoded premaster secret in the clear is understood, and everything
 * else takes the fallback path as it would with RSA. On a curve a public value shows its private
 * key, the shared secret is the exclusive or of both, and a signature is the digest. For tests and
 * fuzzing where time and keys are in the way. */
#ifndef TESTS_PK_DOUBLE_H
#define TESTS_PK_DOUBLE_H

#include "lib/crypto/pk.h"

extern const struct hf_pk_engine pk_double;
extern const struct hf_pk_key pk_double_key; /* 2048 bits, larger than every encoded message */

#endif
