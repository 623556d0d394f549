// SPDX-License-Identifier: MIT
/* Device ranges. */
#include <errno.h>
#include <stdlib.h>

#include "io_bus/probe.h"
#include "io_bus/range.h"
#include "base/util.h"

int bf_range_missed(struct bf_io_bus *bus, const struct bf_io_access *access)
{
	PROBE_MISS(bus, access);
	return -EOPNOTSUPP;
}

int bf_range_call_counted(struct bf_io_bus *bus,
			  const struct bf_range_entry *range, uint64_t offset,
			  const struct bf_io_access *access)
{
	struct bf_counters **counters =
		&container_of(range->region.region, struct bf_io_range, region)
			 ->counters;
	uint64_t start = bf_count_start();
	int ret = bf_range_call(bus, range, offset, access);

	bf_count(counters, access->write, start);
	return ret;
}

void bf_range_free(struct bf_io_range *range)
{
	bf_counters_free(range->counters);
	free(range);
}

static struct bf_io_range *range_of(struct bf_removal *removal)
{
	return container_of(removal, struct bf_io_range, region.removal);
}

static void removed(struct bf_removal *removal)
{
	PROBE_REMOVED(removal->bus, BF_IO_RANGE, range_of(removal));
	bf_range_free(range_of(removal));
}

static int read_nothing(void *opaque, uint64_t offset, void *data, uint32_t len)
{
	return -EOPNOTSUPP;
}

static int write_nothing(void *opaque, uint64_t offset, const void *data,
			 uint32_t len)
{
	return -EOPNOTSUPP;
}

static void complete_ops(struct bf_io_range *range)
{
	if (!range->complete.read)
		range->complete.read = read_nothing;
	if (!range->complete.write)
		range->complete.write = write_nothing;
	range->ops = &range->complete;
}

int bf_range_new(struct bf_io_bus *bus, const struct bf_io_range_desc *desc,
		 struct bf_io_range **rangep)
{
	struct bf_io_range *range;

	if (!desc->ops || bf_region_check(desc->addr, desc->size, desc->space))
		return -EINVAL;
	range = calloc(1, sizeof(*range));
	if (!range)
		return -ENOMEM;
	range->complete = *desc->ops;
	range->ops = desc->ops;
	if (!desc->ops->read || !desc->ops->write)
		complete_ops(range);
	range->opaque = desc->opaque;
	bf_region_init(&range->region, BF_IO_RANGE, desc);
	range->region.removal.bus = bus;
	range->region.removal.free = removed;
	*rangep = range;
	return 0;
}

int bf_io_add_range(struct bf_io_bus *bus, const struct bf_io_range_desc *desc,
		    struct bf_io_range **rangep,
		    struct bf_io_conflict *conflict)
{
	struct bf_io_range *range;
	int ret = bf_range_new(bus, desc, &range);

	if (ret)
		return ret;
	ret = bf_region_publish(bus, &range->region, conflict);
	if (ret)
		bf_range_free(range);
	else if (rangep)
		*rangep = range;
	return ret;
}

int bf_io_remove_range(struct bf_io_bus *bus, struct bf_io_range *range)
{
	return bf_region_end(bus, &range->region);
}

void bf_io_remove_range_async(struct bf_io_bus *bus, struct bf_io_range *range,
			      bf_io_done_fn done, void *opaque)
{
	bf_region_end_async(bus, &range->region, done, opaque);
}
