/* hosts.c -- names outlive generations, so counters by name do: a host keeps its number over every
 * reload. Kinds and certificates are rows of tables that only grow or are written over, so a reader
 * that comes in between finds an old number or a new one. */
#include <string.h>
#include <time.h>
#include "app/handfast/hosts.h"
#include "app/handfast/site_load.h"

#define DAY_S 86400
#define HOUR_S 3600u
#define SOON_S (14 * DAY_S) /* renewals come a month before the end; two weeks are late */

static const char others[] = "(others)";

static const struct hf_stat_row kind_rows[] = {{"done", "handshakes done, by what was agreed",
	HF_STAT_COUNTER, offsetof(struct hf_host_kind, done)}};
static const struct hf_stat_table kind_table = {"handshake", kind_rows, HF_ARRAY_LEN(kind_rows)};

static const struct hf_stat_row cert_rows[] = {
	{"days_left", "days until the certificate ends; 0: less than one, or over", HF_STAT_GAUGE,
		offsetof(struct hf_host_cert, days_left)},
	{"expires_s", "when it ends, seconds since 1970", HF_STAT_GAUGE,
		offsetof(struct hf_host_cert, expires_s)}};
static const struct hf_stat_table cert_table = {"certificate", cert_rows, HF_ARRAY_LEN(cert_rows)};

/* ---- names ---- */

static uint32_t host_id(struct hf_hosts *h, const char *listener, const char *name)
{
	struct hf_host *last = &h->host[HF_HOSTS_MAX - 1];

	for (uint32_t i = 0; i < h->host_cnt; i++)
		if (!strcmp(h->host[i].name, name) && !strcmp(h->host[i].listener, listener))
			return i + 1;
	if (h->host_cnt == HF_HOSTS_MAX - 1) {
		memcpy(last->name, others, sizeof(others));
		return HF_HOSTS_MAX;
	}
	(void)snprintf(h->host[h->host_cnt].listener, sizeof(last->listener), "%s", listener);
	(void)snprintf(h->host[h->host_cnt].name, sizeof(last->name), "%s", name);
	return ++h->host_cnt;
}

static void hosts_of(struct hf_hosts *h, const char *listener, struct hf_tls_vhost *v, uint32_t cnt)
{
	char name[HF_HOSTS_NAME_LEN];

	for (uint32_t i = 0; i < cnt; i++) {
		(void)snprintf(name, sizeof(name), "%.*s", (int)v[i].name.len,
			v[i].name.len ? (const char *)v[i].name.p : "");
		v[i].id = host_id(h, listener, v[i].name.len ? name : "(default)");
	}
}

void hf_hosts_take(struct hf_hosts *h, const struct hf_config *cfg, struct hf_loaded_site *s)
{
	h->cert_cnt = 0;
	for (uint32_t i = 0; i < cfg->listeners_cnt; i++)
		hosts_of(h, cfg->listeners[i].name, &s->vhost[s->listener[i].vhost - s->vhost],
			s->listener[i].vhost_cnt);
	for (uint32_t i = 0; i < HF_MIN(s->cert_cnt, HF_HOSTS_CERT_MAX); i++) {
		const struct hf_pki_cert *c = &s->cert[i];

		h->cert[i].expires_s = (uint64_t)c->not_after_s;
		h->cert[i].life_s = c->not_after_s - c->not_before_s;
		(void)snprintf(
			h->cert[i].name, sizeof(h->cert[i].name), "%s", cfg->certificates[i].name);
		h->cert_cnt++;
	}
	h->watched_s = 0;
}

/* ---- certificates and their ends ---- */

static void cert_watch(struct hf_host_cert *c, int64_t now_s, bool tell)
{
	int64_t left = (int64_t)c->expires_s - now_s;

	c->days_left = left > 0 ? (uint64_t)(left / DAY_S) : 0;
	if (!tell)
		return;
	if (left <= 0)
		hf_log(HF_LOG_ERROR, "site",
			"certificate %s is over: clients refuse it; renew it and hfctl reload",
			c->name);
	else if (left < HF_MIN((int64_t)SOON_S, c->life_s / 5)) /* short-lived ones: a fifth */
		hf_log(HF_LOG_WARN, "site", "certificate %s ends in %s; renew it and hfctl reload",
			c->name, hf_os_time_text(left).s);
}

void hf_hosts_watch(struct hf_hosts *h, uint64_t wall_s)
{
	bool tell = h->watched_s / DAY_S != wall_s / DAY_S;

	if (wall_s - h->watched_s < HOUR_S)
		return;
	h->watched_s = wall_s;
	for (uint32_t i = 0; i < h->cert_cnt; i++)
		cert_watch(&h->cert[i], (int64_t)wall_s, tell);
}

static const struct hf_pki_cert *find_cert(
	const char *name, const struct hf_config *cfg, const struct hf_loaded_site *s)
{
	for (uint32_t i = 0; i < cfg->certificates_cnt; i++)
		if (strcmp(cfg->certificates[i].name, name) == 0)
			return &s->cert[i];
	return NULL;
}

static uint32_t cert_change(
	FILE *out, const char *name, const char *what, const struct hf_pki_cert *c)
{
	time_t end = (time_t)c->not_after_s;
	char text[32];
	struct tm tm;

	gmtime_r(&end, &tm);
	(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm);
	fprintf(out, "  certificate %s: %s, %s, ends %s\n", name, what, c->subject, text);
	return 1;
}

/* The OCSP response lies behind the list. */
static struct hf_span status_of(const struct hf_pki_cert *c)
{
	return hf_span(c->list.p + c->list.len, c->status_len);
}

/* The authorities in a file may change without the options. */
static uint32_t ca_change(
	FILE *out, const char *name, const struct hf_auth_ca *was, const struct hf_auth_ca *is)
{
	if (!was && is)
		fprintf(out, "  certificate %s: clients lead to %u authorities\n", name,
			is->cert_cnt);
	else if (was && is && memcmp(was->fingerprint, is->fingerprint, 32) != 0)
		fprintf(out, "  certificate %s: client_ca renewed, %u authorities, was %u\n", name,
			is->cert_cnt, was->cert_cnt);
	else
		return 0;
	return 1;
}

uint32_t hf_hosts_changes(FILE *out, const struct hf_config *was_cfg,
	const struct hf_loaded_site *was, const struct hf_config *is_cfg,
	const struct hf_loaded_site *is)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < is_cfg->certificates_cnt; i++) {
		const char *name = is_cfg->certificates[i].name;
		const struct hf_pki_cert *c = find_cert(name, was_cfg, was);

		if (!c)
			cnt += cert_change(out, name, "added", &is->cert[i]);
		else if (!hf_span_eq(c->list, is->cert[i].list))
			cnt += cert_change(out, name, "renewed", &is->cert[i]);
		else if (!hf_span_eq(status_of(c), status_of(&is->cert[i])))
			cnt += cert_change(out, name, "ocsp renewed", &is->cert[i]);
		if (c)
			cnt += ca_change(out, name, was->ca[c - was->cert], is->ca[i]);
	}
	for (uint32_t i = 0; i < was_cfg->certificates_cnt; i++) {
		const char *name = was_cfg->certificates[i].name;

		if (!find_cert(name, is_cfg, is))
			cnt += cert_change(out, name, "removed", &was->cert[i]);
	}
	return cnt;
}

/* ---- weak suites ---- */

static void weak_tell(struct hf_hosts *h, struct hf_tls_kind_key key)
{
	static const struct {
		const char *why, *without;
	} weak[] = {[HF_TLS_COMPATIBLE] = {"CBC", "modern"},
		[HF_TLS_LEGACY] = {"no forward secrecy", "compatible"}};
	enum hf_tls_profile profile = hf_tls_suite_profile(key.suite);
	struct hf_host *host = &h->host[key.host ? key.host - 1 : 0];

	if (profile <= host->weakest)
		return;
	host->weakest = profile;
	hf_log(HF_LOG_WARN, "tls",
		"listener %s, host %s: a client came with %s (%s); tls.profile: %s would refuse "
		"such "
		"clients",
		host->listener, host->name, hf_tls_suite_name(key.suite), weak[profile].why,
		weak[profile].without);
}

void hf_hosts_weak(struct hf_hosts *h, const struct hf_tls_kind *const *kind, uint32_t worker_cnt,
	uint64_t wall_s)
{
	if (h->looked_s == wall_s)
		return;
	h->looked_s = wall_s;
	for (uint32_t w = 0; w < worker_cnt; w++)
		for (uint32_t i = 0; i < HF_TLS_KIND_CNT; i++) {
			uint64_t key = __atomic_load_n(&kind[w][i].key, __ATOMIC_ACQUIRE);

			if (key)
				weak_tell(h, hf_tls_kind_read(key));
		}
}

/* ---- handshakes by kind ---- */

static struct hf_host_kind *kind_find(struct hf_hosts *h, uint64_t key)
{
	struct hf_host_kind *k;

	for (uint32_t i = 0; i < h->kind_cnt; i++)
		if (h->kind[i].key == key)
			return &h->kind[i];
	if (h->kind_cnt == HF_HOSTS_KIND_MAX)
		return NULL;
	k = &h->kind[h->kind_cnt++];
	k->key = key;
	(void)snprintf(k->version, sizeof(k->version), "TLS1.%u",
		(hf_tls_kind_read(key).version & 0xffu) - 1);
	return k;
}

/* The sum over the workers, in place: a reader may see it grow, never shrink. */
static void kinds_sum(
	struct hf_hosts *h, const struct hf_tls_kind *const *kind, uint32_t worker_cnt)
{
	static uint64_t sum[HF_HOSTS_KIND_MAX];

	memset(sum, 0, sizeof(sum));
	for (uint32_t w = 0; w < worker_cnt; w++)
		for (uint32_t i = 0; i < HF_TLS_KIND_CNT; i++) {
			uint64_t key = __atomic_load_n(&kind[w][i].key, __ATOMIC_ACQUIRE);
			struct hf_host_kind *k = key ? kind_find(h, key) : NULL;

			if (k)
				sum[k - h->kind] +=
					__atomic_load_n(&kind[w][i].cnt, __ATOMIC_RELAXED);
		}
	for (uint32_t i = 0; i < h->kind_cnt; i++)
		__atomic_store_n(&h->kind[i].done, sum[i], __ATOMIC_RELAXED);
}

static struct hf_stats_source kind_source(const struct hf_hosts *h, const struct hf_host_kind *k)
{
	static const char *const types[] = {[HF_PK_RSA] = "rsa",
		[HF_PK_EC_P256] = "ecdsa_p256",
		[HF_PK_EC_P384] = "ecdsa_p384"};
	struct hf_tls_kind_key key = hf_tls_kind_read(k->key);
	const struct hf_host *host = &h->host[key.host ? key.host - 1 : 0];

	return (struct hf_stats_source){&kind_table, k,
		{{"listener", host->listener}, {"host", host->name}, {"version", k->version},
			{"suite", hf_tls_suite_name(key.suite)},
			{"key", key.key_type < HF_ARRAY_LEN(types) ? types[key.key_type] : "?"},
			{"resumed", key.resumed ? "yes" : "no"}}};
}

uint32_t hf_hosts_sources(struct hf_hosts *h, const struct hf_tls_kind *const *kind,
	uint32_t worker_cnt, struct hf_stats_source *v, uint32_t max)
{
	static const struct hf_host_kind none;
	uint32_t cnt = 0;

	(void)pthread_mutex_lock(&h->lock);
	kinds_sum(h, kind, worker_cnt);
	for (uint32_t i = 0; i < h->kind_cnt && cnt < max; i++)
		v[cnt++] = kind_source(h, &h->kind[i]);
	(void)pthread_mutex_unlock(&h->lock);
	if (cnt == 0 && max > 0)
		v[cnt++] = (struct hf_stats_source){&kind_table, &none, {{0}}};
	for (uint32_t i = 0; i < h->cert_cnt && cnt < max; i++)
		v[cnt++] = (struct hf_stats_source){
			&cert_table, &h->cert[i], {{"certificate", h->cert[i].name}}};
	return cnt;
}
