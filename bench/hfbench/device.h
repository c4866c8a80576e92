/* device.h -- a device for hfbench: packet:IF (packet.h), or one of DPDK, without huge pages, in this process alone.
 * Threads: main. Errors: NULL and a text with a remedy. */
#ifndef HF_BENCH_DEVICE_H
#define HF_BENCH_DEVICE_H

#include "lib/net/port.h"

/* Opens the device and waits until its link is up: with memif, until the server has accepted it. */
struct hf_port *bench_device_open(const char *device, char *why, size_t why_len);
void bench_device_close(struct hf_port *p);

#endif
