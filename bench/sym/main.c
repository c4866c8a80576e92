/* bench-sym -- what the symmetric driver of the daemon gains over OpenSSL's EVP as an application calls
 * it: objects fetched and keyed once, one call after the other. Both sides do the same jobs in the
 * same run, in turns of a few hundred microseconds of the thread's own time, and the figure is the
 * median of the turns' ratios: what disturbs a turn disturbs both of its halves. A third side is our driver for plain
 * libcrypto, which shows what is won without lanes. Derivations and hashes are compared before they
 * are timed. Prints a table; writes JSON to the file named on the command line. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "drivers/drivers.h"
#include "lib/base/rand.h"
#include "lib/crypto/sym.h"
#include "lib/os/os.h"

#define FLIGHT_MAX 16u
#define TURNS 151u
#define TURN_NS 300000u
#define DATA_MAX (16384u + HF_SYM_PREFIX_MAX + HF_SYM_TAIL_MAX)
#define TRANSCRIPT_LEN 4900u
#define PIECE_LEN 2048u /* a transcript lies in chunks */
#define SCHEDULE_CNT 64u

enum side { OURS, PLAIN, EVP, SIDE_CNT };

struct row {
	const char *name;
	enum hf_sym_kind kind;
	uint8_t which; /* hash or cipher */
	uint32_t len, flight;
	bool stitched; /* EVP: one cipher for CBC and MAC, which few applications know of */
	double target; /* what we asked of ourselves; 0: nothing */
	/* results: best ns per job, and the ratios of the turns to ours */
	double ns[SIDE_CNT], ratio[SIDE_CNT], low[SIDE_CNT], high[SIDE_CNT];
};

static struct row rows[] = {
	/* clang-format off */
	{"PRF-SHA-256, 48 bytes", HF_SYM_PRF, HF_SHA256, 48, 1, false, 0, {0}, {0}, {0}, {0}},
	{"PRF-SHA-256, 48 bytes", HF_SYM_PRF, HF_SHA256, 48, 4, false, 1.8, {0}, {0}, {0}, {0}},
	{"PRF-SHA-256, 48 bytes", HF_SYM_PRF, HF_SHA256, 48, 16, false, 3, {0}, {0}, {0}, {0}},
	{"PRF-SHA-384, 48 bytes", HF_SYM_PRF, HF_SHA384, 48, 1, false, 0, {0}, {0}, {0}, {0}},
	{"PRF-SHA-384, 48 bytes", HF_SYM_PRF, HF_SHA384, 48, 4, false, 1.8, {0}, {0}, {0}, {0}},
	{"PRF-SHA-384, 48 bytes", HF_SYM_PRF, HF_SHA384, 48, 16, false, 3, {0}, {0}, {0}, {0}},
	{"SHA-256, 4900 bytes", HF_SYM_HASH, HF_SHA256, TRANSCRIPT_LEN, 1, false, 0, {0}, {0}, {0}, {0}},
	{"SHA-256, 4900 bytes", HF_SYM_HASH, HF_SHA256, TRANSCRIPT_LEN, 16, false, 5, {0}, {0}, {0}, {0}},
	{"SHA-384, 4900 bytes", HF_SYM_HASH, HF_SHA384, TRANSCRIPT_LEN, 1, false, 0, {0}, {0}, {0}, {0}},
	{"SHA-384, 4900 bytes", HF_SYM_HASH, HF_SHA384, TRANSCRIPT_LEN, 16, false, 5, {0}, {0}, {0}, {0}},
	{"AES128-CBC-SHA seal, 1400", HF_SYM_SEAL, HF_CIPHER_AES128_CBC_SHA1, 1400, 1, false, 0, {0}, {0}, {0}, {0}},
	{"AES128-CBC-SHA seal, 1400", HF_SYM_SEAL, HF_CIPHER_AES128_CBC_SHA1, 1400, 16, false, 4, {0}, {0}, {0}, {0}},
	{"AES128-CBC-SHA seal, 1400, stitched", HF_SYM_SEAL, HF_CIPHER_AES128_CBC_SHA1, 1400, 16, true, 0, {0}, {0}, {0}, {0}},
	{"AES128-CBC-SHA seal, 16000", HF_SYM_SEAL, HF_CIPHER_AES128_CBC_SHA1, 16000, 16, false, 4, {0}, {0}, {0}, {0}},
	{"AES128-CBC-SHA seal, 16000, stitched", HF_SYM_SEAL, HF_CIPHER_AES128_CBC_SHA1, 16000, 16, true, 0, {0}, {0}, {0}, {0}},
	{"AES128-CBC-SHA256 seal, 1400", HF_SYM_SEAL, HF_CIPHER_AES128_CBC_SHA256, 1400, 16, false, 0, {0}, {0}, {0}, {0}},
	{"AES256-CBC-SHA384 seal, 1400", HF_SYM_SEAL, HF_CIPHER_AES256_CBC_SHA384, 1400, 16, false, 0, {0}, {0}, {0}, {0}},
	{"AES128-GCM seal, 1400", HF_SYM_SEAL, HF_CIPHER_AES128_GCM, 1400, 1, false, 1.5, {0}, {0}, {0}, {0}},
	{"AES128-GCM seal, 1400", HF_SYM_SEAL, HF_CIPHER_AES128_GCM, 1400, 16, false, 1.5, {0}, {0}, {0}, {0}},
	{"AES128-GCM seal, 16000", HF_SYM_SEAL, HF_CIPHER_AES128_GCM, 16000, 16, false, 0, {0}, {0}, {0}, {0}},
	{"AES256-GCM seal, 1400", HF_SYM_SEAL, HF_CIPHER_AES256_GCM, 1400, 16, false, 0, {0}, {0}, {0}, {0}},
	{"CHACHA20-POLY1305 seal, 1400", HF_SYM_SEAL, HF_CIPHER_CHACHA20_POLY1305, 1400, 16, false, 0, {0}, {0}, {0}, {0}},
	/* clang-format on */
};

static struct hf_rand rnd;

static _Noreturn void stop(const char *what)
{
	fprintf(stderr, "bench-sym: %s\n", what);
	exit(1);
}

static void *memory(size_t len)
{
	void *p = aligned_alloc(HF_CACHE_LINE, HF_ROUND_UP(len, (size_t)HF_CACHE_LINE));

	if (!p)
		stop("out of memory");
	memset(p, 0, len);
	return p;
}

/* ---- what is computed ---- */

static struct hf_sym_keys keys[FLIGHT_MAX];
static uint8_t secret[FLIGHT_MAX][48], randoms[64], text[DATA_MAX];
static uint8_t out[SIDE_CNT][FLIGHT_MAX][HF_HASH_MAX], data[SIDE_CNT][FLIGHT_MAX][DATA_MAX];
static struct hf_span prf_v[FLIGHT_MAX][3], hash_v[3];

static void set_up_inputs(uint8_t cipher)
{
	static uint64_t next_id;

	hf_rand_bytes(&rnd, secret, sizeof(secret));
	hf_rand_bytes(&rnd, randoms, sizeof(randoms));
	hf_rand_bytes(&rnd, text, sizeof(text));
	for (uint32_t i = 0; i < FLIGHT_MAX; i++) {
		hf_rand_bytes(&rnd, &keys[i], sizeof(keys[i]));
		keys[i].id = ++next_id;
		keys[i].cipher = cipher;
		keys[i].etm = false;
		prf_v[i][0] = hf_span(secret[i], sizeof(secret[i]));
		prf_v[i][1] = hf_span("master secret", 13);
		prf_v[i][2] = hf_span(randoms, sizeof(randoms));
	}
	for (uint32_t i = 0; i < 3; i++)
		hash_v[i] = hf_span(
			text + i * PIECE_LEN, HF_MIN(PIECE_LEN, TRANSCRIPT_LEN - i * PIECE_LEN));
}

/* ---- our sides: through the queue, as the worker does ---- */

static struct hf_sym *queue[2];
static void *lanes_ctx;

static void compute(enum side side, const struct row *r)
{
	struct hf_sym *s = queue[side];
	struct hf_sym_job *job;

	for (uint32_t i = 0; i < r->flight; i++) {
		job = hf_sym_take(s);
		if (!job)
			stop("no job");
		job->kind = (uint8_t)r->kind;
		job->out = out[side][i];
		job->hash = r->which;
		job->v = r->kind == HF_SYM_PRF ? prf_v[i] : hash_v;
		job->v_cnt = 3;
		job->out_len = 48;
		if (r->kind == HF_SYM_SEAL) {
			job->keys = &keys[i];
			job->data = data[side][i];
			job->len = r->len;
			job->type = 23;
			job->version = 0x0303;
		}
		hf_sym_submit(s, job);
	}
	hf_sym_flush(s);
	while ((job = hf_sym_done(s)) != NULL) {
		if (job->status != HF_SYM_OK)
			stop("a job failed");
		hf_sym_give(s, job);
	}
}

/* ---- the other side ---- */

static const char *const hash_name[HF_HASH_CNT] = {
	[HF_SHA1] = "SHA1", [HF_SHA256] = "SHA256", [HF_SHA384] = "SHA384"};

static const struct {
	const char *cipher, *stitched;
} evp_name[HF_CIPHER_CNT] = {
	[HF_CIPHER_AES128_CBC_SHA1] = {"AES-128-CBC", "AES-128-CBC-HMAC-SHA1"},
	[HF_CIPHER_AES128_CBC_SHA256] = {"AES-128-CBC", NULL},
	[HF_CIPHER_AES256_CBC_SHA384] = {"AES-256-CBC", NULL},
	[HF_CIPHER_AES128_GCM] = {"AES-128-GCM", NULL},
	[HF_CIPHER_AES256_GCM] = {"AES-256-GCM", NULL},
	[HF_CIPHER_CHACHA20_POLY1305] = {"ChaCha20-Poly1305", NULL},
};

/* What an application keeps per connection, and once for all. */
static EVP_CIPHER_CTX *cipher_ctx[FLIGHT_MAX];
static EVP_MAC_CTX *mac_ctx[FLIGHT_MAX];
static EVP_MD_CTX *hash_ctx;
static EVP_KDF_CTX *kdf_ctx;

static void check(bool good)
{
	if (!good)
		stop("OpenSSL fails");
}

static void evp_open_ciphers(const struct row *r)
{
	const struct hf_cipher_info *info = &hf_cipher_info[r->which];
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(
		NULL, r->stitched ? evp_name[r->which].stitched : evp_name[r->which].cipher, NULL);

	check(hmac && cipher);
	for (uint32_t i = 0; i < FLIGHT_MAX; i++) {
		OSSL_PARAM digest[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
					       (char *)(uintptr_t)hash_name[info->hash], 0),
			OSSL_PARAM_construct_end()};

		cipher_ctx[i] = EVP_CIPHER_CTX_new();
		mac_ctx[i] = EVP_MAC_CTX_new(hmac);
		check(EVP_CipherInit_ex2(cipher_ctx[i], cipher, keys[i].key, NULL, 1, NULL) == 1);
		if (r->stitched)
			check(EVP_CIPHER_CTX_ctrl(cipher_ctx[i], EVP_CTRL_AEAD_SET_MAC_KEY,
				      info->mac_key_len, keys[i].mac) > 0);
		else if (!info->aead)
			check(EVP_CIPHER_CTX_set_padding(cipher_ctx[i], 0) == 1 &&
				EVP_MAC_init(mac_ctx[i], keys[i].mac, info->mac_key_len, digest) ==
					1);
	}
	EVP_CIPHER_free(cipher);
	EVP_MAC_free(hmac);
}

static void evp_open(const struct row *r)
{
	EVP_MD *md;
	EVP_KDF *kdf;

	if (r->kind == HF_SYM_SEAL) {
		evp_open_ciphers(r);
		return;
	}
	md = EVP_MD_fetch(NULL, hash_name[r->which], NULL);
	kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
	hash_ctx = EVP_MD_CTX_new();
	check(md && kdf && EVP_DigestInit_ex2(hash_ctx, md, NULL) == 1);
	kdf_ctx = EVP_KDF_CTX_new(kdf);
	EVP_MD_free(md);
	EVP_KDF_free(kdf);
}

static void evp_close(void)
{
	for (uint32_t i = 0; i < FLIGHT_MAX; i++) {
		EVP_CIPHER_CTX_free(cipher_ctx[i]);
		EVP_MAC_CTX_free(mac_ctx[i]);
		cipher_ctx[i] = NULL;
		mac_ctx[i] = NULL;
	}
	EVP_MD_CTX_free(hash_ctx);
	EVP_KDF_CTX_free(kdf_ctx);
	hash_ctx = NULL;
	kdf_ctx = NULL;
}

static void evp_prf(const struct row *r, uint32_t i)
{
	OSSL_PARAM p[] = {OSSL_PARAM_construct_utf8_string(
				  OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)hash_name[r->which], 0),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_SECRET, secret[i], sizeof(secret[i])),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_SEED, (void *)(uintptr_t)prf_v[i][1].p, prf_v[i][1].len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, randoms, sizeof(randoms)),
		OSSL_PARAM_construct_end()};

	EVP_KDF_CTX_reset(kdf_ctx);
	check(EVP_KDF_derive(kdf_ctx, out[EVP][i], r->len, p) == 1);
}

static void evp_hash(uint32_t i)
{
	unsigned len;

	check(EVP_DigestInit_ex2(hash_ctx, NULL, NULL) == 1);
	for (uint32_t j = 0; j < 3; j++)
		check(EVP_DigestUpdate(hash_ctx, hash_v[j].p, hash_v[j].len) == 1);
	check(EVP_DigestFinal_ex(hash_ctx, out[EVP][i], &len) == 1);
}

static void evp_aead(const struct row *r, uint32_t i, const uint8_t aad[13])
{
	uint8_t nonce[12] = {0}, *p = data[EVP][i] + hf_cipher_info[r->which].prefix_len;
	EVP_CIPHER_CTX *x = cipher_ctx[i];
	int n;

	check(EVP_CipherInit_ex2(x, NULL, NULL, nonce, -1, NULL) == 1 &&
		EVP_CipherUpdate(x, NULL, &n, aad, 13) == 1 &&
		EVP_CipherUpdate(x, p, &n, p, (int)r->len) == 1 &&
		EVP_CipherFinal_ex(x, p + r->len, &n) == 1 &&
		EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_GET_TAG, 16, p + r->len) == 1);
}

static void evp_cbc(const struct row *r, uint32_t i, uint8_t aad[13])
{
	uint32_t mac_len = hf_cipher_info[r->which].tag_len;
	uint32_t len = HF_ROUND_UP(r->len + mac_len + 1, 16u), at = r->len + mac_len;
	uint8_t iv[16] = {0}, *p = data[EVP][i] + 16;
	EVP_CIPHER_CTX *x = cipher_ctx[i];
	size_t out_len;
	int n;

	if (r->stitched) {
		aad[11] = (uint8_t)((r->len + 16) >> 8);
		aad[12] = (uint8_t)(r->len + 16);
		check(EVP_CipherInit_ex2(x, NULL, NULL, iv, -1, NULL) == 1 &&
			EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_TLS1_AAD, 13, aad) > 0 &&
			EVP_Cipher(x, p - 16, p - 16, 16 + len) > 0);
		return;
	}
	check(EVP_MAC_init(mac_ctx[i], NULL, 0, NULL) == 1 &&
		EVP_MAC_update(mac_ctx[i], aad, 13) == 1 &&
		EVP_MAC_update(mac_ctx[i], p, r->len) == 1 &&
		EVP_MAC_final(mac_ctx[i], p + r->len, &out_len, HF_HASH_MAX) == 1);
	memset(p + at, (int)(len - at - 1), len - at);
	check(EVP_CipherInit_ex2(x, NULL, NULL, iv, -1, NULL) == 1 &&
		EVP_CipherUpdate(x, p, &n, p, (int)len) == 1);
}

static void evp(const struct row *r)
{
	for (uint32_t i = 0; i < r->flight; i++) {
		uint8_t aad[13] = {[8] = 23, 3, 3, (uint8_t)(r->len >> 8), (uint8_t)r->len};

		if (r->kind == HF_SYM_PRF)
			evp_prf(r, i);
		else if (r->kind == HF_SYM_HASH)
			evp_hash(i);
		else if (hf_cipher_info[r->which].aead)
			evp_aead(r, i, aad);
		else
			evp_cbc(r, i, aad);
	}
}

/* ---- turns ---- */

static void run_side(enum side side, const struct row *r)
{
	if (side == EVP)
		evp(r);
	else
		compute(side, r);
}

/* Of this thread alone, so that others on the same core cost us nothing but cache. */
static uint64_t cpu_ns(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t))
		stop("no clock of the thread's time");
	return (uint64_t)t.tv_sec * HF_NS_S + (uint64_t)t.tv_nsec;
}

static double ns_per_job(enum side side, const struct row *r, uint32_t repeat)
{
	uint64_t began = cpu_ns();

	for (uint32_t i = 0; i < repeat; i++)
		run_side(side, r);
	return (double)(cpu_ns() - began) / repeat / r->flight;
}

static int by_size(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return (a > b) - (a < b);
}

static void same_results(const struct row *r)
{
	for (enum side side = 0; side < SIDE_CNT; side++)
		run_side(side, r);
	if (r->kind != HF_SYM_SEAL &&
		(memcmp(out[OURS], out[EVP], r->flight * HF_HASH_MAX) ||
			memcmp(out[PLAIN], out[EVP], r->flight * HF_HASH_MAX)))
		stop("the sides disagree");
}

static void measure(struct row *r)
{
	static double ratio[SIDE_CNT][TURNS];
	uint32_t repeat;

	memset(out, 0, sizeof(out));
	set_up_inputs(r->which);
	evp_open(r);
	same_results(r);
	repeat = 1 + (uint32_t)(TURN_NS / (ns_per_job(EVP, r, 4) * r->flight));
	for (enum side side = 0; side < SIDE_CNT; side++)
		r->ns[side] = 1e18;
	for (uint32_t turn = 0; turn < TURNS; turn++) {
		double ns[SIDE_CNT];

		for (enum side side = 0; side < SIDE_CNT; side++) {
			ns[side] = ns_per_job(side, r, repeat);
			r->ns[side] = HF_MIN(r->ns[side], ns[side]);
		}
		for (enum side side = 0; side < SIDE_CNT; side++)
			ratio[side][turn] = ns[side] / ns[OURS];
	}
	for (enum side side = 0; side < SIDE_CNT; side++) {
		qsort(ratio[side], TURNS, sizeof(double), by_size);
		r->ratio[side] = ratio[side][TURNS / 2];
		r->low[side] = ratio[side][TURNS / 20];
		r->high[side] = ratio[side][TURNS - 1 - TURNS / 20];
	}
	evp_close();
}

/* ---- report ---- */

static void print_row(const struct row *r)
{
	char target[16] = "-";

	if (r->target > 0)
		(void)snprintf(target, sizeof(target), "%.1f %s", r->target,
			r->ratio[EVP] >= r->target ? "met" : "missed");
	printf("%-38s %4u %9.0f %9.0f %9.0f %7.2f %6.2f..%-6.2f %s\n", r->name, r->flight,
		r->ns[EVP], r->ns[PLAIN], r->ns[OURS], r->ratio[EVP], r->low[EVP], r->high[EVP],
		target);
	(void)fflush(stdout);
}

static void write_json(FILE *f, const char *cpu, const char *fills)
{
	fprintf(f, "{\n  \"machine\": \"%s\",\n  \"openssl\": \"%s\",\n", cpu,
		OpenSSL_version(OPENSSL_VERSION_STRING));
	fprintf(f, "  \"driver\": \"%s\",\n  \"fills\": \"%s\",\n", hf_sym_ipsecmb.name, fills);
	fprintf(f, "  \"turns\": %u,\n  \"rows\": [", TURNS);
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];

		fprintf(f,
			"%s\n    {\"job\": \"%s\", \"in_flight\": %u, \"evp_ns\": %.0f, "
			"\"libcrypto_driver_ns\": %.0f, \"ns\": %.0f, \"ratio\": %.3f, "
			"\"ratio_p5\": %.3f, \"ratio_p95\": %.3f, \"target\": %.1f}",
			i ? "," : "", r->name, r->flight, r->ns[EVP], r->ns[PLAIN], r->ns[OURS],
			r->ratio[EVP], r->low[EVP], r->high[EVP], r->target);
	}
	fprintf(f, "\n  ]\n}\n");
}

static struct hf_sym *open_driver(const struct hf_sym_driver *driver, void **ctx)
{
	if (!driver->probe())
		stop("this processor lacks what the driver needs");
	*ctx = memory(driver->size(SCHEDULE_CNT));
	if (driver->init(*ctx, SCHEDULE_CNT))
		stop("a driver does not start");
	return hf_sym_init(memory(hf_sym_footprint(FLIGHT_MAX)), FLIGHT_MAX, driver, *ctx);
}

int main(int argc, char **argv)
{
	char cpu[49], fills[512];
	uint8_t seed[HF_RAND_SEED_LEN];
	void *plain_ctx;
	FILE *f;

	if (argc != 2)
		stop("usage: bench-sym FILE.json");
	hf_os_random(seed, sizeof(seed));
	hf_rand_seed(&rnd, seed);
	queue[OURS] = open_driver(&hf_sym_ipsecmb, &lanes_ctx);
	queue[PLAIN] = open_driver(&hf_sym_libcrypto, &plain_ctx);
	hf_os_cpu_brand(cpu);
	hf_sym_ipsecmb.describe(lanes_ctx, fills, sizeof(fills));
	printf("%s, %s\n%s: %s\n\n", cpu, OpenSSL_version(OPENSSL_VERSION), hf_sym_ipsecmb.name,
		fills);
	printf("%-38s %4s %9s %9s %9s %7s %14s %s\n", "job", "at", "EVP ns", "libcrypto",
		hf_sym_ipsecmb.name, "ratio", "5..95 %", "target");
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		measure(&rows[i]);
		print_row(&rows[i]);
	}
	f = fopen(argv[1], "we");
	if (!f)
		stop("cannot write the JSON file");
	write_json(f, cpu, fills);
	if (fclose(f))
		stop("cannot write the JSON file");
	hf_sym_ipsecmb.fini(lanes_ctx);
	hf_sym_libcrypto.fini(plain_ctx);
	return 0;
}
