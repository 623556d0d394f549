// SPDX-License-Identifier: MIT
/*
 * belfry bench vcpus: compares the vCPU table with an array under a lock and
 * with an array that each creation copies.  Takes samples of the three in turn
 * and reports medians.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tools/bench/common/bench.h"
#include "bench_vcpus.h"
#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/progress.h"
#include "tools/belfry/common/xalloc.h"

#define COMMAND "bench vcpus"

const struct vcpus_peer *const vcpus_peers[NR_VCPUS_PEERS] = {
	&vcpus_belfry,
	&vcpus_rwlock,
	&vcpus_copy,
};

struct bf_vcpu_entry *bench_entries(void)
{
	return xgrow(NULL, 0, VCPUS_MAX, sizeof(struct bf_vcpu_entry));
}

uint32_t bench_id(uint32_t index)
{
	return 4 * index + 1;
}

void bench_add(const struct vcpus_peer *peer, void *table,
	       struct bf_vcpu_entry *entry, uint32_t index)
{
	if (peer->add(table, entry, bench_id(index)))
		xcheck(NULL);
}

void *bench_table(const struct vcpus_peer *peer, struct bf_vcpu_entry *entries,
		  uint32_t count)
{
	void *table = xcheck(peer->create());

	for (uint32_t i = 0; i < count; i++)
		bench_add(peer, table, &entries[i], i);
	return table;
}

void bench_report_peers(struct report *report, struct samples *samples)
{
	for (int i = 1; i < NR_VCPUS_PEERS; i++)
		report_peer(report, vcpus_peers[i]->name, "%.2f",
			    samples_median(&samples[i]));
}

static int measure(struct report *report)
{
	pin_thread(0);
	progress_show(COMMAND, 0, 2);
	bench_lookups(report);
	progress_show(COMMAND, 1, 2);
	bench_creations(report);
	progress_clear();
	return 0;
}

static const struct bench bench = {
	.command = COMMAND,
	.help = "usage: belfry bench vcpus [OPTIONS]\n"
		"\n"
		"Compares the vCPU table with an array under a lock, and with an\n"
		"array that each creation copies, with a grace period.  Takes some\n"
		"seconds.\n"
		"\n"
		"  --json        as JSON",
	.measure = measure,
};

int bench_vcpus(int argc, char **argv)
{
	return bench_main(argc, argv, &bench);
}
