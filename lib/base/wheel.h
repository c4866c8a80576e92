/* wheel.h -- timers: a hierarchical wheel, 1 ms ticks, 4 levels of 256 slots (49 days).
 * Arm, re-arm and cancel are O(1), and so is a look at the time, however many timers there are. A timer
 * fires never early; it fires at most one tick late, unless more than HF_WHEEL_DEAL are due in about the
 * same time as it: then it may take as many looks more as they are times HF_WHEEL_DEAL.
 * Threads: one worker. Memory: the wheel is a plain struct; timers sit in their owners. */
#ifndef HF_BASE_WHEEL_H
#define HF_BASE_WHEEL_H

#include "lib/base/base.h"

struct hf_timer {
	struct hf_timer *next, *prev; /* next == NULL: not armed */
	hf_ns due;
};

#define HF_WHEEL_LEVELS 4
#define HF_WHEEL_SLOTS 256
#define HF_WHEEL_TICK HF_NS_MS
#define HF_WHEEL_DEAL \
	256u /* timers dealt again at one time: some 30 us, none of them in the cache */

struct hf_wheel {
	uint64_t tick; /* ticks that are fully expired */
	struct hf_timer slot[HF_WHEEL_LEVELS][HF_WHEEL_SLOTS];
	/* a bit per slot that holds a timer */
	uint64_t busy[HF_WHEEL_LEVELS][HF_WHEEL_SLOTS / 64];
	struct hf_timer expired; /* due, waiting for hf_wheel_pop */
	struct hf_timer dealing; /* their coarse slot was entered; to be put into finer ones */
	hf_ns looked_at;
	uint32_t may_deal; /* at this time */
	uint32_t armed;
};

void hf_wheel_init(struct hf_wheel *w, hf_ns now);
/* Arms or re-arms; due in the past fires at the next pop. */
void hf_wheel_arm(struct hf_wheel *w, struct hf_timer *t, hf_ns due);
void hf_wheel_cancel(struct hf_wheel *w, struct hf_timer *t);
/* The next due timer, disarmed, or NULL. Call until NULL, or stop early: the rest keeps. All calls with
 * one `now` deal at most HF_WHEEL_DEAL; hf_wheel_next says when there are more. */
HF_MUST_CHECK struct hf_timer *hf_wheel_pop(struct hf_wheel *w, hf_ns now);
/* Nothing fires before this time; HF_NS_NEVER when empty, a time in the past when something is due, or
 * may be.
 * It is exact for the near timers of level 0; a far one takes at most a jump per level to reach. */
hf_ns hf_wheel_next(const struct hf_wheel *w);

static inline bool hf_timer_armed(const struct hf_timer *t)
{
	return t->next != NULL;
}

#endif
