/* SPDX-License-Identifier: MIT */
/*
 * A histogram of durations in nanoseconds.  There are eight buckets for each
 * power of two, so a bucket is at most an eighth of its values wide.
 */
#ifndef BF_PRELOAD_HISTOGRAM_H
#define BF_PRELOAD_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_LINEAR 3  /* bits of a value that the bucket keeps */
#define HISTOGRAM_BITS	 41 /* a longer value, half an hour, is cut */
#define HISTOGRAM_SIZE \
	((HISTOGRAM_BITS - HISTOGRAM_LINEAR + 1) << HISTOGRAM_LINEAR)

struct histogram {
	_Atomic uint64_t count[HISTOGRAM_SIZE];
};

static inline uint32_t histogram_bucket(uint64_t ns)
{
	const uint64_t longest = (UINT64_C(1) << HISTOGRAM_BITS) - 1;
	uint32_t shift;

	if (ns > longest)
		ns = longest;
	if (ns < 1u << HISTOGRAM_LINEAR)
		return (uint32_t)ns;
	shift = 63u - (uint32_t)__builtin_clzll(ns) - HISTOGRAM_LINEAR;
	return (shift << HISTOGRAM_LINEAR) + (uint32_t)(ns >> shift);
}

/* The least value of a bucket, and the end of the bucket before it. */
static inline uint64_t histogram_start(uint32_t bucket)
{
	const uint32_t per_power = 1u << HISTOGRAM_LINEAR;
	uint32_t shift;

	if (bucket < 2 * per_power)
		return bucket;
	shift = bucket / per_power - 1;
	return (uint64_t)(per_power + bucket % per_power) << shift;
}

static inline void histogram_add(struct histogram *histogram, uint64_t ns)
{
	atomic_fetch_add_explicit(&histogram->count[histogram_bucket(ns)], 1,
				  memory_order_relaxed);
}

#endif
