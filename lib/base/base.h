/* base.h -- words every module speaks: time, addresses, attributes, assertions.
 * Pure: needs nothing but the compiler and mem*(). Everything above may include it.
 * Errors in this house have three shapes (each header repeats which it uses):
 *   the peer misbehaves  -> a named reason is returned and counted, its connection ends
 *   a resource is short  -> the number taken is returned, the caller keeps the rest
 *   we are wrong         -> HF_ASSERT, on in production, ends in hf_panic
 */
#ifndef HF_BASE_H
#define HF_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HF_VERSION "0.1" /* of all programs */

typedef uint64_t hf_ns; /* nanoseconds since the worker started; never wall clock */

#define HF_NS_US 1000ull
#define HF_NS_MS 1000000ull
#define HF_NS_S 1000000000ull
#define HF_NS_NEVER UINT64_MAX

#define HF_MUST_CHECK __attribute__((warn_unused_result))
#define HF_ALIGNED(n) __attribute__((aligned(n)))
#define HF_PACKED __attribute__((packed))
#define HF_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define HF_UNUSED __attribute__((unused))
#define HF_NOINLINE __attribute__((noinline))
#define HF_LIKELY(x) __builtin_expect(!!(x), 1)
#define HF_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define HF_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define HF_MIN(a, b) ((a) < (b) ? (a) : (b))
#define HF_MAX(a, b) ((a) > (b) ? (a) : (b))
#define HF_CACHE_LINE 64u
#define HF_ROUND_UP(n, to) (((n) + (to)-1) / (to) * (to))
#define HF_CONTAINER_OF(ptr, type, member) \
	((type *)(void *)((uint8_t *)(ptr)-offsetof(type, member)))

/* hf_panic is the hook that ends the process; the program provides it (lib/os, or a test).
 * It dumps the flight recorder first. It is one of the few undefined symbols of the pure half. */
_Noreturn void hf_panic(const char *file, int line, const char *what);

#define HF_ASSERT(cond)                                      \
	do {                                                 \
		if (HF_UNLIKELY(!(cond)))                    \
			hf_panic(__FILE__, __LINE__, #cond); \
	} while (0)

/* An IP address of either family; IPv4 is v4-mapped (::ffff:a.b.c.d), RFC 4291 2.5.5.2. */
struct hf_addr {
	uint8_t b[16];
};

static inline struct hf_addr hf_addr_v4(uint32_t host_order)
{
	struct hf_addr a = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, (uint8_t)(host_order >> 24),
		(uint8_t)(host_order >> 16), (uint8_t)(host_order >> 8), (uint8_t)host_order}};
	return a;
}

static inline bool hf_addr_is_v4(const struct hf_addr *a)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	return memcmp(a->b, mapped, sizeof(mapped)) == 0;
}

/* The unspecified address, all zero (RFC 4291 2.5.2). */
static inline bool hf_addr_is_none(const struct hf_addr *a)
{
	static const uint8_t zero[16];
	return memcmp(a->b, zero, sizeof(zero)) == 0;
}

static inline bool hf_addr_eq(const struct hf_addr *x, const struct hf_addr *y)
{
	return memcmp(x->b, y->b, sizeof(x->b)) == 0;
}

#endif
