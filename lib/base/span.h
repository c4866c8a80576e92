/* span.h -- the only byte cursors of the house: a span, a reader that cannot overrun, a writer
 * that cannot overflow. Every parser and every message builder goes through these.
 * Readers return 0, or -1 when the bytes are not there (nothing is consumed then), so that
 *   if (hf_reader_u16(&r, &len) || len > MAX) return fail(...);
 * reads as the rule it checks. Writers remember overflow; the builder asks once at its end.
 * All integers are big endian on the wire. Threads: none involved. Memory: the caller's. */
#ifndef HF_BASE_SPAN_H
#define HF_BASE_SPAN_H

#include "lib/base/base.h"

struct hf_span {
	const uint8_t *p;
	size_t len;
};

struct hf_reader {
	const uint8_t *p, *end;
};

static inline struct hf_span hf_span(const void *p, size_t len)
{
	return (struct hf_span){p, len};
}

static inline bool hf_span_eq(struct hf_span a, struct hf_span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* Letters of ASCII alone, in names that have no case (RFC 4343, RFC 9110 5.1). */
static inline uint8_t hf_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static inline bool hf_span_eq_nocase(struct hf_span a, struct hf_span b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = a.len; i-- > 0;) /* names differ in front less often than in the end */
		if (hf_lower(a.p[i]) != hf_lower(b.p[i]))
			return false;
	return true;
}

static inline struct hf_reader hf_reader(const void *p, size_t len)
{
	const uint8_t *at = p;
	return (struct hf_reader){at, len ? at + len : at}; /* an empty span may be NULL */
}

static inline struct hf_reader hf_reader_of(struct hf_span s)
{
	return hf_reader(s.p, s.len);
}

static inline size_t hf_reader_left(const struct hf_reader *r)
{
	return (size_t)(r->end - r->p);
}

HF_MUST_CHECK static inline int hf_reader_bytes(
	struct hf_reader *r, size_t len, struct hf_span *out)
{
	if (hf_reader_left(r) < len)
		return -1;
	*out = hf_span(r->p, len);
	r->p += len;
	return 0;
}

HF_MUST_CHECK static inline int hf_reader_skip(struct hf_reader *r, size_t len)
{
	struct hf_span ignored;
	return hf_reader_bytes(r, len, &ignored);
}

HF_MUST_CHECK static inline int hf_reader_u8(struct hf_reader *r, uint8_t *v)
{
	if (hf_reader_left(r) < 1)
		return -1;
	*v = *r->p++;
	return 0;
}

HF_MUST_CHECK static inline int hf_reader_u16(struct hf_reader *r, uint16_t *v)
{
	if (hf_reader_left(r) < 2)
		return -1;
	*v = (uint16_t)(r->p[0] << 8 | r->p[1]);
	r->p += 2;
	return 0;
}

HF_MUST_CHECK static inline int hf_reader_u24(struct hf_reader *r, uint32_t *v)
{
	if (hf_reader_left(r) < 3)
		return -1;
	*v = (uint32_t)r->p[0] << 16 | (uint32_t)r->p[1] << 8 | r->p[2];
	r->p += 3;
	return 0;
}

HF_MUST_CHECK static inline int hf_reader_u32(struct hf_reader *r, uint32_t *v)
{
	if (hf_reader_left(r) < 4)
		return -1;
	*v = (uint32_t)r->p[0] << 24 | (uint32_t)r->p[1] << 16 | (uint32_t)r->p[2] << 8 | r->p[3];
	r->p += 4;
	return 0;
}

/* Length-prefixed vectors (RFC 8446 3.4): the length, then that many bytes, as one step. */
HF_MUST_CHECK static inline int hf_reader_vec8(struct hf_reader *r, struct hf_span *out)
{
	struct hf_reader at = *r;
	uint8_t len;
	if (hf_reader_u8(&at, &len) || hf_reader_bytes(&at, len, out))
		return -1;
	*r = at;
	return 0;
}

HF_MUST_CHECK static inline int hf_reader_vec16(struct hf_reader *r, struct hf_span *out)
{
	struct hf_reader at = *r;
	uint16_t len;
	if (hf_reader_u16(&at, &len) || hf_reader_bytes(&at, len, out))
		return -1;
	*r = at;
	return 0;
}

HF_MUST_CHECK static inline int hf_reader_vec24(struct hf_reader *r, struct hf_span *out)
{
	struct hf_reader at = *r;
	uint32_t len;
	if (hf_reader_u24(&at, &len) || hf_reader_bytes(&at, len, out))
		return -1;
	*r = at;
	return 0;
}

struct hf_writer {
	uint8_t *p;
	size_t len, cap;
	bool overflow; /* a write did not fit; len stays at the last write that did */
};

static inline struct hf_writer hf_writer(void *p, size_t cap)
{
	return (struct hf_writer){p, 0, cap, false};
}

static inline void hf_writer_bytes(struct hf_writer *w, const void *p, size_t len)
{
	if (w->overflow || w->cap - w->len < len) {
		w->overflow = true;
		return;
	}
	if (len)
		memcpy(w->p + w->len, p, len);
	w->len += len;
}

static inline void hf_writer_span(struct hf_writer *w, struct hf_span s)
{
	hf_writer_bytes(w, s.p, s.len);
}

static inline void hf_writer_u8(struct hf_writer *w, unsigned v)
{
	uint8_t b = (uint8_t)v;
	hf_writer_bytes(w, &b, 1);
}

static inline void hf_writer_u16(struct hf_writer *w, unsigned v)
{
	uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};
	hf_writer_bytes(w, b, 2);
}

static inline void hf_writer_u24(struct hf_writer *w, uint32_t v)
{
	uint8_t b[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
	hf_writer_bytes(w, b, 3);
}

static inline void hf_writer_u32(struct hf_writer *w, uint32_t v)
{
	uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
	hf_writer_bytes(w, b, 4);
}

/* Reserved length prefixes: open returns the mark that close fills with what came since. */
static inline size_t hf_writer_open(struct hf_writer *w, size_t prefix_len)
{
	static const uint8_t zero[4];
	size_t mark = w->len;
	hf_writer_bytes(w, zero, prefix_len);
	return mark;
}

static inline void hf_writer_close(struct hf_writer *w, size_t mark, size_t prefix_len)
{
	size_t body, i;
	if (w->overflow)
		return;
	body = w->len - mark - prefix_len;
	if (prefix_len < sizeof(body) && body >> (8 * prefix_len)) {
		w->overflow = true;
		return;
	}
	for (i = 0; i < prefix_len; i++)
		w->p[mark + i] = (uint8_t)(body >> (8 * (prefix_len - 1 - i)));
}

#endif
