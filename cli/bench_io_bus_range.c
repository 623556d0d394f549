// SPDX-License-Identifier: MIT
/* What it costs to find the range of an access, and to call its handler. */
#include <stdio.h>
#include <stdlib.h>

#include "bench_io_bus.h"
#include "xalloc.h"

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

/* A change of the ranges: nobody remembers what he found before. */
static void change_ranges(void *bus, size_t count)
{
	const struct bf_io_range_desc desc = place_desc(2 * count);

	own_bus.remove(bus, xcheck(own_bus.add(bus, &desc)));
}

static void measure_first(struct report *report, size_t count)
{
	struct samples samples = {0};
	uint64_t *addrs = xgrow(NULL, 0, count, sizeof(*addrs)), start;
	size_t *order = shuffled(count);
	void *bus = filled_bus(&own_bus, count);
	char name[80];

	for (size_t i = 0; i < count; i++)
		addrs[i] = place_addr(2 * order[i]);
	for (int round = 0; round < ROUNDS; round++) {
		change_ranges(bus, count);
		start = cpu_ns();
		own_bus.write_all(bus, addrs, count);
		samples_add(&samples,
			    (double)(cpu_ns() - start) / (double)count);
	}
	snprintf(name, sizeof(name), "the first to each of %zu, after a change",
		 count);
	report_row(report, name, "ns");
	report_number(report, "value", "%.2f", samples_median(&samples));
	report_text(report, "what", "each is searched for, none remembered");
	own_bus.destroy(bus);
	samples_free(&samples);
	free(order);
	free(addrs);
}

void bench_bus_ranges(struct report *report)
{
	for (size_t i = 0; i < NR_BUS_SIZES; i++)
		compare_ranges(report, bus_sizes[i]);
	/* Fewer are over before a clock would tell. */
	measure_first(report, 1000);
	measure_first(report, 10000);
}
