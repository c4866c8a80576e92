/* panic.c -- what an assertion does in a program that brings no hf_panic of its own. */
#include <stdio.h>
#include <stdlib.h>
#include "lib/base/base.h"

__attribute__((weak)) _Noreturn void hf_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, what);
	abort();
}
