// SPDX-License-Identifier: MIT
/* Registrations and removals while a handler of the bus sleeps. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "tools/bench/io_bus/bench_io_bus.h"
#include "tools/belfry/common/sleep.h"

#define RANGES	    100
#define SLEEP_MS    50
#define ROUNDS	    9
#define PEER_ROUNDS 5
#define CHANGES	    20
/* The place of the handler that sleeps; it is free otherwise. */
#define SLEEPER_PLACE 1

/* A thread that spends nearly all its time in the handler that sleeps. */
struct sleeper {
	pthread_t thread;
	const struct bus_peer *peer;
	void *bus, *range;
	unsigned long naps; /* odd while the handler sleeps */
	bool stop;
};

static int sleeping_write(void *opaque, uint64_t offset,
			  const struct bf_io_access *access)
{
	struct sleeper *sleeper = opaque;

	__atomic_add_fetch(&sleeper->naps, 1, __ATOMIC_ACQ_REL);
	sleep_ms(SLEEP_MS);
	__atomic_add_fetch(&sleeper->naps, 1, __ATOMIC_ACQ_REL);
	return 0;
}

static const struct bf_io_ops sleeping_ops = {.write = sleeping_write};

/* Between two naps another thread has time to take a lock. */
static void *sleeper_main(void *arg)
{
	const uint64_t addr = place_addr(SLEEPER_PLACE);
	struct sleeper *sleeper = arg;

	pin_thread(1);
	while (!__atomic_load_n(&sleeper->stop, __ATOMIC_RELAXED)) {
		sleeper->peer->write_all(sleeper->bus, &addr, 1);
		sleep_ms(1);
	}
	return NULL;
}

static void sleeper_start(struct sleeper *sleeper, const struct bus_peer *peer)
{
	struct bf_io_range_desc desc = place_desc(SLEEPER_PLACE);

	*sleeper = (struct sleeper){
		.peer = peer,
		.bus = filled_bus(peer, RANGES),
	};
	desc.ops = &sleeping_ops;
	desc.opaque = sleeper;
	sleeper->range = peer->add(sleeper->bus, &desc);
	must(-pthread_create(&sleeper->thread, NULL, sleeper_main, sleeper),
	     "start a thread");
}

static void sleeper_stop(struct sleeper *sleeper)
{
	__atomic_store_n(&sleeper->stop, true, __ATOMIC_RELAXED);
	pthread_join(sleeper->thread, NULL);
	sleeper->peer->destroy(sleeper->bus);
}

/* Wait until the handler sleeps, and return the number of the nap. */
static unsigned long wait_for_nap(const struct sleeper *sleeper)
{
	unsigned long nap;

	while (!((nap = __atomic_load_n(&sleeper->naps, __ATOMIC_ACQUIRE)) & 1))
		sched_yield();
	return nap;
}

static double us_since(uint64_t start)
{
	return (double)(clock_ns() - start) / 1000.0;
}

/* Register and remove one entry; store the times in us. */
static void change(struct sleeper *sleeper, const struct bus_peer *kind,
		   size_t place, double *add, double *remove)
{
	const struct bf_io_range_desc desc = place_desc(place);
	uint64_t start;
	void *handle;

	wait_for_nap(sleeper);
	start = clock_ns();
	handle = kind->add(sleeper->bus, &desc);
	*add = us_since(start);
	must(handle ? 0 : -ENOMEM, "register beside a sleeping handler");
	wait_for_nap(sleeper);
	start = clock_ns();
	kind->remove(sleeper->bus, handle);
	*remove = us_since(start);
}

struct result {
	struct samples add, remove;
};

static void result_free(struct result *result)
{
	samples_free(&result->add);
	samples_free(&result->remove);
}

/* Repeat until all changes were made within one nap. */
static void measure_belfry(struct sleeper *sleeper, const struct bus_peer *kind,
			   struct result *result)
{
	double add[CHANGES], remove[CHANGES];
	unsigned long nap;
	size_t i;

	do {
		nap = wait_for_nap(sleeper);
		for (i = 0; i < CHANGES; i++)
			change(sleeper, kind, 2 * i + 3, &add[i], &remove[i]);
	} while (__atomic_load_n(&sleeper->naps, __ATOMIC_ACQUIRE) != nap);
	for (i = 0; i < CHANGES; i++) {
		samples_add(&result->add, add[i]);
		samples_add(&result->remove, remove[i]);
	}
}

static void measure_peer(const struct bus_peer *peer, struct result *result)
{
	struct sleeper sleeper;
	double add, remove;

	sleeper_start(&sleeper, peer);
	for (int round = 0; round < PEER_ROUNDS; round++) {
		change(&sleeper, peer, 3, &add, &remove);
		samples_add(&result->add, add);
		samples_add(&result->remove, remove);
	}
	sleeper_stop(&sleeper);
}

static void report_samples(struct report *report, const char *change,
			   const char *thing, struct samples *samples)
{
	char name[80];

	snprintf(name, sizeof(name), "%s a %s beside a 50 ms sleeper", change,
		 thing);
	report_row(report, name, "us");
	report_number(report, "value", "%.2f", samples_median(samples));
	report_number(report, "max", "%.2f", samples_max(samples));
	report_goal(report, "<= 5", samples_median(samples) <= 5);
}

static void report_ranges(struct report *report, struct result *belfry,
			  struct result *peers, const struct bus_choice *choice)
{
	size_t i;

	report_samples(report, "register", "range", &belfry->add);
	for (i = 0; choice->peers[i]; i++)
		report_peer(report, choice->peers[i]->name, "%.2f",
			    samples_median(&peers[i].add));
	report_samples(report, "remove_async", "range", &belfry->remove);
	for (i = 0; choice->peers[i]; i++)
		report_peer(report, choice->peers[i]->name, "%.2f",
			    samples_median(&peers[i].remove));
}

void bench_bus_beside_sleeper(struct report *report)
{
	struct result ranges = {0}, doorbells = {0}, peers[MAX_BUS_PEERS] = {0};
	const struct bus_choice choice = changeable_peers(true);
	struct sleeper sleeper;
	size_t i;

	sleeper_start(&sleeper, &belfry_bus_async);
	for (int round = 0; round < ROUNDS; round++) {
		measure_belfry(&sleeper, &belfry_bus_async, &ranges);
		measure_belfry(&sleeper, &belfry_doorbells_async, &doorbells);
	}
	sleeper_stop(&sleeper);
	for (i = 0; choice.peers[i]; i++)
		measure_peer(choice.peers[i], &peers[i]);
	report_ranges(report, &ranges, peers, &choice);
	report_samples(report, "register", "doorbell", &doorbells.add);
	report_samples(report, "remove_async", "doorbell", &doorbells.remove);
	result_free(&ranges);
	result_free(&doorbells);
	for (i = 0; choice.peers[i]; i++)
		result_free(&peers[i]);
}
