/* relay.h -- one relay thread: an endpoint of the appliance on one side, TCP connections to the farm
 * on the other, one connection per stream or (--http) per request. Everything the thread has hangs on one epoll set.
 *
 * Back-pressure: a client's bytes are confirmed to the appliance when the server's socket has taken
 * them, so at most --stream-credit bytes per stream wait here; a server's bytes are read only when
 * those read before have been taken by the link, so at most one read's worth waits. With --http the head of a
 * request and that of a response wait beside, until they are whole (HF_HTTP_HEAD_MAX each).
 *
 * Threads: a hf_relay is its thread's; the farm is shared. Memory: malloc per stream, buffers only
 * while a side is slow. Units: ns. Errors: short of descriptors, memory or servers -> the stream is
 * reset with its reason (--http: its request answered with 503), counted; nothing else is disturbed. */
#ifndef HF_APP_HFRELAY_RELAY_H
#define HF_APP_HFRELAY_RELAY_H

#include <pthread.h>
#include <stdatomic.h>
#include "app/hfrelay/farm.h"
#include "app/hfrelay/proxy.h"
#include "lib/base/stat.h"

struct hf_relay_cfg {
	const char *socket, *name;
	uint32_t thread_cnt;
	uint32_t conn_max; /* per thread */
	uint32_t stream_credit;
	enum hf_proxy_mode proxy;
	bool eager; /* connect when the stream opens, not at its first byte */
	bool http; /* streams are HTTP: a connection to a server serves one request after the other */
	uint32_t keep_max; /* of such, that wait for a request; per thread */
	uint64_t keep_ns;  /* for so long at most */
	uint64_t connect_ns;
	uint64_t answer_ns; /* --http: a server that says nothing is given up; 0: never */
	struct hf_farm farm;
};

struct hf_relay_stats {
#define HF_COUNTER(name, help) uint64_t name;
#define HF_GAUGE(name, help) uint64_t name;
#include "app/hfrelay/stats.def"
#undef HF_COUNTER
#undef HF_GAUGE
};

struct hf_relay_server_stats {
#define HF_COUNTER(name, help) uint64_t name;
#define HF_GAUGE(name, help) uint64_t name;
#include "app/hfrelay/server_stats.def"
#undef HF_COUNTER
#undef HF_GAUGE
};

struct hf_relay {
	struct hf_relay_cfg *cfg;
	uint32_t index;
	int stop_fd; /* eventfd: leave */
	pthread_t thread;
	struct hf_relay_stats stats;
	struct hf_relay_server_stats server[HF_FARM_SERVER_MAX];
};

/* The thread: attaches to the appliance, again and again with growing pauses, and serves, until
 * stop_fd is rung. arg is a struct hf_relay. */
void *hf_relay_thread(void *arg);

extern const struct hf_stat_table hf_relay_stat_table, hf_relay_server_stat_table;

#endif
