/* SPDX-License-Identifier: MIT */
/*
 * ticks(): a clock that is read within nanoseconds.  The fences keep accesses
 * on their side of the time stamp.
 */
#ifndef BF_BENCH_TICKS_H
#define BF_BENCH_TICKS_H

#include <stdint.h>

#ifdef __x86_64__
#include <x86intrin.h>

static inline uint64_t ticks(void)
{
	uint64_t now;

	_mm_mfence();
	_mm_lfence();
	now = __rdtsc();
	_mm_lfence();
	return now;
}
#else
static inline uint64_t ticks(void)
{
	uint64_t now;

	__asm__ volatile("dsb	sy\n\t"
			 "isb\n\t"
			 "mrs	%0, cntvct_el0\n\t"
			 "isb"
			 : "=r"(now)
			 :
			 : "memory");
	return now;
}
#endif

#endif
