/* mem.c -- a queue has two sides, each with its own frames: received ones and ones to send. A frame
 * walks free -> queued -> lent -> free on the way in and free -> lent -> queued -> free on the way
 * out; `where` remembers which, and every step checks it. Free frames are used in turn, oldest
 * first, so that a frame given back too early stays recognizable for as long as possible. */
#include "drivers/port/mem.h"

#define FRAME_MIN 60u /* IEEE 802.3 3.2.8: what hardware pads to, without FCS */
#define GIVEN_BACK 0xdb

enum where { FREE, QUEUED, LENT };

struct frame {
	uint32_t len;
	uint32_t where;
	uint8_t data[HF_PORT_MEM_FRAME_MAX];
};
static_assert(sizeof(struct frame) == 2048, "frames lie on cache lines");

struct fifo {
	struct frame **v;
	uint32_t first, len, cap;
};

struct side {
	struct frame *frame;
	uint32_t cnt, lent;
	struct fifo free, queued;
};

struct queue {
	struct side rx, tx;
};

struct mem {
	struct hf_port port;
	struct queue *queue;
};

static void push(struct fifo *f, struct frame *fr)
{
	HF_ASSERT(f->len < f->cap);
	f->v[(f->first + f->len++) % f->cap] = fr;
}

static struct frame *pop(struct fifo *f)
{
	struct frame *fr;
	if (f->len == 0)
		return NULL;
	fr = f->v[f->first];
	f->first = (f->first + 1) % f->cap;
	f->len--;
	return fr;
}

static struct queue *queue_of(const struct hf_port *port, uint32_t queue)
{
	HF_ASSERT(queue < port->info.queue_cnt);
	return &HF_CONTAINER_OF(port, struct mem, port)->queue[queue];
}

static void lend(struct side *s, struct frame *fr, struct hf_frame *v)
{
	fr->where = LENT;
	s->lent++;
	*v = (struct hf_frame){
		.data = fr->data, .len = fr->len, .cap = sizeof(fr->data), .priv = fr};
}

/* The frame behind v, if this side lent it. */
static struct frame *lent(const struct side *s, const struct hf_frame *v)
{
	struct frame *fr = v->priv;
	if (fr < s->frame || fr >= s->frame + s->cnt)
		return NULL;
	HF_ASSERT(fr->where == LENT && v->data == fr->data);
	return fr;
}

static void set_free(struct side *s, struct frame *fr)
{
	/* what lies behind its length is so already, unless it was lent to be written */
	memset(fr->data, GIVEN_BACK, fr->len ? fr->len : sizeof(fr->data));
	fr->len = 0;
	fr->where = FREE;
	push(&s->free, fr);
}

/* ---- the worker's end ---- */

static uint32_t mem_rx(struct hf_port *port, uint32_t queue, struct hf_frame *v, uint32_t cnt)
{
	struct side *s = &queue_of(port, queue)->rx;
	struct frame *fr;
	uint32_t n;
	for (n = 0; n < cnt && (fr = pop(&s->queued)) != NULL; n++) {
		lend(s, fr, &v[n]);
		port->stats[queue].rx_frames++;
		port->stats[queue].rx_bytes += fr->len;
	}
	return n;
}

static void mem_rx_give(struct hf_port *port, uint32_t queue, struct hf_frame *v, uint32_t cnt)
{
	struct queue *q = queue_of(port, queue);
	for (uint32_t i = 0; i < cnt; i++) {
		struct side *s = lent(&q->rx, &v[i]) != NULL ? &q->rx : &q->tx;
		struct frame *fr = lent(s, &v[i]);
		HF_ASSERT(fr != NULL); /* of this queue */
		s->lent--;
		set_free(s, fr);
	}
}

static uint32_t mem_tx_alloc(struct hf_port *port, uint32_t queue, struct hf_frame *v, uint32_t cnt)
{
	struct side *s = &queue_of(port, queue)->tx;
	struct frame *fr;
	uint32_t n;
	for (n = 0; n < cnt && (fr = pop(&s->free)) != NULL; n++)
		lend(s, fr, &v[n]);
	if (n < cnt)
		port->stats[queue].tx_empty++;
	return n;
}

/* There is a place in `queued` for every frame: nothing is ever dropped here. */
static uint32_t mem_tx(struct hf_port *port, uint32_t queue, struct hf_frame *v, uint32_t cnt)
{
	struct side *s = &queue_of(port, queue)->tx;
	for (uint32_t i = 0; i < cnt; i++) {
		struct frame *fr = lent(s, &v[i]);
		HF_ASSERT(fr != NULL && v[i].len > 0 && v[i].len <= port->info.mtu + 14u);
		if (v[i].len < FRAME_MIN)
			memset(fr->data + v[i].len, 0, FRAME_MIN - v[i].len);
		fr->len = HF_MAX(v[i].len, FRAME_MIN);
		fr->where = QUEUED;
		s->lent--;
		push(&s->queued, fr);
		port->stats[queue].tx_frames++;
		port->stats[queue].tx_bytes += fr->len;
	}
	return cnt;
}

static void mem_fini(struct hf_port *port HF_UNUSED)
{
}

static const struct hf_port_class mem_class = {
	.name = "mem",
	.rx = mem_rx,
	.rx_give = mem_rx_give,
	.tx_alloc = mem_tx_alloc,
	.tx = mem_tx,
	.fini = mem_fini,
};

/* ---- the other end ---- */

bool hf_port_mem_give(struct hf_port *port, uint32_t queue, const void *frame, size_t len)
{
	struct side *s = &queue_of(port, queue)->rx;
	struct frame *fr = pop(&s->free);
	HF_ASSERT(len <= HF_PORT_MEM_FRAME_MAX);
	if (fr == NULL) {
		port->stats[queue].rx_missed++;
		return false;
	}
	memcpy(fr->data, frame, len);
	fr->len = (uint32_t)len;
	fr->where = QUEUED;
	push(&s->queued, fr);
	return true;
}

size_t hf_port_mem_take(struct hf_port *port, uint32_t queue, void *out, size_t cap)
{
	struct side *s = &queue_of(port, queue)->tx;
	struct frame *fr = pop(&s->queued);
	size_t len;
	if (fr == NULL)
		return 0;
	len = HF_MIN(fr->len, cap);
	memcpy(out, fr->data, len);
	set_free(s, fr);
	return len;
}

uint32_t hf_port_mem_lent(const struct hf_port *port, uint32_t queue)
{
	const struct queue *q = queue_of(port, queue);
	return q->rx.lent + q->tx.lent;
}

/* ---- birth ---- */

static void *carve(uint8_t **at, size_t len)
{
	uint8_t *here = *at;
	*at += HF_ROUND_UP(len, (size_t)HF_CACHE_LINE);
	return here;
}

static size_t side_footprint(uint32_t cnt)
{
	return cnt * sizeof(struct frame) +
	       2 * HF_ROUND_UP(cnt * sizeof(struct frame *), (size_t)HF_CACHE_LINE);
}

static void side_init(struct side *s, uint8_t **at, uint32_t cnt)
{
	s->cnt = cnt;
	s->frame = carve(at, cnt * sizeof(struct frame));
	s->free = (struct fifo){.v = carve(at, cnt * sizeof(struct frame *)), .cap = cnt};
	s->queued = (struct fifo){.v = carve(at, cnt * sizeof(struct frame *)), .cap = cnt};
	for (uint32_t i = 0; i < cnt; i++) {
		s->frame[i].len = 0;
		set_free(s, &s->frame[i]);
	}
}

size_t hf_port_mem_footprint(const struct hf_port_mem_cfg *cfg)
{
	size_t line = HF_CACHE_LINE;
	return HF_ROUND_UP(sizeof(struct mem), line) +
	       HF_ROUND_UP(cfg->queue_cnt * sizeof(struct queue), line) +
	       HF_ROUND_UP(cfg->queue_cnt * sizeof(struct hf_port_stats), line) +
	       cfg->queue_cnt * (side_footprint(cfg->rx_cnt) + side_footprint(cfg->tx_cnt));
}

struct hf_port *hf_port_mem_init(void *mem, const struct hf_port_mem_cfg *cfg)
{
	uint8_t *at = mem;
	struct mem *m = carve(&at, sizeof(*m));
	HF_ASSERT(cfg->mtu + 14u <= HF_PORT_MEM_FRAME_MAX);
	*m = (struct mem){.port = {.cls = &mem_class}};
	memcpy(m->port.info.mac, cfg->mac, sizeof(cfg->mac));
	m->port.info.mtu = cfg->mtu;
	m->port.info.queue_cnt = cfg->queue_cnt;
	m->queue = carve(&at, cfg->queue_cnt * sizeof(*m->queue));
	m->port.stats = carve(&at, cfg->queue_cnt * sizeof(*m->port.stats));
	memset(m->queue, 0, cfg->queue_cnt * sizeof(*m->queue));
	memset(m->port.stats, 0, cfg->queue_cnt * sizeof(*m->port.stats));
	for (uint32_t q = 0; q < cfg->queue_cnt; q++) {
		side_init(&m->queue[q].rx, &at, cfg->rx_cnt);
		side_init(&m->queue[q].tx, &at, cfg->tx_cnt);
	}
	return &m->port;
}
