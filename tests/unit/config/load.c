/* Options files: what a good one becomes, what every bad one is told, what is generated. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "lib/config/config.h"

#define BAD "tests/unit/config/bad"

static struct hf_config_errors errs;

static struct hf_config parse(const char *text)
{
	struct hf_config cfg;
	int rc = hf_config_parse_bytes("dir/x.yaml", text, strlen(text), &cfg, &errs);
	if (rc < 0)
		hf_config_errors_print(&errs, stderr);
	assert_int_equal(rc, 0);
	assert_int_equal(errs.cnt, 0);
	return cfg;
}

static void refuse(const char *text, const char *line)
{
	struct hf_config cfg;
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);
	assert_int_equal(hf_config_parse_bytes("x.yaml", text, strlen(text), &cfg, &errs), -1);
	assert_null(cfg.mem);
	hf_config_errors_print(&errs, f);
	fclose(f);
	if (!strstr(out, line))
		print_error("%s", out);
	assert_non_null(strstr(out, line));
	free(out);
}

static const char minimal[] = "ports:\n"
			      "  - {name: wan0, device: net_null0, addresses: [10.9.0.1/24]}\n"
			      "listeners:\n"
			      "  - name: www\n"
			      "    address: 10.9.0.1:443\n"
			      "    certificates: [two, one]\n"
			      "    backend: web\n"
			      "certificates:\n"
			      "  - {name: one, chain: one.pem, key: /k/one.key}\n"
			      "  - {name: two, chain: sub/two.pem, key: /k/two.key}\n"
			      "backends:\n"
			      "  - {name: web, socket: web.sock, uid: 1000}\n";

static void defaults_hold(void **state)
{
	struct hf_config cfg = parse(minimal);
	const struct hf_config_listener *l = &cfg.listeners[0];
	(void)state;
	assert_int_equal(cfg.ports_cnt, 1);
	assert_string_equal(cfg.ports[0].name, "wan0");
	assert_int_equal(cfg.ports[0].mtu, 1500);
	assert_int_equal(cfg.ports[0].l2, HF_L2_REFLECT);
	assert_int_equal(cfg.ports[0].addresses.cnt, 1);
	assert_int_equal(cfg.ports[0].addresses.v[0].prefix_len, 24);
	assert_false(hf_addr_is_v4(&cfg.ports[0].gateway));
	assert_int_equal(l->address.port, 443);
	assert_true(hf_addr_eq(&l->address.addr, &cfg.ports[0].addresses.v[0].addr));
	assert_int_equal(l->certificates.cnt, 2);
	assert_int_equal(l->certificates.v[0].index, 1);
	assert_int_equal(l->certificates.v[1].index, 0);
	assert_int_equal(l->backend.index, 0);
	assert_int_equal(l->alpn.cnt, 1);
	assert_string_equal(l->alpn.v[0], "http/1.1");
	assert_int_equal(cfg.timeouts.linger_ns, 30 * HF_NS_S);
	assert_int_equal(l->linger_ns, 30 * HF_NS_S);
	assert_int_equal(cfg.timeouts.idle_ns, 120 * HF_NS_S);
	/* relative paths start at the file's folder */
	assert_string_equal(cfg.certificates[1].chain, "dir/sub/two.pem");
	assert_string_equal(cfg.certificates[1].key, "/k/two.key");
	assert_string_equal(cfg.backends[0].socket, "dir/web.sock");
	assert_int_equal(cfg.backends[0].user.uid, 1000);
	assert_int_equal(cfg.workers.count, 1);
	assert_int_equal(cfg.workers.cores.cnt, 0);
	assert_int_equal(cfg.tls.profile, HF_PROFILE_LEGACY);
	assert_int_equal(cfg.tls.suites.cnt, 0);
	assert_int_equal(cfg.tls.groups.cnt, 2);
	assert_int_equal(cfg.tls.groups.v[0], 29);
	assert_int_equal(l->unknown_name, HF_UNKNOWN_NAME_DEFAULT);
	assert_int_equal(l->alpn_backends.cnt, 0);
	assert_null(cfg.tls.keylog);
	assert_null(cfg.process.run_as.name);
	assert_int_equal(cfg.process.log_level, HF_LEVEL_INFO);
	assert_string_equal(cfg.stats.socket, "/run/handfast/control.sock");
	assert_int_equal(cfg.stats.mode, 0660);
	assert_int_equal(cfg.dpdk.args.cnt, 0);
	hf_config_free(&cfg);
	assert_null(cfg.mem);
}

static void networks_hold(void **state)
{
	char text[2048];
	struct hf_config cfg;
	const struct hf_config_limits *l = &cfg.limits;
	(void)state;
	snprintf(text, sizeof(text),
		"%slimits: {allow: [10.0.0.0/8, 192.0.2.7, \"2001:db8::/32\"], cost: 100ms,\n"
		"  deny: [0.0.0.0/0, \"::/0\", \"2001:db8::1\"], half_open: 64}\n",
		minimal);
	cfg = parse(text);
	assert_int_equal(l->allow.cnt, 3);
	assert_int_equal(l->allow.v[0].len, 96 + 8);
	assert_int_equal(l->allow.v[0].addr.b[12], 10);
	assert_int_equal(l->allow.v[1].len, 128);
	assert_int_equal(l->allow.v[2].len, 32);
	assert_int_equal(l->deny.v[0].len, 96);
	assert_int_equal(l->deny.v[1].len, 0);
	assert_int_equal(l->deny.v[2].len, 128);
	assert_int_equal(l->half_open, 64);
	assert_int_equal(l->handshakes, 0);
	assert_int_equal(l->cost_ns, 100 * HF_NS_MS);
	assert_int_equal(l->prefix4, 24);
	assert_int_equal(l->prefix6, 56);
	hf_config_free(&cfg);
}

static void written_values_hold(void **state)
{
	char text[2048];
	struct hf_config cfg;
	(void)state;
	snprintf(text, sizeof(text),
		"%sworkers: {count: 2, cores: [3, 1], idle: poll}\n"
		"timeouts:\n  hello: 250ms\n  idle: 2h\n  linger: 0s\n  time_wait: 1500us\n"
		"tls: {suites: [TLS_RSA_WITH_AES_256_GCM_SHA384], keylog: keys.log,\n"
		"  profile: modern, groups: [P-384, P-256, X25519]}\n"
		"process: {run_as: 33, log_level: debug}\n"
		"stats: {socket: /s, mode: 0600}\n"
		"dpdk: {args: [--no-huge, \"-m\", '256']}\n"
		"memory: {hugepages: require}\n",
		minimal);
	cfg = parse(text);
	assert_int_equal(cfg.workers.cores.v[0], 3);
	assert_int_equal(cfg.workers.cores.v[1], 1);
	assert_int_equal(cfg.workers.idle, HF_IDLE_POLL);
	assert_int_equal(cfg.timeouts.hello_ns, 250 * HF_NS_MS);
	assert_int_equal(cfg.timeouts.idle_ns, 7200 * HF_NS_S);
	assert_int_equal(cfg.timeouts.time_wait_ns, 1500 * HF_NS_US);
	assert_int_equal(cfg.listeners[0].linger_ns, 0);
	assert_int_equal(cfg.tls.suites.v[0], 0x009d);
	assert_int_equal(cfg.tls.profile, HF_PROFILE_MODERN);
	assert_int_equal(cfg.tls.groups.v[0], 24);
	assert_string_equal(hf_config_suite_name(0x009d), "TLS_RSA_WITH_AES_256_GCM_SHA384");
	assert_null(hf_config_suite_name(0x1301));
	assert_string_equal(cfg.tls.keylog, "dir/keys.log");
	assert_int_equal(cfg.process.run_as.uid, 33);
	assert_int_equal(cfg.stats.mode, 0600);
	assert_int_equal(cfg.dpdk.args.cnt, 3);
	assert_string_equal(cfg.dpdk.args.v[1], "-m");
	assert_int_equal(cfg.memory.hugepages, HF_HUGEPAGES_REQUIRE);
	hf_config_free(&cfg);
}

static void sections_may_be_empty(void **state)
{
	char text[2048];
	struct hf_config cfg;
	(void)state;
	snprintf(text, sizeof(text), "%stls:\ntimeouts: {}\nmemory:\n  # nothing\n", minimal);
	cfg = parse(text);
	assert_int_equal(cfg.tls.groups.cnt, 2);
	assert_int_equal(cfg.memory.conns, 8192);
	hf_config_free(&cfg);
}

/* ---- every file in the folder: its "# expect LINE: FRAGMENT" lines, and not one error more ---- */

static void check_bad_file(const char *path)
{
	struct hf_config cfg;
	char line[512], want[600], *out = NULL, *save, *got;
	size_t len;
	FILE *f = fopen(path, "r"), *m = open_memstream(&out, &len);
	assert_non_null(f);
	assert_int_equal(hf_config_load(path, &cfg, &errs), -1);
	hf_config_errors_print(&errs, m);
	fclose(m);
	got = strtok_r(out, "\n", &save);
	while (fgets(line, sizeof(line), f) && strncmp(line, "# expect ", 9) == 0) {
		unsigned at, col;
		char *fragment = strchr(line, ':') + 2;
		int end = 0;
		fragment[strcspn(fragment, "\n")] = '\0';
		at = (unsigned)strtoul(line + 9, NULL, 10);
		snprintf(want, sizeof(want), "%s:%u:%%u: %%n", path, at);
		if (!got || sscanf(got, want, &col, &end) != 1 || end == 0 ||
			strncmp(got + end, fragment, strlen(fragment)) != 0)
			fail_msg("%s: want line %u: %s\n  got %s", path, at, fragment,
				got ? got : "nothing");
		assert_non_null(strstr(got + end, "; ")); /* a remedy follows the reason */
		got = strtok_r(NULL, "\n", &save);
	}
	if (got)
		fail_msg("%s: one error too many: %s", path, got);
	fclose(f);
	free(out);
}

static void bad_files_are_told_why(void **state)
{
	struct dirent **list;
	int i, n = scandir(BAD, &list, NULL, alphasort), checked = 0;
	(void)state;
	assert_true(n > 0);
	for (i = 0; i < n; i++) {
		char path[512];
		snprintf(path, sizeof(path), BAD "/%s", list[i]->d_name);
		if (strstr(path, ".yaml")) {
			check_bad_file(path);
			checked++;
		}
		free(list[i]);
	}
	free(list);
	print_message("%d bad files\n", checked);
	assert_true(checked >= 80);
}

static void files_that_cannot_be_read(void **state)
{
	struct hf_config cfg;
	char big[] = "/tmp/hf_config_XXXXXX", name[300] = "";
	int fd = mkstemp(big);
	(void)state;
	assert_int_equal(hf_config_load("tests/absent.yaml", &cfg, &errs), -1);
	assert_string_equal(errs.e[0].reason, "No such file or directory");
	assert_int_equal(hf_config_load("tests", &cfg, &errs), -1);
	assert_string_equal(errs.e[0].reason, "Is a directory");
	memset(name, 'x', sizeof(name) - 1);
	assert_int_equal(hf_config_load(name, &cfg, &errs), -1);
	assert_string_equal(errs.e[0].reason, "File name too long");
	assert_non_null(strstr(errs.e[0].remedy, "at most 255 bytes"));
	assert_int_equal(hf_config_load("Makefile/x.yaml", &cfg, &errs), -1);
	assert_non_null(strstr(errs.e[0].remedy, "a folder in it is a file"));
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
	assert_int_equal(hf_config_load(big, &cfg, &errs), -1);
	assert_string_equal(errs.e[0].reason, "is larger than 1 MB");
	close(fd);
	unlink(big);
}

static void texts_that_no_file_holds(void **state)
{
	(void)state;
	refuse("", "x.yaml:1:1: the file is empty");
	refuse("# only a comment\n", "the file is empty");
	refuse("- a\n- b\n", "x.yaml:1:1: the file is no mapping of sections");
	refuse("\xff\xfe", "this is not YAML");
	refuse("a: \x01\n", "this is not YAML: control characters are not allowed");
	refuse("ports: [\n", "this is not YAML: while parsing a flow node from line");
}

static void errors_beyond_the_room_are_counted(void **state)
{
	char text[8192];
	size_t len = 0, i;
	struct hf_config cfg;
	(void)state;
	for (i = 0; i < 50; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "k%zu: 1\n", i);
	len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", minimal);
	assert_int_equal(hf_config_parse_bytes("x.yaml", text, len, &cfg, &errs), -1);
	assert_int_equal(errs.cnt, HF_CONFIG_ERRORS_MAX);
	assert_int_equal(errs.dropped, 50 - HF_CONFIG_ERRORS_MAX);
}

/* ---- errors of the program's own ---- */

static void assert_error(uint32_t i, uint32_t line, uint32_t col, const char *path)
{
	assert_int_equal(errs.e[i].pos.line, line);
	assert_int_equal(errs.e[i].pos.col, col);
	assert_string_equal(errs.e[i].path, path);
}

static void fields_lead_back_to_their_place(void **state)
{
	struct hf_config cfg = parse(minimal);
	(void)state;
	hf_config_error_at(&cfg, &errs, &cfg.certificates[1].key, "use its own key",
		"the key is not that of the certificate (%s)", "two");
	hf_config_error_at(&cfg, &errs, &cfg.listeners[0].certificates.v[1], "r", "x");
	hf_config_error_at(&cfg, &errs, &cfg.ports[0], "r", "x");
	hf_config_error_at(&cfg, &errs, &cfg.ports[0].mtu, "r", "x");    /* not written */
	hf_config_error_at(&cfg, &errs, &cfg.workers.count, "r", "x");   /* nor its section */
	hf_config_error_at(&cfg, &errs, &cfg.tls.groups.v[1], "r", "x"); /* nor the list */
	hf_config_error_at(&cfg, &errs, &cfg.backends, "r", "x");
	assert_int_equal(errs.cnt, 7);
	assert_error(0, 0, 0, "workers.count");
	assert_error(1, 0, 0, "tls.groups[1]");
	assert_error(2, 2, 5, "ports[0]");
	assert_error(3, 2, 5, "ports[0].mtu");
	assert_error(4, 6, 25, "listeners[0].certificates[1]");
	assert_error(5, 10, 42, "certificates[1].key");
	assert_string_equal(errs.e[5].reason, "the key is not that of the certificate (two)");
	assert_string_equal(errs.e[5].remedy, "use its own key");
	assert_error(6, 11, 1, "backends");
	hf_config_free(&cfg);
}

/* ---- reload ---- */

static const char *reload_error(const char *from, const char *to)
{
	static char text[2048];
	struct hf_config now = parse(minimal), next;
	const char *at = strstr(minimal, from);
	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - minimal), minimal, to,
		at + strlen(from));
	next = parse(text);
	text[0] = '\0';
	if (hf_config_check_reload(&now, &next, &errs) < 0)
		snprintf(text, sizeof(text), "%u %s: %s", errs.cnt, errs.e[0].path,
			errs.e[0].reason);
	hf_config_free(&now);
	hf_config_free(&next);
	return text;
}

/* Both families and VLANs on one port; a gateway may be link-local; [::] is what 0.0.0.0 is. */
static void ports_of_both_families(void **state)
{
	static const char text[] =
		"ports:\n"
		"  - name: wan0\n"
		"    device: net_null0\n"
		"    addresses: [10.9.0.1/24, '2001:db8::1/64@12', 'fe80::5/64@13', "
		"10.8.0.1/24@4094]\n"
		"    gateway: 10.8.0.9\n"
		"    gateway6: fe80::1\n"
		"    l2: gateway\n"
		"listeners:\n"
		"  - {name: a, address: '[2001:db8::1]:443', certificates: [c], backend: web}\n"
		"  - {name: b, address: '[::]:444', certificates: [c], backend: web}\n"
		"  - {name: c, address: 0.0.0.0:445, certificates: [c], backend: web}\n"
		"certificates:\n"
		"  - {name: c, chain: one.pem, key: /k/one.key}\n"
		"backends:\n"
		"  - {name: web, socket: web.sock, uid: 1000}\n";
	struct hf_config cfg = parse(text);
	const struct hf_config_port *p = &cfg.ports[0];
	const struct hf_config_cidr *a = p->addresses.v;
	struct hf_addr global = {{0x20, 1, 0x0d, 0xb8, [15] = 1}}, any = hf_addr_v4(0);
	struct hf_addr near = {{0x20, 1, 0x0d, 0xb8, [8] = 0xff}}, far = {{0x20, 1, 0x0d, 0xb9}};
	(void)state;
	assert_int_equal(a[0].vlan, 0);
	assert_int_equal(a[1].vlan, 12);
	assert_int_equal(a[3].vlan, 4094);
	assert_int_equal(a[1].prefix_len, 64);
	assert_true(hf_addr_eq(&a[1].addr, &global));
	assert_true(hf_addr_eq(&cfg.listeners[0].address.addr, &global));
	assert_int_equal(cfg.listeners[0].address.port, 443);
	assert_true(hf_addr_eq(&cfg.listeners[1].address.addr, &any));
	assert_true(hf_addr_eq(&cfg.listeners[2].address.addr, &any));
	assert_int_equal(hf_config_gateway_from(p, &p->gateway), 3);
	assert_int_equal(hf_config_gateway_from(p, &p->gateway6), 1); /* the first of its family */
	assert_int_equal(hf_config_gateway_from(p, &near), 1);
	assert_int_equal(hf_config_gateway_from(p, &far), 4);
	hf_config_free(&cfg);
}

static void reload_takes_what_it_can(void **state)
{
	(void)state;
	assert_string_equal(reload_error("", ""), "");
	assert_string_equal(reload_error("/k/one.key", "/k/new.key"), "");
	assert_string_equal(reload_error("10.9.0.1:443", "0.0.0.0:444"), "");
	assert_string_equal(reload_error("  - name: www\n",
				    "  - {name: api, address: 10.9.0.1:444, certificates: [one], "
				    "backend: web}\n  - name: www\n"),
		"");
	assert_string_equal(reload_error("[two, one]", "[one]"), "");
	assert_string_equal(reload_error("backend: web\n", "backend: web\n    alpn: [h2]\n"), "");
	assert_string_equal(reload_error("certificates:\n  -",
				    "certificates:\n  - {name: three, chain: a, key: b}\n  -"),
		"");
	assert_string_equal(reload_error("ports:", "timeouts: {idle: 10s}\nports:"), "");
}

static void reload_tells_what_changes(void **state)
{
	struct hf_config
		now = parse(minimal),
		next = parse(
			"ports:\n  - {name: wan0, device: net_null0, addresses: [10.9.0.1/24]}\n"
			"listeners:\n  - {name: www, address: 10.9.0.1:444, certificates: [three], "
			"backend: web}\n"
			"certificates:\n  - {name: three, chain: a, key: b}\n"
			"backends:\n  - {name: web, socket: web.sock, uid: 1000}\n"
			"timeouts: {idle: 10s}\n");
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	(void)state;
	assert_int_equal(hf_config_write_changes(out, &now, &now), 0);
	assert_true(hf_config_write_changes(out, &now, &next) >= 6);
	fclose(out);
	assert_non_null(strstr(text, "  listeners www.address: changed\n"));
	assert_non_null(strstr(text, "  listeners www.certificates: changed\n"));
	assert_non_null(strstr(text, "  certificates three: new\n"));
	assert_non_null(strstr(text, "  certificates one: gone\n"));
	assert_non_null(strstr(text, "  certificates two: gone\n"));
	assert_non_null(strstr(text, "  timeouts.idle: 10s, was 2m\n"));
	free(text);
	hf_config_free(&now);
	hf_config_free(&next);
}

static void reload_refuses_what_needs_a_restart(void **state)
{
	(void)state;
	assert_string_equal(reload_error("ports:", "timeouts: {close: 1s}\nports:"),
		"1 timeouts.close: cannot change while running");
	assert_string_equal(reload_error("[10.9.0.1/24]", "[10.9.0.1/24, 10.9.0.2/24]"),
		"1 ports[0].addresses: cannot change while running");
	assert_string_equal(reload_error("uid: 1000", "uid: 1001"),
		"1 backends[0].uid: cannot change while running");
	assert_string_equal(reload_error("ports:", "workers: {count: 2}\nports:"),
		"1 workers.count: cannot change while running");
	assert_string_equal(reload_error("ports:", "tls: {keylog: k}\nports:"),
		"1 tls.keylog: cannot change while running");
	assert_string_equal(reload_error("  - {name: web,",
				    "  - {name: api, socket: api.sock, uid: 1}\n  - {name: web,"),
		"2 backends[0]: \"api\" is new, and backends cannot be added while running");
	/* workers know backends by their place in the list */
	assert_string_equal(
		errs.e[1].reason, "\"web\" has moved, and backends cannot while running");
	assert_string_equal(reload_error("uid: 1000}\n",
				    "uid: 1000}\n  - {name: api, socket: api.sock, uid: 1}\n"),
		"1 backends[1]: \"api\" is new, and backends cannot be added while running");
	/* a new name is one that came and one that went */
	assert_string_equal(reload_error("name: wan0", "name: wan1"),
		"2 ports: \"wan0\" is gone, and ports cannot be removed while running");
}

/* ---- generated files ---- */

static void assert_same_file(const char *path, void (*write)(FILE *))
{
	char *want = NULL, *got;
	size_t len;
	struct stat st;
	FILE *m = open_memstream(&want, &len), *f = fopen(path, "r");
	write(m);
	fclose(m);
	if (!f || fstat(fileno(f), &st) < 0)
		fail_msg("%s is missing: make config-files", path);
	got = calloc(1, (size_t)st.st_size + 1);
	assert_int_equal(fread(got, 1, (size_t)st.st_size, f), st.st_size);
	if (strcmp(want, got) != 0)
		fail_msg("%s is stale: make config-files", path);
	fclose(f);
	free(got);
	free(want);
}

static void generated_files_are_fresh(void **state)
{
	struct hf_config cfg;
	char *text = NULL;
	size_t len;
	FILE *m = open_memstream(&text, &len);
	(void)state;
	assert_same_file("config/handfast.yaml", hf_config_write_default);
	assert_same_file("config/REFERENCE.md", hf_config_write_reference);
	hf_config_write_default(m);
	fclose(m);
	cfg = parse(text);
	assert_string_equal(cfg.listeners[0].name, "www");
	hf_config_free(&cfg);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_hold),
		cmocka_unit_test(written_values_hold),
		cmocka_unit_test(networks_hold),
		cmocka_unit_test(sections_may_be_empty),
		cmocka_unit_test(bad_files_are_told_why),
		cmocka_unit_test(files_that_cannot_be_read),
		cmocka_unit_test(texts_that_no_file_holds),
		cmocka_unit_test(errors_beyond_the_room_are_counted),
		cmocka_unit_test(fields_lead_back_to_their_place),
		cmocka_unit_test(ports_of_both_families),
		cmocka_unit_test(reload_takes_what_it_can),
		cmocka_unit_test(reload_tells_what_changes),
		cmocka_unit_test(reload_refuses_what_needs_a_restart),
		cmocka_unit_test(generated_files_are_fresh),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
