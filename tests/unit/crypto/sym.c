/* sym.c -- the burst queue over a driver that only notes what it is given: every job submitted is
 * computed in one burst and comes out once, a cancelled one never reaches the driver. */
#include "lib/crypto/sym.h"
#include "tests/support/test.h"

#define JOB_CNT 8u

static struct {
	uint32_t bursts, cnt;
	struct hf_sym_job *job[JOB_CNT];
	uint8_t status; /* what each job gets */
	uint64_t forgotten;
} driver;

static void fake_burst(void *ctx, struct hf_sym_job *const *jobs, uint32_t cnt)
{
	assert_ptr_equal(ctx, &driver);
	driver.bursts++;
	driver.cnt = cnt;
	for (uint32_t i = 0; i < cnt; i++) {
		driver.job[i] = jobs[i];
		jobs[i]->status = driver.status;
		jobs[i]->out_len = 100;
	}
}

static void fake_forget(void *ctx, uint64_t keys_id)
{
	(void)ctx;
	driver.forgotten = keys_id;
}

static const struct hf_sym_driver fake = {
	.name = "fake", .burst = fake_burst, .forget = fake_forget};

static struct hf_sym *sym;

static int begin(void **state)
{
	(void)state;
	memset(&driver, 0, sizeof(driver));
	sym = hf_sym_init(test_alloc(hf_sym_footprint(JOB_CNT)), JOB_CNT, &fake, &driver);
	return 0;
}

static int end(void **state)
{
	(void)state;
	assert_int_equal(hf_sym_stats(sym)->jobs, 0);
	free(sym);
	return 0;
}

static struct hf_sym_job *submit(enum hf_sym_kind kind, uint64_t owner)
{
	struct hf_sym_job *job = hf_sym_take(sym);

	assert_non_null(job);
	job->kind = (uint8_t)kind;
	job->owner = owner;
	job->len = 10;
	hf_sym_submit(sym, job);
	return job;
}

static void done(uint64_t owner, enum hf_sym_status status)
{
	struct hf_sym_job *job = hf_sym_done(sym);

	assert_non_null(job);
	assert_int_equal(job->owner, owner);
	assert_int_equal(job->status, status);
	hf_sym_give(sym, job);
}

static void jobs_are_bounded_and_come_back_blank(void **state)
{
	struct hf_sym_job *job[JOB_CNT], blank = {0};

	(void)state;
	for (uint32_t i = 0; i < JOB_CNT; i++)
		assert_non_null(job[i] = hf_sym_take(sym));
	assert_null(hf_sym_take(sym));
	assert_int_equal(hf_sym_stats(sym)->refused, 1);
	assert_int_equal(hf_sym_stats(sym)->jobs, JOB_CNT);
	blank.state = job[0]->state;
	for (uint32_t i = 0; i < JOB_CNT; i++) {
		memset(job[i]->iv, 0x11, sizeof(job[i]->iv));
		hf_sym_give(sym, job[i]);
	}
	submit(HF_SYM_HASH, 1);
	hf_sym_flush(sym);
	done(1, HF_SYM_OK);
	for (uint32_t i = 0; i < JOB_CNT; i++) {
		assert_non_null(job[i] = hf_sym_take(sym));
		assert_memory_equal(job[i], &blank, sizeof(blank));
	}
	for (uint32_t i = 0; i < JOB_CNT; i++)
		hf_sym_give(sym, job[i]);
}

static void each_group_is_one_burst(void **state)
{
	const struct hf_sym_stats *st = hf_sym_stats(sym);

	(void)state;
	assert_int_equal(hf_sym_flush(sym), 0);
	assert_int_equal(driver.bursts, 0); /* nothing to do, nobody is asked */
	submit(HF_SYM_SEAL, 1);
	submit(HF_SYM_OPEN, 2);
	submit(HF_SYM_HASH, 3);
	submit(HF_SYM_PRF, 4);
	submit(HF_SYM_PRF, 5);
	assert_null(hf_sym_done(sym));
	assert_int_equal(hf_sym_flush_group(sym, HF_SYM_HASHES), 1);
	assert_int_equal(driver.bursts, 1);
	assert_int_equal(driver.cnt, 1);
	done(3, HF_SYM_OK);
	assert_null(hf_sym_done(sym));
	assert_int_equal(hf_sym_flush(sym), 4);
	assert_int_equal(driver.bursts, 3);
	assert_int_equal(driver.cnt, 2);
	for (uint64_t i = 1; i <= 5; i += i == 2 ? 2 : 1)
		done(i, HF_SYM_OK);
	assert_null(hf_sym_done(sym));
	assert_int_equal(hf_sym_flush(sym), 0);
	assert_int_equal(st->seals, 1);
	assert_int_equal(st->opens, 1);
	assert_int_equal(st->hashes, 1);
	assert_int_equal(st->prfs, 2);
	assert_int_equal(st->sealed_bytes, 10);
	assert_int_equal(st->opened_bytes, 100);
	assert_int_equal(st->bursts, 3);
	assert_int_equal(st->burst_max, 2);
}

static void bad_records_and_errors_are_counted_as_such(void **state)
{
	const struct hf_sym_stats *st = hf_sym_stats(sym);

	(void)state;
	driver.status = HF_SYM_BAD_RECORD;
	submit(HF_SYM_OPEN, 1);
	hf_sym_flush(sym);
	done(1, HF_SYM_BAD_RECORD);
	driver.status = HF_SYM_ERROR;
	submit(HF_SYM_SEAL, 2);
	submit(HF_SYM_PRF, 3);
	hf_sym_flush(sym);
	done(2, HF_SYM_ERROR);
	done(3, HF_SYM_ERROR);
	assert_int_equal(st->bad_records, 1);
	assert_int_equal(st->errors, 2);
	assert_int_equal(st->opens + st->seals + st->prfs, 0);
}

static void cancelled_jobs_never_reach_the_driver(void **state)
{
	struct hf_sym_job *job[5];

	(void)state;
	for (uint64_t i = 0; i < 5; i++)
		job[i] = submit(HF_SYM_OPEN, i);
	hf_sym_cancel(sym, job[4]); /* the end, the head, the one that took its place */
	hf_sym_cancel(sym, job[0]);
	hf_sym_cancel(sym, job[3]);
	hf_sym_cancel(sym, job[3]); /* once more changes nothing */
	done(4, HF_SYM_CANCELLED);
	done(0, HF_SYM_CANCELLED);
	done(3, HF_SYM_CANCELLED);
	assert_null(hf_sym_done(sym));
	assert_int_equal(hf_sym_flush(sym), 2);
	for (uint32_t i = 0; i < driver.cnt; i++)
		assert_true(driver.job[i] == job[1] || driver.job[i] == job[2]);
	hf_sym_cancel(sym, job[1]); /* computed, not fetched yet */
	for (uint32_t i = 0; i < 2; i++) {
		struct hf_sym_job *out = hf_sym_done(sym);

		assert_int_equal(out->status, out->owner == 1 ? HF_SYM_CANCELLED : HF_SYM_OK);
		assert_panics(hf_sym_cancel(sym, out));
		hf_sym_give(sym, out);
	}
	assert_int_equal(hf_sym_stats(sym)->cancelled, 4);
}

/* More submits and cancels between two flushes than there are jobs: no place is lost. */
static void places_are_used_again_before_a_flush(void **state)
{
	(void)state;
	submit(HF_SYM_HASH, 99);
	for (uint64_t i = 0; i < 10 * JOB_CNT; i++) {
		hf_sym_cancel(sym, submit(HF_SYM_HASH, i));
		done(i, HF_SYM_CANCELLED);
	}
	assert_int_equal(hf_sym_flush(sym), 1);
	done(99, HF_SYM_OK);
}

static void forget_reaches_the_driver(void **state)
{
	(void)state;
	hf_sym_forget(sym, 5);
	assert_int_equal(driver.forgotten, 5);
}

/* RFC 5246 6.2.3 and appendix C, RFC 5288: what the other modules size their buffers by. */
static void cipher_sizes_hang_together(void **state)
{
	(void)state;
	for (uint32_t i = HF_CIPHER_NONE + 1; i < HF_CIPHER_CNT; i++) {
		const struct hf_cipher_info *c = &hf_cipher_info[i];

		assert_true(c->key_len == 16 || c->key_len == 32);
		assert_true(c->prefix_len <= HF_SYM_PREFIX_MAX);
		if (c->aead) {
			assert_int_equal(c->iv_len + c->prefix_len, 12);
			assert_int_equal(c->mac_key_len, 0);
			assert_true(c->tag_len <= HF_SYM_TAIL_MAX);
		} else {
			assert_int_equal(c->prefix_len, c->block_len);
			assert_int_equal(c->mac_key_len, c->tag_len);
			assert_true(c->tag_len + c->block_len <= (int)HF_SYM_TAIL_MAX);
		}
	}
}

static void every_row_points_at_a_counter(void **state)
{
	const struct hf_stat_table *t = &hf_sym_stat_table;

	(void)state;
	assert_string_equal(t->module, "sym");
	assert_int_equal(t->row_cnt * sizeof(uint64_t), sizeof(struct hf_sym_stats));
	for (uint32_t i = 0; i < t->row_cnt; i++)
		assert_int_equal(t->row[i].off, i * sizeof(uint64_t));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(jobs_are_bounded_and_come_back_blank),
		TEST(each_group_is_one_burst),
		TEST(bad_records_and_errors_are_counted_as_such),
		TEST(cancelled_jobs_never_reach_the_driver),
		TEST(places_are_used_again_before_a_flush),
		TEST(forget_reaches_the_driver),
		TEST(cipher_sizes_hang_together),
		TEST(every_row_points_at_a_counter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
