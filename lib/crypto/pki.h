/* pki.h -- from the operator's files to what TLS serves: a certificate chain and its private key, and
 * the authorities that clients' certificates must lead to. The
 * driver (drivers/pki) reads, checks that key and chain belong together and will be accepted by
 * clients, and lays the result out in the caller's locked memory: the certificate list as it goes on
 * the wire, the key's numbers as the engines take them.
 *
 * Threads: control only. Memory: results live in the caller's hf_pki_mem until it is wiped; whoever
 * holds a certificate or key holds that memory. A certificate takes HF_PKI_CERT_MEM at most.
 * Errors: load returns -1 and report.error says what is wrong, where, and what to do; what clients
 * may trip over but we can serve is a warning. A status past its time is a warning, too, and left out:
 * clients would refuse it, and who has none goes on. Secrets: passphrases are never asked for. */
#ifndef HF_CRYPTO_PKI_H
#define HF_CRYPTO_PKI_H

#include "lib/base/base.h"
#include "lib/base/secret.h"
#include "lib/base/span.h"
#include "lib/crypto/auth.h"
#include "lib/crypto/pk_engine.h"

#define HF_PKI_CERT_MEM \
	(64u * 1024u) /* chain, key and names of one certificate, with room to read */
#define HF_PKI_CHAIN_MAX 10u
#define HF_PKI_TEXT_MAX 640u
#define HF_PKI_WARNING_MAX 8u

/* A bump area in memory that is locked and kept out of dumps (lib/os gives such). */
struct hf_pki_mem {
	uint8_t *base;
	size_t len, used;
};

/* What ends the life of everything that was loaded into it. */
static inline void hf_pki_mem_wipe(struct hf_pki_mem *m)
{
	hf_wipe(m->base, m->len);
	m->used = 0;
}

struct hf_pki_source {
	const char *cert_file; /* PEM: the server's certificate first, then each one's issuer */
	const char *key_file;  /* PEM, not encrypted; may be the same file */
	const char
		*ocsp_file; /* DER OCSP response (RFC 6960) about the first certificate, or NULL */
	uint64_t key_id;    /* becomes key.id: unique in the process, never 0 */
	int64_t now_s;      /* wall clock, seconds since 1970 */
};

struct hf_pki_cert {
	struct hf_span
		list;      /* certificate_list of RFC 5246 7.4.2 without its length: (u24, DER)* */
	uint32_t cert_cnt; /* certificates in list */
	uint32_t status_len; /* of the CertificateStatus message (RFC 6066 8) that follows list in
				memory; 0: none does */
	struct hf_pk_key key;
	/* for people */
	const char *subject, *issuer; /* of the server's certificate, RFC 2253 form */
	const char *const *name;      /* what it is good for: DNS names in lower case, addresses */
	uint32_t name_cnt;
	int64_t not_before_s, not_after_s;
};

struct hf_pki_report {
	char error[HF_PKI_TEXT_MAX];
	char warning[HF_PKI_WARNING_MAX][HF_PKI_TEXT_MAX];
	uint32_t warning_cnt;
};

struct hf_pki_driver {
	const char *name;
	bool (*probe)(void);
	/* 0, or -1 with report->error; nothing is left in mem then. */
	int (*load)(struct hf_pki_mem *mem, const struct hf_pki_source *source,
		struct hf_pki_cert *cert, struct hf_pki_report *report);
	/* Every certificate of a PEM file is trusted from here on, of a root or not. NULL with
	 * report->error. Given back by ca_free, when no client is checked against it any more. */
	struct hf_auth_ca *(*ca_load)(
		const char *file, int64_t now_s, struct hf_pki_report *report);
	void (*ca_free)(struct hf_auth_ca *ca);
	const struct hf_auth_driver *auth; /* checks clients against them */
	/* What people compare certificates and hellos by. */
	void (*sha256)(struct hf_span data, uint8_t out[32]);
};

#endif
