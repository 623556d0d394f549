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

static int call_counted(struct bf_io_range *range, uint64_t offset,
			const struct bf_io_access *access)
{
	uint64_t start = bf_count_start();
	int ret = bf_range_call(&range->ops, range->opaque, offset, access);

	bf_count(&range->counters, access->write, start);
	return ret;
}

static int call(struct bf_io_bus *bus, struct bf_io_range *range,
		uint64_t offset, bool counting,
		const struct bf_io_access *access)
{
	struct bf_io_frame frame;
	int ret;

	PROBE_DISPATCH(bus, BF_IO_RANGE, access);
	bf_io_enter(&frame, bus, access, false);
	ret = counting ?
		      call_counted(range, offset, access) :
		      bf_range_call(&range->ops, range->opaque, offset, access);
	bf_io_leave(&frame);
	return ret ? bf_range_missed(bus, access) : 0;
}

static void keep(const struct bf_io_roots *roots, uint64_t seal,
		 const struct bf_io_range *range, struct bf_span span,
		 uint64_t addr)
{
	const struct bf_finding finding = {
		.seal = seal,
		.first = span.first,
		.size_less_1 = span.last - span.first,
		.ops = range->ops,
		.opaque = range->opaque,
	};

	bf_lookaside_keep(&finding, roots, addr);
}

/*
 * Is what is remembered under the state's seal to be used?  A change in place
 * renews that one only after it has cleared, and by then others may have missed
 * the range.  Relaxed: who has missed it sees that the bus's was hidden first,
 * and so does whom he told.
 */
static bool is_shown(const struct bf_io_bus *bus, unsigned int space,
		     uint64_t seal)
{
#ifdef BF_BREAK_SHOWN
	return true;
#endif
	return __atomic_load_n(&bus->seals[space].ranges, __ATOMIC_RELAXED) ==
	       seal;
}

/* What the lookaside does not know; the seal is from before. */
static int search(struct bf_io_bus *bus, const struct bf_io_roots *roots,
		  uint64_t seal, const struct bf_io_access *access)
{
	struct bf_io_range *range;
	struct bf_region *region;
	struct bf_span span;

	region = bf_span_find(roots->ranges, access->addr, access->len, &span);
#ifdef BF_BREAK_SEAL_LATE
	seal = __atomic_load_n(&roots->seals.ranges, __ATOMIC_ACQUIRE);
#endif
	if (!region)
		return bf_range_missed(bus, access);
	range = container_of(region, struct bf_io_range, region);
	/* What is to be counted is counted here. */
	if (!roots->counting)
		keep(roots, seal, range, span, access->addr);
	return call(bus, range, access->addr - span.first, roots->counting,
		    access);
}

int bf_range_access(struct bf_io_bus *bus, const struct bf_io_roots *roots,
		    const struct bf_io_access *access)
{
	/* Acquire: see bf_bus_reseal(). */
	const uint64_t seal =
		__atomic_load_n(&roots->seals.ranges, __ATOMIC_ACQUIRE);
	const struct bf_finding *finding = NULL;
	uint64_t offset;

	if (is_shown(bus, access->space, seal))
		finding = bf_lookaside_find(seal, access->addr, access->len,
					    &offset);
	return finding ? bf_range_found(bus, finding, offset, access) :
			 search(bus, roots, seal, access);
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

int bf_range_new(struct bf_io_bus *bus, const struct bf_io_range_desc *desc,
		 struct bf_io_range **rangep)
{
	struct bf_io_range *range;

	if (!desc->ops || bf_region_check(desc->addr, desc->size, desc->space))
		return -EINVAL;
	range = calloc(1, sizeof(*range));
	if (!range)
		return -ENOMEM;
	range->ops.read = desc->ops->read ? desc->ops->read : read_nothing;
	range->ops.write = desc->ops->write ? desc->ops->write : write_nothing;
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
