/* top.c -- what moves, and how fast: two pictures of the counters and the difference.
 * Read from the Prometheus text, where every number is a line of its own with its kind in its name,
 * so no parser is needed. Workers are added up; a histogram shows its rate and its mean of late. */
#include <stdlib.h>
#include <unistd.h>
#include "app/hfctl/hfctl.h"

#define NAME_LEN 128u
#define METRIC_MAX 2048u
#define PREFIX "handfast_"

struct metric {
	char name[NAME_LEN]; /* without the prefix, with labels other than worker */
	unsigned long long value;
};

struct picture {
	uint64_t at_ns;
	uint32_t cnt;
	struct metric m[METRIC_MAX];
};

static struct metric *find(struct picture *p, const char *name)
{
	uint32_t i;
	for (i = 0; i < p->cnt; i++)
		if (strcmp(p->m[i].name, name) == 0)
			return &p->m[i];
	return NULL;
}

/* Cuts worker="N" out of name{worker="N",port="x"}, and braces left empty. */
static void drop_worker(char *name)
{
	char *at = strstr(name, "{worker=\""), *end;
	if (!at)
		return;
	at++;
	end = strchr(at + strlen("worker=\""), '"');
	if (!end)
		return;
	end += end[1] == ',' ? 2 : 1;
	memmove(at, end, strlen(end) + 1);
	if (at[0] == '}')
		at[-1] = '\0';
}

/* "handfast_name{labels} value"; comments and buckets are of no use here. */
static void add_line(struct picture *p, char *line)
{
	char *space = strrchr(line, ' '), *name = line + strlen(PREFIX);
	struct metric *m;
	if (!space || strncmp(line, PREFIX, strlen(PREFIX)) != 0 || strstr(line, "_bucket{"))
		return;
	*space = '\0';
	drop_worker(name);
	m = find(p, name);
	if (!m) {
		if (p->cnt == METRIC_MAX)
			return;
		m = &p->m[p->cnt++];
		m->value = 0;
		(void)snprintf(m->name, sizeof(m->name), "%s", name);
	}
	m->value += strtoull(space + 1, NULL, 10);
}

static int take_picture(const char *socket, struct picture *p)
{
	char *answer = hfctl_ask(socket, "stats prometheus"), *line, *save;
	if (!answer)
		return -1;
	p->at_ns = hf_os_now_ns();
	p->cnt = 0;
	for (line = strtok_r(answer, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		add_line(p, line);
	free(answer);
	return 0;
}

/* Cuts an ending such as "_total" out of the name, before its labels; false when it has none. */
static bool cut_ending(const char *name, const char *ending, char out[NAME_LEN])
{
	size_t len = strcspn(name, "{"), end_len = strlen(ending);
	if (len <= end_len || memcmp(name + len - end_len, ending, end_len) != 0)
		return false;
	(void)snprintf(out, NAME_LEN, "%.*s%s", (int)(len - end_len), name, name + len);
	return true;
}

static unsigned long long value_of(struct picture *p, const char *name)
{
	const struct metric *m = find(p, name);
	return m ? m->value : 0;
}

/* Of what was lately added to the histogram that count belongs to. */
static double mean(const char *count, struct picture *was, struct picture *is)
{
	char sum[NAME_LEN];
	size_t len = strcspn(count, "{") - strlen("_count");
	unsigned long long added = value_of(is, count) - value_of(was, count);
	(void)snprintf(
		sum, sizeof(sum), "%.*s_sum%s", (int)len, count, count + len + strlen("_count"));
	return added ? (double)(value_of(is, sum) - value_of(was, sum)) / (double)added : 0;
}

static void show(const struct metric *m, struct picture *was, struct picture *is)
{
	double seconds = (double)(is->at_ns - was->at_ns) / (double)HF_NS_S;
	double rate = (double)(m->value - value_of(was, m->name)) / seconds;
	char name[NAME_LEN];
	if (m->value == 0 || cut_ending(m->name, "_sum", name))
		return;
	if (cut_ending(m->name, "_total", name))
		printf("%-44s %16llu %14.1f/s\n", name, m->value, rate);
	else if (cut_ending(m->name, "_count", name))
		printf("%-44s %16llu %14.1f/s  mean %.1f\n", name, m->value, rate,
			mean(m->name, was, is));
	else
		printf("%-44s %16llu\n", m->name, m->value);
}

int hfctl_top(const char *socket, unsigned seconds, unsigned cnt)
{
	static struct picture pictures[2];
	struct picture *was = &pictures[0], *is = &pictures[1], *t;
	unsigned shown = 0;
	uint32_t i;
	if (take_picture(socket, was) < 0)
		return 1;
	do {
		hf_os_sleep_ns(seconds * HF_NS_S);
		if (take_picture(socket, is) < 0)
			return 1;
		if (isatty(STDOUT_FILENO))
			fputs("\033[H\033[J", stdout);
		for (i = 0; i < is->cnt; i++)
			show(&is->m[i], was, is);
		putchar('\n');
		(void)fflush(stdout);
		t = was;
		was = is;
		is = t;
	} while (++shown != cnt);
	return 0;
}
