/* handfast_client.h -- libhandfast: how a server becomes a backend of handfast. It receives the
 * decrypted streams of TLS clients over shared memory and answers the same way; no sockets, no
 * copies it does not need, no DPDK, no TLS library. This header and link_abi.h are all it includes.
 *
 * One hf_client per thread. The loop of a backend (complete in example/echo.c):
 *
 *	struct hf_client *c = hf_client_connect("/run/handfast/web.sock", NULL, why, sizeof(why));
 *	for (;;) {
 *		while ((rc = hf_client_next(c, &ev)) > 0)
 *			switch (ev.type) { ... }
 *		if (rc < 0)
 *			break;                              (the appliance is gone: connect again)
 *		poll(hf_client_fd(c)) or epoll_wait with it in the set
 *	}
 *
 * hf_client_next that returns 0 has sent everything that was handed in, and has armed the
 * descriptor: it becomes readable when there is news. A loop that handles many events between two
 * zeros may call hf_client_flush so that answers leave earlier.
 *
 * Flow control: a stream's client may have `stream_credit` bytes on their way to this backend that
 * hf_client_consumed has not yet confirmed. A backend must be ready to keep that much per stream,
 * and never makes other streams wait by not doing so. In the other direction hf_client_send takes as
 * much as the appliance has room for; HF_CLIENT_WRITABLE tells when there is more.
 *
 * A stream is a handle from HF_CLIENT_OPEN to HF_CLIENT_CLOSED or HF_CLIENT_RESET, whichever is told
 * (valid until the next hf_client_next), or to hf_client_reset, which ends it at once.
 *
 * Threads: everything of a client from its thread only. Memory: malloc at connect and per stream.
 * Errors: bad use (sending after shutdown) is an assertion. */
#ifndef HANDFAST_CLIENT_H
#define HANDFAST_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/link/link_abi.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hf_client;
struct hf_stream;

struct hf_client_options {
	const char *name;       /* shown to the appliance's operator; default: the program's name */
	uint32_t stream_credit; /* default (0) HF_CLIENT_CREDIT_DEFAULT; from HF_LINK_CREDIT_MIN */
	int timeout_ms;         /* for the appliance's answer; default (0) 5000 */
	bool patient; /* streams are of no interest before their first byte: HF_CLIENT_OPEN, and
			 HF_CLIENT_RESET, may come some milliseconds late, and wake less often */
};
#define HF_CLIENT_CREDIT_DEFAULT (256u * 1024)

/* Connects to the appliance's socket and becomes one endpoint. opt may be NULL. NULL: failed, and
 * `why` says it in words. */
struct hf_client *hf_client_connect(
	const char *path, const struct hf_client_options *opt, char *why, size_t why_len);
/* Ends the endpoint; its streams are reset by the appliance. */
void hf_client_close(struct hf_client *c);
/* For poll, epoll or select; do not read it. */
int hf_client_fd(const struct hf_client *c);

struct hf_client_bytes {
	const uint8_t *p;
	size_t len; /* 0: there is none */
};

/* Who is at the other end. Addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d; ports and numbers in host
 * order. The pointers are valid until the next hf_client_next. */
struct hf_client_info {
	uint8_t client_addr[16], local_addr[16];
	uint16_t client_port, local_port;
	uint16_t tls_version, cipher; /* 0x0303 is TLS 1.2; IANA numbers */
	uint8_t conn_id[16];
	struct hf_client_bytes sni, alpn, ja4;
	/* Who it is, by a certificate that was checked for the server name above: for that name
	 * alone, whatever the client says later to be talking to. Other fields are empty unless
	 * it is VERIFIED: DER; RFC 2253 text in ASCII; the last common name in UTF-8; 32 bytes. */
	enum hf_link_client_verdict client_verdict;
	struct hf_client_bytes client_cert, client_subject, client_issuer, client_cn, client_sha256;
};

enum hf_client_event_type {
	HF_CLIENT_OPEN = 1, /* a new stream: info */
	HF_CLIENT_DATA, /* data, len: valid until the next hf_client_next; confirm each byte with
				 hf_client_consumed when it is dealt with */
	HF_CLIENT_HALF_CLOSE, /* the client will send no more (close_notify) */
	HF_CLIENT_WRITABLE, /* hf_client_send had taken less than offered and would take more now (but
				 another call may have taken the rest by then) */
	HF_CLIENT_CLOSED,   /* over in order: both sides have half-closed */
	HF_CLIENT_RESET,    /* over: reason (enum hf_link_reset_reason) */
};

struct hf_client_event {
	enum hf_client_event_type type;
	struct hf_stream *stream;
	const void *data;
	size_t len;
	uint32_t reason;
	const struct hf_client_info *info;
};

/* 1: *ev is the next event. 0: there is none; all was sent; the descriptor is armed. -1: the
 * appliance is gone or has hung up, or there is no memory for a new stream. All streams are lost:
 * close, and connect again later. */
int hf_client_next(struct hf_client *c, struct hf_client_event *ev);
/* Sends what was handed in since the last flush. */
void hf_client_flush(struct hf_client *c);

/* The pointer a backend keeps with a stream; NULL at first. */
void hf_client_set_user(struct hf_stream *s, void *user);
void *hf_client_user(const struct hf_stream *s);

/* Returns how many bytes were taken; less than len means HF_CLIENT_WRITABLE follows. */
size_t hf_client_send(struct hf_stream *s, const void *p, size_t len);
/* Nothing follows what was sent. Events go on until HF_CLIENT_CLOSED. */
void hf_client_shutdown(struct hf_stream *s);
/* Ends the stream both ways, now; the handle is invalid and no event follows. */
void hf_client_reset(struct hf_stream *s, enum hf_link_reset_reason reason);
/* len bytes of HF_CLIENT_DATA are dealt with: as many more may come. */
void hf_client_consumed(struct hf_stream *s, size_t len);

#ifdef __cplusplus
}
#endif

#endif
