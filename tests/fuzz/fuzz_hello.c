/* fuzz_hello -- any bytes as the body of a ClientHello: parsed, judged against a site with names
 * and protocols, answered. What parses must lie within the message, what is chosen must have been
 * offered, the answer must fit and be as long as it says. What we take has a fingerprint, if its lists
 * are not beyond any client's. max_len: 16384 */
#include <stdlib.h>
#include "lib/tls/ja4.h"
#include "lib/tls/tls_hs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct hf_pk_key key = {.type = HF_PK_RSA};
static const struct hf_tls_cert cert = {.key = &key};
static const struct hf_span alpn[] = {{(const uint8_t *)"h2", 2}, {(const uint8_t *)"http/1.1", 8}};
static const struct hf_tls_vhost vhost[] = {{.cert = &cert},
	{.name = {(const uint8_t *)"*.example.org", 13},
		.cert = &cert,
		.alpn = alpn,
		.alpn_cnt = 2},
	{.name = {(const uint8_t *)"a", 1}, .cert = &cert}};
static const uint16_t suite[] = {0x009d, 0x009c, 0x003c, 0x0035, 0x002f};
static const struct hf_tls_site site = {
	.vhost = vhost, .vhost_cnt = 3, .suite = suite, .suite_cnt = HF_ARRAY_LEN(suite)};

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
	HF_ASSERT(c->alpn.len == 0 || holds(h->alpn, c->alpn.p, c->alpn.len));
	HF_ASSERT(h->name.p || c->vhost == &vhost[0]);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct hf_tls_choice choice;
	struct hf_tls_hello hello;
	int err = hf_tls_hello_parse(hf_span(data, len), &hello);

	HF_ASSERT(err <= 0 && -err < HF_TLS_REASON_CNT);
	check_ja4(data, len, !err);
	if (err)
		return 0;
	check_parsed(&hello, data, len);
	err = hf_tls_hello_choose(&site, &hello, &choice);
	HF_ASSERT(err <= 0 && -err < HF_TLS_REASON_CNT);
	if (!err)
		check_choice(&hello, &choice);
	return 0;
}
