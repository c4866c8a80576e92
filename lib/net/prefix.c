/* prefix.c -- networks nest or are apart, so a list in the order of first addresses, larger ones first,
 * is a tree in which everybody stands behind who encloses him. The last one that begins at or before an
 * address holds it, or somebody around that one does. */
#include "lib/net/prefix.h"

struct hf_prefix hf_prefix_of(const struct hf_addr *a, uint32_t len)
{
	struct hf_prefix p = {.addr = *a, .len = (uint8_t)len};
	for (uint32_t i = 0; i < sizeof(p.addr.b); i++) {
		uint32_t bits = len > 8 * i ? HF_MIN(len - 8 * i, 8u) : 0;
		p.addr.b[i] &= (uint8_t)(0xff00u >> bits);
	}
	return p;
}

bool hf_prefix_holds(const struct hf_prefix *p, const struct hf_addr *a)
{
	uint32_t whole = p->len / 8, rest = p->len % 8;
	if (memcmp(p->addr.b, a->b, whole) != 0)
		return false;
	return rest == 0 || (p->addr.b[whole] ^ a->b[whole]) >> (8 - rest) == 0;
}

static bool before(const struct hf_prefix_row *x, const struct hf_prefix_row *y)
{
	int diff = memcmp(x->prefix.addr.b, y->prefix.addr.b, sizeof(x->prefix.addr.b));
	return diff < 0 || (diff == 0 && x->prefix.len < y->prefix.len);
}

/* Shell's sort: some thousand rows, and never while frames wait. */
void hf_prefix_sort(struct hf_prefix_row *v, uint32_t cnt)
{
	uint32_t gap = 1;
	while (gap < cnt / 3)
		gap = 3 * gap + 1; /* Knuth 5.2.1 */
	for (; gap > 0; gap /= 3)
		for (uint32_t i = gap; i < cnt; i++) {
			const struct hf_prefix_row row = v[i];
			uint32_t at = i;
			for (; at >= gap && before(&row, &v[at - gap]); at -= gap)
				v[at] = v[at - gap];
			v[at] = row;
		}
	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t outer = i ? i - 1 : UINT32_MAX;
		while (outer != UINT32_MAX && !hf_prefix_holds(&v[outer].prefix, &v[i].prefix.addr))
			outer = v[outer].outer;
		v[i].outer = outer;
	}
}

uint8_t hf_prefix_find(const struct hf_prefix_list *l, const struct hf_addr *a)
{
	uint32_t from = 0, to = l->cnt, i;
	while (from < to) { /* from: how many begin at or before a */
		uint32_t mid = (from + to) / 2;
		if (memcmp(l->v[mid].prefix.addr.b, a->b, sizeof(a->b)) <= 0)
			from = mid + 1;
		else
			to = mid;
	}
	i = from ? from - 1 : UINT32_MAX;
	while (i != UINT32_MAX && !hf_prefix_holds(&l->v[i].prefix, a))
		i = l->v[i].outer;
	return i == UINT32_MAX ? 0 : l->v[i].word;
}
