/* capacity.c -- how many handshakes a worker will bear, told before it serves. Most of a full
 * handshake is arithmetic with keys, and that is timed at start, by the engines that will compute it, on the
 * processor at hand; so are hashes and key derivations, and our own code, by a short run of it
 * (selfrun.c). The rest of the handshake is in proportion to that run, the device to what the kernel takes for
 * a datagram: the proportions were measured once and stand below.
 *
 * A saturated worker has one of two gaits. Where keys are used one at a time, each step of a handshake comes
 * by itself, after an operation that took the caches. Where they are used in lanes, or not at all, handshakes
 * go side by side, as many as there are lanes: their steps come in bursts, share turns, interrupts and lanes of
 * hashes, and find the code of the step before warm, all but the first of a burst. So everything has a price in
 * either gait. */
#include <inttypes.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "app/handfast/app.h"
#include "app/handfast/selfrun.h"
#include "app/handfast/site_load.h"

#define TRIES 9u
#define ALL UINT64_MAX /* side by side: nobody waits for a key */
#define BURST 8u       /* hashes and derivations of one turn, of handshakes side by side */
#define COLD_LEN (2u << 20)
#define PRFS_FULL 4u /* master secret, keys, two Finished; resumed: the last three */
#define PRFS_RESUMED 3u
#define HASHES 3u /* of a transcript: two Finished, and the session's or a signature's */

/* Per cent of what half a handshake costs in selfrun.c, by itself or in bursts: TCP and TLS of a whole
 * connection without a request, without keys, hashes and derivations. Measured over memif, where frames
 * cost next to nothing. */
#define CODE 195u

/* Per cent of a datagram sent and taken between two sockets of this process: what a frame costs a worker in a port
 * that the kernel drives, in and out, with system calls and the cold caches that they leave behind. All
 * that is the kernel's and differs by half between processors whose own code runs alike, so that it is measured
 * in the kernel. Measured over veth, where AF_XDP's interface was polled by a thread of the kernel (config/REFERENCE.md,
 * ports[].device), which is not the worker: without that thread its interrupts come on top. Of cards that DPDK
 * drives itself nothing is known yet but that they do not ask the kernel. */
static const struct {
	const char *prefix;
	struct {
		uint32_t rx, tx;
	} alone, burst;
} devices[] = {{"net_af_packet", {100, 290}, {45, 150}}, {"net_af_xdp", {10, 140}, {12, 74}},
	{"", {0, 0}, {0, 0}}};

/* Frames of a handshake and its end, without a request, where a client's ACKs ride on what it has to say: after
 * a full one the client resets, after a resumption it says goodbye and is answered. */
static const struct {
	uint32_t in, out;
} frames[] = {
	[HF_CAPACITY_RSA] = {5, 5}, [HF_CAPACITY_ECDHE] = {5, 4}, [HF_CAPACITY_RESUMED] = {6, 4}};

/* ---- measuring ---- */

/* Between two operations a worker does much else, which takes code and tables of the first out of the near
 * caches. So each measurement begins with that: this clock is read twice for one, first at its begin. */
static uint64_t cold_now_ns(void)
{
	static uint8_t elsewhere[COLD_LEN];
	static bool end;
	volatile uint8_t *at = elsewhere;
	for (size_t i = 0; i < COLD_LEN && !end; i += HF_CACHE_LINE)
		at[i]++;
	end = !end;
	return hf_os_now_ns();
}

/* Lanes full, or by itself, whichever is cheaper. */
static void take_best(struct hf_capacity_op *best, const struct hf_pk_pace *pace, uint32_t quantum)
{
	struct hf_capacity_op now = {pace->batch / HF_MAX(quantum, 1u), quantum, pace->whole};
	if (now.alone_ns <= now.ns)
		now = (struct hf_capacity_op){now.alone_ns, 1, now.alone_ns};
	if (!best->ns || now.ns < best->ns)
		*best = now;
}

static void measure_keys(struct hf_capacity *c, const struct hf_pk_engine_ref *pk, uint32_t cnt)
{
	const struct hf_pk_engine_ref *last = &pk[cnt - 1];
	struct hf_pk_pace pace;
	for (uint32_t e = 0; e < cnt; e++) {
		const struct hf_pk_engine *engine = pk[e].engine;
		for (uint32_t i = 0; i < HF_PK_CLASS_CNT && engine->takes && !pk[e].off; i++) {
			pace = hf_pk_measure(&pk[e], last, i, cold_now_ns);
			take_best(&c->rsa[i], &pace, engine->quantum);
		}
		for (enum hf_ec_kind k = HF_EC_BASE; k < HF_EC_KIND_CNT && !pk[e].off; k++)
			for (enum hf_group g = HF_GROUP_X25519; g < HF_GROUP_CNT && engine->ec; g++)
				if (hf_ec_name[k][g] && engine->takes_ec(pk[e].ctx[0], k, g)) {
					pace = hf_pk_ec_measure(&pk[e], last, k, g, cold_now_ns);
					take_best(&c->ec[k][g], &pace, engine->ec_quantum);
				}
	}
}

/* cnt jobs alike in one burst: ns of each. */
static uint64_t measure_jobs(
	const struct hf_sym_driver *sym, void *ctx, const struct hf_sym_job *job, uint32_t cnt)
{
	struct hf_sym_job jobs[BURST], *v[BURST];
	uint8_t out[BURST][HF_HASH_MAX];
	uint64_t best = UINT64_MAX;
	for (uint32_t i = 0; i < TRIES; i++) {
		uint64_t began, took;
		for (uint32_t j = 0; j < cnt; j++) {
			jobs[j] = *job;
			jobs[j].out = out[j];
			v[j] = &jobs[j];
		}
		began = cold_now_ns();
		sym->burst(ctx, v, cnt);
		took = cold_now_ns() - began;
		best = HF_MIN(best, took);
	}
	return best / cnt;
}

/* A key derivation, and a transcript of 3 KB hashed. */
static void measure_hashes(struct hf_capacity *c, const struct hf_sym_driver *sym, void *ctx)
{
	static const uint8_t text[3072];
	struct hf_span v[] = {{text, 48}, {text, 13}, {text, 64}}, all = {text, sizeof(text)};
	struct hf_sym_job prf = {
		.kind = HF_SYM_PRF, .hash = HF_SHA256, .v = v, .v_cnt = 3, .out_len = 48};
	struct hf_sym_job hash = {.kind = HF_SYM_HASH, .hash = HF_SHA256, .v = &all, .v_cnt = 1};
	c->prf.cold_ns = measure_jobs(sym, ctx, &prf, 1);
	c->prf.warm_ns = measure_jobs(sym, ctx, &prf, BURST);
	c->hash.cold_ns = measure_jobs(sym, ctx, &hash, 1);
	c->hash.warm_ns = measure_jobs(sym, ctx, &hash, BURST);
}

/* One of a burst, ns; 0: this process may have no sockets. */
static uint64_t measure_datagram(void)
{
	uint8_t bytes[256] = {0};
	uint64_t best = UINT64_MAX;
	int end[2];
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, end))
		return 0;
	for (uint32_t i = 0; i < TRIES && best; i++) {
		uint64_t began = cold_now_ns(), took;
		uint32_t back = 0;
		for (uint32_t j = 0; j < BURST; j++)
			(void)!send(end[0], bytes, sizeof(bytes), 0);
		while (recv(end[1], bytes, sizeof(bytes), 0) > 0)
			back++;
		took = cold_now_ns() - began;
		best = HF_MIN(best, back ? took / back : 0);
	}
	close(end[0]);
	close(end[1]);
	return best;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* Figure by figure the mean of the middle half: speeds that come and go count, a round in which the machine
 * did something else does not. */
static void take_means(struct hf_capacity *c, const struct hf_capacity *round, uint32_t cnt)
{
	uint64_t figure[HF_CAPACITY_ROUNDS];
	uint32_t off = cnt / 4;
	static_assert(sizeof(*c) % sizeof(figure[0]) == 0, "figures of 64 bits");
	for (size_t at = 0; at < sizeof(*c); at += sizeof(figure[0])) {
		uint64_t sum = 0;
		for (uint32_t r = 0; r < cnt; r++)
			memcpy(&figure[r], (const uint8_t *)&round[r] + at, sizeof(figure[0]));
		qsort(figure, cnt, sizeof(figure[0]), by_size);
		for (uint32_t r = off; r < cnt - off; r++)
			sum += figure[r];
		sum /= cnt - 2 * off;
		memcpy((uint8_t *)c + at, &sum, sizeof(sum));
	}
}

void hf_capacity_measure(struct hf_capacity *c, const struct hf_pk_engine_ref *pk, uint32_t pk_cnt,
	const struct hf_sym_driver *sym, void *sym_ctx, uint32_t rounds)
{
	struct hf_capacity round[HF_CAPACITY_ROUNDS] = {0};
	HF_ASSERT(rounds > 0 && rounds <= HF_CAPACITY_ROUNDS);
	for (uint32_t r = 0; r < rounds; r++) {
		measure_keys(&round[r], pk, pk_cnt);
		measure_hashes(&round[r], sym, sym_ctx);
		round[r].datagram_ns = measure_datagram();
		if (hf_selfrun(&round[r].half, pk, pk_cnt, sym, sym_ctx))
			hf_log(HF_LOG_WARN, "plan",
				"no memory to try what code costs here: no prediction");
	}
	take_means(c, round, rounds);
}

int hf_capacity_try(struct hf_app *app)
{
	const struct hf_plan *p = &app->plan;
	struct hf_app_worker *aw = &app->worker[0];
	if (hf_os_mem_take(&app->mem, HF_ROUND_UP(p->engine_bytes, 2ull << 20), HF_OS_HUGE_OFF))
		return -1;
	*aw = (struct hf_app_worker){.app = app};
	aw->sym_ctx = hf_os_mem_carve(&app->mem, p->sym->size(p->schedule_cnt), HF_CACHE_LINE);
	if (hf_engines_start(app, aw) || p->sym->init(aw->sym_ctx, p->schedule_cnt)) {
		hf_os_mem_give(&app->mem);
		return -1;
	}
	hf_capacity_measure(
		&app->capacity, aw->pk, aw->pk_cnt, p->sym, aw->sym_ctx, HF_CAPACITY_ROUNDS);
	hf_engines_stop(aw);
	p->sym->fini(aw->sym_ctx);
	hf_os_mem_give(&app->mem);
	return 0;
}

/* ---- telling ---- */

/* The first of a burst comes after what took the caches: keys in lanes, the kernel's way of a frame. How dear that
 * is differs by more than all the rest between processors, with the size of their caches and how far away memory is. */
static double half_ns(const struct hf_selfrun *half, uint64_t side_by_side)
{
	uint32_t i = 0;
	double cold = (double)half->cold_ns, warm, cnt;
	while (i < HF_SELFRUN_BURSTS - 1 && hf_selfrun_burst[i] < side_by_side)
		i++;
	warm = (double)half->warm_ns[i];
	cnt = (double)HF_MIN(side_by_side, (uint64_t)hf_selfrun_burst[i]);
	return (cold + (cnt - 1) * warm) / cnt;
}

/* TCP, TLS and the port. */
static double carry_ns(const struct hf_capacity *c, const struct hf_plan *p,
	enum hf_capacity_kind kind, uint64_t side_by_side)
{
	uint32_t rx, tx;
	size_t d = 0;
	while (strncmp(p->port[0].device, devices[d].prefix, strlen(devices[d].prefix)) != 0)
		d++;
	rx = side_by_side > 1 ? devices[d].burst.rx : devices[d].alone.rx;
	tx = side_by_side > 1 ? devices[d].burst.tx : devices[d].alone.tx;
	return CODE / 100.0 * half_ns(&c->half, side_by_side) +
	       (frames[kind].in * rx + frames[kind].out * tx) / 100.0 * (double)c->datagram_ns;
}

static double hash_ns(
	const struct hf_capacity *c, enum hf_capacity_kind kind, uint64_t side_by_side)
{
	bool alone = side_by_side <= 1;
	double prf = (double)(alone ? c->prf.cold_ns : c->prf.warm_ns);
	double hash = (double)(alone ? c->hash.cold_ns : c->hash.warm_ns);
	return kind == HF_CAPACITY_RESUMED ? PRFS_RESUMED * prf : PRFS_FULL * prf + HASHES * hash;
}

/* A peer's value comes when its client has had our signature. Of those that were signed together some answer
 * sooner, so a batch meets between one answer and all; or it waits, and meets those who come until then, one
 * in the time of what a handshake costs besides. */
static double derive_ns(const struct hf_capacity_op *derive, const struct hf_capacity_op *sign,
	double besides_ns, hf_ns gather_ns)
{
	double fill = HF_MAX((double)(sign->lanes + 1) / 2, 1 + (double)gather_ns / besides_ns);
	fill = HF_MIN(fill, (double)derive->lanes);
	if (sign->lanes >= derive->lanes)
		return (double)derive->ns;
	return HF_MIN((double)derive->ns * (double)derive->lanes / fill, (double)derive->alone_ns);
}

double hf_capacity_rate(const struct hf_capacity *c, const struct hf_plan *p,
	const struct hf_pk_key *key, enum hf_group group, enum hf_capacity_kind kind)
{
	const struct hf_capacity_op *op =
		key->type == HF_PK_RSA
			? &c->rsa[hf_pk_class(key)]
			: &c->ec[HF_EC_SIGN]
				[key->type == HF_PK_EC_P256 ? HF_GROUP_P256 : HF_GROUP_P384];
	uint64_t side_by_side = kind == HF_CAPACITY_RESUMED ? ALL : op->lanes;
	double ns = carry_ns(c, p, kind, side_by_side) + hash_ns(c, kind, side_by_side);
	if (!c->half.cold_ns)
		return 0;
	if (kind != HF_CAPACITY_RESUMED)
		ns += (double)op->ns;
	if (kind == HF_CAPACITY_ECDHE) {
		ns += (double)c->ec[HF_EC_BASE][group].ns;
		ns += derive_ns(&c->ec[HF_EC_MULTIPLY][group], op, ns, p->worker.curve_gather_ns);
	}
	return 1e9 / ns;
}

static double us(uint64_t ns)
{
	return (double)ns / 1000;
}

static void print_costs(const struct hf_capacity *c, FILE *out)
{
	static const char *const bits[HF_PK_CLASS_CNT] = {"2048", "3072", "4096"};
	fprintf(out, "costs, us  ");
	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++)
		fprintf(out, " rsa %s %.1f,", bits[i], us(c->rsa[i].ns));
	for (uint32_t k = 0; k < HF_EC_KIND_CNT; k++)
		for (uint32_t g = 0; g < HF_GROUP_CNT; g++)
			if (hf_ec_name[k][g] && c->ec[k][g].ns)
				fprintf(out, " %s %.1f,", hf_ec_name[k][g], us(c->ec[k][g].ns));
	fprintf(out, " each alone and in bursts:");
	fprintf(out, " key derivation %.1f %.1f,", us(c->prf.cold_ns), us(c->prf.warm_ns));
	fprintf(out, " 3 KB hashed %.1f %.1f,", us(c->hash.cold_ns), us(c->hash.warm_ns));
	fprintf(out, " half a handshake's code %.1f", us(c->half.cold_ns));
	for (uint32_t i = 0; i < HF_SELFRUN_BURSTS; i++)
		fprintf(out, " %.1f", us(c->half.warm_ns[i]));
	fprintf(out, "; a datagram through the kernel %.1f\n", us(c->datagram_ns));
}

void hf_capacity_print(const struct hf_capacity *c, const struct hf_plan *p,
	const struct hf_loaded_site *s, const struct hf_config *cfg, FILE *out)
{
	enum hf_group group = s->group[0] == 23   ? HF_GROUP_P256
			      : s->group[0] == 24 ? HF_GROUP_P384
						  : HF_GROUP_X25519;
	print_costs(c, out);
	fprintf(out, "predicted   handshakes in a CPU second of one worker, without requests\n");
	for (uint32_t i = 0; i < s->cert_cnt; i++) {
		const struct hf_pk_key *key = &s->cert[i].key;
		fprintf(out, "  %-16s", cfg->certificates[i].name);
		if (key->type == HF_PK_RSA)
			fprintf(out, " RSA key exchange %.0f,",
				hf_capacity_rate(c, p, key, group, HF_CAPACITY_RSA));
		fprintf(out, " ECDHE %.0f, resumed %.0f\n",
			hf_capacity_rate(c, p, key, group, HF_CAPACITY_ECDHE),
			hf_capacity_rate(c, p, key, group, HF_CAPACITY_RESUMED));
	}
}
