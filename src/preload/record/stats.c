/* SPDX-License-Identifier: MIT */
/*
 * Counting.  All counters are independent of each other and of everything
 * else, so every access is relaxed; readers look after the program has ended
 * or take what they get.
 */
#include <string.h>
#include <time.h>

#include "preload/record/stats.h"

#define relaxed memory_order_relaxed

static uint64_t nanoseconds(const struct timespec *time)
{
	return (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec;
}

uint64_t stats_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return nanoseconds(&now);
}

/* The coarse clock moves once a tick. */
uint64_t stats_tick(void)
{
	struct timespec tick;

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	return nanoseconds(&tick);
}

void stats_init(struct stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->magic = STATS_MAGIC;
	stats->version = STATS_VERSION;
	stats->size = sizeof(*stats);
	atomic_store_explicit(&stats->started_ns, stats_now(), relaxed);
}

static void add(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_fetch_add_explicit(counter, value, relaxed);
}

static void raise_to(_Atomic uint64_t *longest, uint64_t value)
{
	uint64_t old = atomic_load_explicit(longest, relaxed);

	while (old < value && !atomic_compare_exchange_weak_explicit(
				      longest, &old, value, relaxed, relaxed))
		;
}

/* True: the entry is @key's, maybe only since now. */
static bool claim(struct stats_call *call, uint32_t key)
{
	uint32_t old = atomic_load_explicit(&call->key, relaxed);

	if (old == STATS_NONE &&
	    atomic_compare_exchange_strong_explicit(&call->key, &old, key,
						    relaxed, relaxed))
		return true;
	return old == key;
}

struct stats_call *stats_call(struct stats *stats, uint32_t key)
{
	uint32_t first = (key * 2654435761u) >> 24;

	for (uint32_t i = 0; i < STATS_CALLS; i++) {
		struct stats_call *call =
			&stats->calls[(first + i) % STATS_CALLS];

		if (claim(call, key))
			return call;
	}
	return NULL;
}

static void record_stall(struct stats *stats, struct stats_call *call,
			 uint64_t ns)
{
	add(&call->stalls, 1);
	add(&call->stalled_ns, ns);
	if (!atomic_load_explicit(&stats->first_run_ns, relaxed))
		add(&stats->stalled_before_run_ns, ns);
}

void stats_record(struct stats *stats, uint32_t key, uint64_t start_ns,
		  bool error)
{
	uint64_t ns = stats_now() - start_ns;
	struct stats_call *call = stats_call(stats, key);

	if (!call) {
		add(&stats->uncounted, 1);
		return;
	}
	add(&call->calls, 1);
	add(&call->errors, error);
	add(&call->total_ns, ns);
	raise_to(&call->longest_ns, ns);
	if (ns > STATS_STALL_NS)
		record_stall(stats, call, ns);
}

void stats_run(struct stats *stats, struct stats_vcpu *vcpu, uint64_t loaded_ns,
	       pid_t pid)
{
	uint64_t never = 0;

	add(&vcpu->runs, 1);
	if (atomic_load_explicit(&stats->first_run_ns, relaxed))
		return;
	if (!atomic_compare_exchange_strong_explicit(&stats->first_run_ns,
						     &never, stats_now(),
						     relaxed, relaxed))
		return;
	atomic_store_explicit(&stats->loaded_ns, loaded_ns, relaxed);
	atomic_store_explicit(&stats->first_run_pid, (uint64_t)pid, relaxed);
}

/* Entry 0 is for KVM_RUN on a vCPU that is not known. */
struct stats_vcpu *stats_vcpu(struct stats *stats)
{
	uint64_t n = atomic_fetch_add_explicit(&stats->vcpus, 1, relaxed);

	return &stats->vcpu[1 + n % (STATS_VCPUS - 1)];
}
