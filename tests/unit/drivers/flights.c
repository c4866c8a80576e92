/* flights.c -- how an answer is cut: a whole worker, a backend with much to say and a client that counts
 * segments. As long as the window of congestion is small, a record ends where a flight ends, so
 * that the client can read all that came; later records are as large as they may be, and no turn
 * carries more than its share, however much is ready. */
#include "tests/support/tls_client.h"
#include "tests/support/worker_rig.h"

#define FIRST_WINDOW (10 * RIG_MSS) /* RFC 6928 */
#define AROUND (5u + 8u + 16u)      /* a record under AES128-GCM */
#define RECORDS_MAX 1024u

static const uint16_t prefer[] = {0x009c};

static struct rig rig;
static struct rsa_key key;
static struct tls_client client;
static uint8_t chain[1000];
static uint32_t acked; /* segments */

/* the records of the answer, as far as they are whole */
static struct {
	struct tls_item v[RECORDS_MAX];
	uint32_t cnt, end; /* end: of the last one, in the stream */
	uint64_t text_len;
} got;

static int tear_down(void **state)
{
	(void)state;
	rig_fini(&rig);
	rsa_key_free(&key);
	return 0;
}

/* Opens what came and holds it against what the backend said. */
static void read_records(void)
{
	static uint8_t buf[HF_TLS_WIRE_MAX];

	while (rig.in_len - got.end >= 5) {
		const uint8_t *p = rig.in + got.end;
		struct tls_item r = {p[0], p + 5, (size_t)p[3] << 8 | p[4]};
		struct hf_span text;
		size_t padding;

		if (rig.in_len - got.end < 5 + r.len)
			break;
		assert_true(got.cnt < RECORDS_MAX);
		got.v[got.cnt++] = r;
		got.end += 5 + (uint32_t)r.len;
		text = tls_client_open(&client, &r, buf, &padding);
		assert_int_equal(r.type, HF_TLS_CT_DATA);
		for (size_t i = 0; i < text.len; i++)
			assert_int_equal(text.p[i], rig_byte(got.text_len + i));
		got.text_len += text.len;
	}
}

/* Acknowledges every second segment and the last, as clients do. */
static void ack_all(void)
{
	for (; acked < rig.seg_cnt; acked++) {
		const struct rig_seg *s = &rig.seg[acked];

		if (acked % 2 == 0 && acked + 1 < rig.seg_cnt)
			continue;
		rig.rcv_nxt = rig.irs + 1 + s->at + s->len;
		rig_ack(&rig);
	}
}

/* A connection with nothing in flight and nothing said. */
static int set_up(void **state)
{
	struct hello h = {.name = "www.example.org"};
	uint8_t buf[1000], body[400];
	struct hf_writer w = hf_writer(buf, sizeof(buf)), m = hf_writer(body, sizeof(body));

	(void)state;
	rsa_key_make(&key, 2048, 2);
	rig = (struct rig){.cert = {.list = {chain, sizeof(chain)}, .key = &key.key},
		.alpn = "http/1.1",
		.suite = prefer,
		.suite_cnt = HF_ARRAY_LEN(prefer)};
	rig_init(&rig);
	client = (struct tls_client){.gcm = true};
	rig_connect(&rig);
	rig_send(&rig, buf, tls_client_hello(&client, buf, sizeof(buf), &h));
	rig_settle(&rig);
	tls_client_read(&client, rig.in, rig.in_len);
	tls_client_rsa(&client, &m, key.pkey);
	tls_client_log(&client, body, m.len);
	put_record(&w, HF_TLS_CT_HANDSHAKE, HF_TLS_12, body, m.len);
	tls_client_finish(&client, &w);
	rig_send(&rig, buf, w.len);
	rig_settle(&rig);
	client.seq[1] = 1; /* behind its Finished */
	memset(&got, 0, sizeof(got));
	got.end = rig.in_len;
	acked = 0;
	ack_all();
	rig_settle(&rig);
	acked = rig.seg_cnt;
	return 0;
}

/* Says as much of *left as it may, lets everything leave that can, and reads it. The flight's bytes. */
static uint32_t flight(size_t *left)
{
	uint32_t before = rig.in_len, turns = 0;
	bool busy = true;

	while (busy) {
		size_t n = rig_answer(&rig, *left);

		*left -= n;
		busy = rig_turn(&rig) || n > 0;
		assert_true(++turns < 10000);
	}
	read_records();
	return rig.in_len - before;
}

/* ---- */

/* What fits the window leaves at once as one record in full segments. */
static void short_answers_are_one_record(void **state)
{
	static const uint32_t sizes[] = {FIRST_WINDOW - 200, 5000, RIG_MSS - AROUND, 1000, 1};

	(void)state;
	for (uint32_t i = 0; i < HF_ARRAY_LEN(sizes); i++) {
		size_t left = sizes[i];
		uint32_t len = sizes[i] + AROUND, seg = rig.seg_cnt, records = got.cnt;

		assert_int_equal(flight(&left), len);
		assert_int_equal(got.cnt, records + 1);
		assert_int_equal(rig.seg_cnt - seg, (len + RIG_MSS - 1) / RIG_MSS);
		for (uint32_t s = seg; s + 1 < rig.seg_cnt; s++)
			assert_int_equal(rig.seg[s].len, RIG_MSS);
		assert_int_equal(rig.seg[seg].turn, rig.seg[rig.seg_cnt - 1].turn);
		ack_all();
		rig_settle(&rig);
	}
}

/* The first flight of a long answer: a window's worth of full segments, in which a record ends that is
 * nearly all of it. */
static void expect_slow_start(size_t *left)
{
	uint32_t seg = rig.seg_cnt, record = got.cnt, begin = rig.in_len;

	assert_int_equal(flight(left), FIRST_WINDOW);
	assert_int_equal(rig.seg_cnt - seg, FIRST_WINDOW / RIG_MSS);
	assert_int_equal(got.cnt, record + 1);
	assert_true(got.end - begin <= FIRST_WINDOW);
	assert_true(got.end - begin > FIRST_WINDOW - HF_TLS_AROUND_MAX);
}

/* Flights go on until the whole answer is there. Every one lets the client read something new. */
static void the_rest(size_t *left)
{
	do {
		uint32_t record = got.cnt;

		ack_all();
		if (flight(left) > 0)
			assert_true(got.cnt > record);
	} while (*left > 0 || got.end < rig.in_len || acked < rig.seg_cnt);
}

static void records_follow_the_window(void **state)
{
	size_t left = 600000;
	uint32_t full = 0;

	(void)state;
	expect_slow_start(&left);
	the_rest(&left);
	assert_int_equal(got.text_len, 600000);
	for (uint32_t i = 0; i < got.cnt; i++)
		full += got.v[i].len == HF_TLS_RECORD_MAX + AROUND - 5;
	assert_true(got.v[0].len < FIRST_WINDOW);
	assert_true(full >= 30); /* of 37 that the answer could fill */
	/* after a pause the path is as unknown as at the start */
	rig.now += 10 * HF_NS_S;
	rig_settle(&rig);
	left = 100000;
	expect_slow_start(&left);
	the_rest(&left);
	assert_int_equal(got.text_len, 700000);
}

/* A wide window that opens at once, and a backend that has filled its ring. */
static void turns_are_bounded(void **state)
{
	size_t left = 3000000;
	uint32_t seg, out, all = 0, most_out = 0, most_in = 0;

	(void)state;
	while (hf_tcp_snd_window(rig.w->tcp, (uint32_t)rig.stream.id, rig.now) < 4 * HF_TURN_LEN) {
		ack_all();
		flight(&left);
	}
	seg = acked = rig.seg_cnt;
	rig_ack(&rig); /* for all at once */
	do {
		uint64_t before = rig.w->stats.bytes_from_backend;

		left -= rig_answer(&rig, left);
		(void)rig_turn(&rig);
		most_in = (uint32_t)HF_MAX(most_in, rig.w->stats.bytes_from_backend - before);
		for (out = 0; seg < rig.seg_cnt; seg++)
			out += rig.seg[seg].len;
		most_out = HF_MAX(most_out, out);
		all += out;
	} while (out > 0);
	assert_true(all > 3 * HF_TURN_LEN);
	assert_in_range(most_out, HF_TURN_LEN / 2, HF_TURN_LEN + 32 * RIG_MSS);
	assert_in_range(most_in, HF_TURN_LEN / 2, HF_TURN_LEN + HF_LINK_PAYLOAD_MAX);
	the_rest(&left);
	assert_int_equal(got.text_len, 3000000);
}

#define FLIGHT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLIGHT(short_answers_are_one_record),
		FLIGHT(records_follow_the_window),
		FLIGHT(turns_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
