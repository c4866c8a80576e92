/* stats.c -- three ways to say the same rows.
 * A source is one module's counters of one owner. Text adds the workers up, since a person asks how
 * the appliance is; JSON and Prometheus keep every source apart, since programs can add. Workers
 * count on while we read: a number is loaded once, and a histogram is copied before it is used, so
 * that its parts agree with each other as well as they can. */
#include "lib/base/hist.h"
#include "lib/stats/stats.h"

static const void *row_at(const struct hf_stats_source *s, const struct hf_stat_row *row)
{
	return (const uint8_t *)s->base + row->off;
}

static uint64_t load(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static uint64_t read_number(const struct hf_stats_source *s, const struct hf_stat_row *row)
{
	return load(row_at(s, row));
}

/* Adds a copy of the source's histogram to *sum. */
static void add_hist(
	const struct hf_stats_source *s, const struct hf_stat_row *row, struct hf_hist *sum)
{
	const struct hf_hist *h = row_at(s, row);
	struct hf_hist copy;
	uint32_t i;
	copy.cnt = load(&h->cnt);
	copy.sum = load(&h->sum);
	copy.max = load(&h->max);
	for (i = 0; i < HF_HIST_BUCKETS; i++)
		copy.bucket[i] = load(&h->bucket[i]);
	hf_hist_merge(sum, &copy);
}

static bool same_label(const struct hf_stats_label *a, const struct hf_stats_label *b)
{
	if (!a->key || !b->key)
		return !a->key && !b->key;
	if (strcmp(a->key, b->key) != 0)
		return false;
	return strcmp(a->key, "worker") == 0 || strcmp(a->value, b->value) == 0;
}

/* Whether text shows both as one. */
static bool same_group(const struct hf_stats_source *a, const struct hf_stats_source *b)
{
	uint32_t i;
	if (a->table != b->table)
		return false;
	for (i = 0; i < HF_STATS_LABELS; i++)
		if (!same_label(&a->label[i], &b->label[i]))
			return false;
	return true;
}

/* ---- text ---- */

static void text_head(FILE *out, const struct hf_stats_source *s)
{
	uint32_t i;
	fputs(s->table->module, out);
	for (i = 0; i < HF_STATS_LABELS; i++)
		if (s->label[i].key && strcmp(s->label[i].key, "worker") != 0)
			fprintf(out, " %s=%s", s->label[i].key, s->label[i].value);
	fputc('\n', out);
}

static void text_hist(FILE *out, const struct hf_stat_row *row, const struct hf_hist *h)
{
	fprintf(out,
		"  %-28s %12llu  mean %.1f, p50 %llu, p90 %llu, p99 %llu, p999 %llu, max %llu: "
		"%s\n",
		row->name, (unsigned long long)h->cnt,
		(double)h->sum / (double)HF_MAX(h->cnt, 1ull),
		(unsigned long long)hf_hist_percentile(h, 500),
		(unsigned long long)hf_hist_percentile(h, 900),
		(unsigned long long)hf_hist_percentile(h, 990),
		(unsigned long long)hf_hist_percentile(h, 999), (unsigned long long)h->max,
		row->help);
}

/* The sources that text shows as one: those after the first that look like it. */
struct group {
	const struct hf_stats_source *first, *end;
	bool full, begun; /* begun: its head is written; a group of zeros has none */
};

static void text_row(FILE *out, struct group *g, const struct hf_stat_row *row)
{
	const struct hf_stats_source *s;
	struct hf_hist hist = {0};
	uint64_t sum = 0;
	for (s = g->first; s < g->end; s++) {
		if (!same_group(g->first, s))
			continue;
		if (row->kind == HF_STAT_HIST)
			add_hist(s, row, &hist);
		else
			sum += read_number(s, row);
	}
	if (!g->full && sum == 0 && hist.cnt == 0)
		return;
	if (!g->begun)
		text_head(out, g->first);
	g->begun = true;
	if (row->kind == HF_STAT_HIST)
		text_hist(out, row, &hist);
	else
		fprintf(out, "  %-28s %12llu  %s\n", row->name, (unsigned long long)sum, row->help);
}

static bool leads_group(const struct hf_stats_source *src, size_t i)
{
	size_t j;
	for (j = 0; j < i; j++)
		if (same_group(&src[j], &src[i]))
			return false;
	return true;
}

static void write_text(FILE *out, const struct hf_stats_source *src, size_t cnt, bool full)
{
	size_t i;
	uint32_t r;
	for (i = 0; i < cnt; i++) {
		struct group g = {&src[i], src + cnt, full, false};
		if (!leads_group(src, i))
			continue;
		for (r = 0; r < src[i].table->row_cnt; r++)
			text_row(out, &g, &src[i].table->row[r]);
	}
}

/* ---- JSON (RFC 8259) ---- */

static void json_string(FILE *out, const char *s)
{
	fputc('"', out);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if ((unsigned char)*s < 0x20)
			fprintf(out, "\\u%04x", (unsigned)*s);
		else
			fputc(*s, out);
	}
	fputc('"', out);
}

static void json_hist(FILE *out, const struct hf_stats_source *s, const struct hf_stat_row *row)
{
	struct hf_hist h = {0};
	add_hist(s, row, &h);
	fprintf(out,
		"{\"count\":%llu,\"sum\":%llu,\"max\":%llu,"
		"\"p50\":%llu,\"p90\":%llu,\"p99\":%llu,\"p999\":%llu}",
		(unsigned long long)h.cnt, (unsigned long long)h.sum, (unsigned long long)h.max,
		(unsigned long long)hf_hist_percentile(&h, 500),
		(unsigned long long)hf_hist_percentile(&h, 900),
		(unsigned long long)hf_hist_percentile(&h, 990),
		(unsigned long long)hf_hist_percentile(&h, 999));
}

static void json_source(FILE *out, const struct hf_stats_source *s)
{
	const char *comma = "";
	uint32_t i;
	fputs("{\"module\":", out);
	json_string(out, s->table->module);
	fputs(",\"labels\":{", out);
	for (i = 0; i < HF_STATS_LABELS; i++) {
		if (!s->label[i].key)
			continue;
		fputs(comma, out);
		json_string(out, s->label[i].key);
		fputc(':', out);
		json_string(out, s->label[i].value);
		comma = ",";
	}
	fputs("},\"rows\":{", out);
	for (i = 0; i < s->table->row_cnt; i++) {
		const struct hf_stat_row *row = &s->table->row[i];
		fputs(i ? "," : "", out);
		json_string(out, row->name);
		fputc(':', out);
		if (row->kind == HF_STAT_HIST)
			json_hist(out, s, row);
		else
			fprintf(out, "%llu", (unsigned long long)read_number(s, row));
	}
	fputs("}}", out);
}

static void write_json(FILE *out, const struct hf_stats_source *src, size_t cnt)
{
	size_t i;
	fputc('[', out);
	for (i = 0; i < cnt; i++) {
		fputs(i ? ",\n" : "\n", out);
		json_source(out, &src[i]);
	}
	fputs("\n]\n", out);
}

/* ---- Prometheus exposition format 0.0.4 ---- */

#define PROM_LE_BITS 40u /* buckets up to 2^40 - 1: 18 minutes in ns */

static void prom_escape(FILE *out, const char *s, bool quote)
{
	for (; *s; s++) {
		if (*s == '\n')
			fputs("\\n", out);
		else if (*s == '\\' || (quote && *s == '"'))
			fprintf(out, "\\%c", *s);
		else
			fputc(*s, out);
	}
}

static void prom_labels(FILE *out, const struct hf_stats_source *s, const char *le)
{
	const char *sep = "{";
	uint32_t i;
	for (i = 0; i < HF_STATS_LABELS; i++) {
		if (!s->label[i].key)
			continue;
		fprintf(out, "%s%s=\"", sep, s->label[i].key);
		prom_escape(out, s->label[i].value, true);
		fputc('"', out);
		sep = ",";
	}
	if (le)
		fprintf(out, "%sle=\"%s\"", sep, le);
	if (le || *sep == ',')
		fputc('}', out);
}

static void prom_sample(FILE *out, const struct hf_stats_source *s, const char *row,
	const char *suffix, const char *le, uint64_t v)
{
	fprintf(out, "handfast_%s_%s%s", s->table->module, row, suffix);
	prom_labels(out, s, le);
	fprintf(out, " %llu\n", (unsigned long long)v);
}

/* Buckets are cumulative and inclusive: le = 2^k - 1 is exactly where one of ours ends. */
static void prom_hist(FILE *out, const struct hf_stats_source *s, const struct hf_stat_row *row)
{
	struct hf_hist h = {0};
	uint64_t seen = 0;
	uint32_t bit, i = 0;
	add_hist(s, row, &h);
	for (bit = 1; bit <= PROM_LE_BITS; bit++) {
		uint64_t le = (1ull << bit) - 1;
		char text[24];
		for (; hf_hist_ceil(i) <= le; i++)
			seen += h.bucket[i];
		snprintf(text, sizeof(text), "%llu", (unsigned long long)le);
		prom_sample(out, s, row->name, "_bucket", text, seen);
	}
	for (; i < HF_HIST_BUCKETS; i++)
		seen += h.bucket[i];
	prom_sample(out, s, row->name, "_bucket", "+Inf", seen);
	prom_sample(out, s, row->name, "_sum", NULL, h.sum);
	prom_sample(out, s, row->name, "_count", NULL, seen);
}

static const char *const prom_type[] = {
	[HF_STAT_COUNTER] = "counter",
	[HF_STAT_GAUGE] = "gauge",
	[HF_STAT_HIST] = "histogram",
};

/* A metric's samples must stand together, so the outer loop is over rows, not over sources. */
static void prom_family(
	FILE *out, const struct hf_stats_source *src, size_t cnt, size_t first, uint32_t r)
{
	const struct hf_stat_table *t = src[first].table;
	const struct hf_stat_row *row = &t->row[r];
	const char *suffix = row->kind == HF_STAT_COUNTER ? "_total" : "";
	size_t i;
	fprintf(out, "# HELP handfast_%s_%s%s ", t->module, row->name, suffix);
	prom_escape(out, row->help, false);
	fprintf(out, "\n# TYPE handfast_%s_%s%s %s\n", t->module, row->name, suffix,
		prom_type[row->kind]);
	for (i = first; i < cnt; i++) {
		if (src[i].table != t)
			continue;
		if (row->kind == HF_STAT_HIST)
			prom_hist(out, &src[i], row);
		else
			prom_sample(
				out, &src[i], row->name, suffix, NULL, read_number(&src[i], row));
	}
}

static void write_prometheus(FILE *out, const struct hf_stats_source *src, size_t cnt)
{
	size_t i, j;
	uint32_t r;
	for (i = 0; i < cnt; i++) {
		for (j = 0; j < i && src[j].table != src[i].table; j++)
			;
		if (j < i)
			continue; /* its table was written with the first source that has it */
		for (r = 0; r < src[i].table->row_cnt; r++)
			prom_family(out, src, cnt, i, r);
	}
}

void hf_stats_write(
	FILE *out, enum hf_stats_format format, const struct hf_stats_source *src, size_t src_cnt)
{
	switch (format) {
	case HF_STATS_TEXT:
	case HF_STATS_TEXT_FULL:
		write_text(out, src, src_cnt, format == HF_STATS_TEXT_FULL);
		break;
	case HF_STATS_JSON:
		write_json(out, src, src_cnt);
		break;
	case HF_STATS_PROMETHEUS:
		write_prometheus(out, src, src_cnt);
		break;
	}
}

uint64_t hf_stats_sum(
	const struct hf_stats_source *src, size_t src_cnt, const char *module, const char *row)
{
	uint64_t sum = 0;
	size_t i;
	uint32_t r;
	for (i = 0; i < src_cnt; i++) {
		const struct hf_stat_table *t = src[i].table;
		if (strcmp(t->module, module) != 0)
			continue;
		for (r = 0; r < t->row_cnt; r++)
			if (t->row[r].kind != HF_STAT_HIST && strcmp(t->row[r].name, row) == 0)
				sum += read_number(&src[i], &t->row[r]);
	}
	return sum;
}
