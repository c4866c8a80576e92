/* hello.c -- what ClientHellos mean, what they must not say, what is chosen from them and how the
 * answer looks, byte for byte. */
#include "tests/support/test.h"
#include "tests/support/tls_bytes.h"

#define CAPTURED_ALPN "\x02h2\x08spdy/3.1\x05h2-16\x06spdy/3\x08http/1.1"

static const struct hf_pk_key rsa = {.type = HF_PK_RSA}, p256 = {.type = HF_PK_EC_P256},
			      p384 = {.type = HF_PK_EC_P384};
static const struct hf_tls_cert cert = {.key = &rsa}, p256_cert = {.key = &p256, .status_len = 20},
				p384_cert = {.key = &p384};
static const struct hf_tls_cert *const one[] = {&cert}, *const ec[] = {&p384_cert, &p256_cert},
				       *const both[] = {&cert, &p256_cert};
static const uint8_t http11[] = "http/1.1", h2[] = "h2";
static const struct hf_tls_protocol alpn[] = {{{h2, 2}, 7}, {{http11, 8}, 0}};
static const uint16_t suites[] = {0x009d, 0x009c, 0x002f, 0xc02c, 0xc030, 0xc009, 0xc013};
static const uint16_t all_groups[] = {29, 23, 24};

static const struct hf_tls_vhost vhosts[] = {
	{.cert = one, .cert_cnt = 1},
	{.name = {(const uint8_t *)"*.example.org", 13}, .cert = one, .cert_cnt = 1},
	{.name = {(const uint8_t *)"WWW.example.org", 15},
		.cert = one,
		.cert_cnt = 1,
		.alpn = alpn,
		.alpn_cnt = 2},
	{.name = {(const uint8_t *)"ec.example.org", 14}, .cert = ec, .cert_cnt = 2},
	{.name = {(const uint8_t *)"aZ-09.test", 10}, .cert = one, .cert_cnt = 1},
	{.name = {(const uint8_t *)"both.test", 9}, .cert = both, .cert_cnt = 2},
};
static const struct hf_tls_site site = {.vhost = vhosts,
	.vhost_cnt = HF_ARRAY_LEN(vhosts),
	.suite = suites,
	.suite_cnt = HF_ARRAY_LEN(suites),
	.group = all_groups,
	.group_cnt = 2};

static uint8_t bytes[HF_TLS_HELLO_MAX + 4];

static int parse(const struct hello *spec, struct hf_tls_hello *out)
{
	size_t len = put_hello(bytes, sizeof(bytes), spec);

	return hf_tls_hello_parse(hf_span(bytes + 4, len - 4), out);
}

static int choose_at(
	const struct hf_tls_site *at, const struct hello *spec, struct hf_tls_choice *out)
{
	struct hf_tls_hello h;
	int err = parse(spec, &h);

	return err ? err : hf_tls_hello_choose(at, &h, out);
}

static int choose(const struct hello *spec, struct hf_tls_choice *out)
{
	return choose_at(&site, spec, out);
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
	static const struct hf_tls_protocol long_alpn = {{name, sizeof(name)}, 0};
	struct hf_tls_choice c = {.suite = hf_tls_suite(0xc013),
		.protocol = &long_alpn,
		.name = HF_TLS_NAME_EXACT,
		.plain_max = 512,
		.encrypt_then_mac = true,
		.status = true,
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
		/* max_fragment_length */
		{1, 0, "", HF_TLS_R_EXTENSION_SYNTAX},
		{1, 1, "\0", HF_TLS_R_MAX_FRAGMENT},
		{1, 1, "\1", HF_TLS_R_OK},
		{1, 1, "\4", HF_TLS_R_OK},
		{1, 1, "\5", HF_TLS_R_MAX_FRAGMENT},
		{1, 2, "\1\1", HF_TLS_R_EXTENSION_SYNTAX},
		/* status_request */
		{5, 0, "", HF_TLS_R_EXTENSION_SYNTAX},
		{5, 1, "\1", HF_TLS_R_EXTENSION_SYNTAX},
		{5, 3, "\1\0\0", HF_TLS_R_EXTENSION_SYNTAX},
		{5, 5, "\1\0\0\0\0", HF_TLS_R_OK},
		{5, 6, "\1\0\0\0\0\0", HF_TLS_R_EXTENSION_SYNTAX},
		{5, 9, "\1\0\2\0\0\0\2xx", HF_TLS_R_OK},
		{5, 8, "\1\0\2\0\0\0\2x", HF_TLS_R_EXTENSION_SYNTAX},
		{5, 3, "\2xx", HF_TLS_R_OK}, /* another form: whatever */
		/* encrypt_then_mac */
		{22, 0, "", HF_TLS_R_OK},
		{22, 1, "\0", HF_TLS_R_EXTENSION_SYNTAX},
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
			      last[] = {0x0a0a, 0x002f, 0x5600}, three[] = {0x002f, 0x009c, 0x009d};
	static const struct {
		const uint16_t *list;
		uint32_t cnt;
		int want; /* negative: -reason */
	} rows[] = {{scsv_only, 2, -HF_TLS_R_NO_SHARED_SUITE},
		{unknown, 3, -HF_TLS_R_NO_SHARED_SUITE}, {last, 3, 0x002f}, {three, 3, 0x009d}};
	struct hf_tls_choice c;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		struct hello spec = {.suites = rows[i].list, .suite_cnt = rows[i].cnt};
		int err = choose(&spec, &c);
		assert_int_equal(err ? err : c.suite->id, rows[i].want);
	}
	/* a certificate that cannot decrypt serves none of them */
	assert_int_equal(
		choose(&(struct hello){.name = "ec.example.org", .suites = three, .suite_cnt = 3},
			&c),
		-HF_TLS_R_NO_SHARED_KEY_TYPE);
}

/* A certificate of each kind for one name: suites, curves and signatures decide which is shown. */
static void certificates_by_kind(void **state)
{
	static const uint16_t ecdsa[] = {0xc009}, rsa_kx[] = {0x002f}, any[] = {0xc013, 0xc009};
	static const struct {
		struct hello h;
		int reason;
		uint16_t suite, scheme;
		const struct hf_tls_cert *cert;
	} rows[] = {
		{{.name = "both.test", .suites = any, .suite_cnt = 2}, 0, 0xc009, 0x0403,
			&p256_cert},
		{{.name = "both.test", .suites = rsa_kx, .suite_cnt = 1}, 0, 0x002f, 0, &cert},
		/* the curve of the key is none of the client's */
		{{.name = "both.test",
			 .suites = any,
			 .suite_cnt = 2,
			 .no_groups = true,
			 .more = "\0\12\0\4\0\2\0\x1d",
			 .more_len = 8},
			0, 0xc013, 0x0401, &cert},
		/* only RSA signatures, only ECDSA signatures */
		{{.name = "both.test",
			 .suites = any,
			 .suite_cnt = 2,
			 .no_signatures = true,
			 .more = "\0\15\0\4\0\2\5\1",
			 .more_len = 8},
			0, 0xc013, 0x0501, &cert},
		{{.name = "both.test",
			 .suites = any,
			 .suite_cnt = 2,
			 .no_signatures = true,
			 .more = "\0\15\0\4\0\2\6\3",
			 .more_len = 8},
			0, 0xc009, 0x0603, &p256_cert},
		{{.name = "both.test", .suites = any, .suite_cnt = 2, .no_signatures = true}, 0,
			0xc009, 0x0203, &p256_cert},
		/* P-384 first, for who has it; a hash of the curve's length */
		{{.name = "ec.example.org", .suites = ecdsa, .suite_cnt = 1}, 0, 0xc009, 0x0503,
			&p384_cert},
		{{.name = "ec.example.org",
			 .suites = ecdsa,
			 .suite_cnt = 1,
			 .no_groups = true,
			 .more = "\0\12\0\4\0\2\0\x17",
			 .more_len = 8},
			0, 0xc009, 0x0403, &p256_cert},
		{{.name = "ec.example.org", .suites = rsa_kx, .suite_cnt = 1},
			HF_TLS_R_NO_SHARED_KEY_TYPE, 0, 0, NULL},
		{{.name = "www.example.org", .suites = ecdsa, .suite_cnt = 1},
			HF_TLS_R_NO_SHARED_KEY_TYPE, 0, 0, NULL},
		{{.name = "ec.example.org",
			 .suites = ecdsa,
			 .suite_cnt = 1,
			 .no_signatures = true,
			 .more = "\0\15\0\4\0\2\4\1",
			 .more_len = 8},
			HF_TLS_R_NO_SHARED_SIGNATURE, 0, 0, NULL},
	};
	struct hf_tls_choice c;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		if (choose(&rows[i].h, &c) != -rows[i].reason)
			fail_msg("row %zu", i);
		if (rows[i].reason)
			continue;
		assert_int_equal(c.suite->id, rows[i].suite);
		assert_ptr_equal(c.cert, rows[i].cert);
		if (rows[i].scheme)
			assert_int_equal(c.scheme->id, rows[i].scheme);
	}
}

/* ChaCha20 goes to who puts it first among what is served here, whatever else stands before it. */
static void chacha_for_those_who_like_it(void **state)
{
	static const uint16_t liked[] = {0x0a0a, 0x1303, 0xcca9, 0xcca8, 0xc02f},
			      second[] = {0xc02f, 0xcca8}, gone[] = {0xcca9, 0xc02f};
	static const struct {
		const uint16_t *list;
		uint32_t cnt;
		uint16_t want;
	} rows[] = {{liked, 5, 0xcca8}, {second, 2, 0xc02f},
		{gone, 2, 0xc02f}}; /* the certificate is of RSA */
	struct hf_tls_site modern = site;
	uint16_t list[HF_TLS_SUITE_MAX];
	struct hf_tls_choice c;

	(void)state;
	modern.suite = list;
	modern.suite_cnt = hf_tls_profile(HF_TLS_MODERN, list);
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		struct hello spec = {.suites = rows[i].list, .suite_cnt = rows[i].cnt};

		assert_int_equal(choose_at(&modern, &spec, &c), 0);
		assert_int_equal(c.suite->id, rows[i].want);
	}
}

static void profiles_keep_their_promise(void **state)
{
	static const uint32_t cnt[] = {6, 14, 20};
	uint16_t list[HF_TLS_SUITE_MAX];

	(void)state;
	for (enum hf_tls_profile p = HF_TLS_MODERN; p <= HF_TLS_LEGACY; p++) {
		assert_int_equal(hf_tls_profile(p, list), cnt[p]);
		for (uint32_t i = 0; i < cnt[p]; i++) {
			const struct hf_tls_suite *s = hf_tls_suite(list[i]);

			assert_true(hf_tls_suite_profile(list[i]) <= p);

			assert_true(p == HF_TLS_LEGACY || s->kx == HF_TLS_KX_ECDHE);
			assert_true(p > HF_TLS_MODERN || hf_cipher_info[s->cipher].aead);
		}
	}
}

/* RFC 7507 3: only where the client could have had more, and whatever else is wrong with it. */
static void fallback_is_inappropriate(void **state)
{
	static const uint16_t with_scsv[] = {0x002f, 0x5600};
	struct hello spec = {.suites = with_scsv, .suite_cnt = 2};
	struct hf_tls_choice c;

	(void)state;
	assert_int_equal(choose(&spec, &c), 0);
	spec.version = 0x0302;
	assert_int_equal(choose(&spec, &c), -HF_TLS_R_FALLBACK);
	spec.suite_cnt = 1;
	assert_int_equal(choose(&spec, &c), -HF_TLS_R_OLD_VERSION);
}

/* RFC 7366 3, RFC 6066 4 and 8: what is agreed, and what the answer says of it. */
static void extras(void **state)
{
	static const uint16_t cbc[] = {0x002f}, gcm[] = {0xc030}, ecdsa[] = {0xc009};
	static const struct {
		struct hello h;
		bool etm, status;
		uint16_t plain_max;
		const char *block; /* of extensions */
		size_t block_len;
	} rows[] = {
		{{.suites = cbc, .more = "\0\x16\0\0", .more_len = 4}, true, false, 0,
			"\0\4\0\x16\0\0", 6},
		{{.suites = gcm, .more = "\0\x16\0\0", .more_len = 4}, false, false, 0, "", 0},
		{{.suites = cbc, .more = "\0\1\0\1\3", .more_len = 5}, false, false, 2048,
			"\0\5\0\1\0\1\3", 7},
		/* the hello asks for a status; the certificate of RSA has none */
		{{.suites = ecdsa, .name = "ec.example.org"}, false, false, 0, "\0\4\0\0\0\0", 6},
		{{.suites = ecdsa,
			 .name = "ec.example.org",
			 .no_groups = true,
			 .more = "\0\12\0\4\0\2\0\x17",
			 .more_len = 8},
			false, true, 0, "\0\10\0\0\0\0\0\5\0\0", 10},
	};
	uint8_t random[32] = {0}, buf[HF_TLS_SERVER_HELLO_MAX];
	struct hf_tls_choice c;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		struct hf_writer w = hf_writer(buf, sizeof(buf));
		struct hello spec = rows[i].h;

		spec.suite_cnt = 1;
		spec.no_points = spec.no_ticket = spec.no_renegotiation_info = true;
		assert_int_equal(choose(&spec, &c), 0);
		assert_int_equal(c.encrypt_then_mac, rows[i].etm);
		assert_int_equal(c.status, rows[i].status);
		assert_int_equal(c.plain_max, rows[i].plain_max);
		hf_tls_hello_answer(&w, &c, random);
		assert_int_equal(w.len, 42 + rows[i].block_len);
		assert_memory_equal(buf + 42, rows[i].block, rows[i].block_len);
	}
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
		{{.no_signatures = true, .more = "\0\15\0\6\0\4\2\1\4\3", .more_len = 10}, 0, 23,
			0x0201},
		{{.no_signatures = true, .more = "\0\15\0\6\0\4\10\6\10\5", .more_len = 10}, 0, 23,
			0x0805},
		{{.no_signatures = true, .more = "\0\15\0\6\0\4\10\4\6\1", .more_len = 10}, 0, 23,
			0x0601},
		{{.no_signatures = true, .more = "\0\15\0\6\0\4\2\1\10\6", .more_len = 10}, 0, 23,
			0x0806},
		{{.no_signatures = true, .more = "\0\15\0\6\0\4\10\x9\10\7", .more_len = 10},
			HF_TLS_R_NO_SHARED_SIGNATURE, 0, 0}, /* rsa_pss_pss: of another key */
		{{.no_signatures = true, .more = "\0\15\0\6\0\4\2\2\4\3", .more_len = 10},
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

static void strict_names(void **state)
{
	static const struct {
		const char *name;
		int reason;
	} rows[] = {{NULL, HF_TLS_R_UNKNOWN_NAME}, {"example.org", HF_TLS_R_UNKNOWN_NAME},
		{"www.example.org", 0}, {"other.example.org", 0}};
	struct hf_tls_site strict = site;
	struct hf_tls_choice c;

	(void)state;
	strict.strict = true;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		struct hello spec = {.name = rows[i].name};

		assert_int_equal(choose_at(&strict, &spec, &c), -rows[i].reason);
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
		if (!rows[i].want[0]) {
			assert_null(c.protocol);
			continue;
		}
		assert_true(
			hf_span_eq(c.protocol->name, hf_span(rows[i].want, strlen(rows[i].want))));
		assert_int_equal(c.protocol->pool, strcmp(rows[i].want, "h2") ? 0 : 7);
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
		cmocka_unit_test(certificates_by_kind),
		cmocka_unit_test(chacha_for_those_who_like_it),
		cmocka_unit_test(profiles_keep_their_promise),
		cmocka_unit_test(fallback_is_inappropriate),
		cmocka_unit_test(extras),
		cmocka_unit_test(strict_names),
		cmocka_unit_test(curves_and_signatures),
		cmocka_unit_test(point_formats_are_answered),
		cmocka_unit_test(hosts_by_name),
		cmocka_unit_test(protocols_in_our_order),
	};

	return cmocka_run_group_tests_name("hello", tests, NULL, NULL);
}
