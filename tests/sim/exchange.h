/* exchange.h -- the conversation whose bytes both ends can check: what a client asks for, what a
 * backend answers. Pure: bytes in, bytes out; the caller brings TLS, TCP or the link.
 *   client -> backend: 24 bytes of request, then up_len bytes of the pattern of `id`
 *   backend -> client: down_len bytes of the pattern of ~id; at once, or (EXCHANGE_AFTER) when the
 *                      upload is whole
 * Every byte depends on id and its position, so a byte lost, doubled, moved or taken from another
 * connection is seen at the place where it happens. */
#ifndef TESTS_SIM_EXCHANGE_H
#define TESTS_SIM_EXCHANGE_H

#include "lib/base/base.h"

#define EXCHANGE_REQUEST_LEN 24u
#define EXCHANGE_AFTER 1u         /* answer only when the upload is complete */
#define EXCHANGE_SERVER_CLOSES 2u /* the backend closes after its last byte */
#define EXCHANGE_SERVER_RESETS 4u /* the backend resets after its last byte, which may not arrive */

struct exchange_plan {
	uint64_t id;
	uint32_t up_len, down_len;
	uint32_t flags;
};

struct exchange {
	struct exchange_plan plan;
	uint8_t request[EXCHANGE_REQUEST_LEN];
	uint32_t request_len;  /* bytes of it sent or received */
	uint32_t in, out;      /* pattern bytes received and sent */
	bool server, lie, bad; /* bad: a wrong byte came; `in` is its place */
};

void exchange_client(struct exchange *x, const struct exchange_plan *plan);
/* A lying server's first byte is wrong: to show that it is seen. */
void exchange_server(struct exchange *x, bool lie);

/* Takes what arrived; -1 when a byte is wrong or one too many. */
HF_MUST_CHECK int exchange_in(struct exchange *x, const uint8_t *p, size_t len);
/* Gives up to cap bytes to send; 0 when there is nothing to say now. */
size_t exchange_out(struct exchange *x, uint8_t *p, size_t cap);

bool exchange_in_done(const struct exchange *x);
bool exchange_out_done(const struct exchange *x);

#endif
