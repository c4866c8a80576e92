/* tls12.c -- TLS 1.2 as a table: in this state this message, at most so long, handled by that,
 * leads there. Whatever has no row is out of order. A handler checks, then either does all of its
 * work or, when a chunk or job is short, nothing: it will be called again with the same message.
 * What takes computing is only begun here and goes on in tls_keys.c.
 *
 *   ClientHello          -> ServerHello Certificate [ServerKeyExchange] [CertificateRequest]
 *                           ServerHelloDone
 *   [Certificate]
 *   ClientKeyExchange    -> (premaster, master, keys)
 *   [CertificateVerify]  -> (the client's certificates and signature)
 *   ChangeCipherSpec     -> read with the new keys
 *   Finished             -> [NewSessionTicket] ChangeCipherSpec Finished
 * and with a session that goes on (RFC 5246 7.3, RFC 5077 3.1):
 *   ClientHello          -> ServerHello [NewSessionTicket] ChangeCipherSpec Finished
 *   ChangeCipherSpec, Finished */
#include "lib/tls/tls_hs.h"
#include "lib/base/secret.h"

#define RENEGOTIATION_MAX 3u /* polite refusals before the connection is ended */

/* ---- ClientHello: agree, then say all that we say before the client's key exchange ---- */

static void count_name(struct hf_tls_stats *s, enum hf_tls_name_match match)
{
	switch (match) {
	case HF_TLS_NAME_NONE:
		s->name_none++;
		break;
	case HF_TLS_NAME_UNKNOWN:
		s->name_unknown++;
		break;
	case HF_TLS_NAME_EXACT:
		s->name_exact++;
		break;
	case HF_TLS_NAME_WILDCARD:
		s->name_wildcard++;
		break;
	}
}

static void count_choice(struct hf_tls_stats *s, const struct hf_tls_choice *c)
{
	count_name(s, c->name);
	s->extended_master += c->extended_master;
	s->encrypt_then_mac += c->encrypt_then_mac;
	s->stapled += c->status;
}

/* The message is about to be left: keep what is needed later. */
static void keep_hello(
	struct hf_tls *t, const struct hf_tls_hello *h, const struct hf_tls_choice *c)
{
	struct hf_tls_hs *hs = t->hs;

	hs->choice = *c;
	if (c->plain_max)
		t->plain_max = c->plain_max;
	hs->client_version = h->version;
	memcpy(hs->client_random, h->random.p, HF_TLS_RANDOM_LEN);
	hs->name_len = (uint8_t)h->name.len;
	if (h->name.len > 0)
		memcpy(hs->name, h->name.p, h->name.len);
	if (c->session_id.len > 0)
		memmove(hs->session_id, c->session_id.p, c->session_id.len);
	hs->choice.session_id = hf_span(hs->session_id, c->session_id.len);
	hs->ask = c->vhost->auth && !c->resumed;
	t->version = HF_TLS_12;
	t->suite = c->suite->id;
}

static void put_hello(struct hf_tls_ctx *x, struct hf_tls_hs *hs)
{
	uint8_t buf[HF_TLS_SERVER_HELLO_MAX];
	struct hf_writer w = hf_writer(buf, sizeof(buf));

	hf_rand_bytes(x->rand, hs->server_random, HF_TLS_RANDOM_LEN);
	hf_tls_hello_answer(&w, &hs->choice, hs->server_random);
	HF_ASSERT(!w.overflow);
	hs->sent = hs->send_end = hf_transcript_len(&hs->log);
	hf_transcript_put(x->bufs, &hs->log, hf_span(buf, w.len));
}

/* Certificate and CertificateStatus (RFC 6066 8), and ServerHelloDone where there is no key exchange of ours. */
static void put_certificate(struct hf_tls_ctx *x, struct hf_tls_hs *hs)
{
	static const uint8_t done[HF_TLS_MSG_HEAD_LEN] = {HF_TLS_MSG_SERVER_HELLO_DONE};
	uint8_t buf[HF_TLS_MSG_HEAD_LEN + 3];
	struct hf_writer w = hf_writer(buf, sizeof(buf));
	struct hf_span list = hs->choice.cert->list;
	uint32_t status_len = hs->choice.status ? hs->choice.cert->status_len : 0;

	hf_writer_u8(&w, HF_TLS_MSG_CERTIFICATE);
	hf_writer_u24(&w, (uint32_t)list.len + 3);
	hf_writer_u24(&w, (uint32_t)list.len);
	HF_ASSERT(!w.overflow);
	hf_transcript_put(x->bufs, &hs->log, hf_span(buf, w.len));
	hf_transcript_put_cert(&hs->log, hf_span(list.p, list.len + status_len));
	if (hs->choice.suite->kx == HF_TLS_KX_ECDHE)
		return; /* nothing leaves before all of it can */
	if (hs->ask)
		hf_transcript_put(x->bufs, &hs->log, hs->choice.vhost->auth->request);
	hf_transcript_put(x->bufs, &hs->log, hf_span(done, sizeof(done)));
	hs->send_end = hf_transcript_len(&hs->log);
}

/* What the log needs for it, at most, but for what is put by reference. */
static size_t flight_max(const struct hf_tls_choice *c)
{
	return HF_TLS_SERVER_HELLO_MAX + HF_TLS_MSG_HEAD_LEN + 3 + HF_TLS_MSG_HEAD_LEN +
	       (c->vhost->auth ? c->vhost->auth->request.len : 0);
}

static int agree(struct hf_tls_call *c, const struct hf_tls_hello *hello)
{
	struct hf_tls_ctx *x = c->x;
	struct hf_tls_hs *hs = c->t->hs;
	enum hf_tls_resume what;
	struct hf_tls_session session;
	struct hf_tls_choice choice;
	int err = hf_tls_hello_choose(c->t->site, hello, &choice);

	if (!err && !hf_transcript_fits(x->bufs, &hs->log, flight_max(&choice)))
		err = HF_TLS_WAIT_MEM;
	if (err)
		return err;
	err = hf_tls_resume_choose(c, hello, &choice, &session, &what);
	if (!err && !choice.resumed && choice.suite->kx == HF_TLS_KX_ECDHE)
		err = hf_tls_keys_offer(c, choice.group);
	if (err <= 0)
		x->stats.resume[what]++;
	if (!err) {
		keep_hello(c->t, hello, &choice);
		count_choice(&x->stats, &choice);
		put_hello(x, hs);
		if (choice.resumed)
			hf_tls_keys_resume(c, &session);
		else
			put_certificate(x, hs);
	}
	hf_wipe(&session, sizeof(session));
	return err;
}

static int on_client_hello(struct hf_tls_call *c, struct hf_span body)
{
	struct hf_tls_hello hello;
	int err = hf_tls_hello_parse(body, &hello);

	if (!err)
		err = agree(c, &hello);
	if (!err)
		hf_tls_ja4_begin(c, body);
	return err;
}

/* JA4 has no word for such a client. */
static int on_v2_hello(struct hf_tls_call *c, struct hf_span message)
{
	struct hf_tls_v2_room room;
	struct hf_tls_hello hello;
	int err = hf_tls_hello_parse_v2(message, &room, &hello);

	return err ? err : agree(c, &hello);
}

/* ---- the client's second flight ---- */

/* RFC 5246 7.4.7.1, RFC 8422 5.7. What is checked here is public: that the vector fills the
 * message. Its length against the key's, and everything about its content, is pk's. */
static int on_client_key_exchange(struct hf_tls_call *c, struct hf_span body)
{
	struct hf_reader r = hf_reader_of(body);
	struct hf_span sent;
	bool ecdhe = c->t->hs->choice.suite->kx == HF_TLS_KX_ECDHE;
	int err = ecdhe ? hf_reader_vec8(&r, &sent) : hf_reader_vec16(&r, &sent);

	if (err || hf_reader_left(&r) > 0)
		return -HF_TLS_R_KEY_EXCHANGE_SYNTAX;
	return hf_tls_keys_exchange(c, sent);
}

static int on_change_cipher_spec(struct hf_tls_call *c, struct hf_span body)
{
	if (body.len != 1 || body.p[0] != 1)
		return -HF_TLS_R_BAD_CCS;
	c->t->rd.keys.cipher = c->t->hs->choice.suite->cipher;
	return 0;
}

static int on_finished(struct hf_tls_call *c, struct hf_span body)
{
	if (body.len != HF_TLS_VERIFY_LEN)
		return -HF_TLS_R_FINISHED_SYNTAX;
	if (!hf_ct_bytes_eq(body.p, c->t->hs->verify, HF_TLS_VERIFY_LEN))
		return -HF_TLS_R_FINISHED_MISMATCH;
	if (!c->t->hs->choice.resumed)
		return hf_tls_keys_finish(c);
	hf_tls_established(c->x, c->t);
	return 0;
}

/* ---- afterwards ---- */

/* RFC 5246 7.2.2: no_renegotiation is a warning; the client may go on with what it has. */
static int on_client_hello_again(struct hf_tls_call *c, struct hf_span body)
{
	(void)body;
	if (c->t->again_cnt++ == RENEGOTIATION_MAX)
		return -HF_TLS_R_RENEGOTIATION;
	hf_tls_say(c->t, HF_TLS_SAY_NO_RENEGOTIATION);
	c->x->stats.renegotiations_refused++;
	return 0;
}

static const struct row {
	uint8_t state;
	uint16_t message;
	uint32_t max_len;
	int (*handle)(struct hf_tls_call *c, struct hf_span body);
	uint8_t next; /* where it leads; the same when a message about the client's certificate is
			 due, and when a session goes on */
	uint8_t asked, resumed;
} hs12[] = {
/* clang-format off */
#define ROW(state, message, max_len, handle, next, asked, resumed) \
	{HF_TLS_ST_##state, HF_TLS_MSG_##message, max_len, handle, HF_TLS_ST_##next, HF_TLS_ST_##asked, HF_TLS_ST_##resumed}
	ROW(HELLO,    CLIENT_HELLO,        HF_TLS_HELLO_MAX,         on_client_hello,          KEY,         CERT,   CCS),
	ROW(HELLO,    V2_HELLO,            HF_TLS_V2_HELLO_MAX,      on_v2_hello,              KEY,         CERT,   CCS),
	ROW(CERT,     CERTIFICATE,         HF_TLS_CLIENT_CERTS_MAX,  hf_tls_auth_certificates, KEY,         KEY,    KEY),
	ROW(KEY,      CLIENT_KEY_EXCHANGE, HF_TLS_KEY_EXCHANGE_MAX,  on_client_key_exchange,   CCS,         VERIFY, CCS),
	ROW(VERIFY,   CERTIFICATE_VERIFY,  HF_TLS_CLIENT_VERIFY_MAX, hf_tls_auth_verify,       CCS,         CCS,    CCS),
	ROW(CCS,      CCS,                 HF_TLS_RECORD_MAX,        on_change_cipher_spec,    FINISHED,    FINISHED, FINISHED),
	ROW(FINISHED, FINISHED,            64,                       on_finished,              LAST_FLIGHT, LAST_FLIGHT, DONE),
	ROW(DONE,     CLIENT_HELLO,        HF_TLS_HELLO_MAX,         on_client_hello_again,    DONE,        DONE,   DONE),
#undef ROW
	/* clang-format on */
};

static const struct row *row_of(const struct hf_tls *t, unsigned type)
{
	for (size_t i = 0; i < HF_ARRAY_LEN(hs12); i++)
		if (hs12[i].state == t->state && hs12[i].message == type)
			return &hs12[i];
	return NULL;
}

int hf_tls12_check(const struct hf_tls *t, unsigned type, uint32_t len)
{
	const struct row *row = row_of(t, type);

	if (!row)
		return type == HF_TLS_MSG_CCS ? -HF_TLS_R_UNEXPECTED_CCS
					      : -HF_TLS_R_UNEXPECTED_MESSAGE;
	if (len <= row->max_len)
		return 0;
	return type == HF_TLS_MSG_CERTIFICATE ? -HF_TLS_R_CLIENT_CERT_TOO_LONG
					      : -HF_TLS_R_MESSAGE_TOO_LONG;
}

static uint8_t state_after(const struct row *row, const struct hf_tls_hs *hs)
{
	if (hs && hs->choice.resumed)
		return row->resumed;
	return hs && hs->ask ? row->asked : row->next;
}

int hf_tls12_message(struct hf_tls_call *c, unsigned type, struct hf_span body)
{
	const struct row *row = row_of(c->t, type);
	int err = row->handle(c, body);

	if (err)
		return err;
	c->t->state = state_after(row, c->t->hs);
	hf_trace(c->x->trace, c->x->now, (uint32_t)c->t->owner, HF_TRACE_TLS_STATE, c->t->state, 0,
		0);
	return 0;
}
