/* worker.c -- the way of a packet, on one page: hf_worker_poll at the end of this file is the whole
 * loop. Each stage takes what the one before it left and leaves lists for the next; nothing calls
 * back up. What joins TCP, TLS and the backend for one connection is bridge.c.
 *
 * Back-pressure is by not asking: without a free tx frame nothing is emitted, without room towards
 * the backend plaintext stays in its record buffer, uncredited, and the TCP window closes. */
#include "lib/base/secret.h"
#include "lib/worker/conn.h"

#define RX_BURST 32u
#define RX_BURSTS 8u /* per turn: a turn may hold a whole RSA operation, 1.5 ms of a flood */
#define TX_BURST 32u
#define FETCH_MAX 64u    /* messages of one endpoint per turn */
#define TIMERS_MAX 256u  /* due timers per turn and wheel */
#define CRYPTO_ROUNDS 4u /* symmetric bursts per turn: a record opened, its answer sealed */
#define RETRY_MAX 32u    /* waiting connections tried again per turn */
#define CROSS_FRAME_MAX 2044u
#define KEYS_DONE_MAX 64u /* jobs of one slice that pay for it; the engines' batches are smaller */
#define ANNOUNCE_MAX 4u   /* seconds in which a port says who it is */
/* Of streams that open or are reset, a backend that has asked for it hears no later than this. */
#define UNHEARD_NS (5 * HF_NS_MS)
/* So few frames in the last one to two milliseconds are an idle port. */
#define IDLE_FRAMES 16u
#define IDLE_WINDOW_NS HF_NS_MS
/* A client or two by themselves wait for each answer, so there is nothing that could gather. */
#define LOADED_CONNS 8u
#define LOADED_NS (20 * HF_NS_MS) /* a core that is shared may be away for some of them */

/* A frame on its way to the worker that owns its flow: copied, because a port's frames go back to
 * the queue they came from. Only ports that cannot steer pay this (design: 0 on RSS ports). */
struct cross_frame {
	uint16_t len, port;
	uint8_t data[CROSS_FRAME_MAX];
};

void hf_worker_tell(struct hf_worker *w, struct hf_event *e)
{
	e->at = w->now;
	if (hf_spsc_push(w->events, e, 1) == 0)
		w->stats.events_lost++;
}

/* ---- how long the ports wait for the next look at them, and for what ---- */

static const uint32_t gap_hist[HF_GAP_CNT] = {
#define HF_GAP(cause, help) [HF_GAP_##cause] = offsetof(struct hf_worker_stats, gap_##cause##_ns),
#include "lib/worker/gap.def"
#undef HF_GAP
};

/* The time since the last call was for this. */
static void spent_on(struct hf_worker *w, enum hf_gap cause)
{
	uint64_t now = w->env.cycles();

	w->gap[cause] += now - w->spent_at;
	w->spent_at = now;
}

/* A turn that has found nothing so far has no causes to tell apart, and reads no clock for each. */
static void spent(struct hf_worker *w, enum hf_gap cause)
{
	if (w->busy)
		spent_on(w, cause);
}

static void gap_add(struct hf_worker *w, struct hf_hist *h, uint64_t cycles)
{
	hf_hist_add(h, cycles * 1000 / HF_MAX(w->env.cycles_per_us, 1ull));
}

/* The ports are about to be looked at again. What an idle turn spends outside of it is sleep. */
static void gap_end(struct hf_worker *w)
{
	uint64_t sum = 0;

	spent_on(w, HF_GAP_away);
	for (uint32_t i = 0; i < HF_GAP_CNT; i++) {
		sum += w->gap[i];
		if (w->gap[i] && w->busy) {
			w->cycles[i] += w->gap[i];
			gap_add(w, (void *)((uint8_t *)&w->stats + gap_hist[i]), w->gap[i]);
		}
	}
	if (w->busy) {
		gap_add(w, &w->stats.gap_ns, sum);
		w->cycles_busy += sum;
	} else {
		w->cycles_idle += sum - w->gap[HF_GAP_away];
	}
	memset(w->gap, 0, sizeof(w->gap));
}

/* Once a second: how much of it went without work, and what frames cost. */
static void headroom(struct hf_worker *w)
{
	uint64_t us = (w->now - w->headroom_at) / HF_NS_US, busy;

	if (us < 1000000)
		return;
	busy = (w->cycles_busy - w->headroom_busy) / HF_MAX(w->env.cycles_per_us, 1ull);
	w->stats.headroom = busy < us ? (us - busy) * 1000 / us : 0;
	w->headroom_at = w->now;
	w->headroom_busy = w->cycles_busy;
	hf_price_frames(w);
}

/* ---- 1, 2: take frames, hand strays over, feed TCP ---- */

/* ARP, neighbour discovery and echo: answered at once if the port has a frame, else not at all. */
static enum hf_net_verdict reply(
	struct hf_worker *w, struct hf_worker_port *p, const struct hf_packet *pkt)
{
	struct hf_frame f;
	enum hf_net_verdict v;

	if (p->port->cls->tx_alloc(p->port, p->queue, &f, 1) == 0)
		return hf_net_reply(&p->host, pkt, NULL);
	v = hf_net_reply(&p->host, pkt, &f);
	if (f.len)
		p->port->cls->tx(p->port, p->queue, &f, 1);
	else
		p->port->cls->rx_give(p->port, p->queue, &f, 1);
	if (v == HF_NET_ARP_CONFLICT || v == HF_NET_ND_CONFLICT)
		hf_worker_tell(
			w, &(struct hf_event){.kind = HF_EVENT_ADDR_CONFLICT, .peer = pkt->src});
	return v;
}

/* Which worker a segment belongs to. A device that spreads flows has decided already; the others mix
 * them (af_packet's rollover does), and then the keyed hash says, the same in every worker. */
static uint32_t owner_of(
	const struct hf_worker *w, const struct hf_worker_port *p, const struct hf_packet *pkt)
{
	struct hf_flow_key k = hf_packet_flow(pkt);

	if (w->cfg.worker_cnt == 1 || p->port->info.rss)
		return w->cfg.index;
	return (uint32_t)(hf_flow_hash(w->env.steer_key, &k) % w->cfg.worker_cnt);
}

static enum hf_net_verdict hand_over(
	struct hf_worker *w, uint32_t owner, uint32_t port, const struct hf_frame *f)
{
	struct cross_frame x;

	if (f->len > CROSS_FRAME_MAX)
		return HF_NET_CROSS_FULL;
	x.len = (uint16_t)f->len;
	x.port = (uint16_t)port;
	memcpy(x.data, f->data, f->len);
	if (hf_spsc_push(w->all[owner]->cross[w->cfg.index], &x, 1) == 0)
		return HF_NET_CROSS_FULL;
	w->stats.crossed_out++;
	return HF_NET_CROSSED;
}

/* To all the others: a neighbour's answer, because every worker must know the gateways; an ICMP error,
 * because a device that spreads flows does not look at what it quotes. */
static void share(struct hf_worker *w, uint32_t port, const struct hf_frame *f)
{
	for (uint32_t i = 0; i < w->cfg.worker_cnt; i++)
		if (i != w->cfg.index)
			(void)hand_over(w, i, port, f);
}

static bool concerns_all(const struct hf_worker_port *p, const struct hf_packet *pkt)
{
	bool neighbour = pkt->kind == HF_PACKET_ARP || pkt->kind == HF_PACKET_ND;
	bool error = pkt->kind == HF_PACKET_TOO_BIG || pkt->kind == HF_PACKET_ICMP_ERROR;

	return (neighbour && pkt->neigh_op == HF_NEIGH_TELLS) || (error && p->port->info.rss);
}

/* What may have come from afar; the others are neighbours', without whom nobody is reached. */
static bool is_routed(const struct hf_packet *pkt)
{
	return pkt->kind != HF_PACKET_ARP && pkt->kind != HF_PACKET_ND &&
	       pkt->kind != HF_PACKET_GROUPS;
}

/* What a frame is, and its end unless it is ours and TCP's: HF_NET_TCP, and TCP knows that it comes. */
static enum hf_net_verdict frame_in(
	struct hf_worker *w, uint32_t port, const struct hf_frame *f, struct hf_packet *pkt)
{
	struct hf_worker_port *p = &w->port[port];
	enum hf_net_verdict v;
	uint32_t owner;

	v = hf_net_parse(f, p->trust_csum, pkt);
	if (v == HF_NET_OK)
		v = hf_net_accept(&p->host, pkt);
	if (v != HF_NET_OK)
		return v;
	if (is_routed(pkt) && hf_guard_denies(w->guard, &pkt->src))
		return HF_NET_DENIED;
	if (concerns_all(p, pkt) && !(f->flags & HF_FRAME_CROSSED))
		share(w, port, f);
	if (pkt->kind == HF_PACKET_ARP || pkt->kind == HF_PACKET_ND ||
		pkt->kind == HF_PACKET_GROUPS || pkt->kind == HF_PACKET_ECHO)
		return reply(w, p, pkt);
	owner = owner_of(w, p, pkt);
	if (owner != w->cfg.index)
		return hand_over(w, owner, port, f);
	if (pkt->kind == HF_PACKET_TOO_BIG) {
		hf_tcp_too_big(w->tcp, pkt, w->now);
		return HF_NET_ICMP_TOO_BIG;
	}
	if (pkt->kind == HF_PACKET_ICMP_ERROR) {
		hf_tcp_icmp_error(w->tcp, pkt);
		return HF_NET_ICMP_ERROR;
	}
	hf_tcp_ahead(w->tcp, pkt);
	return HF_NET_TCP;
}

/* A burst in two passes: in a flood each segment's place in the flow table is far from the one before,
 * and all of them are on their way while the next ones are parsed. */
static void burst_in(struct hf_worker *w, uint32_t port, const struct hf_frame *f, uint32_t cnt)
{
	struct hf_packet pkt[RX_BURST];
	enum hf_net_verdict v[RX_BURST];

	for (uint32_t i = 0; i < cnt; i++) {
		v[i] = frame_in(w, port, &f[i], &pkt[i]);
		w->net_stats.frames_in++;
		w->net_stats.outcome[v[i]]++;
	}
	for (uint32_t i = 0; i < cnt; i++)
		if (v[i] == HF_NET_TCP)
			hf_tcp_input(w->tcp, port, &pkt[i], w->now);
}

static void take(struct hf_worker *w, uint32_t port)
{
	struct hf_worker_port *p = &w->port[port];
	struct hf_frame f[RX_BURST];
	uint32_t cnt = RX_BURST;

	for (uint32_t n = 0; n < RX_BURSTS && cnt == RX_BURST; n++) {
		cnt = p->port->cls->rx(p->port, p->queue, f, RX_BURST);
		if (cnt == 0)
			return;
		w->busy = true;
		burst_in(w, port, f, cnt);
		spent(w, HF_GAP_tcp);
		p->port->cls->rx_give(p->port, p->queue, f, cnt);
		spent(w, HF_GAP_rx);
	}
}

static void take_crossed(struct hf_worker *w)
{
	struct cross_frame x;

	for (uint32_t from = 0; from < w->cfg.worker_cnt; from++) {
		if (!w->cross[from])
			continue;
		for (uint32_t n = 0; n < RX_BURST && hf_spsc_pop(w->cross[from], &x, 1); n++) {
			struct hf_frame f = {
				x.data, x.len, CROSS_FRAME_MAX, HF_FRAME_CROSSED, NULL};

			w->stats.crossed_in++;
			w->busy = true;
			burst_in(w, x.port, &f, 1);
		}
	}
}

/* What TCP has to tell becomes the run list. */
static void tcp_news(struct hf_worker *w)
{
	uint32_t i, events;

	while (hf_tcp_ready_pop(w->tcp, &i, &events)) {
		w->busy = true;
		hf_bridge_tcp(w, i, events);
	}
}

/* ---- 3, 5, 6: connections with news; messages of backends ---- */

static void run(struct hf_worker *w)
{
	for (uint32_t n = w->run.cnt; n > 0; n--) {
		w->busy = true;
		hf_bridge_run(w, hf_fifo_pop(&w->run));
	}
}

/* Connections that were short of something: a few are tried again each turn, in order. This is not
 * being busy: an adaptive worker may sleep a tick between tries. */
static void retry(struct hf_worker *w)
{
	for (uint32_t n = HF_MIN(w->wait.cnt, RETRY_MAX); n > 0; n--)
		hf_bridge_run(w, hf_fifo_pop(&w->wait));
	hf_bridge_reclaim(w);
}

static void fetch(struct hf_worker *w)
{
	for (uint32_t e = 0; e < w->endpoint_top; e++) {
		if (!w->endpoint[e].link)
			continue;
		if (w->endpoint[e].down)
			hf_bridge_endpoint_end(w, e);
		else
			hf_bridge_fetch(w, e, FETCH_MAX);
	}
}

/* ---- 4: crypto ---- */

static bool flush(struct hf_worker *w)
{
	static const uint8_t cause[HF_SYM_GROUP_CNT] = {[HF_SYM_RECORDS] = HF_GAP_records,
		[HF_SYM_HASHES] = HF_GAP_hash,
		[HF_SYM_PRFS] = HF_GAP_prf};
	bool any = false;

	spent(w, HF_GAP_tls);
	for (uint32_t g = 0; g < HF_SYM_GROUP_CNT; g++)
		if (hf_sym_flush_group(w->sym, (enum hf_sym_group)g)) {
			any = true;
			spent(w, cause[g]);
		}
	return any;
}

/* Also with nothing queued: what was cancelled comes back this way. */
static void crypto_records(struct hf_worker *w)
{
	struct hf_sym_job *job;
	bool any = true;

	for (uint32_t round = 0; round < CRYPTO_ROUNDS && any; round++) {
		any = flush(w);
		while ((job = hf_sym_done(w->sym)) != NULL) {
			any = true;
			hf_bridge_sym_done(w, job);
		}
		w->busy |= any;
		run(w);
	}
	spent(w, HF_GAP_tls);
}

/* Would somebody mind a turn of some 100 us? Those whose frames keep coming would. A handshake by
 * itself is a handful of frames. */
static bool port_idle(struct hf_worker *w)
{
	if (w->now - w->window_at >= IDLE_WINDOW_NS) {
		w->frames_before = w->now - w->window_at < 2 * IDLE_WINDOW_NS
					   ? w->net_stats.frames_in - w->frames_at
					   : 0;
		w->frames_at = w->net_stats.frames_in;
		w->window_at = w->now;
	}
	return w->frames_before + w->net_stats.frames_in - w->frames_at < IDLE_FRAMES;
}

/* One slice of work with private keys. Returns whether there is more. */
static bool crypto_slice(struct hf_worker *w)
{
	static const uint8_t cause[HF_PK_SLICE_CNT] = {[HF_PK_SLICE_NONE] = HF_GAP_rest,
		[HF_PK_SLICE_STEP] = HF_GAP_pk_step,
		[HF_PK_SLICE_KEY] = HF_GAP_pk_key,
		[HF_PK_SLICE_WHOLE] = HF_GAP_pk_whole,
		[HF_PK_SLICE_CURVES] = HF_GAP_curves};
	hf_ref owner[KEYS_DONE_MAX];
	uint32_t done = 0;
	uint64_t began = w->spent_at;
	struct hf_pk_job *job;
	bool more = hf_pk_work(w->pk, port_idle(w), w->now);
	enum hf_pk_slice slice = hf_pk_last_slice(w->pk);

	spent(w, cause[slice]);
	w->busy |= more;
	while ((job = hf_pk_done(w->pk)) != NULL) {
		w->busy = true;
		if (!job->cancelled && done < KEYS_DONE_MAX)
			owner[done++] = job->owner;
		hf_bridge_pk_done(w, job);
	}
	hf_price_keys(w, owner, done, slice == HF_PK_SLICE_NONE ? 0 : w->spent_at - began);
	spent(w, HF_GAP_tls);
	return more;
}

static void crypto_client(struct hf_worker *w)
{
	hf_auth_work(w->auth, w->now);
	spent(w, HF_GAP_auth);
}

/* One slice, or the check of one client's certificate. It comes last in the turn, so that what is
 * ready leaves first. A check costs as much as many slices: behind one, keys have their turns until they
 * have had as much time, or need none. */
static void crypto_keys(struct hf_worker *w)
{
	uint64_t began = w->spent_at, took;
	bool client = hf_auth_waits(w->auth) && !w->auth_ahead, more = true;
	struct hf_auth_job *job;

	if (client)
		crypto_client(w);
	else
		more = crypto_slice(w);
	took = HF_MAX(w->spent_at - began, 1ull);
	w->auth_ahead = client ? took : more ? w->auth_ahead - HF_MIN(w->auth_ahead, took) : 0;
	while ((job = hf_auth_done(w->auth)) != NULL) { /* also what was cancelled */
		w->busy = true;
		if (client)
			hf_price_check(w, job->owner, took);
		client = false;
		hf_bridge_auth_done(w, job);
	}
	w->busy |= hf_auth_waits(w->auth);
	spent(w, HF_GAP_tls);
}

/* ---- 7: timers ---- */

static void timers(struct hf_worker *w)
{
	struct hf_timer *t;

	if (hf_tcp_timers(w->tcp, w->now, TIMERS_MAX))
		w->busy = true;
	for (uint32_t n = 0; n < TIMERS_MAX && (t = hf_wheel_pop(&w->wheel, w->now)) != NULL; n++) {
		w->busy = true;
		hf_bridge_deadline(
			w, (uint32_t)(HF_CONTAINER_OF(t, struct hf_conn, timer) - w->conn));
	}
}

/* ---- 8: send while the port has free frames ---- */

static void tcp_out(struct hf_worker *w, uint32_t port)
{
	struct hf_worker_port *p = &w->port[port];
	const struct hf_port_class *cls = p->port->cls;
	struct hf_frame f[TX_BURST];
	uint32_t got, used, len = 0;

	do {
		if (!hf_tcp_pending(w->tcp, port))
			return;
		got = cls->tx_alloc(p->port, p->queue, f, TX_BURST);
		for (used = 0; used < got; used++) {
			if (hf_tcp_emit(w->tcp, port, &f[used], w->now) == 0)
				break;
			len += f[used].len;
		}
		spent(w, HF_GAP_tcp);
		if (used) {
			w->busy = true;
			cls->tx(p->port, p->queue, f, used);
		}
		if (used < got)
			cls->rx_give(p->port, p->queue, f + used, got - used);
		spent(w, HF_GAP_tx);
	} while (used == TX_BURST && len < HF_TURN_LEN);
}

/* Frames about one of our addresses, or about a gateway. False: the port has none free. */
static bool say(struct hf_worker_port *p, uint32_t i,
	void (*build)(const struct hf_net_host *h, uint32_t i, struct hf_frame *out))
{
	struct hf_frame f;

	if (!p->port->cls->tx_alloc(p->port, p->queue, &f, 1))
		return false;
	build(&p->host, i, &f);
	p->port->cls->tx(p->port, p->queue, &f, 1);
	return true;
}

static void ask(const struct hf_net_host *h, uint32_t i, struct hf_frame *out)
{
	hf_net_ask(h, &h->gateway[i], out);
}

/* Once for each VLAN with IPv6: at its first address. */
static bool joins(const struct hf_worker_port *p, uint32_t i)
{
	bool v4 = hf_addr_is_v4(&p->addr[i].ip);

	for (uint32_t j = 0; j < i && !v4; j++)
		if (p->addr[j].vlan == p->addr[i].vlan && !hf_addr_is_v4(&p->addr[j].ip))
			return false;
	return !v4;
}

/* First whether another has our IPv6 addresses, which we use meanwhile; he is told of by his answer.
 * Then that we are here, three times (RFC 5227 2.3 and 4861 7.2.6 ask for two, and for at most three). */
static void announce_addr(struct hf_worker_port *p, uint32_t i)
{
	bool v4 = hf_addr_is_v4(&p->addr[i].ip), first = p->announced == 0;

	if (v4 && p->announced == ANNOUNCE_MAX - 1)
		return;
	if (p->announced < 2 && joins(p, i)) /* RFC 3810 9.1: said twice, one may get lost */
		(void)say(p, i, hf_net_join);
	(void)say(p, i, first && !v4 ? hf_net_probe : hf_net_announce);
}

/* Once a second after boot; the gateways' addresses until they are known. Only worker 0 of a port's
 * workers speaks of ours. */
static void announce(struct hf_worker *w, struct hf_worker_port *p)
{
	bool asked = false;

	for (; p->host.report; p->host.report &= p->host.report - 1)
		if (!say(p, (uint32_t)__builtin_ctz(p->host.report), hf_net_report))
			break;
	if (w->now < p->announce_at)
		return;
	p->announce_at = w->now + HF_NS_S;
	for (uint32_t i = 0; i < p->host.addr_cnt && p->announced < ANNOUNCE_MAX; i++)
		if (w->cfg.index == 0)
			announce_addr(p, i);
	p->announced += p->announced < ANNOUNCE_MAX;
	for (uint32_t i = 0; i < HF_ARRAY_LEN(p->host.gateway) && !w->cfg.reflect; i++) {
		const struct hf_net_gateway *g = &p->host.gateway[i];

		if (g->known || hf_addr_is_none(&g->ip))
			continue;
		(void)say(p, i, ask);
		asked = true;
	}
	if (!asked && p->announced == ANNOUNCE_MAX)
		p->announce_at = HF_NS_NEVER;
}

/* ---- 9: keep: orders of control, retired sites, doorbells ---- */

static void site_take(struct hf_worker *w, struct hf_site *s)
{
	s->older[w->cfg.index] = w->site;
	w->site = s;
	w->stats.sites_taken++;
	w->stats.site_generation = s->generation;
	hf_trace(&w->trace, w->now, UINT32_MAX, HF_TRACE_SITE, 0, s->generation, 0);
	hf_tcp_listen(w->tcp, s->tcp, s->listener_cnt);
	hf_guard_rule(w->guard, &s->guard);
}

/* Engines drop what they prepared for keys that are no longer served. */
static void keys_forget(struct hf_worker *w, const struct hf_site *s)
{
	for (uint32_t l = 0; l < s->listener_cnt; l++)
		for (uint32_t v = 0; v < s->listener[l].tls.vhost_cnt; v++) {
			const struct hf_tls_vhost *host = &s->listener[l].tls.vhost[v];

			for (uint32_t c = 0; c < host->cert_cnt; c++)
				hf_pk_forget(w->pk, host->cert[c]->key->id);
		}
}

/* Generations into which nothing of ours points any more are given back to control. */
static void sites_release(struct hf_worker *w)
{
	uint32_t me = w->cfg.index;

	for (struct hf_site *s = w->site; s && s->older[me];) {
		struct hf_site *old = s->older[me];

		if (old->use[me].cnt) {
			s = old;
			continue;
		}
		s->older[me] = old->older[me];
		keys_forget(w, old);
		hf_worker_tell(w,
			&(struct hf_event){.kind = HF_EVENT_SITE_FREE, .arg64 = old->generation});
	}
}

static void endpoint_up(struct hf_worker *w, const struct hf_order *o)
{
	struct hf_endpoint *ep = &w->endpoint[o->arg];

	HF_ASSERT(o->arg < HF_ENDPOINT_MAX && !ep->link);
	*ep = (struct hf_endpoint){.link = o->link, .backend = o->backend};
	w->endpoint_top = HF_MAX(w->endpoint_top, o->arg + 1);
	w->stats.endpoints++;
}

static void orders(struct hf_worker *w)
{
	struct hf_order o;

	while (hf_spsc_pop(w->orders, &o, 1)) {
		w->busy = true;
		switch (o.kind) {
		case HF_ORDER_SITE:
			site_take(w, o.site);
			break;
		case HF_ORDER_ENDPOINT_UP:
			endpoint_up(w, &o);
			break;
		case HF_ORDER_ENDPOINT_DOWN:
			hf_bridge_endpoint_down(w, o.arg);
			break;
		case HF_ORDER_DRAIN:
			w->stats.draining = o.arg;
			hf_tcp_drain(w->tcp, o.arg);
			break;
		case HF_ORDER_SEED:
			hf_rand_reseed(&w->rand, o.seed);
			hf_wipe(o.seed, sizeof(o.seed));
			break;
		case HF_ORDER_TICKETS:
			hf_tls_tickets_take(&w->tls, o.tickets);
			atomic_store_explicit(
				&w->tickets, o.tickets->generation, memory_order_release);
			break;
		case HF_ORDER_WALL:
			w->tls.wall_ns = o.wall_ns;
			break;
		default:
			HF_ASSERT(!"an order that no worker knows");
		}
	}
}

static bool unheard_due(const struct hf_worker *w, const struct hf_endpoint *ep)
{
	return ep->unheard_at && ep->unheard_at <= w->now;
}

static uint64_t publish(struct hf_worker *w)
{
	uint64_t bells = 0;

	for (uint32_t e = 0; e < w->endpoint_top; e++) {
		struct hf_endpoint *ep = &w->endpoint[e];

		if (!ep->link || (!ep->news && !unheard_due(w, ep)))
			continue;
		ep->news = false;
		hf_link_publish(ep->link);
		if (unheard_due(w, ep))
			hf_link_hurry(ep->link);
		if (hf_link_bell(ep->link))
			bells |= 1ull << e;
		if (!hf_link_unheard(ep->link))
			ep->unheard_at = 0;
		else if (!ep->unheard_at)
			ep->unheard_at = w->now + UNHEARD_NS;
	}
	return bells;
}

static hf_ns next_due(const struct hf_worker *w)
{
	hf_ns tcp = hf_tcp_next_due(w->tcp), own = hf_wheel_next(&w->wheel);
	hf_ns due = HF_MIN(tcp, own);

	if (w->wait.cnt)
		due = HF_MIN(due, w->now + HF_WHEEL_TICK);
	for (uint32_t p = 0; p < w->cfg.port_cnt; p++)
		due = HF_MIN(due, w->port[p].announce_at);
	for (uint32_t e = 0; e < w->endpoint_top; e++)
		if (w->endpoint[e].unheard_at)
			due = HF_MIN(due, w->endpoint[e].unheard_at);
	return due;
}

/* ---- when there are too many ---- */

#define EVICT_MAX 32u /* per turn and cause */

/* Room for newcomers is made of those that stand still before the end of their handshake; where there
 * is none to be made, SYNs wait. Nobody who is through is touched. A handshake that is in flight holds
 * handshake memory, and the last eighth of it is for those whose SYNs were answered before. */
static void make_room(struct hf_worker *w)
{
	uint32_t bound = w->cfg.hs_cnt - w->cfg.hs_cnt / 8;
	uint64_t want = w->stats.conns + HF_MIN(w->cfg.conn_cnt / 16, 256u) + 1;

	for (uint32_t n = 0; n < EVICT_MAX && want - n > w->cfg.conn_cnt; n++)
		if (!hf_bridge_evict(w, false))
			break;
	if (bound == w->cfg.hs_cnt)
		return; /* so small a pool has no last eighth: who finds it empty waits his turn */
	for (uint32_t n = 0; n < EVICT_MAX && w->tls.hs.used >= bound; n++)
		if (!hf_bridge_evict(w, true))
			break;
	hf_tcp_crowd(w->tcp, w->tls.hs.used >= bound);
}

/* ---- the turn ---- */

struct hf_poll hf_worker_poll(struct hf_worker *w, hf_ns now)
{
	struct hf_poll result;

	gap_end(w);
	w->now = now;
	w->busy = false;
	headroom(w);

	/* 9 keep: what control wants; first, so that a new site serves this turn's hellos */
	orders(w);
	spent(w, HF_GAP_rest);

	make_room(w);

	/* 1 take, 2 tcp_in: frames -> connections with news */
	for (uint32_t p = 0; p < w->cfg.port_cnt; p++)
		take(w, p);
	take_crossed(w);
	tcp_news(w);
	spent(w, HF_GAP_tcp);

	/* 6 fetch: messages of backends -> connections; and those that were short of something */
	fetch(w);
	spent(w, HF_GAP_link);
	retry(w);

	/* 3 tls_in, 4 crypto in bursts, 5 give: records -> plaintext -> link, and back */
	run(w);
	crypto_records(w);

	/* 7 timers */
	timers(w);
	tcp_news(w);
	run(w);
	spent(w, HF_GAP_timers);

	/* 8 tcp_out */
	for (uint32_t p = 0; p < w->cfg.port_cnt; p++) {
		tcp_out(w, p);
		announce(w, &w->port[p]);
	}
	spent(w, HF_GAP_tx);

	/* 9 keep: what others must know */
	result.bells = publish(w);
	sites_release(w);
	spent(w, HF_GAP_rest);

	/* 4 crypto: one slice of public-key work, or one client's certificate; last, so that what was
	 * ready has left */
	crypto_keys(w);
	spent_on(w, HF_GAP_rest);

	w->stats.polls++;
	w->stats.polls_busy += w->busy;
	result.busy = w->busy || w->run.cnt;
	if (!port_idle(w) && w->stats.conns >= LOADED_CONNS)
		w->loaded_until = w->now + LOADED_NS;
	result.loaded = w->now < w->loaded_until;
	result.next_due = next_due(w);
	return result;
}

/* ---- birth, control's ends, what others may read ---- */

struct parts {
	struct hf_worker *w;
	void *guard, *tcp, *tls, *pk, *sym, *auth, *bufs, *link_bufs, *trace, *conn, *run_v,
		*run_in, *wait_v, *wait_in;
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
	p->run_in = carve(at, c->conn_cnt);
	p->wait_in = carve(at, c->conn_cnt);
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
				at, hf_spsc_footprint(sizeof(struct cross_frame), c->cross_cnt));
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
	w->cfg = *cfg;
	w->env = *env;
	w->now = env->now;
	w->conn = p.conn;
	w->stage_head = w->stage_tail = w->holder = HF_CONN_NONE;
	w->run = (struct hf_fifo){.v = p.run_v, .in = p.run_in, .cap = cfg->conn_cnt};
	w->wait = (struct hf_fifo){.v = p.wait_v, .in = p.wait_in, .cap = cfg->conn_cnt};
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
	w->pk = hf_pk_init(p.pk, &(struct hf_pk_cfg){.job_cnt = cfg->pk_job_cnt, .sym = w->sym},
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
				p.cross[i], sizeof(struct cross_frame), cfg->cross_cnt);
	for (uint32_t i = 0; i < cfg->port_cnt; i++)
		port_init(w, i);
	return w;
}

void hf_worker_join(struct hf_worker *w, struct hf_worker *const *all)
{
	w->all = all;
}

int hf_worker_order(struct hf_worker *w, const struct hf_order *o)
{
	return hf_spsc_push(w->orders, o, 1) == 1 ? 0 : -1;
}

bool hf_worker_event(struct hf_worker *w, struct hf_event *e)
{
	return hf_spsc_pop(w->events, e, 1) == 1;
}

uint64_t hf_worker_tickets(const struct hf_worker *w)
{
	return atomic_load_explicit(&w->tickets, memory_order_acquire);
}

bool hf_worker_sleep(struct hf_worker *w)
{
	bool news = hf_spsc_used(w->orders) != 0;

	for (uint32_t i = 0; i < w->cfg.worker_cnt; i++)
		news |= w->cross[i] && hf_spsc_used(w->cross[i]);
	for (uint32_t e = 0; e < w->endpoint_top; e++)
		news |= w->endpoint[e].link && !hf_link_sleep(w->endpoint[e].link, w->wait.cnt > 0);
	if (news)
		hf_worker_wake(w);
	return !news;
}

void hf_worker_wake(struct hf_worker *w)
{
	for (uint32_t e = 0; e < w->endpoint_top; e++)
		if (w->endpoint[e].link)
			hf_link_wake(w->endpoint[e].link);
}

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

static const struct hf_stat_row cycles_rows[] = {
#define HF_GAP(cause, help) \
	{#cause "_ns", help, HF_STAT_COUNTER, offsetof(struct hf_worker_cycles, cause##_ns)},
#include "lib/worker/gap.def"
#undef HF_GAP
	{"idle_ns", "turns that found nothing to do", HF_STAT_COUNTER,
		offsetof(struct hf_worker_cycles, idle_ns)},
};

static const struct hf_stat_table cycles_table = {"cycles", cycles_rows, HF_ARRAY_LEN(cycles_rows)};
extern const struct hf_stat_table hf_worker_stat_table;

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
		{.table = &hf_worker_stat_table, .base = &w->stats},
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

static const struct hf_stat_row rows[] = {
#define HF_COUNTER(name, help) \
	{#name, help, HF_STAT_COUNTER, offsetof(struct hf_worker_stats, name)},
#define HF_GAUGE(name, help) {#name, help, HF_STAT_GAUGE, offsetof(struct hf_worker_stats, name)},
#define HF_HIST(name, help) {#name, help, HF_STAT_HIST, offsetof(struct hf_worker_stats, name)},
#include "lib/worker/stats.def"
#undef HF_COUNTER
#undef HF_GAUGE
#undef HF_HIST
};

const struct hf_stat_table hf_worker_stat_table = {"worker", rows, HF_ARRAY_LEN(rows)};

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
	       !w->tls.hs.used && !w->run.cnt && !w->wait.cnt && !pk->jobs && !sym->jobs &&
	       !hf_auth_stats(w->auth)->jobs;
}
