/* test.h -- what every unit test begins with: cmocka behind the headers it wants, repeatable random
 * numbers, aligned memory, and a way to say that a call must panic. */
#ifndef TESTS_SUPPORT_TEST_H
#define TESTS_SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "lib/base/base.h"

/* While set, hf_panic jumps there instead of ending the program (panic.c). */
extern jmp_buf *test_panic_catch;

#define assert_panics(statement)                                  \
	do {                                                      \
		jmp_buf caught;                                   \
		test_panic_catch = &caught;                       \
		if (setjmp(caught) == 0) {                        \
			statement;                                \
			test_panic_catch = NULL;                  \
			fail_msg("%s did not panic", #statement); \
		}                                                 \
		test_panic_catch = NULL;                          \
	} while (0)

/* splitmix64 (Steele, Lea, Flood 2014): the same seed gives the same test. */
static inline uint64_t test_rand(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static inline uint32_t test_below(uint64_t *state, uint32_t bound)
{
	return (uint32_t)(test_rand(state) % bound);
}

/* Cache-line aligned memory full of a byte that no code should rely on; free() it. */
static inline void *test_alloc(size_t len)
{
	void *p = aligned_alloc(HF_CACHE_LINE, HF_ROUND_UP(len, (size_t)HF_CACHE_LINE));
	assert_non_null(p);
	memset(p, 0xa5, len);
	return p;
}

#endif
