/* tls_hs.c -- the protocol on a screen. hf_tls_run says what is to be said, then takes one step of
 * what came, until neither goes on; each step either does something or names what it waits for.
 * While jobs are out or a flight waits for room, nothing is read, so a handshake never runs ahead
 * of itself. Bytes become records (tls_record.c), records become messages (here), messages are
 * looked up in a table (tls12.c), and what takes computing is a program of jobs (tls_keys.c). */
#include "lib/tls/tls_hs.h"
#include "lib/base/secret.h"

#define LARGE_SIZE HF_ROUND_UP(HF_TLS_MSG_HEAD_LEN + HF_TLS_HELLO_MAX, 64u)
#define WARNING_MAX 4u /* warning alerts in a connection's life; nobody has reason to send more */

/* ---- what is declared once ---- */

static const struct {
	const char *name;
	uint8_t alert;
} reasons[HF_TLS_REASON_CNT] = {
#define HF_TLS_REASON(name, alert, help) {#name, HF_TLS_ALERT_##alert},
#include "lib/tls/reason.def"
#undef HF_TLS_REASON
};

static const struct hf_stat_row rows[] = {
#define HF_COUNTER(name, help) {#name, help, HF_STAT_COUNTER, offsetof(struct hf_tls_stats, name)},
#define HF_GAUGE(name, help) {#name, help, HF_STAT_GAUGE, offsetof(struct hf_tls_stats, name)},
#define HF_HIST(name, help) {#name, help, HF_STAT_HIST, offsetof(struct hf_tls_stats, name)},
#include "lib/tls/stats.def"
#undef HF_COUNTER
#undef HF_GAUGE
#undef HF_HIST
#define HF_TLS_REASON(name, alert, help)            \
	{"handshake_" #name, help, HF_STAT_COUNTER, \
		offsetof(struct hf_tls_stats, reason) + sizeof(uint64_t) * HF_TLS_R_##name},
#include "lib/tls/reason.def"
#undef HF_TLS_REASON
#define HF_TLS_REASON(name, alert, help)        \
	{"fault_" #name, help, HF_STAT_COUNTER, \
		offsetof(struct hf_tls_stats, fault) + sizeof(uint64_t) * HF_TLS_R_##name},
#include "lib/tls/reason.def"
#undef HF_TLS_REASON
#define HF_TLS_RESUME(name, help)                \
	{"resume_" #name, help, HF_STAT_COUNTER, \
		offsetof(struct hf_tls_stats, resume) + sizeof(uint64_t) * HF_TLS_RESUME_##name},
#include "lib/tls/resume.def"
#undef HF_TLS_RESUME
};
const struct hf_stat_table hf_tls_stat_table = {"tls", rows, HF_ARRAY_LEN(rows)};

static const char *const stages[] = {
#define HF_TLS_STAGE(name, text) text,
#include "lib/tls/stage.def"
#undef HF_TLS_STAGE
};

const char *hf_tls_stage_name(uint8_t state)
{
	return state < HF_ARRAY_LEN(stages) ? stages[state] : "?";
}

static const char *const alert_names[UINT8_MAX + 1] = {
#define HF_TLS_ALERT(name, number) [number] = #name,
#include "lib/tls/alert.def"
#undef HF_TLS_ALERT
};

const char *hf_tls_alert_name(uint8_t description)
{
	return alert_names[description] ? alert_names[description] : "unknown";
}

const char *hf_tls_reason_name(enum hf_tls_reason r)
{
	return (unsigned)r < HF_TLS_REASON_CNT ? reasons[r].name : "?";
}

uint8_t hf_tls_reason_alert(enum hf_tls_reason r)
{
	return reasons[r].alert;
}

/* ---- birth, handshake part, end ---- */

static size_t hs_len(uint32_t hs_cnt)
{
	return HF_ROUND_UP(hf_pool_footprint(sizeof(struct hf_tls_hs), hs_cnt) +
				   hf_pool_footprint(LARGE_SIZE, HF_TLS_LARGE_CNT),
		(size_t)HF_CACHE_LINE);
}

static size_t kept_len(uint32_t session_cnt)
{
	return HF_ROUND_UP(session_cnt, HF_TLS_KEPT_WAYS) * sizeof(struct hf_tls_kept);
}

size_t hf_tls_ctx_footprint(uint32_t hs_cnt, uint32_t session_cnt)
{
	return hs_len(hs_cnt) + kept_len(session_cnt);
}

void hf_tls_ctx_init(struct hf_tls_ctx *x, void *mem, uint32_t hs_cnt, uint32_t session_cnt)
{
	hf_pool_init(&x->hs, mem, sizeof(struct hf_tls_hs), hs_cnt);
	hf_pool_init(&x->large,
		(uint8_t *)mem + hf_pool_footprint(sizeof(struct hf_tls_hs), hs_cnt), LARGE_SIZE,
		HF_TLS_LARGE_CNT);
	x->kept = (struct hf_tls_kept *)(void *)((uint8_t *)mem + hs_len(hs_cnt));
	x->kept_cnt = HF_ROUND_UP(session_cnt, HF_TLS_KEPT_WAYS);
	memset(x->kept, 0, kept_len(session_cnt));
	x->next_keys_id = 1;
	x->now = 0;
	x->stats = (struct hf_tls_stats){0};
	memset(x->kind, 0, sizeof(x->kind));
}

void hf_tls_open(struct hf_tls_ctx *x, struct hf_tls *t, const struct hf_tls_site *site,
	hf_ref owner, hf_ns now)
{
	*t = (struct hf_tls){
		.site = site, .owner = owner, .plain_max = HF_TLS_RECORD_MAX, .opened_at = now};
	site->use[x->worker].cnt++;
	x->now = now;
	x->stats.opened++;
	x->stats.handshakes++;
}

bool hf_tls_hs_take(struct hf_tls_ctx *x, struct hf_tls *t)
{
	t->hs = hf_pool_take(&x->hs);
	if (!t->hs)
		return false;
	memset(t->hs, 0, sizeof(*t->hs));
	return true;
}

void hf_tls_hs_release(struct hf_tls_ctx *x, struct hf_tls *t)
{
	if (t->hs) {
		hf_tls_keys_cancel(x, t->hs);
		hf_tls_ja4_cancel(x, t->hs);
		hf_tls_auth_release(x, t->hs);
		hf_transcript_clear(x->bufs, &t->hs->log);
		if (t->hs->large)
			hf_pool_give(&x->large, t->hs->large);
		hf_wipe(t->hs, sizeof(*t->hs));
		hf_pool_give(&x->hs, t->hs);
		t->hs = NULL;
	}
	if (t->site) {
		t->site->use[x->worker].cnt--;
		t->site = NULL;
	}
}

/* Each handshake comes through here once. */
static void end_handshake(struct hf_tls_ctx *x, struct hf_tls *t, enum hf_tls_reason reason)
{
	x->stats.reason[reason]++;
	x->stats.handshakes--;
	t->reason = (uint8_t)reason;
}

static void count_client(struct hf_tls_stats *s, const struct hf_tls_hs *hs)
{
	s->client_certs += hs->proved;
	s->client_certs_none += hs->choice.vhost->auth && !hs->proved;
}

static void count_weakness(struct hf_tls_stats *s, const struct hf_tls_suite *suite)
{
	s->weak_rsa += suite->kx == HF_TLS_KX_RSA;
	s->weak_cbc += !hf_cipher_info[suite->cipher].aead;
}

void hf_tls_established(struct hf_tls_ctx *x, struct hf_tls *t)
{
	end_handshake(x, t, HF_TLS_R_OK);
	count_weakness(&x->stats, t->hs->choice.suite);
	count_client(&x->stats, t->hs);
	t->state = HF_TLS_ST_DONE;
	t->standing |= HF_TLS_ESTABLISHED;
	t->done_at = x->now;
	hf_hist_add(&x->stats.handshake_ns, x->now - t->opened_at);
	if (!t->hs->choice.resumed)
		hf_hist_add(&x->stats.key_exchange_ns, x->now - t->hs->key_at);
	hf_tls_kind_count(x, t);
	hf_tls_resume_keep(x, t);
	hf_trace(x->trace, x->now, (uint32_t)t->owner, HF_TRACE_TLS_DONE, t->suite, 0, 0);
}

/* Is it our turn: has it to wait for engines or for memory? */
static bool waits_for_us(const struct hf_tls *t)
{
	return t->unheard || (t->hs && (t->hs->step || t->open_job));
}

/* How far had it come? */
enum hf_tls_reason hf_tls_reason_gone(const struct hf_tls *t)
{
	if (waits_for_us(t))
		return HF_TLS_R_GONE_WAITING;
	if (t->state == HF_TLS_ST_HELLO)
		return t->spoke ? HF_TLS_R_GONE_IN_HELLO : HF_TLS_R_GONE_SILENT;
	if (t->hs->choice.resumed)
		return HF_TLS_R_GONE_AT_RESUMPTION;
	if (t->state == HF_TLS_ST_CERT)
		return HF_TLS_R_GONE_AT_REQUEST;
	return t->state == HF_TLS_ST_KEY ? HF_TLS_R_GONE_AT_CERTIFICATE : HF_TLS_R_GONE_AFTER_KEY;
}

/* Who was waited for? */
enum hf_tls_reason hf_tls_reason_late(const struct hf_tls *t)
{
	if (waits_for_us(t))
		return HF_TLS_R_ENGINES_LATE;
	return t->state == HF_TLS_ST_HELLO ? HF_TLS_R_HELLO_LATE : HF_TLS_R_TIMED_OUT;
}

void hf_tls_fail(struct hf_tls_ctx *x, struct hf_tls *t, enum hf_tls_reason reason)
{
	HF_ASSERT(reason != HF_TLS_R_OK && reason < HF_TLS_REASON_CNT);
	if (t->standing & HF_TLS_FAILED)
		return;
	if (t->state == HF_TLS_ST_DONE) {
		x->stats.fault[reason]++;
		t->reason = (uint8_t)reason;
	} else {
		end_handshake(x, t, reason);
	}
	t->standing |= HF_TLS_FAILED;
	t->alerts &= HF_TLS_SAID_LAST;
	if (reasons[reason].alert != HF_TLS_ALERT_NONE)
		hf_tls_say(t, HF_TLS_SAY_FATAL);
	if (reasons[reason].alert != HF_TLS_ALERT_NONE || reason == HF_TLS_R_PEER_ALERT)
		hf_tls_resume_forget(x, t);
	hf_tls_record_drop(x, t);
	if (t->hs) { /* it stays for who wants to know about it, but does nothing more */
		hf_tls_keys_cancel(x, t->hs);
		t->hs->sent = t->hs->send_end;
	}
	hf_trace(x->trace, x->now, (uint32_t)t->owner, HF_TRACE_TLS_FAIL, reason, 0, 0);
}

void hf_tls_free(struct hf_tls_ctx *x, struct hf_tls *t)
{
	bool open = t->site && t->state != HF_TLS_ST_DONE && !(t->standing & HF_TLS_FAILED);

	if (open)
		end_handshake(x, t, hf_tls_reason_gone(t));
	hf_tls_record_drop(x, t);
	hf_tls_record_out_drop(x, t);
	hf_tls_hs_release(x, t);
	if (t->rd.keys.id) {
		hf_sym_forget(x->sym, t->rd.keys.id);
		hf_sym_forget(x->sym, t->wr.keys.id);
	}
	hf_wipe(t, sizeof(*t));
}

/* ---- records into messages ---- */

/* The message under way, of which the log has the head, goes on in a large buffer. */
static bool grow_large(struct hf_tls_ctx *x, struct hf_tls *t)
{
	struct hf_tls_hs *hs = t->hs;

	HF_ASSERT(hs->msg_at == 0 && t->msg_len <= LARGE_SIZE); /* no message but the first */
	hs->large = hf_pool_take(&x->large);
	if (!hs->large)
		return false;
	hf_transcript_clear(x->bufs, &hs->log);
	memcpy(hs->large, t->msg_head, HF_TLS_MSG_HEAD_LEN);
	hs->log.front = hf_span(hs->large, HF_TLS_MSG_HEAD_LEN);
	return true;
}

static size_t log_add(struct hf_tls_ctx *x, struct hf_tls_hs *hs, const uint8_t *p, size_t len)
{
	if (!hs->large || hs->msg_at > 0)
		return hf_transcript_add(x->bufs, &hs->log, p, len);
	memcpy(hs->large + hs->log.front.len, p, len);
	hs->log.front.len += len;
	return len;
}

/* Adds up to `len` bytes of the record to the current message. Handshakes are logged as they come;
 * after one, messages are only counted past. */
static size_t absorb(struct hf_tls_call *c, size_t len)
{
	struct hf_tls *t = c->t;
	const uint8_t *from = t->rec + t->plain_off;

	len = HF_MIN(len, t->plain_len);
	if (t->state != HF_TLS_ST_DONE)
		len = log_add(c->x, t->hs, from, len);
	if (t->msg_got < HF_TLS_MSG_HEAD_LEN)
		memcpy(t->msg_head + t->msg_got, from, len);
	t->msg_got += (uint32_t)len;
	t->plain_off += (uint32_t)len;
	t->plain_len -= (uint32_t)len;
	return len;
}

static bool large_due(const struct hf_tls *t)
{
	return t->msg_got == HF_TLS_MSG_HEAD_LEN && t->msg_len > HF_TLS_CHUNKED_MAX &&
	       t->state != HF_TLS_ST_DONE && !t->hs->large;
}

static int on_handshake(struct hf_tls_call *c)
{
	struct hf_tls *t = c->t;
	bool head = t->msg_got < HF_TLS_MSG_HEAD_LEN;
	uint32_t want = head ? HF_TLS_MSG_HEAD_LEN : t->msg_len, body_len;
	int err = 0;

	if (t->msg_got == 0 && t->state != HF_TLS_ST_DONE)
		t->hs->msg_at = hf_transcript_len(&t->hs->log);
	if (large_due(t) && !grow_large(c->x, t))
		return HF_TLS_WAIT_MEM;
	if (absorb(c, want - t->msg_got) == 0)
		return HF_TLS_WAIT_MEM;
	if (head && t->msg_got == HF_TLS_MSG_HEAD_LEN) {
		body_len = (uint32_t)t->msg_head[1] << 16 | (uint32_t)t->msg_head[2] << 8 |
			   t->msg_head[3];
		err = hf_tls12_check(t, t->msg_head[0], body_len);
		t->msg_len = HF_TLS_MSG_HEAD_LEN + body_len;
	}
	if (t->plain_len == 0)
		hf_tls_record_drop(c->x, t);
	return err;
}

static bool message_whole(const struct hf_tls *t)
{
	return t->msg_got >= HF_TLS_MSG_HEAD_LEN && t->msg_got == t->msg_len;
}

/* A message is parsed where the transcript has it; one that lies over several chunks (a hello
 * of 2 to 16 KB) is put together for the time of the call. */
static int on_message(struct hf_tls_call *c)
{
	struct hf_tls *t = c->t;
	uint32_t len = t->msg_len - HF_TLS_MSG_HEAD_LEN;
	const uint8_t *p = t->msg_head;
	uint8_t *copy = NULL;
	int err;

	if (len > 0 && t->state != HF_TLS_ST_DONE) {
		size_t at = t->hs->msg_at + HF_TLS_MSG_HEAD_LEN;
		p = hf_transcript_view(&t->hs->log, at, len);
		if (!p) {
			p = copy = hf_record_take(c->x->bufs);
			if (!copy)
				return HF_TLS_WAIT_MEM;
			hf_transcript_copy(&t->hs->log, at, copy, len);
		}
	}
	err = hf_tls12_message(c, t->msg_head[0], hf_span(p, len));
	if (copy)
		hf_record_give(c->x->bufs, copy, len);
	if (!err)
		t->msg_got = t->msg_len = 0;
	return err;
}

static int on_ccs(struct hf_tls_call *c)
{
	struct hf_tls *t = c->t;
	int err = hf_tls12_check(t, HF_TLS_MSG_CCS, t->plain_len);

	if (!err)
		err = hf_tls12_message(
			c, HF_TLS_MSG_CCS, hf_span(t->rec + t->plain_off, t->plain_len));
	if (!err)
		hf_tls_record_drop(c->x, t);
	return err;
}

/* The hello in the form of SSLv2 is hashed as it is, without its record's length (RFC 5246 E.2). */
static int on_v2_hello(struct hf_tls_call *c)
{
	struct hf_tls *t = c->t;
	struct hf_span message = hf_span(t->rec + t->plain_off, t->plain_len);
	int err = hf_tls12_check(t, HF_TLS_MSG_V2_HELLO, t->plain_len);

	if (err)
		return err;
	if (hf_transcript_len(&t->hs->log) == 0) {
		if (!hf_transcript_fits(c->x->bufs, &t->hs->log, message.len))
			return HF_TLS_WAIT_MEM;
		hf_transcript_put(c->x->bufs, &t->hs->log, message);
	}
	err = hf_tls12_message(c, HF_TLS_MSG_V2_HELLO, message);
	if (!err)
		hf_tls_record_drop(c->x, t);
	return err;
}

/* RFC 5246 7.2. An alert is two bytes in a record of its own: nobody splits or joins them. */
static int on_alert(struct hf_tls_call *c)
{
	struct hf_tls *t = c->t;
	const uint8_t *p = t->rec + t->plain_off;
	uint8_t level = p[0], description;

	if (t->plain_len != 2 || (level != HF_TLS_LEVEL_WARNING && level != HF_TLS_LEVEL_FATAL))
		return -HF_TLS_R_BAD_ALERT;
	description = p[1];
	hf_tls_record_drop(c->x, t);
	c->x->stats.alerts_in++;
	if (description == HF_TLS_ALERT_CLOSE_NOTIFY) {
		if (t->state != HF_TLS_ST_DONE)
			return -HF_TLS_R_PEER_CLOSED;
		t->standing |= HF_TLS_PEER_CLOSED;
		c->x->stats.closed_in++;
		return 0;
	}
	if (level == HF_TLS_LEVEL_FATAL) {
		t->alert_in = description;
		return -HF_TLS_R_PEER_ALERT;
	}
	return t->warn_cnt++ == WARNING_MAX ? -HF_TLS_R_TOO_MANY_WARNINGS : 0;
}

static int on_record(struct hf_tls_call *c)
{
	struct hf_tls *t = c->t;

	if (t->plain_len == 0 && t->rec_type != HF_TLS_CT_DATA)
		return -HF_TLS_R_EMPTY_RECORD; /* RFC 5246 6.2.1 */
	if (t->msg_got > 0 && t->rec_type != HF_TLS_CT_HANDSHAKE)
		return -HF_TLS_R_INTERLEAVED;
	switch (t->rec_type) {
	case HF_TLS_CT_HANDSHAKE:
		return on_handshake(c);
	case HF_TLS_CT_V2:
		return on_v2_hello(c);
	case HF_TLS_CT_CCS:
		return on_ccs(c);
	case HF_TLS_CT_ALERT:
		return on_alert(c);
	default:
		return hf_tls_record_data(c);
	}
}

/* ---- run ---- */

static int next_record(struct hf_tls_call *c)
{
	struct hf_tls *t = c->t;
	int err = hf_tls_record_next(c);

	if (err != HF_TLS_WAIT_BYTES || !c->io->in_eof)
		return err;
	if (t->state != HF_TLS_ST_DONE)
		return -(int)hf_tls_reason_gone(t);
	if (!(t->standing & HF_TLS_TRUNCATED))
		c->x->stats.truncated_in++;
	t->standing |= HF_TLS_TRUNCATED;
	return err;
}

/* After close_notify or a failure, what comes is of no interest (RFC 5246 7.2.1). */
static int discard(struct hf_tls_call *c)
{
	size_t len = c->io->in->len;

	hf_chain_consume(c->x->bufs, c->io->in, len);
	c->io->credit += len;
	return HF_TLS_WAIT_BYTES;
}

/* One step of what came: 0 went on; positive: what it waits for; negative: -reason. */
static int receive(struct hf_tls_call *c, unsigned send_wait)
{
	struct hf_tls *t = c->t;

	if (t->standing & (HF_TLS_FAILED | HF_TLS_PEER_CLOSED))
		return discard(c);
	if (t->open_job)
		return HF_TLS_WAIT_SYM;
	if (t->hs && t->hs->step)
		return hf_tls_keys_step(c);
	if (hf_tls_flight_pending(t))
		return (int)send_wait;
	if (message_whole(t))
		return on_message(c);
	return t->rec ? on_record(c) : next_record(c);
}

unsigned hf_tls_run(struct hf_tls_ctx *x, struct hf_tls *t, struct hf_tls_io *io, hf_ns now)
{
	struct hf_tls_call c = {x, t, io};
	unsigned send_wait, news;
	int got;

	x->now = now;
	t->spoke |= io->in->len > 0;
	do {
		send_wait = hf_tls_record_send(&c);
		got = receive(&c, send_wait);
		if (got < 0) {
			hf_tls_fail(x, t, (enum hf_tls_reason) - got);
			got = 0;
		}
	} while (got == 0);
	x->stats.short_of_memory += ((send_wait | (unsigned)got) & HF_TLS_WAIT_MEM) != 0;
	t->unheard = t->state == HF_TLS_ST_HELLO && ((unsigned)got & HF_TLS_WAIT_MEM);
	news = t->standing;
	t->standing &= (uint16_t)~HF_TLS_ESTABLISHED;
	return send_wait | (unsigned)got | news;
}

void hf_tls_sym_done(struct hf_tls_ctx *x, struct hf_tls *t, struct hf_sym_job *job)
{
	if (t && t->open_job == job)
		hf_tls_record_opened(x, t, job);
	else if (t && t->seal_job == job)
		hf_tls_record_sealed(x, t, job);
	else if (t && t->hs && !hf_tls_ja4_done(x, t->hs, job))
		hf_tls_keys_sym_done(x, t, job);
	hf_sym_give(x->sym, job);
}

/* ---- closing, and what is known ---- */

void hf_tls_close(struct hf_tls_ctx *x, struct hf_tls *t)
{
	(void)x;
	if (t->state == HF_TLS_ST_DONE && !(t->standing & HF_TLS_FAILED))
		hf_tls_say(t, HF_TLS_SAY_CLOSE);
}

bool hf_tls_flushed(const struct hf_tls *t)
{
	return !t->out && !(t->alerts & (uint8_t)~HF_TLS_SAID_LAST) && !hf_tls_flight_pending(t);
}

void hf_tls_peer(const struct hf_tls *t, struct hf_tls_peer *out)
{
	const struct hf_tls_hs *hs = t->hs;

	*out = (struct hf_tls_peer){.version = t->version, .suite = t->suite};
	if (!hs)
		return;
	out->sni = hf_span(hs->name, hs->name_len);
	out->protocol = hs->choice.protocol;
	out->ja4 = hf_span(hs->ja4_name, hs->ja4_len);
	out->client_version = hs->client_version;
	out->client_random = hs->client_random;
	out->master = hs->master;
	out->vhost = hs->choice.vhost;
	out->resumed = hs->choice.resumed;
	out->client = hs->proved ? hs->client : NULL;
}

size_t hf_tls_hello_copy(const struct hf_tls *t, uint8_t *out, size_t cap)
{
	uint8_t head[HF_TLS_MSG_HEAD_LEN];
	size_t len;

	if (!t->hs || hf_transcript_len(&t->hs->log) < sizeof(head))
		return 0;
	hf_transcript_copy(&t->hs->log, 0, head, sizeof(head));
	len = sizeof(head) + ((size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3]);
	len = HF_MIN(HF_MIN(len, hf_transcript_len(&t->hs->log)), cap);
	hf_transcript_copy(&t->hs->log, 0, out, len);
	return len;
}
