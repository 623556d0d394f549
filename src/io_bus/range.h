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
	struct bf_io_ops ops; /* a copy, in which none is missing */
	void *opaque;
	struct bf_counters *counters; /* NULL: not counted yet */
	struct bf_region region;
};

/* In a section of the bus, with the offset from the base: 0 or -EOPNOTSUPP. */
int bf_range_call_counted(struct bf_io_bus *bus, struct bf_io_range *range,
			  uint64_t offset, const struct bf_io_access *access);

/* Tells probes that nothing took the access; -EOPNOTSUPP. */
int bf_range_missed(struct bf_io_bus *bus, const struct bf_io_access *access);

static inline int bf_range_call(struct bf_io_bus *bus,
				const struct bf_io_range *range,
				uint64_t offset,
				const struct bf_io_access *access)
{
	struct bf_io_frame frame;
	int ret;

	bf_io_enter(&frame, bus, false);
	ret = access->write ? range->ops.write(range->opaque, offset,
					       access->data, access->len) :
			      range->ops.read(range->opaque, offset,
					      access->data, access->len);
	bf_io_leave(&frame);
	return ret;
}

/* In a section of the bus: 0, or -EOPNOTSUPP: nothing took it. */
static inline __attribute__((always_inline)) int
bf_range_access(struct bf_io_bus *bus, const struct bf_io_roots *roots,
		const struct bf_io_access *access)
{
	struct bf_io_range *range;
	struct bf_region *region;
	struct bf_span span;
	uint64_t offset;
	int ret;

	region = bf_span_find(roots->ranges, access->addr, access->len, &span);
	if (unlikely(!region))
		return bf_range_missed(bus, access);
	PROBE_DISPATCH(bus, BF_IO_RANGE, access);
	range = container_of(region, struct bf_io_range, region);
	offset = access->addr - span.first;
	ret = unlikely(roots->counting) ?
		      bf_range_call_counted(bus, range, offset, access) :
		      bf_range_call(bus, range, offset, access);
	return unlikely(ret) ? bf_range_missed(bus, access) : 0;
}

/* Checked and made, not published; 0, -EINVAL, -ENOMEM. */
int bf_range_new(struct bf_io_bus *bus, const struct bf_io_range_desc *desc,
		 struct bf_io_range **rangep);

/* Nobody knows it any more. */
void bf_range_free(struct bf_io_range *range);

#endif
