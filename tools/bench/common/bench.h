/* SPDX-License-Identifier: MIT */
/* Benchmarks: a function for each layer, and shared helpers. */
#ifndef BF_CLI_BENCH_H
#define BF_CLI_BENCH_H

#include <stdbool.h>
#include <stddef.h>

#include "tools/belfry/common/report.h"

/* belfry bench; see cli_command_fn. */
int cmd_bench(int argc, char **argv);

/* The layers of belfry bench; see cli_command_fn. */
int bench_io_bus(int argc, char **argv);
int bench_memslots(int argc, char **argv);
int bench_srcu(int argc, char **argv);
int bench_vcpus(int argc, char **argv);

/* A benchmark with the one option --json. */
struct bench {
	const char *command; /* "bench LAYER" */
	const char *help;
	/* Fill in the report.  Returns 0, or a negative errno to print none. */
	int (*measure)(struct report *report);
};

/* Parse the options, measure and print.  Returns an enum cli_status. */
int bench_main(int argc, char **argv, const struct bench *bench);

/*
 * Bind the calling thread to the first (0) or second (1) CPU that the process
 * may use.  Without effect if it may use only one.
 */
void pin_thread(unsigned int nth);

/* Return a number uniform in [0, below); each run has the same sequence. */
size_t random_below(size_t below);

#endif
