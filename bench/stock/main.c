/* main.c (hfstock) -- a backend that costs next to nothing: every request is answered with the same body out of its
 * memory, by libhandfast, without a socket or a relay. For benches that share a core with the farm.
 *   hfstock SOCKET BYTES
 * A request is what ends in an empty line, and has no body; the connection is kept. */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/client/handfast_client.h"

#define HEAD_MAX 128u
#define BODY_MAX (64u << 20)

static uint8_t *reply; /* head and body */
static size_t reply_len;

struct visit {
	uint32_t matched; /* bytes of the empty line seen so far */
	uint32_t asked;   /* requests without their whole reply */
	size_t at;        /* bytes said of the present one */
	bool eof;
};

/* Requests that end in these bytes. */
static void take(struct visit *v, const uint8_t *p, size_t len)
{
	static const char end[4] = {'\r', '\n', '\r', '\n'};
	for (size_t i = 0; i < len; i++) {
		v->matched = p[i] == (uint8_t)end[v->matched] ? v->matched + 1 : p[i] == '\r';
		if (v->matched == sizeof(end)) {
			v->asked++;
			v->matched = 0;
		}
	}
}

static void answer(struct hf_stream *s, struct visit *v)
{
	while (v->asked) {
		v->at += hf_client_send(s, reply + v->at, reply_len - v->at);
		if (v->at < reply_len)
			return;
		v->asked--;
		v->at = 0;
	}
	if (v->eof)
		hf_client_shutdown(s);
}

static void on_event(const struct hf_client_event *ev)
{
	struct visit *v = hf_client_user(ev->stream);
	switch (ev->type) {
	case HF_CLIENT_OPEN:
		v = calloc(1, sizeof(*v));
		if (v)
			hf_client_set_user(ev->stream, v);
		else
			hf_client_reset(ev->stream, HF_LINK_RESET_LIMIT);
		return;
	case HF_CLIENT_DATA:
		take(v, ev->data, ev->len);
		hf_client_consumed(ev->stream, ev->len);
		break;
	case HF_CLIENT_HALF_CLOSE:
		v->eof = true;
		break;
	case HF_CLIENT_WRITABLE:
		break;
	case HF_CLIENT_CLOSED:
	case HF_CLIENT_RESET:
		free(v);
		return;
	}
	answer(ev->stream, v);
}

/* false: no such length */
static bool stock(const char *text)
{
	char *end, head[HEAD_MAX];
	unsigned long body = strtoul(text, &end, 10);
	size_t head_len;
	if (end == text || *end || body > BODY_MAX)
		return false;
	head_len = (size_t)snprintf(
		head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %lu\r\n\r\n", body);
	reply_len = head_len + body;
	reply = malloc(reply_len);
	if (!reply)
		return false;
	memcpy(reply, head, head_len);
	for (size_t i = 0; i < body; i++)
		reply[head_len + i] = (uint8_t)(i * 2654435761u >> 24);
	return true;
}

int main(int argc, char **argv)
{
	const struct hf_client_options opt = {.patient = true};
	struct hf_client_event ev;
	struct hf_client *c;
	char why[256];
	int rc;
	if (argc != 3 || !stock(argv[2])) {
		fprintf(stderr,
			"usage: hfstock SOCKET BYTES    (the backend's socket of handfast; of a "
			"reply's body, up to %u)\n",
			BODY_MAX);
		return 2;
	}
	c = hf_client_connect(argv[1], &opt, why, sizeof(why));
	if (!c) {
		fprintf(stderr, "hfstock: %s\n", why);
		return 1;
	}
	for (;;) {
		struct pollfd p = {.fd = hf_client_fd(c), .events = POLLIN};
		while ((rc = hf_client_next(c, &ev)) > 0)
			on_event(&ev);
		if (rc < 0)
			break;
		(void)poll(&p, 1, -1);
	}
	fprintf(stderr, "hfstock: the appliance has hung up\n");
	hf_client_close(c);
	return 1;
}
