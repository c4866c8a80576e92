/* proxy.h -- the PROXY protocol header, version 2: who the client is, told to the server before the
 * first byte. Pure. Threads: none. Memory: the caller's. Errors: 0 when the buffer is too small.
 * Spec: HAProxy's "The PROXY protocol", versions 1 and 2, section 2.2. */
#ifndef HF_APP_HFRELAY_PROXY_H
#define HF_APP_HFRELAY_PROXY_H

#include "lib/base/base.h"
#include "lib/client/handfast_client.h"

/* Addresses, SNI and ALPN of 255 bytes each; of a client's certificate two names of 800, one of 256 and a
 * fingerprint. Servers have bounds of their own: nginx 4096, before 1.23.2 client_header_buffer_size. */
#define HF_PROXY_HEADER_MAX 3072u

enum hf_proxy_mode { HF_PROXY_OFF, HF_PROXY_V2, HF_PROXY_V2_CRC32C };

/* Builds the header; returns its length. */
size_t hf_proxy_header(
	uint8_t *buf, size_t cap, const struct hf_client_info *info, enum hf_proxy_mode mode);

#endif
