/* transcript.c -- a chain of chunks with one hole in it. Messages are small but for two: a hello
 * may have 16 KB, so it must not be a fixed array (the rare one that has more lies in a buffer of
 * its own, in front of the chain); a certificate list has four, is the same for every connection
 * and lives in the site, so it is kept as a span at its place and walked over.
 * Nothing is hashed here: the suite that names the hash is not known until the first message was
 * parsed, and hashing in bursts is lib/crypto's. */
#include "lib/tls/transcript.h"

size_t hf_transcript_add(struct hf_bufs *b, struct hf_transcript *t, const void *p, size_t len)
{
	return hf_chain_append(b, &t->log, p, len);
}

bool hf_transcript_fits(const struct hf_bufs *b, const struct hf_transcript *t, size_t len)
{
	return hf_chain_room(b, &t->log, len) == len;
}

void hf_transcript_put(struct hf_bufs *b, struct hf_transcript *t, struct hf_span s)
{
	size_t taken = hf_chain_append(b, &t->log, s.p, s.len);

	HF_ASSERT(taken == s.len);
}

void hf_transcript_put_cert(struct hf_transcript *t, struct hf_span list)
{
	HF_ASSERT(t->cert.len == 0);
	t->cert = list;
	t->cert_at = t->log.len;
}

/* The longest piece that lies in one place, from off on: part of a chunk, or of the certificates.
 * Empty at the end. */
static struct hf_span piece(const struct hf_transcript *t, size_t off)
{
	size_t stop = t->log.len, skip;

	if (off < t->front.len)
		return hf_span(t->front.p + off, t->front.len - off);
	off -= t->front.len;
	skip = off;
	if (t->cert.len > 0 && off >= t->cert_at) {
		if (off - t->cert_at < t->cert.len)
			return hf_span(
				t->cert.p + (off - t->cert_at), t->cert.len - (off - t->cert_at));
		skip -= t->cert.len;
	} else if (t->cert.len > 0) {
		stop = t->cert_at;
	}
	stop -= skip;
	for (const struct hf_chunk *k = t->log.head; k; k = k->next) {
		if (skip < k->len)
			return hf_span(k->data + k->off + skip, HF_MIN(k->len - skip, stop));
		skip -= k->len;
	}
	return hf_span(NULL, 0);
}

uint32_t hf_transcript_spans(
	const struct hf_transcript *t, size_t off, size_t len, struct hf_span *v, uint32_t max)
{
	uint32_t cnt = 0;

	for (; len > 0; off += v[cnt].len, len -= v[cnt++].len) {
		HF_ASSERT(cnt < max);
		v[cnt] = piece(t, off);
		HF_ASSERT(v[cnt].len > 0);
		v[cnt].len = HF_MIN(v[cnt].len, len);
	}
	return cnt;
}

void hf_transcript_copy(const struct hf_transcript *t, size_t off, uint8_t *dst, size_t len)
{
	while (len > 0) {
		struct hf_span s = piece(t, off);
		size_t n = HF_MIN(s.len, len);

		HF_ASSERT(n > 0);
		memcpy(dst, s.p, n);
		dst += n;
		off += n;
		len -= n;
	}
}

const uint8_t *hf_transcript_view(const struct hf_transcript *t, size_t off, size_t len)
{
	struct hf_span s = piece(t, off);

	return s.len >= len ? s.p : NULL;
}

void hf_transcript_clear(struct hf_bufs *b, struct hf_transcript *t)
{
	hf_chain_clear(b, &t->log);
	*t = (struct hf_transcript){0};
}
