/* tls_rig.h -- one TLS connection with everything a worker would put around it: pools, jobs, a site
 * and the two chains that TCP would hold. rig_turn is what a worker does for it in a turn. Which
 * arithmetic is under it the test says: doubles, or OpenSSL's.
 * Memory: malloc. Errors: HF_ASSERT, so that fuzz targets can use it as well. */
#ifndef TESTS_TLS_RIG_H
#define TESTS_TLS_RIG_H

#include <stdlib.h>
#include "lib/tls/tls_hs.h"

#define RIG_OWNER 0x100000000ull
#define RIG_ALL_ROOM (1u << 20)
#define RIG_JOB_CNT 8u
#define RIG_SCHEDULE_CNT 16u

struct rig {
	/* set by the test before rig_init */
	const struct hf_pk_engine *pk_engine;
	const struct hf_sym_driver *sym_driver;
	const struct hf_auth_driver *auth_driver; /* may be left out */
	struct hf_tls_cert cert;                  /* of RSA */
	struct hf_tls_cert ec_cert;               /* may be left out */
	uint32_t chunk_cnt, record_cnt, hs_cnt, session_cnt;
	/* the worker's */
	struct hf_bufs bufs;
	struct hf_rand rand;
	struct hf_trace trace;
	struct hf_tls_ctx x;
	void *pk_ctx, *sym_ctx, *mem[6];
	/* the site */
	struct hf_tls_vhost vhost[3];
	const struct hf_tls_cert *shown[2];
	struct hf_tls_protocol alpn[2];
	uint16_t suite[HF_TLS_SUITE_MAX];
	struct hf_tls_use use;
	struct hf_tls_site site;
	/* the connection */
	struct hf_tls tls;
	struct hf_chain in, out;
	bool alive, in_eof;
	size_t room, credit, fed;
	unsigned set, news; /* of the latest run; of all runs together */
	hf_ns now;
	uint32_t turns;
};

static inline void *rig_alloc(size_t len)
{
	void *p = aligned_alloc(HF_CACHE_LINE, HF_ROUND_UP(len, (size_t)HF_CACHE_LINE));

	HF_ASSERT(p != NULL);
	memset(p, 0xa5, len);
	return p;
}

static inline void rig_crypto(struct rig *r)
{
	struct hf_pk_cfg cfg = {.job_cnt = RIG_JOB_CNT};
	struct hf_pk_engine_ref engine = {.engine = r->pk_engine};

	r->pk_ctx = rig_alloc(r->pk_engine->size());
	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++)
		engine.ctx[i] = r->pk_ctx;
	r->sym_ctx = rig_alloc(r->sym_driver->size(RIG_SCHEDULE_CNT));
	HF_ASSERT(r->pk_engine->init(r->pk_ctx) == 0);
	HF_ASSERT(r->sym_driver->init(r->sym_ctx, RIG_SCHEDULE_CNT) == 0);
	r->mem[0] = rig_alloc(hf_pk_footprint(&cfg));
	r->mem[1] = rig_alloc(hf_sym_footprint(RIG_JOB_CNT));
	r->x.sym = hf_sym_init(r->mem[1], RIG_JOB_CNT, r->sym_driver, r->sym_ctx);
	cfg.sym = r->x.sym;
	r->x.pk = hf_pk_init(r->mem[0], &cfg, &engine, 1);
	r->mem[5] = rig_alloc(hf_auth_footprint(RIG_JOB_CNT));
	r->x.auth = hf_auth_init(r->mem[5], RIG_JOB_CNT, r->auth_driver);
}

/* A default host without ALPN, one by name with it, one by wildcard; every suite there is. */
static inline void rig_site(struct rig *r)
{
	static const uint16_t group[] = {29, 23, 24};

	r->shown[0] = &r->cert;
	r->shown[1] = &r->ec_cert;
	r->alpn[0] = (struct hf_tls_protocol){hf_span("http/1.1", 8), 1};
	r->alpn[1] = (struct hf_tls_protocol){hf_span("spdy/1", 6), 2};
	for (int i = 0; i < 3; i++)
		r->vhost[i] = (struct hf_tls_vhost){
			.cert = r->shown, .cert_cnt = 1u + (r->ec_cert.key != NULL)};
	r->vhost[1].name = hf_span("*.example.org", 13);
	r->vhost[2].name = hf_span("www.Example.org", 15);
	r->vhost[2].alpn = r->alpn;
	r->vhost[2].alpn_cnt = 2;
	r->site = (struct hf_tls_site){.generation = 1,
		.vhost = r->vhost,
		.vhost_cnt = HF_ARRAY_LEN(r->vhost),
		.suite = r->suite,
		.suite_cnt = hf_tls_profile(HF_TLS_LEGACY, r->suite),
		.group = group,
		.group_cnt = HF_ARRAY_LEN(group),
		.use = &r->use};
}

#define RIG_WALL_S 1700000000u
#define RIG_LIFETIME_S 3600u

/* Keys first, first + 1 ...; the same number is the same key. */
static inline void rig_tickets(struct rig *r, uint8_t first, uint32_t cnt)
{
	struct hf_tls_tickets t = {.generation = 1, .key_cnt = cnt, .lifetime_s = RIG_LIFETIME_S};

	for (uint32_t i = 0; i < cnt; i++) {
		memset(&t.key[i], (int)(first + i), sizeof(t.key[i]));
		t.key[i].name[0] = HF_TLS_TICKET_NAME_VERSION;
	}
	hf_tls_tickets_take(&r->x, &t);
}

static inline void rig_init(struct rig *r)
{
	uint8_t seed[HF_RAND_SEED_LEN] = {7};

	hf_rand_seed(&r->rand, seed);
	r->mem[2] = rig_alloc(hf_bufs_footprint(r->chunk_cnt, r->record_cnt));
	hf_bufs_init(&r->bufs, r->mem[2], r->chunk_cnt, r->record_cnt);
	r->mem[3] = rig_alloc(64 * sizeof(struct hf_trace_ev));
	hf_trace_init(&r->trace, r->mem[3], 64);
	rig_crypto(r);
	rig_site(r);
	r->x.bufs = &r->bufs;
	r->x.rand = &r->rand;
	r->x.trace = &r->trace;
	r->x.wall_ns = RIG_WALL_S * HF_NS_S;
	r->mem[4] = rig_alloc(hf_tls_ctx_footprint(r->hs_cnt, r->session_cnt));
	hf_tls_ctx_init(&r->x, r->mem[4], r->hs_cnt, r->session_cnt);
	rig_tickets(r, 1, 1);
}

static inline void rig_fini(struct rig *r)
{
	r->pk_engine->fini(r->pk_ctx);
	r->sym_driver->fini(r->sym_ctx);
	free(r->pk_ctx);
	free(r->sym_ctx);
	for (size_t i = 0; i < HF_ARRAY_LEN(r->mem); i++)
		free(r->mem[i]);
}

static inline void rig_open(struct rig *r)
{
	hf_tls_open(&r->x, &r->tls, &r->site, RIG_OWNER, r->now);
	r->in_eof = false;
	r->alive = true;
	r->room = RIG_ALL_ROOM;
	r->credit = r->fed = 0;
	r->news = 0;
	r->turns = 0;
}

static inline void rig_dones(struct rig *r)
{
	struct hf_tls *t = r->alive ? &r->tls : NULL;
	struct hf_sym_job *s;
	struct hf_pk_job *p;
	struct hf_auth_job *a;

	while ((s = hf_sym_done(r->x.sym))) {
		HF_ASSERT(s->owner == RIG_OWNER);
		hf_tls_sym_done(&r->x, t, s);
	}
	while ((p = hf_pk_done(r->x.pk))) {
		HF_ASSERT(p->owner == RIG_OWNER);
		hf_tls_pk_done(&r->x, t, p);
	}
	while ((a = hf_auth_done(r->x.auth))) {
		HF_ASSERT(a->owner == RIG_OWNER);
		hf_tls_auth_done(&r->x, t, a);
	}
}

static inline uint64_t rig_ended(const struct rig *r)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < HF_TLS_REASON_CNT; i++)
		sum += r->x.stats.reason[i];
	return sum;
}

/* The end of the connection, after which nothing may be left of it anywhere. */
static inline void rig_close(struct rig *r)
{
	hf_tls_free(&r->x, &r->tls);
	r->alive = false;
	hf_chain_clear(&r->bufs, &r->in);
	hf_chain_clear(&r->bufs, &r->out);
	hf_sym_flush(r->x.sym);
	while (hf_pk_work(r->x.pk, HF_PK_IDLE, r->now))
		;
	rig_dones(r);
	HF_ASSERT(r->bufs.chunk.used == 0 && r->bufs.record.used == 0 && r->x.hs.used == 0);
	HF_ASSERT(r->use.cnt == 0);
	HF_ASSERT(hf_sym_stats(r->x.sym)->jobs == 0 && hf_pk_stats(r->x.pk)->jobs == 0);
	HF_ASSERT(hf_auth_stats(r->x.auth)->jobs == 0 && hf_auth_stats(r->x.auth)->queued == 0);
	HF_ASSERT(r->x.stats.handshakes == 0 && rig_ended(r) == r->x.stats.opened);
}

static inline struct hf_tls_io rig_io(struct rig *r)
{
	return (struct hf_tls_io){
		.in = &r->in, .in_eof = r->in_eof, .out = &r->out, .out_room = r->room};
}

static inline unsigned rig_run(struct rig *r)
{
	struct hf_tls_io io = rig_io(r);
	size_t before = r->out.len;

	r->set = hf_tls_run(&r->x, &r->tls, &io, ++r->now);
	HF_ASSERT(r->room - io.out_room == r->out.len - before);
	HF_ASSERT(!(r->set & r->news & HF_TLS_ESTABLISHED)); /* news come once */
	r->news |= r->set;
	r->credit += io.credit;
	r->room = io.out_room;
	return r->set;
}

/* Returns what hf_tls_run answered in this turn. */
static inline unsigned rig_turn(struct rig *r)
{
	rig_run(r);
	hf_sym_flush(r->x.sym);
	hf_pk_work(r->x.pk, HF_PK_IDLE, r->now);
	hf_auth_work(r->x.auth, r->now);
	rig_dones(r);
	r->turns++;
	return r->set;
}

/* Turns until it waits for something that only the test can bring. */
static inline unsigned rig_settle(struct rig *r)
{
	while (rig_turn(r) & (HF_TLS_WAIT_PK | HF_TLS_WAIT_SYM | HF_TLS_WAIT_AUTH))
		;
	return r->set;
}

static inline void rig_feed(struct rig *r, const void *p, size_t len)
{
	size_t taken = hf_chain_append(&r->bufs, &r->in, p, len);

	HF_ASSERT(taken == len);
	r->fed += len;
}

/* What was sent, at most cap of it, as if acknowledged. */
static inline size_t rig_sent(struct rig *r, void *p, size_t cap)
{
	size_t len = HF_MIN(cap, r->out.len);

	hf_chain_copy(&r->out, 0, p, len, NULL);
	hf_chain_consume(&r->bufs, &r->out, len);
	return len;
}

static inline size_t rig_take(struct rig *r, void *p, size_t cap)
{
	struct hf_tls_io io = rig_io(r);
	struct hf_span s = hf_tls_plain(&r->tls);
	size_t len = HF_MIN(cap, s.len);

	if (len == 0)
		return 0;
	memcpy(p, s.p, len);
	hf_tls_plain_take(&r->x, &r->tls, &io, len);
	r->credit += io.credit;
	return len;
}

/* Writes up to len bytes as one record; returns how many. */
static inline size_t rig_write(struct rig *r, const void *p, size_t len)
{
	struct hf_tls_io io = rig_io(r);
	size_t cap;
	uint8_t *at = hf_tls_write_begin(&r->x, &r->tls, &io, len, &cap);

	if (!at)
		return 0;
	HF_ASSERT(cap > 0 && cap <= len);
	memcpy(at, p, cap);
	hf_tls_write_commit(&r->x, &r->tls, cap);
	return cap;
}

#endif
