/* congestion.c -- how much may be in flight. cwnd opens fast up to where the last loss was, then along
 * a cubic curve around that place, or as Reno would if that is faster; it falls to seven tenths when a
 * loss is told, and to one segment when only the clock tells. What counts against it is what is
 * neither SACKed nor lost (RFC 6675's pipe). A peer without SACK says by each duplicate ACK that one
 * segment arrived, so that many are counted as if they were SACKed: that is what NewReno's inflating
 * and deflating comes to. Byte counting as in RFC 3465, so that one ACK for many segments opens as
 * much as many ACKs would: receivers that take a burst in one go answer it by one, and to count no more
 * than a few segments of it makes slow start slower with each round trip. RFC 9438, 5681, 6582, 6675,
 * 6928, 3042. */
#include "lib/tcp/tcp_conn.h"

#define DUP_MAX 3u          /* RFC 5681 3.2 */
#define CWND_MAX (1u << 30) /* must not run round the circle */
#define IW_SEGMENTS 10u     /* RFC 6928 2 */
#define IW_LEN 14600u
#define CUBIC_MS_MAX 50000 /* the curve is far above any window by then */
#define BETA(len) ((uint32_t)((uint64_t)(len)*7 / 10)) /* RFC 9438 4.6 */

static uint32_t initial_window(const struct hf_tcp_conn *c)
{
	uint32_t mss = c->info.mss;
	return HF_MIN(IW_SEGMENTS * mss, HF_MAX(2 * mss, IW_LEN));
}

static uint32_t flight_now(const struct hf_tcp_conn *c)
{
	return c->snd_nxt - c->snd_una;
}

/* RFC 9438 4.6 and 4.7: what is left after a loss, and where the curve shall level off; a flow that
 * did not get as far as last time makes room for others. cwnd stands for the flight, as 4.6 allows
 * to who lets it grow only where it is used: a short flight says nothing about the path. */
static void give_way(struct hf_tcp_conn *c)
{
	uint32_t cwnd = c->cwnd;
	c->w_max = cwnd < c->w_max ? BETA(cwnd) + (cwnd - BETA(cwnd)) / 2 : cwnd;
	c->cwnd_prior = cwnd;
	c->ssthresh = HF_MAX(BETA(cwnd), 2u * c->info.mss);
	c->epoch_at = 0;
}

/* RFC 6928 2: one lost SYN-ACK may be an accident, two are congestion. */
void hf_tcp_cong_open(struct hf_tcp_conn *c, uint32_t syn_ack_lost_cnt)
{
	c->cwnd = syn_ack_lost_cnt > 1 ? c->info.mss : initial_window(c);
	c->ssthresh = CWND_MAX;
	c->recover = c->snd_una - 1; /* RFC 6582 3.2: the initial sequence number */
	c->full_at = c->snd_una;
}

/* New data went out. In slow start half a window on its way proves the path (RFC 7661 4.3): a peer whose
 * window of reception only follows ours, as Linux's does, would stop it else. */
void hf_tcp_cong_sent(struct hf_tcp_conn *c)
{
	bool half = c->cwnd < c->ssthresh && flight_now(c) >= c->cwnd / 2;
	if (half || hf_tcp_cong_room(c) < c->info.mss)
		c->full_at = c->snd_nxt;
}

/* RFC 3042 needs no words here: a duplicate ACK lets a new segment out like any other arrival. */
uint32_t hf_tcp_cong_room(const struct hf_tcp_conn *c)
{
	uint32_t pipe = hf_tcp_sent_len(c, 0);
	pipe -= HF_MIN(pipe, (uint32_t)c->dup_cnt * c->info.mss);
	return c->cwnd > pipe ? c->cwnd - pipe : 0;
}

/* ---- growing ---- */
static uint32_t cube_root(uint64_t v)
{
	uint64_t root = 0;
	for (int bit = 21; bit >= 0; bit--) {
		uint64_t with = root | 1ull << bit;
		if (with * with * with <= v)
			root = with;
	}
	return (uint32_t)root;
}

/* RFC 9438 4.2: the time from here to w_max, in ms: (W_max - cwnd) / C, third root. */
static void begin_epoch(struct hf_tcp_conn *c, hf_ns now)
{
	uint32_t below = c->w_max > c->cwnd ? c->w_max - c->cwnd : 0;
	c->epoch_at = now;
	c->w_max = HF_MAX(c->w_max, c->cwnd);
	c->w_est = c->cwnd;
	c->k_ms = cube_root((uint64_t)below * 2500000000u / c->info.mss);
}

/* RFC 9438 4.2: W_cubic at this time since the epoch began; C is 0.4 segments per cubic second. */
static int64_t cubic_at(const struct hf_tcp_conn *c, hf_ns since)
{
	int64_t ms = (int64_t)HF_MIN(since / HF_NS_MS, (hf_ns)INT32_MAX) - c->k_ms;
	ms = HF_MAX(HF_MIN(ms, CUBIC_MS_MAX), -CUBIC_MS_MAX);
	return (int64_t)c->w_max + ms * ms * ms * 4 / 1000 * c->info.mss / 10000000;
}

/* RFC 9438 4.3: what Reno would have, were it to fall to seven tenths as well. */
static void grow_as_reno(struct hf_tcp_conn *c, uint32_t len)
{
	uint64_t add = (uint64_t)c->info.mss * len / c->cwnd;
	c->w_est += (uint32_t)(c->w_est < c->cwnd_prior ? add * 9 / 17 : add);
}

static uint32_t cubic_growth(struct hf_tcp_conn *c, uint32_t len, hf_ns now)
{
	int64_t target, cwnd = c->cwnd;
	if (c->epoch_at == 0)
		begin_epoch(c, now);
	grow_as_reno(c, len);
	if (cubic_at(c, now - c->epoch_at) < c->w_est)
		return c->w_est > c->cwnd ? c->w_est - c->cwnd : 0;
	target = cubic_at(c, now - c->epoch_at + c->info.srtt_ns);
	target = HF_MIN(HF_MAX(target, cwnd), cwnd * 3 / 2);
	return (uint32_t)((target - cwnd) * len / cwnd);
}

/* Slow start below ssthresh (RFC 5681 3.1), else CUBIC. A window that the application or the peer did
 * not let be used says nothing about the path and does not grow (RFC 7661 1). It was used when what is
 * acknowledged was on its way as the window was full: peers may answer a burst by two ACKs at once,
 * and the second finds little in flight. */
static void grow(struct hf_tcp_conn *c, uint32_t acked_len, hf_ns now)
{
	bool again = hf_seq_lt(c->snd_una, c->recover); /* after a timeout: RFC 3465 2.3 */
	uint32_t len = again ? HF_MIN(acked_len, (uint32_t)c->info.mss) : acked_len;
	bool used = hf_seq_lt(c->snd_una - acked_len, c->full_at);
	if (!used)
		return;
	if (c->cwnd >= c->ssthresh)
		len = cubic_growth(c, acked_len, now);
	else
		len = HF_MIN(len, c->ssthresh - c->cwnd);
	c->cwnd = HF_MIN(c->cwnd + len, CWND_MAX);
}

/* ---- acknowledgements ---- */
/* RFC 6582 3.2 (3): what is in flight and one more, so that no burst follows. With SACK there is
 * none to fear: the pipe was kept full all along. */
static void recovered(struct hf_tcp_conn *c)
{
	uint32_t mss = c->info.mss;
	c->recovering = false;
	c->dup_cnt = 0;
	c->cwnd = c->ssthresh;
	if (!c->sack_ok)
		c->cwnd = HF_MIN(c->cwnd, HF_MAX(flight_now(c), mss) + mss);
	hf_tcp_rack_recovered(c);
}

/* Of the segments that were counted as arrived, these are now acknowledged; the one that filled the
 * hole was not among them (RFC 6582 3.2 (4), "partial window deflation"). */
static void deflate(struct hf_tcp_conn *c, uint32_t len)
{
	uint32_t cnt = len / c->info.mss;
	c->dup_cnt = (uint8_t)(c->dup_cnt - HF_MIN((uint32_t)c->dup_cnt, cnt > 0 ? cnt - 1 : 0));
}

bool hf_tcp_cong_acked(struct hf_tcp_conn *c, uint32_t len, hf_ns now)
{
	if (!c->recovering) {
		c->dup_cnt = 0;
		grow(c, len, now);
		return false;
	}
	if (!hf_seq_lt(c->snd_una, c->recover)) {
		recovered(c);
		return false;
	}
	deflate(c, len);
	return !c->sack_ok;
}

bool hf_tcp_cong_dup(struct hf_tcp_conn *c)
{
	c->dup_cnt = (uint8_t)HF_MIN(c->dup_cnt + 1, UINT8_MAX);
	return !c->recovering && c->dup_cnt == DUP_MAX && hf_seq_lt(c->recover, c->snd_una);
}

/* RFC 5681 3.2, 6675 5: once per round trip. False: this round has paid already. */
bool hf_tcp_cong_lost(struct hf_tcp_conn *c)
{
	if (c->recovering || hf_seq_lt(c->snd_una, c->recover))
		return false;
	give_way(c);
	c->cwnd = c->ssthresh;
	c->recover = c->snd_nxt;
	c->recovering = true;
	return true;
}

/* A loss that is repaired already. */
void hf_tcp_cong_tail(struct hf_tcp_conn *c)
{
	give_way(c);
	c->cwnd = c->ssthresh;
}

void hf_tcp_cong_timeout(struct hf_tcp_conn *c)
{
	if (c->rexmit_cnt == 0) /* RFC 5681 3.1: held while the same segment times out again */
		give_way(c);
	c->cwnd = c->info.mss;
	c->recover = c->full_at =
		c->snd_nxt; /* RFC 6582 3.2 (4); all of so small a window is used */
	c->recovering = false;
	c->dup_cnt = 0;
}

/* RFC 5681 4.1: after a pause of more than an RTO the path is as unknown as at the start. */
void hf_tcp_cong_idle(struct hf_tcp_conn *c)
{
	c->epoch_at = 0; /* the curve does not climb while nobody sends (RFC 9438 5.8) */
	c->cwnd = HF_MIN(c->cwnd, initial_window(c));
}
