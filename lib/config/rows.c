/* rows.c -- options.def and choices.def unrolled into tables.
 * The .def files are read three times: once by config.h for the structs, twice here, for the rows
 * of each section and for the list of sections. Nothing else knows an option's name. */
#include "lib/config/rows.h"

/* clang-format off */
#define HF_SET(set) static const struct hf_config_choice choices_##set[] = {
#define HF_CHOICE(set, id, value, text, help) {value, text, help},
#define HF_SET_END(set) };
#include "lib/config/choices.def"
#undef HF_SET
#undef HF_CHOICE
#undef HF_SET_END

const struct hf_config_set hf_config_sets[HF_SET_CNT] = {
#define HF_SET(set) {choices_##set, HF_ARRAY_LEN(choices_##set)},
#define HF_CHOICE(set, id, value, text, help)
#define HF_SET_END(set)
#include "lib/config/choices.def"
#undef HF_SET
#undef HF_CHOICE
#undef HF_SET_END
};

#define HF_ROW_NAME .type = HF_TYPE_NAME
#define HF_ROW_STR .type = HF_TYPE_STR
#define HF_ROW_PATH .type = HF_TYPE_PATH
#define HF_ROW_U32 .type = HF_TYPE_U32
#define HF_ROW_DURATION .type = HF_TYPE_DURATION
#define HF_ROW_MODE .type = HF_TYPE_MODE
#define HF_ROW_IP .type = HF_TYPE_IP
#define HF_ROW_CIDR .type = HF_TYPE_CIDR
#define HF_ROW_PREFIX .type = HF_TYPE_PREFIX
#define HF_ROW_ENDPOINT .type = HF_TYPE_ENDPOINT
#define HF_ROW_USER .type = HF_TYPE_USER
#define HF_ROW_ENUM(set) .type = HF_TYPE_ENUM, .of = HF_SET_##set
#define HF_ROW_REF(section) .type = HF_TYPE_REF, .of = HF_SECTION_##section
#define HF_ROW_LIST(of) .list = true, HF_ROW_##of
#define RELOAD true
#define RESTART false

#define HF_MAP(section, key, help) static const struct hf_config_row rows_##section[] = {
#define HF_LIST(section, items, key, min, max, help) HF_MAP(section, key, help)
#define HF_ROW(section, field, key_, kind, text_, min_, max_, unit_, when, help_, required_) \
	{.key = key_, .text = text_, .unit = unit_, .help = help_, .min = min_, .max = max_, \
	 .off = offsetof(struct hf_config_##section, field), .required = required_, .reload = when, \
	 HF_ROW_##kind},
#define HF_REQ(section, field, key, kind, text, min, max, unit, when, help) \
	HF_ROW(section, field, key, kind, text, min, max, unit, when, help, true)
#define HF_OPT(section, field, key, kind, text, min, max, unit, when, help) \
	HF_ROW(section, field, key, kind, text, min, max, unit, when, help, false)
#define HF_END(section) };
#include "lib/config/options.def"
#undef HF_MAP
#undef HF_LIST
#undef HF_REQ
#undef HF_OPT
#undef HF_END

#define HF_SECTION(section, key_, help_) \
	.key = key_, .help = help_, .row = rows_##section, .row_cnt = HF_ARRAY_LEN(rows_##section), \
	.size = sizeof(struct hf_config_##section)
const struct hf_config_section hf_config_sections[HF_SECTION_CNT] = {
#define HF_MAP(section, key, help) \
	{HF_SECTION(section, key, help), .off = offsetof(struct hf_config, section)},
#define HF_LIST(section, items, key, min_, max_, help) \
	{HF_SECTION(section, key, help), .off = offsetof(struct hf_config, items), .list = true, \
	 .cnt_off = offsetof(struct hf_config, items##_cnt), .min = min_, .max = max_},
#define HF_REQ(...)
#define HF_OPT(...)
#define HF_END(section)
#include "lib/config/options.def"
};
/* clang-format on */

const size_t hf_config_type_size[HF_TYPE_CNT] = {
	[HF_TYPE_NAME] = sizeof(const char *),
	[HF_TYPE_STR] = sizeof(const char *),
	[HF_TYPE_PATH] = sizeof(const char *),
	[HF_TYPE_U32] = sizeof(uint32_t),
	[HF_TYPE_DURATION] = sizeof(hf_ns),
	[HF_TYPE_MODE] = sizeof(uint32_t),
	[HF_TYPE_IP] = sizeof(struct hf_addr),
	[HF_TYPE_CIDR] = sizeof(struct hf_config_cidr),
	[HF_TYPE_PREFIX] = sizeof(struct hf_config_prefix),
	[HF_TYPE_ENDPOINT] = sizeof(struct hf_config_endpoint),
	[HF_TYPE_USER] = sizeof(struct hf_config_user),
	[HF_TYPE_ENUM] = sizeof(enum hf_config_suite),
	[HF_TYPE_REF] = sizeof(struct hf_config_ref),
};

uint32_t hf_config_elem_cnt(const struct hf_config *cfg, const struct hf_config_section *s)
{
	return s->list ? *(const uint32_t *)((const uint8_t *)cfg + s->cnt_off) : 1;
}

void *hf_config_elem(const struct hf_config *cfg, const struct hf_config_section *s, uint32_t i)
{
	uint8_t *at = (uint8_t *)(uintptr_t)cfg + s->off;
	return s->list ? *(uint8_t **)at + (size_t)i * s->size : at;
}

const char *hf_config_suite_name(uint16_t suite)
{
	const struct hf_config_set *set = &hf_config_sets[HF_SET_suite];
	uint32_t i;
	for (i = 0; i < set->cnt; i++)
		if (set->choice[i].value == suite)
			return set->choice[i].text;
	return NULL;
}
