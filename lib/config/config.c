/* config.c -- the life of a loaded file: its memory, its errors, loading, comparing, freeing.
 * Everything a config points to hangs on one list of blocks, so freeing is one walk. Errors know
 * their place because every value's place in the struct leads back to its row: the address of a
 * field is all a caller needs to complain about it. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include "lib/config/rows.h"

#define FILE_MAX (1u << 20) /* thousands of sites fit; a bomb does not */

/* ---- memory ---- */

struct hf_config_mem {
	struct hf_config_mem *next;
	max_align_t data[];
};

void *hf_config_alloc(struct hf_config *cfg, size_t len)
{
	struct hf_config_mem *m = calloc(1, sizeof(*m) + len);
	HF_ASSERT(m);
	m->next = cfg->mem;
	cfg->mem = m;
	return m->data;
}

const char *hf_config_strdup(struct hf_config *cfg, const char *text)
{
	size_t len = strlen(text) + 1;
	return memcpy(hf_config_alloc(cfg, len), text, len);
}

void hf_config_free(struct hf_config *cfg)
{
	while (cfg->mem) {
		struct hf_config_mem *m = cfg->mem;
		cfg->mem = m->next;
		free(m);
	}
	memset(cfg, 0, sizeof(*cfg));
}

/* ---- errors ---- */

void hf_config_errors_init(struct hf_config_errors *errs, const char *file)
{
	errs->cnt = errs->dropped = 0;
	snprintf(errs->file, sizeof(errs->file), "%s", file);
}

static bool before(struct hf_config_pos a, struct hf_config_pos b)
{
	return a.line != b.line ? a.line < b.line : a.col < b.col;
}

void hf_config_error_add(struct hf_config_errors *errs, struct hf_config_pos pos, const char *path,
	const char *reason, const char *remedy)
{
	struct hf_config_error *e;
	uint32_t at = errs->cnt;
	if (at == HF_CONFIG_ERRORS_MAX) {
		errs->dropped++;
		return;
	}
	for (; at > 0 && before(pos, errs->e[at - 1].pos); at--)
		errs->e[at] = errs->e[at - 1];
	errs->cnt++;
	e = &errs->e[at];
	e->pos = pos;
	snprintf(e->path, sizeof(e->path), "%s", path);
	snprintf(e->reason, sizeof(e->reason), "%s", reason);
	snprintf(e->remedy, sizeof(e->remedy), "%s", remedy);
}

void hf_config_errors_print(const struct hf_config_errors *errs, FILE *out)
{
	uint32_t i;
	for (i = 0; i < errs->cnt; i++) {
		const struct hf_config_error *e = &errs->e[i];
		fprintf(out, "%s:", errs->file);
		if (e->pos.line)
			fprintf(out, "%u:%u:", e->pos.line, e->pos.col);
		fprintf(out, " %s%s%s; %s\n", e->path, e->path[0] ? ": " : "", e->reason,
			e->remedy);
	}
	if (errs->dropped)
		fprintf(out, "%s: and %u more errors\n", errs->file, errs->dropped);
}

void hf_config_path(char path[HF_CONFIG_PATH_LEN], const struct hf_config_section *s, uint32_t elem,
	const struct hf_config_row *row, uint32_t item)
{
	char e[16] = "", i[16] = "";
	if (s->list && elem != UINT32_MAX)
		snprintf(e, sizeof(e), "[%u]", elem);
	if (item != UINT32_MAX)
		snprintf(i, sizeof(i), "[%u]", item);
	snprintf(path, HF_CONFIG_PATH_LEN, "%s%s%s%s%s", s->key, e, row ? "." : "",
		row ? row->key : "", i);
}

/* A field found again by its address. */
struct place {
	const struct hf_config_section *s;
	const struct hf_config_row *row;
	uint32_t elem, item;
	struct hf_config_pos pos;
};

static bool inside(const void *p, const void *base, size_t len)
{
	return (uintptr_t)p >= (uintptr_t)base && (uintptr_t)p - (uintptr_t)base < len;
}

/* The item of a list that field lies in; UINT32_MAX: none. */
static uint32_t find_item(
	const struct hf_config_row *row, const struct hf_config_items *items, const void *field)
{
	size_t size = hf_config_type_size[row->type];
	if (!row->list || !inside(field, items->v, size * items->cnt))
		return UINT32_MAX;
	return (uint32_t)(((uintptr_t)field - (uintptr_t)items->v) / size);
}

/* An option that was not written has the place of the element it is missing from. */
static struct hf_config_pos option_pos(const struct hf_config_pos *pos, uint32_t row)
{
	return pos[1 + row].line ? pos[1 + row] : pos[0];
}

static bool find_in_elem(const uint8_t *base, const void *field, struct place *at)
{
	struct hf_config_pos *pos;
	uint32_t r;
	memcpy(&pos, base, sizeof(pos)); /* every section's struct begins with it */
	at->row = NULL;
	at->item = UINT32_MAX;
	at->pos = pos[0];
	if (field == base)
		return true;
	for (r = 0; r < at->s->row_cnt; r++) {
		const struct hf_config_row *row = &at->s->row[r];
		const void *value = base + row->off;
		size_t size =
			row->list ? sizeof(struct hf_config_items) : hf_config_type_size[row->type];
		at->row = row;
		at->pos = option_pos(pos, r);
		if (inside(field, value, size))
			return true;
		at->item = find_item(row, value, field);
		if (at->item != UINT32_MAX) {
			const struct hf_config_items *items = value;
			if (items->pos[at->item].line)
				at->pos = items->pos[at->item];
			return true;
		}
	}
	return false;
}

static bool find_field(const struct hf_config *cfg, const void *field, struct place *at)
{
	uint32_t s;
	for (s = 0; s < HF_SECTION_CNT; s++) {
		at->s = &hf_config_sections[s];
		for (at->elem = 0; at->elem < hf_config_elem_cnt(cfg, at->s); at->elem++)
			if (find_in_elem(hf_config_elem(cfg, at->s, at->elem), field, at))
				return true;
		if (at->s->list && field == (const uint8_t *)cfg + at->s->off) {
			*at = (struct place){at->s, NULL, UINT32_MAX, UINT32_MAX, cfg->pos[s]};
			return true;
		}
	}
	return false;
}

void hf_config_error_at(const struct hf_config *cfg, struct hf_config_errors *errs,
	const void *field, const char *remedy, const char *fmt, ...)
{
	struct place at;
	char path[HF_CONFIG_PATH_LEN], reason[HF_CONFIG_REASON_LEN];
	va_list ap;
	HF_ASSERT(find_field(cfg, field, &at));
	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	hf_config_path(path, at.s, at.elem, at.row, at.item);
	hf_config_error_add(errs, at.pos, path, reason, remedy);
}

/* ---- loading ---- */

static int verdict(struct hf_config *cfg, const struct hf_config_errors *errs)
{
	if (errs->cnt == 0)
		return 0;
	hf_config_free(cfg);
	return -1;
}

int hf_config_parse_bytes(const char *name, const void *bytes, size_t len, struct hf_config *out,
	struct hf_config_errors *errs)
{
	memset(out, 0, sizeof(*out));
	hf_config_errors_init(errs, name);
	out->file = hf_config_strdup(out, name);
	if (hf_config_parse(bytes, len, out, errs))
		hf_config_check_rules(out, errs);
	return verdict(out, errs);
}

static void file_error(struct hf_config_errors *errs, const char *reason, const char *remedy)
{
	hf_config_error_add(errs, (struct hf_config_pos){0, 0}, "", reason, remedy);
}

/* The file's bytes, or NULL and an error. */
static uint8_t *read_file(const char *path, size_t *len, struct hf_config_errors *errs)
{
	uint8_t *bytes;
	FILE *f = fopen(path, "rbe");
	if (!f) {
		int error = errno;
		file_error(errs, strerror(error),
			hf_config_open_remedy(error, "put the file there, or name another").s);
		return NULL;
	}
	bytes = malloc(FILE_MAX + 1);
	HF_ASSERT(bytes);
	*len = fread(bytes, 1, FILE_MAX + 1, f);
	if (!ferror(f) && *len <= FILE_MAX) {
		fclose(f);
		return bytes;
	}
	file_error(errs, ferror(f) ? strerror(errno) : "is larger than 1 MB",
		"name a YAML file of at most 1 MB");
	fclose(f);
	free(bytes);
	return NULL;
}

int hf_config_load(const char *path, struct hf_config *out, struct hf_config_errors *errs)
{
	uint8_t *bytes;
	size_t len;
	bool whole;
	memset(out, 0, sizeof(*out));
	hf_config_errors_init(errs, path);
	bytes = read_file(path, &len, errs);
	if (!bytes)
		return -1;
	out->file = hf_config_strdup(out, path);
	whole = hf_config_parse(bytes, len, out, errs);
	free(bytes);
	if (whole) {
		hf_config_check_rules(out, errs);
		hf_config_machine_rules(out, errs);
	}
	return verdict(out, errs);
}

int hf_config_check_machine(struct hf_config *cfg, struct hf_config_errors *errs)
{
	uint32_t had = errs->cnt;
	hf_config_machine_rules(cfg, errs);
	return errs->cnt == had ? 0 : -1;
}

/* ---- comparing ---- */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_item(enum hf_config_type type, const void *a, const void *b)
{
	const char *x, *y;
	switch (type) {
	case HF_TYPE_NAME:
	case HF_TYPE_STR:
	case HF_TYPE_PATH:
	case HF_TYPE_USER: /* begins with its name, as does a reference */
	case HF_TYPE_REF:
		memcpy(&x, a, sizeof(x));
		memcpy(&y, b, sizeof(y));
		return same_text(x, y);
	default:
		return memcmp(a, b, hf_config_type_size[type]) == 0;
	}
}

static bool same_value(const struct hf_config_row *row, const void *a, const void *b)
{
	const struct hf_config_items *x = a, *y = b;
	size_t size = hf_config_type_size[row->type];
	uint32_t i;
	if (!row->list)
		return same_item(row->type, a, b);
	if (x->cnt != y->cnt)
		return false;
	for (i = 0; i < x->cnt; i++)
		if (!same_item(row->type, (uint8_t *)x->v + i * size, (uint8_t *)y->v + i * size))
			return false;
	return true;
}

static const char *elem_name(const void *elem, const struct hf_config_section *s)
{
	const char *name;
	memcpy(&name, (const uint8_t *)elem + s->row[0].off, sizeof(name));
	return name;
}

/* The place of elem's namesake in the other generation; UINT32_MAX: it has none. A mapping is its
 * own; elements of lists are known by their name, which the first option of each is. */
static uint32_t find_namesake(
	const struct hf_config *in, const struct hf_config_section *s, const void *elem)
{
	uint32_t i;
	for (i = 0; i < hf_config_elem_cnt(in, s); i++)
		if (!s->list ||
			same_text(elem_name(elem, s), elem_name(hf_config_elem(in, s, i), s)))
			return i;
	return UINT32_MAX;
}

/* Elements may come, go and move when all of their options may change. */
static bool elements_reload(const struct hf_config_section *s)
{
	uint32_t r;
	for (r = 0; r < s->row_cnt; r++)
		if (!s->row[r].reload)
			return false;
	return true;
}

static const char restart_remedy[] = "restart handfast to change it, or put back what it was";

static void compare_elem(const struct hf_config *now, const struct hf_config *next,
	const struct hf_config_section *s, uint32_t elem, struct hf_config_errors *errs)
{
	const uint8_t *a, *b = hf_config_elem(next, s, elem);
	uint32_t was = find_namesake(now, s, b), r;
	if (was != elem && !elements_reload(s))
		hf_config_error_at(next, errs, b, restart_remedy,
			was == UINT32_MAX ? "\"%s\" is new, and %s cannot be added while running"
					  : "\"%s\" has moved, and %s cannot while running",
			elem_name(b, s), s->key);
	if (was == UINT32_MAX)
		return;
	a = hf_config_elem(now, s, was);
	for (r = 0; r < s->row_cnt; r++)
		if (!s->row[r].reload &&
			!same_value(&s->row[r], a + s->row[r].off, b + s->row[r].off))
			hf_config_error_at(next, errs, b + s->row[r].off, restart_remedy,
				"cannot change while running");
}

int hf_config_check_reload(
	const struct hf_config *now, const struct hf_config *next, struct hf_config_errors *errs)
{
	uint32_t had = errs->cnt, s, i;
	for (s = 0; s < HF_SECTION_CNT; s++) {
		const struct hf_config_section *sec = &hf_config_sections[s];
		for (i = 0; i < hf_config_elem_cnt(next, sec); i++)
			compare_elem(now, next, sec, i, errs);
		for (i = 0; i < hf_config_elem_cnt(now, sec); i++) {
			const void *gone = hf_config_elem(now, sec, i);
			if (find_namesake(next, sec, gone) == UINT32_MAX && !elements_reload(sec))
				hf_config_error_at(next, errs, (const uint8_t *)next + sec->off,
					restart_remedy,
					"\"%s\" is gone, and %s cannot be removed while running",
					elem_name(gone, sec), sec->key);
		}
	}
	return errs->cnt == had ? 0 : -1;
}

/* ---- what a reload changes ---- */

static void value_text(const struct hf_config_row *row, const void *v, char out[24])
{
	hf_ns ns;
	uint32_t n;
	if (row->type == HF_TYPE_DURATION) {
		memcpy(&ns, v, sizeof(ns));
		hf_config_duration_text(ns, out);
	} else {
		memcpy(&n, v, sizeof(n));
		snprintf(out, 24, "%u", n);
	}
}

/* Numbers are shown, of the rest that it is another. */
static void write_change(FILE *out, const char *place, const struct hf_config_row *row,
	const void *was, const void *is)
{
	char from[24], to[24];
	if (row->list || (row->type != HF_TYPE_DURATION && row->type != HF_TYPE_U32)) {
		fprintf(out, "  %s.%s: changed\n", place, row->key);
		return;
	}
	value_text(row, was, from);
	value_text(row, is, to);
	fprintf(out, "  %s.%s: %s, was %s\n", place, row->key, to, from);
}

static uint32_t write_elem(FILE *out, const struct hf_config *now,
	const struct hf_config_section *s, const uint8_t *is)
{
	uint32_t i = find_namesake(now, s, is), cnt = 0;
	const uint8_t *was;
	char place[HF_CONFIG_PATH_LEN];
	snprintf(place, sizeof(place), "%s%s%s", s->key, s->list ? " " : "",
		s->list ? elem_name(is, s) : "");
	if (i == UINT32_MAX) {
		fprintf(out, "  %s: new\n", place);
		return 1;
	}
	was = hf_config_elem(now, s, i);
	for (uint32_t r = 0; r < s->row_cnt; r++) {
		const struct hf_config_row *row = &s->row[r];
		if (same_value(row, was + row->off, is + row->off))
			continue;
		write_change(out, place, row, was + row->off, is + row->off);
		cnt++;
	}
	return cnt;
}

uint32_t hf_config_write_changes(
	FILE *out, const struct hf_config *now, const struct hf_config *next)
{
	uint32_t cnt = 0, s, i;
	for (s = 0; s < HF_SECTION_CNT; s++) {
		const struct hf_config_section *sec = &hf_config_sections[s];
		for (i = 0; i < hf_config_elem_cnt(next, sec); i++)
			cnt += write_elem(out, now, sec, hf_config_elem(next, sec, i));
		for (i = 0; i < hf_config_elem_cnt(now, sec); i++) {
			const void *gone = hf_config_elem(now, sec, i);
			if (find_namesake(next, sec, gone) != UINT32_MAX)
				continue;
			fprintf(out, "  %s %s: gone\n", sec->key, elem_name(gone, sec));
			cnt++;
		}
	}
	return cnt;
}
