/* fuzz_wire -- hfbench's own TCP (bench/hfbench/wire_port.c) before a server that says any segments in any order:
 * flags, numbers, windows and lengths are the input's, and when the client opens, writes, reads, ends and
 * closes. A byte of the server's stream has one value at its number, so what is read must be the
 * stream; and what is sent must be well formed, and the client's own.
 * max_len: 1024 */
#include <stdlib.h>
#include "bench/hfbench/wire.h"
#include "lib/net/checksum.h"
#include "lib/net/parse.h"

#define FRAMES 32u
#define FRAME_MAX 2048u
#define PORT 443u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 2}, server_mac[6] = {2, 0, 0, 0, 0, 1};

static struct world {
	struct hf_port port;
	struct hf_port_stats stats;
	uint8_t out[FRAMES][FRAME_MAX], in[FRAME_MAX];
	uint32_t taken, in_len;
	struct hf_addr client, server;
	bool open;
	uint16_t client_port;
	uint32_t iss, irs;             /* of this connection */
	uint32_t sent;                 /* end of what the server has said */
	uint32_t read, written, acked; /* of the client; acked: end of what it has said */
} w;

static uint8_t value(uint32_t off, uint8_t side)
{
	return (uint8_t)(off * 167 + (off >> 8) * 13 + side);
}

/* ---- the port ---- */

static void look_at(const struct hf_frame *f)
{
	struct hf_packet p;
	uint32_t off;
	HF_ASSERT(hf_net_parse(f, false, &p) == HF_NET_OK && p.kind == HF_PACKET_TCP);
	HF_ASSERT(hf_addr_eq(&p.src, &w.client) && hf_addr_eq(&p.dst, &w.server));
	HF_ASSERT(p.dport == PORT);
	if (p.tcp_flags & HF_TCP_RST)
		return;
	if (p.tcp_flags & HF_TCP_SYN) {
		w.client_port = p.sport;
		w.iss = p.seq;
		w.irs += 0x87654321; /* wraps here and there */
		w.sent = w.read = w.written = w.acked = 0;
		return;
	}
	HF_ASSERT(p.sport == w.client_port && p.tcp_flags & HF_TCP_ACK);
	off = p.seq - (w.iss + 1);
	HF_ASSERT(off + p.payload.len <= w.written + 1u); /* 1: an ACK behind the FIN */
	for (size_t i = 0; i < p.payload.len; i++)
		HF_ASSERT(p.payload.p[i] == value(off + (uint32_t)i, 'c'));
	w.acked = HF_MAX(w.acked, off + (uint32_t)p.payload.len);
}

static uint32_t rx(
	struct hf_port *p HF_UNUSED, uint32_t q HF_UNUSED, struct hf_frame *v, uint32_t cnt)
{
	if (!w.in_len || !cnt)
		return 0;
	*v = (struct hf_frame){.data = w.in, .len = w.in_len, .cap = FRAME_MAX};
	w.in_len = 0;
	return 1;
}

static void rx_give(struct hf_port *p HF_UNUSED, uint32_t q HF_UNUSED, struct hf_frame *v HF_UNUSED,
	uint32_t cnt HF_UNUSED)
{
}

static uint32_t tx_alloc(
	struct hf_port *p HF_UNUSED, uint32_t q HF_UNUSED, struct hf_frame *v, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++)
		v[i] = (struct hf_frame){
			.data = w.out[w.taken++ % FRAMES], .cap = FRAME_MAX, .priv = NULL};
	return cnt;
}

static uint32_t tx(
	struct hf_port *p HF_UNUSED, uint32_t q HF_UNUSED, struct hf_frame *v, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++)
		look_at(&v[i]);
	return cnt;
}

static const struct hf_port_class cls = {
	.name = "fuzz", .rx = rx, .rx_give = rx_give, .tx_alloc = tx_alloc, .tx = tx};

/* ---- the server ---- */

static void segment(uint8_t flags, int seq, int ack, uint16_t window, uint32_t len)
{
	static const uint8_t options[] = {2, 4, 5, 0xb4, 1, 3, 3, 7};
	struct hf_writer o = hf_writer(w.in, sizeof(w.in));
	size_t options_len = flags & HF_TCP_SYN ? sizeof(options) : 0, at;
	uint32_t off = w.sent + (uint32_t)seq;
	uint16_t sum;
	hf_wire_eth_ip(&o, &(struct hf_wire_link){our_mac, server_mac, 0},
		&(struct hf_wire_ip){&w.server, &w.client, HF_IP_TCP, HF_HOPS_FAR},
		HF_TCP_HDR_LEN + options_len + len);
	at = o.len;
	hf_writer_u16(&o, PORT);
	hf_writer_u16(&o, w.client_port);
	hf_writer_u32(&o, flags & HF_TCP_SYN ? w.irs : w.irs + 1 + off);
	hf_writer_u32(&o, w.iss + 1 + (flags & HF_TCP_SYN ? 0 : w.acked) + (uint32_t)ack);
	hf_writer_u8(&o, (unsigned)(HF_TCP_HDR_LEN + options_len) / 4 << 4);
	hf_writer_u8(&o, flags);
	hf_writer_u16(&o, window);
	hf_writer_u32(&o, 0); /* checksum, urgent pointer */
	hf_writer_bytes(&o, options, options_len);
	for (uint32_t i = 0; i < len; i++)
		hf_writer_u8(&o, value(off + i, 's'));
	sum = hf_csum_finish(hf_csum_pseudo(&w.server, &w.client, HF_IP_TCP, o.len - at) +
			     hf_csum(w.in + at, o.len - at));
	w.in[at + 16] = (uint8_t)(sum >> 8);
	w.in[at + 17] = (uint8_t)sum;
	w.in_len = (uint32_t)o.len;
	if (!(flags & HF_TCP_SYN) && (int32_t)(off + len - w.sent) > 0 && seq < 4096)
		w.sent = off + len;
}

/* ---- the client ---- */

static void client_read(struct bench_wire *c, size_t len)
{
	uint8_t got[8192];
	ssize_t n = c->cls->read(c, 0, got, HF_MIN(len, sizeof(got)));
	for (ssize_t i = 0; i < n; i++)
		HF_ASSERT(got[i] == value(w.read++, 's'));
}

static void client_write(struct bench_wire *c, size_t len)
{
	uint8_t bytes[2048];
	ssize_t n;
	uint32_t before = w.written;
	len = HF_MIN(len, sizeof(bytes));
	for (size_t i = 0; i < len; i++)
		bytes[i] = value(before + (uint32_t)i, 'c');
	w.written += (uint32_t)len; /* it may leave at once */
	n = c->cls->write(c, 0, bytes, len);
	w.written = before + (n > 0 ? (uint32_t)n : 0);
}

static void client_wait(struct bench_wire *c)
{
	struct bench_event ev[4];
	uint32_t cnt = c->cls->wait(c, ev, HF_ARRAY_LEN(ev), 0);
	for (uint32_t i = 0; i < cnt; i++)
		HF_ASSERT(ev[i].conn == 0 && w.open);
}

static uint32_t number(const uint8_t **at, size_t *left, size_t len)
{
	uint32_t v = 0;
	for (; len; len--)
		if (*left) {
			v = v << 8 | *(*at)++;
			(*left)--;
		}
	return v;
}

static void step(struct bench_wire *c, uint8_t op, const uint8_t **at, size_t *left)
{
	int16_t seq, ack;
	uint16_t window;
	uint8_t flags;
	switch (op % 7) {
	case 0:
		if (!w.open)
			w.open = c->cls->open(c, 0) == 0;
		break;
	case 1:
		flags = (uint8_t)number(at, left, 1);
		seq = (int16_t)number(at, left, 2);
		ack = (int16_t)number(at, left, 2);
		window = (uint16_t)number(at, left, 2);
		segment(flags, seq, ack, window, number(at, left, 2) % 1461);
		break;
	case 2:
		if (w.open)
			client_write(c, number(at, left, 2));
		break;
	case 3:
		if (w.open)
			client_read(c, number(at, left, 2));
		break;
	case 4:
		if (w.open)
			c->cls->end(c, 0);
		break;
	case 5:
		if (w.open)
			c->cls->close(c, 0, number(at, left, 1) & 1);
		w.open = false;
		break;
	default:
		break;
	}
	client_wait(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bench_port_cfg cfg;
	struct bench_wire *c;
	w = (struct world){.client = hf_addr_v4(0x0a000002), .server = hf_addr_v4(0x0a000001)};
	w.port = (struct hf_port){.cls = &cls, .stats = &w.stats};
	w.port.info.mtu = 1500;
	w.port.info.queue_cnt = 1;
	memcpy(w.port.info.mac, our_mac, sizeof(our_mac));
	cfg = (struct bench_port_cfg){
		.port = &w.port, .from = w.client, .to = w.server, .to_port = PORT, .conn_cnt = 1};
	c = bench_wire_port(&cfg);
	HF_ASSERT(c);
	while (len) {
		uint8_t op = *data++;
		len--;
		step(c, op, &data, &len);
	}
	c->cls->fini(c);
	return 0;
}
