// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io_bus/probe.h"
#include "io_bus/region.h"
#include "io_bus/thread.h"

static bool place_valid(uint64_t addr, uint64_t size, uint16_t space)
{
	return size && space < BF_IO_SPACES && size - 1 <= UINT64_MAX - addr;
}

static struct bf_io_range *range_of(const struct bf_region *region)
{
	return container_of(region, struct bf_io_range, region);
}

static struct bf_io_zone *zone_of(const struct bf_region *region)
{
	return container_of(region, struct bf_io_zone, region);
}

static void *object_of(const struct bf_region *region)
{
	return region->kind == BF_IO_ZONE ? (void *)zone_of(region) :
					    (void *)range_of(region);
}

void bf_region_free(struct bf_region *region)
{
	if (region->kind == BF_IO_ZONE)
		bf_ring_release(zone_of(region)->ring);
	else
		bf_counters_free(range_of(region)->counters);
	free(object_of(region));
}

static void region_removed(struct bf_removal *removal)
{
	struct bf_region *region =
		container_of(removal, struct bf_region, removal);

	PROBE_REMOVED(removal->bus, region->kind, object_of(region));
	bf_region_free(region);
}

static void region_init(struct bf_region *region, struct bf_io_bus *bus,
			enum bf_io_kind kind, struct bf_span span,
			uint16_t space, const char *name)
{
	region->span = span;
	region->kind = kind;
	region->space = space;
	bf_io_copy_name(region->name, name);
	region->removal.bus = bus;
	region->removal.release = region_removed;
}

/* In place of a handler that is NULL. */
static int no_handler(void *opaque, uint64_t offset,
		      const struct bf_io_access *access)
{
	return -EOPNOTSUPP;
}

static const struct bf_io_ops *range_complete_ops(struct bf_io_range *range,
						  const struct bf_io_ops *ops)
{
	range->complete.read = ops->read ? ops->read : no_handler;
	range->complete.write = ops->write ? ops->write : no_handler;
	return &range->complete;
}

int bf_range_new(struct bf_io_bus *bus, const struct bf_io_range_desc *desc,
		 struct bf_io_range **rangep)
{
	const struct bf_span span = {desc->addr, desc->addr + desc->size - 1};
	struct bf_io_range *range;

	if (!desc->ops || !place_valid(desc->addr, desc->size, desc->space) ||
	    !bf_io_reserved_ok(desc->reserved))
		return -EINVAL;
	range = calloc(1, sizeof(*range));
	if (!range)
		return -ENOMEM;
	range->ops = desc->ops;
	if (!desc->ops->read || !desc->ops->write)
		range->ops = range_complete_ops(range, desc->ops);
	range->opaque = desc->opaque;
	region_init(&range->region, bus, BF_IO_RANGE, span, desc->space,
		    desc->name);
	*rangep = range;
	return 0;
}

int bf_zone_new(struct bf_io_bus *bus, const struct bf_io_zone_desc *desc,
		struct bf_io_zone **zonep)
{
	const struct bf_span span = {desc->addr, desc->addr + desc->size - 1};
	struct bf_io_zone *zone;

	if (!desc->ring || !place_valid(desc->addr, desc->size, desc->space) ||
	    !bf_io_reserved_ok(desc->reserved))
		return -EINVAL;
	zone = calloc(1, sizeof(*zone));
	if (!zone)
		return -ENOMEM;
	zone->ring = desc->ring;
	bf_ring_hold(zone->ring);
	region_init(&zone->region, bus, BF_IO_ZONE, span, desc->space,
		    desc->name);
	*zonep = zone;
	return 0;
}

static int region_destroy(void *opaque, struct bf_span span,
			  struct bf_span_entry *entry)
{
	bf_region_free(bf_region_of(entry));
	return 0;
}

void bf_regions_destroy(struct bf_span_node *root)
{
	bf_span_each(root, region_destroy, NULL);
	bf_span_free(root);
}

int bf_region_span_at(const struct bf_region *region, uint64_t addr,
		      struct bf_span *span)
{
	const uint64_t last = region->span.last - region->span.first;

	if (last > UINT64_MAX - addr)
		return -EINVAL;
	*span = (struct bf_span){addr, addr + last};
	return 0;
}

struct bf_io_party bf_region_party(const struct bf_region *region)
{
	struct bf_io_party party = {
		.kind = region->kind,
		.space = region->space,
		.addr = region->span.first,
		.size = region->span.last - region->span.first + 1,
	};

	memcpy(party.name, region->name, sizeof(party.name));
	return party;
}

static struct bf_span_node **region_root(struct bf_io_roots *roots,
					 const struct bf_region *region)
{
	return region->kind == BF_IO_ZONE ? &roots->zones : &roots->ranges;
}

static int range_add(struct bf_edit *edit, struct bf_span_node **root,
		     struct bf_io_range *range, struct bf_span_entry **existing)
{
	const struct bf_range_entry entry = {
		.region.region = &range->region,
		.ops = range->ops,
		.opaque = range->opaque,
	};

	return bf_span_add(edit, root, range->region.span, &entry.region.span,
			   sizeof(entry), existing);
}

static int zone_add(struct bf_edit *edit, struct bf_span_node **root,
		    struct bf_io_zone *zone, struct bf_span_entry **existing)
{
	const struct bf_zone_entry entry = {
		.region.region = &zone->region,
		.ring = zone->ring,
	};

	return bf_span_add(edit, root, zone->region.span, &entry.region.span,
			   sizeof(entry), existing);
}

int bf_region_add(struct bf_change *change, struct bf_region *region,
		  struct bf_io_conflict *conflict)
{
	struct bf_span_node **root =
		region_root(bf_change_roots(change, region->space), region);
	struct bf_span_entry *existing;
	int ret = region->kind == BF_IO_ZONE ?
			  zone_add(&change->edit, root, zone_of(region),
				   &existing) :
			  range_add(&change->edit, root, range_of(region),
				    &existing);

	if (ret == -EEXIST && conflict) {
		conflict->wanted = bf_region_party(region);
		conflict->existing = bf_region_party(bf_region_of(existing));
	}
	return ret;
}

int bf_region_remove(struct bf_change *change, const struct bf_region *region)
{
	struct bf_io_roots *roots = bf_change_roots(change, region->space);

	return bf_span_remove(&change->edit, region_root(roots, region),
			      region->span.first);
}

/* Publishes a new region, or frees it. */
static int region_publish(struct bf_io_bus *bus, struct bf_region *region,
			  struct bf_io_conflict *conflict)
{
	struct bf_change change;
	int ret = bf_change_begin(&change, bus);

	if (ret) {
		bf_region_free(region);
		return ret;
	}
	ret = bf_region_add(&change, region, conflict);
	if (ret) {
		bf_change_abort(&change);
		bf_region_free(region);
		return ret;
	}
	PROBE_REGISTER(bus, region->kind, region->space, region->span.first,
		       region->span.last - region->span.first + 1);
	bf_change_commit(&change);
	return 0;
}

static int region_try_unpublish(struct bf_io_bus *bus,
				const struct bf_region *region)
{
	struct bf_change change;
	int ret = bf_change_begin(&change, bus);

	if (ret)
		return ret;
	ret = bf_region_remove(&change, region);
	if (ret)
		bf_change_abort(&change);
	else
		bf_change_commit(&change);
	return ret;
}

/* A removal that gets no memory clears the entry in the published tree. */
static void region_unpublish(struct bf_io_bus *bus,
			     const struct bf_region *region)
{
	PROBE_REMOVE(bus, region->kind, region->space, region->span.first,
		     region->span.last - region->span.first + 1);
	if (!region_try_unpublish(bus, region))
		return;
	pthread_mutex_lock(&bus->lock);
	bf_span_set_size(*region_root(&bus->state->space[region->space],
				      region),
			 region->span.first, 0);
	bf_change_count(bus);
	pthread_mutex_unlock(&bus->lock);
}

static int remove_region(struct bf_io_bus *bus, struct bf_region *region)
{
	if (bf_io_in_handler(bus))
		return -EDEADLK;
	region_unpublish(bus, region);
	synchronize_srcu_expedited(&bus->srcu);
	bf_removal_complete(&region->removal);
	return 0;
}

static void remove_region_async(struct bf_io_bus *bus, struct bf_region *region,
				bf_io_done_fn done, void *opaque)
{
	region_unpublish(bus, region);
	bf_removal_defer(&region->removal, done, opaque);
}

int bf_io_add_range(struct bf_io_bus *bus, const struct bf_io_range_desc *desc,
		    struct bf_io_range **rangep,
		    struct bf_io_conflict *conflict)
{
	struct bf_io_range *range;
	int ret = bf_range_new(bus, desc, &range);

	if (!ret)
		ret = region_publish(bus, &range->region, conflict);
	if (!ret && rangep)
		*rangep = range;
	return ret;
}

int bf_io_find_range(struct bf_io_bus *bus, uint16_t space, uint64_t addr,
		     struct bf_io_range **rangep)
{
	const struct bf_io_state *state;
	struct bf_span_hit hit;
	int idx;

	if (space >= BF_IO_SPACES)
		return -EINVAL;
	idx = srcu_down_read(&bus->srcu);
	state = srcu_dereference(bus->state, &bus->srcu);
	hit = bf_span_find(state->space[space].ranges,
			   sizeof(struct bf_range_entry), addr, 1);
	if (hit.entry)
		*rangep = range_of(bf_region_of(hit.entry));
	srcu_up_read(&bus->srcu, idx);
	return hit.entry ? 0 : -ENOENT;
}

void *bf_io_range_opaque(const struct bf_io_range *range)
{
	return range->opaque;
}

int bf_io_remove_range(struct bf_io_bus *bus, struct bf_io_range *range)
{
	return remove_region(bus, &range->region);
}

void bf_io_remove_range_async(struct bf_io_bus *bus, struct bf_io_range *range,
			      bf_io_done_fn done, void *opaque)
{
	remove_region_async(bus, &range->region, done, opaque);
}

int bf_io_add_zone(struct bf_io_bus *bus, const struct bf_io_zone_desc *desc,
		   struct bf_io_zone **zonep, struct bf_io_conflict *conflict)
{
	struct bf_io_zone *zone;
	int ret = bf_zone_new(bus, desc, &zone);

	if (!ret)
		ret = region_publish(bus, &zone->region, conflict);
	if (!ret && zonep)
		*zonep = zone;
	return ret;
}

int bf_io_remove_zone(struct bf_io_bus *bus, struct bf_io_zone *zone)
{
	return remove_region(bus, &zone->region);
}

void bf_io_remove_zone_async(struct bf_io_bus *bus, struct bf_io_zone *zone,
			     bf_io_done_fn done, void *opaque)
{
	remove_region_async(bus, &zone->region, done, opaque);
}
