/* SPDX-License-Identifier: MIT */
/*
 * Locks, futexes and thread-local variables of the machine's threads, in place
 * of pthread_mutex_lock(), srcu/futex.h and base/thread_local.h.  Include this
 * before the source under test, and list kernel among the machine's statics.
 */
#ifndef BF_MODELS_SLEEP_H
#define BF_MODELS_SLEEP_H

#include <pthread.h>

#include "explore.h"
#include "intercept.h"

#define BF_SRCU_FUTEX_H
#define NSEC_PER_SEC  1000000000ULL
#define NSEC_PER_MSEC 1000000ULL
#define FUTEX_FOREVER UINT64_MAX

/* Shorter sleeps end at any time. */
#define LONG_SLEEP_NS (10 * NSEC_PER_SEC)

/*
 * Thread-local variables: the threads are coroutines.  List of_threads_NAME
 * among the statics, too; eight make its size a multiple of 8.
 */
#define BF_BASE_THREAD_LOCAL_H
#define BF_THREAD_LOCAL(type, name)                        \
	static type of_threads_##name[8];                  \
	static type *name(void)                            \
	{                                                  \
		return &of_threads_##name[machine_self()]; \
	}                                                  \
	_Static_assert(1, "a semicolon follows")

static struct {
	unsigned int lock, wakes; /* of all futexes */
} kernel;

static void word_unlock(unsigned int *word)
{
	__atomic_store_n(word, 0, __ATOMIC_RELEASE);
}

static void model_lock(pthread_mutex_t *mutex)
{
	machine_lock((unsigned int *)(void *)mutex);
}

static void model_unlock(pthread_mutex_t *mutex)
{
	word_unlock((unsigned int *)(void *)mutex);
}

#define pthread_mutex_lock   model_lock
#define pthread_mutex_unlock model_unlock

static inline int sleep_if_same(bool same, uint64_t timeout_ns)
{
	unsigned int wakes = kernel.wakes;

	word_unlock(&kernel.lock);
	if (!same)
		return 0;
	if (timeout_ns < LONG_SLEEP_NS)
		machine_wait();
	else
		machine_sleep(&kernel.wakes, wakes);
	return 0;
}

/* The kernel compares under a lock that the waker takes too. */
static inline int futex_wait(unsigned int *word, unsigned int value,
			     uint64_t timeout_ns)
{
	machine_lock(&kernel.lock);
	return sleep_if_same(__atomic_load_n(word, __ATOMIC_RELAXED) == value,
			     timeout_ns);
}

static inline void futex_wake_all(unsigned int *word)
{
	machine_lock(&kernel.lock);
	__atomic_store_n(&kernel.wakes, kernel.wakes + 1, __ATOMIC_RELAXED);
	word_unlock(&kernel.lock);
}

static inline void futex_wait_high(uint64_t *word, unsigned int value,
				   uint64_t timeout_ns)
{
	machine_lock(&kernel.lock);
	sleep_if_same(__atomic_load_n(word, __ATOMIC_RELAXED) >> 32 == value,
		      timeout_ns);
}

static inline void futex_wake_all_high(uint64_t *word)
{
	futex_wake_all(NULL);
}

#endif
