/* fuzz_hfbench -- any bytes as what a server answers to hfbench's hello: records, messages in pieces,
 * certificates of any content. It may fail as it likes, but read what it was given only, and end.
 * max_len: 8192 */
#include <stdlib.h>
#include "bench/hfbench/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const uint16_t groups[] = {29, 23, 0};
static struct btls_cfg cfg = {
	.group = groups, .sni = "handfast.test", .ems = true, .tickets = true};
static struct btls_shared shared;
static struct btls_session session;
static struct btls tls;

static void prepare(void)
{
	static const char *const names[] = {"ECDHE-RSA-AES128-GCM-SHA256", "AES128-SHA"};
	uint32_t i;
	for (i = 0; i < 2; i++)
		cfg.suite[cfg.suite_cnt++] = btls_suite(names[i], strlen(names[i]));
	HF_ASSERT(btls_shared_make(&shared, &cfg, 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	struct hf_span plain;
	size_t at = 0, used;
	HF_ASSERT(copy);
	if (!cfg.suite_cnt)
		prepare();
	memcpy(copy, data, len);
	session = (struct btls_session){.suite = NULL};
	btls_begin(&tls, &shared, &session);
	for (;;) {
		enum btls_got got = btls_record(&tls, copy + at, len - at, &used, &plain);
		HF_ASSERT(at + used <= len && (used > 0 || got == BTLS_MORE || got == BTLS_BAD));
		at += used;
		if (got != BTLS_QUIET)
			break;
	}
	btls_end(&tls);
	free(copy);
	return 0;
}
