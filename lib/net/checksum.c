/* checksum.c -- ones-complement addition does not care about the width or byte order it is done in
 * (RFC 1071 2), so words of 64 bits are summed as they lie in memory, their carries with them, folded
 * once at the end and turned to host order there. A v4-mapped address needs no case of its own in the pseudo
 * header: its prefix adds 0xffff, which is zero in this arithmetic. */
#include "lib/net/checksum.h"

static uint32_t load32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

/* A sum of words in memory order as the 16-bit sum in host order. */
static uint32_t to_host(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap16((uint16_t)sum)
							 : (uint16_t)sum;
}

/* The last 0..3 bytes as a word, filled up with zeros behind them. */
static uint32_t load_rest(const uint8_t *p, size_t len)
{
	uint8_t rest[4] = {0};
	memcpy(rest, p, len);
	return load32(rest);
}

static uint64_t add_carry(uint64_t sum, uint64_t v)
{
	return sum + v + (sum + v < sum);
}

uint32_t hf_csum(const void *p, size_t len)
{
	const uint8_t *in = p;
	uint64_t sum = 0, v;
	if (len == 0) /* then p may be NULL */
		return 0;
	for (; len >= 8; in += 8, len -= 8) {
		memcpy(&v, in, sizeof(v));
		sum = add_carry(sum, v);
	}
	if (len >= 4) {
		sum = add_carry(sum, load32(in));
		in += 4;
		len -= 4;
	}
	return to_host(len ? add_carry(sum, load_rest(in, len)) : sum);
}

uint32_t hf_csum_copy(void *dst, const void *src, size_t len)
{
	const uint8_t *in = src;
	uint8_t *out = dst;
	size_t words = len / 4 * 4;
	uint64_t sum = 0;
	if (len == 0)
		return 0;
	for (size_t i = 0; i < words; i += 4) {
		uint32_t v = load32(in + i);
		memcpy(out + i, &v, sizeof(v));
		sum += v;
	}
	memcpy(out + words, in + words, len - words);
	return to_host(sum + load_rest(in + words, len - words));
}

uint32_t hf_csum_pseudo(
	const struct hf_addr *src, const struct hf_addr *dst, uint8_t proto, size_t len)
{
	uint32_t sum = hf_csum(src->b, sizeof(src->b)) + hf_csum(dst->b, sizeof(dst->b));
	return hf_csum_fold(sum + proto + (uint32_t)len);
}
