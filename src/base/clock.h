/* SPDX-License-Identifier: MIT */
#ifndef BF_CLOCK_H
#define BF_CLOCK_H

#include <stdint.h>
#include <time.h>

#define BF_NS_PER_S 1000000000u

static inline uint64_t bf_timespec_ns(const struct timespec *time)
{
	return (uint64_t)time->tv_sec * BF_NS_PER_S + (uint64_t)time->tv_nsec;
}

/* Nanoseconds on CLOCK_MONOTONIC. */
static inline uint64_t bf_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return bf_timespec_ns(&now);
}

#endif
