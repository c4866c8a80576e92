/* stats.h -- renders the row tables that modules export (lib/base/stat.h): text for people, JSON
 * for programs, the Prometheus exposition format for scrapers. Knows no counter by name. Threads:
 * called by control while workers count; each number is read once, relaxed, so a page is a moment's
 * blur, never a torn number. Memory: none kept. Errors: the stream's own. */
#ifndef HF_STATS_STATS_H
#define HF_STATS_STATS_H

#include <stdio.h>
#include "lib/base/stat.h"

#define HF_STATS_LABELS 6

struct hf_stats_label {
	const char *key, *value; /* key NULL: none */
};

/* One module's counters of one owner, e.g. {&hf_tcp_stat_table, &w->tcp.stats, {{"worker", "0"}}}.
 */
struct hf_stats_source {
	const struct hf_stat_table *table;
	const void *base;
	struct hf_stats_label label[HF_STATS_LABELS];
};

enum hf_stats_format {
	HF_STATS_TEXT, /* sources that differ only in "worker" are added up; zero rows left out */
	HF_STATS_TEXT_FULL, /* as above, with zero rows */
	HF_STATS_JSON,      /* an array of {"module", labels..., rows...}, one per source */
	HF_STATS_PROMETHEUS /* handfast_<module>_<row>[_total]{labels} value */
};

void hf_stats_write(
	FILE *out, enum hf_stats_format format, const struct hf_stats_source *src, size_t src_cnt);

/* The value of a row by name, summed over all sources of that module; 0 when there is none. */
uint64_t hf_stats_sum(
	const struct hf_stats_source *src, size_t src_cnt, const char *module, const char *row);

#endif
