/* pki_libcrypto.c -- files as operators leave them: good ones become a certificate list and a key
 * whose numbers are checked against each other here; each bad one is refused with a text that names
 * the file and a remedy; each doubtful one is served with a warning. */
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "drivers/drivers.h"
#include "lib/base/span.h"
#include "lib/crypto/pki.h"
#include "tests/support/ec_key.h"
#include "tests/support/rsa_key.h"
#include "tests/support/test.h"

#define NOW 1800000000 /* January 2027 */
#define DAY 86400

static char dir[] = "/tmp/hf_pki_XXXXXX";
static char chain_pem[64], key_pem[64]; /* a good pair */
static struct rsa_key root_key, inter_key, leaf_key, other_key;
static X509 *root, *inter, *leaf;
static struct hf_pki_mem mem;
static struct hf_pki_report report;
static const char *ocsp_file; /* what every load brings along */

/* ---- making files ---- */

struct wish { /* what a certificate shall be; zeros give a good one */
	const char *san, *usage, *extended;
	long from, to;
};

static void extend(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

static X509 *make_cert(const char *cn, EVP_PKEY *key, X509 *issuer, EVP_PKEY *signer, struct wish w)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	static long serial;

	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer) : name);
	ASN1_TIME_set(X509_getm_notBefore(x), NOW + (w.from ? w.from : -DAY));
	ASN1_TIME_set(X509_getm_notAfter(x), NOW + (w.to ? w.to : 90 * DAY));
	X509_set_pubkey(x, key);
	if (w.san)
		extend(x, NID_subject_alt_name, w.san);
	if (w.usage)
		extend(x, NID_key_usage, w.usage);
	if (w.extended)
		extend(x, NID_ext_key_usage, w.extended);
	assert_true(X509_sign(x, signer, EVP_sha256()) > 0);
	return x;
}

/* Good until the fourth call from here. */
static const char *path_of(const char *name)
{
	static char path[4][64];
	static int turn;
	char *p = path[turn++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static const char *write_text(const char *name, const void *text, size_t len, mode_t mode)
{
	const char *path = path_of(name);
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, mode);

	assert_true(fd >= 0);
	fchmod(fd, mode);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
	return path;
}

static const char *write_bio(const char *name, BIO *bio, mode_t mode)
{
	char *text;
	long len = BIO_get_mem_data(bio, &text);
	const char *path = write_text(name, text, (size_t)len, mode);

	BIO_free(bio);
	return path;
}

static const char *write_certs(const char *name, X509 *const *x, int cnt)
{
	BIO *bio = BIO_new(BIO_s_mem());

	for (int i = 0; i < cnt; i++)
		PEM_write_bio_X509(bio, x[i]);
	return write_bio(name, bio, 0644);
}

static const char *write_key(const char *name, EVP_PKEY *key, const char *passphrase)
{
	BIO *bio = BIO_new(BIO_s_mem());

	PEM_write_bio_PKCS8PrivateKey(bio, key, passphrase ? EVP_aes_128_cbc() : NULL, passphrase,
		passphrase ? (int)strlen(passphrase) : 0, NULL, NULL);
	return write_bio(name, bio, 0600);
}

static const struct wish good = {.san = "DNS:WWW.Example.org,DNS:*.example.org,IP:192.0.2.7,"
					"IP:2001:db8::1,email:root@example.org",
	.usage = "digitalSignature,keyEncipherment",
	.extended = "serverAuth"};

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	rsa_key_make(&root_key, 2048, 2);
	rsa_key_make(&inter_key, 2048, 2);
	rsa_key_make(&leaf_key, 2048, 2);
	rsa_key_make(&other_key, 2048, 2);
	root = make_cert("Root", root_key.pkey, NULL, root_key.pkey, (struct wish){0});
	inter = make_cert("Inter", inter_key.pkey, root, root_key.pkey, (struct wish){0});
	leaf = make_cert("www.example.org", leaf_key.pkey, inter, inter_key.pkey, good);
	mem = (struct hf_pki_mem){test_alloc(HF_PKI_CERT_MEM), HF_PKI_CERT_MEM, 0};
	strcpy(chain_pem, write_certs("chain.pem", (X509 *[]){leaf, inter}, 2));
	strcpy(key_pem, write_key("key.pem", leaf_key.pkey, NULL));
	return 0;
}

static int teardown(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
	X509_free(root);
	X509_free(inter);
	X509_free(leaf);
	rsa_key_free(&root_key);
	rsa_key_free(&inter_key);
	rsa_key_free(&leaf_key);
	rsa_key_free(&other_key);
	free(mem.base);
	return 0;
}

/* ---- asking ---- */

static int load(const char *cert_file, const char *key_file, struct hf_pki_cert *out)
{
	struct hf_pki_source s = {cert_file, key_file, ocsp_file, 77, NOW};

	hf_pki_mem_wipe(&mem);
	return hf_pki_libcrypto.load(&mem, &s, out, &report);
}

static void refused(const char *cert_file, const char *key_file, const char *place, const char *why)
{
	struct hf_pki_cert out;

	assert_int_equal(load(cert_file, key_file, &out), -1);
	if (!strstr(report.error, place) || !strstr(report.error, why))
		fail_msg("\"%s\" does not say \"%s\" ... \"%s\"", report.error, place, why);
	assert_int_equal(mem.used, 0);
	for (size_t i = 0; i < mem.len; i++)
		assert_int_equal(mem.base[i], 0);
}

static void warned(const char *cert_file, const char *key_file, const char *why)
{
	struct hf_pki_cert out;

	if (load(cert_file, key_file, &out))
		fail_msg("refused: %s", report.error);
	assert_int_equal(report.warning_cnt, 1);
	if (!strstr(report.warning[0], why) || strncmp(report.warning[0], dir, strlen(dir)) != 0)
		fail_msg("\"%s\" does not say \"%s\"", report.warning[0], why);
}

static BIGNUM *bn(struct hf_span s)
{
	return BN_bin2bn(s.p, (int)s.len, NULL);
}

/* ---- good files ---- */

static void a_good_pair_becomes_list_and_names(void **state)
{
	struct hf_pki_cert c;
	struct hf_reader r;
	struct hf_span der;
	uint8_t *want = NULL;
	X509 *sent[] = {leaf, inter};

	(void)state;
	if (load(chain_pem, key_pem, &c))
		fail_msg("%s", report.error);
	assert_int_equal(report.warning_cnt, 0);
	assert_int_equal(c.cert_cnt, 2);
	r = hf_reader_of(c.list);
	for (int i = 0; i < 2; i++) {
		int len = i2d_X509(sent[i], &want);

		assert_int_equal(hf_reader_vec24(&r, &der), 0);
		assert_int_equal(der.len, len);
		assert_memory_equal(der.p, want, der.len);
		OPENSSL_free(want);
		want = NULL;
	}
	assert_int_equal(hf_reader_left(&r), 0);
	assert_string_equal(c.subject, "CN=www.example.org");
	assert_string_equal(c.issuer, "CN=Inter");
	assert_int_equal(c.name_cnt, 4);
	assert_string_equal(c.name[0], "www.example.org");
	assert_string_equal(c.name[1], "*.example.org");
	assert_string_equal(c.name[2], "192.0.2.7");
	assert_string_equal(c.name[3], "2001:db8::1");
	assert_int_equal(c.not_before_s, NOW - DAY);
	assert_int_equal(c.not_after_s, NOW + 90 * DAY);
}

/* n = product of primes, e d = 1, d_i = d mod (r_i - 1), coefficients invert: RFC 8017 3.2. */
static void numbers_agree(uint32_t bits, uint32_t prime_cnt)
{
	struct rsa_key k;
	struct hf_pki_cert c;
	const struct hf_pk_key *key = &c.key;
	BN_CTX *x = BN_CTX_new();
	BIGNUM *product = BN_new(), *v = BN_new(), *n, *d;
	X509 *cert;

	rsa_key_make(&k, bits, prime_cnt);
	cert = make_cert("a", k.pkey, NULL, k.pkey, good);
	if (load(write_certs("c.pem", &cert, 1), write_key("k.pem", k.pkey, NULL), &c))
		fail_msg("%s", report.error);
	assert_int_equal(report.warning_cnt, 0);
	assert_int_equal(key->id, 77);
	assert_int_equal(key->type, HF_PK_RSA);
	assert_int_equal(key->bits, bits);
	assert_int_equal(key->prime_cnt, prime_cnt);
	assert_int_equal(key->n.len, bits / 8);
	assert_int_equal(key->d.len, bits / 8);
	assert_true(hf_span_eq(key->n, k.key.n));
	assert_true(hf_span_eq(key->e, k.key.e));
	n = bn(key->n);
	d = bn(key->d);
	BN_one(product);
	for (uint32_t i = 0; i < prime_cnt; i++) {
		BIGNUM *r_i = bn(key->prime[i]), *d_i = bn(key->exponent[i]);
		BIGNUM *less = BN_dup(r_i);

		BN_sub_word(less, 1);
		BN_mod(v, d, less, x);
		assert_int_equal(BN_cmp(v, d_i), 0);
		if (i) {
			BIGNUM *t = bn(key->coefficient[i]);
			BIGNUM *first = bn(key->prime[0]);

			if (i == 1) /* qInv q = 1 mod p */
				BN_mod_mul(v, t, r_i, first, x);
			else
				BN_mod_mul(v, t, product, r_i, x);
			assert_true(BN_is_one(v));
			BN_free(t);
			BN_free(first);
		}
		BN_mul(product, product, r_i, x);
		BN_free(r_i);
		BN_free(d_i);
		BN_free(less);
	}
	assert_int_equal(BN_cmp(product, n), 0);
	assert_true(hf_span_eq(key->pkcs8, k.key.pkcs8));
	BN_free(product);
	BN_free(v);
	BN_free(n);
	BN_clear_free(d);
	BN_CTX_free(x);
	X509_free(cert);
	rsa_key_free(&k);
}

static void every_size_and_prime_count(void **state)
{
	(void)state;
	numbers_agree(2048, 2);
	numbers_agree(3072, 2);
	numbers_agree(4096, 2);
	numbers_agree(2048, 3);
	numbers_agree(4096, 4);
}

/* Signing is all that such a key is for: keyEncipherment is not missed. The private number is padded
 * to the length of the order. */
static void keys_of_both_curves(void **state)
{
	static const struct wish ecdsa = {
		.san = "DNS:a", .usage = "digitalSignature", .extended = "serverAuth"};
	struct hf_pki_cert c;
	struct ec_key k;
	X509 *cert;

	(void)state;
	for (enum hf_pk_type type = HF_PK_EC_P256; type <= HF_PK_EC_P384; type++) {
		ec_key_make(&k, type);
		cert = make_cert("a", k.pkey, inter, inter_key.pkey, ecdsa);
		if (load(write_certs("c.pem", (X509 *[]){cert, inter}, 2),
			    write_key("k.pem", k.pkey, NULL), &c))
			fail_msg("%s", report.error);
		assert_int_equal(report.warning_cnt, 0);
		assert_int_equal(c.key.id, 77);
		assert_int_equal(c.key.type, type);
		assert_int_equal(c.key.bits, k.key.bits);
		assert_true(hf_span_eq(c.key.d, k.key.d));
		assert_true(hf_span_eq(c.key.pkcs8, k.key.pkcs8));
		X509_free(cert);
		ec_key_free(&k);
	}
}

/* PKCS#1 form, chain and key in one file, text around the blocks: all are met in the field. */
static void other_forms_are_read(void **state)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct hf_pki_cert c;
	const char *path;

	(void)state;
	BIO_puts(bio, "subject=/CN=www.example.org\n");
	PEM_write_bio_PrivateKey_traditional(bio, leaf_key.pkey, NULL, NULL, 0, NULL, NULL);
	PEM_write_bio_X509(bio, leaf);
	BIO_puts(bio, "the issuer:\n");
	PEM_write_bio_X509(bio, inter);
	path = write_bio("both.pem", bio, 0600);
	if (load(path, path, &c))
		fail_msg("%s", report.error);
	assert_int_equal(report.warning_cnt, 0);
	assert_int_equal(c.cert_cnt, 2);
}

/* Two certificates in one area, one failing in between: the first stays as it was. */
static void an_area_holds_several(void **state)
{
	struct hf_pki_mem big = {test_alloc(2 * HF_PKI_CERT_MEM), 2 * HF_PKI_CERT_MEM, 0};
	struct hf_pki_source s = {chain_pem, key_pem, NULL, 1, NOW};
	struct hf_pki_source bad = {chain_pem, path_of("none.pem"), NULL, 2, NOW};
	struct hf_pki_cert a, b;
	size_t used;

	(void)state;
	assert_int_equal(hf_pki_libcrypto.load(&big, &s, &a, &report), 0);
	used = big.used;
	assert_int_equal(hf_pki_libcrypto.load(&big, &bad, &b, &report), -1);
	assert_int_equal(big.used, used);
	s.key_id = 3;
	assert_int_equal(hf_pki_libcrypto.load(&big, &s, &b, &report), 0);
	assert_true(hf_span_eq(a.list, b.list));
	assert_true(hf_span_eq(a.key.pkcs8, b.key.pkcs8));
	assert_ptr_not_equal(a.list.p, b.list.p);
	hf_pki_mem_wipe(&big);
	for (size_t i = 0; i < big.len; i++)
		assert_int_equal(big.base[i], 0);
	free(big.base);
}

/* ---- bad files ---- */

static void files_that_are_none(void **state)
{
	uint8_t *der = NULL;
	int len = i2d_X509(leaf, &der);
	static const char openssh[] = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n"
				      "-----END OPENSSH PRIVATE KEY-----\n";

	(void)state;
	refused(path_of("none.pem"), key_pem, "none.pem", "No such file");
	refused(chain_pem, path_of("none.pem"), "none.pem", "No such file");
	refused(dir, key_pem, dir, "not a regular file");
	refused(write_text("empty.pem", "", 0, 0600), key_pem, "empty.pem", "empty");
	refused(write_text("x.der", der, (size_t)len, 0600), key_pem, "x.der", "DER");
	refused(write_text("x.txt", "hello", 5, 0600), key_pem, "x.txt", "PEM");
	refused(chain_pem, chain_pem, "chain.pem", "no private key");
	refused(chain_pem, write_text("ssh.pem", openssh, sizeof(openssh) - 1, 0600), "ssh.pem",
		"ssh-keygen -p -m PKCS8");
	refused(key_pem, key_pem, "key.pem", "no certificate");
	OPENSSL_free(der);
}

static void files_that_are_broken(void **state)
{
	static char text[HF_PKI_CERT_MEM + 1];
	FILE *f = fopen(chain_pem, "r");
	size_t len = fread(text, 1, sizeof(text), f);
	char *second = strstr(text + 10, "-----BEGIN");

	(void)state;
	fclose(f);
	refused(write_text("bad.pem", text, len - 10, 0600), key_pem,
		"bad.pem: certificate 2 is damaged",
		"-----END line is missing or wrong, as in a file cut off; put a whole copy there");
	second[100] = '!';
	refused(write_text("bad.pem", text, len, 0600), key_pem,
		"bad.pem: certificate 2 is damaged", "something else than base64");
	second[100] = 'A';
	memset(second + 28, 'A', 60); /* the first line of base64 */
	refused(write_text("bad.pem", text, len, 0600), key_pem,
		"bad.pem: certificate 2 is damaged", "what is inside is not whole");
	memset(text, 'x', sizeof(text));
	refused(write_text("big.pem", text, sizeof(text), 0600), key_pem, "big.pem", "larger");
}

static void keys_that_are_broken(void **state)
{
	static const char place[] = "bad.pem: the private key is damaged";
	char text[4096];
	FILE *f = fopen(key_pem, "r");
	size_t len = fread(text, 1, sizeof(text), f);

	(void)state;
	fclose(f);
	refused(chain_pem, write_text("bad.pem", text, len / 2, 0600), place,
		"-----END line is missing or wrong, as in a file cut off; put a whole copy there");
	refused(chain_pem, write_text("bad.pem", text + 3, len - 3, 0600), place,
		"-----BEGIN line is not whole");
	text[100] = '!';
	refused(chain_pem, write_text("bad.pem", text, len, 0600), place, "else than base64");
	text[100] = 'A';
	memset(text + 28, 'A', 60); /* the first line of base64 */
	refused(chain_pem, write_text("bad.pem", text, len, 0600), place,
		"what is inside is not whole");
}

static void keys_that_do_not_serve(void **state)
{
	struct rsa_key small;
	EVP_PKEY *ec = EVP_EC_gen("P-256"), *p521 = EVP_EC_gen("P-521");
	EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	X509 *chain_x[12];

	(void)state;
	refused(chain_pem, write_key("enc.pem", leaf_key.pkey, "secret"), "enc.pem", "encrypted");
	refused(chain_pem, write_key("other.pem", other_key.pkey, NULL), "other.pem",
		"does not belong to the first certificate");
	refused(chain_pem, write_key("inter.pem", inter_key.pkey, NULL), "inter.pem",
		"certificate 2");
	refused(chain_pem, write_key("ec.pem", ec, NULL), "ec.pem",
		"does not belong to the first certificate");
	refused(chain_pem, write_key("p521.pem", p521, NULL), "p521.pem", "secp521r1; P-256 and");
	refused(chain_pem, write_key("ed.pem", ed, NULL), "ed.pem", "ED25519");
	rsa_key_make(&small, 1024, 2);
	refused(chain_pem, write_key("small.pem", small.pkey, NULL), "small.pem", "1024 bits");
	for (int i = 0; i < 12; i++)
		chain_x[i] = leaf;
	refused(write_certs("long.pem", chain_x, 12), key_pem, "long.pem", "more than");
	rsa_key_free(&small);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(p521);
	EVP_PKEY_free(ed);
}

/* A key whose CRT exponent was bent: it matches the certificate, yet would leak its factors. */
static void a_key_that_contradicts_itself(void **state)
{
	struct hf_span d = leaf_key.key.exponent[0];
	size_t len = leaf_key.key.pkcs8.len, at = 0;
	uint8_t *der = malloc(len);
	const uint8_t *p = der;
	EVP_PKEY *bent;

	(void)state;
	memcpy(der, leaf_key.key.pkcs8.p, len);
	for (; *d.p == 0; d.p++) /* DER has none of these zeros */
		d.len--;
	while (memcmp(der + at, d.p, d.len) != 0)
		at++;
	der[at + d.len - 1] ^= 2;
	bent = d2i_AutoPrivateKey(NULL, &p, (long)len);
	assert_non_null(bent);
	refused(chain_pem, write_key("bent.pem", bent, NULL), "bent.pem", "contradict");
	EVP_PKEY_free(bent);
	free(der);
}

/* ---- doubtful files ---- */

static void doubtful(const char *cn, struct wish w, const char *why)
{
	X509 *x = make_cert(cn, leaf_key.pkey, NULL, leaf_key.pkey, w);

	warned(write_certs("w.pem", &x, 1), key_pem, why);
	X509_free(x);
}

static void what_clients_may_refuse(void **state)
{
	struct wish w = good;
	struct hf_pki_cert c;
	X509 *other = make_cert("Other", other_key.pkey, root, root_key.pkey, w);

	(void)state;
	w.to = -3600;
	w.from = -2 * DAY;
	doubtful("a", w, "certificate 1 expired 60 minutes ago; renew it");
	w.to = -DAY - 3600;
	doubtful("a", w, "certificate 1 expired 25 hours ago; renew it");
	w = good;
	w.from = 7200;
	doubtful("a", w, "only in 2 hours; check the clock");
	w = good;
	w.san = "email:root@example.org";
	doubtful("a", w, "names no DNS name");
	w = good;
	w.usage = "digitalSignature";
	doubtful("a", w, "keyEncipherment");
	w = good;
	w.usage = "keyEncipherment";
	doubtful("a", w, "digitalSignature");
	w = good;
	w.extended = "clientAuth";
	doubtful("a", w, "serverAuth");
	warned(write_certs("w.pem", (X509 *[]){leaf, other}, 2), key_pem,
		"not signed by certificate 2");
	X509_free(other);

	warned(write_certs("w.pem", (X509 *[]){leaf, inter, root}, 3), key_pem, "is a root");
	assert_int_equal(load(path_of("w.pem"), key_pem, &c), 0);
	assert_int_equal(c.cert_cnt, 2);
	chmod(key_pem, 0644);
	warned(chain_pem, key_pem, "chmod 600");
	chmod(key_pem, 0600);
}

/* ---- a status to be stapled ---- */

struct answer { /* zeros give a good one */
	X509 *about, *issuer, *signer;
	EVP_PKEY *key;
	int status;
	long from, to;
	bool no_end;
};

static const char *write_answer(const struct answer *a)
{
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	X509 *issuer = a->issuer ? a->issuer : inter;
	OCSP_CERTID *id = OCSP_cert_to_id(NULL, a->about ? a->about : leaf, issuer);
	ASN1_TIME *from = ASN1_TIME_set(NULL, NOW + (a->from ? a->from : -3600));
	ASN1_TIME *to = ASN1_TIME_set(NULL, NOW + (a->to ? a->to : 3600));
	OCSP_RESPONSE *r;
	uint8_t *der = NULL;
	const char *path;
	int len;

	assert_non_null(OCSP_basic_add1_status(basic, id, a->status, 0,
		a->status == V_OCSP_CERTSTATUS_REVOKED ? from : NULL, from, a->no_end ? NULL : to));
	assert_int_equal(OCSP_basic_sign(basic, a->signer ? a->signer : inter,
				 a->key ? a->key : inter_key.pkey, EVP_sha256(), NULL, 0),
		1);
	r = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	len = i2d_OCSP_RESPONSE(r, &der);
	path = write_text("x.ocsp", der, (size_t)len, 0644);
	OPENSSL_free(der);
	OCSP_RESPONSE_free(r);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(from);
	ASN1_TIME_free(to);
	return path;
}

/* A CertificateStatus message behind the list, with the file in it: RFC 6066 8. */
static void a_good_status_is_stapled(void **state)
{
	struct hf_reader r;
	struct hf_span message = {0}, der = {0};
	struct hf_pki_cert c;
	uint8_t type, form, file[4096];
	size_t len;
	FILE *f;

	(void)state;
	for (int no_end = 0; no_end < 2; no_end++) {
		ocsp_file = write_answer(&(struct answer){.no_end = no_end});
		if (load(chain_pem, key_pem, &c))
			fail_msg("%s", report.error);
		assert_int_equal(report.warning_cnt, 0);
		f = fopen(ocsp_file, "r");
		len = fread(file, 1, sizeof(file), f);
		fclose(f);
		r = hf_reader(c.list.p + c.list.len, c.status_len);
		assert_int_equal(hf_reader_u8(&r, &type) || hf_reader_vec24(&r, &message), 0);
		assert_int_equal(type, 22);
		assert_int_equal(hf_reader_left(&r), 0);
		r = hf_reader_of(message);
		assert_int_equal(hf_reader_u8(&r, &form) || hf_reader_vec24(&r, &der), 0);
		assert_int_equal(form, 1);
		assert_int_equal(hf_reader_left(&r), 0);
		assert_true(hf_span_eq(der, hf_span(file, len)));
	}
	ocsp_file = NULL;
}

static void doubtful_statuses(void **state)
{
	static const struct {
		struct answer a;
		const char *why;
		bool stapled;
	} rows[] = {
		{{.status = V_OCSP_CERTSTATUS_REVOKED}, "revoked", true},
		{{.status = V_OCSP_CERTSTATUS_UNKNOWN}, "unknown", true},
		{{.to = -7300}, "over 2 hours ago", false},
		{{.from = 3600, .to = 7200}, "not valid yet, only in 60 minutes", false},
		{{.from = 200}, NULL, true}, /* a clock that is a little ahead */
	};
	struct hf_pki_cert c;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		ocsp_file = write_answer(&rows[i].a);
		if (load(chain_pem, key_pem, &c))
			fail_msg("%s", report.error);
		assert_int_equal(report.warning_cnt, rows[i].why != NULL);
		if (rows[i].why && !strstr(report.warning[0], rows[i].why))
			fail_msg("\"%s\" does not say \"%s\"", report.warning[0], rows[i].why);
		assert_int_equal(c.status_len > 0, rows[i].stapled);
	}
	ocsp_file = write_answer(&(struct answer){0});
	warned(write_certs("leaf.pem", &leaf, 1), key_pem, "who signed it was not checked");
	ocsp_file = NULL;
}

static void statuses_that_do_not_serve(void **state)
{
	static const uint8_t try_later[] = {0x30, 3, 0x0a, 1, 3};
	struct answer wrong = {.signer = root, .key = root_key.pkey};

	(void)state;
	ocsp_file = path_of("gone.ocsp");
	refused(chain_pem, key_pem, "gone.ocsp", "No such file");
	ocsp_file = write_text("empty.ocsp", "", 0, 0644);
	refused(chain_pem, key_pem, "empty.ocsp", "no OCSP response");
	ocsp_file = write_text("text.ocsp", "-----BEGIN", 10, 0644);
	refused(chain_pem, key_pem, "text.ocsp", "no OCSP response");
	ocsp_file = write_text("later.ocsp", try_later, sizeof(try_later), 0644);
	refused(chain_pem, key_pem, "later.ocsp", "trylater");
	ocsp_file = write_answer(&(struct answer){.about = inter, .issuer = root});
	refused(chain_pem, key_pem, "x.ocsp", "not about the first certificate");
	ocsp_file = write_answer(&wrong);
	refused(chain_pem, key_pem, "x.ocsp", "not signed by");
	wrong = (struct answer){.key = other_key.pkey}; /* in the issuer's name */
	wrong.signer = make_cert("Inter", other_key.pkey, root, root_key.pkey, (struct wish){0});
	ocsp_file = write_answer(&wrong);
	refused(chain_pem, key_pem, "x.ocsp", "not signed by");
	X509_free(wrong.signer);
	ocsp_file = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_pair_becomes_list_and_names),
		cmocka_unit_test(every_size_and_prime_count),
		cmocka_unit_test(keys_of_both_curves),
		cmocka_unit_test(a_good_status_is_stapled),
		cmocka_unit_test(doubtful_statuses),
		cmocka_unit_test(statuses_that_do_not_serve),
		cmocka_unit_test(other_forms_are_read),
		cmocka_unit_test(an_area_holds_several),
		cmocka_unit_test(files_that_are_none),
		cmocka_unit_test(files_that_are_broken),
		cmocka_unit_test(keys_that_are_broken),
		cmocka_unit_test(keys_that_do_not_serve),
		cmocka_unit_test(a_key_that_contradicts_itself),
		cmocka_unit_test(what_clients_may_refuse),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
