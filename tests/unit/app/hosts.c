/* Handshakes counted by name over workers and reloads; certificates and their ends. */
#include "app/handfast/hosts.h"
#include "app/handfast/site_load.h"
#include "tests/support/test.h"

#define DAY 86400

static struct hf_hosts h = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* A listener with a default host and two names; two certificates. */
static struct generation {
	struct hf_config_listener listener;
	struct hf_config_certificate certificate[2];
	struct hf_config cfg;
	struct hf_tls_vhost vhost[3];
	struct hf_site_listener_spec spec;
	struct hf_pki_cert cert[2];
	struct hf_auth_ca *ca[2];
	struct hf_loaded_site site;
} old, new;

static void make(struct generation *g, const char *first, const char *second, int64_t end_s)
{
	memset(g, 0, sizeof(*g));
	g->listener.name = "www";
	g->certificate[0].name = first;
	g->certificate[1].name = second;
	g->cfg.listeners = &g->listener;
	g->cfg.certificates = g->certificate;
	g->cfg.listeners_cnt = 1;
	g->cfg.certificates_cnt = 2;
	g->vhost[1].name = hf_span("a.org", 5);
	g->vhost[2].name = hf_span("*.b.org", 7);
	g->spec = (struct hf_site_listener_spec){.vhost = g->vhost, .vhost_cnt = 3};
	for (int i = 0; i < 2; i++)
		g->cert[i] = (struct hf_pki_cert){.list = hf_span(i ? "2" : "1", 1),
			.subject = i ? "CN=two" : "CN=one",
			.not_after_s = end_s + i * DAY};
	g->site = (struct hf_loaded_site){.cert = g->cert,
		.cert_cnt = 2,
		.ca = g->ca,
		.vhost = g->vhost,
		.listener = &g->spec};
}

static uint64_t key(uint32_t host, uint32_t resumed)
{
	return (uint64_t)host << 32 | 0xc02full << 16 | 0x0300 | HF_PK_RSA << 1 | resumed;
}

static void names_keep_their_numbers(void **state)
{
	(void)state;
	make(&old, "one", "two", 0);
	hf_hosts_take(&h, &old.cfg, &old.site);
	make(&new, "one", "two", 0);
	new.vhost[1].name = hf_span("new.org", 7);
	hf_hosts_take(&h, &new.cfg, &new.site);
	assert_int_equal(new.vhost[0].id, old.vhost[0].id);
	assert_int_equal(new.vhost[2].id, old.vhost[2].id);
	assert_int_not_equal(new.vhost[1].id, old.vhost[1].id);
	assert_string_equal(h.host[old.vhost[0].id - 1].name, "(default)");
	assert_string_equal(h.host[new.vhost[1].id - 1].name, "new.org");
}

static const char *label(const struct hf_stats_source *s, const char *name)
{
	for (uint32_t i = 0; i < HF_STATS_LABELS && s->label[i].key; i++)
		if (strcmp(s->label[i].key, name) == 0)
			return s->label[i].value;
	return "";
}

static void kinds_are_added_up(void **state)
{
	static struct hf_tls_kind one[HF_TLS_KIND_CNT], two[HF_TLS_KIND_CNT];
	const struct hf_tls_kind *kind[] = {one, two};
	struct hf_stats_source v[8];
	uint32_t cnt;

	(void)state;
	cnt = hf_hosts_sources(&h, kind, 2, v, 8);
	assert_int_equal(hf_stats_sum(v, cnt, "handshake", "done"), 0);
	assert_int_equal(cnt, 3); /* an empty row, two certificates */
	one[7] = (struct hf_tls_kind){key(old.vhost[1].id, 0), 5};
	one[9] = (struct hf_tls_kind){key(old.vhost[1].id, 1), 1};
	two[3] = (struct hf_tls_kind){key(old.vhost[1].id, 0), 2};
	for (int again = 0; again < 2; again++) {
		cnt = hf_hosts_sources(&h, kind, 2, v, 8);
		assert_int_equal(cnt, 4);
		assert_int_equal(hf_stats_sum(v, 1, "handshake", "done"), 7);
		assert_int_equal(hf_stats_sum(v + 1, 1, "handshake", "done"), 1);
	}
	assert_string_equal(label(v, "listener"), "www");
	assert_string_equal(label(v, "host"), "a.org");
	assert_string_equal(label(v, "version"), "TLS1.2");
	assert_string_equal(label(v, "suite"), "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
	assert_string_equal(label(v, "key"), "rsa");
	assert_string_equal(label(v, "resumed"), "no");
	assert_string_equal(label(v + 1, "resumed"), "yes");
	assert_string_equal(label(v + 3, "certificate"), "two");
}

/* Once for each step down, over workers and reloads. */
static void weak_suites_are_told_once(void **state)
{
	static struct hf_tls_kind kind[HF_TLS_KIND_CNT];
	static const struct {
		uint16_t suite;
		enum hf_tls_profile weakest;
	} rows[] = {{0xc02f, HF_TLS_MODERN}, {0xc013, HF_TLS_COMPATIBLE},
		{0xc014, HF_TLS_COMPATIBLE}, {0x002f, HF_TLS_LEGACY}, {0xc013, HF_TLS_LEGACY}};
	const struct hf_tls_kind *one[] = {kind};
	const struct hf_host *host = &h.host[old.vhost[2].id - 1];

	(void)state;
	for (uint32_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		kind[0] = (struct hf_tls_kind){(uint64_t)old.vhost[2].id << 32 |
						       (uint64_t)rows[i].suite << 16 | 0x0300 |
						       HF_PK_RSA << 1,
			1};
		hf_hosts_weak(&h, one, 1, i + 1);
		assert_int_equal(host->weakest, rows[i].weakest);
	}
	assert_int_equal(h.host[old.vhost[1].id - 1].weakest, HF_TLS_MODERN);
}

static void more_names_than_fit_share_one(void **state)
{
	static struct hf_tls_vhost many[HF_HOSTS_MAX + 5];
	static char name[HF_HOSTS_MAX + 5][16];

	(void)state;
	make(&new, "one", "two", 0);
	for (uint32_t i = 0; i < HF_ARRAY_LEN(many); i++)
		many[i].name =
			hf_span(name[i], (size_t)snprintf(name[i], sizeof(name[i]), "h%u.org", i));
	new.site.vhost = many;
	new.spec = (struct hf_site_listener_spec){.vhost = many, .vhost_cnt = HF_ARRAY_LEN(many)};
	hf_hosts_take(&h, &new.cfg, &new.site);
	assert_int_equal(many[HF_ARRAY_LEN(many) - 1].id, HF_HOSTS_MAX);
	assert_int_equal(many[HF_ARRAY_LEN(many) - 2].id, HF_HOSTS_MAX);
	assert_string_equal(h.host[HF_HOSTS_MAX - 1].name, "(others)");
	assert_true(many[0].id < HF_HOSTS_MAX);
}

static void days_are_counted_down(void **state)
{
	const struct hf_tls_kind *none[1] = {NULL};
	struct hf_stats_source v[4];
	int64_t end = 20000ll * DAY;

	(void)state;
	make(&old, "one", "two", end);
	h.kind_cnt = 0;
	hf_hosts_take(&h, &old.cfg, &old.site);
	hf_hosts_watch(&h, (uint64_t)end - 10 * DAY + 1);
	assert_int_equal(hf_hosts_sources(&h, none, 0, v, 4), 3);
	assert_int_equal(hf_stats_sum(v + 1, 1, "certificate", "days_left"), 9);
	assert_int_equal(hf_stats_sum(v + 2, 1, "certificate", "days_left"), 10);
	assert_int_equal(hf_stats_sum(v + 1, 1, "certificate", "expires_s"), end);
	hf_hosts_watch(&h, (uint64_t)end - 10 * DAY + 3000); /* not an hour later */
	assert_int_equal(hf_stats_sum(v + 1, 1, "certificate", "days_left"), 9);
	hf_hosts_watch(&h, (uint64_t)end + DAY / 2);
	assert_int_equal(hf_stats_sum(v + 1, 1, "certificate", "days_left"), 0);
	assert_int_equal(hf_stats_sum(v + 2, 1, "certificate", "days_left"), 0);
}

static void a_reload_names_certificates(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	make(&old, "kept", "gone", 0);
	make(&new, "kept", "fresh", 10 * DAY);
	hf_hosts_changes(out, &old.cfg, &old.site, &new.cfg, &new.site);
	fflush(out);
	assert_string_equal(text, "  certificate fresh: added, CN=two, ends 1970-01-12 00:00\n"
				  "  certificate gone: removed, CN=two, ends 1970-01-02 00:00\n");
	rewind(out);
	new.cert[0].list = hf_span("9", 1);
	new.certificate[1].name = "gone";
	hf_hosts_changes(out, &old.cfg, &old.site, &new.cfg, &new.site);
	fclose(out);
	assert_string_equal(text, "  certificate kept: renewed, CN=one, ends 1970-01-11 00:00\n");
	free(text);
}

/* Who asks from now on, and whose authorities are others than before. */
static void a_reload_tells_of_authorities(void **state)
{
	struct hf_auth_ca few = {.cert_cnt = 2}, many = {.cert_cnt = 3, .fingerprint = {1}};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	make(&old, "one", "two", 0);
	make(&new, "one", "two", 0);
	new.ca[0] = new.ca[1] = &few;
	old.ca[1] = &many;
	hf_hosts_changes(out, &old.cfg, &old.site, &new.cfg, &new.site);
	old.ca[0] = old.ca[1] = &few; /* what is as it was is not told, nor that nobody is asked */
	new.ca[1] = NULL;
	hf_hosts_changes(out, &old.cfg, &old.site, &new.cfg, &new.site);
	fclose(out);
	assert_string_equal(text, "  certificate one: clients lead to 2 authorities\n"
				  "  certificate two: client_ca renewed, 2 authorities, was 3\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_keep_their_numbers),
		cmocka_unit_test(kinds_are_added_up),
		cmocka_unit_test(weak_suites_are_told_once),
		cmocka_unit_test(more_names_than_fit_share_one),
		cmocka_unit_test(days_are_counted_down),
		cmocka_unit_test(a_reload_names_certificates),
		cmocka_unit_test(a_reload_tells_of_authorities),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
