/* JA4 by its parts: the texts that are hashed, and the name that they give. */
#include "lib/tls/ja4.h"
#include "tests/support/test.h"
#include "tests/support/tls_bytes.h"

static struct hf_ja4 j;

static void expect(const char *head, const char *suites, const char *rest)
{
	assert_memory_equal(j.head, head, HF_JA4_HEAD_LEN);
	assert_int_equal(j.suites_len, strlen(suites));
	assert_memory_equal(j.suites, suites, j.suites_len);
	assert_int_equal(j.rest_len, strlen(rest));
	assert_memory_equal(j.rest, rest, j.rest_len);
}

/* Browser of the published example, in an order of its own and with GREASE wherever there may be. */
static size_t put_browser(uint8_t *out, size_t cap)
{
	static const uint16_t suites[] = {0x3a3a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c,
		0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035};
	static const uint16_t empty[] = {
		0x1b, 0x33, 0x4469, 0x17, 0x2d, 0x05, 0x23, 0x12, 0xff01, 0x0b, 0x0a, 0x15, 0xeaea};
	static const uint8_t signatures[] = {0, 18, 0x0a, 0x0a, 4, 3, 8, 4, 4, 1, 5, 3, 8, 5, 5, 1,
		8, 6, 6, 1},
			     versions[] = {6, 0xaa, 0xaa, 3, 4, 3, 3};
	uint8_t more[256];
	struct hf_writer w = hf_writer(more, sizeof(more));

	for (size_t i = 0; i < HF_ARRAY_LEN(empty); i++)
		put_ext(&w, empty[i], NULL, 0);
	put_ext(&w, 13, signatures, sizeof(signatures));
	put_ext(&w, 43, versions, sizeof(versions));
	put_server_name(&w, "example.org");
	put_alpn(&w, "\2h2\10http/1.1");
	return put_hello(out, cap,
		&(struct hello){.suites = suites,
			.suite_cnt = HF_ARRAY_LEN(suites),
			.bare = true,
			.more = more,
			.more_len = w.len});
}

static void published_example(void **state)
{
	static const uint8_t b[32] = {0x8d, 0xaa, 0xf6, 0x15, 0x27, 0x71},
			     c[32] = {0xe5, 0x62, 0x7e, 0xfa, 0x2a, 0xb1};
	uint8_t buf[1024];
	size_t len = put_browser(buf, sizeof(buf));
	char name[HF_JA4_LEN];

	(void)state;
	assert_int_equal(hf_ja4_read(hf_span(buf + 4, len - 4), &j), 0);
	expect("t13d1516h2",
		"002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9",
		"0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01_"
		"0403,0804,0401,0503,0805,0501,0806,0601");
	hf_ja4_write(&j, b, c, name);
	assert_memory_equal(name, "t13d1516h2_8daaf6152771_e5627efa2ab1", HF_JA4_LEN);
}

static void read_extensions(const void *more, size_t len, uint16_t version)
{
	static const uint16_t suite[] = {0x002f};
	uint8_t buf[2048];
	size_t n = put_hello(buf, sizeof(buf),
		&(struct hello){.version = version,
			.suites = suite,
			.suite_cnt = 1,
			.bare = true,
			.more = more,
			.more_len = len});

	assert_int_equal(hf_ja4_read(hf_span(buf + 4, n - 4), &j), 0);
}

static void versions(void **state)
{
	static const struct {
		uint16_t version;
		char text[3];
	} rows[] = {{0x0303, "12"}, {0x0302, "11"}, {0x0301, "10"}, {0x0300, "s3"}, {0x0002, "s2"},
		{0x0505, "00"}};

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		read_extensions(NULL, 0, rows[i].version);
		assert_memory_equal(j.head + 1, rows[i].text, 2);
	}
}

static void protocols(void **state)
{
	static const struct {
		const char *list, *text;
	} rows[] = {{"\2h2", "h2"}, {"\1a", "aa"}, {"\3\253cd", "a4"}, {"\2h\1", "61"},
		{"\10http/1.1\2h2", "h1"}};
	uint8_t more[64];

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		struct hf_writer w = hf_writer(more, sizeof(more));

		put_alpn(&w, rows[i].list);
		read_extensions(more, w.len, 0);
		assert_memory_equal(j.head + 8, rows[i].text, 2);
	}
}

/* Nothing to hash is said by zeros; a server name alone is nothing to hash. */
static void parts_that_are_not_there(void **state)
{
	static const uint16_t grease[] = {0x0a0a};
	static const uint8_t hash[32] = {1};
	uint8_t buf[256], more[64];
	struct hf_writer w = hf_writer(more, sizeof(more));
	char name[HF_JA4_LEN];
	size_t len;

	(void)state;
	len = put_hello(buf, sizeof(buf),
		&(struct hello){.suites = grease, .suite_cnt = 1, .no_extensions = true});
	assert_int_equal(hf_ja4_read(hf_span(buf + 4, len - 4), &j), 0);
	expect("t12i000000", "", "");
	hf_ja4_write(&j, hash, hash, name);
	assert_memory_equal(name, "t12i000000_000000000000_000000000000", HF_JA4_LEN);
	put_server_name(&w, "a");
	read_extensions(more, w.len, 0);
	expect("t12d010100", "002f", "");
}

static void what_no_client_sends(void **state)
{
	static uint16_t suites[HF_JA4_LIST_MAX + 1];
	uint8_t buf[1024];
	size_t len;

	(void)state;
	for (uint32_t i = 0; i < HF_ARRAY_LEN(suites); i++)
		suites[i] = (uint16_t)(0xc000 + i);
	for (uint32_t more = 0; more < 2; more++) {
		len = put_hello(buf, sizeof(buf),
			&(struct hello){.suites = suites,
				.suite_cnt = HF_JA4_LIST_MAX + more,
				.no_extensions = true});
		assert_int_equal(hf_ja4_read(hf_span(buf + 4, len - 4), &j), more ? -1 : 0);
	}
	len = put_browser(buf, sizeof(buf));
	for (size_t cut = 0; cut + 4 < len; cut++) { /* whole, or without extensions at all */
		uint8_t *exact = malloc(cut + 1);
		int err;

		memcpy(exact, buf + 4, cut);
		err = hf_ja4_read(hf_span(exact, cut), &j);
		assert_int_equal(err, cut == 2 + 32 + 1 + 2 + 32 + 2 ? 0 : -1);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_example),
		cmocka_unit_test(versions),
		cmocka_unit_test(protocols),
		cmocka_unit_test(parts_that_are_not_there),
		cmocka_unit_test(what_no_client_sends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
