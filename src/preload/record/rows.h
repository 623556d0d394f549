/* SPDX-License-Identifier: MIT */
/* The counters as named rows, sorted for printing. */
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
	uint64_t signals;
	uint64_t stalls;
	uint64_t stalled_ns;
	uint64_t longest_stall_ns;
	uint64_t loading_ns;	  /* from exec to the dynamic linker's end */
	uint64_t to_first_run_ns; /* from there to KVM_RUN; 0: there is none */
};

/*
 * Fills in a row for each kind of call, sorted by the time stalled, then by the
 * total time.  Returns the number of rows.
 */
size_t stats_rows(const struct stats *stats,
		  struct stats_row rows[STATS_CALLS]);

void stats_sum(const struct stats *stats, struct stats_sums *sums);

/*
 * Writes the name of @key, an ioctl's number or an enum stats_key, to @buf, cut
 * to @size.  An ioctl that the kernel headers of the build lack is named by its
 * number.
 */
void call_name(uint32_t key, char *buf, size_t size);

/*
 * Prints the counters to stderr, for a library that runs without belfry run.
 * Prints nothing if the program made no KVM call.
 */
void print_stats(struct stats *stats);

#endif
