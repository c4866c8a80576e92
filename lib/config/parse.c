/* parse.c -- libyaml's events walk down the rows: section, element, option, item.
 * The shape of the file is known beforehand, so no tree is built: depth is that of the rows, and
 * what does not belong is stepped over, so that one mistake does not hide the next. Anchors,
 * aliases, tags and deep nesting end the reading at once: no options file needs them, and bombs are
 * made of them. */
#include <stdlib.h>
#include <yaml.h>
#include "lib/config/rows.h"

#define DEPTH_MAX 8u /* the rows need five: document, section, element, option, item */

struct parse {
	yaml_parser_t yaml;
	yaml_event_t ev; /* the current event; owns its texts */
	struct hf_config *cfg;
	struct hf_config_errors *errs;
	uint32_t depth;
	bool dead; /* nothing more can be read */
};

/* Where in the rows a value stands. */
struct spot {
	const struct hf_config_section *s;
	const struct hf_config_row *row;
	uint32_t elem, item;
};

/* ---- events ---- */

static struct hf_config_pos mark_pos(yaml_mark_t m)
{
	return (struct hf_config_pos){(uint32_t)m.line + 1, (uint32_t)m.column + 1};
}

static struct hf_config_pos here(const struct parse *p)
{
	return mark_pos(p->ev.start_mark);
}

static void error(struct parse *p, struct spot at, struct hf_config_pos pos, const char *reason,
	const char *remedy)
{
	char path[HF_CONFIG_PATH_LEN] = "";
	if (at.s)
		hf_config_path(path, at.s, at.elem, at.row, at.item);
	hf_config_error_add(p->errs, pos, path, reason, remedy);
}

static const struct spot nowhere = {NULL, NULL, UINT32_MAX, UINT32_MAX};

/* Gives up on the file; whoever asks for the next event hears that there is none. */
static void die(struct parse *p, struct hf_config_pos pos, const char *reason, const char *remedy)
{
	error(p, nowhere, pos, reason, remedy);
	p->dead = true;
}

static void die_of_yaml(struct parse *p)
{
	const yaml_parser_t *y = &p->yaml;
	const char *problem = y->problem ? y->problem : "cannot be read";
	char reason[HF_CONFIG_REASON_LEN];
	if (y->context)
		snprintf(reason, sizeof(reason), "this is not YAML: %s from line %zu, %s",
			y->context, y->context_mark.line + 1, problem);
	else
		snprintf(reason, sizeof(reason), "this is not YAML: %s", problem);
	die(p, mark_pos(y->problem_mark), reason,
		"look here and in the line above for indentation, tabs, colons and quotes");
}

static void refuse_ornaments(struct parse *p)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;
	switch (p->ev.type) {
	case YAML_ALIAS_EVENT:
		anchor = p->ev.data.alias.anchor;
		break;
	case YAML_SCALAR_EVENT:
		anchor = p->ev.data.scalar.anchor;
		tag = p->ev.data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = p->ev.data.sequence_start.anchor;
		tag = p->ev.data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = p->ev.data.mapping_start.anchor;
		tag = p->ev.data.mapping_start.tag;
		break;
	default:
		break;
	}
	if (anchor)
		die(p, here(p), "anchors and aliases (& and *) are not taken",
			"write the value out; put a text that begins so in quotes");
	else if (tag)
		die(p, here(p), "tags (!) are not taken",
			"write the value alone; put a text that begins so in quotes");
}

static void keep_depth(struct parse *p)
{
	yaml_event_type_t t = p->ev.type;
	if (t == YAML_SEQUENCE_END_EVENT || t == YAML_MAPPING_END_EVENT)
		p->depth--;
	if (t != YAML_SEQUENCE_START_EVENT && t != YAML_MAPPING_START_EVENT)
		return;
	if (++p->depth > DEPTH_MAX)
		die(p, here(p), "nested too deeply", "no option is nested this deep");
}

/* The next event's type; YAML_NO_EVENT when the file can be read no further. */
static yaml_event_type_t next(struct parse *p)
{
	yaml_event_delete(&p->ev); /* leaves YAML_NO_EVENT behind */
	if (p->dead)
		return YAML_NO_EVENT;
	if (!yaml_parser_parse(&p->yaml, &p->ev)) {
		die_of_yaml(p);
		return YAML_NO_EVENT;
	}
	refuse_ornaments(p);
	keep_depth(p);
	return p->dead ? YAML_NO_EVENT : p->ev.type;
}

/* Steps over the rest of the value that the current event begins. */
static void skip(struct parse *p)
{
	uint32_t inner = p->depth;
	if (p->ev.type != YAML_SEQUENCE_START_EVENT && p->ev.type != YAML_MAPPING_START_EVENT)
		return;
	while (p->depth >= inner && next(p) != YAML_NO_EVENT)
		;
}

/* Steps over the next value: that of a key which cannot be used. */
static void skip_next(struct parse *p)
{
	next(p);
	skip(p);
}

/* From an item of a list to the list's end. */
static void skip_items(struct parse *p)
{
	while (p->ev.type != YAML_SEQUENCE_END_EVENT && !p->dead) {
		skip(p);
		next(p);
	}
}

static const char *event_text(const struct parse *p)
{
	return (const char *)p->ev.data.scalar.value;
}

static bool is_plain(const struct parse *p)
{
	return p->ev.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static void wrong_shape(struct parse *p, struct spot at, const char *want, const char *remedy)
{
	char reason[128];
	const char *got = p->ev.type == YAML_SCALAR_EVENT           ? "a single value"
			  : p->ev.type == YAML_SEQUENCE_START_EVENT ? "a list"
								    : "a mapping";
	snprintf(reason, sizeof(reason), "%s is wanted, this is %s", want, got);
	error(p, at, here(p), reason, remedy);
	skip(p);
}

/* ---- values ---- */

/* Reads one scalar into dst; an error leaves zero there. */
static bool read_scalar(struct parse *p, struct spot at, const char *text, bool plain,
	struct hf_config_pos pos, void *dst)
{
	struct hf_config_fault f;
	if (hf_config_value(p->cfg, at.row, text, plain, dst, &f) == 0)
		return true;
	error(p, at, pos, f.reason, f.remedy);
	return false;
}

/* The current event as a scalar, which holds no NUL that would cut it short. */
static bool read_scalar_event(struct parse *p, struct spot at, void *dst)
{
	if (p->ev.type != YAML_SCALAR_EVENT) {
		wrong_shape(p, at, "a single value", "write one value after the colon");
		return false;
	}
	if (strlen(event_text(p)) != p->ev.data.scalar.length) {
		error(p, at, here(p), "there is a NUL character in the text", "remove it");
		return false;
	}
	return read_scalar(p, at, event_text(p), is_plain(p), here(p), dst);
}

static void items_room(struct parse *p, const struct hf_config_row *row, struct hf_config_items *l)
{
	l->v = hf_config_alloc(p->cfg, hf_config_type_size[row->type] * row->max);
	l->pos = hf_config_alloc(p->cfg, sizeof(*l->pos) * row->max);
	l->cnt = 0;
}

static void *item_slot(const struct hf_config_row *row, struct hf_config_items *l)
{
	return (uint8_t *)l->v + l->cnt * hf_config_type_size[row->type];
}

static void count_fault(struct parse *p, struct spot at, struct hf_config_pos pos, uint32_t cnt,
	uint64_t min, uint64_t max)
{
	char reason[64], remedy[64];
	if (cnt > max)
		snprintf(reason, sizeof(reason), "the list has more than %llu",
			(unsigned long long)max);
	else
		snprintf(reason, sizeof(reason), "the list has %u", cnt);
	snprintf(remedy, sizeof(remedy), "write %llu to %llu", (unsigned long long)min,
		(unsigned long long)max);
	error(p, at, pos, reason, remedy);
}

/* A list with an error in it is left empty, so that no later rule complains about the rest. */
static void read_items(struct parse *p, struct spot at, struct hf_config_items *l)
{
	const struct hf_config_row *row = at.row;
	struct hf_config_pos start = here(p);
	struct spot item = at;
	bool good = true;
	if (p->ev.type != YAML_SEQUENCE_START_EVENT) {
		wrong_shape(p, at, "a list", "write [one, another]");
		return;
	}
	items_room(p, row, l);
	while (next(p) != YAML_SEQUENCE_END_EVENT && !p->dead) {
		if (l->cnt == row->max) {
			count_fault(p, at, start, l->cnt + 1, row->min, row->max);
			skip_items(p);
			good = false;
			break;
		}
		item.item = l->cnt;
		l->pos[l->cnt] = here(p);
		good &= read_scalar_event(p, item, item_slot(row, l));
		l->cnt++;
	}
	if (good && l->cnt < row->min)
		count_fault(p, at, start, l->cnt, row->min, row->max);
	if (!good)
		l->cnt = 0;
}

/* Defaults are written as in the file: "text", or "[a, b]" for lists. */
static void read_default(struct parse *p, struct spot at, void *dst)
{
	struct hf_config_items *l = dst;
	struct hf_config_pos unwritten = {0, 0};
	const char *text = at.row->text;
	if (!at.row->list) {
		HF_ASSERT(read_scalar(p, at, text, true, unwritten, dst));
		return;
	}
	items_room(p, at.row, l);
	for (text++; *text != ']'; text += strspn(text, ", ")) {
		char item[64];
		size_t len = strcspn(text, ",]");
		HF_ASSERT(len < sizeof(item) && l->cnt < at.row->max);
		memcpy(item, text, len);
		item[len] = '\0';
		HF_ASSERT(read_scalar(p, at, item, true, unwritten, item_slot(at.row, l)));
		l->cnt++;
		text += len;
	}
}

/* ---- options of one mapping ---- */

static const struct hf_config_row *find_row(const struct hf_config_section *s, const char *key)
{
	uint32_t r;
	for (r = 0; r < s->row_cnt; r++)
		if (strcmp(s->row[r].key, key) == 0)
			return &s->row[r];
	return NULL;
}

/* The current event is a key that is none of the words; steps over its value too. */
static void unknown_key(
	struct parse *p, struct spot at, const char *what, const char *const *words, uint32_t cnt)
{
	struct hf_config_hint hint = {event_text(p), NULL, 0};
	char reason[HF_CONFIG_REASON_LEN], remedy[HF_CONFIG_REMEDY_LEN] = "known are ";
	size_t used = strlen(remedy);
	uint32_t i;
	for (i = 0; i < cnt; i++) {
		hf_config_hint_offer(&hint, words[i]);
		used += (size_t)snprintf(
			remedy + used, sizeof(remedy) - used, "%s%s", i ? ", " : "", words[i]);
		HF_ASSERT(used < sizeof(remedy));
	}
	if (hint.best)
		snprintf(reason, sizeof(reason), "unknown %s \"%.64s\", did you mean \"%s\"?", what,
			hint.word, hint.best);
	else
		snprintf(reason, sizeof(reason), "unknown %s \"%.64s\"", what, hint.word);
	error(p, at, here(p), reason, remedy);
	skip_next(p);
}

static void unknown_option(struct parse *p, struct spot at)
{
	const char *words[16];
	uint32_t r;
	HF_ASSERT(at.s->row_cnt <= HF_ARRAY_LEN(words));
	for (r = 0; r < at.s->row_cnt; r++)
		words[r] = at.s->row[r].key;
	unknown_key(p, at, "option", words, at.s->row_cnt);
}

static void written_twice(struct parse *p, struct spot at, uint32_t first_line)
{
	char remedy[64];
	snprintf(remedy, sizeof(remedy), "keep one; the first is in line %u", first_line);
	error(p, at, here(p), "written twice", remedy);
	skip_next(p);
}

/* The current event is a key of section at.s; reads it and its value. */
static void read_option(struct parse *p, struct spot at, uint8_t *base, struct hf_config_pos *pos)
{
	struct hf_config_pos *row_pos;
	if (p->ev.type != YAML_SCALAR_EVENT) {
		wrong_shape(p, at, "an option's name", "write name: value");
		skip_next(p);
		return;
	}
	at.row = find_row(at.s, event_text(p));
	if (!at.row) {
		unknown_option(p, at);
		return;
	}
	row_pos = &pos[1 + (at.row - at.s->row)];
	if (row_pos->line) {
		written_twice(p, at, row_pos->line);
		return;
	}
	if (next(p) == YAML_NO_EVENT)
		return;
	*row_pos = here(p);
	if (at.row->list)
		read_items(p, at, (struct hf_config_items *)(base + at.row->off));
	else
		(void)read_scalar_event(p, at, base + at.row->off);
}

static void read_missing(struct parse *p, struct spot at, uint8_t *base, struct hf_config_pos *pos)
{
	uint32_t r;
	for (r = 0; r < at.s->row_cnt && !p->dead; r++) {
		char remedy[HF_CONFIG_REMEDY_LEN];
		at.row = &at.s->row[r];
		if (pos[1 + r].line)
			continue;
		if (!at.row->required) {
			read_default(p, at, base + at.row->off);
			continue;
		}
		snprintf(remedy, sizeof(remedy), "add %s, such as %s: %.384s", at.row->key,
			at.row->key, at.row->text);
		error(p, at, pos[0], "is missing", remedy);
	}
}

/* The options of one element, from the current MAPPING-START on; a section that is absent or empty
 * has its defaults. */
static void read_options(struct parse *p, struct spot at, void *elem, struct hf_config_pos start)
{
	struct hf_config_pos *pos = hf_config_alloc(p->cfg, sizeof(*pos) * (1 + at.s->row_cnt));
	memcpy(elem, &pos, sizeof(pos)); /* every section's struct begins with it */
	pos[0] = start;
	if (p->ev.type == YAML_MAPPING_START_EVENT)
		while (next(p) != YAML_MAPPING_END_EVENT && !p->dead)
			read_option(p, at, elem, pos);
	read_missing(p, at, elem, pos);
}

/* ---- sections ---- */

static bool is_empty(const struct parse *p)
{
	return p->ev.type == YAML_SCALAR_EVENT && is_plain(p) && event_text(p)[0] == '\0';
}

static void read_map(struct parse *p, struct spot at, struct hf_config_pos start)
{
	if (p->ev.type != YAML_MAPPING_START_EVENT && !is_empty(p)) {
		wrong_shape(p, at, "a mapping", "write one \"option: value\" a line, indented");
		return;
	}
	read_options(p, at, hf_config_elem(p->cfg, at.s, 0), start);
}

static void read_list(struct parse *p, struct spot at, struct hf_config_pos start)
{
	uint32_t *cnt = (uint32_t *)((uint8_t *)p->cfg + at.s->cnt_off);
	if (p->ev.type != YAML_SEQUENCE_START_EVENT) {
		wrong_shape(p, at, "a list", "begin each element with \"- \"");
		return;
	}
	while (next(p) != YAML_SEQUENCE_END_EVENT && !p->dead) {
		at.elem = *cnt;
		if (*cnt == at.s->max) {
			at.elem = UINT32_MAX;
			count_fault(p, at, start, *cnt + 1, at.s->min, at.s->max);
			skip_items(p);
			return;
		}
		if (p->ev.type != YAML_MAPPING_START_EVENT) {
			wrong_shape(p, at, "a mapping", "write its options as \"option: value\"");
			continue;
		}
		(*cnt)++;
		read_options(p, at, hf_config_elem(p->cfg, at.s, at.elem), here(p));
	}
	if (*cnt < at.s->min && !p->dead) {
		at.elem = UINT32_MAX;
		count_fault(p, at, start, *cnt, at.s->min, at.s->max);
	}
}

static void unknown_section(struct parse *p)
{
	const char *words[HF_SECTION_CNT];
	uint32_t s;
	for (s = 0; s < HF_SECTION_CNT; s++)
		words[s] = hf_config_sections[s].key;
	unknown_key(p, nowhere, "section", words, HF_SECTION_CNT);
}

static uint32_t find_section(const char *key)
{
	uint32_t s;
	for (s = 0; s < HF_SECTION_CNT; s++)
		if (strcmp(hf_config_sections[s].key, key) == 0)
			break;
	return s;
}

/* The current event is a key of the whole file; reads it and its value. */
static void read_section(struct parse *p)
{
	struct spot at = nowhere;
	struct hf_config_pos start = here(p);
	uint32_t s;
	if (p->ev.type != YAML_SCALAR_EVENT) {
		wrong_shape(p, at, "a section's name", "write section: and its options below");
		skip_next(p);
		return;
	}
	s = find_section(event_text(p));
	if (s == HF_SECTION_CNT) {
		unknown_section(p);
		return;
	}
	at.s = &hf_config_sections[s];
	if (p->cfg->pos[s].line) {
		written_twice(p, at, p->cfg->pos[s].line);
		return;
	}
	p->cfg->pos[s] = start;
	if (next(p) == YAML_NO_EVENT)
		return;
	if (at.s->list)
		read_list(p, at, start);
	else
		read_map(p, at, start);
}

/* What the file does not speak of: defaults, or a complaint where something must be said. */
static void read_absent(struct parse *p)
{
	struct spot at = nowhere;
	uint32_t s;
	for (s = 0; s < HF_SECTION_CNT && !p->dead; s++) {
		char remedy[96];
		at.s = &hf_config_sections[s];
		if (p->cfg->pos[s].line)
			continue;
		if (!at.s->list) {
			read_options(p, at, hf_config_elem(p->cfg, at.s, 0),
				(struct hf_config_pos){0, 0});
			continue;
		}
		snprintf(remedy, sizeof(remedy), "add the section %s:, see --print-config",
			at.s->key);
		error(p, at, (struct hf_config_pos){1, 1}, "is missing", remedy);
	}
}

static void read_document(struct parse *p)
{
	static const char remedy[] = "write sections such as ports: and listeners:";
	next(p); /* STREAM-START */
	if (next(p) == YAML_STREAM_END_EVENT) {
		die(p, here(p), "the file is empty", remedy);
		return;
	}
	if (next(p) != YAML_MAPPING_START_EVENT) { /* after DOCUMENT-START */
		if (!p->dead)
			die(p, here(p), "the file is no mapping of sections", remedy);
		return;
	}
	while (next(p) != YAML_MAPPING_END_EVENT && !p->dead)
		read_section(p);
	next(p); /* DOCUMENT-END */
	if (next(p) != YAML_STREAM_END_EVENT && !p->dead)
		die(p, here(p), "a second document begins", "keep one document in the file");
	yaml_event_delete(&p->ev);
	read_absent(p);
}

/* Every section can be walked, whatever the file holds. */
static void make_room(struct hf_config *cfg)
{
	uint32_t s;
	cfg->pos = hf_config_alloc(cfg, sizeof(*cfg->pos) * HF_SECTION_CNT);
	for (s = 0; s < HF_SECTION_CNT; s++) {
		const struct hf_config_section *sec = &hf_config_sections[s];
		void *room = hf_config_alloc(
			cfg, sec->list ? (size_t)sec->size * sec->max
				       : sizeof(struct hf_config_pos) * (1 + sec->row_cnt));
		memcpy((uint8_t *)cfg + sec->off, &room, sizeof(room));
	}
}

bool hf_config_parse(
	const void *bytes, size_t len, struct hf_config *out, struct hf_config_errors *errs)
{
	struct parse p = {.cfg = out, .errs = errs};
	make_room(out);
	HF_ASSERT(yaml_parser_initialize(&p.yaml));
	yaml_parser_set_encoding(&p.yaml, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&p.yaml, bytes, len);
	read_document(&p);
	yaml_event_delete(&p.ev);
	yaml_parser_delete(&p.yaml);
	return !p.dead;
}
