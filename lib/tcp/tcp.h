/* tcp.h -- TCP-lite: the passive half of RFC 9293 for one worker: segments in, segments out, bytes
 * in order between. Knows no TLS, no port driver and no clock: every call brings its own `now`.
 *
 * Shape: hf_tcp_input takes one parsed segment and ends in exactly one outcome (outcome.def).
 * What it did to a connection is told through the ready list (hf_tcp_ready_pop), never by callback.
 * What it wants to say waits in output lists, one per port: hf_tcp_emit builds exactly one segment
 * into a frame that the port has free, hf_tcp_emit_burst one into each of several. No free frame, no
 * emit: the list keeps.
 *
 * A connection comes to life with the validated third ACK; before that it is a half-open entry,
 * after both FINs it is at most a 52-byte TIME_WAIT entry, each in a bounded pool of its own.
 * Its slot index is its identity: the worker keeps its own per-connection state in a parallel
 * array. The slot stays until the user calls hf_tcp_free, also after HF_TCP_EV_CLOSED.
 *
 * What happens when something is short, and the counter that shows it:
 *   connection slots    SYNs are not answered; third ACKs of those that  in_syn_crowded
 *                       were are dropped; the peer tries again           in_open_full
 *   time for answers    SYNs of strangers are not answered (guard.h)      in_syn_stranger
 *   half-open entries   from 7/8 on SYNs are answered by cookies, for    in_syn_cookie
 *                       which nothing is kept; of those that come back
 *                       out of TIME_WAIT the oldest goes                 half_evicted
 *   TIME_WAIT entries   the oldest goes                                  wait_evicted
 *   chunks              windows follow a quarter of what is free; below
 *                       1/8 of the pool no early bytes are kept,         in_out_of_room
 *                       below 1/16 no SYN is answered;                   in_syn_no_mem
 *                       bytes in order are dropped unacknowledged        in_no_mem
 *   reply queue         the SYN-ACK, reset or late ACK is not sent       replies_dropped
 *   a second's share    strangers' probes stay unanswered                challenges_held,
 *   of such answers                                                      resets_held
 *
 * Threads: an hf_tcp belongs to one worker. Memory: the caller's, hf_tcp_footprint bytes; bytes in
 * flight are chunks of the worker's hf_bufs. Units: ns, bytes; sequence numbers as on the wire.
 * Errors: peer -> outcome or end reason, counted; short of memory -> the window stays closed.
 * Specs: RFC 9293 (3.10.7 in its order: tcp_input.c), 6298, 5681, 6582, 2018, 2883, 6675, 8985,
 * 7323, 4987, 5961, 6191, 9438, 1191, 4821, 5927, 6528, 8201. Start reading at tcp_input.c. */
#ifndef HF_TCP_TCP_H
#define HF_TCP_TCP_H

#include "lib/base/buf.h"
#include "lib/base/pool.h"
#include "lib/base/rand.h"
#include "lib/base/stat.h"
#include "lib/base/trace.h"
#include "lib/base/wheel.h"
#include "lib/net/frame.h"
#include "lib/net/guard.h"
#include "lib/net/reply.h"

#define HF_TCP_PORT_MAX 8u

/* One per outcome of a segment: every frame that is TCP and for us ends in exactly one. */
enum hf_tcp_outcome {
#define HF_TCP_OUTCOME(id, name, help) HF_TCP_O_##id,
#include "lib/tcp/outcome.def"
#undef HF_TCP_OUTCOME
	HF_TCP_OUTCOME_CNT
};

/* Why a connection ended (hf_tcp_info.end once HF_TCP_EV_CLOSED was told). */
enum hf_tcp_end {
#define HF_TCP_ENDING(id, name, help) HF_TCP_END_##id,
#include "lib/tcp/end.def"
#undef HF_TCP_ENDING
	HF_TCP_END_CNT
};

enum hf_tcp_event {
	HF_TCP_EV_OPENED = 1,   /* a new connection: initialise the parallel slot */
	HF_TCP_EV_READABLE = 2, /* bytes were added to rcv */
	HF_TCP_EV_EOF = 4,      /* the peer's FIN arrived and all before it is in rcv */
	HF_TCP_EV_WRITABLE = 8, /* more of the send queue has arrived, by ACK or SACK */
	HF_TCP_EV_CLOSED = 16,  /* over: read .end, then hf_tcp_free */
};

struct hf_tcp_listener {
	struct hf_addr addr; /* all zero (::) = any address of the port, either family */
	uint16_t port;       /* host order */
	uint16_t id;         /* copied into connections: the worker's listener index */
};

struct hf_tcp_cfg {
	uint32_t conn_cnt, half_open_cnt, time_wait_cnt;
	uint32_t rcv_wnd_max;   /* bytes a connection may have received and not yet credited */
	uint32_t snd_queue_max; /* bytes a connection may have queued or unacknowledged */
	hf_ns syn_life_ns;      /* a half-open entry lives this long */
	hf_ns time_wait_ns;
	hf_ns close_ns;     /* FIN sent and acknowledged: wait this long for the peer's FIN */
	hf_ns keepalive_ns; /* idle time before a keep-alive probe, 0 = off */
	bool reflect; /* next hop = source MAC of the flow's last valid frame; else the gateway's */
};

struct hf_tcp_stats {
#define HF_COUNTER(name, help) uint64_t name;
#define HF_GAUGE(name, help) uint64_t name;
#include "lib/tcp/stats.def"
#undef HF_COUNTER
#undef HF_GAUGE
	uint64_t outcome[HF_TCP_OUTCOME_CNT];
	uint64_t end[HF_TCP_END_CNT];
};

struct hf_tcp;

size_t hf_tcp_footprint(const struct hf_tcp_cfg *cfg);
/* bufs, rand and trace belong to the worker and outlive the result. */
struct hf_tcp *hf_tcp_init(void *mem, const struct hf_tcp_cfg *cfg, struct hf_bufs *bufs,
	struct hf_rand *rand, struct hf_trace *trace, hf_ns now);
/* Who we are on a port: read at each segment, so what its host learns holds at once. */
void hf_tcp_port_set(struct hf_tcp *t, uint32_t port, const struct hf_net_host *host);
/* Who asks for connections is asked about there; it belongs to the worker and outlives t. */
void hf_tcp_guard_set(struct hf_tcp *t, struct hf_guard *guard);
/* The listener table is read on every SYN; it must stay until it is replaced. */
void hf_tcp_listen(struct hf_tcp *t, const struct hf_tcp_listener *v, uint32_t cnt);
/* Draining: SYNs are no longer answered (counted), established connections go on. */
void hf_tcp_drain(struct hf_tcp *t, bool on);

/* Says that this segment comes soon, so that a burst waits for memory once: hashes its flow into
 * p->flow_hash and asks for its place in the flow table. May be left out. */
void hf_tcp_ahead(const struct hf_tcp *t, struct hf_packet *p);

/* The user has no room for newcomers: SYNs are not answered (counted), all else goes on. */
void hf_tcp_crowd(struct hf_tcp *t, bool on);

/* One segment. p and its spans are only read during the call. */
enum hf_tcp_outcome hf_tcp_input(
	struct hf_tcp *t, uint32_t port, const struct hf_packet *p, hf_ns now);

/* An ICMP message that a segment of ours was too big. True: its connection believes it. */
bool hf_tcp_too_big(struct hf_tcp *t, const struct hf_packet *p, hf_ns now);
/* Any other ICMP error. True: it is about a segment in flight. No connection ends by it (RFC 5927 4). */
bool hf_tcp_icmp_error(struct hf_tcp *t, const struct hf_packet *p);

/* Runs what is due; at most `max` timers, so that a turn stays bounded. Returns how many. */
uint32_t hf_tcp_timers(struct hf_tcp *t, hf_ns now, uint32_t max);
hf_ns hf_tcp_next_due(const struct hf_tcp *t);

/* The next connection with news: its index, and the set of hf_tcp_event since the last pop. */
HF_MUST_CHECK bool hf_tcp_ready_pop(struct hf_tcp *t, uint32_t *conn, uint32_t *events);

/* Whether emit may have something to build on this port: if not, no frame needs to be asked for. */
bool hf_tcp_pending(const struct hf_tcp *t, uint32_t port);
/* Builds the next segment that this port owes into f (f->len is set, Ethernet header included) and
 * returns its length, or 0 when there is nothing to send. Updates what was sent. Call until 0. */
uint32_t hf_tcp_emit(struct hf_tcp *t, uint32_t port, struct hf_frame *f, hf_ns now);
/* The same for cnt frames; how many were filled. What segments of one connection have in common is written
 * once for a few of them. */
HF_MUST_CHECK uint32_t hf_tcp_emit_burst(
	struct hf_tcp *t, uint32_t port, struct hf_frame *f, uint32_t cnt, hf_ns now);

/* What the user may see of a connection. */
struct hf_tcp_info {
	hf_ref ref; /* slot + generation */
	struct hf_addr peer, local;
	uint16_t peer_port, local_port;
	uint16_t listener; /* hf_tcp_listener.id */
	uint8_t port;      /* index of the port it came by */
	uint8_t end;       /* enum hf_tcp_end */
	bool eof;          /* the peer's FIN has been reached */
	uint16_t mss;      /* payload bytes per segment towards the peer */
	uint64_t bytes_in, bytes_out;
	hf_ns opened_at, srtt_ns, rto_ns;
};
const struct hf_tcp_info *hf_tcp_info(const struct hf_tcp *t, uint32_t conn);
bool hf_tcp_alive(const struct hf_tcp *t, uint32_t conn); /* slot in use */

/* In-order received bytes. The user takes them with hf_chain_consume and says with
 * hf_tcp_rcv_credit when they have been delivered onward: only that reopens the window. */
struct hf_chain *hf_tcp_rcv(struct hf_tcp *t, uint32_t conn);
void hf_tcp_rcv_credit(struct hf_tcp *t, uint32_t conn, size_t len, hf_ns now);
/* The answer to what has come is being made and will acknowledge it: until then, a first small segment
 * need not be acknowledged by itself. Before the turn's output. */
void hf_tcp_ack_may_wait(struct hf_tcp *t, uint32_t conn, hf_ns until);

/* The send queue: the user appends to the chain, at most hf_tcp_snd_room bytes, then pushes. Room is
 * cut to the queue's share of the chunk pool: none while the chain is empty means that the pool is,
 * and no WRITABLE will tell when that is over. */
struct hf_chain *hf_tcp_snd(struct hf_tcp *t, uint32_t conn);
size_t hf_tcp_snd_room(const struct hf_tcp *t, uint32_t conn);
/* The window of congestion, and how many bytes that were appended now would leave at once behind what
 * is queued: for who cuts what he sends into pieces that are of use only when they are whole. */
size_t hf_tcp_snd_window(struct hf_tcp *t, uint32_t conn, hf_ns now);
size_t hf_tcp_snd_now(const struct hf_tcp *t, uint32_t conn);
void hf_tcp_push(struct hf_tcp *t, uint32_t conn, hf_ns now);
/* FIN behind what is queued. Nothing may be appended afterwards. */
void hf_tcp_shutdown(struct hf_tcp *t, uint32_t conn, hf_ns now);
/* RST now; the connection is over (no CLOSED event comes); free it. */
void hf_tcp_abort(struct hf_tcp *t, uint32_t conn, hf_ns now);
/* Gives the slot back. Only when it is over (CLOSED told, or aborted). */
void hf_tcp_free(struct hf_tcp *t, uint32_t conn);

const struct hf_tcp_stats *hf_tcp_stats(const struct hf_tcp *t); /* gauges brought up to date */
extern const struct hf_stat_table hf_tcp_stat_table;
const char *hf_tcp_end_name(enum hf_tcp_end end);
const char *hf_tcp_outcome_name(enum hf_tcp_outcome o);

#endif
