// SPDX-License-Identifier: MIT
/* Pseudo-random numbers for benchmarks. */
#include <stdint.h>

#include "tools/bench/common/bench.h"

/* xorshift: Marsaglia, "Xorshift RNGs", 2003. */
size_t random_below(size_t below)
{
	static uint64_t state = 88172645463325252ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}
