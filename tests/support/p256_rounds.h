/* p256_rounds.h -- the bounds of coordinates in p256_point.h, for tests that have included it over a
 * field of bounds instead of numbers. Such a field has fe_widen besides: it makes the first bound
 * as wide as the second and says whether it was not. */
#ifndef TESTS_SUPPORT_P256_ROUNDS_H
#define TESTS_SUPPORT_P256_ROUNDS_H

#define ROUNDS_MAX 50

static bool point_widen(struct point *p, const struct point *q)
{
	bool x = fe_widen(&p->x, &q->x), y = fe_widen(&p->y, &q->y), z = fe_widen(&p->z, &q->z);

	return x || y || z;
}

/* As at the beginning and the end of a multiplication. */
static void point_negate(struct point *p, lanes all)
{
	fe_negate(&p->y, &p->y, all);
	fe_tidy(&p->y, 2);
}

/* p: what coordinates may be when they enter; afterwards what they may be for good. Every sum of
 * points is applied to the widest ones until none makes them wider, at last the curve's equation. */
static void coordinates_settle(struct point *p, const fe *table_x, const fe *table_y, lanes all)
{
	struct point first = *p;
	fe left, right;
	bool wider = true;

	point_negate(&first, all);
	(void)point_widen(p, &first);
	for (int i = 0; wider && i < ROUNDS_MAX; i++) {
		struct point doubled = *p, sum_affine = *p, added = *p;

		point_double(&doubled);
		point_add_affine(&sum_affine, table_x, table_y, all);
		point_add(&added, p, all);
		wider = point_widen(p, &doubled);
		wider |= point_widen(p, &sum_affine);
		wider |= point_widen(p, &added);
	}
	assert_false(wider);
	first = *p;
	point_negate(&first, all);
	point_equation(&left, &right, &first, table_x);
}

#endif
