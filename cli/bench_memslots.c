// SPDX-License-Identifier: MIT
/*
 * belfry bench memslots: lookups and changes of the map beside a sorted array
 * under a lock, as medians of samples that are taken in turn.
 */
#include <getopt.h>
#include <stdio.h>

#include "bench.h"
#include "bench_memslots.h"
#include "bench_srcu.h"
#include "cli.h"
#include "progress.h"

#define COMMAND "bench memslots"

static const uint32_t sizes[] = {1, 16, 512, 32000};

#define NR_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void measure_all(struct report *report)
{
	const unsigned long total = 2 * NR_SIZES + 2;
	unsigned long done = 0;
	size_t i;

	pin_thread(0);
	for (i = 0; i < NR_SIZES; i++) {
		progress_show(COMMAND, done++, total);
		bench_find(report, sizes[i]);
	}
	progress_show(COMMAND, done++, total);
	bench_cached(report);
	for (i = 0; i < NR_SIZES; i++) {
		progress_show(COMMAND, done++, total);
		bench_add(report, sizes[i]);
	}
	bench_prefault(report);
	progress_clear();
}

static int print_help(void)
{
	puts("usage: belfry bench memslots [OPTIONS]\n"
	     "\n"
	     "From guest address to memory, and changes of the map beside a\n"
	     "reader; the peer is a sorted array under a pthread_rwlock_t.  In\n"
	     "about five seconds.\n"
	     "\n"
	     "  --json        as JSON");
	return CLI_OK;
}

int bench_memslots(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	struct report *report;
	bool json = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":hV", options, NULL)) != -1) {
		if (c == '?' || c == ':')
			return cli_bad_option(COMMAND, c, argv);
		if (c == 'h')
			return print_help();
		if (c == 'V')
			return cli_print_version();
		json = true;
	}
	if (optind < argc)
		return cli_usage(COMMAND, "'%s': takes no argument",
				 argv[optind]);
	report = report_new(json);
	measure_all(report);
	report_print(report, stdout);
	report_free(report);
	return CLI_OK;
}
