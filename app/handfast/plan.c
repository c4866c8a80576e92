/* plan.c -- from the options to numbers: which core runs which worker, how many queues a port needs,
 * how large every pool is. Nothing is taken yet, so `handfast --plan` can show it all, and boot takes
 * exactly what was shown. What a pool costs is not written down twice: it is asked from the modules,
 * as the difference between the footprint with it and with half of it. */
#include <inttypes.h>
#include "app/handfast/app.h"
#include "drivers/drivers.h"
#include "lib/config/config.h"
#include "lib/net/flow.h"

#define PAGE (2ull << 20)
#define MB (1024.0 * 1024.0)

/* Pools whose size follows from others or from the machine, not from an option. */
#define BURST_HELD 256u         /* frames in a worker's hands during a turn: rx, tx and replies */
#define ORDER_CNT 256u          /* all endpoints and a site at once */
#define EVENT_CNT 1024u         /* key log lines and failures between two looks of control */
#define CROSS_CNT 1024u         /* frames on the way between two workers: one device ring */
#define TRACE_CNT 16384u        /* the flight recorder: about a second under load */
#define SYM_JOB_CNT 1024u       /* records and hashes of one turn */
#define AUTH_JOB_MAX 256u       /* clients' certificates that wait: some tenths of a second */
#define SCHEDULE_MAX 8192u      /* expanded keys kept ready */
#define WINDOW_MAX (256u << 10) /* what a client may send ahead: 100 Mbit/s at 20 ms */
#define QUEUE_MAX (4u << 20)    /* of a connection, to the client: 800 Mbit/s at 20 ms */
#define DPDK_AROUND (32u << 20) /* its heap, queues and tables, beside the packet buffers */

static const hf_ns SYN_LIFE_NS = 10 * HF_NS_S; /* SYN-ACK sent four times, RFC 6298 backoff */
static const hf_ns CURVE_GATHER_NS = HF_NS_MS; /* short beside a way over the Internet */

static void plan_cores(struct hf_plan *p, const struct hf_config *cfg, struct hf_config_errors *e)
{
	uint32_t i, core = 0;
	p->worker_cnt = cfg->workers.count;
	if (!cfg->workers.cores.cnt && p->worker_cnt > hf_os_core_cnt())
		hf_config_error_at(cfg, e, &cfg->workers.count, "lower it, or allow more cores",
			"%u workers, but this process may use %u cores", p->worker_cnt,
			hf_os_core_cnt());
	else if (cfg->workers.cores.cnt && cfg->workers.cores.cnt != p->worker_cnt)
		hf_config_error_at(cfg, e, &cfg->workers.cores, "write one core for each worker",
			"%u cores for %u workers", cfg->workers.cores.cnt, p->worker_cnt);
	else
		for (i = 0; i < p->worker_cnt; i++, core++) {
			while (!cfg->workers.cores.cnt && !hf_os_core_usable(core))
				core++;
			p->core[i] = cfg->workers.cores.cnt ? cfg->workers.cores.v[i] : core;
		}
}

static bool has_ipv6(const struct hf_config_port *c)
{
	for (uint32_t i = 0; i < c->addresses.cnt; i++)
		if (!hf_addr_is_v4(&c->addresses.v[i].addr))
			return true;
	return false;
}

static void plan_ports(struct hf_plan *p, const struct hf_config *cfg, struct hf_config_errors *e)
{
	uint32_t i;
	if (cfg->ports_cnt > HF_TCP_PORT_MAX)
		hf_config_error_at(cfg, e, &cfg->ports[HF_TCP_PORT_MAX], "remove some",
			"more than %u ports", HF_TCP_PORT_MAX);
	p->port_cnt = HF_MIN(cfg->ports_cnt, HF_TCP_PORT_MAX);
	for (i = 0; i < p->port_cnt; i++) {
		const struct hf_config_port *c = &cfg->ports[i];
		if (c->queues && c->queues != p->worker_cnt)
			hf_config_error_at(cfg, e, &c->queues, "write 0, or the number of workers",
				"%u queues for %u workers: each worker needs one of its own",
				c->queues, p->worker_cnt);
		if (c->addresses.cnt > HF_WORKER_ADDR_MAX)
			hf_config_error_at(cfg, e, &c->addresses, "spread them over more ports",
				"%u addresses; a port serves at most %u", c->addresses.cnt,
				HF_WORKER_ADDR_MAX);
		if (c->l2 != cfg->ports[0].l2)
			hf_config_error_at(cfg, e, &c->l2, "write the same for every port",
				"ports[0] has another l2");
		p->port[i] = (struct hf_dpdk_port_cfg){.name = c->name,
			.device = c->device,
			.queue_cnt = p->worker_cnt,
			.mtu = c->mtu,
			.groups = has_ipv6(c),
			.held_cnt = BURST_HELD + (p->worker_cnt - 1) * CROSS_CNT};
		p->dpdk_bytes += hf_dpdk_frame_bytes(&p->port[i]);
	}
	p->dpdk_bytes += p->dpdk_bytes / 8 + DPDK_AROUND; /* pools end where pages do */
}

static struct hf_worker_cfg plan_worker(const struct hf_plan *p, const struct hf_config *cfg)
{
	return (struct hf_worker_cfg){
		.worker_cnt = p->worker_cnt,
		.conn_cnt = cfg->memory.conns,
		.hs_cnt = cfg->memory.handshakes,
		.chunk_cnt = cfg->memory.chunks,
		.record_cnt = cfg->memory.records,
		.session_cnt = cfg->memory.sessions,
		.link_chunk_cnt = cfg->memory.chunks / 2,
		.half_open_cnt = 2 * cfg->memory.handshakes,
		.time_wait_cnt = cfg->memory.time_wait,
		.prefix_cnt = cfg->memory.prefixes,
		.pk_job_cnt = cfg->memory.handshakes,
		.sym_job_cnt = SYM_JOB_CNT,
		.auth_job_cnt = HF_MIN(cfg->memory.handshakes, AUTH_JOB_MAX),
		.order_cnt = ORDER_CNT,
		.event_cnt = EVENT_CNT,
		.cross_cnt = CROSS_CNT,
		.trace_cnt = TRACE_CNT,
		.rcv_wnd_max = WINDOW_MAX,
		.snd_queue_max = QUEUE_MAX,
		.syn_life_ns = SYN_LIFE_NS,
		.curve_gather_ns = cfg->crypto.gather == HF_GATHER_AUTO ? CURVE_GATHER_NS : 0,
		.time_wait_ns = cfg->timeouts.time_wait_ns,
		.close_ns = cfg->timeouts.close_ns,
		.keepalive_ns = cfg->timeouts.keepalive_ns,
		.reflect = cfg->ports[0].l2 == HF_L2_REFLECT,
		.keylog = cfg->tls.keylog != NULL,
		.port_cnt = p->port_cnt,
	};
}

static bool wanted(const struct hf_pk_engine *e, const struct hf_config *cfg)
{
	return !e->floating_point || cfg->crypto.floating == HF_FLOAT_AUTO;
}

/* Every engine this processor has and the options want, best first; the last one answers everything. */
static void plan_engines(struct hf_plan *p, const struct hf_config *cfg)
{
	uint32_t i;
	for (i = 0; hf_pk_engines[i]; i++) {
		const struct hf_pk_engine *e = hf_pk_engines[i];
		if (!wanted(e, cfg) || !e->probe() || p->pk_cnt == HF_PK_ENGINE_MAX)
			continue;
		p->pk[p->pk_cnt++] = e;
		p->engine_bytes += hf_engine_ctx_cnt(e) * HF_ROUND_UP(e->size(), HF_CACHE_LINE);
	}
	for (i = 0; hf_sym_drivers[i] && !p->sym; i++)
		if (hf_sym_drivers[i]->probe())
			p->sym = hf_sym_drivers[i];
	HF_ASSERT(p->pk_cnt && p->sym); /* libcrypto runs everywhere */
	p->schedule_cnt = HF_MIN(2 * p->worker.conn_cnt, SCHEDULE_MAX);
	p->engine_bytes += HF_ROUND_UP(p->sym->size(p->schedule_cnt), HF_CACHE_LINE);
}

/* ---- what a pool costs ---- */

static const struct {
	const char *name, *option;
	size_t off;
} pools[] = {
#define POOL(name, option, field)                                   \
	{                                                           \
		name, option, offsetof(struct hf_worker_cfg, field) \
	}
	POOL("connections", "memory.connections", conn_cnt),
	POOL("handshakes", "memory.handshakes", hs_cnt),
	POOL("half-open connections", "2 x memory.handshakes", half_open_cnt),
	POOL("TIME_WAIT entries", "memory.time_wait", time_wait_cnt),
	POOL("prefixes of clients", "memory.prefixes", prefix_cnt),
	POOL("2 KB buffers, client side", "memory.chunks", chunk_cnt),
	POOL("2 KB buffers, backend side", "memory.chunks / 2", link_chunk_cnt),
	POOL("20 KB record buffers", "memory.records", record_cnt),
	POOL("sessions", "memory.sessions", session_cnt),
	POOL("public-key jobs", "memory.handshakes", pk_job_cnt),
	POOL("symmetric jobs", "", sym_job_cnt),
	POOL("clients' certificates", "", auth_job_cnt),
	POOL("events", "", event_cnt),
	POOL("crossing frames", "", cross_cnt),
	POOL("flight recorder", "", trace_cnt),
#undef POOL
};

/* Whoever has a 4-tuple has a place in one table, whose size is a power of two: so it is counted by
 * itself, or whichever pool made it double would seem to cost that. */
static uint32_t flow_cnt(const struct hf_worker_cfg *w)
{
	return w->conn_cnt + w->half_open_cnt + w->time_wait_cnt;
}

static size_t without_flows(const struct hf_worker_cfg *w)
{
	return hf_worker_footprint(w) - hf_flow_footprint(flow_cnt(w));
}

static size_t pool_bytes(const struct hf_worker_cfg *w, size_t off)
{
	struct hf_worker_cfg half = *w;
	uint32_t *cnt = (uint32_t *)(void *)((uint8_t *)&half + off);
	*cnt /= 2;
	return 2 * (without_flows(w) - without_flows(&half));
}

static size_t slot_bytes(const struct hf_worker_cfg *w, size_t off)
{
	uint32_t cnt = *(const uint32_t *)(const void *)((const uint8_t *)w + off);
	return (pool_bytes(w, off) + cnt - 1) / cnt;
}

/* All that one connection holds: its slot with both protocols', its place in the flow table, timers
 * and lists, and a share of the engines' expanded keys; in handshake also what that has, a private
 * key's job, and the buffer in which its messages lie. */
static void plan_conn(struct hf_plan *p)
{
	const struct hf_worker_cfg *w = &p->worker;
	size_t keys = 2 * (p->sym->size(p->schedule_cnt) - p->sym->size(p->schedule_cnt / 2));
	p->idle_bytes = slot_bytes(w, offsetof(struct hf_worker_cfg, conn_cnt)) +
			(hf_flow_footprint(flow_cnt(w)) + flow_cnt(w) - 1) / flow_cnt(w) +
			(keys + w->conn_cnt - 1) / w->conn_cnt;
	p->handshake_bytes = p->idle_bytes + slot_bytes(w, offsetof(struct hf_worker_cfg, hs_cnt)) +
			     slot_bytes(w, offsetof(struct hf_worker_cfg, pk_job_cnt)) +
			     slot_bytes(w, offsetof(struct hf_worker_cfg, chunk_cnt));
}

int hf_plan_make(struct hf_plan *p, const struct hf_config *cfg, struct hf_config_errors *errs)
{
	uint32_t before = errs->cnt;
	*p = (struct hf_plan){.worker_cnt = 0};
	plan_cores(p, cfg, errs);
	plan_ports(p, cfg, errs);
	if (errs->cnt != before)
		return -1;
	p->worker = plan_worker(p, cfg);
	plan_engines(p, cfg);
	p->worker_bytes = HF_ROUND_UP(hf_worker_footprint(&p->worker), HF_CACHE_LINE);
	p->bytes = p->worker_cnt * (p->worker_bytes + p->engine_bytes);
	plan_conn(p);
	return 0;
}

static struct hf_net_gateway plan_gateway(
	const struct hf_config_port *c, const struct hf_addr *gateway)
{
	if (hf_addr_is_none(gateway))
		return (struct hf_net_gateway){.known = false};
	return (struct hf_net_gateway){.ip = *gateway, .from = hf_config_gateway_from(c, gateway)};
}

struct hf_worker_cfg hf_plan_worker(const struct hf_plan *p, const struct hf_config *cfg,
	struct hf_port *const *ports, uint32_t index)
{
	struct hf_worker_cfg w = p->worker;
	uint32_t i, j;
	w.index = index;
	for (i = 0; i < p->port_cnt; i++) {
		const struct hf_config_port *c = &cfg->ports[i];
		w.port[i] = (struct hf_worker_port_cfg){.port = ports[i],
			.queue = index,
			.addr_cnt = c->addresses.cnt,
			.gateway = {plan_gateway(c, &c->gateway), plan_gateway(c, &c->gateway6)},
			.trust_csum = c->rx_checksum == HF_RX_CHECKSUM_TRUST};
		for (j = 0; j < c->addresses.cnt; j++)
			w.port[i].addr[j] = (struct hf_net_addr){
				c->addresses.v[j].addr, c->addresses.v[j].vlan};
	}
	return w;
}

/* ---- printing ---- */

static void print_memory(const struct hf_plan *p, FILE *out)
{
	size_t flows = hf_flow_footprint(flow_cnt(&p->worker));
	size_t left = p->worker_bytes - flows, i;
	fprintf(out, "memory of one worker          count          MB\n");
	for (i = 0; i < HF_ARRAY_LEN(pools); i++) {
		size_t bytes = pool_bytes(&p->worker, pools[i].off);
		uint32_t cnt = *(
			const uint32_t *)(const void *)((const uint8_t *)&p->worker + pools[i].off);
		left -= HF_MIN(left, bytes);
		fprintf(out, "  %-26s %7" PRIu32 "  %10.2f  %s\n", pools[i].name, cnt,
			(double)bytes / MB, pools[i].option);
	}
	fprintf(out, "  %-26s %7" PRIu32 "  %10.2f  %s\n", "flow table", flow_cnt(&p->worker),
		(double)flows / MB, "connections, half-open, TIME_WAIT");
	fprintf(out, "  %-26s %7s  %10.2f\n", "the rest", "", (double)left / MB);
	fprintf(out, "  %-26s %7s  %10.2f\n", "engines", "", (double)p->engine_bytes / MB);
}

void hf_plan_print(const struct hf_plan *p, FILE *out)
{
	uint32_t i;
	char brand[49];
	hf_os_cpu_brand(brand);
	fprintf(out, "processor   %s\n", brand);
	for (i = 0; i < p->worker_cnt; i++)
		fprintf(out, "worker %-4" PRIu32 " core %" PRIu32 "\n", i, p->core[i]);
	for (i = 0; i < p->port_cnt; i++)
		fprintf(out, "port %-6s %s: %" PRIu32 " queues, %" PRIu32 " buffers each\n",
			p->port[i].name, p->port[i].device, p->port[i].queue_cnt,
			hf_dpdk_frame_cnt(&p->port[i]));
	fprintf(out, "public keys ");
	for (i = 0; i < p->pk_cnt; i++)
		fprintf(out, "%s%s", i ? ", " : "", p->pk[i]->name);
	fprintf(out, "\nrecords     %s\n", p->sym->name);
	print_memory(p, out);
	fprintf(out,
		"connection  %zu bytes idle; %zu in handshake, with one 2 KB buffer: a flight "
		"takes "
		"two or three more until it is acknowledged\n",
		p->idle_bytes, p->handshake_bytes);
	fprintf(out, "all workers %.1f MB, packet buffers %.1f MB\n", (double)p->bytes / MB,
		(double)p->dpdk_bytes / MB);
	fprintf(out, "huge pages  %llu of 2 MB\n",
		(unsigned long long)(HF_ROUND_UP(p->bytes, PAGE) / PAGE +
				     HF_ROUND_UP(p->dpdk_bytes, PAGE) / PAGE));
}
