/* hosts.h -- what is counted and watched by name, over all reloads: handshakes by host, version,
 * suite, key type and resumption, added up over the workers; certificates and when they end.
 * Threads: taken and watched by main; sources also by the thread of DPDK's telemetry, so nothing
 * that they point to is ever freed. Memory: caller's. Errors: more names than fit share one,
 * "(others)"; more certificates than fit are not shown. */
#ifndef HF_APP_HANDFAST_HOSTS_H
#define HF_APP_HANDFAST_HOSTS_H

#include <pthread.h>
#include <stdio.h>
#include "lib/stats/stats.h"
#include "lib/tls/tls.h"

#define HF_HOSTS_MAX 2048u
#define HF_HOSTS_KIND_MAX 1024u
#define HF_HOSTS_CERT_MAX 1024u
#define HF_HOSTS_NAME_LEN 64u

struct hf_config;
struct hf_loaded_site;

struct hf_hosts {
	pthread_mutex_t lock; /* of kinds: two threads may add them up */
	uint32_t host_cnt, kind_cnt, cert_cnt;
	struct hf_host {
		char listener[32], name[HF_HOSTS_NAME_LEN];
		enum hf_tls_profile weakest; /* of the suites that were told of */
	} host[HF_HOSTS_MAX];                /* id - 1 */
	struct hf_host_kind {
		uint64_t key, done;
		char version[8];
	} kind[HF_HOSTS_KIND_MAX];
	struct hf_host_cert {
		uint64_t days_left, expires_s;
		int64_t life_s;
		char name[32];
	} cert[HF_HOSTS_CERT_MAX];
	uint64_t watched_s, looked_s; /* wall clock of the last look at certificates, at suites */
};

/* Gives the hosts of a new site their numbers; its certificates are those that are shown now. */
void hf_hosts_take(struct hf_hosts *h, const struct hf_config *cfg, struct hf_loaded_site *s);
/* Once an hour, and after each take: days left; a log line a day for what ends soon. */
void hf_hosts_watch(struct hf_hosts *h, uint64_t wall_s);
/* Once a second: a log line for the first use of a suite that is weaker than any before on its host.
 * kind as for hf_hosts_sources. Threads: main. */
void hf_hosts_weak(struct hf_hosts *h, const struct hf_tls_kind *const *kind, uint32_t worker_cnt,
	uint64_t wall_s);
/* What a reload does to the certificates: added, removed, renewed, and when each ends. Returns how many
 * lines. */
uint32_t hf_hosts_changes(FILE *out, const struct hf_config *was_cfg,
	const struct hf_loaded_site *was, const struct hf_config *is_cfg,
	const struct hf_loaded_site *is);
/* Row tables "handshake" and "certificate"; kind[worker] as of hf_worker_kinds. */
uint32_t hf_hosts_sources(struct hf_hosts *h, const struct hf_tls_kind *const *kind,
	uint32_t worker_cnt, struct hf_stats_source *v, uint32_t max);

#endif
