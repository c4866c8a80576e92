/* tls_auth.c -- a host may want to know who its clients are. It asks behind its own key exchange
 * (CertificateRequest, ready made by control: it is the same for all); the client shows its chain
 * before its own, and after it signs all that was said so far (CertificateVerify). Both are left
 * where they lie in the transcript until the signature is there, then checked as one job of auth's:
 * a chain by itself proves nothing. Who has none sends an empty list. A certificate that is not good
 * ends the handshake even where none is needed: who shows one wants to be known by it, and an alert
 * that says why helps him more than being treated as a stranger. */
#include "lib/tls/tls_hs.h"
#include "lib/base/secret.h"

static_assert(sizeof(struct hf_auth_client) <= HF_CHUNK_DATA, "who it is fits a chunk");
static_assert(HF_TLS_CLIENT_CERTS_MAX <= HF_TLS_CHUNKED_MAX - HF_TLS_MSG_HEAD_LEN &&
		      HF_TLS_CLIENT_CERTS_MAX - 3 <= HF_AUTH_LIST_MAX,
	"a client's certificates go where hellos go, and through auth");

enum { RSA_SIGN = 1, ECDSA_SIGN = 64 }; /* ClientCertificateType, RFC 5246 7.4.4, RFC 8422 5.5 */

/* What clients may sign with, in our order: what is cheaply checked first. No SHA-1 (RFC 9155 4). In
 * 1.2 a curve goes with any hash. */
static const struct hf_tls_proof proofs[] = {
	/* clang-format off */
	{0x0403, HF_AUTH_ECDSA,       HF_SHA256},
	{0x0503, HF_AUTH_ECDSA,       HF_SHA384},
	{0x0603, HF_AUTH_ECDSA,       HF_SHA512},
	{0x0804, HF_AUTH_RSA_PSS,     HF_SHA256},
	{0x0805, HF_AUTH_RSA_PSS,     HF_SHA384},
	{0x0806, HF_AUTH_RSA_PSS,     HF_SHA512},
	{0x0401, HF_AUTH_RSA_PKCS1,   HF_SHA256},
	{0x0501, HF_AUTH_RSA_PKCS1,   HF_SHA384},
	{0x0601, HF_AUTH_RSA_PKCS1,   HF_SHA512},
	{0x0809, HF_AUTH_RSA_PSS_PSS, HF_SHA256},
	{0x080a, HF_AUTH_RSA_PSS_PSS, HF_SHA384},
	{0x080b, HF_AUTH_RSA_PSS_PSS, HF_SHA512},
	/* clang-format on */
};

/* ---- asking: RFC 5246 7.4.4 ---- */

void hf_tls_request_write(struct hf_writer *w, struct hf_span names)
{
	size_t message, list;

	hf_writer_u8(w, HF_TLS_MSG_CERTIFICATE_REQUEST);
	message = hf_writer_open(w, 3);
	list = hf_writer_open(w, 1);
	hf_writer_u8(w, RSA_SIGN);
	hf_writer_u8(w, ECDSA_SIGN);
	hf_writer_close(w, list, 1);
	list = hf_writer_open(w, 2);
	for (size_t i = 0; i < HF_ARRAY_LEN(proofs); i++)
		hf_writer_u16(w, proofs[i].id);
	hf_writer_close(w, list, 2);
	list = hf_writer_open(w, 2);
	hf_writer_span(w, names);
	hf_writer_close(w, list, 2);
	hf_writer_close(w, message, 3);
}

/* ---- what comes ---- */

/* Of DER a certificate is a SEQUENCE, which fills its vector. What is none can be told before a private
 * key is used for who sent it. */
static bool is_sequence(struct hf_span der)
{
	struct hf_reader r = hf_reader_of(der);
	uint8_t tag, form, len8 = 0;
	uint16_t len16 = 0;

	if (hf_reader_u8(&r, &tag) || tag != 0x30 || hf_reader_u8(&r, &form))
		return false;
	if (form < 0x80)
		len16 = form;
	else if (form == 0x81 ? hf_reader_u8(&r, &len8) : form != 0x82 || hf_reader_u16(&r, &len16))
		return false;
	return hf_reader_left(&r) == len8 + (size_t)len16;
}

/* RFC 5246 7.4.2, 7.4.6. Where the certificates lie is kept, in offsets: the log may grow. */
int hf_tls_auth_certificates(struct hf_tls_call *c, struct hf_span body)
{
	struct hf_tls_hs *hs = c->t->hs;
	struct hf_reader r = hf_reader_of(body);
	struct hf_span list, cert;
	uint32_t cnt = 0;
	bool good = true;

	if (hf_reader_vec24(&r, &list) || hf_reader_left(&r) > 0)
		return -HF_TLS_R_CLIENT_CERT_SYNTAX;
	if (list.len == 0) {
		hs->ask = false;
		return hs->choice.vhost->auth->required ? -HF_TLS_R_CLIENT_CERT_MISSING : 0;
	}
	hs->certs_at = hs->msg_at + HF_TLS_MSG_HEAD_LEN + 3;
	hs->certs_len = (uint32_t)list.len;
	for (r = hf_reader_of(list); hf_reader_left(&r) > 0; cnt++) {
		if (hf_reader_vec24(&r, &cert) || cert.len == 0)
			return -HF_TLS_R_CLIENT_CERT_SYNTAX;
		if (cnt == 0)
			hs->leaf_len = (uint32_t)cert.len;
		good &= is_sequence(cert);
	}
	if (cnt > HF_AUTH_CHAIN_MAX || hs->leaf_len > HF_TLS_CLIENT_LEAF_MAX)
		return -HF_TLS_R_CLIENT_CERT_TOO_LONG;
	return good ? 0 : -HF_TLS_R_CLIENT_CERT_BAD;
}

static const struct hf_tls_proof *proof_of(uint16_t id)
{
	for (size_t i = 0; i < HF_ARRAY_LEN(proofs); i++)
		if (proofs[i].id == id)
			return &proofs[i];
	return NULL;
}

/* RFC 5246 7.4.8: one of what was asked for; whether it fits the key is auth's to see. */
int hf_tls_auth_verify(struct hf_tls_call *c, struct hf_span body)
{
	struct hf_tls_hs *hs = c->t->hs;
	struct hf_reader r = hf_reader_of(body);
	struct hf_span signature;
	uint16_t scheme;

	if (hf_reader_u16(&r, &scheme) || hf_reader_vec16(&r, &signature) || hf_reader_left(&r) > 0)
		return -HF_TLS_R_CLIENT_VERIFY_SYNTAX;
	hs->proof = proof_of(scheme);
	if (!hs->proof)
		return -HF_TLS_R_CLIENT_VERIFY_SCHEME;
	hs->signature_len = (uint32_t)signature.len;
	return hf_tls_keys_prove(c);
}

/* ---- the check ---- */

static int64_t wall_s(const struct hf_tls_ctx *x)
{
	return (int64_t)((x->wall_ns + x->now) / HF_NS_S);
}

bool hf_tls_auth_begin(struct hf_tls_call *c)
{
	struct hf_tls_ctx *x = c->x;
	struct hf_tls_hs *hs = c->t->hs;
	struct hf_tls_use *use = &c->t->site->use[x->worker];
	size_t signature_at = hs->msg_at + HF_TLS_MSG_HEAD_LEN + 4;
	struct hf_chunk *k = hf_pool_take(&x->bufs->chunk);
	struct hf_auth_job *job = k ? hf_auth_take(x->auth) : NULL;

	if (!job) {
		if (k)
			hf_pool_give(&x->bufs->chunk, k);
		return false;
	}
	hs->client = (struct hf_auth_client *)k->data;
	job->owner = c->t->owner;
	job->user = use; /* the job points to the site's authorities */
	use->cnt++;
	job->ca = hs->choice.vhost->auth->ca;
	job->list_cnt = hf_transcript_spans(
		&hs->log, hs->certs_at, hs->certs_len, job->list, HF_ARRAY_LEN(job->list));
	job->signature_cnt = hf_transcript_spans(&hs->log, signature_at, hs->signature_len,
		job->signature, HF_ARRAY_LEN(job->signature));
	job->digest = hf_span(hs->digest, hf_hash_info[hs->proof->hash].len);
	job->kind = hs->proof->kind;
	job->hash = hs->proof->hash;
	job->now_s = wall_s(x);
	job->client = hs->client;
	hs->auth_job = job;
	hf_auth_submit(x->auth, job, x->now);
	hf_trace(x->trace, x->now, (uint32_t)job->owner, HF_TRACE_AUTH_SUBMIT, 0, 0, 0);
	return true;
}

static enum hf_tls_reason reason_of(uint8_t verdict)
{
	static const uint8_t reason[] = {
		[HF_AUTH_OK] = HF_TLS_R_OK,
		[HF_AUTH_CANCELLED] = HF_TLS_R_INTERNAL, /* nobody is left to hear it */
		[HF_AUTH_SYNTAX] = HF_TLS_R_CLIENT_CERT_BAD,
		[HF_AUTH_TOO_LONG] = HF_TLS_R_CLIENT_CERT_TOO_LONG,
		[HF_AUTH_UNKNOWN_CA] = HF_TLS_R_CLIENT_CERT_UNKNOWN_CA,
		[HF_AUTH_EXPIRED] = HF_TLS_R_CLIENT_CERT_EXPIRED,
		[HF_AUTH_EARLY] = HF_TLS_R_CLIENT_CERT_EARLY,
		[HF_AUTH_PURPOSE] = HF_TLS_R_CLIENT_CERT_PURPOSE,
		[HF_AUTH_WEAK] = HF_TLS_R_CLIENT_CERT_WEAK,
		[HF_AUTH_KEY] = HF_TLS_R_CLIENT_VERIFY_SCHEME,
		[HF_AUTH_BAD] = HF_TLS_R_CLIENT_CERT_BAD,
		[HF_AUTH_SIGNATURE] = HF_TLS_R_CLIENT_VERIFY_WRONG,
		[HF_AUTH_FAILED] = HF_TLS_R_CLIENT_CHECK_FAILED,
	};

	HF_ASSERT(verdict < HF_ARRAY_LEN(reason));
	return (enum hf_tls_reason)reason[verdict];
}

void hf_tls_auth_done(struct hf_tls_ctx *x, struct hf_tls *t, struct hf_auth_job *job)
{
	struct hf_tls_use *use = job->user;

	use->cnt--;
	hf_trace(x->trace, x->now, (uint32_t)job->owner, HF_TRACE_AUTH_DONE, job->verdict, 0, 0);
	if (t && t->hs && t->hs->auth_job == job) {
		t->hs->auth_job = NULL;
		t->hs->proved = job->verdict == HF_AUTH_OK;
		if (!t->hs->proved)
			hf_tls_fail(x, t, reason_of(job->verdict));
	}
	hf_auth_give(x->auth, job);
}

void hf_tls_auth_cancel(struct hf_tls_ctx *x, struct hf_tls_hs *hs)
{
	if (hs->auth_job)
		hf_auth_cancel(x->auth, hs->auth_job);
	hs->auth_job = NULL;
}

void hf_tls_auth_release(struct hf_tls_ctx *x, struct hf_tls_hs *hs)
{
	hf_tls_auth_cancel(x, hs);
	if (!hs->client)
		return;
	hf_wipe(hs->client, sizeof(*hs->client));
	hf_pool_give(
		&x->bufs->chunk, HF_CONTAINER_OF((uint8_t *)hs->client, struct hf_chunk, data));
	hs->client = NULL;
}

size_t hf_tls_client_cert_copy(const struct hf_tls *t, uint8_t *out, size_t cap)
{
	const struct hf_tls_hs *hs = t->hs;

	if (!hs || !hs->proved || hs->leaf_len > cap)
		return 0;
	hf_transcript_copy(&hs->log, hs->certs_at + 3, out, hs->leaf_len);
	return hs->leaf_len;
}
