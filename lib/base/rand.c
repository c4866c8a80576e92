/* rand.c -- fast key erasure: one key makes one stretch of ChaCha20 stream; the first 32 bytes of
 * it become the next key before any other byte is given, so who steals the state learns nothing of
 * the past. The nonce is always zero because no key is used twice. Beside it lives SipHash, the
 * short keyed hash for tables that strangers fill. Both read little endian words. */
#include "lib/base/rand.h"
#include "lib/base/secret.h"

static uint32_t load32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void store32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static uint64_t load64(const uint8_t *p)
{
	return load32(p) | (uint64_t)load32(p + 4) << 32;
}

static uint32_t rotl32(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

static uint64_t rotl64(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

/* RFC 8439 2.1 */
static void quarter_round(uint32_t s[16], unsigned a, unsigned b, unsigned c, unsigned d)
{
	s[a] += s[b];
	s[d] = rotl32(s[d] ^ s[a], 16);
	s[c] += s[d];
	s[b] = rotl32(s[b] ^ s[c], 12);
	s[a] += s[b];
	s[d] = rotl32(s[d] ^ s[a], 8);
	s[c] += s[d];
	s[b] = rotl32(s[b] ^ s[c], 7);
}

void hf_chacha20_block(
	const uint8_t key[32], uint32_t counter, const uint8_t nonce[12], uint8_t out[64])
{
	uint32_t in[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}, s[16];
	for (unsigned i = 0; i < 8; i++)
		in[4 + i] = load32(key + 4 * i);
	in[12] = counter;
	for (unsigned i = 0; i < 3; i++)
		in[13 + i] = load32(nonce + 4 * i);
	memcpy(s, in, sizeof(s));
	for (unsigned round = 0; round < 20; round += 2) {
		for (unsigned i = 0; i < 4; i++) /* columns */
			quarter_round(s, i, 4 + i, 8 + i, 12 + i);
		for (unsigned i = 0; i < 4; i++) /* diagonals */
			quarter_round(s, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
	}
	for (unsigned i = 0; i < 16; i++)
		store32(out + 4 * i, s[i] + in[i]);
	hf_wipe(in, sizeof(in));
	hf_wipe(s, sizeof(s));
}

static void refill(struct hf_rand *r)
{
	static const uint8_t nonce[12];
	uint8_t first[64];
	static_assert(sizeof(r->buf) % sizeof(first) == 0, "the buffer is whole blocks");
	hf_chacha20_block(r->key, 0, nonce, first);
	for (uint32_t i = 0; i < sizeof(r->buf) / sizeof(first); i++)
		hf_chacha20_block(r->key, i + 1, nonce, r->buf + i * sizeof(first));
	memcpy(r->key, first, sizeof(r->key));
	hf_wipe(first, sizeof(first));
	r->pos = 0;
	r->refills++;
}

static void discard(struct hf_rand *r)
{
	hf_wipe(r->buf, sizeof(r->buf));
	r->pos = sizeof(r->buf);
}

void hf_rand_seed(struct hf_rand *r, const uint8_t seed[HF_RAND_SEED_LEN])
{
	static_assert(HF_RAND_SEED_LEN == sizeof(r->key), "the seed is the first key");
	memcpy(r->key, seed, sizeof(r->key));
	r->refills = 0;
	discard(r);
}

void hf_rand_reseed(struct hf_rand *r, const uint8_t seed[HF_RAND_SEED_LEN])
{
	refill(r); /* a fresh key: no output was ever made with the one that the seed is mixed into
		    */
	for (unsigned i = 0; i < sizeof(r->key); i++)
		r->key[i] ^= seed[i];
	discard(r);
}

void hf_rand_bytes(struct hf_rand *r, void *out, size_t len)
{
	uint8_t *to = out;
	while (len > 0) {
		size_t n;
		if (r->pos == sizeof(r->buf))
			refill(r);
		n = HF_MIN(len, sizeof(r->buf) - r->pos);
		memcpy(to, r->buf + r->pos, n);
		hf_wipe(r->buf + r->pos, n);
		r->pos += (uint32_t)n;
		to += n;
		len -= n;
	}
}

uint64_t hf_rand_u64(struct hf_rand *r)
{
	uint8_t b[8];
	hf_rand_bytes(r, b, sizeof(b));
	return load64(b);
}

uint32_t hf_rand_below(struct hf_rand *r, uint32_t bound)
{
	uint32_t uneven; /* 2^32 mod bound: this many low halves of the product are surplus */
	uint64_t product;
	HF_ASSERT(bound > 0);
	uneven = (0u - bound) % bound;
	do
		product = (hf_rand_u64(r) >> 32) * bound;
	while ((uint32_t)product < uneven);
	return (uint32_t)(product >> 32);
}

static inline __attribute__((always_inline)) void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl64(v[1], 13) ^ v[0];
	v[3] = rotl64(v[3], 16) ^ v[2];
	v[0] = rotl64(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotl64(v[1], 17) ^ v[2];
	v[3] = rotl64(v[3], 21) ^ v[0];
	v[2] = rotl64(v[2], 32);
}

static inline __attribute__((always_inline)) void sip_word(uint64_t v[4], uint64_t m)
{
	v[3] ^= m;
	sip_round(v);
	sip_round(v);
	v[0] ^= m;
}

uint64_t hf_siphash(const uint8_t key[16], const void *p, size_t len)
{
	const uint8_t *in = p;
	uint64_t k0 = load64(key), k1 = load64(key + 8), last = (uint64_t)len << 56;
	uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
		k1 ^ 0x7465646279746573};
	for (; len >= 8; in += 8, len -= 8)
		sip_word(v, load64(in));
	for (size_t i = 0; i < len; i++)
		last |= (uint64_t)in[i] << 8 * i;
	sip_word(v, last);
	v[2] ^= 0xff;
	for (unsigned i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
