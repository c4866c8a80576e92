/* mix.c -- the clients that hfbench can be, by name. An option given beside --mix wins over it. */
#include <stdlib.h>
#include "bench/hfbench/hfbench.h"

static const uint16_t browser_groups[] = {29, 23, 0}, captured_groups[] = {23, 0};

#define GCM "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"

/* clang-format off */
static const struct bench_mix mixes[] = {
	{.name = "plain", .help = "full handshakes as a present client's that knows TLS 1.2 (the default)",
	 .cipher = GCM ":AES128-GCM-SHA256:AES128-SHA", .group = browser_groups, .ems = true, .pss = true},
	{.name = "capture-rsa", .help = "RSA key exchange, AES128-CBC-SHA, the captured hello of 214 bytes",
	 .cipher = "AES128-SHA", .group = captured_groups, .alpn = "http/1.1", .record_len = 214},
	{.name = "capture-ecdhe", .help = "ECDHE on P-256, RSA signature, AES128-GCM, ALPN, no extended master secret",
	 .cipher = "ECDHE-RSA-AES128-GCM-SHA256", .group = captured_groups, .alpn = "http/1.1", .record_len = 226},
	{.name = "modern", .help = "ECDHE on X25519, ECDSA or RSA by the server's certificate, AES128-GCM",
	 .cipher = GCM, .group = browser_groups, .alpn = "http/1.1", .ems = true, .pss = true},
	{.name = "resumed", .help = "modern, and every visit but the first one of each place resumed by ticket",
	 .cipher = GCM, .group = browser_groups, .alpn = "http/1.1", .ems = true, .pss = true,
	 .resume = RESUME_TICKET, .resume_percent = 100},
	{.name = "browser-2026", .help = "hellos with a hybrid key share (1.6 KB), half of them resumed, one request each",
	 .cipher = GCM, .group = browser_groups, .alpn = "http/1.1", .ems = true, .pss = true, .browser = true,
	 .resume = RESUME_TICKET, .resume_percent = 50, .request = "/"},
	{.name = "bulk", .help = "16 connections that fetch 1 MB again and again, AES128-GCM",
	 .cipher = GCM, .group = browser_groups, .ems = true, .pss = true, .request = "/files/1m",
	 .requests = BENCH_UNLIMITED, .concurrent = 16},
	{.name = "storm", .help = "a cold restart: 1000 clients come at once with tickets that nobody knows any more",
	 .cipher = GCM, .group = browser_groups, .alpn = "http/1.1", .ems = true, .pss = true, .stale = true,
	 .concurrent = 1000, .once = true},
};
/* clang-format on */

const struct bench_mix *bench_mix_find(const char *name)
{
	size_t i;
	for (i = 0; i < HF_ARRAY_LEN(mixes); i++)
		if (!strcmp(mixes[i].name, name))
			return &mixes[i];
	return NULL;
}

void bench_mix_list(FILE *f)
{
	size_t i;
	for (i = 0; i < HF_ARRAY_LEN(mixes); i++)
		fprintf(f, "  %-14s %s\n", mixes[i].name, mixes[i].help);
}

/* The option is the user's word; what he did not say the mix says. */
void bench_mix_apply(struct bench_opt *o)
{
	const struct bench_mix *m = o->mix;
	o->cipher = o->cipher ? o->cipher : m->cipher;
	o->request = o->request ? o->request : m->request;
	if (!o->requests)
		o->requests = m->requests ? m->requests : 1;
	if (!o->concurrent && !o->rate)
		o->concurrent = m->concurrent;
	if (!o->resume_given) {
		o->resume = m->resume;
		o->resume_percent = m->resume_percent;
	}
	o->stale = m->stale;
	o->tls.group = m->group;
	o->tls.alpn = m->alpn;
	o->tls.ems = m->ems;
	o->tls.pss = m->pss;
	o->tls.browser = m->browser;
	o->tls.record_len = m->record_len;
	o->tls.tickets = o->resume != RESUME_ID;
	if (m->once && !o->total && !o->seconds)
		o->total = o->concurrent ? o->concurrent : 1000;
}

const char *bench_suites_parse(struct btls_cfg *cfg, const char *names)
{
	static char wrong[1024];
	const char *at = names, *end;
	for (; *at; at = *end ? end + 1 : end) {
		end = at + strcspn(at, ":");
		if (cfg->suite_cnt == BTLS_SUITES_MAX)
			return "--cipher: too many names";
		cfg->suite[cfg->suite_cnt] = btls_suite(at, (size_t)(end - at));
		if (!cfg->suite[cfg->suite_cnt++]) {
			char all[800];
			(void)snprintf(wrong, sizeof(wrong), "--cipher %.*s: want one of %s",
				(int)(end - at), at, btls_suite_names(all, sizeof(all)));
			return wrong;
		}
	}
	return cfg->suite_cnt ? NULL : "--cipher: wants a name";
}
