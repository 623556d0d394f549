/* SPDX-License-Identifier: MIT */
/*
 * All accesses are relaxed: no counter orders other memory.  belfry run reads
 * them after the program has ended, or accepts values of different moments.
 */
#include <string.h>

#include "preload/record/stats.h"

/* The coarse clock advances once a tick. */
uint64_t stats_tick(void)
{
	struct timespec tick;

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	return bf_timespec_ns(&tick);
}

void stats_init(struct stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->magic = STATS_MAGIC;
	stats->version = STATS_VERSION;
	stats->size = sizeof(*stats);
	relaxed_store(&stats->started_ns, bf_now_ns());
}

static void raise_maximum(_Atomic uint64_t *maximum, uint64_t value)
{
	uint64_t old = relaxed_load(maximum);

	while (old < value && !relaxed_swap(maximum, &old, value))
		;
}

/* True if the entry has @key; an empty entry gets it. */
static bool claim_entry(struct stats_call *call, uint32_t key)
{
	uint32_t old = relaxed_load(&call->key);

	if (old == STATS_NONE && relaxed_swap(&call->key, &old, key))
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
	relaxed_add(&call->stalls, 1);
	relaxed_add(&call->stalled_ns, ns);
	if (!relaxed_load(&stats->first_run_ns))
		relaxed_add(&stats->stalled_before_run_ns, ns);
}

struct stats_call *stats_record(struct stats *stats, uint32_t key, uint64_t ns,
				bool error)
{
	struct stats_call *call = stats_call(stats, key);

	if (!call) {
		relaxed_add(&stats->uncounted, 1);
		return NULL;
	}
	relaxed_add(&call->calls, 1);
	relaxed_add(&call->errors, error);
	relaxed_add(&call->total_ns, ns);
	raise_maximum(&call->longest_ns, ns);
	if (ns > STATS_STALL_NS)
		count_stall(stats, call, ns);
	return call;
}

void stats_first_run(struct stats *stats, uint64_t loaded_ns, pid_t pid)
{
	if (!relaxed_set_once(&stats->first_run_ns, bf_now_ns()))
		return;
	relaxed_store(&stats->loaded_ns, loaded_ns);
	relaxed_store(&stats->first_run_pid, (uint64_t)pid);
}

/* Entry 0 counts the KVM_RUN calls on untracked vCPUs. */
struct stats_vcpu *stats_vcpu(struct stats *stats)
{
	uint64_t n = relaxed_add(&stats->vcpus, 1);

	return &stats->vcpu[1 + n % (STATS_VCPUS - 1)];
}
