/* backend.h -- the appliance's backends: endpoints on the other role of lib/link, which hold every
 * exchange to its pattern, answer, grant credit, half-close and reset as the client asked. They sleep
 * and are rung like threads of a process, so a bell that is forgotten stops the run. An endpoint
 * may die, by going away or by writing nonsense, and be attached anew.
 * Threads: one. Memory: malloc; what a worker may still touch is kept until it says otherwise, and
 * overwritten then. Errors: wrong bytes and broken rules of the link end in HF_ASSERT. */
#ifndef TESTS_SIM_BACKEND_H
#define TESTS_SIM_BACKEND_H

#include "lib/link/link.h"
#include "tests/sim/rng.h"

#define BACKEND_WORKER_MAX 2u
#define BACKEND_ENDPOINT_MAX 3u

struct backend;

struct backend_cfg {
	uint64_t seed;
	uint32_t worker_cnt, endpoint_cnt;
	uint32_t ring_len;
	uint32_t stream_credit; /* granted for every new stream, and never more outstanding */
	bool slow;              /* endpoints read little at a time, and rest in between */
};

struct backend *backend_new(const struct backend_cfg *cfg);
void backend_free(struct backend *b);

/* Makes endpoint e; its links for the orders to the workers are in backend_link. */
void backend_attach(struct backend *b, uint32_t e);
struct hf_link *backend_link(struct backend *b, uint32_t e, uint32_t worker);
/* The endpoint's thread is no more. With `nonsense` its last act is an index that cannot be. */
void backend_die(struct backend *b, uint32_t e, bool nonsense);
/* A worker no longer touches the endpoint; true when none does and it may be attached anew. */
bool backend_released(struct backend *b, uint32_t e, uint32_t worker);

/* A worker rang for the endpoints of a set. */
void backend_ring(struct backend *b, uint32_t worker, uint64_t bells);
/* Every endpoint that is awake does what it can. Sets wake[w] when worker w was rung; returns when
 * to call again. */
hf_ns backend_turn(struct backend *b, hf_ns now, bool wake[BACKEND_WORKER_MAX]);

bool backend_idle(const struct backend *b);
/* The client's stream ended with its endpoint. */
bool backend_lost(const struct backend *b, const struct hf_addr *client, uint16_t port);

#endif
