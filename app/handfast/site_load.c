/* site_load.c -- one generation, built off the data path. Every DNS name of a certificate becomes a
 * virtual host of the listeners that use it, with every certificate that answers for it, of whatever
 * kind of key; the first certificate of a listener is also its default, the nameless row 0. Arrays
 * are counted first and taken once. */
#include <errno.h>
#include <stdlib.h>
#include "app/handfast/site_load.h"
#include "drivers/drivers.h"

/* The options do not have these (yet); the reasons are with the numbers. */
#define RECORD_NS (10 * HF_NS_S)  /* a 16 KB record at 13 kbit/s */
#define BACKEND_NS (10 * HF_NS_S) /* a backend that restarts */

const struct hf_pki_driver *hf_site_pki(void)
{
	for (const struct hf_pki_driver *const *d = hf_pki_drivers; *d; d++)
		if ((*d)->probe())
			return *d;
	return NULL;
}

/* The driver's errors begin with the file that is wrong. */
static const void *file_meant(const struct hf_config_certificate *c, const char *error)
{
	const char *const *const file[] = {&c->key, &c->ocsp, &c->client_ca};

	for (size_t i = 0; i < HF_ARRAY_LEN(file); i++) {
		size_t len = *file[i] ? strlen(*file[i]) : 0;
		if (len && strncmp(error, *file[i], len) == 0 && error[len] == ':')
			return file[i];
	}
	return &c->chain;
}

static void warn_all(const struct hf_config_certificate *c, const struct hf_pki_report *report)
{
	for (uint32_t w = 0; w < report->warning_cnt; w++)
		hf_log(HF_LOG_WARN, "site", "certificate %s: %s", c->name, report->warning[w]);
}

/* Certificates with the same file share its authorities. */
static struct hf_auth_ca *ca_of(
	const struct hf_loaded_site *s, const struct hf_config *cfg, uint32_t i)
{
	for (uint32_t n = 0; n < i; n++)
		if (s->ca[n] &&
			!strcmp(cfg->certificates[n].client_ca, cfg->certificates[i].client_ca))
			return s->ca[n];
	return NULL;
}

static int client_load(struct hf_loaded_site *s, const struct hf_config *cfg, uint32_t i,
	struct hf_config_errors *errs)
{
	const struct hf_config_certificate *c = &cfg->certificates[i];
	struct hf_pki_report report = {.warning_cnt = 0};
	struct hf_loaded_client *client;
	struct hf_writer w;

	if (c->client_certificate == HF_CLIENT_CERTIFICATE_NONE)
		return 0;
	s->ca[i] = ca_of(s, cfg, i);
	if (!s->ca[i])
		s->ca[i] = hf_site_pki()->ca_load(
			c->client_ca, (int64_t)(hf_os_wall_ns() / HF_NS_S), &report);
	client = s->ca[i] ? calloc(1, sizeof(*client)) : NULL;
	if (!client) {
		hf_config_error_at(cfg, errs, &c->client_ca, "then run handfast --check again",
			"%s", s->ca[i] ? "no memory for it" : report.error);
		return -1;
	}
	warn_all(c, &report);
	w = hf_writer(client->request, sizeof(client->request));
	hf_tls_request_write(&w, s->ca[i]->names);
	HF_ASSERT(!w.overflow);
	client->auth = (struct hf_tls_client_auth){
		.required = c->client_certificate == HF_CLIENT_CERTIFICATE_REQUIRED,
		.ca = s->ca[i],
		.request = hf_span(client->request, w.len)};
	s->client[i] = client;
	return 0;
}

static int cert_load(struct hf_loaded_site *s, const struct hf_config *cfg, uint32_t i,
	uint64_t *key_id, struct hf_config_errors *errs)
{
	const struct hf_config_certificate *c = &cfg->certificates[i];
	struct hf_pki_mem mem = {.base = hf_os_mem_carve(&s->keys, HF_PKI_CERT_MEM, HF_CACHE_LINE),
		.len = HF_PKI_CERT_MEM};
	struct hf_pki_source source = {.cert_file = c->chain,
		.key_file = c->key,
		.ocsp_file = c->ocsp,
		.key_id = ++*key_id,
		.now_s = (int64_t)(hf_os_wall_ns() / HF_NS_S)};
	struct hf_pki_report report = {.warning_cnt = 0};

	if (hf_site_pki()->load(&mem, &source, &s->cert[i], &report)) {
		hf_config_error_at(cfg, errs, file_meant(c, report.error),
			"then run handfast --check again", "%s", report.error);
		return -1;
	}
	warn_all(c, &report);
	s->tls_cert[i] = (struct hf_tls_cert){.list = s->cert[i].list,
		.key = &s->cert[i].key,
		.status_len = s->cert[i].status_len};
	return 0;
}

/* The options have "any address" as 0.0.0.0, tcp as all zero bits: of either family. */
static struct hf_addr listen_addr(const struct hf_config_endpoint *e)
{
	struct hf_addr any = hf_addr_v4(0);

	return hf_addr_eq(&e->addr, &any) ? (struct hf_addr){{0}} : e->addr;
}

/* How well a certificate answers for a name; "*" is one label (RFC 6125 6.4.3). */
enum answers { NOT, BY_WILDCARD, EXACTLY };

static enum answers answers_for(const struct hf_pki_cert *cert, const char *name)
{
	const char *dot = strchr(name, '.');
	enum answers best = NOT;

	for (uint32_t n = 0; n < cert->name_cnt; n++) {
		if (strcmp(cert->name[n], name) == 0)
			return EXACTLY;
		if (cert->name[n][0] == '*' && dot && strcmp(cert->name[n] + 1, dot) == 0)
			best = BY_WILDCARD;
	}
	return best;
}

/* Arrays as they fill. */
struct fill {
	struct hf_loaded_site *s;
	const struct hf_config *cfg;
	struct hf_config_errors *errs;
	const struct hf_config_listener *l;
	struct hf_tls_vhost *vhost; /* the next, and so on */
	const struct hf_tls_cert **shown;
	struct hf_tls_protocol *alpn;
};

static void show(struct fill *f, struct hf_tls_vhost *v, uint32_t index)
{
	*f->shown++ = &f->s->tls_cert[index];
	v->cert_cnt++;
}

static bool asks_alike(const struct hf_loaded_client *a, const struct hf_loaded_client *b)
{
	return a == b ||
	       (a && b && a->auth.required == b->auth.required && a->auth.ca == b->auth.ca);
}

/* The host asks what its first certificate does. Another that answers for it as well must not want
 * something else: nobody could say what holds. One that does by wildcard stands behind those that have
 * the name. */
static void ask(struct fill *f, struct hf_tls_vhost *v, const char *name)
{
	const struct hf_tls_cert *all = f->s->tls_cert;
	uint32_t first = (uint32_t)(v->cert[0] - all);
	enum answers how = answers_for(&f->s->cert[first], name);

	v->auth = f->s->client[first] ? &f->s->client[first]->auth : NULL;
	for (uint32_t i = 1; i < v->cert_cnt; i++) {
		uint32_t other = (uint32_t)(v->cert[i] - all);

		if (answers_for(&f->s->cert[other], name) != how ||
			asks_alike(f->s->client[first], f->s->client[other]))
			continue;
		hf_config_error_at(f->cfg, f->errs, &f->cfg->certificates[other].client_certificate,
			"write the same client_certificate and client_ca for both",
			"asks clients of %s otherwise than certificate %s, which has that name, "
			"too",
			name, f->cfg->certificates[first].name);
	}
}

/* A virtual host with all certificates of the listener that answer for the name: those that have it
 * itself first, each kind in the order of the options. */
static void vhost_add(struct fill *f, const struct hf_tls_vhost *like, const char *name)
{
	const struct hf_config_listener *l = f->l;
	struct hf_tls_vhost *v = f->vhost++;

	*v = *like;
	v->cert = f->shown;
	v->cert_cnt = 0;
	for (enum answers how = EXACTLY; how > NOT; how--)
		for (uint32_t c = 0; c < l->certificates.cnt; c++)
			if (answers_for(&f->s->cert[l->certificates.v[c].index], name) == how)
				show(f, v, l->certificates.v[c].index);
	if (v->cert_cnt > 0)
		ask(f, v, name);
}

static bool is_new(const struct hf_tls_vhost *from, const struct hf_tls_vhost *to, const char *name)
{
	for (; from < to; from++)
		if (hf_span_eq(from->name, hf_span(name, strlen(name))))
			return false;
	return true;
}

/* The default shows what the first certificate's first name would, so that it has every kind of key
 * that the listener has for it. */
static void vhosts_fill(struct fill *f)
{
	const struct hf_config_listener *l = f->l;
	const struct hf_pki_cert *first = &f->s->cert[l->certificates.v[0].index];
	struct hf_tls_vhost *begin = f->vhost;
	struct hf_tls_vhost v = {.alpn = f->alpn, .alpn_cnt = l->alpn.cnt};

	for (uint32_t a = 0; a < l->alpn.cnt; a++)
		*f->alpn++ = (struct hf_tls_protocol){hf_span(l->alpn.v[a], strlen(l->alpn.v[a])),
			(uint16_t)(l->alpn_backends.cnt ? l->alpn_backends.v[a].index
							: l->backend.index)};
	vhost_add(f, &v, first->name_cnt ? first->name[0] : "");
	if (begin->cert_cnt == 0) {
		show(f, begin, l->certificates.v[0].index);
		ask(f, begin, "");
	}
	for (uint32_t c = 0; c < l->certificates.cnt; c++) {
		const struct hf_pki_cert *cert = &f->s->cert[l->certificates.v[c].index];

		for (uint32_t n = 0; n < cert->name_cnt; n++) {
			if (!is_new(begin, f->vhost, cert->name[n]))
				continue;
			v.name = hf_span(cert->name[n], strlen(cert->name[n]));
			vhost_add(f, &v, cert->name[n]);
		}
	}
}

static void listener_fill(struct fill *f, const struct hf_config *cfg, uint32_t i)
{
	static const uint8_t no_key[16]; /* the same name is the same listener in every box */
	const struct hf_config_listener *l = &cfg->listeners[i];
	const struct hf_tls_vhost *first = f->vhost;

	f->l = l;
	vhosts_fill(f);
	f->s->listener[i] = (struct hf_site_listener_spec){
		.addr = listen_addr(&l->address),
		.port = l->address.port,
		.backend = (uint16_t)l->backend.index,
		.vhost = first,
		.vhost_cnt = (uint32_t)(f->vhost - first),
		.context = hf_siphash(no_key, l->name, strlen(l->name)),
		.strict = l->unknown_name == HF_UNKNOWN_NAME_REFUSE,
		.linger_ns = l->linger_ns ? l->linger_ns : cfg->timeouts.linger_ns,
	};
}

static int arrays(struct hf_loaded_site *s, const struct hf_config *cfg)
{
	size_t vhost_cnt = 0, alpn_cnt = 0, shown_cnt = 0;

	for (uint32_t i = 0; i < cfg->listeners_cnt; i++) {
		const struct hf_config_listener *l = &cfg->listeners[i];
		size_t cnt = 1; /* at most: names may be in several certificates */

		for (uint32_t c = 0; c < l->certificates.cnt; c++)
			cnt += s->cert[l->certificates.v[c].index].name_cnt;
		vhost_cnt += cnt;
		shown_cnt += cnt * l->certificates.cnt;
		alpn_cnt += l->alpn.cnt;
	}
	s->vhost = calloc(vhost_cnt, sizeof(*s->vhost));
	s->shown = calloc(shown_cnt, sizeof(*s->shown));
	s->alpn = calloc(alpn_cnt + 1, sizeof(*s->alpn));
	s->listener = calloc(cfg->listeners_cnt, sizeof(*s->listener));
	s->listed = calloc((size_t)cfg->limits.allow.cnt + cfg->limits.deny.cnt + 1,
		sizeof(struct hf_prefix_row));
	return s->vhost && s->shown && s->alpn && s->listener && s->listed ? 0 : -1;
}

/* What the options call suites and curves has the numbers of the wire. */
static void preferences(
	struct hf_loaded_site *s, const struct hf_config *cfg, struct hf_site_spec *spec)
{
	static const enum hf_tls_profile profile[] = {[HF_PROFILE_MODERN] = HF_TLS_MODERN,
		[HF_PROFILE_COMPATIBLE] = HF_TLS_COMPATIBLE,
		[HF_PROFILE_LEGACY] = HF_TLS_LEGACY};

	spec->suite_cnt = cfg->tls.suites.cnt;
	for (uint32_t i = 0; i < cfg->tls.suites.cnt; i++)
		s->suite[i] = (uint16_t)cfg->tls.suites.v[i];
	if (spec->suite_cnt == 0)
		spec->suite_cnt = hf_tls_profile(profile[cfg->tls.profile], s->suite);
	spec->group_cnt = cfg->tls.groups.cnt;
	for (uint32_t i = 0; i < cfg->tls.groups.cnt; i++)
		s->group[i] = (uint16_t)cfg->tls.groups.v[i];
	spec->suite = s->suite;
	spec->group = s->group;
}

static struct hf_guard_rules limits(struct hf_loaded_site *s, const struct hf_config *cfg)
{
	const struct hf_config_limits *l = &cfg->limits;
	const struct {
		const struct hf_config_prefix *v;
		uint32_t cnt;
		enum hf_guard_word word;
	} list[] = {{l->allow.v, l->allow.cnt, HF_GUARD_ALLOW},
		{l->deny.v, l->deny.cnt, HF_GUARD_DENY}};
	uint32_t cnt = 0;

	for (size_t k = 0; k < HF_ARRAY_LEN(list); k++)
		for (uint32_t i = 0; i < list[k].cnt; i++)
			s->listed[cnt++] = (struct hf_prefix_row){
				.prefix = hf_prefix_of(&list[k].v[i].addr, list[k].v[i].len),
				.word = (uint8_t)list[k].word};
	return (struct hf_guard_rules){.prefix4 = (uint8_t)l->prefix4,
		.prefix6 = (uint8_t)l->prefix6,
		.half_open = l->half_open,
		.handshakes_per_s = l->handshakes,
		.cost_ns_per_s = l->cost_ns,
		.strangers_percent = l->strangers,
		.list = {s->listed, cnt}};
}

static int lay_out(struct hf_loaded_site *s, const struct hf_config *cfg, uint64_t generation,
	uint32_t worker_cnt, struct hf_config_errors *errs)
{
	struct hf_site_spec spec;
	struct fill f;
	size_t len;
	void *mem;

	if (arrays(s, cfg))
		return -1;
	f = (struct fill){.s = s,
		.cfg = cfg,
		.errs = errs,
		.vhost = s->vhost,
		.shown = s->shown,
		.alpn = s->alpn};
	for (uint32_t i = 0; i < cfg->listeners_cnt; i++)
		listener_fill(&f, cfg, i);
	spec = (struct hf_site_spec){
		.generation = generation,
		.listener = s->listener,
		.listener_cnt = cfg->listeners_cnt,
		.worker_cnt = worker_cnt,
		.limits = {.hello_ns = cfg->timeouts.hello_ns,
			.handshake_ns = cfg->timeouts.handshake_ns,
			.record_ns = RECORD_NS,
			.idle_ns = cfg->timeouts.idle_ns,
			.backend_ns = BACKEND_NS,
			.slow_reader_ns = cfg->timeouts.slow_reader_ns},
		.guard = limits(s, cfg),
	};
	preferences(s, cfg, &spec);
	len = HF_ROUND_UP(hf_site_footprint(&spec), (size_t)HF_CACHE_LINE);
	mem = aligned_alloc(HF_CACHE_LINE, len);
	if (!mem)
		return -1;
	s->site = hf_site_init(mem, &spec);
	s->worker_left = worker_cnt;
	return 0;
}

struct hf_loaded_site *hf_site_load(const struct hf_config *cfg, uint64_t generation,
	uint32_t worker_cnt, uint64_t *key_id, struct hf_config_errors *errs)
{
	struct hf_loaded_site *s = calloc(1, sizeof(*s));
	size_t key_bytes = cfg->certificates_cnt * (size_t)(HF_PKI_CERT_MEM + HF_CACHE_LINE);
	int failed = 0;
	uint32_t before;

	if (!s || hf_os_mem_take(&s->keys, key_bytes, HF_OS_HUGE_OFF))
		goto no_memory;
	s->cert_cnt = cfg->certificates_cnt;
	s->cert = calloc(s->cert_cnt, sizeof(*s->cert));
	s->tls_cert = calloc(s->cert_cnt, sizeof(*s->tls_cert));
	s->ca = calloc(s->cert_cnt, sizeof(struct hf_auth_ca *));
	s->client = calloc(s->cert_cnt, sizeof(struct hf_loaded_client *));
	if (!s->cert || !s->tls_cert || !s->ca || !s->client)
		goto no_memory;
	for (uint32_t i = 0; i < s->cert_cnt; i++) {
		failed |= cert_load(s, cfg, i, key_id, errs);
		failed |= client_load(s, cfg, i, errs);
	}
	if (failed) {
		hf_site_unload(s);
		return NULL;
	}
	before = errs->cnt;
	if (lay_out(s, cfg, generation, worker_cnt, errs) == 0) {
		if (errs->cnt == before)
			return s;
		hf_site_unload(s);
		return NULL;
	}
no_memory:
	hf_config_error_at(
		cfg, errs, &cfg->certificates[0], "free some memory", "no memory for it");
	hf_site_unload(s);
	return NULL;
}

static void clients_unload(struct hf_loaded_site *s)
{
	for (uint32_t i = 0; s->ca && s->client && i < s->cert_cnt; i++) {
		bool shared = false;

		for (uint32_t n = 0; n < i; n++)
			shared |= s->ca[n] == s->ca[i];
		free(s->client[i]);
		if (s->ca[i] && !shared)
			hf_site_pki()->ca_free(s->ca[i]);
	}
	free(s->ca);
	free(s->client);
}

void hf_site_unload(struct hf_loaded_site *s)
{
	if (!s)
		return;
	clients_unload(s);
	if (s->keys.base)
		hf_os_mem_give(&s->keys);
	free(s->site);
	free(s->cert);
	free(s->tls_cert);
	free(s->vhost);
	free(s->alpn);
	free(s->listener);
	free(s->listed);
	free(s->shown);
	free(s);
}
