/* rfc5961.c -- what somebody can do who sees no segment of a connection but knows its four numbers:
 * resets, SYNs and data at any place of the window or outside, and answers counted (RFC 5961). Each
 * probe must leave the connection as it was: bytes both ways afterwards prove it. */
#include "tests/unit/tcp/rig.h"

#define WND 65535u

/* The connection still carries bytes both ways, at offset off of each stream. */
static void goes_on(struct rig *r, uint32_t off)
{
	while (rig_emit(r)) /* a challenge may still be owed */
		;
	IN(DATA, "PA", .seq = 1 + off, .ack = 1 + off, .len = 10);
	OUT("A", .seq = 1 + off, .ack = 11 + off);
	assert_int_equal(rig_read(r, 99), 10);
	rig_write(r, 10);
	OUT("PA", .seq = 1 + off, .ack = 11 + off, .len = 10);
	IN(ACK, "A", .seq = 11 + off, .ack = 11 + off);
}

/* Where in relation to rcv_nxt (1) and the right edge (1 + WND). */
struct place {
	uint32_t seq;
	bool inside;
};
static const struct place place[] = {
	{1 - 0x40000000u, false},
	{1 - 100000u, false},
	{0, false},
	{2, true},
	{1000, true},
	{WND, true},
	{1 + WND, true}, /* the edge itself: its ACK counts ("special allowance") */
	{2 + WND, false},
	{0x40000000, false},
	{0x7fffff00, false},
};

/* 3.2: wherever it lies, only the exact one ends the connection; inside it is challenged. */
RIG_TEST(blind_resets)
{
	rig_open(r);
	for (size_t i = 0; i < HF_ARRAY_LEN(place); i++) {
		static const char *const flags[] = {"R", "RA"};
		for (size_t f = 0; f < 2; f++) {
			enum hf_tcp_outcome o = rig_in(r,
				(struct rig_seg){.flags = flags[f], .seq = place[i].seq, .ack = 1});
			assert_int_equal(
				o, place[i].inside ? HF_TCP_O_RST_INEXACT : HF_TCP_O_RST_OUTSIDE);
			if (place[i].inside)
				OUT("A", .seq = 1, .ack = 1);
			SILENT();
			rig_wait(r, 600 * MS);
		}
	}
	goes_on(r, 0);
	IN(RST, "R", .seq = 11);
	assert_int_equal(rig_events(r) & HF_TCP_EV_CLOSED, HF_TCP_EV_CLOSED);
}

/* 4.2: a SYN never ends it, not even at the exact place. */
RIG_TEST(blind_syns)
{
	rig_open(r);
	for (size_t i = 0; i < HF_ARRAY_LEN(place); i++) {
		rig_in(r, (struct rig_seg){.flags = "S", .seq = place[i].seq, OPTS(OPT_MSS)});
		OUT("A", .seq = 1, .ack = 1);
		SILENT();
		rig_wait(r, 600 * MS);
	}
	IN(SYN_INSIDE, "S", .seq = 1, OPTS(OPT_MSS));
	OUT("A", .seq = 1, .ack = 1);
	rig_wait(r, 600 * MS);
	IN(SYN_INSIDE, "SA", .seq = 1, .ack = 1, OPTS(OPT_MSS));
	OUT("A", .seq = 1, .ack = 1);
	assert_int_equal(rig_stat(r, half_open), 0);
	goes_on(r, 0);
}

/* 5.2: bytes are taken only with an ACK that could be: of the last window's worth, or what is in
 * flight. A blind guess has to meet both windows. */
RIG_TEST(blind_data)
{
	static const uint32_t no_ack[] = {/* beyond what was sent, older than any window */
		12, 13, 100000, 0x40000000, 0x7fffffff, 1 - 65536u, 1 - 70000u, 0u - 0x40000000};
	rig_open(r);
	rig_write(r, 10);
	OUT("PA", .seq = 1, .ack = 1, .len = 10);
	for (size_t i = 0; i < HF_ARRAY_LEN(no_ack); i++) {
		IN(ACK_OUTSIDE, "PA", .seq = 1, .ack = no_ack[i], .len = 5);
		OUT("A", .seq = 11, .ack = 1);
		IN(ACK_OUTSIDE, "PA", .seq = 1, .ack = no_ack[i], .len = 5); /* and rarely */
		SILENT();
		rig_wait(r, 600 * MS);
		while (rig_emit(r))
			; /* our 10 bytes again */
	}
	IN(OUTSIDE, "PA", .seq = 2 + WND, .ack = 11, .len = 5);
	OUT("A", .seq = 11, .ack = 1);
	IN(OLD, "PA", .seq = 1 - 100000u, .ack = 11, .len = 5);
	OUT("A", .seq = 11, .ack = 1);
	IN(ACK_MISSING, "P", .seq = 1, .len = 5);
	SILENT();
	assert_int_equal(rig_read(r, 99), 0);
	IN(ACK, "A", .seq = 1, .ack = 11);
	IN(DATA, "PA", .seq = 1, .ack = 11, .len = 10);
	OUT("A", .seq = 11, .ack = 11);
	assert_int_equal(rig_read(r, 99), 10);
}

/* A FIN is data: out of place it closes nothing. */
RIG_TEST(blind_fins)
{
	rig_open(r);
	IN(OUTSIDE, "FA", .seq = 2 + WND, .ack = 1);
	OUT("A", .seq = 1, .ack = 1);
	IN(OLD, "FA", .seq = 1 - 100000u, .ack = 1);
	OUT("A", .seq = 1, .ack = 1);
	IN(ACK_OUTSIDE, "FA", .seq = 1, .ack = 2);
	OUT("A", .seq = 1, .ack = 1);
	assert_int_equal(rig_events(r), 0);
	goes_on(r, 0);
}

/* A half-open entry and a TIME_WAIT entry stand the same probes. */
RIG_TEST(half_open_is_no_easier)
{
	IN(SYN_NEW, "S", OPTS(OPT_MSS));
	OUT("SA", .ack = 1);
	for (size_t i = 0; i < HF_ARRAY_LEN(place); i++) {
		IN(OPEN_FORGED, "A", .seq = 1, .ack = 2 + (uint32_t)i);
		OUT("R", .seq = 2 + (uint32_t)i);
		rig_in(r, (struct rig_seg){.flags = "R", .seq = place[i].seq});
		if (place[i].inside)
			OUT("A", .seq = 1, .ack = 1);
		SILENT();
	}
	IN(OPENED, "A", .seq = 1, .ack = 1);
	rig_events(r);
	goes_on(r, 0);
}

/* 7: sprayed over many connections, too, a worker answers so many in a second and no more; how many
 * is not the same in each second, and nobody's own traffic waits. */
static void a_worker_answers_only_so_many(void **state)
{
	struct hf_tcp_cfg cfg = rig_cfg_default;
	static struct rig rig;
	struct rig *r = &rig;
	uint64_t sent[8], before = 0, held;
	bool differ = false;
	(void)state;
	cfg.conn_cnt = 64;
	cfg.half_open_cnt = 64;
	rig_init_with(r, &cfg, 1024);
	r->sport = 1000;
	rig_open(r);
	for (uint32_t s = 0; s < 8; s++) {
		for (uint32_t i = 0; i < 4000; i++) { /* at half-open entries: nothing holds each */
			uint16_t sport = (uint16_t)(2000 + i % 32);
			if (s == 0 && i < 32)
				IN(SYN_NEW, "S", .sport = sport, OPTS(OPT_MSS));
			else
				IN(RST_INEXACT, "R", .seq = 5, .sport = sport);
			while (rig_emit(r))
				;
		}
		sent[s] = rig_stat(r, challenges) - before;
		before += sent[s];
		assert_in_range(
			sent[s], HF_TCP_CHALLENGES_PER_S / 2, HF_TCP_CHALLENGES_PER_S * 3 / 2);
		differ |= sent[s] != sent[0];
		held = rig_stat(r, challenges_held);
		r->iss = rig_conn(r)->snd_una - 1;
		IN(RST_INEXACT, "R", .seq = 300); /* nothing left for anybody */
		SILENT();
		assert_int_equal(rig_stat(r, challenges_held), held + 1);
		r->now += HF_NS_S; /* the entries' own timers stand still */
	}
	assert_true(differ);
	goes_on(r, 0);
	rig_fini(r);
}

static void resets_to_strangers_are_bounded(void **state)
{
	static struct rig rig;
	struct rig *r = &rig;
	uint64_t sent;
	(void)state;
	rig_init(r);
	for (uint32_t i = 0; i < 20000; i++) {
		IN(UNKNOWN, "A", .seq = i, .ack = 1, .sport = (uint16_t)(1 + i));
		while (rig_emit(r))
			;
	}
	sent = rig_stat(r, resets_out);
	assert_in_range(sent, HF_TCP_RESETS_PER_S / 2, HF_TCP_RESETS_PER_S * 3 / 2);
	assert_int_equal(rig_stat(r, resets_held), 20000 - sent);
	rig_wait(r, SEC);
	IN(UNKNOWN, "A", .seq = 1, .ack = 1);
	assert_int_equal(rig_stat(r, resets_out), sent + 1);
	rig_fini(r);
}

/* RFC 7323 5.3: an old timestamp is answered; without bytes rarely, so that two ends that both think
 * so do not answer each other for ever. */
RIG_TEST(old_stamps_are_answered_rarely)
{
#define OPT_STAMP(v) 1, 1, 8, 10, 0, 0, (uint8_t)((v) >> 8), (uint8_t)(v), 0, 0, 0, 0
	IN(SYN_NEW, "S", OPTS(OPT_MSS, OPT_STAMP(1000)));
	OUT("SA", .ack = 1);
	IN(OPENED, "A", .seq = 1, .ack = 1, OPTS(OPT_STAMP(1001)));
	rig_events(r);
	for (int i = 0; i < 20; i++)
		IN(PAWS, "A", .seq = 1, .ack = 1, OPTS(OPT_STAMP(900)));
	OUT("A", .seq = 1, .ack = 1);
	SILENT();
	IN(PAWS, "PA", .seq = 1, .ack = 1, .len = 4, OPTS(OPT_STAMP(900)));
	OUT("A", .seq = 1, .ack = 1);
	IN(DATA, "PA", .seq = 1, .ack = 1, .len = 4, OPTS(OPT_STAMP(1001)));
	OUT("A", .seq = 1, .ack = 5);
	assert_int_equal(rig_read(r, 99), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blind_resets),
		cmocka_unit_test(blind_syns),
		cmocka_unit_test(blind_data),
		cmocka_unit_test(blind_fins),
		cmocka_unit_test(half_open_is_no_easier),
		cmocka_unit_test(a_worker_answers_only_so_many),
		cmocka_unit_test(resets_to_strangers_are_bounded),
		cmocka_unit_test(old_stamps_are_answered_rarely),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
