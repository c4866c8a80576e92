/* tls_rig.h -- a TLS engine with OpenSSL's arithmetic under it and the two chains that TCP would
 * hold, for tests that talk to it as a foreign client. What a worker does around the engine in a
 * turn is rig_turn. */
#ifndef TESTS_TLS_RIG_H
#define TESTS_TLS_RIG_H

#include "drivers/drivers.h"
#include "lib/tls/tls_hs.h"
#include "tests/support/rsa_key.h"
#include "tests/support/test.h"

#define RIG_CHUNK_CNT 64u
#define RIG_RECORD_CNT 4u
#define RIG_HS_CNT 4u
#define RIG_JOB_CNT 8u
#define RIG_OWNER 0x100000000ull
#define RIG_ALL_ROOM (1u << 20)

struct rig {
	struct hf_bufs bufs;
	struct hf_rand rand;
	struct hf_trace trace;
	struct hf_tls_ctx x;
	void *pk_ctx, *sym_ctx, *mem[5];
	/* the site */
	struct rsa_key key;
	X509 *cert;
	uint8_t *list;
	struct hf_tls_cert tls_cert;
	struct hf_tls_vhost vhost[4];
	struct hf_span alpn[3];
	uint16_t suite[8];
	struct hf_tls_use use;
	struct hf_tls_site site;
	/* the connection */
	struct hf_tls tls;
	struct hf_chain in, out;
	bool alive, in_eof;
	size_t room, credit, fed;
	unsigned set;
	hf_ns now;
	uint32_t turns;
};

static X509 *rig_cert(EVP_PKEY *pkey)
{
	X509 *c = X509_new();
	X509_NAME *name = X509_get_subject_name(c);

	X509_set_version(c, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c), 1);
	X509_gmtime_adj(X509_getm_notBefore(c), -86400);
	X509_gmtime_adj(X509_getm_notAfter(c), 86400);
	X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_ASC, (const unsigned char *)"www.example.org", -1, -1, 0);
	X509_set_issuer_name(c, name);
	X509_set_pubkey(c, pkey);
	assert_true(X509_sign(c, pkey, EVP_sha256()) > 0);
	return c;
}

/* certificate_list of `copies` times the certificate: chains of any length for the record layer,
 * of which clients that do not verify read the first. */
static void rig_chain(struct rig *r, uint32_t copies)
{
	uint8_t *der = NULL;
	int der_len = i2d_X509(r->cert, &der);
	size_t one = 3 + (size_t)der_len;

	free(r->list);
	r->list = malloc(one * copies);
	for (uint32_t i = 0; i < copies; i++) {
		struct hf_writer w = hf_writer(r->list + i * one, one);

		hf_writer_u24(&w, (uint32_t)der_len);
		hf_writer_bytes(&w, der, (size_t)der_len);
	}
	OPENSSL_free(der);
	r->tls_cert.list = hf_span(r->list, one * copies);
}

static void rig_crypto(struct rig *r)
{
	struct hf_pk_cfg cfg = {.job_cnt = RIG_JOB_CNT};
	struct hf_pk_engine_ref engine = {.engine = &hf_pk_libcrypto};

	r->pk_ctx = test_alloc(hf_pk_libcrypto.size());
	r->sym_ctx = test_alloc(hf_sym_libcrypto.size(16));
	assert_int_equal(hf_pk_libcrypto.init(r->pk_ctx), 0);
	assert_int_equal(hf_sym_libcrypto.init(r->sym_ctx, 16), 0);
	engine.ctx = r->pk_ctx;
	r->mem[0] = test_alloc(hf_pk_footprint(&cfg));
	r->mem[1] = test_alloc(hf_sym_footprint(RIG_JOB_CNT));
	r->x.pk = hf_pk_init(r->mem[0], &cfg, &engine, 1);
	r->x.sym = hf_sym_init(r->mem[1], RIG_JOB_CNT, &hf_sym_libcrypto, r->sym_ctx);
}

static void rig_site(struct rig *r)
{
	static const uint16_t suite[] = {0x009c, 0x009d, 0x003c, 0x002f, 0x0035};

	rsa_key_make(&r->key, 2048, 2);
	r->cert = rig_cert(r->key.pkey);
	rig_chain(r, 3);
	r->tls_cert.key = &r->key.key;
	r->alpn[0] = hf_span("http/1.1", 8);
	r->alpn[1] = hf_span("spdy/1", 6);
	r->vhost[0] = (struct hf_tls_vhost){.cert = &r->tls_cert};
	r->vhost[1] = (struct hf_tls_vhost){.name = hf_span("www.example.org", 15),
		.cert = &r->tls_cert,
		.alpn = r->alpn,
		.alpn_cnt = 2};
	r->vhost[2] =
		(struct hf_tls_vhost){.name = hf_span("*.example.org", 13), .cert = &r->tls_cert};
	memcpy(r->suite, suite, sizeof(suite));
	r->site = (struct hf_tls_site){.generation = 1,
		.vhost = r->vhost,
		.vhost_cnt = 3,
		.suite = r->suite,
		.suite_cnt = HF_ARRAY_LEN(suite),
		.use = &r->use};
}

static void rig_init(struct rig *r)
{
	uint8_t seed[HF_RAND_SEED_LEN] = {7};

	memset(r, 0, sizeof(*r));
	hf_rand_seed(&r->rand, seed);
	r->mem[2] = test_alloc(hf_bufs_footprint(RIG_CHUNK_CNT, RIG_RECORD_CNT));
	hf_bufs_init(&r->bufs, r->mem[2], RIG_CHUNK_CNT, RIG_RECORD_CNT);
	r->mem[3] = test_alloc(64 * sizeof(struct hf_trace_ev));
	hf_trace_init(&r->trace, r->mem[3], 64);
	rig_crypto(r);
	rig_site(r);
	r->x.bufs = &r->bufs;
	r->x.rand = &r->rand;
	r->x.trace = &r->trace;
	r->mem[4] = test_alloc(hf_tls_ctx_footprint(RIG_HS_CNT));
	hf_tls_ctx_init(&r->x, r->mem[4], RIG_HS_CNT);
}

static void rig_fini(struct rig *r)
{
	hf_pk_libcrypto.fini(r->pk_ctx);
	hf_sym_libcrypto.fini(r->sym_ctx);
	rsa_key_free(&r->key);
	X509_free(r->cert);
	free(r->list);
	free(r->pk_ctx);
	free(r->sym_ctx);
	for (size_t i = 0; i < HF_ARRAY_LEN(r->mem); i++)
		free(r->mem[i]);
}

static void rig_open(struct rig *r)
{
	hf_tls_open(&r->x, &r->tls, &r->site, RIG_OWNER, r->now);
	r->in_eof = false;
	r->alive = true;
	r->room = RIG_ALL_ROOM;
	r->credit = r->fed = 0;
	r->turns = 0;
}

static void rig_dones(struct rig *r)
{
	struct hf_tls *t = r->alive ? &r->tls : NULL;
	struct hf_sym_job *s;
	struct hf_pk_job *p;

	while ((s = hf_sym_done(r->x.sym)))
		hf_tls_sym_done(&r->x, t, s);
	while ((p = hf_pk_done(r->x.pk)))
		hf_tls_pk_done(&r->x, t, p);
}

/* The end of a connection, after which nothing may be left of it anywhere. */
static void rig_close(struct rig *r)
{
	hf_tls_free(&r->x, &r->tls);
	r->alive = false;
	hf_chain_clear(&r->bufs, &r->in);
	hf_chain_clear(&r->bufs, &r->out);
	hf_sym_flush(r->x.sym);
	while (hf_pk_work(r->x.pk, true, r->now))
		;
	rig_dones(r);
	assert_int_equal(r->bufs.chunk.used, 0);
	assert_int_equal(r->bufs.record.used, 0);
	assert_int_equal(r->x.hs.used, 0);
	assert_int_equal(r->use.cnt, 0);
	assert_int_equal(hf_sym_stats(r->x.sym)->jobs, 0);
	assert_int_equal(hf_pk_stats(r->x.pk)->jobs, 0);
	assert_int_equal(r->x.stats.handshakes, 0);
}

static void rig_run(struct rig *r)
{
	struct hf_tls_io io = {
		.in = &r->in, .in_eof = r->in_eof, .out = &r->out, .out_room = r->room};

	r->set = hf_tls_run(&r->x, &r->tls, &io, ++r->now);
	r->credit += io.credit;
	r->room = io.out_room;
}

/* One turn of a worker. Returns what hf_tls_run answered in it. */
static HF_UNUSED unsigned rig_turn(struct rig *r)
{
	rig_run(r);
	hf_sym_flush(r->x.sym);
	hf_pk_work(r->x.pk, true, r->now);
	rig_dones(r);
	r->turns++;
	return r->set;
}

static void rig_feed(struct rig *r, const void *p, size_t len)
{
	size_t taken = hf_chain_append(&r->bufs, &r->in, p, len);

	assert_int_equal(taken, len);
	r->fed += len;
}

/* What has been sent, at most cap of it, as if acknowledged. */
static HF_UNUSED size_t rig_sent(struct rig *r, void *p, size_t cap)
{
	size_t len = HF_MIN(cap, r->out.len);

	hf_chain_copy(&r->out, 0, p, len, NULL);
	hf_chain_consume(&r->bufs, &r->out, len);
	return len;
}

static HF_UNUSED size_t rig_take(struct rig *r, void *p, size_t cap)
{
	struct hf_tls_io io = {.in = &r->in, .out = &r->out};
	struct hf_span s = hf_tls_plain(&r->tls);
	size_t len = HF_MIN(cap, s.len);

	if (len == 0)
		return 0;
	memcpy(p, s.p, len);
	hf_tls_plain_take(&r->x, &r->tls, &io, len);
	r->credit += io.credit;
	return len;
}

/* Writes up to len bytes as one record; returns how many. */
static HF_UNUSED size_t rig_write(struct rig *r, const void *p, size_t len)
{
	struct hf_tls_io io = {.in = &r->in, .out = &r->out, .out_room = r->room};
	size_t cap;
	uint8_t *at = hf_tls_write_begin(&r->x, &r->tls, &io, len, &cap);

	if (!at)
		return 0;
	assert_true(cap > 0 && cap <= len);
	memcpy(at, p, cap);
	hf_tls_write_commit(&r->x, &r->tls, cap);
	return cap;
}

#endif
