/* panic.c -- the panic hook of test programs: say where, then abort so that sanitizers show a
 * stack. */
#include <stdio.h>
#include <stdlib.h>
#include "lib/base/base.h"

/* Weak, so that the test of lib/os takes the real one. */
__attribute__((weak)) _Noreturn void hf_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, what);
	abort();
}
