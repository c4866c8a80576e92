/* hellos.c -- why handshakes fail and how they are chosen, told from ClientHellos: those of the last
 * failures, and those somebody asks about. Everything is read from the bytes of the hello, by the
 * engine's own functions (lib/tls/explain.h), against the site that is served now. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "app/handfast/serve.h"
#include "app/handfast/site_load.h"
#include "lib/tls/explain.h"
#include "lib/tls/ja4.h"

#define HELLO_MAX (4u + 16384u)

/* ---- a hello in words ---- */

static void ja4_text(struct hf_span hello, char out[HF_JA4_LEN + 1])
{
	const struct hf_pki_driver *d = hf_site_pki();
	uint8_t suites[32], rest[32];
	struct hf_ja4 j;

	memcpy(out, "-", 2);
	if (hello.len < 4 || hf_ja4_read(hf_span(hello.p + 4, hello.len - 4), &j))
		return;
	d->sha256(hf_span(j.suites, j.suites_len), suites);
	d->sha256(hf_span(j.rest, j.rest_len), rest);
	hf_ja4_write(&j, suites, rest, out);
	out[HF_JA4_LEN] = 0;
}

static void list_text(FILE *out, const char *what, struct hf_span list)
{
	struct hf_reader r = hf_reader_of(list);
	const char *sep = "";
	uint16_t v;

	if (!list.p)
		return;
	fprintf(out, " %s=", what);
	for (; !hf_reader_u16(&r, &v); sep = ",")
		fprintf(out, "%s%04x", sep, v);
}

/* A name of the wire: the parser has seen that it is a DNS name. */
static void hello_text(FILE *out, struct hf_span hello)
{
	char ja4[HF_JA4_LEN + 1];
	struct hf_tls_offer o;

	ja4_text(hello, ja4);
	hf_tls_offer_read(hello, &o);
	fprintf(out, "ja4=%s", ja4);
	if (o.name.p)
		fprintf(out, " name=%.*s", (int)o.name.len, (const char *)o.name.p);
	list_text(out, "versions", o.versions);
	list_text(out, "suites", o.suites);
	list_text(out, "groups", o.groups);
	list_text(out, "signatures", o.signatures);
}

/* ---- failures ---- */

static const char *sent_name(uint8_t why)
{
	uint8_t alert = hf_tls_reason_alert(why);

	return alert == UINT8_MAX ? "-" : hf_tls_alert_name(alert);
}

static void failure_text(FILE *out, uint64_t n, const struct hf_serve_failure *f)
{
	const struct hf_event *e = &f->event;
	time_t s = (time_t)(f->wall_ns / HF_NS_S);
	char when[16];
	struct tm tm;

	gmtime_r(&s, &tm);
	(void)strftime(when, sizeof(when), "%H:%M:%S", &tm);
	fprintf(out, "#%-6llu %s.%03u %-6u %-21s %-20s %-13s %-20s %s\n", (unsigned long long)n,
		when, (unsigned)(f->wall_ns / HF_NS_MS % 1000), f->worker,
		hf_os_endpoint_text(&e->peer, e->peer_port).s, hf_tls_reason_name(e->why),
		hf_tls_stage_name(e->stage), sent_name(e->why),
		e->why == HF_TLS_R_PEER_ALERT ? hf_tls_alert_name(e->alert) : "-");
	fprintf(out, "        %s\n", hf_tls_reason_help(e->why));
	if (e->hello_len == 0)
		return;
	fputs("        ", out);
	hello_text(out, hf_span(e->hello, e->hello_len));
	fputc('\n', out);
}

static uint64_t failure_first(const struct hf_serve *sv)
{
	return sv->failure_cnt > HF_SERVE_FAILURES ? sv->failure_cnt - HF_SERVE_FAILURES : 0;
}

void hf_hellos_failures(void *arg, FILE *out)
{
	const struct hf_serve *sv = ((struct hf_app *)arg)->serve;

	if (sv->failure_cnt == 0) {
		fputs("no connection has failed\n", out);
		return;
	}
	fprintf(out, "%-7s %-12s %-6s %-21s %-20s %-13s %-20s %s\n", "number", "time (UTC)",
		"worker", "client", "reason", "waited for", "alert sent", "alert received");
	for (uint64_t n = failure_first(sv); n < sv->failure_cnt; n++)
		failure_text(out, n, &sv->failure[n % HF_SERVE_FAILURES]);
}

/* ---- explain ---- */

struct asked {
	FILE *out;
	const struct hf_app *app;
	const struct hf_loaded_site *site;
	struct hf_span hello;
};

static void suite_text(const struct asked *a, const struct hf_tls_site *site, uint16_t suite,
	const struct hf_tls_answer *whole)
{
	struct hf_tls_answer alone;

	hf_tls_explain(site, a->hello, suite, &alone);
	fprintf(a->out, "    %-46s ", hf_tls_suite_name(suite));
	if (alone.reason != HF_TLS_R_OK)
		fprintf(a->out, "no: %s\n", hf_tls_reason_help(alone.reason));
	else
		fputs(suite == whole->suite ? "taken\n" : "would do, but stands behind\n", a->out);
}

static void cert_text(const struct asked *a, const struct hf_tls_cert *cert)
{
	const struct hf_config_certificate *named = a->app->cfg.certificates;
	uint32_t i = (uint32_t)(cert - a->site->tls_cert);
	const struct hf_pki_cert *c = &a->site->cert[i];
	int64_t left = c->not_after_s - (int64_t)(hf_os_wall_ns() / HF_NS_S);

	fprintf(a->out, "  certificate  %s: %s, %s%s\n", named[i].name, c->subject,
		hf_os_time_text(left < 0 ? -left : left).s, left < 0 ? " over" : " left");
}

static void client_text(const struct asked *a, const struct hf_tls_client_auth *auth)
{
	if (auth)
		fprintf(a->out, "  client       is asked for a certificate, %s; %u authorities\n",
			auth->required ? "which is required" : "which it may lack",
			auth->ca->cert_cnt);
}

static void answer_text(const struct asked *a, uint32_t i)
{
	const struct hf_tls_site *site = &a->site->site->listener[i].tls;
	const struct hf_config_listener *l = &a->app->cfg.listeners[i];
	struct hf_tls_answer w;

	hf_tls_explain(site, a->hello, 0, &w);
	fprintf(a->out, "listener %s\n", l->name);
	if (w.vhost)
		fprintf(a->out, "  host         %.*s%s(%s)\n", (int)w.vhost->name.len,
			(const char *)w.vhost->name.p, w.vhost->name.len ? " " : "", w.name_match);
	if (w.reason != HF_TLS_R_OK) {
		fprintf(a->out, "  refused      %s: %s; alert %s\n", hf_tls_reason_name(w.reason),
			hf_tls_reason_help(w.reason), sent_name((uint8_t)w.reason));
	} else {
		cert_text(a, w.cert);
		fprintf(a->out, "  suite        %s\n", hf_tls_suite_name(w.suite));
		if (w.group)
			fprintf(a->out, "  group        %s, signed with %s\n",
				hf_tls_group_name(w.group), hf_tls_scheme_name(w.scheme));
		else
			fputs("  group        none: RSA key exchange, no forward secrecy\n",
				a->out);
		client_text(a, w.vhost->auth);
		fprintf(a->out, "  protocol     %.*s\n", w.alpn.len ? (int)w.alpn.len : 4,
			w.alpn.len ? (const char *)w.alpn.p : "none");
		fprintf(a->out, "  backend      %s\n", a->app->cfg.backends[l->backend.index].name);
	}
	if (!w.vhost)
		return;
	fputs("  suites, ours in order:\n", a->out);
	for (uint32_t s = 0; s < site->suite_cnt; s++)
		suite_text(a, site, site->suite[s], &w);
}

static int digit(char c)
{
	const char *at = strchr("0123456789abcdef", c);

	return c && at ? (int)(at - "0123456789abcdef") : -1;
}

/* False: no hexadecimal, or too much of it. */
static bool unhex(const char *text, uint8_t *out, size_t *len)
{
	for (*len = 0; text[0] && *len < HELLO_MAX; text += 2) {
		int high = digit(text[0]), low = high < 0 ? -1 : digit(text[1]);

		if (low < 0)
			return false;
		out[(*len)++] = (uint8_t)(high << 4 | low);
	}
	return !text[0] && *len > 0;
}

/* "#N" is the hello of that failure. */
static bool hello_of(
	const struct hf_serve *sv, FILE *out, const char *text, uint8_t *buf, size_t *len)
{
	const struct hf_event *e;
	unsigned long long n;
	char *end;

	if (text[0] != '#') {
		if (unhex(text, buf, len))
			return true;
		fputs("error: not a ClientHello in hexadecimal; hfctl explain makes one\n", out);
		return false;
	}
	n = strtoull(text + 1, &end, 10);
	if (!text[1] || *end || n < failure_first(sv) || n >= sv->failure_cnt) {
		fprintf(out, "error: no failure %s is remembered; see failures\n", text);
		return false;
	}
	e = &sv->failure[n % HF_SERVE_FAILURES].event;
	*len = e->hello_len;
	memcpy(buf, e->hello, *len);
	if (*len == 0)
		fprintf(out, "error: failure %s came before a ClientHello\n", text);
	return *len > 0;
}

void hf_hellos_explain(void *arg, FILE *out, const char *hello, const char *listener)
{
	static uint8_t buf[HELLO_MAX];
	const struct hf_app *app = arg;
	struct asked a = {.out = out, .app = app, .site = app->serve->sites};
	bool any = false;
	size_t len;

	if (!hello_of(app->serve, out, hello, buf, &len))
		return;
	a.hello = hf_span(buf, len);
	fputs("hello    ", out);
	hello_text(out, a.hello);
	fputc('\n', out);
	for (uint32_t i = 0; i < app->cfg.listeners_cnt; i++) {
		if (*listener && strcmp(listener, app->cfg.listeners[i].name) != 0)
			continue;
		any = true;
		answer_text(&a, i);
	}
	if (!any)
		fprintf(out, "error: no listener \"%s\"; name one of the options, or none\n",
			listener);
}
