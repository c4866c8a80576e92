/* peer.c -- many lwIP hosts in one process, each deterministic, on a clock that is not one.
 * lwIP keeps its state in globals, so a host is a copy of the library's writable segment: entering
 * a host saves the globals of the one before and loads its own. A new host starts from the image
 * the loader made, so a run in a used process is the run in a fresh one.
 * Debian's library is not linked with -Bsymbolic: its calls to sys_now, rand, tcp_next_iss and the
 * memory functions go through the PLT, where the definitions in this program win. That is how
 * virtual time, the seed and a heap per host get in without a line of lwIP being rebuilt. */
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <lwip/etharp.h>
#include <lwip/ethip6.h>
#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/sys.h>
#include <lwip/timeouts.h>
#include <netif/ethernet.h>
#include "tests/sim/peer.h"

/* ---- lwIP's globals as one block of bytes ---- */

static struct {
	uint8_t *live; /* .data and .bss of liblwip */
	size_t len;
	uint8_t *pristine; /* as the loader left them */
	struct tcp_pcb **active;
	struct peer *here; /* whose globals they are now */
} stack;

/* Heap blocks of a host, so that a host can be forgotten and its leaks counted. */
struct block {
	struct block *next, *prev;
};
static_assert(sizeof(struct block) % 16 == 0, "what follows is aligned as malloc's");

struct peer {
	struct peer_cfg cfg;
	struct netif netif;
	struct rng rng;
	hf_ns now;
	bool mute;
	uint32_t block_cnt, block_base;
	struct block blocks; /* list head */
	uint8_t image[];     /* the globals while another host is entered */
};

/* The writable segment less what RELRO made read-only after relocation: GOT and the like are the
 * same for all hosts. */
static int find_segment(struct dl_phdr_info *info, size_t size HF_UNUSED, void *arg HF_UNUSED)
{
	uintptr_t start = 0, end = 0, relro_end = 0;
	if (strstr(info->dlpi_name, "liblwip") == NULL)
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t at = info->dlpi_addr + ph->p_vaddr;
		if (ph->p_type == PT_LOAD && (ph->p_flags & PF_W)) {
			HF_ASSERT(start == 0); /* one writable segment is all we know how to swap */
			start = at;
			end = at + ph->p_memsz;
		} else if (ph->p_type == PT_GNU_RELRO) {
			relro_end = at + ph->p_memsz;
		}
	}
	stack.live = (uint8_t *)HF_MAX(start, relro_end);
	stack.len = end - (uintptr_t)stack.live;
	return 1;
}

/* A global that the program refers to by name is copied out of the library by the linker (a copy
 * relocation) and would escape the swap: this file asks dlsym instead and checks the answer. */
static void *global(const char *name)
{
	uint8_t *p = dlsym(RTLD_DEFAULT, name);
	HF_ASSERT(p >= stack.live && p < stack.live + stack.len);
	return p;
}

static void stack_find(void)
{
	if (stack.pristine != NULL)
		return;
	HF_ASSERT(dl_iterate_phdr(find_segment, NULL) == 1);
	stack.active = global("tcp_active_pcbs");
	(void)global("netif_list");
	(void)global("ip_data");
	stack.pristine = malloc(stack.len);
	HF_ASSERT(stack.pristine != NULL);
	memcpy(stack.pristine, stack.live, stack.len);
}

void peer_enter(struct peer *p, hf_ns now)
{
	p->now = now;
	if (stack.here == p)
		return;
	if (stack.here != NULL)
		memcpy(stack.here->image, stack.live, stack.len);
	memcpy(stack.live, p->image, stack.len);
	stack.here = p;
}

hf_ns peer_now(const struct peer *p)
{
	return p->now;
}

/* ---- what lwIP asks of its platform, answered here ------------------------------------------ */

u32_t sys_now(void)
{
	return (u32_t)(stack.here->now / HF_NS_MS);
}

int rand(void)
{
	return (int)(rng_u64(&stack.here->rng) >> 33);
}

/* lwIP's own choice starts at 6510 and hardly moves; a random one also meets the wrap at 2^32. */
u32_t tcp_next_iss(struct tcp_pcb *pcb HF_UNUSED)
{
	uint64_t r = rng_u64(&stack.here->rng);
	return (r & 3) != 0 ? (u32_t)(r >> 32) : 0u - (u32_t)(r >> 52);
}

void *mem_malloc(mem_size_t size)
{
	struct block *b = malloc(sizeof(*b) + size), *head = &stack.here->blocks;
	HF_ASSERT(b != NULL);
	b->next = head->next;
	b->prev = head;
	b->next->prev = b;
	head->next = b;
	stack.here->block_cnt++;
	return b + 1;
}

void *mem_calloc(mem_size_t count, mem_size_t size)
{
	return memset(mem_malloc(count * size), 0, count * size);
}

void mem_free(void *mem)
{
	struct block *b = (struct block *)mem - 1;
	if (mem == NULL)
		return;
	b->next->prev = b->prev;
	b->prev->next = b->next;
	stack.here->block_cnt--;
	free(b);
}

/* ---- the interface ---- */

static err_t link_output(struct netif *netif, struct pbuf *pb)
{
	struct peer *p = netif->state;
	uint8_t frame[PEER_FRAME_MAX];
	size_t len = pb->tot_len;
	HF_ASSERT(len <= sizeof(frame));
	if (p->mute)
		return ERR_OK;
	pbuf_copy_partial(pb, frame, (u16_t)len, 0);
	if (len < PEER_FRAME_MIN) {
		memset(frame + len, 0, PEER_FRAME_MIN - len);
		len = PEER_FRAME_MIN;
	}
	p->cfg.send(p->cfg.ctx, frame, len);
	return ERR_OK;
}

static err_t link_init(struct netif *netif)
{
	const struct peer *p = netif->state;
	netif->name[0] = 's';
	netif->name[1] = 'm';
	netif->output = etharp_output;
	netif->output_ip6 = ethip6_output;
	netif->linkoutput = link_output;
	netif->mtu = 1500;
	netif->hwaddr_len = ETH_HWADDR_LEN;
	memcpy(netif->hwaddr, p->cfg.mac, ETH_HWADDR_LEN);
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET |
		       NETIF_FLAG_LINK_UP | NETIF_FLAG_MLD6;
	return ERR_OK;
}

static void link_up(struct peer *p)
{
	ip4_addr_t ip4, mask, none;
	ip6_addr_t ip6;
	memcpy(&ip4.addr, p->cfg.ip4.b + 12, 4);
	IP4_ADDR(&mask, 255, 255, 255, 0);
	ip4_addr_set_zero(&none);
	HF_ASSERT(netif_add(&p->netif, &ip4, &mask, &none, p, link_init, ethernet_input) != NULL);
	netif_set_default(&p->netif);
	/* Static addresses: no duplicate detection, no waiting for a router (RFC 4862 5.4). */
	netif_create_ip6_linklocal_address(&p->netif, 1);
	netif_ip6_addr_set_state(&p->netif, 0, IP6_ADDR_PREFERRED);
	memcpy(ip6.addr, p->cfg.ip6.b, 16);
	ip6_addr_clear_zone(&ip6);
	netif_ip6_addr_set(&p->netif, 1, &ip6);
	netif_ip6_addr_set_state(&p->netif, 1, IP6_ADDR_PREFERRED);
	netif_set_up(&p->netif);
}

struct peer *peer_new(const struct peer_cfg *cfg, hf_ns now)
{
	struct peer *p;
	struct rng root = {cfg->seed};
	stack_find();
	p = calloc(1, sizeof(*p) + stack.len);
	HF_ASSERT(p != NULL);
	p->cfg = *cfg;
	p->rng = rng_split(&root, 1);
	p->blocks.next = p->blocks.prev = &p->blocks;
	memcpy(p->image, stack.pristine, stack.len);
	peer_enter(p, now);
	lwip_init();
	link_up(p);
	p->block_base = p->block_cnt;
	return p;
}

void peer_free(struct peer *p)
{
	if (p == NULL)
		return;
	if (stack.here == p)
		stack.here = NULL;
	for (struct block *b = p->blocks.next, *next; b != &p->blocks; b = next) {
		next = b->next;
		free(b);
	}
	free(p);
}

void peer_input(struct peer *p, hf_ns now, const uint8_t *frame, size_t len)
{
	struct pbuf *pb;
	peer_enter(p, now);
	pb = pbuf_alloc(PBUF_RAW, (u16_t)len, PBUF_RAM);
	HF_ASSERT(pb != NULL && pbuf_take(pb, frame, (u16_t)len) == ERR_OK);
	if (p->netif.input(pb, &p->netif) != ERR_OK)
		pbuf_free(pb);
}

void peer_run(struct peer *p, hf_ns now)
{
	peer_enter(p, now);
	sys_check_timeouts();
}

hf_ns peer_next(struct peer *p, hf_ns now)
{
	u32_t ms;
	peer_enter(p, now);
	ms = sys_timeouts_sleeptime();
	/* lwIP counts in whole milliseconds: due at the start of one, not after a full one. */
	return ms == UINT32_MAX ? HF_NS_NEVER : (now / HF_NS_MS + ms) * HF_NS_MS;
}

void peer_mute(struct peer *p, bool mute)
{
	p->mute = mute;
}

uint32_t peer_conns(struct peer *p, hf_ns now)
{
	uint32_t cnt = 0;
	peer_enter(p, now);
	for (const struct tcp_pcb *pcb = *stack.active; pcb != NULL; pcb = pcb->next)
		cnt++;
	return cnt;
}

int peer_blocks(const struct peer *p)
{
	return (int)p->block_cnt - (int)p->block_base;
}
