/* proxy.c -- one writer, one pass; the two lengths and the checksum are filled in behind it. Names
 * of cipher suites are those that OpenSSL prints, since that is what servers compare with. */
#include <stdio.h>
#include "app/hfrelay/proxy.h"
#include "lib/base/span.h"

/* Section 2.2 */
enum { VERSION_2_PROXY = 0x21, TCP_OVER_IPV4 = 0x11, TCP_OVER_IPV6 = 0x21 };
enum {
	TLV_ALPN = 0x01,
	TLV_AUTHORITY = 0x02,
	TLV_CRC32C = 0x03,
	TLV_UNIQUE_ID = 0x05,
	/* custom (2.2.8), as text: the fingerprint of the ClientHello; of the client's certificate
	 * subject and issuer as RFC 2253 writes them, and SHA-256 in hexadecimal */
	TLV_JA4 = 0xe4,
	TLV_CLIENT_SUBJECT = 0xe5,
	TLV_CLIENT_ISSUER = 0xe6,
	TLV_CLIENT_SHA256 = 0xe7,
	TLV_SSL = 0x20,
	TLV_SSL_VERSION = 0x21,
	TLV_SSL_CN = 0x22,
	TLV_SSL_CIPHER = 0x23,
};
enum { CLIENT_SSL = 1, CLIENT_CERT_CONN = 2, CLIENT_CERT_SESS = 4 };

#define LENGTH_OFF 14u /* of the 16-bit length within the header */

static const struct {
	uint16_t suite;
	const char *name;
} ciphers[] = {
	{0x002f, "AES128-SHA"},
	{0x0035, "AES256-SHA"},
	{0x003c, "AES128-SHA256"},
	{0x003d, "AES256-SHA256"},
	{0x009c, "AES128-GCM-SHA256"},
	{0x009d, "AES256-GCM-SHA384"},
	{0x1301, "TLS_AES_128_GCM_SHA256"},
	{0x1302, "TLS_AES_256_GCM_SHA384"},
	{0x1303, "TLS_CHACHA20_POLY1305_SHA256"},
	{0xc009, "ECDHE-ECDSA-AES128-SHA"},
	{0xc00a, "ECDHE-ECDSA-AES256-SHA"},
	{0xc013, "ECDHE-RSA-AES128-SHA"},
	{0xc014, "ECDHE-RSA-AES256-SHA"},
	{0xc023, "ECDHE-ECDSA-AES128-SHA256"},
	{0xc024, "ECDHE-ECDSA-AES256-SHA384"},
	{0xc027, "ECDHE-RSA-AES128-SHA256"},
	{0xc028, "ECDHE-RSA-AES256-SHA384"},
	{0xc02b, "ECDHE-ECDSA-AES128-GCM-SHA256"},
	{0xc02c, "ECDHE-ECDSA-AES256-GCM-SHA384"},
	{0xc02f, "ECDHE-RSA-AES128-GCM-SHA256"},
	{0xc030, "ECDHE-RSA-AES256-GCM-SHA384"},
	{0xcca8, "ECDHE-RSA-CHACHA20-POLY1305"},
	{0xcca9, "ECDHE-ECDSA-CHACHA20-POLY1305"},
};

static void write_tlv(struct hf_writer *w, uint8_t type, const void *p, size_t len)
{
	if (len == 0)
		return;
	hf_writer_u8(w, type);
	hf_writer_u16(w, (unsigned)len);
	hf_writer_bytes(w, p, len);
}

static void write_text(struct hf_writer *w, uint8_t type, const char *text)
{
	write_tlv(w, type, text, strlen(text));
}

static void write_version(struct hf_writer *w, uint16_t version)
{
	char text[16];
	if (version >= 0x0301 && version <= 0x0304)
		snprintf(text, sizeof(text), "TLSv1.%u", version - 0x0301u);
	else
		snprintf(text, sizeof(text), "0x%04x", version);
	if (version == 0x0301)
		text[5] = 0; /* "TLSv1" */
	write_text(w, TLV_SSL_VERSION, text);
}

static void write_cipher(struct hf_writer *w, uint16_t suite)
{
	char number[8];
	for (size_t i = 0; i < HF_ARRAY_LEN(ciphers); i++)
		if (ciphers[i].suite == suite) {
			write_text(w, TLV_SSL_CIPHER, ciphers[i].name);
			return;
		}
	snprintf(number, sizeof(number), "0x%04x", suite);
	write_text(w, TLV_SSL_CIPHER, number);
}

/* Section 2.2.6. `verify` is zero only if a client certificate was presented and verified. */
static void write_ssl(struct hf_writer *w, const struct hf_client_info *info)
{
	bool cert = info->client_verdict == HF_LINK_CLIENT_VERIFIED;
	size_t mark;
	hf_writer_u8(w, TLV_SSL);
	mark = hf_writer_open(w, 2);
	hf_writer_u8(w, CLIENT_SSL | (cert ? CLIENT_CERT_CONN | CLIENT_CERT_SESS : 0));
	hf_writer_u32(w, !cert);
	write_version(w, info->tls_version);
	write_tlv(w, TLV_SSL_CN, info->client_cn.p, info->client_cn.len);
	write_cipher(w, info->cipher);
	hf_writer_close(w, mark, 2);
}

static void write_hex(struct hf_writer *w, uint8_t type, const uint8_t *p, size_t len)
{
	char hex[2 * 32 + 1] = "";
	for (size_t i = 0; i < HF_MIN(len, 32u); i++)
		snprintf(hex + 2 * i, 3, "%02x", p[i]);
	write_text(w, type, hex);
}

static void write_addresses(struct hf_writer *w, const struct hf_client_info *info)
{
	struct hf_addr client, local;
	bool v4;
	size_t skip;
	memcpy(client.b, info->client_addr, sizeof(client.b));
	memcpy(local.b, info->local_addr, sizeof(local.b));
	v4 = hf_addr_is_v4(&client) && hf_addr_is_v4(&local);
	skip = v4 ? 12 : 0;
	hf_writer_u8(w, v4 ? TCP_OVER_IPV4 : TCP_OVER_IPV6);
	hf_writer_u16(w, 0); /* length, filled in at the end */
	hf_writer_bytes(w, client.b + skip, sizeof(client.b) - skip);
	hf_writer_bytes(w, local.b + skip, sizeof(local.b) - skip);
	hf_writer_u16(w, info->client_port);
	hf_writer_u16(w, info->local_port);
}

/* CRC32C (RFC 3720 appendix B.4), bit by bit: some 200 bytes once per connection. */
static uint32_t crc32c(const uint8_t *p, size_t len)
{
	uint32_t crc = ~0u;
	for (size_t i = 0; i < len; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

size_t hf_proxy_header(
	uint8_t *buf, size_t cap, const struct hf_client_info *info, enum hf_proxy_mode mode)
{
	static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n", zero[4];
	struct hf_writer w = hf_writer(buf, cap);
	size_t crc_at = 0, len;
	hf_writer_bytes(&w, signature, sizeof(signature));
	hf_writer_u8(&w, VERSION_2_PROXY);
	write_addresses(&w, info);
	write_tlv(&w, TLV_ALPN, info->alpn.p, info->alpn.len);
	write_tlv(&w, TLV_AUTHORITY, info->sni.p, info->sni.len);
	write_hex(&w, TLV_UNIQUE_ID, info->conn_id, sizeof(info->conn_id));
	write_tlv(&w, TLV_JA4, info->ja4.p, info->ja4.len);
	write_tlv(&w, TLV_CLIENT_SUBJECT, info->client_subject.p, info->client_subject.len);
	write_tlv(&w, TLV_CLIENT_ISSUER, info->client_issuer.p, info->client_issuer.len);
	write_hex(&w, TLV_CLIENT_SHA256, info->client_sha256.p, info->client_sha256.len);
	write_ssl(&w, info);
	if (mode == HF_PROXY_V2_CRC32C) {
		write_tlv(&w, TLV_CRC32C, zero, sizeof(zero));
		crc_at = w.len - sizeof(zero);
	}
	if (w.overflow)
		return 0;
	len = w.len - LENGTH_OFF - 2;
	buf[LENGTH_OFF] = (uint8_t)(len >> 8);
	buf[LENGTH_OFF + 1] = (uint8_t)len;
	/* Section 2.2.3: over the whole header with the field itself zero. */
	if (crc_at) {
		struct hf_writer crc = hf_writer(buf + crc_at, sizeof(zero));
		hf_writer_u32(&crc, crc32c(buf, w.len));
	}
	return w.len;
}
