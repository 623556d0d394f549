// SPDX-License-Identifier: MIT
/* What it costs to find who answers an access, and to call it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench_io_bus.h"
#include "xalloc.h"

#define ROUNDS 31

static const size_t sizes[] = {16, 100, 1000, 10000};

#define NR_SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* Nanoseconds an access. */
static double measure_load(const struct load *load, const struct bus_peer *peer,
			   void *bus)
{
	uint64_t start = clock_ns();

	load_run(load, peer, bus);
	return (double)(clock_ns() - start) / LOAD_ACCESSES;
}

/* A bus and what was measured on it. */
struct series {
	const struct bus_peer *peer;
	void *bus;
	struct samples samples;
};

static void series_init(struct series *series, const struct bus_peer *peer,
			size_t count)
{
	*series = (struct series){
		.peer = peer,
		.bus = filled_bus(peer, count),
	};
}

static double series_free(struct series *series)
{
	double median = samples_median(&series->samples);

	series->peer->destroy(series->bus);
	samples_free(&series->samples);
	return median;
}

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
		report_bus_peer(report, limits[i].peer, "%.2f", medians[i]);
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
	struct series own, peers[NR_LIMITS];
	double medians[NR_LIMITS];
	struct load load;
	size_t i;

	load_init(&load, count, false);
	series_init(&own, &own_bus, count);
	for (i = 0; i < NR_LIMITS; i++)
		series_init(&peers[i], limits[i].peer, count);
	for (int round = 0; round < ROUNDS; round++) {
		for (i = 0; i < NR_LIMITS; i++) {
			samples_add(&own.samples,
				    measure_load(&load, &own_bus, own.bus));
			samples_add(&peers[i].samples,
				    measure_load(&load, limits[i].peer,
						 peers[i].bus));
		}
	}
	for (i = 0; i < NR_LIMITS; i++)
		medians[i] = series_free(&peers[i]);
	report_ranges(report, count, series_free(&own), medians);
	load_free(&load);
}

void bench_bus_ranges(struct report *report)
{
	for (size_t i = 0; i < NR_SIZES; i++)
		compare_ranges(report, sizes[i]);
}

/* Doorbells. */

#define NR_VALUES  60000
#define VALUE_ADDR 0x1000

/* One address, and a doorbell for each of the values. */
static struct bf_io_bus *new_value_bus(void)
{
	size_t *order = shuffled(NR_VALUES);
	struct bf_io_bus *bus;

	must(bf_io_bus_create(&bus, "values"), "create a bus");
	for (size_t i = 0; i < NR_VALUES; i++) {
		const struct bf_io_doorbell_desc desc = {
			.addr = VALUE_ADDR,
			.space = BF_IO_MMIO,
			.len = sizeof(uint32_t),
			.datamatch = order[i],
			.ring = sum_ring,
			.opaque = (void *)order[i],
		};

		must(bf_io_add_doorbell(bus, &desc, NULL, NULL),
		     "add a doorbell");
	}
	free(order);
	return bus;
}

/* Random values, and what they add to called_sum. */
static uint32_t *new_values(uint64_t *sum)
{
	uint32_t *values = xgrow(NULL, 0, LOAD_ACCESSES, sizeof(*values));

	*sum = 0;
	for (size_t i = 0; i < LOAD_ACCESSES; i++) {
		values[i] = (uint32_t)random_below(NR_VALUES);
		*sum += values[i];
	}
	return values;
}

static double measure_values(struct bf_io_bus *bus, uint32_t *values,
			     uint64_t sum)
{
	struct bf_io_access access = {
		.addr = VALUE_ADDR,
		.len = sizeof(*values),
		.space = BF_IO_MMIO,
		.write = true,
	};
	uint64_t before = called_sum, start = clock_ns();
	double ns;

	for (size_t i = 0; i < LOAD_ACCESSES; i++) {
		access.data = &values[i];
		bf_io_access(bus, &access);
	}
	ns = (double)(clock_ns() - start) / LOAD_ACCESSES;
	must_be(called_sum - before, sum, "the sum of what rang");
	return ns;
}

/*
 * All cases in turn, so that each meets the same disturbance: doorbells at an
 * address each, by how many there are, and at last those at one address.
 */
static void measure_doorbells(double medians[NR_SIZES + 1])
{
	struct samples by_value = {NULL, 0, 0};
	struct bf_io_bus *value_bus = new_value_bus();
	struct series own[NR_SIZES];
	struct load loads[NR_SIZES];
	uint64_t sum;
	uint32_t *values = new_values(&sum);
	size_t i;

	for (i = 0; i < NR_SIZES; i++) {
		load_init(&loads[i], sizes[i], true);
		series_init(&own[i], &own_doorbells, sizes[i]);
	}
	for (int round = 0; round < ROUNDS; round++) {
		for (i = 0; i < NR_SIZES; i++)
			samples_add(&own[i].samples,
				    measure_load(&loads[i], &own_doorbells,
						 own[i].bus));
		samples_add(&by_value, measure_values(value_bus, values, sum));
	}
	for (i = 0; i < NR_SIZES; i++) {
		medians[i] = series_free(&own[i]);
		load_free(&loads[i]);
	}
	medians[NR_SIZES] = samples_median(&by_value);
	samples_free(&by_value);
	free(values);
	bf_io_bus_destroy(value_bus);
}

static void report_spread(struct report *report, const double *medians,
			  size_t count)
{
	double min = medians[0], max = medians[0];

	for (size_t i = 1; i < count; i++) {
		min = medians[i] < min ? medians[i] : min;
		max = medians[i] > max ? medians[i] : max;
	}
	report_row(report, "the slowest of these", "x the fastest");
	report_number(report, "value", "%.2f", max / min);
	report_goal(report, "<= 2", max <= 2 * min);
}

void bench_bus_doorbells(struct report *report)
{
	double medians[NR_SIZES + 1];
	char name[80];

	measure_doorbells(medians);
	for (size_t i = 0; i < NR_SIZES; i++) {
		snprintf(name, sizeof(name), "dispatch to one of %zu doorbells",
			 sizes[i]);
		report_row(report, name, "ns");
		report_number(report, "value", "%.2f", medians[i]);
		report_text(report, "what",
			    "at an address each, random order, callbacks");
	}
	report_row(report, "dispatch to one of 60000 datamatch doorbells",
		   "ns");
	report_number(report, "value", "%.2f", medians[NR_SIZES]);
	report_text(report, "what", "at one address, random order, callbacks");
	report_spread(report, medians, NR_SIZES + 1);
}

static int shared_eventfd;

static void *add_eventfd(void *bus, const struct bf_io_range_desc *desc)
{
	const struct bf_io_doorbell_desc bell = {
		.addr = desc->addr,
		.space = desc->space,
		.len = sizeof(uint32_t),
		.wildcard = true,
		.eventfd = shared_eventfd,
	};
	struct bf_io_doorbell *doorbell;

	must(bf_io_add_doorbell(bus, &bell, &doorbell, NULL), "add a doorbell");
	return doorbell;
}

static void compare_eventfd(struct report *report, size_t count)
{
	struct bus_peer own = own_doorbells;
	struct load load;
	struct series series;
	char name[80];
	eventfd_t rings;
	uint64_t start;

	own.add = add_eventfd;
	load_init(&load, count, true);
	series_init(&series, &own, count);
	for (int round = 0; round < 5; round++) {
		start = clock_ns();
		own.write_all(series.bus, load.addrs, LOAD_ACCESSES);
		samples_add(&series.samples,
			    (double)(clock_ns() - start) / LOAD_ACCESSES);
		must(eventfd_read(shared_eventfd, &rings) ? -errno : 0,
		     "read an eventfd");
		must_be(rings, LOAD_ACCESSES, "an eventfd's count");
	}
	snprintf(name, sizeof(name), "the same, %zu doorbells, eventfd", count);
	report_row(report, name, "ns");
	report_number(report, "value", "%.2f", series_free(&series));
	report_text(report, "what",
		    "one eventfd for all, each ring a write(2)");
	load_free(&load);
}

void bench_bus_eventfd(struct report *report)
{
	shared_eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	must(shared_eventfd < 0 ? -errno : 0, "make an eventfd");
	for (size_t i = 0; i < NR_SIZES; i++)
		compare_eventfd(report, sizes[i]);
	close(shared_eventfd);
}
