/* open.c -- from nothing to a connection: what SYNs may say, how they are answered, what completes
 * the handshake and what does not. */
#include "tests/unit/tcp/rig.h"

RIG_TEST(handshake)
{
	IN(SYN_NEW, "S", OPTS(OPT_MSS));
	OUT("SA", .seq = 0, .ack = 1, .wnd = 65535);
	IN(OPENED, "A", .seq = 1, .ack = 1);
	assert_int_equal(rig_events(r), HF_TCP_EV_OPENED);
	SILENT();
	const struct hf_tcp_info *i = hf_tcp_info(r->t, r->conn);
	assert_int_equal(i->listener, 7);
	assert_int_equal(i->peer_port, 40000);
	assert_int_equal(i->local_port, 443);
	assert_int_equal(i->mss, MSS);
	IN(DATA, "PA", .seq = 1, .ack = 1, .len = 517);
	assert_int_equal(rig_events(r), HF_TCP_EV_READABLE);
	OUT("A", .seq = 1, .ack = 518);
	assert_int_equal(rig_read(r, 1000), 517);
	rig_write(r, 4000);
	OUT("A", .seq = 1, .ack = 518, .len = MSS);
	OUT("A", .seq = 1 + MSS, .ack = 518, .len = MSS);
	OUT("PA", .seq = 1 + 2 * MSS, .ack = 518, .len = 1080);
	SILENT();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshake),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
