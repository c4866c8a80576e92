/* tls_hello.c -- the ClientHello is the only message that a stranger fills as he likes, so it is
 * read in two steps that know nothing of each other: parse says what the bytes mean (or that they
 * mean nothing), choose says what we agree to, given the site. Lists of the client are searched in
 * our order, never in his. What is unknown is skipped; what is known must be right; nothing may be
 * said twice. The ServerHello is then written from the choice alone. */
#include "lib/tls/tls_hs.h"

#define SCSV_RENEGOTIATION 0x00ffu /* RFC 5746 3.3 */
#define SCSV_FALLBACK 0x5600u      /* RFC 7507 2 */
#define LABEL_MAX 63u              /* RFC 1035 2.3.4 */
#define POINT_UNCOMPRESSED 0       /* RFC 8422 5.1.2 */
#define MAX_FRAGMENT_UNIT 256u     /* shifted by the code, RFC 6066 4 */
#define STATUS_OCSP 1u             /* RFC 6066 8 */
#define GROUP_P256 23u             /* RFC 8422 5.1.1 */
#define GROUP_P384 24u

enum {
#define HF_TLS_EXT(number, name, parse) EXT_##name = number,
#include "lib/tls/ext.def"
#undef HF_TLS_EXT
};

bool hf_tls_has_u16(struct hf_span list, uint16_t want)
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

/* RFC 6066 4: 2^9 to 2^12 as 1 to 4; any other value is fatal. */
static int parse_max_fragment(struct hf_tls_hello *h, struct hf_reader *r)
{
	uint8_t code;

	if (hf_reader_u8(r, &code))
		return -HF_TLS_R_EXTENSION_SYNTAX;
	if (code < 1 || code > 4)
		return -HF_TLS_R_MAX_FRAGMENT;
	h->plain_max = (uint16_t)(MAX_FRAGMENT_UNIT << code);
	return 0;
}

/* RFC 6066 8. Which responders it trusts and with which extensions: there is but one answer. */
static int parse_status_request(struct hf_tls_hello *h, struct hf_reader *r)
{
	struct hf_span responders, extensions;
	uint8_t type;

	if (hf_reader_u8(r, &type))
		return -HF_TLS_R_EXTENSION_SYNTAX;
	if (type != STATUS_OCSP)
		return hf_reader_skip(
			r, hf_reader_left(r)); /* of another form, not ours to judge */
	if (hf_reader_vec16(r, &responders) || hf_reader_vec16(r, &extensions))
		return -HF_TLS_R_EXTENSION_SYNTAX;
	h->status_request = true;
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

static int parse_encrypt_then_mac(struct hf_tls_hello *h, struct hf_reader *r)
{
	(void)r; /* empty, which the caller checks */
	h->encrypt_then_mac = true;
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

static void read_signals(struct hf_tls_hello *h)
{
	h->secure_renegotiation = hf_tls_has_u16(h->suites, SCSV_RENEGOTIATION);
	h->fallback = hf_tls_has_u16(h->suites, SCSV_FALLBACK);
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
	read_signals(h);
	if (hf_reader_left(&r) == 0)
		return 0; /* RFC 5246 7.4.1.2: extensions may be left out altogether */
	if (hf_reader_vec16(&r, &all) || hf_reader_left(&r) > 0)
		return -HF_TLS_R_HELLO_SYNTAX;
	return parse_extensions(h, all);
}

/* Of three bytes those with 0 in front are TLS's suites, the others SSLv2's own. */
static struct hf_span v2_suites(struct hf_span specs, uint8_t *room)
{
	size_t len = 0;

	for (size_t i = 0; i < specs.len; i += 3) {
		if (specs.p[i] != 0)
			continue;
		memcpy(room + len, specs.p + i + 1, 2);
		len += 2;
	}
	return hf_span(room, len);
}

int hf_tls_hello_parse_v2(
	struct hf_span message, struct hf_tls_v2_room *room, struct hf_tls_hello *h)
{
	static const uint8_t null_compression;
	struct hf_reader r = hf_reader_of(message);
	uint16_t specs_len, id_len, challenge_len;
	struct hf_span specs, challenge;
	uint8_t type;

	*h = (struct hf_tls_hello){.compressions = hf_span(&null_compression, 1)};
	if (message.len > HF_TLS_V2_HELLO_MAX || hf_reader_u8(&r, &type) ||
		hf_reader_u16(&r, &h->version) || hf_reader_u16(&r, &specs_len) ||
		hf_reader_u16(&r, &id_len) || hf_reader_u16(&r, &challenge_len) || specs_len == 0 ||
		specs_len % 3 || id_len != 0 || challenge_len < 16 ||
		challenge_len > HF_TLS_RANDOM_LEN || hf_reader_bytes(&r, specs_len, &specs) ||
		hf_reader_bytes(&r, challenge_len, &challenge) || hf_reader_left(&r) > 0)
		return -HF_TLS_R_HELLO_SYNTAX;
	memset(room->random, 0, sizeof(room->random));
	memcpy(room->random + sizeof(room->random) - challenge_len, challenge.p, challenge_len);
	h->random = hf_span(room->random, sizeof(room->random));
	h->suites = v2_suites(specs, room->suites);
	read_signals(h);
	return 0;
}

/* ---- choice ---- */

/* "*.example.org" stands for exactly one label (RFC 6125 6.4.3). */
static bool wildcard_eq(struct hf_span pattern, struct hf_span name)
{
	while (name.len > 0 && name.p[0] != '.')
		name = hf_span(name.p + 1, name.len - 1);
	return pattern.len > 1 && pattern.p[0] == '*' &&
	       hf_span_eq_nocase(hf_span(pattern.p + 1, pattern.len - 1), name);
}

static void find_vhost(
	const struct hf_tls_site *site, struct hf_span name, struct hf_tls_choice *out)
{
	out->vhost = &site->vhost[0];
	out->name = HF_TLS_NAME_NONE;
	if (!name.p)
		return;
	out->name = HF_TLS_NAME_UNKNOWN;
	for (uint32_t i = 0; i < site->vhost_cnt; i++) {
		const struct hf_tls_vhost *v = &site->vhost[i];
		if (hf_span_eq_nocase(v->name, name)) {
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

/* RFC 6066 3: an unknown name gets the default or a fatal alert, but no warning, which clients took
 * for fatal anyway. */
static int choose_vhost(
	const struct hf_tls_site *site, struct hf_span name, struct hf_tls_choice *out)
{
	find_vhost(site, name, out);
	if (site->strict && (out->name == HF_TLS_NAME_NONE || out->name == HF_TLS_NAME_UNKNOWN))
		return -HF_TLS_R_UNKNOWN_NAME;
	return 0;
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
		if (has_name(list, out->vhost->alpn[i].name)) {
			out->protocol = &out->vhost->alpn[i];
			return 0;
		}
	}
	return -HF_TLS_R_NO_SHARED_PROTOCOL;
}

/* NULL: none in common. RFC 8422 4: a client that says nothing takes any; P-256 is what such old
 * ones know. */
static const struct hf_tls_group *choose_group(
	const struct hf_tls_site *site, struct hf_span offered)
{
	for (uint32_t i = 0; i < site->group_cnt; i++) {
		uint16_t id = site->group[i];

		if (offered.p ? hf_tls_has_u16(offered, id) : id == GROUP_P256)
			return hf_tls_group(id);
	}
	return NULL;
}

/* RFC 8422 5.1: the curve of an ECDSA key must be among the client's, if it names any. */
static bool knows_curve(const struct hf_tls_hello *h, enum hf_pk_type key)
{
	return key == HF_PK_RSA || !h->groups.p ||
	       hf_tls_has_u16(h->groups, key == HF_PK_EC_P256 ? GROUP_P256 : GROUP_P384);
}

bool hf_tls_hello_has_suite(
	const struct hf_tls_site *site, const struct hf_tls_hello *h, uint16_t suite)
{
	for (uint32_t i = 0; i < site->suite_cnt; i++)
		if (site->suite[i] == suite)
			return hf_tls_suite(suite) && hf_tls_has_u16(h->suites, suite);
	return false;
}

/* The first certificate that the suite can use and the client can check. The chain's own signatures
 * are not asked about: who dislikes them refuses by himself. */
static int choose_cert(const struct hf_tls_hello *h, struct hf_tls_choice *out)
{
	int err = -HF_TLS_R_NO_SHARED_KEY_TYPE;

	for (uint32_t i = 0; i < out->vhost->cert_cnt; i++) {
		enum hf_pk_type key = out->vhost->cert[i]->key->type;

		if (out->suite->ecdsa != (key != HF_PK_RSA) || !knows_curve(h, key))
			continue;
		out->cert = out->vhost->cert[i];
		out->scheme = hf_tls_scheme(key, h->signatures);
		if (out->scheme || out->suite->kx == HF_TLS_KX_RSA)
			return 0;
		err = -HF_TLS_R_NO_SHARED_SIGNATURE;
	}
	return err;
}

/* All that the suite needs. */
static int try_suite(const struct hf_tls_hello *h, struct hf_tls_choice *out)
{
	if (out->suite->kx == HF_TLS_KX_ECDHE && !out->group)
		return -HF_TLS_R_NO_SHARED_GROUP;
	return choose_cert(h, out);
}

/* Whoever puts ChaCha20 first among what we serve has no AES in hardware. */
static bool likes_chacha(const struct hf_tls_hello *h)
{
	struct hf_reader r = hf_reader_of(h->suites);
	const struct hf_tls_suite *s = NULL;
	uint16_t id;

	while (!s && !hf_reader_u16(&r, &id))
		s = hf_tls_suite(id);
	return s && s->cipher == HF_CIPHER_CHACHA20_POLY1305;
}

/* In our order, or its ChaCha20 suites alone. The reason tells how near it came. */
static int choose_among(const struct hf_tls_site *site, const struct hf_tls_hello *h,
	bool chacha_only, struct hf_tls_choice *out)
{
	int err = -HF_TLS_R_NO_SHARED_SUITE, tried;

	for (uint32_t i = 0; i < site->suite_cnt; i++) {
		out->suite = hf_tls_suite(site->suite[i]);
		if (!out->suite || !hf_tls_has_u16(h->suites, site->suite[i]))
			continue;
		if (chacha_only && out->suite->cipher != HF_CIPHER_CHACHA20_POLY1305)
			continue;
		tried = try_suite(h, out);
		if (!tried)
			return 0;
		if (err == -HF_TLS_R_NO_SHARED_SUITE || err == -HF_TLS_R_NO_SHARED_KEY_TYPE)
			err = tried;
	}
	return err;
}

static int choose_suite(
	const struct hf_tls_site *site, const struct hf_tls_hello *h, struct hf_tls_choice *out)
{
	out->group = choose_group(site, h->groups);
	if (likes_chacha(h) && !choose_among(site, h, true, out))
		return 0;
	return choose_among(site, h, false, out);
}

/* RFC 7366 3: encrypt-then-MAC is for block ciphers. */
void hf_tls_hello_settle(const struct hf_tls_hello *h, struct hf_tls_choice *c)
{
	c->encrypt_then_mac = h->encrypt_then_mac && !hf_cipher_info[c->suite->cipher].aead;
	c->status = h->status_request && !c->resumed && c->cert->status_len > 0;
}

/* RFC 8446 4.2.1: where supported_versions is sent it alone counts; else RFC 5246 E.1, whatever is
 * above 1.2 means 1.2. A client that says it has fallen back to an older one was made to, for 1.2 it
 * would have got (RFC 7507 3). */
static int check_version(const struct hf_tls_hello *h)
{
	if (h->versions.p)
		return hf_tls_has_u16(h->versions, HF_TLS_12) ? 0 : -HF_TLS_R_NO_SHARED_VERSION;
	if (h->version >= HF_TLS_12)
		return 0;
	return h->fallback ? -HF_TLS_R_FALLBACK : -HF_TLS_R_OLD_VERSION;
}

int hf_tls_hello_choose(
	const struct hf_tls_site *site, const struct hf_tls_hello *h, struct hf_tls_choice *out)
{
	int err;

	*out = (struct hf_tls_choice){.point_formats = h->point_formats,
		.extended_master = h->extended_master,
		.plain_max = h->plain_max,
		.session_ticket = h->session_ticket,
		.secure_renegotiation = h->secure_renegotiation};
	err = check_version(h);
	if (err)
		return err;
	if (!memchr(h->compressions.p, 0, h->compressions.len))
		return -HF_TLS_R_NO_NULL_COMPRESSION; /* RFC 5246 7.4.1.2 */
	err = choose_vhost(site, h->name, out);
	if (!err)
		err = choose_alpn(h->alpn, out);
	if (!err)
		err = choose_suite(site, h, out);
	if (!err)
		hf_tls_hello_settle(h, out);
	return err;
}

/* ---- answer ---- */

static void put_empty(struct hf_writer *w, bool said, unsigned number)
{
	if (!said)
		return;
	hf_writer_u16(w, number);
	hf_writer_u16(w, 0);
}

/* RFC 6066 4: the client's own value. */
static void put_max_fragment(struct hf_writer *w, const struct hf_tls_choice *c)
{
	if (!c->plain_max)
		return;
	hf_writer_u16(w, EXT_max_fragment_length);
	hf_writer_u16(w, 1);
	for (unsigned code = 1; code <= 4; code++)
		if (c->plain_max == MAX_FRAGMENT_UNIT << code)
			hf_writer_u8(w, code);
}

static void put_alpn(struct hf_writer *w, const struct hf_tls_protocol *protocol)
{
	size_t data, list;

	if (!protocol)
		return;
	hf_writer_u16(w, EXT_alpn);
	data = hf_writer_open(w, 2);
	list = hf_writer_open(w, 2);
	hf_writer_u8(w, (unsigned)protocol->name.len);
	hf_writer_span(w, protocol->name);
	hf_writer_close(w, list, 2);
	hf_writer_close(w, data, 2);
}

static void put_extensions(struct hf_writer *w, const struct hf_tls_choice *c)
{
	if (c->secure_renegotiation) {
		hf_writer_u16(w, EXT_renegotiation_info);
		hf_writer_u16(w, 1);
		hf_writer_u8(w, 0);
	}
	/* RFC 6066 3: said when the name decided something. */
	put_empty(w, c->name == HF_TLS_NAME_EXACT || c->name == HF_TLS_NAME_WILDCARD,
		EXT_server_name);
	put_max_fragment(w, c);
	put_empty(w, c->status, EXT_status_request);
	/* RFC 8422 5.2: only with a suite that needs it, only to who asked. */
	if (c->suite->kx == HF_TLS_KX_ECDHE && c->point_formats) {
		hf_writer_u16(w, EXT_ec_point_formats);
		hf_writer_u16(w, 2);
		hf_writer_u8(w, 1);
		hf_writer_u8(w, POINT_UNCOMPRESSED);
	}
	put_empty(w, c->encrypt_then_mac, EXT_encrypt_then_mac);
	put_empty(w, c->extended_master, EXT_extended_master_secret);
	put_empty(w, c->session_ticket, EXT_session_ticket);
	put_alpn(w, c->protocol);
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
