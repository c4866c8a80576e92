/* sent.c -- what is in flight, in at most HF_TCP_RUN_MAX runs per connection: a run is bytes that
 * left in the same turn and met the same fate. A burst is one run until the peer tells its parts
 * apart, so a few of them describe a wide window. They follow one another without gaps from snd_una
 * to snd_nxt. When all are taken, the two neighbours that differ least become one, and what is then
 * not known is taken for the worse: bytes count as in flight rather than as arrived, and as sent
 * later rather than earlier; that costs time or a segment, never a byte. RFC 2018, 6675. */
#include "lib/tcp/tcp_conn.h"

enum { SACKED = HF_TCP_RUN_SACKED, LOST = HF_TCP_RUN_LOST, AGAIN = HF_TCP_RUN_AGAIN };

uint32_t hf_tcp_run_end(const struct hf_tcp_conn *c, uint32_t i)
{
	return i + 1u < c->run_cnt ? c->run[i + 1].seq : c->snd_nxt;
}

/* ---- runs ---- */
static void take_out(struct hf_tcp_conn *c, uint32_t i)
{
	c->run_cnt--;
	memmove(&c->run[i], &c->run[i + 1], (c->run_cnt - i) * sizeof(c->run[0]));
}

static void put_in(struct hf_tcp_conn *c, uint32_t i, struct hf_tcp_run r)
{
	HF_ASSERT(c->run_cnt < HF_TCP_RUN_MAX);
	memmove(&c->run[i + 1], &c->run[i], (c->run_cnt - i) * sizeof(c->run[0]));
	c->run[i] = r;
	c->run_cnt++;
}

/* Only for what is in flight does it matter when it was sent. */
static bool alike(const struct hf_tcp_run *a, const struct hf_tcp_run *b)
{
	return a->fate == b->fate && (!hf_tcp_in_flight(a) || a->at_us == b->at_us);
}

static void join_alike(struct hf_tcp_conn *c)
{
	for (uint32_t i = 0; i + 1u < c->run_cnt;) {
		if (alike(&c->run[i], &c->run[i + 1]))
			take_out(c, i + 1);
		else
			i++;
	}
}

/* What two runs are together. */
static struct hf_tcp_run both(const struct hf_tcp_run *a, const struct hf_tcp_run *b)
{
	struct hf_tcp_run r = *a;
	if (hf_tcp_in_flight(a) && hf_tcp_in_flight(b)) {
		r.at_us = hf_seq_max(a->at_us, b->at_us);
		r.fate |= b->fate;
	} else if (hf_tcp_in_flight(b) || (!hf_tcp_in_flight(a) && b->fate & LOST)) {
		r.at_us = b->at_us;
		r.fate = b->fate;
	}
	return r;
}

/* What is forgotten when runs i and i + 1 become one: microseconds of when; or fates, which is
 * worse, by the bytes that lose theirs. */
static uint64_t cost_of_joining(const struct hf_tcp_conn *c, uint32_t i)
{
	const struct hf_tcp_run *a = &c->run[i], *b = &c->run[i + 1];
	uint32_t a_len = b->seq - a->seq, b_len = hf_tcp_run_end(c, i + 1) - b->seq;
	if (hf_tcp_in_flight(a) && hf_tcp_in_flight(b))
		return hf_seq_max(a->at_us, b->at_us) -
		       (hf_seq_lt(a->at_us, b->at_us) ? a->at_us : b->at_us);
	if (hf_tcp_in_flight(a))
		return (uint64_t)b_len << 32;
	return (uint64_t)(hf_tcp_in_flight(b) || a->fate & SACKED ? a_len : b_len) << 32;
}

static void reserve(struct hf_tcp *t, struct hf_tcp_conn *c, uint32_t cnt)
{
	while (c->run_cnt + cnt > HF_TCP_RUN_MAX) {
		uint32_t best = 0;
		for (uint32_t i = 1; i + 1u < c->run_cnt; i++)
			if (cost_of_joining(c, i) < cost_of_joining(c, best))
				best = i;
		c->run[best] = both(&c->run[best], &c->run[best + 1]);
		take_out(c, best + 1);
		t->stats.runs_joined++;
	}
}

/* The run that begins at seq, made from the one that seq lies in; run_cnt for snd_nxt. */
static uint32_t cut_at(struct hf_tcp_conn *c, uint32_t seq)
{
	uint32_t i = 0;
	struct hf_tcp_run r;
	while (i < c->run_cnt && hf_seq_lt(c->run[i].seq, seq))
		i++;
	if (seq == c->snd_nxt || (i < c->run_cnt && c->run[i].seq == seq))
		return i;
	r = c->run[i - 1];
	r.seq = seq;
	put_in(c, i, r);
	return i;
}

/* ---- sending ---- */
void hf_tcp_sent(struct hf_tcp *t, struct hf_tcp_conn *c, uint32_t seq, uint32_t end, hf_ns now)
{
	uint32_t at_us = hf_tcp_us(now), from, to;
	if (seq == c->snd_nxt) {
		/* a window probe may have carried the first of these bytes before */
		uint8_t fate = hf_seq_lt(seq, c->snd_max) ? AGAIN : 0;
		reserve(t, c, 1);
		put_in(c, c->run_cnt, (struct hf_tcp_run){seq, at_us, fate});
		c->snd_nxt = end;
	} else {
		reserve(t, c, 2);
		from = cut_at(c, seq);
		to = cut_at(c, end);
		for (uint32_t i = from; i < to; i++) {
			c->run[i].at_us = at_us;
			c->run[i].fate = AGAIN;
		}
	}
	join_alike(c);
}

/* ---- hearing of it ---- */
/* What left last counts, if it left once (Karn, RFC 6298 3): where much is lost, hardly an ACK tells of
 * nothing that was sent again, and without a measurement the timer stays backed off. */
hf_ns hf_tcp_sent_acked(struct hf_tcp *t, struct hf_tcp_conn *c, uint32_t ack, hf_ns now)
{
	hf_ns rtt = HF_NS_NEVER;
	uint32_t waited_min_us = UINT32_MAX;
	while (c->run_cnt > 0 && hf_seq_lt(c->run[0].seq, ack)) {
		struct hf_tcp_run *r = &c->run[0];
		uint32_t end = hf_tcp_run_end(c, 0);
		bool whole = hf_seq_le(end, ack);
		if (!(r->fate & SACKED)) {
			hf_tcp_rack_arrived(c, r, whole ? end : ack, now);
			uint32_t waited_us = hf_tcp_us(now) - r->at_us;
			if (waited_us <= waited_min_us) {
				waited_min_us = waited_us;
				rtt = r->fate == 0 ? waited_us * HF_NS_US : HF_NS_NEVER;
			}
		}
		if (!whole) {
			r->seq = ack;
			break;
		}
		take_out(c, 0);
	}
	/* The peer had told that it has these bytes, and now waits for them (RFC 2018 8). */
	if (c->run_cnt > 0 && c->run[0].fate & SACKED) {
		hf_tcp_sent_reneged(c);
		t->stats.sack_reneged++;
	}
	return rtt;
}

bool hf_tcp_sent_sacked(
	struct hf_tcp *t, struct hf_tcp_conn *c, uint32_t left, uint32_t right, hf_ns now)
{
	uint32_t i = 0, from, to;
	if (!hf_seq_lt(c->snd_una, left) || !hf_seq_lt(left, right) || hf_seq_lt(c->snd_nxt, right))
		return false;
	while (hf_seq_le(hf_tcp_run_end(c, i), left))
		i++;
	if (c->run[i].fate & SACKED && hf_seq_le(right, hf_tcp_run_end(c, i)))
		return false; /* known, as most of what an ACK repeats */
	reserve(t, c, 2);
	from = cut_at(c, left);
	to = cut_at(c, right);
	for (i = from; i < to; i++) {
		if (c->run[i].fate & SACKED)
			continue;
		hf_tcp_rack_arrived(c, &c->run[i], hf_tcp_run_end(c, i), now);
		c->run[i].fate = SACKED;
	}
	join_alike(c);
	return true;
}

void hf_tcp_sent_reneged(struct hf_tcp_conn *c)
{
	for (uint32_t i = 0; i < c->run_cnt; i++)
		if (c->run[i].fate & SACKED)
			c->run[i].fate = LOST;
	join_alike(c);
}

bool hf_tcp_sent_lost(struct hf_tcp_conn *c, const bool *lost)
{
	bool found = false;
	for (uint32_t i = 0; i < c->run_cnt; i++) {
		if (!hf_tcp_in_flight(&c->run[i]) || !lost[i])
			continue;
		c->run[i].fate = LOST;
		found = true;
	}
	join_alike(c);
	return found;
}

void hf_tcp_sent_head_lost(struct hf_tcp *t, struct hf_tcp_conn *c)
{
	uint32_t end = c->snd_una + c->info.mss;
	if (c->run_cnt == 0 || !hf_tcp_in_flight(&c->run[0]))
		return;
	reserve(t, c, 1);
	if (hf_seq_lt(end, hf_tcp_run_end(c, 0)))
		cut_at(c, end);
	c->run[0].fate = LOST;
	join_alike(c);
}

/* ---- questions ---- */
const struct hf_tcp_run *hf_tcp_sent_first_lost(const struct hf_tcp_conn *c, uint32_t *len)
{
	for (uint32_t i = 0; i < c->run_cnt; i++) {
		if (!(c->run[i].fate & LOST))
			continue;
		*len = hf_tcp_run_end(c, i) - c->run[i].seq;
		return &c->run[i];
	}
	return NULL;
}

uint32_t hf_tcp_sent_len(const struct hf_tcp_conn *c, unsigned fate)
{
	uint32_t len = 0;
	for (uint32_t i = 0; i < c->run_cnt; i++)
		if (fate ? c->run[i].fate & fate : hf_tcp_in_flight(&c->run[i]))
			len += hf_tcp_run_end(c, i) - c->run[i].seq;
	return len;
}
