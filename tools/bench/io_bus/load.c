// SPDX-License-Identifier: MIT
/* Entries of buses, and random accesses to them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "tools/bench/io_bus/bench_io_bus.h"
#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/xalloc.h"

#define COMMAND "bench io_bus"

void must(int ret, const char *what)
{
	if (!ret)
		return;
	exit(cli_fail(COMMAND, "%s: %s", what, strerror(-ret)));
}

void must_be(uint64_t value, uint64_t wanted, const char *what)
{
	if (value == wanted)
		return;
	exit(cli_fail(COMMAND, "%s is %llu, not %llu", what,
		      (unsigned long long)value, (unsigned long long)wanted));
}

uint64_t place_addr(size_t place)
{
	return (uint64_t)place * PLACE_SIZE;
}

__thread uint64_t called_sum;

static int sum_write(void *opaque, uint64_t offset,
		     const struct bf_io_access *access)
{
	called_sum += (uintptr_t)opaque + offset;
	return 0;
}

static int sum_read(void *opaque, uint64_t offset,
		    const struct bf_io_access *access)
{
	memset(access->data, 0, access->len);
	called_sum += (uintptr_t)opaque + offset;
	return 0;
}

const struct bf_io_ops sum_ops = {.read = sum_read, .write = sum_write};

void sum_signal(void *opaque, uint64_t value, const struct bf_io_access *access)
{
	called_sum += (uintptr_t)opaque;
}

/* Spread the numbers of places, so that a wrong place changes the sum. */
static uintptr_t number_of(size_t place)
{
	return place * 0x9e3779b97f4a7c15U;
}

struct bf_io_range_desc place_desc(size_t place)
{
	return (struct bf_io_range_desc){
		.addr = place_addr(place),
		.size = PLACE_SIZE,
		.space = BF_IO_MMIO,
		.ops = &sum_ops,
		.opaque = (void *)number_of(place),
	};
}

size_t *shuffled(size_t count)
{
	size_t *order = xgrow(NULL, 0, count, sizeof(*order));
	size_t i, j;

	for (i = 0; i < count; i++) {
		j = random_below(i + 1);
		order[i] = order[j];
		order[j] = i;
	}
	return order;
}

void *filled_bus(const struct bus_peer *peer, size_t count)
{
	void *bus = xcheck(peer->create());
	size_t *order = shuffled(count);

	for (size_t i = 0; i < count; i++) {
		const struct bf_io_range_desc desc = place_desc(2 * order[i]);

		xcheck(peer->add(bus, &desc));
	}
	free(order);
	return bus;
}

const size_t bus_sizes[NR_BUS_SIZES] = {16, 100, 1000, 10000};

static void load_add(struct load *load, size_t i, size_t place, uint64_t offset)
{
	load->addrs[i] = place_addr(place) + offset;
	load->sum += number_of(place) + offset;
}

void load_init(struct load *load, size_t count, bool exact)
{
	load->addrs = xgrow(NULL, 0, LOAD_ACCESSES, sizeof(*load->addrs));
	load->sum = 0;
	for (size_t i = 0; i < LOAD_ACCESSES; i++)
		load_add(load, i, 2 * random_below(count),
			 exact ? 0 : random_below(PLACE_SIZE / 4) * 4);
}

void load_free(struct load *load)
{
	free(load->addrs);
}

void load_run(const struct load *load, const struct bus_peer *peer, void *bus)
{
	uint64_t before = called_sum;

	peer->write_all(bus, load->addrs, LOAD_ACCESSES);
	must_be(called_sum - before, load->sum, "the sum of all accesses");
}

struct bus_choice changeable_peers(bool linear_too)
{
	struct bus_choice choice = {{NULL}};
	size_t i, nr = 0;

	for (i = 0; bus_peers[i]; i++) {
		if (!bus_peers[i]->unguarded &&
		    (linear_too || !bus_peers[i]->linear))
			choice.peers[nr++] = bus_peers[i];
	}
	return choice;
}

uint64_t preemptions(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_THREAD, &usage))
		return 0;
	return (uint64_t)usage.ru_nivcsw;
}

void bus_series_init(struct bus_series *series, const struct bus_peer *peer,
		     size_t count)
{
	*series = (struct bus_series){
		.peer = peer,
		.bus = filled_bus(peer, count),
	};
}

uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void bus_series_sample(struct bus_series *series, const struct load *load)
{
	uint64_t start = cpu_ns();

	load_run(load, series->peer, series->bus);
	samples_add(&series->samples,
		    (double)(cpu_ns() - start) / LOAD_ACCESSES);
}

double bus_series_free(struct bus_series *series)
{
	double median = samples_median(&series->samples);

	series->peer->destroy(series->bus);
	samples_free(&series->samples);
	return median;
}
