/* tls_suite.c -- what can be agreed on, as tables: cipher suites, curves, signatures. The order of the
 * rows is our preference. Suites: forward secrecy before its lack, AEAD before CBC, AES-128 first for
 * it is enough and the cheapest in hardware, an ECDSA certificate before one of RSA, whose signature
 * costs many times as much. HMAC with SHA-1 is as good a MAC here as with SHA-256 and costs less. */
#include "lib/tls/tls_hs.h"

/* ---- suites ---- */

/* RFC 5246 5: the PRF is that of SHA-256, or of the suite's own hash where it is stronger. Suites:
 * RFC 5246 A.5, RFC 5288, RFC 5289, RFC 7905, RFC 8422 6. */
static const struct hf_tls_suite suites[] = {
/* clang-format off */
#define ECDHE_ECDSA HF_TLS_KX_ECDHE, true
#define ECDHE_RSA   HF_TLS_KX_ECDHE, false
#define RSA         HF_TLS_KX_RSA, false
	{0xc02b, ECDHE_ECDSA, HF_CIPHER_AES128_GCM,        HF_SHA256, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
	{0xc02f, ECDHE_RSA,   HF_CIPHER_AES128_GCM,        HF_SHA256, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
	{0xc02c, ECDHE_ECDSA, HF_CIPHER_AES256_GCM,        HF_SHA384, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"},
	{0xc030, ECDHE_RSA,   HF_CIPHER_AES256_GCM,        HF_SHA384, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"},
	{0xcca9, ECDHE_ECDSA, HF_CIPHER_CHACHA20_POLY1305, HF_SHA256, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"},
	{0xcca8, ECDHE_RSA,   HF_CIPHER_CHACHA20_POLY1305, HF_SHA256, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
	{0xc009, ECDHE_ECDSA, HF_CIPHER_AES128_CBC_SHA1,   HF_SHA256, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"},
	{0xc013, ECDHE_RSA,   HF_CIPHER_AES128_CBC_SHA1,   HF_SHA256, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"},
	{0xc00a, ECDHE_ECDSA, HF_CIPHER_AES256_CBC_SHA1,   HF_SHA256, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"},
	{0xc014, ECDHE_RSA,   HF_CIPHER_AES256_CBC_SHA1,   HF_SHA256, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"},
	{0xc023, ECDHE_ECDSA, HF_CIPHER_AES128_CBC_SHA256, HF_SHA256, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"},
	{0xc027, ECDHE_RSA,   HF_CIPHER_AES128_CBC_SHA256, HF_SHA256, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"},
	{0xc024, ECDHE_ECDSA, HF_CIPHER_AES256_CBC_SHA384, HF_SHA384, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"},
	{0xc028, ECDHE_RSA,   HF_CIPHER_AES256_CBC_SHA384, HF_SHA384, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"},
	{0x009c, RSA,         HF_CIPHER_AES128_GCM,        HF_SHA256, "TLS_RSA_WITH_AES_128_GCM_SHA256"},
	{0x009d, RSA,         HF_CIPHER_AES256_GCM,        HF_SHA384, "TLS_RSA_WITH_AES_256_GCM_SHA384"},
	{0x002f, RSA,         HF_CIPHER_AES128_CBC_SHA1,   HF_SHA256, "TLS_RSA_WITH_AES_128_CBC_SHA"},
	{0x0035, RSA,         HF_CIPHER_AES256_CBC_SHA1,   HF_SHA256, "TLS_RSA_WITH_AES_256_CBC_SHA"},
	{0x003c, RSA,         HF_CIPHER_AES128_CBC_SHA256, HF_SHA256, "TLS_RSA_WITH_AES_128_CBC_SHA256"},
	{0x003d, RSA,         HF_CIPHER_AES256_CBC_SHA256, HF_SHA256, "TLS_RSA_WITH_AES_256_CBC_SHA256"},
#undef ECDHE_ECDSA
#undef ECDHE_RSA
#undef RSA
	/* clang-format on */
};
static_assert(HF_ARRAY_LEN(suites) <= HF_TLS_SUITE_MAX, "a profile has room for all");

const struct hf_tls_suite *hf_tls_suite(uint16_t id)
{
	for (size_t i = 0; i < HF_ARRAY_LEN(suites); i++)
		if (suites[i].id == id)
			return &suites[i];
	return NULL;
}

const char *hf_tls_suite_name(uint16_t id)
{
	const struct hf_tls_suite *s = hf_tls_suite(id);

	return s ? s->name : "unknown";
}

static enum hf_tls_profile profile_of(const struct hf_tls_suite *s)
{
	if (s->kx == HF_TLS_KX_RSA)
		return HF_TLS_LEGACY;
	return hf_cipher_info[s->cipher].aead ? HF_TLS_MODERN : HF_TLS_COMPATIBLE;
}

enum hf_tls_profile hf_tls_suite_profile(uint16_t id)
{
	const struct hf_tls_suite *s = hf_tls_suite(id);

	return s ? profile_of(s) : HF_TLS_LEGACY;
}

uint32_t hf_tls_profile(enum hf_tls_profile profile, uint16_t suite[HF_TLS_SUITE_MAX])
{
	uint32_t cnt = 0;

	for (size_t i = 0; i < HF_ARRAY_LEN(suites); i++)
		if (profile_of(&suites[i]) <= profile)
			suite[cnt++] = suites[i].id;
	return cnt;
}

/* ---- curves and signatures ---- */

const struct hf_tls_group *hf_tls_group(uint16_t id)
{
	static const struct hf_tls_group groups[] = {
		{29, HF_GROUP_X25519}, {23, HF_GROUP_P256}, {24, HF_GROUP_P384}};

	for (size_t i = 0; i < HF_ARRAY_LEN(groups); i++)
		if (groups[i].id == id)
			return &groups[i];
	return NULL;
}

/* In 1.2 a curve goes with any hash, but the hash of its own length is what everybody has. PSS (RFC 8446
 * 4.2.3 has it in 1.2, too) is for who offers nothing older that is good. SHA-1 comes last, for clients that can do nothing else (RFC 9155 would refuse them): whoever says nothing has said
 * SHA-1 (RFC 5246 7.4.1.4.1). */
const struct hf_tls_scheme *hf_tls_scheme(enum hf_pk_type key, struct hf_span offered)
{
	static const struct hf_tls_scheme schemes[] = {
		/* clang-format off */
		{0x0401, HF_PK_RSA,     HF_PK_RSA_SIGN_PKCS1, HF_SHA256},
		{0x0501, HF_PK_RSA,     HF_PK_RSA_SIGN_PKCS1, HF_SHA384},
		{0x0601, HF_PK_RSA,     HF_PK_RSA_SIGN_PKCS1, HF_SHA512},
		{0x0804, HF_PK_RSA,     HF_PK_RSA_SIGN_PSS,   HF_SHA256},
		{0x0805, HF_PK_RSA,     HF_PK_RSA_SIGN_PSS,   HF_SHA384},
		{0x0806, HF_PK_RSA,     HF_PK_RSA_SIGN_PSS,   HF_SHA512},
		{0x0201, HF_PK_RSA,     HF_PK_RSA_SIGN_PKCS1, HF_SHA1},
		{0x0403, HF_PK_EC_P256, HF_PK_ECDSA_SIGN,     HF_SHA256},
		{0x0503, HF_PK_EC_P256, HF_PK_ECDSA_SIGN,     HF_SHA384},
		{0x0603, HF_PK_EC_P256, HF_PK_ECDSA_SIGN,     HF_SHA512},
		{0x0203, HF_PK_EC_P256, HF_PK_ECDSA_SIGN,     HF_SHA1},
		{0x0503, HF_PK_EC_P384, HF_PK_ECDSA_SIGN,     HF_SHA384},
		{0x0603, HF_PK_EC_P384, HF_PK_ECDSA_SIGN,     HF_SHA512},
		{0x0403, HF_PK_EC_P384, HF_PK_ECDSA_SIGN,     HF_SHA256},
		{0x0203, HF_PK_EC_P384, HF_PK_ECDSA_SIGN,     HF_SHA1},
		/* clang-format on */
	};

	for (size_t i = 0; i < HF_ARRAY_LEN(schemes); i++) {
		const struct hf_tls_scheme *s = &schemes[i];

		if (s->key == key &&
			(offered.p ? hf_tls_has_u16(offered, s->id) : s->hash == HF_SHA1))
			return s;
	}
	return NULL;
}
