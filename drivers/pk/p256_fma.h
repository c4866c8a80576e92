/* p256_fma.h -- products modulo p and n of P-256 in double precision, from steps that whoever includes
 * this brings along: the kernel its instructions, the proof of bounds the intervals they leave.
 *
 * Six limbs of 48 bits, balanced: integers within 2^47 of zero, or a hair more; Montgomery form with
 * R = 2^288. A column of a product is two doubles. The first, high, starts from 1.5 2^100, where the
 * unit of the last place is 2^48, and takes the products one by one, each rounded to that; the
 * second, low, takes what the rounding left, which another fused multiply-add finds exactly. So high
 * is the carry into the next column as it stands.
 *
 * p = -1 + 2^96 + (1 - 2^32) 2^192 + 2^16 2^240, and 48 divides 96: a column is its own quotient
 * digit, and its multiple of p is one sum two columns on and two products four and five on. Digits
 * 0 to 4 are taken as they are, without bringing them below 2^47: R has 32 bits to spare for that,
 * and no column waits for the one before it to be carried.
 *
 * The steps:
 *   column_begin(a, b)      a column with the product a b
 *   column_add(c, a, b)     one more
 *   column_up(c)            high without its start, a multiple of 2^48
 *   sum(a, b), sum_up(a, b) of integers, of multiples of 2^48
 *   down(up, low)           low + up / 2^48
 *   split(v, up)            v less the nearest multiple of 2^48, which *up gets
 *   low_product(a, b)       a b less the nearest multiple of 2^48 */
#ifndef HF_DRIVERS_PK_P256_FMA_H
#define HF_DRIVERS_PK_P256_FMA_H

#define LIMBS 6
#define LIMB_BITS 48

/* p from 2^192 on, n, and -1/n mod 2^48, balanced. */
#define P_LIMB_4 (1.0 - 0x1p32)
#define P_LIMB_5 0x1p16
static const double n_limb[LIMBS] = {
	-58536169888431.0, -97755091110982.0, -1125713234.0, 0.0, -4294967295.0, 65536.0};
#define N_INVERSE (-60838513689521.0)

/* Limbs become balanced, the uppermost takes what is left. */
INLINE void balance(fe *r, const vec *v)
{
	vec up[LIMBS - 1];

#pragma GCC unroll 5
	for (int i = 0; i < LIMBS - 1; i++)
		r->v[i] = split(v[i], &up[i]);
	r->v[LIMBS - 1] = v[LIMBS - 1];
#pragma GCC unroll 5
	for (int i = 1; i < LIMBS; i++)
		r->v[i] = down(up[i - 1], r->v[i]);
}

/* Column s of a b. */
INLINE struct column column_of(const fe *a, const fe *b, int s)
{
	int first = s < LIMBS ? 0 : s - LIMBS + 1, last = s < LIMBS ? s : LIMBS - 1;
	struct column c = column_begin(a->v[first], b->v[s - first]);

#pragma GCC unroll 6
	for (int i = first + 1; i <= last; i++)
		column_add(&c, a->v[i], b->v[s - i]);
	return c;
}

/* Column s of a^2, given 2 a as well. */
INLINE struct column column_of_square(const fe *a, const fe *twice, int s)
{
	int first = s < LIMBS ? 0 : s - LIMBS + 1;
	struct column c =
		column_begin(2 * first == s ? a->v[first] : twice->v[first], a->v[s - first]);

#pragma GCC unroll 6
	for (int i = first + 1; 2 * i <= s; i++)
		column_add(&c, 2 * i == s ? a->v[i] : twice->v[i], a->v[s - i]);
	return c;
}

/* The steps of a reduction modulo p at column s. */
struct reduction {
	vec q[LIMBS], out[LIMBS], up;
};

INLINE void reduce_p(struct reduction *m, struct column c, int s)
{
	vec v;

	if (s >= 2 && s < 2 + LIMBS)
		c.low = sum(c.low, m->q[s - 2]);
	if (s >= 4 && s < 4 + LIMBS)
		column_add(&c, m->q[s - 4], constant(P_LIMB_4));
	if (s >= 5)
		column_add(&c, m->q[s - 5], constant(P_LIMB_5));
	v = s > 0 ? down(m->up, c.low) : c.low;
	m->up = column_up(&c);
	if (s < LIMBS - 1) {
		m->q[s] = v;
	} else if (s == LIMBS - 1) {
		vec above;

		m->q[s] = split(v, &above);
		m->up = sum_up(m->up, above);
	} else {
		m->out[s - LIMBS] = v;
	}
}

INLINE void product_p(fe *r, const fe *a, const fe *b)
{
	struct reduction m;

#pragma GCC unroll 11
	for (int s = 0; s < 2 * LIMBS - 1; s++)
		reduce_p(&m, column_of(a, b, s), s);
	m.out[LIMBS - 1] = down(m.up, constant(0));
	balance(r, m.out);
}

INLINE void square_p(fe *r, const fe *a)
{
	struct reduction m;
	fe twice;

	for (int i = 0; i < LIMBS; i++)
		twice.v[i] = sum(a->v[i], a->v[i]);
#pragma GCC unroll 11
	for (int s = 0; s < 2 * LIMBS - 1; s++)
		reduce_p(&m, column_of_square(a, &twice, s), s);
	m.out[LIMBS - 1] = down(m.up, constant(0));
	balance(r, m.out);
}

/* Modulo n, whose limbs have no pattern: every quotient digit is a product and is brought below 2^47,
 * and its multiple of n clears the column. */
INLINE void product_n(fe *r, const fe *a, const fe *b)
{
	struct reduction m;

#pragma GCC unroll 11
	for (int s = 0; s < 2 * LIMBS - 1; s++) {
		struct column c = column_of(a, b, s);
		int last = s < LIMBS ? s - 1 : LIMBS - 1;
		vec above;

#pragma GCC unroll 6
		for (int i = s < LIMBS ? 0 : s - LIMBS + 1; i <= last; i++)
			if (s - i != 3) /* that limb is 0 */
				column_add(&c, m.q[i], constant(n_limb[s - i]));
		if (s > 0)
			c.low = down(m.up, c.low);
		if (s < LIMBS) {
			m.q[s] = low_product(split(c.low, &above), constant(N_INVERSE));
			column_add(&c, m.q[s], constant(n_limb[0]));
			m.up = sum_up(column_up(&c), c.low);
		} else {
			m.out[s - LIMBS] = c.low;
			m.up = column_up(&c);
		}
	}
	m.out[LIMBS - 1] = down(m.up, constant(0));
	balance(r, m.out);
}

#endif
