/* congestion.c -- Reno with NewReno's recovery: cwnd opens by what is acknowledged, halves when
 * three duplicate ACKs tell of a loss, and falls to one segment when only the clock tells. During
 * recovery each duplicate ACK lets one more segment out, because it says that one arrived; a
 * partial ACK points at the next hole. Byte counting as in RFC 3465, so that one ACK for many
 * segments opens as much as many ACKs would, within reason. RFC 5681, 6582, 6928, 3042. */
#include "lib/tcp/tcp_conn.h"

#define DUP_MAX 3u          /* RFC 5681 3.2 */
#define CWND_MAX (1u << 30) /* inflation must not run round the circle */
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

/* RFC 3042: the first two duplicate ACKs each let a new segment out, so that small windows see a
 * third. */
uint32_t hf_tcp_cong_window(const struct hf_tcp_conn *c)
{
	bool limited = c->dup_cnt < DUP_MAX && !c->recovering;
	return c->cwnd + (limited ? (uint32_t)c->dup_cnt * c->info.mss : 0);
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

bool hf_tcp_cong_acked(struct hf_tcp_conn *c, uint32_t len, uint32_t flight)
{
	uint32_t mss = c->info.mss;
	c->dup_cnt = 0;
	if (!c->recovering) {
		grow(c, len, flight);
		return false;
	}
	if (!hf_seq_lt(c->snd_una, c->recover)) { /* full acknowledgement, RFC 6582 3.2 (3) */
		c->recovering = false;
		c->cwnd = HF_MIN(c->ssthresh, HF_MAX(flight_now(c), mss) + mss);
		return false;
	}
	c->cwnd -= HF_MIN(c->cwnd, len);
	c->cwnd = HF_MAX(c->cwnd + (len >= mss ? mss : 0), mss);
	return true;
}

bool hf_tcp_cong_dup(struct hf_tcp_conn *c)
{
	c->dup_cnt = (uint8_t)HF_MIN(c->dup_cnt + 1, UINT8_MAX);
	if (c->recovering) {
		c->cwnd = HF_MIN(c->cwnd + c->info.mss, CWND_MAX);
		return false;
	}
	if (c->dup_cnt != DUP_MAX || !hf_seq_lt(c->recover, c->snd_una))
		return false;
	c->ssthresh = half_flight(c);
	c->cwnd = c->ssthresh + DUP_MAX * c->info.mss;
	c->recover = c->snd_max;
	c->recovering = true;
	return true;
}

void hf_tcp_cong_timeout(struct hf_tcp_conn *c)
{
	if (c->rexmit_cnt == 0) /* RFC 5681 3.1: held while the same segment times out again */
		c->ssthresh = half_flight(c);
	c->cwnd = c->info.mss;
	c->recover = c->snd_max; /* RFC 6582 3.2 (4) */
	c->recovering = false;
	c->dup_cnt = 0;
}

/* RFC 5681 4.1: after a pause of more than an RTO the path is as unknown as at the start. */
void hf_tcp_cong_idle(struct hf_tcp_conn *c)
{
	c->cwnd = HF_MIN(c->cwnd, initial_window(c));
}
