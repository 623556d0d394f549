// SPDX-License-Identifier: MIT
/* What it costs to find the range of an access, and to call its handler. */
#include <stdio.h>

#include "bench_io_bus.h"

#define ROUNDS 31

/* The goals, by peer. */
static const struct limit {
	const struct bus_peer *peer;
	double factor;
} limits[] = {
	{&bus_interval_mutex, 0.35},
	{&bus_rbtree_rwlock, 0.35},
	{&bus_array_rwlock, 0.8},
	{&bus_array_bare, 1.5},
};

#define NR_LIMITS (sizeof(limits) / sizeof(limits[0]))

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
		if (value > limits[i].factor * medians[i])
			len += (size_t)snprintf(missed + len,
						sizeof(missed) - len,
						"%s%.2f x %s", len ? ", " : "",
						value / medians[i],
						limits[i].peer->name);
	}
	report_goal(report, "<= 0.35 x trees, 0.8 x array, 1.5 x bare", !len);
	report_text(report, "what",
		    len ? missed : "random order, the handler adds a number");
}

static void compare_ranges(struct report *report, size_t count)
{
	struct bus_series own, peers[NR_LIMITS];
	double medians[NR_LIMITS];
	struct load load;
	size_t i;

	load_init(&load, count, false);
	bus_series_init(&own, &own_bus, count);
	for (i = 0; i < NR_LIMITS; i++)
		bus_series_init(&peers[i], limits[i].peer, count);
	for (int round = 0; round < ROUNDS; round++) {
		for (i = 0; i < NR_LIMITS; i++) {
			bus_series_sample(&own, &load);
			bus_series_sample(&peers[i], &load);
		}
	}
	for (i = 0; i < NR_LIMITS; i++)
		medians[i] = bus_series_free(&peers[i]);
	report_ranges(report, count, bus_series_free(&own), medians);
	load_free(&load);
}

void bench_bus_ranges(struct report *report)
{
	for (size_t i = 0; i < NR_BUS_SIZES; i++)
		compare_ranges(report, bus_sizes[i]);
	/* Fewer are over before a clock would tell. */
	bus_first(report, &own_bus, 1000, "the first to each of 1000 ranges");
	bus_first(report, &own_bus, 10000, "the first to each of 10000 ranges");
}
