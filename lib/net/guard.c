/* guard.c -- limits are leaky buckets told by one time each: `full_at`, until when what was taken lasts
 * at the allowed rate. Taking moves it on, and while it is no more than a burst ahead there is room
 * (the virtual scheduling of ITU-T I.371). So a bucket is a number, needs no refilling and can owe.
 *
 * What a prefix matters is one number, too: until when it shall be remembered. Somebody seen once is
 * worth a second, who was refused a minute, who has completed a handshake ten minutes. In a full set the
 * least of these makes room, but never for a newcomer who is worth less.
 *
 * SYNs that were refused are remembered apart, by two bytes each in a table without chains: when, and
 * enough of a hash to tell them from others. A client says his SYN again after a second (RFC 6298 2.1). */
#include "lib/net/guard.h"

#define WAYS 8u
#define PREFIX4 24u      /* what the Internet routes by (RFC 7454 6.1.3) */
#define PREFIX6 56u      /* what a home gets (RFC 6177 2) */
#define BURST_NS HF_NS_S /* what a second allows may come at once */
#define QUARTERS \
	4u /* one of strangers' time for their first SYNs, which a flood eats up, the others for those that return */
#define DEBT_NS (10 * HF_NS_S) /* nobody owes more than this */
#define KNOWN_S 600u           /* since a handshake: known */
#define REFUSED_S 60u          /* since a refusal: worth to be remembered */
#define HALF_OPEN_S 60u        /* the longest life of a half-open entry */
#define SEEN_S 1u
#define CREDIT 256u    /* SYNs that a known prefix may leave incomplete */
#define CREDIT_BACK 2u /* for each that is completed */
#define SAMPLE 16u     /* of so many strangers' SYNs that were refused, one is looked up */
#define PRICE_FIRST (6 * HF_NS_US) /* of an answer, until it was measured: over af_packet */
#define PRICE_LEAST 300u           /* TCP's own part */
#define SYNS_PER_PREFIX 32u        /* refused SYNs that are remembered */
#define SYN_TICK (128 * HF_NS_MS)
#define SYN_SOONEST 6u /* ticks: nobody says it again within 768 ms */
#define SYN_LATEST 64u /* 8 s */

struct head {
	uint64_t key;        /* 0: free */
	uint32_t worth_till; /* seconds */
	uint32_t known_till;
};

struct second {
	uint32_t at; /* which */
	uint32_t syns, opens;
	uint32_t cost_us;
};

struct entry {
	hf_ns opens_full_at, cost_full_at;
	uint32_t half_open, credit;
	struct second is, was;
	uint64_t refused[HF_GUARD_VERDICT_CNT];
};
static_assert(
	sizeof(struct entry) <= 2 * HF_CACHE_LINE, "two lines for a prefix, and a part of a third");

struct set {
	struct head head[WAYS];
	struct entry entry[WAYS];
};

struct budget {
	hf_ns each;  /* what one takes; 0: no bound */
	hf_ns burst; /* so much of it at once */
	hf_ns full_at;
};

struct hf_guard {
	struct hf_guard_rules rules;
	struct budget stranger, returned;
	uint32_t half_open_max, handshakes_max; /* of this worker */
	hf_ns cost_max;
	uint32_t worker_cnt, set_mask, syn_mask, sample;
	uint8_t key[16];
	hf_ns price;
	struct set *set;
	uint16_t *syn;
	struct hf_guard_stats stats;
};

/* ---- memory ---- */
static uint32_t power_of_two(uint32_t least)
{
	uint32_t n = 1;
	while (n < least)
		n *= 2;
	return n;
}

static uint32_t set_cnt(uint32_t prefix_cnt)
{
	return power_of_two((prefix_cnt + WAYS - 1) / WAYS);
}

size_t hf_guard_footprint(uint32_t prefix_cnt)
{
	uint32_t sets = set_cnt(prefix_cnt);
	return HF_ROUND_UP(sizeof(struct hf_guard), (size_t)HF_CACHE_LINE) +
	       HF_ROUND_UP(sets * sizeof(struct set), (size_t)HF_CACHE_LINE) +
	       HF_ROUND_UP((size_t)sets * WAYS * SYNS_PER_PREFIX * sizeof(uint16_t),
		       (size_t)HF_CACHE_LINE);
}

struct hf_guard *hf_guard_init(
	void *mem, uint32_t prefix_cnt, uint32_t worker_cnt, struct hf_rand *rand)
{
	static const struct hf_guard_rules none;
	struct hf_guard *g = mem;
	uint32_t sets = set_cnt(prefix_cnt);
	memset(mem, 0, hf_guard_footprint(prefix_cnt));
	g->worker_cnt = worker_cnt;
	g->set_mask = sets - 1;
	g->syn_mask = sets * WAYS * SYNS_PER_PREFIX - 1;
	g->set = (void *)((uint8_t *)mem + HF_ROUND_UP(sizeof(*g), (size_t)HF_CACHE_LINE));
	g->syn = (void *)((uint8_t *)g->set +
			  HF_ROUND_UP(sets * sizeof(struct set), (size_t)HF_CACHE_LINE));
	g->price = PRICE_FIRST;
	hf_rand_bytes(rand, g->key, sizeof(g->key));
	hf_guard_rule(g, &none);
	return g;
}

/* ---- rules ---- */
static void share_out(struct hf_guard *g)
{
	uint64_t percent = g->rules.strangers_percent;
	hf_ns each = percent ? g->price * 100 / percent : 0;
	g->stranger.each = each * QUARTERS;
	g->stranger.burst = QUARTERS * BURST_NS;
	g->returned.each = each * QUARTERS / (QUARTERS - 1);
	g->returned.burst = BURST_NS;
	g->stats.strangers_rate = each ? HF_NS_S / each : 0;
}

static uint32_t part(const struct hf_guard *g, uint32_t whole)
{
	return (whole + g->worker_cnt - 1) / g->worker_cnt;
}

void hf_guard_rule(struct hf_guard *g, const struct hf_guard_rules *rules)
{
	g->rules = *rules;
	g->rules.prefix4 = rules->prefix4 ? rules->prefix4 : PREFIX4;
	g->rules.prefix6 = rules->prefix6 ? rules->prefix6 : PREFIX6;
	g->half_open_max = part(g, rules->half_open);
	g->handshakes_max = part(g, rules->handshakes_per_s);
	g->cost_max = HF_MIN((rules->cost_ns_per_s + g->worker_cnt - 1) / g->worker_cnt, HF_NS_S);
	share_out(g);
}

void hf_guard_price(struct hf_guard *g, hf_ns answer_ns)
{
	g->price = HF_MAX(answer_ns, (hf_ns)PRICE_LEAST);
	share_out(g);
}

/* ---- buckets ---- */
static bool has_room(hf_ns full_at, hf_ns what, hf_ns burst, hf_ns now)
{
	return HF_MAX(full_at, now) + what <= now + burst;
}

static void take(hf_ns *full_at, hf_ns what, hf_ns now)
{
	*full_at = HF_MIN(HF_MAX(*full_at, now) + what, now + BURST_NS + DEBT_NS);
}

static bool draw(struct budget *b, hf_ns now)
{
	if (b->each && !has_room(b->full_at, b->each, b->burst, now))
		return false;
	take(&b->full_at, b->each, now);
	return true;
}

static void bring_back(struct budget *b)
{
	b->full_at -= HF_MIN(b->full_at, b->each);
}

/* ---- the table ---- */
static uint64_t key_of(const struct hf_guard *g, const struct hf_addr *a)
{
	uint64_t key = 0;
	bool v4 = hf_addr_is_v4(a);
	for (uint32_t i = 0; i < (v4 ? 4 : 8); i++)
		key = key << 8 | a->b[(v4 ? 12 : 0) + i];
	if (v4) /* ::1:0:0/95 is nobody's (RFC 4291 2.4), so no key means two prefixes */
		return 1ull << 32 | (key & UINT32_MAX << (32 - g->rules.prefix4));
	key &= UINT64_MAX << (64 - g->rules.prefix6);
	return key ? key : 1;
}

static struct hf_prefix prefix_of(const struct hf_guard *g, uint64_t key)
{
	struct hf_addr a = {{0}};
	if (key >> 32 == 1)
		return (struct hf_prefix){
			hf_addr_v4((uint32_t)key), (uint8_t)(96 + g->rules.prefix4)};
	for (uint32_t i = 0; i < 8; i++)
		a.b[i] = (uint8_t)(key >> (56 - 8 * i));
	return (struct hf_prefix){a, g->rules.prefix6};
}

/* A prefix's place: its head and its entry lie apart, so that a set is searched in two lines. */
struct place {
	struct head *head;
	struct entry *entry; /* NULL: it is not remembered */
};

static struct place place_at(struct set *s, uint32_t way)
{
	return (struct place){&s->head[way], &s->entry[way]};
}

static struct set *set_of(const struct hf_guard *g, uint64_t key)
{
	return &g->set[hf_siphash(g->key, &key, sizeof(key)) & g->set_mask];
}

static struct place find(const struct hf_guard *g, const struct hf_addr *a)
{
	uint64_t key = key_of(g, a);
	struct set *s = set_of(g, key);
	for (uint32_t i = 0; i < WAYS; i++)
		if (s->head[i].key == key)
			return place_at(s, i);
	return (struct place){NULL, NULL};
}

static uint32_t second_of(hf_ns now)
{
	return (uint32_t)(now / HF_NS_S);
}

static void worth(struct place p, uint32_t seconds, hf_ns now)
{
	p.head->worth_till = HF_MAX(p.head->worth_till, second_of(now) + seconds);
}

/* Its place, in which it is worth so many seconds from now on; or none. */
static struct place place(struct hf_guard *g, const struct hf_addr *a, uint32_t seconds, hf_ns now)
{
	uint64_t key = key_of(g, a);
	struct set *s = set_of(g, key);
	uint32_t least = 0;
	struct place p;
	for (uint32_t i = 0; i < WAYS && s->head[least].key != key; i++)
		if (s->head[i].key == key || s->head[i].worth_till < s->head[least].worth_till)
			least = i;
	p = place_at(s, least);
	if (p.head->key != key) {
		if (p.head->key && p.head->worth_till > second_of(now) + seconds) {
			g->stats.prefixes_unseen++;
			return (struct place){NULL, NULL};
		}
		g->stats.prefixes_evicted += p.head->key != 0;
		g->stats.prefixes += p.head->key == 0;
		*p.head = (struct head){.key = key};
		*p.entry = (struct entry){.half_open = 0};
	}
	worth(p, seconds, now);
	return p;
}

void hf_guard_ahead(const struct hf_guard *g, const struct hf_addr *src, uint64_t id)
{
	const struct set *s = set_of(g, key_of(g, src));
	__builtin_prefetch(&s->head[0]);
	__builtin_prefetch(&s->head[WAYS / 2]);
	__builtin_prefetch(&g->syn[id >> 32 & g->syn_mask]);
}

/* What is counted in this second. */
static struct second *this_second(struct entry *e, hf_ns now)
{
	uint32_t at = second_of(now);
	if (e->is.at != at) {
		e->was = e->is;
		e->is = (struct second){.at = at};
	}
	return &e->is;
}

/* ---- SYNs ---- */
static bool is_known(struct place p, hf_ns now)
{
	return p.entry && p.head->known_till > second_of(now);
}

/* Whether this SYN was refused a while ago. If not it is remembered now, unless it comes too soon to be a
 * client's second: then the first one's time stands. */
static bool came_before(struct hf_guard *g, uint64_t id, hf_ns now)
{
	uint16_t *at = &g->syn[id >> 32 & g->syn_mask];
	uint32_t tick = (uint32_t)(now / SYN_TICK) & 0x7f, mark = 1u << 8 | (id & 0xff);
	uint32_t age = (tick - (*at & 0x7fu)) & 0x7f;
	bool same = *at >> 7 == mark;
	if (same && age < SYN_SOONEST)
		return false;
	*at = (uint16_t)(mark << 7 | tick);
	return same && age <= SYN_LATEST;
}

static void forget_syn(struct hf_guard *g, uint64_t id)
{
	g->syn[id >> 32 & g->syn_mask] = 0;
}

static enum hf_guard_verdict stranger(struct hf_guard *g, uint64_t id, hf_ns now)
{
	if (draw(&g->stranger, now)) {
		g->stats.syn_stranger++;
		return HF_GUARD_GO;
	}
	if (came_before(g, id, now) && draw(&g->returned, now)) {
		forget_syn(g, id);
		g->stats.syn_returned++;
		return HF_GUARD_GO;
	}
	return HF_GUARD_STRANGER;
}

static enum hf_guard_verdict within_limits(struct hf_guard *g, const struct entry *e, hf_ns now)
{
	if (g->half_open_max && e->half_open >= g->half_open_max)
		return HF_GUARD_HALF_OPEN;
	if (g->handshakes_max &&
		!has_room(e->opens_full_at, HF_NS_S / g->handshakes_max, BURST_NS, now))
		return HF_GUARD_HANDSHAKES;
	if (g->cost_max && !has_room(e->cost_full_at, 0, BURST_NS, now))
		return HF_GUARD_COST;
	return HF_GUARD_GO;
}

static void count_refusal(struct hf_guard *g, const struct hf_addr *src, struct place p,
	enum hf_guard_verdict v, hf_ns now)
{
	uint64_t *const cnt[] = {[HF_GUARD_STRANGER] = &g->stats.refused_stranger,
		[HF_GUARD_HALF_OPEN] = &g->stats.refused_half_open,
		[HF_GUARD_HANDSHAKES] = &g->stats.refused_handshakes,
		[HF_GUARD_COST] = &g->stats.refused_cost};
	uint32_t weight = 1;
	(*cnt[v])++;
	if (!p.entry) { /* of a flood from everywhere most are not worth a look into the table */
		g->sample =
			g->sample * 1664525u + 1013904223u; /* Knuth 3.3.4: in step with nobody */
		if (g->sample >> 16 & (SAMPLE - 1))
			return;
		weight = SAMPLE;
		p = place(g, src, SEEN_S, now);
	}
	if (!p.entry)
		return;
	p.entry->refused[v] += weight;
	this_second(p.entry, now)->syns += weight;
	if (p.entry->refused[v] > weight) /* not for the first time */
		worth(p, REFUSED_S, now);
}

bool hf_guard_denies(const struct hf_guard *g, const struct hf_addr *src)
{
	return g->rules.list.cnt && hf_prefix_find(&g->rules.list, src) == HF_GUARD_DENY;
}

static bool is_allowed(const struct hf_guard *g, const struct hf_addr *src)
{
	return g->rules.list.cnt && hf_prefix_find(&g->rules.list, src) == HF_GUARD_ALLOW;
}

enum hf_guard_verdict hf_guard_syn(
	struct hf_guard *g, const struct hf_addr *src, uint64_t id, hf_ns now)
{
	enum hf_guard_verdict v = HF_GUARD_GO;
	struct place p;
	if (is_allowed(g, src)) {
		g->stats.syn_listed++;
		return HF_GUARD_GO;
	}
	p = find(g, src);
	if (p.entry)
		v = within_limits(g, p.entry, now);
	if (v == HF_GUARD_GO && is_known(p, now) && p.entry->credit) {
		p.entry->credit--;
		g->stats.syn_known++;
	} else if (v == HF_GUARD_GO) {
		v = stranger(g, id, now);
	}
	if (v != HF_GUARD_GO)
		count_refusal(g, src, p, v, now);
	else if (p.entry)
		this_second(p.entry, now)->syns++;
	return v;
}

bool hf_guard_syn_again(struct hf_guard *g, const struct hf_addr *src, hf_ns now)
{
	struct place p;
	if (is_allowed(g, src))
		return true;
	p = find(g, src);
	if (is_known(p, now) && p.entry->credit) {
		p.entry->credit--;
		return true;
	}
	if (draw(&g->returned, now))
		return true;
	count_refusal(g, src, p, HF_GUARD_STRANGER, now);
	return false;
}

/* ---- afterwards ---- */
bool hf_guard_half_more(struct hf_guard *g, const struct hf_addr *src, hf_ns now)
{
	struct place p;
	if (g->half_open_max == 0)
		return false;
	p = place(g, src, HALF_OPEN_S, now);
	if (p.entry)
		p.entry->half_open++;
	return p.entry != NULL;
}

void hf_guard_half_less(struct hf_guard *g, const struct hf_addr *src)
{
	struct place p = find(g, src);
	if (p.entry && p.entry->half_open) /* it may have been forgotten in between */
		p.entry->half_open--;
}

bool hf_guard_opened(struct hf_guard *g, const struct hf_addr *src, hf_ns now)
{
	struct place p;
	if (is_allowed(g, src))
		return true;
	p = g->handshakes_max ? place(g, src, REFUSED_S, now) : find(g, src);
	if (p.entry && g->handshakes_max) {
		hf_ns each = HF_NS_S / g->handshakes_max;
		if (!has_room(p.entry->opens_full_at, each, BURST_NS, now)) {
			count_refusal(g, src, p, HF_GUARD_HANDSHAKES, now);
			return false;
		}
		take(&p.entry->opens_full_at, each, now);
	}
	if (p.entry)
		this_second(p.entry, now)->opens++;
	if (is_known(p, now))
		p.entry->credit = HF_MIN(p.entry->credit + CREDIT_BACK, CREDIT);
	else
		bring_back(&g->stranger);
	return true;
}

void hf_guard_done(struct hf_guard *g, const struct hf_addr *src, hf_ns now)
{
	struct place p = place(g, src, KNOWN_S, now);
	if (!p.entry)
		return;
	if (!is_known(p, now))
		p.entry->credit = CREDIT;
	p.head->known_till = second_of(now) + KNOWN_S;
}

bool hf_guard_counts_cost(const struct hf_guard *g)
{
	return g->cost_max != 0;
}

void hf_guard_charge(struct hf_guard *g, const struct hf_addr *src, hf_ns cost, hf_ns now)
{
	struct place p;
	if (g->cost_max == 0 || is_allowed(g, src))
		return;
	p = place(g, src, REFUSED_S, now);
	if (!p.entry)
		return;
	take(&p.entry->cost_full_at, HF_MIN(cost, HF_NS_S) * HF_NS_S / g->cost_max, now);
	this_second(p.entry, now)->cost_us += (uint32_t)(cost / HF_NS_US);
}

bool hf_guard_hello(struct hf_guard *g, const struct hf_addr *src, hf_ns now)
{
	struct place p;
	if (g->cost_max == 0 || is_allowed(g, src))
		return true;
	p = find(g, src);
	if (!p.entry || has_room(p.entry->cost_full_at, 0, BURST_NS, now))
		return true;
	g->stats.hellos_refused++;
	p.entry->refused[HF_GUARD_COST]++;
	worth(p, REFUSED_S, now);
	return false;
}

/* ---- for readers ---- */
static struct second last_second(const struct entry *e, hf_ns now)
{
	uint32_t at = second_of(now) - 1;
	if (e->is.at == at)
		return e->is;
	return e->was.at == at ? e->was : (struct second){.at = at};
}

static uint64_t refusals(const struct hf_guard_row *r)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < HF_GUARD_VERDICT_CNT; i++)
		sum += r->refused[i];
	return sum;
}

bool hf_guard_worse(const struct hf_guard_row *x, const struct hf_guard_row *y)
{
	uint64_t a = refusals(x), b = refusals(y);
	if (a != b)
		return a > b;
	if (x->cost_per_s != y->cost_per_s)
		return x->cost_per_s > y->cost_per_s;
	if (x->half_open != y->half_open)
		return x->half_open > y->half_open;
	return x->handshakes_per_s > y->handshakes_per_s;
}

static struct hf_guard_row row_of(
	const struct hf_guard *g, const struct head *h, const struct entry *e, hf_ns now)
{
	struct second s = last_second(e, now);
	struct hf_guard_row r = {.prefix = prefix_of(g, h->key),
		.known = h->known_till > second_of(now),
		.half_open = e->half_open,
		.syns_per_s = s.syns,
		.handshakes_per_s = s.opens,
		.cost_per_s = s.cost_us * HF_NS_US};
	memcpy(r.refused, e->refused, sizeof(r.refused));
	return r;
}

uint32_t hf_guard_top(const struct hf_guard *g, struct hf_guard_row *v, uint32_t cnt, hf_ns now)
{
	uint32_t got = 0;
	for (uint32_t i = 0; i <= g->set_mask; i++)
		for (uint32_t way = 0; way < WAYS; way++) {
			struct hf_guard_row r;
			uint32_t at;
			if (!g->set[i].head[way].key)
				continue;
			r = row_of(g, &g->set[i].head[way], &g->set[i].entry[way], now);
			if (got == cnt && !hf_guard_worse(&r, &v[cnt - 1]))
				continue;
			for (at = got < cnt ? got++ : cnt - 1;
				at > 0 && hf_guard_worse(&r, &v[at - 1]); at--)
				v[at] = v[at - 1];
			v[at] = r;
		}
	return got;
}

const struct hf_guard_stats *hf_guard_stats(const struct hf_guard *g)
{
	return &g->stats;
}

const char *hf_guard_verdict_name(enum hf_guard_verdict v)
{
	static const char *const name[HF_GUARD_VERDICT_CNT] = {
		"go", "stranger", "half_open", "handshakes", "cost"};
	return (uint32_t)v < HF_GUARD_VERDICT_CNT ? name[v] : "?";
}

static const struct hf_stat_row rows[] = {
#define HF_COUNTER(name, help) \
	{#name, help, HF_STAT_COUNTER, offsetof(struct hf_guard_stats, name)},
#define HF_GAUGE(name, help) {#name, help, HF_STAT_GAUGE, offsetof(struct hf_guard_stats, name)},
#include "lib/net/guard.def"
#undef HF_COUNTER
#undef HF_GAUGE
};

const struct hf_stat_table hf_guard_stat_table = {"guard", rows, HF_ARRAY_LEN(rows)};
