/* auth.c -- clients that are asked who they are, byte by byte and over doubles: what they are asked,
 * that what they must sign is all that was said before, every way in which it can end, bytes cut at
 * every place, every resource short, and that such sessions do not go on. */
#include "tests/doubles/auth_double.h"
#include "tests/doubles/pk_double.h"
#include "tests/doubles/sym_double.h"
#include "tests/support/test.h"
#include "tests/support/tls_bytes.h"
#include "tests/support/tls_rig.h"

#define CHAIN_LEN 3000u
#define CHUNK_CNT 60u

static struct rig rig;
static uint8_t chain[CHAIN_LEN], request[HF_TLS_REQUEST_MAX];
static struct hf_tls_client_auth auth = {.ca = &auth_double_ca};
static bool seen[HF_TLS_REASON_CNT];
static const uint16_t suite_rsa[] = {0x009c}, suite_ecdhe[] = {0xc02f};
static struct hello hello = {.name = "www.example.org", .suites = suite_rsa, .suite_cnt = 1};

static int setup(void **state)
{
	struct hf_writer w = hf_writer(request, sizeof(request));

	(void)state;
	rig = (struct rig){.pk_engine = &pk_double,
		.sym_driver = &sym_double,
		.auth_driver = &auth_double,
		.cert = {.list = {chain, CHAIN_LEN}, .key = &pk_double_key},
		.chunk_cnt = CHUNK_CNT,
		.record_cnt = 3,
		.hs_cnt = 2,
		.session_cnt = 16};
	rig_init(&rig);
	hf_tls_request_write(&w, auth_double_ca.names);
	auth.request = hf_span(request, w.len);
	rig.vhost[2].auth = &auth;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_fini(&rig);
	return 0;
}

/* ---- a client, and a transcript of its own ---- */

struct shown {
	uint32_t cnt, len; /* certificates, and bytes of each, from 5 on; 0: an empty list */
	enum hf_auth_verdict verdict;
	uint16_t scheme; /* 0: ecdsa_secp256r1_sha256 */
	bool forged;
};

static uint8_t said[70000];
static size_t said_len;

static void say(const void *p, size_t len)
{
	memcpy(said + said_len, p, len);
	said_len += len;
}

/* What our records hold, without their heads. */
static void hear(void)
{
	static uint8_t out[20000];
	size_t len = rig_sent(&rig, out, sizeof(out));

	for (size_t at = 0, n; at < len; at += 5 + n) {
		n = (size_t)out[at + 3] << 8 | out[at + 4];
		if (out[at] != 22) /* a session goes on: the rest is not for the log's begin */
			break;
		say(out + at + 5, n);
	}
}

static void put_certificates(struct hf_writer *w, const struct shown *s)
{
	size_t message, list, cert;

	hf_writer_u8(w, HF_TLS_MSG_CERTIFICATE);
	message = hf_writer_open(w, 3);
	list = hf_writer_open(w, 3);
	for (uint32_t i = 0; i < s->cnt; i++) {
		cert = hf_writer_open(w, 3);
		hf_writer_u16(w, 0x3082);
		hf_writer_u16(w, s->len - 4);
		hf_writer_u8(w, s->verdict);
		for (uint32_t n = 5; n < s->len; n++)
			hf_writer_u8(w, n * 5 >> 2);
		hf_writer_close(w, cert, 3);
	}
	hf_writer_close(w, list, 3);
	hf_writer_close(w, message, 3);
	HF_ASSERT(!w->overflow);
}

static void put_key(struct hf_writer *w)
{
	uint8_t em[256], point[65] = {4, 1, 2, 3};

	put_premaster(em, 0x0303);
	if (hello.suites == suite_ecdhe)
		put_point_exchange(w, point, sizeof(point));
	else
		put_key_exchange(w, em, sizeof(em));
}

/* FNV-1a, which is the double's hash, of all that was said. */
static void put_verify(struct hf_writer *w, const struct shown *s)
{
	uint64_t h = 0xcbf29ce484222325ull;
	size_t message;

	for (size_t i = 0; i < said_len; i++)
		h = (h ^ said[i]) * 0x100000001b3ull;
	hf_writer_u8(w, HF_TLS_MSG_CERTIFICATE_VERIFY);
	message = hf_writer_open(w, 3);
	hf_writer_u16(w, s->scheme ? s->scheme : 0x0403);
	hf_writer_u16(w, 8);
	for (int i = 0; i < 8; i++)
		hf_writer_u8(w, (uint8_t)(h >> 8 * i) ^ (i == 7 && s->forged));
	hf_writer_close(w, message, 3);
}

static size_t put_messages(struct hf_writer *w, const uint8_t *p, size_t len)
{
	size_t cnt = 0;

	for (; len > 0; cnt++) {
		size_t n = HF_MIN(len, HF_TLS_RECORD_MAX);

		put_record(w, 22, 0x0303, p, n);
		p += n;
		len -= n;
	}
	return cnt;
}

static uint8_t flight[40000];

/* Certificate, ClientKeyExchange, CertificateVerify; then the cipher is changed and all is finished. */
static size_t put_flight(const struct shown *s)
{
	static uint8_t messages[30000];
	struct hf_writer m = hf_writer(messages, sizeof(messages));
	struct hf_writer w = hf_writer(flight, sizeof(flight));
	uint8_t finished[16] = {20, 0, 0, 12};

	put_certificates(&m, s);
	put_key(&m);
	say(messages, m.len);
	if (s->cnt > 0)
		put_verify(&m, s);
	put_messages(&w, messages, m.len);
	sym_double_prf("client finished", finished + 4, 12);
	put_record(&w, 20, 0x0303, "\1", 1);
	put_record(&w, 22, 0x0303, finished, sizeof(finished));
	HF_ASSERT(!w.overflow && !m.overflow);
	return w.len;
}

/* Up to our ServerHelloDone. */
static void knock(void)
{
	uint8_t message[1000];
	size_t len = put_hello(message, sizeof(message), &hello);
	uint8_t record[1100];
	struct hf_writer w = hf_writer(record, sizeof(record));

	said_len = 0;
	say(message, len);
	put_record(&w, 22, 0x0301, message, len);
	rig_open(&rig);
	rig_feed(&rig, record, w.len);
	rig_settle(&rig);
	hear();
}

static void call(const struct shown *s)
{
	knock();
	assert_int_equal(rig.tls.state, HF_TLS_ST_CERT);
	rig_feed(&rig, flight, put_flight(s));
	rig_settle(&rig);
}

static void expect_done(const struct shown *s)
{
	static uint8_t leaf[HF_TLS_CLIENT_LEAF_MAX];
	struct hf_tls_peer p;

	assert_int_equal(rig.tls.reason, HF_TLS_R_OK);
	assert_true(rig.news & HF_TLS_ESTABLISHED);
	assert_int_equal(rig.credit, rig.fed);
	hf_tls_peer(&rig.tls, &p);
	assert_int_equal(p.client != NULL, s->cnt > 0);
	assert_int_equal(
		hf_tls_client_cert_copy(&rig.tls, leaf, sizeof(leaf)), s->cnt ? s->len : 0);
	if (p.client) {
		assert_int_equal(p.client->subject[0], 'S');
		assert_int_equal(p.client->fingerprint[31], s->len & 0xff);
		assert_memory_equal(leaf, "\x30\x82", 2);
		for (uint32_t i = 5; i < s->len; i++)
			assert_int_equal(leaf[i], (uint8_t)(i * 5 >> 2));
		assert_int_equal(hf_tls_client_cert_copy(&rig.tls, leaf, s->len - 1), 0);
	}
	hf_tls_hs_release(&rig.x, &rig.tls);
	assert_int_equal(hf_tls_client_cert_copy(&rig.tls, leaf, sizeof(leaf)), 0);
	hf_tls_peer(&rig.tls, &p);
	assert_null(p.client);
	rig_close(&rig);
}

/* The alert is the last that is sent, in the clear. */
static void expect_end(enum hf_tls_reason reason)
{
	uint8_t out[100];
	size_t len;

	rig_settle(&rig);
	if (rig.tls.reason != reason)
		fail_msg("ended as %s, not %s", hf_tls_reason_name(rig.tls.reason),
			hf_tls_reason_name(reason));
	assert_true(rig.set & HF_TLS_FAILED);
	len = rig_sent(&rig, out, sizeof(out));
	if (hf_tls_reason_alert(reason) == HF_TLS_ALERT_NONE) {
		assert_int_equal(len, 0);
	} else {
		assert_int_equal(len, 7);
		assert_memory_equal(out, "\x15\3\3\0\2\2", 6);
		assert_int_equal(out[6], hf_tls_reason_alert(reason));
	}
	seen[reason] = true;
	rig_close(&rig);
}

/* ---- what is asked, and what comes of it ---- */

/* RFC 5246 7.4.4, between our key exchange and ServerHelloDone. */
static void request_as_it_stands(void **state)
{
	static const uint8_t want[] = {13, 0, 0, 3 + 2 + 24 + 2 + 4, 2, 1, 64, 0, 24, 4, 3, 5, 3, 6,
		3, 8, 4, 8, 5, 8, 6, 4, 1, 5, 1, 6, 1, 8, 9, 8, 10, 8, 11, 0, 4, 0, 2, 'C', 'A', 14,
		0, 0, 0};
	static const uint16_t *const kx[] = {suite_rsa, suite_ecdhe};

	(void)state;
	for (int i = 0; i < 2; i++) {
		hello.suites = kx[i];
		knock();
		assert_memory_equal(said + said_len - sizeof(want), want, sizeof(want));
		assert_int_equal(rig.tls.state, HF_TLS_ST_CERT);
		rig_close(&rig);
	}
	hello.suites = suite_rsa;
	hello.name = "a.example.org"; /* a host that does not ask */
	knock();
	assert_int_equal(rig.tls.state, HF_TLS_ST_KEY);
	assert_memory_not_equal(said + said_len - sizeof(want), want, 1);
	rig_close(&rig);
	hello.name = "www.example.org";
}

static void good_ones_of_every_size(void **state)
{
	static const uint16_t *const kx[] = {suite_rsa, suite_ecdhe};
	static const struct shown rows[] = {
		{1, 5, HF_AUTH_OK, 0, false}, {1, 1000, HF_AUTH_OK, 0x0804, false},
		{1, HF_TLS_CLIENT_LEAF_MAX, HF_AUTH_OK, 0x0401, false},
		{3, 1500, HF_AUTH_OK, 0x0809, false},
		{8, 2044, HF_AUTH_OK, 0, false}, /* all but one byte of what may be */
	};
	uint64_t good = rig.x.stats.client_certs;

	(void)state;
	for (size_t i = 0; i < 4 * HF_ARRAY_LEN(rows); i++) {
		hello.suites = kx[i % 2];
		hello.ems = i / 2 % 2;
		call(&rows[i / 4]);
		expect_done(&rows[i / 4]);
		assert_int_equal(rig.x.stats.client_certs, ++good);
	}
	hello.ems = false;
}

static void those_without(void **state)
{
	static const struct shown none = {0};
	uint64_t before = rig.x.stats.client_certs_none;

	(void)state;
	call(&none);
	expect_done(&none);
	assert_int_equal(rig.x.stats.client_certs_none, before + 1);
	auth.required = true;
	call(&none);
	expect_end(HF_TLS_R_CLIENT_CERT_MISSING);
	call(&(struct shown){1, 900, HF_AUTH_OK, 0, false});
	expect_done(&(struct shown){1, 900, HF_AUTH_OK, 0, false});
	auth.required = false;
}

/* An invalid one ends it where none is needed, too. */
static void verdicts_that_end_it(void **state)
{
	static const struct {
		struct shown shown;
		enum hf_tls_reason reason;
	} rows[] = {
		{{1, 700, HF_AUTH_SYNTAX, 0, false}, HF_TLS_R_CLIENT_CERT_BAD},
		{{1, 700, HF_AUTH_TOO_LONG, 0, false}, HF_TLS_R_CLIENT_CERT_TOO_LONG},
		{{1, 700, HF_AUTH_UNKNOWN_CA, 0, false}, HF_TLS_R_CLIENT_CERT_UNKNOWN_CA},
		{{1, 700, HF_AUTH_EXPIRED, 0, false}, HF_TLS_R_CLIENT_CERT_EXPIRED},
		{{1, 700, HF_AUTH_EARLY, 0, false}, HF_TLS_R_CLIENT_CERT_EARLY},
		{{1, 700, HF_AUTH_PURPOSE, 0, false}, HF_TLS_R_CLIENT_CERT_PURPOSE},
		{{1, 700, HF_AUTH_WEAK, 0, false}, HF_TLS_R_CLIENT_CERT_WEAK},
		{{1, 700, HF_AUTH_KEY, 0, false}, HF_TLS_R_CLIENT_VERIFY_SCHEME},
		{{1, 700, HF_AUTH_BAD, 0, false}, HF_TLS_R_CLIENT_CERT_BAD},
		{{1, 700, HF_AUTH_FAILED, 0, false}, HF_TLS_R_CLIENT_CHECK_FAILED},
		{{1, 700, HF_AUTH_OK, 0, true}, HF_TLS_R_CLIENT_VERIFY_WRONG},
		{{1, 700, HF_AUTH_OK, 0x0203, false}, HF_TLS_R_CLIENT_VERIFY_SCHEME},
		{{1, 700, HF_AUTH_OK, 0x0807, false}, HF_TLS_R_CLIENT_VERIFY_SCHEME},
		{{1, HF_TLS_CLIENT_LEAF_MAX + 1, HF_AUTH_OK, 0, false},
			HF_TLS_R_CLIENT_CERT_TOO_LONG},
		{{9, 100, HF_AUTH_OK, 0, false}, HF_TLS_R_CLIENT_CERT_TOO_LONG},
		{{8, 2045, HF_AUTH_OK, 0, false}, HF_TLS_R_CLIENT_CERT_TOO_LONG},
	};

	(void)state;
	for (size_t i = 0; i < 2 * HF_ARRAY_LEN(rows); i++) {
		auth.required = i % 2;
		call(&rows[i / 2].shown);
		expect_end(rows[i / 2].reason);
	}
	auth.required = false;
}

static void feed_message(const char *bytes, size_t len)
{
	uint8_t buf[600];
	struct hf_writer w = hf_writer(buf, sizeof(buf));

	put_record(&w, 22, 0x0303, bytes, len);
	rig_feed(&rig, buf, w.len);
}

enum stage { CERT, KEY, VERIFY, CCS };

static void to_stage(enum stage stage, bool empty)
{
	static const uint8_t state[] = {
		HF_TLS_ST_CERT, HF_TLS_ST_KEY, HF_TLS_ST_VERIFY, HF_TLS_ST_CCS};
	struct shown s = {empty ? 0 : 1, 50, HF_AUTH_OK, 0, false};
	uint8_t buf[600];
	struct hf_writer w = hf_writer(buf, sizeof(buf));

	knock();
	put_certificates(&w, &s);
	say(buf, w.len);
	if (stage >= KEY)
		feed_message((char *)buf, w.len);
	w.len = 0;
	put_key(&w);
	say(buf, w.len);
	if (stage >= VERIFY)
		feed_message((char *)buf, w.len);
	w.len = 0;
	put_verify(&w, &s);
	if (stage >= CCS && !empty)
		feed_message((char *)buf, w.len);
	rig_settle(&rig);
	assert_int_equal(rig.tls.state, state[stage]);
}

static void messages_that_end_it(void **state)
{
	static const struct {
		enum stage stage;
		enum hf_tls_reason reason;
		size_t len;
		const char *bytes;
	} rows[] = {
		/* out of order */
		{CERT, HF_TLS_R_UNEXPECTED_MESSAGE, 4, "\x10\0\0\0"}, /* asked and not answered */
		{CERT, HF_TLS_R_UNEXPECTED_MESSAGE, 4, "\x0f\0\0\0"},
		{CERT, HF_TLS_R_UNEXPECTED_MESSAGE, 4, "\x14\0\0\x0c"},
		{CERT, HF_TLS_R_UNEXPECTED_MESSAGE, 4, "\1\0\1\0"},
		{KEY, HF_TLS_R_UNEXPECTED_MESSAGE, 4, "\x0b\0\0\3"}, /* once more */
		{KEY, HF_TLS_R_UNEXPECTED_MESSAGE, 4, "\x0f\0\0\0"},
		{VERIFY, HF_TLS_R_UNEXPECTED_MESSAGE, 4, "\x10\0\0\0"},
		{VERIFY, HF_TLS_R_UNEXPECTED_MESSAGE, 4, "\x0b\0\0\3"},
		{VERIFY, HF_TLS_R_UNEXPECTED_MESSAGE, 4, "\x14\0\0\x0c"},
		{CCS, HF_TLS_R_UNEXPECTED_MESSAGE, 4, "\x0f\0\0\0"},
		/* what does not parse */
		{CERT, HF_TLS_R_CLIENT_CERT_SYNTAX, 4, "\x0b\0\0\0"},
		{CERT, HF_TLS_R_CLIENT_CERT_SYNTAX, 6, "\x0b\0\0\2\0\0"},
		{CERT, HF_TLS_R_CLIENT_CERT_SYNTAX, 7, "\x0b\0\0\3\0\0\1"},
		{CERT, HF_TLS_R_CLIENT_CERT_SYNTAX, 8, "\x0b\0\0\4\0\0\0x"},
		{CERT, HF_TLS_R_CLIENT_CERT_SYNTAX, 8, "\x0b\0\0\4\0\0\1x"},
		{CERT, HF_TLS_R_CLIENT_CERT_SYNTAX, 10, "\x0b\0\0\6\0\0\3\0\0\0"},
		{CERT, HF_TLS_R_CLIENT_CERT_SYNTAX, 11, "\x0b\0\0\7\0\0\4\0\0\2x"},
		{CERT, HF_TLS_R_CLIENT_CERT_SYNTAX, 13, "\x0b\0\0\x9\0\0\6\0\0\1x\0\0"},
		{CERT, HF_TLS_R_CLIENT_CERT_TOO_LONG, 4, "\x0b\0\x3f\xfd"},
		{CERT, HF_TLS_R_CLIENT_CERT_TOO_LONG, 4, "\x0b\xff\xff\xff"},
		/* what is no DER that fills its place */
		{CERT, HF_TLS_R_CLIENT_CERT_BAD, 11, "\x0b\0\0\7\0\0\4\0\0\1\x30"},
		{CERT, HF_TLS_R_CLIENT_CERT_BAD, 12, "\x0b\0\0\x8\0\0\5\0\0\2\x31\0"},
		{CERT, HF_TLS_R_CLIENT_CERT_BAD, 12, "\x0b\0\0\x8\0\0\5\0\0\2\x30\1"},
		{CERT, HF_TLS_R_CLIENT_CERT_BAD, 12, "\x0b\0\0\x8\0\0\5\0\0\2\x30\x81"},
		{CERT, HF_TLS_R_CLIENT_CERT_BAD, 13, "\x0b\0\0\x9\0\0\6\0\0\3\x30\x81\1"},
		{CERT, HF_TLS_R_CLIENT_CERT_BAD, 13, "\x0b\0\0\x9\0\0\6\0\0\3\x30\x82\0"},
		{CERT, HF_TLS_R_CLIENT_CERT_BAD, 14, "\x0b\0\0\xa\0\0\7\0\0\4\x30\x83\0\0"},
		{CERT, HF_TLS_R_CLIENT_CERT_BAD, 12, "\x0b\0\0\x8\0\0\5\0\0\2\x30\x80"},
		{CERT, HF_TLS_R_CLIENT_CERT_BAD, 17, "\x0b\0\0\xd\0\0\xa\0\0\2\x30\0\0\0\2\x30\1"},
		{VERIFY, HF_TLS_R_CLIENT_VERIFY_SYNTAX, 4, "\x0f\0\0\0"},
		{VERIFY, HF_TLS_R_CLIENT_VERIFY_SYNTAX, 5, "\x0f\0\0\1\4"},
		{VERIFY, HF_TLS_R_CLIENT_VERIFY_SYNTAX, 7, "\x0f\0\0\3\4\3\0"},
		{VERIFY, HF_TLS_R_CLIENT_VERIFY_SYNTAX, 8, "\x0f\0\0\4\4\3\0\1"},
		{VERIFY, HF_TLS_R_CLIENT_VERIFY_SYNTAX, 9, "\x0f\0\0\5\4\3\0\0x"},
		{VERIFY, HF_TLS_R_CLIENT_VERIFY_WRONG, 8, "\x0f\0\0\4\4\3\0\0"},
		{VERIFY, HF_TLS_R_MESSAGE_TOO_LONG, 4, "\x0f\0\4\5"},
	};

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		to_stage(rows[i].stage, false);
		feed_message(rows[i].bytes, rows[i].len);
		rig_settle(&rig);
		if (rig.tls.reason != rows[i].reason)
			fail_msg("row %zu: %s", i, hf_tls_reason_name(rig.tls.reason));
		expect_end(rows[i].reason);
	}
	to_stage(VERIFY, false); /* a change of cipher in its place */
	rig_feed(&rig, "\x14\3\3\0\1\1", 6);
	expect_end(HF_TLS_R_UNEXPECTED_CCS);
	to_stage(KEY, true); /* who has none has nothing to verify */
	feed_message("\x0f\0\0\4\4\3\0\0", 8);
	expect_end(HF_TLS_R_UNEXPECTED_MESSAGE);
	to_stage(CERT, false);
	rig_feed(&rig, "\x15\3\3\0\2\1\x29", 7); /* no_certificate, as SSLv3 had it: a warning */
	rig_settle(&rig);
	assert_int_equal(rig.tls.state, HF_TLS_ST_CERT);
	rig.in_eof = true;
	expect_end(HF_TLS_R_GONE_AT_REQUEST);
	to_stage(KEY, false);
	rig.in_eof = true;
	expect_end(HF_TLS_R_GONE_AT_CERTIFICATE);
	to_stage(VERIFY, false);
	rig.in_eof = true;
	expect_end(HF_TLS_R_GONE_AFTER_KEY);
}

/* A host that did not ask gets what it did not ask for. */
static void certificates_nobody_asked_for(void **state)
{
	struct shown s = {1, 50, HF_AUTH_OK, 0, false};

	(void)state;
	hello.name = NULL;
	knock();
	rig_feed(&rig, flight, put_flight(&s));
	expect_end(HF_TLS_R_UNEXPECTED_MESSAGE);
	hello.name = "www.example.org";
}

static void every_reason_was_seen(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < HF_TLS_REASON_CNT; i++)
		if (!seen[i] && strncmp(hf_tls_reason_name(i), "CLIENT_", 7) == 0)
			fail_msg("no test ends as %s", hf_tls_reason_name(i));
	assert_true(seen[HF_TLS_R_GONE_AT_REQUEST]);
}

/* ---- bytes cut anywhere, and what is short ---- */

static void segments_cut_anywhere(void **state)
{
	static const struct shown s = {2, 600, HF_AUTH_OK, 0, false};
	size_t len;

	(void)state;
	for (size_t cut = 1, all = 2; cut < all; cut++) {
		knock();
		all = len = put_flight(&s);
		rig_feed(&rig, flight, cut);
		rig_settle(&rig);
		rig_feed(&rig, flight + cut, len - cut);
		rig_settle(&rig);
		expect_done(&s);
	}
	knock();
	len = put_flight(&s);
	for (size_t i = 0; i < len; i++) {
		rig_feed(&rig, flight + i, 1);
		rig_turn(&rig);
	}
	rig_settle(&rig);
	expect_done(&s);
}

/* Records that end within messages, and messages that end within records. */
static void records_cut_anywhere(void **state)
{
	static const struct shown s = {1, 500, HF_AUTH_OK, 0, false};
	static uint8_t messages[2000], cut_up[4000];
	size_t len, all;

	(void)state;
	all = 2;
	for (size_t cut = 1; cut < all; cut += 3) {
		struct hf_writer w = hf_writer(cut_up, sizeof(cut_up));

		knock();
		len = put_flight(&s);
		all = (size_t)flight[3] << 8 | flight[4];
		memcpy(messages, flight + 5, all);
		put_record(&w, 22, 0x0303, messages, cut);
		put_record(&w, 22, 0x0303, messages + cut, all - cut);
		hf_writer_bytes(&w, flight + 5 + all, len - 5 - all);
		HF_ASSERT(!w.overflow);
		rig_feed(&rig, cut_up, w.len);
		rig_settle(&rig);
		expect_done(&s);
	}
}

static void resources_that_are_short(void **state)
{
	static const struct shown s = {2, 3000, HF_AUTH_OK, 0, false};
	struct hf_auth_job *jobs[RIG_JOB_CNT];
	struct hf_sym_job *sym[RIG_JOB_CNT];
	void *chunks[CHUNK_CNT];
	uint64_t waits = 0;

	(void)state;
	for (uint32_t what = 0; what < 3; what++) {
		for (uint32_t turns = 0; turns < 12; turns++) {
			uint32_t cnt = 0;

			knock();
			rig_feed(&rig, flight, put_flight(&s));
			for (uint32_t i = 0; i < turns; i++)
				rig_turn(&rig);
			while (what == 0 && cnt < RIG_JOB_CNT &&
				(jobs[cnt] = hf_auth_take(rig.x.auth)))
				cnt++;
			while (what == 1 && cnt < RIG_JOB_CNT &&
				(sym[cnt] = hf_sym_take(rig.x.sym)))
				cnt++;
			while (what == 2 && (chunks[cnt] = hf_pool_take(&rig.bufs.chunk)))
				cnt++;
			rig_settle(&rig);
			rig_turn(&rig);
			waits += (rig.set & HF_TLS_WAIT_MEM) != 0;
			assert_false(rig.set & HF_TLS_FAILED);
			while (cnt > 0) {
				cnt--;
				if (what == 0)
					hf_auth_give(rig.x.auth, jobs[cnt]);
				else if (what == 1)
					hf_sym_give(rig.x.sym, sym[cnt]);
				else
					hf_pool_give(&rig.bufs.chunk, chunks[cnt]);
			}
			rig_settle(&rig);
			expect_done(&s);
		}
	}
	assert_true(waits > 15);
}

/* It dies, or fails, at every point of it; rig_close holds the books. */
static void dies_at_every_point(void **state)
{
	static const struct shown s = {1, 3000, HF_AUTH_OK, 0, false};
	uint64_t before = hf_auth_stats(rig.x.auth)->cancelled;

	(void)state;
	for (uint32_t turns = 0; turns < 14; turns++) {
		for (int how = 0; how < 2; how++) {
			knock();
			rig_feed(&rig, flight, put_flight(&s));
			for (uint32_t i = 0; i < turns; i++)
				rig_turn(&rig);
			rig_run(&rig);
			if (how)
				hf_tls_fail(&rig.x, &rig.tls, HF_TLS_R_TIMED_OUT);
			rig_close(&rig);
		}
	}
	assert_true(hf_auth_stats(rig.x.auth)->cancelled > before);
}

static void waits_for_the_check(void **state)
{
	static const struct shown s = {1, 300, HF_AUTH_OK, 0, false};

	(void)state;
	knock();
	rig_feed(&rig, flight, put_flight(&s));
	for (int i = 0; i < 20; i++) { /* turns without any check */
		rig_run(&rig);
		hf_sym_flush(rig.x.sym);
		hf_pk_work(rig.x.pk, HF_PK_IDLE, rig.now);
		rig_dones(&rig);
	}
	assert_int_equal(rig.set, HF_TLS_WAIT_AUTH);
	assert_int_equal(hf_tls_reason_late(&rig.tls), HF_TLS_R_ENGINES_LATE);
	assert_int_equal(rig.tls.state, HF_TLS_ST_CCS);
	rig_settle(&rig);
	expect_done(&s);
}

static void without_a_driver(void **state)
{
	struct hf_auth *before = rig.x.auth;
	void *mem = test_alloc(hf_auth_footprint(RIG_JOB_CNT));

	(void)state;
	rig.x.auth = hf_auth_init(mem, RIG_JOB_CNT, NULL);
	call(&(struct shown){1, 700, HF_AUTH_OK, 0, false});
	expect_end(HF_TLS_R_CLIENT_CHECK_FAILED);
	rig.x.auth = before;
	free(mem);
}

/* ---- sessions ---- */

/* Neither ticket nor id is given, and one from before the host asked does not help. */
static void no_session_goes_on(void **state)
{
	static const struct shown s = {1, 700, HF_AUTH_OK, 0, false};
	struct hello plain = hello;
	uint8_t ticket[HF_TLS_TICKET_LEN], out[600], finished[16] = {20, 0, 0, 12};
	uint8_t message[300];
	struct hf_writer m = hf_writer(message, sizeof(message)), w = hf_writer(flight, 1000);
	uint64_t sent = rig.x.stats.tickets_sent, kept = rig.x.stats.sessions;
	size_t at;
	uint64_t missed = rig.x.stats.resume[HF_TLS_RESUME_CLIENT_CERT];

	(void)state;
	for (int i = 0; i < 2; i++) {
		hello.no_ticket = i;
		call(&s);
		at = 4 + ((size_t)said[2] << 8 | said[3]); /* our ServerHello */
		assert_int_equal(said[at], HF_TLS_MSG_SERVER_HELLO);
		assert_int_equal(said[at + 4 + 34], 0); /* its session id */
		expect_done(&s);
	}
	assert_int_equal(rig.x.stats.tickets_sent, sent);
	assert_int_equal(rig.x.stats.sessions, kept);
	/* the host before it asked */
	rig.vhost[2].auth = NULL;
	hello = plain;
	knock();
	put_key(&m);
	put_record(&w, 22, 0x0303, message, m.len);
	put_record(&w, 20, 0x0303, "\1", 1);
	sym_double_prf("client finished", finished + 4, 12);
	put_record(&w, 22, 0x0303, finished, sizeof(finished));
	rig_feed(&rig, flight, w.len);
	rig_settle(&rig);
	assert_int_equal(rig.tls.state, HF_TLS_ST_DONE);
	assert_int_equal(rig.x.stats.tickets_sent, sent + 1);
	assert_true(rig_sent(&rig, out, sizeof(out)) > 207);
	memcpy(ticket, out + 15, HF_TLS_TICKET_LEN);
	rig_close(&rig);
	hello.ticket = ticket;
	hello.ticket_len = sizeof(ticket);
	knock();
	assert_int_equal(rig.tls.state, HF_TLS_ST_CCS); /* it does go on there */
	rig_close(&rig);
	rig.vhost[2].auth = &auth;
	call(&s);
	expect_done(&s);
	assert_int_equal(rig.x.stats.resume[HF_TLS_RESUME_CLIENT_CERT], missed + 1);
	hello = plain;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_as_it_stands),
		cmocka_unit_test(good_ones_of_every_size),
		cmocka_unit_test(those_without),
		cmocka_unit_test(verdicts_that_end_it),
		cmocka_unit_test(messages_that_end_it),
		cmocka_unit_test(certificates_nobody_asked_for),
		cmocka_unit_test(segments_cut_anywhere),
		cmocka_unit_test(records_cut_anywhere),
		cmocka_unit_test(resources_that_are_short),
		cmocka_unit_test(dies_at_every_point),
		cmocka_unit_test(waits_for_the_check),
		cmocka_unit_test(without_a_driver),
		cmocka_unit_test(no_session_goes_on),
		cmocka_unit_test(every_reason_was_seen),
	};

	return cmocka_run_group_tests_name("auth", tests, setup, teardown);
}
