/* wire.h -- how connections reach the server: what the client's loop needs of a transport, and the two that
 * there are. wire_kernel.c is sockets and epoll; wire_port.c is a small TCP of its own over a port of
 * frames (lib/net/port.h): DPDK's memif, or a port in memory with the server in the same thread.
 * A connection is a number from 0 on, one at a time; calls mean what those of sockets mean, errno too.
 * Threads: a wire belongs to one thread. Memory: malloc, bounded by the number of connections. Errors:
 * -1 and errno. */
#ifndef HF_BENCH_WIRE_H
#define HF_BENCH_WIRE_H

#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include "lib/net/port.h"

struct bench_wire;

struct bench_event {
	uint32_t conn;
	bool readable;
	bool ends; /* the peer has said its last, or the connection is broken */
};

struct bench_wire_class {
	/* Begins to connect; an event tells when it has. */
	int (*open)(struct bench_wire *w, uint32_t conn);
	/* Never wait: -1 and EAGAIN. read: 0 when the peer has ended in order. */
	ssize_t (*read)(struct bench_wire *w, uint32_t conn, void *p, size_t len);
	ssize_t (*write)(struct bench_wire *w, uint32_t conn, const void *p, size_t len);
	void (*end)(struct bench_wire *w, uint32_t conn); /* nothing more will be written: FIN */
	/* The number is free again; with reset, what was not said stays unsaid: RST. */
	void (*close)(struct bench_wire *w, uint32_t conn, bool reset);
	/* News since they were last told (edges, not levels), or none after at_most. */
	uint32_t (*wait)(struct bench_wire *w, struct bench_event *v, uint32_t max, hf_ns at_most);
	void (*fini)(struct bench_wire *w);
};

struct bench_wire {
	const struct bench_wire_class *cls;
};

/* from_bits: each connection comes from another address of the IPv4 network of `from`, all of which must be
 * local; 0: from the kernel's choice. NULL: no memory, or no descriptors. */
struct bench_wire *bench_wire_kernel(const struct sockaddr_storage *to, socklen_t to_len,
	const struct hf_addr *from, uint32_t from_bits, uint32_t conn_cnt);

struct bench_port_cfg {
	struct hf_port *port; /* queue 0; fini leaves it open */
	struct hf_addr from, to;
	uint16_t to_port;
	uint32_t conn_cnt;
	/* The server, when it lives in this thread: called whenever the client has nothing to do. NULL:
	 * the wire sleeps a little then, so that its CPU time says what it did. */
	void (*turn)(void *ctx);
	void *ctx;
};

struct bench_port_stats {
	uint64_t frames_in, frames_out;
	uint64_t resent;   /* times a connection said again what was not acknowledged in time */
	uint64_t gaps;     /* segments dropped because one before them was missing */
	uint64_t no_frame; /* segments not sent: no free frame */
	uint64_t lost;     /* frames the port had no room for, coming or going */
};

struct bench_wire *bench_wire_port(const struct bench_port_cfg *cfg); /* NULL: no memory */
/* Asks for the server's Ethernet address; false: no answer within that time. */
bool bench_wire_port_up(struct bench_wire *w, hf_ns within);
const struct bench_port_stats *bench_wire_port_stats(const struct bench_wire *w);

static inline hf_ns bench_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (hf_ns)t.tv_sec * HF_NS_S + (hf_ns)t.tv_nsec;
}

#endif
