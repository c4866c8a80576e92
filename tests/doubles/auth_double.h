/* auth_double.h -- a checker of clients' certificates without X.509: in a first certificate of
 * more than four bytes the fifth, behind the head of its SEQUENCE, is the verdict on it, and a signature is the begin of what was to be signed. */
#ifndef TESTS_AUTH_DOUBLE_H
#define TESTS_AUTH_DOUBLE_H

#include "lib/crypto/auth.h"

#define AUTH_DOUBLE_SIGNATURE_LEN 8u

extern const struct hf_auth_driver auth_double;
extern const struct hf_auth_ca auth_double_ca;

#endif
