/* secret.h -- the only way in which secrets meet a comparison, a choice or their end.
 * Constant time: no branch and no index depends on the values. Masks are 0 or all ones.
 * The empty asm keeps the compiler from turning a mask back into a branch. */
#ifndef HF_BASE_SECRET_H
#define HF_BASE_SECRET_H

#include "lib/base/base.h"

static inline uint32_t hf_ct_hide(uint32_t x)
{
	__asm__("" : "+r"(x));
	return x;
}

/* all ones if x == 0, else 0 */
static inline uint32_t hf_ct_is_zero(uint32_t x)
{
	x = hf_ct_hide(x);
	return (uint32_t)0 - ((~x & (x - 1)) >> 31);
}

static inline uint32_t hf_ct_eq(uint32_t a, uint32_t b)
{
	return hf_ct_is_zero(a ^ b);
}

/* all ones if a < b, for any 32-bit values */
static inline uint32_t hf_ct_lt(uint32_t a, uint32_t b)
{
	a = hf_ct_hide(a);
	b = hf_ct_hide(b);
	return (uint32_t)0 - ((a ^ ((a ^ b) | ((a - b) ^ b))) >> 31);
}

static inline uint32_t hf_ct_select(uint32_t mask, uint32_t yes, uint32_t no)
{
	mask = hf_ct_hide(mask);
	return (mask & yes) | (~mask & no);
}

/* dst[i] = mask ? yes[i] : no[i], bytewise */
static inline void hf_ct_select_bytes(
	uint8_t *dst, uint32_t mask, const uint8_t *yes, const uint8_t *no, size_t len)
{
	uint8_t m = (uint8_t)hf_ct_hide(mask);
	for (size_t i = 0; i < len; i++)
		dst[i] = (uint8_t)((m & yes[i]) | (~m & no[i]));
}

/* all ones if the bytes are equal */
static inline uint32_t hf_ct_bytes_eq(const void *a, const void *b, size_t len)
{
	const uint8_t *x = a, *y = b;
	uint32_t diff = 0;
	for (size_t i = 0; i < len; i++)
		diff |= (uint32_t)(x[i] ^ y[i]);
	return hf_ct_is_zero(diff);
}

/* What was made of secrets and may be known from here on, by a branch as well. It is no code but where
 * secrets are marked and every branch on them is reported (tests/emulated). */
#ifdef HF_MARKED_SECRETS
void hf_ct_reveal(void *p, size_t len);
#else
static inline void hf_ct_reveal(void *p, size_t len)
{
	(void)p;
	(void)len;
}
#endif

/* hf_wipe overwrites with zeros; the compiler may not drop it. */
static inline void hf_wipe(void *p, size_t len)
{
	memset(p, 0, len);
	__asm__ volatile("" : : "r"(p) : "memory");
}

#endif
