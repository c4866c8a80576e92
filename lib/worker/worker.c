/* worker.c -- the way of a packet, on one page: hf_worker_poll at the end of this file is the whole
 * loop. Each stage takes what the one before it left and leaves lists for the next; nothing calls
 * back up. What joins TCP, TLS and the backend for one connection is bridge.c, its stream towards the
 * backend stream.c, what backends say endpoint.c. How a worker is made is init.c, what control and it tell
 * each other control.c, what a port says unasked announce.c, what others may see of it all tables.c.
 *
 * Back-pressure is by not asking: without a free tx frame nothing is emitted, without room towards
 * the backend plaintext stays in its record buffer, uncredited, and the TCP window closes. */
#include "lib/worker/conn.h"

#define RX_BURST 32u
#define RX_BURSTS 8u /* per turn: a turn may hold a whole RSA operation, 1.5 ms of a flood */
#define TX_BURST 32u
#define FETCH_MAX 64u     /* messages of one endpoint per turn */
#define TIMERS_MAX 256u   /* due timers per turn and wheel */
#define CRYPTO_ROUNDS 4u  /* symmetric bursts per turn: a record opened, its answer sealed */
#define RETRY_MAX 32u     /* waiting connections tried again per turn */
#define KEYS_DONE_MAX 64u /* jobs of one slice that pay for it; the engines' batches are smaller */
/* Of streams that open or are reset, a backend that has asked for it hears no later than this. */
#define UNHEARD_NS (5 * HF_NS_MS)
/* So few frames in the last one to two milliseconds are an idle port. */
#define IDLE_FRAMES 16u
#define IDLE_FRAMES_OF_FEW 48u /* where fewer connections than HF_LOADED_CONNS spoke */
#define IDLE_WINDOW_NS HF_NS_MS
#define LOADED_NS (20 * HF_NS_MS) /* a core that is shared may be away for some of them */

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
	struct hf_cross_frame x;

	if (f->len > HF_CROSS_FRAME_MAX)
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
	struct hf_cross_frame x;

	for (uint32_t from = 0; from < w->cfg.worker_cnt; from++) {
		if (!w->cross[from])
			continue;
		for (uint32_t n = 0; n < RX_BURST && hf_spsc_pop(w->cross[from], &x, 1); n++) {
			struct hf_frame f = {
				x.data, x.len, HF_CROSS_FRAME_MAX, HF_FRAME_CROSSED, NULL};

			w->stats.crossed_in++;
			w->busy = true;
			burst_in(w, x.port, &f, 1);
		}
	}
}

static void hear(struct hf_worker *w, uint32_t conn)
{
	uint32_t i = 0;

	while (i < w->heard_cnt && w->heard[i] != conn)
		i++;
	if (i == w->heard_cnt && i < HF_LOADED_CONNS)
		w->heard[w->heard_cnt++] = conn;
}

/* What TCP has to tell becomes the run list. */
static void tcp_news(struct hf_worker *w)
{
	uint32_t i, events;

	while (hf_tcp_ready_pop(w->tcp, &i, &events)) {
		w->busy = true;
		hear(w, i);
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

static bool hs_waits(const struct hf_worker *w)
{
	return w->wait_hs.cnt && w->tls.hs.used < w->tls.hs.cnt;
}

/* Connections that were short of something: a few are tried again each turn, in order. This is not
 * being busy: an adaptive worker may sleep a tick between tries. Of those whose hello finds no handshake
 * memory there may be thousands, so they are left alone until there is some. */
static void retry(struct hf_worker *w)
{
	for (uint32_t n = RETRY_MAX; n > 0 && hs_waits(w); n--)
		hf_bridge_run(w, hf_fifo_pop(&w->wait_hs));
	for (uint32_t n = HF_MIN(w->wait.cnt, RETRY_MAX); n > 0; n--)
		hf_bridge_run(w, hf_fifo_pop(&w->wait));
	hf_stream_reclaim(w);
}

static void fetch(struct hf_worker *w)
{
	for (uint32_t e = 0; e < w->endpoint_top; e++) {
		if (!w->endpoint[e].link)
			continue;
		if (w->endpoint[e].down)
			hf_endpoint_end(w, e);
		else
			hf_endpoint_fetch(w, e, FETCH_MAX);
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
 * itself is a handful of frames, though it be the next as soon as one has ended. */
static bool port_idle(struct hf_worker *w)
{
	bool few, next = w->now - w->window_at < 2 * IDLE_WINDOW_NS;

	if (w->now - w->window_at >= IDLE_WINDOW_NS) {
		w->frames_before = next ? w->net_stats.frames_in - w->frames_at : 0;
		w->frames_at = w->net_stats.frames_in;
		w->heard_before = next ? w->heard_cnt : 0;
		w->heard_cnt = 0;
		w->window_at = w->now;
	}
	few = HF_MAX(w->heard_before, w->heard_cnt) < HF_LOADED_CONNS;
	return w->frames_before + w->net_stats.frames_in - w->frames_at <
	       (few ? IDLE_FRAMES_OF_FEW : IDLE_FRAMES);
}

static enum hf_pk_load load(struct hf_worker *w)
{
	return port_idle(w) ? HF_PK_IDLE : w->busy ? HF_PK_PRESSED : HF_PK_CALM;
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
	bool more = hf_pk_work(w->pk, load(w), w->now);
	enum hf_pk_slice slice = hf_pk_last_slice(w->pk);

	/* first: only a turn with work tells its causes apart */
	w->busy |= more || slice != HF_PK_SLICE_NONE;
	spent(w, cause[slice]);
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
		used = hf_tcp_emit_burst(w->tcp, port, f, got, w->now);
		for (uint32_t i = 0; i < used; i++)
			len += f[i].len;
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

/* ---- 9: keep: doorbells ---- */

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

/* ---- when nothing is to be done ---- */

static hf_ns next_due(const struct hf_worker *w)
{
	hf_ns tcp = hf_tcp_next_due(w->tcp), own = hf_wheel_next(&w->wheel);
	hf_ns due = HF_MIN(tcp, own);

	due = HF_MIN(due, hf_pk_due(w->pk));
	if (w->wait.cnt || hs_waits(w))
		due = HF_MIN(due, w->now + HF_WHEEL_TICK);
	for (uint32_t p = 0; p < w->cfg.port_cnt; p++)
		due = HF_MIN(due, w->port[p].announce_at);
	for (uint32_t e = 0; e < w->endpoint_top; e++)
		if (w->endpoint[e].unheard_at)
			due = HF_MIN(due, w->endpoint[e].unheard_at);
	return due;
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

/* ---- the turn ---- */

struct hf_poll hf_worker_poll(struct hf_worker *w, hf_ns now)
{
	struct hf_poll result;

	gap_end(w);
	w->now = now;
	w->busy = false;
	headroom(w);

	/* 9 keep: what control wants; first, so that a new site serves this turn's hellos */
	hf_control_orders(w);
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
		hf_announce(w, &w->port[p]);
	}
	spent(w, HF_GAP_tx);

	/* 9 keep: what others must know */
	result.bells = publish(w);
	hf_control_sites_release(w);
	spent(w, HF_GAP_rest);

	/* 4 crypto: one slice of public-key work, or one client's certificate; last, so that what was
	 * ready has left */
	crypto_keys(w);
	spent_on(w, HF_GAP_rest);

	w->stats.polls++;
	w->stats.polls_busy += w->busy;
	result.busy = w->busy || w->run.cnt;
	if (!port_idle(w) && w->stats.conns >= HF_LOADED_CONNS)
		w->loaded_until = w->now + LOADED_NS;
	result.loaded = w->now < w->loaded_until;
	result.next_due = next_due(w);
	return result;
}
