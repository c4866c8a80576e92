/* ipsecmb.h -- what tests and benches may ask of the driver beyond its class. Threads: the worker's. */
#ifndef HF_SYM_IPSECMB_H
#define HF_SYM_IPSECMB_H

#include "lib/base/base.h"

/* Lanes from this fill on, whatever was measured; UINT32_MAX: libcrypto computes everything. */
void hf_sym_ipsecmb_set_fill(void *ctx, uint32_t fill);

#endif
