/* crypt.c -- three hashes behind one name, the PRF on top, and two shapes of record: AEAD, and CBC with
 * a MAC before it. The cipher contexts are made once for a thread and keyed anew for each record: that
 * costs less than a microsecond, and a connection then needs to remember 32 bytes only. */
#include "bench/hfbench/crypt.h"

/* ---- hashes ---- */

void bench_hash_begin(struct bench_hash *h, enum bench_hash_kind kind)
{
	h->kind = kind;
	if (kind == BENCH_SHA1)
		SHA1_Init(&h->sha1);
	else if (kind == BENCH_SHA256)
		SHA256_Init(&h->sha256);
	else
		SHA384_Init(&h->sha512);
}

void bench_hash_add(struct bench_hash *h, const void *p, size_t len)
{
	if (h->kind == BENCH_SHA1)
		SHA1_Update(&h->sha1, p, len);
	else if (h->kind == BENCH_SHA256)
		SHA256_Update(&h->sha256, p, len);
	else
		SHA384_Update(&h->sha512, p, len);
}

size_t bench_hash_at(struct bench_hash h, uint8_t out[BENCH_HASH_MAX])
{
	if (h.kind == BENCH_SHA1)
		SHA1_Final(out, &h.sha1);
	else if (h.kind == BENCH_SHA256)
		SHA256_Final(out, &h.sha256);
	else
		SHA384_Final(out, &h.sha512);
	return h.kind == BENCH_SHA1 ? 20 : h.kind == BENCH_SHA256 ? 32 : 48;
}

void bench_hmac_key(struct bench_hmac *h, enum bench_hash_kind kind, const void *key, size_t len)
{
	size_t block = kind == BENCH_SHA384 ? 128 : 64, i;
	uint8_t pad[128] = {0};
	HF_ASSERT(len <= block); /* no key of TLS 1.2 is longer */
	memcpy(pad, key, len);
	for (i = 0; i < block; i++)
		pad[i] ^= 0x36;
	bench_hash_begin(&h->inner, kind);
	bench_hash_add(&h->inner, pad, block);
	for (i = 0; i < block; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	bench_hash_begin(&h->outer, kind);
	bench_hash_add(&h->outer, pad, block);
}

size_t bench_hmac(const struct bench_hmac *h, const struct hf_span *v, uint32_t cnt,
	uint8_t out[BENCH_HASH_MAX])
{
	struct bench_hash at = h->inner, outer = h->outer;
	uint8_t inner[BENCH_HASH_MAX];
	uint32_t i;
	for (i = 0; i < cnt; i++)
		if (v[i].len)
			bench_hash_add(&at, v[i].p, v[i].len);
	bench_hash_add(&outer, inner, bench_hash_at(at, inner));
	return bench_hash_at(outer, out);
}

/* RFC 5246 5 */
void bench_prf(const struct bench_hmac *secret, const char *label, struct hf_span seed1,
	struct hf_span seed2, uint8_t *out, size_t len)
{
	struct hf_span name = hf_span(label, strlen(label));
	uint8_t a[BENCH_HASH_MAX], part[BENCH_HASH_MAX];
	size_t n = bench_hmac(secret, (struct hf_span[]){name, seed1, seed2}, 3, a);
	for (;;) {
		size_t take = HF_MIN(len, n);
		(void)bench_hmac(
			secret, (struct hf_span[]){hf_span(a, n), name, seed1, seed2}, 4, part);
		memcpy(out, part, take);
		out += take;
		len -= take;
		if (!len)
			return;
		(void)bench_hmac(secret, (struct hf_span[]){hf_span(a, n)}, 1, a);
	}
}

/* ---- ciphers ---- */

static const struct {
	const char *name;
	uint8_t key_len, salt_len;
	bool cbc;
} ciphers[BENCH_CIPHER_CNT] = {
	[BENCH_AES128_GCM] = {"AES-128-GCM", 16, 4, false},
	[BENCH_AES256_GCM] = {"AES-256-GCM", 32, 4, false},
	[BENCH_CHACHA] = {"ChaCha20-Poly1305", 32, 12, false},
	[BENCH_AES128_CBC] = {"AES-128-CBC", 16, 0, true},
	[BENCH_AES256_CBC] = {"AES-256-CBC", 32, 0, true},
};

bool bench_crypt_make(struct bench_crypt *c, uint64_t seed)
{
	uint32_t i, enc;
	c->random = seed;
	for (i = 0; i < BENCH_CIPHER_CNT; i++) {
		EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, ciphers[i].name, NULL);
		for (enc = 0; enc < 2; enc++) {
			c->ctx[i][enc] = EVP_CIPHER_CTX_new();
			if (!cipher || !c->ctx[i][enc] ||
				!EVP_CipherInit_ex(
					c->ctx[i][enc], cipher, NULL, NULL, NULL, (int)enc) ||
				!EVP_CIPHER_CTX_set_padding(c->ctx[i][enc], 0))
				return false;
		}
		EVP_CIPHER_free(cipher);
	}
	return true;
}

void bench_crypt_free(struct bench_crypt *c)
{
	uint32_t i;
	for (i = 0; i < BENCH_CIPHER_CNT; i++) {
		EVP_CIPHER_CTX_free(c->ctx[i][0]);
		EVP_CIPHER_CTX_free(c->ctx[i][1]);
	}
}

void bench_random(struct bench_crypt *c, void *out, size_t len)
{
	uint8_t *at = out;
	while (len) {
		uint64_t z = c->random += 0x9e3779b97f4a7c15;
		size_t take = HF_MIN(len, sizeof(z));
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
		z = (z ^ z >> 27) * 0x94d049bb133111eb;
		z ^= z >> 31;
		memcpy(at, &z, take);
		at += take;
		len -= take;
	}
}

static void cut(uint8_t **block, uint8_t *to, size_t len)
{
	memcpy(to, *block, len);
	*block += len;
}

void bench_keys(const struct bench_suite *s, const struct bench_hmac *master,
	const uint8_t client_random[32], const uint8_t server_random[32], struct bench_way *client,
	struct bench_way *server)
{
	static const uint8_t mac_len[] = {
		[BENCH_SHA1] = 20, [BENCH_SHA256] = 32, [BENCH_SHA384] = 48};
	size_t key = ciphers[s->cipher].key_len, salt = ciphers[s->cipher].salt_len;
	size_t mac = ciphers[s->cipher].cbc ? mac_len[s->mac] : 0;
	uint8_t block[2 * (48 + 32 + 16)], *at = block;
	bench_prf(master, "key expansion", hf_span(server_random, 32), hf_span(client_random, 32),
		block, 2 * (mac + key + salt));
	client->seq = server->seq = 0;
	if (mac) {
		bench_hmac_key(&client->mac, s->mac, at, mac);
		bench_hmac_key(&server->mac, s->mac, at + mac, mac);
		at += 2 * mac;
	}
	cut(&at, client->key, key);
	cut(&at, server->key, key);
	cut(&at, client->salt, salt);
	cut(&at, server->salt, salt);
}

/* ---- records ---- */

static void put64(uint8_t *p, uint64_t v)
{
	uint32_t i;
	for (i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (56 - 8 * i));
}

/* What a MAC or a tag covers beside the text (RFC 5246 6.2.3.1). */
static void about(uint8_t out[13], const struct bench_way *w, uint8_t type, size_t len)
{
	put64(out, w->seq);
	out[8] = type;
	out[9] = out[10] = 3;
	out[11] = (uint8_t)(len >> 8);
	out[12] = (uint8_t)len;
}

/* 96 bits: salt and sequence number beside each other (RFC 5288 3), or one over the other (7905 2). */
static void nonce(uint8_t out[12], const struct bench_suite *s, const struct bench_way *w,
	const uint8_t explicit[8])
{
	uint32_t i;
	memcpy(out, w->salt, ciphers[s->cipher].salt_len);
	for (i = 0; i < 8; i++)
		out[4 + i] = s->cipher == BENCH_CHACHA ? (uint8_t)(out[4 + i] ^ explicit[i])
						       : explicit[i];
}

static size_t seal_aead(struct bench_crypt *c, const struct bench_suite *s, struct bench_way *w,
	uint8_t type, const void *p, size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = c->ctx[s->cipher][1];
	uint8_t aad[13], iv[12], seq[8];
	size_t head = s->cipher == BENCH_CHACHA ? 0 : 8;
	int n;
	about(aad, w, type, len);
	put64(seq, w->seq);
	memcpy(out, seq, head);
	nonce(iv, s, w, seq);
	HF_ASSERT(EVP_CipherInit_ex(ctx, NULL, NULL, w->key, iv, 1) &&
		  EVP_CipherUpdate(ctx, NULL, &n, aad, sizeof(aad)) &&
		  EVP_CipherUpdate(ctx, out + head, &n, p, (int)len) &&
		  EVP_CipherFinal_ex(ctx, out + head + len, &n) &&
		  EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, out + head + len));
	return head + len + 16;
}

static int open_aead(struct bench_crypt *c, const struct bench_suite *s, struct bench_way *w,
	uint8_t type, uint8_t *p, size_t len, struct hf_span *plain)
{
	EVP_CIPHER_CTX *ctx = c->ctx[s->cipher][0];
	uint8_t aad[13], iv[12], seq[8];
	size_t head = s->cipher == BENCH_CHACHA ? 0 : 8;
	int n;
	if (len < head + 16)
		return -1;
	len -= head + 16;
	put64(seq, w->seq);
	nonce(iv, s, w, head ? p : seq);
	about(aad, w, type, len);
	if (!EVP_CipherInit_ex(ctx, NULL, NULL, w->key, iv, 0) ||
		!EVP_CipherUpdate(ctx, NULL, &n, aad, sizeof(aad)) ||
		!EVP_CipherUpdate(ctx, p + head, &n, p + head, (int)len) ||
		!EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, p + head + len) ||
		EVP_CipherFinal_ex(ctx, p + head + len, &n) != 1)
		return -1;
	*plain = hf_span(p + head, len);
	return 0;
}

static size_t mac_of(const struct bench_way *w, uint8_t type, const void *p, size_t len,
	uint8_t out[BENCH_HASH_MAX])
{
	uint8_t head[13];
	about(head, w, type, len);
	return bench_hmac(&w->mac, (struct hf_span[]){hf_span(head, 13), hf_span(p, len)}, 2, out);
}

static size_t seal_cbc(struct bench_crypt *c, const struct bench_suite *s, struct bench_way *w,
	uint8_t type, const void *p, size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = c->ctx[s->cipher][1];
	uint8_t *text = out + 16;
	size_t pad;
	int n;
	bench_random(c, out, 16);
	memcpy(text, p, len);
	len += mac_of(w, type, p, len, text + len);
	pad = 16 - len % 16;
	memset(text + len, (int)(pad - 1), pad);
	len += pad;
	HF_ASSERT(EVP_CipherInit_ex(ctx, NULL, NULL, w->key, out, 1) &&
		  EVP_CipherUpdate(ctx, text, &n, text, (int)len));
	return 16 + len;
}

static int open_cbc(struct bench_crypt *c, const struct bench_suite *s, struct bench_way *w,
	uint8_t type, uint8_t *p, size_t len, struct hf_span *plain)
{
	EVP_CIPHER_CTX *ctx = c->ctx[s->cipher][0];
	uint8_t mac[BENCH_HASH_MAX], *text = p + 16;
	size_t pad, mac_len;
	int n;
	if (len < 32 || len % 16 || !EVP_CipherInit_ex(ctx, NULL, NULL, w->key, p, 0) ||
		!EVP_CipherUpdate(ctx, text, &n, text, (int)(len - 16)))
		return -1;
	len -= 16;
	pad = 1u + text[len - 1];
	mac_len = s->mac == BENCH_SHA1 ? 20 : s->mac == BENCH_SHA256 ? 32 : 48;
	if (pad + mac_len > len)
		return -1;
	len -= pad + mac_len;
	(void)mac_of(w, type, text, len, mac);
	if (memcmp(mac, text + len, mac_len))
		return -1;
	*plain = hf_span(text, len);
	return 0;
}

size_t bench_seal(struct bench_crypt *c, const struct bench_suite *s, struct bench_way *w,
	uint8_t type, const void *p, size_t len, uint8_t *out)
{
	size_t n = ciphers[s->cipher].cbc ? seal_cbc(c, s, w, type, p, len, out + 5)
					  : seal_aead(c, s, w, type, p, len, out + 5);
	w->seq++;
	out[0] = type;
	out[1] = out[2] = 3;
	out[3] = (uint8_t)(n >> 8);
	out[4] = (uint8_t)n;
	return 5 + n;
}

int bench_open(struct bench_crypt *c, const struct bench_suite *s, struct bench_way *w,
	uint8_t type, uint8_t *p, size_t len, struct hf_span *plain)
{
	int bad = ciphers[s->cipher].cbc ? open_cbc(c, s, w, type, p, len, plain)
					 : open_aead(c, s, w, type, p, len, plain);
	w->seq++;
	return bad;
}
