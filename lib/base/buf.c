/* buf.c -- a chain is a singly linked list of chunks; bytes enter behind the tail chunk's live
 * bytes and leave at the head chunk's front. No chunk in a chain is ever empty: the one that loses
 * its last byte goes back to the pool at once, wiped as far as it was ever written, unless
 * all of it has been on the wire. */
#include "lib/base/buf.h"
#include "lib/base/secret.h"

size_t hf_bufs_footprint(uint32_t chunk_cnt, uint32_t record_cnt)
{
	return hf_pool_footprint(sizeof(struct hf_chunk), chunk_cnt) +
	       hf_pool_footprint(HF_RECORD_BUF_SIZE, record_cnt);
}

void hf_bufs_init(struct hf_bufs *b, void *mem, uint32_t chunk_cnt, uint32_t record_cnt)
{
	uint8_t *records = (uint8_t *)mem + hf_pool_footprint(sizeof(struct hf_chunk), chunk_cnt);
	hf_pool_init(&b->chunk, mem, sizeof(struct hf_chunk), chunk_cnt);
	hf_pool_init(&b->record, records, HF_RECORD_BUF_SIZE, record_cnt);
}

static size_t tail_room(const struct hf_chain *c)
{
	return c->tail ? HF_CHUNK_DATA - c->tail->off - c->tail->len : 0;
}

static bool add_chunk(struct hf_bufs *b, struct hf_chain *c)
{
	struct hf_chunk *k = hf_pool_take(&b->chunk);
	if (!k)
		return false;
	k->next = NULL;
	k->off = k->len = 0;
	if (c->tail)
		c->tail->next = k;
	else
		c->head = k;
	c->tail = k;
	return true;
}

static void drop_head(struct hf_bufs *b, struct hf_chain *c, bool wipe)
{
	struct hf_chunk *k = c->head;
	c->head = k->next;
	if (!c->head)
		c->tail = NULL;
	if (wipe)
		hf_wipe(k->data, (size_t)k->off + k->len);
	hf_pool_give(&b->chunk, k);
}

uint8_t *hf_chain_extend(struct hf_bufs *b, struct hf_chain *c, size_t *room)
{
	if (tail_room(c) == 0 && !add_chunk(b, c))
		return NULL;
	*room = tail_room(c);
	return c->tail->data + c->tail->off + c->tail->len;
}

void hf_chain_extended(struct hf_chain *c, size_t len)
{
	HF_ASSERT(len > 0 && len <= tail_room(c));
	c->tail->len = (uint16_t)(c->tail->len + len);
	c->len += len;
}

size_t hf_chain_append(struct hf_bufs *b, struct hf_chain *c, const void *p, size_t len)
{
	const uint8_t *from = p;
	size_t done = 0, room;
	uint8_t *to;
	while (done < len && (to = hf_chain_extend(b, c, &room)) != NULL) {
		size_t n = HF_MIN(room, len - done);
		memcpy(to, from + done, n);
		hf_chain_extended(c, n);
		done += n;
	}
	return done;
}

size_t hf_chain_room(const struct hf_bufs *b, const struct hf_chain *c, size_t want)
{
	size_t room = tail_room(c) + (size_t)(b->chunk.cnt - b->chunk.used) * HF_CHUNK_DATA;
	return HF_MIN(room, want);
}

static void consume(struct hf_bufs *b, struct hf_chain *c, size_t len, bool wipe)
{
	HF_ASSERT(len <= c->len);
	c->len -= len;
	while (len > 0) {
		struct hf_chunk *k = c->head;
		size_t n = HF_MIN(len, (size_t)k->len);
		k->off = (uint16_t)(k->off + n);
		k->len = (uint16_t)(k->len - n);
		len -= n;
		if (k->len == 0)
			drop_head(b, c, wipe);
	}
}

void hf_chain_consume(struct hf_bufs *b, struct hf_chain *c, size_t len)
{
	consume(b, c, len, true);
}

void hf_chain_drop_sent(struct hf_bufs *b, struct hf_chain *c, struct hf_cursor *cur, size_t len)
{
	if (cur->chunk && cur->chunk_off + cur->chunk->len <= len)
		*cur = (struct hf_cursor){0}; /* its chunk is about to go back to the pool */
	else
		cur->chunk_off -= HF_MIN(cur->chunk_off, len);
	consume(b, c, len, false);
}

struct hf_span hf_chain_first(const struct hf_chain *c)
{
	if (!c->head)
		return hf_span(NULL, 0);
	return hf_span(c->head->data + c->head->off, c->head->len);
}

struct hf_span hf_chain_at(const struct hf_chain *c, size_t off, struct hf_cursor *cur)
{
	struct hf_cursor at = {c->head, 0};
	HF_ASSERT(off < c->len);
	if (cur && cur->chunk && cur->chunk_off <= off)
		at = *cur;
	while (off - at.chunk_off >= at.chunk->len) {
		at.chunk_off += at.chunk->len;
		at.chunk = at.chunk->next;
	}
	if (cur)
		*cur = at;
	off -= at.chunk_off;
	return hf_span(at.chunk->data + at.chunk->off + off, at.chunk->len - off);
}

void hf_chain_copy(
	const struct hf_chain *c, size_t off, void *dst, size_t len, struct hf_cursor *cur)
{
	struct hf_cursor own = {0};
	uint8_t *to = dst;
	HF_ASSERT(off <= c->len && len <= c->len - off);
	while (len > 0) {
		struct hf_span s = hf_chain_at(c, off, cur ? cur : &own);
		size_t n = HF_MIN(len, s.len);
		memcpy(to, s.p, n);
		to += n;
		off += n;
		len -= n;
	}
}

void hf_chain_join(struct hf_chain *dst, struct hf_chain *src)
{
	if (!src->head)
		return;
	if (dst->tail)
		dst->tail->next = src->head;
	else
		dst->head = src->head;
	dst->tail = src->tail;
	dst->len += src->len;
	*src = (struct hf_chain){0};
}

void hf_chain_clear(struct hf_bufs *b, struct hf_chain *c)
{
	hf_chain_consume(b, c, c->len);
}

uint8_t *hf_record_take(struct hf_bufs *b)
{
	return hf_pool_take(&b->record);
}

void hf_record_give(struct hf_bufs *b, uint8_t *rec, size_t dirty)
{
	HF_ASSERT(dirty <= HF_RECORD_BUF_SIZE);
	hf_wipe(rec, dirty);
	hf_pool_give(&b->record, rec);
}
