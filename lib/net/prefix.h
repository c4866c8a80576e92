/* prefix.h -- networks: an address and how many of its bits count; and lists of them, each with a word,
 * in which the most specific that holds an address speaks for it. IPv4 is v4-mapped, so its prefixes are
 * 96 bits longer than written, and one list has both families. Threads: a list is read by any once it is
 * made. Memory: the caller's. Errors: none. Specs: RFC 4632 3.1, 4291 2.3. */
#ifndef HF_NET_PREFIX_H
#define HF_NET_PREFIX_H

#include "lib/base/base.h"

struct hf_prefix {
	struct hf_addr addr; /* bits behind len are zero */
	uint8_t len;         /* 0..128 */
};

/* The network of that length around an address. */
struct hf_prefix hf_prefix_of(const struct hf_addr *a, uint32_t len);
bool hf_prefix_holds(const struct hf_prefix *p, const struct hf_addr *a);

struct hf_prefix_row {
	struct hf_prefix prefix;
	uint8_t word;   /* the caller's, not 0 */
	uint32_t outer; /* by hf_prefix_sort: the next larger one around it; UINT32_MAX: none is */
};

struct hf_prefix_list {
	const struct hf_prefix_row *v;
	uint32_t cnt;
};

/* Puts rows in the order that find wants. No two are the same prefix. */
void hf_prefix_sort(struct hf_prefix_row *v, uint32_t cnt);
/* The word of the most specific one that holds a; 0: none does. */
uint8_t hf_prefix_find(const struct hf_prefix_list *l, const struct hf_addr *a);

#endif
