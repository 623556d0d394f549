// SPDX-License-Identifier: MIT
/*
 * belfry bench io_bus: the cost of accesses and changes of the bus, beside
 * buses of other structure with the same ranges.
 */
#include <stdio.h>

#include "tools/bench/io_bus/bench_io_bus.h"
#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/progress.h"

#define COMMAND "bench io_bus"

static void (*const rows[])(struct report *report) = {
	bench_bus_ranges,	  bench_bus_doorbells,
	bench_bus_eventfd,	  bench_bus_two_threads,
	bench_bus_changes,	  bench_bus_transactions,
	bench_bus_beside_changes, bench_bus_beside_sleeper,
	bench_bus_memory,	  bench_bus_million,
};

#define NR_ROWS (sizeof(rows) / sizeof(rows[0]))

/* Start the worker that runs SRCU callbacks before anything is measured. */
static void start_worker(void)
{
	void *bus = filled_bus(&belfry_bus, 1);

	belfry_bus_drain(bus);
	belfry_bus.destroy(bus);
}

static int measure(struct report *report)
{
	unsigned long i;

	start_worker();
	pin_thread(0);
	for (i = 0; i < NR_ROWS; i++) {
		progress_show(COMMAND, i, NR_ROWS);
		rows[i](report);
	}
	progress_clear();
	return 0;
}

static const struct bench bench = {
	.command = COMMAND,
	.help = "usage: belfry bench io_bus [OPTIONS]\n"
		"\n"
		"Measures accesses and changes of the I/O bus, beside buses of the\n"
		"structure that other monitors have, in about 20 seconds.\n"
		"\n"
		"  --json        print one JSON array instead of a table",
	.measure = measure,
};

int bench_io_bus(int argc, char **argv)
{
	return bench_main(argc, argv, &bench);
}
