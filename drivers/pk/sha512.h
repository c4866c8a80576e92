/* sha512.h -- SHA-512 of eight messages of one block at once, for the nonces of signatures.
 * Constant time. Threads: no state. Specs: FIPS 180-4. */
#ifndef HF_DRIVERS_PK_SHA512_H
#define HF_DRIVERS_PK_SHA512_H

#include "drivers/pk/lanes.h"

/* digest[i][lane], word i of the lane's digest, from the sixteen words of its padded block. */
void hf_sha512_block_avx512f(uint64_t digest[8][HF_LANES], const uint64_t block[16][HF_LANES]);

#endif
