/* tls_keys.c -- key derivation as a program of steps, each of which submits jobs and says what
 * comes when all are back; the protocol stands still meanwhile. The transcript is hashed twice
 * only: up to ClientKeyExchange (for the extended master secret and the client's Finished alike,
 * and while the private key is at work) and up to our own Finished. A client that shows a certificate
 * adds two: what it has signed, by the hash that it has chosen, and that with its signature.
 *
 *   offer:    key pair -> digest -> signature -> ServerKeyExchange and ServerHelloDone
 *   exchange: premaster, hash -> master -> key block, client's verify_data -> install
 *   with a client's certificate:
 *   exchange: premaster, hash -> master
 *   prove:    digest -> check of the certificate, hash -> key block ... as above
 *   finish:   hash -> our verify_data -> Finished into the flight
 *   resume:   hash, key block -> install, our verify_data -> Finished into the flight
 *             -> hash -> client's verify_data */
#include "lib/tls/tls_hs.h"
#include "lib/base/secret.h"

#define NAMED_CURVE 3u /* ECCurveType, RFC 8422 5.4 */

enum {
	STEP_NONE,
	STEP_DIGEST,
	STEP_SIGN,
	STEP_OFFER,
	STEP_MASTER,
	STEP_MASTER_ASKED,
	STEP_ASKED,
	STEP_PROVE,
	STEP_BLOCK,
	STEP_INSTALL,
	STEP_VERIFY,
	STEP_FINISHED,
	STEP_RESUME,
	STEP_RESUME_VERIFY,
	STEP_RESUME_FINISHED,
	STEP_RESUME_HASH,
	STEP_RESUME_CLIENT,
	STEP_RESUME_READY,
};

static size_t hash_len(const struct hf_tls_hs *hs)
{
	return hs->choice.suite->hash == HF_SHA384 ? 48 : 32;
}

/* ---- jobs ---- */

/* Both jobs or none. */
static bool take_jobs(struct hf_tls_call *c, uint32_t cnt)
{
	struct hf_tls_hs *hs = c->t->hs;

	for (uint32_t i = 0; i < cnt; i++) {
		hs->job[i] = hf_sym_take(c->x->sym);
		if (hs->job[i])
			continue;
		while (i-- > 0) {
			hf_sym_give(c->x->sym, hs->job[i]);
			hs->job[i] = NULL;
		}
		return false;
	}
	for (uint32_t i = 0; i < cnt; i++) {
		hs->job[i]->owner = c->t->owner;
		hs->job[i]->hash = hs->choice.suite->hash;
	}
	return true;
}

/* Of the first v_cnt of hash_v, as job i. */
static void submit_hash(struct hf_tls_call *c, uint32_t i, uint32_t v_cnt, uint8_t *out)
{
	struct hf_tls_hs *hs = c->t->hs;
	struct hf_sym_job *job = hs->job[i];

	job->kind = HF_SYM_HASH;
	job->v = hs->hash_v;
	job->v_cnt = v_cnt;
	job->out = out;
	hf_sym_submit(c->x->sym, job);
}

/* Of the first len bytes of all messages. */
static uint32_t log_spans(struct hf_tls_hs *hs, size_t len)
{
	return hf_transcript_spans(&hs->log, 0, len, hs->hash_v, HF_TLS_SPAN_MAX);
}

static void submit_log_hash(struct hf_tls_call *c, uint32_t i)
{
	struct hf_tls_hs *hs = c->t->hs;

	submit_hash(c, i, log_spans(hs, hf_transcript_len(&hs->log)), hs->hash);
}

#define LABEL(text) hf_span(text, sizeof(text) - 1)

/* PRF(secret, label, seed || seed2) of RFC 5246 5 as job i. */
static void submit_prf(struct hf_tls_call *c, uint32_t i, struct hf_span secret,
	struct hf_span label, struct hf_span seed, struct hf_span seed2, uint8_t *out,
	uint32_t out_len)
{
	struct hf_tls_hs *hs = c->t->hs;
	struct hf_sym_job *job = hs->job[i];
	struct hf_span *v = hs->prf_v[i];

	v[0] = secret;
	v[1] = label;
	v[2] = seed;
	v[3] = seed2;
	job->kind = HF_SYM_PRF;
	job->v = v;
	job->v_cnt = seed2.len > 0 ? 4 : 3;
	job->out = out;
	job->out_len = out_len;
	hf_sym_submit(c->x->sym, job);
}

static struct hf_span master_of(const struct hf_tls_hs *hs)
{
	return hf_span(hs->master, HF_TLS_MASTER_LEN);
}

static struct hf_span hash_of(const struct hf_tls_hs *hs)
{
	return hf_span(hs->hash, hash_len(hs));
}

static const struct hf_span nothing;

static struct hf_pk_job *take_pk(struct hf_tls_call *c, enum hf_pk_op op)
{
	struct hf_pk_job *job = hf_pk_take(c->x->pk);

	if (!job)
		return NULL;
	job->owner = c->t->owner;
	job->op = op;
	hf_rand_bytes(c->x->rand, job->seed, sizeof(job->seed));
	return job;
}

/* The job may point to the site's key, whatever becomes of the connection: it counts as a use. */
static void submit_pk(struct hf_tls_call *c, struct hf_pk_job *job)
{
	struct hf_tls_use *use = &c->t->site->use[c->x->worker];

	job->user = use;
	use->cnt++;
	c->t->hs->pk_job = job;
	hf_pk_submit(c->x->pk, job, c->x->now);
	hf_trace(c->x->trace, c->x->now, (uint32_t)job->owner, HF_TRACE_PK_SUBMIT, job->op, 0, 0);
}

/* The private key for the client's answer, the public one as ServerKeyExchange will say it. */
static void keep_pair(struct hf_tls_hs *hs, const struct hf_tls_group *group, const uint8_t *scalar,
	const uint8_t *point)
{
	struct hf_writer w = hf_writer(hs->params, sizeof(hs->params));
	uint8_t len = hf_group_info[group->group].point_len;

	memcpy(hs->scalar, scalar, sizeof(hs->scalar));
	hf_writer_u8(&w, NAMED_CURVE);
	hf_writer_u16(&w, group->id);
	hf_writer_u8(&w, len);
	hf_writer_bytes(&w, point, len);
	HF_ASSERT(!w.overflow);
	hs->params_len = (uint8_t)w.len;
}

static void keep_answer(struct hf_tls_hs *hs, const struct hf_pk_job *job)
{
	if (job->op != HF_PK_ECDH_KEYGEN) {
		HF_ASSERT(job->out_len <= sizeof(hs->premaster));
		memcpy(hs->premaster, job->out, job->out_len);
		hs->premaster_len = (uint8_t)job->out_len;
		return;
	}
	keep_pair(hs, hs->choice.group, job->scalar, job->out);
}

static bool signs(const struct hf_pk_job *job)
{
	return job->op == HF_PK_RSA_SIGN_PKCS1 || job->op == HF_PK_RSA_SIGN_PSS ||
	       job->op == HF_PK_ECDSA_SIGN;
}

void hf_tls_pk_done(struct hf_tls_ctx *x, struct hf_tls *t, struct hf_pk_job *job)
{
	struct hf_tls_use *use = job->user;

	use->cnt--;
	hf_trace(x->trace, x->now, (uint32_t)job->owner, HF_TRACE_PK_DONE, job->status, 0, 0);
	if (t && t->hs && t->hs->pk_job == job) {
		t->hs->pk_job = NULL;
		if (job->status == HF_PK_REFUSED) {
			hf_tls_fail(x, t, HF_TLS_R_BAD_POINT);
		} else if (job->status != HF_PK_OK) {
			hf_tls_fail(x, t, HF_TLS_R_PK_FAILED);
		} else if (signs(job)) {
			t->hs->signature = job;
			return;
		} else {
			keep_answer(t->hs, job);
		}
	}
	hf_pk_give(x->pk, job);
}

/* ---- our key exchange ---- */

/* A key pair for this handshake alone: one that was made beforehand, or one to wait for. */
int hf_tls_keys_offer(struct hf_tls_call *c, const struct hf_tls_group *group)
{
	struct hf_tls_hs *hs = c->t->hs;
	struct hf_pk_pair pair;
	struct hf_pk_job *job;

	if (hf_pk_pair(c->x->pk, group->group, &pair, c->x->now)) {
		keep_pair(hs, group, pair.scalar, pair.point);
		hf_wipe(&pair, sizeof(pair));
	} else {
		job = take_pk(c, HF_PK_ECDH_KEYGEN);
		if (!job)
			return HF_TLS_WAIT_MEM;
		job->group = group->group;
		submit_pk(c, job);
	}
	hs->step = STEP_DIGEST;
	return 0;
}

/* RFC 8422 5.4: what is signed is both randoms and the parameters, a named curve and our point. */
static int step_digest(struct hf_tls_call *c)
{
	struct hf_tls_hs *hs = c->t->hs;

	if (!take_jobs(c, 1))
		return HF_TLS_WAIT_MEM;
	hs->job[0]->hash = hs->choice.scheme->hash;
	hs->hash_v[0] = hf_span(hs->client_random, HF_TLS_RANDOM_LEN);
	hs->hash_v[1] = hf_span(hs->server_random, HF_TLS_RANDOM_LEN);
	hs->hash_v[2] = hf_span(hs->params, hs->params_len);
	submit_hash(c, 0, 3, hs->hash);
	return 0;
}

static int step_sign(struct hf_tls_call *c)
{
	struct hf_tls_hs *hs = c->t->hs;
	struct hf_pk_job *job = take_pk(c, hs->choice.scheme->op);

	if (!job)
		return HF_TLS_WAIT_MEM;
	job->key = hs->choice.cert->key;
	job->hash = hs->choice.scheme->hash;
	job->in_len = hf_hash_info[job->hash].len;
	memcpy(job->in, hs->hash, job->in_len);
	submit_pk(c, job);
	return 0;
}

static int step_offer(struct hf_tls_call *c)
{
	static const uint8_t done[HF_TLS_MSG_HEAD_LEN] = {HF_TLS_MSG_SERVER_HELLO_DONE};
	uint8_t buf[HF_TLS_SERVER_KEY_MAX + sizeof(done)];
	struct hf_writer w = hf_writer(buf, sizeof(buf));
	struct hf_tls_hs *hs = c->t->hs;
	struct hf_pk_job *job = hs->signature;
	struct hf_span request = hf_span(NULL, 0);
	size_t message;

	if (hs->ask)
		request = hs->choice.vhost->auth->request;
	if (!hf_transcript_fits(c->x->bufs, &hs->log, sizeof(buf) + request.len))
		return HF_TLS_WAIT_MEM;
	hf_writer_u8(&w, HF_TLS_MSG_SERVER_KEY_EXCHANGE);
	message = hf_writer_open(&w, 3);
	hf_writer_bytes(&w, hs->params, hs->params_len);
	hf_writer_u16(&w, hs->choice.scheme->id);
	hf_writer_u16(&w, job->out_len);
	hf_writer_bytes(&w, job->out, job->out_len);
	hf_writer_close(&w, message, 3);
	HF_ASSERT(!w.overflow);
	hs->signature = NULL;
	hf_pk_give(c->x->pk, job);
	hf_transcript_put(c->x->bufs, &hs->log, hf_span(buf, w.len));
	hf_transcript_put(c->x->bufs, &hs->log, request);
	hf_transcript_put(c->x->bufs, &hs->log, hf_span(done, sizeof(done)));
	hs->send_end = hf_transcript_len(&hs->log);
	return 0;
}

/* ---- the client's key exchange ---- */

/* The fallback is drawn for every handshake and before anything is known of the ciphertext (RFC
 * 5246 7.4.7.1); the rest of the handshake never learns which of the two it works with. */
static void fill_premaster(struct hf_tls_call *c, struct hf_pk_job *job)
{
	job->key = c->t->hs->choice.cert->key;
	job->client_version = c->t->hs->client_version;
	hf_rand_bytes(c->x->rand, job->fallback, sizeof(job->fallback));
}

/* The private key is used once and gone. */
static void fill_derive(struct hf_tls_hs *hs, struct hf_pk_job *job)
{
	job->group = hs->choice.group->group;
	memcpy(job->scalar, hs->scalar, sizeof(job->scalar));
	hf_wipe(hs->scalar, sizeof(hs->scalar));
}

int hf_tls_keys_exchange(struct hf_tls_call *c, struct hf_span sent)
{
	struct hf_tls_hs *hs = c->t->hs;
	bool ecdhe = hs->choice.suite->kx == HF_TLS_KX_ECDHE;
	struct hf_pk_job *job;

	if (!take_jobs(c, 1))
		return HF_TLS_WAIT_MEM;
	job = take_pk(c, ecdhe ? HF_PK_ECDH_DERIVE : HF_PK_RSA_PREMASTER);
	if (!job) {
		hf_sym_give(c->x->sym, hs->job[0]);
		hs->job[0] = NULL;
		return HF_TLS_WAIT_MEM;
	}
	hs->key_at = c->x->now;
	job->in_len = (uint32_t)HF_MIN(sent.len, sizeof(job->in));
	memcpy(job->in, sent.p, job->in_len);
	if (ecdhe)
		fill_derive(hs, job);
	else
		fill_premaster(c, job);
	submit_pk(c, job);
	submit_log_hash(c, 0);
	hs->step = hs->ask ? STEP_MASTER_ASKED : STEP_MASTER;
	return 0;
}

/* RFC 5246 8.1; RFC 7627 4, where the hash of the handshake so far takes the randoms' place. */
static int step_master(struct hf_tls_call *c)
{
	struct hf_tls_hs *hs = c->t->hs;
	struct hf_span premaster = hf_span(hs->premaster, hs->premaster_len);

	if (!take_jobs(c, 1))
		return HF_TLS_WAIT_MEM;
	if (hs->choice.extended_master)
		submit_prf(c, 0, premaster, LABEL("extended master secret"), hash_of(hs), nothing,
			hs->master, HF_TLS_MASTER_LEN);
	else
		submit_prf(c, 0, premaster, LABEL("master secret"),
			hf_span(hs->client_random, HF_TLS_RANDOM_LEN),
			hf_span(hs->server_random, HF_TLS_RANDOM_LEN), hs->master,
			HF_TLS_MASTER_LEN);
	return 0;
}

/* The client's signature comes first: the rest depends on it. */
static int step_asked(struct hf_tls_call *c)
{
	hf_wipe(c->t->hs->premaster, sizeof(c->t->hs->premaster));
	return 0;
}

/* RFC 5246 7.4.8: all messages before this one. */
int hf_tls_keys_prove(struct hf_tls_call *c)
{
	struct hf_tls_hs *hs = c->t->hs;

	if (!take_jobs(c, 1))
		return HF_TLS_WAIT_MEM;
	hs->job[0]->hash = hs->proof->hash;
	submit_hash(c, 0, log_spans(hs, hs->msg_at), hs->digest);
	hs->step = STEP_PROVE;
	return 0;
}

static int step_prove(struct hf_tls_call *c)
{
	struct hf_tls_hs *hs = c->t->hs;

	if (!take_jobs(c, 1))
		return HF_TLS_WAIT_MEM;
	if (!hf_tls_auth_begin(c)) {
		hf_sym_give(c->x->sym, hs->job[0]);
		hs->job[0] = NULL;
		return HF_TLS_WAIT_MEM;
	}
	hs->ask = false;
	submit_log_hash(c, 0);
	return 0;
}

static uint32_t block_len(const struct hf_cipher_info *info)
{
	return 2 * ((uint32_t)info->mac_key_len + info->key_len + info->iv_len);
}

/* As job 0, RFC 5246 6.3. */
static void submit_block(struct hf_tls_call *c)
{
	struct hf_tls_hs *hs = c->t->hs;
	uint32_t len = block_len(&hf_cipher_info[hs->choice.suite->cipher]);

	HF_ASSERT(len <= sizeof(hs->block));
	submit_prf(c, 0, master_of(hs), LABEL("key expansion"),
		hf_span(hs->server_random, HF_TLS_RANDOM_LEN),
		hf_span(hs->client_random, HF_TLS_RANDOM_LEN), hs->block, len);
}

static void submit_verify(struct hf_tls_call *c, uint32_t i, struct hf_span label)
{
	struct hf_tls_hs *hs = c->t->hs;

	submit_prf(c, i, master_of(hs), label, hash_of(hs), nothing, hs->verify, HF_TLS_VERIFY_LEN);
}

static int step_block(struct hf_tls_call *c)
{
	struct hf_tls_hs *hs = c->t->hs;

	if (!take_jobs(c, 2))
		return HF_TLS_WAIT_MEM;
	hf_wipe(hs->premaster, sizeof(hs->premaster));
	submit_block(c);
	submit_verify(c, 1, LABEL("client finished"));
	return 0;
}

static const uint8_t *cut(const uint8_t **at, size_t len)
{
	const uint8_t *p = *at;

	*at += len;
	return p;
}

/* RFC 5246 6.3: client's and server's MAC keys, keys, fixed IVs, in this order. Both directions
 * have their keys now and go on without them until ChangeCipherSpec. */
static int step_install(struct hf_tls_call *c)
{
	struct hf_tls_hs *hs = c->t->hs;
	const struct hf_cipher_info *info = &hf_cipher_info[hs->choice.suite->cipher];
	struct hf_sym_keys *rd = &c->t->rd.keys, *wr = &c->t->wr.keys;
	const uint8_t *at = hs->block;

	memcpy(rd->mac, cut(&at, info->mac_key_len), info->mac_key_len);
	memcpy(wr->mac, cut(&at, info->mac_key_len), info->mac_key_len);
	memcpy(rd->key, cut(&at, info->key_len), info->key_len);
	memcpy(wr->key, cut(&at, info->key_len), info->key_len);
	memcpy(rd->iv, cut(&at, info->iv_len), info->iv_len);
	memcpy(wr->iv, cut(&at, info->iv_len), info->iv_len);
	rd->etm = wr->etm = hs->choice.encrypt_then_mac;
	rd->id = c->x->next_keys_id++;
	wr->id = c->x->next_keys_id++;
	hf_wipe(hs->block, sizeof(hs->block));
	return 0;
}

/* ---- our Finished ---- */

/* A ticket that we acknowledged is owed before ChangeCipherSpec (RFC 5077 3.3). */
static void put_ticket(struct hf_tls_call *c)
{
	struct hf_tls_hs *hs = c->t->hs;
	uint8_t buf[HF_TLS_TICKET_MESSAGE_LEN];
	struct hf_writer w = hf_writer(buf, sizeof(buf));

	if (!hs->choice.session_ticket)
		return;
	hf_tls_resume_put_ticket(c, &w);
	HF_ASSERT(!w.overflow);
	hf_transcript_put(c->x->bufs, &hs->log, hf_span(buf, w.len));
}

/* The client's Finished is right. */
int hf_tls_keys_finish(struct hf_tls_call *c)
{
	struct hf_tls_hs *hs = c->t->hs;

	if (!hf_transcript_fits(c->x->bufs, &hs->log, HF_TLS_TICKET_MESSAGE_LEN) ||
		!take_jobs(c, 1))
		return HF_TLS_WAIT_MEM;
	hs->sent = hs->send_end = hf_transcript_len(&hs->log);
	put_ticket(c);
	submit_log_hash(c, 0);
	hs->step = STEP_VERIFY;
	return 0;
}

static int step_verify(struct hf_tls_call *c)
{
	if (!take_jobs(c, 1))
		return HF_TLS_WAIT_MEM;
	submit_verify(c, 0, LABEL("server finished"));
	return 0;
}

static int step_finished(struct hf_tls_call *c)
{
	static const uint8_t head[] = {HF_TLS_MSG_FINISHED, 0, 0, HF_TLS_VERIFY_LEN};
	struct hf_tls_hs *hs = c->t->hs;

	if (!hf_transcript_fits(c->x->bufs, &hs->log, sizeof(head) + HF_TLS_VERIFY_LEN))
		return HF_TLS_WAIT_MEM;
	hs->ccs_at = hf_transcript_len(&hs->log);
	hs->ccs_due = true;
	hf_transcript_put(c->x->bufs, &hs->log, hf_span(head, sizeof(head)));
	hf_transcript_put(c->x->bufs, &hs->log, hf_span(hs->verify, HF_TLS_VERIFY_LEN));
	hs->send_end = hf_transcript_len(&hs->log);
	hf_wipe(hs->verify, sizeof(hs->verify));
	return 0;
}

/* ---- a session that goes on ---- */

/* We speak first: all that both Finished need is known with the hello. */
void hf_tls_keys_resume(struct hf_tls_call *c, const struct hf_tls_session *s)
{
	struct hf_tls_hs *hs = c->t->hs;

	memcpy(hs->master, s->master, sizeof(hs->master));
	hs->began_s = s->began_s;
	hs->key_at = c->x->now;
	hs->step = STEP_RESUME;
}

static int step_resume(struct hf_tls_call *c)
{
	if (!hf_transcript_fits(c->x->bufs, &c->t->hs->log, HF_TLS_TICKET_MESSAGE_LEN) ||
		!take_jobs(c, 2))
		return HF_TLS_WAIT_MEM;
	put_ticket(c);
	submit_block(c);
	submit_log_hash(c, 1);
	return 0;
}

static int step_resume_verify(struct hf_tls_call *c)
{
	int err = step_verify(c);

	return err ? err : step_install(c);
}

static int step_resume_hash(struct hf_tls_call *c)
{
	if (!take_jobs(c, 1))
		return HF_TLS_WAIT_MEM;
	submit_log_hash(c, 0);
	return 0;
}

static int step_resume_client(struct hf_tls_call *c)
{
	if (!take_jobs(c, 1))
		return HF_TLS_WAIT_MEM;
	submit_verify(c, 0, LABEL("client finished"));
	return 0;
}

static int step_resume_ready(struct hf_tls_call *c)
{
	(void)c;
	return 0;
}

/* ---- the program ---- */

static const struct {
	int (*take)(struct hf_tls_call *c);
	uint8_t next;
} steps[] = {
	/* clang-format off */
	[STEP_DIGEST]   = {step_digest,   STEP_SIGN},
	[STEP_SIGN]     = {step_sign,     STEP_OFFER},
	[STEP_OFFER]    = {step_offer,    STEP_NONE},
	[STEP_MASTER]   = {step_master,   STEP_BLOCK},
	[STEP_MASTER_ASKED] = {step_master, STEP_ASKED},
	[STEP_ASKED]    = {step_asked,    STEP_NONE},
	[STEP_PROVE]    = {step_prove,    STEP_BLOCK},
	[STEP_BLOCK]    = {step_block,    STEP_INSTALL},
	[STEP_INSTALL]  = {step_install,  STEP_NONE},
	[STEP_VERIFY]   = {step_verify,   STEP_FINISHED},
	[STEP_FINISHED] = {step_finished, STEP_NONE},
	[STEP_RESUME]          = {step_resume,        STEP_RESUME_VERIFY},
	[STEP_RESUME_VERIFY]   = {step_resume_verify, STEP_RESUME_FINISHED},
	[STEP_RESUME_FINISHED] = {step_finished,      STEP_RESUME_HASH},
	[STEP_RESUME_HASH]     = {step_resume_hash,   STEP_RESUME_CLIENT},
	[STEP_RESUME_CLIENT]   = {step_resume_client, STEP_RESUME_READY},
	[STEP_RESUME_READY]    = {step_resume_ready,  STEP_NONE},
	/* clang-format on */
};

int hf_tls_keys_step(struct hf_tls_call *c)
{
	struct hf_tls_hs *hs = c->t->hs;
	int wait = hs->pk_job ? HF_TLS_WAIT_PK : 0, err;

	if (hs->job[0] || hs->job[1])
		wait |= HF_TLS_WAIT_SYM;
	if (hs->auth_job)
		wait |= HF_TLS_WAIT_AUTH;
	if (wait)
		return wait;
	err = steps[hs->step].take(c);
	if (!err)
		hs->step = steps[hs->step].next;
	return err;
}

void hf_tls_keys_sym_done(struct hf_tls_ctx *x, struct hf_tls *t, struct hf_sym_job *job)
{
	for (uint32_t i = 0; i < HF_ARRAY_LEN(t->hs->job); i++) {
		if (t->hs->job[i] != job)
			continue;
		t->hs->job[i] = NULL;
		if (job->status != HF_SYM_OK)
			hf_tls_fail(x, t, HF_TLS_R_INTERNAL);
		return;
	}
}

void hf_tls_keys_cancel(struct hf_tls_ctx *x, struct hf_tls_hs *hs)
{
	for (uint32_t i = 0; i < HF_ARRAY_LEN(hs->job); i++)
		if (hs->job[i])
			hf_sym_cancel(x->sym, hs->job[i]);
	if (hs->pk_job)
		hf_pk_cancel(x->pk, hs->pk_job);
	if (hs->signature)
		hf_pk_give(x->pk, hs->signature);
	hf_tls_auth_cancel(x, hs);
	hs->job[0] = hs->job[1] = NULL;
	hs->pk_job = hs->signature = NULL;
}
