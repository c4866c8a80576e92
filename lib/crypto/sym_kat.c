/* sym_kat.c -- sixteen jobs of a kind at once, each with other keys and another length, so that every
 * lane has work of its own and none can answer for another. What they give is folded into sixteen
 * bytes, a byte's place depending on the job and on where it stood. Answers: OpenSSL 3.0's, whose
 * records tests/diff/sym_records.c compares with a composition of their parts. */
#include "lib/base/secret.h"
#include "lib/crypto/sym.h"

#define JOB_CNT 16u
#define FOLD_LEN 16u
#define LEN_STEP 37u /* job i has i * LEN_STEP bytes: every residue modulo a block */
#define TEXT_MAX (JOB_CNT * LEN_STEP)
#define FIRST_ID (UINT64_MAX - JOB_CNT) /* of keys: no connection gets that far */
#define SPOILT 5u                       /* the job whose record is changed before it is opened */

/* clang-format off */
static const uint8_t hash_answer[HF_HASH_CNT][FOLD_LEN] = {
	[HF_SHA1] = {0xd0, 0x3e, 0x4f, 0xcf, 0x88, 0xa9, 0x0b, 0x35, 0xe0, 0x6c, 0x77, 0xd4, 0x41, 0xfa, 0x32, 0x5c},
	[HF_SHA256] = {0x8a, 0x46, 0xe6, 0x05, 0xf1, 0xb7, 0x69, 0xfc, 0x9f, 0xbd, 0x00, 0xcd, 0xc9, 0xc5, 0xac, 0x61},
	[HF_SHA384] = {0xa2, 0x9e, 0x27, 0x9b, 0x7e, 0xdb, 0x8f, 0x2f, 0xfc, 0x34, 0x2f, 0xbf, 0xdf, 0xb1, 0xb9, 0xf1},
	[HF_SHA512] = {0xf5, 0xb3, 0x8c, 0xd4, 0xff, 0x8b, 0x01, 0x69, 0xee, 0xdb, 0xaf, 0x50, 0x14, 0xbd, 0x17, 0xb9},
};

static const uint8_t prf_answer[HF_HASH_CNT][FOLD_LEN] = {
	[HF_SHA1] = {0x1f, 0x94, 0x84, 0xbc, 0x05, 0x37, 0xba, 0x95, 0x33, 0x5e, 0x28, 0x1f, 0x0d, 0x3a, 0x66, 0xe9},
	[HF_SHA256] = {0x9b, 0xdf, 0xe4, 0xab, 0x30, 0x70, 0xc0, 0x6b, 0x0b, 0x4d, 0xc7, 0x13, 0xc1, 0xfa, 0xfc, 0x21},
	[HF_SHA384] = {0xaa, 0x9b, 0xe9, 0xcd, 0xa1, 0x49, 0x48, 0xb4, 0x15, 0x19, 0x17, 0x9d, 0x0b, 0x71, 0x51, 0xf1},
	[HF_SHA512] = {0x37, 0xba, 0x70, 0x8b, 0x72, 0xd4, 0xc1, 0x21, 0xdf, 0xf7, 0x91, 0x50, 0x4b, 0xa7, 0xe3, 0x00},
};

static const uint8_t seal_answer[HF_CIPHER_CNT][FOLD_LEN] = {
	[HF_CIPHER_AES128_CBC_SHA1] = {0x0e, 0xb6, 0x59, 0x2f, 0x77, 0x5a, 0xe5, 0x32, 0x36, 0x25, 0xa8, 0x78, 0xde, 0x2d, 0xc2, 0x66},
	[HF_CIPHER_AES256_CBC_SHA1] = {0x5e, 0x1a, 0x11, 0xc0, 0x56, 0xfd, 0xbc, 0xe6, 0x2c, 0xc1, 0x5c, 0x0b, 0xfd, 0x3c, 0xcf, 0x6b},
	[HF_CIPHER_AES128_CBC_SHA256] = {0xa0, 0x78, 0x6b, 0x45, 0x2b, 0xdf, 0x09, 0x6d, 0xb7, 0x32, 0xcd, 0x59, 0x43, 0x29, 0xe2, 0x67},
	[HF_CIPHER_AES128_GCM] = {0x3a, 0x2f, 0x32, 0x1f, 0x37, 0xd9, 0x9b, 0xbb, 0x3d, 0xb1, 0x69, 0x96, 0x44, 0x64, 0x40, 0x51},
	[HF_CIPHER_AES256_GCM] = {0xfd, 0xb8, 0x8e, 0x18, 0x83, 0x71, 0xcb, 0xea, 0x59, 0x20, 0x0e, 0x81, 0x96, 0x21, 0x10, 0xd4},
	[HF_CIPHER_AES256_CBC_SHA256] = {0x05, 0x0e, 0xe4, 0x5c, 0x54, 0xdc, 0x95, 0x62, 0xb8, 0x31, 0xc7, 0xe1, 0x4c, 0x14, 0xe2, 0xc3},
	[HF_CIPHER_AES256_CBC_SHA384] = {0x74, 0x33, 0xa4, 0xf5, 0x8b, 0x8c, 0x08, 0x02, 0x10, 0x9c, 0x7a, 0x64, 0x76, 0x3a, 0x2e, 0x3d},
	[HF_CIPHER_CHACHA20_POLY1305] = {0x64, 0x60, 0x23, 0x0c, 0x78, 0x6b, 0x14, 0x4e, 0x3e, 0x57, 0xd3, 0xd6, 0x95, 0x41, 0xc2, 0x34},
};
/* clang-format on */

struct burst {
	struct hf_sym_job job[JOB_CNT], *queue[JOB_CNT];
	struct hf_sym_keys keys[JOB_CNT];
	struct hf_span v[JOB_CNT][3];
	uint8_t text[TEXT_MAX], out[JOB_CNT][HF_SYM_PREFIX_MAX + TEXT_MAX + HF_SYM_TAIL_MAX];
};

static void pattern(uint8_t *p, size_t len, uint32_t from)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(7 * i + 31 * from + (i >> 8));
}

static void begin(struct burst *b, enum hf_sym_kind kind, uint8_t hash)
{
	memset(b, 0, sizeof(*b));
	pattern(b->text, sizeof(b->text), 1);
	for (uint32_t i = 0; i < JOB_CNT; i++) {
		b->queue[i] = &b->job[i];
		b->v[i][0] = hf_span(b->text + i, 1 + 5 * i);
		b->v[i][1] = hf_span(b->text + 2 * i, i * LEN_STEP / 5);
		b->v[i][2] = hf_span(b->text + 7, i * LEN_STEP / 3);
		b->job[i] = (struct hf_sym_job){.kind = (uint8_t)kind,
			.hash = hash,
			.status = HF_SYM_ERROR,
			.v = b->v[i],
			.v_cnt = 3,
			.out = b->out[i]};
	}
}

/* Runs them; all ones if each succeeded and their results fold into the answer. */
static uint32_t run(const struct hf_sym_driver *driver, void *ctx, struct burst *b,
	const uint8_t answer[FOLD_LEN])
{
	uint8_t fold[FOLD_LEN] = {0};
	uint32_t good = UINT32_MAX;

	driver->burst(ctx, b->queue, JOB_CNT);
	for (uint32_t i = 0; i < JOB_CNT; i++) {
		good &= hf_ct_eq(b->job[i].status, HF_SYM_OK);
		for (uint32_t j = 0; j < b->job[i].out_len; j++)
			fold[(i + j) % FOLD_LEN] ^= (uint8_t)(b->out[i][j] + j / FOLD_LEN);
	}
	return good & hf_ct_bytes_eq(fold, answer, FOLD_LEN);
}

static uint32_t hash_right(
	const struct hf_sym_driver *driver, void *ctx, struct burst *b, uint8_t hash)
{
	begin(b, HF_SYM_HASH, hash);
	return run(driver, ctx, b, hash_answer[hash]);
}

static uint32_t prf_right(
	const struct hf_sym_driver *driver, void *ctx, struct burst *b, uint8_t hash)
{
	begin(b, HF_SYM_PRF, hash);
	for (uint32_t i = 0; i < JOB_CNT; i++)
		b->job[i].out_len = 12 + 11 * i;
	return run(driver, ctx, b, prf_answer[hash]);
}

static void begin_seal(struct burst *b, uint8_t cipher)
{
	uint32_t prefix_len = hf_cipher_info[cipher].prefix_len;

	begin(b, HF_SYM_SEAL, 0);
	for (uint32_t i = 0; i < JOB_CNT; i++) {
		struct hf_sym_job *job = &b->job[i];

		b->keys[i] = (struct hf_sym_keys){.id = FIRST_ID + i, .cipher = cipher};
		pattern(b->keys[i].key, sizeof(b->keys[i].key), i + cipher);
		pattern(b->keys[i].mac, sizeof(b->keys[i].mac), 2 * i);
		pattern(b->keys[i].iv, sizeof(b->keys[i].iv), 3 * i);
		pattern(job->iv, sizeof(job->iv), 5 * i);
		job->keys = &b->keys[i];
		job->seq = i;
		job->type = 23;
		job->version = 0x0303;
		job->data = b->out[i];
		job->len = i * LEN_STEP;
		memcpy(job->data + prefix_len, b->text, job->len);
	}
}

static void forget(const struct hf_sym_driver *driver, void *ctx)
{
	for (uint32_t i = 0; i < JOB_CNT; i++)
		driver->forget(ctx, FIRST_ID + i);
}

/* What was sealed is opened, but for one record that is no longer what it was. */
static uint32_t opens(const struct hf_sym_driver *driver, void *ctx, struct burst *b)
{
	uint32_t good = UINT32_MAX;

	for (uint32_t i = 0; i < JOB_CNT; i++) {
		b->job[i].kind = HF_SYM_OPEN;
		b->job[i].len = b->job[i].out_len;
	}
	b->job[SPOILT].data[b->job[SPOILT].len / 2] ^= 0x10;
	driver->burst(ctx, b->queue, JOB_CNT);
	for (uint32_t i = 0; i < JOB_CNT; i++) {
		const struct hf_sym_job *job = &b->job[i];
		uint32_t len = i * LEN_STEP;

		if (i == SPOILT)
			good &= hf_ct_eq(job->status, HF_SYM_BAD_RECORD);
		else
			good &= hf_ct_eq(job->status, HF_SYM_OK) & hf_ct_eq(job->out_len, len) &
				hf_ct_bytes_eq(job->data + job->out_off, b->text, len);
	}
	return good;
}

static uint32_t records_right(
	const struct hf_sym_driver *driver, void *ctx, struct burst *b, uint8_t cipher)
{
	uint32_t good;

	begin_seal(b, cipher);
	good = run(driver, ctx, b, seal_answer[cipher]);
	forget(driver, ctx);
	if (good) /* lengths are what they should be */
		good = opens(driver, ctx, b);
	forget(driver, ctx);
	return good;
}

int hf_sym_selftest(const struct hf_sym_driver *driver, void *ctx)
{
	struct burst b;
	uint32_t good = UINT32_MAX;

	for (uint8_t h = HF_SHA1; h < HF_HASH_CNT; h++)
		good &= hash_right(driver, ctx, &b, h) & prf_right(driver, ctx, &b, h);
	for (uint8_t c = HF_CIPHER_NONE + 1; c < HF_CIPHER_CNT; c++)
		good &= records_right(driver, ctx, &b, c);
	return good ? 0 : -1;
}
