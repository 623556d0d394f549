/* SPDX-License-Identifier: MIT */
/* Device ranges. */
#ifndef BF_IO_BUS_RANGE_H
#define BF_IO_BUS_RANGE_H

#include <errno.h>

#include "io_bus/counters.h"
#include "io_bus/probe.h"
#include "io_bus/region.h"
#include "util.h"

struct bf_io_range {
	struct bf_io_ops ops; /* a copy: one load less on the way */
	void *opaque;
	struct bf_counters *counters; /* NULL: not counted yet */
	struct bf_region region;
};

/* 0 when the handler took it. */
static inline int bf_range_call(const struct bf_io_range *range,
				uint64_t offset,
				const struct bf_io_access *access)
{
	const struct bf_io_ops *ops = &range->ops;

	if (access->write)
		return !ops->write || ops->write(range->opaque, offset,
						 access->data, access->len);
	return !ops->read ||
	       ops->read(range->opaque, offset, access->data, access->len);
}

int bf_range_call_counted(struct bf_io_range *range, uint64_t offset,
			  const struct bf_io_access *access);

/*
 * In a section of the bus: 0, or -EOPNOTSUPP: nobody took it.  Inline, as all
 * that every access passes: a call costs more than a level of the tree.
 */
static inline __attribute__((always_inline)) int
bf_range_access(struct bf_io_bus *bus, const struct bf_io_roots *roots,
		const struct bf_io_access *access)
{
	struct bf_io_frame frame;
	struct bf_region *region;
	struct bf_io_range *range;
	uint64_t first;
	int ret;

	region = bf_span_find(roots->ranges, access->addr, access->len, &first);
	if (!region)
		return -EOPNOTSUPP;
	PROBE_DISPATCH(bus, BF_IO_RANGE, access);
	range = container_of(region, struct bf_io_range, region);
	bf_io_enter(&frame, bus, false);
	ret = unlikely(roots->counting) ?
		      bf_range_call_counted(range, access->addr - first,
					    access) :
		      bf_range_call(range, access->addr - first, access);
	bf_io_leave(&frame);
	return ret ? -EOPNOTSUPP : 0;
}

/* Checked and made, not published; 0, -EINVAL, -ENOMEM. */
int bf_range_new(struct bf_io_bus *bus, const struct bf_io_range_desc *desc,
		 struct bf_io_range **rangep);

/* Nobody knows it any more. */
void bf_range_free(struct bf_io_range *range);

#endif
