// SPDX-License-Identifier: MIT
#include "vm/calibrate.h"

/* Where nothing can be measured: between the kernels before 6.18 and since. */
#define DEFAULT_RINGS 256

/* What a measurement on a very busy machine may come to is kept within. */
#define MIN_RINGS 4
#define MAX_RINGS 10000

unsigned int bf_rings_of(const struct bf_costs *costs)
{
	uint64_t rings;

	if (!costs->ring_ns)
		return MAX_RINGS;
	rings = costs->install_ns / costs->ring_ns;
	if (rings < MIN_RINGS)
		return MIN_RINGS;
	return rings > MAX_RINGS ? MAX_RINGS : (unsigned int)rings;
}

static unsigned int find_out(void)
{
	struct bf_costs costs;

	if (bf_costs_load(&costs))
		return bf_rings_of(&costs);
	if (!bf_costs_measure(&costs))
		return DEFAULT_RINGS;
	bf_costs_save(&costs);
	return bf_rings_of(&costs);
}

/* Two threads that come first both find out: no harm. */
unsigned int bf_calibrated_rings(void)
{
	static unsigned int rings;
	unsigned int known = __atomic_load_n(&rings, __ATOMIC_RELAXED);

	if (!known) {
		known = find_out();
		__atomic_store_n(&rings, known, __ATOMIC_RELAXED);
	}
	return known;
}
