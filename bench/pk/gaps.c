/* gaps.c -- how long a port would wait for the next look at it, when private keys are used in slices
 * between two looks. The turn is the worker's without its port: what is due is submitted, a burst of
 * records is sealed where there is bulk traffic, and one slice is computed, as on a busy port. A
 * machine that is shared takes the core away at times, so each period of load alternates with one of
 * a loop whose turns last as long and in which nothing is done but to read the clock: what those
 * last beyond their time is not ours. */
#include <math.h>
#include <stdlib.h>
#include "bench/pk/bench_pk.h"
#include "drivers/drivers.h"
#include "lib/crypto/sym.h"
#include "lib/os/os.h"

#define PERIOD_NS (20u * HF_NS_MS)
#define BURST 8u /* records: what 64 messages of a backend, a turn's most, fill */
#define RECORD_LEN 16384u
#define SATURATED 16u /* waiting at least */

struct bulk {
	void *driver_ctx;
	const struct hf_sym_driver *driver;
	struct hf_sym *sym;
	struct hf_sym_keys keys;
	uint8_t *data[BURST];
};

static void bulk_begin(struct bulk *b)
{
	b->driver = hf_sym_ipsecmb.probe() ? &hf_sym_ipsecmb : &hf_sym_libcrypto;
	b->driver_ctx = bench_alloc(b->driver->size(BURST));
	if (b->driver->init(b->driver_ctx, BURST))
		bench_die("the driver for records does not start");
	b->sym = hf_sym_init(bench_alloc(hf_sym_footprint(BURST)), BURST, b->driver, b->driver_ctx);
	b->keys = (struct hf_sym_keys){.id = 1, .cipher = HF_CIPHER_AES128_GCM};
	for (uint32_t i = 0; i < BURST; i++)
		b->data[i] =
			(uint8_t *)bench_alloc(RECORD_LEN + HF_SYM_PREFIX_MAX + HF_SYM_TAIL_MAX) +
			HF_SYM_PREFIX_MAX;
}

static void bulk_end(struct bulk *b)
{
	b->driver->fini(b->driver_ctx);
	free(b->driver_ctx);
	free(b->sym);
	for (uint32_t i = 0; i < BURST; i++)
		free(b->data[i] - HF_SYM_PREFIX_MAX);
}

static void bulk_burst(struct bulk *b)
{
	struct hf_sym_job *job;

	for (uint32_t i = 0; i < BURST && (job = hf_sym_take(b->sym)); i++) {
		job->kind = HF_SYM_SEAL;
		job->keys = &b->keys;
		job->data = b->data[i];
		job->len = RECORD_LEN;
		job->type = 23;
		job->version = 0x0303;
		hf_sym_submit(b->sym, job);
	}
	hf_sym_flush(b->sym);
	while ((job = hf_sym_done(b->sym))) {
		if (job->status != HF_SYM_OK)
			bench_die("a record was not sealed");
		hf_sym_give(b->sym, job);
	}
}

static void arrivals(struct bench_stream *s, double now)
{
	uint64_t most = s->interval_ns > 0 ? s->side.job_cnt : SATURATED;

	while (hf_pk_stats(s->side.pk)->jobs < most && (s->interval_ns <= 0 || s->next_at <= now)) {
		if (s->interval_ns > 0)
			s->next_at -= log(1 - drand48()) * s->interval_ns;
		bench_submit(&s->side, (uint64_t)now);
	}
}

/* *clock: the load's own time, which stands still while the other loop runs. */
static void load_period(struct hf_pk *pk, struct bench_stream *s, uint32_t cnt, struct bulk *bulk,
	uint64_t *clock, struct bench_gaps *r)
{
	uint64_t start = hf_os_now_ns(), looked = start, now, at;

	do {
		for (uint32_t i = 0; i < cnt; i++)
			arrivals(&s[i], (double)(*clock + looked - start));
		if (bulk) {
			at = hf_os_now_ns();
			bulk_burst(bulk);
			hf_hist_add(&r->burst, hf_os_now_ns() - at);
		}
		at = hf_os_now_ns();
		(void)hf_pk_work(pk, HF_PK_CALM, *clock + at - start);
		hf_hist_add(&r->slice[hf_pk_last_slice(pk)], hf_os_now_ns() - at);
		bench_collect(pk);
		now = hf_os_now_ns();
		hf_hist_add(&r->gap, now - looked);
		looked = now;
	} while (now - start < PERIOD_NS);
	*clock += now - start;
}

/* As many turns in a second as the load has: what they last beyond that is not ours. */
static void null_period(struct bench_gaps *r)
{
	uint64_t turn = HF_MAX(hf_hist_percentile(&r->gap, 500), 1000ull);
	uint64_t start = hf_os_now_ns(), looked = start, now;

	do {
		do
			now = hf_os_now_ns();
		while (now - looked < turn);
		hf_hist_add(&r->null, now - looked - turn);
		looked = now;
	} while (now - start < PERIOD_NS);
}

void bench_gaps_run(struct hf_pk *pk, struct bench_stream *s, uint32_t cnt, bool with_bulk,
	uint32_t periods, struct bench_gaps *r)
{
	struct bulk bulk;
	uint64_t clock = 0;

	memset(r, 0, sizeof(*r));
	bulk_begin(&bulk);
	srand48(1);
	for (uint32_t i = 0; i < periods; i++) {
		load_period(pk, s, cnt, with_bulk ? &bulk : NULL, &clock, r);
		null_period(r);
	}
	while (hf_pk_work(pk, HF_PK_IDLE, clock))
		;
	bench_collect(pk);
	bulk_end(&bulk);
}
