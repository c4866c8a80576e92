/* exchange.c -- a stream that speaks HTTP, one exchange after the other: a request's head is read whole,
 * changed as an intermediary must, and sent to a server, its body behind it; nothing of a next request is
 * looked at before the response is through. Then the connection to the server is free for whoever asks next,
 * and the stream as well.
 *
 * What keeps clients apart: a connection is kept only when the request and its response were both seen to their
 * last byte, and nothing else came; whatever is in doubt ends it. The server may end a kept connection in the
 * moment in which it is used. What is safe to say twice (RFC 9110 9.2.2) is then said again on a new one;
 * the rest goes on a kept one only if the client has had a response before, for then the same could have
 * met him without us (RFC 9112 9.3.1): his connection ends, and he knows what that means. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "app/hfrelay/conn.h"
#include "lib/os/os.h"

enum phase {
	REQUEST_HEAD,
	REQUEST_BODY,
	RESPONSE, /* the request is with the server */
	TUNNEL,
	OVER /* nothing of the client is wanted any more */
};

struct exchange {
	struct hf_os_addr_text client;
	enum phase phase;
	struct hf_http_head req, res;
	struct hf_http_follow to_server, to_client;
	bool answered;       /* the head of its response went to the client */
	bool served;         /* one before did, to its end */
	bool closing;        /* the client's connection ends behind this response */
	struct bytes in;     /* of the client, not looked at yet */
	struct bytes again;  /* the request as it was sent on a kept connection */
	struct bytes partly; /* of a response's head */
};

struct exchange *exchange_new(const struct hf_client_info *info)
{
	struct exchange *x = calloc(1, sizeof(*x));
	struct hf_addr a;
	if (!x)
		return NULL;
	memcpy(a.b, info->client_addr, sizeof(a.b));
	x->client = hf_os_addr_text(&a);
	return x;
}

void exchange_free(struct exchange *x)
{
	if (!x)
		return;
	bytes_drop(&x->in);
	bytes_drop(&x->again);
	bytes_drop(&x->partly);
	free(x);
}

bool exchange_is_tunnel(const struct exchange *x)
{
	return x->phase == TUNNEL;
}

/* ---- answers of our own ---- */

static const char *reason_of(uint32_t status)
{
	switch (status) {
	case 400:
		return "Bad Request";
	case 431:
		return "Request Header Fields Too Large";
	case 501:
		return "Not Implemented";
	case 502:
		return "Bad Gateway";
	case 504:
		return "Gateway Timeout";
	default:
		return "Service Unavailable";
	}
}

/* What waits for a server that will not take it, and what is of no interest any more: dealt with. */
static void drop_up(struct conn *c)
{
	hf_client_consumed(c->stream, c->up.len - c->header_len);
	c->header_len = 0;
	bytes_drop(&c->up);
}

static void drop_in(struct conn *c)
{
	hf_client_consumed(c->stream, c->exchange->in.len);
	bytes_drop(&c->exchange->in);
}

/* In place of a server, and then the client's connection ends; a response that has begun cannot be
 * mended, so that it is cut off with a reset. */
static void answer(struct conn *c, uint32_t status, uint64_t *counter)
{
	struct exchange *x = c->exchange;
	char text[160];
	int len;
	if (x->answered) {
		conn_refuse(c, HF_LINK_RESET_SERVER, counter);
		return;
	}
	++*counter;
	conn_leave(c, true);
	x->phase = OVER;
	drop_up(c);
	drop_in(c);
	len = snprintf(text, sizeof(text),
		"HTTP/1.1 %u %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status,
		reason_of(status));
	c->server_eof = true;
	if (conn_to_client(c, (const uint8_t *)text, (size_t)len))
		conn_run_later(c);
}

void exchange_no_server(struct conn *c, uint64_t *counter)
{
	answer(c, 503, counter);
}

static void refuse_request(struct conn *c, enum hf_http_verdict why)
{
	uint32_t status = why == HF_HTTP_TOO_LARGE ? 431 : why == HF_HTTP_UNSUPPORTED ? 501 : 400;
	answer(c, status, &c->session->relay->stats.requests_refused);
}

/* ---- requests ---- */

/* The request whose head is at the front of `in` goes to a server. False: it does not. */
static bool begin(struct conn *c)
{
	struct exchange *x = c->exchange;
	struct hf_relay *r = c->session->relay;
	const uint8_t *head = x->in.p + x->in.off;
	uint8_t *room = bytes_room(&c->up, x->req.len + HF_HTTP_GROWS);
	size_t len;
	if (!room) {
		conn_refuse(c, HF_LINK_RESET_LIMIT, &r->stats.refused_limit);
		return false;
	}
	len = hf_http_forward_request(&x->req, head, x->client.s, room);
	bytes_add(&c->up, len);
	c->header_len = len;
	hf_http_follow_begin(&x->to_server, &x->req);
	x->phase = REQUEST_BODY;
	r->stats.requests++;
	conn_confirm(c, x->req.len);
	bytes_consume(&x->in, x->req.len);
	c->tried = 0;
	conn_connect(c, x->req.again || x->served);
	if (c->state == CONN_DEAD || x->phase != REQUEST_BODY) /* there is no server */
		return false;
	if (c->srv->kept && x->req.again && !bytes_append(&x->again, c->up.p + c->up.off, len)) {
		conn_refuse(c, HF_LINK_RESET_LIMIT, &r->stats.refused_limit);
		return false;
	}
	return true;
}

/* Of its body, what is there. */
static bool pass_body(struct conn *c)
{
	struct exchange *x = c->exchange;
	const uint8_t *p = x->in.p + x->in.off;
	size_t n = hf_http_follow(&x->to_server, p, x->in.len);
	if (x->to_server.bad) {
		refuse_request(c, HF_HTTP_BAD);
		return false;
	}
	if (!conn_to_server(c, p, n))
		return false;
	bytes_consume(&x->in, n);
	return true;
}

/* Looks at what the client has said as far as it is its turn. */
static void advance(struct conn *c)
{
	struct exchange *x = c->exchange;
	enum hf_http_verdict v;
	while (x->phase == REQUEST_HEAD && x->in.len) {
		v = hf_http_request(x->in.p + x->in.off, x->in.len, &x->req);
		if (v == HF_HTTP_MORE && !c->client_eof)
			return;
		if (v != HF_HTTP_OK) {
			refuse_request(c, v);
			return;
		}
		if (!begin(c))
			return;
	}
	if (x->phase == REQUEST_HEAD && c->client_eof) {
		x->phase = OVER;
		c->server_eof = true;
		conn_run_later(c);
	}
	if (x->phase == REQUEST_BODY) {
		if (x->in.len && !pass_body(c))
			return;
		if (x->to_server.done) {
			x->phase = RESPONSE;
			conn_await(c);
		} else if (c->client_eof && !x->answered) { /* else the answer goes on */
			refuse_request(c, HF_HTTP_BAD);
			return;
		}
	}
	if (x->phase == TUNNEL && x->in.len) {
		if (!conn_to_server(c, x->in.p + x->in.off, x->in.len))
			return;
		bytes_drop(&x->in);
	}
	conn_push_up(c);
}

void exchange_client_data(struct conn *c, const uint8_t *p, size_t len)
{
	struct exchange *x = c->exchange;
	if (x->phase == OVER) {
		hf_client_consumed(c->stream, len);
		return;
	}
	if (bytes_append(&x->in, p, len))
		advance(c);
	else
		conn_refuse(c, HF_LINK_RESET_LIMIT, &c->session->relay->stats.refused_limit);
}

void exchange_client_eof(struct conn *c)
{
	advance(c);
}

/* ---- responses ---- */

/* The response is through; n more bytes came behind it. False as exchange_server_data says. */
static bool finish(struct conn *c, size_t n)
{
	struct exchange *x = c->exchange;
	struct server_conn *v = c->srv;
	bool keep = x->phase == RESPONSE && !x->res.close && !x->req.alone && n == 0 &&
		    c->up.len == 0 && !c->deaf && !v->readable && !v->hung_up;
	if (keep)
		conn_keep(c);
	else
		conn_leave(c, x->phase == REQUEST_BODY);
	drop_up(c);
	bytes_drop(&x->again);
	x->answered = false;
	x->served = true;
	x->phase = x->closing ? OVER : REQUEST_HEAD;
	c->server_eof = x->closing;
	if (x->closing)
		drop_in(c);
	else
		advance(c);
	return false;
}

/* The response is not one that can be passed on. */
static bool bad_response(struct conn *c)
{
	HF_LOG_LIMITED(HF_LOG_WARN, "hfrelay",
		"server %s: its response is not HTTP/1.x as RFC 9112 has it",
		c->session->cfg->farm.server[c->srv->server].name);
	answer(c, 502, &c->session->relay->stats.responses_bad);
	return false;
}

/* A response's head at p, with len bytes from there on; *sent tells where what is to be sent begins. */
static enum hf_http_verdict take_head(struct conn *c, uint8_t *p, size_t len, uint8_t **sent)
{
	struct exchange *x = c->exchange;
	enum hf_http_verdict v = hf_http_response(p, len, &x->req, &x->res);
	size_t now;
	if (v != HF_HTTP_OK)
		return v;
	x->closing = x->req.close || x->res.body == HF_HTTP_UNTIL_CLOSE || x->phase != RESPONSE;
	now = hf_http_forward_response(&x->res, &x->req, p, x->closing, c->session->head);
	/* It grows into the room in front, so that head and body leave as one piece. */
	*sent = p + x->res.len - now;
	memcpy(*sent, c->session->head, now);
	hf_http_follow_begin(&x->to_client, &x->res);
	return v;
}

static bool is_interim(const struct hf_http_head *res)
{
	return res->status < 200 && res->status != 101;
}

size_t exchange_before(const struct exchange *x, uint8_t *buf)
{
	if (x->partly.len)
		memcpy(buf, x->partly.p + x->partly.off, x->partly.len);
	return x->partly.len;
}

/* Passes on the heads that begin at *p, the final one last and not sent yet: it leaves with what is there of its body,
 * from *sent on. False: it is not whole, or not to be passed on. */
static bool pass_heads(struct conn *c, uint8_t **p, uint8_t *end, uint8_t **sent)
{
	struct exchange *x = c->exchange;
	while (*p < end) {
		enum hf_http_verdict v = take_head(c, *p, (size_t)(end - *p), sent);
		if (v == HF_HTTP_MORE) {
			if (!bytes_append(&x->partly, *p, (size_t)(end - *p)))
				conn_refuse(c, HF_LINK_RESET_LIMIT,
					&c->session->relay->stats.refused_limit);
			return false;
		}
		if (v != HF_HTTP_OK) {
			bad_response(c);
			return false;
		}
		*p += x->res.len;
		if (!is_interim(&x->res)) {
			x->answered = true;
			return true;
		}
		/* HTTP/1.0 has no interim responses (RFC 9110 15.2). */
		if (!x->req.http10 && !conn_to_client(c, *sent, (size_t)(*p - *sent)))
			return false;
	}
	return false;
}

bool exchange_server_data(struct conn *c, size_t len)
{
	struct exchange *x = c->exchange;
	uint8_t *p = c->session->buf, *end = p + len, *sent = p;
	bytes_drop(&x->partly);
	if (!x->answered && !pass_heads(c, &p, end, &sent))
		return c->state == CONN_OPEN;
	p += hf_http_follow(&x->to_client, p, (size_t)(end - p));
	if (x->to_client.bad)
		return bad_response(c);
	if (!conn_to_client(c, sent, (size_t)(p - sent)))
		return false;
	if (x->to_client.body == HF_HTTP_TUNNEL) {
		x->phase = TUNNEL;
		advance(c);
		return c->state == CONN_OPEN && conn_to_client(c, p, (size_t)(end - p));
	}
	return x->to_client.done ? finish(c, (size_t)(end - p)) : true;
}

/* Who is waited for: the server when it has the request, or does not take its body, and its client has had what
 * came before. */
static bool server_owes(const struct conn *c)
{
	const struct exchange *x = c->exchange;
	return c->down.len == 0 &&
	       (x->phase == RESPONSE || (x->phase == REQUEST_BODY && c->up.len));
}

void exchange_late(struct conn *c)
{
	struct session *s = c->session;
	if (!server_owes(c)) {
		conn_await(c);
		return;
	}
	HF_LOG_LIMITED(HF_LOG_WARN, "hfrelay", "server %s: no answer for %u s (--answer-timeout)",
		s->cfg->farm.server[c->srv->server].name, (unsigned)(s->cfg->answer_ns / HF_NS_S));
	answer(c, 504, &s->relay->stats.responses_late);
}

/* The server ended a kept connection while the request was on its way: it is said again, on a new one. */
static void begin_again(struct conn *c)
{
	struct exchange *x = c->exchange;
	struct hf_relay *r = c->session->relay;
	r->stats.kept_ended++;
	conn_leave(c, true);
	drop_up(c);
	if (!bytes_append(&c->up, x->again.p + x->again.off, x->again.len)) {
		conn_refuse(c, HF_LINK_RESET_LIMIT, &r->stats.refused_limit);
		return;
	}
	c->header_len = c->up.len;
	bytes_drop(&x->again);
	c->tried = 0;
	conn_connect(c, false);
	if (c->state != CONN_DEAD)
		conn_push_up(c);
}

bool exchange_server_eof(struct conn *c, bool broken)
{
	struct exchange *x = c->exchange;
	if (x->answered && x->res.body == HF_HTTP_UNTIL_CLOSE && !broken)
		return finish(c, 0);
	if (!x->answered && x->partly.len == 0 && x->again.len)
		begin_again(c);
	else if (!x->answered && x->partly.len == 0 && c->srv->kept)
		conn_refuse(c, HF_LINK_RESET_SERVER, &c->session->relay->stats.server_resets);
	else
		answer(c, 502, &c->session->relay->stats.responses_bad);
	return false;
}
