/* captures.c -- two handshakes that were captured on the public network, played again message by message
 * to a whole worker: the same hellos, suites and sizes of chain, the same segments of the client. A is
 * RSA key exchange with AES128-CBC-SHA and a chain of 4,132 bytes, B is ECDHE with AES128-GCM-SHA256
 * and one of 3,259. What must come back: the same messages in the same order, each in a record of its
 * own, in the same segments. Both clients came again; one server had forgotten them. Ours knows
 * them by ticket and by id, and when it cannot, greets them anew in the same layout. */
#include "tests/support/tls_client.h"
#include "tests/support/worker_rig.h"

#define CHAIN_MAX 4132u
#define STATUS_LEN 508u /* a CertificateStatus, which lies behind the chain */
/* whole records */
#define TICKET_RECORD (5u + HF_TLS_TICKET_MESSAGE_LEN)
#define CCS_RECORD 6u
#define FINISHED_GCM (5u + 8u + 16u + 16u)
#define FINISHED_CBC (5u + 64u) /* IV 16, Finished 16, MAC 20, padding 12 */

static const uint16_t prefer_a[] = {0x002f, 0xc02f}, prefer_b[] = {0xc02f, 0x002f};
static const uint16_t suites_b[21] = {0xc02b, 0xc02f, 0x009e, 0xcc14, 0xcc13, 0xc00a, 0xc014,
	0x0039, 0xc009, 0xc013, 0x0033, 0xc012, 0xc007, 0xc011, 0x009c, 0x0035, 0x002f, 0x000a,
	0x0005, 0x0004, 0x00ff};

static struct rig rig;
static struct rsa_key key;
static struct tls_client client;
static uint8_t chain[CHAIN_MAX + STATUS_LEN];
static uint32_t seg_seen, in_seen;

/* Three certificates of the captured lengths, each behind its own. */
static uint32_t make_chain(const uint32_t len[3])
{
	struct hf_writer w = hf_writer(chain, sizeof(chain));

	for (uint32_t i = 0; i < 3; i++) {
		hf_writer_u24(&w, len[i]);
		for (uint32_t k = 0; k < len[i]; k++)
			hf_writer_u8(&w, k & 0xff);
	}
	return (uint32_t)w.len;
}

static void set_up(const uint16_t *prefer, const uint32_t len[3])
{
	uint32_t chain_len = make_chain(len);

	rsa_key_make(&key, 2048, 2);
	rig = (struct rig){.cert = {.list = {chain, chain_len}, .key = &key.key},
		.alpn = "http/1.1",
		.suite = prefer,
		.suite_cnt = 2};
	rig_init(&rig);
	client = (struct tls_client){.gcm = prefer == prefer_b};
}

static int set_up_a(void **state)
{
	(void)state;
	set_up(prefer_a, (const uint32_t[]){1547, 1340, 1236});
	assert_int_equal(rig.cert.list.len, 4132);
	return 0;
}

static int set_up_b(void **state)
{
	(void)state;
	set_up(prefer_b, (const uint32_t[]){1200, 1100, 950});
	assert_int_equal(rig.cert.list.len, 3259);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_fini(&rig);
	rsa_key_free(&key);
	return 0;
}

/* ---- reading ---- */

/* What came since the last look, in exactly these segments, all of one turn. */
static void expect_segments(const uint32_t *len, uint32_t cnt)
{
	assert_int_equal(rig.seg_cnt - seg_seen, cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		assert_int_equal(rig.seg[seg_seen + i].len, len[i]);
		assert_int_equal(rig.seg[seg_seen + i].turn, rig.seg[seg_seen].turn);
	}
	tls_client_read(&client, rig.in + in_seen, rig.in_len - in_seen);
	seg_seen = rig.seg_cnt;
	in_seen = rig.in_len;
}

#define SEGMENTS(...)                                    \
	expect_segments((const uint32_t[]){__VA_ARGS__}, \
		sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

/* Types and lengths, in turn. */
static void expect_items(
	const struct tls_item *v, uint32_t cnt, const uint32_t *want, size_t want_cnt)
{
	assert_int_equal(2 * cnt, want_cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		assert_int_equal(v[i].type, want[2 * i]);
		assert_int_equal(v[i].len, want[2 * i + 1]);
	}
}

#define ITEMS(what, ...)                                                              \
	expect_items(client.what, client.what##_cnt, (const uint32_t[]){__VA_ARGS__}, \
		sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

/* The ServerHello behind its random: id, suite, compression, extensions. */
static void expect_hello(
	const uint8_t *id, uint8_t id_len, uint16_t suite, const void *ext, size_t ext_len)
{
	const uint8_t *p = client.message[0].p;

	assert_int_equal(client.message[0].type, HF_TLS_MSG_SERVER_HELLO);
	assert_memory_equal(p, "\3\3", 2);
	assert_int_equal(p[34], id_len);
	assert_memory_equal(p + 35, id, id_len);
	p += 35 + id_len;
	assert_int_equal((unsigned)p[0] << 8 | p[1], suite);
	assert_int_equal(p[2], 0);
	assert_int_equal((unsigned)p[3] << 8 | p[4], ext_len);
	assert_memory_equal(p + 5, ext, ext_len);
}

/* The flight's last record is the server's Finished, right and padded like this. */
static void expect_finished(size_t want_padding)
{
	uint8_t want[16], buf[200];
	size_t padding;
	struct hf_span text;

	tls_client_verify(&client, "server finished", want);
	text = tls_client_open(&client, &client.record[client.record_cnt - 1], buf, &padding);
	assert_int_equal(padding, want_padding);
	assert_int_equal(text.len, sizeof(want));
	assert_memory_equal(text.p, want, sizeof(want));
	tls_client_log(&client, want, sizeof(want));
}

/* ---- the client's side ---- */

static void knock(const struct hello *h, size_t want_len)
{
	uint8_t record[1000];
	size_t len;

	rig_connect(&rig);
	seg_seen = in_seen = 0;
	len = tls_client_hello(&client, record, sizeof(record), h);
	assert_memory_equal(record, "\x16\3\1", 3);
	assert_int_equal(len, want_len);
	rig_send(&rig, record, len);
	rig_settle(&rig);
}

/* Key exchange, ChangeCipherSpec and Finished in one segment. */
static void answer(bool ecdhe, size_t want_len)
{
	uint8_t buf[1000], body[400];
	struct hf_writer w = hf_writer(buf, sizeof(buf)), m = hf_writer(body, sizeof(body));

	if (ecdhe)
		tls_client_ecdhe(&client, &m, client.message[2].p + 4);
	else
		tls_client_rsa(&client, &m, key.pkey);
	tls_client_log(&client, body, m.len);
	put_record(&w, HF_TLS_CT_HANDSHAKE, HF_TLS_12, body, m.len);
	tls_client_finish(&client, &w);
	assert_int_equal(w.len, want_len);
	rig_send(&rig, buf, w.len);
	rig_settle(&rig);
}

/* The server's Finished is judged by the session's own keys; ours follows, in one segment. */
static void resume(size_t want_len, size_t want_padding)
{
	uint8_t buf[200];
	struct hf_writer w = hf_writer(buf, sizeof(buf));
	uint64_t done = rig.w->tls.stats.reason[HF_TLS_R_OK];

	tls_client_keys(&client);
	expect_finished(want_padding);
	tls_client_finish(&client, &w);
	assert_int_equal(w.len, want_len);
	rig_send(&rig, buf, w.len);
	rig_settle(&rig);
	assert_int_equal(rig.seg_cnt, seg_seen); /* all was said */
	assert_int_equal(rig.w->tls.stats.reason[HF_TLS_R_OK], done + 1);
}

static const struct hf_tls_stats *stats(void)
{
	return &rig.w->tls.stats;
}

static struct hello hello_a(void)
{
	return (struct hello){.name = "www.example.org",
		.alpn = "\x02h2\x08spdy/3.1\x05h2-16\x06spdy/3\x08http/1.1"};
}

static struct hello hello_b(void)
{
	struct hello h = hello_a();

	h.suites = suites_b;
	h.suite_cnt = HF_ARRAY_LEN(suites_b);
	return h;
}

/* renegotiation_info, session_ticket, ALPN: as captured */
#define EXT_RENEGOTIATION "\xff\1\0\1\0"
#define EXT_ALPN "\0\x10\0\x0b\0\x09\x08http/1.1"
#define EXT_POINTS "\0\x0b\0\2\1\0"
#define EXT_TICKET "\0\x23\0\0"
#define EXT_A EXT_RENEGOTIATION EXT_TICKET EXT_ALPN
#define EXT_RESUMED EXT_RENEGOTIATION EXT_ALPN
#define EXT_B EXT_RENEGOTIATION EXT_POINTS EXT_TICKET EXT_ALPN
#define EXT_B_RESUMED EXT_RENEGOTIATION EXT_POINTS EXT_ALPN
/* of the message, with an id of 32 bytes */
#define RESUMED_HELLO_LEN (4 + 2 + 32 + 1 + 32 + 2 + 1 + 2 + sizeof(EXT_RESUMED) - 1)

/* The first flight in three segments, two of them full: as captured. */
static void first_flight_a(const struct hello *h, size_t hello_len)
{
	knock(h, hello_len);
	SEGMENTS(1440, 1440, 1346);
	ITEMS(record, HF_TLS_CT_HANDSHAKE, 68, HF_TLS_CT_HANDSHAKE, 4139, HF_TLS_CT_HANDSHAKE, 4);
	ITEMS(message, HF_TLS_MSG_SERVER_HELLO, 64, HF_TLS_MSG_CERTIFICATE, 3 + 4132,
		HF_TLS_MSG_SERVER_HELLO_DONE, 0);
	expect_hello(NULL, 0, 0x002f, EXT_A, sizeof(EXT_A) - 1);
	assert_memory_equal(client.message[1].p, "\0\x10\x24", 3);
	assert_memory_equal(client.message[1].p + 3, chain, 4132);
}

/* The whole first visit; the ticket stays in *ticket. */
static void visit_a(uint8_t ticket[HF_TLS_TICKET_LEN])
{
	struct hello h = hello_a();

	first_flight_a(&h, 214);
	answer(false, 342);
	SEGMENTS(TICKET_RECORD + CCS_RECORD + FINISHED_CBC); /* 282, as captured */
	ITEMS(record, HF_TLS_CT_HANDSHAKE, 202, HF_TLS_CT_CCS, 1, HF_TLS_CT_HANDSHAKE, 64);
	ITEMS(message, HF_TLS_MSG_NEW_SESSION_TICKET, 4 + 2 + 192);
	memcpy(ticket, client.message[0].p + 6, HF_TLS_TICKET_LEN);
	expect_finished(12);
	assert_int_equal(stats()->reason[HF_TLS_R_OK], 1);
}

static void first_visit_a(void **state)
{
	uint8_t ticket[HF_TLS_TICKET_LEN];

	(void)state;
	assert_int_equal(TICKET_RECORD + CCS_RECORD + FINISHED_CBC, 282);
	visit_a(ticket);
}

/* The same hello padded to 517 bytes with an id and a ticket. The server's flight is one segment: hello
 * (with the client's id), ChangeCipherSpec, Finished. */
static void second_visit_a_by_ticket(void **state)
{
	struct hello h = hello_a();
	uint8_t ticket[HF_TLS_TICKET_LEN], master[48], id[32];

	(void)state;
	visit_a(ticket);
	memcpy(master, client.master, sizeof(master));
	memset(id, 0x5a, sizeof(id));
	h.session_id = id;
	h.session_id_len = sizeof(id);
	h.ticket = ticket;
	h.ticket_len = sizeof(ticket);
	h.pad_to = 517;
	knock(&h, 517);
	memcpy(client.master, master, sizeof(master));
	SEGMENTS(5 + RESUMED_HELLO_LEN + CCS_RECORD + FINISHED_CBC);
	ITEMS(record, HF_TLS_CT_HANDSHAKE, RESUMED_HELLO_LEN, HF_TLS_CT_CCS, 1, HF_TLS_CT_HANDSHAKE,
		64);
	expect_hello(id, sizeof(id), 0x002f, EXT_RESUMED, sizeof(EXT_RESUMED) - 1);
	resume(CCS_RECORD + FINISHED_CBC, 12);
	assert_int_equal(stats()->resume[HF_TLS_RESUME_TICKET], 1);
}

/* A client without tickets is given an id instead, and may come back with it. */
static void second_visit_a_by_id(void **state)
{
	struct hello h = hello_a();
	uint8_t id[32], master[48];

	(void)state;
	h.no_ticket = true;
	knock(&h, 210);
	SEGMENTS(1440, 1440, 1346 + 32 - 4);
	ITEMS(message, HF_TLS_MSG_SERVER_HELLO, 64 + 32 - 4, HF_TLS_MSG_CERTIFICATE, 3 + 4132,
		HF_TLS_MSG_SERVER_HELLO_DONE, 0);
	memcpy(id, client.message[0].p + 35, sizeof(id));
	expect_hello(id, sizeof(id), 0x002f, EXT_RESUMED, sizeof(EXT_RESUMED) - 1);
	answer(false, 342);
	SEGMENTS(CCS_RECORD + FINISHED_CBC);
	expect_finished(12);
	memcpy(master, client.master, sizeof(master));
	h.session_id = id;
	h.session_id_len = sizeof(id);
	h.pad_to = 517;
	knock(&h, 517);
	memcpy(client.master, master, sizeof(master));
	SEGMENTS(5 + RESUMED_HELLO_LEN + CCS_RECORD + FINISHED_CBC);
	expect_hello(id, sizeof(id), 0x002f, EXT_RESUMED, sizeof(EXT_RESUMED) - 1);
	resume(CCS_RECORD + FINISHED_CBC, 12);
	assert_int_equal(stats()->resume[HF_TLS_RESUME_ID], 1);
}

/* What the captured server did: it had never seen the id, and began anew. */
static void second_visit_a_forgotten(void **state)
{
	struct hello h = hello_a();

	(void)state;
	h.session_id_len = 32;
	h.pad_to = 517;
	first_flight_a(&h, 517);
	answer(false, 342);
	SEGMENTS(TICKET_RECORD + CCS_RECORD + FINISHED_CBC);
	expect_finished(12);
	assert_int_equal(
		stats()->resume[HF_TLS_RESUME_TICKET] + stats()->resume[HF_TLS_RESUME_ID], 0);
}

/* With an OCSP response, which the capture had not. */
static void first_flight_a_stapled(void **state)
{
	struct hf_writer w = hf_writer(chain + CHAIN_MAX, STATUS_LEN);
	struct hello h = hello_a();

	(void)state;
	hf_writer_u8(&w, 22); /* RFC 6066 8 */
	hf_writer_u24(&w, STATUS_LEN - 4);
	hf_writer_u8(&w, 1);
	hf_writer_u24(&w, STATUS_LEN - 8);
	rig.cert.status_len = STATUS_LEN;
	knock(&h, 214);
	SEGMENTS(1440, 1440, 1440, 423);
	ITEMS(record, HF_TLS_CT_HANDSHAKE, 72, HF_TLS_CT_HANDSHAKE, 4139, HF_TLS_CT_HANDSHAKE,
		STATUS_LEN, HF_TLS_CT_HANDSHAKE, 4);
	ITEMS(message, HF_TLS_MSG_SERVER_HELLO, 64 + 4, HF_TLS_MSG_CERTIFICATE, 3 + 4132, 22,
		STATUS_LEN - 4, HF_TLS_MSG_SERVER_HELLO_DONE, 0);
	answer(false, 342);
	SEGMENTS(TICKET_RECORD + CCS_RECORD + FINISHED_CBC);
	expect_finished(12);
}

static void visit_b(uint8_t ticket[HF_TLS_TICKET_LEN])
{
	struct hello h = hello_b();

	knock(&h, 214 + 2 * 5);
	SEGMENTS(1440, 1440, 817);
	ITEMS(record, HF_TLS_CT_HANDSHAKE, 74, HF_TLS_CT_HANDSHAKE, 3266, HF_TLS_CT_HANDSHAKE, 333,
		HF_TLS_CT_HANDSHAKE, 4);
	ITEMS(message, HF_TLS_MSG_SERVER_HELLO, 70, HF_TLS_MSG_CERTIFICATE, 3 + 3259,
		HF_TLS_MSG_SERVER_KEY_EXCHANGE, 4 + 65 + 2 + 2 + 256, HF_TLS_MSG_SERVER_HELLO_DONE,
		0);
	expect_hello(NULL, 0, 0xc02f, EXT_B, sizeof(EXT_B) - 1);
	assert_memory_equal(client.message[2].p, "\3\0\x17\x41\4", 5); /* secp256r1 */
	answer(true, 75 + CCS_RECORD + FINISHED_GCM);
	SEGMENTS(TICKET_RECORD + CCS_RECORD + FINISHED_GCM);
	ITEMS(record, HF_TLS_CT_HANDSHAKE, 202, HF_TLS_CT_CCS, 1, HF_TLS_CT_HANDSHAKE, 40);
	memcpy(ticket, client.message[0].p + 6, HF_TLS_TICKET_LEN);
	expect_finished(0);
}

static void both_visits_b(void **state)
{
	struct hello h = hello_b();
	uint8_t ticket[HF_TLS_TICKET_LEN], master[48], id[32];

	(void)state;
	visit_b(ticket);
	memcpy(master, client.master, sizeof(master));
	memset(id, 0xa5, sizeof(id));
	h.session_id = id;
	h.session_id_len = sizeof(id);
	h.ticket = ticket;
	h.ticket_len = sizeof(ticket);
	knock(&h, 214 + 2 * 5 + 32 + 192);
	memcpy(client.master, master, sizeof(master));
	SEGMENTS(5 + RESUMED_HELLO_LEN + 6 + CCS_RECORD + FINISHED_GCM);
	expect_hello(id, sizeof(id), 0xc02f, EXT_B_RESUMED, sizeof(EXT_B_RESUMED) - 1);
	resume(CCS_RECORD + FINISHED_GCM, 0);
	assert_int_equal(stats()->resume[HF_TLS_RESUME_TICKET], 1);
}

#define CAPTURE(test, side) cmocka_unit_test_setup_teardown(test, set_up_##side, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CAPTURE(first_visit_a, a),
		CAPTURE(second_visit_a_by_ticket, a),
		CAPTURE(second_visit_a_by_id, a),
		CAPTURE(second_visit_a_forgotten, a),
		CAPTURE(first_flight_a_stapled, a),
		CAPTURE(both_visits_b, b),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
