/* auth.h -- authorities that clients are checked against, as hf_pki_libcrypto loads them for
 * hf_auth_libcrypto. Threads, memory, errors: lib/crypto/pki.h. */
#ifndef HF_DRIVERS_PKI_AUTH_H
#define HF_DRIVERS_PKI_AUTH_H

#include "lib/crypto/pki.h"

struct hf_auth_ca *hf_auth_ca_load(const char *file, int64_t now_s, struct hf_pki_report *report);
void hf_auth_ca_free(struct hf_auth_ca *ca);

#endif
