#include "tests/doubles/auth_double.h"

const struct hf_auth_ca auth_double_ca = {.names = {(const uint8_t *)"\0\2CA", 4}, .cert_cnt = 1};

static enum hf_auth_verdict check(const struct hf_auth_question *q, struct hf_auth_client *out)
{
	struct hf_reader r = hf_reader_of(q->list);
	struct hf_span leaf;

	HF_ASSERT(q->ca == &auth_double_ca && q->digest.len >= AUTH_DOUBLE_SIGNATURE_LEN);
	HF_ASSERT(!hf_reader_vec24(&r, &leaf) && leaf.len > 0); /* TLS has looked at it */
	if (leaf.len < 5 || leaf.p[4] == HF_AUTH_CANCELLED || leaf.p[4] > HF_AUTH_FAILED)
		return HF_AUTH_BAD;
	if (leaf.p[4] != HF_AUTH_OK)
		return (enum hf_auth_verdict)leaf.p[4];
	if (!hf_span_eq(q->signature, hf_span(q->digest.p, AUTH_DOUBLE_SIGNATURE_LEN)))
		return HF_AUTH_SIGNATURE;
	memset(out, 0, sizeof(*out));
	memset(out->fingerprint, (int)(leaf.len & 0xff), sizeof(out->fingerprint));
	out->subject_len = out->issuer_len = 1;
	out->subject[0] = 'S';
	out->issuer[0] = 'I';
	return HF_AUTH_OK;
}

const struct hf_auth_driver auth_double = {"double", check};
