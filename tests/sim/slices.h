/* slices.h -- a public-key engine that computes in slices, as the batch kernels do, on any machine:
 * a batch stays in its lanes for many steps, so that connections die and sites go while their job
 * runs; keys must be made ready first; some operations it leaves to the engine after it. What it
 * computes is libcrypto's. For the simulation. */
#ifndef TESTS_SIM_SLICES_H
#define TESTS_SIM_SLICES_H

#include "lib/crypto/pk_engine.h"

extern const struct hf_pk_engine slices_engine;
/* How many steps a batch takes; after init. */
void slices_set(void *ctx, uint32_t step_cnt);

#endif
