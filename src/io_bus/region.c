// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io_bus/region.h"
#include "io_bus/ring.h"
#include "io_bus/thread.h"

static struct bf_region *region_of(const struct bf_entry *entry)
{
	return container_of(entry, struct bf_region, entry);
}

static struct bf_layer *region_layers(struct bf_io_roots *roots,
				      const struct bf_entry *entry)
{
	return entry->kind == BF_IO_ZONE ? &roots->zones : &roots->ranges;
}

static struct bf_span region_span(const struct bf_entry *entry)
{
	return (struct bf_span){entry->addr, entry->addr + (entry->size - 1)};
}

static bool layer_overlaps(const struct bf_layer *layer,
			   const struct bf_entry *entry)
{
	const struct bf_span span = region_span(entry);
	struct bf_span found;

	return bf_span_next(layer->root, span.first, &found) &&
	       found.first <= span.last;
}

static bool layer_has(const struct bf_layer *layer,
		      const struct bf_entry *entry)
{
	const struct bf_span_hit hit = bf_span_find(
		layer->root, sizeof(struct bf_region_span), entry->addr, 1);

	return hit.entry &&
	       &bf_region_span_of(hit.entry)->region->entry == entry;
}

/* The number of layers before the one that has the region. */
static unsigned int layers_before(const struct bf_layer *layer,
				  const struct bf_entry *entry)
{
	unsigned int before = 0;

	for (; layer->next && !layer_has(layer, entry); before++)
		layer = &layer->next->layer;
	return before;
}

/* The layer for a new zone: the one behind all layers that it overlaps. */
static struct bf_layer *zone_layer(struct bf_edit *edit, struct bf_layer *first,
				   const struct bf_entry *zone)
{
	const struct bf_layer *layer = first;
	unsigned int count = 0, before = 0;

	for (; layer; layer = bf_layer_next(layer)) {
		count++;
		if (layer_overlaps(layer, zone))
			before = count;
	}
	return before < count ? bf_layer_own(edit, first, before) :
				bf_layer_add(edit, first, before);
}

/* Bit i of priorities: there is a layer of level i. */
unsigned int bf_range_layers_before(const struct bf_io_roots *roots,
				    unsigned int level)
{
	const uint32_t above = roots->priorities >> level >> 1;

	return (unsigned int)__builtin_popcount(above);
}

/* The layer of a range's priority, present or new. */
static struct bf_layer *
range_layer(struct bf_edit *edit, struct bf_io_roots *roots, unsigned int level)
{
	const unsigned int before = bf_range_layers_before(roots, level);
	const uint32_t bit = 1U << level;

	if (roots->priorities & bit)
		return bf_layer_own(edit, &roots->ranges, before);
	roots->priorities |= bit;
	return bf_layer_add(edit, &roots->ranges, before);
}

static struct bf_layer *layer_to_add(struct bf_change *change,
				     const struct bf_entry *entry)
{
	struct bf_io_roots *roots = bf_entry_roots(change->state, entry);

	return entry->kind == BF_IO_ZONE ?
		       zone_layer(&change->edit, &roots->zones, entry) :
		       range_layer(&change->edit, roots,
				   region_of(entry)->level);
}

static int region_add(struct bf_change *change, struct bf_entry *entry,
		      struct bf_entry **existing)
{
	struct bf_layer *layer = layer_to_add(change, entry);
	struct bf_region *region = region_of(entry);
	const struct bf_region_span new = {
		.opaque = region->opaque,
		.ops = region->ops,
		.region = region,
	};
	struct bf_span_entry *other;
	int ret;

	if (!layer)
		return -ENOMEM;
	ret = bf_span_add(&change->edit, &layer->root, region_span(entry),
			  &new.span, sizeof(new), &other);
	if (ret == -EEXIST)
		*existing = &bf_region_span_of(other)->region->entry;
	return ret;
}

static int region_remove(struct bf_change *change, const struct bf_entry *entry)
{
	struct bf_io_roots *roots = bf_entry_roots(change->state, entry);
	struct bf_layer *first = region_layers(roots, entry);
	struct bf_layer *layer =
		bf_layer_own(&change->edit, first, layers_before(first, entry));

	if (!layer || bf_span_remove(&change->edit, &layer->root, entry->addr))
		return -ENOMEM;
	if (layer->root)
		return 0;
	bf_layer_drop(&change->edit, first, layer);
	if (entry->kind == BF_IO_RANGE)
		roots->priorities &= ~(1U << region_of(entry)->level);
	return 0;
}

static void region_clear(struct bf_io_roots *roots,
			 const struct bf_entry *entry)
{
	const struct bf_layer *layer = region_layers(roots, entry);

	while (layer->next && !layer_has(layer, entry))
		layer = &layer->next->layer;
	bf_span_set_size(layer->root, entry->addr, 0);
}

static void region_release(struct bf_entry *entry)
{
	if (entry->kind == BF_IO_ZONE)
		bf_ring_release(region_of(entry)->opaque);
}

static const struct bf_entry_ops region_entry_ops = {
	.add = region_add,
	.remove = region_remove,
	.clear = region_clear,
	.release = region_release,
};

static int layer_each(const struct bf_span_node *root, bf_entry_fn fn,
		      void *opaque)
{
	struct bf_span_entry *entry;
	struct bf_span span;
	int ret = 0;

	bf_span_for_each(entry, root, &span) {
		ret = fn(opaque, span,
			 &bf_region_span_of(entry)->region->entry);
		if (ret)
			break;
	}
	return ret;
}

int bf_regions_each(const struct bf_layer *layer, bf_entry_fn fn, void *opaque)
{
	int ret = 0;

	for (; layer && !ret; layer = bf_layer_next(layer))
		ret = layer_each(layer->root, fn, opaque);
	return ret;
}

static void region_end(struct bf_span_entry *entry)
{
	bf_entry_free(&bf_region_span_of(entry)->region->entry);
}

void bf_regions_free(const struct bf_layer *layers)
{
	bf_layers_free(layers, region_end);
}

/* A region of an entry without ops and name: 0, -EINVAL, -ENOMEM. */
static int region_new(const struct bf_entry *entry, const char *name,
		      struct bf_region **regionp)
{
	struct bf_region *region;

	if (!entry->size || entry->space >= BF_IO_SPACES ||
	    bf_entry_check_addr(entry, entry->addr))
		return -EINVAL;
	region = calloc(1, sizeof(*region));
	if (!region)
		return -ENOMEM;
	region->entry = *entry;
	region->entry.ops = &region_entry_ops;
	region->entry.name = region->name;
	if (name)
		memcpy(region->name, name,
		       strnlen(name, sizeof(region->name) - 1));
	*regionp = region;
	return 0;
}

/* In place of a handler that is NULL. */
static int no_handler(void *opaque, uint64_t offset,
		      const struct bf_io_access *access)
{
	return -EOPNOTSUPP;
}

static bool range_desc_valid(const struct bf_io_range_desc *desc)
{
	return desc->ops && desc->priority >= BF_IO_PRIORITY_MIN &&
	       desc->priority <= BF_IO_PRIORITY_MAX &&
	       bf_reserved_is_zero(desc->reserved);
}

int bf_range_new(struct bf_io_bus *bus, const struct bf_io_range_desc *desc,
		 struct bf_io_range **rangep)
{
	const struct bf_entry entry = {.kind = BF_IO_RANGE,
				       .bus = bus,
				       .space = desc->space,
				       .addr = desc->addr,
				       .size = desc->size};
	struct bf_region *region;
	int ret = range_desc_valid(desc) ?
			  region_new(&entry, desc->name, &region) :
			  -EINVAL;

	if (ret)
		return ret;
	region->level = (unsigned int)(desc->priority - BF_IO_PRIORITY_MIN);
	region->ops.read = desc->ops->read ? desc->ops->read : no_handler;
	region->ops.write = desc->ops->write ? desc->ops->write : no_handler;
	region->opaque = desc->opaque;
	*rangep = container_of(region, struct bf_io_range, region);
	return 0;
}

int bf_zone_new(struct bf_io_bus *bus, const struct bf_io_zone_desc *desc,
		struct bf_io_zone **zonep)
{
	const struct bf_entry entry = {.kind = BF_IO_ZONE,
				       .bus = bus,
				       .space = desc->space,
				       .addr = desc->addr,
				       .size = desc->size};
	struct bf_region *region;
	int ret = desc->ring && bf_reserved_is_zero(desc->reserved) ?
			  region_new(&entry, desc->name, &region) :
			  -EINVAL;

	if (ret)
		return ret;
	region->opaque = desc->ring;
	bf_ring_hold(desc->ring);
	*zonep = container_of(region, struct bf_io_zone, region);
	return 0;
}

static int region_remove_wait(struct bf_region *region)
{
	struct bf_io_bus *bus = region->entry.bus;

	if (bf_io_in_handler(bus))
		return -EDEADLK;
	bf_entry_unpublish(&region->entry);
	synchronize_srcu_expedited(&bus->srcu);
	bf_entry_removed(&region->entry);
	return 0;
}

int bf_io_add_range(struct bf_io_bus *bus, const struct bf_io_range_desc *desc,
		    struct bf_io_range **rangep,
		    struct bf_io_conflict *conflict)
{
	struct bf_io_range *range;
	int ret = bf_range_new(bus, desc, &range);

	if (!ret)
		ret = bf_entry_publish(&range->region.entry, conflict);
	if (!ret && rangep)
		*rangep = range;
	return ret;
}

static struct bf_span_hit find_range(const struct bf_io_state *state,
				     uint16_t space, uint64_t addr)
{
	const struct bf_io_access access = {.addr = addr, .len = 1};
	struct bf_span_hit hit = {NULL, 0, 0};
	const struct bf_layer *layer;

	if (space >= state->spaces)
		return hit;
	layer = &state->space[space].ranges;
	for (; layer && !hit.entry; layer = bf_layer_next(layer))
		hit = bf_region_find(layer->root, &access);
	return hit;
}

int bf_io_find_range(struct bf_io_bus *bus, uint16_t space, uint64_t addr,
		     struct bf_io_range **rangep)
{
	struct bf_span_hit hit;
	int idx;

	if (space >= BF_IO_SPACES)
		return -EINVAL;
	idx = srcu_down_read(&bus->srcu);
	hit = find_range(bf_bus_state(bus), space, addr);
	if (hit.entry)
		*rangep = container_of(bf_region_span_of(hit.entry)->region,
				       struct bf_io_range, region);
	srcu_up_read(&bus->srcu, idx);
	return hit.entry ? 0 : -ENOENT;
}

void *bf_io_range_opaque(const struct bf_io_range *range)
{
	return range->region.opaque;
}

int bf_io_remove_range(struct bf_io_bus *bus, struct bf_io_range *range)
{
	return region_remove_wait(&range->region);
}

void bf_io_remove_range_async(struct bf_io_bus *bus, struct bf_io_range *range,
			      bf_io_done_fn done, void *opaque)
{
	bf_entry_remove_async(&range->region.entry, done, opaque);
}

int bf_io_add_zone(struct bf_io_bus *bus, const struct bf_io_zone_desc *desc,
		   struct bf_io_zone **zonep, struct bf_io_conflict *conflict)
{
	struct bf_io_zone *zone;
	int ret = bf_zone_new(bus, desc, &zone);

	if (!ret)
		ret = bf_entry_publish(&zone->region.entry, conflict);
	if (!ret && zonep)
		*zonep = zone;
	return ret;
}

int bf_io_remove_zone(struct bf_io_bus *bus, struct bf_io_zone *zone)
{
	return region_remove_wait(&zone->region);
}

void bf_io_remove_zone_async(struct bf_io_bus *bus, struct bf_io_zone *zone,
			     bf_io_done_fn done, void *opaque)
{
	bf_entry_remove_async(&zone->region.entry, done, opaque);
}
