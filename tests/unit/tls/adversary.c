/* adversary.c -- a client that misbehaves on purpose. Every move it knows, in every state of a
 * handshake, delivered whole, byte by byte, and as records of one byte, must end in the reason and the
 * alert that the table names, or be accepted where the table says so; and every order of the right
 * moves must end at the first that is out of order. With both kinds of key exchange, over doubles
 * that make every key known. */
#include "tests/doubles/pk_double.h"
#include "tests/doubles/sym_double.h"
#include "tests/support/test.h"
#include "tests/support/tls_bytes.h"
#include "tests/support/tls_rig.h"

static struct rig rig;
static uint8_t chain[600];
static bool ecdhe;

static int setup(void **state)
{
	(void)state;
	rig = (struct rig){.pk_engine = &pk_double,
		.sym_driver = &sym_double,
		.cert = {.list = {chain, sizeof(chain)}, .key = &pk_double_key},
		.chunk_cnt = 40,
		.record_cnt = 3,
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

/* ---- the moves ---- */

/* Where the client is: what it has said rightly so far. */
enum at { AT_START, AT_HELLO, AT_KEY, AT_CCS, AT_DONE, AT_CNT };

struct bytes {
	uint8_t type; /* of the record */
	uint8_t p[1200];
	size_t len;
};

static void put_message(struct bytes *b, uint8_t type, const void *body, size_t len)
{
	struct hf_writer w = hf_writer(b->p, sizeof(b->p));

	hf_writer_u8(&w, type);
	hf_writer_u24(&w, (uint32_t)len);
	hf_writer_bytes(&w, body, len);
	HF_ASSERT(!w.overflow);
	b->type = HF_TLS_CT_HANDSHAKE;
	b->len = w.len;
}

static void put_right_hello(struct bytes *b)
{
	const uint16_t suite = ecdhe ? 0xc013 : 0x002f;

	b->type = HF_TLS_CT_HANDSHAKE;
	b->len = put_hello(b->p, sizeof(b->p),
		&(struct hello){.name = "www.example.org", .suites = &suite, .suite_cnt = 1});
}

static void put_right_key(struct bytes *b)
{
	uint8_t em[256], point[65] = {4, 1, 2, 3};
	struct hf_writer w = hf_writer(b->p, sizeof(b->p));

	put_premaster(em, 0x0303);
	if (ecdhe)
		put_point_exchange(&w, point, sizeof(point));
	else
		put_key_exchange(&w, em, sizeof(em));
	b->type = HF_TLS_CT_HANDSHAKE;
	b->len = w.len;
}

static void put_right_finished(struct bytes *b)
{
	uint8_t verify[12];

	sym_double_prf("client finished", verify, sizeof(verify));
	put_message(b, HF_TLS_MSG_FINISHED, verify, sizeof(verify));
}

static void put_wrong_finished(struct bytes *b)
{
	put_message(b, HF_TLS_MSG_FINISHED, "twelve bytes", 12);
}

/* What the client has no business to say: the server's messages, and those that nobody knows. */
#define FOREIGN(name, type)                         \
	static void put_##name(struct bytes *b)     \
	{                                           \
		put_message(b, type, "\0\0\1x", 4); \
	}
FOREIGN(hello_request, 0)
FOREIGN(server_hello, 2)
FOREIGN(hello_verify, 3)
FOREIGN(ticket, 4)
FOREIGN(end_of_early_data, 5)
FOREIGN(encrypted_extensions, 8)
FOREIGN(certificate, 11)
FOREIGN(server_key, 12)
FOREIGN(certificate_request, 13)
FOREIGN(server_done, 14)
FOREIGN(certificate_verify, 15)
FOREIGN(certificate_status, 22)
FOREIGN(key_update, 24)
FOREIGN(next_protocol, 67)
FOREIGN(nobody_knows, 255)

/* A head that claims more than any message of its kind has. */
#define ENDLESS(name, kind)                                                            \
	static void put_##name(struct bytes *b)                                        \
	{                                                                              \
		*b = (struct bytes){HF_TLS_CT_HANDSHAKE, {kind, 0xff, 0xff, 0xff}, 4}; \
	}
ENDLESS(endless_hello, HF_TLS_MSG_CLIENT_HELLO)
ENDLESS(endless_key, HF_TLS_MSG_CLIENT_KEY_EXCHANGE)
ENDLESS(endless_finished, HF_TLS_MSG_FINISHED)

#define RECORD(name, kind, text)                                            \
	static void put_##name(struct bytes *b)                             \
	{                                                                   \
		*b = (struct bytes){.type = kind, .len = sizeof(text) - 1}; \
		memcpy(b->p, text, sizeof(text) - 1);                       \
	}
RECORD(ccs, HF_TLS_CT_CCS, "\1")
RECORD(ccs_of_two, HF_TLS_CT_CCS, "\1\1")
RECORD(data, HF_TLS_CT_DATA, "GET / HTTP/1.1\r\n\r\n")
RECORD(no_data, HF_TLS_CT_DATA, "")
RECORD(no_message, HF_TLS_CT_HANDSHAKE, "")
RECORD(heartbeat, 24, "\1\x40\0")
RECORD(fatal_alert, HF_TLS_CT_ALERT, "\2\50")
RECORD(close_notify, HF_TLS_CT_ALERT, "\1\0")
RECORD(half_an_alert, HF_TLS_CT_ALERT, "\2")
RECORD(alert_of_no_level, HF_TLS_CT_ALERT, "\7\50")

#define R(name) HF_TLS_R_##name
#define ON R(OK) /* it goes on */
#define MSG R(UNEXPECTED_MESSAGE)

static const struct move {
	const char *name;
	void (*put)(struct bytes *b);
	uint8_t reason[AT_CNT]; /* before anything, after the hello, the key, CCS, Finished */
} moves[] = {
/* clang-format off */
#define MOVE(name, ...) {#name, put_##name, {__VA_ARGS__}}
	MOVE(right_hello,          ON,  MSG, MSG, MSG, ON),
	MOVE(right_key,            MSG, ON,  MSG, MSG, MSG),
	MOVE(ccs,                  R(UNEXPECTED_CCS), R(UNEXPECTED_CCS), ON, R(UNEXPECTED_CCS), R(UNEXPECTED_CCS)),
	MOVE(right_finished,       MSG, MSG, MSG, ON,  MSG),
	MOVE(data,                 R(UNEXPECTED_DATA), R(UNEXPECTED_DATA), R(UNEXPECTED_DATA), R(UNEXPECTED_DATA), ON),
	MOVE(no_data,              R(UNEXPECTED_DATA), R(UNEXPECTED_DATA), R(UNEXPECTED_DATA), R(UNEXPECTED_DATA), ON),
	MOVE(wrong_finished,       MSG, MSG, MSG, R(FINISHED_MISMATCH), MSG),
	MOVE(ccs_of_two,           R(UNEXPECTED_CCS), R(UNEXPECTED_CCS), R(BAD_CCS), R(UNEXPECTED_CCS), R(UNEXPECTED_CCS)),
	MOVE(hello_request,        MSG, MSG, MSG, MSG, MSG),
	MOVE(server_hello,         MSG, MSG, MSG, MSG, MSG),
	MOVE(hello_verify,         MSG, MSG, MSG, MSG, MSG),
	MOVE(ticket,               MSG, MSG, MSG, MSG, MSG),
	MOVE(end_of_early_data,    MSG, MSG, MSG, MSG, MSG),
	MOVE(encrypted_extensions, MSG, MSG, MSG, MSG, MSG),
	MOVE(certificate,          MSG, MSG, MSG, MSG, MSG),
	MOVE(server_key,           MSG, MSG, MSG, MSG, MSG),
	MOVE(certificate_request,  MSG, MSG, MSG, MSG, MSG),
	MOVE(server_done,          MSG, MSG, MSG, MSG, MSG),
	MOVE(certificate_verify,   MSG, MSG, MSG, MSG, MSG),
	MOVE(certificate_status,   MSG, MSG, MSG, MSG, MSG),
	MOVE(key_update,           MSG, MSG, MSG, MSG, MSG),
	MOVE(next_protocol,        MSG, MSG, MSG, MSG, MSG),
	MOVE(nobody_knows,         MSG, MSG, MSG, MSG, MSG),
	MOVE(endless_hello,        R(MESSAGE_TOO_LONG), MSG, MSG, MSG, R(MESSAGE_TOO_LONG)),
	MOVE(endless_key,          MSG, R(MESSAGE_TOO_LONG), MSG, MSG, MSG),
	MOVE(endless_finished,     MSG, MSG, MSG, R(MESSAGE_TOO_LONG), MSG),
	MOVE(no_message,           R(EMPTY_RECORD), R(EMPTY_RECORD), R(EMPTY_RECORD), R(EMPTY_RECORD), R(EMPTY_RECORD)),
	MOVE(heartbeat,            R(NOT_TLS), R(NOT_TLS), R(NOT_TLS), R(NOT_TLS), R(NOT_TLS)),
	MOVE(fatal_alert,          R(PEER_ALERT), R(PEER_ALERT), R(PEER_ALERT), R(PEER_ALERT), R(PEER_ALERT)),
	MOVE(close_notify,         R(PEER_CLOSED), R(PEER_CLOSED), R(PEER_CLOSED), R(PEER_CLOSED), ON),
	MOVE(half_an_alert,        R(BAD_ALERT), R(BAD_ALERT), R(BAD_ALERT), R(BAD_ALERT), R(BAD_ALERT)),
	MOVE(alert_of_no_level,    R(BAD_ALERT), R(BAD_ALERT), R(BAD_ALERT), R(BAD_ALERT), R(BAD_ALERT)),
#undef MOVE
	/* clang-format on */
};
#define RIGHT_CNT 5u /* the first of them are the handshake in its order, then data */

/* ---- delivery ---- */

enum way { WHOLE, BYTE_BY_BYTE, RECORDS_OF_ONE, WAY_CNT };

static void feed(const void *p, size_t len, bool slowly)
{
	const uint8_t *at = p;

	for (size_t n; len > 0; at += n, len -= n) {
		n = slowly ? 1 : len;
		rig_feed(&rig, at, n);
		rig_settle(&rig);
	}
}

static void deliver(const struct bytes *b, enum way way)
{
	size_t step = way == RECORDS_OF_ONE && b->type == HF_TLS_CT_HANDSHAKE ? 1 : sizeof(b->p);
	uint8_t record[sizeof(b->p) + HF_TLS_HEADER_LEN];
	size_t at = 0;

	do {
		struct hf_writer w = hf_writer(record, sizeof(record));
		size_t len = HF_MIN(step, b->len - at);

		put_record(&w, b->type, 0x0303, b->p + at, len);
		feed(record, w.len, way == BYTE_BY_BYTE);
		at += len;
	} while (at < b->len && !(rig.set & HF_TLS_FAILED));
}

static void make(const struct move *m, enum way way)
{
	static struct bytes b;

	m->put(&b);
	deliver(&b, way);
}

static void go_to(enum at at)
{
	rig_open(&rig);
	rig_settle(&rig);
	for (uint32_t i = 0; i < (uint32_t)at; i++)
		make(&moves[i], WHOLE);
	assert_false(rig.set & HF_TLS_FAILED);
	assert_int_equal(!!(rig.news & HF_TLS_ESTABLISHED), at == AT_DONE);
	hf_chain_clear(&rig.bufs, &rig.out);
}

/* The alert is the last thing said, in the clear or under the keys. */
static void expect_alert(const char *name, enum at at, enum hf_tls_reason reason)
{
	uint8_t want = hf_tls_reason_alert(reason), out[256];
	size_t len = rig_sent(&rig, out, sizeof(out)), off = at == AT_DONE ? 5 + 16 : 5;

	if (want == HF_TLS_ALERT_NONE ? len != 0 : len < off + 2 || out[0] != HF_TLS_CT_ALERT)
		fail_msg("%s at %d: %zu bytes are sent", name, at, len);
	if (want != HF_TLS_ALERT_NONE && (out[off] != HF_TLS_LEVEL_FATAL || out[off + 1] != want))
		fail_msg("%s at %d: alert %u, not %u", name, at, out[off + 1], want);
}

static void expect(const char *name, enum at at, enum hf_tls_reason reason)
{
	if (reason == HF_TLS_R_OK) {
		if (rig.set & HF_TLS_FAILED)
			fail_msg("%s at %d: refused as %s", name, at,
				hf_tls_reason_name(rig.tls.reason));
		return;
	}
	if (!(rig.set & HF_TLS_FAILED) || rig.tls.reason != reason)
		fail_msg("%s at %d: ends as %s, not as %s", name, at,
			hf_tls_reason_name(rig.tls.reason), hf_tls_reason_name(reason));
	expect_alert(name, at, reason);
	feed("\x16\3\3\0\4\x10\0\0\0", 9, false); /* and nothing it says is heard any more */
	assert_int_equal(rig.in.len + rig.out.len, 0);
	assert_int_equal(rig.tls.reason, reason);
}

static void take_all(void)
{
	uint8_t plain[64];

	while (rig_take(&rig, plain, sizeof(plain)) > 0)
		rig_settle(&rig);
}

static void for_both_exchanges(void (*test)(void))
{
	for (int i = 0; i < 2; i++) {
		ecdhe = i;
		test();
	}
}

/* ---- tests ---- */

static void moves_in_states(void)
{
	for (size_t m = 0; m < HF_ARRAY_LEN(moves); m++)
		for (enum at at = AT_START; at < AT_CNT; at++)
			for (enum way way = WHOLE; way < WAY_CNT; way++) {
				go_to(at);
				make(&moves[m], way);
				expect(moves[m].name, at, moves[m].reason[at]);
				take_all();
				rig_close(&rig);
			}
}

static void every_move_in_every_state(void **state)
{
	(void)state;
	for_both_exchanges(moves_in_states);
}

/* A message begun by one byte, then another record type. */
static void interruptions(void)
{
	static const struct bytes others[] = {
		{HF_TLS_CT_CCS, {1}, 1}, {HF_TLS_CT_ALERT, {1, 90}, 2}, {HF_TLS_CT_DATA, {'x'}, 1}};
	static const struct bytes begun = {HF_TLS_CT_HANDSHAKE, {1}, 1};

	for (enum at at = AT_START; at < AT_CNT; at++)
		for (size_t i = 0; i < HF_ARRAY_LEN(others); i++) {
			go_to(at);
			deliver(&begun, WHOLE);
			deliver(&others[i], WHOLE);
			expect("interruption", at, HF_TLS_R_INTERLEAVED);
			rig_close(&rig);
		}
}

static void messages_are_not_interrupted(void **state)
{
	(void)state;
	for_both_exchanges(interruptions);
}

/* Four right moves in any order, with repetition: it goes on as long as they come in theirs. */
static void orders(void)
{
	for (uint32_t n = 0; n < RIGHT_CNT * RIGHT_CNT * RIGHT_CNT * RIGHT_CNT; n++) {
		enum hf_tls_reason reason = HF_TLS_R_OK;
		enum at at = AT_START;

		go_to(AT_START);
		for (uint32_t left = n, i = 0; i < 4 && reason == HF_TLS_R_OK; i++) {
			const struct move *m = &moves[left % RIGHT_CNT];

			left /= RIGHT_CNT;
			hf_chain_clear(&rig.bufs, &rig.out);
			make(m, WHOLE);
			reason = m->reason[at];
			expect(m->name, at, reason);
			take_all();
			at += at != AT_DONE;
		}
		rig_close(&rig);
	}
}

static void every_order_of_right_moves(void **state)
{
	(void)state;
	for_both_exchanges(orders);
}

/* A record that claims more than the protocol allows is refused by its header alone. */
static void records_too_long(void **state)
{
	static const uint8_t types[] = {
		HF_TLS_CT_CCS, HF_TLS_CT_ALERT, HF_TLS_CT_HANDSHAKE, HF_TLS_CT_DATA};
	uint8_t head[5] = {0, 3, 3, 0x48, 1};

	(void)state;
	for (enum at at = AT_START; at < AT_CNT; at++)
		for (size_t i = 0; i < sizeof(types); i++) {
			go_to(at);
			head[0] = types[i];
			feed(head, sizeof(head), false);
			expect("record", at, HF_TLS_R_RECORD_OVERFLOW);
			rig_close(&rig);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_move_in_every_state),
		cmocka_unit_test(messages_are_not_interrupted),
		cmocka_unit_test(every_order_of_right_moves),
		cmocka_unit_test(records_too_long),
	};

	return cmocka_run_group_tests_name("adversary", tests, setup, teardown);
}
