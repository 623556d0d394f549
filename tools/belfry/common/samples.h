/* SPDX-License-Identifier: MIT */
/* Measured values and what is said about them. */
#ifndef BF_CLI_SAMPLES_H
#define BF_CLI_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

struct samples {
	double *values;
	size_t count;
	size_t space;
};

/* Out of memory ends the process with one line. */
void samples_add(struct samples *samples, double value);
void samples_free(struct samples *samples);

/* 0 where there are none; sorts the values. */
double samples_min(struct samples *samples);
double samples_max(struct samples *samples);
double samples_median(struct samples *samples);
/* Mean of the middle half: for values not much above a step of the clock. */
double samples_midmean(struct samples *samples);
/* percent in [0, 100], nearest rank. */
double samples_percentile(struct samples *samples, double percent);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t clock_ns(void);

#endif
