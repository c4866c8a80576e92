/* rcv.c -- bytes in. What continues rcv_nxt goes into the user's chain; what comes early waits in
 * chunks sorted by sequence number, each a run without holes, and follows as soon as the gap before
 * it is filled. The window we offer is what the user may still be given, cut to our share of the
 * chunk pool; a right edge once promised stays. Bytes within a promise for which there is no chunk
 * after all are dropped without a word, and the peer sends them again. */
#include "lib/base/secret.h"
#include "lib/tcp/tcp_conn.h"

#define OOO_POOL_RESERVE 8u /* early bytes leave this part (1/8) of the pool to those in order */

/* ---- out of order ---- */
static uint32_t chunk_seq(const struct hf_chunk *k)
{
	return k->spare;
}

static uint32_t chunk_end(const struct hf_chunk *k)
{
	return k->spare + k->len;
}

static void chunk_give(struct hf_tcp *t, struct hf_chunk *k)
{
	hf_wipe(k->data, (size_t)k->off + k->len);
	hf_pool_give(&t->bufs->chunk, k);
}

static void ooo_count(struct hf_tcp *t, struct hf_tcp_conn *c, int by)
{
	c->ooo_cnt = (uint8_t)(c->ooo_cnt + by);
	t->stats.ooo_chunks += (uint64_t)(int64_t)by;
}

static struct hf_chunk *ooo_pop(struct hf_tcp *t, struct hf_tcp_conn *c)
{
	struct hf_chunk *k = c->ooo_head;
	c->ooo_head = k->next;
	if (!c->ooo_head)
		c->ooo_tail = NULL;
	ooo_count(t, c, -1);
	return k;
}

void hf_tcp_ooo_clear(struct hf_tcp *t, struct hf_tcp_conn *c)
{
	while (c->ooo_head)
		chunk_give(t, ooo_pop(t, c));
}

/* A new empty run behind prev (NULL: before all), or NULL: bound or pool exhausted. */
static struct hf_chunk *ooo_insert(
	struct hf_tcp *t, struct hf_tcp_conn *c, struct hf_chunk *prev, uint32_t seq)
{
	struct hf_pool *pool = &t->bufs->chunk;
	struct hf_chunk *k;
	if (c->ooo_cnt == t->ooo_max || pool->cnt - pool->used <= pool->cnt / OOO_POOL_RESERVE)
		return NULL;
	k = hf_pool_take(pool);
	HF_ASSERT(k); /* there was more than the reserve */
	k->off = k->len = 0;
	k->spare = seq;
	k->next = prev ? prev->next : c->ooo_head;
	if (prev)
		prev->next = k;
	else
		c->ooo_head = k;
	if (!k->next)
		c->ooo_tail = k;
	ooo_count(t, c, 1);
	return k;
}

/* Appends to a run what fits into its chunk. */
static uint32_t ooo_fill(struct hf_chunk *k, const uint8_t *p, size_t len)
{
	uint32_t n = (uint32_t)HF_MIN(len, HF_CHUNK_DATA - (size_t)k->len);
	memcpy(k->data + k->len, p, n);
	k->len = (uint16_t)(k->len + n);
	return n;
}

/* The last run that begins at or before seq; usually that is the last one. */
static struct hf_chunk *ooo_before(const struct hf_tcp_conn *c, uint32_t seq)
{
	struct hf_chunk *prev = NULL;
	if (c->ooo_tail && hf_seq_le(chunk_seq(c->ooo_tail), seq))
		return c->ooo_tail;
	for (struct hf_chunk *k = c->ooo_head; k && hf_seq_le(chunk_seq(k), seq); k = k->next)
		prev = k;
	return prev;
}

/* Keeps what is new of [seq, seq + len). False when some of it found no room. */
static bool ooo_store(
	struct hf_tcp *t, struct hf_tcp_conn *c, uint32_t seq, const uint8_t *p, size_t len)
{
	struct hf_chunk *prev = ooo_before(c, seq), *next;
	uint32_t known_len = 0;
	size_t whole_len = len;
	while (len > 0) {
		uint32_t n;
		size_t gap;
		next = prev ? prev->next : c->ooo_head;
		gap = next ? HF_MIN(len, (size_t)(chunk_seq(next) - seq)) : len;
		if (gap == 0) {
			prev = next;
			continue;
		}
		if (prev && hf_seq_lt(seq, chunk_end(prev))) /* we have these bytes */
			known_len += n = (uint32_t)HF_MIN(len, (size_t)(chunk_end(prev) - seq));
		else if (prev && seq == chunk_end(prev) && prev->len < HF_CHUNK_DATA)
			n = ooo_fill(prev, p, gap);
		else if ((prev = ooo_insert(t, c, prev, seq)))
			n = ooo_fill(prev, p, gap);
		else
			return false;
		seq += n;
		p += n;
		len -= n;
	}
	t->stats.overlaps += known_len > 0 && known_len < whole_len;
	return true;
}

/* RFC 2018 8 allows to drop what was only SACKed: bytes in order come first. */
static bool ooo_renege(struct hf_tcp *t, struct hf_tcp_conn *c)
{
	struct hf_chunk *last = c->ooo_tail, *prev = NULL;
	if (!last)
		return false;
	for (struct hf_chunk *k = c->ooo_head; k != last; k = k->next)
		prev = k;
	if (prev)
		prev->next = NULL;
	else
		c->ooo_head = NULL;
	c->ooo_tail = prev;
	ooo_count(t, c, -1);
	t->stats.ooo_reneged++;
	chunk_give(t, last);
	return true;
}

uint32_t hf_tcp_sack_blocks(const struct hf_tcp_conn *c, uint32_t (*block)[2], uint32_t max)
{
	uint32_t cnt = 1; /* [0] is for the run of the latest segment, RFC 2018 4 */
	bool latest_found = false;
	for (const struct hf_chunk *k = c->ooo_head; k;) {
		uint32_t left = chunk_seq(k), right = chunk_end(k);
		for (k = k->next; k && chunk_seq(k) == right; k = k->next)
			right = chunk_end(k);
		if (c->ooo_last - left < right - left) {
			block[0][0] = left;
			block[0][1] = right;
			latest_found = true;
		} else if (cnt < max) {
			block[cnt][0] = left;
			block[cnt++][1] = right;
		}
	}
	if (latest_found)
		return cnt;
	cnt--;
	memcpy(block[0], block[cnt], sizeof(block[0]));
	return cnt;
}

/* ---- in order ---- */
static void advance(struct hf_tcp *t, struct hf_tcp_conn *c, uint32_t len)
{
	c->rcv_nxt += len;
	c->rcv_held += len;
	c->info.bytes_in += len;
	t->stats.bytes_in += len;
}

static uint32_t append(struct hf_tcp *t, struct hf_tcp_conn *c, const uint8_t *p, size_t len)
{
	size_t n = hf_chain_append(t->bufs, &c->rcv, p, len);
	while (n < len && ooo_renege(t, c))
		n += hf_chain_append(t->bufs, &c->rcv, p + n, len - n);
	advance(t, c, (uint32_t)n);
	return (uint32_t)n;
}

/* A run that fits behind the last chunk of the chain is copied there, so that two neighbours in a
 * chain always hold more than one chunk's worth: dribbled bytes cannot blow the chain up. */
static void join_run(struct hf_tcp *t, struct hf_tcp_conn *c, struct hf_chunk *k)
{
	struct hf_chunk *tail = c->rcv.tail;
	struct hf_chain run = {k, k, k->len};
	advance(t, c, k->len);
	if (tail && k->len <= HF_CHUNK_DATA - tail->off - tail->len) {
		size_t n = hf_chain_append(t->bufs, &c->rcv, k->data + k->off, k->len);
		HF_ASSERT(n == k->len);
		chunk_give(t, k);
		return;
	}
	k->next = NULL;
	hf_chain_join(&c->rcv, &run);
}

/* Runs that the stream has reached follow it. */
static void absorb(struct hf_tcp *t, struct hf_tcp_conn *c)
{
	while (c->ooo_head && hf_seq_le(chunk_seq(c->ooo_head), c->rcv_nxt)) {
		struct hf_chunk *k = ooo_pop(t, c);
		uint32_t known = c->rcv_nxt - chunk_seq(k);
		t->stats.overlaps += known > 0;
		if (known >= k->len) {
			chunk_give(t, k);
			continue;
		}
		k->off = (uint16_t)(k->off + known);
		k->len = (uint16_t)(k->len - known);
		join_run(t, c, k);
	}
}

/* ---- acknowledging ---- */
void hf_tcp_ack_now(struct hf_tcp *t, struct hf_tcp_conn *c)
{
	c->ack_now = true;
	c->ack_quick = false;
	hf_tcp_want_out(t, c);
}

void hf_tcp_ack_later(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns until)
{
	if (c->ack_later)
		return;
	c->ack_later = true;
	hf_tcp_arm(t, c, HF_TCP_DUE_ACK, until);
}

/* RFC 5681 4.2: at once while there is or was a gap, and at least every second segment. At once,
 * too, as long as little has come: a handshake is never made to wait. */
static void ack_text(struct hf_tcp *t, struct hf_tcp_conn *c, bool gap, hf_ns now)
{
	c->unacked_cnt++;
	if (gap || c->unacked_cnt >= HF_TCP_ACK_EVERY) {
		hf_tcp_ack_now(t, c);
	} else if (c->info.bytes_in > HF_TCP_QUICK_LEN) {
		hf_tcp_ack_later(t, c, now + HF_TCP_ACK_DELAY);
	} else if (!c->ack_now) {
		hf_tcp_ack_now(t, c);
		c->ack_quick = true;
	}
}

/* One for each early segment (RFC 5681 3.2), so that the peer counts to three. */
static void owe_dup(struct hf_tcp *t, struct hf_tcp_conn *c)
{
	c->dup_owed = (uint8_t)HF_MIN(c->dup_owed + 1, UINT8_MAX);
	hf_tcp_want_out(t, c);
}

/* ---- the window ---- */
/* The widest window that this connection can be offered (RFC 7323 2.3). */
static uint32_t window_max(const struct hf_tcp *t, const struct hf_tcp_conn *c)
{
	return HF_MIN(t->cfg.rcv_wnd_max, (uint32_t)UINT16_MAX << c->rcv_scale);
}

/* What the user could be given beyond rcv_nxt; share: cut to our part of the chunk pool. */
static uint32_t window_room(const struct hf_tcp *t, const struct hf_tcp_conn *c, bool share)
{
	uint32_t max = window_max(t, c);
	if (share)
		max = HF_MIN(max, hf_tcp_share(t));
	return max > c->rcv_held ? max - c->rcv_held : 0;
}

/* How much further the edge must go to be worth telling (RFC 9293 3.8.6.2.2); what the scaled field
 * cannot say is not. */
static uint32_t worth(const struct hf_tcp *t, const struct hf_tcp_conn *c)
{
	uint32_t mss = hf_tcp_mss(t, c->info.port, &c->info.peer);
	return HF_MAX(HF_MIN(2 * mss, t->cfg.rcv_wnd_max / 2), 1u << c->rcv_scale);
}

static bool edge_moves(const struct hf_tcp *t, const struct hf_tcp_conn *c, bool share)
{
	uint32_t edge = c->rcv_nxt + window_room(t, c, share);
	return !hf_seq_lt(edge, c->rcv_edge + worth(t, c));
}

uint32_t hf_tcp_rcv_offer(const struct hf_tcp *t, const struct hf_tcp_conn *c)
{
	if (edge_moves(t, c, true))
		return c->rcv_nxt + window_room(t, c, true);
	return hf_seq_max(c->rcv_edge, c->rcv_nxt); /* behind a FIN rcv_nxt may be one further */
}

/* An update is only sent to a peer that may soon have to wait for it. The window of a SYN-ACK, which cannot be
 * scaled (RFC 7323 2.2), may be less than half, but is enough for a handshake, whose answer tells the whole. */
void hf_tcp_rcv_look(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now)
{
	uint32_t left = c->rcv_edge - c->rcv_nxt;
	bool begins = c->info.bytes_in <= HF_TCP_QUICK_LEN && left >= HF_TCP_QUICK_LEN;
	if (c->info.eof || begins || left >= window_max(t, c) / 2)
		return;
	if (edge_moves(t, c, true))
		hf_tcp_ack_now(t, c);
	else if (edge_moves(t, c, false) && c->due[HF_TCP_DUE_ACK] == HF_NS_NEVER)
		hf_tcp_arm(t, c, HF_TCP_DUE_ACK, now + HF_TCP_STARVED_CHECK);
}

/* ---- a segment's text and FIN ---- */
/* Cuts the segment to what is new and in the window. Returns whether anything was cut behind. */
static bool trim(struct hf_tcp_in *in, const struct hf_tcp_conn *c)
{
	struct hf_span *s = &in->payload;
	uint32_t edge = c->fin_known ? c->fin_seq : c->rcv_edge, room;
	if (hf_seq_lt(in->seq, c->rcv_nxt)) {
		size_t known = HF_MIN(s->len, (size_t)(c->rcv_nxt - in->seq));
		s->p += known;
		s->len -= known;
		in->seq += (uint32_t)known;
	}
	room = hf_seq_lt(in->seq, edge) ? edge - in->seq : 0;
	if (s->len <= room)
		return false;
	s->len = room;
	in->fin = false;
	return true;
}

/* The first FIN counts, wherever it is; but not one behind which we hold bytes already. */
static void note_fin(struct hf_tcp_in *in, struct hf_tcp_conn *c)
{
	uint32_t seq = in->seq + (uint32_t)in->payload.len;
	if (!in->fin || c->fin_known)
		return;
	if (c->ooo_tail && hf_seq_lt(seq, chunk_end(c->ooo_tail))) {
		in->fin = false;
		return;
	}
	c->fin_known = true;
	c->fin_seq = seq;
}

/* Eighth (3.10.7.4): everything before the peer's FIN is here. */
static void fin_reached(struct hf_tcp *t, struct hf_tcp_conn *c, const struct hf_tcp_in *in)
{
	c->rcv_nxt++;
	c->info.eof = true;
	hf_tcp_tell(t, c, HF_TCP_EV_EOF);
	hf_tcp_ack_now(t, c);
	if (hf_tcp_state_move(c, HF_TCP_M_FIN_CAME) != HF_TCP_S_TIME_WAIT)
		return;
	hf_tcp_conn_wait(t, c, in->now);
	hf_tcp_reply_ack(in, c->snd_max, c->rcv_nxt);
}

static enum hf_tcp_outcome text_early(struct hf_tcp_in *in, struct hf_tcp_conn *c)
{
	bool kept = true;
	if (in->payload.len > 0) {
		c->ooo_last = in->seq;
		kept = ooo_store(in->t, c, in->seq, in->payload.p, in->payload.len);
	}
	owe_dup(in->t, c);
	return kept ? HF_TCP_O_OUT_OF_ORDER : HF_TCP_O_OUT_OF_ROOM;
}

static enum hf_tcp_outcome text_in_order(struct hf_tcp_in *in, struct hf_tcp_conn *c)
{
	struct hf_tcp *t = in->t;
	bool gap = c->ooo_head != NULL;
	if (in->payload.len > 0 && append(t, c, in->payload.p, in->payload.len) == 0)
		return HF_TCP_O_NO_MEM;
	absorb(t, c);
	if (in->payload.len > 0) {
		hf_tcp_tell(t, c, HF_TCP_EV_READABLE);
		ack_text(t, c, gap, in->now);
		if (c->state == HF_TCP_S_FIN_WAIT_2) /* the peer goes on: its FIN may take longer */
			hf_tcp_arm(t, c, HF_TCP_DUE_LIFE, in->now + t->cfg.close_ns);
	}
	if (!c->fin_known || c->rcv_nxt != c->fin_seq)
		return HF_TCP_O_DATA;
	fin_reached(t, c, in);
	return HF_TCP_O_FIN;
}

enum hf_tcp_outcome hf_tcp_rcv_text(struct hf_tcp_in *in, struct hf_tcp_conn *c)
{
	if (!hf_tcp_state_allows(c, HF_TCP_M_FIN_CAME)) /* nothing comes after a FIN */
		return HF_TCP_O_ACK;
	in->t->stats.overlaps += hf_seq_lt(in->seq, c->rcv_nxt) &&
				 hf_seq_lt(c->rcv_nxt, in->seq + (uint32_t)in->payload.len);
	if (trim(in, c))
		hf_tcp_ack_now(in->t, c); /* a probe of our window, or more than we asked for */
	note_fin(in, c);
	if (in->payload.len == 0 && !in->fin)
		return HF_TCP_O_ACK;
	return in->seq == c->rcv_nxt ? text_in_order(in, c) : text_early(in, c);
}
