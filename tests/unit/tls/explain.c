/* What people are told about a hello is what the engine would do with it. */
#include "lib/tls/explain.h"
#include "tests/support/test.h"
#include "tests/support/tls_bytes.h"

static const struct hf_pk_key key = {.type = HF_PK_RSA};
static const struct hf_tls_cert cert = {.key = &key};
static const struct hf_tls_cert *const shown[] = {&cert};
static const struct hf_tls_protocol alpn[] = {{{(const uint8_t *)"http/1.1", 8}, 0}};
static const uint16_t group[] = {29, 23};
static const struct hf_tls_vhost vhost[] = {
	{.cert = shown, .cert_cnt = 1}, {.name = {(const uint8_t *)"www.example.org", 15},
						.cert = shown,
						.cert_cnt = 1,
						.alpn = alpn,
						.alpn_cnt = 1}};
static const uint16_t suite[] = {0xc030, 0xc02f, 0x003c, 0x002f};
static const struct hf_tls_site site = {.vhost = vhost,
	.vhost_cnt = 2,
	.suite = suite,
	.suite_cnt = HF_ARRAY_LEN(suite),
	.group = group,
	.group_cnt = 2};

static struct hf_span hello_of(const struct hello *h)
{
	static uint8_t buf[2048];

	return hf_span(buf, put_hello(buf, sizeof(buf), h));
}

static void a_hello_that_is_served(void **state)
{
	struct hf_span hello =
		hello_of(&(struct hello){.name = "WWW.example.org", .alpn = "\2h2\10http/1.1"});
	struct hf_tls_answer a;
	struct hf_tls_offer o;

	(void)state;
	hf_tls_offer_read(hello, &o);
	assert_int_equal(o.reason, HF_TLS_R_OK);
	assert_true(hf_span_eq(o.name, hf_span("WWW.example.org", 15)));
	assert_int_equal(o.suites.len, 32);
	hf_tls_explain(&site, hello, 0, &a);
	assert_int_equal(a.reason, HF_TLS_R_OK);
	assert_ptr_equal(a.vhost, &vhost[1]);
	assert_ptr_equal(a.cert, &cert);
	assert_string_equal(a.name_match, "exact name");
	assert_int_equal(a.suite, 0xc02f);
	assert_string_equal(hf_tls_group_name(a.group), "secp256r1");
	assert_string_equal(hf_tls_scheme_name(a.scheme), "rsa_pkcs1_sha256");
	assert_true(hf_span_eq(a.alpn, alpn[0].name));
}

static void each_suite_by_itself(void **state)
{
	static const struct {
		uint16_t suite;
		enum hf_tls_reason reason;
	} rows[] = {{0xc030, HF_TLS_R_NO_SHARED_SUITE}, {0xc02f, HF_TLS_R_NO_SHARED_GROUP},
		{0x003c, HF_TLS_R_NO_SHARED_SUITE}, {0x002f, HF_TLS_R_OK}};
	struct hf_span hello = hello_of(
		&(struct hello){.no_groups = true, .more = "\0\12\0\4\0\2\0\31", .more_len = 8});
	struct hf_tls_answer a;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		hf_tls_explain(&site, hello, rows[i].suite, &a);
		assert_int_equal(a.reason, rows[i].reason);
		assert_ptr_equal(a.vhost, &vhost[0]);
		assert_string_equal(a.name_match, "no name: default host");
	}
	hf_tls_explain(&site, hello, 0, &a);
	assert_int_equal(a.suite, 0x002f);
	assert_int_equal(a.group, 0);
}

static void what_is_no_hello(void **state)
{
	struct hf_span hello = hello_of(&(struct hello){.version = 0x0302});
	uint8_t wrong[4] = {2, 0, 0, 0};
	struct hf_tls_answer a;
	struct hf_tls_offer o;

	(void)state;
	hf_tls_explain(&site, hello, 0, &a);
	assert_int_equal(a.reason, HF_TLS_R_OLD_VERSION);
	assert_null(a.vhost);
	hf_tls_explain(&site, hf_span(hello.p, hello.len - 1), 0, &a);
	assert_int_equal(a.reason, HF_TLS_R_HELLO_SYNTAX);
	hf_tls_explain(&site, hf_span(wrong, 4), 0, &a);
	assert_int_equal(a.reason, HF_TLS_R_UNEXPECTED_MESSAGE);
	hf_tls_offer_read(hf_span(NULL, 0), &o);
	assert_int_equal(o.reason, HF_TLS_R_UNEXPECTED_MESSAGE);
	assert_null(o.suites.p);
	assert_string_equal(
		hf_tls_reason_help(HF_TLS_R_NO_SHARED_SUITE), "no cipher suite in common");
	assert_string_equal(hf_tls_group_name(1), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hello_that_is_served),
		cmocka_unit_test(each_suite_by_itself),
		cmocka_unit_test(what_is_no_hello),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
