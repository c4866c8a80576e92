/* appliance.h -- the appliance as a backend sees it, for tests of backends: the real admission and
 * the real links, but workers that only move a pattern of bytes. Each stream sends `send_len` bytes
 * and half-closes; what comes back is checked against the same pattern from `reply_at` on, unless
 * the test looks at it by itself. All in one thread, sleeping on real descriptors.
 * Static functions: whoever includes it links app/handfast/links.o and lib/os. */
#ifndef TESTS_SUPPORT_APPLIANCE_H
#define TESTS_SUPPORT_APPLIANCE_H

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include "app/handfast/links.h"
#include "lib/os/os.h"

#define APPLIANCE_STREAMS 4096u
#define APPLIANCE_FIRST 16u

struct appliance_stream {
	struct hf_link_stream link;
	uint32_t worker, endpoint;
	bool opened, got_eof, got_reset, refuse_to_read;
	uint32_t reset_reason;
	uint64_t send_len, sent, received;
	uint64_t wrong; /* bytes that differed from the pattern */
	uint32_t owed;  /* credit */
	bool on_demand; /* no credit before BLOCKED, and some is reclaimed */
	uint32_t blocked_cnt, turns;
	uint64_t returned;
	uint8_t first[APPLIANCE_FIRST]; /* of the bytes received */
};

struct appliance {
	struct hf_links *links;
	struct hf_links_backend backend;
	uint32_t worker_cnt;
	bool up[HF_LINKS_ENDPOINT_MAX];
	uint32_t up_cnt, down_cnt;                    /* events seen */
	uint32_t violation;                           /* the last endpoint cut off: why */
	struct appliance_stream s[APPLIANCE_STREAMS]; /* stream id - 1 */
	uint32_t stream_cnt;
};

#define APPLIANCE_CREDIT 131072u /* granted to the backend per stream */

static inline uint8_t appliance_byte(uint64_t id, uint64_t at)
{
	uint64_t x = (id << 40 ^ at >> 3) * 0x9e3779b97f4a7c15ull;
	return (uint8_t)(x >> (8 * (at & 7)));
}

static inline struct appliance *appliance_open(
	const char *socket, uid_t uid, uint32_t worker_cnt, uint32_t ring_len)
{
	struct appliance *a = calloc(1, sizeof(*a));
	struct hf_links_cfg cfg = {.backend_cnt = 1,
		.worker_cnt = worker_cnt,
		.endpoint_max = 8,
		.ring_len = ring_len};
	HF_ASSERT(a);
	a->backend = (struct hf_links_backend){"web", socket, uid};
	a->worker_cnt = worker_cnt;
	cfg.backend = &a->backend;
	a->links = hf_links_open(&cfg);
	HF_ASSERT(a->links);
	return a;
}

static inline void appliance_close(struct appliance *a)
{
	hf_links_close(a->links);
	free(a);
}

/* Opens the next stream on an endpoint that is up; its number. */
static inline struct appliance_stream *appliance_stream(
	struct appliance *a, uint32_t endpoint, uint32_t worker, uint64_t send_len)
{
	struct appliance_stream *s = &a->s[a->stream_cnt++];
	HF_ASSERT(a->stream_cnt <= APPLIANCE_STREAMS);
	*s = (struct appliance_stream){
		.worker = worker, .endpoint = endpoint, .send_len = send_len};
	return s;
}

static inline void appliance_endpoint_lost(struct appliance *a, uint32_t e)
{
	a->up[e] = false;
	a->down_cnt++;
	for (uint32_t i = 0; i < a->stream_cnt; i++)
		if (a->s[i].endpoint == e && !hf_link_stream_over(&a->s[i].link))
			a->s[i].got_reset = a->s[i].link.tx_closed = a->s[i].link.rx_closed = true;
	for (uint32_t w = 0; w < a->worker_cnt; w++)
		hf_links_release(a->links, e);
}

static inline bool appliance_control(struct appliance *a)
{
	struct hf_links_event ev;
	bool any = false;
	while (hf_links_next(a->links, &ev)) {
		any = true;
		if (ev.kind == HF_LINKS_UP) {
			a->up[ev.endpoint] = true;
			a->up_cnt++;
		} else {
			appliance_endpoint_lost(a, ev.endpoint);
		}
	}
	return any;
}

static inline void appliance_take(struct hf_link *l, struct appliance_stream *s, uint64_t id)
{
	uint8_t buf[5000];
	size_t n;
	while ((n = hf_link_read(l, &s->link, buf, sizeof(buf))) > 0) {
		for (size_t i = 0; i < n; i++) {
			s->wrong += buf[i] != appliance_byte(id, s->received);
			if (s->received < APPLIANCE_FIRST)
				s->first[s->received] = buf[i];
			s->received++;
		}
		s->owed += (uint32_t)n;
	}
}

static inline int appliance_receive(struct appliance *a, struct hf_link *l)
{
	struct hf_link_msg m;
	struct appliance_stream *s;
	int cnt = 0, rc;
	while ((rc = hf_link_next(l, &m)) > 0) {
		cnt++;
		if (m.stream > a->stream_cnt)
			return hf_link_fail(l, HF_LINK_BAD_STREAM);
		s = &a->s[m.stream - 1];
		if (hf_link_stream_over(&s->link)) {
			hf_link_skip(l);
			continue;
		}
		if ((rc = hf_link_admit(l, &s->link, &m)) < 0)
			break;
		if (m.type == HF_LINK_DATA)
			appliance_take(l, s, m.stream);
		if (m.type == HF_LINK_BLOCKED) {
			s->blocked_cnt++;
			s->owed += APPLIANCE_CREDIT;
		}
		s->returned += m.type == HF_LINK_RETURNED ? m.value : 0;
		s->got_eof |= m.type == HF_LINK_HALF_CLOSE;
		if (m.type == HF_LINK_RESET) {
			s->got_reset = true;
			s->reset_reason = m.value;
		}
	}
	return rc < 0 ? rc : cnt;
}

static inline int appliance_open_stream(struct hf_link *l, struct appliance_stream *s, uint64_t id)
{
	struct hf_link_info info = {
		.client = hf_addr_v4(0xc0000201),
		.client_port = (uint16_t)(10000 + id),
		.local = hf_addr_v4(0xc6336401),
		.local_port = 443,
		.tls_version = 0x0303,
		.cipher = 0x009c,
		.sni = hf_span("www.example.com", 15),
		.alpn = hf_span("http/1.1", 8),
	};
	uint8_t tlvs[512];
	struct hf_writer w = hf_writer(tlvs, sizeof(tlvs));
	memcpy(info.conn_id, &id, sizeof(id));
	hf_link_info_write(&w, &info);
	return hf_link_open(
		l, &s->link, id, s->on_demand ? 0 : APPLIANCE_CREDIT, hf_span(tlvs, w.len));
}

static inline bool appliance_send(struct hf_link *l, struct appliance_stream *s, uint64_t id)
{
	uint8_t buf[4096];
	bool any = false;
	size_t n, took;
	if (!s->opened) {
		if (appliance_open_stream(l, s, id))
			return false;
		s->opened = any = true;
	}
	if (hf_link_stream_over(&s->link))
		return any;
	if (s->on_demand && s->link.rx_credit > 0 && ++s->turns % 5 == 0)
		any |= hf_link_reclaim(l, &s->link) == 0;
	if (s->owed && !s->refuse_to_read && hf_link_credit(l, &s->link, s->owed) == 0) {
		s->owed = 0;
		any = true;
	}
	while (!s->link.tx_closed && s->sent < s->send_len) {
		n = HF_MIN(sizeof(buf), s->send_len - s->sent);
		for (size_t i = 0; i < n; i++)
			buf[i] = appliance_byte(id, s->sent + i);
		took = hf_link_data(l, &s->link, buf, n);
		s->sent += took;
		any |= took > 0;
		if (took < n)
			return any;
	}
	if (!s->link.tx_closed && hf_link_half_close(l, &s->link) == 0)
		any = true;
	return any;
}

/* One worker's turn with one endpoint; true when anything moved. */
static inline bool appliance_worker(struct appliance *a, uint32_t e, uint32_t w)
{
	struct hf_link *l = hf_links_link(a->links, e, w);
	int got = appliance_receive(a, l);
	bool any = got > 0;
	if (got < 0) {
		a->violation = l->violation;
		hf_links_cut(a->links, e, l->violation);
		appliance_endpoint_lost(a, e);
		return true;
	}
	for (uint32_t i = 0; i < a->stream_cnt; i++)
		if (a->s[i].endpoint == e && a->s[i].worker == w)
			any |= appliance_send(l, &a->s[i], i + 1);
	hf_link_release(l);
	hf_link_publish(l);
	if (hf_link_bell(l))
		hf_os_event_ring(hf_links_bell_fd(a->links, e));
	return any;
}

/* Everything once; when nothing moved, sleeps until something may, at most timeout_ms. */
static inline void appliance_turn(struct appliance *a, int timeout_ms)
{
	struct pollfd p[1 + HF_LINKS_ENDPOINT_MAX * 4];
	struct hf_link *asleep[HF_LINKS_ENDPOINT_MAX * 4];
	bool any = appliance_control(a);
	nfds_t cnt = 1;
	for (uint32_t e = 0; e < HF_LINKS_ENDPOINT_MAX; e++)
		for (uint32_t w = 0; a->up[e] && w < a->worker_cnt; w++)
			any |= appliance_worker(a, e, w);
	if (any)
		return;
	p[0] = (struct pollfd){.fd = hf_links_fd(a->links), .events = POLLIN};
	for (uint32_t e = 0; e < HF_LINKS_ENDPOINT_MAX; e++)
		for (uint32_t w = 0; a->up[e] && w < a->worker_cnt; w++) {
			int fd = hf_links_wake_fd(a->links, e, w);
			hf_os_event_take(fd);
			asleep[cnt - 1] = hf_links_link(a->links, e, w);
			any |= !hf_link_sleep(asleep[cnt - 1], true);
			p[cnt++] = (struct pollfd){.fd = fd, .events = POLLIN};
		}
	if (!any)
		(void)poll(p, cnt, timeout_ms);
	for (nfds_t i = 1; i < cnt; i++)
		hf_link_wake(asleep[i - 1]);
}

/* Streams that are over, one way or the other. */
static inline uint32_t appliance_over_cnt(const struct appliance *a)
{
	uint32_t cnt = 0;
	for (uint32_t i = 0; i < a->stream_cnt; i++)
		cnt += a->s[i].opened && hf_link_stream_over(&a->s[i].link);
	return cnt;
}

#endif
