/* SPDX-License-Identifier: MIT */
/**
 * belfry/io_stats.h - what a bus did: counters, and the map of it.
 *
 * Counting is off at first and then costs nothing but a test of a word that is
 * read anyway.  Counters are per thread, so that counting couples no vCPUs.
 *
 * Where <sys/sdt.h> was there at build time, the provider "belfry" has the
 * probes (for bpftrace, perf, systemtap)
 *   io_dispatch(bus, kind, space, addr, len, write)
 *						an access is offered to an entry
 *   io_miss(bus, space, addr, len, write)      nobody took it
 *   io_register(bus, kind, space, addr, size)  an addition, a move's too
 *   io_remove(bus, kind, space, addr, size)    a removal, a move's too
 *   io_removed(bus, kind, object)              a removal is complete
 * with bus the name (a string) and kind an enum bf_io_kind.
 *
 * Stability: 0.x; functions may still change, each change is in CHANGELOG.md.
 * Thread safety: every function may be called from any thread at any time.
 * Contexts: nothing here is async-signal-safe.
 */
#ifndef BELFRY_IO_STATS_H
#define BELFRY_IO_STATS_H

#include <stdio.h>

#include <belfry/io_bus.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** What a range or a doorbell was used for while counting was on. */
struct bf_io_stats {
	uint64_t reads;
	uint64_t writes;
	uint64_t ns;	  /* in handlers and consumers, all threads together */
	uint64_t last_ns; /* when the last one began, CLOCK_MONOTONIC; 0: never */
};

/**
 * bf_io_count - turn counting on or off
 * @bus: the bus
 * @on: accesses that begin from now on are counted, or are not
 *
 * Returns 0 or -ENOMEM.  Does not wait.  Counts are kept when it is off.
 */
int bf_io_count(struct bf_io_bus *bus, bool on);

/**
 * bf_io_range_stats - a range's counters, summed over all threads
 * bf_io_doorbell_stats - a doorbell's
 * @range, @doorbell: a handle
 * @stats: filled in
 *
 * Each counter is right, but not all are of one instant.  Never blocks.
 */
void bf_io_range_stats(const struct bf_io_range *range,
		       struct bf_io_stats *stats);
void bf_io_doorbell_stats(const struct bf_io_doorbell *doorbell,
			  struct bf_io_stats *stats);

/**
 * bf_io_publications - how many states of the bus there have been
 * @bus: the bus
 *
 * One for each change, or each transaction.  Never blocks.
 */
uint64_t bf_io_publications(const struct bf_io_bus *bus);

/**
 * bf_io_dump - print the map of a bus
 * @bus: the bus
 * @out: where to
 *
 * Per space, in the order of addresses: doorbells, zones and ranges, those
 * that lie inside another indented below it, with counters where there are
 * any.  One state of the bus.  Returns 0, -ENOMEM, or -EIO where @out has an
 * error.  May block as @out does; may be called from a handler.
 */
int bf_io_dump(struct bf_io_bus *bus, FILE *out);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* BELFRY_IO_STATS_H */
