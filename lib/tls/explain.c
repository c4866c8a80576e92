/* explain.c -- asks the engine's own functions and names what they answer. It decides nothing. */
#include "lib/tls/explain.h"
#include "lib/tls/tls_hs.h"

struct name {
	uint16_t id;
	const char *name;
};

static const char *find(const struct name *v, size_t cnt, uint16_t id)
{
	for (size_t i = 0; i < cnt; i++)
		if (v[i].id == id)
			return v[i].name;
	return "unknown";
}

const char *hf_tls_group_name(uint16_t id)
{
	static const struct name names[] = {{23, "secp256r1"}, {24, "secp384r1"}, {25, "secp521r1"},
		{29, "x25519"}, {30, "x448"}, {256, "ffdhe2048"}, {0x11ec, "X25519MLKEM768"}};

	return find(names, HF_ARRAY_LEN(names), id);
}

const char *hf_tls_scheme_name(uint16_t id)
{
	static const struct name names[] = {{0x0201, "rsa_pkcs1_sha1"}, {0x0203, "ecdsa_sha1"},
		{0x0401, "rsa_pkcs1_sha256"}, {0x0501, "rsa_pkcs1_sha384"},
		{0x0601, "rsa_pkcs1_sha512"}, {0x0403, "ecdsa_secp256r1_sha256"},
		{0x0503, "ecdsa_secp384r1_sha384"}, {0x0603, "ecdsa_secp521r1_sha512"},
		{0x0804, "rsa_pss_rsae_sha256"}, {0x0805, "rsa_pss_rsae_sha384"},
		{0x0806, "rsa_pss_rsae_sha512"}, {0x0807, "ed25519"}};

	return find(names, HF_ARRAY_LEN(names), id);
}

const char *hf_tls_reason_help(enum hf_tls_reason r)
{
	static const char *const help[HF_TLS_REASON_CNT] = {
#define HF_TLS_REASON(name, alert, text) text,
#include "lib/tls/reason.def"
#undef HF_TLS_REASON
	};

	return (unsigned)r < HF_TLS_REASON_CNT ? help[r] : "?";
}

static enum hf_tls_reason parse(struct hf_span hello, struct hf_tls_hello *out)
{
	struct hf_reader r = hf_reader_of(hello);
	struct hf_span body;
	uint8_t type;

	*out = (struct hf_tls_hello){0};
	if (hf_reader_u8(&r, &type) || type != HF_TLS_MSG_CLIENT_HELLO)
		return HF_TLS_R_UNEXPECTED_MESSAGE;
	if (hf_reader_vec24(&r, &body) || hf_reader_left(&r) > 0)
		return HF_TLS_R_HELLO_SYNTAX;
	if (body.len > HF_TLS_HELLO_MAX)
		return HF_TLS_R_MESSAGE_TOO_LONG;
	return (enum hf_tls_reason) - hf_tls_hello_parse(body, out);
}

void hf_tls_offer_read(struct hf_span hello, struct hf_tls_offer *out)
{
	struct hf_tls_hello h;
	enum hf_tls_reason reason = parse(hello, &h);

	*out = (struct hf_tls_offer){.reason = reason,
		.version = h.version,
		.name = h.name,
		.suites = h.suites,
		.groups = h.groups,
		.signatures = h.signatures,
		.versions = h.versions,
		.alpn = h.alpn};
}

static const char *const matches[] = {[HF_TLS_NAME_NONE] = "no name: default host",
	[HF_TLS_NAME_UNKNOWN] = "unknown name: default host",
	[HF_TLS_NAME_EXACT] = "exact name",
	[HF_TLS_NAME_WILDCARD] = "wildcard"};

void hf_tls_explain(const struct hf_tls_site *site, struct hf_span hello, uint16_t only,
	struct hf_tls_answer *out)
{
	struct hf_tls_site narrow = *site;
	struct hf_tls_choice c;
	struct hf_tls_hello h;

	*out = (struct hf_tls_answer){.reason = parse(hello, &h)};
	if (out->reason != HF_TLS_R_OK)
		return;
	if (only) {
		narrow.suite = &only;
		narrow.suite_cnt = 1;
	}
	out->reason = (enum hf_tls_reason) - hf_tls_hello_choose(&narrow, &h, &c);
	out->vhost = c.vhost;
	out->name_match = matches[c.name];
	out->extended_master = c.extended_master;
	if (out->reason != HF_TLS_R_OK)
		return;
	out->cert = c.cert;
	out->suite = c.suite->id;
	out->group = c.suite->kx == HF_TLS_KX_ECDHE ? c.group->id : 0;
	out->scheme = c.suite->kx == HF_TLS_KX_ECDHE ? c.scheme->id : 0;
	out->alpn = c.protocol ? c.protocol->name : hf_span(NULL, 0);
}
