/* auth.c -- the queue of clients' certificates: its order, its bounds, what is counted, and that what
 * lies in pieces is put together right. */
#include "lib/crypto/auth.h"
#include "tests/support/test.h"

#define JOB_CNT 4u

static struct hf_auth *a;
static const struct hf_auth_ca ca;
static struct hf_auth_client client;
static enum hf_auth_verdict answer;
static uint8_t seen[HF_AUTH_LIST_MAX];
static size_t seen_len, signature_len;
static uint32_t asked;

static enum hf_auth_verdict check(const struct hf_auth_question *q, struct hf_auth_client *out)
{
	assert_ptr_equal(q->ca, &ca);
	assert_ptr_equal(out, &client);
	assert_int_equal(q->now_s, 5);
	if (q->list.len)
		memcpy(seen, q->list.p, q->list.len);
	seen_len = q->list.len;
	signature_len = q->signature.len;
	asked++;
	return answer;
}

static const struct hf_auth_driver driver = {"double", check};

static int setup(void **state)
{
	(void)state;
	a = hf_auth_init(test_alloc(hf_auth_footprint(JOB_CNT)), JOB_CNT, &driver);
	answer = HF_AUTH_OK;
	asked = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(hf_auth_stats(a)->jobs, 0);
	assert_int_equal(hf_auth_stats(a)->queued, 0);
	free(a);
	return 0;
}

static struct hf_auth_job *job_of(uint64_t owner)
{
	struct hf_auth_job *job = hf_auth_take(a);

	assert_non_null(job);
	job->owner = owner;
	job->ca = &ca;
	job->client = &client;
	job->now_s = 5;
	return job;
}

static void expect_done(uint64_t owner, enum hf_auth_verdict verdict)
{
	struct hf_auth_job *job = hf_auth_done(a);

	assert_non_null(job);
	assert_int_equal(job->owner, owner);
	assert_int_equal(job->verdict, verdict);
	hf_auth_give(a, job);
}

static void one_at_a_time_in_order(void **state)
{
	(void)state;
	assert_false(hf_auth_waits(a));
	assert_false(hf_auth_work(a, 1));
	for (uint64_t i = 1; i <= JOB_CNT; i++)
		hf_auth_submit(a, job_of(i), 10);
	assert_null(hf_auth_take(a));
	assert_int_equal(hf_auth_stats(a)->refused, 1);
	for (uint64_t i = 1; i <= JOB_CNT; i++) {
		assert_true(hf_auth_waits(a));
		assert_null(hf_auth_done(a));
		answer = i == 2 ? HF_AUTH_EXPIRED : i == 3 ? HF_AUTH_FAILED : HF_AUTH_OK;
		assert_int_equal(hf_auth_work(a, 10 + i), i < JOB_CNT);
		assert_int_equal(asked, i);
		expect_done(i, answer);
	}
	assert_int_equal(hf_auth_stats(a)->submitted, 4);
	assert_int_equal(hf_auth_stats(a)->verified, 2);
	assert_int_equal(hf_auth_stats(a)->refused_clients, 1);
	assert_int_equal(hf_auth_stats(a)->failed, 1);
	assert_int_equal(hf_auth_stats(a)->queued_max, 4);
	assert_int_equal(hf_auth_stats(a)->wait_ns.cnt, 4);
}

/* Whoever goes is not asked about any more; who was answered before keeps the answer. */
static void cancelled_ones_are_left_alone(void **state)
{
	struct hf_auth_job *job[3];

	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		hf_auth_submit(a, job[i] = job_of(i + 1), 10);
	hf_auth_cancel(a, job[1]);
	hf_auth_work(a, 11);
	hf_auth_cancel(a, job[0]);
	hf_auth_work(a, 12);
	assert_int_equal(asked, 2);
	expect_done(2, HF_AUTH_CANCELLED);
	expect_done(1, HF_AUTH_OK);
	expect_done(3, HF_AUTH_OK);
	assert_int_equal(hf_auth_stats(a)->cancelled, 1);
	assert_int_equal(hf_auth_stats(a)->verified, 2);
}

static void pieces_are_joined(void **state)
{
	static uint8_t big[HF_AUTH_LIST_MAX + 1];
	struct hf_auth_job *job = job_of(1);

	(void)state;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 7 >> 3);
	job->list_cnt = 3;
	job->list[0] = hf_span(big, 1);
	job->list[1] = hf_span(big + 1, 2000);
	job->list[2] = hf_span(big + 2001, HF_AUTH_LIST_MAX - 2001);
	job->signature_cnt = 2;
	job->signature[0] = hf_span(big, 1000);
	job->signature[1] = hf_span(big, 24);
	hf_auth_submit(a, job, 10);
	hf_auth_work(a, 11);
	assert_int_equal(seen_len, HF_AUTH_LIST_MAX);
	assert_memory_equal(seen, big, HF_AUTH_LIST_MAX);
	assert_int_equal(signature_len, HF_AUTH_SIGNATURE_MAX);
	expect_done(1, HF_AUTH_OK);
	job = job_of(2); /* nobody lets such through; were it so, they are nothing */
	job->list_cnt = 1;
	job->list[0] = hf_span(big, HF_AUTH_LIST_MAX + 1);
	hf_auth_submit(a, job, 10);
	hf_auth_work(a, 11);
	assert_int_equal(seen_len, 0);
	expect_done(2, HF_AUTH_OK);
}

static void without_a_driver_nobody_is_known(void **state)
{
	struct hf_auth *none = hf_auth_init(test_alloc(hf_auth_footprint(JOB_CNT)), JOB_CNT, NULL);
	struct hf_auth_job *job = hf_auth_take(none);

	(void)state;
	assert_non_null(job);
	job->client = &client;
	hf_auth_submit(none, job, 1);
	assert_false(hf_auth_work(none, 2));
	job = hf_auth_done(none);
	assert_non_null(job);
	assert_int_equal(job->verdict, HF_AUTH_FAILED);
	hf_auth_give(none, job);
	free(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_at_a_time_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(cancelled_ones_are_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(pieces_are_joined, setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_driver_nobody_is_known, setup, teardown),
	};

	return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
