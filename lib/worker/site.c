/* site.c -- lays one generation out in one block: the listener tables of tcp and tls side by side,
 * with the same index, and a cache line per worker for its count. */
#include "lib/worker/site.h"

/* The block is measured and carved by the same walk, so the two cannot disagree. */
static void *carve(uintptr_t *at, size_t len)
{
	void *here = (void *)*at;
	*at += HF_ROUND_UP(len, (size_t)HF_CACHE_LINE);
	return here;
}

static struct hf_site *layout(uintptr_t *at, const struct hf_site_spec *spec, bool fill)
{
	struct hf_site *s = carve(at, sizeof(*s));
	void *tcp = carve(at, spec->listener_cnt * sizeof(*s->tcp));
	void *listener = carve(at, spec->listener_cnt * sizeof(*s->listener));
	void *use = carve(at, spec->worker_cnt * sizeof(*s->use));
	void *older = carve(at, spec->worker_cnt * sizeof(*s->older));
	void *list = carve(at, spec->guard.list.cnt * sizeof(*spec->guard.list.v));

	if (fill) {
		*s = (struct hf_site){spec->generation, tcp, listener, spec->listener_cnt,
			spec->worker_cnt, spec->limits, spec->guard, use, older};
		s->guard.list.v = list;
	}
	return s;
}

size_t hf_site_footprint(const struct hf_site_spec *spec)
{
	uintptr_t at = 0;

	layout(&at, spec, false);
	return at;
}

static void list_fill(struct hf_site *s, const struct hf_prefix_list *from)
{
	struct hf_prefix_row *v = (struct hf_prefix_row *)(uintptr_t)s->guard.list.v;

	memcpy(v, from->v, from->cnt * sizeof(*v));
	hf_prefix_sort(v, from->cnt);
}

struct hf_site *hf_site_init(void *mem, const struct hf_site_spec *spec)
{
	uintptr_t at = (uintptr_t)mem;
	struct hf_site *s;

	memset(mem, 0, hf_site_footprint(spec));
	s = layout(&at, spec, true);
	if (spec->guard.list.cnt)
		list_fill(s, &spec->guard.list);
	for (uint32_t i = 0; i < spec->listener_cnt; i++) {
		const struct hf_site_listener_spec *l = &spec->listener[i];

		HF_ASSERT(l->vhost_cnt > 0);
		s->tcp[i] = (struct hf_tcp_listener){l->addr, l->port, (uint16_t)i};
		s->listener[i] = (struct hf_site_listener){
			.tls = {.generation = spec->generation,
				.context = l->context,
				.vhost = l->vhost,
				.vhost_cnt = l->vhost_cnt,
				.suite = spec->suite,
				.suite_cnt = spec->suite_cnt,
				.group = spec->group,
				.group_cnt = spec->group_cnt,
				.strict = l->strict,
				.use = s->use},
			.backend = l->backend,
			.linger_ns = l->linger_ns,
		};
	}
	return s;
}
