/* os.h -- where handfast meets the operating system: processor, clocks, memory, threads, Unix
 * sockets, descriptors, log, the end of the process. Only app, drivers and client know it; the pure
 * half gets time, cycles and randomness handed in.
 * Threads: any, at any time, unless a line says "boot" (before other threads run).
 * Memory: none is kept. Units: ns, bytes. Errors: fallible calls return -1 with errno set, or fill
 * a note that a person can act on.
 * Specs: Linux man pages; Intel SDM volume 1, chapters 13 to 15, for cpuid and XCR0. */
#ifndef HF_OS_OS_H
#define HF_OS_OS_H

#include <sys/types.h>
#include "lib/base/base.h"

/* ---- processor ---- */

/* Kernel tiers in order of worth; every tier implies nothing about the others but its own name. */
enum hf_os_tier {
	HF_TIER_LIBCRYPTO, /* scalar: always there */
	HF_TIER_AVX2,
	HF_TIER_AVX512F,
	HF_TIER_IFMA, /* AVX-512 IFMA */
	HF_TIER_CNT
};

/* True when the processor has the tier, the kernel saves its registers (XCR0), and HF_CPU in the
 * environment does not forbid it: HF_CPU=avx2 hides every tier above avx2, HF_CPU=libcrypto all. */
bool hf_os_cpu_has(enum hf_os_tier tier);
const char *hf_os_tier_name(enum hf_os_tier tier);
/* -1 when HF_CPU is set to a name no tier has (programs refuse to start then), else 0. */
HF_MUST_CHECK int hf_os_cpu_env_check(void);
/* The processor's brand string, NUL-terminated. */
void hf_os_cpu_brand(char brand[49]);

/* ---- clocks, randomness, threads ---- */

/* Monotonic, from an arbitrary origin. */
uint64_t hf_os_now_ns(void);
/* Since 1970. */
uint64_t hf_os_wall_ns(void);
struct hf_os_time_text {
	char s[32];
};
/* How long, in minutes, hours or days, whole ones: "1 minute", "47 hours", "29 days". */
struct hf_os_time_text hf_os_time_text(int64_t seconds);
static inline uint64_t hf_os_cycles(void)
{
	return __builtin_ia32_rdtsc();
}
/* Calibrates the cycle counter against the monotonic clock; sleeps about 20 ms. */
uint64_t hf_os_cycles_per_s(void);
void hf_os_sleep_ns(uint64_t ns);

/* Fills from getrandom(2); never returns short (ends the process if the kernel cannot). */
void hf_os_random(void *out, size_t len);

/* Cores this process may run on (its affinity mask at the time of the call). */
uint32_t hf_os_core_cnt(void);
bool hf_os_core_usable(uint32_t core);
HF_MUST_CHECK int hf_os_pin_self(uint32_t core);
/* At most 15 bytes are kept. */
void hf_os_thread_name(const char *name);

/* ---- memory (boot) ---- */

enum hf_os_huge { HF_OS_HUGE_AUTO, HF_OS_HUGE_REQUIRE, HF_OS_HUGE_OFF };

/* One region holds all that workers own. It is zeroed, resident, locked where the limits allow it,
 * and left out of core dumps whole: keys and plaintext lie in it. */
struct hf_os_mem {
	uint8_t *base;
	size_t len, used;
	bool huge, locked;
	char note[320]; /* what is lost and how to get it; empty when nothing is. On failure: why */
};

HF_MUST_CHECK int hf_os_mem_take(struct hf_os_mem *m, size_t len, enum hf_os_huge huge);
/* The next len bytes at a multiple of align (a power of two). Asking for more than was taken is our
 * own error in the plan and panics. */
void *hf_os_mem_carve(struct hf_os_mem *m, size_t len, size_t align);
/* Wipes and unmaps. */
void hf_os_mem_give(struct hf_os_mem *m);
/* No core files and no reading of this process by others (PR_SET_DUMPABLE, RLIMIT_CORE). */
HF_MUST_CHECK int hf_os_no_core_dumps(void);
/* Becomes the user for good: groups, gid, uid; fails if root could be had back. */
HF_MUST_CHECK int hf_os_become(uid_t uid, gid_t gid);

/* ---- Unix sockets and descriptors ---- */

#define HF_OS_FDS_MAX 8u /* descriptors in one message */

/* All descriptors made here are close-on-exec and non-blocking. type is SOCK_STREAM or
 * SOCK_SEQPACKET. A dead socket file is replaced; a living one gives EADDRINUSE; any other kind of
 * file at the path gives EEXIST. The file has `mode` from its first moment. A missing folder directly in
 * /run is made. */
HF_MUST_CHECK int hf_os_unix_listen(const char *path, int type, mode_t mode);
/* What an operator can do about its errno. */
const char *hf_os_unix_listen_remedy(int error);
/* -1 with EAGAIN when nobody waits. */
HF_MUST_CHECK int hf_os_unix_accept(int listen_fd);
HF_MUST_CHECK int hf_os_unix_connect(const char *path, int type);

struct hf_os_peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};
HF_MUST_CHECK int hf_os_unix_peer(int fd, struct hf_os_peer *peer);

/* Sends one message with descriptors (fd_cnt <= HF_OS_FDS_MAX); returns the bytes sent or -1. */
HF_MUST_CHECK ssize_t hf_os_send_fds(
	int fd, const void *p, size_t len, const int *fds, uint32_t fd_cnt);
/* Receives one message. *fd_cnt in: room in fds; out: descriptors received, now the caller's. A
 * message with more descriptors, or cut-off data, is refused: all closed, -1 with EMSGSIZE. */
HF_MUST_CHECK ssize_t hf_os_recv_fds(int fd, void *p, size_t len, int *fds, uint32_t *fd_cnt);

/* Anonymous shared memory of len bytes that can never shrink or grow: whoever maps all of it is
 * safe from SIGBUS whatever the other side does. */
HF_MUST_CHECK int hf_os_memfd(const char *name, size_t len);
/* Done before it is sent: no further seals; without `writable` nobody can map it for writing any
 * more, while mappings that exist keep writing. */
HF_MUST_CHECK int hf_os_memfd_seal(int fd, bool writable);
HF_MUST_CHECK int hf_os_eventfd(void);
/* Adds one to an eventfd; a full counter already wakes its reader, so nothing can fail. */
void hf_os_event_ring(int fd);
/* Takes the counter back to zero; returns what it was. */
uint64_t hf_os_event_take(int fd);

/* ---- log ---- */

enum hf_log_level { HF_LOG_ERROR, HF_LOG_WARN, HF_LOG_INFO, HF_LOG_DEBUG };

/* One line on stderr, one write: "2025-01-31T12:00:00.123Z warn component: message". Bytes below
 * space and DEL become '?', so that no peer writes lines of its own. errno is kept. */
void hf_log(enum hf_log_level level, const char *component, const char *fmt, ...) HF_PRINTF(3, 4);
void hf_log_set_level(enum hf_log_level level); /* default INFO */
const char *hf_log_level_name(enum hf_log_level level);

/* For call sites that traffic can reach: at most HF_LOG_BURST lines a second each; the next line
 * that passes tells how many were held back. */
#define HF_LOG_BURST 5u
struct hf_log_limit {
	_Atomic uint64_t second;
	_Atomic uint32_t passed, held;
};
/* True when a line may pass; *held is then what was held back before it. */
bool hf_log_limit_pass(struct hf_log_limit *l, uint64_t now_ns, uint32_t *held);
#define HF_LOG_LIMITED(level, component, fmt, ...)                                               \
	do {                                                                                     \
		static struct hf_log_limit limit_;                                               \
		uint32_t held_;                                                                  \
		if (hf_log_limit_pass(&limit_, hf_os_now_ns(), &held_)) {                        \
			if (held_)                                                               \
				hf_log(level, component, "(%u like the next held back)", held_); \
			hf_log(level, component, fmt __VA_OPT__(, ) __VA_ARGS__);                \
		}                                                                                \
	} while (0)

/* ---- addresses in words ---- */

struct hf_os_addr_text {
	char s[64];
};
/* 10.9.0.1 or 2001:db8::1 (RFC 5952); with a port 10.9.0.1:443 or [2001:db8::1]:443. */
struct hf_os_addr_text hf_os_addr_text(const struct hf_addr *a);
struct hf_os_addr_text hf_os_endpoint_text(const struct hf_addr *a, uint16_t port);

/* ---- the end ---- */

/* hf_panic (lib/base/base.h) of programs: says where and what, calls the hook once (it dumps the
 * flight recorders; async-signal-safe writing is its business), aborts. */
void hf_os_panic_hook(void (*dump)(void *arg), void *arg);

#endif
