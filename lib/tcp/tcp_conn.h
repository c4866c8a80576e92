/* tcp_conn.h -- the private face of lib/tcp: what a connection, a half-open entry and a TIME_WAIT
 * entry are made of, and which file does what with them.
 *
 *   tcp_input.c  a segment arrives: RFC 9293 3.10.7 step by step
 *   half.c       between SYN and third ACK          wait.c   after both FINs
 *   cookie.c     the same without an entry, when there are too many
 *   rcv.c        bytes in: reassembly, the window we offer, when to acknowledge
 *   tcp_emit.c   what to say next, and one segment built from it; replies without a connection
 *   sent.c       what is in flight and what became of it        rack.c   which of it is lost
 *   pmtu.c       how long a segment may be
 *   congestion.c how much to say        timer.c  when to say it again        state.c  what state
 *   tcp.c        memory, user calls, life and end of a slot
 *
 * Sequence variables are named as in RFC 9293 3.3.1. A flow key is as in received frames: src is
 * the peer. Threads, memory, units: tcp.h. */
#ifndef HF_TCP_TCP_CONN_H
#define HF_TCP_TCP_CONN_H

#include "lib/tcp/list.h"
#include "lib/tcp/tcp.h"

/* ---- constants ---- */
#define HF_TCP_MSS_DEFAULT 536u   /* RFC 9293 3.7.1: the peer offered no MSS option */
#define HF_TCP_MSS_DEFAULT6 1220u /* the same over IPv6 */
#define HF_TCP_MSS_MIN 64u   /* what a peer asks below this only makes us work (CVE-2019-11479) */
#define HF_TCP_MTU_MIN 576u  /* RFC 791 3.1: what every host must accept */
#define HF_TCP_STAMP_LEN 12u /* timestamps and two bytes that align them (RFC 7323 A) */
#define HF_TCP_SCALE_MAX 14u /* RFC 7323 2.3 */
#define HF_TCP_NO_SCALE 15u  /* window scaling was not negotiated */

#define HF_TCP_RTO_FIRST HF_NS_S          /* RFC 6298 2.1 */
#define HF_TCP_RTO_MIN (200 * HF_NS_MS)   /* as Linux; RFC 6298 2.4 asks for 1 s, nobody waits */
#define HF_TCP_RTO_MAX (60 * HF_NS_S)     /* RFC 6298 2.5 */
#define HF_TCP_RTO_SYN_LOST (3 * HF_NS_S) /* RFC 6298 5.7 */
/* 200 ms doubled 8 times is 102 s, the patience that RFC 9293 3.8.3 asks for (R2, SHLD-11). */
#define HF_TCP_REXMIT_MAX 8u
#define HF_TCP_BLACK_HOLE_TIMEOUTS 2u           /* in a row: try shorter segments */
#define HF_TCP_PROBE_MAX 8u                     /* probes in a row that nobody answered */
#define HF_TCP_KEEP_INTERVAL_MAX (10 * HF_NS_S) /* between keep-alive probes */

#define HF_TCP_ACK_DELAY (40 * HF_NS_MS) /* RFC 9293 3.8.6.3 allows 500 ms; Linux takes 40 */
#define HF_TCP_ACK_EVERY 2u              /* at least every second segment, same section */
#define HF_TCP_QUICK_LEN 16384u          /* a handshake's worth of bytes is acknowledged at once */
#define HF_TCP_STARVED_CHECK (50 * HF_NS_MS)  /* the chunk pool closed our window: look again */
#define HF_TCP_CHALLENGE_GAP (500 * HF_NS_MS) /* RFC 5961 7: at most one per connection and gap */
/* Per worker, in the mean: RFC 5961 7 leaves the numbers open. Strangers who spray see no more. */
#define HF_TCP_CHALLENGES_PER_S 1000u
#define HF_TCP_RESETS_PER_S 1000u

#define HF_TCP_HALF_LEVELS 6u /* SYN-ACKs at 0, 1, 3, 7, 15 and 31 s if the entry lives so long */
#define HF_TCP_REPLY_CNT \
	512u /* per port; a turn takes 256 frames, each of which owes at most one */

/* ---- sequence numbers live on a circle (RFC 9293 3.4) ---- */
static inline bool hf_seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool hf_seq_le(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

static inline uint32_t hf_seq_max(uint32_t a, uint32_t b)
{
	return hf_seq_lt(a, b) ? b : a;
}

/* ---- a connection ---- */
/* RFC 9293 3.3.2, from the third ACK on. LISTEN and SYN-RECEIVED are half.c's, and who reaches
 * TIME_WAIT is an entry of wait.c from then on. */
enum hf_tcp_state {
	HF_TCP_S_CLOSED,
	HF_TCP_S_ESTABLISHED,
	HF_TCP_S_FIN_WAIT_1,
	HF_TCP_S_FIN_WAIT_2,
	HF_TCP_S_CLOSE_WAIT,
	HF_TCP_S_CLOSING,
	HF_TCP_S_LAST_ACK,
	HF_TCP_S_TIME_WAIT,
	HF_TCP_S_CNT
};

/* What moves a connection from state to state. */
enum hf_tcp_move {
	HF_TCP_M_USER_CLOSES,
	HF_TCP_M_FIN_ACKED, /* the peer acknowledged our FIN */
	HF_TCP_M_FIN_CAME,  /* the peer's, in order */
	HF_TCP_M_ENDS,      /* reset, given up, aborted or moved to wait.c */
	HF_TCP_M_CNT
};

/* The deadlines that share the one timer of a connection. */
enum hf_tcp_due {
	HF_TCP_DUE_TAIL,    /* a probe of the flight's end (RFC 8985 7) */
	HF_TCP_DUE_REORDER, /* time to call lost what was overtaken (RFC 8985 6) */
	HF_TCP_DUE_REXMIT,  /* retransmission (RFC 6298), or the next probe of a zero window */
	HF_TCP_DUE_ACK,     /* a delayed ACK, or another look at a window that the pool closed */
	HF_TCP_DUE_LIFE,    /* keep-alive, or the peer's FIN that does not come */
	HF_TCP_DUE_CNT
};

/* A stretch of [snd_una, snd_nxt) that was sent in one turn and met one fate (sent.c); it ends where
 * the next begins. No fate: it is on its way. */
struct hf_tcp_run {
	uint32_t seq;
	uint32_t at_us; /* when it was sent last, modulo 2^32 */
	uint8_t fate;   /* of enum hf_tcp_fate */
};
enum hf_tcp_fate {
	HF_TCP_RUN_SACKED = 1,
	HF_TCP_RUN_LOST = 2,  /* and not yet sent again */
	HF_TCP_RUN_AGAIN = 4, /* on its way, not for the first time */
};
#define HF_TCP_RUN_MAX 16u

/* How a peer acknowledges a segment that has none behind it, as far as it has shown (rack.c). */
enum hf_tcp_ack_habit {
	HF_TCP_ACKS_UNKNOWN,
	HF_TCP_ACKS_AT_ONCE,
	HF_TCP_ACKS_LATE, /* once is enough */
};

struct HF_ALIGNED(HF_CACHE_LINE) hf_tcp_conn {
	/* line 0: each segment, both directions */
	uint32_t snd_una, snd_nxt;
	uint32_t snd_max; /* snd_nxt, or beyond it by what probed a closed window */
	uint32_t snd_wnd, snd_wl1, snd_wl2;
	uint32_t snd_wnd_max; /* the widest window the peer ever offered */
	uint32_t rcv_nxt;
	uint32_t rcv_edge; /* right edge of the widest window that we promised: never moves back */
	uint32_t rcv_held; /* received in order and not yet credited by the user */
	uint32_t fin_seq;  /* of the peer's FIN, if fin_known */
	uint32_t cwnd, ssthresh, recover; /* congestion.c; recover: RFC 6582 */
	uint8_t state, events;
	uint8_t snd_scale, rcv_scale;
	uint8_t dup_cnt;         /* duplicate ACKs in a row */
	uint8_t dup_owed;        /* duplicate ACKs that we owe, one per out-of-order segment */
	uint8_t unacked_cnt;     /* segments received since our last ACK */
	uint8_t rexmit_cnt;      /* timeouts since the last progress */
	uint8_t probe_cnt;       /* probes since the last segment from the peer */
	uint8_t persist_backoff; /* probes since the window closed */
	uint8_t ooo_cnt;         /* chunks in ooo_head */
	bool fin_known : 1;      /* the peer's FIN was seen, perhaps ahead of its time */
	bool sack_ok : 1;
	bool ts_ok : 1;
	bool recovering : 1; /* fast recovery, RFC 6582 */
	bool partial_seen : 1;
	bool persisting : 1; /* DUE_REXMIT probes a zero window */
	bool ack_now : 1;
	bool ack_quick : 1;  /* ack_now only because so little has come so far */
	bool ack_later : 1;  /* DUE_ACK is a delayed ACK */
	bool rexmit_now : 1; /* what was lost first, whatever the congestion window says */
	bool tail_now : 1;   /* a probe of the flight's end */
	bool probe_now : 1;
	bool keep_now : 1;
	uint8_t mac[HF_ETH_ADDR_LEN]; /* source of the last valid frame */

	uint32_t rtt_seq;  /* the next round trip is measured from here on */
	uint32_t ooo_last; /* where the latest out-of-order segment began: first SACK block */
	hf_ns rttvar_ns;
	hf_ns sent_at;        /* the last segment with data */
	hf_ns challenge_next; /* the earliest time of the next challenge ACK */

	struct hf_chain rcv, snd; /* snd: from snd_una on */
	struct hf_cursor snd_cursor;
	struct hf_chunk *ooo_head,
		*ooo_tail; /* sorted; a chunk's `spare` is its first byte's number */

	struct hf_timer timer;
	hf_ns due[HF_TCP_DUE_CNT];
	struct hf_tcp_link ready_link, out_link;
	struct hf_tcp_info info;

	/* sent.c */
	struct hf_tcp_run run[HF_TCP_RUN_MAX];
	uint8_t run_cnt;
	/* rack.c, named as in RFC 8985 */
	uint8_t reo_mult;    /* RACK.reo_wnd_mult - 1 */
	uint8_t reo_persist; /* RACK.reo_wnd_persist */
	bool rack_known : 1; /* something has arrived */
	bool rack_fack_known : 1;
	bool reordering_seen : 1;
	bool dsack_waits : 1;          /* dsack_round is meant */
	bool tail_out : 1;             /* a probe was sent and not yet answered */
	bool tail_again : 1;           /* which sent old bytes */
	uint8_t ack_habit : 2;         /* enum hf_tcp_ack_habit */
	uint32_t rack_at_us, rack_end; /* RACK.xmit_ts, .end_seq: of the latest sent that arrived */
	uint32_t rack_rtt_us, min_rtt_us;
	uint32_t rack_fack, dsack_round;
	/* CUBIC, named as in RFC 9438, bytes */
	uint32_t w_max, w_est, cwnd_prior, k_ms;
	uint32_t full_at; /* snd_nxt when cwnd was last used, so that it may grow */
	hf_ns epoch_at;   /* 0: begins with the next ACK */
	/* timestamps, named as in RFC 7323 */
	uint32_t ts_recent, last_ack_sent;
	uint32_t ts_off; /* our clock's, of this flow */
	hf_ns ts_recent_at;
	uint32_t tail_end; /* TLP.end_seq */
};
static_assert(
	sizeof(struct hf_tcp_conn) == 11 * HF_CACHE_LINE, "an idle connection is mostly this");
static_assert(offsetof(struct hf_tcp_conn, probe_cnt) == HF_CACHE_LINE, "what follows is rarer");

/* ---- before and after ---- */
struct hf_tcp_half {
	struct hf_flow_key flow;
	uint32_t irs, iss;
	struct hf_tcp_link link; /* the list of its level: all of a level wait equally long */
	uint16_t mss;
	uint16_t due; /* half.c: coarse ticks, modulo 2^16 */
	uint8_t mac[HF_ETH_ADDR_LEN];
	uint8_t scale : 4, port : 3, sack_ok : 1; /* scale: the peer's, or HF_TCP_NO_SCALE */
	uint8_t level : 4;                        /* SYN-ACKs sent again */
	uint8_t ts_ok : 1;                        /* the SYN had timestamps */
	uint8_t counted : 1;                      /* the guard wants to know of its end */
};
static_assert(sizeof(struct hf_tcp_half) <= 64, "a flood of SYNs costs a cache line each");
static_assert(HF_TCP_PORT_MAX <= 8, "hf_tcp_half.port");

/* Cookies in place of entries (cookie.c). */
struct hf_tcp_cookies {
	uint8_t key[2][16]; /* of now, and of before */
	hf_ns since;        /* of key[0]; 0: there is none yet */
	hf_ns good_until;   /* of the last one sent */
};

struct hf_tcp_wait {
	struct hf_flow_key flow; /* sport 0: no longer used */
	uint32_t snd_nxt, rcv_nxt;
	uint32_t ts_recent; /* if ts_ok: the peer's last timestamp (RFC 6191) */
	uint16_t due;       /* wait.c: coarse ticks, modulo 2^16 */
	bool ts_ok;
};
static_assert(sizeof(struct hf_tcp_wait) == 52, "what TIME_WAIT costs");

/* All wait equally long, so a ring is in the order of their ends; the oldest is at head. */
struct hf_tcp_waits {
	struct hf_tcp_wait *ring;
	uint32_t head, cnt, cap; /* cnt: places taken, also by entries no longer used */
	struct hf_timer timer;
};

/* What a flow's value in the table means: kind in the top two bits, index below. */
enum hf_tcp_kind { HF_TCP_K_CONN, HF_TCP_K_HALF, HF_TCP_K_WAIT };
#define HF_TCP_INDEX_BITS 30

/* ---- going out ---- */
/* A segment as it shall be built. */
struct hf_tcp_seg {
	struct hf_flow_key flow;
	uint32_t seq, ack;
	uint16_t window;
	uint8_t flags;
	uint8_t mac[HF_ETH_ADDR_LEN]; /* where the frame that is answered came from */
	bool ts_ok;                   /* carries timestamps */
	uint32_t ts_val, ts_ecr;
	/* options of a SYN-ACK */
	uint16_t mss;  /* 0: none */
	uint8_t scale; /* HF_TCP_NO_SCALE: none */
	bool sack_permitted;
};

struct hf_tcp_side {
	const struct hf_net_host *host; /* NULL: the port is not set */
	bool reply_last;                /* the last frame carried a reply: a connection's turn */
	struct hf_tcp_list out;         /* connections with something to say, in turn */
	struct hf_tcp_seg reply[HF_TCP_REPLY_CNT];
	uint32_t reply_head, reply_cnt;
};

/* Answers that strangers provoke: what is left of the second that ends at `until`. */
struct hf_tcp_budget {
	hf_ns until;
	uint32_t left;
};

/* ---- the whole ---- */
struct hf_tcp {
	struct hf_tcp_cfg cfg;
	struct hf_bufs *bufs;
	struct hf_rand *rand;
	struct hf_trace *trace;
	struct hf_guard *guard; /* NULL: none */
	const struct hf_tcp_listener *listener;
	uint32_t listener_cnt;
	bool draining, crowded;
	uint8_t rcv_scale; /* what we offer */
	uint8_t ooo_max;   /* out-of-order chunks per connection */
	uint8_t flow_hash_key[16], isn_key[16];
	struct hf_flow_table flows;
	struct hf_pool conns, halves;
	struct hf_tcp_waits waits;
	struct hf_tcp_cookies cookies;
	struct hf_tcp_list half_level[HF_TCP_HALF_LEVELS];
	struct hf_timer half_timer[HF_TCP_HALF_LEVELS];
	struct hf_tcp_list ready;
	struct hf_tcp_budget challenge, reset;
	struct hf_tcp_side side[HF_TCP_PORT_MAX];
	struct hf_wheel wheel;
	struct hf_tcp_stats stats;
};

/* A segment on its way through tcp_input.c, half.c and wait.c. */
struct hf_tcp_in {
	struct hf_tcp *t;
	const struct hf_packet *p;
	uint32_t port;
	hf_ns now;
	uint32_t conn; /* whose it was found to be; UINT32_MAX: no connection's */
	struct hf_flow_key flow;
	uint64_t hash; /* of flow, by flow_hash_key */
	struct hf_tcpopt opt;
	/* what is left of it after trimming to the window */
	uint32_t seq;
	struct hf_span payload;
	bool fin;
};

/* What the guard tells a SYN by; seq alone would let a flow's owner choose. */
static inline uint64_t hf_tcp_syn_id(uint64_t flow_hash, uint32_t seq)
{
	return flow_hash ^ seq * 0x9e3779b97f4a7c15u; /* 2^64 by the golden ratio: spreads */
}

/* ---- tcp.c ---- */
void hf_tcp_flow_add(
	struct hf_tcp *t, const struct hf_flow_key *k, enum hf_tcp_kind kind, uint32_t i);
void hf_tcp_flow_drop(struct hf_tcp *t, const struct hf_flow_key *k);
/* The connection is over: nothing more is said or heard; received bytes stay for the user. */
void hf_tcp_conn_end(struct hf_tcp *t, struct hf_tcp_conn *c, enum hf_tcp_end end, hf_ns now);
/* The same by both FINs, our last ACK being owed for a while (TIME_WAIT). */
void hf_tcp_conn_wait(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now);
void hf_tcp_tell(struct hf_tcp *t, struct hf_tcp_conn *c, enum hf_tcp_event ev);
/* Puts the connection on its port's output list. */
void hf_tcp_want_out(struct hf_tcp *t, struct hf_tcp_conn *c);
/* The part of the chunk pool that one queue may take now. */
uint32_t hf_tcp_share(const struct hf_tcp *t);

/* ---- state.c ---- */
void hf_tcp_state_open(struct hf_tcp_conn *c);
enum hf_tcp_state hf_tcp_state_move(struct hf_tcp_conn *c, enum hf_tcp_move move);
bool hf_tcp_state_allows(const struct hf_tcp_conn *c, enum hf_tcp_move move);
/* Our FIN is queued or sent, and not yet acknowledged. */
bool hf_tcp_fin_owed(const struct hf_tcp_conn *c);

/* ---- tcp_input.c ---- */
enum hf_tcp_outcome hf_tcp_conn_input(struct hf_tcp_in *in, struct hf_tcp_conn *c);
/* Owes a challenge ACK, unless one was sent just before. */
void hf_tcp_challenge(struct hf_tcp_in *in, struct hf_tcp_conn *c);
/* Whether a challenge ACK, or a reset to somebody unknown, may be sent now; it is counted. */
HF_MUST_CHECK bool hf_tcp_may_challenge(struct hf_tcp *t, hf_ns now);
HF_MUST_CHECK bool hf_tcp_may_reset(struct hf_tcp *t, hf_ns now);

/* ---- stamp.c ---- */
/* The offset of a flow's clock, and what the clock shows (RFC 7323 5.4). The offset is the half of the
 * flow's hash that the flow table does not use. */
uint32_t hf_tcp_stamp_off(const struct hf_tcp_in *in);
uint32_t hf_tcp_stamp(uint32_t off, hf_ns now);
/* The timestamps of a segment that answers this one. */
void hf_tcp_stamp_answer(const struct hf_tcp_in *in, struct hf_tcp_seg *s);
void hf_tcp_stamp_open(struct hf_tcp_in *in, struct hf_tcp_conn *c);
/* What keeps a connection's segment from being looked at: HF_TCP_O_PAWS or _TS_MISSING; else
 * HF_TCP_OUTCOME_CNT. */
enum hf_tcp_outcome hf_tcp_stamp_check(struct hf_tcp_in *in, struct hf_tcp_conn *c);
/* The segment was acceptable: what we echo from now on. */
void hf_tcp_stamp_take(const struct hf_tcp_in *in, struct hf_tcp_conn *c);
/* The round trip that an ACK's echo measured, or HF_NS_NEVER. */
hf_ns hf_tcp_stamp_rtt(const struct hf_tcp_in *in, const struct hf_tcp_conn *c);

/* ---- half.c ---- */
/* LISTEN and CLOSED: RFC 9293 3.10.7.1 and .2. iss_min: the ISN must lie beyond (RFC 9293 3.6.1).
 */
enum hf_tcp_outcome hf_tcp_listen_input(struct hf_tcp_in *in, const uint32_t *iss_min);
enum hf_tcp_outcome hf_tcp_half_input(struct hf_tcp_in *in, struct hf_tcp_half *h);
uint32_t hf_tcp_half_expire(struct hf_tcp *t, uint32_t level, hf_ns now, uint32_t max);

/* ---- cookie.c ---- */
/* The sequence number of a SYN-ACK that stands for this entry. */
uint32_t hf_tcp_cookie_make(const struct hf_tcp_in *in, const struct hf_tcp_half *h);
/* Some may be on their way. */
bool hf_tcp_cookies_out(const struct hf_tcp *t, hf_ns now);
/* An ACK brings a cookie of ours back: the entry it stands for, which is in no pool. */
HF_MUST_CHECK bool hf_tcp_cookie_check(const struct hf_tcp_in *in, struct hf_tcp_half *h);

/* ---- wait.c ---- */
/* w->due is set here. */
void hf_tcp_wait_add(struct hf_tcp *t, const struct hf_tcp_wait *w, hf_ns now);
enum hf_tcp_outcome hf_tcp_wait_input(struct hf_tcp_in *in, uint32_t i);
uint32_t hf_tcp_wait_expire(struct hf_tcp *t, hf_ns now, uint32_t max);

/* ---- rcv.c ---- */
/* Text and FIN of an acceptable segment (3.10.7.4, seventh and eighth). */
enum hf_tcp_outcome hf_tcp_rcv_text(struct hf_tcp_in *in, struct hf_tcp_conn *c);
/* The right edge to offer now: beyond rcv_edge only when it is worth telling. */
uint32_t hf_tcp_rcv_offer(const struct hf_tcp *t, const struct hf_tcp_conn *c);
void hf_tcp_ack_now(struct hf_tcp *t, struct hf_tcp_conn *c);
void hf_tcp_ack_later(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns until);
/* Tells the peer when the window has opened enough to be worth a segment; looks again later when
 * the pool is what keeps it closed. */
void hf_tcp_rcv_look(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now);
void hf_tcp_ooo_clear(struct hf_tcp *t, struct hf_tcp_conn *c);
/* SACK blocks (left, right) of what is out of order, the latest first; returns how many. */
uint32_t hf_tcp_sack_blocks(const struct hf_tcp_conn *c, uint32_t (*block)[2], uint32_t max);

/* ---- tcp_emit.c ---- */
void hf_tcp_reply(struct hf_tcp *t, uint32_t port, const struct hf_tcp_seg *s);
/* A reset in answer to this segment (RFC 9293 3.10.7.1). */
void hf_tcp_reply_rst(const struct hf_tcp_in *in);
/* A bare ACK of a half-open or TIME_WAIT entry in answer to this segment. */
void hf_tcp_reply_ack(const struct hf_tcp_in *in, uint32_t seq, uint32_t ack);
/* A reset of a live connection. */
void hf_tcp_reply_abort(struct hf_tcp *t, const struct hf_tcp_conn *c);
/* The connection has a segment to send now; new data or its FIN. */
bool hf_tcp_has_output(const struct hf_tcp_conn *c);
bool hf_tcp_has_data(const struct hf_tcp_conn *c);
/* What both windows let out beyond all that is queued. */
uint32_t hf_tcp_new_room(const struct hf_tcp_conn *c);

/* ---- sent.c ---- */
static inline uint32_t hf_tcp_us(hf_ns now)
{
	return (uint32_t)(now / HF_NS_US);
}

static inline bool hf_tcp_in_flight(const struct hf_tcp_run *r)
{
	return !(r->fate & (HF_TCP_RUN_SACKED | HF_TCP_RUN_LOST));
}

/* [seq, end) was sent: new, from snd_nxt on (which moves), or again. */
void hf_tcp_sent(struct hf_tcp *t, struct hf_tcp_conn *c, uint32_t seq, uint32_t end, hf_ns now);
/* snd_una is about to become ack. A round trip that this measured, or HF_NS_NEVER. */
hf_ns hf_tcp_sent_acked(struct hf_tcp *t, struct hf_tcp_conn *c, uint32_t ack, hf_ns now);
/* The peer says that it has [left, right). Returns whether that is news. */
bool hf_tcp_sent_sacked(
	struct hf_tcp *t, struct hf_tcp_conn *c, uint32_t left, uint32_t right, hf_ns now);
/* What was SACKed is not believed any more. */
void hf_tcp_sent_reneged(struct hf_tcp_conn *c);
/* The runs in flight for which lost[i] holds are; returns whether there were any. */
bool hf_tcp_sent_lost(struct hf_tcp_conn *c, const bool *lost);
/* The segment at snd_una is lost. */
void hf_tcp_sent_head_lost(struct hf_tcp *t, struct hf_tcp_conn *c);
/* The first run that is lost, and its length; NULL: none is. */
const struct hf_tcp_run *hf_tcp_sent_first_lost(const struct hf_tcp_conn *c, uint32_t *len);
/* Bytes with one of these fates; with 0: those in flight. */
uint32_t hf_tcp_sent_len(const struct hf_tcp_conn *c, unsigned fate);
uint32_t hf_tcp_run_end(const struct hf_tcp_conn *c, uint32_t i);

/* ---- rack.c ---- */
/* The bytes of a run up to `end` have arrived. */
void hf_tcp_rack_arrived(
	struct hf_tcp_conn *c, const struct hf_tcp_run *r, uint32_t end, hf_ns now);
/* Marks what is lost by now and arms DUE_REORDER for what may be soon. True: something is. */
HF_MUST_CHECK bool hf_tcp_rack_look(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now);
void hf_tcp_rack_timeout(struct hf_tcp_conn *c, hf_ns now);
void hf_tcp_rack_dsack(struct hf_tcp_conn *c);
void hf_tcp_rack_recovered(struct hf_tcp_conn *c);
void hf_tcp_tail_arm(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now);
/* An ACK without data of at most one segment, sent once, came rtt after it. */
void hf_tcp_tail_lone_ack(struct hf_tcp_conn *c, hf_ns rtt);
/* The probe went out; again: with bytes sent before. */
void hf_tcp_tail_sent(struct hf_tcp_conn *c, bool again);
/* True: the probe repaired a loss. */
HF_MUST_CHECK bool hf_tcp_tail_acked(
	struct hf_tcp_conn *c, uint32_t ack, bool dsack, bool plain_dup);

/* ---- pmtu.c ---- */
/* What a segment of this family may hold on a port, without options: what we announce. */
uint16_t hf_tcp_mss(const struct hf_tcp *t, uint32_t port, const struct hf_addr *peer);
/* The retransmission timer has fired, rexmit_cnt times in a row. */
void hf_tcp_pmtu_timeout(struct hf_tcp *t, struct hf_tcp_conn *c);

/* ---- congestion.c ---- */
void hf_tcp_cong_open(struct hf_tcp_conn *c, uint32_t syn_ack_lost_cnt);
/* New data went out: snd_nxt is behind it. */
void hf_tcp_cong_sent(struct hf_tcp_conn *c);
/* What the window of congestion lets out now. */
uint32_t hf_tcp_cong_room(const struct hf_tcp_conn *c);
/* snd_una moved by len. True: without SACK, a hole is next. */
HF_MUST_CHECK bool hf_tcp_cong_acked(struct hf_tcp_conn *c, uint32_t len, hf_ns now);
/* A duplicate ACK from a peer without SACK. True: it is the third, the segment at snd_una is lost. */
HF_MUST_CHECK bool hf_tcp_cong_dup(struct hf_tcp_conn *c);
/* Something is lost. True: recovery begins. */
HF_MUST_CHECK bool hf_tcp_cong_lost(struct hf_tcp_conn *c);
void hf_tcp_cong_tail(struct hf_tcp_conn *c);
void hf_tcp_cong_timeout(struct hf_tcp_conn *c);
void hf_tcp_cong_idle(struct hf_tcp_conn *c);

/* ---- timer.c ---- */
void hf_tcp_arm(struct hf_tcp *t, struct hf_tcp_conn *c, enum hf_tcp_due which, hf_ns at);
void hf_tcp_disarm(struct hf_tcp_conn *c, enum hf_tcp_due which);
/* Brings DUE_REXMIT in line with what is in flight and what is queued. */
void hf_tcp_rexmit_update(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now);
void hf_tcp_rtt_sample(struct hf_tcp_conn *c, hf_ns rtt);
/* What timed out has been acknowledged. If that came no sooner than an answer to the last transmission can
 * (as RFC 8985 6.2 judges), the path is alive, and the timeout no longer backed off: a peer without
 * timestamps at the end of a stream gives no other sample any more. */
void hf_tcp_rtt_progress(struct hf_tcp_conn *c, hf_ns now);
/* Something is lost: recovery begins, unless it goes on. */
void hf_tcp_recover(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now);
/* A valid segment came: the peer lives. */
void hf_tcp_heard(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now);

#endif
