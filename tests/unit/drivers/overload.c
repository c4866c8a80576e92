/* overload.c -- a whole worker and clients that take and do not give: who holds slots and handshake
 * memory without going on, who sends a byte a second, who is too many. Each ends by its deadline or
 * makes room; who means it gets through beside them, and who is in is not touched. */
#include "tests/support/worker_peers.h"

static int set_up(void **state)
{
	(void)state;
	rig = (struct rig){
		PEERS_RIG, .limits = {10 * SEC, 20 * SEC, 10 * SEC, 120 * SEC, 5 * SEC, 60 * SEC}};
	peers_begin();
	rig_settle(&rig);
	return 0;
}

/* ---- a byte a second ---- */

/* Sends p, a byte a second, until the other side ends it; returns after how many seconds, 0: never. */
static uint32_t dribble(uint16_t port, const uint8_t *p, size_t len)
{
	for (uint32_t s = 0; s < len; s++) {
		say(port, HF_TCP_ACK | HF_TCP_PSH, p + s, 1);
		pass(SEC);
		if (peer[port].reset || peer[port].fin)
			return s + 1;
	}
	return 0;
}

static void a_hello_has_ten_seconds(void **state)
{
	uint8_t buf[1000];
	size_t len = hello_of(buf, sizeof(buf));

	(void)state;
	assert_true(connect_from(2000));
	assert_in_range(dribble(2000, buf, len), 9, 11);
	assert_int_equal(rig.w->stats.timeout_handshake, 1);
	assert_int_equal(rig.w->tls.stats.reason[HF_TLS_R_HELLO_LATE], 1);
	pass(70 * SEC); /* it does not close either */
	assert_int_equal(rig.w->stats.conns, 0);
	assert_int_equal(rig.w->bufs.chunk.used, 0);
}

static void a_handshake_has_twenty(void **state)
{
	uint8_t buf[1000];
	size_t len = hello_of(buf, sizeof(buf));
	static const uint8_t rest[300] = {22, 3, 3, 1, 6, 16, 0, 1, 2, 1, 0};

	(void)state;
	assert_true(connect_from(2000));
	say(2000, HF_TCP_ACK, buf, len);
	pass(SEC);
	assert_true(peer[2000].got > 1000);
	assert_in_range(dribble(2000, rest, sizeof(rest)), 18, 20);
	assert_int_equal(rig.w->tls.stats.reason[HF_TLS_R_TIMED_OUT], 1);
	assert_int_equal(rig.w->tls.hs.used, 0);
}

static void a_record_has_ten(void **state)
{
	static const uint8_t record[300] = {23, 3, 3, 1, 0};

	(void)state;
	assert_true(served(2000));
	pass(SEC);
	assert_in_range(dribble(2000, record, sizeof(record)), 9, 11);
	assert_int_equal(rig.w->stats.timeout_record, 1);
}

/* The deadline is each record's own: an upload whose segments never end where records do goes on. */
static void a_stream_of_records_has_all_the_time(void **state)
{
	uint8_t buf[2000];
	static const uint8_t text[300];
	size_t kept = 0;

	(void)state;
	assert_true(served(2000));
	for (uint32_t s = 0; s < 40; s++) {
		struct hf_writer w = hf_writer(buf + kept, sizeof(buf) - kept);
		size_t len;

		tls_client_seal(&client, &w, HF_TLS_CT_DATA, text, sizeof(text));
		len = kept + w.len - 100; /* 100 bytes of this record come with the next */
		say(2000, HF_TCP_ACK, buf, len);
		memmove(buf, buf + len, 100);
		kept = 100;
		pass(SEC);
		rig_backend_take(&rig);
		assert_false(peer[2000].reset || peer[2000].fin);
	}
	assert_int_equal(rig.w->stats.timeout_record, 0);
	assert_true(rig.w->stats.bytes_to_backend >= 39 * sizeof(text));
}

/* After a failure, and after our FIN, a slot is not held for longer than linger. */
static void the_end_has_its_time_too(void **state)
{
	(void)state;
	assert_true(connect_from(2000));
	say(2000, HF_TCP_ACK, "GET / HTTP/1.1\r\n\r\n", 18);
	pass(SEC);
	assert_true(peer[2000].fin);
	assert_int_equal(rig.w->stats.conns, 1);
	for (uint32_t s = 0; s < 90 && !peer[2000].reset; s++) {
		say(2000, HF_TCP_ACK, "x", 1);
		pass(SEC);
	}
	pass(SEC);
	assert_int_equal(rig.w->stats.conns, 0);
}

/* ---- a queue that is full ---- */

static uint64_t acknowledged(void)
{
	return hf_tcp_stats(rig.w->tcp)->bytes_out;
}

/* Acknowledges len bytes every second of an answer without end; for how many seconds it may. */
static uint32_t reads(uint16_t port, uint32_t len, uint32_t most)
{
	uint32_t acked, s;

	say(port, HF_TCP_ACK, NULL, 0);
	(void)rig_answer(&rig, 100000); /* without credit it asks for some */
	pass(SEC);
	acked = peer[port].rcv_nxt;
	for (s = 0; s < most && !peer[port].reset; s++) {
		(void)rig_answer(&rig, 100000);
		pass(SEC);
		peer[port].rcv_nxt = acked += len;
		say(port, HF_TCP_ACK, NULL, 0);
	}
	return s;
}

static void a_slow_reader_has_a_minute_for_4_kb(void **state)
{
	(void)state;
	assert_true(served(2000));
	assert_in_range(reads(2000, 20, 600), 59, 63);
	assert_int_equal(rig.w->stats.timeout_slow_reader, 1);
	assert_int_equal(rig.w->stats.timeout_idle, 0);
	pass(SEC);
	rig_backend_take(&rig);
	pass(SEC);
	assert_int_equal(rig.w->stats.conns, 0);
	assert_int_equal(rig.w->bufs.chunk.used, 0);
}

static void a_steady_reader_has_all_the_time(void **state)
{
	uint64_t before;

	(void)state;
	assert_true(served(2000));
	before = acknowledged();
	assert_int_equal(reads(2000, 100, 300), 300);
	assert_int_equal(rig.w->stats.timeout_slow_reader, 0);
	assert_in_range(acknowledged() - before, 30000, 31000);
}

/* A backend that has said all frees nobody from reading it: here linger begins anew with each byte. */
static void a_slow_reader_of_the_rest(void **state)
{
	uint64_t before;

	(void)state;
	assert_true(served(2000));
	assert_int_equal(reads(2000, 20, 20), 20);
	assert_int_equal(hf_link_half_close(&rig.ours, &rig.stream), 0);
	hf_link_publish(&rig.ours);
	before = acknowledged();
	for (uint32_t s = 0, acked = peer[2000].rcv_nxt; s < 100 && !peer[2000].reset; s++) {
		pass(SEC);
		peer[2000].rcv_nxt = acked += 20;
		say(2000, HF_TCP_ACK, NULL, 0);
	}
	assert_true(peer[2000].reset);
	assert_in_range(acknowledged() - before, 600, 1000);
	assert_int_equal(rig.w->stats.timeout_slow_reader, 1);
	assert_int_equal(rig.w->stats.timeout_linger, 0);
}

/* ---- too many ---- */

/* All slots are held by clients that sent half a hello: newcomers get through, for the oldest of those
 * that stand still; who is in stays. */
static void held_half_hellos(void **state)
{
	uint8_t buf[1000];
	size_t len = hello_of(buf, sizeof(buf));
	uint32_t chunks = 0;

	(void)state;
	assert_true(served(2000));
	for (uint16_t i = 0; i < 500; i++) {
		if (connect_from((uint16_t)(3000 + i)))
			say((uint16_t)(3000 + i), HF_TCP_ACK, buf, len / 2);
		pass(20 * HF_NS_MS);
		hf_worker_check(rig.w);
		if (i == 100)
			chunks = rig.w->bufs.chunk.used;
	}
	assert_in_range(rig.w->stats.conns, 56, 64);
	assert_in_range(
		rig.w->bufs.chunk.used, 0, chunks + 8); /* they cost no more than the slots hold */
	assert_true(rig.w->stats.evicted > 400);
	assert_int_equal(rig.w->tls.hs.used, 0);
	assert_true(peer[3000].reset && !peer[3499].reset);
	for (uint16_t i = 0; i < 20; i++)
		assert_true(served((uint16_t)(5000 + i)));
	assert_false(peer[2000].reset || peer[2000].fin);
	say(2000, HF_TCP_ACK, NULL, 0);
	assert_false(peer[2000].reset);
}

/* Handshakes in flight are bounded: beyond the bound SYNs are not answered, and those who got a
 * certificate and went silent make room for others. */
static void held_handshakes(void **state)
{
	uint8_t buf[1000];
	size_t len = hello_of(buf, sizeof(buf));
	uint64_t crowded;

	(void)state;
	for (uint16_t i = 0; i < 40; i++) {
		if (connect_from((uint16_t)(3000 + i)))
			say((uint16_t)(3000 + i), HF_TCP_ACK, buf, len);
		pass(20 * HF_NS_MS);
	}
	crowded = hf_tcp_stats(rig.w->tcp)->outcome[HF_TCP_O_SYN_CROWDED];
	assert_true(crowded > 10);
	assert_in_range(rig.w->tls.hs.used, 14, 16); /* 7/8 of 16, and who was under way */
	assert_false(served(4000));
	pass(3 * SEC);
	assert_true(served(4001)); /* its second try, so to say */
	assert_true(rig.w->stats.evicted_handshakes > 0);
	for (uint16_t i = 0; i < 30; i++) { /* and they go on coming */
		if (connect_from((uint16_t)(6000 + i)))
			say((uint16_t)(6000 + i), HF_TCP_ACK, buf, len);
		pass(100 * HF_NS_MS);
	}
	pass(3 * SEC);
	assert_true(served(4002));
	hf_worker_check(rig.w);
}

#define SOME 30u

static uint32_t how_many(bool (*is)(const struct peer *p))
{
	uint32_t cnt = 0;

	for (uint16_t i = 0; i < SOME; i++)
		cnt += is(&peer[3000 + i]);
	return cnt;
}

static bool has_certificate(const struct peer *p)
{
	return p->got > 1000;
}

static bool was_reset(const struct peer *p)
{
	return p->reset;
}

/* cnt of them say hello in one turn; the first 16 find handshake memory. */
static void say_hello(uint32_t cnt)
{
	uint8_t buf[1000];
	struct hello h = {.suites = rig.suite, .suite_cnt = 1, .name = "www.example.org"};
	size_t len = tls_client_hello(&client, buf, sizeof(buf), &h);

	for (uint16_t i = 0; i < cnt; i++)
		assert_true(connect_from((uint16_t)(3000 + i)));
	for (uint16_t i = 0; i < cnt; i++)
		put((uint16_t)(3000 + i), HF_TCP_ACK, buf, len);
	(void)rig_turn(&rig);
	assert_int_equal(rig.w->tls.hs.used, 16);
}

/* A suite with which our engines, that compute one operation a turn, are needed before the certificate. */
static int set_up_ecdhe(void **state)
{
	static const uint16_t ecdhe[] = {0xc02f};

	set_up(state);
	rig_fini(&rig);
	rig.suite = ecdhe;
	rig_init(&rig);
	rig_settle(&rig);
	return 0;
}

/* Who waited for our engines for long has all the time there is from when he has the word: he cannot have been
 * faster, and what was computed for him is not thrown away. */
static void kept_waiting_by_us(void **state)
{
	(void)state;
	say_hello(16);
	assert_int_equal(how_many(has_certificate), 0);
	rig.now += 4 * SEC; /* the engines were at something else */
	pass(SEC);
	assert_int_equal(how_many(has_certificate), 16);
	assert_int_equal(how_many(was_reset), 0);
	pass(3 * SEC);
	assert_true(rig.w->stats.evicted_handshakes > 0);
}

/* Who finds no handshake memory is not asked again and again, but when there is some. */
static void who_waits_for_memory_is_called(void **state)
{
	uint64_t asked;

	(void)state;
	say_hello(SOME);
	pass(100 * HF_NS_MS);
	assert_int_equal(how_many(has_certificate), 16);
	asked = rig.w->tls.stats.short_of_memory;
	pass(SEC);
	assert_int_equal(rig.w->tls.stats.short_of_memory, asked);
	for (uint16_t i = 0; i < SOME; i++) /* those who were first have seen enough */
		if (has_certificate(&peer[3000 + i]))
			say((uint16_t)(3000 + i), HF_TCP_ACK | HF_TCP_RST, NULL, 0);
	pass(SEC);
	assert_int_equal(how_many(has_certificate), SOME);
	assert_int_equal(how_many(was_reset), 0);
}

/* Whose hello waits for memory is late or gone because of us, and has the time of a whole handshake. */
static void who_waits_for_memory_is_not_blamed(void **state)
{
	const uint64_t *reason = rig.w->tls.stats.reason;

	(void)state;
	say_hello(SOME);
	put(3000 + SOME - 1, HF_TCP_ACK | HF_TCP_RST, NULL, 0);
	(void)rig_turn(&rig);
	assert_int_equal(reason[HF_TLS_R_GONE_WAITING], 1);
	for (uint32_t late = 0; late < 2; late++) {
		assert_int_equal(rig.w->stats.timeout_handshake, 0);
		rig.now += 11 * SEC;
		for (uint32_t i = 0; i < 3; i++)
			(void)rig_turn(&rig);
	}
	assert_in_range(reason[HF_TLS_R_ENGINES_LATE], 13, SOME - 1);
	assert_int_equal(reason[HF_TLS_R_HELLO_LATE], 0);
}

/* Established connections have all slots: strangers are refused, who is in goes on. */
static void full_of_friends(void **state)
{
	uint8_t buf[1000];
	struct hf_writer w = hf_writer(buf, sizeof(buf));
	struct tls_client last;
	uint64_t before;

	(void)state;
	for (uint16_t i = 0; i < 64; i++)
		assert_true(served((uint16_t)(2000 + i)));
	last = client;
	assert_false(served(3000));
	client = last;
	assert_int_equal(peer[3000].rcv_nxt, 0);
	assert_true(hf_tcp_stats(rig.w->tcp)->outcome[HF_TCP_O_SYN_CROWDED] > 0);
	assert_int_equal(rig.w->stats.evicted, 0);
	before = rig.w->stats.bytes_to_backend;
	tls_client_seal(&client, &w, HF_TLS_CT_DATA, "hello", 5);
	say(2063, HF_TCP_ACK | HF_TCP_PSH, buf, w.len);
	pass(SEC);
	assert_int_equal(rig.w->stats.bytes_to_backend, before + 5);
}

/* ---- many streams, and a backend that hears them all ---- */

#define SLOTS 40000u

static struct hf_link_stream stream[256];

static int set_up_many(void **state)
{
	set_up(state);
	rig_fini(&rig);
	rig.conn_cnt = SLOTS;
	rig_init(&rig);
	rig_settle(&rig);
	memset(stream, 0, sizeof(stream));
	return 0;
}

static void hear_streams(void)
{
	struct hf_link_msg m;
	int rc;

	while ((rc = hf_link_next(&rig.ours, &m)) > 0) {
		HF_ASSERT(hf_link_admit(&rig.ours, &stream[(uint32_t)m.stream % 256], &m) == 0);
		hf_link_skip(&rig.ours);
	}
	assert_int_equal(rc, 0);
	hf_link_release(&rig.ours);
	hf_link_publish(&rig.ours);
}

/* A stream of its own, whose backend is granted credit: it may answer. */
static void ask_from(uint16_t port)
{
	uint8_t buf[1000];
	struct hf_writer w = hf_writer(buf, sizeof(buf));

	assert_true(served(port));
	tls_client_seal(&client, &w, HF_TLS_CT_DATA, "hello", 5);
	say(port, HF_TCP_ACK | HF_TCP_PSH, buf, w.len);
	rig_settle(&rig);
	hear_streams();
}

/* A backend that says that it has no credit, and has nothing to say, keeps nobody busy: what was granted
 * is not asked back in the next turn, to be granted again. */
static void credit_does_not_go_to_and_fro(void **state)
{
	uint64_t before;
	uint32_t cnt;

	(void)state;
	for (cnt = 0; rig.w->link_reserved <= rig.w->cfg.link_chunk_cnt / 2; cnt++)
		ask_from((uint16_t)(2000 + cnt));
	pass(2 * SEC);
	before = rig.w->stats.credit_reclaimed;
	for (uint32_t turn = 0; turn < 1000; turn++) {
		(void)rig_turn(&rig);
		hear_streams();
		for (uint32_t i = 0; i < cnt; i++)
			if (stream[i].tx_credit == 0)
				assert_int_equal(hf_link_blocked(&rig.ours, &stream[i]), 0);
		hf_link_publish(&rig.ours);
	}
	assert_true(rig.w->stats.credit_reclaimed > 0);
	assert_true(rig.w->stats.credit_reclaimed - before <= cnt);
	hf_worker_check(rig.w);
}

static bool granted(uint64_t id)
{
	return stream[id % 256].tx_credit > 0;
}

/* Streams that idle hold all that backends may be promised; there are few of them among very many slots.
 * Who asks now does not wait until all slots have been looked at. */
static void who_idles_is_found_among_many(void **state)
{
	uint32_t cnt = 0, turns = 0;

	(void)state;
	do {
		ask_from((uint16_t)(2000 + cnt));
	} while (granted(cnt++) && cnt < 200);
	assert_in_range(cnt, 100, 130);
	assert_true(rig.w->link_reserved > rig.w->cfg.link_chunk_cnt - 3);
	pass(50 * HF_NS_MS); /* they have idled for long enough */
	ask_from(3000);
	while (!granted(cnt) && turns++ < 1000) {
		(void)rig_turn(&rig);
		hear_streams();
	}
	assert_true(turns < 100);
	hf_worker_check(rig.w);
}

/* A backend with many streams is gone: they end, all of them, but not in one turn, during which nobody
 * else would be served; and its memory is looked at until the last one has. */
static void a_backend_leaves_many_behind(void **state)
{
	struct hf_event e;
	uint64_t before, free_at = 0;
	uint32_t turns = 0, most = 0, resets = 0;

	(void)state;
	for (uint16_t i = 0; i < 200; i++)
		assert_true(served((uint16_t)(2000 + i)));
	assert_int_equal(rig.w->stats.streams, 200);
	while (hf_worker_event(rig.w, &e))
		;
	rig_order(&rig, (struct hf_order){.kind = HF_ORDER_ENDPOINT_DOWN});
	do {
		before = rig.w->stats.conns_freed;
		(void)rig_turn(&rig);
		most = HF_MAX(most, (uint32_t)(rig.w->stats.conns_freed - before));
		hf_worker_check(rig.w);
		while (hf_worker_event(rig.w, &e))
			if (e.kind == HF_EVENT_ENDPOINT_FREE)
				free_at = rig.w->stats.streams_lost;
	} while (++turns < 1000 && rig.w->stats.conns);
	assert_int_equal(rig.w->stats.streams_lost, 200);
	assert_int_equal(free_at, 200);
	assert_in_range(most, 1, 32);
	assert_in_range(turns, 6, 20);
	for (uint16_t i = 0; i < 200; i++)
		resets += peer[2000 + i].reset;
	assert_int_equal(resets, 200);
}

/* A turn takes so many frames and no more, however many there are: the rest waits for the next. */
static void a_turn_takes_a_bounded_number_of_frames(void **state)
{
	uint64_t before;

	(void)state;
	for (uint32_t i = 0; i < 500; i++) {
		struct packet p;
		struct packet_spec s = {
			.sport = (uint16_t)(1 + i), .tcp_flags = HF_TCP_SYN, .window = 1};

		packet_tcp(&p, &s);
		assert_true(hf_port_mem_give(rig.port, 0, p.bytes, p.frame.len));
	}
	before = rig.w->net_stats.frames_in;
	assert_true(rig_turn(&rig));
	assert_int_equal(rig.w->net_stats.frames_in - before, 256);
	(void)rig_turn(&rig);
	assert_int_equal(rig.w->net_stats.frames_in - before, 500);
	assert_int_equal(hf_tcp_stats(rig.w->tcp)->replies_dropped, 0);
	hf_worker_check(rig.w);
}

/* ---- the table ---- */

/* Every counter that README.md's table names is one that there is. */
static void the_table_of_pools_names_real_counters(void **state)
{
	struct hf_worker_table v[HF_WORKER_TABLES_MAX];
	uint32_t cnt = hf_worker_tables(rig.w, v), found = 0;
	char line[1000], *at;
	bool inside = false;
	FILE *f = fopen("README.md", "r");

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		inside = strncmp(line, "## When something runs out", 26) == 0 ||
			 (inside && strncmp(line, "## ", 3) != 0);
		for (at = inside && line[0] == '|' ? line : NULL; at && (at = strchr(at, '`'));) {
			char module[40] = "", row[60] = "";
			int len = 0;
			bool ours = false, known = false;

			if (sscanf(at, "`%39[a-z].%59[A-Za-z_]`%n", module, row, &len) != 2 ||
				len == 0) {
				at = strchr(at + 1, '`');
				at = at ? at + 1 : NULL;
				continue;
			}
			at += len;
			for (uint32_t t = 0; t < cnt; t++) {
				if (strcmp(v[t].table->module, module) != 0)
					continue;
				ours = true;
				for (uint32_t i = 0; i < v[t].table->row_cnt; i++)
					known |= strcmp(v[t].table->row[i].name, row) == 0;
			}
			if (ours && !known)
				fail_msg("there is no counter %s.%s", module, row);
			found += known;
		}
	}
	fclose(f);
	assert_true(found >= 15);
}

/* Whoever waits for each answer by himself is not made to wait for a sleep as well. */
static void several_at_once_are_a_load(void **state HF_UNUSED)
{
	uint16_t port = 2000;

	for (; port < 2007; port++)
		assert_true(connect_from(port));
	for (uint32_t n = 0; n < 100; n++)
		say(2000, HF_TCP_ACK, NULL, 0);
	assert_false(rig.poll.loaded);
	assert_true(connect_from(port));
	assert_true(rig.poll.loaded);
	pass(10 * HF_NS_MS);
	assert_true(rig.poll.loaded);
	pass(20 * HF_NS_MS);
	assert_false(rig.poll.loaded);
}

/* What comes of a record waits for more; what ends with one is acknowledged by its answer, or a little later. */
static void a_request_is_acknowledged_by_its_answer(void **state HF_UNUSED)
{
	uint8_t buf[200];
	const uint64_t *out = &hf_tcp_stats(rig.w->tcp)->segments_out;
	struct hf_writer w = hf_writer(buf, sizeof(buf));
	uint64_t before;

	assert_true(served(2000));
	pass(SEC);
	tls_client_seal(&client, &w, HF_TLS_CT_DATA, "question", 8);
	before = *out;
	say(2000, HF_TCP_ACK, buf, 10);
	assert_int_equal(*out - before, 1);
	say(2000, HF_TCP_ACK, buf + 10, w.len - 10);
	assert_int_equal(*out - before, 1);
	assert_int_equal(rig.w->stats.bytes_to_backend, 8);
	rig.stream = (struct hf_link_stream){0};
	assert_int_equal(rig_answer(&rig, 100), 100);
	(void)rig_turn(&rig);
	(void)rig_turn(&rig);
	assert_int_equal(*out - before, 2);
	w.len = 0;
	tls_client_seal(&client, &w, HF_TLS_CT_DATA, "another one", 11);
	say(2000, HF_TCP_ACK, buf, w.len);
	assert_int_equal(*out - before, 2);
	pass(10 * HF_NS_MS);
	pass(10 * HF_NS_MS);
	assert_int_equal(*out - before, 3);
}

static bool rung(hf_ns within)
{
	hf_ns end = rig.now + within;

	do
		(void)rig_turn(&rig);
	while (!rig.poll.bells && rig.now < end);
	return rig.poll.bells != 0;
}

/* A patient backend is woken for a stream by its first byte, or after some milliseconds, which are due; the
 * others at once. */
static void who_is_patient_is_woken_less(void **state HF_UNUSED)
{
	uint8_t buf[64];
	struct hf_writer w = hf_writer(buf, sizeof(buf));

	for (int patient = 0; patient < 2; patient++) {
		hf_ns began;

		rig_backend_take(&rig);
		rig.workers.patient = patient;
		assert_true(hf_link_sleep(&rig.ours, false));
		began = rig.now;
		rig.workers.stats->bells = 0;
		assert_true(served((uint16_t)(2000 + patient)));
		assert_int_equal(rig.workers.stats->bells, !patient);
		if (patient) {
			assert_true(rig.poll.next_due <= rig.now + 5 * HF_NS_MS);
			assert_true(rung(10 * HF_NS_MS));
			assert_in_range(rig.now - began, 5 * HF_NS_MS, 7 * HF_NS_MS);
			assert_false(rung(20 * HF_NS_MS)); /* once */
		}
		hf_link_wake(&rig.ours);
	}
	rig_backend_take(&rig);
	assert_true(hf_link_sleep(&rig.ours, false));
	assert_true(served(2002));
	tls_client_seal(&client, &w, HF_TLS_CT_DATA, "a", 1);
	say(2002, HF_TCP_ACK, buf, w.len);
	assert_true(rig.poll.bells || rung(HF_NS_MS));
}

#define OVERLOAD(test) cmocka_unit_test_setup_teardown(test, set_up, peers_end)
#define OVERLOAD_ECDHE(test) cmocka_unit_test_setup_teardown(test, set_up_ecdhe, peers_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OVERLOAD(a_hello_has_ten_seconds),
		OVERLOAD(a_handshake_has_twenty),
		OVERLOAD(a_record_has_ten),
		OVERLOAD(a_stream_of_records_has_all_the_time),
		OVERLOAD(the_end_has_its_time_too),
		OVERLOAD(a_slow_reader_has_a_minute_for_4_kb),
		OVERLOAD(a_steady_reader_has_all_the_time),
		OVERLOAD(a_slow_reader_of_the_rest),
		OVERLOAD(held_half_hellos),
		OVERLOAD(held_handshakes),
		OVERLOAD_ECDHE(kept_waiting_by_us),
		OVERLOAD(who_waits_for_memory_is_called),
		OVERLOAD_ECDHE(who_waits_for_memory_is_not_blamed),
		OVERLOAD(full_of_friends),
		cmocka_unit_test_setup_teardown(
			who_idles_is_found_among_many, set_up_many, peers_end),
		cmocka_unit_test_setup_teardown(
			credit_does_not_go_to_and_fro, set_up_many, peers_end),
		cmocka_unit_test_setup_teardown(
			a_backend_leaves_many_behind, set_up_many, peers_end),
		OVERLOAD(a_turn_takes_a_bounded_number_of_frames),
		OVERLOAD(a_request_is_acknowledged_by_its_answer),
		OVERLOAD(who_is_patient_is_woken_less),
		OVERLOAD(several_at_once_are_a_load),
		OVERLOAD(the_table_of_pools_names_real_counters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
