/* sim-idle [CONNECTIONS [gone]] -- a whole worker with a million connections (or as many as are named) over the
 * port in memory, in virtual time: what one costs in bytes, and what all of them cost a turn and a
 * timer. Every connection is a TLS session of its own, resumed from one ticket, so that opening them
 * takes a minute; keep-alive probes and their answers come and go, some connections ask something, and at
 * the end all are closed by their idle deadline or, when told, because their backend is gone; after which
 * nothing may be left of them.
 * Only hf_worker_poll is timed. A turn that took long by the clock is judged by the thread's CPU time: what else
 * the machine does is not the worker's. Ends with 1 when a connection was lost, or an answer. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include "lib/tcp/tcp_conn.h"
#include "tests/support/tls_client.h"
#include "tests/support/worker_rig.h"

#define CONN_DEFAULT 1000000u
#define OPENS_PER_S 20000u
#define ASKS_PER_S 2000u
#define KEEPALIVE_NS (60 * HF_NS_S)
#define IDLE_NS (240 * HF_NS_S)
#define NAP_NS (200 * HF_NS_US) /* what a worker with idle ports sleeps at most */
#define STEP_NS (1 * HF_NS_MS)  /* of newcomers and requests */
#define PORTS_PER_HOST 50000u
#define FIRST_HOST 0x0b000000u
#define FIRST_PORT 10000u
#define REQUEST_LEN 64u
#define ANSWER_LEN 600u
#define TURN_MAX 8000000u
#define LONG_NS 20000u /* turns beyond it are judged by CPU time */

enum stage { NOT_YET, KNOCKED, GREETED, OPEN, CLOSED };

/* One connection's client and, behind it, its backend. */
struct visitor {
	struct hf_link_stream stream;
	uint32_t snd_nxt, rcv_nxt;
	uint32_t records; /* sealed by us */
	uint8_t key[16], iv[4];
	uint8_t stage;
	uint16_t asked, owed; /* bytes of a request taken, of its answer to be given */
};

static struct rig rig;
static struct rsa_key key;
static struct visitor *visitor;
static uint32_t visitor_cnt, open_cnt, closed_cnt, reset_cnt, probe_cnt;
static uint64_t ask_cnt, answered; /* requests, and bytes of their answers */
static uint64_t seed = 1;
/* of the first visit: what the others come back with */
static struct tls_client first, client;
static uint8_t ticket[HF_TLS_TICKET_LEN], master[48], id[32];
static uint8_t hello[600];
static size_t hello_len;

static void give_up(const char *why)
{
	fprintf(stderr, "sim-idle: %s\n", why);
	exit(1);
}

/* ---- clocks and figures ---- */

static uint64_t clock_of(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (uint64_t)t.tv_sec * HF_NS_S + (uint64_t)t.tv_nsec;
}

static uint64_t now_ns(void)
{
	return clock_of(CLOCK_MONOTONIC);
}

static size_t resident(void)
{
	unsigned long whole, pages;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%lu %lu", &whole, &pages) != 2)
		give_up("/proc/self/statm cannot be read");
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Turns that found something to do, and those that did not. */
static struct turns {
	uint32_t *ns, cnt;
} turns[2];

static void note_turn(bool busy, uint64_t ns)
{
	struct turns *t = &turns[busy];

	if (t->cnt < TURN_MAX)
		t->ns[t->cnt++] = (uint32_t)HF_MIN(ns, (uint64_t)UINT32_MAX);
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void say_turns(const char *phase)
{
	static const char *const name[] = {"nothing to do", "something to do"};

	for (uint32_t i = 0; i < 2; i++) {
		struct turns *t = &turns[i];

		if (t->cnt == 0)
			continue;
		qsort(t->ns, t->cnt, sizeof(t->ns[0]), by_size);
		printf("%-34s %-16s %9u %8.2f %8.2f %8.2f %9.2f\n",
			i == 0 || !turns[0].cnt ? phase : "", name[i], t->cnt,
			t->ns[t->cnt / 2] / 1e3, t->ns[(uint64_t)t->cnt * 99 / 100] / 1e3,
			t->ns[(uint64_t)t->cnt * 9999 / 10000] / 1e3, t->ns[t->cnt - 1] / 1e3);
		t->cnt = 0;
	}
}

/* ---- the clients ---- */

static uint32_t host_of(uint32_t i)
{
	return FIRST_HOST + i / PORTS_PER_HOST;
}

static uint32_t index_of(const struct hf_addr *a, uint16_t port)
{
	uint32_t host = (uint32_t)a->b[12] << 24 | (uint32_t)a->b[13] << 16 |
			(uint32_t)a->b[14] << 8 | a->b[15];

	return (host - FIRST_HOST) * PORTS_PER_HOST + port - FIRST_PORT;
}

static void say(uint32_t i, uint8_t flags, const void *p, size_t len)
{
	static const uint8_t options[] = {2, 4, 0x05, 0xb4, 1, 3, 3, 2, 1, 1, 4, 2};
	struct visitor *v = &visitor[i];
	struct packet frame;
	bool syn = flags & HF_TCP_SYN;
	struct packet_spec spec = {.src = host_of(i),
		.sport = (uint16_t)(FIRST_PORT + i % PORTS_PER_HOST),
		.seq = v->snd_nxt,
		.ack = v->rcv_nxt,
		.tcp_flags = flags,
		.window = 0xffff,
		.tcp_options = options,
		.tcp_options_len = syn ? sizeof(options) : 0,
		.payload = p,
		.payload_len = len};

	packet_tcp(&frame, &spec);
	if (!hf_port_mem_give(rig.port, 0, frame.bytes, frame.frame.len))
		give_up("the port's queue is too short for what clients say in a turn");
	v->snd_nxt += (uint32_t)len + !!(flags & (HF_TCP_SYN | HF_TCP_FIN));
}

static void knock(uint32_t i)
{
	visitor[i].snd_nxt = i << 8;
	visitor[i].stage = KNOCKED;
	say(i, HF_TCP_SYN, NULL, 0);
}

static void begin(void)
{
	client = first;
	memcpy(client.master, master, sizeof(master));
}

/* The server's hello and Finished; ours, and the session is open. */
static void come_in(uint32_t i, const struct hf_packet *p)
{
	struct visitor *v = &visitor[i];
	uint8_t want[16], buf[200];
	struct hf_writer w = hf_writer(buf, sizeof(buf));
	size_t padding;
	struct hf_span text;

	begin();
	tls_client_read(&client, p->payload.p, p->payload.len);
	if (client.record_cnt != 3)
		give_up("a ticket was not taken");
	tls_client_keys(&client);
	tls_client_verify(&client, "server finished", want);
	text = tls_client_open(&client, &client.record[2], buf, &padding);
	if (text.len != sizeof(want) || memcmp(text.p, want, sizeof(want)) != 0)
		give_up("a server's Finished is wrong");
	tls_client_log(&client, want, sizeof(want));
	tls_client_finish(&client, &w);
	say(i, HF_TCP_ACK | HF_TCP_PSH, buf, w.len);
	memcpy(v->key, client.key[0], sizeof(v->key));
	memcpy(v->iv, client.iv[0], sizeof(v->iv));
	v->records = 1;
	v->stage = OPEN;
	open_cnt++;
}

static void ask(uint32_t i)
{
	static const uint8_t request[REQUEST_LEN];
	struct visitor *v = &visitor[i];
	uint8_t buf[200];
	struct hf_writer w = hf_writer(buf, sizeof(buf));

	memcpy(client.key[0], v->key, sizeof(v->key));
	memcpy(client.iv[0], v->iv, sizeof(v->iv));
	client.seq[0] = v->records++;
	tls_client_seal(&client, &w, HF_TLS_CT_DATA, request, sizeof(request));
	say(i, HF_TCP_ACK | HF_TCP_PSH, buf, w.len);
	ask_cnt++;
}

static void bytes_in(uint32_t i, const struct hf_packet *p)
{
	struct visitor *v = &visitor[i];
	size_t record_len;

	v->rcv_nxt += (uint32_t)p->payload.len;
	if (v->stage == GREETED) {
		come_in(i, p);
		return;
	}
	record_len = (size_t)p->payload.p[3] << 8 | p->payload.p[4];
	if (p->payload.p[0] == HF_TLS_CT_DATA && p->payload.len == 5 + record_len)
		answered += record_len - 8 - 16;
	else if (p->payload.p[0] != HF_TLS_CT_ALERT)
		give_up("an answer is not what it should be");
	if (!(p->tcp_flags & HF_TCP_FIN))
		say(i, HF_TCP_ACK, NULL, 0);
}

static void segment(const struct hf_packet *p)
{
	uint32_t i = index_of(&p->dst, p->dport);
	struct visitor *v = &visitor[i];

	if (i >= visitor_cnt)
		return; /* the first visitor's */
	if (p->tcp_flags & HF_TCP_RST) {
		reset_cnt++;
		v->stage = CLOSED;
	} else if (p->tcp_flags & HF_TCP_SYN) {
		v->rcv_nxt = p->seq + 1;
		v->stage = GREETED;
		say(i, HF_TCP_ACK | HF_TCP_PSH, hello, hello_len);
	} else if (p->seq != v->rcv_nxt) { /* a probe: it is as if sent before */
		probe_cnt++;
		say(i, HF_TCP_ACK, NULL, 0);
	} else {
		if (p->payload.len)
			bytes_in(i, p);
		if (p->tcp_flags & HF_TCP_FIN) {
			v->rcv_nxt++;
			say(i, HF_TCP_ACK | HF_TCP_FIN, NULL, 0);
			closed_cnt += v->stage == OPEN;
			v->stage = CLOSED;
		}
	}
}

/* ---- the backend ---- */

static void answer(struct visitor *v)
{
	static const uint8_t bytes[ANSWER_LEN];
	size_t len = HF_MIN(v->owed, sizeof(bytes));

	v->owed = (uint16_t)(v->owed - hf_link_data(&rig.ours, &v->stream, bytes, len));
}

static void message(struct visitor *v, const struct hf_link_msg *m)
{
	size_t len;

	HF_ASSERT(hf_link_admit(&rig.ours, &v->stream, m) == 0);
	if (m->type == HF_LINK_DATA) {
		len = hf_link_read(&rig.ours, &v->stream, NULL, m->len);
		HF_ASSERT(hf_link_credit(&rig.ours, &v->stream, (uint32_t)len) == 0);
		v->asked = (uint16_t)(v->asked + len);
		v->owed = (uint16_t)(v->owed + v->asked / REQUEST_LEN * ANSWER_LEN);
		v->asked %= REQUEST_LEN;
	}
	hf_link_skip(&rig.ours);
	if (v->owed && !v->stream.tx_closed)
		answer(v);
}

static uint32_t *tenant; /* whose connection has a slot */

/* OPEN says whose it is, with much else. */
static void opened(const struct hf_link_msg *m)
{
	struct hf_link_stream s = {0};
	struct hf_link_info info;
	uint8_t tlvs[2000];
	size_t len;
	uint32_t i;

	HF_ASSERT(hf_link_admit(&rig.ours, &s, m) == 0 && m->len <= sizeof(tlvs));
	len = hf_link_read(&rig.ours, &s, tlvs, m->len);
	HF_ASSERT(hf_link_info_read(hf_span(tlvs, len), &info) == 0);
	i = index_of(&info.client, info.client_port);
	HF_ASSERT(i < visitor_cnt);
	tenant[(uint32_t)m->stream] = i;
	visitor[i].stream = s;
}

static bool backend(void)
{
	struct hf_link_msg m;
	bool any = false;
	int rc;

	while ((rc = hf_link_next(&rig.ours, &m)) > 0) {
		any = true;
		if (m.type == HF_LINK_OPEN)
			opened(&m);
		else
			message(&visitor[tenant[(uint32_t)m.stream]], &m);
	}
	HF_ASSERT(rc == 0);
	hf_link_release(&rig.ours);
	hf_link_publish(&rig.ours);
	return any;
}

/* ---- turns ---- */

/* One, and what it sent. Returns when the next one is wanted. */
static hf_ns turn(void)
{
	static uint8_t bytes[PACKET_CAP];
	uint64_t cpu = clock_of(CLOCK_THREAD_CPUTIME_ID), begin_ns = now_ns(), took;
	struct hf_poll poll = hf_worker_poll(rig.w, rig.now);
	struct hf_packet p;
	bool moved = false;
	size_t len;

	took = now_ns() - begin_ns;
	if (took > LONG_NS)
		took = HF_MIN(took, clock_of(CLOCK_THREAD_CPUTIME_ID) - cpu);
	note_turn(poll.busy, took);
	while ((len = hf_port_mem_take(rig.port, 0, bytes, sizeof(bytes))) > 0) {
		struct hf_frame f = {.data = bytes, .len = (uint32_t)len, .cap = sizeof(bytes)};

		if (hf_net_parse(&f, true, &p) != HF_NET_OK || p.kind != HF_PACKET_TCP)
			continue;
		segment(&p);
		moved = true;
	}
	moved |= backend();
	if (poll.busy || moved || poll.next_due <= rig.now)
		return rig.now + RIG_TURN_NS;
	return HF_MIN(poll.next_due, rig.now + NAP_NS);
}

/* Virtual time goes on to here. */
static void until(hf_ns end)
{
	hf_ns next;

	while (rig.now < end) {
		next = turn();
		rig.now = HF_MIN(next, HF_MAX(end, rig.now + RIG_TURN_NS));
	}
}

/* ---- phases ---- */

static uint16_t suites[] = {0x009c};

static void set_up(uint32_t cnt)
{
	static uint8_t chain[3000];

	rsa_key_make(&key, 2048, 2);
	rig = (struct rig){.cert = {.list = {chain, sizeof(chain)}, .key = &key.key},
		.alpn = "http/1.1",
		.suite = suites,
		.suite_cnt = 1,
		.conn_cnt = cnt + 1,
		.hs_cnt = 4096,
		.half_open_cnt = 16384,
		.time_wait_cnt = 16384,
		.frame_cnt = 4096,
		.keepalive_ns = KEEPALIVE_NS,
		.limits = {60 * HF_NS_S, 60 * HF_NS_S, 60 * HF_NS_S, IDLE_NS, 60 * HF_NS_S, 0}};
	rig_init(&rig);
	rig_settle(&rig);
}

/* A full handshake, for its ticket; then it goes. */
static void first_visit(void)
{
	uint8_t buf[1000], body[400];
	struct hf_writer w = hf_writer(buf, sizeof(buf)), m = hf_writer(body, sizeof(body));
	struct hello h = {.suites = suites, .suite_cnt = 1, .name = "www.example.org"};
	uint32_t seen;

	client.gcm = true;
	rig_connect(&rig);
	hello_len = tls_client_hello(&client, hello, sizeof(hello), &h);
	rig_send(&rig, hello, hello_len);
	rig_settle(&rig);
	tls_client_read(&client, rig.in, rig.in_len);
	seen = rig.in_len;
	tls_client_rsa(&client, &m, key.pkey);
	tls_client_log(&client, body, m.len);
	put_record(&w, HF_TLS_CT_HANDSHAKE, HF_TLS_12, body, m.len);
	tls_client_finish(&client, &w);
	rig_send(&rig, buf, w.len);
	rig_settle(&rig);
	tls_client_read(&client, rig.in + seen, rig.in_len - seen);
	if (client.message_cnt == 0 || client.message[0].type != HF_TLS_MSG_NEW_SESSION_TICKET)
		give_up("the first visit brought no ticket");
	memcpy(ticket, client.message[0].p + 6, sizeof(ticket));
	memcpy(master, client.master, sizeof(master));
	rig_backend_take(&rig);
	rig_send_as(&rig, HF_TCP_RST | HF_TCP_ACK, NULL, 0, NULL, 0);
	rig_settle(&rig);
	rig_backend_take(&rig);
	h.session_id = id;
	h.session_id_len = sizeof(id);
	h.ticket = ticket;
	h.ticket_len = sizeof(ticket);
	hello_len = tls_client_hello(&client, hello, sizeof(hello), &h);
	first = client;
}

static void open_all(void)
{
	uint32_t next = 0;
	hf_ns end = rig.now;

	while (open_cnt < visitor_cnt) {
		end += STEP_NS;
		for (uint32_t n = 0; n < OPENS_PER_S / 1000 && next < visitor_cnt; n++)
			knock(next++);
		until(end);
		if (next == visitor_cnt && rig.now > end + 10 * HF_NS_S)
			break;
	}
	if (open_cnt != visitor_cnt || reset_cnt)
		give_up("not all connections came through");
}

/* In the course of so long, this many requests a second, of connections anywhere. */
static void go_on(hf_ns time, uint32_t asks_per_s)
{
	hf_ns end = rig.now + time;
	uint64_t owed = 0;

	while (rig.now < end) {
		for (owed += asks_per_s; owed >= 1000; owed -= 1000)
			ask(test_below(&seed, visitor_cnt));
		until(rig.now + STEP_NS);
	}
}

/* ---- what one costs ---- */

static void memory(size_t before)
{
	const struct hf_worker_cfg *all = &rig.w->cfg;
	struct hf_worker_cfg none = *all;
	double cnt = all->conn_cnt;
	size_t whole = hf_worker_footprint(all);

	none.conn_cnt = 1;
	printf("\nbytes of a connection: slot %zu, TCP's %zu, place in the flow table and links "
	       "%.0f; together %.0f\n",
		sizeof(struct hf_conn), sizeof(struct hf_tcp_conn),
		(double)(whole - hf_worker_footprint(&none)) / cnt - sizeof(struct hf_conn) -
			sizeof(struct hf_tcp_conn),
		(double)(whole - hf_worker_footprint(&none)) / cnt);
	printf("all pools of this worker: %.0f a connection (%zu MB, buffers and tables of a size "
	       "of their own among them)\n",
		(double)whole / cnt, whole >> 20);
	printf("resident, grown by: %.0f a connection\n", (double)(resident() - before) / cnt);
	printf("buffers in use: %u of TCP and TLS, %u of handshakes, %u promised to the "
	       "backend\n\n",
		rig.w->bufs.chunk.used, rig.w->tls.hs.used, rig.w->link_reserved);
}

/* ---- what a timer costs ---- */

static double cancel_ns, set_ns;

static uint64_t cpu_ns(void)
{
	return clock_of(CLOCK_THREAD_CPUTIME_ID);
}

/* The worker's own timers and wheel, in no order. */
static void timers_set(void)
{
	uint64_t at[3];
	uint32_t n = visitor_cnt, step = 7368787; /* a prime: every one once */

	at[0] = cpu_ns();
	for (uint32_t i = 0, c = 0; i < n; i++, c = (uint32_t)(((uint64_t)c + step) % n))
		hf_wheel_cancel(&rig.w->wheel, &rig.w->conn[c].timer);
	at[1] = cpu_ns();
	for (uint32_t i = 0, c = 0; i < n; i++, c = (uint32_t)(((uint64_t)c + step) % n)) {
		struct hf_timer *t = &rig.w->conn[c].timer;

		hf_wheel_arm(&rig.w->wheel, t, t->due);
	}
	at[2] = cpu_ns();
	cancel_ns = (double)(at[1] - at[0]) / n;
	set_ns = (double)(at[2] - at[1]) / n;
}

/* The same, when nobody needs them any more: all within the minutes to come. */
static void timers_expire(void)
{
	uint64_t began = cpu_ns();
	hf_ns now = rig.now;
	uint32_t popped = 0;

	for (uint32_t c = 0; c < visitor_cnt; c++)
		hf_wheel_arm(&rig.w->wheel, &rig.w->conn[c].timer,
			now + test_rand(&seed) % (600 * HF_NS_S));
	began = cpu_ns();
	for (; rig.w->wheel.armed; now += HF_NS_MS)
		while (hf_wheel_pop(&rig.w->wheel, now))
			popped++;
	printf("\nns per timer: cancel %.0f, set %.0f, expire %.0f\n", cancel_ns, set_ns,
		(double)(cpu_ns() - began) / popped);
}

int main(int argc, char **argv)
{
	size_t before;
	uint64_t began = now_ns();
	bool gone = argc > 2 && strcmp(argv[2], "gone") == 0;

	if (argc > 3 || (argc == 3 && !gone))
		give_up("usage: sim-idle [CONNECTIONS [gone]]");
	visitor_cnt = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 0) : CONN_DEFAULT;
	if (visitor_cnt < 1000 || visitor_cnt > 4000000)
		give_up("name 1,000 to 4,000,000 connections");
	visitor = test_alloc(visitor_cnt * sizeof(*visitor));
	memset(visitor, 0, visitor_cnt * sizeof(*visitor));
	tenant = test_alloc((visitor_cnt + 1) * sizeof(*tenant));
	for (uint32_t i = 0; i < 2; i++)
		turns[i].ns = test_alloc(TURN_MAX * sizeof(uint32_t));
	before = resident();
	set_up(visitor_cnt);
	first_visit();
	turns[0].cnt = turns[1].cnt = 0;

	open_all();
	printf("%u connections; %.0f s to open them\n", open_cnt, (double)(now_ns() - began) / 1e9);
	memory(before);
	printf("%-51s %9s %8s %8s %8s %9s\n", "us per turn", "turns", "median", "p99", "p99.99",
		"longest");
	say_turns("opened, 20,000 a second");
	go_on(2 * KEEPALIVE_NS + HF_NS_S, 0);
	say_turns("idle, a probe a minute each");
	go_on(30 * HF_NS_S, ASKS_PER_S);
	go_on(HF_NS_S, 0);
	say_turns("2,000 requests a second");
	timers_set();
	if (gone) {
		rig_order(&rig, (struct hf_order){.kind = HF_ORDER_ENDPOINT_DOWN});
		go_on(120 * HF_NS_S, 0);
		say_turns("their backend is gone");
	} else {
		go_on(IDLE_NS + 120 * HF_NS_S, 0);
		say_turns("closed by the idle deadline");
	}
	timers_expire();
	printf("%llu requests and all their answers, %u probes answered, %u connections closed in "
	       "order, %u "
	       "reset; %.0f s in all\n",
		(unsigned long long)ask_cnt, probe_cnt, closed_cnt, reset_cnt,
		(double)(now_ns() - began) / 1e9);
	hf_worker_check(rig.w);
	if (answered != ask_cnt * ANSWER_LEN || (gone ? reset_cnt : closed_cnt) != visitor_cnt ||
		(gone ? closed_cnt : reset_cnt) != 0)
		give_up("something was lost");
	if (!hf_worker_is_idle(rig.w))
		give_up("something is left of them");
	rig_fini(&rig);
	return 0;
}
