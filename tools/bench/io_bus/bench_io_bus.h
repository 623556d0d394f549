/* SPDX-License-Identifier: MIT */
/* What the parts of `belfry bench io_bus` share. */
#ifndef BF_CLI_BENCH_IO_BUS_H
#define BF_CLI_BENCH_IO_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "belfry/io_bus.h"
#include "tools/bench/common/bench.h"
#include "tools/bench/peers/bus_peer.h"
#include "tools/belfry/common/report.h"
#include "tools/belfry/common/samples.h"

#define MAX_BUS_PEERS 4

/* The library as its peers are seen. */
extern const struct bus_peer own_bus;	    /* a removal waits */
extern const struct bus_peer own_bus_async; /* it does not */
/* Doorbells of 4 bytes with a callback at a range's base. */
extern const struct bus_peer own_doorbells;
extern const struct bus_peer own_doorbells_async;

/* Returns when what was removed from the bus has been freed. */
void own_settle(struct bf_io_bus *bus);

/*
 * Places on a bus, apart from each other: an even one is taken where a bus is
 * filled, an odd one is free.
 */
#define PLACE_SIZE 0x1000
uint64_t place_addr(size_t place);

/*
 * Handlers and consumers here add the number that is their opaque, and the
 * access's offset, to the calling thread's sum.
 */
extern __thread uint64_t called_sum;
extern const struct bf_io_ops sum_ops;
void sum_ring(void *opaque, uint64_t addr, uint32_t len, uint64_t value);

/* A range of PLACE_SIZE at a place, with sum_ops and its place as number. */
struct bf_io_range_desc place_desc(size_t place);

/* Puts ranges or doorbells at the first count even places, in random order. */
void *filled_bus(const struct bus_peer *peer, size_t count);

/* A random order of 0 to count - 1; to be freed. */
size_t *shuffled(size_t count);

/* Accesses in random order, more than a branch predictor learns. */
#define LOAD_ACCESSES (1 << 17)
struct load {
	uint64_t *addrs;
	uint64_t sum; /* what all of them add to called_sum */
};

/* To the ranges, or exactly to the bases, of the first count even places. */
void load_init(struct load *load, size_t count, bool exact);
/* To the bases of a few of them, drawn at random. */
void load_init_few(struct load *load, size_t count, size_t few);
void load_free(struct load *load);

/* Makes all accesses; ends the process if a wrong handler was called. */
void load_run(const struct load *load, const struct bus_peer *peer, void *bus);

/* How many there are in the rows that compare this. */
#define NR_BUS_SIZES 4
extern const size_t bus_sizes[NR_BUS_SIZES];

/* A bus of that many, and what an access to it takes: ns of CPU. */
struct bus_series {
	const struct bus_peer *peer;
	void *bus;
	struct samples samples;
};

void bus_series_init(struct bus_series *series, const struct bus_peer *peer,
		     size_t count);
void bus_series_sample(struct bus_series *series, const struct load *load);
/* Returns the median. */
double bus_series_free(struct bus_series *series);

/* A row: one access each to that many, right after a change. */
void bus_first(struct report *report, const struct bus_peer *peer, size_t count,
	       const char *what);

/* Ends the process with one line where a call of the library failed. */
void must(int ret, const char *what);
/* The same where a count or a sum is wrong. */
void must_be(uint64_t is, uint64_t wanted, const char *what);

/* The peers that a figure can be had of; NULL at the end. */
struct bus_choice {
	const struct bus_peer *peers[MAX_BUS_PEERS + 1];
};
/* With neither those that are linear, nor those that are unguarded. */
struct bus_choice changeable_peers(bool linear_too);

/* CPU time of the calling thread: what other processes take is not in it. */
uint64_t cpu_ns(void);

/* How often the calling thread was preempted. */
uint64_t preemptions(void);

/* The rows. */
void bench_bus_ranges(struct report *report);
void bench_bus_doorbells(struct report *report);
void bench_bus_eventfd(struct report *report);
void bench_bus_two_threads(struct report *report);
void bench_bus_beside_changes(struct report *report);
void bench_bus_changes(struct report *report);
void bench_bus_transactions(struct report *report);
void bench_bus_beside_sleeper(struct report *report);
void bench_bus_memory(struct report *report);
void bench_bus_million(struct report *report);

#endif
