/* mxcsr_avx512f.h -- how engines in double precision round. Their sums are exact only where what must be rounded goes
 * to nearest; so every call of such an engine begins with hf_mxcsr_plain, whatever its caller has set,
 * and gives that back at its end by _mm_setcsr.
 * Threads: the register is the calling thread's.
 * Specs: Intel SDM volume 1, 11.6.4 (MXCSR). */
#ifndef HF_DRIVERS_PK_MXCSR_AVX512F_H
#define HF_DRIVERS_PK_MXCSR_AVX512F_H

#include <immintrin.h>
#include "lib/base/base.h"

/* Returns what was set. */
static inline uint32_t hf_mxcsr_plain(void)
{
	uint32_t was = _mm_getcsr();

	_mm_setcsr(0x1f80u); /* all exceptions masked, round to nearest, subnormals kept */
	return was;
}

#endif
