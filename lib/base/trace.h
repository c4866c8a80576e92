/* trace.h -- the flight recorder: the last events of a worker in a ring of 32-byte entries.
 * Cheap enough to be always on; dumped by hf_panic, by `hfctl trace`, and compared by simulation
 * (the same seed gives the same trace). Never holds secrets or payload.
 * Threads: written by one worker, read racily by the control thread (torn entries are possible and
 * harmless). Memory: caller's array, a power of two. */
#ifndef HF_BASE_TRACE_H
#define HF_BASE_TRACE_H

#include "lib/base/base.h"

struct hf_trace_ev {
	hf_ns at;
	uint32_t conn; /* slot index, UINT32_MAX for none */
	uint16_t what; /* enum hf_trace_what, lib/base/trace.def */
	uint16_t a;
	uint64_t b, c;
};
static_assert(sizeof(struct hf_trace_ev) == 32, "two events per cache line");

enum hf_trace_what {
#define HF_TRACE(name, text) HF_TRACE_##name,
#include "lib/base/trace.def"
#undef HF_TRACE
	HF_TRACE_CNT
};

struct hf_trace {
	struct hf_trace_ev *ev;
	uint32_t mask;
	uint64_t seq;    /* events ever written */
	uint64_t digest; /* running hash of all events, for the simulation's comparison */
};

void hf_trace_init(struct hf_trace *t, struct hf_trace_ev *ev, uint32_t cnt);
const char *hf_trace_name(enum hf_trace_what what); /* static text, for renderers */

static inline void hf_trace(struct hf_trace *t, hf_ns at, uint32_t conn, enum hf_trace_what what,
	unsigned a, uint64_t b, uint64_t c)
{
	struct hf_trace_ev *e = &t->ev[t->seq++ & t->mask];
	*e = (struct hf_trace_ev){at, conn, (uint16_t)what, (uint16_t)a, b, c};
	t->digest = (t->digest ^ (at + conn + ((uint64_t)what << 48) + ((uint64_t)a << 32))) *
			    0x9e3779b97f4a7c15ull +
		    (b ^ (c << 1)) + 1;
}

#endif
