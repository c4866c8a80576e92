/* sym_double.h -- a symmetric driver without cryptography, so that tests and fuzzers get behind it.
 *   OPEN  what comes is the plaintext, unless it begins with SYM_DOUBLE_BAD (a record that does not
 *         open) or SYM_DOUBLE_ERROR (a driver that fails)
 *   SEAL  explicit IV as drawn, or nonce (the sequence number), plaintext, SYM_DOUBLE_TAG in place of
 *         MAC or tag
 *   HASH  a checksum of all bytes, repeated
 *   PRF   the label, repeated: verify_data and keys are known to everybody */
#ifndef TESTS_SYM_DOUBLE_H
#define TESTS_SYM_DOUBLE_H

#include "lib/crypto/sym.h"

#define SYM_DOUBLE_BAD "BAD!"
#define SYM_DOUBLE_ERROR "ERR!"
#define SYM_DOUBLE_TAG 0x5a

extern const struct hf_sym_driver sym_double;

/* Jobs of this kind fail; HF_SYM_KIND_CNT: none. */
extern enum hf_sym_kind sym_double_breaks;
extern uint64_t sym_double_forgotten; /* calls of forget */

/* What the PRF answers for a label. */
void sym_double_prf(const char *label, uint8_t *out, uint32_t out_len);

#endif
