/* Whose turn it is, who is out, and that a dead server costs one probe at a time. */
#include "tests/support/test.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include "app/hfrelay/farm.h"

static struct hf_farm farm_of(uint32_t cnt)
{
	struct hf_farm f = {.eject_failures = 3, .eject_ns = 1000};
	char why[100];
	for (uint32_t i = 0; i < cnt; i++)
		assert_int_equal(hf_farm_add(&f, "127.0.0.1:80", why, sizeof(why)), 0);
	return f;
}

static void addresses(void **state)
{
	static const char *const bad[] = {"", ":", ":80", "127.0.0.1", "127.0.0.1:", "::1:80",
		"[::1]", "[]:80", "[::1:80", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:-1",
		"127.0.0.1: 80", "127.0.0.1:http", "no such host:80",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"a:8"};
	struct hf_farm f = {0};
	char why[100];
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(bad); i++) {
		why[0] = 0;
		assert_int_equal(hf_farm_add(&f, bad[i], why, sizeof(why)), -1);
		assert_true(why[0]);
	}
	assert_int_equal(f.server_cnt, 0);
	assert_int_equal(hf_farm_add(&f, "127.0.0.1:8081", why, sizeof(why)), 0);
	assert_int_equal(hf_farm_add(&f, "[::1]:65535", why, sizeof(why)), 0);
	const struct sockaddr_in *v4 = (const void *)&f.server[0].addr;
	assert_int_equal(v4->sin_family, AF_INET);
	assert_int_equal(ntohl(v4->sin_addr.s_addr), INADDR_LOOPBACK);
	assert_int_equal(ntohs(v4->sin_port), 8081);
	const struct sockaddr_in6 *v6 = (const void *)&f.server[1].addr;
	assert_int_equal(v6->sin6_family, AF_INET6);
	assert_int_equal(ntohs(v6->sin6_port), 65535);
	assert_string_equal(f.server[1].name, "[::1]:65535");
	f = farm_of(HF_FARM_SERVER_MAX);
	assert_int_equal(hf_farm_add(&f, "127.0.0.1:80", why, sizeof(why)), -1);
}

static void in_turn(void **state)
{
	struct hf_farm f = farm_of(3);
	uint32_t turn = 0;
	(void)state;
	for (uint32_t i = 0; i < 9; i++)
		assert_int_equal(hf_farm_pick(&f, &turn, 0, 1), i % 3);
	turn = 1;
	assert_int_equal(hf_farm_pick(&f, &turn, 1 << 1, 1), 2);
	assert_int_equal(hf_farm_pick(&f, &turn, 1 << 1 | 1 << 0, 1), 2);
	assert_int_equal(hf_farm_pick(&f, &turn, 7, 1), HF_FARM_NONE);
}

static void put_out_and_brought_back(void **state)
{
	struct hf_farm f = farm_of(2);
	uint32_t turn = 0, probes = 0;
	(void)state;
	assert_false(hf_farm_failed(&f, 0, 10));
	assert_false(hf_farm_failed(&f, 0, 11));
	assert_false(hf_farm_connected(&f, 0)); /* in a row, or it does not count */
	assert_false(hf_farm_failed(&f, 0, 12));
	assert_false(hf_farm_failed(&f, 0, 13));
	assert_true(hf_farm_failed(&f, 0, 14));
	for (uint64_t now = 15; now < 1014; now++)
		assert_int_equal(hf_farm_pick(&f, &turn, 0, now), 1);
	/* Its time is over: exactly one gets it, then it is out again. */
	for (int i = 0; i < 20; i++)
		probes += hf_farm_pick(&f, &turn, 0, 1014) == 0;
	assert_int_equal(probes, 1);
	assert_false(hf_farm_failed(&f, 0, 1020)); /* still out: no news */
	for (uint64_t now = 1020; now < 2020; now++)
		assert_int_equal(hf_farm_pick(&f, &turn, 0, now), 1);
	turn = 0;
	assert_int_equal(hf_farm_pick(&f, &turn, 0, 2020), 0);
	assert_true(hf_farm_connected(&f, 0));
	assert_int_equal(hf_farm_pick(&f, &turn, 0, 2021), 1);
	assert_int_equal(hf_farm_pick(&f, &turn, 0, 2021), 0);
	assert_int_equal(f.server[0].ejected_cnt, 1);
}

static void all_out(void **state)
{
	struct hf_farm f = farm_of(3);
	uint32_t turn = 0;
	(void)state;
	for (uint32_t s = 0; s < 3; s++)
		for (int i = 0; i < 3; i++)
			(void)hf_farm_failed(&f, s, 100 - s);
	/* The one out for longest is tried anyway, once per stream. */
	assert_int_equal(hf_farm_pick(&f, &turn, 0, 200), 2);
	assert_int_equal(hf_farm_pick(&f, &turn, 0, 200), 2);
	assert_int_equal(hf_farm_pick(&f, &turn, 1 << 2, 200), HF_FARM_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(in_turn),
		cmocka_unit_test(put_out_and_brought_back),
		cmocka_unit_test(all_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
