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
	uint64_t born;
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
	struct session_plan plan = {
		.seed = cfg->seed, .ctx = cfg->kit->server, .record_max = 16384, .nodelay = true};
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

static hf_ns reference_turn(struct subject *s, hf_ns now)
{
	struct hf_frame v[BURST];
	uint32_t cnt = s->port->cls->rx(s->port, 0, v, BURST);
	hf_ns next;
	for (uint32_t i = 0; i < cnt; i++)
		peer_input(s->host, now, v[i].data, v[i].len);
	if (s->plant == PLANT_FRAME && cnt > 0)
		cnt--;
	s->port->cls->rx_give(s->port, 0, v, cnt);
	peer_run(s->host, now);
	next = cnt == BURST ? now : peer_next(s->host, now);
	for (uint32_t i = 0; i < s->session_cnt; i++) {
		session_run(s->session[i], now);
		next = HF_MIN(next, session_next(s->session[i]));
	}
	return next;
}

static void reference_check(struct subject *s HF_UNUSED)
{
}

static bool reference_idle(struct subject *s, hf_ns now)
{
	for (uint32_t i = 0; i < s->session_cnt; i++)
		if (session_result(s->session[i]) == SESSION_RUNNING)
			return false;
	return s->plant != PLANT_LEAK && peer_conns(s->host, now) == 0 &&
	       peer_blocks(s->host) <= s->blocks;
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
	.open = reference_open,
	.turn = reference_turn,
	.check = reference_check,
	.idle = reference_idle,
	.digest = reference_digest,
	.close = reference_close,
};
