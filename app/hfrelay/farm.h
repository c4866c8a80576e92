/* farm.h -- the servers behind a relay and whose turn it is. Health is passive: a server that fails
 * `eject_failures` times in a row is out for `eject_ns`; then one connection, no more, tries it, and
 * brings it back or puts it out again. When all are out, the one out for longest is tried anyway: a
 * refusal by a dead farm is no worse than ours, and a recovered farm is found at once.
 * Threads: all relay threads share one farm; its few words are atomic. Memory: fixed.
 * Units: ns. Errors: a bad address is told in words. */
#ifndef HF_APP_HFRELAY_FARM_H
#define HF_APP_HFRELAY_FARM_H

#include <stdatomic.h>
#include <sys/socket.h>
#include "lib/base/base.h"

#define HF_FARM_SERVER_MAX 64u
#define HF_FARM_NONE UINT32_MAX

struct hf_farm_server {
	char name[80]; /* as the operator wrote it */
	struct sockaddr_storage addr;
	socklen_t addr_len;
	_Atomic uint32_t failure_cnt;  /* in a row */
	_Atomic uint64_t out_until_ns; /* 0: in; else not to be used before */
	_Atomic uint64_t ejected_cnt;  /* times it was put out */
};

struct hf_farm {
	struct hf_farm_server server[HF_FARM_SERVER_MAX];
	uint32_t server_cnt;
	uint32_t eject_failures;
	uint64_t eject_ns;
};

/* "127.0.0.1:8081", "[::1]:8081" or "name:port" (looked up now). 0, or -1 and why. */
HF_MUST_CHECK int hf_farm_add(struct hf_farm *f, const char *address, char *why, size_t why_len);

/* The server whose turn it is among those not in `tried` (a bit each), or HF_FARM_NONE. turn is the
 * caller's own round robin. */
uint32_t hf_farm_pick(struct hf_farm *f, uint32_t *turn, uint64_t tried, uint64_t now_ns);
/* What became of connecting to it. True when this brought it back, or put it out. */
bool hf_farm_connected(struct hf_farm *f, uint32_t server);
bool hf_farm_failed(struct hf_farm *f, uint32_t server, uint64_t now_ns);

#endif
