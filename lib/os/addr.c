/* addr.c -- addresses as people write them. */
#include <arpa/inet.h>
#include <stdio.h>
#include "lib/os/os.h"

struct hf_os_addr_text hf_os_addr_text(const struct hf_addr *a)
{
	struct hf_os_addr_text t;
	bool v4 = hf_addr_is_v4(a);
	HF_ASSERT(inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? a->b + 12 : a->b, t.s, sizeof(t.s)));
	return t;
}

struct hf_os_addr_text hf_os_endpoint_text(const struct hf_addr *a, uint16_t port)
{
	struct hf_os_addr_text t, ip = hf_os_addr_text(a);
	(void)snprintf(t.s, sizeof(t.s), hf_addr_is_v4(a) ? "%s:%u" : "[%s]:%u", ip.s, port);
	return t;
}
