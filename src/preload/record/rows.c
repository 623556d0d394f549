/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "preload/record/rows.h"

#define relaxed memory_order_relaxed

static void copy_row(struct stats_row *row, const struct stats_call *call)
{
	call_name(atomic_load_explicit(&call->key, relaxed), row->name,
		  sizeof(row->name));
	row->calls = atomic_load_explicit(&call->calls, relaxed);
	row->errors = atomic_load_explicit(&call->errors, relaxed);
	row->total_ns = atomic_load_explicit(&call->total_ns, relaxed);
	row->longest_ns = atomic_load_explicit(&call->longest_ns, relaxed);
	row->stalls = atomic_load_explicit(&call->stalls, relaxed);
	row->stalled_ns = atomic_load_explicit(&call->stalled_ns, relaxed);
}

static int by_stalled_then_total(const void *a, const void *b)
{
	const struct stats_row *x = a, *y = b;

	if (x->stalled_ns != y->stalled_ns)
		return x->stalled_ns < y->stalled_ns ? 1 : -1;
	if (x->total_ns != y->total_ns)
		return x->total_ns < y->total_ns ? 1 : -1;
	return strcmp(x->name, y->name);
}

size_t stats_rows(const struct stats *stats, struct stats_row rows[STATS_CALLS])
{
	size_t count = 0;

	for (size_t i = 0; i < STATS_CALLS; i++) {
		if (atomic_load_explicit(&stats->calls[i].key, relaxed))
			copy_row(&rows[count++], &stats->calls[i]);
	}
	qsort(rows, count, sizeof(*rows), by_stalled_then_total);
	return count;
}

static void sum_call(struct stats_sums *sums, const struct stats_call *call)
{
	uint64_t stalls = atomic_load_explicit(&call->stalls, relaxed);
	uint64_t longest = atomic_load_explicit(&call->longest_ns, relaxed);

	if (!stalls)
		return;
	sums->stalls += stalls;
	sums->stalled_ns += atomic_load_explicit(&call->stalled_ns, relaxed);
	if (longest > sums->longest_stall_ns)
		sums->longest_stall_ns = longest;
}

static void sum_vcpus(const struct stats *stats, struct stats_sums *sums)
{
	for (size_t i = 0; i < STATS_VCPUS; i++) {
		sums->runs +=
			atomic_load_explicit(&stats->vcpu[i].runs, relaxed);
		sums->signals +=
			atomic_load_explicit(&stats->vcpu[i].signals, relaxed);
	}
}

static void sum_start(const struct stats *stats, struct stats_sums *sums)
{
	uint64_t first = atomic_load_explicit(&stats->first_run_ns, relaxed);
	uint64_t loaded = atomic_load_explicit(&stats->loaded_ns, relaxed);

	if (!first || !loaded)
		return;
	sums->loading_ns =
		loaded - atomic_load_explicit(&stats->started_ns, relaxed);
	sums->to_first_run_ns = first - loaded;
}

void stats_sum(const struct stats *stats, struct stats_sums *sums)
{
	memset(sums, 0, sizeof(*sums));
	for (size_t i = 0; i < STATS_CALLS; i++)
		sum_call(sums, &stats->calls[i]);
	sum_vcpus(stats, sums);
	sum_start(stats, sums);
}
