/* worker_rig.h -- one whole worker with a client's end of its wire in the test's hands: frames are made
 * and taken one by one, so a test sees which bytes leave in which segment of which turn. The clock is
 * virtual; the arithmetic is OpenSSL's. The client's TLS is in tls_client.h.
 * Memory: malloc. Errors: HF_ASSERT. Static functions: whoever includes it links the drivers. */
#ifndef TESTS_WORKER_RIG_H
#define TESTS_WORKER_RIG_H

#include "drivers/drivers.h"
#include "drivers/port/mem.h"
#include "lib/worker/conn.h"
#include "tests/support/packet.h"
#include "tests/support/rsa_key.h"
#include "tests/support/test.h"

#define RIG_MTU 1480u /* MSS 1440, as captured */
#define RIG_MSS 1440u
#define RIG_TURN_NS (10 * HF_NS_US)
#define RIG_RING_LEN (1u << 20)
#define RIG_STREAM_MAX (4u << 20)
#define RIG_SEG_MAX 8192u
#define RIG_SITE_MAX 8u
#define RIG_SCHEDULES 16u

/* A segment with data that the worker sent. */
struct rig_seg {
	uint32_t at, len; /* place in the stream */
	uint32_t turn;
};

struct rig {
	/* set before rig_init */
	struct hf_tls_cert cert;
	const char *alpn;
	const struct hf_auth_driver *auth; /* may be left out */
	const uint16_t *suite;
	uint32_t suite_cnt;
	uint32_t conn_cnt, hs_cnt, half_open_cnt, time_wait_cnt, chunk_cnt, frame_cnt; /* 0: some */
	uint32_t link_chunk_cnt, ring_len,
		stream_max; /* the same; small ones are quicker to make */
	hf_ns keepalive_ns;
	const struct hf_pk_engine *pk_engine; /* NULL: libcrypto's */
	const struct hf_pk_engine
		*pk_lanes; /* in front of it, from three on, with its context; may be left out */
	const struct hf_sym_driver *sym_driver;
	uint32_t pk_job_cnt, sym_job_cnt; /* 0: few */
	uint64_t (*cycles)(void);         /* NULL: one that only counts; it is no clock */
	uint64_t cycles_per_us;
	uint32_t index,
		worker_cnt;   /* one of several, which are joined by who makes them; 0: alone */
	struct hf_site *site; /* another rig's; NULL: its own */
	struct hf_site_limits limits; /* all zero: long ones */
	struct hf_guard_rules guard;
	uint32_t prefix_cnt;
	/* instead of what the rig does with a segment */
	void (*segment)(struct rig *r, const struct hf_packet *p);
	struct hf_worker_port_cfg
		side; /* addresses and gateways; none: PACKET_OUR_IP, by reflect */
	bool reflect; /* with them, too */
	/* the appliance */
	struct hf_port *port;
	struct hf_worker *w, *all[1];
	void *site_mem[RIG_SITE_MAX], *pk, *sym;
	uint32_t generation;
	struct hf_tls_vhost vhost;
	const struct hf_tls_cert *shown;
	struct hf_tls_protocol protocol;
	struct hf_tls_tickets tickets;
	hf_ns now;
	uint32_t turn;
	struct hf_poll poll; /* of the last turn */
	/* the backend */
	struct hf_link ours, workers;
	struct hf_link_stats stats[2];
	void *region[2];
	struct hf_link_stream stream;
	uint64_t answered;
	/* the client's TCP */
	uint16_t sport;
	uint32_t snd_nxt, rcv_nxt, irs;
	bool fin;
	struct rig_seg seg[RIG_SEG_MAX];
	uint32_t seg_cnt;
	uint8_t *in; /* the stream from the appliance */
	uint32_t in_len;
};

/* ---- what it is made of ---- */

static inline uint64_t rig_cycles(void)
{
	static uint64_t looks;
	return ++looks;
}

static inline void rig_order(struct rig *r, struct hf_order o)
{
	HF_ASSERT(hf_worker_order(r->w, &o) == 0);
}

static inline void rig_port(struct rig *r)
{
	uint32_t cnt = r->frame_cnt ? r->frame_cnt : 512;
	struct hf_port_mem_cfg cfg = {.mtu = RIG_MTU, .queue_cnt = 1, .rx_cnt = cnt, .tx_cnt = cnt};

	memcpy(cfg.mac, packet_our_mac, sizeof(cfg.mac));
	r->port = hf_port_mem_init(test_alloc(hf_port_mem_footprint(&cfg)), &cfg);
}

static inline void rig_worker(struct rig *r)
{
	struct hf_worker_env env = {.cycles = r->cycles ? r->cycles : rig_cycles,
		.cycles_per_us = r->cycles ? r->cycles_per_us : 1000,
		.pk_cnt = 1,
		.sym = r->sym_driver,
		.seed = {5},
		.wall_ns = 1700000000 * HF_NS_S,
		.now = r->now};
	struct hf_worker_cfg cfg = {.index = r->index,
		.worker_cnt = r->worker_cnt ? r->worker_cnt : 1,
		.conn_cnt = r->conn_cnt ? r->conn_cnt : 8,
		.hs_cnt = r->hs_cnt ? r->hs_cnt : 4,
		.session_cnt = 64,
		.chunk_cnt = r->chunk_cnt ? r->chunk_cnt : 4096,
		.record_cnt = 16,
		.link_chunk_cnt = r->link_chunk_cnt ? r->link_chunk_cnt : 1024,
		.half_open_cnt = r->half_open_cnt ? r->half_open_cnt : 8,
		.time_wait_cnt = r->time_wait_cnt ? r->time_wait_cnt : 8,
		.prefix_cnt = r->prefix_cnt,
		.pk_job_cnt = r->pk_job_cnt ? r->pk_job_cnt : 8,
		.auth_job_cnt = 4,
		.sym_job_cnt = r->sym_job_cnt ? r->sym_job_cnt : 16,
		.order_cnt = 16,
		.event_cnt = 64,
		.cross_cnt = 16,
		.trace_cnt = 64,
		.rcv_wnd_max = 65536,
		.snd_queue_max = 1u << 20,
		.syn_life_ns = 20 * HF_NS_S,
		.time_wait_ns = 60 * HF_NS_S,
		.close_ns = 30 * HF_NS_S,
		.keepalive_ns = r->keepalive_ns,
		.reflect = r->reflect || r->side.addr_cnt == 0,
		.port_cnt = 1};

	r->pk = test_alloc(r->pk_engine->size());
	HF_ASSERT(r->pk_engine->init(r->pk) == 0);
	if (r->pk_lanes) {
		env.pk[0] = (struct hf_pk_engine_ref){.engine = r->pk_lanes, .min_fill = {3, 3, 3}};
		env.pk_cnt = 2;
	}
	env.pk[env.pk_cnt - 1].engine = r->pk_engine;
	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++)
		for (uint32_t e = 0; e < env.pk_cnt; e++)
			env.pk[e].ctx[i] = r->pk;
	r->sym = test_alloc(r->sym_driver->size(RIG_SCHEDULES));
	HF_ASSERT(r->sym_driver->init(r->sym, RIG_SCHEDULES) == 0);
	env.sym_ctx = r->sym;
	env.auth = r->auth;
	cfg.port[0] = r->side;
	cfg.port[0].port = r->port;
	if (r->side.addr_cnt == 0) {
		cfg.port[0].addr[0].ip = hf_addr_v4(PACKET_OUR_IP);
		cfg.port[0].addr_cnt = 1;
	}
	r->w = hf_worker_init(test_alloc(hf_worker_footprint(&cfg)), &cfg, &env);
	r->all[0] = r->w;
	if (cfg.worker_cnt == 1)
		hf_worker_join(r->w, r->all);
}

static inline void rig_site(struct rig *r)
{
	static const uint16_t group[] = {29, 23}; /* X25519, P-256 */
	struct hf_site_listener_spec listener = {
		.port = 443, .vhost = &r->vhost, .vhost_cnt = 1, .linger_ns = 60 * HF_NS_S};
	struct hf_site_spec spec = {.generation = r->generation + 1,
		.listener = &listener,
		.listener_cnt = 1,
		.suite = r->suite,
		.suite_cnt = r->suite_cnt,
		.group = group,
		.group_cnt = HF_ARRAY_LEN(group),
		.worker_cnt = r->worker_cnt ? r->worker_cnt : 1,
		.limits = r->limits,
		.guard = r->guard};

	if (!r->limits.hello_ns)
		spec.limits = (struct hf_site_limits){
			60 * HF_NS_S, 60 * HF_NS_S, 60 * HF_NS_S, 600 * HF_NS_S, 60 * HF_NS_S, 0};
	r->shown = &r->cert;
	r->protocol.name = hf_span(r->alpn, strlen(r->alpn));
	r->vhost = (struct hf_tls_vhost){
		.cert = &r->shown, .cert_cnt = 1, .alpn = &r->protocol, .alpn_cnt = 1};
	if (!r->site) {
		HF_ASSERT(r->generation < RIG_SITE_MAX);
		r->site_mem[r->generation] = test_alloc(hf_site_footprint(&spec));
		r->site = hf_site_init(r->site_mem[r->generation++], &spec);
	}
	rig_order(r, (struct hf_order){.kind = HF_ORDER_SITE, .site = r->site});
	r->tickets = (struct hf_tls_tickets){.generation = 1, .key_cnt = 1, .lifetime_s = 3600};
	r->tickets.key[0].name[0] = HF_TLS_TICKET_NAME_VERSION;
	rig_order(r, (struct hf_order){.kind = HF_ORDER_TICKETS, .tickets = &r->tickets});
}

static inline void rig_backend(struct rig *r)
{
	uint32_t ring_len = r->ring_len ? r->ring_len : RIG_RING_LEN;
	size_t len = hf_link_region_size(ring_len);

	for (uint32_t i = 0; i < 2; i++) {
		r->region[i] = aligned_alloc(4096, len);
		HF_ASSERT(r->region[i] != NULL);
		memset(r->region[i], 0, len);
		hf_link_region_init(r->region[i], ring_len);
	}
	hf_link_init(&r->ours, HF_LINK_BACKEND, 65536, r->region[0], len, r->region[1], len,
		&r->stats[0]);
	hf_link_init(&r->workers, HF_LINK_WORKER, 65536, r->region[1], len, r->region[0], len,
		&r->stats[1]);
	rig_order(r, (struct hf_order){.kind = HF_ORDER_ENDPOINT_UP, .link = &r->workers});
}

static inline void rig_init(struct rig *r)
{
	r->now = 1000 * HF_NS_S;
	r->sport = 40000;
	if (!r->pk_engine)
		r->pk_engine = &hf_pk_libcrypto;
	if (!r->sym_driver)
		r->sym_driver = &hf_sym_libcrypto;
	r->stream_max = r->stream_max ? r->stream_max : RIG_STREAM_MAX;
	r->in = malloc(r->stream_max);
	HF_ASSERT(r->in != NULL);
	rig_port(r);
	rig_worker(r);
	rig_site(r);
	rig_backend(r);
}

static inline void rig_fini(struct rig *r)
{
	hf_worker_check(r->w);
	r->pk_engine->fini(r->pk);
	r->sym_driver->fini(r->sym);
	free(r->region[0]);
	free(r->region[1]);
	free(r->pk);
	free(r->sym);
	free(r->w);
	while (r->generation)
		free(r->site_mem[--r->generation]);
	r->site = NULL;
	free(r->port);
	free(r->in);
}

/* ---- the client's TCP ---- */

static inline void rig_send_as(struct rig *r, uint8_t flags, const void *options,
	size_t options_len, const void *p, size_t len)
{
	struct packet frame;
	struct packet_spec spec = {.sport = r->sport,
		.seq = r->snd_nxt,
		.ack = r->rcv_nxt,
		.tcp_flags = flags,
		.window = 0xffff, /* times 4 */
		.tcp_options = options,
		.tcp_options_len = options_len,
		.payload = p,
		.payload_len = len};

	packet_tcp(&frame, &spec);
	HF_ASSERT(hf_port_mem_give(r->port, 0, frame.bytes, frame.frame.len));
	r->snd_nxt += (uint32_t)len + !!(flags & HF_TCP_SYN);
}

/* One segment, which acknowledges all that came. */
static inline void rig_send(struct rig *r, const void *p, size_t len)
{
	rig_send_as(r, HF_TCP_ACK | HF_TCP_PSH, NULL, 0, p, len);
}

static inline void rig_ack(struct rig *r)
{
	rig_send_as(r, HF_TCP_ACK, NULL, 0, NULL, 0);
}

static inline void rig_segment(struct rig *r, const struct hf_packet *p)
{
	if (p->tcp_flags & HF_TCP_SYN) {
		r->irs = p->seq;
		r->rcv_nxt = p->seq + 1;
		return;
	}
	r->fin |= (p->tcp_flags & HF_TCP_FIN) != 0;
	HF_ASSERT(!(p->tcp_flags & HF_TCP_RST));
	if (p->payload.len == 0)
		return;
	HF_ASSERT(p->seq == r->rcv_nxt); /* nothing is lost here, so nothing comes twice */
	HF_ASSERT(r->in_len + p->payload.len <= r->stream_max && r->seg_cnt < RIG_SEG_MAX);
	r->seg[r->seg_cnt++] = (struct rig_seg){r->in_len, (uint32_t)p->payload.len, r->turn};
	memcpy(r->in + r->in_len, p->payload.p, p->payload.len);
	r->in_len += (uint32_t)p->payload.len;
	r->rcv_nxt += (uint32_t)p->payload.len;
}

/* One turn of the worker, and what it sent. Returns whether it wants another at once. */
static inline bool rig_turn(struct rig *r)
{
	uint8_t bytes[PACKET_CAP];
	struct hf_packet p;
	enum hf_net_verdict v;
	size_t len;

	r->now += RIG_TURN_NS;
	r->turn++;
	r->poll = hf_worker_poll(r->w, r->now);
	while ((len = hf_port_mem_take(r->port, 0, bytes, sizeof(bytes))) > 0) {
		struct hf_frame f = {.data = bytes, .len = (uint32_t)len, .cap = sizeof(bytes)};

		v = hf_net_parse(&f, false, &p);
		/* replies to ping, reports of listeners */
		HF_ASSERT(v == HF_NET_OK || v == HF_NET_ICMP_IGNORED || v == HF_NET_IP_SOURCE);
		if (v == HF_NET_OK && p.kind == HF_PACKET_TCP)
			(r->segment ? r->segment : rig_segment)(r, &p);
	}
	return r->poll.busy;
}

static inline void rig_settle(struct rig *r)
{
	uint32_t turns = 0;

	while (rig_turn(r))
		HF_ASSERT(++turns < 10000);
}

/* The same site with other limits. */
static inline void rig_reload(struct rig *r, const struct hf_guard_rules *rules)
{
	r->guard = *rules;
	r->site = NULL;
	rig_site(r);
	rig_settle(r);
}

/* A new connection: MSS 1460, window scale 2, SACK, as captured. */
static inline void rig_connect(struct rig *r)
{
	static const uint8_t options[] = {2, 4, 0x05, 0xb4, 1, 3, 3, 2, 1, 1, 4, 2};

	r->sport++;
	r->snd_nxt = 0x10000000;
	r->rcv_nxt = 0;
	r->seg_cnt = r->in_len = 0;
	r->fin = false;
	rig_send_as(r, HF_TCP_SYN, options, sizeof(options), NULL, 0);
	rig_settle(r);
	rig_ack(r);
	rig_settle(r);
}

/* ---- the backend ---- */

static inline uint8_t rig_byte(uint64_t at)
{
	return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

/* Takes what the worker says on the link. */
static inline void rig_backend_take(struct rig *r)
{
	struct hf_link_msg m;
	int rc;

	while ((rc = hf_link_next(&r->ours, &m)) > 0) {
		if (m.type == HF_LINK_OPEN) {
			r->stream = (struct hf_link_stream){0};
			r->answered = 0;
		}
		HF_ASSERT(hf_link_admit(&r->ours, &r->stream, &m) == 0);
		hf_link_skip(&r->ours);
	}
	HF_ASSERT(rc == 0);
	hf_link_release(&r->ours);
}

/* Says as much of len bytes as credit and ring take; returns how many. */
static inline size_t rig_answer(struct rig *r, size_t len)
{
	uint8_t buf[HF_LINK_PAYLOAD_MAX];
	size_t sent = 0, n;

	rig_backend_take(r);
	do {
		size_t want = HF_MIN(len - sent, sizeof(buf));

		for (size_t i = 0; i < want; i++)
			buf[i] = rig_byte(r->answered + i);
		n = want ? hf_link_data(&r->ours, &r->stream, buf, want) : 0;
		sent += n;
		r->answered += n;
	} while (n > 0);
	hf_link_publish(&r->ours);
	return sent;
}

#endif
