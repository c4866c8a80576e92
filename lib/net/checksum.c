/* checksum.c -- ones-complement addition does not care about the width or byte order it is done in
 * (RFC 1071 2), so words of 64 bits are summed as they lie in memory, their carries with them, folded
 * once at the end and turned to host order there. A v4-mapped address needs no case of its own in the pseudo
 * header: its prefix adds 0xffff, which is zero in this arithmetic. */
#include "lib/net/checksum.h"

#define VECTORS_PAY 96u /* bytes; headers are shorter */

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

/* Sixteen bytes at a time, as two words of 64 bits of which both halves are added up apart: there is room for
 * 2^32 of them. Baseline vectors of the compiler; on a Zen 3 three times as fast as a chain of carries. */
typedef uint64_t vector __attribute__((vector_size(16)));

static vector load_vector(const uint8_t *p)
{
	vector v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t sum_of(vector low, vector high)
{
	return add_carry(add_carry(low[0], low[1]), add_carry(high[0], high[1]));
}

uint32_t hf_csum(const void *p, size_t len)
{
	const uint8_t *in = p;
	uint64_t sum = 0, v;
	if (len == 0) /* then p may be NULL */
		return 0;
	if (len >= VECTORS_PAY) {
		vector low[2] = {{0}}, high[2] = {{0}};
		for (; len >= 32; in += 32, len -= 32) {
			vector a = load_vector(in), b = load_vector(in + 16);
			low[0] += a & UINT32_MAX;
			low[1] += b & UINT32_MAX;
			high[0] += a >> 32;
			high[1] += b >> 32;
		}
		sum = sum_of(low[0] + low[1], high[0] + high[1]);
	}
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
	vector low[2] = {{0}}, high[2] = {{0}};
	uint64_t sum;
	if (len == 0)
		return 0;
	for (; len >= 32; in += 32, out += 32, len -= 32) {
		vector a = load_vector(in), b = load_vector(in + 16);
		memcpy(out, &a, sizeof(a));
		memcpy(out + 16, &b, sizeof(b));
		low[0] += a & UINT32_MAX;
		low[1] += b & UINT32_MAX;
		high[0] += a >> 32;
		high[1] += b >> 32;
	}
	sum = sum_of(low[0] + low[1], high[0] + high[1]);
	for (; len >= 4; in += 4, out += 4, len -= 4) {
		uint32_t v = load32(in);
		memcpy(out, &v, sizeof(v));
		sum = add_carry(sum, v);
	}
	for (size_t i = 0; i < len; i++)
		out[i] = in[i];
	return to_host(len ? add_carry(sum, load_rest(in, len)) : sum);
}

uint32_t hf_csum_pseudo(
	const struct hf_addr *src, const struct hf_addr *dst, uint8_t proto, size_t len)
{
	uint32_t sum = hf_csum(src->b, sizeof(src->b)) + hf_csum(dst->b, sizeof(dst->b));
	return hf_csum_fold(sum + proto + (uint32_t)len);
}
