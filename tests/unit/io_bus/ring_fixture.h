/* SPDX-License-Identifier: MIT */
/* Rings and zones, on the bus of bus_fixture.h. */
#ifndef BF_TESTS_RING_FIXTURE_H
#define BF_TESTS_RING_FIXTURE_H

#include "belfry/io_ring.h"
#include "bus_fixture.h"

/* Wakes efd. */
struct bf_io_ring *ring_new(uint32_t entries, enum bf_io_ring_wake wake);
/* 0x100 bytes. */
struct bf_io_zone *add_zone(struct bf_io_ring *ring, uint16_t space,
			    uint64_t addr);

/* What a drain took. */
struct bag {
	unsigned int count;
	struct kvm_coalesced_mmio entries[1024];
};

void put_in_bag(void *opaque, const struct kvm_coalesced_mmio *entry);

/* Destroys the bus too, which is what keeps the ring. */
void end_ring(struct bf_io_ring *ring);

#endif
