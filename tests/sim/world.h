/* world.h -- one run of the simulation: a port with a bad wire before it, a subject that serves,
 * hosts with clients, and a clock that jumps from one event to the next. Everything descends from
 * the seed; the digest covers every frame on the wire with its time, and the subject's own.
 * Threads: one. Memory: malloc, all given back. Errors: broken invariants end in HF_ASSERT; what
 * the clients did not reach is reported in the result. */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "drivers/port/fault.h"
#include "tests/sim/session.h"
#include "tests/sim/subject.h"

#define WORLD_CLIENT_MAX 256u

struct world_cfg {
	const struct subject_class *subject;
	uint64_t seed;
	uint16_t drop, dup, reorder, corrupt; /* per mille, each direction */
	uint16_t mtu; /* the path to the hosts becomes so narrow in the first second; 0: stays */
	uint16_t stall_ms;     /* up to three times nothing passes for as long as that; 0: never */
	uint32_t len;          /* bytes that every client fetches, tidily; 0: the seed decides */
	uint32_t up_len;       /* with len: bytes that it sends meanwhile */
	uint32_t client_cnt;   /* 0: the seed decides */
	uint32_t ignoring_cnt; /* at least so many of them never read their answer, a long one */
	enum subject_plant plant;
	bool resets;      /* a client may be reset: the wire is too bad for all to get through */
	bool trace;       /* show the subject's own record at the end, or when it is cut short */
	const char *pcap; /* record what the subject sees; NULL: do not */
};

struct world_result {
	uint64_t digest;
	uint32_t session_cnt, result[SESSION_RESULT_CNT];
	uint32_t resumed, ip6_cnt;
	uint32_t lost_cnt; /* of those that did not get through: their server was taken away */
	struct subject_reason reason[SUBJECT_REASON_MAX];
	uint32_t reason_cnt;
	uint32_t turns;
	uint64_t frames, bytes; /* on the wire, and of exchanges */
	hf_ns time;             /* virtual, until the last client was over */
	bool failed;
	char why[320]; /* the first thing that went wrong */
};

/* One run at a time; world_trace tells what the subject of the one that is going on has done. */
void world_trace(FILE *to);
void world_run(const struct world_cfg *cfg, struct world_result *result);

#endif
