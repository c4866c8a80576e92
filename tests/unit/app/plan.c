/* Which engines a plan takes of those the processor has, and what a connection costs. */
#include "app/handfast/app.h"
#include "drivers/drivers.h"
#include "tests/support/test.h"

static bool yes(void)
{
	return true;
}

static bool no(void)
{
	return false;
}

static size_t small(void)
{
	return 64;
}

static size_t sym_size(uint32_t schedule_cnt)
{
	return schedule_cnt;
}

/* In place of drivers.c and dpdk.c: a processor with every kind of engine. */
static const struct hf_pk_engine absent = {.name = "absent", .probe = no, .size = small};
static const struct hf_pk_engine integers = {.name = "integers", .probe = yes, .size = small};
static const struct hf_pk_engine doubles = {
	.name = "doubles", .floating_point = true, .probe = yes, .size = small};
static const struct hf_pk_engine last = {.name = "last", .probe = yes, .size = small};
const struct hf_pk_engine *const hf_pk_engines[] = {&absent, &doubles, &integers, &last, NULL};

static const struct hf_sym_driver sym = {.name = "sym", .probe = yes, .size = sym_size};
const struct hf_sym_driver *const hf_sym_drivers[] = {&sym, NULL};

uint32_t hf_dpdk_frame_cnt(const struct hf_dpdk_port_cfg *cfg)
{
	(void)cfg;
	return 0;
}

size_t hf_dpdk_frame_bytes(const struct hf_dpdk_port_cfg *cfg)
{
	(void)cfg;
	return 0;
}

#define OPTIONS                                                                   \
	"ports:\n"                                                                \
	"  - {name: wan0, device: net_null0, addresses: [10.9.0.1/24]}\n"         \
	"listeners:\n"                                                            \
	"  - {name: www, address: 10.9.0.1:443, certificates: [a], backend: w}\n" \
	"certificates:\n"                                                         \
	"  - {name: a, chain: a.pem, key: a.key}\n"                               \
	"backends:\n"                                                             \
	"  - {name: w, socket: w.sock, uid: 1000}\n"

static struct hf_plan plan_of(const char *options)
{
	struct hf_config cfg;
	struct hf_config_errors errs;
	struct hf_plan p;

	assert_int_equal(hf_config_parse_bytes("x.yaml", options, strlen(options), &cfg, &errs), 0);
	assert_int_equal(hf_plan_make(&p, &cfg, &errs), 0);
	hf_config_free(&cfg); /* engines are constants */
	return p;
}

static void every_engine_there_is(void **state)
{
	struct hf_plan p = plan_of(OPTIONS), same = plan_of(OPTIONS "crypto: {float: auto}\n");

	(void)state;
	assert_int_equal(p.pk_cnt, 3);
	assert_ptr_equal(p.pk[0], &doubles);
	assert_ptr_equal(p.pk[1], &integers);
	assert_ptr_equal(p.pk[2], &last);
	assert_memory_equal(p.pk, same.pk, sizeof(p.pk));
}

static void no_secrets_in_floating_point(void **state)
{
	struct hf_plan all = plan_of(OPTIONS), p = plan_of(OPTIONS "crypto: {float: off}\n");

	(void)state;
	assert_int_equal(p.pk_cnt, 2);
	assert_ptr_equal(p.pk[0], &integers);
	assert_ptr_equal(p.pk[1], &last);
	assert_true(p.engine_bytes < all.engine_bytes); /* and no memory is taken for them */
}

/* 2 KB for who is there and says nothing, 8 KB for a handshake; few or many of them. */
static void a_connection_is_small(void **state)
{
	static const char *const sizes[] = {"", "memory: {connections: 16, handshakes: 16}\n",
		"memory: {connections: 1000000, handshakes: 50000}\n"};
	char options[sizeof(OPTIONS) + 100];

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(sizes); i++) {
		struct hf_plan p;
		(void)snprintf(options, sizeof(options), "%s%s", OPTIONS, sizes[i]);
		p = plan_of(options);
		assert_in_range(p.idle_bytes, 600, 2048);
		assert_in_range(p.handshake_bytes, p.idle_bytes + 3000, 8192);
	}
}

/* MB of the row of this name; with "" the sum of all rows. */
static double printed_mb(const struct hf_plan *p, const char *name)
{
	char *text = NULL, *line, *save = NULL;
	double mb, sum = 0;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	bool row = false;

	hf_plan_print(p, f);
	assert_int_equal(fclose(f), 0);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		row &= line[0] == ' ';
		if (row && strncmp(line + 2, name, strlen(name)) == 0 &&
			sscanf(line + 36, "%lf", &mb) == 1)
			sum += mb;
		row |= strncmp(line, "memory of", 9) == 0;
	}
	free(text);
	return sum;
}

/* An entry costs the same however many there are, also where the table of all flows doubles; and the
 * rows are the whole. */
static void rows_cost_by_their_count(void **state)
{
	static const uint32_t cnt[] = {20000, 32768, 40000, 65536, 100000, 131072};
	char options[sizeof(OPTIONS) + 100];
	double each = 0;

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(cnt); i++) {
		struct hf_plan p;
		double mb;
		(void)snprintf(
			options, sizeof(options), "%smemory: {time_wait: %u}\n", OPTIONS, cnt[i]);
		p = plan_of(options);
		p.port_cnt = 0; /* their names went with the options */
		mb = printed_mb(&p, "TIME_WAIT");
		if (i == 0)
			each = mb / cnt[i];
		assert_true(each > 0 && mb / cnt[i] > each * 0.97 && mb / cnt[i] < each * 1.03);
		mb = (double)(p.worker_bytes + p.engine_bytes) / (1 << 20);
		assert_true(printed_mb(&p, "") > mb - 0.2 && printed_mb(&p, "") < mb + 0.2);
	}
}

/* A gateway is asked from the address whose network it is in, and hence in that one's VLAN. */
static void ports_of_both_families(void **state)
{
	static const char options[] =
		"ports:\n"
		"  - {name: wan0, device: net_null0, addresses: [10.9.0.1/24, 'fd00::1/64@12', "
		"10.8.0.1/24@13], gateway: 10.8.0.9, gateway6: 'fd00::9', l2: gateway}\n"
		"listeners:\n"
		"  - {name: www, address: '[::]:443', certificates: [a], backend: w}\n"
		"certificates:\n"
		"  - {name: a, chain: a.pem, key: a.key}\n"
		"backends:\n"
		"  - {name: w, socket: w.sock, uid: 1000}\n";
	struct hf_config cfg;
	struct hf_config_errors errs;
	struct hf_plan p;
	struct hf_port *port = NULL;
	struct hf_worker_cfg w;
	struct hf_addr v4 = hf_addr_v4(0x0a080009), v6 = {{0xfd, [15] = 9}};

	(void)state;
	assert_int_equal(hf_config_parse_bytes("x.yaml", options, strlen(options), &cfg, &errs), 0);
	assert_int_equal(hf_plan_make(&p, &cfg, &errs), 0);
	w = hf_plan_worker(&p, &cfg, &port, 0);
	assert_int_equal(w.port[0].addr_cnt, 3);
	assert_int_equal(w.port[0].addr[0].vlan, 0);
	assert_int_equal(w.port[0].addr[1].vlan, 12);
	assert_int_equal(w.port[0].addr[2].vlan, 13);
	assert_true(hf_addr_eq(&w.port[0].gateway[0].ip, &v4));
	assert_int_equal(w.port[0].gateway[0].from, 2);
	assert_true(hf_addr_eq(&w.port[0].gateway[1].ip, &v6));
	assert_int_equal(w.port[0].gateway[1].from, 1);
	assert_false(w.reflect);
	assert_true(p.port[0].groups);
	assert_false(plan_of(OPTIONS).port[0].groups);
	hf_config_free(&cfg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_engine_there_is),
		cmocka_unit_test(no_secrets_in_floating_point),
		cmocka_unit_test(a_connection_is_small),
		cmocka_unit_test(rows_cost_by_their_count),
		cmocka_unit_test(ports_of_both_families),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
