/* offenders.c -- who takes most and who is at his limit, of all workers together. Their tables are read
 * racily: a row may be of two moments, or of a prefix that has just made room for another. */
#include "app/handfast/serve.h"

#define SHOWN 32u

static bool same(const struct hf_guard_row *x, const struct hf_guard_row *y)
{
	return x->prefix.len == y->prefix.len && hf_addr_eq(&x->prefix.addr, &y->prefix.addr);
}

static void add(struct hf_guard_row *to, const struct hf_guard_row *r)
{
	to->known |= r->known;
	to->half_open += r->half_open;
	to->syns_per_s += r->syns_per_s;
	to->handshakes_per_s += r->handshakes_per_s;
	to->cost_per_s += r->cost_per_s;
	for (uint32_t i = 0; i < HF_GUARD_VERDICT_CNT; i++)
		to->refused[i] += r->refused[i];
}

/* The worst of each worker; one prefix's flows are spread over all of them alike. */
static uint32_t collect(const struct hf_app *app, struct hf_guard_row *all)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < app->worker_cnt; i++) {
		struct hf_guard_row v[SHOWN];
		uint32_t got = hf_guard_top(hf_worker_guard(app->worker[i].w), v, SHOWN,
			hf_os_now_ns() - app->origin_ns);

		for (uint32_t r = 0; r < got; r++) {
			uint32_t at = 0;

			while (at < cnt && !same(&all[at], &v[r]))
				at++;
			if (at < cnt)
				add(&all[at], &v[r]);
			else
				all[cnt++] = v[r];
		}
	}
	return cnt;
}

static void row_text(FILE *out, const struct hf_guard_row *r)
{
	char text[80];
	bool v4 = hf_addr_is_v4(&r->prefix.addr);

	(void)snprintf(text, sizeof(text), "%s/%u", hf_os_addr_text(&r->prefix.addr).s,
		r->prefix.len - (v4 ? 96u : 0u));
	fprintf(out, "%-24s %-5s %9u %9u %9u %7.1f ms", text, r->known ? "yes" : "no", r->half_open,
		r->syns_per_s, r->handshakes_per_s, (double)r->cost_per_s / (double)HF_NS_MS);
	for (uint32_t i = HF_GUARD_STRANGER; i < HF_GUARD_VERDICT_CNT; i++)
		fprintf(out, " %10llu", (unsigned long long)r->refused[i]);
	fputc('\n', out);
}

void hf_offenders_write(void *arg, FILE *out)
{
	static struct hf_guard_row all[HF_WORKER_MAX * SHOWN];
	uint32_t cnt = collect(arg, all);

	if (cnt == 0) {
		fputs("no prefix is remembered\n", out);
		return;
	}
	fprintf(out, "%-24s %-5s %9s %9s %9s %10s  refused as:", "prefix", "known", "half open",
		"SYNs/s", "opened/s", "cost/s");
	for (enum hf_guard_verdict v = HF_GUARD_STRANGER; v < HF_GUARD_VERDICT_CNT; v++)
		fprintf(out, "%s%s", v > HF_GUARD_STRANGER ? ", " : " ", hf_guard_verdict_name(v));
	fputc('\n', out);
	for (uint32_t shown = 0; shown < HF_MIN(cnt, SHOWN); shown++) {
		uint32_t worst = shown;

		for (uint32_t i = shown + 1; i < cnt; i++)
			if (hf_guard_worse(&all[i], &all[worst]))
				worst = i;
		const struct hf_guard_row r = all[worst];
		all[worst] = all[shown];
		row_text(out, &r);
	}
}
