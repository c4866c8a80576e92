/* http.h -- one HTTP/1.x exchange as a relay sees it: where a request and its response end, so that a
 * connection to a server can serve the next client, and what of their heads must change on the way. Pure.
 *
 * Strict where servers differ, because two that read a head differently let one client's bytes be taken
 * for another's request (RFC 9112 11.2): what is not exactly the grammar is refused, never repaired, with
 * the RFC's own answer.
 *
 * Threads: none. Memory: the caller's; heads up to HF_HTTP_HEAD_MAX. Units: bytes.
 * Spec: RFC 9112 (message syntax), RFC 9110 7.6 (what an intermediary forwards), 9.2 (methods). */
#ifndef HF_APP_HFRELAY_HTTP_H
#define HF_APP_HFRELAY_HTTP_H

#include "lib/base/base.h"

#define HF_HTTP_HEAD_MAX 32768u /* of a request or a response, as it comes */
#define HF_HTTP_FIELDS_MAX 200u /* and its fields */
/* What a head may grow by on its way: X-Forwarded-For, -Proto and Connection. */
#define HF_HTTP_GROWS 160u

enum hf_http_verdict {
	HF_HTTP_MORE, /* the head is not whole yet */
	HF_HTTP_OK,
	HF_HTTP_BAD,         /* not HTTP, or in a way that others might read differently */
	HF_HTTP_TOO_LARGE,   /* without an end within the bounds above */
	HF_HTTP_UNSUPPORTED, /* CONNECT; a transfer coding that is not chunked; another version */
};

/* How the bytes behind a head end. */
enum hf_http_body {
	HF_HTTP_NONE,
	HF_HTTP_LENGTH,
	HF_HTTP_CHUNKED,
	HF_HTTP_UNTIL_CLOSE, /* responses */
	HF_HTTP_TUNNEL,      /* a response 101: from now on bytes, both ways */
};

struct hf_http_head {
	size_t len; /* of the head as it came */
	bool http10;
	bool close; /* who sent it ends the connection after this exchange (RFC 9112 9.3) */
	enum hf_http_body body;
	uint64_t body_len; /* HF_HTTP_LENGTH */
	/* of a request */
	bool head_method; /* HEAD: the response has no body */
	bool again;       /* safe to send a second time: GET, HEAD or OPTIONS without a body */
	bool upgrade;     /* asks for another protocol */
	bool alone; /* no other may follow it on its connection to the server: an upgrade, or a body where
			     some servers read none and would take it for the next request (RFC 9110 9.3.1) */
	/* of a response */
	uint32_t status;
};

/* Reads a request's head. `p` may hold more than that. Empty lines before it are part of it (2.2). */
HF_MUST_CHECK enum hf_http_verdict hf_http_request(
	const uint8_t *p, size_t len, struct hf_http_head *h);
/* Reads a response's head; `req` is what it answers. Never HF_HTTP_UNSUPPORTED. */
HF_MUST_CHECK enum hf_http_verdict hf_http_response(
	const uint8_t *p, size_t len, const struct hf_http_head *req, struct hf_http_head *h);

/* Writes a request's head as the server is to see it: hop-by-hop fields are left out (7.6.1: Connection
 * and what it names, Keep-Alive, Proxy-Connection, TE; Upgrade unless h->upgrade), X-Forwarded-For gets a
 * line more with `client` (text, up to 64), X-Forwarded-Proto is https and nothing else. To HTTP/1.0
 * Connection: keep-alive is added. p: the head as it came, read before with HF_HTTP_OK. out: room for
 * h->len + HF_HTTP_GROWS. Returns the length. */
size_t hf_http_forward_request(
	const struct hf_http_head *h, const uint8_t *p, const char *client, uint8_t *out);
/* The same for a response: hop-by-hop fields are left out, and Connection says whether the client's
 * connection ends behind it (`close`), where its version needs to be told. */
size_t hf_http_forward_response(const struct hf_http_head *h, const struct hf_http_head *req,
	const uint8_t *p, bool close, uint8_t *out);

/* Follows a body. Zeroed and given its head's body at the start. */
struct hf_http_follow {
	enum hf_http_body body;
	uint64_t left;
	uint8_t state;
	bool done, bad;
	uint16_t line_len;
};

void hf_http_follow_begin(struct hf_http_follow *f, const struct hf_http_head *h);
/* How many of these bytes belong to the body; then f->done says whether it is at its end, f->bad whether
 * its chunks are no chunks (then nothing behind the count is its). Bodies are passed on as they are. */
size_t hf_http_follow(struct hf_http_follow *f, const uint8_t *p, size_t len);

#endif
