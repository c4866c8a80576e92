/* fuzz_yaml -- any bytes as an options file. What must hold: it is refused with errors that have a
 * place in the text, or taken; and what is taken is the same as itself at a reload, every reference
 * is resolved.
 * max_len: 4096 */
#include "lib/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_errors(const struct hf_config_errors *errs, const uint8_t *data, size_t len)
{
	uint32_t i, lines = 2;    /* the end of the text may count as a line of its own */
	for (i = 0; i < len; i++) /* what YAML 1.1 breaks lines at, or more */
		lines += data[i] == '\n' || data[i] == '\r' || data[i] == 0x85 || data[i] == 0xa8 ||
			 data[i] == 0xa9;
	HF_ASSERT(errs->cnt > 0 && errs->cnt <= HF_CONFIG_ERRORS_MAX);
	for (i = 0; i < errs->cnt; i++) {
		const struct hf_config_error *e = &errs->e[i];
		HF_ASSERT(e->pos.line <= lines);
		HF_ASSERT(e->reason[0] && e->remedy[0]);
		HF_ASSERT(i == 0 || errs->e[i - 1].pos.line <= e->pos.line);
	}
}

static void check_taken(const struct hf_config *cfg, struct hf_config_errors *errs)
{
	uint32_t i, j;
	HF_ASSERT(errs->cnt == 0);
	HF_ASSERT(hf_config_check_reload(cfg, cfg, errs) == 0);
	HF_ASSERT(
		cfg->ports_cnt && cfg->listeners_cnt && cfg->certificates_cnt && cfg->backends_cnt);
	for (i = 0; i < cfg->listeners_cnt; i++) {
		const struct hf_config_listener *l = &cfg->listeners[i];
		HF_ASSERT(l->backend.index < cfg->backends_cnt && l->certificates.cnt > 0);
		for (j = 0; j < l->certificates.cnt; j++)
			HF_ASSERT(l->certificates.v[j].index < cfg->certificates_cnt);
	}
	hf_config_error_at(cfg, errs, &cfg->listeners[0].address, "remedy", "reason");
	HF_ASSERT(errs->cnt == 1 && errs->e[0].pos.line > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct hf_config_errors errs;
	struct hf_config cfg;
	if (hf_config_parse_bytes("fuzz.yaml", data, len, &cfg, &errs) == 0) {
		check_taken(&cfg, &errs);
		hf_config_free(&cfg);
	} else {
		HF_ASSERT(cfg.mem == NULL);
		check_errors(&errs, data, len);
	}
	return 0;
}
