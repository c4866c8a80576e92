/* invert_avx512f.c -- inverses by division steps. A step looks at the lowest bit of g and at a counter,
 * adds f to g or subtracts it or does neither, and halves g; 590 of them bring any g below 2^256 to
 * 0 and f to +-1, so their number is a constant and so is their time. Thirty steps at a time need
 * the low bits alone, which fit a lane, and give a matrix of small numbers; with it the long f and g
 * are brought up to date, and so are d and e, which keep f = d x and g = e x modulo m.
 *
 * What bounds a step is that it waits for the one before: from g to the next g there are four
 * operations here, since g stays where it is and the bit that is looked at moves. Two inverses side
 * by side therefore cost little more than one. */
#include <immintrin.h>
#include "drivers/pk/invert.h"
#include "lib/base/secret.h"

typedef __m512i vec;

#define INLINE static inline __attribute__((always_inline))
#define LIMBS ((int)HF_INVERT_LIMBS)
#define DIGIT_BITS 30
#define BATCHES 20 /* of 30 steps: 600, and 590 are enough */
#define PAIR 2

#define ADD(a, b) _mm512_add_epi64(a, b)
#define SUB(a, b) _mm512_sub_epi64(a, b)
#define MUL(a, b) _mm512_mul_epi32(a, b) /* of the low 32 bits, signed */
#define AND(a, b) _mm512_and_si512(a, b)
#define XOR(a, b) _mm512_xor_si512(a, b)
#define SHIFT_LEFT(a, n) _mm512_slli_epi64(a, (unsigned)(n))
#define SHIFT_RIGHT(a, n) _mm512_srai_epi64(a, (unsigned)(n)) /* signed */
#define ALL(x) _mm512_set1_epi64(x)

/* SEC 2, 2.4.2, and RFC 7748 4.1. */
const struct hf_invert_modulus hf_invert_p256 = {
	.digit = {0x3fffffff, 0x3fffffff, 0x3fffffff, 0x0000003f, 0x00000000, 0x00000000,
		0x00001000, 0x3fffc000, 0x0000ffff},
	.inverse = 0x3fffffff,
};
const struct hf_invert_modulus hf_invert_p256_order = {
	.digit = {0x3c632551, 0x0ee72b0b, 0x3179e84f, 0x39beab69, 0x3fffffbc, 0x3fffffff,
		0x00000fff, 0x3fffc000, 0x0000ffff},
	.inverse = 0x11ff43b1,
};
const struct hf_invert_modulus hf_invert_25519 = {
	.digit = {0x3fffffed, 0x3fffffff, 0x3fffffff, 0x3fffffff, 0x3fffffff, 0x3fffffff,
		0x3fffffff, 0x3fffffff, 0x00007fff},
	.inverse = 0x179435e5,
};

/* Eight inverses on their way. Digits of f and g, d and e have 30 bits but for the uppermost, which
 * has the sign; d and e are within 2 m of zero. */
struct state {
	vec f[LIMBS], g[LIMBS], d[LIMBS], e[LIMBS], m[LIMBS];
	vec inverse; /* of m, modulo 2^30 */
	vec zeta;    /* -(delta + 1/2) */
};

/* 2^30 (f, g) after a batch = (u f + v g, q f + r g): u and v in the halves of uv, q and r of qr. */
struct matrix {
	vec uv, qr;
};

/* The low bits of f and g, times two for each step made. */
struct low {
	vec f, g, zeta;
};

/* mask ? yes : no, bit by bit */
INLINE vec choose(vec mask, vec yes, vec no)
{
	return _mm512_ternarylogic_epi64(mask, yes, no, 0xca);
}

/* (a ^ b) & c */
INLINE vec xor_and(vec a, vec b, vec c)
{
	return _mm512_ternarylogic_epi64(a, b, c, 0x28);
}

/* Step i: with g odd and the counter below zero, f becomes g and g becomes (g - f) / 2; with g odd
 * otherwise (g + f) / 2; with g even g / 2. */
INLINE void step(struct low *l, struct matrix *t, int i)
{
	vec below = SHIFT_RIGHT(l->zeta, 63);
	vec odd = SHIFT_RIGHT(SHIFT_LEFT(l->g, 63 - i), 63);
	vec f = SUB(XOR(l->f, below), below);
	vec swap = AND(odd, below);
	vec f_next = choose(swap, l->g, l->f), uv_next = choose(swap, t->qr, t->uv);

	l->g = ADD(l->g, AND(f, odd));
	t->qr = SUB(ADD(t->qr, xor_and(t->uv, below, odd)), swap);
	l->f = ADD(f_next, f_next);
	t->uv = ADD(uv_next, uv_next);
	l->zeta = SUB(XOR(l->zeta, swap), ALL(1));
}

INLINE void batch_steps(struct state *s, struct matrix *t, int pair)
{
	struct low l[PAIR];

#pragma GCC unroll 2
	for (int k = 0; k < pair; k++) {
		l[k].f = _mm512_or_si512(s[k].f[0], SHIFT_LEFT(s[k].f[1], DIGIT_BITS));
		l[k].g = _mm512_or_si512(s[k].g[0], SHIFT_LEFT(s[k].g[1], DIGIT_BITS));
		l[k].zeta = s[k].zeta;
		t[k].uv = ALL(1);
		t[k].qr = ALL(1ll << 32);
	}
#pragma GCC unroll 30
	for (int i = 0; i < DIGIT_BITS; i++)
#pragma GCC unroll 2
		for (int k = 0; k < pair; k++)
			step(&l[k], &t[k], i);
#pragma GCC unroll 2
	for (int k = 0; k < pair; k++)
		s[k].zeta = l[k].zeta;
}

/* The long numbers, one digit after the other; all sums are divided by 2^30 on the way. For d and e a
 * multiple of m makes that exact, and one more m for each negative operand keeps them in bounds. */
INLINE void update(struct state *s, struct matrix t)
{
	const vec mask = ALL((1 << DIGIT_BITS) - 1), half = ALL(1ll << 31);
	vec u = SHIFT_RIGHT(SHIFT_LEFT(t.uv, 32), 32), v = SHIFT_RIGHT(ADD(t.uv, half), 32);
	vec q = SHIFT_RIGHT(SHIFT_LEFT(t.qr, 32), 32), r = SHIFT_RIGHT(ADD(t.qr, half), 32);
	vec d_sign = SHIFT_RIGHT(s->d[LIMBS - 1], 63), e_sign = SHIFT_RIGHT(s->e[LIMBS - 1], 63);
	vec d_m = ADD(AND(u, d_sign), AND(v, e_sign)), e_m = ADD(AND(q, d_sign), AND(r, e_sign));
	vec d = ADD(MUL(u, s->d[0]), MUL(v, s->e[0])), e = ADD(MUL(q, s->d[0]), MUL(r, s->e[0]));
	vec f = ADD(MUL(u, s->f[0]), MUL(v, s->g[0])), g = ADD(MUL(q, s->f[0]), MUL(r, s->g[0]));

	d_m = SUB(d_m, AND(ADD(MUL(s->inverse, d), d_m), mask));
	e_m = SUB(e_m, AND(ADD(MUL(s->inverse, e), e_m), mask));
	d = ADD(d, MUL(s->m[0], d_m));
	e = ADD(e, MUL(s->m[0], e_m));
#pragma GCC unroll 8
	for (int i = 1; i < LIMBS; i++) {
		vec di = s->d[i], ei = s->e[i], fi = s->f[i], gi = s->g[i];

		d = ADD(ADD(SHIFT_RIGHT(d, DIGIT_BITS), MUL(s->m[i], d_m)),
			ADD(MUL(u, di), MUL(v, ei)));
		e = ADD(ADD(SHIFT_RIGHT(e, DIGIT_BITS), MUL(s->m[i], e_m)),
			ADD(MUL(q, di), MUL(r, ei)));
		f = ADD(SHIFT_RIGHT(f, DIGIT_BITS), ADD(MUL(u, fi), MUL(v, gi)));
		g = ADD(SHIFT_RIGHT(g, DIGIT_BITS), ADD(MUL(q, fi), MUL(r, gi)));
		s->d[i - 1] = AND(d, mask);
		s->e[i - 1] = AND(e, mask);
		s->f[i - 1] = AND(f, mask);
		s->g[i - 1] = AND(g, mask);
	}
	s->d[LIMBS - 1] = SHIFT_RIGHT(d, DIGIT_BITS);
	s->e[LIMBS - 1] = SHIFT_RIGHT(e, DIGIT_BITS);
	s->f[LIMBS - 1] = SHIFT_RIGHT(f, DIGIT_BITS);
	s->g[LIMBS - 1] = SHIFT_RIGHT(g, DIGIT_BITS);
}

INLINE void begin(struct state *s, const struct hf_lanes *x, const struct hf_invert_modulus *m)
{
	const vec mask = ALL((1 << DIGIT_BITS) - 1);

	for (int i = 0; i < LIMBS; i++) {
		int word = i * DIGIT_BITS / 64, shift = i * DIGIT_BITS % 64;
		vec w = _mm512_srli_epi64(_mm512_load_si512(x->word[word]), (unsigned)shift);

		if (shift > 64 - DIGIT_BITS && word < 3)
			w = _mm512_or_si512(
				w, SHIFT_LEFT(_mm512_load_si512(x->word[word + 1]), 64 - shift));
		s->g[i] = AND(w, mask);
		s->m[i] = s->f[i] = ALL(m->digit[i]);
		s->d[i] = s->e[i] = _mm512_setzero_si512();
	}
	s->e[0] = ALL(1);
	s->inverse = ALL(m->inverse);
	s->zeta = ALL(-1);
}

INLINE void add_m_if_negative(struct state *s)
{
	vec sign = SHIFT_RIGHT(s->d[LIMBS - 1], 63);

	for (int i = 0; i < LIMBS; i++)
		s->d[i] = ADD(s->d[i], AND(s->m[i], sign));
}

INLINE void carry(struct state *s)
{
	const vec mask = ALL((1 << DIGIT_BITS) - 1);

	for (int i = 0; i + 1 < LIMBS; i++) {
		s->d[i + 1] = ADD(s->d[i + 1], SHIFT_RIGHT(s->d[i], DIGIT_BITS));
		s->d[i] = AND(s->d[i], mask);
	}
}

/* f is 1 or -1 (or m, if x was 0, and then d is 0): x = f d, from -2m .. m brought to 0 .. m - 1. */
INLINE void end(struct state *s, struct hf_lanes *x)
{
	vec sign = SHIFT_RIGHT(s->f[LIMBS - 1], 63), w[HF_LANE_WORDS];

	add_m_if_negative(s);
	for (int i = 0; i < LIMBS; i++)
		s->d[i] = SUB(XOR(s->d[i], sign), sign);
	carry(s);
	add_m_if_negative(s);
	carry(s);
	for (uint32_t i = 0; i < HF_LANE_WORDS; i++)
		w[i] = _mm512_setzero_si512();
	for (int i = 0; i < LIMBS; i++) {
		int word = i * DIGIT_BITS / 64, shift = i * DIGIT_BITS % 64;

		w[word] = _mm512_or_si512(w[word], SHIFT_LEFT(s->d[i], shift));
		if (shift > 64 - DIGIT_BITS && word < 3)
			w[word + 1] = _mm512_or_si512(
				w[word + 1], _mm512_srli_epi64(s->d[i], (unsigned)(64 - shift)));
	}
	for (uint32_t i = 0; i < HF_LANE_WORDS; i++)
		_mm512_store_si512(x->word[i], w[i]);
}

INLINE void invert(struct hf_lanes *const *x, const struct hf_invert_modulus *const *m, int pair)
{
	struct state s[PAIR];
	struct matrix t[PAIR];

	for (int k = 0; k < pair; k++)
		begin(&s[k], x[k], m[k]);
	for (int i = 0; i < BATCHES; i++) {
		batch_steps(s, t, pair);
		for (int k = 0; k < pair; k++)
			update(&s[k], t[k]);
	}
	for (int k = 0; k < pair; k++)
		end(&s[k], x[k]);
	hf_wipe(s, sizeof(s));
	hf_wipe(t, sizeof(t));
}

void hf_invert_avx512f(struct hf_lanes *x, const struct hf_invert_modulus *m)
{
	invert(&x, &m, 1);
}

void hf_invert_two_avx512f(struct hf_lanes *const x[2], const struct hf_invert_modulus *const m[2])
{
	invert(x, m, PAIR);
}
