/* SPDX-License-Identifier: MIT */
/*
 * All accesses are relaxed: no counter orders other memory.  belfry run reads
 * them after the program has ended, or accepts values of different moments.
 */
#include <string.h>

#include "preload/record/stats.h"

#define relaxed memory_order_relaxed

/* The coarse clock advances once a tick. */
uint64_t stats_tick(void)
{
	struct timespec tick;

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	return stats_ns(&tick);
}

void stats_init(struct stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->magic = STATS_MAGIC;
	stats->version = STATS_VERSION;
	stats->size = sizeof(*stats);
	atomic_store_explicit(&stats->started_ns, stats_now(), relaxed);
}

static void add_count(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_fetch_add_explicit(counter, value, relaxed);
}

static void raise_maximum(_Atomic uint64_t *maximum, uint64_t value)
{
	uint64_t old = atomic_load_explicit(maximum, relaxed);

	while (old < value && !atomic_compare_exchange_weak_explicit(
				      maximum, &old, value, relaxed, relaxed))
		;
}

/* True if the entry has @key; an empty entry gets it. */
static bool claim_entry(struct stats_call *call, uint32_t key)
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

		if (claim_entry(call, key))
			return call;
	}
	return NULL;
}

static void count_stall(struct stats *stats, struct stats_call *call,
			uint64_t ns)
{
	add_count(&call->stalls, 1);
	add_count(&call->stalled_ns, ns);
	if (!atomic_load_explicit(&stats->first_run_ns, relaxed))
		add_count(&stats->stalled_before_run_ns, ns);
}

struct stats_call *stats_record(struct stats *stats, uint32_t key, uint64_t ns,
				bool error)
{
	struct stats_call *call = stats_call(stats, key);

	if (!call) {
		add_count(&stats->uncounted, 1);
		return NULL;
	}
	add_count(&call->calls, 1);
	add_count(&call->errors, error);
	add_count(&call->total_ns, ns);
	raise_maximum(&call->longest_ns, ns);
	if (ns > STATS_STALL_NS)
		count_stall(stats, call, ns);
	return call;
}

void stats_first_run(struct stats *stats, uint64_t loaded_ns, pid_t pid)
{
	uint64_t never = 0;

	if (!atomic_compare_exchange_strong_explicit(&stats->first_run_ns,
						     &never, stats_now(),
						     relaxed, relaxed))
		return;
	atomic_store_explicit(&stats->loaded_ns, loaded_ns, relaxed);
	atomic_store_explicit(&stats->first_run_pid, (uint64_t)pid, relaxed);
}

/* Entry 0 counts the KVM_RUN calls on untracked vCPUs. */
struct stats_vcpu *stats_vcpu(struct stats *stats)
{
	uint64_t n = atomic_fetch_add_explicit(&stats->vcpus, 1, relaxed);

	return &stats->vcpu[1 + n % (STATS_VCPUS - 1)];
}
