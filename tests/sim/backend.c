/* backend.c -- an endpoint has a lane to each worker: a link, and the streams that came by it. A
 * lane's visit is what libhandfast does: take messages, let each stream say what it can, publish,
 * ring, and go to sleep unless something came meanwhile.
 * When an endpoint dies, the streams that the worker had opened on it are noted by their client,
 * those whose OPEN nobody had read yet included: these clients alone may be reset. */
#include <stdlib.h>
#include "tests/sim/backend.h"
#include "tests/sim/exchange.h"
#include "tests/sim/sslkit.h"

#define POISON 0xdb

struct stream {
	struct stream *next;
	struct hf_link_stream link;
	struct exchange exchange;
	struct hf_addr client;
	uint16_t port;
	uint64_t over_at; /* our head when it was over: below it the worker may not know yet */
	uint32_t owed;    /* credit for bytes taken */
	bool half_in;
};

struct lane {
	struct hf_link ours, workers;
	void *our_region, *workers_region;
	struct stream *streams;
	hf_ns rest_until;
	bool asleep, full; /* full: something is left to say that waits for room */
	bool held;         /* the worker may touch it */
};

struct endpoint {
	struct lane lane[BACKEND_WORKER_MAX];
	bool alive;
};

struct client {
	struct hf_addr addr;
	uint16_t port;
};

struct backend {
	struct backend_cfg cfg;
	struct rng rng;
	struct endpoint endpoint[BACKEND_ENDPOINT_MAX];
	struct hf_link_stats stats, workers_stats;
	struct client *lost;
	uint32_t lost_cnt;
	bool nonsense; /* some endpoint broke a rule on purpose */
};

/* ---- streams ---------------------------------------------------------------------------------- */

/* NULL for one that is over: what comes for it was on its way. */
static struct stream *stream_find(struct lane *l, uint64_t id)
{
	struct stream *s = l->streams;
	while (s != NULL && s->link.id != id)
		s = s->next;
	return s != NULL && !hf_link_stream_over(&s->link) ? s : NULL;
}

static void stream_drop(struct lane *l, struct stream *s)
{
	struct stream **at = &l->streams;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	free(s);
}

static void stream_open(struct lane *l, const struct hf_link_msg *m)
{
	struct stream *s = calloc(1, sizeof(*s));
	uint8_t tlvs[HF_LINK_PAYLOAD_MAX];
	struct hf_link_info info;
	size_t len;
	HF_ASSERT(s != NULL && stream_find(l, m->stream) == NULL);
	HF_ASSERT(hf_link_admit(&l->ours, &s->link, m) == 0);
	len = hf_link_read(&l->ours, &s->link, tlvs, sizeof(tlvs));
	HF_ASSERT(hf_link_info_read(hf_span(tlvs, len), &info) == 0);
	HF_ASSERT(info.sni.len == strlen(SSLKIT_NAME));
	HF_ASSERT(memcmp(info.sni.p, SSLKIT_NAME, info.sni.len) == 0);
	s->client = info.client;
	s->port = info.client_port;
	exchange_server(&s->exchange, false);
	s->next = l->streams;
	l->streams = s;
}

static void stream_data(struct lane *l, struct stream *s, uint32_t max)
{
	uint8_t buf[HF_LINK_PAYLOAD_MAX];
	size_t len = hf_link_read(&l->ours, &s->link, buf, HF_MIN(max, sizeof(buf)));
	HF_ASSERT(exchange_in(&s->exchange, buf, len) == 0);
	s->owed += (uint32_t)len;
}

/* What the stream has to say, as far as room and credit go. */
static void stream_talk(struct lane *l, struct stream *s)
{
	uint8_t buf[HF_LINK_PAYLOAD_MAX];
	struct exchange *x = &s->exchange;
	size_t len;
	int rc = 0;
	if (s->owed != 0) {
		rc = hf_link_credit(&l->ours, &s->link, s->owed);
		s->owed = rc == 0 ? 0 : s->owed;
	}
	if (s->link.tx_closed)
		return;
	do {
		size_t room = HF_MIN(hf_link_tx_room(&l->ours), s->link.tx_credit);
		len = exchange_out(x, buf, HF_MIN(room, sizeof(buf)));
		HF_ASSERT(hf_link_data(&l->ours, &s->link, buf, len) == len);
	} while (len > 0);
	if (!exchange_out_done(x) && s->link.tx_credit == 0)
		rc = hf_link_blocked(&l->ours, &s->link);
	else if (!exchange_out_done(x))
		rc = hf_link_tx_room(&l->ours) == 0 ? -1 : rc;
	else if (x->plan.flags & EXCHANGE_SERVER_RESETS)
		rc = hf_link_reset(&l->ours, &s->link, HF_LINK_RESET_SERVER);
	else if (s->half_in || (x->plan.flags & EXCHANGE_SERVER_CLOSES))
		rc = hf_link_half_close(&l->ours, &s->link);
	l->full |= rc < 0;
}

/* ---- a lane's visit --------------------------------------------------------------------------- */

/* One message; returns the payload bytes it took. */
static uint32_t message(struct lane *l, const struct hf_link_msg *m, uint32_t max)
{
	struct stream *s = stream_find(l, m->stream);
	uint32_t owed;
	if (m->type == HF_LINK_OPEN) {
		stream_open(l, m);
		return 0;
	}
	if (s == NULL) {
		hf_link_skip(&l->ours);
		return 0;
	}
	HF_ASSERT(hf_link_admit(&l->ours, &s->link, m) == 0);
	switch (m->type) {
	case HF_LINK_DATA:
		owed = s->owed;
		stream_data(l, s, max);
		return s->owed - owed;
	case HF_LINK_HALF_CLOSE: /* an upload that was cut short never looks complete */
		HF_ASSERT(exchange_in_done(&s->exchange));
		s->half_in = true;
		return 0;
	case HF_LINK_RESET:
		HF_ASSERT(m->value == HF_LINK_RESET_CLIENT || m->value == HF_LINK_RESET_TRUNCATED ||
			  m->value == HF_LINK_RESET_TIMEOUT);
		return 0;
	default:
		return 0;
	}
}

static void receive(struct backend *b, struct lane *l, hf_ns now)
{
	uint32_t left = b->cfg.slow ? rng_range(&b->rng, 1, 20000) : UINT32_MAX;
	struct hf_link_msg m;
	int rc = 0;
	while (left > 0 && (rc = hf_link_next(&l->ours, &m)) > 0)
		left -= message(l, &m, left);
	HF_ASSERT(rc >= 0);
	if (left == 0)
		l->rest_until = now + rng_range(&b->rng, 1, 30) * HF_NS_MS;
}

static bool visit(struct backend *b, struct lane *l, hf_ns now)
{
	uint64_t read = ((const struct hf_link_region *)l->workers_region)->tail;
	hf_link_wake(&l->ours);
	l->asleep = l->full = false;
	receive(b, l, now);
	for (struct stream *s = l->streams, *next; s != NULL; s = next) {
		next = s->next;
		if (!hf_link_stream_over(&s->link)) {
			stream_talk(l, s);
			s->over_at = l->ours.tx_head;
		} else if (s->over_at <= read) {
			stream_drop(l, s);
		}
	}
	hf_link_release(&l->ours);
	hf_link_publish(&l->ours);
	return hf_link_bell(&l->ours);
}

hf_ns backend_turn(struct backend *b, hf_ns now, bool wake[BACKEND_WORKER_MAX])
{
	hf_ns next = HF_NS_NEVER;
	for (uint32_t e = 0; e < b->cfg.endpoint_cnt; e++) {
		for (uint32_t w = 0; b->endpoint[e].alive && w < b->cfg.worker_cnt; w++) {
			struct lane *l = &b->endpoint[e].lane[w];
			if (!l->asleep && l->rest_until <= now) {
				wake[w] |= visit(b, l, now);
				l->asleep =
					l->rest_until <= now && hf_link_sleep(&l->ours, l->full);
			}
			if (!l->asleep)
				next = HF_MIN(next, HF_MAX(now, l->rest_until));
		}
	}
	return next;
}

void backend_ring(struct backend *b, uint32_t worker, uint64_t bells)
{
	for (uint32_t e = 0; e < b->cfg.endpoint_cnt; e++)
		if (bells >> e & 1)
			b->endpoint[e].lane[worker].asleep = false;
}

/* ---- attaching and dying ---------------------------------------------------------------------- */

static void *region_new(uint32_t ring_len)
{
	size_t len = hf_link_region_size(ring_len);
	void *p = aligned_alloc(4096, len);
	HF_ASSERT(p != NULL);
	memset(p, 0, len);
	hf_link_region_init(p, ring_len);
	return p;
}

static void region_free(void *p, uint32_t ring_len)
{
	if (p != NULL)
		memset(p, POISON, hf_link_region_size(ring_len));
	free(p);
}

void backend_attach(struct backend *b, uint32_t e)
{
	size_t len = hf_link_region_size(b->cfg.ring_len);
	HF_ASSERT(!b->endpoint[e].alive);
	b->endpoint[e].alive = true;
	for (uint32_t w = 0; w < b->cfg.worker_cnt; w++) {
		struct lane *l = &b->endpoint[e].lane[w];
		HF_ASSERT(!l->held);
		*l = (struct lane){.held = true};
		l->our_region = region_new(b->cfg.ring_len);
		l->workers_region = region_new(b->cfg.ring_len);
		hf_link_init(&l->ours, HF_LINK_BACKEND, b->cfg.stream_credit, l->our_region, len,
			l->workers_region, len, &b->stats);
		hf_link_init(&l->workers, HF_LINK_WORKER, b->cfg.stream_credit, l->workers_region,
			len, l->our_region, len, &b->workers_stats);
		l->workers.patient = e & 1;
	}
}

struct hf_link *backend_link(struct backend *b, uint32_t e, uint32_t worker)
{
	return &b->endpoint[e].lane[worker].workers;
}

void backend_die(struct backend *b, uint32_t e, bool nonsense)
{
	struct hf_link_region *r = b->endpoint[e].lane[0].our_region;
	b->endpoint[e].alive = false;
	b->nonsense |= nonsense;
	if (nonsense)
		r->head += 8;
}

static void note_lost(struct backend *b, const struct stream *s)
{
	b->lost = realloc(b->lost, (b->lost_cnt + 1) * sizeof(*b->lost));
	HF_ASSERT(b->lost != NULL);
	b->lost[b->lost_cnt++] = (struct client){s->client, s->port};
}

bool backend_released(struct backend *b, uint32_t e, uint32_t worker)
{
	struct endpoint *ep = &b->endpoint[e];
	struct lane *l = &ep->lane[worker];
	struct hf_link_msg m;
	bool held = false;
	HF_ASSERT(l->held && !ep->alive);
	while (hf_link_next(&l->ours, &m) > 0) {
		if (m.type == HF_LINK_OPEN)
			stream_open(l, &m);
		else
			hf_link_skip(&l->ours);
	}
	while (l->streams != NULL) {
		note_lost(b, l->streams);
		stream_drop(l, l->streams);
	}
	region_free(l->our_region, b->cfg.ring_len);
	region_free(l->workers_region, b->cfg.ring_len);
	memset(l, 0, sizeof(*l));
	for (uint32_t w = 0; w < b->cfg.worker_cnt; w++)
		held |= ep->lane[w].held;
	return !held;
}

/* ---- the whole -------------------------------------------------------------------------------- */

struct backend *backend_new(const struct backend_cfg *cfg)
{
	struct backend *b = calloc(1, sizeof(*b));
	HF_ASSERT(b != NULL && cfg->worker_cnt <= BACKEND_WORKER_MAX);
	HF_ASSERT(cfg->endpoint_cnt <= BACKEND_ENDPOINT_MAX);
	b->cfg = *cfg;
	b->rng.state = cfg->seed;
	return b;
}

void backend_free(struct backend *b)
{
	HF_ASSERT(b->stats.violation[HF_LINK_BAD_INDEX] == 0);
	for (uint32_t v = 0; v < HF_LINK_VIOLATION_CNT; v++)
		HF_ASSERT(b->workers_stats.violation[v] == 0 || b->nonsense);
	for (uint32_t e = 0; e < b->cfg.endpoint_cnt; e++) {
		for (uint32_t w = 0; w < b->cfg.worker_cnt; w++) {
			struct lane *l = &b->endpoint[e].lane[w];
			while (l->streams != NULL)
				stream_drop(l, l->streams);
			region_free(l->our_region, b->cfg.ring_len);
			region_free(l->workers_region, b->cfg.ring_len);
		}
	}
	free(b->lost);
	free(b);
}

bool backend_idle(const struct backend *b)
{
	for (uint32_t e = 0; e < b->cfg.endpoint_cnt; e++)
		for (uint32_t w = 0; w < b->cfg.worker_cnt; w++)
			for (struct stream *s = b->endpoint[e].lane[w].streams; s; s = s->next)
				if (!hf_link_stream_over(&s->link))
					return false;
	return true;
}

bool backend_lost(const struct backend *b, const struct hf_addr *client, uint16_t port)
{
	for (uint32_t i = 0; i < b->lost_cnt; i++)
		if (b->lost[i].port == port && hf_addr_eq(&b->lost[i].addr, client))
			return true;
	return false;
}
