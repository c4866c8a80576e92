/* picture.h -- all counters of a running handfast at one moment, workers added up.
 * Threads: none. Memory: the caller's, bounded; counters beyond the bound are left out. */
#ifndef HF_HFCTL_PICTURE_H
#define HF_HFCTL_PICTURE_H

#include "app/hfctl/hfctl.h"

#define HFCTL_NAME_LEN 128u
#define HFCTL_METRIC_MAX 2048u

struct hfctl_metric {
	char name[HFCTL_NAME_LEN]; /* without the prefix, with labels other than worker */
	unsigned long long value;
};

struct hfctl_picture {
	uint64_t at_ns;
	uint32_t cnt;
	struct hfctl_metric m[HFCTL_METRIC_MAX];
};

/* 0, or -1: it could not be asked, which was said. */
int hfctl_picture_take(const char *socket, struct hfctl_picture *p);
/* 0 when there is no such counter. */
unsigned long long hfctl_picture_at(struct hfctl_picture *p, const char *name);

#endif
