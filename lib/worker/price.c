/* price.c -- what things cost the worker, as measured, and who pays: the prefix that a connection comes
 * from (limits.cost, lib/net/guard.h). What a connection has done to the worker's time is charged to it as it
 * goes along: its turn in TLS, its part of what was spent on keys since somebody's job with a key was last
 * done, the check of its certificate; frames, which come in bursts of many connections', at the price of
 * the last second. A resumption has few of these, a full handshake with RSA many: nobody wrote down which
 * is how dear. While no limit asks for it nothing is measured but the price of a frame out, by which SYNs
 * of strangers are answered. */
#include "lib/worker/conn.h"

#define FRAMES_MIN 64u  /* of a second that is taken as a measure */
#define FRAMES_OPEN 12u /* both ways, from SYN to FIN, without a request */

static hf_ns price(const struct hf_worker *w, uint64_t cycles, uint64_t cnt)
{
	return cycles * 1000 / HF_MAX(w->env.cycles_per_us, 1ull) / HF_MAX(cnt, 1ull);
}

void hf_price_frames(struct hf_worker *w)
{
	struct hf_prices *p = &w->prices;
	uint64_t tx = w->cycles[HF_GAP_tx], out = hf_tcp_stats(w->tcp)->segments_out;
	uint64_t all = tx + w->cycles[HF_GAP_rx] + w->cycles[HF_GAP_tcp];
	uint64_t both = out + w->net_stats.frames_in;

	if (out - p->out_at >= FRAMES_MIN)
		hf_guard_price(w->guard,
			HF_MIN(price(w, tx - p->tx_at, out - p->out_at), HF_PRICE_TX_MOST) +
				HF_PRICE_ANSWER_OWN);
	if (both - p->both_at >= FRAMES_MIN)
		p->frame_ns = price(w, all - p->all_at, both - p->both_at);
	*p = (struct hf_prices){.frame_ns = p->frame_ns,
		.key_ns = p->key_ns,
		.key_cycles = p->key_cycles,
		.tx_at = tx,
		.all_at = all,
		.out_at = out,
		.both_at = both};
}

static void charge(struct hf_worker *w, const struct hf_addr *who, hf_ns cost)
{
	hf_guard_charge(w->guard, who, cost, w->now);
}

void hf_price_open(struct hf_worker *w, uint32_t i)
{
	if (hf_guard_counts_cost(w->guard))
		charge(w, &hf_tcp_info(w->tcp, i)->peer, FRAMES_OPEN * w->prices.frame_ns);
}

void hf_price_run(struct hf_worker *w, uint32_t i, uint64_t cycles)
{
	charge(w, &hf_tcp_info(w->tcp, i)->peer, price(w, cycles, 1));
}

static void charge_owner(struct hf_worker *w, hf_ref owner, hf_ns cost)
{
	uint32_t i = (uint32_t)owner;

	if (hf_tcp_alive(w->tcp, i) && w->conn[i].ref == owner)
		charge(w, &hf_tcp_info(w->tcp, i)->peer, cost);
}

void hf_price_keys(struct hf_worker *w, const hf_ref *owner, uint32_t cnt, uint64_t cycles)
{
	struct hf_prices *p = &w->prices;
	hf_ns each;

	p->key_cycles += cycles;
	if (cnt == 0)
		return;
	each = price(w, p->key_cycles, cnt);
	p->key_cycles = 0;
	p->key_ns = p->key_ns ? (7 * p->key_ns + each) / 8 : each;
	for (uint32_t n = 0; n < cnt && hf_guard_counts_cost(w->guard); n++)
		charge_owner(w, owner[n], each);
}

void hf_price_check(struct hf_worker *w, hf_ref owner, uint64_t cycles)
{
	if (hf_guard_counts_cost(w->guard))
		charge_owner(w, owner, price(w, cycles, 1));
}

void hf_price_gone(struct hf_worker *w, uint32_t i)
{
	if (w->conn[i].computing && hf_guard_counts_cost(w->guard))
		charge(w, &hf_tcp_info(w->tcp, i)->peer, w->prices.key_ns);
}
