/* bridge.c -- joins TCP, TLS and the backend's stream (stream.c) for one connection. Bytes go round two ways:
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
		return c->tls.opened_at + (c->tls.suite || c->tls.unheard
							  ? l->handshake_ns
							  : HF_MIN(l->hello_ns, l->handshake_ns));
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

/* It is the client's step, too, when our engines have done theirs. */
static void stage_look(struct hf_worker *w, struct hf_conn *c)
{
	bool kept = hf_tls_reason_late(&c->tls) == HF_TLS_R_ENGINES_LATE;

	if (c->stage && !c->failed && (c->stage != 1 + c->tls.state || (c->kept && !kept)))
		stage_enter(w, c);
	c->kept = kept;
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

void hf_bridge_abort(struct hf_worker *w, uint32_t i, enum hf_link_reset_reason why)
{
	struct hf_conn *c = &w->conn[i];

	hf_stream_reset(w, c, why);
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
	hf_stream_reset(w, c,
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
	hf_stream_free(w, c);
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
	while (plain.len &&
		(len = hf_link_data(hf_stream_link(w, c), &c->link, plain.p, plain.len)) > 0) {
		hf_tls_plain_take(&w->tls, &c->tls, io, len);
		c->awaits = true;
		w->stats.bytes_to_backend += len;
		c->active_at = w->now;
		hf_stream_news(w, c);
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
	hf_stream_trim(w, c);
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
			hf_stream_open(w, i);
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
		hf_bridge_abort(w, i, HF_LINK_RESET_TRUNCATED);
	} else if ((set & HF_TLS_PEER_CLOSED) && drained && c->stream == HF_STREAM_OPEN &&
		   !c->owe_reset && !c->link.tx_closed) {
		if (hf_link_half_close(hf_stream_link(w, c), &c->link) == 0) {
			hf_stream_news(w, c);
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
		hf_stream_end(w, c);
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

/* A request is with the backend, and its answer will carry the acknowledgement. A peer may be waiting for ours
 * to say the rest (Nagle's algorithm, RFC 9293 3.7.4), and after a handshake to say his first
 * word; behind a whole record he rarely is, so that the answer is waited for, but for a little only. */
static bool backend_answers(const struct hf_conn *c, const struct hf_tls_io *io)
{
	return c->stream == HF_STREAM_OPEN && c->awaits && io->in->len == 0 && !c->link.rx_closed;
}

/* In a handshake our next flight waits for a key, and his is here as a whole: a hello that is not answered yet; or
 * behind the key exchange there is more, which will be his Finished. */
static bool keys_answer(
	const struct hf_worker *w, uint32_t i, const struct hf_tls_io *io, unsigned set)
{
	const struct hf_conn *c = &w->conn[i];
	bool unanswered = hf_tcp_info(w->tcp, i)->bytes_out == 0 && io->out->len == 0;

	return !c->established && (set & HF_TLS_WAIT_PK) && unanswered == (io->in->len == 0);
}

/* Hands TCP what the turn made of its chains. */
static void settle(struct hf_worker *w, uint32_t i, const struct hf_tls_io *io, unsigned set,
	size_t out_before)
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
	else if (backend_answers(c, io) || keys_answer(w, i, io, set))
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
	settle(w, i, &io, set, out_before);
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
	hf_bridge_abort(w, i, HF_LINK_RESET_LIMIT);
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
	if (c->stream == HF_STREAM_OPEN && !hf_stream_talk(w, c))
		hf_fifo_push(&w->wait, i);
	if (c->tcp_over && (c->stream == HF_STREAM_ENDED || c->stream == HF_STREAM_NONE)) {
		handshake_lost(w, i);
		conn_free(w, i);
		return;
	}
	if (c->aborted)
		return;
	if (c->tls.unheard && !c->tls.hs)
		hf_fifo_push(&w->wait_hs, i);
	else if (starved(w, i, set))
		hf_fifo_push(&w->wait, i);
}

/* ---- news from each side ---- */

static void conn_open(struct hf_worker *w, uint32_t i)
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
		hf_bridge_abort(w, i, HF_LINK_RESET_LIMIT);
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
		conn_open(w, i);
	if (events & HF_TCP_EV_CLOSED) {
		c->tcp_over = true;
		if (hf_tcp_info(w->tcp, i)->end != HF_TCP_END_FIN)
			hf_stream_reset(w, c, HF_LINK_RESET_CLIENT);
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
		hf_bridge_abort(w, i, HF_LINK_RESET_TIMEOUT);
	} else if (lingers(c)) {
		w->stats.timeout_linger++;
		hf_bridge_abort(w, i, HF_LINK_RESET_TIMEOUT);
	} else if (!c->established) {
		w->stats.timeout_handshake++;
		hf_tls_fail(&w->tls, &c->tls, hf_tls_reason_late(&c->tls));
	} else if (c->record_since && c->record_since + w->site->limits.record_ns <= w->now) {
		w->stats.timeout_record++;
		hf_tls_fail(&w->tls, &c->tls, HF_TLS_R_STALLED);
	} else if (c->stream == HF_STREAM_WANTED) {
		w->stats.timeout_backend++;
		hf_bridge_abort(w, i, HF_LINK_RESET_LIMIT);
	} else { /* idle: an orderly goodbye, then linger */
		w->stats.timeout_idle++;
		hf_stream_reset(w, c, HF_LINK_RESET_TIMEOUT);
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
		hf_bridge_abort(w, i, HF_LINK_RESET_LIMIT);
		stage_leave(w, c);
		return true;
	}
	return false;
}
