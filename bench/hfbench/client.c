/* client.c -- one thread's loop. A slot is one connection at a time and walks through connect,
 * handshake, reply and close; whatever ends it, well or badly, frees the slot for the next: in a
 * closed loop at once, in an open one when the next is meant to start, the time of which is drawn
 * beforehand and does not care for how the others fare. Edge-triggered epoll: a slot is stepped until
 * libssl says that it waits. A tick every few milliseconds looks for slots that are overdue, so
 * nothing waits for ever. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include "bench/hfbench/hfbench.h"

#define TICK_MS 5
#define BACKOFF_NS (10 * HF_NS_MS) /* after a failure, so that a dead server is not hammered */
#define HEAD_MAX 4096u
#define READ_SIZE 16384

struct slot {
	struct client *client;
	int fd;
	SSL *ssl;
	SSL_SESSION *session;
	enum bench_phase phase;
	bool busy, verify, head_done;
	hf_ns began, due; /* idle: when it may start again */
	size_t sent, head_len;
	uint64_t body_left; /* UINT64_MAX: until the server closes */
	char head[HEAD_MAX + 1];
};

struct client {
	const struct bench_thread *thread;
	const struct bench_opt *opt;
	struct bench_tally *tally;
	int epoll;
	char request[1024];
	size_t request_len;
	struct slot *slot;
	uint32_t since_verify;
	/* open loop: slots without a connection, the last one freed on top; the next start */
	struct slot **idle;
	uint32_t idle_cnt;
	double next_at;
	uint64_t random;
	uint8_t body[READ_SIZE];
};

static hf_ns now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (hf_ns)t.tv_sec * HF_NS_S + (hf_ns)t.tv_nsec;
}

/* libssl builds and checks the chain even under SSL_VERIFY_NONE; this skips the unsampled ones. */
static int verify_sampled(X509_STORE_CTX *store, void *none HF_UNUSED)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct slot *s = SSL_get_app_data(ssl);
	if (!s->verify)
		return 1;
	s->client->tally->verified++;
	return X509_verify_cert(store);
}

struct ssl_ctx_st *bench_ctx_make(const struct bench_opt *o, const char **wrong)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	*wrong = NULL;
	if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) ||
		!SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION))
		*wrong = "libssl offers no TLS 1.2 here";
	else if (o->cipher && !SSL_CTX_set_cipher_list(ctx, o->cipher))
		*wrong = "--cipher: unknown name; `openssl ciphers -s -tls1_2` lists them";
	else if (o->ca && !SSL_CTX_load_verify_locations(ctx, o->ca, NULL))
		*wrong = "--ca: cannot read certificates from this file";
	if (*wrong) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
	if (o->resume == RESUME_ID)
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_verify(ctx, o->ca ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, verify_sampled, NULL);
	return ctx;
}

/* Ends the connection; fin says whether the kernel may close it in peace. */
static void slot_end(struct slot *s, bool fin)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};
	if (s->ssl) /* else libssl calls the session spoilt and would not offer it again */
		SSL_set_shutdown(s->ssl, SSL_SENT_SHUTDOWN);
	SSL_free(s->ssl);
	s->ssl = NULL;
	if (s->fd >= 0) {
		if (!fin)
			(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		(void)close(s->fd);
	}
	s->fd = -1;
	if (s->busy && s->client->idle)
		s->client->idle[s->client->idle_cnt++] = s;
	s->busy = false;
	s->due = 0;
}

static void slot_fail(struct slot *s, enum bench_cause cause)
{
	struct bench_tally *t = s->client->tally;
	t->fail[s->phase][cause]++;
	atomic_fetch_add_explicit(&t->failed, 1, memory_order_relaxed);
	SSL_SESSION_free(s->session);
	s->session = NULL;
	slot_end(s, false);
	s->due = now_ns() + BACKOFF_NS;
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

static enum bench_cause cause_of_ssl(struct slot *s)
{
	struct bench_tally *t = s->client->tally;
	unsigned long e = ERR_peek_error();
	int reason = ERR_GET_REASON(e);
	if (SSL_get_verify_result(s->ssl) != X509_V_OK && s->verify)
		return CAUSE_CERTIFICATE;
	if (ERR_GET_LIB(e) != ERR_LIB_SSL)
		reason = 0;
	if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		return CAUSE_EOF;
	if (reason >= SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256) {
		t->alert[reason - SSL_AD_REASON_OFFSET]++;
		return CAUSE_ALERT;
	}
	if (!t->example[0])
		ERR_error_string_n(e, t->example, sizeof(t->example));
	return CAUSE_PROTOCOL;
}

/* After a libssl call that did not succeed: 0 when the slot merely waits, -1 when it has failed. */
static int slot_wait_or_fail(struct slot *s, int ret)
{
	switch (SSL_get_error(s->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		slot_fail(s, CAUSE_CLOSED);
		return -1;
	case SSL_ERROR_SYSCALL:
		slot_fail(s, errno ? cause_of_errno(errno) : CAUSE_EOF);
		return -1;
	default:
		slot_fail(s, cause_of_ssl(s));
		return -1;
	}
}

static int slot_open(struct slot *s)
{
	struct client *c = s->client;
	const struct bench_opt *o = c->opt;
	int one = 1;
	s->fd = socket(o->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	s->ssl = SSL_new(c->thread->ctx);
	if (s->fd < 0 || !s->ssl || !SSL_set_fd(s->ssl, s->fd) || !SSL_set_app_data(s->ssl, s))
		return -1;
	(void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (o->sni && (!SSL_set_tlsext_host_name(s->ssl, o->sni) || !SSL_set1_host(s->ssl, o->sni)))
		return -1;
	if (s->session && !SSL_set_session(s->ssl, s->session))
		return -1;
	return 0;
}

/* meant_at: where its latencies count from. */
static void slot_start(struct slot *s, hf_ns meant_at, hf_ns now)
{
	struct client *c = s->client;
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = s};
	s->busy = true;
	s->phase = PHASE_CONNECT;
	s->sent = s->head_len = 0;
	s->head_done = false;
	s->verify = c->opt->ca && c->since_verify++ % HFBENCH_VERIFY_EVERY == 0;
	s->began = meant_at;
	s->due = now + c->opt->timeout_ms * HF_NS_MS;
	atomic_fetch_add_explicit(&c->tally->started, 1, memory_order_relaxed);
	if (slot_open(s)) {
		slot_fail(s, CAUSE_LOCAL);
		return;
	}
	if (connect(s->fd, (const struct sockaddr *)&c->opt->to, c->opt->to_len) &&
		errno != EINPROGRESS)
		slot_fail(s, cause_of_errno(errno));
	else if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, s->fd,
			 &ev)) /* now: before it, it would hang up */
		slot_fail(s, CAUSE_LOCAL);
}

/* Each step returns 1 when the phase is done, 0 when it waits, -1 when the connection has ended. */
static int step_connect(struct slot *s)
{
	int err = 0;
	socklen_t len = sizeof(err);
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &len) || err) {
		slot_fail(s, cause_of_errno(err ? err : errno));
		return -1;
	}
	return 1;
}

static void keep_session(struct slot *s)
{
	if (s->client->opt->resume == RESUME_NONE || SSL_session_reused(s->ssl))
		return;
	SSL_SESSION_free(s->session);
	s->session = SSL_get1_session(s->ssl);
}

static int step_handshake(struct slot *s)
{
	struct bench_tally *t = s->client->tally;
	int ret = SSL_connect(s->ssl);
	if (ret != 1)
		return slot_wait_or_fail(s, ret);
	bench_hist_add(&t->handshake, now_ns() - s->began);
	atomic_fetch_add_explicit(&t->handshakes, 1, memory_order_relaxed);
	t->resumed += (uint64_t)SSL_session_reused(s->ssl);
	if (!t->cipher[0])
		(void)snprintf(t->cipher, sizeof(t->cipher), "%s", SSL_get_cipher_name(s->ssl));
	keep_session(s);
	return 1;
}

/* The head is complete: what is the status, and how long is the body? */
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
	return CAUSE_CNT;
}

static int take_reply(struct slot *s, const uint8_t *p, size_t len)
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
			return 0;
		if (!end) {
			slot_fail(s, CAUSE_GARBLED);
			return -1;
		}
		head = (size_t)(end + 4 - s->head) - before;
		end[2] = '\0';
		s->head_done = true;
		bad = head_judge(s);
		if (bad != CAUSE_CNT) {
			slot_fail(s, bad);
			return -1;
		}
	}
	len -= head;
	s->client->tally->reply_bytes += len;
	if (s->body_left == UINT64_MAX)
		return 0;
	s->body_left -= HF_MIN(s->body_left, len);
	return s->body_left == 0;
}

static int step_reply(struct slot *s)
{
	struct client *c = s->client;
	int ret, done = 0;
	if (!c->opt->request)
		return 1;
	while (s->sent < c->request_len) {
		ret = SSL_write(s->ssl, c->request + s->sent, (int)(c->request_len - s->sent));
		if (ret <= 0)
			return slot_wait_or_fail(s, ret);
		s->sent += (size_t)ret;
	}
	while (!done) {
		ret = SSL_read(s->ssl, c->body, sizeof(c->body));
		if (ret > 0)
			done = take_reply(s, c->body, (size_t)ret);
		else if (SSL_get_error(s->ssl, ret) == SSL_ERROR_ZERO_RETURN && s->head_done &&
			 s->body_left == UINT64_MAX)
			done = 1;
		else
			return slot_wait_or_fail(s, ret);
	}
	if (done < 0)
		return -1;
	bench_hist_add(&c->tally->reply, now_ns() - s->began);
	atomic_fetch_add_explicit(&c->tally->replies, 1, memory_order_relaxed);
	return 1;
}

/* In peace: close_notify and FIN, then read until the server's FIN, because closing with unread
 * bytes makes the kernel send RST (RFC 9293 3.10.4 allows it, Linux does). */
static int step_close(struct slot *s)
{
	ssize_t got;
	if (s->client->opt->close_rst) {
		slot_end(s, false);
		return -1;
	}
	if (!(SSL_get_shutdown(s->ssl) & SSL_SENT_SHUTDOWN)) {
		(void)SSL_shutdown(s->ssl);
		(void)shutdown(s->fd, SHUT_WR);
	}
	do
		got = recv(s->fd, s->client->body, sizeof(s->client->body), 0);
	while (got > 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* A server that closed first answers our close_notify with RST: told apart, no failure. */
	s->client->tally->closed_by_rst += got < 0;
	slot_end(s, got == 0);
	return -1;
}

static int (*const step[PHASE_CNT])(struct slot *) = {
	[PHASE_CONNECT] = step_connect,
	[PHASE_HANDSHAKE] = step_handshake,
	[PHASE_REPLY] = step_reply,
	[PHASE_CLOSE] = step_close,
};

static void slot_step(struct slot *s)
{
	int did;
	do {
		ERR_clear_error();
		errno = 0;
		did = step[s->phase](s);
		if (did > 0)
			s->phase++;
	} while (did > 0);
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

/* Ends overdue slots, and in a closed loop fills idle ones; returns how many are busy. A slot is
 * started once per round, so that connections which fail at once cannot keep the loop here. */
static uint32_t slots_tend(struct client *c, hf_ns now)
{
	uint32_t i, busy = 0;
	for (i = 0; i < c->thread->slot_cnt; i++) {
		struct slot *s = &c->slot[i];
		if (s->busy && now > s->due)
			slot_fail(s, CAUSE_TIMEOUT);
		if (!s->busy && !c->idle && now >= s->due && ticket_take(c))
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
	c->next_at -=
		log(((double)(c->random >> 11) + 1) / 9007199254740993.0) * c->thread->interval_ns;
}

static void open_begin(struct client *c)
{
	uint32_t i;
	c->idle = calloc(c->thread->slot_cnt, sizeof(struct slot *));
	HF_ASSERT(c->idle);
	for (i = 0; i < c->thread->slot_cnt; i++)
		c->idle[c->idle_cnt++] = &c->slot[i];
	c->random = c->thread->seed * 0x9e3779b97f4a7c15;
	c->next_at = (double)now_ns();
	next_draw(c);
}

static void open_start(struct client *c)
{
	hf_ns now = now_ns();
	while (c->next_at <= (double)now && c->idle_cnt && ticket_take(c)) {
		hf_ns meant_at = (hf_ns)c->next_at;
		next_draw(c);
		bench_hist_add(&c->tally->delay, now - meant_at);
		slot_start(c->idle[--c->idle_cnt], meant_at, now);
	}
}

static void open_end(struct client *c)
{
	double now = (double)now_ns();
	for (; c->next_at <= now && ticket_take(c); next_draw(c))
		c->tally->missed++;
	free(c->idle);
	c->idle = NULL;
}

/* ---- */

/* Waits for events, until the next tick or start at most. */
static int wait_events(struct client *c, struct epoll_event *ev, int max)
{
	double ns = TICK_MS * (double)HF_NS_MS, left;
	struct timespec t;
	if (c->idle && c->idle_cnt) {
		left = c->next_at - (double)now_ns();
		ns = HF_MAX(0, HF_MIN(ns, left));
	}
	t = (struct timespec){.tv_nsec = (long)ns};
	return epoll_pwait2(c->epoll, ev, max, &t, NULL);
}

static void loop(struct client *c)
{
	struct epoll_event ev[256];
	hf_ns next_tick = 0, now;
	int i, cnt;
	for (;;) {
		now = now_ns();
		if (now >= next_tick) {
			uint32_t busy;
			if (atomic_load(c->thread->stop))
				break;
			busy = slots_tend(c, now);
			if (!busy && !atomic_load(c->thread->tickets))
				break;
			next_tick = now + TICK_MS * HF_NS_MS;
		}
		if (c->idle)
			open_start(c);
		cnt = wait_events(c, ev, HF_ARRAY_LEN(ev));
		for (i = 0; i < cnt; i++) {
			struct slot *s = ev[i].data.ptr;
			if (s->busy)
				slot_step(s);
			if (!s->busy && !s->due && !c->idle && ticket_take(c))
				slot_start(s, now_ns(), now_ns());
		}
	}
}

static void client_free(struct client *c)
{
	uint32_t i;
	for (i = 0; c->slot && i < c->thread->slot_cnt; i++) {
		c->tally->unfinished += c->slot[i].busy;
		slot_end(&c->slot[i], false);
		SSL_SESSION_free(c->slot[i].session);
	}
	free(c->slot);
	if (c->epoll >= 0)
		(void)close(c->epoll);
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
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	c->slot = calloc(t->slot_cnt, sizeof(*c->slot));
	HF_ASSERT(c->epoll >= 0 && c->slot);
	for (i = 0; i < t->slot_cnt; i++) {
		c->slot[i].client = c;
		c->slot[i].fd = -1;
	}
	if (t->opt->request)
		c->request_len = (size_t)snprintf(c->request, sizeof(c->request),
			"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: hfbench\r\n"
			"Connection: close\r\n\r\n",
			t->opt->request, t->opt->sni ? t->opt->sni : "localhost");
	if (t->interval_ns > 0)
		open_begin(c);
	loop(c);
	if (c->idle)
		open_end(c);
	client_free(c);
	SSL_CTX_free(t->ctx);
	return NULL;
}
