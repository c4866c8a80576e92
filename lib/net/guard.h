/* guard.h -- who may take how much of a worker: prefixes of clients' addresses, each with what it has
 * open half way, how many handshakes it began and what they cost, against the limits of the options; the
 * lists of whom to let in always and never; and strangers, who together get a share of the worker's time.
 *
 * A SYN is cheap to send and may lie about its sender, and each answer costs as much as sending a frame
 * does. So what is bounded is answers that nobody completes: hf_guard_syn takes a unit out of a budget
 * and hf_guard_opened brings it back. Three are drawn on, in this order:
 *   known     the prefix has completed a TLS handshake of late: its own, for some hundred SYNs
 *   stranger  one for all others: a quarter of limits.strangers of the worker's time, by what an answer
 *             costs, with four seconds' worth at once; in a flood it goes for nothing
 *   returned  the other three, for SYNs that come again as a client's do that gets no answer (RFC 6298 5):
 *             who sprays SYNs from addresses that he has not got does not
 * So a flood of strangers leaves known prefixes alone, and costs a new client a second.
 *
 * The table is set-associative under a keyed hash, so nobody can aim at a set; in a full one the prefix
 * that matters least makes room, if it matters less than the newcomer. One that is not remembered has no
 * limits of its own, but is a stranger.
 *
 * Threads: one worker; top may be called by any other, and then sees numbers of different moments.
 * Memory: the caller's, hf_guard_footprint bytes, 64-byte aligned. Units: ns. Errors: none. */
#ifndef HF_NET_GUARD_H
#define HF_NET_GUARD_H

#include "lib/base/rand.h"
#include "lib/base/stat.h"
#include "lib/net/prefix.h"

enum hf_guard_word { HF_GUARD_UNLISTED, HF_GUARD_ALLOW, HF_GUARD_DENY };

/* Of the whole appliance; each of its workers holds its part. 0: no such limit. */
struct hf_guard_rules {
	/* how many bits of an address make its prefix: 1..32, 1..64; 0: 24 and 56. When they change,
	 * nothing that was remembered is found again; it ages. */
	uint8_t prefix4, prefix6;
	uint32_t half_open, handshakes_per_s;
	hf_ns cost_ns_per_s;        /* workers' time */
	uint32_t strangers_percent; /* of a worker's time */
	struct hf_prefix_list list; /* words: enum hf_guard_word */
};

enum hf_guard_verdict {
	HF_GUARD_GO,
	HF_GUARD_STRANGER,
	HF_GUARD_HALF_OPEN,
	HF_GUARD_HANDSHAKES,
	HF_GUARD_COST,
	HF_GUARD_VERDICT_CNT
};

struct hf_guard_stats {
#define HF_COUNTER(name, help) uint64_t name;
#define HF_GAUGE(name, help) uint64_t name;
#include "lib/net/guard.def"
#undef HF_COUNTER
#undef HF_GAUGE
};

struct hf_guard;

size_t hf_guard_footprint(uint32_t prefix_cnt);
/* Without rules everybody is let in. */
struct hf_guard *hf_guard_init(
	void *mem, uint32_t prefix_cnt, uint32_t worker_cnt, struct hf_rand *rand);
/* The list that rules point to stays until they are replaced. */
void hf_guard_rule(struct hf_guard *g, const struct hf_guard_rules *rules);
/* What answering a SYN costs, as measured. */
void hf_guard_price(struct hf_guard *g, hf_ns answer_ns);

/* Says that this SYN comes soon: asks for the memory that it will want. */
void hf_guard_ahead(const struct hf_guard *g, const struct hf_addr *src, uint64_t id);
HF_MUST_CHECK bool hf_guard_denies(const struct hf_guard *g, const struct hf_addr *src);
/* Whether a SYN is answered. id: hash of its flow and number, keyed. */
HF_MUST_CHECK enum hf_guard_verdict hf_guard_syn(
	struct hf_guard *g, const struct hf_addr *src, uint64_t id, hf_ns now);
/* The same for a SYN that came before and was answered. */
HF_MUST_CHECK bool hf_guard_syn_again(struct hf_guard *g, const struct hf_addr *src, hf_ns now);
/* One more is remembered half open. True: it counts, and hf_guard_half_less wants to know of its end, whatever
 * the rules are by then. */
HF_MUST_CHECK bool hf_guard_half_more(struct hf_guard *g, const struct hf_addr *src, hf_ns now);
void hf_guard_half_less(struct hf_guard *g, const struct hf_addr *src);
/* A third ACK came: the address is his. False: his prefix has begun as many handshakes as it may, most of
 * them since his SYN; when he says it again there may be room. */
HF_MUST_CHECK bool hf_guard_opened(struct hf_guard *g, const struct hf_addr *src, hf_ns now);
/* Its TLS handshake is done: its prefix is known. */
void hf_guard_done(struct hf_guard *g, const struct hf_addr *src, hf_ns now);

/* Whether costs matter at all: who would measure them need not otherwise. */
bool hf_guard_counts_cost(const struct hf_guard *g);
void hf_guard_charge(struct hf_guard *g, const struct hf_addr *src, hf_ns cost, hf_ns now);
/* Whether its prefix may have a handshake computed now; refusals are counted. */
HF_MUST_CHECK bool hf_guard_hello(struct hf_guard *g, const struct hf_addr *src, hf_ns now);

/* One prefix as an operator sees it. */
struct hf_guard_row {
	struct hf_prefix prefix;
	bool known;
	uint32_t half_open;
	uint32_t syns_per_s, handshakes_per_s; /* of the last whole second */
	hf_ns cost_per_s;
	uint64_t refused[HF_GUARD_VERDICT_CNT]; /* since it was remembered */
};
/* Who was refused more, or costs more, or has more half open, or opens more. */
bool hf_guard_worse(const struct hf_guard_row *x, const struct hf_guard_row *y);
/* The worst, worst first. Returns how many. */
uint32_t hf_guard_top(const struct hf_guard *g, struct hf_guard_row *v, uint32_t cnt, hf_ns now);

const struct hf_guard_stats *hf_guard_stats(const struct hf_guard *g);
const char *hf_guard_verdict_name(enum hf_guard_verdict v);
extern const struct hf_stat_table hf_guard_stat_table;

#endif
