/* congestion.c -- how much may be in flight. cwnd opens by what is acknowledged, halves when a loss
 * is told, and falls to one segment when only the clock tells. What counts against it is what is
 * neither SACKed nor lost (RFC 6675's pipe). A peer without SACK says by each duplicate ACK that one
 * segment arrived, so that many are counted as if they were SACKed: that is what NewReno's inflating
 * and deflating comes to. Byte counting as in RFC 3465, so that one ACK for many segments opens as
 * much as many ACKs would, within reason. RFC 5681, 6582, 6675, 6928, 3042. */
#include "lib/tcp/tcp_conn.h"

#define DUP_MAX 3u          /* RFC 5681 3.2 */
#define CWND_MAX (1u << 30) /* must not run round the circle */
#define ABC_LIMIT 2u        /* segments per ACK, RFC 3465 2.2 */
#define IW_SEGMENTS 10u     /* RFC 6928 2 */
#define IW_LEN 14600u

static uint32_t initial_window(const struct hf_tcp_conn *c)
{
	uint32_t mss = c->info.mss;
	return HF_MIN(IW_SEGMENTS * mss, HF_MAX(2 * mss, IW_LEN));
}

static uint32_t flight_now(const struct hf_tcp_conn *c)
{
	return c->snd_nxt - c->snd_una;
}

/* RFC 5681 3.1 (4). What limited transmit sent beyond cwnd does not count. */
static uint32_t half_flight(const struct hf_tcp_conn *c)
{
	uint32_t flight = HF_MIN(flight_now(c), c->cwnd);
	return HF_MAX(flight / 2, 2u * c->info.mss);
}

/* RFC 6928 2: one lost SYN-ACK may be an accident, two are congestion. */
void hf_tcp_cong_open(struct hf_tcp_conn *c, uint32_t syn_ack_lost_cnt)
{
	c->cwnd = syn_ack_lost_cnt > 1 ? c->info.mss : initial_window(c);
	c->ssthresh = CWND_MAX;
	c->recover = c->snd_una - 1; /* RFC 6582 3.2: the initial sequence number */
}

/* RFC 3042 needs no words here: a duplicate ACK lets a new segment out like any other arrival. */
uint32_t hf_tcp_cong_room(const struct hf_tcp_conn *c)
{
	uint32_t pipe = hf_tcp_sent_len(c, 0);
	pipe -= HF_MIN(pipe, (uint32_t)c->dup_cnt * c->info.mss);
	return c->cwnd > pipe ? c->cwnd - pipe : 0;
}

/* RFC 5681 3.1: slow start below ssthresh, else about one segment per round trip. A window that
 * the application did not use says nothing about the path and does not grow (RFC 2861 3). */
static void grow(struct hf_tcp_conn *c, uint32_t acked_len, uint32_t flight)
{
	uint32_t mss = c->info.mss;
	uint32_t limit = hf_seq_lt(c->snd_una, c->recover) ? 1 : ABC_LIMIT; /* RFC 3465 2.3 */
	uint32_t len = HF_MIN(acked_len, limit * mss);
	if (flight < c->cwnd / 2)
		return;
	if (c->cwnd >= c->ssthresh)
		len = HF_MAX((uint32_t)((uint64_t)mss * len / c->cwnd), 1u);
	c->cwnd = HF_MIN(c->cwnd + len, CWND_MAX);
}

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

bool hf_tcp_cong_acked(struct hf_tcp_conn *c, uint32_t len, uint32_t flight)
{
	if (!c->recovering) {
		c->dup_cnt = 0;
		grow(c, len, flight);
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
	c->ssthresh = half_flight(c);
	c->cwnd = c->ssthresh;
	c->recover = c->snd_nxt;
	c->recovering = true;
	return true;
}

/* A loss that is repaired already. */
void hf_tcp_cong_tail(struct hf_tcp_conn *c)
{
	c->ssthresh = HF_MAX(c->cwnd / 2, 2u * c->info.mss);
	c->cwnd = c->ssthresh;
}

void hf_tcp_cong_timeout(struct hf_tcp_conn *c)
{
	if (c->rexmit_cnt == 0) /* RFC 5681 3.1: held while the same segment times out again */
		c->ssthresh = half_flight(c);
	c->cwnd = c->info.mss;
	c->recover = c->snd_nxt; /* RFC 6582 3.2 (4) */
	c->recovering = false;
	c->dup_cnt = 0;
}

/* RFC 5681 4.1: after a pause of more than an RTO the path is as unknown as at the start. */
void hf_tcp_cong_idle(struct hf_tcp_conn *c)
{
	c->cwnd = HF_MIN(c->cwnd, initial_window(c));
}
