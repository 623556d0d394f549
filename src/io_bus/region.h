/* SPDX-License-Identifier: MIT */
/* What a device range and a coalesced zone have in common: a place. */
#ifndef BF_IO_BUS_REGION_H
#define BF_IO_BUS_REGION_H

#include "io_bus/bus.h"
#include "io_bus/removal.h"

struct bf_region {
	struct bf_span span;
	enum bf_io_kind kind; /* BF_IO_RANGE or BF_IO_ZONE */
	uint16_t space;
	char name[32];
	struct bf_removal removal;
};

/* The entry of a zone, and the beginning of that of a range. */
struct bf_region_entry {
	struct bf_span_entry span;
	struct bf_region *region;
};

static inline struct bf_region *bf_region_of(const struct bf_span_entry *entry)
{
	return ((const struct bf_region_entry *)entry)->region;
}

/* 0 or -EINVAL: no size, it wraps, no such space. */
int bf_region_check(uint64_t addr, uint64_t size, uint16_t space);

void bf_region_init(struct bf_region *region, enum bf_io_kind kind,
		    const struct bf_io_range_desc *where);

/* The span of the region if it began at addr; 0 or -EINVAL: it would wrap. */
int bf_region_span_at(const struct bf_region *region, uint64_t addr,
		      struct bf_span *span);

/* 0; -EEXIST, with conflict, which may be NULL, filled in; -ENOMEM. */
int bf_region_add(struct bf_change *change, struct bf_region *region,
		  struct bf_io_conflict *conflict);

/* 0 or -ENOMEM. */
int bf_region_remove(struct bf_change *change, const struct bf_region *region);

/* bf_io_remove_range() and its like. */
int bf_region_end(struct bf_io_bus *bus, struct bf_region *region);
void bf_region_end_async(struct bf_io_bus *bus, struct bf_region *region,
			 bf_io_done_fn done, void *opaque);

/* A change of its own: an addition; 0, -EEXIST, -ENOMEM. */
int bf_region_publish(struct bf_io_bus *bus, struct bf_region *region,
		      struct bf_io_conflict *conflict);

struct bf_io_party bf_region_party(const struct bf_region *region);

#endif
