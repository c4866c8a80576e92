/* control.c -- what control and a worker tell each other, through two rings: orders, of which a new
 * generation of what is served (site.h) is the weightiest, and events. An old generation is given back
 * when nothing of this worker points into it any more. */
#include "lib/base/secret.h"
#include "lib/worker/conn.h"

/* ---- control's ends ---- */

int hf_worker_order(struct hf_worker *w, const struct hf_order *o)
{
	return hf_spsc_push(w->orders, o, 1) == 1 ? 0 : -1;
}

bool hf_worker_event(struct hf_worker *w, struct hf_event *e)
{
	return hf_spsc_pop(w->events, e, 1) == 1;
}

uint64_t hf_worker_tickets(const struct hf_worker *w)
{
	return atomic_load_explicit(&w->tickets, memory_order_acquire);
}

/* ---- the worker's ---- */

void hf_worker_tell(struct hf_worker *w, struct hf_event *e)
{
	e->at = w->now;
	if (hf_spsc_push(w->events, e, 1) == 0)
		w->stats.events_lost++;
}

static void site_take(struct hf_worker *w, struct hf_site *s)
{
	s->older[w->cfg.index] = w->site;
	w->site = s;
	w->stats.sites_taken++;
	w->stats.site_generation = s->generation;
	hf_trace(&w->trace, w->now, UINT32_MAX, HF_TRACE_SITE, 0, s->generation, 0);
	hf_tcp_listen(w->tcp, s->tcp, s->listener_cnt);
	hf_guard_rule(w->guard, &s->guard);
}

/* Engines drop what they prepared for keys that are no longer served. */
static void keys_forget(struct hf_worker *w, const struct hf_site *s)
{
	for (uint32_t l = 0; l < s->listener_cnt; l++)
		for (uint32_t v = 0; v < s->listener[l].tls.vhost_cnt; v++) {
			const struct hf_tls_vhost *host = &s->listener[l].tls.vhost[v];

			for (uint32_t c = 0; c < host->cert_cnt; c++)
				hf_pk_forget(w->pk, host->cert[c]->key->id);
		}
}

void hf_control_sites_release(struct hf_worker *w)
{
	uint32_t me = w->cfg.index;

	for (struct hf_site *s = w->site; s && s->older[me];) {
		struct hf_site *old = s->older[me];

		if (old->use[me].cnt) {
			s = old;
			continue;
		}
		s->older[me] = old->older[me];
		keys_forget(w, old);
		hf_worker_tell(w,
			&(struct hf_event){.kind = HF_EVENT_SITE_FREE, .arg64 = old->generation});
	}
}

void hf_control_orders(struct hf_worker *w)
{
	struct hf_order o;

	while (hf_spsc_pop(w->orders, &o, 1)) {
		w->busy = true;
		switch (o.kind) {
		case HF_ORDER_SITE:
			site_take(w, o.site);
			break;
		case HF_ORDER_ENDPOINT_UP:
			hf_endpoint_up(w, &o);
			break;
		case HF_ORDER_ENDPOINT_DOWN:
			hf_endpoint_down(w, o.arg);
			break;
		case HF_ORDER_DRAIN:
			w->stats.draining = o.arg;
			hf_tcp_drain(w->tcp, o.arg);
			break;
		case HF_ORDER_SEED:
			hf_rand_reseed(&w->rand, o.seed);
			hf_wipe(o.seed, sizeof(o.seed));
			break;
		case HF_ORDER_TICKETS:
			hf_tls_tickets_take(&w->tls, o.tickets);
			atomic_store_explicit(
				&w->tickets, o.tickets->generation, memory_order_release);
			break;
		case HF_ORDER_WALL:
			w->tls.wall_ns = o.wall_ns;
			break;
		default:
			HF_ASSERT(!"an order that no worker knows");
		}
	}
}
