// SPDX-License-Identifier: MIT
/* Counting, on and off, and what was counted. */
#include "io_bus/doorbell.h"
#include "io_bus/range.h"

int bf_io_count(struct bf_io_bus *bus, bool on)
{
	struct bf_change change;
	unsigned int space;
	int ret = bf_change_begin(&change, bus);

	if (ret)
		return ret;
	for (space = 0; space < BF_IO_SPACES; space++)
		bf_change_roots(&change, space)->counting = on;
	bus->counted |= on;
	bf_change_commit(&change);
	return 0;
}

void bf_io_range_stats(const struct bf_io_range *range,
		       struct bf_io_stats *stats)
{
	bf_counters_sum(&range->counters, stats);
}

void bf_io_doorbell_stats(const struct bf_io_doorbell *doorbell,
			  struct bf_io_stats *stats)
{
	bf_counters_sum(&doorbell->counters, stats);
}

uint64_t bf_io_publications(const struct bf_io_bus *bus)
{
	return __atomic_load_n(&bus->changes, __ATOMIC_RELAXED);
}
