/* tls_bytes.h -- what a client puts on the wire, byte by byte and as right or wrong as a test wants
 * it: records, ClientHellos of the captured shapes, key exchanges. */
#ifndef TESTS_TLS_BYTES_H
#define TESTS_TLS_BYTES_H

#include "lib/base/span.h"
#include "lib/tls/tls_hs.h"

static inline void put_record(
	struct hf_writer *w, unsigned type, unsigned version, const void *p, size_t len)
{
	hf_writer_u8(w, type);
	hf_writer_u16(w, version);
	hf_writer_u16(w, (unsigned)len);
	hf_writer_bytes(w, p, len);
}

static inline void put_ext(struct hf_writer *w, unsigned number, const void *p, size_t len)
{
	hf_writer_u16(w, number);
	hf_writer_u16(w, (unsigned)len);
	hf_writer_bytes(w, p, len);
}

static inline void put_server_name(struct hf_writer *w, const char *name)
{
	size_t data, list, host;

	hf_writer_u16(w, 0);
	data = hf_writer_open(w, 2);
	list = hf_writer_open(w, 2);
	hf_writer_u8(w, 0);
	host = hf_writer_open(w, 2);
	hf_writer_bytes(w, name, strlen(name));
	hf_writer_close(w, host, 2);
	hf_writer_close(w, list, 2);
	hf_writer_close(w, data, 2);
}

/* names: length-prefixed, "\x02h2\x08http/1.1" */
static inline void put_alpn(struct hf_writer *w, const char *names)
{
	size_t data, list;

	hf_writer_u16(w, 16);
	data = hf_writer_open(w, 2);
	list = hf_writer_open(w, 2);
	hf_writer_bytes(w, names, strlen(names));
	hf_writer_close(w, list, 2);
	hf_writer_close(w, data, 2);
}

struct hello {
	uint16_t version; /* 0: 0x0303 */
	uint32_t session_id_len;
	const uint8_t *session_id; /* NULL: 80 81 82 ... */
	const uint8_t *ticket;     /* in the extension, with ticket_len */
	uint32_t ticket_len;
	const uint16_t *suites; /* NULL: the 16 of the capture */
	uint32_t suite_cnt;
	const char *name, *alpn; /* NULL: no such extension */
	bool no_extensions, ems, no_ticket, no_renegotiation_info;
	bool no_groups, no_signatures, no_points; /* `more` may bring others */
	bool bare;                                /* no extensions but those of `more` */
	const void *more;                         /* extensions behind all others */
	size_t more_len;
	size_t pad_to; /* length of the record with its header, by the padding extension */
};

static const uint16_t captured_suites[16] = {0xc02b, 0xc02f, 0x009e, 0xcc14, 0xcc13, 0xcc15, 0xc00a,
	0xc014, 0x0039, 0xc009, 0xc013, 0x0033, 0x009c, 0x0035, 0x002f, 0x000a};

static inline void put_extensions(struct hf_writer *w, const struct hello *h)
{
	static const uint8_t empty_info[1] = {0}, status[5] = {1, 0, 0, 0, 0}, points[2] = {1, 0},
			     groups[6] = {0, 4, 0, 23, 0, 24},
			     algorithms[18] = {
				     0, 16, 6, 1, 6, 3, 5, 1, 5, 3, 4, 1, 4, 3, 2, 1, 2, 3};

	if (!h->no_renegotiation_info)
		put_ext(w, 0xff01, empty_info, 1);
	if (h->name)
		put_server_name(w, h->name);
	if (h->ems)
		put_ext(w, 23, NULL, 0);
	if (!h->no_ticket)
		put_ext(w, 35, h->ticket, h->ticket_len);
	if (!h->no_signatures)
		put_ext(w, 13, algorithms, sizeof(algorithms));
	put_ext(w, 5, status, sizeof(status));
	put_ext(w, 0x3374, NULL, 0); /* next protocol negotiation */
	put_ext(w, 18, NULL, 0);
	if (h->alpn)
		put_alpn(w, h->alpn);
	put_ext(w, 0x7550, NULL, 0); /* channel id */
	if (!h->no_points)
		put_ext(w, 11, points, sizeof(points));
	if (!h->no_groups)
		put_ext(w, 10, groups, sizeof(groups));
	hf_writer_bytes(w, h->more, h->more_len);
	if (h->pad_to) {
		static const uint8_t zero[512];
		put_ext(w, 21, zero, h->pad_to - HF_TLS_HEADER_LEN - w->len - 4);
	}
}

/* The message, without a record around it. */
static inline size_t put_hello(uint8_t *out, size_t cap, const struct hello *h)
{
	const uint16_t *suites = h->suites ? h->suites : captured_suites;
	uint32_t suite_cnt = h->suites ? h->suite_cnt : 16;
	struct hf_writer w = hf_writer(out, cap);
	size_t message, extensions;

	hf_writer_u8(&w, 1);
	message = hf_writer_open(&w, 3);
	hf_writer_u16(&w, h->version ? h->version : 0x0303);
	for (unsigned i = 0; i < 32; i++)
		hf_writer_u8(&w, 0x40 + i);
	hf_writer_u8(&w, h->session_id_len);
	for (unsigned i = 0; i < h->session_id_len; i++)
		hf_writer_u8(&w, h->session_id ? h->session_id[i] : 0x80 + i);
	hf_writer_u16(&w, 2 * suite_cnt);
	for (uint32_t i = 0; i < suite_cnt; i++)
		hf_writer_u16(&w, suites[i]);
	hf_writer_u16(&w, 0x0100); /* null compression alone */
	if (!h->no_extensions) {
		extensions = hf_writer_open(&w, 2);
		if (h->bare)
			hf_writer_bytes(&w, h->more, h->more_len);
		else
			put_extensions(&w, h);
		hf_writer_close(&w, extensions, 2);
	}
	hf_writer_close(&w, message, 3);
	HF_ASSERT(!w.overflow);
	return w.len;
}

/* In a record of version 0x0301, as clients do. */
static inline size_t put_hello_record(uint8_t *out, size_t cap, const struct hello *h)
{
	uint8_t message[HF_TLS_HELLO_MAX + 4];
	size_t len = put_hello(message, sizeof(message), h);
	struct hf_writer w = hf_writer(out, cap);

	put_record(&w, 22, 0x0301, message, len);
	HF_ASSERT(!w.overflow);
	return w.len;
}

/* 00 02 ... 00 version premaster, as RFC 8017 7.2.1 encodes it. */
static inline void put_premaster(uint8_t em[256], uint16_t version)
{
	memset(em, 0x77, 256);
	em[0] = 0;
	em[1] = 2;
	em[256 - 49] = 0;
	em[256 - 48] = (uint8_t)(version >> 8);
	em[256 - 47] = (uint8_t)version;
}

/* ClientKeyExchange message around a ciphertext. */
static inline void put_key_exchange(struct hf_writer *w, const void *ciphertext, size_t len)
{
	hf_writer_u8(w, 16);
	hf_writer_u24(w, (uint32_t)len + 2);
	hf_writer_u16(w, (unsigned)len);
	hf_writer_bytes(w, ciphertext, len);
}

/* ClientKeyExchange message around a point. */
static inline void put_point_exchange(struct hf_writer *w, const void *point, size_t len)
{
	hf_writer_u8(w, 16);
	hf_writer_u24(w, (uint32_t)len + 1);
	hf_writer_u8(w, (unsigned)len);
	hf_writer_bytes(w, point, len);
}

#endif
