// SPDX-License-Identifier: MIT
/* Dispatch of a write to its doorbell, and the signal. */
#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tools/bench/io_bus/bench_io_bus.h"

#define ROUNDS	       31
#define EVENTFD_ROUNDS 9 /* each signal is a write(2) */
#define VALUE_ADDR     0x1000

/* The eventfd of all doorbells, or -1 for doorbells with a callback. */
static int shared_eventfd = -1;

static void *add_doorbell(void *bus, const struct bf_io_range_desc *place,
			  struct bf_io_doorbell_desc desc)
{
	struct bf_io_doorbell *doorbell;

	desc.space = BF_IO_MMIO;
	desc.len = sizeof(uint32_t);
	if (shared_eventfd < 0) {
		desc.consumer = BF_IO_CONSUMER_CALLBACK;
		desc.callback = sum_signal;
		desc.opaque = place->opaque;
	} else {
		desc.consumer = BF_IO_CONSUMER_EVENTFD;
		desc.eventfd = shared_eventfd;
	}
	must(bf_io_add_doorbell(bus, &desc, &doorbell, NULL), "add a doorbell");
	return doorbell;
}

static void *add_at_address(void *bus, const struct bf_io_range_desc *place)
{
	return add_doorbell(bus, place,
			    (struct bf_io_doorbell_desc){.addr = place->addr,
							 .wildcard = true});
}

/* With all doorbells at one address, a value stands for a place. */
static uint32_t value_of(uint64_t addr)
{
	return (uint32_t)(addr / PLACE_SIZE);
}

static void *add_value(void *bus, const struct bf_io_range_desc *place)
{
	return add_doorbell(bus, place,
			    (struct bf_io_doorbell_desc){
				    .addr = VALUE_ADDR,
				    .datamatch = value_of(place->addr)});
}

static void write_values(void *bus, const uint64_t *addrs, size_t count)
{
	uint32_t value;
	struct bf_io_access access = {
		.addr = VALUE_ADDR,
		.data = &value,
		.len = sizeof(value),
		.space = BF_IO_MMIO,
		.write = true,
	};

	for (size_t i = 0; i < count; i++) {
		value = value_of(addrs[i]);
		bf_io_dispatch(bus, &access);
	}
}

/* A bus with that many doorbells. */
struct doorbells {
	size_t count;
	bool one_address; /* told apart by their values */
	struct bus_peer peer;
	struct bus_series series;
	struct load load;
	double ns;
};

#define AT_ADDRESSES(n)      \
	{                    \
		.count = (n) \
	}
#define AT_ONE_ADDRESS(n)                         \
	{                                         \
		.count = (n), .one_address = true \
	}

static void doorbells_init(struct doorbells *doorbells)
{
	doorbells->peer = belfry_doorbells;
	doorbells->peer.add = add_at_address;
	if (doorbells->one_address) {
		doorbells->peer.add = add_value;
		doorbells->peer.write_all = write_values;
	}
	bus_series_init(&doorbells->series, &doorbells->peer, doorbells->count);
	load_init(&doorbells->load, doorbells->count, true);
	if (shared_eventfd >= 0)
		doorbells->load.sum = 0; /* no callback adds a number */
}

/* Other buses were measured since, so warm the caches first. */
static void doorbells_sample(struct doorbells *doorbells)
{
	eventfd_t signals;

	load_run(&doorbells->load, &doorbells->peer, doorbells->series.bus);
	bus_series_sample(&doorbells->series, &doorbells->load);
	if (shared_eventfd < 0)
		return;
	must(eventfd_read(shared_eventfd, &signals) ? -errno : 0,
	     "read an eventfd");
	must_be(signals, 2 * LOAD_ACCESSES, "the count of an eventfd");
}

static void doorbells_end(struct doorbells *doorbells)
{
	doorbells->ns = bus_series_free(&doorbells->series);
	load_free(&doorbells->load);
}

static void report_doorbells(struct report *report, const char *consumer,
			     const struct doorbells *doorbells)
{
	char name[80];

	snprintf(name, sizeof(name), "signal one of %zu doorbells, %s, %s",
		 doorbells->count,
		 doorbells->one_address ? "one address" : "an address each",
		 consumer);
	report_row(report, name, "ns");
	report_number(report, "value", "%.2f", doorbells->ns);
}

/* The buses take turns, so that other load affects all alike. */
static void measure(struct report *report, const char *consumer, int rounds,
		    struct doorbells *cases, size_t nr_cases)
{
	size_t i;

	for (i = 0; i < nr_cases; i++)
		doorbells_init(&cases[i]);
	for (int round = 0; round < rounds; round++) {
		for (i = 0; i < nr_cases; i++)
			doorbells_sample(&cases[i]);
	}
	for (i = 0; i < nr_cases; i++) {
		doorbells_end(&cases[i]);
		report_doorbells(report, consumer, &cases[i]);
	}
}

void bench_bus_doorbells(struct report *report)
{
	struct doorbells cases[] = {
		AT_ADDRESSES(16),    AT_ADDRESSES(100),	    AT_ADDRESSES(1000),
		AT_ADDRESSES(10000), AT_ONE_ADDRESS(60000),
	};

	measure(report, "callback", ROUNDS, cases,
		sizeof(cases) / sizeof(cases[0]));
}

static void report_spread(struct report *report, const struct doorbells *cases,
			  size_t nr_cases)
{
	double least = cases[0].ns, most = cases[0].ns;

	for (size_t i = 1; i < nr_cases; i++) {
		least = cases[i].ns < least ? cases[i].ns : least;
		most = cases[i].ns > most ? cases[i].ns : most;
	}
	report_row(report, "the slowest of these, eventfd", "x the fastest");
	report_number(report, "value", "%.2f", most / least);
	report_goal(report, "<= 2", most <= 2 * least);
}

/* All doorbells share one eventfd: a signal costs the kernel the same. */
void bench_bus_eventfd(struct report *report)
{
	struct doorbells cases[] = {
		AT_ONE_ADDRESS(16),    AT_ONE_ADDRESS(100),
		AT_ONE_ADDRESS(1000),  AT_ONE_ADDRESS(10000),
		AT_ONE_ADDRESS(60000),
	};
	const size_t nr_cases = sizeof(cases) / sizeof(cases[0]);

	shared_eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	must(shared_eventfd < 0 ? -errno : 0, "create an eventfd");
	measure(report, "eventfd", EVENTFD_ROUNDS, cases, nr_cases);
	report_spread(report, cases, nr_cases);
	close(shared_eventfd);
	shared_eventfd = -1;
}
