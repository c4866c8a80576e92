/* engines.c -- the public-key engines of a worker before it runs. Each one starts, shows with known
 * answers that it computes rightly on this very machine, and is timed against the last one, which
 * computes operations one by one: how many must wait until a batch is the faster way depends on the
 * processor, so it is measured, not written down. */
#include "app/handfast/app.h"

static const char *const class_name[HF_PK_CLASS_CNT] = {"RSA-2048", "RSA-3072", "RSA-4096"};

/* False when it cannot run here at all. */
static bool start(struct hf_app *app, const struct hf_pk_engine *e, struct hf_pk_engine_ref *ref)
{
	uint32_t i, own = hf_engine_ctx_cnt(e);
	*ref = (struct hf_pk_engine_ref){.engine = e};
	for (i = 0; i < HF_PK_CLASS_CNT; i++) {
		if (i >= own) {
			ref->ctx[i] = ref->ctx[0];
			continue;
		}
		ref->ctx[i] = hf_os_mem_carve(&app->mem, e->size(), HF_CACHE_LINE);
		if (e->init(ref->ctx[i]) == 0)
			continue;
		while (i-- > 0)
			e->fini(ref->ctx[i]);
		return false;
	}
	return true;
}

static bool proves_itself(const struct hf_pk_engine_ref *ref)
{
	uint32_t i;
	for (i = 0; i < HF_PK_CLASS_CNT; i++)
		if (hf_pk_selftest(ref->engine, ref->ctx[i], i)) {
			hf_log(HF_LOG_ERROR, "engines",
				"%s gives a wrong answer to a known %s question; it is off",
				ref->engine->name, class_name[i]);
			return false;
		}
	return true;
}

/* Workers are alike: what the first one has measured holds for all. */
static void set_crossover(
	const struct hf_app *app, struct hf_pk_engine_ref *ref, struct hf_pk_engine_ref *last)
{
	uint32_t i;
	for (i = 0; i < HF_PK_CLASS_CNT; i++) {
		struct hf_pk_pace pace = hf_pk_measure(ref, last, i, hf_os_now_ns);
		uint32_t fill = hf_pk_crossover(&pace, ref->engine->quantum);
		ref->min_fill[i] = app->cfg.crypto.crossover ? app->cfg.crypto.crossover : fill;
		last->cost[i] = (uint32_t)(pace.whole * pace.steps / HF_MAX(pace.batch, 1ull));
		hf_log(HF_LOG_INFO, "engines",
			"%s %s: a batch of %u takes %llu us, one by %s %llu us: batches from %u on",
			ref->engine->name, class_name[i], ref->engine->quantum,
			pace.batch / HF_NS_US, last->engine->name, pace.whole / HF_NS_US,
			ref->min_fill[i]);
	}
}

static void set_policy(struct hf_app *app, struct hf_app_worker *aw)
{
	struct hf_pk_engine_ref *last = &aw->pk[aw->pk_cnt - 1];
	const struct hf_app_worker *first = &app->worker[0];
	uint32_t e;
	for (e = aw->pk_cnt; e-- > 0;) { /* the best one last: its steps are the unit of cost */
		if (aw != first) {
			memcpy(aw->pk[e].min_fill, first->pk[e].min_fill,
				sizeof(first->pk[e].min_fill));
			memcpy(aw->pk[e].cost, first->pk[e].cost, sizeof(first->pk[e].cost));
		} else if (aw->pk[e].engine->cost == HF_PK_SLICEABLE && !aw->pk[e].off) {
			set_crossover(app, &aw->pk[e], last);
		}
	}
}

int hf_engines_start(struct hf_app *app, struct hf_app_worker *aw)
{
	const struct hf_plan *p = &app->plan;
	uint32_t i;
	for (i = 0; i < p->pk_cnt; i++) {
		struct hf_pk_engine_ref *ref = &aw->pk[aw->pk_cnt];
		if (!start(app, p->pk[i], ref)) {
			hf_log(HF_LOG_WARN, "engines", "%s does not start; others serve",
				p->pk[i]->name);
			continue;
		}
		ref->off = !proves_itself(ref);
		aw->pk_cnt++;
	}
	if (aw->pk_cnt == 0 || aw->pk[aw->pk_cnt - 1].engine != p->pk[p->pk_cnt - 1] ||
		aw->pk[aw->pk_cnt - 1].off)
		return -1;
	set_policy(app, aw);
	return 0;
}

void hf_engines_stop(struct hf_app_worker *aw)
{
	uint32_t e, i;
	for (e = 0; e < aw->pk_cnt; e++)
		for (i = 0; i < hf_engine_ctx_cnt(aw->pk[e].engine); i++)
			aw->pk[e].engine->fini(aw->pk[e].ctx[i]);
}
