// SPDX-License-Identifier: MIT
/* Memory of an entry, and a bus with a million doorbells. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/bench/io_bus/bench_io_bus.h"

#define PRESENT 100000
#define MILLION 1000000
#define SAMPLE	10000

/* Return the number of allocated bytes. */
static double allocated(void)
{
	const struct mallinfo2 info = mallinfo2();

	return (double)(info.uordblks + info.hblkhd);
}

struct filled {
	struct bf_io_bus *bus;
	double bytes; /* each */
	double us;    /* each */
};

static struct filled fill(const struct bus_peer *peer, size_t count)
{
	struct filled filled;
	double before = allocated();
	uint64_t start = clock_ns();

	filled.bus = filled_bus(peer, count);
	filled.us = (double)(clock_ns() - start) / 1000 / (double)count;
	if (peer->write_all == belfry_bus.write_all)
		belfry_bus_drain(filled.bus);
	filled.bytes = (allocated() - before) / (double)count;
	return filled;
}

static double bytes_each(const struct bus_peer *peer)
{
	struct filled filled = fill(peer, PRESENT);

	peer->destroy(filled.bus);
	return filled.bytes;
}

void bench_bus_memory(struct report *report)
{
	const struct bus_choice choice = changeable_peers(false);

	report_row(report, "memory of a range, 100000 present", "bytes");
	report_number(report, "value", "%.0f", bytes_each(&belfry_bus));
	for (size_t i = 0; choice.peers[i]; i++)
		report_peer(report, choice.peers[i]->name, "%.0f",
			    bytes_each(choice.peers[i]));
	report_text(report, "what", "all allocations, by mallinfo2()");
	report_row(report, "memory of a doorbell, 100000 present", "bytes");
	report_number(report, "value", "%.0f", bytes_each(&belfry_doorbells));
	report_text(report, "what",
		    "the same; each at its own address, with a callback");
}

/* Write to one.  Returns whether exactly its own callback ran, once. */
static bool signals_once(struct bf_io_bus *bus, size_t place)
{
	const struct bf_io_range_desc desc = place_desc(place);
	uint64_t before = called_sum;

	belfry_doorbells.write_all(bus, &desc.addr, 1);
	return called_sum - before == (uintptr_t)desc.opaque;
}

void bench_bus_million(struct report *report)
{
	struct filled filled = fill(&belfry_doorbells, MILLION);
	uint64_t start, right = 0;
	char what[120];

	for (size_t i = 0; i < SAMPLE; i++)
		right += signals_once(filled.bus, 2 * random_below(MILLION));
	start = clock_ns();
	belfry_doorbells.destroy(filled.bus);
	report_row(report, "signals of 10000 among 1000000 doorbells",
		   "signals");
	report_count(report, "value", right);
	report_goal(report, "10000 reach their callback", right == SAMPLE);
	snprintf(what, sizeof(what),
		 "registered in %.2f us, destroyed in %.2f us, %.0f bytes each",
		 filled.us, (double)(clock_ns() - start) / 1000 / MILLION,
		 filled.bytes);
	report_text(report, "what", what);
}
