/* stream.c -- one connection's stream towards its backend: how it opens and ends, and the credit by which the
 * backend may send. For all that it may send link chunks are reserved before, so that what comes is always
 * taken; what idle streams hold is asked back. What backends say is read in endpoint.c, and sealed in bridge.c. */
#include "lib/worker/conn.h"

#define WINDOW_FIRST (8u * HF_CHUNK_DATA) /* credit of a fresh stream: most responses fit */
/* of a busy one: twice a round trip at 1 Gbit/s, 1 ms */
#define WINDOW_MAX (128u * HF_CHUNK_DATA)
#define RESERVE_LEAST 3u                 /* chunks: what reserve_for asks for one chunk of credit */
#define RESERVE_SHORT_NS (10 * HF_NS_MS) /* a stream that waits says so again on the next turns */
/* What an idle stream holds is reclaimed when half the pool is promised, sooner when some stream
 * waits; so many of those who hold something are looked at in a turn. */
#define RECLAIM_IDLE_NS HF_NS_S
#define RECLAIM_IDLE_SHORT_NS (10 * HF_NS_MS)
#define RECLAIM_LOOKS 8u
#define RECLAIM_AGAIN_NS HF_NS_S /* a backend whose ring is full does not answer */

/* ---- what is reserved ---- */

/* Link chunks must be there for all that the backend may send and all that it sent: one for the
 * chain's broken ends, and one per chunkful. */
static uint32_t reserve_for(const struct hf_conn *c, uint32_t credit)
{
	if (credit + c->from_link.len == 0)
		return 0;
	return 2 + (uint32_t)((credit + c->from_link.len) / HF_CHUNK_DATA);
}

/* Who holds some is on a ring: among a million that hold nothing nobody would find him in time. */
static void holder_enter(struct hf_worker *w, struct hf_conn *c)
{
	uint32_t i = (uint32_t)(c - w->conn);
	struct hf_conn *next;

	if (w->holder == HF_CONN_NONE) {
		c->holder_next = c->holder_prev = w->holder = i;
		return;
	}
	next = &w->conn[w->holder]; /* the last to be looked at */
	c->holder_next = w->holder;
	c->holder_prev = next->holder_prev;
	w->conn[c->holder_prev].holder_next = i;
	next->holder_prev = i;
}

static void holder_leave(struct hf_worker *w, struct hf_conn *c)
{
	uint32_t i = (uint32_t)(c - w->conn);

	w->conn[c->holder_prev].holder_next = c->holder_next;
	w->conn[c->holder_next].holder_prev = c->holder_prev;
	if (w->holder == i)
		w->holder = c->holder_next == i ? HF_CONN_NONE : c->holder_next;
}

static void reserve_set(struct hf_worker *w, struct hf_conn *c, uint32_t cnt)
{
	if (cnt && !c->reserved)
		holder_enter(w, c);
	if (!cnt && c->reserved)
		holder_leave(w, c);
	w->link_reserved += cnt - c->reserved;
	c->reserved = cnt;
}

void hf_stream_trim(struct hf_worker *w, struct hf_conn *c)
{
	uint32_t need = reserve_for(c, c->link.rx_closed ? 0 : c->link.rx_credit);

	if (need < c->reserved)
		reserve_set(w, c, need);
}

/* ---- how it opens and ends ---- */

void hf_stream_end(struct hf_worker *w, struct hf_conn *c)
{
	if (c->stream == HF_STREAM_OPEN) {
		w->stats.streams--;
		w->endpoint[c->endpoint].streams--;
	}
	c->stream = HF_STREAM_ENDED;
	hf_stream_trim(w, c);
}

void hf_stream_cut(struct hf_worker *w, struct hf_conn *c)
{
	c->owe_reset = 0;
	hf_chain_clear(&w->link_bufs, &c->from_link);
	hf_stream_end(w, c);
}

void hf_stream_free(struct hf_worker *w, struct hf_conn *c)
{
	hf_chain_clear(&w->link_bufs, &c->from_link);
	hf_stream_end(w, c); /* c->ref stays: late messages are recognised by it */
	reserve_set(w, c, 0);
}

/* Endpoints of a pool take turns. Returns HF_ENDPOINT_MAX when the pool has none. */
static uint32_t endpoint_choose(struct hf_worker *w, uint32_t backend)
{
	for (uint32_t n = 0; n < w->endpoint_top; n++) {
		uint32_t e = w->endpoint_next++ % w->endpoint_top;

		if (w->endpoint[e].link && !w->endpoint[e].down &&
			w->endpoint[e].backend == backend)
			return e;
	}
	return HF_ENDPOINT_MAX;
}

/* What is known of who it is, if the host asks. */
static void client_info(struct hf_link_info *info, const struct hf_tls_peer *peer)
{
	const struct hf_auth_client *who = peer->client;

	if (peer->vhost && peer->vhost->auth)
		info->client_verdict = who ? HF_LINK_CLIENT_VERIFIED : HF_LINK_CLIENT_NONE;
	if (!who)
		return;
	info->client_subject = hf_span(who->subject, who->subject_len);
	info->client_issuer = hf_span(who->issuer, who->issuer_len);
	info->client_cn = hf_span(who->cn, who->cn_len);
	info->client_sha256 = hf_span(who->fingerprint, sizeof(who->fingerprint));
}

#define STREAM_TLVS_MAX 1024u /* addresses, names, fingerprint */
#define CLIENT_TLVS_MAX \
	(HF_TLS_CLIENT_LEAF_MAX + 2 * HF_AUTH_DN_MAX + HF_AUTH_CN_MAX + 32u + 6u * 4u)
static_assert(
	STREAM_TLVS_MAX + CLIENT_TLVS_MAX <= HF_LINK_PAYLOAD_MAX - sizeof(struct hf_link_open),
	"OPEN takes it");

static size_t stream_info(
	struct hf_worker *w, uint32_t i, const struct hf_tls_peer *peer, uint8_t *out, size_t cap)
{
	uint8_t cert[HF_TLS_CLIENT_LEAF_MAX];
	const struct hf_tcp_info *t = hf_tcp_info(w->tcp, i);
	struct hf_writer wr = hf_writer(out, cap);
	struct hf_link_info info = {
		.client = t->peer,
		.local = t->local,
		.client_port = t->peer_port,
		.local_port = t->local_port,
		.tls_version = peer->version,
		.cipher = peer->suite,
		.sni = peer->sni,
		.alpn = peer->protocol ? peer->protocol->name : hf_span(NULL, 0),
		.ja4 = peer->ja4,
		.client_cert =
			hf_span(cert, hf_tls_client_cert_copy(&w->conn[i].tls, cert, sizeof(cert))),
	};

	client_info(&info, peer);

	memcpy(info.conn_id, w->boot_id, 8);
	memcpy(info.conn_id + 8, &t->ref, 8);
	hf_link_info_write(&wr, &info);
	HF_ASSERT(!wr.overflow);
	return wr.len;
}

void hf_stream_open(struct hf_worker *w, uint32_t i)
{
	struct hf_conn *c = &w->conn[i];
	uint8_t tlvs[STREAM_TLVS_MAX + CLIENT_TLVS_MAX];
	struct hf_tls_peer peer;
	uint32_t e;
	size_t len;

	e = endpoint_choose(w, c->backend);
	if (e == HF_ENDPOINT_MAX)
		return;
	hf_tls_peer(&c->tls, &peer);
	len = stream_info(w, i, &peer, tlvs, sizeof(tlvs));
	c->endpoint = (uint8_t)e;
	if (hf_link_open(hf_stream_link(w, c), &c->link, c->ref, 0, hf_span(tlvs, len)) < 0)
		return;
	hf_tls_hs_release(&w->tls, &c->tls);
	c->stream = HF_STREAM_OPEN;
	c->active_at = w->now;
	w->endpoint[e].streams++;
	w->stats.streams++;
	w->stats.streams_opened++;
	hf_stream_news(w, c);
	hf_trace(&w->trace, w->now, i, HF_TRACE_STREAM_OPEN, e, c->ref, 0);
}

void hf_stream_reset(struct hf_worker *w, struct hf_conn *c, enum hf_link_reset_reason why)
{
	if (c->stream == HF_STREAM_OPEN && !c->owe_reset) {
		c->owe_reset = (uint8_t)why;
		w->stats.streams_reset_out++;
		hf_trace(&w->trace, w->now, (uint32_t)c->ref, HF_TRACE_STREAM_RESET, why, 0, 0);
	}
	if (c->stream == HF_STREAM_WANTED)
		c->stream = HF_STREAM_ENDED;
	hf_chain_clear(&w->link_bufs, &c->from_link);
}

/* ---- the credit that it has ---- */

static bool somebody_waits(const struct hf_worker *w)
{
	return w->reserve_short_at && w->now - w->reserve_short_at <= RESERVE_SHORT_NS;
}

static uint32_t window_wanted(const struct hf_conn *c)
{
	return c->window ? c->window : WINDOW_FIRST;
}

/* How much a stream may have outstanding and unsealed: its window, as far as the chunks that it holds
 * and those that are free can stand behind it. Windows grow only while a quarter of the pool stays
 * free for others' first ones. While a stream waits for its first credit, the others take nothing of what
 * comes free, save what they need to go on at all. */
static uint32_t window_now(const struct hf_worker *w, const struct hf_conn *c)
{
	uint32_t least = c->reserved < RESERVE_LEAST ? RESERVE_LEAST - c->reserved : 0;
	uint32_t all_free = w->cfg.link_chunk_cnt - w->link_reserved;
	uint32_t free_cnt = somebody_waits(w) ? HF_MIN(least, all_free) : all_free;
	uint32_t kept = HF_MIN(w->cfg.link_chunk_cnt / 4, free_cnt);
	uint32_t growing = (c->reserved + free_cnt - kept) * HF_CHUNK_DATA;
	uint32_t first =
		HF_MIN((c->reserved + free_cnt) * HF_CHUNK_DATA, WINDOW_FIRST + 2 * HF_CHUNK_DATA);
	uint32_t most = HF_MAX(growing, first); /* less what reserve_for adds */

	return most <= 2 * HF_CHUNK_DATA ? 0 : HF_MIN(window_wanted(c), most - 2 * HF_CHUNK_DATA);
}

bool hf_stream_talk(struct hf_worker *w, struct hf_conn *c)
{
	struct hf_link *l = hf_stream_link(w, c);
	uint32_t held, window;

	if (c->owe_reset) {
		if (hf_link_reset(l, &c->link, c->owe_reset) < 0)
			return false;
		c->owe_reset = 0;
		hf_stream_news(w, c);
		hf_stream_end(w, c);
		return true;
	}
	held = c->link.rx_credit + (uint32_t)c->from_link.len;
	if (c->link.rx_closed || !c->awaits || held > c->window / 2)
		return true;
	window = window_now(w, c);
	if (window < window_wanted(c)) {
		w->stats.credit_short++;
		c->window = HF_MAX(window, WINDOW_FIRST);
		if (window < 2 * held ||
			window < HF_CHUNK_DATA) { /* it goes on with what it holds */
			w->reserve_short_at = held > 0 ? w->reserve_short_at : w->now;
			return held > 0;
		}
	} else {
		c->window = c->window ? HF_MIN(c->window * 2, WINDOW_MAX) : WINDOW_FIRST;
	}
	if (hf_link_credit(l, &c->link, window - held) < 0)
		return false;
	c->blocked = c->reclaimed = false;
	c->credit_at = w->now;
	reserve_set(w, c, HF_MAX(reserve_for(c, c->link.rx_credit), c->reserved));
	hf_stream_news(w, c);
	return true;
}

void hf_stream_returned(struct hf_worker *w, struct hf_conn *c)
{
	c->awaits = c->blocked; /* unless it had said meanwhile that it needs some */
	c->reclaimed = false;
	c->window = 0;
	hf_stream_trim(w, c);
}

/* What was granted just now idles not yet, be it of a stream that has been still for long. */
static bool idles(const struct hf_worker *w, const struct hf_conn *c, hf_ns since)
{
	return c->stream == HF_STREAM_OPEN && c->link.rx_credit > 0 && !c->link.rx_closed &&
	       !c->owe_reset && c->from_link.len == 0 &&
	       w->now - HF_MAX(c->active_at, c->credit_at) >
		       (c->reclaimed ? RECLAIM_AGAIN_NS : since);
}

void hf_stream_reclaim(struct hf_worker *w)
{
	bool waits = somebody_waits(w);

	if (!waits && w->link_reserved <= w->cfg.link_chunk_cnt / 2)
		return;
	for (uint32_t n = 0; n < RECLAIM_LOOKS && w->holder != HF_CONN_NONE; n++) {
		struct hf_conn *c = &w->conn[w->holder];

		w->holder = c->holder_next;
		if (!idles(w, c, waits ? RECLAIM_IDLE_SHORT_NS : RECLAIM_IDLE_NS) ||
			hf_link_reclaim(hf_stream_link(w, c), &c->link) < 0)
			continue;
		c->reclaimed = true;
		c->credit_at = w->now;
		w->stats.credit_reclaimed++;
		hf_stream_news(w, c);
	}
}
