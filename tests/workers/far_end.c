/* far_end.c -- frames are copied in both directions, as by memif; those to send and those received are
 * two stacks of buffers. */
#include <stdlib.h>
#include "tests/workers/far_end.h"
#include "drivers/port/mem.h"

#define FRAMES 64u

struct stack {
	uint8_t data[FRAMES][HF_PORT_MEM_FRAME_MAX + 8];
	uint32_t free[FRAMES], cnt;
};

struct far_end {
	struct hf_port base;
	struct hf_port_stats stats;
	struct hf_port *mem;
	struct stack rx, tx;
};

static struct far_end *far_of(struct hf_port *p)
{
	return HF_CONTAINER_OF(p, struct far_end, base);
}

static void pop(struct stack *s, struct hf_frame *f)
{
	uint32_t i = s->free[--s->cnt];
	*f = (struct hf_frame){.data = s->data[i], .cap = HF_PORT_MEM_FRAME_MAX, .priv = s};
}

static void push(struct hf_frame *f)
{
	struct stack *s = f->priv;
	s->free[s->cnt++] = (uint32_t)((size_t)(f->data - s->data[0]) / sizeof(s->data[0]));
}

static uint32_t far_rx(struct hf_port *p, uint32_t queue, struct hf_frame *v, uint32_t cnt)
{
	struct far_end *e = far_of(p);
	uint32_t n = 0;
	while (n < cnt && e->rx.cnt) {
		pop(&e->rx, &v[n]);
		v[n].len = (uint32_t)hf_port_mem_take(e->mem, queue, v[n].data, v[n].cap);
		if (!v[n].len) {
			push(&v[n]);
			break;
		}
		n++;
	}
	return n;
}

static void far_give(
	struct hf_port *p HF_UNUSED, uint32_t queue HF_UNUSED, struct hf_frame *v, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++)
		push(&v[i]);
}

static uint32_t far_alloc(
	struct hf_port *p, uint32_t queue HF_UNUSED, struct hf_frame *v, uint32_t cnt)
{
	struct far_end *e = far_of(p);
	uint32_t n = 0;
	while (n < cnt && e->tx.cnt)
		pop(&e->tx, &v[n++]);
	return n;
}

static uint32_t far_tx(struct hf_port *p, uint32_t queue, struct hf_frame *v, uint32_t cnt)
{
	uint32_t sent = 0;
	for (uint32_t i = 0; i < cnt; i++) {
		sent += hf_port_mem_give(far_of(p)->mem, queue, v[i].data, v[i].len);
		push(&v[i]);
	}
	return sent;
}

static const struct hf_port_class far_class = {
	.name = "far end", .rx = far_rx, .rx_give = far_give, .tx_alloc = far_alloc, .tx = far_tx};

struct hf_port *far_end_new(struct hf_port *mem, const uint8_t mac[6])
{
	struct far_end *e = aligned_alloc(HF_CACHE_LINE, HF_ROUND_UP(sizeof(*e), HF_CACHE_LINE));
	HF_ASSERT(e);
	memset(e, 0, sizeof(*e));
	e->base = (struct hf_port){.cls = &far_class, .info = mem->info, .stats = &e->stats};
	memcpy(e->base.info.mac, mac, sizeof(e->base.info.mac));
	e->mem = mem;
	for (uint32_t i = 0; i < FRAMES; i++)
		e->rx.free[i] = e->tx.free[i] = i;
	e->rx.cnt = e->tx.cnt = FRAMES;
	return &e->base;
}

void far_end_free(struct hf_port *p)
{
	free(far_of(p));
}
