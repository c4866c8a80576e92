/* rows.h -- options.def and choices.def as tables, for the files of lib/config only.
 * A value is found by offset: section (and element) -> row -> item of a list. */
#ifndef HF_CONFIG_ROWS_H
#define HF_CONFIG_ROWS_H

#include "lib/config/config.h"

enum hf_config_type {
	HF_TYPE_NAME,
	HF_TYPE_STR,
	HF_TYPE_PATH,
	HF_TYPE_U32,
	HF_TYPE_DURATION,
	HF_TYPE_MODE,
	HF_TYPE_IP,
	HF_TYPE_CIDR,
	HF_TYPE_PREFIX,
	HF_TYPE_ENDPOINT,
	HF_TYPE_USER,
	HF_TYPE_ENUM,
	HF_TYPE_REF,
	HF_TYPE_CNT
};

/* clang-format off */
enum hf_config_set_id {
#define HF_SET(set) HF_SET_##set,
#define HF_CHOICE(set, id, value, text, help)
#define HF_SET_END(set)
#include "lib/config/choices.def"
#undef HF_SET
#undef HF_CHOICE
#undef HF_SET_END
	HF_SET_CNT
};

enum hf_config_section_id {
#define HF_MAP(section, key, help) HF_SECTION_##section,
#define HF_LIST(section, items, key, min, max, help) HF_SECTION_##section,
#define HF_REQ(...)
#define HF_OPT(...)
#define HF_END(section)
#include "lib/config/options.def"
#undef HF_MAP
#undef HF_LIST
#undef HF_REQ
#undef HF_OPT
#undef HF_END
	HF_SECTION_CNT
};
/* clang-format on */

struct hf_config_choice {
	int value;
	const char *text, *help;
};

struct hf_config_set {
	const struct hf_config_choice *choice;
	uint32_t cnt;
};

struct hf_config_row {
	const char *key, *text, *unit, *help; /* text: the default, or a required one's example */
	uint64_t min, max;
	uint32_t off; /* in its section's struct */
	enum hf_config_type type;
	uint32_t of; /* ENUM: hf_config_set_id; REF: hf_config_section_id */
	bool list, required, reload;
};

struct hf_config_section {
	const char *key, *help;
	const struct hf_config_row *row;
	uint32_t row_cnt, size, off; /* off: in hf_config, of the struct or of the pointer */
	bool list;
	uint32_t cnt_off, min, max; /* lists only */
};

/* What every LIST field looks like. */
struct hf_config_items {
	void *v;
	uint32_t cnt;
	struct hf_config_pos *pos;
};

extern const struct hf_config_set hf_config_sets[HF_SET_CNT];
extern const struct hf_config_section hf_config_sections[HF_SECTION_CNT];
extern const size_t hf_config_type_size[HF_TYPE_CNT];

/* Elements of a section: one for a mapping. */
uint32_t hf_config_elem_cnt(const struct hf_config *cfg, const struct hf_config_section *s);
void *hf_config_elem(const struct hf_config *cfg, const struct hf_config_section *s, uint32_t i);

/* Zeroed memory that lives as long as cfg. */
void *hf_config_alloc(struct hf_config *cfg, size_t len);
const char *hf_config_strdup(struct hf_config *cfg, const char *text);

/* Adds an error; the entries stay in the order of the file. */
void hf_config_error_add(struct hf_config_errors *errs, struct hf_config_pos pos, const char *path,
	const char *reason, const char *remedy);
void hf_config_errors_init(struct hf_config_errors *errs, const char *file);
/* "listeners[1].certificates[0]"; row NULL: the element; elem or item UINT32_MAX: not one of many.
 */
void hf_config_path(char path[HF_CONFIG_PATH_LEN], const struct hf_config_section *s, uint32_t elem,
	const struct hf_config_row *row, uint32_t item);

/* What is wrong with a text. */
struct hf_config_fault {
	char reason[HF_CONFIG_REASON_LEN], remedy[HF_CONFIG_REMEDY_LEN];
};
/* Turns one scalar into one item at dst. plain: written without quotes. Returns 0 or -1. */
int hf_config_value(struct hf_config *cfg, const struct hf_config_row *row, const char *text,
	bool plain, void *dst, struct hf_config_fault *fault);
/* "100ms", "2m": the largest unit that divides it. */
void hf_config_duration_text(hf_ns ns, char out[24]);
/* What a row accepts, in words: "576 to 9216 bytes", "reflect or gateway". Empty: anything. */
#define HF_CONFIG_RANGE_LEN 384u
void hf_config_row_range(const struct hf_config_row *row, char out[HF_CONFIG_RANGE_LEN]);

/* "did you mean": offer every candidate, read best (NULL: none is near). */
struct hf_config_hint {
	const char *word, *best;
	uint32_t dist;
};
void hf_config_hint_offer(struct hf_config_hint *h, const char *candidate);

/* Rules that need more than one option; they overlook what has been refused already. */
void hf_config_check_rules(struct hf_config *cfg, struct hf_config_errors *errs);
void hf_config_machine_rules(struct hf_config *cfg, struct hf_config_errors *errs);
/* What to do about a file that cannot be opened, by errno; missing: when it is not there. */
struct hf_config_remedy {
	char s[HF_CONFIG_REMEDY_LEN];
};
struct hf_config_remedy hf_config_open_remedy(int error, const char *missing);
/* Reads the bytes into out, which must be freed whatever happens. False when the reading ended
 * before the file did, so that rules about the whole would mislead. */
bool hf_config_parse(
	const void *bytes, size_t len, struct hf_config *out, struct hf_config_errors *errs);

#endif
