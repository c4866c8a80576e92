/* half.c -- from SYN to third ACK in one cache line per peer. An entry remembers what the SYN said
 * and which SYN-ACK answered it. Entries that were answered equally often wait equally long for the
 * next step, so each such level is a list in order of time with one timer for all, and the head of
 * the highest level is the oldest entry there is. When a flood has filled the pool to its watermark,
 * SYNs are answered by cookies (cookie.c); what is left is for those who come back out of TIME_WAIT,
 * whose sequence numbers must go on from where they were.
 * The initial sequence number is a keyed hash of the flow plus a clock (RFC 6528). */
#include "lib/tcp/tcp_conn.h"

#define TICK (4 * HF_NS_MS)     /* of hf_tcp_half.due: 2^16 of them are 262 s */
#define ISN_TICK (4 * HF_NS_US) /* RFC 6528 3 */
#define ISN_JUMP 65536u         /* beyond any window of the previous incarnation (RFC 9293 3.6.1) */
#define STRANGER_RESERVE 16u /* strangers leave this part (1/16) of the chunks to those we know */
#define COMEBACK_RESERVE 8u  /* and this part (1/8) of the half-open entries */

/* ---- time ---- */
/* When level `level` begins, since the SYN: 0, 1, 3, 7 ... s. */
static hf_ns level_start(uint32_t level)
{
	return ((1ull << level) - 1) * HF_TCP_RTO_FIRST;
}

/* How long an entry stays in a level; the last one ends with the entry's life. */
static hf_ns level_len(const struct hf_tcp *t, uint32_t level)
{
	hf_ns rest = t->cfg.syn_life_ns - HF_MIN(t->cfg.syn_life_ns, level_start(level));
	return HF_MIN(HF_TCP_RTO_FIRST << level, rest);
}

static uint16_t tick_of(hf_ns at)
{
	return (uint16_t)(at / TICK);
}

/* The time until the entry is due, 0 when it is. */
static hf_ns time_left(const struct hf_tcp_half *h, hf_ns now)
{
	int16_t ticks = (int16_t)(uint16_t)(h->due - tick_of(now));
	return ticks > 0 ? (uint16_t)ticks * TICK : 0;
}

static void enter_level(struct hf_tcp *t, struct hf_tcp_half *h, uint32_t level, hf_ns now)
{
	hf_ns due = now + level_len(t, level) + TICK;
	h->level = level & 15;
	h->due = tick_of(due);
	hf_tcp_list_push(&t->half_level[level], h);
	if (!hf_timer_armed(&t->half_timer[level]))
		hf_wheel_arm(&t->wheel, &t->half_timer[level], due);
}

/* ---- an entry ---- */
static void half_drop(struct hf_tcp *t, struct hf_tcp_half *h)
{
	if (t->guard && h->counted)
		hf_guard_half_less(t->guard, &h->flow.src);
	hf_tcp_list_remove(&t->half_level[h->level], h);
	hf_tcp_flow_drop(t, &h->flow);
	hf_pool_give(&t->halves, h);
	t->stats.half_open--;
}

static void evict_oldest(struct hf_tcp *t)
{
	for (uint32_t level = HF_TCP_HALF_LEVELS; level-- > 0;) {
		struct hf_tcp_half *h = hf_tcp_list_first(&t->half_level[level]);
		if (!h)
			continue;
		half_drop(t, h);
		t->stats.half_evicted++;
		return;
	}
}

static uint32_t first_window(const struct hf_tcp *t)
{
	return HF_MIN(t->cfg.rcv_wnd_max, (uint32_t)UINT16_MAX);
}

/* Each option is answered on its own, and only if the peer offered it. The window of a SYN is never
 * scaled (RFC 7323 2.2). syn: the one that is answered; NULL: none came, it is time (stamp.c). */
static void send_syn_ack(struct hf_tcp *t, const struct hf_tcp_half *h, const struct hf_tcp_in *syn)
{
	struct hf_tcp_seg s = {
		.flow = h->flow,
		.seq = h->iss,
		.ack = h->irs + 1,
		.window = (uint16_t)first_window(t),
		.flags = HF_TCP_SYN | HF_TCP_ACK,
		.mss = hf_tcp_mss(t, h->port, &h->flow.src),
		.scale = h->scale == HF_TCP_NO_SCALE ? HF_TCP_NO_SCALE : t->rcv_scale,
		.sack_permitted = h->sack_ok,
	};
	if (syn)
		hf_tcp_stamp_answer(syn, &s);
	memcpy(s.mac, h->mac, sizeof(s.mac));
	hf_tcp_reply(t, h->port, &s);
}

uint32_t hf_tcp_half_expire(struct hf_tcp *t, uint32_t level, hf_ns now, uint32_t max)
{
	struct hf_tcp_list *list = &t->half_level[level];
	struct hf_tcp_half *h;
	uint32_t done = 0;
	while (done < max && (h = hf_tcp_list_first(list)) && time_left(h, now) == 0) {
		done++;
		if (level + 1 == HF_TCP_HALF_LEVELS ||
			level_start(level + 1) >= t->cfg.syn_life_ns) {
			half_drop(t, h);
			t->stats.half_expired++;
			continue;
		}
		hf_tcp_list_remove(list, h);
		enter_level(t, h, level + 1, now);
		if (hf_tcp_cookies_out(t, now)) /* a flood: who means it says his SYN again */
			continue;
		send_syn_ack(t, h, NULL);
		t->stats.syn_ack_again++;
	}
	h = hf_tcp_list_first(list);
	if (h)
		hf_wheel_arm(&t->wheel, &t->half_timer[level], now + time_left(h, now));
	return HF_MAX(done, 1u);
}

/* ---- a SYN ---- */
static const struct hf_tcp_listener *find_listener(
	const struct hf_tcp *t, const struct hf_addr *addr, uint16_t port)
{
	static const struct hf_addr any;
	const struct hf_tcp_listener *best = NULL;
	for (uint32_t i = 0; i < t->listener_cnt; i++) {
		const struct hf_tcp_listener *l = &t->listener[i];
		if (l->port != port)
			continue;
		if (hf_addr_eq(&l->addr, addr))
			return l;
		if (hf_addr_eq(&l->addr, &any))
			best = l;
	}
	return best;
}

static uint32_t choose_iss(const struct hf_tcp_in *in, const uint32_t *iss_min)
{
	uint64_t hash = hf_siphash(in->t->isn_key, &in->flow, sizeof(in->flow));
	uint32_t iss = (uint32_t)hash + (uint32_t)(in->now / ISN_TICK);
	if (iss_min && !hf_seq_lt(*iss_min, iss))
		iss = *iss_min + ISN_JUMP;
	return iss;
}

static bool chunks_are_short(const struct hf_tcp *t)
{
	const struct hf_pool *p = &t->bufs->chunk;
	return p->cnt - p->used <= p->cnt / STRANGER_RESERVE;
}

static void remember_options(struct hf_tcp_half *h, const struct hf_tcp_in *in)
{
	const struct hf_tcpopt *o = &in->opt;
	bool v4 = hf_addr_is_v4(&h->flow.src);
	uint32_t mss = o->mss ? o->mss : v4 ? HF_TCP_MSS_DEFAULT : HF_TCP_MSS_DEFAULT6;
	uint32_t most = hf_tcp_mss(in->t, in->port, &h->flow.src);
	uint32_t scale = o->has_wscale ? HF_MIN(o->wscale, HF_TCP_SCALE_MAX) : HF_TCP_NO_SCALE;
	h->mss = (uint16_t)HF_MIN(HF_MAX(mss, HF_TCP_MSS_MIN), most);
	h->scale = scale & 15u;
	h->sack_ok = o->sack_permitted;
	h->ts_ok = o->has_timestamps;
}

static void half_fill(struct hf_tcp_half *h, const struct hf_tcp_in *in)
{
	*h = (struct hf_tcp_half){
		.flow = in->flow,
		.irs = in->seq,
		.link.next = HF_TCP_LIST_OUT,
		.port = in->port & 7,
	};
	memcpy(h->mac, in->p->eth_src, sizeof(h->mac));
	remember_options(h, in);
}

static uint32_t watermark(const struct hf_tcp *t)
{
	return t->halves.cnt - HF_MAX(t->halves.cnt / COMEBACK_RESERVE, 1u);
}

static enum hf_tcp_outcome answer_by_cookie(struct hf_tcp_in *in)
{
	struct hf_tcp_half h;
	half_fill(&h, in);
	h.iss = hf_tcp_cookie_make(in, &h);
	send_syn_ack(in->t, &h, in);
	return HF_TCP_O_SYN_COOKIE;
}

/* Whether the guard lets this SYN in: HF_TCP_OUTCOME_CNT, or what became of it. Who comes back out of
 * TIME_WAIT was here a moment ago. */
static enum hf_tcp_outcome ask_guard(struct hf_tcp_in *in)
{
	uint64_t id = hf_tcp_syn_id(in->hash, in->seq);
	switch (hf_guard_syn(in->t->guard, &in->flow.src, id, in->now)) {
	case HF_GUARD_GO:
		return HF_TCP_OUTCOME_CNT;
	case HF_GUARD_STRANGER:
		return HF_TCP_O_SYN_STRANGER;
	default:
		return HF_TCP_O_SYN_LIMITED;
	}
}

static enum hf_tcp_outcome syn_input(struct hf_tcp_in *in, const uint32_t *iss_min)
{
	struct hf_tcp *t = in->t;
	struct hf_tcp_half *h;
	enum hf_tcp_outcome o;
	t->stats.syn_data += in->p->payload.len > 0;
	if (t->crowded || t->conns.used == t->conns.cnt)
		return HF_TCP_O_SYN_CROWDED;
	if (chunks_are_short(t))
		return HF_TCP_O_SYN_NO_MEM;
	o = t->guard && !iss_min ? ask_guard(in) : HF_TCP_OUTCOME_CNT;
	if (o != HF_TCP_OUTCOME_CNT)
		return o;
	if (!iss_min && t->halves.used >= watermark(t))
		return answer_by_cookie(in);
	if (t->halves.used == t->halves.cnt)
		evict_oldest(t);
	h = hf_pool_take(&t->halves);
	if (!h)
		return HF_TCP_O_SYN_NO_MEM;
	half_fill(h, in);
	h->iss = choose_iss(in, iss_min);
	hf_tcp_flow_add(t, &h->flow, HF_TCP_K_HALF, hf_pool_index(&t->halves, h));
	t->stats.half_open++;
	h->counted = t->guard && hf_guard_half_more(t->guard, &h->flow.src, in->now);
	enter_level(t, h, 0, in->now);
	hf_trace(t->trace, in->now, UINT32_MAX, HF_TRACE_SYN, in->port, h->irs, h->iss);
	send_syn_ack(t, h, in);
	return HF_TCP_O_SYN_NEW;
}

/* ---- the third ACK ---- */
/* For an entry that was answered once. */
static hf_ns since_syn_ack(const struct hf_tcp *t, const struct hf_tcp_half *h, hf_ns now)
{
	hf_ns len = level_len(t, 0);
	return len - HF_MIN(len, time_left(h, now));
}

/* The connection that was half open as h says, in a slot of its own. */
static struct hf_tcp_conn *conn_new(
	struct hf_tcp_in *in, const struct hf_tcp_half *h, uint16_t listener)
{
	struct hf_tcp *t = in->t;
	struct hf_tcp_conn *c = hf_pool_take(&t->conns);
	bool scaled = h->scale != HF_TCP_NO_SCALE;
	HF_ASSERT(c); /* the callers looked */
	*c = (struct hf_tcp_conn){
		.snd_una = h->iss + 1,
		.snd_nxt = h->iss + 1,
		.snd_max = h->iss + 1,
		.snd_wl1 = in->seq - 1, /* whatever window this segment offers is news */
		.rcv_nxt = h->irs + 1,
		.rcv_edge = h->irs + 1 + first_window(t),
		.snd_scale = scaled ? h->scale : 0,
		.rcv_scale = scaled ? t->rcv_scale : 0,
		.sack_ok = h->sack_ok,
		.due = {HF_NS_NEVER, HF_NS_NEVER, HF_NS_NEVER, HF_NS_NEVER, HF_NS_NEVER},
		.rtt_seq = h->iss + 1,
		.min_rtt_us = UINT32_MAX,
		.ready_link.next = HF_TCP_LIST_OUT,
		.out_link.next = HF_TCP_LIST_OUT,
		.info = {.ref = hf_pool_ref(&t->conns, c),
			.peer = h->flow.src,
			.local = h->flow.dst,
			.peer_port = h->flow.sport,
			.local_port = h->flow.dport,
			.listener = listener,
			.port = h->port,
			.mss = h->mss,
			.opened_at = in->now,
			.rto_ns = h->level > 0 ? HF_TCP_RTO_SYN_LOST : HF_TCP_RTO_FIRST},
	};
	memcpy(c->mac, h->mac, sizeof(c->mac));
	if (h->ts_ok && in->opt.has_timestamps)
		hf_tcp_stamp_open(in, c);
	hf_tcp_state_open(c);
	hf_tcp_cong_open(c, h->level);
	return c;
}

/* rtt: of the SYN-ACK, HF_NS_NEVER: not known. */
static void conn_open(
	struct hf_tcp_in *in, const struct hf_tcp_half *h, uint16_t listener, hf_ns rtt)
{
	struct hf_tcp *t = in->t;
	struct hf_tcp_conn *c = conn_new(in, h, listener);
	if (rtt == HF_NS_NEVER && h->level == 0)
		rtt = hf_tcp_stamp_rtt(in, c);
	if (rtt != HF_NS_NEVER)
		hf_tcp_rtt_sample(c, rtt);
	in->conn = hf_pool_index(&t->conns, c);
	hf_tcp_flow_add(t, &in->flow, HF_TCP_K_CONN, in->conn);
	t->stats.conns++;
	hf_trace(t->trace, in->now, (uint32_t)c->info.ref, HF_TRACE_CONN_NEW, in->port, c->info.ref,
		0);
	hf_tcp_tell(t, c, HF_TCP_EV_OPENED);
	(void)hf_tcp_conn_input(in, c); /* its window, text and FIN; OPENED is the outcome */
}

static bool may_open(const struct hf_tcp_in *in)
{
	return !in->t->guard || hf_guard_opened(in->t->guard, &in->flow.src, in->now);
}

static enum hf_tcp_outcome third_ack(struct hf_tcp_in *in, struct hf_tcp_half *h)
{
	struct hf_tcp *t = in->t;
	const struct hf_tcp_listener *l = find_listener(t, &h->flow.dst, h->flow.dport);
	const struct hf_tcp_half was = *h;
	/* a SYN-ACK sent once measured a round trip, to a tick */
	hf_ns rtt = h->level == 0 ? since_syn_ack(t, h, in->now) : HF_NS_NEVER;
	if (l && t->conns.used == t->conns.cnt)
		return HF_TCP_O_OPEN_FULL;
	if (l && !may_open(in))
		return HF_TCP_O_OPEN_LIMITED;
	half_drop(t, h);
	if (!l) { /* the listeners were replaced in between */
		hf_tcp_reply_rst(in);
		return HF_TCP_O_UNKNOWN;
	}
	conn_open(in, &was, l->id, rtt);
	return HF_TCP_O_OPENED;
}

/* An ACK of nobody while cookies are out. One that has none is not reset: it may be the second
 * segment of a connection whose first was lost. */
static enum hf_tcp_outcome third_ack_by_cookie(
	struct hf_tcp_in *in, const struct hf_tcp_listener *l)
{
	struct hf_tcp_half h;
	if (!hf_tcp_cookie_check(in, &h))
		return HF_TCP_O_COOKIE_WRONG;
	if (in->t->conns.used == in->t->conns.cnt)
		return HF_TCP_O_OPEN_FULL;
	if (!may_open(in))
		return HF_TCP_O_OPEN_LIMITED;
	conn_open(in, &h, l->id, HF_NS_NEVER);
	return HF_TCP_O_COOKIE_OPENED;
}

/* ---- LISTEN and CLOSED ---- */
enum hf_tcp_outcome hf_tcp_listen_input(struct hf_tcp_in *in, const uint32_t *iss_min)
{
	uint8_t flags = in->p->tcp_flags;
	const struct hf_tcp_listener *l = find_listener(in->t, &in->flow.dst, in->flow.dport);
	if (flags & HF_TCP_RST)
		return HF_TCP_O_UNKNOWN_RST;
	if ((flags & (HF_TCP_SYN | HF_TCP_ACK)) == HF_TCP_ACK && l &&
		hf_tcp_cookies_out(in->t, in->now))
		return third_ack_by_cookie(in, l);
	if (l && !(flags & (HF_TCP_SYN | HF_TCP_ACK)))
		return HF_TCP_O_FLAGS;
	if ((flags & (HF_TCP_SYN | HF_TCP_ACK)) != HF_TCP_SYN) {
		hf_tcp_reply_rst(in);
		return HF_TCP_O_UNKNOWN;
	}
	if (in->t->draining)
		return HF_TCP_O_SYN_DRAINING;
	if (!l) {
		hf_tcp_reply_rst(in);
		return HF_TCP_O_SYN_REFUSED;
	}
	return syn_input(in, iss_min);
}

/* ---- SYN-RECEIVED ---- */

static void half_challenge(struct hf_tcp_in *in, const struct hf_tcp_half *h)
{
	if (hf_tcp_may_challenge(in->t, in->now))
		hf_tcp_reply_ack(in, h->iss + 1, h->irs + 1);
}

/* 3.10.7.4 for SYN-RECEIVED, in its order. A repeated SYN lies before the window, but says only
 * that our SYN-ACK was lost. */
enum hf_tcp_outcome hf_tcp_half_input(struct hf_tcp_in *in, struct hf_tcp_half *h)
{
	uint8_t flags = in->p->tcp_flags;
	uint32_t rcv_nxt = h->irs + 1, at = in->seq - rcv_nxt;
	bool inside = at <= first_window(in->t);
	if (flags & HF_TCP_RST) {
		if (!inside)
			return HF_TCP_O_RST_OUTSIDE;
		if (at == 0) {
			half_drop(in->t, h);
			return HF_TCP_O_HALF_RST;
		}
		half_challenge(in, h);
		return HF_TCP_O_RST_INEXACT;
	}
	if (flags & HF_TCP_SYN && !(flags & HF_TCP_ACK) && in->seq == h->irs) {
		if (in->t->guard && !hf_guard_syn_again(in->t->guard, &in->flow.src, in->now))
			return HF_TCP_O_SYN_STRANGER;
		send_syn_ack(in->t, h, in);
		return HF_TCP_O_SYN_AGAIN;
	}
	if (!inside) {
		half_challenge(in, h);
		return HF_TCP_O_OUTSIDE;
	}
	if (flags & HF_TCP_SYN) { /* passively opened: back to LISTEN */
		half_drop(in->t, h);
		return hf_tcp_listen_input(in, NULL);
	}
	if (!(flags & HF_TCP_ACK))
		return HF_TCP_O_ACK_MISSING;
	if (in->p->ack != h->iss + 1) {
		hf_tcp_reply_rst(in);
		return HF_TCP_O_OPEN_FORGED;
	}
	return third_ack(in, h);
}
