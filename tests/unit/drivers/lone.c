/* lone.c -- who computes the private operation of a handshake that comes by itself: below min_fill a batch takes
 * longer than one operation alone, and is begun only where others' frames would wait meanwhile. One client whose
 * handshakes follow each other closely is nobody else, nor are connections that say nothing. */
#include "tests/support/worker_peers.h"

#define CLIENTS 16u
#define PAUSE_NS \
	(300 * HF_NS_US) /* a handshake is five frames: 16 of them come in less than 2 ms */

static struct {
	uint32_t begun;
	struct hf_rsa_op *op;
	uint32_t cnt;
} lanes;

static bool takes(void *ctx HF_UNUSED, const struct hf_pk_key *k HF_UNUSED)
{
	return true;
}

static uint32_t begin(void *ctx HF_UNUSED, struct hf_rsa_op *ops, uint32_t cnt)
{
	lanes.begun++;
	lanes.op = ops;
	lanes.cnt = cnt;
	return cnt;
}

static bool step(void *ctx HF_UNUSED)
{
	return false;
}

/* Its context is libcrypto's. */
static void end(void *ctx)
{
	hf_pk_libcrypto.rsa(ctx, lanes.op, lanes.cnt);
}

static const struct hf_pk_engine lanes_class = {.name = "lanes",
	.cost = HF_PK_SLICEABLE,
	.quantum = 4,
	.takes = takes,
	.begin = begin,
	.step = step,
	.end = end};

static int set_up(void **state)
{
	(void)state;
	memset(&lanes, 0, sizeof(lanes));
	rig = (struct rig){PEERS_RIG, .pk_lanes = &lanes_class};
	peers_begin();
	rig_settle(&rig);
	return 0;
}

/* Four of the connections from this port on say one byte more of a record that is not whole. */
static void mumble(uint16_t first, uint16_t nth)
{
	static const uint8_t record[64] = {HF_TLS_CT_DATA, 3, 3, 1, 0};

	for (uint16_t i = 4 * nth; i < 4 * (nth + 1); i++)
		say(first + i % CLIENTS, HF_TCP_ACK | HF_TCP_PSH, &record[i / CLIENTS], 1);
}

/* So many handshakes one after another; leaves: each goes before the next comes. Others, if not 0: from
 * this port on they speak meanwhile. */
static void handshakes(uint16_t first, bool leaves, uint16_t others)
{
	for (uint16_t i = 0; i < CLIENTS; i++) {
		assert_true(served(first + i));
		if (leaves)
			say(first + i, HF_TCP_RST | HF_TCP_ACK, NULL, 0);
		if (others)
			mumble(others, i);
		for (hf_ns until = rig.now + PAUSE_NS; rig.now < until;)
			(void)rig_turn(&rig);
	}
}

static void one_by_one_is_faster_for_a_client_by_himself(void **state)
{
	(void)state;
	handshakes(2000, true, 0);
	assert_int_equal(lanes.begun, 0);
}

static void connections_that_say_nothing_are_nobody_else(void **state)
{
	(void)state;
	handshakes(2000, false, 0);
	handshakes(3000, true, 0);
	assert_int_equal(lanes.begun, 0);
}

static void beside_others_the_port_is_looked_at_between_steps(void **state)
{
	(void)state;
	handshakes(2000, false, 0);
	lanes.begun = 0;
	handshakes(3000, true, 2000);
	assert_true(lanes.begun > CLIENTS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			one_by_one_is_faster_for_a_client_by_himself, set_up, peers_end),
		cmocka_unit_test_setup_teardown(
			connections_that_say_nothing_are_nobody_else, set_up, peers_end),
		cmocka_unit_test_setup_teardown(
			beside_others_the_port_is_looked_at_between_steps, set_up, peers_end),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	rsa_key_free(&key);
	return failed;
}
