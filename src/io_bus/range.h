/* SPDX-License-Identifier: MIT */
/* Device ranges. */
#ifndef BF_IO_BUS_RANGE_H
#define BF_IO_BUS_RANGE_H

#include <errno.h>

#include "io_bus/counters.h"
#include "io_bus/probe.h"
#include "io_bus/region.h"
#include "base/util.h"

struct bf_io_range {
	const struct bf_io_ops *ops; /* of the description, or complete */
	struct bf_io_ops complete;   /* without a missing function */
	void *opaque;
	struct bf_counters *counters; /* NULL: not counted yet */
	struct bf_region region;
};

/*
 * The entry of a range has all that a dispatch needs, which therefore does not
 * read the range itself: that would be one more cache miss.
 */
struct bf_range_entry {
	struct bf_region_entry region;
	const struct bf_io_ops *ops;
	void *opaque;
};

static inline struct bf_range_entry bf_range_entry(struct bf_io_range *range)
{
	return (struct bf_range_entry){
		.region.region = &range->region,
		.ops = range->ops,
		.opaque = range->opaque,
	};
}

/* In a section of the bus, with the offset from the base: 0 or -EOPNOTSUPP. */
int bf_range_call_counted(struct bf_io_bus *bus,
			  const struct bf_range_entry *range, uint64_t offset,
			  const struct bf_io_access *access);

/* Tells probes that nothing took the access; -EOPNOTSUPP. */
int bf_range_missed(struct bf_io_bus *bus, const struct bf_io_access *access);

static inline int bf_range_call(struct bf_io_bus *bus,
				const struct bf_range_entry *range,
				uint64_t offset,
				const struct bf_io_access *access)
{
	struct bf_io_frame frame;
	int ret;

	bf_io_enter(&frame, bus, false);
	ret = access->write ? range->ops->write(range->opaque, offset,
						access->data, access->len) :
			      range->ops->read(range->opaque, offset,
					       access->data, access->len);
	bf_io_leave(&frame);
	return ret;
}

/* In a section of the bus: 0, or -EOPNOTSUPP: nothing took it. */
static inline __attribute__((always_inline)) int
bf_range_access(struct bf_io_bus *bus, const struct bf_io_roots *roots,
		const struct bf_io_access *access)
{
	const struct bf_span_hit hit =
		bf_span_find(roots->ranges, sizeof(struct bf_range_entry),
			     access->addr, access->len);
	const struct bf_range_entry *range;
	int ret;

	if (unlikely(!hit.entry))
		return bf_range_missed(bus, access);
	PROBE_DISPATCH(bus, BF_IO_RANGE, access);
	range = container_of(hit.entry, struct bf_range_entry, region.span);
	ret = unlikely(roots->counting) ?
		      bf_range_call_counted(bus, range, hit.offset, access) :
		      bf_range_call(bus, range, hit.offset, access);
	return unlikely(ret) ? bf_range_missed(bus, access) : 0;
}

/* Checked and made, not published; 0, -EINVAL, -ENOMEM. */
int bf_range_new(struct bf_io_bus *bus, const struct bf_io_range_desc *desc,
		 struct bf_io_range **rangep);

/* Nobody knows it any more. */
void bf_range_free(struct bf_io_range *range);

#endif
