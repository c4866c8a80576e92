/* The three renderings of two modules' rows, letter by letter. */
#include <stdio.h>
#include "tests/support/test.h"
#include "lib/base/hist.h"
#include "lib/stats/stats.h"

struct net_stats {
	uint64_t frames, bad, rings;
};

struct tls_stats {
	uint64_t done;
	struct hf_hist wait_us;
};

static const struct hf_stat_row net_rows[] = {
	{"frames", "frames in", HF_STAT_COUNTER, offsetof(struct net_stats, frames)},
	{"bad", "frames that were \"bad\"\\wrong", HF_STAT_COUNTER,
		offsetof(struct net_stats, bad)},
	{"rings", "rings in use", HF_STAT_GAUGE, offsetof(struct net_stats, rings)},
};
static const struct hf_stat_row tls_rows[] = {
	{"done", "handshakes done", HF_STAT_COUNTER, offsetof(struct tls_stats, done)},
	{"wait_us", "waiting", HF_STAT_HIST, offsetof(struct tls_stats, wait_us)},
};
static const struct hf_stat_table net = {"net", net_rows, HF_ARRAY_LEN(net_rows)};
static const struct hf_stat_table tls = {"tls", tls_rows, HF_ARRAY_LEN(tls_rows)};

static struct net_stats n0, n1, other;
static struct tls_stats t0, t1;

static const struct hf_stats_source src[] = {
	{&net, &n0, {{"worker", "0"}, {"port", "wan0"}}},
	{&tls, &t0, {{"worker", "0"}}},
	{&net, &n1, {{"worker", "1"}, {"port", "wan0"}}},
	{&tls, &t1, {{"worker", "1"}}},
	{&net, &other, {{"worker", "0"}, {"port", "a\"b\\c"}}},
};

static int fill(void **state)
{
	uint64_t i;
	(void)state;
	n0 = (struct net_stats){10, 0, 3};
	n1 = (struct net_stats){32, 0, 4};
	other = (struct net_stats){0, 1, 0};
	t0.done = 7;
	t1.done = 1ull << 63;
	for (i = 1; i <= 100; i++)
		hf_hist_add(i % 2 ? &t0.wait_us : &t1.wait_us, i);
	return 0;
}

static void assert_renders(enum hf_stats_format format, size_t cnt, const char *want)
{
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);
	hf_stats_write(f, format, src, cnt);
	fclose(f);
	assert_string_equal(out, want);
	free(out);
}

static void text_adds_up_workers(void **state)
{
	(void)state;
	assert_renders(HF_STATS_TEXT, HF_ARRAY_LEN(src),
		"net port=wan0\n"
		"  frames                                 42  frames in\n"
		"  rings                                   7  rings in use\n"
		"tls\n"
		"  done                         9223372036854775815  handshakes done\n"
		"  wait_us                               100  "
		"mean 50.5, p50 51, p90 87, p99 100, p999 100, max 100: waiting\n"
		"net port=a\"b\\c\n"
		"  bad                                     1  frames that were \"bad\"\\wrong\n");
}

static void full_text_has_zero_rows(void **state)
{
	(void)state;
	assert_renders(HF_STATS_TEXT_FULL, 1,
		"net port=wan0\n"
		"  frames                                 10  frames in\n"
		"  bad                                     0  frames that were \"bad\"\\wrong\n"
		"  rings                                   3  rings in use\n");
}

static void json_keeps_sources_apart(void **state)
{
	(void)state;
	assert_renders(HF_STATS_JSON, HF_ARRAY_LEN(src),
		"[\n"
		"{\"module\":\"net\",\"labels\":{\"worker\":\"0\",\"port\":\"wan0\"},"
		"\"rows\":{\"frames\":10,\"bad\":0,\"rings\":3}},\n"
		"{\"module\":\"tls\",\"labels\":{\"worker\":\"0\"},"
		"\"rows\":{\"done\":7,\"wait_us\":{\"count\":50,\"sum\":2500,\"max\":99,"
		"\"p50\":51,\"p90\":87,\"p99\":99,\"p999\":99}}},\n"
		"{\"module\":\"net\",\"labels\":{\"worker\":\"1\",\"port\":\"wan0\"},"
		"\"rows\":{\"frames\":32,\"bad\":0,\"rings\":4}},\n"
		"{\"module\":\"tls\",\"labels\":{\"worker\":\"1\"},"
		"\"rows\":{\"done\":9223372036854775808,\"wait_us\":{\"count\":50,\"sum\":2550,"
		"\"max\":100,\"p50\":51,\"p90\":87,\"p99\":100,\"p999\":100}}},\n"
		"{\"module\":\"net\",\"labels\":{\"worker\":\"0\",\"port\":\"a\\\"b\\\\c\"},"
		"\"rows\":{\"frames\":0,\"bad\":1,\"rings\":0}}\n"
		"]\n");
	assert_renders(HF_STATS_JSON, 0, "[\n]\n");
}

static void prometheus_keeps_families_together(void **state)
{
	const struct hf_stats_source *s = src;
	char *out = NULL, *line, *save;
	size_t len;
	FILE *f = open_memstream(&out, &len);
	static const char *const head[] = {
		"# HELP handfast_net_frames_total frames in",
		"# TYPE handfast_net_frames_total counter",
		"handfast_net_frames_total{worker=\"0\",port=\"wan0\"} 10",
		"handfast_net_frames_total{worker=\"1\",port=\"wan0\"} 32",
		"handfast_net_frames_total{worker=\"0\",port=\"a\\\"b\\\\c\"} 0",
		"# HELP handfast_net_bad_total frames that were \"bad\"\\\\wrong",
		"# TYPE handfast_net_bad_total counter",
		"handfast_net_bad_total{worker=\"0\",port=\"wan0\"} 0",
		"handfast_net_bad_total{worker=\"1\",port=\"wan0\"} 0",
		"handfast_net_bad_total{worker=\"0\",port=\"a\\\"b\\\\c\"} 1",
		"# HELP handfast_net_rings rings in use",
		"# TYPE handfast_net_rings gauge",
		"handfast_net_rings{worker=\"0\",port=\"wan0\"} 3",
		"handfast_net_rings{worker=\"1\",port=\"wan0\"} 4",
		"handfast_net_rings{worker=\"0\",port=\"a\\\"b\\\\c\"} 0",
		"# HELP handfast_tls_done_total handshakes done",
		"# TYPE handfast_tls_done_total counter",
		"handfast_tls_done_total{worker=\"0\"} 7",
		"handfast_tls_done_total{worker=\"1\"} 9223372036854775808",
		"# HELP handfast_tls_wait_us waiting",
		"# TYPE handfast_tls_wait_us histogram",
		"handfast_tls_wait_us_bucket{worker=\"0\",le=\"1\"} 1",
		"handfast_tls_wait_us_bucket{worker=\"0\",le=\"3\"} 2",
		"handfast_tls_wait_us_bucket{worker=\"0\",le=\"7\"} 4",
		"handfast_tls_wait_us_bucket{worker=\"0\",le=\"15\"} 8",
		"handfast_tls_wait_us_bucket{worker=\"0\",le=\"31\"} 16",
		"handfast_tls_wait_us_bucket{worker=\"0\",le=\"63\"} 32",
		"handfast_tls_wait_us_bucket{worker=\"0\",le=\"127\"} 50",
	};
	size_t i;
	(void)state;
	hf_stats_write(f, HF_STATS_PROMETHEUS, s, HF_ARRAY_LEN(src));
	fclose(f);
	line = strtok_r(out, "\n", &save);
	for (i = 0; i < HF_ARRAY_LEN(head); i++, line = strtok_r(NULL, "\n", &save)) {
		assert_non_null(line);
		assert_string_equal(line, head[i]);
	}
	for (; strncmp(line, "handfast_tls_wait_us_bucket{worker=\"0\"", 38) == 0; i++)
		line = strtok_r(NULL, "\n", &save);
	assert_int_equal(i, 21 + 41); /* 40 bounds and +Inf */
	assert_string_equal(line, "handfast_tls_wait_us_sum{worker=\"0\"} 2500");
	line = strtok_r(NULL, "\n", &save);
	assert_string_equal(line, "handfast_tls_wait_us_count{worker=\"0\"} 50");
	free(out);
}

static void histogram_beyond_the_last_bound(void **state)
{
	static struct tls_stats t;
	const struct hf_stats_source one = {&tls, &t, {{NULL, NULL}}};
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);
	(void)state;
	hf_hist_add(&t.wait_us, UINT64_MAX);
	hf_hist_add(&t.wait_us, 0);
	hf_stats_write(f, HF_STATS_PROMETHEUS, &one, 1);
	fclose(f);
	assert_non_null(strstr(out, "handfast_tls_done_total 0\n"));
	assert_non_null(strstr(out, "_bucket{le=\"1099511627775\"} 1\n"));
	assert_non_null(strstr(out, "_bucket{le=\"+Inf\"} 2\n"));
	assert_non_null(strstr(out, "wait_us_count 2\n"));
	free(out);
}

static void sums_by_name(void **state)
{
	(void)state;
	assert_int_equal(hf_stats_sum(src, HF_ARRAY_LEN(src), "net", "frames"), 42);
	assert_int_equal(hf_stats_sum(src, HF_ARRAY_LEN(src), "net", "absent"), 0);
	assert_int_equal(hf_stats_sum(src, HF_ARRAY_LEN(src), "tls", "wait_us"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_adds_up_workers),
		cmocka_unit_test(full_text_has_zero_rows),
		cmocka_unit_test(json_keeps_sources_apart),
		cmocka_unit_test(prometheus_keeps_families_together),
		cmocka_unit_test(histogram_beyond_the_last_bound),
		cmocka_unit_test(sums_by_name),
	};
	return cmocka_run_group_tests(tests, fill, NULL);
}
