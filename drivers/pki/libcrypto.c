/* libcrypto.c -- reads PEM with OpenSSL and believes nothing: the key must be consistent in itself
 * (RFC 8017 3.2) and belong to the first certificate, or we refuse it; a chain out of order, a date
 * gone by or a missing name is served as the operator wishes, with a warning, as clients decide
 * about those. File contents are read into the tail of the caller's locked memory and wiped there;
 * OpenSSL clears its own copies of key numbers when it frees them. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "drivers/drivers.h"
#include "drivers/pki/auth.h"
#include "drivers/pki/report.h"
#include "lib/crypto/pki.h"
#include "lib/os/os.h"

#define STATUS_CLOCK_S 300 /* the responder's clock may be ahead of ours so far */

struct load {
	struct hf_pki_mem *mem;
	const struct hf_pki_source *src;
	struct hf_pki_cert *out;
	struct hf_pki_report *report;
	OSSL_LIB_CTX *lib;
	X509 *cert[HF_PKI_CHAIN_MAX];
	uint32_t cert_cnt;
	EVP_PKEY *key;
	OCSP_RESPONSE *status;
};

/* ---- memory ---- */

static int no_room(struct load *l, const char *file)
{
	return hf_pki_fail(l->report,
		"%s: chain, key and names need more than %u bytes; leave out what clients do "
		"not need",
		file, HF_PKI_CERT_MEM);
}

/* The next len bytes of the area, or NULL. */
static void *carve(struct load *l, size_t len)
{
	size_t at = HF_ROUND_UP(l->mem->used, sizeof(void *));

	if (at > l->mem->len || l->mem->len - at < len)
		return NULL;
	l->mem->used = at + len;
	return l->mem->base + at;
}

static const char *keep_text(struct load *l, const char *text, size_t len)
{
	char *p = carve(l, len + 1);

	if (p) {
		memcpy(p, text, len);
		p[len] = 0;
	}
	return p;
}

/* ---- files ---- */

struct file {
	uint8_t *p; /* lies at the end of the area, behind all that is kept */
	size_t len, room;
	mode_t mode;
};

static int read_file(struct load *l, const char *path, struct file *f)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	ssize_t n = 0;

	*f = (struct file){.p = l->mem->base + l->mem->used, .room = l->mem->len - l->mem->used};
	if (fd < 0)
		return hf_pki_fail(l->report, "%s: cannot be opened: %s", path, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return hf_pki_fail(l->report, "%s: is not a regular file", path);
	}
	f->mode = st.st_mode;
	while (f->len < f->room && (n = read(fd, f->p + f->len, f->room - f->len)) > 0)
		f->len += (size_t)n;
	close(fd);
	if (n == 0 && f->len < f->room)
		return 0;
	hf_wipe(f->p, f->len);
	if (n < 0)
		return hf_pki_fail(l->report, "%s: cannot be read: %s", path, strerror(errno));
	return hf_pki_fail(
		l->report, "%s: is larger than the %zu bytes there are for it", path, f->room);
}

static void wipe_file(struct file *f)
{
	hf_wipe(f->p, f->len);
}

/* A file without the PEM block that was looked for: what is it then? */
static const char *what_else(const struct file *f)
{
	if (f->len == 0)
		return "it is empty";
	if (f->p[0] == 0x30)
		return "it looks like DER; convert it with openssl ... -inform DER -outform PEM";
	return "expected PEM text";
}

/* ---- the chain ---- */

static int next_cert(struct load *l, BIO *bio, const struct file *f)
{
	const char *path = l->src->cert_file;
	X509 *x = X509_new_ex(l->lib, NULL);

	ERR_clear_error();
	if (x && PEM_read_bio_X509(bio, &x, NULL, NULL)) {
		if (l->cert_cnt < HF_PKI_CHAIN_MAX) {
			l->cert[l->cert_cnt++] = x;
			return 1;
		}
		X509_free(x);
		return hf_pki_fail(l->report,
			"%s: has more than %u certificates; leave only the server's and its "
			"issuers'",
			path, HF_PKI_CHAIN_MAX);
	}
	X509_free(x);
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return hf_pki_fail(l->report,
			"%s: certificate %u is damaged: %s; put a whole copy there", path,
			l->cert_cnt + 1, hf_pki_damage().s);
	if (l->cert_cnt == 0)
		return hf_pki_fail(l->report,
			"%s: no certificate (-----BEGIN CERTIFICATE-----) in it: %s", path,
			what_else(f));
	return 0;
}

static int read_chain(struct load *l)
{
	struct file f;
	BIO *bio;
	int more = 1;

	if (read_file(l, l->src->cert_file, &f))
		return -1;
	bio = BIO_new_mem_buf(f.p, (int)f.len);
	while (bio && more > 0)
		more = next_cert(l, bio, &f);
	BIO_free(bio);
	wipe_file(&f); /* it may hold the key too */
	return bio ? more : hf_pki_fail(l->report, "out of memory");
}

/* ---- the key ---- */

static int refuse_passphrase(char *buf, int size, int writing, void *asked)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

/* Decoders try everything and say little; the block alone shows more. */
static struct hf_pki_damage key_damage(const struct file *f)
{
	BIO *bio = BIO_new_mem_buf(f->p, (int)f->len);
	char *name = NULL, *header = NULL;
	uint8_t *data = NULL;
	long len = 0;
	unsigned long why = ERR_peek_last_error();

	ERR_clear_error();
	while (bio && PEM_read_bio(bio, &name, &header, &data, &len) == 1) {
		bool key = strstr(name, "PRIVATE KEY");

		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(data, (size_t)len);
		if (!key)
			continue;
		ERR_raise(ERR_GET_LIB(why), ERR_GET_REASON(why)); /* as the decoder had it */
		break;
	}
	BIO_free(bio);
	return hf_pki_damage();
}

static int read_key(struct load *l)
{
	const char *path = l->src->key_file;
	struct file f;
	BIO *bio;
	bool asked = false;
	int error;

	if (read_file(l, path, &f))
		return -1;
	bio = BIO_new_mem_buf(f.p, (int)f.len);
	ERR_clear_error();
	l->key =
		bio ? PEM_read_bio_PrivateKey_ex(bio, NULL, refuse_passphrase, &asked, l->lib, NULL)
		    : NULL;
	BIO_free(bio);
	if (l->key)
		error = 0;
	else if (asked)
		error = hf_pki_fail(l->report,
			"%s: the key is encrypted; decrypt it with openssl pkey -in %s, and "
			"keep the file to yourself (chmod 600)",
			path, path);
	else if (!memmem(f.p, f.len, "PRIVATE KEY-----", 16))
		error = hf_pki_fail(l->report,
			"%s: no private key (-----BEGIN PRIVATE KEY-----) in it: %s", path,
			what_else(&f));
	else if (memmem(f.p, f.len, "OPENSSH PRIVATE KEY-----", 24))
		error = hf_pki_fail(l->report,
			"%s: the key is in OpenSSH's own format; make a copy and turn it into PEM "
			"with ssh-keygen -p -m PKCS8 -f COPY",
			path);
	else
		error = hf_pki_fail(l->report,
			"%s: the private key is damaged: %s; put a whole copy there", path,
			key_damage(&f).s);
	wipe_file(&f);
	if (!error && f.mode & (S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH))
		hf_pki_warn(l->report,
			"%s: others may read or change the key (mode %04o); chmod 600 it", path,
			(unsigned)f.mode & 07777);
	return error;
}

/* What kind of key it is, if it is one that is served. */
static int key_type(struct load *l, uint8_t *type)
{
	const char *path = l->src->key_file;
	int bits = EVP_PKEY_get_bits(l->key);
	char curve[64] = "of explicit parameters";

	if (EVP_PKEY_is_a(l->key, "EC")) {
		(void)EVP_PKEY_get_group_name(l->key, curve, sizeof(curve), NULL);
		*type = strcmp(curve, SN_X9_62_prime256v1) == 0 ? HF_PK_EC_P256
			: strcmp(curve, SN_secp384r1) == 0      ? HF_PK_EC_P384
								: 0;
		return *type ? 0
			     : hf_pki_fail(l->report,
				       "%s: is an ECDSA key on the curve %s; P-256 and P-384 are "
				       "served",
				       path, curve);
	}
	if (!EVP_PKEY_is_a(l->key, "RSA"))
		return hf_pki_fail(l->report,
			"%s: is a key of type %s; RSA and ECDSA keys are served", path,
			EVP_PKEY_get0_type_name(l->key));
	if (bits != 2048 && bits != 3072 && bits != 4096)
		return hf_pki_fail(l->report,
			"%s: is an RSA key of %d bits; 2048, 3072 and 4096 are served", path, bits);
	*type = HF_PK_RSA;
	return 0;
}

static int check_key(struct load *l)
{
	const char *path = l->src->key_file;
	EVP_PKEY_CTX *x;
	bool consistent;

	if (key_type(l, &l->out->key.type))
		return -1;
	if (X509_check_private_key(l->cert[0], l->key) != 1) {
		for (uint32_t i = 1; i < l->cert_cnt; i++)
			if (X509_check_private_key(l->cert[i], l->key) == 1)
				return hf_pki_fail(l->report,
					"%s: the key belongs to certificate %u of %s; put "
					"that certificate first",
					path, i + 1, l->src->cert_file);
		return hf_pki_fail(l->report,
			"%s: the key does not belong to the first certificate of %s", path,
			l->src->cert_file);
	}
	x = EVP_PKEY_CTX_new_from_pkey(l->lib, l->key, NULL);
	consistent = x && EVP_PKEY_check(x) == 1;
	EVP_PKEY_CTX_free(x);
	return consistent ? 0
			  : hf_pki_fail(l->report,
				    "%s: the numbers of the key contradict each other (%s); have "
				    "it issued anew",
				    path, hf_pki_reason());
}

/* A number of the key, left-padded to len bytes (0: its own length). False if the key has none. */
static bool keep_number(struct load *l, const char *name, size_t len, struct hf_span *out)
{
	BIGNUM *bn = NULL;
	uint8_t *p = NULL;

	if (EVP_PKEY_get_bn_param(l->key, name, &bn) == 1) {
		if (len == 0)
			len = (size_t)BN_num_bytes(bn);
		p = carve(l, len);
		if (p && BN_bn2binpad(bn, p, (int)len) != (int)len)
			p = NULL;
	}
	BN_clear_free(bn);
	*out = hf_span(p, len);
	return p != NULL;
}

static bool keep_primes(struct load *l, struct hf_pk_key *k)
{
	/* clang-format off */
	static const char *const prime[] = {OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2,
		OSSL_PKEY_PARAM_RSA_FACTOR3, OSSL_PKEY_PARAM_RSA_FACTOR4,
		OSSL_PKEY_PARAM_RSA_FACTOR5};
	static const char *const exponent[] = {OSSL_PKEY_PARAM_RSA_EXPONENT1,
		OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_EXPONENT3,
		OSSL_PKEY_PARAM_RSA_EXPONENT4};
	static const char *const coefficient[] = {NULL, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
		OSSL_PKEY_PARAM_RSA_COEFFICIENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT3};
	/* clang-format on */
	struct hf_span fifth;

	while (k->prime_cnt < HF_RSA_PRIME_MAX &&
		keep_number(l, prime[k->prime_cnt], 0, &k->prime[k->prime_cnt]))
		k->prime_cnt++;
	if (k->prime_cnt < 2 || keep_number(l, prime[HF_RSA_PRIME_MAX], 0, &fifth))
		return false;
	for (uint32_t i = 0; i < k->prime_cnt; i++) {
		/* t_2 = qInv is modulo the first prime, t_i modulo its own */
		size_t t_len = k->prime[i == 1 ? 0 : i].len;

		if (!keep_number(l, exponent[i], k->prime[i].len, &k->exponent[i]) ||
			(i && !keep_number(l, coefficient[i], t_len, &k->coefficient[i])))
			return false;
	}
	return true;
}

static bool keep_pkcs8(struct load *l, struct hf_pk_key *k)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(l->key);
	uint8_t *der = NULL, *p = NULL;
	int len = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;

	if (len > 0)
		p = carve(l, (size_t)len);
	if (p) {
		memcpy(p, der, (size_t)len);
		k->pkcs8 = hf_span(p, (size_t)len);
	}
	if (len > 0)
		OPENSSL_clear_free(der, (size_t)len);
	PKCS8_PRIV_KEY_INFO_free(info);
	return p != NULL;
}

static bool keep_numbers(struct load *l, struct hf_pk_key *k)
{
	if (k->type != HF_PK_RSA)
		return keep_number(l, OSSL_PKEY_PARAM_PRIV_KEY, k->bits / 8u, &k->d);
	return keep_number(l, OSSL_PKEY_PARAM_RSA_N, 0, &k->n) &&
	       keep_number(l, OSSL_PKEY_PARAM_RSA_E, 0, &k->e) &&
	       keep_number(l, OSSL_PKEY_PARAM_RSA_D, k->n.len, &k->d) && keep_primes(l, k);
}

static int keep_key(struct load *l)
{
	struct hf_pk_key *k = &l->out->key;

	k->id = l->src->key_id;
	k->bits = (uint16_t)EVP_PKEY_get_bits(l->key);
	if (keep_numbers(l, k) && keep_pkcs8(l, k))
		return 0;
	if (k->type != HF_PK_RSA)
		return no_room(l, l->src->cert_file);
	return hf_pki_fail(l->report,
		"%s: the key has no two to four primes with their CRT numbers, or does not fit "
		"into %u bytes with its chain",
		l->src->key_file, HF_PKI_CERT_MEM);
}

/* ---- what clients will say to the chain ---- */

static int64_t seconds(const ASN1_TIME *t)
{
	struct tm tm;

	return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static void check_dates(struct load *l, uint32_t i)
{
	int64_t from = seconds(X509_get0_notBefore(l->cert[i]));
	int64_t to = seconds(X509_get0_notAfter(l->cert[i]));

	if (l->src->now_s < from)
		hf_pki_warn(l->report,
			"%s: certificate %u is not valid yet, only in %s; check the clock",
			l->src->cert_file, i + 1, hf_os_time_text(from - l->src->now_s).s);
	if (l->src->now_s > to)
		hf_pki_warn(l->report, "%s: certificate %u expired %s ago; renew it",
			l->src->cert_file, i + 1, hf_os_time_text(l->src->now_s - to).s);
}

/* RFC 5246 7.4.2: each certificate MUST certify the one before it; the root may be left out. */
static void check_order(struct load *l)
{
	for (uint32_t i = 0; i + 1 < l->cert_cnt; i++) {
		if (X509_verify(l->cert[i], X509_get0_pubkey(l->cert[i + 1])) == 1)
			continue;
		hf_pki_warn(l->report,
			"%s: certificate %u is not signed by certificate %u; put each one's issuer "
			"behind it",
			l->src->cert_file, i + 1, i + 2);
	}
	if (l->cert_cnt > 1 && X509_self_signed(l->cert[l->cert_cnt - 1], 1) == 1) {
		hf_pki_warn(l->report,
			"%s: certificate %u is a root, which clients have already; it is not sent",
			l->src->cert_file, l->cert_cnt);
		X509_free(l->cert[--l->cert_cnt]);
	}
}

/* RFC 5246 7.4.2: for RSA key exchange the key must be allowed to encipher; RFC 5280 4.2.1.12; RFC
 * 8422 5.3. */
static void check_usage(struct load *l)
{
	uint32_t usage = X509_get_key_usage(l->cert[0]); /* all ones without the extension */
	uint32_t extended = X509_get_extended_key_usage(l->cert[0]);

	if (!(usage & KU_KEY_ENCIPHERMENT) && l->out->key.type == HF_PK_RSA)
		hf_pki_warn(l->report,
			"%s: key usage without keyEncipherment: clients may refuse RSA key "
			"exchange",
			l->src->cert_file);
	if (!(usage & KU_DIGITAL_SIGNATURE))
		hf_pki_warn(l->report,
			"%s: key usage without digitalSignature: clients may refuse ECDHE suites",
			l->src->cert_file);
	if (!(extended & (XKU_SSL_SERVER | XKU_ANYEKU)))
		hf_pki_warn(l->report,
			"%s: extended key usage without serverAuth: clients will refuse it",
			l->src->cert_file);
}

/* ---- the status to be stapled ---- */

/* What is said about the first certificate; NULL when it is about others. */
static OCSP_SINGLERESP *status_of_leaf(struct load *l, OCSP_BASICRESP *basic)
{
	X509 *issuer = l->cert_cnt > 1 ? l->cert[1] : NULL;

	for (int i = 0; i < OCSP_resp_count(basic); i++) {
		OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
		OCSP_CERTID *id = (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(single), *want;
		ASN1_INTEGER *serial;
		ASN1_OBJECT *hash;
		bool same;

		if (OCSP_id_get0_info(NULL, &hash, NULL, &serial, id) != 1)
			continue;
		same = ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(l->cert[0])) == 0;
		if (same && issuer) {
			want = OCSP_cert_to_id(EVP_get_digestbyobj(hash), l->cert[0], issuer);
			same = want && OCSP_id_cmp(id, want) == 0;
			OCSP_CERTID_free(want);
		}
		if (same)
			return single;
	}
	return NULL;
}

/* RFC 6960 3.2: signed by the issuer, or by whom the issuer has made its responder. */
static bool status_signed(struct load *l, OCSP_BASICRESP *basic)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	X509_STORE *store = X509_STORE_new();
	bool ok = chain && store && X509_STORE_add_cert(store, l->cert[1]) == 1;

	for (uint32_t i = 1; ok && i < l->cert_cnt; i++)
		ok = sk_X509_push(chain, l->cert[i]) > 0;
	if (ok) {
		X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
		X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store), (time_t)l->src->now_s);
		ok = OCSP_basic_verify(basic, chain, store, 0) == 1;
	}
	X509_STORE_free(store);
	sk_X509_free(chain);
	return ok;
}

/* One that clients would refuse for its time is left out. */
static void check_status_time(
	struct load *l, const ASN1_GENERALIZEDTIME *from, const ASN1_GENERALIZEDTIME *to)
{
	const char *path = l->src->ocsp_file;

	if (from && l->src->now_s + STATUS_CLOCK_S < seconds(from))
		hf_pki_warn(l->report,
			"%s: is not valid yet, only in %s, and is not stapled; check the "
			"clock",
			path, hf_os_time_text(seconds(from) - l->src->now_s).s);
	else if (to && l->src->now_s > seconds(to))
		hf_pki_warn(l->report,
			"%s: its time was over %s ago, and it is not stapled; fetch a new one, "
			"then reload",
			path, hf_os_time_text(l->src->now_s - seconds(to)).s);
	else
		return;
	OCSP_RESPONSE_free(l->status);
	l->status = NULL;
}

static int check_status(struct load *l, OCSP_BASICRESP *basic)
{
	const char *path = l->src->ocsp_file;
	OCSP_SINGLERESP *single = status_of_leaf(l, basic);
	ASN1_GENERALIZEDTIME *from = NULL, *to = NULL;
	int status;

	if (!single)
		return hf_pki_fail(l->report,
			"%s: is not about the first certificate of %s; fetch the one that is", path,
			l->src->cert_file);
	if (l->cert_cnt < 2)
		hf_pki_warn(l->report,
			"%s: who signed it was not checked, for %s lacks the issuer; put it behind "
			"the "
			"first certificate",
			path, l->src->cert_file);
	else if (!status_signed(l, basic))
		return hf_pki_fail(l->report,
			"%s: is not signed by the issuer or its responder (%s); fetch it anew",
			path, hf_pki_reason());
	status = OCSP_single_get0_status(single, NULL, NULL, &from, &to);
	if (status != V_OCSP_CERTSTATUS_GOOD)
		hf_pki_warn(l->report,
			"%s: the status is \"%s\": clients will refuse the certificate; renew it",
			path, OCSP_cert_status_str(status));
	check_status_time(l, from, to);
	return 0;
}

static int read_status(struct load *l)
{
	const char *path = l->src->ocsp_file;
	OCSP_BASICRESP *basic;
	const uint8_t *p;
	struct file f;
	int error, said;

	if (!path)
		return 0;
	if (read_file(l, path, &f))
		return -1;
	p = f.p;
	ERR_clear_error();
	l->status = d2i_OCSP_RESPONSE(NULL, &p, (long)f.len);
	error = l->status && p == f.p + f.len ? 0 : -1;
	wipe_file(&f);
	if (error)
		return hf_pki_fail(l->report,
			"%s: is no OCSP response in DER; fetch one with openssl ocsp -respout",
			path);
	said = OCSP_response_status(l->status);
	if (said != OCSP_RESPONSE_STATUS_SUCCESSFUL)
		return hf_pki_fail(l->report,
			"%s: the responder gave no status but \"%s\"; fetch it anew", path,
			OCSP_response_status_str(said));
	basic = OCSP_response_get1_basic(l->status);
	if (!basic)
		return hf_pki_fail(l->report,
			"%s: is not of the basic form (RFC 6960 4.2.1); fetch it anew", path);
	error = check_status(l, basic);
	OCSP_BASICRESP_free(basic);
	return error;
}

/* ---- what is kept of the chain ---- */

#define STATUS_HEAD_LEN 8u /* message type and length, form of status, its length: RFC 6066 8 */

static size_t status_message_len(const struct load *l)
{
	return l->status ? STATUS_HEAD_LEN + (size_t)i2d_OCSP_RESPONSE(l->status, NULL) : 0;
}

static void put_status(const struct load *l, struct hf_writer *w)
{
	uint8_t *der = NULL;
	int len = l->status ? i2d_OCSP_RESPONSE(l->status, &der) : 0;

	if (len <= 0)
		return;
	hf_writer_u8(w, 22); /* CertificateStatus */
	hf_writer_u24(w, 4 + (uint32_t)len);
	hf_writer_u8(w, 1); /* ocsp */
	hf_writer_u24(w, (uint32_t)len);
	hf_writer_bytes(w, der, (size_t)len);
	OPENSSL_free(der);
}

static int keep_chain(struct load *l)
{
	const char *path = l->src->cert_file;
	size_t total = 0, status_len = status_message_len(l);
	struct hf_writer w;
	uint8_t *p;

	for (uint32_t i = 0; i < l->cert_cnt; i++)
		total += 3 + (size_t)i2d_X509(l->cert[i], NULL);
	p = carve(l, total + status_len);
	if (!p)
		return no_room(l, path);
	w = hf_writer(p, total + status_len);
	for (uint32_t i = 0; i < l->cert_cnt; i++) {
		uint8_t *der = NULL;
		int len = i2d_X509(l->cert[i], &der);

		if (len <= 0)
			return hf_pki_fail(
				l->report, "%s: certificate %u: %s", path, i + 1, hf_pki_reason());
		hf_writer_u24(&w, (uint32_t)len);
		hf_writer_bytes(&w, der, (size_t)len);
		OPENSSL_free(der);
	}
	HF_ASSERT(!w.overflow && w.len == total);
	put_status(l, &w);
	HF_ASSERT(!w.overflow && w.len == total + status_len);
	l->out->list = hf_span(p, total);
	l->out->status_len = (uint32_t)status_len;
	l->out->cert_cnt = l->cert_cnt;
	return 0;
}

static const char *keep_dn(struct load *l, const X509_NAME *dn)
{
	BIO *bio = BIO_new(BIO_s_mem());
	const char *kept = NULL;
	char *text;
	long len;

	if (bio && X509_NAME_print_ex(bio, dn, 0, XN_FLAG_RFC2253) >= 0) {
		len = BIO_get_mem_data(bio, &text);
		kept = keep_text(l, text, (size_t)len);
	}
	BIO_free(bio);
	return kept;
}

/* A name of the certificate as text; NULL for kinds that servers are not called by. */
static const char *keep_name(struct load *l, const GENERAL_NAME *g, bool *room)
{
	char text[256];
	const ASN1_STRING *s = g->type == GEN_DNS ? g->d.dNSName : NULL;
	const ASN1_OCTET_STRING *a = g->type == GEN_IPADD ? g->d.iPAddress : NULL;
	size_t len = 0;
	const char *kept;

	if (s && ASN1_STRING_length(s) < (int)sizeof(text)) {
		const uint8_t *p = ASN1_STRING_get0_data(s);

		for (len = 0; len < (size_t)ASN1_STRING_length(s); len++) {
			if (p[len] <= ' ' || p[len] >= 127)
				return NULL; /* no name a client could ask for */
			text[len] = (char)hf_lower(p[len]);
		}
	} else if (a && (ASN1_STRING_length(a) == 4 || ASN1_STRING_length(a) == 16)) {
		int family = ASN1_STRING_length(a) == 4 ? AF_INET : AF_INET6;

		inet_ntop(family, ASN1_STRING_get0_data(a), text, sizeof(text));
		len = strlen(text);
	}
	if (len == 0)
		return NULL;
	kept = keep_text(l, text, len);
	*room = *room && kept;
	return kept;
}

static bool keep_names(struct load *l)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(l->cert[0], NID_subject_alt_name, NULL, NULL);
	int cnt = all ? sk_GENERAL_NAME_num(all) : 0;
	const char **name = carve(l, (size_t)cnt * sizeof(*name));
	bool room = name != NULL;

	for (int i = 0; room && i < cnt; i++) {
		const char *text = keep_name(l, sk_GENERAL_NAME_value(all, i), &room);
		if (text)
			name[l->out->name_cnt++] = text;
	}
	GENERAL_NAMES_free(all);
	l->out->name = name;
	if (room && l->out->name_cnt == 0)
		hf_pki_warn(l->report,
			"%s: the certificate names no DNS name or address (subjectAltName): "
			"clients "
			"will refuse it",
			l->src->cert_file);
	return room;
}

static int keep_display(struct load *l)
{
	X509 *leaf = l->cert[0];

	l->out->not_before_s = seconds(X509_get0_notBefore(leaf));
	l->out->not_after_s = seconds(X509_get0_notAfter(leaf));
	l->out->subject = keep_dn(l, X509_get_subject_name(leaf));
	l->out->issuer = keep_dn(l, X509_get_issuer_name(leaf));
	if (!l->out->subject || !l->out->issuer || !keep_names(l))
		return no_room(l, l->src->cert_file);
	return 0;
}

/* ---- all of it ---- */

static int load_all(struct load *l)
{
	if (read_chain(l) || read_key(l) || check_key(l) || read_status(l))
		return -1;
	for (uint32_t i = 0; i < l->cert_cnt; i++)
		check_dates(l, i);
	check_order(l);
	check_usage(l);
	return keep_key(l) || keep_chain(l) || keep_display(l) ? -1 : 0;
}

static int load(struct hf_pki_mem *mem, const struct hf_pki_source *source,
	struct hf_pki_cert *cert, struct hf_pki_report *report)
{
	struct load l = {.mem = mem, .src = source, .out = cert, .report = report};
	size_t used = mem->used;
	OSSL_PROVIDER *provider = NULL;
	int error;

	HF_ASSERT(source->key_id != 0);
	memset(cert, 0, sizeof(*cert));
	report->error[0] = 0;
	report->warning_cnt = 0;
	l.lib = OSSL_LIB_CTX_new();
	if (l.lib)
		provider = OSSL_PROVIDER_load(l.lib, "default");
	error = provider ? load_all(&l)
			 : hf_pki_fail(l.report, "OpenSSL's default provider is not there");
	for (uint32_t i = 0; i < l.cert_cnt; i++)
		X509_free(l.cert[i]);
	EVP_PKEY_free(l.key);
	OCSP_RESPONSE_free(l.status);
	if (provider)
		OSSL_PROVIDER_unload(provider);
	OSSL_LIB_CTX_free(l.lib);
	ERR_clear_error();
	if (error) {
		hf_wipe(mem->base + used, mem->used - used);
		mem->used = used;
		memset(cert, 0, sizeof(*cert));
	}
	return error;
}

static bool probe(void)
{
	return true;
}

static void sha256(struct hf_span data, uint8_t out[32])
{
	HF_ASSERT(EVP_Digest(data.p, data.len, out, NULL, EVP_sha256(), NULL) == 1);
}

const struct hf_pki_driver hf_pki_libcrypto = {
	.name = "libcrypto",
	.probe = probe,
	.load = load,
	.ca_load = hf_auth_ca_load,
	.ca_free = hf_auth_ca_free,
	.auth = &hf_auth_libcrypto,
	.sha256 = sha256,
};
