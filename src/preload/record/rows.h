/* SPDX-License-Identifier: MIT */
/* The counters in the order in which one reads them. */
#ifndef BF_PRELOAD_ROWS_H
#define BF_PRELOAD_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "preload/record/stats.h"

#define ROW_NAME 48

struct stats_row {
	char name[ROW_NAME];
	uint64_t calls;
	uint64_t errors;
	uint64_t total_ns;
	uint64_t longest_ns;
	uint64_t stalls;
	uint64_t stalled_ns;
};

struct stats_sums {
	uint64_t runs;
	uint64_t rings;
	uint64_t stalls;
	uint64_t stalled_ns;
	uint64_t longest_stall_ns;
	uint64_t loading_ns;	  /* exec and dynamic linker, then */
	uint64_t to_first_run_ns; /* the rest of the way; 0: no KVM_RUN */
};

/* The calls, those that stalled longest first; returns how many. */
size_t stats_rows(struct stats *stats, struct stats_row rows[STATS_CALLS]);

void stats_sum(struct stats *stats, struct stats_sums *sums);

#endif
