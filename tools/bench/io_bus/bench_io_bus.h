/* SPDX-License-Identifier: MIT */
/* Parts of `belfry bench io_bus`. */
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

/* The library's bus with the interface of its peers. */
extern const struct bus_peer belfry_bus;       /* a removal waits */
extern const struct bus_peer belfry_bus_async; /* a removal does not wait */
/* Doorbells of 4 bytes with a callback, at the base of each range. */
extern const struct bus_peer belfry_doorbells;
extern const struct bus_peer belfry_doorbells_async;

/* Wait until all removed entries of the bus have been freed. */
void belfry_bus_drain(struct bf_io_bus *bus);

/*
 * Places are addresses on a bus that do not overlap.  filled_bus() uses the
 * even places, and the odd ones are free.
 */
#define PLACE_SIZE 0x1000
uint64_t place_addr(size_t place);

/*
 * Each handler and doorbell callback here adds its opaque, as a number, and the
 * offset of the access to called_sum of the calling thread.
 */
extern __thread uint64_t called_sum;
extern const struct bf_io_ops sum_ops;
void sum_signal(void *opaque, uint64_t value,
		const struct bf_io_access *access);

/* Describe a range of PLACE_SIZE with sum_ops and the number of its place. */
struct bf_io_range_desc place_desc(size_t place);

/* Create a bus and fill the first count even places in random order. */
void *filled_bus(const struct bus_peer *peer, size_t count);

/* Return an array of the numbers below count in random order; free() it. */
size_t *shuffled(size_t count);

/* Random accesses: too many for a branch predictor to learn their order. */
#define LOAD_ACCESSES (1 << 17)
struct load {
	uint64_t *addrs;
	uint64_t sum; /* all accesses together add this to called_sum */
};

/*
 * Draw accesses to the first count even places: to their bases if exact is
 * true, or else anywhere in their ranges.
 */
void load_init(struct load *load, size_t count, bool exact);
void load_free(struct load *load);

/* Make all accesses.  Ends the process if their sum is wrong. */
void load_run(const struct load *load, const struct bus_peer *peer, void *bus);

/* The numbers of entries in rows that compare by number. */
#define NR_BUS_SIZES 4
extern const size_t bus_sizes[NR_BUS_SIZES];

/* A filled bus, and samples of an access to it in ns of CPU. */
struct bus_series {
	const struct bus_peer *peer;
	void *bus;
	struct samples samples;
};

void bus_series_init(struct bus_series *series, const struct bus_peer *peer,
		     size_t count);
void bus_series_sample(struct bus_series *series, const struct load *load);
/* Destroy the bus and return the median. */
double bus_series_free(struct bus_series *series);

/* End the process with one line if ret is not 0, or if value is wrong. */
void must(int ret, const char *what);
void must_be(uint64_t value, uint64_t wanted, const char *what);

/* Peers for one figure; NULL at the end. */
struct bus_choice {
	const struct bus_peer *peers[MAX_BUS_PEERS + 1];
};
/* Choose the peers that a thread may change; the linear ones on request. */
struct bus_choice changeable_peers(bool linear_too);

/* CPU time of the calling thread, which excludes that of other processes. */
uint64_t cpu_ns(void);

/* The number of preemptions of the calling thread. */
uint64_t preemptions(void);

/* Each of these measures and adds rows. */
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
