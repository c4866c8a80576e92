/* pmtu.c -- how long a segment may be on the way to a peer. A router that cannot pass one on says so,
 * and how long it may be; it is believed when what it quotes is in flight, which only the path can
 * know. Routers that say nothing are found out by their silence: when a segment times out twice in a
 * row, shorter ones are tried. Whatever is learnt stays with its connection and only shortens.
 * RFC 1191, 8201, 5927 7.2, 4821 7.7. */
#include "lib/tcp/tcp_conn.h"

/* What to try when a router does not say what it wants, or nothing at all: tunnels, IPv6's least, what
 * every host takes (RFC 1191 7.1). */
static const uint16_t plateau[] = {1400, HF_IP6_MTU_MIN, HF_TCP_MTU_MIN};

uint16_t hf_tcp_mss(const struct hf_tcp *t, uint32_t port, const struct hf_addr *peer)
{
	return (uint16_t)(t->side[port].host->mtu - hf_wire_ip_len(peer) - HF_TCP_HDR_LEN);
}

static uint32_t header_len(const struct hf_tcp_conn *c)
{
	return hf_wire_ip_len(&c->info.peer) + HF_TCP_HDR_LEN + (c->ts_ok ? HF_TCP_STAMP_LEN : 0);
}

static uint32_t mtu_now(const struct hf_tcp_conn *c)
{
	return c->info.mss + header_len(c);
}

/* What every path of this family carries. */
static uint32_t mtu_min(const struct hf_tcp_conn *c)
{
	return hf_addr_is_v4(&c->info.peer) ? HF_TCP_MTU_MIN : HF_IP6_MTU_MIN;
}

/* The next plateau below mtu, or mtu itself when it is the last. */
static uint32_t below(const struct hf_tcp_conn *c, uint32_t mtu)
{
	for (size_t i = 0; i < HF_ARRAY_LEN(plateau); i++)
		if (plateau[i] < mtu && plateau[i] >= mtu_min(c))
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

/* The connection that has the quoted segment in flight, or NULL. */
static struct hf_tcp_conn *quoted(const struct hf_tcp *t, const struct hf_packet *p)
{
	struct hf_flow_key flow = hf_packet_flow(p);
	uint32_t value = hf_flow_find(&t->flows, hf_flow_hash(t->flow_hash_key, &flow), &flow);
	struct hf_tcp_conn *c;
	if (value == HF_FLOW_NONE || value >> HF_TCP_INDEX_BITS != HF_TCP_K_CONN)
		return NULL;
	c = hf_pool_at(&t->conns, value & ((1u << HF_TCP_INDEX_BITS) - 1));
	return hf_seq_lt(p->seq, c->snd_una) || !hf_seq_lt(p->seq, c->snd_nxt) ? NULL : c;
}

/* What is asked for; 0: it is not to be believed. Of IPv4 a claim below what every host must take is
 * not believed to its full extent: whoever makes it could otherwise have us send a byte at a time. Of
 * IPv6 such a claim is discarded (RFC 8201 4). */
static uint32_t asked_for(const struct hf_tcp_conn *c, uint32_t mtu)
{
	if (!hf_addr_is_v4(&c->info.peer))
		return mtu >= HF_IP6_MTU_MIN ? mtu : 0;
	return mtu ? HF_MAX(mtu, HF_TCP_MTU_MIN) : below(c, mtu_now(c));
}

bool hf_tcp_too_big(struct hf_tcp *t, const struct hf_packet *p, hf_ns now)
{
	struct hf_tcp_conn *c = quoted(t, p);
	uint32_t mtu = c ? asked_for(c, p->mtu) : 0;
	if (mtu == 0 || !shorten(c, mtu)) {
		t->stats.pmtu_ignored++;
		return false;
	}
	t->stats.pmtu_shortened++;
	resend_from(t, c, p->seq, now);
	return true;
}

/* Routes come back, and who forges these wants connections to end: hard errors, too, are only noted
 * (RFC 5927 4.2; 9293 3.9.2.2). A path that stays broken ends in a timeout. */
bool hf_tcp_icmp_error(struct hf_tcp *t, const struct hf_packet *p)
{
	if (quoted(t, p)) {
		t->stats.icmp_soft++;
		return true;
	}
	t->stats.icmp_ignored++;
	return false;
}

/* One step below what has timed out, full segment or not. Paths below IPv6's least are rare: only the
 * last attempts go there. */
void hf_tcp_pmtu_timeout(struct hf_tcp *t, struct hf_tcp_conn *c)
{
	uint32_t first_len = c->run_cnt > 0 ? hf_tcp_run_end(c, 0) - c->run[0].seq : 0;
	uint32_t len = HF_MIN(first_len, (uint32_t)c->info.mss) + header_len(c),
		 mtu = below(c, len);
	if (c->rexmit_cnt % HF_TCP_BLACK_HOLE_TIMEOUTS != 0 || mtu == len)
		return;
	if (mtu == HF_TCP_MTU_MIN && c->rexmit_cnt < 3 * HF_TCP_BLACK_HOLE_TIMEOUTS)
		return;
	if (shorten(c, mtu))
		t->stats.pmtu_black_holes++;
}
