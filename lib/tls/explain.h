/* explain.h -- what a ClientHello says and what it would get, for people: the same parser and the
 * same choice as in tls_hello.c, called off the data path.
 * Threads: any; a site is immutable. Memory: spans point into the hello, pointers into the site.
 * Errors: a hello that fails is an answer like any other: its reason says why. */
#ifndef HF_TLS_EXPLAIN_H
#define HF_TLS_EXPLAIN_H

#include "lib/tls/tls.h"

/* What was offered; a span with p NULL was not. Lists as on the wire, without their length. */
struct hf_tls_offer {
	enum hf_tls_reason reason; /* OK: it parses; else what comes before the fault */
	uint16_t version;
	struct hf_span name, suites, groups, signatures, versions, alpn;
};
/* hello: the message with its header. */
void hf_tls_offer_read(struct hf_span hello, struct hf_tls_offer *out);

struct hf_tls_answer {
	enum hf_tls_reason reason;        /* OK, or why there would be no handshake */
	const struct hf_tls_vhost *vhost; /* NULL: it did not come that far */
	const struct hf_tls_cert *cert;   /* and from here on: only with OK */
	const char *name_match;
	uint16_t suite, group, scheme; /* group and scheme 0: RSA key exchange needs none */
	struct hf_span alpn;
	bool extended_master;
};
/* only: nothing but this suite is served, to learn what stands against it; 0: all of the site's. */
void hf_tls_explain(const struct hf_tls_site *site, struct hf_span hello, uint16_t only,
	struct hf_tls_answer *out);

/* IANA names; "unknown" */
const char *hf_tls_group_name(uint16_t id);
const char *hf_tls_scheme_name(uint16_t id);
const char *hf_tls_reason_help(enum hf_tls_reason r);

#endif
