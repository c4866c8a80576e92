/* locks.c -- each function counts and calls the one that it hides (dlsym, RTLD_NEXT). */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include "tests/workers/locks.h"

_Thread_local bool locks_hot;
_Thread_local uint64_t locks_taken;

/* Whether a lock is free is not asked: taking one that is free costs, too. */
#define COUNTED(name, type)                                          \
	int name(type *lock)                                         \
	{                                                            \
		static int (*hidden)(type *);                        \
		if (!hidden)                                         \
			*(void **)&hidden = dlsym(RTLD_NEXT, #name); \
		if (!hidden)                                         \
			abort();                                     \
		locks_taken += locks_hot;                            \
		return hidden(lock);                                 \
	}

COUNTED(pthread_mutex_lock, pthread_mutex_t)
COUNTED(pthread_mutex_trylock, pthread_mutex_t)
COUNTED(pthread_rwlock_rdlock, pthread_rwlock_t)
COUNTED(pthread_rwlock_wrlock, pthread_rwlock_t)
COUNTED(pthread_rwlock_tryrdlock, pthread_rwlock_t)
COUNTED(pthread_rwlock_trywrlock, pthread_rwlock_t)
COUNTED(pthread_spin_lock, pthread_spinlock_t)
COUNTED(pthread_spin_trylock, pthread_spinlock_t)
