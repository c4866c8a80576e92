/* peer.h -- a foreign host: lwIP as Debian ships it, on one Ethernet interface made of callbacks.
 * The host knows only what it is told: frames in, the virtual time, a seed. Several hosts live in
 * one process and a host can be made and thrown away at will, although lwIP keeps everything in
 * globals: see peer.c. All lwIP calls of a host must happen between peer_enter and the next
 * peer_enter of another host; the functions here enter by themselves.
 * Threads: one. Memory: malloc; peer_free returns all that lwIP took for this host. */
#ifndef TESTS_SIM_PEER_H
#define TESTS_SIM_PEER_H

#include "lib/base/base.h"
#include "tests/sim/rng.h"

#define PEER_FRAME_MAX 1514u /* Ethernet header and the 1500 bytes of its MTU, no FCS */
#define PEER_FRAME_MIN 60u   /* what a NIC pads to (IEEE 802.3 3.2.8, without FCS) */

struct peer;

struct peer_cfg {
	uint64_t seed;
	uint8_t mac[6];
	struct hf_addr ip4, ip6; /* both are configured, /24 and /64 on link */
	void (*send)(void *ctx, const uint8_t *frame, size_t len); /* must not re-enter a host */
	void *ctx;
};

struct peer *peer_new(const struct peer_cfg *cfg, hf_ns now);
void peer_free(struct peer *p);

void peer_input(struct peer *p, hf_ns now, const uint8_t *frame, size_t len);
/* Runs lwIP's due timers; peer_next says when it wants that again. */
void peer_run(struct peer *p, hf_ns now);
hf_ns peer_next(struct peer *p, hf_ns now);

/* Makes lwIP's globals those of this host, at this time. */
void peer_enter(struct peer *p, hf_ns now);
hf_ns peer_now(const struct peer *p);
/* A muted host hears but says nothing: a cable pulled on one side. */
void peer_mute(struct peer *p, bool mute);

/* Connections that are not yet over (TIME_WAIT does not count), and blocks of memory lwIP holds
 * beyond what it held when the host was new: both must come to zero. */
uint32_t peer_conns(struct peer *p, hf_ns now);
int peer_blocks(const struct peer *p);

#endif
