/* Heads and bodies of HTTP/1.x: what is taken, what is refused, what is passed on. Each message is fed whole
 * and byte by byte, out of memory that ends where the bytes do. */
#include <stdio.h>
#include "tests/support/test.h"
#include "app/hfrelay/http.h"

#define S(text) (const uint8_t *)(text), sizeof(text) - 1
#define CLIENT "2001:db8::1"
#define XFF "X-Forwarded-For: " CLIENT "\r\nX-Forwarded-Proto: https\r\n"

static const struct hf_http_head plain_get;
static const struct hf_http_head head_req = {.head_method = true, .again = true};
static const struct hf_http_head upgrade_req = {.upgrade = true};
static const struct hf_http_head old_req = {.http10 = true};

static enum hf_http_verdict read_once(
	const uint8_t *p, size_t len, const struct hf_http_head *req, struct hf_http_head *h)
{
	uint8_t *copy = malloc(len ? len : 1); /* ASan sees what is read behind it */
	enum hf_http_verdict v;
	assert_non_null(copy);
	memcpy(copy, p, len);
	v = req ? hf_http_response(copy, len, req, h) : hf_http_request(copy, len, h);
	free(copy);
	return v;
}

static void assert_head(const struct hf_http_head *got, const struct hf_http_head *want, size_t len)
{
	struct hf_http_head w = *want;
	if (!w.len)
		w.len = len;
	assert_int_equal(got->len, w.len);
	assert_int_equal(got->http10, w.http10);
	assert_int_equal(got->close, w.close);
	assert_int_equal(got->body, w.body);
	assert_true(got->body_len == w.body_len);
	assert_int_equal(got->head_method, w.head_method);
	assert_int_equal(got->again, w.again);
	assert_int_equal(got->upgrade, w.upgrade);
	assert_int_equal(got->alone, w.alone);
	assert_int_equal(got->status, w.status);
}

/* As bytes come: MORE up to some byte, then one verdict for good. req NULL: a request. */
static enum hf_http_verdict read_head(
	const uint8_t *p, size_t len, const struct hf_http_head *req, struct hf_http_head *h)
{
	enum hf_http_verdict v = read_once(p, len, req, h), at, last = HF_HTTP_MORE;
	for (size_t n = 0; n <= len; n++) {
		struct hf_http_head some;
		at = read_once(p, n, req, &some);
		if (last != HF_HTTP_MORE)
			assert_int_equal(at, last);
		if (at == HF_HTTP_OK) {
			assert_head(&some, h, 0);
			assert_true(n >= h->len);
		}
		last = at;
	}
	assert_int_equal(last, v);
	return v;
}

struct refused {
	const char *what;
	const uint8_t *p;
	size_t len;
	enum hf_http_verdict verdict;
};

#define BAD(what, text)                    \
	{                                  \
		what, S(text), HF_HTTP_BAD \
	}
#define UNSUPPORTED(what, text)                    \
	{                                          \
		what, S(text), HF_HTTP_UNSUPPORTED \
	}
#define GET(fields) "GET / HTTP/1.1\r\nHost: a\r\n" fields "\r\n"
#define POST(fields) "POST / HTTP/1.1\r\nHost: a\r\n" fields "\r\n0\r\n\r\n"

static const struct refused bad_requests[] = {
	BAD("TLS", "\x16\x03\x01\x02"),
	BAD("space first", " GET / HTTP/1.1\r\n"),
	BAD("HTTP/0.9", "GET /\r\n"),
	BAD("no target", "GET HTTP/1.1\r\n"),
	BAD("two spaces", "GET  / HTTP/1.1\r\n"),
	BAD("two spaces behind", "GET /  HTTP/1.1\r\n"),
	BAD("space at the end", "GET / HTTP/1.1 \r\n"),
	BAD("tab", "GET\t/ HTTP/1.1\r\n"),
	BAD("space in target", "GET /a b HTTP/1.1\r\n"),
	BAD("control in target", "GET /\x01 HTTP/1.1\r\n"),
	BAD("NUL in target", "GET /\0 HTTP/1.1\r\n"),
	BAD("DEL in target", "GET /\x7f HTTP/1.1\r\n"),
	BAD("high byte in target", "GET /\xc3\xa4 HTTP/1.1\r\n"),
	BAD("CR in target", "GET /\r HTTP/1.1\r\n"),
	BAD("target of another form", "GET @b/ HTTP/1.1\r\n"),
	BAD("target of another scheme", "GET file:///x HTTP/1.1\r\n"),
	BAD("asterisk", "GET * HTTP/1.1\r\n"),
	BAD("method is no token", "GE(T / HTTP/1.1\r\n"),
	BAD("method is no token, early", "GE(T"),
	BAD("NUL in method", "GE\0T / HTTP/1.1\r\n"),
	BAD("method of 33", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa / HTTP/1.1\r\n"),
	BAD("method of 33, early", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
	BAD("head", "head / HTTP/1.1\r\n"),
	BAD("Connect", "Connect / HTTP/1.1\r\n"),
	BAD("http", "GET / http/1.1\r\n"),
	BAD("HTTP/1.1x", "GET / HTTP/1.1x\r\n"),
	BAD("HTTP/11", "GET / HTTP/11\r\n"),
	BAD("HTTP/1.10", "GET / HTTP/1.10\r\n"),
	UNSUPPORTED("HTTP/1.2", "GET / HTTP/1.2\r\n"),
	UNSUPPORTED("HTTP/2", "PRI * HTTP/2.0\r\n"),
	UNSUPPORTED("HTTP/0.9 by name", "GET / HTTP/0.9\r\n"),
	UNSUPPORTED("CONNECT", "CONNECT a:443 HTTP/1.1\r\n"),
	BAD("LF alone", "GET / HTTP/1.1\n"),
	BAD("LF alone, first", "\n"),
	BAD("LF alone behind a field", "GET / HTTP/1.1\r\nHost: a\n"),
	BAD("LF alone as the end", "GET / HTTP/1.1\r\nHost: a\r\n\n"),
	BAD("CR alone, first", "\r\r\n"),
	BAD("CR alone in a field", GET("A: b\rContent-Length: 5\r\n")),
	BAD("CR CR LF", GET("A: b\r\r\n")),
	BAD("five empty lines", "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n"),
	BAD("NUL in value", GET("A: b\0c\r\n")),
	BAD("control in value", GET("A: b\x0b\r\n")),
	BAD("DEL in value", GET("A: b\x7f\r\n")),
	BAD("space before the colon", GET("A : b\r\n")),
	BAD("tab before the colon", GET("A\t: b\r\n")),
	BAD("no name", GET(": b\r\n")),
	BAD("no colon", GET("A\r\n")),
	BAD("high byte in name", GET("\xc3\xa4: b\r\n")),
	BAD("NUL in name", GET("A\0: b\r\n")),
	BAD("fold", GET("A: b\r\n c\r\n")),
	BAD("fold by tab", GET("A: b\r\n\tc\r\n")),
	BAD("space before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
	BAD("no Host", "GET / HTTP/1.1\r\n\r\n"),
	BAD("two Hosts", GET("host: a\r\n")),
	BAD("two Hosts, 1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
	BAD("space in Host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
	BAD("path in Host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
	BAD("another Host than the target's", "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"),
	BAD("longer Host", "GET http://a?b HTTP/1.1\r\nHost: ab\r\n\r\n"),
	BAD("user in target", "GET http://a@b/ HTTP/1.1\r\nHost: b\r\n\r\n"),
	BAD("no host in target", "GET http:/// HTTP/1.1\r\nHost:\r\n\r\n"),
	BAD("user in Host", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"),
	/* lengths */
	BAD("CL empty", POST("Content-Length:\r\n")),
	BAD("CL +", POST("Content-Length: +5\r\n")),
	BAD("CL -", POST("Content-Length: -5\r\n")),
	BAD("CL hexadecimal", POST("Content-Length: 0x5\r\n")),
	BAD("CL with space", POST("Content-Length: 1 5\r\n")),
	BAD("CL fraction", POST("Content-Length: 5.0\r\n")),
	BAD("CL list", POST("Content-Length: 5, 5\r\n")),
	BAD("CL comma", POST("Content-Length: 5,\r\n")),
	BAD("CL VT", POST("Content-Length: \x0b"
			  "5\r\n")),
	BAD("CL tab", POST("Content-Length:\t5\r\n")),
	BAD("CL tab behind", POST("Content-Length: 5 \t\r\n")),
	BAD("CL quoted", POST("Content-Length: \"5\"\r\n")),
	BAD("CL NUL", POST("Content-Length: 5\0\r\n")),
	BAD("CL twice", POST("Content-Length: 5\r\nContent-Length: 5\r\n")),
	BAD("CL twice, unlike", POST("Content-Length: 5\r\ncontent-length: 6\r\n")),
	BAD("CL 2^63", POST("Content-Length: 9223372036854775808\r\n")),
	BAD("CL 2^64", POST("Content-Length: 18446744073709551616\r\n")),
	BAD("CL 2^64 + 5", POST("Content-Length: 18446744073709551621\r\n")),
	BAD("CL with many digits", POST("Content-Length: 99999999999999999999999999\r\n")),
	BAD("CL space before the colon", POST("Content-Length : 5\r\n")),
	BAD("CL folded", POST("Content-Length:\r\n 5\r\n")),
	BAD("CL underscore", POST("Content_Length: 5\r\n")),
	BAD("CL named in Connection", POST("Content-Length: 5\r\nConnection: content-length\r\n")),
	/* one length against the other */
	BAD("CL.TE", POST("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")),
	BAD("TE.CL", POST("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n")),
	BAD("TE.CL, unknown coding", POST("Transfer-Encoding: x\r\nContent-Length: 5\r\n")),
	BAD("TE space before the colon", POST("Transfer-Encoding : chunked\r\n")),
	BAD("TE folded", POST("Transfer-Encoding:\r\n chunked\r\n")),
	BAD("TE space before the name", POST(" Transfer-Encoding: chunked\r\n")),
	BAD("TE behind a bare LF", POST("X: x\nTransfer-Encoding: chunked\r\n")),
	BAD("TE behind a bare CR", POST("X: x\rTransfer-Encoding: chunked\r\n")),
	BAD("TE VT", POST("Transfer-Encoding: \x0b"
			  "chunked\r\n")),
	BAD("TE FF", POST("Transfer-Encoding: \x0c"
			  "chunked\r\n")),
	BAD("TE tab", POST("Transfer-Encoding:\tchunked\r\n")),
	BAD("TE tab behind", POST("Transfer-Encoding: chunked\t\r\n")),
	BAD("TE NUL", POST("Transfer-Encoding: chunked\0\r\n")),
	BAD("TE NUL in the name", POST("Transfer-Encoding\0: chunked\r\n")),
	BAD("TE underscore", POST("Transfer_Encoding: chunked\r\n")),
	BAD("TE in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
	BAD("TE named in Connection",
		POST("Transfer-Encoding: chunked\r\nConnection: close, Transfer-Encoding\r\n")),
	UNSUPPORTED("TE empty", POST("Transfer-Encoding:\r\n")),
	UNSUPPORTED("TE x", POST("Transfer-Encoding: xchunked\r\n")),
	UNSUPPORTED("TE identity", POST("Transfer-Encoding: identity\r\n")),
	UNSUPPORTED("TE gzip", POST("Transfer-Encoding: gzip, chunked\r\n")),
	UNSUPPORTED("TE last", POST("Transfer-Encoding: chunked, identity\r\n")),
	UNSUPPORTED("TE list of one", POST("Transfer-Encoding: chunked,\r\n")),
	UNSUPPORTED("TE parameter", POST("Transfer-Encoding: chunked;a=b\r\n")),
	UNSUPPORTED("TE quoted", POST("Transfer-Encoding: \"chunked\"\r\n")),
	UNSUPPORTED("TE high byte", POST("Transfer-Encoding: chun\xe2\x84\xaa"
					 "ed\r\n")),
	UNSUPPORTED("TE.TE", POST("Transfer-Encoding: chunked\r\nTransfer-encoding: x\r\n")),
	UNSUPPORTED("TE.TE turned", POST("Transfer-Encoding: x\r\nTransfer-encoding: chunked\r\n")),
	UNSUPPORTED(
		"TE twice", POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")),
	/* others */
	BAD("Connection is no token", GET("Connection: a b\r\n")),
	BAD("Connection names too many", GET("Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q\r\n")),
	BAD("Expect of another kind", POST("Expect: y 100-continue\r\n")),
};

static void requests_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(bad_requests); i++) {
		const struct refused *r = &bad_requests[i];
		struct hf_http_head h;
		enum hf_http_verdict v = read_head(r->p, r->len, NULL, &h);
		if (v != r->verdict)
			fail_msg("%s: verdict %d", r->what, v);
	}
}

struct taken {
	const uint8_t *p;
	size_t len;
	struct hf_http_head want; /* len 0: all */
	const char *forwarded;
};

static const struct taken requests[] = {
	{S("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), {.again = true},
		"GET / HTTP/1.1\r\nHost: a\r\n" XFF "\r\n"},
	{S("\r\n\r\n\r\n\r\nHEAD /?a=b#\"<> HTTP/1.1\r\nhOST:\r\n\r\n"),
		{.again = true, .head_method = true},
		"HEAD /?a=b#\"<> HTTP/1.1\r\nhOST:\r\n" XFF "\r\n"},
	{S("OPTIONS * HTTP/1.1\r\nHost:[::1]:443\r\nConnection: close\r\n\r\n"),
		{.again = true, .close = true},
		"OPTIONS * HTTP/1.1\r\nHost:[::1]:443\r\n" XFF "\r\n"},
	{S("GET http://b/ HTTP/1.1\r\nHost: b\r\n\r\nmore"), {.len = 35, .again = true},
		"GET http://b/ HTTP/1.1\r\nHost: b\r\n" XFF "\r\n"},
	{S("abcdefghijklmnopqrstuvwxyz#$%&*! / HTTP/1.0\r\n\r\n"), {.http10 = true, .close = true},
		"abcdefghijklmnopqrstuvwxyz#$%&*! / HTTP/1.0\r\n" XFF
		"Connection: keep-alive\r\n\r\n"},
	{S("GET https://B:1?c:/ HTTP/1.1\r\nHost: b:1\r\n\r\n"), {.again = true},
		"GET https://B:1?c:/ HTTP/1.1\r\nHost: b:1\r\n" XFF "\r\n"},
	{S("GET http://b HTTP/1.1\r\nHost: b\r\n\r\n"), {.again = true},
		"GET http://b HTTP/1.1\r\nHost: b\r\n" XFF "\r\n"},
	{S("GET / HTTP/1.0\r\n\r\n"), {.again = true, .http10 = true, .close = true},
		"GET / HTTP/1.0\r\n" XFF "Connection: keep-alive\r\n\r\n"},
	{S("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\nExpect: 100-continue\r\n\r\n"),
		{.again = true, .http10 = true},
		"GET / HTTP/1.0\r\nExpect: 100-continue\r\n" XFF "Connection: keep-alive\r\n\r\n"},
	{S("GET / HTTP/1.0\r\nConnection: keep-alive, CLOSE\r\n\r\n"),
		{.again = true, .http10 = true, .close = true},
		"GET / HTTP/1.0\r\n" XFF "Connection: keep-alive\r\n\r\n"},
	{S("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807 \r\n\r\nx"),
		{.len = 66, .body = HF_HTTP_LENGTH, .body_len = INT64_MAX},
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807 \r\n" XFF
		"\r\n"},
	{S("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 000\r\nExpect: 100-Continue\r\n\r\n"),
		{.body = HF_HTTP_LENGTH, .alone = true},
		"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 000\r\nExpect: 100-Continue\r\n" XFF
		"\r\n"},
	{S("PUT / HTTP/1.1\r\nHost: a\r\nTRANSFER-encoding:Chunked\r\nTE: trailers\r\n"
	   "Trailer: x\r\nConnection: TE\r\n\r\n"),
		{.body = HF_HTTP_CHUNKED},
		"PUT / HTTP/1.1\r\nHost: a\r\nTRANSFER-encoding:Chunked\r\nTrailer: x\r\n" XFF
		"\r\n"},
	{S("DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"),
		{.len = 49, .body = HF_HTTP_LENGTH, .body_len = 1, .alone = true},
		"DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n" XFF "\r\n"},
	{S("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n"), {.len = 0},
		"DELETE / HTTP/1.1\r\nHost: a\r\n" XFF "\r\n"},
	{S("PATCH / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"),
		{.len = 48, .body = HF_HTTP_LENGTH, .body_len = 1},
		"PATCH / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n" XFF "\r\n"},
	/* An upgrade, and what is none. */
	{S("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
	   "Sec-WebSocket-Key: x\r\n\r\n"),
		{.upgrade = true, .alone = true},
		"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n" XFF
		"Connection: upgrade\r\n\r\n"},
	{S("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"), {.again = true},
		"GET / HTTP/1.1\r\nHost: a\r\n" XFF "\r\n"},
	{S("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n"), {.again = true},
		"GET / HTTP/1.1\r\nHost: a\r\n" XFF "\r\n"},
	{S("GET / HTTP/1.0\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"),
		{.again = true, .http10 = true, .close = true},
		"GET / HTTP/1.0\r\n" XFF "Connection: keep-alive\r\n\r\n"},
	{S("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket, h2c\r\nHTTP2-Settings: x\r\n"
	   "Connection: upgrade, HTTP2-Settings\r\n\r\n"),
		{.again = true}, "GET / HTTP/1.1\r\nHost: a\r\n" XFF "\r\n"},
	{S("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: a\r\nUpgrade: b\r\nConnection: upgrade\r\n\r\n"),
		{.again = true}, "GET / HTTP/1.1\r\nHost: a\r\n" XFF "\r\n"},
	/* What a client says of himself, and what he may not. */
	{S("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.1\r\nX-FORWARDED-PROTO: http\r\n"
	   "X_Forwarded_Proto: http\r\nX_forwarded-For: 10.0.0.2\r\nX-Forwarded-Host: b\r\n\r\n"),
		{.again = true},
		"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Host: "
		"b\r\n" XFF "\r\n"},
	{S("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.1\r\nCookie: b\r\nKeep-Alive: "
	   "5\r\n"
	   "Connection: x-forwarded-for,, host ,\tx-forwarded-proto\r\nExpect: 100-continue\r\n"
	   "Connection: cookie,expect\r\nProxy-Connection: close\r\nProxy_Connection: "
	   "a\r\nKeep_Alive: b\r\nte: trailers\r\nProxy-Authorization: "
	   "c\r\n\r\n"),
		{.again = true},
		"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nProxy-Authorization: "
		"c\r\n" XFF "\r\n"},
	{S("GET / HTTP/1.1\r\nHost: a\r\nA: \xc3\xa4\t b \t\r\nB:\r\n\r\n"), {.again = true},
		"GET / HTTP/1.1\r\nHost: a\r\nA: \xc3\xa4\t b \t\r\nB:\r\n" XFF "\r\n"},
};

static void assert_text(const uint8_t *got, size_t len, const char *want)
{
	if (len != strlen(want) || memcmp(got, want, len) != 0)
		fail_msg("got:\n%.*s\nwant:\n%s", (int)len, (const char *)got, want);
}

static void requests_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(requests); i++) {
		const struct taken *t = &requests[i];
		struct hf_http_head h;
		uint8_t *out;
		assert_int_equal(read_head(t->p, t->len, NULL, &h), HF_HTTP_OK);
		assert_head(&h, &t->want, t->len);
		out = malloc(h.len + HF_HTTP_GROWS);
		assert_text(out, hf_http_forward_request(&h, t->p, CLIENT, out), t->forwarded);
		free(out);
	}
}

static const struct refused bad_responses[] = {
	BAD("space first", " HTTP/1.1 200 OK\r\n"),
	BAD("empty line first", "\r\nHTTP/1.1 200 OK\r\n"),
	BAD("no HTTP", "ICY 200 OK\r\n"),
	BAD("HTTP/2", "HTTP/2.0 200 OK\r\n"),
	BAD("HTTP/1.2", "HTTP/1.2 200 OK\r\n"),
	BAD("two spaces", "HTTP/1.1  200 OK\r\n"),
	BAD("two digits", "HTTP/1.1 20 OK\r\n"),
	BAD("four digits", "HTTP/1.1 2000 OK\r\n"),
	BAD("0xx", "HTTP/1.1 099 OK\r\n"),
	BAD("no digits", "HTTP/1.1 2x0 OK\r\n"),
	BAD("no status", "HTTP/1.1\r\n"),
	BAD("control in reason", "HTTP/1.1 200 O\x01K\r\n"),
	BAD("CR in reason", "HTTP/1.1 200 O\rK\r\n"),
	BAD("LF alone", "HTTP/1.1 200 OK\n"),
	BAD("fold", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"),
	BAD("space before the colon", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n"),
	BAD("NUL", "HTTP/1.1 200 OK\r\nA: \0b\r\n\r\n"),
	BAD("CL and TE",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
	BAD("CL twice", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"),
	BAD("CL list", "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n"),
	BAD("CL -", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
	BAD("TE gzip", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
	BAD("TE twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
			"Transfer-Encoding: chunked\r\n\r\n"),
	BAD("TE in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
	BAD("TE named in Connection", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
				      "Connection: transfer-encoding\r\n\r\n"),
	BAD("100 with a length", "HTTP/1.1 100 Continue\r\nContent-Length: 1\r\n\r\n"),
	BAD("204 with a length", "HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\n"),
	BAD("204 with chunks", "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n"),
	BAD("101 unasked", "HTTP/1.1 101 S\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n"),
};

static void responses_refused(void **state)
{
	struct hf_http_head h;
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(bad_responses); i++) {
		const struct refused *r = &bad_responses[i];
		enum hf_http_verdict v = read_head(r->p, r->len, &plain_get, &h);
		if (v != r->verdict)
			fail_msg("%s: verdict %d", r->what, v);
	}
	/* Chunks for HTTP/1.0; 101 without a protocol, or of HTTP/1.0. */
	assert_int_equal(
		read_head(S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), &old_req, &h),
		HF_HTTP_BAD);
	assert_int_equal(read_head(S("HTTP/1.1 101 S\r\n\r\n"), &upgrade_req, &h), HF_HTTP_BAD);
	assert_int_equal(read_head(S("HTTP/1.0 101 S\r\nUpgrade: a\r\n\r\n"), &upgrade_req, &h),
		HF_HTTP_BAD);
}

static const struct {
	const struct hf_http_head *req;
	struct taken t;
	bool close;
} responses[] = {
	{&plain_get,
		{S("HTTP/1.1 200\r\nContent-Length: 7\r\n\r\n1234567"),
			{.len = 35, .status = 200, .body = HF_HTTP_LENGTH, .body_len = 7},
			"HTTP/1.1 200\r\nContent-Length: 7\r\n\r\n"},
		false},
	{&plain_get,
		{S("HTTP/1.1 200 \xc3\xa4\tb \r\nContent-Length: 7\r\nConnection: close\r\n\r\n"),
			{.status = 200, .body = HF_HTTP_LENGTH, .body_len = 7, .close = true},
			"HTTP/1.1 200 \xc3\xa4\tb \r\nContent-Length: 7\r\nConnection: "
			"close\r\n\r\n"},
		true},
	{&plain_get,
		{S("HTTP/1.1 404 N\r\nTransfer-Encoding: chunked\r\nKeep-Alive: 5\r\nA: \xff\r\n"
		   "Connection: keep-alive, a\r\nUpgrade: h2\r\nX-Forwarded-Proto: a\r\n\r\n"),
			{.status = 404, .body = HF_HTTP_CHUNKED},
			"HTTP/1.1 404 N\r\nTransfer-Encoding: chunked\r\nX-Forwarded-Proto: "
			"a\r\n\r\n"},
		false},
	{&plain_get,
		{S("HTTP/1.1 200 OK\r\n\r\n"),
			{.status = 200, .body = HF_HTTP_UNTIL_CLOSE, .close = true},
			"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"},
		true},
	{&plain_get,
		{S("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
			{.status = 200, .body = HF_HTTP_LENGTH, .http10 = true, .close = true},
			"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"},
		false},
	{&old_req,
		{S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
			{.status = 200, .body = HF_HTTP_LENGTH},
			"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"},
		false},
	{&old_req,
		{S("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"),
			{.status = 200, .body = HF_HTTP_LENGTH, .http10 = true},
			"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"},
		true},
	/* No bodies. */
	{&head_req,
		{S("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"), {.status = 200},
			"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"},
		false},
	{&head_req,
		{S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), {.status = 200},
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
		false},
	{&head_req, {S("HTTP/1.1 200 OK\r\n\r\n"), {.status = 200}, "HTTP/1.1 200 OK\r\n\r\n"},
		false},
	{&plain_get,
		{S("HTTP/1.1 304 N\r\nContent-Length: 7\r\n\r\n"), {.status = 304},
			"HTTP/1.1 304 N\r\nContent-Length: 7\r\n\r\n"},
		false},
	{&plain_get,
		{S("HTTP/1.1 204 N\r\nContent-Length: 0\r\n\r\n"), {.status = 204},
			"HTTP/1.1 204 N\r\nContent-Length: 0\r\n\r\n"},
		false},
	{&plain_get,
		{S("HTTP/1.1 100 Continue\r\n\r\n"), {.status = 100},
			"HTTP/1.1 100 Continue\r\n\r\n"},
		true},
	{&old_req,
		{S("HTTP/1.1 103 E\r\nLink: a\r\n\r\n"), {.status = 103},
			"HTTP/1.1 103 E\r\nLink: a\r\n\r\n"},
		false},
	{&upgrade_req,
		{S("HTTP/1.1 101 S\r\nConnection: Upgrade, b\r\nB: c\r\nUpgrade: a\r\n\r\n\x81"),
			{.len = 60, .status = 101, .body = HF_HTTP_TUNNEL, .close = true},
			"HTTP/1.1 101 S\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n"},
		true},
	{&upgrade_req,
		{S("HTTP/1.1 426 U\r\nContent-Length: 1\r\nUpgrade: a\r\nConnection: "
		   "upgrade\r\n\r\n"),
			{.status = 426, .body = HF_HTTP_LENGTH, .body_len = 1},
			"HTTP/1.1 426 U\r\nContent-Length: 1\r\n\r\n"},
		false},
};

static void responses_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(responses); i++) {
		const struct taken *t = &responses[i].t;
		struct hf_http_head h;
		uint8_t *out;
		assert_int_equal(read_head(t->p, t->len, responses[i].req, &h), HF_HTTP_OK);
		assert_head(&h, &t->want, t->len);
		out = malloc(h.len + HF_HTTP_GROWS);
		assert_text(out,
			hf_http_forward_response(
				&h, responses[i].req, t->p, responses[i].close, out),
			t->forwarded);
		free(out);
	}
}

/* A head of HF_HTTP_HEAD_MAX is taken, and one byte more is too large, from there on. */
static void largest(void **state)
{
	static const char first[] = "GET / HTTP/1.1\r\nHost: a\r\nA: ";
	uint8_t *p = malloc(HF_HTTP_HEAD_MAX + 8), *out = malloc(HF_HTTP_HEAD_MAX + HF_HTTP_GROWS);
	struct hf_http_head h;
	(void)state;
	memset(p, 'a', HF_HTTP_HEAD_MAX + 8);
	memcpy(p, first, sizeof(first) - 1);
	memcpy(p + HF_HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
	assert_int_equal(hf_http_request(p, HF_HTTP_HEAD_MAX - 1, &h), HF_HTTP_MORE);
	assert_int_equal(hf_http_request(p, HF_HTTP_HEAD_MAX + 8, &h), HF_HTTP_OK);
	assert_int_equal(h.len, HF_HTTP_HEAD_MAX);
	assert_true(hf_http_forward_request(&h, p, CLIENT, out) > HF_HTTP_HEAD_MAX);
	memcpy(p + HF_HTTP_HEAD_MAX - 4, "a\r\n\r\n", 5);
	assert_int_equal(hf_http_request(p, HF_HTTP_HEAD_MAX - 1, &h), HF_HTTP_MORE);
	for (size_t more = 0; more < 8; more++)
		assert_int_equal(
			hf_http_request(p, HF_HTTP_HEAD_MAX + more, &h), HF_HTTP_TOO_LARGE);
	/* A first line without an end. */
	memcpy(p, "GET /", 5);
	memset(p + 5, 'a', HF_HTTP_HEAD_MAX - 5);
	assert_int_equal(hf_http_request(p, HF_HTTP_HEAD_MAX - 1, &h), HF_HTTP_MORE);
	assert_int_equal(hf_http_request(p, HF_HTTP_HEAD_MAX, &h), HF_HTTP_TOO_LARGE);
	free(p);
	free(out);
}

/* As many fields as there may be, and one more. */
static void most_fields(void **state)
{
	char p[2000] = "GET / HTTP/1.1\r\nHost: a\r\n";
	struct hf_http_head h;
	size_t at = strlen(p);
	(void)state;
	for (unsigned i = 1; i < HF_HTTP_FIELDS_MAX; i++, at += 5)
		memcpy(p + at, "A:b\r\n", 5);
	memcpy(p + at, "\r\n", 2);
	assert_int_equal(read_head((uint8_t *)p, at + 2, NULL, &h), HF_HTTP_OK);
	memcpy(p + at, "A:b\r\n\r\n", 7);
	assert_int_equal(read_head((uint8_t *)p, at + 7, NULL, &h), HF_HTTP_TOO_LARGE);
	memcpy(p + at, "A:b\n", 4);
	assert_int_equal(read_head((uint8_t *)p, at + 4, NULL, &h), HF_HTTP_BAD);
}

/* Where nothing is left out and everything is added, the longest client's text still has room. */
static void longest_growth(void **state)
{
	static const uint8_t p[] = "GET / HTTP/1.0\r\n\r\n";
	uint8_t *out = malloc(sizeof(p) - 1 + HF_HTTP_GROWS);
	char client[66];
	struct hf_http_head h;
	(void)state;
	memset(client, 'c', sizeof(client));
	client[64] = 0;
	assert_int_equal(hf_http_request(S("GET / HTTP/1.0\r\n\r\n"), &h), HF_HTTP_OK);
	assert_true(hf_http_forward_request(&h, p, client, out) <= h.len + HF_HTTP_GROWS);
	client[64] = 'c';
	client[65] = 0;
	assert_panics((void)hf_http_forward_request(&h, p, client, out));
	free(out);
}

/* ---- bodies ---- */

/* Follows in steps of `step`; returns how much was the body's. */
static size_t follow_in(struct hf_http_follow *f, const struct hf_http_head *h, const uint8_t *p,
	size_t len, size_t step)
{
	size_t at = 0;
	hf_http_follow_begin(f, h);
	while (at < len) {
		size_t give = HF_MIN(step, len - at), n = hf_http_follow(f, p + at, give);
		assert_true(n <= give);
		assert_false(f->done && f->bad);
		at += n;
		if (n < give) {
			assert_true(f->done || f->bad);
			assert_int_equal(hf_http_follow(f, p + at, len - at), 0);
			break;
		}
	}
	return at;
}

static const struct {
	const uint8_t *p;
	size_t len, body; /* of it, what is the body's */
	bool done, bad;
} chunks[] = {
	{S("0\r\n\r\n"), 5, true, false},
	{S("0\r\n\r\nGET"), 5, true, false},
	{S("5\r\nhello\r\n0\r\n\r\n"), 15, true, false},
	{S("a\r\n\r\n0\r\n\r\n0\r\n\r\n0\r\n\r\nx"), 20, true, false},
	{S("00000000000000F\r\n123456789012345\r\n0\r\n\r\n"), 39, true, false},
	{S("1;a=b;c=\"d \t;\"\r\nx\r\n0;e\r\nA: b\r\nC:\r\n\r\nx"), 36, true, false},
	{S("1 \t ;a\r\nx\r\n0\r\n\r\n"), 16, true, false},
	{S("7fffffffffffffff\r\nab"), 20, false, false},
	{S("5\r\nhel"), 6, false, false},
	{S(""), 0, false, false},
	{S("\r\n"), 0, false, true},
	{S("g\r\n"), 0, false, true},
	{S("-1\r\n"), 0, false, true},
	{S("+1\r\n"), 0, false, true},
	{S(" 1\r\n"), 0, false, true},
	{S("0x1\r\n"), 1, false, true},
	{S("1_0\r\n"), 1, false, true},
	{S(";a\r\n"), 0, false, true},
	{S("8000000000000000\r\n"), 15, false, true},
	{S("00000000000000001\r\n"), 16, false, true},
	{S("10000000000000005\r\n"), 16, false, true},
	{S("1\nx"), 1, false, true},
	{S("1\rx"), 2, false, true},
	{S("1 \r\nx"), 2, false, true},
	{S("1 1\r\nx"), 2, false, true},
	{S("1\x0b\r\n"), 1, false, true},
	{S("1\0\r\n"), 1, false, true},
	{S("1;a\nx\r\n"), 3, false, true},
	{S("1;a\r5\r\n"), 4, false, true},
	{S("1;\0\r\n"), 2, false, true},
	{S("1;\xc3\r\n"), 2, false, true},
	{S("1\r\nxy\r\n"), 4, false, true},
	{S("1\r\nx\n0\r\n\r\n"), 4, false, true},
	{S("1\r\nx\r0\r\n\r\n"), 5, false, true},
	{S("1\r\nx0\r\n\r\n"), 4, false, true},
	{S("0\r\n\n"), 3, false, true},
	{S("0\r\n\rx"), 4, false, true},
	{S("0\r\nA\r\n\r\n"), 4, false, true},
	{S("0\r\n: a\r\n\r\n"), 3, false, true},
	{S("0\r\nA : b\r\n\r\n"), 4, false, true},
	{S("0\r\nA: b\n\r\n"), 7, false, true},
	{S("0\r\nA: b\r\n c\r\n\r\n"), 9, false, true},
	{S("0\r\nA: \0\r\n\r\n"), 6, false, true},
	{S("0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 6, false, true},
};

static void chunks_followed(void **state)
{
	const struct hf_http_head h = {.body = HF_HTTP_CHUNKED};
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(chunks); i++)
		for (size_t step = 1; step <= chunks[i].len + 1; step++) {
			struct hf_http_follow f;
			size_t n = follow_in(&f, &h, chunks[i].p, chunks[i].len, step);
			if (n != chunks[i].body || f.done != chunks[i].done ||
				f.bad != chunks[i].bad)
				fail_msg("%.*s in steps of %zu: %zu, done %d, bad %d",
					(int)chunks[i].len, (const char *)chunks[i].p, step, n,
					f.done, f.bad);
		}
}

/* The line of a chunk's size has a bound, and trailers have. */
static void chunk_lines_bounded(void **state)
{
	const struct hf_http_head h = {.body = HF_HTTP_CHUNKED};
	struct hf_http_follow f;
	uint8_t *p = malloc(40000);
	size_t n;
	(void)state;
	memset(p, 'a', 40000);
	memcpy(p, "1;", 2);
	n = follow_in(&f, &h, p, 40000, 1000);
	assert_true(f.bad);
	assert_int_equal(n, 4096);
	memcpy(p + 4095, "\r\nx\r\n", 5); /* the longest */
	n = follow_in(&f, &h, p, 4100, 1000);
	assert_int_equal(n, 4100);
	assert_false(f.bad);
	memset(p, 'a', 40000);
	memcpy(p, "0\r\n", 3);
	for (size_t at = 3; at + 100 < 40000; at += 100)
		memcpy(p + at, "a:b", 3), memcpy(p + at + 98, "\r\n", 2);
	n = follow_in(&f, &h, p, 40000, 1000);
	assert_true(f.bad);
	assert_in_range(n, 16384, 17000);
	free(p);
}

static void other_bodies(void **state)
{
	struct hf_http_follow f;
	struct hf_http_head h = {.body = HF_HTTP_LENGTH, .body_len = 7};
	(void)state;
	for (size_t step = 1; step < 12; step++) {
		assert_int_equal(follow_in(&f, &h, S("1234567GET"), step), 7);
		assert_true(f.done && !f.bad);
	}
	assert_int_equal(follow_in(&f, &h, S("123456"), 6), 6);
	assert_false(f.done);
	h.body_len = 0;
	hf_http_follow_begin(&f, &h);
	assert_true(f.done);
	assert_int_equal(hf_http_follow(&f, S("GET")), 0);
	h.body = HF_HTTP_NONE;
	hf_http_follow_begin(&f, &h);
	assert_true(f.done);
	assert_int_equal(hf_http_follow(&f, S("GET")), 0);
	h.body = HF_HTTP_UNTIL_CLOSE;
	assert_int_equal(follow_in(&f, &h, S("1234567"), 3), 7);
	assert_false(f.done || f.bad);
	h.body = HF_HTTP_TUNNEL;
	assert_int_equal(follow_in(&f, &h, S("1234567"), 3), 7);
	assert_false(f.done || f.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_refused),
		cmocka_unit_test(requests_taken),
		cmocka_unit_test(responses_refused),
		cmocka_unit_test(responses_taken),
		cmocka_unit_test(largest),
		cmocka_unit_test(most_fields),
		cmocka_unit_test(longest_growth),
		cmocka_unit_test(chunks_followed),
		cmocka_unit_test(chunk_lines_bounded),
		cmocka_unit_test(other_bodies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
