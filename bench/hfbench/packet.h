/* packet.h -- a port over an interface of the kernel, without DPDK: packet(7). Needs CAP_NET_RAW.
 * Threads: opened and closed by main; its one queue is used by one thread. Memory: 32 MB that the kernel shares,
 * pinned. Errors: NULL and a text with a remedy. */
#ifndef HF_BENCH_PACKET_H
#define HF_BENCH_PACKET_H

#include "lib/net/port.h"

struct hf_port *bench_packet_open(const char *interface, char *why, size_t why_len);

#endif
