/* drivers.c -- the one place that knows all drivers. A new driver is a line here; nothing registers
 * itself, so what a binary can do is read off this page. */
#include "drivers/drivers.h"

const struct hf_pk_engine *const hf_pk_engines[] = {&hf_pk_rsa_ifma, &hf_pk_rsa_avx512f,
	&hf_pk_x25519_avx512f, &hf_pk_p256_ifma, &hf_pk_p256_avx512f, &hf_pk_libcrypto, NULL};
const struct hf_sym_driver *const hf_sym_drivers[] = {&hf_sym_ipsecmb, &hf_sym_libcrypto, NULL};
const struct hf_pki_driver *const hf_pki_drivers[] = {&hf_pki_libcrypto, NULL};
