/* stamp.c -- timestamps: a clock of milliseconds on each segment, shifted by a secret of the flow so
 * that it tells nothing about others, and the peer's latest one sent back. They keep old segments of
 * a sequence space that has wrapped away (PAWS), and measure round trips over retransmissions, too.
 * Whether both ends use them is told by the third ACK: a SYN-ACK repeated by the clock goes without,
 * because a half-open entry has no room for what it should echo, and a peer that never saw the first
 * one will go on without. RFC 7323. */
#include "lib/tcp/tcp_conn.h"

#define CLOCK HF_NS_MS                         /* RFC 7323 5.4: 1 ms to 1 s a tick */
#define RECENT_LIFE (24 * 24 * 3600 * HF_NS_S) /* RFC 7323 5.5: half a turn of the peer's clock */

uint32_t hf_tcp_stamp_off(const struct hf_tcp_in *in)
{
	return (uint32_t)(in->hash >> 32);
}

uint32_t hf_tcp_stamp(uint32_t off, hf_ns now)
{
	return off + (uint32_t)(now / CLOCK);
}

void hf_tcp_stamp_answer(const struct hf_tcp_in *in, struct hf_tcp_seg *s)
{
	if (!in->opt.has_timestamps)
		return;
	s->ts_ok = true;
	s->ts_val = hf_tcp_stamp(hf_tcp_stamp_off(in), in->now);
	s->ts_ecr = in->opt.ts_val;
}

void hf_tcp_stamp_open(struct hf_tcp_in *in, struct hf_tcp_conn *c)
{
	c->ts_ok = true;
	c->ts_off = hf_tcp_stamp_off(in);
	c->ts_recent = in->opt.ts_val;
	c->ts_recent_at = in->now;
	c->last_ack_sent = c->rcv_nxt;
	/* a segment's options take from its payload (RFC 9293 3.7.1) */
	c->info.mss = (uint16_t)(c->info.mss - HF_TCP_STAMP_LEN);
}

/* RFC 7323 3.2 and 5.3, R1. Resets are judged by their sequence number alone. */
enum hf_tcp_outcome hf_tcp_stamp_check(struct hf_tcp_in *in, struct hf_tcp_conn *c)
{
	if (!c->ts_ok || in->p->tcp_flags & HF_TCP_RST)
		return HF_TCP_OUTCOME_CNT;
	if (!in->opt.has_timestamps)
		return HF_TCP_O_TS_MISSING;
	if (!hf_seq_lt(in->opt.ts_val, c->ts_recent) || in->now - c->ts_recent_at > RECENT_LIFE)
		return HF_TCP_OUTCOME_CNT;
	if (in->payload.len > 0 || in->fin)
		hf_tcp_ack_now(in->t, c);
	else /* two ends that hold each other's ACKs for old must not answer each without end */
		hf_tcp_challenge(in, c);
	return HF_TCP_O_PAWS;
}

/* RFC 7323 4.3 (2): the earliest segment that the next ACK will answer. */
void hf_tcp_stamp_take(const struct hf_tcp_in *in, struct hf_tcp_conn *c)
{
	if (!c->ts_ok || !in->opt.has_timestamps || !hf_seq_le(in->seq, c->last_ack_sent))
		return;
	c->ts_recent = in->opt.ts_val;
	c->ts_recent_at = in->now;
}

hf_ns hf_tcp_stamp_rtt(const struct hf_tcp_in *in, const struct hf_tcp_conn *c)
{
	uint32_t ms = hf_tcp_stamp(c->ts_off, in->now) - in->opt.ts_ecr;
	if (!c->ts_ok || !in->opt.has_timestamps || ms > HF_TCP_RTO_MAX / CLOCK)
		return HF_NS_NEVER;
	return ms * CLOCK;
}
