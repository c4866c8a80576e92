/* memcheck.h -- constant time, seen by valgrind: a test marks secrets as undefined, and memcheck reports
 * every branch and every address made from them (Langley's ctgrind). The program runs itself under
 * valgrind, once as it is and once with a leak planted, which must be reported. */
#ifndef TESTS_MEMCHECK_H
#define TESTS_MEMCHECK_H

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <valgrind/memcheck.h>
#include "tests/support/test.h"

#define MEMCHECK_REPORTED 99 /* exit status of valgrind when it has found something */

/* This program under valgrind with these arguments, the last one NULL; returns its exit status. To see
 * what 99 was: valgrind PROGRAM ARGUMENTS. */
static inline int memcheck_run(const char *self, const char *how, const char *more)
{
	const char *const argv[] = {"valgrind", "-q", "--error-exitcode=99",
		"--exit-on-first-error=yes", "--log-file=/dev/null", self, how, more, NULL};
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		perror("valgrind (package valgrind) is needed for this test");
		_exit(1);
	}
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Is every bit of it undefined? Outside valgrind: yes. */
static inline bool memcheck_all_undefined(const uint8_t *p, size_t len)
{
	uint8_t bits[64];

	if (!RUNNING_ON_VALGRIND)
		return true;
	HF_ASSERT(len <= sizeof(bits) && VALGRIND_GET_VBITS(p, bits, len) == 1);
	for (size_t i = 0; i < len; i++)
		if (bits[i] != 0xff)
			return false;
	return true;
}

#endif
