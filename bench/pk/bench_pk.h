/* bench_pk.h -- bench-pk in four parts: cases.c says what is computed (a table), duel.c how two ways of
 * computing it are compared, gaps.c what a port would notice of it, main.c which kernel meets which
 * case and where the results go.
 *
 * A case is a row of bench_cases and a function that makes its questions: jobs as a caller would fill
 * them, with the answers they must get. Whatever engine takes them gets rows; nothing else has to be
 * said about it.
 *
 * Threads: one. Memory: made at the start of a contest, given back at its end. Errors: message and
 * exit. */
#ifndef HF_BENCH_PK_H
#define HF_BENCH_PK_H

#include "lib/crypto/pk.h"

#define BENCH_FILL_MAX 16u
#define BENCH_QUESTIONS 60u
#define BENCH_PARTS 3u /* divides BENCH_QUESTIONS */

_Noreturn void bench_die(const char *what);
void *bench_alloc(size_t len); /* zeroed, on a cache line */

/* ---- cases.c ---- */

/* ask: what the caller of a job fills, and nothing else. want_len 0: the answer is not known before
 * (a signature with a nonce); that it is there must do. */
struct bench_question {
	struct hf_pk_job ask;
	uint32_t want_len;
	uint8_t want[HF_PK_OUT_MAX];
};

struct bench_work {
	struct bench_question question[BENCH_QUESTIONS]; /* asked in turn */
	uint32_t next;
	void *keys; /* the case's */
};

struct bench_case {
	const char *name; /* --case */
	uint32_t bits, primes;
	uint32_t fill_max;
	uint8_t op, group;
	const char *beside; /* another case, computed by libcrypto, in the same pairs; NULL: none */
	void (*make)(const struct bench_case *c, struct bench_work *w);
	void (*clear)(struct bench_work *w);
	/* of several operations, each another case, asked in turn; kernels then stand together */
	const char *part[BENCH_PARTS];
	void (*direct)(struct bench_work *w); /* them, by libcrypto as an application calls it */
};

extern const struct bench_case bench_cases[];
extern const uint32_t bench_case_cnt;

const struct bench_case *bench_case_named(const char *name); /* NULL: there is none */
struct bench_work *bench_work_make(const struct bench_case *c);
void bench_work_free(const struct bench_case *c, struct bench_work *w);
enum hf_ec_kind bench_case_kind(const struct bench_case *c); /* of a curve */
bool bench_case_suits(
	const struct bench_case *c, const struct bench_work *w, const struct hf_pk_engine_ref *ref);

/* ---- duel.c ---- */

/* Jobs of one case, for one way of computing them. */
struct bench_side {
	struct hf_pk *pk; /* NULL: this side does not play */
	struct bench_work *work;
	uint32_t job_cnt; /* of pk */
	uint32_t lead;    /* operations at a time that go before a sample and are not counted */
	uint32_t jobs;    /* of an operation */
	void (*direct)(struct bench_work *w); /* in place of pk, an operation at a time */
};

enum { LIBCRYPTO, KERNEL, POLICY, BESIDE, SIDE_CNT };

/* LIBCRYPTO: one by one. KERNEL: batches at any fill. POLICY: as the appliance decides on an idle
 * port. BESIDE: another case by libcrypto. */
struct bench_duel {
	struct bench_side side[SIDE_CNT];
	uint32_t fill, pairs;
	double *ns[SIDE_CNT]; /* of all `fill` operations: [pairs] each */
};

struct bench_result {
	uint32_t quiet; /* pairs whose libcrypto was near the best one seen */
	/* libcrypto's time over the kernel's: 2 is twice as fast */
	double ratio, ratio_quiet, min_min, policy, beside;
	double us, libcrypto_us; /* medians: the kernel's of the whole fill, libcrypto's of one */
};

struct bench_slices {
	uint32_t cnt;
	double longest_us;   /* each slice at the median of all batches, the longest of them */
	double over_at_once; /* median over pairs: the sum of a batch's slices / the batch at once */
};

void bench_submit(struct bench_side *s, uint64_t now);
void bench_collect(struct hf_pk *pk); /* every answer must be right */
void bench_duel_begin(struct bench_duel *d, uint32_t pairs);
/* Fills ns; progress(i) after each pair. */
void bench_duel_run(struct bench_duel *d, uint32_t fill, void (*progress)(uint32_t pair));
void bench_duel_judge(const struct bench_duel *d, struct bench_result *r);
bool bench_duel_quiet(const struct bench_duel *d, uint32_t pair);
void bench_duel_end(struct bench_duel *d);
/* Full batches of the KERNEL side, at once and in slices with other memory touched in between. */
void bench_slices_run(struct bench_side *s, uint32_t fill, uint32_t pairs, struct bench_slices *r);
uint64_t bench_cpu_ns(void);

/* ---- gaps.c ---- */

/* Operations that arrive at random, or (interval_ns 0) whenever fewer than a batch's worth wait. */
struct bench_stream {
	struct bench_side side;
	double interval_ns, next_at;
};

/* All in ns. null: beyond their time, of turns without load. */
struct bench_gaps {
	struct hf_hist null, gap, burst, slice[HF_PK_SLICE_CNT];
};

void bench_gaps_run(struct hf_pk *pk, struct bench_stream *s, uint32_t cnt, bool bulk,
	uint32_t periods, struct bench_gaps *r);

#endif
