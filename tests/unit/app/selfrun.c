/* selfrun.c -- the run that measures what code costs: every connection gets its flight, by either driver of
 * records, and a figure comes out of it that could be one. */
#include "app/handfast/selfrun.h"
#include "drivers/drivers.h"
#include "tests/support/test.h"

#define SCHEDULES 64u

static void by_driver(const struct hf_sym_driver *sym)
{
	struct hf_pk_engine_ref pk = {.engine = &hf_pk_libcrypto};
	struct hf_selfrun half = {0};
	void *ctx = test_alloc(hf_pk_libcrypto.size()), *sym_ctx = test_alloc(sym->size(SCHEDULES));
	assert_int_equal(hf_pk_libcrypto.init(ctx), 0);
	assert_int_equal(sym->init(sym_ctx, SCHEDULES), 0);
	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++)
		pk.ctx[i] = ctx;
	assert_int_equal(hf_selfrun(&half, &pk, 1, sym, sym_ctx), 0);
	for (uint32_t i = 0; i < HF_SELFRUN_BURSTS; i++)
		assert_in_range(half.warm_ns[i], 500, 10 * HF_NS_MS);
	assert_in_range(half.cold_ns, 500, 50 * HF_NS_MS);
	hf_pk_libcrypto.fini(ctx);
	sym->fini(sym_ctx);
	free(ctx);
	free(sym_ctx);
}

static void with_libcrypto(void **state)
{
	(void)state;
	by_driver(&hf_sym_libcrypto);
}

static void with_ipsecmb(void **state)
{
	(void)state;
	if (!hf_sym_ipsecmb.probe())
		skip();
	by_driver(&hf_sym_ipsecmb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_libcrypto),
		cmocka_unit_test(with_ipsecmb),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
