/* site_load.c -- one generation, built off the data path. Every DNS name of a certificate becomes a
 * virtual host of the listeners that use it; the first certificate of a listener is also its
 * default, the nameless row 0. Arrays are counted first and taken once. */
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

static int cert_load(struct hf_loaded_site *s, const struct hf_config *cfg, uint32_t i,
	uint64_t *key_id, struct hf_config_errors *errs)
{
	const struct hf_config_certificate *c = &cfg->certificates[i];
	struct hf_pki_mem mem = {.base = hf_os_mem_carve(&s->keys, HF_PKI_CERT_MEM, HF_CACHE_LINE),
		.len = HF_PKI_CERT_MEM};
	struct hf_pki_source source = {.cert_file = c->chain,
		.key_file = c->key,
		.key_id = ++*key_id,
		.now_s = (int64_t)(hf_os_wall_ns() / HF_NS_S)};
	struct hf_pki_report report = {.warning_cnt = 0};

	if (hf_site_pki()->load(&mem, &source, &s->cert[i], &report)) {
		/* The driver's errors begin with the file that is wrong. */
		bool of_key = strncmp(report.error, c->key, strlen(c->key)) == 0;

		hf_config_error_at(cfg, errs, of_key ? &c->key : &c->chain,
			"then run handfast --check again", "%s", report.error);
		return -1;
	}
	for (uint32_t w = 0; w < report.warning_cnt; w++)
		hf_log(HF_LOG_WARN, "site", "certificate %s: %s", c->name, report.warning[w]);
	s->tls_cert[i] = (struct hf_tls_cert){s->cert[i].list, &s->cert[i].key};
	return 0;
}

/* The options write "any address" as 0.0.0.0, tcp as all zero bits: of either family. */
static struct hf_addr listen_addr(const struct hf_config_endpoint *e)
{
	struct hf_addr any = hf_addr_v4(0);

	return hf_addr_eq(&e->addr, &any) ? (struct hf_addr){{0}} : e->addr;
}

static void listener_fill(struct hf_loaded_site *s, const struct hf_config *cfg, uint32_t i,
	uint32_t *vhost_cnt, uint32_t *alpn_cnt)
{
	const struct hf_config_listener *l = &cfg->listeners[i];
	const struct hf_span *alpn = &s->alpn[*alpn_cnt];
	static const uint8_t no_key[16]; /* the same name is the same listener in every box */
	struct hf_tls_vhost *first = &s->vhost[*vhost_cnt], *v = first;

	for (uint32_t a = 0; a < l->alpn.cnt; a++)
		s->alpn[(*alpn_cnt)++] = hf_span(l->alpn.v[a], strlen(l->alpn.v[a]));
	*v++ = (struct hf_tls_vhost){.cert = &s->tls_cert[l->certificates.v[0].index],
		.alpn = alpn,
		.alpn_cnt = l->alpn.cnt};
	for (uint32_t c = 0; c < l->certificates.cnt; c++) {
		uint32_t index = l->certificates.v[c].index;
		const struct hf_pki_cert *cert = &s->cert[index];

		for (uint32_t n = 0; n < cert->name_cnt; n++)
			*v++ = (struct hf_tls_vhost){
				.name = hf_span(cert->name[n], strlen(cert->name[n])),
				.cert = &s->tls_cert[index],
				.alpn = alpn,
				.alpn_cnt = l->alpn.cnt};
	}
	s->listener[i] = (struct hf_site_listener_spec){
		.addr = listen_addr(&l->address),
		.port = l->address.port,
		.backend = (uint16_t)l->backend.index,
		.vhost = first,
		.vhost_cnt = (uint32_t)(v - first),
		.context = hf_siphash(no_key, l->name, strlen(l->name)),
		.linger_ns = l->linger_ns ? l->linger_ns : cfg->timeouts.linger_ns,
	};
	*vhost_cnt += (uint32_t)(v - first);
}

static int arrays(struct hf_loaded_site *s, const struct hf_config *cfg)
{
	uint32_t vhost_cnt = 0, alpn_cnt = 0;

	for (uint32_t i = 0; i < cfg->listeners_cnt; i++) {
		const struct hf_config_listener *l = &cfg->listeners[i];

		vhost_cnt++;
		alpn_cnt += l->alpn.cnt;
		for (uint32_t c = 0; c < l->certificates.cnt; c++)
			vhost_cnt += s->cert[l->certificates.v[c].index].name_cnt;
	}
	s->vhost = calloc(vhost_cnt, sizeof(*s->vhost));
	s->alpn = calloc(alpn_cnt + 1, sizeof(*s->alpn));
	s->listener = calloc(cfg->listeners_cnt, sizeof(*s->listener));
	s->suite = calloc(cfg->tls.suites.cnt, sizeof(*s->suite));
	return s->vhost && s->alpn && s->listener && s->suite ? 0 : -1;
}

static int lay_out(struct hf_loaded_site *s, const struct hf_config *cfg, uint64_t generation,
	uint32_t worker_cnt)
{
	uint32_t vhost_cnt = 0, alpn_cnt = 0;
	struct hf_site_spec spec;
	size_t len;
	void *mem;

	if (arrays(s, cfg))
		return -1;
	for (uint32_t i = 0; i < cfg->listeners_cnt; i++)
		listener_fill(s, cfg, i, &vhost_cnt, &alpn_cnt);
	for (uint32_t i = 0; i < cfg->tls.suites.cnt; i++)
		s->suite[i] = (uint16_t)cfg->tls.suites.v[i];
	spec = (struct hf_site_spec){
		.generation = generation,
		.listener = s->listener,
		.listener_cnt = cfg->listeners_cnt,
		.suite = s->suite,
		.suite_cnt = cfg->tls.suites.cnt,
		.worker_cnt = worker_cnt,
		.limits = {.hello_ns = cfg->timeouts.hello_ns,
			.handshake_ns = cfg->timeouts.handshake_ns,
			.record_ns = RECORD_NS,
			.idle_ns = cfg->timeouts.idle_ns,
			.backend_ns = BACKEND_NS},
	};
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

	if (!s || hf_os_mem_take(&s->keys, key_bytes, HF_OS_HUGE_OFF))
		goto no_memory;
	s->cert_cnt = cfg->certificates_cnt;
	s->cert = calloc(s->cert_cnt, sizeof(*s->cert));
	s->tls_cert = calloc(s->cert_cnt, sizeof(*s->tls_cert));
	if (!s->cert || !s->tls_cert)
		goto no_memory;
	for (uint32_t i = 0; i < s->cert_cnt; i++)
		failed |= cert_load(s, cfg, i, key_id, errs);
	if (failed) {
		hf_site_unload(s);
		return NULL;
	}
	if (lay_out(s, cfg, generation, worker_cnt) == 0)
		return s;
no_memory:
	hf_config_error_at(
		cfg, errs, &cfg->certificates[0], "free some memory", "no memory for it");
	hf_site_unload(s);
	return NULL;
}

void hf_site_unload(struct hf_loaded_site *s)
{
	if (!s)
		return;
	if (s->keys.base)
		hf_os_mem_give(&s->keys);
	free(s->site);
	free(s->cert);
	free(s->tls_cert);
	free(s->vhost);
	free(s->alpn);
	free(s->listener);
	free(s->suite);
	free(s);
}
