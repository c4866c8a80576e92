/* init.c -- a worker is one block of memory: how much of it an option asks for, where each module's part
 * lies, and how they are made for each other. */
#include "lib/worker/conn.h"

struct parts {
	struct hf_worker *w;
	void *guard, *tcp, *tls, *pk, *sym, *auth, *bufs, *link_bufs, *trace, *conn, *run_v,
		*run_in, *wait_v, *wait_in, *wait_hs_v, *wait_hs_in;
	void *orders, *events, *cross[HF_WORKER_MAX];
};

static struct hf_tcp_cfg tcp_cfg(const struct hf_worker_cfg *c)
{
	return (struct hf_tcp_cfg){
		.conn_cnt = c->conn_cnt,
		.half_open_cnt = c->half_open_cnt,
		.time_wait_cnt = c->time_wait_cnt,
		.rcv_wnd_max = c->rcv_wnd_max,
		.snd_queue_max = c->snd_queue_max,
		.syn_life_ns = c->syn_life_ns,
		.time_wait_ns = c->time_wait_ns,
		.close_ns = c->close_ns,
		.keepalive_ns = c->keepalive_ns,
		.reflect = c->reflect,
	};
}

static void *carve(uintptr_t *at, size_t len)
{
	void *here = (void *)*at;

	*at += HF_ROUND_UP(len, (size_t)HF_CACHE_LINE);
	return here;
}

/* One walk measures the block and lays it out. */
static void layout(struct parts *p, uintptr_t *at, const struct hf_worker_cfg *c)
{
	struct hf_tcp_cfg tc = tcp_cfg(c);

	p->w = carve(at, sizeof(*p->w));
	p->conn = carve(at, c->conn_cnt * sizeof(struct hf_conn));
	p->run_v = carve(at, c->conn_cnt * sizeof(uint32_t));
	p->wait_v = carve(at, c->conn_cnt * sizeof(uint32_t));
	p->wait_hs_v = carve(at, c->conn_cnt * sizeof(uint32_t));
	p->run_in = carve(at, c->conn_cnt);
	p->wait_in = carve(at, c->conn_cnt);
	p->wait_hs_in = carve(at, c->conn_cnt);
	p->guard = carve(at, hf_guard_footprint(c->prefix_cnt));
	p->tcp = carve(at, hf_tcp_footprint(&tc));
	p->tls = carve(at, hf_tls_ctx_footprint(c->hs_cnt, c->session_cnt));
	p->pk = carve(at, hf_pk_footprint(&(struct hf_pk_cfg){.job_cnt = c->pk_job_cnt}));
	p->sym = carve(at, hf_sym_footprint(c->sym_job_cnt));
	p->auth = carve(at, hf_auth_footprint(c->auth_job_cnt));
	p->bufs = carve(at, hf_bufs_footprint(c->chunk_cnt, c->record_cnt));
	p->link_bufs = carve(at, hf_bufs_footprint(c->link_chunk_cnt, 0));
	p->trace = carve(at, c->trace_cnt * sizeof(struct hf_trace_ev));
	p->orders = carve(at, hf_spsc_footprint(sizeof(struct hf_order), c->order_cnt));
	p->events = carve(at, hf_spsc_footprint(sizeof(struct hf_event), c->event_cnt));
	for (uint32_t i = 0; i < c->worker_cnt; i++) {
		p->cross[i] = NULL;
		if (i != c->index)
			p->cross[i] = carve(
				at, hf_spsc_footprint(sizeof(struct hf_cross_frame), c->cross_cnt));
	}
}

size_t hf_worker_footprint(const struct hf_worker_cfg *cfg)
{
	struct parts p;
	uintptr_t at = 0;

	layout(&p, &at, cfg);
	return at;
}

static void port_init(struct hf_worker *w, uint32_t i)
{
	const struct hf_worker_port_cfg *c = &w->cfg.port[i];
	struct hf_worker_port *p = &w->port[i];

	HF_ASSERT(c->addr_cnt <= HF_WORKER_ADDR_MAX);
	*p = (struct hf_worker_port){
		.port = c->port, .queue = c->queue, .trust_csum = c->trust_csum};
	memcpy(p->addr, c->addr, sizeof(p->addr));
	p->host.mtu = c->port->info.mtu;
	p->host.addr = p->addr;
	p->host.addr_cnt = c->addr_cnt;
	memcpy(p->host.gateway, c->gateway, sizeof(p->host.gateway));
	memcpy(p->host.mac, c->port->info.mac, sizeof(p->host.mac));
	hf_tcp_port_set(w->tcp, i, &p->host);
}

struct hf_worker *hf_worker_init(
	void *mem, const struct hf_worker_cfg *cfg, const struct hf_worker_env *env)
{
	struct parts p;
	uintptr_t at = (uintptr_t)mem;
	struct hf_worker *w;
	struct hf_tcp_cfg tc = tcp_cfg(cfg);

	HF_ASSERT(cfg->worker_cnt <= HF_WORKER_MAX && cfg->port_cnt <= HF_TCP_PORT_MAX);
	layout(&p, &at, cfg);
	w = p.w;
	memset(w, 0, sizeof(*w));
	memset(p.run_in, 0, cfg->conn_cnt);
	memset(p.wait_in, 0, cfg->conn_cnt);
	memset(p.wait_hs_in, 0, cfg->conn_cnt);
	w->cfg = *cfg;
	w->env = *env;
	w->now = env->now;
	w->conn = p.conn;
	w->stage_head = w->stage_tail = w->holder = HF_CONN_NONE;
	w->run = (struct hf_fifo){.v = p.run_v, .in = p.run_in, .cap = cfg->conn_cnt};
	w->wait = (struct hf_fifo){.v = p.wait_v, .in = p.wait_in, .cap = cfg->conn_cnt};
	w->wait_hs = (struct hf_fifo){.v = p.wait_hs_v, .in = p.wait_hs_in, .cap = cfg->conn_cnt};
	hf_rand_seed(&w->rand, env->seed);
	hf_rand_bytes(&w->rand, w->boot_id, sizeof(w->boot_id));
	hf_trace_init(&w->trace, p.trace, cfg->trace_cnt);
	hf_wheel_init(&w->wheel, env->now);
	hf_bufs_init(&w->bufs, p.bufs, cfg->chunk_cnt, cfg->record_cnt);
	hf_bufs_init(&w->link_bufs, p.link_bufs, cfg->link_chunk_cnt, 0);
	w->guard = hf_guard_init(p.guard, cfg->prefix_cnt, cfg->worker_cnt, &w->rand);
	w->tcp = hf_tcp_init(p.tcp, &tc, &w->bufs, &w->rand, &w->trace, env->now);
	hf_tcp_guard_set(w->tcp, w->guard);
	w->sym = hf_sym_init(p.sym, cfg->sym_job_cnt, env->sym, env->sym_ctx);
	w->pk = hf_pk_init(p.pk,
		&(struct hf_pk_cfg){.job_cnt = cfg->pk_job_cnt,
			.sym = w->sym,
			.gather_ns = cfg->curve_gather_ns},
		env->pk, env->pk_cnt);
	hf_pk_keep_pairs(w->pk, &w->rand);
	w->auth = hf_auth_init(p.auth, cfg->auth_job_cnt, env->auth);
	w->tls = (struct hf_tls_ctx){.bufs = &w->bufs,
		.pk = w->pk,
		.sym = w->sym,
		.auth = w->auth,
		.rand = &w->rand,
		.trace = &w->trace,
		.worker = cfg->index,
		.wall_ns = env->wall_ns};
	memcpy(w->tls.id_key, env->session_key, sizeof(w->tls.id_key));
	hf_tls_ctx_init(&w->tls, p.tls, cfg->hs_cnt, cfg->session_cnt);
	w->orders = hf_spsc_init(p.orders, sizeof(struct hf_order), cfg->order_cnt);
	w->events = hf_spsc_init(p.events, sizeof(struct hf_event), cfg->event_cnt);
	for (uint32_t i = 0; i < cfg->worker_cnt; i++)
		if (p.cross[i])
			w->cross[i] = hf_spsc_init(
				p.cross[i], sizeof(struct hf_cross_frame), cfg->cross_cnt);
	for (uint32_t i = 0; i < cfg->port_cnt; i++)
		port_init(w, i);
	return w;
}

void hf_worker_join(struct hf_worker *w, struct hf_worker *const *all)
{
	w->all = all;
}
