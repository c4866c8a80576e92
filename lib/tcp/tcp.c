/* tcp.c -- the outside of the module: its memory, what the user may do to a connection, and how a
 * slot begins and ends. Whoever is known by a 4-tuple (connection, half-open, TIME_WAIT entry) has
 * one entry in the flow table, whose value says which pool and which slot. */
#include "lib/tcp/tcp_conn.h"

#define SHARE 4u /* a queue may take this part (1/4) of the chunks that are free now */
#define QUEUE_FIRST (256u << 10) /* 100 Mbit/s at 20 ms; what was sent already is in it */

/* ---- memory ---- */
static uint32_t flow_cnt(const struct hf_tcp_cfg *cfg)
{
	return cfg->conn_cnt + cfg->half_open_cnt + cfg->time_wait_cnt;
}

/* Cuts the caller's memory into its parts, or, with mem == NULL, only measures. */
static uint8_t *cut(uint8_t *mem, size_t *off, size_t len)
{
	uint8_t *part = mem ? mem + *off : NULL;
	*off += HF_ROUND_UP(len, (size_t)HF_CACHE_LINE);
	return part;
}

static size_t lay_out(struct hf_tcp *t, uint8_t *mem, const struct hf_tcp_cfg *cfg)
{
	size_t off = 0;
	uint8_t *conns, *halves, *flows, *waits;
	cut(mem, &off, sizeof(struct hf_tcp));
	conns = cut(mem, &off, hf_pool_footprint(sizeof(struct hf_tcp_conn), cfg->conn_cnt));
	halves = cut(mem, &off, hf_pool_footprint(sizeof(struct hf_tcp_half), cfg->half_open_cnt));
	flows = cut(mem, &off, hf_flow_footprint(flow_cnt(cfg)));
	waits = cut(mem, &off, sizeof(struct hf_tcp_wait) * cfg->time_wait_cnt);
	if (!t)
		return off;
	hf_pool_init(&t->conns, conns, sizeof(struct hf_tcp_conn), cfg->conn_cnt);
	hf_pool_init(&t->halves, halves, sizeof(struct hf_tcp_half), cfg->half_open_cnt);
	hf_flow_init(&t->flows, flows, flow_cnt(cfg));
	t->waits.ring = (struct hf_tcp_wait *)(void *)waits;
	t->waits.cap = cfg->time_wait_cnt;
	return off;
}

size_t hf_tcp_footprint(const struct hf_tcp_cfg *cfg)
{
	return lay_out(NULL, NULL, cfg);
}

struct hf_tcp *hf_tcp_init(void *mem, const struct hf_tcp_cfg *cfg, struct hf_bufs *bufs,
	struct hf_rand *rand, struct hf_trace *trace, hf_ns now)
{
	struct hf_tcp *t = mem;
	HF_ASSERT(flow_cnt(cfg) < 1u << HF_TCP_INDEX_BITS);
	HF_ASSERT(cfg->rcv_wnd_max > 0 && cfg->rcv_wnd_max <= 1u << 30);
	HF_ASSERT(cfg->snd_queue_max > 0 && cfg->snd_queue_max <= 1u << 30);
	memset(t, 0, sizeof(*t));
	t->cfg = *cfg;
	t->bufs = bufs;
	t->rand = rand;
	t->trace = trace;
	lay_out(t, mem, cfg);
	hf_wheel_init(&t->wheel, now);
	hf_rand_bytes(rand, t->flow_hash_key, sizeof(t->flow_hash_key));
	hf_rand_bytes(rand, t->isn_key, sizeof(t->isn_key));
	while (cfg->rcv_wnd_max >> t->rcv_scale > UINT16_MAX)
		t->rcv_scale++;
	t->ooo_max = (uint8_t)HF_MIN(cfg->rcv_wnd_max / HF_CHUNK_DATA + 8, (uint32_t)UINT8_MAX);
	hf_tcp_list_init(&t->ready, &t->conns, offsetof(struct hf_tcp_conn, ready_link));
	for (uint32_t i = 0; i < HF_TCP_HALF_LEVELS; i++)
		hf_tcp_list_init(&t->half_level[i], &t->halves, offsetof(struct hf_tcp_half, link));
	for (uint32_t i = 0; i < HF_TCP_PORT_MAX; i++)
		hf_tcp_list_init(
			&t->side[i].out, &t->conns, offsetof(struct hf_tcp_conn, out_link));
	return t;
}

void hf_tcp_port_set(struct hf_tcp *t, uint32_t port, const struct hf_net_host *host)
{
	HF_ASSERT(port < HF_TCP_PORT_MAX && host->mtu >= HF_TCP_MTU_MIN);
	t->side[port].host = host;
}

void hf_tcp_guard_set(struct hf_tcp *t, struct hf_guard *guard)
{
	t->guard = guard;
}

void hf_tcp_listen(struct hf_tcp *t, const struct hf_tcp_listener *v, uint32_t cnt)
{
	t->listener = v;
	t->listener_cnt = cnt;
}

void hf_tcp_drain(struct hf_tcp *t, bool on)
{
	t->draining = on;
}

void hf_tcp_crowd(struct hf_tcp *t, bool on)
{
	t->crowded = on;
}

/* With n queues that want all they can get, 1/(1 + n/SHARE) of the pool stays free, so that a
 * newcomer always finds some (dynamic thresholds, Choudhury and Hahne 1998). */
static uint32_t share_beyond(const struct hf_tcp *t, uint32_t kept_cnt)
{
	uint64_t free_cnt = t->bufs->chunk.cnt - t->bufs->chunk.used;
	uint64_t len = (free_cnt - HF_MIN(free_cnt, kept_cnt)) * HF_CHUNK_DATA;
	return (uint32_t)HF_MIN(len / SHARE, (uint64_t)INT32_MAX);
}

uint32_t hf_tcp_share(const struct hf_tcp *t)
{
	return share_beyond(t, 0);
}

/* ---- flows ---- */
void hf_tcp_flow_add(
	struct hf_tcp *t, const struct hf_flow_key *k, enum hf_tcp_kind kind, uint32_t i)
{
	uint64_t hash = hf_flow_hash(t->flow_hash_key, k);
	bool added = hf_flow_insert(&t->flows, hash, k, (uint32_t)kind << HF_TCP_INDEX_BITS | i);
	HF_ASSERT(added); /* as large as all pools that have flows together, hence never full */
}

void hf_tcp_flow_drop(struct hf_tcp *t, const struct hf_flow_key *k)
{
	uint32_t value = hf_flow_delete(&t->flows, hf_flow_hash(t->flow_hash_key, k), k);
	HF_ASSERT(value != HF_FLOW_NONE);
}

static struct hf_flow_key conn_key(const struct hf_tcp_conn *c)
{
	const struct hf_tcp_info *i = &c->info;
	return (struct hf_flow_key){i->peer, i->local, i->peer_port, i->local_port};
}

/* ---- life and end ---- */
void hf_tcp_tell(struct hf_tcp *t, struct hf_tcp_conn *c, enum hf_tcp_event ev)
{
	c->events = (uint8_t)(c->events | ev);
	hf_tcp_list_push(&t->ready, c);
}

void hf_tcp_want_out(struct hf_tcp *t, struct hf_tcp_conn *c)
{
	hf_tcp_list_push(&t->side[c->info.port].out, c);
}

void hf_tcp_conn_end(struct hf_tcp *t, struct hf_tcp_conn *c, enum hf_tcp_end end, hf_ns now)
{
	struct hf_flow_key key = conn_key(c);
	if (c->state != HF_TCP_S_CLOSED) /* the last ACK of our FIN has closed it already */
		hf_tcp_state_move(c, HF_TCP_M_ENDS);
	hf_tcp_flow_drop(t, &key);
	hf_wheel_cancel(&t->wheel, &c->timer);
	hf_tcp_list_remove(&t->side[c->info.port].out, c);
	hf_chain_clear(t->bufs, &c->snd);
	hf_tcp_ooo_clear(t, c);
	c->info.end = (uint8_t)end;
	t->stats.end[end]++;
	hf_trace(t->trace, now, (uint32_t)c->info.ref, HF_TRACE_CONN_END, end, c->info.bytes_in,
		c->info.bytes_out);
	hf_tcp_tell(t, c, HF_TCP_EV_CLOSED);
}

void hf_tcp_conn_wait(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now)
{
	const struct hf_tcp_wait w = {.flow = conn_key(c),
		.snd_nxt = c->snd_max,
		.rcv_nxt = c->rcv_nxt,
		.ts_recent = c->ts_recent,
		.ts_ok = c->ts_ok};
	hf_tcp_conn_end(t, c, HF_TCP_END_FIN, now);
	hf_tcp_wait_add(t, &w, now);
}

/* ---- the user's calls ---- */
static struct hf_tcp_conn *conn_at(const struct hf_tcp *t, uint32_t conn)
{
	HF_ASSERT(hf_tcp_alive(t, conn));
	return hf_pool_at(&t->conns, conn);
}

bool hf_tcp_alive(const struct hf_tcp *t, uint32_t conn)
{
	return conn < t->conns.cnt && t->conns.next[conn] == HF_POOL_TAKEN;
}

const struct hf_tcp_info *hf_tcp_info(const struct hf_tcp *t, uint32_t conn)
{
	return &conn_at(t, conn)->info;
}

bool hf_tcp_ready_pop(struct hf_tcp *t, uint32_t *conn, uint32_t *events)
{
	struct hf_tcp_conn *c = hf_tcp_list_first(&t->ready);
	if (!c)
		return false;
	hf_tcp_list_remove(&t->ready, c);
	*conn = hf_pool_index(&t->conns, c);
	*events = c->events;
	c->events = 0;
	return true;
}

struct hf_chain *hf_tcp_rcv(struct hf_tcp *t, uint32_t conn)
{
	return &conn_at(t, conn)->rcv;
}

void hf_tcp_rcv_credit(struct hf_tcp *t, uint32_t conn, size_t len, hf_ns now)
{
	struct hf_tcp_conn *c = conn_at(t, conn);
	HF_ASSERT(len <= c->rcv_held);
	c->rcv_held -= (uint32_t)len;
	if (c->state != HF_TCP_S_CLOSED)
		hf_tcp_rcv_look(t, c, now);
}

void hf_tcp_ack_may_wait(struct hf_tcp *t, uint32_t conn, hf_ns until)
{
	struct hf_tcp_conn *c = conn_at(t, conn);
	if (!c->ack_quick)
		return;
	c->ack_now = c->ack_quick = false;
	hf_tcp_ack_later(t, c, until);
}

struct hf_chain *hf_tcp_snd(struct hf_tcp *t, uint32_t conn)
{
	return &conn_at(t, conn)->snd;
}

static bool may_send(const struct hf_tcp_conn *c)
{
	return hf_tcp_state_allows(c, HF_TCP_M_USER_CLOSES);
}

/* A wide window of congestion wants twice its length in the queue: one that is on its way, and one that
 * follows it as it is acknowledged; and what waits in the queue for a hole before it to be filled (SACKed)
 * is on its way no more. Whoever has grown takes nothing of the pool's second half. */
static uint32_t queue_max(const struct hf_tcp *t, const struct hf_tcp_conn *c)
{
	uint32_t first = HF_MIN(QUEUE_FIRST, hf_tcp_share(t));
	uint32_t wanted = 2 * c->cwnd + hf_tcp_sent_len(c, HF_TCP_RUN_SACKED);
	uint32_t grown = HF_MIN(wanted, share_beyond(t, t->bufs->chunk.cnt / 2));
	return HF_MIN(t->cfg.snd_queue_max, HF_MAX(first, grown));
}

size_t hf_tcp_snd_room(const struct hf_tcp *t, uint32_t conn)
{
	const struct hf_tcp_conn *c = conn_at(t, conn);
	size_t max = queue_max(t, c);
	return may_send(c) && max > c->snd.len ? max - c->snd.len : 0;
}

static void note_pause(struct hf_tcp_conn *c, hf_ns now)
{
	if (c->snd_nxt == c->snd_una && now - c->sent_at > c->info.rto_ns)
		hf_tcp_cong_idle(c);
}

size_t hf_tcp_snd_window(struct hf_tcp *t, uint32_t conn, hf_ns now)
{
	struct hf_tcp_conn *c = conn_at(t, conn);
	note_pause(c, now);
	return c->cwnd;
}

size_t hf_tcp_snd_now(const struct hf_tcp *t, uint32_t conn)
{
	return hf_tcp_new_room(conn_at(t, conn));
}

/* There is more to send: now if a segment may go, else the window's next opening or probe. */
static void send_more(struct hf_tcp *t, struct hf_tcp_conn *c, hf_ns now)
{
	note_pause(c, now);
	if (hf_tcp_has_output(c))
		hf_tcp_want_out(t, c);
	hf_tcp_rexmit_update(t, c, now);
}

void hf_tcp_push(struct hf_tcp *t, uint32_t conn, hf_ns now)
{
	struct hf_tcp_conn *c = conn_at(t, conn);
	if (may_send(c))
		send_more(t, c, now);
}

void hf_tcp_shutdown(struct hf_tcp *t, uint32_t conn, hf_ns now)
{
	struct hf_tcp_conn *c = conn_at(t, conn);
	if (!may_send(c)) /* closed before, or over */
		return;
	hf_tcp_state_move(c, HF_TCP_M_USER_CLOSES);
	send_more(t, c, now);
}

void hf_tcp_abort(struct hf_tcp *t, uint32_t conn, hf_ns now)
{
	struct hf_tcp_conn *c = conn_at(t, conn);
	if (c->state != HF_TCP_S_CLOSED) {
		hf_tcp_reply_abort(t, c);
		hf_tcp_conn_end(t, c, HF_TCP_END_ABORTED, now);
	}
	hf_tcp_list_remove(&t->ready, c);
	c->events = 0;
}

void hf_tcp_free(struct hf_tcp *t, uint32_t conn)
{
	struct hf_tcp_conn *c = conn_at(t, conn);
	HF_ASSERT(c->state == HF_TCP_S_CLOSED);
	hf_tcp_list_remove(&t->ready, c);
	hf_chain_clear(t->bufs, &c->rcv);
	hf_chain_clear(t->bufs, &c->snd);
	hf_pool_give(&t->conns, c);
	t->stats.conns--;
}

/* ---- counters ---- */
const struct hf_tcp_stats *hf_tcp_stats(const struct hf_tcp *t)
{
	return &t->stats;
}

static const char *const end_name[HF_TCP_END_CNT] = {
#define HF_TCP_ENDING(id, name, help) name,
#include "lib/tcp/end.def"
#undef HF_TCP_ENDING
};

static const char *const outcome_name[HF_TCP_OUTCOME_CNT] = {
#define HF_TCP_OUTCOME(id, name, help) name,
#include "lib/tcp/outcome.def"
#undef HF_TCP_OUTCOME
};

const char *hf_tcp_end_name(enum hf_tcp_end end)
{
	return (uint32_t)end < HF_TCP_END_CNT ? end_name[end] : "?";
}

const char *hf_tcp_outcome_name(enum hf_tcp_outcome o)
{
	return (uint32_t)o < HF_TCP_OUTCOME_CNT ? outcome_name[o] : "?";
}

#define ROW(name, help, kind, field)                                   \
	{                                                              \
		name, help, kind, offsetof(struct hf_tcp_stats, field) \
	}
static const struct hf_stat_row tcp_row[] = {
#define HF_COUNTER(name, help) ROW(#name, help, HF_STAT_COUNTER, name),
#define HF_GAUGE(name, help) ROW(#name, help, HF_STAT_GAUGE, name),
#include "lib/tcp/stats.def"
#undef HF_COUNTER
#undef HF_GAUGE
#define HF_TCP_OUTCOME(id, name, help) \
	ROW("in_" name, help, HF_STAT_COUNTER, outcome[HF_TCP_O_##id]),
#include "lib/tcp/outcome.def"
#undef HF_TCP_OUTCOME
#define HF_TCP_ENDING(id, name, help) ROW("end_" name, help, HF_STAT_COUNTER, end[HF_TCP_END_##id]),
#include "lib/tcp/end.def"
#undef HF_TCP_ENDING
};

const struct hf_stat_table hf_tcp_stat_table = {"tcp", tcp_row, HF_ARRAY_LEN(tcp_row)};
