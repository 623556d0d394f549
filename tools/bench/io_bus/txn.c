// SPDX-License-Identifier: MIT
/* Transactions of many changes. */
#include <stdio.h>
#include <stdlib.h>

#include "belfry/io_stats.h"
#include "belfry/io_txn.h"
#include "tools/bench/io_bus/bench_io_bus.h"

#define PRESENT 100000
#define CHANGES 10000
#define ROUNDS	9

/* Operations of a transaction on one kind of entry. */
struct kind {
	const char *things;
	const struct bus_peer *bus;
	void (*add)(struct bf_io_txn *txn, size_t place, void **handle);
	void (*remove)(struct bf_io_txn *txn, void *handle);
};

static void add_range(struct bf_io_txn *txn, size_t place, void **handle)
{
	const struct bf_io_range_desc desc = place_desc(place);
	struct bf_io_range *range;

	must(bf_io_txn_add_range(txn, &desc, &range), "add to a transaction");
	*handle = range;
}

static void remove_range(struct bf_io_txn *txn, void *handle)
{
	must(bf_io_txn_remove_range(txn, handle, NULL, NULL),
	     "remove in a transaction");
}

static void add_doorbell(struct bf_io_txn *txn, size_t place, void **handle)
{
	const struct bf_io_doorbell_desc desc = {
		.addr = place_addr(place),
		.space = BF_IO_MMIO,
		.len = sizeof(uint32_t),
		.wildcard = true,
		.consumer = BF_IO_CONSUMER_CALLBACK,
		.callback = sum_signal,
	};
	struct bf_io_doorbell *doorbell;

	must(bf_io_txn_add_doorbell(txn, &desc, &doorbell),
	     "add to a transaction");
	*handle = doorbell;
}

static void remove_doorbell(struct bf_io_txn *txn, void *handle)
{
	must(bf_io_txn_remove_doorbell(txn, handle, NULL, NULL),
	     "remove in a transaction");
}

/* Return the ms from begin to commit. */
static double add_all(const struct kind *kind, struct bf_io_bus *bus,
		      const size_t *order, void **handles)
{
	uint64_t start = clock_ns();
	struct bf_io_txn *txn;

	must(bf_io_txn_begin(bus, &txn), "begin a transaction");
	for (size_t i = 0; i < CHANGES; i++)
		kind->add(txn, 2 * order[i] + 1, &handles[i]);
	must(bf_io_txn_commit(txn, NULL), "commit a transaction");
	return (double)(clock_ns() - start) / 1e6;
}

static double remove_all(const struct kind *kind, struct bf_io_bus *bus,
			 void **handles)
{
	uint64_t start = clock_ns();
	struct bf_io_txn *txn;

	must(bf_io_txn_begin(bus, &txn), "begin a transaction");
	for (size_t i = 0; i < CHANGES; i++)
		kind->remove(txn, handles[i]);
	must(bf_io_txn_commit(txn, NULL), "commit a transaction");
	return (double)(clock_ns() - start) / 1e6;
}

struct result {
	struct samples add, remove;
	uint64_t publications; /* maximum of one transaction */
};

static void measure_round(const struct kind *kind, struct bf_io_bus *bus,
			  const size_t *order, struct result *result)
{
	static void *handles[CHANGES];
	uint64_t publications = bf_io_publications(bus);

	samples_add(&result->add, add_all(kind, bus, order, handles));
	publications = bf_io_publications(bus) - publications;
	if (publications > result->publications)
		result->publications = publications;
	belfry_bus_drain(bus);
	samples_add(&result->remove, remove_all(kind, bus, handles));
	belfry_bus_drain(bus);
}

static void report_result(struct report *report, const struct kind *kind,
			  struct result *result)
{
	const double add = samples_median(&result->add);
	char name[80];

	snprintf(name, sizeof(name), "a transaction that adds 10000 %s",
		 kind->things);
	report_row(report, name, "ms");
	report_number(report, "value", "%.2f", add);
	report_number(report, "max", "%.2f", samples_max(&result->add));
	report_goal(report, "<= 5", add <= 5);
	report_text(report, "what", "begin to commit, 100000 present");
	report_row(report, "the same, publications", "count");
	report_count(report, "value", result->publications);
	report_goal(report, "1", result->publications == 1);
	snprintf(name, sizeof(name), "a transaction that removes 10000 %s",
		 kind->things);
	report_row(report, name, "ms");
	report_number(report, "value", "%.2f", samples_median(&result->remove));
	report_number(report, "max", "%.2f", samples_max(&result->remove));
}

static void measure_kind(struct report *report, const struct kind *kind)
{
	struct result result = {.publications = 0};
	size_t *order = shuffled(PRESENT);
	void *bus = filled_bus(kind->bus, PRESENT);

	for (int round = 0; round < ROUNDS; round++)
		measure_round(kind, bus, order + round * CHANGES, &result);
	report_result(report, kind, &result);
	kind->bus->destroy(bus);
	free(order);
	samples_free(&result.add);
	samples_free(&result.remove);
}

void bench_bus_transactions(struct report *report)
{
	static const struct kind kinds[] = {
		{"ranges", &belfry_bus, add_range, remove_range},
		{"doorbells", &belfry_doorbells, add_doorbell, remove_doorbell},
	};

	measure_kind(report, &kinds[0]);
	measure_kind(report, &kinds[1]);
}
