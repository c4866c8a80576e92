/* write.c -- the default file and the reference, from the rows.
 * Both are committed and a test holds them against what is written here, so neither can go stale.
 */
#include "lib/config/rows.h"

#define WIDTH 96u

/* Words of text, wrapped, each line with the prefix. */
static void comment(FILE *out, const char *prefix, const char *text)
{
	size_t col = 0;
	while (*text) {
		size_t len = strcspn(text, " ");
		if (col && col + 1 + len > WIDTH) {
			fputc('\n', out);
			col = 0;
		}
		col += (size_t)fprintf(out, "%s%.*s", col ? " " : prefix, (int)len, text);
		text += len;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

static bool is_text(const struct hf_config_row *row)
{
	return !row->list && (row->type == HF_TYPE_NAME || row->type == HF_TYPE_STR ||
				     row->type == HF_TYPE_PATH || row->type == HF_TYPE_REF);
}

static void option_default(FILE *out, const struct hf_config_section *s, uint32_t r)
{
	const struct hf_config_row *row = &s->row[r];
	const char *indent = s->list ? "    " : "  ";
	char range[HF_CONFIG_RANGE_LEN], text[1024], prefix[8];
	hf_config_row_range(row, range);
	if (is_text(row)) /* its length interests few; the reference has it */
		range[0] = '\0';
	snprintf(text, sizeof(text), "%s%s%s%s", row->help, range[0] ? " (" : "", range,
		range[0] ? ")" : "");
	snprintf(prefix, sizeof(prefix), "%s# ", s->list && r == 0 ? "  " : indent);
	comment(out, prefix, text);
	if (s->list && r == 0)
		fprintf(out, "  - %s: %s\n", row->key, row->text);
	else
		fprintf(out, "%s%s%s: %s\n", indent, row->required ? "" : "# ", row->key,
			row->text);
}

void hf_config_write_default(FILE *out)
{
	uint32_t s, r;
	fputs("# handfast: every option. A line that is commented out shows a default; the others "
	      "must\n"
	      "# be written and stand here with an example. Reference: config/REFERENCE.md.\n"
	      "# Check an edited file with: handfast --check FILE\n",
		out);
	for (s = 0; s < HF_SECTION_CNT; s++) {
		const struct hf_config_section *sec = &hf_config_sections[s];
		fputc('\n', out);
		comment(out, "# ", sec->help);
		fprintf(out, "%s:\n", sec->key);
		for (r = 0; r < sec->row_cnt; r++)
			option_default(out, sec, r);
	}
}

static const char *const type_words[HF_TYPE_CNT] = {
	[HF_TYPE_NAME] = "name",
	[HF_TYPE_STR] = "text",
	[HF_TYPE_PATH] = "path",
	[HF_TYPE_U32] = "number",
	[HF_TYPE_DURATION] = "duration",
	[HF_TYPE_MODE] = "file mode",
	[HF_TYPE_IP] = "address",
	[HF_TYPE_CIDR] = "address/prefix",
	[HF_TYPE_PREFIX] = "network",
	[HF_TYPE_ENDPOINT] = "address:port",
	[HF_TYPE_USER] = "user",
	[HF_TYPE_ENUM] = "one of the words below",
	[HF_TYPE_REF] = "name",
};

static void option_reference(
	FILE *out, const struct hf_config_section *s, const struct hf_config_row *row)
{
	const struct hf_config_set *set = &hf_config_sets[row->of];
	char range[HF_CONFIG_RANGE_LEN];
	uint32_t i;
	fprintf(out, "\n### %s%s.%s\n\n%s\n\n", s->key, s->list ? "[]" : "", row->key, row->help);
	fprintf(out, "- Type: %s%s", row->list ? "list of " : "", type_words[row->type]);
	if (row->type == HF_TYPE_REF)
		fprintf(out, " from the section `%s`", hf_config_sections[row->of].key);
	fprintf(out, "\n- %s: `%s`\n", row->required ? "Must be written, for example" : "Default",
		row->text);
	hf_config_row_range(row, range);
	if (row->type == HF_TYPE_ENUM)
		for (i = 0; i < set->cnt; i++)
			fprintf(out, "- `%s`: %s\n", set->choice[i].text, set->choice[i].help);
	else if (range[0])
		fprintf(out, "- Range: %s\n", range);
	fprintf(out, "- Changes with: %s\n", row->reload ? "`hfctl reload`" : "restart");
}

void hf_config_write_reference(FILE *out)
{
	uint32_t s, r;
	fputs("# Options of handfast\n\n"
	      "One YAML file (`handfast.yaml` beside this page holds every option). Words that "
	      "occur as\n"
	      "types:\n\n"
	      "| type | written as |\n"
	      "|---|---|\n"
	      "| name | 1 to 31 letters, digits, `-`, `_`, `.` |\n"
	      "| path | a relative one starts at the options file's folder |\n"
	      "| number | decimal digits, without quotes |\n"
	      "| duration | a whole number and its unit: `us`, `ms`, `s`, `m`, `h` |\n"
	      "| address | IPv4, such as `10.9.0.1`, or IPv6, such as `2001:db8::1` |\n"
	      "| user | a name or a number |\n\n"
	      "Anchors, aliases and tags are not taken. Errors name the file, line, column, "
	      "option, reason\n"
	      "and remedy, all of a file at once: `handfast --check FILE`.\n",
		out);
	for (s = 0; s < HF_SECTION_CNT; s++) {
		const struct hf_config_section *sec = &hf_config_sections[s];
		fprintf(out, "\n## %s\n\n%s\n", sec->key, sec->help);
		if (sec->list)
			fprintf(out, "A list of %u to %u.\n", sec->min, sec->max);
		for (r = 0; r < sec->row_cnt; r++)
			option_reference(out, sec, &sec->row[r]);
	}
}
