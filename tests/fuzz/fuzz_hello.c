/* fuzz_hello -- any bytes as the body of a ClientHello, or as one in SSLv2's form: parsed, judged against a site with names
 * and protocols, answered. What parses must lie within the message, what is chosen must have been
 * offered, the answer must fit and be as long as it says. What we take has a fingerprint, if its lists
 * are not beyond any client's. max_len: 16384 */
#include <stdlib.h>
#include "lib/tls/ja4.h"
#include "lib/tls/tls_hs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct hf_pk_key rsa = {.type = HF_PK_RSA}, p256 = {.type = HF_PK_EC_P256},
			      p384 = {.type = HF_PK_EC_P384};
static const struct hf_tls_cert cert[] = {
	{.key = &p384}, {.key = &rsa, .status_len = 9}, {.key = &p256}};
static const struct hf_tls_cert *const shown[] = {&cert[0], &cert[1], &cert[2]};
static const struct hf_tls_protocol alpn[] = {
	{{(const uint8_t *)"h2", 2}, 0}, {{(const uint8_t *)"http/1.1", 8}, 1}};
static const struct hf_tls_vhost vhost[] = {{.cert = shown, .cert_cnt = 3},
	{.name = {(const uint8_t *)"*.example.org", 13},
		.cert = shown + 1,
		.cert_cnt = 1,
		.alpn = alpn,
		.alpn_cnt = 2},
	{.name = {(const uint8_t *)"a", 1}, .cert = shown + 2, .cert_cnt = 1}};
static uint16_t suite[HF_TLS_SUITE_MAX];
static const uint16_t group[] = {29, 23, 24};

static void check_within(struct hf_span s, const uint8_t *data, size_t len)
{
	HF_ASSERT(!s.p || (s.p >= data && s.len <= len && s.p + s.len <= data + len));
}

static bool holds(struct hf_span list, const void *p, size_t len)
{
	for (size_t i = 0; i + len <= list.len; i++)
		if (memcmp(list.p + i, p, len) == 0)
			return true;
	return false;
}

static void check_parsed(const struct hf_tls_hello *h, const uint8_t *data, size_t len)
{
	const struct hf_span all[] = {h->random, h->session_id, h->suites, h->compressions, h->name,
		h->alpn, h->versions};

	for (size_t i = 0; i < HF_ARRAY_LEN(all); i++)
		check_within(all[i], data, len);
	HF_ASSERT(h->random.len == HF_TLS_RANDOM_LEN && h->session_id.len <= 32);
	HF_ASSERT(h->suites.len % 2 == 0 && h->name.len <= HF_TLS_NAME_MAX);
	HF_ASSERT(!h->name.p || h->name.len > 0);
}

static void check_choice(const struct hf_tls_hello *h, const struct hf_tls_choice *c)
{
	uint8_t id[2] = {(uint8_t)(c->suite->id >> 8), (uint8_t)c->suite->id};
	uint8_t random[HF_TLS_RANDOM_LEN] = {0}, buf[HF_TLS_SERVER_HELLO_MAX];
	struct hf_writer w = hf_writer(buf, sizeof(buf));

	HF_ASSERT(holds(h->suites, id, 2));
	HF_ASSERT(!c->protocol || holds(h->alpn, c->protocol->name.p, c->protocol->name.len));
	HF_ASSERT(h->name.p || c->vhost == &vhost[0]);
	HF_ASSERT(c->suite->ecdsa == (c->cert->key->type != HF_PK_RSA));
	HF_ASSERT(!c->encrypt_then_mac || !hf_cipher_info[c->suite->cipher].aead);
	HF_ASSERT(!c->status || (h->status_request && c->cert->status_len));
	HF_ASSERT(!c->plain_max || (c->plain_max >= 512 && c->plain_max <= 4096));
	if (c->suite->kx == HF_TLS_KX_ECDHE) {
		uint8_t g[2] = {0, (uint8_t)c->group->id},
			s[2] = {(uint8_t)(c->scheme->id >> 8), (uint8_t)c->scheme->id};

		HF_ASSERT(!h->groups.p || holds(h->groups, g, 2));
		HF_ASSERT(!h->signatures.p || holds(h->signatures, s, 2));
		HF_ASSERT(c->scheme->key == c->cert->key->type);
	}
	hf_tls_hello_answer(&w, c, random);
	HF_ASSERT(!w.overflow);
	HF_ASSERT(((size_t)buf[1] << 16 | (size_t)buf[2] << 8 | buf[3]) == w.len - 4);
}

static void check_ja4(const uint8_t *data, size_t len, bool parsed)
{
	static struct hf_ja4 j;
	bool read = hf_ja4_read(hf_span(data, len), &j) == 0;

	HF_ASSERT(read || !parsed || len > 2 * HF_JA4_LIST_MAX);
	HF_ASSERT(!read || (j.suites_len <= sizeof(j.suites) && j.rest_len <= sizeof(j.rest)));
}

static void check_agreed(const struct hf_tls_site *site, const struct hf_tls_hello *hello)
{
	struct hf_tls_choice choice;
	int err = hf_tls_hello_choose(site, hello, &choice);

	HF_ASSERT(err <= 0 && -err < HF_TLS_REASON_CNT);
	if (!err)
		check_choice(hello, &choice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct hf_tls_site site = {.vhost = vhost,
		.vhost_cnt = HF_ARRAY_LEN(vhost),
		.suite = suite,
		.suite_cnt = hf_tls_profile(HF_TLS_LEGACY, suite),
		.group = group,
		.group_cnt = HF_ARRAY_LEN(group),
		.strict = len % 2}; /* both are searched */
	struct hf_tls_v2_room room;
	struct hf_tls_hello hello;
	int err = hf_tls_hello_parse(hf_span(data, len), &hello);

	HF_ASSERT(err <= 0 && -err < HF_TLS_REASON_CNT);
	check_ja4(data, len, !err);
	if (!err) {
		check_parsed(&hello, data, len);
		check_agreed(&site, &hello);
	}
	err = hf_tls_hello_parse_v2(hf_span(data, len), &room, &hello);
	HF_ASSERT(err == 0 || err == -HF_TLS_R_HELLO_SYNTAX);
	if (!err)
		check_agreed(&site, &hello);
	return 0;
}
