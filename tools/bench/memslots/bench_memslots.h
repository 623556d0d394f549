/* SPDX-License-Identifier: MIT */
/* Declarations that the files of `belfry bench memslots` share. */
#ifndef BF_CLI_BENCH_MEMSLOTS_H
#define BF_CLI_BENCH_MEMSLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/belfry/common/report.h"

/* Slots of a page of any size, with a gap of their size after each. */
#define SLOT_SIZE 0x10000ULL
#define SLOT_STEP (2 * SLOT_SIZE)

/*
 * The operations of a map, the library's or its peer's.  Slot i lies at
 * i * SLOT_STEP.  Its hva is invented, because no lookup touches the memory.
 */
struct slot_map {
	const char *name;
	void *(*create)(void);
	void (*destroy)(void *map);
	void (*add)(void *map, uint32_t slot);
	void (*remove)(void *map, uint32_t slot);
	/* Looks up all gpas in order.  Returns the sum of their hvas. */
	uint64_t (*find)(void *map, const uint64_t *gpas, size_t count);
};

extern const struct slot_map belfry_map;
extern const struct slot_map peer_map; /* sorted array, rwlock */

/* Each adds rows to the report. */
void bench_slot_find(struct report *report, uint32_t slots);
void bench_slot_add(struct report *report, uint32_t slots);
void bench_copy(struct report *report);
void bench_prefault(struct report *report);

#endif
