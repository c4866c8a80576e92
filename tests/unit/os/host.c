/* Processor tiers, clocks, randomness, threads, the memory region, log lines, panic. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "lib/os/os.h"

static void tiers_agree_with_the_kernel(void **state)
{
	char line[8192], flags[8192] = " ";
	FILE *f = fopen("/proc/cpuinfo", "r");
	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, "flags", 5) == 0) {
			snprintf(flags, sizeof(flags), "%s", line);
			flags[strcspn(flags, "\n")] = ' ';
			break;
		}
	fclose(f);
	unsetenv("HF_CPU");
	assert_true(hf_os_cpu_has(HF_TIER_LIBCRYPTO));
	assert_int_equal(hf_os_cpu_has(HF_TIER_AVX2), strstr(flags, " avx2 ") != NULL);
	assert_int_equal(hf_os_cpu_has(HF_TIER_AVX512F), strstr(flags, " avx512f ") != NULL);
	assert_int_equal(hf_os_cpu_has(HF_TIER_IFMA), strstr(flags, " avx512ifma ") != NULL);
}

static void environment_hides_tiers(void **state)
{
	enum hf_os_tier cap, t;
	(void)state;
	for (cap = 0; cap < HF_TIER_CNT; cap++) {
		setenv("HF_CPU", hf_os_tier_name(cap), 1);
		assert_int_equal(hf_os_cpu_env_check(), 0);
		for (t = cap + 1; t < HF_TIER_CNT; t++)
			assert_false(hf_os_cpu_has(t));
		assert_true(hf_os_cpu_has(HF_TIER_LIBCRYPTO));
	}
	setenv("HF_CPU", "avx1024", 1);
	assert_int_equal(hf_os_cpu_env_check(), -1);
	unsetenv("HF_CPU");
	assert_int_equal(hf_os_cpu_env_check(), 0);
}

static void clocks_run_forward(void **state)
{
	uint64_t a = hf_os_now_ns(), ca = hf_os_cycles(), hz;
	(void)state;
	hf_os_sleep_ns(2 * HF_NS_MS);
	assert_true(hf_os_now_ns() - a >= 2 * HF_NS_MS);
	assert_true(hf_os_cycles() > ca);
	hz = hf_os_cycles_per_s();
	assert_true(hz > 100000000ull && hz < 10000000000ull);
	assert_true(hf_os_wall_ns() / HF_NS_S > 1600000000ull);
}

static void random_differs(void **state)
{
	uint8_t a[64] = {0}, b[64] = {0};
	(void)state;
	hf_os_random(a, sizeof(a));
	hf_os_random(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
}

static void *pinned(void *arg)
{
	uint32_t core = *(uint32_t *)arg;
	if (hf_os_pin_self(core) < 0 || hf_os_core_cnt() != 1 || !hf_os_core_usable(core))
		return NULL;
	return (uint32_t)sched_getcpu() == core ? arg : NULL;
}

static void thread_goes_where_it_is_pinned(void **state)
{
	uint32_t core = 0;
	pthread_t t;
	void *got;
	(void)state;
	while (!hf_os_core_usable(core))
		core++;
	assert_int_equal(pthread_create(&t, NULL, pinned, &core), 0);
	pthread_join(t, &got);
	assert_ptr_equal(got, &core);
	assert_int_equal(hf_os_pin_self(1 << 20), -1);
	assert_int_equal(errno, EINVAL);
}

static bool in_smaps(const void *p, const char *flag)
{
	char line[512];
	unsigned long lo, hi, at = (unsigned long)p;
	bool inside = false, found = false;
	FILE *f = fopen("/proc/self/smaps", "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &lo, &hi) == 2)
			inside = lo <= at && at < hi;
		else if (inside && strncmp(line, "VmFlags:", 8) == 0)
			found = strstr(line, flag) != NULL;
	}
	fclose(f);
	return found;
}

static void region_is_carved(void **state)
{
	struct hf_os_mem m;
	uint8_t *a, *b;
	size_t i;
	(void)state;
	assert_int_equal(hf_os_mem_take(&m, 3 << 20, HF_OS_HUGE_OFF), 0);
	assert_int_equal(m.len, 4 << 20);
	assert_false(m.huge);
	assert_true(in_smaps(m.base, " dd")); /* left out of dumps */
	assert_int_equal(m.locked, m.note[0] == '\0');
	a = hf_os_mem_carve(&m, 100, 64);
	b = hf_os_mem_carve(&m, 100, 4096);
	assert_ptr_equal(a, m.base);
	assert_ptr_equal(b, m.base + 4096);
	for (i = 0; i < m.len; i++)
		assert_int_equal(m.base[i], 0);
	hf_os_mem_give(&m);
	assert_null(m.base);
	hf_os_mem_give(&m);
}

/* The first number after key in a file of /proc; key "" takes the file's first number. */
static unsigned long proc_number(const char *file, const char *key)
{
	char line[128];
	unsigned long v = 0;
	FILE *f = fopen(file, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0)
			v = strtoul(line + strlen(key), NULL, 10);
	fclose(f);
	return v;
}

/* More than all huge pages this machine has or may make: auto falls back and says what is lost,
 * require refuses and says how to get there. */
static void region_without_huge_pages(void **state)
{
	size_t pages = proc_number("/proc/meminfo", "HugePages_Total:") +
		       proc_number("/proc/sys/vm/nr_overcommit_hugepages", "") + 4;
	struct hf_os_mem m;
	(void)state;
	assert_int_equal(hf_os_mem_take(&m, pages << 21, HF_OS_HUGE_REQUIRE), -1);
	assert_non_null(strstr(m.note, "hugeadm --pool-pages-min 2MB:"));
	assert_int_equal(hf_os_mem_take(&m, pages << 21, HF_OS_HUGE_AUTO), 0);
	assert_false(m.huge);
	assert_non_null(strstr(m.note, "more TLB misses"));
	hf_os_mem_give(&m);
}

#ifndef __SANITIZE_ADDRESS__ /* whose mlock says yes and does nothing */
static void region_is_locked(void **state)
{
	struct hf_os_mem m;
	(void)state;
	assert_int_equal(hf_os_mem_take(&m, 1 << 20, HF_OS_HUGE_OFF), 0);
	assert_int_equal(m.locked, in_smaps(m.base, " lo"));
	hf_os_mem_give(&m);
}

static void locking_beyond_the_limit_is_told(void **state)
{
	int status;
	pid_t pid = fork();
	(void)state;
	if (pid == 0) {
		struct rlimit low = {4096, 4096};
		struct hf_os_mem m;
		/* An unprivileged user: root's mlock knows no limit. */
		if (setrlimit(RLIMIT_MEMLOCK, &low) < 0 || hf_os_become(65534, 65534) < 0 ||
			getuid() != 65534 || getgid() != 65534)
			_exit(2);
		if (hf_os_mem_take(&m, 1 << 20, HF_OS_HUGE_OFF) < 0 || m.locked)
			_exit(3);
		_exit(strstr(m.note, "LimitMEMLOCK") ? 0 : 4);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#endif

/* Runs fn in a child with stderr in a pipe; returns what it wrote and how it ended. */
static int child_stderr(void (*fn)(void), char *out, size_t len)
{
	int p[2], status;
	size_t used = 0;
	ssize_t got;
	pid_t pid;
	assert_int_equal(pipe(p), 0);
	pid = fork();
	if (pid == 0) {
		dup2(p[1], STDERR_FILENO);
		close(p[0]);
		close(p[1]);
		fn();
		_exit(0);
	}
	close(p[1]);
	while (used < len - 1 && (got = read(p[0], out + used, len - 1 - used)) > 0)
		used += (size_t)got;
	out[used] = '\0';
	close(p[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void dump(void *arg)
{
	(void)!write(STDERR_FILENO, arg, strlen(arg));
	hf_panic("again.c", 7, "inside the hook");
}

static void panics(void)
{
	static char text[] = "the recorder\n";
	signal(SIGABRT, SIG_DFL);
	if (hf_os_no_core_dumps() < 0 || prctl(PR_GET_DUMPABLE) != 0)
		_exit(2);
	hf_os_panic_hook(dump, text);
	hf_panic("lib/x/y.c", 1203, "a == b");
}

static void panic_says_where_and_dumps_once(void **state)
{
	char out[512];
	int status = child_stderr(panics, out, sizeof(out));
	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_string_equal(out, "handfast: assertion failed at lib/x/y.c:1203: a == b\n"
				 "the recorder\n"
				 "handfast: assertion failed at again.c:7: inside the hook\n");
}

static void logs(void)
{
	char big[3000];
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	hf_log(HF_LOG_INFO, "tls", "name %s", "a\nb\x7f");
	hf_log(HF_LOG_DEBUG, "tls", "not shown");
	hf_log_set_level(HF_LOG_DEBUG);
	hf_log(HF_LOG_DEBUG, "tls", "shown");
	hf_log_set_level(HF_LOG_ERROR);
	hf_log(HF_LOG_WARN, "tls", "not shown");
	hf_log(HF_LOG_ERROR, "big", "%s", big);
}

static void log_lines(void **state)
{
	char out[8192], *line, *save;
	int y, mo, d, h, mi, s, ms, end = 0;
	(void)state;
	assert_int_equal(child_stderr(logs, out, sizeof(out)), 0);
	line = strtok_r(out, "\n", &save);
	assert_int_equal(sscanf(line, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %n", &y, &mo, &d, &h, &mi, &s,
				 &ms, &end),
		7);
	assert_string_equal(line + end, "info tls: name a?b?");
	line = strtok_r(NULL, "\n", &save);
	assert_string_equal(line + end, "debug tls: shown");
	line = strtok_r(NULL, "\n", &save);
	assert_non_null(strstr(line, "error big: xxx"));
	assert_int_equal(strlen(line), 1023);
	assert_null(strtok_r(NULL, "\n", &save));
}

static void log_rate_is_bounded(void **state)
{
	struct hf_log_limit l = {0};
	uint32_t held, passed = 0, i;
	(void)state;
	for (i = 0; i < 100; i++)
		passed += hf_log_limit_pass(&l, 10 * HF_NS_S + i, &held);
	assert_int_equal(passed, HF_LOG_BURST);
	assert_true(hf_log_limit_pass(&l, 11 * HF_NS_S, &held));
	assert_int_equal(held, 100 - HF_LOG_BURST);
	assert_true(hf_log_limit_pass(&l, 11 * HF_NS_S + 1, &held));
	assert_int_equal(held, 0);
}

/* RFC 5952 */
static void addresses_in_words(void **state)
{
	struct hf_addr v4 = hf_addr_v4(0x0a0900fe), v6 = {{0x20, 1, 0x0d, 0xb8, [15] = 1}}, longest;
	(void)state;
	memset(&longest, 0xff, sizeof(longest));
	assert_string_equal(hf_os_addr_text(&v4).s, "10.9.0.254");
	assert_string_equal(hf_os_endpoint_text(&v4, 443).s, "10.9.0.254:443");
	assert_string_equal(hf_os_addr_text(&v6).s, "2001:db8::1");
	assert_string_equal(hf_os_endpoint_text(&v6, 1).s, "[2001:db8::1]:1");
	assert_string_equal(hf_os_endpoint_text(&longest, 65535).s,
		"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
}

static void times_in_words(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} t[] = {{-5, "0 minutes"}, {59, "0 minutes"}, {60, "1 minute"}, {7199, "119 minutes"},
		{7200, "2 hours"}, {172799, "47 hours"}, {172800, "2 days"},
		{INT64_MAX, "106751991167300 days"}};
	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(t); i++)
		assert_string_equal(hf_os_time_text(t[i].seconds).s, t[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_in_words),
		cmocka_unit_test(times_in_words),
		cmocka_unit_test(tiers_agree_with_the_kernel),
		cmocka_unit_test(environment_hides_tiers),
		cmocka_unit_test(clocks_run_forward),
		cmocka_unit_test(random_differs),
		cmocka_unit_test(thread_goes_where_it_is_pinned),
		cmocka_unit_test(region_is_carved),
		cmocka_unit_test(region_without_huge_pages),
#ifndef __SANITIZE_ADDRESS__
		cmocka_unit_test(region_is_locked),
		cmocka_unit_test(locking_beyond_the_limit_is_told),
#endif
		cmocka_unit_test(panic_says_where_and_dumps_once),
		cmocka_unit_test(log_lines),
		cmocka_unit_test(log_rate_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
