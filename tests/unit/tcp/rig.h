/* rig.h -- a bench for one hf_tcp: segments are put in and taken out as real frames, with sequence
 * numbers relative to each side's first, so that a test reads as a trace:
 *   IN(DATA, "A", .seq = 1, .ack = 1, .len = 100);    what the peer sends, and its outcome
 *   OUT("A", .seq = 1, .ack = 101);                   what we must answer
 *   SILENT();
 * The byte at stream offset i is always rig_byte(i), both ways, and is checked wherever it shows.
 * After every step the module's structures are held against their invariants (check.h). */
#ifndef TESTS_UNIT_TCP_RIG_H
#define TESTS_UNIT_TCP_RIG_H

#include "lib/tcp/tcp_conn.h"
#include "tests/support/packet.h"
#include "tests/support/test.h"
#include "tests/unit/tcp/check.h"

#define MS HF_NS_MS
#define SEC HF_NS_S

#define MSS 1460u
#define OPT_MSS 2, 4, 0x05, 0xb4
#define OPT_WSCALE(n) 1, 3, 3, (n)
#define OPT_SACK 1, 1, 4, 2
#define OPTS(...) \
	.opt = (const uint8_t[]){__VA_ARGS__}, .opt_len = sizeof((const uint8_t[]){__VA_ARGS__})

struct rig_seg {
	const char *flags; /* of "SAFRPU" */
	uint32_t seq, ack; /* relative: 0 is the SYN */
	uint32_t len;
	int wnd; /* in: 0 means rig.peer_wnd, -1 a closed one; out: 0 means do not care, -1 closed */
	const uint8_t *opt;
	size_t opt_len;
	uint16_t sport, dport; /* 0: the rig's */
	bool absolute;         /* seq and ack are not relative */
};

struct rig {
	struct hf_tcp *t;
	struct hf_net_host host;
	struct hf_bufs bufs;
	struct hf_rand rand;
	struct hf_trace trace;
	struct hf_trace_ev ev[64];
	hf_ns now;
	bool v6;
	uint16_t sport;
	uint16_t peer_wnd;
	uint32_t irs, iss;      /* the peer's and our SYN */
	uint64_t written, read; /* stream offsets of the user */
	uint32_t conn;
	uint32_t drop_reads;  /* events READABLE are left alone */
	struct hf_packet out; /* the last segment taken out */
	struct hf_tcpopt out_opt;
	uint8_t out_bytes[PACKET_CAP];
	void *mem, *buf_mem;
};

static const struct hf_tcp_cfg rig_cfg_default = {
	.conn_cnt = 16,
	.half_open_cnt = 8,
	.time_wait_cnt = 8,
	.rcv_wnd_max = 65535,
	.snd_queue_max = 1u << 20,
	.syn_life_ns = 20 * SEC,
	.time_wait_ns = 60 * SEC,
	.close_ns = 30 * SEC,
	.reflect = true,
};

static const struct hf_tcp_listener rig_listener = {.port = 443, .id = 7};

HF_UNUSED static uint8_t rig_byte(uint64_t off)
{
	return (uint8_t)(off * 31 + (off >> 8) * 7 + (off >> 16));
}

HF_UNUSED static void rig_init_with(struct rig *r, const struct hf_tcp_cfg *cfg, uint32_t chunk_cnt)
{
	uint8_t seed[HF_RAND_SEED_LEN] = {1, 2, 3};
	memset(r, 0, sizeof(*r));
	hf_rand_seed(&r->rand, seed);
	hf_trace_init(&r->trace, r->ev, HF_ARRAY_LEN(r->ev));
	r->buf_mem = test_alloc(hf_bufs_footprint(chunk_cnt, 0));
	hf_bufs_init(&r->bufs, r->buf_mem, chunk_cnt, 0);
	r->mem = test_alloc(hf_tcp_footprint(cfg));
	r->now = 1000 * SEC;
	r->t = hf_tcp_init(r->mem, cfg, &r->bufs, &r->rand, &r->trace, r->now);
	r->host = (struct hf_net_host){.mtu = 1500};
	memcpy(r->host.mac, packet_our_mac, sizeof(r->host.mac));
	hf_tcp_port_set(r->t, 0, &r->host);
	hf_tcp_listen(r->t, &rig_listener, 1);
	r->sport = 40000;
	r->peer_wnd = 65535;
	r->irs = 0x10000000;
}

HF_UNUSED static void rig_init(struct rig *r)
{
	rig_init_with(r, &rig_cfg_default, 1024);
}

HF_UNUSED static void rig_check(const struct rig *r)
{
	tcp_check(r->t, &r->bufs, 0);
}

/* ---- segments ---------------------------------------------------------------------------------- */
HF_UNUSED static uint8_t rig_flags(const char *s)
{
	static const char name[] = "FSRPAU";
	uint8_t flags = 0;
	for (; *s; s++)
		flags |= (uint8_t)(1u << (strchr(name, *s) - name));
	return flags;
}

HF_UNUSED static enum hf_tcp_outcome rig_in(struct rig *r, struct rig_seg s)
{
	static struct packet p;
	struct packet_spec spec = {
		.v6 = r->v6,
		.sport = s.sport ? s.sport : r->sport,
		.dport = s.dport ? s.dport : 443,
		.seq = s.absolute ? s.seq : r->irs + s.seq,
		.ack = s.absolute             ? s.ack
		       : strchr(s.flags, 'A') ? r->iss + s.ack
					      : 0,
		.tcp_flags = rig_flags(s.flags),
		.window = s.wnd ? (uint16_t)HF_MAX(s.wnd, 0) : r->peer_wnd,
		.tcp_options = s.opt,
		.tcp_options_len = s.opt_len,
		.payload_len = s.len,
	};
	uint8_t payload[PACKET_CAP];
	struct hf_packet parsed;
	enum hf_tcp_outcome o;
	for (uint32_t i = 0; i < s.len; i++)
		payload[i] = rig_byte(s.seq + i - 1);
	spec.payload = payload;
	packet_tcp(&p, &spec);
	assert_int_equal(hf_net_parse(&p.frame, false, &parsed), HF_NET_OK);
	o = hf_tcp_input(r->t, 0, &parsed, r->now);
	rig_check(r);
	return o;
}

/* The next segment that we send, in r->out; false when there is none. */
HF_UNUSED static bool rig_emit(struct rig *r)
{
	struct hf_frame f = {.data = r->out_bytes, .cap = sizeof(r->out_bytes)};
	uint32_t len = hf_tcp_emit(r->t, 0, &f, r->now);
	rig_check(r);
	assert_int_equal(len, f.len);
	if (len == 0) {
		assert_false(hf_tcp_pending(r->t, 0));
		return false;
	}
	assert_int_equal(hf_net_parse(&f, false, &r->out), HF_NET_OK);
	hf_tcpopt_parse(r->out.options, &r->out_opt);
	assert_false(r->out_opt.malformed);
	return true;
}

/* What we send in one burst of at most max frames; out[i] is valid until the next. */
enum { RIG_BURST_MAX = 32 };
HF_UNUSED static uint32_t rig_emit_burst(struct rig *r, struct hf_packet *out, uint32_t max)
{
	static uint8_t bytes[RIG_BURST_MAX][PACKET_CAP];
	struct hf_frame f[RIG_BURST_MAX];
	uint32_t cnt;
	for (uint32_t i = 0; i < max; i++)
		f[i] = (struct hf_frame){.data = bytes[i], .cap = sizeof(bytes[i])};
	cnt = hf_tcp_emit_burst(r->t, 0, f, max, r->now);
	rig_check(r);
	for (uint32_t i = 0; i < cnt; i++)
		assert_int_equal(hf_net_parse(&f[i], false, &out[i]), HF_NET_OK);
	return cnt;
}

HF_UNUSED static void rig_in_at(struct rig *r, int line, enum hf_tcp_outcome want, struct rig_seg s)
{
	enum hf_tcp_outcome got = rig_in(r, s);
	if (got != want)
		fail_msg("line %d: outcome %s, not %s", line, hf_tcp_outcome_name(got),
			hf_tcp_outcome_name(want));
}

HF_UNUSED static void rig_out_at(struct rig *r, int line, struct rig_seg s)
{
	uint8_t want_flags = rig_flags(s.flags);
	uint32_t seq, ack;
	if (!rig_emit(r))
		fail_msg("line %d: nothing was sent", line);
	if ((want_flags & HF_TCP_SYN) && r->iss == 0)
		r->iss = r->out.seq;
	seq = s.absolute ? r->out.seq : r->out.seq - r->iss;
	ack = s.absolute ? r->out.ack : r->out.ack - r->irs;
	if (!(want_flags & HF_TCP_ACK))
		ack = s.ack;
	if ((r->out.tcp_flags & ~HF_TCP_PSH) != (want_flags & ~HF_TCP_PSH) || seq != s.seq ||
		ack != s.ack || r->out.payload.len != s.len)
		fail_msg("line %d: sent flags %02x seq %u ack %u len %zu", line, r->out.tcp_flags,
			seq, ack, r->out.payload.len);
	for (size_t i = 0; i < r->out.payload.len; i++)
		assert_int_equal(r->out.payload.p[i], rig_byte(seq + i - 1));
	if (s.wnd && r->out.window != HF_MAX(s.wnd, 0))
		fail_msg("line %d: window %u, not %d", line, r->out.window, s.wnd);
}

#define IN(want, ...) \
	rig_in_at(r, __LINE__, HF_TCP_O_##want, (struct rig_seg){.flags = __VA_ARGS__})
#define OUT(...) rig_out_at(r, __LINE__, (struct rig_seg){.flags = __VA_ARGS__})
#define SILENT()                                                                            \
	do {                                                                                \
		if (rig_emit(r))                                                            \
			fail_msg("line %d: sent flags %02x seq %u len %zu", __LINE__,       \
				r->out.tcp_flags, r->out.seq - r->iss, r->out.payload.len); \
	} while (0)

/* Time passes, timers run. */
HF_UNUSED static void rig_wait(struct rig *r, hf_ns ns)
{
	r->now += ns;
	while (hf_tcp_timers(r->t, r->now, 4) > 0)
		rig_check(r);
	rig_check(r);
}

/* ---- the user ---------------------------------------------------------------------------------- */
/* The events of the one connection that has any. */
HF_UNUSED static uint32_t rig_events(struct rig *r)
{
	uint32_t conn, events = 0, all = 0;
	while (hf_tcp_ready_pop(r->t, &conn, &events)) {
		r->conn = conn;
		all |= events;
	}
	return all;
}

HF_UNUSED static void rig_write(struct rig *r, uint32_t len)
{
	struct hf_chain *c = hf_tcp_snd(r->t, r->conn);
	assert_true(hf_tcp_snd_room(r->t, r->conn) >= len);
	for (uint32_t i = 0; i < len; i++) {
		uint8_t b = rig_byte(r->written++);
		assert_int_equal(hf_chain_append(&r->bufs, c, &b, 1), 1);
	}
	hf_tcp_push(r->t, r->conn, r->now);
	rig_check(r);
}

/* Takes what has come, at most max bytes, and checks it; does not credit. */
HF_UNUSED static uint32_t rig_take(struct rig *r, uint32_t max)
{
	struct hf_chain *c = hf_tcp_rcv(r->t, r->conn);
	uint32_t len = (uint32_t)HF_MIN(c->len, (size_t)max), left = len;
	while (left > 0) {
		struct hf_span s = hf_chain_first(c);
		uint32_t n = (uint32_t)HF_MIN(s.len, (size_t)left);
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(s.p[i], rig_byte(r->read++));
		hf_chain_consume(&r->bufs, c, n);
		left -= n;
	}
	rig_check(r);
	return len;
}

HF_UNUSED static uint32_t rig_read(struct rig *r, uint32_t max)
{
	uint32_t len = rig_take(r, max);
	hf_tcp_rcv_credit(r->t, r->conn, len, r->now);
	rig_check(r);
	return len;
}

HF_UNUSED static const struct hf_tcp_conn *rig_conn(const struct rig *r)
{
	return hf_pool_at(&r->t->conns, r->conn);
}

#define rig_stat(r, name) (hf_tcp_stats((r)->t)->name)

/* SYN, SYN-ACK, ACK, with an MSS option only; the round trip takes no time. */
HF_UNUSED static void rig_open(struct rig *r)
{
	r->iss = 0;
	IN(SYN_NEW, "S", OPTS(OPT_MSS));
	OUT("SA", .ack = 1);
	IN(OPENED, "A", .seq = 1, .ack = 1);
	assert_int_equal(rig_events(r), HF_TCP_EV_OPENED);
	SILENT();
}

/* The same with SACK, over a round trip. */
HF_UNUSED static void rig_open_sack(struct rig *r, hf_ns rtt)
{
	r->iss = 0;
	IN(SYN_NEW, "S", OPTS(OPT_MSS, OPT_SACK));
	OUT("SA", .ack = 1);
	rig_wait(r, rtt);
	IN(OPENED, "A", .seq = 1, .ack = 1);
	assert_int_equal(rig_events(r), HF_TCP_EV_OPENED);
	SILENT();
}

/* Everything is given back: what is left at the end of each test. */
HF_UNUSED static void rig_fini(struct rig *r)
{
	for (uint32_t i = 0; i < r->t->conns.cnt; i++) {
		if (!hf_tcp_alive(r->t, i))
			continue;
		hf_tcp_abort(r->t, i, r->now);
		hf_tcp_free(r->t, i);
	}
	for (uint32_t i = 0; i < 2 * HF_TCP_HALF_LEVELS; i++) {
		while (rig_emit(r))
			;
		rig_wait(r, 100 * SEC);
	}
	assert_int_equal(r->bufs.chunk.used, 0);
	assert_int_equal(rig_stat(r, conns), 0);
	assert_int_equal(rig_stat(r, half_open), 0);
	assert_int_equal(rig_stat(r, time_wait), 0);
	assert_int_equal(rig_stat(r, ooo_chunks), 0);
	assert_int_equal(r->t->flows.cnt, 0);
	assert_int_equal(r->t->wheel.armed, 0);
	free(r->mem);
	free(r->buf_mem);
}

#define RIG_TEST(name)                        \
	static void name##_on(struct rig *r); \
	static void name(void **state)        \
	{                                     \
		static struct rig rig;        \
		(void)state;                  \
		rig_init(&rig);               \
		name##_on(&rig);              \
		rig_fini(&rig);               \
	}                                     \
	static void name##_on(struct rig *r)

#endif
