/* SPDX-License-Identifier: MIT */
/* Declarations that the files of `belfry bench vcpus` share. */
#ifndef BF_CLI_BENCH_VCPUS_H
#define BF_CLI_BENCH_VCPUS_H

#include "tools/belfry/common/report.h"
#include "tools/belfry/common/samples.h"
#include "tools/bench/peers/vcpus_peer.h"

/* The library first. */
#define NR_VCPUS_PEERS 3
extern const struct vcpus_peer *const vcpus_peers[NR_VCPUS_PEERS];

/* Returns VCPUS_MAX entries for a table.  The caller frees them. */
struct bf_vcpu_entry *bench_entries(void);

/* Ids differ from indices: every fourth is used, as in some topologies. */
uint32_t bench_id(uint32_t index);

/*
 * Returns a table with the first count entries.  Ends the process if out of
 * memory.
 */
void *bench_table(const struct vcpus_peer *peer, struct bf_vcpu_entry *entries,
		  uint32_t count);

/* Adds an entry.  Ends the process on error. */
void bench_add(const struct vcpus_peer *peer, void *table,
	       struct bf_vcpu_entry *entry, uint32_t index);

/* Reports the median of each peer; samples[0] is the library's. */
void bench_report_peers(struct report *report, struct samples *samples);

/* Each adds rows to the report. */
void bench_lookups(struct report *report);
void bench_creations(struct report *report);

#endif
