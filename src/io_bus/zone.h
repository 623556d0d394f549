/* SPDX-License-Identifier: MIT */
/* Coalesced zones. */
#ifndef BF_IO_BUS_ZONE_H
#define BF_IO_BUS_ZONE_H

#include "io_bus/region.h"

struct bf_io_zone {
	struct bf_io_ring *ring;
	struct bf_region region;
};

/* In a section of the bus: true when the write is in a ring. */
bool bf_zone_write(struct bf_io_bus *bus, const struct bf_io_roots *roots,
		   const struct bf_io_access *access);

/* Checked and made, not published; 0, -EINVAL, -ENOMEM. */
int bf_zone_new(struct bf_io_bus *bus, const struct bf_io_zone_desc *desc,
		struct bf_io_zone **zonep);

/* Nobody knows it any more. */
void bf_zone_free(struct bf_io_zone *zone);

#endif
