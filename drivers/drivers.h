/* drivers.h -- the drivers a program chooses from, best first; the last of each table works on every
 * machine we name. A driver its machine cannot run, or that HF_CPU hides (the tiers of lib/os), says
 * so by probe(); which one serves is shown, never a surprise. Ports are not chosen but asked for by
 * the options, each made by its own header in drivers/port.
 * The tables live in drivers.c, which only the daemon links; tests and benches name the driver they
 * mean. Threads: constants. */
#ifndef HF_DRIVERS_H
#define HF_DRIVERS_H

#include "lib/base/base.h"

struct hf_pk_engine;
struct hf_sym_driver;
struct hf_pki_driver;
struct hf_auth_driver;

extern const struct hf_pk_engine hf_pk_libcrypto;
extern const struct hf_pk_engine hf_pk_p256_avx512f;
extern const struct hf_pk_engine hf_pk_p256_ifma;
extern const struct hf_pk_engine hf_pk_rsa_avx512f;
extern const struct hf_pk_engine hf_pk_rsa_ifma;
extern const struct hf_pk_engine hf_pk_x25519_avx512f;
extern const struct hf_sym_driver hf_sym_ipsecmb;
extern const struct hf_sym_driver hf_sym_libcrypto;
extern const struct hf_pki_driver hf_pki_libcrypto;
extern const struct hf_auth_driver hf_auth_libcrypto;

/* NULL-terminated. */
extern const struct hf_pk_engine *const hf_pk_engines[];
extern const struct hf_sym_driver *const hf_sym_drivers[];
extern const struct hf_pki_driver *const hf_pki_drivers[];

#endif
