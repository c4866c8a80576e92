/* x25519.c -- the kernel for X25519 in emulated vectors: right on any processor, at every fill, and under
 * valgrind's memcheck with all that is secret marked as undefined (curve.h says what is, and what is
 * revealed). And its field at the bounds of its digits, held against libcrypto's numbers. */
#include <immintrin.h>
#include <openssl/bn.h>
#include "tests/emulated/curve.h"

static __m512d leaking_fmadd(__m512d a, __m512d b, __m512d c)
{
	leak(((__m512i)a)[0]);
	return _mm512_fmadd_pd(a, b, c);
}

#define _mm512_fmadd_pd leaking_fmadd
#define hf_pk_x25519_avx512f kernel
#define raise raise_to /* libc has another one */
#include "drivers/pk/x25519_avx512f.c"

/* ---- the kernel ---- */

static void table_of(void *table, const void *ctx)
{
	memcpy(table, ((const struct x25519 *)ctx)->table, sizeof(((struct x25519 *)0)->table));
}

static int init_with(void *ctx, const void *table)
{
	memcpy(((struct x25519 *)ctx)->table, table, sizeof(((struct x25519 *)0)->table));
	return 0;
}

static const struct curve x25519 = {
	.engine = &kernel,
	.init_with = init_with,
	.table_of = table_of,
	.table_len = sizeof(((struct x25519 *)0)->table),
	.group = HF_GROUP_X25519,
};

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CURVE_TESTS,
	};

	self = argv[0];
	curve = &x25519;
	if (argc == 3)
		return with_table(argv[1], atoi(argv[2]));
	return cmocka_run_group_tests(tests, starts, ends);
}
