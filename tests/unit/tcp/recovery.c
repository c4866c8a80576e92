/* recovery.c -- what a lost packet costs a handshake: every packet of one full TLS handshake with a
 * request and its answer is lost once, then every pair; the table says how much later the client has
 * all of its answer than without the loss, in round trips, and who could know of the loss: SACK by what
 * arrived behind it, a probe of the tail where nothing did, the clock alone where there is no
 * connection yet, and the client where the packet was its own. A probe comes after two round trips, on a
 * short path, too, where a delayed ACK would take longer: the client has shown by then that it delays
 * none (sack.c has one that does). It is as clients are today: it acknowledges each segment at once with
 * SACK and DSACK, repeats its SYN after a second, a lone segment after two
 * round trips and 40 ms, and then once more after a timeout. Virtual time; nothing computes. */
#include <stdio.h>
#include "tests/unit/tcp/rig.h"

#define PACKETS_MAX 200u
#define WIRE_MAX 64u
#define ANSWER_END_MAX (HELLO_LEN + FINISHED_LEN + ANSWER_LEN)
#define NONE UINT32_MAX

/* What a full handshake with an RSA certificate and one intermediate comes to. */
enum { CLIENT_HELLO_LEN = 250, KEY_LEN = 126, REQUEST_LEN = 100 };
enum { HELLO_LEN = 3700, FINISHED_LEN = 51, ANSWER_LEN = 8000, SHORT_ANSWER_LEN = 1400 };

/* Bounds. Timers are a tick or two late. */
#define SLACK (3 * MS)
#define QUICK (2 * rtt + SLACK)
#define QUICK_CLIENT (2 * rtt + 40 * MS + SLACK)
#define SYN_RTO (SEC + SLACK)
/* RFC 6298 2.2, one round trip measured; to 4 ms by a SYN */
#define RTO HF_MAX(3 * rtt, 200 * MS)

static hf_ns rtt; /* of the path */

struct flight {
	hf_ns at;
	bool to_us;
	struct rig_seg seg;
	uint8_t opt[40];
};

/* Who sent it, and what; to name a row of the table. */
struct what {
	bool ours, tail; /* tail: nothing of the flight behind it */
	char name[24];
};

struct world {
	uint64_t timeouts, probes; /* of the appliance, in the whole run */
	struct rig *r;
	uint32_t lose[2]; /* packets, in order of sending */
	struct flight wire[WIRE_MAX];
	uint32_t wire_cnt, sent_cnt;
	struct what what[PACKETS_MAX];
	/* the client; stream offsets */
	bool established;
	uint32_t una, nxt, got, high;
	uint32_t end; /* of the answer */
	uint8_t have[ANSWER_END_MAX];
	hf_ns timer;
	uint32_t backoff;
	/* the server's user */
	uint32_t read, wrote;
	hf_ns done_at;
};

/* ---- the wire ---------------------------------------------------------------------------------- */
static bool ends_flight(const struct world *w, uint32_t end)
{
	return end == HELLO_LEN || end == HELLO_LEN + FINISHED_LEN || end == w->end;
}

static void put_on_wire(struct world *w, bool to_us, const struct rig_seg *s)
{
	uint32_t number = w->sent_cnt++;
	struct what *what = &w->what[number];
	struct flight *f;
	HF_ASSERT(number < PACKETS_MAX && w->wire_cnt < WIRE_MAX);
	what->ours = !to_us;
	what->tail = what->ours && ends_flight(w, s->seq - 1 + s->len);
	snprintf(what->name, sizeof(what->name), "%s %s %u+%u", to_us ? "client" : "server",
		s->flags, s->seq, s->len);
	if (number == w->lose[0] || number == w->lose[1])
		return;
	f = &w->wire[w->wire_cnt++];
	*f = (struct flight){w->r->now + rtt / 2, to_us, *s, {0}};
	if (s->opt_len > 0)
		memcpy(f->opt, s->opt, s->opt_len);
}

/* ---- the client -------------------------------------------------------------------------------- */
static void send_syn(struct world *w)
{
	static const uint8_t opt[] = {OPT_MSS, OPT_SACK};
	put_on_wire(w, true, &(struct rig_seg){.flags = "S", .opt = opt, .opt_len = sizeof(opt)});
	w->timer = w->r->now + (SEC << w->backoff++);
}

static void put_block(struct rig *r, struct hf_writer *o, uint32_t left, uint32_t right)
{
	hf_writer_u32(o, r->iss + 1 + left);
	hf_writer_u32(o, r->iss + 1 + right);
}

/* Acknowledges; off, len: what just came. */
static void send_ack(struct world *w, uint32_t off, uint32_t len)
{
	uint8_t opt[40] = {1, 1, 5};
	struct hf_writer o = hf_writer(opt, sizeof(opt));
	uint32_t cnt = 0, end = w->got;
	o.len = 4;
	if (off + len <= w->got && len > 0 && w->high == NONE) { /* came twice */
		put_block(w->r, &o, off, off + len);
		cnt++;
	}
	while (cnt < 3 && end < w->end) {
		uint32_t left = end;
		while (left < w->end && !w->have[left])
			left++;
		for (end = left; end < w->end && w->have[end];)
			end++;
		if (left == end)
			break;
		put_block(w->r, &o, left, end);
		cnt++;
	}
	opt[3] = (uint8_t)(2 + 8 * cnt);
	put_on_wire(w, true,
		&(struct rig_seg){.flags = "A",
			.seq = 1 + w->nxt,
			.ack = 1 + w->got,
			.opt = opt,
			.opt_len = cnt ? o.len : 0});
}

static void send_data(struct world *w)
{
	put_on_wire(w, true,
		&(struct rig_seg){.flags = "PA",
			.seq = 1 + w->una,
			.ack = 1 + w->got,
			.len = w->nxt - w->una});
	w->timer = w->r->now + (w->backoff ? RTO << (w->backoff - 1) : 2 * rtt + 40 * MS);
	w->backoff++;
}

/* What the client says next, once it has heard enough. */
static void speak(struct world *w)
{
	static const uint32_t after[] = {0, HELLO_LEN, HELLO_LEN + FINISHED_LEN};
	static const uint32_t end[] = {CLIENT_HELLO_LEN, CLIENT_HELLO_LEN + KEY_LEN,
		CLIENT_HELLO_LEN + KEY_LEN + REQUEST_LEN};
	for (size_t i = 0; i < HF_ARRAY_LEN(after); i++) {
		if (w->got < after[i] || w->nxt >= end[i] || w->una < w->nxt)
			continue;
		w->nxt = end[i];
		w->backoff = 0;
		send_data(w);
	}
}

static void client_text(struct world *w, const struct rig_seg *s)
{
	uint32_t off = s->seq - 1, news = 0;
	for (uint32_t i = 0; i < s->len; i++) {
		news += !w->have[off + i];
		w->have[off + i] = 1;
	}
	while (w->got < w->end && w->have[w->got])
		w->got++;
	w->high = news == 0 ? NONE : 0;
	send_ack(w, off, s->len);
	if (w->got == w->end && w->done_at == 0)
		w->done_at = w->r->now;
}

static void client_input(struct world *w, const struct rig_seg *s)
{
	if (strchr(s->flags, 'S')) {
		if (!w->established) {
			w->established = true;
			w->timer = HF_NS_NEVER;
		}
		send_ack(w, 0, 0);
	} else if (s->ack > 1 + w->una) {
		w->una = s->ack - 1;
		w->timer = HF_NS_NEVER;
	}
	if (s->len > 0)
		client_text(w, s);
	if (w->established)
		speak(w);
}

static void client_due(struct world *w)
{
	if (!w->established)
		send_syn(w);
	else
		send_data(w);
}

/* ---- our side ---------------------------------------------------------------------------------- */
static void serve(struct world *w)
{
	static const uint32_t after[] = {CLIENT_HELLO_LEN, CLIENT_HELLO_LEN + KEY_LEN,
		CLIENT_HELLO_LEN + KEY_LEN + REQUEST_LEN};
	const uint32_t end[] = {HELLO_LEN, HELLO_LEN + FINISHED_LEN, w->end};
	if (rig_events(w->r) & HF_TCP_EV_READABLE)
		w->read += rig_read(w->r, 9999);
	for (size_t i = 0; i < HF_ARRAY_LEN(after); i++) {
		if (w->read < after[i] || w->wrote >= end[i])
			continue;
		rig_write(w->r, end[i] - w->wrote);
		w->wrote = end[i];
	}
}

static void emit_all(struct world *w)
{
	struct rig *r = w->r;
	while (rig_emit(r)) {
		bool syn = r->out.tcp_flags & HF_TCP_SYN;
		if (syn)
			r->iss = r->out.seq;
		put_on_wire(w, false,
			&(struct rig_seg){.flags = syn ? "SA" : "A",
				.seq = r->out.seq - r->iss,
				.ack = r->out.ack - r->irs,
				.len = (uint32_t)r->out.payload.len});
	}
}

/* ---- a run ------------------------------------------------------------------------------------- */
static void arrive(struct world *w)
{
	for (uint32_t i = 0; i < w->wire_cnt;) {
		struct flight f = w->wire[i];
		if (f.at > w->r->now) {
			i++;
			continue;
		}
		memmove(&w->wire[i], &w->wire[i + 1], (--w->wire_cnt - i) * sizeof(f));
		if (f.to_us) {
			f.seg.opt = f.seg.opt_len ? f.opt : NULL;
			rig_in(w->r, f.seg);
			serve(w);
		} else {
			client_input(w, &f.seg);
		}
	}
}

static hf_ns next_event(const struct world *w)
{
	hf_ns next = HF_MIN(w->timer, hf_tcp_next_due(w->r->t));
	for (uint32_t i = 0; i < w->wire_cnt; i++)
		next = HF_MIN(next, w->wire[i].at);
	return HF_MAX(next, w->r->now);
}

/* How long the client waits for all of its answer. */
static hf_ns run(struct world *w, uint32_t answer_len, uint32_t lose, uint32_t lose_too)
{
	static struct rig rig;
	hf_ns start;
	memset(w, 0, sizeof(*w));
	w->r = &rig;
	w->end = HELLO_LEN + FINISHED_LEN + answer_len;
	w->lose[0] = lose;
	w->lose[1] = lose_too;
	rig_init(&rig);
	start = rig.now;
	send_syn(w);
	while (w->done_at == 0) {
		w->r->now = next_event(w);
		if (w->r->now - start > 60 * SEC)
			fail_msg("losing %u and %u: no end", lose, lose_too);
		arrive(w);
		if (w->timer <= w->r->now)
			client_due(w);
		rig_wait(w->r, 0);
		emit_all(w);
		if (w->wire_cnt == 0 || next_event(w) > w->r->now)
			continue;
	}
	w->timeouts = rig_stat(&rig, timeouts);
	w->probes = rig_stat(&rig, tail_probes);
	rig_fini(&rig);
	return w->done_at - start;
}

static double in_rtts(hf_ns ns)
{
	return (double)ns / (double)rtt;
}

static bool is_syn(const struct what *what)
{
	return strchr(what->name, 'S');
}

/* A SYN's loss is known by the clock alone: one RTO of a second. */
static hf_ns bound(const struct what *what)
{
	if (is_syn(what))
		return SYN_RTO;
	return what->ours ? QUICK : QUICK_CLIENT;
}

/* Who told of the loss. */
static const char *teller(const struct what *what, const struct world *w, hf_ns later)
{
	if (later == 0)
		return "-";
	if (is_syn(what))
		return "clock";
	return !what->ours ? "client" : w->probes ? "probe" : "SACK";
}

static void lose_each(void)
{
	static struct world whole, w;
	hf_ns usual = run(&whole, ANSWER_LEN, NONE, NONE);
	print_message("round trip %u ms; undisturbed: %.2f round trips, %u packets\n",
		(unsigned)(rtt / MS), in_rtts(usual), whole.sent_cnt);
	print_message("later: until the client has all of its answer, more than undisturbed\n");
	print_message("%-4s %-24s %-8s %s\n", "lost", "what", "told by", "later by round trips");
	for (uint32_t i = 0; i < whole.sent_cnt; i++) {
		const struct what *what = &whole.what[i];
		hf_ns later = run(&w, ANSWER_LEN, i, NONE) - usual;
		print_message("%-4u %-24s %-8s %.2f\n", i, what->name, teller(what, &w, later),
			in_rtts(later));
		assert_in_range(later, 0, bound(what));
		assert_int_equal(w.timeouts, 0);
		if (what->ours && !is_syn(what))
			assert_int_equal(w.probes, what->tail); /* one where none but it can tell */
	}
}

static void each_packet_lost_once(void **state)
{
	(void)state;
	rtt = 100 * MS;
	lose_each();
	rtt = 20 * MS;
	lose_each();
}

/* The worst of the second losses, for each first one. A lone segment lost together with the probe that
 * repeats it costs a timeout, and a SYN lost twice waits one second and then two. The answer is short:
 * what is seen is how long it takes to repair, not how slowly the window opens again after that. */
static void each_pair_lost(void **state)
{
	static struct world whole, w;
	hf_ns usual, worst_of_all = 0;
	uint32_t quick_cnt = 0, pair_cnt = 0;
	(void)state;
	rtt = 100 * MS;
	usual = run(&whole, SHORT_ANSWER_LEN, NONE, NONE);
	print_message("%-4s %-24s %s\n", "lost", "what", "worst second loss, later by round trips");
	for (uint32_t i = 0; i < whole.sent_cnt; i++) {
		hf_ns worst = 0;
		char with[24] = "";
		for (uint32_t j = i + 1; j < PACKETS_MAX; j++) {
			hf_ns later = run(&w, SHORT_ANSWER_LEN, i, j) - usual, most;
			if (j >= w.sent_cnt)
				break;
			most = 2 * HF_TCP_RTO_FIRST + HF_MAX(bound(&w.what[i]), bound(&w.what[j]));
			if (!is_syn(&w.what[i]) && !is_syn(&w.what[j]))
				most = QUICK_CLIENT + RTO + 2 * SLACK;
			assert_true(w.timeouts <= 1);
			pair_cnt++;
			quick_cnt += later <= QUICK_CLIENT;
			if (later > worst) {
				worst = later;
				memcpy(with, w.what[j].name, sizeof(with));
			}
			if (later > most)
				fail_msg("losing %u and %u (%s): %.2f round trips later", i, j,
					w.what[j].name, in_rtts(later));
		}
		print_message(
			"%-4u %-24s %.2f with %s\n", i, whole.what[i].name, in_rtts(worst), with);
		worst_of_all = HF_MAX(worst_of_all, worst);
	}
	print_message("%u pairs, %u of them within two round trips and 40 ms; worst %.2f\n",
		pair_cnt, quick_cnt, in_rtts(worst_of_all));
	assert_true(quick_cnt > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_packet_lost_once),
		cmocka_unit_test(each_pair_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
