/* site_load.h -- from the options to one generation of the site: reads certificates and keys, gives
 * every name its virtual host, and lays out what workers serve from (lib/worker/site.h).
 * Threads: control; the result is read by all workers. Memory: keys in a locked region of their own,
 * the rest on the heap; both live until hf_site_unload, which wipes the keys.
 * Errors: what is wrong with a file becomes an error at the line of its option; what clients may
 * trip over is logged as a warning. */
#ifndef HF_APP_HANDFAST_SITE_LOAD_H
#define HF_APP_HANDFAST_SITE_LOAD_H

#include "lib/config/config.h"
#include "lib/crypto/pki.h"
#include "lib/os/os.h"
#include "lib/worker/site.h"

/* What clients of a certificate's names are asked. */
struct hf_loaded_client {
	struct hf_tls_client_auth auth;
	uint8_t request[HF_TLS_REQUEST_MAX];
};

struct hf_loaded_site {
	struct hf_site *site;
	struct hf_loaded_site *older;
	uint32_t worker_left; /* workers that still may point into it */
	struct hf_os_mem keys;
	struct hf_pki_cert *cert; /* [cert_cnt], as in the options */
	uint32_t cert_cnt;
	struct hf_tls_cert *tls_cert;
	struct hf_auth_ca **ca; /* [cert_cnt]: NULL, or one that may be several certificates' */
	struct hf_loaded_client **client; /* [cert_cnt]: NULL: its clients are not asked */
	struct hf_tls_vhost *vhost;       /* of all listeners, one after the other */
	const struct hf_tls_cert **shown; /* what vhosts point to */
	struct hf_tls_protocol *alpn;
	struct hf_site_listener_spec *listener;
	struct hf_prefix_row *listed;
	uint16_t suite[HF_TLS_SUITE_MAX], group[HF_TLS_GROUP_MAX];
};

/* The driver that reads certificates here. */
const struct hf_pki_driver *hf_site_pki(void);
/* NULL: errs says why. *key_id counts the keys of the process; no number is used twice. */
HF_MUST_CHECK struct hf_loaded_site *hf_site_load(const struct hf_config *cfg, uint64_t generation,
	uint32_t worker_cnt, uint64_t *key_id, struct hf_config_errors *errs);
void hf_site_unload(struct hf_loaded_site *s);

#endif
