/* links.h -- the appliance's end of its backends: their sockets, who may come in, the memory they
 * share with the workers, and when they are gone. The wire of the handover is lib/link/link_abi.h.
 *
 * An endpoint (one thread of a backend) is a number below endpoint_max, the same for every worker.
 * Its life: hf_links_next tells HF_LINKS_UP; control orders each worker to attach the link of
 * hf_links_link(l, e, worker). HF_LINKS_DOWN: it hung up; or control calls hf_links_cut, because a
 * worker saw a violation. Either way every worker still has the memory mapped and may be using it:
 * control orders them to let go, and calls hf_links_release once for each that has. The last one
 * unmaps it, and only then is the number given out again.
 *
 * A backend is admitted by the user it runs as (SO_PEERCRED); the socket file belongs to that user,
 * mode 0660. No backend can take more than its share of the endpoint numbers.
 *
 * Threads: control; hf_links_link's result then belongs to its worker, bell and wake descriptors may
 * be used by it. Memory: two memfds per worker and endpoint, kept out of core dumps. Errors: those
 * of operators are logged with their remedy, those of backends answered, logged and counted. */
#ifndef HF_APP_HANDFAST_LINKS_H
#define HF_APP_HANDFAST_LINKS_H

#include <sys/types.h>
#include "lib/link/link.h"

#define HF_LINKS_ENDPOINT_MAX 64u
#define HF_LINKS_BACKEND_MAX 64u

struct hf_links_backend {
	const char *name, *socket; /* outlive the hf_links */
	uid_t uid;
};

struct hf_links_cfg {
	const struct hf_links_backend *backend; /* outlives the hf_links */
	uint32_t backend_cnt, worker_cnt;
	uint32_t endpoint_max; /* <= HF_LINKS_ENDPOINT_MAX */
	uint32_t ring_len;     /* of each direction of each worker x endpoint; a power of two */
};

struct hf_links_stats {
#define HF_COUNTER(name, help) uint64_t name;
#define HF_GAUGE(name, help) uint64_t name;
#include "app/handfast/links.def"
#undef HF_COUNTER
#undef HF_GAUGE
};

enum hf_links_event_kind { HF_LINKS_UP, HF_LINKS_DOWN };

struct hf_links_event {
	enum hf_links_event_kind kind;
	uint32_t endpoint, backend;
};

struct hf_links;

/* Creates the sockets (before root is given up). NULL: logged why. */
HF_MUST_CHECK struct hf_links *hf_links_open(const struct hf_links_cfg *cfg);
/* Unlinks the sockets, unmaps everything: no worker runs any more. NULL is fine. */
void hf_links_close(struct hf_links *l);

/* Readable (poll, epoll) when hf_links_next has work to do: then call it until it returns false. */
int hf_links_fd(const struct hf_links *l);
HF_MUST_CHECK bool hf_links_next(struct hf_links *l, struct hf_links_event *ev);

struct hf_link *hf_links_link(struct hf_links *l, uint32_t endpoint, uint32_t worker);
/* The eventfd that a worker rings (hf_os_event_ring) when hf_link_bell says so. */
int hf_links_bell_fd(const struct hf_links *l, uint32_t endpoint);
/* The eventfd by which this endpoint wakes that worker: one each, so that no backend can swallow
 * another's bell. Watch it edge-triggered (EPOLLET); it need not be read then. */
int hf_links_wake_fd(const struct hf_links *l, uint32_t endpoint, uint32_t worker);

/* Hangs up on an endpoint that was UP; DOWN is not told for it. */
void hf_links_cut(struct hf_links *l, uint32_t endpoint, enum hf_link_violation why);
/* One worker has let go of the endpoint. */
void hf_links_release(struct hf_links *l, uint32_t endpoint);

const struct hf_links_stats *hf_links_stats(const struct hf_links *l);
extern const struct hf_stat_table hf_links_stat_table;
/* Rows of hf_link_stat_table: what all endpoints of one worker did. */
const struct hf_link_stats *hf_links_worker_stats(const struct hf_links *l, uint32_t worker);

#endif
