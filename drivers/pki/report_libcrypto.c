/* report_libcrypto.c -- see report.h. */
#include <openssl/err.h>
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
