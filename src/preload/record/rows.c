/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "preload/record/rows.h"

static void copy_row(struct stats_row *row, const struct stats_call *call)
{
	call_name(relaxed_load(&call->key), row->name, sizeof(row->name));
	row->calls = relaxed_load(&call->calls);
	row->errors = relaxed_load(&call->errors);
	row->total_ns = relaxed_load(&call->total_ns);
	row->longest_ns = relaxed_load(&call->longest_ns);
	row->stalls = relaxed_load(&call->stalls);
	row->stalled_ns = relaxed_load(&call->stalled_ns);
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
		if (relaxed_load(&stats->calls[i].key))
			copy_row(&rows[count++], &stats->calls[i]);
	}
	qsort(rows, count, sizeof(*rows), by_stalled_then_total);
	return count;
}

static void sum_call(struct stats_sums *sums, const struct stats_call *call)
{
	uint64_t stalls = relaxed_load(&call->stalls);
	uint64_t longest = relaxed_load(&call->longest_ns);

	if (!stalls)
		return;
	sums->stalls += stalls;
	sums->stalled_ns += relaxed_load(&call->stalled_ns);
	if (longest > sums->longest_stall_ns)
		sums->longest_stall_ns = longest;
}

static void sum_vcpus(const struct stats *stats, struct stats_sums *sums)
{
	for (size_t i = 0; i < STATS_VCPUS; i++) {
		sums->runs += relaxed_load(&stats->vcpu[i].runs);
		sums->signals += relaxed_load(&stats->vcpu[i].signals);
	}
}

static void sum_start(const struct stats *stats, struct stats_sums *sums)
{
	uint64_t first = relaxed_load(&stats->first_run_ns);
	uint64_t loaded = relaxed_load(&stats->loaded_ns);

	if (!first || !loaded)
		return;
	sums->loading_ns = loaded - relaxed_load(&stats->started_ns);
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
