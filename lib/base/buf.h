/* buf.h -- memory for bytes in flight: 2 KB chunks in chains, and 20 KB record buffers.
 * A chain is a byte queue (append at the tail, consume at the head) made of borrowed chunks.
 * TCP keeps received and unacknowledged bytes in chains; TLS reads one and appends to another.
 * Threads: one worker. Memory: two pools of that worker; a chain borrows and gives back by itself.
 * Errors: pool empty -> append returns how much it took, the caller keeps the rest.
 * They hold plaintext: chunks and record buffers are wiped as far as written when given back, but for what
 * has been on the wire as it is (hf_chain_drop_sent). */
#ifndef HF_BASE_BUF_H
#define HF_BASE_BUF_H

#include "lib/base/pool.h"
#include "lib/base/span.h"

#define HF_CHUNK_SIZE 2048u
#define HF_CHUNK_DATA (HF_CHUNK_SIZE - 16u)
#define HF_RECORD_BUF_SIZE 20480u /* RFC 5246 6.2.3: 5 + 2^14 + 2048, and room for our own use */
static_assert(HF_RECORD_BUF_SIZE >= 5 + 16384 + 2048, "a whole record fits");

struct hf_chunk {
	struct hf_chunk *next;
	uint16_t off, len; /* live bytes are data[off .. off+len) */
	uint32_t spare;
	uint8_t data[HF_CHUNK_DATA];
};
static_assert(sizeof(struct hf_chunk) == HF_CHUNK_SIZE, "one chunk is 2 KB");

struct hf_bufs {
	struct hf_pool chunk, record;
};

struct hf_chain {
	struct hf_chunk *head, *tail;
	size_t len;
};

/* Remembers where in a chain an offset lies, so that sequential reads do not walk from the head.
 * Valid until bytes before it are consumed: hf_chain_drop_sent keeps both in step. */
struct hf_cursor {
	struct hf_chunk *chunk;
	size_t chunk_off; /* stream offset (from the chain's head) of chunk's first live byte */
};

size_t hf_bufs_footprint(uint32_t chunk_cnt, uint32_t record_cnt);
void hf_bufs_init(struct hf_bufs *b, void *mem, uint32_t chunk_cnt, uint32_t record_cnt);

/* Returns the number of bytes appended: len, or less when the chunk pool ran dry. */
HF_MUST_CHECK size_t hf_chain_append(
	struct hf_bufs *b, struct hf_chain *c, const void *p, size_t len);
/* Where bytes may be written that are to be appended: *room of them, at least one; a chunk is taken for them when
 * the last one is full. hf_chain_extended says how many were, at least one, before anything else is asked of
 * the chain. NULL: the pool ran dry. */
HF_MUST_CHECK uint8_t *hf_chain_extend(struct hf_bufs *b, struct hf_chain *c, size_t *room);
void hf_chain_extended(struct hf_chain *c, size_t len);
/* Room that the tail chunk still has plus what the pool could give, cut off at `want`. */
size_t hf_chain_room(const struct hf_bufs *b, const struct hf_chain *c, size_t want);
/* Drops len (<= c->len) bytes from the head; emptied chunks go back to the pool, wiped. */
void hf_chain_consume(struct hf_bufs *b, struct hf_chain *c, size_t len);
/* The same for bytes that the wire has seen, with a cursor: what was no secret there is not wiped here, and
 * lies cold by now. */
void hf_chain_drop_sent(struct hf_bufs *b, struct hf_chain *c, struct hf_cursor *cur, size_t len);
/* The first contiguous bytes (empty span when the chain is). */
struct hf_span hf_chain_first(const struct hf_chain *c);
/* The contiguous bytes from offset off (< c->len) to the end of their chunk. cur may be NULL. */
struct hf_span hf_chain_at(const struct hf_chain *c, size_t off, struct hf_cursor *cur);
/* Copies len bytes from offset off; off + len <= c->len. cur may be NULL. */
void hf_chain_copy(
	const struct hf_chain *c, size_t off, void *dst, size_t len, struct hf_cursor *cur);
/* Moves all of src behind dst. */
void hf_chain_join(struct hf_chain *dst, struct hf_chain *src);
void hf_chain_clear(struct hf_bufs *b, struct hf_chain *c);

/* A 20 KB record buffer, or NULL; given back wiped up to `dirty` bytes. */
HF_MUST_CHECK uint8_t *hf_record_take(struct hf_bufs *b);
void hf_record_give(struct hf_bufs *b, uint8_t *rec, size_t dirty);

#endif
