/* transcript.h -- the handshake messages of one connection in their order, both directions, without
 * record headers: what Finished and the extended master secret hash (RFC 5246 7.4.9, RFC 7627 3),
 * what incoming messages are parsed from and what outgoing flights are cut from.
 * Offsets count all bytes from the start. The certificate list, and the status behind it, is not
 * copied: the site holds it.
 * Threads: one worker. Memory: chunks, borrowed as it grows. Errors: chunks short -> the number
 * taken. Private to lib/tls. */
#ifndef HF_TLS_TRANSCRIPT_H
#define HF_TLS_TRANSCRIPT_H

#include "lib/base/buf.h"

struct hf_transcript {
	struct hf_span front; /* a first message too long for chunks stands before the log */
	struct hf_chain log;
	struct hf_span cert; /* stands between the log's bytes, at cert_at; empty: not yet */
	size_t cert_at;
};

static inline size_t hf_transcript_len(const struct hf_transcript *t)
{
	return t->front.len + t->log.len + t->cert.len;
}

/* Returns how much was taken. */
HF_MUST_CHECK size_t hf_transcript_add(
	struct hf_bufs *b, struct hf_transcript *t, const void *p, size_t len);
/* Room for len more bytes? */
bool hf_transcript_fits(const struct hf_bufs *b, const struct hf_transcript *t, size_t len);
/* Adds bytes that the caller knows to fit. */
void hf_transcript_put(struct hf_bufs *b, struct hf_transcript *t, struct hf_span s);
/* Adds the certificate list, and what the site has put behind it, by reference; once. */
void hf_transcript_put_cert(struct hf_transcript *t, struct hf_span list);
/* len bytes from off on as spans; returns how many spans, at most max. */
uint32_t hf_transcript_spans(
	const struct hf_transcript *t, size_t off, size_t len, struct hf_span *v, uint32_t max);
void hf_transcript_copy(const struct hf_transcript *t, size_t off, uint8_t *dst, size_t len);
/* The bytes in place if they lie in one piece, else NULL. */
const uint8_t *hf_transcript_view(const struct hf_transcript *t, size_t off, size_t len);
void hf_transcript_clear(struct hf_bufs *b, struct hf_transcript *t);

#endif
