// SPDX-License-Identifier: MIT
/* The drainer of the rings that zones fill. */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "tools/torture/io_bus/torture_io_bus.h"

/* Entries of one dispatcher must come in the order of its writes. */
static void take_entry(void *opaque, const struct kvm_coalesced_mmio *entry)
{
	struct dispatcher *dispatcher;
	uint64_t number;

	io_torture.drained++;
	memcpy(&number, entry->data, sizeof(number));
	if (entry->len != sizeof(number) ||
	    number >> 32 >= io_torture.nr_dispatchers) {
		torture_fail("a ring has an entry without a write");
		return;
	}
	dispatcher = &io_torture.dispatchers[number >> 32];
	if (number <= dispatcher->drained)
		torture_fail("a ring has an entry twice, or late");
	dispatcher->drained = number;
}

void rings_drain(void)
{
	while (bf_io_ring_drain(io_torture.rings, NR_RINGS, take_entry, NULL))
		;
}

/* Drain only after a wake-up or 10 ms, so that rings get full. */
void *drainer_main(void *number)
{
	struct pollfd wake = {.fd = io_torture.ring_fd, .events = POLLIN};
	struct torture_thread self;
	uint64_t count;

	thread_init(&self, THREAD_DRAINER, (unsigned int)(uintptr_t)number);
	while (!torture_stopped()) {
		thread_does(&self, "drains the rings", NULL);
		if (poll(&wake, 1, 10) > 0 &&
		    read(wake.fd, &count, sizeof(count)) < 0)
			torture_fail("the rings' eventfd cannot be read");
		bf_io_ring_drain(io_torture.rings, NR_RINGS, take_entry, NULL);
	}
	thread_done(&self);
	return NULL;
}
