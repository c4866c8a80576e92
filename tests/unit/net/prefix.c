/* Networks and lists of them, against the plain reading: of all that hold an address, the longest. */
#include "lib/net/prefix.h"
#include "tests/support/test.h"

static struct hf_prefix v4(uint32_t addr, uint32_t len)
{
	struct hf_addr a = hf_addr_v4(addr);
	return hf_prefix_of(&a, 96 + len);
}

static void bits_behind_the_length_are_cleared(void **state)
{
	struct hf_addr ones;
	(void)state;
	memset(&ones, 0xff, sizeof(ones));
	for (uint32_t len = 0; len <= 128; len++) {
		struct hf_prefix p = hf_prefix_of(&ones, len);
		assert_int_equal(p.len, len);
		for (uint32_t bit = 0; bit < 128; bit++)
			assert_int_equal(!!(p.addr.b[bit / 8] & 0x80 >> bit % 8), bit < len);
	}
}

static void the_edges_of_a_network(void **state)
{
	struct hf_prefix p = v4(0x0a090000, 17);
	struct hf_addr first = hf_addr_v4(0x0a090000), last = hf_addr_v4(0x0a097fff),
		       below = hf_addr_v4(0x0a08ffff), above = hf_addr_v4(0x0a098000);
	struct hf_prefix all = {.len = 0}, one = v4(0x0a090000, 32);
	(void)state;
	assert_true(hf_prefix_holds(&p, &first) && hf_prefix_holds(&p, &last));
	assert_false(hf_prefix_holds(&p, &below) || hf_prefix_holds(&p, &above));
	assert_true(hf_prefix_holds(&all, &above));
	assert_true(hf_prefix_holds(&one, &first));
	assert_false(hf_prefix_holds(&one, &last));
}

static void an_empty_list_knows_nobody(void **state)
{
	struct hf_prefix_list none = {NULL, 0};
	struct hf_addr a = hf_addr_v4(1);
	(void)state;
	assert_int_equal(hf_prefix_find(&none, &a), 0);
}

/* What a list must say: rows looked at one after the other. */
static uint8_t plain(const struct hf_prefix_row *v, uint32_t cnt, const struct hf_addr *a)
{
	uint32_t len = 0;
	uint8_t word = 0;
	for (uint32_t i = 0; i < cnt; i++)
		if (hf_prefix_holds(&v[i].prefix, a) && (v[i].prefix.len >= len || !word)) {
			len = v[i].prefix.len;
			word = v[i].word;
		}
	return word;
}

static bool is_there(const struct hf_prefix_row *v, uint32_t cnt, const struct hf_prefix *p)
{
	for (uint32_t i = 0; i < cnt; i++)
		if (v[i].prefix.len == p->len && hf_addr_eq(&v[i].prefix.addr, &p->addr))
			return true;
	return false;
}

/* Few different bits, so that networks lie within each other, beside each other and at the ends. */
static struct hf_addr some_addr(uint64_t *seed)
{
	struct hf_addr a = hf_addr_v4(0);
	if (test_below(seed, 2))
		memset(&a, 0, sizeof(a));
	for (uint32_t i = hf_addr_is_v4(&a) ? 12 : 0; i < 16; i++) {
		static const uint8_t some[] = {0, 0, 0, 1, 0x80, 0xff, 0xff, 0x7f};
		a.b[i] = some[test_below(seed, 8)];
	}
	return a;
}

static void random_lists_say_what_the_longest_says(void **state)
{
	enum { MOST = 200 };
	static struct hf_prefix_row given[MOST], v[MOST];
	uint64_t seed = 7;
	uint32_t nested = 0;
	(void)state;
	for (uint32_t round = 0; round < 300; round++) {
		uint32_t cnt = 0, want = 1 + test_below(&seed, MOST);
		struct hf_prefix_list l = {v, 0};
		for (uint32_t i = 0; i < want; i++) {
			struct hf_addr a = some_addr(&seed);
			uint32_t least = hf_addr_is_v4(&a) ? 96 : 0;
			struct hf_prefix p =
				hf_prefix_of(&a, least + test_below(&seed, 129 - least));
			if (!is_there(given, cnt, &p))
				given[cnt++] = (struct hf_prefix_row){
					.prefix = p, .word = (uint8_t)(1 + test_below(&seed, 200))};
		}
		memcpy(v, given, sizeof(v));
		hf_prefix_sort(v, cnt);
		l.cnt = cnt;
		for (uint32_t i = 0; i < 500; i++) {
			struct hf_addr a = some_addr(&seed);
			assert_int_equal(hf_prefix_find(&l, &a), plain(given, cnt, &a));
		}
		for (uint32_t i = 0; i < cnt; i++)
			nested += v[i].outer != UINT32_MAX;
	}
	assert_true(nested > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bits_behind_the_length_are_cleared),
		cmocka_unit_test(the_edges_of_a_network),
		cmocka_unit_test(an_empty_list_knows_nobody),
		cmocka_unit_test(random_lists_say_what_the_longest_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
