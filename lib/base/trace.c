/* trace.c -- the recorder itself is one inline store (trace.h); here are its birth and the names of
 * what it can say, which come from trace.def like the enum does. */
#include "lib/base/trace.h"

static const char *const name[HF_TRACE_CNT] = {
#define HF_TRACE(id, text) #id,
#include "lib/base/trace.def"
#undef HF_TRACE
};

void hf_trace_init(struct hf_trace *t, struct hf_trace_ev *ev, uint32_t cnt)
{
	HF_ASSERT(cnt > 0 && (cnt & (cnt - 1)) == 0);
	memset(ev, 0, cnt * sizeof(*ev));
	*t = (struct hf_trace){.ev = ev, .mask = cnt - 1};
}

const char *hf_trace_name(enum hf_trace_what what)
{
	return (uint32_t)what < HF_TRACE_CNT ? name[what] : "?";
}
