/* cpu.c -- which kernel tiers this processor may run.
 * A tier needs three yeses: cpuid names the instructions, the operating system saves the registers
 * they use (XCR0; without that the first instruction faults), and HF_CPU does not hide it. Nothing
 * is cached: the question is asked at boot only, and tests change HF_CPU between two questions. */
#include <cpuid.h>
#include <stdlib.h>
#include "lib/os/os.h"

/* XCR0 bits, Intel SDM volume 1, 13.3. */
#define XCR0_AVX 0x06u    /* SSE and AVX state */
#define XCR0_AVX512 0xe6u /* and opmask, upper halves, upper registers */

static const char *const tier_names[HF_TIER_CNT] = {
	[HF_TIER_LIBCRYPTO] = "libcrypto",
	[HF_TIER_AVX2] = "avx2",
	[HF_TIER_AVX512F] = "avx512f",
	[HF_TIER_IFMA] = "ifma",
};

/* XCR0's low half, or 0 when the system does not use XSAVE (leaf 1, ECX bit 27). */
static uint32_t xcr0_read(void)
{
	uint32_t eax, ebx, ecx, edx, high;
	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE))
		return 0;
	__asm__ volatile("xgetbv" : "=a"(eax), "=d"(high) : "c"(0));
	return eax;
}

static bool machine_has(enum hf_os_tier tier)
{
	uint32_t eax, ebx, ecx, edx, xcr0 = xcr0_read();
	if (tier == HF_TIER_LIBCRYPTO)
		return true;
	if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx))
		return false;
	switch (tier) {
	case HF_TIER_AVX2:
		return (xcr0 & XCR0_AVX) == XCR0_AVX && (ebx & bit_AVX2);
	case HF_TIER_AVX512F:
		return (xcr0 & XCR0_AVX512) == XCR0_AVX512 && (ebx & bit_AVX512F);
	case HF_TIER_IFMA:
		return (xcr0 & XCR0_AVX512) == XCR0_AVX512 && (ebx & bit_AVX512F) &&
		       (ebx & bit_AVX512IFMA);
	default:
		return false;
	}
}

/* The best tier HF_CPU allows; HF_TIER_CNT when it names none. */
static enum hf_os_tier env_ceiling(void)
{
	const char *want = getenv("HF_CPU");
	enum hf_os_tier t;
	if (!want || !*want)
		return HF_TIER_CNT - 1;
	for (t = 0; t < HF_TIER_CNT; t++)
		if (strcmp(want, tier_names[t]) == 0)
			return t;
	return HF_TIER_CNT;
}

bool hf_os_cpu_has(enum hf_os_tier tier)
{
	return tier <= env_ceiling() && machine_has(tier);
}

const char *hf_os_tier_name(enum hf_os_tier tier)
{
	return tier < HF_TIER_CNT ? tier_names[tier] : "?";
}

int hf_os_cpu_env_check(void)
{
	return env_ceiling() == HF_TIER_CNT ? -1 : 0;
}

void hf_os_cpu_brand(char brand[49])
{
	uint32_t leaf, r[4];
	memset(brand, 0, 49);
	for (leaf = 0; leaf < 3; leaf++) {
		if (!__get_cpuid(0x80000002u + leaf, &r[0], &r[1], &r[2], &r[3]))
			return;
		memcpy(brand + leaf * sizeof(r), r, sizeof(r));
	}
}
