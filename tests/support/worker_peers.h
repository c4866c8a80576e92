/* worker_peers.h -- many clients of one whole worker (worker_rig.h), told apart by their ports: who only
 * opens, who says some bytes, and who means it and goes through a handshake with RSA. One rig for the program.
 * Memory, errors: worker_rig.h. */
#ifndef TESTS_WORKER_PEERS_H
#define TESTS_WORKER_PEERS_H

#include "tests/support/tls_client.h"
#include "tests/support/worker_rig.h"

#define SEC HF_NS_S

static struct rsa_key key;
static uint8_t chain[1500];
static const uint16_t suites[] = {0x009c};
static struct rig rig;
static struct tls_client client;
static uint32_t peer_ip; /* whose clients speak now; 0: PACKET_PEER_IP */

/* ---- clients by port ---- */
static struct peer {
	uint32_t snd_nxt, rcv_nxt;
	bool reset, fin;
	uint32_t got; /* bytes */
} peer[65536];

HF_UNUSED static void hear(struct rig *r HF_UNUSED, const struct hf_packet *p)
{
	struct peer *c = &peer[p->dport];

	c->reset |= (p->tcp_flags & HF_TCP_RST) != 0;
	c->fin |= (p->tcp_flags & HF_TCP_FIN) != 0;
	if (p->tcp_flags & HF_TCP_SYN) {
		c->rcv_nxt = p->seq + 1;
	} else if (p->seq == c->rcv_nxt) {
		if (p->dport == rig.sport && p->payload.len) {
			memcpy(rig.in + rig.in_len, p->payload.p, p->payload.len);
			rig.in_len += (uint32_t)p->payload.len;
		}
		c->got += (uint32_t)p->payload.len;
		c->rcv_nxt += (uint32_t)p->payload.len + !!(p->tcp_flags & HF_TCP_FIN);
	}
}

/* What their rig has in every test; a test adds to it. */
#define PEERS_RIG                                                                           \
	.cert = {.list = {chain, sizeof(chain)}, .key = &key.key}, .alpn = "http/1.1",      \
	.suite = suites, .suite_cnt = 1, .conn_cnt = 64, .hs_cnt = 16, .half_open_cnt = 64, \
	.segment = hear

/* From here on; the rig is written. */
HF_UNUSED static void peers_begin(void)
{
	if (!key.pkey)
		rsa_key_make(&key, 2048, 2);
	memset(peer, 0, sizeof(peer));
	peer_ip = 0;
	rig_init(&rig);
}

HF_UNUSED static int peers_end(void **state)
{
	(void)state;
	rig_fini(&rig);
	return 0;
}

/* To be heard in the next turn. */
HF_UNUSED static void put(uint16_t port, uint8_t flags, const void *p, size_t len)
{
	struct peer *c = &peer[port];
	struct packet frame;
	struct packet_spec s = {.src = peer_ip,
		.sport = port,
		.seq = c->snd_nxt,
		.ack = flags & HF_TCP_ACK ? c->rcv_nxt : 0,
		.tcp_flags = flags,
		.window = 0xffff,
		.payload = p,
		.payload_len = len};

	packet_tcp(&frame, &s);
	HF_ASSERT(hf_port_mem_give(rig.port, 0, frame.bytes, frame.frame.len));
	c->snd_nxt += (uint32_t)len + !!(flags & HF_TCP_SYN);
}

HF_UNUSED static void say(uint16_t port, uint8_t flags, const void *p, size_t len)
{
	put(port, flags, p, len);
	(void)rig_turn(&rig);
}

/* True: the handshake was answered. */
HF_UNUSED static bool connect_from(uint16_t port)
{
	peer[port] = (struct peer){.snd_nxt = 1000u * port};
	say(port, HF_TCP_SYN, NULL, 0);
	if (peer[port].rcv_nxt == 0)
		return false;
	say(port, HF_TCP_ACK, NULL, 0);
	return true;
}

HF_UNUSED static void pass(hf_ns ns)
{
	for (hf_ns end = rig.now + ns; rig.now < end; rig.now += 10 * HF_NS_MS)
		(void)rig_turn(&rig);
}

HF_UNUSED static size_t hello_of(uint8_t *buf, size_t cap)
{
	struct hello h = {.suites = suites, .suite_cnt = 1, .name = "www.example.org"};

	return tls_client_hello(&client, buf, cap, &h);
}

/* Who means it, from this port; true: the handshake is done. */
HF_UNUSED static bool served(uint16_t port)
{
	uint8_t buf[1000], body[400];
	struct hf_writer w = hf_writer(buf, sizeof(buf)), m = hf_writer(body, sizeof(body));
	uint64_t before = rig.w->tls.stats.reason[HF_TLS_R_OK];

	rig.sport = port;
	rig.in_len = 0;
	client = (struct tls_client){.gcm = true};
	if (!connect_from(port))
		return false;
	say(port, HF_TCP_ACK | HF_TCP_PSH, buf, hello_of(buf, sizeof(buf)));
	for (uint32_t i = 0; i < 200 && rig.in_len == 0; i++)
		(void)rig_turn(&rig);
	(void)rig_turn(&rig);
	if (rig.in_len == 0)
		return false;
	tls_client_read(&client, rig.in, rig.in_len);
	tls_client_rsa(&client, &m, key.pkey);
	tls_client_log(&client, body, m.len);
	put_record(&w, HF_TLS_CT_HANDSHAKE, HF_TLS_12, body, m.len);
	tls_client_finish(&client, &w);
	say(port, HF_TCP_ACK | HF_TCP_PSH, buf, w.len);
	for (uint32_t i = 0; i < 200 && rig.w->tls.stats.reason[HF_TLS_R_OK] == before; i++)
		(void)rig_turn(&rig);
	return rig.w->tls.stats.reason[HF_TLS_R_OK] == before + 1;
}

#endif
