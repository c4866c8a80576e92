/* farm.c -- a server is two words: how often it failed in a row, and until when it is out. Whoever
 * finds that time over swaps in the next one before it tries, so exactly one thread probes and the
 * others still see it out. */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "app/hfrelay/farm.h"

/* getaddrinfo takes numbers beyond 65535 and cuts them off. */
static bool port_valid(const char *port)
{
	char *end;
	unsigned long v = strtoul(port, &end, 10);
	return *port >= '0' && *port <= '9' && *end == 0 && v > 0 && v <= UINT16_MAX;
}

/* Splits "host:port" or "[host]:port"; false when it is neither. */
static bool split(const char *address, char host[80], const char **port)
{
	const char *colon = strrchr(address, ':');
	size_t len;
	if (!colon || colon == address || colon[1] == 0)
		return false;
	len = (size_t)(colon - address);
	if (*address == '[') {
		if (len < 3 || colon[-1] != ']')
			return false;
		address++;
		len -= 2;
	} else if (memchr(address, ':', len)) {
		return false; /* an IPv6 address needs its brackets */
	}
	if (len >= 80)
		return false;
	memcpy(host, address, len);
	host[len] = 0;
	*port = colon + 1;
	return true;
}

int hf_farm_add(struct hf_farm *f, const char *address, char *why, size_t why_len)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found;
	struct hf_farm_server *s;
	const char *port;
	char host[80];
	int rc;
	if (f->server_cnt == HF_FARM_SERVER_MAX) {
		snprintf(why, why_len, "more than %u servers", HF_FARM_SERVER_MAX);
		return -1;
	}
	if (strlen(address) >= sizeof(s->name) || !split(address, host, &port)) {
		snprintf(why, why_len, "write HOST:PORT or [IPV6]:PORT");
		return -1;
	}
	if (!port_valid(port)) {
		snprintf(why, why_len, "the port must be a number from 1 to 65535");
		return -1;
	}
	rc = getaddrinfo(host, port, &hints, &found);
	if (rc) {
		snprintf(why, why_len, "%s", gai_strerror(rc));
		return -1;
	}
	s = &f->server[f->server_cnt++];
	memcpy(&s->addr, found->ai_addr, found->ai_addrlen);
	s->addr_len = found->ai_addrlen;
	memcpy(s->name, address, strlen(address) + 1);
	freeaddrinfo(found);
	return 0;
}

static bool usable(struct hf_farm *f, struct hf_farm_server *s, uint64_t now_ns)
{
	uint64_t until = atomic_load_explicit(&s->out_until_ns, memory_order_relaxed);
	return until == 0 || (until <= now_ns && atomic_compare_exchange_strong(&s->out_until_ns,
							 &until, now_ns + f->eject_ns));
}

uint32_t hf_farm_pick(struct hf_farm *f, uint32_t *turn, uint64_t tried, uint64_t now_ns)
{
	uint32_t longest = HF_FARM_NONE;
	uint64_t since = UINT64_MAX;
	for (uint32_t i = 0; i < f->server_cnt; i++) {
		uint32_t at = (*turn + i) % f->server_cnt;
		struct hf_farm_server *s = &f->server[at];
		uint64_t until;
		if (tried >> at & 1)
			continue;
		if (usable(f, s, now_ns)) {
			*turn = at + 1;
			return at;
		}
		until = atomic_load_explicit(&s->out_until_ns, memory_order_relaxed);
		if (until < since) {
			since = until;
			longest = at;
		}
	}
	return tried ? HF_FARM_NONE : longest;
}

bool hf_farm_connected(struct hf_farm *f, uint32_t server)
{
	struct hf_farm_server *s = &f->server[server];
	if (atomic_load_explicit(&s->failure_cnt, memory_order_relaxed) == 0)
		return false; /* the common case writes nothing shared */
	atomic_store(&s->failure_cnt, 0);
	return atomic_exchange(&s->out_until_ns, 0) != 0;
}

bool hf_farm_failed(struct hf_farm *f, uint32_t server, uint64_t now_ns)
{
	struct hf_farm_server *s = &f->server[server];
	if (atomic_fetch_add(&s->failure_cnt, 1) + 1 < f->eject_failures)
		return false;
	if (atomic_exchange(&s->out_until_ns, now_ns + f->eject_ns) != 0)
		return false;
	atomic_fetch_add(&s->ejected_cnt, 1);
	return true;
}
