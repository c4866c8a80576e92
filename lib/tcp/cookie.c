/* cookie.c -- a SYN answered without remembering it: what an entry would have kept lies in the
 * sequence number of the SYN-ACK, which the third ACK brings back (RFC 4987 3.6):
 *   24 bits  keyed hash of the flow's keyed hash, the peer's number and the 8 bits below
 *    8 bits  MSS (one of eight, the next lower), window scale or none, SACK
 * so nothing that the peer offered is lost but a few bytes of its MSS. Timestamps need no room: the
 * third ACK has them or not, and what it echoes must be a clock of ours that is recent.
 * The key changes every half minute and the one before it still opens, so a cookie is good for 30
 * to 60 s. A guess hits once in 2^23; whoever guesses has a connection without bytes, which the
 * worker ends as any other that stays silent. */
#include "lib/tcp/tcp_conn.h"

#define KEY_LIFE (30 * HF_NS_S)

/* What Ethernet, tunnels, DSL and IPv6's least MTU leave, and RFC 9293's default. */
static const uint16_t mss_table[8] = {
	HF_TCP_MSS_MIN, HF_TCP_MSS_DEFAULT, 1220, 1360, 1400, 1440, 1452, 1460};

/* MSS index 0..7, scale 0..15, SACK 0..1 */
static uint32_t bits_of(const struct hf_tcp_half *h)
{
	uint32_t i = HF_ARRAY_LEN(mss_table) - 1;
	while (i > 0 && mss_table[i] > h->mss)
		i--;
	return i << 5 | (uint32_t)h->scale << 1 | h->sack_ok;
}

static uint32_t number(const uint8_t key[16], uint64_t flow_hash, uint32_t irs, uint32_t bits)
{
	const struct {
		uint64_t flow_hash;
		uint32_t irs, bits;
	} said = {flow_hash, irs, bits};
	static_assert(sizeof(said) == 16, "no padding: it is hashed as bytes");
	return (uint32_t)hf_siphash(key, &said, sizeof(said)) << 8 | bits;
}

static void rotate(struct hf_tcp *t, hf_ns now)
{
	struct hf_tcp_cookies *k = &t->cookies;
	hf_ns age = now - k->since;
	if (k->since && age < KEY_LIFE)
		return;
	memcpy(k->key[1], k->key[0], sizeof(k->key[1]));
	hf_rand_bytes(t->rand, k->key[0], sizeof(k->key[0]));
	if (!k->since || age >= 2 * KEY_LIFE)
		hf_rand_bytes(t->rand, k->key[1], sizeof(k->key[1]));
	k->since = now;
}

uint32_t hf_tcp_cookie_make(const struct hf_tcp_in *in, const struct hf_tcp_half *h)
{
	struct hf_tcp *t = in->t;
	rotate(t, in->now);
	t->cookies.good_until = in->now + 2 * KEY_LIFE;
	return number(t->cookies.key[0], in->hash, h->irs, bits_of(h));
}

bool hf_tcp_cookies_out(const struct hf_tcp *t, hf_ns now)
{
	return now < t->cookies.good_until;
}

/* The echo is of our clock for this flow, and no older than the keys. */
static bool stamp_is_ours(const struct hf_tcp_in *in)
{
	uint32_t now = hf_tcp_stamp(hf_tcp_stamp_off(in), in->now);
	return now - in->opt.ts_ecr <= 2 * KEY_LIFE / HF_NS_MS;
}

bool hf_tcp_cookie_check(const struct hf_tcp_in *in, struct hf_tcp_half *h)
{
	struct hf_tcp *t = in->t;
	uint32_t iss = in->p->ack - 1, irs = in->p->seq - 1, bits = iss & 0xff;
	rotate(t, in->now);
	if (iss != number(t->cookies.key[0], in->hash, irs, bits) &&
		iss != number(t->cookies.key[1], in->hash, irs, bits))
		return false;
	if (in->opt.has_timestamps && !stamp_is_ours(in))
		return false;
	*h = (struct hf_tcp_half){
		.flow = in->flow,
		.irs = irs,
		.iss = iss,
		.link.next = HF_TCP_LIST_OUT,
		.port = in->port & 7,
		.mss = HF_MIN(mss_table[bits >> 5], hf_tcp_mss(in->t, in->port, &in->flow.src)),
		.scale = bits >> 1 & 15,
		.sack_ok = bits & 1,
		.ts_ok = in->opt.has_timestamps,
	};
	memcpy(h->mac, in->p->eth_src, sizeof(h->mac));
	return true;
}
