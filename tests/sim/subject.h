/* subject.h -- what stands at the port and serves the clients: the appliance, or the reference, a
 * second foreign host that shows what the same clients reach over the same wire without us. A
 * simulation that the reference fails too is a wrong expectation, not a wrong appliance.
 * Threads: one. Memory: each open allocates, close gives all back. */
#ifndef TESTS_SIM_SUBJECT_H
#define TESTS_SIM_SUBJECT_H

#include <stdio.h>
#include "lib/net/port.h"
#include "tests/sim/sslkit.h"

struct subject;

/* Sins that the reference commits on demand, to show that the simulation sees them. */
enum subject_plant {
	PLANT_NONE,
	PLANT_BYTE,  /* one wrong byte in every answer */
	PLANT_LEAK,  /* a connection that is never forgotten */
	PLANT_FRAME, /* a received frame that is not given back */
	PLANT_TRACE, /* another trace each time */
	PLANT_CNT
};

struct subject_cfg {
	struct hf_port *port; /* all its queues are the subject's */
	struct hf_addr ip4, ip6;
	uint16_t tcp_port;
	uint64_t seed;
	uint32_t client_cnt; /* how many will come */
	const struct sslkit *kit;
	enum subject_plant plant;
	bool trace; /* its record will be asked for: keep all of it */
};

/* Why a client may have been reset, and how often it happened. */
struct subject_reason {
	const char *name;
	uint64_t cnt;
};
#define SUBJECT_REASON_MAX 16u

struct subject_class {
	const char *name;
	bool ip6;
	struct subject *(*open)(const struct subject_cfg *cfg, hf_ns now);
	/* One turn: takes frames, works, sends. Returns when it wants the next one, frames aside:
	 * `now` for at once. */
	hf_ns (*turn)(struct subject *s, hf_ns now);
	/* Asserts what must hold after every turn. */
	void (*check)(struct subject *s);
	/* Frames it took from the port and accounts for. */
	uint64_t (*frames)(const struct subject *s);
	/* What is left of a connection; NULL when nothing is. */
	const char *(*left)(struct subject *s, hf_ns now);
	/* The listed reasons; returns how many. Asserts that nothing was ended for any other. */
	uint32_t (*reasons)(const struct subject *s, struct subject_reason v[SUBJECT_REASON_MAX]);
	/* This client was reset because the run's own plan took its server away. */
	bool (*lost)(const struct subject *s, const struct hf_addr *client, uint16_t port);
	/* A digest of what happened inside, beside what the wire shows. */
	uint64_t (*digest)(const struct subject *s);
	/* Tells what it remembers having done. */
	void (*trace)(const struct subject *s, FILE *to);
	void (*close)(struct subject *s, hf_ns now);
};

extern const struct subject_class subject_appliance, subject_reference;

#endif
