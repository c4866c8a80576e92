/* p256_bounds_ring.c -- proof that coordinates of P-256 in limbs of 52 bits stay below 16 p and above
 * zero, whatever they are: p256_point.h computed with intervals, in multiples of p, instead of
 * numbers. A factor must have been carried since it was last added to. As a control, a sum that is
 * not held up by enough multiples of p is found out. */
#include "tests/support/test.h"

#define HAIR 0x1p-26 /* what a tidy number may be above p: 2^229, a hair */

typedef unsigned lanes;
typedef struct {
	double low, high;
	bool carried;
} fe;

static bool in_bounds; /* so far */

static void factor(const fe *a)
{
	in_bounds &= a->carried && a->low >= 0 && a->high < 16;
}

/* (a b + R p) / R, R being a little more than 16 p. */
static void fe_mul(fe *r, const fe *a, const fe *b)
{
	factor(a);
	factor(b);
	*r = (fe){0, a->high * b->high / 16 + 1, true};
	factor(r);
}

static void fe_square(fe *r, const fe *a)
{
	fe_mul(r, a, a);
}

static void fe_mul_two(fe *r, const fe *a, const fe *b, fe *s, const fe *e, const fe *f)
{
	fe_mul(r, a, b);
	fe_mul(s, e, f);
}

static void fe_square_two(fe *r, const fe *a, fe *s, const fe *b)
{
	fe_square(r, a);
	fe_square(s, b);
}

static void fe_plus(fe *r, const fe *a, int m, const fe *b)
{
	*r = (fe){a->low + m * b->low, a->high + m * b->high, false};
}

static void fe_minus(fe *r, const fe *a, int m, const fe *b)
{
	*r = (fe){a->low - m * b->high, a->high - m * b->low, false};
}

static void fe_negate(fe *r, const fe *a, lanes where)
{
	(void)where;
	*r = (fe){-a->high, a->high, false};
}

static void fe_settle(fe *r, unsigned k)
{
	*r = (fe){r->low + k, r->high + k, true};
	factor(r);
}

static void fe_tidy(fe *r, unsigned k)
{
	in_bounds &= r->low + k >= 0 && r->high + k < 64;
	*r = (fe){0, 1 + HAIR, true};
}

static bool fe_widen(fe *a, const fe *b)
{
	bool wider = b->low < a->low || b->high > a->high;

	a->low = HF_MIN(a->low, b->low);
	a->high = HF_MAX(a->high, b->high);
	a->carried &= b->carried;
	return wider;
}

#include "drivers/pk/p256_point.h"
#include "tests/support/p256_rounds.h"

static const fe canonical = {0, 1, true};

static void coordinates_stay_in_bounds(void **state)
{
	fe entered, entry;
	struct point p;

	(void)state;
	in_bounds = true;
	fe_mul(&entered, &canonical, &canonical); /* into Montgomery form */
	entry = entered;                          /* of the table */
	p = (struct point){entered, entered, canonical};
	coordinates_settle(&p, &entry, &entry, 0xff);
	assert_true(in_bounds);
}

static void too_little_is_found_out(void **state)
{
	fe r;

	(void)state;
	in_bounds = true;
	fe_minus(&r, &canonical, 2, &canonical);
	fe_settle(&r, 1);
	assert_false(in_bounds);
	in_bounds = true;
	fe_plus(&r, &canonical, 1, &canonical);
	fe_mul(&r, &r, &canonical);
	assert_false(in_bounds);
	in_bounds = true;
	r = (fe){0, 15.9, true};
	fe_mul(&r, &r, &r);
	assert_false(in_bounds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(coordinates_stay_in_bounds),
		cmocka_unit_test(too_little_is_found_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
