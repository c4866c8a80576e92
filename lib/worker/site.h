/* site.h -- one immutable generation of what is served: listeners, virtual hosts, certificates,
 * pools. Control builds it, hands it to every worker by order (worker.h), and frees it when each
 * worker has said that nothing points into it any more. Handshakes and their jobs point into a site
 * and are counted per worker; established connections keep values, never pointers.
 *
 * Threads: read by all; use[w] and older[w] belong to worker w alone. Memory: caller's, one block
 * of hf_site_footprint bytes; certificates, keys and names that the spec points to must live as
 * long. Errors: none here; control has checked the options before. */
#ifndef HF_WORKER_SITE_H
#define HF_WORKER_SITE_H

#include "lib/net/guard.h"
#include "lib/tcp/tcp.h"
#include "lib/tls/tls.h"

#define HF_SITE_READ_LEAST 4096u

/* How long a client may take. */
struct hf_site_limits {
	hf_ns hello_ns;     /* from the third ACK to the whole ClientHello */
	hf_ns handshake_ns; /* from the third ACK to Finished */
	hf_ns record_ns;    /* an incomplete record may wait this long */
	hf_ns idle_ns;      /* no byte of application data either way */
	hf_ns backend_ns;   /* a stream waits this long for a backend endpoint to appear */
	/* To acknowledge HF_SITE_READ_LEAST bytes of those that wait for it, or all; 0: as long as it likes */
	hf_ns slow_reader_ns;
};

struct hf_site_listener_spec {
	struct hf_addr addr; /* all zero: any address of the ports */
	uint16_t port;
	uint16_t backend; /* index of the pool that gets its streams, if no ALPN protocol has one */
	const struct hf_tls_vhost *vhost; /* [0] is the default; at least one */
	uint32_t vhost_cnt;
	uint64_t context; /* hf_tls_site's */
	bool strict;      /* names that no vhost has are refused */
	hf_ns linger_ns;  /* one side has closed: time for the other */
};

struct hf_site_spec {
	uint64_t generation; /* 1, 2, 3 ... */
	const struct hf_site_listener_spec *listener;
	uint32_t listener_cnt;
	const uint16_t *suite, *group; /* preference order, for all listeners */
	uint32_t suite_cnt, group_cnt;
	uint32_t worker_cnt;
	struct hf_site_limits limits;
	struct hf_guard_rules guard; /* its list is copied and put in order */
};

struct hf_site_listener {
	struct hf_tls_site tls;
	uint16_t backend;
	hf_ns linger_ns;
};

struct hf_site {
	uint64_t generation;
	struct hf_tcp_listener *tcp; /* id = index; what hf_tcp_listen wants */
	struct hf_site_listener *listener;
	uint32_t listener_cnt, worker_cnt;
	struct hf_site_limits limits;
	struct hf_guard_rules guard;
	struct hf_tls_use *use; /* [worker]: handshakes and jobs of that worker that point here */
	struct hf_site **older; /* [worker]: that worker's chain of retired generations */
};

size_t hf_site_footprint(const struct hf_site_spec *spec);
struct hf_site *hf_site_init(void *mem, const struct hf_site_spec *spec);

#endif
