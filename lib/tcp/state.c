/* state.c -- the right half of the state diagram (RFC 9293 3.3.2, figure 5) as a table: a row per
 * state, a column per thing that can happen, and nothing else writes a connection's state. What the
 * table does not allow is our own mistake, never the peer's: callers ask first. */
#include "lib/tcp/tcp_conn.h"

#define NO 0xff

/* clang-format off */
static const uint8_t next_state[HF_TCP_S_CNT][HF_TCP_M_CNT] = {
	/*                         user closes            our FIN acked          peer's FIN came        ends */
	[HF_TCP_S_CLOSED]      = { NO,                    NO,                    NO,                    NO },
	[HF_TCP_S_ESTABLISHED] = { HF_TCP_S_FIN_WAIT_1,   NO,                    HF_TCP_S_CLOSE_WAIT,   HF_TCP_S_CLOSED },
	[HF_TCP_S_FIN_WAIT_1]  = { NO,                    HF_TCP_S_FIN_WAIT_2,   HF_TCP_S_CLOSING,      HF_TCP_S_CLOSED },
	[HF_TCP_S_FIN_WAIT_2]  = { NO,                    NO,                    HF_TCP_S_TIME_WAIT,    HF_TCP_S_CLOSED },
	[HF_TCP_S_CLOSE_WAIT]  = { HF_TCP_S_LAST_ACK,     NO,                    NO,                    HF_TCP_S_CLOSED },
	[HF_TCP_S_CLOSING]     = { NO,                    HF_TCP_S_TIME_WAIT,    NO,                    HF_TCP_S_CLOSED },
	[HF_TCP_S_LAST_ACK]    = { NO,                    HF_TCP_S_CLOSED,       NO,                    HF_TCP_S_CLOSED },
	[HF_TCP_S_TIME_WAIT]   = { NO,                    NO,                    NO,                    HF_TCP_S_CLOSED },
};
/* clang-format on */

void hf_tcp_state_open(struct hf_tcp_conn *c)
{
	c->state = HF_TCP_S_ESTABLISHED;
}

bool hf_tcp_state_allows(const struct hf_tcp_conn *c, enum hf_tcp_move move)
{
	return next_state[c->state][move] != NO;
}

enum hf_tcp_state hf_tcp_state_move(struct hf_tcp_conn *c, enum hf_tcp_move move)
{
	HF_ASSERT(hf_tcp_state_allows(c, move));
	c->state = next_state[c->state][move];
	return c->state;
}

bool hf_tcp_fin_owed(const struct hf_tcp_conn *c)
{
	return hf_tcp_state_allows(c, HF_TCP_M_FIN_ACKED);
}
