/* engines.c -- the public-key engines of a worker before it runs. Each one starts, shows with known
 * answers that it computes rightly on this very machine, and is timed against the last one, which
 * computes operations one by one: how many must wait until a batch is the faster way depends on the
 * processor, so it is measured, not written down. */
#include "app/handfast/app.h"

#define GATHER_BATCHES 4u /* a batch waits for its lanes no longer than so many take */

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
				ref->engine->name, ref->engine->takes ? class_name[i] : "curve");
			return false;
		}
	return true;
}

/* How many must wait for a batch, by what was measured or by the options. */
static uint32_t crossover(const struct hf_app *app, const struct hf_pk_engine_ref *ref,
	const struct hf_pk_engine_ref *last, const char *what, const struct hf_pk_pace *pace,
	uint32_t quantum)
{
	uint32_t fill = app->cfg.crypto.crossover ? app->cfg.crypto.crossover
						  : hf_pk_crossover(pace, quantum);
	hf_log(HF_LOG_INFO, "engines",
		"%s %s: a batch of %u takes %llu us, one by %s %llu us: batches from %u on",
		ref->engine->name, what, quantum, pace->batch / HF_NS_US, last->engine->name,
		pace->whole / HF_NS_US, fill);
	return fill;
}

static void set_crossovers(
	const struct hf_app *app, struct hf_pk_engine_ref *ref, struct hf_pk_engine_ref *last)
{
	const struct hf_pk_engine *e = ref->engine;
	struct hf_pk_pace pace;
	for (uint32_t i = 0; i < HF_PK_CLASS_CNT && e->cost == HF_PK_SLICEABLE; i++) {
		pace = hf_pk_measure(ref, last, i, hf_os_now_ns);
		ref->min_fill[i] = crossover(app, ref, last, class_name[i], &pace, e->quantum);
		if (app->cfg.crypto.gather == HF_GATHER_AUTO)
			ref->gather_ns[i] = GATHER_BATCHES * pace.batch;
		last->cost[i] = (uint32_t)(pace.whole * pace.steps / HF_MAX(pace.batch, 1ull));
	}
	for (enum hf_ec_kind k = HF_EC_BASE; k < HF_EC_KIND_CNT && e->ec; k++)
		for (enum hf_group g = HF_GROUP_X25519; g < HF_GROUP_CNT; g++)
			if (e->takes_ec(ref->ctx[0], k, g)) {
				pace = hf_pk_ec_measure(ref, last, k, g, hf_os_now_ns);
				ref->ec_min_fill[k][g] = crossover(
					app, ref, last, hf_ec_name[k][g], &pace, e->ec_quantum);
			}
}

/* Workers are alike: what the first one has measured holds for all. */
static void set_policy(struct hf_app *app, struct hf_app_worker *aw)
{
	struct hf_pk_engine_ref *last = &aw->pk[aw->pk_cnt - 1];
	const struct hf_app_worker *first = &app->worker[0];
	uint32_t e;
	for (e = aw->pk_cnt; e-- > 0;) { /* the best one last: its steps are the unit of cost */
		struct hf_pk_engine_ref *ref = &aw->pk[e];
		if (aw != first) {
			memcpy(ref->min_fill, first->pk[e].min_fill, sizeof(ref->min_fill));
			memcpy(ref->gather_ns, first->pk[e].gather_ns, sizeof(ref->gather_ns));
			memcpy(ref->cost, first->pk[e].cost, sizeof(ref->cost));
			memcpy(ref->ec_min_fill, first->pk[e].ec_min_fill,
				sizeof(ref->ec_min_fill));
		} else if (ref != last && !ref->off) {
			set_crossovers(app, ref, last);
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
