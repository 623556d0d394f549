/* SPDX-License-Identifier: MIT */
/**
 * belfry/io_stats.h - counters and the map of a bus
 *
 * Counting is off at first.  It then costs an access the test of one word that
 * the access reads anyway.  While it is on, an access reads the clock twice.
 * Each CPU has its own counters, so that counting shares no cache line between
 * vCPUs.
 *
 * If <sys/sdt.h> was present at build time, the provider "belfry" has these
 * probes (for bpftrace, perf, systemtap):
 *   io_dispatch(bus, kind, space, addr, len, write)
 *						an access is offered to an entry
 *   io_miss(bus, space, addr, len, write)	no entry took an access
 *   io_register(bus, kind, space, addr, size)	an entry is added or moved here
 *   io_remove(bus, kind, space, addr, size)	an entry is removed or moved away
 *   io_removed(bus, kind, object)		a removal is complete
 * bus is the name (a string), and kind an enum bf_io_kind.  To count the
 * accesses that no entry takes:
 *
 *	bpftrace -e 'usdt:/path/to/libbelfry.so:belfry:io_miss
 *		{ @[str(arg0), arg1, arg2] = count(); }'
 *
 * Thread safety: all that belfry/io_bus.h says of functions holds here.
 */
#ifndef BELFRY_IO_STATS_H
#define BELFRY_IO_STATS_H

#include <stdio.h>

#include <belfry/io_bus.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** The use of a range or a doorbell while counting was on. */
struct bf_io_stats {
	uint64_t reads;
	uint64_t writes;
	uint64_t ns;	  /* in handlers and consumers, sum of all threads */
	uint64_t last_ns; /* when the last use began, CLOCK_MONOTONIC; 0: never */
};

/**
 * bf_io_count - turn counting on or off
 * @bus: the bus
 * @on: true: accesses that begin from now on are counted
 *
 * Return: 0 or -ENOMEM.  Turning counting off keeps the counts.
 */
int bf_io_count(struct bf_io_bus *bus, bool on);

/**
 * bf_io_range_stats - read the counters of a range, summed over all CPUs
 * bf_io_doorbell_stats - read the counters of a doorbell
 * @range, @doorbell: a handle
 * @stats: set to the sums
 *
 * Each sum is exact, but they are not taken at one instant.
 */
void bf_io_range_stats(const struct bf_io_range *range,
		       struct bf_io_stats *stats);
void bf_io_doorbell_stats(const struct bf_io_doorbell *doorbell,
			  struct bf_io_stats *stats);

/**
 * bf_io_publications - the number of states that a bus has published
 * @bus: the bus
 *
 * Return: one for each change and for each transaction.
 */
uint64_t bf_io_publications(const struct bf_io_bus *bus);

/**
 * bf_io_dump - print the map of a bus
 * @bus: the bus
 * @out: the stream to print to
 *
 * Prints one state of the bus: per space, in the order of addresses, doorbells,
 * zones and ranges.  An entry inside another one is indented below it.  A range
 * that lies below ranges of higher priorities has the addresses at which it
 * answers.
 * Counters are printed unless they are 0.
 *
 * Return: 0; -ENOMEM: part of the map may have been printed; -EIO: @out has an
 * error.  Blocks as @out does; meanwhile removals wait for it as for a handler
 * that sleeps.
 */
int bf_io_dump(struct bf_io_bus *bus, FILE *out);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* BELFRY_IO_STATS_H */
