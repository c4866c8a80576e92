/* random.c -- whole conversations over a wire that loses, repeats, delays and reorders, by seed. The
 * other end is a small TCP written here, which shares no code with ours and no ideas either: it
 * keeps one flag per byte received and sends again whatever is due. Both users read and write in
 * fits, close in any order, and the chunk pool is now and then far too small. In the end every byte
 * must have come both ways, and nothing may be left in any pool. */
#include "tests/unit/tcp/rig.h"

#define CLIENTS_MAX 4
#define STREAM_MAX 1500000u
#define WIRE_MAX 4096u
#define TIME_MAX (20000 * SEC) /* of virtual time; a conversation takes a few to a few hundred */

struct flight {
	hf_ns at;
	bool to_us;
	struct packet p;
};

struct client {
	uint16_t port;
	bool scaled, sacks, dsacks, reneges, stamps, established, fin_sent, fin_acked, fin_got,
		closes_first;
	uint8_t scale; /* of our window, as seen by the server; its own is in peer_scale */
	uint8_t peer_scale;
	uint32_t mss, iss, irs;
	uint64_t una, nxt, max, total; /* stream offsets; nxt goes back on a timeout */
	uint32_t peer_wnd, cwnd;
	uint32_t wl_seq, wl_ack;
	uint64_t got, want, fin_off; /* in order so far; all; where the FIN is */
	uint64_t taken;              /* by its user: the rest closes the window */
	uint32_t buf;
	uint64_t edge; /* promised */
	uint64_t high,
		latest;     /* the end of all that came, and where the latest early piece began */
	uint32_t ts_recent; /* what it echoes */
	uint64_t acked;     /* the last it said that it has */
	uint64_t twice[2];  /* bytes that came again, to be told once; empty: none */
	uint32_t dups;
	hf_ns timer, rto, ack_at, user_at;
	uint8_t have[STREAM_MAX];
};

/* What the user on our side knows of a connection. */
struct user {
	struct client *client;
	uint64_t read, credited, written;
	bool eof, shut, closed;
	hf_ns at;
};

struct world {
	struct rig *r;
	uint64_t seed;
	uint32_t lose, repeat, delay_ms; /* per mille, per mille, at most */
	bool outages;
	hf_ns dark_until; /* nothing gets through */
	struct flight wire[WIRE_MAX];
	uint32_t wire_cnt, client_cnt;
	struct client client[CLIENTS_MAX];
	struct user user[16]; /* by slot */
};

static uint32_t below(struct world *w, uint32_t n)
{
	return test_below(&w->seed, n);
}

/* At most max, and at most a random number. (HF_MIN would draw twice.) */
static uint64_t some_of(struct world *w, uint64_t max, uint32_t bound)
{
	uint64_t n = below(w, bound);
	return HF_MIN(n, max);
}

/* ---- the wire ---------------------------------------------------------------------------------- */
static void put_on_wire(struct world *w, bool to_us, const struct packet *p)
{
	uint32_t copies = 1 + (below(w, 1000) < w->repeat);
	if (w->outages && below(w, 2000) == 0)
		w->dark_until = w->r->now + below(w, 3000) * MS;
	while (copies-- > 0) {
		struct flight *f;
		if (below(w, 1000) < w->lose || w->r->now < w->dark_until ||
			w->wire_cnt == WIRE_MAX)
			continue;
		f = &w->wire[w->wire_cnt++];
		*f = (struct flight){
			w->r->now + MS + below(w, w->delay_ms * 1000) * 1000ull, to_us, *p};
		f->p.frame.data = f->p.bytes;
	}
}

/* ---- what the client has beyond a gap (RFC 2018, 2883) ------------------------------------------ */
static void put_block(struct hf_writer *o, const struct client *c, uint64_t left, uint64_t right)
{
	hf_writer_u32(o, c->irs + 1 + (uint32_t)left);
	hf_writer_u32(o, c->irs + 1 + (uint32_t)right);
}

/* The run of bytes around off. */
static void run_around(const struct client *c, uint64_t off, uint64_t *left, uint64_t *right)
{
	*left = *right = off;
	while (*left > c->got && c->have[*left - 1])
		--*left;
	while (*right < c->high && c->have[*right])
		++*right;
}

static void put_stamps(struct hf_writer *o, const struct client *c, hf_ns now)
{
	hf_writer_u16(o, 1 << 8 | 1);
	hf_writer_u16(o, 8 << 8 | 10);
	hf_writer_u32(o, c->iss + (uint32_t)(now / MS)); /* any clock will do */
	hf_writer_u32(o, c->ts_recent);
}

static void put_sacks(struct hf_writer *o, struct client *c)
{
	uint64_t left, right, first = UINT64_MAX, off = c->got;
	size_t cnt_at = o->len + 3;
	uint32_t cnt = 0;
	hf_writer_u16(o, 1 << 8 | 1);
	hf_writer_u16(o, 5 << 8);
	if (c->twice[0] < c->twice[1]) {
		put_block(o, c, c->twice[0], c->twice[1]);
		c->twice[0] = c->twice[1];
		cnt++;
	}
	if (c->latest > c->got && c->latest < c->high && c->have[c->latest]) {
		run_around(c, c->latest, &left, &right);
		put_block(o, c, left, right);
		first = left;
		cnt++;
	}
	while (cnt < (c->stamps ? 3u : 4u) && off < c->high) {
		if (!c->have[off]) {
			off++;
			continue;
		}
		run_around(c, off, &left, &right);
		off = right;
		if (left == first)
			continue;
		put_block(o, c, left, right);
		cnt++;
	}
	o->p[cnt_at] = (uint8_t)(2 + 8 * cnt);
	if (cnt == 0)
		o->len = cnt_at - 3;
}

/* RFC 2018 8: it may throw away what it only SACKed. */
static void renege(struct client *c)
{
	memset(c->have + c->got, 0, c->high - c->got);
	c->high = c->got;
}

/* ---- the client -------------------------------------------------------------------------------- */
static void client_send(
	struct world *w, struct client *c, const char *flags, uint64_t off, uint32_t len)
{
	struct packet p;
	uint8_t payload[1500], opt[40];
	struct hf_writer o = hf_writer(opt, sizeof(opt));
	uint64_t room = c->taken + c->buf - c->got;
	struct packet_spec s = {.sport = c->port, .tcp_flags = rig_flags(flags)};
	bool syn = s.tcp_flags & HF_TCP_SYN;
	if (c->got + (room >> c->scale << c->scale) > c->edge)
		c->edge = c->got + (room >> c->scale << c->scale);
	s.seq = syn ? c->iss : c->iss + 1 + (uint32_t)off;
	s.ack = syn ? 0 : c->irs + 1 + (uint32_t)c->got + c->fin_got;
	s.window = (uint16_t)HF_MIN(syn ? room : (c->edge - c->got) >> c->scale, 65535u);
	for (uint32_t i = 0; i < len; i++)
		payload[i] = rig_byte(off + i);
	s.payload = payload;
	s.payload_len = len;
	if (syn) {
		const uint8_t mss[4] = {2, 4, (uint8_t)(c->mss >> 8), (uint8_t)c->mss};
		const uint8_t scale[4] = {OPT_WSCALE(c->scale)}, sack[4] = {OPT_SACK};
		if (c->mss != 536)
			hf_writer_bytes(&o, mss, 4);
		if (c->scaled)
			hf_writer_bytes(&o, scale, 4);
		if (c->sacks)
			hf_writer_bytes(&o, sack, 4);
	}
	if (c->stamps)
		put_stamps(&o, c, w->r->now);
	if (!syn && c->sacks && len == 0)
		put_sacks(&o, c);
	s.tcp_options = opt;
	s.tcp_options_len = o.len;
	c->acked = c->got;
	packet_tcp(&p, &s);
	put_on_wire(w, true, &p);
	c->ack_at = HF_NS_NEVER;
}

static uint64_t client_end(const struct client *c)
{
	return c->total + 1; /* its FIN has a number, too */
}

static bool client_may_fin(const struct client *c)
{
	return c->closes_first || (c->fin_got && c->got == c->want);
}

static void client_output(struct world *w, struct client *c)
{
	hf_ns now = w->r->now;
	if (!c->established)
		return;
	while (c->nxt < c->total) {
		uint64_t window = HF_MIN(c->peer_wnd, c->cwnd), used = c->nxt - c->una;
		uint32_t len = (uint32_t)HF_MIN(c->total - c->nxt, (uint64_t)c->mss);
		if (used + len > window) {
			if (used > 0 || window == 0)
				break;
			len = (uint32_t)window;
		}
		if (below(w, 10) == 0)
			len = 1 + below(w, len);
		client_send(w, c, "A", c->nxt, len);
		c->nxt += len;
	}
	if (c->nxt == c->total && client_may_fin(c)) {
		client_send(w, c, "FA", c->nxt, 0);
		c->fin_sent = true;
		c->nxt = client_end(c);
	}
	c->max = HF_MAX(c->max, c->nxt);
	if (c->timer == HF_NS_NEVER && (c->una < c->max || c->una < c->total))
		c->timer = now + c->rto;
}

static void client_timeout(struct world *w, struct client *c)
{
	c->rto = HF_MIN(2 * c->rto, 8 * SEC);
	c->timer = HF_NS_NEVER;
	if (!c->established) {
		client_send(w, c, "S", 0, 0);
		c->timer = w->r->now + c->rto;
		return;
	}
	c->nxt = c->una;
	c->cwnd = c->mss * 2;
	if (c->peer_wnd == 0 && c->una < c->total) { /* probe */
		client_send(w, c, "A", c->una, 1);
		c->max = HF_MAX(c->max, c->una + 1);
		c->timer = w->r->now + c->rto;
	}
	client_output(w, c);
}

static void client_acked(struct world *w, struct client *c, const struct hf_packet *p)
{
	uint64_t ack = c->una + (uint32_t)(p->ack - (c->iss + 1 + (uint32_t)c->una));
	bool newer = c->wl_seq != p->seq ? (int32_t)(p->seq - c->wl_seq) > 0
					 : (int32_t)(p->ack - c->wl_ack) >= 0;
	uint32_t wnd = (uint32_t)p->window << c->peer_scale;
	if ((int32_t)(p->ack - (c->iss + 1 + (uint32_t)c->una)) < 0)
		return;
	assert_true(ack <= c->max); /* nobody acknowledges what was never sent */
	if (ack > c->una) {
		c->una = ack;
		c->nxt = HF_MAX(c->nxt, c->una);
		c->cwnd += c->mss;
		c->rto = 300 * MS;
		c->timer = HF_NS_NEVER;
		c->dups = 0;
		c->fin_acked = c->una == client_end(c);
	} else if (p->payload.len == 0 && wnd == c->peer_wnd && ++c->dups == 3 &&
		   c->una < c->total) {
		client_send(
			w, c, "A", c->una, (uint32_t)HF_MIN(c->total - c->una, (uint64_t)c->mss));
		c->max = HF_MAX(c->max, HF_MIN(c->total, c->una + c->mss));
		c->cwnd = HF_MAX(c->cwnd / 2, 2 * c->mss);
	}
	if (newer) {
		c->peer_wnd = wnd;
		c->wl_seq = p->seq;
		c->wl_ack = p->ack;
	}
}

static void ack_later(struct world *w, struct client *c)
{
	hf_ns at = w->r->now + below(w, 50) * MS;
	c->ack_at = HF_MIN(c->ack_at, at);
}

static void client_text(struct world *w, struct client *c, const struct hf_packet *p)
{
	int32_t rel = (int32_t)(p->seq - (c->irs + 1 + (uint32_t)c->got));
	uint64_t off = c->got + (uint64_t)(int64_t)rel, before = c->got;
	bool must_ack = rel != 0;
	if (c->dsacks && rel < 0 && p->payload.len > 0 && off < c->want) {
		c->twice[0] = off;
		c->twice[1] = off + p->payload.len;
	}
	if (rel > 0 && p->payload.len > 0)
		c->latest = off;
	for (size_t i = 0; i < p->payload.len; i++, off++) {
		if (rel < 0 && off + 1 > UINT64_MAX - 70000)
			continue; /* before the stream began: a keep-alive's number */
		assert_true(off < c->want);
		assert_int_equal(p->payload.p[i], rig_byte(off));
		if (off >= c->got && off < c->edge)
			c->have[off] = 1, c->high = HF_MAX(c->high, off + 1);
		else
			must_ack = true;
	}
	while (c->got < c->want && c->have[c->got])
		c->got++;
	if (p->tcp_flags & HF_TCP_FIN) {
		assert_int_equal(off, c->want);
		must_ack = true;
		c->fin_off = off;
	}
	if (c->got == c->fin_off)
		c->fin_got = true;
	if (must_ack || c->got - before > 2 * c->mss)
		client_send(w, c, "A", HF_MIN(c->max, c->una + c->peer_wnd), 0);
	else if (p->payload.len > 0)
		ack_later(w, c);
}

static void client_input(struct world *w, struct client *c, const struct packet *raw)
{
	struct hf_packet p;
	struct hf_tcpopt o;
	assert_int_equal(hf_net_parse(&raw->frame, false, &p), HF_NET_OK);
	if (p.tcp_flags & HF_TCP_RST) { /* only behind the end, for what strays */
		assert_true(c->fin_acked && c->fin_got);
		return;
	}
	if (p.tcp_flags & HF_TCP_SYN) {
		assert_int_equal(p.ack, c->iss + 1);
		if (!c->established) {
			hf_tcpopt_parse(p.options, &o);
			assert_true(o.has_wscale == c->scaled && o.sack_permitted == c->sacks);
			c->established = true;
			c->stamps &= o.has_timestamps; /* not in one that the clock repeated */
			c->mss -= c->stamps ? 12 : 0;
			c->irs = p.seq;
			c->ts_recent = o.ts_val;
			c->peer_scale = o.wscale;
			c->scale = c->scaled ? c->scale : 0;
			c->peer_wnd = p.window;
			c->wl_seq = p.seq;
			c->wl_ack = p.ack;
			c->timer = HF_NS_NEVER;
			c->rto = 300 * MS;
		}
		client_send(w, c, "A", c->max, 0);
		return;
	}
	if (!c->established)
		return;
	hf_tcpopt_parse(p.options, &o);
	assert_true(c->sacks || o.sack_cnt == 0);
	assert_int_equal(o.has_timestamps, c->stamps);
	if (c->stamps && (int32_t)(o.ts_val - c->ts_recent) >= 0 &&
		(int32_t)(p.seq - (c->irs + 1 + (uint32_t)c->acked)) <= 0)
		c->ts_recent = o.ts_val;
	assert_true(p.payload.len <= c->mss);
	client_acked(w, c, &p);
	client_text(w, c, &p);
}

static void client_user(struct world *w, struct client *c)
{
	uint64_t was = c->edge;
	c->user_at = w->r->now + (below(w, 20) ? below(w, 40) : below(w, 3000)) * MS;
	if (c->reneges && below(w, 10) == 0)
		renege(c);
	c->taken += some_of(w, c->got - c->taken, 3 * c->buf);
	if (c->established && !c->fin_got && c->taken + c->buf - was > c->buf / 2)
		client_send(w, c, "A", HF_MIN(c->max, c->una + c->peer_wnd), 0);
}

static bool client_done(const struct client *c)
{
	return c->fin_acked && c->fin_got && c->got == c->want;
}

static void client_run(struct world *w, struct client *c)
{
	hf_ns now = w->r->now;
	if (client_done(c)) {
		c->timer = c->ack_at = c->user_at = HF_NS_NEVER;
		return;
	}
	if (c->user_at <= now)
		client_user(w, c);
	if (c->ack_at <= now)
		client_send(w, c, "A", HF_MIN(c->max, c->una + c->peer_wnd), 0);
	if (c->timer <= now)
		client_timeout(w, c);
	client_output(w, c);
}

static void client_init(struct world *w, uint32_t i)
{
	static const uint16_t mss[] = {1460, 1460, 1400, 536, 100, 64};
	struct client *c = &w->client[i];
	memset(c, 0, sizeof(*c));
	c->port = (uint16_t)(10000 + i);
	c->mss = mss[below(w, HF_ARRAY_LEN(mss))];
	c->scaled = below(w, 2);
	c->sacks = below(w, 3);
	c->stamps = below(w, 2);
	c->dsacks = c->sacks && below(w, 2);
	c->reneges = c->sacks && below(w, 4) == 0;
	c->scale = c->scaled ? (uint8_t)below(w, 5) : 0;
	c->buf = 2000 + below(w, below(w, 2) ? 65535u << c->scale : 20000);
	c->iss = below(w, 4) ? (uint32_t)test_rand(&w->seed) : 0u - below(w, 100000);
	c->total = below(w, below(w, 3) ? STREAM_MAX : 3000);
	c->want = below(w, below(w, 3) ? STREAM_MAX : 3000);
	c->total = c->mss < 500 ? c->total / 8 : c->total;
	c->want = c->mss < 500 ? c->want / 8 : c->want;
	c->closes_first = below(w, 3);
	c->fin_off = UINT64_MAX;
	c->cwnd = 4 * c->mss;
	c->rto = SEC;
	c->ack_at = HF_NS_NEVER;
	c->timer = w->r->now + below(w, 100) * MS;
	c->user_at = w->r->now;
}

/* ---- the user on our side ---------------------------------------------------------------------- */
static struct client *client_of(struct world *w, uint32_t conn)
{
	return &w->client[hf_tcp_info(w->r->t, conn)->peer_port - 10000];
}

static void user_news(struct world *w, uint32_t conn, uint32_t events)
{
	struct user *u = &w->user[conn];
	hf_ns soon;
	if (events & HF_TCP_EV_OPENED)
		*u = (struct user){.client = client_of(w, conn)};
	u->eof |= !!(events & HF_TCP_EV_EOF);
	u->closed |= !!(events & HF_TCP_EV_CLOSED);
	soon = w->r->now + below(w, 3) * 10 * MS;
	u->at = HF_MIN(u->at, soon);
}

static void user_read(struct world *w, uint32_t conn)
{
	struct user *u = &w->user[conn];
	struct hf_chain *c = hf_tcp_rcv(w->r->t, conn);
	size_t len = some_of(w, c->len, 60000);
	while (len > 0) {
		struct hf_span s = hf_chain_first(c);
		size_t n = HF_MIN(len, s.len);
		for (size_t i = 0; i < n; i++)
			if (s.p[i] != rig_byte(u->read + i))
				fail_msg("byte %llu is wrong", (unsigned long long)(u->read + i));
		hf_chain_consume(&w->r->bufs, c, n);
		u->read += n;
		len -= n;
	}
	len = below(w, 3) ? (size_t)(u->read - u->credited)
			  : below(w, (uint32_t)(u->read - u->credited) + 1);
	hf_tcp_rcv_credit(w->r->t, conn, len, w->r->now);
	u->credited += len;
}

static void user_write(struct world *w, uint32_t conn)
{
	static uint8_t bytes[20000];
	struct user *u = &w->user[conn];
	struct hf_chain *c = hf_tcp_snd(w->r->t, conn);
	uint64_t left = u->client->want - u->written;
	size_t len = some_of(w, hf_tcp_snd_room(w->r->t, conn), sizeof(bytes) + 1);
	len = HF_MIN(len, (size_t)left);
	for (size_t i = 0; i < len; i++)
		bytes[i] = rig_byte(u->written + i);
	u->written += hf_chain_append(&w->r->bufs, c, bytes, len);
	hf_tcp_push(w->r->t, conn, w->r->now);
	if (u->written == u->client->want && !u->shut && (u->eof || !u->client->closes_first)) {
		hf_tcp_shutdown(w->r->t, conn, w->r->now);
		u->shut = true;
	}
}

static void user_run(struct world *w, uint32_t conn)
{
	struct user *u = &w->user[conn];
	u->at = w->r->now + (below(w, 20) ? below(w, 60) : below(w, 3000)) * MS + MS;
	user_read(w, conn);
	if (!u->shut && !u->closed)
		user_write(w, conn);
	if (!u->closed || hf_tcp_rcv(w->r->t, conn)->len > 0)
		return;
	assert_int_equal(hf_tcp_info(w->r->t, conn)->end, HF_TCP_END_FIN);
	assert_true(u->eof && u->read == u->client->total && u->written == u->client->want);
	assert_int_equal(hf_tcp_info(w->r->t, conn)->bytes_in, u->client->total);
	assert_int_equal(hf_tcp_info(w->r->t, conn)->bytes_out, u->client->want);
	hf_tcp_free(w->r->t, conn);
}

/* ---- the world --------------------------------------------------------------------------------- */
static void deliver(struct world *w)
{
	for (uint32_t i = 0; i < w->wire_cnt;) {
		struct flight f = w->wire[i];
		struct hf_packet p;
		if (f.at > w->r->now) {
			i++;
			continue;
		}
		w->wire[i] =
			w->wire[--w->wire_cnt]; /* and what is due at once comes in any order */
		f.p.frame.data = f.p.bytes;
		if (!f.to_us) {
			uint16_t port = (uint16_t)(f.p.bytes[36] << 8 | f.p.bytes[37]);
			client_input(w, &w->client[port - 10000], &f.p);
			continue;
		}
		assert_int_equal(hf_net_parse(&f.p.frame, false, &p), HF_NET_OK);
		hf_tcp_input(w->r->t, 0, &p, w->r->now);
	}
}

static void emit_all(struct world *w)
{
	uint32_t budget =
		below(w, 20) ? 1000 : below(w, 4); /* now and then the port has no frames */
	while (budget-- > 0) {
		struct packet p;
		p.frame = (struct hf_frame){.data = p.bytes, .cap = sizeof(p.bytes)};
		if (!hf_tcp_emit(w->r->t, 0, &p.frame, w->r->now))
			break;
		put_on_wire(w, false, &p);
	}
}

static hf_ns next_event(const struct world *w)
{
	hf_ns next = HF_MIN(hf_tcp_next_due(w->r->t), w->r->now + 100 * MS);
	for (uint32_t i = 0; i < w->wire_cnt; i++)
		next = HF_MIN(next, w->wire[i].at);
	for (uint32_t i = 0; i < w->client_cnt; i++) {
		const struct client *c = &w->client[i];
		next = HF_MIN(next, HF_MIN(c->timer, HF_MIN(c->ack_at, c->user_at)));
	}
	for (uint32_t i = 0; i < w->r->t->conns.cnt; i++)
		if (hf_tcp_alive(w->r->t, i))
			next = HF_MIN(next, w->user[i].at);
	return HF_MAX(next, w->r->now + 100000);
}

static bool step(struct world *w)
{
	uint32_t conn, events;
	bool busy = false;
	w->r->now = next_event(w);
	deliver(w);
	for (uint32_t i = 0; i < w->client_cnt; i++)
		client_run(w, &w->client[i]);
	hf_tcp_timers(w->r->t, w->r->now, 64);
	while (hf_tcp_ready_pop(w->r->t, &conn, &events))
		user_news(w, conn, events);
	for (uint32_t i = 0; i < w->r->t->conns.cnt; i++) {
		if (!hf_tcp_alive(w->r->t, i))
			continue;
		busy = true;
		if (w->user[i].at <= w->r->now)
			user_run(w, i);
	}
	emit_all(w);
	if (below(w, 16) == 0)
		rig_check(w->r);
	for (uint32_t i = 0; i < w->client_cnt; i++)
		busy |= !client_done(&w->client[i]);
	return busy;
}

static void converse(uint64_t seed, uint32_t lose_max)
{
	static struct world w;
	static struct rig rig;
	struct hf_tcp_cfg cfg = rig_cfg_default;
	hf_ns start;
	memset(&w, 0, offsetof(struct world, client));
	w.seed = seed;
	w.r = &rig;
	w.lose = below(&w, lose_max + 1);
	w.repeat = below(&w, 30);
	w.delay_ms = 1 + below(&w, below(&w, 2) ? 5 : 80);
	w.outages = lose_max > 20 && below(&w, 2);
	w.client_cnt = 1 + below(&w, CLIENTS_MAX);
	cfg.rcv_wnd_max = 3000 + below(&w, below(&w, 2) ? 30000 : 400000);
	cfg.snd_queue_max = 3000 + below(&w, 200000);
	rig_init_with(&rig, &cfg, below(&w, 2) ? 1024 : 8 + below(&w, 60));
	start = rig.now;
	for (uint32_t i = 0; i < w.client_cnt; i++)
		client_init(&w, i);
	while (step(&w))
		if (rig.now - start > TIME_MAX)
			fail_msg("seed %llu: not over after %llu s", (unsigned long long)seed,
				(unsigned long long)(TIME_MAX / SEC));
	rig_fini(&rig);
}

/* SEED=n LOSS=per_mille runs one conversation alone. */
static void seeds(uint64_t from, uint64_t cnt, uint32_t lose_max)
{
	const char *only = getenv("SEED"), *loss = getenv("LOSS");
	if (only) {
		from = strtoull(only, NULL, 10);
		cnt = 1;
		lose_max = loss ? (uint32_t)strtoul(loss, NULL, 10) : lose_max;
	}
	for (uint64_t seed = from; seed < from + cnt; seed++)
		converse(seed, lose_max);
}

static void a_good_wire(void **state)
{
	(void)state;
	seeds(1, 100, 0);
}

static void a_usual_wire(void **state)
{
	(void)state;
	seeds(1001, 200, 20);
}

static void a_bad_wire(void **state)
{
	(void)state;
	seeds(2001, 100, 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_wire),
		cmocka_unit_test(a_usual_wire),
		cmocka_unit_test(a_bad_wire),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
