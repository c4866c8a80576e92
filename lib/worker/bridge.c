/* bridge.c -- joins TCP, TLS and the backend's stream for one connection. Bytes go round two ways:
 *   client -> tcp rcv chain -> TLS record -> plaintext -> link ring          (give)
 *   client <- tcp snd chain <- TLS record <- from_link chain <- link ring    (fetch, seal)
 * hf_bridge_run moves what can move and stops where room, credit or a job is missing; whatever
 * brings that puts the connection on the run list again. Who closes first decides the rest:
 *   close_notify of the peer  -> half-close to the backend; its answer still goes out
 *   FIN without close_notify  -> the upload may be cut short: reset to the backend, RST to the peer
 *   backend's half-close      -> what it sent, close_notify, FIN
 *   backend's reset           -> RST, no close_notify (RFC 8446 6.1: that would claim completeness)
 *   TLS failure               -> its alert, FIN; reset to the backend; input is discarded */
#include "lib/base/secret.h"
#include "lib/worker/conn.h"

#define WINDOW_FIRST (8u * HF_CHUNK_DATA) /* credit of a fresh stream: most responses fit */
#define WINDOW_MAX \
	(128u * HF_CHUNK_DATA) /* of a busy one: twice a round trip at 1 Gbit/s, 1 ms \
					   */

#define RESERVE_LEAST 3u                 /* chunks: what reserve_for asks for one chunk of credit */
#define RESERVE_SHORT_NS (10 * HF_NS_MS) /* a stream that waits says so again on the next turns */
/* What an idle stream holds is reclaimed when half the pool is promised, sooner when some stream
 * waits; so many of those who hold something are looked at in a turn. */
#define RECLAIM_IDLE_NS HF_NS_S
#define RECLAIM_IDLE_SHORT_NS (10 * HF_NS_MS)
#define RECLAIM_LOOKS 8u
#define RECLAIM_AGAIN_NS HF_NS_S /* a backend whose ring is full does not answer */

/* Of an endpoint that is gone, per turn: each is a reset to the client, and the end of a slot. */
#define LOST_MAX 32u
#define LOST_LOOKS 1024u

static struct hf_tls_io io_of(struct hf_worker *w, uint32_t i)
{
	return (struct hf_tls_io){
		.in = hf_tcp_rcv(w->tcp, i),
		.in_eof = hf_tcp_info(w->tcp, i)->eof,
		.out = hf_tcp_snd(w->tcp, i),
		.out_room = hf_tcp_snd_room(w->tcp, i),
	};
}

/* ---- deadlines ---- */

/* One side has closed; active_at then moves only with bytes that get somewhere. */
static bool lingers(const struct hf_conn *c)
{
	return c->closing || (c->tls.standing & HF_TLS_PEER_CLOSED);
}

/* Who takes a byte now and then holds a whole queue, and is not idle. */
static hf_ns reader_due(const struct hf_worker *w, const struct hf_conn *c)
{
	hf_ns most = w->site->limits.slow_reader_ns;

	return c->owed_since && most ? c->owed_since + most : HF_NS_NEVER;
}

static hf_ns deadline_of(const struct hf_worker *w, const struct hf_conn *c)
{
	const struct hf_site_limits *l = &w->site->limits;
	hf_ns due;

	if (lingers(c))
		return HF_MIN(c->active_at + c->linger_ns, reader_due(w, c));
	if (!c->established)
		return c->tls.opened_at +
		       (c->tls.suite ? l->handshake_ns : HF_MIN(l->hello_ns, l->handshake_ns));
	due = c->active_at + (c->stream == HF_STREAM_WANTED ? l->backend_ns : l->idle_ns);
	due = HF_MIN(due, reader_due(w, c));
	return c->record_since ? HF_MIN(due, c->record_since + l->record_ns) : due;
}

/* Stages may move a deadline nearer; a later one is noticed when the timer fires. */
static void deadline_arm(struct hf_worker *w, struct hf_conn *c)
{
	hf_ns due = deadline_of(w, c);

	if (!hf_timer_armed(&c->timer) || due < c->timer.due)
		hf_wheel_arm(&w->wheel, &c->timer, due);
}

/* ---- who is not through the handshake ---- */

static void stage_leave(struct hf_worker *w, struct hf_conn *c)
{
	if (!c->stage)
		return;
	if (c->stage_prev == HF_CONN_NONE)
		w->stage_head = c->stage_next;
	else
		w->conn[c->stage_prev].stage_next = c->stage_next;
	if (c->stage_next == HF_CONN_NONE)
		w->stage_tail = c->stage_prev;
	else
		w->conn[c->stage_next].stage_prev = c->stage_prev;
	c->stage = 0;
}

/* A step forward, or the end. Bytes alone are no step: who sends one a second does not get younger. */
static void stage_enter(struct hf_worker *w, struct hf_conn *c)
{
	uint32_t i = (uint32_t)(c - w->conn);

	stage_leave(w, c);
	c->stage = (uint8_t)(1 + c->tls.state);
	c->stage_at = w->now;
	c->stage_prev = w->stage_tail;
	c->stage_next = HF_CONN_NONE;
	if (w->stage_tail == HF_CONN_NONE)
		w->stage_head = i;
	else
		w->conn[w->stage_tail].stage_next = i;
	w->stage_tail = i;
}

static void stage_look(struct hf_worker *w, struct hf_conn *c)
{
	if (c->stage && !c->failed && c->stage != 1 + c->tls.state)
		stage_enter(w, c);
}

/* ---- the stream towards the backend ---- */

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

/* What was sealed or will never come frees its reserve. */
static void reserve_trim(struct hf_worker *w, struct hf_conn *c)
{
	uint32_t need = reserve_for(c, c->link.rx_closed ? 0 : c->link.rx_credit);

	if (need < c->reserved)
		reserve_set(w, c, need);
}

static void stream_end(struct hf_worker *w, struct hf_conn *c)
{
	if (c->stream == HF_STREAM_OPEN) {
		w->stats.streams--;
		w->endpoint[c->endpoint].streams--;
	}
	c->stream = HF_STREAM_ENDED;
	reserve_trim(w, c);
}

static struct hf_link *link_of(struct hf_worker *w, const struct hf_conn *c)
{
	return w->endpoint[c->endpoint].link;
}

static void link_news(struct hf_worker *w, const struct hf_conn *c)
{
	w->endpoint[c->endpoint].news = true;
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

/* Opens the stream, or leaves it wanted: no endpoint yet, or no room in its ring. The handshake part,
 * which holds the names, is given back once they are told. */
static void stream_open(struct hf_worker *w, uint32_t i)
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
	if (hf_link_open(link_of(w, c), &c->link, c->ref, 0, hf_span(tlvs, len)) < 0)
		return;
	hf_tls_hs_release(&w->tls, &c->tls);
	c->stream = HF_STREAM_OPEN;
	c->active_at = w->now;
	w->endpoint[e].streams++;
	w->stats.streams++;
	w->stats.streams_opened++;
	link_news(w, c);
	hf_trace(&w->trace, w->now, i, HF_TRACE_STREAM_OPEN, e, c->ref, 0);
}

/* Ends the stream by reset; said now or, when the ring is full, on a later turn. */
static void stream_reset(struct hf_worker *w, struct hf_conn *c, enum hf_link_reset_reason why)
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

/* Says what is owed to the backend and tops up its credit. Returns false while the ring or the pool
 * has no room for it. */
static bool stream_talk(struct hf_worker *w, struct hf_conn *c)
{
	struct hf_link *l = link_of(w, c);
	uint32_t held, window;

	if (c->owe_reset) {
		if (hf_link_reset(l, &c->link, c->owe_reset) < 0)
			return false;
		c->owe_reset = 0;
		link_news(w, c);
		stream_end(w, c);
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
	link_news(w, c);
	return true;
}

/* The backend has given back what it did not use. */
static void returned(struct hf_worker *w, struct hf_conn *c)
{
	c->awaits = c->blocked; /* unless it had said meanwhile that it needs some */
	c->reclaimed = false;
	c->window = 0;
	reserve_trim(w, c);
}

/* What was granted just now idles not yet, be it of a stream that has been still for long. */
static bool idles(const struct hf_worker *w, const struct hf_conn *c, hf_ns since)
{
	return c->stream == HF_STREAM_OPEN && c->link.rx_credit > 0 && !c->link.rx_closed &&
	       !c->owe_reset && c->from_link.len == 0 &&
	       w->now - HF_MAX(c->active_at, c->credit_at) >
		       (c->reclaimed ? RECLAIM_AGAIN_NS : since);
}

void hf_bridge_reclaim(struct hf_worker *w)
{
	bool waits = somebody_waits(w);

	if (!waits && w->link_reserved <= w->cfg.link_chunk_cnt / 2)
		return;
	for (uint32_t n = 0; n < RECLAIM_LOOKS && w->holder != HF_CONN_NONE; n++) {
		struct hf_conn *c = &w->conn[w->holder];

		w->holder = c->holder_next;
		if (!idles(w, c, waits ? RECLAIM_IDLE_SHORT_NS : RECLAIM_IDLE_NS) ||
			hf_link_reclaim(link_of(w, c), &c->link) < 0)
			continue;
		c->reclaimed = true;
		c->credit_at = w->now;
		w->stats.credit_reclaimed++;
		link_news(w, c);
	}
}

/* ---- failing and ending ---- */

/* With the hello, if it is still there. Who came and said nothing is counted, not told: that is what
 * health checks do, and they would push everybody else out of the list. */
static void tell_failure(struct hf_worker *w, uint32_t i)
{
	struct hf_conn *c = &w->conn[i];
	const struct hf_tcp_info *t = hf_tcp_info(w->tcp, i);
	struct hf_event e;

	if (c->tls.reason == HF_TLS_R_GONE_SILENT)
		return;
	memset(&e, 0, offsetof(struct hf_event, hello));
	e.kind = HF_EVENT_FAILURE;
	e.why = c->tls.reason;
	e.stage = c->tls.state;
	e.alert = c->tls.alert_in;
	e.peer = t->peer;
	e.peer_port = t->peer_port;
	e.suite = c->tls.suite;
	e.version = c->tls.version;
	e.arg64 = c->ref;
	e.hello_len = (uint16_t)hf_tls_hello_copy(&c->tls, e.hello, sizeof(e.hello));
	hf_worker_tell(w, &e);
}

/* RST to the client, now; the slot stays until the backend was told. */
static void conn_abort(struct hf_worker *w, uint32_t i, enum hf_link_reset_reason why)
{
	struct hf_conn *c = &w->conn[i];

	stream_reset(w, c, why);
	if (c->tcp_over)
		return;
	hf_tcp_abort(w->tcp, i, w->now);
	c->tcp_over = c->aborted = true;
	hf_fifo_push(&w->run, i);
}

/* TLS says that it is over: its alert goes out, then FIN; the backend gets a reset. */
static void conn_failed(struct hf_worker *w, uint32_t i)
{
	struct hf_conn *c = &w->conn[i];

	if (c->failed)
		return;
	c->failed = c->closing = true;
	c->active_at = w->now;
	stage_enter(w, c);
	tell_failure(w, i);
	hf_tls_hs_release(&w->tls, &c->tls);
	stream_reset(w, c,
		c->tls.reason == HF_TLS_R_STALLED ? HF_LINK_RESET_TIMEOUT : HF_LINK_RESET_PROTOCOL);
	deadline_arm(w, c);
}

/* TCP is over in the middle of a handshake, and not by a FIN, which TLS would have seen. */
static void handshake_lost(struct hf_worker *w, uint32_t i)
{
	struct hf_conn *c = &w->conn[i];
	uint8_t end = hf_tcp_info(w->tcp, i)->end;
	bool mute = end == HF_TCP_END_RTO || end == HF_TCP_END_PROBE;

	if (c->established || c->failed || c->refused)
		return;
	hf_tls_fail(&w->tls, &c->tls, mute ? HF_TLS_R_UNREACHABLE : hf_tls_reason_gone(&c->tls));
	tell_failure(w, i);
}

static void conn_free(struct hf_worker *w, uint32_t i)
{
	struct hf_conn *c = &w->conn[i];
	const struct hf_tcp_info *t = hf_tcp_info(w->tcp, i);

	hf_trace(&w->trace, w->now, i, HF_TRACE_CONN_FREE, 0, t->bytes_in, t->bytes_out);
	hf_wheel_cancel(&w->wheel, &c->timer);
	stage_leave(w, c);
	hf_price_gone(w, i);
	hf_tls_free(&w->tls, &c->tls);
	hf_chain_clear(&w->link_bufs, &c->from_link);
	if (c->stream == HF_STREAM_OPEN)
		stream_end(w, c);
	reserve_set(w, c, 0);
	c->stream = HF_STREAM_ENDED; /* c->ref stays: late messages are recognised by it */
	hf_tcp_free(w->tcp, i);
	w->stats.conns--;
	w->stats.conns_freed++;
}

/* ---- moving bytes ---- */

/* Plaintext to the backend. Returns false when it had to stop for want of room or credit. */
static bool give(struct hf_worker *w, struct hf_conn *c, struct hf_tls_io *io)
{
	struct hf_span plain = hf_tls_plain(&c->tls);
	size_t len;

	if (plain.len == 0)
		return true;
	if (c->stream == HF_STREAM_ENDED || c->owe_reset || c->link.tx_closed) {
		hf_tls_plain_take(&w->tls, &c->tls, io, plain.len);
		return true;
	}
	if (c->stream != HF_STREAM_OPEN)
		return false;
	while (plain.len && (len = hf_link_data(link_of(w, c), &c->link, plain.p, plain.len)) > 0) {
		hf_tls_plain_take(&w->tls, &c->tls, io, len);
		c->awaits = true;
		w->stats.bytes_to_backend += len;
		c->active_at = w->now;
		link_news(w, c);
		plain = hf_tls_plain(&c->tls);
	}
	return plain.len == 0;
}

/* How much of len bytes goes into the next record. A client can read nothing of a record before its last
 * byte is there. So while the window of congestion is smaller than a record - in the beginning, after
 * a pause - what leaves at once is a record that ends with its last full segment. What is queued
 * behind it leaves when the window has opened. */
static size_t record_len(struct hf_worker *w, uint32_t i, size_t len)
{
	size_t now, mss = hf_tcp_info(w->tcp, i)->mss;

	if (hf_tcp_snd_window(w->tcp, i, w->now) >= HF_TLS_WIRE_MAX)
		return len;
	now = hf_tcp_snd_now(w->tcp, i);
	if (now < HF_MAX(mss, 2 * HF_TLS_AROUND_MAX) || now >= len + HF_TLS_AROUND_MAX)
		return len;
	return now - now % mss - HF_TLS_AROUND_MAX;
}

/* The backend's plaintext into records, as far as TLS takes it. */
static void seal(struct hf_worker *w, uint32_t i, struct hf_tls_io *io)
{
	struct hf_conn *c = &w->conn[i];
	uint8_t *at;
	size_t len;

	while (c->from_link.len && (at = hf_tls_write_begin(&w->tls, &c->tls, io,
					    record_len(w, i, c->from_link.len), &len)) != NULL) {
		hf_chain_copy(&c->from_link, 0, at, len, NULL);
		hf_chain_consume(&w->link_bufs, &c->from_link, len);
		hf_tls_write_commit(&w->tls, &c->tls, len);
		c->active_at = w->now;
	}
	reserve_trim(w, c);
}

static void keylog(struct hf_worker *w, const struct hf_tls_peer *peer)
{
	struct hf_event e = {.kind = HF_EVENT_KEYLOG};

	memcpy(e.client_random, peer->client_random, sizeof(e.client_random));
	memcpy(e.master, peer->master, sizeof(e.master));
	hf_worker_tell(w, &e);
	hf_wipe(&e, sizeof(e));
}

static void established(struct hf_worker *w, struct hf_conn *c)
{
	const struct hf_addr *client = &hf_tcp_info(w->tcp, (uint32_t)(c - w->conn))->peer;
	struct hf_tls_peer peer;

	hf_tls_peer(&c->tls, &peer);
	if (peer.protocol)
		c->backend = peer.protocol->pool;
	c->established = true;
	hf_guard_done(w->guard, client, w->now);
	c->active_at = w->now;
	stage_leave(w, c);
	c->stream = HF_STREAM_WANTED;
	if (w->cfg.keylog)
		keylog(w, &peer);
	deadline_arm(w, c);
}

/* Runs TLS and hands on what it opened until neither moves. Returns the last wait set. */
static unsigned exchange(struct hf_worker *w, uint32_t i, struct hf_tls_io *io)
{
	struct hf_conn *c = &w->conn[i];
	bool plain;
	unsigned set;

	do {
		set = hf_tls_run(&w->tls, &c->tls, io, w->now);
		if (set & HF_TLS_ESTABLISHED)
			established(w, c);
		if (c->stream == HF_STREAM_WANTED)
			stream_open(w, i);
		plain = hf_tls_plain(&c->tls).len != 0;
	} while (plain && give(w, c, io));
	seal(w, i, io);
	return set;
}

/* An incomplete record may wait only so long: it holds chunks. */
static void note_record(
	struct hf_worker *w, struct hf_conn *c, const struct hf_tls_io *io, unsigned set)
{
	bool partial = c->established && (set & HF_TLS_WAIT_BYTES) && io->in->len;

	if (!partial)
		c->record_since = 0;
	else if (!c->record_since) {
		c->record_since = w->now;
		deadline_arm(w, c);
	}
}

/* What waits for the client, and since when it has taken too little of it. */
static void note_reader(struct hf_worker *w, uint32_t i)
{
	struct hf_conn *c = &w->conn[i];
	uint64_t taken = hf_tcp_info(w->tcp, i)->bytes_out;

	if (c->tcp_over || hf_tcp_snd(w->tcp, i)->len == 0) {
		c->owed_since = 0;
	} else if (!c->owed_since || taken - c->owed_from >= HF_SITE_READ_LEAST) {
		c->owed_since = w->now;
		c->owed_from = taken;
		deadline_arm(w, c);
	}
}

/* Who has closed, and what follows from it. */
static void close_steps(struct hf_worker *w, uint32_t i, unsigned set)
{
	struct hf_conn *c = &w->conn[i];
	bool drained = hf_tls_plain(&c->tls).len == 0;

	if (set & HF_TLS_FAILED) {
		conn_failed(w, i);
	} else if ((set & HF_TLS_TRUNCATED) && drained && !c->owe_reset &&
		   c->stream != HF_STREAM_ENDED) {
		w->stats.truncated++;
		conn_abort(w, i, HF_LINK_RESET_TRUNCATED);
	} else if ((set & HF_TLS_PEER_CLOSED) && drained && c->stream == HF_STREAM_OPEN &&
		   !c->owe_reset && !c->link.tx_closed) {
		if (hf_link_half_close(link_of(w, c), &c->link) == 0) {
			link_news(w, c);
			c->active_at = w->now;
			deadline_arm(w, c);
		} else {
			hf_fifo_push(&w->wait, i);
		}
	}
	if (c->link.rx_closed && !c->owe_reset && !c->closing && !c->from_link.len) {
		hf_tls_close(&w->tls, &c->tls);
		c->closing = true;
		hf_fifo_push(&w->run, i);
	}
	if (c->stream == HF_STREAM_OPEN && !c->owe_reset && hf_link_stream_over(&c->link) &&
		!c->from_link.len)
		stream_end(w, c);
}

static void discard_input(struct hf_worker *w, uint32_t i)
{
	struct hf_chain *in = hf_tcp_rcv(w->tcp, i);
	size_t len = in->len;

	if (len == 0)
		return;
	hf_chain_consume(&w->bufs, in, len);
	hf_tcp_rcv_credit(w->tcp, i, len, w->now);
}

#define ANSWER_NS (5 * HF_NS_MS)

/* A request is with the backend, and its answer will carry the acknowledgement. In a handshake a peer may be
 * waiting for ours to say the rest (Nagle's algorithm, RFC 9293 3.7.4), and after one to say his first
 * word; behind a whole record he rarely is, so that the answer is waited for, but for a little only. */
static bool answers(const struct hf_conn *c, const struct hf_tls_io *io)
{
	return c->stream == HF_STREAM_OPEN && c->awaits && io->in->len == 0 && !c->link.rx_closed;
}

/* Hands TCP what the turn made of its chains. */
static void settle(struct hf_worker *w, uint32_t i, const struct hf_tls_io *io, size_t out_before)
{
	struct hf_conn *c = &w->conn[i];

	if (c->tcp_over)
		return;
	if (io->credit)
		hf_tcp_rcv_credit(w->tcp, i, io->credit, w->now);
	if (c->failed)
		discard_input(w, i);
	if (io->out->len != out_before)
		hf_tcp_push(w->tcp, i, w->now);
	else if (answers(c, io))
		hf_tcp_ack_may_wait(w->tcp, i, w->now + ANSWER_NS);
	if (c->closing && !c->fin_sent && hf_tls_flushed(&c->tls)) {
		c->fin_sent = true;
		c->active_at = w->now;
		hf_tcp_shutdown(w->tcp, i, w->now);
		deadline_arm(w, c);
	}
}

/* Short of something that nobody will announce: a buffer, a job, an endpoint, room in a ring. Room in
 * the send queue is announced as long as something is in it. */
static bool starved(const struct hf_worker *w, uint32_t i, unsigned set)
{
	const struct hf_conn *c = &w->conn[i];
	bool unsealed = c->from_link.len && hf_tls_flushed(&c->tls);
	bool no_news = !c->fin_sent && (hf_tcp_snd(w->tcp, i)->len == 0 ||
					       hf_tcp_snd_room(w->tcp, i) > HF_CHUNK_DATA);

	return (set & HF_TLS_WAIT_MEM) || c->stream == HF_STREAM_WANTED ||
	       (((set & HF_TLS_WAIT_TX) || unsealed) && no_news) ||
	       (hf_tls_plain(&c->tls).len && c->link.tx_credit);
}

static unsigned advance(struct hf_worker *w, uint32_t i)
{
	struct hf_conn *c = &w->conn[i];
	struct hf_tls_io io = io_of(w, i);
	size_t out_before = io.out->len;
	unsigned set = exchange(w, i, &io);

	stage_look(w, c);
	note_record(w, c, &io, set);
	close_steps(w, i, set);
	settle(w, i, &io, out_before);
	note_reader(w, i);
	return set;
}

/* Its hello came while its prefix has had its part of the workers' time. */
static bool may_begin(struct hf_worker *w, uint32_t i)
{
	struct hf_conn *c = &w->conn[i];

	if (c->established || c->failed || c->tls.suite || hf_tcp_rcv(w->tcp, i)->len == 0 ||
		hf_guard_hello(w->guard, &hf_tcp_info(w->tcp, i)->peer, w->now))
		return true;
	hf_tls_fail(&w->tls, &c->tls, HF_TLS_R_LIMITED);
	c->failed = true;
	tell_failure(w, i);
	hf_tls_hs_release(&w->tls, &c->tls);
	conn_abort(w, i, HF_LINK_RESET_LIMIT);
	stage_leave(w, c);
	return false;
}

static unsigned advance_for_its_price(struct hf_worker *w, uint32_t i)
{
	uint64_t began;
	unsigned set;

	if (!hf_guard_counts_cost(w->guard))
		return advance(w, i);
	if (!may_begin(w, i))
		return 0;
	began = w->env.cycles();
	set = advance(w, i);
	w->conn[i].computing = set & HF_TLS_WAIT_PK;
	hf_price_run(w, i, w->env.cycles() - began);
	return set;
}

void hf_bridge_run(struct hf_worker *w, uint32_t i)
{
	struct hf_conn *c = &w->conn[i];
	unsigned set;

	if (!hf_tcp_alive(w->tcp, i))
		return;
	set = c->aborted ? 0 : advance_for_its_price(w, i);
	if (c->stream == HF_STREAM_OPEN && !stream_talk(w, c))
		hf_fifo_push(&w->wait, i);
	if (c->tcp_over && (c->stream == HF_STREAM_ENDED || c->stream == HF_STREAM_NONE)) {
		handshake_lost(w, i);
		conn_free(w, i);
		return;
	}
	if (!c->aborted && starved(w, i, set))
		hf_fifo_push(&w->wait, i);
}

/* ---- news from each side ---- */

void hf_bridge_open(struct hf_worker *w, uint32_t i)
{
	struct hf_conn *c = &w->conn[i];
	const struct hf_tcp_info *t = hf_tcp_info(w->tcp, i);
	const struct hf_site_listener *l;

	memset(c, 0, sizeof(*c));
	c->ref = t->ref;
	c->active_at = w->now;
	w->stats.conns++;
	w->stats.conns_opened++;
	hf_price_open(w, i);
	if (t->listener >=
		w->site->listener_cnt) { /* half-open since before a reload took it away */
		w->stats.conns_refused_listener++;
		c->refused = true;
		conn_abort(w, i, HF_LINK_RESET_LIMIT);
		return;
	}
	l = &w->site->listener[t->listener];
	c->backend = l->backend;
	c->linger_ns = l->linger_ns;
	hf_tls_open(&w->tls, &c->tls, &l->tls, c->ref, w->now);
	stage_enter(w, c);
	deadline_arm(w, c);
}

void hf_bridge_tcp(struct hf_worker *w, uint32_t i, uint32_t events)
{
	struct hf_conn *c = &w->conn[i];

	if (events & HF_TCP_EV_OPENED)
		hf_bridge_open(w, i);
	if (events & HF_TCP_EV_CLOSED) {
		c->tcp_over = true;
		if (hf_tcp_info(w->tcp, i)->end != HF_TCP_END_FIN)
			stream_reset(w, c, HF_LINK_RESET_CLIENT);
	}
	if ((events & HF_TCP_EV_WRITABLE) && c->closing)
		c->active_at = w->now;
	hf_fifo_push(&w->run, i);
}

static struct hf_conn *conn_of(struct hf_worker *w, hf_ref ref)
{
	uint32_t i = (uint32_t)ref;

	return hf_tcp_alive(w->tcp, i) && w->conn[i].ref == ref ? &w->conn[i] : NULL;
}

void hf_bridge_pk_done(struct hf_worker *w, struct hf_pk_job *job)
{
	struct hf_conn *c = conn_of(w, job->owner);

	hf_tls_pk_done(&w->tls, c ? &c->tls : NULL, job);
	if (c)
		hf_fifo_push(&w->run, (uint32_t)(c - w->conn));
}

void hf_bridge_sym_done(struct hf_worker *w, struct hf_sym_job *job)
{
	struct hf_conn *c = conn_of(w, job->owner);

	hf_tls_sym_done(&w->tls, c ? &c->tls : NULL, job);
	if (c)
		hf_fifo_push(&w->run, (uint32_t)(c - w->conn));
}

void hf_bridge_auth_done(struct hf_worker *w, struct hf_auth_job *job)
{
	struct hf_conn *c = conn_of(w, job->owner);

	hf_tls_auth_done(&w->tls, c ? &c->tls : NULL, job);
	if (c)
		hf_fifo_push(&w->run, (uint32_t)(c - w->conn));
}

void hf_bridge_deadline(struct hf_worker *w, uint32_t i)
{
	struct hf_conn *c = &w->conn[i];
	hf_ns due = deadline_of(w, c);

	if (due > w->now) {
		hf_wheel_arm(&w->wheel, &c->timer, due);
		return;
	}
	if ((c->established || lingers(c)) && reader_due(w, c) <= w->now) {
		w->stats.timeout_slow_reader++;
		conn_abort(w, i, HF_LINK_RESET_TIMEOUT);
	} else if (lingers(c)) {
		w->stats.timeout_linger++;
		conn_abort(w, i, HF_LINK_RESET_TIMEOUT);
	} else if (!c->established) {
		w->stats.timeout_handshake++;
		hf_tls_fail(&w->tls, &c->tls, hf_tls_reason_late(&c->tls));
	} else if (c->record_since && c->record_since + w->site->limits.record_ns <= w->now) {
		w->stats.timeout_record++;
		hf_tls_fail(&w->tls, &c->tls, HF_TLS_R_STALLED);
	} else if (c->stream == HF_STREAM_WANTED) {
		w->stats.timeout_backend++;
		conn_abort(w, i, HF_LINK_RESET_LIMIT);
	} else { /* idle: an orderly goodbye, then linger */
		w->stats.timeout_idle++;
		stream_reset(w, c, HF_LINK_RESET_TIMEOUT);
		hf_tls_close(&w->tls, &c->tls);
		c->closing = true;
		c->active_at = w->now;
		hf_wheel_arm(&w->wheel, &c->timer, w->now + c->linger_ns);
	}
	hf_fifo_push(&w->run, i);
}

/* ---- making room ---- */

#define EVICT_AFTER (250 * HF_NS_MS) /* a hello follows its third ACK at once */
#define EVICT_HANDSHAKE_AFTER \
	(3 * HF_NS_S) /* a round trip, a loss, and what a slow client computes */
#define EVICT_LOOK_MAX 32u

bool hf_bridge_evict(struct hf_worker *w, bool handshake)
{
	hf_ns least = handshake ? EVICT_HANDSHAKE_AFTER : EVICT_AFTER;
	uint32_t i = w->stage_head;

	for (uint32_t n = 0; n < EVICT_LOOK_MAX && i != HF_CONN_NONE;
		n++, i = w->conn[i].stage_next) {
		struct hf_conn *c = &w->conn[i];

		if (w->now - c->stage_at < least)
			return false;
		if (handshake ? !c->tls.hs : c->aborted)
			continue;
		if (!c->failed &&
			(w->wait.in[i] || hf_tls_reason_late(&c->tls) == HF_TLS_R_ENGINES_LATE))
			continue; /* it waits for us */
		w->stats.evicted_handshakes += handshake;
		w->stats.evicted += !handshake;
		hf_tls_fail(&w->tls, &c->tls, HF_TLS_R_EVICTED);
		c->failed = true;
		hf_tls_hs_release(&w->tls, &c->tls);
		conn_abort(w, i, HF_LINK_RESET_LIMIT);
		stage_leave(w, c);
		return true;
	}
	return false;
}

/* ---- what backends send ---- */

/* The connection a message is for, NULL when its stream has ended meanwhile, or a violation: a
 * number that was never given out on this endpoint. */
static int stream_find(struct hf_worker *w, uint32_t e, uint64_t id, struct hf_conn **out)
{
	uint32_t i = (uint32_t)id;
	struct hf_conn *c;

	*out = NULL;
	if (i >= w->cfg.conn_cnt || id >> 32 == 0 || id > w->conn[i].ref)
		return hf_link_fail(w->endpoint[e].link, HF_LINK_BAD_STREAM);
	c = &w->conn[i];
	if (id != c->ref || c->stream == HF_STREAM_ENDED)
		return 0;
	if (c->stream != HF_STREAM_OPEN || c->endpoint != e)
		return hf_link_fail(w->endpoint[e].link, HF_LINK_BAD_STREAM);
	*out = c;
	return 0;
}

static void data_in(struct hf_worker *w, struct hf_conn *c, uint32_t len)
{
	struct hf_link *l = link_of(w, c);
	uint8_t tmp[HF_CHUNK_DATA];
	size_t n;

	if (c->owe_reset || c->closing) { /* nobody is left to hear it */
		hf_link_skip(l);
		return;
	}
	for (; len; len -= (uint32_t)n) {
		n = hf_link_read(l, &c->link, tmp, HF_MIN(len, (uint32_t)sizeof(tmp)));
		n = hf_chain_append(&w->link_bufs, &c->from_link, tmp, n);
		HF_ASSERT(n > 0); /* its chunks were reserved when the credit was granted */
		w->stats.bytes_from_backend += n;
	}
	hf_wipe(tmp, sizeof(tmp));
}

static void message(struct hf_worker *w, struct hf_conn *c, const struct hf_link_msg *m)
{
	uint32_t i = (uint32_t)c->ref;

	switch (m->type) {
	case HF_LINK_DATA:
		c->awaits = true;
		data_in(w, c, m->len);
		break;
	case HF_LINK_BLOCKED:
		c->awaits = c->blocked = true;
		break;
	case HF_LINK_RETURNED:
		returned(w, c);
		break;
	case HF_LINK_RESET:
		w->stats.streams_reset_in++;
		stream_end(w, c);
		hf_chain_clear(&w->link_bufs, &c->from_link);
		c->owe_reset = 0;
		reserve_trim(w, c);
		conn_abort(w, i, HF_LINK_RESET_SERVER);
		break;
	default: /* CREDIT and HALF_CLOSE are noted in c->link; run sees them */
		break;
	}
	hf_fifo_push(&w->run, i);
}

static int message_next(struct hf_worker *w, uint32_t e)
{
	struct hf_link *l = w->endpoint[e].link;
	struct hf_link_msg m;
	struct hf_conn *c;
	int rc = hf_link_next(l, &m);

	if (rc <= 0)
		return rc;
	if (stream_find(w, e, m.stream, &c) < 0)
		return -1;
	if (!c) {
		w->stats.streams_late++;
		hf_link_skip(l);
		return 1;
	}
	if (hf_link_admit(l, &c->link, &m) < 0)
		return -1;
	message(w, c, &m);
	return 1;
}

/* The endpoint will not be heard again. A stream on which it had said all is served to its end. */
static void stream_lost(struct hf_worker *w, uint32_t i)
{
	struct hf_conn *c = &w->conn[i];

	stream_end(w, c);
	hf_fifo_push(&w->run, i);
	if (c->link.rx_closed && !c->owe_reset) {
		c->link.tx_closed = true;
		return;
	}
	w->stats.streams_lost += !c->owe_reset;
	c->owe_reset = 0;
	hf_chain_clear(&w->link_bufs, &c->from_link);
	reserve_trim(w, c);
	conn_abort(w, i, HF_LINK_RESET_INTERNAL);
}

/* Its memory is looked at until the last one has ended: what is said to it meanwhile is not read. */
void hf_bridge_endpoint_end(struct hf_worker *w, uint32_t e)
{
	struct hf_endpoint *ep = &w->endpoint[e];
	uint32_t lost = 0;

	w->busy = true;
	for (uint32_t n = 0; n < LOST_LOOKS && lost < LOST_MAX && ep->streams; n++) {
		uint32_t i = ep->lost_next++;
		const struct hf_conn *c = &w->conn[i];

		HF_ASSERT(i < w->cfg.conn_cnt);
		if (hf_tcp_alive(w->tcp, i) && c->stream == HF_STREAM_OPEN && c->endpoint == e) {
			stream_lost(w, i);
			lost++;
		}
	}
	if (ep->streams)
		return;
	ep->link = NULL;
	hf_worker_tell(w, &(struct hf_event){.kind = HF_EVENT_ENDPOINT_FREE, .arg = e});
}

static void endpoint_lost(struct hf_worker *w, uint32_t e)
{
	w->endpoint[e].down = true;
	w->endpoint[e].lost_next = 0;
	w->stats.endpoints--;
	w->busy = true; /* the next look at endpoints begins to end them */
}

/* What it said before it went away still counts, as far as it keeps to the rules. */
void hf_bridge_endpoint_down(struct hf_worker *w, uint32_t e)
{
	uint32_t left;

	if (!w->endpoint[e].link || w->endpoint[e].down)
		return;
	for (left = w->endpoint[e].link->rx_len / HF_LINK_ALIGN; left && message_next(w, e) > 0;)
		left--;
	endpoint_lost(w, e);
}

void hf_bridge_fetch(struct hf_worker *w, uint32_t e, uint32_t max)
{
	struct hf_endpoint *ep = &w->endpoint[e];
	uint64_t enough = w->stats.bytes_from_backend + HF_TURN_LEN;
	uint32_t n = 0;
	int rc = 0;

	while (n < max && w->stats.bytes_from_backend < enough && (rc = message_next(w, e)) > 0)
		n++;
	if (n) {
		w->busy = true;
		ep->news = true;
		hf_link_release(ep->link);
	}
	if (rc < 0) {
		w->stats.endpoints_cut++;
		hf_worker_tell(w, &(struct hf_event){.kind = HF_EVENT_ENDPOINT_CUT,
					  .arg = e,
					  .why = (uint8_t)ep->link->violation});
		endpoint_lost(w, e);
	}
}
