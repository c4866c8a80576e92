/* relay_peer.c -- the appliance's side of a backend socket, for tests of backends, told what to do by
 * lines on standard input; each is answered with "ok" or "no: why" on standard output.
 *   relay_peer SOCKET WORKERS
 *   up N            wait until N endpoints have attached since the start
 *   down N          wait until N endpoints have been lost
 *   open N BYTES [mute]   N streams, each sends BYTES of its pattern and half-closes; mute: and does
 *                   not take answers beyond its credit
 *   run             until all streams but mute ones are over
 *   unmute          mute streams take answers from now on
 *   turn MS         go on for so long
 *   echoed          all streams ended in order with their own bytes
 *   got TEXT        all streams ended in order with this text
 *   reset WHY [N]   until all streams (or N of them) were reset with this number
 *   sent            the most any mute stream could send: "ok BYTES"
 *   forget          streams from before no longer count */
#include <string.h>
#include <unistd.h>
#include "tests/support/appliance.h"

#define PATIENCE_NS (120 * HF_NS_S)

static struct appliance *a;
static uint32_t first; /* stream that counts */
static char why[200];

_Noreturn void hf_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "relay_peer: %s:%d: %s\n", file, line, what);
	abort();
}

static bool over(const struct appliance_stream *s)
{
	return s->opened && hf_link_stream_over(&s->link);
}

static bool all_over(uint32_t unused)
{
	(void)unused;
	for (uint32_t i = first; i < a->stream_cnt; i++)
		if (!over(&a->s[i]) && !a->s[i].refuse_to_read) {
			snprintf(why, sizeof(why), "stream %u sent %llu of %llu, received %llu",
				i + 1, (unsigned long long)a->s[i].sent,
				(unsigned long long)a->s[i].send_len,
				(unsigned long long)a->s[i].received);
			return false;
		}
	return true;
}

static bool is_up(uint32_t cnt)
{
	snprintf(why, sizeof(why), "%u endpoints attached", a->up_cnt);
	return a->up_cnt >= cnt;
}

static bool is_down(uint32_t cnt)
{
	snprintf(why, sizeof(why), "%u endpoints lost", a->down_cnt);
	return a->down_cnt >= cnt;
}

static bool turn_until(bool (*done)(uint32_t), uint32_t arg)
{
	uint64_t end = hf_os_now_ns() + PATIENCE_NS;
	while (!done(arg)) {
		if (hf_os_now_ns() > end)
			return false;
		appliance_turn(a, 1000);
	}
	return true;
}

static bool turn_for(uint32_t ms)
{
	uint64_t end = hf_os_now_ns() + ms * HF_NS_MS;
	while (hf_os_now_ns() < end)
		appliance_turn(a, 10);
	return true;
}

/* Over the endpoints that are up and the workers, in turn. */
static bool open_streams(uint32_t cnt, uint64_t len, bool mute)
{
	static uint32_t turn;
	for (uint32_t tries = 0; cnt > 0; turn++) {
		uint32_t e = turn / a->worker_cnt % HF_LINKS_ENDPOINT_MAX;
		if (a->up[e]) {
			appliance_stream(a, e, turn % a->worker_cnt, len)->refuse_to_read = mute;
			cnt--;
			tries = 0;
		} else if (tries++ > HF_LINKS_ENDPOINT_MAX * a->worker_cnt) {
			snprintf(why, sizeof(why), "no endpoint is up");
			return false;
		}
	}
	return true;
}

/* text NULL: its own bytes. */
static bool ended_with(const char *text)
{
	HF_ASSERT(!text || strlen(text) <= APPLIANCE_FIRST);
	for (uint32_t i = first; i < a->stream_cnt; i++) {
		const struct appliance_stream *s = &a->s[i];
		uint64_t len = text ? strlen(text) : s->send_len;
		bool same = text ? memcmp(s->first, text, len) == 0 : s->wrong == 0;
		if (over(s) && s->got_eof && !s->got_reset && s->received == len && same)
			continue;
		snprintf(why, sizeof(why),
			"stream %u: %s%s%s, received %llu of %llu, %llu of them wrong", i + 1,
			over(s) ? "over" : "not over", s->got_eof ? ", end" : "",
			s->got_reset ? ", reset" : "", (unsigned long long)s->received,
			(unsigned long long)len, (unsigned long long)s->wrong);
		return false;
	}
	return true;
}

static uint32_t want_reset; /* streams; 0: all */

static bool were_reset(uint32_t reason)
{
	uint32_t want = want_reset, cnt = 0;
	for (uint32_t i = first; i < a->stream_cnt; i++)
		cnt += a->s[i].got_reset && a->s[i].reset_reason == reason;
	snprintf(why, sizeof(why), "%u of %u were", cnt, a->stream_cnt - first);
	return cnt == (want ? want : a->stream_cnt - first);
}

static bool most_sent(void)
{
	uint64_t most = 0;
	for (uint32_t i = first; i < a->stream_cnt; i++)
		if (a->s[i].refuse_to_read)
			most = HF_MAX(most, a->s[i].sent);
	snprintf(why, sizeof(why), "%llu", (unsigned long long)most);
	return true;
}

static bool forget(void)
{
	first = a->stream_cnt;
	return true;
}

static bool unmute(void)
{
	for (uint32_t i = first; i < a->stream_cnt; i++)
		a->s[i].refuse_to_read = false;
	return true;
}

static bool command(char *line)
{
	char word[32] = "", arg[64] = "", mute[8] = "";
	unsigned long long n, len = 0;
	sscanf(line, "%31s %63s %llu %7s", word, arg, &len, mute);
	n = strtoull(arg, NULL, 10);
	if (strcmp(word, "up") == 0)
		return turn_until(is_up, (uint32_t)n);
	if (strcmp(word, "down") == 0)
		return turn_until(is_down, (uint32_t)n);
	if (strcmp(word, "open") == 0)
		return open_streams((uint32_t)n, len, *mute != 0);
	if (strcmp(word, "run") == 0)
		return turn_until(all_over, 0);
	if (strcmp(word, "turn") == 0)
		return turn_for((uint32_t)n);
	if (strcmp(word, "unmute") == 0)
		return unmute();
	if (strcmp(word, "echoed") == 0)
		return ended_with(NULL);
	if (strcmp(word, "got") == 0)
		return ended_with(arg);
	if (strcmp(word, "reset") == 0) {
		want_reset = (uint32_t)len;
		return turn_until(were_reset, (uint32_t)n);
	}
	if (strcmp(word, "sent") == 0)
		return most_sent();
	if (strcmp(word, "forget") == 0)
		return forget();
	snprintf(why, sizeof(why), "unknown command");
	return false;
}

int main(int argc, char **argv)
{
	char line[200];
	if (argc != 3) {
		fprintf(stderr, "usage: relay_peer SOCKET WORKERS\n");
		return 2;
	}
	a = appliance_open(argv[1], getuid(), (uint32_t)atoi(argv[2]), 1 << 18);
	puts("ok");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		bool ok = command(line);
		printf("%s %s\n", ok ? "ok" : "no:", why);
		fflush(stdout);
		why[0] = 0;
	}
	appliance_close(a);
	return 0;
}
