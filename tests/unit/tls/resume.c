/* resume.c -- sessions that go on: what a ticket and an id must say, byte by byte, for the double
 * leaves tickets in the clear; why each miss is a miss; what is sent instead; and that keys and
 * sessions are gone when their time is over. */
#include "tests/doubles/pk_double.h"
#include "tests/doubles/sym_double.h"
#include "tests/support/test.h"
#include "tests/support/tls_bytes.h"
#include "tests/support/tls_rig.h"

#define SESSION_CNT 16u /* two places */
#define CHAIN_LEN 100u
#define SUITE 0x009cu
/* into a ticket: name, IV, then the text */
#define TEXT (HF_TLS_TICKET_NAME_LEN + 16u)

static struct rig rig;
static uint8_t chain[CHAIN_LEN], id_key[16] = "key of all ids!";

static int setup(void **state)
{
	(void)state;
	rig = (struct rig){.pk_engine = &pk_double,
		.sym_driver = &sym_double,
		.cert = {.list = {chain, CHAIN_LEN}, .key = &pk_double_key},
		.chunk_cnt = 40,
		.record_cnt = 3,
		.hs_cnt = 2,
		.session_cnt = SESSION_CNT};
	rig_init(&rig);
	memcpy(rig.x.id_key, id_key, sizeof(id_key));
	rig.x.worker = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_fini(&rig);
	return 0;
}

/* ---- a client that knows how to come back ---- */

static const uint16_t suites[] = {SUITE, 0x002f};

struct visit {
	struct hello hello;
	bool brings_ticket, brings_id; /* of those below */
	/* what came of it */
	uint8_t out[1000];
	size_t out_len;
	bool resumed;
	uint8_t id[HF_TLS_SESSION_ID_MAX], id_len; /* in the ServerHello */
	uint8_t ticket[300], ticket_cnt;           /* of the NewSessionTicket */
	uint32_t hint;
	uint16_t ticket_len;
	enum hf_tls_resume what;
};

static struct visit visit_of(const char *name)
{
	return (struct visit){
		.hello = {.name = name, .suites = suites, .suite_cnt = HF_ARRAY_LEN(suites)}};
}

static uint64_t counts[HF_TLS_RESUME_CNT];

/* The one row that was counted since. */
static enum hf_tls_resume counted(void)
{
	enum hf_tls_resume what = HF_TLS_RESUME_CNT;

	for (uint32_t i = 0; i < HF_TLS_RESUME_CNT; i++) {
		if (rig.x.stats.resume[i] == counts[i])
			continue;
		assert_int_equal(rig.x.stats.resume[i], counts[i] + 1);
		assert_int_equal(what, HF_TLS_RESUME_CNT);
		what = i;
	}
	assert_int_not_equal(what, HF_TLS_RESUME_CNT);
	return what;
}

static void read_out(struct visit *v)
{
	const uint8_t *p = v->out;

	v->ticket_cnt = 0;
	for (size_t at = 0, n; at < v->out_len && p[at] == 22; at += 5 + n) {
		n = (size_t)p[at + 3] << 8 | p[at + 4];
		for (size_t m = at + 5, len; m < at + 5 + n; m += 4 + len) {
			len = (size_t)p[m + 1] << 16 | (size_t)p[m + 2] << 8 | p[m + 3];
			if (p[m] == HF_TLS_MSG_SERVER_HELLO) {
				v->id_len = p[m + 4 + 34];
				memcpy(v->id, p + m + 4 + 35, v->id_len);
			}
			if (p[m] != HF_TLS_MSG_NEW_SESSION_TICKET)
				continue;
			v->ticket_cnt++;
			v->hint = (uint32_t)p[m + 4] << 24 | (uint32_t)p[m + 5] << 16 |
				  (uint32_t)p[m + 6] << 8 | p[m + 7];
			v->ticket_len = (uint16_t)(p[m + 8] << 8 | p[m + 9]);
			assert_int_equal(len, 6 + v->ticket_len);
			assert_true(v->ticket_len <= sizeof(v->ticket));
			memcpy(v->ticket, p + m + 10, v->ticket_len);
		}
	}
}

static void feed_rest(bool full)
{
	uint8_t em[256], message[300], buf[400], finished[16] = {20, 0, 0, 12};
	struct hf_writer w = hf_writer(buf, sizeof(buf)), m = hf_writer(message, sizeof(message));

	put_premaster(em, HF_TLS_12);
	put_key_exchange(&m, em, sizeof(em));
	sym_double_prf("client finished", finished + 4, 12);
	if (full)
		put_record(&w, 22, HF_TLS_12, message, m.len);
	put_record(&w, 20, HF_TLS_12, "\1", 1);
	put_record(&w, 22, HF_TLS_12, finished, sizeof(finished));
	rig_feed(&rig, buf, w.len);
}

/* Up to our first flight. */
static void knock(struct visit *v)
{
	uint8_t record[1000];

	memcpy(counts, rig.x.stats.resume, sizeof(counts));
	v->hello.ticket = v->brings_ticket ? v->ticket : NULL;
	v->hello.session_id = v->brings_id ? v->id : NULL;
	rig_open(&rig);
	rig_feed(&rig, record, put_hello_record(record, sizeof(record), &v->hello));
	rig_settle(&rig);
	v->out_len = rig_sent(&rig, v->out, sizeof(v->out));
	v->resumed = rig.tls.state == HF_TLS_ST_CCS;
	v->what = counted();
	read_out(v);
	assert_int_equal(
		v->resumed, v->what == HF_TLS_RESUME_TICKET || v->what == HF_TLS_RESUME_ID);
}

/* A whole handshake of either kind. */
static void call(struct visit *v)
{
	size_t len;

	knock(v);
	len = v->out_len;
	feed_rest(!v->resumed);
	rig_settle(&rig);
	assert_int_equal(rig.tls.state, HF_TLS_ST_DONE);
	assert_true(rig.news & HF_TLS_ESTABLISHED);
	v->out_len = rig_sent(&rig, v->out, sizeof(v->out));
	if (!v->resumed)
		read_out(v);
	else
		assert_int_equal(v->out_len, 0); /* we had said everything */
	v->out_len += len;
	rig_close(&rig);
}

static void bring_ticket(struct visit *v)
{
	v->brings_ticket = true;
	v->brings_id = false;
	v->hello.ticket_len = v->ticket_len;
}

static void bring_id(struct visit *v)
{
	v->brings_id = true;
	v->hello.session_id_len = v->id_len;
}

/* A first visit with a ticket in its hand at the end. */
static struct visit with_ticket(const char *name)
{
	struct visit v = visit_of(name);

	call(&v);
	assert_int_equal(v.what, HF_TLS_RESUME_NONE);
	assert_int_equal(v.ticket_len, HF_TLS_TICKET_LEN);
	assert_int_equal(v.ticket_cnt, 1);
	bring_ticket(&v);
	return v;
}

static struct visit with_id(const char *name)
{
	struct visit v = visit_of(name);

	v.hello.no_ticket = true;
	call(&v);
	assert_int_equal(v.what, HF_TLS_RESUME_NONE);
	assert_int_equal(v.id_len, HF_TLS_SESSION_ID_MAX);
	assert_int_equal(v.ticket_cnt, 0);
	bring_id(&v);
	return v;
}

static void seconds_pass(uint32_t s)
{
	rig.x.wall_ns += s * HF_NS_S;
}

static void expect(struct visit *v, enum hf_tls_resume what)
{
	call(v);
	assert_int_equal(v->what, what);
}

/* ---- the flight ---- */

/* ServerHello, ChangeCipherSpec and Finished in one run of bytes; no private key at work; the client's
 * Finished ends it. The captured second visit brings an id of its own making to a ticket. */
static void resumed_by_ticket(void **state)
{
	struct visit v = with_ticket("www.example.org");
	uint64_t jobs = hf_pk_stats(rig.x.pk)->done, shakes = rig.x.stats.key_exchange_ns.cnt;
	uint8_t master[48];
	struct hf_tls_peer p;
	const uint8_t *at;

	(void)state;
	v.hello.session_id_len = 32;
	v.hello.pad_to = 517;
	knock(&v);
	assert_true(v.resumed);
	assert_int_equal(v.id_len, 32); /* echoed */
	assert_int_equal(v.id[0], 0x80);
	assert_int_equal(v.ticket_cnt, 0); /* the one it has is good */
	at = v.out + 5 + ((size_t)v.out[3] << 8 | v.out[4]);
	assert_memory_equal(at, "\x14\3\3\0\1\1\x16\3\3\0", 10);
	assert_int_equal(at + 6 + 5 + at[10] - v.out, v.out_len);
	assert_false(rig.news & HF_TLS_ESTABLISHED);
	feed_rest(false);
	rig_settle(&rig);
	assert_true(rig.news & HF_TLS_ESTABLISHED);
	hf_tls_peer(&rig.tls, &p);
	assert_true(p.resumed);
	assert_int_equal(p.suite, SUITE);
	assert_true(hf_span_eq(p.sni, hf_span("www.example.org", 15)));
	assert_int_equal(p.client_random[0], 0x40);
	sym_double_prf("master secret", master, sizeof(master));
	assert_memory_equal(p.master, master, sizeof(master));
	rig_close(&rig);
	assert_int_equal(hf_pk_stats(rig.x.pk)->done, jobs);
	assert_int_equal(rig.x.stats.key_exchange_ns.cnt, shakes);
}

static void resumed_by_id(void **state)
{
	struct visit v = with_id("www.example.org");
	uint8_t id[HF_TLS_SESSION_ID_MAX];

	(void)state;
	memcpy(id, v.id, sizeof(id));
	for (int i = 0; i < 3; i++) {
		expect(&v, HF_TLS_RESUME_ID);
		assert_int_equal(v.id_len, sizeof(id));
		assert_memory_equal(v.id, id, sizeof(id));
	}
	v.hello.no_ticket = false; /* who knows tickets now gets one */
	expect(&v, HF_TLS_RESUME_ID);
	assert_int_equal(v.ticket_cnt, 1);
	bring_ticket(&v);
	expect(&v, HF_TLS_RESUME_TICKET);
}

/* Ticketbleed: an id of any length comes back as it is, no byte more; at a miss, never. */
static void ids_of_every_length(void **state)
{
	struct visit v = with_ticket("www.example.org");

	(void)state;
	for (uint32_t len = 0; len <= HF_TLS_SESSION_ID_MAX; len++) {
		v.hello.session_id_len = len;
		expect(&v, HF_TLS_RESUME_TICKET);
		assert_int_equal(v.id_len, len);
		for (uint32_t i = 0; i < len; i++)
			assert_int_equal(v.id[i], 0x80 + i);
		v.ticket[HF_TLS_TICKET_LEN - 1] ^= 1;
		expect(&v, HF_TLS_RESUME_TICKET_BAD);
		assert_int_equal(v.id_len, 0);
		bring_ticket(&v);
	}
}

/* The key that seals now is not the ticket's: a fresh one, whose life is no longer for it. */
static void renewed_under_the_new_key(void **state)
{
	struct visit v;

	(void)state;
	rig_tickets(&rig, 2, 1);
	v = with_ticket("www.example.org");
	assert_int_equal(v.hint, RIG_LIFETIME_S);
	seconds_pass(1000);
	rig_tickets(&rig, 1, 3);
	expect(&v, HF_TLS_RESUME_TICKET);
	assert_int_equal(v.ticket_cnt, 1);
	assert_int_equal(v.hint, RIG_LIFETIME_S - 1000);
	assert_int_equal(v.ticket[1], 1);
	rig_tickets(&rig, 1, 1);
	expect(&v, HF_TLS_RESUME_TICKET);
	assert_int_equal(v.ticket_cnt, 0);
	seconds_pass(RIG_LIFETIME_S - 1001);
	expect(&v, HF_TLS_RESUME_TICKET);
	seconds_pass(1);
	expect(&v, HF_TLS_RESUME_EXPIRED);
	assert_int_equal(v.hint, RIG_LIFETIME_S);
}

/* ---- why not ---- */

/* A ticket with one byte of its text as the row wants it. */
static void tickets_that_are_missed(void **state)
{
	static const struct {
		uint32_t at;
		uint8_t flip;
		enum hf_tls_resume what;
	} rows[] = {
		{0, 3, HF_TLS_RESUME_TICKET_FOREIGN},                  /* version of the layout */
		{1, 3, HF_TLS_RESUME_TICKET_KEY},                      /* name of the key */
		{TEXT, 3, HF_TLS_RESUME_TICKET_BAD},                   /* layout of the text */
		{HF_TLS_TICKET_LEN - 1, 1, HF_TLS_RESUME_TICKET_BAD},  /* MAC */
		{HF_TLS_TICKET_LEN - 33, 1, HF_TLS_RESUME_TICKET_BAD}, /* padding */
		{TEXT + 1, 1, HF_TLS_RESUME_EMS_LOST},
		{TEXT + 2, 1, HF_TLS_RESUME_OTHER_SUITE}, /* version */
		{TEXT + 4, 0xff, HF_TLS_RESUME_OTHER_SUITE},
		{TEXT + 8, 0x80, HF_TLS_RESUME_CLOCK},
		{TEXT + 8, 0x40, HF_TLS_RESUME_EXPIRED},
		{TEXT + 12, 1, HF_TLS_RESUME_OTHER_NAME},
		{TEXT + 19, 0x80, HF_TLS_RESUME_OTHER_NAME},
	};
	struct visit v = with_ticket("www.example.org");

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		struct visit w = v;
		w.ticket[rows[i].at] ^= rows[i].flip;
		if (rows[i].what != HF_TLS_RESUME_EMS_LOST) {
			expect(&w, rows[i].what);
			continue;
		}
		knock(&w);
		assert_int_equal(w.what, rows[i].what);
		assert_int_equal(rig.tls.reason, HF_TLS_R_EMS_LOST);
		rig_close(&rig);
	}
	for (uint16_t len = 1; len < 300; len++) {
		struct visit w = v;
		w.hello.ticket_len = len;
		expect(&w, len == HF_TLS_TICKET_LEN ? HF_TLS_RESUME_TICKET
						    : HF_TLS_RESUME_TICKET_FOREIGN);
	}
}

/* RFC 7627 5.3, all four. */
static void extended_master_secret_must_agree(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		bool before = i & 1, now = i & 2, id = i & 4;
		struct visit v = visit_of(NULL);

		v.hello.ems = before;
		v.hello.no_ticket = id;
		call(&v);
		v.hello.ems = now;
		if (id)
			bring_id(&v);
		else
			bring_ticket(&v);
		knock(&v);
		assert_int_equal(v.what, before == now
						 ? id ? HF_TLS_RESUME_ID : HF_TLS_RESUME_TICKET
					 : now ? HF_TLS_RESUME_EMS_NEW
					       : HF_TLS_RESUME_EMS_LOST);
		if (before && !now)
			assert_memory_equal(v.out, "\x15\3\3\0\2\2\x28", 7);
		else
			assert_true(v.what == HF_TLS_RESUME_EMS_NEW || v.resumed);
		rig_close(&rig);
	}
}

/* RFC 6066 3: the name must be the same, whatever its letters' case; and so must what it led to. */
static void names_must_agree(void **state)
{
	static const struct {
		const char *before, *now;
		bool same;
	} rows[] = {
		{"www.example.org", "www.example.org", true},
		{"www.example.org", "WWW.Example.ORG", true},
		{"www.example.org", "a.example.org", false},
		{"a.example.org", "a.example.org", true},
		{"a.example.org", "b.example.org", false}, /* of one wildcard */
		{"www.example.org", NULL, false},
		{NULL, NULL, true},
		{NULL, "www.example.org", false},
		{"x.example.com", "x.example.com", true}, /* of the default */
		{"x.example.com", "y.example.com", false},
		{"x.example.com", NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < 2 * HF_ARRAY_LEN(rows); i++) {
		bool id = i % 2;
		struct visit v = id ? with_id(rows[i / 2].before) : with_ticket(rows[i / 2].before);

		v.hello.name = rows[i / 2].now;
		expect(&v, !rows[i / 2].same ? HF_TLS_RESUME_OTHER_NAME
			   : id              ? HF_TLS_RESUME_ID
					     : HF_TLS_RESUME_TICKET);
	}
}

/* The same name behind another listener, or as another virtual host, is another place. */
static void listener_and_host_must_agree(void **state)
{
	struct visit v = with_ticket("a.example.org"), w = with_id("a.example.org");
	struct hf_span name = rig.vhost[1].name;

	(void)state;
	rig.site.context++;
	expect(&v, HF_TLS_RESUME_OTHER_NAME);
	expect(&w, HF_TLS_RESUME_OTHER_NAME);
	rig.site.context--;
	v = with_ticket("a.example.org");
	rig.vhost[1].name = hf_span("a.example.org", 13);
	expect(&v, HF_TLS_RESUME_OTHER_NAME);
	rig.vhost[1].name = name;
}

static void suite_must_be_offered_and_served(void **state)
{
	static const uint16_t other[] = {0x002f};
	const uint16_t *served = rig.site.suite;
	uint32_t served_cnt = rig.site.suite_cnt;
	struct visit v = with_ticket("www.example.org"), w = v;

	(void)state;
	v.hello.suites = other;
	v.hello.suite_cnt = 1;
	expect(&v, HF_TLS_RESUME_OTHER_SUITE);
	rig.site.suite = other;
	rig.site.suite_cnt = 1;
	expect(&w, HF_TLS_RESUME_OTHER_SUITE);
	rig.site.suite = served;
	rig.site.suite_cnt = served_cnt;
	/* The session's suite goes on, whatever would be chosen now. */
	w = visit_of("www.example.org");
	w.hello.suites = other;
	w.hello.suite_cnt = 1;
	call(&w);
	bring_ticket(&w);
	w.hello.suites = suites;
	w.hello.suite_cnt = 2;
	knock(&w);
	assert_true(w.resumed);
	assert_int_equal(rig.tls.suite, 0x002f);
	rig_close(&rig);
}

/* RFC 6066 4: the length goes on with the session, so a hello that asks for another gets a new one. */
static void fragment_length_must_agree(void **state)
{
	static const uint8_t ext[5][5] = {
		{0}, {0, 1, 0, 1, 1}, {0, 1, 0, 1, 2}, {0, 1, 0, 1, 3}, {0, 1, 0, 1, 4}};

	(void)state;
	for (uint32_t i = 0; i < 2 * 5 * 5; i++) {
		uint32_t before = i % 5, now = i / 5 % 5;
		bool id = i >= 25;
		struct visit v = visit_of(NULL);

		v.hello.no_ticket = id;
		v.hello.more = ext[before];
		v.hello.more_len = before ? 5 : 0;
		call(&v);
		if (id)
			bring_id(&v);
		else
			bring_ticket(&v);
		v.hello.more = ext[now];
		v.hello.more_len = now ? 5 : 0;
		knock(&v);
		assert_int_equal(v.what, before != now ? HF_TLS_RESUME_OTHER_FRAGMENT
					 : id          ? HF_TLS_RESUME_ID
						       : HF_TLS_RESUME_TICKET);
		assert_int_equal(rig.tls.plain_max, now ? 256u << now : HF_TLS_RECORD_MAX);
		rig_close(&rig);
	}
}

static void clocks_may_differ_a_little(void **state)
{
	struct visit v;

	(void)state;
	seconds_pass(60);
	v = with_ticket(NULL);
	rig.x.wall_ns -= 60 * HF_NS_S;
	expect(&v, HF_TLS_RESUME_TICKET);
	rig.x.wall_ns -= 1 * HF_NS_S;
	expect(&v, HF_TLS_RESUME_CLOCK);
	rig.x.wall_ns += 61 * HF_NS_S;
}

static void keys_that_are_not_there(void **state)
{
	static const struct hf_tls_tickets none = {.lifetime_s = RIG_LIFETIME_S};
	struct visit v;

	(void)state;
	rig_tickets(&rig, 1, 1);
	v = with_ticket(NULL);
	rig_tickets(&rig, 2, 8);
	expect(&v, HF_TLS_RESUME_TICKET_KEY);
	assert_int_equal(v.ticket[1], 2); /* and the next time it is right */
	bring_ticket(&v);
	expect(&v, HF_TLS_RESUME_TICKET);
	hf_tls_tickets_take(&rig.x, &none);
	expect(&v, HF_TLS_RESUME_TICKET_OFF);
	assert_int_equal(v.ticket_cnt, 0);
	assert_int_equal(v.id_len, HF_TLS_SESSION_ID_MAX); /* its session is kept instead */
	rig_tickets(&rig, 1, 1);
}

/* Between the ServerHello that promises a ticket and the flight that brings it. */
static void keys_that_go_meanwhile(void **state)
{
	static const struct hf_tls_tickets none = {.lifetime_s = RIG_LIFETIME_S};
	struct visit v = visit_of(NULL);

	(void)state;
	knock(&v);
	hf_tls_tickets_take(&rig.x, &none);
	feed_rest(true);
	rig_settle(&rig);
	v.out_len = rig_sent(&rig, v.out, sizeof(v.out));
	read_out(&v);
	assert_int_equal(v.ticket_cnt, 1);
	assert_int_equal(v.ticket_len, 0);
	assert_int_equal(rig.tls.state, HF_TLS_ST_DONE);
	rig_close(&rig);
	rig_tickets(&rig, 1, 1);
}

static void engine_that_fails(void **state)
{
	struct visit v = visit_of(NULL);

	(void)state;
	knock(&v);
	feed_rest(true);
	while (!rig.tls.hs || rig.tls.state != HF_TLS_ST_FINISHED)
		rig_turn(&rig);
	sym_double_breaks = HF_SYM_SEAL;
	rig_run(&rig);
	sym_double_breaks = HF_SYM_KIND_CNT;
	rig_settle(&rig);
	v.out_len = rig_sent(&rig, v.out, sizeof(v.out));
	read_out(&v);
	assert_int_equal(v.ticket_cnt, 1);
	assert_int_equal(v.ticket_len, 0);
	rig_close(&rig);
	v = with_ticket(NULL);
	sym_double_breaks = HF_SYM_OPEN;
	knock(&v);
	sym_double_breaks = HF_SYM_KIND_CNT;
	assert_int_equal(v.what, HF_TLS_RESUME_TICKET_BAD);
	rig_close(&rig);
}

/* ---- ids ---- */

static void ids_that_are_missed(void **state)
{
	static const uint8_t versions13[] = {0, 43, 0, 5, 4, 3, 4, 3, 3};
	struct visit v = with_id(NULL), w;
	uint32_t kept_cnt = rig.x.kept_cnt;

	(void)state;
	for (uint32_t i = 0; i < HF_TLS_SESSION_ID_MAX; i++) { /* made up, or damaged */
		w = v;
		w.id[i] ^= 4;
		expect(&w, HF_TLS_RESUME_ID_FOREIGN);
		assert_int_equal(w.id_len, HF_TLS_SESSION_ID_MAX);
		assert_memory_not_equal(w.id, v.id, 16);
	}
	for (uint32_t len = 1; len < HF_TLS_SESSION_ID_MAX; len++) {
		w = v;
		w.hello.session_id_len = len;
		expect(&w, HF_TLS_RESUME_ID_FOREIGN);
	}
	w = v;
	w.brings_id = false;
	w.hello.more = versions13;
	w.hello.more_len = sizeof(versions13);
	expect(&w, HF_TLS_RESUME_ID_FILLER);
	v = with_id(NULL);
	v.hello.more = versions13; /* it knows 1.3 as well, and the id is ours: no filler */
	v.hello.more_len = sizeof(versions13);
	expect(&v, HF_TLS_RESUME_ID);
	rig.x.id_key[0] ^= 1; /* another process */
	v.hello.more_len = 0;
	expect(&v, HF_TLS_RESUME_ID_FOREIGN);
	rig.x.id_key[0] ^= 1;
	v = with_id(NULL);
	rig.x.kept_cnt = 0;
	w = v;
	w.brings_id = false;
	expect(&w, HF_TLS_RESUME_ID_OFF);
	assert_int_equal(w.id_len, 0);
	rig.x.kept_cnt = kept_cnt;
}

static void ids_of_other_workers(void **state)
{
	struct hf_tls_use use[65] = {{0}};
	struct visit v;

	(void)state;
	rig.site.use = use;
	for (uint32_t worker = 0; worker < HF_ARRAY_LEN(use); worker += 64) {
		rig.x.worker = worker;
		v = with_id(NULL);
		rig.x.worker = worker + 1 == HF_ARRAY_LEN(use) ? 0 : worker + 1;
		expect(&v, HF_TLS_RESUME_ID_WORKER);
	}
	rig.x.worker = 0;
	rig.site.use = &rig.use;
}

static uint32_t kept_now(void)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < rig.x.kept_cnt; i++)
		cnt += rig.x.kept[i].used > 0;
	return cnt;
}

/* RFC 5246 7.2.2: what a fatal alert ended is not resumed; what a deadline ended is. */
static void fatal_alerts_end_the_session(void **state)
{
	static const struct {
		bool again, done;  /* in the second visit; after the handshake */
		const char *bytes; /* NULL: a deadline */
		size_t len;
	} rows[] = {
		{false, true, "\x15\3\3\0\2\2\x28", 7},
		{false, true, "\x17\3\3\0\4BAD!", 9},
		{false, true, NULL, 0},
		{true, true, "\x15\3\3\0\2\2\x28", 7},
		{true, false, "\x15\3\3\0\2\2\x28", 7},
		{true, false, "\x17\3\3\0\1x", 6},
		{true, false, NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		struct visit v = visit_of(NULL), other = with_id(NULL);
		uint64_t kept;

		v.hello.no_ticket = true;
		if (rows[i].again)
			v = with_id(NULL);
		knock(&v);
		assert_int_equal(v.resumed, rows[i].again);
		bring_id(&v);
		if (rows[i].done)
			feed_rest(!v.resumed);
		rig_settle(&rig);
		kept = rig.x.stats.sessions;
		if (rows[i].bytes)
			rig_feed(&rig, rows[i].bytes, rows[i].len);
		else
			hf_tls_fail(&rig.x, &rig.tls, HF_TLS_R_TIMED_OUT);
		rig_settle(&rig);
		assert_true(rig.set & HF_TLS_FAILED);
		rig_close(&rig);
		assert_int_equal(rig.x.stats.sessions, kept - (rows[i].bytes != NULL));
		expect(&v, rows[i].bytes ? HF_TLS_RESUME_ID_GONE : HF_TLS_RESUME_ID);
		expect(&other, HF_TLS_RESUME_ID);
	}
}

/* Never more than there is room for; the least used goes; what is gone is zero. */
static void kept_sessions_are_bounded(void **state)
{
	struct visit v[3 * SESSION_CNT], faithful;
	uint64_t evicted = rig.x.stats.sessions_evicted;
	uint32_t here = 0, gone = 0;

	(void)state;
	faithful = with_id("a.example.org");
	for (size_t i = 0; i < HF_ARRAY_LEN(v); i++) {
		v[i] = with_id(NULL);
		expect(&faithful, HF_TLS_RESUME_ID);
		assert_int_equal(rig.x.stats.sessions, kept_now());
	}
	assert_int_equal(rig.x.stats.sessions, SESSION_CNT);
	assert_true(rig.x.stats.sessions_evicted >= evicted + 2 * SESSION_CNT);
	for (size_t i = 0; i < HF_ARRAY_LEN(v); i++) {
		knock(&v[i]);
		here += v[i].what == HF_TLS_RESUME_ID;
		gone += v[i].what == HF_TLS_RESUME_ID_GONE;
		rig_close(&rig);
	}
	assert_int_equal(here, SESSION_CNT - 1);
	assert_int_equal(gone, HF_ARRAY_LEN(v) - here);
}

static void old_sessions_are_wiped(void **state)
{
	static const uint8_t zero[sizeof(struct hf_tls_kept)];
	struct visit v = with_id(NULL);
	struct hf_tls_kept *place = NULL;
	uint64_t evicted = rig.x.stats.sessions_evicted;
	uint32_t empty = 0;

	(void)state;
	for (uint32_t i = 0; i < rig.x.kept_cnt; i++)
		if (memcmp(rig.x.kept[i].id, v.id, sizeof(rig.x.kept[i].id)) == 0)
			place = &rig.x.kept[i / HF_TLS_KEPT_WAYS * HF_TLS_KEPT_WAYS];
	assert_non_null(place);
	seconds_pass(RIG_LIFETIME_S);
	expect(&v, HF_TLS_RESUME_EXPIRED);
	while (kept_now() > 2) /* each place is looked at when it gets a new one */
		with_id(NULL);
	assert_int_equal(rig.x.stats.sessions, 2);
	assert_int_equal(rig.x.stats.sessions_evicted, evicted);
	for (uint32_t i = 0; i < rig.x.kept_cnt; i++)
		empty += memcmp(&rig.x.kept[i], zero, sizeof(zero)) == 0;
	assert_int_equal(empty, rig.x.kept_cnt - 2);
}

/* ---- keys ---- */

static void keys_are_wiped_when_replaced(void **state)
{
	static const uint8_t zero[sizeof(struct hf_tls_sealer)];
	uint64_t forgotten;

	(void)state;
	rig_tickets(&rig, 1, HF_TLS_TICKET_KEYS_MAX);
	forgotten = sym_double_forgotten;
	rig_tickets(&rig, 1, 1);
	assert_int_equal(sym_double_forgotten, forgotten + 2 * HF_TLS_TICKET_KEYS_MAX);
	for (uint32_t i = 1; i < HF_TLS_TICKET_KEYS_MAX; i++)
		assert_memory_equal(&rig.x.sealer[i], zero, sizeof(zero));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resumed_by_ticket),
		cmocka_unit_test(resumed_by_id),
		cmocka_unit_test(ids_of_every_length),
		cmocka_unit_test(renewed_under_the_new_key),
		cmocka_unit_test(tickets_that_are_missed),
		cmocka_unit_test(extended_master_secret_must_agree),
		cmocka_unit_test(names_must_agree),
		cmocka_unit_test(listener_and_host_must_agree),
		cmocka_unit_test(suite_must_be_offered_and_served),
		cmocka_unit_test(fragment_length_must_agree),
		cmocka_unit_test(clocks_may_differ_a_little),
		cmocka_unit_test(keys_that_are_not_there),
		cmocka_unit_test(keys_that_go_meanwhile),
		cmocka_unit_test(engine_that_fails),
		cmocka_unit_test(ids_that_are_missed),
		cmocka_unit_test(ids_of_other_workers),
		cmocka_unit_test(fatal_alerts_end_the_session),
		cmocka_unit_test(kept_sessions_are_bounded),
		cmocka_unit_test(old_sessions_are_wiped),
		cmocka_unit_test(keys_are_wiped_when_replaced),
	};

	return cmocka_run_group_tests_name("resume", tests, setup, teardown);
}
