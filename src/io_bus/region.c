// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "io_bus/probe.h"
#include "io_bus/range.h"
#include "io_bus/region.h"

int bf_region_check(uint64_t addr, uint64_t size, uint16_t space)
{
	if (!size || space >= BF_IO_SPACES || size - 1 > UINT64_MAX - addr)
		return -EINVAL;
	return 0;
}

void bf_region_init(struct bf_region *region, enum bf_io_kind kind,
		    const struct bf_io_range_desc *where)
{
	region->span.first = where->addr;
	region->span.last = where->addr + (where->size - 1);
	region->kind = kind;
	region->space = where->space;
	bf_io_copy_name(region->name, where->name);
}

int bf_region_span_at(const struct bf_region *region, uint64_t addr,
		      struct bf_span *span)
{
	uint64_t rest = region->span.last - region->span.first;

	if (rest > UINT64_MAX - addr)
		return -EINVAL;
	*span = (struct bf_span){addr, addr + rest};
	return 0;
}

static struct bf_span_node **root_of(struct bf_io_roots *roots,
				     const struct bf_region *region)
{
	return region->kind == BF_IO_ZONE ? &roots->zones : &roots->ranges;
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

static int region_entry_add(struct bf_edit *edit, struct bf_span_node **root,
			    struct bf_region *region,
			    struct bf_span_entry **existing)
{
	const struct bf_region_entry zone = {.region = region};
	struct bf_range_entry range;

	if (region->kind == BF_IO_ZONE)
		return bf_span_add(edit, root, region->span, &zone.span,
				   sizeof(zone), existing);
	range = bf_range_entry(
		container_of(region, struct bf_io_range, region));
	return bf_span_add(edit, root, region->span, &range.region.span,
			   sizeof(range), existing);
}

int bf_region_add(struct bf_change *change, struct bf_region *region,
		  struct bf_io_conflict *conflict)
{
	struct bf_io_roots *roots = bf_change_roots(change, region->space);
	struct bf_span_entry *existing;
	int ret = region_entry_add(&change->edit, root_of(roots, region),
				   region, &existing);

	if (ret == -EEXIST && conflict) {
		conflict->wanted = bf_region_party(region);
		conflict->existing = bf_region_party(bf_region_of(existing));
	}
	return ret;
}

int bf_region_remove(struct bf_change *change, const struct bf_region *region)
{
	struct bf_io_roots *roots = bf_change_roots(change, region->space);

	return bf_span_remove(&change->edit, root_of(roots, region),
			      region->span.first);
}

int bf_region_publish(struct bf_io_bus *bus, struct bf_region *region,
		      struct bf_io_conflict *conflict)
{
	struct bf_change change;
	int ret = bf_change_begin(&change, bus);

	if (ret)
		return ret;
	ret = bf_region_add(&change, region, conflict);
	if (ret) {
		bf_change_abort(&change);
		return ret;
	}
	PROBE_REGISTER(bus, region->kind, region->space, region->span.first,
		       region->span.last - region->span.first + 1);
	bf_change_commit(&change);
	return 0;
}

static int try_unpublish(struct bf_io_bus *bus, const struct bf_region *region)
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

/* Bus locked. */
static void clear(struct bf_io_bus *bus, const struct bf_region *region)
{
	struct bf_io_roots *roots = &bus->state->space[region->space];

	bf_span_set_size(*root_of(roots, region), region->span.first, 0);
	bf_change_counts(bus);
}

/* Without memory for a new state it is taken out of the one that there is. */
static void unpublish(struct bf_io_bus *bus, const struct bf_region *region)
{
	PROBE_REMOVE(bus, region->kind, region->space, region->span.first,
		     region->span.last - region->span.first + 1);
	if (!try_unpublish(bus, region))
		return;
	pthread_mutex_lock(&bus->lock);
	clear(bus, region);
	pthread_mutex_unlock(&bus->lock);
}

int bf_region_end(struct bf_io_bus *bus, struct bf_region *region)
{
	if (bf_io_in_handler(bus))
		return -EDEADLK;
	unpublish(bus, region);
#ifndef BF_BREAK_REMOVAL
	synchronize_srcu_expedited(&bus->srcu);
#endif
	bf_removal_complete(&region->removal);
	return 0;
}

void bf_region_end_async(struct bf_io_bus *bus, struct bf_region *region,
			 bf_io_done_fn done, void *opaque)
{
	unpublish(bus, region);
	bf_removal_defer(&region->removal, done, opaque);
}
