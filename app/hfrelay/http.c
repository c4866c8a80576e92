/* http.c -- a head is met in three steps, each over whole lines: its first line, where it ends (every LF
 * behind a CR), its fields. What decides where a message ends must stand in its one plain form, since the
 * attacks of RFC 9112 11.2 live on the others.
 * Forwarding reads the same fields again and copies lines as they are, or leaves them out: a head that
 * was taken needs no more memory than what Connection names. */
#include "app/hfrelay/http.h"
#include "lib/base/span.h"

#define EMPTY_LINES_MAX 4u /* before a request (RFC 9112 2.2) */
#define METHOD_MAX 32u     /* twice the longest that is registered */
#define NAMED_MAX 16u      /* in Connection; each is held against each field */
#define SIZE_DIGITS_MAX 16u
#define SIZE_LINE_MAX 4096u /* of a chunk, with its extensions */
#define TRAILERS_MAX 16384u /* all of them */
#define CLIENT_TEXT_MAX 64u

enum { TAB = 9, LF = 10, CR = 13, DEL = 127 };

enum kind { REQUEST, RESPONSE };

struct field {
	struct hf_span line; /* with its CRLF */
	struct hf_span name, value;
	bool tab; /* the space around the value is more than spaces */
};

/* What the fields of a head say. */
struct facts {
	struct hf_span host;
	uint32_t host_cnt, length_cnt, coding_cnt, upgrade_cnt;
	uint64_t length;
	bool chunked; /* the coding, if there is one */
	bool h2c;     /* Upgrade names it */
	bool conn_close, conn_keep, conn_upgrade;
	struct hf_span named[NAMED_MAX]; /* in Connection */
	uint32_t named_cnt;
};

/* ---- characters and words (RFC 9110 5.6) ---- */

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(uint8_t c)
{
	return is_digit(c) || (hf_lower(c) >= 'a' && hf_lower(c) <= 'z');
}

static bool is_tchar(uint8_t c)
{
	return is_alnum(c) || (c && c < DEL && memchr("!#$%&'*+-.^_`|~", c, 15));
}

static bool is_visible(uint8_t c)
{
	return c > ' ' && c < DEL;
}

/* What a value or a reason may hold: no controls. */
static bool is_text(uint8_t c)
{
	return c == TAB || (c >= ' ' && c != DEL);
}

static bool all(struct hf_span s, bool (*ok)(uint8_t))
{
	for (size_t i = 0; i < s.len; i++)
		if (!ok(s.p[i]))
			return false;
	return true;
}

static bool is_token(struct hf_span s)
{
	return s.len > 0 && all(s, is_tchar);
}

static bool is_method(struct hf_span s)
{
	return s.len <= METHOD_MAX && is_token(s);
}

static bool eq(struct hf_span s, const char *word)
{
	return hf_span_eq(s, hf_span(word, strlen(word)));
}

static bool eq_nocase(struct hf_span s, const char *word)
{
	return hf_span_eq_nocase(s, hf_span(word, strlen(word)));
}

/* As CGI and its heirs see a name, which make one letter of '-' and '_'. */
static bool eq_folded(struct hf_span s, const char *word)
{
	size_t i, len = strlen(word);
	if (s.len != len)
		return false;
	for (i = 0; i < len; i++)
		if (hf_lower(s.p[i]) != (uint8_t)word[i] && !(s.p[i] == '_' && word[i] == '-'))
			break;
	return i == len;
}

/* Cuts what is before `c` off the front of `s`, and `c`. */
static bool cut(struct hf_span *s, uint8_t c, struct hf_span *before)
{
	const uint8_t *at = s->len ? memchr(s->p, c, s->len) : NULL;
	if (!at)
		return false;
	*before = hf_span(s->p, (size_t)(at - s->p));
	*s = hf_span(at + 1, s->len - before->len - 1);
	return true;
}

/* The next element of a list without the space around it; empty ones are elements, too. */
static bool next_element(struct hf_span *list, struct hf_span *e)
{
	if (!list->p)
		return false;
	if (!cut(list, ',', e)) {
		*e = *list;
		*list = hf_span(NULL, 0);
	}
	while (e->len && (e->p[0] == ' ' || e->p[0] == TAB))
		*e = hf_span(e->p + 1, e->len - 1);
	while (e->len && (e->p[e->len - 1] == ' ' || e->p[e->len - 1] == TAB))
		e->len--;
	return true;
}

/* ---- lines ---- */

/* How many bytes of empty lines are before the head. MORE: it has not begun. */
static enum hf_http_verdict skip_empty(const uint8_t *p, size_t len, size_t *begin)
{
	size_t at = 0;
	while (at < len && p[at] == CR) {
		if (at + 1 == len)
			return HF_HTTP_MORE;
		if (p[at + 1] != LF || at == (size_t)2 * EMPTY_LINES_MAX)
			return HF_HTTP_BAD;
		at += 2;
	}
	*begin = at;
	return at < len ? HF_HTTP_OK : HF_HTTP_MORE;
}

/* The line at p[at], without its CRLF; at is then behind it. */
static enum hf_http_verdict next_line(
	const uint8_t *p, size_t len, size_t *at, struct hf_span *line)
{
	size_t cap = HF_MIN(len, (size_t)HF_HTTP_HEAD_MAX);
	const uint8_t *from = p + *at;
	const uint8_t *lf = *at < cap ? memchr(from, LF, cap - *at) : NULL;
	if (!lf)
		return len >= HF_HTTP_HEAD_MAX ? HF_HTTP_TOO_LARGE : HF_HTTP_MORE;
	if (lf == from || lf[-1] != CR)
		return HF_HTTP_BAD;
	*line = hf_span(from, (size_t)(lf - from) - 1);
	*at += line->len + 2;
	return HF_HTTP_OK;
}

/* Where the head ends whose fields begin at p[at]. */
static enum hf_http_verdict find_end(const uint8_t *p, size_t len, size_t at, size_t *head_len)
{
	struct hf_span line;
	enum hf_http_verdict v;
	for (uint32_t fields = 0;; fields++) {
		v = next_line(p, len, &at, &line);
		if (v != HF_HTTP_OK)
			return v;
		if (line.len == 0)
			break;
		if (fields == HF_HTTP_FIELDS_MAX)
			return HF_HTTP_TOO_LARGE;
	}
	*head_len = at;
	return HF_HTTP_OK;
}

/* ---- the first line ---- */

/* "HTTP/1.0", "HTTP/1.1": OK. */
static enum hf_http_verdict read_version(struct hf_span s, bool *http10)
{
	if (s.len != 8 || memcmp(s.p, "HTTP/", 5) != 0 || !is_digit(s.p[5]) || s.p[6] != '.' ||
		!is_digit(s.p[7]))
		return HF_HTTP_BAD;
	*http10 = s.p[7] == '0';
	return s.p[5] == '1' && s.p[7] <= '1' ? HF_HTTP_OK : HF_HTTP_UNSUPPORTED;
}

/* Origin, absolute or asterisk form (RFC 9112 3.2). What begins otherwise has made proxies behind us
 * connect to where the client wanted. */
static bool is_target(struct hf_span target, bool options)
{
	if (target.len == 0 || !all(target, is_visible))
		return false;
	if (target.p[0] == '/')
		return true;
	if (eq(target, "*"))
		return options;
	return (target.len > 7 && eq_nocase(hf_span(target.p, 7), "http://")) ||
	       (target.len > 8 && eq_nocase(hf_span(target.p, 8), "https://"));
}

static enum hf_http_verdict read_request_line(struct hf_span line, struct hf_http_head *h)
{
	struct hf_span method, target;
	enum hf_http_verdict v;
	if (!cut(&line, ' ', &method) || !cut(&line, ' ', &target) || !is_method(method))
		return HF_HTTP_BAD;
	v = read_version(line, &h->http10);
	if (v != HF_HTTP_OK)
		return v;
	if (eq(method, "CONNECT"))
		return HF_HTTP_UNSUPPORTED;
	h->head_method = eq(method, "HEAD");
	/* A method of its own by the letter (RFC 9110 9.1), to some the one that it resembles. */
	if (eq_nocase(method, "connect") || (!h->head_method && eq_nocase(method, "head")))
		return HF_HTTP_BAD;
	h->again = h->head_method || eq(method, "GET") || eq(method, "OPTIONS");
	h->alone = !eq(method, "POST") && !eq(method, "PUT") && !eq(method, "PATCH");
	return is_target(target, eq(method, "OPTIONS")) ? HF_HTTP_OK : HF_HTTP_BAD;
}

static enum hf_http_verdict read_status_line(struct hf_span line, struct hf_http_head *h)
{
	struct hf_span version;
	if (!cut(&line, ' ', &version) || read_version(version, &h->http10) != HF_HTTP_OK ||
		line.len < 3 || !all(hf_span(line.p, 3), is_digit) || line.p[0] == '0')
		return HF_HTTP_BAD;
	h->status = (line.p[0] - '0') * 100u + (line.p[1] - '0') * 10u + (line.p[2] - '0');
	return line.len == 3 || (line.p[3] == ' ' && all(line, is_text)) ? HF_HTTP_OK : HF_HTTP_BAD;
}

/* Of a first line that is not whole yet: can it become one? What is no HTTP need not wait. */
static bool may_begin(struct hf_span s, enum kind kind)
{
	struct hf_span method = s;
	if (kind == RESPONSE)
		return memcmp(s.p, "HTTP/1.", HF_MIN(s.len, 7u)) == 0;
	(void)cut(&s, ' ', &method);
	return is_method(method);
}

/* ---- fields ---- */

/* "token:" and a value (RFC 9112 5), in which a bare CR is a control like others. */
static bool read_field(struct hf_span line, struct field *f)
{
	struct hf_span value = line;
	f->line = hf_span(line.p, line.len + 2);
	if (!cut(&value, ':', &f->name) || !is_token(f->name) || !all(value, is_text))
		return false;
	f->tab = value.len && (value.p[0] == TAB || value.p[value.len - 1] == TAB);
	while (value.len && (value.p[0] == ' ' || value.p[0] == TAB)) {
		f->tab |= value.p[0] == TAB;
		value = hf_span(value.p + 1, value.len - 1);
	}
	while (value.len && (value.p[value.len - 1] == ' ' || value.p[value.len - 1] == TAB)) {
		f->tab |= value.p[value.len - 1] == TAB;
		value.len--;
	}
	f->value = value;
	return true;
}

/* RFC 9110 8.6, but one number alone. Up to what a server may hold in a signed word. */
static bool read_length(struct hf_span s, uint64_t *length)
{
	uint64_t v = 0;
	if (s.len == 0 || !all(s, is_digit))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (v > ((uint64_t)INT64_MAX - (uint64_t)(s.p[i] - '0')) / 10)
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	*length = v;
	return true;
}

/* A uri-host and perhaps a port, by their letters (RFC 3986 3.2.2). */
static bool is_host_char(uint8_t c)
{
	return is_alnum(c) || (c && memchr("-._~%!$&'()*+,;=:[]", c, 19));
}

static bool read_connection(struct hf_span list, struct facts *x)
{
	struct hf_span e;
	while (next_element(&list, &e)) {
		if (e.len == 0)
			continue;
		/* They are every recipient's (RFC 9110 7.6.1); to leave them out would make
		 * another message. */
		if (!is_token(e) || eq_folded(e, "transfer-encoding") ||
			eq_folded(e, "content-length") || x->named_cnt == NAMED_MAX)
			return false;
		x->named[x->named_cnt++] = e;
		x->conn_close |= eq_nocase(e, "close");
		x->conn_keep |= eq_nocase(e, "keep-alive");
		x->conn_upgrade |= eq_nocase(e, "upgrade");
	}
	return true;
}

static void read_upgrade(struct hf_span list, struct facts *x)
{
	struct hf_span e;
	x->upgrade_cnt++;
	while (next_element(&list, &e))
		x->h2c |= eq_nocase(e, "h2c");
}

/* Notes what this field says of the message; false: nobody may be asked to agree with it. */
static bool note(const struct field *f, enum kind kind, struct facts *x)
{
	if (eq_nocase(f->name, "content-length")) {
		x->length_cnt++;
		return !f->tab && x->length_cnt == 1 && read_length(f->value, &x->length);
	}
	if (eq_nocase(f->name, "transfer-encoding")) {
		x->coding_cnt++;
		x->chunked = x->coding_cnt == 1 && eq_nocase(f->value, "chunked");
		return !f->tab;
	}
	if (eq_nocase(f->name, "connection"))
		return read_connection(f->value, x);
	if (eq_nocase(f->name, "upgrade"))
		read_upgrade(f->value, x);
	if (kind == RESPONSE)
		return true;
	if (eq_nocase(f->name, "host")) {
		x->host = f->value;
		return ++x->host_cnt == 1 && all(f->value, is_host_char);
	}
	if (eq_nocase(f->name, "expect")) /* there is no other (RFC 9110 10.1.1) */
		return eq_nocase(f->value, "100-continue");
	return !eq_folded(f->name, "content-length") && !eq_folded(f->name, "transfer-encoding");
}

/* All fields of a whole head, from p[at] on. */
static bool read_fields(const uint8_t *p, size_t len, size_t at, enum kind kind, struct facts *x)
{
	struct hf_span line;
	struct field f;
	*x = (struct facts){0};
	while (next_line(p, len, &at, &line) == HF_HTTP_OK && line.len)
		if (!read_field(line, &f) || !note(&f, kind, x))
			return false;
	return true;
}

/* What requests and responses have in common (RFC 9112 6.1). */
static bool is_framed(const struct hf_http_head *h, const struct facts *x)
{
	return !(x->length_cnt && x->coding_cnt) && !(x->coding_cnt && h->http10);
}

static void say_framing(struct hf_http_head *h, const struct facts *x, enum hf_http_body otherwise)
{
	h->body = x->length_cnt ? HF_HTTP_LENGTH : x->coding_cnt ? HF_HTTP_CHUNKED : otherwise;
	h->body_len = x->length;
	h->close = x->conn_close || (h->http10 && !x->conn_keep);
}

/* The first line and the end of the head behind it; *fields is where they begin. */
static enum hf_http_verdict read_frame(const uint8_t *p, size_t len, size_t begin, enum kind kind,
	struct hf_http_head *h, size_t *fields)
{
	struct hf_span line;
	size_t at = begin;
	enum hf_http_verdict v = next_line(p, len, &at, &line);
	if (v == HF_HTTP_MORE || v == HF_HTTP_TOO_LARGE)
		return may_begin(hf_span(p + begin, HF_MIN(len, (size_t)HF_HTTP_HEAD_MAX) - begin),
			       kind)
			       ? v
			       : HF_HTTP_BAD;
	if (v == HF_HTTP_OK)
		v = kind == REQUEST ? read_request_line(line, h) : read_status_line(line, h);
	*fields = at;
	return v == HF_HTTP_OK ? find_end(p, len, at, &h->len) : v;
}

/* The authority in the target of this first line; false: it has none. */
static bool find_authority(struct hf_span line, struct hf_span *authority)
{
	struct hf_span method, target, scheme;
	size_t len = 0;
	if (!cut(&line, ' ', &method) || !cut(&line, ' ', &target) || target.p[0] == '/' ||
		!cut(&target, ':', &scheme))
		return false;
	target = hf_span(target.p + 2, target.len - 2); /* "//", by is_target */
	while (len < target.len && !memchr("/?#", target.p[len], 3))
		len++;
	*authority = hf_span(target.p, len);
	return true;
}

/* Host, and the target's authority, which is the same where there is one (RFC 9112 3.2): servers differ
 * in which of them they ask. */
static bool is_host_clear(
	const uint8_t *p, size_t begin, const struct hf_http_head *h, const struct facts *x)
{
	struct hf_span line, authority;
	if (x->host_cnt == 0)
		return h->http10;
	return next_line(p, h->len, &begin, &line) == HF_HTTP_OK &&
	       (!find_authority(line, &authority) ||
		       (authority.len && hf_span_eq_nocase(authority, x->host)));
}

enum hf_http_verdict hf_http_request(const uint8_t *p, size_t len, struct hf_http_head *h)
{
	struct facts x;
	size_t begin = 0, fields = 0;
	enum hf_http_verdict v = skip_empty(p, len, &begin);
	*h = (struct hf_http_head){0};
	if (v == HF_HTTP_OK)
		v = read_frame(p, len, begin, REQUEST, h, &fields);
	if (v != HF_HTTP_OK)
		return v;
	if (!read_fields(p, h->len, fields, REQUEST, &x) || !is_framed(h, &x) ||
		!is_host_clear(p, begin, h, &x))
		return HF_HTTP_BAD;
	if (x.coding_cnt && !x.chunked)
		return HF_HTTP_UNSUPPORTED;
	say_framing(h, &x, HF_HTTP_NONE);
	/* HTTP/1.0 knows none (RFC 9110 7.8). h2c is not for TLS (RFC 7540 3.2), and would
	 * carry requests past whoever looks at them. */
	h->upgrade = !h->http10 && x.conn_upgrade && x.upgrade_cnt == 1 && !x.h2c;
	h->again &= h->body == HF_HTTP_NONE && !h->upgrade;
	h->alone = h->upgrade || (h->alone && h->body != HF_HTTP_NONE);
	return HF_HTTP_OK;
}

/* RFC 9112 6.3. */
enum hf_http_verdict hf_http_response(
	const uint8_t *p, size_t len, const struct hf_http_head *req, struct hf_http_head *h)
{
	struct facts x;
	size_t fields = 0;
	enum hf_http_verdict v = HF_HTTP_MORE;
	bool early, bare;
	*h = (struct hf_http_head){0};
	if (len)
		v = read_frame(p, len, 0, RESPONSE, h, &fields);
	if (v != HF_HTTP_OK)
		return v;
	/* Chunks are not for a client of HTTP/1.0 (6.1). */
	if (!read_fields(p, h->len, fields, RESPONSE, &x) || !is_framed(h, &x) ||
		(x.coding_cnt && (!x.chunked || req->http10)))
		return HF_HTTP_BAD;
	say_framing(h, &x, HF_HTTP_UNTIL_CLOSE);
	early = h->status < 200;
	bare = early || h->status == 204;
	/* They may announce no body; one who does may send it, too. */
	if (bare && (x.coding_cnt || x.length))
		return HF_HTTP_BAD;
	if (bare || h->status == 304 || req->head_method) {
		h->body = HF_HTTP_NONE;
		h->body_len = 0;
	}
	if (h->status == 101) {
		if (!req->upgrade || h->http10 || !x.upgrade_cnt)
			return HF_HTTP_BAD;
		h->body = HF_HTTP_TUNNEL;
	}
	h->close |= h->body == HF_HTTP_UNTIL_CLOSE || h->body == HF_HTTP_TUNNEL;
	return HF_HTTP_OK;
}

/* ---- forwarding ---- */

static bool is_named(struct hf_span name, const struct facts *x)
{
	uint32_t i = 0;
	while (i < x->named_cnt && !hf_span_eq_nocase(name, x->named[i]))
		i++;
	return i < x->named_cnt;
}

/* Is it for us, or for the connection, and not for who is behind us? */
static bool is_ours(struct hf_span name, const struct facts *x, enum kind kind, bool upgrade)
{
	if (eq_nocase(name, "connection") || eq_folded(name, "keep-alive") ||
		eq_folded(name, "proxy-connection"))
		return true;
	if (eq_nocase(name, "upgrade"))
		return !upgrade;
	/* What the message is understood by stays, whoever names it; read_connection has seen to the
	 * others. */
	if (eq_nocase(name, "host") || eq_nocase(name, "expect"))
		return false;
	if (kind == REQUEST && (eq_nocase(name, "te") || eq_folded(name, "x-forwarded-proto") ||
				       (eq_folded(name, "x-forwarded-for") &&
					       !eq_nocase(name, "x-forwarded-for"))))
		return true;
	return is_named(name, x);
}

static void write_text(struct hf_writer *w, const char *text)
{
	hf_writer_bytes(w, text, strlen(text));
}

/* The first line, and the fields that are for the other side. */
static void write_head(struct hf_writer *w, const uint8_t *p, size_t len, size_t begin,
	enum kind kind, bool upgrade)
{
	struct facts x;
	struct hf_span line;
	struct field f;
	size_t at = begin;
	bool ok = next_line(p, len, &at, &line) == HF_HTTP_OK && read_fields(p, len, at, kind, &x);
	HF_ASSERT(ok); /* it was read before */
	hf_writer_bytes(w, line.p, line.len + 2);
	while (next_line(p, len, &at, &line) == HF_HTTP_OK && line.len)
		if (read_field(line, &f) && !is_ours(f.name, &x, kind, upgrade))
			hf_writer_span(w, f.line);
}

size_t hf_http_forward_request(
	const struct hf_http_head *h, const uint8_t *p, const char *client, uint8_t *out)
{
	struct hf_writer w = hf_writer(out, h->len + HF_HTTP_GROWS);
	size_t begin = 0;
	enum hf_http_verdict v = skip_empty(p, h->len, &begin);
	HF_ASSERT(v == HF_HTTP_OK && strlen(client) <= CLIENT_TEXT_MAX);
	write_head(&w, p, h->len, begin, REQUEST, h->upgrade);
	write_text(&w, "X-Forwarded-For: ");
	write_text(&w, client);
	write_text(&w, "\r\nX-Forwarded-Proto: https\r\n");
	if (h->upgrade)
		write_text(&w, "Connection: upgrade\r\n");
	else if (h->http10)
		write_text(&w, "Connection: keep-alive\r\n");
	write_text(&w, "\r\n");
	HF_ASSERT(!w.overflow);
	return w.len;
}

size_t hf_http_forward_response(const struct hf_http_head *h, const struct hf_http_head *req,
	const uint8_t *p, bool close, uint8_t *out)
{
	struct hf_writer w = hf_writer(out, h->len + HF_HTTP_GROWS);
	bool upgrade = h->status == 101;
	write_head(&w, p, h->len, 0, RESPONSE, upgrade);
	if (upgrade)
		write_text(&w, "Connection: upgrade\r\n");
	else if (h->status < 200)
		; /* another follows */
	else if (close)
		write_text(&w, "Connection: close\r\n");
	else if (req->http10 || h->http10)
		write_text(&w, "Connection: keep-alive\r\n");
	write_text(&w, "\r\n");
	HF_ASSERT(!w.overflow);
	return w.len;
}

/* ---- bodies ---- */

enum state {
	SIZE_FIRST, /* its first digit */
	SIZE,
	SIZE_SPACE, /* behind it, before an extension */
	EXTENSION,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER_FIRST, /* of a line */
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	END_LF,
};

void hf_http_follow_begin(struct hf_http_follow *f, const struct hf_http_head *h)
{
	*f = (struct hf_http_follow){.body = h->body};
	if (h->body == HF_HTTP_LENGTH)
		f->left = h->body_len;
	f->done = h->body == HF_HTTP_NONE || (h->body == HF_HTTP_LENGTH && f->left == 0);
}

static size_t follow_data(struct hf_http_follow *f, size_t len)
{
	size_t n = f->left < len ? (size_t)f->left : len;
	f->left -= n;
	return n;
}

static int hex_digit(uint8_t c)
{
	if (is_digit(c))
		return c - '0';
	c = hf_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool follow_size(struct hf_http_follow *f, uint8_t c)
{
	int digit = hex_digit(c);
	if (digit < 0) {
		if (f->state == SIZE_FIRST)
			return false;
		f->state = c == CR ? SIZE_LF : c == ';' ? EXTENSION : SIZE_SPACE;
		return c == CR || c == ';' || c == ' ' || c == TAB;
	}
	if (f->line_len == SIZE_DIGITS_MAX || f->left > (uint64_t)INT64_MAX >> 4)
		return false;
	f->state = SIZE;
	f->left = f->left << 4 | (uint64_t)digit;
	return true;
}

/* One byte of what is between the data (RFC 9112 7.1); false: it may not stand there. */
static bool follow_between(struct hf_http_follow *f, uint8_t c)
{
	uint8_t was = f->state;
	bool ok = true;
	switch ((enum state)was) {
	case SIZE_FIRST:
	case SIZE:
		ok = follow_size(f, c);
		break;
	case SIZE_SPACE:
		f->state = c == ';' ? EXTENSION : SIZE_SPACE;
		ok = c == ';' || c == ' ' || c == TAB;
		break;
	case EXTENSION:
		f->state = c == CR ? SIZE_LF : EXTENSION;
		ok = c == CR || (is_text(c) && c < DEL);
		break;
	case SIZE_LF:
		f->state = f->left ? DATA : TRAILER_FIRST;
		ok = c == LF;
		break;
	case DATA_CR:
		f->state = DATA_LF;
		ok = c == CR;
		break;
	case DATA_LF:
		f->state = SIZE_FIRST;
		ok = c == LF;
		break;
	case TRAILER_FIRST:
		f->state = c == CR ? END_LF : TRAILER_NAME;
		ok = c == CR || is_tchar(c);
		break;
	case TRAILER_NAME:
		f->state = c == ':' ? TRAILER_VALUE : TRAILER_NAME;
		ok = c == ':' || is_tchar(c);
		break;
	case TRAILER_VALUE:
		f->state = c == CR ? TRAILER_LF : TRAILER_VALUE;
		ok = c == CR || is_text(c);
		break;
	case TRAILER_LF:
		f->state = TRAILER_FIRST;
		ok = c == LF;
		break;
	case END_LF:
		f->done = c == LF;
		ok = c == LF;
		break;
	case DATA:
		break;
	}
	/* A line's length; of trailers, that of all. */
	if (was == SIZE_LF || was == DATA_LF)
		f->line_len = 0;
	else if (++f->line_len > (was < DATA ? SIZE_LINE_MAX : TRAILERS_MAX))
		ok = false;
	return ok;
}

static size_t follow_chunks(struct hf_http_follow *f, const uint8_t *p, size_t len)
{
	size_t at = 0;
	while (at < len && !f->done) {
		if (f->state == DATA) {
			at += follow_data(f, len - at);
			if (f->left == 0)
				f->state = DATA_CR;
			continue;
		}
		if (!follow_between(f, p[at])) {
			f->bad = true;
			break;
		}
		at++;
	}
	return at;
}

size_t hf_http_follow(struct hf_http_follow *f, const uint8_t *p, size_t len)
{
	size_t n;
	if (f->done || f->bad)
		return 0;
	switch (f->body) {
	case HF_HTTP_CHUNKED:
		return follow_chunks(f, p, len);
	case HF_HTTP_LENGTH:
		n = follow_data(f, len);
		f->done = f->left == 0;
		return n;
	default:
		return len; /* until the connection ends */
	}
}
