/* ja4.c -- reads a hello for its shape alone: lists are collected without GREASE, sorted, and
 * written out as text. It has a walk of its own because it must also name those that our own parser
 * refuses: a client that repeats an extension is worth recognising. */
#include "lib/tls/ja4.h"

#define EXT_SERVER_NAME 0u
#define EXT_SIGNATURES 13u
#define EXT_ALPN 16u
#define EXT_VERSIONS 43u
#define COUNT_MAX 99u /* two digits */

struct list {
	uint16_t v[HF_JA4_LIST_MAX];
	uint32_t cnt;
	bool full;
};

/* RFC 8701 2: both bytes equal, each 0x?a. */
static bool is_grease(uint16_t v)
{
	return (v & 0x0f0f) == 0x0a0a && v >> 8 == (v & 0xff);
}

static void list_add(struct list *l, uint16_t v)
{
	if (is_grease(v))
		return;
	if (l->cnt < HF_JA4_LIST_MAX)
		l->v[l->cnt++] = v;
	else
		l->full = true;
}

static void list_read(struct list *l, struct hf_span s)
{
	struct hf_reader r = hf_reader_of(s);
	uint16_t v;

	while (!l->full && !hf_reader_u16(&r, &v))
		list_add(l, v);
}

static void list_sort(struct list *l)
{
	for (uint32_t i = 1; i < l->cnt; i++) {
		uint16_t v = l->v[i];
		uint32_t k = i;

		for (; k > 0 && l->v[k - 1] > v; k--)
			l->v[k] = l->v[k - 1];
		l->v[k] = v;
	}
}

static const char digits[] = "0123456789abcdef";

/* "c02b,c02f" to text[len ..], the new length returned. */
static uint32_t list_write(const struct list *l, char *text, uint32_t len)
{
	for (uint32_t i = 0; i < l->cnt; i++) {
		if (i > 0)
			text[len++] = ',';
		for (int shift = 12; shift >= 0; shift -= 4)
			text[len++] = digits[l->v[i] >> shift & 15];
	}
	return len;
}

struct shape {
	uint16_t version;
	struct list suites, extensions, signatures;
	bool name;
	struct hf_span alpn; /* the first protocol */
};

/* An extension that does not parse inside says nothing, but is there. */
static void extension(struct shape *s, uint16_t number, struct hf_span data)
{
	struct hf_reader r = hf_reader_of(data);
	struct hf_span list, first;
	struct list versions = {.cnt = 0};

	list_add(&s->extensions, number);
	switch (number) {
	case EXT_SERVER_NAME:
		s->name = true;
		break;
	case EXT_SIGNATURES:
		if (!hf_reader_vec16(&r, &list))
			list_read(&s->signatures, list);
		break;
	case EXT_ALPN:
		if (!hf_reader_vec16(&r, &list)) {
			r = hf_reader_of(list);
			if (!hf_reader_vec8(&r, &first))
				s->alpn = first;
		}
		break;
	case EXT_VERSIONS:
		if (hf_reader_vec8(&r, &list))
			break;
		list_read(&versions, list);
		list_sort(&versions);
		if (versions.cnt > 0)
			s->version = versions.v[versions.cnt - 1];
		break;
	default:
		break;
	}
}

static int shape_read(struct hf_span hello, struct shape *s)
{
	struct hf_reader r = hf_reader_of(hello);
	struct hf_span part, data;
	uint16_t number;

	*s = (struct shape){.version = 0};
	if (hf_reader_u16(&r, &s->version) || hf_reader_skip(&r, 32) || hf_reader_vec8(&r, &part) ||
		hf_reader_vec16(&r, &part))
		return -1;
	list_read(&s->suites, part);
	if (hf_reader_vec8(&r, &part))
		return -1;
	if (hf_reader_left(&r) > 0) {
		if (hf_reader_vec16(&r, &part))
			return -1;
		r = hf_reader_of(part);
		while (hf_reader_left(&r) > 0) {
			if (hf_reader_u16(&r, &number) || hf_reader_vec16(&r, &data))
				return -1;
			extension(s, number, data);
		}
	}
	return s->suites.full || s->extensions.full || s->signatures.full ? -1 : 0;
}

static const char *version_text(uint16_t version)
{
	switch (version) {
	case 0x0304:
		return "13";
	case 0x0303:
		return "12";
	case 0x0302:
		return "11";
	case 0x0301:
		return "10";
	case 0x0300:
		return "s3";
	case 0x0002:
		return "s2";
	default:
		return "00";
	}
}

static bool is_alnum(uint8_t c)
{
	uint8_t letter = c | 0x20;

	return (c >= '0' && c <= '9') || (letter >= 'a' && letter <= 'z');
}

static void put_count(char *out, uint32_t cnt)
{
	cnt = HF_MIN(cnt, COUNT_MAX);
	out[0] = (char)('0' + cnt / 10);
	out[1] = (char)('0' + cnt % 10);
}

/* First and last character of the protocol; of its hexadecimal form when one is no letter or digit.
 */
static void put_alpn(char *out, struct hf_span alpn)
{
	uint8_t first, last;

	if (alpn.len == 0) {
		out[0] = out[1] = '0';
		return;
	}
	first = alpn.p[0];
	last = alpn.p[alpn.len - 1];
	if (is_alnum(first) && is_alnum(last)) {
		out[0] = (char)first;
		out[1] = (char)last;
	} else {
		out[0] = digits[first >> 4];
		out[1] = digits[last & 15];
	}
}

int hf_ja4_read(struct hf_span hello, struct hf_ja4 *out)
{
	struct list rest = {.cnt = 0};
	struct shape s;

	if (shape_read(hello, &s))
		return -1;
	out->head[0] = 't';
	memcpy(out->head + 1, version_text(s.version), 2);
	out->head[3] = s.name ? 'd' : 'i';
	put_count(out->head + 4, s.suites.cnt);
	put_count(out->head + 6, s.extensions.cnt);
	put_alpn(out->head + 8, s.alpn);
	list_sort(&s.suites);
	out->suites_len = list_write(&s.suites, out->suites, 0);
	/* Names and protocols differ with the place that is visited: they are counted, not hashed. */
	for (uint32_t i = 0; i < s.extensions.cnt; i++)
		if (s.extensions.v[i] != EXT_SERVER_NAME && s.extensions.v[i] != EXT_ALPN)
			list_add(&rest, s.extensions.v[i]);
	list_sort(&rest);
	out->rest_len = list_write(&rest, out->rest, 0);
	if (out->rest_len > 0 && s.signatures.cnt > 0) {
		out->rest[out->rest_len++] = '_';
		out->rest_len = list_write(&s.signatures, out->rest, out->rest_len);
	}
	return 0;
}

static void put_hash(char *out, const uint8_t hash[32], bool any)
{
	out[0] = '_';
	for (uint32_t i = 0; i < 6; i++) {
		out[1 + 2 * i] = any ? digits[hash[i] >> 4] : '0';
		out[2 + 2 * i] = any ? digits[hash[i] & 15] : '0';
	}
}

void hf_ja4_write(const struct hf_ja4 *j, const uint8_t suites_hash[32],
	const uint8_t rest_hash[32], char out[HF_JA4_LEN])
{
	memcpy(out, j->head, HF_JA4_HEAD_LEN);
	put_hash(out + HF_JA4_HEAD_LEN, suites_hash, j->suites_len > 0);
	put_hash(out + HF_JA4_HEAD_LEN + 13, rest_hash, j->rest_len > 0);
}
