/* selfrun.c -- frames are made and taken here, turns are timed, everything between is the product's own way
 * of a packet. Only the turns' time counts. */
#include <stdlib.h>
#include "app/handfast/selfrun.h"
#include "drivers/drivers.h"
#include "drivers/port/mem.h"
#include "lib/net/checksum.h"

#define BURST 32u
#define ROUNDS 16u
#define COLD_ROUNDS 40u
#define TURNS_MAX 1000u
#define TURN_NS (10 * HF_NS_US)
#define COLD_LEN (2u << 20)
#define CHAIN_LEN 3000u
#define SERVER_PORT 443u
#define FRAME_MAX 2048u

static const uint8_t server_mac[6] = {2, 0, 0, 0, 0, 1}, client_mac[6] = {2, 0, 0, 0, 0, 2};

struct client {
	uint16_t port;
	uint32_t seq, ack;
	bool flight; /* the server's first bytes have come */
};

struct run {
	struct hf_port *port;
	struct hf_worker *w;
	hf_ns now;
	uint64_t spent; /* of turns, ns of the clock */
	uint16_t next_port;
	struct hf_addr ours, peer;
	uint8_t hello[256];
	size_t hello_len;
	struct client client[BURST];
	/* what the worker's site points to */
	uint8_t chain[CHAIN_LEN];
	struct hf_pk_key key;
	struct hf_tls_cert cert;
	const struct hf_tls_cert *shown;
	struct hf_tls_protocol protocol;
	struct hf_tls_vhost vhost;
	struct hf_tls_tickets tickets;
	void *port_mem, *worker_mem, *site_mem;
};

static uint64_t clock_ns(void)
{
	return hf_os_now_ns();
}

/* ---- the worker ---- */

static void *take(size_t len)
{
	void *p = aligned_alloc(HF_CACHE_LINE, HF_ROUND_UP(len, (size_t)HF_CACHE_LINE));
	if (p)
		memset(p, 0, HF_ROUND_UP(len, (size_t)HF_CACHE_LINE));
	return p;
}

static int make_port(struct run *r)
{
	struct hf_port_mem_cfg cfg = {
		.mtu = 1500, .queue_cnt = 1, .rx_cnt = 4 * BURST, .tx_cnt = 8 * BURST};
	memcpy(cfg.mac, server_mac, sizeof(cfg.mac));
	r->port_mem = take(hf_port_mem_footprint(&cfg));
	if (!r->port_mem)
		return -1;
	r->port = hf_port_mem_init(r->port_mem, &cfg);
	return 0;
}

static int make_worker(struct run *r, const struct hf_pk_engine_ref *pk, uint32_t pk_cnt,
	const struct hf_sym_driver *sym, void *sym_ctx)
{
	struct hf_worker_env env = {.cycles = clock_ns,
		.cycles_per_us = 1000,
		.sym = sym,
		.sym_ctx = sym_ctx,
		.auth = &hf_auth_libcrypto,
		.seed = {1},
		.now = r->now};
	struct hf_worker_cfg cfg = {.worker_cnt = 1,
		.conn_cnt = 4 * BURST,
		.hs_cnt = 4 * BURST,
		.chunk_cnt = 64 * BURST,
		.record_cnt = 16,
		.link_chunk_cnt = 64,
		.half_open_cnt = 4 * BURST,
		.time_wait_cnt = 16,
		.pk_job_cnt = 16,
		.sym_job_cnt = 4 * BURST,
		.auth_job_cnt = 4,
		.order_cnt = 16,
		.event_cnt = 64,
		.cross_cnt = 16,
		.trace_cnt = 1024,
		.rcv_wnd_max = 65536,
		.snd_queue_max = 65536,
		.syn_life_ns = 10 * HF_NS_S,
		.time_wait_ns = 10 * HF_NS_S,
		.close_ns = 10 * HF_NS_S,
		.reflect = true,
		.port_cnt = 1};
	cfg.port[0] = (struct hf_worker_port_cfg){
		.port = r->port, .addr = {{.ip = r->ours}}, .addr_cnt = 1};
	env.pk_cnt = pk_cnt;
	memcpy(env.pk, pk, pk_cnt * sizeof(*pk));
	r->worker_mem = take(hf_worker_footprint(&cfg));
	if (!r->worker_mem)
		return -1;
	r->w = hf_worker_init(r->worker_mem, &cfg, &env);
	return 0;
}

static int make_site(struct run *r)
{
	static const uint16_t suite[] = {0x009c}, group[] = {29};
	struct hf_site_listener_spec listener = {
		.port = SERVER_PORT, .vhost = &r->vhost, .vhost_cnt = 1, .linger_ns = HF_NS_S};
	struct hf_site_spec spec = {.generation = 1,
		.listener = &listener,
		.listener_cnt = 1,
		.suite = suite,
		.suite_cnt = 1,
		.group = group,
		.group_cnt = 1,
		.worker_cnt = 1,
		.limits = {HF_NS_S, HF_NS_S, HF_NS_S, HF_NS_S, HF_NS_S, HF_NS_S}};
	r->key = (struct hf_pk_key){.type = HF_PK_RSA, .bits = 2048, .prime_cnt = 2};
	r->cert = (struct hf_tls_cert){.list = {r->chain, sizeof(r->chain)}, .key = &r->key};
	r->shown = &r->cert;
	r->vhost = (struct hf_tls_vhost){.cert = &r->shown, .cert_cnt = 1};
	r->tickets = (struct hf_tls_tickets){.generation = 1, .key_cnt = 1, .lifetime_s = 3600};
	r->tickets.key[0].name[0] = HF_TLS_TICKET_NAME_VERSION;
	r->site_mem = take(hf_site_footprint(&spec));
	if (!r->site_mem)
		return -1;
	return hf_worker_order(r->w, &(struct hf_order){.kind = HF_ORDER_SITE,
					     .site = hf_site_init(r->site_mem, &spec)}) ||
	       hf_worker_order(
		       r->w, &(struct hf_order){.kind = HF_ORDER_TICKETS, .tickets = &r->tickets});
}

/* ---- the client ---- */

/* Extended master secret, ticket, algorithms, groups: as clients are. */
static void make_hello(struct run *r)
{
	static const uint8_t extensions[] = {0, 23, 0, 0, 0, 35, 0, 0, 0, 13, 0, 8, 0, 6, 4, 3, 8,
		4, 4, 1, 0, 10, 0, 6, 0, 4, 0, 29, 0, 23, 0, 11, 0, 2, 1, 0, 0xff, 1, 0, 1, 0};
	struct hf_writer w = hf_writer(r->hello, sizeof(r->hello));
	size_t record, message;
	hf_writer_u24(&w, 0x160301);
	record = hf_writer_open(&w, 2);
	hf_writer_u8(&w, 1);
	message = hf_writer_open(&w, 3);
	hf_writer_u16(&w, 0x0303);
	hf_writer_bytes(&w, r->chain, 32); /* a random of zeros */
	hf_writer_u8(&w, 0);
	hf_writer_u16(&w, 2);
	hf_writer_u16(&w, 0x009c);
	hf_writer_u16(&w, 0x0100);
	hf_writer_u16(&w, sizeof(extensions));
	hf_writer_bytes(&w, extensions, sizeof(extensions));
	hf_writer_close(&w, message, 3);
	hf_writer_close(&w, record, 2);
	r->hello_len = w.len;
}

static void send_segment(
	struct run *r, struct client *c, uint8_t flags, const void *payload, size_t len)
{
	static const uint8_t options[] = {HF_TCPOPT_MSS, 4, 5, 0xb4, HF_TCPOPT_NOP,
		HF_TCPOPT_WSCALE, 3, 7, HF_TCPOPT_NOP, HF_TCPOPT_NOP, HF_TCPOPT_SACK_PERMITTED, 2};
	uint8_t frame[FRAME_MAX];
	struct hf_writer w = hf_writer(frame, sizeof(frame));
	size_t options_len = flags & HF_TCP_SYN ? sizeof(options) : 0, at;
	size_t tcp_len = HF_TCP_HDR_LEN + options_len + len;
	uint16_t sum;
	hf_wire_eth_ip(&w, &(struct hf_wire_link){server_mac, client_mac, 0},
		&(struct hf_wire_ip){&r->peer, &r->ours, HF_IP_TCP, HF_HOPS_FAR}, tcp_len);
	at = w.len;
	hf_writer_u16(&w, c->port);
	hf_writer_u16(&w, SERVER_PORT);
	hf_writer_u32(&w, c->seq);
	hf_writer_u32(&w, c->ack);
	hf_writer_u8(&w, (unsigned)(HF_TCP_HDR_LEN + options_len) / 4 << 4);
	hf_writer_u8(&w, flags);
	hf_writer_u16(&w, 0xffff);
	hf_writer_u32(&w, 0); /* checksum, urgent pointer */
	hf_writer_bytes(&w, options, options_len);
	hf_writer_bytes(&w, payload, len);
	sum = hf_csum_finish(hf_csum_pseudo(&r->peer, &r->ours, HF_IP_TCP, tcp_len) +
			     hf_csum(frame + at, tcp_len));
	frame[at + 16] = (uint8_t)(sum >> 8);
	frame[at + 17] = (uint8_t)sum;
	HF_ASSERT(!w.overflow && hf_port_mem_give(r->port, 0, frame, w.len));
	c->seq += (uint32_t)len + !!(flags & HF_TCP_SYN);
}

static void take_segment(struct run *r, const struct hf_packet *p)
{
	for (uint32_t i = 0; i < BURST; i++) {
		struct client *c = &r->client[i];
		if (c->port != p->dport)
			continue;
		c->ack = p->seq + (uint32_t)p->payload.len + !!(p->tcp_flags & HF_TCP_SYN);
		c->flight |= p->payload.len != 0;
	}
}

/* Turns until the worker has nothing more to do. */
static void turns(struct run *r)
{
	uint8_t bytes[FRAME_MAX];
	struct hf_poll poll;
	struct hf_packet p;
	uint32_t cnt = 0;
	size_t len;
	do {
		uint64_t began = hf_os_now_ns();
		r->now += TURN_NS;
		poll = hf_worker_poll(r->w, r->now);
		r->spent += hf_os_now_ns() - began;
		while ((len = hf_port_mem_take(r->port, 0, bytes, sizeof(bytes))) > 0) {
			struct hf_frame f = {
				.data = bytes, .len = (uint32_t)len, .cap = sizeof(bytes)};
			if (hf_net_parse(&f, true, &p) == HF_NET_OK && p.kind == HF_PACKET_TCP)
				take_segment(r, &p);
		}
	} while (poll.busy && ++cnt < TURNS_MAX);
}

static void cool(void)
{
	static uint8_t elsewhere[COLD_LEN];
	volatile uint8_t *at = elsewhere;
	for (size_t i = 0; i < COLD_LEN; i += HF_CACHE_LINE)
		at[i]++;
}

/* cnt connections side by side: ns of each. With cold, each of their steps begins so. */
static uint64_t half(struct run *r, uint32_t cnt, bool cold)
{
	struct hf_event ignored;
	r->spent = 0;
	for (uint32_t step = 0; step < 3; step++) {
		for (uint32_t i = 0; i < cnt; i++) {
			struct client *c = &r->client[i];
			if (step == 0) {
				*c = (struct client){.port = ++r->next_port, .seq = 1};
				send_segment(r, c, HF_TCP_SYN, NULL, 0);
			} else if (step == 1) {
				send_segment(r, c, HF_TCP_ACK, NULL, 0);
				send_segment(r, c, HF_TCP_ACK | HF_TCP_PSH, r->hello, r->hello_len);
			} else {
				send_segment(r, c, HF_TCP_RST | HF_TCP_ACK, NULL, 0);
			}
		}
		if (cold)
			cool();
		turns(r);
	}
	while (hf_worker_event(r->w, &ignored))
		;
	for (uint32_t i = 0; i < cnt; i++)
		if (!r->client[i].flight)
			return 0;
	return r->spent / cnt;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* The time that an eighth of them stay below: what else the machine does disturbs some. */
static uint64_t eighth_of(struct run *r, uint32_t cnt, bool cold, uint32_t rounds)
{
	uint64_t ns[COLD_ROUNDS];
	for (uint32_t i = 0; i < rounds; i++)
		ns[i] = half(r, cnt, cold);
	qsort(ns, rounds, sizeof(ns[0]), by_size);
	return ns[rounds / 8];
}

int hf_selfrun(struct hf_selfrun *out, const struct hf_pk_engine_ref *pk, uint32_t pk_cnt,
	const struct hf_sym_driver *sym, void *sym_ctx)
{
	static_assert(BURST >= 32, "hf_selfrun_burst");
	struct run *r = calloc(1, sizeof(*r));
	int err = -1;
	if (!r)
		return -1;
	r->now = HF_NS_S;
	r->next_port = 1024;
	r->ours = hf_addr_v4(0x0a000001);
	r->peer = hf_addr_v4(0x0a000002);
	make_hello(r);
	if (make_port(r) == 0 && make_worker(r, pk, pk_cnt, sym, sym_ctx) == 0 &&
		make_site(r) == 0) {
		turns(r);
		(void)half(r, BURST, false);
		out->cold_ns = eighth_of(r, 1, true, COLD_ROUNDS);
		err = out->cold_ns ? 0 : -1;
		for (uint32_t i = 0; i < HF_SELFRUN_BURSTS; i++) {
			out->warm_ns[i] = eighth_of(r, hf_selfrun_burst[i], false, ROUNDS);
			err |= out->warm_ns[i] ? 0 : -1;
		}
	}
	free(r->site_mem);
	free(r->worker_mem);
	free(r->port_mem);
	free(r);
	return err;
}
