/* p256_bounds_fma.c -- proof that products of P-256 in double precision are exact, whatever the numbers
 * are: p256_fma.h and p256_point.h computed with magnitudes instead of numbers. What is rounded to
 * multiples of 2^48 loses 2^47 at the most; that is all that is known of it. Magnitudes are long
 * doubles, and they are no sharper than that. As a control, factors that are too large are found
 * out. */
#include "tests/support/test.h"

#define INLINE static inline
#define UNIT 0x1p48L

typedef unsigned lanes;
typedef long double vec;
typedef struct {
	vec v[6];
} fe;

static bool exact; /* so far */

/* ---- the steps of a product ---- */

/* The products, and what their rounding left. High is 1.5 2^100 and they: between 2^100 and 2^101 the
 * unit of the last place is 2^48. */
struct column {
	vec high, low;
};

static vec constant(double x)
{
	return x < 0 ? -(vec)x : (vec)x;
}

static vec sum(vec a, vec b)
{
	exact &= a + b < 0x1p53L;
	return a + b;
}

static vec sum_up(vec a, vec b)
{
	exact &= a + b < 0x1p101L;
	return a + b;
}

static void column_add(struct column *c, vec a, vec b)
{
	c->high += a * b + UNIT / 2;
	c->low = sum(c->low, UNIT / 2);
	exact &= c->high < 0x1p99L;
}

static struct column column_begin(vec a, vec b)
{
	struct column c = {0, 0};

	column_add(&c, a, b);
	return c;
}

static vec column_up(const struct column *c)
{
	return c->high;
}

static vec down(vec up, vec low)
{
	return sum(up / UNIT, low);
}

static vec split(vec v, vec *up)
{
	exact &= v < 0x1p53L;
	*up = v + UNIT / 2;
	return HF_MIN(v, UNIT / 2);
}

static vec low_product(vec a, vec b)
{
	exact &= a * b < 0x1p99L;
	return UNIT / 2;
}

#include "drivers/pk/p256_fma.h"

/* ---- the field ---- */

static void fe_mul(fe *r, const fe *a, const fe *b)
{
	product_p(r, a, b);
}

static void fe_square(fe *r, const fe *a)
{
	square_p(r, a);
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
	for (int i = 0; i < LIMBS; i++)
		r->v[i] = sum(a->v[i], m * b->v[i]);
}

static void fe_minus(fe *r, const fe *a, int m, const fe *b)
{
	fe_plus(r, a, m, b);
}

static void fe_negate(fe *r, const fe *a, lanes where)
{
	(void)where;
	*r = *a;
}

static void fe_settle(fe *r, unsigned k)
{
	(void)r;
	(void)k;
}

static void fe_tidy(fe *r, unsigned k)
{
	(void)k;
	balance(r, r->v);
}

/* By a hair more than needed, so that it comes to an end. */
static bool fe_widen(fe *a, const fe *b)
{
	bool wider = false;

	for (int i = 0; i < LIMBS; i++)
		if (b->v[i] > a->v[i]) {
			a->v[i] = b->v[i] * (1 + 0x1p-10L);
			wider = true;
		}
	return wider;
}

#include "drivers/pk/p256_point.h"
#include "tests/support/p256_rounds.h"

/* ---- what is shown ---- */

/* A number below 2^256 as it enters: balanced, the uppermost limb with all the bits from 240 on. */
static fe entering(void)
{
	fe a;

	for (int i = 0; i < LIMBS; i++)
		a.v[i] = i + 1 < LIMBS ? UNIT / 2 + 1 : 0x1p16L + 1;
	return a;
}

static void coordinates_stay_exact(void **state)
{
	const fe a = entering();
	struct point p = {a, a, a};

	(void)state;
	exact = true;
	coordinates_settle(&p, &a, &a, 0xff);
	assert_true(exact);
}

/* Numbers modulo n enter, are multiplied, and two of them are added, once. */
static void numbers_modulo_n_stay_exact(void **state)
{
	const fe a = entering();
	fe b, c;

	(void)state;
	exact = true;
	product_n(&b, &a, &a);
	product_n(&b, &b, &a);
	fe_plus(&c, &b, 1, &a);
	product_n(&c, &c, &b);
	product_n(&c, &c, &c);
	assert_true(exact);
}

/* The proof finds what is not so: factors of three and four times a limb. */
static void too_much_is_found_out(void **state)
{
	fe a = entering(), b = entering(), r;

	(void)state;
	for (int i = 0; i < LIMBS; i++) {
		a.v[i] *= 3;
		b.v[i] *= 4;
	}
	exact = true;
	product_p(&r, &a, &b);
	assert_false(exact);
	exact = true;
	product_n(&r, &a, &b);
	assert_false(exact);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(coordinates_stay_exact),
		cmocka_unit_test(numbers_modulo_n_stay_exact),
		cmocka_unit_test(too_much_is_found_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
