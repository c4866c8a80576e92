/* appliance.c -- the whole appliance as the simulation's subject: one worker per queue of the port,
 * libcrypto's engines, backends on the real link, and a control thread that misbehaves: it brings a
 * new site generation on every turn, keeps each until the workers let go of it and overwrites it
 * then, so that whoever still looks at one reads garbage. In some runs every pool is as small as
 * can be, and endpoints die and come back.
 * A turn polls each worker twice: the first poll takes the new site, which makes it busy; only the
 * second tells whether there is work. Workers sleep and are woken as in the daemon. */
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "drivers/drivers.h"
#include "lib/crypto/pki.h"
#include "lib/worker/worker.h"
#include "tests/sim/backend.h"
#include "tests/sim/slices.h"
#include "tests/support/rsa_key.h"
#include "tests/sim/subject.h"

#define POISON 0xdb
#define QUARANTINE 64u /* overwritten generations stay that long, to be read by mistake */
#define TIGHT_CLIENT_MAX 64u
#define TICKETS_EVERY 256u /* generations */
#define DEATH_MAX 3u
#define TRACE_CNT 1024u
#define TRACE_LONG_CNT (1u << 22) /* a whole run's, when somebody wants to see it */

/* One generation with all that its site points to, in one block. */
struct generation {
	struct generation *next;
	uint64_t number;
	uint32_t holders; /* workers that have not given it back */
	size_t len;
	struct hf_site *site;
	struct hf_tls_vhost vhost;
	struct hf_tls_client_auth auth;
	struct hf_tls_cert cert;
	const struct hf_tls_cert *shown;
	struct hf_pk_key key;
	uint16_t suite[HF_TLS_SUITE_MAX], group[2];
};

struct death {
	hf_ns at;
	uint32_t endpoint;
	bool nonsense;
};

struct engine {
	void *slices, *pk, *sym;
};

struct subject {
	struct hf_port *port;
	struct hf_addr addr[2]; /* IPv4, IPv6 */
	uint16_t tcp_port;
	struct rng rng;
	bool trace, tight, slices;
	uint32_t worker_cnt;
	struct hf_worker *worker[BACKEND_WORKER_MAX];
	struct engine engine[BACKEND_WORKER_MAX];
	bool asleep[BACKEND_WORKER_MAX];
	struct backend *backend;
	uint32_t endpoint_cnt;
	struct death death[DEATH_MAX];
	uint32_t death_cnt;
	/* what generations are made of */
	struct rsa_key rsa;
	uint8_t *chain;
	size_t chain_len;
	struct hf_auth_ca *ca; /* NULL: clients are not asked who they are */
	uint8_t request[HF_TLS_REQUEST_MAX];
	size_t request_len;
	struct generation *live, *quarantine[QUARANTINE];
	uint64_t generation;
	struct hf_tls_tickets *tickets; /* until every worker has copied them */
};

static void *take_memory(size_t len)
{
	void *p = aligned_alloc(HF_CACHE_LINE, HF_ROUND_UP(len, (size_t)HF_CACHE_LINE));
	HF_ASSERT(p != NULL);
	memset(p, POISON, len); /* nobody may count on zeros */
	return p;
}

/* ---- site generations ------------------------------------------------------------------------- */

static const struct hf_site_limits limits = {
	.hello_ns = 120 * HF_NS_S,
	.handshake_ns = 180 * HF_NS_S,
	.record_ns = 1200 * HF_NS_S, /* these two are beyond every client's patience */
	.idle_ns = 1200 * HF_NS_S,
	.backend_ns = 120 * HF_NS_S,
	.slow_reader_ns = 1200 * HF_NS_S,
};

static const uint16_t groups[] = {29, 23};

static struct hf_span copy(uint8_t **at, struct hf_span from)
{
	uint8_t *here = *at;
	memcpy(here, from.p, from.len);
	*at += HF_ROUND_UP(from.len, (size_t)HF_CACHE_LINE);
	return hf_span(here, from.len);
}

static struct generation *generation_new(struct subject *s)
{
	struct hf_site_listener_spec listener = {
		.port = s->tcp_port, .vhost_cnt = 1, .linger_ns = 120 * HF_NS_S};
	struct hf_site_spec spec = {.listener = &listener,
		.listener_cnt = 1,
		.group_cnt = HF_ARRAY_LEN(groups),
		.worker_cnt = s->worker_cnt,
		.limits = limits,
		.guard = {
			.strangers_percent = 5}}; /* as the options have it: nobody shall notice */
	struct hf_span chain = hf_span(s->chain, s->chain_len);
	const struct hf_pk_key *key = &s->rsa.key;
	size_t len = sizeof(struct generation) + hf_site_footprint(&spec) + chain.len + key->n.len +
		     key->e.len + key->pkcs8.len + s->request_len + 9u * HF_CACHE_LINE;
	struct generation *g = take_memory(len);
	uint8_t *at = (uint8_t *)g + HF_ROUND_UP(sizeof(*g), (size_t)HF_CACHE_LINE);
	*g = (struct generation){.next = s->live,
		.number = ++s->generation,
		.holders = s->worker_cnt,
		.len = len,
		.key = *key};
	g->key.id = g->number;
	spec.suite_cnt = hf_tls_profile(HF_TLS_LEGACY, g->suite);
	memcpy(g->group, groups, sizeof(groups));
	g->key.n = copy(&at, key->n);
	g->key.e = copy(&at, key->e);
	g->key.pkcs8 = copy(&at, key->pkcs8);
	g->cert = (struct hf_tls_cert){.list = copy(&at, chain), .key = &g->key};
	g->shown = &g->cert;
	g->vhost = (struct hf_tls_vhost){.name = {0}, .cert = &g->shown, .cert_cnt = 1};
	g->auth = (struct hf_tls_client_auth){
		.ca = s->ca, .request = copy(&at, hf_span(s->request, s->request_len))};
	if (s->ca)
		g->vhost.auth = &g->auth;
	spec.generation = g->number;
	spec.suite = g->suite;
	spec.group = g->group;
	listener.vhost = &g->vhost;
	g->site = hf_site_init(at, &spec);
	HF_ASSERT(at + hf_site_footprint(&spec) <= (uint8_t *)g + len);
	s->live = g;
	return g;
}

/* A worker gives a generation back; after the last one nobody may look at it. */
static void generation_free(struct subject *s, uint64_t number)
{
	struct generation **at = &s->live, *g, **place = &s->quarantine[number % QUARANTINE];
	while (*at != NULL && (*at)->number != number)
		at = &(*at)->next;
	g = *at;
	HF_ASSERT(g != NULL && g->holders > 0 && g != s->live);
	if (--g->holders > 0)
		return;
	*at = g->next;
	memset(g, POISON, g->len);
	free(*place);
	*place = g;
}

static void order(struct subject *s, uint32_t worker, const struct hf_order *o)
{
	HF_ASSERT(hf_worker_order(s->worker[worker], o) == 0);
}

static void reload(struct subject *s)
{
	struct generation *g = generation_new(s);
	for (uint32_t w = 0; w < s->worker_cnt; w++)
		order(s, w, &(struct hf_order){.kind = HF_ORDER_SITE, .site = g->site});
}

/* New ticket keys, those of before and those to come among them, again and again. */
static void turn_keys(struct subject *s)
{
	uint64_t number = s->generation / TICKETS_EVERY;
	if (s->generation % TICKETS_EVERY != 2) /* the first turn's */
		return;
	s->tickets = take_memory(sizeof(*s->tickets));
	*s->tickets =
		(struct hf_tls_tickets){.generation = number + 1, .key_cnt = 3, .lifetime_s = 3600};
	for (uint32_t i = 0; i < 3; i++) {
		struct hf_tls_ticket_key *k = &s->tickets->key[i];
		memset(k, (int)(number + (i == 2 ? 1 : 3 - i)), sizeof(*k));
		k->name[0] = HF_TLS_TICKET_NAME_VERSION;
	}
	for (uint32_t w = 0; w < s->worker_cnt; w++)
		order(s, w, &(struct hf_order){.kind = HF_ORDER_TICKETS, .tickets = s->tickets});
}

static void keys_taken(struct subject *s)
{
	for (uint32_t w = 0; s->tickets != NULL && w < s->worker_cnt; w++)
		HF_ASSERT(hf_worker_tickets(s->worker[w]) == s->tickets->generation);
	free(s->tickets);
	s->tickets = NULL;
}

/* ---- endpoints -------------------------------------------------------------------------------- */

static void attach(struct subject *s, uint32_t e)
{
	backend_attach(s->backend, e);
	for (uint32_t w = 0; w < s->worker_cnt; w++)
		order(s, w,
			&(struct hf_order){.kind = HF_ORDER_ENDPOINT_UP,
				.arg = e,
				.link = backend_link(s->backend, e, w)});
}

static void detach(struct subject *s, uint32_t e)
{
	for (uint32_t w = 0; w < s->worker_cnt; w++)
		order(s, w, &(struct hf_order){.kind = HF_ORDER_ENDPOINT_DOWN, .arg = e});
}

/* What the plan wants of endpoints now; returns when it wants more. */
static hf_ns deaths(struct subject *s, hf_ns now)
{
	hf_ns next = HF_NS_NEVER;
	for (struct death *d = s->death; d < s->death + s->death_cnt; d++) {
		if (d->at <= now) {
			d->at = HF_NS_NEVER;
			backend_die(s->backend, d->endpoint, d->nonsense);
			if (!d->nonsense)
				detach(s, d->endpoint);
		}
		next = HF_MIN(next, d->at);
	}
	return next;
}

static void plan_deaths(struct subject *s, hf_ns now)
{
	if (!rng_permille(&s->rng, 200))
		return;
	s->death_cnt = rng_range(&s->rng, 1, s->endpoint_cnt);
	for (uint32_t i = 0; i < s->death_cnt; i++)
		s->death[i] =
			(struct death){.at = now + rng_range(&s->rng, 20000, 3000000) * HF_NS_US,
				.endpoint = i,
				.nonsense = rng_permille(&s->rng, 300)};
}

/* ---- events ----------------------------------------------------------------------------------- */

static void event(struct subject *s, uint32_t worker, const struct hf_event *e)
{
	switch (e->kind) {
	case HF_EVENT_SITE_FREE:
		generation_free(s, e->arg64);
		break;
	case HF_EVENT_ENDPOINT_CUT:
		HF_ASSERT(e->why == HF_LINK_BAD_INDEX);
		detach(s, e->arg);
		break;
	case HF_EVENT_ENDPOINT_FREE:
		if (backend_released(s->backend, e->arg, worker))
			attach(s, e->arg);
		break;
	case HF_EVENT_FAILURE: /* judged by its count, see reasons */
		break;
	default:
		HF_ASSERT(!"an event that nothing in the simulation can cause");
	}
}

static void events(struct subject *s)
{
	struct hf_event e;
	for (uint32_t w = 0; w < s->worker_cnt; w++)
		while (hf_worker_event(s->worker[w], &e))
			event(s, w, &e);
}

/* ---- a turn ----------------------------------------------------------------------------------- */

/* Polls every worker; returns when the first of them wants it again. */
static hf_ns poll_all(struct subject *s, hf_ns now)
{
	hf_ns next = HF_NS_NEVER;
	for (uint32_t w = 0; w < s->worker_cnt; w++) {
		struct hf_poll p = hf_worker_poll(s->worker[w], now);
		next = HF_MIN(next, p.busy ? now : p.next_due);
		backend_ring(s->backend, w, p.bells);
	}
	return next;
}

static hf_ns appliance_turn(struct subject *s, hf_ns now)
{
	bool wake[BACKEND_WORKER_MAX] = {false};
	hf_ns next = deaths(s, now), workers;
	for (uint32_t w = 0; w < s->worker_cnt; w++)
		if (s->asleep[w])
			hf_worker_wake(s->worker[w]);
	reload(s);
	turn_keys(s);
	poll_all(s, now);
	keys_taken(s);
	events(s);
	workers = poll_all(s, now);
	events(s);
	next = HF_MIN(next, backend_turn(s->backend, now, wake));
	for (uint32_t w = 0; w < s->worker_cnt; w++) {
		s->asleep[w] = workers > now && !wake[w] && hf_worker_sleep(s->worker[w]);
		workers = s->asleep[w] ? workers : now;
	}
	return HF_MIN(next, workers);
}

/* ---- what must hold --------------------------------------------------------------------------- */

/* The struct behind a module's table. */
static const void *stats_of(struct hf_worker *w, const char *module)
{
	struct hf_worker_table t[HF_WORKER_TABLES_MAX];
	uint32_t cnt = hf_worker_tables(w, t), i = 0;
	while (i < cnt && strcmp(t[i].table->module, module) != 0)
		i++;
	HF_ASSERT(i < cnt);
	return t[i].base;
}

/* All time between two looks at the ports has a cause. */
static void check_gaps(const struct hf_worker_stats *stats)
{
	uint64_t sum = 0;
#define HF_GAP(cause, help) sum += stats->gap_##cause##_ns.sum;
#include "lib/worker/gap.def"
#undef HF_GAP
	HF_ASSERT(sum == stats->gap_ns.sum);
	HF_ASSERT(stats->gap_ns.cnt == stats->polls_busy ||
		  stats->gap_ns.cnt + 1 == stats->polls_busy); /* the last one goes on */
}

static void appliance_check(struct subject *s)
{
	for (uint32_t w = 0; w < s->worker_cnt; w++) {
		const struct hf_worker_stats *stats = stats_of(s->worker[w], "worker");
		hf_worker_check(s->worker[w]);
		check_gaps(stats);
		HF_ASSERT(stats->events_lost == 0);
	}
}

/* A worker asserts that its frames in are the sum of its outcomes; one that crossed was counted by
 * both workers. */
static uint64_t appliance_frames(const struct subject *s)
{
	uint64_t cnt = 0, in = 0, out = 0;
	for (uint32_t w = 0; w < s->worker_cnt; w++) {
		const struct hf_net_stats *net = stats_of(s->worker[w], "net");
		const struct hf_worker_stats *stats = stats_of(s->worker[w], "worker");
		cnt += net->frames_in;
		in += stats->crossed_in;
		out += stats->crossed_out;
	}
	HF_ASSERT(in <= out);
	return cnt - in;
}

/* What is no measure of connections. */
static bool may_stay(const char *gauge)
{
	static const char *const names[] = {"endpoints", "site_generation", "draining",
		"queued_max", "burst_max", "sessions", "headroom", "prefixes", "strangers_rate"};
	for (size_t i = 0; i < HF_ARRAY_LEN(names); i++)
		if (strcmp(gauge, names[i]) == 0)
			return true;
	return false;
}

static const char *gauge_left(struct hf_worker *w)
{
	struct hf_worker_table t[HF_WORKER_TABLES_MAX];
	uint32_t cnt = hf_worker_tables(w, t);
	for (uint32_t i = 0; i < cnt; i++) {
		for (uint32_t r = 0; r < t[i].table->row_cnt; r++) {
			const struct hf_stat_row *row = &t[i].table->row[r];
			const uint8_t *at = (const uint8_t *)t[i].base + row->off;
			uint64_t v;
			memcpy(&v, at, sizeof(v));
			if (row->kind == HF_STAT_GAUGE && v != 0 && !may_stay(row->name))
				return row->name;
		}
	}
	return NULL;
}

/* Of all the generations only the newest is left, too. */
static const char *appliance_left(struct subject *s, hf_ns now HF_UNUSED)
{
	for (uint32_t w = 0; w < s->worker_cnt; w++) {
		const char *left = gauge_left(s->worker[w]);
		if (left != NULL || !hf_worker_is_idle(s->worker[w]))
			return left != NULL ? left : "something of a worker";
	}
	if (!backend_idle(s->backend))
		return "a stream at a backend";
	return s->live->next != NULL ? "an old site generation" : NULL;
}

/* TLS failures that a bad wire can cause; anything else would be a wrong byte of ours. */
static bool tls_may_fail(uint32_t reason)
{
	return reason <= HF_TLS_R_UNREACHABLE || reason == HF_TLS_R_HELLO_LATE ||
	       reason == HF_TLS_R_TIMED_OUT || reason == HF_TLS_R_STALLED ||
	       reason == HF_TLS_R_EVICTED;
}

/* What clients that only come back as they were can meet: keys that have gone, too small a cache, the
 * other worker. */
static bool session_may_miss(uint32_t what)
{
	return what <= HF_TLS_RESUME_ID || what == HF_TLS_RESUME_TICKET_KEY ||
	       what == HF_TLS_RESUME_ID_WORKER || what == HF_TLS_RESUME_ID_GONE;
}

static uint32_t appliance_reasons(
	const struct subject *s, struct subject_reason v[SUBJECT_REASON_MAX])
{
	static const char *const name[] = {"half_expired", "half_evicted", "end_rto", "end_probe",
		"end_close_time", "timeout_handshake", "timeout_record", "timeout_idle",
		"timeout_linger", "timeout_slow_reader", "timeout_backend", "evicted",
		"evicted_handshakes"};
	static_assert(HF_ARRAY_LEN(name) <= SUBJECT_REASON_MAX, "the caller has room for all");
	for (uint32_t i = 0; i < HF_ARRAY_LEN(name); i++)
		v[i] = (struct subject_reason){name[i], 0};
	for (uint32_t i = 0; i < s->worker_cnt; i++) {
		const struct hf_tcp_stats *tcp = stats_of(s->worker[i], "tcp");
		const struct hf_worker_stats *w = stats_of(s->worker[i], "worker");
		const struct hf_tls_stats *tls = stats_of(s->worker[i], "tls");
		const uint64_t cnt[HF_ARRAY_LEN(name)] = {tcp->half_expired, tcp->half_evicted,
			tcp->end[HF_TCP_END_RTO], tcp->end[HF_TCP_END_PROBE],
			tcp->end[HF_TCP_END_CLOSE_TIME], w->timeout_handshake, w->timeout_record,
			w->timeout_idle, w->timeout_linger, w->timeout_slow_reader,
			w->timeout_backend, w->evicted, w->evicted_handshakes};
		for (uint32_t k = 0; k < HF_ARRAY_LEN(name); k++)
			v[k].cnt += cnt[k];
		HF_ASSERT(tcp->end[HF_TCP_END_ABORTED] <=
			  w->evicted + w->evicted_handshakes + w->timeout_linger +
				  w->timeout_slow_reader + w->timeout_backend + w->truncated +
				  w->streams_reset_in + w->streams_lost);
		for (uint32_t r = 0; r < HF_TLS_RESUME_CNT; r++)
			HF_ASSERT(session_may_miss(r) || tls->resume[r] == 0);
		for (uint32_t r = 0; r < HF_TLS_REASON_CNT; r++)
			HF_ASSERT(tls_may_fail(r) || (tls->reason[r] == 0 && tls->fault[r] == 0));
	}
	return HF_ARRAY_LEN(name);
}

static bool appliance_lost(const struct subject *s, const struct hf_addr *client, uint16_t port)
{
	return backend_lost(s->backend, client, port);
}

static uint64_t appliance_digest(const struct subject *s)
{
	uint64_t d = s->generation;
	for (uint32_t w = 0; w < s->worker_cnt; w++)
		d = (d ^ hf_worker_trace(s->worker[w])->digest) * 0x9e3779b97f4a7c15ull;
	return d;
}

static void show_stats(struct hf_worker *w, FILE *to)
{
	struct hf_worker_table t[HF_WORKER_TABLES_MAX];
	uint32_t cnt = hf_worker_tables(w, t);
	for (uint32_t i = 0; i < cnt; i++) {
		for (uint32_t r = 0; r < t[i].table->row_cnt; r++) {
			const struct hf_stat_row *row = &t[i].table->row[r];
			uint64_t v;
			memcpy(&v, (const uint8_t *)t[i].base + row->off, sizeof(v));
			if (v != 0 && row->kind != HF_STAT_HIST)
				fprintf(to, "%s.%s %llu\n", t[i].table->module, row->name,
					(unsigned long long)v);
		}
	}
}

static void appliance_trace(const struct subject *s, FILE *to)
{
	for (uint32_t w = 0; w < s->worker_cnt; w++) {
		const struct hf_trace *t = hf_worker_trace(s->worker[w]);
		uint64_t first = t->seq > t->mask ? t->seq - t->mask - 1 : 0;
		fprintf(to, "worker %u, the last %llu of %llu events\n", w,
			(unsigned long long)(t->seq - first), (unsigned long long)t->seq);
		for (uint64_t i = first; i < t->seq; i++) {
			const struct hf_trace_ev *e = &t->ev[i & t->mask];
			if (e->what != HF_TRACE_SITE)
				fprintf(to, "%12.6f conn %u %s %u %llu %llu\n",
					(double)e->at / (double)HF_NS_S, e->conn,
					hf_trace_name(e->what), e->a, (unsigned long long)e->b,
					(unsigned long long)e->c);
		}
		show_stats(s->worker[w], to);
	}
}

/* ---- birth ------------------------------------------------------------------------------------ */

/* certificate_list of RFC 5246 7.4.2, leaf first, the root left out. */
static void make_chain(struct subject *s, const struct sslkit *kit)
{
	for (int i = 0; i < SSLKIT_CHAIN_CNT - 1; i++) {
		uint8_t *der = NULL;
		int len = i2d_X509(kit->cert[i], &der);
		HF_ASSERT(len > 0);
		s->chain = realloc(s->chain, s->chain_len + 3 + (size_t)len);
		HF_ASSERT(s->chain != NULL);
		for (int b = 2; b >= 0; b--)
			s->chain[s->chain_len++] = (uint8_t)(len >> 8 * b);
		memcpy(s->chain + s->chain_len, der, (size_t)len);
		s->chain_len += (size_t)len;
		OPENSSL_free(der);
	}
}

/* Every fourth run asks its clients for certificates; half of them have one (session.c). */
static void ask_clients(struct subject *s, const struct subject_cfg *cfg)
{
	char path[] = "/tmp/hf_sim_XXXXXX";
	struct hf_writer w = hf_writer(s->request, sizeof(s->request));
	struct hf_pki_report report;
	FILE *f;
	if (cfg->seed >> 7 & 3)
		return;
	f = fdopen(mkstemp(path), "w");
	HF_ASSERT(f != NULL && PEM_write_X509(f, cfg->kit->cert[1]) == 1 && fclose(f) == 0);
	s->ca = hf_pki_libcrypto.ca_load(path, 1750000000, &report);
	HF_ASSERT(s->ca != NULL && unlink(path) == 0);
	hf_tls_request_write(&w, s->ca->names);
	s->request_len = w.len;
}

static struct hf_worker_cfg roomy(void)
{
	return (struct hf_worker_cfg){
		.conn_cnt = 512,
		.hs_cnt = 64,
		.chunk_cnt = 8192,
		.record_cnt = 64,
		.link_chunk_cnt = 2048,
		.half_open_cnt = 512,
		.time_wait_cnt = 128,
		.prefix_cnt = 64,
		.session_cnt = 64,
		.pk_job_cnt = 64,
		.auth_job_cnt = 16,
		.sym_job_cnt = 256,
		.cross_cnt = 256,
		.rcv_wnd_max = 65536,
		.snd_queue_max = 65536,
	};
}

/* Everything as small as it may be while those who take and never leave do not hold all of it. */
static struct hf_worker_cfg tight(struct rng *r, uint32_t client_cnt)
{
	return (struct hf_worker_cfg){
		.conn_cnt = TIGHT_CLIENT_MAX,
		.hs_cnt = rng_range(r, 1, 3),
		.chunk_cnt = rng_range(r, 64, 400) + 4 * client_cnt,
		.record_cnt = rng_range(r, 1, 4),
		.link_chunk_cnt = rng_range(r, 12, 150) + 2 * client_cnt,
		.half_open_cnt = TIGHT_CLIENT_MAX,
		.time_wait_cnt = rng_range(r, 1, 4),
		.session_cnt = rng_below(r, 2), /* none, or one place */
		.pk_job_cnt = rng_range(r, 1, 2),
		.auth_job_cnt = rng_range(r, 1, 2),
		.sym_job_cnt = rng_range(r, 2, 8),
		.cross_cnt = 4,
		.rcv_wnd_max = rng_range(r, 20000, 40000),
		.snd_queue_max = rng_range(r, 20000, 40000),
	};
}

static void *engine_open(
	const struct hf_pk_engine *e, struct hf_pk_engine_ref *ref, uint32_t min_fill)
{
	void *ctx = take_memory(e->size());
	HF_ASSERT(e->init(ctx) == 0);
	ref->engine = e;
	for (uint32_t c = 0; c < HF_PK_CLASS_CNT; c++) {
		ref->ctx[c] = ctx;
		ref->min_fill[c] = min_fill;
	}
	return ctx;
}

/* In half of the runs a batch engine comes first, whose batches last up to several ms. */
static void engines_open(struct subject *s, struct engine *e, struct hf_worker_env *env)
{
	uint32_t schedule_cnt = s->tight ? 3 : 64;
	if (s->slices) {
		e->slices = engine_open(
			&slices_engine, &env->pk[env->pk_cnt++], rng_range(&s->rng, 1, 2));
		slices_set(e->slices, rng_range(&s->rng, 1, 500));
		for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++)
			env->pk[0].gather_ns[i] = rng_range(&s->rng, 0, 3) * HF_NS_MS;
	}
	e->pk = engine_open(&hf_pk_libcrypto, &env->pk[env->pk_cnt++], 1);
	e->sym = take_memory(hf_sym_libcrypto.size(schedule_cnt));
	HF_ASSERT(hf_sym_libcrypto.init(e->sym, schedule_cnt) == 0);
	env->sym = &hf_sym_libcrypto;
	env->sym_ctx = e->sym;
	env->auth = &hf_auth_libcrypto;
}

static void engines_close(struct engine *e)
{
	if (e->slices != NULL)
		slices_engine.fini(e->slices);
	hf_pk_libcrypto.fini(e->pk);
	hf_sym_libcrypto.fini(e->sym);
	free(e->slices);
	free(e->pk);
	free(e->sym);
}

/* A nanosecond passes with each look at it. */
static uint64_t cycles(void)
{
	static uint64_t looks;
	return ++looks;
}

static void worker_open(struct subject *s, uint32_t i, const struct hf_worker_cfg *room, hf_ns now)
{
	struct hf_worker_cfg cfg = *room;
	struct hf_worker_env env = {.cycles = cycles,
		.cycles_per_us = 1000,
		.steer_key = "the same for all",
		.session_key = "so is this",
		.wall_ns = 1750000000 * HF_NS_S,
		.now = now};
	engines_open(s, &s->engine[i], &env);
	rng_fill(&s->rng, env.seed, sizeof(env.seed));
	cfg.index = i;
	cfg.worker_cnt = s->worker_cnt;
	cfg.order_cnt = 64;
	cfg.event_cnt = 256;
	cfg.trace_cnt = s->trace ? TRACE_LONG_CNT : TRACE_CNT;
	cfg.syn_life_ns = 120 * HF_NS_S;
	cfg.curve_gather_ns = rng_range(&s->rng, 0, 1) * HF_NS_MS;
	cfg.time_wait_ns = 60 * HF_NS_S;
	cfg.close_ns = 120 * HF_NS_S;
	cfg.reflect = true;
	cfg.port[0] = (struct hf_worker_port_cfg){.port = s->port,
		.queue = i,
		.addr = {{.ip = s->addr[0]}, {.ip = s->addr[1]}},
		.addr_cnt = 2};
	cfg.port_cnt = 1;
	s->worker[i] = hf_worker_init(take_memory(hf_worker_footprint(&cfg)), &cfg, &env);
	hf_worker_join(s->worker[i], s->worker);
}

static void backend_open(struct subject *s)
{
	struct backend_cfg cfg = {.seed = rng_u64(&s->rng),
		.worker_cnt = s->worker_cnt,
		.ring_len = s->tight ? HF_LINK_RING_MIN : 4 * HF_LINK_RING_MIN,
		.stream_credit = s->tight ? HF_LINK_CREDIT_MIN : 65536,
		.slow = rng_permille(&s->rng, 150)};
	s->endpoint_cnt = rng_range(&s->rng, 1, BACKEND_ENDPOINT_MAX);
	cfg.endpoint_cnt = s->endpoint_cnt;
	s->backend = backend_new(&cfg);
	for (uint32_t e = 0; e < s->endpoint_cnt; e++)
		attach(s, e);
}

static struct subject *appliance_open(const struct subject_cfg *cfg, hf_ns now)
{
	struct subject *s = calloc(1, sizeof(*s));
	struct hf_worker_cfg room;
	HF_ASSERT(s != NULL && cfg->port->info.queue_cnt <= BACKEND_WORKER_MAX);
	s->port = cfg->port;
	s->addr[0] = cfg->ip4;
	s->addr[1] = cfg->ip6;
	s->tcp_port = cfg->tcp_port;
	s->trace = cfg->trace;
	s->rng.state = cfg->seed;
	s->worker_cnt = cfg->port->info.queue_cnt;
	HF_ASSERT(EVP_PKEY_up_ref(cfg->kit->key[0]) == 1);
	rsa_key_from(&s->rsa, cfg->kit->key[0], 2);
	make_chain(s, cfg->kit);
	ask_clients(s, cfg);
	s->slices = rng_permille(&s->rng, 500);
	s->tight = rng_permille(&s->rng, 300) && cfg->client_cnt <= TIGHT_CLIENT_MAX;
	room = s->tight ? tight(&s->rng, cfg->client_cnt) : roomy();
	for (uint32_t w = 0; w < s->worker_cnt; w++)
		worker_open(s, w, &room, now);
	reload(s);
	backend_open(s);
	plan_deaths(s, now);
	return s;
}

static void appliance_close(struct subject *s, hf_ns now HF_UNUSED)
{
	for (uint32_t w = 0; w < s->worker_cnt; w++) {
		engines_close(&s->engine[w]);
		free(s->worker[w]);
	}
	backend_free(s->backend);
	for (struct generation *g = s->live, *next; g != NULL; g = next) {
		next = g->next;
		free(g);
	}
	for (uint32_t i = 0; i < QUARANTINE; i++)
		free(s->quarantine[i]);
	rsa_key_free(&s->rsa);
	hf_pki_libcrypto.ca_free(s->ca);
	free(s->chain);
	free(s);
}

const struct subject_class subject_appliance = {
	.name = "appliance",
	.ip6 = true,
	.open = appliance_open,
	.turn = appliance_turn,
	.check = appliance_check,
	.frames = appliance_frames,
	.left = appliance_left,
	.reasons = appliance_reasons,
	.lost = appliance_lost,
	.digest = appliance_digest,
	.trace = appliance_trace,
	.close = appliance_close,
};
