/* SPDX-License-Identifier: MIT */
/* Regions: device ranges and coalesced zones. */
#ifndef BF_IO_BUS_REGION_H
#define BF_IO_BUS_REGION_H

#include "base/util.h"
#include "io_bus/bus.h"
#include "io_bus/counters.h"
#include "io_bus/ring.h"

/* The common part of a range and a zone. */
struct bf_region {
	struct bf_span span; /* changed with the bus locked; readers use the
				span of the tree */
	enum bf_io_kind kind;
	uint16_t space;
	char name[32];
	struct bf_removal removal;
};

struct bf_io_range {
	const struct bf_io_ops *ops; /* the caller's, or complete */
	struct bf_io_ops complete;   /* if a handler of the caller is NULL */
	void *opaque;
	struct bf_counters *counters; /* NULL: nothing was counted yet */
	struct bf_region region;
};

struct bf_io_zone {
	struct bf_io_ring *ring;
	struct bf_region region;
};

/*
 * An entry in a tree has a copy of all that a dispatch needs.  To read the
 * range or the zone itself would be one more cache miss.
 */
struct bf_region_entry {
	struct bf_span_entry span;
	struct bf_region *region;
};

struct bf_range_entry {
	struct bf_region_entry region;
	const struct bf_io_ops *ops;
	void *opaque;
};

struct bf_zone_entry {
	struct bf_region_entry region;
	struct bf_io_ring *ring;
};

static inline struct bf_region *bf_region_of(const struct bf_span_entry *entry)
{
	return ((const struct bf_region_entry *)entry)->region;
}

static inline struct bf_counters **
bf_range_counters(const struct bf_range_entry *entry)
{
	return &container_of(entry->region.region, struct bf_io_range, region)
			->counters;
}

/*
 * A range or a zone that is not published: 0, or what bf_io_add_range() and
 * bf_io_add_zone() return before they look at the bus.
 */
int bf_range_new(struct bf_io_bus *bus, const struct bf_io_range_desc *desc,
		 struct bf_io_range **rangep);
int bf_zone_new(struct bf_io_bus *bus, const struct bf_io_zone_desc *desc,
		struct bf_io_zone **zonep);

/* Frees a region that no access can see. */
void bf_region_free(struct bf_region *region);

/* Frees a tree that no access can see, with its regions. */
void bf_regions_destroy(struct bf_span_node *root);

/* The span with another first address: 0, or -EINVAL: it would wrap. */
int bf_region_span_at(const struct bf_region *region, uint64_t addr,
		      struct bf_span *span);

/* 0; -EEXIST, with conflict, which may be NULL, set; -ENOMEM. */
int bf_region_add(struct bf_change *change, struct bf_region *region,
		  struct bf_io_conflict *conflict);

/* 0 or -ENOMEM. */
int bf_region_remove(struct bf_change *change, const struct bf_region *region);

struct bf_io_party bf_region_party(const struct bf_region *region);

#endif
