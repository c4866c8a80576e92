/* echo.c -- the smallest backend: every byte goes back to where it came from. It shows all there is
 * to flow control: bytes are confirmed (hf_client_consumed) when they have been sent back, so what a
 * stream can leave here is never more than its credit, and that much is kept ready. */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/client/handfast_client.h"

#define CREDIT 65536u

struct echo {
	size_t len; /* bytes that could not be sent yet */
	bool eof;
	uint8_t kept[CREDIT];
};

static void keep(struct echo *e, const uint8_t *p, size_t len)
{
	memcpy(e->kept + e->len, p, len);
	e->len += len;
}

static void send_kept(struct hf_stream *s, struct echo *e)
{
	size_t sent = hf_client_send(s, e->kept, e->len);
	e->len -= sent;
	memmove(e->kept, e->kept + sent, e->len);
	hf_client_consumed(s, sent);
}

static void on_event(const struct hf_client_event *ev)
{
	struct echo *e = hf_client_user(ev->stream);
	size_t sent = 0;
	switch (ev->type) {
	case HF_CLIENT_OPEN:
		e = calloc(1, sizeof(*e));
		if (!e) {
			hf_client_reset(ev->stream, HF_LINK_RESET_LIMIT);
			return;
		}
		hf_client_set_user(ev->stream, e);
		return;
	case HF_CLIENT_DATA:
		if (e->len == 0)
			sent = hf_client_send(ev->stream, ev->data, ev->len);
		hf_client_consumed(ev->stream, sent);
		keep(e, (const uint8_t *)ev->data + sent, ev->len - sent);
		return;
	case HF_CLIENT_WRITABLE:
		send_kept(ev->stream, e);
		break;
	case HF_CLIENT_HALF_CLOSE:
		e->eof = true;
		break;
	case HF_CLIENT_CLOSED:
	case HF_CLIENT_RESET:
		free(e);
		return;
	}
	if (e->eof && e->len == 0)
		hf_client_shutdown(ev->stream);
}

int main(int argc, char **argv)
{
	const struct hf_client_options opt = {.stream_credit = CREDIT};
	struct hf_client_event ev;
	struct hf_client *c;
	char why[256];
	int rc;
	if (argc != 2) {
		fprintf(stderr, "usage: hfecho SOCKET    (the backend's socket of handfast)\n");
		return 2;
	}
	c = hf_client_connect(argv[1], &opt, why, sizeof(why));
	if (!c) {
		fprintf(stderr, "hfecho: %s\n", why);
		return 1;
	}
	for (;;) {
		struct pollfd p = {.fd = hf_client_fd(c), .events = POLLIN};
		while ((rc = hf_client_next(c, &ev)) > 0)
			on_event(&ev);
		if (rc < 0)
			break;
		poll(&p, 1, -1);
	}
	fprintf(stderr, "hfecho: the appliance has hung up\n");
	hf_client_close(c);
	return 1;
}
