/* wheel.c -- level 0 has one slot per tick of the next 256, level 1 one slot per 256 ticks, and so
 * on. A timer sits in the coarsest level that still tells it from now; when time enters a coarse
 * slot, its timers are dealt again (cascade) and land in finer ones. A slot may hold all there are: a
 * million connections that were opened in one minute are due in one minute. So a cascade is a queue,
 * from which each look at the time takes only some; time goes on meanwhile, for where a timer lands
 * is decided when it is dealt. A bitmap says which slots hold anything, so idle time is jumped over
 * rather than walked. What is due waits in `expired`, in order of its tick unless the queue held it
 * back; within a tick the order depends on nothing but the calls, so runs repeat. */
#include "lib/base/wheel.h"

#define SLOT_BITS 8
#define SLOT_MASK (HF_WHEEL_SLOTS - 1u)
#define HORIZON (1ull << (SLOT_BITS * HF_WHEEL_LEVELS)) /* ticks that the levels can tell apart */
static_assert(HF_WHEEL_SLOTS == 1 << SLOT_BITS, "a level is one digit of the tick");

static void list_init(struct hf_timer *head)
{
	head->next = head->prev = head;
}

static bool list_empty(const struct hf_timer *head)
{
	return head->next == head;
}

static void list_append(struct hf_timer *head, struct hf_timer *t)
{
	t->prev = head->prev;
	t->next = head;
	head->prev->next = t;
	head->prev = t;
}

/* Moves a whole list behind another one. */
static void list_move(struct hf_timer *to, struct hf_timer *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

void hf_wheel_init(struct hf_wheel *w, hf_ns now)
{
	memset(w, 0, sizeof(*w));
	w->tick = now / HF_WHEEL_TICK;
	for (unsigned level = 0; level < HF_WHEEL_LEVELS; level++)
		for (unsigned i = 0; i < HF_WHEEL_SLOTS; i++)
			list_init(&w->slot[level][i]);
	list_init(&w->expired);
	list_init(&w->dealing);
}

static void place(struct hf_wheel *w, struct hf_timer *t)
{
	uint64_t due_tick = t->due / HF_WHEEL_TICK + (t->due % HF_WHEEL_TICK != 0);
	unsigned level = 0, i;
	if (due_tick <= w->tick) {
		list_append(&w->expired, t);
		return;
	}
	if (due_tick - w->tick >= HORIZON) /* as far as the wheel goes; dealt again from there */
		due_tick = w->tick + HORIZON - 1;
	while ((due_tick - w->tick) >> (SLOT_BITS * (level + 1)))
		level++;
	i = (unsigned)(due_tick >> (SLOT_BITS * level)) & SLOT_MASK;
	list_append(&w->slot[level][i], t);
	w->busy[level][i / 64] |= 1ull << i % 64;
}

void hf_wheel_arm(struct hf_wheel *w, struct hf_timer *t, hf_ns due)
{
	hf_wheel_cancel(w, t);
	t->due = due;
	place(w, t);
	w->armed++;
}

void hf_wheel_cancel(struct hf_wheel *w, struct hf_timer *t)
{
	struct hf_timer *head = t->next;
	if (!head)
		return;
	t->prev->next = t->next;
	t->next->prev = t->prev;
	if (list_empty(head) && head != &w->expired && head != &w->dealing) {
		size_t i = (size_t)(head - &w->slot[0][0]);
		w->busy[i / HF_WHEEL_SLOTS][i % HF_WHEEL_SLOTS / 64] &= ~(1ull << i % 64);
	}
	t->next = t->prev = NULL;
	w->armed--;
}

/* How many slots after `from` (1..256) the next busy one of a level lies, or 0: none is. */
static unsigned next_busy(const uint64_t busy[HF_WHEEL_SLOTS / 64], unsigned from)
{
	unsigned first = (from + 1) & SLOT_MASK, word = first / 64;
	uint64_t bits = busy[word] & ~0ull << first % 64;
	for (unsigned n = 0; n <= HF_WHEEL_SLOTS / 64; n++) {
		if (bits) {
			unsigned i = word * 64 + (unsigned)__builtin_ctzll(bits);
			return ((i - first) & SLOT_MASK) + 1;
		}
		word = (word + 1) % (HF_WHEEL_SLOTS / 64);
		bits = busy[word];
	}
	return 0;
}

/* The next tick at which a slot expires or cascades, UINT64_MAX if the wheel is empty. */
static uint64_t next_tick(const struct hf_wheel *w)
{
	uint64_t best = UINT64_MAX;
	for (unsigned level = 0; level < HF_WHEEL_LEVELS; level++) {
		uint64_t digit = w->tick >> (SLOT_BITS * level);
		unsigned away = next_busy(w->busy[level], (unsigned)digit & SLOT_MASK);
		if (away)
			best = HF_MIN(best, (digit + away) << (SLOT_BITS * level));
	}
	return best;
}

static void empty_slot(struct hf_wheel *w, unsigned level, struct hf_timer *out)
{
	unsigned i = (unsigned)(w->tick >> (SLOT_BITS * level)) & SLOT_MASK;
	list_move(out, &w->slot[level][i]);
	w->busy[level][i / 64] &= ~(1ull << i % 64);
}

static void deal(struct hf_wheel *w)
{
	for (; !list_empty(&w->dealing) && w->may_deal > 0; w->may_deal--) {
		struct hf_timer *t = w->dealing.next;
		t->prev->next = t->next;
		t->next->prev = t->prev;
		place(w, t);
	}
}

/* Time enters w->tick: every level whose lower digits are zero has come to a new slot. */
static void enter_tick(struct hf_wheel *w)
{
	unsigned level = 0;
	while (level + 1 < HF_WHEEL_LEVELS && !(w->tick & ((1ull << SLOT_BITS * (level + 1)) - 1)))
		level++;
	for (; level > 0; level--)
		empty_slot(w, level, &w->dealing);
	deal(w);
	empty_slot(w, 0, &w->expired);
}

struct hf_timer *hf_wheel_pop(struct hf_wheel *w, hf_ns now)
{
	uint64_t now_tick = now / HF_WHEEL_TICK;
	struct hf_timer *t;
	if (now != w->looked_at) {
		w->looked_at = now;
		w->may_deal = HF_WHEEL_DEAL;
	}
	deal(w);
	while (list_empty(&w->expired)) {
		uint64_t next;
		if (w->tick >= now_tick)
			return NULL;
		next = next_tick(w);
		w->tick = HF_MIN(next, now_tick);
		if (w->tick == next)
			enter_tick(w);
	}
	t = w->expired.next;
	hf_wheel_cancel(w, t);
	return t;
}

hf_ns hf_wheel_next(const struct hf_wheel *w)
{
	uint64_t tick;
	if (!list_empty(&w->expired) || !list_empty(&w->dealing))
		return w->tick * HF_WHEEL_TICK;
	tick = next_tick(w);
	return tick > HF_NS_NEVER / HF_WHEEL_TICK ? HF_NS_NEVER : tick * HF_WHEEL_TICK;
}
