/* host.c -- clocks, randomness, threads, and giving up root.
 * Workers read the monotonic clock once per turn and hand the number down; cycles are for
 * measuring only. Randomness comes from the kernel once per seed; hf_rand makes the rest. */
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "lib/os/os.h"

static uint64_t clock_ns(clockid_t id)
{
	struct timespec t;
	HF_ASSERT(clock_gettime(id, &t) == 0);
	return (uint64_t)t.tv_sec * HF_NS_S + (uint64_t)t.tv_nsec;
}

uint64_t hf_os_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t hf_os_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

/* Days from two on: nobody renews by the hour what lasts longer. */
struct hf_os_time_text hf_os_time_text(int64_t seconds)
{
	struct hf_os_time_text t;
	long long n = seconds < 0 ? 0 : seconds;
	const char *unit = n < 7200 ? "minute" : n < 172800 ? "hour" : "day";
	n /= n < 7200 ? 60 : n < 172800 ? 3600 : 86400;
	(void)snprintf(t.s, sizeof(t.s), "%lld %s%s", n, unit, n == 1 ? "" : "s");
	return t;
}

void hf_os_sleep_ns(uint64_t ns)
{
	struct timespec t = {(time_t)(ns / HF_NS_S), (long)(ns % HF_NS_S)};
	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

/* 20 ms against two clock reads of well under a microsecond each: good to a few parts in 10^5. */
uint64_t hf_os_cycles_per_s(void)
{
	uint64_t ns0 = hf_os_now_ns(), cy0 = hf_os_cycles(), ns, cy;
	hf_os_sleep_ns(20 * HF_NS_MS);
	ns = hf_os_now_ns() - ns0;
	cy = hf_os_cycles() - cy0;
	return (uint64_t)((unsigned __int128)cy * HF_NS_S / ns);
}

void hf_os_random(void *out, size_t len)
{
	uint8_t *p = out;
	while (len > 0) {
		ssize_t got = getrandom(p, len, 0);
		HF_ASSERT(got > 0 || (got < 0 && errno == EINTR));
		if (got > 0) {
			p += got;
			len -= (size_t)got;
		}
	}
}

uint32_t hf_os_core_cnt(void)
{
	cpu_set_t set;
	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;
}

bool hf_os_core_usable(uint32_t core)
{
	cpu_set_t set;
	return core < CPU_SETSIZE && sched_getaffinity(0, sizeof(set), &set) == 0 &&
	       CPU_ISSET(core, &set);
}

int hf_os_pin_self(uint32_t core)
{
	cpu_set_t set;
	if (core >= CPU_SETSIZE) {
		errno = EINVAL;
		return -1;
	}
	CPU_ZERO(&set);
	CPU_SET(core, &set);
	errno = pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	return errno ? -1 : 0;
}

void hf_os_thread_name(const char *name)
{
	prctl(PR_SET_NAME, name);
}

int hf_os_no_core_dumps(void)
{
	struct rlimit none = {0, 0};
	return prctl(PR_SET_DUMPABLE, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0 ? -1 : 0;
}

int hf_os_become(uid_t uid, gid_t gid)
{
	if (setgroups(1, &gid) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -1;
	if (uid != 0 && setuid(0) == 0) {
		errno = EPERM; /* root came back: the drop was none */
		return -1;
	}
	return 0;
}
