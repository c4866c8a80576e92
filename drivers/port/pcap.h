/* pcap.h -- records what passes through any port into a file that Wireshark opens. A decorator:
 * hand the result to the worker in place of `inner`. Received frames are written when the worker
 * takes them, sent ones when it hands them over, with the time of `now` in nanoseconds.
 * For looking, not for production: writing may block the worker.
 * Threads: as for any port; a frame is one write, so frames of several queues do not mix.
 * Memory: malloc, at open. Errors: open returns NULL with errno; frames that could not be written
 * are counted (hf_port_pcap_lost), the traffic goes on. */
#ifndef HF_DRIVERS_PORT_PCAP_H
#define HF_DRIVERS_PORT_PCAP_H

#include "lib/net/port.h"

/* epoch_s is the second, since 1970, at which *now was 0. fini closes the file and finishes inner. */
struct hf_port *hf_port_pcap_open(
	struct hf_port *inner, const char *path, const hf_ns *now, uint64_t epoch_s);
uint64_t hf_port_pcap_lost(const struct hf_port *port);

#endif
