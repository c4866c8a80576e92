/* report_libcrypto.c -- see report.h. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include "drivers/pki/report.h"

int hf_pki_fail(struct hf_pki_report *r, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(r->error, sizeof(r->error), fmt, args);
	va_end(args);
	return -1;
}

void hf_pki_warn(struct hf_pki_report *r, const char *fmt, ...)
{
	va_list args;

	if (r->warning_cnt == HF_PKI_WARNING_MAX)
		return;
	va_start(args, fmt);
	vsnprintf(r->warning[r->warning_cnt++], sizeof(r->warning[0]), fmt, args);
	va_end(args);
}

const char *hf_pki_reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	return text ? text : "unknown reason";
}

struct hf_pki_damage hf_pki_damage(void)
{
	unsigned long e = ERR_peek_last_error();
	struct hf_pki_damage d;

	switch (ERR_GET_LIB(e) == ERR_LIB_PEM ? ERR_GET_REASON(e) : 0) {
	case PEM_R_NO_START_LINE:
		snprintf(d.s, sizeof(d.s), "its -----BEGIN line is not whole");
		break;
	case PEM_R_BAD_END_LINE:
		snprintf(d.s, sizeof(d.s),
			"its -----END line is missing or wrong, as in a file cut off");
		break;
	case PEM_R_BAD_BASE64_DECODE:
		snprintf(d.s, sizeof(d.s), "between its lines is something else than base64");
		break;
	default:
		snprintf(d.s, sizeof(d.s), "what is inside is not whole, or of no known kind (%s)",
			hf_pki_reason());
	}
	return d;
}
