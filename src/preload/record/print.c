/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>

#include "preload/record/print.h"
#include "preload/record/rows.h"
#include "preload/common/log.h"

#define US 1e3
#define MS 1e6

static void print_row(const struct stats_row *row)
{
	log_line("%-36s %8" PRIu64 " %12.1f %12.1f %8" PRIu64 " %12.1f",
		 row->name, row->calls, (double)row->total_ns / US,
		 (double)row->longest_ns / US, row->stalls,
		 (double)row->stalled_ns / MS);
}

static void print_sums(struct stats *stats)
{
	struct stats_sums sums;

	stats_sum(stats, &sums);
	log_line("belfry: doorbells: %" PRIu64 " assigned, %" PRIu64
		 " deassigned, %" PRIu64 " installed; %" PRIu64
		 " signals in user space",
		 stats->assigned, stats->deassigned, stats->installed,
		 sums.signals);
	if (!sums.runs)
		return;
	log_line("belfry: %.1f ms to the first of %" PRIu64
		 " KVM_RUN; %.1f ms in %" PRIu64 " stalls",
		 (double)sums.to_first_run_ns / MS, sums.runs,
		 (double)sums.stalled_ns / MS, sums.stalls);
}

void print_stats(struct stats *stats)
{
	struct stats_row *rows = calloc(STATS_CALLS, sizeof(*rows));
	size_t count = rows ? stats_rows(stats, rows) : 0;

	if (count) {
		log_line("%-36s %8s %12s %12s %8s %12s", "belfry: call",
			 "calls", "total us", "longest us", "stalls",
			 "stalled ms");
		for (size_t i = 0; i < count; i++)
			print_row(&rows[i]);
		print_sums(stats);
	}
	free(rows);
}
