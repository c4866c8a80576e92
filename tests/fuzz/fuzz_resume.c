/* fuzz_resume -- a client that comes back, with a ticket, an id and a hello as the input wants them:
 * made up, or those of its first visit with any bytes turned. The double seals nothing, so that the
 * search gets at what stands in a ticket. Each hello is counted in one row; only what fits goes on, and
 * then the id comes back as it was sent, no private key is used and the handshake can be ended; else
 * it is a full one. max_len: 1400
 *
 *   how (1)  see bits below      id     length, bytes (at most 32 count)
 *   rest     KEEP_TICKET: pairs of place and bits to turn; else the ticket itself */
#include "tests/doubles/pk_double.h"
#include "tests/doubles/sym_double.h"
#include "tests/support/tls_bytes.h"
#include "tests/support/tls_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum {
	EMS = 1,
	NAME = 2,
	NO_TICKET = 4,
	KEEP_TICKET = 8,
	KEEP_ID = 16,
	OLD_KEY = 32,
	KNOWS_13 = 64,
	OTHER_SUITE = 128,
};

static struct rig rig;
static uint8_t chain[100], scratch[2000], ticket[1000], id[HF_TLS_SESSION_ID_MAX];
static uint32_t ticket_len, id_len;
static const uint16_t suites[] = {0x009c, 0x002f};

static void setup(void)
{
	rig = (struct rig){.pk_engine = &pk_double,
		.sym_driver = &sym_double,
		.cert = {.list = {chain, sizeof(chain)}, .key = &pk_double_key},
		.chunk_cnt = 48,
		.record_cnt = 3,
		.hs_cnt = 2,
		.session_cnt = 8};
	rig_init(&rig);
}

static void feed_hello(unsigned how, bool come_back)
{
	static const uint8_t versions[] = {0, 43, 0, 5, 4, 3, 4, 3, 3};
	struct hello h = {.suites = how & OTHER_SUITE ? suites + 1 : suites,
		.suite_cnt = how & OTHER_SUITE ? 1 : 2,
		.name = how & NAME ? "www.example.org" : NULL,
		.ems = how & EMS,
		.no_ticket = how & NO_TICKET,
		.more = versions,
		.more_len = how & KNOWS_13 ? sizeof(versions) : 0};

	if (come_back) {
		h.ticket = ticket;
		h.ticket_len = ticket_len;
		h.session_id = id;
		h.session_id_len = id_len;
	}
	rig_feed(&rig, scratch, put_hello_record(scratch, sizeof(scratch), &h));
	rig_settle(&rig);
}

static void feed_rest(bool full)
{
	uint8_t em[256], message[300], buf[400], finished[16] = {20, 0, 0, 12};
	struct hf_writer w = hf_writer(buf, sizeof(buf)), m = hf_writer(message, sizeof(message));

	put_premaster(em, HF_TLS_12);
	put_key_exchange(&m, em, sizeof(em));
	sym_double_prf("client finished", finished + 4, 12);
	if (full)
		put_record(&w, 22, HF_TLS_12, message, m.len);
	put_record(&w, 20, HF_TLS_12, "\1", 1);
	put_record(&w, 22, HF_TLS_12, finished, sizeof(finished));
	rig_feed(&rig, buf, w.len);
	rig_settle(&rig);
	HF_ASSERT(rig.tls.state == HF_TLS_ST_DONE && rig.news & HF_TLS_ESTABLISHED);
}

/* A visit that was right; leaves its ticket, or with NO_TICKET its id. */
static void first_visit(unsigned how)
{
	size_t len;

	rig_open(&rig);
	feed_hello(how, false);
	len = rig_sent(&rig, scratch, sizeof(scratch));
	HF_ASSERT(len > 44 + HF_TLS_SESSION_ID_MAX);
	if (how & NO_TICKET)
		memcpy(id, scratch + 44, sizeof(id));
	feed_rest(true);
	len = rig_sent(&rig, scratch, sizeof(scratch));
	if (!(how & NO_TICKET)) {
		HF_ASSERT(len > 15 + HF_TLS_TICKET_LEN);
		memcpy(ticket, scratch + 15, HF_TLS_TICKET_LEN);
	}
	rig_close(&rig);
}

static void read_input(unsigned how, struct hf_reader *r)
{
	struct hf_span s;
	uint8_t at, bits;

	if (hf_reader_vec8(r, &s))
		s = hf_span(NULL, 0);
	id_len = how & KEEP_ID ? HF_TLS_SESSION_ID_MAX : (uint32_t)HF_MIN(s.len, sizeof(id));
	for (uint32_t i = 0; i < HF_MIN(s.len, (size_t)id_len); i++)
		id[i] = how & KEEP_ID ? id[i] ^ s.p[i] : s.p[i];
	if (how & KEEP_TICKET) {
		ticket_len = HF_TLS_TICKET_LEN;
		while (!hf_reader_u8(r, &at) && !hf_reader_u8(r, &bits))
			ticket[at % HF_TLS_TICKET_LEN] ^= bits;
		return;
	}
	ticket_len = (uint32_t)HF_MIN(hf_reader_left(r), sizeof(ticket));
	memcpy(ticket, r->p, ticket_len);
}

static uint64_t count(void)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < HF_TLS_RESUME_CNT; i++)
		sum += rig.x.stats.resume[i];
	return sum;
}

static void second_visit(unsigned how)
{
	uint64_t before = count(), jobs = hf_pk_stats(rig.x.pk)->submitted;
	bool resumed;

	rig_open(&rig);
	feed_hello(how, true);
	HF_ASSERT(count() == before + 1);
	resumed = rig.tls.state == HF_TLS_ST_CCS;
	rig_sent(&rig, scratch, sizeof(scratch));
	if (rig.set & HF_TLS_FAILED) {
		HF_ASSERT(rig.tls.reason == HF_TLS_R_EMS_LOST && !(how & EMS));
		return;
	}
	HF_ASSERT(scratch[5] == HF_TLS_MSG_SERVER_HELLO);
	if (resumed) {
		HF_ASSERT(hf_pk_stats(rig.x.pk)->submitted == jobs);
		HF_ASSERT(scratch[43] == id_len && memcmp(scratch + 44, id, id_len) == 0);
		HF_ASSERT(rig.tls.hs->choice.suite->id == rig.tls.suite);
	} else {
		HF_ASSERT(scratch[43] == 0 || id_len == 0 ||
			  memcmp(scratch + 44, id, HF_MIN(id_len, (uint32_t)scratch[43])) != 0);
	}
	feed_rest(!resumed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t seed[HF_RAND_SEED_LEN] = {0}, how;
	struct hf_reader r = hf_reader(data, len);

	if (!rig.pk_engine)
		setup();
	if (hf_reader_u8(&r, &how))
		return 0;
	hf_rand_seed(&rig.rand, seed);
	memset(rig.x.kept, 0, rig.x.kept_cnt * sizeof(*rig.x.kept));
	rig.x.stats.sessions = 0;
	rig_tickets(&rig, how & OLD_KEY ? 2 : 1, 1);
	first_visit(NAME | EMS);
	first_visit(NAME | EMS | NO_TICKET);
	rig_tickets(&rig, 1, 2);
	read_input(how, &r);
	second_visit(how);
	rig_close(&rig);
	return 0;
}
