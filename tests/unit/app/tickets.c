/* tickets.c -- where ticket keys come from: what the files may hold, that a secret and an epoch say
 * everything, that random keys say nothing, and when a set is due. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "app/handfast/tickets.h"
#include "drivers/drivers.h"
#include "tests/support/test.h"

#define ROTATION_S 3600u
#define EPOCH 400000u
#define WALL_NS(epoch) ((epoch) * (uint64_t)ROTATION_S * HF_NS_S)

static char dir[] = "/tmp/handfast-tickets-XXXXXX";
static struct hf_config defaults;
static char path[128];

static int setup(void **state)
{
	struct hf_config_errors errs;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	hf_config_write_default(f);
	(void)fclose(f);
	assert_int_equal(hf_config_parse_bytes("defaults", text, len, &defaults, &errs), 0);
	free(text);
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	hf_config_free(&defaults);
	(void)unlink(path);
	return rmdir(dir);
}

/* A file of len bytes: first, first + 1 ... in each block. */
static const char *file_of(size_t len, uint8_t first, size_t block)
{
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/file", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	for (size_t i = 0; i < len; i++)
		(void)fputc((uint8_t)(first + i / block), f);
	(void)fclose(f);
	(void)chmod(path, 0600);
	return path;
}

static struct hf_config config(const char *secret, const char *keys)
{
	struct hf_config cfg = defaults;

	cfg.tls.ticket_secret = secret;
	cfg.tls.ticket_keys = keys;
	cfg.tls.ticket_rotation_ns = ROTATION_S * HF_NS_S;
	cfg.tls.session_lifetime_ns = 7200 * HF_NS_S;
	return cfg;
}

static struct hf_tickets_source *load(const char *secret, const char *keys)
{
	struct hf_config_errors errs = {.cnt = 0};
	struct hf_config cfg = config(secret, keys);

	return hf_tickets_source_load(&cfg, &errs);
}

/* The daemon's part, with this source. */
static struct hf_tickets *open_with(struct hf_tickets_source *s)
{
	struct hf_tickets *t = hf_tickets_open(&hf_sym_libcrypto);

	assert_non_null(s);
	assert_non_null(t);
	hf_tickets_use(t, s);
	return t;
}

static struct hf_tls_tickets set_at(struct hf_tickets *t, uint64_t epoch)
{
	const struct hf_tls_tickets *set = hf_tickets_due(t, WALL_NS(epoch) + 5);
	struct hf_tls_tickets copy;

	assert_non_null(set);
	copy = *set;
	assert_null(hf_tickets_due(t, WALL_NS(epoch + 1) - 1)); /* once */
	hf_tickets_taken(t);
	assert_int_equal(set->key_cnt, 0);
	assert_int_equal(set->key[0].cipher[0] | set->key[0].cipher[31] | set->key[0].mac[7], 0);
	return copy;
}

static bool same(const struct hf_tls_ticket_key *a, const struct hf_tls_ticket_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Nothing of one key is in the other but the name's readable front. */
static void expect_other(const struct hf_tls_ticket_key *a, const struct hf_tls_ticket_key *b)
{
	assert_memory_not_equal(a->name + 6, b->name + 6, 10);
	assert_memory_not_equal(a->cipher, b->cipher, 32);
	assert_memory_not_equal(a->mac, b->mac, 32);
	assert_memory_not_equal(a->bind, b->bind, 16);
	assert_memory_not_equal(a->cipher, a->mac, 32);
}

static void one_secret_one_set(void **state)
{
	struct hf_tickets *a = open_with(load(file_of(32, 7, 32), NULL));
	struct hf_tickets *b = open_with(load(file_of(32, 7, 32), NULL));
	struct hf_tickets *c = open_with(load(file_of(33, 7, 33), NULL));
	struct hf_tls_tickets x = set_at(a, EPOCH), y = set_at(b, EPOCH), z = set_at(c, EPOCH);
	static const uint8_t front[] = {HF_TLS_TICKET_NAME_VERSION, 'e', EPOCH >> 24,
		EPOCH >> 16 & 255, EPOCH >> 8 & 255, EPOCH & 255};

	(void)state;
	assert_int_equal(x.key_cnt, 3);
	assert_int_equal(x.lifetime_s, 7200);
	assert_int_equal(x.generation, 1);
	assert_int_equal(hf_tickets_epoch(a), EPOCH);
	assert_memory_equal(x.key[0].name, front, sizeof(front));
	assert_memory_equal(x.key, y.key, sizeof(x.key));
	for (uint32_t i = 0; i < 3; i++) {
		expect_other(&x.key[i], &z.key[i]);
		expect_other(&x.key[i], &x.key[(i + 1) % 3]);
	}
	/* The next epoch: what was next seals, what sealed is the one before. */
	y = set_at(a, EPOCH + 1);
	assert_int_equal(y.generation, 2);
	assert_true(same(&y.key[0], &x.key[2]));
	assert_true(same(&y.key[1], &x.key[0]));
	/* A box that slept, and one whose clock went back, have what the others have. */
	z = set_at(b, EPOCH + 1);
	assert_memory_equal(y.key, z.key, sizeof(y.key));
	y = set_at(a, EPOCH);
	assert_memory_equal(y.key, x.key, sizeof(y.key));
	hf_tickets_close(a);
	hf_tickets_close(b);
	hf_tickets_close(c);
}

static void random_keys_are_this_processs(void **state)
{
	struct hf_tickets *a = open_with(load(NULL, NULL)), *b = open_with(load(NULL, NULL));
	struct hf_tls_tickets x = set_at(a, EPOCH), y = set_at(b, EPOCH);

	(void)state;
	assert_int_equal(x.key_cnt, 1);
	assert_int_equal(x.key[0].name[1], 'r');
	expect_other(&x.key[0], &y.key[0]);
	y = set_at(a, EPOCH + 1);
	assert_int_equal(y.key_cnt, 2);
	assert_true(same(&y.key[1], &x.key[0]));
	expect_other(&y.key[0], &x.key[0]);
	hf_tickets_use(a, load(NULL, NULL)); /* a reload changes none */
	x = set_at(a, EPOCH + 1);
	assert_int_equal(x.generation, 3);
	assert_memory_equal(x.key, y.key, sizeof(x.key));
	x = set_at(a, EPOCH + 2);
	assert_int_equal(x.key_cnt, 2);
	assert_true(same(&x.key[1], &y.key[0]));
	hf_tickets_close(a);
	hf_tickets_close(b);
}

static void keys_of_a_file(void **state)
{
	struct hf_tickets *a = open_with(load(NULL, file_of(240, 1, 80)));
	struct hf_tls_tickets x = set_at(a, EPOCH), y;

	(void)state;
	assert_int_equal(x.key_cnt, 3);
	assert_memory_equal(x.key[0].name, "\1f\0\0\0\0", 6);
	assert_int_equal(hf_tickets_epoch(a), 0);
	for (uint32_t i = 0; i < 3; i++)
		expect_other(&x.key[i], &x.key[(i + 1) % 3]);
	assert_null(hf_tickets_due(a, WALL_NS(EPOCH + 5))); /* the clock does not turn them */
	hf_tickets_use(a, load(NULL, file_of(80, 2, 80)));
	y = set_at(a, EPOCH);
	assert_int_equal(y.key_cnt, 1);
	assert_true(same(&y.key[0], &x.key[1])); /* wherever it stands */
	hf_tickets_use(a, load(NULL, file_of(640, 1, 80)));
	y = set_at(a, EPOCH);
	assert_int_equal(y.key_cnt, 8);
	hf_tickets_close(a);
}

static void switched_off(void **state)
{
	struct hf_config_errors errs = {.cnt = 0};
	struct hf_config cfg = config(NULL, NULL);
	struct hf_tls_tickets x;
	struct hf_tickets *a;

	(void)state;
	cfg.tls.tickets = HF_SWITCH_OFF;
	cfg.tls.ticket_keys = "/nonexistent";
	a = open_with(hf_tickets_source_load(&cfg, &errs));
	x = set_at(a, EPOCH);
	assert_int_equal(x.key_cnt, 0);
	assert_int_equal(x.lifetime_s, 7200);
	hf_tickets_close(a);
}

static void files_that_are_refused(void **state)
{
	static const struct {
		size_t len;
		bool keys;
	} rows[] = {{0, true}, {79, true}, {81, true}, {720, true}, {2000, true}, {0, false},
		{31, false}, {1025, false}};

	(void)state;
	for (size_t i = 0; i < HF_ARRAY_LEN(rows); i++) {
		struct hf_config_errors errs = {.cnt = 0};
		const char *file = file_of(rows[i].len, 1, 80);
		struct hf_config cfg =
			config(rows[i].keys ? NULL : file, rows[i].keys ? file : NULL);

		assert_null(hf_tickets_source_load(&cfg, &errs));
		assert_int_equal(errs.cnt, 1);
		assert_string_equal(
			errs.e[0].path, rows[i].keys ? "tls.ticket_keys" : "tls.ticket_secret");
		assert_non_null(strstr(errs.e[0].remedy, "openssl rand"));
	}
	assert_null(load("/nonexistent/secret", NULL));
	assert_null(load(NULL, "/nonexistent/keys"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_secret_one_set),
		cmocka_unit_test(random_keys_are_this_processs),
		cmocka_unit_test(keys_of_a_file),
		cmocka_unit_test(switched_off),
		cmocka_unit_test(files_that_are_refused),
	};

	return cmocka_run_group_tests_name("tickets", tests, setup, teardown);
}
