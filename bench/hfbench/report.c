/* report.c -- what was measured: histograms, CPU seconds from /proc, a table and JSON.
 * A connection that fails is counted by the phase it was in and by the cause, never dropped. */
#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include "bench/hfbench/hfbench.h"

const char *const bench_close_name[CLOSE_CNT] = {"fin", "rst", "answered"};

static const char *const phase_text[PHASE_CNT] = {"connect", "handshake", "reply", "hold", "close"};
static const char *const cause_text[CAUSE_CNT] = {
#define X(name, text) text,
	HFBENCH_CAUSES(X)
#undef X
};

static uint32_t bucket_of(uint64_t ns)
{
	uint32_t shift;
	if (ns < 1u << HFBENCH_HIST_BITS)
		return (uint32_t)ns;
	shift = 63 - (uint32_t)__builtin_clzll(ns) - HFBENCH_HIST_BITS;
	return (shift << HFBENCH_HIST_BITS) + (uint32_t)(ns >> shift);
}

/* The middle of a bucket. */
static uint64_t bucket_value(uint32_t i)
{
	uint32_t shift = i >> HFBENCH_HIST_BITS;
	if (shift < 2)
		return i;
	shift -= 1;
	return ((uint64_t)(i - (shift << HFBENCH_HIST_BITS)) << shift) + (1ull << (shift - 1));
}

void bench_hist_add(struct bench_hist *h, uint64_t ns)
{
	h->bucket[bucket_of(ns)]++;
	h->cnt++;
	h->max_ns = HF_MAX(h->max_ns, ns);
}

void bench_hist_merge(struct bench_hist *to, const struct bench_hist *from)
{
	uint32_t i;
	for (i = 0; i < HFBENCH_HIST_CNT; i++)
		to->bucket[i] += from->bucket[i];
	to->cnt += from->cnt;
	to->max_ns = HF_MAX(to->max_ns, from->max_ns);
}

uint64_t bench_hist_at(const struct bench_hist *h, double quantile)
{
	uint64_t seen = 0, want = (uint64_t)((double)h->cnt * quantile);
	uint32_t i;
	for (i = 0; i < HFBENCH_HIST_CNT; i++) {
		seen += h->bucket[i];
		if (seen > want)
			return HF_MIN(bucket_value(i), h->max_ns);
	}
	return h->max_ns;
}

struct bench_percentiles bench_hist_percentiles(const struct bench_hist *h)
{
	return (struct bench_percentiles){.cnt = h->cnt,
		.p50 = (double)bench_hist_at(h, 0.5) / 1e6,
		.p95 = (double)bench_hist_at(h, 0.95) / 1e6,
		.p99 = (double)bench_hist_at(h, 0.99) / 1e6,
		.p999 = (double)bench_hist_at(h, 0.999) / 1e6,
		.max = (double)h->max_ns / 1e6};
}

double bench_cpu_self(void)
{
	struct rusage u;
	if (getrusage(RUSAGE_SELF, &u))
		return 0;
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Reads name and user + system time of a stat file (proc(5): fields 2, 14, 15). The name may hold
 * anything, so the fields are counted from its last parenthesis. */
static int read_stat(const char *path, char *name, size_t name_len, double *seconds)
{
	char text[1024], *open_at, *close_at;
	unsigned long user, sys;
	FILE *f = fopen(path, "re");
	size_t len;
	if (!f)
		return -1;
	len = fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	text[len] = '\0';
	open_at = strchr(text, '(');
	close_at = strrchr(text, ')');
	if (!open_at || !close_at ||
		sscanf(close_at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
			&sys) != 2)
		return -1;
	*close_at = '\0';
	(void)snprintf(name, name_len, "%s", open_at + 1);
	*seconds = (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
	return 0;
}

void bench_cpu_read(struct bench_cpu *c, pid_t pid)
{
	char path[64], name[32];
	struct dirent *e;
	DIR *d;
	*c = (struct bench_cpu){.pid = pid};
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	c->gone = read_stat(path, name, sizeof(name), &c->seconds) != 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	while (d && (e = readdir(d)) && c->task_cnt < HFBENCH_TASKS_MAX) {
		struct bench_task *t = &c->task[c->task_cnt];
		t->tid = (pid_t)strtol(e->d_name, NULL, 10);
		(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, t->tid);
		if (t->tid > 0 && !read_stat(path, t->name, sizeof(t->name), &t->seconds))
			c->task_cnt++;
	}
	if (d)
		(void)closedir(d);
}

void bench_cpu_since(struct bench_cpu *now, const struct bench_cpu *before)
{
	uint32_t i, j;
	now->gone |= before->gone;
	now->seconds = now->gone ? 0 : now->seconds - before->seconds;
	for (i = 0; i < now->task_cnt; i++)
		for (j = 0; j < before->task_cnt; j++)
			if (now->task[i].tid == before->task[j].tid)
				now->task[i].seconds -= before->task[j].seconds;
}

static double server_cpu(const struct bench_opt *o, const struct bench_window *w)
{
	double sum = 0;
	uint32_t i;
	for (i = 0; i < o->pid_cnt; i++)
		sum += w->cpu[i].seconds;
	return sum;
}

static double per(uint64_t n, double seconds)
{
	return seconds > 0 ? (double)n / seconds : 0;
}

static void print_hist(FILE *f, const char *what, const struct bench_hist *h)
{
	struct bench_percentiles p = bench_hist_percentiles(h);
	if (p.cnt)
		fprintf(f, "  %-22s %9.3f %9.3f %9.3f %9.3f %9.3f\n", what, p.p50, p.p95, p.p99,
			p.p999, p.max);
}

static void print_turns(FILE *f, const struct bench_pace *p, bool replies)
{
	uint32_t i;
	if (!p->percent)
		return;
	fprintf(f, "turns at %u %% of the peak\n  %10s %10s %10s %10s %9s %9s\n", p->percent,
		"peak/s", "asked/s", "peak after", "counted", "p50 ms", "p99 ms");
	for (i = 0; i < p->took_cnt; i++) {
		const struct bench_turn *t = &p->took[i];
		const struct bench_percentiles *l = replies ? &t->reply : &t->handshake;
		fprintf(f, "  %10.1f %10.1f %10.1f %10" PRIu64 " %9.3f %9.3f\n", t->before, t->rate,
			t->after, l->cnt, l->p50, l->p99);
	}
}

static void print_failures(FILE *f, const struct bench_tally *t)
{
	uint32_t i, j;
	fprintf(f, "failures %" PRIu64 "\n", t->failed);
	for (i = 0; i < PHASE_CNT; i++)
		for (j = 0; j < CAUSE_CNT; j++)
			if (t->fail[i][j])
				fprintf(f, "  %-10s %10" PRIu64 "  %s\n", phase_text[i],
					t->fail[i][j], cause_text[j]);
	for (i = 0; i < HF_ARRAY_LEN(t->alert); i++)
		if (t->alert[i])
			fprintf(f, "  alert %-4u %10" PRIu64 "\n", i, t->alert[i]);
	if (t->example[0])
		fprintf(f, "  first TLS error: %s\n", t->example);
}

/* The client's own cost of one handshake, or of one reply when these are more. */
static double client_us(const struct bench_tally *t, const struct bench_window *w)
{
	return w->client_cpu * 1e6 / (double)HF_MAX(HF_MAX(t->handshakes, t->replies), 1ull);
}

static void print_cpu(FILE *f, const struct bench_opt *o, const struct bench_tally *t,
	const struct bench_window *w)
{
	uint32_t i, j;
	fprintf(f,
		"cpu seconds\n  %-22s %9.2f  (%.1f us for a handshake or reply, kernel included)\n",
		"this client", w->client_cpu, client_us(t, w));
	for (i = 0; i < o->pid_cnt; i++) {
		const struct bench_cpu *c = &w->cpu[i];
		fprintf(f, "  pid %-18d %9.2f%s\n", c->pid, c->seconds,
			c->gone ? "  (no such process, or it ended)" : "");
		for (j = 0; j < c->task_cnt && c->task_cnt > 1; j++)
			if (c->task[j].seconds > w->seconds / 100)
				fprintf(f, "    %-20s %9.2f\n", c->task[j].name,
					c->task[j].seconds);
	}
	if (o->pid_cnt)
		fprintf(f, "handshakes per server CPU second %.0f\n",
			per(t->handshakes, server_cpu(o, w)));
}

void bench_report_table(FILE *f, const struct bench_opt *o, const struct bench_tally *t,
	const struct bench_window *w)
{
	fprintf(f, "%s  mix %s, %u at a time, %u thread%s, %s%s%s, close %s, %.2f s\n", o->target,
		o->mix->name, o->concurrent, o->threads, o->threads == 1 ? "" : "s",
		o->request ? "GET " : "handshake only", o->request ? o->request : "",
		o->resume == RESUME_NONE     ? ""
		: o->resume == RESUME_TICKET ? ", resume by ticket"
					     : ", resume by id",
		bench_close_name[o->close], w->seconds);
	if (o->warmup_ms)
		fprintf(f,
			"before that %.2f s of warm-up, not counted save failures: %" PRIu64
			" handshakes\n",
			w->warmup_seconds, t->warmup.handshakes);
	fprintf(f, "cipher %s\n", t->cipher[0] ? t->cipher : "none agreed");
	if (o->ca)
		fprintf(f,
			"verified: each new certificate, and the signature of 1 key exchange in "
			"%u: "
			"%" PRIu64 " in all\n",
			HFBENCH_VERIFY_EVERY, t->verified);
	else
		fprintf(f, "certificates and signatures not verified (--ca FILE does)\n");
	fprintf(f, "handshakes %" PRIu64 "  %.1f/s  full %" PRIu64 "  resumed %" PRIu64 "\n",
		t->handshakes, per(t->handshakes, w->seconds), t->handshakes - t->resumed,
		t->resumed);
	if (o->request)
		fprintf(f, "replies    %" PRIu64 "  %.1f/s  %.2f MB/s\n", t->replies,
			per(t->replies, w->seconds), (double)t->reply_bytes / w->seconds / 1e6);
	if (o->close != CLOSE_RST)
		fprintf(f, "closed by the server with RST after all was said %" PRIu64 "\n",
			t->closed_by_rst);
	fprintf(f, "unfinished at the end %" PRIu64 "\n", t->unfinished);
	if (o->hold)
		fprintf(f, "held open until the end %" PRIu64 "\n", t->held);
	if (o->rate)
		fprintf(f,
			"open loop at %u/s: %" PRIu64 " started, %" PRIu64
			" found no place until the end\n",
			o->rate, t->started, t->missed);
	fprintf(f, "latency, ms            %10s %9s %9s %9s %9s\n", "p50", "p95", "p99", "p99.9",
		"max");
	print_hist(f, "meant -> connect", &t->delay);
	print_hist(f, o->rate ? "meant -> Finished" : "connect -> Finished", &t->handshake);
	print_hist(f, o->rate ? "meant -> end of reply" : "connect -> end of reply", &t->reply);
	print_turns(f, &t->pace, o->request != NULL);
	print_failures(f, t);
	if (o->device)
		fprintf(f,
			"over %s: %" PRIu64 " frames in, %" PRIu64 " out; %" PRIu64
			" said again, %" PRIu64 " gaps, %" PRIu64 " without a free frame, %" PRIu64
			" lost\n",
			o->device, w->port.frames_in, w->port.frames_out, w->port.resent,
			w->port.gaps, w->port.no_frame, w->port.lost);
	print_cpu(f, o, t, w);
}

static void json_percentiles(
	FILE *f, const char *name, const struct bench_percentiles *p, const char *behind)
{
	fprintf(f,
		"\"%s\": {\"count\": %" PRIu64 ", \"p50\": %.4f, \"p95\": %.4f, \"p99\": %.4f, "
		"\"p999\": %.4f, \"max\": %.4f}%s",
		name, p->cnt, p->p50, p->p95, p->p99, p->p999, p->max, behind);
}

static void json_hist(FILE *f, const char *name, const struct bench_hist *h)
{
	struct bench_percentiles p = bench_hist_percentiles(h);
	fputs("  ", f);
	json_percentiles(f, name, &p, ",\n");
}

static void json_turns(FILE *f, const struct bench_pace *p)
{
	uint32_t i;
	fputs("  \"turns\": [", f);
	for (i = 0; i < p->took_cnt; i++) {
		const struct bench_turn *t = &p->took[i];
		fprintf(f, "%s\n  {\"before\": %.2f, \"rate\": %.2f, \"after\": %.2f, ",
			i ? "," : "", t->before, t->rate, t->after);
		json_percentiles(f, "handshake_ms", &t->handshake, ", ");
		json_percentiles(f, "reply_ms", &t->reply, "}");
	}
	fprintf(f, "],\n  \"near_peak\": %u,\n", p->percent);
}

/* The buckets that hold something: [ms, how many], so that results can be joined and drawn. */
static void json_buckets(FILE *f, const char *name, const struct bench_hist *h)
{
	const char *sep = "";
	uint32_t i;
	fprintf(f, "  \"%s\": [", name);
	for (i = 0; i < HFBENCH_HIST_CNT; i++)
		if (h->bucket[i]) {
			fprintf(f, "%s[%.4f, %" PRIu64 "]", sep, (double)bucket_value(i) / 1e6,
				h->bucket[i]);
			sep = ", ";
		}
	fputs("],\n", f);
}

static void json_string(FILE *f, const char *s)
{
	if (!s) {
		fputs("null", f);
		return;
	}
	fputc('"', f);
	for (; *s; s++)
		if (*s == '"' || *s == '\\' || (unsigned char)*s < ' ')
			fprintf(f, "\\u%04x", (unsigned)(unsigned char)*s);
		else
			fputc(*s, f);
	fputc('"', f);
}

static void json_failures(FILE *f, const struct bench_tally *t)
{
	const char *sep = "";
	uint32_t i, j;
	fputs("  \"failures\": [", f);
	for (i = 0; i < PHASE_CNT; i++)
		for (j = 0; j < CAUSE_CNT; j++)
			if (t->fail[i][j]) {
				fprintf(f,
					"%s{\"phase\": \"%s\", \"cause\": \"%s\", \"count\": "
					"%" PRIu64 "}",
					sep, phase_text[i], cause_text[j], t->fail[i][j]);
				sep = ", ";
			}
	fputs("],\n  \"alerts\": {", f);
	for (i = 0, sep = ""; i < HF_ARRAY_LEN(t->alert); i++)
		if (t->alert[i]) {
			fprintf(f, "%s\"%u\": %" PRIu64, sep, i, t->alert[i]);
			sep = ", ";
		}
	fputs("},\n", f);
}

void bench_report_json(FILE *f, const struct bench_opt *o, const struct bench_tally *t,
	const struct bench_window *w)
{
	static const char *const resume[] = {"none", "ticket", "id"};
	uint32_t i, j;
	fputs("{\n  \"target\": ", f);
	json_string(f, o->target);
	fputs(",\n  \"mix\": ", f);
	json_string(f, o->mix->name);
	fputs(",\n  \"cipher\": ", f);
	json_string(f, t->cipher);
	fputs(",\n  \"request\": ", f);
	json_string(f, o->request);
	fprintf(f,
		",\n  \"concurrent\": %u,\n  \"threads\": %u,\n  \"resume\": \"%s\",\n"
		"  \"close\": \"%s\",\n  \"seconds\": %.4f,\n",
		o->concurrent, o->threads, resume[o->resume], bench_close_name[o->close],
		w->seconds);
	fprintf(f,
		"  \"started\": %" PRIu64 ",\n  \"handshakes\": %" PRIu64
		",\n  \"resumed\": %" PRIu64 ",\n  \"replies\": %" PRIu64
		",\n  \"reply_bytes\": %" PRIu64 ",\n  \"failed\": %" PRIu64
		",\n  \"closed_by_rst\": %" PRIu64 ",\n  \"unfinished\": %" PRIu64
		",\n  \"held\": %" PRIu64 ",\n  \"verified\": %" PRIu64
		",\n  \"handshakes_per_second\": %.2f,\n",
		t->started, t->handshakes, t->resumed, t->replies, t->reply_bytes, t->failed,
		t->closed_by_rst, t->unfinished, t->held, t->verified,
		per(t->handshakes, w->seconds));
	fprintf(f,
		"  \"warmup\": {\"seconds\": %.4f, \"handshakes\": %" PRIu64
		", \"replies\": %" PRIu64 "},\n",
		w->warmup_seconds, t->warmup.handshakes, t->warmup.replies);
	fprintf(f, "  \"rate\": %u,\n  \"missed\": %" PRIu64 ",\n", o->rate, t->missed);
	json_turns(f, &t->pace);
	json_hist(f, "start_delay_ms", &t->delay);
	json_hist(f, "handshake_ms", &t->handshake);
	json_hist(f, "reply_ms", &t->reply);
	json_buckets(f, "handshake_buckets", &t->handshake);
	json_buckets(f, "reply_buckets", &t->reply);
	json_failures(f, t);
	if (o->device)
		fprintf(f,
			"  \"frames_in\": %" PRIu64 ", \"frames_out\": %" PRIu64
			", \"resent\": %" PRIu64 ", \"gaps\": %" PRIu64 ", \"lost\": %" PRIu64
			",\n",
			w->port.frames_in, w->port.frames_out, w->port.resent, w->port.gaps,
			w->port.lost);
	fprintf(f,
		"  \"client_cpu_seconds\": %.4f,\n  \"client_us_each\": %.2f,\n  \"server_cpu\": [",
		w->client_cpu, client_us(t, w));
	for (i = 0; i < o->pid_cnt; i++) {
		const struct bench_cpu *c = &w->cpu[i];
		fprintf(f, "%s{\"pid\": %d, \"seconds\": %.2f, \"gone\": %s, \"tasks\": [",
			i ? ", " : "", c->pid, c->seconds, c->gone ? "true" : "false");
		for (j = 0; j < c->task_cnt; j++) {
			fprintf(f, "%s{\"name\": ", j ? ", " : "");
			json_string(f, c->task[j].name);
			fprintf(f, ", \"seconds\": %.2f}", c->task[j].seconds);
		}
		fputs("]}", f);
	}
	fprintf(f, "],\n  \"handshakes_per_server_cpu_second\": %.2f\n}\n",
		per(t->handshakes, server_cpu(o, w)));
}
