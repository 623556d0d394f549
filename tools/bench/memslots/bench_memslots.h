/* SPDX-License-Identifier: MIT */
/* What the parts of `belfry bench memslots` share. */
#ifndef BF_CLI_BENCH_MEMSLOTS_H
#define BF_CLI_BENCH_MEMSLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/belfry/common/report.h"

/* Slots of two pages, with a hole of two behind each. */
#define SLOT_SIZE 8192ULL
#define SLOT_STEP (2 * SLOT_SIZE)

/*
 * A map as the benchmark sees it, the library's or its peer's.  Slot i is at
 * i * SLOT_STEP; hva is made up, since nobody touches the memory.
 */
struct slot_map {
	const char *name;
	void *(*create)(void);
	void (*destroy)(void *map);
	void (*add)(void *map, uint32_t slot);
	void (*remove)(void *map, uint32_t slot);
	/* One after the other; the sum of what was found. */
	uint64_t (*find)(void *map, const uint64_t *gpas, size_t count);
};

extern const struct slot_map own_map;
extern const struct slot_map peer_map; /* sorted array, rwlock */

/* Rows. */
void bench_slot_find(struct report *report, uint32_t slots);
void bench_slot_add(struct report *report, uint32_t slots);
void bench_prefault(struct report *report);

#endif
