/* p256_avx512f.c -- the field of P-256 in eight lanes, in double precision, for processors with
 * AVX-512F but without IFMA: the products of p256_fma.h, and sums that are left as they are.
 *
 * Secrets in floating point: every value is an integer, zero or between 1 and 2^101, so no operation
 * meets or makes a subnormal, an infinity or a NaN, which are what its time depends on; MXCSR is set
 * for each call (round to nearest) and restored. tests/diff/p256_bounds_fma.c shows that no column leaves
 * the range in which it is exact.
 * Specs: Montgomery 1985; IEEE 754-2019; Intel SDM volume 1, 11.6.4 (MXCSR). */
#include <immintrin.h>
#include "drivers/drivers.h"
#include "drivers/pk/mxcsr_avx512f.h"
#include "lib/base/secret.h"
#include "lib/os/os.h"

#define INLINE static inline __attribute__((always_inline))
#define BELOW_ZERO 2
#define FMA(a, b, acc) _mm512_fmadd_pd(a, b, acc)
#define ADD(a, b) _mm512_add_pd(a, b)
#define SUB(a, b) _mm512_sub_pd(a, b)
#define ROUND constant(0x1.8p100) /* adding it leaves multiples of 2^48 */

typedef __m512d vec;
typedef __mmask8 lanes;
typedef struct {
	vec v[6];
} fe;
struct words {
	__m512i v[4];
};

/* R mod p, R^2, R^3, and the curve's b times R; R mod n, R^2, and 2^256 R. */
static const uint64_t field_one[4] = {
	0x0000000100000000, 0x0000000000000000, 0xffffffffffffffff, 0xfffffffeffffffff};
static const uint64_t field_r2[4] = {
	0x0000000500000002, 0xfffffffe00000003, 0xfffffffbfffffff9, 0xfffffffcfffffffc};
static const uint64_t field_r3[4] = {
	0x0000001900000006, 0x0000000400000018, 0xffffffdfffffffe4, 0xffffffe9ffffffe7};
static const uint64_t field_b[4] = {
	0x29c4bddfdc30061d, 0x9c542a73d89cdf62, 0xf7212ed6acf005cc, 0xe0b74e5109721a8e};
static const uint64_t order_one[4] = {
	0x039cdaaf00000000, 0x58e8617b0c46353d, 0x0000000043190552, 0xffffffff00000000};
static const uint64_t order_r2[4] = {
	0x5706acb03af42abb, 0xdf119f1b30a9cdc7, 0x619076ab51d16bdb, 0x1c1f0858d0b168a4};
static const uint64_t order_2_256[4] = {
	0x54c350c59a8b0adb, 0x3a09bd49cf916d47, 0x2b6bec59619076ab, 0x5aba83b4c16484a4};

/* ---- the steps of a product ---- */

struct column {
	vec high, low;
};

INLINE vec constant(double x)
{
	return _mm512_set1_pd(x);
}

INLINE vec sum(vec a, vec b)
{
	return ADD(a, b);
}

INLINE vec sum_up(vec a, vec b)
{
	return ADD(a, b);
}

INLINE struct column column_begin(vec a, vec b)
{
	vec high = FMA(a, b, ROUND);

	return (struct column){high, FMA(a, b, SUB(ROUND, high))};
}

INLINE void column_add(struct column *c, vec a, vec b)
{
	vec high = FMA(a, b, c->high);

	c->low = ADD(c->low, FMA(a, b, SUB(c->high, high)));
	c->high = high;
}

INLINE vec column_up(const struct column *c)
{
	return SUB(c->high, ROUND);
}

INLINE vec down(vec up, vec low)
{
	return FMA(up, constant(0x1p-48), low);
}

INLINE vec split(vec v, vec *up)
{
	*up = SUB(ADD(v, ROUND), ROUND);
	return SUB(v, *up);
}

INLINE vec low_product(vec a, vec b)
{
	return _mm512_fmsub_pd(a, b, SUB(FMA(a, b, ROUND), ROUND));
}

#include "drivers/pk/p256_fma.h"

/* ---- the field ---- */

static HF_NOINLINE void fe_mul(fe *r, const fe *a, const fe *b)
{
	product_p(r, a, b);
}

static HF_NOINLINE void fe_square(fe *r, const fe *a)
{
	square_p(r, a);
}

INLINE void fe_mul_two(fe *r, const fe *a, const fe *b, fe *s, const fe *e, const fe *f)
{
	fe_mul(r, a, b);
	fe_mul(s, e, f);
}

INLINE void fe_square_two(fe *r, const fe *a, fe *s, const fe *b)
{
	fe_square(r, a);
	fe_square(s, b);
}

static HF_NOINLINE void fn_mul(fe *r, const fe *a, const fe *b)
{
	product_n(r, a, b);
}

INLINE void fe_plus(fe *r, const fe *a, int m, const fe *b)
{
	for (int i = 0; i < LIMBS; i++)
		r->v[i] = m == 1 ? ADD(a->v[i], b->v[i]) : FMA(b->v[i], constant(m), a->v[i]);
}

INLINE void fe_minus(fe *r, const fe *a, int m, const fe *b)
{
	for (int i = 0; i < LIMBS; i++)
		r->v[i] = m == 1 ? SUB(a->v[i], b->v[i]) : FMA(b->v[i], constant(-m), a->v[i]);
}

INLINE void fe_negate(fe *r, const fe *a, lanes where)
{
	for (int i = 0; i < LIMBS; i++)
		r->v[i] = _mm512_mask_sub_pd(a->v[i], where, constant(0), a->v[i]);
}

/* A product takes sums as they are. */
INLINE void fe_settle(fe *r, unsigned k)
{
	(void)r;
	(void)k;
}

INLINE void fe_tidy(fe *r, unsigned k)
{
	(void)k;
	balance(r, r->v);
}

INLINE void fe_choose(fe *r, lanes where, const fe *a)
{
	for (int i = 0; i < LIMBS; i++)
		r->v[i] = _mm512_mask_mov_pd(r->v[i], where, a->v[i]);
}

/* Between integers and doubles by way of 1.5 2^52, whose unit of the last place is 1. */
INLINE void fe_integers(__m512i *d, const fe *a)
{
	const vec unit = constant(0x1.8p52);

	for (int i = 0; i < LIMBS; i++)
		d[i] = _mm512_sub_epi64(
			_mm512_castpd_si512(ADD(a->v[i], unit)), _mm512_castpd_si512(unit));
}

INLINE void fe_of_integers(fe *r, const __m512i *d)
{
	const vec unit = constant(0x1.8p52);

	for (int i = 0; i < LIMBS; i++)
		r->v[i] =
			SUB(_mm512_castsi512_pd(_mm512_add_epi64(d[i], _mm512_castpd_si512(unit))),
				unit);
	balance(r, r->v);
}

INLINE __m512i fe_bits(vec limb)
{
	return _mm512_castpd_si512(limb);
}

INLINE vec fe_of_bits(__m512i bits)
{
	return _mm512_castsi512_pd(bits);
}

#include "drivers/pk/p256_lanes_avx512f.h"

static const struct hf_p256_core core = {make_table, base, multiply, sign};

static bool probe(void)
{
	return hf_os_cpu_has(HF_TIER_AVX512F);
}

static int init(void *ctx)
{
	uint32_t mxcsr = hf_mxcsr_plain();
	int error = hf_p256_init(ctx, &core);

	_mm_setcsr(mxcsr);
	return error;
}

static void ec(void *ctx, struct hf_ec_op *ops, uint32_t cnt)
{
	uint32_t mxcsr = hf_mxcsr_plain();

	hf_p256_ec(ctx, ops, cnt);
	_mm_setcsr(mxcsr);
}

const struct hf_pk_engine hf_pk_p256_avx512f = {
	.name = "p256_avx512f",
	.cost = HF_PK_WHOLE,
	.floating_point = true,
	.probe = probe,
	.size = hf_p256_size,
	.init = init,
	.fini = hf_p256_fini,
	.ec_quantum = HF_LANES,
	.ec_nonce_of_seed = true,
	.takes_ec = hf_p256_takes,
	.ec = ec,
};
