/* tcp_input.c -- SEGMENT ARRIVES. The flow table says who is meant: nobody yet (half.c: LISTEN and
 * CLOSED), a half-open or a TIME_WAIT entry, or a connection. A connection's segment is then held
 * against the checks of RFC 9293 3.10.7.4 in the order in which they stand there, with what
 * RFC 5961 made stricter; each check either lets it pass or is its outcome. */
#include "lib/tcp/tcp_conn.h"

#define GO_ON HF_TCP_OUTCOME_CNT /* not an outcome: the next check */

/* So many in a second, and each second another number: who counts what he provokes on a connection
 * of his own could else tell whether a guess about another's was answered (CVE-2016-5696). */
static bool take(struct hf_tcp *t, struct hf_tcp_budget *b, uint32_t mean, hf_ns now)
{
	if (now >= b->until) {
		b->until = now + HF_NS_S;
		b->left = mean / 2 + hf_rand_below(t->rand, mean);
	}
	if (b->left == 0)
		return false;
	b->left--;
	return true;
}

bool hf_tcp_may_challenge(struct hf_tcp *t, hf_ns now)
{
	bool may = take(t, &t->challenge, HF_TCP_CHALLENGES_PER_S, now);
	t->stats.challenges += may;
	t->stats.challenges_held += !may;
	return may;
}

bool hf_tcp_may_reset(struct hf_tcp *t, hf_ns now)
{
	bool may = take(t, &t->reset, HF_TCP_RESETS_PER_S, now);
	t->stats.resets_held += !may;
	return may;
}

/* RFC 5961 7: answers that a stranger can provoke are rare. */
void hf_tcp_challenge(struct hf_tcp_in *in, struct hf_tcp_conn *c)
{
	struct hf_tcp *t = in->t;
	if (in->now < c->challenge_next) {
		t->stats.challenges_held++;
		return;
	}
	if (!hf_tcp_may_challenge(t, in->now))
		return;
	c->challenge_next = in->now + HF_TCP_CHALLENGE_GAP;
	hf_tcp_ack_now(t, c);
}

/* First. What lies wholly before rcv_nxt or begins beyond the window is not accepted, but answered,
 * so that both sides agree again. A segment that begins exactly at the right edge passes: its text
 * will be cut, its ACK counts ("special allowance"). */
static enum hf_tcp_outcome check_sequence(struct hf_tcp_in *in, struct hf_tcp_conn *c)
{
	uint32_t len = (uint32_t)in->payload.len + in->fin, end = in->seq + len;
	bool old = hf_seq_lt(end, c->rcv_nxt) || (len > 0 && end == c->rcv_nxt);
	uint32_t edge = hf_seq_max(c->rcv_edge, c->rcv_nxt);
	if (!old && hf_seq_le(in->seq, edge))
		return GO_ON;
	if (in->p->tcp_flags & HF_TCP_RST)
		return HF_TCP_O_RST_OUTSIDE;
	if (len > 0)
		hf_tcp_ack_now(in->t, c);
	else
		hf_tcp_challenge(in, c);
	return old ? HF_TCP_O_OLD : HF_TCP_O_OUTSIDE;
}

/* Before that, PAWS (RFC 7323 5.3); behind it, what we will echo. */
static enum hf_tcp_outcome check_stamps(struct hf_tcp_in *in, struct hf_tcp_conn *c)
{
	enum hf_tcp_outcome o = hf_tcp_stamp_check(in, c);
	if (o == GO_ON)
		o = check_sequence(in, c);
	if (o == GO_ON)
		hf_tcp_stamp_take(in, c);
	return o;
}

/* Second. RFC 5961 3.2: only the exact number resets. (Third, security, is nobody's any more.) */
static enum hf_tcp_outcome check_rst(struct hf_tcp_in *in, struct hf_tcp_conn *c)
{
	if (!(in->p->tcp_flags & HF_TCP_RST))
		return GO_ON;
	if (in->seq != c->rcv_nxt) {
		hf_tcp_challenge(in, c);
		return HF_TCP_O_RST_INEXACT;
	}
	hf_tcp_conn_end(in->t, c, HF_TCP_END_PEER_RST, in->now);
	return HF_TCP_O_RST;
}

/* Fourth. RFC 5961 4.2: a peer that restarted answers the challenge with an exact reset. */
static enum hf_tcp_outcome check_syn(struct hf_tcp_in *in, struct hf_tcp_conn *c)
{
	if (!(in->p->tcp_flags & HF_TCP_SYN))
		return GO_ON;
	hf_tcp_challenge(in, c);
	return HF_TCP_O_SYN_INSIDE;
}

/* RFC 5681 2: what makes an ACK a duplicate that counts. */
static bool is_duplicate(const struct hf_tcp_in *in, const struct hf_tcp_conn *c)
{
	return in->p->ack == c->snd_una && c->snd_nxt != c->snd_una && in->payload.len == 0 &&
	       !in->fin && (uint32_t)in->p->window << c->snd_scale == c->snd_wnd;
}

/* The peer has everything up to our FIN, that included. */
static void fin_acked(struct hf_tcp_in *in, struct hf_tcp_conn *c)
{
	struct hf_tcp *t = in->t;
	switch (hf_tcp_state_move(c, HF_TCP_M_FIN_ACKED)) {
	case HF_TCP_S_FIN_WAIT_2:
		hf_tcp_arm(t, c, HF_TCP_DUE_LIFE, in->now + t->cfg.close_ns);
		break;
	case HF_TCP_S_TIME_WAIT:
		hf_tcp_conn_wait(t, c, in->now);
		break;
	default: /* it closed first and was the last to be acknowledged */
		hf_tcp_conn_end(t, c, HF_TCP_END_FIN, in->now);
		break;
	}
}

/* snd_una moves. A partial ACK within fast recovery restarts the timer only the first time, so that
 * many holes end in a timeout rather than in one round trip each (RFC 6582 4, "impatient"). */
static void advance(struct hf_tcp_in *in, struct hf_tcp_conn *c)
{
	struct hf_tcp *t = in->t;
	uint32_t len = in->p->ack - c->snd_una;
	uint32_t text_len = (uint32_t)HF_MIN((size_t)len, c->snd.len);
	bool partial_before = !c->sack_ok && c->recovering && c->partial_seen;
	hf_ns rtt = hf_tcp_sent_acked(t, c, in->p->ack, in->now);
	if (rtt != HF_NS_NEVER && len <= c->info.mss && in->payload.len == 0)
		hf_tcp_tail_lone_ack(c, rtt);
	if (rtt == HF_NS_NEVER) /* the echo tells which of two it was (RFC 7323 4.1) */
		rtt = hf_tcp_stamp_rtt(in, c);
	if (rtt != HF_NS_NEVER && hf_seq_lt(c->rtt_seq, in->p->ack)) {
		hf_tcp_rtt_sample(c, rtt);
		c->rtt_seq = c->snd_nxt;
	}
	if (c->rexmit_cnt > 0)
		hf_tcp_rtt_progress(c, in->now);
	hf_chain_drop_sent(t->bufs, &c->snd, &c->snd_cursor, text_len);
	c->snd_una = in->p->ack;
	c->snd_nxt = hf_seq_max(c->snd_nxt, c->snd_una);
	c->rexmit_cnt = 0;
	c->persisting = false;
	c->info.bytes_out += text_len;
	t->stats.bytes_out += text_len;
	c->tail_now = false;
	c->rexmit_now = hf_tcp_cong_acked(c, len, in->now);
	if (c->rexmit_now)
		hf_tcp_sent_head_lost(t, c);
	c->partial_seen = c->recovering;
	if (!partial_before || !c->recovering)
		hf_tcp_disarm(
			c, HF_TCP_DUE_REXMIT); /* armed anew by the caller, RFC 6298 5.2, 5.3 */
	if (text_len > 0)
		hf_tcp_tell(t, c, HF_TCP_EV_WRITABLE);
	if (len > text_len)
		fin_acked(in, c);
}

/* An ACK of something new was written after all before it, whatever its sequence number: a segment
 * sent again carries the newest window, too. To go by SND.WL1 alone, as 3.10.7.4 has it, would move
 * the right edge along with snd_una, beyond what the peer ever offered. */
static void update_window(struct hf_tcp_in *in, struct hf_tcp_conn *c, bool acked_new)
{
	const struct hf_packet *p = in->p;
	if (!acked_new && !hf_seq_lt(c->snd_wl1, p->seq) &&
		!(c->snd_wl1 == p->seq && hf_seq_le(c->snd_wl2, p->ack)))
		return;
	c->snd_wnd = (uint32_t)p->window << c->snd_scale;
	c->snd_wnd_max = HF_MAX(c->snd_wnd_max, c->snd_wnd);
	c->snd_wl1 = hf_seq_max(c->snd_wl1, p->seq);
	c->snd_wl2 = p->ack;
}

/* RFC 2883 4: the first block lies below the ACK, or within the second. */
static bool is_dsack(const struct hf_tcpopt *o, uint32_t ack)
{
	if (o->sack_cnt == 0)
		return false;
	if (hf_seq_le(o->sack[0].right, ack))
		return true;
	return o->sack_cnt > 1 && hf_seq_le(o->sack[1].left, o->sack[0].left) &&
	       hf_seq_le(o->sack[0].right, o->sack[1].right);
}

/* The newest block comes first (RFC 2018 4). Taken in that order, two that are news in one ACK would look as if
 * the newer had overtaken the older. */
static void sort_blocks(struct hf_tcpopt *o, uint32_t from)
{
	for (uint32_t i = from + 1; i < o->sack_cnt; i++)
		for (uint32_t k = i; k > from && hf_seq_lt(o->sack[k].left, o->sack[k - 1].left);
			k--) {
			uint32_t left = o->sack[k].left, right = o->sack[k].right;
			o->sack[k] = o->sack[k - 1];
			o->sack[k - 1].left = left;
			o->sack[k - 1].right = right;
		}
}

/* RFC 6675 5, 8985 6 and 7: what arrived, what that tells of the rest, and of a probe. */
static void hear_of_sent(struct hf_tcp_in *in, struct hf_tcp_conn *c)
{
	struct hf_tcp *t = in->t;
	uint32_t ack = in->p->ack;
	bool dsack = is_dsack(&in->opt, ack), plain_dup, news = false;
	plain_dup = in->opt.sack_cnt == 0 && is_duplicate(in, c);
	sort_blocks(&in->opt, dsack);
	for (uint32_t i = dsack; i < in->opt.sack_cnt; i++)
		news |= hf_tcp_sent_sacked(
			t, c, in->opt.sack[i].left, in->opt.sack[i].right, in->now);
	if (news) /* tcp.c, queue_max */
		hf_tcp_tell(t, c, HF_TCP_EV_WRITABLE);
	if (dsack) {
		t->stats.dsacks_in++;
		hf_tcp_rack_dsack(c);
	}
	if (hf_tcp_tail_acked(c, ack, dsack, plain_dup))
		hf_tcp_cong_tail(c);
	if (hf_tcp_rack_look(t, c, in->now))
		hf_tcp_recover(t, c, in->now);
}

/* Fifth. */
static enum hf_tcp_outcome check_ack(struct hf_tcp_in *in, struct hf_tcp_conn *c)
{
	struct hf_tcp *t = in->t;
	uint32_t ack = in->p->ack;
	bool acked_new = hf_seq_lt(c->snd_una, ack);
	if (!(in->p->tcp_flags & HF_TCP_ACK))
		return HF_TCP_O_ACK_MISSING;
	if (hf_seq_lt(c->snd_max, ack) || hf_seq_lt(ack, c->snd_una - c->snd_wnd_max)) {
		hf_tcp_challenge(in, c); /* RFC 5961 5.2 */
		return HF_TCP_O_ACK_OUTSIDE;
	}
	if (in->port == c->info.port)
		memcpy(c->mac, in->p->eth_src, sizeof(c->mac));
	hf_tcp_heard(t, c, in->now);
	if (acked_new) {
		advance(in, c);
	} else if (!c->sack_ok && is_duplicate(in, c) && hf_tcp_cong_dup(c)) {
		hf_tcp_sent_head_lost(t, c);
		hf_tcp_recover(t, c, in->now);
	}
	if (c->state == HF_TCP_S_CLOSED)
		return HF_TCP_O_ACK;
	if (c->sack_ok)
		hear_of_sent(in, c);
	if (!hf_seq_lt(ack, c->snd_una))
		update_window(in, c, acked_new);
	if (hf_tcp_has_output(c))
		hf_tcp_want_out(t, c);
	hf_tcp_rexmit_update(t, c, in->now);
	if (acked_new)
		hf_tcp_tail_arm(t, c, in->now);
	return GO_ON;
}

/* Sixth, urgent data, is read like any other. Seventh and eighth are in rcv.c. */
enum hf_tcp_outcome hf_tcp_conn_input(struct hf_tcp_in *in, struct hf_tcp_conn *c)
{
	static enum hf_tcp_outcome (*const step[])(struct hf_tcp_in *, struct hf_tcp_conn *) = {
		check_stamps, check_rst, check_syn, check_ack, hf_tcp_rcv_text};
	enum hf_tcp_outcome o = GO_ON;
	for (unsigned i = 0; i < HF_ARRAY_LEN(step) && o == GO_ON; i++)
		o = step[i](in, c);
	return o;
}

/* What no peer of ours would send: from the address that it goes to, a port 0, a SYN that ends. */
static enum hf_tcp_outcome check_sense(const struct hf_packet *p)
{
	if (hf_addr_eq(&p->src, &p->dst))
		return HF_TCP_O_LAND;
	if (p->sport == 0 || p->dport == 0)
		return HF_TCP_O_PORT_ZERO;
	if (p->tcp_flags & HF_TCP_SYN && p->tcp_flags & (HF_TCP_FIN | HF_TCP_RST))
		return HF_TCP_O_FLAGS;
	return GO_ON;
}

static enum hf_tcp_outcome dispatch(struct hf_tcp_in *in)
{
	struct hf_tcp *t = in->t;
	enum hf_tcp_outcome o = check_sense(in->p);
	uint32_t value, i;
	if (o != GO_ON)
		return o;
	value = hf_flow_find(&t->flows, in->hash, &in->flow);
	i = value & ((1u << HF_TCP_INDEX_BITS) - 1);
	if (value == HF_FLOW_NONE)
		return hf_tcp_listen_input(in, NULL);
	switch ((enum hf_tcp_kind)(value >> HF_TCP_INDEX_BITS)) {
	case HF_TCP_K_HALF:
		return hf_tcp_half_input(in, hf_pool_at(&t->halves, i));
	case HF_TCP_K_WAIT:
		return hf_tcp_wait_input(in, i);
	case HF_TCP_K_CONN:
	default:
		in->conn = i;
		return hf_tcp_conn_input(in, hf_pool_at(&t->conns, i));
	}
}

void hf_tcp_ahead(const struct hf_tcp *t, struct hf_packet *p)
{
	const struct hf_flow_key k = hf_packet_flow(p);
	p->flow_hash = hf_flow_hash(t->flow_hash_key, &k);
	hf_flow_prefetch(&t->flows, p->flow_hash);
	if (t->guard && (p->tcp_flags & (HF_TCP_SYN | HF_TCP_ACK)) == HF_TCP_SYN)
		hf_guard_ahead(t->guard, &p->src, hf_tcp_syn_id(p->flow_hash, p->seq));
}

enum hf_tcp_outcome hf_tcp_input(
	struct hf_tcp *t, uint32_t port, const struct hf_packet *p, hf_ns now)
{
	struct hf_tcp_in in = {.t = t,
		.p = p,
		.port = port,
		.now = now,
		.conn = UINT32_MAX,
		.flow = hf_packet_flow(p),
		.seq = p->seq,
		.payload = p->payload,
		.fin = p->tcp_flags & HF_TCP_FIN};
	enum hf_tcp_outcome o;
	in.hash = p->flow_hash ? p->flow_hash : hf_flow_hash(t->flow_hash_key, &in.flow);
	hf_tcpopt_parse(p->options, &in.opt);
	HF_ASSERT(port < HF_TCP_PORT_MAX && t->side[port].host != NULL);
	o = dispatch(&in);
	t->stats.segments_in++;
	t->stats.bad_options += in.opt.malformed;
	t->stats.outcome[o]++;
	hf_trace(t->trace, now, in.conn, HF_TRACE_SEG_IN, (unsigned)o << 8 | p->tcp_flags, p->seq,
		p->payload.len);
	return o;
}
