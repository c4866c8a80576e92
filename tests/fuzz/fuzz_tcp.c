/* fuzz_tcp -- a script of segments, time, emission and user's doings against one hf_tcp. Segments
 * come as raw frames, or built around what a connection expects, so that the search reaches deep
 * states; the user writes a known pattern and checks it in whatever is sent. The invariants hold
 * after every step, and at the end everything is given back.
 * max_len: 2000 */
#include <stdlib.h>
#include "lib/net/checksum.h"
#include "tests/support/packet.h"
#include "tests/unit/tcp/check.h"

#define CONN_CNT 4u
#define CHUNK_CNT 24u
#define FLOWS 8u /* source ports */

struct script {
	const uint8_t *p, *end;
};

struct user {
	uint64_t written, uncredited;
	uint32_t first_seq;
	bool closed;
};

struct world {
	struct hf_tcp *t;
	struct hf_bufs bufs;
	struct hf_rand rand;
	struct hf_trace trace;
	struct hf_trace_ev ev[16];
	hf_ns now;
	struct user user[CONN_CNT];
	struct {
		uint32_t seq, ack;
	} syn_ack[FLOWS + 1]; /* the last one to each source port: an entry's, or a cookie */
	struct hf_chain hog;  /* takes chunks away */
	uint32_t hog_chunks;
	uint8_t *mem, *buf_mem;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint32_t next(struct script *s, unsigned bytes)
{
	uint32_t v = 0;
	for (; bytes > 0; bytes--)
		v = v << 8 | (s->p < s->end ? *s->p++ : 0);
	return v;
}

/* -32768 .. 32767, modulo 2^32 */
static uint32_t next_offset(struct script *s)
{
	return next(s, 2) - 32768;
}

static uint8_t pattern(uint64_t off)
{
	return (uint8_t)(off * 37 + (off >> 8));
}

static void check(const struct world *w)
{
	tcp_check(w->t, &w->bufs, w->hog_chunks);
}

/* ---- segments in ------------------------------------------------------------------------------- */
static void input(struct world *w, const struct hf_frame *f)
{
	struct hf_addr us = hf_addr_v4(PACKET_OUR_IP), us6;
	struct hf_packet p;
	memcpy(us6.b, packet_our_ip6, sizeof(us6.b));
	if (hf_net_parse(f, true, &p) == HF_NET_OK && p.kind == HF_PACKET_TCP &&
		(hf_addr_eq(&p.dst, &us) || hf_addr_eq(&p.dst, &us6)))
		hf_tcp_input(w->t, 0, &p, w->now);
}

/* A flow's family. */
static bool over_ipv6(uint16_t sport)
{
	return sport % 3 == 0;
}

static void raw_frame(struct world *w, struct script *s)
{
	size_t said = next(s, 1), len = HF_MIN(said, (size_t)(s->end - s->p));
	uint8_t *copy = malloc(len ? len : 1); /* so that a sanitizer sees a read beyond it */
	struct hf_frame f = {.data = copy, .len = (uint32_t)len, .cap = (uint32_t)len};
	memcpy(copy, s->p, len);
	s->p += len;
	input(w, &f);
	free(copy);
}

/* What flow `sport` expects next: numbers around which a segment is built. */
static void expected(const struct world *w, uint16_t sport, uint32_t *seq, uint32_t *ack)
{
	*seq = w->syn_ack[sport].ack;
	*ack = w->syn_ack[sport].seq + 1;
	for (uint32_t i = 0; i < w->t->conns.cnt; i++) {
		const struct hf_tcp_conn *c = hf_pool_at(&w->t->conns, i);
		if (hf_tcp_alive(w->t, i) && c->info.peer_port == sport) {
			*seq = c->rcv_nxt;
			*ack = c->snd_max;
		}
	}
	for (uint32_t i = 0; i < w->t->halves.cnt; i++) {
		const struct hf_tcp_half *h = hf_pool_at(&w->t->halves, i);
		if (w->t->halves.next[i] == HF_POOL_TAKEN && h->flow.sport == sport) {
			*seq = h->irs + 1;
			*ack = h->iss + 1;
		}
	}
	for (uint32_t i = 0; i < w->t->waits.cnt; i++) {
		const struct hf_tcp_wait *v =
			&w->t->waits.ring[(w->t->waits.head + i) % w->t->waits.cap];
		if (v->flow.sport == sport) {
			*seq = v->rcv_nxt;
			*ack = v->snd_nxt;
		}
	}
}

enum { SEQ_OFF = 1, ACK_OFF = 2, OPTIONS = 4, LONG = 8, WINDOW = 16, SACKS = 32 };

/* Blocks around what is in flight below `ack`, so that they are often possible. */
static size_t sack_option(struct script *s, uint32_t ack, uint8_t *opt)
{
	uint32_t cnt = 1 + next(s, 1) % 4;
	struct hf_writer w = hf_writer(opt, 40);
	hf_writer_u16(&w, HF_TCPOPT_NOP << 8 | HF_TCPOPT_NOP);
	hf_writer_u16(&w, HF_TCPOPT_SACK << 8 | (2 + 8 * cnt));
	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t left = ack - next(s, 2) % 20000;
		hf_writer_u32(&w, left);
		hf_writer_u32(&w, left + next(s, 2) % 6000);
	}
	return w.len;
}

static void built_segment(struct world *w, struct script *s)
{
	static struct packet p;
	uint8_t payload[1460], sack[40];
	uint32_t how = next(s, 1), options_len;
	struct packet_spec spec = {.window = 8192, .payload = payload};
	spec.sport = (uint16_t)(1 + next(s, 1) % FLOWS);
	spec.tcp_flags = (uint8_t)next(s, 1);
	spec.v6 = over_ipv6(spec.sport);
	expected(w, spec.sport, &spec.seq, &spec.ack);
	if (how & SEQ_OFF)
		spec.seq += next_offset(s);
	if (how & ACK_OFF)
		spec.ack += next_offset(s);
	if (how & WINDOW)
		spec.window = (uint16_t)next(s, 2);
	if (how & LONG)
		spec.payload_len = next(s, 2) % (sizeof(payload) + 1);
	else
		spec.payload_len = next(s, 1) % 16;
	if (how & SACKS) {
		spec.tcp_options_len = sack_option(s, spec.ack, sack);
		spec.tcp_options = sack;
		if (how & ACK_OFF) /* of some of it */
			spec.ack -= next(s, 2) % 20000;
	} else if (how & OPTIONS) {
		options_len = next(s, 1) % 11 * 4;
		if ((size_t)(s->end - s->p) < options_len)
			return;
		spec.tcp_options = s->p;
		spec.tcp_options_len = options_len;
		s->p += options_len;
	}
	for (size_t i = 0; i < spec.payload_len; i++)
		payload[i] = (uint8_t)(spec.seq + i);
	packet_tcp(&p, &spec);
	input(w, &p.frame);
}

/* A router's word about what is in flight, or about anything. */
static void too_big(struct world *w, struct script *s)
{
	struct hf_packet p = {.kind = HF_PACKET_TOO_BIG,
		.src = hf_addr_v4(PACKET_PEER_IP),
		.dst = hf_addr_v4(PACKET_OUR_IP),
		.sport = (uint16_t)(1 + next(s, 1) % FLOWS),
		.dport = 443};
	uint32_t seq;
	if (over_ipv6(p.sport)) {
		memcpy(p.src.b, packet_peer_ip6, sizeof(p.src.b));
		memcpy(p.dst.b, packet_our_ip6, sizeof(p.dst.b));
	}
	expected(w, p.sport, &seq, &p.seq);
	p.seq -= next(s, 2) % 16384;
	p.mtu = (uint16_t)next(s, 2);
	hf_tcp_icmp_error(w->t, &p);
	hf_tcp_too_big(w->t, &p, w->now);
}

/* ---- segments out ------------------------------------------------------------------------------ */
static void check_segment(struct world *w, const struct hf_frame *f)
{
	struct hf_packet p;
	enum hf_net_verdict v = hf_net_parse(f, false, &p);
	HF_ASSERT(v == HF_NET_OK && p.kind == HF_PACKET_TCP && f->len <= 1514);
	if (p.tcp_flags & HF_TCP_SYN && p.dport <= FLOWS) {
		w->syn_ack[p.dport].seq = p.seq;
		w->syn_ack[p.dport].ack = p.ack;
	}
	if (p.payload.len == 0)
		return;
	for (uint32_t i = 0; i < w->t->conns.cnt; i++) {
		const struct hf_tcp_conn *c = hf_pool_at(&w->t->conns, i);
		if (!hf_tcp_alive(w->t, i) || c->info.peer_port != p.dport ||
			c->state == HF_TCP_S_CLOSED)
			continue;
		HF_ASSERT(p.payload.len <= c->info.mss);
		for (size_t k = 0; k < p.payload.len; k++)
			HF_ASSERT(p.payload.p[k] == pattern(p.seq - w->user[i].first_seq + k));
		return;
	}
	HF_ASSERT(false); /* data of nobody */
}

static void emit(struct world *w, uint32_t cnt)
{
	static uint8_t bytes[PACKET_CAP];
	struct hf_frame f = {.data = bytes, .cap = sizeof(bytes)};
	while (cnt-- > 0 && hf_tcp_emit(w->t, 0, &f, w->now)) {
		check_segment(w, &f);
		check(w);
	}
}

/* ---- the user ---------------------------------------------------------------------------------- */
static void news(struct world *w)
{
	uint32_t conn, events;
	while (hf_tcp_ready_pop(w->t, &conn, &events)) {
		const struct hf_tcp_conn *c = hf_pool_at(&w->t->conns, conn);
		HF_ASSERT(hf_tcp_alive(w->t, conn) && events != 0);
		if (events & HF_TCP_EV_OPENED)
			w->user[conn] = (struct user){.first_seq = c->snd_una};
		w->user[conn].closed |= !!(events & HF_TCP_EV_CLOSED);
	}
}

static void user_reads(struct world *w, uint32_t conn, uint32_t len, bool credit)
{
	struct hf_chain *c = hf_tcp_rcv(w->t, conn);
	struct user *u = &w->user[conn];
	len = (uint32_t)HF_MIN((size_t)len, c->len);
	hf_chain_consume(&w->bufs, c, len);
	u->uncredited += len;
	if (!credit)
		return;
	hf_tcp_rcv_credit(w->t, conn, (size_t)u->uncredited, w->now);
	u->uncredited = 0;
}

static void user_writes(struct world *w, uint32_t conn, uint32_t len)
{
	struct hf_chain *c = hf_tcp_snd(w->t, conn);
	len = (uint32_t)HF_MIN((size_t)len, hf_tcp_snd_room(w->t, conn));
	while (len-- > 0) {
		uint8_t b = pattern(w->user[conn].written);
		if (hf_chain_append(&w->bufs, c, &b, 1) == 0)
			break;
		w->user[conn].written++;
	}
	hf_tcp_push(w->t, conn, w->now);
}

static void user_acts(struct world *w, struct script *s)
{
	uint32_t what = next(s, 1), conn = what % CONN_CNT;
	if (!hf_tcp_alive(w->t, conn))
		return;
	switch (what / CONN_CNT % 8) {
	case 0:
	case 1:
		user_reads(w, conn, next(s, 2), what & 128);
		break;
	case 2:
	case 3:
		user_writes(w, conn, next(s, 2) % 20000);
		break;
	case 4:
		hf_tcp_shutdown(w->t, conn, w->now);
		break;
	case 5:
		hf_tcp_abort(w->t, conn, w->now);
		hf_tcp_free(w->t, conn);
		break;
	default:
		if (w->user[conn].closed)
			hf_tcp_free(w->t, conn);
		break;
	}
}

/* ---- around ------------------------------------------------------------------------------------ */
static void listen_to(struct world *w, bool on)
{
	static const struct hf_tcp_listener listener = {.port = 443};
	hf_tcp_listen(w->t, &listener, on);
}

static void surroundings(struct world *w, struct script *s)
{
	static const uint8_t bytes[HF_CHUNK_DATA];
	uint32_t what = next(s, 1);
	switch (what % 4) {
	case 0:
		hf_tcp_drain(w->t, what & 4);
		break;
	case 1:
		listen_to(w, what & 4);
		break;
	case 2:
		for (uint32_t i = 0; i < what / 4 % CHUNK_CNT; i++)
			if (hf_chain_append(&w->bufs, &w->hog, bytes, sizeof(bytes)))
				w->hog_chunks++;
		break;
	default:
		hf_chain_clear(&w->bufs, &w->hog);
		w->hog_chunks = 0;
		break;
	}
}

static void wait(struct world *w, struct script *s)
{
	uint32_t v = next(s, 1);
	w->now += (v & 127) * (v & 128 ? HF_NS_S : 10 * HF_NS_MS);
	hf_tcp_timers(w->t, w->now, 1 + v % 64);
}

static void init(struct world *w, uint32_t how)
{
	static const uint32_t window[] = {2000, 65535, 300000, 16384};
	const uint8_t seed[HF_RAND_SEED_LEN] = {7};
	static const struct hf_net_host host = {.mac = {2, 0, 0, 0, 0, 1}, .mtu = 1500};
	struct hf_tcp_cfg cfg = {
		.conn_cnt = CONN_CNT,
		.half_open_cnt = 3,
		.time_wait_cnt = how & 4 ? 3 : 0,
		.rcv_wnd_max = window[how % 4],
		.snd_queue_max = 40000,
		.syn_life_ns = 10 * HF_NS_S,
		.time_wait_ns = 20 * HF_NS_S,
		.close_ns = 30 * HF_NS_S,
		.keepalive_ns = how & 8 ? 25 * HF_NS_S : 0,
		.reflect = how & 16,
	};
	memset(w, 0, sizeof(*w));
	w->now = how & 32 ? 0 : 12345678 * HF_NS_S;
	hf_rand_seed(&w->rand, seed);
	hf_trace_init(&w->trace, w->ev, HF_ARRAY_LEN(w->ev));
	w->buf_mem = aligned_alloc(HF_CACHE_LINE, hf_bufs_footprint(CHUNK_CNT, 0));
	w->mem = aligned_alloc(HF_CACHE_LINE, hf_tcp_footprint(&cfg));
	hf_bufs_init(&w->bufs, w->buf_mem, CHUNK_CNT, 0);
	w->t = hf_tcp_init(w->mem, &cfg, &w->bufs, &w->rand, &w->trace, w->now);
	hf_tcp_port_set(w->t, 0, &host);
	listen_to(w, true);
}

/* Everybody is freed, time passes, nothing is left. */
static void fini(struct world *w)
{
	hf_chain_clear(&w->bufs, &w->hog);
	w->hog_chunks = 0;
	for (uint32_t i = 0; i < CONN_CNT; i++) {
		if (!hf_tcp_alive(w->t, i))
			continue;
		hf_tcp_abort(w->t, i, w->now);
		hf_tcp_free(w->t, i);
	}
	for (uint32_t i = 0; i < HF_TCP_HALF_LEVELS + 2; i++) {
		w->now += 40 * HF_NS_S;
		hf_tcp_timers(w->t, w->now, 100);
		emit(w, 1000);
	}
	check(w);
	HF_ASSERT(w->bufs.chunk.used == 0 && w->t->flows.cnt == 0 && w->t->wheel.armed == 0);
	HF_ASSERT(!hf_tcp_pending(w->t, 0));
	free(w->mem);
	free(w->buf_mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct world world;
	struct script s = {data, data + len};
	init(&world, next(&s, 1));
	while (s.p < s.end) {
		uint32_t op = next(&s, 1);
		switch (op % 16) {
		case 0:
			if (op & 16)
				too_big(&world, &s);
			else
				raw_frame(&world, &s);
			break;
		case 1:
			surroundings(&world, &s);
			break;
		case 2:
		case 3:
			wait(&world, &s);
			break;
		case 4:
		case 5:
		case 6:
			emit(&world, 1 + op / 16);
			break;
		case 7:
		case 8:
		case 9:
			user_acts(&world, &s);
			break;
		default:
			built_segment(&world, &s);
			break;
		}
		check(&world);
		news(&world);
		check(&world);
	}
	fini(&world);
	return 0;
}
