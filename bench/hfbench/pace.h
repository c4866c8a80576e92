/* pace.h -- what a server is like near its peak, in turns: a closed loop tells the peak of the moment, an open loop
 * asks for a share of it, and the next turn's closed loop tells whether the peak is still the same. All of that in
 * two seconds and from one client, because a shared machine has another speed a few seconds later.
 *
 *   FILL > PEAK   a closed loop
 *   EMPTY         nothing new: its queue would last for long where only a tenth is free
 *   RISE > LOAD   an open loop
 *   DRAIN         nothing new; what was meant to start has its end, however late
 *
 * Of the rest only failures count: the latencies of a run are those of its LOADs.
 * Pure: it is told the time and what was done. Threads: its client's alone. */
#ifndef HF_BENCH_PACE_H
#define HF_BENCH_PACE_H

#include "lib/base/base.h"

#define BENCH_TURN_MAX 64u
#define BENCH_PACE_SECONDS_MAX 100u /* so many turns are not over before */

struct bench_percentiles {
	uint64_t cnt;
	double p50, p95, p99, p999, max; /* ms */
};

struct bench_turn {
	double before, after; /* the peak: handshakes or replies a second */
	double rate;          /* what was asked for in between */
	struct bench_percentiles handshake, reply;
};

enum bench_pace_stage { PACE_FILL, PACE_PEAK, PACE_EMPTY, PACE_RISE, PACE_LOAD, PACE_DRAIN };

struct bench_pace {
	uint32_t percent; /* of the peak; 0: no turns are taken */
	enum bench_pace_stage stage;
	hf_ns began, until; /* of the stage; 0: it is the first */
	uint64_t done_before;
	struct bench_turn turn; /* the one that is under way; rate 0: none is */
	struct bench_turn took[BENCH_TURN_MAX];
	uint32_t took_cnt;
};

/* What the client has to do as a stage ends. */
enum bench_pace_step {
	PACE_GO_ON,
	PACE_HOLD,  /* from now on no connection starts */
	PACE_OPEN,  /* from now on an open loop at turn.rate */
	PACE_COUNT, /* connections meant to start from now on have latencies that count */
	PACE_CLOSE, /* write the turn's percentiles, then a closed loop again */
};

/* done: so many handshakes or replies up to now; quiet: none is under way, and none is due. */
enum bench_pace_step bench_pace_step(struct bench_pace *p, hf_ns now, uint64_t done, bool quiet);

static inline bool bench_pace_counts(const struct bench_pace *p, hf_ns meant_at)
{
	return !p->percent ||
	       ((p->stage == PACE_LOAD || p->stage == PACE_DRAIN) && meant_at >= p->began);
}

#endif
