/* sha512_avx512f.c -- SHA-512 is made of 64-bit words, and so are lanes: one block of eight messages
 * side by side, word for word as FIPS 180-4 6.4.2 has it. */
#include <immintrin.h>
#include "drivers/pk/sha512.h"
#include "lib/base/secret.h"

typedef __m512i vec;

#define INLINE static inline __attribute__((always_inline))
#define ADD(a, b) _mm512_add_epi64(a, b)
#define ROTATE(a, n) _mm512_ror_epi64(a, n)
#define SHIFT(a, n) _mm512_srli_epi64(a, n)
#define TERNARY(a, b, c, table) _mm512_ternarylogic_epi64(a, b, c, table)
#define XOR3(a, b, c) TERNARY(a, b, c, 0x96)
#define CHOICE(a, b, c) TERNARY(a, b, c, 0xca)
#define MAJORITY(a, b, c) TERNARY(a, b, c, 0xe8)

/* FIPS 180-4 5.3.5 and 4.2.3. */
static const uint64_t start[8] = {
	0x6a09e667f3bcc908,
	0xbb67ae8584caa73b,
	0x3c6ef372fe94f82b,
	0xa54ff53a5f1d36f1,
	0x510e527fade682d1,
	0x9b05688c2b3e6c1f,
	0x1f83d9abfb41bd6b,
	0x5be0cd19137e2179,
};
static const uint64_t round_constant[80] = {
	0x428a2f98d728ae22,
	0x7137449123ef65cd,
	0xb5c0fbcfec4d3b2f,
	0xe9b5dba58189dbbc,
	0x3956c25bf348b538,
	0x59f111f1b605d019,
	0x923f82a4af194f9b,
	0xab1c5ed5da6d8118,
	0xd807aa98a3030242,
	0x12835b0145706fbe,
	0x243185be4ee4b28c,
	0x550c7dc3d5ffb4e2,
	0x72be5d74f27b896f,
	0x80deb1fe3b1696b1,
	0x9bdc06a725c71235,
	0xc19bf174cf692694,
	0xe49b69c19ef14ad2,
	0xefbe4786384f25e3,
	0x0fc19dc68b8cd5b5,
	0x240ca1cc77ac9c65,
	0x2de92c6f592b0275,
	0x4a7484aa6ea6e483,
	0x5cb0a9dcbd41fbd4,
	0x76f988da831153b5,
	0x983e5152ee66dfab,
	0xa831c66d2db43210,
	0xb00327c898fb213f,
	0xbf597fc7beef0ee4,
	0xc6e00bf33da88fc2,
	0xd5a79147930aa725,
	0x06ca6351e003826f,
	0x142929670a0e6e70,
	0x27b70a8546d22ffc,
	0x2e1b21385c26c926,
	0x4d2c6dfc5ac42aed,
	0x53380d139d95b3df,
	0x650a73548baf63de,
	0x766a0abb3c77b2a8,
	0x81c2c92e47edaee6,
	0x92722c851482353b,
	0xa2bfe8a14cf10364,
	0xa81a664bbc423001,
	0xc24b8b70d0f89791,
	0xc76c51a30654be30,
	0xd192e819d6ef5218,
	0xd69906245565a910,
	0xf40e35855771202a,
	0x106aa07032bbd1b8,
	0x19a4c116b8d2d0c8,
	0x1e376c085141ab53,
	0x2748774cdf8eeb99,
	0x34b0bcb5e19b48a8,
	0x391c0cb3c5c95a63,
	0x4ed8aa4ae3418acb,
	0x5b9cca4f7763e373,
	0x682e6ff3d6b2b8a3,
	0x748f82ee5defb2fc,
	0x78a5636f43172f60,
	0x84c87814a1f0ab72,
	0x8cc702081a6439ec,
	0x90befffa23631e28,
	0xa4506cebde82bde9,
	0xbef9a3f7b2c67915,
	0xc67178f2e372532b,
	0xca273eceea26619c,
	0xd186b8c721c0c207,
	0xeada7dd6cde0eb1e,
	0xf57d4f7fee6ed178,
	0x06f067aa72176fba,
	0x0a637dc5a2c898a6,
	0x113f9804bef90dae,
	0x1b710b35131c471b,
	0x28db77f523047d84,
	0x32caab7b40c72493,
	0x3c9ebe0a15c9bebc,
	0x431d67c49c100d4c,
	0x4cc5d4becb3e42b6,
	0x597f299cfc657e2a,
	0x5fcb6fab3ad6faec,
	0x6c44198c4a475817,
};

INLINE void rounds(vec s[8], vec w[16], int from)
{
#pragma GCC unroll 16
	for (int i = 0; i < 16; i++) {
		vec k = _mm512_set1_epi64((long long)round_constant[from + i]);
		vec t1 = ADD(ADD(s[7], ADD(w[i], k)),
			ADD(XOR3(ROTATE(s[4], 14), ROTATE(s[4], 18), ROTATE(s[4], 41)),
				CHOICE(s[4], s[5], s[6])));
		vec t2 = ADD(XOR3(ROTATE(s[0], 28), ROTATE(s[0], 34), ROTATE(s[0], 39)),
			MAJORITY(s[0], s[1], s[2]));

#pragma GCC unroll 7
		for (int j = 7; j > 0; j--)
			s[j] = s[j - 1];
		s[4] = ADD(s[4], t1);
		s[0] = ADD(t1, t2);
	}
}

/* The message schedule's next sixteen words. */
INLINE void schedule(vec w[16])
{
#pragma GCC unroll 16
	for (int i = 0; i < 16; i++) {
		vec a = w[(i + 1) % 16], b = w[(i + 14) % 16];

		w[i] = ADD(ADD(w[i], w[(i + 9) % 16]),
			ADD(XOR3(ROTATE(a, 1), ROTATE(a, 8), SHIFT(a, 7)),
				XOR3(ROTATE(b, 19), ROTATE(b, 61), SHIFT(b, 6))));
	}
}

void hf_sha512_block_avx512f(uint64_t digest[8][HF_LANES], const uint64_t block[16][HF_LANES])
{
	vec s[8], w[16];

	for (int i = 0; i < 8; i++)
		s[i] = _mm512_set1_epi64((long long)start[i]);
	for (int i = 0; i < 16; i++)
		w[i] = _mm512_loadu_si512(block[i]);
	rounds(s, w, 0);
	for (int from = 16; from < 80; from += 16) {
		schedule(w);
		rounds(s, w, from);
	}
	for (int i = 0; i < 8; i++)
		_mm512_storeu_si512(digest[i], ADD(s[i], _mm512_set1_epi64((long long)start[i])));
	hf_wipe(w, sizeof(w));
	hf_wipe(s, sizeof(s));
}
