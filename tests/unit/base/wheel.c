/* The wheel against a list that is searched from end to end, over hours of virtual time. */
#include "lib/base/wheel.h"
#include "tests/support/test.h"

enum { TIMER_CNT = 250 }; /* one look deals them all */

/* A time that is due is told at the first poll whose tick has reached it: never early, and late by
 * less than a tick when the poll itself is on time. */
static hf_ns fire_time(hf_ns due)
{
	return HF_ROUND_UP(due, HF_WHEEL_TICK);
}

static void fires_on_its_tick_and_not_before(void **state)
{
	static struct hf_wheel w;
	struct hf_timer t = {0};
	(void)state;
	hf_wheel_init(&w, 5 * HF_NS_S + 17);
	assert_int_equal(hf_wheel_next(&w), HF_NS_NEVER);
	hf_wheel_arm(&w, &t, 5 * HF_NS_S + 10 * HF_NS_MS + 1);
	assert_true(hf_timer_armed(&t));
	assert_int_equal(w.armed, 1);
	assert_int_equal(hf_wheel_next(&w), 5 * HF_NS_S + 11 * HF_NS_MS);
	assert_null(hf_wheel_pop(&w, 5 * HF_NS_S + 11 * HF_NS_MS - 1));
	assert_ptr_equal(hf_wheel_pop(&w, 5 * HF_NS_S + 11 * HF_NS_MS), &t);
	assert_false(hf_timer_armed(&t));
	assert_int_equal(w.armed, 0);
	assert_null(hf_wheel_pop(&w, 6 * HF_NS_S));
}

static void past_and_present_fire_at_next_pop(void **state)
{
	static struct hf_wheel w;
	struct hf_timer past = {0}, present = {0};
	hf_ns now = 1000 * HF_NS_MS;
	(void)state;
	hf_wheel_init(&w, now);
	hf_wheel_arm(&w, &past, 3);
	hf_wheel_arm(&w, &present, now);
	assert_true(hf_wheel_next(&w) <= now);
	assert_ptr_equal(hf_wheel_pop(&w, now), &past);
	assert_ptr_equal(hf_wheel_pop(&w, now), &present);
	assert_null(hf_wheel_pop(&w, now));
}

static void cancel_and_rearm_move_a_timer(void **state)
{
	static struct hf_wheel w;
	struct hf_timer a = {0}, b = {0};
	(void)state;
	hf_wheel_init(&w, 0);
	hf_wheel_cancel(&w, &a); /* not armed: nothing happens */
	assert_int_equal(w.armed, 0);
	hf_wheel_arm(&w, &a, 10 * HF_NS_MS);
	hf_wheel_arm(&w, &b, 10 * HF_NS_MS);
	hf_wheel_arm(&w, &a, 70 * HF_NS_S); /* into another level */
	assert_int_equal(w.armed, 2);
	assert_ptr_equal(hf_wheel_pop(&w, 10 * HF_NS_MS), &b);
	assert_null(hf_wheel_pop(&w, 60 * HF_NS_S));
	hf_wheel_arm(&w, &b, 1); /* due now, then cancelled while it waits in the expired list */
	hf_wheel_cancel(&w, &b);
	assert_null(hf_wheel_pop(&w, 60 * HF_NS_S));
	hf_wheel_cancel(&w, &a);
	assert_int_equal(hf_wheel_next(&w), HF_NS_NEVER);
	assert_null(hf_wheel_pop(&w, 80 * HF_NS_S));
}

static void stopping_early_keeps_the_rest(void **state)
{
	static struct hf_wheel w;
	struct hf_timer t[3] = {0};
	(void)state;
	hf_wheel_init(&w, 0);
	for (unsigned i = 0; i < 3; i++)
		hf_wheel_arm(&w, &t[i], (3 - i) * HF_NS_MS);
	assert_ptr_equal(hf_wheel_pop(&w, HF_NS_S), &t[2]);
	assert_int_equal(w.armed, 2);
	assert_ptr_equal(hf_wheel_pop(&w, HF_NS_S), &t[1]);
	assert_ptr_equal(hf_wheel_pop(&w, HF_NS_S), &t[0]);
	assert_null(hf_wheel_pop(&w, HF_NS_S));
}

/* Timers armed together stay together through the levels. */
static void same_tick_fires_in_order_of_arming(void **state)
{
	static struct hf_wheel w;
	struct hf_timer t[40] = {0};
	hf_ns due = 400 * HF_NS_S; /* two cascades away */
	(void)state;
	hf_wheel_init(&w, 0);
	for (unsigned i = 0; i < HF_ARRAY_LEN(t); i++)
		hf_wheel_arm(&w, &t[i], due);
	for (unsigned i = 0; i < HF_ARRAY_LEN(t); i++)
		assert_ptr_equal(hf_wheel_pop(&w, due), &t[i]);
}

static void check_border(uint64_t start, uint64_t ticks)
{
	static struct hf_wheel w;
	struct hf_timer t = {0};
	hf_ns due = (start + ticks) * HF_WHEEL_TICK;
	hf_wheel_init(&w, start * HF_WHEEL_TICK);
	hf_wheel_arm(&w, &t, due);
	assert_true(hf_wheel_next(&w) <= due);
	assert_null(hf_wheel_pop(&w, due - 1));
	assert_ptr_equal(hf_wheel_pop(&w, due), &t);
}

/* One timer at each side of every level's border and of the horizon, polled at its very tick. */
static void level_borders(void **state)
{
	(void)state;
	for (unsigned bits = 2; bits <= 34; bits++)
		for (uint64_t near = 0; near < 5; near++)
			for (uint64_t start = 0; start < 600; start += 59)
				check_border(start, ((uint64_t)1 << bits) - 2 + near);
}

/* A worker with nothing else to do sleeps until hf_wheel_next: a jump per level at most. */
static void idle_jumps_reach_any_timer(void **state)
{
	static struct hf_wheel w;
	struct hf_timer t = {0};
	uint64_t rng = 8;
	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		hf_ns now = test_rand(&rng) >> 10, next = 0;
		hf_ns due = now + (test_rand(&rng) >> (12 + test_below(&rng, 40)));
		unsigned jumps = 0;
		hf_wheel_init(&w, now);
		hf_wheel_arm(&w, &t, due);
		do {
			assert_true(jumps++ <= HF_WHEEL_LEVELS);
			next = hf_wheel_next(&w);
			assert_true(next <= fire_time(due));
		} while (hf_wheel_pop(&w, HF_MAX(next, now)) == NULL);
		assert_true(next == fire_time(due) || due <= now);
	}
}

static void never_is_never(void **state)
{
	static struct hf_wheel w;
	struct hf_timer t = {0};
	(void)state;
	hf_wheel_init(&w, 0);
	hf_wheel_arm(&w, &t, HF_NS_NEVER);
	assert_null(hf_wheel_pop(&w, HF_NS_NEVER / 2));
	assert_true(hf_timer_armed(&t));
	hf_wheel_cancel(&w, &t);
	assert_int_equal(w.armed, 0);
}

/* More than one look may deal, all in one coarse slot: no look deals them all, none of them is early, and
 * late is only who waited for the others. */
static void a_crowd_is_dealt_in_parts(void **state)
{
	enum { CROWD = 20 * HF_WHEEL_DEAL };
	static struct hf_wheel w;
	static struct hf_timer t[CROWD];
	hf_ns slot = 2 * 65536 * HF_WHEEL_TICK, now, most_late = 0; /* of the third level */
	uint32_t fired = 0, looks = 0, dealing = 0;
	uint64_t rng = 5;
	(void)state;
	hf_wheel_init(&w, 0);
	memset(t, 0, sizeof(t));
	for (unsigned i = 0; i < CROWD; i++)
		hf_wheel_arm(&w, &t[i], slot + test_below(&rng, 60000) * HF_WHEEL_TICK);
	assert_null(hf_wheel_pop(&w, slot - 1));
	for (now = slot; fired < CROWD; now += HF_WHEEL_TICK / 10) {
		struct hf_timer *due;
		uint32_t popped = 0;
		while ((due = hf_wheel_pop(&w, now)) != NULL) {
			assert_true(due->due <= now);
			most_late = HF_MAX(most_late, now - fire_time(due->due));
			popped++;
		}
		dealing += hf_wheel_next(&w) <= now;
		assert_true(popped <= HF_WHEEL_DEAL);
		fired += popped;
		looks++;
	}
	assert_in_range(dealing, CROWD / HF_WHEEL_DEAL - 1, CROWD / HF_WHEEL_DEAL + 5);
	assert_true(most_late <= 25 * HF_WHEEL_TICK / 10);
	assert_true(looks > 10 * 59000);
	assert_int_equal(w.armed, 0);
}

/* Who waits to be dealt can be moved and cancelled as anybody. */
static void who_waits_to_be_dealt_is_not_stuck(void **state)
{
	enum { CROWD = 3 * HF_WHEEL_DEAL };
	static struct hf_wheel w;
	static struct hf_timer t[CROWD];
	hf_ns slot = 256 * HF_WHEEL_TICK, due = slot + 100 * HF_WHEEL_TICK;
	uint32_t fired = 0;
	(void)state;
	hf_wheel_init(&w, 0);
	memset(t, 0, sizeof(t));
	for (unsigned i = 0; i < CROWD; i++)
		hf_wheel_arm(&w, &t[i], due);
	assert_null(hf_wheel_pop(&w, slot));
	assert_true(hf_wheel_next(&w) <= slot);
	hf_wheel_arm(&w, &t[CROWD - 1], slot + HF_WHEEL_TICK);
	for (unsigned i = 0; i < CROWD - 1; i++)
		hf_wheel_cancel(&w, &t[i]);
	assert_int_equal(hf_wheel_next(&w), slot + HF_WHEEL_TICK);
	for (hf_ns now = slot; now <= due; now += HF_WHEEL_TICK)
		while (hf_wheel_pop(&w, now))
			fired++;
	assert_int_equal(fired, 1);
	assert_int_equal(hf_wheel_next(&w), HF_NS_NEVER);
}

struct model {
	struct hf_wheel w;
	struct hf_timer t[TIMER_CNT];
	hf_ns due[TIMER_CNT]; /* HF_NS_NEVER: not armed */
	hf_ns now;
	uint64_t rng;
	uint32_t fired;
};

/* Spans from below a tick to beyond the horizon, each decade as likely as the other. */
static hf_ns random_delay(uint64_t *rng)
{
	return test_rand(rng) >> (64 - 1 - test_below(rng, 53));
}

static void check_against_search(struct model *m)
{
	for (;;) {
		struct hf_timer *t = hf_wheel_pop(&m->w, m->now);
		if (!t)
			break;
		size_t i = (size_t)(t - m->t);
		assert_true(i < TIMER_CNT && m->due[i] != HF_NS_NEVER);
		assert_int_equal(t->due, m->due[i]);
		assert_true(fire_time(m->due[i]) <= m->now); /* never early */
		m->due[i] = HF_NS_NEVER;
		m->fired++;
	}
	uint32_t armed = 0;
	hf_ns next = HF_NS_NEVER;
	for (size_t i = 0; i < TIMER_CNT; i++) {
		assert_int_equal(hf_timer_armed(&m->t[i]), m->due[i] != HF_NS_NEVER);
		if (m->due[i] == HF_NS_NEVER)
			continue;
		armed++;
		next = HF_MIN(next, fire_time(m->due[i]));
	}
	assert_int_equal(m->w.armed, armed);
	assert_true(next > m->now); /* never late: all that could fire did */
	assert_true(hf_wheel_next(&m->w) <= next);
}

static void random_step(struct model *m)
{
	size_t i = test_below(&m->rng, TIMER_CNT);
	hf_ns due;
	switch (test_below(&m->rng, 8)) {
	case 0:
		hf_wheel_cancel(&m->w, &m->t[i]);
		m->due[i] = HF_NS_NEVER;
		break;
	case 1:
		m->now += random_delay(&m->rng) >> 8;
		break;
	case 2:
		m->now += test_below(&m->rng, 3000000);
		break;
	case 3: /* straight to what the wheel says comes next, as an idle worker does */
		if (hf_wheel_next(&m->w) != HF_NS_NEVER)
			m->now = HF_MAX(m->now, hf_wheel_next(&m->w));
		break;
	default:
		due = m->now + random_delay(&m->rng);
		if (test_below(&m->rng, 10) == 0)
			due = m->now - HF_MIN(m->now, random_delay(&m->rng));
		hf_wheel_arm(&m->w, &m->t[i], due);
		m->due[i] = due;
	}
}

static void random_hours_match_search(void **state)
{
	static struct model m;
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		memset(&m, 0, sizeof(m));
		m.rng = seed;
		m.now = test_rand(&m.rng) >> 20;
		hf_wheel_init(&m.w, m.now);
		memset(m.due, 0xff, sizeof(m.due));
		hf_ns start = m.now;
		for (unsigned step = 0; step < 5000; step++) {
			random_step(&m);
			if (test_rand(&m.rng) & 1)
				check_against_search(&m);
		}
		assert_true(m.now - start > 5 * 3600 * HF_NS_S);
		assert_true(m.fired > 500);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fires_on_its_tick_and_not_before),
		cmocka_unit_test(past_and_present_fire_at_next_pop),
		cmocka_unit_test(cancel_and_rearm_move_a_timer),
		cmocka_unit_test(stopping_early_keeps_the_rest),
		cmocka_unit_test(same_tick_fires_in_order_of_arming),
		cmocka_unit_test(level_borders),
		cmocka_unit_test(idle_jumps_reach_any_timer),
		cmocka_unit_test(never_is_never),
		cmocka_unit_test(a_crowd_is_dealt_in_parts),
		cmocka_unit_test(who_waits_to_be_dealt_is_not_stuck),
		cmocka_unit_test(random_hours_match_search),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
