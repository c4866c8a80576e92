/* pk_gather.h -- when a batch of RSA operations waits for its lanes to fill; for lib/crypto alone. A batch costs the
 * same however full it is, so beginning with half of the lanes wastes half of a core, which frames and other
 * handshakes could have had. Waiting pays if more operations come soon, and that is judged by how fast they came
 * lately: no longer than a limit after the first one's coming, and not at all when waiting has brought
 * nobody several times. Threads: as pk.h. Times: hf_ns. */
#ifndef HF_CRYPTO_PK_GATHER_H
#define HF_CRYPTO_PK_GATHER_H

#include "lib/base/base.h"

struct hf_pk_gather {
	hf_ns came_at, gap; /* the last operation, and how long after each other they come */
	uint32_t held;      /* operations that were there when waiting began; 0: it has not */
	uint32_t vain;      /* waits in a row that brought nobody */
	uint32_t hasty;     /* so many batches begin at once */
};

/* An operation has come. */
void hf_pk_gather_came(struct hf_pk_gather *g, hf_ns now);
/* cnt are there, of whom the first has waited so long: is it worth waiting on? */
bool hf_pk_gather_waits(const struct hf_pk_gather *g, hf_ns waited, hf_ns limit);
void hf_pk_gather_hold(struct hf_pk_gather *g, uint32_t cnt);
/* A batch of cnt begins. */
void hf_pk_gather_begun(struct hf_pk_gather *g, uint32_t cnt);

#endif
