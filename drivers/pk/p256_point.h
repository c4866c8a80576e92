/* p256_point.h -- sums of points of P-256 in Jacobian coordinates (x/z^2, y/z^3), written over a field
 * that whoever includes this brings along: each kernel its own, the proof of bounds one of intervals.
 *
 * What a field must have:
 *   fe_mul, fe_square        factors settled or tidy, products settled
 *   fe_mul_two, fe_square_two  two of them that do not wait for each other
 *   fe_plus(r, a, m, b)      r = a + m b; fe_minus: a - m b. Loose: good for sums and what follows
 *   fe_settle(r, k)          a loose value becomes a factor; k: it is above -k p
 *   fe_tidy(r, k)            as small as it gets, so that a coordinate can go round and round
 *   fe_negate(r, a, where)   -a in the chosen lanes, a elsewhere; loose
 * m is 1, 2, 3 or 4. A field of signed numbers has no use for k; in the other every k is enough, as
 * tests/diff/p256_bounds_ring.c shows.
 *
 * The formulas are for points that differ and none at infinity. If that is not so z becomes 0 and
 * remains it, whatever is added, so one look at the end is enough.
 * Specs: Bernstein, Lange, Explicit-Formulas Database: dbl-2001-b, madd, add-1998-cmo-2. */
#ifndef HF_DRIVERS_PK_P256_POINT_H
#define HF_DRIVERS_PK_P256_POINT_H

#include "lib/base/base.h"

struct point {
	fe x, y, z;
};

/* 3 products, 5 squares; a = -3. */
static HF_NOINLINE void point_double(struct point *p)
{
	fe delta, gamma, beta, alpha, t, u;

	fe_square_two(&delta, &p->z, &gamma, &p->y);
	fe_plus(&gamma, &gamma, 1, &gamma); /* 2 y^2 */
	fe_settle(&gamma, 0);
	fe_minus(&t, &p->x, 1, &delta);
	fe_settle(&t, 2);
	fe_plus(&u, &p->x, 1, &delta);
	fe_settle(&u, 0);
	fe_mul_two(&alpha, &t, &u, &beta, &p->x, &gamma);
	fe_plus(&alpha, &alpha, 2, &alpha);
	fe_tidy(&alpha, 0);
	fe_square_two(&t, &alpha, &gamma, &gamma);
	fe_minus(&p->x, &t, 4, &beta);
	fe_tidy(&p->x, 6);
	fe_plus(&beta, &beta, 1, &beta);
	fe_minus(&u, &beta, 1, &p->x);
	fe_settle(&u, 2);
	fe_mul_two(&t, &alpha, &u, &p->z, &p->y, &p->z);
	fe_minus(&p->y, &t, 2, &gamma);
	fe_tidy(&p->y, 4);
	fe_plus(&p->z, &p->z, 1, &p->z);
	fe_settle(&p->z, 0);
}

/* What both sums end with: from u = x1, s = y1 in the common denominator, h = x2 - x1, r = y2 - y1. */
static inline __attribute__((always_inline)) void point_sum(
	struct point *p, const fe *u, const fe *s, const fe *h, const fe *r)
{
	fe h2, h3, v, t;

	fe_square_two(&h2, h, &t, r);
	fe_mul_two(&h3, h, &h2, &v, u, &h2);
	fe_minus(&t, &t, 1, &h3);
	fe_minus(&p->x, &t, 2, &v);
	fe_tidy(&p->x, 6);
	fe_minus(&v, &v, 1, &p->x);
	fe_settle(&v, 2);
	fe_mul_two(&t, r, &v, &h3, s, &h3);
	fe_minus(&p->y, &t, 1, &h3);
	fe_tidy(&p->y, 2);
}

/* p += (x, y), or (x, -y) in the lanes of `negative`: 8 products, 3 squares. */
static HF_NOINLINE void point_add_affine(struct point *p, const fe *x, const fe *y, lanes negative)
{
	fe zz, u, s, h, r;

	fe_square(&zz, &p->z);
	fe_mul_two(&u, x, &zz, &s, y, &p->z);
	fe_minus(&h, &u, 1, &p->x);
	fe_settle(&h, 2);
	fe_mul_two(&s, &s, &zz, &p->z, &p->z, &h);
	fe_negate(&s, &s, negative);
	fe_minus(&r, &s, 1, &p->y);
	fe_settle(&r, 4);
	point_sum(p, &p->x, &p->y, &h, &r);
}

/* p += q, or -q: 12 products, 4 squares. */
static HF_NOINLINE void point_add(struct point *p, const struct point *q, lanes negative)
{
	fe zz, qq, u1, u2, s1, s2, z;

	fe_square_two(&zz, &p->z, &qq, &q->z);
	fe_mul_two(&u1, &p->x, &qq, &u2, &q->x, &zz);
	fe_mul_two(&s1, &p->y, &q->z, &s2, &q->y, &p->z);
	fe_mul_two(&s1, &s1, &qq, &s2, &s2, &zz);
	fe_minus(&u2, &u2, 1, &u1);
	fe_settle(&u2, 2);
	fe_mul(&z, &p->z, &q->z);
	fe_mul(&p->z, &z, &u2);
	fe_negate(&s2, &s2, negative);
	fe_minus(&s2, &s2, 1, &s1);
	fe_settle(&s2, 4);
	point_sum(p, &u1, &s1, &u2, &s2);
}

/* The sides of y^2 = (x^2 - 3 z^4) x + b z^6. */
static void point_equation(fe *left, fe *right, const struct point *p, const fe *b)
{
	fe zz, z4, t;

	fe_square(&zz, &p->z);
	fe_square(&z4, &zz);
	fe_square(&t, &p->x);
	fe_minus(&t, &t, 3, &z4);
	fe_settle(&t, 6);
	fe_mul(right, &t, &p->x);
	fe_mul(&t, &z4, &zz);
	fe_mul(&t, &t, b);
	fe_plus(right, right, 1, &t);
	fe_square(left, &p->y);
}

#endif
