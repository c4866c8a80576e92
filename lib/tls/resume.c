/* resume.c -- a client that was here before brings its session back, in a ticket that only we can
 * read (RFC 5077), or as the name of one that we kept (RFC 5246 7.3); then no private key is used.
 * Tickets are sealed under keys that all workers have, and all boxes that derive them from the same
 * secret: nothing is shared but the keys. Sessions are kept only for clients that know no tickets,
 * by the worker that made them; their id tells whose they are, so that another worker can say why
 * it does not have them.
 * What is brought is judged before anything is decided: a full handshake is always possible, so
 * every miss is only a count. Nothing secret decides a branch here: whether a ticket is ours shows
 * in the ServerHello anyway, and its MAC comes first (RFC 5077 4, RFC 7366 3).
 *
 *   ticket   key name (16), IV (16), sealed: layout, EMS, version, suite, max_fragment_length, begin,
 *            bind, master, 0...
 *   id       random (16), worker under a mask (8), authenticator of both (8) */
#include "lib/tls/tls_hs.h"
#include "lib/base/secret.h"

#define TICKET_LAYOUT 1u
#define TICKET_TEXT_LEN 112u
#define TICKET_BODY_LEN (HF_TLS_TICKET_LEN - HF_TLS_TICKET_NAME_LEN)
#define ID_RANDOM_LEN HF_TLS_KEPT_ID_LEN
#define CLOCK_OFF_S 60u /* two boxes' clocks may differ so far */

static uint32_t wall_s(const struct hf_tls_ctx *x)
{
	return (uint32_t)((x->wall_ns + x->now) / HF_NS_S);
}

/* ---- keys ---- */

static void keys_take(
	struct hf_tls_ctx *x, struct hf_sym_keys *k, const struct hf_tls_ticket_key *from)
{
	*k = (struct hf_sym_keys){
		.id = x->next_keys_id++, .cipher = HF_CIPHER_AES256_CBC_SHA256, .etm = true};
	memcpy(k->key, from->cipher, sizeof(from->cipher));
	memcpy(k->mac, from->mac, sizeof(from->mac));
}

void hf_tls_tickets_take(struct hf_tls_ctx *x, const struct hf_tls_tickets *t)
{
	HF_ASSERT(t->key_cnt <= HF_TLS_TICKET_KEYS_MAX);
	for (uint32_t i = 0; i < x->sealer_cnt; i++)
		for (uint32_t kind = 0; kind < 2; kind++)
			hf_sym_forget(x->sym, x->sealer[i].keys[kind].id);
	hf_wipe(x->sealer, sizeof(x->sealer));
	for (uint32_t i = 0; i < t->key_cnt; i++) {
		const struct hf_tls_ticket_key *from = &t->key[i];
		struct hf_tls_sealer *s = &x->sealer[i];

		memcpy(s->name, from->name, sizeof(s->name));
		memcpy(s->bind, from->bind, sizeof(s->bind));
		keys_take(x, &s->keys[HF_SYM_SEAL], from);
		keys_take(x, &s->keys[HF_SYM_OPEN], from);
	}
	x->sealer_cnt = t->key_cnt;
	x->lifetime_s = t->lifetime_s;
}

/* Where a session belongs: listener, virtual host and the name that the client said (RFC 6066 3),
 * as a MAC, so that nobody finds two that are alike. */
static uint64_t bind_of(const uint8_t key[16], const struct hf_tls_site *site,
	const struct hf_tls_vhost *vhost, struct hf_span name)
{
	uint8_t buf[sizeof(site->context) + 2 * (HF_TLS_NAME_MAX + 1)];
	struct hf_writer w = hf_writer(buf, sizeof(buf));

	hf_writer_bytes(&w, &site->context, sizeof(site->context));
	hf_writer_span(&w, vhost->name);
	hf_writer_u8(&w, 0);
	for (size_t i = 0; i < name.len; i++)
		hf_writer_u8(&w, hf_lower(name.p[i]));
	HF_ASSERT(!w.overflow);
	return hf_siphash(key, buf, w.len);
}

/* ---- tickets ---- */

static enum hf_sym_status seal_or_open(struct hf_tls_ctx *x, enum hf_sym_kind kind,
	const struct hf_tls_sealer *s, uint8_t *data, uint32_t len, struct hf_sym_job *job)
{
	*job = (struct hf_sym_job){.kind = kind,
		.keys = &s->keys[kind],
		.type = HF_TLS_MSG_NEW_SESSION_TICKET,
		.version = HF_TLS_12,
		.data = data,
		.len = len};
	if (kind == HF_SYM_SEAL)
		hf_rand_bytes(x->rand, job->iv, sizeof(job->iv));
	return hf_sym_direct(x->sym, job);
}

static void put_text(struct hf_writer *w, const struct hf_tls_session *s)
{
	hf_writer_u8(w, TICKET_LAYOUT);
	hf_writer_u8(w, s->extended_master);
	hf_writer_u16(w, s->version);
	hf_writer_u16(w, s->suite);
	hf_writer_u16(w, s->plain_max);
	hf_writer_u32(w, s->began_s);
	hf_writer_bytes(w, &s->bind, sizeof(s->bind));
	hf_writer_bytes(w, s->master, sizeof(s->master));
}

/* Only what we sealed comes so far; another layout under our key is another version's. */
static bool get_text(struct hf_span text, struct hf_tls_session *s)
{
	struct hf_reader r = hf_reader_of(text);
	struct hf_span bind, master;
	uint8_t layout, ems;

	if (text.len != TICKET_TEXT_LEN || hf_reader_u8(&r, &layout) || layout != TICKET_LAYOUT ||
		hf_reader_u8(&r, &ems) || hf_reader_u16(&r, &s->version) ||
		hf_reader_u16(&r, &s->suite) || hf_reader_u16(&r, &s->plain_max) ||
		hf_reader_u32(&r, &s->began_s) || hf_reader_bytes(&r, sizeof(s->bind), &bind) ||
		hf_reader_bytes(&r, sizeof(s->master), &master))
		return false;
	s->extended_master = ems & 1;
	memcpy(&s->bind, bind.p, bind.len);
	memcpy(s->master, master.p, master.len);
	return true;
}

/* What became of it; TICKET with *s filled and *by the key. */
static enum hf_tls_resume open_ticket(struct hf_tls_ctx *x, struct hf_span ticket,
	struct hf_tls_session *s, const struct hf_tls_sealer **by)
{
	uint8_t body[TICKET_BODY_LEN];
	struct hf_sym_job job;
	bool ours;

	if (x->sealer_cnt == 0)
		return HF_TLS_RESUME_TICKET_OFF;
	if (ticket.len != HF_TLS_TICKET_LEN || ticket.p[0] != HF_TLS_TICKET_NAME_VERSION)
		return HF_TLS_RESUME_TICKET_FOREIGN;
	*by = NULL;
	for (uint32_t i = 0; i < x->sealer_cnt && !*by; i++)
		if (memcmp(x->sealer[i].name, ticket.p, HF_TLS_TICKET_NAME_LEN) == 0)
			*by = &x->sealer[i];
	if (!*by)
		return HF_TLS_RESUME_TICKET_KEY;
	memcpy(body, ticket.p + HF_TLS_TICKET_NAME_LEN, sizeof(body));
	ours = seal_or_open(x, HF_SYM_OPEN, *by, body, sizeof(body), &job) == HF_SYM_OK &&
	       get_text(hf_span(body + job.out_off, job.out_len), s);
	hf_wipe(body, sizeof(body));
	return ours ? HF_TLS_RESUME_TICKET : HF_TLS_RESUME_TICKET_BAD;
}

static struct hf_tls_session session_of(
	const struct hf_tls_ctx *x, const struct hf_tls *t, const uint8_t bind[16])
{
	const struct hf_tls_hs *hs = t->hs;
	struct hf_tls_session s = {
		.began_s = hs->choice.resumed ? hs->began_s : wall_s(x),
		.bind = bind_of(bind, t->site, hs->choice.vhost, hf_span(hs->name, hs->name_len)),
		.version = t->version,
		.suite = t->suite,
		.plain_max = hs->choice.plain_max,
		.extended_master = hs->choice.extended_master,
	};

	memcpy(s.master, hs->master, sizeof(s.master));
	return s;
}

/* The session's age goes on counting from its full handshake, whoever renews its ticket. */
static uint32_t life_left(const struct hf_tls_ctx *x, uint32_t began_s)
{
	uint32_t now = wall_s(x), age = now > began_s ? now - began_s : 0;

	return age < x->lifetime_s ? x->lifetime_s - age : 0;
}

/* A ticket that we acknowledged is owed. It may be empty: "I have none for you after all", when the
 * keys were taken away meanwhile or the engine fails. */
void hf_tls_resume_put_ticket(struct hf_tls_call *c, struct hf_writer *w)
{
	const struct hf_tls_sealer *by = &c->x->sealer[0];
	uint8_t body[HF_SYM_PREFIX_MAX + TICKET_TEXT_LEN + HF_SYM_TAIL_MAX] = {0};
	struct hf_writer text = hf_writer(body + HF_SYM_PREFIX_MAX, TICKET_TEXT_LEN);
	struct hf_tls_session s = session_of(c->x, c->t, by->bind);
	struct hf_sym_job job;
	size_t message, ticket;

	hf_writer_u8(w, HF_TLS_MSG_NEW_SESSION_TICKET);
	message = hf_writer_open(w, 3);
	hf_writer_u32(w, life_left(c->x, s.began_s));
	ticket = hf_writer_open(w, 2);
	put_text(&text, &s);
	if (c->x->sealer_cnt > 0 &&
		seal_or_open(c->x, HF_SYM_SEAL, by, body, TICKET_TEXT_LEN, &job) == HF_SYM_OK) {
		HF_ASSERT(job.out_len == TICKET_BODY_LEN);
		hf_writer_bytes(w, by->name, sizeof(by->name));
		hf_writer_bytes(w, body, job.out_len);
		c->x->stats.tickets_sent++;
	}
	hf_writer_close(w, ticket, 2);
	hf_writer_close(w, message, 3);
	hf_wipe(body, sizeof(body));
	hf_wipe(&s, sizeof(s));
}

/* ---- session ids ---- */

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Two keyed hashes of what stands before them: one hides the worker, the other vouches for all. */
static uint64_t id_hash(const struct hf_tls_ctx *x, const uint8_t *id, size_t len)
{
	return hf_siphash(x->id_key, id, len);
}

static void id_make(struct hf_tls_ctx *x, uint8_t id[HF_TLS_SESSION_ID_MAX])
{
	uint64_t v;

	hf_rand_bytes(x->rand, id, ID_RANDOM_LEN);
	v = x->worker ^ id_hash(x, id, ID_RANDOM_LEN);
	memcpy(id + ID_RANDOM_LEN, &v, sizeof(v));
	v = id_hash(x, id, ID_RANDOM_LEN + sizeof(v));
	memcpy(id + ID_RANDOM_LEN + sizeof(v), &v, sizeof(v));
}

/* Of this process? Then *worker is whose. */
static bool id_read(const struct hf_tls_ctx *x, struct hf_span id, uint64_t *worker)
{
	if (id.len != HF_TLS_SESSION_ID_MAX ||
		load64(id.p + ID_RANDOM_LEN + 8) != id_hash(x, id.p, ID_RANDOM_LEN + 8))
		return false;
	*worker = load64(id.p + ID_RANDOM_LEN) ^ id_hash(x, id.p, ID_RANDOM_LEN);
	return true;
}

/* Where a session of this id may lie. Ids that come here are ours, so they are spread evenly. */
static struct hf_tls_kept *place_of(const struct hf_tls_ctx *x, uint64_t begin)
{
	return &x->kept[begin % (x->kept_cnt / HF_TLS_KEPT_WAYS) * HF_TLS_KEPT_WAYS];
}

static void kept_drop(struct hf_tls_ctx *x, struct hf_tls_kept *k)
{
	x->stats.sessions -= k->used > 0;
	hf_wipe(k, sizeof(*k));
}

static enum hf_tls_resume find_kept(
	struct hf_tls_ctx *x, const struct hf_tls_hello *h, struct hf_tls_session *s)
{
	struct hf_tls_kept *place;
	uint64_t worker;

	if (!id_read(x, h->session_id, &worker))
		return h->versions.p ? HF_TLS_RESUME_ID_FILLER
		       : x->kept_cnt ? HF_TLS_RESUME_ID_FOREIGN
				     : HF_TLS_RESUME_ID_OFF;
	if (worker != x->worker)
		return HF_TLS_RESUME_ID_WORKER;
	place = place_of(x, load64(h->session_id.p));
	for (uint32_t i = 0; i < HF_TLS_KEPT_WAYS; i++) {
		if (place[i].used == 0 || memcmp(place[i].id, h->session_id.p, ID_RANDOM_LEN) != 0)
			continue;
		place[i].used = ++x->kept_uses;
		*s = place[i].session;
		return HF_TLS_RESUME_ID;
	}
	return HF_TLS_RESUME_ID_GONE;
}

void hf_tls_resume_keep(struct hf_tls_ctx *x, struct hf_tls *t)
{
	const struct hf_tls_hs *hs = t->hs;
	struct hf_tls_kept *place, *old;

	if (hs->choice.resumed || hs->choice.session_id.len == 0)
		return;
	place = old = place_of(x, load64(hs->session_id));
	for (uint32_t i = 0; i < HF_TLS_KEPT_WAYS; i++) {
		if (place[i].used > 0 && life_left(x, place[i].session.began_s) == 0)
			kept_drop(x, &place[i]);
		if (place[i].used < old->used)
			old = &place[i];
	}
	x->stats.sessions_evicted += old->used > 0;
	kept_drop(x, old);
	memcpy(old->id, hs->session_id, sizeof(old->id));
	old->session = session_of(x, t, x->id_key);
	old->used = ++x->kept_uses;
	x->stats.sessions++;
	t->kept = load64(old->id);
}

/* RFC 5246 7.2.2. A ticket is out of our hands, which is what it is for. */
void hf_tls_resume_forget(struct hf_tls_ctx *x, struct hf_tls *t)
{
	struct hf_tls_kept *place;

	if (t->kept == 0)
		return;
	place = place_of(x, t->kept);
	for (uint32_t i = 0; i < HF_TLS_KEPT_WAYS; i++)
		if (place[i].used > 0 && load64(place[i].id) == t->kept)
			kept_drop(x, &place[i]);
	t->kept = 0;
}

/* ---- the choice ---- */

/* A session that was found: may it be resumed by this hello? */
static enum hf_tls_resume judge(const struct hf_tls_call *c, const struct hf_tls_hello *h,
	const struct hf_tls_choice *choice, const struct hf_tls_session *s, uint64_t bind,
	enum hf_tls_resume found)
{
	/* What was proved then is not told by a session, and may have been revoked since. */
	if (choice->vhost->auth)
		return HF_TLS_RESUME_CLIENT_CERT;
	if (s->began_s > (uint64_t)wall_s(c->x) + CLOCK_OFF_S)
		return HF_TLS_RESUME_CLOCK;
	if (life_left(c->x, s->began_s) == 0)
		return HF_TLS_RESUME_EXPIRED;
	if (s->bind != bind)
		return HF_TLS_RESUME_OTHER_NAME;
	/* RFC 5246 7.4.1.2 wants the session's suite in the hello; that it is still served, we do. */
	if (s->version != HF_TLS_12 || !hf_tls_hello_has_suite(c->t->site, h, s->suite))
		return HF_TLS_RESUME_OTHER_SUITE;
	/* RFC 7627 5.3. Neither has it: clients of before are let in as 5.4 allows. */
	if (s->extended_master != choice->extended_master)
		return s->extended_master ? HF_TLS_RESUME_EMS_LOST : HF_TLS_RESUME_EMS_NEW;
	/* RFC 6066 4: a session keeps what it agreed to, so who wants another length, or none, gets
	 * a session of his own. */
	if (s->plain_max != choice->plain_max)
		return HF_TLS_RESUME_OTHER_FRAGMENT;
	return found;
}

/* RFC 5077 3.4: a ticket goes before the id, which then is only an echo to be given. */
static enum hf_tls_resume look(struct hf_tls_call *c, const struct hf_tls_hello *h,
	const struct hf_tls_choice *choice, struct hf_tls_session *s,
	const struct hf_tls_sealer **by)
{
	const uint8_t *key = c->x->id_key;
	enum hf_tls_resume found;

	*by = NULL;
	if (h->ticket.len > 0)
		found = open_ticket(c->x, h->ticket, s, by);
	else if (h->session_id.len > 0)
		found = find_kept(c->x, h, s);
	else
		return HF_TLS_RESUME_NONE;
	if (found != HF_TLS_RESUME_TICKET && found != HF_TLS_RESUME_ID)
		return found;
	if (found == HF_TLS_RESUME_TICKET)
		key = (*by)->bind;
	return judge(c, h, choice, s, bind_of(key, c->t->site, choice->vhost, h->name), found);
}

int hf_tls_resume_choose(struct hf_tls_call *c, const struct hf_tls_hello *h,
	struct hf_tls_choice *choice, struct hf_tls_session *s, enum hf_tls_resume *what)
{
	struct hf_tls_hs *hs = c->t->hs;
	const struct hf_tls_sealer *by;
	bool asks = choice->vhost->auth != NULL;

	*what = look(c, h, choice, s, &by);
	choice->resumed = *what == HF_TLS_RESUME_TICKET || *what == HF_TLS_RESUME_ID;
	choice->session_ticket = h->session_ticket && c->x->sealer_cnt > 0 && !asks;
	if (choice->resumed) {
		choice->suite = hf_tls_suite(s->suite);
		hf_tls_hello_settle(h, choice);
		if (*what == HF_TLS_RESUME_ID)
			c->t->kept = load64(h->session_id.p);
		choice->session_id = h->session_id; /* of any length, as it is */
		if (*what == HF_TLS_RESUME_TICKET)  /* good until its key goes */
			choice->session_ticket &= by != &c->x->sealer[0];
	} else {
		hf_wipe(s, sizeof(*s));
		if (c->x->kept_cnt && !choice->session_ticket && !asks) {
			id_make(c->x, hs->session_id);
			choice->session_id = hf_span(hs->session_id, sizeof(hs->session_id));
		}
	}
	return *what == HF_TLS_RESUME_EMS_LOST ? -HF_TLS_R_EMS_LOST : 0;
}
