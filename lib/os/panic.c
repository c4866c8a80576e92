/* panic.c -- how a program ends when it is wrong: it says where, lets the flight recorders be
 * written, and aborts. No allocation and no stdio on this way: the heap may be what broke. Kept in
 * a file of its own so that test programs can bring another hf_panic. */
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include "lib/os/os.h"

static void (*dump_hook)(void *arg);
static void *dump_arg;
static _Atomic int panicking;

void hf_os_panic_hook(void (*dump)(void *arg), void *arg)
{
	dump_hook = dump;
	dump_arg = arg;
}

static void say(const char *text)
{
	(void)!write(STDERR_FILENO, text, strlen(text));
}

static void say_number(int n)
{
	char digits[12];
	size_t at = sizeof(digits) - 1;
	unsigned v = (unsigned)n;
	digits[at] = '\0';
	do
		digits[--at] = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	say(digits + at);
}

_Noreturn void hf_panic(const char *file, int line, const char *what)
{
	say("handfast: assertion failed at ");
	say(file);
	say(":");
	say_number(line);
	say(": ");
	say(what);
	say("\n");
	/* A second panic, in the hook or in another thread, does not dump again. */
	if (!atomic_exchange(&panicking, 1) && dump_hook)
		dump_hook(dump_arg);
	abort();
}
