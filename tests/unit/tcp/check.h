/* check.h -- the invariants of lib/tcp: call it between any two calls of the module, from unit tests
 * and from the fuzzer. Every chunk is in one chain, every live entry in the flow table, whoever has
 * something to say is on an output list, whoever waits for an answer has a deadline. */
#ifndef TESTS_UNIT_TCP_CHECK_H
#define TESTS_UNIT_TCP_CHECK_H

#include "lib/tcp/tcp_conn.h"

HF_UNUSED static uint32_t tcp_check_chain(const struct hf_chain *c)
{
	uint32_t cnt = 0;
	size_t len = 0;
	for (const struct hf_chunk *k = c->head; k; k = k->next) {
		HF_ASSERT(k->len > 0 && (size_t)k->off + k->len <= HF_CHUNK_DATA);
		HF_ASSERT(k->next || k == c->tail);
		cnt++;
		len += k->len;
	}
	HF_ASSERT(len == c->len);
	return cnt;
}

HF_UNUSED static uint32_t tcp_check_conn(const struct hf_tcp *t, const struct hf_tcp_conn *c)
{
	uint32_t chunks = tcp_check_chain(&c->rcv) + tcp_check_chain(&c->snd), ooo = 0;
	uint32_t queued = (uint32_t)c->snd.len + hf_tcp_fin_owed(c);
	for (const struct hf_chunk *k = c->ooo_head; k; k = k->next) {
		HF_ASSERT(k->len > 0 && k->off == 0 && k->len <= HF_CHUNK_DATA);
		HF_ASSERT(hf_seq_lt(c->rcv_nxt, k->spare));
		HF_ASSERT(hf_seq_le(k->spare + k->len, c->rcv_edge));
		HF_ASSERT(
			k->next ? hf_seq_le(k->spare + k->len, k->next->spare) : k == c->ooo_tail);
		ooo++;
	}
	HF_ASSERT(ooo == c->ooo_cnt && ooo <= t->ooo_max);
	HF_ASSERT(c->rcv.len <= c->rcv_held);
	if (c->state == HF_TCP_S_CLOSED) {
		HF_ASSERT(c->info.end != HF_TCP_END_NONE && c->snd.len == 0 && ooo == 0);
		HF_ASSERT(!hf_timer_armed(&c->timer) && c->out_link.next == HF_TCP_LIST_OUT);
		return chunks;
	}
	HF_ASSERT(c->info.end == HF_TCP_END_NONE);
	HF_ASSERT(hf_seq_le(c->snd_una, c->snd_nxt) && hf_seq_le(c->snd_nxt, c->snd_max));
	HF_ASSERT(c->snd_max - c->snd_una <= queued);
	HF_ASSERT(c->run_cnt <= HF_TCP_RUN_MAX && (c->run_cnt == 0) == (c->snd_nxt == c->snd_una));
	for (uint32_t i = 0; i < c->run_cnt; i++) { /* without gaps from snd_una to snd_nxt */
		HF_ASSERT(i > 0 ||
			  (c->run[i].seq == c->snd_una && !(c->run[i].fate & HF_TCP_RUN_SACKED)));
		HF_ASSERT(hf_seq_lt(c->run[i].seq, hf_tcp_run_end(c, i)));
	}
	HF_ASSERT(c->sack_ok ? c->dup_cnt == 0 : hf_tcp_sent_len(c, HF_TCP_RUN_SACKED) == 0);
	HF_ASSERT(c->cwnd >= c->info.mss && c->info.mss >= HF_TCP_MSS_MIN - HF_TCP_STAMP_LEN);
	HF_ASSERT(c->rcv_held <= t->cfg.rcv_wnd_max + 1u);
	HF_ASSERT(c->info.eof || hf_seq_le(c->rcv_nxt, c->rcv_edge));
	HF_ASSERT(!c->fin_known || c->info.eof || hf_seq_le(c->rcv_nxt, c->fin_seq));
	/* Who has something to say is on the list; who waits for an answer has a deadline. */
	HF_ASSERT(!hf_tcp_has_output(c) || c->out_link.next != HF_TCP_LIST_OUT);
	if (queued > 0 && !hf_tcp_has_data(c)) {
		HF_ASSERT(c->due[HF_TCP_DUE_REXMIT] != HF_NS_NEVER);
		HF_ASSERT(hf_timer_armed(&c->timer) && c->timer.due <= c->due[HF_TCP_DUE_REXMIT]);
	}
	return chunks + ooo;
}

/* Returns how many chunks connections hold. */
HF_UNUSED static uint32_t tcp_check_held(const struct hf_tcp *t)
{
	uint32_t chunks = 0, live = 0, halves = 0;
	uint64_t outcomes = 0;
	for (uint32_t i = 0; i < t->conns.cnt; i++) {
		const struct hf_tcp_conn *c = hf_pool_at(&t->conns, i);
		if (!hf_tcp_alive(t, i))
			continue;
		chunks += tcp_check_conn(t, c);
		live += c->state != HF_TCP_S_CLOSED;
	}
	for (uint32_t i = 0; i < HF_TCP_HALF_LEVELS; i++)
		for (uint32_t at = t->half_level[i].head; at != HF_TCP_LIST_END;
			at = hf_tcp_list_link(&t->half_level[i], at)->next)
			halves++;
	for (uint32_t i = 0; i < HF_TCP_OUTCOME_CNT; i++)
		outcomes += t->stats.outcome[i];
	HF_ASSERT(t->stats.conns == t->conns.used);
	HF_ASSERT(t->stats.half_open == halves && halves == t->halves.used);
	HF_ASSERT(t->flows.cnt == live + halves + t->stats.time_wait);
	HF_ASSERT(t->stats.time_wait <= t->waits.cnt && t->waits.cnt <= t->waits.cap);
	HF_ASSERT(outcomes == t->stats.segments_in);
	return chunks;
}

/* other_chunks: what the caller itself took from the pool. */
HF_UNUSED static void tcp_check(
	const struct hf_tcp *t, const struct hf_bufs *bufs, uint32_t other_chunks)
{
	uint32_t held = tcp_check_held(t);

	HF_ASSERT(held + other_chunks == bufs->chunk.used);
}

#endif
