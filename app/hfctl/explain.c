/* explain.c -- hfctl explain: makes or reads a ClientHello and asks the running handfast what it would
 * get. A name becomes the hello of a client of today, as far as options do not say otherwise; a file
 * holds one as captured: records (a hello may lie over several) or the bare message. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include "app/hfctl/hfctl.h"
#include "lib/base/span.h"

#define HELLO_MAX (4u + 16384u)
#define RECORD_HANDSHAKE 22u
#define MSG_CLIENT_HELLO 1u

/* What is offered; lists are comma-separated, numbers in hexadecimal. */
struct shape {
	const char *name, *suites, *groups, *signatures, *alpn, *versions, *listener;
};

static const struct shape today = {
	.suites = "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035",
	.groups = "001d,0017,0018",
	.signatures = "0403,0804,0401,0503,0805,0501,0806,0601",
	.alpn = "h2,http/1.1",
	.versions = "0304,0303",
};

/* ---- making ---- */

/* False: no list of such numbers. */
static bool put_list(struct hf_writer *w, const char *text)
{
	char *end;

	for (;;) {
		unsigned long v = strtoul(text, &end, 16);
		if (end == text || v > UINT16_MAX)
			return false;
		hf_writer_u16(w, (unsigned)v);
		if (!*end)
			return true;
		if (*end != ',')
			return false;
		text = end + 1;
	}
}

/* An extension whose data is one list behind a length of prefix_len bytes. */
static bool put_list_ext(struct hf_writer *w, unsigned number, const char *text, size_t prefix_len)
{
	size_t data, list;
	bool ok;

	if (!*text)
		return true;
	hf_writer_u16(w, number);
	data = hf_writer_open(w, 2);
	list = hf_writer_open(w, prefix_len);
	ok = put_list(w, text);
	hf_writer_close(w, list, prefix_len);
	hf_writer_close(w, data, 2);
	return ok;
}

static void put_empty_ext(struct hf_writer *w, unsigned number, const void *p, size_t len)
{
	hf_writer_u16(w, number);
	hf_writer_u16(w, (unsigned)len);
	hf_writer_bytes(w, p, len);
}

static void put_name(struct hf_writer *w, const char *name)
{
	size_t data, list, host;

	hf_writer_u16(w, 0); /* server_name, RFC 6066 3 */
	data = hf_writer_open(w, 2);
	list = hf_writer_open(w, 2);
	hf_writer_u8(w, 0);
	host = hf_writer_open(w, 2);
	hf_writer_bytes(w, name, strlen(name));
	hf_writer_close(w, host, 2);
	hf_writer_close(w, list, 2);
	hf_writer_close(w, data, 2);
}

static void put_alpn(struct hf_writer *w, const char *names)
{
	size_t data, list, len;

	if (!*names)
		return;
	hf_writer_u16(w, 16); /* RFC 7301 3.1 */
	data = hf_writer_open(w, 2);
	list = hf_writer_open(w, 2);
	for (; *names; names += len + (names[len] == ',')) {
		len = strcspn(names, ",");
		hf_writer_u8(w, (unsigned)len);
		hf_writer_bytes(w, names, len);
	}
	hf_writer_close(w, list, 2);
	hf_writer_close(w, data, 2);
}

/* RFC 5246 7.4.1.2. The random is zeros: nothing is ever computed with it. */
static bool make(const struct shape *s, struct hf_writer *w)
{
	static const uint8_t random[32], no_info[1] = {0}, points[2] = {1, 0};
	size_t message, list;
	bool ok;

	hf_writer_u8(w, MSG_CLIENT_HELLO);
	message = hf_writer_open(w, 3);
	hf_writer_u16(w, 0x0303);
	hf_writer_bytes(w, random, sizeof(random));
	hf_writer_u8(w, 0);
	list = hf_writer_open(w, 2);
	ok = put_list(w, s->suites);
	hf_writer_close(w, list, 2);
	hf_writer_u16(w, 0x0100);
	list = hf_writer_open(w, 2);
	if (*s->name)
		put_name(w, s->name);
	put_empty_ext(w, 23, NULL, 0); /* extended_master_secret */
	put_empty_ext(w, 0xff01, no_info, sizeof(no_info));
	ok &= put_list_ext(w, 10, s->groups, 2);
	put_empty_ext(w, 11, points, sizeof(points));
	put_empty_ext(w, 35, NULL, 0); /* session_ticket */
	put_alpn(w, s->alpn);
	ok &= put_list_ext(w, 13, s->signatures, 2);
	ok &= put_list_ext(w, 43, s->versions, 1);
	hf_writer_close(w, list, 2);
	hf_writer_close(w, message, 3);
	return ok && !w->overflow;
}

/* ---- reading ---- */

/* Takes the records away; the message, whole and nothing behind it. */
static bool unwrap(struct hf_span file, struct hf_writer *w)
{
	struct hf_reader r = hf_reader_of(file);
	struct hf_span body;
	uint16_t version;
	uint8_t type;

	if (file.len == 0 || file.p[0] != RECORD_HANDSHAKE) {
		hf_writer_span(w, file);
	} else {
		while (hf_reader_left(&r) > 0) {
			if (hf_reader_u8(&r, &type) || hf_reader_u16(&r, &version) ||
				hf_reader_vec16(&r, &body) || type != RECORD_HANDSHAKE)
				return false;
			hf_writer_span(w, body);
		}
	}
	r = hf_reader(w->p, w->len);
	return !w->overflow && !hf_reader_u8(&r, &type) && type == MSG_CLIENT_HELLO &&
	       !hf_reader_vec24(&r, &body) && hf_reader_left(&r) == 0;
}

static bool read_file(const char *path, struct hf_writer *w)
{
	static uint8_t bytes[2 * HELLO_MAX];
	FILE *f = fopen(path, "re");
	size_t len;

	if (!f) {
		fprintf(stderr, "hfctl: %s: %s; run as a user that may read it\n", path,
			strerror(errno));
		return false;
	}
	len = fread(bytes, 1, sizeof(bytes), f);
	(void)fclose(f);
	if (unwrap(hf_span(bytes, len), w))
		return true;
	fprintf(stderr,
		"hfctl: %s: is no ClientHello; save the TLS records of the client's first message, "
		"or the message itself, as raw bytes\n",
		path);
	return false;
}

/* ---- asking ---- */

static char *request_of(struct hf_span hello, const char *listener)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	HF_ASSERT(f);
	fputs("explain ", f);
	for (size_t i = 0; i < hello.len; i++)
		fprintf(f, "%02x", hello.p[i]);
	fprintf(f, " %s", listener);
	HF_ASSERT(fclose(f) == 0);
	return text;
}

static int ask(const char *socket, char *request)
{
	int status = hfctl_ask_and_print(socket, request);

	free(request);
	return status;
}

static int options(int argc, char **argv, struct shape *s)
{
	int opt;

	optind = 0; /* getopt begins anew */
	while ((opt = getopt(argc, argv, "+l:v:c:g:s:a:")) != -1) {
		const char **field = opt == 'l'   ? &s->listener
				     : opt == 'v' ? &s->versions
				     : opt == 'c' ? &s->suites
				     : opt == 'g' ? &s->groups
				     : opt == 's' ? &s->signatures
						  : &s->alpn;
		if (opt == '?')
			return -1;
		*field = optarg;
	}
	return optind == argc - 1 ? 0 : -1;
}

int hfctl_explain(const char *socket, int argc, char **argv)
{
	static uint8_t hello[HELLO_MAX];
	struct hf_writer w = hf_writer(hello, sizeof(hello));
	struct shape s = today;
	char *request;

	s.listener = "";
	if (options(argc, argv, &s)) {
		fputs("hfctl: explain takes NAME, FILE or '#FAILURE', and before it -l LISTENER,\n"
		      "  -v VERSIONS -c SUITES -g GROUPS -s SIGNATURES (hexadecimal, as "
		      "0304,0303;\n"
		      "  \"\" leaves the extension out) and -a PROTOCOLS (as h2,http/1.1)\n",
			stderr);
		return 2;
	}
	s.name = argv[optind];
	if (s.name[0] == '#') {
		HF_ASSERT(asprintf(&request, "explain %s %s", s.name, s.listener) > 0);
		return ask(socket, request);
	}
	if (access(s.name, F_OK) == 0) {
		if (!read_file(s.name, &w))
			return 1;
	} else if (!make(&s, &w)) {
		fputs("hfctl: the lists are hexadecimal numbers with commas between them\n",
			stderr);
		return 2;
	}
	return ask(socket, request_of(hf_span(w.p, w.len), s.listener));
}
