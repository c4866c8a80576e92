/* processor.h -- for tests of kernels in emulated vectors (processor.c). */
#ifndef TESTS_EMULATED_PROCESSOR_H
#define TESTS_EMULATED_PROCESSOR_H

#include <stdint.h>

/* How many bytes hf_ct_reveal was given of which no bit was defined. Outside valgrind: none. */
extern uint32_t emulated_revealed;

#endif
