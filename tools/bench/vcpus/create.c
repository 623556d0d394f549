// SPDX-License-Identifier: MIT
/* Creation of the first, the last and all vCPUs, and beside a reader. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "tools/bench/common/bench.h"
#include "bench_vcpus.h"
#include "tools/belfry/common/xalloc.h"

#define ROUNDS	       11
#define SLEEPER_ROUNDS 5
#define SLEEPER_VCPUS  8
#define NSEC_USEC      1000.0
#define NSEC_MSEC      1000000.0

/* For each implementation, one sample per table. */
static struct {
	struct samples first[NR_VCPUS_PEERS]; /* ns */
	struct samples last[NR_VCPUS_PEERS];
	struct samples slowest[NR_VCPUS_PEERS];
	struct samples all[NR_VCPUS_PEERS];    /* ms */
	struct samples beside[NR_VCPUS_PEERS]; /* us, beside a sleeping reader */
} creations;

static double add_timed(const struct vcpus_peer *peer, void *table,
			struct bf_vcpu_entry *entry, uint32_t index)
{
	uint64_t start = clock_ns();

	bench_add(peer, table, entry, index);
	return (double)(clock_ns() - start);
}

/* Times each creation. */
static void sample_each(int n, struct bf_vcpu_entry *entries)
{
	void *table = xcheck(vcpus_peers[n]->create());
	double ns = 0, slowest = 0;

	for (uint32_t i = 0; i < VCPUS_MAX; i++) {
		ns = add_timed(vcpus_peers[n], table, &entries[i], i);
		slowest = ns > slowest ? ns : slowest;
		if (i == 0)
			samples_add(&creations.first[n], ns);
	}
	samples_add(&creations.last[n], ns);
	samples_add(&creations.slowest[n], slowest);
	vcpus_peers[n]->destroy(table);
}

/* Times all creations together, without a clock call in between. */
static void sample_all(int n, struct bf_vcpu_entry *entries)
{
	const struct vcpus_peer *peer = vcpus_peers[n];
	void *table = xcheck(peer->create());
	uint64_t start = clock_ns();

	for (uint32_t i = 0; i < VCPUS_MAX; i++)
		bench_add(peer, table, &entries[i], i);
	samples_add(&creations.all[n],
		    (double)(clock_ns() - start) / NSEC_MSEC);
	peer->destroy(table);
}

/*
 * A thread that sleeps for 100 us inside a section and 100 us outside it.
 * Without the time outside, a lock that prefers readers could starve writers.
 */
struct sleeper {
	pthread_t thread;
	const struct vcpus_peer *peer;
	void *table;
	bool stop;
};

static bool sleeper_inside;

static void sleep_a_while(void)
{
	struct timespec ts = {.tv_nsec = 100000};

	nanosleep(&ts, NULL);
}

static void sleep_inside(void)
{
	__atomic_store_n(&sleeper_inside, true, __ATOMIC_RELEASE);
	sleep_a_while();
	__atomic_store_n(&sleeper_inside, false, __ATOMIC_RELEASE);
}

static void *sleeper_main(void *arg)
{
	struct sleeper *sleeper = arg;

	pin_thread(1);
	while (!__atomic_load_n(&sleeper->stop, __ATOMIC_RELAXED)) {
		sleeper->peer->section(sleeper->table, sleep_inside);
		sleep_a_while();
	}
	return NULL;
}

static void wait_for_sleeper(void)
{
	while (!__atomic_load_n(&sleeper_inside, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void sample_beside_sleeper(int n, struct bf_vcpu_entry *entries)
{
	struct sleeper sleeper = {.peer = vcpus_peers[n]};

	sleeper.table = xcheck(sleeper.peer->create());
	if (pthread_create(&sleeper.thread, NULL, sleeper_main, &sleeper))
		xcheck(NULL);
	for (uint32_t i = 0; i < SLEEPER_VCPUS; i++) {
		wait_for_sleeper();
		samples_add(&creations.beside[n],
			    add_timed(sleeper.peer, sleeper.table, &entries[i],
				      i) /
				    NSEC_USEC);
	}
	__atomic_store_n(&sleeper.stop, true, __ATOMIC_RELAXED);
	pthread_join(sleeper.thread, NULL);
	sleeper.peer->destroy(sleeper.table);
}

static double row(struct report *report, const char *name, const char *unit,
		  struct samples *samples)
{
	report_row(report, name, unit);
	report_number(report, "value", "%.2f", samples_median(&samples[0]));
	bench_report_peers(report, samples);
	return samples_median(&samples[0]);
}

static void report_creations(struct report *report)
{
	double first, value;

	first = row(report, "create vCPU number 1", "ns", creations.first);
	report_text(report, "what", "in a new table, including a clock call");
	value = row(report, "create vCPU number 4,096", "ns", creations.last);
	report_goal(report, "<= 2 x number 1", value <= 2 * first);
	row(report, "slowest creation of 4,096", "ns", creations.slowest);
	value = row(report, "create 4,096 vCPUs", "ms", creations.all);
	report_goal(report, "<= 5 ms", value <= 5);
	row(report, "create a vCPU while a reader sleeps", "us",
	    creations.beside);
	report_text(report, "what",
		    "another thread sleeps for 100 us in a section");
}

static void free_samples(void)
{
	for (int n = 0; n < NR_VCPUS_PEERS; n++) {
		samples_free(&creations.first[n]);
		samples_free(&creations.last[n]);
		samples_free(&creations.slowest[n]);
		samples_free(&creations.all[n]);
		samples_free(&creations.beside[n]);
	}
}

void bench_creations(struct report *report)
{
	struct bf_vcpu_entry *entries = bench_entries();

	for (int round = 0; round < ROUNDS; round++) {
		for (int n = 0; n < NR_VCPUS_PEERS; n++) {
			sample_each(n, entries);
			sample_all(n, entries);
			if (round < SLEEPER_ROUNDS)
				sample_beside_sleeper(n, entries);
		}
	}
	report_creations(report);
	free_samples();
	free(entries);
}
