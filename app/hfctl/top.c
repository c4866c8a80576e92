/* top.c -- what moves, and how fast: two pictures of the counters and the difference. A histogram
 * shows its rate and its mean of late. */
#include <unistd.h>
#include "app/hfctl/picture.h"

/* Cuts an ending such as "_total" out of the name, before its labels; false when it has none. */
static bool cut_ending(const char *name, const char *ending, char out[HFCTL_NAME_LEN])
{
	size_t len = strcspn(name, "{"), end_len = strlen(ending);
	if (len <= end_len || memcmp(name + len - end_len, ending, end_len) != 0)
		return false;
	(void)snprintf(out, HFCTL_NAME_LEN, "%.*s%s", (int)(len - end_len), name, name + len);
	return true;
}

/* Of what was lately added to the histogram that count belongs to. */
static double mean(const char *count, struct hfctl_picture *was, struct hfctl_picture *is)
{
	char sum[HFCTL_NAME_LEN];
	size_t len = strcspn(count, "{") - strlen("_count");
	unsigned long long added = hfctl_picture_at(is, count) - hfctl_picture_at(was, count);
	(void)snprintf(
		sum, sizeof(sum), "%.*s_sum%s", (int)len, count, count + len + strlen("_count"));
	return added ? (double)(hfctl_picture_at(is, sum) - hfctl_picture_at(was, sum)) /
			       (double)added
		     : 0;
}

static void show(const struct hfctl_metric *m, struct hfctl_picture *was, struct hfctl_picture *is)
{
	double seconds = (double)(is->at_ns - was->at_ns) / (double)HF_NS_S;
	double rate = (double)(m->value - hfctl_picture_at(was, m->name)) / seconds;
	char name[HFCTL_NAME_LEN];
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
	static struct hfctl_picture pictures[2];
	struct hfctl_picture *was = &pictures[0], *is = &pictures[1], *t;
	unsigned shown = 0;
	uint32_t i;
	if (hfctl_picture_take(socket, was) < 0)
		return 1;
	do {
		hf_os_sleep_ns(seconds * HF_NS_S);
		if (hfctl_picture_take(socket, is) < 0)
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
