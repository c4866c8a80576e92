/* engine.c -- the engine against a client that is written byte by byte, over doubles that make
 * every key known: the flights as they were captured, every way a handshake or connection can end,
 * bytes cut at every place, and every resource short. */
#include <stdio.h>
#include "tests/doubles/pk_double.h"
#include "tests/doubles/sym_double.h"
#include "tests/support/test.h"
#include "tests/support/tls_bytes.h"
#include "tests/support/tls_rig.h"

#define CHUNK_CNT 40u
#define RECORD_CNT 3u
#define CHAIN_LEN 4132u /* as captured */

static struct rig rig;
static uint8_t chain[40000];
static bool seen[HF_TLS_REASON_CNT], seen_fault[HF_TLS_REASON_CNT];
static size_t row; /* of the table at work, for messages */

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(chain); i++)
		chain[i] = (uint8_t)(i * 7);
	rig = (struct rig){.pk_engine = &pk_double,
		.sym_driver = &sym_double,
		.cert = {.list = {chain, CHAIN_LEN}, .key = &pk_double_key},
		.chunk_cnt = CHUNK_CNT,
		.record_cnt = RECORD_CNT,
		.hs_cnt = 2};
	rig_init(&rig);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_fini(&rig);
	return 0;
}

/* ---- the client ---- */

static const uint16_t suite_002f[] = {0x002f}, suite_c013[] = {0xc013};
static struct hello plain_hello = {
	.name = "www.example.org", .alpn = "\x08http/1.1", .suites = suite_002f, .suite_cnt = 1};

/* Tests whose bytes are of no kind of key exchange run with each. */
static int use_ecdhe(void **state)
{
	(void)state;
	plain_hello.suites = suite_c013;
	return 0;
}

static int use_rsa(void **state)
{
	(void)state;
	plain_hello.suites = suite_002f;
	return 0;
}

static bool ecdhe(void)
{
	return plain_hello.suites == suite_c013;
}

static void feed_record(unsigned type, const void *p, size_t len)
{
	uint8_t buf[HF_TLS_WIRE_MAX];
	struct hf_writer w = hf_writer(buf, sizeof(buf));

	put_record(&w, type, 0x0303, p, len);
	rig_feed(&rig, buf, w.len);
}

static size_t put_finished(uint8_t out[16])
{
	memcpy(out, "\x14\0\0\x0c", 4);
	sym_double_prf("client finished", out + 4, 12);
	return 16;
}

static void put_client_key(struct hf_writer *w)
{
	uint8_t em[256], point[65] = {4, 1, 2, 3};

	put_premaster(em, 0x0303);
	if (ecdhe())
		put_point_exchange(w, point, sizeof(point));
	else
		put_key_exchange(w, em, sizeof(em));
}

/* ClientKeyExchange, ChangeCipherSpec and Finished, each in its record: with RSA 342 bytes as captured, but
 * for the 48 that encrypting Finished adds. */
static size_t put_second_flight(uint8_t *out, size_t cap)
{
	struct hf_writer w = hf_writer(out, cap);
	uint8_t message[300], finished[16];
	struct hf_writer m = hf_writer(message, sizeof(message));

	put_client_key(&m);
	put_record(&w, 22, 0x0303, message, m.len);
	put_record(&w, 20, 0x0303, "\1", 1);
	put_record(&w, 22, 0x0303, finished, put_finished(finished));
	HF_ASSERT(!w.overflow);
	return w.len;
}

enum stage { START, HELLO, KEY, CCS, DONE };

static void feed_hello(const struct hello *h)
{
	uint8_t record[HF_TLS_WIRE_MAX];

	rig_feed(&rig, record, put_hello_record(record, sizeof(record), h));
}

static void to_stage(enum stage stage)
{
	static const uint8_t state[] = {
		HF_TLS_ST_HELLO, HF_TLS_ST_KEY, HF_TLS_ST_CCS, HF_TLS_ST_FINISHED, HF_TLS_ST_DONE};
	uint8_t flight[400];
	size_t len = put_second_flight(flight, sizeof(flight));
	size_t key_len = 5 + ((size_t)flight[3] << 8 | flight[4]);

	rig_open(&rig);
	if (stage >= HELLO)
		feed_hello(&plain_hello);
	rig_settle(&rig);
	if (stage >= KEY)
		rig_feed(&rig, flight, key_len);
	rig_settle(&rig);
	if (stage >= CCS)
		rig_feed(&rig, flight + key_len, 6);
	rig_settle(&rig);
	if (stage >= DONE)
		rig_feed(&rig, flight + key_len + 6, len - key_len - 6);
	rig_settle(&rig);
	assert_int_equal(rig.tls.state, state[stage]);
	assert_int_equal(!!(rig.news & HF_TLS_ESTABLISHED), stage == DONE);
	hf_chain_clear(&rig.bufs, &rig.out);
}

/* ---- what is sent, in the captured shape ---- */

/* Takes the record headers away in place: every record holds one message. Returns what is left. */
static size_t unwrap(uint8_t *p, size_t len)
{
	size_t from = 0, to = 0, body;

	while (from < len) {
		assert_memory_equal(p + from, "\x16\x03\x03", 3);
		body = (size_t)p[from + 3] << 8 | p[from + 4];
		assert_int_equal(4 + (p[from + 6] << 16 | p[from + 7] << 8 | p[from + 8]), body);
		memmove(p + to, p + from + 5, body);
		to += body;
		from += 5 + body;
	}
	assert_int_equal(from, len);
	return to;
}

static void first_flight_as_captured(void **state)
{
	static uint8_t out[8192];
	static const uint8_t done[] = {14, 0, 0, 0};
	struct hello spec = plain_hello;
	struct hf_reader r;
	struct hf_span hello = {0}, certificate = {0};
	uint32_t list_len;
	uint8_t type;
	size_t len;

	(void)state;
	spec.name = "unknown.example.com";
	spec.alpn = NULL;
	rig_open(&rig);
	feed_hello(&spec);
	rig_run(&rig);
	assert_int_equal(rig.set, HF_TLS_WAIT_BYTES);
	assert_int_equal(rig.credit, rig.fed);
	len = unwrap(out, rig_sent(&rig, out, sizeof(out)));
	r = hf_reader(out, len);
	assert_int_equal(hf_reader_u8(&r, &type) || hf_reader_vec24(&r, &hello), 0);
	assert_int_equal(type, 2);
	assert_int_equal(hello.len, 2 + 32 + 1 + 2 + 1 + 2 + 5 + 4);
	assert_memory_equal(hello.p + 34, "\0\0\x2f\0\0\x09\xff\x01\0\x01\0\0\x23\0\0", 15);
	assert_int_equal(hf_reader_u8(&r, &type) || hf_reader_vec24(&r, &certificate), 0);
	assert_int_equal(type, 11);
	assert_int_equal(certificate.len, 3 + CHAIN_LEN);
	list_len = (uint32_t)certificate.p[0] << 16 | (uint32_t)certificate.p[1] << 8 |
		   certificate.p[2];
	assert_int_equal(list_len, CHAIN_LEN);
	assert_memory_equal(certificate.p + 3, chain, CHAIN_LEN);
	assert_int_equal(hf_reader_left(&r), 4);
	assert_memory_equal(r.p, done, 4);
	rig_close(&rig);
}

/* The same with a key exchange of ours: nothing leaves before all of it is there. The
 * double signs by giving back what it is to sign, the digest under PKCS #1. */
static void first_flight_with_ecdhe(void **state)
{
	static const uint8_t head[] = {12, 0, 1, 0x49, 3, 0, 23, 65, 4},
			     scheme[] = {4, 1, 1, 0, 0, 1};
	static uint8_t out[8192];
	const uint8_t *key;
	size_t len;

	(void)state;
	use_ecdhe(NULL);
	rig_open(&rig);
	feed_hello(&plain_hello);
	do {
		rig_turn(&rig);
		assert_true(rig.out.len == 0 || !(rig.set & (HF_TLS_WAIT_PK | HF_TLS_WAIT_SYM)));
	} while (rig.out.len == 0);
	len = unwrap(out, rig_sent(&rig, out, sizeof(out)));
	key = out + len - 4 - 333;
	assert_memory_equal(key - CHAIN_LEN, chain, CHAIN_LEN);
	assert_memory_equal(key, head, sizeof(head));
	assert_memory_equal(key + 9, rig.tls.hs->scalar, 32);
	assert_memory_equal(key + 4 + 69, scheme, sizeof(scheme));
	assert_memory_equal(key + 333 - 32, rig.tls.hs->hash, 32);
	assert_memory_equal(key + 333, "\x0e\0\0\0", 4);
	rig_close(&rig);
	use_rsa(NULL);
}

/* NewSessionTicket, ChangeCipherSpec and Finished leave as one run of bytes: one segment. */
static void last_flight_leaves_together(void **state)
{
	static const uint8_t ticket[] = {22, 3, 3, 0, 202, 4, 0, 0, 198, 0, 0, RIG_LIFETIME_S >> 8,
		RIG_LIFETIME_S & 255, 0, 192, HF_TLS_TICKET_NAME_VERSION},
			     want[] = {20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 16 + 16 + 20};
	uint8_t flight[400], out[400], finished[12];
	size_t len = put_second_flight(flight, sizeof(flight)), sent;
	uint32_t news = 0;

	(void)state;
	assert_int_equal(len + 48, 342);
	to_stage(HELLO);
	rig_feed(&rig, flight, len);
	do {
		rig_turn(&rig);
		news += !!(rig.set & HF_TLS_ESTABLISHED);
		assert_true(rig.out.len == 0 || rig.tls.state == HF_TLS_ST_DONE);
	} while (rig.out.len == 0);
	assert_int_equal(news, 1);
	sent = rig_sent(&rig, out, sizeof(out));
	assert_int_equal(sent, 207 + 6 + 5 + 16 + 16 + 20); /* 12 less than captured, in Finished */
	assert_memory_equal(out, ticket, sizeof(ticket));
	assert_memory_equal(out + 207, want, sizeof(want));
	sym_double_prf("server finished", finished, 12);
	assert_memory_equal(out + 207 + sizeof(want) + 16, "\x14\0\0\x0c", 4);
	assert_memory_equal(out + 207 + sizeof(want) + 20, finished, 12);
	assert_int_equal(rig.tls.reason, HF_TLS_R_OK);
	assert_int_equal(rig.x.stats.handshake_ns.cnt, 1);
	assert_true(rig.x.stats.key_exchange_ns.sum > 0);
	assert_true(rig.x.stats.key_exchange_ns.sum < rig.x.stats.handshake_ns.sum);
	rig_close(&rig);
}

/* What comes behind the client's Finished in the same segment may be wrong at once. The handshake was
 * still one: it is told, counted and known, and the failure is a fault after it. */
static void established_and_failed_in_one_run(void **state)
{
	uint64_t ok = rig.x.stats.reason[HF_TLS_R_OK];
	struct hf_tls_peer p;
	uint8_t flight[400];

	(void)state;
	to_stage(HELLO);
	rig_feed(&rig, flight, put_second_flight(flight, sizeof(flight)));
	rig_feed(&rig, "GET /", 5);
	while (!(rig_turn(&rig) & HF_TLS_ESTABLISHED))
		;
	assert_true(rig.set & HF_TLS_FAILED);
	assert_int_equal(rig.x.stats.reason[HF_TLS_R_OK], ok + 1);
	assert_int_equal(rig.x.stats.fault[HF_TLS_R_NOT_TLS], 1);
	hf_tls_peer(&rig.tls, &p);
	assert_non_null(p.master);
	assert_non_null(p.client_random);
	hf_tls_hs_release(&rig.x, &rig.tls);
	rig_close(&rig);
}

static void without_a_ticket_none_is_sent(void **state)
{
	struct hello spec = plain_hello;
	uint8_t flight[400], out[6000];
	size_t len = put_second_flight(flight, sizeof(flight));

	(void)state;
	spec.no_ticket = true;
	rig_open(&rig);
	feed_hello(&spec);
	rig_settle(&rig);
	rig_sent(&rig, out, sizeof(out));
	rig_feed(&rig, flight, len);
	rig_settle(&rig);
	assert_int_equal(rig_sent(&rig, out, sizeof(out)), 6 + 5 + 16 + 16 + 20);
	assert_memory_equal(out, "\x14\3\3\0\1\1\x16", 7);
	rig_close(&rig);
}

static void peer_is_known_until_released(void **state)
{
	struct hf_tls_peer p;
	uint8_t master[48];

	(void)state;
	to_stage(DONE);
	hf_tls_peer(&rig.tls, &p);
	assert_int_equal(p.version, 0x0303);
	assert_int_equal(p.suite, 0x002f);
	assert_int_equal(p.client_version, 0x0303);
	assert_ptr_equal(p.vhost, &rig.vhost[2]);
	assert_true(hf_span_eq(p.sni, hf_span("www.example.org", 15)));
	assert_ptr_equal(p.protocol, &rig.alpn[0]);
	assert_int_equal(p.client_random[0], 0x40);
	assert_int_equal(p.ja4.len, HF_JA4_LEN);
	assert_memory_equal(p.ja4.p, "t12d0111h1_", 11);
	sym_double_prf("master secret", master, sizeof(master));
	assert_memory_equal(p.master, master, sizeof(master));
	assert_int_equal(rig.use.cnt, 1);
	hf_tls_hs_release(&rig.x, &rig.tls);
	assert_int_equal(rig.use.cnt, 0);
	assert_int_equal(rig.x.hs.used, 0);
	assert_int_equal(rig.bufs.chunk.used, 0);
	hf_tls_peer(&rig.tls, &p);
	assert_null(p.master);
	assert_int_equal(p.suite, 0x002f);
	rig_close(&rig);
}

static void extended_master_secret(void **state)
{
	struct hello spec = plain_hello;
	struct hf_tls_peer p;
	uint8_t flight[400], master[48];
	uint64_t before = rig.x.stats.extended_master;

	(void)state;
	spec.ems = true;
	rig_open(&rig);
	feed_hello(&spec);
	rig_settle(&rig);
	rig_feed(&rig, flight, put_second_flight(flight, sizeof(flight)));
	rig_settle(&rig);
	assert_true(rig.news & HF_TLS_ESTABLISHED);
	hf_tls_peer(&rig.tls, &p);
	sym_double_prf("extended master secret", master, sizeof(master));
	assert_memory_equal(p.master, master, sizeof(master));
	assert_int_equal(rig.x.stats.extended_master, before + 1);
	rig_close(&rig);
}

static void names_are_counted(void **state)
{
	static const char *const name[] = {
		NULL, "unknown.test", "www.example.org", "a.example.org"};
	const uint64_t *count[] = {&rig.x.stats.name_none, &rig.x.stats.name_unknown,
		&rig.x.stats.name_exact, &rig.x.stats.name_wildcard};
	struct hello spec = plain_hello;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(name); i++) {
		uint64_t before = *count[i];
		spec.name = name[i];
		rig_open(&rig);
		feed_hello(&spec);
		rig_run(&rig);
		assert_int_equal(*count[i], before + 1);
		rig_close(&rig);
	}
}

/* RFC 5246 7.4.7.1: the fallback is drawn anew for every handshake, and neither it nor anything
 * else that is drawn tells a right premaster secret from a wrong one. */
static void premaster_and_its_fallback(void **state)
{
	static const uint8_t seed[HF_RAND_SEED_LEN] = {3};
	struct hf_rand after[2];
	uint8_t got[3][HF_PREMASTER_LEN], em[256], message[300];

	(void)state;
	for (int i = 0; i < 3; i++) { /* wrong, right, wrong */
		struct hf_writer w = hf_writer(message, sizeof(message));
		if (i < 2)
			hf_rand_seed(&rig.rand, seed);
		to_stage(HELLO);
		put_premaster(em, i == 1 ? 0x0303 : 0x0302);
		put_key_exchange(&w, em, sizeof(em));
		feed_record(22, message, w.len);
		while (rig.tls.hs->step == 0 || rig.tls.hs->pk_job)
			rig_turn(&rig);
		memcpy(got[i], rig.tls.hs->premaster, HF_PREMASTER_LEN);
		if (i < 2)
			after[i] = rig.rand;
		rig_close(&rig);
	}
	assert_memory_equal(got[1], "\3\3\x77", 3);
	assert_memory_not_equal(got[0], got[1], HF_PREMASTER_LEN);
	assert_memory_not_equal(got[0], got[2], HF_PREMASTER_LEN);
	assert_memory_equal(&after[0], &after[1], sizeof(after[0]));
}

static bool all_zero(const void *p, size_t len)
{
	const uint8_t *b = p;

	while (len > 0 && b[len - 1] == 0)
		len--;
	return len == 0;
}

static void secrets_are_wiped(void **state)
{
	struct hf_tls_hs *hs;
	uint64_t forgotten;

	(void)state;
	to_stage(DONE);
	forgotten = sym_double_forgotten;
	hs = rig.tls.hs;
	assert_true(all_zero(hs->scalar, sizeof(hs->scalar)));
	assert_true(all_zero(hs->premaster, sizeof(hs->premaster)));
	assert_true(all_zero(hs->block, sizeof(hs->block)));
	assert_true(all_zero(hs->verify, sizeof(hs->verify)));
	assert_false(all_zero(hs->master, sizeof(hs->master)));
	assert_false(all_zero(&rig.tls.rd.keys.key, 16));
	hf_tls_hs_release(&rig.x, &rig.tls);
	assert_true(all_zero(hs, sizeof(*hs)));
	rig_close(&rig);
	assert_true(all_zero(&rig.tls, sizeof(rig.tls)));
	assert_int_equal(sym_double_forgotten, forgotten + 2);
}

static uint32_t traced(enum hf_trace_what what)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i <= rig.trace.mask; i++)
		cnt += rig.trace.ev[i].what == what && rig.trace.ev[i].conn == (uint32_t)RIG_OWNER;
	return cnt;
}

static void recorder_tells_the_story(void **state)
{
	(void)state;
	hf_trace_init(&rig.trace, rig.trace.ev, rig.trace.mask + 1);
	to_stage(DONE);
	assert_int_equal(traced(HF_TRACE_TLS_STATE), 4);
	assert_int_equal(traced(HF_TRACE_PK_SUBMIT), 1);
	assert_int_equal(traced(HF_TRACE_PK_DONE), 1);
	assert_int_equal(traced(HF_TRACE_TLS_DONE), 1);
	assert_int_equal(traced(HF_TRACE_TLS_FAIL), 0);
	assert_true(rig.tls.done_at > rig.tls.opened_at && rig.tls.done_at <= rig.now);
	hf_tls_fail(&rig.x, &rig.tls, HF_TLS_R_EVICTED);
	assert_int_equal(traced(HF_TRACE_TLS_FAIL), 1);
	rig_close(&rig);
}

static void nothing_is_drawn_twice(void **state)
{
	uint8_t random[2][HF_TLS_RANDOM_LEN];
	uint64_t id[4];

	(void)state;
	for (int i = 0; i < 2; i++) {
		to_stage(DONE);
		memcpy(random[i], rig.tls.hs->server_random, HF_TLS_RANDOM_LEN);
		id[2 * i] = rig.tls.rd.keys.id;
		id[2 * i + 1] = rig.tls.wr.keys.id;
		rig_close(&rig);
	}
	assert_memory_not_equal(random[0], random[1], 8);
	assert_memory_not_equal(random[0] + 24, random[1] + 24, 8);
	assert_true(id[0] > 0);
	for (int i = 1; i < 4; i++)
		assert_int_equal(id[i], id[0] + (uint64_t)i);
}

/* ---- every way to fail ---- */

static uint8_t alert_of(enum hf_tls_reason reason)
{
	return hf_tls_reason_alert(reason);
}

/* The connection has just ended for `reason`: counted once, in the right table, its alert is the
 * last thing sent and nothing more comes. */
static void expect_end(enum hf_tls_reason reason, bool was_done)
{
	uint64_t *count = was_done ? rig.x.stats.fault : rig.x.stats.reason;
	uint8_t out[9000];
	size_t len;

	rig_settle(&rig);
	if (rig.tls.reason != reason)
		fail_msg("row %zu ended as %s, not %s", row, hf_tls_reason_name(rig.tls.reason),
			hf_tls_reason_name(reason));
	assert_true(rig.set & HF_TLS_FAILED);
	assert_true(count[reason] > 0);
	assert_true(hf_tls_flushed(&rig.tls));
	assert_int_equal(hf_tls_plain(&rig.tls).len, 0);
	hf_tls_hs_release(&rig.x, &rig.tls);
	assert_int_equal(rig.x.hs.used, 0);
	assert_int_equal(rig.use.cnt, 0);
	len = rig_sent(&rig, out, sizeof(out));
	if (alert_of(reason) == HF_TLS_ALERT_NONE) {
		assert_int_equal(len, 0);
	} else if (rig.tls.wr.keys.cipher == HF_CIPHER_NONE) {
		assert_int_equal(len, 7);
		assert_memory_equal(out, "\x15\3\3\0\2\2", 6);
		assert_int_equal(out[6], alert_of(reason));
	} else {
		assert_int_equal(len, 5 + 16 + 2 + 20);
		assert_int_equal(out[0], 0x15);
		assert_int_equal(out[5 + 16], 2);
		assert_int_equal(out[5 + 16 + 1], alert_of(reason));
	}
	rig_feed(&rig, "more", 4);
	rig_settle(&rig);
	assert_int_equal(rig.in.len, 0);
	assert_int_equal(rig.out.len, 0);
	*(was_done ? &seen_fault[reason] : &seen[reason]) = true;
	rig_close(&rig);
}

struct wrong {
	enum stage stage;
	enum hf_tls_reason reason;
	uint8_t len;
	const char *bytes;
};

static void bytes_that_end_it(void **state)
{
	static const struct wrong rows[] = {
		{START, HF_TLS_R_PLAIN_TEXT, 16, "GET / HTTP/1.1\r\n"},
		{START, HF_TLS_R_PLAIN_TEXT, 6, "PROXY "},
		{START, HF_TLS_R_PLAIN_TEXT, 5, "~~~ \n"},
		{START, HF_TLS_R_NOT_TLS, 5, "GET\x7f "},
		{START, HF_TLS_R_SSLV2_HELLO, 6, "\x80\x2e\1\3\1\0"},
		{START, HF_TLS_R_SSLV2_HELLO, 6, "\x80\x2e\1\0\2\0"},
		{START, HF_TLS_R_SSLV2_HELLO, 6, "\x80\x2e\1\3\2\0"},
		{START, HF_TLS_R_HELLO_SYNTAX, 5, "\x80\3\1\3\3"},
		{START, HF_TLS_R_HELLO_SYNTAX, 11, "\x80\x9\1\3\3\0\3\0\0\0\x10"},
		{START, HF_TLS_R_RECORD_OVERFLOW, 5, "\x84\1\1\3\3"},
		{START, HF_TLS_R_NOT_TLS, 5, "\x80\x2e\2\3\1"},
		{START, HF_TLS_R_NOT_TLS, 5, "\x80\x2e\1\0\3"},
		{START, HF_TLS_R_NOT_TLS, 5, "\0\0\0\0\0"},
		{START, HF_TLS_R_NOT_TLS, 5, "\x16\2\0\0\1"},
		{START, HF_TLS_R_NOT_TLS, 5, "\x18\3\3\0\1"},
		{HELLO, HF_TLS_R_NOT_TLS, 5, "\x18\3\3\0\1"},
		{HELLO, HF_TLS_R_NOT_TLS, 5, "GET /"},
		{HELLO, HF_TLS_R_RECORD_VERSION, 6, "\x16\2\0\0\1\x10"},
		{CCS, HF_TLS_R_RECORD_VERSION, 6, "\x16\3\1\0\1\x14"},
		{DONE, HF_TLS_R_RECORD_VERSION, 6, "\x17\3\4\0\1x"},
		{START, HF_TLS_R_RECORD_OVERFLOW, 5, "\x16\3\1\x40\1"},
		{CCS, HF_TLS_R_RECORD_OVERFLOW, 5, "\x16\3\3\x48\1"},
		{DONE, HF_TLS_R_RECORD_OVERFLOW, 5, "\x17\3\3\x48\1"},
		{START, HF_TLS_R_EMPTY_RECORD, 5, "\x16\3\1\0\0"},
		{START, HF_TLS_R_EMPTY_RECORD, 5, "\x15\3\1\0\0"},
		{START, HF_TLS_R_EMPTY_RECORD, 5, "\x14\3\1\0\0"},
		{DONE, HF_TLS_R_EMPTY_RECORD, 5, "\x16\3\3\0\0"},
		{DONE, HF_TLS_R_EMPTY_RECORD, 5, "\x15\3\3\0\0"},
		{CCS, HF_TLS_R_BAD_RECORD, 9, "\x16\3\3\0\4BAD!"},
		{DONE, HF_TLS_R_BAD_RECORD, 9, "\x17\3\3\0\4BAD!"},
		{CCS, HF_TLS_R_INTERNAL, 9, "\x16\3\3\0\4ERR!"},
		{DONE, HF_TLS_R_INTERNAL, 9, "\x17\3\3\0\4ERR!"},
		{START, HF_TLS_R_INTERLEAVED, 13, "\x16\3\1\0\1\1\x15\3\1\0\2\1\x5a"},
		{HELLO, HF_TLS_R_INTERLEAVED, 14, "\x16\3\3\0\3\x10\0\1\x14\3\3\0\1\1"},
		{DONE, HF_TLS_R_INTERLEAVED, 12, "\x16\3\3\0\1\1\x17\3\3\0\1x"},
		{START, HF_TLS_R_UNEXPECTED_DATA, 6, "\x17\3\1\0\1x"},
		{START, HF_TLS_R_UNEXPECTED_DATA, 5, "\x17\3\1\0\0"},
		{HELLO, HF_TLS_R_UNEXPECTED_DATA, 6, "\x17\3\3\0\1x"},
		{KEY, HF_TLS_R_UNEXPECTED_DATA, 6, "\x17\3\3\0\1x"},
		{CCS, HF_TLS_R_UNEXPECTED_DATA, 6, "\x17\3\3\0\1x"},
		{START, HF_TLS_R_UNEXPECTED_CCS, 6, "\x14\3\1\0\1\1"},
		{HELLO, HF_TLS_R_UNEXPECTED_CCS, 6, "\x14\3\3\0\1\1"},
		{CCS, HF_TLS_R_UNEXPECTED_CCS, 6, "\x14\3\3\0\1\1"},
		{DONE, HF_TLS_R_UNEXPECTED_CCS, 6, "\x14\3\3\0\1\1"},
		{KEY, HF_TLS_R_BAD_CCS, 6, "\x14\3\3\0\1\2"},
		{KEY, HF_TLS_R_BAD_CCS, 7, "\x14\3\3\0\2\1\1"},
		{START, HF_TLS_R_BAD_ALERT, 6, "\x15\3\1\0\1\2"},
		{START, HF_TLS_R_BAD_ALERT, 8, "\x15\3\1\0\3\2\x28\x28"},
		{START, HF_TLS_R_BAD_ALERT, 7, "\x15\3\1\0\2\3\x28"},
		{DONE, HF_TLS_R_BAD_ALERT, 7, "\x15\3\3\0\2\0\x28"},
		{START, HF_TLS_R_PEER_ALERT, 7, "\x15\3\1\0\2\2\x28"},
		{HELLO, HF_TLS_R_PEER_ALERT, 7, "\x15\3\3\0\2\2\x30"},
		{KEY, HF_TLS_R_PEER_ALERT, 7, "\x15\3\3\0\2\2\x30"},
		{CCS, HF_TLS_R_PEER_ALERT, 7, "\x15\3\3\0\2\2\x30"},
		{DONE, HF_TLS_R_PEER_ALERT, 7, "\x15\3\3\0\2\2\x14"},
		{START, HF_TLS_R_PEER_CLOSED, 7, "\x15\3\1\0\2\1\0"},
		{HELLO, HF_TLS_R_PEER_CLOSED, 7, "\x15\3\3\0\2\1\0"},
		{CCS, HF_TLS_R_PEER_CLOSED, 7, "\x15\3\3\0\2\1\0"},
		/* messages out of order: each kind where it does not belong */
		{START, HF_TLS_R_UNEXPECTED_MESSAGE, 9, "\x16\3\1\0\4\0\0\0\0"},
		{START, HF_TLS_R_UNEXPECTED_MESSAGE, 9, "\x16\3\1\0\4\x10\0\1\2"},
		{START, HF_TLS_R_UNEXPECTED_MESSAGE, 9, "\x16\3\1\0\4\x14\0\0\x0c"},
		{HELLO, HF_TLS_R_UNEXPECTED_MESSAGE, 9, "\x16\3\3\0\4\1\0\1\0"},
		{HELLO, HF_TLS_R_UNEXPECTED_MESSAGE, 9, "\x16\3\3\0\4\x0b\0\0\3"},
		{HELLO, HF_TLS_R_UNEXPECTED_MESSAGE, 9, "\x16\3\3\0\4\x14\0\0\x0c"},
		{KEY, HF_TLS_R_UNEXPECTED_MESSAGE, 9, "\x16\3\3\0\4\x10\0\1\2"},
		{KEY, HF_TLS_R_UNEXPECTED_MESSAGE, 9,
			"\x16\3\3\0\4\x14\0\0\x0c"}, /* not yet encrypted */
		{CCS, HF_TLS_R_UNEXPECTED_MESSAGE, 9, "\x16\3\3\0\4\1\0\1\0"},
		{DONE, HF_TLS_R_UNEXPECTED_MESSAGE, 9, "\x16\3\3\0\4\x14\0\0\x0c"},
		{START, HF_TLS_R_MESSAGE_TOO_LONG, 9, "\x16\3\1\0\4\1\2\x01\x45"},
		{HELLO, HF_TLS_R_MESSAGE_TOO_LONG, 9, "\x16\3\3\0\4\x10\0\x08\3"},
		{CCS, HF_TLS_R_MESSAGE_TOO_LONG, 9, "\x16\3\3\0\4\x14\1\0\0"},
		{DONE, HF_TLS_R_MESSAGE_TOO_LONG, 9, "\x16\3\3\0\4\1\2\x01\x45"},
		{START, HF_TLS_R_HELLO_SYNTAX, 9, "\x16\3\1\0\4\1\0\0\0"},
		{HELLO, HF_TLS_R_KEY_EXCHANGE_SYNTAX, 9, "\x16\3\3\0\4\x10\0\0\0"},
		{HELLO, HF_TLS_R_KEY_EXCHANGE_SYNTAX, 11, "\x16\3\3\0\6\x10\0\0\2\0\1"},
		{HELLO, HF_TLS_R_KEY_EXCHANGE_SYNTAX, 12, "\x16\3\3\0\7\x10\0\0\3\0\0x"},
		{CCS, HF_TLS_R_FINISHED_SYNTAX, 9, "\x16\3\3\0\4\x14\0\0\0"},
		{CCS, HF_TLS_R_FINISHED_SYNTAX, 20,
			"\x16\3\3\0\x0f\x14\0\0\x0b"
			"client fini"},
		{CCS, HF_TLS_R_FINISHED_MISMATCH, 21,
			"\x16\3\3\0\x10\x14\0\0\x0c"
			"client finiX"},
	};

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		row = i;
		to_stage(rows[i].stage);
		rig_feed(&rig, rows[i].bytes, rows[i].len);
		expect_end(rows[i].reason, rows[i].stage == DONE);
	}
}

static void hellos_that_end_it(void **state)
{
	static const uint16_t unknown[] = {0x1301}, ec_only[] = {0xc02f}, ecdsa_only[] = {0xc02b},
			      fallen_back[] = {0x002f, 0x5600};
	static const struct {
		struct hello h;
		enum hf_tls_reason reason;
	} rows[] = {
		{{.version = 0x0302}, HF_TLS_R_OLD_VERSION},
		{{.more = "\0\x2b\0\3\2\3\4", .more_len = 7}, HF_TLS_R_NO_SHARED_VERSION},
		{{.more = "\0\x2b\0\3\2\3\3\0\x2b\0\3\2\3\3", .more_len = 14},
			HF_TLS_R_EXTENSION_TWICE},
		{{.more = "\0\x17\0\1x", .more_len = 5}, HF_TLS_R_EXTENSION_SYNTAX},
		{{.name = "not a name"}, HF_TLS_R_SERVER_NAME},
		{{.more = "\xff\1\0\2\1x", .more_len = 6, .no_renegotiation_info = true},
			HF_TLS_R_RENEGOTIATION_INFO},
		{{.suites = unknown, .suite_cnt = 1}, HF_TLS_R_NO_SHARED_SUITE},
		{{.suites = ecdsa_only, .suite_cnt = 1}, HF_TLS_R_NO_SHARED_KEY_TYPE},
		{{.version = 0x0302, .suites = fallen_back, .suite_cnt = 2}, HF_TLS_R_FALLBACK},
		{{.more = "\0\1\0\1\5", .more_len = 5}, HF_TLS_R_MAX_FRAGMENT},
		{{.name = "www.example.org", .alpn = "\1x"}, HF_TLS_R_NO_SHARED_PROTOCOL},
		{{.suites = ec_only,
			 .suite_cnt = 1,
			 .no_groups = true,
			 .more = "\0\12\0\4\0\2\0\x19",
			 .more_len = 8},
			HF_TLS_R_NO_SHARED_GROUP},
		{{.suites = ec_only,
			 .suite_cnt = 1,
			 .no_signatures = true,
			 .more = "\0\15\0\4\0\2\4\3",
			 .more_len = 8},
			HF_TLS_R_NO_SHARED_SIGNATURE},
		{{.no_points = true, .more = "\0\13\0\2\1\1", .more_len = 6},
			HF_TLS_R_POINT_FORMATS},
	};
	uint8_t record[600];
	size_t len;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		rig_open(&rig);
		feed_hello(&rows[i].h);
		expect_end(rows[i].reason, false);
	}
	rig.site.strict = true;
	rig_open(&rig);
	feed_hello(&(struct hello){.name = "nobody.test"});
	expect_end(HF_TLS_R_UNKNOWN_NAME, false);
	rig.site.strict = false;
	len = put_hello_record(record, sizeof(record), &(struct hello){.no_extensions = true});
	record[len - 1] = 1;
	rig_open(&rig);
	rig_feed(&rig, record, len);
	expect_end(HF_TLS_R_NO_NULL_COMPRESSION, false);
}

static void points_that_end_it(void **state)
{
	static const struct {
		enum hf_tls_reason reason;
		uint8_t len;
		const char *bytes;
	} rows[] = {
		{HF_TLS_R_KEY_EXCHANGE_SYNTAX, 4, "\x10\0\0\0"},
		{HF_TLS_R_KEY_EXCHANGE_SYNTAX, 5, "\x10\0\0\1\1"},
		{HF_TLS_R_KEY_EXCHANGE_SYNTAX, 6, "\x10\0\0\2\0x"},
		{HF_TLS_R_BAD_POINT, 5, "\x10\0\0\1\0"},
		{HF_TLS_R_BAD_POINT, 6, "\x10\0\0\2\1\4"},
	};

	(void)state;
	use_ecdhe(NULL);
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		row = i;
		to_stage(HELLO);
		feed_record(22, rows[i].bytes, rows[i].len);
		expect_end(rows[i].reason, false);
	}
	use_rsa(NULL);
}

static void floods_are_bounded(void **state)
{
	static const struct {
		const char *bytes;
		uint8_t len;
		uint32_t allowed;
		enum stage stage;
		enum hf_tls_reason reason;
	} rows[] = {
		{"\x15\3\1\0\2\1\x5a", 7, 4, START, HF_TLS_R_TOO_MANY_WARNINGS},
		{"\x15\3\3\0\2\1\x5a", 7, 4, DONE, HF_TLS_R_TOO_MANY_WARNINGS},
		{"\x17\3\3\0\0", 5, 32, DONE, HF_TLS_R_TOO_MANY_EMPTY},
		{"\x16\3\3\0\5\1\0\0\1x", 10, 3, DONE, HF_TLS_R_RENEGOTIATION},
	};

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		to_stage(rows[i].stage);
		for (uint32_t n = 0; n < rows[i].allowed; n++) {
			rig_feed(&rig, rows[i].bytes, rows[i].len);
			rig_settle(&rig);
			assert_false(rig.set & HF_TLS_FAILED);
			assert_int_equal(rig.credit, rig.fed);
		}
		hf_chain_clear(&rig.bufs, &rig.out);
		rig_feed(&rig, rows[i].bytes, rows[i].len);
		expect_end(rows[i].reason, rows[i].stage == DONE);
	}
}

/* Empty records are counted in a row only. */
static void empty_data_is_tolerated(void **state)
{
	uint8_t c;

	(void)state;
	to_stage(DONE);
	for (int i = 0; i < 100; i++) {
		rig_feed(&rig, "\x17\3\3\0\0\x17\3\3\0\1x", 11);
		rig_settle(&rig);
		assert_int_equal(rig_take(&rig, &c, 1), 1);
	}
	assert_int_equal(rig.credit, rig.fed);
	rig_close(&rig);
}

static void plaintext_beyond_the_limit(void **state)
{
	static uint8_t record[HF_TLS_FRAGMENT_MAX];

	(void)state;
	to_stage(DONE);
	feed_record(23, record, HF_TLS_RECORD_MAX + 1); /* the double opens it into as many bytes */
	expect_end(HF_TLS_R_RECORD_OVERFLOW, true);
	to_stage(DONE);
	feed_record(23, record, HF_TLS_RECORD_MAX);
	rig_settle(&rig);
	assert_int_equal(hf_tls_plain(&rig.tls).len, HF_TLS_RECORD_MAX);
	rig_close(&rig);
}

static void peer_goes_away(void **state)
{
	static const enum hf_tls_reason at[] = {HF_TLS_R_GONE_SILENT, HF_TLS_R_GONE_AT_CERTIFICATE,
		HF_TLS_R_GONE_AFTER_KEY, HF_TLS_R_GONE_AFTER_KEY};

	(void)state;
	for (enum stage s = START; s < DONE; s++) {
		to_stage(s);
		rig.in_eof = true;
		expect_end(at[s], false);
		uint64_t before = rig.x.stats.reason[at[s]];
		to_stage(s); /* a reset instead of a FIN: the worker frees it */
		rig_close(&rig);
		assert_int_equal(rig.x.stats.reason[at[s]], before + 1);
	}
	rig_open(&rig);
	rig_feed(&rig, "\x16\3\1\0\x80", 5);
	rig_settle(&rig);
	assert_false(rig.set & HF_TLS_FAILED);
	rig.in_eof = true;
	expect_end(HF_TLS_R_GONE_IN_HELLO, false);
}

/* It has not seen our certificate yet, and so did not leave because of it. */
static void peer_does_not_wait(void **state)
{
	uint64_t before;

	(void)state;
	use_ecdhe(NULL);
	rig_open(&rig);
	feed_hello(&plain_hello);
	rig_run(&rig); /* the key pair is being made */
	before = rig.x.stats.reason[HF_TLS_R_GONE_WAITING];
	rig_close(&rig);
	assert_int_equal(rig.x.stats.reason[HF_TLS_R_GONE_WAITING], before + 1);
	seen[HF_TLS_R_GONE_WAITING] = true;
	use_rsa(NULL);
}

static void worker_gives_up(void **state)
{
	static const enum hf_tls_reason why[] = {HF_TLS_R_TIMED_OUT, HF_TLS_R_HELLO_LATE,
		HF_TLS_R_ENGINES_LATE, HF_TLS_R_UNREACHABLE, HF_TLS_R_STALLED, HF_TLS_R_EVICTED,
		HF_TLS_R_LIMITED, HF_TLS_R_SHUTDOWN};

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(why); i++) {
		for (enum stage s = START; s <= DONE; s++) {
			to_stage(s);
			hf_tls_fail(&rig.x, &rig.tls, why[i]);
			hf_tls_fail(&rig.x, &rig.tls, HF_TLS_R_INTERNAL); /* the first one counts */
			expect_end(why[i], s == DONE);
		}
	}
	to_stage(DONE); /* a farewell that was queued is not said any more */
	hf_tls_close(&rig.x, &rig.tls);
	hf_tls_fail(&rig.x, &rig.tls, HF_TLS_R_EVICTED);
	expect_end(HF_TLS_R_EVICTED, true);
}

/* The ticket of a handshake that is over. */
static void earn_ticket(uint8_t ticket[HF_TLS_TICKET_LEN], bool ems)
{
	struct hello spec = plain_hello;
	uint8_t flight[400], out[400];

	spec.ems = ems;
	rig_open(&rig);
	feed_hello(&spec);
	rig_settle(&rig);
	hf_chain_clear(&rig.bufs, &rig.out);
	rig_feed(&rig, flight, put_second_flight(flight, sizeof(flight)));
	rig_settle(&rig);
	assert_int_equal(rig.tls.state, HF_TLS_ST_DONE);
	assert_true(rig_sent(&rig, out, sizeof(out)) > 207);
	memcpy(ticket, out + 15, HF_TLS_TICKET_LEN);
	rig_close(&rig);
}

static void resumptions_that_end_it(void **state)
{
	static const struct {
		bool ems;
		const char *bytes; /* after our flight; NULL: the peer goes away */
		size_t len;
		enum hf_tls_reason reason;
	} rows[] = {
		{true, "", 0, HF_TLS_R_EMS_LOST},
		{false, NULL, 0, HF_TLS_R_GONE_AT_RESUMPTION},
		{false, "\x15\3\3\0\2\2\x28", 7, HF_TLS_R_PEER_ALERT},
		{false, "\x17\3\3\0\1x", 6, HF_TLS_R_UNEXPECTED_DATA},
		{false, "\x16\3\3\0\4\1\0\1\0", 9, HF_TLS_R_UNEXPECTED_MESSAGE},
		{false, "\x16\3\3\0\4\x10\0\1\2", 9, HF_TLS_R_UNEXPECTED_MESSAGE},
		{false, "\x16\3\3\0\4\x14\0\0\x0c", 9, HF_TLS_R_UNEXPECTED_MESSAGE},
		{false, "\x14\3\3\0\1\2", 6, HF_TLS_R_BAD_CCS},
		{false, "\x14\3\3\0\1\1\x14\3\3\0\1\1", 12, HF_TLS_R_UNEXPECTED_CCS},
		{false, "\x14\3\3\0\1\1\x16\3\3\0\4BAD!", 15, HF_TLS_R_BAD_RECORD},
		{false,
			"\x14\3\3\0\1\1\x16\3\3\0\x10\x14\0\0\x0c"
			"client finiX",
			27, HF_TLS_R_FINISHED_MISMATCH},
	};
	uint8_t ticket[HF_TLS_TICKET_LEN];
	struct hello spec = plain_hello;

	(void)state;
	spec.ticket = ticket;
	spec.ticket_len = sizeof(ticket);
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		row = i;
		earn_ticket(ticket, rows[i].ems);
		rig_open(&rig);
		feed_hello(&spec);
		rig_settle(&rig);
		if (!rows[i].ems)
			hf_chain_clear(&rig.bufs, &rig.out);
		if (rows[i].bytes)
			rig_feed(&rig, rows[i].bytes, rows[i].len);
		else
			rig.in_eof = true;
		expect_end(rows[i].reason, false);
	}
}

/* Who is late depends on who has the word. */
static void deadlines_name_the_late(void **state)
{
	static const enum hf_tls_reason at[] = {
		HF_TLS_R_HELLO_LATE, HF_TLS_R_TIMED_OUT, HF_TLS_R_TIMED_OUT, HF_TLS_R_TIMED_OUT};

	(void)state;
	for (enum stage s = START; s < DONE; s++) {
		to_stage(s);
		assert_int_equal(hf_tls_reason_late(&rig.tls), at[s]);
		rig_close(&rig);
	}
	use_ecdhe(NULL);
	rig_open(&rig);
	feed_hello(&plain_hello);
	rig_run(&rig); /* the key pair is being made */
	assert_int_equal(hf_tls_reason_late(&rig.tls), HF_TLS_R_ENGINES_LATE);
	rig_close(&rig);
	use_rsa(NULL);
}

/* What the failed client had said is there until it is let go. */
static void hello_outlives_failure(void **state)
{
	uint8_t hello[1024], kept[1024];
	size_t len = put_hello(hello, sizeof(hello), &plain_hello);

	(void)state;
	for (enum stage s = HELLO; s < DONE; s++) {
		to_stage(s);
		hf_tls_fail(&rig.x, &rig.tls, HF_TLS_R_TIMED_OUT);
		rig_settle(&rig);
		assert_int_equal(hf_tls_hello_copy(&rig.tls, kept, sizeof(kept)), len);
		assert_memory_equal(kept, hello, len);
		assert_int_equal(hf_tls_hello_copy(&rig.tls, kept, 17), 17);
		hf_tls_hs_release(&rig.x, &rig.tls);
		assert_int_equal(hf_tls_hello_copy(&rig.tls, kept, sizeof(kept)), 0);
		rig_close(&rig);
	}
	rig_open(&rig);
	feed_record(22, hello, 100); /* not all of it came */
	rig_settle(&rig);
	rig.in_eof = true;
	rig_settle(&rig);
	assert_int_equal(hf_tls_hello_copy(&rig.tls, kept, sizeof(kept)), 100);
	assert_memory_equal(kept, hello, 100);
	rig_close(&rig);
}

static void stages_and_alerts_have_names(void **state)
{
	(void)state;
	assert_string_equal(hf_tls_stage_name(HF_TLS_ST_HELLO), "hello");
	assert_string_equal(hf_tls_stage_name(HF_TLS_ST_DONE), "traffic");
	assert_string_equal(hf_tls_stage_name(200), "?");
	assert_string_equal(hf_tls_alert_name(48), "UNKNOWN_CA");
	assert_string_equal(hf_tls_alert_name(1), "unknown");
}

static uint64_t row_value(const char *name)
{
	for (uint32_t i = 0; i < hf_tls_stat_table.row_cnt; i++) {
		const struct hf_stat_row *r = &hf_tls_stat_table.row[i];
		uint64_t v;
		if (strcmp(r->name, name) != 0)
			continue;
		assert_true(r->off + sizeof(v) <= sizeof(rig.x.stats));
		memcpy(&v, (const uint8_t *)&rig.x.stats + r->off, sizeof(v));
		return v;
	}
	fail_msg("no row %s", name);
	return 0;
}

static void rows_name_the_counters(void **state)
{
	char name[64];

	(void)state;
	assert_int_equal(row_value("opened"), rig.x.stats.opened);
	assert_int_equal(row_value("handshake_ns"), rig.x.stats.handshake_ns.cnt);
	for (uint32_t i = 0; i < HF_TLS_REASON_CNT; i++) {
		snprintf(name, sizeof(name), "handshake_%s", hf_tls_reason_name(i));
		assert_int_equal(row_value(name), rig.x.stats.reason[i]);
		snprintf(name, sizeof(name), "fault_%s", hf_tls_reason_name(i));
		assert_int_equal(row_value(name), rig.x.stats.fault[i]);
	}
	assert_string_equal(hf_tls_reason_name(HF_TLS_REASON_CNT), "?");
	assert_string_equal(hf_tls_suite_name(0x0a0a), "unknown");
}

/* Every handshake that succeeded is in exactly one row. */
static void kinds_add_up(void **state)
{
	uint64_t sum = 0, resumed = 0;

	(void)state;
	for (uint32_t i = 0; i < HF_TLS_KIND_CNT; i++) {
		const struct hf_tls_kind *k = &rig.x.kind[i];
		struct hf_tls_kind_key key = hf_tls_kind_read(k->key);

		if (k->key == 0)
			continue;
		assert_int_equal(key.version, 0x0303);
		assert_int_equal(key.key_type, HF_PK_RSA);
		assert_string_not_equal(hf_tls_suite_name(key.suite), "unknown");
		sum += k->cnt;
		resumed += key.resumed ? k->cnt : 0;
	}
	assert_int_equal(sum + rig.x.stats.kinds_full, rig.x.stats.reason[HF_TLS_R_OK]);
	assert_true(sum > resumed && resumed > 0);
}

static void every_reason_was_seen(void **state)
{
	(void)state;
	seen[HF_TLS_R_OK] = rig.x.stats.reason[HF_TLS_R_OK] > 0;
	seen[HF_TLS_R_RENEGOTIATION] = seen_fault[HF_TLS_R_RENEGOTIATION];
	seen[HF_TLS_R_TOO_MANY_EMPTY] = seen_fault[HF_TLS_R_TOO_MANY_EMPTY];
	for (uint32_t i = 0; i < HF_TLS_REASON_CNT; i++)
		if (!seen[i] && i != HF_TLS_R_GONE_AT_REQUEST &&
			strncmp(hf_tls_reason_name(i), "CLIENT_", 7) != 0) /* those: auth.c */
			fail_msg("no test ends as %s", hf_tls_reason_name(i));
}

/* ---- jobs that come back to a changed world ---- */

static void pk_failure(void **state)
{
	static struct hf_pk_key odd;

	(void)state;
	odd = pk_double_key;
	rig.cert.key = &odd;
	rig_open(&rig);
	feed_hello(&plain_hello);
	rig_settle(&rig);
	hf_chain_clear(&rig.bufs, &rig.out);
	odd.type = HF_PK_EC_P256; /* pk refuses such jobs */
	feed_record(22, "\x10\0\0\3\0\1x", 7);
	expect_end(HF_TLS_R_PK_FAILED, false);
	rig.cert.key = &pk_double_key;
}

/* The same where the flight is made: the certificate's key cannot sign. */
static void signature_failure(void **state)
{
	static struct hf_pk_key odd;

	(void)state;
	odd = pk_double_key;
	rig.cert.key = &odd;
	use_ecdhe(NULL);
	rig_open(&rig);
	feed_hello(&plain_hello);
	rig_run(&rig);
	odd.type = HF_PK_EC_P256;
	expect_end(HF_TLS_R_PK_FAILED, false);
	use_rsa(NULL);
	rig.cert.key = &pk_double_key;
}

/* A driver that cannot: an end with a name, wherever in the handshake it happens. */
static void sym_failure(void **state)
{
	static const enum hf_sym_kind kinds[] = {HF_SYM_HASH, HF_SYM_PRF, HF_SYM_OPEN, HF_SYM_SEAL};
	uint8_t flight[400];
	size_t len = put_second_flight(flight, sizeof(flight));

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(kinds); i++) {
		for (uint32_t good_turns = 0; good_turns < 9; good_turns++) {
			to_stage(HELLO);
			rig_feed(&rig, flight, len);
			for (uint32_t n = 0; n < good_turns; n++)
				rig_turn(&rig);
			sym_double_breaks = kinds[i];
			rig_settle(&rig);
			sym_double_breaks = HF_SYM_KIND_CNT;
			assert_true(rig.news & (HF_TLS_FAILED | HF_TLS_ESTABLISHED));
			if (rig.set & HF_TLS_FAILED)
				assert_int_equal(rig.tls.reason, HF_TLS_R_INTERNAL);
			assert_true(good_turns > 0 || rig.set & HF_TLS_FAILED);
			rig_settle(&rig);
			assert_true(hf_tls_flushed(&rig.tls));
			rig_close(&rig);
		}
	}
}

/* A connection dies with jobs of each kind on their way; rig_close holds the books. */
static void dies_with_jobs_out(void **state)
{
	uint8_t flight[400];
	size_t len = put_second_flight(flight, sizeof(flight));
	uint64_t before;

	(void)state;
	for (uint32_t turns = 0; turns < 12; turns++) {
		for (int how = 0; how < 2; how++) {
			to_stage(HELLO);
			rig_feed(&rig, flight, len);
			for (uint32_t i = 0; i < turns; i++)
				rig_turn(&rig);
			rig_run(&rig);
			if (how)
				hf_tls_fail(&rig.x, &rig.tls, HF_TLS_R_TIMED_OUT);
			rig_close(&rig);
		}
	}
	assert_true(hf_pk_stats(rig.x.pk)->cancelled > 0);
	to_stage(DONE);
	feed_record(23, "data", 4);
	assert_int_equal(rig_write(&rig, "data", 4), 4);
	rig_run(&rig);
	before = hf_sym_stats(rig.x.sym)->cancelled;
	rig_close(&rig);
	assert_int_equal(hf_sym_stats(rig.x.sym)->cancelled, before + 2);
}

/* So does one whose flight is still being made: key pair, digest, signature, and the last kept while
 * there is no chunk to put it into. */
static void dies_while_offering(void **state)
{
	void *held[CHUNK_CNT];
	uint32_t cnt;

	(void)state;
	use_ecdhe(NULL);
	for (uint32_t turns = 0; turns < 8; turns++) {
		for (int how = 0; how < 4; how++) {
			cnt = 0;
			rig_open(&rig);
			feed_hello(&plain_hello);
			rig_run(&rig);
			while (how & 2 && (held[cnt] = hf_pool_take(&rig.bufs.chunk)))
				cnt++;
			for (uint32_t i = 0; i < turns; i++)
				rig_turn(&rig);
			if (how & 1)
				hf_tls_fail(&rig.x, &rig.tls, HF_TLS_R_TIMED_OUT);
			while (cnt > 0)
				hf_pool_give(&rig.bufs.chunk, held[--cnt]);
			rig_close(&rig);
		}
	}
	use_rsa(NULL);
}

/* A completion that finds its connection failed, but alive. */
static void completion_after_failure(void **state)
{
	uint8_t flight[400];
	size_t len = put_second_flight(flight, sizeof(flight));

	(void)state;
	to_stage(HELLO);
	rig_feed(&rig, flight, len);
	rig_run(&rig);
	hf_sym_flush(rig.x.sym);
	hf_tls_fail(&rig.x, &rig.tls, HF_TLS_R_EVICTED);
	while (hf_pk_work(rig.x.pk, HF_PK_IDLE, rig.now))
		;
	rig_dones(&rig);
	expect_end(HF_TLS_R_EVICTED, false);
}

/* ---- bytes cut anywhere ---- */

static void expect_handshake(const uint8_t *flight, size_t len)
{
	rig_feed(&rig, flight, len);
	rig_settle(&rig);
	assert_true(rig.news & HF_TLS_ESTABLISHED);
	assert_int_equal(rig.credit, rig.fed);
	rig_close(&rig);
}

static void segments_cut_anywhere(void **state)
{
	struct hello spec = plain_hello;
	uint8_t hello[600], flight[400];
	size_t hello_len, len = put_second_flight(flight, sizeof(flight));

	(void)state;
	spec.session_id_len = 32;
	spec.pad_to = 517;
	hello_len = put_hello_record(hello, sizeof(hello), &spec);
	for (size_t cut = 1; cut < hello_len; cut++) {
		rig_open(&rig);
		rig_feed(&rig, hello, cut);
		assert_int_equal(rig_settle(&rig), HF_TLS_WAIT_BYTES);
		assert_int_equal(rig.bufs.record.used + rig.x.hs.used, 0);
		rig_feed(&rig, hello + cut, hello_len - cut);
		rig_settle(&rig);
		assert_int_equal(rig.tls.state, HF_TLS_ST_KEY);
		expect_handshake(flight, len);
	}
	for (size_t cut = 1; cut < len; cut++) {
		to_stage(HELLO);
		rig_feed(&rig, flight, cut);
		rig_settle(&rig);
		expect_handshake(flight + cut, len - cut);
	}
	to_stage(HELLO);
	for (size_t i = 0; i < len - 1; i++) {
		rig_feed(&rig, flight + i, 1);
		rig_turn(&rig);
	}
	expect_handshake(flight + len - 1, 1);
	/* hello and second flight at once: odd, but in order */
	rig_open(&rig);
	rig_feed(&rig, hello, hello_len);
	expect_handshake(flight, len);
}

/* RFC 5246 E.2: a client that would also have spoken SSLv2. Its challenge is the end of the random. */
static void hello_of_sslv2(void **state)
{
	uint8_t hello[200], flight[400];
	size_t len = put_second_flight(flight, sizeof(flight)), at;
	struct hf_writer w = hf_writer(hello, sizeof(hello));

	(void)state;
	at = hf_writer_open(&w, 2);
	hf_writer_bytes(&w, "\1\3\3", 3);
	hf_writer_bytes(&w, "\0\6\0\0\0\x14\7\0\xc0", 9); /* the first suite is SSLv2's own */
	hf_writer_bytes(&w, ecdhe() ? "\0\xc0\x13" : "\0\0\x2f", 3);
	hf_writer_bytes(&w, "a challenge of twenty", 20);
	hf_writer_close(&w, at, 2);
	hello[0] |= 0x80;
	for (size_t cut = 1; cut < w.len; cut++) {
		static const uint8_t zero[12];

		rig_open(&rig);
		rig_feed(&rig, hello, cut);
		assert_int_equal(rig_settle(&rig), HF_TLS_WAIT_BYTES);
		rig_feed(&rig, hello + cut, w.len - cut);
		rig_settle(&rig);
		assert_int_equal(rig.tls.state, HF_TLS_ST_KEY);
		assert_int_equal(hf_transcript_view(&rig.tls.hs->log, 0, 1)[0], 1);
		assert_memory_equal(
			hf_transcript_view(&rig.tls.hs->log, 0, w.len - 2), hello + 2, w.len - 2);
		assert_memory_equal(rig.tls.hs->client_random, zero, sizeof(zero));
		assert_memory_equal(rig.tls.hs->client_random + 12, "a challenge of twenty", 20);
		expect_handshake(flight, len);
	}
}

/* The same cuts between records, and messages of one record each byte. */
static void messages_cut_anywhere(void **state)
{
	uint8_t hello[600], flight[400], finished[16], key[300];
	struct hf_writer w = hf_writer(key, sizeof(key));
	size_t hello_len = put_hello(hello, sizeof(hello), &plain_hello);

	(void)state;
	put_second_flight(flight, sizeof(flight));
	put_finished(finished);
	put_client_key(&w);
	for (size_t cut = 1; cut < hello_len; cut++) {
		rig_open(&rig);
		feed_record(22, hello, cut);
		rig_settle(&rig);
		feed_record(22, hello + cut, hello_len - cut);
		rig_settle(&rig);
		feed_record(22, key, 1 + cut % (w.len - 1));
		feed_record(22, key + 1 + cut % (w.len - 1), w.len - 1 - cut % (w.len - 1));
		feed_record(20, "\1", 1);
		feed_record(22, finished, 1 + cut % 15);
		feed_record(22, finished + 1 + cut % 15, 15 - cut % 15);
		expect_handshake(NULL, 0);
	}
	rig_open(&rig);
	for (size_t i = 0; i < hello_len; i++) {
		feed_record(22, hello + i, 1);
		rig_turn(&rig);
	}
	for (size_t i = 0; i < w.len; i++) {
		feed_record(22, key + i, 1);
		rig_turn(&rig);
	}
	feed_record(20, "\1", 1);
	for (size_t i = 0; i < 16; i++)
		feed_record(22, finished + i, 1);
	expect_handshake(NULL, 0);
}

/* Two messages in one record, of which the second is out of order: the first still counts. */
static void messages_share_a_record(void **state)
{
	uint8_t record[700];
	size_t len = put_hello(record, sizeof(record), &plain_hello);

	(void)state;
	memcpy(record + len, "\x14\0\0\x0c", 4);
	rig_open(&rig);
	feed_record(22, record, len + 4);
	rig_run(&rig);
	assert_true(rig.out.len > CHAIN_LEN);
	hf_chain_clear(&rig.bufs, &rig.out);
	assert_true(rig.set & HF_TLS_FAILED);
	assert_int_equal(rig.tls.reason, HF_TLS_R_UNEXPECTED_MESSAGE);
	rig_close(&rig);
}

/* ---- large and small ---- */

static void largest_hello(void **state)
{
	static uint8_t more[HF_TLS_CHUNKED_MAX];
	struct hello spec = plain_hello;
	static uint8_t message[HF_TLS_CHUNKED_MAX + 4];
	uint8_t flight[400];
	size_t len = put_hello(message, sizeof(message), &spec), flight_len;

	(void)state;
	flight_len = put_second_flight(flight, sizeof(flight));
	for (size_t size = 2000; size <= HF_TLS_CHUNKED_MAX; size += 1798) {
		size_t body = size, fill = body - len;
		size_t piece = size % 2 ? 5000u : HF_TLS_RECORD_MAX;
		memcpy(more, "\x0a\x0a", 2);
		more[2] = (uint8_t)(fill >> 8);
		more[3] = (uint8_t)fill;
		spec.more = more;
		spec.more_len = fill + 4;
		assert_int_equal(put_hello(message, sizeof(message), &spec), body + 4);
		rig_open(&rig);
		for (size_t at = 0; at < body + 4; at += piece)
			feed_record(22, message + at, HF_MIN(piece, body + 4 - at));
		rig_settle(&rig);
		assert_int_equal(rig.tls.state, HF_TLS_ST_KEY);
		assert_int_equal(rig.bufs.record.used, 0);
		hf_chain_clear(&rig.bufs, &rig.out);
		expect_handshake(flight, flight_len);
	}
}

/* Hellos that chunks do not take lie in a large buffer until the handshake ends, and wait for one
 * while others have them all. */
static void hello_beyond_chunks(void **state)
{
	static const size_t sizes[] = {HF_TLS_CHUNKED_MAX - 3, 30000, 65535};
	static uint8_t more[65536], message[66000];
	void *held[HF_TLS_LARGE_CNT];
	struct hello spec = plain_hello;
	uint8_t flight[400];
	size_t len = put_hello(message, sizeof(message), &spec), flight_len;

	(void)state;
	flight_len = put_second_flight(flight, sizeof(flight));
	for (size_t i = 0; i < HF_ARRAY_LEN(sizes); i++) {
		size_t body = sizes[i], fill = body - len;
		memcpy(more, "\x0a\x0a", 2);
		more[2] = (uint8_t)(fill >> 8);
		more[3] = (uint8_t)fill;
		spec.more = more;
		spec.more_len = fill + 4;
		assert_int_equal(put_hello(message, sizeof(message), &spec), body + 4);
		rig_open(&rig);
		for (size_t n = 0; n < HF_TLS_LARGE_CNT; n++)
			held[n] = hf_pool_take(&rig.x.large);
		feed_record(22, message, 6000);
		rig_settle(&rig);
		assert_true(rig.set & HF_TLS_WAIT_MEM);
		for (size_t n = 0; n < HF_TLS_LARGE_CNT; n++)
			hf_pool_give(&rig.x.large, held[n]);
		for (size_t at = 6000; at < body + 4; at += HF_TLS_RECORD_MAX)
			feed_record(22, message + at, HF_MIN(HF_TLS_RECORD_MAX, body + 4 - at));
		rig_settle(&rig);
		assert_int_equal(rig.tls.state, HF_TLS_ST_KEY);
		assert_int_equal(rig.x.large.used, 1);
		hf_chain_clear(&rig.bufs, &rig.out);
		expect_handshake(flight, flight_len);
		assert_int_equal(rig.x.large.used, 0);
	}
}

/* A chain beyond one record goes in three, and without record buffers in chunks. */
static void long_chain(void **state)
{
	static uint8_t out[70000];
	uint8_t flight[400], *held[RECORD_CNT] = {0};
	size_t flight_len = put_second_flight(flight, sizeof(flight));

	(void)state;
	rig.cert.list.len = 33000;
	for (int hold = 0; hold < 2; hold++) {
		size_t len = 0, records = 0, body = 0, n;
		for (uint32_t i = 0; hold && i < RECORD_CNT; i++)
			held[i] = hf_record_take(&rig.bufs);
		rig_open(&rig);
		feed_hello(&plain_hello);
		do {
			rig.room = 9000;
			rig_turn(&rig);
			n = rig_sent(&rig, out + len, sizeof(out) - len);
			len += n;
		} while (n > 0);
		for (size_t at = 0; at < len; at += 5 + n, records++) {
			n = (size_t)out[at + 3] << 8 | out[at + 4];
			assert_memory_equal(out + at, "\x16\3\3", 3);
			memmove(out + body, out + at + 5, n);
			body += n;
		}
		assert_true(hold ? records > 16 : records == 5);
		assert_memory_equal(out + body - 4 - 33000, chain, 33000);
		for (uint32_t i = 0; hold && i < RECORD_CNT; i++)
			hf_record_give(&rig.bufs, held[i], 0);
		rig.room = RIG_ALL_ROOM;
		expect_handshake(flight, flight_len);
	}
	rig.cert.list.len = CHAIN_LEN;
}

static void room_of_one_byte(void **state)
{
	static uint8_t whole[8192], dripped[8192];
	uint8_t flight[400];
	size_t len = put_second_flight(flight, sizeof(flight)), want, got = 0;

	(void)state;
	for (int drip = 0; drip < 2; drip++) {
		uint8_t *out = drip ? dripped : whole;
		uint8_t seed[HF_RAND_SEED_LEN] = {9};
		size_t n = 0;
		hf_rand_seed(&rig.rand, seed);
		rig_open(&rig);
		feed_hello(&plain_hello);
		for (int part = 0; part < 2; part++) {
			do {
				rig.room = drip ? 1 : RIG_ALL_ROOM;
				rig_turn(&rig);
				assert_true(!drip || rig.out.len <= 1);
				n += rig_sent(&rig, out + n, sizeof(whole) - n);
			} while (rig.set & (HF_TLS_WAIT_TX | HF_TLS_WAIT_SYM | HF_TLS_WAIT_PK));
			if (part == 0)
				rig_feed(&rig, flight, len);
		}
		assert_true(rig.news & HF_TLS_ESTABLISHED);
		want = drip ? want : n;
		got = n;
		rig_close(&rig);
	}
	assert_int_equal(got, want);
	assert_memory_equal(whole, dripped, want);
}

/* ---- short of everything ---- */

enum shortage { NO_CHUNK, NO_RECORD, NO_HS, NO_SYM, ONE_SYM, NO_PK, SHORTAGE_CNT };

struct held {
	void *slot[64];
	uint32_t cnt;
};

static void hold_all(enum shortage what, struct held *h)
{
	void *slot;

	for (h->cnt = 0;; h->cnt++) {
		switch (what) {
		case NO_CHUNK:
			slot = hf_pool_take(&rig.bufs.chunk);
			break;
		case NO_RECORD:
			slot = hf_pool_take(&rig.bufs.record);
			break;
		case NO_HS:
			slot = hf_pool_take(&rig.x.hs);
			break;
		case NO_SYM:
			slot = hf_sym_take(rig.x.sym);
			break;
		case ONE_SYM:
			slot = h->cnt < RIG_JOB_CNT - 1 ? hf_sym_take(rig.x.sym) : NULL;
			break;
		default:
			slot = hf_pk_take(rig.x.pk);
			break;
		}
		if (!slot)
			return;
		h->slot[h->cnt] = slot;
	}
}

static void release_all(enum shortage what, struct held *h)
{
	while (h->cnt-- > 0) {
		void *slot = h->slot[h->cnt];
		switch (what) {
		case NO_CHUNK:
			hf_pool_give(&rig.bufs.chunk, slot);
			break;
		case NO_RECORD:
			hf_pool_give(&rig.bufs.record, slot);
			break;
		case NO_HS:
			hf_pool_give(&rig.x.hs, slot);
			break;
		case NO_SYM:
		case ONE_SYM:
			hf_sym_give(rig.x.sym, slot);
			break;
		default:
			hf_pk_give(rig.x.pk, slot);
			break;
		}
	}
}

enum visit { TICKET, NO_TICKET, RESUMED, VISIT_CNT };

/* All that was sent, by kind: the flights whole, then so much data, then close_notify. */
static void check_sent(const uint8_t *p, size_t len, size_t data_len, enum visit visit)
{
	/* ServerHello with its extensions; then Certificate, ServerHelloDone, ec_point_formats and
	 * ServerKeyExchange, NewSessionTicket */
	size_t want = 4 + 40 + 5 + 4 + 15;
	size_t clear = 0, sealed = 0, data = 0, ccs = 0, alerts = 0;

	for (size_t at = 0, n; at < len; at += 5 + n) {
		n = (size_t)p[at + 3] << 8 | p[at + 4];
		assert_int_equal(alerts, 0); /* it is the last */
		switch (p[at]) {
		case 20:
			ccs++;
			break;
		case 21:
			alerts++;
			break;
		case 22:
			*(ccs ? &sealed : &clear) += n;
			break;
		default:
			data += n - 16 - 20;
		}
	}
	if (visit != RESUMED)
		want += 7 + CHAIN_LEN + 4 + (ecdhe() ? 333 : 0);
	if (visit != NO_TICKET)
		want += 4 + HF_TLS_TICKET_MESSAGE_LEN;
	assert_int_equal(clear, want + (ecdhe() ? 6 : 0));
	assert_int_equal(sealed, 16 + 16 + 20);
	assert_int_equal(ccs, 1);
	assert_int_equal(data, data_len);
	assert_int_equal(alerts, 1);
}

/* The whole connection, with one thing held away in turn `when`: it waits, says so, and goes on. */
static bool live_with(enum shortage what, uint32_t when, enum visit visit)
{
	static uint8_t big[9000], got[9000], out[40000];
	uint8_t hello[600], flight[400], ticket[HF_TLS_TICKET_LEN];
	struct hello spec = plain_hello;
	size_t hello_len, len = put_second_flight(flight, sizeof(flight));
	size_t key_len = 5 + ((size_t)flight[3] << 8 | flight[4]);
	size_t got_len = 0, wrote = 0, closed = 0, sent = 0;
	bool waited = false, fed_data = false;
	struct held h;
	uint32_t turn;

	spec.no_ticket = visit == NO_TICKET;
	if (visit == RESUMED) { /* under a key that is not the first: it is renewed */
		rig_tickets(&rig, 2, 1);
		earn_ticket(ticket, false);
		rig_tickets(&rig, 1, 2);
		spec.ticket = ticket;
		spec.ticket_len = sizeof(ticket);
	}
	hello_len = put_hello_record(hello, sizeof(hello), &spec);
	rig_open(&rig);
	rig_feed(&rig, hello, hello_len);
	for (turn = 0; turn < 300 && !closed; turn++) {
		if (turn == when)
			hold_all(what, &h);
		rig_turn(&rig);
		if (turn == when) {
			release_all(what, &h);
			waited = rig.set & HF_TLS_WAIT_MEM || (rig.set & HF_TLS_WAIT_TX);
		}
		assert_false(rig.set & HF_TLS_FAILED);
		sent += rig_sent(&rig, out + sent, sizeof(out) - sent);
		if (rig.tls.state == HF_TLS_ST_KEY && rig.fed == hello_len)
			rig_feed(&rig, flight, len);
		if (visit == RESUMED && rig.tls.state == HF_TLS_ST_CCS && rig.fed == hello_len)
			rig_feed(&rig, flight + key_len, len - key_len);
		if (rig.tls.state != HF_TLS_ST_DONE)
			continue;
		hf_tls_hs_release(&rig.x, &rig.tls);
		if (!fed_data)
			feed_record(23, big, sizeof(big));
		fed_data = true;
		got_len += rig_take(&rig, got + got_len, sizeof(got) - got_len);
		if (wrote < sizeof(big))
			wrote += rig_write(&rig, big + wrote, sizeof(big) - wrote);
		else
			hf_tls_close(&rig.x, &rig.tls);
		closed = got_len == sizeof(got) && wrote == sizeof(big) &&
			 rig.tls.alerts & HF_TLS_SAID_LAST && hf_tls_flushed(&rig.tls);
	}
	if (!closed)
		fail_msg("stuck: shortage %d in turn %u", what, when);
	assert_int_equal(rig.credit, rig.fed);
	check_sent(out, sent, sizeof(big), visit);
	rig_close(&rig);
	return waited;
}

static void short_of_each_in_every_turn(void **state)
{
	uint64_t before = rig.x.stats.short_of_memory;

	(void)state;
	live_with(NO_CHUNK, UINT32_MAX, TICKET); /* never */
	assert_int_equal(rig.x.stats.short_of_memory, before);
	for (enum shortage what = 0; what < SHORTAGE_CNT; what++) {
		uint32_t waits = 0;
		for (uint32_t when = 0; when < 40; when++) {
			for (enum visit visit = TICKET; visit < VISIT_CNT; visit++)
				waits += live_with(what, when, visit);
		}
		if (waits == 0)
			fail_msg("shortage %d was never felt", what);
	}
	assert_in_range(rig.x.stats.short_of_memory, before + SHORTAGE_CNT, before + 1000);
}

/* ---- data ---- */

static void plaintext_is_wiped_when_taken(void **state)
{
	static uint8_t got[9000], data[9000];

	(void)state;
	to_stage(DONE);
	memset(data, 'p', sizeof(data));
	for (size_t len = 100; len <= sizeof(data); len += 8900) {
		const uint8_t *at;
		feed_record(23, data, len);
		rig_settle(&rig);
		at = rig.tls.rec;
		assert_int_equal(rig_take(&rig, got, sizeof(got)), len);
		assert_true(all_zero(at, len));
		assert_int_equal(rig_write(&rig, data, len), len);
		at = rig.tls.out;
		rig_settle(&rig);
		assert_true(all_zero(at, len + 5 + 16 + 20));
	}
	rig_close(&rig);
}

static void data_is_credited_when_taken(void **state)
{
	uint64_t data_in, data_out;
	uint8_t buf[100];
	size_t before;

	(void)state;
	to_stage(DONE);
	before = rig.credit;
	data_in = rig.x.stats.data_in;
	data_out = rig.x.stats.data_out;
	assert_int_equal(before, rig.fed);
	feed_record(23, "0123456789", 10);
	feed_record(23, "abc", 3);
	rig_run(&rig);
	assert_int_equal(hf_tls_plain(&rig.tls).len, 0); /* not before it is opened */
	rig_settle(&rig);
	assert_true(rig.set & HF_TLS_WAIT_PLAIN);
	assert_int_equal(rig_take(&rig, buf, 4), 4);
	assert_int_equal(rig.credit, before);
	assert_int_equal(rig_take(&rig, buf + 4, 100), 6);
	assert_int_equal(rig.credit, before + 15);
	assert_int_equal(rig_take(&rig, buf + 10, 100), 0);
	rig_settle(&rig);
	assert_int_equal(rig_take(&rig, buf + 10, 100), 3);
	assert_memory_equal(buf, "0123456789abc", 13);
	assert_int_equal(rig.x.stats.data_in, data_in + 13);
	assert_int_equal(rig_write(&rig, buf, 13), 13);
	assert_int_equal(rig.x.stats.data_out, data_out + 13);
	assert_int_equal(rig.credit, rig.fed);
	rig_close(&rig);
}

static void no_write_out_of_time(void **state)
{
	(void)state;
	for (enum stage s = START; s < DONE; s++) {
		to_stage(s);
		assert_int_equal(rig_write(&rig, "x", 1), 0);
		hf_tls_close(&rig.x, &rig.tls); /* nor a farewell */
		rig_settle(&rig);
		assert_int_equal(rig.out.len, 0);
		rig_close(&rig);
	}
	to_stage(DONE);
	hf_tls_close(&rig.x, &rig.tls);
	assert_int_equal(rig_write(&rig, "x", 1), 0);
	rig_settle(&rig);
	assert_int_equal(rig_write(&rig, "x", 1), 0);
	rig_close(&rig);
}

/* Room for a record or none: never a sliver, never more than TCP takes. */
static void writes_fit_the_room(void **state)
{
	static uint8_t data[20000];
	size_t around = 5 + 16 + HF_SYM_TAIL_MAX;

	(void)state;
	to_stage(DONE);
	for (size_t room = 0; room < 20000; room += 37) {
		size_t n, want = 1 + room % 5000;
		rig.room = room;
		n = rig_write(&rig, data, want);
		assert_int_equal(
			n, room < around + HF_MIN(want, 1024u) ? 0 : HF_MIN(want, room - around));
		rig_settle(&rig);
		assert_true(hf_tls_flushed(&rig.tls));
		assert_true(rig.out.len <= room);
		assert_int_equal(rig.out.len, n ? 5 + 16 + n + 20 : 0);
		hf_chain_clear(&rig.bufs, &rig.out);
	}
	rig.room = RIG_ALL_ROOM;
	assert_int_equal(rig_write(&rig, data, sizeof(data)), HF_TLS_RECORD_MAX);
	rig_close(&rig);
}

/* RFC 5246 6.2.3.2: unpredictable, so at least never the same. */
static void each_record_has_its_iv(void **state)
{
	uint8_t out[3][64];

	(void)state;
	to_stage(DONE);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(rig_write(&rig, "x", 1), 1);
		rig_settle(&rig);
		assert_int_equal(rig_sent(&rig, out[i], 64), 5 + 16 + 1 + 20);
		assert_int_equal(out[i][21], 'x');
	}
	assert_memory_not_equal(out[0] + 5, out[1] + 5, 16);
	assert_memory_not_equal(out[1] + 5, out[2] + 5, 16);
	rig_close(&rig);
}

static void a_place_may_be_given_back(void **state)
{
	struct hf_tls_io io;
	size_t cap;

	(void)state;
	to_stage(DONE);
	io = rig_io(&rig);
	assert_non_null(hf_tls_write_begin(&rig.x, &rig.tls, &io, 5000, &cap));
	assert_int_equal(cap, 5000);
	assert_int_equal(rig.bufs.record.used, 1);
	assert_int_equal(rig_run(&rig), HF_TLS_WAIT_BYTES);
	hf_tls_write_commit(&rig.x, &rig.tls, 0);
	assert_int_equal(rig.bufs.record.used, 0);
	assert_int_equal(hf_sym_stats(rig.x.sym)->jobs, 0);
	feed_record(22, "\1\0\0\1x", 5); /* its answer finds nothing of that in its way */
	rig_settle(&rig);
	assert_int_equal(rig.out.len, 5 + 16 + 2 + 20);
	assert_int_equal(rig_write(&rig, "x", 1), 1);
	rig_settle(&rig);
	io = rig_io(&rig);
	assert_non_null(hf_tls_write_begin(&rig.x, &rig.tls, &io, 10, &cap));
	rig_close(&rig); /* freed between begin and commit */
}

/* What the worker must never do is found at once. */
static void misuse_panics(void **state)
{
	struct hf_tls_io io;
	size_t cap;

	(void)state;
	to_stage(DONE);
	io = rig_io(&rig);
	assert_panics(hf_tls_plain_take(&rig.x, &rig.tls, &io, 1));
	assert_panics(hf_tls_write_commit(&rig.x, &rig.tls, 1));
	assert_panics(hf_tls_fail(&rig.x, &rig.tls, HF_TLS_R_OK));
	assert_non_null(hf_tls_write_begin(&rig.x, &rig.tls, &io, 10, &cap));
	assert_panics(hf_tls_write_commit(&rig.x, &rig.tls, HF_CHUNK_DATA));
	rig_close(&rig);
}

/* Nothing in flight to hide behind: the last words wait for a chunk, a write for its job. */
static void last_words_wait_for_memory(void **state)
{
	struct held h;

	(void)state;
	for (int how = 0; how < 2; how++) {
		to_stage(DONE);
		hf_tls_hs_release(&rig.x, &rig.tls); /* it has a chunk that a failure would free */
		hold_all(NO_CHUNK, &h);
		if (how)
			hf_tls_fail(&rig.x, &rig.tls, HF_TLS_R_INTERNAL);
		else
			hf_tls_close(&rig.x, &rig.tls);
		assert_true(rig_turn(&rig) & HF_TLS_WAIT_MEM);
		release_all(NO_CHUNK, &h);
		rig_settle(&rig);
		assert_int_equal(rig.out.len, 5 + 16 + 2 + 20);
		rig_close(&rig);
	}
	to_stage(DONE);
	hold_all(NO_SYM, &h);
	assert_int_equal(rig_write(&rig, "x", 1), 0);
	release_all(NO_SYM, &h);
	assert_int_equal(rig_write(&rig, "x", 1), 1);
	rig_close(&rig);
}

/* ---- the end ---- */

static void close_notify_both_ways(void **state)
{
	uint8_t out[200];

	(void)state;
	to_stage(DONE);
	feed_record(23, "last", 4);
	feed_record(21, "\1\0", 2);
	feed_record(23, "after", 5);
	rig_settle(&rig);
	assert_false(rig.set & HF_TLS_PEER_CLOSED); /* not before what came before it was taken */
	assert_int_equal(rig_take(&rig, out, 10), 4);
	rig_settle(&rig);
	assert_true(rig.set & HF_TLS_PEER_CLOSED);
	assert_int_equal(rig.in.len, 0);
	assert_int_equal(rig.credit, rig.fed);
	rig.in_eof = true;
	rig_settle(&rig);
	assert_false(rig.set & (HF_TLS_TRUNCATED | HF_TLS_FAILED));
	assert_int_equal(rig_write(&rig, "answer", 6), 6); /* half-closed: answers still go */
	hf_tls_close(&rig.x, &rig.tls);
	assert_false(hf_tls_flushed(&rig.tls));
	rig_settle(&rig);
	assert_true(hf_tls_flushed(&rig.tls));
	assert_int_equal(rig_sent(&rig, out, sizeof(out)), 5 + 16 + 6 + 20 + 5 + 16 + 2 + 20);
	assert_int_equal(out[0], 23);
	assert_int_equal(out[47], 21);
	assert_memory_equal(out + 47 + 21, "\1\0", 2);
	hf_tls_close(&rig.x, &rig.tls);
	rig_settle(&rig);
	assert_int_equal(rig.out.len, 0); /* once */
	rig_close(&rig);
}

static void truncation(void **state)
{
	uint64_t before = rig.x.stats.truncated_in;
	uint8_t out[10];

	(void)state;
	to_stage(DONE);
	feed_record(23, "last", 4);
	rig_feed(&rig, "\x17\3\3\0\7par", 8);
	rig.in_eof = true;
	rig_settle(&rig);
	assert_false(rig.set & HF_TLS_TRUNCATED);
	assert_int_equal(rig_take(&rig, out, 10), 4);
	rig_settle(&rig);
	assert_true(rig.set & HF_TLS_TRUNCATED);
	assert_false(rig.set & HF_TLS_FAILED);
	assert_int_equal(rig.x.stats.truncated_in, before + 1);
	rig_settle(&rig);
	assert_int_equal(rig.x.stats.truncated_in, before + 1);
	rig_close(&rig);
}

/* Nothing may follow close_notify, not even the alert of a failure. */
static void nothing_after_close(void **state)
{
	(void)state;
	to_stage(DONE);
	hf_tls_close(&rig.x, &rig.tls);
	rig_settle(&rig);
	hf_chain_clear(&rig.bufs, &rig.out);
	feed_record(22, "\1\0\0\1x", 5);
	rig_settle(&rig);
	assert_int_equal(rig.out.len, 0);
	assert_true(hf_tls_flushed(&rig.tls));
	feed_record(23, "BAD!", 4);
	rig_settle(&rig);
	assert_true(rig.set & HF_TLS_FAILED);
	assert_int_equal(rig.out.len, 0);
	assert_true(hf_tls_flushed(&rig.tls));
	rig_close(&rig);
}

static void renegotiation_is_refused(void **state)
{
	uint8_t hello[600], out[100], c;
	size_t len = put_hello(hello, sizeof(hello), &plain_hello);

	(void)state;
	to_stage(DONE);
	hf_tls_hs_release(&rig.x, &rig.tls);
	feed_record(22, hello, 3);
	feed_record(22, hello + 3, len - 3);
	rig_settle(&rig);
	assert_int_equal(rig_sent(&rig, out, sizeof(out)), 5 + 16 + 2 + 20);
	assert_memory_equal(out + 21, "\1\x64", 2);
	feed_record(23, "x", 1); /* and the connection goes on */
	rig_settle(&rig);
	assert_int_equal(rig_take(&rig, &c, 1), 1);
	rig_close(&rig);
}

int main(void)
{
#define WITH_EACH_KEY_EXCHANGE(test)                            \
	cmocka_unit_test(test),                                 \
	{                                                       \
#test ", ECDHE", test, use_ecdhe, use_rsa, NULL \
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_flight_as_captured),
		cmocka_unit_test(first_flight_with_ecdhe),
		cmocka_unit_test(last_flight_leaves_together),
		cmocka_unit_test(established_and_failed_in_one_run),
		cmocka_unit_test(without_a_ticket_none_is_sent),
		cmocka_unit_test(peer_is_known_until_released),
		WITH_EACH_KEY_EXCHANGE(extended_master_secret),
		cmocka_unit_test(names_are_counted),
		cmocka_unit_test(premaster_and_its_fallback),
		WITH_EACH_KEY_EXCHANGE(secrets_are_wiped),
		cmocka_unit_test(recorder_tells_the_story),
		cmocka_unit_test(nothing_is_drawn_twice),
		cmocka_unit_test(bytes_that_end_it),
		cmocka_unit_test(hellos_that_end_it),
		cmocka_unit_test(points_that_end_it),
		cmocka_unit_test(floods_are_bounded),
		cmocka_unit_test(empty_data_is_tolerated),
		cmocka_unit_test(plaintext_beyond_the_limit),
		WITH_EACH_KEY_EXCHANGE(peer_goes_away),
		cmocka_unit_test(peer_does_not_wait),
		WITH_EACH_KEY_EXCHANGE(worker_gives_up),
		cmocka_unit_test(resumptions_that_end_it),
		cmocka_unit_test(deadlines_name_the_late),
		cmocka_unit_test(hello_outlives_failure),
		cmocka_unit_test(stages_and_alerts_have_names),
		cmocka_unit_test(pk_failure),
		cmocka_unit_test(signature_failure),
		cmocka_unit_test(rows_name_the_counters),
		cmocka_unit_test(every_reason_was_seen),
		WITH_EACH_KEY_EXCHANGE(sym_failure),
		WITH_EACH_KEY_EXCHANGE(dies_with_jobs_out),
		cmocka_unit_test(dies_while_offering),
		WITH_EACH_KEY_EXCHANGE(completion_after_failure),
		WITH_EACH_KEY_EXCHANGE(segments_cut_anywhere),
		WITH_EACH_KEY_EXCHANGE(messages_cut_anywhere),
		cmocka_unit_test(messages_share_a_record),
		WITH_EACH_KEY_EXCHANGE(largest_hello),
		WITH_EACH_KEY_EXCHANGE(hello_beyond_chunks),
		WITH_EACH_KEY_EXCHANGE(hello_of_sslv2),
		cmocka_unit_test(long_chain),
		WITH_EACH_KEY_EXCHANGE(room_of_one_byte),
		WITH_EACH_KEY_EXCHANGE(short_of_each_in_every_turn),
		cmocka_unit_test(plaintext_is_wiped_when_taken),
		cmocka_unit_test(data_is_credited_when_taken),
		cmocka_unit_test(no_write_out_of_time),
		cmocka_unit_test(writes_fit_the_room),
		cmocka_unit_test(each_record_has_its_iv),
		cmocka_unit_test(a_place_may_be_given_back),
		cmocka_unit_test(misuse_panics),
		cmocka_unit_test(last_words_wait_for_memory),
		cmocka_unit_test(close_notify_both_ways),
		cmocka_unit_test(truncation),
		cmocka_unit_test(nothing_after_close),
		cmocka_unit_test(renegotiation_is_refused),
		cmocka_unit_test(kinds_add_up),
	};

	return cmocka_run_group_tests_name("engine", tests, setup, teardown);
}
