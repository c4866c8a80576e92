/* tls_libssl.c -- OpenSSL's client against our server, over memory: every suite, data both ways,
 * both ways to close, and every place at which TCP may cut what a client sends. */
#include <openssl/ssl.h>
#include "tests/unit/drivers/tls_rig.h"

struct client {
	SSL *ssl;
	BIO *rx, *tx; /* what it reads, what it writes */
};

static struct rig rig;
static SSL_CTX *ctx;

static int setup(void **state)
{
	(void)state;
	rig_init(&rig);
	ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	SSL_CTX_free(ctx);
	rig_fini(&rig);
	return 0;
}

static void client_open(struct client *c)
{
	c->ssl = SSL_new(ctx);
	c->rx = BIO_new(BIO_s_mem());
	c->tx = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(c->rx, -1);
	SSL_set_bio(c->ssl, c->rx, c->tx);
	SSL_set_connect_state(c->ssl);
}

/* Carries what there is, at most `in` and `out` bytes a turn, until nothing moves any more. */
static void carry(struct client *c, size_t in, size_t out)
{
	uint8_t buf[4096];
	bool moved;

	do {
		int n = BIO_read(c->tx, buf, (int)HF_MIN(in, sizeof(buf)));
		size_t sent;

		if (n > 0)
			rig_feed(&rig, buf, (size_t)n);
		rig.room = out;
		moved = n > 0 ||
			(rig_turn(&rig) & (HF_TLS_WAIT_PK | HF_TLS_WAIT_SYM | HF_TLS_WAIT_TX));
		while ((sent = rig_sent(&rig, buf, sizeof(buf))) > 0) {
			assert_int_equal(BIO_write(c->rx, buf, (int)sent), (int)sent);
			moved = true;
		}
	} while (moved);
}

static void shake(struct client *c, size_t in, size_t out)
{
	for (int i = 0; i < 4 && SSL_do_handshake(c->ssl) != 1; i++)
		carry(c, in, out);
	assert_true(SSL_is_init_finished(c->ssl));
	carry(c, in, out);
	assert_int_equal(rig.tls.state, HF_TLS_ST_DONE);
	assert_int_equal(rig.tls.reason, HF_TLS_R_OK);
}

static void ping(struct client *c, size_t len)
{
	uint8_t *a = malloc(len), *b = malloc(len);
	size_t got = 0, done = 0;
	uint64_t seed = len;

	for (size_t i = 0; i < len; i++)
		a[i] = (uint8_t)test_rand(&seed);
	assert_int_equal(SSL_write(c->ssl, a, (int)len), (int)len);
	while (got < len) {
		carry(c, 4096, RIG_ALL_ROOM);
		size_t n = rig_take(&rig, b + got, len - got);
		assert_true(n > 0);
		got += n;
	}
	assert_memory_equal(a, b, len);
	assert_int_equal(rig.credit, rig.fed);
	memset(b, 0, len);
	for (got = 0; got < len;) {
		int n;

		rig.room = RIG_ALL_ROOM;
		done += done < len ? rig_write(&rig, a + done, len - done) : 0;
		carry(c, 4096, RIG_ALL_ROOM);
		n = SSL_read(c->ssl, b + got, (int)(len - got));
		assert_true(n > 0 || done < len);
		got += n > 0 ? (size_t)n : 0;
	}
	assert_memory_equal(a, b, len);
	free(a);
	free(b);
}

static void client_close(struct client *c)
{
	hf_tls_close(&rig.x, &rig.tls);
	carry(c, 4096, RIG_ALL_ROOM);
	assert_true(hf_tls_flushed(&rig.tls));
	assert_int_equal(SSL_shutdown(c->ssl), 0);
	assert_int_equal(SSL_shutdown(c->ssl), 1);
	carry(c, 4096, RIG_ALL_ROOM);
	assert_true(rig.set & HF_TLS_PEER_CLOSED);
	SSL_free(c->ssl);
	rig_close(&rig);
}

static void every_suite_carries_data(void **state)
{
	static const char *const name[] = {"AES128-SHA", "AES256-SHA", "AES128-SHA256",
		"AES128-GCM-SHA256", "AES256-GCM-SHA384"};
	static const uint16_t id[] = {0x002f, 0x0035, 0x003c, 0x009c, 0x009d};
	struct client c;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(name); i++) {
		rig_open(&rig);
		client_open(&c);
		assert_int_equal(SSL_set_cipher_list(c.ssl, name[i]), 1);
		shake(&c, 4096, RIG_ALL_ROOM);
		assert_int_equal(rig.tls.suite, id[i]);
		assert_string_equal(SSL_get_cipher(c.ssl), name[i]);
		hf_tls_hs_release(&rig.x, &rig.tls);
		ping(&c, 1);
		ping(&c, 100);
		ping(&c, 16384);
		ping(&c, 100000);
		client_close(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_suite_carries_data),
	};

	return cmocka_run_group_tests_name("tls_libssl", tests, setup, teardown);
}
