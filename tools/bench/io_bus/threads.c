// SPDX-License-Identifier: MIT
/* The gain of two threads that dispatch at the same time over one. */
#include <pthread.h>

#include "tools/bench/io_bus/bench_io_bus.h"

#define RANGES	    1000
#define ROUNDS	    15
#define PEER_ROUNDS 5
#define ATTEMPTS    3 /* for a round without a preemption */
#define PASSES	    2

struct runner {
	struct crowd *crowd;
	uint64_t end; /* CLOCK_MONOTONIC */
	uint64_t preempted;
};

/* A bus that one thread or two use. */
struct crowd {
	const struct bus_peer *peer;
	void *bus;
	struct load load;
	unsigned int missing; /* threads that have not arrived yet */
	struct samples one, two;
	uint64_t preempted; /* in all samples */
};

static void run_passes(struct runner *runner)
{
	struct crowd *crowd = runner->crowd;

	__atomic_sub_fetch(&crowd->missing, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&crowd->missing, __ATOMIC_ACQUIRE))
		;
	runner->preempted = preemptions();
	for (int i = 0; i < PASSES; i++)
		load_run(&crowd->load, crowd->peer, crowd->bus);
	runner->end = clock_ns();
	runner->preempted = preemptions() - runner->preempted;
}

/* Warm the caches first, as they are for the other thread. */
static void *other_main(void *arg)
{
	const struct runner *runner = arg;
	const struct crowd *crowd = runner->crowd;

	pin_thread(1);
	load_run(&crowd->load, crowd->peer, crowd->bus);
	run_passes(arg);
	return NULL;
}

/* A sample: millions of accesses a second, and the preemptions meanwhile. */
struct rate {
	double value;
	uint64_t preempted;
};

static double rate_of(uint64_t ns, unsigned int threads)
{
	return (double)threads * PASSES * LOAD_ACCESSES * 1000 / (double)ns;
}

static struct rate measure_one(struct crowd *crowd)
{
	struct runner runner = {.crowd = crowd};
	uint64_t start;

	crowd->missing = 1;
	start = clock_ns();
	run_passes(&runner);
	return (struct rate){rate_of(runner.end - start, 1), runner.preempted};
}

/* The time is from the start of both to the end of the later one. */
static struct rate measure_two(struct crowd *crowd)
{
	struct runner self = {.crowd = crowd}, other = {.crowd = crowd};
	pthread_t thread;
	uint64_t start, end;

	crowd->missing = 2;
	must(-pthread_create(&thread, NULL, other_main, &other),
	     "start a thread");
	while (__atomic_load_n(&crowd->missing, __ATOMIC_ACQUIRE) != 1)
		;
	start = clock_ns();
	run_passes(&self);
	pthread_join(thread, NULL);
	end = self.end > other.end ? self.end : other.end;
	return (struct rate){rate_of(end - start, 2),
			     self.preempted + other.preempted};
}

/*
 * A preemption has nothing to do with the bus, so take the sample again.  After
 * ATTEMPTS take it as it is, and count the preemptions.
 */
static void add_sample(struct crowd *crowd, struct samples *samples,
		       struct rate (*measure)(struct crowd *crowd))
{
	struct rate rate;
	int attempt = 0;

	do {
		rate = measure(crowd);
	} while (rate.preempted && ++attempt < ATTEMPTS);
	samples_add(samples, rate.value);
	crowd->preempted += rate.preempted;
}

static void crowd_init(struct crowd *crowd, const struct bus_peer *peer)
{
	*crowd = (struct crowd){
		.peer = peer,
		.bus = filled_bus(peer, RANGES),
	};
	load_init(&crowd->load, RANGES, false);
}

static void crowd_sample(struct crowd *crowd)
{
	add_sample(crowd, &crowd->one, measure_one);
	add_sample(crowd, &crowd->two, measure_two);
}

static void crowd_free(struct crowd *crowd)
{
	crowd->peer->destroy(crowd->bus);
	load_free(&crowd->load);
	samples_free(&crowd->one);
	samples_free(&crowd->two);
}

static double gain(struct crowd *crowd)
{
	return samples_median(&crowd->two) / samples_median(&crowd->one);
}

void bench_bus_two_threads(struct report *report)
{
	struct crowd belfry, peers[MAX_BUS_PEERS];
	size_t i, nr = 0;

	crowd_init(&belfry, &belfry_bus);
	for (; bus_peers[nr]; nr++)
		crowd_init(&peers[nr], bus_peers[nr]);
	for (int round = 0; round < ROUNDS; round++) {
		crowd_sample(&belfry);
		for (i = 0; i < nr && round < PEER_ROUNDS; i++)
			crowd_sample(&peers[i]);
	}
	report_row(report, "two threads dispatch to 1000 ranges", "x one");
	report_number(report, "value", "%.2f", gain(&belfry));
	for (i = 0; i < nr; i++)
		report_peer(report, peers[i].peer->name, "%.2f",
			    gain(&peers[i]));
	report_goal(report, ">= 1.8", gain(&belfry) >= 1.8);
	report_count(report, "preempted", belfry.preempted);
	report_number(report, "alone", "%.1f", samples_median(&belfry.one));
	report_text(report, "what",
		    "accesses a second, both together; alone: millions");
	crowd_free(&belfry);
	for (i = 0; i < nr; i++)
		crowd_free(&peers[i]);
}
