/* rsa_ifma.c -- RSA private operations, eight half-size exponentiations at a time, on AVX-512 IFMA.
 *
 * A number is a column of vectors: vector i holds digit i (52 bits) of eight independent numbers, so
 * no lane can influence another. Lane 2j works modulo p of operation j, lane 2j + 1 modulo its q;
 * full-width arithmetic modulo n uses the even lanes, and the odd ones carry the unblinding factor.
 * Everything is made of tiles of 10 x 10 digits whose 20 columns stay in registers: sizes are
 * multiples of 10 digits (20, 30, 40 for the halves of RSA-2048, 3072, 4096), so one tile serves all.
 *
 * Montgomery form with R = 2^(52 N) > 2^12 m: a product of two values below 2 m comes back below 2 m,
 * so nothing is subtracted until the end. Fixed windows of four bits, the table read whole for every
 * window; no branch and no address depends on a secret. Base blinding, and each result is checked
 * with e = 65537 before it leaves (a faulty CRT half would give the factors away).
 * Specs: RFC 8017 5.1.2; Montgomery 1985; Intel SDM, VPMADD52. */
#include <immintrin.h>
#include "drivers/drivers.h"
#include "lib/base/secret.h"
#include "lib/crypto/pk_engine.h"
#include "lib/os/os.h"

typedef __m512i vec;

#define LANES 8u
#define OPS 4u  /* operations of a batch: p and q of each fill two lanes */
#define TILE 10 /* digits on a side */
#define DIGIT_BITS 52u
#define DIGIT_MASK ((1ull << DIGIT_BITS) - 1)
#define HALF_MAX 40u /* digits of a prime of 2048 bits, 32 bits to spare */
#define FULL_MAX (2u * HALF_MAX)
#define WINDOW_BITS 4u
#define WINDOWS_MAX (2048u / WINDOW_BITS)
#define TABLE (1u << WINDOW_BITS)
#define KEY_CNT 64u        /* prepared keys; beyond it the one used longest ago makes room */
#define STEP_PRODUCTS 40u  /* of 20 digits: about 10 us a step at 4 GHz */
#define PUBLIC_SQUARES 16u /* e = 2^16 + 1 */

/* One modulus in digits, and what Montgomery arithmetic wants of it. */
struct modulus {
	uint64_t m[FULL_MAX];
	uint64_t r2[FULL_MAX]; /* R^2 mod m: into Montgomery form */
	uint64_t k0;           /* -1/m mod 2^52 */
};

struct ready_key {
	uint64_t id, used_at; /* used_at 0: the place is free */
	uint32_t half;        /* digits of a prime */
	uint32_t windows;
	struct modulus n, prime[2];
	uint64_t r3[2][HALF_MAX];     /* R^3 mod prime: for the upper half of an input */
	uint64_t q_inverse[HALF_MAX]; /* of q mod p, in Montgomery form */
	uint8_t exponent[2][WINDOWS_MAX], inverse_exponent[2][WINDOWS_MAX]; /* windows; r - 2 */
	/* blinding, one pair for each place in a batch, in Montgomery form: r^e and 1/r mod n */
	uint64_t blind[OPS][2][FULL_MAX];
};

/* Where a batch is, or a key being made ready. */
enum stage { STAGE_NUMBERS, STAGE_TABLE, STAGE_WINDOWS, STAGE_JOIN, STAGE_CHECK, STAGE_DONE };

struct rsa_ifma {
	/* the running batch: digits of eight lanes */
	vec m[HALF_MAX], r2[HALF_MAX], r3[HALF_MAX], q_inverse[HALF_MAX], k0;
	vec n[FULL_MAX], n_r2[FULL_MAX], n_k0;
	vec in[FULL_MAX];    /* inputs, kept for the check */
	vec blind[FULL_MAX]; /* even lanes r^e, odd lanes 1/r */
	vec x[FULL_MAX];     /* what is being computed */
	vec y[FULL_MAX];     /* and its base, or another factor */
	vec cols[2 * FULL_MAX];
	vec t[FULL_MAX], u[FULL_MAX]; /* of whoever runs: not on the stack, wiped at the end */
	vec one[FULL_MAX];            /* the number 1 */
	vec table[TABLE][HALF_MAX];
	uint8_t exponent[WINDOWS_MAX][LANES];
	uint32_t half, windows, next, op_cnt;
	enum stage stage;
	struct hf_rsa_op *op;
	struct ready_key *key_of[OPS];
	uint64_t uses;
	struct ready_key *making; /* prepare has begun with it; its used_at is still 0 */
	struct ready_key key[KEY_CNT];
};

/* ---- tiles ---- */

#define MADD_LO(acc, a, b) _mm512_madd52lo_epu64(acc, a, b)
#define MADD_HI(acc, a, b) _mm512_madd52hi_epu64(acc, a, b)

/* cols[0 .. 20) += a[0 .. 10) * b[0 .. 10). A column holds at most 4 * 80 products of 2^52 before it
 * is carried: below 2^61. */
static HF_NOINLINE void tile_mac(vec *restrict cols, const vec *restrict a, const vec *restrict b)
{
	vec acc[2 * TILE], x[TILE];

#pragma GCC unroll 20
	for (int i = 0; i < 2 * TILE; i++)
		acc[i] = cols[i];
#pragma GCC unroll 10
	for (int j = 0; j < TILE; j++)
		x[j] = a[j];
#pragma GCC unroll 10
	for (int i = 0; i < TILE; i++) {
		vec bi = b[i];
#pragma GCC unroll 10
		for (int j = 0; j < TILE; j++)
			acc[i + j] = MADD_LO(acc[i + j], x[j], bi);
#pragma GCC unroll 10
		for (int j = 0; j < TILE; j++)
			acc[i + j + 1] = MADD_HI(acc[i + j + 1], x[j], bi);
	}
#pragma GCC unroll 20
	for (int i = 0; i < 2 * TILE; i++)
		cols[i] = acc[i];
}

/* The products above the diagonal of a square: cols += sum of a[i] a[j] over i < j. */
static HF_NOINLINE void tile_triangle(vec *restrict cols, const vec *restrict a)
{
	vec acc[2 * TILE], x[TILE];

#pragma GCC unroll 20
	for (int i = 0; i < 2 * TILE; i++)
		acc[i] = cols[i];
#pragma GCC unroll 10
	for (int j = 0; j < TILE; j++)
		x[j] = a[j];
#pragma GCC unroll 10
	for (int i = 0; i < TILE; i++) {
#pragma GCC unroll 10
		for (int j = i + 1; j < TILE; j++)
			acc[i + j] = MADD_LO(acc[i + j], x[j], x[i]);
#pragma GCC unroll 10
		for (int j = i + 1; j < TILE; j++)
			acc[i + j + 1] = MADD_HI(acc[i + j + 1], x[j], x[i]);
	}
#pragma GCC unroll 20
	for (int i = 0; i < 2 * TILE; i++)
		cols[i] = acc[i];
}

/* Ten steps of Montgomery reduction: q[i] makes column i a multiple of 2^52, which is carried on; the
 * columns below 10 are consumed. The low product of m[0] is not computed: it cancels the column's
 * low bits, so it carries one exactly when they are not all zero. */
static HF_NOINLINE void tile_reduce(
	vec *restrict cols, const vec *restrict m, vec k0, vec *restrict q)
{
	const vec zero = _mm512_setzero_si512(), round = _mm512_set1_epi64((long long)DIGIT_MASK);
	vec acc[2 * TILE], carry = zero;

#pragma GCC unroll 20
	for (int i = 0; i < 2 * TILE; i++)
		acc[i] = cols[i];
#pragma GCC unroll 10
	for (int i = 0; i < TILE; i++) {
		vec column = _mm512_add_epi64(acc[i], carry), qi = MADD_LO(zero, column, k0);

		q[i] = qi;
		carry = _mm512_srli_epi64(_mm512_add_epi64(column, round), DIGIT_BITS);
		carry = MADD_HI(carry, m[0], qi);
#pragma GCC unroll 10
		for (int j = 1; j < TILE; j++)
			acc[i + j] = MADD_LO(acc[i + j], m[j], qi);
#pragma GCC unroll 10
		for (int j = 1; j < TILE; j++)
			acc[i + j + 1] = MADD_HI(acc[i + j + 1], m[j], qi);
	}
	acc[TILE] = _mm512_add_epi64(acc[TILE], carry);
#pragma GCC unroll 10
	for (int i = TILE; i < 2 * TILE; i++)
		cols[i] = acc[i];
}

/* ---- numbers of n digits, n a multiple of 10 ---- */

static void zero(vec *v, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++)
		v[i] = _mm512_setzero_si512();
}

/* Columns to digits: out may be cols. */
static void carry(vec *out, const vec *cols, uint32_t cnt)
{
	const vec mask = _mm512_set1_epi64((long long)DIGIT_MASK);
	vec c = _mm512_setzero_si512();

	for (uint32_t i = 0; i < cnt; i++) {
		c = _mm512_add_epi64(cols[i], c);
		out[i] = _mm512_and_si512(c, mask);
		c = _mm512_srli_epi64(c, DIGIT_BITS);
	}
}

/* out = cols / R mod m, below 2 m for products of values below 2 m. Destroys cols. */
static void reduce(vec *out, vec *cols, const vec *m, vec k0, uint32_t n)
{
	vec q[TILE];

	for (uint32_t i = 0; i < n; i += TILE) {
		tile_reduce(cols + i, m, k0, q);
		for (uint32_t j = TILE; j < n; j += TILE)
			tile_mac(cols + i + j, m + j, q);
	}
	carry(out, cols + n, n);
}

static void multiply_columns(vec *cols, const vec *a, const vec *b, uint32_t n)
{
	zero(cols, 2 * n);
	for (uint32_t i = 0; i < n; i += TILE)
		for (uint32_t j = 0; j < n; j += TILE)
			tile_mac(cols + i + j, a + j, b + i);
}

static void multiply(
	struct rsa_ifma *c, vec *out, const vec *a, const vec *b, const vec *m, vec k0, uint32_t n)
{
	multiply_columns(c->cols, a, b, n);
	reduce(out, c->cols, m, k0, n);
}

static void square(struct rsa_ifma *c, vec *x, const vec *m, vec k0, uint32_t n)
{
	vec *cols = c->cols;

	zero(cols, 2 * n);
	for (uint32_t i = 0; i < n; i += TILE) {
		tile_triangle(cols + 2 * i, x + i);
		for (uint32_t j = i + TILE; j < n; j += TILE)
			tile_mac(cols + i + j, x + j, x + i);
	}
	for (uint32_t i = 0; i < n; i++) {
		vec lo = _mm512_slli_epi64(cols[2 * i], 1),
		    hi = _mm512_slli_epi64(cols[2 * i + 1], 1);

		cols[2 * i] = MADD_LO(lo, x[i], x[i]);
		cols[2 * i + 1] = MADD_HI(hi, x[i], x[i]);
	}
	reduce(x, cols, m, k0, n);
}

/* x -= m where x >= m; x below 2 m before. */
static void subtract_once(struct rsa_ifma *c, vec *x, const vec *m, uint32_t n)
{
	const vec mask = _mm512_set1_epi64((long long)DIGIT_MASK);
	vec *d = c->u, borrow = _mm512_setzero_si512();
	__mmask8 keep;

	for (uint32_t i = 0; i < n; i++) {
		vec t = _mm512_add_epi64(_mm512_sub_epi64(x[i], m[i]), borrow);

		d[i] = _mm512_and_si512(t, mask);
		borrow = _mm512_srai_epi64(t, 63); /* 0 or -1 */
	}
	keep = _mm512_cmplt_epi64_mask(borrow, _mm512_setzero_si512());
	for (uint32_t i = 0; i < n; i++)
		x[i] = _mm512_mask_mov_epi64(d[i], keep, x[i]);
}

/* Neighbouring lanes, p and q of one operation, change places. */
static vec swap(vec v)
{
	return _mm512_permutex_epi64(v, 0xb1);
}

/* Both get the even one's. */
static vec even(vec v)
{
	return _mm512_unpacklo_epi64(v, v);
}

/* ---- between bytes, digits and lanes ---- */

static void digits_of(uint64_t *d, uint32_t cnt, const uint8_t *p, size_t len)
{
	for (uint32_t i = 0; i < cnt; i++) {
		uint64_t v = 0;

		/* 52 bits are six and a half bytes: digit i begins at bit 52 i */
		for (uint32_t b = 0; b < 8; b++) {
			size_t at = (size_t)i * DIGIT_BITS / 8 + b;

			if (at < len)
				v |= (uint64_t)p[len - 1 - at] << (8 * b);
		}
		d[i] = v >> (i & 1 ? 4 : 0) & DIGIT_MASK;
	}
}

static void bytes_of(uint8_t *p, size_t len, const uint64_t *d, uint32_t cnt)
{
	for (size_t at = 0; at < len; at++) {
		uint32_t bit = (uint32_t)at * 8, i = bit / DIGIT_BITS, shift = bit % DIGIT_BITS;
		uint64_t v = i < cnt ? d[i] >> shift : 0;

		if (shift > DIGIT_BITS - 8 && i + 1 < cnt)
			v |= d[i + 1] << (DIGIT_BITS - shift);
		p[len - 1 - at] = (uint8_t)v;
	}
}

static void lane_put(vec *v, uint32_t lane, const uint64_t *d, uint32_t cnt)
{
	uint64_t *to = (uint64_t *)v + lane;

	for (uint32_t i = 0; i < cnt; i++)
		to[(size_t)i * LANES] = d[i];
}

static void lane_get(uint64_t *d, const vec *v, uint32_t lane, uint32_t cnt)
{
	const uint64_t *from = (const uint64_t *)v + lane;

	for (uint32_t i = 0; i < cnt; i++)
		d[i] = from[(size_t)i * LANES];
}

/* ---- preparing a key: once, scalar, constant time ---- */

/* x = 2 x mod m, x < m. */
static void double_mod(uint64_t *x, const uint64_t *m, uint32_t n)
{
	uint64_t d[FULL_MAX], top = 0, borrow = 0, keep;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t t = x[i] << 1 | top;

		top = t >> DIGIT_BITS;
		x[i] = t & DIGIT_MASK;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint64_t t = x[i] - m[i] - borrow;

		borrow = t >> 63;
		d[i] = t & DIGIT_MASK;
	}
	keep = 0 - borrow; /* m leaves spare bits in its top digit, so `top` is zero at the end */
	for (uint32_t i = 0; i < n; i++)
		x[i] = (x[i] & keep) | (d[i] & ~keep);
}

/* R = 2^r, and r = 2^t s with s odd: 2^s R squared t times is 2^r R = R^2, in Montgomery arithmetic. */
static uint32_t squarings(uint32_t n)
{
	return (uint32_t)__builtin_ctz(n * DIGIT_BITS);
}

/* m, and in place of R^2 the number 2^s R mod m, which squared `squarings` times is R^2. */
static void modulus_set(struct modulus *mod, uint32_t n, struct hf_span number)
{
	uint32_t r_bits = n * DIGIT_BITS, top = (uint32_t)number.len * 8 - 1;
	uint64_t inverse = 1;

	digits_of(mod->m, n, number.p, number.len);
	for (uint32_t i = 0; i < 6; i++) /* Newton: 1, 2, 4 .. 64 bits are right */
		inverse *= 2 - mod->m[0] * inverse;
	mod->k0 = (0 - inverse) & DIGIT_MASK;
	memset(mod->r2, 0, sizeof(mod->r2));
	mod->r2[top / DIGIT_BITS] = 1ull << (top % DIGIT_BITS); /* below m: its top bit is set */
	for (uint32_t i = top; i < r_bits + (r_bits >> squarings(n)); i++)
		double_mod(mod->r2, mod->m, n);
}

/* Windows of four bits, the most significant first. */
static void windows_of(uint8_t *w, uint32_t cnt, const uint8_t *p, size_t len)
{
	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t bit = (cnt - 1 - i) * WINDOW_BITS;
		size_t at = bit / 8;
		uint32_t byte = at < len ? p[len - 1 - at] : 0;

		w[i] = (uint8_t)(byte >> (bit % 8) & (TABLE - 1));
	}
}

/* prime - 2: the exponent that inverts (Fermat). The prime is odd and above 2. */
static void fermat_windows(uint8_t *w, uint32_t cnt, struct hf_span prime)
{
	uint8_t e[HF_RSA_BITS_MAX / 16];
	uint32_t borrow = 2;

	for (size_t i = prime.len; i-- > 0;) {
		uint32_t v = (uint32_t)prime.p[i] - borrow;

		borrow = v >> 31;
		e[i] = (uint8_t)v;
	}
	windows_of(w, cnt, e, prime.len);
	hf_wipe(e, sizeof(e));
}

static void batch_key(struct rsa_ifma *c, uint32_t j, struct ready_key *k);
static void half_reset(struct rsa_ifma *c);
static bool step_half(struct rsa_ifma *c);
static void join(struct rsa_ifma *c);
static void wipe_lanes(struct rsa_ifma *c);

/* The first step: the key's numbers as digits. */
static void key_numbers(struct ready_key *k, const struct hf_pk_key *key)
{
	k->id = key->id;
	k->half = key->bits / 2 == 1024 ? 20 : key->bits / 2 == 1536 ? 30 : 40;
	k->windows = key->bits / 2u / WINDOW_BITS;
	modulus_set(&k->n, 2 * k->half, key->n);
	for (uint32_t i = 0; i < 2; i++) {
		modulus_set(&k->prime[i], k->half, key->prime[i]);
		windows_of(k->exponent[i], k->windows, key->exponent[i].p, key->exponent[i].len);
		fermat_windows(k->inverse_exponent[i], k->windows, key->prime[i]);
	}
	digits_of(k->q_inverse, k->half, key->coefficient[1].p, key->coefficient[1].len);
}

/* The second: R^2, R^3 and the inverse of q in Montgomery form, by the lanes. */
static void key_constants(struct rsa_ifma *c, struct ready_key *k)
{
	uint32_t half = k->half, full = 2 * half;

	for (uint32_t j = 0; j < OPS; j++)
		batch_key(c, j, k);
	for (uint32_t i = 0; i < squarings(half); i++)
		square(c, c->r2, c->m, c->k0, half);
	for (uint32_t i = 0; i < squarings(full); i++)
		square(c, c->n_r2, c->n, c->n_k0, full);
	multiply(c, c->r3, c->r2, c->r2, c->m, c->k0, half);
	multiply(c, c->q_inverse, c->q_inverse, c->r2, c->m, c->k0, half);
	subtract_once(c, c->r2, c->m, half);
	subtract_once(c, c->r3, c->m, half);
	subtract_once(c, c->q_inverse, c->m, half);
	subtract_once(c, c->n_r2, c->n, full);
	for (uint32_t i = 0; i < 2; i++) {
		lane_get(k->prime[i].r2, c->r2, i, half);
		lane_get(k->r3[i], c->r3, i, half);
	}
	lane_get(k->q_inverse, c->q_inverse, 0, half);
	lane_get(k->n.r2, c->n_r2, 0, full);
}

/* Then blinding pairs, one for each place in a batch, from random numbers r: r^e and the inverse of r,
 * which is r^(p - 2) mod p and r^(q - 2) mod q joined: the kernel inverts for itself. r fills the
 * width by squaring the seed's 16 bytes for its place: any number nobody can guess serves. */
static void blind_begin(struct rsa_ifma *c, const struct ready_key *k, const uint8_t *seed)
{
	uint32_t full = 2 * k->half;
	uint64_t d[FULL_MAX];

	for (uint32_t j = 0; j < OPS; j++) {
		for (uint32_t i = 0; i < c->windows; i++) {
			c->exponent[i][2 * j] = k->inverse_exponent[0][i];
			c->exponent[i][2 * j + 1] = k->inverse_exponent[1][i];
		}
		memset(d, 0, sizeof(d));
		digits_of(d, full, seed + 16 * j, 16);
		d[0] |= 2; /* not 0 and not 1 */
		lane_put(c->y, 2 * j, d, full);
		lane_put(c->y, 2 * j + 1, d, full);
	}
	multiply(c, c->y, c->y, c->n_r2, c->n, c->n_k0, full);
	for (uint32_t i = 0; i < 6; i++)
		square(c, c->y, c->n, c->n_k0, full);
	memcpy(c->in, c->y, full * sizeof(vec)); /* r in Montgomery form */
	multiply(c, c->x, c->y, c->one, c->n, c->n_k0, full);
	half_reset(c);
	hf_wipe(d, sizeof(d));
}

static void blind_end(struct rsa_ifma *c, struct ready_key *k)
{
	uint32_t full = 2 * k->half;

	join(c); /* c->x: 1/r in the even lanes */
	multiply(c, c->x, c->x, c->n_r2, c->n, c->n_k0, full);
	memcpy(c->y, c->in, full * sizeof(vec));
	for (uint32_t i = 0; i < PUBLIC_SQUARES; i++)
		square(c, c->y, c->n, c->n_k0, full);
	multiply(c, c->y, c->y, c->in, c->n, c->n_k0, full);
	for (uint32_t j = 0; j < OPS; j++) {
		lane_get(k->blind[j][0], c->y, 2 * j, full);
		lane_get(k->blind[j][1], c->x, 2 * j, full);
	}
}

static struct ready_key *key_find(struct rsa_ifma *c, uint64_t id)
{
	for (uint32_t i = 0; i < KEY_CNT; i++)
		if (c->key[i].used_at && c->key[i].id == id)
			return &c->key[i];
	return NULL;
}

/* A free place, or the one whose key was used longest ago. */
static struct ready_key *key_place(struct rsa_ifma *c)
{
	struct ready_key *oldest = &c->key[0];

	for (uint32_t i = 1; i < KEY_CNT; i++)
		if (c->key[i].used_at < oldest->used_at)
			oldest = &c->key[i];
	hf_wipe(oldest, sizeof(*oldest));
	return oldest;
}

/* One step of making a key ready; it has its place from the first, and counts as used at the end.
 * Whatever else uses the lanes in between (begin, another key) undoes the beginning. */
static bool prepare(void *ctx, const struct hf_pk_key *key, const uint8_t *seed)
{
	struct rsa_ifma *c = ctx;
	struct ready_key *k = c->making;

	if (key_find(c, key->id))
		return false;
	if (!k || k->id != key->id) {
		c->making = k = key_place(c);
		key_numbers(k, key);
		c->half = k->half;
		c->windows = k->windows;
		c->stage = STAGE_NUMBERS;
	} else if (c->stage == STAGE_NUMBERS) {
		key_constants(c, k);
		blind_begin(c, k, seed);
	} else if (!step_half(c)) {
		blind_end(c, k);
		k->used_at = ++c->uses;
		c->making = NULL;
		wipe_lanes(c);
		return false;
	}
	return true;
}

/* ---- a batch ---- */

static void batch_key(struct rsa_ifma *c, uint32_t j, struct ready_key *k)
{
	static const uint64_t none[HALF_MAX];
	uint32_t half = k->half, full = 2 * half;

	c->key_of[j] = k;
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t lane = 2 * j + i;

		lane_put(c->m, lane, k->prime[i].m, half);
		lane_put(c->r2, lane, k->prime[i].r2, half);
		lane_put(c->r3, lane, k->r3[i], half);
		lane_put(&c->k0, lane, &k->prime[i].k0, 1);
		lane_put(c->q_inverse, lane, i ? none : k->q_inverse, half);
		lane_put(c->n, lane, k->n.m, full);
		lane_put(c->n_r2, lane, k->n.r2, full);
		lane_put(&c->n_k0, lane, &k->n.k0, 1);
		lane_put(c->blind, lane, k->blind[j][i], full);
		for (uint32_t w = 0; w < k->windows; w++)
			c->exponent[w][lane] = k->exponent[i][w];
	}
}

/* c->x, a number modulo n in the even lanes, becomes the base of the exponentiations: modulo p and q,
 * in Montgomery form. With x = lo + hi R: x R = lo R^2 / R + hi R^3 / R. */
static void half_reset(struct rsa_ifma *c)
{
	uint32_t n = c->half;
	vec *hi = c->t;

	for (uint32_t i = 0; i < 2 * n; i++)
		c->x[i] = even(c->x[i]);
	multiply(c, hi, c->x + n, c->r3, c->m, c->k0, n);
	multiply(c, c->y, c->x, c->r2, c->m, c->k0, n);
	for (uint32_t i = 0; i < n; i++)
		hi[i] = _mm512_add_epi64(hi[i], c->y[i]);
	carry(c->y, hi, n); /* below 4 m: a product of it with one below 2 m is still below 2 m */
	c->next = 0;
	c->stage = STAGE_TABLE;
}

/* table[i] = y^i */
static void table_make(struct rsa_ifma *c)
{
	uint32_t n = c->half;

	multiply(c, c->table[0], c->r2, c->one, c->m, c->k0, n);
	multiply(c, c->table[1], c->y, c->table[0], c->m, c->k0, n);
	for (uint32_t i = 2; i < TABLE; i++)
		multiply(c, c->table[i], c->table[i - 1], c->table[1], c->m, c->k0, n);
}

/* y = table[window of each lane], reading all of it. */
static void table_select(struct rsa_ifma *c, const uint8_t window[LANES])
{
	uint32_t n = c->half;
	vec w = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(const void *)window));
	__mmask8 is[TABLE];

	for (uint32_t e = 0; e < TABLE; e++)
		is[e] = _mm512_cmpeq_epi64_mask(w, _mm512_set1_epi64((long long)e));
	for (uint32_t i = 0; i < n; i++) {
		vec v = c->table[0][i];

		for (uint32_t e = 1; e < TABLE; e++)
			v = _mm512_mask_mov_epi64(v, is[e], c->table[e][i]);
		c->y[i] = v;
	}
}

static void window_take(struct rsa_ifma *c)
{
	table_select(c, c->exponent[c->next]);
	if (c->next == 0) {
		memcpy(c->x, c->y, c->half * sizeof(vec));
	} else {
		for (uint32_t i = 0; i < WINDOW_BITS; i++)
			square(c, c->x, c->m, c->k0, c->half);
		multiply(c, c->x, c->x, c->y, c->m, c->k0, c->half);
	}
	c->next++;
}

/* One bounded step of the exponentiations; false when they are done. */
static bool step_half(struct rsa_ifma *c)
{
	uint32_t blocks = c->half / TILE;
	uint32_t windows = HF_MAX(1u, STEP_PRODUCTS * 4 / (blocks * blocks * (WINDOW_BITS + 1)));

	if (c->stage == STAGE_TABLE) {
		table_make(c);
		c->stage = STAGE_WINDOWS;
		return true;
	}
	for (uint32_t i = 0; i < windows && c->next < c->windows; i++)
		window_take(c);
	return c->next < c->windows;
}

/* Chinese remainders (RFC 8017 5.1.2 2.b): h = (x_p - x_q) / q mod p, x = x_q + h q, in even lanes. */
static void join(struct rsa_ifma *c)
{
	const vec mask = _mm512_set1_epi64((long long)DIGIT_MASK);
	uint32_t n = c->half;
	vec *d = c->t, *q = c->u, borrow = _mm512_setzero_si512();

	multiply(c, c->x, c->x, c->one, c->m, c->k0, n);
	subtract_once(c, c->x, c->m, n);
	for (uint32_t i = 0; i < n; i++) { /* x_p - x_q + 2 p, positive: q < 2 p */
		vec t = _mm512_sub_epi64(c->x[i], swap(c->x[i]));

		t = _mm512_add_epi64(t, _mm512_add_epi64(c->m[i], c->m[i]));
		t = _mm512_add_epi64(t, borrow);
		d[i] = _mm512_and_si512(t, mask);
		borrow = _mm512_srai_epi64(t, DIGIT_BITS);
	}
	multiply(c, d, d, c->q_inverse, c->m, c->k0, n);
	subtract_once(c, d, c->m, n); /* uses u, so q comes after it */
	for (uint32_t i = 0; i < n; i++)
		q[i] = swap(c->m[i]);
	multiply_columns(c->cols, d, q, n);
	for (uint32_t i = 0; i < n; i++)
		c->cols[i] = _mm512_add_epi64(c->cols[i], swap(c->x[i]));
	carry(c->x, c->cols, 2 * n);
}

static void batch_blind(struct rsa_ifma *c)
{
	multiply(c, c->x, c->in, c->blind, c->n, c->n_k0, 2 * c->half);
}

/* x / r mod n, below n; the pair is squared for the next batch. */
static void batch_unblind(struct rsa_ifma *c)
{
	uint32_t full = 2 * c->half;

	for (uint32_t i = 0; i < full; i++)
		c->y[i] = swap(c->blind[i]);
	multiply(c, c->x, c->x, c->y, c->n, c->n_k0, full);
	subtract_once(c, c->x, c->n, full);
	square(c, c->blind, c->n, c->n_k0, full);
	for (uint32_t j = 0; j < c->op_cnt; j++)
		for (uint32_t i = 0; i < 2; i++)
			lane_get(c->key_of[j]->blind[j][i], c->blind, 2 * j + i, full);
}

/* Lanes in which x^e = in. */
static __mmask8 batch_check(struct rsa_ifma *c)
{
	uint32_t full = 2 * c->half;
	vec diff = _mm512_setzero_si512();

	multiply(c, c->y, c->x, c->n_r2, c->n, c->n_k0, full);
	for (uint32_t i = 0; i < PUBLIC_SQUARES; i++)
		square(c, c->y, c->n, c->n_k0, full);
	multiply(c, c->y, c->y, c->x, c->n, c->n_k0, full);
	subtract_once(c, c->y, c->n, full);
	for (uint32_t i = 0; i < full; i++)
		diff = _mm512_or_si512(diff, _mm512_xor_si512(c->y[i], c->in[i]));
	return _mm512_cmpeq_epi64_mask(diff, _mm512_setzero_si512());
}

/* ---- the engine ---- */

static bool probe(void)
{
	return hf_os_cpu_has(HF_TIER_IFMA);
}

static size_t size(void)
{
	return sizeof(struct rsa_ifma);
}

static int init(void *ctx)
{
	struct rsa_ifma *c = ctx;

	memset(c, 0, sizeof(*c));
	c->one[0] = _mm512_set1_epi64(1);
	return 0;
}

static void fini(void *ctx)
{
	hf_wipe(ctx, sizeof(struct rsa_ifma));
}

/* Two primes of exactly half the modulus, and the exponent everybody uses. */
static bool takes(void *ctx, const struct hf_pk_key *key)
{
	static const uint8_t f4[] = {1, 0, 1};
	size_t half = key->bits / 16u;
	(void)ctx;

	return key->type == HF_PK_RSA && key->prime_cnt == 2 &&
	       (key->bits == 2048 || key->bits == 3072 || key->bits == 4096) &&
	       hf_span_eq(key->e, hf_span(f4, sizeof(f4))) && key->n.len == key->bits / 8u &&
	       key->prime[0].len == half && key->prime[1].len == half &&
	       key->prime[0].p[0] & 0x80 && key->prime[1].p[0] & 0x80;
}

static void forget(void *ctx, uint64_t key_id)
{
	struct rsa_ifma *c = ctx;
	struct ready_key *k = c->making;

	if (!k || k->id != key_id)
		k = key_find(c, key_id);
	else
		c->making = NULL;
	if (k)
		hf_wipe(k, sizeof(*k));
}

/* The key of each operation, up to the first that is not ready; the first one is made so at once. */
static uint32_t keys_ready(
	struct rsa_ifma *c, struct ready_key **k, const struct hf_rsa_op *ops, uint32_t cnt)
{
	while (prepare(c, ops[0].key, ops[0].seed))
		;
	c->making = NULL;
	for (uint32_t j = 0; j < cnt; j++) {
		k[j] = key_find(c, ops[j].key->id);
		if (!k[j])
			return j;
		k[j]->used_at = ++c->uses;
	}
	return cnt;
}

static void wipe_lanes(struct rsa_ifma *c)
{
	hf_wipe(c->x, sizeof(c->x));
	hf_wipe(c->y, sizeof(c->y));
	hf_wipe(c->cols, sizeof(c->cols));
	hf_wipe(c->table, sizeof(c->table));
	hf_wipe(c->t, sizeof(c->t));
	hf_wipe(c->u, sizeof(c->u));
}

static uint32_t begin(void *ctx, struct hf_rsa_op *ops, uint32_t cnt)
{
	struct rsa_ifma *c = ctx;
	struct ready_key *k[OPS];
	uint64_t d[FULL_MAX];

	c->op_cnt = keys_ready(c, k, ops, HF_MIN(cnt, OPS));
	c->op = ops;
	c->half = k[0]->half;
	c->windows = k[0]->windows;
	for (uint32_t j = 0; j < OPS; j++) { /* spare lanes repeat the last operation */
		uint32_t from = HF_MIN(j, c->op_cnt - 1);

		batch_key(c, j, k[from]);
		digits_of(d, 2 * c->half, ops[from].in, ops[from].key->n.len);
		lane_put(c->in, 2 * j, d, 2 * c->half);
		lane_put(c->in, 2 * j + 1, d, 2 * c->half);
	}
	batch_blind(c);
	half_reset(c);
	return c->op_cnt;
}

static bool step(void *ctx)
{
	struct rsa_ifma *c = ctx;

	if (c->stage == STAGE_JOIN) {
		join(c);
		batch_unblind(c);
		c->stage = STAGE_CHECK;
	} else if (!step_half(c)) {
		c->stage = STAGE_JOIN;
	}
	return c->stage != STAGE_CHECK;
}

static void end(void *ctx)
{
	struct rsa_ifma *c = ctx;
	__mmask8 good = batch_check(c);
	uint64_t d[FULL_MAX];

	for (uint32_t j = 0; j < c->op_cnt; j++) {
		struct hf_rsa_op *op = &c->op[j];

		op->status = good >> (2 * j) & 1 ? HF_RSA_OK : HF_RSA_FAULT;
		lane_get(d, c->x, 2 * j, 2 * c->half);
		if (op->status == HF_RSA_OK)
			bytes_of(op->out, op->key->n.len, d, 2 * c->half);
	}
	hf_wipe(d, sizeof(d));
	wipe_lanes(c);
	c->stage = STAGE_DONE;
}

const struct hf_pk_engine hf_pk_rsa_ifma = {
	.name = "rsa_ifma",
	.cost = HF_PK_SLICEABLE,
	.quantum = OPS,
	.probe = probe,
	.size = size,
	.init = init,
	.fini = fini,
	.takes = takes,
	.forget = forget,
	.prepare = prepare,
	.begin = begin,
	.step = step,
	.end = end,
};
