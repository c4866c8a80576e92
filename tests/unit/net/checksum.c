/* The checksum against the obvious byte loop, at every length and alignment; and in pieces. */
#include "lib/net/checksum.h"
#include "tests/support/packet.h"
#include "tests/support/test.h"

static uint8_t bytes[2100];

static void fill(uint64_t seed)
{
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)test_rand(&seed);
}

/* 0 and 0xffff are the same number in ones complement: compare what would go on the wire. */
static uint16_t wire(uint32_t sum)
{
	uint16_t v = hf_csum_finish(sum);
	return v == 0xffff ? 0 : v;
}

/* The example of RFC 1071 3: 00 01 f2 03 f4 f5 f6 f7 sums to ddf2. */
static void rfc1071_example(void **state)
{
	static const uint8_t in[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	(void)state;
	assert_int_equal(hf_csum(in, sizeof(in)), 0xddf2);
	assert_int_equal(hf_csum_finish(0xddf2), 0x220d);
	assert_int_equal(hf_csum(NULL, 0), 0);
	assert_int_equal(hf_csum_copy(NULL, NULL, 0), 0);
}

static void any_length_any_alignment(void **state)
{
	static uint8_t out[2100];
	(void)state;
	fill(1);
	for (size_t at = 0; at < 9; at++)
		for (size_t len = 0; len < 300; len++) {
			uint32_t want = wire(packet_csum(0, bytes + at, len));
			assert_int_equal(wire(hf_csum(bytes + at, len)), want);
			memset(out, 0x5a, 320);
			assert_int_equal(wire(hf_csum_copy(out + 1, bytes + at, len)), want);
			assert_memory_equal(out + 1, bytes + at, len);
			assert_int_equal(out[0], 0x5a);
			assert_int_equal(out[len + 1], 0x5a);
		}
}

static void carries_are_kept(void **state)
{
	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	for (size_t len = 1; len < sizeof(bytes); len++)
		assert_int_equal(wire(hf_csum(bytes, len)), wire(packet_csum(0, bytes, len)));
}

/* A message cut anywhere into two or three parts sums up the same. */
static void parts_join_at_any_offset(void **state)
{
	uint64_t rng = 2;
	(void)state;
	fill(2);
	for (unsigned i = 0; i < 20000; i++) {
		size_t len = test_below(&rng, 100), a = test_below(&rng, (uint32_t)len + 1);
		size_t b = a + test_below(&rng, (uint32_t)(len - a) + 1);
		uint32_t sum = hf_csum(bytes, a);
		sum = hf_csum_join(sum, hf_csum(bytes + a, b - a), a);
		sum = hf_csum_join(sum, hf_csum(bytes + b, len - b), b);
		assert_int_equal(wire(sum), wire(packet_csum(0, bytes, len)));
	}
}

static void pseudo_header_of_both_families(void **state)
{
	struct hf_addr a = hf_addr_v4(0xc0a80101), b = hf_addr_v4(0x0a0b0c0d), c, d;
	uint8_t v4[12] = {192, 168, 1, 1, 10, 11, 12, 13, 0, 6, 0x12, 0x34};
	uint8_t v6[40] = {0};
	(void)state;
	assert_int_equal(wire(hf_csum_pseudo(&a, &b, 6, 0x1234)), wire(packet_csum(0, v4, 12)));
	fill(3);
	memcpy(c.b, bytes, 16);
	memcpy(d.b, bytes + 16, 16);
	memcpy(v6, bytes, 32);
	v6[34] = 0x12; /* RFC 8200 8.1: 32-bit length, three zeros, next header */
	v6[35] = 0x34;
	v6[39] = 6;
	assert_int_equal(wire(hf_csum_pseudo(&c, &d, 6, 0x1234)), wire(packet_csum(0, v6, 40)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc1071_example),
		cmocka_unit_test(any_length_any_alignment),
		cmocka_unit_test(carries_are_kept),
		cmocka_unit_test(parts_join_at_any_offset),
		cmocka_unit_test(pseudo_header_of_both_families),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
