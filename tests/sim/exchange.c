/* exchange.c -- the client writes a request that carries the plan, so the backend needs to know
 * nothing beforehand; from then on both sides produce one pattern and check the other.
 * A pattern byte is one byte of a hash of (id, position / 8). */
#include "tests/sim/exchange.h"

static const uint8_t magic[4] = {'h', 'f', 'x', '1'};

static uint8_t pattern(uint64_t id, uint32_t pos)
{
	uint64_t z = id + (uint64_t)(pos / 8 + 1) * 0x9e3779b97f4a7c15ull;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return (uint8_t)((z ^ (z >> 31)) >> (pos % 8 * 8));
}

static uint64_t get(const uint8_t *p, int len)
{
	uint64_t v = 0;
	for (int i = 0; i < len; i++)
		v = v << 8 | p[i];
	return v;
}

static void put(uint8_t *p, int len, uint64_t v)
{
	while (len-- > 0) {
		p[len] = (uint8_t)v;
		v >>= 8;
	}
}

void exchange_client(struct exchange *x, const struct exchange_plan *plan)
{
	*x = (struct exchange){.plan = *plan};
	memcpy(x->request, magic, 4);
	put(x->request + 4, 4, plan->flags);
	put(x->request + 8, 8, plan->id);
	put(x->request + 16, 4, plan->up_len);
	put(x->request + 20, 4, plan->down_len);
}

void exchange_server(struct exchange *x, bool lie)
{
	*x = (struct exchange){.server = true, .lie = lie};
}

static bool request_done(const struct exchange *x)
{
	return x->request_len == EXCHANGE_REQUEST_LEN;
}

static size_t request_in(struct exchange *x, const uint8_t *p, size_t len)
{
	len = HF_MIN(len, EXCHANGE_REQUEST_LEN - x->request_len);
	memcpy(x->request + x->request_len, p, len);
	x->request_len += (uint32_t)len;
	if (!request_done(x))
		return len;
	x->bad = memcmp(x->request, magic, 4) != 0;
	x->plan.flags = (uint32_t)get(x->request + 4, 4);
	x->plan.id = get(x->request + 8, 8);
	x->plan.up_len = (uint32_t)get(x->request + 16, 4);
	x->plan.down_len = (uint32_t)get(x->request + 20, 4);
	return len;
}

int exchange_in(struct exchange *x, const uint8_t *p, size_t len)
{
	uint64_t id;
	uint32_t due;
	if (x->server && !request_done(x)) {
		size_t took = request_in(x, p, len);
		p += took;
		len -= took;
	}
	id = x->server ? x->plan.id : ~x->plan.id;
	due = x->server ? x->plan.up_len : x->plan.down_len;
	for (size_t i = 0; i < len && !x->bad; i++) {
		if (x->in == due || p[i] != pattern(id, x->in))
			x->bad = true;
		else
			x->in++;
	}
	return x->bad ? -1 : 0;
}

size_t exchange_out(struct exchange *x, uint8_t *p, size_t cap)
{
	size_t len = 0;
	uint64_t id = x->server ? ~x->plan.id : x->plan.id;
	uint32_t due = x->server ? x->plan.down_len : x->plan.up_len;
	if (!x->server) {
		len = HF_MIN(cap, EXCHANGE_REQUEST_LEN - x->request_len);
		memcpy(p, x->request + x->request_len, len);
		x->request_len += (uint32_t)len;
	} else if (!request_done(x) || ((x->plan.flags & EXCHANGE_AFTER) && !exchange_in_done(x))) {
		return 0;
	}
	for (; len < cap && x->out < due; len++, x->out++)
		p[len] = pattern(id, x->out) ^ (x->lie && x->out == 0);
	return len;
}

bool exchange_in_done(const struct exchange *x)
{
	return (!x->server || request_done(x)) &&
	       x->in == (x->server ? x->plan.up_len : x->plan.down_len);
}

bool exchange_out_done(const struct exchange *x)
{
	if (x->server && (x->plan.flags & EXCHANGE_AFTER) && !exchange_in_done(x))
		return false;
	return request_done(x) && x->out == (x->server ? x->plan.down_len : x->plan.up_len);
}
