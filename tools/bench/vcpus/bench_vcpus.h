/* SPDX-License-Identifier: MIT */
/* What the parts of `belfry bench vcpus` share. */
#ifndef BF_CLI_BENCH_VCPUS_H
#define BF_CLI_BENCH_VCPUS_H

#include "tools/belfry/common/report.h"
#include "tools/belfry/common/samples.h"
#include "tools/bench/peers/vcpus_peer.h"

/* The library first. */
#define NR_VCPUS_PEERS 3
extern const struct vcpus_peer *const vcpus_peers[NR_VCPUS_PEERS];

/* Entries to fill tables with; their memory is the caller's to free. */
struct bf_vcpus_entry *bench_entries(void);

/* An id that is not the index: every fourth, as in some topologies. */
uint32_t bench_id(uint32_t index);

/* A table with the first count entries; out of memory ends the process. */
void *bench_table(const struct vcpus_peer *peer, struct bf_vcpus_entry *entries,
		  uint32_t count);

/* Adds one; what goes wrong ends the process. */
void bench_add(const struct vcpus_peer *peer, void *table,
	       struct bf_vcpus_entry *entry, uint32_t index);

/* Members "peers.x" of a row: medians.  The first one's samples are skipped. */
void bench_report_peers(struct report *report, struct samples *samples);

/* Rows. */
void bench_lookups(struct report *report);
void bench_creations(struct report *report);

#endif
