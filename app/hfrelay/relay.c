/* relay.c -- a connection is two one-way pipes that share a socket and a stream. Towards the server:
 * what the appliance tells is written at once, from the ring; what the socket does not take waits in
 * `up` (before the connection stands, everything does, behind the PROXY header). Towards the client:
 * the socket is read into one buffer of the thread and sent; what the link does not take waits in
 * `down`, and until that is gone the socket is not read.
 * Sockets are watched edge-triggered, both ways, once; `readable` and `writable` remember the edges.
 * A connection that used up its share of a turn goes to the end of the run list.
 * Connections die inside loops that may still hold pointers to them, so they are freed by reap(). */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>
#include "app/hfrelay/conn.h"
#include "lib/os/os.h"

#define READS_PER_TURN 4u   /* of one connection, then others have theirs */
#define EVENTS_PER_TURN 256 /* of the appliance, and of the sockets */
#define LINGER_NS (30 * HF_NS_S)
#define PAUSE_MIN_NS (100 * HF_NS_MS)
#define PAUSE_MAX_NS (5 * HF_NS_S)

/* ---- bytes that wait ---- */

uint8_t *bytes_room(struct bytes *b, size_t len)
{
	if (b->off + b->len + len > b->cap && b->off > 0) {
		memmove(b->p, b->p + b->off, b->len);
		b->off = 0;
	}
	if (b->len + len > b->cap) {
		size_t cap = HF_MAX(2 * b->cap, HF_ROUND_UP(b->len + len, (size_t)4096));
		uint8_t *wider = realloc(b->p, cap);
		if (!wider)
			return NULL;
		b->p = wider;
		b->cap = cap;
	}
	return b->p + b->off + b->len;
}

void bytes_add(struct bytes *b, size_t len)
{
	b->len += len;
}

bool bytes_append(struct bytes *b, const void *p, size_t len)
{
	uint8_t *room;
	if (len == 0)
		return true;
	room = bytes_room(b, len);
	if (!room)
		return false;
	memcpy(room, p, len);
	bytes_add(b, len);
	return true;
}

void bytes_drop(struct bytes *b)
{
	free(b->p);
	*b = (struct bytes){0};
}

void bytes_consume(struct bytes *b, size_t len)
{
	b->off += len;
	b->len -= len;
	if (b->len == 0)
		bytes_drop(b);
}

/* ---- lists ---- */

void conn_run_later(struct conn *c)
{
	if (c->queued)
		return;
	c->queued = true;
	TAILQ_INSERT_TAIL(&c->session->run, c, run);
}

static void untime(struct conn *c)
{
	if (c->timed)
		TAILQ_REMOVE(c->timed, c, due);
	c->timed = NULL;
}

static bool is_pipe(const struct conn *c)
{
	return !c->exchange || exchange_is_tunnel(c->exchange);
}

/* All deadlines of a list are equally far away, so it is in order by itself. */
static void time_out_in(struct conn *c, struct conn_list *list, uint64_t ns)
{
	untime(c);
	c->timed = list;
	c->deadline = c->session->now + ns;
	TAILQ_INSERT_TAIL(list, c, due);
}

void conn_await(struct conn *c)
{
	if (c->state != CONN_OPEN)
		return;
	untime(c);
	if (!is_pipe(c) && c->session->cfg->answer_ns)
		time_out_in(c, &c->session->answering, c->session->cfg->answer_ns);
}

/* ---- the end of a connection ---- */

/* With a reset where bytes may have been lost, so that the server does not take them for all. */
static void server_close(struct session *s, struct server_conn *v, bool reset)
{
	const struct linger hard = {.l_onoff = 1, .l_linger = 0};
	if (reset)
		(void)setsockopt(v->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(v->fd);
	v->fd = -1;
	v->conn = NULL;
	s->relay->server[v->server].conns--;
	TAILQ_INSERT_TAIL(&s->ended, v, all);
}

void conn_leave(struct conn *c, bool reset)
{
	if (c->srv)
		server_close(c->session, c->srv, reset);
	c->srv = NULL;
	c->state = CONN_WAITING;
	untime(c);
}

/* Whatever its stream has become must have been said before. */
static void conn_end(struct conn *c, bool reset)
{
	struct session *s = c->session;
	conn_leave(c, reset);
	if (c->queued)
		TAILQ_REMOVE(&s->run, c, run);
	c->queued = false;
	bytes_drop(&c->up);
	bytes_drop(&c->down);
	exchange_free(c->exchange);
	c->exchange = NULL;
	c->stream = NULL;
	c->state = CONN_DEAD;
	TAILQ_REMOVE(&s->all, c, all);
	TAILQ_INSERT_TAIL(&s->dead, c, all);
	s->conn_cnt--;
	s->relay->stats.streams--;
}

void conn_refuse(struct conn *c, enum hf_link_reset_reason why, uint64_t *counter)
{
	++*counter;
	if (c->stream)
		hf_client_reset(c->stream, why);
	conn_end(c, true);
}

static void reap(struct session *s)
{
	struct server_conn *v;
	struct conn *c;
	while ((c = TAILQ_FIRST(&s->dead))) {
		TAILQ_REMOVE(&s->dead, c, all);
		free(c);
	}
	while ((v = TAILQ_FIRST(&s->ended))) {
		TAILQ_REMOVE(&s->ended, v, all);
		free(v);
	}
}

/* ---- connections kept for the next request ---- */

static struct server_conn *unkeep(struct session *s, struct server_conn *v)
{
	TAILQ_REMOVE(&s->kept, v, all);
	TAILQ_REMOVE(&s->kept_of[v->server], v, same);
	s->kept_cnt--;
	s->relay->stats.kept--;
	return v;
}

/* The one that waits for the shortest time: the others may come to their end. */
static struct server_conn *kept_take(struct session *s, uint32_t server)
{
	struct server_conn *v = TAILQ_LAST(&s->kept_of[server], server_conn_list);
	return v ? unkeep(s, v) : NULL;
}

static void kept_end_first(struct session *s)
{
	server_close(s, unkeep(s, TAILQ_FIRST(&s->kept)), false);
}

void conn_keep(struct conn *c)
{
	struct session *s = c->session;
	struct server_conn *v = c->srv;
	if (s->cfg->keep_max == 0) {
		conn_leave(c, false);
		return;
	}
	if (s->kept_cnt == s->cfg->keep_max)
		kept_end_first(s);
	c->srv = NULL;
	c->state = CONN_WAITING;
	untime(c);
	v->conn = NULL;
	v->kept = true;
	v->deadline = s->now + s->cfg->keep_ns;
	TAILQ_INSERT_TAIL(&s->kept, v, all);
	TAILQ_INSERT_TAIL(&s->kept_of[v->server], v, same);
	s->kept_cnt++;
	s->relay->stats.kept++;
}

/* ---- client -> server ---- */

/* Writes to the server; returns how many bytes it took. What it will never take is taken here. */
static size_t write_server(struct conn *c, const uint8_t *p, size_t len)
{
	const int one = 1;
	ssize_t n;
	struct server_conn *v = c->srv;
	if (c->deaf)
		return len;
	if (c->state != CONN_OPEN || !v->writable)
		return 0;
	/* The first piece waits for nobody (RFC 9293 3.7.4), and is all that most requests have. */
	if (v->sent && !v->undelayed) {
		(void)setsockopt(v->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		v->undelayed = true;
	}
	v->sent = true;
	n = send(v->fd, p, len, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		/* Its answer may still be on the way. A reset is told once only, and now. */
		c->deaf = true;
		c->broken = errno == ECONNRESET;
		return len;
	}
	if (n < (ssize_t)len)
		v->writable = false;
	return n < 0 ? 0 : (size_t)n;
}

void conn_confirm(struct conn *c, size_t len)
{
	if (c->stream && len)
		hf_client_consumed(c->stream, len);
	if (!c->deaf)
		c->session->relay->stats.bytes_to_server += len;
}

void conn_push_up(struct conn *c)
{
	if (c->up.len) {
		size_t n = write_server(c, c->up.p + c->up.off, c->up.len);
		size_t header = HF_MIN(n, c->header_len);
		c->header_len -= header;
		bytes_consume(&c->up, n);
		conn_confirm(c, n - header);
	}
	if (c->up.len || c->state != CONN_OPEN || !is_pipe(c))
		return;
	if (c->client_eof && !c->fin_sent) {
		c->fin_sent = true;
		(void)shutdown(c->srv->fd, SHUT_WR);
	}
	if (!c->stream) /* it was only this that kept it */
		conn_end(c, false);
}

bool conn_to_server(struct conn *c, const uint8_t *p, size_t len)
{
	size_t n = 0;
	if (c->up.len == 0) {
		n = write_server(c, p, len);
		conn_confirm(c, n);
	}
	if (bytes_append(&c->up, p + n, len - n))
		return true;
	conn_refuse(c, HF_LINK_RESET_LIMIT, &c->session->relay->stats.refused_limit);
	return false;
}

/* ---- server -> client ---- */

bool conn_to_client(struct conn *c, const uint8_t *p, size_t len)
{
	struct hf_relay *r = c->session->relay;
	size_t n = c->down.len ? 0 : hf_client_send(c->stream, p, len);
	r->stats.bytes_to_client += n;
	if (bytes_append(&c->down, p + n, len - n))
		return true;
	conn_refuse(c, HF_LINK_RESET_LIMIT, &r->stats.refused_limit);
	return false;
}

/* False when this connection to the server is over, or no longer c's. */
static bool read_server(struct conn *c)
{
	struct session *s = c->session;
	struct server_conn *v = c->srv;
	size_t before = is_pipe(c) ? 0 : exchange_before(c->exchange, s->buf);
	ssize_t n = recv(v->fd, s->buf + before, HF_RELAY_READ_LEN, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		v->readable = errno == EINTR;
		return true;
	}
	if (n <= 0 && !is_pipe(c))
		return exchange_server_eof(c, n < 0 || c->broken);
	if (n < 0 || (n == 0 && c->broken)) {
		conn_refuse(c, HF_LINK_RESET_SERVER, &s->relay->stats.server_resets);
		return false;
	}
	/* Less than asked means empty, unless the end is there to be read (epoll(7)). */
	if (n < (ssize_t)HF_RELAY_READ_LEN && !v->hung_up)
		v->readable = false;
	if (!is_pipe(c))
		return exchange_server_data(c, before + (size_t)n);
	c->server_eof = n == 0;
	return conn_to_client(c, s->buf, (size_t)n);
}

static void push_down(struct conn *c)
{
	uint32_t reads = 0;
	if (!c->stream)
		return;
	if (c->down.len) {
		size_t n = hf_client_send(c->stream, c->down.p + c->down.off, c->down.len);
		c->session->relay->stats.bytes_to_client += n;
		bytes_consume(&c->down, n);
		if (c->timed == &c->session->answering) /* it was the client that was waited for */
			conn_await(c);
	}
	while (c->state == CONN_OPEN && c->srv->readable && !c->server_eof && c->down.len == 0) {
		if (reads++ == READS_PER_TURN) {
			conn_run_later(c);
			return;
		}
		if (!read_server(c) && c->state == CONN_DEAD)
			return;
	}
	if (c->server_eof && c->down.len == 0 && !c->shut) {
		c->shut = true;
		hf_client_shutdown(c->stream);
	}
}

/* ---- connecting ---- */

/* This server did not take it: the next one, if there is one. */
static void connect_failed(struct conn *c, int error)
{
	struct session *s = c->session;
	struct hf_relay *r = s->relay;
	struct hf_farm *farm = &r->cfg->farm;
	uint32_t server = c->srv->server;
	r->server[server].connect_failures++;
	if (hf_farm_failed(farm, server, s->now))
		hf_log(HF_LOG_WARN, "hfrelay", "server %s is out for %u s: %s",
			farm->server[server].name, (unsigned)(farm->eject_ns / HF_NS_S),
			strerror(error));
	conn_leave(c, false);
	conn_connect(c, false);
}

static void connected(struct conn *c)
{
	struct session *s = c->session;
	struct hf_farm *farm = &s->relay->cfg->farm;
	uint32_t server = c->srv->server;
	s->relay->server[server].connects++;
	if (hf_farm_connected(farm, server))
		hf_log(HF_LOG_INFO, "hfrelay", "server %s is back", farm->server[server].name);
	c->state = CONN_OPEN;
	c->srv->writable = true;
	conn_await(c);
}

/* Its socket, watched; NULL and errno. */
static struct server_conn *server_open(struct session *s, uint32_t server)
{
	struct server_conn *v = calloc(1, sizeof(*v));
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = v};
	if (!v)
		return NULL;
	v->server = server;
	v->fd = socket(s->cfg->farm.server[server].addr.ss_family,
		SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (v->fd >= 0 && epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, v->fd, &ev) == 0) {
		s->relay->server[server].conns++;
		return v;
	}
	if (v->fd >= 0)
		close(v->fd);
	free(v);
	return NULL;
}

/* What could be done for it with a server cannot be done. */
static void no_server(struct conn *c, enum hf_link_reset_reason why, uint64_t *counter)
{
	c->state = CONN_WAITING;
	if (c->exchange)
		exchange_no_server(c, counter);
	else
		conn_refuse(c, why, counter);
}

void conn_connect(struct conn *c, bool kept)
{
	struct session *s = c->session;
	struct hf_relay *r = s->relay;
	struct hf_farm *farm = &r->cfg->farm;
	const struct hf_farm_server *server;
	uint32_t pick = hf_farm_pick(farm, &s->turn, c->tried, s->now);
	if (pick == HF_FARM_NONE) {
		HF_LOG_LIMITED(HF_LOG_WARN, "hfrelay", "stream refused: no server can be reached");
		no_server(c, HF_LINK_RESET_REFUSED, &r->stats.refused_farm);
		return;
	}
	r->stats.retries += c->tried != 0;
	c->tried |= 1ull << pick;
	c->deaf = c->broken = false;
	c->srv = kept ? kept_take(s, pick) : NULL;
	if (c->srv) {
		c->srv->conn = c;
		c->state = CONN_OPEN;
		conn_await(c);
		r->stats.kept_used++;
		return;
	}
	c->srv = server_open(s, pick);
	if (!c->srv) {
		HF_LOG_LIMITED(HF_LOG_WARN, "hfrelay",
			"stream refused: %s; raise the limit of open files or lower "
			"--max-connections",
			strerror(errno));
		no_server(c, HF_LINK_RESET_LIMIT, &r->stats.refused_limit);
		return;
	}
	c->srv->conn = c;
	c->state = CONN_CONNECTING;
	server = &farm->server[pick];
	if (connect(c->srv->fd, (const struct sockaddr *)&server->addr, server->addr_len) == 0)
		connected(c);
	else if (errno == EINPROGRESS)
		time_out_in(c, &s->connecting, s->cfg->connect_ns);
	else
		connect_failed(c, errno);
}

/* ---- what sockets say ---- */

static void on_socket(struct session *s, struct server_conn *v, uint32_t events)
{
	struct conn *c = v->conn;
	int error = 0;
	socklen_t len = sizeof(error);
	if (v->fd < 0)
		return;
	if (!c) { /* a server has nothing to say unasked but that it goes */
		v->writable |= (events & EPOLLOUT) != 0;
		if (events & ~(uint32_t)EPOLLOUT)
			server_close(s, unkeep(s, v), false);
		return;
	}
	if (c->state == CONN_CONNECTING) {
		if (events & (EPOLLERR | EPOLLHUP) &&
			getsockopt(v->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
			error = errno;
		if (error) {
			connect_failed(c, error);
			return;
		}
		if (!(events & EPOLLOUT))
			return;
		connected(c);
	}
	v->hung_up |= (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
	v->readable |= (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
	v->writable |= (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
	if (c->timed == &s->answering)
		conn_await(c);
	conn_push_up(c);
	push_down(c);
}

/* ---- what the appliance says ---- */

static void on_open(struct session *s, const struct hf_client_event *ev)
{
	struct hf_relay *r = s->relay;
	uint8_t header[HF_PROXY_HEADER_MAX];
	struct conn *c = NULL;
	r->stats.streams_opened++;
	if (s->conn_cnt >= s->cfg->conn_max)
		HF_LOG_LIMITED(HF_LOG_WARN, "hfrelay",
			"stream refused: --max-connections (%u in this thread) is reached",
			s->cfg->conn_max);
	else
		c = calloc(1, sizeof(*c));
	if (!c) {
		r->stats.refused_limit++;
		hf_client_reset(ev->stream, HF_LINK_RESET_LIMIT);
		return;
	}
	c->session = s;
	c->stream = ev->stream;
	hf_client_set_user(ev->stream, c);
	TAILQ_INSERT_TAIL(&s->all, c, all);
	s->conn_cnt++;
	r->stats.streams++;
	if (s->cfg->proxy != HF_PROXY_OFF) {
		c->header_len = hf_proxy_header(header, sizeof(header), ev->info, s->cfg->proxy);
		if (c->header_len == 0 || !bytes_append(&c->up, header, c->header_len)) {
			conn_refuse(c, HF_LINK_RESET_INTERNAL, &r->stats.refused_limit);
			return;
		}
	}
	if (s->cfg->http) {
		c->exchange = exchange_new(ev->info);
		if (!c->exchange) {
			conn_refuse(c, HF_LINK_RESET_LIMIT, &r->stats.refused_limit);
			return;
		}
	}
	if (s->cfg->eager)
		conn_connect(c, false);
}

static void on_data(struct conn *c, const uint8_t *p, size_t len)
{
	if (c->exchange) {
		exchange_client_data(c, p, len);
		return;
	}
	if (c->state == CONN_WAITING)
		conn_connect(c, false);
	if (c->state != CONN_DEAD && conn_to_server(c, p, len))
		conn_push_up(c);
}

static void on_half_close(struct conn *c)
{
	c->client_eof = true;
	if (c->exchange) {
		exchange_client_eof(c);
		return;
	}
	if (c->state != CONN_WAITING) {
		conn_push_up(c);
		return;
	}
	/* Not one byte came: nothing to ask a server. */
	c->server_eof = c->shut = true;
	hf_client_shutdown(c->stream);
}

static void on_closed(struct conn *c)
{
	c->session->relay->stats.streams_closed++;
	c->stream = NULL;
	if (!is_pipe(c)) {
		conn_end(c, c->srv != NULL);
		return;
	}
	if (c->state != CONN_OPEN || c->deaf || (c->up.len == 0 && c->fin_sent)) {
		conn_end(c, false);
		return;
	}
	/* The server has ended its answer but still owes us to read the rest of the question. */
	time_out_in(c, &c->session->lingering, LINGER_NS);
	conn_push_up(c);
}

static void on_event(struct session *s, const struct hf_client_event *ev)
{
	struct conn *c = hf_client_user(ev->stream);
	switch (ev->type) {
	case HF_CLIENT_OPEN:
		on_open(s, ev);
		break;
	case HF_CLIENT_DATA:
		on_data(c, ev->data, ev->len);
		break;
	case HF_CLIENT_HALF_CLOSE:
		on_half_close(c);
		break;
	case HF_CLIENT_WRITABLE:
		push_down(c);
		break;
	case HF_CLIENT_CLOSED:
		on_closed(c);
		break;
	case HF_CLIENT_RESET:
		s->relay->stats.streams_reset++;
		c->stream = NULL;
		conn_end(c, true);
		break;
	}
}

/* 1: there is more; 0: none, and the client's descriptor is armed; -1: the appliance is gone. */
static int take_client_events(struct session *s)
{
	struct hf_client_event ev;
	int rc = 1;
	for (int i = 0; i < EVENTS_PER_TURN && rc > 0; i++) {
		rc = hf_client_next(s->client, &ev);
		if (rc > 0)
			on_event(s, &ev);
	}
	if (rc > 0)
		hf_client_flush(s->client);
	return rc;
}

/* ---- a session ---- */

/* Connections whose time is over, and those that wait for another turn. */
static void run_due(struct session *s)
{
	struct server_conn *v;
	struct conn *c, *last;
	while ((c = TAILQ_FIRST(&s->connecting)) && c->deadline <= s->now)
		connect_failed(c, ETIMEDOUT);
	while ((c = TAILQ_FIRST(&s->answering)) && c->deadline <= s->now)
		exchange_late(c);
	while ((c = TAILQ_FIRST(&s->lingering)) && c->deadline <= s->now)
		conn_end(c, true);
	while ((v = TAILQ_FIRST(&s->kept)) && v->deadline <= s->now)
		kept_end_first(s);
	/* Only those that are there now: each may queue itself again. */
	last = TAILQ_LAST(&s->run, conn_list);
	for (c = NULL; c != last;) {
		c = TAILQ_FIRST(&s->run);
		TAILQ_REMOVE(&s->run, c, run);
		c->queued = false;
		push_down(c);
	}
}

static int wait_ms(const struct session *s)
{
	const struct conn_list *timed[] = {&s->connecting, &s->answering, &s->lingering};
	const struct server_conn *v = TAILQ_FIRST(&s->kept);
	uint64_t due = v ? v->deadline : UINT64_MAX;
	for (uint32_t i = 0; i < HF_ARRAY_LEN(timed); i++)
		if (!TAILQ_EMPTY(timed[i]))
			due = HF_MIN(due, TAILQ_FIRST(timed[i])->deadline);
	if (due == UINT64_MAX)
		return -1;
	return due <= s->now ? 0 : (int)((due - s->now) / HF_NS_MS) + 1;
}

static int session_watch(struct session *s)
{
	struct epoll_event client = {.events = EPOLLIN, .data.ptr = s->client};
	struct epoll_event stop = {.events = EPOLLIN, .data.ptr = s->relay};
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd < 0)
		return -1;
	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, hf_client_fd(s->client), &client) < 0)
		return -1;
	return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->relay->stop_fd, &stop);
}

/* Serves until the appliance is gone (false) or we are to stop (true). */
static bool session_run(struct session *s)
{
	struct epoll_event ev[EVENTS_PER_TURN];
	for (;;) {
		int more, n;
		s->now = hf_os_now_ns();
		run_due(s);
		more = take_client_events(s);
		reap(s);
		if (more < 0)
			return false;
		more |= !TAILQ_EMPTY(&s->run);
		n = epoll_wait(s->epoll_fd, ev, EVENTS_PER_TURN, more ? 0 : wait_ms(s));
		s->now = hf_os_now_ns();
		for (int i = 0; i < n; i++) {
			if (ev[i].data.ptr == s->relay)
				return true;
			if (ev[i].data.ptr != s->client)
				on_socket(s, ev[i].data.ptr, ev[i].events);
		}
	}
}

static void session_end(struct session *s)
{
	struct conn *c;
	while ((c = TAILQ_FIRST(&s->all))) {
		s->relay->stats.streams_lost += c->stream != NULL;
		conn_end(c, true);
	}
	while (!TAILQ_EMPTY(&s->kept))
		kept_end_first(s);
	reap(s);
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
	hf_client_close(s->client);
}

/* True when we are to stop. */
static bool serve(struct hf_relay *r, struct hf_client *client)
{
	struct session *s = calloc(1, sizeof(*s));
	bool stop = false;
	HF_ASSERT(s);
	s->relay = r;
	s->cfg = r->cfg;
	s->client = client;
	s->buf = s->room + HF_HTTP_GROWS;
	s->turn = r->index; /* threads do not begin at the same server */
	TAILQ_INIT(&s->all);
	TAILQ_INIT(&s->run);
	TAILQ_INIT(&s->connecting);
	TAILQ_INIT(&s->answering);
	TAILQ_INIT(&s->lingering);
	TAILQ_INIT(&s->dead);
	TAILQ_INIT(&s->kept);
	TAILQ_INIT(&s->ended);
	for (uint32_t i = 0; i < HF_FARM_SERVER_MAX; i++)
		TAILQ_INIT(&s->kept_of[i]);
	if (session_watch(s) < 0) {
		hf_log(HF_LOG_ERROR, "hfrelay", "epoll: %s", strerror(errno));
	} else {
		r->stats.attached = 1;
		r->stats.attaches++;
		stop = session_run(s);
		r->stats.attached = 0;
	}
	session_end(s);
	free(s);
	return stop;
}

/* ---- the thread ---- */

static bool pause_or_stop(const struct hf_relay *r, uint64_t ns)
{
	struct pollfd p = {.fd = r->stop_fd, .events = POLLIN};
	return poll(&p, 1, (int)(ns / HF_NS_MS)) == 1;
}

void *hf_relay_thread(void *arg)
{
	struct hf_relay *r = arg;
	struct hf_client_options opt = {.name = r->cfg->name,
		.stream_credit = r->cfg->stream_credit,
		.patient = !r->cfg->eager};
	uint64_t pause_ns = PAUSE_MIN_NS;
	char why[256], said[256] = "", name[16];
	snprintf(name, sizeof(name), "hfrelay-%u", r->index);
	hf_os_thread_name(name);
	do {
		struct hf_client *c = hf_client_connect(r->cfg->socket, &opt, why, sizeof(why));
		if (c) {
			hf_log(HF_LOG_INFO, "hfrelay", "thread %u attached to %s", r->index,
				r->cfg->socket);
			if (serve(r, c))
				break;
			hf_log(HF_LOG_WARN, "hfrelay", "thread %u: the appliance has hung up",
				r->index);
			said[0] = 0;
			pause_ns = PAUSE_MIN_NS;
			continue;
		}
		if (strcmp(why, said) != 0) /* not the same again at every try */
			hf_log(HF_LOG_WARN, "hfrelay", "thread %u cannot attach, trying again: %s",
				r->index, why);
		memcpy(said, why, sizeof(said));
		pause_ns = HF_MIN(2 * pause_ns, PAUSE_MAX_NS);
	} while (!pause_or_stop(r, pause_ns));
	return NULL;
}

/* ---- rows ---- */

#define HF_COUNTER(name, help) {#name, help, HF_STAT_COUNTER, offsetof(struct ROWS_OF, name)},
#define HF_GAUGE(name, help) {#name, help, HF_STAT_GAUGE, offsetof(struct ROWS_OF, name)},

static const struct hf_stat_row rows[] = {
#define ROWS_OF hf_relay_stats
#include "app/hfrelay/stats.def"
#undef ROWS_OF
};

static const struct hf_stat_row server_rows[] = {
#define ROWS_OF hf_relay_server_stats
#include "app/hfrelay/server_stats.def"
#undef ROWS_OF
};

const struct hf_stat_table hf_relay_stat_table = {"relay", rows, HF_ARRAY_LEN(rows)};
const struct hf_stat_table hf_relay_server_stat_table = {
	"server", server_rows, HF_ARRAY_LEN(server_rows)};
