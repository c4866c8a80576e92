/* timer.c -- a connection has one timer and three deadlines. Moving a deadline is a store; the
 * timer is only re-armed when a deadline comes nearer, and when it fires too early it looks for the
 * next one. So the usual case, an ACK that pushes the retransmission into the future, costs
 * nothing. RTO as in RFC 6298: measured once per round trip, never over a retransmission (Karn). */
#include "lib/tcp/tcp_conn.h"

void hf_tcp_arm(struct hf_tcp *t, struct hf_tcp_conn *c, enum hf_tcp_due which, hf_ns at)
{
	c->due[which] = at;
	if (!hf_timer_armed(&c->timer) || at < c->timer.due)
		hf_wheel_arm(&t->wheel, &c->timer, at);
}

void hf_tcp_disarm(struct hf_tcp_conn *c, enum hf_tcp_due which)
{
	c->due[which] = HF_NS_NEVER;
}

static hf_ns clamp_rto(hf_ns rto)
{
	return HF_MIN(HF_MAX(rto, HF_TCP_RTO_MIN), HF_TCP_RTO_MAX);
}

/* RFC 6298 2.2, 2.3; the clock's granularity is the wheel's. */
void hf_tcp_rtt_sample(struct hf_tcp_conn *c, hf_ns rtt)
{
	struct hf_tcp_info *i = &c->info;
	if (i->srtt_ns == 0) {
		i->srtt_ns = HF_MAX(rtt, 1u);
		c->rttvar_ns = rtt / 2;
	} else {
		hf_ns diff = rtt > i->srtt_ns ? rtt - i->srtt_ns : i->srtt_ns - rtt;
		c->rttvar_ns = (3 * c->rttvar_ns + diff) / 4;
		i->srtt_ns = HF_MAX((7 * i->srtt_ns + rtt) / 8, 1u);
	}
	i->rto_ns = clamp_rto(i->srtt_ns + HF_MAX(HF_WHEEL_TICK, 4 * c->rttvar_ns));
}

void hf_tcp_rtt_progress(struct hf_tcp_conn *c, hf_ns now)
{
	struct hf_tcp_info *i = &c->info;
	hf_ns rto = clamp_rto(i->srtt_ns + HF_MAX(HF_WHEEL_TICK, 4 * c->rttvar_ns));
	if (i->srtt_ns > 0 && now - c->sent_at >= (hf_ns)c->min_rtt_us * HF_NS_US)
		i->rto_ns = HF_MIN(i->rto_ns, rto);
}

void hf_tcp_rexmit_update(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now)
{
	bool queued = c->snd.len > 0 || hf_tcp_fin_owed(c);
	if (hf_tcp_sent_len(c, 0) > 0) { /* in flight: RFC 6298 5.1 */
		if (c->persisting || c->due[HF_TCP_DUE_REXMIT] == HF_NS_NEVER)
			hf_tcp_arm(t, c, HF_TCP_DUE_REXMIT, now + c->info.rto_ns);
		c->persisting = false;
	} else if (!queued || hf_tcp_has_data(c)) { /* what is sent next arms it */
		hf_tcp_disarm(c, HF_TCP_DUE_REXMIT);
		c->persisting = false;
	} else if (!c->persisting) { /* the peer's window is closed: RFC 9293 3.8.6.1 */
		c->persisting = true;
		c->persist_backoff = 0;
		hf_tcp_arm(t, c, HF_TCP_DUE_REXMIT, now + c->info.rto_ns);
	}
}

void hf_tcp_heard(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now)
{
	c->probe_cnt = 0;
	if (t->cfg.keepalive_ns && c->state != HF_TCP_S_FIN_WAIT_2)
		hf_tcp_arm(t, c, HF_TCP_DUE_LIFE, now + t->cfg.keepalive_ns);
}

/* One probe more; false: it was one too many and the connection is over. */
static bool count_probe(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now)
{
	if (c->probe_cnt == HF_TCP_PROBE_MAX) {
		hf_tcp_conn_end(t, c, HF_TCP_END_PROBE, now);
		return false;
	}
	c->probe_cnt++;
	hf_tcp_want_out(t, c);
	return true;
}

/* Probes go on for as long as the peer answers them, be it with a closed window (RFC 9293 3.8.6.1,
 * MUST-37): patience with readers that do not read is the user's to bound. */
static void probe_window(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now)
{
	if (!count_probe(t, c, now))
		return;
	c->probe_now = true;
	c->persist_backoff = (uint8_t)HF_MIN(c->persist_backoff + 1, 16);
	hf_tcp_arm(t, c, HF_TCP_DUE_REXMIT,
		now + HF_MIN(c->info.rto_ns << c->persist_backoff, HF_TCP_RTO_MAX));
}

void hf_tcp_recover(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now)
{
	if (!hf_tcp_cong_lost(c))
		return;
	t->stats.fast_retransmits++;
	c->rexmit_now = true;
	c->partial_seen = c->tail_now = false;
	hf_tcp_disarm(c, HF_TCP_DUE_TAIL);
	hf_trace(t->trace, now, (uint32_t)c->info.ref, HF_TRACE_FAST_REXMIT, 0, c->snd_una, 0);
}

/* RFC 6298 5.4 to 5.6. What is lost is sent again, beginning at snd_una. */
static void retransmit(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now)
{
	if (c->rexmit_cnt == HF_TCP_REXMIT_MAX) {
		hf_tcp_conn_end(t, c, HF_TCP_END_RTO, now);
		return;
	}
	t->stats.timeouts++;
	hf_trace(t->trace, now, (uint32_t)c->info.ref, HF_TRACE_RTO, c->rexmit_cnt, c->snd_una, 0);
	hf_tcp_cong_timeout(c);
	hf_tcp_rack_timeout(c, now);
	c->rexmit_cnt++;
	hf_tcp_pmtu_timeout(t, c);
	c->rexmit_now = true;
	c->tail_now = c->tail_out = false;
	hf_tcp_disarm(c, HF_TCP_DUE_TAIL);
	hf_tcp_disarm(c, HF_TCP_DUE_REORDER);
	c->info.rto_ns = clamp_rto(2 * c->info.rto_ns);
	hf_tcp_rexmit_update(t, c, now);
	hf_tcp_want_out(t, c);
}

static void rexmit_due(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now)
{
	if (c->persisting)
		probe_window(t, c, now);
	else
		retransmit(t, c, now);
}

/* RFC 8985 7.3: the retransmission waits for what the probe brings. */
static void tail_due(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now)
{
	if (hf_tcp_sent_len(c, 0) == 0)
		return;
	t->stats.tail_probes++;
	c->tail_now = true;
	hf_tcp_arm(t, c, HF_TCP_DUE_REXMIT, now + c->info.rto_ns);
	hf_tcp_want_out(t, c);
}

static void reorder_due(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now)
{
	if (!hf_tcp_rack_look(t, c, now))
		return;
	hf_tcp_recover(t, c, now);
	hf_tcp_rexmit_update(t, c, now);
	hf_tcp_want_out(t, c);
}

static void ack_due(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now)
{
	if (c->ack_later)
		hf_tcp_ack_now(t, c);
	else
		hf_tcp_rcv_look(t, c, now);
}

/* RFC 9293 3.8.4: silence alone is no error, only probes that stay unanswered are. */
static void life_due(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now)
{
	if (c->state == HF_TCP_S_FIN_WAIT_2) {
		hf_tcp_conn_end(t, c, HF_TCP_END_CLOSE_TIME, now);
		return;
	}
	if (!count_probe(t, c, now))
		return;
	c->keep_now = true;
	hf_tcp_arm(
		t, c, HF_TCP_DUE_LIFE, now + HF_MIN(t->cfg.keepalive_ns, HF_TCP_KEEP_INTERVAL_MAX));
}

static void conn_due(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now)
{
	static void (*const act[HF_TCP_DUE_CNT])(struct hf_tcp *, struct hf_tcp_conn *, hf_ns) = {
		[HF_TCP_DUE_TAIL] = tail_due,
		[HF_TCP_DUE_REORDER] = reorder_due,
		[HF_TCP_DUE_REXMIT] = rexmit_due,
		[HF_TCP_DUE_ACK] = ack_due,
		[HF_TCP_DUE_LIFE] = life_due,
	};
	hf_ns next = HF_NS_NEVER;
	for (unsigned i = 0; i < HF_TCP_DUE_CNT && c->state != HF_TCP_S_CLOSED; i++) {
		if (c->due[i] > now)
			continue;
		c->due[i] = HF_NS_NEVER;
		act[i](t, c, now);
	}
	if (c->state == HF_TCP_S_CLOSED)
		return;
	for (unsigned i = 0; i < HF_TCP_DUE_CNT; i++)
		next = HF_MIN(next, c->due[i]);
	if (next != HF_NS_NEVER)
		hf_wheel_arm(&t->wheel, &c->timer, next);
}

static uint32_t expire(struct hf_tcp *t, struct hf_timer *timer, hf_ns now, uint32_t max)
{
	if (timer == &t->waits.timer)
		return hf_tcp_wait_expire(t, now, max);
	for (uint32_t level = 0; level < HF_TCP_HALF_LEVELS; level++)
		if (timer == &t->half_timer[level])
			return hf_tcp_half_expire(t, level, now, max);
	conn_due(t, HF_CONTAINER_OF(timer, struct hf_tcp_conn, timer), now);
	return 1;
}

uint32_t hf_tcp_timers(struct hf_tcp *t, hf_ns now, uint32_t max)
{
	struct hf_timer *timer;
	uint32_t done = 0;
	while (done < max && (timer = hf_wheel_pop(&t->wheel, now)))
		done += expire(t, timer, now, max - done);
	return done;
}

hf_ns hf_tcp_next_due(const struct hf_tcp *t)
{
	return hf_wheel_next(&t->wheel);
}
