/* links.c -- one listening socket per backend, one slot per endpoint number. A slot is FREE, waits
 * for its HELLO, is UP, or is LEAVING: hung up, but with workers still in its memory. Each region is
 * a memfd that can neither shrink nor grow, so no access of ours can fault whatever the backend
 * does; ours is sealed against every writer but the mapping we made before, theirs we map read-only.
 * All descriptors of a slot but its socket serve as long as its memory: workers ring and sleep on
 * them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "app/handfast/links.h"
#include "lib/os/os.h"

#define SOCKET_MODE 0660
#define LISTENER_TAG 0x10000u /* epoll data: a listener's backend, else a slot */

enum slot_state { SLOT_FREE, SLOT_HELLO, SLOT_UP, SLOT_LEAVING };

/* One endpoint as one worker meets it. */
struct end {
	struct hf_link link;
	void *ours, *theirs; /* the regions */
	int wake_fd;
};

struct slot {
	enum slot_state state;
	uint32_t backend;
	uint32_t holder_cnt; /* workers that have not let go */
	int ctl_fd, bell_fd;
	pid_t pid;
	char name[HF_LINK_NAME_LEN + 1];
	struct end *end; /* worker_cnt of them, from HELLO on */
};

struct worker_stats {
	HF_ALIGNED(HF_CACHE_LINE) struct hf_link_stats link;
};

struct hf_links {
	struct hf_links_cfg cfg;
	size_t region_size;
	int epoll_fd;
	int spare_fd; /* given up for a moment to hang up on a stranger when descriptors run out */
	int listen_fd[HF_LINKS_BACKEND_MAX];
	struct slot slot[HF_LINKS_ENDPOINT_MAX];
	struct worker_stats *worker_stats;
	struct hf_links_stats stats;
};

static const char *backend_name(const struct hf_links *l, uint32_t backend)
{
	return l->cfg.backend[backend].name;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int watch(struct hf_links *l, int fd, uint32_t tag)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = tag};
	return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

/* ---- sockets ---- */

static int open_listener(struct hf_links *l, uint32_t backend)
{
	const struct hf_links_backend *b = &l->cfg.backend[backend];
	int fd = hf_os_unix_listen(b->socket, SOCK_SEQPACKET, SOCKET_MODE);
	if (fd < 0) {
		hf_log(HF_LOG_ERROR, "links", "backend %s: cannot listen on %s: %s; %s", b->name,
			b->socket, strerror(errno), hf_os_unix_listen_remedy(errno));
		return -1;
	}
	l->listen_fd[backend] = fd;
	if (b->uid != geteuid() && chown(b->socket, b->uid, (gid_t)-1) < 0)
		hf_log(HF_LOG_WARN, "links",
			"backend %s: cannot give %s to user %u: %s; the backend may be unable to "
			"connect (start as root, or chown it)",
			b->name, b->socket, (unsigned)b->uid, strerror(errno));
	return watch(l, fd, LISTENER_TAG | backend);
}

struct hf_links *hf_links_open(const struct hf_links_cfg *cfg)
{
	struct hf_links *l = calloc(1, sizeof(*l));
	HF_ASSERT(l && cfg->backend_cnt <= HF_LINKS_BACKEND_MAX);
	HF_ASSERT(cfg->endpoint_max <= HF_LINKS_ENDPOINT_MAX);
	HF_ASSERT(cfg->worker_cnt > 0 && cfg->worker_cnt <= HF_LINK_WORKER_MAX);
	l->cfg = *cfg;
	l->region_size = hf_link_region_size(cfg->ring_len);
	l->worker_stats = aligned_alloc(HF_CACHE_LINE, cfg->worker_cnt * sizeof(*l->worker_stats));
	HF_ASSERT(l->worker_stats);
	memset(l->worker_stats, 0, cfg->worker_cnt * sizeof(*l->worker_stats));
	for (uint32_t b = 0; b < HF_LINKS_BACKEND_MAX; b++)
		l->listen_fd[b] = -1;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->spare_fd = hf_os_eventfd();
	if (l->epoll_fd < 0 || l->spare_fd < 0) {
		hf_log(HF_LOG_ERROR, "links", "no descriptors: %s; raise RLIMIT_NOFILE",
			strerror(errno));
		goto fail;
	}
	for (uint32_t b = 0; b < cfg->backend_cnt; b++)
		if (open_listener(l, b))
			goto fail;
	return l;
fail:
	hf_links_close(l);
	return NULL;
}

int hf_links_fd(const struct hf_links *l)
{
	return l->epoll_fd;
}

/* ---- memory ---- */

/* A region and the descriptor that hands it over. Its pages are there before anybody counts on
 * them: a shortage shows here, not as SIGBUS in a worker. */
static void *region_make(const struct hf_links *l, bool ours, int *fd)
{
	size_t size = l->region_size;
	void *p;
	*fd = hf_os_memfd(ours ? "handfast-worker" : "handfast-backend", size);
	if (*fd < 0)
		return NULL;
	if (fallocate(*fd, 0, 0, (off_t)size) < 0)
		goto fail;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, *fd, 0);
	if (p == MAP_FAILED)
		goto fail;
	hf_link_region_init(p, l->cfg.ring_len);
	(void)mlock(p, size); /* plaintext: not to be swapped, where the limits allow that */
	if ((ours || mprotect(p, size, PROT_READ) == 0) && madvise(p, size, MADV_DONTDUMP) == 0 &&
		hf_os_memfd_seal(*fd, !ours) == 0)
		return p;
	munmap(p, size);
fail:
	close_fd(fd);
	return NULL;
}

static void end_unmake(const struct hf_links *l, struct end *end)
{
	if (end->ours)
		munmap(end->ours, l->region_size);
	if (end->theirs)
		munmap(end->theirs, l->region_size);
	close_fd(&end->wake_fd);
}

/* Gives the number back. Safe at any stage of its making. */
static void slot_free(struct hf_links *l, struct slot *s)
{
	for (uint32_t w = 0; s->end && w < l->cfg.worker_cnt; w++)
		end_unmake(l, &s->end[w]);
	free(s->end);
	close_fd(&s->ctl_fd);
	close_fd(&s->bell_fd);
	*s = (struct slot){.state = SLOT_FREE, .ctl_fd = -1, .bell_fd = -1};
}

/* ---- admission ---- */

static int send_ctl(int fd, const struct hf_link_ctl *msg, const int *fds, uint32_t fd_cnt)
{
	return hf_os_send_fds(fd, msg, sizeof(*msg), fds, fd_cnt) == (ssize_t)sizeof(*msg) ? 0 : -1;
}

static struct hf_link_ctl ctl(enum hf_link_ctl_type type)
{
	return (struct hf_link_ctl){
		.magic = HF_LINK_MAGIC, .version = HF_LINK_VERSION, .type = type};
}

/* Says no, with the reason, which a backend's log will show to its operator. */
static void refuse(struct hf_links *l, int fd, uint32_t backend, enum hf_link_refusal reason,
	const char *text, const struct hf_os_peer *peer)
{
	struct hf_link_ctl msg = ctl(HF_LINK_CTL_REFUSED);
	uint64_t *const counter[] = {
		[HF_LINK_REFUSED_USER] = &l->stats.refused_user,
		[HF_LINK_REFUSED_VERSION] = &l->stats.refused_version,
		[HF_LINK_REFUSED_HELLO] = &l->stats.refused_hello,
		[HF_LINK_REFUSED_FULL] = &l->stats.refused_full,
		[HF_LINK_REFUSED_MEMORY] = &l->stats.refused_memory,
	};
	++*counter[reason];
	msg.reason = reason;
	(void)send_ctl(fd, &msg, NULL, 0);
	HF_LOG_LIMITED(HF_LOG_WARN, "links", "backend %s: refused pid %d of user %u: %s",
		backend_name(l, backend), (int)peer->pid, (unsigned)peer->uid, text);
}

/* A free number within the backend's share, or NULL. */
static struct slot *slot_take(struct hf_links *l, uint32_t backend)
{
	uint32_t share = HF_MAX(1, l->cfg.endpoint_max / l->cfg.backend_cnt), used = 0;
	struct slot *found = NULL;
	for (uint32_t e = 0; e < l->cfg.endpoint_max; e++) {
		struct slot *s = &l->slot[e];
		if (s->state == SLOT_FREE)
			found = found ? found : s;
		else
			used += s->backend == backend;
	}
	return used < share ? found : NULL;
}

/* Out of descriptors: hang up on whoever waits, or the listener would stay readable for ever. */
static bool shed(struct hf_links *l, uint32_t backend)
{
	int fd;
	close_fd(&l->spare_fd);
	fd = hf_os_unix_accept(l->listen_fd[backend]);
	if (fd >= 0)
		close(fd);
	l->spare_fd = hf_os_eventfd();
	l->stats.refused_memory++;
	HF_LOG_LIMITED(HF_LOG_WARN, "links", "backend %s: out of descriptors; raise RLIMIT_NOFILE",
		backend_name(l, backend));
	return fd >= 0;
}

/* False when nobody could be taken: no use to try again at once. */
static bool accept_one(struct hf_links *l, uint32_t backend)
{
	int fd = hf_os_unix_accept(l->listen_fd[backend]);
	struct hf_os_peer peer;
	struct slot *s;
	if (fd < 0) {
		return (errno == EMFILE || errno == ENFILE) && shed(l, backend);
	}
	if (hf_os_unix_peer(fd, &peer) < 0 || peer.uid != l->cfg.backend[backend].uid) {
		refuse(l, fd, backend, HF_LINK_REFUSED_USER, "another user is configured", &peer);
		goto hang_up;
	}
	s = slot_take(l, backend);
	if (!s) {
		refuse(l, fd, backend, HF_LINK_REFUSED_FULL, "no endpoint is left", &peer);
		goto hang_up;
	}
	if (watch(l, fd, (uint32_t)(s - l->slot)) < 0) {
		refuse(l, fd, backend, HF_LINK_REFUSED_MEMORY, strerror(errno), &peer);
		goto hang_up;
	}
	*s = (struct slot){.state = SLOT_HELLO,
		.backend = backend,
		.ctl_fd = fd,
		.bell_fd = -1,
		.pid = peer.pid};
	return true;
hang_up:
	close(fd);
	return true;
}

/* ---- handover ---- */

/* Makes what one worker shares with the endpoint and sends it. */
static int hand_over(
	struct hf_links *l, struct slot *s, uint32_t worker, const struct hf_link_ctl *hello)
{
	struct end *end = &s->end[worker];
	struct hf_link_ctl msg = ctl(HF_LINK_CTL_LINK);
	int ours_fd = -1, theirs_fd = -1, rc = -1;
	end->ours = region_make(l, true, &ours_fd);
	end->theirs = region_make(l, false, &theirs_fd);
	end->wake_fd = hf_os_eventfd();
	if (end->ours && end->theirs && end->wake_fd >= 0) {
		const int fds[] = {ours_fd, theirs_fd, end->wake_fd};
		hf_link_init(&end->link, HF_LINK_WORKER, hello->stream_credit, end->ours,
			l->region_size, end->theirs, l->region_size, &l->worker_stats[worker].link);
		end->link.patient = (hello->flags & HF_LINK_PATIENT) != 0;
		msg.worker = worker;
		msg.worker_cnt = l->cfg.worker_cnt;
		msg.worker_ring_len = msg.backend_ring_len = l->cfg.ring_len;
		rc = send_ctl(s->ctl_fd, &msg, fds, HF_ARRAY_LEN(fds));
	}
	close_fd(&ours_fd);
	close_fd(&theirs_fd);
	return rc;
}

static int welcome(struct hf_links *l, struct slot *s, const struct hf_link_ctl *hello)
{
	struct hf_link_ctl msg = ctl(HF_LINK_CTL_WELCOME);
	s->end = calloc(l->cfg.worker_cnt, sizeof(*s->end));
	if (!s->end)
		return -1;
	for (uint32_t w = 0; w < l->cfg.worker_cnt; w++)
		s->end[w].wake_fd = -1;
	s->bell_fd = hf_os_eventfd();
	msg.worker_cnt = l->cfg.worker_cnt;
	if (s->bell_fd < 0 || send_ctl(s->ctl_fd, &msg, &s->bell_fd, 1))
		return -1;
	for (uint32_t w = 0; w < l->cfg.worker_cnt; w++)
		if (hand_over(l, s, w, hello))
			return -1;
	return 0;
}

static enum hf_link_refusal judge_hello(const struct hf_link_ctl *hello, ssize_t len)
{
	if (len < 8 || hello->magic != HF_LINK_MAGIC)
		return HF_LINK_REFUSED_HELLO;
	if (hello->version != HF_LINK_VERSION)
		return HF_LINK_REFUSED_VERSION;
	if (len != (ssize_t)sizeof(*hello) || hello->type != HF_LINK_CTL_HELLO ||
		hello->stream_credit < HF_LINK_CREDIT_MIN ||
		hello->stream_credit > HF_LINK_CREDIT_MAX)
		return HF_LINK_REFUSED_HELLO;
	return 0;
}

/* True when the endpoint is up. */
static bool take_hello(struct hf_links *l, struct slot *s)
{
	struct hf_link_ctl hello = {0};
	ssize_t len = recv(s->ctl_fd, &hello, sizeof(hello), MSG_TRUNC);
	struct hf_os_peer peer = {.pid = s->pid, .uid = l->cfg.backend[s->backend].uid};
	enum hf_link_refusal no;
	if (len < 0 && errno == EAGAIN)
		return false;
	if (len <= 0) { /* it changed its mind */
		slot_free(l, s);
		return false;
	}
	no = judge_hello(&hello, len);
	if (no)
		refuse(l, s->ctl_fd, s->backend, no,
			no == HF_LINK_REFUSED_VERSION ? "it speaks another version of the link"
						      : "not a valid hello",
			&peer);
	else if (welcome(l, s, &hello) < 0)
		refuse(l, s->ctl_fd, s->backend, HF_LINK_REFUSED_MEMORY, strerror(errno), &peer);
	else {
		memcpy(s->name, hello.name, HF_LINK_NAME_LEN);
		s->state = SLOT_UP;
		s->holder_cnt = l->cfg.worker_cnt;
		l->stats.admitted++;
		l->stats.endpoints++;
		hf_log(HF_LOG_INFO, "links", "backend %s: endpoint %u attached (%s, pid %d)",
			backend_name(l, s->backend), (unsigned)(s - l->slot), s->name, (int)s->pid);
		return true;
	}
	slot_free(l, s);
	return false;
}

/* ---- the end of an endpoint ---- */

static void hang_up(struct slot *s)
{
	close_fd(&s->ctl_fd); /* closing takes it out of the epoll set */
	s->state = SLOT_LEAVING;
}

void hf_links_cut(struct hf_links *l, uint32_t endpoint, enum hf_link_violation why)
{
	struct slot *s = &l->slot[endpoint];
	HF_ASSERT(endpoint < l->cfg.endpoint_max);
	if (s->state != SLOT_UP) /* it has just hung up by itself */
		return;
	hf_log(HF_LOG_WARN, "links", "backend %s: endpoint %u (%s, pid %d) cut off: %s",
		backend_name(l, s->backend), endpoint, s->name, (int)s->pid,
		hf_link_violation_name(why));
	l->stats.cut++;
	hang_up(s);
}

void hf_links_release(struct hf_links *l, uint32_t endpoint)
{
	struct slot *s = &l->slot[endpoint];
	HF_ASSERT(endpoint < l->cfg.endpoint_max && s->state == SLOT_LEAVING);
	HF_ASSERT(s->holder_cnt > 0);
	if (--s->holder_cnt > 0)
		return;
	slot_free(l, s);
	l->stats.endpoints--;
}

void hf_links_close(struct hf_links *l)
{
	if (!l)
		return;
	for (uint32_t e = 0; e < l->cfg.endpoint_max; e++)
		if (l->slot[e].state != SLOT_FREE)
			slot_free(l, &l->slot[e]);
	for (uint32_t b = 0; b < l->cfg.backend_cnt; b++)
		if (l->listen_fd[b] >= 0) {
			(void)unlink(l->cfg.backend[b].socket);
			close_fd(&l->listen_fd[b]);
		}
	close_fd(&l->epoll_fd);
	close_fd(&l->spare_fd);
	free(l->worker_stats);
	free(l);
}

/* ---- what control asks ---- */

bool hf_links_next(struct hf_links *l, struct hf_links_event *ev)
{
	struct epoll_event got;
	while (epoll_wait(l->epoll_fd, &got, 1, 0) == 1) {
		uint32_t e = got.data.u32;
		struct slot *s;
		if (e & LISTENER_TAG) {
			if (!accept_one(l, e & ~LISTENER_TAG))
				return false;
			continue;
		}
		s = &l->slot[e];
		*ev = (struct hf_links_event){.endpoint = e, .backend = s->backend};
		if (s->state == SLOT_HELLO) {
			if (!take_hello(l, s))
				continue;
			ev->kind = HF_LINKS_UP;
			return true;
		}
		/* After its HELLO an endpoint has nothing to say here: word or end, it is over. */
		hf_log(HF_LOG_INFO, "links", "backend %s: endpoint %u (%s, pid %d) is gone",
			backend_name(l, s->backend), e, s->name, (int)s->pid);
		l->stats.gone++;
		hang_up(s);
		ev->kind = HF_LINKS_DOWN;
		return true;
	}
	return false;
}

static const struct slot *used(const struct hf_links *l, uint32_t endpoint)
{
	HF_ASSERT(endpoint < l->cfg.endpoint_max && l->slot[endpoint].holder_cnt > 0);
	return &l->slot[endpoint];
}

struct hf_link *hf_links_link(struct hf_links *l, uint32_t endpoint, uint32_t worker)
{
	HF_ASSERT(worker < l->cfg.worker_cnt);
	return &used(l, endpoint)->end[worker].link;
}

int hf_links_bell_fd(const struct hf_links *l, uint32_t endpoint)
{
	return used(l, endpoint)->bell_fd;
}

int hf_links_wake_fd(const struct hf_links *l, uint32_t endpoint, uint32_t worker)
{
	HF_ASSERT(worker < l->cfg.worker_cnt);
	return used(l, endpoint)->end[worker].wake_fd;
}

const struct hf_links_stats *hf_links_stats(const struct hf_links *l)
{
	return &l->stats;
}

const struct hf_link_stats *hf_links_worker_stats(const struct hf_links *l, uint32_t worker)
{
	HF_ASSERT(worker < l->cfg.worker_cnt);
	return &l->worker_stats[worker].link;
}

static const struct hf_stat_row rows[] = {
#define HF_COUNTER(name, help) \
	{#name, help, HF_STAT_COUNTER, offsetof(struct hf_links_stats, name)},
#define HF_GAUGE(name, help) {#name, help, HF_STAT_GAUGE, offsetof(struct hf_links_stats, name)},
#include "app/handfast/links.def"
#undef HF_COUNTER
#undef HF_GAUGE
};

const struct hf_stat_table hf_links_stat_table = {"links", rows, HF_ARRAY_LEN(rows)};
