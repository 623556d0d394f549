/* SPDX-License-Identifier: MIT */
/*
 * Regions: device ranges, and coalesced zones.  A zone is a region with a ring
 * in place of handlers, in layers of its own.
 *
 * A zone is in a later layer than each zone that it overlaps and that was
 * registered before it.  So the first layer with a zone that contains a write
 * has the zone that was registered first.
 *
 * A layer of ranges has those of one priority, higher ones first.
 */
#ifndef BF_IO_BUS_REGION_H
#define BF_IO_BUS_REGION_H

#include "base/util.h"
#include "io_bus/change.h"

struct bf_region {
	struct bf_entry entry;
	struct bf_io_ops ops; /* of a range; no handler is NULL */
	void *opaque;	      /* of a zone: its ring */
	unsigned int level;   /* of a range: priority - BF_IO_PRIORITY_MIN */
	char name[32];
};

struct bf_io_range {
	struct bf_region region;
};

struct bf_io_zone {
	struct bf_region region;
};

/*
 * In a tree: a copy of all that a dispatch needs.  To read the region itself
 * would be one more cache miss.
 */
struct bf_region_span {
	struct bf_span_entry span;
	void *opaque;
	struct bf_io_ops ops;
	struct bf_region *region;
};

static inline unsigned int bf_range_level(const struct bf_entry *entry)
{
	return container_of(entry, const struct bf_region, entry)->level;
}

static inline const struct bf_region_span *
bf_region_span_of(const struct bf_span_entry *span)
{
	return container_of(span, const struct bf_region_span, span);
}

/* The region that contains all addresses of an access. */
static inline __attribute__((always_inline)) struct bf_span_hit
bf_region_find(const struct bf_span_node *root,
	       const struct bf_io_access *access)
{
	return bf_span_find(root, sizeof(struct bf_region_span), access->addr,
			    access->len);
}

/*
 * A range or a zone that is not published: 0, or what bf_io_add_range() and
 * bf_io_add_zone() return before they look at the bus.
 */
int bf_range_new(struct bf_io_bus *bus, const struct bf_io_range_desc *desc,
		 struct bf_io_range **rangep);
int bf_zone_new(struct bf_io_bus *bus, const struct bf_io_zone_desc *desc,
		struct bf_io_zone **zonep);

/* The number of layers before that of a range: those of higher priorities. */
unsigned int bf_range_layers_before(const struct bf_io_roots *roots,
				    unsigned int level);

/* Layer by layer. */
int bf_regions_each(const struct bf_layer *layer, bf_entry_fn fn, void *opaque);

/* Frees layers that no access can see, and their regions. */
void bf_regions_free(const struct bf_layer *layers);

#endif
