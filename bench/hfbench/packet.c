/* packet.c -- what comes is read where the kernel has put it, in a ring that both see (PACKET_MMAP, TPACKET_V2);
 * what goes is handed over a burst at a time, by sendmmsg. DPDK's net_af_packet has a ring to send from as well: but
 * those pages are lent to the kernel, which copies them into pages of its own as soon as a veth carries them, at
 * three times the price of a short frame copied at once. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "bench/hfbench/packet.h"
#include "lib/net/wire.h"

#define RX_LEN 8192u /* of a frame in the ring: kernels hand over several segments as one */
#define RX_CNT 4096u
#define BLOCK_LEN (256u << 10)
#define RING_LEN ((size_t)RX_LEN * RX_CNT)
#define TX_LEN 2048u
#define TX_CNT 64u
#define SEND_BUFFER (4 << 20)

struct packet {
	struct hf_port port;
	struct hf_port_stats stats;
	int fd;
	uint8_t *ring;
	uint32_t next; /* of the ring's frames, the one that is filled next */
	uint32_t spare_cnt;
	uint8_t *spare[TX_CNT]; /* empty frames to send */
	uint8_t tx[TX_CNT][TX_LEN];
};

static struct packet *packet_of(struct hf_port *port)
{
	return HF_CONTAINER_OF(port, struct packet, port);
}

static void give_to_kernel(struct tpacket2_hdr *h)
{
	__atomic_store_n(&h->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
}

/* The ring was full: the kernel says so once with a frame, and how often when it is asked. */
static void count_missed(struct packet *p)
{
	struct tpacket_stats s;
	socklen_t len = sizeof(s);
	if (getsockopt(p->fd, SOL_PACKET, PACKET_STATISTICS, &s, &len) == 0)
		p->stats.rx_missed += s.tp_drops;
}

static uint32_t packet_rx(
	struct hf_port *port, uint32_t queue HF_UNUSED, struct hf_frame *v, uint32_t cnt)
{
	struct packet *p = packet_of(port);
	uint32_t n = 0;
	while (n < cnt) {
		struct tpacket2_hdr *h =
			(struct tpacket2_hdr *)(p->ring + (size_t)p->next * RX_LEN);
		uint32_t status = __atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE);
		if (!(status & TP_STATUS_USER))
			break;
		p->next = (p->next + 1) % RX_CNT;
		if (status & TP_STATUS_LOSING)
			count_missed(p);
		if (h->tp_len > h->tp_snaplen) { /* longer than a place in the ring */
			p->stats.rx_missed++;
			give_to_kernel(h);
			continue;
		}
		v[n++] = (struct hf_frame){.data = (uint8_t *)h + h->tp_mac,
			.len = h->tp_snaplen,
			.cap = RX_LEN - h->tp_mac,
			.priv = h};
		p->stats.rx_frames++;
		p->stats.rx_bytes += h->tp_snaplen;
	}
	return n;
}

static void packet_rx_give(
	struct hf_port *port, uint32_t queue HF_UNUSED, struct hf_frame *v, uint32_t cnt)
{
	struct packet *p = packet_of(port);
	for (uint32_t i = 0; i < cnt; i++) {
		if (v[i].priv)
			give_to_kernel(v[i].priv);
		else
			p->spare[p->spare_cnt++] = v[i].data;
	}
}

static uint32_t packet_tx_alloc(
	struct hf_port *port, uint32_t queue HF_UNUSED, struct hf_frame *v, uint32_t cnt)
{
	struct packet *p = packet_of(port);
	uint32_t n;
	for (n = 0; n < cnt && p->spare_cnt; n++)
		v[n] = (struct hf_frame){.data = p->spare[--p->spare_cnt], .cap = TX_LEN};
	p->stats.tx_empty += n < cnt;
	return n;
}

static uint32_t packet_tx(
	struct hf_port *port, uint32_t queue HF_UNUSED, struct hf_frame *v, uint32_t cnt)
{
	struct packet *p = packet_of(port);
	struct mmsghdr msg[TX_CNT] = {0};
	struct iovec text[TX_CNT];
	uint32_t dropped = 0;
	HF_ASSERT(cnt <= TX_CNT);
	for (uint32_t i = 0; i < cnt; i++) {
		if (v[i].len < HF_ETH_LEN_MIN)
			memset(v[i].data + v[i].len, 0, HF_ETH_LEN_MIN - v[i].len);
		text[i] = (struct iovec){v[i].data, HF_MAX(v[i].len, HF_ETH_LEN_MIN)};
		msg[i].msg_hdr = (struct msghdr){.msg_iov = &text[i], .msg_iovlen = 1};
		p->stats.tx_bytes += text[i].iov_len;
	}
	for (uint32_t at = 0; at < cnt;) {
		int n = sendmmsg(p->fd, msg + at, cnt - at, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		/* What was not taken is the first of the rest: a veth's other end was full, say. */
		dropped += n <= 0;
		at += n <= 0 ? 1 : (uint32_t)n;
	}
	for (uint32_t i = 0; i < cnt; i++)
		p->spare[p->spare_cnt++] = v[i].data;
	p->stats.tx_frames += cnt - dropped;
	p->stats.tx_dropped += dropped;
	return cnt - dropped;
}

static void packet_fini(struct hf_port *port)
{
	struct packet *p = packet_of(port);
	if (p->ring != MAP_FAILED)
		munmap(p->ring, RING_LEN);
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

static const struct hf_port_class packet_class = {
	.name = "packet",
	.rx = packet_rx,
	.rx_give = packet_rx_give,
	.tx_alloc = packet_tx_alloc,
	.tx = packet_tx,
	.fini = packet_fini,
};

/* NULL: done; else what failed. */
static const char *set_up(struct packet *p, const char *interface)
{
	struct tpacket_req ring = {.tp_block_size = BLOCK_LEN,
		.tp_block_nr = (unsigned)(RING_LEN / BLOCK_LEN),
		.tp_frame_size = RX_LEN,
		.tp_frame_nr = RX_CNT};
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct ifreq r = {0};
	int version = TPACKET_V2, on = 1, room = SEND_BUFFER;
	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", interface);
	p->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (p->fd < 0)
		return "a packet socket";
	at.sll_ifindex = (int)if_nametoindex(interface);
	if (!at.sll_ifindex)
		return "the interface";
	if (ioctl(p->fd, SIOCGIFHWADDR, &r))
		return "its address";
	memcpy(p->port.info.mac, r.ifr_hwaddr.sa_data, sizeof(p->port.info.mac));
	if (ioctl(p->fd, SIOCGIFMTU, &r))
		return "its MTU";
	p->port.info.mtu = (uint16_t)HF_MIN(r.ifr_mtu, 1500);
	if (setsockopt(p->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) ||
		setsockopt(p->fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof(ring)))
		return "a ring";
	p->ring = mmap(NULL, RING_LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, p->fd, 0);
	if (p->ring == MAP_FAILED)
		return "the ring's memory";
	/* What goes needs no queue, and no limit of bytes under way that is below a burst of connections. */
	(void)setsockopt(p->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	(void)setsockopt(p->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	return bind(p->fd, (const struct sockaddr *)&at, sizeof(at)) ? "to bind to the interface"
								     : NULL;
}

struct hf_port *bench_packet_open(const char *interface, char *why, size_t why_len)
{
	struct packet *p = calloc(1, sizeof(*p));
	const char *failed;
	HF_ASSERT(p);
	p->port = (struct hf_port){
		.cls = &packet_class, .info = {.queue_cnt = 1}, .stats = &p->stats};
	p->fd = -1;
	p->ring = MAP_FAILED;
	while (p->spare_cnt < TX_CNT) {
		p->spare[p->spare_cnt] = p->tx[p->spare_cnt];
		p->spare_cnt++;
	}
	failed = set_up(p, interface);
	if (!failed)
		return &p->port;
	(void)snprintf(why, why_len,
		"cannot have %s: %s; it wants an interface that is there (ip link), and root",
		failed, strerror(errno));
	packet_fini(&p->port);
	return NULL;
}
