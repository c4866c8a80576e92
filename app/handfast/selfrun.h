/* selfrun.h -- what code like ours costs on this processor, by running it: a worker of its own behind a port in
 * memory, and a client that opens connections, says a ClientHello for RSA key exchange, has the server's flight
 * and resets. That is half a handshake, and there is no private key in it.
 * Threads: one at a time. Memory: malloc, a few MB while it runs. Errors: -1, no memory. */
#ifndef HF_APP_HANDFAST_SELFRUN_H
#define HF_APP_HANDFAST_SELFRUN_H

#include "app/handfast/app.h"

/* How many connections go side by side, rising: what a turn costs by itself they share. */
static const uint32_t hf_selfrun_burst[HF_SELFRUN_BURSTS] = {4, 8, 32};

/* With engines that were started already. */
HF_MUST_CHECK int hf_selfrun(struct hf_selfrun *out, const struct hf_pk_engine_ref *pk,
	uint32_t pk_cnt, const struct hf_sym_driver *sym, void *sym_ctx);

#endif
