// SPDX-License-Identifier: MIT
/*
 * belfry bench io_bus: what an access and a change of the bus cost, beside
 * buses of other structure that are filled with the same.
 */
#include <stdio.h>

#include "bench_io_bus.h"
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

/*
 * The thread that runs SRCU callbacks is started here, before the measuring
 * thread is pinned: it inherits where it may run.
 */
static void start_worker(void)
{
	void *bus = filled_bus(&own_bus, 1);

	own_settle(bus);
	own_bus.destroy(bus);
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
		"What dispatch and changes of the I/O bus cost, beside buses of the\n"
		"structure that other monitors have, in about 20 seconds.\n"
		"\n"
		"  --json        as JSON",
	.measure = measure,
};

int bench_io_bus(int argc, char **argv)
{
	return bench_main(argc, argv, &bench);
}
