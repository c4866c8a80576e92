/* wait.c -- TIME_WAIT in 52 bytes: enough to say the last ACK again and to know a new SYN from an
 * old one. All entries wait equally long, so a ring keeps them in the order of their ends; who
 * leaves early only marks its place, and the place is freed when the head comes by. When the ring
 * is full the oldest goes: it has waited longest. RFC 9293 3.6.1, 3.10.7.4; RFC 1337. */
#include "lib/tcp/tcp_conn.h"

#define TICK (10 * HF_NS_MS) /* half of 2^16 of them are 327 s: longer than any option */

static uint16_t tick_of(hf_ns at)
{
	return (uint16_t)(at / TICK);
}

static void forget(struct hf_tcp *t, struct hf_tcp_wait *w)
{
	hf_tcp_flow_drop(t, &w->flow);
	w->flow.sport = 0;
	t->stats.time_wait--;
}

static void pop_head(struct hf_tcp_waits *v)
{
	v->head = (v->head + 1) % v->cap;
	v->cnt--;
}

/* The time until the entry is due; 0 when it is, or is no longer used. */
static hf_ns time_left(const struct hf_tcp_wait *w, hf_ns now)
{
	int16_t left = (int16_t)(uint16_t)(w->due - tick_of(now));
	return w->flow.sport != 0 && left > 0 ? (uint16_t)left * TICK : 0;
}

void hf_tcp_wait_add(struct hf_tcp *t, const struct hf_tcp_wait *w, hf_ns now)
{
	struct hf_tcp_waits *v = &t->waits;
	uint32_t i;
	if (v->cap == 0)
		return;
	if (v->cnt == v->cap) {
		if (v->ring[v->head].flow.sport != 0) {
			forget(t, &v->ring[v->head]);
			t->stats.wait_evicted++;
		}
		pop_head(v);
	}
	i = (v->head + v->cnt++) % v->cap;
	v->ring[i] = *w;
	v->ring[i].due = tick_of(now + t->cfg.time_wait_ns + TICK - 1);
	hf_tcp_flow_add(t, &w->flow, HF_TCP_K_WAIT, i);
	t->stats.time_wait++;
	if (!hf_timer_armed(&v->timer))
		hf_wheel_arm(&t->wheel, &v->timer, now + t->cfg.time_wait_ns);
}

uint32_t hf_tcp_wait_expire(struct hf_tcp *t, hf_ns now, uint32_t max)
{
	struct hf_tcp_waits *v = &t->waits;
	uint32_t done = 0;
	while (done < max && v->cnt > 0 && time_left(&v->ring[v->head], now) == 0) {
		if (v->ring[v->head].flow.sport != 0)
			forget(t, &v->ring[v->head]);
		pop_head(v);
		done++;
	}
	if (v->cnt > 0)
		hf_wheel_arm(&t->wheel, &v->timer, now + time_left(&v->ring[v->head], now));
	return HF_MAX(done, 1u);
}

/* RFC 6191 2: whose SYN opens the pair anew. A newer timestamp proves it as well as a newer number does,
 * and so does one where there was none before; an older one disproves it. */
static bool is_newer(const struct hf_tcp_in *in, const struct hf_tcp_wait *w)
{
	bool number_newer = hf_seq_lt(w->rcv_nxt, in->seq);
	if (!in->opt.has_timestamps)
		return number_newer;
	if (!w->ts_ok)
		return true;
	return hf_seq_lt(w->ts_recent, in->opt.ts_val) ||
	       (w->ts_recent == in->opt.ts_val && number_newer);
}

/* 3.10.7.4 for TIME-WAIT: a new SYN beyond all that was may open the pair again; a FIN came again
 * because our ACK was lost; anything else but a bare ACK in its place is acknowledged again.
 * Resets are not obeyed (RFC 1337 3, fix F1). */
enum hf_tcp_outcome hf_tcp_wait_input(struct hf_tcp_in *in, uint32_t i)
{
	struct hf_tcp *t = in->t;
	struct hf_tcp_wait w = t->waits.ring[i];
	uint8_t flags = in->p->tcp_flags;
	if (flags & HF_TCP_RST)
		return HF_TCP_O_WAIT_IGNORED;
	if ((flags & (HF_TCP_SYN | HF_TCP_ACK)) == HF_TCP_SYN && is_newer(in, &w)) {
		enum hf_tcp_outcome o;
		forget(t, &t->waits.ring[i]);
		o = hf_tcp_listen_input(in, &w.snd_nxt);
		return o == HF_TCP_O_SYN_NEW ? HF_TCP_O_WAIT_REUSED : o;
	}
	if (!(flags & (HF_TCP_ACK | HF_TCP_SYN)))
		return HF_TCP_O_WAIT_IGNORED;
	if (!(flags & HF_TCP_SYN) && !in->fin && in->payload.len == 0 && in->seq == w.rcv_nxt)
		return HF_TCP_O_WAIT_IGNORED;
	if (in->fin) { /* wait again from now on */
		forget(t, &t->waits.ring[i]);
		if (w.ts_ok && in->opt.has_timestamps)
			w.ts_recent = hf_seq_max(w.ts_recent, in->opt.ts_val);
		hf_tcp_wait_add(t, &w, in->now);
	} else if (!hf_tcp_may_challenge(t, in->now)) {
		return HF_TCP_O_WAIT_IGNORED;
	}
	hf_tcp_reply_ack(in, w.snd_nxt, w.rcv_nxt);
	return HF_TCP_O_WAIT_ACKED;
}
