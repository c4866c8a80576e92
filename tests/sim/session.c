/* session.c -- bytes walk   lwIP -> held -> rbio -> SSL_read -> exchange   and back
 * exchange -> SSL_write -> wbio -> tcp_write -> lwIP, each step as far as the next one takes.
 * `held` is what lwIP delivered and we have not yet "read": only then does the TCP window open
 * again, so a slow reader here is a slow reader on the wire.
 * Closing has one rule for both roles: when the plan wants to close, close_notify is written; when
 * that has left wbio, FIN; when both FINs are through, the session is over. */
#include <stdio.h>
#include <stdlib.h>
#include <lwip/tcp.h>
#include <openssl/err.h>
#include "tests/sim/session.h"

struct session {
	struct session_plan plan;
	struct peer *host;
	struct tcp_pcb *pcb; /* NULL before connect, and once lwIP has let go of it */
	struct pbuf *held;
	SSL *ssl;
	BIO *rbio, *wbio;
	struct exchange exchange;
	struct rng rng, ssl_rng;
	hf_ns read_at;  /* earliest time of the next read, with read_gap */
	hf_ns alive_at; /* the other side last did something */
	uint16_t port;
	bool server, up, notify_in, notify_out, fin_in, fin_out;
	enum session_result result;
	char why[192];
};

struct listener {
	struct peer *host;
	struct session_plan plan;
	struct rng rng;
	void (*born)(void *ctx, struct session *s);
	void *ctx;
};

/* ---- ends ---- */

/* Takes our hands off the pcb: lwIP finishes the connection alone. */
static struct tcp_pcb *let_go(struct session *s)
{
	struct tcp_pcb *pcb = s->pcb;
	if (pcb == NULL)
		return NULL;
	s->pcb = NULL;
	tcp_arg(pcb, NULL);
	tcp_recv(pcb, NULL);
	tcp_sent(pcb, NULL);
	tcp_err(pcb, NULL);
	return pcb;
}

static void drop_held(struct session *s)
{
	if (s->held != NULL)
		pbuf_free(s->held);
	s->held = NULL;
}

static void over(struct session *s, enum session_result result, const char *why)
{
	struct tcp_pcb *pcb = let_go(s);
	s->result = result;
	snprintf(s->why, sizeof(s->why), "%s", why);
	drop_held(s);
	if (pcb != NULL)
		tcp_abort(pcb);
}

static void write_tcp(struct session *s)
{
	char *p;
	size_t left, len;
	while (s->pcb != NULL && (left = (size_t)BIO_get_mem_data(s->wbio, &p)) > 0) {
		size_t piece =
			s->plan.piece_max != 0 ? rng_range(&s->rng, 1, s->plan.piece_max) : left;
		len = HF_MIN(HF_MIN(left, piece), tcp_sndbuf(s->pcb));
		if (len == 0 || tcp_write(s->pcb, p, (u16_t)len, TCP_WRITE_FLAG_COPY) != ERR_OK)
			break;
		if (s->plan.piece_max != 0)
			tcp_output(s->pcb);
		/* Reading n bytes is how a memory BIO forgets them. */
		for (uint8_t sink[4096]; len > 0;)
			len -= (size_t)BIO_read(s->wbio, sink, (int)HF_MIN(len, sizeof(sink)));
	}
	if (s->pcb != NULL)
		tcp_output(s->pcb);
}

/* The alert, if libssl wrote one, still goes out ahead of the RST. */
static void over_tls(struct session *s, const char *doing)
{
	char text[160], reason[120] = "no reason given";
	unsigned long e = ERR_peek_last_error();
	if (e != 0)
		ERR_error_string_n(e, reason, sizeof(reason));
	snprintf(text, sizeof(text), "%s: %s", doing, reason);
	ERR_clear_error();
	write_tcp(s);
	over(s, SESSION_TLS_ERROR, text);
}

/* ---- lwIP's callbacks ---- */

static err_t on_recv(void *arg, struct tcp_pcb *pcb HF_UNUSED, struct pbuf *p, err_t err HF_UNUSED)
{
	struct session *s = arg;
	s->alive_at = peer_now(s->host);
	if (p == NULL)
		s->fin_in = true;
	else if (s->held == NULL)
		s->held = p;
	else
		pbuf_cat(s->held, p);
	return ERR_OK;
}

/* The plan asked for it, or brought it upon itself. */
static bool reset_is_right(const struct session *s)
{
	return s->plan.end == SESSION_IGNORE ||
	       (s->exchange.plan.flags & EXCHANGE_SERVER_RESETS) != 0;
}

/* lwIP has freed the pcb. ERR_CLSD is the good end: our FIN, the last to go, was acknowledged. */
static void on_err(void *arg, err_t err)
{
	struct session *s = arg;
	char text[64];
	s->pcb = NULL;
	if (err == ERR_CLSD)
		return;
	snprintf(text, sizeof(text), "%s (lwIP %d) %s", err == ERR_RST ? "reset" : "given up", err,
		!s->up                          ? "before the connection was up"
		: !SSL_is_init_finished(s->ssl) ? "in the handshake"
						: "after the handshake");
	if (err != ERR_RST)
		over(s, SESSION_GIVEN_UP, text);
	else if (SSL_is_init_finished(s->ssl) && reset_is_right(s))
		over(s, SESSION_DONE, "");
	else
		over(s, SESSION_RESET, text);
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb HF_UNUSED, u16_t len HF_UNUSED)
{
	struct session *s = arg;
	s->alive_at = peer_now(s->host);
	return ERR_OK;
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb HF_UNUSED, err_t err HF_UNUSED)
{
	((struct session *)arg)->up = true;
	return ERR_OK;
}

/* ---- birth ---- */

static struct session *session_new(struct peer *host, const struct session_plan *plan, bool server)
{
	struct session *s = calloc(1, sizeof(*s));
	struct rng root = {plan->seed};
	HF_ASSERT(s != NULL && plan->record_max >= 1 && plan->record_max <= 16384);
	s->plan = *plan;
	s->host = host;
	s->server = server;
	s->rng = rng_split(&root, 1);
	s->ssl_rng = rng_split(&root, 2);
	sslkit_dice(&s->ssl_rng);
	s->ssl = SSL_new(plan->ctx);
	s->rbio = BIO_new(BIO_s_mem());
	s->wbio = BIO_new(BIO_s_mem());
	HF_ASSERT(s->ssl != NULL && s->rbio != NULL && s->wbio != NULL);
	BIO_set_mem_eof_return(s->rbio, -1); /* empty means "later", not the end */
	SSL_set_bio(s->ssl, s->rbio, s->wbio);
	if (plan->no_ticket)
		SSL_set_options(s->ssl, SSL_OP_NO_TICKET);
	if (plan->no_ems)
		SSL_set_options(s->ssl, SSL_OP_NO_EXTENDED_MASTER_SECRET);
	if (plan->comes_back != NULL && *plan->comes_back != NULL &&
		SSL_is_init_finished((*plan->comes_back)->ssl))
		HF_ASSERT(SSL_set_session(s->ssl, SSL_get0_session((*plan->comes_back)->ssl)) == 1);
	if (plan->cipher != NULL)
		HF_ASSERT(SSL_set_cipher_list(s->ssl, plan->cipher) == 1);
	if (server) {
		exchange_server(&s->exchange, plan->lie);
		SSL_set_accept_state(s->ssl);
	} else {
		exchange_client(&s->exchange, &plan->exchange);
		SSL_set_connect_state(s->ssl);
		if (plan->cert != NULL)
			HF_ASSERT(SSL_use_certificate(s->ssl, plan->cert) == 1 &&
				  SSL_use_PrivateKey(s->ssl, plan->key) == 1);
		HF_ASSERT(SSL_set_tlsext_host_name(s->ssl, SSLKIT_NAME) == 1);
		HF_ASSERT(SSL_set1_host(s->ssl, SSLKIT_NAME) == 1);
	}
	return s;
}

static void adopt(struct session *s, struct tcp_pcb *pcb)
{
	s->pcb = pcb;
	s->alive_at = peer_now(s->host);
	tcp_arg(pcb, s);
	tcp_recv(pcb, on_recv);
	tcp_sent(pcb, on_sent);
	tcp_err(pcb, on_err);
	if (s->plan.nodelay)
		tcp_nagle_disable(pcb);
	/* Who only listens would never learn that the other side gave up: its RST may get lost. */
	ip_set_option(pcb, SOF_KEEPALIVE);
	pcb->keep_idle = (uint32_t)(s->plan.patience / 5 / HF_NS_MS);
	pcb->keep_intvl = 10 * 1000;
}

static void to_lwip(ip_addr_t *to, const struct hf_addr *from)
{
	memset(to, 0, sizeof(*to));
	if (hf_addr_is_v4(from)) {
		IP_SET_TYPE(to, IPADDR_TYPE_V4);
		memcpy(&ip_2_ip4(to)->addr, from->b + 12, 4);
	} else {
		IP_SET_TYPE(to, IPADDR_TYPE_V6);
		memcpy(ip_2_ip6(to)->addr, from->b, 16);
	}
}

struct session *session_connect(struct peer *host, hf_ns now, const struct session_plan *plan)
{
	struct session *s = session_new(host, plan, false);
	struct tcp_pcb *pcb;
	ip_addr_t addr;
	err_t err;
	peer_enter(host, now);
	to_lwip(&addr, &plan->addr);
	pcb = tcp_new_ip_type(IP_GET_TYPE(&addr));
	HF_ASSERT(pcb != NULL);
	adopt(s, pcb);
	err = tcp_connect(pcb, &addr, plan->port, on_connected);
	if (err == ERR_BUF) /* lwIP's dice said 65535, and the next port, which is none, is 0 */
		err = tcp_connect(pcb, &addr, plan->port, on_connected);
	HF_ASSERT(err == ERR_OK);
	s->port = pcb->local_port;
	return s;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct listener *l = arg;
	struct session *s;
	if (err != ERR_OK || pcb == NULL)
		return ERR_VAL;
	l->plan.seed = rng_u64(&l->rng);
	s = session_new(l->host, &l->plan, true);
	s->up = true;
	adopt(s, pcb);
	l->born(l->ctx, s);
	return ERR_OK;
}

void session_listen(struct peer *host, hf_ns now, uint16_t port, const struct session_plan *plan,
	void (*born)(void *ctx, struct session *s), void *ctx)
{
	struct listener *l;
	struct tcp_pcb *pcb;
	peer_enter(host, now);
	l = mem_malloc(sizeof(*l)); /* lives and goes with the host */
	*l = (struct listener){host, *plan, {plan->seed}, born, ctx};
	pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);
	HF_ASSERT(pcb != NULL && tcp_bind(pcb, IP_ANY_TYPE, port) == ERR_OK);
	pcb = tcp_listen(pcb);
	HF_ASSERT(pcb != NULL);
	tcp_arg(pcb, l);
	tcp_accept(pcb, on_accept);
}

/* ---- work ---- */

static bool ignores(const struct session *s)
{
	return s->plan.end == SESSION_IGNORE && SSL_is_init_finished(s->ssl);
}

static void take_held(struct session *s, hf_ns now)
{
	size_t room = s->plan.read_gap != 0 ? s->plan.read_max : SIZE_MAX;
	if (s->held == NULL || now < s->read_at || ignores(s))
		return;
	while (s->held != NULL && room > 0) {
		uint16_t len = (uint16_t)HF_MIN(room, s->held->len);
		HF_ASSERT(BIO_write(s->rbio, s->held->payload, len) == len);
		s->held = pbuf_free_header(s->held, len);
		if (s->pcb != NULL)
			tcp_recved(s->pcb, len);
		room -= len;
	}
	s->read_at = now + s->plan.read_gap;
}

static bool would_block(struct session *s, int ret)
{
	int e = SSL_get_error(s->ssl, ret);
	return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE;
}

static void read_tls(struct session *s)
{
	uint8_t buf[4096];
	char why[64];
	int len;
	if (s->notify_in)
		return;
	while ((len = SSL_read(s->ssl, buf, sizeof(buf))) > 0) {
		if (exchange_in(&s->exchange, buf, (size_t)len)) {
			snprintf(why, sizeof(why), "wrong byte at %u", s->exchange.in);
			over(s, SESSION_CORRUPT, why);
			return;
		}
	}
	if (SSL_get_error(s->ssl, len) == SSL_ERROR_ZERO_RETURN)
		s->notify_in = true;
	else if (!would_block(s, len))
		over_tls(s, "read");
}

/* Encrypts ahead of TCP by two records at most, so that a window closed by the other side stops
 * the exchange as it stops an application. */
static void write_tls(struct session *s)
{
	uint8_t buf[16384];
	while (!s->notify_out && BIO_ctrl_pending(s->wbio) < 2 * sizeof(buf)) {
		size_t cap = rng_range(&s->rng, 1, s->plan.record_max);
		int len = (int)exchange_out(&s->exchange, buf, cap);
		if (len == 0)
			return;
		if (SSL_write(s->ssl, buf, len) != len) {
			over_tls(s, "write");
			return;
		}
	}
}

static bool wants_to_close(const struct session *s)
{
	bool in = exchange_in_done(&s->exchange), out = exchange_out_done(&s->exchange);
	if (s->server)
		return out && (s->notify_in || (s->exchange.plan.flags & EXCHANGE_SERVER_CLOSES));
	switch (s->plan.end) {
	case SESSION_TIDY:
		return in && out;
	case SESSION_HALF:
		return out;
	case SESSION_WAIT:
		return s->notify_in;
	default:
		return false;
	}
}

/* The rude ends; true when the session is over or has sent its FIN out of turn. */
static bool end_rudely(struct session *s)
{
	if (s->server && (s->exchange.plan.flags & EXCHANGE_SERVER_RESETS) &&
		exchange_out_done(&s->exchange)) {
		over(s, SESSION_DONE, "");
		return true;
	}
	if (s->server || s->plan.end < SESSION_ABORT || s->plan.end == SESSION_IGNORE ||
		s->exchange.in < s->plan.end_at)
		return false;
	if (s->plan.end == SESSION_TRUNCATE) {
		struct tcp_pcb *pcb = s->pcb;
		drop_held(s);
		tcp_recved(pcb, (u16_t)HF_MIN(TCP_WND_MAX(pcb) - pcb->rcv_wnd, UINT16_MAX));
		let_go(s);
		tcp_close(pcb);
		s->result = SESSION_DONE;
		return true;
	}
	peer_mute(s->host, s->plan.end == SESSION_VANISH);
	over(s, SESSION_DONE, "");
	peer_mute(s->host, false);
	return true;
}

static void finish(struct session *s)
{
	if (!s->notify_out && wants_to_close(s)) {
		SSL_shutdown(s->ssl);
		s->notify_out = true;
		write_tcp(s);
	}
	if (s->pcb != NULL && s->notify_out && !s->fin_out && BIO_ctrl_pending(s->wbio) == 0) {
		s->fin_out = tcp_shutdown(s->pcb, 0, 1) == ERR_OK;
	}
	if (!s->fin_in || s->held != NULL)
		return;
	if (!s->notify_in) {
		over(s, SESSION_TRUNCATED, "FIN without close_notify");
	} else if (!exchange_in_done(&s->exchange)) {
		over(s, SESSION_TRUNCATED, "close_notify before the last byte");
	} else if (!s->server && !exchange_out_done(&s->exchange)) {
		over(s, SESSION_TRUNCATED, "close_notify before our last byte was taken");
	} else if (s->fin_out) {
		struct tcp_pcb *pcb = let_go(s);
		if (pcb != NULL)
			tcp_close(pcb);
		s->result = SESSION_DONE;
	}
}

void session_run(struct session *s, hf_ns now)
{
	if (s->result != SESSION_RUNNING)
		return;
	peer_enter(s->host, now);
	if (now - s->alive_at >= s->plan.patience && !ignores(s)) {
		/* the reset that the plan asks for was lost, and after our FIN nothing asks again */
		bool right = s->fin_out && reset_is_right(s);
		over(s, right ? SESSION_DONE : SESSION_STALLED,
			right ? "" : "nothing came and nothing was acknowledged");
		return;
	}
	if (!s->up)
		return;
	sslkit_dice(&s->ssl_rng);
	take_held(s, now);
	if (!SSL_is_init_finished(s->ssl)) {
		int ret = SSL_do_handshake(s->ssl);
		if (ret <= 0 && !would_block(s, ret)) {
			over_tls(s, "handshake");
			return;
		}
	}
	if (SSL_is_init_finished(s->ssl)) {
		read_tls(s);
		if (s->result != SESSION_RUNNING || end_rudely(s))
			return;
		write_tls(s);
	}
	if (s->result == SESSION_RUNNING)
		write_tcp(s);
	if (s->result == SESSION_RUNNING)
		finish(s);
}

hf_ns session_next(const struct session *s)
{
	hf_ns patience = s->alive_at + s->plan.patience;
	if (s->result != SESSION_RUNNING || ignores(s))
		return HF_NS_NEVER;
	return s->held != NULL ? HF_MIN(s->read_at, patience) : patience;
}

void session_dismiss(struct session *s, hf_ns now)
{
	peer_enter(s->host, now);
	over(s, SESSION_DONE, "");
}

void session_free(struct session *s, hf_ns now)
{
	if (s == NULL)
		return;
	peer_enter(s->host, now);
	if (s->result == SESSION_RUNNING)
		over(s, SESSION_DONE, "");
	SSL_free(s->ssl);
	free(s);
}

/* ---- questions ---- */

enum session_result session_result(const struct session *s)
{
	return s->result;
}

const char *session_result_name(enum session_result r)
{
	static const char *const name[SESSION_RESULT_CNT] = {"running", "done", "reset", "given-up",
		"tls-error", "corrupt", "truncated", "stalled"};
	return name[r];
}

const char *session_why(const struct session *s)
{
	return s->why;
}

const struct exchange *session_exchange(const struct session *s)
{
	return &s->exchange;
}

uint16_t session_port(const struct session *s)
{
	return s->port;
}

bool session_resumed(const struct session *s)
{
	return SSL_session_reused(s->ssl) == 1;
}

const char *session_cipher(const struct session *s)
{
	const SSL_CIPHER *c = SSL_get_current_cipher(s->ssl);
	return c != NULL ? SSL_CIPHER_get_name(c) : NULL;
}
