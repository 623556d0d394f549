// SPDX-License-Identifier: MIT
/* Dispatch of an access to the handler of its range. */
#include <stdio.h>

#include "tools/bench/io_bus/bench_io_bus.h"

#define ROUNDS 31

/* The goals: a factor for each peer; 0: no goal. */
static const struct limit {
	const struct bus_peer *peer;
	double factor;
} limits[] = {
	{&bus_interval_mutex, 0.5},
	{&bus_rbtree_rwlock, 0.5},
	{&bus_array_rwlock, 1.0},
	{&bus_array_bare, 0},
};

#define NR_LIMITS (sizeof(limits) / sizeof(limits[0]))

static bool is_missed(const struct limit *limit, double value, double median)
{
	return limit->factor > 0 && value > limit->factor * median;
}

static void report_ranges(struct report *report, size_t count, double value,
			  const double *medians)
{
	char name[80], missed[200] = "";
	size_t i, len = 0;

	snprintf(name, sizeof(name), "dispatch to one of %zu ranges", count);
	report_row(report, name, "ns");
	report_number(report, "value", "%.2f", value);
	for (i = 0; i < NR_LIMITS; i++) {
		report_peer(report, limits[i].peer->name, "%.2f", medians[i]);
		if (is_missed(&limits[i], value, medians[i]))
			len += (size_t)snprintf(missed + len,
						sizeof(missed) - len,
						"%s%.2f x %s", len ? ", " : "",
						value / medians[i],
						limits[i].peer->name);
	}
	report_goal(report, "<= 0.5 x each tree, <= 1.0 x array, rwlock", !len);
	report_text(report, "what",
		    len ? missed : "random order; the handler adds a number");
}

static void compare_ranges(struct report *report, size_t count)
{
	struct bus_series belfry, peers[NR_LIMITS];
	double medians[NR_LIMITS];
	struct load load;
	size_t i;

	load_init(&load, count, false);
	bus_series_init(&belfry, &belfry_bus, count);
	for (i = 0; i < NR_LIMITS; i++)
		bus_series_init(&peers[i], limits[i].peer, count);
	for (int round = 0; round < ROUNDS; round++) {
		for (i = 0; i < NR_LIMITS; i++) {
			bus_series_sample(&belfry, &load);
			bus_series_sample(&peers[i], &load);
		}
	}
	for (i = 0; i < NR_LIMITS; i++)
		medians[i] = bus_series_free(&peers[i]);
	report_ranges(report, count, bus_series_free(&belfry), medians);
	load_free(&load);
}

void bench_bus_ranges(struct report *report)
{
	for (size_t i = 0; i < NR_BUS_SIZES; i++)
		compare_ranges(report, bus_sizes[i]);
}
