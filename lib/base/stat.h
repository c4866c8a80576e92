/* stat.h -- how a module exports its counters: a table of rows made from its stats.def, read by
 * lib/stats (text, JSON, Prometheus) and telemetry. A row is the single declaration of a counter.
 *   stats.def:  HF_COUNTER(segments_in, "segments received")   HF_GAUGE(conns, "connections now")
 *               HF_HIST(poll_gap_ns, "time between two polls")   a struct hf_hist, hist.h
 * Threads: one writer per counter (its worker), read racily by control. Counters are uint64_t. */
#ifndef HF_BASE_STAT_H
#define HF_BASE_STAT_H

#include "lib/base/base.h"

enum hf_stat_kind { HF_STAT_COUNTER, HF_STAT_GAUGE, HF_STAT_HIST };

struct hf_stat_row {
	const char *name, *help;
	enum hf_stat_kind kind;
	uint32_t off; /* in the module's stats struct: a uint64_t, a struct hf_hist for HIST */
};

struct hf_stat_table {
	const char *module; /* "tcp" */
	const struct hf_stat_row *row;
	uint32_t row_cnt;
};

/* Inside a module: struct X_stats {...} and its rows, both from the same .def file:
 *   struct hf_tcp_stats {
 *   #define HF_COUNTER(name, help) uint64_t name;
 *   #define HF_GAUGE(name, help) uint64_t name;
 *   #include "lib/tcp/stats.def"
 *   };                                    (then #undef both)
 *   static const struct hf_stat_row rows[] = {
 *   #define HF_COUNTER(name, help) {#name, help, HF_STAT_COUNTER, offsetof(struct X_stats, name)},
 *   ...
 */
#endif
