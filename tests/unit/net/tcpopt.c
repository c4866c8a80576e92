/* TCP options: rows of bytes and what must come out of them, then garbage. */
#include "lib/net/parse.h"
#include "tests/support/test.h"

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static void rows(void **state)
{
	/* clang-format off */
	const struct {
		const uint8_t *in;
		size_t len;
		struct hf_tcpopt want;
	} row[] = {
		{NULL, 0, {0}},
		{BYTES(0), {0}},
		{BYTES(1, 1, 1, 1), {0}},
		{BYTES(2, 4, 5, 0xb4), {.mss = 1460}},
		{BYTES(1, 3, 3, 7), {.has_wscale = true, .wscale = 7}},
		{BYTES(3, 3, 0), {.has_wscale = true}},
		{BYTES(3, 3, 255), {.has_wscale = true, .wscale = 255}},
		{BYTES(4, 2), {.sack_permitted = true}},
		{BYTES(8, 10, 1, 2, 3, 4, 5, 6, 7, 8),
			{.has_timestamps = true, .ts_val = 0x01020304, .ts_ecr = 0x05060708}},
		{BYTES(5, 10, 0, 0, 0, 1, 0, 0, 0, 2), {.sack_cnt = 1, .sack = {{1, 2}}}},
		{BYTES(5, 34, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6,
			0, 0, 0, 7, 0, 0, 0, 8),
			{.sack_cnt = 4, .sack = {{1, 2}, {3, 4}, {5, 6}, {7, 8}}}},
		/* the end is the end */
		{BYTES(2, 4, 1, 0, 0, 3, 3, 7), {.mss = 256}},
		/* unknown kinds are stepped over: fast open, experiments, MD5 */
		{BYTES(34, 2, 253, 4, 9, 9, 19, 3, 1, 4, 2), {.sack_permitted = true}},
		/* the last of a kind counts */
		{BYTES(2, 4, 1, 0, 2, 4, 2, 0), {.mss = 512}},
		/* impossible lengths end the walk; what came before stays */
		{BYTES(4, 2, 2, 0, 3, 3, 7), {.sack_permitted = true, .malformed = true}},
		{BYTES(4, 2, 2, 1, 3, 3, 7), {.sack_permitted = true, .malformed = true}},
		{BYTES(4, 2, 30, 0), {.sack_permitted = true, .malformed = true}},
		{BYTES(4, 2, 30, 3), {.sack_permitted = true, .malformed = true}}, /* beyond the end */
		{BYTES(2), {.malformed = true}},
		{BYTES(2, 4, 5), {.malformed = true}},
		{BYTES(2, 3, 5, 4, 2), {.malformed = true}},
		{BYTES(2, 5, 5, 5, 5), {.malformed = true}},
		{BYTES(3, 2, 4, 2), {.malformed = true}},
		{BYTES(3, 4, 1, 1), {.malformed = true}},
		{BYTES(4, 3, 1), {.malformed = true}},
		{BYTES(5, 2, 4, 2), {.malformed = true}},
		{BYTES(5, 9, 0, 0, 0, 1, 0, 0, 0), {.malformed = true}},
		{BYTES(8, 9, 1, 2, 3, 4, 5, 6, 7), {.malformed = true}},
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(row); i++) {
		struct hf_tcpopt got;
		hf_tcpopt_parse(hf_span(row[i].in, row[i].len), &got);
		if (memcmp(&got, &row[i].want, sizeof(got)) != 0)
			fail_msg("row %zu: mss %u wscale %u/%d sack %d/%u ts %d %u %u malformed %d",
				i, got.mss, got.wscale, got.has_wscale, got.sack_permitted,
				got.sack_cnt, got.has_timestamps, got.ts_val, got.ts_ecr,
				got.malformed);
	}
}

/* Random bytes in an allocation of exactly their length; results stay within what they may be. */
static void garbage(void **state)
{
	uint64_t rng = 1;
	unsigned malformed = 0;
	(void)state;
	for (unsigned i = 0; i < 50000; i++) {
		size_t len = test_below(&rng, 41);
		uint8_t *in = malloc(len ? len : 1);
		struct hf_tcpopt got;
		for (size_t j = 0; j < len;
			j++) /* small numbers meet kinds and lengths more often */
			in[j] = (uint8_t)(test_rand(&rng) & 1 ? test_below(&rng, 12)
							      : test_rand(&rng));
		hf_tcpopt_parse(hf_span(in, len), &got);
		assert_true(got.sack_cnt <= HF_ARRAY_LEN(got.sack));
		malformed += got.malformed;
		free(in);
	}
	assert_in_range(malformed, 1, 49999); /* both kinds were met */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows),
		cmocka_unit_test(garbage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
