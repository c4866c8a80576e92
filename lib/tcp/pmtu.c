/* pmtu.c -- how long a segment may be on the way to a peer. A router that cannot pass one on says so,
 * and how long it may be; it is believed when what it quotes is in flight, which only the path can
 * know. Routers that say nothing are found out by their silence: when a segment times out twice in a
 * row, shorter ones are tried. Whatever is learnt stays with its connection and only shortens.
 * RFC 1191, 5927 7.2, 4821 7.7. */
#include "lib/tcp/tcp_conn.h"

/* What to try when a router does not say what it wants, or nothing at all: tunnels, IPv6's least, what
 * every host takes (RFC 1191 7.1). */
static const uint16_t plateau[] = {1400, 1280, HF_TCP_MTU_MIN};

static uint32_t header_len(const struct hf_tcp_conn *c)
{
	return HF_IP4_HDR_LEN + HF_TCP_HDR_LEN + (c->ts_ok ? HF_TCP_STAMP_LEN : 0);
}

static uint32_t mtu_now(const struct hf_tcp_conn *c)
{
	return c->info.mss + header_len(c);
}

/* The next plateau below mtu, or mtu itself when it is the last. */
static uint32_t below(uint32_t mtu)
{
	for (size_t i = 0; i < HF_ARRAY_LEN(plateau); i++)
		if (plateau[i] < mtu)
			return plateau[i];
	return mtu;
}

static bool shorten(struct hf_tcp_conn *c, uint32_t mtu)
{
	if (mtu >= mtu_now(c))
		return false;
	c->info.mss = (uint16_t)(mtu - header_len(c));
	return true;
}

/* Not congestion: cwnd stays, and what was too long is sent again at once (RFC 1191 6.4). */
static void resend_from(struct hf_tcp *t, struct hf_tcp_conn *c, uint32_t seq, hf_ns now)
{
	bool lost[HF_TCP_RUN_MAX];
	for (uint32_t i = 0; i < c->run_cnt; i++)
		lost[i] = hf_seq_lt(seq, hf_tcp_run_end(c, i));
	(void)hf_tcp_sent_lost(c, lost);
	c->rexmit_now = true;
	hf_tcp_rexmit_update(t, c, now);
	if (hf_tcp_has_output(c))
		hf_tcp_want_out(t, c);
}

/* A claim below what every host must take is not believed to its full extent: whoever makes it could
 * otherwise have us send a byte at a time. */
bool hf_tcp_too_big(struct hf_tcp *t, const struct hf_packet *p, hf_ns now)
{
	struct hf_flow_key flow = hf_packet_flow(p);
	uint32_t value = hf_flow_find(&t->flows, hf_flow_hash(t->flow_hash_key, &flow), &flow), mtu;
	struct hf_tcp_conn *c = NULL;
	if (value != HF_FLOW_NONE && value >> HF_TCP_INDEX_BITS == HF_TCP_K_CONN)
		c = hf_pool_at(&t->conns, value & ((1u << HF_TCP_INDEX_BITS) - 1));
	if (!c || hf_seq_lt(p->seq, c->snd_una) || !hf_seq_lt(p->seq, c->snd_nxt)) {
		t->stats.pmtu_ignored++;
		return false;
	}
	mtu = p->mtu ? HF_MAX(p->mtu, HF_TCP_MTU_MIN) : below(mtu_now(c));
	if (!shorten(c, mtu)) {
		t->stats.pmtu_ignored++;
		return false;
	}
	t->stats.pmtu_shortened++;
	resend_from(t, c, p->seq, now);
	return true;
}

/* One step below what has timed out, full segment or not. Paths below IPv6's least are rare: only the
 * last attempts go there. */
void hf_tcp_pmtu_timeout(struct hf_tcp *t, struct hf_tcp_conn *c)
{
	uint32_t first_len = c->run_cnt > 0 ? hf_tcp_run_end(c, 0) - c->run[0].seq : 0;
	uint32_t len = HF_MIN(first_len, (uint32_t)c->info.mss) + header_len(c), mtu = below(len);
	if (c->rexmit_cnt % HF_TCP_BLACK_HOLE_TIMEOUTS != 0 || mtu == len)
		return;
	if (mtu == HF_TCP_MTU_MIN && c->rexmit_cnt < 3 * HF_TCP_BLACK_HOLE_TIMEOUTS)
		return;
	if (shorten(c, mtu))
		t->stats.pmtu_black_holes++;
}
