/* pace.c -- the stages of a turn. */
#include "bench/hfbench/pace.h"
#include "bench/hfbench/wire.h"

#define FILL_NS (100 * HF_NS_MS)
#define PEAK_NS (500 * HF_NS_MS)
#define RISE_NS (100 * HF_NS_MS)
#define LOAD_NS HF_NS_S
#define RATE_MIN 2.0
static_assert(
	BENCH_TURN_MAX * (FILL_NS + PEAK_NS + RISE_NS + LOAD_NS) > BENCH_PACE_SECONDS_MAX * HF_NS_S,
	"a run's turns have room");

static void stage(struct bench_pace *p, enum bench_pace_stage s, hf_ns now, hf_ns len)
{
	p->stage = s;
	/* A drain belongs to its load: what began with that counts. */
	if (s != PACE_DRAIN)
		p->began = now;
	p->until = now + len;
}

/* A peak is both the end of a turn and the begin of the next. */
static enum bench_pace_step peak_is(struct bench_pace *p, double peak, hf_ns now)
{
	if (p->turn.rate > 0) {
		HF_ASSERT(p->took_cnt < BENCH_TURN_MAX);
		p->turn.after = peak;
		p->took[p->took_cnt++] = p->turn;
	}
	p->turn = (struct bench_turn){.before = peak, .rate = peak * p->percent / 100};
	if (p->turn.rate >= RATE_MIN) {
		stage(p, PACE_EMPTY, now, 0);
		return PACE_HOLD;
	}
	p->turn.rate = 0;
	stage(p, PACE_FILL, now, FILL_NS);
	return PACE_GO_ON;
}

enum bench_pace_step bench_pace_step(struct bench_pace *p, hf_ns now, uint64_t done, bool quiet)
{
	if (!p->percent || now < p->until)
		return PACE_GO_ON;
	switch (p->stage) {
	case PACE_FILL:
		if (p->until) {
			stage(p, PACE_PEAK, now, PEAK_NS);
			p->done_before = done;
		} else {
			stage(p, PACE_FILL, now, FILL_NS);
		}
		return PACE_GO_ON;
	case PACE_PEAK:
		return peak_is(
			p, (double)(done - p->done_before) * 1e9 / (double)(now - p->began), now);
	case PACE_EMPTY:
		if (!quiet)
			return PACE_GO_ON;
		stage(p, PACE_RISE, now, RISE_NS);
		return PACE_OPEN;
	case PACE_RISE:
		stage(p, PACE_LOAD, now, LOAD_NS);
		return PACE_COUNT;
	case PACE_LOAD:
		stage(p, PACE_DRAIN, now, 0);
		return PACE_GO_ON;
	case PACE_DRAIN:
	default:
		if (!quiet)
			return PACE_GO_ON;
		stage(p, PACE_FILL, now, FILL_NS);
		return PACE_CLOSE;
	}
}
