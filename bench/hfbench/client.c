/* client.c -- one thread's loop. A slot is one connection at a time and walks through connect,
 * handshake, reply and close; whatever ends it, well or badly, frees the slot for the next: in a
 * closed loop at once, in an open one when the next is meant to start, the time of which is drawn
 * beforehand and does not care for how the others fare. Connections are a wire's (wire.h), slot i has
 * connection i; TLS is tls.c's. A tick every few milliseconds looks for slots that are overdue, so nothing
 * waits for ever. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>
#include "bench/hfbench/hfbench.h"
#include "bench/hfbench/tls.h"
#include "lib/os/os.h"

#define TICK_MS 5
#define BACKOFF_NS (10 * HF_NS_MS) /* after a failure, so that a dead server is not hammered */
#define HEAD_MAX 2048u
#define READ_SIZE 131072u /* several records at once */
#define STALE_TICKET_LEN 192u
#define RESETS_AT_ONCE 64u

struct slot {
	struct client *client;
	uint32_t conn;
	enum bench_phase phase;
	bool busy, head_done, done; /* done: the reply, or all that was wanted */
	bool counts;                /* its latencies */
	hf_ns began, asked, due;    /* due while idle: when it may start again */
	uint32_t requests_left;
	size_t head_len;
	uint64_t body_left; /* UINT64_MAX: until the server closes */
	uint8_t *left;      /* bytes of a record that is not whole yet */
	size_t left_len;
	struct btls tls;
	struct btls_session session;
	char head[HEAD_MAX + 1];
};

struct client {
	const struct bench_thread *thread;
	const struct bench_opt *opt;
	struct bench_tally *tally;
	bool warming; /* what ends now is not counted in the end, unless it fails */
	struct btls_shared tls;
	struct bench_wire *wire;
	char request[1024];
	size_t request_len;
	struct slot *slot;
	uint32_t resume_due; /* per cent of a connection that has to be a resumed one */
	bool open;           /* the loop, now */
	uint32_t closed_cnt; /* the first so many slots are a closed loop's */
	/* open loop: slots without a connection, the last one freed on top; the next start */
	struct slot **idle; /* NULL: it is never open */
	uint32_t idle_cnt;
	double next_at, until; /* no start is meant to be later */
	double interval_ns;
	struct bench_hist turn_handshake, turn_reply; /* with --near-peak, of this turn */
	uint64_t random;
	struct btls_session last; /* what places without one of their own come back with */
	uint8_t rx[READ_SIZE];
};

static void left_free(struct slot *s)
{
	free(s->left);
	s->left = NULL;
	s->left_len = 0;
}

/* Ends the connection; fin says whether the wire may close it in peace. */
static void slot_end(struct slot *s, bool fin)
{
	struct bench_wire *w = s->client->wire;
	btls_end(&s->tls);
	left_free(s);
	w->cls->close(w, s->conn, !fin);
	if (s->busy && s->client->open)
		s->client->idle[s->client->idle_cnt++] = s;
	s->busy = false;
	s->due = 0;
}

static void session_forget(struct slot *s)
{
	s->session.suite = NULL;
	s->session.ticket_len = 0;
	s->session.id_len = 0;
}

static void slot_fail(struct slot *s, enum bench_cause cause)
{
	struct bench_tally *t = s->client->tally;
	t->fail[s->phase][cause]++;
	atomic_fetch_add_explicit(&t->failed, 1, memory_order_relaxed);
	session_forget(s);
	slot_end(s, false);
	s->due = bench_now_ns() + BACKOFF_NS;
}

static enum bench_cause cause_of_errno(int err)
{
	switch (err) {
	case ECONNREFUSED:
		return CAUSE_REFUSED;
	case ECONNRESET:
	case EPIPE:
		return CAUSE_RESET;
	case ETIMEDOUT:
		return CAUSE_TIMEOUT;
	case EADDRNOTAVAIL:
		return CAUSE_NO_PORT;
	case ENETUNREACH:
	case EHOSTUNREACH:
	case ENETDOWN:
		return CAUSE_UNREACHABLE;
	default:
		return CAUSE_LOCAL;
	}
}

/* ---- start ---- */

/* What the next hello of this slot offers: its session of last time, in so many per cent of all; one
 * that the server has forgotten; or nothing. */
static void choose_session(struct slot *s)
{
	struct client *c = s->client;
	const struct bench_opt *o = c->opt;
	c->resume_due += o->resume == RESUME_NONE ? 0 : o->resume_percent;
	if (c->resume_due < 100) {
		session_forget(s);
	} else {
		c->resume_due -= 100;
		if (!s->session.suite && c->idle)
			s->session = c->last;
	}
	if (!o->stale)
		return;
	s->session = (struct btls_session){.suite = o->tls.suite[0], .ems = o->tls.ems};
	s->session.ticket_len = STALE_TICKET_LEN;
	bench_random(&c->tls.crypt, s->session.ticket, STALE_TICKET_LEN);
}

/* meant_at: where its latencies count from. */
static void slot_start(struct slot *s, hf_ns meant_at, hf_ns now)
{
	struct client *c = s->client;
	const struct bench_opt *o = c->opt;
	s->busy = true;
	s->phase = PHASE_CONNECT;
	s->done = false;
	s->requests_left = o->request ? o->requests : 0;
	s->began = meant_at;
	s->counts = bench_pace_counts(&c->tally->pace, meant_at);
	s->due = now + o->timeout_ms * HF_NS_MS;
	atomic_fetch_add_explicit(&c->tally->started, 1, memory_order_relaxed);
	choose_session(s);
	btls_begin(&s->tls, &c->tls, &s->session);
	if (c->wire->cls->open(c->wire, s->conn))
		slot_fail(s, cause_of_errno(errno));
}

/* ---- what is sent: each returns false when the connection has ended ---- */

static bool slot_flush(struct slot *s)
{
	struct bench_wire *w = s->client->wire;
	struct btls *t = &s->tls;
	while (t->flight_at < t->flight_len) {
		ssize_t n = w->cls->write(w, s->conn, t->flight + t->flight_at,
			(size_t)(t->flight_len - t->flight_at));
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (n < 0 && s->phase == PHASE_CLOSE) {
			s->client->tally->closed_by_rst++;
			slot_end(s, false);
			return false;
		}
		if (n < 0) {
			slot_fail(s, cause_of_errno(errno));
			return false;
		}
		t->flight_at = (uint16_t)(t->flight_at + n);
	}
	if (s->phase == PHASE_CONNECT)
		s->phase = PHASE_HANDSHAKE;
	return true;
}

/* In peace: close_notify and FIN, then read until the server's FIN, because closing with unread
 * bytes makes the kernel send RST (RFC 9293 3.10.4 allows it, Linux does). Or close_notify, and RST
 * when the server has answered it: it has read then all that it was sent. */
static bool begin_close(struct slot *s)
{
	s->phase = PHASE_CLOSE;
	if (s->client->opt->close == CLOSE_RST) {
		slot_end(s, false);
		return false;
	}
	if (!btls_close(&s->tls)) {
		slot_fail(s, CAUSE_LOCAL);
		return false;
	}
	if (!slot_flush(s))
		return false;
	if (s->client->opt->close == CLOSE_FIN)
		s->client->wire->cls->end(s->client->wire, s->conn);
	return true;
}

static bool next_request(struct slot *s)
{
	struct client *c = s->client;
	if (c->opt->hold && !s->requests_left) {
		s->phase = PHASE_HOLD;
		s->due = HF_NS_NEVER;
		return slot_flush(s);
	}
	if (!s->requests_left)
		return slot_flush(s) && begin_close(s);
	if (s->requests_left != BENCH_UNLIMITED)
		s->requests_left--;
	s->head_done = s->done = false;
	s->head_len = 0;
	if (s->phase == PHASE_REPLY) /* of the first one the connection is a part */
		s->began = bench_now_ns();
	s->phase = PHASE_REPLY;
	s->due = bench_now_ns() + c->opt->timeout_ms * HF_NS_MS;
	if (btls_send(&s->tls, c->request, c->request_len))
		return slot_flush(s);
	slot_fail(s, CAUSE_LOCAL);
	return false;
}

/* ---- what comes ---- */

static void latency(const struct slot *s, struct bench_hist *all, struct bench_hist *of_turn)
{
	uint64_t ns = bench_now_ns() - s->began;
	if (!s->counts)
		return;
	bench_hist_add(all, ns);
	if (s->client->opt->near_peak)
		bench_hist_add(of_turn, ns);
}

static bool handshake_done(struct slot *s)
{
	struct bench_tally *t = s->client->tally;
	latency(s, &t->handshake, &s->client->turn_handshake);
	atomic_fetch_add_explicit(&t->handshakes, 1, memory_order_relaxed);
	t->resumed += s->tls.resumed;
	if (s->client->idle && !s->tls.resumed)
		s->client->last = s->session;
	if (!t->cipher[0])
		(void)snprintf(t->cipher, sizeof(t->cipher), "%s", s->tls.suite->name);
	return next_request(s);
}

/* The head is complete: what is the status, and how long is the body? Without a
 * length it ends with the connection, and there is no next request. */
static enum bench_cause head_judge(struct slot *s)
{
	char *line, *rest = s->head;
	s->body_left = UINT64_MAX;
	if (strncmp(s->head, "HTTP/1.", 7) || s->head_len < 12)
		return CAUSE_GARBLED;
	if (s->head[9] != '2')
		return CAUSE_STATUS;
	while ((line = strsep(&rest, "\n")))
		if (!strncasecmp(line, "content-length:", 15))
			s->body_left = strtoull(line + 15, NULL, 10);
	return s->body_left == UINT64_MAX && s->requests_left ? CAUSE_GARBLED : CAUSE_CNT;
}

static bool reply_done(struct slot *s)
{
	struct client *c = s->client;
	latency(s, &c->tally->reply, &c->turn_reply);
	atomic_fetch_add_explicit(&c->tally->replies, 1, memory_order_relaxed);
	return next_request(s);
}

static bool take_reply(struct slot *s, const uint8_t *p, size_t len)
{
	enum bench_cause bad;
	size_t head = 0;
	char *end;
	if (!s->head_done) {
		size_t before = s->head_len;
		head = HF_MIN(len, HEAD_MAX - before);
		memcpy(s->head + before, p, head);
		s->head_len += head;
		s->head[s->head_len] = '\0';
		end = strstr(s->head, "\r\n\r\n");
		if (!end && s->head_len < HEAD_MAX)
			return true;
		if (!end) {
			slot_fail(s, CAUSE_GARBLED);
			return false;
		}
		head = (size_t)(end + 4 - s->head) - before;
		end[2] = '\0';
		s->head_done = true;
		bad = head_judge(s);
		if (bad != CAUSE_CNT) {
			slot_fail(s, bad);
			return false;
		}
	}
	len -= head;
	s->client->tally->reply_bytes += len;
	if (s->body_left == UINT64_MAX)
		return true;
	s->body_left -= HF_MIN(s->body_left, len);
	return s->body_left ? true : reply_done(s);
}

static bool server_closes(struct slot *s)
{
	if (s->phase == PHASE_REPLY && s->head_done && s->body_left == UINT64_MAX)
		return reply_done(s);
	if (s->phase != PHASE_CLOSE)
		slot_fail(s, CAUSE_CLOSED);
	return s->phase == PHASE_CLOSE;
}

static bool tls_fails(struct slot *s, enum btls_got got)
{
	struct bench_tally *t = s->client->tally;
	if (got == BTLS_ALERT)
		t->alert[s->tls.alert]++;
	if (got == BTLS_BAD && !t->example[0])
		(void)snprintf(t->example, sizeof(t->example), "%s", s->tls.why);
	slot_fail(s, got == BTLS_ALERT       ? CAUSE_ALERT
		     : got == BTLS_UNTRUSTED ? CAUSE_CERTIFICATE
					     : CAUSE_PROTOCOL);
	return false;
}

/* Records at p, each to whom it concerns; what is left of the last one is kept. */
static bool slot_take(struct slot *s, uint8_t *p, size_t len)
{
	struct hf_span plain;
	size_t used;
	while (s->phase != PHASE_CLOSE) {
		enum btls_got got = btls_record(&s->tls, p, len, &used, &plain);
		bool go_on = true;
		p += used;
		len -= used;
		if (got == BTLS_MORE)
			break;
		if (got == BTLS_QUIET)
			go_on = slot_flush(s);
		else if (got == BTLS_DONE)
			go_on = handshake_done(s);
		else if (got == BTLS_DATA && s->phase == PHASE_REPLY)
			go_on = take_reply(s, plain.p, plain.len);
		else if (got == BTLS_END)
			go_on = server_closes(s);
		else if (got != BTLS_DATA)
			go_on = tls_fails(s, got);
		if (!go_on)
			return false;
	}
	left_free(s);
	if (s->phase == PHASE_CLOSE || !len)
		return true;
	s->left = malloc(len);
	HF_ASSERT(s->left);
	memcpy(s->left, p, len);
	s->left_len = len;
	return true;
}

static void slot_eof(struct slot *s)
{
	if (s->phase == PHASE_CLOSE)
		slot_end(s, s->client->opt->close == CLOSE_FIN);
	else
		slot_fail(s, CAUSE_EOF);
}

static void slot_broken(struct slot *s, int err)
{
	if (s->phase != PHASE_CLOSE) {
		slot_fail(s, cause_of_errno(err));
		return;
	}
	/* A server that closed first answers our close_notify with RST: told apart, no failure. */
	s->client->tally->closed_by_rst++;
	slot_end(s, false);
}

/* A read that does not fill the buffer has emptied the socket, unless the end is behind it. */
static void slot_step(struct slot *s, const struct bench_event *ev)
{
	struct client *c = s->client;
	ssize_t got;
	size_t kept;
	if (!slot_flush(s) || !ev->readable)
		return;
	do {
		kept = s->left_len;
		if (kept)
			memcpy(c->rx, s->left, kept);
		got = c->wire->cls->read(c->wire, s->conn, c->rx + kept, sizeof(c->rx) - kept);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (got < 0) {
			slot_broken(s, errno);
			return;
		}
		if (got == 0) {
			slot_eof(s);
			return;
		}
		if (s->phase == PHASE_CLOSE && c->opt->close == CLOSE_ANSWERED) {
			slot_end(s, false);
			return;
		}
		if (!slot_take(s, c->rx, kept + (size_t)got))
			return;
	} while (ev->ends || (size_t)got == sizeof(c->rx) - kept);
}

/* Takes the right to start one more connection; with --total there are only so many. */
static bool ticket_take(struct client *c)
{
	uint64_t left = atomic_load_explicit(c->thread->tickets, memory_order_relaxed);
	while (left && !atomic_compare_exchange_weak_explicit(c->thread->tickets, &left, left - 1,
			       memory_order_relaxed, memory_order_relaxed))
		;
	return left != 0;
}

/* In a closed loop a connection follows another in its place. */
static bool may_follow(const struct slot *s)
{
	return !s->client->open && s->conn < s->client->closed_cnt;
}

/* Ends overdue slots, and in a closed loop fills idle ones; returns how many are busy. A slot is
 * started once per round, so that connections which fail at once cannot keep the loop here. */
static uint32_t slots_tend(struct client *c, hf_ns now)
{
	uint32_t i, busy = 0;
	for (i = 0; i < c->thread->slot_cnt; i++) {
		struct slot *s = &c->slot[i];
		if (s->busy && now > s->due)
			slot_fail(s, CAUSE_TIMEOUT);
		if (!s->busy && may_follow(s) && now >= s->due && ticket_take(c))
			slot_start(s, now, now);
		busy += s->busy;
	}
	return busy;
}

/* ---- open loop ---- */

/* Times between independent arrivals are exponential. xorshift64 (Marsaglia 2003) is good enough, and
 * gives the same times in every run. */
static void next_draw(struct client *c)
{
	c->random ^= c->random << 13;
	c->random ^= c->random >> 7;
	c->random ^= c->random << 17;
	c->next_at -= log(((double)(c->random >> 11) + 1) / 9007199254740993.0) * c->interval_ns;
}

static void open_make(struct client *c)
{
	c->idle = calloc(c->thread->slot_cnt, sizeof(struct slot *));
	HF_ASSERT(c->idle);
	c->random = c->thread->seed * 0x9e3779b97f4a7c15;
}

/* From now on: what is under way goes on. */
static void open_begin(struct client *c, double interval_ns)
{
	uint32_t i;
	c->open = true;
	c->idle_cnt = 0;
	for (i = 0; i < c->thread->slot_cnt; i++)
		if (!c->slot[i].busy)
			c->idle[c->idle_cnt++] = &c->slot[i];
	c->interval_ns = interval_ns;
	c->next_at = (double)bench_now_ns();
	c->until = HUGE_VAL;
	next_draw(c);
}

/* Who comes back was there before: one connection alone fetches a session. Otherwise a rate that is one of
 * resumptions would begin with as many full handshakes a second, which nobody bears. */
static bool open_primed(struct client *c, hf_ns now)
{
	if (c->opt->resume == RESUME_NONE || c->last.suite)
		return true;
	if (c->idle_cnt == c->thread->slot_cnt && now >= c->idle[c->idle_cnt - 1]->due &&
		ticket_take(c))
		slot_start(c->idle[--c->idle_cnt], now, now);
	c->next_at = (double)now;
	return false;
}

static void open_start(struct client *c)
{
	hf_ns now = bench_now_ns();
	if (!open_primed(c, now))
		return;
	while (c->next_at <= HF_MIN((double)now, c->until) && c->idle_cnt && ticket_take(c)) {
		hf_ns meant_at = (hf_ns)c->next_at;
		next_draw(c);
		if (bench_pace_counts(&c->tally->pace, meant_at))
			bench_hist_add(&c->tally->delay, now - meant_at);
		slot_start(c->idle[--c->idle_cnt], meant_at, now);
	}
}

static void open_end(struct client *c)
{
	double now = HF_MIN((double)bench_now_ns(), c->until);
	for (; c->open && c->next_at <= now && ticket_take(c); next_draw(c))
		c->tally->missed++;
	free(c->idle);
	c->idle = NULL;
	c->open = false;
}

/* ---- */

/* Waits for events, until the next tick or start at most. */
static uint32_t wait_events(struct client *c, struct bench_event *ev, uint32_t max)
{
	double ns = TICK_MS * (double)HF_NS_MS, left;
	if (c->open && c->idle_cnt && c->next_at <= c->until) {
		left = c->next_at - (double)bench_now_ns();
		ns = HF_MAX(0, HF_MIN(ns, left));
	}
	return c->wire->cls->wait(c->wire, ev, max, (hf_ns)ns);
}

/* Failures stay. */
static void count_anew(struct client *c)
{
	struct bench_tally *t = c->tally;
	c->warming = false;
	t->warmup.handshakes = atomic_exchange(&t->handshakes, 0);
	t->warmup.replies = atomic_exchange(&t->replies, 0);
	atomic_store(&t->started, 0);
	t->resumed = t->reply_bytes = t->closed_by_rst = 0;
	t->handshake = t->reply = t->delay = (struct bench_hist){.cnt = 0};
}

/* ---- turns of --near-peak ---- */

static void take_turns(struct client *c, hf_ns now, uint32_t busy)
{
	struct bench_pace *p = &c->tally->pace;
	uint64_t done = c->opt->request ? c->tally->replies : c->tally->handshakes;
	switch (bench_pace_step(p, now, done, !busy && c->next_at > c->until)) {
	case PACE_HOLD:
		open_begin(c, 0);
		c->until = 0;
		break;
	case PACE_OPEN:
		open_begin(c, 1e9 / p->turn.rate);
		break;
	case PACE_COUNT:
		c->turn_handshake = c->turn_reply = (struct bench_hist){.cnt = 0};
		c->until = (double)p->until;
		break;
	case PACE_CLOSE:
		p->turn.handshake = bench_hist_percentiles(&c->turn_handshake);
		p->turn.reply = bench_hist_percentiles(&c->turn_reply);
		c->open = false;
		break;
	case PACE_GO_ON:
		break;
	}
}

static void loop(struct client *c)
{
	struct bench_event ev[256];
	hf_ns next_tick = 0, now;
	uint32_t i, cnt;
	for (;;) {
		now = bench_now_ns();
		if (now >= next_tick) {
			uint32_t busy;
			if (atomic_load(c->thread->stop))
				break;
			busy = slots_tend(c, now);
			if (!busy && !atomic_load(c->thread->tickets))
				break;
			if (c->warming && atomic_load(c->thread->warm))
				count_anew(c);
			if (!c->warming)
				take_turns(c, now, busy);
			next_tick = now + TICK_MS * HF_NS_MS;
		}
		if (c->open)
			open_start(c);
		cnt = wait_events(c, ev, HF_ARRAY_LEN(ev));
		for (i = 0; i < cnt; i++) {
			struct slot *s = &c->slot[ev[i].conn];
			if (s->busy)
				slot_step(s, &ev[i]);
			if (!s->busy && !s->due && may_follow(s) && ticket_take(c))
				slot_start(s, bench_now_ns(), bench_now_ns());
		}
	}
}

/* Thousands of resets at once do not fit a server's queue of frames, and of a connection whose reset is lost it
 * hears no more: it would be one of its connections for minutes. */
static void let_resets_out(struct client *c)
{
	struct bench_event ev[64];
	(void)c->wire->cls->wait(c->wire, ev, HF_ARRAY_LEN(ev), 0);
	hf_os_sleep_ns(HF_NS_MS);
}

static void client_free(struct client *c)
{
	uint32_t i, reset = 0;
	for (i = 0; c->slot && i < c->thread->slot_cnt; i++) {
		c->tally->held += c->slot[i].busy && c->slot[i].phase == PHASE_HOLD;
		c->tally->unfinished += c->slot[i].busy && c->slot[i].phase != PHASE_HOLD;
		reset += c->slot[i].busy;
		slot_end(&c->slot[i], false);
		if (reset == RESETS_AT_ONCE) {
			let_resets_out(c);
			reset = 0;
		}
	}
	free(c->slot);
	btls_shared_free(&c->tls);
	free(c);
}

void *bench_client_run(void *thread)
{
	struct bench_thread *t = thread;
	struct client *c = calloc(1, sizeof(*c));
	uint32_t i;
	HF_ASSERT(c);
	c->thread = t;
	c->opt = t->opt;
	c->tally = t->tally;
	c->wire = t->wire;
	c->warming = t->warm != NULL;
	c->slot = calloc(t->slot_cnt, sizeof(*c->slot));
	HF_ASSERT(c->slot);
	HF_ASSERT(btls_shared_make(&c->tls, &c->opt->tls, t->seed ^ bench_now_ns()));
	for (i = 0; i < t->slot_cnt; i++) {
		c->slot[i].client = c;
		c->slot[i].conn = i;
	}
	if (t->opt->request)
		c->request_len = (size_t)snprintf(c->request, sizeof(c->request),
			"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: hfbench\r\n"
			"Connection: %s\r\n\r\n",
			t->opt->request, t->opt->tls.sni ? t->opt->tls.sni : "localhost",
			t->opt->requests == 1 && !t->opt->hold ? "close" : "keep-alive");
	c->closed_cnt = t->opt->near_peak ? t->opt->concurrent : t->slot_cnt;
	c->tally->pace.percent = t->opt->near_peak;
	if (t->interval_ns > 0 || t->opt->near_peak)
		open_make(c);
	if (t->interval_ns > 0)
		open_begin(c, t->interval_ns);
	loop(c);
	if (c->idle)
		open_end(c);
	c->tally->verified = c->tls.verified;
	client_free(c);
	return NULL;
}
