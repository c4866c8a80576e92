/* endpoint.c -- an endpoint is one thread of a backend and its pair of rings: it comes up, what it says is
 * handed to the connections it is for, and when it goes its streams are ended. What comes is hostile: one rule
 * broken, and the endpoint is cut off; only its own streams suffer. */
#include "lib/worker/conn.h"

/* Of an endpoint that is gone, per turn: each is a reset to the client, and the end of a slot. */
#define LOST_MAX 32u
#define LOST_LOOKS 1024u

void hf_endpoint_up(struct hf_worker *w, const struct hf_order *o)
{
	struct hf_endpoint *ep = &w->endpoint[o->arg];

	HF_ASSERT(o->arg < HF_ENDPOINT_MAX && !ep->link);
	*ep = (struct hf_endpoint){.link = o->link, .backend = o->backend};
	w->endpoint_top = HF_MAX(w->endpoint_top, o->arg + 1);
	w->stats.endpoints++;
}

/* The connection a message is for, NULL when its stream has ended meanwhile, or a violation: a
 * number that was never given out on this endpoint. */
static int stream_find(struct hf_worker *w, uint32_t e, uint64_t id, struct hf_conn **out)
{
	uint32_t i = (uint32_t)id;
	struct hf_conn *c;

	*out = NULL;
	if (i >= w->cfg.conn_cnt || id >> 32 == 0 || id > w->conn[i].ref)
		return hf_link_fail(w->endpoint[e].link, HF_LINK_BAD_STREAM);
	c = &w->conn[i];
	if (id != c->ref || c->stream == HF_STREAM_ENDED)
		return 0;
	if (c->stream != HF_STREAM_OPEN || c->endpoint != e)
		return hf_link_fail(w->endpoint[e].link, HF_LINK_BAD_STREAM);
	*out = c;
	return 0;
}

static void data_in(struct hf_worker *w, struct hf_conn *c, uint32_t len)
{
	struct hf_link *l = hf_stream_link(w, c);
	size_t n, room;
	uint8_t *to;

	if (c->owe_reset || c->closing) { /* nobody is left to hear it */
		hf_link_skip(l);
		return;
	}
	for (; len; len -= (uint32_t)n) {
		to = hf_chain_extend(&w->link_bufs, &c->from_link, &room);
		HF_ASSERT(to != NULL); /* its chunks were reserved when the credit was granted */
		n = hf_link_read(l, &c->link, to, HF_MIN(len, room));
		hf_chain_extended(&c->from_link, n);
		w->stats.bytes_from_backend += n;
	}
}

static void message(struct hf_worker *w, struct hf_conn *c, const struct hf_link_msg *m)
{
	uint32_t i = (uint32_t)c->ref;

	switch (m->type) {
	case HF_LINK_DATA:
		c->awaits = true;
		data_in(w, c, m->len);
		break;
	case HF_LINK_BLOCKED:
		c->awaits = c->blocked = true;
		break;
	case HF_LINK_RETURNED:
		hf_stream_returned(w, c);
		break;
	case HF_LINK_RESET:
		w->stats.streams_reset_in++;
		hf_stream_cut(w, c);
		hf_bridge_abort(w, i, HF_LINK_RESET_SERVER);
		break;
	default: /* CREDIT and HALF_CLOSE are noted in c->link; run sees them */
		break;
	}
	hf_fifo_push(&w->run, i);
}

static int message_next(struct hf_worker *w, uint32_t e)
{
	struct hf_link *l = w->endpoint[e].link;
	struct hf_link_msg m;
	struct hf_conn *c;
	int rc = hf_link_next(l, &m);

	if (rc <= 0)
		return rc;
	if (stream_find(w, e, m.stream, &c) < 0)
		return -1;
	if (!c) {
		w->stats.streams_late++;
		hf_link_skip(l);
		return 1;
	}
	if (hf_link_admit(l, &c->link, &m) < 0)
		return -1;
	message(w, c, &m);
	return 1;
}

/* The endpoint will not be heard again. A stream on which it had said all is served to its end. */
static void stream_lost(struct hf_worker *w, uint32_t i)
{
	struct hf_conn *c = &w->conn[i];

	hf_fifo_push(&w->run, i);
	if (c->link.rx_closed && !c->owe_reset) {
		hf_stream_end(w, c);
		c->link.tx_closed = true;
		return;
	}
	w->stats.streams_lost += !c->owe_reset;
	hf_stream_cut(w, c);
	hf_bridge_abort(w, i, HF_LINK_RESET_INTERNAL);
}

/* Its memory is looked at until the last one has ended: what is said to it meanwhile is not read. */
void hf_endpoint_end(struct hf_worker *w, uint32_t e)
{
	struct hf_endpoint *ep = &w->endpoint[e];
	uint32_t lost = 0;

	w->busy = true;
	for (uint32_t n = 0; n < LOST_LOOKS && lost < LOST_MAX && ep->streams; n++) {
		uint32_t i = ep->lost_next++;
		const struct hf_conn *c = &w->conn[i];

		HF_ASSERT(i < w->cfg.conn_cnt);
		if (hf_tcp_alive(w->tcp, i) && c->stream == HF_STREAM_OPEN && c->endpoint == e) {
			stream_lost(w, i);
			lost++;
		}
	}
	if (ep->streams)
		return;
	ep->link = NULL;
	hf_worker_tell(w, &(struct hf_event){.kind = HF_EVENT_ENDPOINT_FREE, .arg = e});
}

static void endpoint_lost(struct hf_worker *w, uint32_t e)
{
	w->endpoint[e].down = true;
	w->endpoint[e].lost_next = 0;
	w->stats.endpoints--;
	w->busy = true; /* the next look at endpoints begins to end them */
}

/* What it said before it went away still counts, as far as it keeps to the rules. */
void hf_endpoint_down(struct hf_worker *w, uint32_t e)
{
	uint32_t left;

	if (!w->endpoint[e].link || w->endpoint[e].down)
		return;
	for (left = w->endpoint[e].link->rx_len / HF_LINK_ALIGN; left && message_next(w, e) > 0;)
		left--;
	endpoint_lost(w, e);
}

void hf_endpoint_fetch(struct hf_worker *w, uint32_t e, uint32_t max)
{
	struct hf_endpoint *ep = &w->endpoint[e];
	uint64_t enough = w->stats.bytes_from_backend + HF_TURN_LEN;
	uint32_t n = 0;
	int rc = 0;

	while (n < max && w->stats.bytes_from_backend < enough && (rc = message_next(w, e)) > 0)
		n++;
	if (n) {
		w->busy = true;
		ep->news = true;
		hf_link_release(ep->link);
	}
	if (rc < 0) {
		w->stats.endpoints_cut++;
		hf_worker_tell(w, &(struct hf_event){.kind = HF_EVENT_ENDPOINT_CUT,
					  .arg = e,
					  .why = (uint8_t)ep->link->violation});
		endpoint_lost(w, e);
	}
}
