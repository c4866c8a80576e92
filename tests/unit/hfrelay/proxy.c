/* The PROXY header byte by byte. An independent reader of it is in tests/e2e/relay_farm.py, and the
 * web server of the demo is another. */
#include "tests/support/test.h"
#include "app/hfrelay/proxy.h"

static struct hf_client_bytes text(const char *s)
{
	return (struct hf_client_bytes){(const uint8_t *)s, strlen(s)};
}

static struct hf_client_info info_v4(void)
{
	struct hf_client_info info = {
		.client_port = 0x1234,
		.local_port = 443,
		.tls_version = 0x0303,
		.cipher = 0xc02f,
		.sni = text("a.example"),
		.alpn = text("h2"),
	};
	struct hf_addr client = hf_addr_v4(0x0a000001), local = hf_addr_v4(0x0a0000fe);
	memcpy(info.client_addr, client.b, 16);
	memcpy(info.local_addr, local.b, 16);
	memset(info.conn_id, 0xab, 16);
	return info;
}

static void ipv4(void **state)
{
	static const uint8_t want[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x70"
				      "\x0a\x00\x00\x01\x0a\x00\x00\xfe\x12\x34\x01\xbb"
				      "\x01\x00\x02h2"
				      "\x02\x00\x09"
				      "a.example"
				      "\x05\x00\x20"
				      "abababababababababababababababab"
				      "\x20\x00\x2d\x01\x00\x00\x00\x01"
				      "\x21\x00\x07TLSv1.2"
				      "\x23\x00\x1b"
				      "ECDHE-RSA-AES128-GCM-SHA256";
	struct hf_client_info info = info_v4();
	uint8_t got[HF_PROXY_HEADER_MAX];
	size_t len = hf_proxy_header(got, sizeof(got), &info, HF_PROXY_V2);
	(void)state;
	assert_int_equal(len, sizeof(want) - 1);
	assert_memory_equal(got, want, len);
	assert_int_equal(len, 16 + 0x70);
	/* Every shorter buffer is too short. */
	for (size_t cap = 0; cap < len; cap++)
		assert_int_equal(hf_proxy_header(got, cap, &info, HF_PROXY_V2), 0);
}

static void ipv6_and_client_certificate(void **state)
{
	struct hf_client_info info = info_v4();
	uint8_t got[HF_PROXY_HEADER_MAX];
	size_t len, at = 16 + 36;
	(void)state;
	/* One side alone is enough: then the other goes as ::ffff:10.0.0.254. */
	memset(info.client_addr, 0x20, 16);
	info.sni.len = info.alpn.len = 0;
	info.client_verdict = HF_LINK_CLIENT_VERIFIED;
	info.tls_version = 0x0301;
	info.cipher = 0xfafa;
	len = hf_proxy_header(got, sizeof(got), &info, HF_PROXY_V2);
	assert_int_equal(got[13], 0x21);
	assert_int_equal(got[14] << 8 | got[15], (int)len - 16);
	assert_memory_equal(got + 16, info.client_addr, 16);
	assert_memory_equal(got + 32, info.local_addr, 16);
	assert_memory_equal(got + 48, "\x12\x34\x01\xbb", 4);
	assert_int_equal(got[at], 0x05); /* neither ALPN nor name */
	at += 3 + 32;
	assert_memory_equal(got + at, "\x20\x00\x16\x07\x00\x00\x00\x00", 8);
	assert_memory_equal(got + at + 8,
		"\x21\x00\x05TLSv1\x23\x00\x06"
		"0xfafa",
		17);
	assert_int_equal(len, at + 8 + 17);
}

static void fingerprint(void **state)
{
	struct hf_client_info info = info_v4();
	uint8_t got[HF_PROXY_HEADER_MAX];
	size_t at = 16 + 12 + 5 + 12 + 35;
	(void)state;
	info.ja4 = text("t12d010500_798dd72d0aaa_847bbcdea70d");
	assert_int_equal(hf_proxy_header(got, sizeof(got), &info, HF_PROXY_V2), 16 + 0x70 + 3 + 36);
	assert_memory_equal(got + at, "\xe4\x00\x24t12d010500_798dd72d0aaa_847bbcdea70d\x20", 40);
}

/* Who was asked and has none is like who was not asked: this header has no word for it. */
static void client_certificate(void **state)
{
	static const char sha256[] = "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20"
				     "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\xff";
	static const uint8_t want[] = "\xe5\x00\x08"
				      "CN=a,O=b"
				      "\xe6\x00\x04"
				      "CN=c"
				      "\xe7\x00\x40"
				      "0102030405060708090a0b0c0d0e0f10"
				      "0102030405060708090a0b0c0d0e0fff"
				      "\x20\x00\x31\x07\x00\x00\x00\x00"
				      "\x21\x00\x07TLSv1.2"
				      "\x22\x00\x01"
				      "a"
				      "\x23\x00\x1b"
				      "ECDHE-RSA-AES128-GCM-SHA256";
	struct hf_client_info info = info_v4();
	uint8_t got[HF_PROXY_HEADER_MAX];
	size_t before = 16 + 12 + 5 + 12 + 35, len;
	(void)state;
	info.client_verdict = HF_LINK_CLIENT_NONE;
	assert_int_equal(hf_proxy_header(got, sizeof(got), &info, HF_PROXY_V2), 16 + 0x70);
	assert_memory_equal(got + before, "\x20\x00\x2d\x01\x00\x00\x00\x01", 8);
	info.client_verdict = HF_LINK_CLIENT_VERIFIED;
	info.client_subject = text("CN=a,O=b");
	info.client_issuer = text("CN=c");
	info.client_cn = text("a");
	info.client_cert = text("DER"); /* servers have no room for it */
	info.client_sha256 = (struct hf_client_bytes){(const uint8_t *)sha256, 32};
	len = hf_proxy_header(got, sizeof(got), &info, HF_PROXY_V2);
	assert_int_equal(len, before + sizeof(want) - 1);
	assert_memory_equal(got + before, want, sizeof(want) - 1);
}

static uint32_t crc32c_table(const uint8_t *p, size_t len)
{
	uint32_t table[256], crc = 0xffffffff;
	for (uint32_t i = 0; i < 256; i++) {
		table[i] = i;
		for (int k = 0; k < 8; k++)
			table[i] = table[i] & 1 ? table[i] >> 1 ^ 0x82f63b78 : table[i] >> 1;
	}
	while (len--)
		crc = table[(crc ^ *p++) & 0xff] ^ crc >> 8;
	return ~crc;
}

static void checksum(void **state)
{
	struct hf_client_info info = info_v4();
	uint8_t got[HF_PROXY_HEADER_MAX];
	size_t len = hf_proxy_header(got, sizeof(got), &info, HF_PROXY_V2_CRC32C), at = len - 4;
	uint32_t told = (uint32_t)got[at] << 24 | (uint32_t)got[at + 1] << 16 |
			(uint32_t)got[at + 2] << 8 | got[at + 3];
	(void)state;
	/* RFC 3720 B.4 */
	assert_int_equal(crc32c_table((const uint8_t *)"123456789", 9), 0xe3069283);
	assert_memory_equal(got + at - 3, "\x03\x00\x04", 3);
	memset(got + at, 0, 4);
	assert_int_equal(told, crc32c_table(got, len));
}

static void largest(void **state)
{
	struct hf_client_info info = info_v4();
	uint8_t got[HF_PROXY_HEADER_MAX], name[255], dn[800] = {0};
	(void)state;
	memset(name, 'n', sizeof(name));
	memset(info.client_addr, 0x20, 16);
	info.sni = info.alpn = (struct hf_client_bytes){name, sizeof(name)};
	info.ja4 = text("t12d010500_798dd72d0aaa_847bbcdea70d");
	info.cipher = 0xc024; /* among the longest names */
	info.client_verdict = HF_LINK_CLIENT_VERIFIED;
	info.client_subject = info.client_issuer = (struct hf_client_bytes){dn, sizeof(dn)};
	info.client_cn = (struct hf_client_bytes){dn, 256};
	info.client_sha256 = (struct hf_client_bytes){dn, 32};
	assert_true(hf_proxy_header(got, sizeof(got), &info, HF_PROXY_V2_CRC32C) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4),
		cmocka_unit_test(ipv6_and_client_certificate),
		cmocka_unit_test(fingerprint),
		cmocka_unit_test(client_certificate),
		cmocka_unit_test(checksum),
		cmocka_unit_test(largest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
