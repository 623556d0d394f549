/* SPDX-License-Identifier: MIT */
/*
 * What an entry was used for, counted per thread: a cache line that only the
 * thread writes, added up by who wants to know.
 */
#ifndef BF_IO_BUS_COUNTERS_H
#define BF_IO_BUS_COUNTERS_H

#include "belfry/io_stats.h"

struct bf_counters;

/* When a use begins; CLOCK_MONOTONIC. */
uint64_t bf_count_start(void);

/*
 * Counts a use that began at start and ends now.  Makes the counters at first;
 * where there is no memory for them the use is not counted.
 */
void bf_count(struct bf_counters **countersp, bool write, uint64_t start);

void bf_counters_sum(struct bf_counters *const *countersp,
		     struct bf_io_stats *stats);
void bf_counters_free(struct bf_counters *counters);

#endif
