#include "lib/crypto/pk_gather.h"

#define GAP_MAX (16 * HF_NS_MS) /* a pause is forgotten after a few operations */
#define VAIN_MAX 4u
/* A client by himself waits in vain, too: four times in a thousand, so that his 99th percentile has none of it. */
#define HASTY_BATCHES 1024u

void hf_pk_gather_came(struct hf_pk_gather *g, hf_ns now)
{
	hf_ns gap = HF_MIN(now - g->came_at, GAP_MAX);

	g->came_at = now;
	g->gap = (7 * g->gap + gap) / 8;
}

/* Two are to be expected before the time is over, lest one be waited for in vain. */
bool hf_pk_gather_waits(const struct hf_pk_gather *g, hf_ns waited, hf_ns limit)
{
	return !g->hasty && waited < limit && (g->held || 2 * g->gap < limit - waited);
}

void hf_pk_gather_hold(struct hf_pk_gather *g, uint32_t cnt)
{
	if (!g->held)
		g->held = cnt;
}

void hf_pk_gather_begun(struct hf_pk_gather *g, uint32_t cnt)
{
	if (g->hasty)
		g->hasty--;
	else if (g->held)
		g->vain = cnt > g->held ? 0 : g->vain + 1;
	g->held = 0;
	if (g->vain < VAIN_MAX)
		return;
	g->vain = 0;
	g->hasty = HASTY_BATCHES;
}
