/* p256.c -- what is the same in both engines for P-256: a batch of operations from bytes to bytes.
 *
 * Nonces are hedged: k = SHA-512(tag, private key, digest, 32 random bytes) mod n. With good random
 * bytes k is as random as they are; with bad ones it is what a deterministic signature would have (RFC
 * 6979), a secret that differs from digest to digest. 512 bits make the bias of k less than 2^-255.
 *
 * Nothing goes out unchecked: a point is one of the curve, a signature fits key and digest. What
 * cannot be answered is left to the next engine: an addition that met its exceptional case, k, r or s
 * that is 0. No lane without an operation is left to chance: it multiplies the base point by 1.
 * Specs: SEC 1 4.1.3; SEC 2 2.4.2; RFC 8422 5.4, 5.10, 5.11; X.690 8.3. */
#include "drivers/pk/p256.h"
#include "drivers/pk/sha512.h"
#include "lib/base/secret.h"

#define BYTES 32u
#define POINT_LEN (1 + 2 * BYTES)
#define STACK_WIPED 8192u /* below us: kernels leave their registers there */

struct batch {
	struct hf_lanes k, x, y, z, d, hash[2];
	_Alignas(64) uint64_t block[16][HF_LANES], digest[8][HF_LANES];
};

struct p256 {
	const struct hf_p256_core *core;
	struct hf_p256_table table;
	struct batch batch;
};

/* SEC 2, 2.4.2: the base point as it is on the wire, and a scalar of 1. */
static const uint8_t base_point[POINT_LEN] = {0x04, /* uncompressed */
	0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40,
	0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98,
	0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c,
	0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68,
	0x37, 0xbf, 0x51, 0xf5};
static const uint8_t one[BYTES] = {[BYTES - 1] = 1};

/* ---- answers ---- */

/* Which status an answer has is for all to see. */
static int status_of(struct hf_p256_verdict *v, uint32_t lane)
{
	hf_ct_reveal(v, sizeof(*v));
	if (!(v->valid >> lane & 1))
		return HF_EC_REFUSED;
	if (!(v->there >> lane & 1))
		return HF_EC_UNANSWERED;
	return v->right >> lane & 1 ? HF_EC_OK : HF_EC_FAULT;
}

/* An INTEGER of X.690 8.3: no more zeros in front than the sign wants. Returns its length. */
static uint32_t der_integer(uint8_t *p, const uint8_t *number)
{
	uint32_t skip = 0, sign;

	while (skip < BYTES - 1 && number[skip] == 0)
		skip++;
	sign = number[skip] >> 7;
	p[0] = 0x02;
	p[1] = (uint8_t)(BYTES - skip + sign);
	p[2] = 0;
	memcpy(p + 2 + sign, number + skip, BYTES - skip);
	return 2 + p[1];
}

/* Of a signature that goes out, so r and s are no secrets. */
static uint32_t der_signature(uint8_t *p, uint8_t *r, uint8_t *s)
{
	uint32_t len;

	hf_ct_reveal(r, BYTES);
	hf_ct_reveal(s, BYTES);
	len = der_integer(p + 2, r);
	len += der_integer(p + 2 + len, s);
	p[0] = 0x30; /* SEQUENCE */
	p[1] = (uint8_t)len;
	return 2 + len;
}

/* ---- batches of each kind ---- */

static void scalars_put(struct batch *b, const struct hf_ec_op *ops, uint32_t cnt)
{
	for (uint32_t lane = 0; lane < HF_LANES; lane++)
		hf_lane_put(&b->k, lane, lane < cnt ? ops[lane].scalar : one);
}

static void base(struct p256 *c, struct hf_ec_op *ops, uint32_t cnt)
{
	struct batch *b = &c->batch;
	struct hf_p256_verdict v;

	scalars_put(b, ops, cnt);
	v = c->core->base(&c->table, &b->x, &b->y, &b->k);
	for (uint32_t i = 0; i < cnt; i++) {
		ops[i].status = status_of(&v, i);
		ops[i].out[0] = base_point[0];
		hf_lane_get(ops[i].out + 1, &b->x, i);
		hf_lane_get(ops[i].out + 1 + BYTES, &b->y, i);
		ops[i].out_len = POINT_LEN;
	}
}

/* A point of the wrong form is refused, and its lane has the base point. */
static void multiply(struct p256 *c, struct hf_ec_op *ops, uint32_t cnt)
{
	struct batch *b = &c->batch;
	struct hf_p256_verdict v;
	uint32_t form = 0;

	scalars_put(b, ops, cnt);
	for (uint32_t lane = 0; lane < HF_LANES; lane++) {
		const uint8_t *p = base_point;

		if (lane < cnt && ops[lane].in_len == POINT_LEN && ops[lane].in[0] == p[0]) {
			p = ops[lane].in;
			form |= 1u << lane;
		}
		hf_lane_put(&b->x, lane, p + 1);
		hf_lane_put(&b->y, lane, p + 1 + BYTES);
	}
	v = c->core->multiply(&b->x, &b->y, &b->k);
	v.valid &= form;
	for (uint32_t i = 0; i < cnt; i++) {
		ops[i].status = status_of(&v, i);
		hf_lane_get(ops[i].out, &b->x, i);
		ops[i].out_len = BYTES;
	}
}

/* The 256 leftmost bits of the digest, all of it if it is shorter (SEC 1 4.1.3, 5). */
static void digest_bits(uint8_t z[BYTES], const struct hf_ec_op *op)
{
	uint32_t len = HF_MIN(op->in_len, BYTES);

	memset(z, 0, BYTES);
	memcpy(z + BYTES - len, op->in, len);
}

static bool has_key(const struct hf_ec_op *op)
{
	return op->key->type == HF_PK_EC_P256 && op->key->d.len == BYTES;
}

static void sign_put(struct batch *b, uint32_t lane, const struct hf_ec_op *op)
{
	uint8_t z[BYTES] = {0};
	bool real = op && has_key(op);

	if (real)
		digest_bits(z, op);
	hf_lane_put(&b->d, lane, real ? op->key->d.p : one);
	hf_lane_put(&b->z, lane, z);
	hf_lane_put(&b->k, lane, real ? op->seed : one);
}

/* FIPS 180-4 5.1.2: a tag, key, digest, random bytes; 13 words, and 2 are padding. */
static void nonces(struct batch *b)
{
	static const uint8_t tag[8] = "hf ecdsa";
	uint64_t word;

	memcpy(&word, tag, sizeof(word));
	for (uint32_t lane = 0; lane < HF_LANES; lane++) {
		b->block[0][lane] = __builtin_bswap64(word);
		for (uint32_t i = 0; i < HF_LANE_WORDS; i++) {
			b->block[4 - i][lane] = b->d.word[i][lane];
			b->block[8 - i][lane] = b->z.word[i][lane];
			b->block[12 - i][lane] = b->k.word[i][lane];
		}
		b->block[13][lane] = 1ull << 63;
		b->block[14][lane] = 0;
		b->block[15][lane] = 13 * 64;
	}
	hf_sha512_block_avx512f(b->digest, (const uint64_t(*)[HF_LANES])b->block);
	for (uint32_t i = 0; i < 2 * HF_LANE_WORDS; i++)
		memcpy(b->hash[i / HF_LANE_WORDS].word[i % HF_LANE_WORDS],
			b->digest[2 * HF_LANE_WORDS - 1 - i], sizeof(b->digest[0]));
}

static void sign(struct p256 *c, struct hf_ec_op *ops, uint32_t cnt)
{
	struct batch *b = &c->batch;
	struct hf_p256_verdict v;
	uint8_t r[BYTES], s[BYTES];

	for (uint32_t lane = 0; lane < HF_LANES; lane++)
		sign_put(b, lane, lane < cnt ? &ops[lane] : NULL);
	nonces(b);
	v = c->core->sign(&c->table, &b->x, &b->y, b->hash, &b->z, &b->d);
	for (uint32_t i = 0; i < cnt; i++) {
		ops[i].status = has_key(&ops[i]) ? status_of(&v, i) : HF_EC_UNANSWERED;
		if (ops[i].status != HF_EC_OK)
			continue;
		hf_lane_get(r, &b->x, i);
		hf_lane_get(s, &b->y, i);
		ops[i].out_len = der_signature(ops[i].out, r, s);
	}
}

/* ---- the engine ---- */

static HF_NOINLINE void wipe_stack(void)
{
	uint8_t used[STACK_WIPED];

	hf_wipe(used, sizeof(used));
}

void hf_p256_ec(void *ctx, struct hf_ec_op *ops, uint32_t cnt)
{
	static void (*const compute[HF_EC_KIND_CNT])(struct p256 *, struct hf_ec_op *, uint32_t) = {
		[HF_EC_BASE] = base, [HF_EC_MULTIPLY] = multiply, [HF_EC_SIGN] = sign};
	struct p256 *c = ctx;

	compute[ops[0].kind](c, ops, HF_MIN(cnt, HF_LANES));
	for (uint32_t i = 0; i < cnt; i++)
		if (ops[i].status != HF_EC_OK) /* nothing of it may be used */
			hf_wipe(ops[i].out, ops[i].kind == HF_EC_BASE ? POINT_LEN : BYTES);
	hf_wipe(&c->batch, sizeof(c->batch));
	wipe_stack();
}

bool hf_p256_takes(void *ctx, enum hf_ec_kind kind, enum hf_group group)
{
	(void)ctx;
	(void)kind;
	return group == HF_GROUP_P256;
}

size_t hf_p256_size(void)
{
	return sizeof(struct p256);
}

void hf_p256_fini(void *ctx)
{
	hf_wipe(ctx, sizeof(struct p256));
}

/* Every entry of the table with either sign, against the way that has none: k whose windows all are
 * u. Of the uppermost three bits are in use. */
static bool table_is_right(struct p256 *c)
{
	struct hf_p256_verdict v, w;

	for (uint32_t u = 0; u < 2 * HF_P256_ENTRIES; u += HF_LANES) {
		struct hf_lanes k = {0}, x, y, also_x, also_y;

		for (uint32_t lane = 0; lane < HF_LANES; lane++) {
			k.word[0][lane] = 1;
			for (uint32_t bit = 0; bit < 255; bit++)
				k.word[(bit + 1) / 64][lane] |=
					(uint64_t)((u + lane) >> bit % HF_P256_WINDOW_BITS & 1)
					<< (bit + 1) % 64;
			hf_lane_put(&also_x, lane, base_point + 1);
			hf_lane_put(&also_y, lane, base_point + 1 + BYTES);
		}
		v = c->core->base(&c->table, &x, &y, &k);
		w = c->core->multiply(&also_x, &also_y, &k);
		if ((v.right & v.there & w.right & w.there) != (1u << HF_LANES) - 1 ||
			memcmp(&x, &also_x, sizeof(x)) != 0 || memcmp(&y, &also_y, sizeof(y)) != 0)
			return false;
	}
	return true;
}

int hf_p256_init(void *ctx, const struct hf_p256_core *core)
{
	struct p256 *c = ctx;

	memset(c, 0, sizeof(*c));
	c->core = core;
	core->table(&c->table);
	return table_is_right(c) ? 0 : -1;
}
