// SPDX-License-Identifier: MIT
/*
 * belfry bench memslots: lookups and changes of the map beside a sorted array
 * under a lock, as medians of samples that are taken in turn.
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
	bench_prefault(report);
	progress_clear();
	return 0;
}

static const struct bench bench = {
	.command = COMMAND,
	.help = "usage: belfry bench memslots [OPTIONS]\n"
		"\n"
		"From guest address to memory, and changes of the map beside a\n"
		"reader; the peer is a sorted array under a pthread_rwlock_t.  In\n"
		"about five seconds.\n"
		"\n"
		"  --json        as JSON",
	.measure = measure,
};

int bench_memslots(int argc, char **argv)
{
	return bench_main(argc, argv, &bench);
}
