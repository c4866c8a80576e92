/* fuzz_http -- any bytes as a head and its body, a request's or a response's. What must hold: a verdict
 * once given stays, however the bytes come; what is forwarded fits, is taken again, and means the same,
 * also to a reader that forgives everything and so finds what ours might have overlooked; a body's end
 * does not depend on how its bytes come, and is where a second reader of chunks finds it.
 * max_len: 4096
 *
 *   how (1)  see bits below: what comes, and of a response what it answers
 *   rest     the head and what follows it; with BODY, chunks alone */
#include <stdlib.h>
#include "app/hfrelay/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { RESPONSE = 1, HEAD = 2, UPGRADE = 4, OLD = 8, CLOSE = 16, BODY = 32 };

static const char client[] = "0123:4567:89ab:cdef:0123:4567:255.255.255.255%interface0.4000001";

static enum hf_http_verdict read_head(unsigned how, const struct hf_http_head *req,
	const uint8_t *p, size_t len, struct hf_http_head *h)
{
	return how & RESPONSE ? hf_http_response(p, len, req, h) : hf_http_request(p, len, h);
}

/* ---- a reader that forgives: any line end, any control as space, '_' as '-' ---- */

static uint8_t fold(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint8_t)(c | 0x20);
	return c == '_' ? '-' : c;
}

static bool is_blank(uint8_t c)
{
	return c <= ' ' || c == 0x7f;
}

/* How many lines of p could be taken for this field. */
static unsigned count_fields(const uint8_t *p, size_t len, const char *name)
{
	unsigned cnt = 0;
	size_t at = 0;
	while (at < len) {
		size_t i = 0;
		while (at < len && is_blank(p[at]))
			at++;
		while (at < len && name[i] && fold(p[at]) == (uint8_t)name[i]) {
			at++;
			i++;
		}
		while (at < len && is_blank(p[at]) && p[at] != '\r' && p[at] != '\n')
			at++;
		cnt += !name[i] && at < len && p[at] == ':';
		while (at < len && p[at] != '\r' && p[at] != '\n' && p[at] != 0)
			at++;
	}
	return cnt;
}

static unsigned count_ends(const uint8_t *p, size_t len)
{
	unsigned cnt = 0;
	for (size_t i = 0; i < len; i++)
		cnt += p[i] == '\n';
	return cnt;
}

static void check_framing(const uint8_t *p, const struct hf_http_head *h, bool request)
{
	unsigned lengths = count_fields(p, h->len, "content-length");
	unsigned codings = count_fields(p, h->len, "transfer-encoding");
	if (request) {
		HF_ASSERT(lengths == (h->body == HF_HTTP_LENGTH));
		HF_ASSERT(codings == (h->body == HF_HTTP_CHUNKED));
		HF_ASSERT(count_fields(p, h->len, "host") <= 1);
	}
	HF_ASSERT(memchr(p, 0, h->len) == NULL);
}

/* ---- forwarding ---- */

static void check_same(const struct hf_http_head *a, const struct hf_http_head *b)
{
	HF_ASSERT(a->body == b->body && a->body_len == b->body_len && a->http10 == b->http10 &&
		  a->head_method == b->head_method && a->again == b->again &&
		  a->upgrade == b->upgrade && a->status == b->status);
}

static void check_forwarded(unsigned how, const struct hf_http_head *req, const uint8_t *p,
	const struct hf_http_head *h)
{
	struct hf_http_head again;
	bool request = !(how & RESPONSE);
	uint8_t *out = malloc(h->len + HF_HTTP_GROWS);
	size_t len = request ? hf_http_forward_request(h, p, client, out)
			     : hf_http_forward_response(h, req, p, how & CLOSE, out);
	HF_ASSERT(len <= h->len + HF_HTTP_GROWS);
	if (count_ends(out, len) > HF_HTTP_FIELDS_MAX + 2) { /* ours are too many for us */
		HF_ASSERT(read_head(how, req, out, len, &again) == HF_HTTP_TOO_LARGE);
		free(out);
		return;
	}
	HF_ASSERT(read_head(how, req, out, len, &again) == HF_HTTP_OK && again.len == len);
	check_same(h, &again);
	check_framing(out, &again, request);
	HF_ASSERT(
		count_fields(out, len, "keep-alive") + count_fields(out, len, "proxy-connection") ==
		0);
	HF_ASSERT(count_fields(out, len, "connection") <= 1);
	if (request) {
		HF_ASSERT(!again.close &&
			  count_fields(out, len, "connection") == (h->http10 || h->upgrade));
		HF_ASSERT(count_fields(out, len, "x-forwarded-proto") == 1);
		HF_ASSERT(count_fields(out, len, "x-forwarded-for") >= 1);
		HF_ASSERT(count_fields(out, len, "te") == 0);
		HF_ASSERT(count_fields(out, len, "upgrade") == (h->upgrade ? 1 : 0));
		HF_ASSERT(count_fields(out, len, "host") == count_fields(p, h->len, "host"));
	} else if (h->status >= 200) {
		/* A client of either version knows whether another response can come. */
		bool until = h->body == HF_HTTP_UNTIL_CLOSE;
		HF_ASSERT(again.close == (how & CLOSE || until));
		HF_ASSERT(how & CLOSE || !(h->http10 || req->http10) ||
			  count_fields(out, len, "connection") == 1);
	}
	free(out);
}

static void check_head(unsigned how, const struct hf_http_head *req, const uint8_t *p, size_t len,
	struct hf_http_head *h)
{
	enum hf_http_verdict v = read_head(how, req, p, len, h), last = HF_HTTP_MORE;
	size_t step = 1 + len / 64;
	for (size_t n = 0; n < len; n += step) {
		struct hf_http_head some;
		enum hf_http_verdict at = read_head(how, req, p, n, &some);
		HF_ASSERT(at == HF_HTTP_MORE || at == v);
		HF_ASSERT(last == HF_HTTP_MORE || at == last);
		last = at;
	}
	if (v != HF_HTTP_OK)
		return;
	HF_ASSERT(h->len <= len);
	HF_ASSERT(read_head(how, req, p, h->len - 1, &(struct hf_http_head){0}) == HF_HTTP_MORE);
	check_framing(p, h, !(how & RESPONSE));
	check_forwarded(how, req, p, h);
}

/* ---- bodies ---- */

/* Where chunks that were taken end, as a reader finds it that looks for line ends only. */
static size_t chunks_end(const uint8_t *p, size_t len)
{
	size_t at = 0;
	for (;;) {
		uint64_t size = 0;
		const uint8_t *lf = memchr(p + at, '\n', len - at);
		HF_ASSERT(lf);
		for (; fold(p[at]) != ';' && p[at] > ' '; at++)
			size = size * 16 +
			       (uint64_t)(p[at] <= '9' ? p[at] - '0' : fold(p[at]) - 'a' + 10);
		at = (size_t)(lf - p) + 1;
		if (size == 0)
			break;
		HF_ASSERT(size < len - at);
		at += size + 2;
	}
	for (;;) {
		const uint8_t *lf = memchr(p + at, '\n', len - at);
		size_t line;
		HF_ASSERT(lf);
		line = (size_t)(lf - p) - at;
		at += line + 1;
		if (line <= 1)
			return at;
	}
}

static size_t follow_in(struct hf_http_follow *f, const struct hf_http_head *h, const uint8_t *p,
	size_t len, size_t step)
{
	size_t at = 0;
	hf_http_follow_begin(f, h);
	while (at < len && !f->done && !f->bad) {
		size_t give = HF_MIN(step, len - at), n = hf_http_follow(f, p + at, give);
		HF_ASSERT(n <= give && (n == give || f->done || f->bad));
		at += n;
	}
	HF_ASSERT(!(f->done && f->bad));
	HF_ASSERT(!(f->done || f->bad) || hf_http_follow(f, p + at, len - at) == 0);
	return at;
}

static void check_body(const struct hf_http_head *h, const uint8_t *p, size_t len)
{
	struct hf_http_follow f, g;
	size_t n = follow_in(&f, h, p, len, len ? len : 1);
	for (size_t step = 1; step < 64 && step < len; step = 2 * step + 1) {
		HF_ASSERT(follow_in(&g, h, p, len, step) == n);
		HF_ASSERT(f.done == g.done && f.bad == g.bad);
	}
	if (h->body == HF_HTTP_LENGTH)
		HF_ASSERT(n == HF_MIN(h->body_len, (uint64_t)len) && !f.bad);
	if (h->body == HF_HTTP_CHUNKED && f.done)
		HF_ASSERT(chunks_end(p, n) == n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct hf_http_head h = {.body = HF_HTTP_CHUNKED}, req = {0};
	unsigned how;
	if (len == 0)
		return 0;
	how = *data++;
	len--;
	req.head_method = how & HEAD;
	req.upgrade = how & UPGRADE;
	req.http10 = how & OLD;
	if (how & BODY) {
		check_body(&h, data, len);
		return 0;
	}
	check_head(how, &req, data, len, &h);
	if (h.len)
		check_body(&h, data + h.len, len - h.len);
	return 0;
}
