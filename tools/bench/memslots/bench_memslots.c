// SPDX-License-Identifier: MIT
/*
 * belfry bench memslots: compares lookups and changes of the map with those of
 * a sorted array under a lock.  Takes samples of the two in turn and reports
 * medians.
 */
#include <stdio.h>

#include "tools/bench/common/bench.h"
#include "bench_memslots.h"
#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/progress.h"

#define COMMAND "bench memslots"

static const uint32_t sizes[] = {1, 16, 512, 32000};

#define NR_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static int measure(struct report *report)
{
	const unsigned long total = 2 * NR_SIZES + 1;
	unsigned long done = 0;
	size_t i;

	pin_thread(0);
	for (i = 0; i < NR_SIZES; i++) {
		progress_show(COMMAND, done++, total);
		bench_slot_find(report, sizes[i]);
	}
	for (i = 0; i < NR_SIZES; i++) {
		progress_show(COMMAND, done++, total);
		bench_slot_add(report, sizes[i]);
	}
	bench_copy(report);
	bench_prefault(report);
	progress_clear();
	return 0;
}

static const struct bench bench = {
	.command = COMMAND,
	.help = "usage: belfry bench memslots [OPTIONS]\n"
		"\n"
		"Measures the translation of guest addresses, and changes of the map\n"
		"beside a reader.  The peer is a sorted array under a\n"
		"pthread_rwlock_t.  Copies by the kernel, which may fault, are beside\n"
		"plain ones.  Takes about five seconds.\n"
		"\n"
		"  --json        as JSON",
	.measure = measure,
};

int bench_memslots(int argc, char **argv)
{
	return bench_main(argc, argv, &bench);
}
