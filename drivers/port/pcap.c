/* pcap.c -- the classic format: a header of 24 bytes, then per frame 16 bytes and the frame, all in
 * this machine's byte order, which the magic number tells. The variant with nanoseconds, 0xa1b23c4d,
 * is read by everything that reads pcap since 2012. One writev per frame, unbuffered: when the
 * process dies on the frame of interest, that frame is in the file.
 * Format: draft-ietf-opsawg-pcap. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>
#include "drivers/port/pcap.h"

#define MAGIC_NS 0xa1b23c4du
#define LINKTYPE_ETHERNET 1u
#define FRAME_CAP 65535u

struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy, snap_len, link_type;
};
static_assert(sizeof(struct file_header) == 24, "as on disk");

struct frame_header {
	uint32_t s, ns, len, wire_len;
};
static_assert(sizeof(struct frame_header) == 16, "as on disk");

struct pcap {
	struct hf_port port;
	struct hf_port *inner;
	const hf_ns *now;
	uint64_t epoch_s;
	int fd;
	_Atomic uint64_t lost;
};

static struct pcap *pcap_of(const struct hf_port *port)
{
	return HF_CONTAINER_OF(port, struct pcap, port);
}

/* O_APPEND makes a writev one piece, whichever thread comes next. */
static void record(struct pcap *p, const struct hf_frame *v, uint32_t cnt)
{
	hf_ns now = *p->now;
	for (uint32_t i = 0; i < cnt; i++) {
		struct frame_header h = {(uint32_t)(p->epoch_s + now / HF_NS_S),
			(uint32_t)(now % HF_NS_S), v[i].len, v[i].len};
		struct iovec io[] = {{&h, sizeof(h)}, {v[i].data, v[i].len}};
		if (writev(p->fd, io, 2) != (ssize_t)(sizeof(h) + v[i].len))
			p->lost++;
	}
}

static uint32_t pcap_rx(struct hf_port *port, uint32_t queue, struct hf_frame *v, uint32_t cnt)
{
	struct pcap *p = pcap_of(port);
	cnt = p->inner->cls->rx(p->inner, queue, v, cnt);
	record(p, v, cnt);
	return cnt;
}

static void pcap_rx_give(struct hf_port *port, uint32_t queue, struct hf_frame *v, uint32_t cnt)
{
	struct pcap *p = pcap_of(port);
	p->inner->cls->rx_give(p->inner, queue, v, cnt);
}

static uint32_t pcap_tx_alloc(
	struct hf_port *port, uint32_t queue, struct hf_frame *v, uint32_t cnt)
{
	struct pcap *p = pcap_of(port);
	return p->inner->cls->tx_alloc(p->inner, queue, v, cnt);
}

static uint32_t pcap_tx(struct hf_port *port, uint32_t queue, struct hf_frame *v, uint32_t cnt)
{
	struct pcap *p = pcap_of(port);
	record(p, v, cnt);
	return p->inner->cls->tx(p->inner, queue, v, cnt);
}

static int pcap_owner(const struct hf_port *port, const struct hf_flow_key *k)
{
	return hf_port_owner(pcap_of(port)->inner, k);
}

static void pcap_fini(struct hf_port *port)
{
	struct pcap *p = pcap_of(port);
	struct hf_port *inner = p->inner;
	close(p->fd);
	free(p);
	inner->cls->fini(inner);
}

static const struct hf_port_class pcap_class = {
	.name = "pcap",
	.rx = pcap_rx,
	.rx_give = pcap_rx_give,
	.tx_alloc = pcap_tx_alloc,
	.tx = pcap_tx,
	.owner = pcap_owner,
	.fini = pcap_fini,
};

struct hf_port *hf_port_pcap_open(
	struct hf_port *inner, const char *path, const hf_ns *now, uint64_t epoch_s)
{
	struct file_header h = {MAGIC_NS, 2, 4, 0, 0, FRAME_CAP, LINKTYPE_ETHERNET};
	struct pcap *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->port = *inner;
	p->port.cls = &pcap_class;
	p->inner = inner;
	p->now = now;
	p->epoch_s = epoch_s;
	p->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (p->fd < 0 || write(p->fd, &h, sizeof(h)) != (ssize_t)sizeof(h)) {
		int why = errno;
		if (p->fd >= 0)
			close(p->fd);
		free(p);
		errno = why;
		return NULL;
	}
	return &p->port;
}

uint64_t hf_port_pcap_lost(const struct hf_port *port)
{
	return pcap_of(port)->lost;
}
