/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "preload/record/rows.h"
#include "preload/common/log.h"

#define US 1e3
#define MS 1e6

static void print_row(const struct stats_row *row)
{
	log_line("belfry: %-28s %8" PRIu64
		 " calls %12.1f us, longest %12.1f us,"
		 " %" PRIu64 " stalls %.1f ms",
		 row->name, row->calls, (double)row->total_ns / US,
		 (double)row->longest_ns / US, row->stalls,
		 (double)row->stalled_ns / MS);
}

static void print_sums(struct stats *stats)
{
	struct stats_sums sums;

	stats_sum(stats, &sums);
	log_line("belfry: stalled: %.1f ms in %" PRIu64 " calls over 1 ms;"
		 " %.1f ms to the first of %" PRIu64 " KVM_RUN",
		 (double)sums.stalled_ns / MS, sums.stalls,
		 (double)sums.to_first_run_ns / MS, sums.runs);
	log_line("belfry: doorbells: %" PRIu64 " assigned, %" PRIu64
		 " deassigned, %" PRIu64 " installed; %" PRIu64
		 " signals in user space",
		 stats->assigned, stats->deassigned, stats->installed,
		 sums.signals);
	if (stats->passed_through)
		log_line("belfry: %" PRIu64 " of %" PRIu64
			 " VMs passed through: see above",
			 stats->passed_through, stats->vms);
}

void print_stats(struct stats *stats)
{
	const char *print = getenv("BELFRY_PRINT");
	const bool all = print && !strcmp(print, "all");
	struct stats_row *rows = calloc(STATS_CALLS, sizeof(*rows));
	size_t count = rows ? stats_rows(stats, rows) : 0;

	if (count && (!print || strcmp(print, "quiet"))) {
		print_sums(stats);
		for (size_t i = 0; i < count; i++) {
			if (all || rows[i].stalls)
				print_row(&rows[i]);
		}
	}
	free(rows);
}
