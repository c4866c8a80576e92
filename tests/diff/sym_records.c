/* sym_records.c -- what our SEAL makes, an independent composition of plain EVP calls must open, and
 * the other way round, for every cipher, all lengths up to 300 and the largest record; and every way
 * in which a record can be spoilt is refused with the one status BAD_RECORD. The composition here
 * follows RFC 5246 6.2.3 word by word and shares no code with the drivers. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include "drivers/drivers.h"
#include "drivers/sym/ipsecmb.h"
#include "lib/base/rand.h"
#include "lib/crypto/sym.h"
#include "tests/support/test.h"

#define VERSION 0x0303u
#define TEXT_MAX 16384u
#define RECORD_MAX (HF_SYM_PREFIX_MAX + TEXT_MAX + 256u + HF_SYM_TAIL_MAX)

static struct hf_rand rnd;
static const struct hf_sym_driver *driver;
static void *driver_ctx;
static struct hf_sym *sym;

static void setup(const struct hf_sym_driver *d)
{
	uint8_t seed[HF_RAND_SEED_LEN] = {42};

	hf_rand_seed(&rnd, seed);
	driver = d;
	driver_ctx = test_alloc(driver->size(16));
	assert_true(driver->probe());
	assert_int_equal(driver->init(driver_ctx, 16), 0);
	sym = hf_sym_init(test_alloc(hf_sym_footprint(8)), 8, driver, driver_ctx);
}

static int setup_libcrypto(void **state)
{
	(void)state;
	setup(&hf_sym_libcrypto);
	return 0;
}

/* A single record goes into a lane, too. */
static int setup_ipsecmb(void **state)
{
	(void)state;
	setup(&hf_sym_ipsecmb);
	hf_sym_ipsecmb_set_fill(driver_ctx, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	driver->fini(driver_ctx);
	free(driver_ctx);
	free(sym);
	return 0;
}

static void new_keys(struct hf_sym_keys *k, enum hf_cipher cipher)
{
	static uint64_t next_id;

	k->id = ++next_id;
	k->cipher = (uint8_t)cipher;
	hf_rand_bytes(&rnd, k->key, sizeof(k->key));
	hf_rand_bytes(&rnd, k->mac, sizeof(k->mac));
	hf_rand_bytes(&rnd, k->iv, sizeof(k->iv));
	k->etm = false;
}

/* Encrypt-then-MAC wherever there is a MAC. */
static void new_etm_keys(struct hf_sym_keys *k, enum hf_cipher cipher)
{
	new_keys(k, cipher);
	k->etm = !hf_cipher_info[cipher].aead;
}

typedef void new_keys_fn(struct hf_sym_keys *k, enum hf_cipher cipher);

/* ---- our side: one job, through the queue ---- */

struct record {
	const struct hf_sym_keys *keys;
	uint64_t seq;
	uint8_t type;
	uint32_t len; /* of the plaintext or of the fragment */
	uint8_t *data;
	uint32_t out_off, out_len;
};

static enum hf_sym_status run(enum hf_sym_kind kind, struct record *r)
{
	struct hf_sym_job *job = hf_sym_take(sym);
	enum hf_sym_status status;

	assert_non_null(job);
	job->kind = (uint8_t)kind;
	job->keys = r->keys;
	job->seq = r->seq;
	job->type = r->type;
	job->version = VERSION;
	job->data = r->data;
	job->len = r->len;
	hf_rand_bytes(&rnd, job->iv, sizeof(job->iv));
	hf_sym_submit(sym, job);
	assert_int_equal(hf_sym_flush(sym), 1);
	assert_ptr_equal(hf_sym_done(sym), job);
	assert_null(hf_sym_done(sym));
	status = job->status;
	r->out_off = job->out_off;
	r->out_len = job->out_len;
	hf_sym_give(sym, job);
	return status;
}

/* ---- the other side: RFC 5246 6.2.3.2 and 6.2.3.3, RFC 5288 3 by plain EVP calls ---- */

static const EVP_MD *mac_md(const struct hf_sym_keys *k)
{
	switch (k->cipher) {
	case HF_CIPHER_AES128_CBC_SHA256:
	case HF_CIPHER_AES256_CBC_SHA256:
		return EVP_sha256();
	case HF_CIPHER_AES256_CBC_SHA384:
		return EVP_sha384();
	default:
		return EVP_sha1();
	}
}

static const EVP_CIPHER *plain_cipher(const struct hf_sym_keys *k)
{
	switch (k->cipher) {
	case HF_CIPHER_AES128_GCM:
		return EVP_aes_128_gcm();
	case HF_CIPHER_AES256_GCM:
		return EVP_aes_256_gcm();
	case HF_CIPHER_CHACHA20_POLY1305:
		return EVP_chacha20_poly1305();
	case HF_CIPHER_AES256_CBC_SHA1:
	case HF_CIPHER_AES256_CBC_SHA256:
	case HF_CIPHER_AES256_CBC_SHA384:
		return EVP_aes_256_cbc();
	default:
		return EVP_aes_128_cbc();
	}
}

static void ref_head(uint8_t h[13], const struct record *r, uint32_t len)
{
	for (int i = 0; i < 8; i++)
		h[i] = (uint8_t)(r->seq >> (56 - 8 * i));
	h[8] = r->type;
	h[9] = VERSION >> 8;
	h[10] = VERSION & 0xff;
	h[11] = (uint8_t)(len >> 8);
	h[12] = (uint8_t)len;
}

static void ref_mac(const struct record *r, const uint8_t *text, uint32_t len, uint8_t *out)
{
	uint8_t *m = malloc(13 + (size_t)len);
	uint32_t mac_len = hf_cipher_info[r->keys->cipher].tag_len;

	ref_head(m, r, len);
	memcpy(m + 13, text, len);
	assert_non_null(HMAC(mac_md(r->keys), r->keys->mac, (int)mac_len, m, 13 + len, out, NULL));
	free(m);
}

static void ref_cbc(
	const struct record *r, bool enc, const uint8_t iv[16], uint8_t *p, uint32_t len)
{
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	int n;

	assert_true(EVP_CipherInit_ex(x, plain_cipher(r->keys), NULL, r->keys->key, iv, enc));
	EVP_CIPHER_CTX_set_padding(x, 0);
	assert_true(EVP_CipherUpdate(x, p, &n, p, (int)len));
	assert_int_equal(n, (int)len);
	EVP_CIPHER_CTX_free(x);
}

/* Enciphers iv || p, a finished GenericBlockCipher content, into r->data. */
static void ref_cbc_wrap(struct record *r, const uint8_t *p, uint32_t len)
{
	hf_rand_bytes(&rnd, r->data, 16);
	memcpy(r->data + 16, p, len);
	ref_cbc(r, true, r->data, r->data + 16, len);
	r->len = 16 + len;
}

/* The MAC that is enciphered with the text. */
static uint32_t inner_mac_len(const struct hf_sym_keys *k)
{
	return k->etm ? 0 : hf_cipher_info[k->cipher].tag_len;
}

/* RFC 7366 3: what is MACed is what was enciphered, explicit IV and all. */
static void ref_append_mac(struct record *r)
{
	ref_mac(r, r->data, r->len, r->data + r->len);
	r->len += hf_cipher_info[r->keys->cipher].tag_len;
}

/* pad_len: value of the padding bytes, any that fits the block size. */
static void ref_seal_cbc(struct record *r, const uint8_t *text, uint32_t len, uint32_t pad_len)
{
	uint32_t mac_len = inner_mac_len(r->keys);
	uint32_t total = len + mac_len + pad_len + 1;
	uint8_t *p = malloc(total);

	assert_int_equal(total % 16, 0);
	memcpy(p, text, len);
	if (!r->keys->etm)
		ref_mac(r, text, len, p + len);
	memset(p + len + mac_len, (int)pad_len, pad_len + 1);
	ref_cbc_wrap(r, p, total);
	free(p);
	if (r->keys->etm)
		ref_append_mac(r);
}

static uint32_t least_pad(const struct record *r, uint32_t len)
{
	return 15 - (len + inner_mac_len(r->keys)) % 16;
}

static uint32_t ref_open_cbc(const struct record *r, uint8_t *out)
{
	uint32_t tag_len = hf_cipher_info[r->keys->cipher].tag_len;
	uint32_t mac_len = inner_mac_len(r->keys), len = r->out_len - 16 - (tag_len - mac_len);
	uint8_t mac[64], *p = malloc(len);
	uint32_t pad;

	if (r->keys->etm) {
		ref_mac(r, r->data, 16 + len, mac);
		assert_memory_equal(mac, r->data + 16 + len, tag_len);
	}
	memcpy(p, r->data + 16, len);
	ref_cbc(r, false, r->data, p, len);
	pad = p[len - 1];
	assert_true(pad + 1 + mac_len <= len);
	for (uint32_t i = 0; i <= pad; i++)
		assert_int_equal(p[len - 1 - i], pad);
	len -= pad + 1 + mac_len;
	if (!r->keys->etm) {
		ref_mac(r, p, len, mac);
		assert_memory_equal(mac, p + len, mac_len);
	}
	memcpy(out, p, len);
	free(p);
	return len;
}

/* RFC 5288 3: salt and the explicit nonce; RFC 7905 2: the sequence number over all of the IV. */
static void ref_nonce(const struct record *r, const uint8_t *data, uint8_t nonce[12])
{
	memcpy(nonce, r->keys->iv, 12);
	if (r->keys->cipher != HF_CIPHER_CHACHA20_POLY1305)
		memcpy(nonce + 4, data, 8);
	else
		for (int i = 0; i < 8; i++)
			nonce[4 + i] ^= (uint8_t)(r->seq >> (56 - 8 * i));
}

static void ref_aead(const struct record *r, bool enc, uint8_t *data, uint32_t len)
{
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	uint8_t nonce[12], head[13], *p = data + hf_cipher_info[r->keys->cipher].prefix_len;
	int n;

	ref_nonce(r, data, nonce);
	ref_head(head, r, len);
	assert_true(EVP_CipherInit_ex(x, plain_cipher(r->keys), NULL, r->keys->key, nonce, enc));
	if (!enc)
		assert_true(EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_TAG, 16, p + len));
	assert_true(EVP_CipherUpdate(x, NULL, &n, head, 13));
	assert_true(EVP_CipherUpdate(x, p, &n, p, (int)len));
	assert_int_equal(EVP_CipherFinal_ex(x, p + len, &n), 1);
	if (enc)
		assert_true(EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_GET_TAG, 16, p + len));
	EVP_CIPHER_CTX_free(x);
}

static void ref_seal(struct record *r, const uint8_t *text, uint32_t len)
{
	uint32_t prefix_len = hf_cipher_info[r->keys->cipher].prefix_len;

	if (!hf_cipher_info[r->keys->cipher].aead) {
		ref_seal_cbc(r, text, len, least_pad(r, len));
		return;
	}
	hf_rand_bytes(&rnd, r->data, prefix_len); /* any explicit nonce must be understood */
	memcpy(r->data + prefix_len, text, len);
	ref_aead(r, true, r->data, len);
	r->len = prefix_len + len + 16;
}

static uint32_t ref_open(const struct record *r, uint8_t *out)
{
	uint32_t prefix_len = hf_cipher_info[r->keys->cipher].prefix_len;
	uint32_t len = r->out_len - prefix_len - 16;

	if (!hf_cipher_info[r->keys->cipher].aead)
		return ref_open_cbc(r, out);
	ref_aead(r, false, r->data, len);
	memcpy(out, r->data + prefix_len, len);
	return len;
}

/* ---- tests ---- */

static uint8_t text[TEXT_MAX + 1], back[TEXT_MAX + 1], data[RECORD_MAX];

static void both_ways(enum hf_cipher cipher, new_keys_fn *new_keys_of, uint32_t len)
{
	const struct hf_cipher_info *info = &hf_cipher_info[cipher];
	struct hf_sym_keys out_keys, in_keys;
	struct record r = {.data = data, .type = (uint8_t)(20 + len % 4)};
	uint8_t guard[HF_SYM_TAIL_MAX];
	uint32_t room = info->prefix_len + len + HF_SYM_TAIL_MAX;

	new_keys_of(&out_keys, cipher);
	new_keys_of(&in_keys, cipher);
	r.seq = hf_rand_u64(&rnd);
	hf_rand_bytes(&rnd, text, len);
	memset(guard, 0x5c, sizeof(guard));
	memset(data, 0x5c, sizeof(data));
	memcpy(data + info->prefix_len, text, len);
	r.keys = &out_keys;
	r.len = len;
	assert_int_equal(run(HF_SYM_SEAL, &r), HF_SYM_OK);
	assert_true(r.out_len <= room);
	assert_memory_equal(data + room, guard, sizeof(guard));
	assert_int_equal(ref_open(&r, back), len);
	assert_memory_equal(back, text, len);
	if (info->prefix_len == 8)
		for (int i = 0; i < 8; i++)
			assert_int_equal(data[i], (uint8_t)(r.seq >> (56 - 8 * i)));

	r.keys = &in_keys;
	ref_seal(&r, text, len);
	memset(data + r.len, 0x5c, sizeof(guard));
	assert_int_equal(run(HF_SYM_OPEN, &r), HF_SYM_OK);
	assert_int_equal(r.out_off, info->prefix_len);
	assert_int_equal(r.out_len, len);
	assert_memory_equal(data + r.out_off, text, len);
	assert_memory_equal(data + r.len, guard, sizeof(guard));
}

static void lengths(enum hf_cipher cipher, new_keys_fn *new_keys_of)
{
	for (uint32_t len = 0; len <= 300; len++)
		both_ways(cipher, new_keys_of, len);
	for (uint32_t len = 1000; len < TEXT_MAX; len += 1237)
		both_ways(cipher, new_keys_of, len);
	both_ways(cipher, new_keys_of, TEXT_MAX - 1);
	both_ways(cipher, new_keys_of, TEXT_MAX);
}

static void each_length_both_ways(void **state)
{
	(void)state;
	for (int c = HF_CIPHER_NONE + 1; c < HF_CIPHER_CNT; c++) {
		lengths((enum hf_cipher)c, new_keys);
		if (!hf_cipher_info[c].aead)
			lengths((enum hf_cipher)c, new_etm_keys);
	}
}

/* Sealed twice with the same iv and history in between: the same bytes. */
static void sealing_has_no_memory(void **state)
{
	uint8_t first[64 + HF_SYM_PREFIX_MAX + HF_SYM_TAIL_MAX];

	(void)state;
	for (int c = HF_CIPHER_NONE + 1; c < HF_CIPHER_CNT; c++) {
		struct hf_sym_keys k;
		struct record r = {.keys = &k, .data = data, .type = 23, .seq = 7};

		new_keys(&k, (enum hf_cipher)c);
		for (int round = 0; round < 2; round++) {
			struct hf_rand same = {{0}, {0}, 0, 0};
			uint8_t seed[HF_RAND_SEED_LEN] = {9};

			hf_rand_seed(&same, seed);
			rnd = same;
			memset(data, 0x11, sizeof(data));
			r.len = 64;
			assert_int_equal(run(HF_SYM_SEAL, &r), HF_SYM_OK);
			if (round == 0)
				memcpy(first, data, r.out_len);
			else
				assert_memory_equal(first, data, r.out_len);
		}
	}
}

/* ---- spoilt records ---- */

static void is_bad(struct record *r)
{
	r->out_off = r->out_len = 99;
	assert_int_equal(run(HF_SYM_OPEN, r), HF_SYM_BAD_RECORD);
	for (uint32_t i = 0; i < r->len; i++) /* nothing of the plaintext is left */
		assert_int_equal(data[i], 0);
}

static void is_good(struct record *r, uint32_t len)
{
	assert_int_equal(run(HF_SYM_OPEN, r), HF_SYM_OK);
	assert_int_equal(r->out_len, len);
	assert_memory_equal(data + r->out_off, text, len);
}

static uint8_t sealed[RECORD_MAX];

/* Puts the sealed record back as it was. */
static void restore(struct record *r, uint32_t len)
{
	r->len = len;
	memcpy(data, sealed, len);
}

/* Every single bit of a record, and all that is bound to it. */
static void spoil(enum hf_cipher cipher, new_keys_fn *new_keys_of, uint32_t len)
{
	struct hf_sym_keys k, other;
	struct record r = {.keys = &k, .data = data, .type = 23, .seq = 0x0102030405060708};
	uint32_t total;

	new_keys_of(&k, cipher);
	hf_rand_bytes(&rnd, text, len);
	ref_seal(&r, text, len);
	total = r.len;
	memcpy(sealed, data, total);
	for (uint32_t bit = 0; bit < 8 * total; bit++) {
		restore(&r, total);
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		is_bad(&r);
	}
	for (uint32_t bit = 0; bit < 64; bit++) {
		restore(&r, total);
		r.seq ^= 1ull << bit;
		is_bad(&r);
		r.seq ^= 1ull << bit;
	}
	for (uint32_t type = 0; type < 256; type++) {
		restore(&r, total);
		r.type = (uint8_t)type;
		if (type == 23)
			is_good(&r, len);
		else
			is_bad(&r);
	}
	r.type = 23;
	for (uint32_t cut = 0; cut < total; cut++) { /* its first bytes alone */
		restore(&r, cut);
		is_bad(&r);
	}
	for (uint32_t more = 1; more < 40; more++) {
		restore(&r, total);
		memset(data + total, 0x0f, more);
		r.len += more;
		is_bad(&r);
	}
	new_keys_of(&other, cipher);
	restore(&r, total);
	r.keys = &other;
	is_bad(&r);
	r.keys = &k;
	restore(&r, total);
	is_good(&r, len); /* and none of this has hurt the key */
}

static void every_spoilt_record_is_refused(void **state)
{
	(void)state;
	for (int c = HF_CIPHER_NONE + 1; c < HF_CIPHER_CNT; c++) {
		static const uint32_t len[] = {0, 1, 37, 300};

		for (size_t i = 0; i < HF_ARRAY_LEN(len); i++) {
			spoil((enum hf_cipher)c, new_keys, len[i]);
			if (!hf_cipher_info[c].aead)
				spoil((enum hf_cipher)c, new_etm_keys, len[i]);
		}
	}
}

/* RFC 5246 6.2.3.2: padding of any length up to 255 that fills the block. */
static void every_padding_length(enum hf_cipher cipher, new_keys_fn *new_keys_of, uint32_t len)
{
	struct hf_sym_keys k;
	struct record r = {.keys = &k, .data = data, .type = 22, .seq = 3};

	new_keys_of(&k, cipher);
	hf_rand_bytes(&rnd, text, len);
	for (uint32_t pad = least_pad(&r, len); pad < 256; pad += 16) {
		ref_seal_cbc(&r, text, len, pad);
		is_good(&r, len);
	}
}

/* A right MAC behind padding in which one byte, any byte, is wrong; and right padding behind a MAC
 * that is wrong in one byte: the same verdict. */
static void wrong_padding_or_mac(enum hf_cipher cipher, uint32_t len, uint32_t pad_len)
{
	struct hf_sym_keys k;
	struct record r = {.keys = &k, .data = data, .type = 23, .seq = 5};
	uint32_t mac_len = hf_cipher_info[cipher].tag_len;
	uint32_t total = len + mac_len + pad_len + 1;
	uint8_t content[700];

	new_keys(&k, cipher);
	hf_rand_bytes(&rnd, text, len);
	memcpy(content, text, len);
	ref_mac(&r, text, len, content + len);
	memset(content + len + mac_len, (int)pad_len, pad_len + 1);
	for (uint32_t i = len; i < total; i++) {
		static const uint8_t change[] = {0x01, 0x80, 0xff};

		for (uint32_t c = 0; c < 3; c++) {
			content[i] ^= change[c];
			ref_cbc_wrap(&r, content, total);
			is_bad(&r);
			content[i] ^= change[c];
		}
	}
	ref_cbc_wrap(&r, content, total);
	is_good(&r, len);
}

/* The last byte, which says how long the padding is, takes every value over content that was never
 * padded: the length points into the text, into the MAC, before the record. */
static void every_claimed_padding_length(enum hf_cipher cipher, uint32_t blocks)
{
	struct hf_sym_keys k;
	struct record r = {.keys = &k, .data = data, .type = 23, .seq = 5};
	uint8_t content[512];

	new_keys(&k, cipher);
	for (uint32_t claim = 0; claim < 256; claim++) {
		hf_rand_bytes(&rnd, content, 16 * blocks);
		content[16 * blocks - 1] = (uint8_t)claim;
		ref_cbc_wrap(&r, content, 16 * blocks);
		is_bad(&r);
		memset(content, (int)claim, 16 * blocks); /* padding through and through */
		ref_cbc_wrap(&r, content, 16 * blocks);
		is_bad(&r);
	}
}

/* With encrypt-then-MAC a wrong padding is the peer's own doing, and refused all the same. */
static void wrong_padding_under_a_right_mac(enum hf_cipher cipher)
{
	struct hf_sym_keys k;
	struct record r = {.keys = &k, .data = data, .type = 23, .seq = 5};
	uint8_t content[64];

	new_etm_keys(&k, cipher);
	for (uint32_t claim = 0; claim < 256; claim++) {
		hf_rand_bytes(&rnd, content, sizeof(content));
		for (uint32_t i = 1; i <= HF_MIN(claim, 63u); i++)
			content[63 - i] = (uint8_t)claim;
		content[63] = (uint8_t)claim;
		if (claim < 63) {
			ref_cbc_wrap(&r, content, sizeof(content));
			ref_append_mac(&r);
			memcpy(text, content, sizeof(content));
			is_good(&r, 63 - claim);
		}
		if (claim > 0)
			content[63 - HF_MIN(claim, 63u)] ^= 1;
		ref_cbc_wrap(&r, content, sizeof(content));
		ref_append_mac(&r);
		if (claim > 0 && claim != 63)
			is_bad(&r);
	}
}

static void cbc_padding_and_mac(void **state)
{
	(void)state;
	for (enum hf_cipher c = HF_CIPHER_NONE + 1; c < HF_CIPHER_CNT; c++) {
		struct hf_sym_keys k = {.cipher = (uint8_t)c};
		struct record r = {.keys = &k};

		if (hf_cipher_info[c].aead)
			continue;
		for (uint32_t len = 0; len < 40; len++) {
			every_padding_length(c, new_keys, len);
			every_padding_length(c, new_etm_keys, len);
			wrong_padding_or_mac(c, len, least_pad(&r, len));
		}
		every_padding_length(c, new_keys, 300);
		every_padding_length(c, new_keys, 1000);
		wrong_padding_or_mac(c, 11, least_pad(&r, 11) + 240);
		wrong_padding_or_mac(c, 300, least_pad(&r, 300) + 128);
		for (uint32_t blocks = 1; blocks <= 20; blocks++)
			every_claimed_padding_length(c, blocks);
		wrong_padding_under_a_right_mac(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_length_both_ways),
		cmocka_unit_test(sealing_has_no_memory),
		cmocka_unit_test(every_spoilt_record_is_refused),
		cmocka_unit_test(cbc_padding_and_mac),
	};
	int failed = cmocka_run_group_tests_name("libcrypto", tests, setup_libcrypto, teardown);

	return failed + cmocka_run_group_tests_name("ipsecmb", tests, setup_ipsecmb, teardown);
}
