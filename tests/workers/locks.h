/* locks.h -- counts the pthread locks that a thread takes while it says that it is in its hot loop: the
 * program's own functions stand before the library's, for libcrypto and all other shared objects too.
 * Threads: each has its own count. Memory: none. Errors: abort when the library's function is not found. */
#ifndef TESTS_WORKERS_LOCKS_H
#define TESTS_WORKERS_LOCKS_H

#include <stdbool.h>
#include <stdint.h>

extern _Thread_local bool locks_hot;
extern _Thread_local uint64_t locks_taken;

#endif
