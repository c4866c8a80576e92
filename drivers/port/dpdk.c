/* dpdk.c -- ethdev ports as struct hf_port. The hot half is four short functions that turn bursts
 * of mbufs into bursts of views and back. The rest runs once: it starts the environment layer so
 * that each worker is an lcore pinned to its core, completes device strings, sizes pools, and asks
 * the device how it spreads flows. What a device cannot do (hash, verify checksums, say what it
 * lost) is not pretended: owner says -1, flags stay empty, counters stay zero. */
#include <ctype.h>
#include <errno.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "drivers/port/dpdk.h"
#include "lib/net/wire.h"
#include "lib/os/os.h"

#define BURST 64u
#define RING_LEN 1024u        /* asked for; the device may want another */
#define AF_XDP_RING_LEN 2048u /* its driver fills so many whatever is asked for */
#define CACHE_LEN 256u /* mbufs that an lcore keeps beside the pool: up to 1.5 times as many */
#define VLAN_LEN 4u
#define DEVICE_MAX 512u
#define RETA_MAX 512u
#define RSS_KEY_MAX 64u
#define RSS_KEY_LEN 40u /* where the device does not say */
#define RSS_TYPES (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP)
#define RX_CHECKSUMS (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM)
#define ARGS_MAX 96u

/* What a frame of af_packet's ring needs beside the frame: the kernel's header and its padding. */
#define AF_PACKET_OVERHEAD 96u
#define AF_PACKET_RING_BYTES (4u << 20)

struct dpdk_queue {
	struct rte_mempool *pool;
	uint64_t rx_split;
	struct rte_mbuf *wait[BURST]; /* frames that the device had no room for, in order */
	uint32_t wait_cnt;
};

struct dpdk_port {
	struct hf_port base;
	uint16_t id;
	uint32_t reta_mask;
	uint16_t reta[RETA_MAX];
	struct hf_dpdk_stats device;
	struct dpdk_queue *queue; /* [base.info.queue_cnt] */
};

static const struct hf_stat_row dpdk_row[] = {
#define HF_COUNTER(name, help) {#name, help, HF_STAT_COUNTER, offsetof(struct hf_dpdk_stats, name)},
#define HF_GAUGE(name, help) {#name, help, HF_STAT_GAUGE, offsetof(struct hf_dpdk_stats, name)},
#include "drivers/port/dpdk_stats.def"
#undef HF_COUNTER
#undef HF_GAUGE
};
const struct hf_stat_table hf_dpdk_stat_table = {"device", dpdk_row, HF_ARRAY_LEN(dpdk_row)};

static struct dpdk_port *port_of(struct hf_port *p)
{
	return HF_CONTAINER_OF(p, struct dpdk_port, base);
}

static HF_PRINTF(3, 4) int fail(struct hf_dpdk_why *why, const char *remedy, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(why->reason, sizeof(why->reason), fmt, ap);
	va_end(ap);
	(void)snprintf(why->remedy, sizeof(why->remedy), "%s", remedy);
	return -1;
}

/* ---- bursts ---- */

static bool is_ip6(const uint8_t *frame, uint32_t len)
{
	uint32_t at = HF_ETH_HDR_LEN - 2;
	if (len >= HF_ETH_HDR_LEN + HF_VLAN_TAG_LEN && frame[at] == HF_ETHERTYPE_VLAN >> 8 &&
		frame[at + 1] == (HF_ETHERTYPE_VLAN & 0xff))
		at += HF_VLAN_TAG_LEN;
	return len >= at + 2 && frame[at] == HF_ETHERTYPE_IP6 >> 8 &&
	       frame[at + 1] == (HF_ETHERTYPE_IP6 & 0xff);
}

/* Devices say good, bad, none or unknown, for the IP header and for what is above it. IPv6 has no sum of
 * its header: whatever a device says of it is not asked for. */
uint32_t hf_dpdk_checksum_flags(uint64_t ol, const uint8_t *frame, uint32_t len)
{
	uint64_t ip = ol & RTE_MBUF_F_RX_IP_CKSUM_MASK, l4 = ol & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	if (l4 == RTE_MBUF_F_RX_L4_CKSUM_BAD || ip == RTE_MBUF_F_RX_IP_CKSUM_BAD)
		return HF_FRAME_CSUM_BAD;
	if (l4 == RTE_MBUF_F_RX_L4_CKSUM_GOOD &&
		(ip == RTE_MBUF_F_RX_IP_CKSUM_GOOD || is_ip6(frame, len)))
		return HF_FRAME_CSUM_GOOD;
	return 0;
}

static struct hf_frame view(struct rte_mbuf *m)
{
	return (struct hf_frame){.data = rte_pktmbuf_mtod(m, uint8_t *),
		.len = m->data_len,
		.cap = (uint32_t)m->data_len + rte_pktmbuf_tailroom(m),
		.flags = hf_dpdk_checksum_flags(
			m->ol_flags, rte_pktmbuf_mtod(m, uint8_t *), m->data_len),
		.priv = m};
}

/* As many as the device takes. Their lengths are gone with the mbufs, so they are summed before. */
static uint32_t burst_out(struct dpdk_port *p, uint32_t queue, struct rte_mbuf **m, uint32_t cnt)
{
	struct hf_port_stats *s = &p->base.stats[queue];
	uint32_t len[BURST], sent;
	for (uint32_t i = 0; i < cnt; i++)
		len[i] = m[i]->pkt_len;
	sent = rte_eth_tx_burst(p->id, (uint16_t)queue, m, (uint16_t)cnt);
	for (uint32_t i = 0; i < sent; i++)
		s->tx_bytes += len[i];
	s->tx_frames += sent;
	return sent;
}

static bool link_is_up(const struct dpdk_port *p)
{
	struct rte_eth_link link = {.link_status = RTE_ETH_LINK_DOWN};
	return !rte_eth_link_get_nowait(p->id, &link) && link.link_status == RTE_ETH_LINK_UP;
}

static void lose(struct dpdk_port *p, uint32_t queue, struct rte_mbuf **m, uint32_t cnt)
{
	rte_pktmbuf_free_bulk(m, cnt);
	p->base.stats[queue].tx_dropped += cnt;
}

/* Sends what waits; without a link nothing waits. True: nothing does any more. */
static bool wait_ends(struct dpdk_port *p, uint32_t queue)
{
	struct dpdk_queue *q = &p->queue[queue];
	uint32_t sent;
	if (HF_LIKELY(!q->wait_cnt))
		return true;
	sent = burst_out(p, queue, q->wait, q->wait_cnt);
	q->wait_cnt -= sent;
	memmove(q->wait, q->wait + sent, q->wait_cnt * sizeof(*q->wait));
	if (q->wait_cnt && !link_is_up(p)) {
		lose(p, queue, q->wait, q->wait_cnt);
		q->wait_cnt = 0;
	}
	return !q->wait_cnt;
}

static uint32_t dpdk_rx(struct hf_port *base, uint32_t queue, struct hf_frame *v, uint32_t cnt)
{
	struct dpdk_port *p = port_of(base);
	struct dpdk_queue *q = &p->queue[queue];
	struct hf_port_stats *s = &base->stats[queue];
	struct rte_mbuf *m[BURST];
	uint32_t i, kept = 0, got;
	(void)wait_ends(p, queue);
	got = rte_eth_rx_burst(p->id, (uint16_t)queue, m, (uint16_t)HF_MIN(cnt, BURST));
	for (i = 0; i < got; i++) {
		if (HF_UNLIKELY(m[i]->nb_segs > 1) && rte_pktmbuf_linearize(m[i])) {
			q->rx_split++;
			rte_pktmbuf_free(m[i]);
			continue;
		}
		v[kept] = view(m[i]);
		s->rx_bytes += v[kept++].len;
	}
	s->rx_frames += kept;
	return kept;
}

static void dpdk_rx_give(
	struct hf_port *base HF_UNUSED, uint32_t queue HF_UNUSED, struct hf_frame *v, uint32_t cnt)
{
	struct rte_mbuf *m[BURST];
	uint32_t i, n;
	for (; cnt; cnt -= n, v += n) {
		n = HF_MIN(cnt, BURST);
		for (i = 0; i < n; i++)
			m[i] = v[i].priv;
		rte_pktmbuf_free_bulk(m, n);
	}
}

static uint32_t dpdk_tx_alloc(
	struct hf_port *base, uint32_t queue, struct hf_frame *v, uint32_t cnt)
{
	struct dpdk_queue *q = &port_of(base)->queue[queue];
	struct rte_mbuf *m[BURST];
	uint32_t i, n = HF_MIN(cnt, BURST);
	if (!wait_ends(port_of(base), queue)) {
		base->stats[queue].tx_waits++;
		return 0;
	}
	if (HF_UNLIKELY(
		    rte_pktmbuf_alloc_bulk(q->pool, m, n))) { /* all or none: take what there is */
		for (i = 0; i < n && (m[i] = rte_pktmbuf_alloc(q->pool)); i++)
			;
		base->stats[queue].tx_empty++;
		n = i;
	}
	for (i = 0; i < n; i++)
		v[i] = view(m[i]);
	return n;
}

/* Behind what waits already. */
static uint32_t wait_begin(struct dpdk_port *p, uint32_t queue, struct rte_mbuf **m, uint32_t cnt)
{
	struct dpdk_queue *q = &p->queue[queue];
	uint32_t n = link_is_up(p) ? HF_MIN(cnt, BURST - q->wait_cnt) : 0;
	memcpy(q->wait + q->wait_cnt, m, n * sizeof(*m));
	q->wait_cnt += n;
	return n;
}

static uint32_t tx_some(struct dpdk_port *p, uint32_t queue, struct hf_frame *v, uint32_t cnt)
{
	struct rte_mbuf *m[BURST];
	uint32_t i, taken = 0;
	for (i = 0; i < cnt; i++) {
		m[i] = v[i].priv;
		if (v[i].len < HF_ETH_LEN_MIN) {
			memset(v[i].data + v[i].len, 0, HF_ETH_LEN_MIN - v[i].len);
			v[i].len = HF_ETH_LEN_MIN;
		}
		m[i]->data_len = (uint16_t)v[i].len;
		m[i]->pkt_len = v[i].len;
	}
	if (wait_ends(p, queue))
		taken = burst_out(p, queue, m, cnt);
	if (HF_UNLIKELY(taken < cnt)) {
		taken += wait_begin(p, queue, m + taken, cnt - taken);
		lose(p, queue, m + taken, cnt - taken);
	}
	return taken;
}

static uint32_t dpdk_tx(struct hf_port *base, uint32_t queue, struct hf_frame *v, uint32_t cnt)
{
	uint32_t n, sent = 0;
	for (; cnt; cnt -= n, v += n) {
		n = HF_MIN(cnt, BURST);
		sent += tx_some(port_of(base), queue, v, n);
	}
	return sent;
}

/* ---- steering ---- */

/* Under a key that repeats every 16 bits the window of input bit i depends on i mod 16 alone, so
 * all 16-bit words of the tuple fold into one before the hash (checked against rte_softrss in the
 * tests). That also shows the symmetry: folding does not care who is source. */
uint32_t hf_dpdk_flow_hash(const struct hf_flow_key *k)
{
	uint32_t window = 0x6d5a6d5a, hash = 0, word = (uint32_t)k->sport ^ k->dport, i;
	uint32_t from = hf_addr_is_v4(&k->src) ? 12 : 0;
	for (i = from; i < sizeof(k->src.b); i += 2)
		word ^= (uint32_t)((k->src.b[i] ^ k->dst.b[i]) << 8) |
			(uint32_t)(k->src.b[i + 1] ^ k->dst.b[i + 1]);
	for (i = 0; i < 16; i++, window = window << 1 | window >> 31)
		if (word & 0x8000u >> i)
			hash ^= window;
	return hash;
}

static int dpdk_owner(const struct hf_port *base, const struct hf_flow_key *k)
{
	const struct dpdk_port *p = (const struct dpdk_port *)((const uint8_t *)base -
							       offsetof(struct dpdk_port, base));
	if (!base->info.rss)
		return -1;
	return p->reta[hf_dpdk_flow_hash(k) & p->reta_mask];
}

static struct rte_eth_rss_conf rss_conf(
	const struct rte_eth_dev_info *info, uint8_t key[RSS_KEY_MAX])
{
	uint32_t i;
	for (i = 0; i < RSS_KEY_MAX; i++)
		key[i] = i & 1 ? 0x5a : 0x6d;
	return (struct rte_eth_rss_conf){.rss_key = key,
		.rss_key_len = info->hash_key_size ? info->hash_key_size : RSS_KEY_LEN,
		.rss_hf = info->flow_type_rss_offloads & RSS_TYPES};
}

/* Sets key and redirection table once more, since not every driver takes them from the configuration,
 * then reads back what the device really holds. True when that is what owner() needs. */
static bool rss_settle(struct dpdk_port *p, const struct rte_eth_dev_info *info)
{
	struct rte_eth_rss_reta_entry64 t[RETA_MAX / RTE_ETH_RETA_GROUP_SIZE];
	uint8_t key[RSS_KEY_MAX], want[RSS_KEY_MAX];
	struct rte_eth_rss_conf conf = rss_conf(info, key);
	uint32_t i, size = info->reta_size, g = RTE_ETH_RETA_GROUP_SIZE;
	if (!size || size > RETA_MAX || size & (size - 1) || size % g)
		return false;
	for (i = 0; i < size; i++) {
		t[i / g].mask = UINT64_MAX;
		t[i / g].reta[i % g] = (uint16_t)(i % p->base.info.queue_cnt);
	}
	(void)rte_eth_dev_rss_reta_update(p->id, t, (uint16_t)size);
	(void)rte_eth_dev_rss_hash_update(p->id, &conf);
	memcpy(want, key, sizeof(want));
	memset(key, 0, sizeof(key));
	if (rte_eth_dev_rss_reta_query(p->id, t, (uint16_t)size) ||
		rte_eth_dev_rss_hash_conf_get(p->id, &conf) ||
		memcmp(key, want, conf.rss_key_len) != 0 || !(conf.rss_hf & RSS_TYPES))
		return false;
	for (i = 0; i < size; i++) {
		p->reta[i] = t[i / g].reta[i % g];
		if (p->reta[i] >= p->base.info.queue_cnt)
			return false;
	}
	p->reta_mask = size - 1;
	return true;
}

/* ---- sizes ---- */

static bool is_af_packet(const char *device)
{
	return !strncmp(device, "net_af_packet", 13) || !strncmp(device, "eth_af_packet", 13);
}

static bool is_af_xdp(const char *device)
{
	return !strncmp(device, "net_af_xdp", 10);
}

static bool is_pci(const char *device)
{
	return isxdigit((unsigned char)device[0]) && memchr(device, ':', strcspn(device, ","));
}

/* Bytes of one frame slot in af_packet's ring: as written, or the power of two that fits. */
static uint32_t af_packet_frame(const struct hf_dpdk_port_cfg *cfg)
{
	const char *own = strstr(cfg->device, "framesz=");
	uint32_t size = 2048;
	if (own)
		return (uint32_t)strtoul(own + 8, NULL, 10);
	while (size < cfg->mtu + HF_ETH_HDR_LEN + VLAN_LEN + AF_PACKET_OVERHEAD)
		size *= 2;
	return size;
}

static uint32_t frame_room(const struct hf_dpdk_port_cfg *cfg)
{
	uint32_t room = HF_MAX(cfg->mtu + HF_ETH_HDR_LEN + VLAN_LEN, 2048u);
	if (is_af_packet(
		    cfg->device)) /* its driver insists that a buffer holds a whole ring slot */
		room = HF_MAX(room, af_packet_frame(cfg));
	return RTE_PKTMBUF_HEADROOM + HF_ROUND_UP(room, HF_CACHE_LINE);
}

static uint32_t ring_len(const struct hf_dpdk_port_cfg *cfg)
{
	return is_af_xdp(cfg->device) ? AF_XDP_RING_LEN : RING_LEN;
}

uint32_t hf_dpdk_frame_cnt(const struct hf_dpdk_port_cfg *cfg)
{
	return 2 * ring_len(cfg) + 2 * CACHE_LEN + cfg->held_cnt;
}

size_t hf_dpdk_frame_bytes(const struct hf_dpdk_port_cfg *cfg)
{
	size_t each = sizeof(struct rte_mbuf) + sizeof(struct rte_mempool_objhdr) + frame_room(cfg);
	return (size_t)cfg->queue_cnt * hf_dpdk_frame_cnt(cfg) * HF_ROUND_UP(each, HF_CACHE_LINE);
}

/* ---- the environment layer ---- */

struct arg_list {
	char *v[ARGS_MAX];
	uint32_t cnt;
	bool full;
};

static HF_PRINTF(2, 3) void arg(struct arg_list *a, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	if (a->cnt == ARGS_MAX - 1 || vasprintf(&a->v[a->cnt], fmt, ap) < 0)
		a->full = true;
	else
		a->cnt++;
	va_end(ap);
}

/* Lcore 0 floats over every core this process may use, lcore i + 1 is worker i on its own. */
static void arg_lcores(struct arg_list *a, const struct hf_dpdk_cfg *cfg)
{
	char text[2048];
	const char *sep = "0@(";
	size_t len = 0;
	uint32_t i;
	for (i = 0; i < RTE_MAX_LCORE; i++)
		if (hf_os_core_usable(i) && len < sizeof(text) / 2) {
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u", sep, i);
			sep = ",";
		}
	len += (size_t)snprintf(text + len, sizeof(text) - len, ")");
	for (i = 0; i < cfg->worker_cnt && len < sizeof(text); i++)
		len += (size_t)snprintf(
			text + len, sizeof(text) - len, ",%u@%u", i + 1, cfg->core[i]);
	arg(a, "--lcores");
	arg(a, "%s", text);
}

static bool args_mention(const struct hf_dpdk_cfg *cfg, const char *option)
{
	uint32_t i;
	for (i = 0; i < cfg->arg_cnt; i++)
		if (!strncmp(cfg->args[i], option, strlen(option)))
			return true;
	return false;
}

static void arg_devices(struct arg_list *a, const struct hf_dpdk_cfg *cfg)
{
	bool pci = false;
	uint32_t i;
	for (i = 0; i < cfg->port_cnt; i++)
		if (is_pci(cfg->port[i].device)) {
			arg(a, "-a");
			arg(a, "%s", cfg->port[i].device);
			pci = true;
		}
	if (!pci) {
		arg(a, "--no-pci");
		arg(a, "--iova-mode=va"); /* physical addresses would need root for ever */
	}
}

/* DPDK unlinks its telemetry socket at exit but leaves the folder. */
static void runtime_dir_remove(void)
{
	(void)rmdir(rte_eal_get_runtime_dir());
}

int hf_dpdk_init(const struct hf_dpdk_cfg *cfg, struct hf_dpdk_why *why)
{
	struct arg_list a = {.cnt = 0};
	char *given[ARGS_MAX];
	uint32_t i;
	int err = 0;
	arg(&a, "handfast");
	arg_lcores(&a, cfg);
	arg_devices(&a, cfg);
	/* Neither leaves files in a hugetlbfs behind, and both let a second daemon start. */
	if (cfg->huge) {
		arg(&a, "--in-memory");
	} else {
		arg(&a, "--no-huge");
		arg(&a, "--no-shconf");
		arg(&a, "-m");
		arg(&a, "%zu", (cfg->mem_len >> 20) + 1);
	}
	if (!args_mention(cfg, "--file-prefix"))
		arg(&a, "--file-prefix=handfast");
	if (!cfg->verbose && !args_mention(cfg, "--log-level"))
		arg(&a, "--log-level=*:error"); /* its warnings are about what we did not ask for */
	for (i = 0; i < cfg->arg_cnt; i++)
		arg(&a, "%s", cfg->args[i]);
	memcpy(given, a.v, sizeof(given)); /* getopt shuffles what it is given */
	(void)atexit(runtime_dir_remove);  /* before DPDK registers its own: runs after it */
	if (a.full)
		err = fail(why, "write fewer dpdk.args", "too many arguments for DPDK");
	else if (rte_eal_init((int)a.cnt, a.v) < 0)
		err = fail(why, "see DPDK's own lines above; process.log_level: debug shows more",
			"DPDK does not start: %s", rte_strerror(rte_errno));
	while (a.cnt)
		free(given[--a.cnt]);
	return err;
}

void hf_dpdk_fini(void)
{
	(void)rte_eal_cleanup();
}

/* ---- opening a port ---- */

/* What a device string leaves unsaid of drivers over interfaces of the kernel. */
static void device_complete(
	char *out, size_t out_len, const struct hf_dpdk_port_cfg *cfg, uint32_t frame)
{
	uint32_t block = HF_MAX(frame, 65536u);
	int len = snprintf(out, out_len, "%s", cfg->device);
	struct {
		bool (*of)(const char *device);
		const char *key;
		uint32_t value;
	} add[] = {{is_af_packet, "qpairs", cfg->queue_cnt}, {is_af_packet, "framesz", frame},
		{is_af_packet, "blocksz", block},
		{is_af_packet, "framecnt", AF_PACKET_RING_BYTES / frame},
		{is_af_packet, "qdisc_bypass", 1}, {is_af_xdp, "queue_count", cfg->queue_cnt}};
	size_t i;
	for (i = 0; i < HF_ARRAY_LEN(add); i++) {
		char key[32];
		(void)snprintf(key, sizeof(key), ",%s=", add[i].key);
		if (add[i].of(cfg->device) && !strstr(cfg->device, key) && (size_t)len < out_len)
			len += snprintf(
				out + len, out_len - (size_t)len, "%s%u", key, add[i].value);
	}
}

/* Virtual devices are made here; PCI devices were probed by hf_dpdk_init. */
static int device_find(const struct hf_dpdk_port_cfg *cfg, uint16_t *id, struct hf_dpdk_why *why)
{
	char device[DEVICE_MAX], name[DEVICE_MAX];
	int err = 0;
	device_complete(device, sizeof(device), cfg, af_packet_frame(cfg));
	(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(device, ","), device);
	if (!is_pci(device))
		err = rte_dev_probe(device);
	if (!err && !rte_eth_dev_get_port_by_name(name, id))
		return 0;
	if (is_pci(device))
		return fail(why,
			"bind it to vfio-pci with dpdk-devbind.py, or check the address with lspci",
			"no DPDK driver took the device %s", name);
	return fail(why, "check that its interface exists here and that this process is root",
		"cannot make the device %s: %s", device, err ? rte_strerror(-err) : "no such port");
}

static int check_limits(const struct hf_dpdk_port_cfg *cfg, const struct rte_eth_dev_info *info,
	struct hf_dpdk_why *why)
{
	uint32_t queues = HF_MIN(info->max_rx_queues, info->max_tx_queues);
	if (cfg->queue_cnt > queues)
		return fail(why,
			"give the device more queues (qpairs=, queues=), or run fewer workers",
			"%u queues are needed, one per worker; the device has %u", cfg->queue_cnt,
			queues);
	if (!is_af_packet(cfg->device) && cfg->mtu > info->max_mtu)
		return fail(why, "lower ports[].mtu", "an MTU of %u is more than the device's %u",
			cfg->mtu, info->max_mtu);
	return 0;
}

static int queues_setup(struct dpdk_port *p, const struct hf_dpdk_port_cfg *cfg)
{
	uint16_t rx = (uint16_t)ring_len(cfg), tx = rx;
	int err = rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &rx, &tx);
	uint32_t i, socket = (uint32_t)HF_MAX(rte_eth_dev_socket_id(p->id), 0);
	char name[32];
	for (i = 0; i < cfg->queue_cnt && !err; i++) {
		struct rte_mempool *pool;
		(void)snprintf(name, sizeof(name), "port%u-queue%u", p->id, i);
		pool = rte_pktmbuf_pool_create(name,
			hf_dpdk_frame_cnt(cfg) - 2 * ring_len(cfg) + rx + tx, CACHE_LEN, 0,
			(uint16_t)frame_room(cfg), SOCKET_ID_ANY);
		p->queue[i].pool = pool;
		if (!pool)
			return -rte_errno;
		err = rte_eth_rx_queue_setup(p->id, (uint16_t)i, rx, socket, NULL, pool);
		if (!err)
			err = rte_eth_tx_queue_setup(p->id, (uint16_t)i, tx, socket, NULL);
	}
	return err;
}

/* Neighbour discovery comes to groups. A device that cannot let in all of them may let in everything; one
 * that can do neither, such as memif, has no filter to begin with. What is not ours is dropped by net. */
static void groups_let_in(uint16_t id)
{
	if (rte_eth_allmulticast_enable(id))
		(void)rte_eth_promiscuous_enable(id);
}

static int device_start(struct dpdk_port *p, const struct hf_dpdk_port_cfg *cfg,
	const struct rte_eth_dev_info *info, struct hf_dpdk_why *why)
{
	uint8_t key[RSS_KEY_MAX];
	struct rte_eth_conf conf = {.rxmode.offloads = info->rx_offload_capa & RX_CHECKSUMS};
	bool rss = cfg->queue_cnt > 1 && info->flow_type_rss_offloads & RSS_TYPES &&
		   info->hash_key_size <= RSS_KEY_MAX;
	int err;
	/* af_packet states the limit of a standard frame but takes what its ring slots hold. */
	conf.rxmode.mtu = is_af_packet(cfg->device) ? HF_MIN(cfg->mtu, RTE_ETHER_MTU) : cfg->mtu;
	if (rss) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf = rss_conf(info, key);
	}
	err = rte_eth_dev_configure(
		p->id, (uint16_t)cfg->queue_cnt, (uint16_t)cfg->queue_cnt, &conf);
	if (!err)
		err = queues_setup(p, cfg);
	if (!err)
		err = rte_eth_dev_start(p->id);
	if (err)
		return fail(why, "process.log_level: debug shows DPDK's own reasons",
			"the device does not start: %s", rte_strerror(-err));
	p->base.info.rss = rss && rss_settle(p, info);
	if (cfg->groups)
		groups_let_in(p->id);
	return 0;
}

static void port_free(struct dpdk_port *p)
{
	uint32_t i;
	for (i = 0; p->queue && i < p->base.info.queue_cnt; i++)
		rte_mempool_free(p->queue[i].pool);
	free(p->queue);
	free(p->base.stats);
	free(p);
}

static void dpdk_fini(struct hf_port *base)
{
	struct dpdk_port *p = port_of(base);
	for (uint32_t i = 0; i < base->info.queue_cnt; i++)
		if (!wait_ends(p, i)) /* the last words of a connection may be among it */
			lose(p, i, p->queue[i].wait, p->queue[i].wait_cnt);
	(void)rte_eth_promiscuous_disable(p->id); /* af_packet would leave its interface so */
	(void)rte_eth_dev_stop(p->id);
	(void)rte_eth_dev_close(p->id);
	port_free(p);
}

static const struct hf_port_class dpdk_class = {
	.name = "dpdk",
	.rx = dpdk_rx,
	.rx_give = dpdk_rx_give,
	.tx_alloc = dpdk_tx_alloc,
	.tx = dpdk_tx,
	.owner = dpdk_owner,
	.fini = dpdk_fini,
};

static struct dpdk_port *port_new(const struct hf_dpdk_port_cfg *cfg)
{
	struct dpdk_port *p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->base.cls = &dpdk_class;
	p->base.info.queue_cnt = cfg->queue_cnt;
	p->base.info.mtu = (uint16_t)cfg->mtu;
	p->base.stats = aligned_alloc(
		HF_CACHE_LINE, HF_ROUND_UP(cfg->queue_cnt * sizeof(*p->base.stats), HF_CACHE_LINE));
	p->queue = calloc(cfg->queue_cnt, sizeof(*p->queue));
	if (!p->base.stats || !p->queue) {
		port_free(p);
		return NULL;
	}
	memset(p->base.stats, 0, cfg->queue_cnt * sizeof(*p->base.stats));
	return p;
}

struct hf_port *hf_dpdk_port_open(const struct hf_dpdk_port_cfg *cfg, struct hf_dpdk_why *why)
{
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	struct dpdk_port *p;
	uint16_t id;
	if (device_find(cfg, &id, why))
		return NULL;
	if (rte_eth_dev_info_get(id, &info) || rte_eth_macaddr_get(id, &mac)) {
		(void)fail(why, "use another driver", "the device does not describe itself");
		return NULL;
	}
	if (check_limits(cfg, &info, why))
		return NULL;
	p = port_new(cfg);
	if (!p) {
		(void)fail(why, "free some memory", "out of memory");
		return NULL;
	}
	p->id = id;
	memcpy(p->base.info.mac, mac.addr_bytes, sizeof(p->base.info.mac));
	if (device_start(p, cfg, &info, why)) {
		dpdk_fini(&p->base);
		return NULL;
	}
	return &p->base;
}

const struct hf_dpdk_stats *hf_dpdk_port_refresh(struct hf_port *base)
{
	struct dpdk_port *p = port_of(base);
	struct hf_dpdk_stats *d = &p->device;
	struct rte_eth_stats e;
	struct rte_eth_link link = {.link_status = RTE_ETH_LINK_DOWN};
	uint32_t i;
	if (!rte_eth_stats_get(p->id, &e)) {
		d->rx_frames = e.ipackets;
		d->rx_errors = e.ierrors;
		d->rx_no_buffer = e.rx_nombuf;
		d->tx_frames = e.opackets;
		d->tx_errors = e.oerrors;
		/* Not told per queue; this field of queue 0 has no other writer. */
		base->stats[0].rx_missed = e.imissed;
	}
	(void)rte_eth_link_get_nowait(p->id, &link);
	d->link_up = link.link_status == RTE_ETH_LINK_UP;
	d->link_mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
	d->rx_split = d->buffers_free = 0;
	for (i = 0; i < base->info.queue_cnt; i++) {
		d->rx_split += p->queue[i].rx_split;
		d->buffers_free += rte_mempool_avail_count(p->queue[i].pool);
	}
	return d;
}
