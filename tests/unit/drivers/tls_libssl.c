/* tls_libssl.c -- OpenSSL's client against our server over real arithmetic, in memory: every suite,
 * every place at which TCP may cut what a client sends, what is negotiated as the client sees it,
 * and every kind of wrong premaster secret, which must look alike from outside. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <unistd.h>
#include "drivers/drivers.h"
#include "lib/crypto/pki.h"
#include "tests/support/ec_key.h"
#include "tests/support/rsa_key.h"
#include "tests/support/test.h"
#include "tests/support/tls_bytes.h"
#include "tests/support/tls_rig.h"
#include "tests/support/x509_kit.h"

#define PIECE 4096u

struct client {
	SSL *ssl;
	BIO *rx, *tx; /* what it reads, what it writes */
};

static struct rig rig;
static struct rsa_key key;
static struct ec_key p256, p384;
static SSL_CTX *ctx;

static X509 *make_cert(EVP_PKEY *pkey)
{
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);

	X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_ASC, (const unsigned char *)"www.example.org", -1, -1, 0);
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -86400);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_set_issuer_name(cert, name);
	X509_set_pubkey(cert, pkey);
	assert_true(X509_sign(cert, pkey, EVP_sha256()) > 0);
	return cert;
}

#define STATUS "not a status, but to TLS any bytes are one"

/* certificate_list of `cnt` times a certificate of the key, and a status behind it. */
static struct hf_tls_cert make_chain(EVP_PKEY *pkey, const struct hf_pk_key *pk, uint32_t cnt)
{
	X509 *cert = make_cert(pkey);
	uint8_t *der = NULL, *chain;
	int der_len = i2d_X509(cert, &der);
	uint32_t list_len = cnt * (3 + (uint32_t)der_len), status_len = 4 + 4 + sizeof(STATUS);
	struct hf_writer w;

	assert_true(der_len > 0);
	chain = malloc(list_len + status_len);
	w = hf_writer(chain, list_len + status_len);
	for (uint32_t i = 0; i < cnt; i++) {
		hf_writer_u24(&w, (uint32_t)der_len);
		hf_writer_bytes(&w, der, (size_t)der_len);
	}
	hf_writer_u8(&w, 22); /* CertificateStatus, RFC 6066 8 */
	hf_writer_u24(&w, 4 + sizeof(STATUS));
	hf_writer_u8(&w, 1);
	hf_writer_u24(&w, sizeof(STATUS));
	hf_writer_bytes(&w, STATUS, sizeof(STATUS));
	assert_false(w.overflow);
	OPENSSL_free(der);
	X509_free(cert);
	return (struct hf_tls_cert){
		.list = hf_span(chain, list_len), .key = pk, .status_len = status_len};
}

static void free_chain(struct hf_tls_cert *c)
{
	free((void *)(uintptr_t)c->list.p);
}

static int setup(void **state)
{
	(void)state;
	rsa_key_make(&key, 2048, 2);
	ec_key_make(&p256, HF_PK_EC_P256);
	ec_key_make(&p384, HF_PK_EC_P384);
	rig = (struct rig){.pk_engine = &hf_pk_libcrypto,
		.sym_driver = &hf_sym_libcrypto,
		.auth_driver = &hf_auth_libcrypto,
		.cert = make_chain(key.pkey, &key.key, 3),
		.ec_cert = make_chain(p256.pkey, &p256.key, 2),
		.chunk_cnt = 64,
		.record_cnt = 4,
		.hs_cnt = 2,
		.session_cnt = 64};
	rig_init(&rig);
	ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_security_level(ctx, 0);
	assert_int_equal(SSL_CTX_set_cipher_list(ctx, "ALL"), 1);
	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	SSL_CTX_free(ctx);
	rig_fini(&rig);
	free_chain(&rig.cert);
	free_chain(&rig.ec_cert);
	rsa_key_free(&key);
	ec_key_free(&p256);
	ec_key_free(&p384);
	return 0;
}

/* ---- the client ---- */

static void client_open(struct client *c)
{
	c->ssl = SSL_new(ctx);
	c->rx = BIO_new(BIO_s_mem());
	c->tx = BIO_new(BIO_s_mem());
	SSL_set_bio(c->ssl, c->rx, c->tx);
	SSL_set_connect_state(c->ssl);
	rig_open(&rig);
}

/* Carries what there is, at most `in` and `out` bytes a turn, until nothing moves any more. */
static void carry(struct client *c, size_t in, size_t out)
{
	uint8_t buf[PIECE];
	bool moved;

	do {
		int n = BIO_read(c->tx, buf, (int)HF_MIN(in, sizeof(buf)));
		size_t sent;

		if (n > 0)
			rig_feed(&rig, buf, (size_t)n);
		rig.room = out;
		rig_turn(&rig);
		moved = n > 0 || rig.set & (HF_TLS_WAIT_PK | HF_TLS_WAIT_SYM | HF_TLS_WAIT_AUTH |
						   HF_TLS_WAIT_TX);
		while ((sent = rig_sent(&rig, buf, sizeof(buf))) > 0) {
			assert_int_equal(BIO_write(c->rx, buf, (int)sent), (int)sent);
			moved = true;
		}
	} while (moved);
}

static int shake(struct client *c, size_t in, size_t out)
{
	int ret = -1;

	for (int i = 0; i < 4 && ret != 1; i++) {
		ret = SSL_do_handshake(c->ssl);
		carry(c, in, out);
	}
	return ret;
}

static void expect_shake(struct client *c, size_t in, size_t out)
{
	assert_int_equal(shake(c, in, out), 1);
	assert_true(rig.news & HF_TLS_ESTABLISHED);
	assert_int_equal(rig.tls.reason, HF_TLS_R_OK);
	assert_int_equal(rig.credit, rig.fed);
}

static void up(struct client *c, const uint8_t *data, size_t len)
{
	uint8_t *got = malloc(len);
	size_t at = 0;

	assert_int_equal(SSL_write(c->ssl, data, (int)len), (int)len);
	while (at < len) {
		size_t n;
		carry(c, PIECE, RIG_ALL_ROOM);
		n = rig_take(&rig, got + at, len - at);
		assert_true(n > 0);
		at += n;
	}
	assert_memory_equal(got, data, len);
	assert_int_equal(rig.credit, rig.fed);
	free(got);
}

static void down(struct client *c, const uint8_t *data, size_t len)
{
	uint8_t *got = malloc(len);
	size_t at = 0, wrote = 0;

	while (at < len) {
		int n;
		rig.room = RIG_ALL_ROOM;
		if (wrote < len)
			wrote += rig_write(&rig, data + wrote, len - wrote);
		carry(c, PIECE, RIG_ALL_ROOM);
		n = SSL_read(c->ssl, got + at, (int)(len - at));
		assert_true(n > 0);
		at += (size_t)n;
	}
	assert_memory_equal(got, data, len);
	free(got);
}

static void ping(struct client *c, size_t len)
{
	uint8_t *data = calloc(1, len);
	uint64_t seed = len;

	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)test_rand(&seed);
	up(c, data, len);
	down(c, data, len);
	free(data);
}

static void client_gone(struct client *c)
{
	SSL_free(c->ssl);
	ERR_clear_error();
	rig_close(&rig);
}

static void expect_close(struct client *c, bool we_first)
{
	if (we_first) {
		hf_tls_close(&rig.x, &rig.tls);
		carry(c, PIECE, RIG_ALL_ROOM);
		assert_true(hf_tls_flushed(&rig.tls));
		assert_int_equal(SSL_shutdown(c->ssl), 0);
		assert_int_equal(SSL_shutdown(c->ssl), 1);
		carry(c, PIECE, RIG_ALL_ROOM);
		assert_true(rig.set & HF_TLS_PEER_CLOSED);
	} else {
		assert_int_equal(SSL_shutdown(c->ssl), 0);
		carry(c, PIECE, RIG_ALL_ROOM);
		assert_true(rig.set & HF_TLS_PEER_CLOSED);
		assert_int_equal(SSL_get_shutdown(c->ssl), SSL_SENT_SHUTDOWN);
		hf_tls_close(&rig.x, &rig.tls);
		carry(c, PIECE, RIG_ALL_ROOM);
		assert_int_equal(SSL_shutdown(c->ssl), 1);
	}
	client_gone(c);
}

/* The handshake fails and the client says that we sent this alert. */
static void expect_alert(struct client *c, int alert, enum hf_tls_reason reason)
{
	assert_true(shake(c, PIECE, RIG_ALL_ROOM) != 1);
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_AD_REASON_OFFSET + alert);
	assert_int_equal(rig.tls.reason, reason);
	client_gone(c);
}

/* ---- handshakes ---- */

static const struct {
	const char *name;
	uint16_t id;
} every_suite[] = {{"AES128-SHA", 0x002f}, {"AES256-SHA", 0x0035}, {"AES128-SHA256", 0x003c},
	{"AES256-SHA256", 0x003d}, {"AES128-GCM-SHA256", 0x009c}, {"AES256-GCM-SHA384", 0x009d},
	{"ECDHE-RSA-AES128-SHA", 0xc013}, {"ECDHE-RSA-AES256-SHA", 0xc014},
	{"ECDHE-RSA-AES128-SHA256", 0xc027}, {"ECDHE-RSA-AES256-SHA384", 0xc028},
	{"ECDHE-RSA-AES128-GCM-SHA256", 0xc02f}, {"ECDHE-RSA-AES256-GCM-SHA384", 0xc030},
	{"ECDHE-RSA-CHACHA20-POLY1305", 0xcca8}, {"ECDHE-ECDSA-AES128-SHA", 0xc009},
	{"ECDHE-ECDSA-AES256-SHA", 0xc00a}, {"ECDHE-ECDSA-AES128-SHA256", 0xc023},
	{"ECDHE-ECDSA-AES256-SHA384", 0xc024}, {"ECDHE-ECDSA-AES128-GCM-SHA256", 0xc02b},
	{"ECDHE-ECDSA-AES256-GCM-SHA384", 0xc02c}, {"ECDHE-ECDSA-CHACHA20-POLY1305", 0xcca9}};

static void every_suite_carries_data(void **state)
{
	static const size_t sizes[] = {1, 15, 16, 17, 1000, 16384, 16385, 100000};
	uint64_t weak_rsa = rig.x.stats.weak_rsa, weak_cbc = rig.x.stats.weak_cbc;
	uint16_t all[HF_TLS_SUITE_MAX];
	struct client c;

	(void)state;
	assert_int_equal(hf_tls_profile(HF_TLS_LEGACY, all), HF_ARRAY_LEN(every_suite));
	for (size_t i = 0; i < 2 * HF_ARRAY_LEN(every_suite); i++) {
		bool etm = i % 2, aead, ecdsa;
		const char *suite = every_suite[i / 2].name;
		uint16_t id = every_suite[i / 2].id;

		client_open(&c);
		if (!etm)
			SSL_set_options(c.ssl, SSL_OP_NO_ENCRYPT_THEN_MAC);
		assert_int_equal(SSL_set_cipher_list(c.ssl, suite), 1);
		expect_shake(&c, PIECE, RIG_ALL_ROOM);
		assert_int_equal(rig.tls.suite, id);
		aead = hf_cipher_info[hf_tls_suite(id)->cipher].aead;
		ecdsa = hf_tls_suite(id)->ecdsa;
		assert_int_equal(rig.tls.rd.keys.etm, etm && !aead);
		assert_int_equal(rig.tls.wr.keys.etm, etm && !aead);
		weak_rsa += hf_tls_suite(id)->kx == HF_TLS_KX_RSA;
		weak_cbc += !aead;
		assert_string_equal(SSL_get_cipher(c.ssl), suite);
		assert_string_equal(hf_tls_suite_name(id),
			SSL_CIPHER_standard_name(SSL_get_current_cipher(c.ssl)));
		assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(c.ssl)), ecdsa ? 2 : 3);
		hf_tls_hs_release(&rig.x, &rig.tls);
		for (size_t j = 0; j < HF_ARRAY_LEN(sizes); j++)
			ping(&c, sizes[j]);
		expect_close(&c, i / 2 % 2 == 0);
	}
	assert_int_equal(rig.x.stats.weak_rsa, weak_rsa);
	assert_int_equal(rig.x.stats.weak_cbc, weak_cbc);
}

/* ECDSA on both curves, with each hash that the client may want. */
static void ecdsa_signatures(void **state)
{
	static const struct {
		const char *groups, *signatures;
		int nid[2]; /* with a key of P-256, of P-384; 0: refused */
	} rows[] = {
		{"P-256:P-384", "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512", {NID_sha256, NID_sha384}},
		{"P-256:P-384", "ECDSA+SHA512", {NID_sha512, NID_sha512}},
		{"P-256:P-384", "ECDSA+SHA256", {NID_sha256, NID_sha256}},
		{"P-256", "ECDSA+SHA384", {NID_sha384, 0}},
		{"P-384", "ECDSA+SHA384", {0, NID_sha384}},
		{"P-256:P-384", "RSA+SHA256:ECDSA+SHA1", {NID_sha1, NID_sha1}},
	};
	struct hf_tls_cert before = rig.ec_cert, of_p384 = make_chain(p384.pkey, &p384.key, 1);
	struct client c;
	int nid;

	(void)state;
	for (size_t i = 0; i < 2 * HF_ARRAY_LEN(rows); i++) {
		int want = rows[i / 2].nid[i % 2];

		rig.ec_cert = i % 2 ? of_p384 : before;
		client_open(&c);
		SSL_set_cipher_list(c.ssl, "ECDHE-ECDSA-AES128-GCM-SHA256");
		assert_int_equal(SSL_set1_groups_list(c.ssl, rows[i / 2].groups), 1);
		assert_int_equal(SSL_set1_sigalgs_list(c.ssl, rows[i / 2].signatures), 1);
		if (!want) {
			assert_true(shake(&c, PIECE, RIG_ALL_ROOM) != 1);
			assert_int_equal(rig.tls.reason, HF_TLS_R_NO_SHARED_KEY_TYPE);
			client_gone(&c);
			continue;
		}
		expect_shake(&c, PIECE, RIG_ALL_ROOM);
		assert_int_equal(SSL_get_peer_signature_nid(c.ssl, &nid), 1);
		assert_int_equal(nid, want);
		ping(&c, 1000);
		expect_close(&c, true);
	}
	free_chain(&of_p384);
	rig.ec_cert = before;
}

/* OpenSSL checks itself that no record is longer than was agreed. */
static void small_records_by_agreement(void **state)
{
	static const char *const suite[] = {
		"AES128-SHA", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-SHA384"};
	uint64_t records;
	struct client c;

	(void)state;
	for (uint8_t code = 1; code <= 4; code++) {
		for (size_t i = 0; i < HF_ARRAY_LEN(suite); i++) {
			client_open(&c);
			SSL_set_tlsext_max_fragment_length(c.ssl, code);
			SSL_set_cipher_list(c.ssl, suite[i]);
			expect_shake(&c, PIECE, RIG_ALL_ROOM);
			assert_int_equal(
				SSL_SESSION_get_max_fragment_length(SSL_get0_session(c.ssl)), code);
			assert_int_equal(rig.tls.plain_max, 256u << code);
			records = rig.x.stats.records_out;
			ping(&c, 20000);
			assert_true(rig.x.stats.records_out - records >= 20000 / (256u << code));
			expect_close(&c, i % 2);
		}
	}
}

/* RFC 6066 4: what is longer than was agreed is refused, though it opens. */
static void long_records_against_agreement(void **state)
{
	uint8_t data[513] = {0};
	struct client c;

	(void)state;
	for (size_t len = 512; len <= 513; len++) {
		client_open(&c);
		SSL_set_tlsext_max_fragment_length(c.ssl, 1);
		expect_shake(&c, PIECE, RIG_ALL_ROOM);
		rig.tls.plain_max = (uint16_t)(512 - (len - 512)); /* as if he broke his word */
		assert_int_equal(SSL_write(c.ssl, data, 512), 512);
		carry(&c, PIECE, RIG_ALL_ROOM);
		assert_int_equal(
			rig.tls.reason, len == 512 ? HF_TLS_R_OK : HF_TLS_R_RECORD_OVERFLOW);
		client_gone(&c);
	}
}

static void status_for_who_asks(void **state)
{
	static const char *const suite[] = {
		"AES128-SHA", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"};
	const uint8_t *status;
	struct client c;

	(void)state;
	for (size_t i = 0; i < 4 * HF_ARRAY_LEN(suite); i++) {
		bool asked = i & 1, there = i & 2;
		uint32_t status_len[2] = {rig.cert.status_len, rig.ec_cert.status_len};
		uint64_t stapled = rig.x.stats.stapled;

		if (!there)
			rig.cert.status_len = rig.ec_cert.status_len = 0;
		client_open(&c);
		SSL_set_cipher_list(c.ssl, suite[i / 4]);
		if (asked)
			SSL_set_tlsext_status_type(c.ssl, TLSEXT_STATUSTYPE_ocsp);
		expect_shake(&c, PIECE, RIG_ALL_ROOM);
		assert_int_equal(SSL_get_tlsext_status_ocsp_resp(c.ssl, &status),
			asked && there ? (long)sizeof(STATUS) : -1);
		if (asked && there)
			assert_memory_equal(status, STATUS, sizeof(STATUS));
		assert_int_equal(rig.x.stats.stapled - stapled, asked && there);
		expect_close(&c, true);
		rig.cert.status_len = status_len[0];
		rig.ec_cert.status_len = status_len[1];
	}
}

static void fallback_is_refused(void **state)
{
	struct client c;

	(void)state;
	client_open(&c);
	SSL_set_mode(c.ssl, SSL_MODE_SEND_FALLBACK_SCSV);
	expect_shake(&c, PIECE, RIG_ALL_ROOM);
	expect_close(&c, true);
	client_open(&c);
	SSL_set_mode(c.ssl, SSL_MODE_SEND_FALLBACK_SCSV);
	SSL_set_max_proto_version(c.ssl, TLS1_1_VERSION);
	expect_alert(&c, SSL_AD_INAPPROPRIATE_FALLBACK, HF_TLS_R_FALLBACK);
}

/* All flights byte by byte, then each flight of the client cut once at every place. */
static void cut_anywhere(void **state)
{
	static const char *const name[] = {
		"AES128-SHA", "AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305"};
	uint8_t buf[PIECE];
	struct client c;

	(void)state;
	client_open(&c);
	expect_shake(&c, 1, 1);
	client_gone(&c);
	for (size_t i = 0; i < HF_ARRAY_LEN(name); i++) {
		for (int flight = 0; flight < 2; flight++) {
			size_t len = 2;
			for (size_t cut = 1; cut < len; cut++) {
				client_open(&c);
				assert_int_equal(SSL_set_cipher_list(c.ssl, name[i]), 1);
				SSL_do_handshake(c.ssl);
				if (flight == 1) {
					carry(&c, PIECE, RIG_ALL_ROOM);
					SSL_do_handshake(c.ssl);
				}
				len = (size_t)BIO_pending(c.tx);
				assert_int_equal(BIO_read(c.tx, buf, (int)len), (int)len);
				rig_feed(&rig, buf, cut);
				rig_settle(&rig);
				rig_feed(&rig, buf + cut, len - cut);
				expect_shake(&c, PIECE, RIG_ALL_ROOM);
				client_gone(&c);
			}
			assert_true(len > 60);
		}
	}
}

static void key_log_is_the_clients(void **state)
{
	uint8_t random[32], master[48];
	struct hf_tls_peer p;
	struct client c;

	(void)state;
	for (int ems = 0; ems < 2; ems++) {
		client_open(&c);
		if (!ems)
			SSL_set_options(c.ssl, SSL_OP_NO_EXTENDED_MASTER_SECRET);
		expect_shake(&c, PIECE, RIG_ALL_ROOM);
		assert_int_equal(SSL_get_extms_support(c.ssl), ems);
		hf_tls_peer(&rig.tls, &p);
		assert_int_equal(SSL_get_client_random(c.ssl, random, 32), 32);
		assert_memory_equal(p.client_random, random, 32);
		SSL_SESSION_get_master_key(SSL_get0_session(c.ssl), master, 48);
		assert_memory_equal(p.master, master, 48);
		expect_close(&c, true);
	}
}

static void without_ticket_or_extensions_of_choice(void **state)
{
	struct client c;

	(void)state;
	client_open(&c);
	SSL_set_options(c.ssl,
		SSL_OP_NO_TICKET | SSL_OP_NO_EXTENDED_MASTER_SECRET | SSL_OP_NO_ENCRYPT_THEN_MAC);
	expect_shake(&c, PIECE, RIG_ALL_ROOM);
	assert_int_equal(SSL_get_secure_renegotiation_support(c.ssl), 1);
	ping(&c, 500);
	expect_close(&c, false);
}

/* ---- sessions that go on ---- */

static uint64_t resumed(enum hf_tls_resume what)
{
	return rig.x.stats.resume[what];
}

/* A first visit; what the client remembers of it. */
static SSL_SESSION *first_visit(const char *suite, uint64_t options, const char *name)
{
	SSL_SESSION *session;
	struct client c;

	client_open(&c);
	SSL_set_options(c.ssl, options);
	assert_int_equal(SSL_set_cipher_list(c.ssl, suite), 1);
	SSL_set_tlsext_host_name(c.ssl, name);
	expect_shake(&c, PIECE, RIG_ALL_ROOM);
	assert_int_equal(SSL_session_reused(c.ssl), 0);
	ping(&c, 100);
	session = SSL_get1_session(c.ssl);
	expect_close(&c, true);
	return session;
}

static void open_again(struct client *c, SSL_SESSION *session, const char *suite, uint64_t options,
	const char *name)
{
	client_open(c);
	SSL_set_options(c->ssl, options);
	assert_int_equal(SSL_set_cipher_list(c->ssl, suite), 1);
	SSL_set_tlsext_host_name(c->ssl, name);
	assert_int_equal(SSL_set_session(c->ssl, session), 1);
}

/* The second visit, with pieces of so many bytes; the two sides agree on all there is. */
static void second_visit(SSL_SESSION *session, const char *suite, uint64_t options, size_t piece,
	enum hf_tls_resume what)
{
	uint64_t before = resumed(what), jobs = hf_pk_stats(rig.x.pk)->submitted;
	uint8_t random[32], master[48];
	struct hf_tls_peer p;
	struct client c;

	open_again(&c, session, suite, options, "www.example.org");
	expect_shake(&c, piece, piece);
	assert_int_equal(SSL_session_reused(c.ssl), 1);
	assert_int_equal(resumed(what), before + 1);
	assert_int_equal(hf_pk_stats(rig.x.pk)->submitted, jobs);
	hf_tls_peer(&rig.tls, &p);
	assert_true(p.resumed);
	assert_int_equal(SSL_get_client_random(c.ssl, random, 32), 32);
	assert_memory_equal(p.client_random, random, 32);
	SSL_SESSION_get_master_key(SSL_get0_session(c.ssl), master, 48);
	assert_memory_equal(p.master, master, 48);
	hf_tls_hs_release(&rig.x, &rig.tls);
	ping(&c, 20000);
	expect_close(&c, false);
}

static void every_suite_comes_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < 8 * HF_ARRAY_LEN(every_suite); i++) {
		const char *suite = every_suite[i / 8].name;
		enum hf_tls_resume what = i & 1 ? HF_TLS_RESUME_ID : HF_TLS_RESUME_TICKET;
		uint64_t options = (i & 1 ? SSL_OP_NO_TICKET : 0) |
				   (i & 2 ? SSL_OP_NO_EXTENDED_MASTER_SECRET : 0);
		uint64_t etm = i & 4 ? SSL_OP_NO_ENCRYPT_THEN_MAC : 0;
		SSL_SESSION *session = first_visit(suite, options | etm, "www.example.org");

		assert_int_equal(SSL_SESSION_has_ticket(session), !(i & 1));
		if (!(i & 1))
			assert_int_equal(
				SSL_SESSION_get_ticket_lifetime_hint(session), RIG_LIFETIME_S);
		second_visit(session, suite, options | etm, PIECE, what);
		/* RFC 7366 is agreed anew each time. */
		etm ^= SSL_OP_NO_ENCRYPT_THEN_MAC;
		second_visit(session, suite, options | etm, i & 2 ? PIECE : 1, what);
		SSL_SESSION_free(session);
	}
}

/* OpenSSL takes the new ticket that comes with a resumption under the key of before. */
static void renewed_ticket_is_taken(void **state)
{
	const char *suite = "ECDHE-RSA-AES128-GCM-SHA256";
	const unsigned char *ticket;
	SSL_SESSION *session, *next;
	struct client c;
	size_t len;

	(void)state;
	rig_tickets(&rig, 2, 1);
	session = first_visit(suite, 0, "www.example.org");
	SSL_SESSION_get0_ticket(session, &ticket, &len);
	assert_int_equal(len, HF_TLS_TICKET_LEN);
	assert_int_equal(ticket[1], 2);
	rig_tickets(&rig, 1, 2);
	open_again(&c, session, suite, 0, "www.example.org");
	expect_shake(&c, PIECE, RIG_ALL_ROOM);
	assert_int_equal(SSL_session_reused(c.ssl), 1);
	next = SSL_get1_session(c.ssl);
	expect_close(&c, true);
	SSL_SESSION_get0_ticket(next, &ticket, &len);
	assert_int_equal(len, HF_TLS_TICKET_LEN);
	assert_int_equal(ticket[1], 1);
	rig_tickets(&rig, 1, 1);
	second_visit(next, suite, 0, PIECE, HF_TLS_RESUME_TICKET);
	SSL_SESSION_free(session);
	SSL_SESSION_free(next);
}

/* RFC 7627 5.3, another name, another suite, no key: what OpenSSL then makes of it. */
static void sessions_that_do_not_fit(void **state)
{
	static const char gcm[] = "ECDHE-RSA-AES128-GCM-SHA256", sha[] = "AES128-SHA";
	static const struct {
		const char *suite, *name;
		uint64_t before, now;
		uint8_t key;
		enum hf_tls_resume what;
	} rows[] = {
		{gcm, "www.example.org", SSL_OP_NO_EXTENDED_MASTER_SECRET, 0, 1,
			HF_TLS_RESUME_EMS_NEW},
		{gcm, "a.example.org", 0, 0, 1, HF_TLS_RESUME_OTHER_NAME},
		{sha, "www.example.org", 0, 0, 1, HF_TLS_RESUME_OTHER_SUITE},
		{gcm, "www.example.org", 0, 0, 2, HF_TLS_RESUME_TICKET_KEY},
		{gcm, "www.example.org", SSL_OP_NO_TICKET, SSL_OP_NO_TICKET, 1,
			HF_TLS_RESUME_ID_FOREIGN},
	};
	SSL_SESSION *session;
	struct client c;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		uint64_t before = resumed(rows[i].what);
		session = first_visit(gcm, rows[i].before, "www.example.org");
		open_again(&c, session, rows[i].suite, rows[i].now, rows[i].name);
		if (rows[i].what == HF_TLS_RESUME_OTHER_SUITE)
			assert_int_equal(SSL_set_cipher_list(c.ssl, sha), 1);
		rig_tickets(&rig, rows[i].key, 1);
		rig.x.id_key[0] ^= rows[i].what == HF_TLS_RESUME_ID_FOREIGN;
		expect_shake(&c, PIECE, RIG_ALL_ROOM);
		assert_int_equal(SSL_session_reused(c.ssl), 0);
		assert_int_equal(resumed(rows[i].what), before + 1);
		ping(&c, 100);
		expect_close(&c, true);
		rig_tickets(&rig, 1, 1);
		SSL_SESSION_free(session);
	}
	session = first_visit(gcm, 0, "www.example.org");
	open_again(&c, session, gcm, SSL_OP_NO_EXTENDED_MASTER_SECRET, "www.example.org");
	expect_alert(&c, SSL_AD_HANDSHAKE_FAILURE, HF_TLS_R_EMS_LOST);
	SSL_SESSION_free(session);
}

/* Each byte of a ticket damaged: always a full handshake, never a failure. */
static void damaged_tickets(void **state)
{
	SSL_SESSION *session = first_visit("AES128-SHA", 0, "www.example.org"), *wrong;
	const unsigned char *ticket;
	uint8_t der[2000], *p = der;
	struct client c;
	size_t len, at;

	(void)state;
	SSL_SESSION_get0_ticket(session, &ticket, &len);
	assert_true(i2d_SSL_SESSION(session, NULL) <= (int)sizeof(der));
	int der_len = i2d_SSL_SESSION(session, &p);
	for (at = 0; memcmp(der + at, ticket, len) != 0; at++)
		;
	for (size_t i = 0; i < len; i++) {
		const uint8_t *q = der;
		der[at + i] ^= 1;
		wrong = d2i_SSL_SESSION(NULL, &q, der_len);
		assert_non_null(wrong);
		open_again(&c, wrong, "AES128-SHA", 0, "www.example.org");
		expect_shake(&c, PIECE, RIG_ALL_ROOM);
		assert_int_equal(SSL_session_reused(c.ssl), 0);
		client_gone(&c);
		SSL_SESSION_free(wrong);
		der[at + i] ^= 1;
	}
	SSL_SESSION_free(session);
}

/* A client of TLS 1.3 sends supported_versions, key shares and GREASE-like suites, and gets 1.2. */
static void client_of_tls13(void **state)
{
	struct client c;

	(void)state;
	SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION);
	client_open(&c);
	expect_shake(&c, PIECE, RIG_ALL_ROOM);
	assert_int_equal(SSL_version(c.ssl), TLS1_2_VERSION);
	ping(&c, 500);
	expect_close(&c, true);
	client_open(&c);
	SSL_set_min_proto_version(c.ssl, TLS1_3_VERSION);
	expect_alert(&c, SSL_AD_PROTOCOL_VERSION, HF_TLS_R_NO_SHARED_VERSION);
	SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
	client_open(&c);
	expect_alert(&c, SSL_AD_PROTOCOL_VERSION, HF_TLS_R_OLD_VERSION);
	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
}

static void names_and_protocols(void **state)
{
	const unsigned char *alpn;
	struct hf_tls_peer p;
	unsigned alpn_len;
	struct client c;

	(void)state;
	client_open(&c);
	SSL_set_tlsext_host_name(c.ssl, "www.example.org");
	SSL_set_alpn_protos(c.ssl, (const uint8_t *)"\x06spdy/1\x08http/1.1", 16);
	expect_shake(&c, PIECE, RIG_ALL_ROOM);
	SSL_get0_alpn_selected(c.ssl, &alpn, &alpn_len);
	assert_true(hf_span_eq(hf_span(alpn, alpn_len), hf_span("http/1.1", 8)));
	hf_tls_peer(&rig.tls, &p);
	assert_ptr_equal(p.vhost, &rig.vhost[2]);
	assert_true(hf_span_eq(p.sni, hf_span("www.example.org", 15)));
	expect_close(&c, true);
	client_open(&c);
	SSL_set_tlsext_host_name(c.ssl, "www.example.org");
	SSL_set_alpn_protos(c.ssl, (const uint8_t *)"\x02h2", 3);
	expect_alert(&c, SSL_AD_NO_APPLICATION_PROTOCOL, HF_TLS_R_NO_SHARED_PROTOCOL);
	client_open(&c);
	SSL_set_cipher_list(c.ssl, "DHE-RSA-AES128-SHA");
	expect_alert(&c, SSL_AD_HANDSHAKE_FAILURE, HF_TLS_R_NO_SHARED_SUITE);
	rig.site.strict = true;
	client_open(&c);
	SSL_set_tlsext_host_name(c.ssl, "example.net");
	expect_alert(&c, SSL_AD_UNRECOGNIZED_NAME, HF_TLS_R_UNKNOWN_NAME);
	rig.site.strict = false;
}

static const char *const ecdhe_suites[] = {"ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA",
	"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384",
	"ECDHE-RSA-CHACHA20-POLY1305"};

/* With and without extended master secret; no key pair comes twice. */
static void every_suite_on_every_curve(void **state)
{
	static const struct {
		const char *list;
		int nid;
	} rows[] = {{"X25519", NID_X25519}, {"P-256", NID_X9_62_prime256v1},
		{"P-256:X25519", NID_X25519}, {"P-521:P-256:P-384", NID_X9_62_prime256v1},
		{"P-384", NID_secp384r1}};
	EVP_PKEY *before = NULL, *now;
	struct client c;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows) * HF_ARRAY_LEN(ecdhe_suites) * 2; i++) {
		size_t curve = i / 2 % HF_ARRAY_LEN(rows), suite = i / 2 / HF_ARRAY_LEN(rows);
		client_open(&c);
		if (i % 2)
			SSL_set_options(c.ssl, SSL_OP_NO_EXTENDED_MASTER_SECRET);
		assert_int_equal(SSL_set_cipher_list(c.ssl, ecdhe_suites[suite]), 1);
		assert_int_equal(SSL_set1_groups_list(c.ssl, rows[curve].list), 1);
		expect_shake(&c, PIECE, RIG_ALL_ROOM);
		assert_string_equal(SSL_get_cipher(c.ssl), ecdhe_suites[suite]);
		assert_int_equal(SSL_get_peer_tmp_key(c.ssl, &now), 1);
		assert_int_equal(SSL_get_negotiated_group(c.ssl), rows[curve].nid);
		assert_int_not_equal(before ? EVP_PKEY_eq(before, now) : 0, 1);
		EVP_PKEY_free(before);
		before = now;
		ping(&c, 3000);
		expect_close(&c, i % 2);
	}
	EVP_PKEY_free(before);
}

/* A client whose curves or signatures are not ours falls back to RSA key exchange if it may. */
static void curves_and_signatures_of_the_client(void **state)
{
	static const struct {
		const char *groups, *signatures;
		int nid; /* 0: refused */
		enum hf_tls_reason reason;
		int type;
	} rows[] = {
		{"P-521:X448", "RSA+SHA256", 0, HF_TLS_R_NO_SHARED_GROUP, 0},
		{"P-256", "RSA+SHA256", NID_sha256, HF_TLS_R_OK, NID_rsaEncryption},
		{"P-256", "RSA+SHA512:RSA+SHA384", NID_sha384, HF_TLS_R_OK, NID_rsaEncryption},
		{"P-256", "ECDSA+SHA256:RSA+SHA512", NID_sha512, HF_TLS_R_OK, NID_rsaEncryption},
		{"P-256", "ECDSA+SHA256:RSA+SHA1", NID_sha1, HF_TLS_R_OK, NID_rsaEncryption},
		{"P-256", "rsa_pss_rsae_sha256", NID_sha256, HF_TLS_R_OK, NID_rsassaPss},
		{"P-256", "rsa_pss_rsae_sha384", NID_sha384, HF_TLS_R_OK, NID_rsassaPss},
		{"P-256", "rsa_pss_rsae_sha512", NID_sha512, HF_TLS_R_OK, NID_rsassaPss},
		{"P-256", "rsa_pss_rsae_sha256:RSA+SHA512", NID_sha512, HF_TLS_R_OK,
			NID_rsaEncryption},
		{"P-256", "RSA+SHA1:rsa_pss_rsae_sha256", NID_sha256, HF_TLS_R_OK, NID_rsassaPss},
	};
	struct client c;
	int nid, type;

	(void)state;
	for (size_t i = 0; i < 2 * HF_ARRAY_LEN(rows); i++) {
		bool rsa_too = i % 2;
		client_open(&c);
		assert_int_equal(SSL_set1_groups_list(c.ssl, rows[i / 2].groups), 1);
		assert_int_equal(SSL_set1_sigalgs_list(c.ssl, rows[i / 2].signatures), 1);
		SSL_set_cipher_list(c.ssl,
			rsa_too ? "ECDHE-RSA-AES128-SHA:AES128-SHA" : "ECDHE-RSA-AES128-SHA");
		if (!rows[i / 2].nid && !rsa_too) {
			expect_alert(&c, SSL_AD_HANDSHAKE_FAILURE, rows[i / 2].reason);
			continue;
		}
		expect_shake(&c, PIECE, RIG_ALL_ROOM);
		assert_int_equal(rig.tls.suite, rows[i / 2].nid ? 0xc013 : 0x002f);
		if (rows[i / 2].nid) {
			assert_int_equal(SSL_get_peer_signature_nid(c.ssl, &nid), 1);
			assert_int_equal(nid, rows[i / 2].nid);
			assert_int_equal(SSL_get_peer_signature_type_nid(c.ssl, &type), 1);
			assert_int_equal(type, rows[i / 2].type);
		}
		expect_close(&c, true);
	}
}

/* OpenSSL asks, is refused by the warning, and gives up by itself. */
static void renegotiation_is_refused(void **state)
{
	struct client c;

	(void)state;
	client_open(&c);
	expect_shake(&c, PIECE, RIG_ALL_ROOM);
	assert_int_equal(SSL_renegotiate(c.ssl), 1);
	assert_true(shake(&c, PIECE, RIG_ALL_ROOM) != 1);
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
	assert_true(rig.x.stats.renegotiations_refused > 0);
	assert_int_equal(rig.tls.reason, HF_TLS_R_PEER_ALERT);
	assert_int_equal(rig.tls.alert_in, SSL_AD_HANDSHAKE_FAILURE);
	client_gone(&c);
}

static void small_fragments_and_long_chains(void **state)
{
	struct hf_tls_cert before = rig.cert;
	struct client c;

	(void)state;
	rig.cert = make_chain(key.pkey, &key.key, 60);
	assert_true(rig.cert.list.len > 2 * HF_TLS_RECORD_MAX);
	client_open(&c);
	SSL_set_cipher_list(c.ssl, "ECDHE-RSA-AES128-SHA");
	SSL_set_max_send_fragment(c.ssl, 512);
	expect_shake(&c, PIECE, RIG_ALL_ROOM);
	assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(c.ssl)), 60);
	ping(&c, 20000);
	expect_close(&c, true);
	free_chain(&rig.cert);
	rig.cert = before;
}

/* ---- damage ---- */

/* Each byte of a record flipped: every one ends in the same alert. */
static void damaged_records(void **state)
{
	static const char *const name[] = {
		"AES128-SHA", "AES128-SHA256", "AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305"};
	uint8_t buf[PIECE];
	struct client c;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(name); i++) {
		int len = 6;
		for (int at = 5; at < len; at++) {
			client_open(&c);
			SSL_set_cipher_list(c.ssl, name[i]);
			expect_shake(&c, PIECE, RIG_ALL_ROOM);
			assert_int_equal(SSL_write(c.ssl, "hello", 5), 5);
			len = BIO_read(c.tx, buf, sizeof(buf));
			buf[at] ^= 1;
			rig_feed(&rig, buf, (size_t)len);
			carry(&c, PIECE, RIG_ALL_ROOM);
			assert_true(SSL_read(c.ssl, buf, 1) <= 0);
			assert_int_equal(ERR_GET_REASON(ERR_peek_error()),
				SSL_AD_REASON_OFFSET + SSL_AD_BAD_RECORD_MAC);
			assert_int_equal(rig.tls.reason, HF_TLS_R_BAD_RECORD);
			client_gone(&c);
		}
	}
}

/* ---- clients that OpenSSL is not ---- */

/* Sends a hello of ECDHE-RSA-AES128-GCM-SHA256; returns what follows the certificates. */
static size_t offer_to(struct hello *hello, uint8_t *flight, size_t cap, const uint8_t **message)
{
	static const uint16_t suite[] = {0xc02f};
	uint8_t bytes[600];
	size_t len;

	hello->suites = suite;
	hello->suite_cnt = 1;
	rig_open(&rig);
	rig_feed(&rig, bytes, put_hello_record(bytes, sizeof(bytes), hello));
	rig_settle(&rig);
	len = rig_sent(&rig, flight, cap);
	assert_true(len < cap);
	*message = flight + HF_TLS_HEADER_LEN;
	while (**message != HF_TLS_MSG_SERVER_KEY_EXCHANGE)
		*message +=
			HF_TLS_HEADER_LEN + 4 +
			((size_t)(*message)[1] << 16 | (size_t)(*message)[2] << 8 | (*message)[3]);
	return len - (size_t)(*message - flight);
}

/* RFC 5246 7.4.1.4.1: without the extension SHA-1; what is signed is RFC 8422 5.4's. */
static void signature_is_of_this_handshake(void **state)
{
	static const struct {
		struct hello h;
		uint16_t scheme;
	} rows[] = {{{.no_extensions = true}, 0x0201}, {{.no_signatures = true}, 0x0201},
		{{.name = "www.example.org"}, 0x0401}};
	uint8_t flight[6000], random[HF_TLS_RANDOM_LEN];
	const uint8_t *message;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		struct hello hello = rows[i].h;
		size_t len = offer_to(&hello, flight, sizeof(flight), &message);
		EVP_MD_CTX *md = EVP_MD_CTX_new();

		assert_int_equal(len, 4 + 69 + 4 + 256 + HF_TLS_HEADER_LEN + 4);
		assert_int_equal(message[73] << 8 | message[74], rows[i].scheme);
		for (unsigned j = 0; j < sizeof(random); j++)
			random[j] = (uint8_t)(0x40 + j);
		assert_int_equal(EVP_DigestVerifyInit(md, NULL,
					 rows[i].scheme == 0x0201 ? EVP_sha1() : EVP_sha256(), NULL,
					 key.pkey),
			1);
		EVP_DigestVerifyUpdate(md, random, sizeof(random));
		EVP_DigestVerifyUpdate(md, flight + 5 + 4 + 2, sizeof(random));
		EVP_DigestVerifyUpdate(md, message + 4, 69);
		assert_int_equal(EVP_DigestVerifyFinal(md, message + 77, 256), 1);
		EVP_MD_CTX_free(md);
		rig_close(&rig);
	}
}

/* What is no point of the curve, as RFC 8422 5.11 and RFC 7748 6.1 want it refused: by an alert and
 * before any key is derived. */
static void bad_points_are_refused(void **state)
{
	static const uint8_t alert[] = {21, 3, 3, 0, 2, 2, 47};
	static const struct {
		uint16_t group;
		uint8_t len, head, fill; /* the point: head, then fill */
	} rows[] = {
		{23, 0, 0, 0},
		{23, 65, 4, 0},
		{23, 65, 4, 1},    /* not on the curve */
		{23, 65, 4, 0xff}, /* beyond the field */
		{23, 33, 2, 1},    /* compressed */
		{23, 1, 0, 0},     /* infinity */
		{23, 64, 4, 1},
		{23, 66, 4, 1},
		{23, 32, 9, 0},
		{29, 0, 0, 0},
		{29, 32, 0, 0}, /* of small order */
		{29, 32, 1, 0},
		{29, 31, 9, 0},
		{29, 33, 9, 0},
		{29, 65, 4, 1},
	};
	uint8_t flight[6000], point[66], message[80], record[100], out[20];
	const uint8_t *key_exchange;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		uint8_t more[8] = {0, 10, 0, 4, 0, 2, 0, (uint8_t)rows[i].group};
		struct hello hello = {.no_groups = true, .more = more, .more_len = sizeof(more)};
		struct hf_writer m = hf_writer(message, sizeof(message));
		struct hf_writer w = hf_writer(record, sizeof(record));

		offer_to(&hello, flight, sizeof(flight), &key_exchange);
		assert_int_equal(key_exchange[6], rows[i].group);
		memset(point, rows[i].fill, sizeof(point));
		point[0] = rows[i].head;
		put_point_exchange(&m, point, rows[i].len);
		put_record(&w, 22, 0x0303, message, m.len);
		rig_feed(&rig, record, w.len);
		rig_settle(&rig);
		assert_int_equal(rig.tls.reason, HF_TLS_R_BAD_POINT);
		assert_int_equal(rig_sent(&rig, out, sizeof(out)), sizeof(alert));
		assert_memory_equal(out, alert, sizeof(alert));
		rig_close(&rig);
	}
}

/* Kinds of EncryptedPreMasterSecret, of which one is right. None is followed by a Finished that
 * could open, so that all of them must end alike. */
enum premaster {
	RIGHT,
	WRONG_VERSION,
	WRONG_TYPE,
	WRONG_LEAD,
	ZERO_IN_PADDING,
	ZERO_AT_ONCE,
	NO_ZERO,
	SHORT_SECRET,
	LONG_SECRET,
	NOT_RSA,  /* random below n */
	BEYOND_N, /* n itself */
	ALL_ONES,
	ZERO,
	TOO_SHORT, /* a byte less than n */
	TOO_LONG,
	EMPTY,
	HUGE_ONE, /* longer than the job holds */
	PREMASTER_CNT
};

static size_t make_premaster(enum premaster kind, uint8_t *out)
{
	uint8_t em[256];

	put_premaster(em, kind == WRONG_VERSION ? 0x0301 : 0x0303);
	em[0] = kind == WRONG_LEAD ? 1 : 0; /* still below n, whose first bit is set */
	if (kind == WRONG_TYPE)
		em[1] = 1;
	if (kind == ZERO_IN_PADDING)
		em[100] = 0;
	if (kind == ZERO_AT_ONCE)
		em[2] = 0;
	if (kind == NO_ZERO)
		em[256 - 49] = 1;
	if (kind == SHORT_SECRET)
		em[256 - 49] = 1, em[256 - 48] = 0;
	if (kind == LONG_SECRET)
		em[256 - 49] = 1, em[256 - 50] = 0;
	memset(out, 0x5c, 2048);
	if (kind == BEYOND_N)
		memcpy(out, key.key.n.p, 256);
	else if (kind == ALL_ONES)
		memset(out, 0xff, 256);
	else if (kind == ZERO)
		memset(out, 0, 256);
	else if (kind != NOT_RSA)
		rsa_key_public(&key, em, out);
	switch (kind) {
	case TOO_SHORT:
		return 255;
	case TOO_LONG:
		return 257;
	case EMPTY:
		return 0;
	case HUGE_ONE:
		return 2048;
	default:
		return 256;
	}
}

/* What the server sends and how many turns it takes from the key exchange on. */
static size_t answer_to(
	enum premaster kind, uint16_t suite, uint8_t *out, size_t cap, uint32_t *turns)
{
	static uint8_t ciphertext[2048], message[2100], bytes[2400], discard[6000];
	struct hf_writer m = hf_writer(message, sizeof(message));
	struct hf_writer w = hf_writer(bytes, sizeof(bytes));
	struct hello hello = {.suites = &suite, .suite_cnt = 1};
	static const uint8_t finished[64] = {1, 2, 3};
	size_t len = make_premaster(kind, ciphertext);

	rig_open(&rig);
	rig_feed(&rig, bytes, put_hello_record(bytes, sizeof(bytes), &hello));
	rig_settle(&rig);
	while (rig_sent(&rig, discard, sizeof(discard)) > 0)
		;
	put_key_exchange(&m, ciphertext, len);
	put_record(&w, 22, 0x0303, message, m.len);
	put_record(&w, 20, 0x0303, "\1", 1);
	put_record(&w, 22, 0x0303, finished, sizeof(finished));
	rig_feed(&rig, bytes, w.len);
	*turns = rig.turns;
	rig_settle(&rig);
	*turns = rig.turns - *turns;
	assert_int_equal(rig.tls.reason, HF_TLS_R_BAD_RECORD);
	len = rig_sent(&rig, out, cap);
	rig_close(&rig);
	return len;
}

static void every_wrong_premaster_looks_alike(void **state)
{
	static const uint16_t suites[] = {0x002f, 0x003c, 0x009c, 0x009d};
	static const uint8_t alert[] = {21, 3, 3, 0, 2, 2, 20};
	uint32_t turns, right_turns;
	uint8_t out[100];

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(suites); i++) {
		answer_to(RIGHT, suites[i], out, sizeof(out), &right_turns);
		for (enum premaster kind = RIGHT; kind < PREMASTER_CNT; kind++) {
			assert_int_equal(answer_to(kind, suites[i], out, sizeof(out), &turns),
				sizeof(alert));
			assert_memory_equal(out, alert, sizeof(alert));
			assert_int_equal(turns, right_turns);
		}
	}
}

/* ---- clients that show certificates ---- */

static struct {
	EVP_PKEY *root_key, *key[5]; /* RSA, P-256, P-384, P-521, RSA for PSS alone */
	X509 *root, *cert[5];
	struct hf_auth_ca *ca;
	struct hf_tls_client_auth auth;
	uint8_t request[HF_TLS_REQUEST_MAX];
} people;

static X509 *of_root(EVP_PKEY *k, struct x509_wish w)
{
	return x509_make("client", k, people.root, people.root_key, RIG_WALL_S, w);
}

static int people_come(void **state)
{
	char path[] = "/tmp/hf_libssl_XXXXXX";
	struct hf_writer w = hf_writer(people.request, sizeof(people.request));
	struct hf_pki_report report;
	FILE *f = fdopen(mkstemp(path), "w");

	(void)state;
	people.root_key = EVP_EC_gen("P-256");
	people.root = x509_make(
		"Root", people.root_key, NULL, people.root_key, RIG_WALL_S, x509_authority);
	people.key[0] = EVP_RSA_gen(2048);
	people.key[1] = EVP_EC_gen("P-256");
	people.key[2] = EVP_EC_gen("P-384");
	people.key[3] = EVP_EC_gen("P-521");
	people.key[4] = x509_pss_key();
	for (size_t i = 0; i < HF_ARRAY_LEN(people.key); i++)
		people.cert[i] = of_root(people.key[i], (struct x509_wish){0});
	assert_non_null(f);
	assert_int_equal(PEM_write_X509(f, people.root), 1);
	fclose(f);
	people.ca = hf_pki_libcrypto.ca_load(path, RIG_WALL_S, &report);
	assert_non_null(people.ca);
	assert_int_equal(unlink(path), 0);
	hf_tls_request_write(&w, people.ca->names);
	people.auth = (struct hf_tls_client_auth){
		.required = true, .ca = people.ca, .request = hf_span(people.request, w.len)};
	for (size_t i = 0; i < HF_ARRAY_LEN(rig.vhost); i++)
		rig.vhost[i].auth = &people.auth;
	return 0;
}

static int people_go(void **state)
{
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rig.vhost); i++)
		rig.vhost[i].auth = NULL;
	for (size_t i = 0; i < HF_ARRAY_LEN(people.key); i++) {
		EVP_PKEY_free(people.key[i]);
		X509_free(people.cert[i]);
	}
	EVP_PKEY_free(people.root_key);
	X509_free(people.root);
	hf_pki_libcrypto.ca_free(people.ca);
	return 0;
}

static void client_with(struct client *c, X509 *x, EVP_PKEY *k)
{
	client_open(c);
	assert_int_equal(SSL_use_certificate(c->ssl, x), 1);
	assert_int_equal(SSL_use_PrivateKey(c->ssl, k), 1);
}

/* We know who it is, and it knows whom we trust; its session goes nowhere. */
static void expect_known(struct client *c, X509 *x)
{
	uint8_t der[HF_TLS_CLIENT_LEAF_MAX], sum[32], *mine = NULL;
	const STACK_OF(X509_NAME) * names;
	struct hf_tls_peer p;
	int len;

	expect_shake(c, PIECE, RIG_ALL_ROOM);
	hf_tls_peer(&rig.tls, &p);
	assert_non_null(p.client);
	assert_int_equal(X509_digest(x, EVP_sha256(), sum, NULL), 1);
	assert_memory_equal(p.client->fingerprint, sum, 32);
	assert_true(hf_span_eq(
		hf_span(p.client->subject, p.client->subject_len), hf_span("CN=client", 9)));
	len = i2d_X509(x, &mine);
	assert_int_equal(hf_tls_client_cert_copy(&rig.tls, der, sizeof(der)), len);
	assert_memory_equal(der, mine, (size_t)len);
	OPENSSL_free(mine);
	names = SSL_get0_peer_CA_list(c->ssl);
	assert_int_equal(sk_X509_NAME_num(names), 1);
	assert_int_equal(
		X509_NAME_cmp(sk_X509_NAME_value(names, 0), X509_get_subject_name(people.root)), 0);
	assert_int_equal(SSL_SESSION_has_ticket(SSL_get0_session(c->ssl)), 0);
	ping(c, 1000);
}

static void clients_of_every_kind(void **state)
{
	static const char *const suite[] = {"AES128-SHA", "AES256-GCM-SHA384",
		"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-SHA384",
		"ECDHE-ECDSA-AES128-GCM-SHA256"};
	static const struct {
		int key;
		const char *signatures;
	} rows[] = {
		{0, NULL},
		{0, "RSA+SHA256"},
		{0, "RSA+SHA384"},
		{0, "RSA+SHA512:ECDSA+SHA256"},
		{0, "rsa_pss_rsae_sha256"},
		{0, "rsa_pss_rsae_sha384"},
		{0, "rsa_pss_rsae_sha512"},
		{1, NULL},
		{1, "ECDSA+SHA256:RSA+SHA256"},
		{1, "ECDSA+SHA512:RSA+SHA256"},
		{2, NULL},
		{2, "ECDSA+SHA384:RSA+SHA256"},
		{3, NULL},
		{3, "ECDSA+SHA512:RSA+SHA256"},
		{4, NULL},
		{4, "rsa_pss_pss_sha384:RSA+SHA256"},
	};
	uint64_t good = rig.x.stats.client_certs, full = 0;
	struct client c;

	(void)state;
	for (size_t i = 0; i < 2 * HF_ARRAY_LEN(rows) * HF_ARRAY_LEN(suite); i++) {
		size_t r = i / 2 % HF_ARRAY_LEN(rows), s = i / 2 / HF_ARRAY_LEN(rows);
		int k = rows[r].key;

		if (rows[r].signatures && strstr(suite[s], "ECDHE-ECDSA") &&
			!strstr(rows[r].signatures, "ECDSA"))
			continue; /* then ours cannot be signed by */
		client_with(&c, people.cert[k], people.key[k]);
		if (i % 2)
			SSL_set_options(c.ssl, SSL_OP_NO_EXTENDED_MASTER_SECRET);
		assert_int_equal(SSL_set_cipher_list(c.ssl, suite[s]), 1);
		if (rows[r].signatures)
			assert_int_equal(SSL_set1_sigalgs_list(c.ssl, rows[r].signatures), 1);
		expect_known(&c, people.cert[k]);
		assert_string_equal(SSL_get_cipher(c.ssl), suite[s]);
		expect_close(&c, i % 4 < 2);
		full++;
	}
	assert_int_equal(rig.x.stats.client_certs, good + full);
}

/* Cut where TCP and OpenSSL like, in records of 512 bytes, with one above the client's. */
static void chains_in_pieces(void **state)
{
	EVP_PKEY *inter_key = EVP_EC_gen("P-256");
	X509 *inter = x509_make(
		"Inter", inter_key, people.root, people.root_key, RIG_WALL_S, x509_authority);
	X509 *leaf = x509_make(
		"client", people.key[1], inter, inter_key, RIG_WALL_S, (struct x509_wish){0});
	static const size_t in[] = {1, 7, 500, 1400};
	struct client c;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(in); i++) {
		client_with(&c, leaf, people.key[1]);
		assert_int_equal(SSL_add1_chain_cert(c.ssl, inter), 1);
		if (i % 2)
			SSL_set_tlsext_max_fragment_length(c.ssl, 1);
		expect_shake(&c, in[i], 100);
		client_gone(&c);
	}
	client_with(&c, leaf, people.key[1]);
	expect_alert(&c, SSL_AD_UNKNOWN_CA, HF_TLS_R_CLIENT_CERT_UNKNOWN_CA);
	client_with(&c, leaf, people.key[1]);
	for (int i = 0; i < 8; i++)
		assert_int_equal(SSL_add1_chain_cert(c.ssl, inter), 1);
	expect_alert(&c, SSL_AD_BAD_CERTIFICATE, HF_TLS_R_CLIENT_CERT_TOO_LONG);
	EVP_PKEY_free(inter_key);
	X509_free(inter);
	X509_free(leaf);
}

static void clients_without(void **state)
{
	struct hf_tls_peer p;
	struct client c;

	(void)state;
	client_open(&c);
	expect_alert(&c, SSL_AD_HANDSHAKE_FAILURE, HF_TLS_R_CLIENT_CERT_MISSING);
	people.auth.required = false;
	client_open(&c);
	expect_shake(&c, PIECE, RIG_ALL_ROOM);
	hf_tls_peer(&rig.tls, &p);
	assert_null(p.client);
	ping(&c, 1000);
	expect_close(&c, true);
}

/* Whether one is needed or not: who shows one that is not good is told why. */
static void clients_that_are_refused(void **state)
{
	static const struct {
		struct x509_wish wish;
		int alert;
		enum hf_tls_reason reason;
	} rows[] = {
		{{.to = -1}, SSL_AD_CERTIFICATE_EXPIRED, HF_TLS_R_CLIENT_CERT_EXPIRED},
		{{.from = 3600}, SSL_AD_CERTIFICATE_EXPIRED, HF_TLS_R_CLIENT_CERT_EARLY},
		{{.extended = "serverAuth"}, SSL_AD_UNSUPPORTED_CERTIFICATE,
			HF_TLS_R_CLIENT_CERT_PURPOSE},
		{{.hash = "SHA1"}, SSL_AD_BAD_CERTIFICATE, HF_TLS_R_CLIENT_CERT_WEAK},
	};
	EVP_PKEY *weak = EVP_RSA_gen(1024);
	X509 *x;
	struct client c;

	(void)state;
	for (size_t i = 0; i < 2 * HF_ARRAY_LEN(rows); i++) {
		people.auth.required = i % 2;
		x = of_root(people.key[1], rows[i / 2].wish);
		client_with(&c, x, people.key[1]);
		expect_alert(&c, rows[i / 2].alert, rows[i / 2].reason);
		X509_free(x);
	}
	x = of_root(weak, (struct x509_wish){0});
	client_with(&c, x, weak);
	expect_alert(&c, SSL_AD_BAD_CERTIFICATE, HF_TLS_R_CLIENT_CERT_WEAK);
	X509_free(x);
	x = x509_make(
		"client", people.key[1], NULL, people.key[1], RIG_WALL_S, (struct x509_wish){0});
	client_with(&c, x, people.key[1]);
	expect_alert(&c, SSL_AD_UNKNOWN_CA, HF_TLS_R_CLIENT_CERT_UNKNOWN_CA);
	X509_free(x);
	x = x509_make("client", people.key[1], people.root, people.key[1], RIG_WALL_S,
		(struct x509_wish){0}); /* forged */
	client_with(&c, x, people.key[1]);
	expect_alert(&c, SSL_AD_BAD_CERTIFICATE, HF_TLS_R_CLIENT_CERT_BAD);
	X509_free(x);
	EVP_PKEY_free(weak);
	people.auth.required = true;
}

/* Each byte of the signature and of its scheme: nobody is let in by a damaged one. */
static void damaged_signatures(void **state)
{
	size_t at = 0, left = 1;

	(void)state;
	for (size_t i = 0; i < left; i++) {
		uint8_t buf[PIECE];
		struct client c;
		int len;

		client_with(&c, people.cert[1], people.key[1]);
		SSL_set_cipher_list(c.ssl, "ECDHE-RSA-AES128-GCM-SHA256");
		assert_true(SSL_do_handshake(c.ssl) != 1);
		carry(&c, PIECE, RIG_ALL_ROOM);
		assert_true(SSL_do_handshake(c.ssl) != 1);
		len = BIO_read(c.tx, buf, sizeof(buf));
		for (at = 0; buf[at] != 22 || buf[at + 5] != HF_TLS_MSG_CERTIFICATE_VERIFY;)
			at += 5 + ((size_t)buf[at + 3] << 8 | buf[at + 4]);
		left = (size_t)buf[at + 3] << 8 | buf[at + 4];
		left -= HF_TLS_MSG_HEAD_LEN;
		/* ECDSA's signatures are not all of one length, and each is a new one. */
		buf[at + 5 + HF_TLS_MSG_HEAD_LEN + HF_MIN(i, left - 1)] ^= 0x20;
		rig_feed(&rig, buf, (size_t)len);
		carry(&c, PIECE, RIG_ALL_ROOM);
		assert_true(rig.set & HF_TLS_FAILED);
		if (i >= 4)
			assert_int_equal(rig.tls.reason, HF_TLS_R_CLIENT_VERIFY_WRONG);
		else
			assert_int_equal(rig.tls.reason, i < 2 ? HF_TLS_R_CLIENT_VERIFY_SCHEME
							       : HF_TLS_R_CLIENT_VERIFY_SYNTAX);
		client_gone(&c);
	}
	assert_true(left > 70);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_suite_carries_data),
		cmocka_unit_test(ecdsa_signatures),
		cmocka_unit_test(small_records_by_agreement),
		cmocka_unit_test(long_records_against_agreement),
		cmocka_unit_test(status_for_who_asks),
		cmocka_unit_test(fallback_is_refused),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(key_log_is_the_clients),
		cmocka_unit_test(without_ticket_or_extensions_of_choice),
		cmocka_unit_test(every_suite_comes_back),
		cmocka_unit_test(renewed_ticket_is_taken),
		cmocka_unit_test(sessions_that_do_not_fit),
		cmocka_unit_test(damaged_tickets),
		cmocka_unit_test(client_of_tls13),
		cmocka_unit_test(names_and_protocols),
		cmocka_unit_test(every_suite_on_every_curve),
		cmocka_unit_test(curves_and_signatures_of_the_client),
		cmocka_unit_test(signature_is_of_this_handshake),
		cmocka_unit_test(bad_points_are_refused),
		cmocka_unit_test(renegotiation_is_refused),
		cmocka_unit_test(small_fragments_and_long_chains),
		cmocka_unit_test(damaged_records),
		cmocka_unit_test(every_wrong_premaster_looks_alike),
		cmocka_unit_test_setup_teardown(clients_of_every_kind, people_come, people_go),
		cmocka_unit_test_setup_teardown(chains_in_pieces, people_come, people_go),
		cmocka_unit_test_setup_teardown(clients_without, people_come, people_go),
		cmocka_unit_test_setup_teardown(clients_that_are_refused, people_come, people_go),
		cmocka_unit_test_setup_teardown(damaged_signatures, people_come, people_go),
	};

	return cmocka_run_group_tests_name("tls_libssl", tests, setup, teardown);
}
