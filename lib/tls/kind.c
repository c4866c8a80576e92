/* kind.c -- handshakes counted by host, version, suite, key type and resumption. All combinations
 * would be millions and almost all of them zero, so each worker has a small table of those it has
 * seen. Nothing is ever taken out, so a reader in another thread meets whole slots only: the count
 * is written before the key that makes the slot visible. */
#include "lib/tls/tls_hs.h"

#define PROBE_MAX 16u

/* 32 bits of host, 16 of suite, 8 of version, 7 of key type, 1 of resumption. The low byte of the
 * version is enough, and it is never 0. */
static uint64_t key_of(const struct hf_tls *t)
{
	const struct hf_tls_choice *c = &t->hs->choice;

	return (uint64_t)c->vhost->id << 32 | (uint64_t)t->suite << 16 |
	       (uint64_t)(t->version & 0xff) << 8 | (uint64_t)c->cert->key->type << 1 | c->resumed;
}

struct hf_tls_kind_key hf_tls_kind_read(uint64_t key)
{
	return (struct hf_tls_kind_key){.host = (uint32_t)(key >> 32),
		.version = (uint16_t)(0x0300 | (key >> 8 & 0xff)),
		.suite = (uint16_t)(key >> 16),
		.key_type = key >> 1 & 0x7f,
		.resumed = key & 1};
}

void hf_tls_kind_count(struct hf_tls_ctx *x, const struct hf_tls *t)
{
	uint64_t key = key_of(t);
	uint32_t at = (uint32_t)(key * 0x9e3779b97f4a7c15ull >> 32);

	for (uint32_t i = 0; i < PROBE_MAX; i++) {
		struct hf_tls_kind *k = &x->kind[(at + i) % HF_TLS_KIND_CNT];

		if (k->key == 0) {
			k->cnt = 1;
			__atomic_store_n(&k->key, key, __ATOMIC_RELEASE);
			return;
		}
		if (k->key == key) {
			k->cnt++;
			return;
		}
	}
	x->stats.kinds_full++;
}
