/* device.c -- a packet socket, or DPDK with its environment layer in its smallest form: no huge pages,
 * nothing shared with other processes, one queue. The thread that carries the connections is none of its
 * lcores. */
#include <stdio.h>
#include <unistd.h>
#include "bench/hfbench/device.h"
#include "bench/hfbench/packet.h"
#include "drivers/port/dpdk.h"
#include "lib/os/os.h"

#define MTU 1500u
#define HELD 256u          /* frames in the client's hands */
#define AROUND (32u << 20) /* DPDK's heap and tables */
#define LINGER_NS (100 * HF_NS_MS)
#define LINK_TRIES 5000u /* of a millisecond each */

static bool dpdk_runs;

static struct hf_port *dpdk_open(const char *device, char *why, size_t why_len)
{
	struct hf_dpdk_port_cfg port = {
		.name = "hfbench", .device = device, .queue_cnt = 1, .mtu = MTU, .held_cnt = HELD};
	struct hf_dpdk_why dpdk = {.reason = "its link does not come up",
		.remedy = "start the server first, with the same socket and id"};
	char prefix[48];
	const char *args[] = {prefix, "--no-telemetry"};
	struct hf_dpdk_cfg cfg = {.port = &port,
		.port_cnt = 1,
		.mem_len = hf_dpdk_frame_bytes(&port) + AROUND,
		.args = args,
		.arg_cnt = HF_ARRAY_LEN(args)};
	struct hf_port *p;
	uint32_t tries = 0;
	(void)snprintf(prefix, sizeof(prefix), "--file-prefix=hfbench-%d", getpid());
	p = hf_dpdk_init(&cfg, &dpdk) ? NULL : hf_dpdk_port_open(&port, &dpdk);
	while (p && !hf_dpdk_port_refresh(p)->link_up && ++tries < LINK_TRIES)
		hf_os_sleep_ns(HF_NS_MS);
	if (p && tries < LINK_TRIES)
		return p;
	(void)snprintf(why, why_len, "%s; %s", dpdk.reason, dpdk.remedy);
	if (p)
		p->cls->fini(p);
	return NULL;
}

struct hf_port *bench_device_open(const char *device, char *why, size_t why_len)
{
	static const char packet[] = "packet:";
	if (strncmp(device, packet, strlen(packet)) == 0)
		return bench_packet_open(device + strlen(packet), why, why_len);
	dpdk_runs = true;
	return dpdk_open(device, why, why_len);
}

/* What the server has not taken out of the ring when the device closes is lost, the last resets with it. */
void bench_device_close(struct hf_port *p)
{
	hf_os_sleep_ns(LINGER_NS);
	p->cls->fini(p);
	if (dpdk_runs)
		hf_dpdk_fini();
}
