/* hello.c -- what ClientHellos mean, what they must not say, what is chosen from them and how the
 * answer looks, byte for byte. */
#include "tests/support/test.h"
#include "tests/support/tls_bytes.h"

#define CAPTURED_ALPN "\x02h2\x08spdy/3.1\x05h2-16\x06spdy/3\x08http/1.1"

static const struct hf_pk_key rsa = {.type = HF_PK_RSA}, ec = {.type = HF_PK_EC_P256};
static const struct hf_tls_cert cert = {.key = &rsa}, ec_cert = {.key = &ec};
static const uint8_t http11[] = "http/1.1", h2[] = "h2";
static const struct hf_span alpn[] = {{h2, 2}, {http11, 8}};
static const uint16_t suites[] = {0x009d, 0x009c, 0x002f, 0xc030, 0xc013};

static const struct hf_tls_vhost vhosts[] = {
	{.cert = &cert},
	{.name = {(const uint8_t *)"*.example.org", 13}, .cert = &cert},
	{.name = {(const uint8_t *)"WWW.example.org", 15},
		.cert = &cert,
		.alpn = alpn,
		.alpn_cnt = 2},
	{.name = {(const uint8_t *)"ec.example.org", 14}, .cert = &ec_cert},
	{.name = {(const uint8_t *)"aZ-09.test", 10}, .cert = &cert},
};
static const struct hf_tls_site site = {.vhost = vhosts,
	.vhost_cnt = HF_ARRAY_LEN(vhosts),
	.suite = suites,
	.suite_cnt = HF_ARRAY_LEN(suites)};

static uint8_t bytes[HF_TLS_HELLO_MAX + 4];

static int parse(const struct hello *spec, struct hf_tls_hello *out)
{
	size_t len = put_hello(bytes, sizeof(bytes), spec);

	return hf_tls_hello_parse(hf_span(bytes + 4, len - 4), out);
}

static int choose(const struct hello *spec, struct hf_tls_choice *out)
{
	struct hf_tls_hello h;
	int err = parse(spec, &h);

	return err ? err : hf_tls_hello_choose(&site, &h, out);
}

/* ---- the captured shapes ---- */

static void captured_hellos_parse(void **state)
{
	struct hello first = {.name = "www.example.org", .alpn = CAPTURED_ALPN};
	struct hello second = first;
	struct hf_tls_hello h;
	uint8_t record[600];

	(void)state;
	second.session_id_len = 32;
	second.pad_to = 517;
	assert_int_equal(put_hello_record(record, sizeof(record), &first), 214);
	assert_int_equal(put_hello_record(record, sizeof(record), &second), 517);
	assert_int_equal(parse(&first, &h), 0);
	assert_int_equal(h.version, 0x0303);
	assert_int_equal(h.random.p[31], 0x40 + 31);
	assert_int_equal(h.session_id.len, 0);
	assert_int_equal(h.suites.len, 32);
	assert_int_equal(h.name.len, 15);
	assert_memory_equal(h.name.p, "www.example.org", 15);
	assert_int_equal(h.alpn.len, 34);
	assert_true(h.session_ticket && h.secure_renegotiation && !h.extended_master);
	assert_null(h.versions.p);
	assert_int_equal(parse(&second, &h), 0);
	assert_int_equal(h.session_id.len, 32);
	assert_int_equal(h.session_id.p[31], 0x80 + 31);
}

/* renegotiation_info, the empty session ticket, ALPN of 11 bytes, as captured; server_name on top
 * because the name decided (RFC 6066 3). */
static void answer_is_as_captured(void **state)
{
	static const uint8_t tail[] = {0, 0x00, 0x9c, 0, 0, 28, 0xff, 1, 0, 1, 0, 0, 0, 0, 0, 0, 35,
		0, 0, 0, 16, 0, 11, 0, 9, 8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
	struct hello spec = {.name = "www.example.org", .alpn = CAPTURED_ALPN + 3};
	uint8_t random[32], buf[HF_TLS_SERVER_HELLO_MAX];
	struct hf_writer w = hf_writer(buf, sizeof(buf));
	struct hf_tls_choice c;

	(void)state;
	memset(random, 0xee, sizeof(random));
	assert_int_equal(choose(&spec, &c), 0);
	hf_tls_hello_answer(&w, &c, random);
	assert_false(w.overflow);
	assert_int_equal(w.len, 4 + 2 + 32 + sizeof(tail));
	assert_memory_equal(buf, "\x02\x00\x00\x44\x03\x03\xee", 7);
	assert_memory_equal(buf + 38, tail, sizeof(tail));
}

static void largest_answer_fits(void **state)
{
	static uint8_t name[255];
	static const struct hf_span long_alpn = {name, sizeof(name)};
	static const struct hf_tls_vhost vhost = {.alpn = &long_alpn, .alpn_cnt = 1, .cert = &cert};
	struct hf_tls_choice c = {.vhost = &vhost,
		.suite = hf_tls_suite(0xc02f),
		.alpn = long_alpn,
		.name = HF_TLS_NAME_EXACT,
		.point_formats = true,
		.extended_master = true,
		.session_ticket = true,
		.secure_renegotiation = true,
		.session_id = {name, HF_TLS_SESSION_ID_MAX}};
	uint8_t random[32] = {0}, buf[HF_TLS_SERVER_HELLO_MAX];
	struct hf_writer w = hf_writer(buf, sizeof(buf));

	(void)state;
	hf_tls_hello_answer(&w, &c, random);
	assert_false(w.overflow);
	assert_int_equal(w.len, sizeof(buf));
	assert_int_equal((uint32_t)buf[1] << 16 | (uint32_t)buf[2] << 8 | buf[3], w.len - 4);
}

static void bare_hello_gets_a_bare_answer(void **state)
{
	static const uint16_t only[] = {0x002f};
	struct hello spec = {.no_extensions = true, .suites = only, .suite_cnt = 1};
	uint8_t random[32] = {0}, buf[HF_TLS_SERVER_HELLO_MAX];
	struct hf_writer w = hf_writer(buf, sizeof(buf));
	struct hf_tls_choice c;

	(void)state;
	assert_int_equal(choose(&spec, &c), 0);
	assert_ptr_equal(c.vhost, &vhosts[0]);
	assert_int_equal(c.name, HF_TLS_NAME_NONE);
	hf_tls_hello_answer(&w, &c, random);
	assert_int_equal(w.len, 4 + 2 + 32 + 1 + 2 + 1); /* and no block of extensions */
}

/* RFC 5746 3.6: the signalling suite stands for the empty extension. */
static void scsv_is_answered(void **state)
{
	static const uint16_t with_scsv[] = {0x002f, 0x00ff};
	struct hello spec = {.no_extensions = true, .suites = with_scsv, .suite_cnt = 2};
	uint8_t random[32] = {0}, buf[HF_TLS_SERVER_HELLO_MAX];
	struct hf_writer w = hf_writer(buf, sizeof(buf));
	struct hf_tls_choice c;

	(void)state;
	assert_int_equal(choose(&spec, &c), 0);
	hf_tls_hello_answer(&w, &c, random);
	assert_int_equal(w.len, 42 + 2 + 5);
	assert_memory_equal(buf + 42, "\x00\x05\xff\x01\x00\x01\x00", 7);
}

/* ---- what may not be ---- */

/* A body cut off anywhere does not parse, but for the two ends at which a hello may end. */
static void cut_off_anywhere(void **state)
{
	struct hello spec = {.name = "a.example.org", .alpn = "\x02h2", .session_id_len = 5};
	struct hf_tls_hello h;
	size_t len = put_hello(bytes, sizeof(bytes), &spec) - 4, fixed = 2 + 32 + 6 + 2 + 32 + 2;

	(void)state;
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *copy = malloc(cut ? cut : 1); /* so that the sanitizer sees an overrun */
		memcpy(copy, bytes + 4, cut);
		assert_int_equal(hf_tls_hello_parse(hf_span(copy, cut), &h),
			cut == fixed ? 0 : -HF_TLS_R_HELLO_SYNTAX);
		free(copy);
	}
	assert_int_equal(hf_tls_hello_parse(hf_span(bytes + 4, len), &h), 0);
	bytes[4 + len] = 0;
	assert_int_equal(
		hf_tls_hello_parse(hf_span(bytes + 4, len + 1), &h), -HF_TLS_R_HELLO_SYNTAX);
}

static void fixed_part_is_checked(void **state)
{
	static const uint16_t none[1];
	struct hello spec = {.session_id_len = 33};
	struct hf_tls_choice c;
	struct hf_tls_hello h;
	size_t len;

	(void)state;
	assert_int_equal(parse(&spec, &h), -HF_TLS_R_HELLO_SYNTAX);
	spec = (struct hello){.suites = none, .suite_cnt = 0};
	assert_int_equal(parse(&spec, &h), -HF_TLS_R_HELLO_SYNTAX);
	spec = (struct hello){.no_extensions = true};
	len = put_hello(bytes, sizeof(bytes), &spec);
	bytes[4 + 35 +
		1]--; /* suites of odd length; one byte more for the compressions, which is 0 */
	assert_int_equal(
		hf_tls_hello_parse(hf_span(bytes + 4, len - 4), &h), -HF_TLS_R_HELLO_SYNTAX);
	len = put_hello(bytes, sizeof(bytes), &spec);
	bytes[len - 2] = 0; /* no compression method at all */
	assert_int_equal(
		hf_tls_hello_parse(hf_span(bytes + 4, len - 5), &h), -HF_TLS_R_HELLO_SYNTAX);
	len = put_hello(bytes, sizeof(bytes), &spec);
	bytes[len - 1] = 1; /* deflate alone */
	assert_int_equal(hf_tls_hello_parse(hf_span(bytes + 4, len - 4), &h), 0);
	assert_int_equal(hf_tls_hello_choose(&site, &h, &c), -HF_TLS_R_NO_NULL_COMPRESSION);
}

/* An extension as such: type, data -> reason. */
static void known_extensions_are_checked(void **state)
{
	static const struct {
		uint16_t type;
		uint8_t len;
		const char *data;
		enum hf_tls_reason reason;
	} rows[] = {
		/* server_name */
		{0, 0, "", HF_TLS_R_EXTENSION_SYNTAX},
		{0, 1, "\0", HF_TLS_R_EXTENSION_SYNTAX},
		{0, 2, "\0\0", HF_TLS_R_EXTENSION_SYNTAX},
		{0, 5, "\0\3\0\0\0", HF_TLS_R_EXTENSION_SYNTAX}, /* an empty name */
		{0, 6, "\0\4\0\0\2a", HF_TLS_R_EXTENSION_SYNTAX},
		{0, 7, "\0\4\0\0\1ab", HF_TLS_R_EXTENSION_SYNTAX}, /* one byte too many */
		{0, 6, "\0\4\0\0\1a", HF_TLS_R_OK},
		{0, 10, "\0\10\7\0\1z\0\0\1a", HF_TLS_R_OK}, /* an unknown type before the name */
		{0, 10, "\0\10\0\0\1a\0\0\1b", HF_TLS_R_SERVER_NAME},
		{0, 6, "\0\4\0\0\1.", HF_TLS_R_SERVER_NAME},
		{0, 7, "\0\5\0\0\2a.", HF_TLS_R_OK}, /* the final dot is forgiven */
		{0, 8, "\0\6\0\0\3a..", HF_TLS_R_SERVER_NAME},
		{0, 8, "\0\6\0\0\3.ab", HF_TLS_R_SERVER_NAME},
		{0, 8, "\0\6\0\0\3a\0b", HF_TLS_R_SERVER_NAME},
		{0, 8, "\0\6\0\0\3a b", HF_TLS_R_SERVER_NAME},
		{0, 8, "\0\6\0\0\3::1", HF_TLS_R_SERVER_NAME},
		{0, 8, "\0\6\0\0\3a\xc3\xa4", HF_TLS_R_SERVER_NAME},
		{0, 8, "\0\6\0\0\3A_-", HF_TLS_R_OK},
		{0, 9, "\0\7\0\0\4Zz90", HF_TLS_R_OK},
		{0, 8, "\0\6\0\0\3a[b", HF_TLS_R_SERVER_NAME},
		{0, 8, "\0\6\0\0\3a/b", HF_TLS_R_SERVER_NAME},
		/* ALPN */
		{16, 0, "", HF_TLS_R_EXTENSION_SYNTAX},
		{16, 2, "\0\0", HF_TLS_R_EXTENSION_SYNTAX},
		{16, 3, "\0\1\0", HF_TLS_R_EXTENSION_SYNTAX}, /* an empty protocol */
		{16, 4, "\0\2\2h", HF_TLS_R_EXTENSION_SYNTAX},
		{16, 5, "\0\2\1hh", HF_TLS_R_EXTENSION_SYNTAX},
		{16, 4, "\0\2\1h", HF_TLS_R_OK},
		/* extended_master_secret */
		{23, 0, "", HF_TLS_R_OK},
		{23, 1, "\0", HF_TLS_R_EXTENSION_SYNTAX},
		/* session_ticket: whatever */
		{35, 0, "", HF_TLS_R_OK},
		{35, 3, "abc", HF_TLS_R_OK},
		/* supported_versions */
		{43, 0, "", HF_TLS_R_EXTENSION_SYNTAX},
		{43, 1, "\0", HF_TLS_R_EXTENSION_SYNTAX},
		{43, 2, "\1\3", HF_TLS_R_EXTENSION_SYNTAX},
		{43, 4, "\2\3\3\3", HF_TLS_R_EXTENSION_SYNTAX},
		{43, 3, "\2\3\3", HF_TLS_R_OK},
		/* renegotiation_info */
		{0xff01, 0, "", HF_TLS_R_EXTENSION_SYNTAX},
		{0xff01, 2, "\0\0", HF_TLS_R_EXTENSION_SYNTAX},
		{0xff01, 1, "\0", HF_TLS_R_OK},
		{0xff01, 2, "\1a", HF_TLS_R_RENEGOTIATION_INFO},
		/* supported_groups */
		{10, 0, "", HF_TLS_R_EXTENSION_SYNTAX},
		{10, 2, "\0\0", HF_TLS_R_EXTENSION_SYNTAX},
		{10, 3, "\0\1x", HF_TLS_R_EXTENSION_SYNTAX},
		{10, 5, "\0\2\0\x17x", HF_TLS_R_EXTENSION_SYNTAX},
		{10, 4, "\0\2\0\x17", HF_TLS_R_OK},
		/* ec_point_formats */
		{11, 0, "", HF_TLS_R_EXTENSION_SYNTAX},
		{11, 1, "\0", HF_TLS_R_EXTENSION_SYNTAX},
		{11, 3, "\1\0x", HF_TLS_R_EXTENSION_SYNTAX},
		{11, 3, "\2\1\2", HF_TLS_R_POINT_FORMATS},
		{11, 2, "\1\0", HF_TLS_R_OK},
		{11, 4, "\3\1\2\0", HF_TLS_R_OK},
		/* signature_algorithms */
		{13, 0, "", HF_TLS_R_EXTENSION_SYNTAX},
		{13, 2, "\0\0", HF_TLS_R_EXTENSION_SYNTAX},
		{13, 3, "\0\1x", HF_TLS_R_EXTENSION_SYNTAX},
		{13, 5, "\0\2\4\1x", HF_TLS_R_EXTENSION_SYNTAX},
		{13, 4, "\0\2\4\1", HF_TLS_R_OK},
		/* not ours to judge */
		{0x0a0a, 1, "x", HF_TLS_R_OK},
		{0xfafa, 0, "", HF_TLS_R_OK},
	};
	struct hf_tls_hello h;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		uint8_t buf[128];
		struct hf_writer w = hf_writer(buf, sizeof(buf));
		uint8_t *copy;

		hf_writer_u16(&w, 0x0303);
		for (int j = 0; j < 32; j++)
			hf_writer_u8(&w, 0);
		hf_writer_bytes(&w, "\0\0\2\0\x2f\1\0", 7);
		hf_writer_u16(&w, rows[i].len + 4u);
		put_ext(&w, rows[i].type, rows[i].data, rows[i].len);
		copy = malloc(w.len); /* so that the sanitizer sees an overrun */
		memcpy(copy, buf, w.len);
		if (hf_tls_hello_parse(hf_span(copy, w.len), &h) != -(int)rows[i].reason)
			fail_msg("row %zu: type %u", i, rows[i].type);
		free(copy);
	}
}

static void long_names(void **state)
{
	char name[300];
	struct hello spec = {.name = name};
	struct hf_tls_hello h;

	(void)state;
	memset(name, 'a', sizeof(name));
	name[64] = 0;
	assert_int_equal(parse(&spec, &h), -HF_TLS_R_SERVER_NAME); /* a label of 64 */
	name[63] = 0;
	assert_int_equal(parse(&spec, &h), 0);
	for (int i = 49; i < 300; i += 50)
		name[i] = '.';
	name[63] = 'a';
	name[64] = 'a';
	name[255] = 0;
	assert_int_equal(parse(&spec, &h), 0);
	name[255] = 'a';
	name[256] = 0;
	assert_int_equal(parse(&spec, &h), -HF_TLS_R_SERVER_NAME);
}

static void nothing_is_said_twice(void **state)
{
	struct hello spec = {.name = "a.example.org", .alpn = "\x02h2", .ems = true};
	static const uint16_t types[] = {0xff01, 0, 23, 35, 13, 16, 0x7550, 0x0a0a};
	struct hf_tls_hello h;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(types); i++) {
		uint8_t more[8] = {(uint8_t)(types[i] >> 8), (uint8_t)types[i], 0, 0,
			(uint8_t)(types[i] >> 8), (uint8_t)types[i], 0, 0};
		spec.more = more;
		spec.more_len = 8;
		assert_int_equal(parse(&spec, &h), -HF_TLS_R_EXTENSION_TWICE);
	}
}

static void four_thousand_extensions(void **state)
{
	static uint8_t more[4 * 4000];
	struct hello spec = {.more = more, .more_len = sizeof(more)};
	struct hf_tls_hello h;

	(void)state;
	for (unsigned i = 0; i < 4000; i++)
		hf_writer_u16(&(struct hf_writer){more + (size_t)i * 4, 0, 4, false}, 0x1000 + i);
	assert_int_equal(parse(&spec, &h), 0);
	more[4 * 3999 + 1] = 0; /* the last like the first */
	more[4 * 3999] = 0x10;
	assert_int_equal(parse(&spec, &h), -HF_TLS_R_EXTENSION_TWICE);
}

/* ---- what is chosen ---- */

static void versions(void **state)
{
	static const struct {
		uint16_t version;
		const char *list; /* extension 43 in full, or NULL */
		size_t len;
		int reason;
	} rows[] = {
		{0x0300, NULL, 0, HF_TLS_R_OLD_VERSION},
		{0x0302, NULL, 0, HF_TLS_R_OLD_VERSION},
		{0x0303, NULL, 0, 0},
		{0x0304, NULL, 0, 0},
		{0x03ff, NULL, 0, 0},
		{0x0400, NULL, 0, 0},
		{0x0303, "\0\x2b\0\3\2\3\4", 7, HF_TLS_R_NO_SHARED_VERSION},
		{0x0303, "\0\x2b\0\5\4\3\4\3\3", 9, 0},
		{0x0303, "\0\x2b\0\7\6\x7a\x7a\3\4\3\3", 11, 0},
		{0x0303, "\0\x2b\0\3\2\3\2", 7, HF_TLS_R_NO_SHARED_VERSION},
		{0x0301, "\0\x2b\0\3\2\3\3", 7, 0},
	};
	struct hf_tls_choice c;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		struct hello spec = {
			.version = rows[i].version, .more = rows[i].list, .more_len = rows[i].len};
		assert_int_equal(choose(&spec, &c), -rows[i].reason);
	}
}

static void suites_in_our_order(void **state)
{
	static const uint16_t scsv_only[] = {0x00ff, 0x5600}, unknown[] = {0x0a0a, 0xc02b, 0x1301},
			      last[] = {0x0a0a, 0x002f, 0x5600}, both[] = {0x002f, 0x009c, 0x009d};
	static const struct {
		const uint16_t *list;
		uint32_t cnt;
		int want; /* negative: -reason */
	} rows[] = {{scsv_only, 2, -HF_TLS_R_NO_SHARED_SUITE},
		{unknown, 3, -HF_TLS_R_NO_SHARED_SUITE}, {last, 3, 0x002f}, {both, 3, 0x009d}};
	struct hf_tls_choice c;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		struct hello spec = {.suites = rows[i].list, .suite_cnt = rows[i].cnt};
		int err = choose(&spec, &c);
		assert_int_equal(err ? err : c.suite->id, rows[i].want);
	}
	/* a certificate that cannot decrypt serves none of them */
	assert_int_equal(
		choose(&(struct hello){.name = "ec.example.org"}, &c), -HF_TLS_R_NO_SHARED_SUITE);
}

/* RFC 8422 4, RFC 5246 7.4.1.4.1: what is left out has a meaning, and a suite that lacks a curve or
 * a signature gives way to one that needs none. */
static void curves_and_signatures(void **state)
{
	static const uint16_t ec_first[] = {0xc030, 0xc013}, with_rsa[] = {0xc030, 0x002f};
	static const struct {
		struct hello h;
		int reason;
		uint16_t group, scheme;
	} rows[] = {
		{{.no_extensions = true}, 0, 23, 0x0201},
		{{.no_groups = true}, 0, 23, 0x0401},
		{{.no_signatures = true}, 0, 23, 0x0201},
		{{.no_groups = true, .more = "\0\12\0\6\0\4\0\x17\0\x1d", .more_len = 10}, 0, 29,
			0x0401},
		{{.no_groups = true, .more = "\0\12\0\6\0\4\x1a\x1a\0\x17", .more_len = 10}, 0, 23,
			0x0401},
		{{.no_groups = true, .more = "\0\12\0\6\0\4\0\x18\0\x19", .more_len = 10},
			HF_TLS_R_NO_SHARED_GROUP, 0, 0},
		{{.no_signatures = true, .more = "\0\15\0\6\0\4\6\1\5\1", .more_len = 10}, 0, 23,
			0x0501},
		{{.no_signatures = true, .more = "\0\15\0\6\0\4\6\3\6\1", .more_len = 10}, 0, 23,
			0x0601},
		{{.no_signatures = true, .more = "\0\15\0\6\0\4\2\1\4\3", .more_len = 10},
			HF_TLS_R_NO_SHARED_SIGNATURE, 0, 0},
	};
	struct hf_tls_choice c;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		struct hello spec = rows[i].h;
		spec.suites = ec_first;
		spec.suite_cnt = 2;
		assert_int_equal(choose(&spec, &c), -rows[i].reason);
		if (!rows[i].reason) {
			assert_int_equal(c.suite->id, 0xc030);
			assert_int_equal(c.group->id, rows[i].group);
			assert_int_equal(c.scheme->id, rows[i].scheme);
			continue;
		}
		spec.suites = with_rsa;
		assert_int_equal(choose(&spec, &c), 0);
		assert_int_equal(c.suite->id, 0x002f);
	}
}

/* RFC 8422 5.2: to who sent the extension, with a suite it is about. */
static void point_formats_are_answered(void **state)
{
	static const uint16_t ec_suite[] = {0xc013}, rsa_suite[] = {0x002f};
	static const struct {
		const uint16_t *suite;
		bool no_points, answered;
	} rows[] = {{ec_suite, false, true}, {ec_suite, true, false}, {rsa_suite, false, false}};
	uint8_t random[32] = {0}, buf[HF_TLS_SERVER_HELLO_MAX];
	struct hf_tls_choice c;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		struct hello spec = {.suites = rows[i].suite,
			.suite_cnt = 1,
			.no_points = rows[i].no_points,
			.no_ticket = true,
			.no_renegotiation_info = true};
		struct hf_writer w = hf_writer(buf, sizeof(buf));
		assert_int_equal(choose(&spec, &c), 0);
		hf_tls_hello_answer(&w, &c, random);
		assert_int_equal(w.len, rows[i].answered ? 42 + 2 + 6 : 42);
		if (rows[i].answered)
			assert_memory_equal(buf + 42, "\0\6\0\x0b\0\2\1\0", 8);
	}
}

static void hosts_by_name(void **state)
{
	static const struct {
		const char *name;
		uint32_t vhost;
		enum hf_tls_name_match match;
	} rows[] = {
		{NULL, 0, HF_TLS_NAME_NONE},
		{"www.example.org", 2, HF_TLS_NAME_EXACT},
		{"WWW.EXAMPLE.ORG", 2, HF_TLS_NAME_EXACT},
		{"www.example.org.", 2, HF_TLS_NAME_EXACT},
		{"other.Example.org", 1, HF_TLS_NAME_WILDCARD},
		{"a.b.example.org", 0, HF_TLS_NAME_UNKNOWN},
		{"example.org", 0, HF_TLS_NAME_UNKNOWN},
		{"www.example.orgx", 0, HF_TLS_NAME_UNKNOWN},
		{"Az-09.TEST", 4, HF_TLS_NAME_EXACT},
		{"10.0.0.1", 0, HF_TLS_NAME_UNKNOWN},
	};
	struct hf_tls_choice c;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		struct hello spec = {.name = rows[i].name};
		assert_int_equal(choose(&spec, &c), 0);
		assert_ptr_equal(c.vhost, &vhosts[rows[i].vhost]);
		assert_int_equal(c.name, rows[i].match);
	}
}

static void protocols_in_our_order(void **state)
{
	static const struct {
		const char *name, *list, *want;
		int reason;
	} rows[] = {
		{"www.example.org", "\x08http/1.1\x02h2", "h2", 0},
		{"www.example.org", "\x06spdy/3\x08http/1.1", "http/1.1", 0},
		{"www.example.org", "\x08HTTP/1.1", NULL, HF_TLS_R_NO_SHARED_PROTOCOL},
		{"www.example.org", "\x01h", NULL, HF_TLS_R_NO_SHARED_PROTOCOL},
		{"www.example.org", NULL, "", 0},
		{"other.example.org", "\x01h", "", 0}, /* a host without a list has no opinion */
	};
	struct hf_tls_choice c;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		struct hello spec = {.name = rows[i].name, .alpn = rows[i].list};
		assert_int_equal(choose(&spec, &c), -rows[i].reason);
		if (rows[i].reason)
			continue;
		assert_int_equal(c.alpn.len, strlen(rows[i].want));
		assert_memory_equal(c.alpn.p ? c.alpn.p : http11, rows[i].want, c.alpn.len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(captured_hellos_parse),
		cmocka_unit_test(answer_is_as_captured),
		cmocka_unit_test(largest_answer_fits),
		cmocka_unit_test(bare_hello_gets_a_bare_answer),
		cmocka_unit_test(scsv_is_answered),
		cmocka_unit_test(cut_off_anywhere),
		cmocka_unit_test(fixed_part_is_checked),
		cmocka_unit_test(known_extensions_are_checked),
		cmocka_unit_test(long_names),
		cmocka_unit_test(nothing_is_said_twice),
		cmocka_unit_test(four_thousand_extensions),
		cmocka_unit_test(versions),
		cmocka_unit_test(suites_in_our_order),
		cmocka_unit_test(curves_and_signatures),
		cmocka_unit_test(point_formats_are_answered),
		cmocka_unit_test(hosts_by_name),
		cmocka_unit_test(protocols_in_our_order),
	};

	return cmocka_run_group_tests_name("hello", tests, NULL, NULL);
}
