/* wire_port.c -- connections over a port of frames, by a TCP that is a client's and no more than a wire
 * without losses needs: segments are taken in order or not at all, what was not acknowledged for a while is
 * said again from its begin, and there is no congestion to control. Frames are read, written and answered
 * (ARP, neighbour discovery, ping) by lib/net, which knows both families.
 * A connection's number is found by its local port, one array. Acknowledgements wait until the client has
 * read and written what it had to, which is the next wait: so they ride on data where there is some, and
 * there is one for a burst, as kernels that join segments send them. The third of the opening goes at once
 * and by itself, as kernels do it. Specs: RFC 9293, 7323 2. */
#include <errno.h>
#include <stdlib.h>
#include "bench/hfbench/wire.h"
#include "lib/net/checksum.h"
#include "lib/net/reply.h"

#define BURST 32u
#define RX_MAX (128u << 10) /* of a connection: its receive window */
#define SCALE 2u            /* RFC 7323 2: the window's shift */
#define TX_MAX 8192u        /* a flight of the client, or a request */
#define PORT_FIRST 1024u
#define PORT_CNT (65536u - PORT_FIRST)
#define SEQ_EVERY_NS 250u /* RFC 9293 3.4.1: a clock of 4 us; faster, as ports come again sooner */
#define RTO_NS (200 * HF_NS_MS)
#define TICK_NS (50 * HF_NS_MS)
#define ASK_EVERY_NS (100 * HF_NS_MS)
#define EMPTY_LOOKS 50u /* before it sleeps */
#define NAP_NS (20 * HF_NS_US)
#define NONE UINT32_MAX

enum state { CLOSED, SYN_SENT, OPEN, BROKEN };

struct conn {
	enum state state;
	uint16_t port, mss;
	uint8_t scale; /* the peer's */
	bool news, listed, owes_ack, owe_listed;
	bool fin_wanted, fin_sent, fin_seen;
	int err;
	uint32_t snd_una, snd_nxt, snd_wnd, rcv_nxt,
		rcv_edge; /* edge: of the window as last told */
	uint32_t tries;
	hf_ns moved_at;         /* something was sent first, or acknowledged */
	uint8_t *rx;            /* [RX_MAX], when something has come */
	uint32_t rx_at, rx_end; /* what the client has not read yet */
	uint32_t tx_len;        /* from snd_una on */
	uint8_t tx[TX_MAX];
};

/* Numbers of connections, each in it once. */
struct fifo {
	uint32_t *v, first, cnt;
};

struct port {
	struct bench_wire base;
	struct bench_port_cfg cfg;
	struct hf_net_host host;
	struct hf_net_addr addr;
	struct hf_net_gateway *server; /* of host: its Ethernet address */
	struct bench_port_stats stats;
	hf_ns now, tick_at;
	uint32_t next_port;
	struct hf_frame frame[BURST]; /* [0, out_cnt) are to be sent, up to spare_cnt empty */
	uint32_t out_cnt, spare_cnt;
	struct fifo ready, owing;
	struct conn *conn;
	uint32_t at_port[65536]; /* connection of a local port */
};

static struct port *port_of(struct bench_wire *w)
{
	return HF_CONTAINER_OF(w, struct port, base);
}

static void fifo_push(const struct port *p, struct fifo *f, uint32_t conn, bool *listed)
{
	if (*listed)
		return;
	*listed = true;
	f->v[(f->first + f->cnt++) % p->cfg.conn_cnt] = conn;
}

static uint32_t fifo_pop(const struct port *p, struct fifo *f)
{
	uint32_t conn = f->v[f->first];
	f->first = (f->first + 1) % p->cfg.conn_cnt;
	f->cnt--;
	return conn;
}

/* ---- frames out ---- */

static void flush(struct port *p)
{
	struct hf_port *out = p->cfg.port;
	if (p->out_cnt)
		out->cls->tx(out, 0, p->frame, p->out_cnt);
	p->stats.frames_out += p->out_cnt;
	p->spare_cnt -= p->out_cnt;
	memmove(p->frame, p->frame + p->out_cnt, p->spare_cnt * sizeof(p->frame[0]));
	p->out_cnt = 0;
}

/* An empty frame, which leaves with the others if it gets a length; NULL: there is none. */
static struct hf_frame *frame_next(struct port *p)
{
	struct hf_port *out = p->cfg.port;
	if (p->out_cnt == p->spare_cnt) {
		flush(p);
		p->spare_cnt = out->cls->tx_alloc(out, 0, p->frame, BURST);
	}
	if (p->spare_cnt)
		return &p->frame[p->out_cnt];
	p->stats.no_frame++;
	return NULL;
}

struct segment {
	uint16_t port;
	uint8_t flags;
	uint32_t seq, ack, window;
	const uint8_t *data;
	uint32_t len;
};

/* RFC 9293 3.1; of a SYN also its options, 3.7.1 and RFC 7323 2. */
static void emit(struct port *p, const struct segment *s)
{
	static const uint8_t options[] = {
		HF_TCPOPT_MSS, 4, 0, 0, HF_TCPOPT_NOP, HF_TCPOPT_WSCALE, 3, SCALE};
	struct hf_wire_link link = {p->server->mac, p->host.mac, 0};
	struct hf_wire_ip ip = {&p->cfg.from, &p->cfg.to, HF_IP_TCP, HF_HOPS_FAR};
	uint32_t options_len = s->flags & HF_TCP_SYN ? sizeof(options) : 0, sum;
	size_t len = HF_TCP_HDR_LEN + options_len + s->len, at;
	struct hf_frame *f = frame_next(p);
	struct hf_writer w;
	if (!f)
		return;
	w = hf_writer(f->data, f->cap);
	hf_wire_eth_ip(&w, &link, &ip, len);
	at = w.len;
	hf_writer_u16(&w, s->port);
	hf_writer_u16(&w, p->cfg.to_port);
	hf_writer_u32(&w, s->seq);
	hf_writer_u32(&w, s->ack);
	hf_writer_u8(&w, (unsigned)(HF_TCP_HDR_LEN + options_len) / 4 << 4);
	hf_writer_u8(&w, s->flags);
	hf_writer_u16(&w, s->window);
	hf_writer_u32(&w, 0); /* checksum, urgent pointer */
	if (options_len) {
		hf_writer_bytes(&w, options, 2);
		hf_writer_u16(&w, p->host.mtu - HF_TCP_HDR_LEN - hf_wire_ip_len(&p->cfg.to));
		hf_writer_bytes(&w, options + 4, sizeof(options) - 4);
	}
	HF_ASSERT(!w.overflow && w.cap - w.len >= s->len);
	sum = hf_csum_pseudo(&p->cfg.from, &p->cfg.to, HF_IP_TCP, len) +
	      hf_csum(w.p + at, w.len - at);
	if (s->len)
		sum += hf_csum_copy(w.p + w.len, s->data, s->len);
	w.p[at + 16] = (uint8_t)(hf_csum_finish(sum) >> 8);
	w.p[at + 17] = (uint8_t)hf_csum_finish(sum);
	f->len = (uint32_t)w.len + s->len;
	p->out_cnt++;
}

static void say(struct port *p, struct conn *c, uint8_t flags, uint32_t seq, const uint8_t *data,
	uint32_t len)
{
	uint32_t room = RX_MAX - (c->rx_end - c->rx_at);
	bool syn = flags & HF_TCP_SYN;
	emit(p, &(struct segment){c->port, flags, seq, c->rcv_nxt,
			syn ? HF_MIN(room, UINT16_MAX) : room >> SCALE, data, len});
	c->rcv_edge = c->rcv_nxt + room;
	c->owes_ack = false;
}

/* What the peer's window lets out: data, then FIN. */
static void push(struct port *p, struct conn *c)
{
	uint32_t sent = c->snd_nxt - c->snd_una - c->fin_sent;
	if (c->snd_una == c->snd_nxt)
		c->moved_at = p->now;
	while (sent < c->tx_len && sent < c->snd_wnd) {
		uint32_t n = HF_MIN(HF_MIN(c->tx_len, c->snd_wnd) - sent, (uint32_t)c->mss);
		say(p, c, HF_TCP_ACK | HF_TCP_PSH, c->snd_nxt, c->tx + sent, n);
		c->snd_nxt += n;
		sent += n;
	}
	if (sent == c->tx_len && c->fin_wanted && !c->fin_sent) {
		say(p, c, HF_TCP_ACK | HF_TCP_FIN, c->snd_nxt++, NULL, 0);
		c->fin_sent = true;
	}
}

/* ---- segments in ---- */

static void news(struct port *p, struct conn *c)
{
	c->news = true;
	fifo_push(p, &p->ready, (uint32_t)(c - p->conn), &c->listed);
}

static void owe_ack(struct port *p, struct conn *c)
{
	c->owes_ack = true;
	fifo_push(p, &p->owing, (uint32_t)(c - p->conn), &c->owe_listed);
}

static void broken(struct port *p, struct conn *c, int err)
{
	c->state = BROKEN;
	c->err = err;
	news(p, c);
}

static void on_syn_ack(struct port *p, struct conn *c, const struct hf_packet *pkt)
{
	struct hf_tcpopt o;
	if ((pkt->tcp_flags & (HF_TCP_SYN | HF_TCP_ACK)) != (HF_TCP_SYN | HF_TCP_ACK))
		return;
	hf_tcpopt_parse(pkt->options, &o);
	c->state = OPEN;
	c->snd_una = pkt->ack;
	c->rcv_nxt = pkt->seq + 1;
	c->scale = o.has_wscale ? (uint8_t)HF_MIN(o.wscale, 14u) : 0;
	c->mss = HF_MAX((uint16_t)64,
		HF_MIN(o.mss ? o.mss : (uint16_t)536,
			(uint16_t)(p->host.mtu - HF_TCP_HDR_LEN - hf_wire_ip_len(&p->cfg.to))));
	c->snd_wnd = pkt->window;
	c->tries = 0;
	say(p, c, HF_TCP_ACK, c->snd_nxt, NULL, 0);
	news(p, c);
}

static void on_ack(struct port *p, struct conn *c, const struct hf_packet *pkt)
{
	uint32_t acked = pkt->ack - c->snd_una, n;
	if (acked > c->snd_nxt - c->snd_una) /* old, or of what was never said */
		return;
	c->snd_wnd = (uint32_t)pkt->window << c->scale;
	if (acked) {
		n = HF_MIN(acked, c->tx_len);
		memmove(c->tx, c->tx + n, c->tx_len - n);
		c->tx_len -= n;
		c->snd_una = pkt->ack;
		c->moved_at = p->now;
		c->tries = 0;
	}
	if (c->tx_len)
		push(p, c);
}

/* The bytes that are new go into the buffer; false: they do not come next, or there is no room. */
static bool take_data(struct port *p, struct conn *c, const struct hf_packet *pkt)
{
	uint32_t old = c->rcv_nxt - pkt->seq, len = (uint32_t)pkt->payload.len;
	if (old > len) { /* beyond what comes next */
		p->stats.gaps++;
		return false;
	}
	len -= old;
	if (!c->rx)
		c->rx = malloc(RX_MAX);
	HF_ASSERT(c->rx);
	if (c->rx_end + len > RX_MAX) {
		memmove(c->rx, c->rx + c->rx_at, c->rx_end - c->rx_at);
		c->rx_end -= c->rx_at;
		c->rx_at = 0;
	}
	if (c->rx_end + len > RX_MAX)
		return false;
	memcpy(c->rx + c->rx_end, pkt->payload.p + old, len);
	c->rx_end += len;
	c->rcv_nxt += len;
	return true;
}

/* RFC 9293 3.10.7.1, .3 */
static void reset_stranger(struct port *p, const struct hf_packet *pkt)
{
	bool ack = pkt->tcp_flags & HF_TCP_ACK;
	if (!(pkt->tcp_flags & HF_TCP_RST))
		emit(p, &(struct segment){pkt->dport, ack ? HF_TCP_RST : HF_TCP_RST | HF_TCP_ACK,
				ack ? pkt->ack : 0,
				pkt->seq + (uint32_t)pkt->payload.len +
					!!(pkt->tcp_flags & HF_TCP_SYN),
				0, NULL, 0});
}

static void say_again(struct port *p, struct conn *c)
{
	p->stats.resent++;
	c->tries++;
	c->moved_at = p->now;
	if (c->state == SYN_SENT) {
		say(p, c, HF_TCP_SYN, c->snd_una, NULL, 0);
		return;
	}
	c->snd_nxt = c->snd_una;
	c->fin_sent = false;
	push(p, c);
}

/* Our SYN met what the server still has of an earlier connection from this port, whose end it has not heard: it
 * answers with what it last said to that one (RFC 5961 4.2). The reset ends it, and the SYN is said again. */
static void met_old(struct port *p, struct conn *c, const struct hf_packet *pkt)
{
	reset_stranger(p, pkt);
	if (!(pkt->tcp_flags & HF_TCP_RST))
		say_again(p, c);
}

static void segment(struct port *p, struct conn *c, const struct hf_packet *pkt)
{
	bool fin = pkt->tcp_flags & HF_TCP_FIN;
	if (c->state == BROKEN)
		return;
	if (pkt->tcp_flags & HF_TCP_ACK && c->state == SYN_SENT && pkt->ack != c->snd_nxt) {
		met_old(p, c, pkt);
		return;
	}
	if (pkt->tcp_flags & HF_TCP_RST) {
		if (c->state == SYN_SENT || pkt->seq == c->rcv_nxt)
			broken(p, c, c->state == SYN_SENT ? ECONNREFUSED : ECONNRESET);
		return;
	}
	if (c->state == SYN_SENT) {
		on_syn_ack(p, c, pkt);
		return;
	}
	if (pkt->tcp_flags & HF_TCP_SYN) { /* again: our third ACK was lost */
		owe_ack(p, c);
		return;
	}
	on_ack(p, c, pkt);
	if (!pkt->payload.len && !fin)
		return;
	owe_ack(p, c);
	if (c->fin_seen || !take_data(p, c, pkt))
		return;
	c->fin_seen = fin;
	c->rcv_nxt += fin;
	news(p, c);
}

static void input(struct port *p, const struct hf_frame *f)
{
	struct hf_packet pkt;
	struct hf_frame *out;
	uint32_t conn;
	if (hf_net_parse(f, true, &pkt) != HF_NET_OK || hf_net_accept(&p->host, &pkt) != HF_NET_OK)
		return;
	if (pkt.kind == HF_PACKET_TCP) {
		if (!hf_addr_eq(&pkt.src, &p->cfg.to) || pkt.sport != p->cfg.to_port)
			return;
		conn = p->at_port[pkt.dport];
		if (conn == NONE)
			reset_stranger(p, &pkt);
		else
			segment(p, &p->conn[conn], &pkt);
	} else if (pkt.kind == HF_PACKET_ARP || pkt.kind == HF_PACKET_ND ||
		   pkt.kind == HF_PACKET_ECHO) {
		out = frame_next(p);
		if (out)
			out->len = 0;
		(void)!hf_net_reply(&p->host, &pkt, out);
		p->out_cnt += out && out->len;
	}
}

static uint32_t receive(struct port *p)
{
	struct hf_port *in = p->cfg.port;
	struct hf_frame v[BURST];
	uint32_t cnt = in->cls->rx(in, 0, v, BURST);
	for (uint32_t i = 0; i < cnt; i++)
		input(p, &v[i]);
	if (cnt)
		in->cls->rx_give(in, 0, v, cnt);
	p->stats.frames_in += cnt;
	p->stats.lost = in->stats[0].rx_missed + in->stats[0].tx_dropped;
	return cnt;
}

/* ---- time ---- */

static void tick(struct port *p)
{
	if (p->now < p->tick_at)
		return;
	p->tick_at = p->now + TICK_NS;
	for (uint32_t i = 0; i < p->cfg.conn_cnt; i++) {
		struct conn *c = &p->conn[i];
		if ((c->state == SYN_SENT || c->state == OPEN) && c->snd_una != c->snd_nxt &&
			p->now - c->moved_at > RTO_NS << HF_MIN(c->tries, 6u))
			say_again(p, c);
	}
}

/* ---- as a wire ---- */

static int port_open(struct bench_wire *w, uint32_t conn)
{
	struct port *p = port_of(w);
	struct conn *c = &p->conn[conn];
	uint32_t tries = 0;
	bool listed = c->listed, owe_listed = c->owe_listed;
	uint8_t *rx = c->rx;
	while (p->at_port[PORT_FIRST + p->next_port] != NONE && ++tries < PORT_CNT)
		p->next_port = (p->next_port + 1) % PORT_CNT;
	if (tries == PORT_CNT) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	memset(c, 0, offsetof(struct conn, tx));
	c->listed = listed;
	c->owe_listed = owe_listed;
	c->rx = rx;
	c->port = (uint16_t)(PORT_FIRST + p->next_port);
	p->next_port = (p->next_port + 1) % PORT_CNT;
	p->at_port[c->port] = conn;
	c->state = SYN_SENT;
	c->moved_at = p->now = bench_now_ns();
	c->snd_una = (uint32_t)(p->now / SEQ_EVERY_NS);
	c->snd_nxt = c->snd_una + 1;
	say(p, c, HF_TCP_SYN, c->snd_una, NULL, 0);
	return 0;
}

static ssize_t port_read(struct bench_wire *w, uint32_t conn, void *out, size_t len)
{
	struct port *p = port_of(w);
	struct conn *c = &p->conn[conn];
	uint32_t n = (uint32_t)HF_MIN(len, (size_t)(c->rx_end - c->rx_at));
	if (!n && c->state == OPEN && c->fin_seen)
		return 0;
	if (!n) {
		errno = c->state == BROKEN ? c->err : EAGAIN;
		return -1;
	}
	memcpy(out, c->rx + c->rx_at, n);
	c->rx_at += n;
	if (c->rx_at == c->rx_end)
		c->rx_at = c->rx_end = 0;
	if (c->rcv_nxt + RX_MAX - (c->rx_end - c->rx_at) - c->rcv_edge >= RX_MAX / 2)
		owe_ack(p, c); /* the window has opened by that much since it was told */
	return n;
}

static ssize_t port_write(struct bench_wire *w, uint32_t conn, const void *data, size_t len)
{
	struct port *p = port_of(w);
	struct conn *c = &p->conn[conn];
	uint32_t n = (uint32_t)HF_MIN(len, (size_t)(TX_MAX - c->tx_len));
	if (c->state == BROKEN || c->fin_wanted || !n || c->state != OPEN) {
		errno = c->state == BROKEN ? c->err : c->fin_wanted ? EPIPE : EAGAIN;
		return -1;
	}
	memcpy(c->tx + c->tx_len, data, n);
	c->tx_len += n;
	push(p, c);
	return n;
}

static void port_end(struct bench_wire *w, uint32_t conn)
{
	struct conn *c = &port_of(w)->conn[conn];
	c->fin_wanted = true;
	if (c->state == OPEN)
		push(port_of(w), c);
}

static void port_close(struct bench_wire *w, uint32_t conn, bool reset)
{
	struct port *p = port_of(w);
	struct conn *c = &p->conn[conn];
	if (c->state == CLOSED)
		return;
	if (c->state == OPEN && reset)
		say(p, c, HF_TCP_RST | HF_TCP_ACK, c->snd_nxt, NULL, 0);
	else if (c->state == OPEN && c->owes_ack)
		say(p, c, HF_TCP_ACK, c->snd_nxt, NULL, 0);
	p->at_port[c->port] = NONE;
	c->state = CLOSED;
}

static void acks(struct port *p)
{
	while (p->owing.cnt) {
		struct conn *c = &p->conn[fifo_pop(p, &p->owing)];
		c->owe_listed = false;
		if (c->state == OPEN && c->owes_ack)
			say(p, c, HF_TCP_ACK, c->snd_nxt, NULL, 0);
	}
}

static uint32_t events(struct port *p, struct bench_event *v, uint32_t max)
{
	uint32_t cnt = 0;
	while (cnt < max && p->ready.cnt) {
		uint32_t conn = fifo_pop(p, &p->ready);
		struct conn *c = &p->conn[conn];
		bool ends = c->state == BROKEN || c->fin_seen;
		c->listed = false;
		if (c->news && c->state != CLOSED)
			v[cnt++] = (struct bench_event){conn, ends || c->rx_at < c->rx_end, ends};
		c->news = false;
	}
	return cnt;
}

/* One look around: what is owed leaves, the server has its turn, what has come is taken. */
static uint32_t look(struct port *p)
{
	p->now = bench_now_ns();
	acks(p);
	tick(p);
	flush(p);
	if (p->cfg.turn)
		p->cfg.turn(p->cfg.ctx);
	return receive(p);
}

static void nap(void)
{
	struct timespec t = {.tv_nsec = NAP_NS};
	(void)nanosleep(&t, NULL);
}

static uint32_t port_wait(struct bench_wire *w, struct bench_event *v, uint32_t max, hf_ns at_most)
{
	struct port *p = port_of(w);
	hf_ns until = bench_now_ns() + at_most;
	uint32_t idle = 0;
	do {
		idle = look(p) ? 0 : idle + 1;
		if (p->ready.cnt)
			return events(p, v, max);
		if (idle > EMPTY_LOOKS && !p->cfg.turn)
			nap();
	} while (p->now < until);
	return 0;
}

static void port_fini(struct bench_wire *w)
{
	struct port *p = port_of(w);
	flush(p);
	if (p->spare_cnt)
		p->cfg.port->cls->rx_give(p->cfg.port, 0, p->frame, p->spare_cnt);
	for (uint32_t i = 0; i < p->cfg.conn_cnt; i++)
		free(p->conn[i].rx);
	free(p->conn);
	free(p->ready.v);
	free(p->owing.v);
	free(p);
}

static const struct bench_wire_class port_class = {
	port_open, port_read, port_write, port_end, port_close, port_wait, port_fini};

struct bench_wire *bench_wire_port(const struct bench_port_cfg *cfg)
{
	struct port *p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->base.cls = &port_class;
	p->cfg = *cfg;
	p->conn = calloc(cfg->conn_cnt, sizeof(*p->conn));
	p->ready.v = calloc(cfg->conn_cnt, sizeof(uint32_t));
	p->owing.v = calloc(cfg->conn_cnt, sizeof(uint32_t));
	p->addr.ip = cfg->from;
	p->host = (struct hf_net_host){.mtu = cfg->port->info.mtu, .addr = &p->addr, .addr_cnt = 1};
	memcpy(p->host.mac, cfg->port->info.mac, sizeof(p->host.mac));
	p->server = &p->host.gateway[hf_net_family(&cfg->to)];
	p->server->ip = cfg->to;
	memset(p->at_port, 0xff, sizeof(p->at_port));
	if (p->conn && p->ready.v && p->owing.v)
		return &p->base;
	port_fini(&p->base);
	return NULL;
}

bool bench_wire_port_up(struct bench_wire *w, hf_ns within)
{
	struct port *p = port_of(w);
	hf_ns until = bench_now_ns() + within, ask_at = 0;
	while (!p->server->known && (p->now < until)) {
		struct hf_frame *f;
		if (p->now >= ask_at && (f = frame_next(p))) {
			hf_net_ask(&p->host, p->server, f);
			p->out_cnt++;
			ask_at = p->now + ASK_EVERY_NS;
		}
		if (!look(p) && !p->cfg.turn)
			nap();
	}
	return p->server->known;
}

const struct bench_port_stats *bench_wire_port_stats(const struct bench_wire *w)
{
	const struct port *p = (const struct port *)(const void *)((const uint8_t *)w -
								   offsetof(struct port, base));
	return &p->stats;
}
