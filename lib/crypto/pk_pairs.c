/* pk_pairs.c -- see pk_pairs.h. */
#include "lib/crypto/pk_pairs.h"
#include "lib/base/secret.h"

static void drop_first(struct hf_pk_pairs *r)
{
	hf_wipe(&r->pair[r->first], sizeof(r->pair[0]));
	r->first = (r->first + 1) % HF_PK_PAIRS;
	r->cnt--;
}

bool hf_pk_pairs_take(struct hf_pk_pairs *r, struct hf_pk_pair *out, hf_ns now)
{
	r->wanted_until = now + HF_PK_PAIR_AGE_NS;
	if (r->cnt == 0)
		return false;
	*out = r->pair[r->first];
	drop_first(r);
	return true;
}

struct hf_pk_pair *hf_pk_pairs_place(struct hf_pk_pairs *r)
{
	HF_ASSERT(r->cnt < HF_PK_PAIRS);
	return &r->pair[(r->first + r->cnt) % HF_PK_PAIRS];
}

void hf_pk_pairs_put(struct hf_pk_pairs *r, hf_ns now)
{
	r->made_at[(r->first + r->cnt) % HF_PK_PAIRS] = now;
	r->cnt++;
}

uint32_t hf_pk_pairs_age(struct hf_pk_pairs *r, hf_ns now)
{
	uint32_t aged = 0;

	for (; r->cnt > 0 && now - r->made_at[r->first] >= HF_PK_PAIR_AGE_NS; aged++)
		drop_first(r);
	return aged;
}
