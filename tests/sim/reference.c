/* reference.c -- lwIP and libssl as the server: the wire, the faults and the clients under test
 * without the appliance. It treats the port as a worker does: bursts in, frames given back, one
 * frame asked for and sent at a time. */
#include <stdlib.h>
#include "tests/sim/session.h"
#include "tests/sim/subject.h"

#define BURST 32u

struct subject {
	struct hf_port *port;
	struct peer *host;
	struct session **session;
	uint32_t session_cnt, session_cap;
	int blocks; /* of lwIP's memory, for listening */
	uint64_t born, frames;
	enum subject_plant plant;
};

static void send_frame(void *ctx, const uint8_t *frame, size_t len)
{
	struct hf_port *p = ((struct subject *)ctx)->port;
	struct hf_frame v;
	if (p->cls->tx_alloc(p, 0, &v, 1) == 0)
		return; /* a full NIC queue: TCP sends it again */
	HF_ASSERT(len <= v.cap);
	memcpy(v.data, frame, len);
	v.len = (uint32_t)len;
	p->cls->tx(p, 0, &v, 1);
}

static void born(void *ctx, struct session *session)
{
	struct subject *s = ctx;
	if (s->session_cnt == s->session_cap) {
		s->session_cap = 2 * s->session_cap + 8;
		s->session = realloc(s->session, s->session_cap * sizeof(struct session *));
		HF_ASSERT(s->session != NULL);
	}
	s->session[s->session_cnt++] = session;
	s->born++;
}

static struct subject *reference_open(const struct subject_cfg *cfg, hf_ns now)
{
	struct subject *s = calloc(1, sizeof(*s));
	struct peer_cfg host = {
		.seed = cfg->seed, .ip4 = cfg->ip4, .ip6 = cfg->ip6, .send = send_frame, .ctx = s};
	struct session_plan plan = {.patience = SESSION_PATIENCE_LONG,
		.seed = cfg->seed,
		.ctx = cfg->kit->server,
		.record_max = 16384,
		.nodelay = true};
	HF_ASSERT(s != NULL);
	s->port = cfg->port;
	s->plant = cfg->plant;
	plan.lie = s->plant == PLANT_BYTE;
	memcpy(host.mac, cfg->port->info.mac, sizeof(host.mac));
	s->host = peer_new(&host, now);
	session_listen(s->host, now, cfg->tcp_port, &plan, born, s);
	s->blocks = peer_blocks(s->host);
	return s;
}

/* True when the queue may have more. */
static bool take_frames(struct subject *s, uint32_t queue, hf_ns now)
{
	struct hf_frame v[BURST];
	uint32_t cnt = s->port->cls->rx(s->port, queue, v, BURST), give = cnt;
	for (uint32_t i = 0; i < cnt; i++)
		peer_input(s->host, now, v[i].data, v[i].len);
	s->frames += cnt;
	if (s->plant == PLANT_FRAME && cnt > 0)
		give--;
	s->port->cls->rx_give(s->port, queue, v, give);
	return cnt == BURST;
}

static hf_ns reference_turn(struct subject *s, hf_ns now)
{
	bool more = false;
	hf_ns next;
	for (uint32_t q = 0; q < s->port->info.queue_cnt; q++)
		more |= take_frames(s, q, now);
	peer_run(s->host, now);
	next = more ? now : peer_next(s->host, now);
	for (uint32_t i = 0; i < s->session_cnt; i++) {
		session_run(s->session[i], now);
		next = HF_MIN(next, session_next(s->session[i]));
	}
	return next;
}

static void reference_check(struct subject *s HF_UNUSED)
{
}

static uint64_t reference_frames(const struct subject *s)
{
	return s->frames;
}

static const char *reference_left(struct subject *s, hf_ns now)
{
	for (uint32_t i = 0; i < s->session_cnt; i++)
		if (session_result(s->session[i]) == SESSION_RUNNING)
			return "a session";
	if (s->plant == PLANT_LEAK || peer_conns(s->host, now) != 0)
		return "a connection";
	return peer_blocks(s->host) > s->blocks ? "memory of lwIP" : NULL;
}

static uint32_t reference_reasons(
	const struct subject *s, struct subject_reason v[SUBJECT_REASON_MAX])
{
	v[0] = (struct subject_reason){"server_not_done", 0};
	for (uint32_t i = 0; i < s->session_cnt; i++)
		v[0].cnt += session_result(s->session[i]) != SESSION_DONE;
	return 1;
}

static bool reference_lost(const struct subject *s HF_UNUSED,
	const struct hf_addr *client HF_UNUSED, uint16_t port HF_UNUSED)
{
	return false;
}

static void reference_trace(const struct subject *s HF_UNUSED, FILE *to HF_UNUSED)
{
}

static uint64_t reference_digest(const struct subject *s)
{
	static uint64_t another;
	return s->plant == PLANT_TRACE ? another++ : s->born;
}

static void reference_close(struct subject *s, hf_ns now)
{
	for (uint32_t i = 0; i < s->session_cnt; i++)
		session_free(s->session[i], now);
	peer_free(s->host);
	free(s->session);
	free(s);
}

const struct subject_class subject_reference = {
	.name = "reference",
	.ip6 = true,
	.open = reference_open,
	.turn = reference_turn,
	.check = reference_check,
	.frames = reference_frames,
	.left = reference_left,
	.reasons = reference_reasons,
	.lost = reference_lost,
	.digest = reference_digest,
	.trace = reference_trace,
	.close = reference_close,
};
