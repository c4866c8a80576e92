/* A whole worker among its neighbours: what it says of itself at start, how it finds the routers of both
 * families, and where segments go then, in VLANs, too. */
#include "tests/support/worker_rig.h"

static const uint8_t router_mac[6] = {2, 0, 0, 0, 0, 8}, router6_mac[6] = {2, 0, 0, 0, 0, 9};
static const uint8_t router6[16] = {0xfd, [15] = 0xfe};
static struct rig rig;

/* What has been said since the last look. */
static struct said {
	uint32_t arp, arp_for, report, report_1, probe, advertisement, nd_for, other;
	struct hf_packet tcp; /* the last segment */
	uint8_t tcp_bytes[PACKET_CAP];
} said;

static uint8_t report_type(const uint8_t *b, uint16_t vlan)
{
	return b[hf_wire_eth_len(vlan) + HF_IP6_HDR_LEN + 8];
}

static void sort(const uint8_t *bytes, size_t len)
{
	struct hf_packet p;
	struct hf_frame f;
	memcpy(said.tcp_bytes, bytes, len);
	f = (struct hf_frame){.data = said.tcp_bytes, .len = (uint32_t)len, .cap = (uint32_t)len};
	switch (hf_net_parse(&f, false, &p)) {
	case HF_NET_OK:
		break;
	case HF_NET_IP_SOURCE:
		said.report += report_type(bytes, p.vlan) == 143;
		said.report_1 += report_type(bytes, p.vlan) == 131;
		return;
	default:
		said.other++;
		return;
	}
	if (p.kind == HF_PACKET_TCP)
		said.tcp = p;
	else if (p.kind == HF_PACKET_ARP && hf_addr_eq(&p.src, &p.dst))
		said.arp++;
	else if (p.kind == HF_PACKET_ARP)
		said.arp_for++;
	else if (p.kind == HF_PACKET_ND && p.neigh_op == HF_NEIGH_TELLS)
		said.advertisement++;
	else if (p.kind == HF_PACKET_ND && hf_addr_is_none(&p.src))
		said.probe++;
	else if (p.kind == HF_PACKET_ND)
		said.nd_for++;
	else
		said.other++;
}

static void run(hf_ns ns)
{
	uint8_t bytes[PACKET_CAP];
	size_t len;
	memset(&said, 0, sizeof(said));
	for (hf_ns end = rig.now + ns; rig.now < end; rig.now += 10 * HF_NS_MS) {
		(void)hf_worker_poll(rig.w, rig.now);
		while ((len = hf_port_mem_take(rig.port, 0, bytes, sizeof(bytes))) > 0)
			sort(bytes, len);
	}
	hf_worker_check(rig.w);
}

static void give(struct packet *p)
{
	assert_true(hf_port_mem_give(rig.port, 0, p->frame.data, p->frame.len));
	run(20 * HF_NS_MS);
}

static void begin(const struct hf_worker_port_cfg *side)
{
	static struct hf_tcp_listener listener = {.port = 443};
	memset(&rig, 0, sizeof(rig));
	rig.side = *side;
	rig.pk_engine = &hf_pk_libcrypto;
	rig.sym_driver = &hf_sym_libcrypto;
	rig.now = HF_NS_S;
	rig_port(&rig);
	rig_worker(&rig);
	hf_tcp_listen(rig.w->tcp, &listener, 1);
}

static void end(void)
{
	rig.pk_engine->fini(rig.pk);
	rig.sym_driver->fini(rig.sym);
	free(rig.w);
	free(rig.port);
	free(rig.pk);
	free(rig.sym);
}

static struct hf_addr v6(const uint8_t b[16])
{
	struct hf_addr a;
	memcpy(a.b, b, sizeof(a.b));
	return a;
}

/* Three gratuitous ARPs; of IPv6 the groups twice, the question once, then three advertisements; and then
 * silence. */
static void a_port_says_who_it_is(void **state)
{
	struct hf_worker_port_cfg side = {.addr_cnt = 3};
	(void)state;
	side.addr[0].ip = hf_addr_v4(PACKET_OUR_IP);
	side.addr[1].ip = v6(packet_our_ip6);
	side.addr[2] = (struct hf_net_addr){v6(router6), 12};
	begin(&side);
	run(HF_NS_S / 2);
	assert_int_equal(said.arp, 1);
	assert_int_equal(said.probe, 2);
	assert_int_equal(said.report, 2); /* one in each VLAN */
	assert_int_equal(said.advertisement, 0);
	run(5 * HF_NS_S);
	assert_int_equal(said.arp, 2);
	assert_int_equal(said.probe, 0);
	assert_int_equal(said.report, 2);
	assert_int_equal(said.advertisement, 6);
	assert_int_equal(said.arp_for + said.nd_for + said.other, 0);
	run(60 * HF_NS_S);
	assert_int_equal(said.arp + said.advertisement + said.report + said.probe, 0);
	end();
}

/* A router of the old kind is told of each address of its VLAN. */
static void an_old_router_asks_for_listeners(void **state)
{
	static const uint8_t other6[16] = {0xfd, [15] = 3}, query[20],
			     all_nodes[16] = {0xff, 2, [15] = 1};
	static const uint8_t from[16] = {0xfe, 0x80, [15] = 1}, to[6] = {0x33, 0x33, 0, 0, 0, 1};
	struct hf_worker_port_cfg side = {.addr_cnt = 4};
	struct packet p;
	(void)state;
	side.addr[0].ip = hf_addr_v4(PACKET_OUR_IP);
	side.addr[1].ip = v6(packet_our_ip6);
	side.addr[2] = (struct hf_net_addr){v6(router6), 12};
	side.addr[3].ip = v6(other6);
	begin(&side);
	run(5 * HF_NS_S);
	packet_icmp(&p, 130, 0,
		&(struct packet_spec){.v6 = true,
			.eth_dst = to,
			.src6 = from,
			.dst6 = all_nodes,
			.hops = 1,
			.payload = query,
			.payload_len = sizeof(query)});
	give(&p);
	assert_int_equal(said.report_1, 2);
	assert_int_equal(said.report + said.other, 0);
	run(HF_NS_S);
	assert_int_equal(said.report_1, 0);
	end();
}

/* An answer to our probe is a conflict, and control is told. */
static void who_has_our_address_is_told_of(void **state)
{
	struct hf_worker_port_cfg side = {.addr_cnt = 1};
	struct packet p;
	struct hf_event e;
	(void)state;
	side.addr[0].ip = v6(packet_our_ip6);
	begin(&side);
	run(HF_NS_S / 2);
	packet_nd(&p, &(struct packet_nd){.type = 136,
			      .flags = HF_ND_OVERRIDE,
			      .eth_dst = (const uint8_t *)"\x33\x33\0\0\0\1",
			      .src = packet_our_ip6,
			      .dst = (const uint8_t[16]){0xff, 2, [15] = 1},
			      .target = packet_our_ip6});
	give(&p);
	assert_true(hf_worker_event(rig.w, &e));
	assert_int_equal(e.kind, HF_EVENT_ADDR_CONFLICT);
	assert_memory_equal(e.peer.b, packet_our_ip6, 16);
	assert_int_equal(rig.w->net_stats.outcome[HF_NET_ND_CONFLICT], 1);
	end();
}

static void syn_goes_back_to(bool of_ipv6, uint16_t vlan, const uint8_t mac[6])
{
	static uint16_t sport = 1000;
	struct packet p;
	struct packet_spec s = {
		.v6 = of_ipv6, .vlan = vlan, .sport = ++sport, .tcp_flags = HF_TCP_SYN};
	packet_tcp(&p, &s);
	give(&p);
	assert_int_equal(said.tcp.tcp_flags, HF_TCP_SYN | HF_TCP_ACK);
	assert_int_equal(said.tcp.vlan, vlan);
	assert_memory_equal(said.tcp.eth_dst, mac, 6);
}

/* Asked for once a second until they answer, each in its VLAN; before that, answers go back to where the
 * question came from. */
static void routers_are_found(void **state)
{
	struct hf_worker_port_cfg side = {.addr_cnt = 2};
	static const uint8_t target_mac[8] = {2, 1, 2, 0, 0, 0, 0, 9};
	struct packet p;
	struct packet_nd nd = {.type = 136,
		.flags = HF_ND_SOLICITED | HF_ND_OVERRIDE,
		.src = router6,
		.target = router6,
		.options = target_mac,
		.options_len = 8};
	(void)state;
	side.addr[0].ip = hf_addr_v4(PACKET_OUR_IP);
	side.addr[1] = (struct hf_net_addr){v6(packet_our_ip6), 12};
	side.gateway[0].ip = hf_addr_v4(PACKET_ROUTER_IP);
	side.gateway[1].ip = v6(router6);
	side.gateway[1].from = 1;
	begin(&side);
	run(10 * HF_NS_S);
	assert_int_equal(said.arp_for, 10);
	assert_int_equal(said.nd_for, 10);
	syn_goes_back_to(false, 0, packet_peer_mac);
	syn_goes_back_to(true, 12, packet_peer_mac);
	packet_nd(&p, &nd); /* in the wrong VLAN */
	give(&p);
	assert_int_equal(rig.w->net_stats.outcome[HF_NET_ND_LEARNED], 0);
	nd.vlan = 12;
	packet_nd(&p, &nd);
	give(&p);
	assert_int_equal(rig.w->net_stats.outcome[HF_NET_ND_LEARNED], 1);
	syn_goes_back_to(true, 12, router6_mac);
	syn_goes_back_to(false, 0, packet_peer_mac);
	packet_arp(&p, 2, packet_our_mac, PACKET_ROUTER_IP, PACKET_OUR_IP);
	memcpy(p.bytes + 6, router_mac, 6);
	memcpy(p.bytes + 22, router_mac, 6);
	give(&p);
	syn_goes_back_to(false, 0, router_mac);
	run(10 * HF_NS_S);
	assert_int_equal(said.arp_for + said.nd_for, 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_port_says_who_it_is),
		cmocka_unit_test(an_old_router_asks_for_listeners),
		cmocka_unit_test(who_has_our_address_is_told_of),
		cmocka_unit_test(routers_are_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
