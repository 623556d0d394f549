/* SPDX-License-Identifier: MIT */
/* Flags that synchronize the threads of a test. */
#ifndef BF_TESTS_FLAGS_H
#define BF_TESTS_FLAGS_H

#include <unistd.h>

static inline int get(const int *flag)
{
	return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static inline void set(int *flag, int value)
{
	__atomic_store_n(flag, value, __ATOMIC_RELEASE);
}

static inline void wait_for(const int *flag, int value)
{
	while (get(flag) != value)
		usleep(100);
}

#endif
