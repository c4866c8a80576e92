/* port.c -- the counters that every port driver keeps per queue, as rows. */
#include "lib/net/port.h"

static const struct hf_stat_row port_row[] = {
#define HF_COUNTER(name, help) {#name, help, HF_STAT_COUNTER, offsetof(struct hf_port_stats, name)},
#include "lib/net/port_stats.def"
#undef HF_COUNTER
};

const struct hf_stat_table hf_port_stat_table = {"port", port_row, HF_ARRAY_LEN(port_row)};
