/* announce.c -- what a port says unasked: who has our addresses, which groups we listen to, and where the
 * gateways are until they have answered. */
#include "lib/worker/conn.h"

#define ANNOUNCE_MAX 4u /* seconds in which a port says who it is */

/* Frames about one of our addresses, or about a gateway. False: the port has none free. */
static bool say(struct hf_worker_port *p, uint32_t i,
	void (*build)(const struct hf_net_host *h, uint32_t i, struct hf_frame *out))
{
	struct hf_frame f;

	if (!p->port->cls->tx_alloc(p->port, p->queue, &f, 1))
		return false;
	build(&p->host, i, &f);
	p->port->cls->tx(p->port, p->queue, &f, 1);
	return true;
}

static void ask(const struct hf_net_host *h, uint32_t i, struct hf_frame *out)
{
	hf_net_ask(h, &h->gateway[i], out);
}

/* Once for each VLAN with IPv6: at its first address. */
static bool joins(const struct hf_worker_port *p, uint32_t i)
{
	bool v4 = hf_addr_is_v4(&p->addr[i].ip);

	for (uint32_t j = 0; j < i && !v4; j++)
		if (p->addr[j].vlan == p->addr[i].vlan && !hf_addr_is_v4(&p->addr[j].ip))
			return false;
	return !v4;
}

/* First whether another has our IPv6 addresses, which we use meanwhile; he is told of by his answer.
 * Then that we are here, three times (RFC 5227 2.3 and 4861 7.2.6 ask for two, and for at most three). */
static void announce_addr(struct hf_worker_port *p, uint32_t i)
{
	bool v4 = hf_addr_is_v4(&p->addr[i].ip), first = p->announced == 0;

	if (v4 && p->announced == ANNOUNCE_MAX - 1)
		return;
	if (p->announced < 2 && joins(p, i)) /* RFC 3810 9.1: said twice, one may get lost */
		(void)say(p, i, hf_net_join);
	(void)say(p, i, first && !v4 ? hf_net_probe : hf_net_announce);
}

/* Once a second after boot; the gateways' addresses until they are known. Only worker 0 of a port's
 * workers speaks of ours. */
void hf_announce(struct hf_worker *w, struct hf_worker_port *p)
{
	bool asked = false;

	for (; p->host.report; p->host.report &= p->host.report - 1)
		if (!say(p, (uint32_t)__builtin_ctz(p->host.report), hf_net_report))
			break;
	if (w->now < p->announce_at)
		return;
	p->announce_at = w->now + HF_NS_S;
	for (uint32_t i = 0; i < p->host.addr_cnt && p->announced < ANNOUNCE_MAX; i++)
		if (w->cfg.index == 0)
			announce_addr(p, i);
	p->announced += p->announced < ANNOUNCE_MAX;
	for (uint32_t i = 0; i < HF_ARRAY_LEN(p->host.gateway) && !w->cfg.reflect; i++) {
		const struct hf_net_gateway *g = &p->host.gateway[i];

		if (g->known || hf_addr_is_none(&g->ip))
			continue;
		(void)say(p, i, ask);
		asked = true;
	}
	if (!asked && p->announced == ANNOUNCE_MAX)
		p->announce_at = HF_NS_NEVER;
}
