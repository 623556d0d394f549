// SPDX-License-Identifier: MIT
/* Coalesced rings and zones on the bus of bus_fixture.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ring_fixture.h"
#include "base/util.h"

struct bf_io_ring *ring_new(uint32_t entries, enum bf_io_ring_wake wake)
{
	const struct bf_io_ring_desc desc = {
		.entries = entries,
		.wake = wake,
		.eventfd = efd,
	};
	struct bf_io_ring *ring = NULL;

	assert_int_equal(bf_io_ring_create(&desc, &ring), 0);
	return ring;
}

struct bf_io_zone *add_zone(struct bf_io_ring *ring, uint16_t space,
			    uint64_t addr)
{
	const struct bf_io_zone_desc desc = {
		.addr = addr,
		.size = 0x100,
		.space = space,
		.name = "zone",
		.ring = ring,
	};
	struct bf_io_zone *zone = NULL;

	assert_int_equal(bf_io_add_zone(bus, &desc, &zone, NULL), 0);
	return zone;
}

void put_in_bag(void *opaque, const struct kvm_coalesced_mmio *entry)
{
	struct bag *bag = opaque;

	bag->entries[bag->count++ % ARRAY_SIZE(bag->entries)] = *entry;
}

void end_ring(struct bf_io_ring *ring)
{
	bf_io_bus_destroy(bus);
	bus = NULL;
	assert_int_equal(bf_io_ring_destroy(ring), 0);
}
