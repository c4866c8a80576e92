/* check.c -- the rules that one value alone cannot break.
 * First what the file says about itself (names, references, addresses, sums), then what this
 * machine must have (files, folders, users, cores, devices). A value that was refused before is
 * zero or absent here, and every rule passes over it: one mistake, one message. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pwd.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/config/rows.h"

#define IP6_MTU_MIN 1280u

struct check {
	struct hf_config *cfg;
	struct hf_config_errors *errs;
};

#define ERROR(c, field, remedy, ...) \
	hf_config_error_at((c)->cfg, (c)->errs, field, remedy, __VA_ARGS__)

/* 0.0.0.0: every address. */
static bool is_any(const struct hf_addr *a)
{
	struct hf_addr any = hf_addr_v4(0);
	return hf_addr_eq(a, &any);
}

static bool is_set(const struct hf_addr *a)
{
	return !hf_addr_is_none(a);
}

struct ip_text {
	char s[INET6_ADDRSTRLEN];
};

static struct ip_text ip_text(const struct hf_addr *a)
{
	struct ip_text t;
	if (hf_addr_is_v4(a))
		inet_ntop(AF_INET, a->b + 12, t.s, sizeof(t.s));
	else
		inet_ntop(AF_INET6, a->b, t.s, sizeof(t.s));
	return t;
}

/* ---- names and references ---- */

/* Every element's first option is its name. */
static const char *const *name_of(
	const struct check *c, const struct hf_config_section *s, uint32_t i)
{
	return (const char *const *)((uint8_t *)hf_config_elem(c->cfg, s, i) + s->row[0].off);
}

static void names_differ(struct check *c, const struct hf_config_section *s)
{
	uint32_t i, j, cnt = hf_config_elem_cnt(c->cfg, s);
	for (i = 0; i < cnt; i++)
		for (j = 0; j < i; j++) {
			const char *const *a = name_of(c, s, i), *const *b = name_of(c, s, j);
			if (!*a || !*b || strcmp(*a, *b) != 0)
				continue;
			ERROR(c, a, "give every one its own name",
				"\"%s\" is the name of %s[%u] already", *a, s->key, j);
			break;
		}
}

static void resolve(struct check *c, const struct hf_config_section *to, struct hf_config_ref *ref)
{
	struct hf_config_hint hint = {ref->name, NULL, 0};
	uint32_t i, cnt = hf_config_elem_cnt(c->cfg, to);
	char remedy[96];
	if (!ref->name || cnt == 0) /* no section at all is an error of its own */
		return;
	for (i = 0; i < cnt; i++) {
		const char *name = *name_of(c, to, i);
		if (!name)
			continue;
		if (strcmp(name, ref->name) == 0) {
			ref->index = i;
			return;
		}
		hf_config_hint_offer(&hint, name);
	}
	snprintf(
		remedy, sizeof(remedy), "use a name from the section %s, or add it there", to->key);
	if (hint.best)
		ERROR(c, ref, remedy, "no such name in %s: \"%s\", did you mean \"%s\"?", to->key,
			ref->name, hint.best);
	else
		ERROR(c, ref, remedy, "no such name in %s: \"%s\"", to->key, ref->name);
}

static void names_twice(struct check *c, const char *const *v, uint32_t cnt)
{
	uint32_t i, j;
	for (i = 0; i < cnt; i++)
		for (j = 0; j < i; j++)
			if (v[i] && v[j] && strcmp(v[i], v[j]) == 0) {
				ERROR(c, &v[i], "keep one", "\"%s\" is in the list already", v[i]);
				break;
			}
}

static void numbers_twice(struct check *c, const uint32_t *v, uint32_t cnt)
{
	uint32_t i, j;
	for (i = 0; i < cnt; i++)
		for (j = 0; j < i; j++)
			if (v[i] == v[j]) {
				ERROR(c, &v[i], "keep one", "%u is in the list already", v[i]);
				break;
			}
}

/* ---- ports ---- */

/* Whether two addresses of one family agree in all bits of the network, or (host) in those behind it. */
static bool same_bits(
	const struct hf_addr *a, const struct hf_addr *b, uint32_t prefix_len, bool host)
{
	uint32_t from = hf_addr_is_v4(a) ? 96 : 0, edge = from + prefix_len, bit;
	for (bit = host ? edge : 0; bit < (host ? 128 : edge); bit++)
		if ((a->b[bit / 8] ^ b->b[bit / 8]) & 0x80 >> bit % 8)
			return false;
	return true;
}

/* A host's own address: not the network's, not its broadcast, not a group's (RFC 1122 3.2.1.3), of IPv6
 * not the routers' anycast (RFC 4291 2.6.1) either. */
static void address_is_a_host(struct check *c, const struct hf_config_cidr *a)
{
	static const struct hf_addr zeros, loopback = {{[15] = 1}};
	struct hf_addr ones;
	bool v4 = hf_addr_is_v4(&a->addr), bad;
	uint32_t host_len = (v4 ? 32 : 128) - a->prefix_len;
	if (!is_set(&a->addr) && a->prefix_len == 0) /* refused before */
		return;
	memset(&ones, 0xff, sizeof(ones));
	if (v4)
		bad = a->addr.b[12] >= 224 || a->addr.b[12] == 0 || a->addr.b[12] == 127;
	else
		bad = a->addr.b[0] == 0xff || !is_set(&a->addr) || hf_addr_eq(&a->addr, &loopback);
	if (bad)
		ERROR(c, a, "write a unicast address", "%s cannot be a port's address",
			ip_text(&a->addr).s);
	else if (host_len > 1 && same_bits(&a->addr, &zeros, a->prefix_len, true))
		ERROR(c, a, "write a host's address within the network",
			"%s is the network address of its network", ip_text(&a->addr).s);
	else if (v4 && host_len > 1 && same_bits(&a->addr, &ones, a->prefix_len, true))
		ERROR(c, a, "write a host's address within the network",
			"%s is the broadcast address of its network", ip_text(&a->addr).s);
}

/* The address among those before it: of earlier ports and earlier in the same list. */
static void address_is_new(struct check *c, uint32_t port, uint32_t item)
{
	const struct hf_config_cidr *a = &c->cfg->ports[port].addresses.v[item], *b;
	uint32_t p, i;
	for (p = 0; p <= port; p++)
		for (i = 0; i < c->cfg->ports[p].addresses.cnt; i++) {
			b = &c->cfg->ports[p].addresses.v[i];
			if (b == a)
				return;
			if (!hf_addr_eq(&a->addr, &b->addr))
				continue;
			ERROR(c, a, "keep one", "ports[%u] has the address %s already", p,
				ip_text(&a->addr).s);
			return;
		}
}

/* Which of the port's addresses is in the gateway's network; addresses.cnt: none. A link-local router
 * is on the link of the first address of its family (RFC 4291 2.5.6). */
uint32_t hf_config_gateway_from(const struct hf_config_port *p, const struct hf_addr *gateway)
{
	bool v4 = hf_addr_is_v4(gateway);
	bool local = !v4 && gateway->b[0] == 0xfe && (gateway->b[1] & 0xc0) == 0x80;
	uint32_t i;
	for (i = 0; i < p->addresses.cnt; i++) {
		const struct hf_config_cidr *a = &p->addresses.v[i];
		if (is_set(&a->addr) && hf_addr_is_v4(&a->addr) == v4 &&
			(local || same_bits(&a->addr, gateway, a->prefix_len, false)))
			break;
	}
	return i;
}

static bool has_family(const struct hf_config_port *p, bool v4)
{
	uint32_t i;
	for (i = 0; i < p->addresses.cnt; i++)
		if (is_set(&p->addresses.v[i].addr) && hf_addr_is_v4(&p->addresses.v[i].addr) == v4)
			return true;
	return false;
}

static void gateway_fits(
	struct check *c, const struct hf_config_port *p, const struct hf_addr *gateway, bool v4)
{
	char remedy[128];
	const char *key = v4 ? "gateway" : "gateway6";
	if (!is_set(gateway)) {
		snprintf(remedy, sizeof(remedy),
			"add %s: with the router's address, or write l2: reflect", key);
		if (p->l2 == HF_L2_GATEWAY && has_family(p, v4))
			ERROR(c, &p->l2, remedy, "l2: gateway needs a %s", key);
		return;
	}
	snprintf(remedy, sizeof(remedy), "write the %s router's address; the other is %s",
		v4 ? "IPv4" : "IPv6", v4 ? "gateway6" : "gateway");
	if (hf_addr_is_v4(gateway) != v4)
		ERROR(c, gateway, remedy, "%s is not %s", ip_text(gateway).s, v4 ? "IPv4" : "IPv6");
	else if (p->addresses.cnt > 0 && hf_config_gateway_from(p, gateway) == p->addresses.cnt)
		ERROR(c, gateway, "write a router inside the network of one of the addresses",
			"%s is in none of the port's networks", ip_text(gateway).s);
}

static void mtu_fits(struct check *c, const struct hf_config_port *p)
{
	if (p->mtu && p->mtu < IP6_MTU_MIN && has_family(p, false))
		ERROR(c, &p->mtu, "write 1280 or more, or no IPv6 address",
			"%u is below what IPv6 asks of every link (RFC 8200 5)", p->mtu);
}

/* The part that names the device: what comes before its arguments. */
static size_t device_len(const char *device)
{
	return strcspn(device, ",");
}

static void device_is_new(struct check *c, uint32_t port)
{
	const char *a = c->cfg->ports[port].device, *b;
	uint32_t p;
	for (p = 0; a && p < port; p++) {
		b = c->cfg->ports[p].device;
		if (!b || device_len(a) != device_len(b) || strncmp(a, b, device_len(a)) != 0)
			continue;
		ERROR(c, &c->cfg->ports[port].device, "give every port a device of its own",
			"ports[%u] has the device %.*s already", p, (int)device_len(a), a);
		return;
	}
}

static bool is_pci(const char *d)
{
	unsigned dom, bus, dev, fn;
	int end = 0;
	return sscanf(d, "%4x:%2x:%2x.%1x%n", &dom, &bus, &dev, &fn, &end) == 4 &&
	       (d[end] == '\0' || d[end] == ',');
}

static void check_ports(struct check *c)
{
	uint32_t p, i;
	for (p = 0; p < c->cfg->ports_cnt; p++) {
		const struct hf_config_port *port = &c->cfg->ports[p];
		for (i = 0; i < port->addresses.cnt; i++) {
			address_is_a_host(c, &port->addresses.v[i]);
			address_is_new(c, p, i);
		}
		gateway_fits(c, port, &port->gateway, true);
		gateway_fits(c, port, &port->gateway6, false);
		mtu_fits(c, port);
		device_is_new(c, p);
		if (port->device && !is_pci(port->device) && strncmp(port->device, "net_", 4) != 0)
			ERROR(c, &port->device,
				"write a virtual device such as net_af_packet0,iface=eth0, or a "
				"PCI "
				"address such as 0000:01:00.0",
				"\"%.64s\" is no DPDK network device", port->device);
	}
}

/* ---- listeners ---- */

static bool on_some_port(const struct hf_config *cfg, const struct hf_addr *a)
{
	uint32_t p, i;
	if (is_any(a))
		return true;
	for (p = 0; p < cfg->ports_cnt; p++) {
		if (cfg->ports[p].addresses.cnt == 0)
			return true; /* its list was refused: the address may have been in it */
		for (i = 0; i < cfg->ports[p].addresses.cnt; i++)
			if (hf_addr_eq(&cfg->ports[p].addresses.v[i].addr, a))
				return true;
	}
	return cfg->ports_cnt == 0;
}

struct endpoint_text {
	char s[INET6_ADDRSTRLEN + sizeof("[]:65535")];
};

static struct endpoint_text endpoint_text(const struct hf_config_endpoint *e)
{
	struct endpoint_text t;
	snprintf(t.s, sizeof(t.s), hf_addr_is_v4(&e->addr) ? "%s:%u" : "[%s]:%u",
		ip_text(&e->addr).s, e->port);
	return t;
}

static bool overlap(const struct hf_config_endpoint *a, const struct hf_config_endpoint *b)
{
	return a->port == b->port &&
	       (hf_addr_eq(&a->addr, &b->addr) || is_any(&a->addr) || is_any(&b->addr));
}

static void endpoint_is_free(struct check *c, uint32_t listener)
{
	const struct hf_config_endpoint *a = &c->cfg->listeners[listener].address, *b;
	uint32_t l;
	for (l = 0; l < listener; l++) {
		b = &c->cfg->listeners[l].address;
		if (!is_set(&b->addr) || !overlap(a, b))
			continue;
		ERROR(c, a, "give every listener an address and port of its own",
			"%s overlaps with listeners[%u], which has %s", endpoint_text(a).s, l,
			endpoint_text(b).s);
		return;
	}
}

static void check_listeners(struct check *c)
{
	const struct hf_config_section *certs = &hf_config_sections[HF_SECTION_certificate];
	const struct hf_config_section *backends = &hf_config_sections[HF_SECTION_backend];
	uint32_t i, j;
	for (i = 0; i < c->cfg->listeners_cnt; i++) {
		struct hf_config_listener *l = &c->cfg->listeners[i];
		for (j = 0; j < l->certificates.cnt; j++)
			resolve(c, certs, &l->certificates.v[j]);
		resolve(c, backends, &l->backend);
		for (j = 0; j < l->alpn_backends.cnt; j++)
			resolve(c, backends, &l->alpn_backends.v[j]);
		if (l->alpn_backends.cnt && l->alpn_backends.cnt != l->alpn.cnt)
			ERROR(c, &l->alpn_backends,
				"name a backend for each protocol of alpn, or none",
				"%u backends for %u protocols", l->alpn_backends.cnt, l->alpn.cnt);
		names_twice(c, l->alpn.v, l->alpn.cnt);
		if (l->linger_ns == 0)
			l->linger_ns = c->cfg->timeouts.linger_ns;
		if (!is_set(&l->address.addr))
			continue;
		endpoint_is_free(c, i);
		if (!on_some_port(c->cfg, &l->address.addr))
			ERROR(c, &l->address,
				"use an address from the section ports, or add it there",
				"no port has the address %s", ip_text(&l->address.addr).s);
	}
}

/* ---- the rest ---- */

static void sockets_differ(struct check *c)
{
	uint32_t i, j;
	for (i = 0; i < c->cfg->backends_cnt; i++) {
		const char *const *a = &c->cfg->backends[i].socket;
		for (j = 0; j < i; j++)
			if (*a && c->cfg->backends[j].socket &&
				strcmp(*a, c->cfg->backends[j].socket) == 0) {
				ERROR(c, a, "give every backend a socket of its own",
					"backends[%u] has this socket already", j);
				break;
			}
		if (*a && c->cfg->stats.socket && strcmp(*a, c->cfg->stats.socket) == 0)
			ERROR(c, a, "give every backend a socket of its own",
				"this is the control socket, stats.socket");
	}
}

static void check_sums(struct check *c)
{
	const struct hf_config *cfg = c->cfg;
	const struct hf_config_workers *w = &cfg->workers;
	if (w->cores.cnt && w->count && w->cores.cnt != w->count)
		ERROR(c, &w->cores, "list one core for each worker, or none",
			"%u are listed, workers.count is %u", w->cores.cnt, w->count);
	if (cfg->memory.conns && cfg->memory.handshakes > cfg->memory.conns)
		ERROR(c, &cfg->memory.handshakes, "write at most memory.connections",
			"%u handshakes are more than the %u connections", cfg->memory.handshakes,
			cfg->memory.conns);
	if (cfg->tls.ticket_keys && cfg->tls.ticket_secret)
		ERROR(c, &cfg->tls.ticket_keys, "leave one of them out",
			"tls.ticket_secret is there already");
	if (cfg->timeouts.handshake_ns && cfg->timeouts.hello_ns > cfg->timeouts.handshake_ns)
		ERROR(c, &cfg->timeouts.hello_ns, "write at most timeouts.handshake",
			"the hello may take longer than the whole handshake");
}

static void check_clients(struct check *c)
{
	for (uint32_t i = 0; i < c->cfg->certificates_cnt; i++) {
		const struct hf_config_certificate *cert = &c->cfg->certificates[i];
		bool asked = cert->client_certificate != HF_CLIENT_CERTIFICATE_NONE;
		if (asked && !cert->client_ca)
			ERROR(c, &cert->client_certificate,
				"add client_ca: with a file of authorities",
				"clients are asked for certificates, but nothing says whose are "
				"good");
		if (!asked && cert->client_ca)
			ERROR(c, &cert->client_ca,
				"write client_certificate: optional or required, or leave this out",
				"clients are not asked for certificates");
	}
}

static void prefix_once(struct check *c, const struct hf_config_prefix *p,
	const struct hf_config_prefix *v, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++)
		if (p->len == v[i].len && hf_addr_eq(&p->addr, &v[i].addr)) {
			ERROR(c, p, "keep one",
				"this network is in limits.allow or limits.deny already");
			return;
		}
}

/* Of networks that lie in each other the smaller one holds; of two the same none could. */
static void check_limits(struct check *c)
{
	const struct hf_config_limits *l = &c->cfg->limits;
	for (uint32_t i = 0; i < l->allow.cnt; i++)
		prefix_once(c, &l->allow.v[i], l->allow.v, i);
	for (uint32_t i = 0; i < l->deny.cnt; i++) {
		prefix_once(c, &l->deny.v[i], l->deny.v, i);
		prefix_once(c, &l->deny.v[i], l->allow.v, l->allow.cnt);
	}
}

void hf_config_check_rules(struct hf_config *cfg, struct hf_config_errors *errs)
{
	struct check c = {cfg, errs};
	uint32_t s, i, j;
	for (s = 0; s < HF_SECTION_CNT; s++)
		if (hf_config_sections[s].list)
			names_differ(&c, &hf_config_sections[s]);
	check_ports(&c);
	check_listeners(&c);
	check_clients(&c);
	sockets_differ(&c);
	check_sums(&c);
	check_limits(&c);
	numbers_twice(&c, cfg->workers.cores.v, cfg->workers.cores.cnt);
	for (i = 0; i < cfg->tls.suites.cnt; i++)
		for (j = 0; j < i; j++)
			if (cfg->tls.suites.v[i] == cfg->tls.suites.v[j])
				ERROR(&c, &cfg->tls.suites.v[i], "keep one",
					"the suite is in the list already");
	for (i = 0; i < cfg->tls.groups.cnt; i++)
		for (j = 0; j < i; j++)
			if (cfg->tls.groups.v[i] == cfg->tls.groups.v[j])
				ERROR(&c, &cfg->tls.groups.v[i], "keep one",
					"the curve is in the list already");
}

/* ---- this machine ---- */

/* After process.run_as this process is another user's than the one who started it. */
struct hf_config_remedy hf_config_open_remedy(int error, const char *missing)
{
	struct hf_config_remedy r;
	struct passwd pw, *got = NULL;
	char buf[4096], number[16];
	uid_t uid = geteuid();
	switch (error) {
	case ENOENT:
		snprintf(r.s, sizeof(r.s), "%s", missing);
		break;
	case ENOTDIR:
		snprintf(r.s, sizeof(r.s), "correct the path: a folder in it is a file");
		break;
	case ENAMETOOLONG:
		snprintf(r.s, sizeof(r.s),
			"shorten the path: a name in it has at most 255 bytes, all of it 4095");
		break;
	case ELOOP:
		snprintf(r.s, sizeof(r.s), "correct the path: its links lead in a circle");
		break;
	case EACCES:
	case EPERM:
		snprintf(number, sizeof(number), "%u", (unsigned)uid);
		(void)getpwuid_r(uid, &pw, buf, sizeof(buf), &got);
		snprintf(r.s, sizeof(r.s), "let user %.63s read it and enter its folders",
			got ? got->pw_name : number);
		break;
	default:
		snprintf(r.s, sizeof(r.s), "name a file that can be read");
	}
	return r;
}

static void file_is_readable(struct check *c, const char *const *path)
{
	struct stat st;
	int fd;
	if (!*path)
		return;
	fd = open(*path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		int error = errno;
		ERROR(c, path,
			hf_config_open_remedy(error, "put the file there, or correct the path").s,
			"%.160s: %s", *path, strerror(error));
		return;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		ERROR(c, path, "name a file", "%.160s: not a regular file", *path);
	close(fd);
}

/* The folder that a socket or log will be made in. made: one directly in /run need not be there, for
 * hf_os_unix_listen makes it. */
static void folder_exists(struct check *c, const char *const *path, bool made)
{
	char dir[1024];
	struct stat st;
	char *slash;
	if (!*path)
		return;
	snprintf(dir, sizeof(dir), "%s", *path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return;
	*slash = '\0';
	if (stat(dir, &st) < 0 && errno == ENOENT && made && strncmp(dir, "/run/", 5) == 0 &&
		!strchr(dir + 5, '/'))
		return;
	if (stat(dir, &st) < 0)
		ERROR(c, path, "make the folder, or correct the path", "%.160s: %s", dir,
			strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		ERROR(c, path, "correct the path", "%.160s: not a folder", dir);
}

/* A name must be known; a number need not, its group is then the same number. */
static void look_up_user(struct check *c, struct hf_config_user *u)
{
	char buf[4096];
	struct passwd pw, *got = NULL;
	bool number;
	if (!u->name)
		return;
	number = u->name[strspn(u->name, "0123456789")] == '\0';
	if (number)
		(void)getpwuid_r(u->uid, &pw, buf, sizeof(buf), &got);
	else
		(void)getpwnam_r(u->name, &pw, buf, sizeof(buf), &got);
	if (got) {
		u->uid = got->pw_uid;
		u->gid = got->pw_gid;
	} else if (!number) {
		ERROR(c, u, "make the user, or write another's name or number",
			"this machine has no user \"%.63s\"", u->name);
	}
}

static void cores_exist(struct check *c)
{
	const struct hf_config_workers *w = &c->cfg->workers;
	cpu_set_t set;
	uint32_t i;
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return;
	for (i = 0; i < w->cores.cnt; i++)
		if (w->cores.v[i] >= CPU_SETSIZE || !CPU_ISSET(w->cores.v[i], &set))
			ERROR(c, &w->cores.v[i], "choose from those that `taskset -p $$` shows",
				"this process may not run on core %u", w->cores.v[i]);
	if (w->count > (uint32_t)CPU_COUNT(&set))
		ERROR(c, &w->count, "write at most one worker per core",
			"%u workers for the %d cores this process may run on", w->count,
			CPU_COUNT(&set));
}

/* A virtual device on top of an interface names it: iface=hf0. */
static void device_exists(struct check *c, const struct hf_config_port *p)
{
	char name[256];
	const char *arg;
	if (!p->device)
		return;
	if (is_pci(p->device)) {
		snprintf(name, sizeof(name), "/sys/bus/pci/devices/%.*s",
			(int)device_len(p->device), p->device);
		if (access(name, F_OK) < 0)
			ERROR(c, &p->device, "choose from those that `dpdk-devbind.py -s` shows",
				"no PCI device %.*s", (int)device_len(p->device), p->device);
		return;
	}
	arg = strstr(p->device, ",iface=");
	if (!arg)
		return;
	arg += strlen(",iface=");
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(arg, ","), arg);
	if (if_nametoindex(name) == 0)
		ERROR(c, &p->device, "choose from those that `ip link` shows here",
			"no interface \"%.64s\"", name);
}

void hf_config_machine_rules(struct hf_config *cfg, struct hf_config_errors *errs)
{
	struct check c = {cfg, errs};
	uint32_t i;
	for (i = 0; i < cfg->ports_cnt; i++)
		device_exists(&c, &cfg->ports[i]);
	for (i = 0; i < cfg->certificates_cnt; i++) {
		file_is_readable(&c, &cfg->certificates[i].chain);
		file_is_readable(&c, &cfg->certificates[i].key);
		file_is_readable(&c, &cfg->certificates[i].ocsp);
		file_is_readable(&c, &cfg->certificates[i].client_ca);
	}
	for (i = 0; i < cfg->backends_cnt; i++) {
		folder_exists(&c, &cfg->backends[i].socket, true);
		look_up_user(&c, &cfg->backends[i].user);
	}
	cores_exist(&c);
	file_is_readable(&c, &cfg->tls.ticket_keys);
	file_is_readable(&c, &cfg->tls.ticket_secret);
	folder_exists(&c, &cfg->tls.keylog, false);
	folder_exists(&c, &cfg->stats.socket, true);
	look_up_user(&c, &cfg->process.run_as);
}
