// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <unistd.h>

#include <belfry/io_ring.h>

/*
 * A thread that prints each write of the guest to a zone:
 */
static void print_entry(void *opaque, const struct kvm_coalesced_mmio *entry)
{
	fprintf(opaque, "%u bytes to %#llx\n", entry->len,
		(unsigned long long)entry->phys_addr);
}

static void consume(struct bf_io_ring *ring, int eventfd)
{
	uint64_t wakes;

	while (read(eventfd, &wakes, sizeof(wakes)) == sizeof(wakes))
		bf_io_ring_drain(&ring, 1, print_entry, stdout);
}

static int add_zone(struct bf_io_bus *bus, uint64_t addr, int eventfd,
		    struct bf_io_ring **ringp)
{
	struct bf_io_ring_desc desc = {
		.wake = BF_IO_WAKE_NONEMPTY,
		.eventfd = eventfd,
	};
	struct bf_io_zone_desc zone = {
		.addr = addr,
		.size = 0x1000,
		.space = BF_IO_MMIO,
		.name = "registers",
	};
	int err = bf_io_ring_create(&desc, ringp);

	if (err)
		return err;
	zone.ring = *ringp;
	err = bf_io_add_zone(bus, &zone, NULL, NULL);
	if (err)
		bf_io_ring_destroy(*ringp);
	return err;
}
