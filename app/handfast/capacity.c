/* capacity.c -- how many handshakes a worker will bear, told before it serves. Nearly all of a full
 * handshake is arithmetic with keys, and that is timed at start, by the engines that will compute it, on the
 * processor at hand; so are hashes and key derivations, and our own code, by a short run of it
 * (selfrun.c). What that run has not, the rest of the handshake and the device, is in proportion to
 * it: the proportions were measured once and stand below. */
#include <inttypes.h>
#include <stdlib.h>
#include "app/handfast/app.h"
#include "app/handfast/selfrun.h"
#include "app/handfast/site_load.h"

#define TRIES 9u
#define COLD_LEN (2u << 20)
#define PRFS_FULL 4u /* master secret, keys, two Finished; resumed: the last three */
#define PRFS_RESUMED 3u
#define HASHES 3u /* of a transcript: two Finished, and the session's or a signature's */

/* Per cent of what half a handshake costs in selfrun.c: TCP and TLS of a whole connection without a request,
 * without keys, hashes and derivations. Measured over memif, where frames cost next to nothing. Between
 * private-key operations each step finds the caches cold; resumptions come in bursts. */
#define CODE_FULL 195u
#define CODE_RESUMED 195u

/* Per cent of the cold half handshake: what a frame costs in the port, with the interrupt that
 * brings it, which frames share when they come in numbers as those of resumptions do. Measured over veth in
 * a virtual machine, where such an interrupt is dear. With AF_XDP a thread of the kernel takes frames in,
 * and what is counted here of that is the cold caches that it leaves behind. Of cards nothing is known yet
 * but what a poll costs. */
static const struct {
	const char *prefix;
	uint32_t rx, rx_burst, tx;
} devices[] = {{"net_af_packet", 68, 36, 32}, {"net_af_xdp", 36, 16, 34}, {"", 1, 1, 1}};

/* Frames of a handshake and a close by reset, without a request. */
static const struct {
	uint32_t in, out;
} frames[] = {
	[HF_CAPACITY_RSA] = {7, 5}, [HF_CAPACITY_ECDHE] = {7, 6}, [HF_CAPACITY_RESUMED] = {6, 2}};

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

/* Of an operation when lanes are full, or by itself, whichever is cheaper. */
static uint64_t best_of(uint64_t best, const struct hf_pk_pace *pace, uint32_t quantum)
{
	uint64_t lane = pace->batch / HF_MAX(quantum, 1u);
	uint64_t now = HF_MIN(lane, pace->whole);
	return best ? HF_MIN(best, now) : now;
}

static void measure_keys(struct hf_capacity *c, const struct hf_pk_engine_ref *pk, uint32_t cnt)
{
	const struct hf_pk_engine_ref *last = &pk[cnt - 1];
	struct hf_pk_pace pace;
	for (uint32_t e = 0; e < cnt; e++) {
		const struct hf_pk_engine *engine = pk[e].engine;
		for (uint32_t i = 0; i < HF_PK_CLASS_CNT && engine->takes && !pk[e].off; i++) {
			pace = hf_pk_measure(&pk[e], last, i, cold_now_ns);
			c->rsa_ns[i] = best_of(c->rsa_ns[i], &pace, engine->quantum);
		}
		for (enum hf_ec_kind k = HF_EC_BASE; k < HF_EC_KIND_CNT && !pk[e].off; k++)
			for (enum hf_group g = HF_GROUP_X25519; g < HF_GROUP_CNT && engine->ec; g++)
				if (hf_ec_name[k][g] && engine->takes_ec(pk[e].ctx[0], k, g)) {
					pace = hf_pk_ec_measure(&pk[e], last, k, g, cold_now_ns);
					c->ec_ns[k][g] =
						best_of(c->ec_ns[k][g], &pace, engine->ec_quantum);
				}
	}
}

static uint64_t measure_job(const struct hf_sym_driver *sym, void *ctx, struct hf_sym_job *job)
{
	uint64_t best = UINT64_MAX;
	for (uint32_t i = 0; i < TRIES; i++) {
		uint64_t began = cold_now_ns(), took;
		sym->burst(ctx, (struct hf_sym_job *const[]){job}, 1);
		took = cold_now_ns() - began;
		best = HF_MIN(best, took);
	}
	return best;
}

/* A key derivation, and a transcript of 3 KB hashed, each alone in its burst. */
static void measure_hashes(struct hf_capacity *c, const struct hf_sym_driver *sym, void *ctx)
{
	static const uint8_t text[3072];
	uint8_t out[HF_HASH_MAX];
	struct hf_span v[] = {{text, 48}, {text, 13}, {text, 64}}, all = {text, sizeof(text)};
	c->prf_ns = measure_job(sym, ctx,
		&(struct hf_sym_job){.kind = HF_SYM_PRF,
			.hash = HF_SHA256,
			.v = v,
			.v_cnt = 3,
			.out = out,
			.out_len = 48});
	c->hash_ns = measure_job(sym, ctx,
		&(struct hf_sym_job){
			.kind = HF_SYM_HASH, .hash = HF_SHA256, .v = &all, .v_cnt = 1, .out = out});
}

void hf_capacity_measure(struct hf_capacity *c, const struct hf_pk_engine_ref *pk, uint32_t pk_cnt,
	const struct hf_sym_driver *sym, void *sym_ctx, uint32_t rounds)
{
	*c = (struct hf_capacity){.prf_ns = 0};
	for (uint32_t r = 0; r < rounds; r++) {
		struct hf_capacity one = {.prf_ns = 0};
		measure_keys(&one, pk, pk_cnt);
		measure_hashes(&one, sym, sym_ctx);
		if (hf_selfrun(&one.half, pk, pk_cnt, sym, sym_ctx))
			hf_log(HF_LOG_WARN, "plan",
				"no memory to try what code costs here: no prediction");
		for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++)
			c->rsa_ns[i] += one.rsa_ns[i] / rounds;
		for (uint32_t k = 0; k < HF_EC_KIND_CNT; k++)
			for (uint32_t g = 0; g < HF_GROUP_CNT; g++)
				c->ec_ns[k][g] += one.ec_ns[k][g] / rounds;
		c->prf_ns += one.prf_ns / rounds;
		c->hash_ns += one.hash_ns / rounds;
		c->half.cold_ns += one.half.cold_ns / rounds;
		c->half.warm_ns += one.half.warm_ns / rounds;
	}
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

static double port_ns(
	const struct hf_capacity *c, const struct hf_plan *p, enum hf_capacity_kind kind)
{
	bool burst = kind == HF_CAPACITY_RESUMED;
	size_t d = 0;
	while (strncmp(p->port[0].device, devices[d].prefix, strlen(devices[d].prefix)) != 0)
		d++;
	return (double)(frames[kind].in * (burst ? devices[d].rx_burst : devices[d].rx) +
			frames[kind].out * devices[d].tx) *
	       (double)c->half.cold_ns / 100;
}

double hf_capacity_rate(const struct hf_capacity *c, const struct hf_plan *p,
	const struct hf_pk_key *key, enum hf_group group, enum hf_capacity_kind kind)
{
	double ns = port_ns(c, p, kind);
	if (!c->half.warm_ns || !c->half.cold_ns)
		return 0;
	if (kind == HF_CAPACITY_RESUMED)
		return 1e9 / (ns + PRFS_RESUMED * (double)c->prf_ns +
				     CODE_RESUMED * (double)c->half.warm_ns / 100);
	ns += PRFS_FULL * (double)c->prf_ns + HASHES * (double)c->hash_ns +
	      CODE_FULL * (double)c->half.cold_ns / 100;
	ns += key->type == HF_PK_RSA
		      ? (double)c->rsa_ns[hf_pk_class(key)]
		      : (double)c->ec_ns[HF_EC_SIGN][key->type == HF_PK_EC_P256 ? HF_GROUP_P256
										: HF_GROUP_P384];
	if (kind == HF_CAPACITY_ECDHE)
		ns += (double)(c->ec_ns[HF_EC_BASE][group] + c->ec_ns[HF_EC_MULTIPLY][group]);
	return 1e9 / ns;
}

static void print_costs(const struct hf_capacity *c, FILE *out)
{
	static const char *const bits[HF_PK_CLASS_CNT] = {"2048", "3072", "4096"};
	fprintf(out, "costs, us  ");
	for (uint32_t i = 0; i < HF_PK_CLASS_CNT; i++)
		fprintf(out, " rsa %s %.1f,", bits[i], (double)c->rsa_ns[i] / 1000);
	for (uint32_t k = 0; k < HF_EC_KIND_CNT; k++)
		for (uint32_t g = 0; g < HF_GROUP_CNT; g++)
			if (hf_ec_name[k][g] && c->ec_ns[k][g])
				fprintf(out, " %s %.1f,", hf_ec_name[k][g],
					(double)c->ec_ns[k][g] / 1000);
	fprintf(out,
		" key derivation %.1f, 3 KB hashed %.1f, half a handshake's code %.1f cold %.1f "
		"warm\n",
		(double)c->prf_ns / 1000, (double)c->hash_ns / 1000, (double)c->half.cold_ns / 1000,
		(double)c->half.warm_ns / 1000);
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
