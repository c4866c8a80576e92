/* tls.c -- the client's handshake, read from btls_record at the end: a record is opened, cut into
 * messages, each goes to the function of its state. Short of what RFC 5246 asks of a client where
 * tls.h says so. */
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include "bench/hfbench/hfbench.h"
#include "bench/hfbench/tls.h"

enum { REC_CCS = 20, REC_ALERT, REC_HANDSHAKE, REC_DATA };
enum {
	MSG_REQUEST = 0,
	MSG_CLIENT_HELLO = 1,
	MSG_SERVER_HELLO = 2,
	MSG_TICKET = 4,
	MSG_CERTIFICATE = 11,
	MSG_KEY = 12,
	MSG_DONE = 14,
	MSG_CLIENT_KEY = 16,
	MSG_FINISHED = 20,
	MSG_STATUS = 22
};
#define MESSAGE_MAX 65536u
#define VERIFY_LEN 12u

/* clang-format off */
static const struct bench_suite suites[] = {
	{"ECDHE-ECDSA-AES128-GCM-SHA256", 0xc02b, false, BENCH_AES128_GCM, 0, BENCH_SHA256},
	{"ECDHE-RSA-AES128-GCM-SHA256",   0xc02f, false, BENCH_AES128_GCM, 0, BENCH_SHA256},
	{"ECDHE-ECDSA-AES256-GCM-SHA384", 0xc02c, false, BENCH_AES256_GCM, 0, BENCH_SHA384},
	{"ECDHE-RSA-AES256-GCM-SHA384",   0xc030, false, BENCH_AES256_GCM, 0, BENCH_SHA384},
	{"ECDHE-ECDSA-CHACHA20-POLY1305", 0xcca9, false, BENCH_CHACHA, 0, BENCH_SHA256},
	{"ECDHE-RSA-CHACHA20-POLY1305",   0xcca8, false, BENCH_CHACHA, 0, BENCH_SHA256},
	{"ECDHE-ECDSA-AES128-SHA",        0xc009, false, BENCH_AES128_CBC, BENCH_SHA1, BENCH_SHA256},
	{"ECDHE-RSA-AES128-SHA",          0xc013, false, BENCH_AES128_CBC, BENCH_SHA1, BENCH_SHA256},
	{"ECDHE-RSA-AES256-SHA",          0xc014, false, BENCH_AES256_CBC, BENCH_SHA1, BENCH_SHA256},
	{"ECDHE-RSA-AES128-SHA256",       0xc027, false, BENCH_AES128_CBC, BENCH_SHA256, BENCH_SHA256},
	{"ECDHE-RSA-AES256-SHA384",       0xc028, false, BENCH_AES256_CBC, BENCH_SHA384, BENCH_SHA384},
	{"AES128-GCM-SHA256",             0x009c, true,  BENCH_AES128_GCM, 0, BENCH_SHA256},
	{"AES256-GCM-SHA384",             0x009d, true,  BENCH_AES256_GCM, 0, BENCH_SHA384},
	{"AES128-SHA",                    0x002f, true,  BENCH_AES128_CBC, BENCH_SHA1, BENCH_SHA256},
	{"AES256-SHA",                    0x0035, true,  BENCH_AES256_CBC, BENCH_SHA1, BENCH_SHA256},
	{"AES128-SHA256",                 0x003c, true,  BENCH_AES128_CBC, BENCH_SHA256, BENCH_SHA256},
	{"AES256-SHA256",                 0x003d, true,  BENCH_AES256_CBC, BENCH_SHA256, BENCH_SHA256},
};

/* Base points: u = 9 (RFC 7748 4.1); G of P-256 (SEC 2 2.4.2), uncompressed. */
static const uint8_t x25519_base[32] = {9};
static const uint8_t p256_base[65] = {4,
	0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
	0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
	0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16,
	0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};
/* clang-format on */

const struct bench_suite *btls_suite(const char *name, size_t len)
{
	size_t i;
	for (i = 0; i < HF_ARRAY_LEN(suites); i++)
		if (strlen(suites[i].name) == len && !memcmp(suites[i].name, name, len))
			return &suites[i];
	return NULL;
}

const char *btls_suite_names(char *text, size_t len)
{
	size_t i, at = 0;
	for (i = 0; i < HF_ARRAY_LEN(suites) && at < len; i++)
		at += (size_t)snprintf(text + at, len - at, "%s%s", i ? " " : "", suites[i].name);
	return text;
}

/* ---- what a thread's connections share ---- */

bool btls_shared_make(struct btls_shared *s, const struct btls_cfg *cfg, uint64_t seed)
{
	memset(s, 0, sizeof(*s));
	s->cfg = cfg;
	return bench_crypt_make(&s->crypt, seed);
}

static void cert_free(struct btls_cert *c)
{
	free(c->list);
	EVP_PKEY_free(c->key);
	memset(c, 0, sizeof(*c));
}

void btls_shared_free(struct btls_shared *s)
{
	uint32_t i;
	for (i = 0; i < BTLS_CERTS; i++)
		cert_free(&s->cert[i]);
	bench_crypt_free(&s->crypt);
}

static const uint8_t premaster_rsa[48] = {3, 3};

static bool rsa_prepare(struct btls_cert *c)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(c->key, NULL);
	bool ok;
	c->rsa_len = sizeof(c->rsa_secret);
	ok = ctx && EVP_PKEY_encrypt_init(ctx) > 0 &&
	     EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0 &&
	     EVP_PKEY_encrypt(
		     ctx, c->rsa_secret, &c->rsa_len, premaster_rsa, sizeof(premaster_rsa)) > 0;
	EVP_PKEY_CTX_free(ctx);
	return ok;
}

static bool chain_trusted(const struct btls_shared *s, X509 *leaf, STACK_OF(X509) * others)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool ok = ctx && X509_STORE_CTX_init(ctx, s->cfg->trust, leaf, others) &&
		  X509_STORE_CTX_set_default(ctx, "ssl_server") &&
		  (!s->cfg->sni || X509_check_host(leaf, s->cfg->sni, 0, 0, NULL) == 1) &&
		  X509_verify_cert(ctx) == 1;
	X509_STORE_CTX_free(ctx);
	return ok;
}

/* A chain that was not seen before: parsed, verified when there is a trust, and remembered. */
static enum btls_got cert_learn(
	struct btls_shared *s, struct hf_span list, const struct btls_cert **out)
{
	struct btls_cert *c = &s->cert[s->cert_next++ % BTLS_CERTS];
	struct hf_reader r = hf_reader_of(list);
	STACK_OF(X509) *others = sk_X509_new_null();
	enum btls_got got = BTLS_QUIET;
	X509 *leaf = NULL;
	struct hf_span der;
	cert_free(c);
	while (others && !hf_reader_vec24(&r, &der)) {
		const uint8_t *p = der.p;
		X509 *x = d2i_X509(NULL, &p, (long)der.len);
		if (!x)
			break;
		if (!leaf)
			leaf = x;
		else if (!sk_X509_push(others, x))
			X509_free(x);
	}
	c->key = leaf ? X509_get_pubkey(leaf) : NULL;
	c->list = malloc(list.len);
	if (!c->key || !c->list || (EVP_PKEY_base_id(c->key) == EVP_PKEY_RSA && !rsa_prepare(c)))
		got = BTLS_BAD;
	else if (s->cfg->trust && !chain_trusted(s, leaf, others))
		got = BTLS_UNTRUSTED;
	else {
		memcpy(c->list, list.p, list.len);
		c->len = list.len;
		s->verified += s->cfg->trust != NULL;
		s->since_verify = 0; /* and its first signature */
	}
	X509_free(leaf);
	sk_X509_pop_free(others, X509_free);
	if (got != BTLS_QUIET)
		cert_free(c);
	*out = c;
	return got;
}

/* ---- what is sent ---- */

static void put(struct btls *t, uint8_t type, const void *p, size_t len)
{
	uint8_t *at = t->flight + t->flight_len;
	HF_ASSERT(t->flight_len + len + BENCH_RECORD_ROOM <= BTLS_FLIGHT_MAX);
	if (t->sealed_out) {
		t->flight_len = (uint16_t)(t->flight_len + bench_seal(&t->shared->crypt, t->suite,
								   &t->out, type, p, len, at));
		return;
	}
	at[0] = type;
	at[1] = at[2] = 3;
	at[3] = (uint8_t)(len >> 8);
	at[4] = (uint8_t)len;
	memcpy(at + 5, p, len);
	t->flight_len = (uint16_t)(t->flight_len + 5 + len);
}

static void put_message(struct btls *t, const void *p, size_t len)
{
	put(t, REC_HANDSHAKE, p, len);
	bench_hash_add(&t->transcript, p, len);
}

static bool room(struct btls *t, size_t len)
{
	if (t->flight_at == t->flight_len)
		t->flight_at = t->flight_len = 0;
	return t->flight_len + len + BENCH_RECORD_ROOM <= BTLS_FLIGHT_MAX;
}

bool btls_send(struct btls *t, const void *p, size_t len)
{
	if (!room(t, len))
		return false;
	put(t, REC_DATA, p, len);
	return true;
}

bool btls_close(struct btls *t)
{
	static const uint8_t close_notify[2] = {1, 0};
	if (!room(t, sizeof(close_notify)))
		return false;
	put(t, REC_ALERT, close_notify, sizeof(close_notify));
	return true;
}

/* ---- hello ---- */

static void ext(struct hf_writer *w, unsigned number, const void *p, size_t len)
{
	hf_writer_u16(w, number);
	hf_writer_u16(w, (unsigned)len);
	hf_writer_bytes(w, p, len);
}

static void ext_sni(struct hf_writer *w, const char *name)
{
	size_t len = strlen(name);
	hf_writer_u16(w, 0);
	hf_writer_u16(w, (unsigned)len + 5);
	hf_writer_u16(w, (unsigned)len + 3);
	hf_writer_u8(w, 0);
	hf_writer_u16(w, (unsigned)len);
	hf_writer_bytes(w, name, len);
}

static void ext_alpn(struct hf_writer *w, const char *name)
{
	size_t len = strlen(name);
	hf_writer_u16(w, 16);
	hf_writer_u16(w, (unsigned)len + 3);
	hf_writer_u16(w, (unsigned)len + 1);
	hf_writer_u8(w, (unsigned)len);
	hf_writer_bytes(w, name, len);
}

static void ext_groups(struct hf_writer *w, const struct btls_cfg *cfg)
{
	size_t data, list;
	const uint16_t *g;
	hf_writer_u16(w, 10);
	data = hf_writer_open(w, 2);
	list = hf_writer_open(w, 2);
	if (cfg->browser)
		hf_writer_u16(w, 0x11ec); /* X25519MLKEM768 */
	for (g = cfg->group; *g; g++)
		hf_writer_u16(w, *g);
	hf_writer_close(w, list, 2);
	hf_writer_close(w, data, 2);
	ext(w, 11, "\x01\x00", 2);
}

/* Versions 1.3 and 1.2, PSK with (EC)DHE, and a key share of 1,216 + 32 bytes (ML-KEM's encapsulation
 * key and X25519's point), of which no server of TLS 1.2 looks at more than the length. */
static void ext_browser(struct hf_writer *w, struct bench_crypt *c)
{
	uint8_t share[2 + 4 + 1216 + 4 + 32] = {0x04, 0xe8, 0x11, 0xec, 0x04, 0xc0};
	bench_random(c, share + 6, 1216);
	memcpy(share + 6 + 1216, "\x00\x1d\x00\x20", 4);
	bench_random(c, share + 10 + 1216, 32);
	ext(w, 43, "\x04\x03\x04\x03\x03", 5);
	ext(w, 45, "\x01\x01", 2);
	ext(w, 51, share, sizeof(share));
}

static void extensions(struct hf_writer *w, struct btls *t)
{
	static const uint8_t algorithms[] = {0, 12, 4, 3, 8, 4, 4, 1, 5, 3, 8, 5, 5, 1};
	static const uint8_t algorithms_old[] = {0, 4, 4, 1, 4, 3};
	static const uint8_t zero[512];
	const struct btls_cfg *cfg = t->shared->cfg;
	const struct btls_session *s = t->session;
	size_t list = hf_writer_open(w, 2);
	ext(w, 0xff01, "", 1);
	if (cfg->sni)
		ext_sni(w, cfg->sni);
	if (cfg->ems)
		ext(w, 23, NULL, 0);
	if (cfg->tickets)
		ext(w, 35, s->ticket, s->suite ? s->ticket_len : 0);
	if (cfg->pss)
		ext(w, 13, algorithms, sizeof(algorithms));
	else
		ext(w, 13, algorithms_old, sizeof(algorithms_old));
	ext_groups(w, cfg);
	if (cfg->alpn)
		ext_alpn(w, cfg->alpn);
	if (cfg->browser)
		ext_browser(w, &t->shared->crypt);
	if (cfg->record_len > w->len + 4 && cfg->record_len - w->len - 4 <= sizeof(zero))
		ext(w, 21, zero, cfg->record_len - w->len - 4);
	hf_writer_close(w, list, 2);
}

/* With a ticket the id is the client's own choice: the server repeats it if it resumes (RFC 5077 3.4). */
static void choose_id(struct btls *t)
{
	const struct btls_session *s = t->session;
	t->id_len = 0;
	if (!s->suite)
		return;
	t->id_len = s->ticket_len ? 32 : s->id_len;
	if (s->ticket_len)
		bench_random(&t->shared->crypt, t->id, 32);
	else
		memcpy(t->id, s->id, s->id_len);
}

void btls_begin(struct btls *t, struct btls_shared *shared, struct btls_session *session)
{
	const struct btls_cfg *cfg = shared->cfg;
	struct hf_writer w = hf_writer(t->flight, sizeof(t->flight));
	size_t record, message;
	uint32_t i;
	memset(t, 0, offsetof(struct btls, flight));
	t->shared = shared;
	t->session = session;
	choose_id(t);
	bench_random(&shared->crypt, t->client_random, 32);
	hf_writer_u8(&w, REC_HANDSHAKE);
	hf_writer_u16(&w, 0x0301);
	record = hf_writer_open(&w, 2);
	hf_writer_u8(&w, MSG_CLIENT_HELLO);
	message = hf_writer_open(&w, 3);
	hf_writer_u16(&w, 0x0303);
	hf_writer_bytes(&w, t->client_random, 32);
	hf_writer_u8(&w, t->id_len);
	hf_writer_bytes(&w, t->id, t->id_len);
	hf_writer_u16(&w, 2 * cfg->suite_cnt);
	for (i = 0; i < cfg->suite_cnt; i++)
		hf_writer_u16(&w, cfg->suite[i]->id);
	hf_writer_u16(&w, 0x0100);
	extensions(&w, t);
	hf_writer_close(&w, message, 3);
	hf_writer_close(&w, record, 2);
	HF_ASSERT(!w.overflow);
	t->hello_len = t->flight_len = (uint16_t)w.len;
}

void btls_end(struct btls *t)
{
	free(t->part);
	t->part = NULL;
	t->part_len = 0;
}

/* ---- messages of the server ---- */

static enum btls_got bad(struct btls *t, const char *why)
{
	t->why = why;
	return BTLS_BAD;
}

static void keys_make(struct btls *t)
{
	bench_hmac_key(&t->prf, t->suite->prf, t->master, sizeof(t->master));
	bench_keys(t->suite, &t->prf, t->client_random, t->server_random, &t->out, &t->in);
}

static void master_make(struct btls *t)
{
	struct hf_span none = hf_span(NULL, 0);
	struct bench_hmac secret;
	uint8_t hash[BENCH_HASH_MAX];
	bench_hmac_key(&secret, t->suite->prf, t->premaster, t->premaster_len);
	if (t->ems) /* RFC 7627 4 */
		bench_prf(&secret, "extended master secret",
			hf_span(hash, bench_hash_at(t->transcript, hash)), none, t->master, 48);
	else
		bench_prf(&secret, "master secret", hf_span(t->client_random, 32),
			hf_span(t->server_random, 32), t->master, 48);
}

static void verify_data(struct btls *t, const char *label, uint8_t out[VERIFY_LEN])
{
	uint8_t hash[BENCH_HASH_MAX];
	size_t len = bench_hash_at(t->transcript, hash);
	bench_prf(&t->prf, label, hf_span(hash, len), hf_span(NULL, 0), out, VERIFY_LEN);
}

static void put_finished(struct btls *t)
{
	uint8_t m[4 + VERIFY_LEN] = {MSG_FINISHED, 0, 0, VERIFY_LEN};
	put(t, REC_CCS, "\x01", 1);
	t->sealed_out = true;
	verify_data(t, "client finished", m + 4);
	put_message(t, m, sizeof(m));
}

static bool hello_extensions(struct btls *t, struct hf_reader *r)
{
	struct hf_span all, data;
	struct hf_reader e;
	uint16_t number;
	if (hf_reader_left(r) == 0)
		return true;
	if (hf_reader_vec16(r, &all))
		return false;
	for (e = hf_reader_of(all); hf_reader_left(&e);) {
		if (hf_reader_u16(&e, &number) || hf_reader_vec16(&e, &data))
			return false;
		t->ems |= number == 23;
	}
	return true;
}

static enum btls_got on_server_hello(struct btls *t, struct hf_reader r)
{
	const struct btls_cfg *cfg = t->shared->cfg;
	struct hf_span random, id;
	uint16_t version, suite;
	uint8_t compression;
	uint32_t i;
	if (hf_reader_u16(&r, &version) || hf_reader_bytes(&r, 32, &random) ||
		hf_reader_vec8(&r, &id) || hf_reader_u16(&r, &suite) ||
		hf_reader_u8(&r, &compression) || !hello_extensions(t, &r) || id.len > 32)
		return bad(t, "ServerHello cannot be read");
	if (version != 0x0303)
		return bad(t, "the server wants another version than TLS 1.2");
	for (i = 0; i < cfg->suite_cnt && !t->suite; i++)
		if (cfg->suite[i]->id == suite)
			t->suite = cfg->suite[i];
	if (!t->suite)
		return bad(t, "the server chose a suite that was not offered");
	memcpy(t->server_random, random.p, 32);
	bench_hash_begin(&t->transcript, t->suite->prf);
	bench_hash_add(&t->transcript, t->flight + 5, t->hello_len - 5u);
	t->resumed = t->id_len && hf_span_eq(id, hf_span(t->id, t->id_len));
	t->flight_at = t->flight_len = 0;
	t->state = t->resumed ? BTLS_CCS : BTLS_CERT;
	if (!t->resumed) {
		memcpy(t->id, id.p, id.len);
		t->id_len = (uint8_t)id.len;
		return BTLS_QUIET;
	}
	if (t->suite != t->session->suite || t->ems != t->session->ems)
		return bad(t, "resumed with another suite or kind of master secret");
	memcpy(t->master, t->session->master, 48);
	keys_make(t);
	return BTLS_QUIET;
}

static enum btls_got on_certificate(struct btls *t, struct hf_reader r)
{
	struct btls_shared *s = t->shared;
	struct hf_span list;
	enum btls_got got;
	uint32_t i;
	if (hf_reader_vec24(&r, &list))
		return bad(t, "Certificate cannot be read");
	t->state = t->suite->rsa_kx ? BTLS_HELLO_DONE : BTLS_KEY;
	for (i = 0; i < BTLS_CERTS; i++)
		if (s->cert[i].list && hf_span_eq(list, hf_span(s->cert[i].list, s->cert[i].len))) {
			t->cert = &s->cert[i];
			return BTLS_QUIET;
		}
	got = cert_learn(s, list, &t->cert);
	return got == BTLS_BAD ? bad(t, "a certificate that cannot be used") : got;
}

/* RFC 8446 4.2.3 numbers, of which hello offers some. */
static bool signature_good(
	struct btls *t, uint16_t algorithm, struct hf_span params, struct hf_span signature)
{
	const char *hash = algorithm == 0x0804 || algorithm >> 8 == 4   ? "SHA256"
			   : algorithm == 0x0805 || algorithm >> 8 == 5 ? "SHA384"
									: NULL;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *key = NULL;
	bool ok = ctx && hash &&
		  EVP_DigestVerifyInit_ex(ctx, &key, hash, NULL, NULL, t->cert->key, NULL) > 0;
	if (ok && algorithm >> 8 == 8)
		ok = EVP_PKEY_CTX_set_rsa_padding(key, RSA_PKCS1_PSS_PADDING) > 0 &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(key, RSA_PSS_SALTLEN_DIGEST) > 0;
	ok = ok && EVP_DigestVerifyUpdate(ctx, t->client_random, 32) > 0 &&
	     EVP_DigestVerifyUpdate(ctx, t->server_random, 32) > 0 &&
	     EVP_DigestVerifyUpdate(ctx, params.p, params.len) > 0 &&
	     EVP_DigestVerifyFinal(ctx, signature.p, signature.len) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}

static enum btls_got on_key(struct btls *t, struct hf_reader r)
{
	struct btls_shared *s = t->shared;
	const uint8_t *begin = r.p;
	struct hf_span point, params, signature;
	uint16_t group, algorithm;
	uint8_t type;
	if (hf_reader_u8(&r, &type) || type != 3 || hf_reader_u16(&r, &group) ||
		hf_reader_vec8(&r, &point))
		return bad(t, "ServerKeyExchange cannot be read");
	params = hf_span(begin, (size_t)(r.p - begin));
	if (hf_reader_u16(&r, &algorithm) || hf_reader_vec16(&r, &signature))
		return bad(t, "ServerKeyExchange has no signature");
	if (s->cfg->trust && s->since_verify++ % HFBENCH_VERIFY_EVERY == 0) {
		if (!signature_good(t, algorithm, params, signature))
			return bad(t, "the signature of a key exchange is wrong");
		s->verified++;
	}
	if (group == 29 && point.len == 32)
		memcpy(t->premaster, point.p, 32);
	else if (group == 23 && point.len == 65)
		memcpy(t->premaster, point.p + 1, 32);
	else
		return bad(t, "the server chose a group that was not offered");
	t->premaster_len = group; /* until the point is sent */
	t->state = BTLS_HELLO_DONE;
	return BTLS_QUIET;
}

static void put_client_key(struct btls *t)
{
	uint8_t m[4 + 2 + 512];
	struct hf_writer w = hf_writer(m, sizeof(m));
	size_t body;
	bool x25519 = t->premaster_len == 29;
	hf_writer_u8(&w, MSG_CLIENT_KEY);
	body = hf_writer_open(&w, 3);
	if (t->suite->rsa_kx) {
		hf_writer_u16(&w, (unsigned)t->cert->rsa_len);
		hf_writer_bytes(&w, t->cert->rsa_secret, t->cert->rsa_len);
		memcpy(t->premaster, premaster_rsa, 48);
		t->premaster_len = 48;
	} else {
		hf_writer_u8(&w, x25519 ? sizeof(x25519_base) : sizeof(p256_base));
		hf_writer_span(&w, x25519 ? hf_span(x25519_base, sizeof(x25519_base))
					  : hf_span(p256_base, sizeof(p256_base)));
		t->premaster_len = 32;
	}
	hf_writer_close(&w, body, 3);
	put_message(t, m, w.len);
}

static enum btls_got on_done(struct btls *t)
{
	if (t->suite->rsa_kx && !t->cert->rsa_len)
		return bad(t, "RSA key exchange with another key than RSA");
	put_client_key(t);
	master_make(t);
	keys_make(t);
	put_finished(t);
	t->state = BTLS_CCS;
	return BTLS_QUIET;
}

static enum btls_got on_ticket(struct btls *t, struct hf_reader r)
{
	struct btls_session *s = t->session;
	struct hf_span ticket;
	uint32_t life;
	if (hf_reader_u32(&r, &life) || hf_reader_vec16(&r, &ticket) ||
		ticket.len > BTLS_TICKET_MAX)
		return bad(t, "NewSessionTicket cannot be read, or is too long");
	if (!ticket.len)
		return BTLS_QUIET;
	memcpy(s->ticket, ticket.p, ticket.len);
	s->ticket_len = (uint16_t)ticket.len;
	return BTLS_QUIET;
}

static void session_keep(struct btls *t)
{
	struct btls_session *s = t->session;
	s->suite = t->suite;
	s->ems = t->ems;
	memcpy(s->master, t->master, 48);
	s->id_len = t->id_len;
	memcpy(s->id, t->id, t->id_len);
}

static enum btls_got on_finished(struct btls *t, struct hf_reader r, const uint8_t *message)
{
	uint8_t want[VERIFY_LEN];
	verify_data(t, "server finished", want);
	if (hf_reader_left(&r) != VERIFY_LEN || memcmp(r.p, want, VERIFY_LEN))
		return bad(t, "the server's Finished is wrong");
	t->state = BTLS_OPEN;
	if (t->resumed) {
		bench_hash_add(&t->transcript, message, 4 + VERIFY_LEN);
		put_finished(t);
	} else
		session_keep(t);
	return BTLS_DONE;
}

static enum btls_got message(struct btls *t, const uint8_t *p, size_t len)
{
	struct hf_reader r = hf_reader(p + 4, len - 4);
	enum btls_got got;
	if (p[0] == MSG_REQUEST)
		return BTLS_QUIET;
	if (t->state == BTLS_FINISHED && p[0] == MSG_FINISHED)
		return on_finished(t, r, p); /* hashes what is before it */
	if (t->state == BTLS_HELLO) {
		if (p[0] != MSG_SERVER_HELLO)
			return bad(t, "ServerHello was expected");
		got = on_server_hello(t, r);
		if (got == BTLS_QUIET)
			bench_hash_add(&t->transcript, p, len);
		return got;
	}
	bench_hash_add(&t->transcript, p, len);
	if (t->state == BTLS_CERT && p[0] == MSG_CERTIFICATE)
		return on_certificate(t, r);
	if (t->state == BTLS_KEY && p[0] == MSG_KEY)
		return on_key(t, r);
	if (t->state == BTLS_HELLO_DONE && p[0] == MSG_DONE)
		return on_done(t);
	if (t->state == BTLS_CCS && p[0] == MSG_TICKET)
		return on_ticket(t, r);
	return bad(t, "a message that was not expected");
}

static enum btls_got part_keep(struct btls *t, const uint8_t *p, size_t len)
{
	uint8_t *more;
	if (len > MESSAGE_MAX || !(more = malloc(len)))
		return bad(t, "a message that is too long");
	memcpy(more, p, len);
	free(t->part);
	t->part = more;
	t->part_len = len;
	return BTLS_QUIET;
}

/* Messages share records, and span them. */
static enum btls_got messages(struct btls *t, const uint8_t *p, size_t len)
{
	enum btls_got got = BTLS_QUIET;
	uint8_t *joined = NULL;
	if (t->part) {
		joined = realloc(t->part, t->part_len + len);
		HF_ASSERT(joined);
		memcpy(joined + t->part_len, p, len);
		len += t->part_len;
		p = joined;
		t->part = NULL;
	}
	while (len >= 4 && got == BTLS_QUIET) {
		size_t size = 4 + ((size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]);
		if (size > len)
			break;
		got = message(t, p, size);
		p += size;
		len -= size;
	}
	if (got == BTLS_QUIET && len)
		got = part_keep(t, p, len);
	free(joined);
	return got;
}

static enum btls_got on_alert(struct btls *t, struct hf_span text)
{
	if (text.len != 2)
		return bad(t, "an alert that cannot be read");
	t->alert = text.p[1];
	return t->alert == 0 ? BTLS_END : BTLS_ALERT;
}

enum btls_got btls_record(
	struct btls *t, uint8_t *p, size_t len, size_t *used, struct hf_span *plain)
{
	size_t body;
	*used = 0;
	if (len < 5)
		return BTLS_MORE;
	body = (size_t)p[3] << 8 | p[4];
	if (p[1] != 3 || body > BENCH_RECORD_MAX)
		return bad(t, "this is no TLS record");
	if (len < 5 + body)
		return BTLS_MORE;
	*used = 5 + body;
	*plain = hf_span(p + 5, body);
	if (t->sealed_in &&
		bench_open(&t->shared->crypt, t->suite, &t->in, p[0], p + 5, body, plain))
		return bad(t, "a record that does not open");
	switch (p[0]) {
	case REC_HANDSHAKE:
		return messages(t, plain->p, plain->len);
	case REC_CCS:
		if (t->state != BTLS_CCS || t->part)
			return bad(t, "ChangeCipherSpec was not expected");
		t->sealed_in = true;
		t->state = BTLS_FINISHED;
		return BTLS_QUIET;
	case REC_ALERT:
		return on_alert(t, *plain);
	case REC_DATA:
		return t->state == BTLS_OPEN ? BTLS_DATA
					     : bad(t, "data before the handshake's end");
	default:
		return bad(t, "a record of unknown type");
	}
}
