// SPDX-License-Identifier: MIT
/* Coalesced zones. */
#include <errno.h>
#include <stdlib.h>

#include "io_bus/probe.h"
#include "io_bus/ring.h"
#include "io_bus/zone.h"
#include "base/util.h"

bool bf_zone_write(struct bf_io_bus *bus, const struct bf_io_roots *roots,
		   const struct bf_io_access *access)
{
	const struct bf_span_hit hit =
		bf_span_find(roots->zones, sizeof(struct bf_region_entry),
			     access->addr, access->len);
	struct bf_region *region;

	if (!hit.entry)
		return false;
	region = bf_region_of(hit.entry);
	PROBE_DISPATCH(bus, BF_IO_ZONE, access);
	return bf_ring_put(
		container_of(region, struct bf_io_zone, region)->ring, access);
}

void bf_zone_free(struct bf_io_zone *zone)
{
	bf_ring_release(zone->ring);
	free(zone);
}

static struct bf_io_zone *zone_of(struct bf_removal *removal)
{
	return container_of(removal, struct bf_io_zone, region.removal);
}

static void removed(struct bf_removal *removal)
{
	PROBE_REMOVED(removal->bus, BF_IO_ZONE, zone_of(removal));
	bf_zone_free(zone_of(removal));
}

int bf_zone_new(struct bf_io_bus *bus, const struct bf_io_zone_desc *desc,
		struct bf_io_zone **zonep)
{
	const struct bf_io_range_desc where = {
		.addr = desc->addr,
		.size = desc->size,
		.space = desc->space,
		.name = desc->name,
	};
	struct bf_io_zone *zone;

	if (!desc->ring || bf_region_check(desc->addr, desc->size, desc->space))
		return -EINVAL;
	zone = calloc(1, sizeof(*zone));
	if (!zone)
		return -ENOMEM;
	zone->ring = desc->ring;
	bf_ring_hold(zone->ring);
	bf_region_init(&zone->region, BF_IO_ZONE, &where);
	zone->region.removal.bus = bus;
	zone->region.removal.free = removed;
	*zonep = zone;
	return 0;
}

int bf_io_add_zone(struct bf_io_bus *bus, const struct bf_io_zone_desc *desc,
		   struct bf_io_zone **zonep, struct bf_io_conflict *conflict)
{
	struct bf_io_zone *zone;
	int ret = bf_zone_new(bus, desc, &zone);

	if (ret)
		return ret;
	ret = bf_region_publish(bus, &zone->region, conflict);
	if (ret)
		bf_zone_free(zone);
	else if (zonep)
		*zonep = zone;
	return ret;
}

int bf_io_remove_zone(struct bf_io_bus *bus, struct bf_io_zone *zone)
{
	return bf_region_end(bus, &zone->region);
}

void bf_io_remove_zone_async(struct bf_io_bus *bus, struct bf_io_zone *zone,
			     bf_io_done_fn done, void *opaque)
{
	bf_region_end_async(bus, &zone->region, done, opaque);
}
