/* fuzz_tls -- a whole connection, driven by the input: what the client sends (raw, or in records
 * and messages that are right outside), what the worker does, which pools are empty. The doubles
 * open every record and know every Finished, so that the search gets behind the cryptography. After
 * each run something must be waited for; all that leaves must be whole records, with none behind a
 * close_notify or fatal alert; afterwards nothing may be left anywhere (rig_close). max_len: 4096
 * */
#include "tests/doubles/auth_double.h"
#include "tests/doubles/pk_double.h"
#include "tests/doubles/sym_double.h"
#include "tests/support/tls_bytes.h"
#include "tests/support/tls_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct rig rig;
static uint8_t request[HF_TLS_REQUEST_MAX];
static struct hf_tls_client_auth auth = {.ca = &auth_double_ca};
static uint8_t chain[5000], scratch[HF_TLS_WIRE_MAX + 1000];

/* What leaves, as a parser of records sees it. */
static struct {
	uint8_t head[5];
	uint32_t got, body;
	bool over;
} wire;

static struct {
	void *slot[64];
	uint32_t cnt;
} held;

static void check_out(void)
{
	size_t len = rig_sent(&rig, scratch, sizeof(scratch));

	for (size_t i = 0; i < len; i++) {
		if (wire.got < 5) {
			HF_ASSERT(!wire.over);
			wire.head[wire.got++] = scratch[i];
			if (wire.got < 5)
				continue;
			wire.body = (uint32_t)wire.head[3] << 8 | wire.head[4];
			HF_ASSERT(wire.head[0] >= 20 && wire.head[0] <= 23);
			HF_ASSERT(wire.head[1] == 3 && wire.head[2] == 3);
			HF_ASSERT(wire.body > 0 && wire.body <= HF_TLS_FRAGMENT_MAX);
			continue;
		}
		if (--wire.body > 0)
			continue;
		wire.got = 0;
		wire.over = wire.head[0] == 21 && rig.tls.alerts == HF_TLS_SAID_LAST &&
			    rig.tls.out == NULL && i + 1 == len;
	}
}

static void turn(void)
{
	size_t before = rig.room;
	unsigned set = rig_turn(&rig);
	struct hf_tls_peer peer;

	hf_tls_peer(&rig.tls, &peer);
	HF_ASSERT(!(set & HF_TLS_ESTABLISHED) || peer.master);
	HF_ASSERT(set & 127);
	HF_ASSERT(!(set & HF_TLS_FAILED) || rig.tls.reason != HF_TLS_R_OK);
	HF_ASSERT(rig.room <= before && rig.credit <= rig.fed);
	check_out();
}

static void feed(const void *p, size_t len)
{
	size_t room = 2 * HF_TLS_WIRE_MAX - HF_MIN(rig.in.len, 2 * HF_TLS_WIRE_MAX);

	len = HF_MIN(len, room);
	len = hf_chain_append(&rig.bufs, &rig.in, p, len);
	rig.fed += len;
}

static void feed_record(unsigned type, const void *p, size_t len)
{
	struct hf_writer w = hf_writer(scratch, sizeof(scratch));

	put_record(&w, type, HF_TLS_12, p, len);
	feed(scratch, w.len);
}

static void feed_message(unsigned type, struct hf_span body)
{
	uint8_t message[300];
	struct hf_writer w = hf_writer(message, sizeof(message));

	hf_writer_u8(&w, type);
	hf_writer_u24(&w, (uint32_t)body.len);
	hf_writer_span(&w, body);
	feed_record(22, message, w.len);
}

static void feed_hello(unsigned how)
{
	static const uint16_t rsa[] = {0x009c};
	struct hello h = {.suites = how & 8 ? NULL : rsa, /* those of the capture: ECDHE */
		.suite_cnt = 1,
		/* the second asks who the client is */
		.name = how & 1   ? "www.example.org"
			: how & 2 ? "a.example.org"
				  : NULL,
		.alpn = how & 2 ? "\x08http/1.1" : NULL,
		.ems = how & 4,
		.no_ticket = how & 8};

	feed(scratch, put_hello_record(scratch, sizeof(scratch), &h));
}

/* CertificateVerify over all that was said, as the doubles sign. */
static void feed_verify(void)
{
	static uint8_t said[3 * HF_TLS_CHUNKED_MAX];
	uint8_t body[12] = {4, 3, 0, 8};
	size_t len = hf_transcript_len(&rig.tls.hs->log);
	uint64_t h = 0xcbf29ce484222325ull;

	HF_ASSERT(len <= sizeof(said));
	hf_transcript_copy(&rig.tls.hs->log, 0, said, len);
	for (size_t i = 0; i < len; i++)
		h = (h ^ said[i]) * 0x100000001b3ull;
	for (size_t i = 0; i < 8; i++)
		body[4 + i] = (uint8_t)(h >> 8 * i);
	feed_message(HF_TLS_MSG_CERTIFICATE_VERIFY, hf_span(body, sizeof(body)));
}

static void feed_second_flight(unsigned parts)
{
	static const uint8_t certificate[] = {0, 0, 8, 0, 0, 5, 0x30, 0x82, 0, 1, HF_AUTH_OK};
	uint8_t em[256], point[65] = {4}, message[300], finished[16] = {20, 0, 0, 12};
	struct hf_writer w = hf_writer(message, sizeof(message));

	put_premaster(em, HF_TLS_12);
	if (rig.tls.suite == 0xc02f)
		put_point_exchange(&w, point, sizeof(point));
	else
		put_key_exchange(&w, em, sizeof(em));
	sym_double_prf("client finished", finished + 4, 12);
	if (parts & 8)
		feed_message(HF_TLS_MSG_CERTIFICATE, hf_span(certificate, sizeof(certificate)));
	if (parts & 1)
		feed_record(22, message, w.len);
	for (unsigned i = 0; parts & 8 && i < 8; i++)
		turn();
	if (parts & 8 && rig.tls.state == HF_TLS_ST_VERIFY && rig.tls.msg_got == 0)
		feed_verify();
	if (parts & 2)
		feed_record(20, "\1", 1);
	if (parts & 4)
		feed_record(22, finished, sizeof(finished));
}

static struct hf_pool *pool_of(unsigned which)
{
	return which == 0 ? &rig.bufs.chunk : which == 1 ? &rig.bufs.record : &rig.x.hs;
}

static void release(void)
{
	while (held.cnt > 0) {
		uint8_t *slot = held.slot[--held.cnt];
		for (unsigned i = 0; i < 3; i++) {
			struct hf_pool *p = pool_of(i);
			if (slot >= p->slots && slot < p->slots + (size_t)p->slot_size * p->cnt)
				hf_pool_give(p, slot);
		}
	}
}

static void hold(unsigned which)
{
	release();
	while (held.cnt < HF_ARRAY_LEN(held.slot)) {
		void *slot = hf_pool_take(pool_of(which));
		if (!slot)
			return;
		held.slot[held.cnt++] = slot;
	}
}

static void act(unsigned op, unsigned arg, struct hf_reader *r)
{
	struct hf_span bytes = {r->p, 0};
	uint8_t b = 0;

	switch (op) {
	case 0:
		if (!hf_reader_vec8(r, &bytes))
			feed(bytes.p, bytes.len);
		break;
	case 1:
		if (!hf_reader_vec8(r, &bytes))
			feed_record(20 + arg % 4, bytes.p, bytes.len);
		break;
	case 2:
		if (!hf_reader_u8(r, &b) && !hf_reader_vec8(r, &bytes))
			feed_message(b, bytes);
		break;
	case 3:
		memset(scratch + 5, (int)arg, HF_TLS_RECORD_MAX);
		feed_record(20 + arg % 4, scratch + 5, HF_TLS_RECORD_MAX >> (arg / 4));
		break;
	case 4:
		feed_hello(arg);
		break;
	case 5:
		feed_second_flight(arg);
		break;
	case 6:
		for (unsigned i = 0; i <= arg; i++)
			turn();
		break;
	case 7:
		if (!hf_reader_u8(r, &b))
			rig.room = (size_t)b << arg;
		break;
	case 8:
		rig_take(&rig, scratch, (size_t)1 << arg);
		break;
	case 9:
		memset(scratch, 'w', (size_t)1 << arg % 15);
		rig_write(&rig, scratch, (size_t)1 << arg % 15);
		break;
	case 10:
		hf_tls_close(&rig.x, &rig.tls);
		break;
	case 11:
		if (rig.tls.state == HF_TLS_ST_DONE)
			hf_tls_hs_release(&rig.x, &rig.tls);
		break;
	case 12:
		rig.in_eof = true;
		break;
	case 13:
		hf_tls_fail(&rig.x, &rig.tls, HF_TLS_R_ENGINES_LATE + arg % 4);
		break;
	case 14:
		hold(arg % 3);
		break;
	default:
		release();
	}
}

static void setup(void)
{
	struct hf_writer w = hf_writer(request, sizeof(request));

	rig = (struct rig){.pk_engine = &pk_double,
		.sym_driver = &sym_double,
		.auth_driver = &auth_double,
		.cert = {.list = {chain, sizeof(chain)}, .key = &pk_double_key},
		.chunk_cnt = 48,
		.record_cnt = 3,
		.hs_cnt = 2};
	rig_init(&rig);
	hf_tls_request_write(&w, auth_double_ca.names);
	auth.request = hf_span(request, w.len);
	rig.vhost[1].auth = &auth;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t seed[HF_RAND_SEED_LEN] = {0}, op;
	struct hf_reader r = hf_reader(data, len);

	if (!rig.pk_engine)
		setup();
	hf_rand_seed(&rig.rand, seed);
	memset(&wire, 0, sizeof(wire));
	rig_open(&rig);
	while (!hf_reader_u8(&r, &op))
		act(op >> 4, op & 15, &r);
	release();
	rig.room = RIG_ALL_ROOM;
	turn();
	rig_close(&rig);
	return 0;
}
