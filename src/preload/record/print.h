/* SPDX-License-Identifier: MIT */
#ifndef BF_PRELOAD_PRINT_H
#define BF_PRELOAD_PRINT_H

#include "preload/record/stats.h"

/*
 * Prints the counters to stderr, for a library that runs without belfry run.
 * Prints nothing if the program made no KVM call.
 */
void print_stats(struct stats *stats);

#endif
