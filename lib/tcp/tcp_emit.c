/* tcp_emit.c -- one call, a burst of segments. A port has a short queue of replies that belong to no
 * connection (or to one that is no more) and a list of connections that want to speak; both take
 * turns, and so do the connections, a few segments each: these share a head, written and summed once.
 * What a connection says is decided when its turn comes, from its state alone: so an ACK that was owed
 * rides on data that came meanwhile, and nothing is built that time has overtaken. Payload is copied out
 * of the send chain each time, its checksum with it. */
#include "lib/net/checksum.h"
#include "lib/tcp/tcp_conn.h"

#define OPTIONS_MAX 40u /* RFC 9293 3.1: data offset is 4 bits */
#define SACK_MAX 4u     /* blocks that fit them */
#define TURN_MAX 8u /* segments of a connection while others wait: 10 us of a link of 10 Gbit/s */
/* of fields in the TCP header */
#define SEQ_OFF 4u
#define FLAGS_OFF 13u
#define CSUM_OFF 16u

/* What a connection says next. */
struct say {
	uint32_t seq, len;
	bool fin;
	bool sack;  /* a bare ACK: room for SACK blocks */
	bool probe; /* lies outside of the stream's order: moves no snd_nxt, measures no time */
	bool tail;  /* probes the flight's end */
};

/* All headers of a segment, with sequence number, flags and checksum left 0: they stay the same from one
 * segment of a connection to the next as long as these do not differ in more than that. */
struct head {
	uint8_t b[HF_ETH_HDR_LEN + HF_VLAN_TAG_LEN + HF_IP6_HDR_LEN + HF_TCP_HDR_LEN + OPTIONS_MAX];
	uint32_t len, tcp_at;
	uint32_t sum; /* of the pseudo header and of what is TCP's of b */
	uint32_t payload_len;
	uint16_t window;
	bool sack; /* may have SACK blocks, too: of a bare ACK */
};

/* ---- building ---- */
static void write_syn_options(struct hf_writer *w, const struct hf_tcp_seg *s)
{
	hf_writer_u8(w, HF_TCPOPT_MSS);
	hf_writer_u8(w, 4);
	hf_writer_u16(w, s->mss);
	if (s->scale != HF_TCP_NO_SCALE) {
		hf_writer_u8(w, HF_TCPOPT_NOP);
		hf_writer_u8(w, HF_TCPOPT_WSCALE);
		hf_writer_u8(w, 3);
		hf_writer_u8(w, s->scale);
	}
	if (s->sack_permitted) {
		hf_writer_u16(w, HF_TCPOPT_NOP << 8 | HF_TCPOPT_NOP);
		hf_writer_u8(w, HF_TCPOPT_SACK_PERMITTED);
		hf_writer_u8(w, 2);
	}
}

/* RFC 7323 3.2, laid out as in its appendix A */
static void write_stamps(struct hf_writer *w, const struct hf_tcp_seg *s)
{
	hf_writer_u16(w, HF_TCPOPT_NOP << 8 | HF_TCPOPT_NOP);
	hf_writer_u8(w, HF_TCPOPT_TIMESTAMPS);
	hf_writer_u8(w, 10);
	hf_writer_u32(w, s->ts_val);
	hf_writer_u32(w, s->ts_ecr);
}

/* RFC 2018 3 */
static void write_sack(struct hf_writer *w, const struct hf_tcp_conn *c)
{
	uint32_t block[SACK_MAX][2];
	uint32_t cnt = hf_tcp_sack_blocks(c, block, c->ts_ok ? SACK_MAX - 1 : SACK_MAX);
	if (cnt == 0)
		return;
	hf_writer_u16(w, HF_TCPOPT_NOP << 8 | HF_TCPOPT_NOP);
	hf_writer_u8(w, HF_TCPOPT_SACK);
	hf_writer_u8(w, 2 + 8 * cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		hf_writer_u32(w, block[i][0]);
		hf_writer_u32(w, block[i][1]);
	}
}

/* RFC 9293 3.1; what segments may differ in is left open. */
static void write_tcp_header(
	struct hf_writer *w, const struct hf_tcp_seg *s, const struct hf_writer *options)
{
	hf_writer_u16(w, s->flow.dport);
	hf_writer_u16(w, s->flow.sport);
	hf_writer_u32(w, 0); /* sequence number */
	hf_writer_u32(w, s->ack);
	hf_writer_u8(w, (unsigned)(HF_TCP_HDR_LEN + options->len) / 4 << 4);
	hf_writer_u8(w, 0); /* flags */
	hf_writer_u16(w, s->window);
	hf_writer_u32(w, 0); /* checksum, urgent pointer */
	hf_writer_bytes(w, options->p, options->len);
}

/* Copies [off, off + len) of the send chain and returns its sum on top of `sum`. The cursor follows
 * new data; a retransmission from the front leaves it where it is. */
static uint32_t copy_payload(
	struct hf_tcp_conn *c, uint32_t off, uint32_t len, uint8_t *dst, uint32_t sum)
{
	struct hf_cursor at = c->snd_cursor;
	size_t done = 0;
	if (!at.chunk || at.chunk_off > off)
		at = (struct hf_cursor){c->snd.head, 0};
	while (done < len) {
		size_t skip = off + done - at.chunk_off, n;
		if (skip >= at.chunk->len) {
			at.chunk_off += at.chunk->len;
			at.chunk = at.chunk->next;
			continue;
		}
		n = HF_MIN(len - done, at.chunk->len - skip);
		sum = hf_csum_join(sum,
			hf_csum_copy(dst + done, at.chunk->data + at.chunk->off + skip, n), done);
		done += n;
	}
	if (!c->snd_cursor.chunk || at.chunk_off > c->snd_cursor.chunk_off)
		c->snd_cursor = at;
	return sum;
}

/* Back to where a frame of the flow came from, or to the gateway. */
static struct hf_wire_link link_of(
	const struct hf_tcp *t, uint32_t port, const struct hf_tcp_seg *s)
{
	const struct hf_net_host *h = t->side[port].host;
	const struct hf_net_gateway *g = &h->gateway[hf_net_family(&s->flow.src)];
	bool to_gateway = !t->cfg.reflect && g->known;
	return (struct hf_wire_link){
		to_gateway ? g->mac : s->mac, h->mac, hf_net_vlan(h, &s->flow.dst)};
}

/* c and what it says are NULL for a reply. */
static void write_head(struct head *h, const struct hf_tcp *t, uint32_t port,
	const struct hf_tcp_seg *s, const struct hf_tcp_conn *c, const struct say *say)
{
	struct hf_wire_link link = link_of(t, port, s);
	struct hf_wire_ip ip = {&s->flow.dst, &s->flow.src, HF_IP_TCP, HF_HOPS_FAR};
	uint8_t option[OPTIONS_MAX];
	struct hf_writer o = hf_writer(option, sizeof(option)), w = hf_writer(h->b, sizeof(h->b));
	size_t tcp_len;
	h->payload_len = say ? say->len : 0;
	h->window = s->window;
	h->sack = say && say->sack;
	if (s->flags & HF_TCP_SYN)
		write_syn_options(&o, s);
	if (s->ts_ok)
		write_stamps(&o, s);
	if (say && say->sack && c->sack_ok)
		write_sack(&o, c);
	tcp_len = HF_TCP_HDR_LEN + o.len + h->payload_len;
	hf_wire_eth_ip(&w, &link, &ip, tcp_len);
	h->tcp_at = (uint32_t)w.len;
	write_tcp_header(&w, s, &o);
	HF_ASSERT(!o.overflow && !w.overflow);
	h->len = (uint32_t)w.len;
	h->sum = hf_csum_pseudo(&s->flow.src, &s->flow.dst, HF_IP_TCP, tcp_len) +
		 hf_csum(h->b + h->tcp_at, h->len - h->tcp_at);
}

/* One segment into f; c is NULL when it has no payload. */
static void build(struct hf_tcp *t, const struct head *h, uint32_t seq, unsigned flags,
	struct hf_tcp_conn *c, struct hf_frame *f)
{
	uint32_t sum = hf_csum_fold(h->sum) + (seq >> 16) + (seq & 0xffff) + flags;
	uint8_t *tcp = f->data + h->tcp_at;
	struct hf_writer w = hf_writer(tcp + SEQ_OFF, sizeof(seq));
	HF_ASSERT(f->cap >= h->len && f->cap - h->len >= h->payload_len);
	memcpy(f->data, h->b, h->len);
	hf_writer_u32(&w, seq);
	tcp[FLAGS_OFF] = (uint8_t)flags;
	if (h->payload_len > 0)
		sum = copy_payload(c, seq - c->snd_una, h->payload_len, f->data + h->len, sum);
	sum = hf_csum_finish(sum);
	tcp[CSUM_OFF] = (uint8_t)(sum >> 8);
	tcp[CSUM_OFF + 1] = (uint8_t)sum;
	f->len = h->len + h->payload_len;
	t->stats.segments_out++;
}

/* ---- replies ---- */
void hf_tcp_reply(struct hf_tcp *t, uint32_t port, const struct hf_tcp_seg *s)
{
	struct hf_tcp_side *side = &t->side[port];
	if (side->reply_cnt == HF_TCP_REPLY_CNT) {
		t->stats.replies_dropped++;
		return;
	}
	side->reply[(side->reply_head + side->reply_cnt++) % HF_TCP_REPLY_CNT] = *s;
}

void hf_tcp_reply_rst(const struct hf_tcp_in *in)
{
	const struct hf_packet *p = in->p;
	uint32_t len = (uint32_t)p->payload.len + !!(p->tcp_flags & HF_TCP_SYN) +
		       !!(p->tcp_flags & HF_TCP_FIN);
	struct hf_tcp_seg s = {.flow = in->flow, .seq = p->ack, .flags = HF_TCP_RST};
	if (!hf_tcp_may_reset(in->t, in->now))
		return;
	if (!(p->tcp_flags & HF_TCP_ACK)) {
		s.seq = 0;
		s.ack = p->seq + len;
		s.flags = HF_TCP_RST | HF_TCP_ACK;
	}
	memcpy(s.mac, p->eth_src, sizeof(s.mac));
	hf_tcp_reply(in->t, in->port, &s);
	in->t->stats.resets_out++;
}

void hf_tcp_reply_ack(const struct hf_tcp_in *in, uint32_t seq, uint32_t ack)
{
	struct hf_tcp_seg s = {.flow = in->flow,
		.seq = seq,
		.ack = ack,
		.window = (uint16_t)HF_MIN(in->t->cfg.rcv_wnd_max, (uint32_t)UINT16_MAX),
		.flags = HF_TCP_ACK};
	hf_tcp_stamp_answer(in, &s);
	memcpy(s.mac, in->p->eth_src, sizeof(s.mac));
	hf_tcp_reply(in->t, in->port, &s);
}

static void emit_reply(struct hf_tcp *t, uint32_t port, struct hf_frame *f, hf_ns now)
{
	struct hf_tcp_side *side = &t->side[port];
	const struct hf_tcp_seg *s = &side->reply[side->reply_head];
	struct head h;
	side->reply_head = (side->reply_head + 1) % HF_TCP_REPLY_CNT;
	side->reply_cnt--;
	side->reply_last = true;
	hf_trace(t->trace, now, UINT32_MAX, HF_TRACE_SEG_OUT, s->flags, s->seq, 0);
	write_head(&h, t, port, s, NULL, NULL);
	build(t, &h, s->seq, s->flags, NULL, f);
}

/* ---- what to say ---- */
/* What the peer's window takes from seq on. */
static uint32_t window_at(const struct hf_tcp_conn *c, uint32_t seq)
{
	uint32_t off = seq - c->snd_una;
	return c->snd_wnd > off ? c->snd_wnd - off : 0;
}

/* New data from snd_nxt, as far as both windows let it; less than a full segment only when that is
 * all there is or half of the widest window (RFC 9293 3.8.6.2.1). Small writes are not held back
 * (no Nagle): a turn's records are coalesced before anything is sent. */
static bool new_data(const struct hf_tcp_conn *c, uint32_t cong_room, struct say *s)
{
	uint32_t off = c->snd_nxt - c->snd_una, avail, room;
	if (off > c->snd.len) /* our FIN is out */
		return false;
	room = HF_MIN(window_at(c, c->snd_nxt), cong_room);
	avail = (uint32_t)c->snd.len - off;
	s->seq = c->snd_nxt;
	s->len = HF_MIN(HF_MIN(avail, (uint32_t)c->info.mss), room);
	s->fin = hf_tcp_fin_owed(c) && s->len == avail && room > avail; /* takes a number, too */
	if (s->len == 0)
		return s->fin;
	return s->len == c->info.mss || s->len == avail || s->len >= c->snd_wnd_max / 2;
}

/* Up to a segment's worth of the len bytes at seq, all sent before; the last may be our FIN. */
static bool old_data(const struct hf_tcp_conn *c, uint32_t seq, uint32_t len, struct say *s)
{
	uint32_t off = seq - c->snd_una;
	uint32_t text_len = (uint32_t)HF_MIN((size_t)len, c->snd.len - HF_MIN(c->snd.len, off));
	s->seq = seq;
	s->len = HF_MIN(text_len, (uint32_t)c->info.mss);
	s->fin = s->len == text_len && len > text_len;
	return s->len > 0 || s->fin;
}

/* What was lost comes before what is new (RFC 6675 4, NextSeg). Of a window that shrank, no more
 * than it takes (RFC 9293 3.8.6, SHLD-15). */
static bool next_data(const struct hf_tcp_conn *c, struct say *s)
{
	uint32_t cong_room = hf_tcp_cong_room(c), len;
	const struct hf_tcp_run *r = hf_tcp_sent_first_lost(c, &len);
	if (!r)
		return new_data(c, cong_room, s);
	len = HF_MIN(len, window_at(c, r->seq));
	return old_data(c, r->seq, len, s) && (c->rexmit_now || s->len <= cong_room);
}

/* RFC 8985 7.3: new data if there is any, else the last segment again; the congestion window may
 * for once be exceeded by it. */
static bool tail_probe(const struct hf_tcp_conn *c, struct say *s)
{
	const struct hf_tcp_run *last = &c->run[c->run_cnt - 1];
	uint32_t begin;
	s->tail = true;
	if (c->run_cnt == 0 || !hf_tcp_in_flight(last))
		return false;
	if (new_data(c, c->info.mss, s))
		return true;
	begin = c->snd_nxt - HF_MIN(c->snd_nxt - last->seq, (uint32_t)c->info.mss);
	return old_data(c, begin, c->snd_nxt - begin, s);
}

/* At least one byte into a window that is closed, or what a silly window lets in; when nothing but
 * the FIN is left, that (RFC 9293 3.8.6.1). */
static bool window_probe(const struct hf_tcp_conn *c, struct say *s)
{
	uint32_t len = HF_MAX(HF_MIN(c->snd_wnd, (uint32_t)c->info.mss), 1u);
	s->seq = c->snd_una;
	s->len = (uint32_t)HF_MIN((size_t)len, c->snd.len);
	s->fin = c->snd.len == 0 && hf_tcp_fin_owed(c);
	s->probe = true;
	return s->len > 0 || s->fin;
}

/* Bare ACKs go out with a number that the peer accepts: snd_nxt may be behind what it has, snd_max
 * before what it lets in. */
static uint32_t ack_seq(const struct hf_tcp_conn *c)
{
	uint32_t edge = c->snd_una + c->snd_wnd;
	return hf_seq_lt(edge, c->snd_max) ? edge : c->snd_max;
}

static bool choose(const struct hf_tcp_conn *c, struct say *s)
{
	*s = (struct say){0};
	if (c->dup_owed == 0) {
		if (next_data(c, s))
			return true;
		if (c->tail_now && tail_probe(c, s))
			return true;
		if (c->probe_now && window_probe(c, s))
			return true;
	}
	*s = (struct say){.seq = ack_seq(c), .sack = true};
	if (c->dup_owed == 0 && c->keep_now) { /* what the peer has already: it must answer */
		s->seq = c->snd_una - 1;
		s->probe = true;
	}
	return c->dup_owed > 0 || c->keep_now || c->ack_now;
}

bool hf_tcp_has_output(const struct hf_tcp_conn *c)
{
	struct say s;
	return choose(c, &s);
}

bool hf_tcp_has_data(const struct hf_tcp_conn *c)
{
	struct say s = {0};
	return next_data(c, &s);
}

uint32_t hf_tcp_new_room(const struct hf_tcp_conn *c)
{
	uint32_t off = HF_MIN(c->snd_nxt - c->snd_una, (uint32_t)c->snd.len);
	uint32_t first = (uint32_t)c->snd.len - off + hf_tcp_sent_len(c, HF_TCP_RUN_LOST);
	uint32_t room = HF_MIN(window_at(c, c->snd_nxt), hf_tcp_cong_room(c));
	return room > first ? room - first : 0;
}

/* ---- having said it ---- */
static void said_data(struct hf_tcp *t, struct hf_tcp_conn *c, const struct say *s, hf_ns now)
{
	uint32_t end = s->seq + s->len + s->fin;
	bool again = hf_seq_lt(s->seq, c->snd_max);
	if (!s->probe) {
		hf_tcp_sent(t, c, s->seq, end, now);
		t->stats.retransmits += again;
		if (!again)
			hf_tcp_cong_sent(c);
		c->rexmit_now = false;
	}
	c->probe_now = false;
	c->snd_max = hf_seq_max(c->snd_max, end);
	c->sent_at = now;
	hf_tcp_rexmit_update(t, c, now);
	if (s->tail)
		hf_tcp_tail_sent(c, again);
	else if (!s->probe && !again)
		hf_tcp_tail_arm(t, c, now);
}

static void said_ack(struct hf_tcp_conn *c, bool bare)
{
	if (c->dup_owed > 0 && bare)
		c->dup_owed--;
	if (c->ack_later)
		hf_tcp_disarm(c, HF_TCP_DUE_ACK);
	c->ack_now = c->ack_quick = c->ack_later = false;
	c->unacked_cnt = 0;
}

/* The window field for the offer, and the promise that it makes. A right edge is not rounded up, so
 * the field may say a little less than was promised before; the promise stands. */
static uint16_t offer_window(const struct hf_tcp *t, struct hf_tcp_conn *c)
{
	uint32_t field = (hf_tcp_rcv_offer(t, c) - c->rcv_nxt) >> c->rcv_scale;
	field = HF_MIN(field, (uint32_t)UINT16_MAX);
	c->rcv_edge = hf_seq_max(c->rcv_edge, c->rcv_nxt + (field << c->rcv_scale));
	return (uint16_t)field;
}

static struct hf_tcp_seg seg_of(const struct hf_tcp_conn *c, uint32_t seq, unsigned flags)
{
	struct hf_tcp_seg s = {
		.flow = {c->info.peer, c->info.local, c->info.peer_port, c->info.local_port},
		.seq = seq,
		.ack = c->rcv_nxt,
		.flags = (uint8_t)flags};
	memcpy(s.mac, c->mac, sizeof(s.mac));
	return s;
}

void hf_tcp_reply_abort(struct hf_tcp *t, const struct hf_tcp_conn *c)
{
	struct hf_tcp_seg s = seg_of(c, ack_seq(c), HF_TCP_RST | HF_TCP_ACK);
	hf_tcp_reply(t, c->info.port, &s);
	t->stats.resets_out++;
}

/* The head of what c says, unless h is the one of what it said before in this turn and will do. */
static void head_for(struct head *h, struct hf_tcp *t, uint32_t port, struct hf_tcp_conn *c,
	const struct say *s, hf_ns now)
{
	uint16_t window = offer_window(t, c);
	struct hf_tcp_seg seg;
	if (h->len > 0 && !h->sack && !s->sack && h->payload_len == s->len && h->window == window)
		return;
	seg = seg_of(c, s->seq, HF_TCP_ACK);
	seg.window = window;
	if (c->ts_ok) {
		seg.ts_ok = true;
		seg.ts_val = hf_tcp_stamp(c->ts_off, now);
		seg.ts_ecr = c->ts_recent;
		c->last_ack_sent = c->rcv_nxt;
	}
	write_head(h, t, port, &seg, c, s);
}

/* h: of what c said before in this turn, or empty. */
static bool emit_conn(struct hf_tcp *t, uint32_t port, struct hf_tcp_conn *c, struct head *h,
	struct hf_frame *f, hf_ns now)
{
	struct say s;
	unsigned flags = HF_TCP_ACK;
	bool data;
	if (!choose(c, &s))
		return false;
	data = s.len > 0 || s.fin;
	if (s.fin)
		flags |= HF_TCP_FIN;
	if (data && s.seq + s.len == c->snd_una + (uint32_t)c->snd.len)
		flags |= HF_TCP_PSH;
	head_for(h, t, port, c, &s, now);
	build(t, h, s.seq, flags, c, f);
	hf_trace(t->trace, now, (uint32_t)c->info.ref, HF_TRACE_SEG_OUT, (uint8_t)flags, s.seq,
		s.len);
	if (s.probe)
		t->stats.probes++;
	if (data)
		said_data(t, c, &s, now);
	else if (s.probe)
		c->keep_now = false;
	said_ack(c, !data);
	hf_tcp_rcv_look(t, c, now);
	return true;
}

/* What the next connection that has something to say says, in at most max frames; how many it took. */
static uint32_t emit_next_conn(
	struct hf_tcp *t, uint32_t port, struct hf_frame *f, uint32_t max, hf_ns now)
{
	struct hf_tcp_side *side = &t->side[port];
	struct hf_tcp_conn *c;
	uint32_t cnt = 0;
	while (cnt == 0 && (c = hf_tcp_list_first(&side->out))) {
		struct head h;
		h.len = 0;
		hf_tcp_list_remove(&side->out, c);
		while (cnt < max && emit_conn(t, port, c, &h, &f[cnt], now))
			cnt++;
		if (cnt == max && hf_tcp_has_output(c))
			hf_tcp_list_push(&side->out, c); /* behind the others */
	}
	if (cnt > 0)
		side->reply_last = false;
	return cnt;
}

bool hf_tcp_pending(const struct hf_tcp *t, uint32_t port)
{
	return t->side[port].reply_cnt > 0 || hf_tcp_list_first(&t->side[port].out) != NULL;
}

uint32_t hf_tcp_emit_burst(
	struct hf_tcp *t, uint32_t port, struct hf_frame *f, uint32_t cnt, hf_ns now)
{
	struct hf_tcp_side *side = &t->side[port];
	uint32_t used = 0, n;
	while (used < cnt) {
		n = 0;
		if (side->reply_cnt == 0 || side->reply_last)
			n = emit_next_conn(t, port, f + used, HF_MIN(cnt - used, TURN_MAX), now);
		if (n == 0 && side->reply_cnt > 0) {
			emit_reply(t, port, &f[used], now);
			n = 1;
		}
		if (n == 0)
			break;
		used += n;
	}
	return used;
}

uint32_t hf_tcp_emit(struct hf_tcp *t, uint32_t port, struct hf_frame *f, hf_ns now)
{
	return hf_tcp_emit_burst(t, port, f, 1, now) ? f->len : 0;
}
