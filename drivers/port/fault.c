/* fault.c -- each direction of each queue is a line: frames are copied into a slot with the time
 * at which they arrive, and leave in the order of those times. Dropping is not entering, doubling
 * is entering twice, reordering is arriving later than the next one. Because all is copied, no
 * frame of the inner port is held for longer than a call; what the worker is lent are our slots. */
#include "drivers/port/fault.h"
#include "lib/base/rand.h"

#define BURST 32u
#define FRAME_CAP 2016u
#define ETHER_LEN 14u
#define ETHERTYPE_IP4 0x0800u
#define ETHERTYPE_IP6 0x86ddu

enum where { FREE, ON_THE_WAY, LENT };

struct slot {
	struct slot *next;
	hf_ns due;
	uint32_t len, flags;
	uint32_t where, spare;
	uint8_t data[FRAME_CAP];
};
static_assert(sizeof(struct slot) == 2048, "slots lie on cache lines");

struct line {
	struct hf_port_fault_rates rates;
	struct slot *slot, *free, *first; /* first: of those on the way, by due, then by age */
	uint32_t slot_cnt, lent;
	struct hf_port_fault_stats stats;
	struct hf_rand rand;
};

struct queue {
	struct line rx, tx;
};

struct fault {
	struct hf_port port;
	struct hf_port *inner;
	const hf_ns *now;
	struct queue *queue;
};

static struct fault *fault_of(const struct hf_port *port)
{
	return HF_CONTAINER_OF(port, struct fault, port);
}

/* ---- a line ----------------------------------------------------------------------------------- */

static bool happens(struct line *l, uint32_t permille)
{
	return hf_rand_below(&l->rand, 1000) < permille;
}

static void insert(struct line *l, struct slot *s)
{
	struct slot **at = &l->first;
	while (*at != NULL && (*at)->due <= s->due)
		at = &(*at)->next;
	s->next = *at;
	s->where = ON_THE_WAY;
	*at = s;
}

static void slot_free(struct line *l, struct slot *s)
{
	s->where = FREE;
	s->next = l->free;
	l->free = s;
}

static bool is_ip(const struct hf_frame *f)
{
	uint32_t type = (uint32_t)f->data[12] << 8 | f->data[13];
	return type == ETHERTYPE_IP4 || type == ETHERTYPE_IP6;
}

static bool enter_once(struct line *l, const struct hf_frame *f, hf_ns due)
{
	struct slot *s = l->free;
	bool corrupt = happens(l, l->rates.corrupt);
	if (corrupt && !is_ip(f)) {
		l->stats.dropped++;
		return true;
	}
	if (s == NULL) {
		l->stats.overflow++;
		return false;
	}
	l->free = s->next;
	memcpy(s->data, f->data, f->len);
	s->len = f->len;
	s->flags = f->flags;
	s->due = due;
	if (corrupt) {
		uint32_t bit = hf_rand_below(&l->rand, (f->len - ETHER_LEN) * 8);
		s->data[ETHER_LEN + bit / 8] ^= (uint8_t)(1u << bit % 8);
		s->flags = 0; /* whatever the inner device had verified */
		l->stats.corrupted++;
	}
	insert(l, s);
	return true;
}

static hf_ns later(struct line *l)
{
	hf_ns us = l->rates.reorder_ns / HF_NS_US;
	return us != 0 ? (1 + hf_rand_below(&l->rand, (uint32_t)us)) * HF_NS_US : 0;
}

/* False when a slot was lacking; a drop is what the wire does, and no failure. */
static bool enter(struct line *l, const struct hf_frame *f, hf_ns now)
{
	hf_ns due = now + l->rates.delay_ns;
	HF_ASSERT(f->len > ETHER_LEN && f->len <= FRAME_CAP);
	l->stats.in++;
	if (happens(l, l->rates.drop)) {
		l->stats.dropped++;
		return true;
	}
	if (happens(l, l->rates.dup)) {
		l->stats.duplicated++;
		(void)enter_once(l, f, due + later(l));
	}
	if (happens(l, l->rates.reorder)) {
		l->stats.reordered++;
		due += later(l);
	}
	return enter_once(l, f, due);
}

static struct slot *leave(struct line *l, hf_ns now)
{
	struct slot *s = l->first;
	if (s == NULL || s->due > now)
		return NULL;
	l->first = s->next;
	l->stats.out++;
	return s;
}

/* ---- the port ----------------------------------------------------------------------------------- */

/* What has come to the end of its line towards the inner port. */
static void carry_out(struct fault *f, uint32_t queue)
{
	struct line *l = &f->queue[queue].tx;
	struct hf_frame v;
	while (l->first != NULL && l->first->due <= *f->now) {
		struct slot *s;
		if (f->inner->cls->tx_alloc(f->inner, queue, &v, 1) == 0)
			return;
		s = leave(l, *f->now);
		HF_ASSERT(s->len <= v.cap);
		memcpy(v.data, s->data, s->len);
		v.len = s->len;
		slot_free(l, s);
		f->inner->cls->tx(f->inner, queue, &v, 1);
	}
}

static void carry_in(struct fault *f, uint32_t queue)
{
	struct hf_frame v[BURST];
	uint32_t cnt;
	do {
		cnt = f->inner->cls->rx(f->inner, queue, v, BURST);
		for (uint32_t i = 0; i < cnt; i++)
			if (!enter(&f->queue[queue].rx, &v[i], *f->now))
				f->port.stats[queue].rx_missed++;
		f->inner->cls->rx_give(f->inner, queue, v, cnt);
	} while (cnt == BURST);
}

static uint32_t fault_rx(struct hf_port *port, uint32_t queue, struct hf_frame *v, uint32_t cnt)
{
	struct fault *f = fault_of(port);
	struct slot *s;
	uint32_t n;
	carry_out(f, queue);
	carry_in(f, queue);
	for (n = 0; n < cnt && (s = leave(&f->queue[queue].rx, *f->now)) != NULL; n++) {
		s->where = LENT;
		f->queue[queue].rx.lent++;
		v[n] = (struct hf_frame){s->data, s->len, FRAME_CAP, s->flags, s};
	}
	return n;
}

static void fault_rx_give(struct hf_port *port, uint32_t queue, struct hf_frame *v, uint32_t cnt)
{
	struct fault *f = fault_of(port);
	struct line *l = &f->queue[queue].rx;
	for (uint32_t i = 0; i < cnt; i++) {
		struct slot *s = v[i].priv;
		if (s >= l->slot && s < l->slot + l->slot_cnt) {
			HF_ASSERT(s->where == LENT);
			l->lent--;
			slot_free(l, s);
		} else {
			f->inner->cls->rx_give(f->inner, queue, &v[i], 1);
		}
	}
}

static uint32_t fault_tx_alloc(
	struct hf_port *port, uint32_t queue, struct hf_frame *v, uint32_t cnt)
{
	struct fault *f = fault_of(port);
	return f->inner->cls->tx_alloc(f->inner, queue, v, cnt);
}

static uint32_t fault_tx(struct hf_port *port, uint32_t queue, struct hf_frame *v, uint32_t cnt)
{
	struct fault *f = fault_of(port);
	uint32_t taken = 0;
	for (uint32_t i = 0; i < cnt; i++)
		taken += enter(&f->queue[queue].tx, &v[i], *f->now);
	port->stats[queue].tx_dropped += cnt - taken;
	f->inner->cls->rx_give(f->inner, queue, v, cnt);
	carry_out(f, queue);
	return taken;
}

static int fault_owner(const struct hf_port *port, const struct hf_flow_key *k)
{
	return hf_port_owner(fault_of(port)->inner, k);
}

static void fault_fini(struct hf_port *port)
{
	struct hf_port *inner = fault_of(port)->inner;
	inner->cls->fini(inner);
}

static const struct hf_port_class fault_class = {
	.name = "fault",
	.rx = fault_rx,
	.rx_give = fault_rx_give,
	.tx_alloc = fault_tx_alloc,
	.tx = fault_tx,
	.owner = fault_owner,
	.fini = fault_fini,
};

/* ---- birth and questions ------------------------------------------------------------------------ */

static void *carve(uint8_t **at, size_t len)
{
	uint8_t *here = *at;
	*at += HF_ROUND_UP(len, (size_t)HF_CACHE_LINE);
	return here;
}

static void line_init(struct line *l, uint8_t **at, const struct hf_port_fault_cfg *cfg,
	const struct hf_port_fault_rates *rates, uint32_t number)
{
	uint8_t seed[HF_RAND_SEED_LEN] = {0};
	memcpy(seed, &cfg->seed, sizeof(cfg->seed));
	memcpy(seed + sizeof(cfg->seed), &number, sizeof(number));
	*l = (struct line){.rates = *rates, .slot_cnt = cfg->slot_cnt};
	hf_rand_seed(&l->rand, seed);
	l->slot = carve(at, cfg->slot_cnt * sizeof(*l->slot));
	for (uint32_t i = 0; i < cfg->slot_cnt; i++)
		slot_free(l, &l->slot[i]);
}

size_t hf_port_fault_footprint(const struct hf_port *inner, const struct hf_port_fault_cfg *cfg)
{
	uint32_t queues = inner->info.queue_cnt;
	return HF_ROUND_UP(sizeof(struct fault), (size_t)HF_CACHE_LINE) +
	       HF_ROUND_UP(queues * sizeof(struct queue), (size_t)HF_CACHE_LINE) +
	       (size_t)queues * 2 * cfg->slot_cnt * sizeof(struct slot);
}

struct hf_port *hf_port_fault_init(
	void *mem, struct hf_port *inner, const struct hf_port_fault_cfg *cfg)
{
	uint8_t *at = mem;
	struct fault *f = carve(&at, sizeof(*f));
	HF_ASSERT(inner->info.mtu + ETHER_LEN <= FRAME_CAP);
	*f = (struct fault){.port = *inner, .inner = inner, .now = cfg->now};
	f->port.cls = &fault_class;
	f->queue = carve(&at, inner->info.queue_cnt * sizeof(*f->queue));
	for (uint32_t q = 0; q < inner->info.queue_cnt; q++) {
		line_init(&f->queue[q].rx, &at, cfg, &cfg->rx, 2 * q);
		line_init(&f->queue[q].tx, &at, cfg, &cfg->tx, 2 * q + 1);
	}
	return &f->port;
}

hf_ns hf_port_fault_next(const struct hf_port *port)
{
	const struct fault *f = fault_of(port);
	hf_ns next = HF_NS_NEVER;
	for (uint32_t q = 0; q < port->info.queue_cnt; q++) {
		const struct line *rx = &f->queue[q].rx, *tx = &f->queue[q].tx;
		if (rx->first != NULL)
			next = HF_MIN(next, rx->first->due);
		if (tx->first != NULL)
			next = HF_MIN(next, tx->first->due);
	}
	return next;
}

uint32_t hf_port_fault_lent(const struct hf_port *port, uint32_t queue)
{
	HF_ASSERT(queue < port->info.queue_cnt);
	return fault_of(port)->queue[queue].rx.lent;
}

static void add(struct hf_port_fault_stats *sum, const struct hf_port_fault_stats *s)
{
	sum->in += s->in;
	sum->out += s->out;
	sum->dropped += s->dropped;
	sum->duplicated += s->duplicated;
	sum->reordered += s->reordered;
	sum->corrupted += s->corrupted;
	sum->overflow += s->overflow;
}

void hf_port_fault_stats(
	const struct hf_port *port, struct hf_port_fault_stats *rx, struct hf_port_fault_stats *tx)
{
	const struct fault *f = fault_of(port);
	*rx = *tx = (struct hf_port_fault_stats){0};
	for (uint32_t q = 0; q < port->info.queue_cnt; q++) {
		add(rx, &f->queue[q].rx.stats);
		add(tx, &f->queue[q].tx.stats);
	}
}
