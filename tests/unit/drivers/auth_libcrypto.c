/* auth_libcrypto.c -- authorities as operators leave them in files, and clients of every kind of key,
 * each wrong in one way: what they are told. */
#include <openssl/pem.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#include "drivers/drivers.h"
#include "lib/crypto/pki.h"
#include "lib/crypto/sym.h"
#include "tests/support/test.h"
#include "tests/support/x509_kit.h"

#define NOW 1800000000 /* January 2027 */
#define DAY X509_KIT_DAY

static char dir[] = "/tmp/hf_auth_XXXXXX";
static EVP_PKEY *root_key, *inter_key, *ec_key, *ec384_key, *ec521_key, *rsa_key, *pss_key,
	*weak_key, *k1_key;
static X509 *root, *inter, *other;
static struct hf_auth_ca *ca; /* of root */
static struct hf_pki_report report;

static const char *write_file(const char *name, const void *text, size_t len)
{
	static char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	fclose(f);
	return path;
}

static const char *write_certs(X509 *const *x, int cnt)
{
	BIO *bio = BIO_new(BIO_s_mem());
	const char *path;
	char *text;
	long len;

	for (int i = 0; i < cnt; i++)
		PEM_write_bio_X509(bio, x[i]);
	len = BIO_get_mem_data(bio, &text);
	path = write_file("ca.pem", text, (size_t)len);
	BIO_free(bio);
	return path;
}

static struct hf_auth_ca *load(const char *path)
{
	return hf_pki_libcrypto.ca_load(path, NOW, &report);
}

static struct hf_auth_ca *load_certs(X509 *const *x, int cnt)
{
	struct hf_auth_ca *loaded = load(write_certs(x, cnt));

	if (!loaded)
		fail_msg("%s", report.error);
	return loaded;
}

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	root_key = EVP_EC_gen("P-256");
	inter_key = EVP_EC_gen("P-256");
	ec_key = EVP_EC_gen("P-256");
	ec384_key = EVP_EC_gen("P-384");
	ec521_key = EVP_EC_gen("P-521");
	k1_key = EVP_EC_gen("secp256k1");
	rsa_key = EVP_RSA_gen(2048);
	weak_key = EVP_RSA_gen(1024);
	pss_key = x509_pss_key();
	root = x509_make("Root", root_key, NULL, root_key, NOW, x509_authority);
	inter = x509_make("Inter", inter_key, root, root_key, NOW, x509_authority);
	other = x509_make("Other", inter_key, NULL, inter_key, NOW, x509_authority);
	ca = load_certs((X509 *[]){root}, 1);
	return 0;
}

static int teardown(void **state)
{
	EVP_PKEY *const keys[] = {root_key, inter_key, ec_key, ec384_key, ec521_key, k1_key,
		rsa_key, weak_key, pss_key};
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
	hf_pki_libcrypto.ca_free(ca);
	for (size_t i = 0; i < HF_ARRAY_LEN(keys); i++)
		EVP_PKEY_free(keys[i]);
	X509_free(root);
	X509_free(inter);
	X509_free(other);
	return 0;
}

/* ---- a client ---- */

struct shown {
	uint8_t list[HF_AUTH_LIST_MAX], signature[HF_AUTH_SIGNATURE_MAX], digest[64];
	size_t list_len, signature_len;
	uint8_t kind, hash;
};

static const char *const hash_name[] = {
	[HF_SHA256] = "SHA256", [HF_SHA384] = "SHA384", [HF_SHA512] = "SHA512"};

static void show(
	struct shown *s, X509 *const *x, int cnt, EVP_PKEY *key, uint8_t kind, uint8_t hash)
{
	static const int padding[] = {[HF_AUTH_RSA_PKCS1] = RSA_PKCS1_PADDING,
		[HF_AUTH_RSA_PSS] = RSA_PKCS1_PSS_PADDING,
		[HF_AUTH_RSA_PSS_PSS] = RSA_PKCS1_PSS_PADDING,
		[HF_AUTH_ECDSA] = 0};
	struct hf_writer w = hf_writer(s->list, sizeof(s->list));

	for (int i = 0; i < cnt; i++)
		x509_put(&w, x[i]);
	assert_false(w.overflow);
	s->list_len = w.len;
	s->kind = kind;
	s->hash = hash;
	memset(s->digest, 0x5a, sizeof(s->digest));
	s->signature_len = x509_sign_digest(key, padding[kind], hash_name[hash],
		hf_span(s->digest, hf_hash_info[hash].len), s->signature, sizeof(s->signature));
}

static enum hf_auth_verdict ask(
	const struct hf_auth_ca *by, const struct shown *s, struct hf_auth_client *out)
{
	struct hf_auth_question q = {.ca = by,
		.list = hf_span(s->list, s->list_len),
		.digest = hf_span(s->digest, hf_hash_info[s->hash].len),
		.signature = hf_span(s->signature, s->signature_len),
		.kind = s->kind,
		.hash = s->hash,
		.now_s = NOW};

	return hf_auth_libcrypto.check(&q, out);
}

static X509 *client_cert(EVP_PKEY *key, struct x509_wish w)
{
	return x509_make("client", key, root, root_key, NOW, w);
}

static enum hf_auth_verdict verdict_on(X509 *const *x, int cnt)
{
	struct hf_auth_client who;
	struct shown s;

	show(&s, x, cnt, ec_key, HF_AUTH_ECDSA, HF_SHA256);
	return ask(ca, &s, &who);
}

static void every_kind_of_key(void **state)
{
	const struct {
		EVP_PKEY *key;
		uint8_t kind;
	} rows[] = {{rsa_key, HF_AUTH_RSA_PKCS1}, {rsa_key, HF_AUTH_RSA_PSS},
		{pss_key, HF_AUTH_RSA_PSS_PSS}, {ec_key, HF_AUTH_ECDSA}, {ec384_key, HF_AUTH_ECDSA},
		{ec521_key, HF_AUTH_ECDSA}};
	struct hf_auth_client who;
	struct shown s;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		X509 *x = client_cert(rows[i].key, (struct x509_wish){0});

		for (uint8_t hash = HF_SHA256; hash <= HF_SHA512; hash++) {
			show(&s, &x, 1, rows[i].key, rows[i].kind, hash);
			assert_int_equal(ask(ca, &s, &who), HF_AUTH_OK);
			s.digest[31] ^= 1; /* a curve of 256 bits looks no further */
			assert_int_equal(ask(ca, &s, &who), HF_AUTH_SIGNATURE);
			s.digest[31] ^= 1;
			for (size_t at = 0; at < s.signature_len; at += 31) {
				s.signature[at] ^= 4;
				assert_int_equal(ask(ca, &s, &who), HF_AUTH_SIGNATURE);
				s.signature[at] ^= 4;
			}
			s.signature_len--;
			assert_int_equal(ask(ca, &s, &who), HF_AUTH_SIGNATURE);
			s.signature_len = 0;
			assert_int_equal(ask(ca, &s, &who), HF_AUTH_SIGNATURE);
		}
		X509_free(x);
	}
}

/* A signature of another kind than the key's is not even tried. */
static void kind_and_key_must_fit(void **state)
{
	EVP_PKEY *const keys[] = {rsa_key, pss_key, ec_key, k1_key};
	static const bool fits[4][4] = {{true, true, false, false}, {false, false, true, false},
		{false, false, false, true}, {false, false, false, false}};
	struct hf_auth_client who;
	struct shown s;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		X509 *x = client_cert(keys[i], (struct x509_wish){0});

		show(&s, &x, 1, i == 0 ? rsa_key : ec_key, i == 0 ? HF_AUTH_RSA_PSS : HF_AUTH_ECDSA,
			HF_SHA256);
		for (uint8_t kind = 0; kind < 4; kind++) {
			enum hf_auth_verdict v;

			s.kind = kind;
			v = ask(ca, &s, &who);
			if (fits[i][kind])
				assert_true(v == HF_AUTH_OK || v == HF_AUTH_SIGNATURE);
			else
				assert_int_equal(v, HF_AUTH_KEY);
		}
		X509_free(x);
	}
}

static void who_it_is(void **state)
{
	X509 *x = x509_make("J\xc3\xb6rg, 1", ec_key, inter, inter_key, NOW,
		(struct x509_wish){.unit = "a=b\nc"});
	struct hf_auth_client who;
	uint8_t sum[32];
	struct shown s;

	(void)state;
	show(&s, (X509 *[]){x, inter}, 2, ec_key, HF_AUTH_ECDSA, HF_SHA384);
	assert_int_equal(ask(ca, &s, &who), HF_AUTH_OK);
	assert_int_equal(X509_digest(x, EVP_sha256(), sum, NULL), 1);
	assert_memory_equal(who.fingerprint, sum, 32);
	assert_true(hf_span_eq(hf_span(who.subject, who.subject_len),
		hf_span("CN=J\\C3\\B6rg\\, 1,OU=a=b\\0Ac", 27)));
	assert_true(hf_span_eq(hf_span(who.issuer, who.issuer_len), hf_span("CN=Inter", 8)));
	assert_true(hf_span_eq(hf_span(who.cn, who.cn_len), hf_span("J\xc3\xb6rg, 1", 8)));
	X509_free(x);
	x = x509_make("a\nb", ec_key, root, root_key, NOW, (struct x509_wish){0});
	show(&s, &x, 1, ec_key, HF_AUTH_ECDSA, HF_SHA384);
	assert_int_equal(ask(ca, &s, &who), HF_AUTH_OK);
	assert_int_equal(who.cn_len, 0);
	assert_true(hf_span_eq(hf_span(who.subject, who.subject_len), hf_span("CN=a\\0Ab", 8)));
	X509_free(x);
}

static void every_wrong_certificate(void **state)
{
	static const struct {
		struct x509_wish wish;
		enum hf_auth_verdict verdict;
	} rows[] = {
		{{0}, HF_AUTH_OK},
		{{.usage = "digitalSignature", .extended = "clientAuth,serverAuth"}, HF_AUTH_OK},
		{{.to = -1}, HF_AUTH_EXPIRED},
		{{.from = 3600}, HF_AUTH_EARLY},
		{{.extended = "serverAuth"}, HF_AUTH_PURPOSE},
		{{.usage = "keyEncipherment"}, HF_AUTH_PURPOSE},
		{{.hash = "SHA1"}, HF_AUTH_WEAK},
	};
	X509 *x;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		x = client_cert(ec_key, rows[i].wish);
		assert_int_equal(verdict_on(&x, 1), rows[i].verdict);
		X509_free(x);
	}
	x = client_cert(weak_key, (struct x509_wish){0});
	assert_int_equal(verdict_on(&x, 1), HF_AUTH_WEAK);
	X509_free(x);
}

static void every_wrong_chain(void **state)
{
	X509 *leaf = x509_make("client", ec_key, inter, inter_key, NOW, (struct x509_wish){0});
	X509 *own = x509_make("client", ec_key, NULL, ec_key, NOW, (struct x509_wish){0});
	X509 *stray = x509_make("client", ec_key, other, inter_key, NOW, (struct x509_wish){0});
	X509 *forged = x509_make("client", ec_key, root, inter_key, NOW, (struct x509_wish){0});
	X509 *old = x509_make("Inter", inter_key, root, root_key, NOW,
		(struct x509_wish){x509_authority.basic, x509_authority.usage, .to = -DAY / 2});
	X509 *no_ca = x509_make("Inter", inter_key, root, root_key, NOW, (struct x509_wish){0});
	X509 *many[9] = {leaf, inter, root, root, root, root, root, root, root};
	struct hf_auth_client who;
	struct shown s;

	(void)state;
	assert_int_equal(verdict_on((X509 *[]){leaf, inter}, 2), HF_AUTH_OK);
	assert_int_equal(verdict_on((X509 *[]){leaf, inter, root}, 3), HF_AUTH_OK);
	assert_int_equal(verdict_on((X509 *[]){leaf, root, other, inter}, 4), HF_AUTH_OK);
	assert_int_equal(verdict_on(many, 8), HF_AUTH_OK);
	assert_int_equal(verdict_on(many, 9), HF_AUTH_TOO_LONG);
	assert_int_equal(verdict_on(&leaf, 1), HF_AUTH_UNKNOWN_CA);
	assert_int_equal(verdict_on(&own, 1), HF_AUTH_UNKNOWN_CA);
	assert_int_equal(verdict_on((X509 *[]){stray, other}, 2), HF_AUTH_UNKNOWN_CA);
	assert_int_equal(verdict_on(&forged, 1), HF_AUTH_BAD);
	assert_int_equal(verdict_on((X509 *[]){leaf, old}, 2), HF_AUTH_EXPIRED);
	assert_int_equal(verdict_on((X509 *[]){leaf, no_ca}, 2), HF_AUTH_PURPOSE);
	assert_int_equal(verdict_on((X509 *[]){inter, leaf}, 2), HF_AUTH_PURPOSE);
	assert_int_equal(verdict_on(&leaf, 0), HF_AUTH_SYNTAX);
	show(&s, (X509 *[]){leaf, inter}, 2, ec_key, HF_AUTH_ECDSA, HF_SHA256);
	for (size_t cut = 1; cut < s.list_len; cut += 7) {
		struct shown t = s;

		t.list_len -= cut; /* the last vector is cut */
		if (t.list_len == 3u + (size_t)i2d_X509(leaf, NULL))
			continue;
		assert_int_equal(ask(ca, &t, &who), HF_AUTH_SYNTAX);
	}
	for (size_t at = 0; at < s.list_len;
		at++) { /* whatever it says, it is not OK, or is the same */
		struct shown t = s;
		enum hf_auth_verdict v;

		t.list[at] ^= 0x10;
		v = ask(ca, &t, &who);
		assert_int_not_equal(v, HF_AUTH_FAILED);
		if (at < 3u + (size_t)i2d_X509(leaf, NULL))
			assert_int_not_equal(v, HF_AUTH_OK);
	}
	s.list[2]--; /* DER shorter than its vector, by the byte that the next length loses */
	assert_int_equal(ask(ca, &s, &who), HF_AUTH_SYNTAX);
	X509_free(leaf);
	X509_free(own);
	X509_free(stray);
	X509_free(forged);
	X509_free(old);
	X509_free(no_ca);
}

static void names_that_are_too_long(void **state)
{
	char unit[200];
	X509 *x = X509_new(), *y;
	struct hf_auth_client who;
	struct shown s;

	(void)state;
	memset(unit, 0, sizeof(unit));
	for (int i = 0; i < 60; i++)
		memcpy(unit + 2 * i, "\xc3\xb6", 2); /* six characters each as text */
	X509_free(x);
	x = client_cert(ec_key, (struct x509_wish){.unit = unit});
	show(&s, &x, 1, ec_key, HF_AUTH_ECDSA, HF_SHA256);
	assert_int_equal(ask(ca, &s, &who), HF_AUTH_OK);
	y = X509_dup(x);
	for (int i = 0; i < 2; i++)
		X509_NAME_add_entry_by_NID(X509_get_subject_name(y), NID_organizationalUnitName,
			MBSTRING_UTF8, (const unsigned char *)unit, -1, -1, 0);
	assert_true(X509_sign(y, root_key, EVP_sha256()) > 0);
	show(&s, &y, 1, ec_key, HF_AUTH_ECDSA, HF_SHA256);
	assert_int_equal(ask(ca, &s, &who), HF_AUTH_TOO_LONG);
	X509_free(x);
	X509_free(y);
}

/* Any certificate of the file is trusted: an intermediate without its root, or a client's own. */
static void authorities_of_any_kind(void **state)
{
	X509 *leaf = x509_make("client", ec_key, inter, inter_key, NOW, (struct x509_wish){0});
	X509 *own = x509_make("pinned", ec_key, NULL, ec_key, NOW, (struct x509_wish){0});
	struct hf_auth_ca *by_inter = load_certs(&inter, 1), *by_own = load_certs(&own, 1),
			  *by_leaf = load_certs(&leaf, 1);
	struct hf_auth_client who;
	struct shown s;

	(void)state;
	show(&s, &leaf, 1, ec_key, HF_AUTH_ECDSA, HF_SHA256);
	assert_int_equal(ask(by_inter, &s, &who), HF_AUTH_OK);
	assert_int_equal(ask(by_leaf, &s, &who), HF_AUTH_OK);
	assert_int_equal(ask(by_own, &s, &who), HF_AUTH_UNKNOWN_CA);
	show(&s, &own, 1, ec_key, HF_AUTH_ECDSA, HF_SHA256);
	assert_int_equal(ask(by_own, &s, &who), HF_AUTH_OK);
	assert_int_equal(ask(by_inter, &s, &who), HF_AUTH_UNKNOWN_CA);
	hf_pki_libcrypto.ca_free(by_inter);
	hf_pki_libcrypto.ca_free(by_own);
	hf_pki_libcrypto.ca_free(by_leaf);
	X509_free(leaf);
	X509_free(own);
}

/* ---- files ---- */

static void refused(const char *path, const char *why)
{
	struct hf_auth_ca *loaded = load(path);

	assert_null(loaded);
	assert_int_equal(strncmp(report.error, path, strlen(path)), 0);
	if (!strstr(report.error, why))
		fail_msg("\"%s\" lacks \"%s\"", report.error, why);
}

static void files_that_do_not_serve(void **state)
{
	static const char garbage[] =
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
	X509 *many[HF_AUTH_CA_MAX + 1];

	(void)state;
	refused("/nowhere/ca.pem", "cannot be opened");
	refused(dir, "not a regular file");
	refused(write_file("empty.pem", "", 0), "no certificate");
	refused(write_file("text.pem", "hello\n", 6), "no certificate");
	refused(write_file("bad.pem", garbage, sizeof(garbage) - 1),
		"certificate 1 is damaged: what is inside is not whole");
	for (size_t i = 0; i < HF_ARRAY_LEN(many); i++)
		many[i] = root;
	refused(write_certs(many, HF_ARRAY_LEN(many)), "more than 256");
	hf_pki_libcrypto.ca_free(load_certs(many, HF_AUTH_CA_MAX));
}

static void names_for_clients(void **state)
{
	X509 *all[] = {root, inter, root, other}, *many[90];
	struct hf_auth_ca *some = load_certs(all, 4), *again, *less;
	struct hf_reader r = hf_reader_of(some->names);
	struct hf_span name;
	uint32_t cnt = 0;

	(void)state;
	while (!hf_reader_vec16(&r, &name))
		cnt++;
	assert_int_equal(hf_reader_left(&r), 0);
	assert_int_equal(cnt, 3);
	assert_int_equal(some->cert_cnt, 4);
	assert_int_equal(report.warning_cnt, 0);
	again = load_certs(all, 4);
	less = load_certs(all, 2);
	assert_memory_equal(some->fingerprint, again->fingerprint, 32);
	assert_memory_not_equal(some->fingerprint, less->fingerprint, 32);
	hf_pki_libcrypto.ca_free(some);
	hf_pki_libcrypto.ca_free(again);
	hf_pki_libcrypto.ca_free(less);
	for (size_t i = 0; i < HF_ARRAY_LEN(many); i++) {
		char cn[64];

		snprintf(cn, sizeof(cn), "An authority whose name is long, number %zu", i + 1000);
		many[i] = x509_make(cn, root_key, NULL, root_key, NOW, x509_authority);
	}
	some = load_certs(many, 50);
	assert_true(some->names.len > 2000 && some->names.len <= HF_AUTH_NAMES_MAX);
	hf_pki_libcrypto.ca_free(some);
	some = load_certs(many, HF_ARRAY_LEN(many));
	assert_int_equal(some->names.len, 0);
	assert_int_equal(report.warning_cnt, 1);
	assert_non_null(strstr(report.warning[0], "more than the 4096 bytes"));
	hf_pki_libcrypto.ca_free(some);
	for (size_t i = 0; i < HF_ARRAY_LEN(many); i++)
		X509_free(many[i]);
}

static void doubtful_authorities(void **state)
{
	X509 *old = x509_make("Old", root_key, NULL, root_key, NOW,
		(struct x509_wish){x509_authority.basic, x509_authority.usage, .to = -1});
	X509 *early = x509_make("New", root_key, NULL, root_key, NOW,
		(struct x509_wish){x509_authority.basic, x509_authority.usage, .from = DAY});

	(void)state;
	hf_pki_libcrypto.ca_free(load_certs((X509 *[]){root, old, early}, 3));
	assert_int_equal(report.warning_cnt, 2);
	assert_non_null(strstr(report.warning[0], "certificate 2 is expired"));
	assert_non_null(strstr(report.warning[1], "certificate 3 is not valid yet"));
	X509_free(old);
	X509_free(early);
}

/* Workers share authorities. */
static void *ask_often(void *arg)
{
	struct hf_auth_client who;
	uint64_t good = 0;

	for (int i = 0; i < 50; i++)
		good += ask(ca, arg, &who) == HF_AUTH_OK;
	return (void *)good;
}

static void several_threads(void **state)
{
	X509 *leaf = x509_make("client", ec_key, inter, inter_key, NOW, (struct x509_wish){0});
	pthread_t t[4];
	struct shown s;
	void *good;

	(void)state;
	show(&s, (X509 *[]){leaf, inter}, 2, ec_key, HF_AUTH_ECDSA, HF_SHA256);
	for (size_t i = 0; i < HF_ARRAY_LEN(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, ask_often, &s), 0);
	for (size_t i = 0; i < HF_ARRAY_LEN(t); i++) {
		assert_int_equal(pthread_join(t[i], &good), 0);
		assert_int_equal((uint64_t)good, 50);
	}
	X509_free(leaf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_key),
		cmocka_unit_test(kind_and_key_must_fit),
		cmocka_unit_test(who_it_is),
		cmocka_unit_test(every_wrong_certificate),
		cmocka_unit_test(every_wrong_chain),
		cmocka_unit_test(names_that_are_too_long),
		cmocka_unit_test(authorities_of_any_kind),
		cmocka_unit_test(files_that_do_not_serve),
		cmocka_unit_test(names_for_clients),
		cmocka_unit_test(doubtful_authorities),
		cmocka_unit_test(several_threads),
	};

	return cmocka_run_group_tests_name("auth_libcrypto", tests, setup, teardown);
}
