/* SPDX-License-Identifier: MIT */
/* Coalesced rings and zones on the bus of bus_fixture.h. */
#ifndef BF_TESTS_RING_FIXTURE_H
#define BF_TESTS_RING_FIXTURE_H

#include "belfry/io_ring.h"
#include "bus_fixture.h"

/* A ring that signals efd. */
struct bf_io_ring *ring_new(uint32_t entries, enum bf_io_ring_wake wake);

/* A zone of 0x100 bytes. */
struct bf_io_zone *add_zone(struct bf_io_ring *ring, uint16_t space,
			    uint64_t addr);

/* The entries that a drain took out. */
struct bag {
	unsigned int count;
	struct kvm_coalesced_mmio entries[1024];
};

void put_in_bag(void *opaque, const struct kvm_coalesced_mmio *entry);

/* Destroys the bus, with the zones that hold the ring, and then the ring. */
void end_ring(struct bf_io_ring *ring);

#endif
