/* rsa_select_avx512f.c -- reading one entry of a table in each of eight lanes, which no address and no
 * time may tell. All entries are read and masked, with ordinary loads and masks in vectors: what a
 * load under a mask register costs may depend on the mask (with a page not yet touched it costs a
 * hundred times as much). Bits are bits here, so both cores take it. */
#include <immintrin.h>
#include "drivers/pk/rsa_batch.h"

void hf_rsa_select(struct hf_rsa_vec *out, const struct hf_rsa_vec *table,
	const struct hf_rsa_vec *window, uint32_t vec_cnt)
{
	enum { OR_AND = 0xf8 }; /* a | b & c, for VPTERNLOG */
	__m512i w = _mm512_load_si512(window), is[HF_RSA_TABLE];

#pragma GCC unroll 16
	for (uint32_t e = 0; e < HF_RSA_TABLE; e++)
		is[e] = _mm512_maskz_set1_epi64(
			_mm512_cmpeq_epi64_mask(w, _mm512_set1_epi64((long long)e)), -1);
	for (uint32_t i = 0; i < vec_cnt; i++, table += HF_RSA_TABLE) {
		__m512i v = _mm512_setzero_si512();

#pragma GCC unroll 16
		for (uint32_t e = 0; e < HF_RSA_TABLE; e++)
			v = _mm512_ternarylogic_epi64(
				v, is[e], _mm512_load_si512(table + e), OR_AND);
		_mm512_store_si512(out + i, v);
	}
}
