/* telemetry.c -- what can be seen of the daemon from outside: the list of all row tables, which the
 * control socket renders, the same rows as DPDK telemetry commands, and the flight recorders when
 * everything else has failed. A telemetry dict holds at most 256 entries, so each module has a
 * command of its own; its workers are added up, or one is named: `/handfast/tcp,1`. */
#include <inttypes.h>
#include <pthread.h>
#include <rte_telemetry.h>
#include <stdlib.h>
#include <unistd.h>
#include "app/handfast/app.h"

#define PREFIX "/handfast/"
#define DICT_ROWS_MAX 240u /* RTE_TEL_MAX_DICT_ENTRIES is 256 */
#define LAST_WORDS 64u

/* DPDK 22.11 hands no argument to its callbacks, and calls them from a thread of its own, until it
 * ends: later than what they would look at. */
static struct hf_app *app_of_telemetry;
static pthread_mutex_t telemetry_lock = PTHREAD_MUTEX_INITIALIZER;

static const struct hf_stat_row idle_row[] = {
	{"sleeps", "times the worker slept because nothing came", HF_STAT_COUNTER,
		offsetof(struct hf_app_worker, sleeps)},
	{"slept_us", "microseconds asleep", HF_STAT_COUNTER,
		offsetof(struct hf_app_worker, slept_us)},
};
static const struct hf_stat_table idle_table = {"idle", idle_row, HF_ARRAY_LEN(idle_row)};

struct source_list {
	struct hf_stats_source *v;
	uint32_t cnt, max;
};

static void add_source(struct source_list *l, const struct hf_stats_source *s)
{
	if (l->cnt < l->max)
		l->v[l->cnt++] = *s;
}

static void add(struct source_list *l, const struct hf_stat_table *table, const void *base,
	const char *worker, const char *port)
{
	struct hf_stats_source s = {.table = table, .base = base};
	uint32_t label = 0;
	if (worker)
		s.label[label++] = (struct hf_stats_label){"worker", worker};
	if (port)
		s.label[label++] = (struct hf_stats_label){"port", port};
	add_source(l, &s);
}

static void add_worker(struct source_list *l, struct hf_app_worker *aw)
{
	struct hf_worker_table t[HF_WORKER_TABLES_MAX];
	uint32_t i, cnt = hf_worker_tables(aw->w, t);
	for (i = 0; i < cnt; i++)
		add_source(
			l, &(struct hf_stats_source){t[i].table, t[i].base,
				   {{"worker", aw->label}, {t[i].label[0].key, t[i].label[0].value},
					   {t[i].label[1].key, t[i].label[1].value}}});
	add(l, &idle_table, aw, aw->label, NULL);
}

uint32_t hf_app_sources(struct hf_app *app, struct hf_stats_source *v, uint32_t max)
{
	struct source_list l = {v, 0, max};
	uint32_t i, q;
	for (i = 0; i < app->worker_cnt; i++)
		add_worker(&l, &app->worker[i]);
	for (i = 0; i < app->port_cnt; i++) {
		const char *name = app->plan.port[i].name;
		add(&l, &hf_dpdk_stat_table, hf_dpdk_port_refresh(app->port[i]), NULL, name);
		for (q = 0; q < app->port[i]->info.queue_cnt; q++)
			add(&l, &hf_port_stat_table, &app->port[i]->stats[q], app->worker[q].label,
				name);
	}
	return l.cnt + hf_serve_sources(app, v + l.cnt, max - l.cnt);
}

/* ---- DPDK telemetry ---- */

static bool wanted(const struct hf_stats_source *s, const char *module, const char *worker)
{
	if (strcmp(s->table->module, module) != 0)
		return false;
	return !worker || (s->label[0].key && !strcmp(s->label[0].key, "worker") &&
				  !strcmp(s->label[0].value, worker));
}

static uint64_t row_sum(const struct hf_stats_source *v, uint32_t cnt,
	const struct hf_stats_source *like, const char *worker, const struct hf_stat_row *row)
{
	uint64_t sum = 0;
	uint32_t i;
	for (i = 0; i < cnt; i++)
		if (wanted(&v[i], like->table->module, worker))
			sum += __atomic_load_n(
				(const uint64_t *)(const void *)((const uint8_t *)v[i].base +
								 row->off),
				__ATOMIC_RELAXED);
	return sum;
}

static void fill(
	struct rte_tel_data *d, struct hf_stats_source *v, const char *module, const char *worker)
{
	uint32_t cnt = hf_app_sources(app_of_telemetry, v, HF_APP_SOURCES_MAX), i, r;
	for (i = 0; i < cnt && !wanted(&v[i], module, worker); i++)
		;
	for (r = 0; i < cnt && r < HF_MIN(v[i].table->row_cnt, DICT_ROWS_MAX); r++) {
		const struct hf_stat_row *row = &v[i].table->row[r];
		(void)rte_tel_data_add_dict_u64(d, row->name, row_sum(v, cnt, &v[i], worker, row));
	}
}

static int answer(const char *cmd, const char *worker, struct rte_tel_data *d)
{
	struct hf_stats_source *v = calloc(HF_APP_SOURCES_MAX, sizeof(*v));
	if (!v)
		return -1;
	(void)rte_tel_data_start_dict(d);
	(void)pthread_mutex_lock(&telemetry_lock);
	if (app_of_telemetry)
		fill(d, v, cmd + strlen(PREFIX), worker);
	(void)pthread_mutex_unlock(&telemetry_lock);
	free(v);
	return 0;
}

int hf_telemetry_init(struct hf_app *app)
{
	struct hf_stats_source *v = calloc(HF_APP_SOURCES_MAX, sizeof(*v));
	uint32_t cnt, i, j;
	char cmd[64];
	if (!v)
		return -1;
	app_of_telemetry = app;
	cnt = hf_app_sources(app, v, HF_APP_SOURCES_MAX);
	for (i = 0; i < cnt; i++) {
		for (j = 0; v[j].table != v[i].table; j++)
			;
		if (j < i)
			continue;
		HF_ASSERT(v[i].table->row_cnt <= DICT_ROWS_MAX);
		(void)snprintf(cmd, sizeof(cmd), PREFIX "%s", v[i].table->module);
		(void)rte_telemetry_register_cmd(cmd, answer,
			"Counters of this module. Parameter: a worker's index, or none");
	}
	free(v);
	return 0;
}

void hf_telemetry_fini(void)
{
	(void)pthread_mutex_lock(&telemetry_lock);
	app_of_telemetry = NULL;
	(void)pthread_mutex_unlock(&telemetry_lock);
}

/* ---- the last words ---- */

void hf_app_last_words(void *arg)
{
	const struct hf_app *app = arg;
	char line[160];
	uint32_t i;
	uint64_t at;
	for (i = 0; i < app->worker_cnt; i++) {
		const struct hf_trace *t = hf_worker_trace(app->worker[i].w);
		for (at = t->seq - HF_MIN(t->seq, LAST_WORDS); at < t->seq; at++) {
			const struct hf_trace_ev *e = &t->ev[at & t->mask];
			int len = snprintf(line, sizeof(line),
				"worker %u  %" PRIu64 " ns  conn %" PRId32 "  %s  %u %" PRIu64
				" %" PRIu64 "\n",
				i, e->at, (int32_t)e->conn, hf_trace_name(e->what), e->a, e->b,
				e->c);
			(void)!write(
				STDERR_FILENO, line, (size_t)HF_MIN(len, (int)sizeof(line) - 1));
		}
	}
}
