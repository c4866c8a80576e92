/* subject.h -- what stands at the port and serves the clients: the appliance, or the reference, a
 * second foreign host that shows what the same clients reach over the same wire without us. A
 * simulation that the reference fails too is a wrong expectation, not a wrong appliance.
 * Threads: one. Memory: each open allocates, close gives all back. */
#ifndef TESTS_SIM_SUBJECT_H
#define TESTS_SIM_SUBJECT_H

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
	struct hf_port *port;
	struct hf_addr ip4, ip6;
	uint16_t tcp_port;
	uint64_t seed;
	const struct sslkit *kit;
	enum subject_plant plant;
};

struct subject_class {
	const char *name;
	struct subject *(*open)(const struct subject_cfg *cfg, hf_ns now);
	/* One turn: takes frames, works, sends. Returns when it wants the next one, frames aside:
	 * `now` for at once. */
	hf_ns (*turn)(struct subject *s, hf_ns now);
	/* Asserts what must hold after every turn. */
	void (*check)(struct subject *s);
	/* True when nothing is left of any connection. */
	bool (*idle)(struct subject *s, hf_ns now);
	/* A digest of what happened inside, beside what the wire shows. */
	uint64_t (*digest)(const struct subject *s);
	void (*close)(struct subject *s, hf_ns now);
};

extern const struct subject_class subject_reference;

#endif
