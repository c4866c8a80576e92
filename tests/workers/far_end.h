/* far_end.h -- the other end of the port in memory (drivers/port/mem.h), as a port too: what it sends, the
 * worker receives. Threads: both ends of a queue belong to one thread. Memory: malloc; 64 frames to send and
 * as many received. */
#ifndef TESTS_WORKERS_FAR_END_H
#define TESTS_WORKERS_FAR_END_H

#include "lib/net/port.h"

struct hf_port *far_end_new(struct hf_port *mem, const uint8_t mac[6]);
void far_end_free(struct hf_port *p);

#endif
