// SPDX-License-Identifier: MIT
/* What it costs to find the doorbell of a write, and to ring it. */
#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench_io_bus.h"

#define ROUNDS	   31
#define NR_VALUES  60000
#define VALUE_ADDR 0x1000
/* Few of them are in the cache whatever there is besides. */
#define FEW 16

/* What stands for a place where all doorbells are at one address. */
static uint32_t value_of(uint64_t addr)
{
	return (uint32_t)(addr / PLACE_SIZE);
}

static void *add_value(void *bus, const struct bf_io_range_desc *desc)
{
	const struct bf_io_doorbell_desc bell = {
		.addr = VALUE_ADDR,
		.space = BF_IO_MMIO,
		.len = sizeof(uint32_t),
		.datamatch = value_of(desc->addr),
		.ring = sum_ring,
		.opaque = desc->opaque,
	};
	struct bf_io_doorbell *doorbell;

	must(bf_io_add_doorbell(bus, &bell, &doorbell, NULL), "add a doorbell");
	return doorbell;
}

static void write_values(void *bus, const uint64_t *addrs, size_t count)
{
	uint32_t value;
	const struct bf_io_access access = {
		.addr = VALUE_ADDR,
		.data = &value,
		.len = sizeof(value),
		.space = BF_IO_MMIO,
		.write = true,
	};

	for (size_t i = 0; i < count; i++) {
		value = value_of(addrs[i]);
		bf_io_access(bus, &access);
	}
}

/* A bus of doorbells, rung all of them and a few. */
struct bells {
	size_t count;
	struct bus_series all, few;
	struct load all_load, few_load;
	double all_ns, few_ns;
};

/* Both share the bus, which the second then must not destroy. */
static void bells_init(struct bells *bells, const struct bus_peer *own,
		       size_t count)
{
	bells->count = count;
	bus_series_init(&bells->all, own, count);
	bells->few = bells->all;
	load_init(&bells->all_load, count, true);
	load_init_few(&bells->few_load, count, FEW);
}

static void bells_sample(struct bells *bells)
{
	bus_series_sample(&bells->all, &bells->all_load);
	bus_series_sample(&bells->few, &bells->few_load);
}

static void bells_end(struct bells *bells)
{
	bells->few_ns = samples_median(&bells->few.samples);
	bells->all_ns = bus_series_free(&bells->all);
	samples_free(&bells->few.samples);
	load_free(&bells->all_load);
	load_free(&bells->few_load);
}

/* At an address each, by how many there are, and at last at one address. */
#define NR_CASES (NR_BUS_SIZES + 1)

/* In turn, so that each meets the same disturbance. */
static void measure_cases(struct bells cases[NR_CASES])
{
	struct bus_peer own_values = own_doorbells;
	size_t i;

	own_values.add = add_value;
	own_values.write_all = write_values;
	for (i = 0; i < NR_BUS_SIZES; i++)
		bells_init(&cases[i], &own_doorbells, bus_sizes[i]);
	bells_init(&cases[i], &own_values, NR_VALUES);
	for (int round = 0; round < ROUNDS; round++) {
		for (i = 0; i < NR_CASES; i++)
			bells_sample(&cases[i]);
	}
	for (i = 0; i < NR_CASES; i++)
		bells_end(&cases[i]);
}

static void report_case(struct report *report, const struct bells *bells,
			const char *what)
{
	char name[80];

	snprintf(name, sizeof(name), "dispatch to one of %zu doorbells, %s",
		 bells->count, what);
	report_row(report, name, "ns");
	report_number(report, "value", "%.2f", bells->all_ns);
	report_number(report, "few", "%.2f", bells->few_ns);
}

static void report_spread(struct report *report, const char *name,
			  const double spread[2])
{
	report_row(report, name, "x the fastest");
	report_number(report, "value", "%.2f", spread[1] / spread[0]);
	report_goal(report, "<= 2", spread[1] <= 2 * spread[0]);
}

static void widen(double spread[2], double value)
{
	if (value < spread[0])
		spread[0] = value;
	if (value > spread[1])
		spread[1] = value;
}

static void report_spreads(struct report *report, const struct bells *cases)
{
	double all[2] = {cases->all_ns, cases->all_ns};
	double few[2] = {cases->few_ns, cases->few_ns};

	for (size_t i = 1; i < NR_CASES; i++) {
		widen(all, cases[i].all_ns);
		widen(few, cases[i].few_ns);
	}
	report_spread(report, "the slowest of these", all);
	report_spread(report, "the slowest of these, where 16 of them ring",
		      few);
}

void bench_bus_doorbells(struct report *report)
{
	struct bells cases[NR_CASES];
	size_t i;

	measure_cases(cases);
	for (i = 0; i < NR_BUS_SIZES; i++)
		report_case(report, &cases[i], "an address each");
	report_case(report, &cases[i], "one address");
	report_spreads(report, cases);
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
	struct bus_series series;
	char name[80];
	eventfd_t rings;
	uint64_t start;

	own.add = add_eventfd;
	load_init(&load, count, true);
	bus_series_init(&series, &own, count);
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
	report_number(report, "value", "%.2f", bus_series_free(&series));
	report_text(report, "what",
		    "one eventfd for all, each ring a write(2)");
	load_free(&load);
}

void bench_bus_eventfd(struct report *report)
{
	shared_eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	must(shared_eventfd < 0 ? -errno : 0, "make an eventfd");
	for (size_t i = 0; i < NR_BUS_SIZES; i++)
		compare_eventfd(report, bus_sizes[i]);
	close(shared_eventfd);
}
