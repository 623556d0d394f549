/* SPDX-License-Identifier: MIT */
/* Device ranges. */
#ifndef BF_IO_BUS_RANGE_H
#define BF_IO_BUS_RANGE_H

#include <errno.h>

#include "io_bus/counters.h"
#include "io_bus/lookaside.h"
#include "io_bus/probe.h"
#include "io_bus/region.h"
#include "base/util.h"

struct bf_io_range {
	struct bf_io_ops ops; /* a copy, in which none is missing */
	void *opaque;
	struct bf_counters *counters; /* NULL: not counted yet */
	struct bf_region region;
};

/* 0 when the handler took it. */
static inline int bf_range_call(const struct bf_io_ops *ops, void *opaque,
				uint64_t offset,
				const struct bf_io_access *access)
{
	return access->write ?
		       ops->write(opaque, offset, access->data, access->len) :
		       ops->read(opaque, offset, access->data, access->len);
}

/* Tells probes that nobody took it; -EOPNOTSUPP. */
int bf_range_missed(struct bf_io_bus *bus, const struct bf_io_access *access);

/* In a section of the bus: of what was found; 0 or -EOPNOTSUPP. */
static inline __attribute__((always_inline)) int
bf_range_found(struct bf_io_bus *bus, const struct bf_finding *finding,
	       uint64_t offset, const struct bf_io_access *access)
{
	struct bf_io_frame frame;
	int ret;

	PROBE_DISPATCH(bus, BF_IO_RANGE, access);
	bf_io_enter(&frame, bus, access, false);
	ret = bf_range_call(&finding->ops, finding->opaque, offset, access);
	bf_io_leave(&frame);
	/* From the frame: a register less to be saved on the way. */
	return unlikely(ret) ? bf_range_missed(bus, frame.access) : 0;
}

/* In a section of the bus: 0, or -EOPNOTSUPP: nobody took it. */
int bf_range_access(struct bf_io_bus *bus, const struct bf_io_roots *roots,
		    const struct bf_io_access *access);

/* Checked and made, not published; 0, -EINVAL, -ENOMEM. */
int bf_range_new(struct bf_io_bus *bus, const struct bf_io_range_desc *desc,
		 struct bf_io_range **rangep);

/* Nobody knows it any more. */
void bf_range_free(struct bf_io_range *range);

#endif
