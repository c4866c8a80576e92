/* report.h -- what loading a file has to tell the operator. Threads: a report belongs to one.
 * Memory: texts are cut to their place in it. */
#ifndef HF_DRIVERS_PKI_REPORT_H
#define HF_DRIVERS_PKI_REPORT_H

#include "lib/base/base.h"
#include "lib/crypto/pki.h"

/* The reason why it fails; returns -1. */
HF_PRINTF(2, 3) int hf_pki_fail(struct hf_pki_report *r, const char *fmt, ...);
/* Beyond HF_PKI_WARNING_MAX they are dropped. */
HF_PRINTF(2, 3) void hf_pki_warn(struct hf_pki_report *r, const char *fmt, ...);
/* libcrypto's word for what went wrong last. */
const char *hf_pki_reason(void);
/* What is wrong with the PEM block that libcrypto has just refused. */
struct hf_pki_damage {
	char s[128];
};
struct hf_pki_damage hf_pki_damage(void);

#endif
