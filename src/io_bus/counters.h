/* SPDX-License-Identifier: MIT */
/* Counters of an entry: a cache line for each CPU. */
#ifndef BF_IO_BUS_COUNTERS_H
#define BF_IO_BUS_COUNTERS_H

#include "belfry/io_stats.h"

struct bf_counters;

/*
 * Counts a use that began at start, by bf_now_ns(), and ends now.  The first
 * use allocates the counters; without memory the use is not counted.
 */
void bf_count(struct bf_counters **countersp, bool write, uint64_t start);

/* Sums the counters of all CPUs. */
void bf_counters_sum(struct bf_counters *const *countersp,
		     struct bf_io_stats *stats);

void bf_counters_free(struct bf_counters *counters);

#endif
