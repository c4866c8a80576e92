/* client.c -- one endpoint: a control socket, one bell, and a link to each worker of the appliance.
 * hf_client_next goes round the links, a bounded number of records each, and turns records into
 * events. DATA is told where it lies in the ring; the call after that takes it off.
 * What a full ring does not take now waits in the link's todo list, first come first served, and is
 * retried on every call: credit, half-closes and resets we owe, senders waiting for room, streams
 * whose end is still to be told. So no call of a backend ever fails for want of room.
 * Sleeping: when all links are dry we announce sleep on each, look once more, and return 0; a bell
 * rung from then on makes the epoll descriptor readable. The bell is watched edge-triggered, so
 * taking note of it is one epoll_wait and no read. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "lib/client/handfast_client.h"
#include "lib/link/link.h"

#define TIMEOUT_MS 5000
#define BATCH 32u    /* records of one link before the next one's turn */
#define BUCKETS 256u /* of a link's stream table at first; a power of two */

struct hf_stream {
	struct hf_link_stream link;
	struct end *end;
	struct hf_stream *bucket_next;
	TAILQ_ENTRY(hf_stream) todo;
	void *user;
	uint32_t consumed;   /* bytes dealt with and not yet granted again */
	uint32_t owed_reset; /* enum hf_link_reset_reason; the backend has forgotten the handle */
	bool shut;           /* the backend said shutdown */
	bool wants_room;     /* a send was cut short; WRITABLE is owed */
	bool queued;         /* in the todo list */
};

TAILQ_HEAD(stream_list, hf_stream);

/* Our end of the link to one worker. */
struct end {
	struct hf_client *client;
	struct hf_link link;
	void *ours, *theirs;
	size_t ours_size, theirs_size;
	int wake_fd;
	struct hf_stream **bucket;
	uint32_t bucket_cnt, stream_cnt;
	struct stream_list todo;
};

struct hf_client {
	int ctl_fd, bell_fd, epoll_fd;
	uint32_t stream_credit;
	struct end *end;
	uint32_t end_cnt;
	uint32_t turn, turn_cnt; /* whose records are read, how many in a row */
	struct hf_stream *told;  /* stream of the last event, */
	size_t told_len;         /* with so many bytes still in the ring, */
	bool told_end;           /* and it was its last */
	bool armed;
	struct hf_link_stats stats;
	struct hf_client_info info;
	uint8_t tlvs[HF_LINK_PAYLOAD_MAX];
};

/* ---- stream table: numbers of one link to streams ---- */

static struct hf_stream **bucket_of(struct end *e, uint64_t id)
{
	/* Fibonacci hashing: the workers number slots, so low bits alone would cluster. */
	return &e->bucket[(id * 0x9e3779b97f4a7c15u >> 32) & (e->bucket_cnt - 1)];
}

static struct hf_stream *stream_find(struct end *e, uint64_t id)
{
	struct hf_stream *s = *bucket_of(e, id);
	while (s && s->link.id != id)
		s = s->bucket_next;
	return s;
}

static void stream_link_in(struct end *e, struct hf_stream *s)
{
	struct hf_stream **at = bucket_of(e, s->link.id);
	s->bucket_next = *at;
	*at = s;
}

/* Doubles the table when chains grow; without memory for that they just grow. */
static void table_grow(struct end *e)
{
	struct hf_stream **old = e->bucket, *s, *next;
	uint32_t old_cnt = e->bucket_cnt;
	struct hf_stream **wider = calloc(2 * (size_t)old_cnt, sizeof(struct hf_stream *));
	if (!wider)
		return;
	e->bucket = wider;
	e->bucket_cnt = 2 * old_cnt;
	for (uint32_t i = 0; i < old_cnt; i++)
		for (s = old[i]; s; s = next) {
			next = s->bucket_next;
			stream_link_in(e, s);
		}
	free(old);
}

static struct hf_stream *stream_new(struct end *e, uint64_t id)
{
	struct hf_stream *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->end = e;
	s->link.id = id;
	if (e->stream_cnt++ >= e->bucket_cnt)
		table_grow(e);
	stream_link_in(e, s);
	return s;
}

/* From here on records for it are ignored. */
static void stream_forget(struct hf_stream *s)
{
	struct hf_stream **at = bucket_of(s->end, s->link.id);
	while (*at != s)
		at = &(*at)->bucket_next;
	*at = s->bucket_next;
	s->end->stream_cnt--;
}

/* ---- the todo list ---- */

static void todo_add(struct hf_stream *s)
{
	if (s->queued)
		return;
	s->queued = true;
	TAILQ_INSERT_TAIL(&s->end->todo, s, todo);
}

static void todo_remove(struct hf_stream *s)
{
	if (!s->queued)
		return;
	s->queued = false;
	TAILQ_REMOVE(&s->end->todo, s, todo);
}

/* Sends what is owed for s; -1: no room for all of it. */
static int pay(struct hf_stream *s)
{
	struct hf_link *l = &s->end->link;
	if (s->owed_reset)
		return hf_link_reset(l, &s->link, s->owed_reset);
	/* A quarter of the window at a time, so that credit is a small part of the traffic. */
	if (s->consumed >= s->end->client->stream_credit / 4) {
		if (hf_link_credit(l, &s->link, s->consumed))
			return -1;
		s->consumed = 0;
	}
	if (s->shut && !s->link.tx_closed)
		return hf_link_half_close(l, &s->link);
	if (s->wants_room && !s->link.tx_closed && s->link.tx_credit == 0)
		return hf_link_blocked(l, &s->link);
	return 0;
}

static void pay_or_queue(struct hf_stream *s)
{
	if (pay(s) || hf_link_stream_over(&s->link))
		todo_add(s);
}

/* Works off the list's head as far as the ring has room. 1: there is an event. */
static int todo_run(struct end *e, struct hf_client_event *ev)
{
	struct hf_stream *s;
	while ((s = TAILQ_FIRST(&e->todo))) {
		if (pay(s))
			return 0;
		if (s->owed_reset) {
			todo_remove(s);
			free(s);
			continue;
		}
		if (hf_link_stream_over(&s->link)) {
			todo_remove(s);
			*ev = (struct hf_client_event){.type = HF_CLIENT_CLOSED, .stream = s};
			return 1;
		}
		/* Without credit it is the coming of credit that will be told. */
		if (s->wants_room && s->link.tx_credit) {
			if (hf_link_tx_room(&e->link) < HF_LINK_PAYLOAD_MAX)
				return 0;
			s->wants_room = false;
			todo_remove(s);
			*ev = (struct hf_client_event){.type = HF_CLIENT_WRITABLE, .stream = s};
			return 1;
		}
		todo_remove(s);
	}
	return 0;
}

/* ---- records to events ---- */

static void publish(struct end *e)
{
	hf_link_release(&e->link);
	hf_link_publish(&e->link);
	if (hf_link_bell(&e->link)) {
		uint64_t one = 1;
		(void)!write(e->wake_fd, &one, sizeof(one)); /* a full counter rings as well */
	}
}

static struct hf_client_bytes bytes_of(struct hf_span s)
{
	return (struct hf_client_bytes){s.p, s.len};
}

static int tell_open(struct end *e, const struct hf_link_msg *m, struct hf_client_event *ev)
{
	struct hf_client *c = e->client;
	struct hf_stream *s;
	struct hf_link_info info;
	size_t len = m->len;
	if (stream_find(e, m->stream))
		return hf_link_fail(&e->link, HF_LINK_BAD_STREAM);
	s = stream_new(e, m->stream);
	if (!s)
		return -1;
	if (hf_link_admit(&e->link, &s->link, m) < 0)
		return -1;
	hf_link_read(&e->link, &s->link, c->tlvs, len);
	if (hf_link_info_read(hf_span(c->tlvs, len), &info))
		return hf_link_fail(&e->link, HF_LINK_BAD_LENGTH);
	c->info = (struct hf_client_info){
		.client_port = info.client_port,
		.local_port = info.local_port,
		.tls_version = info.tls_version,
		.cipher = info.cipher,
		.sni = bytes_of(info.sni),
		.alpn = bytes_of(info.alpn),
		.ja4 = bytes_of(info.ja4),
		.client_verdict = (enum hf_link_client_verdict)info.client_verdict,
		.client_cert = bytes_of(info.client_cert),
		.client_subject = bytes_of(info.client_subject),
		.client_issuer = bytes_of(info.client_issuer),
		.client_cn = bytes_of(info.client_cn),
		.client_sha256 = bytes_of(info.client_sha256),
	};
	memcpy(c->info.client_addr, info.client.b, 16);
	memcpy(c->info.local_addr, info.local.b, 16);
	memcpy(c->info.conn_id, info.conn_id, 16);
	*ev = (struct hf_client_event){.type = HF_CLIENT_OPEN, .stream = s, .info = &c->info};
	return 1;
}

/* 1: an event; 0: nothing to tell about it; negative: violation. */
static int tell_record(
	struct end *e, struct hf_stream *s, const struct hf_link_msg *m, struct hf_client_event *ev)
{
	struct hf_span piece;
	ev->stream = s;
	switch (m->type) {
	case HF_LINK_DATA:
		piece = hf_link_peek(&e->link);
		e->client->told_len = piece.len;
		ev->type = HF_CLIENT_DATA;
		ev->data = piece.p;
		ev->len = piece.len;
		return 1;
	case HF_LINK_HALF_CLOSE:
		if (hf_link_stream_over(&s->link))
			todo_add(s);
		ev->type = HF_CLIENT_HALF_CLOSE;
		return 1;
	case HF_LINK_RESET:
		ev->type = HF_CLIENT_RESET;
		ev->reason = m->value;
		return 1;
	default: /* CREDIT: news only for who waits for it; who waits for room is told by todo_run */
		if (!s->wants_room || s->queued)
			return 0;
		s->wants_room = false;
		ev->type = HF_CLIENT_WRITABLE;
		return 1;
	}
}

/* The next event of one link: 1, 0 when it is dry, or negative. */
static int end_next(struct end *e, struct hf_client_event *ev)
{
	struct hf_link_msg m;
	struct hf_stream *s;
	int rc = todo_run(e, ev);
	while (rc == 0) {
		rc = hf_link_next(&e->link, &m);
		if (rc <= 0)
			break;
		if (m.type == HF_LINK_OPEN) {
			rc = tell_open(e, &m, ev);
			continue;
		}
		s = stream_find(e, m.stream);
		if (!s) { /* over, and this was on its way */
			hf_link_skip(&e->link);
			rc = 0;
			continue;
		}
		rc = hf_link_admit(&e->link, &s->link, &m);
		if (rc == 0)
			rc = tell_record(e, s, &m, ev);
	}
	return rc;
}

/* Ends what the last event left open: its bytes in the ring, its stream when it was the last. */
static void settle(struct hf_client *c)
{
	struct hf_stream *s = c->told;
	if (c->told_len) {
		struct end *e = &c->end[c->turn];
		/* s may have been reset meanwhile: then the bytes are nobody's. */
		if (s)
			hf_link_read(&e->link, &s->link, NULL, c->told_len);
		else
			hf_link_skip(&e->link);
	}
	if (c->told_end && s) {
		todo_remove(s);
		stream_forget(s);
		free(s);
	}
	c->told = NULL;
	c->told_len = 0;
	c->told_end = false;
}

/* Takes note of the bell and of the control socket; -1: the appliance is gone. */
static int disarm(struct hf_client *c)
{
	struct epoll_event ev[2];
	int n = epoll_wait(c->epoll_fd, ev, 2, 0);
	for (int i = 0; i < n; i++)
		if (ev[i].data.fd == c->ctl_fd)
			return -1;
	for (uint32_t i = 0; i < c->end_cnt; i++)
		hf_link_wake(&c->end[i].link);
	c->armed = false;
	return 0;
}

/* True when nothing came in between and the bell will be rung. */
static bool arm(struct hf_client *c)
{
	bool dry = true;
	for (uint32_t i = 0; i < c->end_cnt; i++) {
		struct end *e = &c->end[i];
		dry = hf_link_sleep(&e->link, !TAILQ_EMPTY(&e->todo)) && dry;
	}
	c->armed = dry;
	for (uint32_t i = 0; i < c->end_cnt && !dry; i++)
		hf_link_wake(&c->end[i].link);
	return dry;
}

/* Neither a full ring nor finished work should wait for the end of a long batch. */
static void publish_if_much(struct end *e)
{
	const struct hf_link *l = &e->link;
	if (l->tx_head - l->tx_published > l->tx_len / 8 ||
		l->rx_next - l->rx_released > l->rx_len / 8)
		publish(e);
}

int hf_client_next(struct hf_client *c, struct hf_client_event *ev)
{
	uint32_t dry_cnt = 0;
	settle(c);
	if (c->armed && disarm(c))
		return -1;
	for (;;) {
		struct end *e = &c->end[c->turn];
		bool turn_over = c->turn_cnt++ == BATCH;
		int rc;
		publish_if_much(e);
		memset(ev, 0, sizeof(*ev));
		rc = turn_over ? 0 : end_next(e, ev);
		if (rc < 0)
			return -1;
		if (rc > 0) {
			c->told = ev->stream;
			c->told_end = ev->type == HF_CLIENT_CLOSED || ev->type == HF_CLIENT_RESET;
			return 1;
		}
		c->turn = (c->turn + 1) % c->end_cnt;
		c->turn_cnt = 0;
		dry_cnt = turn_over ? 0 : dry_cnt + 1;
		if (dry_cnt < c->end_cnt)
			continue;
		hf_client_flush(c);
		if (arm(c))
			return 0;
		dry_cnt = 0;
	}
}

void hf_client_flush(struct hf_client *c)
{
	for (uint32_t i = 0; i < c->end_cnt; i++)
		publish(&c->end[i]);
}

/* ---- what a backend does with a stream ---- */

void hf_client_set_user(struct hf_stream *s, void *user)
{
	s->user = user;
}

void *hf_client_user(const struct hf_stream *s)
{
	return s->user;
}

size_t hf_client_send(struct hf_stream *s, const void *p, size_t len)
{
	size_t done = 0, n = 1;
	HF_ASSERT(!s->shut);
	if (hf_link_stream_over(&s->link)) /* its RESET is being told */
		return 0;
	while (done < len && n > 0) {
		n = hf_link_data(&s->end->link, &s->link, (const uint8_t *)p + done, len - done);
		done += n;
	}
	if (done < len) {
		s->wants_room = true;
		if (s->link.tx_credit || !s->link.tx_blocked)
			todo_add(s);
	}
	return done;
}

void hf_client_shutdown(struct hf_stream *s)
{
	if (s->shut || hf_link_stream_over(&s->link))
		return;
	s->shut = true;
	s->wants_room = false;
	pay_or_queue(s);
}

void hf_client_consumed(struct hf_stream *s, size_t len)
{
	s->consumed += (uint32_t)len;
	if (!s->link.rx_closed)
		pay_or_queue(s);
}

void hf_client_reset(struct hf_stream *s, enum hf_link_reset_reason reason)
{
	struct hf_client *c = s->end->client;
	bool over = hf_link_stream_over(&s->link);
	if (c->told == s)
		c->told = NULL;
	todo_remove(s);
	stream_forget(s);
	s->owed_reset = reason;
	if (over || pay(s) == 0)
		free(s);
	else
		todo_add(s);
}

/* ---- the handover ---- */

static const char *refusal_text(uint32_t reason)
{
	static const char *const text[] = {
		[HF_LINK_REFUSED_USER] = "this backend must run as another user",
		[HF_LINK_REFUSED_VERSION] = "the appliance speaks another version of the link",
		[HF_LINK_REFUSED_HELLO] = "the appliance did not understand the hello",
		[HF_LINK_REFUSED_FULL] = "the appliance has no endpoint left for this backend",
		[HF_LINK_REFUSED_MEMORY] = "the appliance is out of memory or descriptors",
	};
	return reason < HF_ARRAY_LEN(text) && text[reason] ? text[reason] : "refused";
}

/* One message of the appliance with exactly fd_cnt descriptors; 0 or -1 with *why. */
static int receive(int fd, struct hf_link_ctl *msg, int *fds, uint32_t fd_cnt, int timeout_ms,
	const char **why)
{
	HF_ALIGNED(8) uint8_t control[CMSG_SPACE(sizeof(int) * 4)];
	struct iovec iov = {msg, sizeof(*msg)};
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct cmsghdr *cm;
	ssize_t len;
	uint32_t got = 0;
	int n;
	*why = "the appliance did not answer in time";
	do
		n = poll(&p, 1, timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		return -1;
	len = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	if (len < 0 && errno == ECONNRESET) /* it hung up before our hello; its answer is next */
		len = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	cm = len < 0 ? NULL : CMSG_FIRSTHDR(&m);
	if (cm && cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SCM_RIGHTS) {
		got = (uint32_t)((cm->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		if (got > 4)
			got = 4;
		memcpy(fds, CMSG_DATA(cm), got * sizeof(int));
	}
	*why = "the appliance hung up";
	if (len == (ssize_t)sizeof(*msg) && msg->magic == HF_LINK_MAGIC) {
		if (msg->type == HF_LINK_CTL_REFUSED)
			*why = refusal_text(msg->reason);
		else if (msg->version == HF_LINK_VERSION && got == fd_cnt)
			return 0;
		else
			*why = refusal_text(HF_LINK_REFUSED_VERSION);
	}
	while (got)
		close(fds[--got]);
	return -1;
}

static void *map_region(int fd, uint32_t ring_len, int prot)
{
	size_t size = hf_link_region_size(ring_len);
	struct stat st;
	void *p;
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size != size)
		return NULL;
	p = mmap(NULL, size, prot, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return NULL;
	(void)madvise(p, size, MADV_DONTDUMP); /* it holds what clients sent encrypted */
	return p;
}

static bool ring_len_valid(uint32_t len)
{
	return len >= HF_LINK_RING_MIN && len <= HF_LINK_RING_MAX && (len & (len - 1)) == 0;
}

static int take_link(struct hf_client *c, uint32_t i, int timeout_ms, const char **why)
{
	struct end *e = &c->end[i];
	const struct hf_link_region *r;
	struct hf_link_ctl msg;
	int fds[4];
	if (receive(c->ctl_fd, &msg, fds, 3, timeout_ms, why))
		return -1;
	*why = "the appliance's shared memory is not as announced";
	if (ring_len_valid(msg.worker_ring_len) && ring_len_valid(msg.backend_ring_len)) {
		e->theirs_size = hf_link_region_size(msg.worker_ring_len);
		e->ours_size = hf_link_region_size(msg.backend_ring_len);
		e->theirs = map_region(fds[0], msg.worker_ring_len, PROT_READ);
		e->ours = map_region(fds[1], msg.backend_ring_len, PROT_READ | PROT_WRITE);
	}
	close(fds[0]);
	close(fds[1]);
	e->wake_fd = fds[2];
	r = e->theirs;
	e->bucket = calloc(BUCKETS, sizeof(struct hf_stream *));
	e->bucket_cnt = BUCKETS;
	if (!e->ours || !r || !e->bucket || r->magic != HF_LINK_MAGIC ||
		r->version != HF_LINK_VERSION || r->ring_len != msg.worker_ring_len ||
		r->ring_off != HF_LINK_RING_OFF)
		return -1;
	hf_link_init(&e->link, HF_LINK_BACKEND, c->stream_credit, e->ours, e->ours_size, e->theirs,
		e->theirs_size, &c->stats);
	return 0;
}

static int take_welcome(struct hf_client *c, int timeout_ms, const char **why)
{
	struct hf_link_ctl msg;
	int fds[4];
	if (receive(c->ctl_fd, &msg, fds, 1, timeout_ms, why))
		return -1;
	c->bell_fd = fds[0];
	*why = "the appliance's welcome makes no sense";
	if (msg.worker_cnt == 0 || msg.worker_cnt > HF_LINK_WORKER_MAX)
		return -1;
	*why = "out of memory";
	c->end = calloc(msg.worker_cnt, sizeof(*c->end));
	if (!c->end)
		return -1;
	c->end_cnt = msg.worker_cnt;
	for (uint32_t i = 0; i < c->end_cnt; i++) {
		c->end[i].client = c;
		c->end[i].wake_fd = -1;
		TAILQ_INIT(&c->end[i].todo);
	}
	for (uint32_t i = 0; i < c->end_cnt; i++)
		if (take_link(c, i, timeout_ms, why))
			return -1;
	return 0;
}

static int say_hello(
	struct hf_client *c, const char *path, const char *name, bool patient, const char **why)
{
	struct hf_link_ctl hello = {.magic = HF_LINK_MAGIC,
		.version = HF_LINK_VERSION,
		.type = HF_LINK_CTL_HELLO,
		.stream_credit = c->stream_credit,
		.flags = patient ? HF_LINK_PATIENT : 0};
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	*why = "the path is too long for a Unix socket";
	if (len == 0 || len >= sizeof(sa.sun_path))
		return -1;
	memcpy(sa.sun_path, path, len);
	strncpy(hello.name, name, sizeof(hello.name) - 1);
	*why = NULL; /* errno says it */
	c->ctl_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (c->ctl_fd < 0 || connect(c->ctl_fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -1;
	/* EPIPE: refused already, and told so; the answer waits. */
	if (send(c->ctl_fd, &hello, sizeof(hello), MSG_NOSIGNAL) < 0 && errno != EPIPE)
		return -1;
	return 0;
}

static int watch(struct hf_client *c)
{
	struct epoll_event bell = {.events = EPOLLIN | EPOLLET, .data.fd = c->bell_fd};
	struct epoll_event ctl = {.events = EPOLLIN, .data.fd = c->ctl_fd};
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll_fd < 0 || epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, c->bell_fd, &bell) < 0)
		return -1;
	return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, c->ctl_fd, &ctl);
}

struct hf_client *hf_client_connect(
	const char *path, const struct hf_client_options *opt, char *why, size_t why_len)
{
	static const struct hf_client_options defaults;
	const char *name, *text = "out of memory";
	int timeout_ms;
	struct hf_client *c = calloc(1, sizeof(*c));
	opt = opt ? opt : &defaults;
	name = opt->name ? opt->name : program_invocation_short_name;
	timeout_ms = opt->timeout_ms ? opt->timeout_ms : TIMEOUT_MS;
	if (c) {
		c->ctl_fd = c->bell_fd = c->epoll_fd = -1;
		c->stream_credit =
			opt->stream_credit ? opt->stream_credit : HF_CLIENT_CREDIT_DEFAULT;
		if (say_hello(c, path, name, opt->patient, &text) == 0 &&
			take_welcome(c, timeout_ms, &text) == 0) {
			text = NULL;
			if (watch(c) == 0)
				return c;
		}
	}
	snprintf(why, why_len, "%s: %s", path, text ? text : strerror(errno));
	hf_client_close(c);
	return NULL;
}

int hf_client_fd(const struct hf_client *c)
{
	return c->epoll_fd;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void end_close(struct end *e)
{
	struct hf_stream *s;
	while ((s = TAILQ_FIRST(&e->todo))) {
		todo_remove(s);
		if (s->owed_reset) /* no longer in the table */
			free(s);
	}
	for (uint32_t i = 0; e->bucket && i < e->bucket_cnt; i++)
		while ((s = e->bucket[i])) {
			e->bucket[i] = s->bucket_next;
			free(s);
		}
	free(e->bucket);
	if (e->ours)
		munmap(e->ours, e->ours_size);
	if (e->theirs)
		munmap(e->theirs, e->theirs_size);
	close_fd(e->wake_fd);
}

void hf_client_close(struct hf_client *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < c->end_cnt; i++)
		end_close(&c->end[i]);
	free(c->end);
	close_fd(c->ctl_fd);
	close_fd(c->bell_fd);
	close_fd(c->epoll_fd);
	free(c);
}
