/* SPDX-License-Identifier: MIT */
#include "tools/belfry/common/samples.h"

#include <stdlib.h>
#include <time.h>

#include "tools/belfry/common/xalloc.h"

void samples_add(struct samples *samples, double value)
{
	size_t space = samples->space ? 2 * samples->space : 16;

	if (samples->count == samples->space) {
		samples->values = xgrow(samples->values, samples->space, space,
					sizeof(*samples->values));
		samples->space = space;
	}
	samples->values[samples->count++] = value;
}

void samples_free(struct samples *samples)
{
	free(samples->values);
	*samples = (struct samples){0};
}

static int compare_values(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static void sort_samples(struct samples *samples)
{
	if (samples->count)
		qsort(samples->values, samples->count, sizeof(*samples->values),
		      compare_values);
}

/* Return the value at a rank in [0, count), or 0 if there are none. */
static double value_at(struct samples *samples, size_t rank)
{
	sort_samples(samples);
	return samples->count ? samples->values[rank] : 0;
}

double samples_min(struct samples *samples)
{
	return value_at(samples, 0);
}

double samples_max(struct samples *samples)
{
	return value_at(samples, samples->count - 1);
}

double samples_median(struct samples *samples)
{
	size_t middle = samples->count / 2;
	double upper = value_at(samples, middle);

	if (!samples->count || samples->count % 2)
		return upper;
	return (samples->values[middle - 1] + upper) / 2;
}

double samples_midmean(struct samples *samples)
{
	size_t first = samples->count / 4, last = samples->count - first, i;
	double sum = 0;

	sort_samples(samples);
	for (i = first; i < last; i++)
		sum += samples->values[i];
	return samples->count ? sum / (double)(last - first) : 0;
}

double samples_percentile(struct samples *samples, double percent)
{
	double exact = percent / 100 * (double)samples->count;
	size_t rank = (size_t)exact;

	/* Ranks count from 1: take the first one at or above the exact rank. */
	if ((double)rank == exact && rank > 0)
		rank--;
	return value_at(samples, rank);
}

uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}
