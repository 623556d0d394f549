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

/* Doorbells that signal signal it; -1: those of this measurement call. */
static int shared_eventfd = -1;

static void *add_bell(void *bus, const struct bf_io_range_desc *desc,
		      struct bf_io_doorbell_desc bell)
{
	struct bf_io_doorbell *doorbell;

	bell.space = BF_IO_MMIO;
	bell.len = sizeof(uint32_t);
	if (shared_eventfd < 0) {
		bell.ring = sum_ring;
		bell.opaque = desc->opaque;
	} else {
		bell.eventfd = shared_eventfd;
	}
	must(bf_io_add_doorbell(bus, &bell, &doorbell, NULL), "add a doorbell");
	return doorbell;
}

static void *add_at_address(void *bus, const struct bf_io_range_desc *desc)
{
	return add_bell(bus, desc,
			(struct bf_io_doorbell_desc){.addr = desc->addr,
						     .wildcard = true});
}

/* What stands for a place where all doorbells are at one address. */
static uint32_t value_of(uint64_t addr)
{
	return (uint32_t)(addr / PLACE_SIZE);
}

static void *add_value(void *bus, const struct bf_io_range_desc *desc)
{
	return add_bell(bus, desc,
			(struct bf_io_doorbell_desc){
				.addr = VALUE_ADDR,
				.datamatch = value_of(desc->addr)});
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
	/* Nothing is called where an eventfd is signalled. */
	if (shared_eventfd >= 0)
		bells->all_load.sum = bells->few_load.sum = 0;
}

/*
 * The first time is not measured: it finds again what the same thread forgot
 * while it rang on the other buses, as no vCPU does.
 */
static void sample(struct bus_series *series, const struct load *load)
{
	eventfd_t rings;

	load_run(load, series->peer, series->bus);
	bus_series_sample(series, load);
	if (shared_eventfd < 0)
		return;
	must(eventfd_read(shared_eventfd, &rings) ? -errno : 0,
	     "read an eventfd");
	must_be(rings, 2 * LOAD_ACCESSES, "an eventfd's count");
}

static void bells_sample(struct bells *bells)
{
	sample(&bells->all, &bells->all_load);
	sample(&bells->few, &bells->few_load);
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

static struct bus_peer own_by_address(void)
{
	struct bus_peer peer = own_doorbells;

	peer.add = add_at_address;
	return peer;
}

static struct bus_peer own_by_value(void)
{
	struct bus_peer peer = own_doorbells;

	peer.add = add_value;
	peer.write_all = write_values;
	return peer;
}

/* In turn, so that each meets the same disturbance. */
static void measure_cases(struct bells cases[NR_CASES], int rounds)
{
	const struct bus_peer by_address = own_by_address();
	const struct bus_peer by_value = own_by_value();
	size_t i;

	for (i = 0; i < NR_BUS_SIZES; i++)
		bells_init(&cases[i], &by_address, bus_sizes[i]);
	bells_init(&cases[i], &by_value, NR_VALUES);
	for (int round = 0; round < rounds; round++) {
		for (i = 0; i < NR_CASES; i++)
			bells_sample(&cases[i]);
	}
	for (i = 0; i < NR_CASES; i++)
		bells_end(&cases[i]);
}

static void report_case(struct report *report, const char *consumer,
			const struct bells *bells, const char *where)
{
	char name[80];

	snprintf(name, sizeof(name), "ring one of %zu doorbells, %s, %s",
		 bells->count, where, consumer);
	report_row(report, name, "ns");
	report_number(report, "value", "%.2f", bells->all_ns);
	report_number(report, "few", "%.2f", bells->few_ns);
}

static void report_spread(struct report *report, const char *consumer,
			  const char *which, const double spread[2])
{
	char name[80];

	snprintf(name, sizeof(name), "the slowest of these, %s%s", consumer,
		 which);
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

static void report_spreads(struct report *report, const char *consumer,
			   const struct bells *cases)
{
	double all[2] = {cases->all_ns, cases->all_ns};
	double few[2] = {cases->few_ns, cases->few_ns};

	for (size_t i = 1; i < NR_CASES; i++) {
		widen(all, cases[i].all_ns);
		widen(few, cases[i].few_ns);
	}
	report_spread(report, consumer, "", all);
	report_spread(report, consumer, ", where 16 ring", few);
}

static void report_cases(struct report *report, const char *consumer,
			 const struct bells *cases)
{
	size_t i;

	for (i = 0; i < NR_BUS_SIZES; i++)
		report_case(report, consumer, &cases[i], "an address each");
	report_case(report, consumer, &cases[i], "one address");
	report_spreads(report, consumer, cases);
}

static void measure_first(struct report *report)
{
	const struct bus_peer by_address = own_by_address();
	const struct bus_peer by_value = own_by_value();

	bus_first(report, &by_address, 1000,
		  "the first ring of each of 1000 doorbells, an address each");
	bus_first(report, &by_address, 10000,
		  "the first ring of each of 10000 doorbells, an address each");
	bus_first(report, &by_value, NR_VALUES,
		  "the first ring of each of 60000 doorbells, one address");
}

void bench_bus_doorbells(struct report *report)
{
	struct bells cases[NR_CASES];

	measure_cases(cases, ROUNDS);
	report_cases(report, "callback", cases);
	measure_first(report);
}

/* One for all, so that each costs the kernel the same. */
void bench_bus_eventfd(struct report *report)
{
	struct bells cases[NR_CASES];

	shared_eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	must(shared_eventfd < 0 ? -errno : 0, "make an eventfd");
	/* Fewer: a ring is a write(2). */
	measure_cases(cases, 9);
	report_cases(report, "eventfd", cases);
	close(shared_eventfd);
	shared_eventfd = -1;
}
