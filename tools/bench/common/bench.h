/* SPDX-License-Identifier: MIT */
/* Benchmarks: one function a layer, and what they share. */
#ifndef BF_CLI_BENCH_H
#define BF_CLI_BENCH_H

#include <stdbool.h>
#include <stddef.h>

#include "tools/belfry/common/report.h"

int bench_io_bus(int argc, char **argv);
int bench_memslots(int argc, char **argv);
int bench_srcu(int argc, char **argv);
int bench_vcpus(int argc, char **argv);

/* A benchmark whose only option is --json. */
struct bench {
	const char *command; /* "bench LAYER" */
	const char *help;
	/* 0, or a negative errno: nothing is reported. */
	int (*measure)(struct report *report);
};

int bench_main(int argc, char **argv, const struct bench *bench);

/* Keeps the calling thread on the first or second CPU that it may use. */
void pin_thread(unsigned int nth);

/* Uniform in [0, below); the same sequence in each run. */
size_t random_below(size_t below);

#endif
