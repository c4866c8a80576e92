/* pk_double.c -- see pk_double.h. The context is unused but must have a size. What a real engine
 * needs and this one does not, random bytes for blinding, is at least looked for. */
#include "tests/doubles/pk_double.h"

static bool probe(void)
{
	return true;
}

static size_t size(void)
{
	return HF_CACHE_LINE;
}

static int init(void *ctx)
{
	(void)ctx;
	return 0;
}

static void fini(void *ctx)
{
	(void)ctx;
}

static bool takes(void *ctx, const struct hf_pk_key *key)
{
	(void)ctx;
	(void)key;
	return true;
}

static void forget(void *ctx, uint64_t key_id)
{
	(void)ctx;
	(void)key_id;
}

static void rsa(void *ctx, struct hf_rsa_op *ops, uint32_t cnt)
{
	static const uint8_t undrawn[64];

	(void)ctx;
	for (uint32_t i = 0; i < cnt; i++) {
		HF_ASSERT(memcmp(ops[i].seed, undrawn, sizeof(undrawn)) != 0);
		memcpy(ops[i].out, ops[i].in, ops[i].key->n.len);
		ops[i].status = HF_RSA_OK;
	}
}

static bool takes_ec(void *ctx, enum hf_ec_kind kind, enum hf_group group)
{
	(void)ctx;
	(void)kind;
	(void)group;
	return true;
}

/* A public value is the private key as a point would be encoded, a shared secret the exclusive or of
 * both private keys, a signature the digest. */
static void ec(void *ctx, struct hf_ec_op *ops, uint32_t cnt)
{
	(void)ctx;
	for (uint32_t i = 0; i < cnt; i++) {
		struct hf_ec_op *op = &ops[i];
		const struct hf_group_info *info = &hf_group_info[op->group];
		uint32_t head = info->point_len > info->scalar_len; /* the byte 04 */

		op->status = HF_EC_OK;
		if (op->kind == HF_EC_SIGN) {
			op->out_len = op->in_len;
			memcpy(op->out, op->in, op->in_len);
		} else if (op->kind == HF_EC_BASE) {
			op->out_len = info->point_len;
			memset(op->out, 4, info->point_len);
			memcpy(op->out + head, op->scalar, info->scalar_len);
		} else {
			op->out_len = info->secret_len;
			for (uint32_t j = 0; j < info->secret_len; j++)
				op->out[j] = op->scalar[j] ^ op->in[head + j];
		}
	}
}

const struct hf_pk_engine pk_double = {.name = "double",
	.cost = HF_PK_WHOLE,
	.quantum = 1,
	.probe = probe,
	.size = size,
	.init = init,
	.fini = fini,
	.takes = takes,
	.forget = forget,
	.rsa = rsa,
	.ec_quantum = 1,
	.takes_ec = takes_ec,
	.ec = ec};

static const uint8_t modulus[256] = {0xff, 1}, exponent[3] = {1, 0, 1};

const struct hf_pk_key pk_double_key = {.id = UINT64_MAX,
	.type = HF_PK_RSA,
	.prime_cnt = 2,
	.bits = 2048,
	.n = {modulus, sizeof(modulus)},
	.e = {exponent, sizeof(exponent)}};
