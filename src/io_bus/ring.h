/* SPDX-License-Identifier: MIT */
/* Rings of coalesced writes, as zones see them. */
#ifndef BF_IO_BUS_RING_H
#define BF_IO_BUS_RING_H

#include "belfry/io_ring.h"

/* A zone has it; it cannot be destroyed meanwhile. */
void bf_ring_hold(struct bf_io_ring *ring);
void bf_ring_release(struct bf_io_ring *ring);

/* False: there is no room.  The access is no longer than 8 bytes. */
bool bf_ring_put(struct bf_io_ring *ring, const struct bf_io_access *access);

#endif
