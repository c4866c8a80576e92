/* auth_turns.c -- clients' certificates beside private keys in a worker's turns: one of either a turn,
 * neither waits for all of the other, and what was cancelled comes back with nothing else to do. */
#include "tests/support/worker_rig.h"

static struct rig rig;
static struct rsa_key key;
static uint8_t chain[100];
static const struct hf_auth_ca ca;
static struct hf_auth_client who;
static struct hf_tls_use use;

static enum hf_auth_verdict check(const struct hf_auth_question *q, struct hf_auth_client *out)
{
	(void)q;
	(void)out;
	return HF_AUTH_OK;
}

static const struct hf_auth_driver driver = {"double", check};

static int set_up(void **state)
{
	static const uint16_t suite[] = {0x009c};

	(void)state;
	rsa_key_make(&key, 2048, 2);
	rig = (struct rig){.cert = {.list = {chain, sizeof(chain)}, .key = &key.key},
		.alpn = "http/1.1",
		.auth = &driver,
		.suite = suite,
		.suite_cnt = 1};
	rig_init(&rig);
	rig_settle(&rig);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(use.cnt, 0);
	assert_true(hf_worker_is_idle(rig.w));
	rig_fini(&rig);
	rsa_key_free(&key);
	return 0;
}

/* Of a connection that is gone already: a job is then only given back. */
static struct hf_auth_job *client_comes(void)
{
	struct hf_auth_job *job = hf_auth_take(rig.w->auth);

	assert_non_null(job);
	job->owner = UINT64_C(99) << 32;
	job->user = &use;
	job->ca = &ca;
	job->client = &who;
	use.cnt++;
	hf_auth_submit(rig.w->auth, job, rig.now);
	return job;
}

static void key_is_wanted(void)
{
	struct hf_pk_job *job = hf_pk_take(rig.w->pk);

	assert_non_null(job);
	job->owner = UINT64_C(99) << 32;
	job->user = &use;
	job->op = HF_PK_RSA_SIGN_PKCS1;
	job->key = &key.key;
	job->hash = HF_SHA256;
	job->in_len = 32;
	use.cnt++;
	hf_pk_submit(rig.w->pk, job, rig.now);
}

static void cancelled_ones_come_back(void **state)
{
	struct hf_auth_job *first = client_comes(), *second = client_comes();

	(void)state;
	hf_auth_cancel(rig.w->auth, first);
	hf_auth_cancel(rig.w->auth, second);
	rig_turn(&rig);
	assert_int_equal(hf_auth_stats(rig.w->auth)->cancelled, 2);
	assert_int_equal(hf_auth_stats(rig.w->auth)->jobs, 0);
}

/* Whoever of them has come first: no turn has two, and both have got half when the other's half is
 * done. */
static void both_get_their_turns(void **state)
{
	const struct hf_auth_stats *auth = hf_auth_stats(rig.w->auth);
	const struct hf_pk_stats *pk = hf_pk_stats(rig.w->pk);

	(void)state;
	for (int first = 0; first < 2; first++) {
		uint64_t verified = auth->verified, ops = pk->scalar_ops;

		for (int i = 0; i < 4; i++)
			client_comes();
		if (first)
			rig_turn(&rig); /* nothing was there for keys */
		for (int i = 0; i < 4; i++)
			key_is_wanted();
		for (int turn = 0; turn < 40 && (auth->jobs || pk->jobs); turn++) {
			uint64_t v = auth->verified, o = pk->scalar_ops;

			rig_turn(&rig);
			v = auth->verified - v;
			o = pk->scalar_ops - o;
			assert_true(v + o <= 1);
			if (auth->verified - verified == 3)
				assert_true(pk->scalar_ops - ops >= 1);
		}
		assert_int_equal(auth->verified - verified, 4);
		assert_int_equal(pk->scalar_ops - ops, 4);
	}
}

/* As long as anyone waits the worker does not sleep. */
static void it_does_not_sleep_over_it(void **state)
{
	uint32_t turns = 0;

	(void)state;
	for (int i = 0; i < 4; i++)
		client_comes();
	while (hf_auth_stats(rig.w->auth)->jobs) {
		assert_true(rig_turn(&rig));
		assert_true(++turns < 20);
	}
}

/* Also in a turn that has nothing else to do. */
static void time_with_keys_is_called_that(void **state)
{
	(void)state;
	assert_int_equal(rig.w->cycles[HF_GAP_pk_whole], 0);
	key_is_wanted();
	rig_settle(&rig);
	assert_true(rig.w->cycles[HF_GAP_pk_whole] > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(cancelled_ones_come_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(both_get_their_turns, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_does_not_sleep_over_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(time_with_keys_is_called_that, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("auth_turns", tests, NULL, NULL);
}
