/* rack.c -- which of what is in flight is lost, told by time: what left before something that has
 * arrived, and has had a little longer than a round trip to do so itself, is lost, retransmissions
 * included. The little longer is the reordering window, nothing as long as the path was never seen
 * to reorder. When nothing can arrive because the end of a flight is what was lost, a probe of the
 * tail goes out after two round trips, so that something does. Only with peers that SACK; for the
 * others three duplicate ACKs count (congestion.c). RFC 8985, 2883. */
#include "lib/tcp/tcp_conn.h"

#define DUP_THRESH 3u          /* RFC 8985 4 */
#define REO_PERSIST 16u        /* recoveries without a DSACK, RFC 8985 6.2 step 4 */
#define PTO_UNKNOWN HF_NS_S    /* no round trip measured yet, RFC 8985 7.2 */
#define PTO_MIN (2 * HF_NS_MS) /* two ticks of the wheel */
#define PEER_ACK_DELAY \
	(45 * HF_NS_MS) /* of a lone segment: Linux's 40, ours too, and a tick of its */
#define PTO_LONE_MIN (20 * HF_NS_MS) /* a peer that never waits may still be busy */

/* RACK_sent_after of RFC 8985 6.2: sent later, or in the same turn and behind. */
static bool sent_after(uint32_t at, uint32_t end, uint32_t other_at, uint32_t other_end)
{
	return hf_seq_lt(other_at, at) || (at == other_at && hf_seq_lt(other_end, end));
}

/* ---- arrivals ---- */
/* Steps 1 to 3. A retransmission acknowledged sooner than ever was not it, but the original. */
void hf_tcp_rack_arrived(struct hf_tcp_conn *c, const struct hf_tcp_run *r, uint32_t end, hf_ns now)
{
	uint32_t rtt_us = hf_tcp_us(now) - r->at_us;
	bool again = r->fate & HF_TCP_RUN_AGAIN;
	if (!c->rack_fack_known || hf_seq_lt(c->rack_fack, end)) {
		c->rack_fack = end;
		c->rack_fack_known = true;
	} else if (!again && !(r->fate & HF_TCP_RUN_LOST) && hf_seq_lt(end, c->rack_fack)) {
		c->reordering_seen = true;
	}
	if (again && rtt_us < c->min_rtt_us)
		return;
	if (!again && !(r->fate & HF_TCP_RUN_LOST))
		c->min_rtt_us = HF_MIN(c->min_rtt_us, rtt_us);
	c->rack_rtt_us = rtt_us;
	if (!c->rack_known || sent_after(r->at_us, end, c->rack_at_us, c->rack_end)) {
		c->rack_at_us = r->at_us;
		c->rack_end = end;
		c->rack_known = true;
	}
}

/* ---- losses ---- */
/* Step 4. In recovery, or with three segments SACKed, a path that never reordered gets no grace. */
static uint32_t reo_wnd_us(const struct hf_tcp_conn *c)
{
	uint32_t srtt_us = (uint32_t)(c->info.srtt_ns / HF_NS_US);
	uint32_t sacked_len = hf_tcp_sent_len(c, HF_TCP_RUN_SACKED);
	bool recovering = hf_seq_lt(c->snd_una, c->recover);
	if (!c->reordering_seen &&
		(recovering || sacked_len > (DUP_THRESH - 1) * (uint32_t)c->info.mss))
		return 0;
	if (c->min_rtt_us == UINT32_MAX)
		return 0;
	return HF_MIN((c->reo_mult + 1u) * (c->min_rtt_us / 4), srtt_us);
}

/* Step 5: the time that a run still has; 0 when it is lost, UINT32_MAX when nothing tells. */
static uint32_t time_left_us(const struct hf_tcp_conn *c, uint32_t i, uint32_t reo_us, hf_ns now)
{
	const struct hf_tcp_run *r = &c->run[i];
	uint32_t waited_us = hf_tcp_us(now) - r->at_us, due_us = c->rack_rtt_us + reo_us;
	if (!sent_after(c->rack_at_us, c->rack_end, r->at_us, hf_tcp_run_end(c, i)))
		return UINT32_MAX;
	return due_us > waited_us ? due_us - waited_us : 0;
}

bool hf_tcp_rack_look(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now)
{
	uint32_t reo_us, wait_us = 0;
	bool lost[HF_TCP_RUN_MAX] = {false}, found = false;
	hf_tcp_disarm(c, HF_TCP_DUE_REORDER);
	if (!c->sack_ok || !c->rack_known)
		return false;
	reo_us = reo_wnd_us(c);
	for (uint32_t i = 0; i < c->run_cnt; i++) {
		uint32_t left_us = time_left_us(c, i, reo_us, now);
		lost[i] = left_us == 0;
		if (hf_tcp_in_flight(&c->run[i]) && left_us != UINT32_MAX)
			wait_us = HF_MAX(wait_us, left_us);
	}
	found = hf_tcp_sent_lost(c, lost);
	if (wait_us > 0)
		hf_tcp_arm(t, c, HF_TCP_DUE_REORDER, now + wait_us * HF_NS_US);
	return found;
}

/* RFC 8985 6.3: the first segment is lost, and what has been out for longer than it could need;
 * the rest may yet arrive. The second timeout in a row trusts no SACK either (RFC 2018 8). */
void hf_tcp_rack_timeout(struct hf_tcp_conn *c, hf_ns now)
{
	bool lost[HF_TCP_RUN_MAX];
	uint32_t due_us = c->rack_known ? c->rack_rtt_us + reo_wnd_us(c) : 0;
	for (uint32_t i = 0; i < c->run_cnt; i++)
		lost[i] = i == 0 || !c->sack_ok || hf_tcp_us(now) - c->run[i].at_us >= due_us;
	(void)hf_tcp_sent_lost(c, lost);
	if (c->rexmit_cnt > 0)
		hf_tcp_sent_reneged(c);
}

/* A DSACK says that something was sent again in vain: wait longer from now on, a step per round
 * trip; no longer so after 16 recoveries that went without. */
void hf_tcp_rack_dsack(struct hf_tcp_conn *c)
{
	if (c->dsack_waits && hf_seq_lt(c->snd_una, c->dsack_round))
		return;
	c->dsack_waits = true;
	c->dsack_round = c->snd_nxt;
	c->reo_mult = (uint8_t)HF_MIN(c->reo_mult + 1u, UINT8_MAX);
	c->reo_persist = REO_PERSIST;
}

void hf_tcp_rack_recovered(struct hf_tcp_conn *c)
{
	if (c->reo_persist > 0 && --c->reo_persist == 0)
		c->reo_mult = 0;
}

/* ---- the tail ---- */
static hf_ns two_round_trips(const struct hf_tcp_conn *c, hf_ns least)
{
	return HF_MAX(2 * c->info.srtt_ns, least);
}

/* What tells whether a probe would have come too soon, had it not waited for a delayed ACK. */
void hf_tcp_tail_lone_ack(struct hf_tcp_conn *c, hf_ns rtt)
{
	if (c->info.srtt_ns == 0 || c->ack_habit == HF_TCP_ACKS_LATE)
		return;
	c->ack_habit =
		rtt <= two_round_trips(c, PTO_LONE_MIN) ? HF_TCP_ACKS_AT_ONCE : HF_TCP_ACKS_LATE;
}

/* RFC 8985 7.2, with three differences. The time is counted from when the flight's end was sent and not from
 * the ACK that told of its other parts: that says nothing of the end being late. A lone segment,
 * whose ACK the peer may delay, waits until that is due, or for two round trips, whichever is longer, and
 * not for the sum: of two round trips one is slack, which on a long path covers the delay. And it does not wait
 * for a delayed ACK at all where the peer has shown that it sends them at once, as most do in a handshake. A
 * probe never comes later than the retransmission would. */
void hf_tcp_tail_arm(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now)
{
	hf_ns pto = c->info.srtt_ns ? two_round_trips(c, PTO_MIN) : PTO_UNKNOWN;
	uint32_t out = c->snd_nxt - c->snd_una;
	hf_tcp_disarm(c, HF_TCP_DUE_TAIL);
	if (!c->sack_ok || out == 0 || c->tail_out || hf_seq_lt(c->snd_una, c->recover) ||
		hf_tcp_sent_len(c, 0) != out)
		return;
	if (out <= c->info.mss)
		pto = HF_MAX(pto, c->ack_habit == HF_TCP_ACKS_AT_ONCE
					  ? PTO_LONE_MIN
					  : c->info.srtt_ns + PEER_ACK_DELAY);
	pto = HF_MAX(c->sent_at + pto, now + PTO_MIN);
	hf_tcp_arm(t, c, HF_TCP_DUE_TAIL, HF_MIN(pto, c->due[HF_TCP_DUE_REXMIT]));
}

/* RFC 8985 7.3 */
void hf_tcp_tail_sent(struct hf_tcp_conn *c, bool again)
{
	c->tail_now = false;
	c->tail_out = true;
	c->tail_again = again;
	c->tail_end = c->snd_nxt;
}

/* RFC 8985 7.4.2. True: the probe has repaired a loss, and the path had one. */
bool hf_tcp_tail_acked(struct hf_tcp_conn *c, uint32_t ack, bool dsack, bool plain_dup)
{
	bool repaired;
	if (!c->tail_out || hf_seq_lt(ack, c->tail_end))
		return false;
	if (c->tail_again && dsack) /* in vain */
		c->ack_habit = HF_TCP_ACKS_LATE;
	repaired = c->tail_again && !dsack && hf_seq_lt(c->tail_end, ack);
	if (!c->tail_again || dsack || repaired || plain_dup)
		c->tail_out = false;
	return repaired;
}
