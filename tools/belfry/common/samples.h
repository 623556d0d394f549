/* SPDX-License-Identifier: MIT */
/* Measured values and their statistics. */
#ifndef BF_CLI_SAMPLES_H
#define BF_CLI_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

struct samples {
	double *values;
	size_t count;
	size_t space;
};

/* If memory runs out, the process ends with one line. */
void samples_add(struct samples *samples, double value);
void samples_free(struct samples *samples);

/* These sort the values, and return 0 if there are none. */
double samples_min(struct samples *samples);
double samples_max(struct samples *samples);
double samples_median(struct samples *samples);
/* Mean of the middle half: for values of a few steps of the clock. */
double samples_midmean(struct samples *samples);
/* percent is in [0, 100]; the nearest rank counts. */
double samples_percentile(struct samples *samples, double percent);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t clock_ns(void);

#endif
