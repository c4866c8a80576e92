/* sym_drivers.c -- each driver by itself: hashes and key derivation against published answers and
 * against other paths of OpenSSL, the cache of key schedules under more keys than it has places, and
 * the self-test, which must find one wrong bit in any lane. Records have their own programs,
 * tests/diff/sym_*.c. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include "drivers/drivers.h"
#include "drivers/sym/ipsecmb.h"
#include "lib/base/rand.h"
#include "lib/crypto/sym.h"
#include "tests/support/test.h"

#define SCHEDULE_CNT 4u

static const struct hf_sym_driver *driver;
static void *driver_ctx;
static struct hf_rand rnd;

static int setup(const struct hf_sym_driver *d)
{
	uint8_t seed[HF_RAND_SEED_LEN] = {3};

	hf_rand_seed(&rnd, seed);
	driver = d;
	assert_true(driver->probe());
	driver_ctx = test_alloc(driver->size(SCHEDULE_CNT));
	return driver->init(driver_ctx, SCHEDULE_CNT);
}

static int setup_libcrypto(void **state)
{
	(void)state;
	return setup(&hf_sym_libcrypto);
}

/* A single job goes into a lane, too. */
static int setup_ipsecmb(void **state)
{
	(void)state;
	if (setup(&hf_sym_ipsecmb))
		return -1;
	hf_sym_ipsecmb_set_fill(driver_ctx, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	driver->fini(driver_ctx);
	free(driver_ctx);
	return 0;
}

static enum hf_sym_status compute(struct hf_sym_job *job)
{
	job->status = 0xff;
	driver->burst(driver_ctx, &job, 1);
	return job->status;
}

static void prf(
	enum hf_hash hash, const struct hf_span *v, uint32_t v_cnt, uint8_t *out, uint32_t len)
{
	struct hf_sym_job job = {.kind = HF_SYM_PRF,
		.hash = (uint8_t)hash,
		.v = v,
		.v_cnt = v_cnt,
		.out = out,
		.out_len = len};

	out[len] = 0x5c;
	assert_int_equal(compute(&job), HF_SYM_OK);
	assert_int_equal(out[len], 0x5c);
	assert_int_equal(job.out_len, len);
}

/* ---- key derivation and hashes ---- */

/* Vectors as posted on the IETF's TLS mailing list (msg03416), recomputed with Python's hmac. */
struct prf_vector {
	enum hf_hash hash;
	uint8_t secret[24], seed[24];
	uint32_t secret_len, seed_len, out_len;
	uint8_t out[200];
};

static const struct prf_vector prf_vector[] = {
	/* clang-format off */
	{HF_SHA256,
		{
			0x9b, 0xbe, 0x43, 0x6b, 0xa9, 0x40, 0xf0, 0x17, 0xb1, 0x76, 0x52, 0x84, 0x9a, 0x71, 0xdb, 0x35
		},
		{
			0xa0, 0xba, 0x9f, 0x93, 0x6c, 0xda, 0x31, 0x18, 0x27, 0xa6, 0xf7, 0x96, 0xff, 0xd5, 0x19, 0x8c
		},
		16, 16, 100,
		{
			0xe3, 0xf2, 0x29, 0xba, 0x72, 0x7b, 0xe1, 0x7b, 0x8d, 0x12, 0x26, 0x20, 0x55, 0x7c, 0xd4, 0x53,
			0xc2, 0xaa, 0xb2, 0x1d, 0x07, 0xc3, 0xd4, 0x95, 0x32, 0x9b, 0x52, 0xd4, 0xe6, 0x1e, 0xdb, 0x5a,
			0x6b, 0x30, 0x17, 0x91, 0xe9, 0x0d, 0x35, 0xc9, 0xc9, 0xa4, 0x6b, 0x4e, 0x14, 0xba, 0xf9, 0xaf,
			0x0f, 0xa0, 0x22, 0xf7, 0x07, 0x7d, 0xef, 0x17, 0xab, 0xfd, 0x37, 0x97, 0xc0, 0x56, 0x4b, 0xab,
			0x4f, 0xbc, 0x91, 0x66, 0x6e, 0x9d, 0xef, 0x9b, 0x97, 0xfc, 0xe3, 0x4f, 0x79, 0x67, 0x89, 0xba,
			0xa4, 0x80, 0x82, 0xd1, 0x22, 0xee, 0x42, 0xc5, 0xa7, 0x2e, 0x5a, 0x51, 0x10, 0xff, 0xf7, 0x01,
			0x87, 0x34, 0x7b, 0x66
		}},
	{HF_SHA384,
		{
			0xb8, 0x0b, 0x73, 0x3d, 0x6c, 0xee, 0xfc, 0xdc, 0x71, 0x56, 0x6e, 0xa4, 0x8e, 0x55, 0x67, 0xdf
		},
		{
			0xcd, 0x66, 0x5c, 0xf6, 0xa8, 0x44, 0x7d, 0xd6, 0xff, 0x8b, 0x27, 0x55, 0x5e, 0xdb, 0x74, 0x65
		},
		16, 16, 148,
		{
			0x7b, 0x0c, 0x18, 0xe9, 0xce, 0xd4, 0x10, 0xed, 0x18, 0x04, 0xf2, 0xcf, 0xa3, 0x4a, 0x33, 0x6a,
			0x1c, 0x14, 0xdf, 0xfb, 0x49, 0x00, 0xbb, 0x5f, 0xd7, 0x94, 0x21, 0x07, 0xe8, 0x1c, 0x83, 0xcd,
			0xe9, 0xca, 0x0f, 0xaa, 0x60, 0xbe, 0x9f, 0xe3, 0x4f, 0x82, 0xb1, 0x23, 0x3c, 0x91, 0x46, 0xa0,
			0xe5, 0x34, 0xcb, 0x40, 0x0f, 0xed, 0x27, 0x00, 0x88, 0x4f, 0x9d, 0xc2, 0x36, 0xf8, 0x0e, 0xdd,
			0x8b, 0xfa, 0x96, 0x11, 0x44, 0xc9, 0xe8, 0xd7, 0x92, 0xec, 0xa7, 0x22, 0xa7, 0xb3, 0x2f, 0xc3,
			0xd4, 0x16, 0xd4, 0x73, 0xeb, 0xc2, 0xc5, 0xfd, 0x4a, 0xbf, 0xda, 0xd0, 0x5d, 0x91, 0x84, 0x25,
			0x9b, 0x5b, 0xf8, 0xcd, 0x4d, 0x90, 0xfa, 0x0d, 0x31, 0xe2, 0xde, 0xc4, 0x79, 0xe4, 0xf1, 0xa2,
			0x60, 0x66, 0xf2, 0xee, 0xa9, 0xa6, 0x92, 0x36, 0xa3, 0xe5, 0x26, 0x55, 0xc9, 0xe9, 0xae, 0xe6,
			0x91, 0xc8, 0xf3, 0xa2, 0x68, 0x54, 0x30, 0x8d, 0x5e, 0xaa, 0x3b, 0xe8, 0x5e, 0x09, 0x90, 0x70,
			0x3d, 0x73, 0xe5, 0x6f
		}},
	{HF_SHA512,
		{
			0xb0, 0x32, 0x35, 0x23, 0xc1, 0x85, 0x35, 0x99, 0x58, 0x4d, 0x88, 0x56, 0x8b, 0xbb, 0x05, 0xeb
		},
		{
			0xd4, 0x64, 0x0e, 0x12, 0xe4, 0xbc, 0xdb, 0xfb, 0x43, 0x7f, 0x03, 0xe6, 0xae, 0x41, 0x8e, 0xe5
		},
		16, 16, 196,
		{
			0x12, 0x61, 0xf5, 0x88, 0xc7, 0x98, 0xc5, 0xc2, 0x01, 0xff, 0x03, 0x6e, 0x7a, 0x9c, 0xb5, 0xed,
			0xcd, 0x7f, 0xe3, 0xf9, 0x4c, 0x66, 0x9a, 0x12, 0x2a, 0x46, 0x38, 0xd7, 0xd5, 0x08, 0xb2, 0x83,
			0x04, 0x2d, 0xf6, 0x78, 0x98, 0x75, 0xc7, 0x14, 0x7e, 0x90, 0x6d, 0x86, 0x8b, 0xc7, 0x5c, 0x45,
			0xe2, 0x0e, 0xb4, 0x0c, 0x1c, 0xf4, 0xa1, 0x71, 0x3b, 0x27, 0x37, 0x1f, 0x68, 0x43, 0x25, 0x92,
			0xf7, 0xdc, 0x8e, 0xa8, 0xef, 0x22, 0x3e, 0x12, 0xea, 0x85, 0x07, 0x84, 0x13, 0x11, 0xbf, 0x68,
			0x65, 0x3d, 0x0c, 0xfc, 0x40, 0x56, 0xd8, 0x11, 0xf0, 0x25, 0xc4, 0x5d, 0xdf, 0xa6, 0xe6, 0xfe,
			0xc7, 0x02, 0xf0, 0x54, 0xb4, 0x09, 0xd6, 0xf2, 0x8d, 0xd0, 0xa3, 0x23, 0x3e, 0x49, 0x8d, 0xa4,
			0x1a, 0x3e, 0x75, 0xc5, 0x63, 0x0e, 0xed, 0xbe, 0x22, 0xfe, 0x25, 0x4e, 0x33, 0xa1, 0xb0, 0xe9,
			0xf6, 0xb9, 0x82, 0x66, 0x75, 0xbe, 0xc7, 0xd0, 0x1a, 0x84, 0x56, 0x58, 0xdc, 0x9c, 0x39, 0x75,
			0x45, 0x40, 0x1d, 0x40, 0xb9, 0xf4, 0x6c, 0x7a, 0x40, 0x0e, 0xe1, 0xb8, 0xf8, 0x1c, 0xa0, 0xa6,
			0x0d, 0x1a, 0x39, 0x7a, 0x10, 0x28, 0xbf, 0xf5, 0xd2, 0xef, 0x50, 0x66, 0x12, 0x68, 0x42, 0xfb,
			0x8d, 0xa4, 0x19, 0x76, 0x32, 0xbd, 0xb5, 0x4f, 0xf6, 0x63, 0x3f, 0x86, 0xbb, 0xc8, 0x36, 0xe6,
			0x40, 0xd4, 0xd8, 0x98
		}},
	/* clang-format on */
};

static void prf_gives_the_published_answers(void **state)
{
	uint8_t out[sizeof(prf_vector[0].out) + 1];

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(prf_vector); i++) {
		const struct prf_vector *x = &prf_vector[i];
		struct hf_span v[] = {hf_span(x->secret, x->secret_len), hf_span("test label", 10),
			hf_span(x->seed, x->seed_len)};

		prf(x->hash, v, 3, out, x->out_len);
		assert_memory_equal(out, x->out, x->out_len);
		/* the seed in two parts, as the randoms come, makes no difference */
		struct hf_span split[] = {
			v[0], v[1], hf_span(x->seed, 5), hf_span(x->seed + 5, x->seed_len - 5)};
		prf(x->hash, split, 4, out, x->out_len);
		assert_memory_equal(out, x->out, x->out_len);
	}
}

static const char *const digest_name[] = {
	[HF_SHA1] = "SHA1", [HF_SHA256] = "SHA256", [HF_SHA384] = "SHA384", [HF_SHA512] = "SHA512"};

/* The same by OpenSSL's own TLS1-PRF. */
static void ref_prf(enum hf_hash hash, const struct hf_span *v, uint8_t *out, size_t len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
	EVP_KDF_CTX *x = EVP_KDF_CTX_new(kdf);
	OSSL_PARAM p[] = {OSSL_PARAM_construct_utf8_string(
				  OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)digest_name[hash], 0),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_SECRET, (void *)(uintptr_t)v[0].p, v[0].len),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_SEED, (void *)(uintptr_t)v[1].p, v[1].len),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_SEED, (void *)(uintptr_t)v[2].p, v[2].len),
		OSSL_PARAM_construct_end()};

	assert_int_equal(EVP_KDF_derive(x, out, len, p), 1);
	EVP_KDF_CTX_free(x);
	EVP_KDF_free(kdf);
}

static void prf_agrees_with_openssl_at_every_length(void **state)
{
	uint8_t secret[200], seed[200], out[301], want[300];

	(void)state;
	for (uint32_t len = 1; len <= 300; len++) {
		enum hf_hash hash = HF_SHA1 + len % 4;
		struct hf_span v[] = {hf_span(secret, 1 + len % 200), hf_span("master secret", 13),
			hf_span(seed, 1 + len * 7 % 199)};

		hf_rand_bytes(&rnd, secret, sizeof(secret));
		hf_rand_bytes(&rnd, seed, sizeof(seed));
		if (hash == HF_SHA1) /* TLS1-PRF with SHA-1 alone is not a PRF OpenSSL has */
			hash = HF_SHA256;
		prf(hash, v, 3, out, len);
		ref_prf(hash, v, want, len);
		assert_memory_equal(out, want, len);
	}
}

static void hashes_agree_with_openssl(void **state)
{
	uint8_t data[3000], out[HF_HASH_MAX + 1], want[HF_HASH_MAX];

	(void)state;
	hf_rand_bytes(&rnd, data, sizeof(data));
	for (uint32_t len = 0; len <= sizeof(data); len += len < 300 ? 1 : 97) {
		uint32_t a = len / 3, b = len / 2;
		struct hf_span v[] = {hf_span(data, a), hf_span(data + a, 0),
			hf_span(data + a, b - a), hf_span(data + b, len - b)};
		enum hf_hash hash = HF_SHA1 + len % 4;
		struct hf_sym_job job = {
			.kind = HF_SYM_HASH, .hash = (uint8_t)hash, .v = v, .v_cnt = 4, .out = out};
		size_t want_len;

		assert_int_equal(compute(&job), HF_SYM_OK);
		assert_int_equal(
			EVP_Q_digest(NULL, digest_name[hash], NULL, data, len, want, &want_len), 1);
		assert_int_equal(job.out_len, want_len);
		assert_memory_equal(out, want, want_len);
	}
}

/* ---- the cache of key schedules ---- */

struct line {
	struct hf_sym_keys out, in;
	uint64_t seq;
};

/* One record over a connection whose two ends have their own copies of the keys. */
static void pass(struct line *l, uint32_t len)
{
	uint8_t data[HF_SYM_PREFIX_MAX + 100 + HF_SYM_TAIL_MAX], text[100];
	uint32_t at = hf_cipher_info[l->out.cipher].prefix_len;
	struct hf_sym_job seal = {.kind = HF_SYM_SEAL,
		.keys = &l->out,
		.seq = l->seq,
		.type = 23,
		.version = 0x0303,
		.data = data,
		.len = len};
	struct hf_sym_job open = seal;

	hf_rand_bytes(&rnd, text, len);
	memcpy(data + at, text, len);
	assert_int_equal(compute(&seal), HF_SYM_OK);
	open.kind = HF_SYM_OPEN;
	open.keys = &l->in;
	open.len = seal.out_len;
	assert_int_equal(compute(&open), HF_SYM_OK);
	assert_int_equal(open.out_len, len);
	assert_memory_equal(data + open.out_off, text, len);
	l->seq++;
}

static void new_line(struct line *l, uint64_t id)
{
	hf_rand_bytes(&rnd, &l->out, sizeof(l->out));
	l->out.cipher = (uint8_t)(1 + id % (HF_CIPHER_CNT - 1));
	l->out.etm = !hf_cipher_info[l->out.cipher].aead && id % 2;
	l->in = l->out;
	l->out.id = 2 * id;
	l->in.id = 2 * id + 1;
	l->seq = 0;
}

static void more_keys_than_places(void **state)
{
	static struct line line[20];

	(void)state;
	for (uint64_t i = 0; i < 20; i++)
		new_line(&line[i], i);
	for (uint32_t turn = 0; turn < 3000; turn++)
		pass(&line[hf_rand_below(&rnd, 20)], hf_rand_below(&rnd, 100));
	for (uint64_t id = 0; id < 40; id++)
		driver->forget(driver_ctx, id);
}

/* Keys come and go in any order; an id that is forgotten may name other keys, as the new ones must
 * then be used. */
static void forgotten_keys_are_gone(void **state)
{
	static struct line line[6];

	(void)state;
	for (uint64_t i = 0; i < 6; i++)
		new_line(&line[i], i);
	for (uint32_t turn = 0; turn < 3000; turn++) {
		uint32_t i = hf_rand_below(&rnd, 6);

		if (hf_rand_below(&rnd, 3)) {
			pass(&line[i], 50);
			continue;
		}
		driver->forget(driver_ctx, line[i].out.id);
		driver->forget(driver_ctx, line[i].in.id);
		driver->forget(driver_ctx, line[i].in.id); /* twice, or unknown: nothing */
		driver->forget(driver_ctx, 12345);
		new_line(&line[i], i);
	}
	for (uint64_t id = 0; id < 12; id++)
		driver->forget(driver_ctx, id);
}

static void a_key_has_one_direction(void **state)
{
	struct line l;
	uint8_t data[200] = {0};
	struct hf_sym_job job = {.kind = HF_SYM_OPEN, .keys = &l.out, .data = data, .len = 100};

	(void)state;
	new_line(&l, 3);
	pass(&l, 10);
	assert_panics(compute(&job));
	driver->forget(driver_ctx, l.out.id);
	driver->forget(driver_ctx, l.in.id);
}

/* ---- the self-test ---- */

static void passes_its_selftest(void **state)
{
	(void)state;
	assert_int_equal(hf_sym_selftest(driver, driver_ctx), 0);
}

/* The driver under test, but for one bit of one job's result. */
static struct {
	uint32_t lane, bit;
	uint8_t kind;
	uint8_t which; /* hash or cipher */
} wrong;

static void wrong_burst(void *ctx, struct hf_sym_job *const *jobs, uint32_t cnt)
{
	struct hf_sym_job *job = jobs[wrong.lane];
	bool record = wrong.kind == HF_SYM_SEAL || wrong.kind == HF_SYM_OPEN;

	driver->burst(ctx, jobs, cnt);
	if (job->kind != wrong.kind || (record ? job->keys->cipher : job->hash) != wrong.which)
		return;
	if (job->kind == HF_SYM_OPEN && job->status == HF_SYM_BAD_RECORD)
		job->status = HF_SYM_OK; /* what should have been refused */
	else if (record && job->kind == HF_SYM_SEAL)
		job->data[wrong.bit / 8 % job->out_len] ^= (uint8_t)(1 << wrong.bit % 8);
	else if (record && job->out_len > 0)
		job->data[job->out_off + wrong.bit / 8 % job->out_len] ^=
			(uint8_t)(1 << wrong.bit % 8);
	else if (record)
		job->out_len = 1;
	else
		job->out[wrong.bit / 8 % job->out_len] ^= (uint8_t)(1 << wrong.bit % 8);
}

static void one_wrong_bit_fails_the_selftest(void **state)
{
	struct hf_sym_driver bad = *driver;

	(void)state;
	bad.burst = wrong_burst;
	for (uint8_t kind = 0; kind < HF_SYM_KIND_CNT; kind++) {
		bool record = kind == HF_SYM_SEAL || kind == HF_SYM_OPEN;

		for (uint8_t which = 1; which < (record ? HF_CIPHER_CNT : HF_HASH_CNT); which++)
			for (uint32_t lane = 0; lane < 16; lane++) {
				wrong.kind = kind;
				wrong.which = which;
				wrong.lane = lane;
				wrong.bit = hf_rand_below(&rnd, 8 * 600);
				assert_int_equal(hf_sym_selftest(&bad, driver_ctx), -1);
			}
	}
	passes_its_selftest(state);
}

/* ---- what only ipsecmb has ---- */

static void it_says_where_lanes_begin(void **state)
{
	char text[600] = "", small[8];

	(void)state;
	driver->describe(driver_ctx, text, sizeof(text));
	assert_non_null(strstr(text, " PRF-SHA-256 1 "));
	assert_non_null(strstr(text, " AES128-CBC-SHA 1 "));
	driver->describe(driver_ctx, small, sizeof(small));
	assert_int_equal(strlen(small), sizeof(small) - 1);
	hf_sym_ipsecmb_set_fill(driver_ctx, UINT32_MAX);
	driver->describe(driver_ctx, text, sizeof(text));
	assert_null(strstr(text, "PRF"));
	hf_sym_ipsecmb_set_fill(driver_ctx, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prf_gives_the_published_answers),
		cmocka_unit_test(prf_agrees_with_openssl_at_every_length),
		cmocka_unit_test(hashes_agree_with_openssl),
		cmocka_unit_test(more_keys_than_places),
		cmocka_unit_test(forgotten_keys_are_gone),
		cmocka_unit_test(a_key_has_one_direction),
		cmocka_unit_test(passes_its_selftest),
		cmocka_unit_test(one_wrong_bit_fails_the_selftest),
	};
	const struct CMUnitTest ipsecmb_tests[] = {
		cmocka_unit_test(it_says_where_lanes_begin),
	};

	return cmocka_run_group_tests_name("libcrypto", tests, setup_libcrypto, teardown) +
	       cmocka_run_group_tests_name("ipsecmb", tests, setup_ipsecmb, teardown) +
	       cmocka_run_group_tests_name("ipsecmb alone", ipsecmb_tests, setup_ipsecmb, teardown);
}
