/* flood.h -- the parts of bench-flood: main.c has segments, held.c connections. */
#ifndef TESTS_FLOOD_FLOOD_H
#define TESTS_FLOOD_FLOOD_H

#include <stdbool.h>
#include <stdint.h>

uint64_t flood_now_ns(void);
/* Handshakes beside so many held half hellos, told in a table; false: one failed, or cost more. */
bool flood_held(void);

#endif
