/* link.c -- two byte rings, each in a region that only its producer can write. All indices count
 * bytes for ever, so full and empty differ and an index that moves back shows. Each side works on
 * private copies of its own indices and stores them for the other once per batch; it loads the
 * other's only when its last view of them says empty or full.
 * What is loaded from the other's region is loaded once, into a local, and judged there: between
 * two looks at shared memory a hostile peer may have written anything. Of all it can write only
 * three words steer us (head, tail, sleep) and the header of each record; payload is merely copied.
 */
#include "lib/link/link.h"

enum { NEWS_PUBLISHED = 1, NEWS_RELEASED = 2, NEWS_QUIET = 4 /* published, may wait */ };

static_assert(sizeof(struct hf_link_region) <= HF_LINK_RING_OFF, "the ring begins behind it");
static_assert(sizeof(struct hf_link_record) == HF_LINK_ALIGN, "a header never wraps");
static_assert(
	HF_LINK_RING_MIN >= 2 * (HF_LINK_PAYLOAD_MAX + HF_LINK_ALIGN), "a record always fits");
static_assert(sizeof(struct hf_link_ctl) == 72, "the handover's messages have no padding");

/* ---- regions ---- */

size_t hf_link_region_size(uint32_t ring_len)
{
	return (size_t)HF_LINK_RING_OFF + ring_len;
}

void hf_link_region_init(void *mem, uint32_t ring_len)
{
	struct hf_link_region *r = mem;
	r->magic = HF_LINK_MAGIC;
	r->version = HF_LINK_VERSION;
	r->ring_len = ring_len;
	r->ring_off = HF_LINK_RING_OFF;
}

static uint32_t ring_len_of(size_t region_len)
{
	size_t len = region_len - HF_LINK_RING_OFF;
	HF_ASSERT(region_len > HF_LINK_RING_OFF);
	HF_ASSERT(len >= HF_LINK_RING_MIN && len <= HF_LINK_RING_MAX && (len & (len - 1)) == 0);
	return (uint32_t)len;
}

void hf_link_init(struct hf_link *l, enum hf_link_role role, uint32_t stream_credit, void *tx,
	size_t tx_len, const void *rx, size_t rx_len, struct hf_link_stats *stats)
{
	HF_ASSERT((uintptr_t)tx % 128 == 0 && (uintptr_t)rx % 128 == 0 && stats);
	*l = (struct hf_link){
		.tx = tx,
		.tx_len = ring_len_of(tx_len),
		.rx = rx,
		.rx_len = ring_len_of(rx_len),
		.role = role,
		.stream_credit = stream_credit,
		.stats = stats,
	};
}

int hf_link_fail(struct hf_link *l, enum hf_link_violation v)
{
	if (l->violation == HF_LINK_FINE) {
		l->violation = v;
		l->stats->violation[v]++;
	}
	return -(int)l->violation;
}

/* ---- sending ---- */

static uint64_t record_size(uint64_t len)
{
	return HF_LINK_ALIGN + HF_ROUND_UP(len, (uint64_t)HF_LINK_ALIGN);
}

/* DATA and OPEN leave an eighth of the ring to what ends streams and lets the other side send. */
static uint64_t reserve(const struct hf_link *l)
{
	return l->tx_len / 8;
}

/* Free bytes of the tx ring; looks at the other side's tail only if fewer than `want` are known. */
static uint64_t tx_free(struct hf_link *l, uint64_t want)
{
	uint64_t free_len = l->tx_len - (l->tx_head - l->tx_tail), tail;
	if (l->violation)
		return 0;
	if (free_len >= want)
		return free_len;
	tail = atomic_load_explicit(&l->rx->tail, memory_order_acquire);
	if (tail % HF_LINK_ALIGN || tail - l->tx_tail > l->tx_published - l->tx_tail) {
		hf_link_fail(l, HF_LINK_BAD_INDEX);
		return 0;
	}
	l->tx_tail = tail;
	return l->tx_len - (l->tx_head - l->tx_tail);
}

static void put(struct hf_link *l, uint64_t at, const void *p, size_t len)
{
	uint8_t *ring = (uint8_t *)l->tx + HF_LINK_RING_OFF;
	size_t off = at & (l->tx_len - 1), first = HF_MIN(len, l->tx_len - off);
	if (len == 0)
		return;
	memcpy(ring + off, p, first);
	memcpy(ring, (const uint8_t *)p + first, len - first);
}

/* One record of a fixed part and more; the caller has seen that it fits. */
static void put_record(struct hf_link *l, uint32_t type, uint64_t stream, struct hf_span fixed,
	struct hf_span more)
{
	struct hf_link_record rec = {(uint32_t)(fixed.len + more.len), (uint16_t)type, 0, stream};
	put(l, l->tx_head, &rec, sizeof(rec));
	put(l, l->tx_head + sizeof(rec), fixed.p, fixed.len);
	put(l, l->tx_head + sizeof(rec) + fixed.len, more.p, more.len);
	l->tx_head += record_size(rec.len);
	l->urgent |= !l->patient || (type != HF_LINK_OPEN && type != HF_LINK_RESET);
	l->stats->records_out++;
}

static bool fits(struct hf_link *l, uint64_t size)
{
	if (tx_free(l, size) >= size)
		return true;
	l->stats->tx_full++;
	hf_link_hurry(l);
	return false;
}

size_t hf_link_tx_room(struct hf_link *l)
{
	uint64_t kept = reserve(l) + HF_LINK_ALIGN;
	uint64_t free_len = tx_free(l, kept + HF_LINK_PAYLOAD_MAX);
	return free_len <= kept ? 0 : HF_MIN(free_len - kept, HF_LINK_PAYLOAD_MAX);
}

int hf_link_open(struct hf_link *l, struct hf_link_stream *s, uint64_t id, uint32_t rx_credit,
	struct hf_span tlvs)
{
	struct hf_link_open open = {.credit = rx_credit};
	HF_ASSERT(l->role == HF_LINK_WORKER && id != 0 && rx_credit <= HF_LINK_CREDIT_MAX);
	HF_ASSERT(tlvs.len <= HF_LINK_PAYLOAD_MAX - sizeof(open));
	if (!fits(l, record_size(sizeof(open) + tlvs.len) + reserve(l)))
		return -1;
	put_record(l, HF_LINK_OPEN, id, hf_span(&open, sizeof(open)), tlvs);
	*s = (struct hf_link_stream){
		.id = id, .tx_credit = l->stream_credit, .rx_credit = rx_credit};
	return 0;
}

size_t hf_link_data(struct hf_link *l, struct hf_link_stream *s, const void *p, size_t len)
{
	size_t want = HF_MIN(len, s->tx_credit), room, n;
	HF_ASSERT(!s->tx_closed);
	if (want == 0) {
		if (len > 0 && l->role == HF_LINK_BACKEND)
			(void)!hf_link_blocked(l, s); /* the next call says it again */
		return 0;
	}
	room = hf_link_tx_room(l);
	n = HF_MIN(want, room);
	if (n < HF_MIN(want, HF_LINK_PAYLOAD_MAX))
		l->stats->tx_full++;
	if (n == 0)
		return 0;
	put_record(l, HF_LINK_DATA, s->id, hf_span(p, n), hf_span(NULL, 0));
	s->tx_credit -= (uint32_t)n;
	l->stats->bytes_out += n;
	return n;
}

static int send_value(
	struct hf_link *l, struct hf_link_stream *s, uint32_t type, const uint32_t *value)
{
	size_t len = value ? sizeof(*value) : 0;
	if (!fits(l, record_size(len)))
		return -1;
	put_record(l, type, s->id, hf_span(value, len), hf_span(NULL, 0));
	return 0;
}

int hf_link_credit(struct hf_link *l, struct hf_link_stream *s, uint32_t len)
{
	HF_ASSERT(len > 0 && len <= HF_LINK_CREDIT_MAX - s->rx_credit);
	if (s->rx_closed)
		return 0;
	if (send_value(l, s, HF_LINK_CREDIT, &len))
		return -1;
	s->rx_credit += len;
	return 0;
}

int hf_link_half_close(struct hf_link *l, struct hf_link_stream *s)
{
	HF_ASSERT(!s->tx_closed);
	if (send_value(l, s, HF_LINK_HALF_CLOSE, NULL))
		return -1;
	s->tx_closed = true;
	return 0;
}

int hf_link_reset(struct hf_link *l, struct hf_link_stream *s, enum hf_link_reset_reason reason)
{
	uint32_t value = reason;
	if (send_value(l, s, HF_LINK_RESET, &value))
		return -1;
	s->tx_closed = s->rx_closed = true;
	return 0;
}

int hf_link_blocked(struct hf_link *l, struct hf_link_stream *s)
{
	HF_ASSERT(l->role == HF_LINK_BACKEND && !s->tx_closed && s->tx_credit == 0);
	if (s->tx_blocked)
		return 0;
	if (send_value(l, s, HF_LINK_BLOCKED, NULL))
		return -1;
	s->tx_blocked = true;
	return 0;
}

int hf_link_reclaim(struct hf_link *l, struct hf_link_stream *s)
{
	HF_ASSERT(l->role == HF_LINK_WORKER);
	return s->rx_closed ? 0 : send_value(l, s, HF_LINK_RECLAIM, NULL);
}

/* Without room the credit stays where it is. */
static void give_back(struct hf_link *l, struct hf_link_stream *s)
{
	if (!s->tx_closed && send_value(l, s, HF_LINK_RETURNED, &s->tx_credit) == 0)
		s->tx_credit = 0;
}

void hf_link_publish(struct hf_link *l)
{
	if (l->tx_head == l->tx_published)
		return;
	l->tx_published = l->tx_head;
	atomic_store_explicit(&l->tx->head, l->tx_head, memory_order_release);
	l->news |= l->urgent ? NEWS_PUBLISHED : NEWS_QUIET;
	l->urgent = false;
}

/* ---- receiving ---- */

/* What a record of each type must look like, and which role may receive it. */
static const struct shape {
	bool to_backend, to_worker;
	uint8_t fixed_len; /* of the part that next() takes: begins with the value */
	uint32_t min_len, max_len;
} shapes[] = {
	/* clang-format off */
	[HF_LINK_OPEN]       = {true, false, sizeof(struct hf_link_open), sizeof(struct hf_link_open), HF_LINK_PAYLOAD_MAX},
	[HF_LINK_DATA]       = {true, true,  0, 1, HF_LINK_PAYLOAD_MAX},
	[HF_LINK_CREDIT]     = {true, true,  4, 4, 4},
	[HF_LINK_HALF_CLOSE] = {true, true,  0, 0, 0},
	[HF_LINK_RESET]      = {true, true,  4, 4, 4},
	[HF_LINK_BLOCKED]    = {false, true, 0, 0, 0},
	[HF_LINK_RECLAIM]    = {true, false, 0, 0, 0},
	[HF_LINK_RETURNED]   = {false, true, 4, 4, 4},
	/* clang-format on */
};

/* Volatile: each word is loaded once, whatever the optimiser would like. */
static uint64_t rx_word(const struct hf_link *l, uint64_t at)
{
	const uint8_t *ring = (const uint8_t *)l->rx + HF_LINK_RING_OFF;
	return *(const volatile uint64_t *)(const void *)(ring + (at & (l->rx_len - 1)));
}

/* Looks at the other side's head; 0 or violation. */
static int look(struct hf_link *l)
{
	uint64_t head = atomic_load_explicit(&l->rx->head, memory_order_acquire);
	uint64_t used = head - l->rx_released;
	if (head % HF_LINK_ALIGN || used > l->rx_len || used < l->rx_head - l->rx_released)
		return hf_link_fail(l, HF_LINK_BAD_INDEX);
	l->rx_head = head;
	return 0;
}

static int judge_record(struct hf_link *l, const struct hf_link_record *rec, uint64_t available)
{
	const struct shape *shape;
	if (rec->type >= HF_ARRAY_LEN(shapes))
		return hf_link_fail(l, HF_LINK_BAD_TYPE);
	shape = &shapes[rec->type];
	if (!(l->role == HF_LINK_WORKER ? shape->to_worker : shape->to_backend))
		return hf_link_fail(l, HF_LINK_BAD_TYPE);
	if (rec->flags)
		return hf_link_fail(l, HF_LINK_BAD_FLAGS);
	if (rec->stream == 0)
		return hf_link_fail(l, HF_LINK_BAD_STREAM);
	if (rec->len < shape->min_len || rec->len > shape->max_len ||
		record_size(rec->len) > available)
		return hf_link_fail(l, HF_LINK_BAD_LENGTH);
	return 0;
}

/* Makes the record at rx_next the current one. 1, 0 when there is none, or violation. */
static int begin_record(struct hf_link *l)
{
	uint64_t at = l->rx_next, word[2];
	struct hf_link_record rec;
	uint32_t fixed_len;
	if (at == l->rx_head && look(l))
		return -(int)l->violation;
	if (at == l->rx_head)
		return 0;
	word[0] = rx_word(l, at);
	word[1] = rx_word(l, at + sizeof(word[0]));
	memcpy(&rec, word, sizeof(rec));
	if (judge_record(l, &rec, l->rx_head - at))
		return -(int)l->violation;
	fixed_len = shapes[rec.type].fixed_len;
	l->rx_rec = rec;
	l->rx_value = fixed_len ? (uint32_t)rx_word(l, at + sizeof(rec)) : 0;
	l->rx_pos = at + sizeof(rec) + fixed_len;
	l->rx_left = rec.len - fixed_len;
	l->rx_next = at + record_size(rec.len);
	l->stats->records_in++;
	return 1;
}

int hf_link_next(struct hf_link *l, struct hf_link_msg *m)
{
	if (l->violation)
		return -(int)l->violation;
	if (l->rx_left == 0) {
		int got = begin_record(l);
		if (got <= 0)
			return got;
	}
	*m = (struct hf_link_msg){
		.stream = l->rx_rec.stream,
		.type = l->rx_rec.type,
		.len = l->rx_left,
		.value = l->rx_value,
	};
	return 1;
}

int hf_link_admit(struct hf_link *l, struct hf_link_stream *s, const struct hf_link_msg *m)
{
	switch (m->type) {
	case HF_LINK_OPEN:
		if (m->value > HF_LINK_CREDIT_MAX)
			return hf_link_fail(l, HF_LINK_BAD_CREDIT);
		*s = (struct hf_link_stream){
			.id = m->stream, .tx_credit = m->value, .rx_credit = l->stream_credit};
		return 0;
	case HF_LINK_DATA:
		if (s->rx_closed)
			return hf_link_fail(l, HF_LINK_AFTER_CLOSE);
		if (m->len > s->rx_credit)
			return hf_link_fail(l, HF_LINK_CREDIT_EXCEEDED);
		return 0;
	case HF_LINK_CREDIT:
		if (m->value == 0 || m->value > HF_LINK_CREDIT_MAX - s->tx_credit)
			return hf_link_fail(l, HF_LINK_BAD_CREDIT);
		s->tx_credit += m->value;
		s->tx_blocked = false;
		return 0;
	case HF_LINK_BLOCKED:
		return 0;
	case HF_LINK_RECLAIM:
		give_back(l, s);
		return 0;
	case HF_LINK_RETURNED:
		if (m->value > s->rx_credit)
			return hf_link_fail(l, HF_LINK_BAD_CREDIT);
		s->rx_credit -= m->value;
		return 0;
	case HF_LINK_HALF_CLOSE:
		if (s->rx_closed)
			return hf_link_fail(l, HF_LINK_AFTER_CLOSE);
		s->rx_closed = true;
		return 0;
	case HF_LINK_RESET:
		s->tx_closed = s->rx_closed = true;
		return 0;
	default:
		return hf_link_fail(l, HF_LINK_BAD_TYPE);
	}
}

struct hf_span hf_link_peek(const struct hf_link *l)
{
	size_t off = l->rx_pos & (l->rx_len - 1);
	return hf_span((const uint8_t *)l->rx + HF_LINK_RING_OFF + off,
		HF_MIN(l->rx_left, l->rx_len - off));
}

size_t hf_link_read(struct hf_link *l, struct hf_link_stream *s, void *dst, size_t max)
{
	size_t want = HF_MIN(max, l->rx_left), done = 0;
	while (done < want) {
		struct hf_span piece = hf_link_peek(l);
		piece.len = HF_MIN(piece.len, want - done);
		if (dst)
			memcpy((uint8_t *)dst + done, piece.p, piece.len);
		l->rx_pos += piece.len;
		l->rx_left -= (uint32_t)piece.len;
		done += piece.len;
	}
	/* The copy is the truth from here on; the compiler may not go back to the ring for it. */
	__asm__ volatile("" : : : "memory");
	if (l->rx_rec.type == HF_LINK_DATA) {
		HF_ASSERT(done <= s->rx_credit);
		s->rx_credit -= (uint32_t)done;
		l->stats->bytes_in += done;
	}
	return done;
}

void hf_link_skip(struct hf_link *l)
{
	l->rx_left = 0;
}

void hf_link_release(struct hf_link *l)
{
	uint64_t at = l->rx_next;
	if (l->rx_left)
		at -= record_size(l->rx_rec.len);
	if (at == l->rx_released)
		return;
	l->rx_released = at;
	atomic_store_explicit(&l->tx->tail, at, memory_order_release);
	l->news |= NEWS_RELEASED;
}

/* ---- waking ---- */

/* The fence pairs with the one in hf_link_sleep: either we see the sleeper's word, or it sees our
 * indices. A word is rung for once; the sleeper takes a new one each time. */
bool hf_link_bell(struct hf_link *l)
{
	uint32_t news = l->news, word;
	bool heard, due;
	if (news == 0)
		return false;
	atomic_thread_fence(memory_order_seq_cst);
	word = atomic_load_explicit(&l->rx->sleep, memory_order_relaxed);
	heard = !(word & HF_LINK_ASLEEP) || word == l->rung; /* or will be, before it sleeps */
	due = !heard &&
	      ((news & NEWS_PUBLISHED) || ((news & NEWS_RELEASED) && (word & HF_LINK_WANTS_ROOM)));
	l->news = heard || due ? 0 : news & NEWS_QUIET;
	if (!due)
		return false;
	l->rung = word;
	l->stats->bells++;
	return true;
}

bool hf_link_unheard(const struct hf_link *l)
{
	return l->news != 0;
}

void hf_link_hurry(struct hf_link *l)
{
	l->urgent = l->tx_head != l->tx_published;
	if (l->news & NEWS_QUIET)
		l->news |= NEWS_PUBLISHED;
}

static void set_sleep(struct hf_link *l, uint32_t flags)
{
	l->sleep = ((l->sleep >> 2) + 1) << 2 | flags;
	atomic_store_explicit(&l->tx->sleep, l->sleep, memory_order_release);
}

bool hf_link_sleep(struct hf_link *l, bool want_room)
{
	uint64_t tail = l->tx_tail;
	set_sleep(l, HF_LINK_ASLEEP | (want_room ? HF_LINK_WANTS_ROOM : 0));
	atomic_thread_fence(memory_order_seq_cst);
	if (l->violation || look(l) || l->rx_next != l->rx_head)
		return false;
	if (want_room)
		tx_free(l, UINT64_MAX); /* a look at the tail, which counts as one */
	return l->tx_tail == tail && !l->violation;
}

void hf_link_wake(struct hf_link *l)
{
	set_sleep(l, 0);
}

/* ---- what OPEN tells ---- */

static void write_bytes(struct hf_writer *w, enum hf_link_tlv type, const void *p, size_t len)
{
	if (len == 0)
		return;
	hf_writer_u16(w, type);
	hf_writer_u16(w, (unsigned)len);
	hf_writer_bytes(w, p, len);
}

static void write_addr(
	struct hf_writer *w, enum hf_link_tlv type, const struct hf_addr *addr, uint16_t port)
{
	hf_writer_u16(w, type);
	hf_writer_u16(w, sizeof(addr->b) + 2);
	hf_writer_bytes(w, addr->b, sizeof(addr->b));
	hf_writer_u16(w, port);
}

static void write_u16(struct hf_writer *w, enum hf_link_tlv type, uint16_t v)
{
	hf_writer_u16(w, type);
	hf_writer_u16(w, sizeof(v));
	hf_writer_u16(w, v);
}

void hf_link_info_write(struct hf_writer *w, const struct hf_link_info *info)
{
	write_addr(w, HF_LINK_TLV_CLIENT, &info->client, info->client_port);
	write_addr(w, HF_LINK_TLV_LOCAL, &info->local, info->local_port);
	write_bytes(w, HF_LINK_TLV_CONN_ID, info->conn_id, sizeof(info->conn_id));
	write_bytes(w, HF_LINK_TLV_SNI, info->sni.p, info->sni.len);
	write_bytes(w, HF_LINK_TLV_ALPN, info->alpn.p, info->alpn.len);
	write_u16(w, HF_LINK_TLV_TLS_VERSION, info->tls_version);
	write_u16(w, HF_LINK_TLV_CIPHER, info->cipher);
	write_bytes(w, HF_LINK_TLV_CLIENT_CERT, info->client_cert.p, info->client_cert.len);
	write_bytes(w, HF_LINK_TLV_JA4, info->ja4.p, info->ja4.len);
	if (info->client_verdict != HF_LINK_CLIENT_NOT_ASKED)
		write_u16(w, HF_LINK_TLV_CLIENT_VERDICT, info->client_verdict);
	write_bytes(
		w, HF_LINK_TLV_CLIENT_SUBJECT, info->client_subject.p, info->client_subject.len);
	write_bytes(w, HF_LINK_TLV_CLIENT_ISSUER, info->client_issuer.p, info->client_issuer.len);
	write_bytes(w, HF_LINK_TLV_CLIENT_CN, info->client_cn.p, info->client_cn.len);
	write_bytes(w, HF_LINK_TLV_CLIENT_SHA256, info->client_sha256.p, info->client_sha256.len);
}

static int read_addr(struct hf_span v, struct hf_addr *addr, uint16_t *port)
{
	struct hf_reader r = hf_reader_of(v);
	struct hf_span b;
	if (hf_reader_bytes(&r, sizeof(addr->b), &b) || hf_reader_u16(&r, port) ||
		hf_reader_left(&r))
		return -1;
	memcpy(addr->b, b.p, sizeof(addr->b));
	return 0;
}

static int read_u16(struct hf_span v, uint16_t *out)
{
	struct hf_reader r = hf_reader_of(v);
	return hf_reader_u16(&r, out) || hf_reader_left(&r) ? -1 : 0;
}

static int read_tlv(struct hf_link_info *info, uint16_t type, struct hf_span v)
{
	switch (type) {
	case HF_LINK_TLV_CLIENT:
		return read_addr(v, &info->client, &info->client_port);
	case HF_LINK_TLV_LOCAL:
		return read_addr(v, &info->local, &info->local_port);
	case HF_LINK_TLV_CONN_ID:
		if (v.len != sizeof(info->conn_id))
			return -1;
		memcpy(info->conn_id, v.p, v.len);
		return 0;
	case HF_LINK_TLV_SNI:
		info->sni = v;
		return 0;
	case HF_LINK_TLV_ALPN:
		info->alpn = v;
		return 0;
	case HF_LINK_TLV_TLS_VERSION:
		return read_u16(v, &info->tls_version);
	case HF_LINK_TLV_CIPHER:
		return read_u16(v, &info->cipher);
	case HF_LINK_TLV_CLIENT_CERT:
		info->client_cert = v;
		return 0;
	case HF_LINK_TLV_JA4:
		info->ja4 = v;
		return 0;
	case HF_LINK_TLV_CLIENT_VERDICT:
		return read_u16(v, &info->client_verdict);
	case HF_LINK_TLV_CLIENT_SUBJECT:
		info->client_subject = v;
		return 0;
	case HF_LINK_TLV_CLIENT_ISSUER:
		info->client_issuer = v;
		return 0;
	case HF_LINK_TLV_CLIENT_CN:
		info->client_cn = v;
		return 0;
	case HF_LINK_TLV_CLIENT_SHA256:
		info->client_sha256 = v;
		return v.len == 32 ? 0 : -1;
	default:
		return 0; /* a later version's */
	}
}

int hf_link_info_read(struct hf_span tlvs, struct hf_link_info *info)
{
	struct hf_reader r = hf_reader_of(tlvs);
	memset(info, 0, sizeof(*info));
	while (hf_reader_left(&r)) {
		uint16_t type;
		struct hf_span v;
		if (hf_reader_u16(&r, &type) || hf_reader_vec16(&r, &v) || read_tlv(info, type, v))
			return -1;
	}
	return 0;
}

/* ---- names and rows ---- */

const char *hf_link_violation_name(enum hf_link_violation v)
{
	static const char *const name[HF_LINK_VIOLATION_CNT] = {
		[HF_LINK_FINE] = "fine",
#define HF_LINK_VIOLATION(name, text, help) [HF_LINK_##name] = #text,
#include "lib/link/violation.def"
#undef HF_LINK_VIOLATION
	};
	return v < HF_LINK_VIOLATION_CNT ? name[v] : "?";
}

static const struct hf_stat_row rows[] = {
#define HF_COUNTER(name, help) {#name, help, HF_STAT_COUNTER, offsetof(struct hf_link_stats, name)},
#include "lib/link/stats.def"
#undef HF_COUNTER
#define HF_LINK_VIOLATION(name, text, help)         \
	{"violation_" #text, help, HF_STAT_COUNTER, \
		offsetof(struct hf_link_stats, violation) + sizeof(uint64_t) * HF_LINK_##name},
#include "lib/link/violation.def"
#undef HF_LINK_VIOLATION
};

const struct hf_stat_table hf_link_stat_table = {"link", rows, HF_ARRAY_LEN(rows)};
