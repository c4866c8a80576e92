/* conn.h -- one connection = one slot, and the worker around it: the private face of lib/worker.
 * The slot's index is TCP's; tls and the stream towards the backend share it. A stream's number on
 * the link is the connection's reference (index + generation), so a late message finds nobody.
 *
 * Who owns what while a connection lives:
 *   tcp slot        from HF_TCP_EV_OPENED to conn_free (tcp_over says that TCP is done with it)
 *   tls             from open to conn_free; its handshake part until the stream was opened
 *   stream          from the OPEN message until both halves closed, or a reset either way
 * conn_free happens once tcp is over and the stream has ended and been told so.
 *
 * stream.c, bridge.c, endpoint.c, worker.c: each calls those before it, none those behind it. All of
 * them may call hf_worker_tell and price.c. */
#ifndef HF_WORKER_CONN_H
#define HF_WORKER_CONN_H

#include "lib/worker/worker.h"

/* The stream towards the backend. */
enum hf_stream_state {
	HF_STREAM_NONE,   /* handshake not done, or never will be */
	HF_STREAM_WANTED, /* waits for an endpoint, or for room in its ring */
	HF_STREAM_OPEN,
	HF_STREAM_ENDED, /* nothing more is said or heard about it */
};

struct hf_conn {
	struct hf_tls tls;
	hf_ref ref;
	struct hf_chain from_link;  /* plaintext of the backend that is not sealed yet */
	struct hf_link_stream link; /* credit both ways, and which halves are closed */
	uint32_t window;            /* credit that we let be outstanding; grows with use */
	uint32_t reserved;          /* link chunks set aside for link.rx_credit + from_link */
	uint32_t holder_next, holder_prev; /* stream.c: the ring of those with any */
	hf_ns linger_ns;                   /* of its listener */
	hf_ns active_at;    /* last byte of application data either way, or last stage change */
	hf_ns record_since; /* when the record that is now incomplete began; 0: none is */
	hf_ns owed_since; /* bytes wait for the client, who took its last few then; 0: none wait */
	uint64_t owed_from; /* how many it had acknowledged by then */
	hf_ns stage_at;     /* last step of the handshake, or end of it by failure */
	hf_ns credit_at;    /* when its backend was last granted some, or asked to give it back */
	uint32_t stage_next, stage_prev; /* bridge.c: in the order of stage_at */
	struct hf_timer timer;           /* the nearest deadline, armed lazily */
	uint16_t backend;
	uint8_t endpoint;
	uint8_t stream;    /* enum hf_stream_state */
	uint8_t stage;     /* 1 + tls.state at stage_at; 0: not on the list */
	bool awaits;       /* something of the backend's is to come: it shall have credit */
	bool blocked;      /* it said that it has none */
	bool reclaimed;    /* it was asked to give back what it has */
	uint8_t owe_reset; /* enum hf_link_reset_reason, said as soon as the ring has room */
	bool established;  /* the handshake is done */
	bool failed;       /* TLS has ended it: what comes in is discarded */
	bool closing;      /* our close_notify (or alert) is queued, FIN follows when flushed */
	bool fin_sent, tcp_over; /* tcp_over: TCP told CLOSED, or we aborted it */
	bool aborted;            /* RST sent: nothing of it is looked at any more */
	bool computing;          /* a job with a key is its */
	bool kept;               /* our engines have the word in its handshake */
	bool refused;            /* its listener is gone: TLS never opened it */
};

/* Bytes from an endpoint, and to a port, after which a turn goes on: few bulk streams shall not keep
 * the ports waiting; what is left comes in the next turn. TLS bounds itself: a connection has one
 * record each way with sym, and a turn has a few rounds. */
#define HF_TURN_LEN 65536u

#define HF_CONN_NONE UINT32_MAX /* ends lists of connections */

/* Where the time between two looks at the ports goes. */
enum hf_gap {
#define HF_GAP(cause, help) HF_GAP_##cause,
#include "lib/worker/gap.def"
#undef HF_GAP
	HF_GAP_CNT
};

/* A queue of connections: each at most once. */
struct hf_fifo {
	uint32_t *v;
	uint8_t *in;
	uint32_t head, cnt, cap;
};

struct hf_endpoint {
	struct hf_link *link; /* NULL: this number is free */
	uint32_t backend, streams;
	bool news;          /* something to publish and perhaps to ring for */
	hf_ns unheard_at;   /* what it was not rung for may wait until then; 0: there is nothing */
	bool down;          /* it is not heard any more; its streams end, a few a turn */
	uint32_t lost_next; /* where those are looked for */
};

struct hf_worker_port {
	struct hf_port *port;
	uint32_t queue;
	bool trust_csum;
	struct hf_net_host host;
	struct hf_net_addr addr[HF_WORKER_ADDR_MAX];
	hf_ns announce_at; /* next announcement or gateway request */
	uint32_t announced;
};

#define HF_CROSS_FRAME_MAX 2044u

/* A frame on its way to the worker that owns its flow: copied, because a port's frames go back to
 * the queue they came from. Only ports that cannot steer pay this (design: 0 on RSS ports). */
struct hf_cross_frame {
	uint16_t len, port;
	uint8_t data[HF_CROSS_FRAME_MAX];
};

/* price.c */
#define HF_PRICE_ANSWER_OWN \
	300u /* ns: a SYN to a SYN-ACK, but for the port's part (make bench-flood) */
#define HF_PRICE_TX_MOST \
	10000u /* ns: alone a frame may cost more, but a flood's answers go in bursts */
struct hf_prices {
	hf_ns frame_ns, key_ns; /* a frame in or out, in the mean of a second; a job with a key */
	uint64_t key_cycles;    /* spent on keys, and not yet charged to anybody */
	uint64_t tx_at, all_at, out_at, both_at; /* when prices of frames were last worked out */
};

/* Fewer clients than these wait for each answer, so there is nothing that could gather, and nobody else who would
 * wait. */
#define HF_LOADED_CONNS 8u

struct hf_worker {
	struct hf_worker_cfg cfg;
	struct hf_worker_env env;
	hf_ns now;
	bool busy;
	/* how much comes in, and where the turns' time goes */
	hf_ns window_at, loaded_until;
	uint64_t frames_before, frames_at; /* of the window before; at the begin of this one */
	uint32_t heard[HF_LOADED_CONNS];   /* the first connections with news in this window */
	uint32_t heard_cnt, heard_before;
	uint64_t spent_at, gap[HF_GAP_CNT]; /* cycles, of the gap between two looks at the ports */
	uint64_t cycles[HF_GAP_CNT], cycles_idle, cycles_busy; /* since the start */
	hf_ns headroom_at; /* the second that is measured began; what was busy then */
	uint64_t headroom_busy;
	struct hf_worker_cycles cycles_ns; /* the same for readers, who convert it */
	struct hf_worker *const *all;
	/* who may take how much, and what things cost */
	struct hf_guard *guard;
	struct hf_prices prices;
	/* engines */
	struct hf_tcp *tcp;
	struct hf_tls_ctx tls;
	struct hf_pk *pk;
	struct hf_sym *sym;
	struct hf_auth *auth;
	uint64_t auth_ahead; /* cycles that auth has had and pk, which has work, has not */
	struct hf_bufs bufs, link_bufs;
	struct hf_rand rand;
	struct hf_trace trace;
	struct hf_wheel wheel;
	/* connections */
	struct hf_conn *conn;            /* [cfg.conn_cnt], index as in tcp */
	uint32_t stage_head, stage_tail; /* not (or never to be) established, oldest step first */
	struct hf_fifo run;              /* have news */
	struct hf_fifo wait;             /* short of something; tried again a few a turn */
	struct hf_fifo wait_hs;          /* of handshake memory; tried when there is some */
	/* around it */
	struct hf_worker_port port[HF_TCP_PORT_MAX];
	struct hf_endpoint endpoint[HF_ENDPOINT_MAX];
	uint32_t endpoint_top; /* numbers below it have been in use */
	uint32_t endpoint_next, link_reserved;
	hf_ns reserve_short_at; /* a stream was last without credit for want of reserve; 0: never */
	uint32_t
		holder; /* who holds some, where hf_stream_reclaim looks next; HF_CONN_NONE: nobody */
	uint8_t boot_id[8]; /* first half of every connection id told to backends */
	struct hf_site *site;
	_Atomic uint64_t tickets; /* generation of the ticket keys, for control */
	struct hf_spsc *orders, *events;
	struct hf_spsc *cross[HF_WORKER_MAX]; /* [from]: frames that worker `from` handed to us */
	struct hf_net_stats net_stats;
	struct hf_worker_stats stats;
};

static inline void hf_fifo_push(struct hf_fifo *q, uint32_t i)
{
	if (q->in[i])
		return;
	q->in[i] = 1;
	q->v[(q->head + q->cnt++) % q->cap] = i;
}

static inline uint32_t hf_fifo_pop(struct hf_fifo *q)
{
	uint32_t i = q->v[q->head];

	q->head = (q->head + 1) % q->cap;
	q->cnt--;
	q->in[i] = 0;
	return i;
}

/* bridge.c: everything that joins tcp, tls and link for one connection */
void hf_bridge_tcp(struct hf_worker *w, uint32_t i, uint32_t events);
void hf_bridge_run(struct hf_worker *w, uint32_t i);
void hf_bridge_deadline(struct hf_worker *w, uint32_t i);
/* Ends the connection whose handshake has stood still longest, its peer having the word; handshake:
 * of those that hold handshake memory. False: none has stood still for long. */
HF_MUST_CHECK bool hf_bridge_evict(struct hf_worker *w, bool handshake);
void hf_bridge_pk_done(struct hf_worker *w, struct hf_pk_job *job);
void hf_bridge_sym_done(struct hf_worker *w, struct hf_sym_job *job);
void hf_bridge_auth_done(struct hf_worker *w, struct hf_auth_job *job);
/* RST to the client, now; the slot stays until the backend was told. */
void hf_bridge_abort(struct hf_worker *w, uint32_t i, enum hf_link_reset_reason why);

/* stream.c: one connection's stream towards its backend */
static inline struct hf_link *hf_stream_link(struct hf_worker *w, const struct hf_conn *c)
{
	return w->endpoint[c->endpoint].link;
}

static inline void hf_stream_news(struct hf_worker *w, const struct hf_conn *c)
{
	w->endpoint[c->endpoint].news = true;
}

/* Opens it, or leaves it wanted: no endpoint yet, or no room in its ring. The handshake part, which
 * holds the names, is given back once they are told. */
void hf_stream_open(struct hf_worker *w, uint32_t i);
/* Says what is owed to the backend and tops up its credit. False: the ring or the pool has no room. */
HF_MUST_CHECK bool hf_stream_talk(struct hf_worker *w, struct hf_conn *c);
/* What was sealed or will never come frees its reserve. */
void hf_stream_trim(struct hf_worker *w, struct hf_conn *c);
/* The backend has given back what it did not use. */
void hf_stream_returned(struct hf_worker *w, struct hf_conn *c);
/* Asks backends for what idle streams hold, if it may be needed; a few connections a turn. */
void hf_stream_reclaim(struct hf_worker *w);
/* Ends it by reset; said now or, when the ring is full, on a later turn. */
void hf_stream_reset(struct hf_worker *w, struct hf_conn *c, enum hf_link_reset_reason why);
/* Both sides have said all. What the backend sent and is not sealed yet still is. */
void hf_stream_end(struct hf_worker *w, struct hf_conn *c);
/* The backend has ended it, or is gone: nothing is owed to it, and nothing of it goes out. */
void hf_stream_cut(struct hf_worker *w, struct hf_conn *c);
/* With its connection: it holds nothing any more. */
void hf_stream_free(struct hf_worker *w, struct hf_conn *c);

/* endpoint.c: one thread of a backend and its rings */
void hf_endpoint_up(struct hf_worker *w, const struct hf_order *o);
/* Its messages, at most `max` and about HF_TURN_LEN; cuts it off when it breaks a rule. */
void hf_endpoint_fetch(struct hf_worker *w, uint32_t e, uint32_t max);
void hf_endpoint_down(struct hf_worker *w, uint32_t e);
/* Goes on ending the streams of an endpoint that is down. */
void hf_endpoint_end(struct hf_worker *w, uint32_t e);

/* control.c */
void hf_control_orders(struct hf_worker *w);
/* Generations into which nothing of ours points any more are given back to control. */
void hf_control_sites_release(struct hf_worker *w);
void hf_worker_tell(struct hf_worker *w, struct hf_event *e); /* sets e->at */

/* announce.c: what is due, if the port has frames for it */
void hf_announce(struct hf_worker *w, struct hf_worker_port *p);

/* price.c: what is measured, and who pays */
void hf_price_frames(struct hf_worker *w); /* once a second */
void hf_price_open(struct hf_worker *w, uint32_t i);
void hf_price_run(struct hf_worker *w, uint32_t i, uint64_t cycles);
/* Jobs of these connections are done; cycles were spent on keys, theirs or others', since the last call. */
void hf_price_keys(struct hf_worker *w, const hf_ref *owner, uint32_t cnt, uint64_t cycles);
/* A client's certificate was checked, perhaps this connection's. */
void hf_price_check(struct hf_worker *w, hf_ref owner, uint64_t cycles);
/* It ends, perhaps in the middle of a job. */
void hf_price_gone(struct hf_worker *w, uint32_t i);

#endif
