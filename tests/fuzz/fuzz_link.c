/* A hostile backend against the worker's half of a link. The input is a program: some of its
 * instructions are the backend's, which writes what it likes where it may (its own region) between
 * any two calls of the worker; the others are the worker's calls. Whatever happens, the worker stays
 * inside both rings, its credit adds up, and a violation is final. The rest of the input, when the
 * first byte says so, is read as the TLVs of an OPEN. */
#include <stdlib.h>
#include "lib/link/link.h"

#define RING HF_LINK_RING_MIN
#define STREAMS 4u

struct world {
	struct hf_link l;
	struct hf_link_stats stats;
	struct hf_link_stream s[STREAMS + 1];
	struct hf_link_region *ours, *theirs;
	struct hf_link_msg m; /* the record being read, when admitted */
	bool admitted;
};

static uint64_t take(struct hf_reader *r, size_t len)
{
	struct hf_span b;
	uint64_t v = 0;
	if (hf_reader_bytes(r, HF_MIN(len, hf_reader_left(r)), &b))
		return 0;
	for (size_t i = 0; i < b.len; i++)
		v |= (uint64_t)b.p[i] << (8 * i);
	return v;
}

static void backend_writes(struct world *w, struct hf_reader *r, uint32_t what)
{
	uint8_t *ring = (uint8_t *)w->theirs + HF_LINK_RING_OFF;
	struct hf_link_record rec;
	uint64_t at;
	switch (what) {
	case 0: /* any head */
		w->theirs->head = take(r, 8);
		break;
	case 1: /* any tail */
		w->theirs->tail = take(r, 8);
		break;
	case 2:
		w->theirs->sleep = (uint32_t)take(r, 4);
		break;
	case 3: /* a record where the worker will look next, published */
		rec = (struct hf_link_record){
			(uint32_t)take(r, 2), (uint16_t)take(r, 1), 0, take(r, 1) % (STREAMS + 2)};
		if (rec.type & 0x80)
			rec.flags = (uint16_t)take(r, 2);
		if (rec.type & 0x40)
			rec.len = (uint32_t)take(r, 4);
		rec.type &= 0x3f;
		at = w->theirs->head & (RING - 1) & ~(uint64_t)15;
		memcpy(ring + at, &rec, sizeof(rec));
		w->theirs->head += 16 + HF_ROUND_UP(rec.len, 16u);
		break;
	case 4: /* a plausible tail */
		w->theirs->tail += take(r, 2) * 16;
		break;
	default: /* bytes anywhere */
		at = take(r, 2);
		for (size_t n = take(r, 1) % 32; n; n--, at++)
			ring[at & (RING - 1)] = (uint8_t)take(r, 1);
	}
}

static void worker_receives(struct world *w, size_t max)
{
	static uint8_t buf[HF_LINK_PAYLOAD_MAX];
	struct hf_link_stream *s;
	int rc = hf_link_next(&w->l, &w->m);
	w->admitted = false;
	HF_ASSERT(rc <= 1 && rc > -(int)HF_LINK_VIOLATION_CNT);
	if (rc <= 0)
		return;
	HF_ASSERT(w->m.stream != 0 && w->m.len <= HF_LINK_PAYLOAD_MAX);
	HF_ASSERT(w->m.type >= HF_LINK_DATA && w->m.type <= HF_LINK_RETURNED);
	if (w->m.stream > STREAMS) {
		hf_link_fail(&w->l, HF_LINK_BAD_STREAM);
		return;
	}
	s = &w->s[w->m.stream];
	if (hf_link_stream_over(s)) {
		hf_link_skip(&w->l);
		return;
	}
	if (hf_link_admit(&w->l, s, &w->m) < 0)
		return;
	w->admitted = true;
	if (w->m.type == HF_LINK_DATA) {
		uint32_t before = s->rx_credit;
		size_t n = hf_link_read(&w->l, s, buf, max);
		HF_ASSERT(n == HF_MIN(max, w->m.len) && s->rx_credit == before - n);
	}
}

static void worker_sends(struct world *w, struct hf_reader *r, uint32_t what)
{
	static const uint8_t bytes[40000];
	uint64_t id = 1 + take(r, 1) % STREAMS;
	struct hf_link_stream *s = &w->s[id];
	size_t len = take(r, 2) % sizeof(bytes);
	if (hf_link_stream_over(s)) {
		if (hf_link_open(&w->l, s, id, (uint32_t)len, hf_span(bytes, len / 4)))
			HF_ASSERT(hf_link_stream_over(s));
		return;
	}
	if (what == 0 && !s->tx_closed)
		HF_ASSERT(hf_link_data(&w->l, s, bytes, len) <= len);
	else if (what == 1 && len && len <= HF_LINK_CREDIT_MAX - s->rx_credit)
		(void)!hf_link_credit(&w->l, s, (uint32_t)len);
	else if (what == 2 && !s->tx_closed)
		(void)!hf_link_half_close(&w->l, s);
	else if (what == 4)
		(void)!hf_link_reclaim(&w->l, s);
	else if (what == 3)
		(void)!hf_link_reset(&w->l, s, HF_LINK_RESET_LIMIT);
}

static void step(struct world *w, struct hf_reader *r)
{
	uint32_t op = (uint32_t)take(r, 1), low = op & 7;
	bool news;
	switch (op >> 3 & 7) {
	case 0:
	case 1:
	case 2:
		backend_writes(w, r, low);
		break;
	case 3:
		worker_receives(w, low == 7 ? take(r, 2) : HF_LINK_PAYLOAD_MAX);
		break;
	case 4:
		hf_link_release(&w->l);
		break;
	case 5:
		worker_sends(w, r, low);
		break;
	case 6:
		hf_link_publish(&w->l);
		news = w->l.news;
		HF_ASSERT(!hf_link_bell(&w->l) || news);
		break;
	default:
		(void)!hf_link_sleep(&w->l, low & 1);
		hf_link_wake(&w->l);
	}
}

static void check(const struct world *w, uint32_t violation_before)
{
	const struct hf_link *l = &w->l;
	HF_ASSERT(l->tx_head - l->tx_tail <= RING && l->tx_published - l->tx_tail <= RING);
	HF_ASSERT(l->rx_head - l->rx_released <= RING);
	HF_ASSERT(l->rx_head - l->rx_next <= RING && l->rx_next - l->rx_released <= RING);
	HF_ASSERT(l->rx_left <= HF_LINK_PAYLOAD_MAX);
	HF_ASSERT(violation_before == HF_LINK_FINE || l->violation == violation_before);
	for (uint32_t i = 1; i <= STREAMS; i++)
		HF_ASSERT(w->s[i].tx_credit <= HF_LINK_CREDIT_MAX &&
			  w->s[i].rx_credit <= HF_LINK_CREDIT_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t size = hf_link_region_size(RING);
	struct hf_reader r = hf_reader(data, len);
	struct hf_link_info info;
	struct world w = {0};
	if (len && data[0] == 'T') {
		(void)!hf_link_info_read(hf_span(data + 1, len - 1), &info);
		return 0;
	}
	/* Exactly as long as they are, so that ASan sees the first byte beyond. */
	w.ours = aligned_alloc(128, size);
	w.theirs = aligned_alloc(128, size);
	HF_ASSERT(w.ours && w.theirs);
	memset(w.ours, 0, size);
	memset(w.theirs, 0, size);
	hf_link_init(&w.l, HF_LINK_WORKER, 30000, w.ours, size, w.theirs, size, &w.stats);
	for (uint32_t i = 1; i <= STREAMS; i++)
		HF_ASSERT(hf_link_open(&w.l, &w.s[i], i, 20000, hf_span(NULL, 0)) == 0);
	while (hf_reader_left(&r)) {
		uint32_t before = w.l.violation;
		step(&w, &r);
		check(&w, before);
	}
	free(w.ours);
	free(w.theirs);
	return 0;
}
