/* acks.c -- which segments of a handshake are acknowledged by themselves: a whole worker, and a client that counts
 * segments without data. While a key is used for it, an answer is on its way that acknowledges what asked for it;
 * a peer that may be waiting for our word to say the rest gets it at once. */
#include "tests/support/tls_client.h"
#include "tests/support/worker_rig.h"

static const uint16_t rsa_kx[] = {0x009c}, ecdhe[] = {0xc02f};

static struct rig rig;
static struct rsa_key key;
static struct tls_client client;
static uint8_t chain[1000], hello[1000];
static size_t hello_len;
static uint32_t bare; /* segments without data */

static void count(struct rig *r, const struct hf_packet *p)
{
	bare += p->payload.len == 0 && !(p->tcp_flags & (HF_TCP_SYN | HF_TCP_FIN));
	rig_segment(r, p);
}

static void open_with(const uint16_t *suite)
{
	struct hello h = {.name = "www.example.org"};

	rsa_key_make(&key, 2048, 2);
	rig = (struct rig){.cert = {.list = {chain, sizeof(chain)}, .key = &key.key},
		.alpn = "http/1.1",
		.suite = suite,
		.suite_cnt = 1,
		.segment = count};
	rig_init(&rig);
	client = (struct tls_client){.gcm = true};
	rig_connect(&rig);
	hello_len = tls_client_hello(&client, hello, sizeof(hello), &h);
	bare = 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_fini(&rig);
	rsa_key_free(&key);
	return 0;
}

/* A connection whose hello is answered, and what its client says next: the key exchange, and what follows it. */
static size_t flight_due(uint8_t *out, size_t cap, size_t *exchange_len)
{
	uint8_t body[400];
	struct hf_writer w = hf_writer(out, cap), m = hf_writer(body, sizeof(body));

	open_with(rsa_kx);
	rig_send(&rig, hello, hello_len);
	rig_settle(&rig);
	tls_client_read(&client, rig.in, rig.in_len);
	assert_int_equal(bare, 0);
	tls_client_rsa(&client, &m, key.pkey);
	tls_client_log(&client, body, m.len);
	put_record(&w, HF_TLS_CT_HANDSHAKE, HF_TLS_12, body, m.len);
	*exchange_len = w.len;
	tls_client_finish(&client, &w);
	return w.len;
}

static void a_hello_is_acknowledged_by_the_signed_flight(void **state)
{
	(void)state;
	open_with(ecdhe);
	rig_send(&rig, hello, hello_len);
	rig_settle(&rig);
	assert_true(rig.in_len > sizeof(chain));
	assert_int_equal(bare, 0);
}

static void the_rest_of_a_hello_is_asked_for(void **state)
{
	(void)state;
	open_with(ecdhe);
	rig_send(&rig, hello, 100);
	(void)rig_turn(&rig);
	assert_int_equal(bare, 1);
	rig_send(&rig, hello + 100, hello_len - 100);
	rig_settle(&rig);
	assert_int_equal(bare, 1);
	assert_true(rig.in_len > sizeof(chain));
}

static void a_key_exchange_is_acknowledged_by_finished(void **state)
{
	uint8_t buf[1000];
	size_t exchange_len;

	(void)state;
	rig_send(&rig, buf, flight_due(buf, sizeof(buf), &exchange_len));
	rig_settle(&rig);
	assert_int_equal(rig.w->tls.stats.reason[HF_TLS_R_OK], 1);
	assert_int_equal(bare, 0);
}

/* RFC 9293 3.7.4: a client under Nagle's algorithm says the rest when we have heard the first. */
static void the_rest_of_a_flight_is_asked_for(void **state)
{
	uint8_t buf[1000];
	size_t len, exchange_len;

	(void)state;
	len = flight_due(buf, sizeof(buf), &exchange_len);
	rig_send(&rig, buf, exchange_len);
	(void)rig_turn(&rig);
	assert_int_equal(bare, 1);
	rig_send(&rig, buf + exchange_len, len - exchange_len);
	rig_settle(&rig);
	assert_int_equal(rig.w->tls.stats.reason[HF_TLS_R_OK], 1);
}

#define ACKS(test) cmocka_unit_test_teardown(test, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ACKS(a_hello_is_acknowledged_by_the_signed_flight),
		ACKS(the_rest_of_a_hello_is_asked_for),
		ACKS(a_key_exchange_is_acknowledged_by_finished),
		ACKS(the_rest_of_a_flight_is_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
