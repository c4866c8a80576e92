/* fuzz_worker -- frames into a whole worker: raw ones, and segments built around what a connection
 * expects, with TLS that is right from outside, so that the search gets to handshakes, streams and
 * their ends; between them what neighbours and routers say, time, turns, a backend that answers, resets
 * and goes away, and floods. Over IPv4 and IPv6, with a VLAN tag and without, by the client's port.
 * The doubles open every record and know every Finished. What a worker and its TCP keep count of must be
 * right after every step, every frame that leaves must parse, and each segment leave the way its client's
 * came; at the end, left alone, the worker must come to rest with every pool full again. max_len: 2000 */
#include "tests/doubles/pk_double.h"
#include "tests/doubles/sym_double.h"
#include "tests/support/tls_bytes.h"
#include "tests/support/worker_rig.h"
#include "tests/unit/tcp/check.h"

#define CONNS 4u
#define FLOWS 6u /* source ports 1 to 6 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct script {
	const uint8_t *p, *end;
};

static struct rig rig;
static struct {
	uint32_t seq, ack;
} syn_ack[FLOWS + 1]; /* the last one to each port: an entry's, or a cookie */
static bool backend_up;
static struct hf_link_stream stream[CONNS];

static uint32_t next(struct script *s, unsigned bytes)
{
	uint32_t v = 0;

	for (; bytes > 0; bytes--)
		v = v << 8 | (s->p < s->end ? *s->p++ : 0);
	return v;
}

/* ---- where they are ---- */

#define TAG 12u
#define TAGGED_IP 0x0a000c01u
static const uint8_t tagged_ip6[16] = {0xfd, 12, [15] = 1};

static bool is_v6(uint16_t sport)
{
	return sport % 3 == 0;
}

static uint16_t vlan_of(uint16_t sport)
{
	return sport == 5 || sport == 6 ? TAG : 0;
}

/* From this port, or about a segment that went to it. */
static void aim(struct packet_spec *s, uint16_t sport)
{
	s->sport = sport;
	s->v6 = is_v6(sport);
	s->vlan = vlan_of(sport);
	s->dst = s->vlan ? TAGGED_IP : 0;
	s->dst6 = s->vlan ? tagged_ip6 : NULL;
}

static void addresses(struct hf_worker_port_cfg *side)
{
	*side = (struct hf_worker_port_cfg){.addr_cnt = 4};
	side->addr[0].ip = hf_addr_v4(PACKET_OUR_IP);
	memcpy(side->addr[1].ip.b, packet_our_ip6, 16);
	side->addr[2] = (struct hf_net_addr){hf_addr_v4(TAGGED_IP), TAG};
	side->addr[3].vlan = TAG;
	memcpy(side->addr[3].ip.b, tagged_ip6, 16);
	side->gateway[0].ip = hf_addr_v4(PACKET_ROUTER_IP);
	memcpy(side->gateway[1].ip.b, packet_peer_ip6, 16);
	side->gateway[1].from = 1;
}

/* ---- what leaves ---- */

static void segment_out(struct rig *r HF_UNUSED, const struct hf_packet *p)
{
	bool v6 = !hf_addr_is_v4(&p->dst);

	HF_ASSERT(p->payload.len <= RIG_MTU - (v6 ? 60u : 40u) && p->sport == 443);
	if (p->dport <= FLOWS)
		HF_ASSERT(v6 == is_v6(p->dport) && p->vlan == vlan_of(p->dport));
	if (p->tcp_flags & HF_TCP_SYN && p->dport <= FLOWS) {
		syn_ack[p->dport].seq = p->seq;
		syn_ack[p->dport].ack = p->ack;
	}
}

/* ---- what comes ---- */

static void give(const void *p, size_t len)
{
	if (!hf_port_mem_give(rig.port, 0, p, len)) { /* its queue is full: a turn makes room */
		rig_turn(&rig);
		HF_ASSERT(hf_port_mem_give(rig.port, 0, p, len));
	}
}

static void raw_frame(struct script *s)
{
	size_t said = next(s, 1), len = HF_MIN(said, (size_t)(s->end - s->p));

	give(s->p, len);
	s->p += len;
}

/* Numbers around which a segment of this port is built. */
static void expected(uint16_t sport, uint32_t *seq, uint32_t *ack)
{
	const struct hf_tcp *t = rig.w->tcp;

	*seq = syn_ack[sport].ack;
	*ack = syn_ack[sport].seq + 1;
	for (uint32_t i = 0; i < t->conns.cnt; i++) {
		const struct hf_tcp_conn *c = hf_pool_at(&t->conns, i);

		if (hf_tcp_alive(t, i) && c->info.peer_port == sport) {
			*seq = c->rcv_nxt;
			*ack = c->snd_max;
		}
	}
}

/* What neighbours, routers and anybody say that is no segment, or one with more around it; and one
 * byte of it may be wrong. */
static void other_frame(struct script *s)
{
	struct packet p;
	uint8_t body[64] = {0}, ext[8] = {6, 0};
	uint32_t what = next(s, 1), n = next(s, 1);
	uint16_t sport = (uint16_t)(1 + n % FLOWS);
	struct packet_spec spec = {.payload = body, .payload_len = 4 + n % 48, .window = 8192};
	struct packet_nd nd = {.vlan = vlan_of(sport)};

	aim(&spec, sport);
	switch (what % 8) {
	case 0: /* who has the address, or here it is: ours, the gateway's */
		nd.type = what & 8 ? 136 : 135;
		nd.flags = next(s, 1) << 24;
		nd.target = what & 16 ? packet_peer_ip6 : nd.vlan ? tagged_ip6 : packet_our_ip6;
		body[0] = what & 8 ? 2 : 1;
		body[1] = 1;
		memcpy(body + 2, packet_peer_mac, 6);
		nd.options = body;
		nd.options_len = n & 64 ? 8 : 0;
		packet_nd(&p, &nd);
		break;
	case 1:
		packet_arp(&p, 1 + (n & 1), packet_our_mac, next(s, 1) | 0x0a000000,
			n & 2 ? PACKET_OUR_IP : PACKET_PEER_IP);
		break;
	case 2:
		packet_echo(&p, &spec);
		break;
	case 3: /* a query for listeners: of any version, from anybody */
		spec.v6 = true;
		spec.hops = what & 8 ? 1 : 0;
		packet_icmp(&p, 130, 0, &spec);
		break;
	case 4:
	case 5: { /* about a segment of ours */
		uint32_t seq, ack;

		expected(sport, &seq, &ack);
		spec = (struct packet_spec){.v6 = spec.v6,
			.vlan = spec.vlan,
			.src = spec.dst,
			.src6 = spec.dst6,
			.dport = sport,
			.seq = ack - next(s, 1)};
		if (what % 8 == 4)
			packet_too_big(&p, next(s, 2), &spec);
		else
			packet_quote(&p, next(s, 1), next(s, 1), 0, &spec);
		break;
	}
	default: /* a segment behind an extension header; or a piece of one */
		expected(sport, &spec.seq, &spec.ack);
		spec.tcp_flags = (uint8_t)n;
		memcpy(ext + 2, body, 6);
		if (spec.v6) {
			spec.ip_next = (uint8_t)(what & 8 ? 44 : next(s, 1));
			spec.ip_options = ext;
			spec.ip_options_len = sizeof(ext);
			ext[3] = (uint8_t)next(s, 1);
		}
		packet_tcp(&p, &spec);
		break;
	}
	if (what & 128)
		p.bytes[next(s, 1) % p.frame.len] ^= (uint8_t)(1 + next(s, 1) % 255);
	give(p.bytes, p.frame.len);
}

/* Records of a client, one flight or a part of it. */
static size_t tls_bytes(struct script *s, uint32_t what, uint8_t *out, size_t cap)
{
	static const uint16_t rsa[] = {0x009c};
	uint8_t em[256], message[300], finished[16] = {20, 0, 0, 12}, bytes[256] = {0};
	struct hf_writer w = hf_writer(out, cap), m = hf_writer(message, sizeof(message));
	struct hello h = {.suites = rsa,
		.suite_cnt = 1,
		.name = what & 8 ? "www.example.org" : NULL,
		.ems = what & 16,
		.no_ticket = what & 32};
	size_t n;

	switch (what % 8) {
	case 0:
	case 1:
		return put_hello_record(out, cap, &h);
	case 2:
	case 3:
		put_premaster(em, HF_TLS_12);
		put_key_exchange(&m, em, sizeof(em));
		sym_double_prf("client finished", finished + 4, 12);
		put_record(&w, HF_TLS_CT_HANDSHAKE, HF_TLS_12, message, m.len);
		put_record(&w, HF_TLS_CT_CCS, HF_TLS_12, "\1", 1);
		put_record(&w, HF_TLS_CT_HANDSHAKE, HF_TLS_12, finished, sizeof(finished));
		return w.len;
	case 4:
	case 5:
		n = 1 + next(s, 1);
		put_record(&w, HF_TLS_CT_DATA, HF_TLS_12, bytes, HF_MIN(n, sizeof(bytes)));
		return w.len;
	case 6:
		put_record(&w, HF_TLS_CT_ALERT, HF_TLS_12, what & 8 ? "\1\0" : "\2\50", 2);
		return w.len;
	default:
		n = next(s, 1);
		n = HF_MIN(HF_MIN(n, cap), (size_t)(s->end - s->p));
		memcpy(out, s->p, n);
		s->p += n;
		return n;
	}
}

enum { SEQ_OFF = 1, ACK_OFF = 2, TLS = 4, CUT = 8, PLAIN = 16 };

static void built_segment(struct script *s)
{
	struct packet p;
	uint8_t payload[2000];
	uint32_t how = next(s, 1), cut;
	struct packet_spec spec = {.window = 8192, .payload = payload};

	aim(&spec, (uint16_t)(1 + next(s, 1) % FLOWS));
	expected(spec.sport, &spec.seq, &spec.ack);
	spec.tcp_flags = how & PLAIN ? HF_TCP_ACK : (uint8_t)next(s, 1);
	if (how & TLS)
		spec.payload_len = tls_bytes(s, next(s, 1), payload, sizeof(payload));
	if (how & CUT) { /* from the front: the rest comes later, or never */
		cut = next(s, 1);
		spec.payload_len = HF_MIN(spec.payload_len, (size_t)cut);
	}
	spec.payload_len = HF_MIN(spec.payload_len, (size_t)1400);
	if (how & SEQ_OFF)
		spec.seq += next(s, 2) - 32768;
	if (how & ACK_OFF)
		spec.ack += next(s, 2) - 32768;
	packet_tcp(&p, &spec);
	give(p.bytes, p.frame.len);
}

/* SYN and third ACK, and perhaps a hello at once. */
static void open_flow(struct script *s)
{
	struct packet p;
	uint8_t hello[600];
	uint16_t sport = (uint16_t)(1 + next(s, 1) % FLOWS);
	struct packet_spec spec = {
		.seq = next(s, 1) << 24, .tcp_flags = HF_TCP_SYN, .window = 8192};

	aim(&spec, sport);
	packet_tcp(&p, &spec);
	give(p.bytes, p.frame.len);
	rig_turn(&rig);
	expected(sport, &spec.seq, &spec.ack);
	spec.tcp_flags = HF_TCP_ACK;
	spec.payload = hello;
	if (sport & 1)
		spec.payload_len = tls_bytes(s, 8, hello, sizeof(hello));
	packet_tcp(&p, &spec);
	give(p.bytes, p.frame.len);
}

static void flood(struct script *s)
{
	struct packet p;
	uint32_t cnt = 1 + next(s, 1) % 64, salt = next(s, 1);
	uint8_t flags = (uint8_t)next(s, 1);

	for (uint32_t i = 0; i < cnt; i++) {
		struct packet_spec spec = {.src = 0x0a010000 + salt * 256 + i,
			.sport = (uint16_t)(1000 + i),
			.seq = i << 16,
			.tcp_flags = flags,
			.window = 1};

		packet_tcp(&p, &spec);
		give(p.bytes, p.frame.len);
	}
}

/* ---- around ---- */

/* Takes what the worker says on the link; a stream is kept where its connection's slot is. */
static void backend_take(void)
{
	struct hf_link_msg m;
	int rc;

	while ((rc = hf_link_next(&rig.ours, &m)) > 0) {
		struct hf_link_stream *t = &stream[(uint32_t)m.stream % CONNS];

		if (m.type == HF_LINK_OPEN)
			*t = (struct hf_link_stream){0};
		if (m.type == HF_LINK_OPEN || t->id == m.stream)
			HF_ASSERT(hf_link_admit(&rig.ours, t, &m) == 0);
		hf_link_skip(&rig.ours);
	}
	HF_ASSERT(rc == 0);
	hf_link_release(&rig.ours);
}

static void backend(struct script *s)
{
	static const uint8_t bytes[4000];
	uint32_t what = next(s, 1), rc = 0;
	struct hf_link_stream *t = &stream[what / 8 % CONNS];

	if (!backend_up)
		return;
	backend_take();
	if (what % 8 == 0) {
		backend_up = false;
		rig_order(&rig, (struct hf_order){.kind = HF_ORDER_ENDPOINT_DOWN});
	} else if (t->id && !t->tx_closed) {
		if (what % 8 == 1)
			rc = (uint32_t)hf_link_half_close(&rig.ours, t);
		else if (what % 8 == 2)
			rc = (uint32_t)hf_link_reset(&rig.ours, t, HF_LINK_RESET_SERVER);
		else
			rc = (uint32_t)hf_link_data(
				&rig.ours, t, bytes, next(s, 2) % sizeof(bytes));
	}
	(void)rc; /* without room it is not said */
	hf_link_publish(&rig.ours);
}

static void check(void)
{
	uint32_t held = tcp_check_held(rig.w->tcp);

	hf_worker_check(rig.w);
	HF_ASSERT(held <= rig.w->bufs.chunk.used); /* TLS has the others */
}

static void step(struct script *s)
{
	uint32_t op = next(s, 1);

	switch (op % 16) {
	case 0:
		if (op & 16)
			other_frame(s);
		else
			raw_frame(s);
		break;
	case 1:
		flood(s);
		break;
	case 2:
		rig.now += (uint64_t)next(s, 1) * (op & 16 ? HF_NS_S : 5 * HF_NS_MS);
		break;
	case 3:
		for (uint32_t i = 0; i <= op / 16; i++)
			rig_turn(&rig);
		break;
	case 4:
		backend(s);
		break;
	case 5:
		rig_order(&rig, (struct hf_order){.kind = HF_ORDER_DRAIN, .arg = op >> 4 & 1});
		break;
	case 6:
	case 7:
		open_flow(s);
		break;
	default:
		built_segment(s);
		break;
	}
	rig_turn(&rig);
	check();
}

/* Nobody says anything any more. */
static void come_to_rest(void)
{
	struct hf_event e;

	for (uint32_t i = 0; i < 400 && !(i > 10 && hf_worker_is_idle(rig.w)); i++) {
		rig.now += 5 * HF_NS_S;
		for (uint32_t k = 0; k < 8; k++)
			rig_turn(&rig);
		while (hf_worker_event(rig.w, &e))
			;
	}
	check();
	HF_ASSERT(hf_worker_is_idle(rig.w));
	HF_ASSERT(hf_port_mem_lent(rig.port, 0) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t chain[3000];
	static const uint16_t suite[] = {0x009c};
	struct script s = {data, data + len};

	rig = (struct rig){.cert = {.list = {chain, sizeof(chain)}, .key = &pk_double_key},
		.alpn = "http/1.1",
		.suite = suite,
		.suite_cnt = 1,
		.conn_cnt = CONNS,
		.hs_cnt = 2,
		.half_open_cnt = 4,
		.prefix_cnt = 16,
		.guard = {.prefix4 = 30,
			.half_open = 3,
			.handshakes_per_s = 40,
			.cost_ns_per_s = HF_NS_S,
			.strangers_percent = 1},
		.chunk_cnt = 48,
		.frame_cnt = 96,
		.link_chunk_cnt = 64,
		.ring_len = 1u << 16,
		.stream_max = 1,
		.pk_engine = &pk_double,
		.sym_driver = &sym_double,
		.limits = {10 * HF_NS_S, 20 * HF_NS_S, 10 * HF_NS_S, 30 * HF_NS_S, 5 * HF_NS_S,
			25 * HF_NS_S},
		.reflect = true,
		.segment = segment_out};
	addresses(&rig.side);
	memset(syn_ack, 0, sizeof(syn_ack));
	memset(stream, 0, sizeof(stream));
	rig_init(&rig);
	backend_up = true;
	rig_settle(&rig);
	while (s.p < s.end)
		step(&s);
	come_to_rest();
	rig_fini(&rig);
	return 0;
}
