/* SPDX-License-Identifier: MIT */
/* Device ranges. */
#ifndef BF_IO_BUS_RANGE_H
#define BF_IO_BUS_RANGE_H

#include "io_bus/counters.h"
#include "io_bus/region.h"

struct bf_io_range {
	const struct bf_io_ops *ops;
	void *opaque;
	struct bf_counters *counters; /* NULL: not counted yet */
	struct bf_region region;
};

/* In a section of the bus: 0, or -EOPNOTSUPP: nobody took it. */
int bf_range_access(struct bf_io_bus *bus, const struct bf_io_roots *roots,
		    const struct bf_io_access *access);

/* Checked and made, not published; 0, -EINVAL, -ENOMEM. */
int bf_range_new(struct bf_io_bus *bus, const struct bf_io_range_desc *desc,
		 struct bf_io_range **rangep);

/* Nobody knows it any more. */
void bf_range_free(struct bf_io_range *range);

#endif
