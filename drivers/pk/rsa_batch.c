/* rsa_batch.c -- what is the same in every engine with lanes: a batch of RSA private operations from
 * bytes to bytes, in steps.
 *
 * Operation j has one lane of the full-width arithmetic modulo its n, and one lane for each of its
 * primes in the passes: lane l of all passes is prime l mod k of operation l / k, so the lanes of a
 * key may lie in different passes. A batch is blinded at full width, taken modulo the primes, raised
 * by fixed windows of four bits with the table read whole for each, joined prime by prime, unblinded,
 * and raised to e = 65537 to see that the input comes back (a faulty half would give the factors
 * away). No branch and no address depends on a secret.
 *
 * Between the lanes, where numbers change their width, they are plain words of 64 bits. What a key
 * needs is made once, in bounded steps of its own, and kept.
 * Specs: RFC 8017 5.1.2; Garner 1959; Montgomery 1985; Kocher 1996 (blinding). */
#include "drivers/pk/rsa_batch.h"
#include "lib/base/secret.h"

#define LANES HF_RSA_LANES
#define OPS HF_RSA_OPS
#define PRIMES HF_RSA_PRIME_MAX
#define WORD_BITS 64u
#define FULL_WORDS (HF_RSA_BITS_MAX / WORD_BITS + 1) /* one to spare: sums, and a sign */
#define PRIME_WORDS (HF_RSA_BITS_MAX / 2 / WORD_BITS + 1)
#define FULL_DIGITS HF_RSA_DIGITS_MAX
#define PRIME_DIGITS HF_RSA_PRIME_DIGITS_MAX
#define KEY_CNT 32u        /* prepared keys; beyond it the one used longest ago makes room */
#define PUBLIC_SQUARES 16u /* e = 2^16 + 1 */
#define CHECK_SQUARES 4u   /* of them in a step: at 4096 bits up to 50 us */
#define SEED_LEN 64u

typedef struct hf_rsa_vec vec;

/* One modulus in a core's digits. */
struct modulus {
	uint64_t m[FULL_DIGITS], r2[FULL_DIGITS], aid[HF_RSA_AID_MAX];
};

struct ready_key {
	uint64_t id, used_at; /* used_at 0: the place is free, or its key is being made */
	uint32_t bits, prime_bits, prime_cnt;
	uint64_t n[FULL_WORDS], p[PRIMES][PRIME_WORDS];
	uint64_t exponent[PRIMES][PRIME_WORDS], minus_exponent[PRIMES][PRIME_WORDS];
	uint64_t product[PRIMES][FULL_WORDS]; /* of the primes joined before */
	struct modulus full, prime[PRIMES];
	uint64_t coefficient[PRIMES][PRIME_DIGITS]; /* in Montgomery form */
	/* blinding, a pair for each place in a batch, in Montgomery form: a and a^-d modulo n */
	uint64_t blind[OPS][2][FULL_DIGITS];
};

/* Where a batch is, or a key being made ready. */
enum stage {
	STAGE_NUMBERS, /* of a key */
	STAGE_CONSTANTS,
	STAGE_BLINDING,
	STAGE_ENTER,
	STAGE_WINDOWS,
	STAGE_JOIN,
	STAGE_FINISH, /* of a batch */
	STAGE_CHECK,
};

struct op {
	struct ready_key *key;
	uint64_t in[FULL_WORDS], x[FULL_WORDS]; /* x: what is being computed */
	uint64_t residue[PRIMES][PRIME_WORDS];
};

struct batch {
	const struct hf_rsa_core *core;
	/* the running batch */
	struct hf_rsa_op *user;
	struct op op[OPS];
	uint32_t op_cnt, prime_cnt;
	uint32_t pass, window, joined, squared;
	enum stage stage;
	struct ready_key *making; /* it is no batch but a key being made ready */
	/* lanes */
	struct hf_rsa_lanes full, prime;
	const uint64_t *exponent[LANES];
	vec x[FULL_DIGITS], y[FULL_DIGITS], t[FULL_DIGITS], one[FULL_DIGITS];
	vec packed[PRIME_DIGITS], table[HF_RSA_TABLE * PRIME_DIGITS];
	/* keys */
	uint64_t uses;
	struct ready_key key[KEY_CNT];
};

/* ---- numbers of 64-bit words, the least significant first ---- */

static void words_of(uint64_t *w, uint32_t cnt, struct hf_span number)
{
	memset(w, 0, cnt * sizeof(*w));
	for (size_t i = 0; i < number.len; i++)
		w[i / 8] |= (uint64_t)number.p[number.len - 1 - i] << (8 * (i % 8));
}

static void bytes_of(uint8_t *p, size_t len, const uint64_t *w)
{
	for (size_t i = 0; i < len; i++)
		p[len - 1 - i] = (uint8_t)(w[i / 8] >> (8 * (i % 8)));
}

static void words_add(uint64_t *x, const uint64_t *y, uint32_t cnt)
{
	unsigned __int128 sum = 0;

	for (uint32_t i = 0; i < cnt; i++) {
		sum += (unsigned __int128)x[i] + y[i];
		x[i] = (uint64_t)sum;
		sum >>= WORD_BITS;
	}
}

/* out = x - y; all ones if that is negative, else 0. */
static uint64_t words_subtract(uint64_t *out, const uint64_t *x, const uint64_t *y, uint32_t cnt)
{
	__int128 d = 0;

	for (uint32_t i = 0; i < cnt; i++) {
		d += (__int128)x[i] - y[i];
		out[i] = (uint64_t)d;
		d >>= WORD_BITS;
	}
	return (uint64_t)d;
}

/* x -= m where x >= m. */
static void words_reduce(uint64_t *x, const uint64_t *m, uint32_t cnt)
{
	uint64_t d[FULL_WORDS], keep = words_subtract(d, x, m, cnt);

	for (uint32_t i = 0; i < cnt; i++)
		x[i] = (x[i] & keep) | (d[i] & ~keep);
	hf_wipe(d, cnt * sizeof(*d));
}

/* x = 2 x mod m, x < m; the uppermost word is spare. */
static void words_double(uint64_t *x, const uint64_t *m, uint32_t cnt)
{
	words_add(x, x, cnt);
	words_reduce(x, m, cnt);
}

/* x += a b, where all of it fits the cnt words of x; so b may be cut off there. */
static void words_mul_add(
	uint64_t *x, uint32_t cnt, const uint64_t *a, uint32_t a_cnt, const uint64_t *b)
{
	for (uint32_t i = 0; i < a_cnt; i++) {
		unsigned __int128 t = 0;

		for (uint32_t j = 0; i + j < cnt; j++) {
			t += (unsigned __int128)a[i] * b[j] + x[i + j];
			x[i + j] = (uint64_t)t;
			t >>= WORD_BITS;
		}
	}
}

static uint64_t words_bits(const uint64_t *w, uint32_t cnt, uint32_t from, uint32_t bit_cnt)
{
	uint32_t i = from / WORD_BITS, shift = from % WORD_BITS;
	uint64_t v = i < cnt ? w[i] >> shift : 0;

	if (shift && i + 1 < cnt)
		v |= w[i + 1] << (WORD_BITS - shift);
	return v & ((1ull << bit_cnt) - 1);
}

/* ---- between words, digits and lanes ---- */

/* Plain digits of w from bit `from` on, as many as the lanes have. */
static void digits_of(
	const struct hf_rsa_lanes *l, uint64_t *d, const uint64_t *w, uint32_t cnt, uint32_t from)
{
	for (uint32_t i = 0; i < l->digits; i++)
		d[i] = words_bits(w, cnt, from + i * l->digit_bits, l->digit_bits);
}

/* The number that signed digits of any size make, two's complement. */
static void words_of_digits(
	uint64_t *w, uint32_t cnt, const uint64_t *d, const struct hf_rsa_lanes *l)
{
	__int128 sum = 0;
	uint32_t at = 0, have = 0;

	for (uint32_t i = 0; i < l->digits && at < cnt; i++) {
		sum += (__int128)(int64_t)d[i] * (1ull << have);
		have += l->digit_bits;
		if (have >= WORD_BITS) {
			w[at++] = (uint64_t)sum;
			sum >>= WORD_BITS;
			have -= WORD_BITS;
		}
	}
	for (; at < cnt; sum >>= WORD_BITS)
		w[at++] = (uint64_t)sum;
}

static void lane_put(vec *v, uint32_t lane, const uint64_t *d, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++)
		v[i].lane[lane] = d[i];
}

static void lane_get(uint64_t *d, const vec *v, uint32_t lane, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++)
		d[i] = v[i].lane[lane];
}

static void number_put(const struct batch *c, const struct hf_rsa_lanes *l, vec *v, uint32_t lane,
	const uint64_t *w, uint32_t cnt, uint32_t from)
{
	uint64_t d[FULL_DIGITS];

	digits_of(l, d, w, cnt, from);
	c->core->encode(l, d, l->digits);
	lane_put(v, lane, d, l->digits);
	hf_wipe(d, l->digits * sizeof(*d));
}

/* A number within 2 m of zero, brought into 0 .. m - 1. */
static void number_get(const struct batch *c, const struct hf_rsa_lanes *l, uint64_t *w,
	const vec *v, uint32_t lane, const uint64_t *m, uint32_t cnt)
{
	uint64_t d[FULL_DIGITS];

	lane_get(d, v, lane, l->digits);
	c->core->decode(d, l->digits);
	words_of_digits(w, cnt, d, l);
	words_add(w, m, cnt);
	words_add(w, m, cnt);
	for (uint32_t i = 0; i < 3; i++)
		words_reduce(w, m, cnt);
	hf_wipe(d, l->digits * sizeof(*d));
}

static void modulus_put(struct hf_rsa_lanes *l, uint32_t lane, const struct modulus *mod)
{
	lane_put(l->m, lane, mod->m, l->digits);
	lane_put(l->r2, lane, mod->r2, l->digits);
	lane_put(l->aid, lane, mod->aid, l->aid_cnt);
}

/* ---- a batch: into the lanes ---- */

static uint32_t full_words(const struct ready_key *k)
{
	return k->bits / WORD_BITS + 1;
}

static uint32_t prime_words(const struct ready_key *k)
{
	return k->prime_bits / WORD_BITS + 1;
}

/* Two primes: four operations fill a pass, and who waits for them need not wait for a second one.
 * Three or four: eight operations fill whole passes, and one check serves them all. */
static uint32_t ops_max(uint32_t prime_cnt)
{
	return prime_cnt == 2 ? LANES / 2 : OPS;
}

/* The operation in a lane of the full width; spare lanes repeat the last one. */
static struct op *full_op(struct batch *c, uint32_t lane)
{
	return &c->op[HF_MIN(lane, c->op_cnt - 1)];
}

/* The same for a lane of the running pass, and which of its primes. */
static struct op *pass_op(struct batch *c, uint32_t lane, uint32_t *prime)
{
	uint32_t all = c->op_cnt * c->prime_cnt, at = HF_MIN(c->pass * LANES + lane, all - 1);

	*prime = at % c->prime_cnt;
	return &c->op[at / c->prime_cnt];
}

static void full_lanes(struct batch *c)
{
	const struct ready_key *k = c->op[0].key;

	c->core->shape(&c->full, k->bits);
	c->core->shape(&c->prime, k->prime_bits);
	for (uint32_t lane = 0; lane < LANES; lane++)
		modulus_put(&c->full, lane, &full_op(c, lane)->key->full);
}

/* Both numbers of the places' blinding pairs: a into c->x, a^-d into c->y. */
static void blind_put(struct batch *c)
{
	for (uint32_t lane = 0; lane < LANES; lane++) {
		uint32_t j = HF_MIN(lane, c->op_cnt - 1);

		lane_put(c->x, lane, c->op[j].key->blind[j][0], c->full.digits);
		lane_put(c->y, lane, c->op[j].key->blind[j][1], c->full.digits);
	}
}

static void blind_get(struct batch *c, const vec *v, uint32_t which)
{
	for (uint32_t j = 0; j < c->op_cnt; j++)
		lane_get(c->op[j].key->blind[j][which], v, j, c->full.digits);
}

/* What the operations have computed, out of the lanes. */
static void full_get(struct batch *c, const vec *v)
{
	for (uint32_t j = 0; j < c->op_cnt; j++) {
		const struct ready_key *k = c->op[j].key;

		number_get(c, &c->full, c->op[j].x, v, j, k->n, full_words(k));
	}
}

static void full_put(struct batch *c, vec *v)
{
	for (uint32_t lane = 0; lane < LANES; lane++) {
		const struct op *o = full_op(c, lane);

		number_put(c, &c->full, v, lane, o->x, full_words(o->key), 0);
	}
}

/* The running batch is set up; its inputs are times a from now on. */
static void blind(struct batch *c)
{
	full_lanes(c);
	blind_put(c);
	full_put(c, c->t);
	c->core->multiply(&c->full, c->t, c->t, c->x);
	full_get(c, c->t);
	c->pass = 0;
	c->stage = STAGE_ENTER;
}

/* y = the x of the operations behind the lanes, numbers of so many bits, modulo the primes in the
 * lanes, in Montgomery form: with x = x_0 + x_1 R + .., x R = ((..) R + x_1 R) R + x_0 R. */
static void enter(struct batch *c, struct op *const *op, uint32_t bits)
{
	struct hf_rsa_lanes *l = &c->prime;
	uint32_t r_bits = l->digits * l->digit_bits, part = (bits - 1) / r_bits;

	memset(c->y, 0, l->digits * sizeof(vec));
	for (bool more = true; more; more = part-- > 0) {
		for (uint32_t lane = 0; lane < LANES; lane++)
			number_put(c, l, c->t, lane, op[lane]->x, FULL_WORDS, part * r_bits);
		c->core->multiply(l, c->t, c->t, l->r2);
		c->core->multiply(l, c->y, c->y, l->r2);
		c->core->add(l, c->y, c->t);
	}
}

static void table_put(struct batch *c, uint32_t entry, const vec *v)
{
	const struct hf_rsa_lanes *l = &c->prime;

	if (c->core->pack) {
		c->core->pack(l, c->packed, v);
		v = c->packed;
	}
	for (uint32_t i = 0; i < l->entry_vecs; i++)
		c->table[i * HF_RSA_TABLE + entry] = v[i];
}

/* y = the entry that each lane's window names. */
static void table_get(struct batch *c, const vec *window)
{
	const struct hf_rsa_lanes *l = &c->prime;

	hf_rsa_select(c->core->unpack ? c->packed : c->y, c->table, window, l->entry_vecs);
	if (c->core->unpack)
		c->core->unpack(l, c->y, c->packed);
}

/* The powers of y from 0 on, in Montgomery form; x = 1. */
static void table_make(struct batch *c)
{
	struct hf_rsa_lanes *l = &c->prime;

	c->core->multiply(l, c->x, l->r2, c->one);
	table_put(c, 0, c->x);
	table_put(c, 1, c->y);
	memcpy(c->t, c->y, l->digits * sizeof(vec));
	for (uint32_t e = 2; e < HF_RSA_TABLE; e++) {
		c->core->multiply(l, c->t, c->t, c->y);
		table_put(c, e, c->t);
	}
}

static void pass_begin(struct batch *c)
{
	struct op *op[LANES];

	for (uint32_t lane = 0; lane < LANES; lane++) {
		uint32_t i;
		const struct ready_key *k;

		op[lane] = pass_op(c, lane, &i);
		k = op[lane]->key;
		modulus_put(&c->prime, lane, &k->prime[i]);
		c->exponent[lane] = c->making ? k->minus_exponent[i] : k->exponent[i];
	}
	enter(c, op, op[0]->key->bits);
	table_make(c);
	c->window = HF_ROUND_UP(op[0]->key->prime_bits, HF_RSA_WINDOW_BITS) / HF_RSA_WINDOW_BITS;
	c->stage = STAGE_WINDOWS;
}

/* ---- a batch: the exponentiations ---- */

/* x = x^16 y^w, w being the next window of each lane's exponent, the most significant first. */
static void window_take(struct batch *c)
{
	struct hf_rsa_lanes *l = &c->prime;
	uint32_t from = --c->window * HF_RSA_WINDOW_BITS;
	vec w;

	for (uint32_t lane = 0; lane < LANES; lane++)
		w.lane[lane] = c->exponent[lane][from / WORD_BITS] >> from % WORD_BITS &
			       (HF_RSA_TABLE - 1);
	for (uint32_t i = 0; i < HF_RSA_WINDOW_BITS; i++)
		c->core->square(l, c->x);
	table_get(c, &w);
	c->core->multiply(l, c->x, c->x, c->y);
}

static void pass_end(struct batch *c)
{
	uint32_t cnt = prime_words(c->op[0].key);

	c->core->multiply(&c->prime, c->x, c->x, c->one);
	for (uint32_t lane = 0; lane < LANES; lane++) {
		uint32_t i;
		struct op *o = pass_op(c, lane, &i);

		number_get(c, &c->prime, o->residue[i], c->x, lane, o->key->p[i], cnt);
	}
	c->pass++;
	c->joined = 0;
	c->stage = c->pass * LANES < c->op_cnt * c->prime_cnt ? STAGE_ENTER : STAGE_JOIN;
}

static void windows_step(struct batch *c)
{
	uint32_t products = c->prime.digits * c->prime.digits * (HF_RSA_WINDOW_BITS + 1);
	uint32_t windows = HF_MAX(1u, (c->core->step_products + products / 2) / products);

	for (uint32_t i = 0; i < windows && c->window > 0; i++)
		window_take(c);
	if (c->window == 0)
		pass_end(c);
}

/* ---- a batch: Chinese remainders ---- */

/* The primes in the order they are joined: RFC 8017 5.1.2 2.b begins with m_2, modulo q. */
static uint32_t joined_as(uint32_t step)
{
	return step < 2 ? 1 - step : step;
}

static void join_begin(struct batch *c)
{
	for (uint32_t j = 0; j < c->op_cnt; j++) {
		struct op *o = &c->op[j];

		memset(o->x, 0, sizeof(o->x));
		memcpy(o->x, o->residue[joined_as(0)], sizeof(o->residue[0]));
	}
}

/* One more prime for all operations, each in its lane: h = (residue - x) t, t being the inverse of
 * the product of the primes before; x += that product times h. */
static void join_prime(struct batch *c)
{
	struct hf_rsa_lanes *l = &c->prime;
	uint32_t i = joined_as(c->joined), cnt = prime_words(c->op[0].key);
	uint64_t w[PRIME_WORDS], h[PRIME_WORDS];
	struct op *op[LANES];

	for (uint32_t lane = 0; lane < LANES; lane++) {
		op[lane] = full_op(c, lane);
		modulus_put(l, lane, &op[lane]->key->prime[i]);
		lane_put(c->x, lane, op[lane]->key->coefficient[c->joined], l->digits);
	}
	enter(c, op, c->joined * op[0]->key->prime_bits);
	c->core->multiply(l, c->y, c->y, c->one);
	for (uint32_t lane = 0; lane < LANES; lane++) {
		number_get(c, l, w, c->y, lane, op[lane]->key->p[i], cnt);
		memcpy(h, op[lane]->residue[i], sizeof(h));
		words_add(h, op[lane]->key->p[i], cnt); /* positive, and below twice the prime */
		words_subtract(h, h, w, cnt);
		number_put(c, l, c->t, lane, h, cnt, 0);
	}
	c->core->multiply(l, c->t, c->t, c->x);
	for (uint32_t j = 0; j < c->op_cnt; j++) {
		const struct ready_key *k = op[j]->key;

		number_get(c, l, h, c->t, j, k->p[i], cnt);
		words_mul_add(op[j]->x, full_words(k), h, cnt, k->product[c->joined]);
	}
	hf_wipe(w, sizeof(w));
	hf_wipe(h, sizeof(h));
}

static void join_step(struct batch *c)
{
	if (c->joined == 0)
		join_begin(c);
	else
		join_prime(c);
	if (++c->joined == c->prime_cnt)
		c->stage = STAGE_FINISH;
}

/* ---- a batch: unblinding, and the check ---- */

/* The pairs are squared for the next batch. */
static void unblind(struct batch *c)
{
	struct hf_rsa_lanes *l = &c->full;

	blind_put(c);
	full_put(c, c->t);
	c->core->multiply(l, c->t, c->t, c->y);
	full_get(c, c->t);
	c->core->square(l, c->x);
	c->core->square(l, c->y);
	blind_get(c, c->x, 0);
	blind_get(c, c->y, 1);
	full_put(c, c->x);
	c->core->multiply(l, c->y, c->x, l->r2);
	c->squared = 0;
	c->stage = STAGE_CHECK;
}

/* y = x^(2^16) in the end; false when it is. */
static bool check_step(struct batch *c)
{
	for (uint32_t i = 0; i < CHECK_SQUARES; i++)
		c->core->square(&c->full, c->y);
	c->squared += CHECK_SQUARES;
	return c->squared < PUBLIC_SQUARES;
}

/* Is x^e the input again? Whoever sees the answer learns the verdict, and should. */
static bool is_right(struct batch *c, uint32_t j)
{
	const struct op *o = &c->op[j];
	uint64_t w[FULL_WORDS];
	uint32_t cnt = full_words(o->key), right;

	number_get(c, &c->full, w, c->y, j, o->key->n, cnt);
	right = hf_ct_bytes_eq(w, o->in, cnt * sizeof(*w));
	hf_ct_reveal(&right, sizeof(right));
	return right;
}

static void wipe(struct batch *c)
{
	hf_wipe(c->op, sizeof(c->op));
	hf_wipe(c->x, sizeof(c->x));
	hf_wipe(c->y, sizeof(c->y));
	hf_wipe(c->t, sizeof(c->t));
	hf_wipe(c->packed, sizeof(c->packed));
	hf_wipe(c->table, c->prime.entry_vecs * HF_RSA_TABLE * sizeof(vec));
	hf_wipe(c->full.work, sizeof(c->full.work));
	hf_wipe(c->prime.work, sizeof(c->prime.work));
}

/* ---- making a key ready ---- */

/* m in digits, the core's constants, and in place of R^2 the number 2 R mod m. */
static void modulus_make(const struct batch *c, const struct hf_rsa_lanes *l, struct modulus *mod,
	const uint64_t *m, uint32_t cnt, size_t len)
{
	uint64_t w[FULL_WORDS];
	uint32_t top = ((uint32_t)len - 1) * 8; /* 2^top is below m, which has len bytes */

	digits_of(l, mod->m, m, cnt, 0);
	c->core->aid(l, mod->aid, mod->m);
	c->core->encode(l, mod->m, l->digits);
	memset(w, 0, sizeof(w));
	w[top / WORD_BITS] = 1ull << (top % WORD_BITS);
	for (uint32_t i = top; i < l->digits * l->digit_bits + 1; i++)
		words_double(w, m, cnt);
	digits_of(l, mod->r2, w, cnt, 0);
	c->core->encode(l, mod->r2, l->digits);
	hf_wipe(w, sizeof(w));
}

/* The first step: the key's numbers, as words and as digits. */
static void key_numbers(struct batch *c, struct ready_key *k, const struct hf_pk_key *key)
{
	uint32_t full, cnt;

	k->id = key->id;
	k->bits = key->bits;
	k->prime_cnt = key->prime_cnt;
	k->prime_bits = HF_ROUND_UP(k->bits, k->prime_cnt) / k->prime_cnt;
	full = full_words(k);
	cnt = prime_words(k);
	c->core->shape(&c->full, k->bits);
	c->core->shape(&c->prime, k->prime_bits);
	words_of(k->n, full, key->n);
	modulus_make(c, &c->full, &k->full, k->n, full, key->n.len);
	for (uint32_t i = 0; i < k->prime_cnt; i++) {
		words_of(k->p[i], cnt, key->prime[i]);
		words_of(k->exponent[i], cnt, key->exponent[i]);
		/* p - 1 - d_p: the exponent that gives a^-d (Fermat); p is odd */
		words_subtract(k->minus_exponent[i], k->p[i], k->exponent[i], cnt);
		k->minus_exponent[i][0] -= 1;
		modulus_make(c, &c->prime, &k->prime[i], k->p[i], cnt, key->prime[i].len);
	}
	memcpy(k->product[1], k->p[joined_as(0)], sizeof(k->p[0]));
	for (uint32_t i = 2; i < k->prime_cnt; i++)
		words_mul_add(k->product[i], full, k->p[joined_as(i - 1)], cnt, k->product[i - 1]);
}

/* R^2 of the moduli in the lanes, from 2 R: that is 2 in Montgomery form, raised to the bits of R. */
static void r2_make(struct batch *c, struct hf_rsa_lanes *l)
{
	uint32_t bits = l->digits * l->digit_bits;

	memcpy(c->t, l->r2, l->digits * sizeof(vec));
	for (uint32_t i = 31 - (uint32_t)__builtin_clz(bits); i-- > 0;) {
		c->core->square(l, l->r2);
		if (bits >> i & 1)
			c->core->multiply(l, l->r2, l->r2, c->t);
	}
}

/* The next two: R^2, by the lanes, and the coefficients in Montgomery form. */
static void full_constants(struct batch *c, struct ready_key *k)
{
	full_lanes(c);
	r2_make(c, &c->full);
	lane_get(k->full.r2, c->full.r2, 0, c->full.digits);
	c->stage = STAGE_CONSTANTS;
}

static void prime_constants(struct batch *c, struct ready_key *k, const struct hf_pk_key *key)
{
	struct hf_rsa_lanes *l = &c->prime;
	uint64_t w[PRIME_WORDS];

	for (uint32_t lane = 0; lane < LANES; lane++) {
		uint32_t step = lane % k->prime_cnt; /* the first prime has no coefficient */

		modulus_put(l, lane, &k->prime[joined_as(step)]);
		words_of(w, PRIME_WORDS, step ? key->coefficient[step] : hf_span(NULL, 0));
		number_put(c, l, c->x, lane, w, PRIME_WORDS, 0);
	}
	r2_make(c, l);
	c->core->multiply(l, c->x, c->x, l->r2);
	for (uint32_t step = 0; step < k->prime_cnt; step++) {
		lane_get(k->prime[joined_as(step)].r2, l->r2, step, l->digits);
		lane_get(k->coefficient[step], c->x, step, l->digits);
	}
	c->stage = STAGE_BLINDING;
	hf_wipe(w, sizeof(w));
}

/* Then blinding pairs, one for each place in a batch: a number nobody can guess, and its -d-th power
 * as the exponentiations of a batch compute it. Each place takes the seed from another byte on, and
 * squares it until it fills the width. */
static void blinding_begin(struct batch *c, const uint8_t *seed)
{
	struct hf_rsa_lanes *l = &c->full;
	uint8_t turned[SEED_LEN];

	for (uint32_t j = 0; j < c->op_cnt; j++) {
		for (uint32_t i = 0; i < SEED_LEN; i++)
			turned[i] = seed[(i + j * SEED_LEN / OPS) % SEED_LEN];
		words_of(c->op[j].x, FULL_WORDS, hf_span(turned, sizeof(turned)));
		c->op[j].x[0] |= 2; /* not 0 and not 1, whatever the seed */
	}
	full_put(c, c->x);
	c->core->multiply(l, c->x, c->x, l->r2);
	for (uint32_t i = 0; 1u << i < HF_RSA_BITS_MAX / SEED_LEN; i++)
		c->core->square(l, c->x);
	blind_get(c, c->x, 0);
	c->core->multiply(l, c->x, c->x, c->one);
	full_get(c, c->x);
	c->pass = 0;
	c->stage = STAGE_ENTER;
	hf_wipe(turned, sizeof(turned));
}

static void blinding_end(struct batch *c)
{
	full_put(c, c->x);
	c->core->multiply(&c->full, c->x, c->x, c->full.r2);
	blind_get(c, c->x, 1);
	wipe(c);
}

static struct ready_key *key_find(struct batch *c, uint64_t id)
{
	for (uint32_t i = 0; i < KEY_CNT; i++)
		if (c->key[i].used_at && c->key[i].id == id)
			return &c->key[i];
	return NULL;
}

/* A free place, or the one whose key was used longest ago. */
static struct ready_key *key_place(struct batch *c)
{
	struct ready_key *oldest = &c->key[0];

	for (uint32_t i = 1; i < KEY_CNT; i++)
		if (c->key[i].used_at < oldest->used_at)
			oldest = &c->key[i];
	hf_wipe(oldest, sizeof(*oldest));
	return oldest;
}

static void making_begin(struct batch *c, const struct hf_pk_key *key)
{
	struct ready_key *k = c->making = key_place(c);

	key_numbers(c, k, key);
	c->prime_cnt = k->prime_cnt;
	c->op_cnt = ops_max(k->prime_cnt);
	for (uint32_t j = 0; j < c->op_cnt; j++)
		c->op[j].key = k;
	c->stage = STAGE_NUMBERS;
}

/* A step from the input in the operations' x to the result there; false when it is. */
static bool step(struct batch *c)
{
	switch (c->stage) {
	case STAGE_ENTER:
		pass_begin(c);
		return true;
	case STAGE_WINDOWS:
		windows_step(c);
		return true;
	default:
		join_step(c);
		return c->stage == STAGE_JOIN;
	}
}

/* The key has its place from the first step on, and counts as used at the end. Whatever else uses
 * the lanes in between (begin, another key) undoes the beginning. */
bool hf_rsa_batch_prepare(void *ctx, const struct hf_pk_key *key, const uint8_t *seed)
{
	struct batch *c = ctx;

	if (key_find(c, key->id))
		return false;
	if (!c->making || c->making->id != key->id) {
		making_begin(c, key);
	} else if (c->stage == STAGE_NUMBERS) {
		full_constants(c, c->making);
	} else if (c->stage == STAGE_CONSTANTS) {
		prime_constants(c, c->making, key);
	} else if (c->stage == STAGE_BLINDING) {
		blinding_begin(c, seed);
	} else if (!step(c)) {
		blinding_end(c);
		c->making->used_at = ++c->uses;
		c->making = NULL;
		return false;
	}
	return true;
}

/* ---- the engine ---- */

size_t hf_rsa_batch_size(void)
{
	return sizeof(struct batch);
}

void hf_rsa_batch_init(void *ctx, const struct hf_rsa_core *core)
{
	struct batch *c = ctx;
	uint64_t one = 1;

	memset(c, 0, sizeof(*c));
	c->core = core;
	core->shape(&c->full, HF_RSA_BITS_MAX);
	core->encode(&c->full, &one, 1);
	for (uint32_t lane = 0; lane < LANES; lane++)
		lane_put(c->one, lane, &one, 1);
}

void hf_rsa_batch_fini(void *ctx)
{
	hf_wipe(ctx, sizeof(struct batch));
}

/* Primes of equal size, and the exponent everybody uses. */
bool hf_rsa_batch_takes(void *ctx, const struct hf_pk_key *key)
{
	static const uint8_t f4[] = {1, 0, 1};
	uint32_t prime_bits, spare;
	(void)ctx;

	if (key->type != HF_PK_RSA || key->prime_cnt < 2 ||
		(key->bits != 2048 && key->bits != 3072 && key->bits != 4096) ||
		key->n.len != key->bits / 8u || !hf_span_eq(key->e, hf_span(f4, sizeof(f4))))
		return false;
	prime_bits = HF_ROUND_UP(key->bits, (uint32_t)key->prime_cnt) / key->prime_cnt;
	spare = (8 - prime_bits % 8) % 8;
	for (uint32_t i = 0; i < key->prime_cnt; i++) {
		const struct hf_span p = key->prime[i];

		if (p.len != (prime_bits + 7) / 8 || p.p[0] == 0 || p.p[0] >> (8 - spare))
			return false;
	}
	return true;
}

void hf_rsa_batch_forget(void *ctx, uint64_t key_id)
{
	struct batch *c = ctx;
	struct ready_key *k = c->making;

	if (k && k->id == key_id)
		c->making = NULL;
	else
		k = key_find(c, key_id);
	if (k)
		hf_wipe(k, sizeof(*k));
}

/* The operations whose keys are ready, up to the first that is not; the first one is made so. */
static uint32_t ops_take(struct batch *c, const struct hf_rsa_op *ops, uint32_t cnt)
{
	while (hf_rsa_batch_prepare(c, ops[0].key, ops[0].seed)) {
	}
	c->making = NULL;
	for (uint32_t j = 0; j < cnt; j++) {
		struct op *o = &c->op[j];

		o->key = key_find(c, ops[j].key->id);
		if (!o->key)
			return j;
		o->key->used_at = ++c->uses;
		words_of(o->in, FULL_WORDS, hf_span(ops[j].in, ops[j].key->n.len));
		memcpy(o->x, o->in, sizeof(o->x));
	}
	return cnt;
}

uint32_t hf_rsa_batch_begin(void *ctx, struct hf_rsa_op *ops, uint32_t cnt)
{
	struct batch *c = ctx;

	c->user = ops;
	c->prime_cnt = ops[0].key->prime_cnt;
	c->op_cnt = ops_take(c, ops, HF_MIN(cnt, ops_max(c->prime_cnt)));
	blind(c);
	return c->op_cnt;
}

bool hf_rsa_batch_step(void *ctx)
{
	struct batch *c = ctx;

	if (c->stage == STAGE_CHECK)
		return check_step(c);
	if (c->stage == STAGE_FINISH)
		unblind(c);
	else
		step(c);
	return true;
}

void hf_rsa_batch_end(void *ctx)
{
	struct batch *c = ctx;

	c->core->multiply(&c->full, c->y, c->y, c->x);
	for (uint32_t j = 0; j < c->op_cnt; j++) {
		struct hf_rsa_op *op = &c->user[j];

		op->status = is_right(c, j) ? HF_RSA_OK : HF_RSA_FAULT;
		if (op->status == HF_RSA_OK)
			bytes_of(op->out, op->key->n.len, c->op[j].x);
	}
	wipe(c);
}
