/* x25519_bounds.c -- the bounds on which drivers/pk/x25519_avx512f.c rests, proved: its text is
 * compiled here with intervals in place of vectors of doubles. What a vector may hold is a node: an
 * interval, a power of two of which every value is a multiple, and what it was computed from.
 *
 * An operation is exact if no result needs more than 53 bits over its power of two. Else it must be
 * the adding of something to a number of one known binade, where the rounding is meant; the
 * difference to what was added, and what the rounding left, are then known from where they come.
 * Everything else is a violation. Points go through steps until their intervals grow no more, so the
 * proof holds for any number of steps. That violations are found is shown by factors too large. */
#include <immintrin.h>
#include <math.h>
#include "tests/support/test.h"

#define NODES_MAX (1u << 20)
#define DOUBLE_BITS 53
#define UNIT_ZERO 2000 /* zero is a multiple of everything */

enum kind { PLAIN, CONSTANT, ROUNDED, ABOVE, BELOW };

struct node {
	enum kind kind;
	uint32_t a, b,
		c; /* ROUNDED: a b + c, or a + c with b the node of 1; the others: a rounded node */
	double lo, hi;
	int unit, ulp; /* ROUNDED: of the last place */
};

struct interval {
	_Alignas(64) uint32_t node;
};

static struct node *node;
static uint32_t node_cnt, violation_cnt;
static double largest;
static int least_unit;

static uint32_t put(struct node n)
{
	double most = fmax(fabs(n.lo), fabs(n.hi));

	assert_true(node_cnt < NODES_MAX);
	largest = fmax(largest, most);
	if (most > 0 && n.unit < least_unit)
		least_unit = n.unit;
	node[node_cnt] = n;
	return node_cnt++;
}

/* A hair outwards, for the rounding of the bounds themselves. */
static double down(double x)
{
	return x - fabs(x) * 0x1p-50;
}

static double up(double x)
{
	return x + fabs(x) * 0x1p-50;
}

static int unit_of(double x)
{
	int e;

	if (x == 0)
		return UNIT_ZERO;
	for (x = frexp(x, &e); x != floor(x); e--)
		x *= 2;
	while (fmod(x, 2) == 0) {
		x /= 2;
		e++;
	}
	return e;
}

static struct interval constant_of(double x)
{
	for (uint32_t i = 0; i < node_cnt && node[i].kind == CONSTANT; i++) /* equal ones are one */
		if (node[i].lo == x)
			return (struct interval){i};
	return (struct interval){
		put((struct node){.kind = CONSTANT, .lo = x, .hi = x, .unit = unit_of(x)})};
}

static struct interval plain(double lo, double hi, int unit)
{
	if (fmax(fabs(lo), fabs(hi)) > ldexp(1, unit + DOUBLE_BITS))
		violation_cnt++;
	return (struct interval){put((struct node){.lo = lo, .hi = hi, .unit = unit})};
}

/* a b + c rounded to the last place of c, which must be that of the result, too. */
static struct interval rounded(uint32_t a, uint32_t b, uint32_t c, double lo, double hi, int unit)
{
	int e = ilogb(node[c].lo), ulp = e - DOUBLE_BITS + 1;

	if (lo < ldexp(1, e) || hi >= ldexp(1, e + 1) || ilogb(node[c].hi) != e)
		violation_cnt++;
	if (unit < ulp) {
		lo -= ldexp(0.5, ulp);
		hi += ldexp(0.5, ulp);
	}
	return (struct interval){put((struct node){.kind = ROUNDED,
		.a = a,
		.b = b,
		.c = c,
		.lo = lo,
		.hi = hi,
		.unit = ulp,
		.ulp = ulp})};
}

/* Numbers that are there to be rounded to: the rounders, and what was added to them. */
static bool is_rounder(uint32_t n)
{
	int e;

	if (node[n].kind == ROUNDED)
		return true;
	return node[n].kind == CONSTANT && frexp(node[n].lo, &e) == 0.75 && e > 90;
}

static void product_of(uint32_t a, uint32_t b, double *lo, double *hi)
{
	double p[] = {node[a].lo * node[b].lo, node[a].lo * node[b].hi, node[a].hi * node[b].lo,
		node[a].hi * node[b].hi};

	*lo = down(fmin(fmin(p[0], p[1]), fmin(p[2], p[3])));
	*hi = up(fmax(fmax(p[0], p[1]), fmax(p[2], p[3])));
}

/* a b + c */
static struct interval multiply_add(struct interval a, struct interval b, struct interval c)
{
	const struct node *z = &node[c.node], *r = &node[z->a];
	int unit = node[a.node].unit + node[b.node].unit;
	double lo, hi;

	if (is_rounder(c.node)) {
		product_of(a.node, b.node, &lo, &hi);
		return rounded(a.node, b.node, c.node, down(lo + z->lo), up(hi + z->hi), unit);
	}
	/* c is minus what the rounding took of a b: what it left remains */
	if (z->kind == BELOW && r->a == a.node && r->b == b.node)
		return plain(-ldexp(0.5, r->ulp), ldexp(0.5, r->ulp), unit);
	product_of(a.node, b.node, &lo, &hi);
	return plain(down(lo + z->lo), up(hi + z->hi), HF_MIN(unit, z->unit));
}

static struct interval add_up(struct interval a, struct interval b)
{
	const struct node *x = &node[a.node], *y = &node[b.node];
	uint32_t unity = constant_of(1).node;

	if (is_rounder(b.node))
		return rounded(
			a.node, unity, b.node, down(x->lo + y->lo), up(x->hi + y->hi), x->unit);
	return plain(down(x->lo + y->lo), up(x->hi + y->hi), HF_MIN(x->unit, y->unit));
}

static struct interval subtract(struct interval a, struct interval b)
{
	const struct node *x = &node[a.node], *y = &node[b.node];
	double lo, hi;
	struct interval out;

	/* before less after: minus what was added, as rounded */
	if (y->kind == ROUNDED && y->c == a.node) {
		product_of(y->a, y->b, &lo, &hi);
		out = plain(-hi - ldexp(0.5, y->ulp), -lo + ldexp(0.5, y->ulp), y->ulp);
		node[out.node].kind = BELOW;
		node[out.node].a = b.node;
		return out;
	}
	/* after less before: what was added, as rounded */
	if (x->kind == ROUNDED && x->c == b.node) {
		product_of(x->a, x->b, &lo, &hi);
		out = plain(lo - ldexp(0.5, x->ulp), hi + ldexp(0.5, x->ulp), x->ulp);
		node[out.node].kind = ABOVE;
		node[out.node].a = a.node;
		return out;
	}
	/* a number less what of it was above: what the rounding left */
	if (y->kind == ABOVE && node[y->a].a == a.node && node[node[y->a].b].lo == 1)
		return plain(-ldexp(0.5, node[y->a].ulp), ldexp(0.5, node[y->a].ulp), x->unit);
	return plain(down(x->lo - y->hi), up(x->hi - y->lo), HF_MIN(x->unit, y->unit));
}

/* a b - c */
static struct interval multiply_subtract(struct interval a, struct interval b, struct interval c)
{
	const struct node *z = &node[c.node], *r = &node[z->a];

	if (z->kind == ABOVE && r->a == a.node && r->b == b.node)
		return plain(-ldexp(0.5, r->ulp), ldexp(0.5, r->ulp),
			node[a.node].unit + node[b.node].unit);
	violation_cnt++;
	return a;
}

static struct interval multiply_two(struct interval a, struct interval b)
{
	double lo, hi;

	product_of(a.node, b.node, &lo, &hi);
	/* by 19 2^-255 no bit is added below, and five above */
	return plain(lo, hi, node[a.node].unit + node[b.node].unit);
}

static struct interval hull(struct interval a, struct interval b)
{
	const struct node *x = &node[a.node], *y = &node[b.node];

	return plain(fmin(x->lo, y->lo), fmax(x->hi, y->hi), HF_MIN(x->unit, y->unit));
}

static __m512i no_bits(struct interval a)
{
	(void)a;
	fail();
	return _mm512_setzero_si512();
}

static struct interval no_number(__m512i bits)
{
	(void)bits;
	fail();
	return (struct interval){0};
}

#define hf_pk_x25519_avx512f not_this_one /* the kernel itself is linked as well */
#define __m512d struct interval
#define _mm512_fmadd_pd(a, b, c) multiply_add(a, b, c)
#define _mm512_fmsub_pd(a, b, c) multiply_subtract(a, b, c)
#define _mm512_add_pd(a, b) add_up(a, b)
#define _mm512_sub_pd(a, b) subtract(a, b)
#define _mm512_mul_pd(a, b) multiply_two(a, b)
#define _mm512_set1_pd(x) constant_of(x)
#define _mm512_setzero_pd() constant_of(0)
#define _mm512_mask_blend_pd(m, a, b) ((void)(m), hull(a, b))
#define _mm512_mask_sub_pd(src, m, a, b) ((void)(m), hull(src, subtract(a, b)))
#define _mm512_castpd_si512(a) no_bits(a)
#define _mm512_castsi512_pd(a) no_number(a)

#include "drivers/pk/x25519_avx512f.c"

/* ---- the proof ---- */

static int begin(void **state)
{
	(void)state;
	node = test_alloc(NODES_MAX * sizeof(*node));
	node_cnt = violation_cnt = 0;
	largest = 0;
	least_unit = UNIT_ZERO;
	(void)constant_of(0); /* node 0: what is zeroed; and all others that are constant */
	(void)constant_of(1);
	(void)constant_of(FOLD);
	(void)constant_of(A24);
	for (uint32_t i = 0; i < LIMBS; i++)
		(void)constant_of(rounder[i]);
	return 0;
}

static int end(void **state)
{
	(void)state;
	free(node);
	return 0;
}

static void fe_plain(struct fe *x, int bits_more)
{
	for (int i = 0; i < LIMBS; i++) {
		double most = ldexp(1, limb_at[i] + limb_len[i] - 1 + bits_more);

		x->limb[i] = plain(-most, most, limb_at[i]);
	}
}

/* What from_words makes of any bits. */
static void fe_of_words(struct fe *x)
{
	vec v[LIMBS];

	for (int i = 0; i < LIMBS; i++)
		v[i] = plain(0, ldexp(1, limb_at[i] + limb_len[i]), limb_at[i]);
	carry(x, v);
}

/* old takes in what new may be; false if it did already. */
static bool grow(struct fe *old, const struct fe *new)
{
	bool grew = false;

	for (int i = 0; i < LIMBS; i++) {
		const struct node *x = &node[old->limb[i].node], *y = &node[new->limb[i].node];

		if (y->lo >= x->lo && y->hi <= x->hi && y->unit >= x->unit)
			continue;
		old->limb[i] = hull(old->limb[i], new->limb[i]);
		grew = true;
	}
	return grew;
}

#define ROUNDS 20

/* Balanced, with a hair: what the sources say of a settled product. */
static void is_settled(const struct fe *x)
{
	double whole = 0;

	for (int i = 0; i < LIMBS; i++) {
		const struct node *n = &node[x->limb[i].node];
		double most = ldexp(1, limb_at[i] + limb_len[i] - 1) * (1 + 0x1p-20);

		assert_true(n->lo >= -most && n->hi <= most);
		assert_true(n->unit >= limb_at[i]);
		whole += fmax(-n->lo, n->hi);
	}
	assert_true(whole < 0x1p255); /* what to_words begins with */
}

static void the_ladder_stays_in_bounds(void **state)
{
	struct scratch *s = test_alloc(sizeof(*s)), was;
	uint32_t round = 0;
	bool grew = true;

	(void)state;
	fe_of_words(&s->x1);
	for (int i = 0; i < LIMBS; i++) { /* 1, and 0; then x1 */
		s->x2.v.limb[i] = i ? constant_of(0) : constant_of(1);
		s->z2.v.limb[i] = constant_of(0);
	}
	s->z3 = s->x2;
	s->x3.v = s->x1;
	for (; grew; round++) {
		assert_in_range(round, 0, ROUNDS);
		was = *s;
		ladder_step(s, 0);
		grew = grow(&was.x2.v, &s->x2.v);
		grew |= grow(&was.z2.v, &s->z2.v);
		grew |= grow(&was.x3.v, &s->x3.v);
		grew |= grow(&was.z3.v, &s->z3.v);
		*s = was;
	}
	choose(&s->a, 0, &s->z2.v, &s->z3.v);
	choose(&s->x1, 0, &s->x2.v, &s->x3.v);
	invert(s);
	multiply(&s->q, &s->x1, settled(&s->p));
	is_settled(&s->q.v);
	assert_int_equal(violation_cnt, 0);
	assert_true(largest < 0x1p311 && least_unit >= -255);
	free(s);
}

/* Entries of the table are settled products, and so are the points they make. */
static void the_comb_stays_in_bounds(void **state)
{
	struct scratch *s = test_alloc(sizeof(*s));
	struct point was;
	struct addend q;
	struct fe any;
	uint32_t round = 0;
	bool grew = true;

	(void)state;
	fe_plain(&any, 0);
	multiply(&s->p, &any, &any);
	choose(&q.plus, 0, &s->p.v, &s->p.v);
	q.minus = q.plus;
	negate(&q.dxy, 0, &q.plus);
	s->p.v = q.plus; /* as start() does */
	difference(&s->a, &s->p, &s->p);
	sum(&s->b, &s->p, &s->p);
	fe_of_words(&s->c);
	multiply(&s->sum.x, &s->a, &s->c);
	multiply(&s->sum.y, &s->b, &s->c);
	multiply(&s->sum.t, &s->a, &s->b);
	s->sum.z.v = s->c;
	for (; grew; round++) {
		assert_in_range(round, 0, ROUNDS);
		was = s->sum;
		add(s, &q, false);
		grew = grow(&was.x.v, &s->sum.x.v);
		grew |= grow(&was.y.v, &s->sum.y.v);
		grew |= grow(&was.z.v, &s->sum.z.v);
		grew |= grow(&was.t.v, &s->sum.t.v);
		s->sum = was;
	}
	sum(&s->x1, &s->sum.z, &s->sum.y);
	difference(&s->a, &s->sum.z, &s->sum.y);
	invert(s);
	multiply(&s->q, &s->x1, settled(&s->p));
	is_settled(&s->q.v);
	assert_int_equal(violation_cnt, 0);
	assert_true(largest < 0x1p311 && least_unit >= -255);
	free(s);
}

/* Factors of twice the size are what the formulas have; of eight times they are too large, which must
 * be seen. */
static void factors_too_large_are_found(void **state)
{
	struct product p;
	struct fe x;

	(void)state;
	fe_plain(&x, 1);
	multiply(&p, &x, &x);
	square(&p, &x);
	assert_int_equal(violation_cnt, 0);
	fe_plain(&x, 3);
	multiply(&p, &x, &x);
	assert_true(violation_cnt > 0);
	violation_cnt = 0;
	square(&p, &x);
	assert_true(violation_cnt > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_ladder_stays_in_bounds, begin, end),
		cmocka_unit_test_setup_teardown(the_comb_stays_in_bounds, begin, end),
		cmocka_unit_test_setup_teardown(factors_too_large_are_found, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
