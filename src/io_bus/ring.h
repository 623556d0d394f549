/* SPDX-License-Identifier: MIT */
/* Rings of coalesced writes, for zones. */
#ifndef BF_IO_BUS_RING_H
#define BF_IO_BUS_RING_H

#include "belfry/io_ring.h"

/* A zone holds its ring, which cannot be destroyed meanwhile. */
void bf_ring_hold(struct bf_io_ring *ring);
void bf_ring_release(struct bf_io_ring *ring);

/* Puts a write of at most 8 bytes in the ring; false: the ring is full. */
bool bf_ring_put(struct bf_io_ring *ring, const struct bf_io_access *access);

#endif
