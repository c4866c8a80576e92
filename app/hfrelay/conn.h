/* conn.h -- what relay.c and exchange.c share: a stream's connection to a server. Not for others.
 * relay.c moves bytes and owns sockets, lists and deadlines; exchange.c (--http) decides what the bytes of
 * a stream are, and when the connection to the server has served its purpose.
 * Threads: a relay's own. Memory: malloc. */
#ifndef HF_APP_HFRELAY_CONN_H
#define HF_APP_HFRELAY_CONN_H

#include <sys/queue.h>
#include "app/hfrelay/http.h"
#include "app/hfrelay/relay.h"

#define HF_RELAY_READ_LEN 65536u /* of one read from a server */

/* Bytes that wait. Empty, it holds no memory. */
struct bytes {
	uint8_t *p;
	size_t off, len, cap;
};

/* A TCP connection to a server. It has a conn, or is kept for the next one. */
struct server_conn {
	int fd; /* -1: over, waits for reap */
	uint32_t server;
	struct conn *conn;
	bool readable, writable, hung_up; /* what epoll has said */
	bool sent, undelayed;             /* a first piece went out; TCP_NODELAY is set */
	bool kept;         /* it has been, and the server may have ended it meanwhile */
	uint64_t deadline; /* while it is kept */
	TAILQ_ENTRY(server_conn) same, all; /* those kept for its server; of all, or dead */
};

TAILQ_HEAD(server_conn_list, server_conn);

enum conn_state {
	CONN_WAITING, /* for bytes that want a server */
	CONN_CONNECTING,
	CONN_OPEN,
	CONN_DEAD /* waits for reap */
};

struct conn {
	struct session *session;
	struct hf_stream *stream;  /* NULL: over, only `up` is still to be delivered */
	struct server_conn *srv;   /* while CONNECTING or OPEN */
	struct exchange *exchange; /* with --http */
	enum conn_state state;
	uint64_t tried; /* servers, a bit each */
	struct bytes up, down;
	size_t header_len; /* of up's bytes, those at its front that are no client's: they are not confirmed */
	bool client_eof, fin_sent; /* client -> server is at its end; the server knows */
	bool server_eof, shut;     /* server -> client is at its end; the appliance knows */
	bool deaf;                 /* the server takes no more bytes */
	bool broken;               /* because it reset the connection */
	bool queued;               /* in the run list */
	struct conn_list *timed;   /* the list of deadlines it is in */
	uint64_t deadline;
	TAILQ_ENTRY(conn) all, run, due;
};

TAILQ_HEAD(conn_list, conn);

/* One attachment to the appliance and all that lives as long. */
struct session {
	struct hf_relay *relay;
	const struct hf_relay_cfg *cfg;
	struct hf_client *client;
	int epoll_fd;
	uint32_t turn; /* of the round robin */
	uint32_t conn_cnt, kept_cnt;
	uint64_t now;
	struct conn_list all, run, connecting, answering, lingering, dead;
	struct server_conn_list kept_of[HF_FARM_SERVER_MAX]; /* the latest last */
	struct server_conn_list kept, ended; /* kept: in the order of their deadlines */
	/* A read from a server, behind what came of a head before; in front, room for what a head grows by. */
	uint8_t *buf, room[HF_HTTP_GROWS + HF_HTTP_HEAD_MAX + HF_RELAY_READ_LEN];
	uint8_t head[HF_HTTP_HEAD_MAX + HF_HTTP_GROWS]; /* as it is passed on */
};

/* ---- relay.c ---- */

/* Room for len bytes behind those that wait, which bytes_add takes; NULL: no memory. */
uint8_t *bytes_room(struct bytes *b, size_t len);
void bytes_add(struct bytes *b, size_t len);
bool bytes_append(struct bytes *b, const void *p, size_t len);
void bytes_consume(struct bytes *b, size_t len);
void bytes_drop(struct bytes *b);

/* Gets it a connection to a server whose turn it is; `kept`: one that waits there will do. */
void conn_connect(struct conn *c, bool kept);
/* Gives that back, for the next request of whomever; or ends it. Then it waits for bytes that want a server. */
void conn_keep(struct conn *c);
void conn_leave(struct conn *c, bool reset);
/* We end it: the stream is told why, the counter shows it. */
void conn_refuse(struct conn *c, enum hf_link_reset_reason why, uint64_t *counter);
/* Bytes of the client for the server: at once what its socket takes, the rest waits. False: c has ended. */
bool conn_to_server(struct conn *c, const uint8_t *p, size_t len);
void conn_push_up(struct conn *c);
/* Bytes of the server for the client. False: c has ended. */
bool conn_to_client(struct conn *c, const uint8_t *p, size_t len);
/* The client's bytes are dealt with. */
void conn_confirm(struct conn *c, size_t len);
/* Gives it a turn soon. */
void conn_run_later(struct conn *c);
/* Its server is there: with --http it has --answer-timeout from now on to say or take something. */
void conn_await(struct conn *c);

/* ---- exchange.c ---- */

/* NULL: no memory. */
struct exchange *exchange_new(const struct hf_client_info *info);
void exchange_free(struct exchange *x);
/* Whether the two directions are two pipes now, whatever runs in them. */
bool exchange_is_tunnel(const struct exchange *x);
void exchange_client_data(struct conn *c, const uint8_t *p, size_t len);
void exchange_client_eof(struct conn *c);
/* Puts what came of a response's head before to the front of buf, and returns its length: a read goes behind it. */
size_t exchange_before(const struct exchange *x, uint8_t *buf);
/* A read from the server, len bytes of session.buf with those before. False: this connection to the server is
 * no longer c's, or c has ended. */
bool exchange_server_data(struct conn *c, size_t len);
/* The server ended its connection, or broke it. The same. */
bool exchange_server_eof(struct conn *c, bool broken);
/* For --answer-timeout its server has said and taken nothing; that may be the client's doing. */
void exchange_late(struct conn *c);
/* None could be reached, or there is nothing left to reach one with; the counter shows it. */
void exchange_no_server(struct conn *c, uint64_t *counter);

#endif
