/* tls_record.c -- a record that comes waits in TCP's chain until it is whole, is then made
 * contiguous in a buffer that fits it and is opened there, in place; its plaintext stays until it
 * is taken. So a peer that sends slowly holds no buffer, only the chunks of what it sent. What goes
 * is written into one outgoing buffer: records behind each other as long as they fit, the last of
 * them perhaps being sealed; then it drains into the send queue as room comes, and only when it is
 * empty the next begins. So a flight of several records leaves as one run of bytes. */
#include "lib/tls/tls_hs.h"
#include "lib/base/secret.h"

#define EMPTY_MAX 32u /* empty data records in a row; some stacks send one before each record */

/* ---- buffers: a chunk if that is enough, else a record buffer ---- */

static uint8_t *buf_take(struct hf_tls_ctx *x, size_t size)
{
	struct hf_chunk *k;

	if (size > HF_CHUNK_DATA)
		return hf_record_take(x->bufs);
	k = hf_pool_take(&x->bufs->chunk);
	return k ? k->data : NULL;
}

static void buf_give(struct hf_tls_ctx *x, uint8_t *p, size_t size, size_t dirty)
{
	if (size > HF_CHUNK_DATA) {
		hf_record_give(x->bufs, p, dirty);
		return;
	}
	hf_wipe(p, dirty);
	hf_pool_give(&x->bufs->chunk, HF_CONTAINER_OF(p, struct hf_chunk, data));
}

/* ---- records that come ---- */

static bool is_text(const uint8_t head[HF_TLS_HEADER_LEN])
{
	for (uint32_t i = 0; i < HF_TLS_HEADER_LEN; i++)
		if ((head[i] < ' ' || head[i] > '~') && head[i] != '\r' && head[i] != '\n')
			return false;
	return true;
}

/* Whoever does not speak TLS deserves a name, for his operator's sake. The SSLv2 form: RFC 5246
 * E.2. */
static int no_tls(const uint8_t head[HF_TLS_HEADER_LEN])
{
	if (is_text(head))
		return -HF_TLS_R_PLAIN_TEXT;
	if (head[0] & 0x80 && head[2] == 1 && (head[3] == 3 || (head[3] == 0 && head[4] == 2)))
		return -HF_TLS_R_SSLV2_HELLO;
	return -HF_TLS_R_NOT_TLS;
}

/* RFC 5246 6.2.1 and E.1: before a version is agreed, any 3.x will do; under keys, which cover the
 * version, only the agreed one. */
static int check_header(const struct hf_tls *t, const uint8_t head[HF_TLS_HEADER_LEN], uint32_t len)
{
	bool first = t->state == HF_TLS_ST_HELLO && t->msg_got == 0;
	bool clear = t->rd.keys.cipher == HF_CIPHER_NONE;

	if (head[0] < HF_TLS_CT_CCS || head[0] > HF_TLS_CT_DATA)
		return first ? no_tls(head) : -HF_TLS_R_NOT_TLS;
	if (head[1] != HF_TLS_12 >> 8 || (!clear && head[2] != (HF_TLS_12 & 0xff)))
		return first ? -HF_TLS_R_NOT_TLS : -HF_TLS_R_RECORD_VERSION;
	if (len > (clear ? t->plain_max : t->plain_max + (HF_TLS_FRAGMENT_MAX - HF_TLS_RECORD_MAX)))
		return -HF_TLS_R_RECORD_OVERFLOW;
	return 0;
}

struct header {
	uint8_t type;
	uint32_t own_len, len;
};

/* RFC 5246 E.2: servers may take a hello in SSLv2's form, if it is one for TLS. */
static bool is_v2_hello(const struct hf_tls *t, const uint8_t b[HF_TLS_HEADER_LEN])
{
	return t->state == HF_TLS_ST_HELLO && t->msg_got == 0 && b[0] & 0x80 &&
	       b[2] == HF_TLS_MSG_CLIENT_HELLO && b[3] == HF_TLS_12 >> 8 &&
	       b[4] >= (HF_TLS_12 & 0xff);
}

static int read_header(const struct hf_tls *t, const uint8_t b[HF_TLS_HEADER_LEN], struct header *h)
{
	if (is_v2_hello(t, b)) {
		*h = (struct header){HF_TLS_CT_V2, 2, (b[0] & 0x7fu) << 8 | b[1]};
		return h->len > HF_TLS_V2_HELLO_MAX ? -HF_TLS_R_RECORD_OVERFLOW : 0;
	}
	*h = (struct header){b[0], HF_TLS_HEADER_LEN, (uint32_t)b[3] << 8 | b[4]};
	return check_header(t, b, h->len);
}

static void submit_open(struct hf_tls_ctx *x, struct hf_tls *t, struct hf_sym_job *job)
{
	job->owner = t->owner;
	job->kind = HF_SYM_OPEN;
	job->keys = &t->rd.keys;
	job->seq = t->rd.seq++;
	job->type = t->rec_type;
	job->version = HF_TLS_12;
	job->data = t->rec;
	job->len = t->rec_len;
	t->open_job = job;
	hf_sym_submit(x->sym, job);
}

/* Everything that opening this record needs, or nothing. */
static bool take_for_record(struct hf_tls_call *c, uint32_t len, struct hf_sym_job **job)
{
	struct hf_tls *t = c->t;

	if (t->state == HF_TLS_ST_HELLO && !t->hs && !hf_tls_hs_take(c->x, t))
		return false;
	t->rec = buf_take(c->x, len);
	if (!t->rec)
		return false;
	if (t->rd.keys.cipher == HF_CIPHER_NONE)
		return true;
	*job = hf_sym_take(c->x->sym);
	if (*job)
		return true;
	buf_give(c->x, t->rec, len, 0);
	t->rec = NULL;
	return false;
}

int hf_tls_record_next(struct hf_tls_call *c)
{
	struct hf_chain *in = c->io->in;
	struct hf_sym_job *job = NULL;
	struct hf_tls *t = c->t;
	uint8_t bytes[HF_TLS_HEADER_LEN];
	struct header head;
	int err;

	if (in->len < sizeof(bytes))
		return HF_TLS_WAIT_BYTES;
	hf_chain_copy(in, 0, bytes, sizeof(bytes), NULL);
	err = read_header(t, bytes, &head);
	if (err)
		return err;
	if (in->len < head.own_len + head.len)
		return HF_TLS_WAIT_BYTES;
	if (!take_for_record(c, head.len, &job))
		return HF_TLS_WAIT_MEM;
	hf_chain_copy(in, head.own_len, t->rec, head.len, NULL);
	hf_chain_consume(c->x->bufs, in, head.own_len + head.len);
	if (head.type != HF_TLS_CT_DATA) /* the credit for data is given when it is taken */
		c->io->credit += head.own_len + head.len;
	t->rec_type = head.type;
	t->rec_len = t->plain_len = head.len;
	t->plain_off = 0;
	c->x->stats.records_in++;
	if (job)
		submit_open(c->x, t, job);
	return 0;
}

void hf_tls_record_opened(struct hf_tls_ctx *x, struct hf_tls *t, struct hf_sym_job *job)
{
	t->open_job = NULL;
	t->plain_off = job->out_off;
	t->plain_len = job->out_len;
	if (job->status == HF_SYM_BAD_RECORD)
		hf_tls_fail(x, t, HF_TLS_R_BAD_RECORD);
	else if (job->status != HF_SYM_OK)
		hf_tls_fail(x, t, HF_TLS_R_INTERNAL);
	else if (job->out_len > t->plain_max)
		hf_tls_fail(x, t, HF_TLS_R_RECORD_OVERFLOW);
}

void hf_tls_record_drop(struct hf_tls_ctx *x, struct hf_tls *t)
{
	if (t->open_job)
		hf_sym_cancel(x->sym, t->open_job);
	t->open_job = NULL;
	if (t->rec)
		buf_give(x, t->rec, t->rec_len, t->rec_len);
	t->rec = NULL;
}

/* ---- records that go ---- */

/* What a record takes beside its plaintext, at most. */
static uint32_t overhead(const struct hf_tls *t)
{
	uint8_t cipher = t->wr.keys.cipher;

	if (cipher == HF_CIPHER_NONE)
		return HF_TLS_HEADER_LEN;
	return HF_TLS_HEADER_LEN + hf_cipher_info[cipher].prefix_len + HF_SYM_TAIL_MAX;
}

/* A buffer of `size`, or of a chunk's size when record buffers are short. */
static bool out_take(struct hf_tls_ctx *x, struct hf_tls *t, size_t size)
{
	t->out = size > HF_CHUNK_DATA ? buf_take(x, size) : NULL;
	t->out_size = t->out ? HF_RECORD_BUF_SIZE : HF_CHUNK_DATA;
	if (!t->out)
		t->out = buf_take(x, HF_CHUNK_DATA);
	t->out_off = t->out_len = 0;
	return t->out;
}

static void out_give(struct hf_tls_ctx *x, struct hf_tls *t, size_t dirty)
{
	buf_give(x, t->out, t->out_size, dirty);
	t->out = NULL;
	t->out_state = HF_TLS_OUT_IDLE;
}

void hf_tls_record_out_drop(struct hf_tls_ctx *x, struct hf_tls *t)
{
	if (t->out_state == HF_TLS_OUT_TAKEN)
		hf_sym_give(x->sym, t->seal_job);
	else if (t->seal_job)
		hf_sym_cancel(x->sym, t->seal_job);
	t->seal_job = NULL;
	if (t->out)
		out_give(x, t, t->out_size);
}

static uint8_t *out_at(const struct hf_tls *t)
{
	return t->out + t->out_len + HF_TLS_HEADER_LEN +
	       hf_cipher_info[t->wr.keys.cipher].prefix_len;
}

/* The place of a record's plaintext behind what the buffer holds: *len is cut to what fits into a
 * fresh buffer. NULL: not behind these, or (t->out NULL) no memory. */
static uint8_t *place(struct hf_tls_call *c, uint32_t *len)
{
	struct hf_tls *t = c->t;
	uint32_t need = *len + overhead(t);

	if (!t->out && !out_take(c->x, t, need))
		return NULL;
	if (t->out_off > 0 || (t->out_len > 0 && t->out_size - t->out_len < need))
		return NULL;
	*len = HF_MIN(*len, t->out_size - t->out_len - overhead(t));
	return out_at(t);
}

static void put_header(struct hf_tls *t, uint8_t type, uint32_t len)
{
	struct hf_writer w = hf_writer(t->out + t->out_len, HF_TLS_HEADER_LEN);

	hf_writer_u8(&w, type);
	hf_writer_u16(&w, HF_TLS_12);
	hf_writer_u16(&w, len);
	t->out_len += HF_TLS_HEADER_LEN + len;
}

/* The plaintext is at its place. */
static void placed(struct hf_tls_ctx *x, struct hf_tls *t, uint8_t type, uint32_t len)
{
	x->stats.records_out++;
	if (t->wr.keys.cipher == HF_CIPHER_NONE) {
		put_header(t, type, len);
		return;
	}
	t->fill_type = type;
	t->fill_len = len;
	t->out_state = HF_TLS_OUT_FILLED;
}

/* Submits what was filled; seal_job may have been taken before.
 * No record count is checked. 2^64, where it would wrap (RFC 5246 6.1), is out of reach, and GCM's
 * nonce is this count, so none comes twice under a key. After 2^24.5 full records, 400 GB, an
 * attacker's chance to tell GCM from noise passes 2^-57 (RFC 8446 5.5); 1.2 could change keys only
 * by a new connection, and a download cut in the middle is the greater harm. */
static bool seal(struct hf_tls_ctx *x, struct hf_tls *t)
{
	struct hf_sym_job *job = t->seal_job ? t->seal_job : hf_sym_take(x->sym);

	if (!job)
		return false;
	job->owner = t->owner;
	job->kind = HF_SYM_SEAL;
	job->keys = &t->wr.keys;
	job->seq = t->wr.seq++;
	job->type = t->fill_type;
	job->version = HF_TLS_12;
	job->data = t->out + t->out_len + HF_TLS_HEADER_LEN;
	job->len = t->fill_len;
	if (!hf_cipher_info[t->wr.keys.cipher].aead)
		hf_rand_bytes(x->rand, job->iv, sizeof(job->iv));
	t->seal_job = job;
	t->out_state = HF_TLS_OUT_SEALING;
	hf_sym_submit(x->sym, job);
	return true;
}

void hf_tls_record_sealed(struct hf_tls_ctx *x, struct hf_tls *t, struct hf_sym_job *job)
{
	t->seal_job = NULL;
	t->out_state = HF_TLS_OUT_IDLE;
	if (job->status == HF_SYM_OK) {
		put_header(t, t->fill_type, job->out_len);
		return;
	}
	out_give(x, t, t->out_size);
	hf_tls_fail(x, t, HF_TLS_R_INTERNAL);
}

/* ---- what is to be said: the flight, then alerts ---- */

static bool put_ccs(struct hf_tls_call *c)
{
	struct hf_tls *t = c->t;
	uint32_t len = 1;
	uint8_t *p = place(c, &len);

	if (!p)
		return false;
	p[0] = 1;
	placed(c->x, t, HF_TLS_CT_CCS, len);
	t->hs->ccs_due = false;
	t->wr.keys.cipher = t->hs->choice.suite->cipher;
	return true;
}

/* Where the message ends that begins at hs->sent. */
static size_t message_end(const struct hf_tls_hs *hs)
{
	uint8_t head[HF_TLS_MSG_HEAD_LEN];

	hf_transcript_copy(&hs->log, hs->sent, head, sizeof(head));
	return hs->sent + sizeof(head) + (size_t)(head[1] << 16 | head[2] << 8 | head[3]);
}

/* The next message of the flight, or as much of it as a record holds; ChangeCipherSpec in its place. A
 * record may hold several messages (RFC 5246 6.2.1), but there are clients that read the first only. */
static bool put_flight(struct hf_tls_call *c)
{
	struct hf_tls *t = c->t;
	struct hf_tls_hs *hs = t->hs;
	uint32_t len;
	uint8_t *p;

	if (hs->ccs_due && hs->sent == hs->ccs_at)
		return put_ccs(c);
	if (hs->sent >= hs->message_end)
		hs->message_end = message_end(hs);
	len = (uint32_t)HF_MIN(hs->message_end - hs->sent, t->plain_max);
	p = place(c, &len);
	if (!p)
		return false;
	hf_transcript_copy(&hs->log, hs->sent, p, len);
	placed(c->x, t, HF_TLS_CT_HANDSHAKE, len);
	hs->sent += len;
	if (hs->sent == hs->send_end && t->state == HF_TLS_ST_LAST_FLIGHT)
		hf_tls_established(c->x, t);
	return true;
}

static bool put_alert(struct hf_tls_call *c, uint8_t which, uint8_t level, uint8_t description)
{
	struct hf_tls *t = c->t;
	uint32_t len = 2;
	uint8_t *p = place(c, &len);

	if (!p)
		return false;
	p[0] = level;
	p[1] = description;
	placed(c->x, t, HF_TLS_CT_ALERT, len);
	t->alerts &= (uint8_t)~which;
	if (which != HF_TLS_SAY_NO_RENEGOTIATION)
		t->alerts = HF_TLS_SAID_LAST;
	c->x->stats.alerts_out++;
	return true;
}

/* Puts the next record behind those in the buffer. False: nothing to say, or no place for it. */
static bool put_next(struct hf_tls_call *c)
{
	struct hf_tls *t = c->t;

	if (hf_tls_flight_pending(t))
		return put_flight(c);
	if (t->alerts & HF_TLS_SAY_NO_RENEGOTIATION)
		return put_alert(c, HF_TLS_SAY_NO_RENEGOTIATION, HF_TLS_LEVEL_WARNING,
			HF_TLS_ALERT_NO_RENEGOTIATION);
	if (t->alerts & HF_TLS_SAY_FATAL)
		return put_alert(
			c, HF_TLS_SAY_FATAL, HF_TLS_LEVEL_FATAL, hf_tls_reason_alert(t->reason));
	if (t->alerts & HF_TLS_SAY_CLOSE)
		return put_alert(
			c, HF_TLS_SAY_CLOSE, HF_TLS_LEVEL_WARNING, HF_TLS_ALERT_CLOSE_NOTIFY);
	return false;
}

/* True when the buffer is empty and gone. */
static bool drain(struct hf_tls_call *c)
{
	struct hf_tls_io *io = c->io;
	struct hf_tls *t = c->t;
	size_t len = HF_MIN(t->out_len - t->out_off, io->out_room);

	len = hf_chain_append(c->x->bufs, io->out, t->out + t->out_off, len);
	io->out_room -= len;
	t->out_off += (uint32_t)len;
	if (t->out_off < t->out_len)
		return false;
	out_give(c->x, t, t->out_len);
	return true;
}

unsigned hf_tls_record_send(struct hf_tls_call *c)
{
	struct hf_tls *t = c->t;

	for (;;) {
		if (t->out_state == HF_TLS_OUT_TAKEN)
			return 0;
		if (t->out_state == HF_TLS_OUT_FILLED && !seal(c->x, t))
			return HF_TLS_WAIT_MEM;
		if (t->out_state == HF_TLS_OUT_SEALING)
			return HF_TLS_WAIT_SYM;
		if (put_next(c))
			continue;
		if (!t->out)
			return hf_tls_flushed(t) ? 0 : HF_TLS_WAIT_MEM;
		if (!drain(c))
			return HF_TLS_WAIT_TX;
	}
}

/* ---- data that comes and goes ---- */

struct hf_span hf_tls_plain(const struct hf_tls *t)
{
	if (!t->rec || t->open_job || t->rec_type != HF_TLS_CT_DATA || t->state != HF_TLS_ST_DONE)
		return hf_span(NULL, 0);
	return hf_span(t->rec + t->plain_off, t->plain_len);
}

void hf_tls_plain_take(struct hf_tls_ctx *x, struct hf_tls *t, struct hf_tls_io *io, size_t len)
{
	HF_ASSERT(len <= hf_tls_plain(t).len);
	x->stats.data_in += len;
	t->plain_off += (uint32_t)len;
	t->plain_len -= (uint32_t)len;
	if (t->plain_len > 0)
		return;
	io->credit += HF_TLS_HEADER_LEN + t->rec_len;
	hf_tls_record_drop(x, t);
}

int hf_tls_record_data(struct hf_tls_call *c)
{
	struct hf_tls *t = c->t;

	if (t->state != HF_TLS_ST_DONE)
		return -HF_TLS_R_UNEXPECTED_DATA;
	if (t->plain_len > 0) {
		t->empty_cnt = 0;
		return HF_TLS_WAIT_PLAIN;
	}
	if (t->empty_cnt++ == EMPTY_MAX)
		return -HF_TLS_R_TOO_MANY_EMPTY;
	hf_tls_plain_take(c->x, t, c->io, 0);
	return 0;
}

uint8_t *hf_tls_write_begin(struct hf_tls_ctx *x, struct hf_tls *t, const struct hf_tls_io *io,
	size_t want, size_t *cap)
{
	size_t around = overhead(t), room, len = HF_MIN(want, t->plain_max);

	if (t->state != HF_TLS_ST_DONE || t->out || t->alerts || t->standing & HF_TLS_FAILED)
		return NULL;
	room = hf_chain_room(x->bufs, io->out, HF_MIN(io->out_room, len + around));
	if (room < around + HF_MIN(len, HF_TLS_SLIVER) || !out_take(x, t, len + around))
		return NULL;
	t->seal_job = hf_sym_take(x->sym); /* so that what was written can be sealed for sure */
	if (!t->seal_job) {
		out_give(x, t, 0);
		return NULL;
	}
	*cap = HF_MIN(HF_MIN(room, t->out_size) - around, len);
	t->out_state = HF_TLS_OUT_TAKEN;
	return out_at(t);
}

void hf_tls_write_commit(struct hf_tls_ctx *x, struct hf_tls *t, size_t len)
{
	bool sealing;

	HF_ASSERT(t->out_state == HF_TLS_OUT_TAKEN && len + overhead(t) <= t->out_size);
	if (len == 0) {
		hf_tls_record_out_drop(x, t);
		return;
	}
	x->stats.data_out += len;
	placed(x, t, HF_TLS_CT_DATA, (uint32_t)len);
	sealing = seal(x, t);
	HF_ASSERT(sealing);
}
