// SPDX-License-Identifier: MIT
/* Who takes out of the rings what zones put in. */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "torture_io_bus.h"

/* Of each dispatcher, across all rings, in the order in which it wrote. */
static void take(void *opaque, const struct kvm_coalesced_mmio *entry)
{
	struct dispatcher *dispatcher;
	uint64_t number;

	io_torture.drained++;
	memcpy(&number, entry->data, sizeof(number));
	if (entry->len != sizeof(number) ||
	    number >> 32 >= io_torture.nr_dispatchers) {
		torture_fail("a ring has an entry that nobody wrote");
		return;
	}
	dispatcher = &io_torture.dispatchers[number >> 32];
	if (number <= dispatcher->drained)
		torture_fail("a ring has an entry twice, or late");
	dispatcher->drained = number;
}

void rings_drain(void)
{
	while (bf_io_ring_drain(io_torture.rings, NR_RINGS, take, NULL))
		;
}

/* Not at once, so that rings get full. */
void *drainer_main(void *number)
{
	struct pollfd wake = {.fd = io_torture.ring_fd, .events = POLLIN};
	struct actor actor;
	uint64_t count;

	actor_init(&actor, ACTOR_DRAINER, (unsigned int)(uintptr_t)number);
	while (!torture_stopped()) {
		actor_does(&actor, "drains the rings", NULL);
		if (poll(&wake, 1, 10) > 0 &&
		    read(wake.fd, &count, sizeof(count)) < 0)
			torture_fail("the rings' eventfd cannot be read");
		bf_io_ring_drain(io_torture.rings, NR_RINGS, take, NULL);
	}
	actor_done(&actor);
	return NULL;
}
