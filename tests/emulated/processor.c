/* processor.c -- what kernels in emulated vectors find around them: a processor that has every tier which
 * HF_CPU does not hide, and a way to reveal secrets. */
#include <valgrind/memcheck.h>
#include "lib/base/secret.h"
#include "tests/emulated/processor.h"

#define hf_os_cpu_has real_cpu_has /* asked by nobody */
#include "lib/os/cpu.c"
#undef hf_os_cpu_has

bool hf_os_cpu_has(enum hf_os_tier tier);
bool hf_os_cpu_has(enum hf_os_tier tier)
{
	return tier <= env_ceiling();
}

uint32_t emulated_revealed;

void hf_ct_reveal(void *p, size_t len)
{
	uint8_t bits;

	for (size_t i = 0; i < len; i++)
		if (VALGRIND_GET_VBITS((uint8_t *)p + i, &bits, 1) == 1 && bits == 0xff)
			emulated_revealed++;
	VALGRIND_MAKE_MEM_DEFINED(p, len);
}
