/* SPDX-License-Identifier: MIT */
/* Benchmarks: one function a layer, and what they share. */
#ifndef BF_CLI_BENCH_H
#define BF_CLI_BENCH_H

#include <stdbool.h>

int bench_srcu(int argc, char **argv);
int bench_vcpus(int argc, char **argv);

/* Keeps the calling thread on the first or second CPU that it may use. */
void pin_thread(unsigned int nth);

/* Takes the options that every benchmark has; an enum cli_status. */
int bench_main(const char *command, const char *help, int (*run)(bool json),
	       int argc, char **argv);

#endif
