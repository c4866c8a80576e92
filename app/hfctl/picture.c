/* picture.c -- read from the Prometheus text, where every number is a line of its own with its kind in
 * its name, so no parser is needed. */
#include <stdlib.h>
#include "app/hfctl/picture.h"

#define PREFIX "handfast_"

static struct hfctl_metric *find(struct hfctl_picture *p, const char *name)
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
static void add_line(struct hfctl_picture *p, char *line)
{
	char *space = strrchr(line, ' '), *name = line + strlen(PREFIX);
	struct hfctl_metric *m;
	if (!space || strncmp(line, PREFIX, strlen(PREFIX)) != 0 || strstr(line, "_bucket{"))
		return;
	*space = '\0';
	drop_worker(name);
	m = find(p, name);
	if (!m) {
		if (p->cnt == HFCTL_METRIC_MAX)
			return;
		m = &p->m[p->cnt++];
		m->value = 0;
		(void)snprintf(m->name, sizeof(m->name), "%s", name);
	}
	m->value += strtoull(space + 1, NULL, 10);
}

int hfctl_picture_take(const char *socket, struct hfctl_picture *p)
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

unsigned long long hfctl_picture_at(struct hfctl_picture *p, const char *name)
{
	const struct hfctl_metric *m = find(p, name);
	return m ? m->value : 0;
}
