/* ja4.h -- which program is it that says hello? JA4 names the shape of a ClientHello: what it offers
 * and how, not what differs from visit to visit. 36 characters in three parts:
 *   t13d1516h2_8daaf6152771_02713d6af862
 *   a: transport, highest version, domain or address, number of suites and of extensions, ALPN
 *   b: SHA-256 of the sorted suites   c: of the sorted extensions and the signature algorithms,
 *      twelve hexadecimal digits of each
 * GREASE values (RFC 8701) do not count. This part makes the texts; who wants the name hashes them:
 * TLS by a job, control by its driver.
 * Threads: none involved. Memory: the caller's; nothing points into the hello afterwards.
 * Errors: -1 for a hello that does not parse or has more lists than any client's.
 * Specs: FoxIO's JA4 (TLS client), RFC 5246 7.4.1.2. */
#ifndef HF_TLS_JA4_H
#define HF_TLS_JA4_H

#include "lib/base/span.h"

#define HF_JA4_HEAD_LEN 10u
#define HF_JA4_LEN 36u
#define HF_JA4_LIST_MAX 128u /* suites, extensions, algorithms: OpenSSL offers 60 with all it has */

struct hf_ja4 {
	char head[HF_JA4_HEAD_LEN];
	uint32_t suites_len, rest_len; /* 0: that part is all zeros, nothing is hashed */
	char suites[5 * HF_JA4_LIST_MAX];
	char rest[2 * 5 * HF_JA4_LIST_MAX];
};

/* hello: the message's body, behind its four bytes of header. */
HF_MUST_CHECK int hf_ja4_read(struct hf_span hello, struct hf_ja4 *out);
/* The name, from the SHA-256 of both texts. */
void hf_ja4_write(const struct hf_ja4 *j, const uint8_t suites_hash[32],
	const uint8_t rest_hash[32], char out[HF_JA4_LEN]);

#endif
