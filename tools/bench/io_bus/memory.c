// SPDX-License-Identifier: MIT
/* What a range and a doorbell take, and a bus of a million. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench_io_bus.h"

#define PRESENT 100000
#define MILLION 1000000
#define SAMPLE	10000

/* Bytes that are allocated and not free. */
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
	if (peer->write_all == own_bus.write_all)
		own_settle(filled.bus);
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
	report_number(report, "value", "%.0f", bytes_each(&own_bus));
	for (size_t i = 0; choice.peers[i]; i++)
		report_peer(report, choice.peers[i]->name, "%.0f",
			    bytes_each(choice.peers[i]));
	report_text(report, "what", "as mallinfo2() tells, all of it");
	report_row(report, "memory of a doorbell, 100000 present", "bytes");
	report_number(report, "value", "%.0f", bytes_each(&own_doorbells));
	report_text(report, "what", "the same, at an address each, callbacks");
}

/* Rings one: does its consumer get it, once, and nobody else? */
static bool rings(struct bf_io_bus *bus, size_t place)
{
	const struct bf_io_range_desc desc = place_desc(place);
	uint64_t before = called_sum;

	own_doorbells.write_all(bus, &desc.addr, 1);
	return called_sum - before == (uintptr_t)desc.opaque;
}

void bench_bus_million(struct report *report)
{
	struct filled filled = fill(&own_doorbells, MILLION);
	uint64_t start, right = 0;
	char what[120];

	for (size_t i = 0; i < SAMPLE; i++)
		right += rings(filled.bus, 2 * random_below(MILLION));
	start = clock_ns();
	own_doorbells.destroy(filled.bus);
	report_row(report, "1000000 doorbells, 10000 of them rung", "rings");
	report_count(report, "value", right);
	report_goal(report, "10000 reach their consumer", right == SAMPLE);
	snprintf(what, sizeof(what),
		 "registered in %.2f us, destroyed in %.2f us, %.0f bytes each",
		 filled.us, (double)(clock_ns() - start) / 1000 / MILLION,
		 filled.bytes);
	report_text(report, "what", what);
}
