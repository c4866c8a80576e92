/* tables.c -- what others may see of a worker: the tables of its modules' counters, which telemetry reads
 * racily, its trace, and for tests what must always hold. */
#include "lib/worker/conn.h"

static const struct hf_stat_row worker_rows[] = {
#define HF_COUNTER(name, help) \
	{#name, help, HF_STAT_COUNTER, offsetof(struct hf_worker_stats, name)},
#define HF_GAUGE(name, help) {#name, help, HF_STAT_GAUGE, offsetof(struct hf_worker_stats, name)},
#define HF_HIST(name, help) {#name, help, HF_STAT_HIST, offsetof(struct hf_worker_stats, name)},
#include "lib/worker/stats.def"
#undef HF_COUNTER
#undef HF_GAUGE
#undef HF_HIST
};

static const struct hf_stat_table worker_table = {"worker", worker_rows, HF_ARRAY_LEN(worker_rows)};

static const struct hf_stat_row cycles_rows[] = {
#define HF_GAP(cause, help) \
	{#cause "_ns", help, HF_STAT_COUNTER, offsetof(struct hf_worker_cycles, cause##_ns)},
#include "lib/worker/gap.def"
#undef HF_GAP
	{"idle_ns", "turns that found nothing to do", HF_STAT_COUNTER,
		offsetof(struct hf_worker_cycles, idle_ns)},
};

static const struct hf_stat_table cycles_table = {"cycles", cycles_rows, HF_ARRAY_LEN(cycles_rows)};

/* In two parts: 2^64 cycles times a thousand would not last a year. */
static uint64_t ns_of(const struct hf_worker *w, uint64_t cycles)
{
	uint64_t us = HF_MAX(w->env.cycles_per_us, 1ull);

	return cycles / us * 1000 + cycles % us * 1000 / us;
}

static void gauges(struct hf_worker *w)
{
	w->stats.handshakes = w->tls.hs.used;
	w->stats.chunks = w->bufs.chunk.used;
	w->stats.records = w->bufs.record.used;
	w->stats.link_chunks = w->link_bufs.chunk.used;
	w->stats.link_reserved = w->link_reserved;
#define HF_GAP(cause, help) w->cycles_ns.cause##_ns = ns_of(w, w->cycles[HF_GAP_##cause]);
#include "lib/worker/gap.def"
#undef HF_GAP
	w->cycles_ns.idle_ns = ns_of(w, w->cycles_idle);
}

/* What engine e computes: sizes of RSA keys, operations on curves. */
static uint32_t engine_tables(const struct hf_worker *w, uint32_t e, struct hf_worker_table *v)
{
	static const char *const bits[HF_PK_CLASS_CNT] = {"2048", "3072", "4096"};
	const struct hf_pk_engine_ref *ref = &w->env.pk[e];
	const struct hf_pk_engine *engine = ref->engine;
	uint32_t cnt = 0;

	for (uint32_t c = 0; c < HF_PK_CLASS_CNT && engine->takes; c++)
		v[cnt++] = (struct hf_worker_table){&hf_pk_engine_stat_table,
			hf_pk_engine_stats(w->pk, e, c),
			{{"engine", engine->name}, {"bits", bits[c]}}};
	for (enum hf_ec_kind k = 0; k < HF_EC_KIND_CNT && engine->ec; k++)
		for (enum hf_group g = HF_GROUP_X25519; g < HF_GROUP_CNT; g++)
			if (engine->takes_ec(ref->ctx[0], k, g))
				v[cnt++] = (struct hf_worker_table){&hf_pk_engine_stat_table,
					hf_pk_ec_engine_stats(w->pk, e, k, g),
					{{"engine", engine->name}, {"op", hf_ec_name[k][g]}}};
	return cnt;
}

uint32_t hf_worker_tables(struct hf_worker *w, struct hf_worker_table v[HF_WORKER_TABLES_MAX])
{
	const struct hf_worker_table modules[] = {
		{.table = &worker_table, .base = &w->stats},
		{.table = &cycles_table, .base = &w->cycles_ns},
		{.table = &hf_net_stat_table, .base = &w->net_stats},
		{.table = &hf_guard_stat_table, .base = hf_guard_stats(w->guard)},
		{.table = &hf_tcp_stat_table, .base = hf_tcp_stats(w->tcp)},
		{.table = &hf_tls_stat_table, .base = &w->tls.stats},
		{.table = &hf_pk_stat_table, .base = hf_pk_stats(w->pk)},
		{.table = &hf_sym_stat_table, .base = hf_sym_stats(w->sym)},
		{.table = &hf_auth_stat_table, .base = hf_auth_stats(w->auth)},
	};
	uint32_t cnt = HF_ARRAY_LEN(modules);

	gauges(w);
	memcpy(v, modules, sizeof(modules));
	for (uint32_t e = 0; e < w->env.pk_cnt; e++)
		cnt += engine_tables(w, e, v + cnt);
	return cnt;
}

const struct hf_tls_kind *hf_worker_kinds(const struct hf_worker *w)
{
	return w->tls.kind;
}

const struct hf_guard *hf_worker_guard(const struct hf_worker *w)
{
	return w->guard;
}

const struct hf_trace *hf_worker_trace(const struct hf_worker *w)
{
	return &w->trace;
}

void hf_worker_check(const struct hf_worker *w)
{
	const struct hf_tcp_stats *tcp = hf_tcp_stats(w->tcp);
	uint64_t net = 0, segs = 0;
	uint32_t reserved = 0, holders = 0;

	for (uint32_t i = 0; i < HF_NET_VERDICT_CNT; i++)
		net += w->net_stats.outcome[i];
	for (uint32_t i = 0; i < HF_TCP_OUTCOME_CNT; i++)
		segs += tcp->outcome[i];
	HF_ASSERT(net == w->net_stats.frames_in);
	HF_ASSERT(segs == w->net_stats.outcome[HF_NET_TCP]);
	HF_ASSERT(w->stats.conns == w->stats.conns_opened - w->stats.conns_freed);
	for (uint32_t i = 0; i < w->cfg.conn_cnt; i++) {
		if (!hf_tcp_alive(w->tcp, i))
			continue;
		reserved += w->conn[i].reserved;
		holders += w->conn[i].reserved > 0;
	}
	HF_ASSERT(reserved == w->link_reserved);
	for (uint32_t i = w->holder; holders; holders--, i = w->conn[i].holder_next)
		HF_ASSERT(i < w->cfg.conn_cnt && w->conn[i].reserved &&
			  (w->conn[i].holder_next == w->holder) == (holders == 1));
	HF_ASSERT(w->link_bufs.chunk.used <= w->link_reserved);
}

bool hf_worker_is_idle(const struct hf_worker *w)
{
	const struct hf_pk_stats *pk = hf_pk_stats(w->pk);
	const struct hf_sym_stats *sym = hf_sym_stats(w->sym);

	return !w->stats.conns && !w->stats.streams && !w->bufs.chunk.used &&
	       !w->bufs.record.used && !w->link_bufs.chunk.used && !w->link_reserved &&
	       !w->tls.hs.used && !w->run.cnt && !w->wait.cnt && !w->wait_hs.cnt && !pk->jobs &&
	       !sym->jobs && !hf_auth_stats(w->auth)->jobs;
}
