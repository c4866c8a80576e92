/* checksum.h -- the Internet checksum (RFC 1071) in pieces: partial sums are 32-bit numbers in host
 * order that may simply be added; hf_csum_finish makes the 16 bits that go on the wire.
 * Any length, any alignment. A received message is intact when the sum over all of it, its checksum
 * field included, finishes as 0. Threads: none involved. Memory: the caller's. */
#ifndef HF_NET_CHECKSUM_H
#define HF_NET_CHECKSUM_H

#include "lib/base/base.h"

/* The sum of bytes that begin at an even offset of the message; at most 0xffff. */
uint32_t hf_csum(const void *p, size_t len);
/* The same while copying. */
uint32_t hf_csum_copy(void *dst, const void *src, size_t len);
/* The pseudo header of TCP over either family (RFC 9293 3.1, RFC 8200 8.1). */
uint32_t hf_csum_pseudo(
	const struct hf_addr *src, const struct hf_addr *dst, uint8_t proto, size_t len);

static inline uint32_t hf_csum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* sum plus the part that begins at byte `off` of the message: bytes at an odd offset count in the
 * other half of their 16-bit word (RFC 1071 2 (B)). */
static inline uint32_t hf_csum_join(uint32_t sum, uint32_t part, size_t off)
{
	part = hf_csum_fold(part);
	if (off & 1)
		part = (part & 0xff) << 8 | part >> 8;
	return hf_csum_fold(sum) + part;
}

static inline uint16_t hf_csum_finish(uint32_t sum)
{
	return (uint16_t)~hf_csum_fold(sum);
}

#endif
