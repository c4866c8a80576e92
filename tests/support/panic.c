/* panic.c -- the panic hook of test programs: says where, then aborts so that sanitizers show a stack;
 * or, when a test expects it, jumps back into that test. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include "lib/base/base.h"

extern jmp_buf *test_panic_catch;
jmp_buf *test_panic_catch;

/* Weak, so that the test of lib/os takes the real one. */
__attribute__((weak)) _Noreturn void hf_panic(const char *file, int line, const char *what)
{
	if (test_panic_catch)
		longjmp(*test_panic_catch, 1);
	fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, what);
	abort();
}
