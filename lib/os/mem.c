/* mem.c -- the one region that all workers' pools are carved from.
 * Huge pages first: a worker touches tens of megabytes at random, and with 4 KB pages most touches
 * miss the TLB. They must be reserved before start, so running short is normal; then plain pages
 * serve, the kernel is asked to merge them where it can, and the note says what was lost. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <linux/mman.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include "lib/base/secret.h"
#include "lib/os/os.h"

#define HUGE_PAGE (2ull << 20)

static void note(struct hf_os_mem *m, const char *fmt, ...) HF_PRINTF(2, 3);
static void note(struct hf_os_mem *m, const char *fmt, ...)
{
	size_t used = strlen(m->note);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(m->note + used, sizeof(m->note) - used, fmt, ap);
	va_end(ap);
}

static void *map(size_t len, int extra)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | extra, -1, 0);
}

static void *map_huge(struct hf_os_mem *m, enum hf_os_huge huge)
{
	/* Without MAP_NORESERVE the pages are set aside here, so a later touch cannot fail. */
	void *p = map(m->len, MAP_HUGETLB | MAP_HUGE_2MB);
	if (p != MAP_FAILED)
		return p;
	note(m,
		"%llu pages of 2 MB are not free (%s); %sreserve them: hugeadm --pool-pages-min "
		"2MB:%llu",
		(unsigned long long)(m->len / HUGE_PAGE), strerror(errno),
		huge == HF_OS_HUGE_AUTO ? "plain pages serve, at more TLB misses; " : "",
		(unsigned long long)(m->len / HUGE_PAGE));
	return NULL;
}

static void *map_plain(struct hf_os_mem *m)
{
	void *p = map(m->len, 0);
	if (p == MAP_FAILED) {
		note(m, "%s%zu MB cannot be mapped: %s", m->note[0] ? "; " : "", m->len >> 20,
			strerror(errno));
		return NULL;
	}
	(void)madvise(p, m->len, MADV_HUGEPAGE); /* a wish: kernels without THP say no */
	return p;
}

/* Locks the region, which also makes it resident; where the limit forbids it, touches it instead.
 */
static void settle(struct hf_os_mem *m)
{
	struct rlimit lim = {0, 0};
	size_t i;
	(void)madvise(m->base, m->len, MADV_DONTDUMP);
	m->locked = mlock(m->base, m->len) == 0;
	if (m->locked)
		return;
	(void)getrlimit(RLIMIT_MEMLOCK, &lim);
	note(m,
		"%smemory is not locked (%s, limit %llu KB) and could be swapped out, keys with "
		"it; "
		"set LimitMEMLOCK=infinity",
		m->note[0] ? "; " : "", strerror(errno), (unsigned long long)(lim.rlim_cur >> 10));
	for (i = 0; i < m->len; i += 4096)
		((volatile uint8_t *)m->base)[i] = 0;
}

int hf_os_mem_take(struct hf_os_mem *m, size_t len, enum hf_os_huge huge)
{
	void *p = NULL;
	memset(m, 0, sizeof(*m));
	m->len = HF_ROUND_UP(HF_MAX(len, (size_t)1), HUGE_PAGE);
	if (huge != HF_OS_HUGE_OFF)
		p = map_huge(m, huge);
	m->huge = p != NULL;
	if (!p && huge != HF_OS_HUGE_REQUIRE)
		p = map_plain(m);
	if (!p)
		return -1;
	m->base = p;
	settle(m);
	return 0;
}

void *hf_os_mem_carve(struct hf_os_mem *m, size_t len, size_t align)
{
	size_t off = HF_ROUND_UP(m->used, align);
	HF_ASSERT(align && (align & (align - 1)) == 0 && align <= HUGE_PAGE);
	HF_ASSERT(off <= m->len && len <= m->len - off);
	m->used = off + len;
	return m->base + off;
}

void hf_os_mem_give(struct hf_os_mem *m)
{
	if (!m->base)
		return;
	hf_wipe(m->base, m->used);
	munmap(m->base, m->len);
	memset(m, 0, sizeof(*m));
}
