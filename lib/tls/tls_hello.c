/* tls_hello.c -- the ClientHello is the only message that a stranger fills as he likes, so it is
 * read in two steps that know nothing of each other: parse says what the bytes mean (or that they
 * mean nothing), choose says what we agree to, given the site. Lists of the client are searched in
 * our order, never in his. What is unknown is skipped; what is known must be right; nothing may be
 * said twice. The ServerHello is then written from the choice alone. */
#include "lib/tls/tls_hs.h"

#define SCSV_RENEGOTIATION 0x00ffu /* RFC 5746 3.3 */
#define LABEL_MAX 63u              /* RFC 1035 2.3.4 */
#define POINT_UNCOMPRESSED 0       /* RFC 8422 5.1.2 */

enum {
#define HF_TLS_EXT(number, name, parse) EXT_##name = number,
#include "lib/tls/ext.def"
#undef HF_TLS_EXT
};

static bool has_u16(struct hf_span list, uint16_t want)
{
	struct hf_reader r = hf_reader_of(list);
	uint16_t v;

	while (!hf_reader_u16(&r, &v))
		if (v == want)
			return true;
	return false;
}

/* ---- extensions, one function each: 0 or -reason ---- */

/* RFC 6066 3: labels of a DNS name. A final dot, which clients must not but some do send, is cut.
 */
static bool is_dns_name(struct hf_span *name)
{
	size_t label_len = 0;

	if (name->len > 1 && name->p[name->len - 1] == '.')
		name->len--;
	if (name->len > HF_TLS_NAME_MAX)
		return false;
	for (size_t i = 0; i < name->len; i++) {
		uint8_t c = name->p[i], letter = c | 0x20;
		if (c == '.' && label_len > 0)
			label_len = 0;
		else if ((letter >= 'a' && letter <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
			 c == '_')
			label_len++;
		else
			return false;
		if (label_len > LABEL_MAX)
			return false;
	}
	return label_len > 0;
}

static int parse_server_name(struct hf_tls_hello *h, struct hf_reader *r)
{
	struct hf_span list, name;
	struct hf_reader at;
	uint8_t type;

	if (hf_reader_vec16(r, &list) || list.len == 0)
		return -HF_TLS_R_EXTENSION_SYNTAX;
	at = hf_reader_of(list);
	while (hf_reader_left(&at) > 0) {
		/* Every name type begins with a 16-bit length (RFC 6066 3); 0 is host_name. */
		if (hf_reader_u8(&at, &type) || hf_reader_vec16(&at, &name) || name.len == 0)
			return -HF_TLS_R_EXTENSION_SYNTAX;
		if (type != 0)
			continue;
		if (h->name.p || !is_dns_name(&name))
			return -HF_TLS_R_SERVER_NAME;
		h->name = name;
	}
	return 0;
}

static int parse_alpn(struct hf_tls_hello *h, struct hf_reader *r)
{
	struct hf_span name;
	struct hf_reader at;

	if (hf_reader_vec16(r, &h->alpn) || h->alpn.len == 0)
		return -HF_TLS_R_EXTENSION_SYNTAX;
	at = hf_reader_of(h->alpn);
	while (hf_reader_left(&at) > 0)
		if (hf_reader_vec8(&at, &name) || name.len == 0)
			return -HF_TLS_R_EXTENSION_SYNTAX;
	return 0;
}

static int parse_extended_master(struct hf_tls_hello *h, struct hf_reader *r)
{
	(void)r; /* empty, which the caller checks */
	h->extended_master = true;
	return 0;
}

static int parse_groups(struct hf_tls_hello *h, struct hf_reader *r)
{
	if (hf_reader_vec16(r, &h->groups) || h->groups.len == 0 || h->groups.len % 2)
		return -HF_TLS_R_EXTENSION_SYNTAX;
	return 0;
}

static int parse_point_formats(struct hf_tls_hello *h, struct hf_reader *r)
{
	struct hf_span formats;

	if (hf_reader_vec8(r, &formats) || formats.len == 0)
		return -HF_TLS_R_EXTENSION_SYNTAX;
	if (!memchr(formats.p, POINT_UNCOMPRESSED, formats.len))
		return -HF_TLS_R_POINT_FORMATS;
	h->point_formats = true;
	return 0;
}

static int parse_signatures(struct hf_tls_hello *h, struct hf_reader *r)
{
	if (hf_reader_vec16(r, &h->signatures) || h->signatures.len == 0 || h->signatures.len % 2)
		return -HF_TLS_R_EXTENSION_SYNTAX;
	return 0;
}

/* Empty: the client knows tickets and has none. */
static int parse_session_ticket(struct hf_tls_hello *h, struct hf_reader *r)
{
	h->session_ticket = true;
	return hf_reader_bytes(r, hf_reader_left(r), &h->ticket);
}

static int parse_supported_versions(struct hf_tls_hello *h, struct hf_reader *r)
{
	if (hf_reader_vec8(r, &h->versions) || h->versions.len == 0 || h->versions.len % 2)
		return -HF_TLS_R_EXTENSION_SYNTAX;
	return 0;
}

/* RFC 5746 3.6: in a first handshake there is nothing yet to be bound to. */
static int parse_renegotiation_info(struct hf_tls_hello *h, struct hf_reader *r)
{
	struct hf_span info;

	if (hf_reader_vec8(r, &info))
		return -HF_TLS_R_EXTENSION_SYNTAX;
	if (info.len != 0)
		return -HF_TLS_R_RENEGOTIATION_INFO;
	h->secure_renegotiation = true;
	return 0;
}

static const struct {
	uint16_t number;
	int (*parse)(struct hf_tls_hello *h, struct hf_reader *r);
} ext[] = {
#define HF_TLS_EXT(number, name, parse) {number, parse},
#include "lib/tls/ext.def"
#undef HF_TLS_EXT
};

static int parse_extension(struct hf_tls_hello *h, uint16_t number, struct hf_span data)
{
	struct hf_reader r = hf_reader_of(data);

	for (size_t i = 0; i < HF_ARRAY_LEN(ext); i++) {
		int err;
		if (ext[i].number != number)
			continue;
		err = ext[i].parse(h, &r);
		if (err)
			return err;
		return hf_reader_left(&r) > 0 ? -HF_TLS_R_EXTENSION_SYNTAX : 0;
	}
	return 0;
}

/* A bit for each type that there is: a hello may carry four thousand extensions, and looking
 * through those before for each one would be a gift to an attacker. */
static int parse_extensions(struct hf_tls_hello *h, struct hf_span all)
{
	struct hf_reader r = hf_reader_of(all);
	uint64_t seen[(UINT16_MAX + 1) / 64] = {0};
	struct hf_span data;
	uint16_t number;

	while (hf_reader_left(&r) > 0) {
		uint64_t bit;
		int err;
		if (hf_reader_u16(&r, &number) || hf_reader_vec16(&r, &data))
			return -HF_TLS_R_HELLO_SYNTAX;
		bit = 1ull << number % 64;
		if (seen[number / 64] & bit)
			return -HF_TLS_R_EXTENSION_TWICE;
		seen[number / 64] |= bit;
		err = parse_extension(h, number, data);
		if (err)
			return err;
	}
	return 0;
}

int hf_tls_hello_parse(struct hf_span body, struct hf_tls_hello *h)
{
	struct hf_reader r = hf_reader_of(body);
	struct hf_span all;

	*h = (struct hf_tls_hello){0};
	if (hf_reader_u16(&r, &h->version) || hf_reader_bytes(&r, HF_TLS_RANDOM_LEN, &h->random) ||
		hf_reader_vec8(&r, &h->session_id) || h->session_id.len > HF_TLS_SESSION_ID_MAX ||
		hf_reader_vec16(&r, &h->suites) || h->suites.len == 0 || h->suites.len % 2 ||
		hf_reader_vec8(&r, &h->compressions) || h->compressions.len == 0)
		return -HF_TLS_R_HELLO_SYNTAX;
	h->secure_renegotiation = has_u16(h->suites, SCSV_RENEGOTIATION);
	if (hf_reader_left(&r) == 0)
		return 0; /* RFC 5246 7.4.1.2: extensions may be left out altogether */
	if (hf_reader_vec16(&r, &all) || hf_reader_left(&r) > 0)
		return -HF_TLS_R_HELLO_SYNTAX;
	return parse_extensions(h, all);
}

/* ---- choice ---- */

static bool name_eq(struct hf_span a, struct hf_span b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = a.len; i-- > 0;) /* names differ in front less often than in the end */
		if (hf_tls_lower(a.p[i]) != hf_tls_lower(b.p[i]))
			return false;
	return true;
}

/* "*.example.org" stands for exactly one label (RFC 6125 6.4.3). */
static bool wildcard_eq(struct hf_span pattern, struct hf_span name)
{
	while (name.len > 0 && name.p[0] != '.')
		name = hf_span(name.p + 1, name.len - 1);
	return pattern.len > 1 && pattern.p[0] == '*' &&
	       name_eq(hf_span(pattern.p + 1, pattern.len - 1), name);
}

static void choose_vhost(
	const struct hf_tls_site *site, struct hf_span name, struct hf_tls_choice *out)
{
	out->vhost = &site->vhost[0];
	out->name = HF_TLS_NAME_NONE;
	if (!name.p)
		return;
	/* RFC 6066 3: an unknown name gets the default, and no warning alert, which clients took
	 * for fatal. */
	out->name = HF_TLS_NAME_UNKNOWN;
	for (uint32_t i = 0; i < site->vhost_cnt; i++) {
		const struct hf_tls_vhost *v = &site->vhost[i];
		if (name_eq(v->name, name)) {
			out->vhost = v;
			out->name = HF_TLS_NAME_EXACT;
			return;
		}
		if (out->name == HF_TLS_NAME_UNKNOWN && wildcard_eq(v->name, name)) {
			out->vhost = v;
			out->name = HF_TLS_NAME_WILDCARD;
		}
	}
}

static bool has_name(struct hf_span list, struct hf_span want)
{
	struct hf_reader r = hf_reader_of(list);
	struct hf_span name;

	while (!hf_reader_vec8(&r, &name))
		if (hf_span_eq(name, want))
			return true;
	return false;
}

/* RFC 7301 3.2: a list on both sides and nothing in common is fatal. */
static int choose_alpn(struct hf_span list, struct hf_tls_choice *out)
{
	if (!list.p || out->vhost->alpn_cnt == 0)
		return 0;
	for (uint32_t i = 0; i < out->vhost->alpn_cnt; i++) {
		if (has_name(list, out->vhost->alpn[i])) {
			out->alpn = out->vhost->alpn[i];
			return 0;
		}
	}
	return -HF_TLS_R_NO_SHARED_PROTOCOL;
}

static const struct hf_tls_group groups[] = {{29, HF_GROUP_X25519}, {23, HF_GROUP_P256}};

/* NULL: none in common. RFC 8422 4: a client that says nothing takes any; P-256 is what such old
 * ones know. */
static const struct hf_tls_group *choose_group(struct hf_span offered)
{
	for (size_t i = 0; i < HF_ARRAY_LEN(groups); i++)
		if (offered.p ? has_u16(offered, groups[i].id) : groups[i].group == HF_GROUP_P256)
			return &groups[i];
	return NULL;
}

static const struct hf_tls_scheme schemes[] = {
	{0x0401, HF_SHA256}, {0x0501, HF_SHA384}, {0x0601, HF_SHA512}};

/* NULL: none in common. RFC 5246 7.4.1.4.1: a client that says nothing has said SHA-1, and only
 * then is it used. The chain's own signatures are not asked about: there is but one, which a client
 * that dislikes them refuses by itself. */
static const struct hf_tls_scheme *choose_scheme(struct hf_span offered)
{
	static const struct hf_tls_scheme unsaid = {0x0201, HF_SHA1};

	if (!offered.p)
		return &unsaid;
	for (size_t i = 0; i < HF_ARRAY_LEN(schemes); i++)
		if (has_u16(offered, schemes[i].id))
			return &schemes[i];
	return NULL;
}

bool hf_tls_hello_has_suite(
	const struct hf_tls_site *site, const struct hf_tls_hello *h, uint16_t suite)
{
	for (uint32_t i = 0; i < site->suite_cnt; i++)
		if (site->suite[i] == suite)
			return hf_tls_suite(suite) && has_u16(h->suites, suite);
	return false;
}

/* The reason tells how near it came. */
static int choose_suite(
	const struct hf_tls_site *site, const struct hf_tls_hello *h, struct hf_tls_choice *out)
{
	int err = -HF_TLS_R_NO_SHARED_SUITE;

	if (out->vhost->cert->key->type != HF_PK_RSA)
		return err; /* all that is served decrypts or signs with RSA */
	out->group = choose_group(h->groups);
	out->scheme = choose_scheme(h->signatures);
	for (uint32_t i = 0; i < site->suite_cnt; i++) {
		out->suite = hf_tls_suite(site->suite[i]);
		if (!out->suite || !has_u16(h->suites, site->suite[i]))
			continue;
		if (!out->suite->ecdhe || (out->group && out->scheme))
			return 0;
		err = out->group ? -HF_TLS_R_NO_SHARED_SIGNATURE : -HF_TLS_R_NO_SHARED_GROUP;
	}
	return err;
}

/* RFC 8446 4.2.1: where supported_versions is sent it alone counts; else RFC 5246 E.1, whatever is
 * above 1.2 means 1.2. TLS_FALLBACK_SCSV changes nothing: 1.2 is our highest version, so a hello
 * that could be an inappropriate fallback is refused for its version (RFC 7507 3). */
static int check_version(const struct hf_tls_hello *h)
{
	if (h->versions.p)
		return has_u16(h->versions, HF_TLS_12) ? 0 : -HF_TLS_R_NO_SHARED_VERSION;
	return h->version >= HF_TLS_12 ? 0 : -HF_TLS_R_OLD_VERSION;
}

int hf_tls_hello_choose(
	const struct hf_tls_site *site, const struct hf_tls_hello *h, struct hf_tls_choice *out)
{
	int err;

	*out = (struct hf_tls_choice){.point_formats = h->point_formats,
		.extended_master = h->extended_master,
		.session_ticket = h->session_ticket,
		.secure_renegotiation = h->secure_renegotiation};
	err = check_version(h);
	if (err)
		return err;
	if (!memchr(h->compressions.p, 0, h->compressions.len))
		return -HF_TLS_R_NO_NULL_COMPRESSION; /* RFC 5246 7.4.1.2 */
	choose_vhost(site, h->name, out);
	err = choose_alpn(h->alpn, out);
	return err ? err : choose_suite(site, h, out);
}

/* ---- answer ---- */

static void put_extensions(struct hf_writer *w, const struct hf_tls_choice *c)
{
	size_t data, list;

	if (c->secure_renegotiation) {
		hf_writer_u16(w, EXT_renegotiation_info);
		hf_writer_u16(w, 1);
		hf_writer_u8(w, 0);
	}
	/* RFC 6066 3: said when the name decided something. */
	if (c->name == HF_TLS_NAME_EXACT || c->name == HF_TLS_NAME_WILDCARD) {
		hf_writer_u16(w, EXT_server_name);
		hf_writer_u16(w, 0);
	}
	/* RFC 8422 5.2: only with a suite that needs it, only to who asked. */
	if (c->suite->ecdhe && c->point_formats) {
		hf_writer_u16(w, EXT_ec_point_formats);
		hf_writer_u16(w, 2);
		hf_writer_u8(w, 1);
		hf_writer_u8(w, POINT_UNCOMPRESSED);
	}
	if (c->extended_master) {
		hf_writer_u16(w, EXT_extended_master_secret);
		hf_writer_u16(w, 0);
	}
	if (c->session_ticket) {
		hf_writer_u16(w, EXT_session_ticket);
		hf_writer_u16(w, 0);
	}
	if (c->alpn.len > 0) {
		hf_writer_u16(w, EXT_alpn);
		data = hf_writer_open(w, 2);
		list = hf_writer_open(w, 2);
		hf_writer_u8(w, (unsigned)c->alpn.len);
		hf_writer_span(w, c->alpn);
		hf_writer_close(w, list, 2);
		hf_writer_close(w, data, 2);
	}
}

/* RFC 5246 7.4.1.3. The session id is the client's where its session goes on, a new one where ours
 * will be kept, empty otherwise. The block of extensions is left out when there is none, for clients that sent none must not get any. */
void hf_tls_hello_answer(
	struct hf_writer *w, const struct hf_tls_choice *c, const uint8_t random[HF_TLS_RANDOM_LEN])
{
	size_t message, extensions;

	hf_writer_u8(w, HF_TLS_MSG_SERVER_HELLO);
	message = hf_writer_open(w, 3);
	hf_writer_u16(w, HF_TLS_12);
	hf_writer_bytes(w, random, HF_TLS_RANDOM_LEN);
	hf_writer_u8(w, (unsigned)c->session_id.len);
	hf_writer_span(w, c->session_id);
	hf_writer_u16(w, c->suite->id);
	hf_writer_u8(w, 0);
	extensions = hf_writer_open(w, 2);
	put_extensions(w, c);
	if (w->len == extensions + 2)
		w->len = extensions;
	else
		hf_writer_close(w, extensions, 2);
	hf_writer_close(w, message, 3);
}
