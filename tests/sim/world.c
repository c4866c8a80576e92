/* world.c -- hosts give their frames to the memory port at once; delay, loss and the rest happen in
 * the fault decorator between that and the subject. A turn is: the subject polls, what it sent goes
 * to the hosts, clients do what they can; then the clock moves on by a little when something
 * happened, else to the next time at which anybody wants to be asked. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "drivers/port/mem.h"
#include "drivers/port/pcap.h"
#include "lib/net/wire.h"
#include "tests/sim/world.h"
#include "tests/support/packet.h"

#define STALL_CNT 3u
#define HOST_CNT 2u
#define QUEUE_MAX 2u
#define TCP_PORT 443u
#define TURN_NS (10 * HF_NS_US)     /* what a busy turn takes */
#define TURN_MAX 1000000u           /* some ten times what the longest run takes */
#define CLIENTS_NS (3600 * HF_NS_S) /* all clients are over by then, if it is not so much: */
#define SLOW_LEN_PER_S 500u         /* what the worst wire lets through each way */
#define DRAIN_NS (3600 * HF_NS_S)   /* and every trace of them: lwIP retries for half an hour */
#define EPOCH_S 1750000000u         /* of recordings */

struct host {
	struct world *world;
	struct peer *peer;
	uint8_t mac[6];
	int blocks; /* lwIP's memory before the first client */
};

struct client {
	struct session_plan plan;
	struct session *session; /* NULL before start */
	struct host *host;
	hf_ns start;
};

struct world {
	const struct world_cfg *cfg;
	struct world_result *result;
	hf_ns now;
	struct sslkit kit;
	void *mem_memory, *fault_memory;
	struct hf_port *mem, *fault, *port; /* port: what the subject sees */
	struct subject *subject;
	struct rng subject_dice, queue_dice;
	struct host host[HOST_CNT];
	struct client client[WORLD_CLIENT_MAX];
	uint32_t client_cnt;
	/* what the path does beside the fault decorator's part */
	struct stall {
		hf_ns from, to;
	} stall[STALL_CNT];
	hf_ns narrow_at;    /* from when on cfg->mtu holds */
	bool router_speaks; /* and says so; else what is longer only vanishes */
	bool moved;         /* a frame was given to the port in this turn */
};

/* ---- the wire --------------------------------------------------------------------------------- */

static void note(struct world *w, const uint8_t *frame, size_t len, uint64_t direction)
{
	uint64_t d = w->result->digest ^ w->now ^ direction << 63, word;
	for (size_t i = 0; i < len; i += sizeof(word)) {
		word = len;
		memcpy(&word, frame + i, HF_MIN(sizeof(word), len - i));
		d = (d ^ word) * 0x9e3779b97f4a7c15ull;
		d ^= d >> 29;
	}
	w->result->digest = d;
	w->result->frames++;
}

/* A device that spreads flows by itself, and not always the same way: most frames of a host and
 * a source port meet in one queue, some do not. */
static uint32_t choose_queue(struct world *w, const uint8_t *frame)
{
	if (rng_permille(&w->queue_dice, 100))
		return rng_below(&w->queue_dice, w->port->info.queue_cnt);
	return (frame[11] + frame[35]) % w->port->info.queue_cnt;
}

static bool stalled(const struct world *w)
{
	for (const struct stall *s = w->stall; s < w->stall + STALL_CNT; s++)
		if (s->from <= w->now && w->now < s->to)
			return true;
	return false;
}

static bool too_long(const struct world *w, size_t len)
{
	return w->cfg->mtu != 0 && w->now >= w->narrow_at && len > HF_ETH_HDR_LEN + w->cfg->mtu;
}

static uint32_t get(const uint8_t *p, int len)
{
	uint32_t v = 0;
	while (len-- > 0)
		v = v << 8 | *p++;
	return v;
}

/* "Fragmentation needed" or "packet too big", from the middle of the path. */
static void router_says(struct world *w, const uint8_t *frame)
{
	struct packet p;
	const uint8_t *ip = frame + HF_ETH_HDR_LEN;
	bool v6 = get(frame + 12, 2) == HF_ETHERTYPE_IP6;
	const uint8_t *tcp = ip + (v6 ? HF_IP6_HDR_LEN : HF_IP4_HDR_LEN);
	struct packet_spec s = {.v6 = v6,
		.src6 = ip + 8,
		.dst6 = ip + 24,
		.src = get(ip + 12, 4),
		.dst = get(ip + 16, 4),
		.sport = (uint16_t)get(tcp, 2),
		.dport = (uint16_t)get(tcp + 2, 2),
		.seq = get(tcp + 4, 4)};
	packet_too_big(&p, w->cfg->mtu, &s);
	note(w, p.frame.data, p.frame.len, 0);
	if (hf_port_mem_give(w->mem, choose_queue(w, p.frame.data), p.frame.data, p.frame.len))
		w->moved = true;
}

static void host_sent(void *ctx, const uint8_t *frame, size_t len)
{
	struct host *h = ctx;
	struct world *w = h->world;
	note(w, frame, len, 0);
	if (stalled(w))
		return;
	/* A full port loses it, as a NIC does; counted there. */
	if (hf_port_mem_give(w->mem, choose_queue(w, frame), frame, len))
		w->moved = true;
}

static void deliver(struct world *w, uint32_t queue)
{
	uint8_t frame[HF_PORT_MEM_FRAME_MAX];
	size_t len;
	while ((len = hf_port_mem_take(w->mem, queue, frame, sizeof(frame))) > 0) {
		note(w, frame, len, 1);
		if (too_long(w, len) && w->router_speaks)
			router_says(w, frame);
		if (stalled(w) || too_long(w, len))
			continue;
		for (struct host *h = w->host; h < w->host + HOST_CNT; h++) {
			bool group = frame[0] & 1;
			if (group || memcmp(frame, h->mac, sizeof(h->mac)) == 0)
				peer_input(h->peer, w->now, frame, len);
		}
	}
}

static void *take_memory(size_t len)
{
	void *p = aligned_alloc(HF_CACHE_LINE, HF_ROUND_UP(len, (size_t)HF_CACHE_LINE));
	HF_ASSERT(p != NULL);
	return p;
}

static void wire_open(struct world *w, struct rng *rng)
{
	const struct world_cfg *c = w->cfg;
	struct hf_port_mem_cfg mem = {.mac = {2, 0, 0, 0, 0, 1},
		.mtu = 1500,
		.queue_cnt = rng_range(rng, 1, QUEUE_MAX),
		.rx_cnt = 1024,
		.tx_cnt = rng_permille(rng, 300) ? 8 : 256};
	struct hf_port_fault_cfg fault = {.seed = rng_u64(rng), .now = &w->now, .slot_cnt = 4096};
	hf_ns delay = rng_range(rng, 20, 20000) * HF_NS_US;
	w->mem_memory = take_memory(hf_port_mem_footprint(&mem));
	w->port = w->mem = hf_port_mem_init(w->mem_memory, &mem);
	fault.rx =
		(struct hf_port_fault_rates){c->drop, c->dup, c->reorder, c->corrupt, delay, delay};
	fault.tx = fault.rx;
	w->fault_memory = take_memory(hf_port_fault_footprint(w->mem, &fault));
	w->port = w->fault = hf_port_fault_init(w->fault_memory, w->mem, &fault);
	if (c->pcap == NULL)
		return;
	w->port = hf_port_pcap_open(w->fault, c->pcap, &w->now, EPOCH_S);
	if (w->port == NULL) {
		fprintf(stderr, "sim: cannot record to %s: %s; give a path that can be written\n",
			c->pcap, strerror(errno));
		exit(2);
	}
}

static void path_plan(struct world *w, struct rng *rng)
{
	w->narrow_at = rng_below(rng, 1000) * HF_NS_MS;
	w->router_speaks = rng_permille(rng, 500);
	for (struct stall *s = w->stall; s < w->stall + STALL_CNT; s++) {
		s->from = rng_below(rng, 3000) * HF_NS_MS;
		s->to = s->from + rng_below(rng, w->cfg->stall_ms + 1u) * HF_NS_MS;
	}
}

static void wire_close(struct world *w)
{
	w->port->cls->fini(w->port);
	free(w->fault_memory);
	free(w->mem_memory);
}

/* ---- the plan ----------------------------------------------------------------------------------- */

static struct hf_addr addr4(uint32_t last)
{
	return hf_addr_v4(0x0a000000u + last);
}

static struct hf_addr addr6(uint32_t last)
{
	return (struct hf_addr){{0xfd, [15] = (uint8_t)last}};
}

static uint32_t client_number(const struct world *w, const struct client *c)
{
	return (uint32_t)(c - w->client);
}

/* Mostly small, sometimes many records. */
static uint32_t draw_len(struct rng *r)
{
	static const uint32_t top[] = {0, 1, 2000, 20000, 100000, 400000};
	if (rng_permille(r, 5))
		return rng_range(r, 1000000, 4000000);
	return rng_below(r, top[rng_below(r, HF_ARRAY_LEN(top))] + 1);
}

static enum session_end draw_end(struct rng *r)
{
	static const uint8_t percent[SESSION_END_CNT] = {[SESSION_TIDY] = 57,
		[SESSION_HALF] = 15,
		[SESSION_WAIT] = 13,
		[SESSION_ABORT] = 4,
		[SESSION_TRUNCATE] = 4,
		[SESSION_VANISH] = 3,
		[SESSION_IGNORE] = 4};
	uint32_t dice = rng_below(r, 100), end = 0;
	while (dice >= percent[end])
		dice -= percent[end++];
	return end;
}

/* Later than an earlier one, with its session and so with what that was agreed under. */
static void come_back(struct client *c, const struct client *before, struct rng *r)
{
	c->plan.comes_back = &before->session;
	c->plan.cipher = before->plan.cipher;
	c->plan.no_ticket = before->plan.no_ticket;
	c->plan.no_ems = before->plan.no_ems;
	c->start = before->start + rng_below(r, 3000000) * HF_NS_US;
}

static void plan_client(struct world *w, struct client *c, struct rng *r)
{
	static const char *const suite[] = {"AES128-SHA", "AES256-SHA", "AES128-SHA256",
		"AES128-GCM-SHA256", "AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256",
		"ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305",
		"ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA"};
	struct session_plan *p = &c->plan;
	*p = (struct session_plan){.seed = rng_u64(r),
		.port = TCP_PORT,
		.ctx = w->kit.client,
		.patience = w->cfg->up_len ? SESSION_PATIENCE_LONG : SESSION_PATIENCE};
	if (p->seed >> 63) {
		p->cert = w->kit.cert[0];
		p->key = w->kit.key[0];
	}
	p->addr = !w->cfg->subject->ip6 || rng_permille(r, 700) ? addr4(1) : addr6(1);
	p->cipher = suite[rng_below(r, HF_ARRAY_LEN(suite))];
	p->end = draw_end(r);
	p->exchange.id = rng_u64(r);
	p->exchange.up_len = draw_len(r);
	p->exchange.down_len = draw_len(r);
	p->exchange.flags = rng_permille(r, 600) ? EXCHANGE_AFTER : 0;
	if (rng_permille(r, 40))
		p->exchange.flags |= EXCHANGE_SERVER_RESETS;
	if (p->end == SESSION_WAIT)
		p->exchange.flags |= EXCHANGE_SERVER_CLOSES | EXCHANGE_AFTER;
	p->end_at = rng_below(r, p->exchange.down_len + 1);
	p->record_max = rng_permille(r, 700) ? 16384 : rng_range(r, 50, 4000);
	p->piece_max = rng_permille(r, 250) ? rng_range(r, 20, 3000) : 0;
	p->nodelay = rng_permille(r, 500);
	if (rng_permille(r, 200)) { /* a reader so slow that the window closes */
		p->read_max = rng_range(r, 500, 8000);
		p->read_gap = rng_range(r, 1, 40) * HF_NS_MS;
	}
	if (client_number(w, c) < w->cfg->ignoring_cnt) {
		p->end = SESSION_IGNORE;
		p->exchange.flags = 0;
		p->exchange.down_len = 4000000;
	}
	if (w->cfg->len != 0) {
		p->end = SESSION_TIDY;
		p->exchange.flags = 0;
		p->exchange.up_len = w->cfg->up_len;
		p->exchange.down_len = w->cfg->len;
		p->read_gap = 0;
	}
	c->host = &w->host[rng_below(r, HOST_CNT)];
	c->start = rng_below(r, 50000) * HF_NS_US;
	p->no_ticket = rng_permille(r, 400);
	p->no_ems = rng_permille(r, 300);
	if (client_number(w, c) > 0 && rng_permille(r, 400))
		come_back(c, &w->client[rng_below(r, client_number(w, c))], r);
}

static void hosts_open(struct world *w, struct rng *r)
{
	for (uint32_t i = 0; i < HOST_CNT; i++) {
		struct host *h = &w->host[i];
		struct peer_cfg cfg = {.seed = rng_u64(r),
			.mac = {2, 0, 0, 0, 1, (uint8_t)i},
			.ip4 = addr4(10 + i),
			.ip6 = addr6(10 + i),
			.send = host_sent,
			.ctx = h};
		h->world = w;
		memcpy(h->mac, cfg.mac, sizeof(h->mac));
		h->peer = peer_new(&cfg, w->now);
	}
}

/* ---- turns ------------------------------------------------------------------------------------ */

/* Something is wrong with this run; the first such thing is what is told. */
static void fail(struct world *w, const char *fmt, ...) HF_PRINTF(2, 3);
static void fail(struct world *w, const char *fmt, ...)
{
	va_list ap;
	if (w->result->failed)
		return;
	w->result->failed = true;
	va_start(ap, fmt);
	vsnprintf(w->result->why, sizeof(w->result->why), fmt, ap);
	va_end(ap);
}

static bool running(const struct client *c)
{
	return c->session == NULL || session_result(c->session) == SESSION_RUNNING;
}

/* Lets the hosts and their clients act; returns when the next of them wants to. */
static hf_ns hosts_turn(struct world *w)
{
	hf_ns next = HF_NS_NEVER, now = w->now;
	for (struct host *h = w->host; h < w->host + HOST_CNT; h++) {
		peer_run(h->peer, now);
		for (struct client *c = w->client; c < w->client + w->client_cnt; c++) {
			if (c->host != h)
				continue;
			if (c->session == NULL && c->start > now) {
				next = HF_MIN(next, c->start);
				continue;
			}
			if (c->session == NULL)
				c->session = session_connect(h->peer, now, &c->plan);
			session_run(c->session, now);
			next = HF_MIN(next, session_next(c->session));
		}
		next = HF_MIN(next, peer_next(h->peer, now));
	}
	return next;
}

/* Time is left, and the run has not been found to go in circles. */
static bool go_on(const struct world *w, hf_ns until)
{
	return w->now < until && w->result->turns < TURN_MAX;
}

static void turn(struct world *w)
{
	const struct subject_class *cls = w->cfg->subject;
	struct hf_port_fault_stats rx, tx;
	hf_ns next, hosts;
	w->result->turns++;
	w->moved = false;
	sslkit_dice(&w->subject_dice);
	next = cls->turn(w->subject, w->now);
	cls->check(w->subject);
	hf_port_fault_stats(w->fault, &rx, &tx);
	HF_ASSERT(cls->frames(w->subject) == rx.out);
	for (uint32_t q = 0; q < w->port->info.queue_cnt; q++) {
		HF_ASSERT(hf_port_mem_lent(w->mem, q) == 0 && hf_port_fault_lent(w->fault, q) == 0);
		deliver(w, q);
	}
	hosts = hosts_turn(w);
	if (w->moved)
		next = w->now;
	next = HF_MIN(next, hosts);
	next = HF_MIN(next, hf_port_fault_next(w->fault));
	w->now = HF_MAX(next, w->now + TURN_NS);
}

/* Who ignores answers stays until all the others are served: they must not need its leaving. */
static bool clients_over(struct world *w)
{
	bool ignoring = false;
	for (uint32_t i = 0; i < w->client_cnt; i++) {
		const struct client *c = &w->client[i];
		ignoring |= running(c) && c->plan.end == SESSION_IGNORE;
		if (running(c) && (c->session == NULL || c->plan.end != SESSION_IGNORE))
			return false;
	}
	for (uint32_t i = 0; ignoring && i < w->client_cnt; i++)
		if (running(&w->client[i]))
			session_dismiss(w->client[i].session, w->now);
	return true;
}

static bool host_quiet(struct world *w, struct host *h)
{
	return peer_conns(h->peer, w->now) == 0 && peer_blocks(h->peer) <= h->blocks;
}

static bool all_quiet(struct world *w)
{
	for (struct host *h = w->host; h < w->host + HOST_CNT; h++)
		if (!host_quiet(w, h))
			return false;
	return w->cfg->subject->left(w->subject, w->now) == NULL;
}

/* ---- judgement ---------------------------------------------------------------------------------- */

/* A run that need not be complete may end a client in these ways. */
static bool excusable(enum session_result r)
{
	return r == SESSION_RESET || r == SESSION_GIVEN_UP || r == SESSION_STALLED ||
	       r == SESSION_TRUNCATED;
}

static void judge_client(struct world *w, const struct client *c)
{
	const struct subject_class *cls = w->cfg->subject;
	const struct exchange *x = session_exchange(c->session);
	enum session_result r = session_result(c->session);
	uint32_t host = 10 + (uint32_t)(c->host - w->host);
	struct hf_addr addr = hf_addr_is_v4(&c->plan.addr) ? addr4(host) : addr6(host);
	w->result->result[r]++;
	w->result->bytes += x->in + x->out;
	w->result->resumed += session_resumed(c->session);
	w->result->ip6_cnt += !hf_addr_is_v4(&c->plan.addr);
	if (r == SESSION_DONE)
		return;
	if (excusable(r) && cls->lost(w->subject, &addr, session_port(c->session))) {
		w->result->lost_cnt++;
		return;
	}
	if (excusable(r) && w->cfg->resets)
		return;
	fail(w,
		"client %u (port %u, %s, end %d, flags %u): %s: %s; sent %u of %u, received %u of "
		"%u",
		client_number(w, c), session_port(c->session), c->plan.cipher, (int)c->plan.end,
		c->plan.exchange.flags, session_result_name(r), session_why(c->session), x->out,
		x->plan.up_len, x->in, x->plan.down_len);
}

/* No reset without a reason: there must be at least as many reasons as clients that were ended by
 * the other side. */
static void judge_reasons(struct world *w)
{
	struct world_result *r = w->result;
	uint32_t ended = r->result[SESSION_RESET] + r->result[SESSION_TRUNCATED];
	uint64_t explained = r->lost_cnt;
	r->reason_cnt = w->cfg->subject->reasons(w->subject, r->reason);
	for (uint32_t i = 0; i < r->reason_cnt; i++)
		explained += HF_MIN(r->reason[i].cnt, WORLD_CLIENT_MAX);
	if (ended > explained)
		fail(w, "%u clients were ended by the %s, which has reasons for %u", ended,
			w->cfg->subject->name, (unsigned)explained);
}

static void run_clients(struct world *w)
{
	const char *left;
	hf_ns deadline =
		CLIENTS_NS + (w->cfg->len + (hf_ns)w->cfg->up_len) * HF_NS_S / SLOW_LEN_PER_S;
	while (!clients_over(w) && go_on(w, deadline))
		turn(w);
	w->result->time = w->now;
	if (w->result->turns == TURN_MAX)
		fail(w, "no end after %u turns", TURN_MAX);
	for (uint32_t i = 0; i < w->client_cnt; i++)
		judge_client(w, &w->client[i]);
	deadline = w->now + DRAIN_NS;
	while (!all_quiet(w) && go_on(w, deadline))
		turn(w);
	for (struct host *h = w->host; h < w->host + HOST_CNT; h++)
		if (!host_quiet(w, h))
			fail(w, "host %u still has %u connections, %d blocks",
				(unsigned)(h - w->host), peer_conns(h->peer, w->now),
				peer_blocks(h->peer) - h->blocks);
	left = w->cfg->subject->left(w->subject, w->now);
	if (left != NULL)
		fail(w, "the %s still has, long after its last client: %s", w->cfg->subject->name,
			left);
	judge_reasons(w);
}

/* The subject of the run that is going on, for whoever must tell its end. */
static struct world *going;

void world_trace(FILE *to)
{
	if (going != NULL && going->subject != NULL)
		going->cfg->subject->trace(going->subject, to);
}

void world_run(const struct world_cfg *cfg, struct world_result *result)
{
	struct world *w = calloc(1, sizeof(*w));
	struct rng root = {cfg->seed}, wire = rng_split(&root, 1), plan = rng_split(&root, 2),
		   host = rng_split(&root, 3);
	struct subject_cfg sc = {.ip4 = addr4(1),
		.ip6 = addr6(1),
		.tcp_port = TCP_PORT,
		.plant = cfg->plant,
		.trace = cfg->trace};
	HF_ASSERT(w != NULL);
	*result = (struct world_result){0};
	going = w;
	w->cfg = cfg;
	w->result = result;
	sslkit_init(&w->kit, cfg->seed);
	wire_open(w, &wire);
	wire = rng_split(&root, 6);
	path_plan(w, &wire);
	hosts_open(w, &host);
	w->subject_dice = rng_split(&root, 4);
	w->queue_dice = rng_split(&root, 5);
	sslkit_dice(&w->subject_dice);
	w->client_cnt = cfg->client_cnt != 0 ? cfg->client_cnt : rng_range(&plan, 1, 8);
	HF_ASSERT(w->client_cnt <= WORLD_CLIENT_MAX);
	sc.client_cnt = w->client_cnt;
	sc.port = w->port;
	sc.kit = &w->kit;
	sc.seed = rng_u64(&w->subject_dice);
	w->subject = cfg->subject->open(&sc, w->now);
	for (struct host *h = w->host; h < w->host + HOST_CNT; h++)
		h->blocks = peer_blocks(h->peer);
	for (uint32_t i = 0; i < w->client_cnt; i++)
		plan_client(w, &w->client[i], &plan);
	result->session_cnt = w->client_cnt;

	run_clients(w);

	if (cfg->trace)
		world_trace(stderr);
	going = NULL;
	result->digest ^= cfg->subject->digest(w->subject) * 0x9e3779b97f4a7c15ull;
	for (uint32_t i = 0; i < w->client_cnt; i++)
		session_free(w->client[i].session, w->now);
	cfg->subject->close(w->subject, w->now);
	for (struct host *h = w->host; h < w->host + HOST_CNT; h++)
		peer_free(h->peer);
	wire_close(w);
	sslkit_fini(&w->kit);
	free(w);
}
